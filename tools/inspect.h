/* SPDX-License-Identifier: MIT */
/*
 * mpsc-inspect: looks at channels and takes no part in them. Of the library it uses view.h, which reads
 * only and takes no lock, and for gc the library's own removal of a name.
 *
 *      main.c      the command line
 *      list.c      a command each, and so show.c, watch.c, peek.c, check.c, gc.c, metrics.c
 *      screen.c    a terminal, for watch
 *      trend.c     how full channels were
 *      rows.c      a line of a table for each channel
 *      findings.c  what check and gc say of each channel
 *      report.c    JSON
 *      census.c    all channels at one moment, and what moved between two
 *      verdict.c   what is up with a channel, in words
 *      channel.c   a channel at one moment, as a copy
 *      place.c     where channels are: names, and what processes have open
 *      maps.c      files that processes have mapped
 *      process.c   what /proc tells of a process
 *      text.c      tables, durations, and strings of others made fit for a terminal
 *
 * Those further up use those further down.
 */
#ifndef MPSC_INSPECT_H
#define MPSC_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_FOLDER "/dev/shm" /* where names are */

/* Exit statuses. */
enum { FINE = 0, NOT_SOUND = 1, TROUBLE = 2 };

struct arguments {
    char **operands; /* names of channels; ends with NULL */
    bool json;
    bool names;
    bool dry_run;
    bool once;
    bool follow;
    bool hex;
    uint64_t count;    /* messages; UINT64_MAX: all */
    uint64_t bytes;    /* of each message, at most */
    uint64_t interval; /* nanoseconds between two looks; 0: one look is enough */
};

/* The commands return an exit status. */
int list_command(const struct arguments *arguments);
int show_command(const struct arguments *arguments);
int watch_command(const struct arguments *arguments);
int peek_command(const struct arguments *arguments);
int check_command(const struct arguments *arguments);
int gc_command(const struct arguments *arguments);
int metrics_command(const struct arguments *arguments);

#endif
