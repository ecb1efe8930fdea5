/* SPDX-License-Identifier: MIT */
/*
 * Level 2. The ring: claim, commit, take, skip. Memory only: it asks no system and wakes nobody.
 *
 * Positions count cells and only grow. A sender stores its intent in its own line, claims cells by a
 * CAS on the tail, fills them, and commits by storing the stamp of the first one. The receiver takes
 * at the head by that stamp, and acknowledges by storing the head. A cell that is claimed and not
 * stamped is a hole; whether its claimant lives is a question for recover.c.
 *
 * A stamp is  lap + 1 | kind | length : full positions, so that no stamp of an earlier lap is ever
 * taken for one of this. Inner cells of a longer message bear no stamp.
 */
#ifndef MPSC_RING_H
#define MPSC_RING_H

#include "geometry.h"
#include "layout.h"
#include "map.h"

#include <stdbool.h>

struct ring {
    struct ring_words *words;
    _Atomic uint64_t *stamps;
    unsigned char *payload;
    uint64_t mask;         /* cells - 1 */
    uint64_t limit;        /* cells that may be claimed at one time */
    uint64_t message_size; /* bytes that count as one cell */
    uint64_t stride;
    uint64_t max_length;
    unsigned lap_shift;
    unsigned length_bits;
};

enum ring_result {
    RING_OK,
    RING_FULL,
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

/* False: the map is too small. */
bool ring_bind(struct ring *ring, const struct map *map, const struct geometry *geometry);
/* Which rule the words break; NULL: none. */
const char *ring_check(const struct ring *ring);

/* Cells that a message takes. */
static inline uint64_t ring_cells(const struct ring *ring, uint64_t length)
{
    if (length <= ring->message_size)
        return 1;
    return (length + ring->message_size - 1) / ring->message_size;
}

static inline unsigned char *ring_payload(const struct ring *ring, uint64_t position)
{
    return ring->payload + (position & ring->mask) * ring->stride;
}

/* Claims `cells`. `*head` is a head that was seen once. RING_FULL: nothing is claimed, and `*withdrew`
 * says whether an intent was shown for a moment: look for a sleeping receiver then. */
enum ring_result ring_claim(const struct ring *ring, struct intent *intent, uint64_t cells,
                            uint64_t *head, uint64_t *position, bool *withdrew);
/* Publishes what was claimed as a message; the cells that it does not need become void. */
void ring_commit(const struct ring *ring, uint64_t position, uint64_t cells, uint64_t length);
/* Publishes what was claimed as nothing. */
void ring_cancel(const struct ring *ring, uint64_t position, uint64_t cells);
/* Is there room for `cells`, as far as one can see? */
bool ring_room(const struct ring *ring, uint64_t cells);

/* What is at the head, or at any position that is not taken yet. RING_OK: a message, in `item`.
 * RING_VOID: `item->cells` to pass. Does not look at the tail: RING_HOLE may also mean empty. */
enum ring_result ring_look(const struct ring *ring, uint64_t position, struct ring_item *item);
/* Whether a position without a stamp is claimed: RING_HOLE, RING_EMPTY or RING_CORRUPT. */
enum ring_result ring_claimed(const struct ring *ring, uint64_t position);
/* Moves the head past what was copied or passed: the acknowledgement. */
void ring_take(const struct ring *ring, uint64_t *head, uint64_t cells);
/* Skips one dead cell, if no stamp has come meanwhile. */
bool ring_skip(const struct ring *ring, uint64_t *head);

/* Rendezvous: the receiver marks the message as taken, or the sender withdraws it; one of them. */
bool ring_mark(const struct ring *ring, uint64_t position);
bool ring_withdraw(const struct ring *ring, uint64_t position);

static inline uint64_t ring_head(const struct ring *ring)
{
    return atomic_load_explicit(&ring->words->head, memory_order_acquire);
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
