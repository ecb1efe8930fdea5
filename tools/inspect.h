/* SPDX-License-Identifier: MIT */
/*
 * mpsc-inspect: looks at channels and takes no part in them. Of the library it uses view.h alone,
 * which maps for reading only and takes no lock.
 *
 *      main.c      the command line
 *      list.c      a command each: what it prints
 *      show.c
 *      channel.c   a channel at one moment, as a copy: no command touches a segment
 *      process.c   what /proc tells of a process
 *      text.c      tables, durations, and strings of others made fit for a terminal
 */
#ifndef MPSC_INSPECT_H
#define MPSC_INSPECT_H

#include "view.h"

#include <mpsc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses. */
enum { FINE = 0, NOT_SOUND = 1, TROUBLE = 2 };

/* The commands take their operands and return an exit status. */
int list_command(char **operands);
int show_command(char **operands);

/* ------------------------------------------------------------------ channel.c */

#define CHANNEL_FOLDER "/dev/shm"

enum channel_state {
    CHANNEL_OK,
    CHANNEL_IDLE,     /* durable, and no living process has it open */
    CHANNEL_ORPHANED, /* scoped, and no living process has it open: the next open replaces it */
    CHANNEL_DAMAGED,
    CHANNEL_FOREIGN, /* of a library whose format is another */
    /* Not a channel, as far as one can see: */
    CHANNEL_NONE,    /* nothing has the name */
    CHANNEL_OTHER,   /* something else has it */
    CHANNEL_DENIED,  /* this user may not read it */
    CHANNEL_TROUBLE, /* channel_trouble() says what */
};

/* `state` and `name` are always set, the rest from CHANNEL_OK to CHANNEL_ORPHANED. */
struct channel {
    enum channel_state state;
    char name[MPSC_MAX_NAME + 1];
    mpsc_stats stats;
    uint64_t created; /* seconds since 1970 */
    uint64_t looked;  /* when this was so: monotonic nanoseconds */
    uint64_t device, inode;
    struct view_endpoint *endpoints;
    size_t endpoint_count;
    uint32_t control_pid; /* of who changes its tables now, as it sees itself; 0: nobody is seen */
    mpsc_status status; /* of CHANNEL_TROUBLE */
    int error;          /* an errno, with MPSC_OS */
};

/* Of a name without a slash. Never waits; a damaged or truncated segment is a state. */
void channel_look(const char *name, struct channel *channel);
void channel_free(struct channel *channel);

const char *channel_kind(const struct channel *channel);
const char *channel_state_name(enum channel_state state);
const char *channel_trouble(const struct channel *channel);

/* All names in CHANNEL_FOLDER, sorted, whatever they lead to. False: errno says why. */
bool channel_names(char ***names, size_t *count);
void channel_names_free(char **names, size_t count);

/* ------------------------------------------------------------------ process.c */

enum process_sight {
    PROCESS_UNSEEN, /* no such pid here */
    PROCESS_UNSURE, /* there is one, and nothing shows that it is the one */
    PROCESS_SEEN,   /* it has the channel's file open */
};

struct process_info {
    enum process_sight sight;
    char state; /* the letter in /proc/PID/stat */
    char command[64];
};

/*
 * A pid in a segment is as its process sees itself; seen from another pid namespace it may be a
 * stranger's, so it is looked for among the descriptors of that process. Only what the kernel
 * answers without waiting for the process is read: not its maps, not its command line.
 */
void process_look(uint32_t pid, const struct channel *channel, struct process_info *info);

/* ------------------------------------------------------------------ text.c */

struct column {
    const char *title; /* NULL, in all columns: no headings */
    bool right;        /* aligned, for numbers */
};

/* Begin with {.columns = ..., .width = ...}; fill cell by cell, row by row. */
struct table {
    const struct column *columns;
    size_t width; /* columns */
    char **cells;
    size_t used, room;
};

/* The next cell. Whatever the text, no character goes out that a terminal would obey. */
__attribute__((format(printf, 2, 3))) void table_cell(struct table *table, const char *format, ...);
void table_print(const struct table *table);
void table_free(struct table *table);

/* What went wrong, and what to do: a line on stderr. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);
_Noreturn void no_memory(void);

enum { DURATION_SIZE = 32 };
/* "0.3 s", "45 s", "3 min", "5 h", "12 d" */
void text_duration(uint64_t nanoseconds, char text[static DURATION_SIZE]);
/* The same of whole seconds. */
void text_seconds(uint64_t seconds, char text[static DURATION_SIZE]);
/* How long ago that was, in seconds since 1970; "?" if it is still to come. */
void text_age(uint64_t since, char text[static DURATION_SIZE]);

#endif
