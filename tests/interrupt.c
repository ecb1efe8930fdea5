/* SPDX-License-Identifier: MIT */
/* 1.2, 1.3.8 Signals: a handler ends every blocking call with INTERRUPTED, and nothing was sent or
 * taken; a handler may send. */
#include "blocking.h"
#include "steps.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_int *handled; /* in shared memory */

static void counts(int number)
{
    (void)number;
    atomic_fetch_add(handled, 1);
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    assert_int_equal(sigaction(number, &action, NULL), 0);
}

static void signal_worker(worker w, int number)
{
    assert_int_equal(syscall(SYS_tgkill, worker_pid(w), worker_tid(w), number), 0);
}

/* Signals until the worker's first call has ended: a handler that runs when a sleep ends anyway, the
 * bounded ones do, is one that the call cannot see. */
static void interrupt(struct blocked *b)
{
    while (atomic_load(&b->ended) == 0) {
        signal_worker(b->worker, SIGUSR1);
        uint64_t patience = now_ns() + 50 * MILLISECONDS;
        while (atomic_load(&b->ended) == 0 && now_ns() < patience)
            nanosleep(&(struct timespec){0, 50000}, NULL);
    }
}

/* A pthread condition variable tells nobody of a signal, and its mutex may be what the handler has
 * interrupted. */
static void needs_futexes(void)
{
#ifdef MPSC_SYNC_PTHREAD
    harness_skip("--with-sync=pthread does without");
#endif
}

/* ------------------------------------------------------------------ every call */

static void handler_interrupts(enum mode mode, int flags)
{
    needs_futexes();
    handled = shared_memory(sizeof *handled);
    handle(SIGUSR1, counts, flags);
    for (int i = 0; i < BLOCKING_CALLS; i++) {
        for (int timed = 0; timed <= blocking_calls[i].timed; timed++) {
            atomic_store(handled, 0);
            struct blocked *b =
                blocked_start(&blocking_calls[i], mode, timed ? 3600 * SECONDS : MPSC_FOREVER);
            interrupt(b);
            if (atomic_load(&b->said) != MPSC_INTERRUPTED)
                fail_msg("%s said %s", b->call->name, mpsc_strstatus(atomic_load(&b->said)));
            assert_true(atomic_load(handled) > 0);

            mpsc_stats stats = stats_of(b->name);
            assert_int_equal(stats.queued, blocked_queued(b));
            assert_int_equal(stats.sent, blocked_queued(b));
            assert_int_equal(stats.received, 0);

            /* Called again, it waits again, and succeeds. */
            step_to(&b->resumed, INT32_MAX);
            step_wait(&b->calls, 2);
            wait_asleep(b->worker);
            blocked_finish(b);
        }
    }
}

static void handler_interrupts_every_call(enum mode mode)
{
    handler_interrupts(mode, 0);
}

static void handler_interrupts_with_restart_too(enum mode mode)
{
    handler_interrupts(mode, SA_RESTART);
}

/* ------------------------------------------------------------------ before it sleeps */

struct receiving_call {
    struct steps steps;
    mpsc_receiver *rx;
};

static int receives_in_steps(void *argument)
{
    struct receiving_call *call = argument;
    int value;
    handle(SIGUSR1, counts, 0);
    /* The first receive maps the ring, with signals held up as well. */
    assert_status(mpsc_try_recv(call->rx, &value, sizeof value, NULL), MPSC_EMPTY);
    steps_begin(&call->steps);
    mpsc_status status = mpsc_recv(call->rx, &value, sizeof value, NULL);
    steps_end(&call->steps, status);
    return 0;
}

static bool holds_signals(worker w)
{
    uint64_t mask = 0;
    assert_int_equal(ptrace(PTRACE_GETSIGMASK, worker_pid(w), sizeof mask, &mask), 0);
    return mask >> (SIGUSR1 - 1) & 1;
}

/* A call that has spun for long enough: from here on it holds signals up, until it sleeps. */
static worker about_to_sleep(struct receiving_call *call)
{
    worker w = steps_start(&call->steps, receives_in_steps, call);
    while (!holds_signals(w)) {
        int status;
        assert_int_equal(ptrace(PTRACE_SYSCALL, worker_pid(w), NULL, NULL), 0);
        assert_int_equal(waitpid(worker_pid(w), &status, 0), worker_pid(w));
        assert_true(WIFSTOPPED(status));
    }
    return w;
}

