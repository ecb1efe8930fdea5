/* SPDX-License-Identifier: MIT */
/* 1.3.7 Fork: threads that are inside calls at the fork leave the child sound, idle handles. */
#include "together.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SENDING = 4, FORKS = 50, AT_ONCE = 5, MARKED = 10 };

struct note {
    uint32_t source, number;
};

static void join_well(worker w)
{
    assert_int_equal(worker_join(w), 0);
}

static void send_note(mpsc_sender *tx, uint32_t source, uint32_t number)
{
    struct note note = {source, number};
    assert_status(mpsc_send(tx, &note, sizeof note), MPSC_OK);
}

static void expect_note(mpsc_receiver *rx, uint32_t source, uint32_t number)
{
    struct note note;
    assert_status(mpsc_recv(rx, &note, sizeof note, NULL), MPSC_OK);
    assert_int_equal(note.source, source);
    assert_int_equal(note.number, number);
}

/* ------------------------------------------------------------------ opening for the first time */

static int opens_one(void *argument)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    atomic_store((atomic_int *)argument, 1);
    assert_status(mpsc_channel(sizeof(int), &tx, &rx), MPSC_OK);
    send_int(tx, 1);
    expect_int(rx, 1);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    return 0;
}

/* A process that has never used the library: one thread opens, another one forks at that moment. */
static int opens_beside_a_fork(void *argument)
{
    atomic_int *opens = argument;
    worker thread = worker_start(THREADS, opens_one, opens);
    wait_for(opens);
    join_well(worker_start(PROCESSES, opens_one, opens));
    join_well(thread);
    return 0;
}

static void the_first_open_beside_a_fork(void)
{
    if (HARNESS_ADDRESS_SANITIZER)
        harness_skip("this sanitizer's allocator may be locked in a child forked among threads");
    for (unsigned long round = 0; round < scaled(100); round++) {
        atomic_int *opens = shared_memory(sizeof *opens);
        join_well(worker_start(PROCESSES, opens_beside_a_fork, opens));
        munmap(opens, sizeof *opens);
    }
}

/* ------------------------------------------------------------------ sending all the while */

struct tide {
    mpsc_sender *tx[SENDING + 1]; /* the last one is idle */
    mpsc_receiver *rx;
    atomic_int stop;
    atomic_uint next;                  /* thread to start */
    uint32_t arrived[SENDING + FORKS]; /* written by the receiver */
    atomic_uint sent[SENDING];
};

static int sends_until_told(void *argument)
{
    struct tide *tide = argument;
    uint32_t self = atomic_fetch_add(&tide->next, 1), number = 0;
    while (!atomic_load_explicit(&tide->stop, memory_order_relaxed))
        send_note(tide->tx[self], self, number++);
    atomic_store(&tide->sent[self], number);
    return 0;
}

static int receives_all(void *argument)
{
    struct tide *tide = argument;
    MPSC_FOR_EACH (struct note, note, tide->rx) {
        assert_true(note.source < SENDING + FORKS);
        assert_int_equal(note.number, tide->arrived[note.source]);
        tide->arrived[note.source]++;
    }
    return 0;
}

struct child {
    void *shared; /* the tide, or the turnover */
    unsigned number;
};

/* Uses a copy of a handle that a thread of the parent may be using at this moment. */
static int sends_marked(void *argument)
{
    struct child *self = argument;
    struct tide *tide = self->shared;
    mpsc_sender *tx = tide->tx[self->number % (SENDING + 1)];
    for (uint32_t i = 0; i < MARKED; i++)
        send_note(tx, SENDING + self->number, i);
    return 0;
}

static void fork_while_threads_send(size_t bound)
{
    struct tide *tide = shared_memory(sizeof *tide);
    unsigned forks = (unsigned)scaled(FORKS);
    if (forks > FORKS)
        forks = FORKS;
    assert_status(mpsc_sync_channel(sizeof(struct note), bound, &tide->tx[SENDING], &tide->rx),
                  MPSC_OK);
    worker threads[SENDING], receiver = worker_start(THREADS, receives_all, tide);
    for (unsigned i = 0; i < SENDING; i++)
        tide->tx[i] = clone_of(tide->tx[SENDING]);
    for (unsigned i = 0; i < SENDING; i++)
        threads[i] = worker_start(THREADS, sends_until_told, tide);

    for (unsigned done = 0; done < forks;) {
        struct child arguments[AT_ONCE];
        worker children[AT_ONCE];
        unsigned count = 0;
        for (; count < AT_ONCE && done < forks; count++, done++) {
            arguments[count] = (struct child){tide, done};
            children[count] = worker_start(PROCESSES, sends_marked, &arguments[count]);
        }
        while (count)
            join_well(children[--count]);
    }

    atomic_store(&tide->stop, 1);
    for (unsigned i = 0; i < SENDING; i++)
        join_well(threads[i]);
    for (unsigned i = 0; i <= SENDING; i++)
        mpsc_sender_close(tide->tx[i]);
    join_well(receiver);
    for (unsigned i = 0; i < SENDING; i++)
        assert_int_equal(tide->arrived[i], atomic_load(&tide->sent[i]));
    for (unsigned i = 0; i < forks; i++)
        assert_int_equal(tide->arrived[SENDING + i], MARKED);
    mpsc_receiver_close(tide->rx);
}

