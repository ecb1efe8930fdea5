/* SPDX-License-Identifier: MIT */
/*
 * Level 2. A condition variable that nobody's death can break: a flag that somebody sleeps, and a
 * sequence that moves with each wake-up. Nothing in it belongs to a waiter or to a waker.
 *
 *      sleeper                                 waker
 *      ticket = condvar_prepare()              make the condition true
 *      look at the condition once more         condvar_notify()
 *      condvar_sleep(ticket)
 *
 * Two stores that each side makes before it reads the other's need a full barrier on both sides. The
 * sleeper pays for both with membarrier, so that the waker's look is a plain load. Where membarrier
 * is not to be had, `heavy` says so, and the waker's look is a read-modify-write on the flag: it
 * either comes before the sleeper's, which then sees the condition, or after and sees the flag.
 *
 * A wake-up may be lost with a process that was killed on receiving it: sleeps are bounded.
 */
#ifndef MPSC_CONDVAR_H
#define MPSC_CONDVAR_H

#include "layout.h"
#include "os/os.h"

#include <stdbool.h>

bool condvar_format(struct condvar *condvar);

/* Says that somebody is about to sleep. */
unsigned condvar_prepare(struct condvar *condvar);

enum condvar_result { CONDVAR_WOKEN, CONDVAR_TIMEOUT, CONDVAR_INTERRUPTED };

/* What a sleeper watches beside the condition: `count` words from the second on. */
struct condvar_watch {
    struct os_futex futexes[OS_FUTEX_MOST];
    unsigned count;
};

/* Sleeps unless a wake-up came since the ticket, until `deadline` of the monotonic clock, or until
 * one of the watched words changes. */
enum condvar_result condvar_sleep(struct condvar *condvar, unsigned ticket,
                                  struct condvar_watch *watch, uint64_t deadline);

/* Wakes all who sleep. */
void condvar_wake(struct condvar *condvar);

/* This process cannot take part in membarrier: all wakers go the heavy way from now on. */
void condvar_burden(struct condvar *condvar);

/* To be called by whoever made the condition true. */
static inline void condvar_notify(struct condvar *condvar)
{
    /* PAIR sleep: the condition before the flag (condvar_notify -> condvar_prepare). The compiler
     * keeps the order here, the sleeper's membarrier makes the processor keep it. */
    atomic_signal_fence(memory_order_seq_cst);
    unsigned asleep;
    if (__builtin_expect(atomic_load_explicit(&condvar->heavy, memory_order_relaxed) != 0, 0))
        asleep = atomic_fetch_or_explicit(&condvar->asleep, 0, memory_order_acq_rel);
    else
        asleep = atomic_load_explicit(&condvar->asleep, memory_order_relaxed);
    if (__builtin_expect(asleep != 0, 0))
        condvar_wake(condvar);
}

#endif
