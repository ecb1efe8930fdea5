/* SPDX-License-Identifier: MIT */
/* Level 1. A range of shared memory, and the one place where an offset becomes a pointer. */
#ifndef MPSC_MAP_H
#define MPSC_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map {
    unsigned char *base;
    size_t size;
};

/* The `length` bytes at `offset`; NULL if they are not all inside. */
void *map_at(const struct map *map, uint64_t offset, uint64_t length);

/* FNV-1a, 64 bits (Fowler, Noll, Vo): finds accidents, not attacks. */
uint64_t map_checksum(const void *bytes, size_t length);

#endif
