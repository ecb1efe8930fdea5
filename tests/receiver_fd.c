/* SPDX-License-Identifier: MIT */
/* mpsc_receiver_fd: readable while there is something to receive, a message or a disconnect, and a loop that
 * polls it misses nothing; it goes with the seat. (Deaths, and names that go: poller_is_told.c.) */
#include "polling.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>

/* ------------------------------------------------------------------ readable or not */

static void readable_while_messages_wait(void)
{
    static const size_t bounds[] = {1, 4, MPSC_UNBOUNDED};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        struct ends e = ends_open(sizeof(int), bounds[i]);
        int fd = rx_fd(e.rx), value;
        for (int round = 0; round < 100; round++) {
            expect_nothing(e.rx, fd);
            int count = bounds[i] == 1 ? 1 : round % 4 + 1;
            for (int n = 0; n < count; n++)
                send_int(e.tx, n);
            for (int n = 0; n < count; n++) {
                assert_true(readable(fd));
                assert_status(try_int(e.rx, &value), MPSC_OK);
                assert_int_equal(value, n);
            }
        }
        expect_nothing(e.rx, fd);
        ends_close(e);
    }
}

static void asked_for_once_and_late(void)
{
    struct ends e = ends_open(sizeof(int), 4);
    int fd = rx_fd(e.rx);
    assert_false(readable(fd));
    assert_int_equal(rx_fd(e.rx), fd);
    ends_close(e);

    e = ends_open(sizeof(int), 4);
    send_int(e.tx, 1);
    fd = rx_fd(e.rx);
    wait_readable(fd);
    expect_int(e.rx, 1);
    expect_nothing(e.rx, fd);
    ends_close(e);
}

/* Whatever the receiver is called by, it says that there is nothing. */
static void every_way_to_receive_settles_it(void)
{
    struct ends e = ends_open(sizeof(int), 4);
    int fd = rx_fd(e.rx), value;
    struct iovec vector = {&value, sizeof value};
    size_t received;
    mpsc_status status;

    send_int(e.tx, 1);
    const void *message = mpsc_try_peek(e.rx, NULL, &status);
    assert_lent(message, status);
    assert_true(readable(fd));
    assert_status(mpsc_release(e.rx, message), MPSC_OK);
    assert_null(mpsc_try_peek(e.rx, NULL, &status));
    assert_status(status, MPSC_EMPTY);
    assert_false(readable(fd));

    send_int(e.tx, 2);
    send_int(e.tx, 3);
    assert_status(mpsc_try_recv_batch(e.rx, &vector, 1, &received), MPSC_OK);
    assert_true(readable(fd));
    assert_status(mpsc_try_recv_batch(e.rx, &vector, 1, &received), MPSC_OK);
    assert_status(mpsc_try_recv_batch(e.rx, &vector, 1, &received), MPSC_EMPTY);
    assert_false(readable(fd));

    send_int(e.tx, 4);
    expect_int(e.rx, 4);
    assert_status(mpsc_recv_timeout(e.rx, &value, sizeof value, NULL, 0), MPSC_TIMEOUT);
    assert_false(readable(fd));
    ends_close(e);
}

/* A cell that was claimed and given back is no message, and hides none. */
static void a_loan_is_no_message_yet(void)
{
    struct ends e = ends_open(sizeof(int), 4);
    mpsc_sender *other = clone_of(e.tx);
    mpsc_status status;
    int fd = rx_fd(e.rx);
    int *loan = mpsc_loan(e.tx, sizeof *loan, &status);
    assert_lent(loan, status);
    expect_nothing(e.rx, fd);
    send_int(other, 2);
    int value;
    assert_status(try_int(e.rx, &value), MPSC_EMPTY); /* the loan comes first */
    *loan = 1;
    assert_status(mpsc_send_loan(e.tx, loan, sizeof *loan), MPSC_OK);
    poll_expect(e.rx, fd, 1);
    poll_expect(e.rx, fd, 2);
    expect_nothing(e.rx, fd);
    loan = mpsc_loan(e.tx, sizeof *loan, &status);
    assert_lent(loan, status);
    send_int(other, 3);
    assert_status(try_int(e.rx, &value), MPSC_EMPTY);
    assert_status(mpsc_cancel_loan(e.tx, loan), MPSC_OK);
    poll_expect(e.rx, fd, 3);
    expect_nothing(e.rx, fd);
    mpsc_sender_close(other);
    ends_close(e);
}

