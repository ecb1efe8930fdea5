/* SPDX-License-Identifier: MIT */
/* 1.3.6 Lifetime: a scoped channel's name goes with its last handle, a durable one stays until
 * mpsc_unlink and disconnects nobody, a side that never came is waited for, and a channel whose
 * processes were all killed is gone. */
#include "channels.h"

#include "handle.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { SIZE = 8, BOUND = 4 };

struct shared {
    const char *name;
    mpsc_options options;
    uint64_t first, count;
    atomic_int ready, go, done;
    atomic_uint arrived;
    atomic_uint turn;
};

static struct shared *new_shared(void)
{
    struct shared *shared = shared_memory(sizeof *shared);
    shared->name = channel_name();
    shared->options = options_of(SIZE, BOUND);
    return shared;
}

static mpsc_sender *shared_tx(const struct shared *shared)
{
    mpsc_sender *tx = NULL;
    assert_status(mpsc_open_sender(shared->name, &shared->options, &tx), MPSC_OK);
    return tx;
}

static mpsc_receiver *shared_rx(const struct shared *shared)
{
    mpsc_receiver *rx = NULL;
    assert_status(mpsc_open_receiver(shared->name, &shared->options, &rx), MPSC_OK);
    return rx;
}

static mpsc_status try_number(mpsc_receiver *rx, uint64_t *number)
{
    return mpsc_try_recv(rx, number, sizeof *number, NULL);
}

static void must_be_empty(mpsc_receiver *rx)
{
    uint64_t number;
    assert_status(try_number(rx, &number), MPSC_EMPTY);
}

static mpsc_stats stats_of(const char *name)
{
    mpsc_stats stats;
    assert_status(mpsc_stat(name, &stats), MPSC_OK);
    return stats;
}

static void must_not_be_found(const char *name)
{
    mpsc_stats stats;
    assert_status(mpsc_stat(name, &stats), MPSC_NOT_FOUND);
    assert_false(name_exists(name));
}

/* ------------------------------------------------------------------ scoped */

static void the_name_goes_with_the_last_handle(void)
{
    for (unsigned order = 0; order < 6; order++) {
        const char *name = channel_name();
        mpsc_sender *tx = open_tx(name, SIZE, BOUND), *clone;
        mpsc_receiver *rx = open_rx(name, SIZE, BOUND);
        assert_status(mpsc_sender_clone(tx, &clone), MPSC_OK);
        for (unsigned step = 0; step < 3; step++) {
            assert_true(name_exists(name));
            assert_int_equal(stats_of(name).linked, 1);
            switch (order < 3 ? (order + step) % 3 : (order + 3 - step) % 3) {
            case 0:
                mpsc_sender_close(tx);
                break;
            case 1:
                mpsc_receiver_close(rx);
                break;
            default:
                mpsc_sender_close(clone);
            }
        }
        must_not_be_found(name);
    }
}

static void the_queue_goes_with_the_name(void)
{
    const char *name = channel_name();
    mpsc_sender *tx = open_tx(name, SIZE, BOUND);
    send_number(tx, 1);
    mpsc_sender_close(tx);
    must_not_be_found(name);
    /* The next of that name is another channel, of another shape. */
    mpsc_receiver *rx = open_rx(name, 2 * SIZE, 2 * BOUND);
    must_be_empty(rx);
    mpsc_receiver_close(rx);
    must_not_be_found(name);
}

static int holds_a_sender(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = shared_tx(shared);
    for (uint64_t i = 0; i < shared->count; i++)
        send_number(tx, shared->first + i);
    atomic_store(&shared->ready, 1);
    wait_for(&shared->go);
    mpsc_sender_close(tx);
    return 0;
}

/* The last handle may be anybody's. */
static void the_last_handle_may_be_elsewhere(enum mode mode)
{
    struct shared *shared = new_shared();
    shared->count = 2;
    worker w = worker_start(mode, holds_a_sender, shared);
    wait_for(&shared->ready);
    mpsc_receiver *rx = shared_rx(shared);
    assert_int_equal(recv_number(rx), 0);
    mpsc_receiver_close(rx);
    assert_true(name_exists(shared->name));
    rx = shared_rx(shared); /* which goes on where that one stopped */
    assert_int_equal(recv_number(rx), 1);
    mpsc_receiver_close(rx);
    atomic_store(&shared->go, 1);
    assert_int_equal(worker_join(w), 0);
    must_not_be_found(shared->name);
}

