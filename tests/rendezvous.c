/* SPDX-License-Identifier: MIT */
/* 1.3.2 Rendezvous (bound 0): a send returns once the receiver has taken the message, a try_send
 * succeeds only while a receiver waits, and a message is delivered if, and only if, its send said OK. */
#include "steps.h"

#include <sys/mman.h>

enum { SIZE = 32, SENDERS = 4, MOST = 40000 };

struct shared {
    const char *name;
    size_t size; /* of a message */
    uint32_t count;
    atomic_uint begun;                /* receives that have begun, or messages that were released */
    atomic_uint returned;             /* sends that have returned */
    atomic_int waits, go, done;       /* a receiver is about to wait; may close; has received */
    atomic_uint next;                 /* number of the next worker */
    atomic_uchar said[SENDERS][MOST]; /* 1: this send said OK */
};

static struct shared *new_shared(unsigned long count)
{
    struct shared *shared = shared_memory(sizeof *shared);
    shared->name = channel_name();
    shared->size = SIZE;
    shared->count = (uint32_t)count;
    return shared;
}

static mpsc_sender *rendezvous_tx(const struct shared *shared)
{
    return open_tx(shared->name, shared->size, 0);
}

static mpsc_receiver *rendezvous_rx(const struct shared *shared)
{
    return open_rx(shared->name, shared->size, 0);
}

static void must_be_empty(mpsc_receiver *rx)
{
    unsigned char byte;
    assert_status(mpsc_try_recv(rx, &byte, 1, NULL), MPSC_EMPTY);
}

/* All senders have left. */
static void must_be_drained(mpsc_receiver *rx)
{
    unsigned char byte;
    assert_status(mpsc_recv(rx, &byte, 1, NULL), MPSC_DISCONNECTED);
}

/* ------------------------------------------------------------------ a send waits for the taking */

/* Send i returns only after the test has said that it is about to take message i. */
static int sends_after_begun(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = rendezvous_tx(shared);
    for (uint32_t i = 0; i < shared->count; i++) {
        send_number(tx, i);
        assert_true(atomic_load(&shared->begun) > i);
        atomic_fetch_add(&shared->returned, 1);
    }
    mpsc_sender_close(tx);
    return 0;
}

static void a_send_returns_after_the_receive(enum mode mode)
{
    struct shared *shared = new_shared(scaled(10000));
    mpsc_receiver *rx = rendezvous_rx(shared);
    assert_int_equal(mpsc_capacity(rx), 0);
    worker w = worker_start(mode, sends_after_begun, shared);
    wait_asleep(w);
    assert_int_equal(atomic_load(&shared->returned), 0);
    for (uint32_t i = 0; i < shared->count; i++) {
        assert_true(atomic_load(&shared->returned) <= i);
        atomic_store(&shared->begun, i + 1);
        assert_int_equal(recv_number(rx), i);
    }
    assert_int_equal(worker_join(w), 0);
    must_be_drained(rx);
    mpsc_receiver_close(rx);
}

/* A peek is not the taking, its release is. */
static void a_send_returns_after_the_release(enum mode mode)
{
    struct shared *shared = new_shared(scaled(5000));
    mpsc_receiver *rx = rendezvous_rx(shared);
    worker w = worker_start(mode, sends_after_begun, shared);
    for (uint32_t i = 0; i < shared->count; i++) {
        size_t length;
        mpsc_status status;
        uint64_t number;
        const void *message = mpsc_peek(rx, &length, &status);
        assert_lent(message, status);
        assert_int_equal(length, sizeof number);
        memcpy(&number, message, sizeof number);
        assert_int_equal(number, i);
        if (i == 0)
            wait_asleep(w);
        assert_true(atomic_load(&shared->returned) <= i);
        atomic_store(&shared->begun, i + 1);
        assert_status(mpsc_release(rx, message), MPSC_OK);
    }
    assert_int_equal(worker_join(w), 0);
    mpsc_receiver_close(rx);
}

static int sends_to_nobody(void *argument)
{
    struct shared *shared = argument;
    uint64_t number = 42;
    mpsc_sender *tx = rendezvous_tx(shared);
    assert_status(mpsc_send(tx, &number, sizeof number), MPSC_DISCONNECTED);
    atomic_store(&shared->done, 1);
    wait_for(&shared->go);
    mpsc_sender_close(tx);
    return 0;
}

