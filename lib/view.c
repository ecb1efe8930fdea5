/* SPDX-License-Identifier: MIT */
#include "view.h"
#include "control.h"
#include "seat.h"

#include <string.h>

/* ---- a copy of the tables */

static bool read_range(const struct view *view, uint64_t offset, uint64_t length)
{
    unsigned char *bytes = map_at(&view->segment.tables, offset, length);
    return bytes && os_read_at(view->segment.fd, bytes, (size_t)length, offset) == 0;
}

static mpsc_status make_room(struct view *view)
{
    struct segment *segment = &view->segment;
    size_t size = (size_t)segment->geometry.ring_offset;
    void *base;
    /* Most of it is never looked at, and to clear it takes 15 ms. */
    int error = os_map_zeroes(size, &base);
    if (error)
        return segment_status(error);
    segment->tables = (struct map){base, size};
    segment->header = map_at(&segment->tables, 0, sizeof(struct header));
    if (!registry_bind(&segment->registry, &segment->tables, segment->fd,
                       segment->geometry.page_size))
        return MPSC_CORRUPT;
    segment->registry.durable = segment->identity.durable;
    return MPSC_OK;
}

static bool copy_tables(struct view *view)
{
    const struct registry *registry = &view->segment.registry;
    return read_range(view, 0, sizeof(struct header)) && segment_has_its_memory(&view->segment) &&
           read_range(view, LAYOUT_PROCESSES,
                      registry_process_high(registry) * sizeof(struct process)) &&
           read_range(view, LAYOUT_ENDPOINTS,
                      registry_endpoint_high(registry) * sizeof(struct endpoint));
}

/* See is_sound in segment.c. */
static mpsc_status copy_what_is_sound(struct view *view, const char **broken)
{
    for (int i = 0; i < SEGMENT_LOOKS; i++) {
        *broken = "it lacks memory that was committed: it was cut short, or a hole was made in it";
        if (copy_tables(view) && !(*broken = view_check(view)))
            return MPSC_OK;
    }
    return MPSC_CORRUPT;
}

/* Why segment_identify found it corrupt. */
static const char *wrong_identity(const struct segment *segment)
{
    const struct identity *identity = &segment->identity;
    struct os_file file;
    if (os_file_status(segment->fd, &file) || !file.regular || file.size < sizeof *identity)
        return "it is too short to say what it is";
    if (identity->magic != LAYOUT_MAGIC)
        return "it does not begin as a channel does";
    if (identity->checksum != map_checksum(identity, offsetof(struct identity, checksum)))
        return "what it says of itself does not agree with its checksum";
    if (!geometry_fits(&segment->geometry, file.size))
        return "it is not as large as it says: it was cut short, or appended to";
    return "what it says of itself cannot be";
}

mpsc_status view_adopt(int fd, struct view *view, const char **broken)
{
    const char *unused;
    struct view made = {.segment.fd = fd};
    if (!broken)
        broken = &unused;
    mpsc_status status = segment_identify(fd, true, &made.segment);
    if (status == MPSC_CORRUPT)
        *broken = wrong_identity(&made.segment);
    if (!status && (status = make_room(&made)) == MPSC_CORRUPT)
        *broken = "its tables do not fit into it";
    if (!status)
        status = copy_what_is_sound(&made, broken);
    if (status)
        view_close(&made);
    else
        *view = made;
    return status;
}

mpsc_status view_open(const char *name, struct view *view)
{
    int fd = os_shm_open(name, false);
    return fd < 0 ? segment_status(fd) : view_adopt(fd, view, NULL);
}

void view_close(struct view *view)
{
    os_unmap(view->segment.tables.base, view->segment.tables.size);
    os_close(view->segment.fd);
    *view = (struct view){.segment.fd = -1};
}

const char *view_check(const struct view *view)
{
    return segment_check(&view->segment);
}

/* ---- what is queued */

/* Stamps of a ring, some at a time. */
struct stamps {
    const struct segment *segment;
    struct ring ring;
    struct ring_place place;
    unsigned char bytes[4096];
    uint64_t begin, end; /* in the ring's memory; what `bytes` hold */
};

static bool read_stamp(struct stamps *stamps, uint64_t position, uint64_t *stamp)
{
    const struct ring *ring = &stamps->ring;
    uint64_t at = (ring_index(ring, position) << ring->stamp_shift) + ring_stamp_offset(ring);
    if (at < stamps->begin || at >= stamps->end) {
        uint64_t left = stamps->place.cells_offset - at;
        uint64_t length = left < sizeof stamps->bytes ? left : sizeof stamps->bytes;
        if (os_read_at(stamps->segment->fd, stamps->bytes, (size_t)length,
                       stamps->place.offset + at) != 0)
            return false;
        stamps->begin = at;
        stamps->end = at + length;
    }
    memcpy(stamp, stamps->bytes + (at - stamps->begin), sizeof *stamp);
    return true;
}

