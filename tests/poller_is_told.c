/* SPDX-License-Identifier: MIT */
/* Who polls a receiver is told of each message and each end: whoever is killed or stopped in the middle of
 * telling, whenever they come while one looks, however slow a death is, and when the name goes. */
#include "attachment.h"
#include "members.h"
#include "polling.h"

#include <fcntl.h>
#include <signal.h>

/* ------------------------------------------------------------------ killed */

static int only_waits(void *argument)
{
    struct partner *victim = argument;
    mpsc_receiver_close(victim->rx);
    atomic_store(&victim->ready, 1);
    pause();
    return 1;
}

static void a_killed_sender_is_readable(enum mode mode)
{
    struct partner *victim = shared_memory(sizeof *victim);
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
    struct partner *victim = shared_memory(sizeof *victim);
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

/* As poll_int, by mpsc_select. */
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

static int sends_in_steps(void *argument)
{
    struct partner *victim = argument;
    mpsc_receiver_close(victim->rx);
    steps_begin(&victim->steps);
    mpsc_status status = mpsc_send(victim->tx, &victim->value, sizeof victim->value);
    steps_end(&victim->steps, status);
    return 0;
}

/* A child that has gone so far in a send to one who listens; false: it was through before. */
static bool victim_go(struct partner *victim, unsigned long instructions, worker *w)
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
    struct partner *victim = shared_memory(sizeof *victim);
    struct ends e = ends_open(sizeof(int), 4);
    int value = -1, fd = by_fd ? rx_fd(e.rx) : -1;
    worker w;
    *victim = (struct partner){.tx = e.tx, .rx = e.rx, .value = 7};
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
    struct partner *victim = shared_memory(sizeof *victim);
    struct ends e = ends_open(sizeof(int), 4);
    int fd = rx_fd(e.rx), value = -1;
    worker w;
    *victim = (struct partner){.tx = e.tx, .rx = e.rx, .value = 1};
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
    struct partner *victim = argument;
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
    struct partner *victim = shared_memory(sizeof *victim);
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

/* ------------------------------------------------------------------ names that go */

/* The kernel forgets whom to tell when a file loses its last name, one at a time for each way that it was
 * opened by. */
static int opens_and_sends(void *argument)
{
    struct partner *victim = argument;
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
        struct partner *victim = shared_memory(sizeof *victim);
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
    struct partner *victim = argument;
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
    struct partner *victim = shared_memory(sizeof *victim);
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
    struct partner *victim = shared_memory(sizeof *victim);
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

int main(void)
{
    static const struct test tests[] = {
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
    };
    return harness_main("poller_is_told", tests, sizeof tests / sizeof *tests);
}
