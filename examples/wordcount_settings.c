/* SPDX-License-Identifier: MIT */
#include "wordcount_settings.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <mpsc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

static const char help[] =
    "Usage: wordcount [OPTION]... [DIRECTORY]\n"
    "Counts the words of all files in and below DIRECTORY (/usr/include): worker processes\n"
    "send them through one channel to the parent, which counts. A word is a run of ASCII\n"
    "letters, digits and underscores; of longer ones the first 64 bytes count.\n\n"
    "  -j, --workers N   worker processes (default: one for each processor online)\n"
    "  -n, --name NAME   name the channel, so that mpsc-inspect can show it\n"
    "  -b, --bound N     words that the channel holds (default 4096; 0: rendezvous)\n"
    "  -t, --top N       words to print (default 20)\n"
    "  -v, --verify      count again without channels, and compare\n"
    "  -h, --help        this text\n\n"
    "Exit status: 0 all was counted; 1 something failed, or could not be read, or differs;\n"
    "2 wrong usage.\n";

static size_t parse_number(const char *what, const char *text, size_t least, size_t most)
{
    char *end;
    errno = 0;
    uintmax_t number = strtoumax(text, &end, 10);
    bool digits = text[0] >= '0' && text[0] <= '9' && *end == '\0';
    if (!digits || errno || number < least || number > most) {
        fprintf(stderr, "wordcount: %s must be a number from %zu to %zu, not '%s'\n", what, least,
                most, text);
        exit(EXIT_USAGE);
    }
    return (size_t)number;
}

struct settings parse_settings(int argc, char **argv)
{
    static const struct option options[] = {{"workers", required_argument, NULL, 'j'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"bound", required_argument, NULL, 'b'},
                                            {"top", required_argument, NULL, 't'},
                                            {"verify", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const size_t most_workers = MPSC_MAX_PROCESSES - 1; /* the parent is one too */
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct settings settings = {
        .directory = "/usr/include", .workers = 1, .bound = 4096, .top = 20};
    if (processors > 0)
        settings.workers = (size_t)processors < most_workers ? (size_t)processors : most_workers;

    int option;
    while ((option = getopt_long(argc, argv, "j:n:b:t:vh", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            settings.workers = parse_number("--workers", optarg, 1, most_workers);
            break;
        case 'n':
            settings.name = optarg;
            break;
        case 'b':
            settings.bound = parse_number("--bound", optarg, 0, 1 << 20);
            break;
        case 't':
            settings.top = parse_number("--top", optarg, 0, SIZE_MAX);
            break;
        case 'v':
            settings.verify = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        default:
            fputs("Try 'wordcount --help'.\n", stderr);
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc)
        settings.directory = argv[optind++];
    if (optind < argc) {
        fprintf(stderr, "wordcount: one directory, please: unexpected '%s'\n", argv[optind]);
        exit(EXIT_USAGE);
    }
    return settings;
}
