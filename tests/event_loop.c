/* SPDX-License-Identifier: MIT */
/* mpsc_receiver_fd and mpsc_sender_fd: readable while there is something to receive, or room; nobody who
 * polls them misses anything, whoever is killed or stopped in the middle of telling. */
#include "attachment.h"
#include "members.h"
#include "steps.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>

/* ------------------------------------------------------------------ polling */

static int rx_fd(mpsc_receiver *rx)
{
    int fd = -1;
    assert_status(mpsc_receiver_fd(rx, &fd), MPSC_OK);
    assert_true(fd >= 0);
    return fd;
}

static int tx_fd(mpsc_sender *tx)
{
    int fd = -1;
    assert_status(mpsc_sender_fd(tx, &fd), MPSC_OK);
    assert_true(fd >= 0);
    return fd;
}

static bool readable(int fd)
{
    struct pollfd pollable = {.fd = fd, .events = POLLIN};
    assert_in_range(poll(&pollable, 1, 0), 0, 1);
    return pollable.revents & POLLIN;
}

/* Sleeps until it is; the watchdog knows for how long. */
static void wait_readable(int fd)
{
    struct pollfd pollable = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&pollable, 1, -1), 1);
    assert_int_equal(pollable.revents, POLLIN);
}

static mpsc_status try_int(mpsc_receiver *rx, int *value)
{
    return mpsc_try_recv(rx, value, sizeof *value, NULL);
}

/* As a loop does: waits, tries, and when there was nothing after all, waits again. */
static mpsc_status poll_int(mpsc_receiver *rx, int fd, int *value)
{
    mpsc_status status;
    do {
        wait_readable(fd);
        status = try_int(rx, value);
    } while (status == MPSC_EMPTY);
    return status;
}

/* The same by mpsc_select. */
static mpsc_status select_int(mpsc_receiver *rx, int fd, int *value)
{
    mpsc_status status;
    size_t ready = 1;
    (void)fd;
    do {
        assert_status(mpsc_select(&rx, 1, MPSC_FOREVER, &ready), MPSC_OK);
        assert_int_equal(ready, 0);
        status = try_int(rx, value);
    } while (status == MPSC_EMPTY);
    return status;
}

static void poll_expect(mpsc_receiver *rx, int fd, int expected)
{
    int value = -1;
    assert_status(poll_int(rx, fd, &value), MPSC_OK);
    assert_int_equal(value, expected);
}

static void expect_nothing(mpsc_receiver *rx, int fd)
{
    int value;
    assert_status(try_int(rx, &value), MPSC_EMPTY);
    assert_false(readable(fd));
}

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

/* ------------------------------------------------------------------ nobody misses anything */

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

struct victim {
    struct steps steps;
    atomic_int ready, step;
    const char *name;
    mpsc_sender *tx;
    mpsc_receiver *rx;
    int value;
};

static int only_waits(void *argument)
{
    struct victim *victim = argument;
    mpsc_receiver_close(victim->rx);
    atomic_store(&victim->ready, 1);
    pause();
    return 1;
}

static void a_killed_sender_is_readable(enum mode mode)
{
    struct victim *victim = shared_memory(sizeof *victim);
    struct ends e = ends_open(sizeof(int), 4);
    int fd = rx_fd(e.rx), value;
    (void)mode;
    victim->rx = e.rx;
    worker w = worker_start(PROCESSES, only_waits, victim);
    mpsc_sender_close(e.tx);
    wait_for(&victim->ready);
    expect_nothing(e.rx, fd);
    kill(worker_pid(w), SIGKILL);
    assert_status(poll_int(e.rx, fd, &value), MPSC_DISCONNECTED);
    assert_int_equal(worker_join(w), 128 + SIGKILL);
    mpsc_receiver_close(e.rx);
}

/* Before there was a descriptor that could hear of it, and after one has looked. */
static void a_sender_killed_before_one_polls_is_readable(enum mode mode)
{
    struct victim *victim = shared_memory(sizeof *victim);
    struct ends e = ends_open(sizeof(int), 4);
    int value;
    (void)mode;
    victim->rx = e.rx;
    worker w = worker_start(PROCESSES, only_waits, victim);
    mpsc_sender_close(e.tx);
    wait_for(&victim->ready);
    assert_status(try_int(e.rx, &value), MPSC_EMPTY);
    kill(worker_pid(w), SIGKILL);
    assert_int_equal(worker_join(w), 128 + SIGKILL);
    assert_status(poll_int(e.rx, rx_fd(e.rx), &value), MPSC_DISCONNECTED);
    mpsc_receiver_close(e.rx);
}

