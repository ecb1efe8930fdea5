/* SPDX-License-Identifier: MIT */
/* The ring by itself (lib/ring.c), several threads: claims against each other and against the taker,
 * intents against the tail, and a rendezvous' mark against its withdrawal. */
#include "box.h"
#include "steps.h"

/* ------------------------------------------------------------------ rendezvous: one of two */

enum { BATCH = 1024 };

struct duel {
    struct box *box;
    unsigned batches;
    atomic_uint round, done;
    bool marked[BATCH], withdrew[BATCH];
};

static int withdraws(void *argument)
{
    struct duel *duel = argument;
    for (unsigned round = 1; round <= duel->batches; round++) {
        wait_for_turn(&duel->round, round);
        for (uint64_t i = 0; i < BATCH; i++)
            duel->withdrew[i] = ring_withdraw(&duel->box->ring, (round - 1) * BATCH + i);
        atomic_store(&duel->done, round);
    }
    return 0;
}

static void duel_round(struct duel *duel, unsigned round)
{
    struct box *box = duel->box;
    uint64_t first = box->head;
    for (uint64_t i = 0; i < BATCH; i++)
        box_send(box, i % 8);
    atomic_store(&duel->round, round);
    for (uint64_t i = 0; i < BATCH; i++)
        duel->marked[i] = ring_mark(&box->ring, first + i);
    wait_for_turn(&duel->done, round);
    for (uint64_t i = 0; i < BATCH; i++) {
        struct ring_item item;
        enum ring_result result = ring_look(&box->ring, first + i, &item);
        assert_true(duel->marked[i] != duel->withdrew[i]);
        assert_int_equal(result, duel->marked[i] ? RING_OK : RING_VOID);
        assert_int_equal(item.cells, 1);
        assert_true(result == RING_VOID || (item.taken && item.length == i % 8));
        ring_take(&box->ring, &box->head, 1);
    }
}

static void either_marked_or_withdrawn(void)
{
    struct duel *duel = calloc(1, sizeof *duel);
    assert_non_null(duel);
    duel->box = box_open(8, BATCH);
    duel->batches = (unsigned)scaled(200);
    worker w = worker_start(THREADS, withdraws, duel);
    for (unsigned round = 1; round <= duel->batches; round++)
        duel_round(duel, round);
    assert_int_equal(worker_join(w), 0);
    box_close(duel->box);
    free(duel);
}

/* ------------------------------------------------------------------ claiming against taking */

enum { CLAIMANTS = 4 };

struct crowd {
    struct box *box;
    struct intent intents[CLAIMANTS];
    unsigned claimants;
    uint64_t count;      /* messages of each */
    uint64_t cells_most; /* of a message */
    atomic_uint next;
};

static void wait_for_room(struct crowd *crowd, struct intent *intent, uint64_t cells,
                          uint64_t *seen, uint64_t *position)
{
    const struct ring *ring = &crowd->box->ring;
    for (;;) {
        bool withdrew = true;
        struct intent before = {intent->position, intent->cells};
        enum ring_result result = ring_claim(ring, intent, cells, seen, position, &withdrew);
        if (result == RING_OK)
            return;
        assert_int_equal(result, RING_FULL);
        /* An intent that was shown is withdrawn, and said to have been. */
        if (withdrew)
            assert_true(atomic_load(&intent->position) == INTENT_NONE);
        else
            assert_true(atomic_load(&intent->position) == atomic_load(&before.position));
        sched_yield();
    }
}

static int claims_and_commits(void *argument)
{
    struct crowd *crowd = argument;
    const struct ring *ring = &crowd->box->ring;
    uint64_t mine = atomic_fetch_add(&crowd->next, 1), seen = 0, position, state = mine + 1;
    struct intent *intent = &crowd->intents[mine];
    for (uint64_t i = 0; i < crowd->count; i++) {
        uint64_t cells = 1 + chance(&state) % crowd->cells_most;
        uint64_t length = (cells - 1) * ring->message_size + sizeof(uint64_t);
        wait_for_room(crowd, intent, cells, &seen, &position);
        unsigned char *payload = ring_payload(ring, position, length);
        pattern_fill(payload, length, i);
        memcpy(payload, &(uint64_t){mine << 32 | i}, sizeof(uint64_t));
        ring_commit(ring, position, cells, length);
    }
    return 0;
}

