/* SPDX-License-Identifier: MIT */
/* 1.2, 1.3.6 mpsc_stat, mpsc_len, mpsc_capacity: what they say through the life of a channel, and
 * that they take no part in it. */
#include "together.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_traffic(const char *name, uint64_t sent, uint64_t received)
{
    mpsc_stats stats = stats_of(name);
    assert_int_equal(stats.sent, sent);
    assert_int_equal(stats.received, received);
    assert_int_equal(stats.queued, sent - received);
}

/* ------------------------------------------------------------------ what a channel is */

static void says_what_the_channel_is(void)
{
    const char *name = channel_name();
    mpsc_sender *tx;
    mpsc_options options = options_of(24, 7);
    options.type_name = "struct thing";
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    mpsc_stats stats;
    memset(&stats, 0xff, sizeof stats);
    assert_status(mpsc_stat(name, &stats), MPSC_OK);
    assert_int_equal(stats.message_size, 24);
    assert_int_equal(stats.bound, 7);
    assert_int_equal(stats.max_bytes, 0);
    assert_int_equal(stats.durable, 0);
    assert_int_equal(stats.linked, 1);
    assert_int_equal(stats.holes, 0);
    assert_int_equal(stats.repairs, 0);
    assert_int_equal(stats.takeovers, 0);
    assert_string_equal(stats.type_name, "struct thing");
    for (size_t i = 0; i < sizeof stats.reserved / sizeof *stats.reserved; i++)
        assert_int_equal(stats.reserved[i], 0);
    mpsc_sender_close(tx);

    /* By the defaults. */
    assert_status(mpsc_open_sender(name, NULL, &tx), MPSC_OK);
    stats = stats_of(name);
    assert_int_equal(stats.message_size, 64);
    assert_true(stats.bound == UINT64_MAX);
    assert_string_equal(stats.type_name, "");
    mpsc_sender_close(tx);

    options = options_of(8, MPSC_UNBOUNDED);
    options.max_bytes = 800;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    assert_int_equal(stats_of(name).max_bytes, 800);
    mpsc_sender_close(tx);

    options = options_of(8, 0);
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    assert_int_equal(stats_of(name).bound, 0);
    mpsc_sender_close(tx);
}

static void no_channel_is_not_found(void)
{
    mpsc_stats stats, before;
    const char *name = channel_name();
    memset(&stats, 0x5a, sizeof stats);
    before = stats;
    assert_status(mpsc_stat(name, &stats), MPSC_NOT_FOUND);
    assert_memory_equal(&stats, &before, sizeof stats);
    assert_status(mpsc_stat("", &stats), MPSC_INVALID);
    assert_status(mpsc_stat("a/b", &stats), MPSC_INVALID);
    assert_status(mpsc_stat(NULL, &stats), MPSC_INVALID);
    assert_status(mpsc_stat(name, NULL), MPSC_INVALID);
    assert_memory_equal(&stats, &before, sizeof stats);
    assert_false(name_exists(name)); /* looking creates nothing */

    mpsc_sender *tx = open_tx(name, 8, 4);
    mpsc_sender_close(tx);
    assert_status(mpsc_stat(name, &stats), MPSC_NOT_FOUND);
}

static void says_whether_it_is_durable(void)
{
    const char *name = channel_name();
    mpsc_options options = options_of(8, 4);
    mpsc_sender *tx;
    mpsc_stats stats;
    options.durable = 1;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    assert_int_equal(stats_of(name).durable, 1);
    send_number(tx, 1);
    mpsc_sender_close(tx);
    stats = stats_of(name);
    assert_int_equal(stats.durable, 1);
    assert_int_equal(stats.linked, 1);
    assert_int_equal(stats.queued, 1);
    assert_counts(name, 0, 0, 0);
    assert_status(mpsc_unlink(name), MPSC_OK);
    assert_status(mpsc_stat(name, &stats), MPSC_NOT_FOUND);
}

/* ------------------------------------------------------------------ counts */

