/* SPDX-License-Identifier: MIT */
/* 1.3.5 Disconnect: once a side has left, by closing, exit, _exit or the end of main, the other is
 * told, after what is queued was drained; every blocked call wakes; and it ends when that side comes
 * again. (Killed processes have tests of their own.) */
#include "steps.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { SIZE = 8, WAITERS = 8 };
enum side { SENDER, RECEIVER };
enum way { CLOSES, EXITS, ENDS, RETURNS, WAYS };

static const char *program;

/* ------------------------------------------------------------------ who leaves */

/* Holds one end of a channel until it is told to leave. Test and leaver talk over a socket, for a
 * leaver may be another program. Those that are forked must not inherit the other end, so leavers
 * are started before the test opens its own. */
struct leaver {
    const char *name;
    size_t bound;
    enum side side;
    enum way way;
    unsigned messages; /* to send before it leaves */
    int sockets[2];    /* the test's, its own */
    enum mode mode;
    worker worker;
};

static void say(int fd, char word)
{
    assert_int_equal(send(fd, &word, 1, MSG_NOSIGNAL), 1);
}

static char heard(int fd)
{
    char word = 0;
    return read(fd, &word, 1) == 1 ? word : 0;
}

static int leaver_run(const struct leaver *l, int fd)
{
    mpsc_sender *tx = l->side == SENDER ? open_tx(l->name, SIZE, l->bound) : NULL;
    mpsc_receiver *rx = l->side == RECEIVER ? open_rx(l->name, SIZE, l->bound) : NULL;
    for (uint64_t i = 0; i < l->messages; i++)
        send_number(tx, i);
    say(fd, 'r');
    if (heard(fd) != 'g')
        return 1;
    static void *volatile kept[2]; /* so that it is no leak */
    if (l->way != CLOSES) {
        kept[0] = tx;
        kept[1] = rx;
        (void)kept;
    }
    if (l->way == EXITS)
        exit(0);
    if (l->way == ENDS)
        _exit(0);
    if (l->way == RETURNS)
        return 0;
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    say(fd, 'c');
    return heard(fd) == 'f' ? 0 : 1;
}

/* The other program: ends by returning from main with its handle open. */
static int other_program(char **arguments)
{
    struct leaver l = {.name = arguments[2],
                       .bound = strtoul(arguments[3], NULL, 10),
                       .side = (enum side)atoi(arguments[4]),
                       .way = RETURNS,
                       .messages = (unsigned)atoi(arguments[5])};
    return leaver_run(&l, atoi(arguments[6]));
}

static int leaver_body(void *argument)
{
    struct leaver *l = argument;
    if (l->mode == PROCESSES)
        close(l->sockets[0]); /* to see when the test ends */
    if (l->way != RETURNS)
        return leaver_run(l, l->sockets[1]);
    char bound[24], side[12], messages[12], fd[12];
    snprintf(bound, sizeof bound, "%zu", l->bound);
    snprintf(side, sizeof side, "%d", (int)l->side);
    snprintf(messages, sizeof messages, "%u", l->messages);
    snprintf(fd, sizeof fd, "%d", l->sockets[1]);
    execl(program, program, "leave", l->name, bound, side, messages, fd, (char *)NULL);
    return 127;
}

/* It has its end, and has sent what it was to send, when this returns. */
static void leaver_start(struct leaver *l, enum mode mode)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, l->sockets), 0);
    l->mode = mode;
    l->worker = worker_start(mode, leaver_body, l);
    if (mode == PROCESSES)
        close(l->sockets[1]);
    if (heard(l->sockets[0]) != 'r')
        fail_msg("a leaver did not come (is %s to be executed?)", program);
}

/* It has left when this returns: closed, or its process is dead (but perhaps not reaped). */
static void leaver_leave(struct leaver *l)
{
    say(l->sockets[0], 'g');
    assert_int_equal(heard(l->sockets[0]), l->way == CLOSES ? 'c' : 0);
}

