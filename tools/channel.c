/* SPDX-License-Identifier: MIT */
#include "channel.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- opening */

static enum channel_state failed(struct channel *channel, mpsc_status status)
{
    channel->status = status;
    channel->error = errno;
    return CHANNEL_TROUBLE;
}

static enum channel_state not_opened(struct channel *channel)
{
    switch (errno) {
    case ENOENT:
        return CHANNEL_NONE;
    case EACCES:
    case EPERM:
        return CHANNEL_DENIED;
    case ELOOP: /* a symbolic link */
    case ENXIO: /* a socket */
    case ENODEV:
        return CHANNEL_OTHER;
    default:
        return failed(channel, MPSC_OS);
    }
}

static bool has_magic(int fd)
{
    uint64_t magic;
    return pread(fd, &magic, sizeof magic, 0) == sizeof magic && magic == LAYOUT_MAGIC;
}

/* What a file without a name in the folder is called: see place.h. */
static void call(struct channel *channel, const struct stat *file, int fd)
{
    char first = 0;
    if (pread(fd, &first, 1, offsetof(struct header, identity.name)) != 1)
        first = 0;
    const char *kind = file->st_nlink > 0 ? "elsewhere" : first ? "removed" : "private";
    place_call(kind, file->st_dev, file->st_ino, channel->name, sizeof channel->name);
}

/* One that has its name in the folder is found by it. */
static bool is_found_by_name(const struct place *place, const struct stat *file)
{
    struct stat folder;
    return !place->named && file->st_dev == place->device && file->st_ino == place->inode &&
           file->st_nlink > 0 && stat(CHANNEL_FOLDER, &folder) == 0 &&
           folder.st_dev == file->st_dev;
}

/* One that cannot be opened has the same trouble by its name, and is told of there. */
static enum channel_state not_opened_at(const struct place *place, struct channel *channel)
{
    struct stat file;
    enum channel_state state = not_opened(channel);
    if (state == CHANNEL_TROUBLE && stat(place->path, &file) == 0 && is_found_by_name(place, &file))
        return CHANNEL_NONE;
    return state;
}

/* A descriptor of what is at least the beginning of a channel, if this is CHANNEL_OK. */
static enum channel_state open_file(struct place *place, struct channel *channel, int *fd)
{
    *fd = place_open(place);
    if (*fd < 0)
        return not_opened_at(place, channel);
    struct stat file;
    enum channel_state state = CHANNEL_OK;
    if (fstat(*fd, &file) != 0)
        state = failed(channel, MPSC_OS);
    else if (is_found_by_name(place, &file))
        state = CHANNEL_NONE;
    else if (!S_ISREG(file.st_mode) || !has_magic(*fd))
        state = CHANNEL_OTHER;
    if (state != CHANNEL_OK) {
        close(*fd);
        return state;
    }
    channel->device = file.st_dev;
    channel->inode = file.st_ino;
    if (!place->named)
        call(channel, &file, *fd);
    return CHANNEL_OK;
}

/* ---- copying */

static uint64_t monotonic_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void copy_endpoints(struct channel *channel, const struct view *view)
{
    unsigned count = view_endpoints(view);
    struct view_endpoint *endpoints = text_room(count, sizeof *endpoints);
    channel->endpoints = endpoints;
    for (unsigned i = 0; i < count; i++)
        if (view_endpoint(view, i, &endpoints[channel->endpoint_count]))
            channel->endpoint_count++;
}

static void copy(struct channel *channel, const struct view *view)
{
    struct view_walk queue;
    view_walk_begin(view, &queue);
    channel->cells = queue.end - queue.position;
    channel->created = view->segment.identity.created;
    snprintf(channel->called, sizeof channel->called, "%s", view->segment.identity.name);
    view_stats(view, &channel->stats);
    copy_endpoints(channel, view);
    channel->control_pid = view_control_pid(view);
    channel->changes = view_control_is_held(view);
    channel->name_is_held = view_name_is_held(view);
    channel->looked = monotonic_now();
    if (channel->stats.processes > 0)
        channel->state = CHANNEL_OK;
    else
        channel->state = channel->stats.durable ? CHANNEL_IDLE : CHANNEL_ORPHANED;
}

bool channel_view(struct place *place, struct channel *channel, struct view *view)
{
    int fd;
    *channel = (struct channel){.sent_rate = -1, .received_rate = -1};
    snprintf(channel->name, sizeof channel->name, "%s", place->name);
    channel->state = open_file(place, channel, &fd);
    if (channel->state != CHANNEL_OK)
        return false;
    mpsc_status status = view_adopt(fd, view, &channel->broken);
    if (status == MPSC_CORRUPT)
        channel->state = CHANNEL_DAMAGED;
    else if (status == MPSC_MISMATCH)
        channel->state = CHANNEL_FOREIGN;
    else if (status)
        channel->state = failed(channel, status);
    else
        copy(channel, view);
    return !status;
}

void channel_look(struct place *place, struct channel *channel)
{
    struct view view;
    if (channel_view(place, channel, &view))
        view_close(&view);
}

