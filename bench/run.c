/* SPDX-License-Identifier: MIT */
#include "run.h"
#include "program.h"
#include "sleeper.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* The number that ends an exchange. */
#define ENOUGH (UINT64_MAX - 1)

/* Where all wait for each other before the clock starts; in memory that children share. */
struct gate {
    _Atomic unsigned ready;
    _Atomic unsigned open;
    pid_t receiver; /* for wake-ups */
    _Atomic uint64_t received;
    _Atomic unsigned over; /* all was received */
};

/* A peer that loses a message leaves the others waiting for it: the benchmark ends then, by SIGALRM. */
enum { WATCHDOG = 120 };

/* One that runs beside the caller, and what it does there. */
struct peer {
    void (*body)(const struct peer *peer);
    void (*settle)(const struct peer *peer); /* in a child: gives up what the body does not use */
    const struct transport *transport;
    struct lane *lane;
    struct lane *back; /* for round trips */
    struct gate *gate;
    unsigned producer;
    uint64_t first, count;
    pid_t child;
    pthread_t thread;
};

/* ------------------------------------------------------------------ gate and peers */

static void gate_enter(struct gate *gate)
{
    atomic_fetch_add(&gate->ready, 1);
    while (!atomic_load(&gate->open))
        sched_yield();
}

static void gate_open(struct gate *gate, unsigned peers)
{
    alarm(WATCHDOG);
    while (atomic_load(&gate->ready) != peers)
        sched_yield();
    atomic_store(&gate->open, 1);
}

static void *in_thread(void *argument)
{
    const struct peer *peer = argument;
    gate_enter(peer->gate);
    peer->body(peer);
    return NULL;
}

static void peer_start(struct peer *peer, bool processes)
{
    if (!processes) {
        int error = pthread_create(&peer->thread, NULL, in_thread, peer);
        if (error)
            fail("start a thread", strerror(error));
        return;
    }
    peer->child = fork();
    if (peer->child == -1)
        fail("fork", strerror(errno));
    if (peer->child == 0) {
        peer->settle(peer);
        in_thread(peer);
        _exit(EXIT_SUCCESS);
    }
}

static void peer_wait(const struct peer *peer, bool processes)
{
    int status = 0;
    alarm(WATCHDOG);
    if (!processes)
        pthread_join(peer->thread, NULL);
    else if (waitpid(peer->child, &status, 0) == -1 || status != 0)
        fail("run a child", "it failed");
    alarm(0);
}

/* ------------------------------------------------------------------ a stream of messages */

static void settle_producer(const struct peer *peer)
{
    peer->transport->only_send(peer->lane, peer->producer);
}

static void produce(const struct peer *peer)
{
    peer->transport->send(peer->lane, peer->producer, peer->first, peer->count);
    if (!peer->transport->finish)
        return;
    /* A sender that goes while the receiver's queue is full may take messages with it. */
    while (!atomic_load(&peer->gate->over))
        usleep(1000);
    peer->transport->finish(peer->lane, peer->producer);
}

/* Of all that the peer sends: first + (first + 1) + ... */
static uint64_t sum_of(const struct peer *peer)
{
    return peer->count * peer->first + peer->count * (peer->count - 1) / 2;
}

double run_stream(const struct transport *transport, bool processes, unsigned producers,
                  size_t size, uint64_t count)
{
    struct lane *lane = transport->open(size, producers);
    if (!lane)
        return -1;
    struct gate *gate = program_share(sizeof(struct gate));
    struct peer peers[MOST_PRODUCERS];
    const uint64_t share = count / producers;
    uint64_t expected = 0;

    for (unsigned i = 0; i < producers; i++) {
        peers[i] = (struct peer){.body = produce,
                                 .settle = settle_producer,
                                 .transport = transport,
                                 .lane = lane,
                                 .gate = gate,
                                 .producer = i,
                                 .first = (uint64_t)i << 40,
                                 .count = i == 0 ? count - share * (producers - 1) : share};
        expected += sum_of(&peers[i]);
        peer_start(&peers[i], processes);
    }
    if (processes)
        transport->only_receive(lane);

    gate_open(gate, producers);
    double start = program_now();
    uint64_t sum = transport->receive(lane, count);
    double seconds = program_now() - start;

    atomic_store(&gate->over, 1);
    for (unsigned i = 0; i < producers; i++)
        peer_wait(&peers[i], processes);
    if (sum != expected)
        fail(transport->name, "what arrived is not what was sent");
    transport->close(lane);
    munmap(gate, sizeof *gate);
    return seconds;
}

