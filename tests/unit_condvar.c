/* SPDX-License-Identifier: MIT */
/* The condition variable by itself (lib/condvar_*.c): no wake-up is lost, no time-out is early, and
 * nobody's death breaks it. */
#include "steps.h"

#include "condvar.h"
#include "os/os.h"

/* What should come at once, and is waited for at most this long: past it, a wake-up was lost. */
#define LONG (20 * SECONDS)

static struct condvar *condvar_new(void)
{
    struct condvar *condvar = shared_memory(sizeof *condvar);
    assert_true(condvar_format(condvar));
    return condvar;
}

static enum condvar_result sleep_on(struct condvar *condvar, unsigned ticket, uint64_t deadline)
{
    struct condvar_watch watch;
    watch.count = 0;
    return condvar_sleep(condvar, ticket, &watch, deadline);
}

/* As a process does that attaches. */
static void take_part(struct condvar *condvar)
{
    if (!os_barrier_register())
        condvar_burden(condvar);
}

/* ------------------------------------------------------------------ two who keep in step */

/* One counts up, at most `lead` ahead of the other, who follows. Each sleeps at its own condition
 * variable; with a lead of more than one, the follower is on its way to its next sleep while its
 * last wake-up is still under way. */
enum player { LEADER, FOLLOWER };

struct game {
    struct condvar place[2];
    atomic_uint count[2];
    unsigned lead, most;
    bool heavy;
    bool bounded; /* sleeps are short, since wake-ups may be lost with who is killed */
};

static void game_format(struct game *game, bool heavy)
{
    for (int i = 0; i < 2; i++) {
        assert_true(condvar_format(&game->place[i]));
        if (heavy)
            condvar_burden(&game->place[i]);
    }
    game->heavy = heavy;
}

static bool game_ready(struct game *game, enum player player, unsigned next)
{
    unsigned other = atomic_load_explicit(&game->count[1 - player], memory_order_acquire);
    return player == LEADER ? next - other <= game->lead : other >= next;
}

static void game_wait(struct game *game, enum player player, unsigned next, uint64_t *state)
{
    struct condvar *condvar = &game->place[player];
    /* A while of looking, so that falling asleep meets the wake-up at all its steps. */
    for (uint64_t looks = chance(state) % 256; looks > 0; looks--)
        if (game_ready(game, player, next))
            return;
    for (;;) {
        unsigned ticket = condvar_prepare(condvar);
        if (game_ready(game, player, next))
            return;
        uint64_t deadline = os_now() + (game->bounded ? 20 * MILLISECONDS : LONG);
        if (sleep_on(condvar, ticket, deadline) == CONDVAR_TIMEOUT && !game->bounded)
            fail_msg("a wake-up was lost: that for %u", next);
    }
}

static void game_play(struct game *game, enum player player)
{
    uint64_t state = player + 1;
    if (!game->heavy)
        for (int i = 0; i < 2; i++)
            take_part(&game->place[i]);
    for (unsigned next = 1; next <= game->most; next++) {
        game_wait(game, player, next, &state);
        atomic_store_explicit(&game->count[player], next, memory_order_release);
        condvar_notify(NULL, &game->place[1 - player]);
    }
}

static int leads(void *argument)
{
    game_play(argument, LEADER);
    return 0;
}

static int follows(void *argument)
{
    game_play(argument, FOLLOWER);
    return 0;
}

static void game_runs(enum mode mode, struct game *game, unsigned lead, unsigned long most)
{
    game->lead = lead;
    game->most = (unsigned)most;
    worker follower = worker_start(mode, follows, game);
    game_play(game, LEADER);
    assert_int_equal(worker_join(follower), 0);
    assert_int_equal(atomic_load(&game->count[FOLLOWER]), most);
}

#ifdef MPSC_SYNC_PTHREAD
enum { HANDSHAKES = 8000 }; /* slower, and less to be found */
#else
enum { HANDSHAKES = 13000 };
#endif

static void no_wake_up_is_lost_of(enum mode mode, bool heavy)
{
    static const unsigned leads_of[] = {1, 3};
    for (size_t i = 0; i < sizeof leads_of / sizeof *leads_of; i++) {
        struct game *game = shared_memory(sizeof *game);
        game_format(game, heavy);
        game_runs(mode, game, leads_of[i], scaled(HANDSHAKES));
    }
}

