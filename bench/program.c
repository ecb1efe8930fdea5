/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, ROUNDS = 5, QUICK_ROUNDS = 3 };

_Noreturn void fail(const char *doing, const char *why)
{
    fprintf(stderr, "%s: cannot %s: %s\n", program_invocation_short_name, doing, why);
    exit(EXIT_FAILURE);
}

void program_check(mpsc_status status, const char *doing)
{
    if (status != MPSC_OK)
        fail(doing, status == MPSC_OS ? strerror(errno) : mpsc_strstatus(status));
}

/* ------------------------------------------------------------------ settings */

static const char common_help[] =
    "\nTo standard output go lines of seven fields with tabs between them: table, row, column,\n"
    "unit, and the median, the least and the greatest of the rounds.\n\n"
    "  -q, --quick      seconds instead of minutes; less exact\n"
    "  -r, --rounds N   rounds, in each of which all is measured (default %d; quick %d)\n"
    "  -h, --help       this text\n";

static size_t parse_rounds(const char *text)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || end == text || *end || number < 1 || number > MOST_ROUNDS) {
        fprintf(stderr, "%s: --rounds must be a number from 1 to %d, not '%s'\n",
                program_invocation_short_name, MOST_ROUNDS, text);
        exit(EXIT_USAGE);
    }
    return (size_t)number;
}

static _Noreturn void show_help(const char *help)
{
    printf("Usage: %s [OPTION]...\n%s", program_invocation_short_name, help);
    printf(common_help, ROUNDS, QUICK_ROUNDS);
    exit(EXIT_SUCCESS);
}

struct settings program_settings(int argc, char **argv, const char *help)
{
    static const struct option options[] = {{"quick", no_argument, NULL, 'q'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct settings settings = {.quick = false, .rounds = 0};
    int option;
    while ((option = getopt_long(argc, argv, "qr:h", options, NULL)) != -1) {
        switch (option) {
        case 'q':
            settings.quick = true;
            break;
        case 'r':
            settings.rounds = parse_rounds(optarg);
            break;
        case 'h':
            show_help(help);
        default:
            fprintf(stderr, "Try '%s --help'.\n", program_invocation_short_name);
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s'\n", program_invocation_short_name,
                argv[optind]);
        exit(EXIT_USAGE);
    }
    if (settings.rounds == 0)
        settings.rounds = settings.quick ? QUICK_ROUNDS : ROUNDS;
    return settings;
}

/* ------------------------------------------------------------------ progress */

void program_progress(const char *what, size_t done, size_t all)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s %zu of %zu", what, done, all);
}

void program_progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* ------------------------------------------------------------------ of the system */

double program_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void *program_share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("map memory", strerror(errno));
    return memory;
}
