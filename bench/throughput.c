/* SPDX-License-Identifier: MIT */
/*
 * How fast a channel is, beside what else there is: a bare ring in shared memory (the limit), a
 * pipe, a POSIX message queue. All are measured in turn, round after round, so that whatever else
 * the machine does falls on all of them, and the median of the rounds is printed.
 */
#include "run.h"
#include "transport.h"

#include <errno.h>
#include <getopt.h>
#include <mpsc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, SIZES = 3, MOST_ROUNDS = 99 };

static const size_t sizes[SIZES] = {8, 64, 256};

struct settings {
    size_t rounds;
    double seconds; /* that one measurement is to take, about */
    size_t round_trips;
};

/* The first of each kind is what the others are compared with. */
static struct stream {
    const struct transport *transport;
    bool processes;
    unsigned producers;
    uint64_t counts[SIZES]; /* messages to send; 0: the system has no such transport */
    double rates[SIZES][MOST_ROUNDS];
} streams[] = {
    {.transport = &transport_ring, .processes = true, .producers = 1},
    {.transport = &transport_mpsc, .processes = true, .producers = 1},
    {.transport = &transport_mpsc, .processes = true, .producers = 2},
    {.transport = &transport_mpsc, .processes = true, .producers = 4},
    {.transport = &transport_pipe, .processes = true, .producers = 1},
    {.transport = &transport_mq, .processes = true, .producers = 1},
    {.transport = &transport_ring, .processes = false, .producers = 1},
    {.transport = &transport_mpsc, .processes = false, .producers = 1},
    {.transport = &transport_mpsc, .processes = false, .producers = 2},
    {.transport = &transport_mpsc, .processes = false, .producers = 4},
};

static struct trip {
    const struct transport *transport;
    bool processes;
    bool missing;
    double p50[MOST_ROUNDS], p99[MOST_ROUNDS];
} trips[] = {
    {.transport = &transport_ring, .processes = true},
    {.transport = &transport_mpsc, .processes = true},
    {.transport = &transport_pipe, .processes = true},
    {.transport = &transport_mq, .processes = true},
    {.transport = &transport_ring, .processes = false},
    {.transport = &transport_mpsc, .processes = false},
};

enum { STREAMS = sizeof streams / sizeof streams[0], TRIPS = sizeof trips / sizeof trips[0] };

/* ------------------------------------------------------------------ settings */

static const char help[] =
    "Usage: throughput [OPTION]...\n"
    "Measures messages per second and round trips of libmpsc, and of a bare ring in shared\n"
    "memory, a pipe and a POSIX message queue in the same run.\n\n"
    "  -q, --quick      a few seconds instead of a minute; less exact\n"
    "  -r, --rounds N   rounds, of which the median is printed (default 7; quick 3)\n"
    "  -h, --help       this text\n";

static size_t parse_rounds(const char *text)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || end == text || *end || number < 1 || number > MOST_ROUNDS) {
        fprintf(stderr, "throughput: --rounds must be a number from 1 to %d, not '%s'\n",
                MOST_ROUNDS, text);
        exit(EXIT_USAGE);
    }
    return (size_t)number;
}

static struct settings parse_settings(int argc, char **argv)
{
    static const struct option options[] = {{"quick", no_argument, NULL, 'q'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct settings settings = {.rounds = 0, .seconds = 0.1, .round_trips = 10000};
    bool quick = false;
    int option;
    while ((option = getopt_long(argc, argv, "qr:h", options, NULL)) != -1) {
        switch (option) {
        case 'q':
            quick = true;
            break;
        case 'r':
            settings.rounds = parse_rounds(optarg);
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        default:
            fputs("Try 'throughput --help'.\n", stderr);
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "throughput: unexpected argument '%s'\n", argv[optind]);
        exit(EXIT_USAGE);
    }
    if (quick) {
        settings.seconds = 0.02;
        settings.round_trips = 1000;
    }
    if (settings.rounds == 0)
        settings.rounds = quick ? 3 : 7;
    return settings;
}

/* ------------------------------------------------------------------ measuring */

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The value below which that share of them lies; sorts them. */
static double quantile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, ascending);
    return values[(size_t)((double)(count - 1) * share + 0.5)];
}

