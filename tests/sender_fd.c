/* SPDX-License-Identifier: MIT */
/* mpsc_sender_fd: readable while there is room, or no receiver any more, and a loop that polls it finds all
 * room; and channels and handles that have no descriptor, of a sender or of a receiver. */
#include "polling.h"

#include <signal.h>

static int tx_fd(mpsc_sender *tx)
{
    int fd = -1;
    assert_status(mpsc_sender_fd(tx, &fd), MPSC_OK);
    assert_true(fd >= 0);
    return fd;
}

/* ------------------------------------------------------------------ room, and the receiver's end */

static void expect_full(mpsc_sender *tx, int fd)
{
    assert_status(mpsc_try_send(tx, &(int){9}, sizeof(int)), MPSC_FULL);
    assert_int_equal(tx_fd(tx), fd); /* asking again changes nothing */
    assert_false(readable(fd));
}

static void readable_while_there_is_room(void)
{
    struct ends e = ends_open(sizeof(int), 3);
    mpsc_sender *other = clone_of(e.tx);
    int fd = tx_fd(e.tx), others = tx_fd(other);
    assert_int_equal(tx_fd(e.tx), fd);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 3; i++) {
            assert_true(readable(fd));
            assert_status(mpsc_try_send(e.tx, &i, sizeof i), MPSC_OK);
        }
        expect_full(e.tx, fd);
        expect_full(other, others);
        expect_int(e.rx, 0);
        wait_readable(fd);
        wait_readable(others);
        assert_status(mpsc_try_send(other, &(int){4}, sizeof(int)), MPSC_OK);
        expect_full(e.tx, fd);
        expect_int(e.rx, 1);
        wait_readable(fd);
        expect_int(e.rx, 2);
        expect_int(e.rx, 4);
    }
    mpsc_receiver_close(e.rx);
    wait_readable(fd);
    assert_status(mpsc_try_send(e.tx, &(int){1}, sizeof(int)), MPSC_DISCONNECTED);
    mpsc_sender_close(other);
    mpsc_sender_close(e.tx);
}

static int takes_all_by_and_by(void *argument)
{
    struct partner *partner = argument;
    uint64_t state = 1;
    mpsc_sender_close(partner->tx);
    MPSC_FOR_EACH (int, value, partner->rx) {
        assert_int_equal(value, partner->value++);
        dawdle(&state, 500);
    }
    mpsc_receiver_close(partner->rx);
    return partner->value == (int)scaled(50000) ? 0 : 1;
}

static void a_loop_that_sends_finds_all_room(enum mode mode)
{
    struct ends e = ends_open(sizeof(int), 4);
    struct partner partner = {.rx = e.rx};
    int fd = tx_fd(e.tx), count = (int)scaled(50000);
    partner.tx = mode == PROCESSES ? e.tx : NULL;
    worker w = worker_start(mode, takes_all_by_and_by, &partner);
    copy_close_receiver(mode, e.rx);
    for (int i = 0; i < count; i++)
        while (mpsc_try_send(e.tx, &i, sizeof i) != MPSC_OK)
            wait_readable(fd);
    mpsc_sender_close(e.tx);
    assert_int_equal(worker_join(w), 0);
}

static int holds_the_seat(void *argument)
{
    struct partner *partner = argument;
    int value;
    mpsc_sender_close(partner->tx);
    assert_status(try_int(partner->rx, &value), MPSC_OK);
    atomic_store(&partner->ready, 1);
    pause();
    return 1;
}

static void a_killed_receiver_is_readable(enum mode mode)
{
    struct partner *partner = shared_memory(sizeof *partner);
    struct ends e = ends_open(sizeof(int), 1);
    (void)mode;
    *partner = (struct partner){.tx = e.tx, .rx = e.rx};
    send_int(e.tx, 1);
    worker w = worker_start(PROCESSES, holds_the_seat, partner);
    mpsc_receiver_close(e.rx);
    wait_for(&partner->ready);
    int fd = tx_fd(e.tx);
    assert_status(mpsc_try_send(e.tx, &(int){1}, sizeof(int)), MPSC_OK);
    expect_full(e.tx, fd);
    kill(worker_pid(w), SIGKILL);
    mpsc_status status;
    do {
        wait_readable(fd);
        status = mpsc_try_send(e.tx, &(int){1}, sizeof(int));
    } while (status == MPSC_FULL);
    assert_status(status, MPSC_DISCONNECTED);
    assert_int_equal(worker_join(w), 128 + SIGKILL);
    mpsc_sender_close(e.tx);
}

