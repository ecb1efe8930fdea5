/* SPDX-License-Identifier: MIT */
/* The library's channel: bounded, private, a sender for each producer. */
#include "transport.h"

#include <errno.h>
#include <mpsc.h>
#include <stdlib.h>
#include <string.h>

struct lane {
    size_t size;
    mpsc_sender *senders[MOST_PRODUCERS];
    mpsc_receiver *receiver;
};

static void check(mpsc_status status, const char *doing)
{
    if (status != MPSC_OK)
        fail(doing, status == MPSC_OS ? strerror(errno) : mpsc_strstatus(status));
}

static struct lane *open_lane(size_t size, unsigned producers)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        fail("open a channel", "no memory");
    lane->size = size;
    check(mpsc_sync_channel(size, BOUND, &lane->senders[0], &lane->receiver), "open a channel");
    for (unsigned i = 1; i < producers; i++)
        check(mpsc_sender_clone(lane->senders[0], &lane->senders[i]), "clone a sender");
    return lane;
}

static void only_receive(struct lane *lane)
{
    for (unsigned i = 0; i < MOST_PRODUCERS; i++) {
        mpsc_sender_close(lane->senders[i]);
        lane->senders[i] = NULL;
    }
}

static void only_send(struct lane *lane, unsigned producer)
{
    mpsc_sender *own = lane->senders[producer];
    lane->senders[producer] = NULL;
    only_receive(lane);
    lane->senders[producer] = own;
    mpsc_receiver_close(lane->receiver);
    lane->receiver = NULL;
}

static void close_lane(struct lane *lane)
{
    only_receive(lane);
    mpsc_receiver_close(lane->receiver);
    free(lane);
}

static void send_numbers(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    mpsc_sender *tx = lane->senders[producer];
    const size_t size = lane->size;
    char message[LARGEST_MESSAGE] = {0};
    for (uint64_t number = first; number < first + count; number++) {
        memcpy(message, &number, sizeof number);
        mpsc_status status = mpsc_send(tx, message, size);
        if (status != MPSC_OK)
            check(status, "send");
    }
}

static uint64_t receive_numbers(struct lane *lane, uint64_t count)
{
    mpsc_receiver *rx = lane->receiver;
    char message[LARGEST_MESSAGE];
    uint64_t number, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        mpsc_status status = mpsc_recv(rx, message, sizeof message, NULL);
        if (status != MPSC_OK)
            check(status, "receive");
        memcpy(&number, message, sizeof number);
        sum += number;
    }
    return sum;
}

const struct transport transport_mpsc = {
    .name = "mpsc",
    .open = open_lane,
    .only_receive = only_receive,
    .only_send = only_send,
    .close = close_lane,
    .send = send_numbers,
    .receive = receive_numbers,
};