static struct stamps stamps_of(const struct segment *segment, unsigned number)
{
    return (struct stamps){
        .segment = segment,
        .ring = ring_unbound(&segment->geometry, number),
        .place = geometry_place(&segment->geometry, number),
    };
}

static uint64_t count_between(struct stamps *stamps, uint64_t position, uint64_t end)
{
    uint64_t messages = 0, stamp;
    if (end - position > stamps->place.limit)
        return 0; /* all taken since, or damaged */
    while (position < end && read_stamp(stamps, position, &stamp)) {
        struct ring_item item = {.cells = 1};
        enum ring_result result = ring_judge(&stamps->ring, stamp, position, &item);
        if (result == RING_CORRUPT)
            break;
        messages += result == RING_OK;
        position += item.cells;
    }
    return messages;
}

static uint64_t count_in_ring(const struct segment *segment, unsigned number, uint64_t head)
{
    const struct ring_words *words = &segment->header->rings[number];
    struct stamps stamps = stamps_of(segment, number);
    uint64_t base = atomic_load_explicit(&words->base, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&words->tail, memory_order_acquire) & ~RING_CLOSED;
    return count_between(&stamps, ring_first(head, base), tail);
}

uint64_t view_queued(const struct segment *segment)
{
    struct chain chain = segment_chain(segment);
    uint64_t head = atomic_load_explicit(&segment->header->head, memory_order_acquire);
    unsigned number = chain_oldest(&chain);
    uint64_t messages = 0;
    for (unsigned i = 0; i < segment->geometry.rings; i++) {
        messages += count_in_ring(segment, number, head);
        if (!chain_next(&chain, number, &number))
            break;
    }
    return messages;
}

/* ---- the messages */

static uint64_t tail_of(const struct segment *segment, unsigned number)
{
    return atomic_load_explicit(&segment->header->rings[number].tail, memory_order_relaxed) &
           ~RING_CLOSED;
}

/* The ring of a position that is not taken yet. */
static unsigned ring_at(const struct segment *segment, uint64_t position)
{
    struct chain chain = segment_chain(segment);
    unsigned number = chain_oldest(&chain);
    for (unsigned i = 0; i < segment->geometry.rings; i++)
        if (position < tail_of(segment, number) || !chain_next(&chain, number, &number))
            break;
    return number;
}

static uint64_t head_of(const struct segment *segment)
{
    return atomic_load_explicit(&segment->header->head, memory_order_relaxed);
}

/* The header as it is now, and not older than what was read before. */
static bool look_again(const struct view *view)
{
    /* PAIR kept: see ring_claim_at */
    atomic_thread_fence(memory_order_acquire);
    return read_range(view, 0, sizeof(struct header));
}

/* Is what was read at the position, before the header, of this lap? What is queued is: room is claimed
 * anew only behind the head. What was taken is until a claim comes round to it, since no store
 * passes a claim; and until its ring's memory is given back. */
static bool is_kept(const struct stamps *stamps, uint64_t position)
{
    const struct segment *segment = stamps->segment;
    struct chain chain = segment_chain(segment);
    unsigned number = stamps->ring.number;
    uint64_t base =
        atomic_load_explicit(&segment->header->rings[number].base, memory_order_relaxed);
    if (position >= head_of(segment))
        return true;
    return base <= position && tail_of(segment, number) - position <= stamps->place.cells &&
           !chain_used_up(&chain, number);
}

/* The first bytes of a message; one that comes to the end of the ring goes on at its beginning. */
static bool read_payload(const struct stamps *stamps, uint64_t position, uint64_t length,
                         unsigned char *buffer, size_t size)
{
    const struct ring *ring = &stamps->ring;
    const struct ring_place *place = &stamps->place;
    int fd = stamps->segment->fd;
    uint64_t index = ring_index(ring, position);
    if (length < ring->small)
        return os_read_at(fd, buffer, size, place->offset + (index << ring->stamp_shift)) == 0;
    uint64_t cells = place->offset + place->cells_offset, from = index * ring->stride;
    uint64_t left = place->cells * ring->stride - from;
    size_t first = size < left ? size : (size_t)left;
    return os_read_at(fd, buffer, first, cells + from) == 0 &&
           (first == size || os_read_at(fd, buffer + first, size - first, cells) == 0);
}

enum { STEP_ON = -1 }; /* beside enum view_found: a step is an int that has one of them */

static int lost(const struct segment *segment, struct view_walk *walk)
{
    walk->position = head_of(segment);
    return VIEW_LOST;
}

