/* SPDX-License-Identifier: MIT */
/*
 * Level 2. A ring: claim, commit, take, skip. Memory only: it asks no system and wakes nobody.
 *
 * Positions count cells and only grow. A sender stores its intent in its own line, claims cells by a
 * CAS on the tail, fills them, and commits by storing the stamp of the first one. The receiver takes
 * at the head by that stamp, and acknowledges by storing the head. A cell that is claimed and not
 * stamped is a hole; whether its claimant lives is a question for recover.c.
 *
 * A stamp is  lap + 1 | kind | length : full positions, so that no stamp of an earlier lap is ever
 * taken for one of this. Inner cells of a longer message bear no stamp.
 *
 * A bounded channel is one ring. An unbounded one is a chain of them (chain.c): a ring that is closed
 * takes no more claims, and its position goes on in the next. All have one head.
 */
#ifndef MPSC_RING_H
#define MPSC_RING_H

#include "geometry.h"
#include "layout.h"
#include "map.h"

#include <stdbool.h>

/* Of one process; a copy for each handle. */
struct ring {
    struct ring_words *words;
    _Atomic uint64_t *head;
    unsigned char *stamps;
    unsigned char *cells;
    uint64_t mask;         /* cells - 1 */
    uint64_t limit;        /* cells that may be claimed at one time */
    uint64_t max_cells;    /* the same, of the whole chain */
    uint64_t message_size; /* bytes that count as one cell */
    uint64_t stride;
    uint64_t max_length;
    unsigned number;
    unsigned lap_shift;
    unsigned length_bits;
    unsigned stamp_shift;
    uint64_t small; /* a message shorter than this lies in front of its stamp */
};

enum ring_result {
    RING_OK,
    RING_FULL,
    RING_ENDED,   /* it is closed: what is to come is in the next */
    RING_EMPTY,   /* nothing is claimed */
    RING_HOLE,    /* claimed, not committed */
    RING_VOID,    /* committed as nothing: pass it */
    RING_CORRUPT, /* a word is out of bounds */
};

/* What stands at a position. */
struct ring_item {
    uint64_t length; /* bytes */
    uint64_t cells;
    bool taken; /* by the mark of a rendezvous */
};

/* What is known of a ring without its memory: enough for ring_judge. */
struct ring ring_unbound(const struct geometry *geometry, unsigned number);
/* Bytes in front of a stamp, for a small message. */
static inline size_t ring_stamp_offset(const struct ring *ring)
{
    return ring->small ? LAYOUT_SMALL : 0;
}
/* Ring `number`, which `map` holds, its cells twice. False: the map is too small. */
bool ring_bind(struct ring *ring, struct header *header, const struct map *map,
               const struct geometry *geometry, unsigned number);
/* Which rule the words of a ring of that limit break; NULL: none. */
const char *ring_check(const struct ring_words *words, const _Atomic uint64_t *head,
                       uint64_t limit);
/* The first position of a ring that is not taken: of one behind the head's, where it begins. */
static inline uint64_t ring_first(uint64_t head, uint64_t base)
{
    return head < base ? base : head;
}
/* Where the ring lies in this process. */
static inline void *ring_memory(const struct ring *ring)
{
    return ring->stamps - ring_stamp_offset(ring);
}

/* Cells that a message takes. */
static inline uint64_t ring_cells(const struct ring *ring, uint64_t length)
{
    if (length <= ring->message_size)
        return 1;
    return (length + ring->message_size - 1) / ring->message_size;
}

static inline uint64_t ring_index(const struct ring *ring, uint64_t position)
{
    return position & ring->mask;
}

/* Where a message of that length lies. */
static inline unsigned char *ring_payload(const struct ring *ring, uint64_t position,
                                          uint64_t length)
{
    if (length < ring->small)
        return ring->stamps + (ring_index(ring, position) << ring->stamp_shift) - LAYOUT_SMALL;
    return ring->cells + ring_index(ring, position) * ring->stride;
}

/* Claims `cells`. `*end` is the end of the room, as it was seen last; 0 is good. RING_FULL, RING_ENDED:
 * nothing is claimed, and `*withdrew` says whether an intent was shown for a moment: look for a
 * sleeping receiver then. */
enum ring_result ring_claim(const struct ring *ring, struct intent *intent, uint64_t cells,
                            uint64_t *end, uint64_t *position, bool *withdrew);
/* Publishes what was claimed as a message; the cells that it does not need become void. */
void ring_commit(const struct ring *ring, uint64_t position, uint64_t cells, uint64_t length);
/* Publishes what was claimed as nothing. */
void ring_cancel(const struct ring *ring, uint64_t position, uint64_t cells);
/* Cells that can be claimed in front of `end`, the end of the room as it was last seen. */
uint64_t ring_free(const struct ring *ring, uint64_t end);
/* Is there room for `cells`, as far as one can see? Or is it closed? */
bool ring_room(const struct ring *ring, uint64_t cells);

/* What is at the head, or at any position that is not taken yet. RING_OK: a message, in `item`.
 * RING_VOID: `item->cells` to pass. Does not look at the tail: RING_HOLE may also mean empty. */
enum ring_result ring_look(const struct ring *ring, uint64_t position, struct ring_item *item);
/* The same of a stamp that was read. */
enum ring_result ring_judge(const struct ring *ring, uint64_t stamp, uint64_t position,
                            struct ring_item *item);
/* Whether a position without a stamp is claimed: RING_HOLE, RING_EMPTY, RING_ENDED or RING_CORRUPT. */
enum ring_result ring_claimed(const struct ring *ring, uint64_t position);
/* Moves the head past what was copied or passed: the acknowledgement. */
void ring_take(const struct ring *ring, uint64_t *head, uint64_t cells);
/* Skips one dead cell, if no stamp has come meanwhile. */
bool ring_skip(const struct ring *ring, uint64_t *head);

/* Rendezvous: the receiver marks the message as taken, or the sender withdraws it; one of them. */
bool ring_mark(const struct ring *ring, uint64_t position);
bool ring_withdraw(const struct ring *ring, uint64_t position);

/* No more claims, if the tail is still `tail`, which is not closed. */
bool ring_close(struct ring_words *words, uint64_t tail);

static inline uint64_t ring_head(const struct ring *ring)
{
    /* PAIR head: what the receiver copied out is copied before we write there again (ring_take ->
     * ring_head) */
    return atomic_load_explicit(ring->head, memory_order_acquire);
}

/* Committed messages between head and tail; bounded by the number of cells. */
uint64_t ring_count(const struct ring *ring);

/* ---- intents */

#define INTENT_NONE UINT64_MAX

/* PAIR intent: whoever sees the new intent sees the stamp of the one before (ring_claim, intent_none
 * -> recover_hole, by registry_covered). */
static inline void intent_none(struct intent *intent)
{
    atomic_store_explicit(&intent->position, INTENT_NONE, memory_order_release);
}

bool intent_covers(const struct intent *intent, uint64_t position);

#endif
