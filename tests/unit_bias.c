/* SPDX-License-Identifier: MIT */
/* A ring's bias (lib/bias.c): who is given it, who has to revoke it, and that no cell is claimed
 * twice, wherever its owner and the others are at that moment, or die. */
#include "alone.h"
#include "members.h"
#include "steps.h"

#include "attachment.h"
#include "bias.h"
#include "condvar.h"

#include <limits.h>

enum { BOUND = 16, PARTIES_MOST = 3 };

/* A sender, of a process of its own as far as the others can tell. */
struct party {
    struct segment *segment;
    struct member member;
    struct ring ring;
    unsigned index;
    uint64_t room;
    bool here; /* it has an endpoint */
    bool dead;
};

static struct scene {
    struct segment *segment;
    struct party *parties[PARTIES_MOST];
    unsigned count;
} scene;

static struct party *party_new(void)
{
    struct party *party = shared_memory(sizeof *party);
    *party = (struct party){.segment = scene.segment, .member = member_new(scene.segment)};
    party->ring = scene.segment->ring;
    scene.parties[scene.count++] = party;
    return party;
}

static void comes(struct party *party)
{
    party->index = member_add(&party->member, OWNER_SENDER);
    party->here = true;
}

static void leaves(const struct party *party)
{
    registry_remove(&party->member.registry, party->index);
}

static struct party *another(void)
{
    struct party *party = party_new();
    comes(party);
    return party;
}

static void party_dies(struct party *party)
{
    member_end(&party->member);
    party->dead = true;
}

static void scene_close(void)
{
    for (unsigned i = 0; i < scene.count; i++) {
        if (!scene.parties[i]->dead)
            party_dies(scene.parties[i]);
        munmap(scene.parties[i], sizeof *scene.parties[i]);
    }
    segment_end(scene.segment);
    scene = (struct scene){0};
}

static struct endpoint *line_of(const struct party *party)
{
    return endpoint_of(party->segment, party->index);
}

static enum bias_state state_of(const struct party *party)
{
    return (enum bias_state)(atomic_load(&party->ring.words->bias) & BIAS_STATE);
}

static void has_sent(const struct party *party, uint64_t messages)
{
    atomic_store(&line_of(party)->messages, messages);
}

/* The first sender of a new segment. */
static struct party *scene_open(uint64_t bound)
{
    scene.segment = segment_new(bound);
    struct party *party = another();
    has_sent(party, BIAS_AFTER);
    return party;
}

static bool considers(struct party *party)
{
    bias_consider(&party->member.registry, &party->ring, party->index);
    return party->ring.bias != RING_UNBIASED;
}

static enum ring_result claims(struct party *party, uint64_t *position)
{
    bool withdrew;
    return ring_claim(&party->ring, &line_of(party)->intent, 1, &party->room, position, &withdrew);
}

/* Until it is claimed: its position. */
static int claims_at_last(struct party *party)
{
    uint64_t position = 0;
    enum ring_result result;
    while ((result = claims(party, &position)) == RING_BIASED)
        while (!bias_revoke(&party->member.registry, party->ring.words))
            os_yield();
    assert_int_equal(result, RING_OK);
    return (int)position;
}

static bool revokes(struct party *party)
{
    return bias_revoke(&party->member.registry, party->ring.words);
}

/* ------------------------------------------------------------------ who is given it */

static void an_only_sender_is_given_it(void)
{
    struct party *a = scene_open(BOUND);
    uint64_t position;
    has_sent(a, BIAS_AFTER - 1);
    assert_false(considers(a));
    has_sent(a, BIAS_AFTER);
    assert_true(considers(a));
    assert_int_equal(state_of(a), BIAS_GIVEN);
    uint64_t word = a->ring.bias;
    for (uint64_t i = 0; i < BOUND; i++) {
        assert_int_equal(claims(a, &position), RING_OK);
        assert_int_equal(position, i);
        assert_true(considers(a));
    }
    assert_int_equal(claims(a, &position), RING_FULL); /* the bound is the same */
    assert_int_equal(a->ring.bias, word);
    assert_null(bias_check(a->ring.words, true));
    scene_close();
}

