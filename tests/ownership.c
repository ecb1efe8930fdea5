/* SPDX-License-Identifier: MIT */
/* 1.2, 1.3.8, 1.3.9 Loans and peeks: whose the memory is, what the handle may do meanwhile, what
 * becomes of them when the handle is closed or its process killed. */
#include "together.h"

#include <signal.h>
#include <stdalign.h>

struct scene {
    enum mode mode;
    const char *name;
    mpsc_sender *tx;
    mpsc_receiver *rx;
    atomic_int step;
    size_t length;
};

/* A bounded channel of ints. */
static struct scene *scene_open(size_t bound)
{
    struct scene *s = shared_memory(sizeof *s);
    s->name = channel_name();
    open_both(s->name, sizeof(int), bound, &s->tx, &s->rx);
    return s;
}

static void scene_close(struct scene *s)
{
    mpsc_sender_close(s->tx);
    mpsc_receiver_close(s->rx);
}

/* Hides from the compiler what becomes of a pointer: these tests do what it warns of. */
static void *hidden(const void *pointer)
{
    union {
        const void *in;
        void *volatile out;
    } same = {pointer};
    return same.out;
}

static void *loan_of(mpsc_sender *tx, size_t length)
{
    mpsc_status status = MPSC_OS;
    void *loan = mpsc_loan(tx, length, &status);
    assert_lent(loan, status);
    return hidden(loan);
}

static const void *peek_of(mpsc_receiver *rx, size_t expected)
{
    mpsc_status status = MPSC_OS;
    size_t length = SIZE_MAX;
    const void *message = mpsc_peek(rx, &length, &status);
    assert_lent(message, status);
    assert_int_equal(length, expected);
    return hidden(message);
}

static void *loan_int(mpsc_sender *tx, int value)
{
    int *loan = loan_of(tx, sizeof *loan);
    *loan = value;
    return loan;
}

/* ------------------------------------------------------------------ loans */

static void loan_becomes_a_message(void)
{
    struct scene *s = scene_open(4);
    for (int i = 0; i < 10; i++) {
        assert_status(mpsc_send_loan(s->tx, loan_int(s->tx, i), sizeof(int)), MPSC_OK);
        expect_int(s->rx, i);
    }
    void *loan = mpsc_try_loan(s->tx, sizeof(int), NULL); /* the status may be NULL */
    assert_non_null(loan);
    memcpy(loan, &(int){10}, sizeof(int));
    assert_status(mpsc_send_loan(s->tx, loan, sizeof(int)), MPSC_OK);
    loan = mpsc_loan_timeout(s->tx, sizeof(int), 0, NULL);
    assert_non_null(loan);
    memcpy(loan, &(int){11}, sizeof(int));
    assert_status(mpsc_send_loan(s->tx, loan, sizeof(int)), MPSC_OK);
    expect_int(s->rx, 10);
    expect_int(s->rx, 11);
    scene_close(s);
}

/* As malloc would: suitable for any object of that length. */
static size_t alignment_of(size_t length)
{
    size_t alignment = alignof(max_align_t);
    while (alignment > length && alignment > 1)
        alignment /= 2;
    return alignment;
}

static void loans_and_peeks_are_aligned(void)
{
    static const size_t sizes[] = {1, 2, 4, 7, 8, 9, 12, 16, 17, 24, 40, 64, 100, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        mpsc_sender *tx;
        mpsc_receiver *rx;
        assert_status(mpsc_sync_channel(sizes[i], 5, &tx, &rx), MPSC_OK);
        for (size_t length = 1; length <= 5 * sizes[i]; length += 1 + length / 3)
            for (int repeat = 0; repeat < 3; repeat++) { /* at other places in the ring */
                size_t alignment = alignment_of(length);
                void *loan = loan_of(tx, length);
                assert_int_equal((uintptr_t)loan % alignment, 0);
                pattern_fill(loan, length, length);
                assert_status(mpsc_send_loan(tx, loan, length), MPSC_OK);
                const void *message = peek_of(rx, length);
                assert_int_equal((uintptr_t)message % alignment, 0);
                pattern_check(message, length, length);
                assert_status(mpsc_release(rx, message), MPSC_OK);
            }
        mpsc_sender_close(tx);
        mpsc_receiver_close(rx);
    }
}