static void threads_send_at_the_fork(void)
{
    fork_while_threads_send(64);
}

static void threads_sleep_and_wake_at_the_fork(void)
{
    fork_while_threads_send(1);
}

static void threads_meet_at_the_fork(void)
{
    fork_while_threads_send(0);
}

/* ------------------------------------------------------------------ opening and closing */

struct turnover {
    mpsc_sender *tx[2];
    const char *name[2];
    atomic_uint next;
    atomic_int stop;
};

static int clones_and_opens_until_told(void *argument)
{
    struct turnover *turnover = argument;
    unsigned self = atomic_fetch_add(&turnover->next, 1);
    while (!atomic_load(&turnover->stop)) {
        mpsc_sender *clone = clone_of(turnover->tx[self]), *tx;
        mpsc_receiver *rx;
        /* A child may hold the one of the round before. */
        assert_status(mpsc_open_sender(turnover->name[self], NULL, &tx), MPSC_OK);
        assert_status(mpsc_open_receiver(turnover->name[self], NULL, &rx), MPSC_OK);
        mpsc_sender_close(clone);
        mpsc_sender_close(tx);
        mpsc_receiver_close(rx);
    }
    return 0;
}

static int clones_and_sends(void *argument)
{
    struct child *self = argument;
    struct turnover *turnover = self->shared;
    mpsc_sender *clone = clone_of(turnover->tx[self->number % 2]);
    for (uint32_t i = 0; i < MARKED; i++)
        send_note(clone, self->number, i);
    mpsc_sender_close(clone);
    return 0;
}

static void threads_open_and_close_at_the_fork(void)
{
    struct turnover *turnover = shared_memory(sizeof *turnover);
    unsigned forks = (unsigned)scaled(20);
    mpsc_receiver *rx;
    worker threads[2];
    assert_status(mpsc_channel(sizeof(struct note), &turnover->tx[0], &rx), MPSC_OK);
    turnover->tx[1] = clone_of(turnover->tx[0]);
    /* A child may be the last to hold a channel of the threads, and ends without closing it. */
    harness_keeps_names();
    for (int i = 0; i < 2; i++)
        turnover->name[i] = channel_name();
    for (int i = 0; i < 2; i++)
        threads[i] = worker_start(THREADS, clones_and_opens_until_told, turnover);
    for (unsigned i = 0; i < forks; i++) {
        struct child argument = {turnover, i};
        join_well(worker_start(PROCESSES, clones_and_sends, &argument));
        for (uint32_t number = 0; number < MARKED; number++)
            expect_note(rx, i, number);
    }
    atomic_store(&turnover->stop, 1);
    for (int i = 0; i < 2; i++)
        join_well(threads[i]);
    for (int i = 0; i < 2; i++)
        mpsc_sender_close(turnover->tx[i]);
    struct note note;
    assert_status(mpsc_recv(rx, &note, sizeof note, NULL), MPSC_DISCONNECTED);
    mpsc_receiver_close(rx);
}

/* Several threads fork at the same time. */
static int forks_several(void *argument)
{
    struct turnover *turnover = argument;
    unsigned self = atomic_fetch_add(&turnover->next, 1);
    for (unsigned i = 0; i < 10; i++) {
        struct child child = {turnover, self * 10 + i};
        join_well(worker_start(PROCESSES, clones_and_sends, &child));
    }
    return 0;
}

