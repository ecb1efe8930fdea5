/* SPDX-License-Identifier: MIT */
/*
 * A process that is stepped through a call, one instruction at a time, and stopped or killed there.
 *
 * The child runs `body`, which does at most: stepper_ready() once it is prepared, stepper_begin(),
 * the call, stepper_end(). Its parent lets it go from one to the next. An event is an instruction
 * that was done, or that the child fell asleep in the system and is left there.
 */
#ifndef STEPPER_H
#define STEPPER_H

#include "channels.h"

#include <sys/types.h>

enum stepper_state {
    STEPPER_INSIDE, /* stopped between two instructions of the call */
    STEPPER_ASLEEP, /* in a system call, and nobody has woken it */
    STEPPER_OVER,   /* the call has returned */
    STEPPER_EXITED,
};

struct stepper {
    pid_t pid;
    enum stepper_state state;
    unsigned long events;
    bool plain;        /* the last one was one instruction, and no system call */
    int signal;        /* to be delivered with the next step */
    atomic_int *phase; /* shared with the child */
    bool follow;       /* the next fork: its child is stepped, and `parent` goes on */
    pid_t parent;
    /* Functions that only spin, or that read the clock, which begins again while it is held up: after so
     * many events in one, the rest of it is passed by. */
    const uintptr_t *dull;
    uintptr_t dull_end; /* where the one that it is in returns to */
    unsigned long dull_events;
    /* A function that sleeps until a moment. Stepped on a machine with much to do it comes too late,
     * and never sleeps: after so many calls it is run at full speed. */
    uintptr_t sleeper;
    unsigned sleeper_calls;
    uintptr_t stop; /* a breakpoint, and what was there */
    long code;
};

enum { STEPPER_DULL_EVENTS = 250, STEPPER_SLEEPER_CALLS = 6 };

/* May one process trace another here? */
bool stepper_permitted(void);

/* The functions end with 0. For the next stepper that is started. */
void stepper_dull(const uintptr_t *functions, uintptr_t sleeper);
/* Starts the child, which is stopped at once; `phase` is shared memory. */
void stepper_start(struct stepper *stepper, atomic_int *phase, void (*body)(void *),
                   void *argument);
/* Lets it go to stepper_ready(). */
void stepper_prepare(struct stepper *stepper);
/* Lets it go to the instruction behind stepper_begin(). */
void stepper_enter(struct stepper *stepper);
/* One event. One who is asleep is waited for; false: it sleeps on for `patience` nanoseconds. */
bool stepper_step(struct stepper *stepper, uint64_t patience);
/* Steps until `events` have happened, or it sleeps, or the call is over. */
void stepper_go(struct stepper *stepper, unsigned long events);
/* Runs at full speed until it comes to `address`, which is not where it is: true. False: it has fallen
 * asleep, in a call or behind the end of this one; the next stepper_run_to waits for it. */
bool stepper_run_to(struct stepper *stepper, uintptr_t address, uint64_t patience);
/* Has the call returned, whatever the child does now? */
bool stepper_is_over(const struct stepper *stepper);
/* Lets the stopped child run; it is no longer stepped. */
void stepper_let_go(struct stepper *stepper);
/* It is dead after this, and still a zombie. */
void stepper_kill(struct stepper *stepper);
void stepper_reap(struct stepper *stepper);

/* Where the child is: an address, and in words. */
uintptr_t stepper_address(const struct stepper *stepper);
const char *stepper_place(uintptr_t address);

/* In the child. */
void stepper_ready(void);
void stepper_begin(atomic_int *phase);
void stepper_end(atomic_int *phase);

#endif
