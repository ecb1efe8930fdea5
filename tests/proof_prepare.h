/* SPDX-License-Identifier: MIT */
/* What comes before and after a call: what the victim prepares, and what the supervisor does. */
#ifndef PROOF_PREPARE_H
#define PROOF_PREPARE_H

#include "proof.h"

mpsc_options victim_options(const struct victim *v);
/* The same of a channel of the victim's process alone; its destructor counts. */
mpsc_options own_options(const struct victim *v);
extern unsigned destroyed;
/* The message that the call sends. */
uint64_t flying(const struct victim *v);

/* In the victim, before the call; the first is one as well. */
void victim_open_tx(struct victim *v);
void with_tx(struct victim *v);
void with_tx_asking(struct victim *v);
void with_tx_biased(struct victim *v);
void with_rx(struct victim *v);
void with_both(struct victim *v);
void with_clone(struct victim *v);
void with_crowd(struct victim *v);
void with_grown(struct victim *v);
void with_peeked(struct victim *v);
void with_loan(struct victim *v);
void with_rx_fd(struct victim *v);
void with_tx_fd(struct victim *v);
void with_own(struct victim *v);
void with_own_loan(struct victim *v);
void with_nothing(struct victim *v);

/* In the supervisor: before there is a victim, when it has fallen asleep, after its death. */
void dead_receiver(struct run *run);
void dead_sender(struct run *run);
void dead_sender_first(struct run *run);
void biased(struct run *run);
void polled(struct run *run);
void orphan(struct run *run);
void wake_by_receiving(struct run *run);
void wake_by_sending(struct run *run);
void wake_by_helper(struct run *run);
void answer_helper(struct run *run);
void end_family(struct run *run);

#endif
