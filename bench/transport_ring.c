/* SPDX-License-Identifier: MIT */
/*
 * A bare ring of one producer and one consumer in shared memory, as fast as such a thing goes: no
 * system call, no claim, no length, nobody sleeps, nobody may die. What a channel is measured by.
 */
#include "transport.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CACHE_LINE = 64, SPINS = 1000 };

/* Each side writes one line and keeps its last look at the other's there, so that a line moves
 * between the cores once for many messages. */
struct ring {
    _Alignas(CACHE_LINE) _Atomic uint64_t tail;
    uint64_t head_seen;
    _Alignas(CACHE_LINE) _Atomic uint64_t head;
    uint64_t tail_seen;
    _Alignas(CACHE_LINE) char cells[BOUND * LARGEST_MESSAGE];
};

struct lane {
    size_t size;
    struct ring *ring;
};

static void relax(unsigned *spins)
{
    if (++*spins % SPINS == 0) {
        sched_yield();
        return;
    }
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#endif
}

/* The common sizes as constants, which the compiler copies without a call. */
static inline void copy(void *to, const void *from, size_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (size == 64)
        memcpy(to, from, 64);
    else
        memcpy(to, from, size);
}

static struct lane *open_lane(size_t size, unsigned producers)
{
    (void)producers;
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        fail("open a ring", "no memory");
    lane->size = size;
    lane->ring = mmap(NULL, sizeof *lane->ring, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (lane->ring == MAP_FAILED)
        fail("map a ring", strerror(errno));
    return lane;
}

static void only_receive(struct lane *lane)
{
    (void)lane;
}

static void only_send(struct lane *lane, unsigned producer)
{
    (void)lane;
    (void)producer;
}

static void close_lane(struct lane *lane)
{
    munmap(lane->ring, sizeof *lane->ring);
    free(lane);
}

static void send_numbers(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    (void)producer;
    struct ring *ring = lane->ring;
    const size_t size = lane->size;
    char message[LARGEST_MESSAGE] = {0};
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    for (uint64_t number = first; number < first + count; number++) {
        for (unsigned spins = 0; tail - ring->head_seen == BOUND;) {
            ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
            if (tail - ring->head_seen == BOUND)
                relax(&spins);
        }
        memcpy(message, &number, sizeof number);
        copy(&ring->cells[tail % BOUND * size], message, size);
        atomic_store_explicit(&ring->tail, ++tail, memory_order_release);
    }
}

static uint64_t receive_numbers(struct lane *lane, uint64_t count)
{
    struct ring *ring = lane->ring;
    const size_t size = lane->size;
    char message[LARGEST_MESSAGE];
    uint64_t number, sum = 0;
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    for (uint64_t i = 0; i < count; i++) {
        for (unsigned spins = 0; head == ring->tail_seen;) {
            ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
            if (head == ring->tail_seen)
                relax(&spins);
        }
        copy(message, &ring->cells[head % BOUND * size], size);
        atomic_store_explicit(&ring->head, ++head, memory_order_release);
        memcpy(&number, message, sizeof number);
        sum += number;
    }
    return sum;
}

const struct transport transport_ring = {
    .name = "bare ring",
    .open = open_lane,
    .only_receive = only_receive,
    .only_send = only_send,
    .close = close_lane,
    .send = send_numbers,
    .receive = receive_numbers,
};