static void counts_handles_and_messages(void)
{
    const char *name = channel_name();
    unsigned char buffer[64];
    mpsc_sender *tx = open_tx(name, 8, 16), *clone;
    assert_counts(name, 1, 0, 1);
    assert_traffic(name, 0, 0);
    assert_int_equal(stats_of(name).receiver_pid, 0);

    mpsc_receiver *rx = open_rx(name, 8, 16);
    assert_counts(name, 1, 1, 1);
    assert_int_equal(stats_of(name).receiver_pid, getpid());
    clone = clone_of(tx);
    assert_counts(name, 2, 1, 1);

    for (uint64_t i = 0; i < 10; i++)
        send_number(i % 2 ? tx : clone, i);
    assert_traffic(name, 10, 0);
    assert_int_equal(mpsc_len(rx), 10);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(recv_number(rx), i);
    assert_traffic(name, 10, 4);
    assert_int_equal(mpsc_len(rx), 6);

    mpsc_sender_close(clone); /* what it sent stays sent */
    assert_counts(name, 1, 1, 1);
    assert_traffic(name, 10, 4);

    /* A longer message is one, a cancelled loan none, a peeked one still waits. */
    assert_status(mpsc_send(tx, buffer, 40), MPSC_OK);
    assert_traffic(name, 11, 4);
    void *loan = mpsc_loan(tx, 16, NULL);
    assert_non_null(loan);
    assert_status(mpsc_cancel_loan(tx, loan), MPSC_OK);
    assert_traffic(name, 11, 4);
    const void *message = mpsc_peek(rx, NULL, NULL);
    assert_non_null(message);
    assert_traffic(name, 11, 4);
    assert_status(mpsc_release(rx, message), MPSC_OK);
    assert_traffic(name, 11, 5);

    mpsc_receiver_close(rx);
    assert_counts(name, 1, 0, 1);
    assert_int_equal(stats_of(name).receiver_pid, 0);
    rx = open_rx(name, 8, 16);
    assert_int_equal(mpsc_len(rx), 6);
    for (int i = 0; i < 6; i++)
        assert_status(mpsc_recv(rx, buffer, sizeof buffer, NULL), MPSC_OK);
    assert_traffic(name, 11, 11);
    assert_int_equal(mpsc_len(rx), 0);
    mpsc_sender_close(tx);
    assert_counts(name, 0, 1, 1);
    mpsc_receiver_close(rx);
}

static void length_counts_messages(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    unsigned char message[32] = {0}, buffer[32];
    assert_status(mpsc_sync_channel(4, 8, &tx, &rx), MPSC_OK);
    for (int round = 0; round < 20; round++) {
        assert_int_equal(mpsc_len(rx), 0);
        assert_status(mpsc_send(tx, message, 12), MPSC_OK); /* three cells */
        assert_int_equal(mpsc_len(rx), 1);
        assert_status(mpsc_send(tx, message, 0), MPSC_OK);
        assert_int_equal(mpsc_len(rx), 2);
        void *loan = mpsc_loan(tx, 8, NULL); /* two cells, given back */
        assert_non_null(loan);
        assert_status(mpsc_cancel_loan(tx, loan), MPSC_OK);
        assert_int_equal(mpsc_len(rx), 2);
        assert_status(mpsc_send(tx, message, 5), MPSC_OK); /* two cells */
        assert_int_equal(mpsc_len(rx), 3);
        for (size_t left = 3; left-- > 0;) {
            assert_status(mpsc_recv(rx, buffer, sizeof buffer, NULL), MPSC_OK);
            assert_int_equal(mpsc_len(rx), left);
        }
    }
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    assert_int_equal(mpsc_len(NULL), 0);
}

static void capacity_is_the_bound(void)
{
    static const size_t bounds[] = {0, 1, 2, 3, 7, 16, 1000};
    mpsc_sender *tx;
    mpsc_receiver *rx;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        assert_status(mpsc_sync_channel(8, bounds[i], &tx, &rx), MPSC_OK);
        assert_int_equal(mpsc_capacity(rx), bounds[i]);
        mpsc_sender_close(tx);
        mpsc_receiver_close(rx);
    }
    assert_status(mpsc_channel(8, &tx, &rx), MPSC_OK);
    assert_true(mpsc_capacity(rx) == SIZE_MAX);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ other processes */

struct guest {
    const char *name;
    atomic_int step;
};

static int takes_part(void *argument)
{
    struct guest *guest = argument;
    mpsc_sender *tx = open_tx(guest->name, 8, 4), *clone = clone_of(tx);
    mpsc_receiver *rx = open_rx(guest->name, 8, 4);
    send_number(clone, 1);
    assert_int_equal(recv_number(rx), 1);
    step_to(&guest->step, 1);
    step_wait(&guest->step, 2);
    mpsc_sender_close(tx);
    mpsc_sender_close(clone);
    mpsc_receiver_close(rx);
    return 0;
}

static bool nobody_receives(void *guest)
{
    return stats_of(((struct guest *)guest)->name).receiver_pid == 0;
}

static void counts_processes_while_they_live(void)
{
    for (int killed = 0; killed < 2; killed++) {
        struct guest *guest = shared_memory(sizeof *guest);
        const char *name = guest->name = channel_name();
        worker w = worker_start(PROCESSES, takes_part, guest);
        step_wait(&guest->step, 1);
        assert_counts(name, 2, 1, 1); /* who looks takes no part */
        assert_int_equal(stats_of(name).receiver_pid, worker_pid(w));

        mpsc_sender *tx = open_tx(name, 8, 4);
        assert_counts(name, 3, 1, 2);
        for (int i = 0; i < 100; i++)
            stats_of(name);
        assert_counts(name, 3, 1, 2);
        if (killed) {
            kill(worker_pid(w), SIGKILL);
            assert_int_equal(worker_join(w), 128 + SIGKILL);
        } else {
            step_to(&guest->step, 2);
            assert_int_equal(worker_join(w), 0);
        }
        wait_counts(name, 1, 0, 1);
        wait_until(nobody_receives, guest);
        assert_traffic(name, 1, 1);
        mpsc_sender_close(tx);
    }
}

