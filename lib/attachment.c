/* SPDX-License-Identifier: MIT */
#include "attachment_inside.h"
#include "fork.h"
#include "seat.h"

#include <errno.h>
#include <string.h>

/* How long one waits for others at the end, where nobody comes back to it. */
#define PATIENCE_AT_END UINT64_C(500000000)

/* ---- handles; the control mutex is held */

static mpsc_status handle_add(struct attachment *attachment, struct handle *handle)
{
    const struct registry *registry = &attachment->segment.registry;
    int index = registry_add(registry, handle->kind, registry->slot, registry->generation);
    if (index == -EMFILE || index == -ENOSPC) {
        registry_reap(registry); /* the dead may have left room */
        index = registry_add(registry, handle->kind, registry->slot, registry->generation);
    }
    if (index < 0)
        return segment_status(index);
    if (handle->kind == OWNER_RECEIVER) {
        handle->opened = seat_word(registry, (unsigned)index);
        if (seat_open(registry, handle->opened) == SEAT_BUSY) {
            registry_remove(registry, (unsigned)index);
            return MPSC_BUSY;
        }
    }
    attachment_bind(handle, attachment, (unsigned)index);
    handle->next = attachment->handles;
    attachment->handles = handle;
    return MPSC_OK;
}

static void handle_remove(struct attachment *attachment, struct handle *handle)
{
    const struct registry *registry = &attachment->segment.registry;
    if (handle->kind == OWNER_RECEIVER)
        seat_leave(registry, handle->index);
    registry_remove(registry, handle->index);
}

/* Who exits does not come back. */
static bool everybody_exits(const struct registry *registry)
{
    unsigned high = registry_process_high(registry);
    for (unsigned slot = 0; slot < high; slot++) {
        const struct process *process = &registry->processes[slot];
        if (atomic_load_explicit(&process->life, memory_order_relaxed) &&
            !atomic_load_explicit(&process->exits, memory_order_relaxed) &&
            registry_slot_alive(registry, slot))
            return false;
    }
    return true;
}

/* Closes the channel if nobody is left in it. True: its name is to be removed. */
static bool close_if_left(const struct segment *segment)
{
    if (registry_is_durable(&segment->registry))
        return false;
    registry_reap(&segment->registry);
    if (!registry_empty(&segment->registry) && !everybody_exits(&segment->registry))
        return false;
    atomic_store_explicit(&segment->header->state, SEGMENT_CLOSED, memory_order_relaxed);
    return segment->identity.name[0] != '\0';
}

const struct destructor *attachment_destructor(const struct handle *handle)
{
    return &handle->attachment->destructor;
}

/* The name of a channel that has ended. Who else is at that may be one who must not remove it. */
static int remove_name_at_end(const struct segment *segment)
{
    const uint64_t end = os_now() + PATIENCE_AT_END;
    int error;
    while ((error = segment_remove_name(segment, segment->identity.name, false)) == -EAGAIN &&
           os_now() < end)
        os_yield();
    return error;
}

/* The last handle of this process is gone. */
static void leave(struct attachment *attachment)
{
    bool last = false;
    if (is_member(attachment) && attachment_control_begin(attachment) == MPSC_OK) {
        registry_detach(&attachment->segment.registry, attachment->segment.registry.slot);
        last = close_if_left(&attachment->segment);
        attachment_control_end(attachment);
    }
    if (last) {
        /* Removing the name takes one, and there may be no other. */
        segment_close_descriptor(&attachment->segment);
        (void)remove_name_at_end(&attachment->segment);
    }
    attachment_free(attachment);
}

/* ---- opening; the process' mutex is held */

/* One that a fork could not give a slot to has no part in the channel. */
static struct attachment *find(const struct segment *segment)
{
    for (struct attachment *a = attachment_list; a; a = a->next)
        if (is_member(a) && !a->leaving && a->segment.registry.inode == segment->registry.inode &&
            a->segment.registry.device == segment->registry.device)
            return a;
    return NULL;
}

/* Adds a handle; before the first one, the process itself. Control mutex held. */
static mpsc_status join(struct attachment *attachment, struct handle *handle)
{
    const struct registry *registry = &attachment->segment.registry;
    mpsc_status status = MPSC_OK;
    if (!attachment->handles) {
        status = segment_status(registry_attach(registry, registry->slot, registry->generation));
        if (!status && !attachment->news)
            attachment_begin_news(attachment);
    }
    return status ? status : handle_add(attachment, handle);
}

