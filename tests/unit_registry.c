/* SPDX-License-Identifier: MIT */
/* The tables of processes and endpoints (lib/registry.c): who has a slot, who is dead, who has left. */
#include "members.h"

#include "condvar.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

/* ------------------------------------------------------------------ slots */

static void a_slot_is_allotted_by_its_lock(void)
{
    struct segment *segment = segment_new(4);
    struct member members[5];
    for (unsigned i = 0; i < 5; i++) {
        assert_false(registry_slot_alive(&segment->registry, i));
        members[i] = member_join(segment);
        assert_int_equal(members[i].registry.slot, i);
        assert_true(registry_slot_alive(&segment->registry, i));
    }
    member_end(&members[2]);
    assert_false(registry_slot_alive(&segment->registry, 2));
    members[2] = member_join(segment);
    assert_int_equal(members[2].registry.slot, 2);
    /* One that had an entry, and left it, may have left intents as well: not while others are free. */
    member_attach(&members[3]);
    member_end(&members[3]);
    members[3] = member_join(segment);
    assert_int_equal(members[3].registry.slot, 5);
    for (unsigned i = 0; i < 5; i++)
        member_end(&members[i]);
    segment_end(segment);
}

static void the_slots_come_to_an_end(void)
{
    struct segment *segment = segment_new(4);
    struct member dead = member_new(segment);
    member_end(&dead);
    int fd, all = os_shm_reopen(segment->fd);
    for (unsigned slot = 1; slot < MPSC_MAX_PROCESSES; slot++)
        assert_int_equal(os_lock_try(all, LOCK_PROCESS + slot), 0);
    assert_int_equal(member_claim(segment, &fd),
                     0); /* what the dead one left, for want of others */
    int last = fd;
    assert_int_equal(member_claim(segment, &fd), -ENOSPC);
    os_close(fd);
    os_close(last);
    os_close(all);
    segment_end(segment);
}

static void a_generation_is_never_zero(void)
{
    struct segment *segment = segment_new(4);
    atomic_store(&segment->header->generation, UINT32_MAX - 1);
    assert_int_equal(registry_new_generation(&segment->registry), UINT32_MAX);
    assert_int_equal(registry_new_generation(&segment->registry), 1);
    assert_int_equal(registry_new_generation(&segment->registry), 2);
    segment_end(segment);
}

/* ------------------------------------------------------------------ ends that move */

struct mover {
    struct member member;
    unsigned index;
    atomic_int moves, over;
};

/* Each time into the first entry that is free, and only then out of its own. */
static int moves_on(void *argument)
{
    struct mover *mover = argument;
    while (!atomic_load(&mover->over)) {
        unsigned last = mover->index;
        mover->index = member_add(&mover->member, OWNER_SENDER);
        registry_remove(&mover->member.registry, last);
        atomic_fetch_add(&mover->moves, 1);
    }
    return 0;
}

/* From the first entry to the last and back, with others between them. */
static void one_that_moves_is_always_there(void)
{
    struct segment *segment = segment_new(4);
    struct mover mover = {.member = member_new(segment)};
    unsigned first = member_add(&mover.member, OWNER_SENDER);
    for (int others = 0; others < 200; others++)
        member_add(&mover.member, OWNER_RECEIVER);
    mover.index = member_add(&mover.member, OWNER_SENDER);
    registry_remove(&mover.member.registry, first);
    worker w = worker_start(THREADS, moves_on, &mover);
    unsigned long lost = 0;
    for (int moves = (int)scaled(2000000); atomic_load(&mover.moves) < moves;)
        lost += !registry_present(&mover.member.registry, OWNER_SENDER);
    atomic_store(&mover.over, 1);
    assert_int_equal(worker_join(w), 0);
    assert_int_equal(lost, 0);
    member_end(&mover.member);
    segment_end(segment);
}

struct counter {
    atomic_uint *arrivals;
    atomic_int over;
};

static int counts_up(void *argument)
{
    struct counter *counter = argument;
    while (!atomic_load(&counter->over))
        atomic_fetch_add(counter->arrivals, 1);
    return 0;
}

