/* SPDX-License-Identifier: MIT */
/*
 * Messages per second: the channel beside what else there is, and beside what the machine does at most. All are
 * measured in turn, round after round, so that whatever else the machine does falls on all of them; what is
 * compared is compared in each round.
 */
#include "figures.h"
#include "program.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char help[] = "Measures messages per second of libmpsc, of other transports, and of a "
                           "bare ring in shared memory.\n";

enum { SIZES = 4, COPIED = 4096 };

#define BY_PRODUCERS "8 bytes, M messages/s, by producers"
#define BY_SIZE "one producer, processes, M messages/s, by size"

/* To add a transport: a line here. Those that others are compared with come first. */
static const struct stream {
    const struct transport *transport;
    bool processes;        /* else threads */
    unsigned producers[5]; /* 0: no more */
    bool sizes;            /* with one producer, each of `sizes` too */
    bool slow;             /* not in a quick run */
} streams[] = {
    {&transport_ring, true, {1}, true, false},
    {&transport_mpsc, true, {1, 2, 4, 8, 16}, true, false},
    {&transport_mpsc_unbounded, true, {1, 2, 4, 8, 16}, true, false},
    {&transport_mpsc_batch, true, {1, 4}, true, false},
    {&transport_mpsc_loan, true, {1, 4}, true, false},
    {&transport_pipe, true, {1, 4}, true, false},
    {&transport_mq, true, {1, 4}, true, false},
    {&transport_seqpacket, true, {1, 4}, true, true},
    {&transport_robust, true, {1, 4}, true, true},
#ifdef HAVE_BOOST
    {&transport_boost, true, {1, 4}, true, false},
#endif
#ifdef HAVE_ZMQ
    {&transport_zmq, true, {1, 4}, true, true},
#endif
#ifdef HAVE_QB
    {&transport_qb, true, {1}, true, true},
#endif
    {&transport_ring, false, {1}, false, false},
    {&transport_mpsc, false, {1, 2, 4, 8, 16}, false, false},
    {&transport_mpsc_unbounded, false, {1, 2, 4, 8, 16}, false, false},
#ifdef HAVE_RUST
    {&transport_rust_sync, false, {1, 2, 4, 8, 16}, false, false},
    {&transport_rust_channel, false, {1, 2, 4, 8, 16}, false, false},
#endif
#ifdef HAVE_CROSSBEAM
    {&transport_crossbeam_bounded, false, {1, 2, 4, 8, 16}, false, true},
    {&transport_crossbeam_unbounded, false, {1, 2, 4, 8, 16}, false, true},
#endif
};

/* What the project asks of itself: in each round, so many times the other's rate. */
static const struct asked {
    const char *what;
    const struct transport *ours;
    bool processes;
    const struct transport *other;
    bool other_processes;
    unsigned producers, other_producers;
    double least;
} asked[] = {
    {"8 B, 1 producer: to the bare ring", &transport_mpsc, true, &transport_ring, true, 1, 1, 0.5},
    {"8 B, 1 producer: to pipe", &transport_mpsc, true, &transport_pipe, true, 1, 1, 30},
    {"8 B, 1 producer: to POSIX mq", &transport_mpsc, true, &transport_mq, true, 1, 1, 30},
#ifdef HAVE_RUST
    {"8 B, 1 producer: to Rust's sync_channel between threads", &transport_mpsc, true,
     &transport_rust_sync, false, 1, 1, 1.5},
    {"8 B, 4 producers: to Rust's sync_channel between threads", &transport_mpsc, true,
     &transport_rust_sync, false, 4, 4, 2},
    {"unbounded, 1 producer: to Rust's channel", &transport_mpsc_unbounded, false,
     &transport_rust_channel, false, 1, 1, 2},
    {"unbounded, 4 producers: to Rust's channel", &transport_mpsc_unbounded, false,
     &transport_rust_channel, false, 4, 4, 2},
#endif
#ifdef HAVE_BOOST
    {"8 B, 1 producer: to Boost.Interprocess", &transport_mpsc, true, &transport_boost, true, 1, 1,
     10},
    {"8 B, 4 producers: to Boost.Interprocess", &transport_mpsc, true, &transport_boost, true, 4, 4,
     15},
#endif
    {"batches of 32, 1 producer: to the bare ring, one at a time", &transport_mpsc_batch, true,
     &transport_ring, true, 1, 1, 1},
};

static const struct {
    const char *peer, *package;
} missing[] = {
#ifndef HAVE_RUST
    {"Rust", "rustc"},
#endif
#ifndef HAVE_CROSSBEAM
    {"crossbeam-channel", "rustc, librust-crossbeam-channel-dev"},
#endif
#ifndef HAVE_BOOST
    {"Boost.Interprocess", "g++, libboost-dev"},
#endif
#ifndef HAVE_ZMQ
    {"ZeroMQ", "libzmq3-dev"},
#endif
#ifndef HAVE_QB
    {"libqb", "libqb-dev"},
#endif
    {NULL, NULL},
};

static const size_t sizes[SIZES] = {8, 64, 256, 4096};

enum { STREAMS = sizeof streams / sizeof *streams, ASKED = sizeof asked / sizeof *asked };

/* ------------------------------------------------------------------ one measurement */

/* What was measured in this round, and how many messages take as long as a measurement should. */
static struct point {
    uint64_t count;
    double rate;
} points[STREAMS][MOST_PRODUCERS + 1][SIZES];