static void no_wake_up_is_lost(enum mode mode)
{
    no_wake_up_is_lost_of(mode, false);
}

static void no_wake_up_is_lost_the_heavy_way(enum mode mode)
{
    no_wake_up_is_lost_of(mode, true);
}

/* ------------------------------------------------------------------ the two stores and the two looks */

/* One makes the condition true and looks for a sleeper, the other says that it will sleep and looks at
 * the condition, both at the same moment: at least one of them must see the other. */
struct moment {
    struct condvar condvar;
    alignas(LAYOUT_LINE) atomic_uint condition;
    alignas(LAYOUT_LINE) atomic_uint here[2];
    unsigned rounds;
    bool heavy;
};

static void meet(struct moment *moment, unsigned who, unsigned time, uint64_t spins)
{
    atomic_store(&moment->here[who], time);
    for (unsigned looks = 1; atomic_load(&moment->here[1 - who]) < time; looks++)
        if (looks % 1000 == 0)
            sched_yield();
    while (spins-- > 0)
        atomic_signal_fence(memory_order_seq_cst);
}

static int notifies_at_that_moment(void *argument)
{
    struct moment *moment = argument;
    uint64_t state = 1;
    if (!moment->heavy)
        take_part(&moment->condvar);
    for (unsigned round = 1; round <= moment->rounds; round++) {
        meet(moment, 0, 2 * round, chance(&state) % 256);
        atomic_store_explicit(&moment->condition, round, memory_order_release);
        condvar_notify(NULL, &moment->condvar);
        meet(moment, 0, 2 * round + 1, 0);
    }
    return 0;
}

static void one_sees_the_other_of(enum mode mode, bool heavy)
{
    struct moment *moment = shared_memory(sizeof *moment);
    uint64_t state = 2;
    assert_true(condvar_format(&moment->condvar));
    moment->rounds = (unsigned)scaled(heavy ? 50000 : 15000);
    moment->heavy = heavy;
    if (heavy)
        condvar_burden(&moment->condvar);
    else
        take_part(&moment->condvar);
    worker notifier = worker_start(mode, notifies_at_that_moment, moment);
    for (unsigned round = 1; round <= moment->rounds; round++) {
        meet(moment, 1, 2 * round, chance(&state) % 256);
        unsigned ticket = condvar_prepare(&moment->condvar);
        unsigned seen = atomic_load_explicit(&moment->condition, memory_order_acquire);
        meet(moment, 1, 2 * round + 1, 0);
        if (seen != round && atomic_load(&moment->condvar.sequence) == ticket)
            fail_msg("in round %u neither saw the other", round);
        atomic_store(&moment->condvar.waiting, 0);
    }
    assert_int_equal(worker_join(notifier), 0);
}

static void one_sees_the_other(enum mode mode)
{
    one_sees_the_other_of(mode, false);
}

static void one_sees_the_other_the_heavy_way(enum mode mode)
{
    one_sees_the_other_of(mode, true);
}

/* ------------------------------------------------------------------ many at one condition */

struct gate {
    struct condvar condvar;
    atomic_uint open; /* rounds */
    atomic_uint through;
    unsigned rounds;
};

static int passes_the_gate(void *argument)
{
    struct gate *gate = argument;
    take_part(&gate->condvar);
    for (unsigned round = 1; round <= gate->rounds; round++) {
        while (atomic_load_explicit(&gate->open, memory_order_acquire) < round) {
            unsigned ticket = condvar_prepare(&gate->condvar);
            if (atomic_load_explicit(&gate->open, memory_order_acquire) < round &&
                sleep_on(&gate->condvar, ticket, os_now() + LONG) == CONDVAR_TIMEOUT)
                fail_msg("nobody woke this sleeper in round %u", round);
        }
        atomic_fetch_add(&gate->through, 1);
    }
    return 0;
}