static int hands_over(void *argument)
{
    mpsc_sender *tx = argument;
    for (int i = 0; i < 100; i++)
        send_int(tx, i);
    mpsc_sender_close(tx);
    return 0;
}

static void a_rendezvous_is_polled_too(enum mode mode)
{
    struct ends e = ends_open(sizeof(int), 0);
    int fd = rx_fd(e.rx), value;
    /* Who polls does not wait in a call, so nobody's try is taken. */
    assert_status(mpsc_try_send(e.tx, &(int){1}, sizeof(int)), MPSC_FULL);
    worker w = worker_start(mode, hands_over, e.tx);
    copy_close_sender(mode, e.tx);
    for (int i = 0; i < 100; i++)
        poll_expect(e.rx, fd, i);
    assert_status(poll_int(e.rx, fd, &value), MPSC_DISCONNECTED);
    assert_int_equal(worker_join(w), 0);
    mpsc_receiver_close(e.rx);
}

/* ------------------------------------------------------------------ a loop misses nothing */

enum { SOURCES = 3 };

struct crowd {
    struct source source[SOURCES];
    worker worker[SOURCES];
    int next[SOURCES];
    mpsc_receiver *rx;
};

static void crowd_start(struct crowd *crowd, enum mode mode, size_t bound)
{
    struct ends e = ends_open(sizeof(int), bound);
    crowd->rx = e.rx;
    for (int i = 0; i < SOURCES; i++) {
        crowd->source[i] =
            (struct source){clone_of(e.tx), (uint64_t)i + 1, i << 24, (int)scaled(30000)};
        crowd->worker[i] = worker_start(mode, sends_in_bursts, &crowd->source[i]);
        copy_close_sender(mode, crowd->source[i].tx);
    }
    mpsc_sender_close(e.tx);
}

static void crowd_take(struct crowd *crowd, int value)
{
    int number = value >> 24;
    assert_in_range(number, 0, SOURCES - 1);
    assert_int_equal(value & 0xffffff, crowd->next[number]++);
}

static void crowd_end(struct crowd *crowd)
{
    for (int i = 0; i < SOURCES; i++) {
        assert_int_equal(worker_join(crowd->worker[i]), 0);
        assert_int_equal(crowd->next[i], crowd->source[i].count);
    }
    mpsc_receiver_close(crowd->rx);
}

/* One message each time that the descriptor is readable. */
static void takes_one_each_time(enum mode mode, size_t bound)
{
    struct crowd crowd = {0};
    int value;
    crowd_start(&crowd, mode, bound);
    int fd = rx_fd(crowd.rx);
    while (poll_int(crowd.rx, fd, &value) == MPSC_OK)
        crowd_take(&crowd, value);
    crowd_end(&crowd);
}

static void a_loop_that_takes_one_misses_none(enum mode mode)
{
    takes_one_each_time(mode, 16);
    takes_one_each_time(mode, MPSC_UNBOUNDED);
}

/* All that there is each time that it has become so. */
static void a_loop_that_drains_misses_none(enum mode mode)
{
    struct crowd crowd = {0};
    crowd_start(&crowd, mode, 16);
    int fd = rx_fd(crowd.rx), value;
    int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    assert_true(set >= 0);
    assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
    mpsc_status status = MPSC_EMPTY;
    while (status == MPSC_EMPTY) {
        assert_int_equal(epoll_wait(set, &event, 1, -1), 1);
        while ((status = try_int(crowd.rx, &value)) == MPSC_OK)
            crowd_take(&crowd, value);
    }
    assert_status(status, MPSC_DISCONNECTED);
    close(set);
    crowd_end(&crowd);
}

