/* SPDX-License-Identifier: MIT */
/* A pipe of a mebibyte, where the system allows that; one write and one read for each message. */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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
        fail("open a pipe", "no memory");
    lane->size = size;
    if (pipe(lane->fds) == -1)
        fail("open a pipe", strerror(errno));
    (void)fcntl(lane->fds[1], F_SETPIPE_SZ, 1 << 20);
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
        if (write(lane->fds[1], message, lane->size) != (ssize_t)lane->size)
            fail("write to a pipe", strerror(errno));
    }
}

static uint64_t receive_numbers(struct lane *lane, uint64_t count)
{
    char message[LARGEST_MESSAGE];
    uint64_t number, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        ssize_t n = read(lane->fds[0], message, lane->size);
        if (n != (ssize_t)lane->size)
            fail("read from a pipe", n == -1 ? strerror(errno) : "its writer ended");
        memcpy(&number, message, sizeof number);
        sum += number;
    }
    return sum;
}

const struct transport transport_pipe = {
    .name = "pipe",
    .open = open_lane,
    .only_receive = only_receive,
    .only_send = only_send,
    .close = close_lane,
    .send = send_numbers,
    .receive = receive_numbers,
};
