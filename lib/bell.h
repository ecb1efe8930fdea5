/* SPDX-License-Identifier: MIT */
/*
 * Level 4. A bell for the handles of this process: readable while there may be something for it that
 * it was not told of.
 *
 * Who finds nothing calls bell_settle: afterwards either the bell is not readable and the condition
 * variable armed, so that the next change rings; or one has to look once more.
 */
#ifndef MPSC_BELL_H
#define MPSC_BELL_H

#include "condvar.h"
#include "registry.h"

struct bell {
    struct os_bell os;
    uint64_t vigil; /* how long until one looks again whether somebody has died; 0: one need not */
    bool fresh;     /* what armed the condition variable was not us */
    bool raised;    /* by ourselves */
    bool deaf;      /* to its channel, and it could not listen anew so far */
    struct bell *next; /* of those that are made for one call */
};

/* Negative errno. */
int bell_open(struct bell *bell);
void bell_close(struct bell *bell);
/* The same for one that is lent to a call, and listens to nothing before and after. One that is `sound`
 * is kept for the next, until the process has no channel any more. */
int bell_open_for_call(struct bell *bell); /* with signals held; so is the next */
void bell_close_after_call(struct bell *bell, bool sound);
void bells_drop(void);
/* Around a fork. In the child those of calls are closed. */
void bell_fork_prepare(void);
void bell_fork_parent(void);
void bell_fork_child(void);
/* In a forked child: one of its own behind the same number. Where that cannot be had it stays shared. */
void bell_renew(struct bell *bell, const struct registry *registry);

/* It is to ring for this channel. Whenever it was deaf (OS_BELL_DEAF), again, and before one looks. The
 * number of the watch, or negative errno. */
int bell_listen(const struct bell *bell, const struct registry *registry);

/* What came since it was asked last, of OS_BELL_RANG and so on; with one of BELL_DEATHS somebody may have
 * died, or the channel may be durable no more. */
#define BELL_DEATHS (OS_BELL_LEFT | OS_BELL_ALARM | OS_BELL_DEAF | OS_BELL_CHANGED)
unsigned bell_take(struct bell *bell);

/* Nothing was found, and one waits for that. True: look once more, since what came may have come before
 * it was armed; and if that finds something, bell_raise. */
bool bell_settle(struct bell *bell, const struct registry *registry, struct condvar *condvar,
                 unsigned *news);
/* What is waited for may come without a ring: it is readable for a moment now and then, at longer and longer
 * intervals. */
void bell_look_again(struct bell *bell);
/* Makes it readable: there is something. */
void bell_raise(struct bell *bell);

#endif