/* Figures of a channel in full use: each within its bounds. */
static int sends_until_told(void *argument)
{
    struct guest *guest = argument;
    mpsc_sender *tx = open_tx(guest->name, 8, 4);
    for (uint64_t i = 0; atomic_load(&guest->step) == 0; i++)
        send_number(tx, i);
    mpsc_sender_close(tx);
    return 0;
}

static void looks_at_a_channel_in_use(void)
{
    struct guest *guest = shared_memory(sizeof *guest);
    uint64_t received = 0, number;
    mpsc_status status;
    guest->name = channel_name();
    mpsc_receiver *rx = open_rx(guest->name, 8, 4);
    worker w = worker_start(PROCESSES, sends_until_told, guest);
    for (unsigned long i = scaled(2000); i > 0; i--) {
        assert_int_equal(recv_number(rx), received++);
        mpsc_stats stats = stats_of(guest->name);
        assert_true(stats.received >= received); /* we alone receive */
        assert_in_range(stats.queued, 0, 4);
        assert_in_range(mpsc_len(rx), 0, 4);
    }
    step_to(&guest->step, 1);
    while ((status = mpsc_recv(rx, &number, sizeof number, NULL)) == MPSC_OK)
        assert_int_equal(number, received++);
    assert_status(status, MPSC_DISCONNECTED);
    assert_int_equal(worker_join(w), 0);
    assert_traffic(guest->name, received, received);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ memory, permissions */

static void small_channel_is_small(void)
{
    const char *name = channel_name();
    mpsc_sender *tx = open_tx(name, 64, 16);
    mpsc_receiver *rx = open_rx(name, 64, 16);
    uint64_t cells = (uint64_t)sysconf(_SC_PAGESIZE); /* 16 x 64 bytes, in whole pages */
    uint64_t memory = stats_of(name).memory;
    assert_in_range(memory, cells, 64 * 1024 + cells);

    struct stat file;
    assert_int_equal(stat(channel_path(name), &file), 0);
    assert_int_equal(memory, (uint64_t)file.st_blocks * 512);

    /* It was promised at once: nothing comes to it by use. */
    for (uint64_t i = 0; i < 1000; i++) {
        send_number(tx, i);
        assert_int_equal(recv_number(rx), i);
    }
    assert_int_equal(stats_of(name).memory, memory);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

enum { CANNOT_BE_NOBODY = 77 };

struct reader {
    const char *name;
    mpsc_status expected;
};

static int looks(void *argument)
{
    struct reader *reader = argument;
    mpsc_stats stats;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return CANNOT_BE_NOBODY;
    assert_status(mpsc_stat(reader->name, &stats), reader->expected);
    if (reader->expected == MPSC_OK)
        assert_int_equal(stats.queued, 1);
    return 0;
}

/* As another user; or as ourselves, where we can be nobody else. */
static void look(const char *name, mode_t permissions, mpsc_status expected)
{
    struct reader *reader = shared_memory(sizeof *reader);
    *reader = (struct reader){name, expected};
    assert_int_equal(chmod(channel_path(name), permissions), 0);
    int result = worker_join(worker_start(PROCESSES, looks, reader));
    if (result == CANNOT_BE_NOBODY)
        harness_skip("cannot become another user");
    assert_int_equal(result, 0);
}

static void permission_to_read_is_enough(void)
{
    const char *name = channel_name();
    mpsc_sender *tx = open_tx(name, 8, 4);
    mpsc_receiver *rx = open_rx(name, 8, 4);
    send_number(tx, 1);
    look(name, 0444, MPSC_OK);
    look(name, 0000, MPSC_DENIED);
    look(name, 0222, MPSC_DENIED);
    assert_int_equal(chmod(channel_path(name), 0600), 0);
    assert_int_equal(recv_number(rx), 1);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(says_what_the_channel_is),         TEST(no_channel_is_not_found),
        TEST(says_whether_it_is_durable),       TEST(counts_handles_and_messages),
        TEST(length_counts_messages),           TEST(capacity_is_the_bound),
        TEST(counts_processes_while_they_live), TEST(looks_at_a_channel_in_use),
        TEST(small_channel_is_small),           TEST(permission_to_read_is_enough),
    };
    return harness_main("stat", tests, sizeof tests / sizeof *tests);
}
