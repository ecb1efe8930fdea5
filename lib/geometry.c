/* SPDX-License-Identifier: MIT */
#include "geometry.h"

#define MAX_CELLS (UINT64_C(1) << 32)
#define MAX_BYTES (UINT64_C(1) << 40)

/* Of an unbounded channel: a stamp must have bits left for the lap. */
#define UNBOUNDED_LONGEST UINT64_C(0xffffffff)

/* As malloc's. It holds for the smallest cells too, since a longer message may begin at any. */
#define ALIGNMENT UINT64_C(16)

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static unsigned log2_up(uint64_t value)
{
    unsigned bits = 0;
    while (bits < 63 && UINT64_C(1) << bits < value)
        bits++;
    return bits;
}

static uint64_t smaller(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* The first ring of an unbounded channel is a page, or two messages if those are more. */
static uint64_t first_cells(uint64_t message_size, uint64_t page_size)
{
    uint64_t cells = 2;
    while (cells * 2 * round_up(message_size, ALIGNMENT) <= page_size)
        cells *= 2;
    return cells;
}

/* The ring is mapped twice in a row, so its cells fill whole pages. */
static uint64_t stride_of(uint64_t message_size, uint64_t cells, uint64_t page_size)
{
    uint64_t unit = ALIGNMENT;
    if (cells < page_size && page_size / cells > unit)
        unit = page_size / cells;
    return round_up(message_size, unit);
}

/* As many as it takes to hold what the channel may, or as can be. */
static unsigned count_rings(const struct geometry *g)
{
    unsigned rings = 1;
    while (geometry_is_unbounded(g) && rings < RINGS_MOST && g->cells << rings <= MAX_CELLS &&
           g->stride <= MAX_BYTES >> (g->lap_shift + rings) &&
           (g->cells << (rings - 1)) < g->max_cells)
        rings++;
    return rings;
}

static mpsc_status limits_of(uint64_t page_size, struct geometry *g)
{
    bool unbounded = geometry_is_unbounded(g);
    if (g->message_size > MAX_BYTES)
        return MPSC_LIMIT;
    if (unbounded)
        g->limit = first_cells(g->message_size, page_size);
    else
        g->limit = g->bound ? g->bound : 1;
    if (g->limit > MAX_CELLS || g->limit > MAX_BYTES / g->message_size)
        return MPSC_LIMIT;
    g->max_cells = unbounded ? UINT64_MAX : g->limit;
    if (unbounded && g->max_bytes)
        g->max_cells = g->max_bytes / g->message_size;
    return MPSC_OK;
}

/* The longest message fills the channel; a stamp holds its length, or a number of cells. */
static void set_lengths(struct geometry *g)
{
    struct ring_place last = geometry_place(g, g->rings - 1);
    g->max_length = smaller(last.limit, g->max_cells) * g->message_size;
    if (geometry_is_unbounded(g) && g->max_length > UNBOUNDED_LONGEST)
        g->max_length = UNBOUNDED_LONGEST;
    uint64_t most = g->max_length > last.cells ? g->max_length : last.cells;
    g->length_bits = log2_up(most + 1);
}

mpsc_status geometry_of(uint64_t message_size, uint64_t bound, uint64_t max_bytes,
                        uint64_t page_size, struct geometry *geometry)
{
    if (message_size == 0 || (bound == GEOMETRY_UNBOUNDED && max_bytes && max_bytes < message_size))
        return MPSC_INVALID;
    if (page_size < 4096 || page_size > LAYOUT_PROCESSES || (page_size & (page_size - 1)))
        return MPSC_INVALID;
    struct geometry g = {
        .message_size = message_size,
        .bound = bound,
        .max_bytes = max_bytes,
        .page_size = (uint32_t)page_size,
        .ring_offset = LAYOUT_NEWS + PROCESS_SLOTS * page_size,
        .stamp_shift = message_size <= LAYOUT_SMALL ? 4 : 3,
    };
    mpsc_status status = limits_of(page_size, &g);
    if (status)
        return status;
    g.lap_shift = log2_up(g.limit);
    g.cells = UINT64_C(1) << g.lap_shift;
    g.stride = stride_of(message_size, g.cells, page_size);
    g.rings = count_rings(&g);
    set_lengths(&g);
    *geometry = g;
    return MPSC_OK;
}

struct ring_place geometry_place(const struct geometry *g, unsigned number)
{
    struct ring_place place = {.offset = g->ring_offset};
    for (unsigned i = 0;; i++) {
        uint64_t cells = g->cells << i;
        place.cells_offset = round_up(cells << g->stamp_shift, g->page_size);
        place.size = place.cells_offset + cells * g->stride;
        if (i == number) {
            place.cells = cells;
            place.limit = geometry_is_unbounded(g) ? cells : g->limit;
            place.lap_shift = g->lap_shift + number;
            return place;
        }
        place.offset += place.size;
    }
}

bool geometry_fits(const struct geometry *geometry, uint64_t file_size)
{
    for (unsigned i = 0; i < geometry->rings; i++) {
        struct ring_place place = geometry_place(geometry, i);
        if (place.offset + place.size == file_size)
            return true;
    }
    return false;
}
