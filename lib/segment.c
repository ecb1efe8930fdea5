/* SPDX-License-Identifier: MIT */
#include "segment.h"
#include "bias.h"
#include "condvar.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_MESSAGE_SIZE = 64, DEFAULT_PERMISSIONS = 0600 };

mpsc_status segment_status(int error)
{
    switch (-error) {
    case 0:
        return MPSC_OK;
    case ENOENT:
        return MPSC_NOT_FOUND;
    case EEXIST:
        return MPSC_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
    case EBADF: /* the library's descriptor was closed under it */
        return MPSC_DENIED;
    case ENOSPC:
    case EDQUOT:
        return MPSC_NO_SPACE;
    case ENOMEM:
        return MPSC_NO_MEMORY;
    case EMFILE:
    case ENFILE:
    case ENOLCK:
    case EFBIG:
        return MPSC_LIMIT;
    case ELOOP:  /* a symbolic link in the way */
    case EISDIR: /* or a directory */
    case ENXIO:  /* or a socket */
        return MPSC_CORRUPT;
    default:
        errno = -error;
        return MPSC_OS;
    }
}

/* ---- mapping */

struct chain segment_chain(const struct segment *segment)
{
    return (struct chain){&segment->registry, &segment->geometry};
}

static mpsc_status bind(struct segment *segment)
{
    struct registry *registry = &segment->registry;
    segment->header = map_at(&segment->tables, 0, sizeof(struct header));
    if (!segment->header ||
        !registry_bind(registry, &segment->tables, segment->fd, segment->geometry.page_size))
        return MPSC_CORRUPT;
    registry->durable = segment->identity.durable;
    return MPSC_OK;
}

static mpsc_status map_tables(struct segment *segment)
{
    size_t size = (size_t)segment->geometry.ring_offset;
    void *tables;
    int error = os_map(segment->fd, 0, size, &tables);
    if (error)
        return segment_status(error);
    segment->tables = (struct map){tables, size};
    return bind(segment);
}

static size_t twice(const struct segment *segment, const struct ring_place *place)
{
    return (size_t)(place->cells * segment->geometry.stride);
}

static mpsc_status map_ring(struct segment *segment, unsigned number)
{
    struct ring_place place = geometry_place(&segment->geometry, number);
    size_t once = (size_t)place.size, again = twice(segment, &place);
    struct os_file file;
    void *mapped;
    if (!registry_file(&segment->registry, &file))
        return MPSC_DENIED;
    if (file.size < place.offset + place.size)
        return MPSC_CORRUPT; /* behind the end of a file there is SIGBUS */
    int error = os_map_mirrored(segment->fd, place.offset, once, again, &mapped);
    if (error)
        return segment_status(error);
    segment->ring_maps[number] = (struct map){mapped, once + again};
    return MPSC_OK;
}

mpsc_status segment_ring(struct segment *segment, unsigned number, struct ring *ring)
{
    mpsc_status status = MPSC_OK;
    if (number >= segment->geometry.rings)
        return MPSC_CORRUPT;
    if (!segment->ring_maps[number].base)
        status = map_ring(segment, number);
    if (!status &&
        !ring_bind(ring, segment->header, &segment->ring_maps[number], &segment->geometry, number))
        status = MPSC_CORRUPT;
    return status;
}

/* The tables, and the ring that is needed first. */
static mpsc_status map_all(struct segment *segment, unsigned (*first)(const struct chain *))
{
    mpsc_status status = map_tables(segment);
    if (status)
        return status;
    struct chain chain = segment_chain(segment);
    return segment_ring(segment, first(&chain), &segment->ring);
}

void segment_close_descriptor(struct segment *segment)
{
    /* Not a stranger's descriptor that got our number. */
    if (!segment->registry.header || registry_has_descriptor(&segment->registry))
        os_close(segment->fd);
    segment->fd = segment->registry.fd = -1;
}

