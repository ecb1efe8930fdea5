/* SPDX-License-Identifier: MIT */
/* Level 7. Sending: by copy, or by a loan that is filled in place. */
#include "bias.h"
#include "condvar.h"
#include "handle.h"
#include "lead.h"
#include "offer.h"
#include "os/trace.h"

#include <mpsc.h>
#include <stdlib.h>
#include <string.h>

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

static struct header *header_of(const mpsc_sender *tx)
{
    return tx->handle.segment->header;
}

static const struct registry *registry_of(const mpsc_sender *tx)
{
    return &tx->handle.segment->registry;
}

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
    return &tx->handle;
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

static void loan_cancel(mpsc_sender *tx);

void mpsc_sender_close(mpsc_sender *tx)
{
    /* A child that nobody announced shares nothing of this; it may even share our memory. */
    if (!tx || !fork_seen())
        return;
    if (tx->loan)
        loan_cancel(tx);
    handle_close_descriptor(&tx->handle);
    attachment_remove(&tx->handle);
    free(tx);
}

/* ---- waiting */

/* What a sender waits for: room for its claim, or the head to come to a position. */
struct waiting {
    mpsc_sender *tx;
    struct claim *claim; /* NULL: the head */
    uint64_t position;
    bool patient; /* while another process changes the tables; else one sleeps */
};

static bool is_unbounded(const mpsc_sender *tx)
{
    return geometry_is_unbounded(&tx->handle.segment->geometry);
}

static bool has_grown(const mpsc_sender *tx)
{
    struct chain chain = segment_chain(tx->handle.segment);
    return chain_newest(&chain) != tx->ring.number;
}

static bool ready(void *context)
{
    const struct waiting *waiting = context;
    const struct ring *ring = &waiting->tx->ring;
    if (handle_side_left(&waiting->tx->handle, SIDE_RECEIVER))
        return true;
    if (!waiting->claim)
        return ring_head(ring) >= waiting->position;
    if (is_unbounded(waiting->tx) && has_grown(waiting->tx))
        return true;
    return ring_room(ring, waiting->claim->cells) &&
           !bias_holds_up(registry_of(waiting->tx), ring->words);
}

static unsigned watch(void *context, struct os_futex *futexes, unsigned most, unsigned *died)
{
    const struct waiting *waiting = context;
    return registry_watch(registry_of(waiting->tx), OWNER_RECEIVER, futexes, most, died);
}

static struct wait wait_of(struct waiting *waiting, uint64_t nanoseconds)
{
    mpsc_sender *tx = waiting->tx;
    return (struct wait){
        .header = header_of(tx),
        .condvar = &header_of(tx)->room,
        .deadline = wait_deadline(nanoseconds),
        .blocked_since = &tx->handle.endpoint->blocked_since,
        .ready = ready,
        .ready_to_sleep = ready,
        .watch = watch,
        .context = waiting,
        .vigil = &tx->handle.vigil,
        .habit = &tx->handle.habit,
    };
}

static mpsc_status attempt_head(void *context)
{
    const struct waiting *waiting = context;
    if (ring_head(&waiting->tx->ring) >= waiting->position)
        return MPSC_OK;
    return handle_side_gone(&waiting->tx->handle, SIDE_RECEIVER) ? MPSC_DISCONNECTED : HANDLE_AGAIN;
}

/* Until the head is at `position`, all before it taken. */
static mpsc_status wait_for_head(mpsc_sender *tx, uint64_t position, uint64_t nanoseconds)
{
    struct waiting waiting = {.tx = tx, .position = position};
    struct wait wait = wait_of(&waiting, nanoseconds);
    mpsc_status status = handle_wait(&tx->handle, &wait, attempt_head);
    return ring_head(&tx->ring) >= position ? MPSC_OK : status;
}

mpsc_status mpsc_flush(mpsc_sender *tx, uint64_t nanoseconds)
{
    if (!tx)
        return MPSC_INVALID;
    mpsc_status status = handle_usable(&tx->handle);
    return status ? status : wait_for_head(tx, tx->end, handle_time(nanoseconds));
}

/* ---- claim */