static void one_of_several_is_not(void)
{
    struct party *a = scene_open(BOUND), *b = another();
    assert_false(considers(a));
    leaves(b);
    assert_true(considers(a));
    scene_close();
}

/* Whoever cannot be reached by membarrier could claim at the same time. */
static void nobody_is_where_membarrier_is_not_to_be_had(void)
{
    struct party *a = scene_open(BOUND);
    condvar_burden(&scene.segment->header->room);
    assert_false(considers(a));
    assert_int_equal(state_of(a), BIAS_NONE);
    scene_close();
}

/* ------------------------------------------------------------------ revoking */

static void another_sender_revokes_it_first(void)
{
    struct party *a = scene_open(BOUND);
    uint64_t position;
    assert_int_equal(claims_at_last(a), 0);
    assert_true(considers(a));
    struct party *b = another();
    assert_int_equal(claims(b, &position), RING_BIASED);
    assert_int_equal(atomic_load(&line_of(b)->intent.position), INTENT_NONE);
    assert_true(revokes(b));
    assert_int_equal(claims(b, &position), RING_OK);
    assert_int_equal(position, 1);
    assert_int_equal(claims(a, &position), RING_OK);
    assert_int_equal(position, 2);
    assert_false(considers(a)); /* two are here */
    leaves(b);
    assert_true(considers(a));
    scene_close();
}

static bool is_told(struct condvar *condvar)
{
    return !(atomic_load(&condvar->waiting) & CONDVAR_ASLEEP);
}

/* Who revokes showed an intent and withdrew it, and a receiver may be asleep over that; and those who were held
 * up may go on. A loan tells nobody else before it is sent. */
static void who_revokes_tells_who_sleeps(void)
{
    mpsc_sender *owner, *other;
    mpsc_receiver *rx;
    mpsc_status status;
    assert_status(mpsc_sync_channel(sizeof(int), BOUND, &owner, &rx), MPSC_OK);
    has_sent_much(owner);
    assert_status(mpsc_send(owner, &(int){1}, sizeof(int)), MPSC_OK);
    struct header *header = ((const struct handle *)owner)->segment->header;
    assert_int_equal(atomic_load(&header->rings[0].bias) & BIAS_STATE, BIAS_GIVEN);

    assert_status(mpsc_sender_clone(owner, &other), MPSC_OK);
    condvar_prepare(&header->arrived);
    condvar_prepare(&header->room);
    void *loan = mpsc_loan(other, sizeof(int), &status);
    assert_status(status, MPSC_OK);
    assert_true(is_told(&header->arrived));
    assert_true(is_told(&header->room));
    assert_status(mpsc_cancel_loan(other, loan), MPSC_OK);
    mpsc_sender_close(other);
    mpsc_sender_close(owner);
    mpsc_receiver_close(rx);
}

/* Its intent is at the tail: it may be about to store that. */
static void what_is_about_to_be_claimed_holds_up_others(void)
{
    struct party *a = scene_open(BOUND);
    assert_int_equal(claims_at_last(a), 0);
    assert_true(considers(a));
    struct party *b = another(), *c = another();
    intent_store(&line_of(a)->intent, 1, 2);
    assert_false(bias_holds_up(&scene.segment->registry, a->ring.words)); /* nobody asked yet */
    for (int i = 0; i < 3; i++) {
        assert_false(revokes(i % 2 ? b : c));
        assert_int_equal(state_of(a), BIAS_REVOKED);
        assert_true(bias_holds_up(&scene.segment->registry, a->ring.words));
    }
    atomic_store(&a->ring.words->tail, 3);
    assert_false(bias_holds_up(&scene.segment->registry, a->ring.words));
    assert_true(revokes(b));
    assert_int_equal(state_of(a), BIAS_NONE);
    assert_int_equal(claims_at_last(c), 3);
    scene_close();
}

