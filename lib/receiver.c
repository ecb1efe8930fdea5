/* SPDX-License-Identifier: MIT */
/* Level 7. Receiving: by copy, or by a look at the message in place. */
#include "receiver.h"
#include "condvar.h"
#include "handle.h"
#include "offer.h"
#include "os/trace.h"
#include "recover.h"
#include "seat.h"
#include "view.h"

#include <mpsc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct mpsc_receiver {
    struct handle handle;
    struct ring ring;               /* a copy: the oldest */
    bool seated;                    /* nobody else can have the seat while we live */
    uint64_t head;                  /* where we take next; the seat's holder alone moves it */
    uint64_t rests_at, rests_since; /* a position where nothing was, since when */
    unsigned passed;                /* rings, since one last looked for a message */
    bool held_up;                   /* a message may be there, and another thread is in the way */
    const void *peeked;
    struct ring_item item; /* what is at the head, when it was looked at */
};

static struct header *header_of(const mpsc_receiver *rx)
{
    return rx->handle.segment->header;
}

static const struct registry *registry_of(const mpsc_receiver *rx)
{
    return &rx->handle.segment->registry;
}

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
    return &rx->handle;
}

static void destroy_queued(mpsc_receiver *rx);

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

/* ---- looking */

CPU_PATH void pass(mpsc_receiver *rx, struct header *header, uint64_t cells)
{
    ring_take(&rx->ring, &rx->head, cells);
    condvar_notify_room(header);
}

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

/* For whoever polls: from here on the descriptor is readable only when something comes. */
static mpsc_status settle(mpsc_receiver *rx, mpsc_status status)
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
        status = settle(rx, status);
    return status;
}

/* The next message, still at the head, into rx->item. */
static mpsc_status next(mpsc_receiver *rx, uint64_t nanoseconds)
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

/* ---- descriptors */

/* Readable only if there is something, or it cannot be known. The seat is needed for that. */
static mpsc_status first_look(mpsc_receiver *rx)
{
    mpsc_status status = receiver_look(rx);
    if (status == MPSC_EMPTY && rx->seated)
        status = settle(rx, status);
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

/* ---- taking */

/* A rendezvous' sender may withdraw until the mark: false, it did. */
static bool mark(mpsc_receiver *rx)
{
    return !handle_is_rendezvous(&rx->handle) || rx->item.taken || ring_mark(&rx->ring, rx->head);
}

CPU_PATH void take(mpsc_receiver *rx, struct header *header, uint64_t messages, uint64_t cells)
{
    uint64_t received = atomic_load_explicit(&header->received, memory_order_relaxed);
    atomic_store_explicit(&header->received, received + messages, memory_order_relaxed);
    handle_count(&rx->handle, messages);
    pass(rx, header, cells);
}

CPU_PATH void take_one(mpsc_receiver *rx, uint64_t length, uint64_t cells)
{
    struct header *header = header_of(rx);
    take(rx, header, 1, cells);
    trace_receive(header, rx->head, length);
}

/* The message at the head. */
CPU_PATH void take_copy(mpsc_receiver *rx, size_t taken, uint64_t cells, void *buffer,
                        size_t *length)
{
    ring_copy(buffer, ring_payload(&rx->ring, rx->head, taken), taken);
    take_one(rx, taken, cells);
    if (length)
        *length = taken;
}

/* What a message may be: at most as long as the buffer, or exactly. */
enum fit { FIT_LOOSE, FIT_EXACT };

CPU_ASIDE mpsc_status receive(mpsc_receiver *rx, void *buffer, size_t size, enum fit fit,
                              size_t *length, uint64_t nanoseconds)
{
    if (!rx || (!buffer && size) || rx->peeked)
        return MPSC_INVALID;
    do {
        mpsc_status status = next(rx, nanoseconds);
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

/* The way of nearly all messages: the next one is there. False: nothing was done, and `receive` looks
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
    return receive(rx, buffer, size, FIT_LOOSE, length, MPSC_FOREVER);
}

mpsc_status mpsc_try_recv(mpsc_receiver *rx, void *buffer, size_t size, size_t *length)
{
    if (receive_at_once(rx, buffer, size, FIT_LOOSE, length))
        return MPSC_OK;
    return receive(rx, buffer, size, FIT_LOOSE, length, WAIT_NEVER);
}

mpsc_status mpsc_recv_timeout(mpsc_receiver *rx, void *buffer, size_t size, size_t *length,
                              uint64_t nanoseconds)
{
    if (receive_at_once(rx, buffer, size, FIT_LOOSE, length))
        return MPSC_OK;
    return receive(rx, buffer, size, FIT_LOOSE, length, handle_time(nanoseconds));
}

mpsc_status mpsc_recv_exact(mpsc_receiver *rx, void *buffer, size_t size, uint64_t nanoseconds)
{
    if (receive_at_once(rx, buffer, size, FIT_EXACT, NULL))
        return MPSC_OK;
    return receive(rx, buffer, size, FIT_EXACT, NULL, handle_time_or_none(nanoseconds));
}

/* ---- batches */

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
        status = receive(rx, buffers->iov_base, buffers->iov_len, FIT_LOOSE, &buffers->iov_len,
                         nanoseconds);
    } else if (!status && row) {
        status = next(rx, nanoseconds);
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

/* ---- in place */

static const void *peek(mpsc_receiver *rx, size_t size, enum fit fit, size_t *length,
                        uint64_t nanoseconds, mpsc_status *status)
{
    mpsc_status found = rx ? handle_usable(&rx->handle) : MPSC_INVALID;
    if (!found && !rx->peeked)
        found = next(rx, nanoseconds);
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

/* ---- what nobody will receive */

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