static void one_wake_up_wakes_all(enum mode mode)
{
    enum { SLEEPERS = 4 };
    struct gate *gate = shared_memory(sizeof *gate);
    worker sleepers[SLEEPERS];
    assert_true(condvar_format(&gate->condvar));
    take_part(&gate->condvar);
    gate->rounds = (unsigned)scaled(2000);
    for (int i = 0; i < SLEEPERS; i++)
        sleepers[i] = worker_start(mode, passes_the_gate, gate);
    for (unsigned round = 1; round <= gate->rounds; round++) {
        if (round % 100 == 1) /* now and then with all of them asleep */
            for (int i = 0; i < SLEEPERS; i++)
                wait_asleep(sleepers[i]);
        atomic_store_explicit(&gate->open, round, memory_order_release);
        condvar_notify(NULL, &gate->condvar);
        wait_for_turn(&gate->through, round * SLEEPERS);
    }
    for (int i = 0; i < SLEEPERS; i++)
        assert_int_equal(worker_join(sleepers[i]), 0);
}

/* ------------------------------------------------------------------ tickets and flags */

static void an_old_ticket_does_not_sleep(void)
{
    struct condvar *condvar = condvar_new();
    take_part(condvar);
    for (int i = 0; i < 1000; i++) {
        unsigned ticket = condvar_prepare(condvar);
        if (i % 2)
            condvar_wake(condvar);
        else
            condvar_notify(NULL, condvar);
        assert_int_equal(sleep_on(condvar, ticket, OS_FOREVER), CONDVAR_WOKEN);
        assert_int_equal(sleep_on(condvar, ticket, os_now() + LONG), CONDVAR_WOKEN);
        /* However often it moves on: */
        for (int wakes = 0; wakes < i % 5; wakes++)
            condvar_wake(condvar);
        assert_int_equal(sleep_on(condvar, ticket, OS_FOREVER), CONDVAR_WOKEN);
    }
}

static void only_who_said_so_is_woken(void)
{
    for (int heavy = 0; heavy < 2; heavy++) {
        struct condvar *condvar = condvar_new();
        if (heavy)
            condvar_burden(condvar);
        unsigned before = atomic_load(&condvar->sequence);
        condvar_notify(NULL, condvar); /* nobody there: nothing moves */
        assert_int_equal(atomic_load(&condvar->sequence), before);
        unsigned ticket = condvar_prepare(condvar);
        assert_int_equal(ticket, before);
        assert_int_equal(atomic_load(&condvar->waiting), 1);
        condvar_notify(NULL, condvar);
        assert_int_equal(atomic_load(&condvar->waiting), 0);
        assert_int_not_equal(atomic_load(&condvar->sequence), before);
        before = atomic_load(&condvar->sequence);
        condvar_notify(NULL, condvar);
        assert_int_equal(atomic_load(&condvar->sequence), before);
    }
}

/* ------------------------------------------------------------------ time */

static void must_time_out(struct condvar *condvar, uint64_t deadline)
{
    unsigned ticket = condvar_prepare(condvar);
    while (sleep_on(condvar, ticket, deadline) != CONDVAR_TIMEOUT)
        assert_int_equal(atomic_load(&condvar->sequence), ticket);
    assert_true(os_now() >= deadline);
}

static void no_time_out_is_early(void)
{
    struct condvar *condvar = condvar_new();
    must_time_out(condvar, 0);
    must_time_out(condvar, os_now());
    uint64_t state = 1;
    for (int i = 0; i < 50; i++)
        must_time_out(condvar, os_now() + chance(&state) % MILLISECONDS);
    must_time_out(condvar, os_now() + 50 * MILLISECONDS);
    /* Over the end of a second, where nanoseconds carry. */
    uint64_t now = os_now(), next = (now / SECONDS + 1) * SECONDS;
    if (next - now < 200 * MILLISECONDS)
        must_time_out(condvar, next + 1);
}

struct nap {
    struct condvar *condvar;
    uint64_t deadline;
    atomic_int result;
    atomic_int awake;
};

static int naps(void *argument)
{
    struct nap *nap = argument;
    unsigned ticket = condvar_prepare(nap->condvar);
    atomic_store(&nap->result, (int)sleep_on(nap->condvar, ticket, nap->deadline));
    atomic_store(&nap->awake, 1);
    return 0;
}

static void without_a_deadline_it_sleeps_until_woken(enum mode mode)
{
    static const uint64_t deadlines[] = {OS_FOREVER, OS_FOREVER - 1, UINT64_C(1) << 62};
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
        struct nap *nap = shared_memory(sizeof *nap);
        nap->condvar = condvar_new();
        nap->deadline = deadlines[i];
        worker w = worker_start(mode, naps, nap);
        wait_asleep(w);
        assert_int_equal(atomic_load(&nap->awake), 0);
        condvar_wake(nap->condvar);
        assert_int_equal(worker_join(w), 0);
        assert_int_equal(atomic_load(&nap->result), CONDVAR_WOKEN);
    }
}