void segment_close(struct segment *segment)
{
    os_unmap(segment->tables.base, segment->tables.size);
    for (unsigned i = 0; i < RINGS_MOST; i++)
        os_unmap(segment->ring_maps[i].base, segment->ring_maps[i].size);
    segment_close_descriptor(segment);
    *segment = (struct segment){.fd = -1};
}

/* ---- creating */

mpsc_status segment_defaults(mpsc_options *options)
{
    if (options->message_size == 0)
        options->message_size = DEFAULT_MESSAGE_SIZE;
    if (options->bound == MPSC_ANY)
        options->bound = MPSC_UNBOUNDED;
    if (options->permissions == 0)
        options->permissions = DEFAULT_PERMISSIONS;
    return options->durable && options->bound == 0 ? MPSC_INVALID : MPSC_OK;
}

static uint64_t checksum_of(const struct identity *identity)
{
    return map_checksum(identity, offsetof(struct identity, checksum));
}

static struct identity identity_of(const char *name, const mpsc_options *options,
                                   const struct geometry *geometry)
{
    struct identity identity = {
        .magic = LAYOUT_MAGIC,
        .version = LAYOUT_VERSION,
        .abi = LAYOUT_ABI,
        .message_size = geometry->message_size,
        .bound = geometry->bound,
        .max_bytes = geometry->max_bytes,
        .created = (uint64_t)time(NULL),
        .page_size = geometry->page_size,
        .creator = os_process_id(),
        .durable = options->durable != 0,
        .local = options->destroy != NULL,
    };
    strncpy(identity.name, name, MPSC_MAX_NAME);
    if (options->type_name)
        strncpy(identity.type_name, options->type_name, MPSC_MAX_TYPE_NAME);
    identity.checksum = checksum_of(&identity);
    return identity;
}

/* Memory for the header, the first page of each table, and the first ring: what is promised is there. */
static int commit_all(const struct segment *segment)
{
    struct ring_place first = geometry_place(&segment->geometry, 0);
    uint64_t page = segment->geometry.page_size;
    int error = os_shm_has_room(segment->fd, first.size) ? 0 : -ENOSPC;
    if (!error)
        error = os_shm_resize(segment->fd, first.offset + first.size);
    if (!error)
        error = os_shm_commit(segment->fd, 0, page);
    if (!error)
        error = os_shm_commit(segment->fd, LAYOUT_PROCESSES, page);
    if (!error)
        error = os_shm_commit(segment->fd, LAYOUT_ENDPOINTS, page);
    if (!error)
        error = os_shm_commit(segment->fd, first.offset, first.size);
    return error;
}

static mpsc_status format(struct segment *segment)
{
    struct header *header = segment->header;
    struct chain chain = segment_chain(segment);
    uint32_t page = segment->geometry.page_size;
    chain_format(&chain);
    atomic_init(&header->process_high, page / (uint32_t)sizeof(struct process));
    atomic_init(&header->endpoint_high, page / (uint32_t)sizeof(struct endpoint));
    if (!control_format(&header->control) || !condvar_format(&header->arrived) ||
        !condvar_format(&header->room))
        return MPSC_NO_MEMORY;
    header->identity = segment->identity;
    return MPSC_OK;
}

mpsc_status segment_create(const char *name, const mpsc_options *options, struct segment *segment)
{
    struct segment made = {.fd = -1};
    uint64_t bound = options->bound == MPSC_UNBOUNDED ? GEOMETRY_UNBOUNDED : options->bound;
    mpsc_status status = geometry_of(options->message_size, bound, options->max_bytes,
                                     os_page_size(), &made.geometry);
    if (status)
        return status;
    made.identity = identity_of(name, options, &made.geometry);
    made.permissions = options->permissions;
    made.fd = os_shm_create(options->permissions);
    if (made.fd == -ENOENT) { /* no /dev/shm: it is not a channel that was not found */
        errno = ENOENT;
        return MPSC_OS;
    }
    if (made.fd < 0)
        return segment_status(made.fd);
    status = segment_status(commit_all(&made));
    if (!status)
        status = map_all(&made, chain_oldest);
    if (!status)
        status = format(&made);
    if (status)
        segment_close(&made);
    else
        *segment = made;
    return status;
}

