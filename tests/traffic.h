/* SPDX-License-Identifier: MIT */
/*
 * Heavy traffic: producers that send numbered messages in one of several ways, and a consumer that
 * checks that each arrives once, whole, and in the order of its producer.
 */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include "together.h"

#include <sched.h>

enum sending { BY_SEND, BY_TRY_SEND, BY_SEND_TIMEOUT, BY_LOAN, BY_TRY_LOAN };
enum receiving { BY_RECV, BY_TRY_RECV, BY_RECV_TIMEOUT, BY_PEEK, BY_TRY_PEEK };

enum { PRODUCERS = 4, LONGEST = 256 };

struct traffic {
    size_t message_size, bound;
    unsigned long each; /* messages of each producer, before scaling */
    size_t least, most; /* bytes of a message; 8 at least */
    enum sending sending;
    enum receiving receiving;
};

/* ---- messages: the producer and the number in the first eight bytes, then a pattern */

static inline uint64_t message_head(unsigned producer, uint64_t number)
{
    return (uint64_t)producer << 48 | number;
}

static inline size_t message_length(const struct traffic *traffic, uint64_t head)
{
    if (traffic->least == traffic->most)
        return traffic->least;
    uint64_t mixed = head * UINT64_C(0x9e3779b97f4a7c15);
    return traffic->least + (size_t)((mixed >> 40) % (traffic->most - traffic->least + 1));
}

static inline void message_fill(void *memory, size_t length, uint64_t head)
{
    memcpy(memory, &head, sizeof head);
    if (length > sizeof head)
        memset((unsigned char *)memory + sizeof head, (int)(head % 251), length - sizeof head);
}

static inline uint64_t message_check(const struct traffic *traffic, const void *memory,
                                     size_t length)
{
    const unsigned char *bytes = (const unsigned char *)memory;
    uint64_t head;
    assert_true(length >= sizeof head);
    memcpy(&head, memory, sizeof head);
    if (length != message_length(traffic, head))
        fail_msg("message %jx has %zu bytes", (uintmax_t)head, length);
    for (size_t i = sizeof head; i < length; i++)
        if (bytes[i] != head % 251)
            fail_msg("message %jx is torn at byte %zu of %zu", (uintmax_t)head, i, length);
    return head;
}

/* ---- sending one, receiving one */

static inline bool try_again(mpsc_status status)
{
    if (status != MPSC_FULL && status != MPSC_EMPTY && status != MPSC_TIMEOUT)
        return false;
    sched_yield();
    return true;
}

static inline mpsc_status send_one_loan(const struct traffic *traffic, mpsc_sender *tx,
                                        size_t length, uint64_t head)
{
    mpsc_status status = MPSC_OS;
    void *loan;
    do
        loan = traffic->sending == BY_LOAN ? mpsc_loan(tx, length, &status)
                                           : mpsc_try_loan(tx, length, &status);
    while (!loan && try_again(status));
    if (!loan)
        return status;
    message_fill(loan, length, head);
    return mpsc_send_loan(tx, loan, length);
}

static inline mpsc_status send_one(const struct traffic *traffic, mpsc_sender *tx, uint64_t head)
{
    unsigned char message[LONGEST];
    size_t length = message_length(traffic, head);
    mpsc_status status;
    if (traffic->sending == BY_LOAN || traffic->sending == BY_TRY_LOAN)
        return send_one_loan(traffic, tx, length, head);
    message_fill(message, length, head);
    do {
        switch (traffic->sending) {
        case BY_TRY_SEND:
            status = mpsc_try_send(tx, message, length);
            break;
        case BY_SEND_TIMEOUT:
            status = mpsc_send_timeout(tx, message, length, 50000);
            break;
        default:
            status = mpsc_send(tx, message, length);
        }
    } while (try_again(status));
    return status;
}

static inline mpsc_status receive_one_peek(const struct traffic *traffic, mpsc_receiver *rx,
                                           uint64_t *head)
{
    mpsc_status status = MPSC_OS;
    const void *message;
    size_t length = 0;
    do
        message = traffic->receiving == BY_PEEK ? mpsc_peek(rx, &length, &status)
                                                : mpsc_try_peek(rx, &length, &status);
    while (!message && try_again(status));
    if (!message)
        return status;
    *head = message_check(traffic, message, length);
    return mpsc_release(rx, message);
}

static inline mpsc_status receive_one(const struct traffic *traffic, mpsc_receiver *rx,
                                      uint64_t *head)
{
    unsigned char message[LONGEST];
    size_t size = sizeof message, length = 0;
    mpsc_status status;
    if (traffic->receiving == BY_PEEK || traffic->receiving == BY_TRY_PEEK)
        return receive_one_peek(traffic, rx, head);
    do {
        switch (traffic->receiving) {
        case BY_TRY_RECV:
            status = mpsc_try_recv(rx, message, size, &length);
            break;
        case BY_RECV_TIMEOUT:
            status = mpsc_recv_timeout(rx, message, size, &length, 50000);
            break;
        default:
            status = mpsc_recv(rx, message, size, &length);
        }
    } while (try_again(status));
    if (status == MPSC_OK)
        *head = message_check(traffic, message, length);
    return status;
}