/* ------------------------------------------------------------------ the other side leaves */

static int closes_after_one(void *argument)
{
    mpsc_sender *tx = argument;
    send_int(tx, 1);
    mpsc_sender_close(tx);
    return 0;
}

static void a_disconnect_is_readable(enum mode mode)
{
    struct ends e = ends_open(sizeof(int), 4);
    int fd = rx_fd(e.rx), value;
    expect_nothing(e.rx, fd);
    worker w = worker_start(mode, closes_after_one, e.tx);
    copy_close_sender(mode, e.tx);
    poll_expect(e.rx, fd, 1);
    assert_status(poll_int(e.rx, fd, &value), MPSC_DISCONNECTED);
    /* It waits as long as nobody comes. */
    for (int i = 0; i < 3; i++) {
        assert_true(readable(fd));
        assert_status(try_int(e.rx, &value), MPSC_DISCONNECTED);
    }
    assert_int_equal(worker_join(w), 0);
    mpsc_receiver_close(e.rx);
}

static void a_disconnect_ends_when_somebody_comes(void)
{
    const char *name = channel_name();
    mpsc_sender *tx = open_tx(name, sizeof(int), 4);
    mpsc_receiver *rx = open_rx(name, sizeof(int), 4);
    int fd = rx_fd(rx), value;
    mpsc_sender_close(tx);
    assert_status(poll_int(rx, fd, &value), MPSC_DISCONNECTED);
    tx = open_tx(name, sizeof(int), 4);
    assert_status(try_int(rx, &value), MPSC_EMPTY);
    send_int(tx, 1);
    poll_expect(rx, fd, 1);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ what it costs a sender */

static int sends_between_stops(void *argument)
{
    struct partner *partner = argument;
    mpsc_receiver_close(partner->rx);
    send_int(partner->tx, 0);
    steps_begin(&partner->steps);
    for (int i = 0; i < partner->value; i++)
        send_int(partner->tx, i);
    steps_end(&partner->steps, 0);
    return 0;
}

/* System calls of so many sends to one who polls and has not looked yet. */
static unsigned long calls_of(int sends)
{
    struct partner *partner = shared_memory(sizeof *partner);
    struct ends e = ends_open(sizeof(int), 1000);
    int fd = rx_fd(e.rx), status;
    unsigned long stops = 0;
    *partner = (struct partner){.tx = e.tx, .rx = e.rx, .value = sends};
    worker w = steps_start(&partner->steps, sends_between_stops, partner);
    assert_true(readable(fd)); /* by its first message, and so it stays */
    while (!atomic_load(&partner->steps.done)) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, worker_pid(w), NULL, NULL), 0);
        assert_int_equal(waitpid(worker_pid(w), &status, 0), worker_pid(w));
        stops++;
    }
    steps_kill(w);
    ends_close(e);
    return stops;
}

static void no_system_call_while_it_is_readable(enum mode mode)
{
    (void)mode;
    assert_int_equal(calls_of(500), calls_of(1));
}

/* ------------------------------------------------------------------ memory */

/* From memory that is locked nothing is taken away. */
static void a_program_that_locks_its_memory_rings(void)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        harness_skip("memory cannot be locked here");
    struct ends e = ends_open(sizeof(int), 4);
    int fd = rx_fd(e.rx);
    for (int i = 0; i < 3; i++) {
        expect_nothing(e.rx, fd);
        send_int(e.tx, i);
        poll_expect(e.rx, fd, i);
    }
    ends_close(e);
    assert_int_equal(munlockall(), 0);
}

/* ------------------------------------------------------------------ fork and the seat */

static int receives_by_its_copy(void *argument)
{
    struct partner *partner = argument;
    int value;
    mpsc_sender_close(partner->tx);
    wait_for(&partner->ready); /* the seat is free */
    int fd = rx_fd(partner->rx);
    /* The parent's message, and those of after the fork. */
    for (int i = 0; i < 10; i++)
        poll_expect(partner->rx, fd, i);
    assert_status(poll_int(partner->rx, fd, &value), MPSC_DISCONNECTED);
    mpsc_receiver_close(partner->rx);
    return 0;
}

