/* SPDX-License-Identifier: MIT */
/* How full each channel was, over the last looks. */
#ifndef MPSC_INSPECT_TREND_H
#define MPSC_INSPECT_TREND_H

#include "channel.h"

enum { TREND = 20, TREND_SIZE = 4 * TREND + 1 };

struct trends {
    struct trend *trends;
    size_t count, room;
    unsigned round;
};

/* A new round of looks: who does not come in it is forgotten. */
void trends_begin(struct trends *trends);
/* Its figures of this round join those before; they are drawn as text of TREND characters at most. */
void trends_add(struct trends *trends, const struct channel *channel, char text[static TREND_SIZE]);
void trends_end(struct trends *trends);
void trends_free(struct trends *trends);

#endif
