/* SPDX-License-Identifier: MIT */
/*
 * Level 1. The sizes and places in a segment, all worked out from four numbers of its identity.
 * Each process works them out once, at attach, and never reads them from the segment again.
 *
 * A bounded channel has one ring. An unbounded one has place for a ring of each size, from a page or
 * so, always twice the one before; memory has only what is in use.
 */
#ifndef MPSC_GEOMETRY_H
#define MPSC_GEOMETRY_H

#include "layout.h"

#include <mpsc.h>
#include <stdbool.h>
#include <stdint.h>

#define GEOMETRY_UNBOUNDED UINT64_MAX

struct geometry {
    /* given */
    uint64_t message_size, bound, max_bytes;
    uint32_t page_size;
    /* worked out */
    uint64_t limit;       /* cells that may be claimed at one time in the first ring */
    uint64_t cells;       /* of the first ring: a power of two, `limit` at least */
    uint64_t max_cells;   /* that may be claimed at one time in all of them */
    uint64_t stride;      /* bytes from one cell to the next */
    uint64_t max_length;  /* bytes of the longest message */
    uint64_t ring_offset; /* of the first ring, in the file */
    unsigned rings;       /* sizes that there can be */
    unsigned lap_shift;   /* log2 of `cells` */
    unsigned length_bits; /* of a stamp */
    unsigned stamp_shift; /* log2 of the bytes from one stamp to the next */
};

/* Of one ring: they are numbered by their size. */
struct ring_place {
    uint64_t offset;       /* in the file */
    uint64_t cells_offset; /* from there; before them lie the stamps */
    uint64_t size;         /* of both */
    uint64_t cells, limit;
    unsigned lap_shift;
};

/* MPSC_INVALID: a size that cannot be; MPSC_LIMIT: larger than a channel can be. */
mpsc_status geometry_of(uint64_t message_size, uint64_t bound, uint64_t max_bytes,
                        uint64_t page_size, struct geometry *geometry);

/* Of ring `number`, which is below `rings`. */
struct ring_place geometry_place(const struct geometry *geometry, unsigned number);

/* Can a file of that size be such a segment? It ends where one of its rings does. */
bool geometry_fits(const struct geometry *geometry, uint64_t file_size);

static inline bool geometry_is_unbounded(const struct geometry *geometry)
{
    return geometry->bound == GEOMETRY_UNBOUNDED;
}

/* May a sender of it claim alone (bias.c)? Not where the ring can be closed, which moves the tail, too,
 * nor for a rendezvous, which waits anyway. */
static inline bool geometry_may_be_biased(const struct geometry *geometry)
{
    return !geometry_is_unbounded(geometry) && geometry->bound != 0;
}

#endif
