/* SPDX-License-Identifier: MIT */
#include "attachment.h"
#include "condvar.h"
#include "fork.h"
#include "seat.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A slot, by the lock of its byte on a description of its own. */
struct claimed {
    int fd;
    unsigned slot;
    uint32_t generation;
};

struct attachment {
    struct segment segment;
    void *anchor; /* keeps the lock of our slot's byte */
    void *news;   /* tells others of our death */
    struct handle *handles;
    struct attachment *next;
    struct destructor destructor;
    bool leaving;         /* its last handle is gone; the rest of it is under way */
    bool member;          /* our slot is ours: false in a child that got none */
    struct claimed child; /* of the child, between fork's prepare and child handlers */
    mpsc_status child_status;
};

/* All attachments of this process, and all control operations on them. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct attachment *list;

/* The mappings of rings, of all attachments. Taken after the other one, and for moments only. */
static pthread_mutex_t rings_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool barrier;

/* ---- locking */

/* A thread that is cancelled in here would leave the mutex locked. */
static int lock(void)
{
    int cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    pthread_mutex_lock(&mutex);
    return cancel;
}

static void unlock(int cancel)
{
    pthread_mutex_unlock(&mutex);
    pthread_setcancelstate(cancel, &cancel);
}

static bool slot_alive(void *registry, unsigned slot)
{
    return registry_slot_alive(registry, slot);
}

static struct control_owner owner_of(struct attachment *attachment)
{
    struct registry *registry = &attachment->segment.registry;
    return (struct control_owner){registry->slot, registry->generation, slot_alive, registry};
}

static mpsc_status control_taken(struct attachment *attachment, enum control_result result)
{
    switch (result) {
    case CONTROL_REPAIR:
        segment_repair(&attachment->segment);
        return MPSC_OK;
    case CONTROL_LOCKED:
        return MPSC_OK;
    case CONTROL_BUSY:
        return MPSC_BUSY;
    default:
        return MPSC_CORRUPT;
    }
}

static mpsc_status control_begin(struct attachment *attachment)
{
    struct control_owner owner = owner_of(attachment);
    return control_taken(attachment, control_lock(&attachment->segment.header->control, &owner));
}

/* MPSC_BUSY: somebody else is at it. */
static mpsc_status control_try_begin(struct attachment *attachment)
{
    struct control_owner owner = owner_of(attachment);
    return control_taken(attachment,
                         control_try_lock(&attachment->segment.header->control, &owner));
}

/* How long one waits for others where that must come to an end: a process may have been stopped, and a thread
 * may wait for one. In the middle of a message, and at the end, where nobody comes back to it. */
#define PATIENCE UINT64_C(10000000)
#define PATIENCE_AT_END UINT64_C(500000000)

static bool lock_within(pthread_mutex_t *which, uint64_t patience)
{
    const uint64_t end = os_now() + patience;
    while (pthread_mutex_trylock(which) != 0) {
        if (os_now() > end)
            return false;
        os_yield();
    }
    return true;
}

static mpsc_status control_try_for_long(struct attachment *attachment, uint64_t patience)
{
    const uint64_t end = os_now() + patience;
    mpsc_status status;
    while ((status = control_try_begin(attachment)) == MPSC_BUSY && os_now() < end)
        os_yield();
    return status;
}

static void control_end(struct attachment *attachment)
{
    struct control_owner owner = owner_of(attachment);
    registry_tell(&attachment->segment.registry);
    control_unlock(&attachment->segment.header->control, &owner);
    /* Senders may be asleep that must make it grow. */
    if (geometry_is_unbounded(&attachment->segment.geometry))
        condvar_notify_room(attachment->segment.header);
}

/* ---- a process takes part */

