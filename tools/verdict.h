/* SPDX-License-Identifier: MIT */
/* What is up with a channel, in words: who waits, and whose turn it is. */
#ifndef MPSC_INSPECT_VERDICT_H
#define MPSC_INSPECT_VERDICT_H

#include "channel.h"
#include "process.h"

/* A sleeper of so long, with nothing moving, makes a channel stalled. */
#define VERDICT_PATIENCE UINT64_C(1000000000)

enum { VERDICT_SIZE = 512 };

/* Also makes CHANNEL_STALLED of CHANNEL_OK where somebody waits for who does nothing. */
void verdict_reach(struct channel *channel, char text[static VERDICT_SIZE]);

/* Nanoseconds that it has been asleep in a call; 0: it is not. */
uint64_t verdict_blocked(const struct channel *channel, const struct view_endpoint *endpoint);
/* What for, as far as the segment tells; NULL: it is not. */
const char *verdict_blocked_on(const struct channel *channel, const struct view_endpoint *endpoint);

/* Who waits when somebody is in the midst of changing the tables. */
const char *verdict_needs_the_tables(const struct channel *channel);

/* Who is about to remove its name, and what it does, as a sentence. */
void verdict_remover(const struct channel *channel, char text[static VERDICT_SIZE]);
/* Its pid; 0: it is not seen. `*hidden`: processes that this user may not look into. */
uint32_t verdict_remover_pid(const struct channel *channel, unsigned *hidden);
/* Who waits for that one. */
const char *verdict_needs_the_name(const struct channel *channel);

/* Living endpoints of that kind that sleep in a call. */
unsigned verdict_sleepers(const struct channel *channel, enum owner_kind kind);

#endif
