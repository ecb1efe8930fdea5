/* SPDX-License-Identifier: MIT */
#include "map.h"

void *map_at(const struct map *map, uint64_t offset, uint64_t length)
{
    if (offset > map->size || length > map->size - offset)
        return NULL;
    return map->base + offset;
}

uint64_t map_checksum(const void *bytes, size_t length)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (const unsigned char *byte = bytes; length > 0; length--)
        sum = (sum ^ *byte++) * UINT64_C(0x100000001b3);
    return sum;
}
