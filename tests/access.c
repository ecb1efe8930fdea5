/* SPDX-License-Identifier: MIT */
/* 1.3.12 Access: segments are 0600 unless an option says otherwise, and one that belongs to neither
 * this user nor root is refused unless an option allows it. Needs root, to be other users. */
#include "channels.h"

#include <grp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

enum { ROOT = 0, ALICE = 54321, BOB = 54322 };

struct shared {
    const char *name;
    uid_t user;
    mpsc_options options;
    mpsc_status expected;
    uint64_t number;
    atomic_int ready, go;
};

/* For good. The process stays the owner of its /proc, as one that has logged in is. */
static bool become(uid_t user)
{
    if (user == ROOT)
        return true;
    return setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 &&
           setresuid(user, user, user) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
}

static int becomes_alice(void *unused)
{
    (void)unused;
    return become(ALICE) ? 0 : 1;
}

static struct shared *new_shared(unsigned permissions)
{
    if (geteuid() != ROOT)
        harness_skip("only root can be other users");
    if (worker_join(worker_start(PROCESSES, becomes_alice, NULL)) != 0)
        harness_skip("other users cannot be had here");
    struct shared *shared = shared_memory(sizeof *shared);
    shared->name = channel_name();
    shared->options = options_of(8, 4);
    shared->options.permissions = permissions;
    return shared;
}

/* ------------------------------------------------------------------ who creates */

static int creates(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = NULL;
    assert_true(become(shared->user));
    assert_status(mpsc_open_sender(shared->name, &shared->options, &tx), MPSC_OK);
    send_number(tx, 7);
    atomic_store(&shared->ready, 1);
    wait_for(&shared->go);
    mpsc_sender_close(tx);
    return 0;
}

static worker start_creator(struct shared *shared, uid_t user)
{
    shared->user = user;
    worker w = worker_start(PROCESSES, creates, shared);
    wait_for(&shared->ready);
    return w;
}

static void end_creator(struct shared *shared, worker w)
{
    atomic_store(&shared->go, 1);
    assert_int_equal(worker_join(w), 0);
    assert_false(name_exists(shared->name));
}

/* ------------------------------------------------------------------ who attaches */

static int attaches(void *argument)
{
    struct shared *shared = argument;
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.any_owner = shared->options.any_owner;
    options.create = shared->options.create;
    mpsc_sender *tx = NULL;
    mpsc_receiver *rx = NULL;
    assert_true(become(shared->user));
    assert_status(mpsc_open_sender(shared->name, &options, &tx), shared->expected);
    assert_status(mpsc_open_receiver(shared->name, &options, &rx), shared->expected);
    if (shared->expected != MPSC_OK) {
        assert_null(tx);
        assert_null(rx);
        return 0;
    }
    assert_int_equal(recv_number(rx), 7);
    send_number(tx, 7);
    mpsc_receiver_close(rx);
    mpsc_sender_close(tx);
    return 0;
}

static void attach_as(struct shared *shared, uid_t user, int any_owner, mpsc_status expected)
{
    for (int create = 0; create <= 1; create++) {
        struct shared *other = shared_memory(sizeof *other);
        other->name = shared->name;
        other->options.any_owner = any_owner;
        other->options.create = create;
        other->user = user;
        other->expected = expected;
        assert_int_equal(worker_join(worker_start(PROCESSES, attaches, other)), 0);
    }
}

/* ------------------------------------------------------------------ the promises */

static void ones_own_is_accepted(void)
{
    struct shared *shared = new_shared(0);
    worker w = start_creator(shared, ALICE);
    attach_as(shared, ALICE, 0, MPSC_OK);
    attach_as(shared, ALICE, 1, MPSC_OK);
    end_creator(shared, w);
}

static void by_default_it_is_for_nobody_else(void)
{
    struct shared *shared = new_shared(0);
    mode_t before = umask(0);
    worker w = start_creator(shared, ALICE);
    umask(before);
    struct stat file;
    assert_int_equal(stat(channel_path(shared->name), &file), 0);
    assert_int_equal(file.st_mode & 07777, 0600);
    assert_int_equal(file.st_uid, ALICE);
    attach_as(shared, BOB, 0, MPSC_DENIED);
    attach_as(shared, BOB, 1, MPSC_DENIED);
    end_creator(shared, w);
}

