/* SPDX-License-Identifier: MIT */
/* A POSIX message queue of the same bound where the system allows it; else of ten, the usual
 * limit of /proc/sys/fs/mqueue/msg_max. */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USUAL_LIMIT = 10 };

struct lane {
    size_t size;
    mqd_t queue;
};

static mqd_t open_queue(size_t size, long bound)
{
    struct mq_attr attributes = {.mq_maxmsg = bound, .mq_msgsize = (long)size};
    char name[32];
    snprintf(name, sizeof name, "/mpsc-bench-%ld", (long)getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (queue != (mqd_t)-1)
        mq_unlink(name);
    return queue;
}

/* NULL: this system has none. */
static struct lane *open_lane(size_t size, unsigned producers)
{
    (void)producers;
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        fail("open a message queue", "no memory");
    lane->size = size;
    lane->queue = open_queue(size, BOUND);
    if (lane->queue == (mqd_t)-1)
        lane->queue = open_queue(size, USUAL_LIMIT);
    if (lane->queue != (mqd_t)-1)
        return lane;
    free(lane);
    return NULL;
}

static void only_receive(struct lane *lane)
{
    (void)lane;
}

static void only_send(struct lane *lane, unsigned producer)
{
    (void)lane;
    (void)producer;
}

static void close_lane(struct lane *lane)
{
    mq_close(lane->queue);
    free(lane);
}

static void send_numbers(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    (void)producer;
    char message[LARGEST_MESSAGE] = {0};
    for (uint64_t number = first; number < first + count; number++) {
        memcpy(message, &number, sizeof number);
        if (mq_send(lane->queue, message, lane->size, 0) == -1)
            fail("send to a message queue", strerror(errno));
    }
}

static uint64_t receive_numbers(struct lane *lane, uint64_t count)
{
    char message[LARGEST_MESSAGE];
    uint64_t number, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (mq_receive(lane->queue, message, lane->size, NULL) != (ssize_t)lane->size)
            fail("receive from a message queue", strerror(errno));
        memcpy(&number, message, sizeof number);
        sum += number;
    }
    return sum;
}

const struct transport transport_mq = {
    .name = "POSIX mq",
    .open = open_lane,
    .only_receive = only_receive,
    .only_send = only_send,
    .close = close_lane,
    .send = send_numbers,
    .receive = receive_numbers,
};