static void show_progress(const char *what, size_t done, size_t all)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s %zu of %zu", what, done, all);
}

/* How many messages take about as long as one measurement should. */
static uint64_t calibrate(const struct stream *stream, size_t size, double wanted)
{
    uint64_t count = 4000;
    for (;;) {
        double seconds =
            run_stream(stream->transport, stream->processes, stream->producers, size, count);
        if (seconds < 0)
            return 0;
        if (seconds > wanted / 10) {
            double estimate = (double)count * wanted / seconds;
            return estimate < 1000 ? 1000 : (uint64_t)estimate;
        }
        count *= 8;
    }
}

static void measure_stream(struct stream *stream, size_t round)
{
    for (size_t i = 0; i < SIZES; i++) {
        uint64_t count = stream->counts[i];
        if (count == 0)
            continue;
        double seconds =
            run_stream(stream->transport, stream->processes, stream->producers, sizes[i], count);
        stream->rates[i][round] = (double)count / seconds;
    }
}

static void measure_trip(struct trip *trip, size_t round, size_t count, double *times)
{
    trip->missing = !run_round_trips(trip->transport, trip->processes, 0, 10, count, times);
    if (trip->missing)
        return;
    trip->p50[round] = quantile(times, count, 0.50);
    trip->p99[round] = quantile(times, count, 0.99);
}

static void measure(const struct settings *settings)
{
    for (size_t i = 0; i < STREAMS; i++) {
        show_progress("calibration", i + 1, STREAMS);
        for (size_t k = 0; k < SIZES; k++)
            streams[i].counts[k] = calibrate(&streams[i], sizes[k], settings->seconds);
    }
    double *times = calloc(settings->round_trips, sizeof *times);
    if (!times)
        fail("measure round trips", "no memory");
    for (size_t round = 0; round < settings->rounds; round++) {
        show_progress("round", round + 1, settings->rounds);
        for (size_t i = 0; i < STREAMS; i++)
            measure_stream(&streams[i], round);
        for (size_t i = 0; i < TRIPS; i++)
            measure_trip(&trips[i], round, settings->round_trips, times);
    }
    free(times);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* ------------------------------------------------------------------ printing */

static void print_streams(size_t rounds)
{
    double limits[SIZES] = {0};
    printf("%-36s", "Millions of messages/s (x bare ring)");
    for (size_t k = 0; k < SIZES; k++)
        printf("%10zu bytes", sizes[k]);
    putchar('\n');
    for (size_t i = 0; i < STREAMS; i++) {
        struct stream *stream = &streams[i];
        printf("  %-10s %u %-9s to 1, %s", stream->transport->name, stream->producers,
               stream->producers == 1 ? "producer" : "producers",
               stream->processes ? "processes" : "threads  ");
        for (size_t k = 0; k < SIZES; k++) {
            if (stream->counts[k] == 0) {
                printf("%16s", "none here");
                continue;
            }
            double rate = quantile(stream->rates[k], rounds, 0.5) / 1e6;
            if (stream->transport == &transport_ring)
                limits[k] = rate;
            printf("%9.2f (%4.2f)", rate, rate / limits[k]);
        }
        putchar('\n');
    }
}

static void print_trips(size_t rounds)
{
    printf("\n%-36s%12s%12s\n", "Round trip of 8 bytes, microseconds", "p50", "p99");
    for (size_t i = 0; i < TRIPS; i++) {
        struct trip *trip = &trips[i];
        printf("  %-10s%-24s", trip->transport->name, trip->processes ? "processes" : "threads");
        if (trip->missing)
            printf("%12s\n", "none here");
        else
            printf("%12.2f%12.2f\n", quantile(trip->p50, rounds, 0.5) * 1e6,
                   quantile(trip->p99, rounds, 0.5) * 1e6);
    }
}

int main(int argc, char **argv)
{
    struct settings settings = parse_settings(argc, argv);
    measure(&settings);
    printf("libmpsc %s; bound %d; median of %zu rounds; %ld processors\n\n", mpsc_version(), BOUND,
           settings.rounds, sysconf(_SC_NPROCESSORS_ONLN));
    print_streams(settings.rounds);
    print_trips(settings.rounds);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
