/* SPDX-License-Identifier: MIT */
/* 1.2, 1.3.5 Blocked calls sleep and are woken: no wake-up is lost, no time-out comes early. */
#include "blocking.h"
#include "namespace.h"

#include "handle.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

/* ------------------------------------------------------------------ back and forth */

struct pong {
    enum mode mode;
    mpsc_sender *tx[2];
    mpsc_receiver *rx[2];
};

static int echoes(void *argument)
{
    struct pong *p = argument;
    copy_close_sender(p->mode, p->tx[0]);
    copy_close_receiver(p->mode, p->rx[1]);
    MPSC_FOR_EACH (int, value, p->rx[0])
        send_int(p->tx[1], value);
    mpsc_receiver_close(p->rx[0]);
    mpsc_sender_close(p->tx[1]);
    return 0;
}

static void ping_pong_with(enum mode mode, size_t bound, unsigned long rounds)
{
    struct pong *p = shared_memory(sizeof *p);
    p->mode = mode;
    for (int i = 0; i < 2; i++)
        assert_status(mpsc_sync_channel(sizeof(int), bound, &p->tx[i], &p->rx[i]), MPSC_OK);
    worker echo = worker_start(mode, echoes, p);
    copy_close_receiver(mode, p->rx[0]);
    copy_close_sender(mode, p->tx[1]);
    for (unsigned long i = 0; i < rounds; i++) {
        send_int(p->tx[0], (int)i);
        expect_int(p->rx[1], (int)i);
    }
    mpsc_sender_close(p->tx[0]);
    expect_end(p->rx[1]);
    mpsc_receiver_close(p->rx[1]);
    assert_int_equal(worker_join(echo), 0);
}

static void ping_pong(enum mode mode)
{
    ping_pong_with(mode, 1, scaled(20000));
}

static void ping_pong_by_rendezvous(enum mode mode)
{
    ping_pong_with(mode, 0, scaled(5000));
}

/* ------------------------------------------------------------------ many senders, little room */

enum { SENDERS = 4 };

struct crowd {
    enum mode mode;
    mpsc_sender *tx[SENDERS];
    mpsc_receiver *rx;
    int each;
    atomic_int next;
};

static int sends_its_share(void *argument)
{
    struct crowd *c = argument;
    int self = atomic_fetch_add(&c->next, 1);
    copy_close_receiver(c->mode, c->rx);
    for (int i = 0; i < c->each; i++)
        send_int(c->tx[self], self * c->each + i);
    mpsc_sender_close(c->tx[self]);
    return 0;
}

/* The receiver takes a few only when all senders sleep; then all the rest. */
static void crowd_of_senders(enum mode mode, size_t bound)
{
    struct crowd *c = shared_memory(sizeof *c);
    mpsc_sender *tx;
    worker senders[SENDERS];
    int arrived[SENDERS] = {0}, value;
    c->mode = mode;
    c->each = (int)scaled(2000) + 32;
    assert_status(mpsc_sync_channel(sizeof(int), bound, &tx, &c->rx), MPSC_OK);
    for (int i = 0; i < SENDERS; i++)
        c->tx[i] = clone_of(tx);
    for (int i = 0; i < SENDERS; i++)
        senders[i] = worker_start(mode, sends_its_share, c);
    for (int i = 0; i < SENDERS; i++)
        copy_close_sender(mode, c->tx[i]);
    mpsc_sender_close(tx);

    int slow = c->each - 16 < 100 ? c->each - 16 : 100; /* so that no sender has ended */
    for (int n = 0; n < SENDERS * c->each; n++) {
        for (int i = 0; n < slow && n % 2 == 0 && i < SENDERS; i++)
            wait_asleep(senders[i]);
        assert_status(mpsc_recv(c->rx, &value, sizeof value, NULL), MPSC_OK);
        int who = value / c->each;
        assert_in_range(who, 0, SENDERS - 1);
        assert_int_equal(value % c->each, arrived[who]);
        arrived[who]++;
    }
    expect_end(c->rx);
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(worker_join(senders[i]), 0);
    mpsc_receiver_close(c->rx);
}

static void senders_sleep_at_bound_1(enum mode mode)
{
    crowd_of_senders(mode, 1);
}

static void senders_sleep_at_bound_7(enum mode mode)
{
    crowd_of_senders(mode, 7);
}

static void senders_sleep_at_a_rendezvous(enum mode mode)
{
    crowd_of_senders(mode, 0);
}

