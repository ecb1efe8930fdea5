/* SPDX-License-Identifier: MIT */
/* 1.3.1 Order: one channel is one queue; messages of one sender arrive in order, and a send that
 * returned before another began arrives first, whoever sent them. */
#include "channels.h"

enum { SENDERS = 4, CELL = 16, LONGEST = 3 * CELL };

struct shared {
    const char *name;
    size_t bound;
    uint32_t count;
    atomic_uint next; /* number of the next worker */
    atomic_uint turn; /* number of the next message */
};

struct message {
    uint32_t sender, number;
};

static struct shared *new_shared(size_t bound, unsigned long count)
{
    struct shared *shared = shared_memory(sizeof *shared);
    shared->name = channel_name();
    shared->bound = bound;
    shared->count = (uint32_t)count;
    return shared;
}

/* ------------------------------------------------------------------ of one sender */

static size_t length_of(const struct message *message, size_t bound)
{
    size_t longest = bound < 3 ? CELL : LONGEST;
    return sizeof *message + message->number * 5 % (longest - sizeof *message + 1);
}

static int sends_in_order(void *argument)
{
    struct shared *shared = argument;
    struct message message = {.sender = atomic_fetch_add(&shared->next, 1)};
    mpsc_sender *tx = open_tx(shared->name, CELL, shared->bound);
    for (; message.number < shared->count; message.number++) {
        unsigned char bytes[LONGEST] = {0};
        memcpy(bytes, &message, sizeof message);
        assert_status(mpsc_send(tx, bytes, length_of(&message, shared->bound)), MPSC_OK);
    }
    mpsc_sender_close(tx);
    return 0;
}

static void check_each_sender(enum mode mode, size_t bound, unsigned long count)
{
    struct shared *shared = new_shared(bound, count);
    mpsc_receiver *rx = open_rx(shared->name, CELL, bound);
    mpsc_sender *keeper = open_tx(shared->name, CELL, bound); /* one may be done before all came */
    worker workers[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        workers[i] = worker_start(mode, sends_in_order, shared);

    uint32_t expected[SENDERS] = {0};
    for (unsigned long i = 0; i < SENDERS * count; i++) {
        unsigned char bytes[LONGEST];
        size_t length;
        struct message message;
        assert_status(mpsc_recv(rx, bytes, sizeof bytes, &length), MPSC_OK);
        memcpy(&message, bytes, sizeof message);
        assert_in_range(message.sender, 0, SENDERS - 1);
        assert_int_equal(message.number, expected[message.sender]++);
        assert_int_equal(length, length_of(&message, bound));
    }
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    mpsc_sender_close(keeper);
    mpsc_receiver_close(rx);
}

static void each_sender_is_in_order(enum mode mode)
{
    static const size_t bounds[] = {0, 1, 3, 16, 1000, MPSC_UNBOUNDED};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        check_each_sender(mode, bounds[i], scaled(bounds[i] < 2 ? 500 : 20000));
    }
}

/* ------------------------------------------------------------------ across senders */

/* How a relay's message is sent: each in another way. */
static void send_somehow(mpsc_sender *tx, uint64_t number)
{
    mpsc_status status;
    switch (number % 5) {
    case 1:
        do
            status = mpsc_try_send(tx, &number, sizeof number);
        while (status == MPSC_FULL || status == MPSC_NO_SPACE);
        assert_status(status, MPSC_OK);
        return;
    case 2:
        assert_status(mpsc_send_timeout(tx, &number, sizeof number, MPSC_FOREVER), MPSC_OK);
        return;
    case 3: {
        uint64_t *loan = mpsc_loan(tx, sizeof number, &status);
        assert_lent(loan, status);
        *loan = number;
        assert_status(mpsc_send_loan(tx, loan, sizeof number), MPSC_OK);
        return;
    }
    default:
        send_number(tx, number);
    }
}

static int relays(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = open_tx(shared->name, CELL, shared->bound);
    unsigned mine = atomic_fetch_add(&shared->next, 1);
    for (; mine < shared->count; mine += SENDERS) {
        wait_for_turn(&shared->turn, mine);
        send_somehow(tx, mine);
        atomic_store(&shared->turn, mine + 1);
    }
    mpsc_sender_close(tx);
    return 0;
}

