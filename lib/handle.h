/* SPDX-License-Identifier: MIT */
/* Level 7. What the calls on senders and receivers share. */
#ifndef MPSC_HANDLE_H
#define MPSC_HANDLE_H

#include "attachment.h"
#include "fork.h"
#include "wait.h"

/* Handles that are not on a channel yet; NULL: no memory. */
struct handle *sender_new(void);
struct handle *receiver_new(void);

/* The name without its optional leading slash; NULL: it cannot be one. */
const char *handle_name(const char *name);

/* Are these buffers, or none? */
bool handle_vector(const struct iovec *vector, size_t count);

/* May this process use the handle? */
static inline mpsc_status handle_usable(const struct handle *handle)
{
    return fork_seen() ? handle->status : MPSC_DENIED;
}

static inline bool handle_side_left(const struct handle *handle, enum side side)
{
    /* PAIR left: see registry_tell */
    return atomic_load_explicit(&handle->segment->header->left, memory_order_acquire) & side;
}

/* Has that side left, by dying too? Asks the system at most every HANDLE_LOOK nanoseconds, unless there
 * was news. */
#define HANDLE_LOOK UINT64_C(10000000)
bool handle_side_gone(struct handle *handle, enum side side);

static inline bool handle_is_rendezvous(const struct handle *handle)
{
    return handle->segment->geometry.bound == 0;
}

/* Opens the usual way, if `usual` and nothing else is against it, or closes it: then one looks at all
 * that may be. */
static inline void handle_at_once(struct handle *handle, bool usual)
{
    bool open = usual && !handle->status && !handle_is_rendezvous(handle);
    handle->at_once = open ? (size_t)handle->segment->geometry.message_size + 1 : 0;
}

static inline uint64_t handle_owner(const struct handle *handle)
{
    const struct registry *registry = &handle->segment->registry;
    return owner_word(handle->kind, registry->slot, registry->generation);
}

/* So many messages went through it, for whoever inspects. */
static inline void handle_count(const struct handle *handle, uint64_t messages)
{
    _Atomic uint64_t *count = &handle->endpoint->messages;
    uint64_t before = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, before + messages, memory_order_relaxed);
}

/* Waits until `attempt`, called with the wait's context, says anything but HANDLE_AGAIN. */
enum { HANDLE_AGAIN = -1 };
mpsc_status handle_wait(struct handle *handle, struct wait *wait, mpsc_status (*attempt)(void *));

/* A descriptor that is readable while there may be something for the handle, which raises its bell or
 * settles it. The handle keeps it. */
mpsc_status handle_descriptor(struct handle *handle, int *fd);
void handle_close_descriptor(struct handle *handle);
/* Nothing was found for it. True: look once more, and raise the bell if that finds something. */
bool handle_settle(struct handle *handle, struct condvar *condvar);

/* The public time of a waiting call: all values but ours mean what they say. */
static inline uint64_t handle_time(uint64_t nanoseconds)
{
    return nanoseconds == WAIT_NEVER ? MPSC_FOREVER : nanoseconds;
}

/* The same of a call that does not wait when it is given no time. */
static inline uint64_t handle_time_or_none(uint64_t nanoseconds)
{
    return nanoseconds ? handle_time(nanoseconds) : WAIT_NEVER;
}

#endif
