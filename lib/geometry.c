/* SPDX-License-Identifier: MIT */
#include "geometry.h"

#define MAX_CELLS (UINT64_C(1) << 32)
#define MAX_BYTES (UINT64_C(1) << 40)

/* What an unbounded channel has room for, as long as it does not grow. */
#define UNBOUNDED_BYTES (UINT64_C(4) << 20)
#define UNBOUNDED_LEAST UINT64_C(16)
#define UNBOUNDED_MOST (UINT64_C(1) << 19)

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

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static uint64_t limit_of(uint64_t message_size, uint64_t bound, uint64_t max_bytes)
{
    if (bound == 0)
        return 1;
    if (bound != GEOMETRY_UNBOUNDED)
        return bound;
    uint64_t limit = clamp(UNBOUNDED_BYTES / message_size, UNBOUNDED_LEAST, UNBOUNDED_MOST);
    return max_bytes && max_bytes / message_size < limit ? max_bytes / message_size : limit;
}

/* The ring is mapped twice in a row, so its cells fill whole pages. */
static uint64_t stride_of(uint64_t message_size, uint64_t cells, uint64_t page_size)
{
    uint64_t unit = ALIGNMENT;
    if (cells < page_size && page_size / cells > unit)
        unit = page_size / cells;
    return round_up(message_size, unit);
}

mpsc_status geometry_of(uint64_t message_size, uint64_t bound, uint64_t max_bytes,
                        uint64_t page_size, struct geometry *geometry)
{
    if (message_size == 0 || (bound == GEOMETRY_UNBOUNDED && max_bytes && max_bytes < message_size))
        return MPSC_INVALID;
    if (page_size < 4096 || page_size > LAYOUT_PROCESSES || (page_size & (page_size - 1)))
        return MPSC_INVALID;
    uint64_t limit = limit_of(message_size, bound, max_bytes);
    if (message_size > MAX_BYTES || limit > MAX_CELLS || limit > MAX_BYTES / message_size)
        return MPSC_LIMIT;

    struct geometry g = {
        .message_size = message_size,
        .bound = bound,
        .max_bytes = max_bytes,
        .page_size = (uint32_t)page_size,
        .limit = limit,
        .max_length = limit * message_size,
        .lap_shift = log2_up(limit),
    };
    g.cells = UINT64_C(1) << g.lap_shift;
    g.stride = stride_of(message_size, g.cells, page_size);
    /* A stamp holds a length, or a number of cells. */
    g.length_bits = log2_up((g.max_length > g.cells ? g.max_length : g.cells) + 1);
    g.ring_offset = LAYOUT_NEWS + PROCESS_SLOTS * page_size;
    g.stamps_offset = page_size;
    g.cells_offset = g.stamps_offset + round_up(g.cells * sizeof(uint64_t), page_size);
    g.ring_size = g.cells_offset + g.cells * g.stride;
    g.file_size = g.ring_offset + g.ring_size;
    *geometry = g;
    return MPSC_OK;
}