/* ------------------------------------------------------------------ a side that never came */

static int receives_all(void *argument)
{
    struct shared *shared = argument;
    mpsc_receiver *rx = shared_rx(shared);
    must_be_empty(rx);
    atomic_store(&shared->ready, 1);
    for (uint64_t i = 0; i < shared->count; i++)
        assert_int_equal(recv_number(rx), i);
    uint64_t number;
    assert_status(mpsc_recv(rx, &number, sizeof number, NULL), MPSC_DISCONNECTED);
    mpsc_receiver_close(rx);
    return 0;
}

static void a_receiver_waits_for_the_first_sender(enum mode mode)
{
    static const size_t bounds[] = {0, 1, BOUND, MPSC_UNBOUNDED};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        struct shared *shared = new_shared();
        shared->options.bound = bounds[i];
        shared->count = 10;
        worker w = worker_start(mode, receives_all, shared);
        wait_for(&shared->ready);
        wait_asleep(w);
        mpsc_sender *tx = shared_tx(shared);
        for (uint64_t j = 0; j < shared->count; j++)
            send_number(tx, j);
        mpsc_sender_close(tx);
        assert_int_equal(worker_join(w), 0);
        must_not_be_found(shared->name);
    }
}

static int sends_all(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = shared_tx(shared);
    uint64_t number = 0;
    mpsc_status status;
    while ((status = mpsc_try_send(tx, &number, sizeof number)) == MPSC_OK)
        number++;
    assert_status(status, MPSC_FULL);
    assert_int_equal(number, shared->options.bound);
    assert_status(mpsc_send_timeout(tx, &number, sizeof number, MILLISECONDS), MPSC_TIMEOUT);
    atomic_store(&shared->ready, 1);
    while (number < shared->count)
        send_number(tx, number++);
    assert_status(mpsc_flush(tx, MPSC_FOREVER), MPSC_OK);
    mpsc_sender_close(tx);
    return 0;
}

static void a_sender_waits_for_the_first_receiver(enum mode mode)
{
    for (size_t bound = 0; bound <= BOUND; bound++) {
        struct shared *shared = new_shared();
        shared->options.bound = bound;
        shared->count = 20;
        worker w = worker_start(mode, sends_all, shared);
        wait_for(&shared->ready);
        wait_asleep(w);
        mpsc_receiver *rx = shared_rx(shared);
        for (uint64_t i = 0; i < shared->count; i++)
            assert_int_equal(recv_number(rx), i);
        assert_int_equal(worker_join(w), 0);
        mpsc_receiver_close(rx);
        must_not_be_found(shared->name);
    }
}

/* ------------------------------------------------------------------ durable */

static int sends_and_closes(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = shared_tx(shared);
    for (uint64_t i = 0; i < shared->count; i++)
        send_number(tx, shared->first + i);
    mpsc_sender_close(tx);
    return 0;
}

static int receives_and_closes(void *argument)
{
    struct shared *shared = argument;
    mpsc_receiver *rx = shared_rx(shared);
    for (uint64_t i = 0; i < shared->count; i++)
        assert_int_equal(recv_number(rx), shared->first + i);
    mpsc_receiver_close(rx);
    return 0;
}

static void run(enum mode mode, int (*body)(void *), struct shared *shared, uint64_t first,
                uint64_t count)
{
    shared->first = first;
    shared->count = count;
    assert_int_equal(worker_join(worker_start(mode, body, shared)), 0);
}

/* Its queue outlives every process, and each receiver goes on where the one before it stopped. */
static void a_durable_channel_stays(enum mode mode)
{
    struct shared *shared = new_shared();
    shared->options.durable = 1;
    run(mode, sends_and_closes, shared, 0, 3);
    assert_true(name_exists(shared->name));
    mpsc_stats stats = stats_of(shared->name);
    assert_int_equal(stats.durable, 1);
    assert_int_equal(stats.linked, 1);
    assert_int_equal(stats.queued, 3);
    assert_int_equal(stats.senders, 0);
    assert_int_equal(stats.receivers, 0);

    run(mode, receives_and_closes, shared, 0, 1);
    run(mode, sends_and_closes, shared, 3, 2);
    const uint64_t rounds = scaled(500);
    for (uint64_t i = 1; i <= rounds; i++) {
        run(mode, receives_and_closes, shared, i, 1);
        run(mode, sends_and_closes, shared, i + 4, 1);
    }
    assert_int_equal(stats_of(shared->name).queued, 4);
    run(mode, receives_and_closes, shared, rounds + 1, 4);
    assert_int_equal(stats_of(shared->name).queued, 0);
    assert_true(name_exists(shared->name));
    assert_status(mpsc_unlink(shared->name), MPSC_OK);
    must_not_be_found(shared->name);
}

