/* SPDX-License-Identifier: MIT */
/* 1.2 Batches: many messages for one claim, all or the part that there is room for; and as many as are
 * there and fit, at least one. Blocking: tests/sleep.c and tests/interrupt.c have them among all calls. */
#include "together.h"

enum { MOST = 64 };

/* Numbers as messages, or buffers for them. */
struct batch {
    uint64_t number[MOST];
    struct iovec vector[MOST];
};

static void batch_fill(struct batch *b, size_t count, uint64_t first)
{
    for (size_t i = 0; i < count; i++) {
        b->number[i] = first + i;
        b->vector[i] = (struct iovec){&b->number[i], sizeof b->number[i]};
    }
}

static void batch_check(const struct batch *b, size_t count, uint64_t first)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(b->vector[i].iov_len, sizeof b->number[i]);
        assert_int_equal(b->number[i], first + i);
    }
}

/* Receives so many, in as few calls as there are. */
static void expect_row(mpsc_receiver *rx, size_t count, uint64_t first)
{
    struct batch b;
    size_t received = 0;
    batch_fill(&b, MOST, 0);
    assert_status(mpsc_try_recv_batch(rx, b.vector, MOST, &received), MPSC_OK);
    assert_int_equal(received, count);
    batch_check(&b, count, first);
}

/* ------------------------------------------------------------------ sending */

static void a_batch_arrives_in_order(void)
{
    struct ends e = ends_open(sizeof(uint64_t), MOST);
    struct batch b;
    size_t sent = 0;
    for (size_t count = 1; count <= MOST; count++) {
        batch_fill(&b, count, count * 1000);
        assert_status(mpsc_send_batch(e.tx, b.vector, count, &sent), MPSC_OK);
        assert_int_equal(sent, count);
        assert_int_equal(mpsc_len(e.rx), count);
        expect_row(e.rx, count, count * 1000);
    }
    ends_close(e);
}

static void the_part_that_fits_is_sent(void)
{
    struct batch b;
    size_t sent = 99;
    batch_fill(&b, MOST, 0);
    for (size_t bound = 1; bound <= 17; bound++)
        for (size_t queued = 0; queued <= bound; queued++) {
            struct ends e = ends_open(sizeof(uint64_t), bound);
            for (size_t i = 0; i < queued; i++)
                send_number(e.tx, 7);
            sent = 99;
            assert_status(mpsc_try_send_batch(e.tx, b.vector, 20, &sent),
                          queued == bound ? MPSC_FULL : MPSC_OK);
            assert_int_equal(sent, queued == bound ? 99 : bound - queued);
            for (size_t i = 0; i < queued; i++)
                assert_int_equal(recv_number(e.rx), 7);
            if (queued < bound)
                expect_row(e.rx, bound - queued, 0);
            ends_close(e);
        }
}

static void a_time_out_tells_the_part(void)
{
    struct ends e = ends_open(sizeof(uint64_t), 5);
    struct batch b;
    size_t sent = 0;
    batch_fill(&b, 8, 0);
    uint64_t start = now_ns();
    assert_status(mpsc_send_batch_timeout(e.tx, b.vector, 8, &sent, 20 * MILLISECONDS), MPSC_OK);
    assert_true(now_ns() - start >= 20 * MILLISECONDS);
    assert_int_equal(sent, 5);
    sent = 99;
    assert_status(mpsc_send_batch_timeout(e.tx, b.vector + 5, 3, &sent, MILLISECONDS),
                  MPSC_TIMEOUT);
    assert_int_equal(sent, 99);
    expect_row(e.rx, 5, 0);
    ends_close(e);
}

static void an_unbounded_channel_takes_all(void)
{
    struct ends e = ends_open(sizeof(uint64_t), MPSC_UNBOUNDED);
    struct batch b;
    size_t sent = 0;
    for (uint64_t i = 0; i < 200; i++) {
        batch_fill(&b, MOST, i * MOST);
        assert_status(i % 2 ? mpsc_try_send_batch(e.tx, b.vector, MOST, &sent)
                            : mpsc_send_batch(e.tx, b.vector, MOST, &sent),
                      MPSC_OK);
        assert_int_equal(sent, MOST);
    }
    for (uint64_t i = 0; i < 200 * MOST; i++)
        assert_int_equal(recv_number(e.rx), i);
    ends_close(e);
}

