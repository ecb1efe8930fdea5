/* SPDX-License-Identifier: MIT */
/* Level 7. The sender's handle, and sending by copy. */
#include "offer.h"
#include "sender_inside.h"

#include <stdlib.h>

/* ---- handles */

static void reset(struct handle *handle)
{
    mpsc_sender *tx = (mpsc_sender *)handle;
    tx->ring = handle->segment->ring;
    tx->room = tx->end = 0;
    tx->lead = (struct lead){0};
    tx->loan = NULL;
    handle_at_once(handle, true);
}

struct handle *sender_new(void)
{
    mpsc_sender *tx = calloc(1, sizeof *tx);
    if (!tx)
        return NULL;
    tx->handle.kind = OWNER_SENDER;
    tx->handle.reset = reset;
    return (struct handle *)tx; /* its first member: the analyzer loses a pointer to that */
}

mpsc_status mpsc_sender_clone(const mpsc_sender *tx, mpsc_sender **clone)
{
    if (!tx || !clone)
        return MPSC_INVALID;
    mpsc_status status = handle_usable(&tx->handle);
    if (status)
        return status;
    struct handle *made = sender_new();
    if (!made)
        return MPSC_NO_MEMORY;
    status = attachment_add(&tx->handle, made);
    if (status) {
        free(made);
        return status;
    }
    *clone = (mpsc_sender *)made;
    return MPSC_OK;
}

void mpsc_sender_close(mpsc_sender *tx)
{
    /* A child that nobody announced shares nothing of this; it may even share our memory. */
    if (!tx || !fork_seen())
        return;
    if (tx->loan)
        sender_cancel_loan(tx);
    handle_close_descriptor(&tx->handle);
    attachment_remove(&tx->handle);
    free(tx);
}

/* ---- descriptors */

mpsc_status mpsc_sender_fd(mpsc_sender *tx, int *fd)
{
    if (!tx || !fd)
        return MPSC_INVALID;
    mpsc_status status = handle_usable(&tx->handle);
    /* A rendezvous has room while a receiver waits, which it may do many times in a second; what grows
     * has room always. */
    if (!status && (handle_is_rendezvous(&tx->handle) || is_unbounded(tx)))
        status = MPSC_INVALID;
    bool first = !tx->handle.bell;
    if (!status)
        status = handle_descriptor(&tx->handle, fd);
    if (!status && first)
        bell_raise(tx->handle.bell);
    return status;
}

/* ---- sending */

mpsc_status mpsc_flush(mpsc_sender *tx, uint64_t nanoseconds)
{
    if (!tx)
        return MPSC_INVALID;
    mpsc_status status = handle_usable(&tx->handle);
    return status ? status : sender_wait_for_head(tx, tx->end, handle_time(nanoseconds));
}

CPU_PATH void commit_copy(mpsc_sender *tx, const struct claim *claim, const void *message,
                          size_t length)
{
    ring_write(&tx->ring, claim->position, message, length);
    committed_one(tx, claim, length);
}

mpsc_status sender_hand_over(mpsc_sender *tx, const struct claim *claim, uint64_t nanoseconds)
{
    mpsc_status status = sender_wait_for_head(tx, claim->position + 1, nanoseconds);
    if (!status || !ring_withdraw(&tx->ring, claim->position))
        return MPSC_OK;
    handle_count(&tx->handle, -UINT64_C(1));
    tx->end = 0; /* what was sent before is taken, or this would not have had the cell */
    return status;
}

static mpsc_status finish(mpsc_sender *tx, const struct claim *claim, uint64_t nanoseconds)
{
    if (!claim->offered)
        return sender_hand_over(tx, claim, nanoseconds);
    offer_done(registry_of(tx));
    /* The receiver may be waiting for that. */
    condvar_notify_arrived(header_of(tx));
    return MPSC_OK;
}

CPU_ASIDE mpsc_status sender_send(mpsc_sender *tx, const void *message, size_t length,
                                  uint64_t nanoseconds)
{
    if (!tx || (!message && length) || tx->loan)
        return MPSC_INVALID;
    struct claim claim;
    const bool rendezvous = handle_is_rendezvous(&tx->handle);
    const uint64_t deadline = rendezvous ? wait_deadline(nanoseconds) : 0;
    mpsc_status status = handle_usable(&tx->handle);
    if (!status)
        status = sender_claim(tx, length, nanoseconds, &claim);
    if (status)
        return status;
    commit_copy(tx, &claim, message, length);
    return rendezvous ? finish(tx, &claim, wait_left(deadline)) : MPSC_OK;
}

/* The way of nearly all messages. False: nothing was done, and `sender_send` looks at all that may be. */
CPU_PATH bool send_at_once(mpsc_sender *tx, const void *message, size_t length)
{
    struct claim claim;
    if (!tx || !message || !claim_at_once(tx, length, &claim))
        return false;
    commit_copy(tx, &claim, message, length);
    return true;
}

mpsc_status mpsc_send(mpsc_sender *tx, const void *message, size_t length)
{
    return send_at_once(tx, message, length) ? MPSC_OK
                                             : sender_send(tx, message, length, MPSC_FOREVER);
}

mpsc_status mpsc_try_send(mpsc_sender *tx, const void *message, size_t length)
{
    return send_at_once(tx, message, length) ? MPSC_OK
                                             : sender_send(tx, message, length, WAIT_NEVER);
}

mpsc_status mpsc_send_timeout(mpsc_sender *tx, const void *message, size_t length,
                              uint64_t nanoseconds)
{
    return send_at_once(tx, message, length)
               ? MPSC_OK
               : sender_send(tx, message, length, handle_time(nanoseconds));
}
