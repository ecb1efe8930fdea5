/* SPDX-License-Identifier: MIT */
/*
 * Every call that blocks, a channel on which it does, and a worker that is in such a call: for what
 * must hold of all of them (waking, time-outs, signals, the cost of waiting).
 */
#ifndef BLOCKING_H
#define BLOCKING_H

#include "together.h"

#include <unistd.h>

/* What keeps the call waiting. */
enum obstacle {
    NO_MESSAGE,
    NO_ROOM,     /* the bound is 1, and FIRST is queued */
    NO_RECEIVER, /* nobody takes part in the rendezvous */
    NOT_TAKEN,   /* the worker's FIRST is still queued */
};

enum { FIRST = 1, SECOND = 2 };

struct blocking {
    const char *name;
    enum obstacle obstacle;
    bool timed; /* heeds the time-out; the others wait for ever */
    /* One call, and where it lends something, the end of the loan. It sends SECOND, or receives it,
     * or flushes. */
    mpsc_status (*call)(mpsc_sender *tx, mpsc_receiver *rx, uint64_t nanoseconds);
};

/* ------------------------------------------------------------------ the calls */

#define BLOCKING_CALL(name)                                                                        \
    static inline mpsc_status name(mpsc_sender *tx, mpsc_receiver *rx, uint64_t nanoseconds)

static inline mpsc_status blocking_commit(mpsc_sender *tx, int *loan, mpsc_status status)
{
    if (!loan)
        return status;
    assert_status(status, MPSC_OK);
    *loan = SECOND;
    return mpsc_send_loan(tx, loan, sizeof *loan);
}

static inline mpsc_status blocking_release(mpsc_receiver *rx, const int *message, size_t length,
                                           mpsc_status status)
{
    if (!message)
        return status;
    assert_status(status, MPSC_OK);
    assert_int_equal(length, sizeof *message);
    assert_int_equal(*message, SECOND);
    return mpsc_release(rx, message);
}

BLOCKING_CALL(call_send)
{
    (void)rx, (void)nanoseconds;
    return mpsc_send(tx, &(int){SECOND}, sizeof(int));
}

BLOCKING_CALL(call_send_timeout)
{
    (void)rx;
    return mpsc_send_timeout(tx, &(int){SECOND}, sizeof(int), nanoseconds);
}

BLOCKING_CALL(call_loan)
{
    mpsc_status status = MPSC_OS;
    (void)rx, (void)nanoseconds;
    int *loan = mpsc_loan(tx, sizeof *loan, &status);
    return blocking_commit(tx, loan, status);
}

BLOCKING_CALL(call_loan_timeout)
{
    mpsc_status status = MPSC_OS;
    (void)rx;
    int *loan = mpsc_loan_timeout(tx, sizeof *loan, nanoseconds, &status);
    return blocking_commit(tx, loan, status);
}

BLOCKING_CALL(call_recv)
{
    int value = SECOND;
    (void)tx, (void)nanoseconds;
    mpsc_status status = mpsc_recv(rx, &value, sizeof value, NULL);
    assert_int_equal(value, SECOND);
    return status;
}

BLOCKING_CALL(call_recv_timeout)
{
    int value = SECOND;
    size_t length = sizeof value;
    (void)tx;
    mpsc_status status = mpsc_recv_timeout(rx, &value, sizeof value, &length, nanoseconds);
    assert_int_equal(value, SECOND);
    assert_int_equal(length, sizeof value);
    return status;
}

BLOCKING_CALL(call_peek)
{
    mpsc_status status = MPSC_OS;
    size_t length = 0;
    (void)tx, (void)nanoseconds;
    const int *message = mpsc_peek(rx, &length, &status);
    return blocking_release(rx, message, length, status);
}

BLOCKING_CALL(call_peek_timeout)
{
    mpsc_status status = MPSC_OS;
    size_t length = 0;
    (void)tx;
    const int *message = mpsc_peek_timeout(rx, &length, nanoseconds, &status);
    return blocking_release(rx, message, length, status);
}

