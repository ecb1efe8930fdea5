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
 * Whoever waits for several things at once, or in a program's own poll, is told by a bell: see condvar_arm.
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
/* Between saying that one will sleep and the last look at the condition. A process that may not ask for a
 * barrier any more, in a sandbox, is a burden from then on. */
void condvar_barrier(struct condvar *condvar);

/*
 * One who sleeps in another call, on a bell (os/bell.c), arms the condition variable in place of
 * condvar_prepare, calls os_barrier_all, and looks at the condition once more. The waker rings, and
 * disarms it. Each arming has a number, so that a waker that was held up does not undo a newer one: who
 * has heard the bell arms anew.
 */
void condvar_arm(struct condvar *condvar);
bool condvar_armed(const struct condvar *condvar);

/* Tells those who were seen to wait. */
void condvar_tell(struct header *header, struct condvar *condvar, unsigned waiting);

/* To be called by whoever made the condition true; `condvar` is one of the header's. */
static inline void condvar_notify(struct header *header, struct condvar *condvar)
{
    /* PAIR sleep: the condition before the flags (condvar_notify -> condvar_prepare, condvar_arm). The
     * compiler keeps the order here, the sleeper's membarrier makes the processor keep it. */
    atomic_signal_fence(memory_order_seq_cst);
    unsigned waiting;
    if (__builtin_expect(atomic_load_explicit(&condvar->heavy, memory_order_relaxed) != 0, 0))
        waiting = atomic_fetch_or_explicit(&condvar->waiting, 0, memory_order_acq_rel);
    else
        waiting = atomic_load_explicit(&condvar->waiting, memory_order_relaxed);
    if (__builtin_expect((waiting & (CONDVAR_ASLEEP | CONDVAR_ARMED)) != 0, 0))
        condvar_tell(header, condvar, waiting);
}

static inline void condvar_notify_arrived(struct header *header)
{
    condvar_notify(header, &header->arrived);
}

static inline void condvar_notify_room(struct header *header)
{
    condvar_notify(header, &header->room);
}

#endif
