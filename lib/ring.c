/* SPDX-License-Identifier: MIT */
#include "ring.h"

/* ---- binding */

struct ring ring_unbound(const struct geometry *geometry, unsigned number)
{
    struct ring_place place = geometry_place(geometry, number);
    return (struct ring){
        .mask = place.cells - 1,
        .limit = place.limit,
        .max_cells = geometry->max_cells,
        .message_size = geometry->message_size,
        .stride = geometry->stride,
        .max_length = geometry->max_length,
        .number = number,
        .lap_shift = place.lap_shift,
        .length_bits = geometry->length_bits,
        .stamp_shift = geometry->stamp_shift,
        .bias = RING_UNBIASED,
        .small = geometry->message_size <= LAYOUT_SMALL ? LAYOUT_SMALL + 1 : 0,
    };
}

bool ring_bind(struct ring *ring, struct header *header, const struct map *map,
               const struct geometry *geometry, unsigned number)
{
    struct ring_place place = geometry_place(geometry, number);
    *ring = ring_unbound(geometry, number);
    ring->words = &header->rings[number];
    ring->head = &header->head;
    ring->stamps = map_at(map, 0, place.cells << geometry->stamp_shift);
    ring->cells = map_at(map, place.cells_offset, 2 * place.cells * geometry->stride);
    if (!ring->stamps || !ring->cells)
        return false;
    ring->stamps += ring_stamp_offset(ring);
    return true;
}

const char *ring_check(const struct ring_words *words, const _Atomic uint64_t *head, uint64_t limit)
{
    /* What is read later is never behind: a head that was read before this tail is not past it, and one
     * that is read after it is within the limit. */
    uint64_t before = atomic_load_explicit(head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&words->tail, memory_order_acquire);
    uint64_t base = atomic_load_explicit(&words->base, memory_order_acquire);
    uint64_t after = atomic_load_explicit(head, memory_order_acquire);
    uint64_t claimed = tail & ~RING_CLOSED, first = ring_first(after, base);
    if (!(tail & RING_CLOSED) && (before > claimed || base > claimed))
        return "the ring's head is past its tail";
    if (first < claimed && claimed - first > limit)
        return "more cells are claimed than the bound allows";
    return NULL;
}

/* ---- the sender's side */

bool intent_covers(const struct intent *intent, uint64_t position)
{
    /* PAIR intent: see ring.h */
    uint64_t first = atomic_load_explicit(&intent->position, memory_order_acquire);
    uint64_t cells = atomic_load_explicit(&intent->cells, memory_order_acquire);
    return first <= position && position - first < cells;
}

static uint64_t ring_base(const struct ring *ring)
{
    return atomic_load_explicit(&ring->words->base, memory_order_relaxed);
}

/* The first position that cannot be claimed, as the head is now. While that is in an earlier ring, no
 * cell of this one is free again. A base and a tail of two lives of one ring do no harm: its cells are
 * the same, and this end is never past the true one. */
static uint64_t end_of_room(const struct ring *ring, uint64_t head, uint64_t base)
{
    uint64_t end = ring_first(head, base) + ring->limit;
    uint64_t most = head + ring->max_cells;
    return most < end && most >= head ? most : end;
}

/* Room for `cells` behind `*tail`? Brings both up to date where it seems not. */
static enum ring_result look_for_room(const struct ring *ring, uint64_t cells, uint64_t *end,
                                      uint64_t *tail)
{
    while (*tail + cells > *end) {
        uint64_t before = *tail, base = ring_base(ring), head = ring_head(ring);
        *end = end_of_room(ring, head, base);
        /* After the head, so that it is not behind. PAIR link: if the ring was linked anew, the base
         * is seen to change (link_ring -> look_for_room) */
        *tail = atomic_load_explicit(&ring->words->tail, memory_order_acquire);
        if (*tail & RING_CLOSED)
            return RING_ENDED;
        if (*tail != before || ring_base(ring) != base)
            continue;
        if (*tail > *end)
            return RING_CORRUPT;
        return *tail + cells > *end ? RING_FULL : RING_OK;
    }
    return RING_OK;
}

enum ring_result ring_claim(const struct ring *ring, struct intent *intent, uint64_t cells,
                            uint64_t *end, uint64_t *position, bool *withdrew)
{
    /* PAIR claim: the head that the last one to claim has seen is not newer than the one that we see
     * (ring_claim_at -> look_for_room) */
    uint64_t tail = atomic_load_explicit(&ring->words->tail, memory_order_acquire);
    *withdrew = false;
    /* A message may be longer than this ring of a chain, whatever room damaged words seem to leave. */
    if (cells > ring->limit)
        return RING_FULL;
    for (;;) {
        enum ring_result result = look_for_room(ring, cells, end, &tail);
        if (result != RING_OK) {
            if (*withdrew)
                intent_none(intent);
            return result;
        }
        *position = tail;
        result = ring_claim_at(ring, intent, cells, &tail);
        if (result == RING_OK)
            return RING_OK;
        *withdrew = true;
        if (result == RING_BIASED) {
            intent_none(intent);
            return RING_BIASED;
        }
    }
}

