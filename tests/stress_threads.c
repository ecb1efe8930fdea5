/* SPDX-License-Identifier: MIT */
/* 1.3.1, 1.3.2, 1.3.6 between threads: four producers of up to a million messages each lose none,
 * tear none and keep their order; storms of opening and closing leave nothing. */
#include "traffic.h"

#include <pthread.h>

/* Each clones its sender for every hundred messages. */
static int clones_all_the_time(void *argument)
{
    struct producer *p = argument;
    unsigned long each = scaled(p->traffic->each);
    for (uint64_t number = 0; number < each; number++) {
        if (number % 100 == 0) {
            mpsc_sender *clone = clone_of(p->tx);
            mpsc_sender_close(p->tx);
            p->tx = clone;
        }
        assert_status(send_one(p->traffic, p->tx, message_head(p->self, number)), MPSC_OK);
    }
    mpsc_sender_close(p->tx);
    return 0;
}

static void clones_come_and_go(enum mode mode)
{
    static const struct traffic traffic = {8, 64, 50000, 8, 8, BY_SEND, BY_RECV};
    mpsc_sender *tx;
    mpsc_receiver *rx;
    struct producer producers[PRODUCERS];
    worker workers[PRODUCERS];
    assert_status(mpsc_sync_channel(8, 64, &tx, &rx), MPSC_OK);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&traffic, mode, i, clone_of(tx), rx};
        workers[i] = worker_start(mode, clones_all_the_time, &producers[i]);
    }
    mpsc_sender_close(tx);
    consume(&traffic, rx);
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    mpsc_receiver_close(rx);
}

/* The handles wander from thread to thread (1.3.8): each sends a part with each handle in turn. */
struct wandering {
    mpsc_sender *tx[PRODUCERS];
    pthread_mutex_t free[PRODUCERS];
    uint64_t next[PRODUCERS];
};

struct wanderer {
    struct wandering *shared;
    unsigned self;
};

static const struct traffic wandering_traffic = {8, 64, 40000, 8, 8, BY_SEND, BY_RECV};

static int wanders(void *argument)
{
    struct wanderer *wanderer = argument;
    struct wandering *shared = wanderer->shared;
    uint64_t each = scaled(wandering_traffic.each);
    for (unsigned i = wanderer->self, done = 0; done < PRODUCERS; i = (i + 1) % PRODUCERS) {
        pthread_mutex_lock(&shared->free[i]);
        for (int n = 0; n < 50 && shared->next[i] < each; n++)
            assert_status(
                send_one(&wandering_traffic, shared->tx[i], message_head(i, shared->next[i]++)),
                MPSC_OK);
        done = shared->next[i] == each ? done + 1 : 0;
        pthread_mutex_unlock(&shared->free[i]);
    }
    return 0;
}

static int closes_when_all_is_sent(void *argument)
{
    struct wandering *shared = argument;
    struct wanderer wanderers[PRODUCERS];
    worker workers[PRODUCERS];
    for (unsigned i = 0; i < PRODUCERS; i++) {
        wanderers[i] = (struct wanderer){shared, i};
        workers[i] = worker_start(THREADS, wanders, &wanderers[i]);
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    for (unsigned i = 0; i < PRODUCERS; i++)
        mpsc_sender_close(shared->tx[i]);
    return 0;
}

static void handles_move_between_threads(enum mode mode)
{
    struct wandering shared = {0};
    mpsc_receiver *rx;
    assert_status(mpsc_sync_channel(8, 64, &shared.tx[0], &rx), MPSC_OK);
    for (int i = 0; i < PRODUCERS; i++) {
        if (i)
            shared.tx[i] = clone_of(shared.tx[0]);
        assert_int_equal(pthread_mutex_init(&shared.free[i], NULL), 0);
    }
    worker manager = worker_start(mode, closes_when_all_is_sent, &shared);
    consume(&wandering_traffic, rx);
    assert_int_equal(worker_join(manager), 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_mutex_destroy(&shared.free[i]);
    mpsc_receiver_close(rx);
}

int main(void)
{
    static const struct test tests[] = {
        TRAFFIC_TESTS(TEST_THREADS),
        TEST_THREADS(clones_come_and_go),
        TEST_THREADS(handles_move_between_threads),
        TEST_THREADS(producers_come_and_go),
        TEST_THREADS(storm_on_one_name),
    };
    return harness_main("stress_threads", tests, sizeof tests / sizeof *tests);
}
