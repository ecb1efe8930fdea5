/* SPDX-License-Identifier: MIT */
/*
 * Level 3. Waiting: spin and yield a little, then sleep, at most for WAIT_BOUND at a time. What is
 * waited for is passed in; a wait may end early, and its caller looks again.
 */
#ifndef MPSC_WAIT_H
#define MPSC_WAIT_H

#include "condvar.h"

#include <stdbool.h>
#include <stdint.h>

/* After this long asleep one looks whether the other side still lives. */
#define WAIT_BOUND UINT64_C(100000000)

/* Not at all: what the try calls pass for a time. */
#define WAIT_NEVER (UINT64_MAX - 1)

enum wait_result {
    WAIT_AGAIN,
    WAIT_NEWS, /* somebody that was watched has died, or so it seems */
    WAIT_TIMEOUT,
    WAIT_INTERRUPTED,
};

/* For how long to wait for a death that was told of to be a fact; kept by each handle. */
struct wait_vigil {
    unsigned died;
    uint64_t pause;
};

/* What a receiver has learned from its waits; kept by each handle. */
struct wait_habit {
    unsigned shared;   /* so many in a row ended when the processor had been lent to somebody */
    bool patient;      /* one yields for longer before the next sleep */
    unsigned failures; /* of patience, in a row */
    unsigned pass;     /* so many brief sleeps before it is tried again */
};

struct wait {
    struct header *header; /* of the channel, for whoever traces */
    struct condvar *condvar;
    uint64_t deadline;
    _Atomic uint64_t *blocked_since; /* for whoever inspects */
    bool (*ready)(void *context);    /* a few loads; true: worth looking again */
    /* The same with all that must be looked at once more before sleeping; may ask the system. */
    bool (*ready_to_sleep)(void *context);
    /* Whose deaths matter: as registry_watch. */
    unsigned (*watch)(void *context, struct os_futex *futexes, unsigned most, unsigned *died);
    void *context;
    struct wait_vigil *vigil;
    struct wait_habit *habit;
    bool learns;     /* how to wait: see wait.c */
    unsigned sleeps; /* in a row, that nobody woke */
    bool restarts;   /* a handler would let a watching sleep go on */
    uint64_t since;  /* when the first began */
    bool held;       /* signals are; see wait.c */
    struct os_signals before;
};

/* The end of a wait of so many nanoseconds from now. */
uint64_t wait_deadline(uint64_t nanoseconds);
/* What is left until a deadline. */
uint64_t wait_left(uint64_t deadline);

/* Spins, then yields; true: ready. */
bool wait_spin(struct wait *wait);
enum wait_result wait_sleep(struct wait *wait);
/* After the last of them. */
void wait_end(struct wait *wait);

#endif