static void a_durable_channel_disconnects_nobody(enum mode mode)
{
    struct shared *shared = new_shared();
    uint64_t number = 0;
    shared->options.durable = 1;
    mpsc_receiver *rx = shared_rx(shared);
    run(mode, sends_and_closes, shared, 0, 2);
    assert_int_equal(recv_number(rx), 0);
    assert_int_equal(recv_number(rx), 1);
    must_be_empty(rx);
    assert_status(mpsc_recv_timeout(rx, &number, sizeof number, NULL, 150 * MILLISECONDS),
                  MPSC_TIMEOUT);
    mpsc_receiver_close(rx);

    mpsc_sender *tx = shared_tx(shared);
    number = 0;
    while (mpsc_try_send(tx, &number, sizeof number) == MPSC_OK)
        number++;
    assert_int_equal(number, BOUND);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_FULL);
    assert_status(mpsc_send_timeout(tx, &number, sizeof number, 150 * MILLISECONDS), MPSC_TIMEOUT);
    assert_status(mpsc_flush(tx, MILLISECONDS), MPSC_TIMEOUT);
    run(mode, receives_and_closes, shared, 0, 2);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_OK);
    mpsc_sender_close(tx);
    assert_status(mpsc_unlink(shared->name), MPSC_OK);
    must_not_be_found(shared->name);
}

/* Its processes may all be killed. */
static void a_durable_channel_outlives_kills(void)
{
    struct shared *shared = new_shared();
    shared->options.durable = 1;
    shared->count = 3;
    worker w = worker_start(PROCESSES, holds_a_sender, shared);
    wait_for(&shared->ready);
    kill(worker_pid(w), SIGKILL);
    assert_int_equal(worker_join(w), 128 + SIGKILL);
    assert_true(name_exists(shared->name));
    run(PROCESSES, receives_and_closes, shared, 0, 3);
    assert_status(mpsc_unlink(shared->name), MPSC_OK);
}

static int opens_without_standard_descriptors(void *name)
{
    mpsc_sender *private_tx;
    mpsc_receiver *private_rx;
    int taken = 0, polled;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
    mpsc_sender *tx = open_tx(name, SIZE, BOUND);
    mpsc_receiver *rx = open_rx(name, SIZE, BOUND);
    assert_status(mpsc_channel(SIZE, &private_tx, &private_rx), MPSC_OK);
    assert_status(mpsc_receiver_fd(rx, &polled), MPSC_OK);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        taken += fcntl(fd, F_GETFD) >= 0;
    send_number(tx, 1);
    assert_int_equal(recv_number(rx), 1);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    mpsc_sender_close(private_tx);
    mpsc_receiver_close(private_rx);
    return taken;
}

/* What is printed would go into a segment, and what becomes a standard one later is not to be closed. */
static void no_descriptor_is_a_standard_one(void)
{
    char name[64];
    snprintf(name, sizeof name, "%s", channel_name());
    worker w = worker_start(PROCESSES, opens_without_standard_descriptors, name);
    assert_int_equal(worker_join(w), 0);
}

static void the_name_goes_without_a_descriptor(void)
{
    const char *name = channel_name();
    mpsc_sender *tx = open_tx(name, SIZE, BOUND);
    mpsc_receiver *rx = open_rx(name, SIZE, BOUND);
    close_descriptors_of(name);
    send_number(tx, 1);
    assert_int_equal(recv_number(rx), 1);
    mpsc_sender_close(tx);
    assert_true(name_exists(name));
    mpsc_receiver_close(rx);
    must_not_be_found(name);
}

/* The descriptor's number may be a stranger's file by now. */
static void messages_are_counted_without_a_descriptor(void)
{
    const char *name = channel_name();
    mpsc_sender *tx = open_tx(name, SIZE, MPSC_UNBOUNDED);
    mpsc_receiver *rx = open_rx(name, SIZE, MPSC_UNBOUNDED);
    send_number(tx, 1);
    send_number(tx, 2);
    assert_int_equal(mpsc_len(rx), 2);
    close_descriptors_of(name);
    assert_int_equal(mpsc_len(rx), 2);
    assert_int_equal(recv_number(rx), 1);
    assert_int_equal(mpsc_len(rx), 1);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    must_not_be_found(name);
}

