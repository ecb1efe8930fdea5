/* SPDX-License-Identifier: MIT */
/*
 * What tests of several workers share: steps to go by, and handles that are given away.
 *
 * In THREADS mode a worker has the very handle that it was given. In PROCESSES mode it has a copy,
 * and so has whoever started it: both close theirs, or nobody hears of a disconnect.
 */
#ifndef TOGETHER_H
#define TOGETHER_H

#include "channels.h"

/* ---- steps: a number in shared_memory that only grows */

struct step_wanted {
    atomic_int *step;
    int number;
};

static inline bool step_is_reached(void *argument)
{
    const struct step_wanted *wanted = (const struct step_wanted *)argument;
    return atomic_load(wanted->step) >= wanted->number;
}

static inline void step_to(atomic_int *step, int number)
{
    atomic_store(step, number);
}

static inline void step_wait(atomic_int *step, int number)
{
    struct step_wanted wanted = {step, number};
    wait_until(step_is_reached, &wanted);
}

/* ---- handles */

/* Closes a copy that a fork made; a thread has no copy. */
static inline void copy_close_sender(enum mode mode, mpsc_sender *tx)
{
    if (mode == PROCESSES)
        mpsc_sender_close(tx);
}

static inline void copy_close_receiver(enum mode mode, mpsc_receiver *rx)
{
    if (mode == PROCESSES)
        mpsc_receiver_close(rx);
}

static inline mpsc_sender *clone_of(const mpsc_sender *tx)
{
    mpsc_sender *clone = NULL;
    assert_status(mpsc_sender_clone(tx, &clone), MPSC_OK);
    return clone;
}

/* Opens both ends of a new named channel. */
static inline void open_both(const char *name, size_t message_size, size_t bound, mpsc_sender **tx,
                             mpsc_receiver **rx)
{
    mpsc_options options = options_of(message_size, bound);
    options.exclusive = 1;
    assert_status(mpsc_open_sender(name, &options, tx), MPSC_OK);
    options.exclusive = 0;
    assert_status(mpsc_open_receiver(name, &options, rx), MPSC_OK);
}

/* ---- messages of one int */

static inline void send_int(mpsc_sender *tx, int value)
{
    assert_status(mpsc_send(tx, &value, sizeof value), MPSC_OK);
}

/* Waits for a message, which must be that one. */
static inline void expect_int(mpsc_receiver *rx, int expected)
{
    int value = -1;
    size_t length = 0;
    assert_status(mpsc_recv(rx, &value, sizeof value, &length), MPSC_OK);
    assert_int_equal(length, sizeof value);
    assert_int_equal(value, expected);
}

/* The receiver is told that no sender is left; waits for it. */
static inline void expect_end(mpsc_receiver *rx)
{
    int value;
    assert_status(mpsc_recv(rx, &value, sizeof value, NULL), MPSC_DISCONNECTED);
}

/* Nothing comes, and nobody has left either. */
static inline void expect_silence(mpsc_receiver *rx)
{
    int value;
    assert_status(mpsc_try_recv(rx, &value, sizeof value, NULL), MPSC_EMPTY);
    assert_status(mpsc_recv_timeout(rx, &value, sizeof value, NULL, 20 * MILLISECONDS),
                  MPSC_TIMEOUT);
}

/* ---- a source of numbers, in bursts: the receiver comes to the end of the queue at every step of a send */

struct source {
    mpsc_sender *tx; /* closed at the end */
    uint64_t seed;
    int first, count;
};

static inline int sends_in_bursts(void *argument)
{
    const struct source *source = (const struct source *)argument;
    uint64_t state = source->seed;
    for (int i = 0; i < source->count; i++) {
        send_int(source->tx, source->first + i);
        if (chance(&state) % 8 == 0)
            dawdle(&state, 4000);
    }
    mpsc_sender_close(source->tx);
    return 0;
}

/* ---- statistics */

static inline mpsc_stats stats_of(const char *name)
{
    mpsc_stats stats;
    assert_status(mpsc_stat(name, &stats), MPSC_OK);
    return stats;
}

struct counts {
    const char *name;
    unsigned senders, receivers, processes;
};

static inline bool counts_are(void *argument)
{
    const struct counts *counts = (const struct counts *)argument;
    mpsc_stats stats = stats_of(counts->name);
    return stats.senders == counts->senders && stats.receivers == counts->receivers &&
           stats.processes == counts->processes;
}

static inline void assert_counts(const char *name, unsigned senders, unsigned receivers,
                                 unsigned processes)
{
    mpsc_stats stats = stats_of(name);
    assert_int_equal(stats.senders, senders);
    assert_int_equal(stats.receivers, receivers);
    assert_int_equal(stats.processes, processes);
}

/* After a process has ended: its memory may be torn down a moment after it was waited for. */
static inline void wait_counts(const char *name, unsigned senders, unsigned receivers,
                               unsigned processes)
{
    struct counts counts = {name, senders, receivers, processes};
    wait_until(counts_are, &counts);
}

#endif
