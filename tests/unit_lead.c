/* SPDX-License-Identifier: MIT */
/* A sender's lead (lib/lead.c): when it looks how far it is ahead, when it lends the processor, and
 * for how long it does not do so again. */
#include "box.h"
#include "together.h"

#include "lead.h"

#include <sys/syscall.h>
#include <unistd.h>

enum { EACH = 512, FAR = 2048 };

/* ------------------------------------------------------------------ yields, seen */

static unsigned yields;
static void (*at_yield)(void);

int sched_yield(void)
{
    yields++;
    if (at_yield)
        at_yield();
    return (int)syscall(SYS_sched_yield);
}

/* About to claim `tail`; the receiver is at `head`. */
static struct lead considered(struct box *box, struct lead lead, uint64_t head, uint64_t tail)
{
    yields = 0;
    atomic_store(&box->header.head, head);
    atomic_store(&box->ring.words->tail, tail);
    lead_consider(&lead, &box->ring, true);
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
    considered(box, (struct lead){0}, 0, FAR - 1);
    assert_int_equal(yields, 0);
    considered(box, (struct lead){0}, 1000000, 1000000 + FAR - 1);
    assert_int_equal(yields, 0);
    /* Others have sent since it read the tail; or its ring was closed, and is used up. */
    considered(box, (struct lead){0}, 11, 10);
    assert_int_equal(yields, 0);
    considered(box, (struct lead){0}, 5000, 600 | RING_CLOSED);
    assert_int_equal(yields, 0);
    box_close(box);
}

static void far_ahead_it_lends_it(void)
{
    struct box *box = box_open(8, GEOMETRY_UNBOUNDED);
    struct lead lead = considered(box, (struct lead){0}, 0, FAR);
    assert_int_equal(yields, 1);
    assert_true(lead.lend > 0);
    lead = considered(box, (struct lead){0}, 0, FAR | RING_CLOSED);
    assert_int_equal(yields, 1);
    assert_int_equal(lead.look, FAR + EACH);
    considered(box, (struct lead){.look = FAR + 1}, 0, FAR);
    assert_int_equal(yields, 0);
    box_close(box);
}

static void whoever_may_not_wait_keeps_it(void)
{
    struct box *box = box_open(8, GEOMETRY_UNBOUNDED);
    struct lead lead = {0};
    yields = 0;
    atomic_store(&box->ring.words->tail, FAR);
    lead_consider(&lead, &box->ring, false);
    assert_int_equal(yields, 0);
    assert_int_equal(lead.look, FAR + EACH);
    box_close(box);
}

static void not_again_before_the_pause_ends(void)
{
    struct box *box = box_open(8, GEOMETRY_UNBOUNDED);
    struct lead lead = considered(box, (struct lead){.lend = UINT64_MAX}, 0, FAR);
    assert_int_equal(yields, 0);
    assert_int_equal(lead.look, FAR + EACH);
    considered(box, (struct lead){.lend = os_now()}, 0, FAR);
    assert_int_equal(yields, 1);
    box_close(box);
}

static void what_nobody_uses_is_not_lent_soon(void)
{
    assert_int_equal(lead_pause(1000, 0), 16000);
    assert_int_equal(lead_pause(1000, 2), 16000);
    assert_int_equal(lead_pause(1000, 3), 250);
    assert_int_equal(lead_pause(0, 0), 0);
    assert_int_equal(lead_pause(4000000, 100000), 1000000);
    /* An hour: it was stopped. */
    assert_int_equal(lead_pause(UINT64_C(3600000000000), 0), UINT64_C(16000000000));
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

/* ------------------------------------------------------------------ in the calls */

enum { MESSAGES = 3 * FAR };

static struct ends ends;
static mpsc_sender *other;
static uint64_t sent;

static void sends(uint64_t messages, mpsc_status (*send)(mpsc_sender *, const void *, size_t))
{
    yields = 0;
    for (sent = 0; sent < messages; sent++)
        assert_status(send(ends.tx, &sent, sizeof sent), MPSC_OK);
}

/* What others send meanwhile comes through: nothing is claimed. */
static void another_sends_and_all_is_received(void)
{
    uint64_t number, received = 0;
    size_t length;
    at_yield = NULL;
    assert_status(mpsc_try_send(other, &sent, sizeof sent), MPSC_OK);
    while (mpsc_try_recv(ends.rx, &number, sizeof number, &length) == MPSC_OK)
        received++;
    assert_int_equal(received, sent + 1);
    assert_int_equal(mpsc_len(ends.rx), 0);
}

static void it_lends_before_it_claims(void)
{
    ends = ends_open(8, MPSC_UNBOUNDED);
    other = clone_of(ends.tx);
    at_yield = another_sends_and_all_is_received;
    sends(FAR + EACH + 1, mpsc_send);
    assert_int_equal(yields, 1);
    assert_null(at_yield);
    mpsc_sender_close(other);
    ends_close(ends);
}

static void a_batch_does_too(void)
{
    uint64_t number = 0;
    struct iovec batch[2] = {{&number, sizeof number}, {&number, sizeof number}};
    size_t count;
    ends = ends_open(8, MPSC_UNBOUNDED);
    other = clone_of(ends.tx);
    sends(FAR, mpsc_try_send);
    at_yield = another_sends_and_all_is_received;
    while (at_yield) {
        assert_status(mpsc_send_batch(ends.tx, batch, 2, &count), MPSC_OK);
        sent += 2;
        assert_true(sent <= FAR + EACH + 2);
    }
    mpsc_sender_close(other);
    ends_close(ends);
}

static void try_calls_and_bounded_channels_do_not(void)
{
    ends = ends_open(8, MPSC_UNBOUNDED);
    sends(MESSAGES, mpsc_try_send);
    assert_int_equal(yields, 0);
    ends_close(ends);
    ends = ends_open(8, MESSAGES);
    sends(MESSAGES, mpsc_send);
    assert_status(mpsc_recv(ends.rx, &sent, sizeof sent, NULL), MPSC_OK);
    assert_status(mpsc_send(ends.tx, &sent, sizeof sent), MPSC_OK);
    assert_int_equal(yields, 0);
    ends_close(ends);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(it_looks_now_and_then),
        TEST(near_it_keeps_the_processor),
        TEST(far_ahead_it_lends_it),
        TEST(whoever_may_not_wait_keeps_it),
        TEST(not_again_before_the_pause_ends),
        TEST(what_nobody_uses_is_not_lent_soon),
        TEST(damaged_words_cost_a_yield),
        TEST(it_lends_before_it_claims),
        TEST(a_batch_does_too),
        TEST(try_calls_and_bounded_channels_do_not),
    };
    return harness_main("unit_lead", tests, sizeof tests / sizeof *tests);
}
