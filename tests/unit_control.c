/* SPDX-License-Identifier: MIT */
/* The control mutex by itself (lib/control_*.c): one owner at a time, and when it dies holding it,
 * one heir is told so. */
#include "together.h"

#include "control.h"
#include "os/os.h"
#include "segment.h"

#include <signal.h>

/* ------------------------------------------------------------------ who takes part */

/* Shared by all workers. A file for the locks of the slots' bytes, as a segment is. */
struct room {
    struct control control;
    int fd;
    unsigned rounds;
    atomic_uint next; /* slot */
    atomic_uint here, repairs;
    atomic_int go, held;
    unsigned counter, inside; /* guarded by the mutex alone */
};

struct member {
    struct control_owner owner;
    void *anchor;
};

static struct room *room_new(void)
{
    struct room *room = shared_memory(sizeof *room);
    assert_true(control_format(&room->control));
    room->fd = os_shm_create(0600);
    assert_true(room->fd >= 0);
    return room;
}

static bool slot_alive(void *context, unsigned slot)
{
    const struct room *room = context;
    return os_lock_held(room->fd, LOCK_PROCESS + slot) != 0;
}

struct slot_wanted {
    int fd;
    unsigned slot;
};

static bool slot_is_locked(void *argument)
{
    const struct slot_wanted *wanted = argument;
    return os_lock_try(wanted->fd, LOCK_PROCESS + wanted->slot) == 0;
}

static struct member member_join(struct room *room, unsigned slot, unsigned generation)
{
    struct member member = {.owner = {slot, generation, slot_alive, room}};
    struct slot_wanted wanted = {os_shm_reopen(room->fd), slot};
    assert_true(wanted.fd >= 0);
    /* One that was killed holds it for a moment more. */
    wait_until(slot_is_locked, &wanted);
    assert_int_equal(os_lock_anchor(wanted.fd, &member.anchor), 0);
    return member;
}

static struct member member_next(struct room *room)
{
    return member_join(room, atomic_fetch_add(&room->next, 1), 1);
}

static void member_leave(struct member *member)
{
    os_unmap(member->anchor, os_page_size());
}

static enum control_result try(struct room *room, const struct member *member)
{
    return control_try_lock(&room->control, &member->owner);
}

static enum control_result lock(struct room *room, const struct member *member)
{
    return control_lock(&room->control, &member->owner);
}

static void unlock(struct room *room, const struct member *member)
{
    control_unlock(&room->control, &member->owner);
}

/* ------------------------------------------------------------------ one at a time */

enum { WORKERS = 4 };

/* With the mutex held. Now and then long enough that others fall asleep over it. */
static void count_inside(struct room *room, const struct member *member)
{
    assert_int_equal(room->inside, 0);
    room->inside = member->owner.slot + 1;
    unsigned counter = room->counter;
    if (counter % 64 == 0)
        sched_yield();
    room->counter = counter + 1;
    assert_int_equal(room->inside, member->owner.slot + 1);
    room->inside = 0;
}

static int counts(void *argument)
{
    struct room *room = argument;
    struct member member = member_next(room);
    atomic_fetch_add(&room->here, 1);
    wait_for(&room->go);
    for (unsigned i = 0; i < room->rounds; i++) {
        if (i % 4 == 3)
            while (try(room, &member) == CONTROL_BUSY)
                sched_yield();
        else
            assert_int_equal(lock(room, &member), CONTROL_LOCKED);
        count_inside(room, &member);
        unlock(room, &member);
    }
    member_leave(&member);
    return 0;
}

static void one_owner_at_a_time(enum mode mode)
{
    struct room *room = room_new();
    worker workers[WORKERS];
    room->rounds = (unsigned)scaled(100000);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = worker_start(mode, counts, room);
    wait_for_turn(&room->here, WORKERS);
    atomic_store(&room->go, 1);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    assert_int_equal(room->counter, WORKERS * room->rounds);
    os_close(room->fd);
}

static int counts_once(void *argument)
{
    struct room *room = argument;
    struct member member = member_next(room);
    assert_int_equal(lock(room, &member), CONTROL_LOCKED);
    count_inside(room, &member);
    unlock(room, &member);
    member_leave(&member);
    return 0;
}

static int holds_until_told(void *argument)
{
    struct room *room = argument;
    struct member member = member_next(room);
    assert_int_equal(lock(room, &member), CONTROL_LOCKED);
    room->inside = member.owner.slot + 1;
    atomic_store(&room->held, 1);
    wait_for(&room->go);
    room->inside = 0;
    unlock(room, &member);
    member_leave(&member);
    return 0;
}