/* The child goes on where the parent stopped, whether something was there at the fork or not. */
static void a_child_polls_what_it_inherited(enum mode mode)
{
    (void)mode;
    for (int before = 0; before < 2; before++) {
        struct ends e = ends_open(sizeof(int), 16);
        struct partner *partner = shared_memory(sizeof *partner);
        *partner = (struct partner){.tx = e.tx, .rx = e.rx};
        expect_nothing(e.rx, rx_fd(e.rx));
        for (int i = 0; i < before; i++)
            send_int(e.tx, i);
        worker w = worker_start(PROCESSES, receives_by_its_copy, partner);
        mpsc_receiver_close(e.rx);
        atomic_store(&partner->ready, 1);
        for (int i = before; i < 10; i++)
            send_int(e.tx, i);
        mpsc_sender_close(e.tx);
        assert_int_equal(worker_join(w), 0);
    }
}

static int asks_in_vain(void *argument)
{
    int fd = -1;
    assert_status(mpsc_receiver_fd(argument, &fd), MPSC_BUSY);
    assert_int_equal(fd, -1);
    return 0;
}

static void it_needs_the_seat(enum mode mode)
{
    struct ends e = ends_open(sizeof(int), 4);
    int value;
    (void)mode;
    assert_status(try_int(e.rx, &value), MPSC_EMPTY);
    assert_int_equal(worker_join(worker_start(PROCESSES, asks_in_vain, e.rx)), 0);
    (void)rx_fd(e.rx); /* nor does it help to have inherited one */
    assert_int_equal(worker_join(worker_start(PROCESSES, asks_in_vain, e.rx)), 0);
    ends_close(e);
}

static int sits_for_a_while(void *argument)
{
    struct partner *partner = argument;
    int value;
    assert_status(try_int(partner->rx, &value), MPSC_EMPTY);
    step_to(&partner->step, 1);
    step_wait(&partner->step, 2);
    mpsc_receiver_close(partner->rx);
    step_to(&partner->step, 3);
    step_wait(&partner->step, 4);
    mpsc_sender_close(partner->tx);
    return 0;
}

/* The seat was another's when it was asked for first; it is ours by now, and messages wait. */
static void asked_for_in_vain_and_again(enum mode mode)
{
    struct partner *partner = shared_memory(sizeof *partner);
    struct ends e = ends_open(sizeof(int), 4);
    int fd;
    (void)mode;
    partner->tx = e.tx;
    partner->rx = e.rx;
    worker w = worker_start(PROCESSES, sits_for_a_while, partner);
    step_wait(&partner->step, 1);
    assert_status(mpsc_receiver_fd(e.rx, &fd), MPSC_BUSY);
    step_to(&partner->step, 2);
    step_wait(&partner->step, 3);
    send_int(e.tx, 0);
    send_int(e.tx, 1);
    expect_int(e.rx, 0);
    poll_expect(e.rx, rx_fd(e.rx), 1);
    step_to(&partner->step, 4);
    assert_int_equal(worker_join(w), 0);
    ends_close(e);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(readable_while_messages_wait),
        TEST(asked_for_once_and_late),
        TEST(every_way_to_receive_settles_it),
        TEST(a_loan_is_no_message_yet),
        TEST_BOTH(a_rendezvous_is_polled_too),
        TEST_BOTH(a_loop_that_takes_one_misses_none),
        TEST_BOTH(a_loop_that_drains_misses_none),
        TEST_BOTH(a_disconnect_is_readable),
        TEST(a_disconnect_ends_when_somebody_comes),
        TEST_PROCESSES(no_system_call_while_it_is_readable),
        TEST(a_program_that_locks_its_memory_rings),
        TEST_PROCESSES(a_child_polls_what_it_inherited),
        TEST_PROCESSES(it_needs_the_seat),
        TEST_PROCESSES(asked_for_in_vain_and_again),
    };
    return harness_main("receiver_fd", tests, sizeof tests / sizeof *tests);
}
