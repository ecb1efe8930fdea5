/* SPDX-License-Identifier: MIT */
/* 1.3.7 Fork: a child has its parent's handles, both ends count as a pipe's do. */
#include "together.h"

#include "segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { PRIVATE, BOUNDED, RENDEZVOUS, NAMED, KINDS };

/* In shared memory; the handles are those of whoever looks. */
struct scene {
    mpsc_sender *tx;
    mpsc_receiver *rx;
    const char *name; /* NULL: it has none */
    atomic_int step;
    void *loan;
    const void *message;
};

static struct scene *scene_open(enum kind kind)
{
    struct scene *s = shared_memory(sizeof *s);
    switch (kind) {
    case PRIVATE:
        assert_status(mpsc_channel(sizeof(int), &s->tx, &s->rx), MPSC_OK);
        break;
    case BOUNDED:
        assert_status(mpsc_sync_channel(sizeof(int), 16, &s->tx, &s->rx), MPSC_OK);
        break;
    case RENDEZVOUS:
        assert_status(mpsc_sync_channel(sizeof(int), 0, &s->tx, &s->rx), MPSC_OK);
        break;
    default:
        s->name = channel_name();
        open_both(s->name, sizeof(int), 16, &s->tx, &s->rx);
    }
    return s;
}

static void join_well(worker w)
{
    assert_int_equal(worker_join(w), 0);
}

/* Hides from the compiler what becomes of a pointer. */
static void *hidden(const void *pointer)
{
    union {
        const void *in;
        void *volatile out;
    } same = {pointer};
    return same.out;
}

/* ------------------------------------------------------------------ who counts */

static int sends_three_when_told(void *argument)
{
    struct scene *s = argument;
    step_wait(&s->step, 1);
    for (int i = 1; i <= 3; i++)
        send_int(s->tx, i);
    return 0;
}

static void parent_closes_at_once_child_sends_later(void)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct scene *s = scene_open(kind);
        worker child = worker_start(PROCESSES, sends_three_when_told, s);
        mpsc_sender_close(s->tx);
        expect_silence(s->rx);
        step_to(&s->step, 1);
        for (int i = 1; i <= 3; i++)
            expect_int(s->rx, i);
        expect_end(s->rx);
        join_well(child);
        mpsc_receiver_close(s->rx);
    }
}

/* Returns when told; touches no handle. */
static int touches_nothing(void *argument)
{
    struct scene *s = argument;
    step_wait(&s->step, 1);
    return 0;
}

static void untouched_sender_counts_until_the_child_is_gone(void)
{
    for (enum kind kind = 0; kind < KINDS; kind++)
        for (int killed = 0; killed < 2; killed++) {
            struct scene *s = scene_open(kind);
            worker child = worker_start(PROCESSES, touches_nothing, s);
            mpsc_sender_close(s->tx);
            expect_silence(s->rx);
            if (killed)
                kill(worker_pid(child), SIGKILL);
            else
                step_to(&s->step, 1);
            expect_end(s->rx);
            assert_int_equal(worker_join(child), killed ? 128 + SIGKILL : 0);
            mpsc_receiver_close(s->rx);
        }
}

static void untouched_receiver_counts_until_the_child_is_gone(void)
{
    for (int killed = 0; killed < 2; killed++) {
        struct scene *s = scene_open(BOUNDED);
        worker child = worker_start(PROCESSES, touches_nothing, s);
        mpsc_receiver_close(s->rx);
        int value = 0;
        for (; value < 16; value++)
            send_int(s->tx, value);
        assert_status(mpsc_try_send(s->tx, &value, sizeof value), MPSC_FULL);
        assert_status(mpsc_send_timeout(s->tx, &value, sizeof value, 20 * MILLISECONDS),
                      MPSC_TIMEOUT);
        if (killed)
            kill(worker_pid(child), SIGKILL);
        else
            step_to(&s->step, 1);
        assert_status(mpsc_send(s->tx, &value, sizeof value), MPSC_DISCONNECTED);
        assert_status(mpsc_try_send(s->tx, &value, sizeof value), MPSC_DISCONNECTED);
        assert_int_equal(worker_join(child), killed ? 128 + SIGKILL : 0);
        mpsc_sender_close(s->tx);
    }
}

