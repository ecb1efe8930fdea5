/* SPDX-License-Identifier: MIT */
/* Level 7. The receiver's handle, and receiving by copy. */
#include "receiver_inside.h"
#include "view.h"

#include <pthread.h>
#include <stdlib.h>

/* ---- handles */

static void reset(struct handle *handle)
{
    mpsc_receiver *rx = (mpsc_receiver *)handle;
    rx->ring = handle->segment->ring;
    rx->seated = false;
    rx->peeked = NULL;
    handle_at_once(handle, false);
}

struct handle *receiver_new(void)
{
    mpsc_receiver *rx = calloc(1, sizeof *rx);
    if (!rx)
        return NULL;
    rx->handle.kind = OWNER_RECEIVER;
    rx->handle.reset = reset;
    return (struct handle *)rx; /* its first member: the analyzer loses a pointer to that */
}

/* Up to where the queue ends now: senders may be at it still. What they put in is destroyed with the last of
 * them, by attachment_remove. */
static void destroy_queued(mpsc_receiver *rx)
{
    const struct destructor *destructor = attachment_destructor(&rx->handle);
    if (!destructor->run)
        return;
    struct chain chain = segment_chain(rx->handle.segment);
    uint64_t end = chain_end(&chain);
    rx->peeked = NULL; /* its message is one of them */
    while (receiver_look(rx) == MPSC_OK && rx->head < end) {
        if (!mark(rx)) {
            pass(rx, header_of(rx), rx->item.cells);
            continue;
        }
        size_t length = (size_t)rx->item.length;
        destructor->run(ring_payload(&rx->ring, rx->head, length), length, destructor->context);
        take_one(rx, rx->item.length, rx->item.cells);
    }
}

void mpsc_receiver_close(mpsc_receiver *rx)
{
    int cancel;
    if (!rx || !fork_seen())
        return;
    /* A destructor may come to a cancellation point. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    destroy_queued(rx);
    pthread_setcancelstate(cancel, &cancel);
    handle_close_descriptor(&rx->handle);
    attachment_remove(&rx->handle);
    free(rx);
}

size_t mpsc_len(const mpsc_receiver *rx)
{
    if (!rx || handle_usable(&rx->handle))
        return 0;
    const struct segment *segment = rx->handle.segment;
    /* Without its descriptor this process sees no other ring than those that it has mapped. */
    bool chained =
        geometry_is_unbounded(&segment->geometry) && registry_has_descriptor(&segment->registry);
    return (size_t)(chained ? view_queued(segment) : ring_count(&rx->ring));
}

size_t mpsc_capacity(const mpsc_receiver *rx)
{
    if (!rx)
        return 0;
    uint64_t bound = rx->handle.segment->geometry.bound;
    return bound == GEOMETRY_UNBOUNDED ? SIZE_MAX : (size_t)bound;
}

/* ---- descriptors */

/* Readable only if there is something, or it cannot be known. The seat is needed for that. */
static mpsc_status first_look(mpsc_receiver *rx)
{
    mpsc_status status = receiver_look(rx);
    if (status == MPSC_EMPTY && rx->seated)
        status = receiver_settle(rx, status);
    else if (status == MPSC_OK || status == MPSC_DISCONNECTED || status == MPSC_EMPTY)
        bell_raise(rx->handle.bell);
    return status == MPSC_DISCONNECTED || status == MPSC_EMPTY ? MPSC_OK : status;
}

mpsc_status mpsc_receiver_fd(mpsc_receiver *rx, int *fd)
{
    if (!rx || !fd)
        return MPSC_INVALID;
    /* Or inherited, or asked for before when one could not look. */
    bool first =
        !rx->handle.bell || !rx->seated || (rx->handle.bell->fresh && !rx->handle.bell->raised);
    int descriptor = -1;
    mpsc_status status = handle_usable(&rx->handle);
    if (!status)
        status = handle_descriptor(&rx->handle, &descriptor);
    if (!status && first)
        status = first_look(rx);
    if (!status)
        *fd = descriptor;
    return status;
}

/* ---- receiving */

/* The message at the head. */
CPU_PATH void take_copy(mpsc_receiver *rx, size_t taken, uint64_t cells, void *buffer,
                        size_t *length)
{
    ring_copy(buffer, ring_payload(&rx->ring, rx->head, taken), taken);
    take_one(rx, taken, cells);
    if (length)
        *length = taken;
}

CPU_ASIDE mpsc_status receiver_receive(mpsc_receiver *rx, void *buffer, size_t size, enum fit fit,
                                       size_t *length, uint64_t nanoseconds)
{
    if (!rx || (!buffer && size) || rx->peeked)
        return MPSC_INVALID;
    do {
        mpsc_status status = receiver_next(rx, nanoseconds);
        if (status)
            return status;
        if (fit == FIT_EXACT && rx->item.length != size)
            return MPSC_MISMATCH;
        if (rx->item.length > size) {
            if (length)
                *length = (size_t)rx->item.length;
            return MPSC_TOO_BIG;
        }
    } while (!mark(rx));
    take_copy(rx, (size_t)rx->item.length, rx->item.cells, buffer, length);
    return MPSC_OK;
}

/* The way of nearly all messages: the next one is there. False: nothing was done, and `receiver_receive` looks
 * at all that may be. */
CPU_PATH bool receive_at_once(mpsc_receiver *rx, void *buffer, size_t size, enum fit fit,
                              size_t *length)
{
    if (!rx || !buffer || !rx->handle.at_once || !fork_seen())
        return false;
    uint64_t found = ring_glance(&rx->ring, rx->head);
    if (found >= rx->handle.at_once || found > size || (fit == FIT_EXACT && found != size))
        return false;
    take_copy(rx, (size_t)found, 1, buffer, length);
    return true;
}

mpsc_status mpsc_recv(mpsc_receiver *rx, void *buffer, size_t size, size_t *length)
{
    if (receive_at_once(rx, buffer, size, FIT_LOOSE, length))
        return MPSC_OK;
    return receiver_receive(rx, buffer, size, FIT_LOOSE, length, MPSC_FOREVER);
}

mpsc_status mpsc_try_recv(mpsc_receiver *rx, void *buffer, size_t size, size_t *length)
{
    if (receive_at_once(rx, buffer, size, FIT_LOOSE, length))
        return MPSC_OK;
    return receiver_receive(rx, buffer, size, FIT_LOOSE, length, WAIT_NEVER);
}

mpsc_status mpsc_recv_timeout(mpsc_receiver *rx, void *buffer, size_t size, size_t *length,
                              uint64_t nanoseconds)
{
    if (receive_at_once(rx, buffer, size, FIT_LOOSE, length))
        return MPSC_OK;
    return receiver_receive(rx, buffer, size, FIT_LOOSE, length, handle_time(nanoseconds));
}

mpsc_status mpsc_recv_exact(mpsc_receiver *rx, void *buffer, size_t size, uint64_t nanoseconds)
{
    if (receive_at_once(rx, buffer, size, FIT_EXACT, NULL))
        return MPSC_OK;
    return receiver_receive(rx, buffer, size, FIT_EXACT, NULL, handle_time_or_none(nanoseconds));
}
