/* SPDX-License-Identifier: MIT */
/* 1.3.2, 1.3.3 Bound: with nobody receiving exactly `bound` messages are accepted, and after each
 * receive exactly as many more; an unbounded channel ends with MPSC_NO_SPACE and nothing is lost. */
#include "channels.h"

enum { LARGEST = 1000 };

static const size_t bounds[] = {0,  1,  2,  3,  4,  5,  6,  7,    8,    9,    10,
                                11, 12, 13, 14, 15, 16, 17, 1000, 1023, 1024, 1025};
static const size_t sizes[] = {1, 8, 64, LARGEST};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A channel under test, and what went through it. */
struct queue {
    mpsc_sender *tx;
    mpsc_receiver *rx;
    size_t size;
    uint64_t sent, received;
};

static void queue_send(struct queue *q, size_t length, mpsc_status expected)
{
    static unsigned char message[17 * LARGEST];
    pattern_fill(message, length, q->sent);
    assert_status(mpsc_try_send(q->tx, message, length), expected);
    q->sent += expected == MPSC_OK;
}

static size_t queue_receive(struct queue *q)
{
    static unsigned char message[17 * LARGEST];
    size_t length = SIZE_MAX;
    assert_status(mpsc_try_recv(q->rx, message, sizeof message, &length), MPSC_OK);
    pattern_check(message, length, q->received++);
    return length;
}

static void queue_must_be_empty(struct queue *q)
{
    unsigned char byte;
    assert_status(mpsc_try_recv(q->rx, &byte, 1, NULL), MPSC_EMPTY);
    assert_int_equal(q->sent, q->received);
    assert_int_equal(mpsc_len(q->rx), 0);
}

static void queue_close(struct queue *q)
{
    mpsc_sender_close(q->tx);
    mpsc_receiver_close(q->rx);
}

/* ------------------------------------------------------------------ messages of one cell */

static void check_bound(struct queue *q, size_t bound)
{
    assert_int_equal(mpsc_capacity(q->rx), bound);
    for (size_t i = 0; i < bound; i++) {
        assert_int_equal(mpsc_len(q->rx), i);
        queue_send(q, q->size - i % 2 % q->size, MPSC_OK);
    }
    queue_send(q, q->size, MPSC_FULL);
    queue_send(q, 0, MPSC_FULL);
    assert_int_equal(mpsc_len(q->rx), bound);

    /* After k receives exactly k more, for several laps. */
    uint64_t laps = q->sent + 4 * bound;
    for (size_t k = 1; q->sent < laps; k = k % bound + 1) {
        for (size_t i = 0; i < k; i++)
            queue_receive(q);
        for (size_t i = 0; i < k; i++)
            queue_send(q, (i + k) % (q->size + 1), MPSC_OK);
        queue_send(q, q->size, MPSC_FULL);
    }
    for (size_t i = 0; i < bound; i++)
        queue_receive(q);
    queue_must_be_empty(q);
}

static void every_bound_is_exact(void)
{
    for (size_t i = 0; i < COUNT(bounds); i++)
        for (size_t j = 0; j < COUNT(sizes); j++) {
            struct queue q = {.size = sizes[j]};
            assert_status(mpsc_sync_channel(sizes[j], bounds[i], &q.tx, &q.rx), MPSC_OK);
            check_bound(&q, bounds[i]);
            queue_close(&q);
        }
}

static void every_bound_of_a_named_channel_is_exact(void)
{
    for (size_t i = 0; i < COUNT(bounds); i++) {
        const char *name = channel_name();
        struct queue q = {.size = 24};
        q.tx = open_tx(name, 24, bounds[i]);
        q.rx = open_rx(name, 24, bounds[i]);
        check_bound(&q, bounds[i]);
        queue_close(&q);
    }
}

/* ------------------------------------------------------------------ longer messages */

/* With the ring's place moved on by `offset`: of messages of so many cells exactly bound / cells are
 * accepted, and then single ones for the rest. */
static void check_cells(struct queue *q, size_t bound, size_t cells, size_t offset)
{
    for (size_t i = 0; i < offset; i++) {
        queue_send(q, q->size, MPSC_OK);
        queue_receive(q);
    }
    size_t shortest = (cells - 1) * q->size + 1, longest = cells * q->size;
    for (size_t i = 0; i < bound / cells; i++)
        queue_send(q, i % 2 ? shortest : longest, MPSC_OK);
    queue_send(q, shortest, MPSC_FULL);
    for (size_t i = 0; i < bound % cells; i++)
        queue_send(q, q->size, MPSC_OK);
    queue_send(q, q->size, MPSC_FULL);
    assert_int_equal(mpsc_len(q->rx), bound / cells + bound % cells);

    for (size_t i = 0; i < bound / cells; i++)
        assert_int_equal(queue_receive(q), i % 2 ? shortest : longest);
    for (size_t i = 0; i < bound % cells; i++)
        assert_int_equal(queue_receive(q), q->size);
    queue_must_be_empty(q);
}