static inline mpsc_status blocking_sent(mpsc_status status, size_t sent)
{
    assert_int_equal(sent, status == MPSC_OK ? 1 : 99);
    return status;
}

BLOCKING_CALL(call_send_batch)
{
    struct iovec message = {&(int){SECOND}, sizeof(int)};
    size_t sent = 99;
    (void)rx, (void)nanoseconds;
    mpsc_status status = mpsc_send_batch(tx, &message, 1, &sent);
    return blocking_sent(status, sent);
}

BLOCKING_CALL(call_send_batch_timeout)
{
    struct iovec message = {&(int){SECOND}, sizeof(int)};
    size_t sent = 99;
    (void)rx;
    mpsc_status status = mpsc_send_batch_timeout(tx, &message, 1, &sent, nanoseconds);
    return blocking_sent(status, sent);
}

BLOCKING_CALL(call_recv_batch)
{
    int value = SECOND;
    struct iovec buffer = {&value, sizeof value};
    size_t received = 99;
    (void)tx, (void)nanoseconds;
    mpsc_status status = mpsc_recv_batch(rx, &buffer, 1, &received);
    assert_int_equal(value, SECOND);
    return blocking_sent(status, received);
}

BLOCKING_CALL(call_recv_batch_timeout)
{
    int value = SECOND;
    struct iovec buffer = {&value, sizeof value};
    size_t received = 99;
    (void)tx;
    mpsc_status status = mpsc_recv_batch_timeout(rx, &buffer, 1, &received, nanoseconds);
    assert_int_equal(value, SECOND);
    return blocking_sent(status, received);
}

BLOCKING_CALL(call_flush)
{
    (void)rx;
    return mpsc_flush(tx, nanoseconds);
}

static const struct blocking blocking_calls[] = {
    {"send", NO_ROOM, false, call_send},
    {"send_timeout", NO_ROOM, true, call_send_timeout},
    {"loan", NO_ROOM, false, call_loan},
    {"loan_timeout", NO_ROOM, true, call_loan_timeout},
    {"recv", NO_MESSAGE, false, call_recv},
    {"recv_timeout", NO_MESSAGE, true, call_recv_timeout},
    {"peek", NO_MESSAGE, false, call_peek},
    {"peek_timeout", NO_MESSAGE, true, call_peek_timeout},
    {"send_batch", NO_ROOM, false, call_send_batch},
    {"send_batch_timeout", NO_ROOM, true, call_send_batch_timeout},
    {"recv_batch", NO_MESSAGE, false, call_recv_batch},
    {"recv_batch_timeout", NO_MESSAGE, true, call_recv_batch_timeout},
    {"flush", NOT_TAKEN, true, call_flush},
    {"send, rendezvous", NO_RECEIVER, false, call_send},
    {"send_timeout, rendezvous", NO_RECEIVER, true, call_send_timeout},
    {"send_loan, rendezvous", NO_RECEIVER, false, call_loan},
    {"recv, rendezvous", NO_MESSAGE, false, call_recv},
};

enum { BLOCKING_CALLS = sizeof blocking_calls / sizeof *blocking_calls };

/* ------------------------------------------------------------------ a worker in one of them */

struct blocked {
    const struct blocking *call;
    enum mode mode;
    const char *name;       /* of the channel */
    mpsc_sender *tx;        /* the test's */
    mpsc_receiver *rx;      /* the worker's, if its call receives; else the test's */
    mpsc_sender *worker_tx; /* the worker's */
    uint64_t nanoseconds;
    worker worker;
    atomic_int calls;   /* made so far */
    atomic_int ended;   /* ... of which ended */
    atomic_int said;    /* what the first of them said */
    atomic_int resumed; /* an INTERRUPTED call is followed by another, once this counts it too */
};

static inline void blocked_prepare(mpsc_sender *tx, enum obstacle obstacle)
{
    if (obstacle == NO_ROOM || obstacle == NOT_TAKEN)
        assert_status(mpsc_try_send(tx, &(int){FIRST}, sizeof(int)), MPSC_OK);
}