static void one_that_could_never_fit_ends_the_batch(void)
{
    unsigned char large[100] = {0};
    struct ends e = ends_open(sizeof(uint64_t), 4);
    struct batch b;
    size_t sent = 99;
    batch_fill(&b, 3, 0);
    b.vector[1] = (struct iovec){large, sizeof large};
    assert_status(mpsc_send_batch(e.tx, b.vector, 3, &sent), MPSC_OK);
    assert_int_equal(sent, 1);
    sent = 99;
    assert_status(mpsc_send_batch(e.tx, b.vector + 1, 2, &sent), MPSC_TOO_BIG);
    assert_int_equal(sent, 99);
    expect_row(e.rx, 1, 0);
    ends_close(e);
}

static void a_disconnect_sends_nothing(void)
{
    struct ends e = ends_open(sizeof(uint64_t), 8);
    struct batch b;
    size_t sent = 99;
    batch_fill(&b, 3, 0);
    mpsc_receiver_close(e.rx);
    assert_status(mpsc_send_batch(e.tx, b.vector, 3, &sent), MPSC_DISCONNECTED);
    assert_status(mpsc_try_send_batch(e.tx, b.vector, 3, &sent), MPSC_DISCONNECTED);
    assert_int_equal(sent, 99);
    mpsc_sender_close(e.tx);
}

/* ------------------------------------------------------------------ receiving */

static void as_many_as_fit_come(void)
{
    struct ends e = ends_open(sizeof(uint64_t), 8);
    unsigned char small[3], large[60];
    struct iovec buffers[4] = {
        {large, sizeof large}, {large, 0}, {small, sizeof small}, {large, 9}};
    size_t received = 99;
    assert_status(mpsc_send(e.tx, "0123456789", 10), MPSC_OK);
    assert_status(mpsc_send(e.tx, "", 0), MPSC_OK);
    assert_status(mpsc_send(e.tx, "abcd", 4), MPSC_OK);
    assert_status(mpsc_recv_batch(e.rx, buffers, 4, &received), MPSC_OK);
    assert_int_equal(received, 2);
    assert_int_equal(buffers[0].iov_len, 10);
    assert_int_equal(buffers[1].iov_len, 0);
    assert_memory_equal(large, "0123456789", 10);
    received = 99;
    assert_status(mpsc_recv_batch(e.rx, buffers + 2, 2, &received), MPSC_TOO_BIG);
    assert_int_equal(received, 99);
    assert_int_equal(buffers[2].iov_len, 4);
    assert_int_equal(mpsc_len(e.rx), 1);
    ends_close(e);
}

static void nothing_is_waited_for_but_the_first(void)
{
    struct ends e = ends_open(sizeof(uint64_t), 8);
    struct batch b;
    size_t received = 99;
    batch_fill(&b, MOST, 0);
    assert_status(mpsc_try_recv_batch(e.rx, b.vector, MOST, &received), MPSC_EMPTY);
    assert_status(mpsc_recv_batch_timeout(e.rx, b.vector, MOST, &received, MILLISECONDS),
                  MPSC_TIMEOUT);
    assert_int_equal(received, 99);
    send_number(e.tx, 5);
    assert_status(mpsc_recv_batch(e.rx, b.vector, MOST, &received), MPSC_OK);
    assert_int_equal(received, 1);
    batch_check(&b, 1, 5);
    send_number(e.tx, 6);
    mpsc_sender_close(e.tx);
    batch_fill(&b, MOST, 0);
    assert_status(mpsc_recv_batch(e.rx, b.vector, MOST, &received), MPSC_OK);
    assert_int_equal(received, 1);
    assert_status(mpsc_recv_batch(e.rx, b.vector, MOST, &received), MPSC_DISCONNECTED);
    mpsc_receiver_close(e.rx);
}

/* ------------------------------------------------------------------ both */

