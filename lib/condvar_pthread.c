/* SPDX-License-Identifier: MIT */
/*
 * The same on a robust pthread mutex and a pthread condition variable. A waiter or a waker that is
 * killed inside pthread_cond_* can hang its peers, no signal interrupts a wait, and no word tells of
 * a death: that is what this variant gives up.
 */
#include "condvar.h"
#include "os/os.h"

#include <errno.h>
#include <time.h>

static bool mutex_format(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    if (pthread_mutexattr_init(&attributes) != 0)
        return false;
    bool made = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0 &&
                pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
                pthread_mutex_init(mutex, &attributes) == 0;
    pthread_mutexattr_destroy(&attributes);
    return made;
}

bool condvar_format(struct condvar *condvar)
{
    pthread_condattr_t attributes;
    if (!mutex_format(&condvar->mutex) || pthread_condattr_init(&attributes) != 0)
        return false;
    bool made = pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0 &&
                pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&condvar->moved, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return made;
}

/* The mutex guards nothing but the condition variable: an owner that died left nothing to repair. */
static void lock(struct condvar *condvar)
{
    if (pthread_mutex_lock(&condvar->mutex) == EOWNERDEAD)
        pthread_mutex_consistent(&condvar->mutex);
}

unsigned condvar_prepare(struct condvar *condvar)
{
    /* PAIR wake: as in the futex variant (condvar_prepare -> condvar_wake) */
    unsigned ticket = atomic_load_explicit(&condvar->sequence, memory_order_acquire);
    /* PAIR sleep: see condvar_notify */
    atomic_fetch_or_explicit(&condvar->waiting, CONDVAR_ASLEEP, memory_order_acq_rel);
    condvar_barrier(condvar);
    return ticket;
}

enum condvar_result condvar_sleep(struct condvar *condvar, unsigned ticket,
                                  struct condvar_watch *watch, uint64_t deadline)
{
    (void)watch; /* a pthread condition variable is waited for alone */
    struct timespec until = {
        .tv_sec = (time_t)(deadline / 1000000000u),
        .tv_nsec = (long)(deadline % 1000000000u),
    };
    int error = 0, cancel;
    /* Its wait is a cancellation point, and would leave the mutex locked. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    lock(condvar);
    while (error == 0 && atomic_load_explicit(&condvar->sequence, memory_order_relaxed) == ticket)
        error = pthread_cond_timedwait(&condvar->moved, &condvar->mutex, &until);
    if (error == EOWNERDEAD)
        pthread_mutex_consistent(&condvar->mutex);
    pthread_mutex_unlock(&condvar->mutex);
    pthread_setcancelstate(cancel, &cancel);
    return error == ETIMEDOUT ? CONDVAR_TIMEOUT : CONDVAR_WOKEN;
}

void condvar_wake(struct condvar *condvar)
{
    lock(condvar);
    /* PAIR wake: the flag first, as in the futex variant */
    atomic_fetch_and_explicit(&condvar->waiting, ~CONDVAR_ASLEEP, memory_order_acq_rel);
    atomic_fetch_add_explicit(&condvar->sequence, 1, memory_order_release);
    pthread_cond_broadcast(&condvar->moved);
    pthread_mutex_unlock(&condvar->mutex);
}