static void leaver_end(struct leaver *l)
{
    if (l->way == CLOSES)
        say(l->sockets[0], 'f');
    assert_int_equal(worker_join(l->worker), 0);
    close(l->sockets[0]);
    if (l->mode == THREADS)
        close(l->sockets[1]);
}

static enum way ways_of(enum mode mode)
{
    return mode == THREADS ? CLOSES + 1 : WAYS;
}

/* ------------------------------------------------------------------ who waits */

/* Blocks in one of the calls, and is told DISCONNECTED. */
enum call {
    SEND,
    SEND_TIMEOUT,
    SEND_BATCH,
    SEND_BATCH_TIMEOUT,
    LOAN,
    LOAN_TIMEOUT,
    FLUSH,
    RECV,
    RECV_TIMEOUT,
    RECV_BATCH,
    RECV_BATCH_TIMEOUT,
    PEEK,
    PEEK_TIMEOUT,
};

struct waiter {
    const char *name;
    size_t bound;
    enum call call;
    atomic_int opened; /* by how many */
};

/* None of them went. */
static mpsc_status wait_with_a_batch(mpsc_sender *tx, enum call call)
{
    uint64_t numbers[2] = {0};
    struct iovec both[] = {{&numbers[0], SIZE}, {&numbers[1], SIZE}};
    size_t sent = 99;
    mpsc_status status = call == SEND_BATCH
                             ? mpsc_send_batch(tx, both, 2, &sent)
                             : mpsc_send_batch_timeout(tx, both, 2, &sent, 1000 * SECONDS);
    assert_int_equal(sent, 99);
    return status;
}

static mpsc_status wait_as_sender(mpsc_sender *tx, enum call call)
{
    uint64_t number = 0;
    mpsc_status status;
    while ((status = mpsc_try_send(tx, &number, sizeof number)) == MPSC_OK)
        continue;
    if (status != MPSC_FULL)
        return status;
    switch (call) {
    case SEND:
        return mpsc_send(tx, &number, sizeof number);
    case SEND_TIMEOUT:
        return mpsc_send_timeout(tx, &number, sizeof number, MPSC_FOREVER);
    case SEND_BATCH:
    case SEND_BATCH_TIMEOUT:
        return wait_with_a_batch(tx, call);
    case LOAN:
        (void)!mpsc_loan(tx, SIZE, &status);
        return status;
    case LOAN_TIMEOUT:
        (void)!mpsc_loan_timeout(tx, SIZE, 1000 * SECONDS, &status);
        return status;
    default:
        return mpsc_flush(tx, MPSC_FOREVER);
    }
}

/* The buffers are as they were. */
static mpsc_status wait_for_a_batch(mpsc_receiver *rx, enum call call)
{
    uint64_t numbers[2];
    struct iovec both[] = {{&numbers[0], SIZE}, {&numbers[1], SIZE}};
    size_t received = 99;
    mpsc_status status = call == RECV_BATCH
                             ? mpsc_recv_batch(rx, both, 2, &received)
                             : mpsc_recv_batch_timeout(rx, both, 2, &received, 1000 * SECONDS);
    assert_int_equal(received, 99);
    assert_int_equal(both[0].iov_len, SIZE);
    return status;
}

static mpsc_status wait_as_receiver(mpsc_receiver *rx, enum call call)
{
    uint64_t number;
    size_t length;
    mpsc_status status;
    switch (call) {
    case RECV:
        return mpsc_recv(rx, &number, sizeof number, &length);
    case RECV_TIMEOUT:
        return mpsc_recv_timeout(rx, &number, sizeof number, &length, 1000 * SECONDS);
    case RECV_BATCH:
    case RECV_BATCH_TIMEOUT:
        return wait_for_a_batch(rx, call);
    case PEEK:
        (void)!mpsc_peek(rx, &length, &status);
        return status;
    default:
        (void)!mpsc_peek_timeout(rx, &length, MPSC_FOREVER, &status);
        return status;
    }
}

