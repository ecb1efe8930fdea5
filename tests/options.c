/* SPDX-License-Identifier: MIT */
/* 1.2 Options: what is not said is as it is, or the default when created; what is said must agree
 * with a channel that is there, else MPSC_MISMATCH; and one receiver at a time has the seat. */
#include "channels.h"

#include <stdio.h>
#include <sys/stat.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static mpsc_stats stats_of(const char *name)
{
    mpsc_stats stats;
    assert_status(mpsc_stat(name, &stats), MPSC_OK);
    return stats;
}

static mpsc_sender *created(const char *name, const mpsc_options *options)
{
    mpsc_sender *tx = NULL;
    assert_false(name_exists(name));
    assert_status(mpsc_open_sender(name, options, &tx), MPSC_OK);
    assert_true(name_exists(name));
    return tx;
}

/* Both sides open it with the same result, which leaves no trace. */
static void both_say(const char *name, const mpsc_options *options, mpsc_status expected)
{
    mpsc_sender *tx = NULL;
    mpsc_receiver *rx = NULL;
    mpsc_stats before = stats_of(name);
    assert_status(mpsc_open_sender(name, options, &tx), expected);
    assert_status(mpsc_open_receiver(name, options, &rx), expected);
    assert_true((tx != NULL) == (expected == MPSC_OK));
    assert_true((rx != NULL) == (expected == MPSC_OK));
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    mpsc_stats after = stats_of(name);
    assert_int_equal(before.senders, after.senders);
    assert_int_equal(before.receivers, after.receivers);
    assert_int_equal(before.processes, after.processes);
    assert_int_equal(after.linked, 1);
}

#define SAYS(name, field, value, expected)                                                         \
    do {                                                                                           \
        mpsc_options said = MPSC_OPTIONS_INIT;                                                     \
        said.field = value;                                                                        \
        both_say(name, &said, expected);                                                           \
    } while (0)

static unsigned mode_of(const char *name)
{
    struct stat file;
    assert_int_equal(stat(channel_path(name), &file), 0);
    return file.st_mode & 07777;
}

/* ------------------------------------------------------------------ defaults */

static void check_defaults(const char *name)
{
    mpsc_stats stats = stats_of(name);
    assert_int_equal(stats.message_size, 64);
    assert_true(stats.bound == UINT64_MAX);
    assert_int_equal(stats.max_bytes, 0);
    assert_int_equal(stats.durable, 0);
    assert_int_equal(stats.linked, 1);
    assert_string_equal(stats.type_name, "");
    assert_int_equal(mode_of(name), 0600);
}

static void nothing_said_is_the_default(void)
{
    static const mpsc_options nothing = MPSC_OPTIONS_INIT;
    for (int how = 0; how < 4; how++) {
        const mpsc_options *options = how % 2 ? &nothing : NULL;
        const char *name = channel_name();
        mpsc_sender *tx = NULL;
        mpsc_receiver *rx = NULL;
        if (how < 2)
            assert_status(mpsc_open_sender(name, options, &tx), MPSC_OK);
        assert_status(mpsc_open_receiver(name, options, &rx), MPSC_OK);
        if (how >= 2)
            assert_status(mpsc_open_sender(name, options, &tx), MPSC_OK);
        check_defaults(name);
        assert_true(mpsc_capacity(rx) == SIZE_MAX);
        send_number(tx, 1);
        assert_int_equal(recv_number(rx), 1);
        mpsc_sender_close(tx);
        mpsc_receiver_close(rx);
    }
}

static void saying_nothing_agrees_with_anything(void)
{
    const char *name = channel_name();
    mpsc_options options = options_of(100, 17);
    options.permissions = 0640;
    options.durable = 1;
    options.type_name = "struct job";
    mpsc_sender *tx = created(name, &options);
    mpsc_options before = options;
    both_say(name, NULL, MPSC_OK);
    both_say(name, &options, MPSC_OK);
    assert_memory_equal(&before, &options, sizeof options);

    mpsc_stats stats = stats_of(name);
    assert_int_equal(stats.message_size, 100);
    assert_int_equal(stats.bound, 17);
    assert_int_equal(stats.durable, 1);
    assert_int_equal(stats.senders, 1);
    assert_string_equal(stats.type_name, "struct job");
    mpsc_sender_close(tx);
    assert_status(mpsc_unlink(name), MPSC_OK);
}

