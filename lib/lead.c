/* SPDX-License-Identifier: MIT */
#include "lead.h"
#include "os/os.h"

/* In cells of 16 bytes. A look costs a line that the receiver writes; a first cache holds all that
 * is not far. */
enum { LOOK_EACH = 512, FAR = 2048 };

uint64_t lead_pause(uint64_t took, uint64_t cells)
{
    enum { BRISK = 500 };             /* nanoseconds for a cell */
    const uint64_t most = 1000000000; /* it may have been stopped */
    if (took > most)
        took = most;
    return took < cells * BRISK ? took / 4 : took * 16;
}

static uint64_t tail_of(const struct ring *ring)
{
    return atomic_load_explicit(&ring->words->tail, memory_order_relaxed) & ~RING_CLOSED;
}

/* What all senders have claimed and the receiver has taken. */
static uint64_t moves(const struct ring *ring)
{
    return ring_head(ring) + tail_of(ring);
}

static void lend(struct lead *lead, const struct ring *ring)
{
    uint64_t begin = os_now();
    if (begin < lead->lend)
        return;
    uint64_t before = moves(ring);
    os_yield();
    uint64_t end = os_now();
    lead->lend = end + lead_pause(end - begin, moves(ring) - before);
}

void lead_consider(struct lead *lead, const struct ring *ring, bool may_lend)
{
    uint64_t tail = tail_of(ring);
    if (tail < lead->look)
        return;
    lead->look = tail + LOOK_EACH;
    uint64_t head = may_lend ? ring_head(ring) : tail;
    /* Others may have been at it since the tail was read. */
    if (head < tail && tail - head >= FAR)
        lend(lead, ring);
}