uint64_t ring_free(const struct ring *ring, uint64_t end)
{
    uint64_t tail = atomic_load_explicit(&ring->words->tail, memory_order_relaxed);
    if (tail >= end) /* a closed one too */
        return 0;
    return end - tail < ring->limit ? end - tail : ring->limit;
}

bool ring_room(const struct ring *ring, uint64_t cells)
{
    uint64_t tail = atomic_load_explicit(&ring->words->tail, memory_order_relaxed);
    return !(tail & RING_CLOSED) &&
           tail + cells <= end_of_room(ring, ring_head(ring), ring_base(ring));
}

bool ring_close(struct ring_words *words, uint64_t tail)
{
    /* PAIR claim: as any move of the tail */
    return atomic_compare_exchange_strong_explicit(&words->tail, &tail, tail | RING_CLOSED,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

void ring_cancel(const struct ring *ring, uint64_t position, uint64_t cells)
{
    stamp_store(ring, position, STAMP_VOID, cells);
}

/* ---- the receiver's side */

enum ring_result ring_judge(const struct ring *ring, uint64_t stamp, uint64_t position,
                            struct ring_item *item)
{
    if (!stamp_is_of(ring, stamp, position))
        return RING_HOLE;
    uint64_t length = stamp_length(ring, stamp);
    enum stamp_kind kind = stamp_kind_of(ring, stamp);
    if (kind == STAMP_VOID) {
        item->cells = length;
        return length - 1 < ring->limit ? RING_VOID : RING_CORRUPT;
    }
    if (length > ring->max_length || kind > STAMP_TAKEN)
        return RING_CORRUPT;
    item->length = length;
    item->cells = ring_cells(ring, length);
    item->taken = kind == STAMP_TAKEN;
    return item->cells <= ring->limit ? RING_OK : RING_CORRUPT;
}

enum ring_result ring_claimed(const struct ring *ring, uint64_t position)
{
    /* PAIR claim: see ring_claim_at */
    uint64_t tail = atomic_load_explicit(&ring->words->tail, memory_order_acquire);
    uint64_t claimed = tail & ~RING_CLOSED;
    /* One that is linked and not opened yet has a tail of an earlier life. */
    if ((tail & RING_CLOSED) && claimed <= position)
        return RING_ENDED;
    if (claimed == position)
        return RING_EMPTY;
    return claimed - position <= ring->limit ? RING_HOLE : RING_CORRUPT;
}

bool ring_skip(const struct ring *ring, uint64_t *head)
{
    struct ring_item item;
    if (ring_look(ring, *head, &item) != RING_HOLE)
        return false;
    ring_take(ring, head, 1);
    return true;
}

/* ---- rendezvous */

static bool stamp_change(const struct ring *ring, uint64_t position, enum stamp_kind to)
{
    _Atomic uint64_t *at = stamp_at(ring, position);
    uint64_t stamp = atomic_load_explicit(at, memory_order_relaxed);
    if (!stamp_is_of(ring, stamp, position) || stamp_kind_of(ring, stamp) != STAMP_MESSAGE)
        return false;
    uint64_t length = to == STAMP_VOID ? 1 : stamp_length(ring, stamp);
    /* PAIR mark: one of ring_mark and ring_withdraw wins. What the sender wrote stays visible to
     * whoever sees the mark. */
    return atomic_compare_exchange_strong_explicit(at, &stamp, stamp_of(ring, position, to, length),
                                                   memory_order_acq_rel, memory_order_relaxed);
}

bool ring_mark(const struct ring *ring, uint64_t position)
{
    /* PAIR mark: see stamp_change */
    return stamp_change(ring, position, STAMP_TAKEN);
}

bool ring_withdraw(const struct ring *ring, uint64_t position)
{
    return stamp_change(ring, position, STAMP_VOID);
}

/* ---- looking */

uint64_t ring_count(const struct ring *ring)
{
    /* The tail first: a head that is read later is never further behind it than the limit. */
    uint64_t tail = atomic_load_explicit(&ring->words->tail, memory_order_relaxed) & ~RING_CLOSED;
    uint64_t position = ring_first(ring_head(ring), ring_base(ring));
    uint64_t left = tail - position, messages = 0;
    if (left > ring->limit)
        return 0; /* all taken since, or damaged */
    while (left > 0) {
        struct ring_item item = {.cells = 1};
        enum ring_result result = ring_look(ring, position, &item);
        if (result == RING_CORRUPT || item.cells > left)
            break;
        messages += result == RING_OK;
        position += item.cells;
        left -= item.cells;
    }
    return messages;
}