/* That of the others says nothing; that of its own kind may be a lie, and is not followed for ever. */
static void a_look_ends_however_many_come(void)
{
    struct segment *segment = segment_new(4);
    struct member member = member_new(segment);
    for (int others = 0; others < 5000; others++)
        member_add(&member, OWNER_SENDER);
    for (int kind = 0; kind < 2; kind++) {
        struct counter counter = {.arrivals = &segment->header->arrivals[kind]};
        worker w = worker_start(THREADS, counts_up, &counter);
        for (unsigned come = (unsigned)scaled(20000000); atomic_load(counter.arrivals) < come;)
            if (registry_present(&member.registry, OWNER_RECEIVER))
                assert_int_equal(kind, 1);
        atomic_store(&counter.over, 1);
        assert_int_equal(worker_join(w), 0);
    }
    member_end(&member);
    segment_end(segment);
}

/* ------------------------------------------------------------------ processes that die */

struct hall {
    struct segment *segment;
    atomic_int slot; /* + 1, once it is there */
    int pipe[2];     /* whoever reads from it goes on until the test closes its end */
};

static struct hall *hall_new(void)
{
    struct hall *hall = shared_memory(sizeof *hall);
    hall->segment = segment_new(4);
    assert_int_equal(pipe(hall->pipe), 0);
    return hall;
}

static unsigned hall_slot(struct hall *hall)
{
    wait_for(&hall->slot);
    return (unsigned)atomic_load(&hall->slot) - 1;
}

static void hall_end(struct hall *hall)
{
    segment_end(hall->segment);
}

static void wait_for_the_end_of_the_test(struct hall *hall)
{
    char byte;
    close(hall->pipe[1]);
    while (read(hall->pipe[0], &byte, 1) < 0)
        continue;
}

struct slot_of {
    const struct registry *registry;
    unsigned slot;
};

static bool slot_is_dead(void *argument)
{
    const struct slot_of *of = argument;
    return !registry_slot_alive(of->registry, of->slot);
}

static void wait_dead(struct hall *hall, unsigned slot)
{
    struct slot_of of = {&hall->segment->registry, slot};
    wait_until(slot_is_dead, &of);
}

static int joins(void *argument)
{
    struct hall *hall = argument;
    struct member member = member_new(hall->segment);
    member_add(&member, OWNER_SENDER);
    atomic_store(&hall->slot, (int)member.registry.slot + 1);
    wait_for_the_end_of_the_test(hall);
    member_end(&member);
    return 0;
}

static void a_zombie_is_dead(enum mode mode)
{
    struct hall *hall = hall_new();
    const struct registry *registry = &hall->segment->registry;
    siginfo_t info;
    worker w = worker_start(mode, joins, hall);
    unsigned slot = hall_slot(hall);
    assert_true(registry_slot_alive(registry, slot));
    assert_true(registry_present(registry, OWNER_SENDER));
    assert_int_equal(kill(worker_pid(w), SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)worker_pid(w), &info, WEXITED | WNOWAIT), 0);
    wait_dead(hall, slot);
    assert_false(registry_present(registry, OWNER_SENDER));
    assert_int_equal(kill(worker_pid(w), 0), 0); /* its pid says nothing */
    assert_int_equal(worker_join(w), 128 + SIGKILL);
    close(hall->pipe[0]);
    close(hall->pipe[1]);
    hall_end(hall);
}

static int joins_and_forks(void *argument)
{
    struct hall *hall = argument;
    struct member member = member_new(hall->segment);
    worker_start(PROCESSES, (int (*)(void *))joins, hall); /* orphaned, and outlives us */
    (void)member;
    wait_for_the_end_of_the_test(hall);
    return 0;
}

/* The child has a slot of its own; its parent's ends with the parent. */
static void a_child_does_not_keep_its_parents_slot(enum mode mode)
{
    struct hall *hall = hall_new();
    const struct registry *registry = &hall->segment->registry;
    worker w = worker_start(mode, joins_and_forks, hall);
    unsigned childs = hall_slot(hall);
    assert_int_equal(childs, 1);
    assert_true(registry_slot_alive(registry, 0));
    assert_int_equal(kill(worker_pid(w), SIGKILL), 0);
    wait_dead(hall, 0);
    assert_true(registry_slot_alive(registry, childs));
    assert_int_equal(worker_join(w), 128 + SIGKILL);
    close(hall->pipe[1]);
    wait_dead(hall, childs);
    close(hall->pipe[0]);
    hall_end(hall);
}

