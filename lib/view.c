/* SPDX-License-Identifier: MIT */
#include "view.h"
#include "seat.h"

#include <string.h>

mpsc_status view_adopt(int fd, struct view *view)
{
    return segment_adopt(fd, true, false, &view->segment);
}

mpsc_status view_open(const char *name, struct view *view)
{
    return segment_open(name, true, false, &view->segment);
}

void view_close(struct view *view)
{
    segment_close(&view->segment);
}

const char *view_check(const struct view *view)
{
    return segment_check(&view->segment);
}

unsigned view_endpoints(const struct view *view)
{
    return registry_endpoint_high(&view->segment.registry);
}

bool view_endpoint(const struct view *view, unsigned index, struct view_endpoint *endpoint)
{
    const struct registry *registry = &view->segment.registry;
    const struct endpoint *entry = &registry->endpoints[index];
    uint64_t owner = atomic_load_explicit(&entry->owner, memory_order_acquire);
    unsigned slot = owner_slot(owner);
    if (owner_kind(owner) == OWNER_NONE || slot >= registry_process_high(registry))
        return false;
    *endpoint = (struct view_endpoint){
        .kind = owner_kind(owner),
        .alive = registry_alive(registry, owner),
        .seated = seat_holder(registry) == (int)index,
        .pid = atomic_load_explicit(&registry->processes[slot].pid, memory_order_relaxed),
        .messages = atomic_load_explicit(&entry->messages, memory_order_relaxed),
        .blocked_since = atomic_load_explicit(&entry->blocked_since, memory_order_relaxed),
    };
    return true;
}

static void count_living(const struct view *view, mpsc_stats *stats)
{
    const struct registry *registry = &view->segment.registry;
    unsigned high = view_endpoints(view);
    for (unsigned i = 0; i < high; i++) {
        struct view_endpoint endpoint;
        if (!view_endpoint(view, i, &endpoint) || !endpoint.alive)
            continue;
        if (endpoint.kind == OWNER_SENDER)
            stats->senders++;
        else
            stats->receivers++;
        if (endpoint.seated)
            stats->receiver_pid = endpoint.pid;
    }
    high = registry_process_high(registry);
    for (unsigned slot = 0; slot < high; slot++)
        if (atomic_load_explicit(&registry->processes[slot].life, memory_order_acquire) &&
            registry_slot_alive(registry, slot))
            stats->processes++;
}

void view_stats(const struct view *view, mpsc_stats *stats)
{
    const struct segment *segment = &view->segment;
    const struct header *header = segment->header;
    struct os_file file = {0};
    os_file_status(segment->fd, &file);
    uint64_t received = atomic_load_explicit(&segment->ring.words->received, memory_order_relaxed);
    uint64_t queued = ring_count(&segment->ring);
    *stats = (mpsc_stats){
        .message_size = segment->geometry.message_size,
        .bound = segment->geometry.bound,
        .max_bytes = segment->geometry.max_bytes,
        .queued = queued,
        .sent = received + queued,
        .received = received,
        .memory = file.allocated,
        .holes = atomic_load_explicit(&header->holes, memory_order_relaxed),
        .repairs = atomic_load_explicit(&header->repairs, memory_order_relaxed),
        .takeovers = atomic_load_explicit(&header->takeovers, memory_order_relaxed),
        .durable = registry_is_durable(&segment->registry),
        .linked = file.linked,
    };
    memcpy(stats->type_name, segment->identity.type_name, sizeof stats->type_name);
    count_living(view, stats);
}