static void an_intent_that_is_withdrawn_does_not(void)
{
    struct party *a = scene_open(BOUND);
    assert_true(considers(a));
    struct party *b = another();
    intent_store(&line_of(a)->intent, 0, 1);
    assert_false(revokes(b));
    intent_none(&line_of(a)->intent);
    assert_true(revokes(b));
    scene_close();
}

static void nor_does_one_of_the_dead(void)
{
    struct party *a = scene_open(BOUND);
    assert_true(considers(a));
    struct party *b = another();
    intent_store(&line_of(a)->intent, 0, 1);
    assert_false(revokes(b));
    party_dies(a);
    assert_true(revokes(b));
    assert_int_equal(claims_at_last(b), 0);
    scene_close();
}

static void damage_ends(void)
{
    static const uint64_t index[] = {
        0, 1, 9999, ENDPOINTS_MOST - 1, ENDPOINTS_MOST, UINT64_MAX >> 2};
    struct party *b = scene_open(100), *c = another();
    for (size_t i = 0; i < sizeof index / sizeof *index; i++)
        for (uint64_t state = BIAS_NONE; state <= BIAS_STATE; state++) {
            uint64_t word = index[i] << 2 | state;
            bool sound = word == 0 || ((state == BIAS_GIVEN || state == BIAS_REVOKED) &&
                                       index[i] < ENDPOINTS_MOST);
            atomic_store(&b->ring.words->bias, word);
            assert_int_equal(bias_check(b->ring.words, true) == NULL, sound);
            assert_int_equal(bias_check(b->ring.words, false) == NULL, word == 0);
            int position = claims_at_last(b);
            assert_int_equal(claims_at_last(c), position + 1);
            assert_int_equal(state_of(b), BIAS_NONE);
            atomic_store(&b->ring.words->bias, word);
            assert_true(revokes(b));
            assert_int_equal(state_of(b), BIAS_NONE);
        }
    scene_close();
}

/* What holds up the others is waited for, as if it were revoked, until it is over. */
static void an_unknown_state_is_as_if_revoked(void)
{
    struct party *a = scene_open(BOUND), *b = another();
    intent_store(&line_of(a)->intent, 0, 1);
    atomic_store(&a->ring.words->bias, (uint64_t)a->index << 2 | BIAS_STATE);
    assert_false(revokes(b));
    assert_true(bias_holds_up(&scene.segment->registry, a->ring.words));
    intent_none(&line_of(a)->intent);
    assert_true(revokes(b));
    assert_int_equal(claims_at_last(b), 0);
    scene_close();
}

/* There nobody has a bias that could be revoked. */
static void where_none_may_be_one_is_damage(void)
{
    uint64_t number = 0;
    struct ends ends = ends_open(8, MPSC_UNBOUNDED);
    mpsc_sender *clone = clone_of(ends.tx);
    const struct handle *handle = (const struct handle *)clone;
    atomic_store(&handle->endpoint->intent.position, 100);
    atomic_store(&handle->segment->header->rings[0].bias,
                 (uint64_t)handle->index << 2 | BIAS_REVOKED);
    assert_status(mpsc_try_send(ends.tx, &number, sizeof number), MPSC_CORRUPT);
    assert_status(mpsc_send_timeout(ends.tx, &number, sizeof number, MILLISECONDS), MPSC_CORRUPT);
    assert_non_null(segment_check(handle->segment));
    mpsc_sender_close(clone);
    ends_close(ends);
}

static int child_sends(void *tx)
{
    uint64_t number = 1;
    return mpsc_send(tx, &number, sizeof number) == MPSC_OK ? 0 : 1;
}

/* Its handle is a copy of one that has it. */
static void a_child_has_not_its_parent_s(enum mode mode)
{
    uint64_t number = 0;
    struct ends ends = ends_open(8, BOUND);
    const struct segment *segment = ((const struct handle *)ends.tx)->segment;
    (void)mode;
    has_sent_much(ends.tx);
    assert_status(mpsc_send(ends.tx, &number, sizeof number), MPSC_OK);
    assert_int_equal(atomic_load(&segment->ring.words->bias) & BIAS_STATE, BIAS_GIVEN);
    assert_int_equal(worker_join(worker_start(PROCESSES, child_sends, ends.tx)), 0);
    assert_int_equal(atomic_load(&segment->ring.words->bias), BIAS_NONE);
    assert_status(mpsc_send(ends.tx, &number, sizeof number), MPSC_OK);
    assert_int_equal(mpsc_len(ends.rx), 3);
    ends_close(ends);
}

