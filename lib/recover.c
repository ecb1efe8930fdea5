/* SPDX-License-Identifier: MIT */
#include "recover.h"
#include "os/trace.h"

/*
 * Exact, without a time-out. A sender stores its intent before it moves the tail, and keeps it
 * until after its commit. So, in this order: the tail (ring_claimed, our caller), the intents, the
 * stamp again. If a living sender had claimed the cell, its intent covers it, or it was committed
 * before that intent was replaced. Cell by cell, so that nobody's length need be known.
 */
enum recover_result recover_hole(const struct registry *registry, const struct ring *ring,
                                 uint64_t *head)
{
    /* PAIR intent: see ring.h */
    if (registry_covers(registry, *head))
        return RECOVER_WAIT;
    if (!ring_skip(ring, head))
        return RECOVER_STAMPED;
    atomic_fetch_add_explicit(&registry->header->holes, 1, memory_order_relaxed);
    trace_hole(registry->header, *head - 1);
    return RECOVER_PASSED;
}
