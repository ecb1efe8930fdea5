/* SPDX-License-Identifier: MIT */
/* Rings are mapped, added and given back in the middle of a message: nobody is waited for for long. */
#include "attachment_inside.h"

#include <errno.h>

/* The mappings of rings, of all attachments. Taken after attachment_mutex, and for moments only. */
static pthread_mutex_t rings_mutex = PTHREAD_MUTEX_INITIALIZER;

/* How long one waits for others: a process may have been stopped. */
#define PATIENCE UINT64_C(10000000)

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
    if (attachment_lock_within(&rings_mutex, PATIENCE)) {
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
    mpsc_status status = attachment_control_within(attachment, patient ? PATIENCE : 0);
    if (!status) {
        struct chain chain = segment_chain(&attachment->segment);
        int error = chain_grow(&chain, cells, map_ring, handle);
        status = error == -EBUSY ? MPSC_BUSY : segment_status(error);
        attachment_control_end(attachment);
    }
    undisturbed_end(&before);
    return status;
}

/* Changes the tables if nobody else does: for what can wait. */
static void change_if_free(struct attachment *attachment, void (*change)(const struct segment *))
{
    struct undisturbed before;
    undisturbed_begin(&before);
    if (pthread_mutex_trylock(&attachment_mutex) == 0) {
        if (attachment_control_within(attachment, 0) == MPSC_OK) {
            change(&attachment->segment);
            attachment_control_end(attachment);
        }
        pthread_mutex_unlock(&attachment_mutex);
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

/* ---- while this process forks */

void attachment_rings_hold(void)
{
    pthread_mutex_lock(&rings_mutex);
}

void attachment_rings_release(void)
{
    pthread_mutex_unlock(&rings_mutex);
}
