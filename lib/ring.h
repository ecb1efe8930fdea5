/* SPDX-License-Identifier: MIT */
/*
 * Level 2. A ring: claim, commit, take, skip. Memory only: it asks no system and wakes nobody.
 *
 * Positions count cells and only grow. A sender stores its intent in its own line, claims cells by
 * a CAS on the tail (or by a store, if no other one claims: bias.c), fills them, and commits by
 * storing the stamp of the first one. The receiver takes at the head by that stamp, and acknowledges
 * by storing the head. A cell that is claimed and not stamped is a hole; whether its claimant lives
 * is a question for recover.c.
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
#include "os/cpu.h"

#include <stdbool.h>
#include <string.h>

/* Of one process; a copy for each handle. What is done many times in a row is done with a copy
 * of its own, in registers: for all that a compiler knows, who writes a message changes the
 * handle's. */
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
    uint64_t bias;  /* this handle's, while it has it; RING_UNBIASED: it has none */
    uint64_t small; /* a message shorter than this lies in front of its stamp */
};

/* What no ring's word of bias ever is, nor what damage makes of it, all ones or zeroes. */
#define RING_UNBIASED (UINT64_C(1) << 62 | BIAS_GIVEN)

enum ring_result {
    RING_OK,
    RING_FULL,
    RING_ENDED,   /* it is closed: what is to come is in the next */
    RING_EMPTY,   /* nothing is claimed */
    RING_HOLE,    /* claimed, not committed */
    RING_VOID,    /* committed as nothing: pass it */
    RING_BIASED,  /* another sender claims by stores: revoke that first */
    RING_MOVED,   /* somebody else was faster */
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

/* ---- stamps */

enum stamp_kind { STAMP_MESSAGE = 0, STAMP_VOID = 1, STAMP_TAKEN = 2 };
enum { STAMP_KIND_BITS = 2 };

static inline uint64_t stamp_lap(const struct ring *ring, uint64_t position)
{
    return ((position >> ring->lap_shift) + 1) << (ring->length_bits + STAMP_KIND_BITS);
}

static inline uint64_t stamp_of(const struct ring *ring, uint64_t position, enum stamp_kind kind,
                                uint64_t length)
{
    return stamp_lap(ring, position) | (uint64_t)kind << ring->length_bits | length;
}

static inline _Atomic uint64_t *stamp_at(const struct ring *ring, uint64_t position)
{
    void *at = ring->stamps + (ring_index(ring, position) << ring->stamp_shift);
    return at;
}

static inline bool stamp_is_of(const struct ring *ring, uint64_t stamp, uint64_t position)
{
    return (stamp ^ stamp_lap(ring, position)) >> (ring->length_bits + STAMP_KIND_BITS) == 0;
}

static inline enum stamp_kind stamp_kind_of(const struct ring *ring, uint64_t stamp)
{
    return (enum stamp_kind)(stamp >> ring->length_bits & 3);
}

static inline uint64_t stamp_length(const struct ring *ring, uint64_t stamp)
{
    return stamp & ((UINT64_C(1) << ring->length_bits) - 1);
}

/* PAIR commit: the payload is written before its stamp (ring_commit, ring_write, ring_cancel ->
 * ring_glance) */
static inline void stamp_store(const struct ring *ring, uint64_t position, enum stamp_kind kind,
                               uint64_t length)
{
    atomic_store_explicit(stamp_at(ring, position), stamp_of(ring, position, kind, length),
                          memory_order_release);
}

/* ---- intents */

#define INTENT_NONE UINT64_MAX

/* PAIR intent: whoever sees the new intent sees the stamp of the one before (intent_store,
 * intent_none -> recover_hole, by registry_covered). */
static inline void intent_none(struct intent *intent)
{
    atomic_store_explicit(&intent->position, INTENT_NONE, memory_order_release);
}

/* The cells first: a reader that sees this position sees these cells; one that sees them with the
 * position before sees that one's stamp as well. */
static inline void intent_store(struct intent *intent, uint64_t position, uint64_t cells)
{
    /* PAIR intent: see intent_none */
    if (atomic_load_explicit(&intent->cells, memory_order_relaxed) != cells)
        atomic_store_explicit(&intent->cells, cells, memory_order_release);
    atomic_store_explicit(&intent->position, position, memory_order_release);
}

bool intent_covers(const struct intent *intent, uint64_t position);

/* A message into the ring or out of it; the buffer may be NULL for one of 0 bytes. */
CPU_PATH void ring_copy(void *to, const void *from, size_t length)
{
    if (length == LAYOUT_SMALL)
        memcpy(to, from, LAYOUT_SMALL); /* what most send, without a call */
    else if (length)
        memcpy(to, from, length);
}

/* ---- the sender's side */

/*
 * Fetches the lines that will be written in a moment, while the processor has this message to write:
 * their copy is the receiver's, of the lap before, and a claim waits for all that was written. No line
 * is taken from a receiver that may still read it. Measured between two cores, one sender: 8 bytes
 * 57 million messages/s, 19 without; 64 bytes 15, 9 without.
 */
CPU_PATH void ring_fetch(const struct ring *ring, uint64_t position, uint64_t end)
{
    const uint64_t ahead = 8, cells_ahead = 4, line = 64, most = 4 * line;
    if (position + 2 * ahead > end)
        return;
    cpu_fetch_to_write(stamp_at(ring, position + ahead));
    if (ring->small)
        return;
    const unsigned char *cell =
        ring->cells + ring_index(ring, position + cells_ahead) * ring->stride;
    for (uint64_t at = 0; at < ring->stride && at < most; at += line)
        cpu_fetch_to_write(cell + at);
}

/* One attempt, where there is room. RING_MOVED, with the tail as it is; RING_BIASED: the intent
 * is shown in vain. */
CPU_PATH enum ring_result ring_claim_at(const struct ring *ring, struct intent *intent,
                                        uint64_t cells, uint64_t *tail)
{
    intent_store(intent, *tail, cells);
    /* PAIR bias: the intent before the look (ring_claim_at -> bias_revoke). The compiler keeps the
     * order here; the membarrier of whoever revokes the bias makes the processor keep it. */
    atomic_signal_fence(memory_order_seq_cst);
    uint64_t bias = atomic_load_explicit(&ring->words->bias, memory_order_relaxed);
    if (bias == ring->bias) {
        /* PAIR claim: as below */
        atomic_store_explicit(&ring->words->tail, *tail + cells, memory_order_release);
        /* PAIR kept: what is written behind the claim is not seen before it (ring_claim_at ->
         * is_kept) */
        atomic_thread_fence(memory_order_release);
        return RING_OK;
    }
    if (bias & BIAS_STATE)
        return RING_BIASED;
    /* PAIR over: who finds that nobody has the bias any more sees the tail that its owner moved
     * (change -> ring_claim_at) */
    atomic_thread_fence(memory_order_acquire);
    /* PAIR claim: the intent is stored before the tail moves, so whoever sees the tail past a cell
     * sees the intent that covers it (ring_claim_at -> ring_claimed) */
    return atomic_compare_exchange_weak_explicit(&ring->words->tail, tail, *tail + cells,
                                                 memory_order_acq_rel, memory_order_acquire)
               ? RING_OK
               : RING_MOVED;
}

/* Claims `cells`. `*end` is the end of the room, as it was seen last; 0 is good. RING_FULL,
 * RING_ENDED, RING_BIASED: nothing is claimed, and `*withdrew` says whether an intent was shown
 * for a moment: look for a sleeping receiver then. */
enum ring_result ring_claim(const struct ring *ring, struct intent *intent, uint64_t cells,
                            uint64_t *end, uint64_t *position, bool *withdrew);

/* Claims one cell, if that needs no second look: the room seen last has not ended, and nobody
 * else is faster. False: nothing is claimed, `*withdrew` as above. */
CPU_PATH bool ring_claim_at_once(const struct ring *ring, struct intent *intent, uint64_t end,
                                 uint64_t *position, bool *withdrew)
{
    uint64_t tail = atomic_load_explicit(&ring->words->tail, memory_order_relaxed);
    *withdrew = false;
    if (tail >= end)
        return false;
    ring_fetch(ring, tail, end);
    *position = tail;
    if (ring_claim_at(ring, intent, 1, &tail) == RING_OK)
        return true;
    *withdrew = true;
    intent_none(intent);
    return false;
}

/* Publishes what was claimed as a message; the cells that it does not need become void. */
CPU_PATH void ring_commit(const struct ring *ring, uint64_t position, uint64_t cells,
                          uint64_t length)
{
    uint64_t needed = ring_cells(ring, length);
    /* The rest first: once the message is taken, the receiver looks there. */
    if (needed < cells)
        stamp_store(ring, position + needed, STAMP_VOID, cells - needed);
    stamp_store(ring, position, STAMP_MESSAGE, length);
}

/* Copies a message into the cells that were claimed for it, and publishes it. */
CPU_PATH void ring_write(const struct ring *ring, uint64_t position, const void *message,
                         uint64_t length)
{
    /* Before the copy, which may change the ring for all that a compiler knows. */
    _Atomic uint64_t *at = stamp_at(ring, position);
    uint64_t stamp = stamp_of(ring, position, STAMP_MESSAGE, length);
    ring_copy(ring_payload(ring, position, length), message, (size_t)length);
    /* PAIR commit: see stamp_store */
    atomic_store_explicit(at, stamp, memory_order_release);
}

/* Publishes what was claimed as nothing. */
void ring_cancel(const struct ring *ring, uint64_t position, uint64_t cells);
/* Cells that can be claimed in front of `end`, the end of the room as it was last seen. */
uint64_t ring_free(const struct ring *ring, uint64_t end);
/* Is there room for `cells`, as far as one can see? */
bool ring_room(const struct ring *ring, uint64_t cells);

/* ---- the receiver's side */

/* What a stamp that was read says of its position. RING_OK: a message, in `item`. RING_VOID:
 * `item->cells` to pass. RING_HOLE: nothing, whether it is claimed or not. */
enum ring_result ring_judge(const struct ring *ring, uint64_t stamp, uint64_t position,
                            struct ring_item *item);

/* The length of a message of one cell; whatever else is at that position: more than
 * message_size. */
CPU_PATH uint64_t ring_glance(const struct ring *ring, uint64_t position)
{
    /* PAIR commit: see stamp_store */
    uint64_t stamp = atomic_load_explicit(stamp_at(ring, position), memory_order_acquire);
    return stamp ^ stamp_of(ring, position, STAMP_MESSAGE, 0);
}

/* What is at the head, or at any position that is not taken yet. Does not look at the tail:
 * RING_HOLE may also mean empty. */
CPU_PATH enum ring_result ring_look(const struct ring *ring, uint64_t position,
                                    struct ring_item *item)
{
    uint64_t length = ring_glance(ring, position);
    if (length > ring->message_size)
        return ring_judge(ring, length ^ stamp_of(ring, position, STAMP_MESSAGE, 0), position,
                          item);
    *item = (struct ring_item){.length = length, .cells = 1};
    return RING_OK;
}

/* Whether a position without a stamp is claimed: RING_HOLE, RING_EMPTY, RING_ENDED or
 * RING_CORRUPT. */
enum ring_result ring_claimed(const struct ring *ring, uint64_t position);
/* Moves the head past what was copied or passed: the acknowledgement. */
CPU_PATH void ring_take(const struct ring *ring, uint64_t *head, uint64_t cells)
{
    *head += cells;
    /* PAIR head: see ring_head */
    atomic_store_explicit(ring->head, *head, memory_order_release);
}

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

#endif