static int waiter_body(void *argument)
{
    struct waiter *w = argument;
    if (w->call < RECV) {
        mpsc_sender *tx = open_tx(w->name, SIZE, w->bound);
        atomic_fetch_add(&w->opened, 1);
        assert_status(wait_as_sender(tx, w->call), MPSC_DISCONNECTED);
        mpsc_sender_close(tx);
    } else {
        mpsc_receiver *rx = open_rx(w->name, SIZE, w->bound);
        atomic_fetch_add(&w->opened, 1);
        assert_status(wait_as_receiver(rx, w->call), MPSC_DISCONNECTED);
        mpsc_receiver_close(rx);
    }
    return 0;
}

static void check_blocked(enum mode mode, enum way way, enum call call, size_t bound, int count)
{
    struct leaver l = {.name = channel_name(),
                       .bound = bound,
                       .side = call < RECV ? RECEIVER : SENDER,
                       .way = way};
    struct waiter *waiter = shared_memory(sizeof *waiter);
    *waiter = (struct waiter){l.name, bound, call, 0};
    worker workers[WAITERS];
    leaver_start(&l, mode);
    for (int i = 0; i < count; i++)
        workers[i] = worker_start(mode, waiter_body, waiter);
    while (atomic_load(&waiter->opened) < count)
        sched_yield();
    for (int i = 0; i < count; i++)
        wait_asleep(workers[i]);
    leaver_leave(&l);
    for (int i = 0; i < count; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    leaver_end(&l);
    munmap(waiter, sizeof *waiter);
}

static int waiters(void)
{
    return hurried() ? 2 : WAITERS;
}

/* On each kind of channel; hurried, each way and call on one of them, another one each time. */
static void a_blocked_receiver_is_told(enum mode mode)
{
    static const size_t bounds[] = {4, 0, MPSC_UNBOUNDED};
    const size_t kinds = sizeof bounds / sizeof *bounds, step = hurried() ? kinds : 1;
    const size_t first = now_ns() / 1000 % step;
    for (enum way way = CLOSES; way < ways_of(mode); way++)
        for (enum call call = RECV; call <= PEEK_TIMEOUT; call++)
            for (size_t i = (first + way + call) % step; i < kinds; i += step)
                check_blocked(mode, way, call, bounds[i], 1);
}

static void every_blocked_sender_is_told(enum mode mode)
{
    for (enum way way = CLOSES; way < ways_of(mode); way++)
        for (enum call call = SEND; call <= LOAN_TIMEOUT; call++)
            check_blocked(mode, way, call, 4, waiters());
}

static void every_sender_of_a_rendezvous_is_told(enum mode mode)
{
    for (enum way way = CLOSES; way < ways_of(mode); way++)
        for (enum call call = SEND; call <= SEND_BATCH_TIMEOUT; call++)
            check_blocked(mode, way, call, 0, waiters());
}

static void a_blocked_flush_is_told(enum mode mode)
{
    for (enum way way = CLOSES; way < ways_of(mode); way++)
        check_blocked(mode, way, FLUSH, 4, 1);
}

/* The same without waiting for the sleep: the news comes at any moment of the call. */
static void the_news_comes_at_any_moment(enum mode mode)
{
    uint64_t state = 11;
    for (unsigned long round = 0; round < scaled(300); round++) {
        struct leaver l = {.name = channel_name(),
                           .bound = round / 2 % 3,
                           .side = round % 2 ? RECEIVER : SENDER,
                           .way = mode == PROCESSES && round % 16 > 13 ? ENDS : CLOSES};
        struct waiter *waiter = shared_memory(sizeof *waiter);
        *waiter = (struct waiter){l.name, l.bound, round % 2 ? SEND : RECV, 0};
        leaver_start(&l, mode);
        worker w = worker_start(mode, waiter_body, waiter);
        wait_for(&waiter->opened);
        for (volatile uint64_t i = chance(&state) % 20000; i > 0; i--)
            continue;
        leaver_leave(&l);
        assert_int_equal(worker_join(w), 0);
        leaver_end(&l);
        munmap(waiter, sizeof *waiter);
    }
}

/* ------------------------------------------------------------------ who does not wait */

static bool try_recv_is_told(void *argument)
{
    unsigned char byte;
    mpsc_status status = mpsc_try_recv(argument, &byte, 1, NULL);
    if (status != MPSC_DISCONNECTED)
        assert_status(status, MPSC_EMPTY);
    return status == MPSC_DISCONNECTED;
}

static void must_be_told(mpsc_receiver *rx)
{
    uint64_t number;
    mpsc_status status = MPSC_OK;
    assert_status(mpsc_recv(rx, &number, sizeof number, NULL), MPSC_DISCONNECTED);
    assert_status(mpsc_try_recv(rx, &number, sizeof number, NULL), MPSC_DISCONNECTED);
    assert_status(mpsc_recv_timeout(rx, &number, sizeof number, NULL, 0), MPSC_DISCONNECTED);
    assert_status(mpsc_recv_timeout(rx, &number, sizeof number, NULL, MPSC_FOREVER),
                  MPSC_DISCONNECTED);
    assert_null(mpsc_peek(rx, NULL, &status));
    assert_status(status, MPSC_DISCONNECTED);
    status = MPSC_OK;
    assert_null(mpsc_try_peek(rx, NULL, &status));
    assert_status(status, MPSC_DISCONNECTED);
}

/* What is queued comes first; and asking is enough, nobody needs to block to be told. */
static void a_receiver_drains_first(enum mode mode)
{
    for (enum way way = CLOSES; way < ways_of(mode); way++)
        for (int blocks = 0; blocks <= 1; blocks++) {
            struct leaver l = {
                .name = channel_name(), .bound = 4, .side = SENDER, .way = way, .messages = 4};
            leaver_start(&l, mode);
            mpsc_receiver *rx = open_rx(l.name, SIZE, 4);
            leaver_leave(&l);
            for (uint64_t i = 0; i < 4; i++)
                assert_int_equal(recv_number(rx), i);
            if (way == CLOSES)
                assert_true(try_recv_is_told(rx));
            else if (!blocks)
                wait_until(try_recv_is_told, rx);
            must_be_told(rx);
            leaver_end(&l);
            must_be_told(rx);
            mpsc_receiver_close(rx);
        }
}

static void must_be_refused(mpsc_sender *tx)
{
    uint64_t number = 99;
    mpsc_status status = MPSC_OK;
    assert_status(mpsc_send(tx, &number, sizeof number), MPSC_DISCONNECTED);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_DISCONNECTED);
    assert_status(mpsc_send_timeout(tx, &number, sizeof number, 0), MPSC_DISCONNECTED);
    assert_status(mpsc_send_timeout(tx, &number, sizeof number, MPSC_FOREVER), MPSC_DISCONNECTED);
    assert_null(mpsc_loan(tx, SIZE, &status));
    assert_status(status, MPSC_DISCONNECTED);
    status = MPSC_OK;
    assert_null(mpsc_try_loan(tx, SIZE, &status));
    assert_status(status, MPSC_DISCONNECTED);
}

