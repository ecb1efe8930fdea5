/* SPDX-License-Identifier: MIT */
/* mpsc-inspect: the command line. */
#include "inspect.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <mpsc.h>
#include <stdlib.h>
#include <string.h>

enum { ANY = -1 };

static const struct command {
    const char *name;
    const char *operand; /* as the help calls it; "" none */
    int least, most;     /* of them; ANY: no limit */
    const char *options; /* letters that it takes beside -h */
    int (*run)(const struct arguments *arguments);
    const char *does;
    const char *help;
} commands[] = {
    {"list", "", 0, 0, "jiN", list_command, "a line for each channel of this machine",
     "A line for each channel: those that have a name in " CHANNEL_FOLDER
     ", and those without one\n"
     "that a process has open: private/INODE, removed/INODE, elsewhere/DEVICE:INODE.\n"
     "States: ok; stalled (somebody waits for a process that does nothing); idle (durable, and\n"
     "no process has it open); orphaned (no process has it open: the next to open it starts\n"
     "afresh); damaged; other version; unknown (it could not be looked at).\n"},
    {"show", "NAME", 1, 1, "ji", show_command,
     "all about one: its figures, who has an end of it, who holds up others",
     "A pid is as its process sees itself. A command with a '?' may be that of another process.\n"},
    {"watch", "[NAME]", 0, 1, "jio", watch_command, "the same live, as top does",
     "Keys: q quits; n, u, r and s sort by name, use, rate and state. Where the output is no\n"
     "terminal, plain text.\n"},
    {"peek", "NAME", 1, 1, "jnfxb", peek_command, "what is queued, and stays queued",
     "Messages that are text are shown as text, a line each, others as a hexdump.\n"},
    {"check", "[NAME...]", 0, ANY, "j", check_command,
     "whether a channel is sound, and what is wrong",
     "Without a name, all channels.\n"
     "Exit status: 0 sound; 1 damaged; 2 it could not be looked at.\n"},
    {"gc", "[NAME...]", 0, ANY, "jd", gc_command, "remove channels whose processes are all gone",
     "Without a name, all orphans; a durable channel only by its name, and only when no process\n"
     "has it open.\n"},
    {"metrics", "", 0, 0, "i", metrics_command, "all figures as OpenMetrics text, for Prometheus",
     ""},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct known_option {
    char letter;
    const char *word, *value, *does;
    const char *takes; /* of one with a value */
} known_options[] = {
    {'j', "json", NULL, "print JSON", NULL},
    {'i', "interval", "SECONDS", "between two looks, from which rates follow",
     "seconds from 0.01 to 86400"},
    {'N', "names", NULL, "the names alone", NULL},
    {'o', "once", NULL, "one look, as plain text", NULL},
    {'n', "count", "N", "so many messages at most", "a whole number"},
    {'f', "follow", NULL, "go on with what is sent, until the channel ends", NULL},
    {'x', "hex", NULL, "a hexdump of each", NULL},
    {'b', "bytes", "N", "of each message at most (4096)", "bytes from 1 to 2147483647"},
    {'d', "dry-run", NULL, "only say what would be removed", NULL},
    {'h', "help", NULL, "this text", NULL},
};

enum { KNOWN_OPTIONS = sizeof known_options / sizeof known_options[0] };

/* ---- help */

static void print_usage(const struct command *command)
{
    printf("mpsc-inspect %s%s%s%s\n", command->name, *command->options ? " [OPTION...]" : "",
           *command->operand ? " " : "", command->operand);
}

static void print_help(void)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        fputs(i == 0 ? "Usage: " : "       ", stdout);
        print_usage(&commands[i]);
    }
    puts(
        "Looks at the channels of libmpsc on this machine, and disturbs none; gc alone removes.\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].does);
    puts(
        "\n  -h, --help     this text; after a command, the command's options\n"
        "  -V, --version  the version\n\n"
        "Exit status: 0 it was done; 1 the channel is not there (of check and gc: 2), or damaged;\n"
        "2 wrong usage, or it could not be done. mpsc-inspect(1) tells more.");
}

static void print_help_of(const struct command *command)
{
    fputs("Usage: ", stdout);
    print_usage(command);
    printf("%c%s.\n\n", command->does[0] - 'a' + 'A', command->does + 1);
    for (size_t i = 0; i < KNOWN_OPTIONS; i++) {
        const struct known_option *option = &known_options[i];
        char word[32];
        if (option->letter != 'h' && !strchr(command->options, option->letter))
            continue;
        snprintf(word, sizeof word, "%s%s%s", option->word, option->value ? "=" : "",
                 option->value ? option->value : "");
        printf("  -%c, --%-18s %s\n", option->letter, word, option->does);
    }
    if (*command->help)
        printf("\n%s", command->help);
}

