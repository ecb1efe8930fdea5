/* SPDX-License-Identifier: MIT */
/*
 * 1.3.9 The storm: senders and receivers are killed at random, thousands of times, under full load,
 * and nothing that was committed is lost, torn, or delivered twice but to who comes after a receiver
 * that was killed over it; nobody hangs, and nothing leaks. See storm.h.
 *
 * A minute for all channels together, times MPSC_TEST_SCALE; `--minutes N` for as long as that. The
 * seed of chance is printed; `--seed S` or MPSC_TEST_SEED gives it.
 */
#include "storm.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const struct kind kinds[] = {
    {"bounded_scoped", 0, 24, 64, 0, 24, 24},
    {"bounded_durable", DURABLE, 32, 1000, 0, 24, 32},
    {"bounded_inherited", INHERITED, 24, 16, 0, 24, 24},
    {"lengths_scoped", 0, 16, 40, 0, 24, 640},
    {"lengths_durable", DURABLE, 40, 7, 0, 24, 280},
    {"rendezvous_scoped", 0, 64, 0, 0, 24, 64},
    {"rendezvous_inherited", INHERITED, 24, 0, 0, 24, 24},
    {"unbounded_scoped", 0, 32, MPSC_UNBOUNDED, 65536, 24, 320},
    {"unbounded_durable", DURABLE, 24, MPSC_UNBOUNDED, 0, 24, 24},
    {"unbounded_inherited", INHERITED, 64, MPSC_UNBOUNDED, 0, 24, 1000},
    {"bounded_orphaned", ORPHANED, 24, 32, 0, 24, 72},
    {"unbounded_orphaned", ORPHANED, 24, MPSC_UNBOUNDED, 262144, 24, 72},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static uint64_t seed, nanoseconds;
static struct figures *figures; /* of each kind, from the processes in which they were */

static void rages(unsigned i)
{
    harness_timeout((unsigned)(nanoseconds / KINDS / SECONDS) + 120);
    storm_run(&kinds[i], nanoseconds / KINDS, seed + i * UINT64_C(0x9e3779b97f4a7c15), &figures[i]);
}

#define STORM(i)                                                                                   \
    static void storm_##i(void)                                                                    \
    {                                                                                              \
        rages(i);                                                                                  \
    }
STORM(0)
STORM(1)
STORM(2)
STORM(3)
STORM(4)
STORM(5)
STORM(6)
STORM(7)
STORM(8)
STORM(9)
STORM(10)
STORM(11)

static void print_line(const char *name, const struct figures *f)
{
    printf("%-21s %8" PRIu64 " %8" PRIu64 " %6" PRIu64 " %11" PRIu64 " %6" PRIu64 " %7" PRIu64
           " %8" PRIu64 " %6" PRIu64 " %7" PRIu64 " %9" PRIu64 "\n",
           name, f->producers_killed, f->receivers_killed, f->left, f->messages, f->again,
           f->arrived, f->vanished, f->holes, f->repairs, f->takeovers);
}

static void print_figures(void)
{
    struct figures all = {0};
    printf("%-21s %8s %8s %6s %11s %6s %7s %8s %6s %7s %9s\n", "channel", "senders", "recvers",
           "left", "messages", "again", "arrived", "vanished", "holes", "repairs", "takeovers");
    for (unsigned i = 0; i < KINDS; i++) {
        const uint64_t *from = (const uint64_t *)&figures[i];
        for (size_t n = 0; n < sizeof all / sizeof *from; n++)
            ((uint64_t *)&all)[n] += from[n];
        if (figures[i].messages)
            print_line(kinds[i].name, &figures[i]);
    }
    print_line("all", &all);
    puts(
        "senders, recvers: processes killed; left: ended by themselves; again: messages that came\n"
        "again, after a receiver that was killed over them; arrived, vanished: messages that a\n"
        "killed sender was about to send");
}

static void settings(int count, char **arguments)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *given = getenv("MPSC_TEST_SEED");
    nanoseconds = scaled(60000) * MILLISECONDS;
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_nsec / 1000 + 1;
    for (int i = 1; i < count; i += 2) {
        if (i + 1 < count && strcmp(arguments[i], "--minutes") == 0) {
            nanoseconds = (uint64_t)(strtod(arguments[i + 1], NULL) * 60e9);
        } else if (i + 1 < count && strcmp(arguments[i], "--seed") == 0) {
            seed = strtoull(arguments[i + 1], NULL, 10);
        } else {
            fprintf(stderr, "usage: %s [--minutes N] [--seed S]\n", arguments[0]);
            exit(2);
        }
    }
}

int main(int count, char **arguments)
{
#define NAMED(i)                                                                                   \
    {                                                                                              \
        kinds[i].name, storm_##i, NULL, THREADS                                                    \
    }
    const struct test tests[KINDS] = {
        NAMED(0), NAMED(1), NAMED(2), NAMED(3), NAMED(4),  NAMED(5),
        NAMED(6), NAMED(7), NAMED(8), NAMED(9), NAMED(10), NAMED(11),
    };
    settings(count, arguments);
    figures = shared_memory(KINDS * sizeof *figures);
    printf("seed %" PRIu64 "\n", seed);
    int failed = harness_main("storm", tests, KINDS);
    print_figures();
    return failed;
}