/* ---- all of them */

struct producer {
    const struct traffic *traffic;
    enum mode mode;
    unsigned self;
    mpsc_sender *tx;
    mpsc_receiver *rx; /* a copy in another process; NULL: none */
};

static inline int produce(void *argument)
{
    struct producer *p = (struct producer *)argument;
    unsigned long each = scaled(p->traffic->each);
    if (p->rx)
        copy_close_receiver(p->mode, p->rx);
    for (uint64_t number = 0; number < each; number++)
        assert_status(send_one(p->traffic, p->tx, message_head(p->self, number)), MPSC_OK);
    mpsc_sender_close(p->tx);
    return 0;
}

/* Receives until all senders are gone. */
static inline void consume(const struct traffic *traffic, mpsc_receiver *rx)
{
    uint64_t next[PRODUCERS] = {0}, head = 0, sum = 0, each = scaled(traffic->each);
    mpsc_status status;
    while ((status = receive_one(traffic, rx, &head)) == MPSC_OK) {
        uint64_t producer = head >> 48, number = head & ((UINT64_C(1) << 48) - 1);
        assert_true(producer < PRODUCERS);
        if (number != next[producer])
            fail_msg("of producer %ju came %ju, not %ju", (uintmax_t)producer, (uintmax_t)number,
                     (uintmax_t)next[producer]);
        next[producer]++;
        sum += number;
    }
    assert_status(status, MPSC_DISCONNECTED);
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(next[i], each);
    assert_true(sum == PRODUCERS * (each * (each - 1) / 2));
}

/* Through a channel without a name. */
static inline void run_traffic(enum mode mode, const struct traffic *traffic)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    struct producer producers[PRODUCERS];
    worker workers[PRODUCERS];
    harness_timeout(120);
    assert_status(mpsc_sync_channel(traffic->message_size, traffic->bound, &tx, &rx), MPSC_OK);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){traffic, mode, i, clone_of(tx), rx};
        workers[i] = worker_start(mode, produce, &producers[i]);
        copy_close_sender(mode, producers[i].tx);
    }
    mpsc_sender_close(tx);
    consume(traffic, rx);
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    mpsc_receiver_close(rx);
}

/* ---- the kinds of traffic that both modes must stand */

#define TRAFFIC(name, ...)                                                                         \
    static void name(enum mode mode)                                                               \
    {                                                                                              \
        static const struct traffic traffic = {__VA_ARGS__};                                       \
        run_traffic(mode, &traffic);                                                               \
    }

TRAFFIC(million_each_bound_1024, 8, 1024, 1000000, 8, 8, BY_SEND, BY_RECV)
TRAFFIC(mixed_lengths_bound_1024, 32, 1024, 1000000, 8, 250, BY_SEND, BY_RECV)
TRAFFIC(mixed_lengths_bound_7, 8, 7, 50000, 8, 56, BY_SEND, BY_RECV)
TRAFFIC(bound_1, 8, 1, 50000, 8, 8, BY_SEND, BY_RECV)
TRAFFIC(bound_7, 8, 7, 100000, 8, 8, BY_SEND, BY_RECV)
TRAFFIC(at_a_rendezvous, 8, 0, 20000, 8, 8, BY_SEND, BY_RECV)
TRAFFIC(at_a_rendezvous_with_time_outs, 8, 0, 5000, 8, 8, BY_SEND_TIMEOUT, BY_RECV_TIMEOUT)
TRAFFIC(at_a_rendezvous_by_loan, 64, 0, 5000, 8, 64, BY_LOAN, BY_PEEK)
TRAFFIC(at_a_rendezvous_by_try_send, 8, 0, 2000, 8, 8, BY_TRY_SEND, BY_RECV)
TRAFFIC(by_loan_and_peek, 64, 1024, 500000, 8, 64, BY_LOAN, BY_PEEK)
TRAFFIC(by_long_loan_and_peek, 16, 20, 20000, 8, 250, BY_LOAN, BY_TRY_PEEK)
TRAFFIC(by_trying, 8, 64, 200000, 8, 8, BY_TRY_SEND, BY_TRY_RECV)
TRAFFIC(by_trying_loans, 8, 64, 200000, 8, 40, BY_TRY_LOAN, BY_TRY_PEEK)
TRAFFIC(with_time_outs, 8, 16, 50000, 8, 100, BY_SEND_TIMEOUT, BY_RECV_TIMEOUT)

