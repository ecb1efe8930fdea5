/* SPDX-License-Identifier: MIT */
/* 1.3.9 News of a death cross pid namespaces, where neither sees the other's pid, and a pid that is
 * used again fools nobody. */
#include "blocking.h"
#include "namespace.h"

#include "os/os.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ------------------------------------------------------------------ a process in a pid namespace of its own */

struct stranger {
    int (*body)(void *);
    void *argument;
    atomic_int pid; /* as the test sees it */
    atomic_int own; /* as it sees itself */
    atomic_int known, reap;
    worker starter;
};

static int starts_a_stranger(void *argument)
{
    struct stranger *stranger = argument;
    int status;
    if (!namespace_enter(CLONE_NEWPID))
        return NOT_PERMITTED;
    pid_t pid = fork();
    if (pid == 0) {
        wait_for(&stranger->known);
        atomic_store(&stranger->own, (int)getpid());
        _exit(stranger->body(stranger->argument));
    }
    assert_true(pid > 0);
    atomic_store(&stranger->pid, (int)pid);
    atomic_store(&stranger->known, 1);
    /* It stays a zombie until the test has seen what it wants to see. */
    wait_for(&stranger->reap);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static struct stranger *stranger_start(int (*body)(void *), void *argument)
{
    struct stranger *stranger = shared_memory(sizeof *stranger);
    stranger->body = body;
    stranger->argument = argument;
    stranger->starter = worker_start(PROCESSES, starts_a_stranger, stranger);
    return stranger;
}

static bool is_asleep(void *argument)
{
    struct stranger *stranger = argument;
    int pid = atomic_load(&stranger->pid);
    return pid && sleeping(pid, pid);
}

static void stranger_kill(struct stranger *stranger)
{
    assert_int_equal(kill((pid_t)atomic_load(&stranger->pid), SIGKILL), 0);
}

static int stranger_join(struct stranger *stranger)
{
    atomic_store(&stranger->reap, 1);
    return worker_join(stranger->starter);
}

static int does_nothing(void *unused)
{
    (void)unused;
    return 0;
}

static void needs_pid_namespaces(void)
{
    struct stranger *stranger = stranger_start(does_nothing, NULL);
    int result = stranger_join(stranger);
    if (result == NOT_PERMITTED)
        harness_skip("pid namespaces are not permitted here");
    assert_int_equal(result, 0);
    assert_int_equal(atomic_load(&stranger->own), 1);
}

/* ------------------------------------------------------------------ every blocked call is told */

struct pair {
    const struct blocking *call;
    const char *name;
    atomic_int there, calls, said;
};

/* Holds the other side, and does nothing with it. */
static int is_there(void *argument)
{
    struct pair *pair = argument;
    mpsc_sender *tx = NULL;
    mpsc_receiver *rx = NULL;
    if (pair->call->obstacle == NO_MESSAGE)
        tx = open_tx(pair->name, sizeof(int), blocking_bound(pair->call));
    else
        rx = open_rx(pair->name, sizeof(int), blocking_bound(pair->call));
    atomic_store(&pair->there, 1);
    pause();
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    return 1;
}

static int is_blocked(void *argument)
{
    struct pair *pair = argument;
    wait_for(&pair->there);
    struct ends ends = blocking_open(pair->call, pair->name);
    atomic_store(&pair->calls, 1);
    mpsc_status status = pair->call->call(ends.tx, ends.rx, MPSC_FOREVER);
    atomic_store(&pair->said, status);
    ends_close(ends);
    return 0;
}

static void told_across(const struct blocking *call)
{
    struct pair *pair = shared_memory(sizeof *pair);
    pair->call = call;
    pair->name = channel_name();
    struct stranger *other = stranger_start(is_there, pair);
    struct stranger *waiter = stranger_start(is_blocked, pair);
    wait_for(&pair->calls);
    wait_until(is_asleep, waiter);
    assert_int_equal(atomic_load(&other->own), 1); /* both are */
    assert_int_equal(atomic_load(&waiter->own), 1);

    stranger_kill(other);
    assert_int_equal(stranger_join(waiter), 0);
    if (atomic_load(&pair->said) != MPSC_DISCONNECTED)
        fail_msg("%s said %s", call->name, mpsc_strstatus(atomic_load(&pair->said)));
    assert_int_equal(stranger_join(other), 128 + SIGKILL);
    assert_false(name_exists(pair->name));
}

static void every_blocked_call_is_told(void)
{
    needs_pid_namespaces();
    for (int i = 0; i < BLOCKING_CALLS; i++)
        told_across(&blocking_calls[i]);
}

/* ------------------------------------------------------------------ by the kernel, not by looking */

struct obituary {
    int fd;
    atomic_uint *word;
    atomic_int begun, none, watches, result;
};

static int publishes(void *argument)
{
    struct obituary *obituary = argument;
    atomic_store(&obituary->none, os_news_begin(obituary->fd, 0) == NULL);
    atomic_store(&obituary->begun, 1);
    pause();
    return 1;
}

/* Without a deadline: only the kernel can end this sleep. */
static int reads_the_news(void *argument)
{
    struct obituary *obituary = argument;
    wait_for(&obituary->begun);
    unsigned value = atomic_fetch_or(obituary->word, OS_NEWS_WATCHED) | OS_NEWS_WATCHED;
    struct os_futex futex = {obituary->word, value};
    int result;
    atomic_store(&obituary->watches, 1);
    do
        result = os_futex_wait_any(&futex, 1, OS_FOREVER);
    while (result == 0 && atomic_load(obituary->word) == value);
    atomic_store(&obituary->result, result);
    return 0;
}

static void the_kernel_tells(void)
{
    needs_pid_namespaces();
    struct obituary *obituary = shared_memory(sizeof *obituary);
    size_t page = os_page_size();
    void *memory = NULL;
    obituary->fd = os_shm_create(0600);
    assert_int_equal(os_shm_resize(obituary->fd, page), 0);
    assert_int_equal(os_map(obituary->fd, 0, page, &memory), 0);
    obituary->word = (atomic_uint *)(void *)((char *)memory + page - OS_NEWS_SIZE);
    struct stranger *mortal = stranger_start(publishes, obituary);
    wait_for(&obituary->begun);
    if (atomic_load(&obituary->none)) {
        stranger_kill(mortal);
        (void)stranger_join(mortal);
        harness_skip("no news of a death are to be had here");
    }
    struct stranger *reader = stranger_start(reads_the_news, obituary);
    wait_for(&obituary->watches);
    wait_until(is_asleep, reader);
    stranger_kill(mortal);
    assert_int_equal(stranger_join(reader), 0);
    assert_int_equal(stranger_join(mortal), 128 + SIGKILL);
    int result = atomic_load(&obituary->result);
    os_unmap(memory, page);
    os_close(obituary->fd);
    if (result == -ENOSYS)
        harness_skip("no futex_waitv here");
    assert_int_equal(result, 0);
}

/* ------------------------------------------------------------------ handles that were inherited */

struct family {
    mpsc_sender *tx;
    mpsc_receiver *rx;
    atomic_int ready;
};

static int holds_its_copies(void *argument)
{
    struct family *family = argument;
    send_int(family->tx, FIRST);
    mpsc_receiver_close(family->rx);
    atomic_store(&family->ready, 1);
    pause();
    return 1;
}

/* A child that is the first of a new namespace has its parent's handles as any other. */
static void a_child_in_a_namespace_inherits(void)
{
    needs_pid_namespaces();
    struct family *family = shared_memory(sizeof *family);
    assert_status(mpsc_sync_channel(sizeof(int), 4, &family->tx, &family->rx), MPSC_OK);
    struct stranger *child = stranger_start(holds_its_copies, family);
    wait_for(&family->ready);
    mpsc_sender_close(family->tx);
    expect_int(family->rx, FIRST);
    expect_silence(family->rx);
    stranger_kill(child);
    atomic_store(&child->reap, 1); /* whose starter holds copies too */
    expect_end(family->rx);
    assert_int_equal(worker_join(child->starter), 128 + SIGKILL);
    mpsc_receiver_close(family->rx);
}

/* ------------------------------------------------------------------ a pid that is used again */

/* All of this runs in a pid namespace of its own, where nobody else takes a pid. */
struct reuse {
    bool receiver; /* the side that dies */
    bool again;    /* its successor opens that side again */
    const char *name;
    atomic_int step;
};

enum { OPENED = 1, SUCCEEDED, OVER };

static int holds_a_loan(void *argument)
{
    struct reuse *reuse = argument;
    mpsc_status status;
    if (reuse->receiver) {
        mpsc_receiver *rx = open_rx(reuse->name, sizeof(int), 2);
        expect_int(rx, FIRST);
        const int *message = mpsc_peek(rx, NULL, &status);
        assert_lent(message, status);
        assert_int_equal(*message, SECOND);
    } else {
        mpsc_sender *tx = open_tx(reuse->name, sizeof(int), 2);
        assert_lent(mpsc_loan(tx, sizeof(int), &status), status);
    }
    raise(SIGKILL);
    return 1;
}

static int comes_after(void *argument)
{
    struct reuse *reuse = argument;
    mpsc_sender *tx = NULL;
    mpsc_receiver *rx = NULL;
    if (reuse->again && reuse->receiver) {
        rx = open_rx(reuse->name, sizeof(int), 2);
        expect_int(rx, SECOND);
    } else if (reuse->again) {
        tx = open_tx(reuse->name, sizeof(int), 2);
        send_int(tx, SECOND);
    }
    step_to(&reuse->step, SUCCEEDED);
    step_wait(&reuse->step, OVER);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    return 0;
}

static pid_t fork_to(int (*body)(void *), void *argument)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(body(argument));
    assert_true(pid > 0);
    return pid;
}

