/* SPDX-License-Identifier: MIT */
/*
 * Level 4. The rings of a channel: one of a bounded channel, a chain of an unbounded one.
 *
 *      oldest --next--> ... --next--> newest
 *      (the head is here)             (claims are made here)
 *
 * A sender that finds the newest ring full appends another, the next larger one: it commits memory,
 * closes the ring, and links the next. The receiver that comes to the end of a closed ring gives its
 * memory back and goes on to the next. There is one place for each size, and the rings of a chain
 * have different sizes. A ring that is in no chain is closed and has no memory.
 *
 * What appends holds the control mutex. Its one word is `next`: a ring is in the chain from then on.
 */
#ifndef MPSC_CHAIN_H
#define MPSC_CHAIN_H

#include "registry.h"
#include "ring.h"

/* Of a segment, while one looks at it. */
struct chain {
    const struct registry *registry;
    const struct geometry *geometry;
};

void chain_format(const struct chain *chain);
/* Which rule the words break; NULL: none. */
const char *chain_check(const struct chain *chain);

/* The ring where claims are made, as far as one can see. */
unsigned chain_newest(const struct chain *chain);
/* The ring where the head is: for the seat's holder. */
unsigned chain_oldest(const struct chain *chain);
/* The position behind all that is claimed. */
uint64_t chain_end(const struct chain *chain);

/* Room for a message of `cells`, for which the newest ring had none. 0: there is some, perhaps in
 * another ring; -ENOSPC: no memory, or as many cells as the channel may have; or another errno.
 * `map` makes a ring the caller's before it is everybody's: 0, or an errno, and it is none then.
 * Control mutex held. */
int chain_grow(const struct chain *chain, uint64_t cells,
               int (*map)(void *context, unsigned number), void *context);
/* An empty ring that is not the smallest gives way to that. Control mutex held. */
int chain_shrink(const struct chain *chain);
/* After an owner of the control mutex died. */
void chain_repair(const struct chain *chain);

/* The ring behind a closed one. False: there is none yet. */
bool chain_next(const struct chain *chain, unsigned number, unsigned *next);
/* The seat's holder has come to the end of `ring`, and goes on in `next`: gives the memory back. */
void chain_pass(const struct chain *chain, const struct ring *ring, unsigned next);

/* All of a ring was taken: its memory is given back while it is still linked, and who does that may
 * die. */
bool chain_used_up(const struct chain *chain, unsigned number);
/* Bytes of the rings that must have memory. */
uint64_t chain_memory(const struct chain *chain);

#endif
