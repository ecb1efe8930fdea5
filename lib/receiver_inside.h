/* SPDX-License-Identifier: MIT */
/*
 * What the receiver's files share, for them alone: receiver.c has the handle and receives copies, receiver_look.c
 * finds the next message and waits for it, receiver_batch.c receives many at once, receiver_peek.c shows them in
 * place.
 */
#ifndef MPSC_RECEIVER_INSIDE_H
#define MPSC_RECEIVER_INSIDE_H

#include "condvar.h"
#include "os/trace.h"
#include "receiver.h"

#include <mpsc.h>

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

static inline struct header *header_of(const mpsc_receiver *rx)
{
    return rx->handle.segment->header;
}

static inline const struct registry *registry_of(const mpsc_receiver *rx)
{
    return &rx->handle.segment->registry;
}

/* ---- receiver.c */

/* What a message may be: at most as long as the buffer, or exactly. */
enum fit { FIT_LOOSE, FIT_EXACT };

/* By copy; the way of all messages that are not there at once. */
mpsc_status receiver_receive(mpsc_receiver *rx, void *buffer, size_t size, enum fit fit,
                             size_t *length, uint64_t nanoseconds);

/* ---- receiver_look.c */

/* The next message, still at the head, into rx->item. */
mpsc_status receiver_next(mpsc_receiver *rx, uint64_t nanoseconds);
/* Nothing was found, which was called `status`. For whoever polls: from here on the descriptor is readable only
 * when something comes. */
mpsc_status receiver_settle(mpsc_receiver *rx, mpsc_status status);

/* ---- the straight way of a message */

CPU_PATH void pass(mpsc_receiver *rx, struct header *header, uint64_t cells)
{
    ring_take(&rx->ring, &rx->head, cells);
    condvar_notify_room(header);
}

/* A rendezvous' sender may withdraw until the mark: false, it did. */
static inline bool mark(mpsc_receiver *rx)
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

#endif