/* What recover.c decides by. All claimants live, so a hole is covered, or no hole any more. */
static void hole_must_be_covered(const struct crowd *crowd, uint64_t position)
{
    struct ring_item item;
    if (ring_claimed(&crowd->box->ring, position) != RING_HOLE)
        return;
    for (unsigned i = 0; i < crowd->claimants; i++)
        if (intent_covers(&crowd->intents[i], position))
            return;
    if (ring_look(&crowd->box->ring, position, &item) == RING_HOLE)
        fail_msg("the claim of cell %ju is not to be seen", (uintmax_t)position);
}

static uint64_t crowd_take(struct crowd *crowd)
{
    struct box *box = crowd->box;
    struct ring_item item;
    while (ring_look(&box->ring, box->head, &item) == RING_HOLE) {
        hole_must_be_covered(crowd, box->head);
        if (ring_claimed(&box->ring, box->head) == RING_EMPTY)
            sched_yield();
    }
    uint64_t number;
    unsigned char message[64];
    assert_int_equal(ring_look(&box->ring, box->head, &item), RING_OK);
    assert_in_range(item.length, sizeof number, sizeof message);
    memcpy(message, ring_payload(&box->ring, box->head, item.length), item.length);
    ring_take(&box->ring, &box->head, item.cells);
    memcpy(&number, message, sizeof number);
    for (size_t i = sizeof number; i < item.length; i++)
        if (message[i] != pattern_byte((uint32_t)number, i))
            fail_msg("message %ju is torn", (uintmax_t)number);
    return number;
}

static void crowd_runs(unsigned claimants, uint64_t bound, uint64_t cells_most, unsigned long count)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    assert_non_null(crowd);
    *crowd = (struct crowd){.claimants = claimants, .count = count, .cells_most = cells_most};
    crowd->box = box_open(16, bound);
    worker workers[CLAIMANTS];
    uint64_t expected[CLAIMANTS] = {0};
    for (unsigned i = 0; i < CLAIMANTS; i++)
        intent_none(&crowd->intents[i]);
    for (unsigned i = 0; i < claimants; i++)
        workers[i] = worker_start(THREADS, claims_and_commits, crowd);
    for (uint64_t n = 0; n < claimants * count; n++) {
        uint64_t number = crowd_take(crowd);
        assert_in_range(number >> 32, 0, claimants - 1);
        assert_int_equal((uint32_t)number, expected[number >> 32]++);
    }
    for (unsigned i = 0; i < claimants; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    assert_int_equal(ring_claimed(&crowd->box->ring, crowd->box->head), RING_EMPTY);
    box_close(crowd->box);
    free(crowd);
}

/* Looks at the newest claim all the time, where the one who claims is at work, and takes at leisure. */
static void an_intent_is_seen_before_its_claim(void)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    assert_non_null(crowd);
    *crowd = (struct crowd){.claimants = 1, .count = scaled(300000), .cells_most = 1};
    struct box *box = crowd->box = box_open(16, 64);
    struct ring_item item;
    intent_none(&crowd->intents[0]);
    worker w = worker_start(THREADS, claims_and_commits, crowd);
    for (unsigned long looks = 1; box->head < crowd->count; looks++) {
        uint64_t tail = atomic_load_explicit(&box->ring.words->tail, memory_order_acquire);
        if (looks % 1000 == 0)
            sched_yield();
        if (tail == box->head)
            continue;
        if (!intent_covers(&crowd->intents[0], tail - 1) &&
            ring_look(&box->ring, tail - 1, &item) == RING_HOLE)
            fail_msg("the claim of cell %ju is not to be seen", (uintmax_t)tail - 1);
        if (tail - box->head > 32 || tail == crowd->count)
            while (ring_look(&box->ring, box->head, &item) == RING_OK)
                ring_take(&box->ring, &box->head, item.cells);
    }
    assert_int_equal(worker_join(w), 0);
    box_close(box);
    free(crowd);
}

