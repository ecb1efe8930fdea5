/* SPDX-License-Identifier: MIT */
/* What stands on the registry's verdict who is dead: intents and holes (lib/recover.c), the seat
 * (lib/seat.c), a rendezvous' offer (lib/offer.c). */
#include "members.h"
#include "steps.h"

#include "offer.h"
#include "recover.h"
#include "seat.h"

/* ------------------------------------------------------------------ intents */

static void show_intent(struct segment *segment, unsigned index, uint64_t position, uint64_t cells)
{
    struct intent *intent = &endpoint_of(segment, index)->intent;
    atomic_store(&intent->cells, cells);
    atomic_store(&intent->position, position);
}

static void the_living_cover_what_they_intend(void)
{
    struct segment *segment = segment_new(16);
    const struct registry *registry = &segment->registry;
    struct member a = member_new(segment), b = member_new(segment);
    unsigned of_a = member_add(&a, OWNER_SENDER), of_b = member_add(&b, OWNER_SENDER);
    assert_false(registry_covers(registry, 0));
    show_intent(segment, of_a, 10, 3);
    show_intent(segment, of_b, 13, 1);
    assert_false(registry_covers(registry, 9));
    for (uint64_t position = 10; position < 14; position++)
        assert_true(registry_covers(registry, position));
    assert_false(registry_covers(registry, 14));
    assert_false(registry_covers(registry, UINT64_MAX - 1));

    member_end(&b);
    assert_true(registry_covers(registry, 12));
    assert_false(registry_covers(registry, 13));
    /* Its slot is locked by a new process, which has not cleared away what it found: that seems to
     * live for a moment. Then it is gone, though the slot lives. */
    struct member heir = b;
    int fd = os_shm_reopen(segment->fd);
    assert_int_equal(os_lock_try(fd, LOCK_PROCESS + b.registry.slot), 0);
    assert_int_equal(os_lock_anchor(fd, &heir.anchor), 0);
    heir.registry.generation = registry_new_generation(registry);
    assert_true(registry_covers(registry, 13));
    member_attach(&heir);
    assert_false(registry_covers(registry, 13));
    assert_true(registry_slot_alive(registry, b.registry.slot));
    assert_false(registry_alive(registry, owner_of(&b, OWNER_SENDER)));
    assert_true(registry_alive(registry, owner_of(&heir, OWNER_SENDER)));

    /* The same endpoint, and the intent of its owner before. */
    assert_int_equal(member_add(&heir, OWNER_SENDER), of_b);
    assert_false(registry_covers(registry, 13));
    show_intent(segment, of_b, 13, 1);
    assert_true(registry_covers(registry, 13));
    atomic_store(&endpoint_of(segment, of_b)->owner, owner_of(&b, OWNER_SENDER));
    assert_false(registry_covers(registry, 13)); /* another generation */
    atomic_store(&endpoint_of(segment, of_b)->owner, owner_word(OWNER_SENDER, 999, 1));
    assert_false(registry_covers(registry, 13)); /* a slot without an entry */
    atomic_store(&endpoint_of(segment, of_b)->owner, 0);
    assert_false(registry_covers(registry, 13));
    member_end(&a);
    member_end(&heir);
    segment_end(segment);
}

/* ------------------------------------------------------------------ at each instruction of a look */

/* One looks, in a process of its own, and is stopped after some instructions; then something happens,
 * and it goes on. */
struct look {
    struct steps steps;
    struct segment *segment;
    struct member *living, *dead;
    uint64_t position;
    int (*run)(struct look *); /* the one who looks; its result */
    bool (*meanwhile)(struct look *);
};

static int looks(void *argument)
{
    struct look *look = argument;
    steps_begin(&look->steps);
    int result = look->run(look);
    steps_end(&look->steps, result);
    return 0;
}

/* False: it was over before it had so many steps. */
static bool look_after(struct look *look, unsigned steps, int *result, bool *meanwhile)
{
    worker w = steps_start(&look->steps, looks, look);
    bool inside = true;
    for (unsigned i = 0; inside && i < steps; i++)
        inside = steps_next(&look->steps, w);
    *meanwhile = look->meanwhile(look);
    *result = steps_finish(&look->steps, w);
    return inside;
}