/* ------------------------------------------------------------------ round trips */

static void settle_echo(const struct peer *peer)
{
    peer->transport->only_receive(peer->lane);
    peer->transport->only_send(peer->back, 0);
}

static void echo(const struct peer *peer)
{
    uint64_t number;
    while ((number = peer->transport->receive(peer->lane, 1)) != ENOUGH)
        peer->transport->send(peer->back, 0, number, 1);
}

/* The program works until then; what time it is. */
static double work_until(double end)
{
    double now;
    do
        now = program_now();
    while (now < end);
    return now;
}

static size_t time_round_trips(const struct peer *peer, double work, double seconds, size_t most,
                               double *times)
{
    double after = program_now(), end = after + seconds;
    size_t count = 0;
    do {
        double before = work_until(after + work);
        peer->transport->send(peer->lane, 0, count, 1);
        if (peer->transport->receive(peer->back, 1) != count)
            fail(peer->transport->name, "what came back is not what was sent");
        after = program_now();
        times[count++] = after - before;
    } while (count < most && after < end);
    peer->transport->send(peer->lane, 0, ENOUGH, 1);
    return count;
}

size_t run_round_trips(const struct transport *transport, bool processes, double work,
                       double seconds, size_t most, double *times)
{
    struct peer peer = {.body = echo,
                        .settle = settle_echo,
                        .transport = transport,
                        .lane = transport->open(sizeof(uint64_t), 1)};
    if (!peer.lane)
        return 0;
    peer.back = transport->open(sizeof(uint64_t), 1);
    if (!peer.back)
        fail(transport->name, "cannot open a second one");
    peer.gate = program_share(sizeof *peer.gate);
    peer_start(&peer, processes);
    if (processes) { /* before the gate opens: the child takes our receiver's seat */
        transport->only_send(peer.lane, 0);
        transport->only_receive(peer.back);
    }
    gate_open(peer.gate, 1);
    size_t count = time_round_trips(&peer, work, seconds, most, times);

    peer_wait(&peer, processes);
    transport->close(peer.lane);
    transport->close(peer.back);
    munmap(peer.gate, sizeof *peer.gate);
    return count;
}

/* ------------------------------------------------------------------ wake-ups */

static uint64_t nanoseconds_now(void)
{
    return (uint64_t)(program_now() * 1e9);
}

/* Sends the time, when the receiver has come back and sleeps. */
static void wake(const struct peer *peer)
{
    for (uint64_t sent = 0;; sent++) {
        uint64_t received;
        while ((received = atomic_load(&peer->gate->received)) < sent)
            sched_yield();
        if (received == ENOUGH)
            return;
        sleeper_wait(peer->gate->receiver);
        peer->transport->send(peer->lane, 0, nanoseconds_now(), 1);
    }
}

static size_t time_wake_ups(const struct peer *peer, double seconds, size_t most, double *times)
{
    double end = program_now() + seconds;
    size_t count = 0;
    bool more;
    do {
        uint64_t sent = peer->transport->receive(peer->lane, 1);
        times[count++] = (double)(nanoseconds_now() - sent) / 1e9;
        more = count < most && program_now() < end;
        atomic_store(&peer->gate->received, more ? count : ENOUGH);
    } while (more);
    return count;
}

size_t run_wake_ups(const struct transport *transport, bool processes, double seconds, size_t most,
                    double *times)
{
    struct peer peer = {.body = wake,
                        .settle = settle_producer,
                        .transport = transport,
                        .lane = transport->open(sizeof(uint64_t), 1)};
    if (!peer.lane)
        return 0;
    peer.gate = program_share(sizeof *peer.gate);
    peer.gate->receiver = sleeper_self();
    peer_start(&peer, processes);
    if (processes)
        transport->only_receive(peer.lane);
    gate_open(peer.gate, 1);
    size_t count = time_wake_ups(&peer, seconds, most, times);

    peer_wait(&peer, processes);
    transport->close(peer.lane);
    munmap(peer.gate, sizeof *peer.gate);
    return count;
}