static void a_leading_slash_says_nothing(void)
{
    const char *name = channel_name();
    char slashed[64];
    snprintf(slashed, sizeof slashed, "/%s", name);
    mpsc_sender *tx = open_tx(name, 8, 4);
    mpsc_receiver *rx = open_rx(slashed, 8, 4);
    send_number(tx, 1);
    assert_int_equal(recv_number(rx), 1);
    assert_int_equal(stats_of(slashed).sent, 1);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    assert_false(name_exists(name));
}

/* ------------------------------------------------------------------ what must agree */

static void the_message_size_must_agree(void)
{
    const char *name = channel_name();
    mpsc_options options = options_of(100, MPSC_ANY);
    mpsc_sender *tx = created(name, &options);
    SAYS(name, message_size, 100, MPSC_OK);
    SAYS(name, message_size, 0, MPSC_OK);
    SAYS(name, message_size, 99, MPSC_MISMATCH);
    SAYS(name, message_size, 101, MPSC_MISMATCH);
    SAYS(name, message_size, 64, MPSC_MISMATCH);
    SAYS(name, message_size, 104, MPSC_MISMATCH);
    mpsc_sender_close(tx);
}

static void the_bound_must_agree(void)
{
    static const size_t bounds[] = {0, 1, 3, 4, 1000, MPSC_UNBOUNDED};
    for (size_t i = 0; i < COUNT(bounds); i++) {
        const char *name = channel_name();
        mpsc_options options = options_of(8, bounds[i]);
        mpsc_sender *tx = created(name, &options);
        SAYS(name, bound, MPSC_ANY, MPSC_OK);
        for (size_t j = 0; j < COUNT(bounds); j++)
            SAYS(name, bound, bounds[j], i == j ? MPSC_OK : MPSC_MISMATCH);
        mpsc_receiver *rx = open_rx(name, 8, MPSC_ANY);
        assert_true(mpsc_capacity(rx) == bounds[i]);
        assert_true(stats_of(name).bound == (bounds[i] == SIZE_MAX ? UINT64_MAX : bounds[i]));
        mpsc_receiver_close(rx);
        mpsc_sender_close(tx);
    }
}

static void the_limit_must_agree(void)
{
    const char *name = channel_name();
    mpsc_options options = options_of(8, MPSC_UNBOUNDED);
    options.max_bytes = 8000;
    mpsc_sender *tx = created(name, &options);
    assert_int_equal(stats_of(name).max_bytes, 8000);
    SAYS(name, max_bytes, 8000, MPSC_OK);
    SAYS(name, max_bytes, 0, MPSC_OK);
    SAYS(name, max_bytes, 8008, MPSC_MISMATCH);
    mpsc_sender_close(tx);
    tx = created(name, NULL);
    SAYS(name, max_bytes, 8000, MPSC_MISMATCH);
    mpsc_sender_close(tx);
}

static void durability_must_agree(void)
{
    const char *name = channel_name();
    mpsc_options options = options_of(8, 4);
    mpsc_sender *tx = created(name, &options);
    SAYS(name, durable, 1, MPSC_MISMATCH);
    mpsc_sender_close(tx);
    options.durable = 1;
    tx = created(name, &options);
    SAYS(name, durable, 1, MPSC_OK);
    SAYS(name, durable, 0, MPSC_OK); /* as it is */
    mpsc_sender_close(tx);
    assert_status(mpsc_unlink(name), MPSC_OK);
}

