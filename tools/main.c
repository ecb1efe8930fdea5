/* SPDX-License-Identifier: MIT */
/* mpsc-inspect: the command line. */
#include "inspect.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: mpsc-inspect list\n"
    "       mpsc-inspect show NAME\n"
    "Looks at the channels of libmpsc on this machine, and disturbs none.\n\n"
    "  list       a line for each channel that has a name\n"
    "  show NAME  all about one: its figures, who holds an end of it, who holds up others\n\n"
    "  -h, --help     this text\n"
    "  -V, --version  the version\n\n"
    "A channel's state: ok; idle (durable, and no living process has it open); orphaned (no "
    "living\n"
    "process has it open: the next one to open it starts afresh); damaged; other version.\n"
    "A pid is as its process sees itself. A command with a '?' may be that of another process.\n\n"
    "Exit status: 0 it was done; 1 the channel to show is not there, or damaged; 2 wrong usage, "
    "or\n"
    "it could not be looked at.\n";

static const struct command {
    const char *name;
    int operands;
    int (*run)(char **operands);
} commands[] = {
    {"list", 0, list_command},
    {"show", 1, show_command},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int misused(void)
{
    fputs("Try 'mpsc-inspect --help'.\n", stderr);
    return TROUBLE;
}

static int run(int count, char **arguments)
{
    if (count == 0) {
        complain("what to do? list, or show NAME");
        return misused();
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct command *command = &commands[i];
        if (strcmp(command->name, arguments[0]) != 0)
            continue;
        if (count - 1 == command->operands)
            return command->run(arguments + 1);
        if (count - 1 < command->operands)
            complain("%s needs the name of a channel", command->name);
        else
            complain("%s: unexpected '%s'", command->name, arguments[1 + command->operands]);
        return misused();
    }
    complain("no command '%s'", arguments[0]);
    return misused();
}

/* What was printed has arrived, or it is said that it has not. */
static int finish(int result)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return result;
    complain("cannot write: %s", strerror(errno));
    return TROUBLE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
    int option;
    setlocale(LC_CTYPE, ""); /* what may be printed */
    while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            fputs(help, stdout);
            return finish(FINE);
        case 'V':
            printf("mpsc-inspect (libmpsc) %s\n", mpsc_version());
            return finish(FINE);
        default:
            return misused();
        }
    }
    return finish(run(argc - optind, argv + optind));
}