/* A receiver closes over a message that it only peeked at: it was not taken. */
static void a_peek_that_is_given_up_takes_nothing(enum mode mode)
{
    struct shared *shared = new_shared(1);
    mpsc_status status;
    worker w = worker_start(mode, sends_to_nobody, shared);
    mpsc_receiver *rx = rendezvous_rx(shared);
    const void *message = mpsc_peek(rx, NULL, &status);
    assert_lent(message, status);
    wait_asleep(w);
    mpsc_receiver_close(rx);
    wait_for(&shared->done);
    rx = rendezvous_rx(shared);
    must_be_empty(rx);
    atomic_store(&shared->go, 1);
    assert_int_equal(worker_join(w), 0);
    must_be_drained(rx);
    mpsc_receiver_close(rx);
}

static int gives_up_soon(void *argument)
{
    struct shared *shared = argument;
    uint64_t number = 42;
    mpsc_sender *tx = rendezvous_tx(shared);
    do /* until the receiver has seen one of them */
        assert_status(mpsc_send_timeout(tx, &number, sizeof number, 10 * MILLISECONDS),
                      MPSC_TIMEOUT);
    while (!atomic_load(&shared->go));
    atomic_store(&shared->done, 1);
    assert_status(mpsc_send(tx, &(uint64_t){43}, sizeof(uint64_t)), MPSC_OK);
    mpsc_sender_close(tx);
    return 0;
}

/* Until the release the message is its sender's, who may take it back. */
static void a_peeked_message_may_be_taken_back(enum mode mode)
{
    struct shared *shared = new_shared(1);
    mpsc_status status;
    mpsc_receiver *rx = rendezvous_rx(shared);
    worker w = worker_start(mode, gives_up_soon, shared);
    const void *message = mpsc_peek(rx, NULL, &status);
    assert_lent(message, status);
    atomic_store(&shared->go, 1);
    wait_for(&shared->done);
    assert_true(mpsc_try_peek(rx, NULL, &status) == message); /* it lies there still */
    /* Nobody else passes it by. */
    size_t ready = 7;
    int fd = -1;
    assert_status(mpsc_select(&rx, 1, 0, &ready), MPSC_OK);
    assert_status(mpsc_receiver_fd(rx, &fd), MPSC_OK);
    assert_status(mpsc_release(rx, message), MPSC_EMPTY);
    assert_int_equal(recv_number(rx), 43);
    assert_int_equal(worker_join(w), 0);
    must_be_drained(rx);
    mpsc_receiver_close(rx);
}

static int sends_many(void *argument)
{
    struct shared *shared = argument;
    uint64_t mine = atomic_fetch_add(&shared->next, 1);
    mpsc_sender *tx = rendezvous_tx(shared);
    for (uint32_t i = 0; i < shared->count; i++)
        send_number(tx, mine << 32 | i);
    mpsc_sender_close(tx);
    return 0;
}

static void several_senders_take_turns(enum mode mode)
{
    enum { MANY = 8 };
    struct shared *shared = new_shared(scaled(500));
    mpsc_receiver *rx = rendezvous_rx(shared);
    worker workers[MANY];
    uint32_t expected[MANY] = {0};
    for (int i = 0; i < MANY; i++)
        workers[i] = worker_start(mode, sends_many, shared);
    for (int i = 0; i < MANY; i++)
        wait_asleep(workers[i]);
    for (unsigned long i = 0; i < MANY * (unsigned long)shared->count; i++) {
        uint64_t number = recv_number(rx);
        assert_in_range(number >> 32, 0, MANY - 1);
        assert_int_equal((uint32_t)number, expected[number >> 32]++);
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    must_be_drained(rx);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ try_send */

static int receives_one(void *argument)
{
    struct shared *shared = argument;
    mpsc_receiver *rx = rendezvous_rx(shared);
    atomic_store(&shared->waits, 1);
    uint64_t number = recv_number(rx);
    atomic_store(&shared->done, 1);
    wait_for(&shared->go);
    mpsc_receiver_close(rx);
    return number == 42 ? 0 : 1;
}

static void a_try_send_needs_a_waiting_receiver(enum mode mode)
{
    uint64_t number = 42;
    struct shared *shared = new_shared(1);
    mpsc_sender *tx = rendezvous_tx(shared);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_FULL);

    mpsc_receiver *rx = rendezvous_rx(shared);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_FULL);
    must_be_empty(rx);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_FULL);
    assert_status(mpsc_recv_timeout(rx, &number, sizeof number, NULL, MILLISECONDS), MPSC_TIMEOUT);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_FULL);
    must_be_empty(rx);
    mpsc_receiver_close(rx);

    worker w = worker_start(mode, receives_one, shared);
    wait_asleep_after(&shared->waits, w);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_OK);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_FULL);
    wait_for(&shared->done);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_FULL);
    atomic_store(&shared->go, 1);
    assert_int_equal(worker_join(w), 0);
    mpsc_sender_close(tx);
}

