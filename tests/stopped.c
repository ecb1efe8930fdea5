/* SPDX-License-Identifier: MIT */
/* 1.3.9 SIGSTOP is not death: a stopped process is waited for, mpsc-inspect names it and who waits, and
 * when it goes on everything does, with nothing lost. */
#include "alone.h"
#include "blocking.h"
#include "steps.h"

#include "control.h"
#include "fork.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

enum { BOUND = 4 };

/* This process' ends of the channel: each that is forked inherits what there is. NULL: closed. */
static const char *name;
static mpsc_sender *tx;
static mpsc_receiver *rx;

/* The process that is stopped over it, and what it shares with the test. */
static worker stopped;
static struct shared {
    struct steps steps;
    atomic_int ready, interrupted;
} * shared;

static void scene_open(size_t bound)
{
    harness_timeout(60);
    shared = shared_memory(sizeof *shared);
    name = channel_name();
    open_both(name, sizeof(int), bound, &tx, &rx);
}

static const struct segment *segment_here(void)
{
    return ((const struct handle *)tx)->segment;
}

static void close_receiver(void)
{
    mpsc_receiver_close(rx);
    rx = NULL;
}

/* All others have left. */
static void scene_close(void)
{
    mpsc_sender_close(tx);
    if (rx)
        expect_end(rx);
    close_receiver();
    assert_false(name_exists(name));
}

/* ------------------------------------------------------------------ stopping, going on */

static void wait_stopped(void)
{
    int status;
    assert_int_equal(waitpid(worker_pid(stopped), &status, WUNTRACED), worker_pid(stopped));
    assert_true(WIFSTOPPED(status));
}

static void stop(void)
{
    assert_int_equal(kill(worker_pid(stopped), SIGSTOP), 0);
    wait_stopped();
}

/* One that was stepped so far stands there as one that was stopped. */
static void steps_stop(void)
{
    assert_int_equal(ptrace(PTRACE_DETACH, worker_pid(stopped), NULL, SIGSTOP), 0);
    wait_stopped();
}

static void go_on(void)
{
    assert_int_equal(kill(worker_pid(stopped), SIGCONT), 0);
}

/* To the end of its call; what that said. */
static int steps_go_on(void)
{
    go_on();
    wait_for(&shared->steps.done);
    steps_kill(stopped);
    return shared->steps.result;
}

/* ------------------------------------------------------------------ those who wait */

struct waiter {
    int (*body)(void);
    worker worker;
    atomic_int gate, ready;
};

static int waiter_body(void *argument)
{
    struct waiter *w = argument;
    wait_for(&w->gate);
    atomic_store(&w->ready, 1);
    return w->body();
}

/* Started, and waiting to be let go. */
static struct waiter *waiter_new(int (*body)(void))
{
    struct waiter *w = shared_memory(sizeof *w);
    w->body = body;
    w->worker = worker_start(PROCESSES, waiter_body, w);
    return w;
}

/* Until it is asleep in its call. */
static void waiter_enter(struct waiter *w)
{
    atomic_store(&w->gate, 1);
    wait_asleep_after(&w->ready, w->worker);
}

static struct waiter *waiter_start(int (*body)(void))
{
    struct waiter *w = waiter_new(body);
    waiter_enter(w);
    return w;
}

static uint64_t spent(struct waiter *const *waiters, unsigned count)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += processor_time(worker_pid(waiters[i]->worker));
    return sum;
}

/* A second goes by, and they neither end nor use the processor. What else the machine does makes a
 * second dearer, never cheaper: one of a few must be free. */
