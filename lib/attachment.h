/* SPDX-License-Identifier: MIT */
/*
 * Level 6. This process on one segment: the mapping, the process slot, and all handles on it. The
 * only taker of the control mutex, and of the lock that guards the process' own list; the message
 * path takes neither.
 */
#ifndef MPSC_ATTACHMENT_H
#define MPSC_ATTACHMENT_H

#include "bell.h"
#include "segment.h"
#include "wait.h"

struct attachment;

/* What senders and receivers have in common; their first member. */
struct handle {
    struct attachment *attachment;
    const struct segment *segment;
    struct endpoint *endpoint;
    struct handle *next;
    enum owner_kind kind;
    unsigned index;     /* of the endpoint */
    mpsc_status status; /* OK, or why this process has no part in the channel */
    size_t at_once;     /* messages shorter than this may go the usual way; 0: none */
    uint64_t opened;    /* a receiver: the seat's word when it was opened, be it by a parent */
    uint64_t looked;    /* when it was last asked who lives */
    struct wait_vigil vigil;
    struct wait_habit habit;
    struct bell *bell;        /* of the descriptor that was asked for; NULL: none was */
    uint64_t selected;        /* a receiver: when it was last the one of several; */
    int watch;                /* and by which their bell listens to it, in the call under way */
    unsigned child_index;     /* for the child that fork is making, */
    mpsc_status child_status; /* likewise */
    /* Makes it idle: on a new channel, or in a child, whatever its thread did in the parent. */
    void (*reset)(struct handle *handle);
};

/* Opens or creates, and adds the handle, whose kind and reset are set. `options` is complete. */
mpsc_status attachment_open(const char *name, const mpsc_options *options, struct handle *handle);
/* A private channel with its first two handles. */
mpsc_status attachment_create(const mpsc_options *options, struct handle *tx, struct handle *rx);
/* One more handle beside `of`. */
mpsc_status attachment_add(const struct handle *of, struct handle *handle);
/* Takes the handle out; the last one takes the attachment along, and the last attachment of a
 * scoped channel its name. What is left in a channel of this process alone is destroyed then. */
void attachment_remove(struct handle *handle);

/* What the channel's options say of a message that nobody will receive. */
struct destructor {
    void (*run)(void *message, size_t length, void *context); /* NULL: nothing is to be done */
    void *context;
};
const struct destructor *attachment_destructor(const struct handle *handle);

/* Removes the name, and tells those who are in a durable channel what that means. */
mpsc_status attachment_unlink(const char *name);

/* One ring of the channel's chain, mapped if it was not. MPSC_BUSY: not now. */
mpsc_status attachment_ring(const struct handle *handle, unsigned number, struct ring *ring);
/* Makes room for so many cells, where the newest ring has none. MPSC_BUSY: somebody else changes the
 * tables, for longer than who is patient waits, awake; MPSC_NO_SPACE. */
mpsc_status attachment_grow(struct handle *handle, uint64_t cells, bool patient);
/* An idle channel's ring becomes the smallest one, if nobody else is at it. */
void attachment_shrink(const struct handle *handle);

/* After a death was noticed: clears away what the dead left, if nobody else is at it. */
void attachment_reap(const struct handle *handle);

#endif