/* ------------------------------------------------------------------ killed and stopped while it tells */

static int sends_in_steps(void *argument)
{
    struct victim *victim = argument;
    mpsc_receiver_close(victim->rx);
    steps_begin(&victim->steps);
    mpsc_status status = mpsc_send(victim->tx, &victim->value, sizeof victim->value);
    steps_end(&victim->steps, status);
    return 0;
}

/* A child that has gone so far in a send to one who listens; false: it was through before. */
static bool victim_go(struct victim *victim, unsigned long instructions, worker *w)
{
    bool inside = true;
    int value;
    *w = steps_start(&victim->steps, sends_in_steps, victim);
    /* Not before: that a process comes rings as well. */
    assert_status(try_int(victim->rx, &value), MPSC_EMPTY);
    for (unsigned long i = 0; i < instructions && inside; i++)
        inside = steps_next(&victim->steps, *w);
    return inside;
}

/* What it had committed comes, and then the news that it is gone. */
static bool killed_after(unsigned long instructions, bool by_fd)
{
    mpsc_status (*wait_int)(mpsc_receiver *, int, int *) = by_fd ? poll_int : select_int;
    struct victim *victim = shared_memory(sizeof *victim);
    struct ends e = ends_open(sizeof(int), 4);
    int value = -1, fd = by_fd ? rx_fd(e.rx) : -1;
    worker w;
    *victim = (struct victim){.tx = e.tx, .rx = e.rx, .value = 7};
    bool inside = victim_go(victim, instructions, &w);
    mpsc_sender_close(e.tx);
    steps_kill(w);
    mpsc_status status = wait_int(e.rx, fd, &value);
    if (status == MPSC_OK) {
        assert_int_equal(value, 7);
        status = wait_int(e.rx, fd, &value);
    } else if (!inside) {
        fail_msg("after %lu instructions, all of the call: the message is lost", instructions);
    }
    assert_status(status, MPSC_DISCONNECTED);
    mpsc_receiver_close(e.rx);
    return inside;
}

static bool killed_polled(unsigned long instructions)
{
    return killed_after(instructions, true);
}

static bool killed_selected(unsigned long instructions)
{
    return killed_after(instructions, false);
}

/* After every so many instructions, while that is inside the call; another offset in each run. */
static void at_a_stride(bool (*is_inside)(unsigned long))
{
    harness_timeout(120);
    unsigned long step = 1 + 600 / swept(100), at = now_ns() / 1000 % step;
    steps_must_be_instructions(); /* now: the process that tries it would be one that came and went */
    while (is_inside(at))
        at += step;
}

static void killed_at_any_instruction_a_poll_hears_of_it(enum mode mode)
{
    (void)mode;
    at_a_stride(killed_polled);
}

static void killed_at_any_instruction_a_select_hears_of_it(enum mode mode)
{
    (void)mode;
    at_a_stride(killed_selected);
}

/* Polls until that one has come. */
static void poll_until(mpsc_receiver *rx, int fd, int last)
{
    int value = -1;
    while (value != last)
        assert_status(poll_int(rx, fd, &value), MPSC_OK);
}

/* One that is stopped holds up nobody's news, and when it goes on it does not undo that the receiver
 * listens again. A channel of its own for each point: the end of a process makes a bell readable for a
 * while, and would hide a loss. */
static bool stopped_after(unsigned long instructions)
{
    struct victim *victim = shared_memory(sizeof *victim);
    struct ends e = ends_open(sizeof(int), 4);
    int fd = rx_fd(e.rx), value = -1;
    worker w;
    *victim = (struct victim){.tx = e.tx, .rx = e.rx, .value = 1};
    bool inside = victim_go(victim, instructions, &w);
    send_int(e.tx, 2);
    wait_readable(fd);
    /* To the end, or to the cell that the stopped one has claimed; and listens anew. */
    while (try_int(e.rx, &value) == MPSC_OK)
        continue;
    assert_false(readable(fd));
    if (inside) {
        steps_let_go(w);
        wait_for(&victim->steps.done);
    }
    send_int(e.tx, 3);
    poll_until(e.rx, fd, 3);
    while (try_int(e.rx, &value) == MPSC_OK)
        continue;
    send_int(e.tx, 4);
    poll_until(e.rx, fd, 4);
    steps_kill(w);
    ends_close(e);
    return inside;
}

