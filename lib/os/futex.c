/* SPDX-License-Identifier: MIT */
/* Waiting on a word of shared memory. */
#include "os.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(atomic_uint) == sizeof(uint32_t), "a futex is a 32-bit word");

static struct timespec time_of(uint64_t deadline)
{
    return (struct timespec){
        .tv_sec = (time_t)(deadline / 1000000000u),
        .tv_nsec = (long)(deadline % 1000000000u),
    };
}

int os_futex_wait(atomic_uint *word, unsigned expected, uint64_t deadline)
{
    struct timespec until = time_of(deadline);
    /* WAIT_BITSET takes a point of the monotonic clock, plain WAIT a duration. */
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected,
                deadline == OS_FOREVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY) == 0)
        return 0;
    return errno == ETIMEDOUT || errno == EINTR ? -errno : 0;
}

#if defined SYS_futex_waitv && defined FUTEX_32
int os_futex_wait_any(const struct os_futex *futexes, unsigned count, uint64_t deadline)
{
    struct futex_waitv list[OS_FUTEX_MOST];
    struct timespec until = time_of(deadline);
    for (unsigned i = 0; i < count; i++)
        list[i] = (struct futex_waitv){
            .uaddr = (uintptr_t)futexes[i].word, .val = futexes[i].expected, .flags = FUTEX_32};
    if (syscall(SYS_futex_waitv, list, count, 0, deadline == OS_FOREVER ? NULL : &until,
                CLOCK_MONOTONIC) >= 0)
        return 0;
    return errno == EAGAIN ? 0 : -errno;
}
#else
int os_futex_wait_any(const struct os_futex *futexes, unsigned count, uint64_t deadline)
{
    (void)futexes, (void)count, (void)deadline;
    return -ENOSYS;
}
#endif

void os_futex_wake(atomic_uint *word, int how_many)
{
    syscall(SYS_futex, word, FUTEX_WAKE, how_many, NULL, NULL, 0);
}