/* A message stands at the position, as its stamp says: is it still the same after the copy? */
static int copy_message(const struct view *view, struct stamps *stamps, struct view_walk *walk,
                        const struct ring_item *item, void *buffer, size_t size)
{
    uint64_t stamp;
    struct ring_item again;
    if (size > item->length)
        size = (size_t)item->length;
    if (!read_payload(stamps, walk->position, item->length, buffer, size) || !look_again(view))
        return VIEW_DAMAGED;
    stamps->end = 0; /* from the file again */
    if (!is_kept(stamps, walk->position))
        return lost(stamps->segment, walk);
    if (!read_stamp(stamps, walk->position, &stamp))
        return VIEW_DAMAGED;
    if (ring_judge(&stamps->ring, stamp, walk->position, &again) != RING_OK)
        return STEP_ON; /* a rendezvous, withdrawn */
    return VIEW_MESSAGE;
}

static int walk_step(const struct view *view, struct view_walk *walk, void *buffer, size_t size,
                     struct view_message *message)
{
    const struct segment *segment = &view->segment;
    unsigned number = ring_at(segment, walk->position);
    struct stamps stamps = stamps_of(segment, number);
    struct ring_item item = {.cells = 1};
    uint64_t stamp;
    if (walk->position >= tail_of(segment, number))
        return VIEW_END;
    if (!is_kept(&stamps, walk->position))
        return lost(segment, walk);
    if (!read_stamp(&stamps, walk->position, &stamp))
        return VIEW_DAMAGED;
    int found;
    switch (ring_judge(&stamps.ring, stamp, walk->position, &item)) {
    case RING_OK:
        found = copy_message(view, &stamps, walk, &item, buffer, size);
        if (found != VIEW_MESSAGE)
            return found;
        *message = (struct view_message){item.length, walk->position < head_of(segment)};
        walk->position += item.cells;
        return VIEW_MESSAGE;
    case RING_VOID:
        walk->position += item.cells;
        return STEP_ON;
    case RING_HOLE:
        if (walk->position >= head_of(segment))
            return VIEW_UNSENT;
        walk->position++; /* one that the receiver skipped */
        return STEP_ON;
    default:
        return VIEW_DAMAGED;
    }
}

void view_walk_begin(const struct view *view, struct view_walk *walk)
{
    struct chain chain = segment_chain(&view->segment);
    *walk = (struct view_walk){head_of(&view->segment), chain_end(&chain)};
}

enum view_found view_walk_next(const struct view *view, struct view_walk *walk, void *buffer,
                               size_t size, struct view_message *message)
{
    int step;
    do
        step = look_again(view) ? walk_step(view, walk, buffer, size, message) : VIEW_DAMAGED;
    while (step == STEP_ON);
    return (enum view_found)step;
}

const char *view_check_messages(const struct view *view)
{
    struct view_walk walk;
    struct view_message message;
    view_walk_begin(view, &walk);
    while (walk.position < walk.end)
        switch (view_walk_next(view, &walk, NULL, 0, &message)) {
        case VIEW_UNSENT:
            walk.position++;
            break;
        case VIEW_END:
            return NULL;
        case VIEW_DAMAGED:
            return "a message's stamp tells what cannot be";
        default:
            break;
        }
    return NULL;
}

/* Is there a message, or a hole that is known as such, at the head? */
static bool is_stamped(const struct segment *segment, uint64_t head)
{
    uint64_t stamp;
    struct ring_item item;
    struct stamps stamps = stamps_of(segment, ring_at(segment, head));
    return read_stamp(&stamps, head, &stamp) &&
           ring_judge(&stamps.ring, stamp, head, &item) != RING_HOLE;
}

/* ---- who is there */

static bool claims_next(const struct view *view, const struct endpoint *entry)
{
    const struct segment *segment = &view->segment;
    uint64_t head = atomic_load_explicit(&segment->header->head, memory_order_relaxed);
    return intent_covers(&entry->intent, head) && !is_stamped(segment, head);
}

/* Does a living process have the control mutex? */
static bool control_slot(const struct view *view, unsigned *slot)
{
    const struct registry *registry = &view->segment.registry;
    return control_holder(&registry->header->control, slot) && registry_slot_alive(registry, *slot);
}

bool view_control_is_held(const struct view *view)
{
    unsigned slot;
    return control_slot(view, &slot);
}

uint32_t view_control_pid(const struct view *view)
{
    const struct registry *registry = &view->segment.registry;
    unsigned slot;
    if (!control_slot(view, &slot) || slot >= registry_process_high(registry))
        return 0;
    return atomic_load_explicit(&registry->processes[slot].pid, memory_order_relaxed);
}

bool view_name_is_held(const struct view *view)
{
    return os_lock_held(view->segment.fd, LOCK_UNLINK) == 1;
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
        .claims_next = claims_next(view, entry),
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
    uint64_t received = atomic_load_explicit(&header->received, memory_order_relaxed);
    uint64_t queued = view_queued(segment);
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