static void loan_may_shrink(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    unsigned char buffer[64];
    size_t length;
    assert_status(mpsc_sync_channel(64, 4, &tx, &rx), MPSC_OK);
    for (size_t shrunk = 0; shrunk <= 64; shrunk += 8) {
        void *loan = loan_of(tx, 64);
        pattern_fill(loan, shrunk, shrunk);
        assert_status(mpsc_send_loan(tx, loan, shrunk), MPSC_OK);
        assert_status(mpsc_recv(rx, buffer, sizeof buffer, &length), MPSC_OK);
        assert_int_equal(length, shrunk);
        pattern_check(buffer, shrunk, shrunk);
    }
    /* A loan of nothing, a peek of nothing. */
    assert_status(mpsc_send_loan(tx, loan_of(tx, 0), 0), MPSC_OK);
    assert_status(mpsc_release(rx, peek_of(rx, 0)), MPSC_OK);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

static void fill_exactly(mpsc_sender *tx, mpsc_receiver *rx, int bound)
{
    for (int i = 0; i < bound; i++)
        assert_status(mpsc_try_send(tx, &i, sizeof i), MPSC_OK);
    assert_status(mpsc_try_send(tx, &bound, sizeof bound), MPSC_FULL);
    for (int i = 0; i < bound; i++)
        expect_int(rx, i);
}

/* Cells that a shrunk loan does not need are room again once the receiver has passed them. */
static void long_loan_may_shrink_to_few_cells(void)
{
    for (int bound = 6; bound <= 8; bound++) {
        struct scene *s = scene_open((size_t)bound);
        for (size_t borrowed = 1; borrowed <= 5; borrowed++)
            for (size_t kept = 0; kept <= borrowed; kept++) {
                unsigned char buffer[5 * sizeof(int)];
                size_t length;
                void *loan = loan_of(s->tx, borrowed * sizeof(int));
                pattern_fill(loan, kept * sizeof(int), kept);
                assert_status(mpsc_send_loan(s->tx, loan, kept * sizeof(int)), MPSC_OK);
                send_int(s->tx, 1); /* behind what was given back */
                assert_status(mpsc_recv(s->rx, buffer, sizeof buffer, &length), MPSC_OK);
                assert_int_equal(length, kept * sizeof(int));
                pattern_check(buffer, length, kept);
                expect_int(s->rx, 1);
                fill_exactly(s->tx, s->rx, bound);
            }
        scene_close(s);
    }
}

static void longer_than_borrowed_is_invalid(void)
{
    struct scene *s = scene_open(4);
    int value;
    for (int i = 0; i < 10; i++) {
        void *loan = loan_int(s->tx, 1);
        assert_status(mpsc_send_loan(s->tx, loan, sizeof(int) + 1), MPSC_INVALID);
        /* It was given back unsent: the handle is idle, the receiver passes it. */
        send_int(s->tx, 2);
        expect_int(s->rx, 2);
        assert_status(mpsc_try_recv(s->rx, &value, sizeof value, NULL), MPSC_EMPTY);
    }
    scene_close(s);
}

static void foreign_pointer_is_invalid_and_changes_nothing(void)
{
    struct scene *s = scene_open(8);
    mpsc_sender *other = clone_of(s->tx);
    int value = 0;
    /* None is out. */
    assert_status(mpsc_send_loan(s->tx, hidden(&value), sizeof value), MPSC_INVALID);
    assert_status(mpsc_cancel_loan(s->tx, hidden(&value)), MPSC_INVALID);
    assert_status(mpsc_send_loan(s->tx, NULL, 0), MPSC_INVALID);
    assert_status(mpsc_cancel_loan(s->tx, NULL), MPSC_INVALID);

    char *loan = loan_int(s->tx, 1), *others = loan_int(other, 2);
    void *const wrong[] = {&value, NULL, loan + 1, loan - 1, others};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_status(mpsc_send_loan(s->tx, hidden(wrong[i]), sizeof(int)), MPSC_INVALID);
        assert_status(mpsc_cancel_loan(s->tx, hidden(wrong[i])), MPSC_INVALID);
    }
    assert_status(mpsc_try_recv(s->rx, &value, sizeof value, NULL), MPSC_EMPTY);
    assert_status(mpsc_send_loan(other, others, sizeof(int)), MPSC_OK);
    assert_status(mpsc_send_loan(s->tx, loan, sizeof(int)), MPSC_OK);
    expect_int(s->rx, 1);
    expect_int(s->rx, 2);
    mpsc_sender_close(other);
    scene_close(s);
}