/* ------------------------------------------------------------------ unlinked */

/* A receiver that left long ago is gone for whoever sends next, waiting or not. */
static void unlinking_tells_who_sends(enum mode mode)
{
    struct shared *shared = new_shared();
    (void)mode;
    shared->options.durable = 1;
    mpsc_sender *tx = shared_tx(shared);
    mpsc_receiver_close(shared_rx(shared));
    send_number(tx, 1);
    assert_status(mpsc_unlink(shared->name), MPSC_OK);
    assert_status(mpsc_try_send(tx, &(uint64_t){2}, sizeof(uint64_t)), MPSC_DISCONNECTED);
    mpsc_sender_close(tx);
    must_not_be_found(shared->name);
}

/* From then on the scoped rules hold: a side that was there and left is a disconnect. */
static void an_unlinked_durable_channel_is_scoped(enum mode mode)
{
    struct shared *shared = new_shared();
    uint64_t number;
    shared->options.durable = 1;
    shared->count = 2;
    worker w = worker_start(mode, holds_a_sender, shared);
    wait_for(&shared->ready);
    mpsc_receiver *rx = shared_rx(shared);
    assert_status(mpsc_unlink(shared->name), MPSC_OK);
    must_not_be_found(shared->name);
    assert_int_equal(recv_number(rx), 0);
    atomic_store(&shared->go, 1);
    assert_int_equal(worker_join(w), 0);
    assert_int_equal(recv_number(rx), 1);
    assert_status(mpsc_recv(rx, &number, sizeof number, NULL), MPSC_DISCONNECTED);
    mpsc_receiver_close(rx);
    must_not_be_found(shared->name);
}

static int waits_for_the_end(void *argument)
{
    struct shared *shared = argument;
    mpsc_receiver *rx = shared_rx(shared);
    uint64_t number;
    atomic_store(&shared->ready, 1);
    assert_status(mpsc_recv(rx, &number, sizeof number, NULL), MPSC_DISCONNECTED);
    mpsc_receiver_close(rx);
    return 0;
}

/* Who was waiting for the next sender of a durable channel waits for nobody any more. */
static void unlinking_wakes_who_waits(enum mode mode)
{
    struct shared *shared = new_shared();
    shared->options.durable = 1;
    mpsc_sender_close(shared_tx(shared));
    worker w = worker_start(mode, waits_for_the_end, shared);
    wait_for(&shared->ready);
    wait_asleep(w);
    assert_status(mpsc_unlink(shared->name), MPSC_OK);
    assert_int_equal(worker_join(w), 0);
}

static int takes_two(void *argument)
{
    struct shared *shared = argument;
    mpsc_receiver *rx = shared_rx(shared);
    atomic_store(&shared->ready, 1);
    assert_int_equal(recv_number(rx), 1);
    assert_int_equal(recv_number(rx), 2);
    atomic_store(&shared->done, 1);
    wait_for(&shared->go);
    mpsc_receiver_close(rx);
    return 0;
}

/* rm, or mpsc_unlink: those attached go on; the next opener makes a new channel, which is not
 * disturbed when the old one ends. */
static void a_channel_goes_on_without_its_name(enum mode mode)
{
    for (int by_library = 0; by_library <= 1; by_library++) {
        struct shared *shared = new_shared();
        worker w = worker_start(mode, takes_two, shared);
        wait_for(&shared->ready);
        mpsc_sender *tx = shared_tx(shared), *clone;
        if (by_library)
            assert_status(mpsc_unlink(shared->name), MPSC_OK);
        else
            assert_int_equal(unlink(channel_path(shared->name)), 0);
        must_not_be_found(shared->name);
        assert_status(mpsc_sender_clone(tx, &clone), MPSC_OK);
        send_number(tx, 1);
        mpsc_sender_close(tx);

        mpsc_receiver *other = shared_rx(shared);
        assert_int_equal(stats_of(shared->name).linked, 1);
        must_be_empty(other);
        send_number(clone, 2);
        wait_for(&shared->done);
        must_be_empty(other);
        mpsc_sender_close(clone);
        atomic_store(&shared->go, 1);
        assert_int_equal(worker_join(w), 0);

        assert_true(name_exists(shared->name));
        tx = shared_tx(shared);
        send_number(tx, 3);
        assert_int_equal(recv_number(other), 3);
        mpsc_sender_close(tx);
        mpsc_receiver_close(other);
        must_not_be_found(shared->name);
    }
}

