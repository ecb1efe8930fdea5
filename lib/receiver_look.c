/* SPDX-License-Identifier: MIT */
/* Level 7. How a receiver finds its next message: at the head, behind what the dead left, in the next ring, or
 * asleep until one comes. */
#include "offer.h"
#include "receiver_inside.h"
#include "recover.h"
#include "seat.h"

/* ---- looking */

static mpsc_status empty_if_busy(mpsc_receiver *rx, mpsc_status status)
{
    rx->held_up = status == MPSC_BUSY;
    return rx->held_up ? MPSC_EMPTY : status;
}

/* The ring is at its end: goes on in the next one. MPSC_EMPTY: there is none yet. */
static mpsc_status follow_chain(mpsc_receiver *rx)
{
    struct chain chain = segment_chain(rx->handle.segment);
    struct ring ring;
    unsigned next;
    rx->held_up = false;
    if (!chain_next(&chain, rx->ring.number, &next))
        return MPSC_EMPTY;
    /* One comes by each once, or by some of them twice that were used again meanwhile. */
    if (++rx->passed > 2 * RINGS_MOST)
        return MPSC_CORRUPT;
    mpsc_status status = attachment_ring(&rx->handle, next, &ring);
    if (status)
        return empty_if_busy(rx, status);
    chain_pass(&chain, &rx->ring, next);
    rx->ring = ring;
    return MPSC_OK;
}

/* The first receive of this handle. */
static mpsc_status sit_down(mpsc_receiver *rx, uint64_t nanoseconds)
{
    if (seat_take(registry_of(rx), rx->handle.index, rx->handle.opened) == SEAT_BUSY)
        return MPSC_BUSY;
    struct chain chain = segment_chain(rx->handle.segment);
    mpsc_status status;
    do
        status = attachment_ring(&rx->handle, chain_oldest(&chain), &rx->ring);
    while (status == MPSC_BUSY && nanoseconds != WAIT_NEVER);
    if (status)
        return empty_if_busy(rx, status);
    rx->seated = true;
    handle_at_once(&rx->handle, true);
    rx->head = ring_head(&rx->ring);
    /* The last holder may have died when it had given the memory of this ring back. */
    if (ring_claimed(&rx->ring, rx->head) == RING_ENDED)
        status = follow_chain(rx);
    return status == MPSC_EMPTY ? MPSC_OK : status;
}

/* A large ring that is empty, or a smaller one for some time, gives way to the smallest. True: it is
 * closed now. */
static bool rest(mpsc_receiver *rx)
{
    const uint64_t large = 4 << 20, some_time = 100000000;
    uint64_t now = os_now();
    bool first = rx->rests_at != rx->head;
    bool is_large = (rx->ring.mask + 1) * rx->ring.stride > large;
    if (first)
        rx->rests_since = now;
    rx->rests_at = rx->head;
    if (!(first && is_large) && now - rx->rests_since <= some_time)
        return false;
    attachment_shrink(&rx->handle);
    rx->rests_since = now; /* where there is no memory for another, not at once again */
    return ring_claimed(&rx->ring, rx->head) == RING_ENDED;
}

static mpsc_status nothing_there(mpsc_receiver *rx, bool gone)
{
    if (rx->ring.number > 0 && rest(rx))
        return MPSC_OK;
    return gone ? MPSC_DISCONNECTED : MPSC_EMPTY;
}

/* There is no stamp at the head: is it empty, or a hole, and whose? MPSC_OK: look again. */
static mpsc_status look_behind(mpsc_receiver *rx)
{
    /* This first: what those who left had sent is seen by whoever sees that they left. */
    bool gone = handle_side_gone(&rx->handle, SIDE_SENDER);
    mpsc_status status;
    switch (ring_claimed(&rx->ring, rx->head)) {
    case RING_EMPTY:
        return nothing_there(rx, gone);
    case RING_ENDED:
        status = follow_chain(rx);
        return status == MPSC_EMPTY && gone && !rx->held_up ? MPSC_DISCONNECTED : status;
    case RING_HOLE:
        break;
    default:
        return MPSC_CORRUPT;
    }
    switch (recover_hole(registry_of(rx), &rx->ring, &rx->head)) {
    case RECOVER_PASSED:
        condvar_notify_room(header_of(rx));
        return MPSC_OK;
    case RECOVER_STAMPED:
        return MPSC_OK;
    default:
        return MPSC_EMPTY;
    }
}

/* The message at the head, past all that is void. */
static mpsc_status look(mpsc_receiver *rx, struct ring_item *item)
{
    rx->passed = 0;
    for (;;) {
        switch (ring_look(&rx->ring, rx->head, item)) {
        case RING_OK:
            return MPSC_OK;
        case RING_VOID:
            pass(rx, header_of(rx), item->cells);
            break;
        case RING_HOLE: {
            mpsc_status status = look_behind(rx);
            if (status)
                return status;
            break;
        }
        default:
            return MPSC_CORRUPT;
        }
    }
}

/* ---- waiting */

static bool ready(void *context)
{
    const mpsc_receiver *rx = context;
    struct ring_item item;
    return ring_look(&rx->ring, rx->head, &item) != RING_HOLE ||
           handle_side_left(&rx->handle, SIDE_SENDER);
}