/* ------------------------------------------------------------------ each way to wake a sleeper */

static void every_sleeper_is_woken(enum mode mode)
{
    for (int i = 0; i < BLOCKING_CALLS; i++) {
        blocked_finish(blocked_start(&blocking_calls[i], mode, MPSC_FOREVER));
        if (blocking_calls[i].timed) /* a deadline that would wrap around */
            blocked_finish(blocked_start(&blocking_calls[i], mode, MPSC_FOREVER - 1));
    }
}

/* A worker that receives one message, or is told of the end. */
struct waiting {
    enum mode mode;
    mpsc_sender *tx;
    mpsc_receiver *rx;
    bool peeks;
};

static int waits_for_one(void *argument)
{
    struct waiting *w = argument;
    mpsc_status status;
    int value = SECOND;
    copy_close_sender(w->mode, w->tx);
    if (w->peeks) {
        const int *message = mpsc_peek(w->rx, NULL, &status);
        if (message) {
            value = *message;
            status = mpsc_release(w->rx, message);
        }
    } else {
        status = mpsc_recv(w->rx, &value, sizeof value, NULL);
    }
    assert_int_equal(value, SECOND);
    mpsc_receiver_close(w->rx);
    return status;
}

/* `before` and `act` have the sender's handle; the worker falls asleep between them. */
static void wake_receiver(enum mode mode, bool peeks, void *(*before)(mpsc_sender *),
                          mpsc_sender *(*act)(mpsc_sender *, void *), mpsc_status expected)
{
    struct waiting *w = shared_memory(sizeof *w);
    *w = (struct waiting){.mode = mode, .peeks = peeks};
    assert_status(mpsc_sync_channel(sizeof(int), 8, &w->tx, &w->rx), MPSC_OK);
    void *loan = before(w->tx);
    worker receiver = worker_start(mode, waits_for_one, w);
    copy_close_receiver(mode, w->rx);
    wait_asleep(receiver);
    mpsc_sender *left = act(w->tx, loan);
    assert_status(worker_join(receiver), expected);
    mpsc_sender_close(left);
}

static void *nothing_before(mpsc_sender *tx)
{
    (void)tx;
    return NULL;
}

static void *loan_before(mpsc_sender *tx)
{
    mpsc_status status;
    int *loan = mpsc_loan(tx, sizeof *loan, &status);
    assert_lent(loan, status);
    *loan = SECOND;
    return loan;
}

/* A loan, and a message of another handle behind it. */
static void *loan_and_message_before(mpsc_sender *tx)
{
    void *loan = loan_before(tx);
    mpsc_sender *other = clone_of(tx);
    send_int(other, SECOND);
    mpsc_sender_close(other);
    return loan;
}

static mpsc_sender *act_send(mpsc_sender *tx, void *loan)
{
    (void)loan;
    send_int(tx, SECOND);
    return tx;
}

static mpsc_sender *act_close(mpsc_sender *tx, void *loan)
{
    (void)loan;
    mpsc_sender_close(tx);
    return NULL;
}

static mpsc_sender *act_commit(mpsc_sender *tx, void *loan)
{
    assert_status(mpsc_send_loan(tx, loan, sizeof(int)), MPSC_OK);
    return tx;
}

static mpsc_sender *act_cancel(mpsc_sender *tx, void *loan)
{
    assert_status(mpsc_cancel_loan(tx, loan), MPSC_OK);
    return tx;
}

static mpsc_sender *act_cancel_and_close(mpsc_sender *tx, void *loan)
{
    assert_status(mpsc_cancel_loan(tx, loan), MPSC_OK);
    mpsc_sender_close(tx);
    return NULL;
}

static void receiver_is_woken_by_everything(enum mode mode)
{
    for (int peeks = 0; peeks < 2; peeks++) {
        wake_receiver(mode, peeks, nothing_before, act_send, MPSC_OK);
        wake_receiver(mode, peeks, nothing_before, act_close, MPSC_DISCONNECTED);
        wake_receiver(mode, peeks, loan_before, act_commit, MPSC_OK);
        wake_receiver(mode, peeks, loan_before, act_cancel_and_close, MPSC_DISCONNECTED);
        wake_receiver(mode, peeks, loan_before, act_close, MPSC_DISCONNECTED);
        wake_receiver(mode, peeks, loan_and_message_before, act_cancel, MPSC_OK);
        wake_receiver(mode, peeks, loan_and_message_before, act_close, MPSC_OK);
    }
}

