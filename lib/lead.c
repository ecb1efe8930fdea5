/* SPDX-License-Identifier: MIT */
#include "lead.h"
#include "os/os.h"

/* In cells of 16 bytes. A look costs a line that the receiver writes; a first cache holds all that
 * is not far. */
enum { LOOK_EACH = 512, FAR = 2048 };

uint64_t lead_pause(uint64_t took, uint64_t cells)
{
    enum { BRISK = 500 }; /* nanoseconds for a cell */
    return took < cells * BRISK ? took / 4 : took * 16;
}

/* What all senders have claimed and the receiver has taken. */
static uint64_t moves(const struct ring *ring)
{
    return ring_head(ring) + atomic_load_explicit(&ring->words->tail, memory_order_relaxed);
}

static void lend(struct lead *lead, const struct ring *ring)
{
    uint64_t begin = os_now(), before = moves(ring);
    if (begin < lead->lend)
        return;
    os_yield();
    uint64_t end = os_now();
    lead->lend = end + lead_pause(end - begin, moves(ring) - before);
}

void lead_consider(struct lead *lead, const struct ring *ring, uint64_t position)
{
    if (position < lead->look)
        return;
    lead->look = position + LOOK_EACH;
    if (position - ring_head(ring) >= FAR)
        lend(lead, ring);
}