enum { SHORT_LOOK = 150 }; /* instructions, in which all that matters is done */

static struct look *look_new(int (*run)(struct look *), bool (*meanwhile)(struct look *))
{
    struct look *look = shared_memory(sizeof *look);
    *look = (struct look){.run = run, .meanwhile = meanwhile, .segment = segment_new(16)};
    look->living = shared_memory(sizeof *look->living);
    look->dead = shared_memory(sizeof *look->dead);
    *look->living = member_new(look->segment);
    *look->dead = member_new(look->segment);
    return look;
}

static void look_end(struct look *look)
{
    member_end(look->living);
    segment_end(look->segment);
}

static int covers(struct look *look)
{
    return registry_covers(&look->living->registry, look->position);
}

static bool gives_its_endpoint_away(struct look *look)
{
    registry_remove(&look->segment->registry, 0);
    assert_int_equal(member_add(look->living, OWNER_SENDER), 0);
    return true;
}

/* Nobody may put the dead one's intent and the living one's name together. */
static void an_endpoint_is_given_away_without_its_intent(enum mode mode)
{
    struct look *look = look_new(covers, gives_its_endpoint_away);
    int result;
    bool done, inside = true;
    (void)mode;
    member_end(look->dead);
    for (unsigned steps = 0; inside && steps < SHORT_LOOK; steps++) {
        atomic_store(&endpoint_of(look->segment, 0)->owner, owner_of(look->dead, OWNER_SENDER));
        registry_recount(&look->segment->registry);
        show_intent(look->segment, 0, ++look->position, 1);
        inside = look_after(look, steps, &result, &done);
        if (result)
            fail_msg("it is wrong after %u instructions", steps);
    }
    look_end(look);
}

/* ------------------------------------------------------------------ holes */

static uint64_t claim_cells(struct segment *segment, unsigned index, uint64_t cells)
{
    uint64_t head = 0, position = 0;
    bool withdrew;
    assert_int_equal(ring_claim(&segment->ring, &endpoint_of(segment, index)->intent, cells, &head,
                                &position, &withdrew),
                     RING_OK);
    return position;
}

static void holes_of_the_dead_are_passed(void)
{
    struct segment *segment = segment_new(16);
    const struct registry *registry = &segment->registry;
    const struct ring *ring = &segment->ring;
    struct member living = member_new(segment), dying = member_new(segment);
    unsigned l = member_add(&living, OWNER_SENDER), d = member_add(&dying, OWNER_SENDER);
    uint64_t head = 0;
    assert_int_equal(claim_cells(segment, l, 2), 0);
    assert_int_equal(recover_hole(registry, ring, &head), RECOVER_WAIT);
    ring_commit(ring, 0, 2, 16);
    assert_int_equal(recover_hole(registry, ring, &head), RECOVER_WAIT); /* look first */
    assert_int_equal(claim_cells(segment, l, 1), 2);
    assert_int_equal(recover_hole(registry, ring, &head), RECOVER_STAMPED);
    assert_int_equal(head, 0);
    ring_take(ring, &head, 2);
    assert_int_equal(recover_hole(registry, ring, &head), RECOVER_WAIT);
    ring_commit(ring, 2, 1, 8);
    ring_take(ring, &head, 1);

    /* The dying one's three cells, between them a message of its, and the living one's at the end. */
    assert_int_equal(claim_cells(segment, d, 1), 3);
    ring_commit(ring, 3, 1, 8);
    assert_int_equal(claim_cells(segment, d, 3), 4);
    assert_int_equal(claim_cells(segment, l, 1), 7);
    assert_int_equal(recover_hole(registry, ring, &head), RECOVER_STAMPED);
    ring_take(ring, &head, 1);
    assert_int_equal(recover_hole(registry, ring, &head), RECOVER_WAIT);
    member_end(&dying);
    for (uint64_t passed = 1; passed <= 3; passed++) {
        assert_int_equal(recover_hole(registry, ring, &head), RECOVER_PASSED);
        assert_int_equal(head, 4 + passed);
        assert_int_equal(ring_head(ring), head);
        assert_int_equal(atomic_load(&segment->header->holes), passed);
    }
    assert_int_equal(recover_hole(registry, ring, &head), RECOVER_WAIT);
    ring_cancel(ring, 7, 1);
    intent_none(&endpoint_of(segment, l)->intent);
    assert_int_equal(recover_hole(registry, ring, &head), RECOVER_STAMPED);
    assert_int_equal(head, 7);
    member_end(&living);
    segment_end(segment);
}