static int joins_and_execs(void *argument)
{
    struct hall *hall = argument;
    struct member member = member_new(hall->segment);
    atomic_store(&hall->slot, (int)member.registry.slot + 1);
    close(hall->pipe[1]);
    dup2(hall->pipe[0], STDIN_FILENO);
    execlp("sh", "sh", "-c", "read line; exit 5", (char *)NULL);
    return 1;
}

static void a_program_that_was_executed_is_dead(enum mode mode)
{
    struct hall *hall = hall_new();
    worker w = worker_start(mode, joins_and_execs, hall);
    wait_dead(hall, hall_slot(hall));
    siginfo_t info = {0};
    assert_int_equal(waitid(P_PID, (id_t)worker_pid(w), &info, WEXITED | WNOWAIT | WNOHANG), 0);
    assert_int_equal(info.si_pid, 0); /* though it goes on */
    close(hall->pipe[1]);
    assert_int_equal(worker_join(w), 5);
    close(hall->pipe[0]);
    hall_end(hall);
}

/* ------------------------------------------------------------------ endpoints */

static void tell(struct segment *segment, unsigned left)
{
    registry_tell(&segment->registry);
    assert_int_equal(atomic_load(&segment->header->left), left);
}

static void a_side_has_left_when_its_last_is_gone(void)
{
    struct segment *segment = segment_new(4);
    struct header *header = segment->header;
    struct member member = member_new(segment);
    tell(segment, 0); /* nobody came: nobody has left */
    assert_counts_are(segment, 0, 0);
    unsigned tx = member_add(&member, OWNER_SENDER), clone = member_add(&member, OWNER_SENDER);
    assert_int_equal(atomic_load(&header->seen), SIDE_SENDER);
    tell(segment, 0);
    registry_remove(&member.registry, tx);
    tell(segment, 0);
    assert_counts_are(segment, 1, 0);
    unsigned rx = member_add(&member, OWNER_RECEIVER);
    assert_int_equal(rx, tx); /* the first that is free */
    assert_int_equal(atomic_load(&header->seen), SIDE_SENDER | SIDE_RECEIVER);
    assert_counts_are(segment, 1, 1);

    unsigned arrived = condvar_prepare(&header->arrived), room = condvar_prepare(&header->room);
    registry_remove(&member.registry, clone);
    assert_int_not_equal(atomic_load(&header->arrived.sequence), arrived);
    arrived = condvar_prepare(&header->arrived);
    tell(segment, SIDE_SENDER);
    assert_int_not_equal(atomic_load(&header->arrived.sequence), arrived);
    arrived = condvar_prepare(&header->arrived);
    tell(segment, SIDE_SENDER); /* no news */
    assert_int_equal(atomic_load(&header->arrived.sequence), arrived);
    assert_int_equal(atomic_load(&header->room.sequence), room);
    registry_remove(&member.registry, rx);
    tell(segment, SIDE_SENDER | SIDE_RECEIVER);
    assert_int_not_equal(atomic_load(&header->room.sequence), room);
    assert_counts_are(segment, 0, 0);
    member_add(&member, OWNER_SENDER);
    tell(segment, SIDE_RECEIVER); /* it is back */
    member_end(&member);
    segment_end(segment);
}

static void nobody_leaves_what_is_durable(void)
{
    struct segment *segment = segment_new(4);
    const char *name = channel_name();
    assert_status(segment_publish(segment, name), MPSC_OK);
    struct member member = member_new(segment);
    segment->registry.durable = true;
    unsigned tx = member_add(&member, OWNER_SENDER);
    registry_remove(&member.registry, tx);
    tell(segment, 0);
    /* From here on it is scoped. */
    assert_int_equal(os_shm_unlink(name), 0);
    tell(segment, SIDE_SENDER);
    member_end(&member);
    segment_end(segment);
}

