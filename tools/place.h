/* SPDX-License-Identifier: MIT */
/*
 * Where channels are. Most have a name in CHANNEL_FOLDER. A private one has none, and neither has one
 * whose name was removed while it is in use: they are found among the files that processes have open,
 * and called by their inode, as in
 *
 *      private/1234        never had a name
 *      removed/1234        it had one
 *      elsewhere/0:45:1234 its name is in another /dev/shm, a container's mostly
 *
 * No name of a channel has a slash in it. A device is told where it is not that of CHANNEL_FOLDER.
 */
#ifndef MPSC_INSPECT_PLACE_H
#define MPSC_INSPECT_PLACE_H

#include "inspect.h"

#include <mpsc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLACE_PATH_SIZE = sizeof CHANNEL_FOLDER + 1 + MPSC_MAX_NAME };

struct place {
    char path[PLACE_PATH_SIZE];   /* leads to it */
    char name[MPSC_MAX_NAME + 1]; /* as it was asked for; else what is known of it, unopened */
    bool named;                   /* in CHANNEL_FOLDER */
    uint64_t device, inode;       /* of one that is not */
};

/* A name without its leading slash. NULL: it cannot be one. */
const char *place_name(const char *name);
/* By name, or by what place_call calls it. False: it is in no process that can be seen. */
bool place_find(const char *name, struct place *place);
/* A descriptor of it, or -1 and errno. Of one without a name `place` moves to another process, where the
 * one that it was found in has it no more. */
int place_open(struct place *place);
/* What one without a name is called. */
void place_call(const char *kind, uint64_t device, uint64_t inode, char *name, size_t size);

/* All that may be channels: those with a name first, sorted by it. False: CHANNEL_FOLDER cannot be read,
 * errno says why. `*hidden`: processes that this user may not look into. */
struct places {
    struct place *places;
    size_t count, room;
    bool incomplete; /* there may be more, without a name */
};
bool places_find(struct places *found, unsigned *hidden);
void places_free(struct places *places);

#endif