static void no_buffers_are_nothing_and_wrong_ones_invalid(void)
{
    struct ends e = ends_open(sizeof(uint64_t), 8);
    struct batch b;
    size_t n = 99;
    batch_fill(&b, 3, 0);
    assert_status(mpsc_send_batch(e.tx, NULL, 0, &n), MPSC_OK);
    assert_int_equal(n, 0);
    n = 99;
    assert_status(mpsc_recv_batch(e.rx, NULL, 0, &n), MPSC_OK);
    assert_int_equal(n, 0);
    n = 99;
    assert_status(mpsc_send_batch(NULL, b.vector, 3, &n), MPSC_INVALID);
    assert_status(mpsc_send_batch(e.tx, NULL, 3, &n), MPSC_INVALID);
    assert_status(mpsc_send_batch(e.tx, b.vector, 3, NULL), MPSC_INVALID);
    assert_status(mpsc_recv_batch(NULL, b.vector, 3, &n), MPSC_INVALID);
    assert_status(mpsc_recv_batch(e.rx, NULL, 3, &n), MPSC_INVALID);
    assert_status(mpsc_recv_batch(e.rx, b.vector, 3, NULL), MPSC_INVALID);
    b.vector[2].iov_base = NULL;
    assert_status(mpsc_send_batch(e.tx, b.vector, 3, &n), MPSC_INVALID);
    assert_status(mpsc_recv_batch(e.rx, b.vector, 3, &n), MPSC_INVALID);
    assert_int_equal(mpsc_len(e.rx), 0);
    batch_fill(&b, 3, 0);
    void *loan = mpsc_loan(e.tx, 8, NULL);
    assert_non_null(loan);
    assert_status(mpsc_send_batch(e.tx, b.vector, 3, &n), MPSC_INVALID);
    assert_status(mpsc_cancel_loan(e.tx, loan), MPSC_OK);
    send_number(e.tx, 1);
    const void *peeked = mpsc_peek(e.rx, NULL, NULL);
    assert_status(mpsc_recv_batch(e.rx, b.vector, 3, &n), MPSC_INVALID);
    assert_status(mpsc_release(e.rx, peeked), MPSC_OK);
    assert_int_equal(n, 99);
    ends_close(e);
}

static void statistics_count_each_message(void)
{
    const char *name = channel_name();
    struct ends e;
    struct batch b;
    size_t n;
    open_both(name, sizeof(uint64_t), MOST, &e.tx, &e.rx);
    batch_fill(&b, 40, 0);
    assert_status(mpsc_send_batch(e.tx, b.vector, 40, &n), MPSC_OK);
    assert_status(mpsc_recv_batch(e.rx, b.vector, 30, &n), MPSC_OK);
    mpsc_stats stats = stats_of(name);
    assert_int_equal(stats.sent, 40);
    assert_int_equal(stats.received, 30);
    assert_int_equal(stats.queued, 10);
    ends_close(e);
}

/* ------------------------------------------------------------------ with somebody else */

/* Producers send numbers in batches of all sizes and lengths, by all three calls. */
enum { PRODUCERS = 3, SIZE = 16, LONGEST = 3 * SIZE };

struct producer {
    enum mode mode;
    unsigned number;
    uint64_t count;
    mpsc_sender *tx;
};

static size_t length_of(uint64_t number)
{
    return sizeof number + number * 7 % (LONGEST - sizeof number + 1);
}

static void message_make(unsigned char *message, unsigned producer, uint64_t number)
{
    uint64_t head = number << 8 | producer;
    memcpy(message, &head, sizeof head);
    pattern_fill(message + sizeof head, length_of(number) - sizeof head, head);
}

static mpsc_status send_somehow(mpsc_sender *tx, const struct iovec *v, size_t count, size_t *sent)
{
    switch (count % 3) {
    case 0:
        return mpsc_try_send_batch(tx, v, count, sent);
    case 1:
        return mpsc_send_batch_timeout(tx, v, count, sent, MILLISECONDS);
    default:
        return mpsc_send_batch(tx, v, count, sent);
    }
}

