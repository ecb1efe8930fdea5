/* SPDX-License-Identifier: MIT */
#include "registry.h"
#include "condvar.h"
#include "control.h"
#include "ring.h"

#include <errno.h>

static unsigned load(const atomic_uint *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static unsigned bounded(unsigned value, unsigned most)
{
    return value < most ? value : most;
}

/* PAIR high: an entry has memory before it is counted (table_commit -> registry_*_high) */
unsigned registry_process_high(const struct registry *registry)
{
    return bounded(atomic_load_explicit(&registry->header->process_high, memory_order_acquire),
                   MPSC_MAX_PROCESSES);
}

unsigned registry_endpoint_high(const struct registry *registry)
{
    return bounded(atomic_load_explicit(&registry->header->endpoint_high, memory_order_acquire),
                   ENDPOINTS_MOST);
}

static uint64_t endpoint_owner(const struct registry *registry, unsigned index)
{
    /* PAIR owner: an entry is cleared before it is given away (registry_remove, registry_add ->
     * endpoint_owner) */
    return atomic_load_explicit(&registry->endpoints[index].owner, memory_order_acquire);
}

unsigned registry_senders(const struct registry *registry)
{
    /* PAIR gone: who is counted no more has made its last claim (registry_remove, registry_recount ->
     * registry_senders) */
    return atomic_load_explicit(&registry->header->senders, memory_order_acquire);
}

static uint64_t process_life(const struct registry *registry, unsigned slot)
{
    /* PAIR life: an entry is filled before it is alive (registry_attach -> process_life) */
    return atomic_load_explicit(&registry->processes[slot].life, memory_order_acquire);
}

/* ---- looking */

bool registry_bind(struct registry *registry, const struct map *map, int fd, uint32_t page_size)
{
    struct os_file file;
    if (os_file_status(fd, &file) != 0)
        return false;
    *registry = (struct registry){
        .header = map_at(map, 0, sizeof(struct header)),
        .processes = map_at(map, LAYOUT_PROCESSES, PROCESS_SLOTS * sizeof(struct process)),
        .endpoints = map_at(map, LAYOUT_ENDPOINTS, ENDPOINT_SLOTS * sizeof(struct endpoint)),
        .news = map_at(map, LAYOUT_NEWS, PROCESS_SLOTS * (uint64_t)page_size),
        .page_size = page_size,
        .fd = fd,
        .device = file.device,
        .inode = file.inode,
        .slot = REGISTRY_NOBODY,
    };
    return registry->header && registry->processes && registry->endpoints && registry->news;
}

bool registry_file(const struct registry *registry, struct os_file *file)
{
    return os_file_status(registry->fd, file) == 0 && file->device == registry->device &&
           file->inode == registry->inode;
}

bool registry_has_descriptor(const struct registry *registry)
{
    struct os_file file;
    return registry_file(registry, &file);
}

bool registry_is_durable(const struct registry *registry)
{
    struct os_file file;
    return registry->durable && (!registry_file(registry, &file) || file.linked);
}

bool registry_slot_alive(const struct registry *registry, unsigned slot)
{
    if (slot == registry->slot || os_lock_held(registry->fd, LOCK_PROCESS + slot) != 0)
        return true;
    /* Not locked; but if the number was another file's when that was asked, it is not ours now. */
    return !registry_has_descriptor(registry);
}

bool registry_alive(const struct registry *registry, uint64_t owner)
{
    unsigned slot = owner_slot(owner);
    if (slot >= registry_process_high(registry) || process_life(registry, slot) != (uint32_t)owner)
        return false;
    return registry_slot_alive(registry, slot);
}

/* Each process is asked about once in a walk through many endpoints. */
struct verdicts {
    uint64_t known[PROCESS_SLOTS / 64], alive[PROCESS_SLOTS / 64];
};

static bool verdict(struct verdicts *verdicts, const struct registry *registry, uint64_t owner)
{
    unsigned slot = owner_slot(owner) % PROCESS_SLOTS;
    uint64_t bit = UINT64_C(1) << slot % 64;
    if (!(verdicts->known[slot / 64] & bit)) {
        verdicts->known[slot / 64] |= bit;
        if (registry_alive(registry, owner))
            verdicts->alive[slot / 64] |= bit;
    }
    return verdicts->alive[slot / 64] & bit;
}

static bool is_seen(const struct registry *registry, enum owner_kind kind)
{
    struct verdicts verdicts = {0};
    unsigned high = registry_endpoint_high(registry);
    for (unsigned i = 0; i < high; i++) {
        uint64_t owner = endpoint_owner(registry, i);
        if (owner_kind(owner) == kind && verdict(&verdicts, registry, owner))
            return true;
    }
    return false;
}

static atomic_uint *arrivals_of(const struct registry *registry, enum owner_kind kind)
{
    return &registry->header->arrivals[kind == OWNER_RECEIVER];
}

/* Who came behind our back, into an entry that we had passed, may have let another go that was still
 * before us. Where that is so again and again, somebody is there. */
bool registry_present(const struct registry *registry, enum owner_kind kind)
{
    enum { LOOKS = 8 };
    const atomic_uint *arrivals = arrivals_of(registry, kind);
    for (int looks = 0; looks < LOOKS; looks++) {
        /* PAIR arrival: who came is in its entry (registry_add -> registry_present) */
        unsigned before = atomic_load_explicit(arrivals, memory_order_acquire);
        if (is_seen(registry, kind))
            return true;
        /* The entries were acquired: who has left one has counted all that came before. */
        if (load(arrivals) == before)
            return false;
    }
    return true;
}

bool registry_covers(const struct registry *registry, uint64_t position)
{
    unsigned high = registry_endpoint_high(registry);
    for (unsigned i = 0; i < high; i++) {
        const struct intent *intent = &registry->endpoints[i].intent;
        if (!intent_covers(intent, position))
            continue;
        /* It may have been cleared and its endpoint given away before we read the owner. */
        if (registry_alive(registry, endpoint_owner(registry, i)) &&
            intent_covers(intent, position))
            return true;
    }
    return false;
}

uint64_t registry_news_offset(const struct registry *registry, unsigned slot)
{
    return LAYOUT_NEWS + (uint64_t)slot * registry->page_size;
}

static atomic_uint *news_word(const struct registry *registry, unsigned slot)
{
    size_t end = ((size_t)slot + 1) * registry->page_size;
    return (atomic_uint *)(void *)(registry->news + end - OS_NEWS_SIZE);
}

/* Marks a word as watched. False: there is nothing to watch; a death that was told is counted. */
static bool watch_word(atomic_uint *word, struct os_futex *futex, unsigned *died)
{
    unsigned value = load(word);
    while (!(value & OS_NEWS_DIED) && (value & OS_NEWS_THREAD)) {
        *futex = (struct os_futex){word, value | OS_NEWS_WATCHED};
        if (value == futex->expected ||
            atomic_compare_exchange_weak_explicit(word, &value, futex->expected,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    }
    *died += (value & OS_NEWS_DIED) != 0;
    return false;
}

unsigned registry_watch(const struct registry *registry, enum owner_kind kind,
                        struct os_futex *futexes, unsigned most, unsigned *died)
{
    uint64_t seen[PROCESS_SLOTS / 64] = {0};
    unsigned high = registry_endpoint_high(registry), count = 0;
    unsigned processes = registry_process_high(registry);
    *died = 0;
    for (unsigned i = 0; i < high && count < most; i++) {
        uint64_t owner = endpoint_owner(registry, i);
        unsigned slot = owner_slot(owner);
        if (owner_kind(owner) != kind || slot >= processes || slot == registry->slot)
            continue;
        if (seen[slot / 64] >> slot % 64 & 1)
            continue;
        seen[slot / 64] |= UINT64_C(1) << slot % 64;
        if (watch_word(news_word(registry, slot), &futexes[count], died))
            count++;
    }
    return count;
}

static uint64_t table_memory(const struct registry *registry, unsigned high, uint64_t size)
{
    uint64_t page = registry->page_size;
    return (high * size + page - 1) / page * page;
}

uint64_t registry_memory(const struct registry *registry)
{
    return table_memory(registry, registry_process_high(registry), sizeof(struct process)) +
           table_memory(registry, registry_endpoint_high(registry), sizeof(struct endpoint));
}

const char *registry_check(const struct registry *registry)
{
    if (load(&registry->header->process_high) > MPSC_MAX_PROCESSES)
        return "more processes than there are slots";
    if (load(&registry->header->endpoint_high) > ENDPOINTS_MOST)
        return "more endpoints than there are slots";
    if (load(&registry->header->state) > SEGMENT_CLOSED)
        return "an unknown state";
    unsigned high = registry_endpoint_high(registry);
    for (unsigned i = 0; i < high; i++) {
        uint64_t owner = endpoint_owner(registry, i);
        if (owner && (owner_kind(owner) == OWNER_NONE || owner_kind(owner) > OWNER_RECEIVER))
            return "an endpoint of an unknown kind";
        if (owner && owner_slot(owner) >= registry_process_high(registry))
            return "an endpoint of a process that has no slot";
    }
    return NULL;
}

/* ---- processes */

int registry_claim_slot(const struct registry *registry, int fd)
{
    /* A slot that was never given back may be a dead process' whose intents still stand; with our
     * lock on it that process would seem alive until we have reaped it. So those come last. */
    for (int leftovers = 0; leftovers < 2; leftovers++) {
        unsigned high = registry_process_high(registry);
        for (unsigned slot = 0; slot < MPSC_MAX_PROCESSES; slot++) {
            if (!leftovers && slot < high && process_life(registry, slot) != 0)
                continue;
            int error = os_lock_try(fd, LOCK_PROCESS + slot);
            if (error != -EAGAIN)
                return error ? error : (int)slot;
        }
    }
    return -ENOSPC;
}

uint32_t registry_new_generation(const struct registry *registry)
{
    unsigned generation;
    do
        generation =
            atomic_fetch_add_explicit(&registry->header->generation, 1, memory_order_relaxed) + 1;
    while ((generation & CONTROL_GENERATIONS) == 0);
    return generation;
}

/* Gives memory to a table up to the page that holds entry `index`. */
static int table_commit(const struct registry *registry, atomic_uint *high, unsigned most,
                        uint64_t offset, uint64_t size, unsigned index)
{
    uint64_t count = bounded(load(high), most);
    if (index < count)
        return 0;
    if (!registry_has_descriptor(registry))
        return -EBADF;
    uint64_t page = registry->page_size;
    uint64_t start = count * size / page * page;
    uint64_t end = (index * size / page + 1) * page;
    int error = os_shm_commit(registry->fd, offset + start, end - start);
    if (error == 0)
        /* PAIR high: see registry_process_high */
        atomic_store_explicit(high, bounded((unsigned)(end / size), most), memory_order_release);
    return error;
}

int registry_attach(const struct registry *registry, unsigned slot, uint32_t generation)
{
    if (!registry_has_descriptor(registry))
        return -EBADF;
    int error = table_commit(registry, &registry->header->process_high, MPSC_MAX_PROCESSES,
                             LAYOUT_PROCESSES, sizeof(struct process), slot);
    if (!error)
        error =
            os_shm_commit(registry->fd, registry_news_offset(registry, slot), registry->page_size);
    if (error)
        return error;
    registry_detach(registry, slot); /* what a dead process left there */
    struct process *process = &registry->processes[slot];
    atomic_store_explicit(&process->pid, os_process_id(), memory_order_relaxed);
    atomic_store_explicit(&process->exits, 0, memory_order_relaxed);
    atomic_store_explicit(&process->since, os_now(), memory_order_relaxed);
    /* PAIR life: see process_life; this store commits the entry */
    atomic_store_explicit(&process->life, generation, memory_order_release);
    return 0;
}

void registry_detach(const struct registry *registry, unsigned slot)
{
    if (slot >= registry_process_high(registry) || process_life(registry, slot) == 0)
        return;
    unsigned high = registry_endpoint_high(registry);
    for (unsigned i = 0; i < high; i++) {
        uint64_t owner = endpoint_owner(registry, i);
        if (owner && owner_slot(owner) == slot)
            registry_remove(registry, i);
    }
    atomic_store_explicit(&registry->processes[slot].life, 0, memory_order_release);
}

void registry_reap(const struct registry *registry)
{
    unsigned high = registry_process_high(registry);
    for (unsigned slot = 0; slot < high; slot++)
        if (process_life(registry, slot) && !registry_slot_alive(registry, slot))
            registry_detach(registry, slot);
}

/* ---- endpoints */

static atomic_uint *count_of(const struct registry *registry, enum owner_kind kind)
{
    return kind == OWNER_SENDER ? &registry->header->senders : &registry->header->receivers;
}

int registry_add(const struct registry *registry, enum owner_kind kind, unsigned slot,
                 uint32_t generation)
{
    struct header *header = registry->header;
    unsigned high = registry_endpoint_high(registry), index = 0;
    while (index < high && endpoint_owner(registry, index))
        index++;
    if (index == ENDPOINTS_MOST ||
        (kind == OWNER_SENDER && load(&header->senders) >= MPSC_MAX_SENDERS))
        return -EMFILE;
    int error = table_commit(registry, &header->endpoint_high, ENDPOINTS_MOST, LAYOUT_ENDPOINTS,
                             sizeof(struct endpoint), index);
    if (error)
        return error;
    struct endpoint *endpoint = &registry->endpoints[index];
    atomic_store_explicit(&endpoint->messages, 0, memory_order_relaxed);
    atomic_store_explicit(&endpoint->blocked_since, 0, memory_order_relaxed);
    intent_none(&endpoint->intent);
    /* PAIR owner: see endpoint_owner; this store commits the entry */
    atomic_store_explicit(&endpoint->owner, owner_word(kind, slot, generation),
                          memory_order_release);
    /* PAIR arrival: see registry_present */
    atomic_fetch_add_explicit(arrivals_of(registry, kind), 1, memory_order_release);
    atomic_fetch_add_explicit(count_of(registry, kind), 1, memory_order_relaxed);
    /* PAIR count: counted before it looks at any bias, whichever thread or child of ours that will
     * be (registry_add -> bias_ask) */
    atomic_thread_fence(memory_order_seq_cst);
    atomic_fetch_or_explicit(&header->seen, kind == OWNER_SENDER ? SIDE_SENDER : SIDE_RECEIVER,
                             memory_order_relaxed);
    return (int)index;
}

void registry_remove(const struct registry *registry, unsigned index)
{
    struct endpoint *endpoint = &registry->endpoints[index];
    enum owner_kind kind = owner_kind(endpoint_owner(registry, index));
    intent_none(&endpoint->intent);
    /* PAIR owner: see endpoint_owner; the intent is cleared before the entry is free */
    atomic_store_explicit(&endpoint->owner, 0, memory_order_release);
    /* PAIR gone: see registry_senders */
    atomic_fetch_sub_explicit(count_of(registry, kind), 1, memory_order_release);
    /* The receiver may be asleep over a hole that this intent seemed to cover. */
    if (kind == OWNER_SENDER)
        condvar_notify_arrived(registry->header);
}

void registry_recount(const struct registry *registry)
{
    unsigned count[4] = {0};
    unsigned high = registry_endpoint_high(registry);
    for (unsigned i = 0; i < high; i++)
        count[owner_kind(endpoint_owner(registry, i))]++;
    /* PAIR gone: see registry_senders */
    atomic_store_explicit(&registry->header->senders, count[OWNER_SENDER], memory_order_release);
    atomic_store_explicit(&registry->header->receivers, count[OWNER_RECEIVER],
                          memory_order_relaxed);
}

static unsigned who_left(const struct registry *registry)
{
    struct header *header = registry->header;
    if (registry_is_durable(registry))
        return 0;
    unsigned present = (load(&header->senders) ? SIDE_SENDER : 0u) |
                       (load(&header->receivers) ? SIDE_RECEIVER : 0u);
    return load(&header->seen) & ~present;
}

void registry_tell(const struct registry *registry)
{
    struct header *header = registry->header;
    unsigned left = who_left(registry);
    /* PAIR left: what the last of a side sent is seen by whoever sees that it left (registry_tell
     * -> side_left) */
    unsigned before = atomic_exchange_explicit(&header->left, left, memory_order_acq_rel);
    if (left & ~before & SIDE_SENDER)
        condvar_notify_arrived(header);
    if (left & ~before & SIDE_RECEIVER)
        condvar_notify_room(header);
}

bool registry_empty(const struct registry *registry)
{
    return !load(&registry->header->senders) && !load(&registry->header->receivers);
}
