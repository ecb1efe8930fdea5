/* SPDX-License-Identifier: MIT */
/* All that is known of one channel. */
#ifndef MPSC_INSPECT_SHOW_H
#define MPSC_INSPECT_SHOW_H

#include "channel.h"

#include <stdio.h>

/* Looks twice, so long apart, to see what moves; 0: once. False: its figures are not known. */
bool show_look(struct place *place, uint64_t nanoseconds, struct channel *channel);
void show_print(struct channel *channel, FILE *out);

#endif