static void loan_ends_once(void)
{
    struct scene *s = scene_open(4);
    int value;
    void *loan = loan_int(s->tx, 1);
    assert_status(mpsc_send_loan(s->tx, hidden(loan), sizeof(int)), MPSC_OK);
    assert_status(mpsc_send_loan(s->tx, hidden(loan), sizeof(int)), MPSC_INVALID);
    assert_status(mpsc_cancel_loan(s->tx, hidden(loan)), MPSC_INVALID);
    expect_int(s->rx, 1);
    loan = loan_int(s->tx, 2);
    assert_status(mpsc_cancel_loan(s->tx, hidden(loan)), MPSC_OK);
    assert_status(mpsc_cancel_loan(s->tx, hidden(loan)), MPSC_INVALID);
    assert_status(mpsc_send_loan(s->tx, hidden(loan), sizeof(int)), MPSC_INVALID);
    assert_status(mpsc_try_recv(s->rx, &value, sizeof value, NULL), MPSC_EMPTY);
    scene_close(s);
}

static void nothing_else_goes_while_a_loan_is_out(void)
{
    struct scene *s = scene_open(8);
    mpsc_sender *other = clone_of(s->tx);
    mpsc_status status;
    int value = 9;
    for (int round = 0; round < 5; round++) {
        void *loan = loan_int(s->tx, 1);
        assert_status(mpsc_send(s->tx, &value, sizeof value), MPSC_INVALID);
        assert_status(mpsc_try_send(s->tx, &value, sizeof value), MPSC_INVALID);
        assert_status(mpsc_send_timeout(s->tx, &value, sizeof value, SECONDS), MPSC_INVALID);
        assert_null(mpsc_loan(s->tx, sizeof value, &status));
        assert_status(status, MPSC_INVALID);
        assert_null(mpsc_try_loan(s->tx, sizeof value, &status));
        assert_status(status, MPSC_INVALID);
        assert_null(mpsc_loan_timeout(s->tx, sizeof value, SECONDS, &status));
        assert_status(status, MPSC_INVALID);

        /* Others send on, and the receiver waits at the loan. */
        send_int(other, 2);
        assert_status(mpsc_send_loan(other, loan_int(other, 3), sizeof(int)), MPSC_OK);
        mpsc_sender *third = clone_of(s->tx);
        send_int(third, 4);
        mpsc_sender_close(third);
        expect_silence(s->rx);
        bool cancels = round % 2;
        if (cancels)
            assert_status(mpsc_cancel_loan(s->tx, loan), MPSC_OK);
        else
            assert_status(mpsc_send_loan(s->tx, loan, sizeof(int)), MPSC_OK);
        for (int i = cancels ? 2 : 1; i <= 4; i++)
            expect_int(s->rx, i);
        send_int(s->tx, 5);
        expect_int(s->rx, 5);
    }
    mpsc_sender_close(other);
    scene_close(s);
}