/* ------------------------------------------------------------------ orphans */

/* Leaves a channel whose only process was killed. */
static struct shared *new_orphan(void)
{
    struct shared *shared = new_shared();
    shared->count = 2;
    worker w = worker_start(PROCESSES, holds_a_sender, shared);
    wait_for(&shared->ready);
    kill(worker_pid(w), SIGKILL);
    assert_int_equal(worker_join(w), 128 + SIGKILL);
    return shared;
}

static void an_orphan_is_gone(void)
{
    mpsc_sender *tx = NULL;
    mpsc_receiver *rx = NULL;
    struct shared *shared = new_orphan();
    shared->options.create = 0;
    assert_status(mpsc_open_sender(shared->name, &shared->options, &tx), MPSC_NOT_FOUND);
    assert_status(mpsc_open_receiver(shared->name, &shared->options, &rx), MPSC_NOT_FOUND);
    assert_null(tx);
    assert_null(rx);
    unlink(channel_path(shared->name));
}

static void the_next_open_starts_afresh(void)
{
    /* As a receiver, as a sender, of another shape, and as one that must be new. */
    for (int how = 0; how < 4; how++) {
        struct shared *shared = new_orphan();
        if (how == 2)
            shared->options = options_of(3 * SIZE, 17);
        if (how == 3)
            shared->options.exclusive = 1;
        mpsc_sender *tx = how == 1 ? shared_tx(shared) : NULL;
        mpsc_receiver *rx = shared_rx(shared);
        shared->options.exclusive = 0;
        must_be_empty(rx);
        assert_int_equal(mpsc_capacity(rx), shared->options.bound);
        if (!tx)
            tx = shared_tx(shared);
        send_number(tx, 9);
        assert_int_equal(recv_number(rx), 9);
        mpsc_sender_close(tx);
        mpsc_receiver_close(rx);
        must_not_be_found(shared->name);
    }
}

/* All other slots are taken: who opens it gets the dead process' own. */
static void whoever_gets_the_dead_ones_slot_starts_afresh(void)
{
    struct flock others = {.l_type = F_WRLCK,
                           .l_whence = SEEK_SET,
                           .l_start = LOCK_PROCESS + 1,
                           .l_len = MPSC_MAX_PROCESSES - 1};
    for (int exclusive = 0; exclusive < 2; exclusive++) {
        struct shared *shared = new_orphan();
        int fd = open(channel_path(shared->name), O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &others), 0);
        shared->options.exclusive = exclusive;
        mpsc_receiver *rx = shared_rx(shared);
        must_be_empty(rx);
        mpsc_receiver_close(rx);
        must_not_be_found(shared->name);
        close(fd);
    }
}

/* While one process lives, the channel does. */
static void half_an_orphan_is_none(void)
{
    struct shared *shared = new_shared();
    shared->count = 2;
    worker w = worker_start(PROCESSES, holds_a_sender, shared);
    wait_for(&shared->ready);
    mpsc_receiver *rx = shared_rx(shared);
    kill(worker_pid(w), SIGKILL);
    assert_int_equal(worker_join(w), 128 + SIGKILL);
    assert_true(name_exists(shared->name));
    mpsc_sender *tx = shared_tx(shared);
    assert_int_equal(recv_number(rx), 0);
    assert_int_equal(recv_number(rx), 1);
    send_number(tx, 2);
    assert_int_equal(recv_number(rx), 2);
    mpsc_receiver_close(rx);
    mpsc_sender_close(tx);
    must_not_be_found(shared->name);
}

/* ------------------------------------------------------------------ under another name */

