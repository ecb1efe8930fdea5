/* SPDX-License-Identifier: MIT */
/*
 * 1.3.9 The storm: senders and receivers are killed at random, thousands of times, under full load,
 * and nothing that was committed is lost, torn, or delivered twice but to who comes after a receiver
 * that was killed over it; nobody hangs, and nothing leaks. See storm.h.
 *
 * A minute for all channels together, or as much of it as MPSC_TEST_SCALE says, if it is not to be thorough;
 * `--minutes N` for as long as that. The seed of chance is printed; `--seed S` or MPSC_TEST_SEED gives it.
 */
#include "storm.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Name, traits, message size, bound, max_bytes, bytes of a message at least and at most. */
/* clang-format off */
#define KINDS(kind)                                                             \
    kind(bounded_scoped,       0,         24, 64,             0,      24, 24)   \
    kind(bounded_durable,      DURABLE,   32, 1000,           0,      24, 32)   \
    kind(bounded_inherited,    INHERITED, 24, 16,             0,      24, 24)   \
    kind(lengths_scoped,       0,         16, 40,             0,      24, 640)  \
    kind(lengths_durable,      DURABLE,   40, 7,              0,      24, 280)  \
    kind(rendezvous_scoped,    0,         64, 0,              0,      24, 64)   \
    kind(rendezvous_inherited, INHERITED, 24, 0,              0,      24, 24)   \
    kind(unbounded_scoped,     0,         32, MPSC_UNBOUNDED, 65536,  24, 320)  \
    kind(unbounded_durable,    DURABLE,   24, MPSC_UNBOUNDED, 0,      24, 24)   \
    kind(unbounded_inherited,  INHERITED, 64, MPSC_UNBOUNDED, 0,      24, 1000) \
    kind(bounded_orphaned,     ORPHANED,  24, 32,             0,      24, 72)   \
    kind(unbounded_orphaned,   ORPHANED,  24, MPSC_UNBOUNDED, 262144, 24, 72)
/* clang-format on */

#define NUMBER(name, ...) name,
#define KIND(name, ...) {#name, __VA_ARGS__},
#define TEST_OF(name, ...) {#name, rage_##name, NULL, THREADS},
#define RAGE(name, ...)                                                                            \
    static void rage_##name(void)                                                                  \
    {                                                                                              \
        rages(name);                                                                               \
    }

enum { KINDS(NUMBER) KIND_COUNT };
static const struct kind kinds[] = {KINDS(KIND)};

static uint64_t seed, nanoseconds;
static struct figures *figures; /* of each kind, from the processes in which they were */

static void rages(unsigned i)
{
    uint64_t share = nanoseconds / KIND_COUNT;
    harness_timeout((unsigned)(share / SECONDS) + 120);
    storm_run(&kinds[i], share, seed + i * UINT64_C(0x9e3779b97f4a7c15), &figures[i]);
}

KINDS(RAGE)

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
    for (unsigned i = 0; i < KIND_COUNT; i++) {
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
    nanoseconds = swept(60000) * MILLISECONDS;
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

/* Why there is no storm in this build; NULL: there is. */
static const char *unfit(void)
{
#ifdef MPSC_SYNC_PTHREAD
    return "with pthread's locks and conditions a death is not survived everywhere";
#else
    return NULL;
#endif
}

int main(int count, char **arguments)
{
    static const struct test tests[] = {KINDS(TEST_OF)};
    settings(count, arguments);
    if (unfit()) {
        printf("skipped: %s\n", unfit());
        return 77;
    }
    figures = shared_memory(KIND_COUNT * sizeof *figures);
    printf("seed %" PRIu64 "\n", seed);
    int failed = harness_main("storm", tests, KIND_COUNT);
    print_figures();
    return failed;
}
