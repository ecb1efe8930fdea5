/* SPDX-License-Identifier: MIT */
/* Makes a sender claim by stores (lib/bias.c) with its next message: as if it had sent much, and no other
 * sender were there. */
#ifndef ALONE_H
#define ALONE_H

#include "harness.h"

#include "attachment.h"
#include "bias.h"

static inline void has_sent_much(const mpsc_sender *tx)
{
    atomic_store(&((const struct handle *)tx)->endpoint->messages, BIAS_AFTER);
}

/* Until alone_end the others are not counted: how many senders there are. */
static inline unsigned alone_begin(const mpsc_sender *tx)
{
    has_sent_much(tx);
    return atomic_exchange(&((const struct handle *)tx)->segment->header->senders, 1);
}

static inline void alone_end(const mpsc_sender *tx, unsigned senders)
{
    struct header *header = ((const struct handle *)tx)->segment->header;
    atomic_store(&header->senders, senders);
    assert_int_equal(atomic_load(&header->rings[0].bias) & BIAS_STATE, BIAS_GIVEN);
}

#endif