static void handle(int number)
{
    (void)number;
}

static void a_signal_handler_ends_a_sleep(enum mode mode)
{
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handle}, NULL);
#ifdef MPSC_SYNC_PTHREAD
    (void)mode;
    harness_skip("pthread_cond_timedwait goes on after a signal handler");
#else
    struct nap *nap = shared_memory(sizeof *nap);
    nap->condvar = condvar_new();
    nap->deadline = OS_FOREVER;
    worker w = worker_start(mode, naps, nap);
    wait_asleep(w);
    /* The thread's own id is known: the process' might be another thread. */
    assert_int_equal(tgkill(worker_pid(w), worker_tid(w), SIGUSR1), 0);
    assert_int_equal(worker_join(w), 0);
    assert_int_equal(atomic_load(&nap->result), CONDVAR_INTERRUPTED);
#endif
}

/* ------------------------------------------------------------------ step by step */

struct stepped {
    struct condvar condvar;
    struct steps steps;
};

static int wakes_in_steps(void *argument)
{
    struct stepped *stepped = argument;
    steps_begin(&stepped->steps);
    condvar_wake(&stepped->condvar);
    steps_end(&stepped->steps, 0);
    return 0;
}

static int sleeps_in_steps(void *argument)
{
    struct stepped *stepped = argument;
    steps_begin(&stepped->steps);
    unsigned ticket = condvar_prepare(&stepped->condvar);
    sleep_on(&stepped->condvar, ticket, 0);
    steps_end(&stepped->steps, 0);
    return 0;
}

/* Once the sequence has moved, the flag that was there before is gone. If it were cleared later,
 * that might be the flag of somebody who has just taken the new ticket. Returns the steps. */
static unsigned a_wake_up_in_order(struct stepped *stepped)
{
    unsigned steps = 0, ticket = condvar_prepare(&stepped->condvar);
    worker w = steps_start(&stepped->steps, wakes_in_steps, stepped);
    while (steps_next(&stepped->steps, w)) {
        if (atomic_load(&stepped->condvar.sequence) != ticket)
            assert_int_equal(atomic_load(&stepped->condvar.waiting), 0);
        steps++;
    }
    assert_int_not_equal(atomic_load(&stepped->condvar.sequence), ticket);
    steps_kill(w);
    return steps;
}

static void the_flag_is_cleared_before_the_sequence_moves(enum mode mode)
{
    struct stepped *stepped = shared_memory(sizeof *stepped);
    (void)mode;
    assert_true(condvar_format(&stepped->condvar));
    a_wake_up_in_order(stepped);
}

/* ------------------------------------------------------------------ death */

static void must_work(enum mode mode, struct condvar *condvar)
{
    struct nap *nap = shared_memory(sizeof *nap);
    *nap = (struct nap){.condvar = condvar, .deadline = os_now() + LONG};
    unsigned ticket = condvar_prepare(condvar);
    condvar_notify(NULL, condvar);
    assert_int_equal(sleep_on(condvar, ticket, os_now() + LONG), CONDVAR_WOKEN);
    must_time_out(condvar, os_now() + 1000);
    worker w = worker_start(mode, naps, nap);
    while (!atomic_load(&nap->awake)) {
        condvar_notify(NULL, condvar);
        sched_yield();
    }
    assert_int_equal(worker_join(w), 0);
    assert_int_equal(atomic_load(&nap->result), CONDVAR_WOKEN);
}

static void skip_in_the_other_variant(void)
{
    harness_needs_futexes(
        "a death inside pthread_cond_* may hang others: what this variant gives up");
}

static void a_death_at_any_instruction_breaks_nothing(enum mode mode)
{
    skip_in_the_other_variant();
    struct stepped *stepped = shared_memory(sizeof *stepped);
    assert_true(condvar_format(&stepped->condvar));
    unsigned all = a_wake_up_in_order(stepped), stride = all / 50 + 1;
    for (unsigned steps = 0; steps < all; steps += stride) {
        for (int sleeper = 0; sleeper < 2; sleeper++) {
            int (*body)(void *) = sleeper ? sleeps_in_steps : wakes_in_steps;
            worker w = steps_start(&stepped->steps, body, stepped);
            for (unsigned i = 0; i < steps && steps_next(&stepped->steps, w); i++)
                continue;
            steps_kill(w);
            must_work(mode, &stepped->condvar);
        }
    }
}