/* Whoever may squat a name is another user; root too is asked whether it wants that. */
static void another_users_is_refused(void)
{
    struct shared *shared = new_shared(0666);
    worker w = start_creator(shared, ALICE);
    attach_as(shared, BOB, 0, MPSC_DENIED);
    attach_as(shared, ROOT, 0, MPSC_DENIED);
    attach_as(shared, BOB, 1, MPSC_OK);
    attach_as(shared, ROOT, 1, MPSC_OK);
    end_creator(shared, w);
}

static void roots_is_accepted_where_permitted(void)
{
    struct shared *shared = new_shared(0666);
    worker w = start_creator(shared, ROOT);
    attach_as(shared, ALICE, 0, MPSC_OK);
    attach_as(shared, BOB, 1, MPSC_OK);
    end_creator(shared, w);

    shared = new_shared(0600);
    w = start_creator(shared, ROOT);
    attach_as(shared, ALICE, 0, MPSC_DENIED);
    attach_as(shared, ALICE, 1, MPSC_DENIED);
    end_creator(shared, w);
}

/* To take part is to write; to look is not. */
static int looks(void *argument)
{
    struct shared *shared = argument;
    mpsc_stats stats;
    assert_true(become(shared->user));
    assert_status(mpsc_stat(shared->name, &stats), shared->expected);
    if (shared->expected == MPSC_OK)
        assert_int_equal(stats.queued, 1);
    return 0;
}

static void reading_is_enough_to_look(void)
{
    struct shared *shared = new_shared(0644);
    worker w = start_creator(shared, ROOT);
    attach_as(shared, ALICE, 0, MPSC_DENIED);
    shared->user = ALICE;
    shared->expected = MPSC_OK;
    assert_int_equal(worker_join(worker_start(PROCESSES, looks, shared)), 0);
    end_creator(shared, w);

    shared = new_shared(0600);
    w = start_creator(shared, ROOT);
    shared->user = ALICE;
    shared->expected = MPSC_DENIED;
    assert_int_equal(worker_join(worker_start(PROCESSES, looks, shared)), 0);
    end_creator(shared, w);
}

static int unlinks(void *argument)
{
    struct shared *shared = argument;
    assert_true(become(shared->user));
    assert_status(mpsc_unlink(shared->name), shared->expected);
    return 0;
}

static void only_the_owner_removes_a_name(void)
{
    struct stat folder;
    if (stat("/dev/shm", &folder) != 0 || !(folder.st_mode & S_ISVTX))
        harness_skip("/dev/shm is not sticky");
    struct shared *shared = new_shared(0666);
    worker w = start_creator(shared, ALICE);
    shared->user = BOB;
    shared->expected = MPSC_DENIED;
    assert_int_equal(worker_join(worker_start(PROCESSES, unlinks, shared)), 0);
    assert_true(name_exists(shared->name));
    shared->user = ALICE;
    shared->expected = MPSC_OK;
    assert_int_equal(worker_join(worker_start(PROCESSES, unlinks, shared)), 0);
    assert_false(name_exists(shared->name));
    end_creator(shared, w);
}

/* A squatted name that holds no channel is not looked into either. */
static int squats(void *argument)
{
    struct shared *shared = argument;
    assert_true(become(shared->user));
    FILE *file = fopen(channel_path(shared->name), "w");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0666), 0);
    fclose(file);
    return 0;
}

static void a_squatted_name_is_refused(void)
{
    struct shared *shared = new_shared(0);
    shared->user = ALICE;
    assert_int_equal(worker_join(worker_start(PROCESSES, squats, shared)), 0);
    attach_as(shared, BOB, 0, MPSC_DENIED);
    attach_as(shared, ROOT, 0, MPSC_DENIED);
    assert_status(mpsc_unlink(shared->name), MPSC_OK);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(ones_own_is_accepted),       TEST(by_default_it_is_for_nobody_else),
        TEST(another_users_is_refused),   TEST(roots_is_accepted_where_permitted),
        TEST(reading_is_enough_to_look),  TEST(only_the_owner_removes_a_name),
        TEST(a_squatted_name_is_refused),
    };
    return harness_main("access", tests, sizeof tests / sizeof *tests);
}