/* From there to the sleep. Where steps make the reading of the clock begin again, it takes more of them, so
 * one of several is the shortest, nearly. */
static unsigned long instructions_left(struct receiving_call *call)
{
    unsigned long least = ULONG_MAX;
    for (int i = 0; i < 20; i++) {
        unsigned long count = 0;
        worker w = about_to_sleep(call);
        while (holds_signals(w) && steps_next(&call->steps, w))
            count++;
        steps_kill(w);
        least = count < least ? count : least;
    }
    return least;
}

/* Was a handler after so many instructions of that seen? */
static bool seen_after(struct receiving_call *call, unsigned long instructions)
{
    bool seen = true;
    worker w = about_to_sleep(call);
    for (unsigned long i = 0; i < instructions && holds_signals(w); i++)
        assert_true(steps_next(&call->steps, w));
    if (holds_signals(w)) {
        signal_worker(w, SIGUSR1);
        steps_let_go(w);
        while (!atomic_load(&call->steps.done) && !sleeping(worker_pid(w), worker_pid(w)))
            sched_yield();
        seen = atomic_load(&call->steps.done) && call->steps.result == MPSC_INTERRUPTED;
    }
    steps_kill(w);
    return seen;
}

/* Once may be a way that was shorter than those that were counted. */
static bool mostly_missed(struct receiving_call *call, unsigned long instructions)
{
    unsigned missed = 0;
    for (int i = 0; i < 9; i++)
        missed += !seen_after(call, instructions);
    return missed > 4;
}

/* At any instruction between the spinning and the sleep, but for the last ones, between the last look for
 * signals and the sleep itself. Those are fewer than a tenth, or a quarter where the compiler adds checks;
 * of the others none may be missed. */
static void a_handler_before_the_sleep_is_seen(enum mode mode)
{
    struct receiving_call *call = shared_memory(sizeof *call);
    mpsc_sender *tx;
    const unsigned long last = HARNESS_ADDRESS_SANITIZER ? 4 : 10;
    (void)mode;
    needs_futexes();
    handled = shared_memory(sizeof *handled);
    assert_status(mpsc_sync_channel(sizeof(int), 4, &tx, &call->rx), MPSC_OK);
    unsigned long count = instructions_left(call);
    for (unsigned long at = 0; at < count - count / last; at += count / 100 + 1)
        if (!seen_after(call, at) && mostly_missed(call, at))
            fail_msg("a handler after %lu of %lu instructions was not seen", at, count);
    mpsc_sender_close(tx);
    mpsc_receiver_close(call->rx);
}

/* ------------------------------------------------------------------ no handler */

/* Signals that run no handler are none of a call's business. */
static void signals_without_handler_do_not_interrupt(enum mode mode)
{
    for (int i = 0; i < BLOCKING_CALLS; i++) {
        struct blocked *b = blocked_start(&blocking_calls[i], mode, MPSC_FOREVER);
        for (int round = 0; round < 3; round++) {
            signal_worker(b->worker, SIGURG);
            signal_worker(b->worker, SIGWINCH);
            wait_asleep(b->worker);
            if (mode == PROCESSES) {
                int status;
                kill(worker_pid(b->worker), SIGSTOP);
                assert_int_equal(waitpid(worker_pid(b->worker), &status, WUNTRACED),
                                 worker_pid(b->worker));
                assert_true(WIFSTOPPED(status));
                kill(worker_pid(b->worker), SIGCONT);
                wait_asleep(b->worker);
            }
        }
        assert_int_equal(atomic_load(&b->ended), 0);
        blocked_finish(b);
        assert_int_equal(atomic_load(&b->ended), 1);
    }
}

/* ------------------------------------------------------------------ handlers that send */

enum { FROM_MAIN = 0, FROM_HANDLER = 1 };

struct note {
    uint32_t source, number;
};

static mpsc_sender *handlers_own;
static _Atomic uint32_t handler_ran, handler_sent;

static void sends_a_note(int number)
{
    int saved = errno;
    struct note note = {FROM_HANDLER, atomic_load(&handler_sent)};
    (void)number;
    atomic_fetch_add(&handler_ran, 1);
    mpsc_status status = mpsc_try_send(handlers_own, &note, sizeof note);
    if (status == MPSC_OK)
        atomic_fetch_add(&handler_sent, 1);
    else
        assert_status(status, MPSC_FULL);
    errno = saved;
}