static void a_relay_is_in_order(enum mode mode)
{
    static const size_t bounds[] = {0, 1, 2, 3, 16, 1000, MPSC_UNBOUNDED};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        /* A try_send that meets a receiver is rare. */
        struct shared *shared = new_shared(bounds[i], scaled(bounds[i] == 0 ? 500 : 2000));
        mpsc_receiver *rx = open_rx(shared->name, CELL, bounds[i]);
        worker workers[SENDERS];
        for (int j = 0; j < SENDERS; j++)
            workers[j] = worker_start(mode, relays, shared);
        for (uint32_t number = 0; number < shared->count; number++)
            assert_int_equal(recv_number(rx), number);
        for (int j = 0; j < SENDERS; j++)
            assert_int_equal(worker_join(workers[j]), 0);
        mpsc_receiver_close(rx);
    }
}

/* The same by two, and what they send is of one and of three cells: a claim of many must not be
 * passed by a claim of few. */
static int relays_lengths(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = open_tx(shared->name, CELL, shared->bound);
    unsigned mine = atomic_fetch_add(&shared->next, 1);
    size_t length = mine % 2 ? LONGEST : CELL;
    for (; mine < shared->count; mine += 2) {
        unsigned char bytes[LONGEST] = {0};
        memcpy(bytes, &mine, sizeof mine);
        wait_for_turn(&shared->turn, mine);
        assert_status(mpsc_send(tx, bytes, length), MPSC_OK);
        atomic_store(&shared->turn, mine + 1);
    }
    mpsc_sender_close(tx);
    return 0;
}

static void a_relay_of_lengths_is_in_order(enum mode mode)
{
    for (size_t bound = 3; bound <= 7; bound++) {
        struct shared *shared = new_shared(bound, scaled(4000));
        mpsc_receiver *rx = open_rx(shared->name, CELL, bound);
        worker one = worker_start(mode, relays_lengths, shared);
        worker other = worker_start(mode, relays_lengths, shared);
        for (unsigned number = 0; number < shared->count; number++) {
            unsigned char bytes[LONGEST];
            unsigned got;
            assert_status(mpsc_recv(rx, bytes, sizeof bytes, NULL), MPSC_OK);
            memcpy(&got, bytes, sizeof got);
            assert_int_equal(got, number);
        }
        assert_int_equal(worker_join(one), 0);
        assert_int_equal(worker_join(other), 0);
        mpsc_receiver_close(rx);
    }
}

/* ------------------------------------------------------------------ a place in the queue */

static int sends_two(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = open_tx(shared->name, CELL, shared->bound);
    send_number(tx, 2);
    send_number(tx, 3);
    mpsc_sender_close(tx);
    return 0;
}

/* A loan has its place from the moment it is lent, and holds up what is behind it. */
static void a_loan_keeps_its_place(enum mode mode)
{
    struct shared *shared = new_shared(8, 1);
    mpsc_receiver *rx = open_rx(shared->name, CELL, shared->bound);
    mpsc_sender *tx = open_tx(shared->name, CELL, shared->bound);
    mpsc_status status;
    uint64_t number;
    uint64_t *loan = mpsc_loan(tx, sizeof *loan, &status);
    assert_lent(loan, status);
    assert_int_equal(worker_join(worker_start(mode, sends_two, shared)), 0);
    assert_status(mpsc_try_recv(rx, &number, sizeof number, NULL), MPSC_EMPTY);
    *loan = 1;
    assert_status(mpsc_send_loan(tx, loan, sizeof *loan), MPSC_OK);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(recv_number(rx), i);

    /* Cancelled, it lets them through. */
    loan = mpsc_loan(tx, sizeof *loan, &status);
    assert_lent(loan, status);
    assert_int_equal(worker_join(worker_start(mode, sends_two, shared)), 0);
    assert_status(mpsc_try_recv(rx, &number, sizeof number, NULL), MPSC_EMPTY);
    assert_status(mpsc_cancel_loan(tx, loan), MPSC_OK);
    assert_int_equal(recv_number(rx), 2);
    assert_int_equal(recv_number(rx), 3);
    assert_status(mpsc_try_recv(rx, &number, sizeof number, NULL), MPSC_EMPTY);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

int main(void)
{
    static const struct test tests[] = {
        TEST_BOTH(each_sender_is_in_order),
        TEST_BOTH(a_relay_is_in_order),
        TEST_BOTH(a_relay_of_lengths_is_in_order),
        TEST_BOTH(a_loan_keeps_its_place),
    };
    return harness_main("order", tests, sizeof tests / sizeof *tests);
}
