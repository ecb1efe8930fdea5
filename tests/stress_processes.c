/* SPDX-License-Identifier: MIT */
/* 1.3.1, 1.3.2, 1.3.6 between processes: four producers of up to a million messages each lose none,
 * tear none and keep their order; storms of opening and closing leave nothing. */
#include "traffic.h"

struct stranger {
    const struct traffic *traffic;
    const char *name;
    unsigned self;
    atomic_int *present;
};

/* All must have come before the first may leave: that would be a disconnect. */
static void wait_for_all(atomic_int *present)
{
    atomic_fetch_add(present, 1);
    step_wait(present, PRODUCERS + 1);
}

/* Has no handle from its parent: opens the channel by its name. */
static int opens_and_produces(void *argument)
{
    struct stranger *stranger = argument;
    const struct traffic *traffic = stranger->traffic;
    struct producer producer = {traffic, PROCESSES, stranger->self,
                                open_tx(stranger->name, traffic->message_size, traffic->bound),
                                NULL};
    wait_for_all(stranger->present);
    return produce(&producer);
}

/* The consumer too is a process of its own, that knows the name alone. */
static int opens_and_consumes(void *argument)
{
    struct stranger *stranger = argument;
    const struct traffic *traffic = stranger->traffic;
    mpsc_receiver *rx = open_rx(stranger->name, traffic->message_size, traffic->bound);
    wait_for_all(stranger->present);
    consume(traffic, rx);
    mpsc_receiver_close(rx);
    return 0;
}

static void strangers_meet_by_name(enum mode mode)
{
    static const struct traffic traffic = {8, 256, 250000, 8, 64, BY_SEND, BY_RECV};
    struct stranger strangers[PRODUCERS + 1];
    worker workers[PRODUCERS + 1];
    const char *name = channel_name();
    atomic_int *present = shared_memory(sizeof *present);
    harness_timeout(120);
    for (unsigned i = 0; i <= PRODUCERS; i++) {
        strangers[i] = (struct stranger){&traffic, name, i, present};
        workers[i] = worker_start(mode, i < PRODUCERS ? opens_and_produces : opens_and_consumes,
                                  &strangers[i]);
    }
    for (unsigned i = 0; i <= PRODUCERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    assert_false(name_exists(name));
}

/* A durable channel, whose consumers come one after the other and each take a share. */
struct shift {
    const char *name;
    uint64_t next[PRODUCERS];
    uint64_t left;
    unsigned long share;
};

static int works_a_shift(void *argument)
{
    struct shift *shift = argument;
    mpsc_receiver *rx = NULL;
    mpsc_status status;
    mpsc_options options = options_of(8, 64);
    options.durable = 1;
    while ((status = mpsc_open_receiver(shift->name, &options, &rx)) == MPSC_BUSY)
        sched_yield(); /* the one before is not gone quite yet */
    assert_status(status, MPSC_OK);
    for (unsigned long i = 0; i < shift->share && shift->left > 0; i++, shift->left--) {
        uint64_t head = recv_number(rx);
        assert_true(head >> 48 < PRODUCERS);
        assert_int_equal(head & ((UINT64_C(1) << 48) - 1), shift->next[head >> 48]);
        shift->next[head >> 48]++;
    }
    if (shift->left % 2) /* some close it, some end without */
        mpsc_receiver_close(rx);
    return 0;
}

static int produces_durably(void *argument)
{
    struct stranger *stranger = argument;
    mpsc_options options = options_of(8, 64);
    struct producer producer = {stranger->traffic, PROCESSES, stranger->self, NULL, NULL};
    options.durable = 1;
    assert_status(mpsc_open_sender(stranger->name, &options, &producer.tx), MPSC_OK);
    return produce(&producer);
}

static void consumers_take_turns(enum mode mode)
{
    static const struct traffic traffic = {8, 64, 20000, 8, 8, BY_SEND, BY_RECV};
    struct shift *shift = shared_memory(sizeof *shift);
    struct stranger strangers[PRODUCERS];
    worker workers[PRODUCERS];
    harness_timeout(120);
    shift->name = channel_name();
    shift->left = PRODUCERS * scaled(traffic.each);
    shift->share = (unsigned long)shift->left / (1 + scaled(250)) + 1;
    for (unsigned i = 0; i < PRODUCERS; i++) {
        strangers[i] = (struct stranger){&traffic, shift->name, i, NULL};
        workers[i] = worker_start(mode, produces_durably, &strangers[i]);
    }
    while (shift->left > 0)
        assert_int_equal(worker_join(worker_start(mode, works_a_shift, shift)), 0);
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    assert_status(mpsc_unlink(shift->name), MPSC_OK);
}

int main(void)
{
    static const struct test tests[] = {
        TRAFFIC_TESTS(TEST_PROCESSES),        TEST_PROCESSES(strangers_meet_by_name),
        TEST_PROCESSES(consumers_take_turns), TEST_PROCESSES(producers_come_and_go),
        TEST_PROCESSES(storm_on_one_name),
    };
    return harness_main("stress_processes", tests, sizeof tests / sizeof *tests);
}
