/* SPDX-License-Identifier: MIT */
/* libqb's ring buffer in shared memory: one writer, one reader, made for processes. It does not block for
 * room, so a sender tries again. */
#include "transport.h"

#include <errno.h>
#include <qb/qbrb.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What it keeps beside each message, in bytes, and a margin that it wants. */
enum { OVERHEAD = 16, FOREVER = -1 };

struct lane {
    size_t size;
    qb_ringbuffer_t *ring;
};

/* NULL: for one producer only. */
static struct lane *open_lane(size_t size, unsigned producers)
{
    static unsigned number;
    if (producers > 1)
        return NULL;
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        fail("open a ring", "no memory");
    char name[64];
    snprintf(name, sizeof name, "mpsc-bench-%ld-%u", (long)getpid(), number++);
    lane->size = size;
    lane->ring = qb_rb_open(name, BOUND * (size + OVERHEAD),
                            QB_RB_FLAG_CREATE | QB_RB_FLAG_SHARED_PROCESS, 0);
    if (!lane->ring)
        fail("open a ring", strerror(errno));
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
    qb_rb_close(lane->ring);
    free(lane);
}

static void send_numbers(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    (void)producer;
    char message[LARGEST_MESSAGE] = {0};
    for (uint64_t number = first; number < first + count; number++) {
        memcpy(message, &number, sizeof number);
        ssize_t sent;
        while ((sent = qb_rb_chunk_write(lane->ring, message, lane->size)) == -EAGAIN)
            sched_yield();
        if (sent < 0)
            fail("write to a ring", strerror((int)-sent));
    }
}

static uint64_t receive_numbers(struct lane *lane, uint64_t count)
{
    char message[LARGEST_MESSAGE];
    uint64_t number, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        ssize_t received = qb_rb_chunk_read(lane->ring, message, sizeof message, FOREVER);
        if (received < 0)
            fail("read from a ring", strerror((int)-received));
        memcpy(&number, message, sizeof number);
        sum += number;
    }
    return sum;
}

const struct transport transport_qb = {
    .name = "libqb",
    .open = open_lane,
    .only_receive = only_receive,
    .only_send = only_send,
    .close = close_lane,
    .send = send_numbers,
    .receive = receive_numbers,
};