static void permissions_must_agree(void)
{
    const char *name = channel_name();
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.permissions = 0640;
    mpsc_sender *tx = created(name, &options);
    SAYS(name, permissions, 0640, MPSC_OK);
    SAYS(name, permissions, 0, MPSC_OK);
    SAYS(name, permissions, 0600, MPSC_MISMATCH);
    SAYS(name, permissions, 0660, MPSC_MISMATCH);
    assert_int_equal(mode_of(name), 0640);
    assert_int_equal(chmod(channel_path(name), 0660), 0);
    SAYS(name, permissions, 0660, MPSC_OK);
    SAYS(name, permissions, 0640, MPSC_MISMATCH);
    close_descriptors_of(name);
    SAYS(name, permissions, 0660, MPSC_OK);
    SAYS(name, permissions, 0600, MPSC_MISMATCH);
    mpsc_sender_close(tx);
}

static void the_type_must_agree(void)
{
    char longest[MPSC_MAX_TYPE_NAME + 1];
    memset(longest, 't', MPSC_MAX_TYPE_NAME);
    longest[MPSC_MAX_TYPE_NAME] = 0;
    const char *name = channel_name();
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.type_name = longest;
    mpsc_sender *tx = created(name, &options);
    assert_string_equal(stats_of(name).type_name, longest);
    SAYS(name, type_name, longest, MPSC_OK);
    SAYS(name, type_name, NULL, MPSC_OK);
    SAYS(name, type_name, longest + 1, MPSC_MISMATCH);
    SAYS(name, type_name, "t", MPSC_MISMATCH);
    mpsc_sender_close(tx);
    tx = created(name, NULL);
    SAYS(name, type_name, "t", MPSC_MISMATCH); /* what it is was left unsaid */
    mpsc_sender_close(tx);
}

struct job {
    int number;
};

struct task {
    int number;
};

MPSC_DEFINE_CHANNEL(job, struct job);
MPSC_DEFINE_CHANNEL(task, struct task);

static void a_typed_channel_is_of_its_type(void)
{
    const char *name = channel_name();
    job_sender *tx = NULL;
    job_receiver *rx = NULL;
    task_sender *other_tx = NULL;
    task_receiver *other_rx = NULL;
    struct job got = {0};
    assert_status(job_open_sender(name, NULL, &tx), MPSC_OK);
    assert_status(task_open_sender(name, NULL, &other_tx), MPSC_MISMATCH);
    assert_status(task_open_receiver(name, NULL, &other_rx), MPSC_MISMATCH);
    assert_null(other_tx);
    assert_null(other_rx);
    assert_status(job_open_receiver(name, NULL, &rx), MPSC_OK);
    assert_int_equal(stats_of(name).message_size, sizeof(struct job));
    assert_status(job_send(tx, (struct job){5}), MPSC_OK);
    assert_status(job_recv(rx, &got), MPSC_OK);
    assert_int_equal(got.number, 5);
    job_sender_close(tx);
    job_receiver_close(rx);
}

/* ------------------------------------------------------------------ creating */

static void it_must_be_there_or_must_not(void)
{
    const char *name = channel_name();
    mpsc_options attach = MPSC_OPTIONS_INIT, create = MPSC_OPTIONS_INIT;
    mpsc_sender *tx = NULL;
    mpsc_receiver *rx = NULL;
    attach.create = 0;
    create.exclusive = 1;
    assert_status(mpsc_open_sender(name, &attach, &tx), MPSC_NOT_FOUND);
    assert_status(mpsc_open_receiver(name, &attach, &rx), MPSC_NOT_FOUND);
    assert_null(tx);
    assert_null(rx);
    assert_false(name_exists(name));

    assert_status(mpsc_open_receiver(name, &create, &rx), MPSC_OK);
    assert_status(mpsc_open_sender(name, &create, &tx), MPSC_EXISTS);
    create.message_size = 8; /* which it would differ in as well */
    assert_status(mpsc_open_sender(name, &create, &tx), MPSC_EXISTS);
    assert_null(tx);
    assert_status(mpsc_open_sender(name, &attach, &tx), MPSC_OK);
    mpsc_receiver_close(rx);
    rx = NULL;
    assert_status(mpsc_open_receiver(name, &create, &rx), MPSC_EXISTS);
    assert_null(rx);
    assert_status(mpsc_open_receiver(name, &attach, &rx), MPSC_OK);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    assert_false(name_exists(name));
}