static int forks_and_ends(void *argument)
{
    /* Nobody joins the grandchild: the harness waits for it. */
    worker_start(PROCESSES, sends_three_when_told, argument);
    return 0;
}

static void grandchild_sends(void)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct scene *s = scene_open(kind);
        worker child = worker_start(PROCESSES, forks_and_ends, s);
        mpsc_sender_close(s->tx);
        join_well(child);
        expect_silence(s->rx);
        step_to(&s->step, 1);
        for (int i = 1; i <= 3; i++)
            expect_int(s->rx, i);
        expect_end(s->rx);
        /* The name goes with the last handle, and that must be ours. */
        if (s->name)
            wait_counts(s->name, 0, 1, 1);
        mpsc_receiver_close(s->rx);
    }
}

/* Of two channels it keeps the end of each that it needs: answers what it is asked, plus one. */
static int answers(void *argument)
{
    struct scene *s = argument;
    mpsc_sender_close(s[0].tx);
    mpsc_receiver_close(s[1].rx);
    MPSC_FOR_EACH (int, question, s[0].rx)
        send_int(s[1].tx, question + 1);
    mpsc_receiver_close(s[0].rx);
    mpsc_sender_close(s[1].tx);
    return 0;
}

static void each_closes_what_it_does_not_use(void)
{
    struct scene *s = shared_memory(2 * sizeof *s);
    for (int i = 0; i < 2; i++)
        assert_status(mpsc_sync_channel(sizeof(int), 1, &s[i].tx, &s[i].rx), MPSC_OK);
    worker child = worker_start(PROCESSES, answers, s);
    mpsc_receiver_close(s[0].rx);
    mpsc_sender_close(s[1].tx);
    for (int i = 0; i < 100; i++) {
        send_int(s[0].tx, i);
        expect_int(s[1].rx, i + 1);
    }
    mpsc_sender_close(s[0].tx);
    expect_end(s[1].rx);
    join_well(child);
    mpsc_receiver_close(s[1].rx);
}

enum { MANY = 8 };

static int sends_on_all(void *argument)
{
    struct scene **all = argument;
    step_wait(&all[0]->step, 1);
    for (int i = MANY - 1; i >= 0; i--)
        send_int(all[i]->tx, 100 + i);
    return 0;
}

static void eight_channels_are_open(void)
{
    struct scene *all[MANY];
    for (int i = 0; i < MANY; i++)
        all[i] = scene_open(i % 2 ? NAMED : i % 4 ? BOUNDED : PRIVATE);
    worker child = worker_start(PROCESSES, sends_on_all, all);
    for (int i = 0; i < MANY; i++)
        mpsc_sender_close(all[i]->tx);
    for (int i = 0; i < MANY; i++) {
        int value;
        assert_status(mpsc_try_recv(all[i]->rx, &value, sizeof value, NULL), MPSC_EMPTY);
    }
    step_to(&all[0]->step, 1);
    for (int i = 0; i < MANY; i++) {
        expect_int(all[i]->rx, 100 + i);
        expect_end(all[i]->rx);
    }
    join_well(child);
    for (int i = 0; i < MANY; i++)
        mpsc_receiver_close(all[i]->rx);
}

static int counts_itself(void *argument)
{
    struct scene *s = argument;
    assert_counts(s->name, 4, 2, 2);
    step_to(&s->step, 1);
    step_wait(&s->step, 2);
    mpsc_sender_close(s->tx);
    step_to(&s->step, 3);
    step_wait(&s->step, 4);
    return 0;
}

static void counts_are_right_when_fork_returns(void)
{
    struct scene *s = scene_open(NAMED);
    mpsc_sender *second = clone_of(s->tx);
    assert_counts(s->name, 2, 1, 1);
    worker child = worker_start(PROCESSES, counts_itself, s);
    assert_counts(s->name, 4, 2, 2);
    step_wait(&s->step, 1);
    step_to(&s->step, 2);
    step_wait(&s->step, 3);
    assert_counts(s->name, 3, 2, 2);
    mpsc_sender_close(second);
    assert_counts(s->name, 2, 2, 2);
    step_to(&s->step, 4);
    join_well(child);
    wait_counts(s->name, 1, 1, 1);
    mpsc_sender_close(s->tx);
    mpsc_receiver_close(s->rx);
}