static void loan_takes_room(void)
{
    struct scene *s = scene_open(2);
    mpsc_sender *other = clone_of(s->tx);
    mpsc_status status;
    int value = 9;
    void *loan = loan_int(s->tx, 1);
    send_int(other, 2);
    assert_status(mpsc_try_send(other, &value, sizeof value), MPSC_FULL);
    assert_null(mpsc_try_loan(other, sizeof value, &status));
    assert_status(status, MPSC_FULL);
    assert_null(mpsc_loan_timeout(other, sizeof value, MILLISECONDS, &status));
    assert_status(status, MPSC_TIMEOUT);
    assert_null(mpsc_loan(other, 2 * sizeof value + 1, &status));
    assert_status(status, MPSC_TOO_BIG);

    /* Cancelled, it takes room until the receiver has passed it. */
    assert_status(mpsc_cancel_loan(s->tx, loan), MPSC_OK);
    assert_status(mpsc_try_send(other, &value, sizeof value), MPSC_FULL);
    expect_int(s->rx, 2);
    fill_exactly(s->tx, s->rx, 2);

    mpsc_receiver_close(s->rx);
    assert_null(mpsc_loan(other, sizeof value, &status));
    assert_status(status, MPSC_DISCONNECTED);
    assert_null(mpsc_try_loan(other, sizeof value, &status));
    assert_status(status, MPSC_DISCONNECTED);
    mpsc_sender_close(s->tx);
    mpsc_sender_close(other);
}

static void loan_outlives_the_receiver_but_is_not_sent(void)
{
    struct scene *s = scene_open(2);
    void *loan = loan_int(s->tx, 1);
    mpsc_receiver_close(s->rx);
    assert_status(mpsc_send_loan(s->tx, hidden(loan), sizeof(int)), MPSC_DISCONNECTED);
    /* It was moved away nevertheless. */
    assert_status(mpsc_cancel_loan(s->tx, hidden(loan)), MPSC_INVALID);
    mpsc_sender_close(s->tx);
}

static void close_cancels_a_loan(void)
{
    for (size_t cells = 1; cells <= 3; cells++) {
        struct scene *s = scene_open(4);
        mpsc_sender *other = clone_of(s->tx);
        assert_non_null(loan_of(s->tx, cells * sizeof(int)));
        send_int(other, 1);
        mpsc_sender_close(s->tx);
        expect_int(s->rx, 1);
        fill_exactly(other, s->rx, 4);
        assert_non_null(loan_of(other, cells * sizeof(int)));
        mpsc_sender_close(other);
        expect_end(s->rx);
        mpsc_receiver_close(s->rx);
    }
}

/* ------------------------------------------------------------------ loans at a rendezvous */

static int peeks_at_one(void *argument)
{
    struct scene *s = argument;
    mpsc_status status;
    copy_close_sender(s->mode, s->tx);
    const int *message = mpsc_peek(s->rx, NULL, &status);
    assert_lent(message, status);
    assert_int_equal(*message, 1);
    assert_status(mpsc_release(s->rx, message), MPSC_OK);
    mpsc_receiver_close(s->rx);
    return 0;
}

static int lends_and_sends_one(void *argument)
{
    struct scene *s = argument;
    copy_close_receiver(s->mode, s->rx);
    assert_status(mpsc_send_loan(s->tx, loan_int(s->tx, 1), sizeof(int)), MPSC_OK);
    step_to(&s->step, 1);
    mpsc_sender_close(s->tx);
    return 0;
}

static void rendezvous_by_loan_waits_until_taken(enum mode mode)
{
    struct scene *s = scene_open(0);
    mpsc_status status;
    s->mode = mode;
    worker sender = worker_start(mode, lends_and_sends_one, s);
    copy_close_sender(mode, s->tx);
    wait_asleep(sender);
    const int *message = peek_of(s->rx, sizeof(int));
    assert_int_equal(*message, 1);
    wait_asleep(sender);
    assert_int_equal(atomic_load(&s->step), 0); /* looked at is not taken */
    assert_status(mpsc_release(s->rx, message), MPSC_OK);
    assert_int_equal(worker_join(sender), 0);
    assert_null(mpsc_peek(s->rx, NULL, &status));
    assert_status(status, MPSC_DISCONNECTED);
    mpsc_receiver_close(s->rx);
}