static void they_wait(struct waiter *const *waiters, unsigned count)
{
    uint64_t least = UINT64_MAX;
    for (int seconds = 0; seconds < 5 && least >= 20 * MILLISECONDS * count; seconds++) {
        uint64_t before = spent(waiters, count);
        uint64_t end = now_ns() + SECONDS;
        for (uint64_t now; (now = now_ns()) < end;)
            nanosleep(&(struct timespec){0, (long)(end - now > 999999999 ? 999999999 : end - now)},
                      NULL);
        uint64_t used = spent(waiters, count) - before;
        least = used < least ? used : least;
    }
    assert_in_range(least, 0, 20 * MILLISECONDS * count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(waitpid(worker_pid(waiters[i]->worker), NULL, WNOHANG), 0);
}

static void they_end_well(struct waiter *const *waiters, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(worker_join(waiters[i]->worker), 0);
}

static int receives_first_and_second(void)
{
    mpsc_sender_close(tx);
    expect_int(rx, FIRST);
    expect_int(rx, SECOND);
    close_receiver();
    return 0;
}

static int sends_second(void)
{
    close_receiver();
    send_int(tx, SECOND);
    mpsc_sender_close(tx);
    return 0;
}

/* ------------------------------------------------------------------ what mpsc-inspect says */

static void inspect(char *text, size_t size)
{
    char command[512];
    snprintf(command, sizeof command, "./tools/mpsc-inspect show %s", name);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    size_t length = fread(text, 1, size - 1, output);
    text[length] = 0;
    if (pclose(output) != 0)
        fail_msg("%s failed: %s", command, text);
}

/* A line of what is held up begins with the stopped process, and ends with who waits. */
static void inspect_says(const char *what, const char *waiting)
{
    char text[8192], expected[256];
    inspect(text, sizeof text);
    snprintf(expected, sizeof expected, "%*d  stopped  stopped  %s", (int)strlen("HELD UP BY"),
             (int)worker_pid(stopped), what);
    const char *line = strstr(text, expected);
    const char *end = line ? strchr(line, '\n') : NULL;
    size_t length = strlen(waiting);
    if (!end || (size_t)(end - line) < length || memcmp(end - length, waiting, length) != 0)
        fail_msg("mpsc-inspect does not say \"%s ... %s\", but:\n%s", expected, waiting, text);
}

/* ------------------------------------------------------------------ a sender, between claim and commit */

/* The receiver sleeps at what was claimed; what was sent after it stays behind it. */
static struct waiter *receiver_waits(void)
{
    send_int(tx, SECOND);
    struct waiter *receiver = waiter_start(receives_first_and_second);
    close_receiver();
    they_wait(&receiver, 1);
    inspect_says("what comes next: claimed, not sent", "the receiver");
    return receiver;
}

static int stops_with_a_loan(void *argument)
{
    (void)argument;
    mpsc_status status;
    close_receiver();
    int *loan = mpsc_loan(tx, sizeof *loan, &status);
    assert_lent(loan, status);
    raise(SIGSTOP);
    *loan = FIRST;
    assert_status(mpsc_send_loan(tx, loan, sizeof *loan), MPSC_OK);
    mpsc_sender_close(tx);
    return 0;
}

static void sender_with_a_loan(void)
{
    scene_open(BOUND);
    stopped = worker_start(PROCESSES, stops_with_a_loan, NULL);
    wait_stopped();
    struct waiter *receiver = receiver_waits();
    go_on();
    they_end_well(&receiver, 1);
    assert_int_equal(worker_join(stopped), 0);
    scene_close();
}

static int steps_through_a_send(void *argument)
{
    (void)argument;
    close_receiver();
    steps_begin(&shared->steps);
    steps_end(&shared->steps, mpsc_send(tx, &(int){FIRST}, sizeof(int)));
    return 0;
}

static void sender_in_the_midst_of_a_send(void)
{
    scene_open(BOUND);
    const struct ring *ring = &segment_here()->ring;
    struct ring_item item;
    stopped = steps_start(&shared->steps, steps_through_a_send, NULL);
    while (ring_claimed(ring, 0) == RING_EMPTY)
        assert_true(steps_next(&shared->steps, stopped));
    assert_int_equal(ring_look(ring, 0, &item), RING_HOLE);
    steps_stop();
    struct waiter *receiver = receiver_waits();
    assert_status(steps_go_on(), MPSC_OK);
    they_end_well(&receiver, 1);
    scene_close();
}

static int steps_through_a_batch(void *argument)
{
    (void)argument;
    close_receiver();
    int first = FIRST, second = SECOND;
    struct iovec both[] = {{&first, sizeof first}, {&second, sizeof second}};
    size_t sent = 0;
    steps_begin(&shared->steps);
    steps_end(&shared->steps, mpsc_send_batch(tx, both, 2, &sent));
    return 0;
}

/* It has sent the first, and its intent covers the second. */
static void sender_in_the_midst_of_a_batch(void)
{
    int value;
    scene_open(BOUND);
    const struct ring *ring = &segment_here()->ring;
    struct ring_item item;
    stopped = steps_start(&shared->steps, steps_through_a_batch, NULL);
    while (ring_look(ring, 0, &item) != RING_OK)
        assert_true(steps_next(&shared->steps, stopped));
    assert_int_equal(ring_look(ring, 1, &item), RING_HOLE);
    steps_stop();
    expect_int(rx, FIRST);
    assert_status(mpsc_try_recv(rx, &value, sizeof value, NULL), MPSC_EMPTY);
    assert_status(steps_go_on(), MPSC_OK);
    expect_int(rx, SECOND);
    scene_close();
}

static int steps_through_a_claim_by_a_store(void *argument)
{
    (void)argument;
    close_receiver();
    unsigned senders = alone_begin(tx);
    send_int(tx, 0);
    alone_end(tx, senders);
    steps_begin(&shared->steps);
    steps_end(&shared->steps, mpsc_send(tx, &(int){FIRST}, sizeof(int)));
    return 0;
}

static bool is_about_to_claim(void)
{
    const struct segment *segment = segment_here();
    uint64_t tail = atomic_load(&segment->ring.words->tail);
    uint64_t bias = atomic_load(&segment->ring.words->bias);
    assert_int_equal(bias & BIAS_STATE, BIAS_GIVEN);
    return atomic_load(&segment->registry.endpoints[bias_index(bias)].intent.position) == tail;
}

static void no_call_waits_longer_than_it_may(void)
{
    int value = SECOND, fd;
    size_t sent;
    struct iovec vector[] = {{&value, sizeof value}, {&value, sizeof value}};
    assert_status(mpsc_try_send(tx, &value, sizeof value), MPSC_FULL);
    assert_status(mpsc_try_send_batch(tx, vector, 2, &sent), MPSC_FULL);
    assert_status(mpsc_send_timeout(tx, &value, sizeof value, 20 * MILLISECONDS), MPSC_TIMEOUT);
    assert_status(mpsc_send_batch_timeout(tx, vector, 2, &sent, 20 * MILLISECONDS), MPSC_TIMEOUT);
    /* Nobody rings when it goes on, so who polls is to look now and then. */
    assert_status(mpsc_sender_fd(tx, &fd), MPSC_OK);
    for (int i = 0; i < 20; i++) {
        assert_status(mpsc_try_send(tx, &value, sizeof value), MPSC_FULL);
        assert_int_equal(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 30000), 1);
    }
}

