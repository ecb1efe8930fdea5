/* SPDX-License-Identifier: MIT */
/* What the calls cost that are made once: creating and opening a channel, cloning and closing a sender,
 * and forking, by how many channels this process has open. */
#include "costs.h"
#include "figures.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_CHANNELS = 1000, CHANNEL_BOUND = 16 };

struct channel {
    mpsc_sender *tx;
    mpsc_receiver *rx;
};

static void channel_open(struct channel *channel)
{
    program_check(mpsc_sync_channel(sizeof(uint64_t), CHANNEL_BOUND, &channel->tx, &channel->rx),
                  "open a channel");
}

static void channel_close(struct channel *channel)
{
    mpsc_sender_close(channel->tx);
    mpsc_receiver_close(channel->rx);
}

static void add(const char *table, const char *row, const char *column, double seconds,
                unsigned times)
{
    figures_add(table, row, column, "us", seconds / times * 1e6);
}

/* ------------------------------------------------------------------ creating */

static void name_of(char *name, size_t size)
{
    snprintf(name, size, "mpsc-bench-%ld", (long)getpid());
}

static void open_named(struct channel *channel)
{
    char name[64];
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.message_size = sizeof(uint64_t);
    options.bound = CHANNEL_BOUND;
    name_of(name, sizeof name);
    program_check(mpsc_open_receiver(name, &options, &channel->rx), "open a channel by name");
    program_check(mpsc_open_sender(name, &options, &channel->tx), "open a channel by name");
}

static void open_unbounded(struct channel *channel)
{
    program_check(mpsc_channel(sizeof(uint64_t), &channel->tx, &channel->rx), "open a channel");
}

static void measure_creation(unsigned times)
{
    static const struct {
        const char *row;
        void (*open)(struct channel *channel);
    } kinds[] = {
        {"private, bound 16", channel_open},
        {"private, unbounded", open_unbounded},
        {"named, bound 16", open_named},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        double opening = 0, closing = 0;
        for (unsigned k = 0; k < times; k++) {
            struct channel channel;
            double start = program_now();
            kinds[i].open(&channel);
            double opened = program_now();
            channel_close(&channel);
            opening += opened - start;
            closing += program_now() - opened;
        }
        add("creating a channel", kinds[i].row, "create both ends", opening, times);
        add("creating a channel", kinds[i].row, "close both ends", closing, times);
    }
}

/* ------------------------------------------------------------------ cloning and opening */

static const char table[] = "calls, by channels open";

static void measure_clone(const char *row, const mpsc_sender *tx, unsigned times)
{
    mpsc_sender *clones[MOST_CHANNELS];
    double start = program_now();
    for (unsigned i = 0; i < times; i++)
        program_check(mpsc_sender_clone(tx, &clones[i]), "clone a sender");
    double cloned = program_now();
    for (unsigned i = 0; i < times; i++)
        mpsc_sender_close(clones[i]);
    double closed = program_now();
    add(table, row, "clone", cloned - start, times);
    add(table, row, "close a clone", closed - cloned, times);
}

/* Of a channel that another process has made and keeps: this one attaches to it, and leaves it. */
static void measure_open(const char *row, const char *name, unsigned times)
{
    double opening = 0, closing = 0;
    for (unsigned i = 0; i < times; i++) {
        mpsc_sender *tx;
        double start = program_now();
        program_check(mpsc_open_sender(name, NULL, &tx), "open a channel by name");
        double opened = program_now();
        mpsc_sender_close(tx);
        opening += opened - start;
        closing += program_now() - opened;
    }
    add(table, row, "open", opening, times);
    add(table, row, "close", closing, times);
}

/* ------------------------------------------------------------------ another process' channel */

struct host {
    pid_t process;
    int stop[2]; /* it ends when this pipe does */
    char name[64];
};

static _Noreturn void host_run(int stop, int ready)
{
    struct channel channel;
    char byte = 0;
    open_named(&channel);
    if (write(ready, &byte, 1) != 1 || read(stop, &byte, 1) != 0)
        fail("keep a channel open", "a pipe is broken");
    channel_close(&channel);
    _exit(EXIT_SUCCESS);
}

static void host_start(struct host *host)
{
    int ready[2];
    char byte;
    if (pipe(host->stop) == -1 || pipe(ready) == -1)
        fail("open a pipe", strerror(errno));
    host->process = fork();
    if (host->process == -1)
        fail("fork", strerror(errno));
    if (host->process == 0) {
        close(host->stop[1]);
        host_run(host->stop[0], ready[1]);
    }
    close(host->stop[0]);
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        fail("open a channel in a child", "it failed");
    close(ready[0]);
    snprintf(host->name, sizeof host->name, "mpsc-bench-%ld", (long)host->process);
}

static void host_stop(struct host *host)
{
    close(host->stop[1]);
    waitpid(host->process, NULL, 0);
}

/* ------------------------------------------------------------------ forking */

/* Until fork returns here, and until the child runs. */
static void measure_fork(const char *row, unsigned times)
{
    double *child_runs = program_share(sizeof *child_runs);
    double here = 0, there = 0;
    for (unsigned i = 0; i < times; i++) {
        double start = program_now();
        pid_t child = fork();
        if (child == -1)
            fail("fork", strerror(errno));
        if (child == 0) {
            *child_runs = program_now();
            _exit(EXIT_SUCCESS);
        }
        here += program_now() - start;
        waitpid(child, NULL, 0);
        there += *child_runs - start;
    }
    add(table, row, "fork, in the parent", here, times);
    add(table, row, "fork, until the child runs", there, times);
    munmap(child_runs, sizeof *child_runs);
}

/* ------------------------------------------------------------------ all of them */

/* False: this process may not open so many files. */
static bool allow_files(rlim_t wanted)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted && limit.rlim_max >= wanted) {
        limit.rlim_cur = wanted;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur >= wanted;
}

static void measure_with(unsigned channels, const struct host *host, bool quick)
{
    static struct channel open[MOST_CHANNELS];
    char row[32];
    if (!allow_files(4 * channels + 100)) {
        fprintf(stderr, "costs: not with %u channels: the limit of open files is too low\n",
                channels);
        return;
    }
    snprintf(row, sizeof row, "%u", channels);
    for (unsigned i = 0; i < channels; i++)
        channel_open(&open[i]);
    if (channels > 0) {
        measure_clone(row, open[0].tx, quick ? 100 : 1000);
        measure_open(row, host->name, quick ? 20 : 100);
    }
    measure_fork(row, quick ? 3 : 10);
    for (unsigned i = 0; i < channels; i++)
        channel_close(&open[i]);
}

void costs_calls(bool quick)
{
    static const unsigned channels[] = {0, 1, 100, 1000};
    struct host host;
    measure_creation(quick ? 20 : 100);
    host_start(&host);
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        measure_with(channels[i], &host, quick);
    host_stop(&host);
}
