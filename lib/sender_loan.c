/* SPDX-License-Identifier: MIT */
/* Level 7. Sending what was written in place: cells that are lent out between claim and commit. */
#include "offer.h"
#include "sender_inside.h"

#include <string.h>

static mpsc_status claim_loan(mpsc_sender *tx, size_t length, uint64_t nanoseconds)
{
    if (!tx || tx->loan)
        return MPSC_INVALID;
    if (claim_at_once(tx, length, &tx->loan_claim))
        return MPSC_OK;
    mpsc_status status = handle_usable(&tx->handle);
    return status ? status : sender_claim(tx, length, nanoseconds, &tx->loan_claim);
}

static void *loan(mpsc_sender *tx, size_t length, uint64_t nanoseconds, mpsc_status *status)
{
    mpsc_status found = claim_loan(tx, length, nanoseconds);
    if (status)
        *status = found;
    if (found)
        return NULL;
    /* The receiver that made the offer now waits at the claimed cell, as for any loan. */
    if (tx->loan_claim.offered)
        offer_done(registry_of(tx));
    tx->loan_claim.offered = false;
    tx->loan_length = length;
    tx->loan = ring_payload(&tx->ring, tx->loan_claim.position, length);
    handle_at_once(&tx->handle, false);
    return tx->loan;
}

void *mpsc_loan(mpsc_sender *tx, size_t length, mpsc_status *status)
{
    return loan(tx, length, MPSC_FOREVER, status);
}

void *mpsc_try_loan(mpsc_sender *tx, size_t length, mpsc_status *status)
{
    return loan(tx, length, WAIT_NEVER, status);
}

void *mpsc_loan_timeout(mpsc_sender *tx, size_t length, uint64_t nanoseconds, mpsc_status *status)
{
    return loan(tx, length, handle_time(nanoseconds), status);
}

static void loan_ends(mpsc_sender *tx)
{
    tx->loan = NULL;
    handle_at_once(&tx->handle, true);
}

void sender_cancel_loan(mpsc_sender *tx)
{
    ring_cancel(&tx->ring, tx->loan_claim.position, tx->loan_claim.cells);
    condvar_notify_arrived(header_of(tx));
    loan_ends(tx);
}

static mpsc_status loan_check(const mpsc_sender *tx, const void *loan)
{
    if (!tx)
        return MPSC_INVALID;
    mpsc_status status = handle_usable(&tx->handle);
    if (status)
        return status;
    return loan && loan == tx->loan ? MPSC_OK : MPSC_INVALID;
}

mpsc_status mpsc_send_loan(mpsc_sender *tx, void *loan, size_t length)
{
    mpsc_status status = loan_check(tx, loan);
    if (status)
        return status;
    if (length > tx->loan_length)
        status = MPSC_INVALID;
    else if (handle_side_left(&tx->handle, SIDE_RECEIVER))
        status = MPSC_DISCONNECTED;
    if (status) {
        sender_cancel_loan(tx);
        return status;
    }
    loan_ends(tx);
    /* What has shrunk so much lies elsewhere. */
    unsigned char *place = ring_payload(&tx->ring, tx->loan_claim.position, length);
    if (place != loan)
        memcpy(place, loan, length);
    ring_commit(&tx->ring, tx->loan_claim.position, tx->loan_claim.cells, length);
    /* The void behind it is none of what a flush waits for. */
    tx->loan_claim.cells = ring_cells(&tx->ring, length);
    committed_one(tx, &tx->loan_claim, length);
    return handle_is_rendezvous(&tx->handle) ? sender_hand_over(tx, &tx->loan_claim, MPSC_FOREVER)
                                             : MPSC_OK;
}

mpsc_status mpsc_cancel_loan(mpsc_sender *tx, void *loan)
{
    mpsc_status status = loan_check(tx, loan);
    if (!status)
        sender_cancel_loan(tx);
    return status;
}
