/* SPDX-License-Identifier: MIT */
/* Level 7. How a sender comes to its cells: at once, or when there is room, or in a new ring. */
#include "bias.h"
#include "offer.h"
#include "sender_inside.h"

/* ---- waiting */

/* What a sender waits for: room for its claim, or the head to come to a position. */
struct waiting {
    mpsc_sender *tx;
    struct claim *claim; /* NULL: the head */
    uint64_t position;
    bool patient; /* while another process changes the tables; else one sleeps */
};

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

mpsc_status sender_wait_for_head(mpsc_sender *tx, uint64_t position, uint64_t nanoseconds)
{
    struct waiting waiting = {.tx = tx, .position = position};
    struct wait wait = wait_of(&waiting, nanoseconds);
    mpsc_status status = handle_wait(&tx->handle, &wait, attempt_head);
    return ring_head(&tx->ring) >= position ? MPSC_OK : status;
}

/* ---- claim */

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

enum ring_result sender_claim_once(mpsc_sender *tx, struct claim *claim)
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
    switch (sender_claim_once(waiting->tx, waiting->claim)) {
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
    enum ring_result result = sender_claim_once(tx, claim);
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
        enum ring_result result = sender_claim_once(waiting->tx, waiting->claim);
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
void sender_consider_lead(mpsc_sender *tx, uint64_t nanoseconds)
{
    if (is_unbounded(tx))
        lead_consider(&tx->lead, &tx->ring, nanoseconds != WAIT_NEVER);
}

mpsc_status sender_claim(mpsc_sender *tx, size_t length, uint64_t nanoseconds, struct claim *claim)
{
    if (length > tx->ring.max_length)
        return MPSC_TOO_BIG;
    *claim = (struct claim){.cells = ring_cells(&tx->ring, length)};
    if (handle_side_left(&tx->handle, SIDE_RECEIVER))
        return MPSC_DISCONNECTED;
    if (nanoseconds == WAIT_NEVER && handle_is_rendezvous(&tx->handle))
        return claim_offered(tx, claim);
    sender_consider_lead(tx, nanoseconds);
    enum ring_result result = sender_claim_once(tx, claim);
    return result == RING_OK ? MPSC_OK : claim_without_room(tx, result, nanoseconds, claim);
}