static void copy_file(const char *from, const char *to)
{
    char bytes[4096];
    ssize_t length;
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(in >= 0 && out >= 0);
    while ((length = read(in, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(out, bytes, (size_t)length), length);
    close(in);
    close(out);
}

static void must_be_of_another_name(const char *name)
{
    mpsc_sender *tx = NULL;
    mpsc_receiver *rx = NULL;
    assert_status(mpsc_open_sender(name, NULL, &tx), MPSC_MISMATCH);
    assert_status(mpsc_open_receiver(name, NULL, &rx), MPSC_MISMATCH);
    assert_true(name_exists(name));
    assert_status(mpsc_unlink(name), MPSC_OK);
    assert_false(name_exists(name));
}

/* What was moved, copied or linked to another name by hand is not a channel of that name: neither
 * joined, nor taken for an orphan and removed. */
static void a_channel_has_its_own_name_only(void)
{
    struct shared *shared = new_orphan();
    const char *other = channel_name();
    assert_int_equal(rename(channel_path(shared->name), channel_path(other)), 0);
    must_be_of_another_name(other);

    mpsc_sender *tx = shared_tx(shared);
    send_number(tx, 1);
    copy_file(channel_path(shared->name), channel_path(other));
    must_be_of_another_name(other);
    assert_int_equal(link(channel_path(shared->name), channel_path(other)), 0);
    must_be_of_another_name(other);
    mpsc_receiver *rx = shared_rx(shared);
    assert_int_equal(recv_number(rx), 1);
    mpsc_receiver_close(rx);
    mpsc_sender_close(tx);
    must_not_be_found(shared->name);
}

/* ------------------------------------------------------------------ exits that race */

enum { EXITING = 3 };

static int exits_with_the_others(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = shared_tx(shared);
    assert_non_null(tx);
    atomic_fetch_add(&shared->arrived, 1);
    while (atomic_load(&shared->arrived) < EXITING)
        sched_yield();
    exit(0);
}

/* Nobody is certain to be the last, and yet the name goes. */
static void the_last_to_exit_takes_the_name_along(enum mode mode)
{
    for (unsigned long round = 0; round < scaled(100); round++) {
        struct shared *shared = new_shared();
        worker workers[EXITING];
        for (int i = 0; i < EXITING; i++)
            workers[i] = worker_start(mode, exits_with_the_others, shared);
        for (int i = 0; i < EXITING; i++)
            assert_int_equal(worker_join(workers[i]), 0);
        must_not_be_found(shared->name);
        munmap(shared, sizeof *shared);
    }
}

static int exits_with_no_descriptor_left(void *argument)
{
    struct shared *shared = argument;
    struct rlimit limit;
    mpsc_sender *tx = shared_tx(shared);
    assert_non_null(tx);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 256; /* not too many to open */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        continue;
    assert_int_equal(errno, EMFILE);
    harness_without_leak_check();
    exit(0);
}

/* To remove a name takes a descriptor. */
static void the_name_goes_at_exit_without_room_for_a_descriptor(void)
{
    struct shared *shared = new_shared();
    run(PROCESSES, exits_with_no_descriptor_left, shared, 0, 0);
    assert_false(name_exists(shared->name));
}

/* As in exit(), for as long as the test wants. */
static int is_about_to_end(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = shared_tx(shared);
    const struct registry *registry = &((const struct handle *)tx)->segment->registry;
    atomic_store(&registry->processes[registry->slot].exits, 1);
    atomic_store(&shared->ready, 1);
    wait_for(&shared->go);
    _exit(0);
}

/* Who closes last while another exits takes the name along: that one has looked already. */
static void a_close_beside_an_exit_takes_the_name_along(void)
{
    struct shared *shared = new_shared();
    mpsc_receiver *rx = shared_rx(shared);
    worker w = worker_start(PROCESSES, is_about_to_end, shared);
    wait_for(&shared->ready);
    mpsc_receiver_close(rx);
    must_not_be_found(shared->name);
    atomic_store(&shared->go, 1);
    assert_int_equal(worker_join(w), 0);
}

static int closes_when_told(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = shared_tx(shared);
    atomic_store(&shared->ready, 1);
    wait_for(&shared->go);
    mpsc_sender_close(tx);
    return 0;
}

/* Another process has the lock that removing a name takes, and does not remove it: it may not. */
static void a_close_waits_for_who_is_at_the_name(void)
{
    struct flock name = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_UNLINK, .l_len = 1};
    struct shared *shared = new_shared();
    worker w = worker_start(PROCESSES, closes_when_told, shared);
    wait_for(&shared->ready);
    int fd = open(channel_path(shared->name), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &name), 0);
    atomic_store(&shared->go, 1);
    must_go_on_for(worker_pid(w), 20 * MILLISECONDS);
    close(fd);
    assert_int_equal(worker_join(w), 0);
    must_not_be_found(shared->name);
}

/* ------------------------------------------------------------------ openers that race */

enum { OPENERS = 6 };