static void the_dead_are_reaped(void)
{
    struct segment *segment = segment_new(4);
    const struct registry *registry = &segment->registry;
    struct member a = member_new(segment), b = member_new(segment), c = member_new(segment);
    const enum owner_kind kinds[] = {OWNER_SENDER, OWNER_RECEIVER, OWNER_SENDER};
    unsigned of_a[3], of_b[3];
    for (int i = 0; i < 3; i++) {
        of_a[i] = member_add(&a, kinds[i]);
        of_b[i] = member_add(&b, kinds[i]);
    }
    atomic_store(&endpoint_of(segment, of_b[0])->intent.cells, 1);
    atomic_store(&endpoint_of(segment, of_b[0])->intent.position, 0);
    registry_reap(registry);
    assert_counts_are(segment, 4, 2);
    assert_true(registry_alive(registry, owner_of(&b, OWNER_SENDER)));

    member_end(&b);
    assert_false(registry_alive(registry, owner_of(&b, OWNER_SENDER)));
    assert_true(registry_alive(registry, owner_of(&a, OWNER_SENDER)));
    assert_counts_are(segment, 4, 2);
    unsigned arrived = condvar_prepare(&segment->header->arrived);
    registry_reap(registry);
    /* The receiver may be asleep over a hole of its. */
    assert_int_not_equal(atomic_load(&segment->header->arrived.sequence), arrived);
    assert_counts_are(segment, 2, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&endpoint_of(segment, of_b[i])->owner), 0);
        assert_int_not_equal(atomic_load(&endpoint_of(segment, of_a[i])->owner), 0);
    }
    assert_true(atomic_load(&endpoint_of(segment, of_b[0])->intent.position) == INTENT_NONE);
    assert_int_equal(atomic_load(&registry->processes[b.registry.slot].life), 0);
    assert_true(registry_present(registry, OWNER_RECEIVER));

    /* Counts that somebody left wrong are made anew. */
    atomic_store(&segment->header->senders, 77);
    atomic_store(&segment->header->receivers, 0);
    registry_recount(registry);
    assert_counts_are(segment, 2, 1);

    /* One that detaches takes along what is its own, and so does one that gets its slot. */
    registry_detach(&c.registry, c.registry.slot);
    assert_counts_are(segment, 2, 1);
    registry_detach(&a.registry, a.registry.slot);
    registry_detach(&a.registry, a.registry.slot);
    assert_counts_are(segment, 0, 0);
    assert_false(registry_present(registry, OWNER_SENDER));
    assert_null(registry_check(registry));
    member_end(&a);
    member_end(&c);
    segment_end(segment);
}

static void without_a_descriptor_everybody_lives(void)
{
    struct segment *segment = segment_new(4);
    struct member member = member_new(segment);
    struct registry blind = segment->registry;
    member_add(&member, OWNER_SENDER);
    member_end(&member);
    assert_false(registry_slot_alive(&segment->registry, 0));
    blind.fd = STDIN_FILENO; /* what closefrom and another open may make of it */
    assert_false(registry_has_descriptor(&blind));
    assert_true(registry_slot_alive(&blind, 0));
    assert_true(registry_present(&blind, OWNER_SENDER));
    blind.fd = -1;
    assert_true(registry_slot_alive(&blind, 0));
    registry_reap(&blind);
    assert_counts_are(segment, 1, 0);
    segment_end(segment);
}

/* ------------------------------------------------------------------ tables that grow */

static uint64_t pages_of(uint64_t entries, uint64_t size)
{
    uint64_t page = os_page_size();
    return (entries * size + page - 1) / page * page;
}

/* Every entry that is counted has memory, each process has a page for its news, and there is no page
 * more than these. */
static void memory_must_be_exact(const struct segment *segment, unsigned processes)
{
    struct os_file file;
    assert_int_equal(os_file_status(segment->fd, &file), 0);
    assert_int_equal(
        file.allocated,
        (1 + processes) * os_page_size() +
            pages_of(registry_process_high(&segment->registry), sizeof(struct process)) +
            pages_of(registry_endpoint_high(&segment->registry), sizeof(struct endpoint)) +
            geometry_place(&segment->geometry, 0).size);
}

static void endpoints_grow_by_pages(void)
{
    struct segment *segment = segment_new(4);
    struct member member = member_new(segment);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(member_add(&member, i % 7 ? OWNER_SENDER : OWNER_RECEIVER), i);
        assert_true(registry_endpoint_high(&segment->registry) > i);
        memory_must_be_exact(segment, 1);
    }
    assert_counts_are(segment, 171, 29);
    assert_null(registry_check(&segment->registry));
    member_end(&member);
    segment_end(segment);
}

/* They come in any order: whoever has a slot waits for the control mutex before it attaches. */
static void processes_grow_by_pages(void)
{
    static const unsigned some[] = {0, 31, 70, 40, 32, 33, 99, 64, 98, 999, 500};
    struct segment *segment = segment_new(4);
    const struct registry *registry = &segment->registry;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        assert_int_equal(registry_attach(registry, some[i], (uint32_t)i + 1), 0);
        assert_true(registry_process_high(registry) > some[i]);
        memory_must_be_exact(segment, (unsigned)i + 1);
    }
    assert_int_equal(registry_process_high(registry), MPSC_MAX_PROCESSES);
    assert_int_equal(atomic_load(&registry->processes[500].life), 11);
    assert_int_equal(atomic_load(&registry->processes[501].life), 0);
    segment_end(segment);
}

