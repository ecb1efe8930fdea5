/* SPDX-License-Identifier: MIT */
/* A sender's lead (lib/lead.c): when it looks how far it is ahead, when it lends the processor, and
 * for how long it does not do so again. */
#include "box.h"

#include "lead.h"

enum { EACH = 512, FAR = 2048 };

/* `position` is claimed; the receiver is at `head`. */
static struct lead considered(struct box *box, struct lead lead, uint64_t head, uint64_t position)
{
    atomic_store(&box->header.head, head);
    atomic_store(&box->ring.words->tail, position + 1);
    lead_consider(&lead, &box->ring, position);
    return lead;
}

static void it_looks_now_and_then(void)
{
    struct box *box = box_open(8, GEOMETRY_UNBOUNDED);
    struct lead lead = considered(box, (struct lead){0}, 0, 0);
    assert_int_equal(lead.look, EACH);
    lead = considered(box, lead, 0, EACH - 1);
    assert_int_equal(lead.look, EACH);
    lead = considered(box, lead, 0, EACH + 10);
    assert_int_equal(lead.look, 2 * EACH + 10);
    box_close(box);
}

static void near_it_keeps_the_processor(void)
{
    struct box *box = box_open(8, GEOMETRY_UNBOUNDED);
    assert_int_equal(considered(box, (struct lead){0}, 0, FAR - 1).lend, 0);
    assert_int_equal(considered(box, (struct lead){0}, 1000000, 1000000 + FAR - 1).lend, 0);
    box_close(box);
}

static void far_ahead_it_lends_it(void)
{
    struct box *box = box_open(8, GEOMETRY_UNBOUNDED);
    uint64_t before = os_now();
    assert_true(considered(box, (struct lead){0}, 0, FAR).lend > before);
    assert_int_equal(considered(box, (struct lead){.look = FAR + 1}, 0, FAR).lend, 0);
    box_close(box);
}

static void not_again_before_the_pause_ends(void)
{
    struct box *box = box_open(8, GEOMETRY_UNBOUNDED);
    struct lead lead = considered(box, (struct lead){.lend = UINT64_MAX}, 0, FAR);
    assert_int_equal(lead.lend, UINT64_MAX);
    assert_int_equal(lead.look, FAR + EACH);
    lead = considered(box, (struct lead){.lend = os_now()}, 0, FAR);
    assert_true(lead.lend < os_now() + UINT64_C(1000000000000)); /* and that ends */
    box_close(box);
}

static void what_nobody_uses_is_not_lent_soon(void)
{
    assert_int_equal(lead_pause(1000, 0), 16000);
    assert_int_equal(lead_pause(1000, 2), 16000);
    assert_int_equal(lead_pause(1000, 3), 250);
    assert_int_equal(lead_pause(0, 0), 0);
    assert_int_equal(lead_pause(4000000, 100000), 1000000);
}

/* It is a hint, and no more: a head in front of the tail, and positions that do not go on. */
static void damaged_words_cost_a_yield(void)
{
    struct box *box = box_open(8, GEOMETRY_UNBOUNDED);
    static const uint64_t heads[] = {UINT64_MAX, UINT64_C(1) << 63, 5000};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        assert_int_equal(considered(box, (struct lead){0}, heads[i], 10).look, EACH + 10);
    box_close(box);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(it_looks_now_and_then),
        TEST(near_it_keeps_the_processor),
        TEST(far_ahead_it_lends_it),
        TEST(not_again_before_the_pause_ends),
        TEST(what_nobody_uses_is_not_lent_soon),
        TEST(damaged_words_cost_a_yield),
    };
    return harness_main("unit_lead", tests, sizeof tests / sizeof *tests);
}