/* Told at once of a close; else when the ring is full at the latest. */
static void a_sender_is_told(enum mode mode)
{
    static const size_t bounds[] = {0, 1, 4, 100};
    for (enum way way = CLOSES; way < ways_of(mode); way++)
        for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
            struct leaver l = {
                .name = channel_name(), .bound = bounds[i], .side = RECEIVER, .way = way};
            leaver_start(&l, mode);
            mpsc_sender *tx = open_tx(l.name, SIZE, l.bound);
            leaver_leave(&l);
            uint64_t number = 7;
            size_t accepted = 0;
            mpsc_status status;
            while ((status = mpsc_send(tx, &number, sizeof number)) == MPSC_OK)
                accepted++;
            assert_status(status, MPSC_DISCONNECTED);
            assert_in_range(accepted, 0, way == CLOSES ? 0 : bounds[i]);
            must_be_refused(tx);
            leaver_end(&l);
            must_be_refused(tx);
            mpsc_sender_close(tx);
        }
}

static int comes_and_ends(void *argument)
{
    static mpsc_receiver *rx; /* so that it is no leak */
    assert_status(mpsc_open_receiver(argument, NULL, &rx), MPSC_OK);
    return 0;
}

/* Unbounded, it is "full" at its limit. */
static void a_sender_at_the_limit_is_told(void)
{
    enum { MOST = 10 };
    char name[64];
    snprintf(name, sizeof name, "%s", channel_name());
    mpsc_options options = options_of(SIZE, MPSC_UNBOUNDED);
    options.max_bytes = MOST * SIZE;
    mpsc_sender *tx = NULL;
    uint64_t number = 0;
    mpsc_status status;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    assert_int_equal(worker_join(worker_start(PROCESSES, comes_and_ends, name)), 0);
    while ((status = mpsc_send(tx, &number, sizeof number)) == MPSC_OK)
        number++;
    assert_status(status, MPSC_DISCONNECTED);
    assert_in_range(number, 0, MOST);
    must_be_refused(tx);
    mpsc_sender_close(tx);
}

