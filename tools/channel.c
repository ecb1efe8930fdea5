/* SPDX-License-Identifier: MIT */
/* A channel at one moment. */
#include "inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

/* A descriptor of what is at least the beginning of a channel, if this is CHANNEL_OK. */
static enum channel_state open_file(struct channel *channel, int *fd)
{
    char path[sizeof CHANNEL_FOLDER + 1 + sizeof channel->name];
    snprintf(path, sizeof path, "%s/%s", CHANNEL_FOLDER, channel->name);
    /* Whatever lies there, a fifo for one, we do not wait for it. */
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0)
        return not_opened(channel);
    struct stat file;
    enum channel_state state = CHANNEL_OK;
    if (fstat(*fd, &file) != 0)
        state = failed(channel, MPSC_OS);
    else if (!S_ISREG(file.st_mode) || !has_magic(*fd))
        state = CHANNEL_OTHER;
    if (state != CHANNEL_OK) {
        close(*fd);
        return state;
    }
    channel->device = file.st_dev;
    channel->inode = file.st_ino;
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
    struct view_endpoint *endpoints = calloc(count ? count : 1, sizeof *endpoints);
    if (!endpoints)
        no_memory();
    channel->endpoints = endpoints;
    for (unsigned i = 0; i < count; i++)
        if (view_endpoint(view, i, &endpoints[channel->endpoint_count]))
            channel->endpoint_count++;
}

/* The descriptor is the view's, also on failure. */
static enum channel_state copy(struct channel *channel, int fd)
{
    struct view view;
    mpsc_status status = view_adopt(fd, &view);
    if (status)
        return status == MPSC_CORRUPT    ? CHANNEL_DAMAGED
               : status == MPSC_MISMATCH ? CHANNEL_FOREIGN
                                         : failed(channel, status);
    channel->created = view.segment.identity.created;
    view_stats(&view, &channel->stats);
    copy_endpoints(channel, &view);
    channel->control_pid = view_control_pid(&view);
    channel->looked = monotonic_now();
    view_close(&view);
    if (channel->stats.processes > 0)
        return CHANNEL_OK;
    return channel->stats.durable ? CHANNEL_IDLE : CHANNEL_ORPHANED;
}

void channel_look(const char *name, struct channel *channel)
{
    int fd;
    *channel = (struct channel){0};
    snprintf(channel->name, sizeof channel->name, "%s", name);
    channel->state = open_file(channel, &fd);
    if (channel->state == CHANNEL_OK)
        channel->state = copy(channel, fd);
}

void channel_free(struct channel *channel)
{
    free(channel->endpoints);
    channel->endpoints = NULL;
    channel->endpoint_count = 0;
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

/* ---- names */

static int compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void add_name(char ***names, size_t *count, const char *name)
{
    if ((*count & (*count - 1)) == 0) { /* full: none, or a power of two */
        char **larger = realloc(*names, (*count ? 2 * *count : 1) * sizeof *larger);
        if (!larger)
            no_memory();
        *names = larger;
    }
    char *copied = strdup(name);
    if (!copied)
        no_memory();
    (*names)[(*count)++] = copied;
}

bool channel_names(char ***names, size_t *count)
{
    DIR *folder = opendir(CHANNEL_FOLDER);
    if (!folder)
        return false;
    *names = NULL;
    *count = 0;
    const struct dirent *entry;
    for (errno = 0; (entry = readdir(folder)); errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            add_name(names, count, entry->d_name);
    int error = errno;
    closedir(folder);
    if (error) {
        channel_names_free(*names, *count);
        errno = error;
        return false;
    }
    if (*count > 0)
        qsort(*names, *count, sizeof **names, compare);
    return true;
}

void channel_names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}
