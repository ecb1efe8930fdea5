/* SPDX-License-Identifier: MIT */
/*
 * Level 6. A look at a segment by somebody who takes no part. It reads the file and maps nothing, takes
 * no lock and has no slot: it cannot disturb what it looks at, and whatever becomes of the file
 * meanwhile cannot harm it. All indices that are read are bounded by the geometry, which is a copy.
 */
#ifndef MPSC_VIEW_H
#define MPSC_VIEW_H

#include "segment.h"

/* The tables are a copy of one moment; who lives, and what is queued, is asked when it is asked for. */
struct view {
    struct segment segment;
};

/* One handle of the channel. */
struct view_endpoint {
    enum owner_kind kind;
    bool alive;
    bool seated;            /* a receiver that holds the seat */
    uint32_t pid;           /* as its process sees itself */
    uint64_t messages;      /* moved through this handle */
    uint64_t blocked_since; /* monotonic nanoseconds; 0: it is not asleep in a call */
    bool claims_next;       /* a sender that has claimed what comes next, and not sent it */
};

mpsc_status view_open(const char *name, struct view *view);
/* Of a descriptor, which becomes the view's, also on failure. With MPSC_CORRUPT `*broken` tells what is
 * wrong; it may be NULL. */
mpsc_status view_adopt(int fd, struct view *view, const char **broken);
void view_close(struct view *view);

void view_stats(const struct view *view, mpsc_stats *stats);
/* Endpoints are numbered below this. */
unsigned view_endpoints(const struct view *view);
/* False: nobody has that number now. */
bool view_endpoint(const struct view *view, unsigned index, struct view_endpoint *endpoint);
/* Does a living process have the control mutex? It may be about to join, and in no table yet. (That
 * libpthread does not tell.) */
bool view_control_is_held(const struct view *view);
/* That process, as it sees itself; 0: none is seen. */
uint32_t view_control_pid(const struct view *view);
/* Is somebody about to remove its name? Who else would remove it, or replace an orphan, waits for that. */
bool view_name_is_held(const struct view *view);
/* Which rule the segment breaks, NULL: none. */
const char *view_check(const struct view *view);

/* Messages that are queued in a segment, read from its file. */
uint64_t view_queued(const struct segment *segment);

/* ---- the messages themselves; they stay where they are */

/* The next message to look at, and the end of what was queued when the walk began. */
struct view_walk {
    uint64_t position, end;
};

enum view_found {
    VIEW_MESSAGE,
    VIEW_UNSENT, /* a cell that is claimed, and not sent: wait for it, or pass it by `position`++ */
    VIEW_LOST, /* what came next was taken, and its room used again: the walk goes on at the head */
    VIEW_END,  /* nothing more as yet */
    VIEW_DAMAGED,
};

struct view_message {
    uint64_t length; /* bytes; the buffer may have fewer */
    bool taken;      /* by the receiver, meanwhile */
};

/* Which rule the messages break, NULL: none; of what is queued now. */
const char *view_check_messages(const struct view *view);

void view_walk_begin(const struct view *view, struct view_walk *walk);
/* Copies the next message, as far as the buffer goes. Nothing that was torn by a sender who used its
 * room again is ever given out. */
enum view_found view_walk_next(const struct view *view, struct view_walk *walk, void *buffer,
                               size_t size, struct view_message *message);

#endif