/* ------------------------------------------------------------------ at each instruction */

/* One is stopped after some instructions; another one does something meanwhile; then the first goes
 * on. (Deaths are proof.c's matter.) `owner` was there before `guest`, and may ask for the bias. */
struct duel {
    struct steps steps;
    struct party *owner, *guest;
    void (*before)(struct duel *);
    int (*run)(struct duel *);        /* the one that is stopped; its position */
    bool (*meanwhile)(struct duel *); /* true: it has claimed `position` */
    uint64_t position;
};

static int fights(void *argument)
{
    struct duel *duel = argument;
    steps_begin(&duel->steps);
    int position = duel->run(duel);
    steps_end(&duel->steps, position);
    return 0;
}

static void guest_is_here(struct duel *duel)
{
    comes(duel->guest);
}

static void owner_has_it(struct duel *duel)
{
    assert_true(considers(duel->owner));
    comes(duel->guest);
}

static void owner_is_alone(struct duel *duel)
{
    (void)duel;
}

static int owner_claims(struct duel *duel)
{
    return claims_at_last(duel->owner);
}

static int owner_asks_and_claims(struct duel *duel)
{
    considers(duel->owner);
    return claims_at_last(duel->owner);
}

static int guest_claims(struct duel *duel)
{
    return claims_at_last(duel->guest);
}

static int guest_comes_and_claims(struct duel *duel)
{
    comes(duel->guest);
    return claims_at_last(duel->guest);
}

static int guest_claims_and_leaves(struct duel *duel)
{
    int position = claims_at_last(duel->guest);
    leaves(duel->guest);
    return position;
}

/* It does not wait: the one that is stopped may be in its way. */
static bool claims_if_it_can(struct duel *duel, struct party *party)
{
    enum ring_result result;
    do
        result = claims(party, &duel->position);
    while (result == RING_BIASED && revokes(party));
    assert_true(result == RING_OK || result == RING_BIASED);
    return result == RING_OK;
}

static bool the_guest_claims(struct duel *duel)
{
    return claims_if_it_can(duel, duel->guest);
}

static bool the_guest_comes_and_claims(struct duel *duel)
{
    if (!duel->guest->here)
        comes(duel->guest);
    return claims_if_it_can(duel, duel->guest);
}

static bool the_owner_claims(struct duel *duel)
{
    return claims_if_it_can(duel, duel->owner);
}

static bool the_owner_asks_and_claims(struct duel *duel)
{
    considers(duel->owner);
    return claims_if_it_can(duel, duel->owner);
}

/* Everything anew for each try. The instructions that the one had before the other came: `most`, or
 * all that there are. */
static unsigned duel_after(unsigned most, struct duel *duel, unsigned *held)
{
    duel->owner = scene_open(BOUND);
    duel->guest = party_new();
    duel->before(duel);
    worker w = steps_start(&duel->steps, fights, duel);
    unsigned steps = 0;
    while (steps < most && steps_next(&duel->steps, w))
        steps++;
    bool claimed = duel->meanwhile(duel);
    *held += !claimed;
    int position = steps_finish(&duel->steps, w);
    if (!claimed)
        assert_true(duel->meanwhile(duel));
    uint64_t tail = atomic_load(&duel->owner->ring.words->tail);
    if (position == (int)duel->position || tail != 2)
        fail_msg("after %u instructions: both at %d, or the tail is wrong: %d", steps, position,
                 (int)tail);
    scene_close();
    return steps;
}

enum { MANY = 120 };