static int recovers(struct look *look)
{
    uint64_t head = look->position;
    return (int)recover_hole(&look->dead->registry, &look->segment->ring, &head);
}

static bool commits_and_goes_on(struct look *look)
{
    ring_commit(&look->segment->ring, look->position, 1, 8);
    assert_int_equal(claim_cells(look->segment, 0, 1), look->position + 1);
    return true;
}

/* The claimant lives, commits, and shows its next intent, while the other looks at its hole. */
static void a_hole_of_the_living_is_not_passed(enum mode mode)
{
    struct look *look = look_new(recovers, commits_and_goes_on);
    int result;
    bool done, inside = true;
    (void)mode;
    assert_int_equal(member_add(look->living, OWNER_SENDER), 0);
    assert_int_equal(claim_cells(look->segment, 0, 1), 0);
    for (unsigned steps = 0; inside && steps < 20 * SHORT_LOOK; steps += steps / 100 + 1) {
        inside = look_after(look, steps, &result, &done);
        if (result == RECOVER_PASSED)
            fail_msg("it is passed after %u instructions", steps);
        uint64_t head = look->position++;
        ring_take(&look->segment->ring, &head, 1);
    }
    member_end(look->dead); /* it was the one who looks */
    look_end(look);
}

struct sending {
    struct segment *segment;
    atomic_int stop;
};

static int sends_on_and_on(void *argument)
{
    struct sending *sending = argument;
    struct segment *segment = sending->segment;
    struct intent *intent = &endpoint_of(segment, 0)->intent;
    uint64_t head = 0, position;
    bool withdrew;
    while (!atomic_load(&sending->stop)) {
        if (ring_claim(&segment->ring, intent, 1, &head, &position, &withdrew) == RING_OK)
            ring_commit(&segment->ring, position, 1, 8);
        else
            sched_yield();
    }
    return 0;
}

static void what_the_living_claimed_is_never_passed(void)
{
    struct segment *segment = segment_new(16);
    struct member living = member_new(segment);
    struct sending sending = {segment, 0};
    uint64_t head = 0;
    member_add(&living, OWNER_SENDER);
    worker w = worker_start(THREADS, sends_on_and_on, &sending);
    for (unsigned long i = 0; i < scaled(200000); i++) {
        struct ring_item item;
        while (ring_look(&segment->ring, head, &item) == RING_HOLE) {
            if (ring_claimed(&segment->ring, head) == RING_EMPTY)
                sched_yield();
            else
                assert_int_not_equal(recover_hole(&living.registry, &segment->ring, &head),
                                     RECOVER_PASSED);
        }
        ring_take(&segment->ring, &head, 1);
    }
    atomic_store(&sending.stop, 1);
    assert_int_equal(worker_join(w), 0);
    assert_int_equal(atomic_load(&segment->header->holes), 0);
    member_end(&living);
    segment_end(segment);
}

/* ------------------------------------------------------------------ the seat */

static enum seat_result opens(const struct member *member, unsigned index)
{
    return seat_open(&member->registry, seat_word(&member->registry, index));
}