static int producer_body(void *argument)
{
    const struct producer *p = argument;
    unsigned char messages[MOST][LONGEST];
    struct iovec vector[MOST];
    uint64_t state = p->number + 1, next = 0;
    while (next < p->count) {
        size_t count = chance(&state) % (MOST / 2) + 1, sent = 0;
        for (size_t i = 0; i < count; i++) {
            message_make(messages[i], p->number, next + i);
            vector[i] = (struct iovec){messages[i], length_of(next + i)};
        }
        if (count > p->count - next)
            count = (size_t)(p->count - next);
        mpsc_status status = send_somehow(p->tx, vector, count, &sent);
        if (status != MPSC_OK && status != MPSC_FULL && status != MPSC_TIMEOUT)
            fail_msg("%s", mpsc_strstatus(status));
        if (status == MPSC_FULL)
            sched_yield();
        next += sent;
    }
    mpsc_sender_close(p->tx);
    return 0;
}

static void row_check(const unsigned char (*messages)[LONGEST], const struct iovec *vector,
                      size_t count, uint64_t *next)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t head;
        memcpy(&head, messages[i], sizeof head);
        assert_true((head & 255) < PRODUCERS);
        assert_int_equal(head >> 8, next[head & 255]);
        assert_int_equal(vector[i].iov_len, length_of(head >> 8));
        pattern_check(messages[i] + sizeof head, vector[i].iov_len - sizeof head, head);
        next[head & 255]++;
    }
}

static void consume(mpsc_receiver *rx, uint64_t *next)
{
    static unsigned char messages[MOST][LONGEST];
    struct iovec vector[MOST];
    uint64_t state = 99;
    for (;;) {
        size_t count = chance(&state) % MOST + 1, received = 0;
        for (size_t i = 0; i < count; i++)
            vector[i] = (struct iovec){messages[i], LONGEST};
        mpsc_status status = mpsc_recv_batch(rx, vector, count, &received);
        if (status == MPSC_DISCONNECTED)
            return;
        assert_status(status, MPSC_OK);
        row_check((const unsigned char(*)[LONGEST])messages, vector, received, next);
    }
}

static void many_send_batches(enum mode mode, size_t bound)
{
    struct ends e = ends_open(SIZE, bound);
    worker workers[PRODUCERS];
    struct producer producer[PRODUCERS];
    uint64_t next[PRODUCERS] = {0};
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producer[i] = (struct producer){mode, i, scaled(50000), clone_of(e.tx)};
        workers[i] = worker_start(mode, producer_body, &producer[i]);
        copy_close_sender(mode, producer[i].tx);
    }
    mpsc_sender_close(e.tx);
    consume(e.rx, next);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        assert_int_equal(worker_join(workers[i]), 0);
        assert_int_equal(next[i], scaled(50000));
    }
    mpsc_receiver_close(e.rx);
}

static void batches_keep_their_order(enum mode mode)
{
    many_send_batches(mode, 7);
    many_send_batches(mode, 1000);
}

static void batches_grow_the_channel(enum mode mode)
{
    many_send_batches(mode, MPSC_UNBOUNDED);
}

static void batches_are_handed_over_one_by_one(enum mode mode)
{
    struct ends e = ends_open(LONGEST, 0);
    struct producer producer = {mode, 0, 0, clone_of(e.tx)};
    uint64_t next[PRODUCERS] = {0};
    producer.count = scaled(2000);
    worker w = worker_start(mode, producer_body, &producer);
    copy_close_sender(mode, producer.tx);
    mpsc_sender_close(e.tx);
    consume(e.rx, next);
    assert_int_equal(worker_join(w), 0);
    assert_int_equal(next[0], scaled(2000));
    mpsc_receiver_close(e.rx);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_batch_arrives_in_order),
        TEST(the_part_that_fits_is_sent),
        TEST(a_time_out_tells_the_part),
        TEST(an_unbounded_channel_takes_all),
        TEST(one_that_could_never_fit_ends_the_batch),
        TEST(a_disconnect_sends_nothing),
        TEST(as_many_as_fit_come),
        TEST(nothing_is_waited_for_but_the_first),
        TEST(no_buffers_are_nothing_and_wrong_ones_invalid),
        TEST(statistics_count_each_message),
        TEST_BOTH(batches_keep_their_order),
        TEST_BOTH(batches_grow_the_channel),
        TEST_BOTH(batches_are_handed_over_one_by_one),
    };
    return harness_main("batch", tests, sizeof tests / sizeof *tests);
}
