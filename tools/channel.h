/* SPDX-License-Identifier: MIT */
/* A channel at one moment, as a copy: no command touches a segment. */
#ifndef MPSC_INSPECT_CHANNEL_H
#define MPSC_INSPECT_CHANNEL_H

#include "place.h"

#include "view.h"

enum channel_state {
    CHANNEL_OK,
    CHANNEL_STALLED,  /* it does not move on: see verdict.h, which tells that from CHANNEL_OK */
    CHANNEL_IDLE,     /* durable, and no living process has it open */
    CHANNEL_ORPHANED, /* scoped, and no living process has it open: the next open replaces it */
    CHANNEL_DAMAGED,
    CHANNEL_FOREIGN, /* of a library whose format is another */
    /* Not a channel, as far as one can see: */
    CHANNEL_NONE,    /* nothing has the name */
    CHANNEL_OTHER,   /* something else has it */
    CHANNEL_DENIED,  /* this user may not read it */
    CHANNEL_TROUBLE, /* channel_trouble() says what */
};

/* `state` and `name` are always set, the rest up to CHANNEL_ORPHANED. */
struct channel {
    enum channel_state state;
    char name[MPSC_MAX_NAME + 1];   /* what it is called */
    char called[MPSC_MAX_NAME + 1]; /* its name, as it was made; empty: a private one */
    mpsc_stats stats;
    uint64_t cells;   /* of the ring that are claimed: a longer message takes several */
    uint64_t created; /* seconds since 1970 */
    uint64_t looked;  /* when this was so: monotonic nanoseconds */
    uint64_t device, inode;
    struct view_endpoint *endpoints;
    size_t endpoint_count;
    uint32_t control_pid; /* of who changes its tables now, as it sees itself; 0: nobody is seen */
    bool changes;       /* somebody does, though it may not be seen who: it may be about to join */
    bool name_is_held;  /* somebody is about to remove the name; channel_compare: and was before */
    const char *broken; /* of CHANNEL_DAMAGED: what is wrong */
    mpsc_status status; /* of CHANNEL_TROUBLE */
    int error;          /* an errno, with MPSC_OS */
    /* Set by channel_compare: */
    uint64_t observed;               /* nanoseconds */
    double sent_rate, received_rate; /* messages a second in that time; negative: not known */
};

/* Never waits; a damaged or truncated segment is a state. */
void channel_look(struct place *place, struct channel *channel);
/* The same, and the view it was copied from stays open. False: there is none. */
bool channel_view(struct place *place, struct channel *channel, struct view *view);
void channel_free(struct channel *channel);
/* Are its figures known? */
bool channel_is_open(const struct channel *channel);

/* A pause of so long. False: a signal came. */
bool channel_pause(uint64_t nanoseconds);
/* What moved between two looks. */
void channel_compare(const struct channel *before, struct channel *after);
/* How full it is, from 0 to 1; negative: it has no limit. */
double channel_fill(const struct channel *channel);

const char *channel_kind(const struct channel *channel);
const char *channel_state_name(enum channel_state state);
const char *channel_trouble(const struct channel *channel);
/* Why its figures are not known; NULL: they are. */
const char *channel_why(const struct channel *channel);

/* Where the channel of an operand is; or complains. */
bool channel_place(const char *name, struct place *place);
/* Complains that its figures are not known, and why; an exit status. */
int channel_refuse(const struct channel *channel);

#endif