static void a_try_does_not_wait(enum mode mode)
{
    struct room *room = room_new();
    struct member member = member_next(room);
    assert_int_equal(try(room, &member), CONTROL_LOCKED);
    unlock(room, &member);
    worker w = worker_start(mode, holds_until_told, room);
    wait_for(&room->held);
    for (int i = 0; i < 100; i++)
        assert_int_equal(try(room, &member), CONTROL_BUSY);
    atomic_store(&room->go, 1);
    assert_int_equal(worker_join(w), 0);
    assert_int_equal(try(room, &member), CONTROL_LOCKED);
    assert_int_equal(room->inside, 0);
    unlock(room, &member);
    member_leave(&member);
    os_close(room->fd);
}

static void a_lock_waits_for_a_living_owner(enum mode mode)
{
    struct room *room = room_new();
    worker waiting[WORKERS], holder = worker_start(mode, holds_until_told, room);
    wait_for(&room->held);
    for (int i = 0; i < WORKERS; i++)
        waiting[i] = worker_start(mode, counts_once, room);
    /* They sleep, look whether the owner lives, and sleep on. */
    for (int looks = 0; looks < 20; looks++)
        for (int i = 0; i < WORKERS; i++)
            wait_asleep(waiting[i]);
    assert_int_equal(room->counter, 0);
    atomic_store(&room->go, 1);
    assert_int_equal(worker_join(holder), 0);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(worker_join(waiting[i]), 0);
    assert_int_equal(room->counter, WORKERS);
    os_close(room->fd);
}

/* ------------------------------------------------------------------ a dead owner */

static void kill_and_join(worker w)
{
    assert_int_equal(kill(worker_pid(w), SIGKILL), 0);
    assert_int_equal(worker_join(w), 128 + SIGKILL);
}

static int inherits(void *argument)
{
    struct room *room = argument;
    struct member member = member_next(room);
    atomic_fetch_add(&room->here, 1);
    enum control_result result = lock(room, &member);
    if (result == CONTROL_REPAIR) {
        assert_int_equal(room->inside, 1); /* as the dead one left it */
        room->inside = 0;
        atomic_fetch_add(&room->repairs, 1);
    } else {
        assert_int_equal(result, CONTROL_LOCKED);
    }
    count_inside(room, &member);
    unlock(room, &member);
    member_leave(&member);
    return 0;
}

static void one_heir(enum mode mode, bool early)
{
    struct room *room = room_new();
    worker heirs[WORKERS], holder = worker_start(PROCESSES, holds_until_told, room);
    wait_for(&room->held);
    if (!early)
        kill_and_join(holder);
    for (int i = 0; i < WORKERS; i++)
        heirs[i] = worker_start(mode, inherits, room);
    if (early) {
        for (int i = 0; i < WORKERS; i++)
            wait_asleep(heirs[i]);
        assert_int_equal(atomic_load(&room->repairs), 0);
        kill_and_join(holder);
    }
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(worker_join(heirs[i]), 0);
    assert_int_equal(atomic_load(&room->repairs), 1);
    assert_int_equal(room->counter, WORKERS);
    os_close(room->fd);
}

static void one_heir_is_told_to_repair(enum mode mode)
{
    for (unsigned long i = 0; i < scaled(20); i++) {
        one_heir(mode, false);
        one_heir(mode, true);
    }
}

struct try_wanted {
    struct room *room;
    struct member *member;
    enum control_result result;
};

static bool try_is_not_busy(void *argument)
{
    struct try_wanted *wanted = argument;
    wanted->result = try(wanted->room, wanted->member);
    return wanted->result != CONTROL_BUSY;
}

static void a_try_inherits_too(enum mode mode)
{
    struct room *room = room_new();
    (void)mode;
    worker holder = worker_start(PROCESSES, holds_until_told, room);
    wait_for(&room->held);
    struct member member = member_next(room);
    assert_int_equal(try(room, &member), CONTROL_BUSY);
    kill_and_join(holder);
    struct try_wanted wanted = {room, &member, CONTROL_BUSY};
    wait_until(try_is_not_busy, &wanted);
    assert_int_equal(wanted.result, CONTROL_REPAIR);
    unlock(room, &member);
    assert_int_equal(try(room, &member), CONTROL_LOCKED);
    unlock(room, &member);
    member_leave(&member);
    os_close(room->fd);
}

/* ------------------------------------------------------------------ deaths at any moment */

struct life {
    struct room *room;
    unsigned slot, generation;
    atomic_uint *rounds;
};