static double processor_seconds(void)
{
    double seconds = 0;
    for (int who = 0; who < 2; who++) {
        struct rusage usage;
        getrusage(who ? RUSAGE_CHILDREN : RUSAGE_SELF, &usage);
        seconds += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    return seconds;
}

/* How many messages take about as long as one measurement should; 0: there is no such transport. Small numbers
 * take the time that everybody needs to begin, and tell little. */
static uint64_t calibrate(const struct stream *stream, unsigned producers, size_t size,
                          double wanted)
{
    for (uint64_t count = 4000;;) {
        double seconds = run_stream(stream->transport, stream->processes, producers, size, count);
        if (seconds < 0)
            return 0;
        if (seconds > wanted / 2)
            return (uint64_t)((double)count * wanted / seconds) + 1;
        count *= seconds > wanted / 8 ? 2 : 4;
    }
}

static void measure(const struct stream *stream, unsigned producers, size_t i, double wanted)
{
    struct point *point = &points[stream - streams][producers][i];
    bool first = point->count == 0;
    if (first)
        point->count = calibrate(stream, producers, sizes[i], wanted);
    if (point->count == 0)
        return;
    double before = processor_seconds();
    double seconds =
        run_stream(stream->transport, stream->processes, producers, sizes[i], point->count);
    double spent = processor_seconds() - before;
    point->rate = (double)point->count / seconds;

    char row[64], column[32];
    snprintf(row, sizeof row, "%s, %s", stream->transport->name,
             stream->processes ? "processes" : "threads");
    snprintf(column, sizeof column, "%u", producers);
    if (i == 0)
        figures_add(BY_PRODUCERS, row, column, "M/s", point->rate / 1e6);
    if (i == 0 && producers == 1)
        figures_add("8 bytes, one producer: processor time of a message", row, "both sides", "ns",
                    spent / (double)point->count * 1e9);
    snprintf(column, sizeof column, "%zu bytes", sizes[i]);
    if (stream->sizes && producers == 1)
        figures_add(BY_SIZE, stream->transport->name, column, "M/s", point->rate / 1e6);
}

/* Payloads of 4096 bytes that are written once and read once, by memcpy. */
static double copy_rate(double wanted)
{
    static char from[BOUND][COPIED], to[BOUND][COPIED];
    memset(from, 1, sizeof from);
    memset(to, 1, sizeof to);
    double start = program_now(), now = start;
    uint64_t count = 0;
    while ((now = program_now()) - start < wanted)
        for (size_t i = 0; i < BOUND; i++, count++) {
            memcpy(to[i], from[i], COPIED);
            __asm__ volatile("" ::"r"(to[i]) : "memory");
        }
    return (double)count / (now - start);
}

/* ------------------------------------------------------------------ a round */

static double rate_of(const struct transport *transport, bool processes, unsigned producers,
                      size_t size)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (streams[i].transport == transport && streams[i].processes == processes)
            return points[i][producers][size].rate;
    return 0;
}

static void compare(void)
{
    for (size_t i = 0; i < ASKED; i++) {
        const struct asked *row = &asked[i];
        double ours = rate_of(row->ours, row->processes, row->producers, 0);
        double other = rate_of(row->other, row->other_processes, row->other_producers, 0);
        if (ours == 0 || other == 0)
            continue;
        figures_add("asked", row->what, "reached", "x", ours / other);
        figures_add("asked", row->what, "at least", "x", row->least);
    }
}

static void compare_with_copies(double wanted)
{
    double copies = copy_rate(wanted);
    double loans = rate_of(&transport_mpsc_loan, true, 1, SIZES - 1);
    figures_add(BY_SIZE, "memcpy", "4096 bytes", "M/s", copies / 1e6);
    figures_add("asked", "4096 B by loan and peek: to memcpy", "reached", "x", loans / copies);
    figures_add("asked", "4096 B by loan and peek: to memcpy", "at least", "x", 0.8);
}

static void measure_mixed(double wanted)
{
    static const struct stream mixed = {&transport_mpsc_mixed, true, {1}, false, false};
    static uint64_t count;
    if (!count)
        count = calibrate(&mixed, 1, sizes[1], wanted);
    double seconds = run_stream(mixed.transport, true, 1, sizes[1], count);
    figures_add(BY_SIZE, mixed.transport->name, "8 to 4096 bytes", "M/s",
                (double)count / seconds / 1e6);
}

static void measure_round(const struct settings *settings, double wanted)
{
    for (size_t i = 0; i < STREAMS; i++) {
        const struct stream *stream = &streams[i];
        if (settings->quick && stream->slow)
            continue;
        for (size_t k = 0; k < 5 && stream->producers[k]; k++)
            measure(stream, stream->producers[k], 0, wanted);
        for (size_t k = 1; stream->sizes && k < SIZES; k++)
            measure(stream, 1, k, wanted);
    }
    measure_mixed(wanted);
    compare();
    compare_with_copies(wanted);
}

int main(int argc, char **argv)
{
    struct settings settings = program_settings(argc, argv, help);
    for (size_t round = 0; round < settings.rounds; round++) {
        program_progress("round", round + 1, settings.rounds);
        measure_round(&settings, settings.quick ? 0.04 : 0.15);
    }
    program_progress_end();
    for (size_t i = 0; missing[i].peer; i++)
        printf("missing\t%s\t%s\n", missing[i].peer, missing[i].package);
    figures_print();
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
