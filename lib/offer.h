/* SPDX-License-Identifier: MIT */
/*
 * Level 4. A rendezvous' offer: "a receiver waits", made by a receiver that is about to sleep and
 * accepted by a try_send, which succeeds only then. One word: 0, or whose it is now:
 *
 *      0 -> the receiver's (open) -> the sender's (accepted) -> the same, claimed -> 0
 *
 * The receiver does not give up while an offer of its is accepted: the message is on its way, or its
 * sender declines (the cell was another's), or has died.
 */
#ifndef MPSC_OFFER_H
#define MPSC_OFFER_H

#include "registry.h"

/* The receiver: */
void offer_open(const struct registry *registry, uint64_t owner);
/* Ours or somebody's, as far as one can see. */
bool offer_stands(const struct registry *registry);
/* True: the offer is gone, and nobody acts on it any more. False: somebody does; look again. With
 * `delivered`, a message stands at the head; one that is the accepting sender's own is fine. */
bool offer_close(const struct registry *registry, uint64_t owner, bool delivered);

/* The sender: */
bool offer_accept(const struct registry *registry, uint64_t owner);
/* What became of it: the cell is claimed, or the sender is done with the offer either way. */
void offer_claimed(const struct registry *registry, uint64_t owner);
void offer_done(const struct registry *registry);

#endif
