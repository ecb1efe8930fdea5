/* SPDX-License-Identifier: MIT */
/* Tables, durations, and strings of others made fit for a terminal. */
#include "inspect.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

enum { GAP = 2 };

_Noreturn void no_memory(void)
{
    fputs("mpsc-inspect: no memory left\n", stderr);
    exit(TROUBLE);
}

/* ---- strings of others */

/* Bytes of the character that `text` begins with: 0 if it is none, or not one to print. */
static size_t printable(const char *text, wchar_t *character)
{
    mbstate_t state = {0};
    size_t length = mbrtowc(character, text, strlen(text), &state);
    if (length == 0 || length > strlen(text))
        return 0;
    /* Without a width: control and direction characters, among others. */
    return iswprint((wint_t)*character) && wcwidth(*character) > 0 ? length : 0;
}

/* Replaces, in place, what a terminal might obey. */
static void clean(char *text)
{
    wchar_t character;
    for (size_t length; *text; text += length) {
        length = printable(text, &character);
        if (length == 0) {
            *text = '?';
            length = 1;
        }
    }
}

/* Columns on a terminal of a text that is clean. */
static size_t columns_of(const char *text)
{
    size_t columns = 0;
    wchar_t character;
    for (size_t length; *text; text += length) {
        length = printable(text, &character);
        columns += length ? (size_t)wcwidth(character) : 1;
        length += length == 0;
    }
    return columns;
}

__attribute__((format(printf, 1, 0))) static char *clean_format(const char *format, va_list values)
{
    char *text;
    if (vasprintf(&text, format, values) < 0)
        no_memory();
    clean(text);
    return text;
}

void complain(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *text = clean_format(format, values);
    va_end(values);
    fprintf(stderr, "mpsc-inspect: %s\n", text);
    free(text);
}

/* ---- tables */

void table_cell(struct table *table, const char *format, ...)
{
    if (table->used == table->room) {
        size_t room = table->room ? 2 * table->room : 64;
        char **larger = realloc(table->cells, room * sizeof *larger);
        if (!larger)
            no_memory();
        table->cells = larger;
        table->room = room;
    }
    va_list values;
    va_start(values, format);
    table->cells[table->used++] = clean_format(format, values);
    va_end(values);
}

static void spaces(size_t count)
{
    while (count-- > 0)
        putchar(' ');
}

static void print_row(const struct table *table, const size_t *widths, const char *const *cells)
{
    for (size_t i = 0; i < table->width; i++) {
        size_t padding = widths[i] - columns_of(cells[i]);
        if (table->columns[i].right)
            spaces(padding);
        fputs(cells[i], stdout);
        if (i + 1 == table->width)
            break;
        spaces((table->columns[i].right ? 0 : padding) + GAP);
    }
    putchar('\n');
}

void table_print(const struct table *table)
{
    size_t *widths = calloc(table->width, sizeof *widths);
    const char **titles = calloc(table->width, sizeof *titles);
    if (!widths || !titles)
        no_memory();
    for (size_t i = 0; i < table->width; i++) {
        titles[i] = table->columns[i].title;
        widths[i] = titles[i] ? columns_of(titles[i]) : 0;
    }
    for (size_t i = 0; i < table->used; i++) {
        size_t columns = columns_of(table->cells[i]);
        if (columns > widths[i % table->width])
            widths[i % table->width] = columns;
    }
    if (titles[0])
        print_row(table, widths, titles);
    for (size_t i = 0; i + table->width <= table->used; i += table->width)
        print_row(table, widths, (const char *const *)&table->cells[i]);
    free(widths);
    free(titles);
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->used; i++)
        free(table->cells[i]);
    free(table->cells);
    table->cells = NULL;
    table->used = table->room = 0;
}

/* ---- durations */

void text_seconds(uint64_t seconds, char text[static DURATION_SIZE])
{
    static const struct {
        uint64_t until, unit;
        const char *name;
    } scale[] = {
        {120, 1, "s"},
        {7200, 60, "min"},
        {172800, 3600, "h"},
        {UINT64_MAX, 86400, "d"},
    };
    size_t i = 0;
    while (seconds >= scale[i].until && scale[i].until != UINT64_MAX)
        i++;
    snprintf(text, DURATION_SIZE, "%" PRIu64 " %s", seconds / scale[i].unit, scale[i].name);
}

void text_duration(uint64_t nanoseconds, char text[static DURATION_SIZE])
{
    uint64_t tenths = nanoseconds / 100000000u;
    if (tenths < 100)
        snprintf(text, DURATION_SIZE, "%" PRIu64 ".%" PRIu64 " s", tenths / 10, tenths % 10);
    else
        text_seconds(tenths / 10, text);
}

void text_age(uint64_t since, char text[static DURATION_SIZE])
{
    uint64_t now = (uint64_t)time(NULL);
    if (since <= now)
        text_seconds(now - since, text);
    else
        snprintf(text, DURATION_SIZE, "?");
}