/* Whoever is told that all is well finds it so; only an heir may find it half done. */
static int lives_dangerously(void *argument)
{
    const struct life *life = argument;
    struct room *room = life->room;
    struct member member = member_join(room, life->slot, life->generation);
    for (;;) {
        enum control_result result = lock(room, &member);
        if (result == CONTROL_REPAIR) {
            atomic_fetch_add(&room->repairs, 1);
            room->inside = 0;
        } else {
            assert_int_equal(result, CONTROL_LOCKED);
        }
        count_inside(room, &member);
        unlock(room, &member);
        atomic_fetch_add(life->rounds, 1);
    }
    return 0;
}

static void deaths_at_any_moment(enum mode mode)
{
    enum { LIVES = 3 };
    struct room *room = room_new();
    atomic_uint *rounds = shared_memory(LIVES * sizeof *rounds);
    struct life lives[LIVES];
    worker workers[LIVES];
    uint64_t state = 5;
    unsigned long kills = scaled(200);
    for (unsigned i = 0; i < LIVES; i++) {
        lives[i] = (struct life){room, i, 1, &rounds[i]};
        workers[i] = worker_start(mode, lives_dangerously, &lives[i]);
    }
    for (unsigned long n = 0; n < kills; n++) {
        /* A slot is given to a new process at once: the dead one's word may still name it. */
        unsigned which = (unsigned)(chance(&state) % LIVES);
        unsigned end = atomic_load(&rounds[which]) + 1 + (unsigned)(chance(&state) % 50);
        while (atomic_load(&rounds[which]) < end)
            sched_yield();
        for (uint64_t spins = chance(&state) % 500; spins > 0; spins--)
            atomic_signal_fence(memory_order_seq_cst);
        kill_and_join(workers[which]);
        lives[which].generation++;
        workers[which] = worker_start(mode, lives_dangerously, &lives[which]);
    }
    for (unsigned i = 0; i < LIVES; i++)
        kill_and_join(workers[i]);
    /* One for each that died, but for the last, who had no heir. */
    assert_in_range(atomic_load(&room->repairs), 0, kills + LIVES - 1);
    struct member member = member_join(room, LIVES, 1);
    if (lock(room, &member) == CONTROL_LOCKED)
        assert_int_equal(room->inside, 0);
    unlock(room, &member);
    assert_int_equal(try(room, &member), CONTROL_LOCKED);
    unlock(room, &member);
    member_leave(&member);
    os_close(room->fd);
}

/* ------------------------------------------------------------------ the word */

#ifdef MPSC_SYNC_PTHREAD

static void no_word(void)
{
    harness_skip("a pthread mutex is no word of ours");
}
static void one_of_many_heirs(enum mode mode)
{
    (void)mode;
    no_word();
}
#define a_damaged_word_does_not_hang no_word
#define no_flipped_bit_is_an_owner no_word
#define a_slot_given_away_is_not_its_last_owner no_word
#define a_fork_does_not_wait_for_a_dead_owner no_word

#else

static unsigned word_of(unsigned slot, unsigned generation)
{
    return generation << 11 | (slot + 1);
}

static void a_damaged_word_does_not_hang(void)
{
    static const unsigned words[] = {
        0x80000000u, 0xffffffffu, 0x7fffffffu, 0x800u,      0x7ffu,      0x7feu,
        0x401u,      0x80000401u, 0x3e9u,      0x12345400u, 0xfffff800u, 0x80000002u,
    };
    struct room *room = room_new();
    struct member member = member_next(room);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        atomic_store(&room->control.owner, words[i]);
        assert_int_equal(try(room, &member), CONTROL_REPAIR);
        unlock(room, &member);
        atomic_store(&room->control.owner, words[i]);
        assert_int_equal(lock(room, &member), CONTROL_REPAIR);
        unlock(room, &member);
        assert_int_equal(lock(room, &member), CONTROL_LOCKED);
        unlock(room, &member);
        assert_int_equal(atomic_load(&room->control.owner), 0);
    }
    member_leave(&member);
    os_close(room->fd);
}

/* A bit that was flipped in a free word names a process that lives, and never had it. */
static void no_flipped_bit_is_an_owner(void)
{
    struct room *room = room_new();
    struct member first = member_join(room, 0, 7), other = member_join(room, 3, 8);
    struct member member = member_join(room, 4, 9);
    for (int bit = 0; bit < 32; bit++) {
        atomic_store(&room->control.owner, 1u << bit);
        assert_int_equal(lock(room, &member), CONTROL_REPAIR);
        unlock(room, &member);
    }
    member_leave(&first);
    member_leave(&other);
    member_leave(&member);
    os_close(room->fd);
}

/* The owner in slot 3 died, and its slot was given to a new process. For others slot 3 lives: they
 * wait. The new one knows better. */