/* ------------------------------------------------------------------ the seat */

static void assert_busy(mpsc_receiver *rx)
{
    int value;
    size_t length;
    mpsc_status status = MPSC_OK;
    assert_status(mpsc_try_recv(rx, &value, sizeof value, &length), MPSC_BUSY);
    assert_status(mpsc_recv(rx, &value, sizeof value, &length), MPSC_BUSY);
    assert_status(mpsc_recv_timeout(rx, &value, sizeof value, &length, SECONDS), MPSC_BUSY);
    assert_null(mpsc_try_peek(rx, &length, &status));
    assert_status(status, MPSC_BUSY);
    assert_null(mpsc_peek(rx, &length, &status));
    assert_status(status, MPSC_BUSY);
    assert_null(mpsc_peek_timeout(rx, &length, SECONDS, &status));
    assert_status(status, MPSC_BUSY);
}

static bool receives_at_last(void *rx)
{
    int value = -1;
    mpsc_status status = mpsc_try_recv(rx, &value, sizeof value, NULL);
    if (status == MPSC_BUSY)
        return false;
    assert_status(status, MPSC_OK);
    assert_int_equal(value, 2);
    return true;
}

static int receives_one_and_closes(void *argument)
{
    struct scene *s = argument;
    expect_int(s->rx, 1);
    step_to(&s->step, 1);
    step_wait(&s->step, 2);
    mpsc_receiver_close(s->rx);
    step_to(&s->step, 3);
    return 0;
}

static void child_takes_the_seat(void)
{
    for (int killed = 0; killed < 2; killed++) {
        struct scene *s = scene_open(NAMED);
        for (int i = 1; i <= 3; i++)
            send_int(s->tx, i);
        worker child = worker_start(PROCESSES, receives_one_and_closes, s);
        step_wait(&s->step, 1);
        assert_busy(s->rx);
        assert_int_equal(stats_of(s->name).receiver_pid, worker_pid(child));
        if (killed) {
            kill(worker_pid(child), SIGKILL);
            assert_int_equal(worker_join(child), 128 + SIGKILL);
            wait_until(receives_at_last, s->rx);
        } else {
            step_to(&s->step, 2);
            step_wait(&s->step, 3);
            expect_int(s->rx, 2);
            join_well(child);
        }
        expect_int(s->rx, 3);
        assert_int_equal(stats_of(s->name).receiver_pid, getpid());
        mpsc_sender_close(s->tx);
        mpsc_receiver_close(s->rx);
    }
}

static int receives_when_the_parent_has_closed(void *argument)
{
    struct scene *s = argument;
    mpsc_sender_close(s->tx);
    step_wait(&s->step, 1);
    assert_busy(s->rx);
    step_to(&s->step, 2);
    step_wait(&s->step, 3);
    for (int i = 2; i <= 4; i++)
        expect_int(s->rx, i);
    step_to(&s->step, 4);
    expect_end(s->rx);
    mpsc_receiver_close(s->rx); /* the last handle: the name goes with it */
    return 0;
}

static void child_is_busy_until_the_parent_closes(void)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        if (kind == RENDEZVOUS) /* nothing would be queued */
            continue;
        struct scene *s = scene_open(kind);
        for (int i = 1; i <= 3; i++)
            send_int(s->tx, i);
        worker child = worker_start(PROCESSES, receives_when_the_parent_has_closed, s);
        expect_int(s->rx, 1);
        step_to(&s->step, 1);
        step_wait(&s->step, 2);
        mpsc_receiver_close(s->rx);
        send_int(s->tx, 4); /* the child's receiver counts, it has not left */
        step_to(&s->step, 3);
        step_wait(&s->step, 4);
        mpsc_sender_close(s->tx);
        join_well(child);
    }
}