static void permissions_are_exact_whatever_the_umask(void)
{
    static const mode_t masks[] = {0, 022, 077, 0777};
    static const unsigned wanted[] = {0, 0600, 0640, 0644, 0660, 0666, 0777};
    for (size_t i = 0; i < COUNT(masks); i++)
        for (size_t j = 0; j < COUNT(wanted); j++) {
            const char *name = channel_name();
            mpsc_options options = MPSC_OPTIONS_INIT;
            options.permissions = wanted[j];
            mode_t before = umask(masks[i]);
            mpsc_sender *tx = created(name, &options);
            assert_int_equal(umask(before), masks[i]);
            assert_int_equal(mode_of(name), wanted[j] ? wanted[j] : 0600);
            mpsc_sender_close(tx);
        }
}

/* ------------------------------------------------------------------ the seat */

struct shared {
    const char *name;
    atomic_int ready, go;
};

static int holds_the_seat(void *argument)
{
    struct shared *shared = argument;
    mpsc_receiver *rx = open_rx(shared->name, 8, 4);
    assert_int_equal(recv_number(rx), 1);
    atomic_store(&shared->ready, 1);
    wait_for(&shared->go);
    mpsc_receiver_close(rx);
    return 0;
}

static void a_second_receiver_is_busy(enum mode mode)
{
    struct shared *shared = shared_memory(sizeof *shared);
    shared->name = channel_name();
    worker w = worker_start(mode, holds_the_seat, shared);
    mpsc_sender *tx = open_tx(shared->name, 8, 4);
    mpsc_receiver *rx = NULL;
    send_number(tx, 1);
    wait_for(&shared->ready);
    for (int i = 0; i < 3; i++) {
        assert_status(mpsc_open_receiver(shared->name, NULL, &rx), MPSC_BUSY);
        assert_null(rx);
    }
    assert_int_equal(stats_of(shared->name).receivers, 1);
    assert_int_equal(stats_of(shared->name).receiver_pid, worker_pid(w));
    send_number(tx, 2);
    atomic_store(&shared->go, 1);
    assert_int_equal(worker_join(w), 0);

    assert_status(mpsc_open_receiver(shared->name, NULL, &rx), MPSC_OK);
    assert_int_equal(stats_of(shared->name).receiver_pid, getpid());
    assert_int_equal(recv_number(rx), 2); /* it goes on where that one stopped */
    mpsc_receiver_close(rx);
    mpsc_sender_close(tx);
}

/* An exit frees it as a close does. */
static int leaves_the_seat(void *argument)
{
    struct shared *shared = argument;
    static mpsc_receiver *rx;
    rx = open_rx(shared->name, 8, 4);
    return (int)recv_number(rx);
}

static void an_exit_frees_the_seat(void)
{
    struct shared *shared = shared_memory(sizeof *shared);
    shared->name = channel_name();
    worker w = worker_start(PROCESSES, leaves_the_seat, shared);
    mpsc_sender *tx = open_tx(shared->name, 8, 4);
    send_number(tx, 1);
    assert_int_equal(worker_join(w), 1);
    mpsc_receiver *rx = open_rx(shared->name, 8, 4);
    send_number(tx, 2);
    assert_int_equal(recv_number(rx), 2);
    mpsc_receiver_close(rx);
    mpsc_sender_close(tx);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(nothing_said_is_the_default),
        TEST(saying_nothing_agrees_with_anything),
        TEST(a_leading_slash_says_nothing),
        TEST(the_message_size_must_agree),
        TEST(the_bound_must_agree),
        TEST(the_limit_must_agree),
        TEST(durability_must_agree),
        TEST(permissions_must_agree),
        TEST(the_type_must_agree),
        TEST(a_typed_channel_is_of_its_type),
        TEST(it_must_be_there_or_must_not),
        TEST(permissions_are_exact_whatever_the_umask),
        TEST_BOTH(a_second_receiver_is_busy),
        TEST(an_exit_frees_the_seat),
    };
    return harness_main("options", tests, sizeof tests / sizeof *tests);
}
