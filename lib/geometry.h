/* SPDX-License-Identifier: MIT */
/*
 * Level 1. The sizes and places in a segment, all worked out from four numbers of its identity.
 * Each process works them out once, at attach, and never reads them from the segment again.
 */
#ifndef MPSC_GEOMETRY_H
#define MPSC_GEOMETRY_H

#include "layout.h"

#include <mpsc.h>
#include <stdint.h>

#define GEOMETRY_UNBOUNDED UINT64_MAX

struct geometry {
    /* given */
    uint64_t message_size, bound, max_bytes;
    uint32_t page_size;
    /* worked out */
    uint64_t limit;         /* cells that may be claimed at one time */
    uint64_t cells;         /* a power of two, `limit` at least */
    uint64_t stride;        /* bytes from one cell to the next */
    uint64_t max_length;    /* bytes of the longest message */
    uint64_t ring_offset;   /* of the ring, in the file */
    uint64_t stamps_offset; /* from the ring's beginning, likewise: */
    uint64_t cells_offset;
    uint64_t ring_size;
    uint64_t file_size;
    unsigned lap_shift;   /* log2 of `cells` */
    unsigned length_bits; /* of a stamp */
};

/* MPSC_INVALID: a size that cannot be; MPSC_LIMIT: larger than a channel can be. */
mpsc_status geometry_of(uint64_t message_size, uint64_t bound, uint64_t max_bytes,
                        uint64_t page_size, struct geometry *geometry);

#endif