static void the_seat_has_one_holder(void)
{
    struct segment *segment = segment_new(4);
    struct member a = member_new(segment), b = member_new(segment);
    unsigned of_a = member_add(&a, OWNER_RECEIVER), of_b = member_add(&b, OWNER_RECEIVER);
    unsigned second = member_add(&a, OWNER_RECEIVER);
    const struct registry *look = &segment->registry;
    uint64_t opened = seat_word(&a.registry, of_a);
    assert_int_equal(seat_holder(look), -1);
    assert_int_equal(opens(&a, of_a), SEAT_TAKEN);
    assert_int_equal(opens(&a, of_a), SEAT_TAKEN);
    assert_int_equal(seat_holder(look), of_a);
    assert_int_equal(opens(&b, of_b), SEAT_BUSY);
    assert_int_equal(opens(&a, second), SEAT_BUSY);
    assert_int_equal(seat_take(&b.registry, of_b, 0), SEAT_BUSY);
    assert_int_equal(seat_take(&b.registry, of_b, seat_word(&a.registry, second)), SEAT_BUSY);
    /* One that has not received gives way to those that inherited it; one that has does not. */
    assert_int_equal(seat_take(&b.registry, of_b, opened), SEAT_TAKEN);
    assert_int_equal(seat_holder(look), of_b);
    assert_int_equal(seat_take(&a.registry, of_a, 0), SEAT_BUSY);
    assert_int_equal(seat_take(&a.registry, of_a, opened), SEAT_BUSY);
    assert_int_equal(seat_take(&b.registry, of_b, opened), SEAT_TAKEN);
    seat_leave(&a.registry, of_a); /* not its own */
    assert_int_equal(seat_holder(look), of_b);
    seat_leave(&b.registry, of_b);
    assert_int_equal(seat_holder(look), -1);
    assert_int_equal(seat_take(&a.registry, second, opened), SEAT_TAKEN);
    assert_int_equal(seat_holder(look), second);
    assert_int_equal(atomic_load(&segment->header->takeovers), 0);
    member_end(&a);
    member_end(&b);
    segment_end(segment);
}

static void the_seat_of_the_dead_is_taken_over(void)
{
    struct segment *segment = segment_new(4);
    struct member a = member_new(segment), b = member_new(segment);
    unsigned of_a = member_add(&a, OWNER_RECEIVER), of_b = member_add(&b, OWNER_RECEIVER);
    _Atomic uint64_t *takeovers = &segment->header->takeovers;
    assert_int_equal(seat_take(&a.registry, of_a, 0), SEAT_TAKEN);
    member_end(&a);
    assert_int_equal(seat_holder(&segment->registry), -1);
    assert_int_equal(opens(&b, of_b), SEAT_TAKEN);
    assert_int_equal(atomic_load(takeovers), 1);
    assert_int_equal(seat_holder(&segment->registry), of_b);
    /* Its endpoint was given to another. */
    registry_remove(&b.registry, of_b);
    assert_int_equal(seat_holder(&segment->registry), -1);
    struct member c = member_new(segment);
    assert_int_equal(member_add(&c, OWNER_RECEIVER), of_b);
    assert_int_equal(seat_holder(&segment->registry), -1);
    assert_int_equal(seat_take(&c.registry, of_b, 0), SEAT_TAKEN);
    /* A word that names nobody. */
    static const uint64_t words[] = {1, UINT64_C(1) << 32, (ENDPOINTS_MOST + UINT64_C(1)) << 32 | 1,
                                     UINT64_MAX, UINT64_C(1) << 63};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        atomic_store(&segment->header->seat, words[i]);
        assert_int_equal(seat_holder(&segment->registry), -1);
        assert_int_equal(seat_take(&c.registry, of_b, 0), SEAT_TAKEN);
        assert_int_equal(seat_holder(&segment->registry), of_b);
    }
    member_end(&b);
    member_end(&c);
    segment_end(segment);
}

enum { RIVALS = 3 };

struct race {
    struct segment *segment;
    struct member members[RIVALS];
    unsigned endpoints[RIVALS];
    unsigned rounds;
    atomic_uint next, begun, ended, won;
    _Atomic uint64_t opened; /* the word that all have inherited */
};

static void race_round(struct race *race, unsigned round, bool (*run)(struct race *, unsigned),
                       unsigned mine)
{
    atomic_fetch_add(&race->begun, 1);
    while (atomic_load(&race->begun) < round * RIVALS)
        sched_yield();
    if (run(race, mine))
        atomic_fetch_add(&race->won, 1);
    atomic_fetch_add(&race->ended, 1);
    while (atomic_load(&race->ended) < round * RIVALS)
        sched_yield();
}

static bool takes_the_seat(struct race *race, unsigned mine)
{
    return seat_take(&race->members[mine].registry, race->endpoints[mine],
                     atomic_load(&race->opened)) == SEAT_TAKEN;
}