static mpsc_status claim_slot(const struct attachment *attachment, struct claimed *claimed)
{
    const struct registry *registry = &attachment->segment.registry;
    if (!registry_has_descriptor(registry))
        return MPSC_DENIED;
    int fd = os_shm_reopen(attachment->segment.fd);
    if (fd < 0)
        return segment_status(fd);
    int slot = registry_claim_slot(registry, fd);
    if (slot < 0) {
        os_close(fd);
        return slot == -ENOSPC ? MPSC_LIMIT : segment_status(slot);
    }
    *claimed = (struct claimed){fd, (unsigned)slot, registry_new_generation(registry)};
    return MPSC_OK;
}

/* From now on the slot is ours for as long as this process lives, whatever becomes of descriptors. */
static mpsc_status settle(struct attachment *attachment, const struct claimed *claimed)
{
    mpsc_status status = segment_status(os_lock_anchor(claimed->fd, &attachment->anchor));
    attachment->member = status == MPSC_OK;
    if (attachment->member) {
        attachment->segment.registry.slot = claimed->slot;
        attachment->segment.registry.generation = claimed->generation;
    }
    return status;
}

static void take_part_in_barriers(const struct segment *segment)
{
    if (!barrier)
        barrier = os_barrier_register();
    if (!barrier) {
        condvar_burden(&segment->header->arrived);
        condvar_burden(&segment->header->room);
    }
}

static void begin_news(struct attachment *attachment)
{
    const struct registry *registry = &attachment->segment.registry;
    attachment->news =
        os_news_begin(attachment->segment.fd, registry_news_offset(registry, registry->slot));
    /* Who sleeps already does not watch this word yet. */
    condvar_notify_arrived(registry->header);
    condvar_notify_room(registry->header);
}

static void attachment_free(struct attachment *attachment)
{
    os_news_end(attachment->news);
    os_unmap(attachment->anchor, os_page_size()); /* our slot's lock ends here */
    segment_close(&attachment->segment);
    free(attachment);
}

/* The attachment owns the segment from here on, also on failure. */
static mpsc_status attachment_make(struct segment *segment, struct attachment **made)
{
    struct attachment *attachment = calloc(1, sizeof *attachment);
    if (!attachment) {
        segment_close(segment);
        return MPSC_NO_MEMORY;
    }
    attachment->segment = *segment;
    struct claimed claimed = {.fd = -1};
    mpsc_status status = claim_slot(attachment, &claimed);
    if (!status)
        status = settle(attachment, &claimed);
    if (status) {
        attachment_free(attachment);
        return status;
    }
    take_part_in_barriers(&attachment->segment);
    *made = attachment;
    return MPSC_OK;
}

/* ---- handles; the control mutex is held */

static void handle_bind(struct handle *handle, struct attachment *attachment, unsigned index)
{
    handle->attachment = attachment;
    handle->segment = &attachment->segment;
    handle->index = index;
    handle->endpoint = &attachment->segment.registry.endpoints[index];
    handle->reset(handle);
}

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
    handle_bind(handle, attachment, (unsigned)index);
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

/* Closes the channel if nobody is left in it: the dead were reaped. True: its name is to be removed. */
static bool close_if_left(const struct segment *segment)
{
    if (registry_is_durable(&segment->registry))
        return false;
    if (!registry_empty(&segment->registry) && !everybody_exits(&segment->registry))
        return false;
    atomic_store_explicit(&segment->header->state, SEGMENT_CLOSED, memory_order_relaxed);
    return segment->identity.name[0] != '\0';
}

const struct destructor *attachment_destructor(const struct handle *handle)
{
    return &handle->attachment->destructor;
}