/* The receiver may be asleep over a hole that an intent seemed to cover for a moment. */
static inline void tell_if_withdrew(const mpsc_sender *tx, bool withdrew)
{
    if (withdrew)
        condvar_notify_arrived(header_of(tx));
}

/* Takes the bias from whoever has it, but waits for nothing. */
static enum ring_result claim_revoking(mpsc_sender *tx, struct claim *claim)
{
    bool withdrew, revoked = false;
    enum ring_result result;
    do {
        result = ring_claim(&tx->ring, &tx->handle.endpoint->intent, claim->cells, &tx->room,
                            &claim->position, &withdrew);
        tell_if_withdrew(tx, withdrew); /* at once: a loan may be long */
        revoked |= result == RING_BIASED;
    } while (result == RING_BIASED && bias_revoke(registry_of(tx), tx->ring.words));
    /* Others may be asleep that were held up. */
    if (revoked && result != RING_BIASED)
        condvar_notify_room(header_of(tx));
    return result;
}

/* RING_BIASED: as if it were full, for as long as another sender's claim is under way. */
static enum ring_result claim_once(mpsc_sender *tx, struct claim *claim)
{
    enum ring_result result = claim_revoking(tx, claim);
    if (is_unbounded(tx) && tx->room > tx->lead.look)
        tx->room = tx->lead.look; /* there one looks again */
    if (!geometry_may_be_biased(&tx->handle.segment->geometry))
        return result == RING_BIASED ? RING_CORRUPT : result;
    if (result == RING_OK)
        bias_consider(registry_of(tx), &tx->ring, tx->handle.index);
    return result;
}

static mpsc_status attempt_claim(void *context)
{
    const struct waiting *waiting = context;
    if (handle_side_gone(&waiting->tx->handle, SIDE_RECEIVER))
        return MPSC_DISCONNECTED;
    switch (claim_once(waiting->tx, waiting->claim)) {
    case RING_OK:
        return MPSC_OK;
    case RING_FULL:
    case RING_BIASED:
        return HANDLE_AGAIN;
    default:
        return MPSC_CORRUPT;
    }
}

static mpsc_status claim_waiting(mpsc_sender *tx, uint64_t nanoseconds, struct claim *claim)
{
    struct waiting waiting = {.tx = tx, .claim = claim};
    struct wait wait = wait_of(&waiting, nanoseconds);
    return handle_wait(&tx->handle, &wait, attempt_claim);
}

/* There is no room, and no waiting. Is that for good? */
static mpsc_status no_room(mpsc_sender *tx, mpsc_status status)
{
    tx->handle.looked = 0; /* now at the latest one hears of a receiver that was killed */
    return handle_side_gone(&tx->handle, SIDE_RECEIVER) ? MPSC_DISCONNECTED : status;
}

/* The same; and for whoever polls, the descriptor is readable from here on only when there may
 * be room again. */
static mpsc_status settle(mpsc_sender *tx, mpsc_status status, struct claim *claim)
{
    status = no_room(tx, status);
    if (!tx->handle.bell || status == MPSC_DISCONNECTED)
        return status;
    struct waiting waiting = {.tx = tx, .claim = claim};
    if (handle_settle(&tx->handle, &header_of(tx)->room)) {
        mpsc_status found = attempt_claim(&waiting);
        if (found != HANDLE_AGAIN) {
            bell_raise(tx->handle.bell);
            return found;
        }
    }
    /* The next claim ends that; and of a full ring one hears. */
    if (ring_room(&tx->ring, claim->cells) && bias_is_revoked(tx->ring.words) &&
        registry_has_descriptor(registry_of(tx)))
        bell_look_again(tx->handle.bell);
    return status;
}

/* Only while a receiver waits, and the message is its answer. */
static mpsc_status claim_offered(mpsc_sender *tx, struct claim *claim)
{
    const struct registry *registry = registry_of(tx);
    uint64_t owner = handle_owner(&tx->handle);
    if (!offer_accept(registry, owner))
        return no_room(tx, MPSC_FULL);
    enum ring_result result = claim_once(tx, claim);
    if (result == RING_OK) {
        offer_claimed(registry, owner);
        claim->offered = true;
        return MPSC_OK;
    }
    /* Another sender's message is there; the receiver may be waiting for our answer. */
    offer_done(registry);
    condvar_notify_arrived(header_of(tx));
    return result == RING_FULL ? MPSC_FULL : MPSC_CORRUPT;
}