struct attempt {
    mpsc_sender *tx;
    void *loan;
};

static bool lends(void *argument)
{
    struct attempt *attempt = argument;
    mpsc_status status;
    attempt->loan = mpsc_try_loan(attempt->tx, sizeof(int), &status);
    if (!attempt->loan)
        assert_status(status, MPSC_FULL);
    return attempt->loan != NULL;
}

static void rendezvous_by_try_loan_needs_a_waiting_receiver(enum mode mode)
{
    struct scene *s = scene_open(0);
    struct attempt attempt = {s->tx, NULL};
    s->mode = mode;
    assert_false(lends(&attempt));
    worker receiver = worker_start(mode, peeks_at_one, s);
    copy_close_receiver(mode, s->rx);
    wait_until(lends, &attempt);
    memcpy(attempt.loan, &(int){1}, sizeof(int));
    assert_status(mpsc_send_loan(s->tx, attempt.loan, sizeof(int)), MPSC_OK);
    assert_int_equal(worker_join(receiver), 0);
    mpsc_sender_close(s->tx);
}

/* ------------------------------------------------------------------ peeks */

static void peek_gives_the_next_message_in_place(void)
{
    struct scene *s = scene_open(4);
    mpsc_status status;
    size_t length = 77;
    assert_null(mpsc_try_peek(s->rx, &length, &status));
    assert_status(status, MPSC_EMPTY);
    assert_null(mpsc_peek_timeout(s->rx, &length, MILLISECONDS, &status));
    assert_status(status, MPSC_TIMEOUT);
    assert_int_equal(length, 77); /* untouched on failure */
    for (int i = 0; i < 10; i++) {
        send_int(s->tx, 2 * i);
        send_int(s->tx, 2 * i + 1);
        for (int j = 2 * i; j < 2 * i + 2; j++) {
            const int *message = peek_of(s->rx, sizeof *message);
            assert_int_equal(*message, j);
            /* Again and again the same. */
            assert_ptr_equal(peek_of(s->rx, sizeof *message), message);
            assert_ptr_equal(mpsc_try_peek(s->rx, NULL, NULL), message);
            assert_ptr_equal(mpsc_peek_timeout(s->rx, NULL, 0, NULL), message);
            assert_int_equal(*message, j);
            assert_status(mpsc_release(s->rx, message), MPSC_OK);
        }
    }
    mpsc_sender_close(s->tx);
    assert_null(mpsc_peek(s->rx, &length, &status));
    assert_status(status, MPSC_DISCONNECTED);
    assert_null(mpsc_try_peek(s->rx, &length, &status));
    assert_status(status, MPSC_DISCONNECTED);
    mpsc_receiver_close(s->rx);
}

static void nothing_is_received_while_a_peek_is_out(void)
{
    struct scene *s = scene_open(4);
    int value = 9;
    size_t length = 77;
    send_int(s->tx, 1);
    send_int(s->tx, 2);
    const void *message = peek_of(s->rx, sizeof(int));
    assert_status(mpsc_recv(s->rx, &value, sizeof value, &length), MPSC_INVALID);
    assert_status(mpsc_try_recv(s->rx, &value, sizeof value, &length), MPSC_INVALID);
    assert_status(mpsc_recv_timeout(s->rx, &value, sizeof value, &length, SECONDS), MPSC_INVALID);
    assert_int_equal(value, 9);
    assert_int_equal(length, 77);
    assert_status(mpsc_release(s->rx, message), MPSC_OK);
    expect_int(s->rx, 2);
    scene_close(s);
}