/* Of a channel on which the call waits. */
static inline size_t blocking_bound(const struct blocking *call)
{
    return call->obstacle == NO_RECEIVER ? 0 : call->obstacle == NOT_TAKEN ? 4 : 1;
}

/* The end that the call is on; the channel is such that it will wait. */
static inline struct ends blocking_open(const struct blocking *call, const char *name)
{
    struct ends ends = {NULL, NULL};
    if (call->obstacle == NO_MESSAGE) {
        ends.rx = open_rx(name, sizeof(int), blocking_bound(call));
    } else {
        ends.tx = open_tx(name, sizeof(int), blocking_bound(call));
        blocked_prepare(ends.tx, call->obstacle);
    }
    return ends;
}

static inline int blocked_body(void *argument)
{
    struct blocked *b = (struct blocked *)argument;
    mpsc_status status;
    copy_close_sender(b->mode, b->tx);
    if (b->call->obstacle != NO_MESSAGE)
        copy_close_receiver(b->mode, b->rx);
    blocked_prepare(b->worker_tx, b->call->obstacle);
    for (int ended = 1;; ended++) {
        atomic_fetch_add(&b->calls, 1);
        status = b->call->call(b->worker_tx, b->rx, b->nanoseconds);
        if (ended == 1)
            atomic_store(&b->said, status);
        atomic_store(&b->ended, ended);
        if (status != MPSC_INTERRUPTED)
            break;
        step_wait(&b->resumed, ended);
    }
    mpsc_sender_close(b->worker_tx);
    if (b->call->obstacle == NO_MESSAGE)
        copy_close_receiver(b->mode, b->rx);
    return status;
}

static inline void blocked_open(struct blocked *b, const struct blocking *call)
{
    b->call = call;
    b->name = channel_name();
    open_both(b->name, sizeof(int), blocking_bound(call), &b->tx, &b->rx);
}

/* Starts the worker and waits until it sleeps in the call. */
static inline struct blocked *blocked_start(const struct blocking *call, enum mode mode,
                                            uint64_t nanoseconds)
{
    struct blocked *b = (struct blocked *)shared_memory(sizeof *b);
    blocked_open(b, call);
    b->mode = mode;
    b->nanoseconds = nanoseconds;
    b->worker_tx = clone_of(b->tx);
    worker w = worker_start(mode, blocked_body, b);
    b->worker = w;
    copy_close_sender(mode, b->worker_tx);
    step_wait(&b->calls, 1);
    wait_asleep(w);
    return b;
}

/* Lets the worker's call come to its end. */
static inline void blocked_let_go(struct blocked *b)
{
    switch (b->call->obstacle) {
    case NO_MESSAGE:
        send_int(b->tx, SECOND);
        break;
    case NO_ROOM:
        expect_int(b->rx, FIRST);
        expect_int(b->rx, SECOND);
        break;
    case NO_RECEIVER:
        expect_int(b->rx, SECOND);
        break;
    case NOT_TAKEN:
        expect_int(b->rx, FIRST);
        break;
    }
}

/* Messages that wait while the call does. */
static inline unsigned blocked_queued(const struct blocked *b)
{
    return b->call->obstacle == NO_ROOM || b->call->obstacle == NOT_TAKEN;
}

/* Joins the worker, whose call must have succeeded at last. */
static inline void blocked_join(struct blocked *b)
{
    blocked_let_go(b);
    assert_status(worker_join(b->worker), MPSC_OK);
}

/* Nothing else was sent. No other worker may hold a copy of the handles by now. */
static inline void blocked_close(struct blocked *b)
{
    mpsc_sender_close(b->tx);
    expect_end(b->rx);
    mpsc_receiver_close(b->rx);
}

static inline void blocked_finish(struct blocked *b)
{
    blocked_join(b);
    blocked_close(b);
}

#endif