/* Nobody waits for the processes before all of them have ended: they are zombies by then. */
static void the_last_of_several_matters(enum mode mode)
{
    enum { SENDERS = 3 };
    for (enum way way = CLOSES; way < ways_of(mode); way++) {
        const char *name = channel_name();
        struct leaver leavers[SENDERS];
        uint64_t number;
        for (int i = 0; i < SENDERS; i++) {
            leavers[i] = (struct leaver){.name = name, .bound = 4, .side = SENDER, .way = way};
            leaver_start(&leavers[i], mode);
        }
        mpsc_receiver *rx = open_rx(name, SIZE, 4);
        for (int i = 0; i < SENDERS; i++) {
            assert_status(mpsc_recv_timeout(rx, &number, sizeof number, NULL, 20 * MILLISECONDS),
                          MPSC_TIMEOUT);
            assert_status(mpsc_try_recv(rx, &number, sizeof number, NULL), MPSC_EMPTY);
            leaver_leave(&leavers[i]);
        }
        must_be_told(rx);
        for (int i = 0; i < SENDERS; i++)
            leaver_end(&leavers[i]);
        mpsc_receiver_close(rx);
    }
}

/* ------------------------------------------------------------------ it ends */

static void it_ends_when_a_sender_comes_again(enum mode mode)
{
    for (enum way way = CLOSES; way < ways_of(mode); way++) {
        const char *name = channel_name();
        mpsc_receiver *rx = NULL;
        for (int round = 0; round < 3; round++) {
            struct leaver l = {.name = name, .bound = 4, .side = SENDER, .way = way, .messages = 2};
            leaver_start(&l, mode);
            if (!rx)
                rx = open_rx(name, SIZE, 4);
            assert_int_equal(recv_number(rx), 0);
            assert_int_equal(recv_number(rx), 1);
            assert_false(try_recv_is_told(rx));
            leaver_leave(&l);
            must_be_told(rx);
            leaver_end(&l);
        }
        mpsc_sender *tx = open_tx(name, SIZE, 4);
        assert_false(try_recv_is_told(rx));
        send_number(tx, 5);
        assert_int_equal(recv_number(rx), 5);
        mpsc_sender_close(tx);
        must_be_told(rx);
        mpsc_receiver_close(rx);
    }
}