static int receives_one_and_waits(void *argument)
{
    struct scene *s = argument;
    expect_int(s->rx, 1);
    step_to(&s->step, 1);
    step_wait(&s->step, 3);
    return 0;
}

static int receives_after_its_brother(void *argument)
{
    struct scene *s = argument;
    step_wait(&s->step, 1);
    assert_busy(s->rx);
    step_to(&s->step, 2);
    wait_until(receives_at_last, s->rx);
    expect_int(s->rx, 3);
    return 0;
}

static void others_are_busy_until_the_receiver_is_dead(void)
{
    for (int killed = 0; killed < 2; killed++) {
        struct scene *s = scene_open(BOUNDED);
        for (int i = 1; i <= 3; i++)
            send_int(s->tx, i);
        worker first = worker_start(PROCESSES, receives_one_and_waits, s);
        worker second = worker_start(PROCESSES, receives_after_its_brother, s);
        step_wait(&s->step, 2);
        if (killed)
            kill(worker_pid(first), SIGKILL);
        else
            step_to(&s->step, 3);
        assert_int_equal(worker_join(first), killed ? 128 + SIGKILL : 0);
        join_well(second);
        mpsc_sender_close(s->tx);
        mpsc_receiver_close(s->rx);
    }
}

static int finds_the_seat_taken(void *argument)
{
    struct scene *s = argument;
    step_wait(&s->step, 1);
    assert_busy(s->rx);
    return 0;
}

static int opens_and_receives_late(void *argument)
{
    struct scene *s = argument;
    mpsc_sender_close(s->tx);
    mpsc_receiver *own = open_rx(s->name, sizeof(int), 16);
    step_to(&s->step, 1);
    step_wait(&s->step, 2);
    expect_int(own, 1);
    mpsc_receiver_close(own);
    return 0;
}

/* Who opened the receiver after the parent gave it up has the seat, received or not. */
static void child_takes_no_stranger_s_seat(void)
{
    struct scene *s = scene_open(NAMED);
    worker child = worker_start(PROCESSES, finds_the_seat_taken, s);
    mpsc_receiver_close(s->rx);
    worker stranger = worker_start(PROCESSES, opens_and_receives_late, s);
    send_int(s->tx, 1);
    join_well(child);
    step_to(&s->step, 2);
    join_well(stranger);
    mpsc_sender_close(s->tx);
}

/* Nor does it take it from one that the parent itself has opened since, at the same place. */
static void child_takes_no_later_seat_of_its_parent_s(void)
{
    struct scene *s = scene_open(NAMED);
    worker child = worker_start(PROCESSES, finds_the_seat_taken, s);
    mpsc_receiver_close(s->rx);
    mpsc_receiver *later = open_rx(s->name, sizeof(int), 16);
    step_to(&s->step, 1);
    join_well(child);
    send_int(s->tx, 1);
    expect_int(later, 1);
    mpsc_sender_close(s->tx);
    mpsc_receiver_close(later);
}

/* ------------------------------------------------------------------ loans and peeks stay behind */

static int finds_its_handles_idle(void *argument)
{
    struct scene *s = argument;
    mpsc_status status;
    assert_status(mpsc_send_loan(s->tx, hidden(s->loan), sizeof(int)), MPSC_INVALID);
    assert_status(mpsc_cancel_loan(s->tx, hidden(s->loan)), MPSC_INVALID);
    send_int(s->tx, 2);
    int *own = mpsc_loan(s->tx, sizeof *own, &status);
    assert_lent(own, status);
    *own = 3;
    assert_status(mpsc_send_loan(s->tx, own, sizeof(int)), MPSC_OK);
    mpsc_sender_close(s->tx);
    return 0;
}

static void loan_is_not_inherited(void)
{
    struct scene *s = scene_open(BOUNDED);
    mpsc_status status;
    int *loan = mpsc_loan(s->tx, sizeof *loan, &status);
    assert_lent(loan, status);
    s->loan = loan;
    join_well(worker_start(PROCESSES, finds_its_handles_idle, s));
    expect_silence(s->rx); /* the child's messages stand behind the loan, which is still out */
    *loan = 1;
    assert_status(mpsc_send_loan(s->tx, loan, sizeof(int)), MPSC_OK);
    for (int i = 1; i <= 3; i++)
        expect_int(s->rx, i);
    mpsc_sender_close(s->tx);
    expect_end(s->rx);
    mpsc_receiver_close(s->rx);
}

