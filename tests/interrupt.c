/* SPDX-License-Identifier: MIT */
/* 1.2, 1.3.8 Signals: a handler ends every blocking call with INTERRUPTED, and nothing was sent or
 * taken; a handler may use the try calls, whatever call it interrupts. */
#include "alone.h"
#include "blocking.h"
#include "steps.h"

#include <errno.h>
#include <pthread.h>
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

/* Signals until the worker's call has ended: a handler that runs when a sleep ends anyway, the bounded ones
 * do, is one that the call cannot see. */
static void signal_until(worker w, atomic_int *ended)
{
    while (atomic_load(ended) == 0) {
        signal_worker(w, SIGUSR1);
        uint64_t patience = now_ns() + 50 * MILLISECONDS;
        while (atomic_load(ended) == 0 && now_ns() < patience)
            nanosleep(&(struct timespec){0, 50000}, NULL);
    }
}

/* A pthread condition variable tells nobody of a signal, and its mutex may be what the handler has
 * interrupted. */
static void needs_futexes(void)
{
    harness_needs_futexes("--with-sync=pthread does without");
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
            signal_until(b->worker, &b->ended);
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

/* ------------------------------------------------------------------ a handler that comes later */

struct handled_late {
    struct ends ends;
    atomic_int set, is_set, ended;
};

static void *sets_a_handler(void *argument)
{
    struct handled_late *late = argument;
    wait_for(&late->set);
    handle(SIGUSR1, counts, SA_RESTART);
    atomic_store(&late->is_set, 1);
    return NULL;
}

static int receives_beside_a_thread(void *argument)
{
    struct handled_late *late = argument;
    pthread_t other;
    int value;
    mpsc_sender_close(late->ends.tx);
    assert_int_equal(pthread_create(&other, NULL, sets_a_handler, late), 0);
    assert_status(mpsc_recv(late->ends.rx, &value, sizeof value, NULL), MPSC_INTERRUPTED);
    atomic_store(&late->ended, 1);
    pthread_join(other, NULL);
    mpsc_receiver_close(late->ends.rx);
    return 0;
}

/* A sleep that watches for deaths goes on after a handler with SA_RESTART. Whether there is one was asked
 * before, and is asked again. */
static void handler_with_restart_set_meanwhile_interrupts(enum mode mode)
{
    (void)mode;
    needs_futexes();
    handled = shared_memory(sizeof *handled);
    struct handled_late *late = shared_memory(sizeof *late);
    late->ends = ends_open(sizeof(int), 1);
    worker w = worker_start(PROCESSES, receives_beside_a_thread, late);
    wait_watching(w);
    atomic_store(&late->set, 1);
    wait_for(&late->is_set);
    signal_until(w, &late->ended);
    assert_int_equal(worker_join(w), 0);
    ends_close(late->ends);
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

/* From there to the sleep. Where steps make the reading of the clock begin again, it takes more of them, on a
 * busy machine without end; so one of several is the shortest, nearly, and none is followed for longer. */
static unsigned long instructions_left(struct receiving_call *call)
{
    unsigned long least = 10000; /* 2,075 are usual */
    for (int i = 0; i < 8; i++) {
        unsigned long count = 0;
        worker w = about_to_sleep(call);
        while (count < least && holds_signals(w) && steps_next(&call->steps, w))
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
    harness_timeout(120);
    unsigned long count = instructions_left(call), step = count / swept(100) + 1;
    for (unsigned long at = now_ns() / 1000 % step; at < count - count / last; at += step)
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

/* ------------------------------------------------------------------ handlers that use every try call */

enum { ROW = 3, BOUND = 1024, PAGE = 4096, BURST = 300 };

union message {
    struct note note;
    char bytes[3 * PAGE];
};

/* Shared with the test, which runs the handler at a number of instructions of a call. */
struct scene {
    struct steps steps;
    const struct main_call *call;
    size_t bound;
    const char *name, *fresh; /* of the channel, and of one that is not there */
    atomic_int asleep;        /* the call has been */
    atomic_int grew;          /* in so many runs */
};
static struct scene *scene;

/* What the handler uses, and nothing else does. */
static struct own {
    mpsc_sender *tx, *other;
    mpsc_receiver *rx;
    uint32_t sent, arrived[2], burst;
    union message row[ROW];
} own;

/* What the program uses that it interrupts. */
static struct program {
    mpsc_sender *tx, *more;
    mpsc_receiver *rx; /* of what own.other sends */
    uint32_t sent;
} program;

/* What the header says of a handler that interrupts it, and what the test does with it. */
enum {
    HAS_CLAIMED = 1,   /* MPSC_FULL though there is room, of a bounded channel */
    HAS_TABLES = 2,    /* the same of an unbounded one that must grow */
    WAITS = 4,         /* for what the handler does once it sleeps */
    OF_BOUNDED = 8,    /* alone, */
    OF_UNBOUNDED = 16, /* likewise */
};

struct main_call {
    const char *name;
    void (*before)(void);
    void (*run)(void);
    unsigned kind;
};

/* ---- sending: with no room but where the header says so nothing is sent */

static bool own_sent(mpsc_status status, size_t count)
{
    unsigned may_be_full = scene->bound == MPSC_UNBOUNDED ? HAS_TABLES : HAS_CLAIMED;
    if (status == MPSC_OK)
        own.sent += (uint32_t)count;
    else
        assert_status(status, scene->call->kind & may_be_full ? MPSC_FULL : MPSC_OK);
    return status == MPSC_OK;
}

static bool own_send(void)
{
    struct note note = {FROM_HANDLER, own.sent};
    return own_sent(mpsc_try_send(own.tx, &note, sizeof note), 1);
}

static void own_loan(bool send)
{
    mpsc_status status = MPSC_OS;
    struct note *loan = mpsc_try_loan(own.tx, sizeof *loan, &status);
    if (!loan) {
        own_sent(status, 0);
    } else if (send) {
        *loan = (struct note){FROM_HANDLER, own.sent};
        assert_status(mpsc_send_loan(own.tx, loan, sizeof *loan), MPSC_OK);
        own.sent++;
    } else {
        assert_status(mpsc_cancel_loan(own.tx, loan), MPSC_OK);
    }
}

static void own_send_row(void)
{
    struct note notes[ROW];
    struct iovec row[ROW];
    size_t count = 0;
    for (uint32_t i = 0; i < ROW; i++) {
        notes[i] = (struct note){FROM_HANDLER, own.sent + i};
        row[i] = (struct iovec){&notes[i], sizeof notes[i]};
    }
    mpsc_status status = mpsc_try_send_batch(own.tx, row, ROW, &count);
    own_sent(status, count);
}

/* Of an unbounded channel twice as much each time, for which it must grow. */
static void own_send_burst(void)
{
    bool sent = true;
    for (uint32_t i = own.burst; i > 0 && sent; i--)
        sent = own_send();
    if (own.burst < BURST << 5)
        own.burst *= 2;
}

static void own_sends(void)
{
    own_send();
    own_loan(true);
    own_loan(false);
    own_send_row();
    if (scene->bound == MPSC_UNBOUNDED)
        own_send_burst();
}

/* ---- receiving */

static bool own_arrived(mpsc_status status, const struct note *note)
{
    if (status != MPSC_OK) {
        assert_status(status, MPSC_EMPTY);
        return false;
    }
    assert_in_range(note->source, FROM_MAIN, FROM_HANDLER);
    assert_int_equal(note->number, own.arrived[note->source]);
    own.arrived[note->source]++;
    return true;
}

static bool own_recv(void)
{
    mpsc_status status = mpsc_try_recv(own.rx, own.row, sizeof *own.row, NULL);
    return own_arrived(status, &own.row->note);
}

static bool own_peek(void)
{
    mpsc_status status = MPSC_OS;
    const struct note *note = mpsc_try_peek(own.rx, NULL, &status);
    if (!own_arrived(status, note))
        return false;
    assert_status(mpsc_release(own.rx, note), MPSC_OK);
    return true;
}

static bool own_recv_row(void)
{
    struct iovec row[ROW];
    size_t count = 0;
    for (size_t i = 0; i < ROW; i++)
        row[i] = (struct iovec){&own.row[i], sizeof own.row[i]};
    mpsc_status status = mpsc_try_recv_batch(own.rx, row, ROW, &count);
    if (status != MPSC_OK)
        return own_arrived(status, NULL);
    for (size_t i = 0; i < count; i++)
        own_arrived(MPSC_OK, &own.row[i].note);
    return true;
}

static void own_receives(void)
{
    while (own_recv() && own_peek() && own_recv_row())
        continue;
}

static void uses_every_try_call(int number)
{
    int saved = errno, ready = 1;
    bool takes = !(scene->call->kind & WAITS) || atomic_load(&scene->asleep);
    (void)number;
    own_sends();
    if (takes)
        own_receives();
    if (takes && own.other)
        assert_status(mpsc_try_send(own.other, &ready, sizeof ready), MPSC_OK);
    kill(getpid(), SIGSTOP); /* the test sees that it is through */
    errno = saved;
}

/* ---- the calls that it interrupts */

static void main_sends(void)
{
    for (int i = 0; i < 3; i++) {
        struct note note = {FROM_MAIN, program.sent++};
        assert_status(mpsc_send(program.tx, &note, sizeof note), MPSC_OK);
    }
}

static void main_sends_at_length(void)
{
    static union message message;
    message.note = (struct note){FROM_MAIN, program.sent++};
    assert_status(mpsc_send(program.tx, &message, sizeof message), MPSC_OK);
}

static void before_it_sends_alone(void)
{
    unsigned senders = alone_begin(program.tx);
    main_sends();
    alone_end(program.tx, senders);
}

static void main_opens(void)
{
    program.more = open_tx(scene->name, sizeof(struct note), scene->bound);
}

static void main_creates(void)
{
    program.more = open_tx(scene->fresh, sizeof(struct note), scene->bound);
}

static void main_clones(void)
{
    program.more = clone_of(program.tx);
}

static void main_closes(void)
{
    mpsc_sender_close(program.more);
    program.more = NULL;
}

static void main_forks(void)
{
    pid_t ended, child = fork();
    if (child == 0)
        _exit(0);
    do
        ended = waitpid(child, NULL, 0);
    while (ended < 0 && errno == EINTR);
    assert_int_equal(ended, child);
}

static void main_flushes(void)
{
    mpsc_status status;
    do
        status = mpsc_flush(program.tx, MPSC_FOREVER);
    while (status == MPSC_INTERRUPTED);
    assert_status(status, MPSC_OK);
}

static void before_it_waits(void)
{
    struct ends ends = ends_open(sizeof(int), BOUND);
    own.other = ends.tx;
    program.rx = ends.rx;
}

static void main_selects(void)
{
    size_t ready = 1;
    mpsc_status status;
    do
        status = mpsc_select(&program.rx, 1, MPSC_FOREVER, &ready);
    while (status == MPSC_INTERRUPTED);
    assert_status(status, MPSC_OK);
    assert_int_equal(ready, 0);
}

static void main_receives(void)
{
    int value = 0;
    mpsc_status status;
    do
        status = mpsc_recv(program.rx, &value, sizeof value, NULL);
    while (status == MPSC_INTERRUPTED);
    assert_status(status, MPSC_OK);
    assert_int_equal(value, 1);
}

static void nothing_before(void)
{
}

static const struct main_call main_calls[] = {
    {"open", nothing_before, main_opens, HAS_TABLES},
    {"open, creating", nothing_before, main_creates, OF_BOUNDED},
    {"clone", nothing_before, main_clones, HAS_TABLES},
    {"close", main_clones, main_closes, HAS_TABLES},
    {"close of the last", main_creates, main_closes, OF_BOUNDED},
    {"fork", nothing_before, main_forks, HAS_TABLES},
    {"send", nothing_before, main_sends, 0},
    {"send, alone", before_it_sends_alone, main_sends, HAS_CLAIMED | OF_BOUNDED},
    {"send, growing", nothing_before, main_sends_at_length, OF_UNBOUNDED},
    {"flush", main_sends, main_flushes, WAITS},
    {"select", before_it_waits, main_selects, WAITS},
    {"recv", before_it_waits, main_receives, WAITS},
};

/* ---- the program */

static void program_begin(void)
{
    own = (struct own){.burst = BURST};
    program = (struct program){0};
    open_both(scene->name, sizeof(struct note), scene->bound, &program.tx, &own.rx);
    own.tx = clone_of(program.tx);
    scene->call->before();
    handle(SIGUSR1, uses_every_try_call, 0);
}

/* All that was sent has arrived, and no more; nobody was taken for dead. */
static void program_end(void)
{
    own_receives();
    assert_int_equal(stats_of(scene->name).holes, 0);
    assert_int_equal(own.arrived[FROM_MAIN], program.sent);
    assert_int_equal(own.arrived[FROM_HANDLER], own.sent);
    mpsc_sender_close(program.tx);
    mpsc_sender_close(program.more);
    mpsc_receiver_close(program.rx);
    mpsc_sender_close(own.tx);
    mpsc_sender_close(own.other);
    mpsc_receiver_close(own.rx);
    assert_false(name_exists(scene->name));
    assert_false(name_exists(scene->fresh));
}

static int program_body(void *argument)
{
    sigset_t set;
    scene = argument;
    program_begin();
    uint64_t memory = stats_of(scene->name).memory;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    steps_begin(&scene->steps);
    scene->call->run();
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0); /* the last has run */
    kill(getpid(), SIGSTOP);
    if (stats_of(scene->name).memory > memory)
        atomic_fetch_add(&scene->grew, 1);
    program_end();
    return 0;
}

/* ---- the test */

/* Between two runs of the handler; a prime, so that loops do not keep step. And what is stepped of a call
 * that waits, which begins anew after each. */
enum { STRIDE = 331, STEPS_OF_WAITING = 2000 };

/* Lets the program go on to its next stop: the signal that stopped it. One that sleeps has the handler
 * to wake it. */
static int next_stop(worker w, enum __ptrace_request request, int number)
{
    int status;
    unsigned looks = 0;
    assert_int_equal(ptrace(request, worker_pid(w), NULL, number), 0);
    while (waitpid(worker_pid(w), &status, WNOHANG) == 0) {
        sched_yield();
        if (++looks % 500 == 0 && sleeping(worker_pid(w), worker_pid(w))) {
            atomic_store(&scene->asleep, 1);
            signal_worker(w, SIGUSR1);
        }
    }
    assert_true(WIFSTOPPED(status));
    bool is_news = WSTOPSIG(status) == SIGCHLD; /* its child has ended */
    return is_news ? next_stop(w, request, 0) : WSTOPSIG(status);
}

/* The handler runs after so many instructions of the call, and again after each stride; how many there
 * were. */
static unsigned long interrupt_after(unsigned long first)
{
    unsigned long count = 0;
    int stop = SIGTRAP;
    scene->name = channel_name();
    scene->fresh = channel_name();
    atomic_store(&scene->asleep, 0);
    worker w = steps_start(&scene->steps, program_body, scene);
    while (stop != SIGSTOP) {
        bool on = scene->call->kind & WAITS && count >= STEPS_OF_WAITING;
        stop = next_stop(w, on ? PTRACE_CONT : PTRACE_SINGLESTEP, 0);
        if (stop == SIGTRAP && count++ % STRIDE == first)
            signal_worker(w, SIGUSR1);
        else if (stop == SIGUSR1)
            assert_int_equal(next_stop(w, PTRACE_CONT, SIGUSR1), SIGSTOP);
    }
    steps_let_go(w);
    assert_int_equal(worker_join(w), 0);
    return count;
}

/* At other instructions each time, and in each run of the test. */
static void interrupt_everywhere(const struct main_call *call)
{
    unsigned long first = now_ns() / 1000 % STRIDE;
    scene->call = call;
    atomic_store(&scene->grew, 0);
    for (unsigned long steps = 0; steps < scaled(10000); first = (first + STRIDE / 2) % STRIDE)
        steps += interrupt_after(first);
    if (scene->bound == MPSC_UNBOUNDED)
        assert_true(atomic_load(&scene->grew) > 0);
}

static void handler_uses_every_try_call_in(size_t bound)
{
    needs_futexes();
    harness_timeout(120);
    const unsigned others = bound == MPSC_UNBOUNDED ? OF_BOUNDED : OF_UNBOUNDED;
    scene = shared_memory(sizeof *scene);
    scene->bound = bound;
    /* Hurried, a third of them, others each time. */
    const size_t step = hurried() ? 3 : 1;
    for (size_t i = now_ns() / 1000 % step; i < sizeof main_calls / sizeof *main_calls; i += step)
        if (!(main_calls[i].kind & others))
            interrupt_everywhere(&main_calls[i]);
}

static void handler_uses_every_try_call(enum mode mode)
{
    (void)mode;
    handler_uses_every_try_call_in(BOUND);
}

/* Until it must grow, and on. */
static void handler_makes_the_channel_grow(enum mode mode)
{
    (void)mode;
    handler_uses_every_try_call_in(MPSC_UNBOUNDED);
}

int main(void)
{
    static const struct test tests[] = {
        TEST_BOTH(handler_interrupts_every_call),
        TEST_BOTH(handler_interrupts_with_restart_too),
        TEST_PROCESSES(handler_with_restart_set_meanwhile_interrupts),
        TEST_PROCESSES(a_handler_before_the_sleep_is_seen),
        TEST_BOTH(signals_without_handler_do_not_interrupt),
        TEST_BOTH(handler_sends_while_main_sends),
        TEST_BOTH(handler_sends_while_main_sleeps_and_wakes),
        TEST(handler_sends_to_its_own_program),
        TEST_PROCESSES(handler_uses_every_try_call),
        TEST_PROCESSES(handler_makes_the_channel_grow),
    };
    return harness_main("interrupt", tests, sizeof tests / sizeof *tests);
}