/* ------------------------------------------------------------------ fork */

static int polls_for_room(void *argument)
{
    struct partner *partner = argument;
    int fd = tx_fd(partner->tx), two[2] = {8, 9};
    mpsc_receiver_close(partner->rx);
    wait_for(&partner->ready);
    /* Room for one is none for this: it finds nothing, and waits anew. */
    assert_status(mpsc_try_send(partner->tx, two, sizeof two), MPSC_FULL);
    step_to(&partner->step, 1);
    mpsc_status status;
    do { /* the room comes in two parts */
        wait_readable(fd);
        status = mpsc_try_send(partner->tx, two, sizeof two);
    } while (status == MPSC_FULL);
    assert_status(status, MPSC_OK);
    mpsc_sender_close(partner->tx);
    return 0;
}

/* An inherited sender is one more, and what one of them was told the other hears as well. */
static void a_child_s_sender_hears_for_itself(enum mode mode)
{
    struct partner *partner = shared_memory(sizeof *partner);
    struct ends e = ends_open(sizeof(int), 4);
    int fd = tx_fd(e.tx);
    (void)mode;
    for (int i = 0; i < 4; i++)
        send_int(e.tx, i);
    *partner = (struct partner){.tx = e.tx, .rx = e.rx};
    worker w = worker_start(PROCESSES, polls_for_room, partner);
    assert_status(mpsc_try_send(e.tx, &(int){9}, sizeof(int)), MPSC_FULL);
    expect_int(e.rx, 0);
    atomic_store(&partner->ready, 1);
    step_wait(&partner->step, 1);
    wait_readable(fd);
    assert_status(mpsc_try_send(e.tx, &(int){4}, sizeof(int)), MPSC_OK);
    expect_int(e.rx, 1);
    expect_int(e.rx, 2);
    assert_int_equal(worker_join(w), 0);
    ends_close(e);
}

/* ------------------------------------------------------------------ none, or none any more */

static void what_has_no_descriptor(void)
{
    struct ends rendezvous = ends_open(sizeof(int), 0);
    struct ends unbounded = ends_open(sizeof(int), MPSC_UNBOUNDED);
    int fd = -1;
    assert_status(mpsc_sender_fd(rendezvous.tx, &fd), MPSC_INVALID);
    assert_status(mpsc_sender_fd(unbounded.tx, &fd), MPSC_INVALID);
    assert_status(mpsc_sender_fd(NULL, &fd), MPSC_INVALID);
    assert_status(mpsc_sender_fd(unbounded.tx, NULL), MPSC_INVALID);
    assert_status(mpsc_receiver_fd(NULL, &fd), MPSC_INVALID);
    assert_status(mpsc_receiver_fd(unbounded.rx, NULL), MPSC_INVALID);
    assert_int_equal(fd, -1);
    ends_close(rendezvous);
    ends_close(unbounded);
}

/* What the program opened in their place is not ours. */
static int closes_all_descriptors(void *argument)
{
    (void)argument;
    struct ends e = ends_open(sizeof(int), 4);
    int value, first = rx_fd(e.rx), ends[2], count = 0, fd = -1;
    int others[16];
    (void)tx_fd(e.tx);
    for (int number = 3; number < first + 64; number++)
        close(number);
    while (count < 14) {
        assert_int_equal(pipe(ends), 0);
        others[count++] = ends[0];
        others[count++] = ends[1];
    }
    assert_status(try_int(e.rx, &value), MPSC_EMPTY);
    send_int(e.tx, 1);
    expect_int(e.rx, 1);
    assert_status(mpsc_receiver_fd(e.rx, &fd), MPSC_DENIED);
    assert_status(mpsc_sender_fd(e.tx, &fd), MPSC_DENIED);
    assert_int_equal(fd, -1);
    ends_close(e);
    while (count > 0)
        assert_int_equal(close(others[--count]), 0);
    return 0;
}

static void descriptors_that_were_closed_are_not_ours(enum mode mode)
{
    assert_int_equal(worker_join(worker_start(mode, closes_all_descriptors, NULL)), 0);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(readable_while_there_is_room),
        TEST_BOTH(a_loop_that_sends_finds_all_room),
        TEST_PROCESSES(a_killed_receiver_is_readable),
        TEST_PROCESSES(a_child_s_sender_hears_for_itself),
        TEST(what_has_no_descriptor),
        TEST_PROCESSES(descriptors_that_were_closed_are_not_ours),
    };
    return harness_main("sender_fd", tests, sizeof tests / sizeof *tests);
}