static void longer_messages_count_as_many(void)
{
    static const size_t cell_sizes[] = {1, 8, 13, 64};
    for (size_t j = 0; j < COUNT(cell_sizes); j++)
        for (size_t bound = 1; bound <= 17; bound++) {
            struct queue q = {.size = cell_sizes[j]};
            assert_status(mpsc_sync_channel(q.size, bound, &q.tx, &q.rx), MPSC_OK);
            for (size_t cells = 1; cells <= bound; cells++)
                for (size_t offset = 0; offset <= bound; offset++)
                    check_cells(&q, bound, cells, offset);
            queue_close(&q);
        }
}

/* Chance against a model that knows the number of cells in use. */
static void any_mixture_is_exact(void)
{
    for (size_t bound = 1; bound <= 17; bound++) {
        struct queue q = {.size = 8};
        assert_status(mpsc_sync_channel(q.size, bound, &q.tx, &q.rx), MPSC_OK);
        uint64_t state = 1000 + bound;
        size_t lengths[32], in_use = 0;
        for (unsigned long i = 0; i < scaled(5000); i++) {
            if (chance(&state) % 2) {
                size_t length = chance(&state) % (bound * q.size + 1);
                size_t cells = length ? (length + q.size - 1) / q.size : 1;
                bool fits = in_use + cells <= bound;
                lengths[q.sent % 32] = length;
                queue_send(&q, length, fits ? MPSC_OK : MPSC_FULL);
                in_use += fits ? cells : 0;
            } else if (q.received < q.sent) {
                size_t length = lengths[q.received % 32];
                assert_int_equal(queue_receive(&q), length);
                in_use -= length ? (length + q.size - 1) / q.size : 1;
            } else {
                queue_must_be_empty(&q);
            }
            assert_int_equal(mpsc_len(q.rx), q.sent - q.received);
        }
        queue_close(&q);
    }
}

/* ------------------------------------------------------------------ several senders */

struct shared {
    const char *name;
    size_t bound;
    atomic_uint accepted;
    atomic_int started;
};

static int fills(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = open_tx(shared->name, 8, shared->bound);
    uint64_t number = 0;
    mpsc_status status;
    atomic_fetch_add(&shared->started, 1);
    while (atomic_load(&shared->started) < 4)
        sched_yield();
    while ((status = mpsc_try_send(tx, &number, sizeof number)) == MPSC_OK)
        atomic_fetch_add(&shared->accepted, 1);
    assert_status(status, MPSC_FULL);
    mpsc_sender_close(tx);
    return 0;
}

static void the_bound_is_of_all_senders_together(enum mode mode)
{
    for (size_t i = 0; i < COUNT(bounds); i++) {
        struct shared *shared = shared_memory(sizeof *shared);
        shared->name = channel_name();
        shared->bound = bounds[i];
        mpsc_receiver *rx = open_rx(shared->name, 8, shared->bound);
        worker workers[4];
        for (int j = 0; j < 4; j++)
            workers[j] = worker_start(mode, fills, shared);
        for (int j = 0; j < 4; j++)
            assert_int_equal(worker_join(workers[j]), 0);
        assert_int_equal(atomic_load(&shared->accepted), shared->bound);
        assert_int_equal(mpsc_len(rx), shared->bound);
        mpsc_receiver_close(rx);
    }
}

static int sends_one_more(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = open_tx(shared->name, 8, shared->bound);
    send_number(tx, shared->bound);
    atomic_store(&shared->accepted, 1);
    mpsc_sender_close(tx);
    return 0;
}

static void one_more_waits_for_room(enum mode mode)
{
    for (size_t bound = 1; bound <= 17; bound += 4) {
        struct shared *shared = shared_memory(sizeof *shared);
        shared->name = channel_name();
        shared->bound = bound;
        mpsc_receiver *rx = open_rx(shared->name, 8, bound);
        mpsc_sender *tx = open_tx(shared->name, 8, bound);
        for (uint64_t i = 0; i < bound; i++)
            send_number(tx, i);
        worker w = worker_start(mode, sends_one_more, shared);
        wait_asleep(w);
        assert_int_equal(atomic_load(&shared->accepted), 0);
        assert_int_equal(recv_number(rx), 0);
        assert_int_equal(worker_join(w), 0);
        for (uint64_t i = 1; i <= bound; i++)
            assert_int_equal(recv_number(rx), i);
        mpsc_sender_close(tx);
        mpsc_receiver_close(rx);
    }
}

/* ------------------------------------------------------------------ unbounded */

