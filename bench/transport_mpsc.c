/* SPDX-License-Identifier: MIT */
/* The library's channel: private, a sender for each producer. */
#include "program.h"
#include "transport.h"

#include <mpsc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum { BATCH = 32 };

struct lane {
    size_t size;
    mpsc_sender *senders[MOST_PRODUCERS];
    mpsc_receiver *receiver;
};

static struct lane *open_lane(size_t size, size_t bound, unsigned producers)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        fail("open a channel", "no memory");
    lane->size = size;
    mpsc_status status = bound == MPSC_UNBOUNDED
                             ? mpsc_channel(size, &lane->senders[0], &lane->receiver)
                             : mpsc_sync_channel(size, bound, &lane->senders[0], &lane->receiver);
    program_check(status, "open a channel");
    for (unsigned i = 1; i < producers; i++)
        program_check(mpsc_sender_clone(lane->senders[0], &lane->senders[i]), "clone a sender");
    return lane;
}

static struct lane *open_bounded(size_t size, unsigned producers)
{
    return open_lane(size, BOUND, producers);
}

static struct lane *open_unbounded(size_t size, unsigned producers)
{
    return open_lane(size, MPSC_UNBOUNDED, producers);
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

static void check(mpsc_status status, const char *doing)
{
    if (status != MPSC_OK)
        program_check(status, doing);
}

/* ------------------------------------------------------------------ copies */

static void send_copies(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    mpsc_sender *tx = lane->senders[producer];
    const size_t size = lane->size;
    char message[LARGEST_MESSAGE] = {0};
    for (uint64_t number = first; number < first + count; number++) {
        memcpy(message, &number, sizeof number);
        check(mpsc_send(tx, message, size), "send");
    }
}

static uint64_t receive_copies(struct lane *lane, uint64_t count)
{
    mpsc_receiver *rx = lane->receiver;
    char message[LARGEST_MESSAGE];
    uint64_t number, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        check(mpsc_recv(rx, message, sizeof message, NULL), "receive");
        memcpy(&number, message, sizeof number);
        sum += number;
    }
    return sum;
}

static void send_mixed(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    static const size_t sizes[] = {8, 64, 24, 256, 8, 1024, 48, 4096};
    mpsc_sender *tx = lane->senders[producer];
    char message[LARGEST_MESSAGE] = {0};
    for (uint64_t number = first; number < first + count; number++) {
        memcpy(message, &number, sizeof number);
        check(mpsc_send(tx, message, sizes[number % 8]), "send");
    }
}

/* ------------------------------------------------------------------ loans and peeks */

static void send_loans(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    mpsc_sender *tx = lane->senders[producer];
    const size_t size = lane->size;
    mpsc_status status;
    for (uint64_t number = first; number < first + count; number++) {
        void *loan = mpsc_loan(tx, size, &status);
        check(status, "lend");
        memset(loan, (int)(number & 0xff), size);
        memcpy(loan, &number, sizeof number);
        check(mpsc_send_loan(tx, loan, size), "send");
    }
}

/* All words of a message, so that all of it is read. */
static uint64_t sum_of_words(const void *message, size_t size)
{
    const uint64_t *words = message;
    uint64_t sum = 0;
    for (size_t i = 1; i < size / sizeof *words; i++)
        sum += words[i];
    return sum;
}

/* So that the compiler leaves nothing out. */
static void is_needed(uint64_t value)
{
    __asm__ volatile("" ::"r"(value));
}

static uint64_t receive_peeks(struct lane *lane, uint64_t count)
{
    mpsc_receiver *rx = lane->receiver;
    mpsc_status status;
    size_t length;
    uint64_t number, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        const void *message = mpsc_peek(rx, &length, &status);
        check(status, "peek");
        memcpy(&number, message, sizeof number);
        is_needed(sum_of_words(message, length));
        check(mpsc_release(rx, message), "release");
        sum += number;
    }
    return sum;
}

/* ------------------------------------------------------------------ batches */

static void send_batches(struct lane *lane, unsigned producer, uint64_t first, uint64_t count)
{
    mpsc_sender *tx = lane->senders[producer];
    char messages[BATCH * LARGEST_MESSAGE];
    struct iovec vector[BATCH];
    memset(messages, 0, BATCH * lane->size);
    for (size_t i = 0; i < BATCH; i++)
        vector[i] = (struct iovec){messages + i * lane->size, lane->size};
    while (count) {
        size_t part = count < BATCH ? count : BATCH, sent;
        for (size_t i = 0; i < part; i++)
            memcpy(vector[i].iov_base, &(uint64_t){first + i}, sizeof first);
        check(mpsc_send_batch(tx, vector, part, &sent), "send");
        first += part;
        count -= part;
    }
}

static uint64_t receive_batches(struct lane *lane, uint64_t count)
{
    mpsc_receiver *rx = lane->receiver;
    char messages[BATCH * LARGEST_MESSAGE];
    struct iovec vector[BATCH];
    uint64_t number, sum = 0;
    while (count) {
        size_t part = count < BATCH ? count : BATCH, received;
        for (size_t i = 0; i < part; i++)
            vector[i] = (struct iovec){messages + i * lane->size, lane->size};
        check(mpsc_recv_batch(rx, vector, part, &received), "receive");
        for (size_t i = 0; i < received; i++) {
            memcpy(&number, vector[i].iov_base, sizeof number);
            sum += number;
        }
        count -= received;
    }
    return sum;
}

#define TRANSPORT(words, open_it, send_by, receive_by)                                             \
    {                                                                                              \
        .name = words, .open = open_it, .only_receive = only_receive, .only_send = only_send,      \
        .close = close_lane, .send = send_by, .receive = receive_by,                               \
    }

const struct transport transport_mpsc =
    TRANSPORT("libmpsc", open_bounded, send_copies, receive_copies);
const struct transport transport_mpsc_unbounded =
    TRANSPORT("libmpsc unbounded", open_unbounded, send_copies, receive_copies);
const struct transport transport_mpsc_mixed =
    TRANSPORT("libmpsc, mixed sizes", open_bounded, send_mixed, receive_copies);
const struct transport transport_mpsc_loan =
    TRANSPORT("libmpsc, loans", open_bounded, send_loans, receive_peeks);
const struct transport transport_mpsc_batch =
    TRANSPORT("libmpsc, batches of 32", open_bounded, send_batches, receive_batches);