static void comes_to_a_claim_by_a_store(void)
{
    scene_open(BOUND);
    stopped = steps_start(&shared->steps, steps_through_a_claim_by_a_store, NULL);
    expect_int(rx, 0);
    while (!is_about_to_claim())
        assert_true(steps_next(&shared->steps, stopped));
}

/* No send returned before the other began: in either order. */
static void expect_both(void)
{
    int values[2];
    for (int i = 0; i < 2; i++)
        assert_status(mpsc_recv(rx, &values[i], sizeof values[i], NULL), MPSC_OK);
    assert_int_equal(values[0] + values[1], FIRST + SECOND);
}

/* What it is about to claim holds up the other senders: it may have decided to. */
static void sender_that_is_about_to_claim_by_a_store(void)
{
    comes_to_a_claim_by_a_store();
    steps_stop();
    no_call_waits_longer_than_it_may();
    struct waiter *sender = waiter_start(sends_second);
    they_wait(&sender, 1);
    inspect_says("what comes next: claimed, not sent", "1 sender");
    assert_status(steps_go_on(), MPSC_OK);
    they_end_well(&sender, 1);
    expect_both();
    scene_close();
}

/* It stores, and looks no more whether it may: it does not know that others wait for that. */
static void sender_whose_next_instruction_claims(void)
{
    unsigned instructions = 0;
    comes_to_a_claim_by_a_store();
    for (; is_about_to_claim(); instructions++)
        assert_true(steps_next(&shared->steps, stopped));
    steps_let_go(stopped);
    wait_for(&shared->steps.done);
    expect_int(rx, FIRST);
    steps_kill(stopped);
    scene_close();

    comes_to_a_claim_by_a_store();
    for (unsigned i = 1; i < instructions; i++)
        assert_true(steps_next(&shared->steps, stopped));
    assert_true(is_about_to_claim());
    steps_stop();
    struct waiter *sender = waiter_start(sends_second);
    they_wait(&sender, 1);
    assert_status(steps_go_on(), MPSC_OK);
    they_end_well(&sender, 1);
    expect_int(rx, FIRST);
    expect_int(rx, SECOND);
    scene_close();
}