/* At each instruction, or at so many of more; how often the other one was held up. */
static unsigned duel_of(void (*before)(struct duel *), int (*run)(struct duel *),
                        bool (*meanwhile)(struct duel *), unsigned long tries)
{
    struct duel *duel = shared_memory(sizeof *duel);
    unsigned held = 0;
    duel->before = before;
    duel->run = run;
    duel->meanwhile = meanwhile;
    unsigned all = duel_after(UINT_MAX, duel, &held);
    for (unsigned steps = 0; steps < all; steps += all / (unsigned)tries + 1)
        duel_after(steps, duel, &held);
    munmap(duel, sizeof *duel);
    return held;
}

static void its_owner_claims_and_another_revokes(enum mode mode)
{
    (void)mode;
    /* From its intent to its store. */
    assert_true(duel_of(owner_has_it, owner_claims, the_guest_claims, MANY) > 0);
}

static void goes_on(struct duel *duel, worker w, unsigned steps)
{
    while (steps > 0 && steps_next(&duel->steps, w))
        steps--;
}

/* The instructions until it changes a word. */
static unsigned goes_on_until(struct duel *duel, worker w, _Atomic uint64_t *word)
{
    uint64_t before = atomic_load(word);
    unsigned steps = 0;
    do
        steps++;
    while (steps_next(&duel->steps, w) && atomic_load(word) == before);
    return steps;
}

/* Two that are stopped. */
struct standoff {
    struct duel *owners, *guests;
    struct ring_words *words;
    worker owner, guest;
};

static void standoff_open(struct standoff *standoff)
{
    struct duel *owners = shared_memory(sizeof *owners), *guests = shared_memory(sizeof *guests);
    *owners = (struct duel){.owner = scene_open(BOUND), .run = owner_asks_and_claims};
    *guests = (struct duel){.guest = party_new(), .run = guest_comes_and_claims};
    *standoff = (struct standoff){owners, guests, scene.segment->ring.words,
                                  steps_start(&owners->steps, fights, owners),
                                  steps_start(&guests->steps, fights, guests)};
}

/* The guest first. */
static void standoff_close(struct standoff *standoff)
{
    int guest = steps_finish(&standoff->guests->steps, standoff->guest);
    int owner = steps_finish(&standoff->owners->steps, standoff->owner);
    uint64_t tail = atomic_load(&standoff->words->tail);
    if (owner == guest || tail != 2)
        fail_msg("the owner is at %d, the guest at %d, the tail at %d", owner, guest, (int)tail);
    scene_close();
    munmap(standoff->owners, sizeof *standoff->owners);
    munmap(standoff->guests, sizeof *standoff->guests);
}

/* Until it gives itself the bias, and from there until it moves the tail. */
static void instructions_of_owner(unsigned *to_bias, unsigned *to_tail)
{
    struct standoff alone;
    standoff_open(&alone);
    *to_bias = goes_on_until(alone.owners, alone.owner, &alone.words->bias);
    *to_tail = goes_on_until(alone.owners, alone.owner, &alone.words->tail);
    standoff_close(&alone);
}

/* At so many of its instructions, and at that one at which it is about to store. */
static void one_asks_and_another_comes(enum mode mode)
{
    struct duel *duel = shared_memory(sizeof *duel);
    unsigned to_bias, to_tail, held = 0;
    (void)mode;
    duel_of(owner_is_alone, owner_asks_and_claims, the_guest_comes_and_claims, scaled(MANY));
    instructions_of_owner(&to_bias, &to_tail);
    *duel = (struct duel){.before = owner_is_alone,
                          .run = owner_asks_and_claims,
                          .meanwhile = the_guest_comes_and_claims};
    duel_after(to_bias + to_tail - 1, duel, &held);
    assert_int_equal(held, 1);
    munmap(duel, sizeof *duel);
}

/* The owner is about to give itself the bias; then the guest comes, and is about to move the tail;
 * then the owner is. */