enum { VICTIMS = 2 };

struct ward {
    struct game game;
    atomic_uint rounds[VICTIMS]; /* of the victim that is in this place */
};

/* One only sleeps and the other only wakes, so that each dies in what it does. */
static int sleeps_until_killed(void *argument)
{
    struct ward *ward = argument;
    uint64_t state = os_now() | 1;
    for (;;) {
        struct condvar *condvar = &ward->game.place[chance(&state) % 2];
        unsigned ticket = condvar_prepare(condvar);
        sleep_on(condvar, ticket, os_now() + chance(&state) % 100000);
        atomic_fetch_add(&ward->rounds[0], 1);
    }
    return 0;
}

static int wakes_until_killed(void *argument)
{
    struct ward *ward = argument;
    uint64_t state = os_now() | 1;
    for (;;) {
        condvar_wake(&ward->game.place[chance(&state) % 2]);
        atomic_fetch_add(&ward->rounds[1], 1);
    }
    return 0;
}

static void kill_at_some_moment(struct ward *ward, unsigned which, uint64_t *state)
{
    static int (*const bodies[VICTIMS])(void *) = {sleeps_until_killed, wakes_until_killed};
    unsigned end = atomic_load(&ward->rounds[which]) + 1 + (unsigned)(chance(state) % 20);
    worker victim = worker_start(PROCESSES, bodies[which], ward);
    while (atomic_load(&ward->rounds[which]) < end)
        sched_yield();
    for (uint64_t spins = chance(state) % 2000; spins > 0; spins--)
        atomic_signal_fence(memory_order_seq_cst);
    steps_kill(victim);
}

static void deaths_of_sleepers_and_wakers_break_nothing(enum mode mode)
{
    skip_in_the_other_variant();
    static int (*const bodies[2])(void *) = {leads, follows};
    struct ward *ward = shared_memory(sizeof *ward);
    worker players[2];
    uint64_t state = 99;
    game_format(&ward->game, false);
    /* While others go on, who lose a wake-up at times but never get stuck. */
    ward->game.bounded = true;
    ward->game.lead = 2;
    ward->game.most = UINT32_MAX;
    for (int i = 0; i < 2; i++)
        players[i] = worker_start(mode, bodies[i], &ward->game);
    for (unsigned long i = 0; i < scaled(200); i++)
        kill_at_some_moment(ward, i % VICTIMS, &state);
    unsigned count = atomic_load(&ward->game.count[FOLLOWER]);
    step_wait((atomic_int *)&ward->game.count[FOLLOWER], (int)count + 10);
    for (int i = 0; i < 2; i++)
        steps_kill(players[i]);
    /* New ones find it as good as new: they lose none. */
    ward->game.bounded = false;
    for (int i = 0; i < 2; i++)
        atomic_store(&ward->game.count[i], 0);
    game_runs(mode, &ward->game, 2, scaled(5000));
}

int main(void)
{
    static const struct test tests[] = {
        TEST_BOTH(no_wake_up_is_lost),
        TEST_BOTH(no_wake_up_is_lost_the_heavy_way),
        TEST_BOTH(one_sees_the_other),
        TEST_BOTH(one_sees_the_other_the_heavy_way),
        TEST_BOTH(one_wake_up_wakes_all),
        TEST(an_old_ticket_does_not_sleep),
        TEST(only_who_said_so_is_woken),
        TEST(no_time_out_is_early),
        TEST_BOTH(without_a_deadline_it_sleeps_until_woken),
        TEST_BOTH(a_signal_handler_ends_a_sleep),
        TEST_PROCESSES(the_flag_is_cleared_before_the_sequence_moves),
        TEST_PROCESSES(a_death_at_any_instruction_breaks_nothing),
        TEST_PROCESSES(deaths_of_sleepers_and_wakers_break_nothing),
    };
    return harness_main("unit_condvar", tests, sizeof tests / sizeof *tests);
}
