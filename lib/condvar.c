/* SPDX-License-Identifier: MIT */
/* What both kinds of condition variables have in common. */
#include "condvar.h"
#include "os/os.h"

void condvar_burden(struct condvar *condvar)
{
    atomic_store_explicit(&condvar->heavy, 1, memory_order_relaxed);
}

void condvar_barrier(struct condvar *condvar)
{
    if (os_barrier_all())
        return;
    bool known = atomic_load_explicit(&condvar->heavy, memory_order_relaxed);
    condvar_burden(condvar);
    if (!known)
        os_barrier_by_time(); /* for those who have just seen that there is no burden */
    /* PAIR sleep: see condvar_notify, by those who see the burden */
    atomic_thread_fence(memory_order_seq_cst);
}

bool condvar_armed(const struct condvar *condvar)
{
    return atomic_load_explicit(&condvar->waiting, memory_order_relaxed) & CONDVAR_ARMED;
}

static unsigned armed_anew(unsigned waiting)
{
    unsigned number = waiting & ~(CONDVAR_ASLEEP | CONDVAR_ARMED);
    return (waiting & CONDVAR_ASLEEP) | CONDVAR_ARMED | (number + CONDVAR_ARMING);
}

void condvar_arm(struct condvar *condvar)
{
    unsigned waiting = atomic_load_explicit(&condvar->waiting, memory_order_relaxed);
    /* PAIR sleep: see condvar_notify */
    while (!atomic_compare_exchange_weak_explicit(&condvar->waiting, &waiting, armed_anew(waiting),
                                                  memory_order_acq_rel, memory_order_relaxed))
        continue;
}

/* A new arming has another number, and is left as it is. */
static void disarm(struct condvar *condvar, unsigned seen)
{
    unsigned waiting = seen;
    while ((waiting | CONDVAR_ASLEEP) == (seen | CONDVAR_ASLEEP) &&
           !atomic_compare_exchange_weak_explicit(&condvar->waiting, &waiting,
                                                  waiting & ~CONDVAR_ARMED, memory_order_relaxed,
                                                  memory_order_relaxed))
        continue;
}

void condvar_tell(struct header *header, struct condvar *condvar, unsigned waiting)
{
    if (waiting & CONDVAR_ASLEEP)
        condvar_wake(condvar);
    /* The bell first: a process that is stopped or killed in between leaves it armed. */
    if (waiting & CONDVAR_ARMED && os_bell_ring((unsigned char *)header + LAYOUT_BELL))
        disarm(condvar, waiting);
}
