/* SPDX-License-Identifier: MIT */
/*
 * Level 4. A sender that claims by a store. A compare-and-swap on the tail waits until all that
 * was written before is everybody's to see, which for a message of 8 bytes takes as long as all
 * else together. An only sender asks for the bias of the ring, and as long as it has it, it alone
 * moves the tail, by stores; the next sender that comes revokes it before its first claim. (Biased
 * locking: Kawachiya, Koseki, Onodera, "Lock reservation", OOPSLA 2002; a barrier that the rare
 * side pays for: Dice, Huang, Yang, "Asymmetric Dekker synchronization", Sun 2001.)
 *
 *      who has the bias                   who revokes it
 *      store the intent                   change the bias
 *      look at the bias                   membarrier
 *      move the tail, or do not           look at the intent
 *
 * So one of the two sees the other. Who revokes and sees an intent at the tail waits until the tail
 * has passed it, or it is withdrawn, or its process is dead: what a stopped process is about to
 * claim holds up what comes behind it.
 *
 *      who asks for it                    who comes, and who leaves
 *      change the bias                    be counted          claim for the last time
 *      fence                              fence               be counted no more
 *      look at the count of senders       look at the bias
 *
 * So whoever is not seen has made its last claim, or sees the bias before its first.
 */
#ifndef MPSC_BIAS_H
#define MPSC_BIAS_H

#include "registry.h"
#include "ring.h"

/* Messages before a sender asks: what asking and being revoked cost, some microseconds, is little
 * beside them. */
enum { BIAS_AFTER = 1024 };

/* The endpoint that a word names; unbounded. */
uint64_t bias_index(uint64_t word);
/* The handle of endpoint `index` has claimed: it asks for the bias when it is the only sender,
 * and has sent some. */
void bias_consider(const struct registry *registry, struct ring *ring, unsigned index);
/* Takes the bias away from whoever has it. False: its last claim may be under way; nothing else
 * is claimed until that has moved the tail. */
bool bias_revoke(const struct registry *registry, struct ring_words *words);
/* Has one begun to, and nothing was claimed since? */
bool bias_is_revoked(const struct ring_words *words);
/* May that claim be under way, as far as a few loads can tell? */
bool bias_holds_up(const struct registry *registry, const struct ring_words *words);
/* Which rule the word breaks; NULL: none. */
const char *bias_check(const struct ring_words *words, bool may_be_biased);

#endif