static void a_slot_given_away_is_not_its_last_owner(void)
{
    struct room *room = room_new();
    struct member heir = member_join(room, 3, 8), other = member_join(room, 4, 9);
    for (unsigned waiters = 0; waiters <= 1; waiters++) {
        atomic_store(&room->control.owner, word_of(3, 7) | waiters << 31);
        assert_int_equal(try(room, &other), CONTROL_BUSY);
        assert_int_equal(try(room, &heir), CONTROL_REPAIR);
        assert_int_equal(try(room, &other), CONTROL_BUSY);
        unlock(room, &heir);
        atomic_store(&room->control.owner, word_of(3, 7) | waiters << 31);
        assert_int_equal(lock(room, &heir), CONTROL_REPAIR);
        unlock(room, &heir);
        assert_int_equal(try(room, &other), CONTROL_LOCKED);
        unlock(room, &other);
        /* The new one's own word, with waiters or without, is its own. */
        atomic_store(&room->control.owner, word_of(3, 8) | waiters << 31);
        assert_int_equal(try(room, &heir), CONTROL_BUSY);
        atomic_store(&room->control.owner, 0);
    }
    /* If that one dies as well, others inherit. */
    atomic_store(&room->control.owner, word_of(3, 7));
    member_leave(&heir);
    assert_int_equal(lock(room, &other), CONTROL_REPAIR);
    unlock(room, &other);
    member_leave(&other);
    os_close(room->fd);
}

struct heirs {
    struct room *room;
    unsigned rounds;
    atomic_uint next, begun, ended;
};

/* All of them find the dead one's word at the same time, again and again. */
static int finds_the_word(void *argument)
{
    struct heirs *heirs = argument;
    struct room *room = heirs->room;
    struct member member = member_next(room);
    for (unsigned round = 1; round <= heirs->rounds; round++) {
        atomic_fetch_add(&heirs->begun, 1);
        while (atomic_load(&heirs->begun) < round * WORKERS)
            sched_yield();
        enum control_result result = round % 2 ? lock(room, &member) : try(room, &member);
        atomic_fetch_add(&room->repairs, result == CONTROL_REPAIR);
        if (result != CONTROL_BUSY) {
            count_inside(room, &member);
            unlock(room, &member);
        }
        if (atomic_fetch_add(&heirs->ended, 1) + 2 == round * (WORKERS + 1)) {
            assert_int_equal(atomic_load(&room->repairs), round);
            atomic_store(&room->control.owner, word_of(500, round));
            atomic_fetch_add(&heirs->ended, 1);
        }
        while (atomic_load(&heirs->ended) < round * (WORKERS + 1))
            sched_yield();
    }
    member_leave(&member);
    return 0;
}

static void one_of_many_heirs(enum mode mode)
{
    struct heirs *heirs = shared_memory(sizeof *heirs);
    worker workers[WORKERS];
    heirs->room = room_new();
    heirs->rounds = (unsigned)scaled(1000);
    atomic_store(&heirs->room->control.owner, word_of(500, 0));
    for (int i = 0; i < WORKERS; i++)
        workers[i] = worker_start(mode, finds_the_word, heirs);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    os_close(heirs->room->fd);
}

static int does_nothing(void *argument)
{
    (void)argument;
    return 0;
}

/* A process is killed holding the mutex before it has an entry in the table: its slot looks as if
 * nobody had had it. Fork takes that slot for the child, and must not take the dead for the child. */
static void a_fork_does_not_wait_for_a_dead_owner(void)
{
    const char *name = channel_name();
    mpsc_sender *tx = open_tx(name, 8, 4);
    struct segment segment;
    assert_status(segment_open(name, false, &segment), MPSC_OK);
    assert_false(registry_slot_alive(&segment.registry, 1));
    atomic_store(&segment.header->control.owner, word_of(1, 12345));
    worker w = worker_start(PROCESSES, does_nothing, NULL);
    assert_int_equal(worker_join(w), 0);
    segment_close(&segment);
    mpsc_sender_close(tx);
}

#endif

int main(void)
{
    static const struct test tests[] = {
        TEST_BOTH(one_owner_at_a_time),
        TEST_BOTH(a_try_does_not_wait),
        TEST_BOTH(a_lock_waits_for_a_living_owner),
        TEST_BOTH(one_heir_is_told_to_repair),
        TEST_PROCESSES(a_try_inherits_too),
        TEST_PROCESSES(deaths_at_any_moment),
        TEST_BOTH(one_of_many_heirs),
        TEST(a_damaged_word_does_not_hang),
        TEST(no_flipped_bit_is_an_owner),
        TEST(a_slot_given_away_is_not_its_last_owner),
        TEST(a_fork_does_not_wait_for_a_dead_owner),
    };
    return harness_main("unit_control", tests, sizeof tests / sizeof *tests);
}