static bool is_local(const struct attachment *attachment)
{
    return attachment->segment.identity.local;
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
    if (attachment->member && control_begin(attachment) == MPSC_OK) {
        registry_detach(&attachment->segment.registry, attachment->segment.registry.slot);
        registry_reap(&attachment->segment.registry);
        last = close_if_left(&attachment->segment);
        control_end(attachment);
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
    for (struct attachment *a = list; a; a = a->next)
        if (a->member && !a->leaving && a->segment.registry.inode == segment->registry.inode &&
            a->segment.registry.device == segment->registry.device)
            return a;
    return NULL;
}

static void enlist(struct attachment *attachment)
{
    /* Where the program closed the descriptor of one that a child has no part in, we may have got its number. */
    for (struct attachment *a = list; a; a = a->next)
        if (!a->member && a->segment.fd == attachment->segment.fd)
            a->segment.fd = a->segment.registry.fd = -1;
    attachment->next = list;
    list = attachment;
}

static void delist(const struct attachment *attachment)
{
    for (struct attachment **at = &list; *at; at = &(*at)->next)
        if (*at == attachment) {
            *at = attachment->next;
            return;
        }
}

/* Adds a handle; before the first one, the process itself. Control mutex held. */
static mpsc_status join(struct attachment *attachment, struct handle *handle)
{
    const struct registry *registry = &attachment->segment.registry;
    mpsc_status status = MPSC_OK;
    if (!attachment->handles) {
        status = segment_status(registry_attach(registry, registry->slot, registry->generation));
        if (!status && !attachment->news)
            begin_news(attachment);
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
    mpsc_status status = control_begin(attachment);
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
    control_end(attachment);
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
        enlist(attachment);
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
    status = control_begin(*created);
    if (!status) {
        for (unsigned i = 0; i < count && !status; i++)
            status = join(*created, handles[i]);
        control_end(*created);
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
    enlist(attachment);
    return MPSC_OK;
}

/* Without fork's handlers children would take part unseen. */
static bool ready;

mpsc_status attachment_open(const char *name, const mpsc_options *options, struct handle *handle)
{
    int cancel = lock();
    mpsc_status status = ready ? OPEN_AGAIN : MPSC_NO_MEMORY;
    bool cleared = false;
    /* Without room for one more slot: the first try has cleared away what the dead left. */
    while (status == OPEN_AGAIN || (status == MPSC_NO_SPACE && !cleared)) {
        cleared = status == MPSC_NO_SPACE;
        status = open_existing(name, options, handle);
        if (status == MPSC_NOT_FOUND && options->create)
            status = create_named(name, options, handle);
    }
    unlock(cancel);
    return status;
}

mpsc_status attachment_create(const mpsc_options *options, struct handle *tx, struct handle *rx)
{
    struct attachment *attachment;
    int cancel = lock();
    mpsc_status status = MPSC_NO_MEMORY;
    if (ready)
        status = create("", options, (struct handle *[]){tx, rx}, 2, &attachment);
    if (!status)
        enlist(attachment);
    unlock(cancel);
    return status;
}

mpsc_status attachment_add(const struct handle *of, struct handle *handle)
{
    struct attachment *attachment = of->attachment;
    int cancel = lock();
    mpsc_status status = control_begin(attachment);
    if (!status) {
        status = handle_add(attachment, handle);
        control_end(attachment);
    }
    unlock(cancel);
    return status;
}

void attachment_remove(struct handle *handle)
{
    struct attachment *attachment = handle->attachment;
    int cancel = lock();
    for (struct handle **at = &attachment->handles; *at; at = &(*at)->next)
        if (*at == handle) {
            *at = handle->next;
            break;
        }
    if (!handle->status && control_begin(attachment) == MPSC_OK) {
        handle_remove(attachment, handle);
        control_end(attachment);
    }
    attachment->leaving = !attachment->handles;
    if (attachment->leaving && attachment->destructor.run && attachment->member) {
        /* Not under the mutex: what is called may close other handles. Nobody else is in the channel, or can
         * come. */
        pthread_mutex_unlock(&mutex);
        segment_leftovers(&attachment->segment, attachment->destructor.run,
                          attachment->destructor.context);
        pthread_mutex_lock(&mutex);
    }
    if (attachment->leaving) {
        delist(attachment);
        leave(attachment);
    }
    bool last = !list;
    unlock(cancel);
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
        if (control_begin(attachment) == MPSC_OK) {
            reap_at_entry(attachment);
            control_end(attachment);
        }
        attachment_free(attachment);
    }
    return status;
}

mpsc_status attachment_unlink(const char *name)
{
    int cancel = lock();
    mpsc_status status = unlink_segment(name);
    unlock(cancel);
    return status;
}

/* ---- rings; in the middle of sending and receiving */

/* No cancellation, and no handler in whose try call one would wait for oneself. */
struct undisturbed {
    int cancel;
    struct os_signals signals;
};

static void undisturbed_begin(struct undisturbed *before)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before->cancel);
    os_signals_hold(&before->signals);
}

