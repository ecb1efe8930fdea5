/* SPDX-License-Identifier: MIT */
/* 1.3.8 Cancellation, the end of a thread, and a longjmp out of a call: no call is a cancellation point,
 * what a thread held stays with its handles, and others go on whatever one does to itself. */
#include "blocking.h"
#include "possessions.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static pthread_t start(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    return thread;
}

static void *join(pthread_t thread)
{
    void *result = NULL;
    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

/* ------------------------------------------------------------------ no call is a cancellation point */

/* A thread that is cancelled before all of this: it ends in the first call that is such a point. */
struct life {
    const char *name;
    const char *at;
    mpsc_sender *tx;
    mpsc_receiver *rx;
};

#define SAYS(status, call) (life->at = #call, assert_status(call, status))

static void lives_by_copies(struct life *life)
{
    int value = FIRST;
    SAYS(MPSC_OK, mpsc_try_send(life->tx, &value, sizeof value));
    SAYS(MPSC_OK, mpsc_send(life->tx, &value, sizeof value));
    SAYS(MPSC_FULL, mpsc_try_send(life->tx, &value, sizeof value));
    SAYS(MPSC_TIMEOUT, mpsc_send_timeout(life->tx, &value, sizeof value, 5 * MILLISECONDS));
    SAYS(MPSC_TIMEOUT, mpsc_flush(life->tx, 5 * MILLISECONDS));
    SAYS(MPSC_OK, mpsc_try_recv(life->rx, &value, sizeof value, NULL));
    SAYS(MPSC_OK, mpsc_recv(life->rx, &value, sizeof value, NULL));
    SAYS(MPSC_OK, mpsc_flush(life->tx, MPSC_FOREVER));
    SAYS(MPSC_EMPTY, mpsc_try_recv(life->rx, &value, sizeof value, NULL));
    SAYS(MPSC_TIMEOUT, mpsc_recv_timeout(life->rx, &value, sizeof value, NULL, 5 * MILLISECONDS));
}

static void lives_by_loans(struct life *life)
{
    mpsc_status status;
    void *loan = mpsc_loan(life->tx, sizeof(int), &status);
    SAYS(MPSC_OK, mpsc_cancel_loan(life->tx, loan));
    loan = mpsc_loan_timeout(life->tx, sizeof(int), MILLISECONDS, &status);
    SAYS(MPSC_OK, mpsc_send_loan(life->tx, loan, sizeof(int)));
    const void *message = mpsc_peek(life->rx, NULL, &status);
    SAYS(MPSC_OK, mpsc_release(life->rx, message));
    message = mpsc_peek_timeout(life->rx, NULL, 5 * MILLISECONDS, &status);
    assert_status(status, MPSC_TIMEOUT);
    assert_null(message);
}

static void lives_polled(struct life *life)
{
    size_t ready;
    int fd, value = FIRST;
    SAYS(MPSC_OK, mpsc_receiver_fd(life->rx, &fd));
    SAYS(MPSC_OK, mpsc_sender_fd(life->tx, &fd));
    SAYS(MPSC_TIMEOUT, mpsc_select(&life->rx, 1, 5 * MILLISECONDS, &ready));
    SAYS(MPSC_OK, mpsc_try_send(life->tx, &value, sizeof value));
    SAYS(MPSC_OK, mpsc_try_send(life->tx, &value, sizeof value));
    SAYS(MPSC_FULL, mpsc_try_send(life->tx, &value, sizeof value));
    SAYS(MPSC_OK, mpsc_select(&life->rx, 1, MPSC_FOREVER, &ready));
    SAYS(MPSC_OK, mpsc_try_recv(life->rx, &value, sizeof value, NULL));
    SAYS(MPSC_OK, mpsc_try_recv(life->rx, &value, sizeof value, NULL));
    SAYS(MPSC_EMPTY, mpsc_try_recv(life->rx, &value, sizeof value, NULL));
}

static void forks(struct life *life)
{
    int status, cancel;
    life->at = "fork";
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(pthread_setcancelstate(cancel, &cancel), 0);
    assert_int_equal(status, 0);
}

static void lives_named(struct life *life)
{
    mpsc_options options = options_of(sizeof(int), 2);
    mpsc_sender *second = NULL, *third = NULL;
    mpsc_stats stats;
    SAYS(MPSC_OK, mpsc_open_sender(life->name, &options, &life->tx));
    SAYS(MPSC_OK, mpsc_open_receiver(life->name, &options, &life->rx));
    SAYS(MPSC_OK, mpsc_open_sender(life->name, &options, &second));
    SAYS(MPSC_OK, mpsc_sender_clone(second, &third));
    SAYS(MPSC_OK, mpsc_stat(life->name, &stats));
    lives_by_copies(life);
    lives_by_loans(life);
    lives_polled(life);
    forks(life);
    life->at = "mpsc_sender_close";
    mpsc_sender_close(second);
    mpsc_sender_close(third);
    mpsc_sender_close(life->tx);
    life->at = "mpsc_receiver_close";
    mpsc_receiver_close(life->rx);
    SAYS(MPSC_NOT_FOUND, mpsc_stat(life->name, &stats));
}

static void lives_durable(struct life *life)
{
    mpsc_options options = options_of(sizeof(int), 2);
    options.durable = 1;
    SAYS(MPSC_OK, mpsc_open_sender(life->name, &options, &life->tx));
    SAYS(MPSC_OK, mpsc_open_receiver(life->name, NULL, &life->rx));
    SAYS(MPSC_OK, mpsc_unlink(life->name));
    SAYS(MPSC_NOT_FOUND, mpsc_unlink(life->name));
    mpsc_sender_close(life->tx);
    mpsc_receiver_close(life->rx);
}

static void lives_private(struct life *life)
{
    enum { MORE_THAN_A_RING = 600 };
    for (size_t bound = 1; bound < 3; bound++) {
        SAYS(MPSC_OK, mpsc_sync_channel(sizeof(int), bound, &life->tx, &life->rx));
        mpsc_sender_close(life->tx);
        mpsc_receiver_close(life->rx);
    }
    SAYS(MPSC_OK, mpsc_channel(sizeof(int), &life->tx, &life->rx));
    for (int i = 0; i < MORE_THAN_A_RING; i++)
        SAYS(MPSC_OK, mpsc_send(life->tx, &i, sizeof i));
    for (int i = 0, value; i < MORE_THAN_A_RING; i++)
        SAYS(MPSC_OK, mpsc_recv(life->rx, &value, sizeof value, NULL));
    life->at = "mpsc_len";
    assert_int_equal(mpsc_len(life->rx), 0);
    mpsc_receiver_close(life->rx);
    mpsc_sender_close(life->tx);
}

/* It comes to a cancellation point itself. */
static void is_destroyed(void *message, size_t length, void *context)
{
    (void)message, (void)length;
    pthread_testcancel();
    ++*(int *)context;
}

static void lives_by_objects(struct life *life)
{
    int count = 0, value = FIRST;
    mpsc_options options = options_of(sizeof(int), MPSC_UNBOUNDED);
    options.destroy = is_destroyed;
    options.context = &count;
    SAYS(MPSC_OK, mpsc_channel_with(&options, &life->tx, &life->rx));
    mpsc_sender *other = clone_of(life->tx);
    mpsc_status status;
    for (int i = 0; i < 3; i++)
        SAYS(MPSC_OK, mpsc_send(life->tx, &value, sizeof value));
    void *loan = mpsc_loan(life->tx, sizeof value, &status);
    assert_lent(loan, status);
    SAYS(MPSC_OK, mpsc_send(other, &value, sizeof value));
    life->at = "mpsc_receiver_close, destroying";
    mpsc_receiver_close(life->rx);
    assert_int_equal(count, 3);
    life->at = "the last mpsc_sender_close, destroying";
    mpsc_sender_close(other);
    mpsc_sender_close(life->tx);
    assert_int_equal(count, 4);
}

static void *lives_cancelled(void *argument)
{
    struct life *life = argument;
    pthread_cancel(pthread_self());
    lives_private(life);
    lives_by_objects(life);
    lives_named(life);
    lives_durable(life);
    life->at = NULL;
    pthread_testcancel();
    return NULL;
}

static void no_call_is_a_cancellation_point(void)
{
    struct life life = {.name = channel_name(), .at = "nothing"};
    assert_ptr_equal(join(start(lives_cancelled, &life)), PTHREAD_CANCELED);
    if (life.at)
        fail_msg("the thread was cancelled in %s", life.at);
}

/* ------------------------------------------------------------------ while one is blocked */

struct cancelled {
    struct blocked blocked;
    atomic_int tid, said;
};

static void *is_blocked(void *argument)
{
    struct cancelled *c = argument;
    struct blocked *b = &c->blocked;
    blocked_prepare(b->worker_tx, b->call->obstacle);
    atomic_store(&c->tid, (int)syscall(SYS_gettid));
    atomic_store(&c->said, b->call->call(b->worker_tx, b->rx, MPSC_FOREVER));
    pthread_testcancel();
    return NULL;
}

static bool is_asleep(void *argument)
{
    struct cancelled *c = argument;
    int tid = atomic_load(&c->tid);
    return tid && sleeping(getpid(), tid);
}

/* The call goes on to its end, and the thread ends afterwards. */
static void a_blocked_call_is_not_cancelled(void)
{
    for (int i = 0; i < BLOCKING_CALLS; i++) {
        struct cancelled c = {.said = -1};
        blocked_open(&c.blocked, &blocking_calls[i]);
        c.blocked.worker_tx = clone_of(c.blocked.tx);
        pthread_t thread = start(is_blocked, &c);
        wait_until(is_asleep, &c);
        assert_int_equal(pthread_cancel(thread), 0);
        wait_until(is_asleep, &c);
        blocked_let_go(&c.blocked);
        assert_ptr_equal(join(thread), PTHREAD_CANCELED);
        if (atomic_load(&c.said) != MPSC_OK)
            fail_msg("%s was cancelled", blocking_calls[i].name);
        mpsc_sender_close(c.blocked.worker_tx);
        blocked_close(&c.blocked);
    }
}

/* ------------------------------------------------------------------ at any moment */

struct busy {
    const char *name;
    atomic_int begun;
};

static void *comes_and_goes(void *argument)
{
    struct busy *busy = argument;
    mpsc_sender *tx, *clone;
    mpsc_stats stats;
    while (busy) { /* until it is cancelled */
        pthread_testcancel();
        tx = open_tx(busy->name, sizeof(int), 4);
        assert_status(mpsc_sender_clone(tx, &clone), MPSC_OK);
        send_int(clone, FIRST);
        assert_status(mpsc_stat(busy->name, &stats), MPSC_OK);
        mpsc_sender_close(clone);
        mpsc_sender_close(tx);
        atomic_store(&busy->begun, 1);
    }
    return NULL;
}

static void cancelled_at_any_moment_a_thread_wedges_nothing(void)
{
    struct busy busy = {.name = channel_name()};
    mpsc_sender *tx;
    mpsc_receiver *rx;
    uint64_t state = 1;
    open_both(busy.name, sizeof(int), 4, &tx, &rx);
    struct possessions before = possessions_now();
    for (unsigned long round = scaled(300); round > 0; round--) {
        int value;
        mpsc_status status = MPSC_OK;
        atomic_store(&busy.begun, 0);
        pthread_t thread = start(comes_and_goes, &busy);
        while (!atomic_load(&busy.begun))
            (void)!mpsc_try_recv(rx, &value, sizeof value, NULL);
        for (uint64_t spins = chance(&state) % 5000; spins > 0; spins--)
            (void)!mpsc_try_recv(rx, &value, sizeof value, NULL);
        assert_int_equal(pthread_cancel(thread), 0);
        while (status == MPSC_OK) /* it may be waiting for room */
            status = mpsc_recv_timeout(rx, &value, sizeof value, NULL, MILLISECONDS);
        assert_ptr_equal(join(thread), PTHREAD_CANCELED);
        while (mpsc_try_recv(rx, &value, sizeof value, NULL) == MPSC_OK)
            continue;
        mpsc_sender_close(open_tx(busy.name, sizeof(int), 4));
        assert_counts(busy.name, 1, 1, 1);
    }
    assert_possessions(before);
    mpsc_sender_close(tx);
    expect_end(rx);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ what a thread held */

struct held {
    mpsc_sender *tx;
    mpsc_receiver *rx;
    int *loan;
    const int *message;
    const char *name;
    atomic_int step;
};

static void *borrows_and_ends(void *argument)
{
    struct held *held = argument;
    mpsc_status status;
    held->loan = mpsc_loan(held->tx, sizeof(int), &status);
    assert_lent(held->loan, status);
    *held->loan = SECOND;
    held->message = mpsc_peek(held->rx, NULL, &status);
    assert_lent(held->message, status);
    pthread_exit(NULL);
}

/* A loan and a peeked message are the handle's, not the thread's. */
static void another_thread_ends_what_one_began(void)
{
    for (int closes = 0; closes < 2; closes++) {
        struct held held = {.name = channel_name()};
        open_both(held.name, sizeof(int), 4, &held.tx, &held.rx);
        send_int(held.tx, FIRST);
        assert_null(join(start(borrows_and_ends, &held)));
        mpsc_sender *other = clone_of(held.tx);
        send_int(other, 3);
        if (closes) {
            mpsc_sender_close(held.tx);
            mpsc_receiver_close(held.rx);
            held.rx = open_rx(held.name, sizeof(int), 4);
            expect_int(held.rx, FIRST);
        } else {
            assert_int_equal(*held.message, FIRST);
            assert_status(mpsc_release(held.rx, held.message), MPSC_OK);
            assert_status(mpsc_send_loan(held.tx, held.loan, sizeof(int)), MPSC_OK);
            expect_int(held.rx, SECOND);
            mpsc_sender_close(held.tx);
        }
        expect_int(held.rx, 3);
        mpsc_sender_close(other);
        expect_end(held.rx);
        mpsc_receiver_close(held.rx);
    }
}

static void closes_all(void *argument)
{
    struct held *held = argument;
    mpsc_sender_close(held->tx);
    mpsc_receiver_close(held->rx);
}

static void *cleans_up(void *argument)
{
    struct held *held = argument;
    mpsc_status status;
    pthread_cleanup_push(closes_all, held);
    held->loan = mpsc_loan(held->tx, sizeof(int), &status);
    assert_lent(held->loan, status);
    step_to(&held->step, 1);
    for (;;)
        pause();
    pthread_cleanup_pop(1);
    return NULL;
}

/* As a program should that cancels threads. */
static void a_cleanup_handler_closes(void)
{
    struct held held = {.name = channel_name()};
    open_both(held.name, sizeof(int), 4, &held.tx, &held.rx);
    mpsc_sender *other = clone_of(held.tx);
    pthread_t thread = start(cleans_up, &held);
    step_wait(&held.step, 1);
    assert_int_equal(pthread_cancel(thread), 0);
    assert_ptr_equal(join(thread), PTHREAD_CANCELED);
    int value = FIRST;
    assert_status(mpsc_send(other, &value, sizeof value), MPSC_DISCONNECTED);
    mpsc_receiver *rx = open_rx(held.name, sizeof(int), 4);
    send_int(other, SECOND);
    expect_int(rx, SECOND);
    mpsc_sender_close(other);
    expect_end(rx);
    mpsc_receiver_close(rx);
}

static void *opens_and_ends(void *argument)
{
    struct held *held = argument;
    held->tx = open_tx(held->name, sizeof(int), 4);
    pthread_exit(NULL);
}

static int outlives_its_thread(void *argument)
{
    struct held *held = argument;
    assert_null(join(start(opens_and_ends, held)));
    step_to(&held->step, 1);
    step_wait(&held->step, 2);
    send_int(held->tx, SECOND);
    mpsc_sender_close(held->tx);
    return 0;
}

/* A channel never ends because the thread that opened it did. */
static void the_thread_that_opened_may_end(void)
{
    struct held *held = shared_memory(sizeof *held);
    held->name = channel_name();
    worker other = worker_start(PROCESSES, outlives_its_thread, held);
    mpsc_receiver *rx = open_rx(held->name, sizeof(int), 4);
    step_wait(&held->step, 1);
    expect_silence(rx);
    step_to(&held->step, 2);
    expect_int(rx, SECOND);
    expect_end(rx);
    assert_int_equal(worker_join(other), 0);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ a longjmp out of a call */

static sigjmp_buf way_out;

static void leaves(int number)
{
    (void)number;
    siglongjmp(way_out, 1);
}

struct jumper {
    const struct blocking *call;
    const char *name;
    atomic_int calls, jumped, go;
};

/* What must not be done. */
static int jumps_out(void *argument)
{
    struct jumper *jumper = argument;
    struct sigaction action = {.sa_handler = leaves};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    struct ends ends = blocking_open(jumper->call, jumper->name);
    if (sigsetjmp(way_out, 1) == 0) {
        atomic_store(&jumper->calls, 1);
        (void)!jumper->call->call(ends.tx, ends.rx, MPSC_FOREVER);
        fail_msg("%s ended", jumper->call->name);
    }
    atomic_store(&jumper->jumped, 1);
    wait_for(&jumper->go);
    return 0; /* with its handles as they are */
}

/* The others go on beside it, and hear of its end. */
static void others_survive(const struct blocking *call)
{
    struct jumper *jumper = shared_memory(sizeof *jumper);
    *jumper = (struct jumper){.call = call, .name = channel_name()};
    const size_t bound = blocking_bound(call);
    worker w = worker_start(PROCESSES, jumps_out, jumper);
    wait_asleep_after(&jumper->calls, w);
    while (!atomic_load(&jumper->jumped)) {
        assert_int_equal(kill(worker_pid(w), SIGUSR1), 0);
        sched_yield();
    }
    mpsc_receiver *rx = NULL;
    mpsc_sender *tx = open_tx(jumper->name, sizeof(int), bound);
    if (call->obstacle == NO_MESSAGE) {
        send_int(tx, FIRST);
        atomic_store(&jumper->go, 1);
        assert_int_equal(worker_join(w), 0);
        rx = open_rx(jumper->name, sizeof(int), bound);
        expect_int(rx, FIRST);
    } else {
        rx = open_rx(jumper->name, sizeof(int), bound);
        expect_int(rx, call->obstacle == NO_RECEIVER ? SECOND : FIRST);
        if (bound) {
            send_int(tx, 3);
            expect_int(rx, 3);
        }
        mpsc_sender_close(tx);
        expect_silence(rx);
        atomic_store(&jumper->go, 1);
        assert_int_equal(worker_join(w), 0);
        expect_end(rx);
        tx = NULL;
    }
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

static void who_jumps_out_harms_itself_alone(void)
{
    harness_needs_futexes("--with-sync=pthread: its condition variables do not survive that");
    for (int i = 0; i < BLOCKING_CALLS; i++)
        others_survive(&blocking_calls[i]);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(no_call_is_a_cancellation_point),
        TEST(a_blocked_call_is_not_cancelled),
        TEST(cancelled_at_any_moment_a_thread_wedges_nothing),
        TEST(another_thread_ends_what_one_began),
        TEST(a_cleanup_handler_closes),
        TEST(the_thread_that_opened_may_end),
        TEST(who_jumps_out_harms_itself_alone),
    };
    return harness_main("cancellation", tests, sizeof tests / sizeof *tests);
}