static void stopped_at_any_instruction_it_hides_nobody(enum mode mode)
{
    (void)mode;
    at_a_stride(stopped_after);
}

/* ------------------------------------------------------------------ what comes while one looks */

static int receives_in_steps(void *argument)
{
    struct victim *victim = argument;
    int value = -1, fd = rx_fd(victim->rx);
    assert_status(try_int(victim->rx, &value), MPSC_EMPTY); /* it has the seat, and the ring */
    steps_begin(&victim->steps);
    mpsc_status status = try_int(victim->rx, &value);
    atomic_store(&victim->steps.done, 1);
    if (status != MPSC_EMPTY)
        assert_status(status, MPSC_OK);
    wait_readable(fd);
    return 0;
}

/* Two messages come after so many instructions of a call that finds nothing at first: it may return one of
 * them, and for what is left the descriptor is readable. */
static bool comes_after(unsigned long instructions)
{
    struct victim *victim = shared_memory(sizeof *victim);
    const char *name = channel_name();
    mpsc_sender *tx = open_tx(name, sizeof(int), 4);
    bool inside = true;
    victim->rx = open_rx(name, sizeof(int), 4); /* nobody has received: the child takes the seat */
    worker w = steps_start(&victim->steps, receives_in_steps, victim);
    for (unsigned long i = 0; i < instructions && inside; i++)
        inside = steps_next(&victim->steps, w);
    send_int(tx, 1);
    send_int(tx, 2);
    steps_let_go(w);
    assert_int_equal(worker_join(w), 0);
    mpsc_receiver_close(victim->rx);
    mpsc_sender_close(tx);
    return inside;
}

static void what_comes_while_one_looks_is_told(enum mode mode)
{
    (void)mode;
    at_a_stride(comes_after);
}

/* ------------------------------------------------------------------ a death that is slow */

/* The kernel tells of the end of a mapping before its locks end. Here that takes long: a member whose lock
 * is let go later, of which the kernel says nothing. */
static void dies_slowly(bool heard)
{
    struct ends e = ends_open(sizeof(int), 4);
    const struct segment *segment = ((const struct handle *)e.rx)->segment;
    struct member member = {.registry = segment->registry};
    int fd = heard ? rx_fd(e.rx) : -1, value, locked, slot = member_claim(segment, &locked);
    assert_in_range(slot, 0, MPSC_MAX_PROCESSES - 1);
    member.registry.slot = (unsigned)slot;
    member.registry.generation = registry_new_generation(&member.registry);
    member_attach(&member);
    (void)member_add(&member, OWNER_SENDER);
    mpsc_sender_close(e.tx);
    assert_status(try_int(e.rx, &value), MPSC_EMPTY);
    if (heard) {
        os_close(os_shm_reopen(segment->fd)); /* the news */
        wait_readable(fd);
    } else {
        atomic_store(news_of(segment, member.registry.slot), OS_NEWS_DIED);
        fd = rx_fd(e.rx);
    }
    assert_status(try_int(e.rx, &value), MPSC_EMPTY); /* it lives, as far as one can see */
    struct flock unlock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    unlock.l_start = (off_t)(LOCK_PROCESS + member.registry.slot);
    unlock.l_len = 1;
    assert_int_equal(fcntl(locked, F_OFD_SETLK, &unlock), 0);
    assert_status(poll_int(e.rx, fd, &value), MPSC_DISCONNECTED);
    os_close(locked);
    mpsc_receiver_close(e.rx);
}

static void a_slow_death_is_found_out(void)
{
    dies_slowly(true);
}

static void a_slow_death_that_began_before_is_too(void)
{
    dies_slowly(false);
}

/* ------------------------------------------------------------------ names and memory */

/* The kernel forgets whom to tell when a file loses its last name, one at a time for each way that it was
 * opened by. */
static int opens_and_sends(void *argument)
{
    struct victim *victim = argument;
    mpsc_sender *tx = open_tx((const char *)victim->name, sizeof(int), 16);
    mpsc_sender *more = clone_of(tx);
    atomic_store(&victim->ready, 1);
    step_wait(&victim->step, 1);
    send_int(tx, 1);
    mpsc_sender_close(tx);
    step_wait(&victim->step, 2);
    send_int(more, 2);
    mpsc_sender_close(more);
    return 0;
}

