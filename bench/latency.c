/* SPDX-License-Identifier: MIT */
/*
 * How long a message takes: there and back with both sides blocking, at once and after some work,
 * and one way to a receiver that sleeps. Beside each other, round after round: the channel, what
 * else there is, and what the machine takes at least.
 */
#include "figures.h"
#include "limit.h"
#include "program.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Measures round trips of 8 bytes and the waking of a sleeper: libmpsc, other transports, and\n"
    "the limits that the machine sets.\n";

/* To add a transport: a line here. */
static const struct contender {
    const struct transport *transport;
    bool processes; /* else threads */
    bool sleeps;    /* who waits */
    bool slow;      /* not in a quick run */
} contenders[] = {
    {&limit_line, true, false, false},
    {&limit_futex, true, true, false},
    {&transport_mpsc, true, true, false},
    {&transport_mpsc, false, true, false},
#ifdef HAVE_CROSSBEAM
    {&transport_crossbeam_bounded, false, true, false},
    {&transport_crossbeam_unbounded, false, true, true},
#endif
#ifdef HAVE_RUST
    {&transport_rust_sync, false, true, false},
    {&transport_rust_channel, false, true, true},
#endif
    {&transport_ring, true, false, false},
    {&transport_pipe, true, true, false},
    {&transport_mq, true, true, false},
    {&transport_seqpacket, true, true, true},
    {&transport_robust, true, true, true},
#ifdef HAVE_BOOST
    {&transport_boost, true, true, true},
#endif
#ifdef HAVE_ZMQ
    {&transport_zmq, true, true, true},
#endif
#ifdef HAVE_QB
    {&transport_qb, true, true, true},
#endif
};

enum { BUSY, AFTER_1_US, AFTER_20_US, AFTER_1_MS, ONE_WAY, COURSES };

/* What is measured: round trips with so much work between them, or wake-ups. */
static const struct course {
    const char *table;
    bool one_way; /* to a sleeper */
    double work;  /* seconds */
    double seconds, quick_seconds;
} courses[COURSES] = {
    [BUSY] = {"round trip, busy", false, 0, 1, 0.15},
    [AFTER_1_US] = {"round trip, 1 us of work between", false, 1e-6, 0.5, 0.1},
    [AFTER_20_US] = {"round trip, 20 us of work between", false, 20e-6, 0.5, 0.1},
    [AFTER_1_MS] = {"round trip, 1 ms of work between", false, 1e-3, 1.2, 0.15},
    [ONE_WAY] = {"one way to a sleeper", true, 0, 0.3, 0.05},
};

/* What the project asks of itself: in each round, at most so many times the other's time. */
static const struct asked {
    const char *what;
    unsigned course;
    double share; /* of the times, that are not above what is compared */
    bool processes;
    const struct transport *other;
    bool other_processes;
    double most;
} asked[] = {
    {"round trip, busy, processes: p50 to a cache line's", BUSY, 0.5, true, &limit_line, true, 2.5},
    {"round trip, busy, threads: p50 to a cache line's", BUSY, 0.5, false, &limit_line, true, 2.5},
#ifdef HAVE_CROSSBEAM
    {"round trip, busy, threads: p50 to crossbeam's", BUSY, 0.5, false,
     &transport_crossbeam_bounded, false, 1},
    {"round trip, busy, threads: p99 to crossbeam's", BUSY, 0.99, false,
     &transport_crossbeam_bounded, false, 1},
#endif
    {"round trip, after 1 ms, processes: p50 to a futex's", AFTER_1_MS, 0.5, true, &limit_futex,
     true, 1.15},
    {"round trip, after 1 ms, threads: p50 to a futex's", AFTER_1_MS, 0.5, false, &limit_futex,
     true, 1.15},
};

/* A quantile is left out where there are too few times to tell it from the greatest. */
static const struct {
    const char *column;
    double share;
    size_t fewest;
} quantiles[] = {{"p50", 0.5, 1}, {"p99", 0.99, 100}, {"p99.9", 0.999, 1000}, {"max", 1, 1}};

enum {
    CONTENDERS = sizeof contenders / sizeof *contenders,
    ASKED = sizeof asked / sizeof *asked,
    QUANTILES = sizeof quantiles / sizeof *quantiles,
    MOST = 20000,
    WARM_UP = 20, /* the first of them, which are not counted */
};

/* Of this round, sorted, and how many there are. */
static struct sample {
    size_t count;
    double times[MOST];
} samples[COURSES][CONTENDERS];

static size_t run(const struct course *course, const struct contender *contender, bool quick,
                  double *times)
{
    double seconds = quick ? course->quick_seconds : course->seconds;
    if ((course->one_way && !contender->sleeps) || (quick && contender->slow))
        return 0;
    if (course->one_way)
        return run_wake_ups(contender->transport, contender->processes, seconds, MOST, times);
    return run_round_trips(contender->transport, contender->processes, course->work, seconds, MOST,
                           times);
}

static void measure(const struct course *course, const struct contender *contender, bool quick,
                    struct sample *sample)
{
    sample->count = run(course, contender, quick, sample->times);
    if (sample->count > 2 * WARM_UP) {
        sample->count -= WARM_UP;
        memmove(sample->times, sample->times + WARM_UP, sample->count * sizeof *sample->times);
    }
    figures_sort(sample->times, sample->count);
}

static void add_quantiles(const char *table, const struct contender *contender,
                          const struct sample *sample)
{
    char row[64];
    snprintf(row, sizeof row, "%s, %s", contender->transport->name,
             contender->processes ? "processes" : "threads");
    for (size_t i = 0; i < QUANTILES; i++)
        if (sample->count >= quantiles[i].fewest)
            figures_add(table, row, quantiles[i].column, "us",
                        figures_quantile(sample->times, sample->count, quantiles[i].share) * 1e6);
}

/* 0: there is none. */
static double quantile_of(unsigned course, const struct transport *transport, bool processes,
                          double share)
{
    for (size_t i = 0; i < CONTENDERS; i++) {
        const struct sample *sample = &samples[course][i];
        if (contenders[i].transport == transport && contenders[i].processes == processes)
            return sample->count ? figures_quantile(sample->times, sample->count, share) : 0;
    }
    return 0;
}

static void compare(const struct asked *row)
{
    double ours = quantile_of(row->course, &transport_mpsc, row->processes, row->share);
    double other = quantile_of(row->course, row->other, row->other_processes, row->share);
    if (ours == 0 || other == 0)
        return;
    figures_add("asked", row->what, "reached", "x", ours / other);
    figures_add("asked", row->what, "at most", "x", row->most);
}

/* Each time above holds one such reading. */
static void measure_clock(void)
{
    enum { READINGS = 10000 };
    double before = program_now(), after = before;
    for (int i = 0; i < READINGS; i++)
        after = program_now();
    figures_add("reading the clock", "clock", "mean", "us", (after - before) / READINGS * 1e6);
}

static void measure_round(bool quick)
{
    for (size_t i = 0; i < COURSES; i++)
        for (size_t k = 0; k < CONTENDERS; k++) {
            measure(&courses[i], &contenders[k], quick, &samples[i][k]);
            add_quantiles(courses[i].table, &contenders[k], &samples[i][k]);
        }
    for (size_t i = 0; i < ASKED; i++)
        compare(&asked[i]);
    measure_clock();
}

int main(int argc, char **argv)
{
    struct settings settings = program_settings(argc, argv, help);
    for (size_t round = 0; round < settings.rounds; round++) {
        program_progress("round", round + 1, settings.rounds);
        measure_round(settings.quick);
    }
    program_progress_end();
    figures_print();
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
