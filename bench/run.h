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

/* Round trips of 8 bytes over two lanes, one after the other, with so many seconds of work between
 * one and the next: `most`, or as many as are made in `seconds`. Their times, in seconds, go to
 * `times`, and their number is returned; 0: the system has no such transport. */
size_t run_round_trips(const struct transport *transport, bool processes, double work,
                       double seconds, size_t most, double *times);

/* The same of the way to a receiver that sleeps: from before the send, which is made when the
 * receiver is seen asleep, until it has the message. */
size_t run_wake_ups(const struct transport *transport, bool processes, double seconds, size_t most,
                    double *times);

#endif
