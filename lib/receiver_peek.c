/* SPDX-License-Identifier: MIT */
/* Level 7. Receiving in place: a look at the message at the head, and its release. */
#include "receiver_inside.h"

static const void *peek(mpsc_receiver *rx, size_t size, enum fit fit, size_t *length,
                        uint64_t nanoseconds, mpsc_status *status)
{
    mpsc_status found = rx ? handle_usable(&rx->handle) : MPSC_INVALID;
    if (!found && !rx->peeked)
        found = receiver_next(rx, nanoseconds);
    if (!found && fit == FIT_EXACT && rx->item.length != size)
        found = MPSC_MISMATCH;
    if (status)
        *status = found;
    if (found)
        return NULL;
    if (length)
        *length = (size_t)rx->item.length;
    rx->peeked = ring_payload(&rx->ring, rx->head, rx->item.length);
    handle_at_once(&rx->handle, false);
    return rx->peeked;
}

const void *mpsc_peek(mpsc_receiver *rx, size_t *length, mpsc_status *status)
{
    return peek(rx, 0, FIT_LOOSE, length, MPSC_FOREVER, status);
}

const void *mpsc_try_peek(mpsc_receiver *rx, size_t *length, mpsc_status *status)
{
    return peek(rx, 0, FIT_LOOSE, length, WAIT_NEVER, status);
}

const void *mpsc_peek_timeout(mpsc_receiver *rx, size_t *length, uint64_t nanoseconds,
                              mpsc_status *status)
{
    return peek(rx, 0, FIT_LOOSE, length, handle_time(nanoseconds), status);
}

const void *mpsc_peek_exact(mpsc_receiver *rx, size_t size, uint64_t nanoseconds,
                            mpsc_status *status)
{
    return peek(rx, size, FIT_EXACT, NULL, handle_time_or_none(nanoseconds), status);
}

mpsc_status mpsc_release(mpsc_receiver *rx, const void *message)
{
    if (!rx)
        return MPSC_INVALID;
    mpsc_status status = handle_usable(&rx->handle);
    if (status)
        return status;
    if (!message || message != rx->peeked)
        return MPSC_INVALID;
    rx->peeked = NULL;
    handle_at_once(&rx->handle, true);
    if (!mark(rx)) {
        pass(rx, header_of(rx), rx->item.cells);
        return MPSC_EMPTY;
    }
    take_one(rx, rx->item.length, rx->item.cells);
    return MPSC_OK;
}
