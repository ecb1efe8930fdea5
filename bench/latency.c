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

static const char help[] =
    "Measures round trips of 8 bytes and the waking of a sleeper: libmpsc, other transports, and\n"
    "the limits that the machine sets.\n";

/* To add a transport: a line here. The limits come first, for others are compared with them. */
static const struct contender {
    const struct transport *transport;
    bool processes; /* else threads */
    bool sleeps;    /* who waits */
    bool compared;  /* with the limits */
} contenders[] = {
    {.transport = &limit_line, .processes = true, .sleeps = false},
    {.transport = &limit_futex, .processes = true, .sleeps = true},
    {.transport = &transport_mpsc, .processes = true, .sleeps = true, .compared = true},
    {.transport = &transport_mpsc, .processes = false, .sleeps = true, .compared = true},
    {.transport = &transport_ring, .processes = true, .sleeps = false},
    {.transport = &transport_pipe, .processes = true, .sleeps = true},
    {.transport = &transport_mq, .processes = true, .sleeps = true},
};

/* What is measured: round trips with so much work between them, or wake-ups. */
static const struct course {
    const char *table;
    bool one_way; /* to a sleeper */
    double work;  /* seconds */
    double seconds, quick_seconds;
    const struct transport *limit; /* whose p50 the channel's is compared with */
} courses[] = {
    {"round trip, busy", false, 0, 1, 0.15, &limit_line},
    {"round trip, 1 us of work between", false, 1e-6, 0.5, 0.1, NULL},
    {"round trip, 20 us of work between", false, 20e-6, 0.5, 0.1, NULL},
    {"round trip, 1 ms of work between", false, 1e-3, 1.2, 0.15, &limit_futex},
    {"one way to a sleeper", true, 0, 0.3, 0.05, &limit_futex},
};

/* A quantile is left out where there are too few times to tell it from the greatest. */
static const struct {
    const char *column;
    double share;
    size_t fewest;
} quantiles[] = {{"p50", 0.5, 1}, {"p99", 0.99, 100}, {"p99.9", 0.999, 1000}, {"max", 1, 1}};

enum {
    CONTENDERS = sizeof contenders / sizeof *contenders,
    COURSES = sizeof courses / sizeof *courses,
    QUANTILES = sizeof quantiles / sizeof *quantiles,
    MOST = 20000,
    WARM_UP = 20, /* the first of them, which are not counted */
};

static size_t run(const struct course *course, const struct contender *contender, bool quick,
                  double *times)
{
    double seconds = quick ? course->quick_seconds : course->seconds;
    if (course->one_way)
        return run_wake_ups(contender->transport, contender->processes, seconds, MOST, times);
    return run_round_trips(contender->transport, contender->processes, course->work, seconds, MOST,
                           times);
}

static void add_quantiles(const char *table, const char *row, const double *sorted, size_t count)
{
    for (size_t i = 0; i < QUANTILES; i++)
        if (count >= quantiles[i].fewest)
            figures_add(table, row, quantiles[i].column, "us",
                        figures_quantile(sorted, count, quantiles[i].share) * 1e6);
}

/* `limit` is the p50 of the course's, in this round; it is measured before what is compared with it. */
static void measure_one(const struct course *course, const struct contender *contender, bool quick,
                        double *limit)
{
    static double times[MOST];
    if (course->one_way && !contender->sleeps)
        return;
    size_t count = run(course, contender, quick, times);
    if (count == 0)
        return;
    size_t skipped = count > 2 * WARM_UP ? WARM_UP : 0;
    double *sorted = times + skipped;
    count -= skipped;
    figures_sort(sorted, count);
    double p50 = figures_quantile(sorted, count, 0.5);
    if (contender->transport == course->limit)
        *limit = p50;

    char row[64], column[64];
    snprintf(row, sizeof row, "%s, %s", contender->transport->name,
             contender->processes ? "processes" : "threads");
    add_quantiles(course->table, row, sorted, count);
    if (contender->compared && course->limit) {
        snprintf(column, sizeof column, "p50 to that of %s", course->limit->name);
        figures_add(course->table, row, column, "x", p50 / *limit);
    }
}

static void measure(const struct course *course, bool quick)
{
    double limit = 0;
    for (size_t i = 0; i < CONTENDERS; i++)
        measure_one(course, &contenders[i], quick, &limit);
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

int main(int argc, char **argv)
{
    struct settings settings = program_settings(argc, argv, help);
    for (size_t round = 0; round < settings.rounds; round++) {
        for (size_t i = 0; i < COURSES; i++) {
            program_progress("part", round * COURSES + i + 1, settings.rounds * COURSES);
            measure(&courses[i], settings.quick);
        }
        measure_clock();
    }
    program_progress_end();
    figures_print();
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