/* What was refused stays the sender's: the next receiver gets what was accepted, and no more. */
static void it_ends_when_a_receiver_comes_again(enum mode mode)
{
    for (enum way way = CLOSES; way < ways_of(mode); way++) {
        struct leaver l = {.name = channel_name(), .bound = 3, .side = RECEIVER, .way = way};
        uint64_t number = 0;
        leaver_start(&l, mode);
        mpsc_sender *tx = open_tx(l.name, SIZE, 3);
        send_number(tx, number++);
        leaver_leave(&l);
        while (mpsc_send(tx, &number, sizeof number) == MPSC_OK)
            number++;
        must_be_refused(tx);
        leaver_end(&l);

        mpsc_receiver *rx = open_rx(l.name, SIZE, 3);
        for (uint64_t i = 0; i < number; i++)
            assert_int_equal(recv_number(rx), i);
        assert_false(try_recv_is_told(rx));
        send_number(tx, 5);
        assert_int_equal(recv_number(rx), 5);
        mpsc_receiver_close(rx);
        must_be_refused(tx);
        mpsc_sender_close(tx);
    }
}

/* ------------------------------------------------------------------ private channels, precedence */

static void private_channels_disconnect(void)
{
    static const size_t bounds[] = {0, 1, 4, MPSC_UNBOUNDED};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        mpsc_sender *tx, *clone;
        mpsc_receiver *rx;
        for (int round = 0; round < 2; round++) {
            if (bounds[i] == MPSC_UNBOUNDED)
                assert_status(mpsc_channel(SIZE, &tx, &rx), MPSC_OK);
            else
                assert_status(mpsc_sync_channel(SIZE, bounds[i], &tx, &rx), MPSC_OK);
            assert_status(mpsc_sender_clone(tx, &clone), MPSC_OK);
            if (round == 0) {
                mpsc_sender_close(tx);
                assert_false(try_recv_is_told(rx));
                mpsc_sender_close(clone);
                must_be_told(rx);
                mpsc_receiver_close(rx);
            } else {
                mpsc_receiver_close(rx);
                must_be_refused(tx);
                must_be_refused(clone);
                mpsc_sender_close(tx);
                mpsc_sender_close(clone);
            }
        }
    }
}

static void it_goes_before_full_but_not_before_a_message(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    size_t length;
    uint64_t number = 1;
    assert_status(mpsc_sync_channel(SIZE, 1, &tx, &rx), MPSC_OK);
    send_number(tx, 1);
    assert_status(mpsc_try_send(tx, &number, sizeof number), MPSC_FULL);
    mpsc_receiver_close(rx);
    must_be_refused(tx); /* though the ring is full */
    assert_status(mpsc_flush(tx, MPSC_FOREVER), MPSC_DISCONNECTED);
    assert_status(mpsc_flush(tx, 0), MPSC_DISCONNECTED);
    mpsc_sender_close(tx);

    assert_status(mpsc_sync_channel(SIZE, 2, &tx, &rx), MPSC_OK);
    send_number(tx, 1);
    mpsc_sender_close(tx);
    assert_status(mpsc_recv(rx, &number, 1, &length), MPSC_TOO_BIG);
    assert_int_equal(recv_number(rx), 1);
    must_be_told(rx);
    mpsc_receiver_close(rx);

    /* What could never fit could not with a receiver either; a wrong argument is one. */
    assert_status(mpsc_sync_channel(SIZE, 2, &tx, &rx), MPSC_OK);
    mpsc_receiver_close(rx);
    assert_status(mpsc_send(tx, NULL, 1), MPSC_INVALID);
    mpsc_sender_close(tx);
}

static unsigned senders_of(const char *name)
{
    mpsc_stats stats;
    assert_status(mpsc_stat(name, &stats), MPSC_OK);
    return stats.senders;
}

struct closer {
    struct steps steps;
    mpsc_sender *tx;
};

static int close_in_steps(void *argument)
{
    struct closer *closer = argument;
    steps_begin(&closer->steps);
    mpsc_sender_close(closer->tx);
    steps_end(&closer->steps, 0);
    return 0;
}