static int meets_the_others(void *argument)
{
    struct shared *shared = argument;
    unsigned mine = atomic_fetch_add(&shared->arrived, 1);
    while (atomic_load(&shared->arrived) < OPENERS)
        sched_yield();
    if (mine == 0) {
        mpsc_receiver *rx = shared_rx(shared);
        for (unsigned i = 1; i < OPENERS; i++)
            recv_number(rx);
        atomic_store(&shared->done, 1);
        mpsc_receiver_close(rx);
    } else {
        mpsc_sender *tx = shared_tx(shared);
        send_number(tx, mine);
        wait_for(&shared->done);
        mpsc_sender_close(tx);
    }
    return 0;
}

/* All open at once, where there is nothing, or an orphan; and all are in the same channel, for they
 * wait for each other. */
static void check_race(enum mode mode, struct shared *shared)
{
    worker workers[OPENERS];
    for (int i = 0; i < OPENERS; i++)
        workers[i] = worker_start(mode, meets_the_others, shared);
    for (int i = 0; i < OPENERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    must_not_be_found(shared->name);
    munmap(shared, sizeof *shared);
}

static void openers_of_a_new_name_meet(enum mode mode)
{
    for (unsigned long round = 0; round < scaled(100); round++)
        check_race(mode, new_shared());
}

static void openers_of_an_orphan_meet(enum mode mode)
{
    for (unsigned long round = 0; round < scaled(50); round++)
        check_race(mode, new_orphan());
}

static int opens_and_closes(void *argument)
{
    struct shared *shared = argument;
    unsigned mine = atomic_fetch_add(&shared->arrived, 1);
    for (uint64_t i = 0; i < shared->count; i++) {
        mpsc_sender *tx = shared_tx(shared);
        mpsc_receiver *rx = NULL;
        if (mine % 2 && mpsc_open_receiver(shared->name, &shared->options, &rx) == MPSC_OK)
            while (mpsc_try_recv(rx, &(uint64_t){0}, sizeof(uint64_t), NULL) == MPSC_OK)
                continue;
        mpsc_status status = mpsc_try_send(tx, &i, sizeof i);
        if (status != MPSC_FULL && status != MPSC_DISCONNECTED)
            assert_status(status, MPSC_OK);
        mpsc_sender_close(tx);
        mpsc_receiver_close(rx);
    }
    return 0;
}

/* The channel ends and begins again all the time, under those who open it. */
static void opening_meets_closing(enum mode mode)
{
    struct shared *shared = new_shared();
    worker workers[4];
    shared->count = scaled(500);
    for (int i = 0; i < 4; i++)
        workers[i] = worker_start(mode, opens_and_closes, shared);
    for (int i = 0; i < 4; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    must_not_be_found(shared->name);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(the_name_goes_with_the_last_handle),
        TEST(the_queue_goes_with_the_name),
        TEST_BOTH(the_last_handle_may_be_elsewhere),
        TEST_BOTH(a_receiver_waits_for_the_first_sender),
        TEST_BOTH(a_sender_waits_for_the_first_receiver),
        TEST_BOTH(a_durable_channel_stays),
        TEST_BOTH(a_durable_channel_disconnects_nobody),
        TEST(a_durable_channel_outlives_kills),
        TEST(no_descriptor_is_a_standard_one),
        TEST(the_name_goes_without_a_descriptor),
        TEST(messages_are_counted_without_a_descriptor),
        TEST_BOTH(an_unlinked_durable_channel_is_scoped),
        TEST_THREADS(unlinking_tells_who_sends),
        TEST(a_channel_has_its_own_name_only),
        TEST_PROCESSES(the_last_to_exit_takes_the_name_along),
        TEST(the_name_goes_at_exit_without_room_for_a_descriptor),
        TEST(a_close_beside_an_exit_takes_the_name_along),
        TEST(a_close_waits_for_who_is_at_the_name),
        TEST_BOTH(unlinking_wakes_who_waits),
        TEST_BOTH(a_channel_goes_on_without_its_name),
        TEST(an_orphan_is_gone),
        TEST(the_next_open_starts_afresh),
        TEST(whoever_gets_the_dead_ones_slot_starts_afresh),
        TEST(half_an_orphan_is_none),
        TEST_BOTH(openers_of_a_new_name_meet),
        TEST_BOTH(openers_of_an_orphan_meet),
        TEST_BOTH(opening_meets_closing),
    };
    return harness_main("lifetime", tests, sizeof tests / sizeof *tests);
}