static void a_name_that_goes_takes_nothing_along(enum mode mode)
{
    for (int created = 0; created < 2; created++) {
        struct victim *victim = shared_memory(sizeof *victim);
        const char *name = channel_name();
        mpsc_receiver *rx = NULL;
        int value;
        victim->name = name;
        if (created)
            rx = open_rx(name, sizeof(int), 16);
        worker w = worker_start(mode, opens_and_sends, victim);
        wait_for(&victim->ready);
        if (!created)
            rx = open_rx(name, sizeof(int), 16);
        int fd = rx_fd(rx);
        assert_status(try_int(rx, &value), MPSC_EMPTY);
        /* Not by mpsc_unlink, which opens and closes: that rings, and for some seconds hides a loss. */
        assert_int_equal(unlink(channel_path(name)), 0);
        step_to(&victim->step, 1);
        poll_expect(rx, fd, 1);
        assert_status(try_int(rx, &value), MPSC_EMPTY);
        step_to(&victim->step, 2);
        poll_expect(rx, fd, 2);
        assert_status(poll_int(rx, fd, &value), MPSC_DISCONNECTED);
        assert_int_equal(worker_join(w), 0);
        mpsc_receiver_close(rx);
    }
}

static int creates_a_durable_one(void *argument)
{
    struct victim *victim = argument;
    mpsc_options options = options_of(sizeof(int), 16);
    mpsc_sender *tx;
    options.durable = 1;
    assert_status(mpsc_open_sender(victim->name, &options, &tx), MPSC_OK);
    mpsc_sender_close(tx);
    return 0;
}

/* From then on the scoped rules hold, and all senders have left. */
static void a_durable_name_that_goes_is_readable(enum mode mode)
{
    struct victim *victim = shared_memory(sizeof *victim);
    mpsc_receiver *rx;
    int value;
    (void)mode;
    victim->name = channel_name();
    assert_int_equal(worker_join(worker_start(PROCESSES, creates_a_durable_one, victim)), 0);
    assert_status(mpsc_open_receiver(victim->name, NULL, &rx), MPSC_OK);
    int fd = rx_fd(rx);
    assert_status(try_int(rx, &value), MPSC_EMPTY);
    assert_int_equal(unlink(channel_path(victim->name)), 0);
    assert_status(poll_int(rx, fd, &value), MPSC_DISCONNECTED);
    mpsc_receiver_close(rx);
}

/* Its creator has gone as well, which is one of those ways. */
static void a_creator_that_goes_takes_nothing_along(enum mode mode)
{
    struct victim *victim = shared_memory(sizeof *victim);
    const char *name = channel_name();
    int value;
    (void)mode;
    victim->name = name;
    worker w = worker_start(PROCESSES, opens_and_sends, victim);
    wait_for(&victim->ready);
    mpsc_receiver *rx = open_rx(name, sizeof(int), 16);
    mpsc_sender *tx = open_tx(name, sizeof(int), 16);
    int fd = rx_fd(rx);
    assert_status(mpsc_unlink(name), MPSC_OK);
    step_to(&victim->step, 1);
    poll_expect(rx, fd, 1);
    step_to(&victim->step, 2);
    poll_expect(rx, fd, 2);
    assert_int_equal(worker_join(w), 0);
    for (int i = 0; i < 3; i++) {
        assert_status(try_int(rx, &value), MPSC_EMPTY);
        send_int(tx, i);
        poll_expect(rx, fd, i);
    }
    mpsc_sender_close(tx);
    assert_status(poll_int(rx, fd, &value), MPSC_DISCONNECTED);
    mpsc_receiver_close(rx);
}

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

/* ------------------------------------------------------------------ what it costs a sender */

static int sends_between_stops(void *argument)
{
    struct victim *victim = argument;
    mpsc_receiver_close(victim->rx);
    send_int(victim->tx, 0);
    steps_begin(&victim->steps);
    for (int i = 0; i < victim->value; i++)
        send_int(victim->tx, i);
    steps_end(&victim->steps, 0);
    return 0;
}

