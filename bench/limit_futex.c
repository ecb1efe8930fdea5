/* SPDX-License-Identifier: MIT */
#include "limit.h"
#include "program.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct shared {
    _Atomic uint32_t sent; /* numbers so far: what the receiver sleeps on */
    uint64_t number;
};

struct lane {
    struct shared *shared;
    uint32_t received;
};

static struct lane *open_lane(size_t size, unsigned producers)
{
    (void)size, (void)producers;
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        fail("make a futex", "no memory");
    lane->shared = program_share(sizeof *lane->shared);
    return lane;
}

static void only_receive(struct lane *lane)
{
    (void)lane;
}

static void only_send(struct lane *lane, unsigned producer)
{
    (void)lane, (void)producer;
}

static void close_lane(struct lane *lane)
{
    munmap(lane->shared, sizeof *lane->shared);
    free(lane);
}

static void send_numbers(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    (void)producer;
    for (uint64_t number = first; number < first + count; number++) {
        lane->shared->number = number;
        atomic_fetch_add_explicit(&lane->shared->sent, 1, memory_order_release);
        syscall(SYS_futex, &lane->shared->sent, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

static uint64_t receive_number(struct lane *lane)
{
    _Atomic uint32_t *sent = &lane->shared->sent;
    while (atomic_load_explicit(sent, memory_order_acquire) == lane->received)
        if (syscall(SYS_futex, sent, FUTEX_WAIT, lane->received, NULL, NULL, 0) == -1 &&
            errno != EAGAIN && errno != EINTR)
            fail("wait on a futex", strerror(errno));
    lane->received++;
    return lane->shared->number;
}

static uint64_t receive_numbers(struct lane *lane, uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += receive_number(lane);
    return sum;
}

const struct transport limit_futex = {
    .name = "futex",
    .open = open_lane,
    .only_receive = only_receive,
    .only_send = only_send,
    .close = close_lane,
    .send = send_numbers,
    .receive = receive_numbers,
};
