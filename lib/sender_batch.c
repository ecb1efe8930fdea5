/* SPDX-License-Identifier: MIT */
/* Level 7. Sending many messages with one claim. */
#include "sender_inside.h"

/* The first of some messages, as many as `most` cells hold. */
static size_t part_of(const mpsc_sender *tx, const struct iovec *messages, size_t count,
                      uint64_t most, uint64_t *cells)
{
    size_t part = 0;
    *cells = 0;
    for (; part < count && messages[part].iov_len <= tx->ring.max_length; part++) {
        uint64_t more = ring_cells(&tx->ring, messages[part].iov_len);
        if (*cells + more > most)
            break;
        *cells += more;
    }
    return part;
}

/* Room for as many as there is room for at once, for one at least. `*count` says how many those are. */
static mpsc_status claim_part(mpsc_sender *tx, const struct iovec *messages, size_t *count,
                              uint64_t nanoseconds, struct claim *claim)
{
    enum ring_result result = RING_FULL;
    uint64_t most = tx->ring.limit, cells;
    sender_consider_lead(tx, nanoseconds);
    while (result == RING_FULL) {
        size_t part = part_of(tx, messages, *count, most, &cells);
        if (part < 2)
            break;
        *count = part;
        *claim = (struct claim){.cells = cells};
        if (handle_side_left(&tx->handle, SIDE_RECEIVER))
            return MPSC_DISCONNECTED;
        result = sender_claim_once(tx, claim);
        most = ring_free(&tx->ring, tx->room);
    }
    if (result == RING_OK)
        return MPSC_OK;
    *count = 1;
    return sender_claim(tx, messages[0].iov_len, nanoseconds, claim);
}

static void commit_part(mpsc_sender *tx, const struct iovec *messages, size_t count,
                        const struct claim *claim)
{
    const struct ring ring = tx->ring; /* see ring.h */
    struct header *header = header_of(tx);
    uint64_t position = claim->position;
    for (size_t i = 0; i < count; i++) {
        size_t length = messages[i].iov_len;
        ring_write(&ring, position, messages[i].iov_base, length);
        trace_send(header, position, length);
        position += ring_cells(&ring, length);
    }
    committed(tx, header, position, count);
}

static mpsc_status send_part(mpsc_sender *tx, const struct iovec *messages, size_t *count,
                             uint64_t nanoseconds)
{
    struct claim claim;
    if (handle_is_rendezvous(&tx->handle)) {
        *count = 1;
        return sender_send(tx, messages[0].iov_base, messages[0].iov_len, nanoseconds);
    }
    mpsc_status status = claim_part(tx, messages, count, nanoseconds, &claim);
    if (!status)
        commit_part(tx, messages, *count, &claim);
    return status;
}

static mpsc_status send_batch(mpsc_sender *tx, const struct iovec *messages, size_t count,
                              size_t *sent, uint64_t nanoseconds)
{
    if (!tx || !sent || tx->loan || !handle_vector(messages, count))
        return MPSC_INVALID;
    mpsc_status status = handle_usable(&tx->handle);
    uint64_t deadline = nanoseconds == WAIT_NEVER ? 0 : wait_deadline(nanoseconds);
    size_t done = 0;
    while (!status && done < count) {
        size_t part = count - done;
        uint64_t left = nanoseconds == WAIT_NEVER || !done ? nanoseconds : wait_left(deadline);
        status = send_part(tx, messages + done, &part, left);
        if (!status)
            done += part;
    }
    if (status && !done)
        return status;
    *sent = done;
    return MPSC_OK;
}

mpsc_status mpsc_send_batch(mpsc_sender *tx, const struct iovec *messages, size_t count,
                            size_t *sent)
{
    return send_batch(tx, messages, count, sent, MPSC_FOREVER);
}

mpsc_status mpsc_try_send_batch(mpsc_sender *tx, const struct iovec *messages, size_t count,
                                size_t *sent)
{
    return send_batch(tx, messages, count, sent, WAIT_NEVER);
}

mpsc_status mpsc_send_batch_timeout(mpsc_sender *tx, const struct iovec *messages, size_t count,
                                    size_t *sent, uint64_t nanoseconds)
{
    return send_batch(tx, messages, count, sent, handle_time(nanoseconds));
}
