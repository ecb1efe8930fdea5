/* SPDX-License-Identifier: MIT */
/* Tables, durations, and strings of others made fit for a terminal. */
#ifndef MPSC_INSPECT_TEXT_H
#define MPSC_INSPECT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What went wrong, and what to do: a line on stderr. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);
_Noreturn void no_memory(void);
/* malloc that does not fail, of zeroes. */
void *text_room(size_t count, size_t size);

/* ---- colours: only on a terminal, and not where NO_COLOR or a dumb TERM says no */

enum colour { PLAIN, GOOD, DOUBTFUL, BAD };
bool text_has_colours(FILE *out);
const char *colour_begin(enum colour colour);
const char *colour_end(enum colour colour);

/* ---- strings of others */

/* Replaces, in place, what a terminal might obey. */
void text_clean(char *text);
/* Bytes of the UTF-8 character that begins there: 0 if it is none. */
size_t text_utf8(const char *text, size_t length);
/* The same bytes as UTF-8, to be freed: what is none becomes \xNN. */
char *text_as_utf8(const void *bytes, size_t length);

/* ---- tables */

struct column {
    const char *title; /* NULL, in all columns: no headings */
    bool right;        /* aligned, for numbers */
};

struct cell {
    char *text;
    enum colour colour;
};

/* Begin with {.columns = ..., .width = ...}; fill cell by cell, row by row. */
struct table {
    const struct column *columns;
    size_t width; /* columns */
    struct cell *cells;
    size_t used, room;
};

/* The next cell. Whatever the text, no character goes out that a terminal would obey. */
__attribute__((format(printf, 2, 3))) void table_cell(struct table *table, const char *format, ...);
/* Of the cell before. */
void table_colour(struct table *table, enum colour colour);
void table_print(const struct table *table, FILE *out);
void table_free(struct table *table);

/* ---- numbers */

enum { DURATION_SIZE = 32, BAR = 10 };
/* "0.3 s", "45 s", "3 min", "5 h", "12 d" */
void text_duration(uint64_t nanoseconds, char text[static DURATION_SIZE]);
/* The same of whole seconds. */
void text_seconds(uint64_t seconds, char text[static DURATION_SIZE]);
/* How long ago that was, in seconds since 1970; "?" if it is still to come. */
void text_age(uint64_t since, char text[static DURATION_SIZE]);
/* "0", "0.4", "950", "12.3k", "4.5M" */
void text_rate(double rate, char text[static DURATION_SIZE]);
/* "[####......]" of what is between 0 and 1. */
void text_bar(double part, char text[static BAR + 3]);

#endif