/* The last sender is stopped in its close, no sender any more, and has told nobody of it yet: who hears
 * of it nevertheless hears the same each time. */
static void it_stays_while_the_last_is_stopped_in_its_close(enum mode mode)
{
    (void)mode;
    struct closer *closer = shared_memory(sizeof *closer);
    const char *name = channel_name();
    mpsc_receiver *rx = open_rx(name, SIZE, 2);
    closer->tx = open_tx(name, SIZE, 2);
    worker w = steps_start(&closer->steps, close_in_steps, closer);
    mpsc_sender_close(closer->tx);
    assert_false(try_recv_is_told(rx));
    while (senders_of(name) > 0)
        assert_true(steps_next(&closer->steps, w));
    must_be_told(rx);
    for (unsigned i = 0; i < 20; i++)
        assert_true(try_recv_is_told(rx));
    assert_int_equal(steps_finish(&closer->steps, w), 0);
    assert_true(try_recv_is_told(rx));
    mpsc_receiver_close(rx);
}

/* A loan that was lent before is given back, not queued. */
static void a_loan_is_not_sent_to_nobody(void)
{
    const char *name = channel_name();
    mpsc_sender *tx = open_tx(name, SIZE, 2);
    mpsc_receiver *rx = open_rx(name, SIZE, 2);
    mpsc_status status;
    void *loan = mpsc_loan(tx, SIZE, &status);
    assert_lent(loan, status);
    memset(loan, 1, SIZE);
    mpsc_receiver_close(rx);
    assert_status(mpsc_send_loan(tx, loan, SIZE), MPSC_DISCONNECTED);
    rx = open_rx(name, SIZE, 2);
    assert_false(try_recv_is_told(rx));
    send_number(tx, 4);
    assert_int_equal(recv_number(rx), 4);
    mpsc_sender_close(tx);
    must_be_told(rx);
    mpsc_receiver_close(rx);
}

/* A loan that is out when its sender closes is cancelled; a peeked message stays queued. */
static void closing_ends_loans_and_peeks(void)
{
    const char *name = channel_name();
    mpsc_sender *tx = open_tx(name, SIZE, 4);
    mpsc_receiver *rx = open_rx(name, SIZE, 4);
    mpsc_status status;
    send_number(tx, 1);
    void *loan = mpsc_loan(tx, SIZE, &status);
    assert_lent(loan, status);
    const void *message = mpsc_peek(rx, NULL, &status);
    assert_lent(message, status);
    mpsc_receiver_close(rx);
    rx = open_rx(name, SIZE, 4);
    mpsc_sender_close(tx);
    assert_int_equal(recv_number(rx), 1);
    must_be_told(rx);
    mpsc_receiver_close(rx);
}

int main(int count, char **arguments)
{
    static const struct test tests[] = {
        TEST_BOTH(a_blocked_receiver_is_told),
        TEST_BOTH(every_blocked_sender_is_told),
        TEST_BOTH(every_sender_of_a_rendezvous_is_told),
        TEST_BOTH(a_blocked_flush_is_told),
        TEST_BOTH(the_news_comes_at_any_moment),
        TEST_BOTH(a_receiver_drains_first),
        TEST_BOTH(a_sender_is_told),
        TEST(a_sender_at_the_limit_is_told),
        TEST_BOTH(the_last_of_several_matters),
        TEST_BOTH(it_ends_when_a_sender_comes_again),
        TEST_BOTH(it_ends_when_a_receiver_comes_again),
        TEST(private_channels_disconnect),
        TEST(it_goes_before_full_but_not_before_a_message),
        TEST_PROCESSES(it_stays_while_the_last_is_stopped_in_its_close),
        TEST(a_loan_is_not_sent_to_nobody),
        TEST(closing_ends_loans_and_peeks),
    };
    if (count == 7 && strcmp(arguments[1], "leave") == 0)
        return other_program(arguments);
    program = arguments[0];
    return harness_main("disconnect", tests, sizeof tests / sizeof *tests);
}
