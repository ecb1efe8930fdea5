/* SPDX-License-Identifier: MIT */
#include "condvar.h"
#include "os/os.h"

#include <errno.h>
#include <limits.h>

bool condvar_format(struct condvar *condvar)
{
    atomic_init(&condvar->waiting, 0);
    atomic_init(&condvar->sequence, 0);
    atomic_init(&condvar->heavy, 0);
    return true;
}

unsigned condvar_prepare(struct condvar *condvar)
{
    /* PAIR wake: a sequence that was read before the flag is set moves when that flag is seen
     * (condvar_prepare -> condvar_wake) */
    unsigned ticket = atomic_load_explicit(&condvar->sequence, memory_order_acquire);
    /* PAIR sleep: see condvar_notify; a read-modify-write for those who go the heavy way */
    atomic_fetch_or_explicit(&condvar->waiting, CONDVAR_ASLEEP, memory_order_acq_rel);
    condvar_barrier(condvar);
    return ticket;
}

static int wait(struct condvar *condvar, unsigned ticket, struct condvar_watch *watch,
                uint64_t deadline)
{
    watch->futexes[0] = (struct os_futex){&condvar->sequence, ticket};
    int result = -ENOSYS;
    if (watch->count)
        result = os_futex_wait_any(watch->futexes, watch->count + 1, deadline);
    switch (result) {
    case -EAGAIN: /* it has moved */
    case -EINTR:
    case -ETIMEDOUT:
        return result;
    default:
        /* Where there is no such call, or a sandbox forbids it by whatever error. */
        return result < 0 ? os_futex_wait(&condvar->sequence, ticket, deadline) : result;
    }
}

enum condvar_result condvar_sleep(struct condvar *condvar, unsigned ticket,
                                  struct condvar_watch *watch, uint64_t deadline)
{
    switch (wait(condvar, ticket, watch, deadline)) {
    case -ETIMEDOUT:
        return CONDVAR_TIMEOUT;
    case -EINTR:
        return CONDVAR_INTERRUPTED;
    default:
        return CONDVAR_WOKEN;
    }
}

void condvar_wake(struct condvar *condvar)
{
    /* PAIR wake: the flag first. The other way round it would wipe out the flag of one who fell
     * asleep in between, and who then has nobody to wake it. */
    atomic_fetch_and_explicit(&condvar->waiting, ~CONDVAR_ASLEEP, memory_order_acq_rel);
    atomic_fetch_add_explicit(&condvar->sequence, 1, memory_order_release);
    os_futex_wake(&condvar->sequence, INT_MAX);
}