static void one_asks_and_another_is_claiming(enum mode mode)
{
    struct standoff alone, both;
    unsigned to_bias, to_tail;
    (void)mode;
    instructions_of_owner(&to_bias, &to_tail);
    standoff_open(&alone);
    unsigned guests = goes_on_until(alone.guests, alone.guest, &alone.words->tail);
    standoff_close(&alone);

    standoff_open(&both);
    goes_on(both.owners, both.owner, to_bias - 1);
    goes_on(both.guests, both.guest, guests - 1);
    assert_int_equal(atomic_load(&both.words->bias), BIAS_NONE);
    assert_int_equal(atomic_load(&both.words->tail), 0);
    assert_int_equal(registry_senders(&scene.segment->registry), 2);
    goes_on(both.owners, both.owner, to_tail);
    standoff_close(&both);
}

static void one_comes_and_another_asks(enum mode mode)
{
    (void)mode;
    duel_of(owner_is_alone, guest_comes_and_claims, the_owner_asks_and_claims, scaled(MANY));
}

static void one_leaves_and_another_asks(enum mode mode)
{
    (void)mode;
    assert_int_equal(
        duel_of(guest_is_here, guest_claims_and_leaves, the_owner_asks_and_claims, scaled(MANY)),
        0);
}

static void one_revokes_and_its_owner_claims(enum mode mode)
{
    (void)mode;
    assert_int_equal(duel_of(owner_has_it, guest_claims, the_owner_claims, scaled(MANY)), 0);
}

/* ------------------------------------------------------------------ all the time */

/* An owner that asks again and again, and others that come, claim and leave; each cell is claimed
 * by one of them. The others stay away at times, until the owner was given the bias: on a busy
 * machine it might never be alone. */
enum { OTHERS = 2, STAY = 4, STAYS = 16 };

struct crowd {
    atomic_uint next;
    atomic_uint *claimed;
    unsigned each;
    atomic_uint given;
    atomic_bool over; /* the owner will not ask again */
    atomic_flag door; /* in place of the control mutex */
};

static void pass(struct crowd *crowd, struct party *party, bool in)
{
    while (atomic_flag_test_and_set(&crowd->door))
        os_yield();
    if (in)
        comes(party);
    else
        leaves(party);
    atomic_flag_clear(&crowd->door);
}

static void stays_away(struct crowd *crowd)
{
    unsigned before = atomic_load(&crowd->given);
    while (atomic_load(&crowd->given) == before && !atomic_load(&crowd->over))
        os_yield();
}

static void claims_its_own(struct crowd *crowd, struct party *party)
{
    unsigned position = (unsigned)claims_at_last(party);
    assert_int_equal(atomic_exchange(&crowd->claimed[position], 1), 0);
}

static void owner_claims_all_the_time(struct crowd *crowd, struct party *party)
{
    for (unsigned i = 0; i < crowd->each; i++) {
        atomic_fetch_add(&crowd->given, considers(party));
        claims_its_own(crowd, party);
    }
    atomic_store(&crowd->over, true);
}

static void other_claims_all_the_time(struct crowd *crowd, struct party *party)
{
    for (unsigned i = 0; i < crowd->each; i++) {
        if (i % (STAY * STAYS) == 0)
            stays_away(crowd);
        if (i % STAY == 0)
            pass(crowd, party, true);
        claims_its_own(crowd, party);
        if (i % STAY == STAY - 1 || i == crowd->each - 1)
            pass(crowd, party, false);
    }
}

static int claims_all_the_time(void *argument)
{
    struct crowd *crowd = argument;
    unsigned self = atomic_fetch_add(&crowd->next, 1);
    if (self == 0)
        owner_claims_all_the_time(crowd, scene.parties[self]);
    else
        other_claims_all_the_time(crowd, scene.parties[self]);
    return 0;
}

