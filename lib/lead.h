/* SPDX-License-Identifier: MIT */
/*
 * Level 3. How far a sender is ahead of the receiver. Who never waits for room runs far ahead where
 * it shares processors with the receiver, and then writes memory that nobody has used before, and
 * that has left the caches when it is read. So a sender that is far ahead lends its processor now and
 * then, before it claims: what it is going to send has to wait behind all that anyway.
 */
#ifndef MPSC_LEAD_H
#define MPSC_LEAD_H

#include "ring.h"

struct lead {
    uint64_t look; /* the position from which on one looks again */
    uint64_t lend; /* the moment from which on one may lend again */
};

/* Who holds no claim is about to claim: looks how far ahead that will be, and lends the processor
 * if it is far and one may. */
void lead_consider(struct lead *lead, const struct ring *ring, bool may_lend);
/* Nanoseconds in which one does not lend again, after it `took` so many in which others sent and
 * received so many cells: a quarter of them if that was brisk, or 16 times as many. */
uint64_t lead_pause(uint64_t took, uint64_t cells);

#endif