static int steps_through_a_try(void *argument)
{
    (void)argument;
    close_receiver();
    mpsc_status status;
    steps_begin(&shared->steps);
    do
        status = mpsc_try_send(tx, &(int){FIRST}, sizeof(int));
    while (status == MPSC_FULL); /* between two offers */
    steps_end(&shared->steps, status);
    return 0;
}

static void expect_in_time(int expected)
{
    int value = 0;
    mpsc_status status;
    do
        status = mpsc_recv_timeout(rx, &value, sizeof value, NULL, 100 * MILLISECONDS);
    while (status == MPSC_TIMEOUT);
    assert_status(status, MPSC_OK);
    assert_int_equal(value, expected);
}

/* Its time is over soon, but who has accepted the offer will say that the message was received. */
static int receives_first(void)
{
    mpsc_sender_close(tx);
    expect_in_time(FIRST);
    close_receiver();
    return 0;
}

/* A sender has accepted this receiver's offer, and claimed nothing yet. */
static void step_to_the_acceptance(struct waiter *receiver)
{
    const struct header *header = segment_here()->header;
    stopped = steps_start(&shared->steps, steps_through_a_try, NULL);
    close_receiver();
    waiter_enter(receiver);
    while (owner_kind(atomic_load(&header->offer)) != OWNER_SENDER)
        assert_true(steps_next(&shared->steps, stopped));
}

static void sender_that_accepts_an_offer(void)
{
    scene_open(0);
    struct waiter *receiver = waiter_new(receives_first);
    step_to_the_acceptance(receiver);
    steps_stop();
    they_wait(&receiver, 1);
    assert_status(steps_go_on(), MPSC_OK);
    they_end_well(&receiver, 1);
    scene_close();
}

static int receives_second_and_first(void)
{
    mpsc_sender_close(tx);
    expect_in_time(SECOND);
    expect_in_time(FIRST);
    close_receiver();
    return 0;
}

/* The same, and another's message stands there meanwhile. */
static void sender_that_accepts_an_offer_beside_another(void)
{
    scene_open(0);
    struct waiter *waiters[] = {waiter_new(receives_second_and_first), waiter_new(sends_second)};
    step_to_the_acceptance(waiters[0]);
    steps_stop();
    waiter_enter(waiters[1]);
    they_wait(waiters, 2);
    assert_status(steps_go_on(), MPSC_OK);
    they_end_well(waiters, 2);
    scene_close();
}

static int peeks_at_nothing(void)
{
    mpsc_status status;
    mpsc_sender_close(tx);
    do {
        assert_null(mpsc_peek_timeout(rx, NULL, 100 * MILLISECONDS, &status));
        assert_status(status, MPSC_TIMEOUT);
    } while (!atomic_load(&shared->ready));
    close_receiver();
    return 0;
}

/* While the receiver waits for one who has accepted its offer, it sees another's message, which is withdrawn;
 * and then the first is killed. */
static void sender_that_accepts_an_offer_and_is_killed(void)
{
    scene_open(0);
    struct waiter *receiver = waiter_new(peeks_at_nothing);
    step_to_the_acceptance(receiver);
    assert_status(mpsc_send_timeout(tx, &(int){FIRST}, sizeof(int), 20 * MILLISECONDS),
                  MPSC_TIMEOUT);
    steps_kill(stopped);
    atomic_store(&shared->ready, 1);
    they_end_well(&receiver, 1);
    scene_close();
}

/* ------------------------------------------------------------------ a thread in the midst of a fork */

static atomic_int fork_is_held, fork_goes_on;

static void do_nothing(void)
{
}

static void hold_the_fork(void)
{
    atomic_store(&fork_is_held, 1);
    wait_for(&fork_goes_on);
}