static void undisturbed_end(struct undisturbed *before)
{
    os_signals_release(&before->signals);
    pthread_setcancelstate(before->cancel, &before->cancel);
}

mpsc_status attachment_ring(const struct handle *handle, unsigned number, struct ring *ring)
{
    struct undisturbed before;
    mpsc_status status = MPSC_BUSY;
    undisturbed_begin(&before);
    if (lock_within(&rings_mutex, PATIENCE)) {
        status = segment_ring(&handle->attachment->segment, number, ring);
        pthread_mutex_unlock(&rings_mutex);
    }
    undisturbed_end(&before);
    return status;
}

/* Who makes the channel grow can follow. */
static int map_ring(void *handle, unsigned number)
{
    struct ring ring;
    switch (attachment_ring(handle, number, &ring)) {
    case MPSC_OK:
        return 0;
    case MPSC_BUSY:
        return -EBUSY;
    default:
        return -ENOMEM;
    }
}

mpsc_status attachment_grow(struct handle *handle, uint64_t cells, bool patient)
{
    struct attachment *attachment = handle->attachment;
    struct undisturbed before;
    undisturbed_begin(&before);
    mpsc_status status = control_try_for_long(attachment, patient ? PATIENCE : 0);
    if (!status) {
        struct chain chain = segment_chain(&attachment->segment);
        int error = chain_grow(&chain, cells, map_ring, handle);
        status = error == -EBUSY ? MPSC_BUSY : segment_status(error);
        control_end(attachment);
    }
    undisturbed_end(&before);
    return status;
}

/* Changes the tables if nobody else does: for what can wait. */
static void change_if_free(struct attachment *attachment, void (*change)(const struct segment *))
{
    struct undisturbed before;
    undisturbed_begin(&before);
    if (pthread_mutex_trylock(&mutex) == 0) {
        if (control_try_begin(attachment) == MPSC_OK) {
            change(&attachment->segment);
            control_end(attachment);
        }
        pthread_mutex_unlock(&mutex);
    }
    undisturbed_end(&before);
}

static void shrink(const struct segment *segment)
{
    struct chain chain = segment_chain(segment);
    (void)chain_shrink(&chain);
}

static void reap(const struct segment *segment)
{
    registry_reap(&segment->registry);
}

void attachment_shrink(const struct handle *handle)
{
    change_if_free(handle->attachment, shrink);
}

void attachment_reap(const struct handle *handle)
{
    change_if_free(handle->attachment, reap);
}

/* ---- fork: the child's ends count before there is a child */

static mpsc_status child_endpoints(struct attachment *attachment)
{
    const struct registry *registry = &attachment->segment.registry;
    const struct claimed *child = &attachment->child;
    mpsc_status status = segment_status(registry_attach(registry, child->slot, child->generation));
    for (struct handle *h = attachment->handles; h && !status; h = h->next) {
        int index = h->status ? 0 : registry_add(registry, h->kind, child->slot, child->generation);
        h->child_status = index < 0 ? segment_status(index) : h->status;
        h->child_index = index < 0 ? 0 : (unsigned)index;
    }
    return status;
}