static void sender_is_woken_by_release_and_by_close(enum mode mode)
{
    for (int i = 0; i < BLOCKING_CALLS; i++) {
        if (blocking_calls[i].obstacle == NO_MESSAGE)
            continue;
        for (int closes = 0; closes < 2; closes++) {
            struct blocked *b = blocked_start(&blocking_calls[i], mode, MPSC_FOREVER);
            if (!closes) {
                mpsc_status status;
                const int *message = mpsc_peek(b->rx, NULL, &status);
                assert_lent(message, status);
                assert_status(mpsc_release(b->rx, message), MPSC_OK);
            }
            if (closes)
                mpsc_receiver_close(b->rx);
            assert_status(worker_join(b->worker), closes ? MPSC_DISCONNECTED : MPSC_OK);
            mpsc_sender_close(b->tx);
            if (!closes)
                mpsc_receiver_close(b->rx);
        }
    }
}

/* ------------------------------------------------------------------ news of a death */

/* Where nothing tells of a death, one finds out by looking: the latest that is promised. */
_Static_assert(WAIT_BOUND <= 100 * MILLISECONDS, "a look each 100 ms");

/* So that a death wakes it at once, and it need not come to look. */
static void every_sleeper_watches_for_deaths(enum mode mode)
{
    for (int i = 0; i < BLOCKING_CALLS; i++) {
        struct blocked *b = blocked_start(&blocking_calls[i], mode, MPSC_FOREVER);
        wait_watching(b->worker);
        blocked_finish(b);
    }
}

/* ------------------------------------------------------------------ time-outs */

static void time_outs_are_never_early(void)
{
    static const uint64_t times[] = {0, 1, MILLISECONDS, 20 * MILLISECONDS};
    for (int i = 0; i < BLOCKING_CALLS; i++) {
        if (!blocking_calls[i].timed)
            continue;
        struct blocked b = {0};
        int value;
        blocked_open(&b, &blocking_calls[i]);
        blocked_prepare(b.tx, b.call->obstacle);
        for (size_t t = 0; t < sizeof times / sizeof *times; t++)
            for (int repeat = 0; repeat < 3; repeat++) {
                uint64_t start = now_ns();
                mpsc_status status = b.call->call(b.tx, b.rx, times[t]);
                uint64_t end = now_ns();
                assert_status(status, MPSC_TIMEOUT);
                assert_in_range(end - start, times[t], UINT64_MAX);
            }
        /* Nothing was sent or taken. */
        assert_int_equal(mpsc_len(b.rx), blocked_queued(&b));
        if (blocked_queued(&b))
            expect_int(b.rx, FIRST);
        assert_status(mpsc_try_recv(b.rx, &value, sizeof value, NULL), MPSC_EMPTY);
        mpsc_sender_close(b.tx);
        expect_end(b.rx);
        mpsc_receiver_close(b.rx);
    }
}