/* The stamp and the tail once more, the next ring, whether a hole's owner still shows its intent, and whether
 * the offer was another's when we made ours, and is nobody's now. */
static bool ready_to_sleep(void *context)
{
    const mpsc_receiver *rx = context;
    struct chain chain = segment_chain(rx->handle.segment);
    unsigned next;
    if (ready(context))
        return true;
    if (handle_is_rendezvous(&rx->handle) && !offer_stands(registry_of(rx)))
        return true;
    switch (ring_claimed(&rx->ring, rx->head)) {
    case RING_EMPTY:
        return false;
    case RING_ENDED:
        return chain_next(&chain, rx->ring.number, &next);
    default:
        return !registry_covers(registry_of(rx), rx->head);
    }
}

static unsigned watch(void *context, struct os_futex *futexes, unsigned most, unsigned *died)
{
    const mpsc_receiver *rx = context;
    return registry_watch(registry_of(rx), OWNER_SENDER, futexes, most, died);
}

static mpsc_status attempt(void *context)
{
    mpsc_receiver *rx = context;
    if (handle_is_rendezvous(&rx->handle))
        offer_open(registry_of(rx), handle_owner(&rx->handle));
    mpsc_status status = look(rx, &rx->item);
    return status == MPSC_EMPTY ? HANDLE_AGAIN : status;
}

static mpsc_status wait_message(mpsc_receiver *rx, uint64_t nanoseconds)
{
    struct wait wait = {
        .header = header_of(rx),
        .condvar = &header_of(rx)->arrived,
        .deadline = wait_deadline(nanoseconds),
        .blocked_since = &rx->handle.endpoint->blocked_since,
        .ready = ready,
        .ready_to_sleep = ready_to_sleep,
        .watch = watch,
        .context = rx,
        .vigil = &rx->handle.vigil,
        .habit = &rx->handle.habit,
        .learns = !handle_is_rendezvous(&rx->handle),
    };
    return handle_wait(&rx->handle, &wait, attempt);
}

/* Returns when nobody acts on our offer any more; `status` is what the waiting came to until now. */
static mpsc_status close_offer(mpsc_receiver *rx, mpsc_status status)
{
    const uint64_t first = 1000000;
    uint64_t moment = first, owner = handle_owner(&rx->handle);
    mpsc_status last = status;
    while (!offer_close(registry_of(rx), owner, last == MPSC_OK)) {
        /* A sender has accepted: its message comes within a moment, or its refusal; unless it was
         * stopped, and then it is not asked often. */
        if (last == MPSC_OK && moment > first)
            os_pause(moment); /* another's message stands there, and would end each wait */
        else
            os_yield();
        last = wait_message(rx, moment);
        if (status == MPSC_OK && last == MPSC_INTERRUPTED)
            status = last;
        if (moment < WAIT_BOUND)
            moment *= 2;
    }
    return status;
}

/* A rendezvous, where waiting is an offer. What stands there when that is closed, counts: a sender may have
 * accepted it after our last look, or withdrawn what we saw. */
static mpsc_status wait_offering(mpsc_receiver *rx, uint64_t nanoseconds)
{
    const uint64_t deadline = wait_deadline(nanoseconds);
    mpsc_status status, found;
    do {
        status = close_offer(rx, wait_message(rx, wait_left(deadline)));
        found = look(rx, &rx->item);
    } while (found == MPSC_EMPTY && status == MPSC_OK);
    return found == MPSC_EMPTY ? status : found;
}

mpsc_status receiver_settle(mpsc_receiver *rx, mpsc_status status)
{
    if (!handle_settle(&rx->handle, &header_of(rx)->arrived))
        return status;
    mpsc_status found = look(rx, &rx->item);
    if (found != MPSC_EMPTY || rx->held_up)
        bell_raise(rx->handle.bell);
    rx->held_up = false;
    return found == MPSC_EMPTY ? status : found;
}

static mpsc_status look_long(mpsc_receiver *rx, uint64_t nanoseconds)
{
    mpsc_status status;
    if (nanoseconds == WAIT_NEVER)
        status = look(rx, &rx->item);
    else if (handle_is_rendezvous(&rx->handle))
        status = wait_offering(rx, nanoseconds);
    else
        status = wait_message(rx, nanoseconds);
    if (rx->handle.bell && (status == MPSC_EMPTY || status == MPSC_TIMEOUT))
        status = receiver_settle(rx, status);
    return status;
}

mpsc_status receiver_next(mpsc_receiver *rx, uint64_t nanoseconds)
{
    mpsc_status status = handle_usable(&rx->handle);
    if (!status && !rx->seated)
        status = sit_down(rx, nanoseconds);
    if (status)
        return status;
    if (ring_look(&rx->ring, rx->head, &rx->item) == RING_OK)
        return MPSC_OK;
    return look_long(rx, nanoseconds);
}

mpsc_status receiver_look(mpsc_receiver *rx)
{
    mpsc_status status = handle_usable(&rx->handle);
    if (!status && !rx->seated)
        status = sit_down(rx, WAIT_NEVER);
    if (!status && !rx->peeked) /* or its place is the head */
        status = look(rx, &rx->item);
    return status;
}