mpsc_status segment_publish(const struct segment *segment, const char *name)
{
    return segment_status(os_shm_link(segment->fd, name));
}

/* ---- opening */

static mpsc_status read_identity(struct segment *segment)
{
    struct identity *identity = &segment->identity;
    int error = os_read_at(segment->fd, identity, sizeof *identity, 0);
    if (error)
        return error == -ENODATA ? MPSC_CORRUPT : segment_status(error);
    if (identity->magic != LAYOUT_MAGIC)
        return MPSC_CORRUPT;
    if (identity->version != LAYOUT_VERSION || identity->abi != LAYOUT_ABI ||
        identity->page_size % os_page_size() != 0)
        return MPSC_MISMATCH;
    if (identity->checksum != checksum_of(identity))
        return MPSC_CORRUPT;
    if (identity->local > 1 || identity->name[MPSC_MAX_NAME] ||
        identity->type_name[MPSC_MAX_TYPE_NAME])
        return MPSC_CORRUPT;
    if (geometry_of(identity->message_size, identity->bound, identity->max_bytes,
                    identity->page_size, &segment->geometry) != MPSC_OK)
        return MPSC_CORRUPT;
    return MPSC_OK;
}

mpsc_status segment_identify(int fd, bool any_owner, struct segment *segment)
{
    struct os_file file;
    *segment = (struct segment){.fd = fd};
    int error = os_file_status(fd, &file);
    if (error)
        return segment_status(error);
    segment->permissions = file.permissions;
    if (!file.regular)
        return MPSC_CORRUPT;
    if (!any_owner && file.owner != 0 && file.owner != os_effective_user())
        return MPSC_DENIED;
    mpsc_status status = read_identity(segment);
    /* After the identity: the file may be growing. */
    if (!status && (os_file_status(fd, &file) || !geometry_fits(&segment->geometry, file.size)))
        status = MPSC_CORRUPT;
    return status;
}

bool segment_has_its_memory(const struct segment *segment)
{
    struct chain chain = segment_chain(segment);
    uint64_t tables = segment->geometry.page_size + registry_memory(&segment->registry);
    uint64_t before = chain_memory(&chain);
    struct os_file file;
    if (os_file_status(segment->fd, &file))
        return false;
    /* Tables only grow; a ring may come or go meanwhile. */
    uint64_t after = chain_memory(&chain);
    return file.allocated >= tables + (before < after ? before : after);
}

/* Words that are read one after the other while the channel is in use may contradict each other, but
 * hardly time and again. */
static bool is_sound(const struct segment *segment)
{
    for (int i = 0; i < SEGMENT_LOOKS; i++)
        if (segment_has_its_memory(segment) && !segment_check(segment))
            return true;
    return false;
}

mpsc_status segment_adopt(int fd, bool any_owner, struct segment *segment)
{
    struct segment opened;
    mpsc_status status = segment_identify(fd, any_owner, &opened);
    if (!status)
        status = map_all(&opened, chain_newest);
    if (!status && !is_sound(&opened))
        status = MPSC_CORRUPT;
    if (status)
        segment_close(&opened);
    else
        *segment = opened;
    return status;
}

mpsc_status segment_open(const char *name, bool any_owner, struct segment *segment)
{
    int fd = os_shm_open(name, true);
    return fd < 0 ? segment_status(fd) : segment_adopt(fd, any_owner, segment);
}

