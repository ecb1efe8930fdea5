/* SPDX-License-Identifier: MIT */
/* Level 7. Receiving many messages with one acknowledgement. */
#include "receiver_inside.h"

/* Is there a message at a position, of so many bytes at most? */
CPU_PATH bool stands_at(mpsc_receiver *rx, const struct ring *ring, uint64_t position, size_t most,
                        uint64_t *length, uint64_t *cells)
{
    *length = ring_glance(ring, position);
    *cells = 1;
    if (*length > ring->message_size) {
        if (ring_look(&rx->ring, position, &rx->item) != RING_OK)
            return false;
        *length = rx->item.length;
        *cells = rx->item.cells;
    }
    return *length <= most;
}

/* The message at the head, and those that stand right behind it. */
static size_t receive_row(mpsc_receiver *rx, struct iovec *buffers, size_t count)
{
    const struct ring ring = rx->ring; /* see ring.h */
    struct header *header = header_of(rx);
    uint64_t position = rx->head, length = rx->item.length, cells = rx->item.cells;
    size_t row = 0;
    do {
        buffers[row].iov_len = (size_t)length;
        ring_copy(buffers[row++].iov_base, ring_payload(&ring, position, length), (size_t)length);
        position += cells;
        trace_receive(header, position, length);
    } while (row < count && stands_at(rx, &ring, position, buffers[row].iov_len, &length, &cells));
    take(rx, header, row, position - rx->head);
    return row;
}

static mpsc_status receive_batch(mpsc_receiver *rx, struct iovec *buffers, size_t count,
                                 size_t *received, uint64_t nanoseconds)
{
    if (!rx || !received || rx->peeked || !handle_vector(buffers, count))
        return MPSC_INVALID;
    size_t row = count ? 1 : 0;
    mpsc_status status = handle_usable(&rx->handle);
    if (!status && row && handle_is_rendezvous(&rx->handle)) {
        status = receiver_receive(rx, buffers->iov_base, buffers->iov_len, FIT_LOOSE,
                                  &buffers->iov_len, nanoseconds);
    } else if (!status && row) {
        status = receiver_next(rx, nanoseconds);
        if (!status && rx->item.length > buffers->iov_len) {
            buffers->iov_len = (size_t)rx->item.length;
            status = MPSC_TOO_BIG;
        }
        if (!status)
            row = receive_row(rx, buffers, count);
    }
    if (!status)
        *received = row;
    return status;
}

mpsc_status mpsc_recv_batch(mpsc_receiver *rx, struct iovec *buffers, size_t count,
                            size_t *received)
{
    return receive_batch(rx, buffers, count, received, MPSC_FOREVER);
}

mpsc_status mpsc_try_recv_batch(mpsc_receiver *rx, struct iovec *buffers, size_t count,
                                size_t *received)
{
    return receive_batch(rx, buffers, count, received, WAIT_NEVER);
}

mpsc_status mpsc_recv_batch_timeout(mpsc_receiver *rx, struct iovec *buffers, size_t count,
                                    size_t *received, uint64_t nanoseconds)
{
    return receive_batch(rx, buffers, count, received, handle_time(nanoseconds));
}
