/* SPDX-License-Identifier: MIT */
#include "cat.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: mpsc-cat --send NAME [OPTION]...      from standard input into a channel\n"
    "       mpsc-cat --receive NAME [OPTION]...   from a channel to standard output\n"
    "Any number of processes send into a channel of libmpsc, one at a time receives. The channel\n"
    "is made by whoever comes first; neither side need be there before the other.\n\n"
    "Which way:\n"
    "  -s, --send NAME         send what is read\n"
    "  -r, --receive NAME      write what is received\n"
    "What a message is:\n"
    "                          a line, without its newline, if nothing else is said\n"
    "  -0, --null              what stands before a NUL byte\n"
    "  -l, --length            any bytes, behind their number in 4 bytes, the highest first\n"
    "The channel, when it is made; when it is there it must agree:\n"
    "  -b, --bound N           holds N messages (0: each is handed over); no bound by default\n"
    "  -m, --message-size N    bytes of an ordinary message (64); a longer one counts as several\n"
    "  -d, --durable           stays, and what is in it, when all processes have left\n"
    "When to end:\n"
    "  -t, --timeout SECONDS   when there was no room, or nothing to receive, for so long\n"
    "  -n, --count N           (receive) after N messages\n"
    "  -w, --linger SECONDS    (receive) so long after the last sender has left (1)\n"
    "  -f, --follow            (receive) not because the last sender has left\n"
    "And:\n"
    "  -B, --buffer            (receive) write many messages at once; if that fails they are lost\n"
    "  -v, --verbose           tell on standard error how far it is, each second and at the end\n"
    "  -h, --help              this text\n"
    "  -V, --version           the version\n\n"
    "At the end of its input --send waits until all was taken, unless the channel is durable.\n"
    "Exit status: 0 all was sent and taken, or received; 1 it failed; 2 wrong usage; 3 --timeout;\n"
    "128 and its number: a signal.\n";

static const struct option options[] = {
    {"send", required_argument, NULL, 's'},  {"receive", required_argument, NULL, 'r'},
    {"null", no_argument, NULL, '0'},        {"length", no_argument, NULL, 'l'},
    {"bound", required_argument, NULL, 'b'}, {"message-size", required_argument, NULL, 'm'},
    {"durable", no_argument, NULL, 'd'},     {"timeout", required_argument, NULL, 't'},
    {"count", required_argument, NULL, 'n'}, {"linger", required_argument, NULL, 'w'},
    {"follow", no_argument, NULL, 'f'},      {"buffer", no_argument, NULL, 'B'},
    {"verbose", no_argument, NULL, 'v'},     {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},     {NULL, 0, NULL, 0}};

static _Noreturn void misused(void)
{
    fputs("Try 'mpsc-cat --help'.\n", stderr);
    exit(MISUSED);
}

/* What was asked for was printed, or it is said that it was not. */
static _Noreturn void finish_printing(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        exit(FINE);
    complain("cannot write: %s", strerror(errno));
    exit(FAILED);
}

/* ---- values */

static uint64_t parse_number(const char *option, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    uintmax_t number = strtoumax(optarg, &end, 10);
    bool digits = optarg[0] >= '0' && optarg[0] <= '9' && *end == '\0';
    if (!digits || errno || number < least || number > most) {
        complain("%s must be a number from %" PRIu64 " to %" PRIu64 ", not '%s'", option, least,
                 most, optarg);
        misused();
    }
    return number;
}

/* Nanoseconds. */
static uint64_t parse_seconds(const char *option)
{
    static const double longest = 1e9;
    char *end;
    double seconds = strtod(optarg, &end);
    if (end == optarg || *end != '\0' || !(seconds >= 0 && seconds <= longest)) {
        complain("%s must be seconds, such as 0.5 or 10, not '%s'", option, optarg);
        misused();
    }
    return (uint64_t)(seconds * 1e9);
}

static void set_direction(struct settings *settings, bool send)
{
    if (settings->name) {
        complain("one of --send and --receive, and once");
        misused();
    }
    settings->send = send;
    settings->name = optarg;
}

static void set_format(struct settings *settings, enum format format)
{
    if (settings->format != LINES && settings->format != format) {
        complain("one of --null and --length");
        misused();
    }
    settings->format = format;
}

/* ---- the command line */

/* Options that only one direction has. */
static void check_direction(const struct settings *settings, const char *receiving)
{
    if (!settings->name) {
        complain("what to do? --send NAME, or --receive NAME");
        misused();
    }
    if (settings->send && receiving) {
        complain("--%s goes with --receive", receiving);
        misused();
    }
}

static const char *long_name(int letter)
{
    const struct option *option = options;
    while (option->val != letter)
        option++;
    return option->name;
}

static void set(struct settings *settings, int letter)
{
    switch (letter) {
    case 's':
    case 'r':
        set_direction(settings, letter == 's');
        break;
    case '0':
        set_format(settings, NULS);
        break;
    case 'l':
        set_format(settings, LENGTHS);
        break;
    case 'b':
        settings->options.bound = parse_number("--bound", 0, UINT32_MAX);
        break;
    case 'm':
        settings->options.message_size = parse_number("--message-size", 1, UINT32_MAX);
        break;
    case 'd':
        settings->options.durable = 1;
        break;
    case 't':
        settings->timeout = parse_seconds("--timeout");
        break;
    case 'n':
        settings->count = parse_number("--count", 0, UINT64_MAX);
        break;
    case 'w':
        settings->linger = parse_seconds("--linger");
        break;
    case 'f':
        settings->linger = MPSC_FOREVER;
        break;
    case 'B':
        settings->buffered = true;
        break;
    case 'v':
        settings->verbose = true;
        break;
    case 'h':
        fputs(help, stdout);
        finish_printing();
    case 'V':
        printf("mpsc-cat (libmpsc) %s\n", mpsc_version());
        finish_printing();
    default:
        misused();
    }
}

struct settings settings_parse(int argc, char **argv)
{
    struct settings settings = {.options = MPSC_OPTIONS_INIT,
                                .timeout = MPSC_FOREVER,
                                .linger = 1000000000,
                                .count = UINT64_MAX};
    const char *receiving = NULL;
    int letter;
    while ((letter = getopt_long(argc, argv, "s:r:0lb:m:dt:n:w:fBvhV", options, NULL)) != -1) {
        set(&settings, letter);
        if (strchr("nwfB", letter))
            receiving = long_name(letter);
    }
    if (optind < argc) {
        complain("unexpected '%s'", argv[optind]);
        misused();
    }
    check_direction(&settings, receiving);
    return settings;
}

const char *settings_noun(const struct settings *settings, uint64_t count)
{
    if (settings->format == LINES)
        return count == 1 ? "line" : "lines";
    return count == 1 ? "message" : "messages";
}