/* At its limit every way to send says so at once, and nothing has changed. */
static void check_no_space(struct queue *q)
{
    unsigned char message[64] = {0};
    mpsc_status status = MPSC_OK;
    size_t before = mpsc_len(q->rx);
    assert_status(mpsc_send(q->tx, message, q->size), MPSC_NO_SPACE);
    assert_status(mpsc_try_send(q->tx, message, q->size), MPSC_NO_SPACE);
    assert_status(mpsc_send_timeout(q->tx, message, q->size, MPSC_FOREVER), MPSC_NO_SPACE);
    assert_null(mpsc_loan(q->tx, q->size, &status));
    assert_status(status, MPSC_NO_SPACE);
    assert_null(mpsc_try_loan(q->tx, q->size, &status));
    assert_status(status, MPSC_NO_SPACE);
    assert_int_equal(mpsc_len(q->rx), before);
}

static void an_unbounded_channel_ends_at_max_bytes(void)
{
    const size_t size = 64, limit = 500;
    const char *name = channel_name();
    mpsc_options options = options_of(size, MPSC_UNBOUNDED);
    struct queue q = {.size = size};
    options.max_bytes = size * limit;
    assert_status(mpsc_open_sender(name, &options, &q.tx), MPSC_OK);
    assert_status(mpsc_open_receiver(name, &options, &q.rx), MPSC_OK);
    assert_true(mpsc_capacity(q.rx) == SIZE_MAX);
    for (size_t i = 0; i < limit; i++)
        queue_send(&q, size, MPSC_OK);
    check_no_space(&q);
    for (size_t k = 1; k < limit; k = k * 2 + 1) {
        for (size_t i = 0; i < k; i++)
            queue_receive(&q);
        for (size_t i = 0; i < k; i++)
            queue_send(&q, size, MPSC_OK);
        check_no_space(&q);
    }
    while (q.received < q.sent)
        assert_int_equal(queue_receive(&q), size);
    queue_must_be_empty(&q);
    queue_close(&q);
}

/* A private one accepts 1,024 messages at least, whatever their size; wherever it ends, what is
 * queued stays good and a receive makes room. */
static void an_unbounded_channel_accepts_many(void)
{
    const uint64_t most = 1024 + scaled(600000);
    for (size_t j = 0; j < COUNT(sizes); j++) {
        struct queue q = {.size = sizes[j]};
        unsigned char message[LARGEST];
        mpsc_status status = MPSC_OK;
        assert_status(mpsc_channel(q.size, &q.tx, &q.rx), MPSC_OK);
        while (q.sent < most && status == MPSC_OK) {
            pattern_fill(message, q.size, q.sent);
            status = mpsc_send(q.tx, message, q.size);
            q.sent += status == MPSC_OK;
        }
        assert_true(q.sent >= 1024);
        assert_int_equal(mpsc_len(q.rx), q.sent);
        if (status != MPSC_OK) {
            assert_status(status, MPSC_NO_SPACE);
            queue_receive(&q);
            queue_send(&q, q.size, MPSC_OK);
        }
        while (q.received < q.sent)
            assert_int_equal(queue_receive(&q), q.size);
        queue_must_be_empty(&q);
        queue_close(&q);
    }
}

/* ------------------------------------------------------------------ what takes room */

/* A cancelled loan takes room until the receiver passes it. */
static void a_cancelled_loan_takes_room_until_it_is_passed(void)
{
    struct queue q = {.size = 8};
    mpsc_status status;
    assert_status(mpsc_sync_channel(8, 3, &q.tx, &q.rx), MPSC_OK);
    for (int lap = 0; lap < 8; lap++) {
        void *loan = mpsc_loan(q.tx, 16, &status);
        assert_lent(loan, status);
        assert_status(mpsc_cancel_loan(q.tx, loan), MPSC_OK);
        queue_must_be_empty(&q); /* which passes it */
        for (int i = 0; i < 3; i++)
            queue_send(&q, 8, MPSC_OK);
        queue_send(&q, 8, MPSC_FULL);
        for (int i = 0; i < 3; i++)
            queue_receive(&q);
    }
    queue_close(&q);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(every_bound_is_exact),
        TEST(every_bound_of_a_named_channel_is_exact),
        TEST(longer_messages_count_as_many),
        TEST(any_mixture_is_exact),
        TEST_BOTH(the_bound_is_of_all_senders_together),
        TEST_BOTH(one_more_waits_for_room),
        TEST(an_unbounded_channel_ends_at_max_bytes),
        TEST(an_unbounded_channel_accepts_many),
        TEST(a_cancelled_loan_takes_room_until_it_is_passed),
    };
    return harness_main("bound", tests, sizeof tests / sizeof *tests);
}
