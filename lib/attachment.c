/* SPDX-License-Identifier: MIT */
#include "attachment.h"
#include "condvar.h"
#include "fork.h"
#include "seat.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct attachment {
    struct segment segment;
    void *anchor; /* keeps the lock of our slot's byte */
    void *news;   /* tells others of our death */
    struct handle *handles;
    struct attachment *next;
    bool member; /* our slot is ours: false in a child that got none */
    /* For the child, between fork's prepare and child handlers: */
    int child_fd; /* holds the lock of its slot */
    mpsc_status child_status;
    unsigned child_slot;
    uint32_t child_generation;
};

/* All attachments of this process, and all control operations on them. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct attachment *list;
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

static mpsc_status control_begin(struct attachment *attachment)
{
    struct control_owner owner = owner_of(attachment);
    switch (control_lock(&attachment->segment.header->control, &owner)) {
    case CONTROL_REPAIR:
        segment_repair(&attachment->segment);
        return MPSC_OK;
    case CONTROL_LOCKED:
        return MPSC_OK;
    default:
        return MPSC_CORRUPT;
    }
}

static void control_end(struct attachment *attachment)
{
    struct control_owner owner = owner_of(attachment);
    registry_tell(&attachment->segment.registry);
    control_unlock(&attachment->segment.header->control, &owner);
}

/* ---- a process takes part */

/* Takes a slot by the lock of its byte, which from then on lives as long as this process. */
static mpsc_status take_slot(struct attachment *attachment)
{
    struct registry *registry = &attachment->segment.registry;
    int fd = os_shm_reopen(attachment->segment.fd);
    if (fd < 0)
        return segment_status(fd);
    int slot = registry_claim_slot(registry, fd);
    if (slot < 0) {
        os_close(fd);
        return slot == -ENOSPC ? MPSC_LIMIT : segment_status(slot);
    }
    registry->slot = (unsigned)slot;
    registry->generation = registry_new_generation(registry);
    attachment->member = true;
    return segment_status(os_lock_anchor(fd, &attachment->anchor));
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
    condvar_notify(&registry->header->arrived);
    condvar_notify(&registry->header->room);
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
    mpsc_status status = take_slot(attachment);
    if (status) {
        attachment_free(attachment);
        return status;
    }
    take_part_in_barriers(&attachment->segment);
    *made = attachment;
    return MPSC_OK;
}

/* ---- handles; the control mutex is held */

