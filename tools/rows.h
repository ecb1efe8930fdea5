/* SPDX-License-Identifier: MIT */
/* A line of a table for each channel. */
#ifndef MPSC_INSPECT_ROWS_H
#define MPSC_INSPECT_ROWS_H

#include "channel.h"
#include "text.h"

struct table rows_table(void);
/* With one more column, which the caller fills after rows_add. */
struct table rows_table_with_trend(void);
void rows_add(struct table *table, const struct channel *channel);
enum colour rows_colour(const struct channel *channel);

#endif
