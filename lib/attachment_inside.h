/* SPDX-License-Identifier: MIT */
/*
 * What the attachment's files share, for them alone: attachment.c opens and closes, attachment_member.c
 * makes this process a member and takes the control mutex, attachment_rings.c serves those in the middle of a
 * message, attachment_fork.c lets a child have its parent's ends.
 */
#ifndef MPSC_ATTACHMENT_INSIDE_H
#define MPSC_ATTACHMENT_INSIDE_H

#include "attachment.h"

#include <pthread.h>

/* A slot, by the lock of its byte on a description of its own. */
struct claimed {
    int fd;
    unsigned slot;
    uint32_t generation;
};

struct attachment {
    struct segment segment;
    void *anchor; /* keeps the lock of our slot's byte */
    void *news;   /* tells others of our death */
    struct handle *handles;
    struct attachment *next;
    struct destructor destructor;
    bool leaving;         /* its last handle is gone; the rest of it is under way */
    struct claimed child; /* of the child, between fork's prepare and child handlers */
    mpsc_status child_status;
};

/* Has this process a slot in the channel? A child that could be given none has not. */
static inline bool is_member(const struct attachment *attachment)
{
    return attachment->segment.registry.slot != REGISTRY_NOBODY;
}

static inline bool is_local(const struct attachment *attachment)
{
    return attachment->segment.identity.local;
}

/* ---- attachment_member.c: all attachments of this process, and it as a member of each */

/* The mutex guards the list, and all control operations of this process but attachment_grow. */
extern struct attachment *attachment_list;
extern pthread_mutex_t attachment_mutex;
/* With cancellation disabled until the unlock: what is returned is for that. */
int attachment_lock(void);
void attachment_unlock(int cancel);
/* False: somebody else had it for that long, in nanoseconds. */
bool attachment_lock_within(pthread_mutex_t *mutex, uint64_t patience);

void attachment_enlist(struct attachment *attachment);
void attachment_delist(const struct attachment *attachment);

/* The control mutex; repairs what an owner that died left half done. Its end tells whoever waits. */
mpsc_status attachment_control_begin(struct attachment *attachment);
/* MPSC_BUSY: somebody else is at it, for so many nanoseconds. */
mpsc_status attachment_control_within(struct attachment *attachment, uint64_t patience);
void attachment_control_end(struct attachment *attachment);

/* The attachment owns the segment from here on, also on failure. It is in no list yet. */
mpsc_status attachment_make(struct segment *segment, struct attachment **made);
void attachment_free(struct attachment *attachment);

/* The first takes a free slot, for us or for a child that is to be; the other makes it ours for as long as this
 * process lives, whatever becomes of descriptors. */
mpsc_status attachment_claim(const struct attachment *attachment, struct claimed *claimed);
mpsc_status attachment_settle(struct attachment *attachment, const struct claimed *claimed);
void attachment_begin_news(struct attachment *attachment);
void attachment_take_part_in_barriers(const struct segment *segment);
void attachment_barriers_in_child(void);
void attachment_bind(struct handle *handle, struct attachment *attachment, unsigned index);

/* ---- attachment_rings.c */

/* Nobody maps a ring while this process forks. */
void attachment_rings_hold(void);
void attachment_rings_release(void);

/* ---- attachment_fork.c */

/* Without fork's handlers children would take part unseen. */
bool attachment_sees_forks(void);

#endif