static void four_claim_and_one_takes(void)
{
    crowd_runs(1, 64, 4, scaled(100000));
    crowd_runs(4, 17, 4, scaled(40000));
    crowd_runs(4, 4, 4, scaled(10000));
    crowd_runs(4, 1000, 2, scaled(100000));
}

/* ------------------------------------------------------------------ overtaken */

/* One claims the only cell, and at some instruction of that the test claims it first. */
struct overtaken {
    struct steps steps;
    struct box *box;
    struct intent intent;
    bool at_once;
    bool withdrew;
};

static enum ring_result claims_at_once(struct overtaken *o)
{
    uint64_t position, end = o->box->head + 1;
    return ring_claim_at_once(&o->box->ring, &o->intent, end, &position, &o->withdrew) ? RING_OK
                                                                                       : RING_FULL;
}

static enum ring_result claims(struct overtaken *o)
{
    uint64_t position, seen = 0;
    return ring_claim(&o->box->ring, &o->intent, 1, &seen, &position, &o->withdrew);
}

static int claims_in_steps(void *argument)
{
    struct overtaken *o = argument;
    steps_begin(&o->steps);
    enum ring_result result = o->at_once ? claims_at_once(o) : claims(o);
    steps_end(&o->steps, (int)result);
    return 0;
}

enum { OLD_POSITION = 77, OUTCOMES = 3 };
enum outcome { CAME_FIRST, SHOWED_NOTHING, TOOK_IT_BACK };

/* What became of a claim that was overtaken after so many instructions. */
static enum outcome overtake(struct overtaken *o, unsigned steps, bool *inside)
{
    uint64_t position;
    atomic_store(&o->intent.position, OLD_POSITION);
    worker w = steps_start(&o->steps, claims_in_steps, o);
    *inside = true;
    for (unsigned i = 0; *inside && i < steps; i++)
        *inside = steps_next(&o->steps, w);
    enum ring_result mine = box_claim(o->box, 1, &position);
    enum ring_result its = (enum ring_result)steps_finish(&o->steps, w);
    assert_int_equal(mine, its == RING_OK ? RING_FULL : RING_OK);
    ring_take(&o->box->ring, &o->box->head, 1);
    if (its == RING_OK)
        return CAME_FIRST;
    assert_int_equal(its, RING_FULL);
    /* An intent that was shown is withdrawn, and said to have been. */
    assert_int_equal(atomic_load(&o->intent.position), o->withdrew ? INTENT_NONE : OLD_POSITION);
    return o->withdrew ? TOOK_IT_BACK : SHOWED_NOTHING;
}

static void overtake_at_each(bool at_once)
{
    struct overtaken *o = shared_memory(sizeof *o);
    unsigned seen[OUTCOMES] = {0};
    bool inside = true;
    o->at_once = at_once;
    o->box = box_open(8, 1);
    for (unsigned steps = 0; inside; steps++)
        seen[overtake(o, steps, &inside)]++;
    for (unsigned i = 0; i < OUTCOMES; i++)
        assert_int_not_equal(seen[i], 0);
    box_close(o->box);
}

static void an_intent_that_claims_nothing_is_withdrawn(enum mode mode)
{
    (void)mode;
    overtake_at_each(false);
    overtake_at_each(true);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(either_marked_or_withdrawn),
        TEST(an_intent_is_seen_before_its_claim),
        TEST(four_claim_and_one_takes),
        TEST_PROCESSES(an_intent_that_claims_nothing_is_withdrawn),
    };
    return harness_main("unit_ring_race", tests, sizeof tests / sizeof *tests);
}