static mpsc_status handle_status(int error)
{
    return error == -EMFILE ? MPSC_LIMIT : segment_status(error);
}

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
    if (index < 0)
        return handle_status(index);
    if (handle->kind == OWNER_RECEIVER && seat_open(registry, (unsigned)index) == SEAT_BUSY) {
        registry_remove(registry, (unsigned)index);
        return MPSC_BUSY;
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

/* Closes the channel if nobody is left in it. True: its name is to be removed. */
static bool close_if_left(const struct segment *segment)
{
    if (registry_is_durable(&segment->registry))
        return false;
    registry_reap(&segment->registry);
    if (!registry_empty(&segment->registry))
        return false;
    atomic_store_explicit(&segment->header->state, SEGMENT_CLOSED, memory_order_relaxed);
    return segment->identity.name[0] != '\0';
}

/* The last handle of this process is gone. */
static void leave(struct attachment *attachment)
{
    bool last = false;
    if (attachment->member && control_begin(attachment) == MPSC_OK) {
        registry_detach(&attachment->segment.registry, attachment->segment.registry.slot);
        last = close_if_left(&attachment->segment);
        control_end(attachment);
    }
    if (last)
        (void)segment_remove_name(&attachment->segment, attachment->segment.identity.name, false);
    attachment_free(attachment);
}

/* ---- opening; the process' mutex is held */

static struct attachment *find(const struct segment *segment)
{
    for (struct attachment *a = list; a; a = a->next)
        if (a->segment.registry.inode == segment->registry.inode &&
            a->segment.registry.device == segment->registry.device)
            return a;
    return NULL;
}

static void enlist(struct attachment *attachment)
{
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

/* What attachment_open does next, beside the public statuses. */
enum { OPEN_ORPHAN = -1, OPEN_AGAIN = -2 };

static mpsc_status enter(struct attachment *attachment, const mpsc_options *options,
                         struct handle *handle)
{
    mpsc_status status = control_begin(attachment);
    if (status)
        return status;
    registry_reap(&attachment->segment.registry);
    if (orphaned(&attachment->segment))
        status = OPEN_ORPHAN;
    else if (options->exclusive)
        status = MPSC_EXISTS;
    else
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
    mpsc_status status = segment_open(name, options->any_owner, true, &segment);
    if (status)
        return status;
    struct attachment *attachment = find(&segment);
    if (attachment) {
        segment_close(&segment);
        return enter(attachment, options, handle);
    }
    status = attachment_make(&segment, &attachment);
    if (status)
        return status;
    status = enter(attachment, options, handle);
    if (status == MPSC_OK) {
        enlist(attachment);
        return MPSC_OK;
    }
    if (status == OPEN_ORPHAN) {
        int error = segment_remove_name(&attachment->segment, attachment->segment.identity.name, true);
        status = error ? segment_status(error) : OPEN_AGAIN;
    }
    attachment_free(attachment);
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
    status = control_begin(*created);
    for (unsigned i = 0; i < count && !status; i++)
        status = join(*created, handles[i]);
    control_end(*created);
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

static const struct fork_hooks hooks;

/* Without fork's handlers children would take part unseen. */
static bool ready(void)
{
    static bool registered;
    if (!registered)
        registered = fork_register(&hooks);
    return registered;
}

mpsc_status attachment_open(const char *name, const mpsc_options *options, struct handle *handle)
{
    int cancel = lock();
    mpsc_status status = ready() ? OPEN_AGAIN : MPSC_NO_MEMORY;
    while (status == OPEN_AGAIN) {
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
    if (ready())
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
    if (!attachment->handles) {
        delist(attachment);
        leave(attachment);
    }
    unlock(cancel);
}

void attachment_reap(const struct handle *handle)
{
    struct attachment *attachment = handle->attachment;
    struct control_owner owner = owner_of(attachment);
    int cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    if (pthread_mutex_trylock(&mutex) == 0) {
        enum control_result result = control_try_lock(&attachment->segment.header->control, &owner);
        if (result == CONTROL_REPAIR)
            segment_repair(&attachment->segment);
        if (result == CONTROL_REPAIR || result == CONTROL_LOCKED) {
            registry_reap(&attachment->segment.registry);
            control_end(attachment);
        }
        pthread_mutex_unlock(&mutex);
    }
    pthread_setcancelstate(cancel, &cancel);
}

/* ---- fork: the child's ends count before there is a child */

/* A slot for the child, locked on a description that only the child will keep. The control mutex is
 * held: a slot whose process died holding that would seem alive with our lock on it. */
static mpsc_status child_slot(struct attachment *attachment)
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
    attachment->child_fd = fd;
    attachment->child_slot = (unsigned)slot;
    attachment->child_generation = registry_new_generation(registry);
    return MPSC_OK;
}

static mpsc_status child_endpoints(struct attachment *attachment)
{
    const struct registry *registry = &attachment->segment.registry;
    unsigned slot = attachment->child_slot;
    uint32_t generation = attachment->child_generation;
    mpsc_status status = segment_status(registry_attach(registry, slot, generation));
    for (struct handle *h = attachment->handles; h && !status; h = h->next) {
        int index = h->status ? 0 : registry_add(registry, h->kind, slot, generation);
        h->child_status = index < 0 ? handle_status(index) : h->status;
        h->child_index = index < 0 ? 0 : (unsigned)index;
    }
    return status;
}

static mpsc_status prepare_child(struct attachment *attachment)
{
    attachment->child_fd = -1;
    if (!attachment->member)
        return MPSC_DENIED;
    mpsc_status status = control_begin(attachment);
    if (status)
        return status;
    status = child_slot(attachment);
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
}

static void fork_parent(void)
{
    for (struct attachment *a = list; a; a = a->next) {
        os_close(a->child_fd);
        /* If the fork failed, nobody holds that lock any more. */
        if (a->child_fd >= 0 && !registry_slot_alive(&a->segment.registry, a->child_slot) &&
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
    if (status)
        os_close(attachment->child_fd);
    else
        status = segment_status(os_lock_anchor(attachment->child_fd, &attachment->anchor));
    attachment->member = status == MPSC_OK;
    if (attachment->member) {
        registry->slot = attachment->child_slot;
        registry->generation = attachment->child_generation;
        atomic_store_explicit(&registry->processes[registry->slot].pid, os_process_id(),
                              memory_order_relaxed);
        begin_news(attachment);
    }
    for (struct handle *h = attachment->handles; h; h = h->next) {
        h->status = status ? status : h->child_status;
        h->inherited = true;
        if (!h->status)
            handle_bind(h, attachment, h->child_index);
    }
}

static void fork_child(void)
{
    os_news_forget();
    if (barrier)
        barrier = os_barrier_register();
    for (struct attachment *a = list; a; a = a->next) {
        child_adopt(a);
        if (a->member && !barrier)
            take_part_in_barriers(&a->segment);
    }
    unlock(fork_cancel);
}

static const struct fork_hooks hooks = {fork_prepare, fork_parent, fork_child};

/* ---- exit with handles open */

static bool alone(const struct registry *registry)
{
    unsigned high = registry_process_high(registry);
    for (unsigned slot = 0; slot < high; slot++)
        if (slot != registry->slot &&
            atomic_load_explicit(&registry->processes[slot].life, memory_order_relaxed) &&
            registry_slot_alive(registry, slot))
            return false;
    return true;
}

/*
 * Removes the names of channels that end with this process. The handles stay as they are, since other
 * threads may be using them until the very end: our locks say when that is.
 */
__attribute__((destructor)) static void remove_names(void)
{
    if (!fork_seen() || pthread_mutex_trylock(&mutex) != 0)
        return;
    for (struct attachment *a = list; a; a = a->next) {
        struct control_owner owner = owner_of(a);
        if (!a->member || !a->segment.identity.name[0] || registry_is_durable(&a->segment.registry))
            continue;
        enum control_result result = control_try_lock(&a->segment.header->control, &owner);
        if (result != CONTROL_LOCKED && result != CONTROL_REPAIR)
            continue;
        bool last = alone(&a->segment.registry);
        if (last)
            atomic_store_explicit(&a->segment.header->state, SEGMENT_CLOSED, memory_order_relaxed);
        control_unlock(&a->segment.header->control, &owner);
        if (last)
            (void)segment_remove_name(&a->segment, a->segment.identity.name, false);
    }
    pthread_mutex_unlock(&mutex);
}
