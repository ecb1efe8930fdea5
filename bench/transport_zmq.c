/* SPDX-License-Identifier: MIT */
/* ZeroMQ: sockets of the PUSH and PULL kind over ipc, as between processes; a context for each side, which
 * must not be forked, so each is made by the one who uses it. */
#include "transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

struct side {
    void *context, *socket;
};

struct lane {
    size_t size;
    char address[64];
    struct side pull, push[MOST_PRODUCERS];
};

static void check(int result, const char *doing)
{
    if (result == -1)
        fail(doing, zmq_strerror(errno));
}

static struct lane *open_lane(size_t size, unsigned producers)
{
    static unsigned number;
    (void)producers;
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        fail("open sockets", "no memory");
    lane->size = size;
    snprintf(lane->address, sizeof lane->address, "ipc:///tmp/mpsc-bench-%ld-%u", (long)getpid(),
             number++);
    return lane;
}

static void side_close(struct side *side)
{
    if (!side->context)
        return;
    zmq_close(side->socket);
    zmq_ctx_term(side->context);
    *side = (struct side){NULL, NULL};
}

static void close_lane(struct lane *lane)
{
    for (unsigned i = 0; i < MOST_PRODUCERS; i++)
        side_close(&lane->push[i]);
    side_close(&lane->pull);
    unlink(lane->address + strlen("ipc://"));
    free(lane);
}

static void *side_open(struct side *side, int kind, int limit)
{
    const int bound = BOUND;
    side->context = zmq_ctx_new();
    side->socket = side->context ? zmq_socket(side->context, kind) : NULL;
    if (!side->socket)
        fail("open a socket", zmq_strerror(errno));
    check(zmq_setsockopt(side->socket, limit, &bound, sizeof bound), "set a bound");
    return side->socket;
}

static void only_receive(struct lane *lane)
{
    check(zmq_bind(side_open(&lane->pull, ZMQ_PULL, ZMQ_RCVHWM), lane->address), "bind");
}

static void only_send(struct lane *lane, unsigned producer)
{
    struct side *side = &lane->push[producer];
    check(zmq_connect(side_open(side, ZMQ_PUSH, ZMQ_SNDHWM), lane->address), "connect");
}

/* Until all has left this process. */
static void finish(struct lane *lane, unsigned producer)
{
    side_close(&lane->push[producer]);
}

static void send_numbers(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    char message[LARGEST_MESSAGE] = {0};
    for (uint64_t number = first; number < first + count; number++) {
        memcpy(message, &number, sizeof number);
        check(zmq_send(lane->push[producer].socket, message, lane->size, 0), "send to a socket");
    }
}

static uint64_t receive_numbers(struct lane *lane, uint64_t count)
{
    char message[LARGEST_MESSAGE];
    uint64_t number, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        check(zmq_recv(lane->pull.socket, message, sizeof message, 0), "receive from a socket");
        memcpy(&number, message, sizeof number);
        sum += number;
    }
    return sum;
}

const struct transport transport_zmq = {
    .name = "ZeroMQ",
    .open = open_lane,
    .only_receive = only_receive,
    .only_send = only_send,
    .finish = finish,
    .close = close_lane,
    .send = send_numbers,
    .receive = receive_numbers,
};
