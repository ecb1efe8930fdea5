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
        {64, UNBOUNDED, 0, 4096, 65536, 65536, 64},
        {8, UNBOUNDED, 0, 4096, 524288, 524288, 16},
        {1, UNBOUNDED, 0, 4096, 524288, 524288, 16},
        {KIB * KIB, UNBOUNDED, 0, 4096, 16, 16, KIB * KIB},
        {64, UNBOUNDED, 640, 4096, 10, 16, 256},
        {64, UNBOUNDED, 64, 4096, 1, 1, 4096},
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
        assert_int_equal(g.max_length, rows[i].limit * rows[i].message_size);
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
        {KIB * GIB, UNBOUNDED, 0, 4096, MPSC_LIMIT},
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
    assert_true(g->cells * g->stride % page == 0 && g->cells_offset % page == 0);
    assert_true(g->stamps_offset >= sizeof(struct ring_words) && g->stamps_offset % page == 0);
    assert_true(g->stamps_offset + g->cells * sizeof(uint64_t) <= g->cells_offset);
    assert_int_equal(g->ring_size, g->cells_offset + g->cells * g->stride);
    assert_int_equal(g->ring_offset, LAYOUT_NEWS + PROCESS_SLOTS * page);
    assert_int_equal(g->file_size, g->ring_offset + g->ring_size);
    /* A stamp has room for both, its kind, and a number of laps that nobody lives to see. */
    assert_true(g->max_length >> g->length_bits == 0 && g->cells >> g->length_bits == 0);
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
        TEST(sizes_fit_together),
    };
    return harness_main("unit_geometry", tests, sizeof tests / sizeof *tests);
}
