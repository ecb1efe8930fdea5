/* SPDX-License-Identifier: MIT */
#include "handle.h"

#include <stdlib.h>
#include <string.h>

const char *handle_name(const char *name)
{
    if (!name)
        return NULL;
    if (*name == '/')
        name++;
    size_t length = strlen(name);
    if (length == 0 || length > MPSC_MAX_NAME || strchr(name, '/') || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return NULL;
    return name;
}

bool handle_vector(const struct iovec *vector, size_t count)
{
    if (!vector && count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!vector[i].iov_base && vector[i].iov_len)
            return false;
    return true;
}

bool handle_side_gone(struct handle *handle, enum side side)
{
    const struct segment *segment = handle->segment;
    if (handle_side_left(handle, side))
        return true;
    if (!(atomic_load_explicit(&segment->header->seen, memory_order_relaxed) & side))
        return false;
    uint64_t now = os_now();
    if (now - handle->looked < HANDLE_LOOK)
        return false;
    handle->looked = now;
    if (registry_is_durable(&segment->registry) ||
        registry_present(&segment->registry, side == SIDE_SENDER ? OWNER_SENDER : OWNER_RECEIVER))
        return false;
    handle->looked = 0; /* until that is told of, it is to be found out again each time */
    attachment_reap(handle);
    return true;
}

/* Sleeps once. */
static mpsc_status handle_sleep(struct handle *handle, struct wait *wait)
{
    switch (wait_sleep(wait)) {
    case WAIT_TIMEOUT:
        return MPSC_TIMEOUT;
    case WAIT_INTERRUPTED:
        return MPSC_INTERRUPTED;
    case WAIT_NEWS:
        attachment_reap(handle);
        handle->looked = 0;
        return HANDLE_AGAIN;
    default:
        return HANDLE_AGAIN;
    }
}

mpsc_status handle_wait(struct handle *handle, struct wait *wait, mpsc_status (*attempt)(void *))
{
    mpsc_status status = HANDLE_AGAIN;
    wait_spin(wait);
    while (status == HANDLE_AGAIN) {
        status = attempt(wait->context);
        if (status == HANDLE_AGAIN)
            status = handle_sleep(handle, wait);
    }
    wait_end(wait);
    return status;
}

/* ---- descriptors */

static mpsc_status make_bell(struct handle *handle)
{
    struct bell *bell = malloc(sizeof *bell);
    if (!bell)
        return MPSC_NO_MEMORY;
    int error = bell_open(bell);
    if (!error) {
        int watch = bell_listen(bell, &handle->segment->registry);
        if (watch < 0) {
            bell_close(bell);
            error = watch;
        }
    }
    if (error)
        free(bell);
    else
        handle->bell = bell;
    return segment_status(error);
}

mpsc_status handle_descriptor(struct handle *handle, int *fd)
{
    if (handle->bell && !registry_has_descriptor(&handle->segment->registry))
        return MPSC_DENIED; /* nor are the bell's numbers ours any more */
    mpsc_status status = handle->bell ? MPSC_OK : make_bell(handle);
    if (handle->bell)
        *fd = handle->bell->os.pollable;
    return status;
}

void handle_close_descriptor(struct handle *handle)
{
    struct bell *bell = handle->bell;
    handle->bell = NULL;
    /* Where the program closed our descriptors, the numbers may be others'. */
    if (bell && registry_has_descriptor(&handle->segment->registry))
        bell_close(bell);
    free(bell);
}

/* Is somebody on the other side dying, as far as is known? */
static bool is_told_of_deaths(const struct handle *handle)
{
    struct os_futex unused[OS_FUTEX_MOST];
    unsigned died;
    enum owner_kind others = handle->kind == OWNER_SENDER ? OWNER_RECEIVER : OWNER_SENDER;
    registry_watch(&handle->segment->registry, others, unused, OS_FUTEX_MOST, &died);
    return died > 0;
}

bool handle_settle(struct handle *handle, struct condvar *condvar)
{
    const struct registry *registry = &handle->segment->registry;
    unsigned news = 0;
    bool fresh = handle->bell->fresh;
    if (!registry_has_descriptor(registry))
        return false; /* nor is the bell ours any more */
    bool again = bell_settle(handle->bell, registry, condvar, &news);
    if (news & BELL_DEATHS)
        handle->looked = 0;
    /* Whoever told that before it listened may still seem alive when one looks now. */
    if (fresh && is_told_of_deaths(handle))
        bell_look_again(handle->bell);
    return again;
}
