/* SPDX-License-Identifier: MIT */
#include "chain.h"
#include "os/os.h"
#include "os/trace.h"

#include <errno.h>

static struct ring_words *words_of(const struct chain *chain, unsigned number)
{
    return &chain->registry->header->rings[number];
}

static unsigned bounded(const struct chain *chain, unsigned number)
{
    return number < chain->geometry->rings ? number : 0;
}

static uint64_t tail_of(const struct chain *chain, unsigned number)
{
    /* PAIR claim: see ring.c */
    return atomic_load_explicit(&words_of(chain, number)->tail, memory_order_acquire);
}

/* True: there is a next ring, in `*number`. */
static bool follow(const struct chain *chain, unsigned *number)
{
    /* PAIR link: what was made of the ring is seen by whoever sees that it is linked (link_ring ->
     * follow) */
    unsigned next = atomic_load_explicit(&words_of(chain, *number)->next, memory_order_acquire);
    if (next == 0 || next > chain->geometry->rings)
        return false;
    *number = next - 1;
    return true;
}

unsigned chain_oldest(const struct chain *chain)
{
    /* PAIR oldest: the next ring is the oldest before its memory is anybody's (chain_pass ->
     * chain_oldest) */
    return bounded(chain,
                   atomic_load_explicit(&chain->registry->header->oldest, memory_order_acquire));
}

/* The same of a ring that is closed; an open one is the last. */
static bool step(const struct chain *chain, unsigned *number)
{
    return (tail_of(chain, *number) & RING_CLOSED) && follow(chain, number);
}

/* From `number` to the last that is linked; no further than there are rings. */
static unsigned last_from(const struct chain *chain, unsigned number)
{
    for (unsigned i = 0; i < chain->geometry->rings && step(chain, &number); i++)
        ;
    return number;
}

unsigned chain_newest(const struct chain *chain)
{
    /* It may be one behind, when somebody died between linking and saying so. */
    unsigned number = atomic_load_explicit(&chain->registry->header->newest, memory_order_acquire);
    return last_from(chain, bounded(chain, number));
}

uint64_t chain_end(const struct chain *chain)
{
    return tail_of(chain, chain_newest(chain)) & ~RING_CLOSED;
}

/* ---- memory */

static void free_ring(const struct chain *chain, unsigned number)
{
    struct ring_place place = geometry_place(chain->geometry, number);
    /* Where the number was reused meanwhile, it is a stranger's file. */
    if (!registry_has_descriptor(chain->registry))
        return;
    os_shm_free(chain->registry->fd, place.offset, place.size);
}

static int commit(const struct chain *chain, unsigned number)
{
    const struct registry *registry = chain->registry;
    struct ring_place place = geometry_place(chain->geometry, number);
    struct os_file file, after;
    if (!registry_file(registry, &file))
        return -EBADF;
    int error = os_shm_has_room(registry->fd, place.size) ? 0 : -ENOSPC;
    if (!error && file.size < place.offset + place.size)
        error = os_shm_grow(registry->fd, place.offset + place.size);
    if (!error)
        error = os_shm_commit(registry->fd, place.offset, place.size);
    /* What was had of it; if there is any, since who listens for changes is told of this one too. */
    if (error && registry_file(registry, &after) && after.allocated > file.allocated)
        free_ring(chain, number);
    return error;
}

static bool is_linked(const struct chain *chain, unsigned number)
{
    unsigned linked = chain_oldest(chain);
    for (unsigned i = 1; linked != number; i++)
        if (i == chain->geometry->rings || !step(chain, &linked))
            return false;
    return true;
}

bool chain_used_up(const struct chain *chain, unsigned number)
{
    uint64_t head = atomic_load_explicit(&chain->registry->header->head, memory_order_relaxed);
    uint64_t tail = tail_of(chain, number);
    return (tail & RING_CLOSED) && head >= (tail & ~RING_CLOSED);
}

uint64_t chain_memory(const struct chain *chain)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < chain->geometry->rings; i++)
        if (is_linked(chain, i) && !chain_used_up(chain, i))
            bytes += geometry_place(chain->geometry, i).size;
    return bytes;
}

/* ---- appending */

static void open_ring(const struct chain *chain, unsigned number, uint64_t base)
{
    /* PAIR link: see follow; claims begin with this store */
    atomic_store_explicit(&words_of(chain, number)->tail, base, memory_order_release);
}

/* Closes `last`, whose tail is `tail`, and links `number` behind it. False: the tail has moved. */
static bool link_ring(const struct chain *chain, unsigned last, uint64_t tail, unsigned number)
{
    struct ring_words *words = words_of(chain, number);
    if (!(tail & RING_CLOSED) && !ring_close(words_of(chain, last), tail))
        return false;
    uint64_t base = tail & ~RING_CLOSED;
    atomic_store_explicit(&words->next, 0, memory_order_relaxed);
    atomic_store_explicit(&words->base, base, memory_order_relaxed);
    /* It is closed as yet, with a tail before its base or at it: see finish_last. */
    /* PAIR link: see follow; this store commits */
    atomic_store_explicit(&words_of(chain, last)->next, number + 1, memory_order_release);
    open_ring(chain, number, base);
    atomic_store_explicit(&chain->registry->header->newest, number, memory_order_release);
    return true;
}

/* The last ring may have been linked and not opened, by one who died. */
static unsigned finish_last(const struct chain *chain)
{
    unsigned last = last_from(chain, chain_oldest(chain));
    uint64_t tail = tail_of(chain, last);
    uint64_t base = atomic_load_explicit(&words_of(chain, last)->base, memory_order_relaxed);
    if ((tail & RING_CLOSED) && (tail & ~RING_CLOSED) <= base)
        open_ring(chain, last, base);
    atomic_store_explicit(&chain->registry->header->newest, last, memory_order_release);
    return last;
}