/* An orphan, whose processes have all left, is no channel any more: the next open starts afresh. */
static bool orphaned(const struct segment *segment)
{
    if (atomic_load_explicit(&segment->header->state, memory_order_relaxed) == SEGMENT_CLOSED)
        return true;
    return close_if_left(segment);
}

/* Is this a channel that this process may take part in, and for that purpose? */
static mpsc_status belongs_here(const struct attachment *attachment, const mpsc_options *options)
{
    if (is_local(attachment) && !attachment->handles)
        return MPSC_DENIED; /* it is another process' own */
    if (options->destroy && (options->destroy != attachment->destructor.run ||
                             options->context != attachment->destructor.context))
        return MPSC_MISMATCH;
    return MPSC_OK;
}

/* What attachment_open does next, beside the public statuses. */
enum { OPEN_ORPHAN = -1, OPEN_AGAIN = -2 };

/* With our lock on it, a dead process whose slot we have got would seem alive. */
static void reap_at_entry(const struct attachment *attachment)
{
    const struct registry *registry = &attachment->segment.registry;
    if (!attachment->handles)
        registry_detach(registry, registry->slot);
    registry_reap(registry);
}

static mpsc_status enter(struct attachment *attachment, const mpsc_options *options,
                         struct handle *handle)
{
    mpsc_status status = attachment_control_begin(attachment);
    if (status)
        return status;
    reap_at_entry(attachment);
    if (orphaned(&attachment->segment))
        status = OPEN_ORPHAN;
    else if (options->exclusive)
        status = MPSC_EXISTS;
    else
        status = belongs_here(attachment, options);
    if (!status)
        status = segment_agrees(&attachment->segment, options);
    if (!status)
        status = join(attachment, handle);
    if (!attachment->handles)
        registry_detach(&attachment->segment.registry, attachment->segment.registry.slot);
    attachment_control_end(attachment);
    return status;
}

static mpsc_status open_existing(const char *name, const mpsc_options *options,
                                 struct handle *handle)
{
    struct segment segment;
    mpsc_status status = segment_open(name, options->any_owner, &segment);
    if (!status && strcmp(name, segment.identity.name) != 0) {
        segment_close(&segment); /* a copy, or it was moved: nothing in it is of this name */
        status = MPSC_MISMATCH;
    }
    if (status)
        return status;
    struct attachment *attachment = find(&segment);
    bool found = attachment;
    if (found) {
        /* Our own descriptor may be closed by now, so it cannot be asked. */
        attachment->segment.permissions = segment.permissions;
        segment_close(&segment);
    } else {
        status = attachment_make(&segment, &attachment);
    }
    if (status)
        return status;
    status = enter(attachment, options, handle);
    if (status == OPEN_ORPHAN) {
        int error = segment_remove_name(&attachment->segment, name, true);
        status = error ? segment_status(error) : OPEN_AGAIN;
    }
    if (!found && status)
        attachment_free(attachment);
    else if (!found)
        attachment_enlist(attachment);
    return status;
}

/* A new channel with its first handles; without a name as yet. */
static mpsc_status create(const char *name, const mpsc_options *options, struct handle **handles,
                          unsigned count, struct attachment **created)
{
    mpsc_options definite = *options;
    struct segment segment;
    mpsc_status status = segment_defaults(&definite);
    if (!status)
        status = segment_create(name, &definite, &segment);
    if (!status)
        status = attachment_make(&segment, created);
    if (status)
        return status;
    (*created)->destructor = (struct destructor){options->destroy, options->context};
    status = attachment_control_begin(*created);
    if (!status) {
        for (unsigned i = 0; i < count && !status; i++)
            status = join(*created, handles[i]);
        attachment_control_end(*created);
    }
    if (status)
        attachment_free(*created);
    return status;
}

static mpsc_status create_named(const char *name, const mpsc_options *options,
                                struct handle *handle)
{
    struct attachment *attachment;
    mpsc_status status = create(name, options, &handle, 1, &attachment);
    if (status)
        return status;
    status = segment_publish(&attachment->segment, name);
    if (status) {
        attachment_free(attachment);
        return status == MPSC_EXISTS && !options->exclusive ? OPEN_AGAIN : status;
    }
    attachment_enlist(attachment);
    return MPSC_OK;
}

mpsc_status attachment_open(const char *name, const mpsc_options *options, struct handle *handle)
{
    int cancel = attachment_lock();
    mpsc_status status = attachment_sees_forks() ? OPEN_AGAIN : MPSC_NO_MEMORY;
    bool cleared = false;
    /* Without room for one more slot: the first try has cleared away what the dead left. */
    while (status == OPEN_AGAIN || (status == MPSC_NO_SPACE && !cleared)) {
        cleared = status == MPSC_NO_SPACE;
        status = open_existing(name, options, handle);
        if (status == MPSC_NOT_FOUND && options->create) {
            cleared = true;
            status = create_named(name, options, handle);
        }
    }
    attachment_unlock(cancel);
    return status;
}