static int has_nothing_to_release(void *argument)
{
    struct scene *s = argument;
    assert_status(mpsc_release(s->rx, hidden(s->message)), MPSC_INVALID);
    assert_busy(s->rx);
    step_to(&s->step, 1);
    step_wait(&s->step, 2);
    expect_int(s->rx, 1); /* the peek of a closed receiver left it queued */
    expect_int(s->rx, 2);
    return 0;
}

static void peek_is_not_inherited(void)
{
    struct scene *s = scene_open(BOUNDED);
    mpsc_status status;
    send_int(s->tx, 1);
    send_int(s->tx, 2);
    const int *message = mpsc_peek(s->rx, NULL, &status);
    assert_lent(message, status);
    s->message = message;
    worker child = worker_start(PROCESSES, has_nothing_to_release, s);
    step_wait(&s->step, 1);
    assert_int_equal(*message, 1);
    mpsc_receiver_close(s->rx);
    step_to(&s->step, 2);
    join_well(child);
    mpsc_sender_close(s->tx);
}

/* ------------------------------------------------------------------ forks that fail, many forks */

enum { CANNOT_BE_NOBODY = 77 };

/* What the tables hold, that of the dead included; mpsc_stat leaves that out. */
static void assert_tables_hold(const char *name, unsigned senders, unsigned receivers,
                               unsigned processes)
{
    struct segment segment;
    unsigned count = 0;
    assert_status(segment_open(name, false, &segment), MPSC_OK);
    for (unsigned slot = 0; slot < registry_process_high(&segment.registry); slot++)
        count += atomic_load(&segment.registry.processes[slot].life) != 0;
    assert_int_equal(count, processes);
    assert_int_equal(atomic_load(&segment.header->senders), senders);
    assert_int_equal(atomic_load(&segment.header->receivers), receivers);
    segment_close(&segment);
}

static int fork_fails(void *argument)
{
    struct scene *s = argument;
    /* The limit does not bind root. What root opened could not be opened again by others, so the
     * channel is opened afterwards. */
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return CANNOT_BE_NOBODY;

    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NPROC, &limit), 0);
    mpsc_sender *tx, *second;
    mpsc_receiver *rx;
    open_both(s->name, sizeof(int), 4, &tx, &rx);
    second = clone_of(tx);
    /* Once before as well: valgrind leaves all signals blocked after a fork that failed, and cannot make
     * the stack deeper then. */
    assert_counts(s->name, 2, 1, 1);

    rlim_t usual = limit.rlim_cur;
    limit.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NPROC, &limit), 0);
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        if (child > 0) /* privileged in some other way */
            return CANNOT_BE_NOBODY;
        assert_int_equal(errno, EAGAIN);
        assert_tables_hold(s->name, 2, 1, 1); /* the next fork would clear them away */
    }
    assert_counts(s->name, 2, 1, 1);
    send_int(second, 1);

    /* One that succeeds after those that failed. */
    limit.rlim_cur = usual;
    assert_int_equal(setrlimit(RLIMIT_NPROC, &limit), 0);
    pid_t child = fork();
    if (child == 0) {
        send_int(tx, 2);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);

    mpsc_sender_close(tx);
    mpsc_sender_close(second);
    expect_int(rx, 1);
    expect_int(rx, 2);
    expect_end(rx);
    wait_counts(s->name, 0, 1, 1);
    mpsc_receiver_close(rx);
    return 0;
}

static void failed_fork_leaves_the_counts_right(void)
{
    struct scene *s = shared_memory(sizeof *s);
    s->name = channel_name();
    int result = worker_join(worker_start(PROCESSES, fork_fails, s));
    if (result == CANNOT_BE_NOBODY)
        harness_skip("no fork can be made to fail here");
    assert_int_equal(result, 0);
}

static int descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static int ends_in_some_way(void *argument)
{
    struct scene *s = argument;
    if (atomic_load(&s->step) % 2) {
        mpsc_sender_close(s->tx);
        mpsc_receiver_close(s->rx);
    }
    return 0;
}

