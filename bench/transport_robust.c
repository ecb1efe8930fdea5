/* SPDX-License-Identifier: MIT */
/* What one writes oneself: a ring in shared memory under a robust mutex, with two condition variables of the
 * C library. */
#include "program.h"
#include "transport.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct ring {
    pthread_mutex_t mutex;
    pthread_cond_t filled, emptied;
    size_t first, count;
    char cells[BOUND][LARGEST_MESSAGE];
};

struct lane {
    size_t size;
    struct ring *ring;
};

static void check(int error, const char *doing)
{
    if (error)
        fail(doing, strerror(error));
}

static void ring_init(struct ring *ring)
{
    pthread_mutexattr_t mutex;
    pthread_condattr_t condition;
    pthread_mutexattr_init(&mutex);
    pthread_condattr_init(&condition);
    check(pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED), "share a mutex");
    check(pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST), "make a mutex robust");
    check(pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED), "share a condition");
    check(pthread_mutex_init(&ring->mutex, &mutex), "make a mutex");
    check(pthread_cond_init(&ring->filled, &condition), "make a condition");
    check(pthread_cond_init(&ring->emptied, &condition), "make a condition");
    pthread_condattr_destroy(&condition);
    pthread_mutexattr_destroy(&mutex);
}

static struct lane *open_lane(size_t size, unsigned producers)
{
    (void)producers;
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        fail("open a ring", "no memory");
    lane->size = size;
    lane->ring = program_share(sizeof *lane->ring);
    ring_init(lane->ring);
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

static void lock(struct ring *ring)
{
    int error = pthread_mutex_lock(&ring->mutex);
    if (error == EOWNERDEAD)
        error = pthread_mutex_consistent(&ring->mutex);
    check(error, "lock");
}

static void send_numbers(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    (void)producer;
    struct ring *ring = lane->ring;
    char message[LARGEST_MESSAGE] = {0};
    for (uint64_t number = first; number < first + count; number++) {
        memcpy(message, &number, sizeof number);
        lock(ring);
        while (ring->count == BOUND)
            check(pthread_cond_wait(&ring->emptied, &ring->mutex), "wait");
        memcpy(ring->cells[(ring->first + ring->count++) % BOUND], message, lane->size);
        pthread_mutex_unlock(&ring->mutex);
        pthread_cond_signal(&ring->filled);
    }
}

static uint64_t receive_numbers(struct lane *lane, uint64_t count)
{
    struct ring *ring = lane->ring;
    char message[LARGEST_MESSAGE];
    uint64_t number, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        lock(ring);
        while (ring->count == 0)
            check(pthread_cond_wait(&ring->filled, &ring->mutex), "wait");
        memcpy(message, ring->cells[ring->first], lane->size);
        ring->first = (ring->first + 1) % BOUND;
        ring->count--;
        pthread_mutex_unlock(&ring->mutex);
        pthread_cond_signal(&ring->emptied);
        memcpy(&number, message, sizeof number);
        sum += number;
    }
    return sum;
}

const struct transport transport_robust = {
    .name = "robust mutex",
    .open = open_lane,
    .only_receive = only_receive,
    .only_send = only_send,
    .close = close_lane,
    .send = send_numbers,
    .receive = receive_numbers,
};