/* System calls of so many sends to one who polls and has not looked yet. */
static unsigned long calls_of(int sends)
{
    struct victim *victim = shared_memory(sizeof *victim);
    struct ends e = ends_open(sizeof(int), 1000);
    int fd = rx_fd(e.rx), status;
    unsigned long stops = 0;
    *victim = (struct victim){.tx = e.tx, .rx = e.rx, .value = sends};
    worker w = steps_start(&victim->steps, sends_between_stops, victim);
    assert_true(readable(fd)); /* by its first message, and so it stays */
    while (!atomic_load(&victim->steps.done)) {
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

/* ------------------------------------------------------------------ fork */

static int receives_by_its_copy(void *argument)
{
    struct victim *victim = argument;
    int value;
    mpsc_sender_close(victim->tx);
    wait_for(&victim->ready); /* the seat is free */
    int fd = rx_fd(victim->rx);
    /* The parent's message, and those of after the fork. */
    for (int i = 0; i < 10; i++)
        poll_expect(victim->rx, fd, i);
    assert_status(poll_int(victim->rx, fd, &value), MPSC_DISCONNECTED);
    mpsc_receiver_close(victim->rx);
    return 0;
}

/* The child goes on where the parent stopped, whether something was there at the fork or not. */
static void a_child_polls_what_it_inherited(enum mode mode)
{
    (void)mode;
    for (int before = 0; before < 2; before++) {
        struct ends e = ends_open(sizeof(int), 16);
        struct victim *victim = shared_memory(sizeof *victim);
        *victim = (struct victim){.tx = e.tx, .rx = e.rx};
        expect_nothing(e.rx, rx_fd(e.rx));
        for (int i = 0; i < before; i++)
            send_int(e.tx, i);
        worker w = worker_start(PROCESSES, receives_by_its_copy, victim);
        mpsc_receiver_close(e.rx);
        atomic_store(&victim->ready, 1);
        for (int i = before; i < 10; i++)
            send_int(e.tx, i);
        mpsc_sender_close(e.tx);
        assert_int_equal(worker_join(w), 0);
    }
}

static int polls_for_room(void *argument)
{
    struct victim *victim = argument;
    int fd = tx_fd(victim->tx), two[2] = {8, 9};
    mpsc_receiver_close(victim->rx);
    wait_for(&victim->ready);
    /* Room for one is none for this: it finds nothing, and waits anew. */
    assert_status(mpsc_try_send(victim->tx, two, sizeof two), MPSC_FULL);
    step_to(&victim->step, 1);
    mpsc_status status;
    do { /* the room comes in two parts */
        wait_readable(fd);
        status = mpsc_try_send(victim->tx, two, sizeof two);
    } while (status == MPSC_FULL);
    assert_status(status, MPSC_OK);
    mpsc_sender_close(victim->tx);
    return 0;
}

/* An inherited sender is one more, and what one of them was told the other hears as well. */
static void a_child_s_sender_hears_for_itself(enum mode mode)
{
    struct victim *victim = shared_memory(sizeof *victim);
    struct ends e = ends_open(sizeof(int), 4);
    int fd = tx_fd(e.tx);
    (void)mode;
    for (int i = 0; i < 4; i++)
        send_int(e.tx, i);
    *victim = (struct victim){.tx = e.tx, .rx = e.rx};
    worker w = worker_start(PROCESSES, polls_for_room, victim);
    assert_status(mpsc_try_send(e.tx, &(int){9}, sizeof(int)), MPSC_FULL);
    expect_int(e.rx, 0);
    atomic_store(&victim->ready, 1);
    step_wait(&victim->step, 1);
    wait_readable(fd);
    assert_status(mpsc_try_send(e.tx, &(int){4}, sizeof(int)), MPSC_OK);
    expect_int(e.rx, 1);
    expect_int(e.rx, 2);
    assert_int_equal(worker_join(w), 0);
    ends_close(e);
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
    struct victim *victim = argument;
    int value;
    assert_status(try_int(victim->rx, &value), MPSC_EMPTY);
    step_to(&victim->step, 1);
    step_wait(&victim->step, 2);
    mpsc_receiver_close(victim->rx);
    step_to(&victim->step, 3);
    step_wait(&victim->step, 4);
    mpsc_sender_close(victim->tx);
    return 0;
}

/* The seat was another's when it was asked for first; it is ours by now, and messages wait. */
static void asked_for_in_vain_and_again(enum mode mode)
{
    struct victim *victim = shared_memory(sizeof *victim);
    struct ends e = ends_open(sizeof(int), 4);
    int fd;
    (void)mode;
    victim->tx = e.tx;
    victim->rx = e.rx;
    worker w = worker_start(PROCESSES, sits_for_a_while, victim);
    step_wait(&victim->step, 1);
    assert_status(mpsc_receiver_fd(e.rx, &fd), MPSC_BUSY);
    step_to(&victim->step, 2);
    step_wait(&victim->step, 3);
    send_int(e.tx, 0);
    send_int(e.tx, 1);
    expect_int(e.rx, 0);
    poll_expect(e.rx, rx_fd(e.rx), 1);
    step_to(&victim->step, 4);
    assert_int_equal(worker_join(w), 0);
    ends_close(e);
}

/* ------------------------------------------------------------------ senders */

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
    struct victim *victim = argument;
    uint64_t state = 1;
    mpsc_sender_close(victim->tx);
    MPSC_FOR_EACH (int, value, victim->rx) {
        assert_int_equal(value, victim->value++);
        dawdle(&state, 500);
    }
    mpsc_receiver_close(victim->rx);
    return victim->value == (int)scaled(50000) ? 0 : 1;
}

static void a_loop_that_sends_finds_all_room(enum mode mode)
{
    struct ends e = ends_open(sizeof(int), 4);
    struct victim victim = {.rx = e.rx};
    int fd = tx_fd(e.tx), count = (int)scaled(50000);
    victim.tx = mode == PROCESSES ? e.tx : NULL;
    worker w = worker_start(mode, takes_all_by_and_by, &victim);
    copy_close_receiver(mode, e.rx);
    for (int i = 0; i < count; i++)
        while (mpsc_try_send(e.tx, &i, sizeof i) != MPSC_OK)
            wait_readable(fd);
    mpsc_sender_close(e.tx);
    assert_int_equal(worker_join(w), 0);
}

static int holds_the_seat(void *argument)
{
    struct victim *victim = argument;
    int value;
    mpsc_sender_close(victim->tx);
    assert_status(try_int(victim->rx, &value), MPSC_OK);
    atomic_store(&victim->ready, 1);
    pause();
    return 1;
}

static void a_killed_receiver_is_readable(enum mode mode)
{
    struct victim *victim = shared_memory(sizeof *victim);
    struct ends e = ends_open(sizeof(int), 1);
    (void)mode;
    *victim = (struct victim){.tx = e.tx, .rx = e.rx};
    send_int(e.tx, 1);
    worker w = worker_start(PROCESSES, holds_the_seat, victim);
    mpsc_receiver_close(e.rx);
    wait_for(&victim->ready);
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
        TEST_PROCESSES(a_killed_sender_is_readable),
        TEST_PROCESSES(a_sender_killed_before_one_polls_is_readable),
        TEST_PROCESSES(killed_at_any_instruction_a_poll_hears_of_it),
        TEST_PROCESSES(killed_at_any_instruction_a_select_hears_of_it),
        TEST_PROCESSES(stopped_at_any_instruction_it_hides_nobody),
        TEST_PROCESSES(what_comes_while_one_looks_is_told),
        TEST(a_slow_death_is_found_out),
        TEST(a_slow_death_that_began_before_is_too),
        TEST_BOTH(a_name_that_goes_takes_nothing_along),
        TEST_PROCESSES(a_durable_name_that_goes_is_readable),
        TEST_PROCESSES(a_creator_that_goes_takes_nothing_along),
        TEST(a_program_that_locks_its_memory_rings),
        TEST_PROCESSES(descriptors_that_were_closed_are_not_ours),
        TEST_PROCESSES(no_system_call_while_it_is_readable),
        TEST_PROCESSES(a_child_polls_what_it_inherited),
        TEST_PROCESSES(a_child_s_sender_hears_for_itself),
        TEST_PROCESSES(it_needs_the_seat),
        TEST_PROCESSES(asked_for_in_vain_and_again),
        TEST(readable_while_there_is_room),
        TEST_BOTH(a_loop_that_sends_finds_all_room),
        TEST_PROCESSES(a_killed_receiver_is_readable),
        TEST(what_has_no_descriptor),
    };
    return harness_main("event_loop", tests, sizeof tests / sizeof *tests);
}
