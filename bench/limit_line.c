/* SPDX-License-Identifier: MIT */
#include "limit.h"
#include "program.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { SPINS = 1000 };

struct lane {
    _Atomic uint64_t *word; /* the last number, and one more: it begins with 0 */
    uint64_t seen;
};

static struct lane *open_lane(size_t size, unsigned producers)
{
    (void)size, (void)producers;
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        fail("make a line", "no memory");
    lane->word = program_share(sizeof *lane->word);
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
    munmap(lane->word, sizeof *lane->word);
    free(lane);
}

static void send_numbers(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    (void)producer;
    for (uint64_t number = first; number < first + count; number++)
        atomic_store_explicit(lane->word, number + 1, memory_order_release);
}

static uint64_t receive_number(struct lane *lane)
{
    uint64_t word;
    for (unsigned spins = 1;
         (word = atomic_load_explicit(lane->word, memory_order_acquire)) == lane->seen; spins++) {
        if (spins % SPINS == 0)
            sched_yield();
#if defined __x86_64__ || defined __i386__
        __builtin_ia32_pause();
#endif
    }
    lane->seen = word;
    return word - 1;
}

static uint64_t receive_numbers(struct lane *lane, uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += receive_number(lane);
    return sum;
}

const struct transport limit_line = {
    .name = "cache line",
    .open = open_lane,
    .only_receive = only_receive,
    .only_send = only_send,
    .close = close_lane,
    .send = send_numbers,
    .receive = receive_numbers,
};