static int misused(const struct command *command)
{
    fprintf(stderr, "Try 'mpsc-inspect %s%s--help'.\n", command ? command->name : "",
            command ? " " : "");
    return TROUBLE;
}

/* ---- options */

static bool parse_count(const char *text, uint64_t *count)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *count = value;
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

/* Of a buffer that there is room for. */
static bool parse_bytes(const char *text, uint64_t *bytes)
{
    return parse_count(text, bytes) && *bytes > 0 && *bytes <= INT32_MAX;
}

static bool parse_seconds(const char *text, uint64_t *nanoseconds)
{
    char *end;
    errno = 0;
    double seconds = strtod(text, &end);
    bool sound = end != text && *end == '\0' && errno == 0 && seconds >= 0.01 && seconds <= 86400;
    *nanoseconds = sound ? (uint64_t)(seconds * 1e9) : 0;
    return sound;
}

/* False: its value makes no sense. */
static bool set(struct arguments *arguments, int letter, const char *value)
{
    switch (letter) {
    case 'j':
        arguments->json = true;
        return true;
    case 'N':
        arguments->names = true;
        return true;
    case 'o':
        arguments->once = true;
        return true;
    case 'f':
        arguments->follow = true;
        return true;
    case 'x':
        arguments->hex = true;
        return true;
    case 'd':
        arguments->dry_run = true;
        return true;
    case 'n':
        return parse_count(value, &arguments->count);
    case 'b':
        return parse_bytes(value, &arguments->bytes);
    default:
        return parse_seconds(value, &arguments->interval);
    }
}

static const char *taken_by(int letter)
{
    size_t i = 0;
    while (known_options[i].letter != letter)
        i++;
    return known_options[i].takes;
}

/* The options of a command, for getopt_long. */
static void gather(const struct command *command, char *letters, struct option *words)
{
    for (size_t i = 0; i < KNOWN_OPTIONS; i++) {
        const struct known_option *option = &known_options[i];
        if (option->letter != 'h' && !strchr(command->options, option->letter))
            continue;
        *letters++ = option->letter;
        if (option->value)
            *letters++ = ':';
        *words++ = (struct option){option->word, option->value ? required_argument : no_argument,
                                   NULL, option->letter};
    }
    *letters = '\0';
    *words = (struct option){0};
}

enum parsed { PARSED, HELPED, MISUSED };

static enum parsed parse(const struct command *command, int argc, char **argv,
                         struct arguments *arguments)
{
    char letters[2 * KNOWN_OPTIONS + 1], title[32];
    struct option words[KNOWN_OPTIONS + 1];
    int letter;
    gather(command, letters, words);
    snprintf(title, sizeof title, "mpsc-inspect %s", command->name);
    argv[0] = title; /* for what getopt_long complains of */
    optind = 0;      /* anew */
    while ((letter = getopt_long(argc, argv, letters, words, NULL)) != -1) {
        if (letter == 'h') {
            print_help_of(command);
            return HELPED;
        }
        if (letter == '?')
            return MISUSED;
        if (!set(arguments, letter, optarg)) {
            complain("%s: -%c takes %s, not '%s'", command->name, letter, taken_by(letter), optarg);
            return MISUSED;
        }
    }
    arguments->operands = argv + optind;
    return PARSED;
}

/* ---- the command */

static bool fits(const struct command *command, char **operands)
{
    int count = 0;
    while (operands[count])
        count++;
    if (count < command->least)
        complain("%s needs the name of a channel", command->name);
    else if (command->most != ANY && count > command->most)
        complain("%s: unexpected '%s'", command->name, operands[command->most]);
    else
        return true;
    return false;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct arguments arguments = {
        .count = UINT64_MAX,
        .bytes = 4096,
        .interval = command->run == watch_command ? 1000000000 : 200000000,
    };
    switch (parse(command, argc, argv, &arguments)) {
    case HELPED:
        return FINE;
    case MISUSED:
        return misused(command);
    default:
        return fits(command, arguments.operands) ? command->run(&arguments) : misused(command);
    }
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int find_and_run(int argc, char **argv)
{
    if (argc == 0) {
        complain("what to do? list and show NAME are among the commands");
        return misused(NULL);
    }
    const struct command *command = find(argv[0]);
    if (command)
        return run(command, argc, argv);
    complain("no command '%s'", argv[0]);
    return misused(NULL);
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
    /* Up to the command: the rest are its own. */
    while ((option = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            print_help();
            return finish(FINE);
        case 'V':
            printf("mpsc-inspect (libmpsc) %s\n", mpsc_version());
            return finish(FINE);
        default:
            return misused(NULL);
        }
    }
    return finish(find_and_run(argc - optind, argv + optind));
}
