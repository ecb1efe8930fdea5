/* SPDX-License-Identifier: MIT */
/* A pair of Unix sockets that keep messages apart, one send and one recv for each. */
#include "transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct lane {
    size_t size;
    int fds[2];
};

static struct lane *open_lane(size_t size, unsigned producers)
{
    (void)producers;
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        fail("open sockets", "no memory");
    lane->size = size;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, lane->fds) == -1)
        fail("open sockets", strerror(errno));
    return lane;
}

static void only_receive(struct lane *lane)
{
    close(lane->fds[1]);
    lane->fds[1] = -1;
}

static void only_send(struct lane *lane, unsigned producer)
{
    (void)producer;
    close(lane->fds[0]);
    lane->fds[0] = -1;
}

static void close_lane(struct lane *lane)
{
    for (int i = 0; i < 2; i++)
        if (lane->fds[i] != -1)
            close(lane->fds[i]);
    free(lane);
}

static void send_numbers(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    (void)producer;
    char message[LARGEST_MESSAGE] = {0};
    for (uint64_t number = first; number < first + count; number++) {
        memcpy(message, &number, sizeof number);
        if (send(lane->fds[1], message, lane->size, 0) != (ssize_t)lane->size)
            fail("send to a socket", strerror(errno));
    }
}

static uint64_t receive_numbers(struct lane *lane, uint64_t count)
{
    char message[LARGEST_MESSAGE];
    uint64_t number, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        ssize_t n = recv(lane->fds[0], message, lane->size, 0);
        if (n != (ssize_t)lane->size)
            fail("receive from a socket", n == -1 ? strerror(errno) : "its writer ended");
        memcpy(&number, message, sizeof number);
        sum += number;
    }
    return sum;
}

const struct transport transport_seqpacket = {
    .name = "SEQPACKET",
    .open = open_lane,
    .only_receive = only_receive,
    .only_send = only_send,
    .close = close_lane,
    .send = send_numbers,
    .receive = receive_numbers,
};
