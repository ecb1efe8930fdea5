/* SPDX-License-Identifier: MIT */
/* What concerns whole processes: ids, barriers between them, children nobody announced. */
#include "os.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

uint32_t os_process_id(void)
{
    return (uint32_t)getpid();
}

uint32_t os_effective_user(void)
{
    return (uint32_t)geteuid();
}

atomic_uint *os_wipe_on_fork(void)
{
    size_t page = os_page_size();
    void *mapped = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    if (madvise(mapped, page, MADV_WIPEONFORK) != 0) {
        munmap(mapped, page);
        return NULL;
    }
    return mapped;
}

static bool membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

bool os_barrier_register(void)
{
    return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
}

bool os_barrier_all(void)
{
    return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

void os_pause(uint64_t nanoseconds)
{
    atomic_uint word = 0;
    uint64_t end = os_now() + nanoseconds;
    while (os_now() < end)
        os_futex_wait(&word, 0, end);
}

void os_barrier_by_time(void)
{
    os_pause(1000000);
}

void os_yield(void)
{
    sched_yield();
}