/* The ring is full, or closed: goes on in the newest, and makes a larger one if need be. */
static mpsc_status follow_chain(const struct waiting *waiting)
{
    mpsc_sender *tx = waiting->tx;
    mpsc_status status = MPSC_OK;
    if (!has_grown(tx)) {
        status = no_room(tx, MPSC_OK);
        if (!status)
            status = attachment_grow(&tx->handle, waiting->claim->cells, waiting->patient);
    }
    struct chain chain = segment_chain(tx->handle.segment);
    if (!status)
        status = attachment_ring(&tx->handle, chain_newest(&chain), &tx->ring);
    tx->room = 0;
    return status;
}

static mpsc_status attempt_growing(void *context)
{
    enum { ROUNDS = 1000 };
    const struct waiting *waiting = context;
    for (int round = 0; round < ROUNDS; round++) { /* others may be faster */
        if (handle_side_left(&waiting->tx->handle, SIDE_RECEIVER))
            return MPSC_DISCONNECTED;
        enum ring_result result = claim_once(waiting->tx, waiting->claim);
        if (result != RING_FULL && result != RING_ENDED)
            return result == RING_OK ? MPSC_OK : MPSC_CORRUPT;
        mpsc_status status = follow_chain(waiting);
        if (status == MPSC_BUSY)
            return HANDLE_AGAIN;
        if (status)
            return no_room(waiting->tx, status);
    }
    return HANDLE_AGAIN;
}

/* An unbounded channel's claim waits for nothing but whoever else is making room, or was stopped while
 * it changed the tables. */
static mpsc_status claim_growing(mpsc_sender *tx, uint64_t nanoseconds, struct claim *claim)
{
    struct waiting waiting = {.tx = tx, .claim = claim, .patient = nanoseconds == WAIT_NEVER};
    struct wait wait = wait_of(&waiting, nanoseconds);
    mpsc_status status = attempt_growing(&waiting);
    if (status != HANDLE_AGAIN)
        return status;
    if (nanoseconds == WAIT_NEVER)
        return no_room(tx, MPSC_FULL);
    status = handle_wait(&tx->handle, &wait, attempt_growing);
    return status == MPSC_TIMEOUT ? no_room(tx, status) : status;
}

static mpsc_status claim_without_room(mpsc_sender *tx, enum ring_result result,
                                      uint64_t nanoseconds, struct claim *claim)
{
    if (is_unbounded(tx) && (result == RING_FULL || result == RING_ENDED))
        return claim_growing(tx, nanoseconds, claim);
    if (result != RING_FULL && result != RING_BIASED)
        return MPSC_CORRUPT;
    if (nanoseconds == WAIT_NEVER)
        return settle(tx, MPSC_FULL, claim);
    mpsc_status status = claim_waiting(tx, nanoseconds, claim);
    return status == MPSC_TIMEOUT ? settle(tx, status, claim) : status;
}

/* A try call takes no time but its own. */
static void consider_lead(mpsc_sender *tx, uint64_t nanoseconds)
{
    if (is_unbounded(tx))
        lead_consider(&tx->lead, &tx->ring, nanoseconds != WAIT_NEVER);
}