static void no_memory_no_entry(void)
{
    struct segment *segment = segment_new(4);
    struct member member = member_new(segment);
    struct registry registry = member.registry;
    unsigned high = registry_endpoint_high(&registry);
    for (unsigned i = 0; i < high; i++)
        member_add(&member, OWNER_SENDER);
    /* Nothing can be committed through a descriptor for reading, nor through none. */
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", segment->fd);
    int fds[] = {open(path, O_RDONLY | O_CLOEXEC), -1};
    for (int i = 0; i < 2; i++) {
        registry.fd = fds[i];
        assert_int_equal(registry_has_descriptor(&registry), i == 0);
        assert_int_equal(registry_add(&registry, OWNER_SENDER, 0, 1), -EBADF);
        assert_int_equal(registry_attach(&registry, 500, 1), -EBADF);
    }
    close(fds[0]);
    /* Nor is a stranger's file made larger, which has the number now. */
    struct os_file file;
    registry.fd = os_shm_create(0600);
    assert_int_equal(registry_add(&registry, OWNER_SENDER, 0, 1), -EBADF);
    assert_int_equal(registry_attach(&registry, 1, 1), -EBADF);
    assert_int_equal(registry_attach(&registry, 500, 1), -EBADF);
    assert_int_equal(os_file_status(registry.fd, &file), 0);
    assert_int_equal(file.size, 0);
    os_close(registry.fd);
    assert_int_equal(registry_endpoint_high(&registry), high);
    assert_counts_are(segment, high, 0);
    memory_must_be_exact(segment, 1);
    member_end(&member);
    segment_end(segment);
}

/* And the receiver that each process may have inherited. */
static void ten_thousand_senders_and_no_more(void)
{
    struct segment *segment = segment_new(4);
    struct member member = member_new(segment);
    const struct registry *registry = &member.registry;
    for (unsigned i = 0; i < MPSC_MAX_SENDERS; i++)
        member_add(&member, OWNER_SENDER);
    assert_int_equal(registry_add(registry, OWNER_SENDER, registry->slot, 1), -EMFILE);
    for (unsigned i = 0; i < MPSC_MAX_PROCESSES; i++)
        member_add(&member, OWNER_RECEIVER);
    for (int i = 0; i < 3; i++)
        assert_int_equal(registry_add(registry, OWNER_RECEIVER, registry->slot, 1), -EMFILE);
    assert_counts_are(segment, MPSC_MAX_SENDERS, MPSC_MAX_PROCESSES);
    memory_must_be_exact(segment, 1);
    registry_remove(registry, 4321);
    assert_int_equal(member_add(&member, OWNER_SENDER), 4321);
    assert_int_equal(registry_add(registry, OWNER_SENDER, registry->slot, 1), -EMFILE);
    registry_remove(registry, 4321);
    assert_counts_are(segment, MPSC_MAX_SENDERS - 1, MPSC_MAX_PROCESSES);
    registry_detach(registry, registry->slot);
    assert_counts_are(segment, 0, 0);
    member_end(&member);
    segment_end(segment);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_slot_is_allotted_by_its_lock),
        TEST(the_slots_come_to_an_end),
        TEST(a_generation_is_never_zero),
        TEST(one_that_moves_is_always_there),
        TEST(a_look_ends_however_many_come),
        TEST_PROCESSES(a_zombie_is_dead),
        TEST_PROCESSES(a_child_does_not_keep_its_parents_slot),
        TEST_PROCESSES(a_program_that_was_executed_is_dead),
        TEST(a_side_has_left_when_its_last_is_gone),
        TEST(nobody_leaves_what_is_durable),
        TEST(the_dead_are_reaped),
        TEST(without_a_descriptor_everybody_lives),
        TEST(endpoints_grow_by_pages),
        TEST(processes_grow_by_pages),
        TEST(no_memory_no_entry),
        TEST(ten_thousand_senders_and_no_more),
    };
    return harness_main("unit_registry", tests, sizeof tests / sizeof *tests);
}