static void many_forks_leak_nothing(void)
{
    struct scene *s = scene_open(NAMED);
    int before = descriptors();
    uint64_t memory = 0;
    const int forks = 10 + (int)scaled(500);
    for (int i = 0; i < forks; i++) {
        step_to(&s->step, i);
        join_well(worker_start(PROCESSES, ends_in_some_way, s));
        if (i == 9)
            memory = stats_of(s->name).memory;
    }
    wait_counts(s->name, 1, 1, 1);
    assert_int_equal(descriptors(), before);
    assert_int_equal(stats_of(s->name).memory, memory); /* places in the tables are used again */
    send_int(s->tx, 1);
    expect_int(s->rx, 1);
    mpsc_sender_close(s->tx);
    expect_end(s->rx);
    mpsc_receiver_close(s->rx);
}

/* Their places in the tables are free at the next fork, though nobody else opens, clones or closes. All senders
 * that there may be would be theirs. */
static void killed_children_take_no_sender_from_the_next(void)
{
    enum { SENDERS = 1000, CHILDREN = MPSC_MAX_SENDERS / SENDERS };
    struct scene *s = scene_open(NAMED);
    mpsc_sender *senders[SENDERS] = {s->tx};
    for (int i = 1; i < SENDERS; i++)
        senders[i] = clone_of(s->tx);
    for (int i = 0; i < CHILDREN; i++) {
        worker child = worker_start(PROCESSES, touches_nothing, s);
        kill(worker_pid(child), SIGKILL);
        assert_int_equal(worker_join(child), 128 + SIGKILL);
        wait_counts(s->name, SENDERS, 1, 1);
    }
    worker next = worker_start(PROCESSES, sends_three_when_told, s);
    step_to(&s->step, 1);
    join_well(next);
    for (int i = 1; i <= 3; i++)
        expect_int(s->rx, i);
    for (int i = 0; i < SENDERS; i++)
        mpsc_sender_close(senders[i]);
    mpsc_receiver_close(s->rx);
}

/* ------------------------------------------------------------------ those who hold nothing */

/* A program that ends when its input does. */
static char *const program[] = {(char[]){"cat"}, NULL};