static void no_cell_is_claimed_twice(enum mode mode)
{
    unsigned each = (unsigned)scaled(100000), all = each * (1 + OTHERS);
    struct crowd *crowd = shared_memory(sizeof *crowd);
    crowd->each = each;
    crowd->claimed = shared_memory(all * sizeof *crowd->claimed);
    worker workers[1 + OTHERS];
    scene_open(all);
    for (unsigned i = 0; i < OTHERS; i++)
        party_new();
    for (unsigned i = 0; i <= OTHERS; i++)
        workers[i] = worker_start(mode, claims_all_the_time, crowd);
    for (unsigned i = 0; i <= OTHERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    for (unsigned i = 0; i < all; i++)
        assert_int_equal(atomic_load(&crowd->claimed[i]), 1);
    assert_int_equal(atomic_load(&scene.segment->ring.words->tail), all);
    assert_true(atomic_load(&crowd->given) > 0);
    scene_close();
}

/* Two do something at the same moment, as nearly as can be: what a processor keeps to itself for a
 * moment would show. */
struct meeting {
    struct party *owner, *guest;
    atomic_uint round, met, done;
    unsigned rounds;
    bool asks; /* while the other one comes; or it has the bias, and that is revoked */
};

static void assert_is_of(unsigned round, int position)
{
    assert_true(position == (int)round * 2 - 2 || position == (int)round * 2 - 1);
}

static int meets_its_owner(void *argument)
{
    struct meeting *meeting = argument;
    uint64_t state = 1;
    for (unsigned round = 1; round <= meeting->rounds; round++) {
        wait_for_turn(&meeting->round, round);
        if (!meeting->asks)
            comes(meeting->guest);
        atomic_store(&meeting->met, round);
        dawdle(&state, 60);
        if (meeting->asks)
            comes(meeting->guest);
        assert_is_of(round, claims_at_last(meeting->guest));
        leaves(meeting->guest);
        atomic_store(&meeting->done, round);
    }
    return 0;
}

static void meet(enum mode mode, bool asks)
{
    struct meeting *meeting = shared_memory(sizeof *meeting);
    uint64_t state = 2;
    unsigned given = 0;
    meeting->asks = asks;
    meeting->rounds = (unsigned)scaled(100000);
    meeting->owner = scene_open(meeting->rounds * 2);
    meeting->guest = party_new();
    worker w = worker_start(mode, meets_its_owner, meeting);
    for (unsigned round = 1; round <= meeting->rounds; round++) {
        if (!asks)
            assert_true(considers(meeting->owner));
        atomic_store(&meeting->round, round);
        wait_for_turn(&meeting->met, round);
        dawdle(&state, 60);
        if (asks)
            given += considers(meeting->owner);
        assert_is_of(round, claims_at_last(meeting->owner));
        wait_for_turn(&meeting->done, round);
        assert_int_equal(atomic_load(&meeting->owner->ring.words->tail), round * 2);
    }
    assert_int_equal(worker_join(w), 0);
    assert_true(!asks || given > 0);
    scene_close();
}

static void one_sees_the_other_claim(enum mode mode)
{
    meet(mode, false);
}

static void one_sees_the_other_come(enum mode mode)
{
    meet(mode, true);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(an_only_sender_is_given_it),
        TEST(one_of_several_is_not),
        TEST(nobody_is_where_membarrier_is_not_to_be_had),
        TEST(another_sender_revokes_it_first),
        TEST(who_revokes_tells_who_sleeps),
        TEST(what_is_about_to_be_claimed_holds_up_others),
        TEST(an_intent_that_is_withdrawn_does_not),
        TEST(nor_does_one_of_the_dead),
        TEST(damage_ends),
        TEST(an_unknown_state_is_as_if_revoked),
        TEST(where_none_may_be_one_is_damage),
        TEST_PROCESSES(a_child_has_not_its_parent_s),
        TEST_PROCESSES(its_owner_claims_and_another_revokes),
        TEST_PROCESSES(one_asks_and_another_comes),
        TEST_PROCESSES(one_asks_and_another_is_claiming),
        TEST_PROCESSES(one_comes_and_another_asks),
        TEST_PROCESSES(one_leaves_and_another_asks),
        TEST_PROCESSES(one_revokes_and_its_owner_claims),
        TEST_BOTH(no_cell_is_claimed_twice),
        TEST_BOTH(one_sees_the_other_claim),
        TEST_BOTH(one_sees_the_other_come),
    };
    return harness_main("unit_bias", tests, sizeof tests / sizeof *tests);
}