static void threads_fork_at_the_same_time(void)
{
    struct turnover *turnover = shared_memory(sizeof *turnover);
    mpsc_receiver *rx;
    worker threads[3];
    uint32_t arrived[30] = {0};
    assert_status(mpsc_channel(sizeof(struct note), &turnover->tx[0], &rx), MPSC_OK);
    turnover->tx[1] = clone_of(turnover->tx[0]);
    for (int i = 0; i < 3; i++)
        threads[i] = worker_start(THREADS, forks_several, turnover);
    for (int i = 0; i < 3; i++)
        join_well(threads[i]);
    for (int i = 0; i < 2; i++)
        mpsc_sender_close(turnover->tx[i]);
    MPSC_FOR_EACH (struct note, note, rx) {
        assert_true(note.source < 30);
        assert_int_equal(note.number, arrived[note.source]);
        arrived[note.source]++;
    }
    for (int i = 0; i < 30; i++)
        assert_int_equal(arrived[i], MARKED);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ inside one call */

struct scene {
    mpsc_sender *tx;
    mpsc_receiver *rx;
    atomic_int step;
};

static int holds_a_loan(void *argument)
{
    struct scene *s = argument;
    mpsc_status status;
    struct note *loan = mpsc_loan(s->tx, sizeof *loan, &status);
    assert_lent(loan, status);
    *loan = (struct note){1, 0};
    step_to(&s->step, 1);
    step_wait(&s->step, 2);
    assert_status(mpsc_send_loan(s->tx, loan, sizeof(struct note)), MPSC_OK);
    return 0;
}

static int uses_the_handle_in_all_ways(void *argument)
{
    struct scene *s = argument;
    mpsc_status status;
    send_note(s->tx, 2, 0);
    struct note *loan = mpsc_loan(s->tx, sizeof *loan, &status);
    assert_lent(loan, status);
    *loan = (struct note){2, 1};
    assert_status(mpsc_send_loan(s->tx, loan, sizeof(struct note)), MPSC_OK);
    mpsc_sender *clone = clone_of(s->tx);
    mpsc_sender_close(s->tx);
    send_note(clone, 2, 2);
    return 0;
}

static void thread_has_a_loan_at_the_fork(void)
{
    struct scene *s = shared_memory(sizeof *s);
    assert_status(mpsc_sync_channel(sizeof(struct note), 16, &s->tx, &s->rx), MPSC_OK);
    worker thread = worker_start(THREADS, holds_a_loan, s);
    step_wait(&s->step, 1);
    join_well(worker_start(PROCESSES, uses_the_handle_in_all_ways, s));
    struct note note;
    assert_status(mpsc_try_recv(s->rx, &note, sizeof note, NULL), MPSC_EMPTY);
    step_to(&s->step, 2);
    join_well(thread);
    expect_note(s->rx, 1, 0);
    for (uint32_t i = 0; i < 3; i++)
        expect_note(s->rx, 2, i);
    mpsc_sender_close(s->tx);
    assert_status(mpsc_recv(s->rx, &note, sizeof note, NULL), MPSC_DISCONNECTED);
    mpsc_receiver_close(s->rx);
}

static int blocks_in_send(void *argument)
{
    struct scene *s = argument;
    send_note(s->tx, 1, 0);
    return 0;
}

static int finds_it_full_and_blocks_too(void *argument)
{
    struct scene *s = argument;
    struct note note = {2, 0};
    assert_status(mpsc_try_send(s->tx, &note, sizeof note), MPSC_FULL);
    assert_status(mpsc_send_timeout(s->tx, &note, sizeof note, MILLISECONDS), MPSC_TIMEOUT);
    step_to(&s->step, 1);
    send_note(s->tx, 2, 0);
    return 0;
}

static void thread_sleeps_in_send_at_the_fork(void)
{
    struct scene *s = shared_memory(sizeof *s);
    assert_status(mpsc_sync_channel(sizeof(struct note), 1, &s->tx, &s->rx), MPSC_OK);
    send_note(s->tx, 0, 0);
    worker thread = worker_start(THREADS, blocks_in_send, s);
    wait_asleep(thread);
    worker child = worker_start(PROCESSES, finds_it_full_and_blocks_too, s);
    step_wait(&s->step, 1);
    wait_asleep(child);
    expect_note(s->rx, 0, 0);
    unsigned arrived[3] = {0};
    for (int i = 0; i < 2; i++) {
        struct note note;
        assert_status(mpsc_recv(s->rx, &note, sizeof note, NULL), MPSC_OK);
        assert_in_range(note.source, 1, 2);
        arrived[note.source]++;
    }
    assert_int_equal(arrived[1], 1);
    assert_int_equal(arrived[2], 1);
    join_well(thread);
    join_well(child);
    mpsc_sender_close(s->tx);
    struct note note;
    assert_status(mpsc_recv(s->rx, &note, sizeof note, NULL), MPSC_DISCONNECTED);
    mpsc_receiver_close(s->rx);
}

static int receives_one(void *argument)
{
    struct scene *s = argument;
    expect_note(s->rx, 2, 0);
    return 0;
}

static int sends_then_receives(void *argument)
{
    struct scene *s = argument;
    struct note note;
    assert_status(mpsc_try_recv(s->rx, &note, sizeof note, NULL), MPSC_BUSY);
    send_note(s->tx, 2, 0);
    step_wait(&s->step, 1);
    expect_note(s->rx, 3, 0);
    return 0;
}

static void thread_sleeps_in_recv_at_the_fork(void)
{
    struct scene *s = shared_memory(sizeof *s);
    assert_status(mpsc_sync_channel(sizeof(struct note), 4, &s->tx, &s->rx), MPSC_OK);
    worker thread = worker_start(THREADS, receives_one, s);
    wait_asleep(thread);
    worker child = worker_start(PROCESSES, sends_then_receives, s);
    join_well(thread);
    mpsc_receiver_close(s->rx);
    send_note(s->tx, 3, 0);
    step_to(&s->step, 1);
    join_well(child);
    mpsc_sender_close(s->tx);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(threads_send_at_the_fork),          TEST(threads_sleep_and_wake_at_the_fork),
        TEST(threads_meet_at_the_fork),          TEST(threads_open_and_close_at_the_fork),
        TEST(threads_fork_at_the_same_time),     TEST(thread_has_a_loan_at_the_fork),
        TEST(thread_sleeps_in_send_at_the_fork), TEST(thread_sleeps_in_recv_at_the_fork),
        TEST(the_first_open_beside_a_fork),
    };
    return harness_main("fork_threads", tests, sizeof tests / sizeof *tests);
}