static int join(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What the survivor sees while the successor, of the same pid, lives. */
static void survivor_checks(struct reuse *reuse, mpsc_sender *tx, mpsc_receiver *rx)
{
    mpsc_stats stats = stats_of(reuse->name);
    unsigned successors = reuse->again;
    assert_int_equal(stats.processes, 1 + successors);
    assert_int_equal(reuse->receiver ? stats.receivers : stats.senders, successors);
    if (!reuse->receiver) { /* past the loan that was left */
        if (reuse->again) {
            expect_int(rx, SECOND);
            expect_silence(rx);
        } else {
            expect_end(rx);
        }
    } else if (reuse->again) { /* which took what its predecessor had not released */
        assert_int_equal(stats.queued, 0);
        send_int(tx, FIRST);
    } else {
        assert_int_equal(stats.queued, 1);
        assert_status(mpsc_flush(tx, MPSC_FOREVER), MPSC_DISCONNECTED);
        assert_status(mpsc_send(tx, &(int){FIRST}, sizeof(int)), MPSC_DISCONNECTED);
    }
}

static int survives(void *argument)
{
    struct reuse *reuse = argument;
    mpsc_sender *tx = NULL;
    mpsc_receiver *rx = NULL;
    if (reuse->receiver) {
        tx = open_tx(reuse->name, sizeof(int), 2);
        send_int(tx, FIRST);
        send_int(tx, SECOND);
    } else {
        rx = open_rx(reuse->name, sizeof(int), 2);
    }
    step_to(&reuse->step, OPENED);
    step_wait(&reuse->step, SUCCEEDED);
    survivor_checks(reuse, tx, rx);
    step_to(&reuse->step, OVER);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    return 0;
}

static int starts_namesakes(void *argument)
{
    struct reuse *reuse = argument;
    pid_t survivor = fork_to(survives, reuse);
    step_wait(&reuse->step, OPENED);
    pid_t first = fork_to(holds_a_loan, reuse);
    assert_int_equal(join(first), 128 + SIGKILL);
    bool permitted = namespace_next_id(first);
    pid_t second = fork_to(comes_after, reuse);
    if (permitted)
        assert_int_equal(second, first);
    assert_int_equal(join(survivor), 0);
    assert_int_equal(join(second), 0);
    return permitted ? 0 : NOT_PERMITTED;
}

static void a_pid_that_is_used_again_fools_nobody(void)
{
    needs_pid_namespaces();
    for (int which = 0; which < 4; which++) {
        struct reuse *reuse = shared_memory(sizeof *reuse);
        reuse->name = channel_name();
        reuse->receiver = which & 1;
        reuse->again = which & 2;
        int result = stranger_join(stranger_start(starts_namesakes, reuse));
        if (result == NOT_PERMITTED)
            harness_skip("no pid can be asked for here");
        assert_int_equal(result, 0);
        assert_false(name_exists(reuse->name));
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(every_blocked_call_is_told),
        TEST(the_kernel_tells),
        TEST(a_child_in_a_namespace_inherits),
        TEST(a_pid_that_is_used_again_fools_nobody),
    };
    return harness_main("namespaces", tests, sizeof tests / sizeof *tests);
}