mpsc_status segment_agrees(const struct segment *segment, const mpsc_options *options)
{
    const struct identity *identity = &segment->identity;
    uint64_t bound = options->bound == MPSC_UNBOUNDED ? GEOMETRY_UNBOUNDED : options->bound;
    if (options->message_size && options->message_size != identity->message_size)
        return MPSC_MISMATCH;
    if (options->bound != MPSC_ANY && bound != identity->bound)
        return MPSC_MISMATCH;
    if (options->max_bytes && options->max_bytes != identity->max_bytes)
        return MPSC_MISMATCH;
    if (options->durable && !identity->durable)
        return MPSC_MISMATCH;
    if (options->destroy && !identity->local)
        return MPSC_MISMATCH;
    if (options->type_name && strcmp(options->type_name, identity->type_name) != 0)
        return MPSC_MISMATCH;
    if (options->permissions && options->permissions != segment->permissions)
        return MPSC_MISMATCH;
    return MPSC_OK;
}

/* ---- what is left in it */

/* The messages of one ring from `*position` on, past what was never committed. True: it is closed, and
 * the channel goes on in the next. */
static bool visit_ring(const struct ring *ring, uint64_t *position, segment_visit visit,
                       void *context)
{
    struct ring_item item;
    for (;;) {
        switch (ring_look(ring, *position, &item)) {
        case RING_OK:
            visit(ring_payload(ring, *position, item.length), (size_t)item.length, context);
            *position += item.cells;
            break;
        case RING_VOID:
            *position += item.cells;
            break;
        case RING_HOLE:
            if (ring_claimed(ring, *position) != RING_HOLE)
                return ring_claimed(ring, *position) == RING_ENDED;
            ++*position;
            break;
        default:
            return false;
        }
    }
}

void segment_leftovers(struct segment *segment, segment_visit visit, void *context)
{
    struct chain chain = segment_chain(segment);
    struct ring ring;
    unsigned number = chain_oldest(&chain);
    if (segment_ring(segment, number, &ring) != MPSC_OK)
        return;
    uint64_t position = ring_head(&ring);
    for (unsigned i = 1; i < segment->geometry.rings; i++)
        if (!visit_ring(&ring, &position, visit, context) || !chain_next(&chain, number, &number) ||
            segment_ring(segment, number, &ring) != MPSC_OK)
            return;
    (void)visit_ring(&ring, &position, visit, context);
}

/* ---- the whole */

const char *segment_check(const struct segment *segment)
{
    struct chain chain = segment_chain(segment);
    const char *broken = registry_check(&segment->registry);
    if (!broken)
        broken = chain_check(&chain);
    bool may_be_biased = geometry_may_be_biased(&segment->geometry);
    for (unsigned i = 0; !broken && i < segment->geometry.rings; i++)
        broken = bias_check(&segment->header->rings[i], may_be_biased);
    return broken;
}

void segment_repair(const struct segment *segment)
{
    /* Every step of a control operation commits with one word in a table; what follows from the
     * tables is made anew. */
    struct chain chain = segment_chain(segment);
    chain_repair(&chain);
    registry_recount(&segment->registry);
    registry_tell(&segment->registry);
    atomic_fetch_add_explicit(&segment->header->repairs, 1, memory_order_relaxed);
}

static bool is_file_of(const struct segment *segment, const struct os_file *file)
{
    return file->device == segment->registry.device && file->inode == segment->registry.inode;
}

/* The file that the name leads to, if it is this segment's; else -ENOENT, or what the system says. */
static int open_named(const struct segment *segment, const char *name)
{
    struct os_file named;
    int fd = os_shm_open(name, true);
    if (fd < 0)
        return fd;
    if (os_file_status(fd, &named) == 0 && is_file_of(segment, &named))
        return fd;
    os_close(fd);
    return -ENOENT;
}

/* Two that find the same orphan must not remove each other's new channel: whoever removes a name
 * holds the lock on the inode that it means, and looks again. */
int segment_remove_name(const struct segment *segment, const char *name, bool wait)
{
    int fd = open_named(segment, name);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    int error = wait ? os_lock_wait(fd, LOCK_UNLINK) : os_lock_try(fd, LOCK_UNLINK);
    struct os_file again;
    if (!error)
        error = os_shm_status(name, &again);
    if (!error && is_file_of(segment, &again))
        error = os_shm_unlink(name);
    os_close(fd);
    return error == -ENOENT ? 0 : error;
}