/* The seat's holder was dead, or had not received, or nobody. */
static int races_for_the_seat(void *argument)
{
    struct race *race = argument;
    unsigned mine = atomic_fetch_add(&race->next, 1);
    for (unsigned round = 1; round <= race->rounds; round++) {
        race_round(race, round, takes_the_seat, mine);
        assert_int_equal(atomic_load(&race->won), round);
        if (seat_holder(&race->segment->registry) == (int)race->endpoints[mine]) {
            const struct member *member = &race->members[mine];
            seat_leave(&member->registry, race->endpoints[mine]);
            if (round % 2) {
                assert_int_equal(opens(member, race->endpoints[mine]), SEAT_TAKEN);
                atomic_store(&race->opened, seat_word(&member->registry, race->endpoints[mine]));
            }
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ a rendezvous' offer */

static void an_offer_is_accepted_once(void)
{
    struct segment *segment = segment_new(0);
    struct member r = member_new(segment), s = member_new(segment), t = member_new(segment);
    uint64_t rx = owner_of(&r, OWNER_RECEIVER), tx = owner_of(&s, OWNER_SENDER);
    uint64_t other = owner_of(&t, OWNER_SENDER);
    _Atomic uint64_t *offer = &segment->header->offer;
    const struct registry *of_r = &r.registry, *of_s = &s.registry, *of_t = &t.registry;

    assert_false(offer_accept(of_s, tx)); /* nobody waits */
    offer_open(of_r, rx);
    offer_open(of_r, rx);
    assert_true(offer_close(of_r, rx, false));
    assert_int_equal(atomic_load(offer), 0);
    assert_false(offer_accept(of_s, tx));
    assert_true(offer_close(of_r, rx, false)); /* there is none */

    offer_open(of_r, rx);
    assert_true(offer_accept(of_s, tx));
    assert_false(offer_accept(of_s, tx));
    assert_false(offer_accept(of_t, other));
    offer_open(of_r, rx); /* what is accepted stands */
    assert_int_equal(atomic_load(offer), tx);
    assert_false(offer_close(of_r, rx, false));
    assert_false(offer_close(of_r, rx, true)); /* that is another's message */
    offer_claimed(of_s, tx);
    assert_false(offer_close(of_r, rx, false));
    assert_true(offer_close(of_r, rx, true));
    offer_open(of_r, rx);
    assert_false(offer_accept(of_t, other));
    offer_done(of_s);
    assert_true(offer_close(of_r, rx, false));
    for (int i = 0; i < 3; i++) {
        offer_open(of_r, rx);
        assert_true(offer_accept(of_t, other));
        offer_done(of_t); /* it declined */
        assert_int_equal(atomic_load(offer), 0);
    }
    member_end(&r);
    member_end(&s);
    member_end(&t);
    segment_end(segment);
}

static void the_dead_keep_no_offer(void)
{
    struct segment *segment = segment_new(0);
    struct member r = member_new(segment), heir = member_new(segment), s = member_new(segment);
    uint64_t rx = owner_of(&r, OWNER_RECEIVER), next = owner_of(&heir, OWNER_RECEIVER);
    _Atomic uint64_t *offer = &segment->header->offer;
    offer_open(&r.registry, rx);
    offer_open(&heir.registry, next); /* who waits has the seat: what another left is none */
    assert_int_equal(atomic_load(offer), next);
    atomic_store(offer, rx);
    member_end(&r);
    assert_false(offer_accept(&s.registry, owner_of(&s, OWNER_SENDER)));
    assert_true(offer_close(&heir.registry, next, false));
    assert_int_equal(atomic_load(offer), 0);
    atomic_store(offer, rx);
    offer_open(&heir.registry, next);
    assert_int_equal(atomic_load(offer), next);
    /* A sender that dies after it has accepted, or claimed. */
    for (int claimed = 0; claimed < 2; claimed++) {
        uint64_t tx = owner_of(&s, OWNER_SENDER);
        assert_true(offer_accept(&s.registry, tx));
        if (claimed)
            offer_claimed(&s.registry, tx);
        assert_false(offer_close(&heir.registry, next, false));
        member_end(&s);
        if (claimed) {
            offer_open(&heir.registry, next);
            assert_int_equal(atomic_load(offer), next);
        }
        assert_true(offer_close(&heir.registry, next, false));
        assert_int_equal(atomic_load(offer), 0);
        s = member_new(segment);
        offer_open(&heir.registry, next);
    }
    member_end(&s);
    member_end(&heir);
    segment_end(segment);
}

static int accepts(struct look *look)
{
    return offer_accept(&look->dead->registry, owner_of(look->dead, OWNER_SENDER));
}

static bool closes(struct look *look)
{
    return offer_close(&look->living->registry, owner_of(look->living, OWNER_RECEIVER), false);
}

/* Closed before it is accepted, or accepted before it is closed, wherever they meet. */
static void an_offer_is_not_both(enum mode mode)
{
    struct look *look = look_new(accepts, closes);
    int accepted;
    bool closed, inside = true;
    (void)mode;
    for (unsigned steps = 0; inside && steps < 20 * SHORT_LOOK; steps += steps / 100 + 1) {
        atomic_store(&look->segment->header->offer, 0);
        offer_open(&look->living->registry, owner_of(look->living, OWNER_RECEIVER));
        inside = look_after(look, steps, &accepted, &closed);
        if (accepted + closed != 1)
            fail_msg("accepted %d and closed %d after %u instructions", accepted, closed, steps);
    }
    member_end(look->dead);
    look_end(look);
}

/* Number 0 is the receiver, which gives up; the others are senders. */
static bool acts_on_the_offer(struct race *race, unsigned mine)
{
    const struct registry *registry = &race->members[mine].registry;
    uint64_t rx = owner_of(&race->members[0], OWNER_RECEIVER);
    if (mine == 0)
        return offer_close(registry, rx, false);
    return offer_accept(registry, owner_of(&race->members[mine], OWNER_SENDER));
}

static int races_for_the_offer(void *argument)
{
    struct race *race = argument;
    unsigned mine = atomic_fetch_add(&race->next, 1);
    for (unsigned round = 1; round <= race->rounds; round++) {
        if (mine == 0) {
            atomic_store(&race->segment->header->offer, 0);
            offer_open(&race->members[0].registry, owner_of(&race->members[0], OWNER_RECEIVER));
        }
        race_round(race, round, acts_on_the_offer, mine);
        assert_int_equal(atomic_load(&race->won), round);
    }
    return 0;
}

static void race_runs(int (*body)(void *), enum owner_kind kind)
{
    struct race *race = calloc(1, sizeof *race);
    worker workers[RIVALS];
    assert_non_null(race);
    race->segment = segment_new(4);
    race->rounds = (unsigned)scaled(2000);
    for (unsigned i = 0; i < RIVALS; i++) {
        race->members[i] = member_new(race->segment);
        race->endpoints[i] = member_add(&race->members[i], kind);
    }
    for (unsigned i = 0; i < RIVALS; i++)
        workers[i] = worker_start(THREADS, body, race);
    for (unsigned i = 0; i < RIVALS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    for (unsigned i = 0; i < RIVALS; i++)
        member_end(&race->members[i]);
    segment_end(race->segment);
    free(race);
}

static void one_of_many_gets_the_seat(void)
{
    race_runs(races_for_the_seat, OWNER_RECEIVER);
}

static void an_offer_is_closed_or_accepted(void)
{
    race_runs(races_for_the_offer, OWNER_SENDER);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(the_living_cover_what_they_intend),
        TEST_PROCESSES(an_endpoint_is_given_away_without_its_intent),
        TEST_PROCESSES(a_hole_of_the_living_is_not_passed),
        TEST_PROCESSES(an_offer_is_not_both),
        TEST(holes_of_the_dead_are_passed),
        TEST(what_the_living_claimed_is_never_passed),
        TEST(the_seat_has_one_holder),
        TEST(the_seat_of_the_dead_is_taken_over),
        TEST(one_of_many_gets_the_seat),
        TEST(an_offer_is_accepted_once),
        TEST(the_dead_keep_no_offer),
        TEST(an_offer_is_closed_or_accepted),
    };
    return harness_main("unit_seat", tests, sizeof tests / sizeof *tests);
}
