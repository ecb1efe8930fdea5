/* SPDX-License-Identifier: MIT */
/* A ring without a segment, for the tests of the ring. */
#ifndef BOX_H
#define BOX_H

#include "channels.h"

#include "os/os.h"
#include "ring.h"

#include <sys/mman.h>

struct box {
    struct header header; /* for its words */
    struct geometry geometry;
    struct map map;
    struct ring ring;
    struct intent intent; /* of the one who claims, and what it saw last: */
    uint64_t seen; /* the end of the room */
    uint64_t head; /* of the one who takes */
};

static inline struct box *box_made(void)
{
    return shared_memory(sizeof(struct box));
}

/* Its cells are mapped twice, as in a segment. */
static inline struct box *box_open(uint64_t message_size, uint64_t bound)
{
    struct box *box = box_made();
    struct geometry *g = &box->geometry;
    size_t page = os_page_size();
    void *memory = NULL;
    assert_status(geometry_of(message_size, bound, 0, page, g), MPSC_OK);
    struct ring_place place = geometry_place(g, 0);
    size_t twice = g->cells * g->stride;
    int fd = os_shm_create(0600);
    assert_true(fd >= 0);
    assert_int_equal(os_shm_resize(fd, place.size), 0);
    assert_int_equal(os_map_mirrored(fd, 0, place.size, twice, &memory), 0);
    os_close(fd);
    box->map = (struct map){memory, place.size + twice};
    assert_true(ring_bind(&box->ring, &box->header, &box->map, g, 0));
    intent_none(&box->intent);
    return box;
}

static inline void box_close(struct box *box)
{
    os_unmap(box->map.base, box->map.size);
    munmap(box, sizeof *box);
}

static inline enum ring_result box_claim(struct box *box, uint64_t cells, uint64_t *position)
{
    bool withdrew;
    return ring_claim(&box->ring, &box->intent, cells, &box->seen, position, &withdrew);
}

/* Claims and commits; the position. */
static inline uint64_t box_send(struct box *box, uint64_t length)
{
    uint64_t position = 0, cells = ring_cells(&box->ring, length);
    assert_int_equal(box_claim(box, cells, &position), RING_OK);
    pattern_fill(ring_payload(&box->ring, position, length), length, position);
    ring_commit(&box->ring, position, cells, length);
    return position;
}

/* Takes the message at the head; its length. */
static inline uint64_t box_take(struct box *box)
{
    struct ring_item item;
    assert_int_equal(ring_look(&box->ring, box->head, &item), RING_OK);
    pattern_check(ring_payload(&box->ring, box->head, item.length), item.length, box->head);
    ring_take(&box->ring, &box->head, item.cells);
    return item.length;
}

static inline const char *box_check(const struct box *box)
{
    return ring_check(box->ring.words, box->ring.head, box->ring.limit);
}

static inline _Atomic uint64_t *box_stamp(const struct box *box, uint64_t index)
{
    void *stamp = box->ring.stamps + (index << box->ring.stamp_shift);
    return (_Atomic uint64_t *)stamp;
}

/* Begins as if so many cells had passed through it. */
static inline void box_start_at(struct box *box, uint64_t position)
{
    atomic_store(&box->header.head, position);
    atomic_store(&box->ring.words->tail, position);
    box->head = box->seen = position;
}

#endif