#define TRAFFIC_TESTS(kind)                                                                        \
    kind(million_each_bound_1024), kind(mixed_lengths_bound_1024), kind(mixed_lengths_bound_7),    \
        kind(bound_1), kind(bound_7), kind(at_a_rendezvous), kind(at_a_rendezvous_with_time_outs), \
        kind(at_a_rendezvous_by_loan), kind(at_a_rendezvous_by_try_send), kind(by_loan_and_peek),  \
        kind(by_long_loan_and_peek), kind(by_trying), kind(by_trying_loans), kind(with_time_outs)

/* ---- storms: coming and going, by four at a time */

struct storm {
    const char *name;
    enum mode mode;
    unsigned self;
};

/* Opens, sends a hundred, closes, and again. */
static inline int comes_and_goes(void *argument)
{
    struct storm *storm = (struct storm *)argument;
    unsigned long rounds = scaled(200);
    for (uint64_t round = 0; round < rounds; round++) {
        mpsc_sender *tx = open_tx(storm->name, 8, 64);
        for (uint64_t i = 0; i < 100; i++)
            send_number(tx, message_head(storm->self, round * 100 + i));
        mpsc_sender_close(tx);
    }
    return 0;
}

static void producers_come_and_go(enum mode mode)
{
    struct storm storms[PRODUCERS];
    worker workers[PRODUCERS];
    uint64_t next[PRODUCERS] = {0}, total = 0, expected = PRODUCERS * 100 * scaled(200);
    const char *name = channel_name();
    mpsc_receiver *rx = NULL;
    harness_timeout(120);
    for (unsigned i = 0; i < PRODUCERS; i++)
        storms[i] = (struct storm){name, mode, i};
    if (mode == THREADS)
        rx = open_rx(name, 8, 64);
    for (unsigned i = 0; i < PRODUCERS; i++)
        workers[i] = worker_start(mode, comes_and_goes, &storms[i]);
    if (mode == PROCESSES) /* the producers have no copies; whoever comes first makes the channel */
        rx = open_rx(name, 8, 64);
    while (total < expected) {
        uint64_t head;
        mpsc_status status = mpsc_recv(rx, &head, sizeof head, NULL);
        if (status == MPSC_DISCONNECTED) { /* between two producers */
            sched_yield();
            continue;
        }
        assert_status(status, MPSC_OK);
        assert_true(head >> 48 < PRODUCERS);
        assert_int_equal(head & ((UINT64_C(1) << 48) - 1), next[head >> 48]);
        next[head >> 48]++;
        total++;
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    uint64_t none;
    assert_status(mpsc_recv(rx, &none, sizeof none, NULL), MPSC_DISCONNECTED);
    mpsc_receiver_close(rx);
    assert_false(name_exists(name));
}

static inline void storm_as_sender(mpsc_sender *tx)
{
    mpsc_status status = mpsc_try_send(tx, &(uint64_t){1}, sizeof(uint64_t));
    if (status != MPSC_OK && status != MPSC_FULL)
        assert_status(status, MPSC_DISCONNECTED);
    mpsc_sender_close(tx);
}

static inline void storm_as_receiver(mpsc_receiver *rx)
{
    uint64_t number;
    mpsc_status status = mpsc_try_recv(rx, &number, sizeof number, NULL);
    if (status != MPSC_OK && status != MPSC_EMPTY)
        assert_status(status, MPSC_DISCONNECTED);
    mpsc_receiver_close(rx);
}

/* Opens one end or the other, in all ways, and closes it at once; who is last removes the name. */
static inline int storms(void *argument)
{
    struct storm *storm = (struct storm *)argument;
    uint64_t state = storm->self + 1;
    for (unsigned long i = scaled(2000); i > 0; i--) {
        uint64_t dice = chance(&state) % 8;
        mpsc_options options = options_of(8, 4);
        options.create = dice != 0;
        options.exclusive = dice == 1;
        mpsc_sender *tx = NULL;
        mpsc_receiver *rx = NULL;
        mpsc_status status = chance(&state) % 2 ? mpsc_open_sender(storm->name, &options, &tx)
                                                : mpsc_open_receiver(storm->name, &options, &rx);
        if (tx)
            storm_as_sender(tx);
        else if (rx)
            storm_as_receiver(rx);
        else if (status != MPSC_BUSY)
            assert_status(status, dice == 0 ? MPSC_NOT_FOUND : MPSC_EXISTS);
    }
    return 0;
}

static void storm_on_one_name(enum mode mode)
{
    struct storm all[PRODUCERS];
    worker workers[PRODUCERS];
    const char *name = channel_name();
    harness_timeout(120);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        all[i] = (struct storm){name, mode, i};
        workers[i] = worker_start(mode, storms, &all[i]);
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    assert_false(name_exists(name));
}

#endif