/* It takes its room until it is released. */
static void peek_takes_room(void)
{
    struct scene *s = scene_open(1);
    int value = 2;
    send_int(s->tx, 1);
    const void *message = peek_of(s->rx, sizeof(int));
    assert_status(mpsc_try_send(s->tx, &value, sizeof value), MPSC_FULL);
    assert_status(mpsc_release(s->rx, message), MPSC_OK);
    assert_status(mpsc_try_send(s->tx, &value, sizeof value), MPSC_OK);
    expect_int(s->rx, 2);
    scene_close(s);
}

static void release_of_anything_else_is_invalid(void)
{
    struct scene *s = scene_open(4);
    int value = 0;
    assert_status(mpsc_release(s->rx, hidden(&value)), MPSC_INVALID);
    send_int(s->tx, 1);
    send_int(s->tx, 2);
    assert_status(mpsc_release(s->rx, hidden(&value)), MPSC_INVALID);
    const char *message = peek_of(s->rx, sizeof(int));
    assert_status(mpsc_release(s->rx, hidden(&value)), MPSC_INVALID);
    assert_status(mpsc_release(s->rx, NULL), MPSC_INVALID);
    assert_status(mpsc_release(s->rx, hidden(message + 1)), MPSC_INVALID);
    assert_status(mpsc_release(s->rx, hidden(message)), MPSC_OK);
    assert_status(mpsc_release(s->rx, hidden(message)), MPSC_INVALID); /* once */
    expect_int(s->rx, 2);
    scene_close(s);
}

static void close_leaves_a_peeked_message_queued(void)
{
    struct scene *s = scene_open(4);
    send_int(s->tx, 1);
    send_int(s->tx, 2);
    for (int i = 0; i < 3; i++) {
        peek_of(s->rx, sizeof(int));
        mpsc_receiver_close(s->rx);
        assert_status(mpsc_open_receiver(s->name, NULL, &s->rx), MPSC_OK);
        assert_int_equal(mpsc_len(s->rx), 2);
    }
    expect_int(s->rx, 1);
    expect_int(s->rx, 2);
    scene_close(s);
}

/* ------------------------------------------------------------------ of the dead */

/* Takes a loan of its copy, says so, and waits to be killed. */
static int dies_with_a_loan(void *argument)
{
    struct scene *s = argument;
    memset(loan_of(s->tx, s->length), 0xff, s->length);
    step_to(&s->step, 1);
    step_wait(&s->step, 99);
    return 0;
}

static void loan_of_a_killed_process_is_skipped(void)
{
    for (size_t cells = 1; cells <= 3; cells++) {
        struct scene *s = scene_open(8);
        s->length = cells * sizeof(int);
        for (int round = 0; round < 5; round++) {
            send_int(s->tx, 1);
            step_to(&s->step, 0);
            worker victim = worker_start(PROCESSES, dies_with_a_loan, s);
            step_wait(&s->step, 1);
            send_int(s->tx, 2);
            expect_int(s->rx, 1);
            expect_silence(s->rx);
            kill(worker_pid(victim), SIGKILL);
            expect_int(s->rx, 2);
            assert_int_equal(worker_join(victim), 128 + SIGKILL);
            fill_exactly(s->tx, s->rx, 8);
        }
        assert_int_equal(stats_of(s->name).holes, 5 * cells);
        /* With nothing behind it, too. */
        step_to(&s->step, 0);
        worker victim = worker_start(PROCESSES, dies_with_a_loan, s);
        step_wait(&s->step, 1);
        mpsc_sender_close(s->tx);
        kill(worker_pid(victim), SIGKILL);
        expect_end(s->rx);
        assert_int_equal(worker_join(victim), 128 + SIGKILL);
        mpsc_receiver_close(s->rx);
    }
}

static int dies_with_three_loans(void *argument)
{
    struct scene *s = argument;
    mpsc_sender *clone[3];
    for (int i = 0; i < 3; i++) {
        clone[i] = clone_of(s->tx);
        loan_int(clone[i], 90 + i);
        send_int(s->tx, i);
    }
    step_to(&s->step, 1);
    step_wait(&s->step, 99);
    return 0;
}

