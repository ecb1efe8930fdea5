/* SPDX-License-Identifier: MIT */
#include "place.h"
#include "maps.h"
#include "process.h"
#include "text.h"

#include "handle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* ---- what one without a name is called */

static const char *const kinds[] = {"private/", "removed/", "elsewhere/"};

static uint64_t folder_device(void)
{
    struct stat folder;
    return stat(CHANNEL_FOLDER, &folder) == 0 ? folder.st_dev : 0;
}

void place_call(const char *kind, uint64_t device, uint64_t inode, char *name, size_t size)
{
    if (device == folder_device())
        snprintf(name, size, "%s/%" PRIu64, kind, inode);
    else
        snprintf(name, size, "%s/%u:%u:%" PRIu64, kind, major(device), minor(device), inode);
}

/* The number of the inode, and its device. */
static bool parse(const char *name, uint64_t *device, uint64_t *inode)
{
    unsigned major_number, minor_number;
    int end = 0;
    *device = folder_device();
    if (sscanf(name, "%u:%u:%n", &major_number, &minor_number, &end) == 2 && end > 0)
        *device = makedev(major_number, minor_number);
    char *rest;
    errno = 0;
    *inode = strtoull(name + end, &rest, 10);
    return name[end] >= '0' && name[end] <= '9' && *rest == '\0' && errno == 0;
}

static bool is_called(const char *name, uint64_t *device, uint64_t *inode)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t length = strlen(kinds[i]);
        if (strncmp(name, kinds[i], length) == 0)
            return parse(name + length, device, inode);
    }
    return false;
}

const char *place_name(const char *name)
{
    uint64_t device, inode;
    return is_called(name, &device, &inode) ? name : handle_name(name);
}

/* ---- one */

static int open_path(const struct place *place, const char *path)
{
    /* Whatever lies there, a fifo for one, we do not wait for it. */
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (place->named ? O_NOFOLLOW : 0);
    int fd = open(path, flags);
    struct stat file;
    if (fd < 0 || place->named)
        return fd;
    if (fstat(fd, &file) == 0 && file.st_dev == place->device && file.st_ino == place->inode)
        return fd;
    close(fd);
    errno = ENOENT;
    return -1;
}

/* ESRCH: of a process that is ending. */
static bool means_gone(int error)
{
    return error == ENOENT || error == ESRCH;
}

struct wanted {
    struct place *place;
    int fd, error;
};

/* Opened at once: whoever has it, another mpsc-inspect for one, may not have it long. */
static void open_wanted(const char *path, uint64_t device, uint64_t inode, void *context)
{
    struct wanted *wanted = context;
    struct place *place = wanted->place;
    if (wanted->fd >= 0 || device != place->device || inode != place->inode)
        return;
    wanted->fd = open_path(place, path);
    if (wanted->fd < 0 && means_gone(errno))
        return;
    wanted->error = errno;
    snprintf(place->path, sizeof place->path, "%s", path);
}

static int search(struct place *place)
{
    struct wanted wanted = {place, -1, ENOENT};
    process_entries("fd", open_wanted, &wanted);
    if (wanted.fd < 0)
        maps_files(open_wanted, &wanted);
    errno = wanted.error;
    return wanted.fd;
}

int place_open(struct place *place)
{
    int fd = open_path(place, place->path);
    return fd < 0 && !place->named && means_gone(errno) ? search(place) : fd;
}

bool place_find(const char *name, struct place *place)
{
    *place = (struct place){.named = true};
    snprintf(place->name, sizeof place->name, "%s", name);
    if (!is_called(name, &place->device, &place->inode)) {
        snprintf(place->path, sizeof place->path, "%s/%s", CHANNEL_FOLDER, name);
        return true;
    }
    place->named = false;
    int fd = search(place);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno != ENOENT;
}

/* ---- all */

static struct place *add(struct places *places)
{
    if (places->count == places->room) {
        size_t room = places->room ? 2 * places->room : 16;
        struct place *larger = realloc(places->places, room * sizeof *larger);
        if (!larger)
            no_memory();
        places->places = larger;
        places->room = room;
    }
    struct place *place = &places->places[places->count++];
    *place = (struct place){.named = true};
    return place;
}

static void add_name(struct places *places, const char *name)
{
    struct place *place = add(places);
    snprintf(place->path, sizeof place->path, "%s/%s", CHANNEL_FOLDER, name);
    snprintf(place->name, sizeof place->name, "%s", name);
}

static void add_file(const char *path, uint64_t device, uint64_t inode, void *context)
{
    struct places *places = context;
    struct place *place = add(places);
    *place = (struct place){.device = device, .inode = inode};
    snprintf(place->path, sizeof place->path, "%s", path);
    /* Whether it had a name is known when it is opened. */
    place_call("private", device, inode, place->name, sizeof place->name);
}

static int by_path(const void *left, const void *right)
{
    return strcmp(((const struct place *)left)->path, ((const struct place *)right)->path);
}

static int by_inode(const void *left, const void *right)
{
    const struct place *one = left, *other = right;
    if (one->device != other->device)
        return one->device < other->device ? -1 : 1;
    return (one->inode > other->inode) - (one->inode < other->inode);
}

static bool find_named(struct places *found)
{
    DIR *folder = opendir(CHANNEL_FOLDER);
    if (!folder)
        return false;
    const struct dirent *entry;
    for (errno = 0; (entry = readdir(folder)); errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            add_name(found, entry->d_name);
    int error = errno;
    closedir(folder);
    errno = error;
    return error == 0;
}

/* Each file once, however many have it open. */
static void find_open(struct places *found, unsigned *hidden)
{
    size_t first = found->count, kept = first;
    *hidden = process_entries("fd", add_file, found);
    found->incomplete = !maps_files(add_file, found);
    struct place *places = found->places;
    if (found->count > first)
        qsort(places + first, found->count - first, sizeof *places, by_inode);
    for (size_t i = first; i < found->count; i++)
        if (i == first || by_inode(&places[i], &places[kept - 1]) != 0)
            places[kept++] = places[i];
    found->count = kept;
}

bool places_find(struct places *found, unsigned *hidden)
{
    *found = (struct places){0};
    if (!find_named(found)) {
        int error = errno;
        places_free(found);
        errno = error;
        return false;
    }
    if (found->count > 0)
        qsort(found->places, found->count, sizeof *found->places, by_path);
    find_open(found, hidden);
    return true;
}

void places_free(struct places *places)
{
    free(places->places);
    *places = (struct places){0};
}
