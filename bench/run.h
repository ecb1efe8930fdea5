/* SPDX-License-Identifier: MIT */
/* One measurement of one transport: producers as forked children or as threads of this process,
 * the consumer in the calling thread. Everything is opened before the clock starts. */
#ifndef RUN_H
#define RUN_H

#include "transport.h"

#include <stdbool.h>

/* Seconds that `count` messages of `size` bytes took, from the start of the producers to the last
 * message received; below 0: the system has no such transport. */
double run_stream(const struct transport *transport, bool processes, unsigned producers,
                  size_t size, uint64_t count);

/* Round trips of 8 bytes over two lanes, one after the other; their times, in seconds, go to
 * `times`. False: the system has no such transport. */
bool run_round_trips(const struct transport *transport, bool processes, size_t count,
                     double *times);

#endif