static pid_t start_by_fork(int input)
{
    int started[2];
    assert_int_equal(pipe2(started, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(input, STDIN_FILENO);
        execvp(program[0], program);
        _exit(127);
    }
    close(started[1]);
    char byte;
    assert_int_equal(read(started[0], &byte, 1), 0); /* closed by the exec */
    close(started[0]);
    return child;
}

static pid_t start_by_vfork(int input)
{
    pid_t child = vfork();
    if (child == 0) {
        dup2(input, STDIN_FILENO);
        execvp(program[0], program);
        _exit(127);
    }
    return child;
}

static pid_t start_by_spawn(int input)
{
    pid_t child = -1;
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO), 0);
    assert_int_equal(posix_spawnp(&child, program[0], &actions, NULL, program, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return child;
}

static void program_holds_nothing(pid_t (*start)(int))
{
    struct scene *s = scene_open(NAMED);
    int input[2], status;
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    pid_t child = start(input[0]);
    assert_true(child > 0);
    close(input[0]);

    wait_counts(s->name, 1, 1, 1);
    send_int(s->tx, 1);
    expect_int(s->rx, 1);
    mpsc_sender_close(s->tx);
    expect_end(s->rx);
    assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* and yet it lives */
    close(input[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    mpsc_receiver_close(s->rx);
}

static void exec_holds_nothing(void)
{
    program_holds_nothing(start_by_fork);
}

static void vfork_holds_nothing(void)
{
    program_holds_nothing(start_by_vfork);
}

static void posix_spawn_holds_nothing(void)
{
    program_holds_nothing(start_by_spawn);
}

static void is_denied_everything(struct scene *s)
{
    int value = 9;
    size_t length;
    mpsc_status status = MPSC_OK;
    mpsc_sender *clone = NULL;
    assert_status(mpsc_send(s->tx, &value, sizeof value), MPSC_DENIED);
    assert_status(mpsc_try_send(s->tx, &value, sizeof value), MPSC_DENIED);
    assert_status(mpsc_send_timeout(s->tx, &value, sizeof value, SECONDS), MPSC_DENIED);
    assert_status(mpsc_flush(s->tx, SECONDS), MPSC_DENIED);
    assert_status(mpsc_sender_clone(s->tx, &clone), MPSC_DENIED);
    assert_null(clone);
    assert_null(mpsc_loan(s->tx, sizeof value, &status));
    assert_status(status, MPSC_DENIED);
    assert_null(mpsc_try_loan(s->tx, sizeof value, &status));
    assert_status(status, MPSC_DENIED);
    assert_null(mpsc_loan_timeout(s->tx, sizeof value, SECONDS, &status));
    assert_status(status, MPSC_DENIED);
    assert_status(mpsc_recv(s->rx, &value, sizeof value, &length), MPSC_DENIED);
    assert_status(mpsc_try_recv(s->rx, &value, sizeof value, &length), MPSC_DENIED);
    assert_status(mpsc_recv_timeout(s->rx, &value, sizeof value, &length, SECONDS), MPSC_DENIED);
    assert_null(mpsc_peek(s->rx, &length, &status));
    assert_status(status, MPSC_DENIED);
    assert_null(mpsc_try_peek(s->rx, &length, &status));
    assert_status(status, MPSC_DENIED);
    assert_null(mpsc_peek_timeout(s->rx, &length, SECONDS, &status));
    assert_status(status, MPSC_DENIED);
}

/* Nor has who is forked by one that has none. */
static void denies_its_child_everything(struct scene *s)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        is_denied_everything(s);
        mpsc_sender_close(s->tx);
        mpsc_receiver_close(s->rx);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Not even what it could take or send at once. */
static void raw_clone_holds_nothing(void)
{
    struct scene *s = scene_open(NAMED);
    send_int(s->tx, 0);
    expect_int(s->rx, 0);
    send_int(s->tx, 1);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        is_denied_everything(s);
        assert_status(mpsc_unlink(s->name), MPSC_DENIED);
        denies_its_child_everything(s);
        mpsc_sender_close(s->tx); /* harmless */
        mpsc_receiver_close(s->rx);
        step_to(&s->step, 1);
        step_wait(&s->step, 2);
        _exit(0);
    }
    assert_true(child > 0);
    step_wait(&s->step, 1);
    assert_counts(s->name, 1, 1, 1);
    send_int(s->tx, 2);
    expect_int(s->rx, 1);
    expect_int(s->rx, 2);
    mpsc_sender_close(s->tx);
    expect_end(s->rx);
    step_to(&s->step, 2);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    mpsc_receiver_close(s->rx);
}

static int closes_all(void *argument)
{
    struct scene *s = argument;
    mpsc_sender_close(s->tx);
    mpsc_receiver_close(s->rx);
    return 0;
}

static int ends_no_loan_of_its_parent(void *argument)
{
    struct scene *s = argument;
    is_denied_everything(s);
    assert_status(mpsc_send_loan(s->tx, hidden(s->loan), sizeof(int)), MPSC_DENIED);
    assert_status(mpsc_release(s->rx, hidden(s->message)), MPSC_DENIED);
    return 0;
}

/* What the parent has on loan, or peeks at, is not the child's to end. */
static void child_without_a_part_leaves_loans_alone(void)
{
    struct scene *s = scene_open(NAMED);
    mpsc_status status;
    send_int(s->tx, 1);
    const int *message = mpsc_peek(s->rx, NULL, &status);
    assert_lent(message, status);
    s->message = message;
    int *loan = mpsc_loan(s->tx, sizeof *loan, &status);
    assert_lent(loan, status);
    s->loan = loan;
    close_descriptors_of(s->name);
    join_well(worker_start(PROCESSES, closes_all, s));
    join_well(worker_start(PROCESSES, ends_no_loan_of_its_parent, s));
    assert_int_equal(*message, 1);
    assert_status(mpsc_release(s->rx, message), MPSC_OK);
    expect_silence(s->rx);
    *loan = 2;
    assert_status(mpsc_send_loan(s->tx, loan, sizeof *loan), MPSC_OK);
    expect_int(s->rx, 2);
    mpsc_sender_close(s->tx);
    expect_end(s->rx);
    mpsc_receiver_close(s->rx);
}

/* A program that closes all descriptors goes on, but can give none of its channels to a child
 * (doc/decisions/0001-liveness-by-locks.md). */
static int closes_all_descriptors(void *argument)
{
    struct scene *s = argument;
    assert_status(mpsc_sync_channel(sizeof(int), 4, &s->tx, &s->rx), MPSC_OK);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);

    mpsc_sender *clone = NULL;
    mpsc_status status = mpsc_sender_clone(s->tx, &clone); /* may need the descriptor or not */
    assert_true(status == MPSC_OK || status == MPSC_DENIED);
    mpsc_sender_close(clone);
    denies_its_child_everything(s);

    for (int i = 0; i < 20; i++) {
        send_int(s->tx, i);
        expect_int(s->rx, i);
    }
    mpsc_sender_close(s->tx);
    expect_end(s->rx);
    mpsc_receiver_close(s->rx);
    return 0;
}

static int sends_five(void *tx)
{
    send_int(tx, 5);
    mpsc_sender_close(tx);
    return 0;
}

/* It has no part in what it inherited, but it may open the channel as anybody may. */
static int opens_what_it_was_not_given(void *argument)
{
    struct scene *s = argument;
    open_both(s->name, sizeof(int), 16, &s->tx, &s->rx);
    close_descriptors_of(s->name);
    pid_t child = fork();
    if (child == 0) {
        is_denied_everything(s);
        mpsc_sender *own = open_tx(s->name, sizeof(int), 16);
        step_to(&s->step, 1);
        mpsc_sender_close(s->tx);
        mpsc_receiver_close(s->rx);
        join_well(worker_start(PROCESSES, sends_five, own)); /* that takes its descriptor */
        mpsc_sender_close(own);
        _exit(0);
    }
    step_wait(&s->step, 1);
    mpsc_sender_close(s->tx);
    expect_int(s->rx, 5);
    mpsc_sender *tx = open_tx(s->name, sizeof(int), 16); /* sound, as before */
    mpsc_sender_close(tx);
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    mpsc_receiver_close(s->rx);
    assert_false(name_exists(s->name));
    return ended;
}

static void child_without_a_part_opens_the_channel(void)
{
    struct scene *s = shared_memory(sizeof *s);
    s->name = channel_name();
    join_well(worker_start(PROCESSES, opens_what_it_was_not_given, s));
}

static void child_of_closefrom_is_denied(void)
{
    struct scene *s = shared_memory(sizeof *s);
    join_well(worker_start(PROCESSES, closes_all_descriptors, s));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(parent_closes_at_once_child_sends_later),
        TEST(untouched_sender_counts_until_the_child_is_gone),
        TEST(untouched_receiver_counts_until_the_child_is_gone),
        TEST(grandchild_sends),
        TEST(each_closes_what_it_does_not_use),
        TEST(eight_channels_are_open),
        TEST(counts_are_right_when_fork_returns),
        TEST(child_takes_the_seat),
        TEST(child_is_busy_until_the_parent_closes),
        TEST(others_are_busy_until_the_receiver_is_dead),
        TEST(child_takes_no_stranger_s_seat),
        TEST(child_takes_no_later_seat_of_its_parent_s),
        TEST(loan_is_not_inherited),
        TEST(peek_is_not_inherited),
        TEST(failed_fork_leaves_the_counts_right),
        TEST(many_forks_leak_nothing),
        TEST(killed_children_take_no_sender_from_the_next),
        TEST(exec_holds_nothing),
        TEST(vfork_holds_nothing),
        TEST(posix_spawn_holds_nothing),
        TEST(raw_clone_holds_nothing),
        TEST(child_of_closefrom_is_denied),
        TEST(child_without_a_part_leaves_loans_alone),
        TEST(child_without_a_part_opens_the_channel),
    };
    return harness_main("fork", tests, sizeof tests / sizeof *tests);
}
