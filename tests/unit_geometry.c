/* SPDX-License-Identifier: MIT */
/* The sizes and places in a segment (lib/geometry.c). */
#include "channels.h"

#include "geometry.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define KIB UINT64_C(1024)
#define GIB (KIB * KIB * KIB)
#define UNBOUNDED GEOMETRY_UNBOUNDED

static void sizes_follow_from_four_numbers(void)
{
    static const struct {
        uint64_t message_size, bound, max_bytes, page_size, limit, cells, stride;
    } rows[] = {
        {1, 0, 0, 4096, 1, 1, 4096}, /* rendezvous */
        {1, 1, 0, 4096, 1, 1, 4096},
        {1, 1, 0, 65536, 1, 1, 65536},
        {64, 17, 0, 4096, 17, 32, 128},
        {100, 4, 0, 4096, 4, 4, 1024},
        {5000, 4, 0, 4096, 4, 4, 5120},
        {8, 256, 0, 4096, 256, 256, 16},
        {8, 257, 0, 4096, 257, 512, 16},
        {40, 4096, 0, 4096, 4096, 4096, 48},
        {64, 3, 64, 4096, 3, 4, 1024}, /* a bound needs no limit in bytes */
        {64, UNBOUNDED, 0, 4096, 64, 64, 64}, /* its first ring */
        {64, UNBOUNDED, 0, 65536, 1024, 1024, 64},
        {48, UNBOUNDED, 0, 4096, 64, 64, 64},
        {8, UNBOUNDED, 0, 4096, 256, 256, 16},
        {1, UNBOUNDED, 0, 4096, 256, 256, 16},
        {KIB * KIB, UNBOUNDED, 0, 4096, 2, 2, KIB * KIB},
        {256, 4 * GIB, 0, 4096, 4 * GIB, 4 * GIB, 256},
        {KIB * GIB, 1, 0, 4096, 1, 1, KIB * GIB},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct geometry g;
        assert_status(geometry_of(rows[i].message_size, rows[i].bound, rows[i].max_bytes,
                                  rows[i].page_size, &g),
                      MPSC_OK);
        assert_int_equal(g.limit, rows[i].limit);
        assert_int_equal(g.cells, rows[i].cells);
        assert_int_equal(g.stride, rows[i].stride);
        if (rows[i].bound != UNBOUNDED) {
            assert_int_equal(g.rings, 1);
            assert_int_equal(g.max_cells, rows[i].limit);
            assert_int_equal(g.max_length, rows[i].limit * rows[i].message_size);
        }
    }
}