mpsc_status attachment_create(const mpsc_options *options, struct handle *tx, struct handle *rx)
{
    struct attachment *attachment;
    int cancel = attachment_lock();
    mpsc_status status = MPSC_NO_MEMORY;
    if (attachment_sees_forks())
        status = create("", options, (struct handle *[]){tx, rx}, 2, &attachment);
    if (!status)
        attachment_enlist(attachment);
    attachment_unlock(cancel);
    return status;
}

mpsc_status attachment_add(const struct handle *of, struct handle *handle)
{
    struct attachment *attachment = of->attachment;
    int cancel = attachment_lock();
    mpsc_status status = attachment_control_begin(attachment);
    if (!status) {
        status = handle_add(attachment, handle);
        attachment_control_end(attachment);
    }
    attachment_unlock(cancel);
    return status;
}

void attachment_remove(struct handle *handle)
{
    struct attachment *attachment = handle->attachment;
    int cancel = attachment_lock();
    for (struct handle **at = &attachment->handles; *at; at = &(*at)->next)
        if (*at == handle) {
            *at = handle->next;
            break;
        }
    if (!handle->status && attachment_control_begin(attachment) == MPSC_OK) {
        handle_remove(attachment, handle);
        attachment_control_end(attachment);
    }
    attachment->leaving = !attachment->handles;
    if (attachment->leaving && attachment->destructor.run && is_member(attachment)) {
        /* Not under the mutex: what is called may close other handles. Nobody else is in the channel, or can
         * come. */
        pthread_mutex_unlock(&attachment_mutex);
        segment_leftovers(&attachment->segment, attachment->destructor.run,
                          attachment->destructor.context);
        pthread_mutex_lock(&attachment_mutex);
    }
    if (attachment->leaving) {
        attachment_delist(attachment);
        leave(attachment);
    }
    bool last = !attachment_list;
    attachment_unlock(cancel);
    if (last)
        bells_drop();
}

static mpsc_status unlink_segment(const char *name)
{
    struct segment segment;
    struct attachment *attachment;
    if (segment_open(name, false, &segment) != MPSC_OK)
        return segment_status(os_shm_unlink(name)); /* whatever it is */
    mpsc_status status = segment_status(segment_remove_name(&segment, name, true));
    if (status || !segment.identity.durable) {
        segment_close(&segment);
    } else if (attachment_make(&segment, &attachment) == MPSC_OK) {
        /* From now on the scoped rules hold: whoever has left is told of. */
        if (attachment_control_begin(attachment) == MPSC_OK) {
            reap_at_entry(attachment);
            attachment_control_end(attachment);
        }
        attachment_free(attachment);
    }
    return status;
}

mpsc_status attachment_unlink(const char *name)
{
    int cancel = attachment_lock();
    mpsc_status status = unlink_segment(name);
    attachment_unlock(cancel);
    return status;
}

/* ---- exit with handles open */

/* Takes a descriptor, and there may be no other than ours. Its number stays: threads may be using it. */
static void remove_name_at_exit(const struct segment *segment)
{
    if (remove_name_at_end(segment) != -EMFILE || !registry_has_descriptor(&segment->registry))
        return;
    os_close(segment->fd);
    (void)remove_name_at_end(segment);
}

/*
 * Removes the names of channels that end with this process. The handles stay as they are, since other
 * threads may be using them until the very end: our locks say when that is.
 */
__attribute__((destructor(101))) static void remove_names(void)
{
    if (!fork_seen() || !attachment_lock_within(&attachment_mutex, PATIENCE_AT_END))
        return;
    for (struct attachment *a = attachment_list; a; a = a->next) {
        const struct registry *registry = &a->segment.registry;
        if (!is_member(a) || !a->segment.identity.name[0] || registry_is_durable(registry) ||
            attachment_control_within(a, PATIENCE_AT_END) != MPSC_OK)
            continue;
        atomic_store_explicit(&registry->processes[registry->slot].exits, 1, memory_order_relaxed);
        bool last = everybody_exits(registry);
        if (last)
            atomic_store_explicit(&a->segment.header->state, SEGMENT_CLOSED, memory_order_relaxed);
        attachment_control_end(a);
        if (last)
            remove_name_at_exit(&a->segment);
    }
    pthread_mutex_unlock(&attachment_mutex);
}