static void no_time_is_enough_when_nothing_is_in_the_way(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    assert_status(mpsc_sync_channel(sizeof(int), 1, &tx, &rx), MPSC_OK);
    for (uint64_t time = 0; time < 2; time++) {
        assert_status(mpsc_flush(tx, time), MPSC_OK);
        assert_status(call_send_timeout(tx, rx, time), MPSC_OK);
        assert_status(mpsc_flush(tx, time), MPSC_TIMEOUT);
        assert_status(call_recv_timeout(tx, rx, time), MPSC_OK);
        assert_status(mpsc_flush(tx, time), MPSC_OK);
        assert_status(call_loan_timeout(tx, rx, time), MPSC_OK);
        assert_status(call_peek_timeout(tx, rx, time), MPSC_OK);
    }
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

static void long_message_that_timed_out_leaves_no_trace(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    int two[2] = {7, 8};
    assert_status(mpsc_sync_channel(sizeof(int), 2, &tx, &rx), MPSC_OK);
    for (int i = 0; i < 5; i++) {
        send_int(tx, 1);
        assert_status(mpsc_send_timeout(tx, two, sizeof two, MILLISECONDS), MPSC_TIMEOUT);
        send_int(tx, 2);
        expect_int(rx, 1);
        expect_int(rx, 2);
    }
    mpsc_sender_close(tx);
    expect_end(rx);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ the cost of waiting */

/* The most that one of them spends in a second. */
static uint64_t most_spent(struct blocked *const *b, int *which)
{
    uint64_t spent[BLOCKING_CALLS], most = 0;
    for (int i = 0; i < BLOCKING_CALLS; i++)
        spent[i] = processor_time(worker_pid(b[i]->worker));

    /* Not to make anything likely: this is the time of which the cost is measured. */
    uint64_t end = now_ns() + SECONDS;
    for (uint64_t now; (now = now_ns()) < end;)
        nanosleep(&(struct timespec){0, (long)(end - now > 999999999 ? 999999999 : end - now)},
                  NULL);

    for (int i = 0; i < BLOCKING_CALLS; i++) {
        spent[i] = processor_time(worker_pid(b[i]->worker)) - spent[i];
        if (spent[i] > most) {
            most = spent[i];
            *which = i;
        }
    }
    return most;
}

/* How often it has fallen asleep. */
static unsigned long sleeps_of(pid_t pid)
{
    static const char label[] = "voluntary_ctxt_switches:";
    char path[64], line[256];
    unsigned long sleeps = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *status = fopen(path, "r");
    assert_non_null(status);
    while (fgets(line, sizeof line, status))
        if (strncmp(line, label, sizeof label - 1) == 0)
            sleeps = strtoul(line + sizeof label - 1, NULL, 10);
    fclose(status);
    return sleeps;
}

static void must_have_slept_on(const struct blocked *b, unsigned long sleeps, uint64_t time)
{
    unsigned long times = sleeps_of(worker_pid(b->worker)) - sleeps;
    unsigned long tenths = time / (100 * MILLISECONDS) + 1;
    if (times > tenths + 1) /* it begins with a short one */
        fail_msg("%s fell asleep %lu times in %lu tenths of a second", b->call->name, times,
                 tenths);
}

/* Ten times a second they look whether all is as it should be, and that is all. What else the machine does
 * makes a second dearer, never cheaper: one of a few must be free. */
static void blocked_processes_cost_nothing(void)
{
    struct blocked *b[BLOCKING_CALLS];
    unsigned long sleeps[BLOCKING_CALLS];
    uint64_t most = UINT64_MAX;
    int which = 0;
    for (int i = 0; i < BLOCKING_CALLS; i++)
        b[i] = blocked_start(&blocking_calls[i], PROCESSES, 3600 * SECONDS);
    const uint64_t start = now_ns();
    for (int i = 0; i < BLOCKING_CALLS; i++)
        sleeps[i] = sleeps_of(worker_pid(b[i]->worker));
    for (int seconds = 0; seconds < 5 && most >= 20 * MILLISECONDS; seconds++)
        most = most_spent(b, &which);
    if (most >= 20 * MILLISECONDS)
        fail_msg("%s spent %ju ns of a second that it slept", b[which]->call->name,
                 (uintmax_t)most);
    for (int i = 0; i < BLOCKING_CALLS; i++)
        must_have_slept_on(b[i], sleeps[i], now_ns() - start);
    for (int i = 0; i < BLOCKING_CALLS; i++)
        blocked_join(b[i]);
    for (int i = 0; i < BLOCKING_CALLS; i++)
        blocked_close(b[i]);
}

#if defined SYS_futex_waitv && defined SYS_seccomp
enum { TO_WATCH = SYS_futex_waitv, BARRIERS = SYS_membarrier };

static bool forbid(unsigned number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}
#else
enum { TO_WATCH, BARRIERS };

static bool forbid(unsigned number)
{
    (void)number;
    return false;
}
#endif

/* A filter stays with its process: in one of its own. */
static void run_in_a_sandbox(int (*body)(void *))
{
    int result = worker_join(worker_start(PROCESSES, body, NULL));
    if (result == NOT_PERMITTED)
        harness_skip("no filter for system calls is to be had here");
    assert_int_equal(result, 0);
}

static int sleeps_in_a_sandbox(void *unused)
{
    (void)unused;
    if (!forbid(TO_WATCH))
        return NOT_PERMITTED;
    blocked_processes_cost_nothing();
    return 0;
}

/* Where it is not permitted to wait for several words, as in some containers, one waits for one. */
static void nor_in_a_sandbox(void)
{
    if (hurried())
        harness_skip("it is the same in each build, and takes a second");
    run_in_a_sandbox(sleeps_in_a_sandbox);
}

static bool is_burdened(const mpsc_receiver *rx)
{
    const struct segment *segment = ((const struct handle *)rx)->segment;
    return atomic_load(&segment->header->arrived.heavy);
}

static int waits_without_barriers(void *unused)
{
    mpsc_sender *tx[3];
    mpsc_receiver *rx[3];
    size_t found;
    int value, fd;
    (void)unused;
    for (int i = 0; i < 3; i++)
        assert_status(mpsc_sync_channel(sizeof(int), 4, &tx[i], &rx[i]), MPSC_OK);
    assert_status(mpsc_receiver_fd(rx[1], &fd), MPSC_OK);
    if (!forbid(BARRIERS))
        return NOT_PERMITTED;
    /* Until it comes to a sleep within the time. */
    while (!is_burdened(rx[0]))
        assert_status(mpsc_recv_timeout(rx[0], &value, sizeof value, NULL, 10 * MILLISECONDS),
                      MPSC_TIMEOUT);
    send_int(tx[1], 0);
    expect_int(rx[1], 0);
    assert_status(mpsc_try_recv(rx[1], &value, sizeof value, NULL), MPSC_EMPTY);
    while (!is_burdened(rx[2]))
        assert_status(mpsc_select(&rx[2], 1, 10 * MILLISECONDS, &found), MPSC_TIMEOUT);
    assert_true(is_burdened(rx[1]));
    for (int i = 0; i < 3; i++) {
        send_int(tx[i], i);
        expect_int(rx[i], i);
        mpsc_sender_close(tx[i]);
        mpsc_receiver_close(rx[i]);
    }
    return 0;
}

/* Where the sandbox came after the channel, senders take over what the sleeper may not do any more. */
static void a_sandbox_without_barriers_is_a_burden(void)
{
    run_in_a_sandbox(waits_without_barriers);
}

/* ------------------------------------------------------------------ long beside short messages */

struct sizes {
    enum mode mode;
    mpsc_sender *tx[2];
    mpsc_receiver *rx;
};

static int sends_three_cells(void *argument)
{
    struct sizes *s = argument;
    int message[3] = {30, 31, 32};
    assert_status(mpsc_send(s->tx[0], message, sizeof message), MPSC_OK);
    return 0;
}

static int sends_one_cell(void *argument)
{
    struct sizes *s = argument;
    send_int(s->tx[1], 10);
    return 0;
}

/* One cell gets free: whoever is woken for it, the short message must get through. Then three. */
static void long_and_short_messages_both_get_through(enum mode mode)
{
    struct sizes *s = shared_memory(sizeof *s);
    unsigned long rounds = scaled(50);
    s->mode = mode;
    assert_status(mpsc_sync_channel(sizeof(int), 4, &s->tx[0], &s->rx), MPSC_OK);
    s->tx[1] = clone_of(s->tx[0]);
    for (unsigned long round = 0; round < rounds; round++) {
        for (int i = 0; i < 4; i++)
            send_int(s->tx[0], i);
        worker longer, shorter;
        if (round % 2) {
            longer = worker_start(mode, sends_three_cells, s);
            wait_asleep(longer);
            shorter = worker_start(mode, sends_one_cell, s);
        } else {
            shorter = worker_start(mode, sends_one_cell, s);
            wait_asleep(shorter);
            longer = worker_start(mode, sends_three_cells, s);
        }
        wait_asleep(longer);
        wait_asleep(shorter);
        expect_int(s->rx, 0);
        assert_int_equal(worker_join(shorter), 0);
        for (int i = 1; i < 4; i++)
            expect_int(s->rx, i);
        assert_int_equal(worker_join(longer), 0);
        expect_int(s->rx, 10);
        int message[3];
        size_t length;
        assert_status(mpsc_try_recv(s->rx, message, sizeof message, &length), MPSC_OK);
        assert_int_equal(length, sizeof message);
        assert_int_equal(message[2], 32);
    }
    for (int i = 0; i < 2; i++)
        mpsc_sender_close(s->tx[i]);
    expect_end(s->rx);
    mpsc_receiver_close(s->rx);
}

/* ------------------------------------------------------------------ flush */

struct last_words {
    enum mode mode;
    mpsc_sender *tx;
    mpsc_receiver *rx;
    atomic_int step;
};

static int sends_four_and_flushes(void *argument)
{
    struct last_words *w = argument;
    copy_close_receiver(w->mode, w->rx);
    for (int i = 0; i < 4; i++)
        send_int(w->tx, i);
    step_to(&w->step, 1);
    mpsc_status status = mpsc_flush(w->tx, MPSC_FOREVER);
    step_to(&w->step, 2);
    mpsc_sender_close(w->tx);
    return status;
}

static void flush_waits_for_the_last_message(enum mode mode)
{
    for (int leaves = 0; leaves < 2; leaves++) {
        struct last_words *w = shared_memory(sizeof *w);
        w->mode = mode;
        assert_status(mpsc_sync_channel(sizeof(int), 8, &w->tx, &w->rx), MPSC_OK);
        worker sender = worker_start(mode, sends_four_and_flushes, w);
        copy_close_sender(mode, w->tx);
        step_wait(&w->step, 1);
        for (int i = 0; i < 4; i++) {
            wait_asleep(sender);
            assert_int_equal(atomic_load(&w->step), 1);
            if (leaves && i == 3)
                mpsc_receiver_close(w->rx);
            else
                expect_int(w->rx, i);
        }
        assert_status(worker_join(sender), leaves ? MPSC_DISCONNECTED : MPSC_OK);
        if (!leaves)
            mpsc_receiver_close(w->rx);
    }
}

static void flush_is_for_what_this_handle_sent(void)
{
    mpsc_sender *tx, *other;
    mpsc_receiver *rx;
    mpsc_status status;
    assert_status(mpsc_sync_channel(sizeof(int), 8, &tx, &rx), MPSC_OK);
    other = clone_of(tx);
    send_int(tx, 1);
    send_int(other, 2);
    assert_status(mpsc_flush(tx, 0), MPSC_TIMEOUT);

    const int *message = mpsc_peek(rx, NULL, &status);
    assert_lent(message, status);
    assert_status(mpsc_flush(tx, 0), MPSC_TIMEOUT); /* looked at, not taken */
    assert_status(mpsc_release(rx, message), MPSC_OK);
    assert_status(mpsc_flush(tx, 0), MPSC_OK);
    assert_status(mpsc_flush(other, 0), MPSC_TIMEOUT);

    /* What was taken was taken, whoever left since. */
    mpsc_receiver_close(rx);
    assert_status(mpsc_flush(tx, MPSC_FOREVER), MPSC_OK);
    assert_status(mpsc_flush(other, MPSC_FOREVER), MPSC_DISCONNECTED);
    mpsc_sender_close(tx);
    mpsc_sender_close(other);
}

/* What is left of a larger loan is no message. */
static void flush_waits_for_no_rest_of_a_loan(void)
{
    enum { LENT = 10 * sizeof(int) };
    mpsc_sender *tx;
    mpsc_receiver *rx;
    mpsc_status status;
    open_both(channel_name(), sizeof(int), 16, &tx, &rx);
    int *loan = mpsc_loan(tx, LENT, &status);
    assert_lent(loan, status);
    *loan = 1;
    assert_status(mpsc_send_loan(tx, loan, sizeof *loan), MPSC_OK);
    assert_status(mpsc_flush(tx, 0), MPSC_TIMEOUT);
    expect_int(rx, 1);
    assert_status(mpsc_flush(tx, 0), MPSC_OK);
    mpsc_receiver_close(rx);
    assert_status(mpsc_flush(tx, MPSC_FOREVER), MPSC_OK);
    mpsc_sender_close(tx);
}

int main(void)
{
    static const struct test tests[] = {
        TEST_BOTH(ping_pong),
        TEST_BOTH(ping_pong_by_rendezvous),
        TEST_BOTH(senders_sleep_at_bound_1),
        TEST_BOTH(senders_sleep_at_bound_7),
        TEST_BOTH(senders_sleep_at_a_rendezvous),
        TEST_BOTH(every_sleeper_is_woken),
        TEST_BOTH(receiver_is_woken_by_everything),
        TEST_BOTH(sender_is_woken_by_release_and_by_close),
        TEST_PROCESSES(every_sleeper_watches_for_deaths),
        TEST(time_outs_are_never_early),
        TEST(no_time_is_enough_when_nothing_is_in_the_way),
        TEST(long_message_that_timed_out_leaves_no_trace),
        TEST(blocked_processes_cost_nothing),
        TEST(nor_in_a_sandbox),
        TEST(a_sandbox_without_barriers_is_a_burden),
        TEST_BOTH(long_and_short_messages_both_get_through),
        TEST_BOTH(flush_waits_for_the_last_message),
        TEST(flush_is_for_what_this_handle_sent),
        TEST(flush_waits_for_no_rest_of_a_loan),
    };
    return harness_main("sleep", tests, sizeof tests / sizeof *tests);
}
