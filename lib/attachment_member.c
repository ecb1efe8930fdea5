/* SPDX-License-Identifier: MIT */
#include "attachment_inside.h"
#include "condvar.h"

#include <errno.h>
#include <stdlib.h>

pthread_mutex_t attachment_mutex = PTHREAD_MUTEX_INITIALIZER;
struct attachment *attachment_list;

static bool barrier;

/* ---- locking */

/* A thread that is cancelled in here would leave the mutex locked. */
int attachment_lock(void)
{
    int cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    pthread_mutex_lock(&attachment_mutex);
    return cancel;
}

void attachment_unlock(int cancel)
{
    pthread_mutex_unlock(&attachment_mutex);
    pthread_setcancelstate(cancel, &cancel);
}

bool attachment_lock_within(pthread_mutex_t *mutex, uint64_t patience)
{
    const uint64_t end = os_now() + patience;
    while (pthread_mutex_trylock(mutex) != 0) {
        if (os_now() > end)
            return false;
        os_yield();
    }
    return true;
}

/* ---- the list */

void attachment_enlist(struct attachment *attachment)
{
    /* Where the program closed the descriptor of one that a child has no part in, we may have got its number. */
    for (struct attachment *a = attachment_list; a; a = a->next)
        if (!is_member(a) && a->segment.fd == attachment->segment.fd)
            a->segment.fd = a->segment.registry.fd = -1;
    attachment->next = attachment_list;
    attachment_list = attachment;
}

void attachment_delist(const struct attachment *attachment)
{
    for (struct attachment **at = &attachment_list; *at; at = &(*at)->next)
        if (*at == attachment) {
            *at = attachment->next;
            return;
        }
}

/* ---- the control mutex */

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

mpsc_status attachment_control_begin(struct attachment *attachment)
{
    struct control_owner owner = owner_of(attachment);
    return control_taken(attachment, control_lock(&attachment->segment.header->control, &owner));
}

mpsc_status attachment_control_within(struct attachment *attachment, uint64_t patience)
{
    struct control_owner owner = owner_of(attachment);
    const uint64_t end = os_now() + patience;
    enum control_result result;
    while ((result = control_try_lock(&attachment->segment.header->control, &owner)) ==
               CONTROL_BUSY &&
           os_now() < end)
        os_yield();
    return control_taken(attachment, result);
}

void attachment_control_end(struct attachment *attachment)
{
    struct control_owner owner = owner_of(attachment);
    registry_tell(&attachment->segment.registry);
    control_unlock(&attachment->segment.header->control, &owner);
    /* Senders may be asleep that must make it grow. */
    if (geometry_is_unbounded(&attachment->segment.geometry))
        condvar_notify_room(attachment->segment.header);
}

/* ---- a process takes part */

mpsc_status attachment_claim(const struct attachment *attachment, struct claimed *claimed)
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

mpsc_status attachment_settle(struct attachment *attachment, const struct claimed *claimed)
{
    mpsc_status status = segment_status(os_lock_anchor(claimed->fd, &attachment->anchor));
    if (!status) {
        attachment->segment.registry.slot = claimed->slot;
        attachment->segment.registry.generation = claimed->generation;
    }
    return status;
}

void attachment_take_part_in_barriers(const struct segment *segment)
{
    if (!barrier)
        barrier = os_barrier_register();
    if (!barrier) {
        condvar_burden(&segment->header->arrived);
        condvar_burden(&segment->header->room);
    }
}

void attachment_barriers_in_child(void)
{
    if (barrier)
        barrier = os_barrier_register();
}

void attachment_begin_news(struct attachment *attachment)
{
    const struct registry *registry = &attachment->segment.registry;
    attachment->news =
        os_news_begin(attachment->segment.fd, registry_news_offset(registry, registry->slot));
    /* Who sleeps already does not watch this word yet. */
    condvar_notify_arrived(registry->header);
    condvar_notify_room(registry->header);
}

void attachment_free(struct attachment *attachment)
{
    os_news_end(attachment->news);
    os_unmap(attachment->anchor, os_page_size()); /* our slot's lock ends here */
    segment_close(&attachment->segment);
    free(attachment);
}

mpsc_status attachment_make(struct segment *segment, struct attachment **made)
{
    struct attachment *attachment = calloc(1, sizeof *attachment);
    if (!attachment) {
        segment_close(segment);
        return MPSC_NO_MEMORY;
    }
    attachment->segment = *segment;
    struct claimed claimed = {.fd = -1};
    mpsc_status status = attachment_claim(attachment, &claimed);
    if (!status)
        status = attachment_settle(attachment, &claimed);
    if (status) {
        attachment_free(attachment);
        return status;
    }
    attachment_take_part_in_barriers(&attachment->segment);
    *made = attachment;
    return MPSC_OK;
}

void attachment_bind(struct handle *handle, struct attachment *attachment, unsigned index)
{
    handle->attachment = attachment;
    handle->segment = &attachment->segment;
    handle->index = index;
    handle->endpoint = &attachment->segment.registry.endpoints[index];
    handle->reset(handle);
}