/* The messages that it did send stand between the loans that it did not. */
static void only_the_loans_of_a_killed_process_are_skipped(void)
{
    struct scene *s = scene_open(16);
    worker victim = worker_start(PROCESSES, dies_with_three_loans, s);
    step_wait(&s->step, 1);
    kill(worker_pid(victim), SIGKILL);
    assert_int_equal(worker_join(victim), 128 + SIGKILL);
    for (int i = 0; i < 3; i++)
        expect_int(s->rx, i);
    fill_exactly(s->tx, s->rx, 16);
    scene_close(s);
}

static int sends_one(void *argument)
{
    struct scene *s = argument;
    send_int(s->tx, 2);
    return 0;
}

/* Its loan fills the ring; who waits for room gets it. */
static void room_of_a_killed_process_is_room_again(void)
{
    struct scene *s = scene_open(2);
    s->length = 2 * sizeof(int);
    worker victim = worker_start(PROCESSES, dies_with_a_loan, s);
    step_wait(&s->step, 1);
    worker sender = worker_start(PROCESSES, sends_one, s);
    wait_asleep(sender);
    kill(worker_pid(victim), SIGKILL);
    expect_int(s->rx, 2);
    assert_int_equal(worker_join(victim), 128 + SIGKILL);
    assert_int_equal(worker_join(sender), 0);
    fill_exactly(s->tx, s->rx, 2);
    scene_close(s);
}

/* Takes the seat from the test, which has not received yet. */
static int dies_with_a_peek(void *argument)
{
    struct scene *s = argument;
    const int *message = peek_of(s->rx, sizeof *message);
    assert_int_equal(*message, 1);
    step_to(&s->step, 1);
    step_wait(&s->step, 99);
    return 0;
}

static bool receives_one(void *argument)
{
    struct scene *s = argument;
    int value = -1;
    mpsc_status status = mpsc_try_recv(s->rx, &value, sizeof value, NULL);
    if (status == MPSC_BUSY)
        return false;
    assert_status(status, MPSC_OK);
    assert_int_equal(value, 1);
    return true;
}

static void peeked_message_of_a_killed_process_is_delivered_again(void)
{
    struct scene *s = scene_open(4);
    send_int(s->tx, 1);
    send_int(s->tx, 2);
    worker victim = worker_start(PROCESSES, dies_with_a_peek, s);
    step_wait(&s->step, 1);
    kill(worker_pid(victim), SIGKILL);
    assert_int_equal(worker_join(victim), 128 + SIGKILL);
    wait_until(receives_one, s);
    expect_int(s->rx, 2);
    assert_int_equal(stats_of(s->name).takeovers, 1);
    scene_close(s);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(loan_becomes_a_message),
        TEST(loans_and_peeks_are_aligned),
        TEST(loan_may_shrink),
        TEST(long_loan_may_shrink_to_few_cells),
        TEST(longer_than_borrowed_is_invalid),
        TEST(foreign_pointer_is_invalid_and_changes_nothing),
        TEST(loan_ends_once),
        TEST(nothing_else_goes_while_a_loan_is_out),
        TEST(loan_takes_room),
        TEST(loan_outlives_the_receiver_but_is_not_sent),
        TEST(close_cancels_a_loan),
        TEST_BOTH(rendezvous_by_loan_waits_until_taken),
        TEST_BOTH(rendezvous_by_try_loan_needs_a_waiting_receiver),
        TEST(peek_gives_the_next_message_in_place),
        TEST(nothing_is_received_while_a_peek_is_out),
        TEST(peek_takes_room),
        TEST(release_of_anything_else_is_invalid),
        TEST(close_leaves_a_peeked_message_queued),
        TEST(loan_of_a_killed_process_is_skipped),
        TEST(only_the_loans_of_a_killed_process_are_skipped),
        TEST(room_of_a_killed_process_is_room_again),
        TEST(peeked_message_of_a_killed_process_is_delivered_again),
    };
    return harness_main("ownership", tests, sizeof tests / sizeof *tests);
}