static int tries_once(void *argument)
{
    struct shared *shared = argument;
    unsigned mine = atomic_fetch_add(&shared->next, 1) % SENDERS;
    mpsc_sender *tx = rendezvous_tx(shared);
    for (unsigned round = 0; round < shared->count; round++) {
        uint64_t number = 42;
        wait_for_turn(&shared->begun, round + 1);
        if (mpsc_try_send(tx, &number, sizeof number) == MPSC_OK)
            atomic_store(&shared->said[mine][round], 1);
        atomic_fetch_add(&shared->returned, 1);
    }
    mpsc_sender_close(tx);
    return 0;
}

/* All try at once for a receiver that waits for one: one of them is told OK. */
static void one_try_send_meets_one_receive(enum mode mode)
{
    struct shared *shared = new_shared(scaled(50));
    mpsc_sender *tx = rendezvous_tx(shared);
    worker senders[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        senders[i] = worker_start(mode, tries_once, shared);
    for (unsigned round = 0; round < shared->count; round++) {
        struct shared *once = new_shared(1);
        once->name = shared->name;
        atomic_store(&once->go, 1);
        worker receiver = worker_start(mode, receives_one, once);
        wait_asleep_after(&once->waits, receiver);
        atomic_store(&shared->begun, round + 1);
        wait_for_turn(&shared->returned, SENDERS * (round + 1));
        int accepted = 0;
        for (int i = 0; i < SENDERS; i++)
            accepted += atomic_load(&shared->said[i][round]);
        assert_int_equal(accepted, 1);
        assert_int_equal(worker_join(receiver), 0);
        munmap(once, sizeof *once);
    }
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(worker_join(senders[i]), 0);
    mpsc_sender_close(tx);
}

/* ------------------------------------------------------------------ time-outs */

static void a_time_out_is_not_delivered(void)
{
    uint64_t number = 1;
    struct shared *shared = new_shared(1);
    mpsc_sender *tx = rendezvous_tx(shared);
    mpsc_receiver *rx = rendezvous_rx(shared);
    static const uint64_t times[] = {0, 1, 1000, MILLISECONDS, 20 * MILLISECONDS};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        uint64_t start = now_ns();
        assert_status(mpsc_send_timeout(tx, &number, sizeof number, times[i]), MPSC_TIMEOUT);
        assert_true(now_ns() - start >= times[i]);
        must_be_empty(rx);
        assert_int_equal(mpsc_len(rx), 0);
        start = now_ns();
        assert_status(mpsc_recv_timeout(rx, &number, sizeof number, NULL, times[i]), MPSC_TIMEOUT);
        assert_true(now_ns() - start >= times[i]);
    }
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

/* A number at both ends of `size` bytes: of a message that is torn they differ. */
static void write_ends(unsigned char *message, size_t size, uint64_t number)
{
    memcpy(message, &number, sizeof number);
    memcpy(message + size - sizeof number, &number, sizeof number);
}

static uint64_t read_ends(const unsigned char *message, size_t size)
{
    uint64_t first, last;
    memcpy(&first, message, sizeof first);
    memcpy(&last, message + size - sizeof last, sizeof last);
    assert_int_equal(first, last);
    return first;
}

/* One send in one of the ways that may fail. */
static mpsc_status send_or_not(mpsc_sender *tx, unsigned char *message, size_t size,
                               uint64_t number, uint64_t *state)
{
    uint64_t time = chance(state) % 100000, start = now_ns();
    mpsc_status status;
    void *loan;
    write_ends(message, size, number);
    switch (chance(state) % 4) {
    case 0:
        return mpsc_try_send(tx, message, size);
    case 1:
        loan = mpsc_loan_timeout(tx, size, time, &status);
        if (!loan)
            return status;
        write_ends(loan, size, number);
        if (chance(state) % 2) {
            assert_status(mpsc_cancel_loan(tx, loan), MPSC_OK);
            return MPSC_FULL;
        }
        return mpsc_send_loan(tx, loan, size);
    default:
        status = mpsc_send_timeout(tx, message, size, time);
        if (status == MPSC_TIMEOUT)
            assert_true(now_ns() - start >= time);
        return status;
    }
}

static int sends_or_gives_up(void *argument)
{
    struct shared *shared = argument;
    unsigned mine = atomic_fetch_add(&shared->next, 1);
    uint64_t state = 77 + mine;
    unsigned char *message = calloc(1, shared->size);
    mpsc_sender *tx = rendezvous_tx(shared);
    for (uint32_t i = 0; i < shared->count; i++) {
        mpsc_status status =
            send_or_not(tx, message, shared->size, (uint64_t)mine << 32 | i, &state);
        if (status != MPSC_FULL && status != MPSC_TIMEOUT) {
            assert_status(status, MPSC_OK);
            atomic_store(&shared->said[mine][i], 1);
        }
    }
    mpsc_sender_close(tx);
    free(message);
    atomic_fetch_add(&shared->returned, 1);
    return 0;
}

static mpsc_status receive_or_not(mpsc_receiver *rx, unsigned char *buffer, size_t size,
                                  uint64_t *state)
{
    uint64_t time = chance(state) % 100000;
    mpsc_status status;
    switch (chance(state) % 4) {
    case 0:
        return mpsc_try_recv(rx, buffer, size, NULL);
    case 1: {
        const void *message = mpsc_peek_timeout(rx, NULL, time, &status);
        if (message) {
            memcpy(buffer, message, size);
            status = mpsc_release(rx, message);
        }
        return status;
    }
    default:
        return mpsc_recv_timeout(rx, buffer, size, NULL, time);
    }
}

static void note(atomic_uchar (*got)[MOST], uint64_t number)
{
    assert_in_range(number >> 32, 0, SENDERS - 1);
    assert_in_range((uint32_t)number, 0, MOST - 1);
    atomic_fetch_add(&got[number >> 32][(uint32_t)number], 1);
}

/* Some were given up, some were not; those that were not have arrived. */
static void check_what_was_said(struct shared *shared, atomic_uchar (*got)[MOST])
{
    unsigned long accepted = 0;
    for (unsigned i = 0; i < SENDERS; i++)
        for (uint32_t j = 0; j < shared->count; j++) {
            if (atomic_load(&got[i][j]) != atomic_load(&shared->said[i][j]))
                fail_msg("message %u of sender %u: send said %s, arrived %d times", j, i,
                         atomic_load(&shared->said[i][j]) ? "OK" : "no", atomic_load(&got[i][j]));
            accepted += atomic_load(&shared->said[i][j]);
        }
    assert_true(accepted > 0);
}

static void check_giving_up(enum mode mode, size_t size, unsigned long count)
{
    struct shared *shared = new_shared(count < MOST ? count : MOST);
    shared->size = size;
    atomic_uchar(*got)[MOST] = shared_memory(SENDERS * sizeof *got);
    unsigned char *buffer = malloc(size);
    mpsc_receiver *rx = rendezvous_rx(shared);
    mpsc_sender *keeper = rendezvous_tx(shared); /* nobody is told of a disconnect */
    uint64_t state = 99;
    mpsc_status status;
    worker workers[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        workers[i] = worker_start(mode, sends_or_gives_up, shared);
    while (atomic_load(&shared->returned) < SENDERS) {
        status = receive_or_not(rx, buffer, size, &state);
        if (status == MPSC_OK)
            note(got, read_ends(buffer, size));
        else if (status != MPSC_TIMEOUT)
            assert_status(status, MPSC_EMPTY);
    }
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    assert_status(mpsc_try_recv(rx, buffer, size, NULL), MPSC_EMPTY);
    check_what_was_said(shared, got);
    mpsc_sender_close(keeper);
    mpsc_receiver_close(rx);
    free(buffer);
    munmap(got, SENDERS * sizeof *got);
}

/* Both sides give up all the time; each message arrives once if its send said OK, else never. */
static void what_said_ok_is_what_arrives(enum mode mode)
{
    harness_timeout(120);
    check_giving_up(mode, SIZE, scaled(8000));
}

/* The same where a copy takes so long that many a time-out falls into it. */
static void what_said_ok_arrives_whole(enum mode mode)
{
    harness_timeout(120);
    check_giving_up(mode, 512 * 1024, scaled(1000));
}

/* ------------------------------------------------------------------ given up while it is received */

struct exchange {
    struct steps steps;
    struct ends ends;
    uint64_t received;
    uint64_t time; /* of the sender */
    bool met;      /* its message was seen */
    atomic_bool over;
};

static int receives_in_steps(void *argument)
{
    struct exchange *exchange = argument;
    mpsc_sender_close(exchange->ends.tx);
    must_be_empty(exchange->ends.rx); /* and it has the seat now */
    steps_begin(&exchange->steps);
    mpsc_status status =
        mpsc_try_recv(exchange->ends.rx, &exchange->received, sizeof exchange->received, NULL);
    steps_end(&exchange->steps, status);
    return 0;
}

static int gives_up_in_time(void *argument)
{
    struct exchange *exchange = argument;
    uint64_t number = 7;
    mpsc_receiver_close(exchange->ends.rx);
    mpsc_status status =
        mpsc_send_timeout(exchange->ends.tx, &number, sizeof number, exchange->time);
    if (status != MPSC_TIMEOUT)
        assert_status(status, MPSC_OK);
    atomic_store(&exchange->over, true);
    return status;
}

static bool is_queued_or_over(void *argument)
{
    struct exchange *exchange = argument;
    exchange->met = mpsc_len(exchange->ends.rx) == 1;
    return exchange->met || atomic_load(&exchange->over);
}

/* The message is there; its receiver has gone so far, and its sender gives up. It arrives or it does not, as
 * its send has said. False: it was over before it was seen. */
static bool given_up_after(unsigned long instructions, uint64_t time, bool *inside)
{
    struct exchange *exchange = shared_memory(sizeof *exchange);
    exchange->time = time;
    exchange->ends = ends_open(SIZE, 0);
    worker receiver = steps_start(&exchange->steps, receives_in_steps, exchange);
    worker sender = worker_start(PROCESSES, gives_up_in_time, exchange);
    wait_until(is_queued_or_over, exchange);
    bool met = exchange->met, goes_on = true;
    for (unsigned long i = 0; i < instructions && goes_on; i++)
        goes_on = steps_next(&exchange->steps, receiver);
    int said = worker_join(sender);
    int got = steps_finish(&exchange->steps, receiver);
    assert_status((mpsc_status)got, said == MPSC_OK ? MPSC_OK : MPSC_EMPTY);
    assert_int_equal(exchange->received, said == MPSC_OK ? 7 : 0);
    ends_close(exchange->ends);
    munmap(exchange, sizeof *exchange);
    *inside = goes_on || !met;
    return met;
}

static void given_up_at_any_instruction(enum mode mode)
{
    (void)mode;
    harness_needs_futexes("--with-sync=pthread: who is stopped with its mutex holds up the others");
    unsigned long step = 1 + 600 / swept(150), at = now_ns() / 1000 % step;
    /* On a slow machine it is always given up first, which is a longer way. */
    const unsigned long most = 2000;
    for (bool inside = true; inside && at < most; at += step) {
        uint64_t time = 10 * MILLISECONDS;
        while (!given_up_after(at, time, &inside))
            time *= 2; /* a slow machine */
    }
}

/* ------------------------------------------------------------------ met while it gives up */

static int receives_for_no_time(void *argument)
{
    struct exchange *exchange = argument;
    mpsc_sender_close(exchange->ends.tx);
    must_be_empty(exchange->ends.rx);
    steps_begin(&exchange->steps);
    mpsc_status status = mpsc_recv_timeout(exchange->ends.rx, &exchange->received,
                                           sizeof exchange->received, NULL, 1);
    steps_end(&exchange->steps, status);
    return 0;
}

/* A receive that finds nothing has gone so far, and is met. It has got the message if, and only if, the send
 * has said so. The instructions that it did behind its spinning. */
static unsigned long met_after(unsigned long most)
{
    enum { HOLDS_SIGNALS_AND_YIELDS = 5 };
    struct exchange *exchange = shared_memory(sizeof *exchange);
    uint64_t number = 7;
    unsigned long count = 0;
    exchange->ends = ends_open(SIZE, 0);
    worker receiver = steps_start(&exchange->steps, receives_for_no_time, exchange);
    mpsc_receiver_close(exchange->ends.rx);
    assert_true(steps_past(&exchange->steps, receiver, HOLDS_SIGNALS_AND_YIELDS));
    while (count < most && steps_next(&exchange->steps, receiver))
        count++;
    mpsc_status said = mpsc_try_send(exchange->ends.tx, &number, sizeof number);
    assert_true(said == MPSC_OK || said == MPSC_FULL);
    int got = steps_finish(&exchange->steps, receiver);
    assert_status((mpsc_status)got, said == MPSC_OK ? MPSC_OK : MPSC_TIMEOUT);
    assert_int_equal(exchange->received, said == MPSC_OK ? 7 : 0);
    mpsc_sender_close(exchange->ends.tx);
    munmap(exchange, sizeof *exchange);
    return count;
}

static void met_at_any_instruction(enum mode mode)
{
    (void)mode;
    harness_needs_futexes("--with-sync=pthread: who is stopped with its mutex holds up the others");
    /* It gives up after some 1600. Where steps are slow the clock moves on while it is read, which begins anew
     * then, and may never end. */
    const unsigned long most = 2500;
    unsigned long all = met_after(most), step = 1 + all / swept(100);
    for (unsigned long at = now_ns() / 1000 % step; at < all; at += step)
        met_after(at);
}

/* ------------------------------------------------------------------ loans */

static int sends_a_loan(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = rendezvous_tx(shared);
    mpsc_status status;
    unsigned char *loan = mpsc_loan(tx, SIZE, &status);
    assert_lent(loan, status);
    pattern_fill(loan, 20, 5);
    assert_status(mpsc_send_loan(tx, loan, 20), MPSC_OK);
    assert_int_equal(atomic_load(&shared->begun), 1);
    mpsc_sender_close(tx);
    return 0;
}

static void a_sent_loan_waits_for_the_receiver(enum mode mode)
{
    struct shared *shared = new_shared(1);
    mpsc_receiver *rx = rendezvous_rx(shared);
    unsigned char buffer[SIZE];
    size_t length;
    worker w = worker_start(mode, sends_a_loan, shared);
    wait_asleep(w);
    atomic_store(&shared->begun, 1);
    assert_status(mpsc_recv(rx, buffer, sizeof buffer, &length), MPSC_OK);
    assert_int_equal(length, 20);
    pattern_check(buffer, length, 5);
    assert_int_equal(worker_join(w), 0);
    mpsc_receiver_close(rx);
}

static void a_try_loan_needs_a_waiting_receiver(enum mode mode)
{
    struct shared *shared = new_shared(1);
    mpsc_sender *tx = rendezvous_tx(shared);
    mpsc_status status = MPSC_OK;
    assert_null(mpsc_try_loan(tx, 8, &status));
    assert_status(status, MPSC_FULL);

    atomic_store(&shared->go, 1);
    worker w = worker_start(mode, receives_one, shared);
    wait_asleep_after(&shared->waits, w);
    uint64_t *loan = mpsc_try_loan(tx, sizeof *loan, &status);
    assert_lent(loan, status);
    *loan = 42;
    assert_status(mpsc_send_loan(tx, loan, sizeof *loan), MPSC_OK);
    assert_int_equal(worker_join(w), 0);
    mpsc_sender_close(tx);
}

/* The one place is the loan's while it is out; cancelled, it leaves no trace. */
static void a_loan_holds_up_the_others(enum mode mode)
{
    struct shared *shared = new_shared(1);
    mpsc_sender *tx = rendezvous_tx(shared), *other = rendezvous_tx(shared);
    mpsc_status status;
    uint64_t number = 42;
    atomic_store(&shared->go, 1);
    worker w = worker_start(mode, receives_one, shared);
    wait_asleep_after(&shared->waits, w);
    void *loan = mpsc_try_loan(tx, 8, &status);
    assert_lent(loan, status);
    assert_status(mpsc_try_send(other, &number, sizeof number), MPSC_FULL);
    assert_status(mpsc_send_timeout(other, &number, sizeof number, MILLISECONDS), MPSC_TIMEOUT);
    assert_status(mpsc_cancel_loan(tx, loan), MPSC_OK);
    assert_status(mpsc_send(other, &number, sizeof number), MPSC_OK);
    assert_int_equal(worker_join(w), 0);
    mpsc_sender_close(tx);
    mpsc_sender_close(other);
}

/* ------------------------------------------------------------------ sizes */

static void check_too_big(mpsc_sender *tx)
{
    static const unsigned char message[2 * SIZE];
    static const size_t lengths[] = {SIZE + 1, 2 * SIZE, SIZE_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        mpsc_status status = MPSC_OK;
        assert_status(mpsc_send(tx, message, lengths[i]), MPSC_TOO_BIG);
        assert_status(mpsc_try_send(tx, message, lengths[i]), MPSC_TOO_BIG);
        assert_status(mpsc_send_timeout(tx, message, lengths[i], MPSC_FOREVER), MPSC_TOO_BIG);
        assert_null(mpsc_loan(tx, lengths[i], &status));
        assert_status(status, MPSC_TOO_BIG);
        status = MPSC_OK;
        assert_null(mpsc_try_loan(tx, lengths[i], &status));
        assert_status(status, MPSC_TOO_BIG);
    }
}

static void more_than_the_message_size_is_too_big(enum mode mode)
{
    uint64_t number = 42;
    struct shared *shared = new_shared(1);
    mpsc_sender *tx = rendezvous_tx(shared);
    check_too_big(tx);
    atomic_store(&shared->go, 1);
    worker w = worker_start(mode, receives_one, shared);
    wait_asleep_after(&shared->waits, w);
    check_too_big(tx);
    assert_status(mpsc_send(tx, &number, sizeof number), MPSC_OK);
    assert_int_equal(worker_join(w), 0);
    mpsc_sender_close(tx);
}

static int sends_all_lengths(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = rendezvous_tx(shared);
    unsigned char message[SIZE];
    for (size_t length = 0; length <= SIZE; length++) {
        pattern_fill(message, length, length);
        assert_status(mpsc_send(tx, message, length), MPSC_OK);
    }
    assert_status(mpsc_flush(tx, MPSC_FOREVER), MPSC_OK);
    mpsc_sender_close(tx);
    return 0;
}

static void all_lengths_are_delivered(enum mode mode)
{
    struct shared *shared = new_shared(1);
    mpsc_receiver *rx = rendezvous_rx(shared);
    worker w = worker_start(mode, sends_all_lengths, shared);
    unsigned char buffer[SIZE];
    size_t length;
    for (size_t expected = 0; expected <= SIZE; expected++) {
        if (expected) { /* the sender goes on waiting while the buffer is too small */
            mpsc_status status;
            do
                status = mpsc_recv(rx, buffer, expected - 1, &length);
            while (status == MPSC_INTERRUPTED);
            assert_status(status, MPSC_TOO_BIG);
            assert_int_equal(length, expected);
        }
        assert_status(mpsc_recv(rx, buffer, sizeof buffer, &length), MPSC_OK);
        assert_int_equal(length, expected);
        pattern_check(buffer, length, expected);
    }
    assert_int_equal(worker_join(w), 0);
    mpsc_receiver_close(rx);
}

static void a_rendezvous_cannot_be_durable(void)
{
    const char *name = channel_name();
    mpsc_options options = options_of(SIZE, 0);
    mpsc_sender *tx = NULL;
    mpsc_receiver *rx = NULL;
    options.durable = 1;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_INVALID);
    assert_status(mpsc_open_receiver(name, &options, &rx), MPSC_INVALID);
    assert_null(tx);
    assert_null(rx);
    assert_false(name_exists(name));
}

int main(void)
{
    static const struct test tests[] = {
        TEST_BOTH(a_send_returns_after_the_receive),
        TEST_BOTH(a_send_returns_after_the_release),
        TEST_BOTH(a_peek_that_is_given_up_takes_nothing),
        TEST_BOTH(a_peeked_message_may_be_taken_back),
        TEST_BOTH(several_senders_take_turns),
        TEST_BOTH(a_try_send_needs_a_waiting_receiver),
        TEST_BOTH(one_try_send_meets_one_receive),
        TEST(a_time_out_is_not_delivered),
        TEST_BOTH(what_said_ok_is_what_arrives),
        TEST_BOTH(what_said_ok_arrives_whole),
        TEST_PROCESSES(given_up_at_any_instruction),
        TEST_PROCESSES(met_at_any_instruction),
        TEST_BOTH(a_sent_loan_waits_for_the_receiver),
        TEST_BOTH(a_try_loan_needs_a_waiting_receiver),
        TEST_BOTH(a_loan_holds_up_the_others),
        TEST_BOTH(more_than_the_message_size_is_too_big),
        TEST_BOTH(all_lengths_are_delivered),
        TEST(a_rendezvous_cannot_be_durable),
    };
    return harness_main("rendezvous", tests, sizeof tests / sizeof *tests);
}