/* Is the ring of that number large enough, and not in the chain? */
static bool may_be_next(const struct chain *chain, unsigned number, uint64_t cells)
{
    return geometry_place(chain->geometry, number).limit >= cells && !is_linked(chain, number);
}

/* Memory for it. */
static int try_ring(const struct chain *chain, unsigned number, uint64_t cells)
{
    return may_be_next(chain, number, cells) ? commit(chain, number) : -ENOSPC;
}

/* The next larger one that is large enough and not in the chain, where the last need not be the largest: smaller
 * ones come behind larger ones when it shrinks, and when there is little memory. Else, where there is little memory
 * or address space left, the largest that can be had. */
static int find_ring(const struct chain *chain, unsigned last, uint64_t cells,
                     int (*map)(void *, unsigned), void *context, unsigned *found)
{
    int result = -ENOSPC;
    unsigned rings = chain->geometry->rings;
    unsigned first = last + 1;
    while (first < rings && !may_be_next(chain, first, cells))
        first++;
    if (first == rings)
        first = rings - 1;
    for (unsigned number = first + 1; number-- > 0;) {
        int error = try_ring(chain, number, cells);
        if (error == -ENOSPC)
            continue;
        *found = number;
        if (!error && (error = map(context, number)) != 0)
            free_ring(chain, number);
        if (error != -ENOMEM)
            return error;
        result = error;
    }
    return result;
}

static bool has_room(const struct chain *chain, unsigned last, uint64_t tail, uint64_t cells)
{
    uint64_t head = atomic_load_explicit(&chain->registry->header->head, memory_order_acquire);
    uint64_t base = atomic_load_explicit(&words_of(chain, last)->base, memory_order_relaxed);
    uint64_t limit = geometry_place(chain->geometry, last).limit;
    /* As the ring judges it, also where the head is damaged: else one would claim and grow in turns. */
    return !(tail & RING_CLOSED) && cells <= limit &&
           tail + cells <= ring_first(head, base) + limit;
}

/* Where the head is past a tail that was read before it, others have claimed and the receiver has taken
 * since. */
static bool is_at_its_limit(const struct chain *chain, uint64_t tail, uint64_t cells)
{
    uint64_t head = atomic_load_explicit(&chain->registry->header->head, memory_order_acquire);
    uint64_t end = tail & ~RING_CLOSED;
    return (head < end ? end - head : 0) + cells > chain->geometry->max_cells;
}

int chain_grow(const struct chain *chain, uint64_t cells, int (*map)(void *, unsigned),
               void *context)
{
    unsigned last = finish_last(chain), number;
    uint64_t tail = tail_of(chain, last);
    if (is_at_its_limit(chain, tail, cells))
        return -ENOSPC;
    if (has_room(chain, last, tail, cells))
        return 0;
    int error = find_ring(chain, last, cells, map, context, &number);
    if (error)
        return error;
    while (!link_ring(chain, last, tail, number))
        tail = tail_of(chain, last);
    trace_grow(chain->registry->header, number, geometry_place(chain->geometry, number).size);
    return 0;
}

int chain_shrink(const struct chain *chain)
{
    unsigned last = finish_last(chain);
    uint64_t tail = tail_of(chain, last);
    if (last == 0 ||
        tail != atomic_load_explicit(&chain->registry->header->head, memory_order_acquire))
        return 0;
    int error = try_ring(chain, 0, 1);
    if (!error && !link_ring(chain, last, tail, 0))
        free_ring(chain, 0);
    return error;
}

void chain_repair(const struct chain *chain)
{
    if (!geometry_is_unbounded(chain->geometry))
        return;
    finish_last(chain);
    struct os_file file;
    if (!registry_file(chain->registry, &file))
        return;
    /* Of one that was not linked any more: what it had committed. */
    for (unsigned i = 0; i < chain->geometry->rings; i++) {
        struct ring_place place = geometry_place(chain->geometry, i);
        if (place.offset < file.size && !is_linked(chain, i))
            free_ring(chain, i);
    }
}

/* ---- the receiver */

bool chain_next(const struct chain *chain, unsigned number, unsigned *next)
{
    *next = number;
    return follow(chain, next);
}

void chain_pass(const struct chain *chain, const struct ring *ring, unsigned next)
{
    /* While the ring is still the oldest: afterwards its place is anybody's. */
    if (registry_has_descriptor(chain->registry))
        free_ring(chain, ring->number);
    else
        os_free_mapped(ring_memory(ring), geometry_place(chain->geometry, ring->number).size);
    /* PAIR oldest: see chain_oldest */
    atomic_store_explicit(&chain->registry->header->oldest, next, memory_order_release);
}

/* ---- the whole */

void chain_format(const struct chain *chain)
{
    for (unsigned i = 0; i < RINGS_MOST; i++)
        atomic_init(&words_of(chain, i)->tail, i == 0 ? 0 : RING_CLOSED);
}

const char *chain_check(const struct chain *chain)
{
    const struct header *header = chain->registry->header;
    unsigned rings = chain->geometry->rings;
    if (atomic_load_explicit(&header->oldest, memory_order_relaxed) >= rings ||
        atomic_load_explicit(&header->newest, memory_order_relaxed) >= rings)
        return "a ring that cannot be";
    if (rings == 1 && !geometry_is_unbounded(chain->geometry) && (tail_of(chain, 0) & RING_CLOSED))
        return "the only ring is closed";
    for (unsigned i = 0; i < rings; i++) {
        struct ring_place place = geometry_place(chain->geometry, i);
        const char *broken =
            is_linked(chain, i) ? ring_check(&header->rings[i], &header->head, place.limit) : NULL;
        if (broken)
            return broken;
    }
    return NULL;
}