/* How much an unbounded channel holds at most, in how many rings. */
static void an_unbounded_channel_ends_somewhere(void)
{
    static const struct {
        uint64_t message_size, max_bytes, max_cells, max_length;
        unsigned rings;
    } rows[] = {
        {64, 64, 1, 64, 1},
        {64, 640, 10, 640, 1},
        {64, 64 * 64, 64, 4096, 1},
        {64, 64 * 65, 65, 4160, 2},
        {64, 64 * 1000 + 63, 1000, 64000, 5},
        {64, 0, UINT64_MAX, UINT32_MAX, 27},
        {8, 0, UINT64_MAX, UINT32_MAX, 25},
        {GIB, 0, UINT64_MAX, UINT32_MAX, 10},
        {GIB, GIB, 1, GIB, 1},
        {KIB * GIB / 2, 0, UINT64_MAX, UINT32_MAX, 1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct geometry g;
        assert_status(geometry_of(rows[i].message_size, UNBOUNDED, rows[i].max_bytes, 4096, &g),
                      MPSC_OK);
        assert_int_equal(g.max_cells, rows[i].max_cells);
        assert_int_equal(g.max_length, rows[i].max_length);
        assert_int_equal(g.rings, rows[i].rings);
    }
}

static void sizes_that_cannot_be_are_refused(void)
{
    static const struct {
        uint64_t message_size, bound, max_bytes, page_size;
        mpsc_status status;
    } rows[] = {
        {0, 1, 0, 4096, MPSC_INVALID},
        {0, UNBOUNDED, 0, 4096, MPSC_INVALID},
        {64, UNBOUNDED, 63, 4096, MPSC_INVALID},
        {64, 1, 0, 0, MPSC_INVALID},
        {64, 1, 0, 2048, MPSC_INVALID},
        {64, 1, 0, 4096 + 2048, MPSC_INVALID},
        {64, 1, 0, 131072, MPSC_INVALID},
        {64, 1, 0, UINT64_MAX, MPSC_INVALID},
        {1, 4 * GIB + 1, 0, 4096, MPSC_LIMIT},
        {1, UINT64_MAX - 1, 0, 4096, MPSC_LIMIT},
        {257, 4 * GIB, 0, 4096, MPSC_LIMIT},
        {KIB * GIB, 2, 0, 4096, MPSC_LIMIT},
        {KIB * GIB, UNBOUNDED, 0, 4096, MPSC_LIMIT}, /* two must fit */
        {KIB * GIB + 1, 1, 0, 4096, MPSC_LIMIT},
        {KIB * GIB + 1, 0, 0, 4096, MPSC_LIMIT},
        {UINT64_MAX, UNBOUNDED, 0, 4096, MPSC_LIMIT},
        {UINT64_MAX, UINT64_MAX - 1, 0, 4096, MPSC_LIMIT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct geometry g, before;
        memset(&g, 0x5a, sizeof g);
        memcpy(&before, &g, sizeof g);
        assert_status(geometry_of(rows[i].message_size, rows[i].bound, rows[i].max_bytes,
                                  rows[i].page_size, &g),
                      rows[i].status);
        assert_memory_equal(&g, &before, sizeof g);
    }
}

static void geometry_must_hold(const struct geometry *g)
{
    uint64_t page = g->page_size;
    assert_int_equal(g->cells, UINT64_C(1) << g->lap_shift);
    assert_in_range(g->limit, g->cells / 2 + 1, g->cells);
    assert_true(g->stride % 16 == 0 && g->stride >= g->message_size);
    assert_int_equal(g->ring_offset, LAYOUT_NEWS + PROCESS_SLOTS * page);
    assert_true(g->stamp_shift == (g->message_size <= 8 ? 4 : 3));
    assert_in_range(g->rings, 1, RINGS_MOST);
    uint64_t end = g->ring_offset, cells = g->cells;
    for (unsigned i = 0; i < g->rings; i++, cells *= 2) {
        struct ring_place place = geometry_place(g, i);
        assert_int_equal(place.offset, end);
        assert_int_equal(place.cells, cells);
        assert_int_equal(place.cells, UINT64_C(1) << place.lap_shift);
        assert_int_equal(place.limit, g->bound == UNBOUNDED ? cells : g->limit);
        assert_true(place.cells * g->stride % page == 0 && place.cells_offset % page == 0);
        assert_true(place.cells << g->stamp_shift <= place.cells_offset);
        assert_int_equal(place.size, place.cells_offset + place.cells * g->stride);
        end += place.size;
        assert_true(geometry_fits(g, end));
        assert_false(geometry_fits(g, end - 1) || geometry_fits(g, end + 1));
        /* A stamp has room for both, its kind, and a number of laps that nobody lives to see. */
        assert_true(g->max_length >> g->length_bits == 0 && place.cells >> g->length_bits == 0);
    }
    assert_false(geometry_fits(g, g->ring_offset));
    assert_true(g->length_bits <= 41);
}

static void sizes_fit_together(void)
{
    uint64_t state = 1;
    for (unsigned long i = 0; i < scaled(200000); i++) {
        struct geometry g;
        uint64_t size = chance(&state) >> chance(&state) % 48;
        uint64_t bound = chance(&state) >> chance(&state) % 48;
        uint64_t page = UINT64_C(4096) << chance(&state) % 5;
        if (chance(&state) % 8 == 0)
            bound = UNBOUNDED;
        mpsc_status status = geometry_of(size, bound, chance(&state) % 2 * size * 3, page, &g);
        assert_true(status == MPSC_OK || status == MPSC_INVALID || status == MPSC_LIMIT);
        if (status == MPSC_OK)
            geometry_must_hold(&g);
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(sizes_follow_from_four_numbers),
        TEST(sizes_that_cannot_be_are_refused),
        TEST(an_unbounded_channel_ends_somewhere),
        TEST(sizes_fit_together),
    };
    return harness_main("unit_geometry", tests, sizeof tests / sizeof *tests);
}
