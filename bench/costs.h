/* SPDX-License-Identifier: MIT */
/* What a channel costs beside the time of a message. Each costs_*.c measures one kind of cost, and adds
 * what it found to the figures. */
#ifndef COSTS_H
#define COSTS_H

#include "transport.h"

#include <stdbool.h>

/* Those that the channel is beside, and how many. */
extern const struct transport *const costs_transports[];
extern const size_t costs_transports_count;

/* In each round: */
void costs_calls(bool quick); /* clone, open, close, fork, with channels open; creation */
void costs_crowd(bool quick); /* a message, when others are attached and silent */

/* Once: */
void costs_syscalls(bool quick); /* of a message that nobody waits for */
void costs_idle(bool quick);     /* processor time of who is blocked */
void costs_memory(void);         /* of a channel, by bound */

#endif
