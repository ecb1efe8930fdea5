/* SPDX-License-Identifier: MIT */
/*
 * Level 6. A look at a segment by somebody who takes no part. It reads the file and maps nothing, takes
 * no lock and has no slot: it cannot disturb what it looks at, and whatever becomes of the file
 * meanwhile cannot harm it.
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
/* Of a descriptor, which becomes the view's, also on failure. */
mpsc_status view_adopt(int fd, struct view *view);
void view_close(struct view *view);

void view_stats(const struct view *view, mpsc_stats *stats);
/* Endpoints are numbered below this. */
unsigned view_endpoints(const struct view *view);
/* False: nobody has that number now. */
bool view_endpoint(const struct view *view, unsigned index, struct view_endpoint *endpoint);
/* The living process that has the control mutex, as it sees itself; 0: none is seen. */
uint32_t view_control_pid(const struct view *view);
/* Which rule the segment breaks, NULL: none. */
const char *view_check(const struct view *view);

/* Messages that are queued in a segment, read from its file. */
uint64_t view_queued(const struct segment *segment);

#endif