static mpsc_status prepare_child(struct attachment *attachment)
{
    attachment->child.fd = -1;
    if (!attachment->member || attachment->leaving || is_local(attachment))
        return MPSC_DENIED;
    mpsc_status status = control_begin(attachment);
    if (status)
        return status;
    /* Or the slots of children that were killed add up, where nobody opens the channel. */
    registry_reap(&attachment->segment.registry);
    /* With the control mutex held: a slot whose process died holding that would seem alive with our
     * lock on it. Only the child will keep the description. */
    status = claim_slot(attachment, &attachment->child);
    if (!status)
        status = child_endpoints(attachment);
    control_end(attachment);
    return status;
}

static int fork_cancel;

static void fork_prepare(void)
{
    fork_cancel = lock();
    for (struct attachment *a = list; a; a = a->next)
        a->child_status = prepare_child(a);
    pthread_mutex_lock(&rings_mutex);
    bell_fork_prepare();
}

static void fork_parent(void)
{
    bell_fork_parent();
    pthread_mutex_unlock(&rings_mutex);
    for (struct attachment *a = list; a; a = a->next) {
        os_close(a->child.fd);
        /* If the fork failed, nobody holds that lock any more. */
        if (a->child.fd >= 0 && !registry_slot_alive(&a->segment.registry, a->child.slot) &&
            control_begin(a) == MPSC_OK) {
            registry_reap(&a->segment.registry);
            control_end(a);
        }
    }
    unlock(fork_cancel);
}

static void child_adopt(struct attachment *attachment)
{
    struct registry *registry = &attachment->segment.registry;
    mpsc_status status = attachment->child_status;
    attachment->anchor = NULL; /* the parent's: not mapped here */
    attachment->news = NULL;   /* likewise */
    registry->slot = REGISTRY_NOBODY;
    attachment->member = false;
    if (status)
        os_close(attachment->child.fd);
    else
        status = settle(attachment, &attachment->child);
    if (attachment->member) {
        atomic_store_explicit(&registry->processes[registry->slot].pid, os_process_id(),
                              memory_order_relaxed);
        begin_news(attachment);
    }
    for (struct handle *h = attachment->handles; h; h = h->next) {
        if (!h->status)
            h->status = status ? status : h->child_status;
        h->at_once = 0;
        if (h->status) {
            h->reset(h); /* closing it must not cancel the parent's loan */
            continue;
        }
        handle_bind(h, attachment, h->child_index);
        if (h->bell)
            bell_renew(h->bell, registry);
    }
}

static void fork_child(void)
{
    bell_fork_child();
    pthread_mutex_unlock(&rings_mutex);
    os_news_forget();
    if (barrier)
        barrier = os_barrier_register();
    for (struct attachment *next, *a = list; a; a = next) {
        next = a->next;
        child_adopt(a);
        if (a->member && !barrier)
            take_part_in_barriers(&a->segment);
        if (a->leaving) { /* by a thread that is not here */
            delist(a);
            attachment_free(a);
        }
    }
    unlock(fork_cancel);
}

/* When the library is loaded, before there can be a thread that forks while another one opens. In a program
 * that is linked statically, before the program's own constructors. */
__attribute__((constructor(101))) static void register_hooks(void)
{
    static const struct fork_hooks hooks = {fork_prepare, fork_parent, fork_child};
    ready = fork_register(&hooks);
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
    if (!fork_seen() || !lock_within(&mutex, PATIENCE_AT_END))
        return;
    for (struct attachment *a = list; a; a = a->next) {
        const struct registry *registry = &a->segment.registry;
        if (!a->member || !a->segment.identity.name[0] || registry_is_durable(registry) ||
            control_try_for_long(a, PATIENCE_AT_END) != MPSC_OK)
            continue;
        atomic_store_explicit(&registry->processes[registry->slot].exits, 1, memory_order_relaxed);
        bool last = everybody_exits(registry);
        if (last)
            atomic_store_explicit(&a->segment.header->state, SEGMENT_CLOSED, memory_order_relaxed);
        control_end(a);
        if (last)
            remove_name_at_exit(&a->segment);
    }
    pthread_mutex_unlock(&mutex);
}