static void alarm_every(long microseconds)
{
    struct itimerval timer = {{0, microseconds}, {0, microseconds}};
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

struct receiving {
    enum mode mode;
    mpsc_sender *tx[2];
    mpsc_receiver *rx;
    uint32_t arrived[2];
};

static int receives_all(void *argument)
{
    struct receiving *r = argument;
    for (int i = 0; i < 2; i++)
        copy_close_sender(r->mode, r->tx[i]);
    MPSC_FOR_EACH (struct note, note, r->rx) {
        assert_in_range(note.source, FROM_MAIN, FROM_HANDLER);
        assert_int_equal(note.number, r->arrived[note.source]);
        r->arrived[note.source]++;
    }
    mpsc_receiver_close(r->rx);
    return 0;
}

static void handler_sends_while_main_sends_with(enum mode mode, size_t bound)
{
    struct receiving *r = shared_memory(sizeof *r);
    uint32_t sent = 0, least = (uint32_t)scaled(200000);
    sigset_t alarm_only;
    needs_futexes();
    r->mode = mode;
    assert_status(mpsc_sync_channel(sizeof(struct note), bound, &r->tx[0], &r->rx), MPSC_OK);
    r->tx[1] = clone_of(r->tx[0]);
    handlers_own = r->tx[1];
    atomic_store(&handler_ran, 0);
    atomic_store(&handler_sent, 0);
    handle(SIGALRM, sends_a_note, SA_RESTART);

    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &alarm_only, NULL), 0);
    worker receiver = worker_start(mode, receives_all, r);
    copy_close_receiver(mode, r->rx);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL), 0);

    alarm_every(200);
    while (sent < least || atomic_load(&handler_ran) < 50) {
        struct note note = {FROM_MAIN, sent};
        mpsc_status status = mpsc_send(r->tx[0], &note, sizeof note);
        if (status == MPSC_INTERRUPTED)
            continue;
        assert_status(status, MPSC_OK);
        sent++;
    }
    alarm_every(0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &alarm_only, NULL), 0); /* the last has run */
    for (int i = 0; i < 2; i++)
        mpsc_sender_close(r->tx[i]);
    assert_int_equal(worker_join(receiver), 0);
    assert_int_equal(r->arrived[FROM_MAIN], sent);
    assert_int_equal(r->arrived[FROM_HANDLER], atomic_load(&handler_sent));
}

static void handler_sends_while_main_sends(enum mode mode)
{
    handler_sends_while_main_sends_with(mode, 256);
}

static void handler_sends_while_main_sleeps_and_wakes(enum mode mode)
{
    handler_sends_while_main_sends_with(mode, 3);
}

/* The main program waits for a message that its own handler sends. */
static void handler_sends_to_its_own_program(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    struct note note;
    needs_futexes();
    assert_status(mpsc_sync_channel(sizeof(struct note), 4, &tx, &rx), MPSC_OK);
    handlers_own = clone_of(tx);
    handle(SIGALRM, sends_a_note, 0);
    alarm_every(1000);
    for (uint32_t i = 0; i < 50; i++) {
        mpsc_status status;
        do
            status = mpsc_recv(rx, &note, sizeof note, NULL);
        while (status == MPSC_INTERRUPTED);
        assert_status(status, MPSC_OK);
        assert_int_equal(note.number, i);
    }
    alarm_every(0);
    handle(SIGALRM, SIG_IGN, 0);
    mpsc_sender_close(tx);
    mpsc_sender_close(handlers_own);
    mpsc_receiver_close(rx);
}

int main(void)
{
    static const struct test tests[] = {
        TEST_BOTH(handler_interrupts_every_call),
        TEST_BOTH(handler_interrupts_with_restart_too),
        TEST_PROCESSES(a_handler_before_the_sleep_is_seen),
        TEST_BOTH(signals_without_handler_do_not_interrupt),
        TEST_BOTH(handler_sends_while_main_sends),
        TEST_BOTH(handler_sends_while_main_sleeps_and_wakes),
        TEST(handler_sends_to_its_own_program),
    };
    return harness_main("interrupt", tests, sizeof tests / sizeof *tests);
}