static int forks(void *argument)
{
    (void)argument;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

/* What stands in the next ring is not to be had for the moment; that is not the end. */
static void thread_that_forks(void)
{
    enum { MANY = 20000 };
    static const struct fork_hooks hooks = {hold_the_fork, do_nothing, do_nothing};
    int value = 0, received = 0;
    mpsc_status status;
    assert_true(fork_register(&hooks)); /* behind the one that takes the locks */
    assert_status(mpsc_channel(sizeof(int), &tx, &rx), MPSC_OK);
    for (int i = 0; i < MANY; i++)
        send_int(tx, i);
    mpsc_sender_close(tx);
    expect_int(rx, received++);
    worker forker = worker_start(THREADS, forks, NULL);
    wait_for(&fork_is_held);
    while ((status = mpsc_try_recv(rx, &value, sizeof value, NULL)) == MPSC_OK)
        assert_int_equal(value, received++);
    assert_status(status, MPSC_EMPTY);
    atomic_store(&fork_goes_on, 1);
    while (received < MANY)
        expect_int(rx, received++);
    expect_end(rx);
    assert_int_equal(worker_join(forker), 0);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ the holder of the control mutex */

static int steps_through_a_clone(void *argument)
{
    (void)argument;
    mpsc_sender *clone;
    steps_begin(&shared->steps);
    steps_end(&shared->steps, mpsc_sender_clone(tx, &clone));
    return 0;
}

static bool lives(void *registry, unsigned slot)
{
    return registry_slot_alive(registry, slot);
}

static bool control_is_held(void)
{
    struct registry registry = segment_here()->registry;
    struct control *control = &registry.header->control;
    struct control_owner owner = {registry.slot, registry.generation, lives, &registry};
    enum control_result result = control_try_lock(control, &owner);
    assert_int_not_equal(result, CONTROL_REPAIR);
    if (result == CONTROL_LOCKED)
        control_unlock(control, &owner);
    return result == CONTROL_BUSY;
}

static int opens(void)
{
    mpsc_sender *another = open_tx(name, sizeof(int), BOUND);
    mpsc_sender_close(another);
    close_receiver();
    mpsc_sender_close(tx);
    return 0;
}

static int clones(void)
{
    mpsc_sender *another = clone_of(tx);
    mpsc_sender_close(another);
    close_receiver();
    mpsc_sender_close(tx);
    return 0;
}

static int closes(void)
{
    mpsc_sender_close(tx);
    close_receiver();
    return 0;
}

/* In the midst of a clone. */
static void stop_the_holder(void)
{
    stopped = steps_start(&shared->steps, steps_through_a_clone, NULL);
    while (!control_is_held())
        assert_true(steps_next(&shared->steps, stopped));
    steps_stop();
}

/* Who opens, clones or closes waits; messages do not. */
static void holder_of_the_control_mutex(void)
{
    scene_open(BOUND);
    struct waiter *waiters[] = {waiter_new(opens), waiter_new(clones), waiter_new(closes)};
    stop_the_holder();
    for (int i = 0; i < 3; i++)
        waiter_enter(waiters[i]);
    they_wait(waiters, 3);
    for (int i = 0; i < 3 * BOUND; i++) {
        send_int(tx, i);
        expect_int(rx, i);
    }
    assert_int_equal(stats_of(name).repairs, 0);
#ifndef MPSC_SYNC_PTHREAD /* libpthread does not tell who has its mutex */
    inspect_says("the tables: ", "who opens, clones, closes or forks");
#endif
    assert_status(steps_go_on(), MPSC_OK);
    they_end_well(waiters, 3);
    scene_close();
}

static void is_exiting(void)
{
    atomic_store(&shared->ready, 1);
}

static int opens_beside_an_exit(void *argument)
{
    (void)argument;
    (void)open_tx(name, sizeof(int), BOUND);
    return 0;
}

/* The name of another channel. */
static const char *alone;

/* Has the only handle of that one, and a thread that waits in an open of ours. */
static int exits_beside_an_open(void)
{
    mpsc_sender *only = open_tx(alone, sizeof(int), BOUND);
    assert_non_null(only);
    worker w = worker_start(THREADS, opens_beside_an_exit, NULL);
    wait_asleep(w);
    assert_int_equal(atexit(is_exiting), 0);
    exit(0);
}

/* The thread has the process' own lock meanwhile. */
static void exit_beside_a_thread_that_opens(void)
{
    scene_open(BOUND);
    alone = channel_name();
    struct waiter *exiting = waiter_new(exits_beside_an_open);
    stop_the_holder();
    atomic_store(&exiting->gate, 1);
    wait_for(&shared->ready);
    must_go_on_for(worker_pid(exiting->worker), 20 * MILLISECONDS);
    assert_status(steps_go_on(), MPSC_OK);
    they_end_well(&exiting, 1);
    assert_false(name_exists(alone));
    scene_close();
}

/* ------------------------------------------------------------------ one that is about to join */

static int holds_a_sender(void *argument)
{
    (void)argument;
    mpsc_sender *only = open_tx(name, sizeof(int), BOUND);
    assert_non_null(only);
    atomic_store(&shared->ready, 1);
    pause();
    return 1;
}

static int steps_through_an_open(void *argument)
{
    (void)argument;
    mpsc_options options = options_of(sizeof(int), BOUND);
    mpsc_receiver *joined;
    options.create = 0;
    steps_begin(&shared->steps);
    steps_end(&shared->steps, mpsc_open_receiver(name, &options, &joined));
    return 0;
}

static void collect_garbage(void)
{
    char command[512];
    snprintf(command, sizeof command, "./tools/mpsc-inspect gc %s >/dev/null 2>&1", name);
    assert_int_not_equal(system(command), -1);
}

/* The only process in the channel is killed while another is on its way in, past so many system calls; then
 * what no process has is removed. Who was let in is in a channel that others find. False: it was in by then. */
static bool joins_beside_a_death(unsigned system_calls)
{
    name = channel_name();
    atomic_store(&shared->ready, 0);
    worker other = worker_start(PROCESSES, holds_a_sender, NULL);
    wait_for(&shared->ready);
    stopped = steps_start(&shared->steps, steps_through_an_open, NULL);
    bool on_its_way = steps_past(&shared->steps, stopped, system_calls);
    steps_kill(other);
    collect_garbage();
    if (on_its_way)
        (void)steps_finish(&shared->steps, stopped);
    else
        steps_kill(stopped);
    bool found = name_exists(name);
    if (shared->steps.result != MPSC_NOT_FOUND)
        assert_status(shared->steps.result, MPSC_OK);
    assert_int_equal(found, shared->steps.result == MPSC_OK);
    if (found)
        assert_status(mpsc_unlink(name), MPSC_OK);
    return on_its_way;
}

static void one_that_joins_beside_a_death(void)
{
    harness_needs_futexes("libpthread does not tell who has its mutex");
    harness_timeout(60);
    shared = shared_memory(sizeof *shared);
    unsigned system_calls = 1;
    while (joins_beside_a_death(system_calls))
        system_calls++;
    assert_in_range(system_calls, 10, 200);
}

/* ------------------------------------------------------------------ who must grow */

static void counts_nothing(int number)
{
    (void)number;
}

/* These close nothing before they send: that waits for the holder, too. */
static int makes_it_grow(void)
{
    send_int(tx, SECOND);
    return closes();
}

static int is_interrupted(void)
{
    struct sigaction action = {.sa_handler = counts_nothing};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_status(mpsc_send(tx, &(int){SECOND}, sizeof(int)), MPSC_INTERRUPTED);
    atomic_store(&shared->interrupted, 1);
    return closes();
}

/* A handler that runs when a sleep ends anyway is one that the call cannot see. */
static void interrupt(const struct waiter *w)
{
    while (!atomic_load(&shared->interrupted)) {
        assert_int_equal(kill(worker_pid(w->worker), SIGUSR1), 0);
        nanosleep(&(struct timespec){0, 50 * MILLISECONDS}, NULL);
    }
}

/* How many messages there is room for without a larger ring. */
static int fill_the_ring(void)
{
    int count = 0;
    for (; ring_room(&segment_here()->ring, 1); count++)
        send_int(tx, FIRST);
    return count;
}

/* Full, and nobody can make a larger one now. */
static int fill_all_there_is(void)
{
    int count = fill_the_ring();
    assert_status(mpsc_try_send(tx, &(int){FIRST}, sizeof(int)), MPSC_FULL);
    assert_status(mpsc_send_timeout(tx, &(int){FIRST}, sizeof(int), 20 * MILLISECONDS),
                  MPSC_TIMEOUT);
    return count;
}

static void expect_all(int count)
{
    for (int i = 0; i < count; i++)
        expect_int(rx, FIRST);
    expect_int(rx, SECOND);
}

static void holder_when_the_channel_must_grow(void)
{
    scene_open(MPSC_UNBOUNDED);
    struct waiter *sender = waiter_new(makes_it_grow);
    stop_the_holder();
    int count = fill_all_there_is();
    waiter_enter(sender);
    they_wait(&sender, 1);
#ifndef MPSC_SYNC_PTHREAD
    inspect_says("the tables: ", "who opens, clones, closes, forks or makes it grow");
#endif
    assert_status(steps_go_on(), MPSC_OK);
    they_end_well(&sender, 1);
    expect_all(count);
    scene_close();
}

/* The ring has no room any more, however much is taken, and there is no other yet. */
static void sender_in_the_midst_of_growth(void)
{
    scene_open(MPSC_UNBOUNDED);
    const _Atomic uint64_t *tail = &segment_here()->ring.words->tail;
    struct waiter *sender = waiter_new(makes_it_grow);
    int count = fill_the_ring(), sum = 0;
    stopped = steps_start(&shared->steps, steps_through_a_send, NULL);
    while (!(atomic_load(tail) & RING_CLOSED))
        assert_true(steps_next(&shared->steps, stopped));
    steps_stop();
    expect_int(rx, FIRST);
    waiter_enter(sender);
    they_wait(&sender, 1);
    assert_status(steps_go_on(), MPSC_OK);
    they_end_well(&sender, 1);
    for (int i = 1; i < count; i++)
        expect_int(rx, FIRST);
    for (int i = 0, value; i < 2; i++, sum += value)
        assert_status(mpsc_try_recv(rx, &value, sizeof value, NULL), MPSC_OK);
    assert_int_equal(sum, FIRST + SECOND);
    scene_close();
}

/* A signal, and room in the ring that there is. */
static void what_ends_a_wait_for_growth(void)
{
    harness_needs_futexes("a condition variable of libpthread tells nobody of a signal");
    scene_open(MPSC_UNBOUNDED);
    struct waiter *waiters[] = {waiter_new(is_interrupted), waiter_new(makes_it_grow)};
    stop_the_holder();
    int count = fill_all_there_is();
    waiter_enter(waiters[0]);
    interrupt(waiters[0]);
    waiter_enter(waiters[1]);
    expect_all(count);
    assert_status(steps_go_on(), MPSC_OK);
    they_end_well(waiters, 2);
    scene_close();
}

static void expect_repairs(unsigned count)
{
    static const char label[] = "\nrepairs ";
    char text[8192];
    mpsc_stats stats = stats_of(name);
    assert_int_equal(stats.repairs, count);
    inspect(text, sizeof text);
    const char *shown = strstr(text, label);
    if (!shown || strtoul(shown + strlen(label), NULL, 10) != count)
        fail_msg("mpsc-inspect does not say \"repairs %u\", but:\n%s", count, text);
}

/* Stopped it is waited for; killed there it is one who died over the tables, and whoever changes them
 * next repairs them and counts it. */
static void holder_that_is_killed(void)
{
    scene_open(BOUND);
    for (unsigned killed = 1; killed <= 2; killed++) {
        stop_the_holder();
        expect_repairs(killed - 1);
        steps_kill(stopped);
        expect_repairs(killed - 1);
        mpsc_sender_close(clone_of(tx));
        expect_repairs(killed);
        wait_counts(name, 1, 1, 1);
        send_int(tx, FIRST);
        expect_int(rx, FIRST);
    }
    scene_close();
}

/* ------------------------------------------------------------------ a receiver */

static int receives_to_the_end(void *argument)
{
    (void)argument;
    int value, count = 0;
    mpsc_status status;
    mpsc_sender_close(tx);
    atomic_store(&shared->ready, 1);
    while ((status = mpsc_recv(rx, &value, sizeof value, NULL)) == MPSC_OK)
        count++;
    assert_status(status, MPSC_DISCONNECTED);
    close_receiver();
    return count;
}

static void receiver_before_senders(size_t bound)
{
    scene_open(bound);
    struct waiter *senders[2];
    mpsc_receiver *another;
    stopped = worker_start(PROCESSES, receives_to_the_end, NULL);
    wait_asleep_after(&shared->ready, stopped);
    close_receiver();
    stop();
    for (size_t i = 0; i < bound; i++)
        assert_status(mpsc_try_send(tx, &(int){FIRST}, sizeof(int)), MPSC_OK);
    for (int i = 0; i < 2; i++)
        senders[i] = waiter_start(sends_second);
    they_wait(senders, 2);
    assert_status(mpsc_try_send(tx, &(int){FIRST}, sizeof(int)), MPSC_FULL);
    assert_status(mpsc_open_receiver(name, NULL, &another), MPSC_BUSY);
    inspect_says("the receiver's seat", "2 senders");
    go_on();
    they_end_well(senders, 2);
    mpsc_sender_close(tx);
    assert_int_equal(worker_join(stopped), bound + 2);
    assert_false(name_exists(name));
}

static void receiver_before_a_full_ring(void)
{
    receiver_before_senders(BOUND);
}

static void receiver_at_a_rendezvous(void)
{
    receiver_before_senders(0);
}

/* ------------------------------------------------------------------ overtaken */

/* It has seen room for two: one more is sent without a second look. */
static int sends_after_another(void *unused)
{
    (void)unused;
    close_receiver();
    assert_status(mpsc_send(tx, &(int){1}, sizeof(int)), MPSC_OK);
    steps_begin(&shared->steps);
    mpsc_status status = mpsc_send(tx, &(int){2}, sizeof(int));
    steps_end(&shared->steps, status);
    return 0;
}

/* Claims what room there is, and dies over it. */
static int dies_over_loans(void *unused)
{
    (void)unused;
    mpsc_status status;
    if (mpsc_try_loan(clone_of(tx), sizeof(int), &status))
        (void)!mpsc_try_loan(tx, sizeof(int), &status);
    raise(SIGKILL);
    return 1;
}

/* One is stopped in its send, another claims the room and is killed over it. The first one's intent must
 * not cover what it did not claim: it would wait for room, and the receiver for it. */
static bool overtaken_after(unsigned long instructions)
{
    bool inside = true;
    scene_open(2);
    stopped = steps_start(&shared->steps, sends_after_another, NULL);
    expect_int(rx, 1);
    for (unsigned long i = 0; i < instructions && inside; i++)
        inside = steps_next(&shared->steps, stopped);
    worker killed = worker_start(PROCESSES, dies_over_loans, NULL);
    assert_int_equal(worker_join(killed), 128 + SIGKILL);
    steps_let_go(stopped);
    expect_int(rx, 2);
    wait_for(&shared->steps.done);
    assert_status(shared->steps.result, MPSC_OK);
    steps_kill(stopped);
    scene_close();
    return inside;
}

static void sender_overtaken_at_any_instruction(void)
{
    unsigned long step = 1 + 8 / swept(8), at = now_ns() / 1000 % step;
    for (; overtaken_after(at); at += step)
        continue;
}

int main(void)
{
    static const struct test tests[] = {
        TEST(sender_with_a_loan),
        TEST(sender_in_the_midst_of_a_send),
        TEST(sender_in_the_midst_of_a_batch),
        TEST(sender_that_is_about_to_claim_by_a_store),
        TEST(sender_whose_next_instruction_claims),
        TEST(sender_that_accepts_an_offer),
        TEST(sender_that_accepts_an_offer_beside_another),
        TEST(sender_that_accepts_an_offer_and_is_killed),
        TEST(thread_that_forks),
        TEST(holder_of_the_control_mutex),
        TEST(exit_beside_a_thread_that_opens),
        TEST(one_that_joins_beside_a_death),
        TEST(holder_when_the_channel_must_grow),
        TEST(sender_in_the_midst_of_growth),
        TEST(what_ends_a_wait_for_growth),
        TEST(holder_that_is_killed),
        TEST(receiver_before_a_full_ring),
        TEST(receiver_at_a_rendezvous),
        TEST(sender_overtaken_at_any_instruction),
    };
    return harness_main("stopped", tests, sizeof tests / sizeof *tests);
}
