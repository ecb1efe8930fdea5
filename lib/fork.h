/* SPDX-License-Identifier: MIT */
/* Level 1. Who wants to know of a fork; knows no channel. */
#ifndef MPSC_FORK_H
#define MPSC_FORK_H

#include <stdatomic.h>
#include <stdbool.h>

struct fork_hooks {
    void (*prepare)(void); /* before: takes what must not be half-way in the child */
    void (*parent)(void);  /* after, in the parent, whether it succeeded or not */
    void (*child)(void);
};

/* Registers hooks, once in the life of the process. False: no memory. Not for two threads at once. */
bool fork_register(const struct fork_hooks *hooks);

/* Reads 0 in a child that was made behind fork's back, by clone. (One by vfork has our memory.) */
extern atomic_uint *_Atomic fork_seen_;

static inline bool fork_seen(void)
{
    /* PAIR seen: the page is marked before it is known (fork_register -> fork_seen) */
    atomic_uint *seen = atomic_load_explicit(&fork_seen_, memory_order_acquire);
    return atomic_load_explicit(seen, memory_order_relaxed) != 0;
}

#endif
