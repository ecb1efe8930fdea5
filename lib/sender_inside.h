/* SPDX-License-Identifier: MIT */
/*
 * What the sender's files share, for them alone: sender.c has the handle and sends copies, sender_claim.c takes
 * cells and waits for them, sender_batch.c sends many messages at once, sender_loan.c lends cells out.
 */
#ifndef MPSC_SENDER_INSIDE_H
#define MPSC_SENDER_INSIDE_H

#include "condvar.h"
#include "handle.h"
#include "lead.h"
#include "os/trace.h"

#include <mpsc.h>

/* Cells that are claimed and not committed. */
struct claim {
    uint64_t position;
    uint64_t cells;
    bool offered; /* a rendezvous' offer was accepted for it */
};

struct mpsc_sender {
    struct handle handle;
    struct ring ring; /* a copy: the newest, as far as it knows */
    uint64_t room;    /* the end of the room in it, as last seen */
    uint64_t end;     /* behind the last message that was sent */
    struct lead lead; /* of an unbounded channel */
    /* The loan that is out. */
    void *loan;
    size_t loan_length;
    struct claim loan_claim;
};

static inline struct header *header_of(const mpsc_sender *tx)
{
    return tx->handle.segment->header;
}

static inline const struct registry *registry_of(const mpsc_sender *tx)
{
    return &tx->handle.segment->registry;
}

static inline bool is_unbounded(const mpsc_sender *tx)
{
    return geometry_is_unbounded(&tx->handle.segment->geometry);
}

/* ---- sender.c */

/* By copy; the way of all messages that cannot go at once. */
mpsc_status sender_send(mpsc_sender *tx, const void *message, size_t length, uint64_t nanoseconds);
/* What was committed to a rendezvous: returns when the receiver has taken it, or takes it back. */
mpsc_status sender_hand_over(mpsc_sender *tx, const struct claim *claim, uint64_t nanoseconds);

/* ---- sender_claim.c */

/* Cells for a message of so many bytes, as soon as there is room. */
mpsc_status sender_claim(mpsc_sender *tx, size_t length, uint64_t nanoseconds, struct claim *claim);
/* claim->cells of them, now. RING_BIASED: as if it were full, for as long as another sender's claim is under
 * way. */
enum ring_result sender_claim_once(mpsc_sender *tx, struct claim *claim);
/* Before a claim: is the receiver far behind? */
void sender_consider_lead(mpsc_sender *tx, uint64_t nanoseconds);
/* Until the head is at `position`, all before it taken. */
mpsc_status sender_wait_for_head(mpsc_sender *tx, uint64_t position, uint64_t nanoseconds);

/* ---- sender_loan.c */

/* The loan that is out. */
void sender_cancel_loan(mpsc_sender *tx);

/* ---- the straight way of a message, for it and for loans */

/* The receiver may be asleep over a hole that an intent seemed to cover for a moment. */
static inline void tell_if_withdrew(const mpsc_sender *tx, bool withdrew)
{
    if (withdrew)
        condvar_notify_arrived(header_of(tx));
}

/* The way of nearly all claims: one cell, for which there is room. False: nothing was done, and
 * one looks at all that may be. */
CPU_PATH bool claim_at_once(mpsc_sender *tx, size_t length, struct claim *claim)
{
    if (length >= tx->handle.at_once || !fork_seen() ||
        handle_side_left(&tx->handle, SIDE_RECEIVER))
        return false;
    bool withdrew;
    *claim = (struct claim){.cells = 1};
    if (ring_claim_at_once(&tx->ring, &tx->handle.endpoint->intent, tx->room, &claim->position,
                           &withdrew))
        return true;
    tell_if_withdrew(tx, withdrew);
    return false;
}

/* So many messages, the last of which ends in front of `end`. */
CPU_PATH void committed(mpsc_sender *tx, struct header *header, uint64_t end, uint64_t messages)
{
    condvar_notify_arrived(header);
    tx->end = end;
    handle_count(&tx->handle, messages);
}

CPU_PATH void committed_one(mpsc_sender *tx, const struct claim *claim, size_t length)
{
    struct header *header = header_of(tx);
    trace_send(header, claim->position, length);
    committed(tx, header, claim->position + claim->cells, 1);
}

#endif