void channel_free(struct channel *channel)
{
    free(channel->endpoints);
    channel->endpoints = NULL;
    channel->endpoint_count = 0;
}

bool channel_is_open(const struct channel *channel)
{
    return channel->state <= CHANNEL_ORPHANED;
}

/* ---- what moved */

static double per_second(uint64_t before, uint64_t after, uint64_t nanoseconds)
{
    if (nanoseconds == 0)
        return -1;
    /* What is queued is counted while it moves: it may seem to be less than it was. */
    return after > before ? (double)(after - before) * 1e9 / (double)nanoseconds : 0;
}

void channel_compare(const struct channel *before, struct channel *after)
{
    after->observed = after->looked - before->looked;
    after->sent_rate = per_second(before->stats.sent, after->stats.sent, after->observed);
    after->received_rate =
        per_second(before->stats.received, after->stats.received, after->observed);
    /* For a moment it is held by whoever removes it. */
    after->name_is_held = after->name_is_held && before->name_is_held;
}

bool channel_pause(uint64_t nanoseconds)
{
    struct timespec pause = {(time_t)(nanoseconds / 1000000000u),
                             (long)(nanoseconds % 1000000000u)};
    return nanosleep(&pause, NULL) == 0;
}

double channel_fill(const struct channel *channel)
{
    const mpsc_stats *stats = &channel->stats;
    if (stats->bound != UINT64_MAX)
        return stats->bound ? (double)channel->cells / (double)stats->bound : 0;
    if (stats->max_bytes == 0)
        return -1;
    return (double)channel->cells * (double)stats->message_size / (double)stats->max_bytes;
}

/* ---- in words */

const char *channel_kind(const struct channel *channel)
{
    switch (channel->stats.bound) {
    case 0:
        return "rendezvous";
    case UINT64_MAX:
        return channel->stats.durable ? "unbounded, durable" : "unbounded";
    default:
        return channel->stats.durable ? "bounded, durable" : "bounded";
    }
}

const char *channel_state_name(enum channel_state state)
{
    static const char *const names[] = {
        [CHANNEL_OK] = "ok",
        [CHANNEL_STALLED] = "stalled",
        [CHANNEL_IDLE] = "idle",
        [CHANNEL_ORPHANED] = "orphaned",
        [CHANNEL_DAMAGED] = "damaged",
        [CHANNEL_FOREIGN] = "other version",
        [CHANNEL_NONE] = "gone",
        [CHANNEL_OTHER] = "not a channel",
        [CHANNEL_DENIED] = "not readable",
        [CHANNEL_TROUBLE] = "unknown",
    };
    return names[state];
}

const char *channel_trouble(const struct channel *channel)
{
    return channel->status == MPSC_OS ? strerror(channel->error) : mpsc_strstatus(channel->status);
}

const char *channel_why(const struct channel *channel)
{
    switch (channel->state) {
    case CHANNEL_DAMAGED:
        return channel->broken;
    case CHANNEL_FOREIGN:
        return "it has another format than that of this version: the mpsc-inspect of that one "
               "looks at it, rm removes it";
    case CHANNEL_NONE:
        return "there is no channel of that name";
    case CHANNEL_OTHER:
        return "it is not a channel";
    case CHANNEL_DENIED:
        return "this user may not read it";
    case CHANNEL_TROUBLE:
        return channel_trouble(channel);
    default:
        return NULL;
    }
}

int channel_refuse(const struct channel *channel)
{
    const char *name = channel->name;
    switch (channel->state) {
    case CHANNEL_NONE:
        complain("no channel '%s'; mpsc-inspect list shows those there are", name);
        return NOT_SOUND;
    case CHANNEL_OTHER:
        complain("'%s' in %s is not a channel; mpsc-inspect list shows those there are", name,
                 CHANNEL_FOLDER);
        return NOT_SOUND;
    case CHANNEL_DAMAGED:
        if (strchr(name, '/'))
            complain("channel '%s' is damaged: %s", name, channel->broken);
        else
            complain("channel '%s' is damaged: %s; mpsc_unlink, or rm %s/%s, clears the way for a "
                     "new one",
                     name, channel->broken, CHANNEL_FOLDER, name);
        return NOT_SOUND;
    case CHANNEL_FOREIGN:
        complain("channel '%s' has another format than that of version %s; use the mpsc-inspect of "
                 "the programs that opened it",
                 name, mpsc_version());
        return TROUBLE;
    case CHANNEL_DENIED:
        complain("this user may not read channel '%s'; try as its owner, or as root", name);
        return TROUBLE;
    default:
        complain("cannot look at channel '%s': %s", name, channel_trouble(channel));
        return TROUBLE;
    }
}

bool channel_place(const char *name, struct place *place)
{
    const char *meant = place_name(name);
    if (!meant)
        complain("'%s' is no name of a channel: 1 to %d bytes, no slash but a leading one, or as "
                 "mpsc-inspect list calls one that has no name",
                 name, MPSC_MAX_NAME);
    else if (!place_find(meant, place))
        complain("no process that this user may look into has '%s' open; mpsc-inspect list shows "
                 "what there is",
                 meant);
    else
        return true;
    return false;
}
