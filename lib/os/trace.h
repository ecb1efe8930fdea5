/* SPDX-License-Identifier: MIT */
/*
 * Probes for whoever traces (USDT, of the provider `mpsc`): each is one instruction that does nothing, and
 * a note in the library of where it is and where its arguments lie. doc/tracing.md tells what they mean.
 * Without sys/sdt.h there are none.
 *
 * `header` is the channel's segment in this process, so that a tracer can read its name; it is first of
 * all arguments. Arguments are to be values that are at hand: they cost what it costs to have them.
 */
#ifndef MPSC_TRACE_H
#define MPSC_TRACE_H

#include <stdint.h>

#ifdef MPSC_TRACE
#include <sys/sdt.h>
#ifdef __clang__ /* of what is in that header's macros */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#else
#define DTRACE_PROBE2(provider, name, first, second) ((void)(first), (void)(second))
#define DTRACE_PROBE3(provider, name, first, second, third)                                        \
    ((void)(first), (void)(second), (void)(third))
#endif

/* A message was committed at a position; one was taken, and the head is behind it now. */
#define trace_send(header, position, length)                                                       \
    DTRACE_PROBE3(mpsc, send, header, (uint64_t)(position), (uint64_t)(length))
#define trace_receive(header, position, length)                                                    \
    DTRACE_PROBE3(mpsc, receive, header, (uint64_t)(position), (uint64_t)(length))

/* A call falls asleep for the first time, and a call that did so goes on. */
#define trace_block(header, sends, since)                                                          \
    DTRACE_PROBE3(mpsc, block, header, (uint64_t)(sends), (uint64_t)(since))
#define trace_wake(header, sends, since)                                                           \
    DTRACE_PROBE3(mpsc, wake, header, (uint64_t)(sends), (uint64_t)(since))

/* The receiver passes a cell whose claimant died. */
#define trace_hole(header, position) DTRACE_PROBE2(mpsc, hole, header, (uint64_t)(position))

/* The seat of a receiver that died is taken, by its index among the handles. */
#define trace_takeover(header, from, to)                                                           \
    DTRACE_PROBE3(mpsc, takeover, header, (uint64_t)(from), (uint64_t)(to))

/* An unbounded channel has a new ring, of so many bytes. */
#define trace_grow(header, ring, bytes)                                                            \
    DTRACE_PROBE3(mpsc, grow, header, (uint64_t)(ring), (uint64_t)(bytes))

#endif