static mpsc_status claim_cells(mpsc_sender *tx, size_t length, uint64_t nanoseconds,
                               struct claim *claim)
{
    if (length > tx->ring.max_length)
        return MPSC_TOO_BIG;
    *claim = (struct claim){.cells = ring_cells(&tx->ring, length)};
    if (handle_side_left(&tx->handle, SIDE_RECEIVER))
        return MPSC_DISCONNECTED;
    if (nanoseconds == WAIT_NEVER && handle_is_rendezvous(&tx->handle))
        return claim_offered(tx, claim);
    consider_lead(tx, nanoseconds);
    enum ring_result result = claim_once(tx, claim);
    return result == RING_OK ? MPSC_OK : claim_without_room(tx, result, nanoseconds, claim);
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

/* ---- commit */

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

CPU_PATH void commit_copy(mpsc_sender *tx, const struct claim *claim, const void *message,
                          size_t length)
{
    ring_write(&tx->ring, claim->position, message, length);
    committed_one(tx, claim, length);
}

/* A rendezvous: returns when the receiver has taken it, or takes it back. */
static mpsc_status hand_over(mpsc_sender *tx, const struct claim *claim, uint64_t nanoseconds)
{
    mpsc_status status = wait_for_head(tx, claim->position + 1, nanoseconds);
    if (!status || !ring_withdraw(&tx->ring, claim->position))
        return MPSC_OK;
    handle_count(&tx->handle, -UINT64_C(1));
    tx->end = 0; /* what was sent before is taken, or this would not have had the cell */
    return status;
}

static mpsc_status finish(mpsc_sender *tx, const struct claim *claim, uint64_t nanoseconds)
{
    if (!claim->offered)
        return hand_over(tx, claim, nanoseconds);
    offer_done(registry_of(tx));
    /* The receiver may be waiting for that. */
    condvar_notify_arrived(header_of(tx));
    return MPSC_OK;
}

CPU_ASIDE mpsc_status send(mpsc_sender *tx, const void *message, size_t length,
                           uint64_t nanoseconds)
{
    if (!tx || (!message && length) || tx->loan)
        return MPSC_INVALID;
    struct claim claim;
    const bool rendezvous = handle_is_rendezvous(&tx->handle);
    const uint64_t deadline = rendezvous ? wait_deadline(nanoseconds) : 0;
    mpsc_status status = handle_usable(&tx->handle);
    if (!status)
        status = claim_cells(tx, length, nanoseconds, &claim);
    if (status)
        return status;
    commit_copy(tx, &claim, message, length);
    return rendezvous ? finish(tx, &claim, wait_left(deadline)) : MPSC_OK;
}

/* The way of nearly all messages. False: nothing was done, and `send` looks at all that may be. */
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
    return send_at_once(tx, message, length) ? MPSC_OK : send(tx, message, length, MPSC_FOREVER);
}

mpsc_status mpsc_try_send(mpsc_sender *tx, const void *message, size_t length)
{
    return send_at_once(tx, message, length) ? MPSC_OK : send(tx, message, length, WAIT_NEVER);
}

mpsc_status mpsc_send_timeout(mpsc_sender *tx, const void *message, size_t length,
                              uint64_t nanoseconds)
{
    return send_at_once(tx, message, length) ? MPSC_OK
                                             : send(tx, message, length, handle_time(nanoseconds));
}

/* ---- batches */

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
    consider_lead(tx, nanoseconds);
    while (result == RING_FULL) {
        size_t part = part_of(tx, messages, *count, most, &cells);
        if (part < 2)
            break;
        *count = part;
        *claim = (struct claim){.cells = cells};
        if (handle_side_left(&tx->handle, SIDE_RECEIVER))
            return MPSC_DISCONNECTED;
        result = claim_once(tx, claim);
        most = ring_free(&tx->ring, tx->room);
    }
    if (result == RING_OK)
        return MPSC_OK;
    *count = 1;
    return claim_cells(tx, messages[0].iov_len, nanoseconds, claim);
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
        return send(tx, messages[0].iov_base, messages[0].iov_len, nanoseconds);
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

/* ---- loans */

static mpsc_status claim_loan(mpsc_sender *tx, size_t length, uint64_t nanoseconds)
{
    if (!tx || tx->loan)
        return MPSC_INVALID;
    if (claim_at_once(tx, length, &tx->loan_claim))
        return MPSC_OK;
    mpsc_status status = handle_usable(&tx->handle);
    return status ? status : claim_cells(tx, length, nanoseconds, &tx->loan_claim);
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

static void loan_cancel(mpsc_sender *tx)
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
        loan_cancel(tx);
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
    return handle_is_rendezvous(&tx->handle) ? hand_over(tx, &tx->loan_claim, MPSC_FOREVER)
                                             : MPSC_OK;
}

mpsc_status mpsc_cancel_loan(mpsc_sender *tx, void *loan)
{
    mpsc_status status = loan_check(tx, loan);
    if (!status)
        loan_cancel(tx);
    return status;
}
