/* SPDX-License-Identifier: MIT */
/*
 * Level 5. A segment as a whole: create, open, publish, check, repair. It composes what each noun
 * does for its own part.
 */
#ifndef MPSC_SEGMENT_H
#define MPSC_SEGMENT_H

#include "chain.h"
#include "control.h"
#include "geometry.h"
#include "registry.h"
#include "ring.h"

struct segment {
    int fd; /* without locks of its own: for asking about locks, and to open more */
    struct map tables;
    struct map ring_maps[RINGS_MOST]; /* of those that were needed so far */
    struct identity identity;         /* a copy */
    struct geometry geometry;
    uint32_t permissions; /* of the file, when its name was opened last */
    struct header *header;
    struct registry registry;
    struct ring ring; /* the one that was needed first; the only one of a bounded channel */
};

/* Looks at its chain of rings. */
struct chain segment_chain(const struct segment *segment);
/* One ring of it, mapped now if it was not. Not for two threads at once. */
mpsc_status segment_ring(struct segment *segment, unsigned number, struct ring *ring);

/* The options of a channel that is not there yet: what was left open becomes definite. */
mpsc_status segment_defaults(mpsc_options *options);

/* A new segment, mapped, without a name. `name` "" stands for a private channel. */
mpsc_status segment_create(const char *name, const mpsc_options *options, struct segment *segment);
/* Gives it its name. MPSC_EXISTS if that is taken. */
mpsc_status segment_publish(const struct segment *segment, const char *name);
/* Opens, validates and maps; takes no part. */
mpsc_status segment_open(const char *name, bool any_owner, struct segment *segment);
/* The same of a descriptor, which becomes the segment's, also on failure. */
mpsc_status segment_adopt(int fd, bool any_owner, struct segment *segment);
/* Its identity and geometry, by reading alone; nothing is mapped. */
mpsc_status segment_identify(int fd, bool any_owner, struct segment *segment);
/* How often one looks at words that seem to contradict each other. */
enum { SEGMENT_LOOKS = 20 };
/* Has the file the memory that it must have? A sparse copy has not, and reading what is not there
 * would take it, or be SIGBUS where there is none left. */
bool segment_has_its_memory(const struct segment *segment);
void segment_close(struct segment *segment);
/* Its descriptor only: it stays mapped, and so the file stays what it is. */
void segment_close_descriptor(struct segment *segment);

/* Does what was set agree with the channel? */
mpsc_status segment_agrees(const struct segment *segment, const mpsc_options *options);
/* Which rule it breaks, NULL: none. Needs no quiescence. */
const char *segment_check(const struct segment *segment);
/* After an owner of the control mutex died, at whatever step: control mutex held. */
void segment_repair(const struct segment *segment);

/* Removes the name if it still means this segment; else there is nothing to do, and that is 0 too.
 * Somebody else may be at it: that one is waited for, or it is -EAGAIN. */
int segment_remove_name(const struct segment *segment, const char *name, bool wait);

/* The status for a negative errno of the os layer; keeps it in errno for MPSC_OS. */
mpsc_status segment_status(int error);

/* Shows each message that is still queued. Nobody else may be in the channel. */
typedef void (*segment_visit)(void *message, size_t length, void *context);
void segment_leftovers(struct segment *segment, segment_visit visit, void *context);

#endif
