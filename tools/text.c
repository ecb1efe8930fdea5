/* SPDX-License-Identifier: MIT */
#include "text.h"
#include "inspect.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

enum { GAP = 2 };

_Noreturn void no_memory(void)
{
    fputs("mpsc-inspect: no memory left\n", stderr);
    exit(TROUBLE);
}

void *text_room(size_t count, size_t size)
{
    void *room = calloc(count ? count : 1, size);
    if (!room)
        no_memory();
    return room;
}

/* ---- colours */

bool text_has_colours(FILE *out)
{
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return !(refused && *refused) && terminal && strcmp(terminal, "dumb") != 0 &&
           isatty(fileno(out));
}

const char *colour_begin(enum colour colour)
{
    static const char *const sequences[] = {
        [PLAIN] = "", [GOOD] = "\033[32m", [DOUBTFUL] = "\033[33m", [BAD] = "\033[1;31m"};
    return sequences[colour];
}

const char *colour_end(enum colour colour)
{
    return colour == PLAIN ? "" : "\033[0m";
}

/* ---- strings of others */

/* Bytes of the character that `text` begins with: 0 if it is none, or not one to print. */
static size_t printable(const char *text, wchar_t *character)
{
    mbstate_t state = {0};
    size_t most = strnlen(text, MB_LEN_MAX);
    size_t length = mbrtowc(character, text, most, &state);
    if (length == 0 || length > most)
        return 0;
    /* Without a width: control and direction characters, among others. */
    return iswprint((wint_t)*character) && wcwidth(*character) > 0 ? length : 0;
}

void text_clean(char *text)
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
    text_clean(text);
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

size_t text_utf8(const char *text, size_t length)
{
    /* The least that each length is for: a longer form of a smaller one is none. */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)*text;
    size_t bytes = first < 0x80       ? 1
                   : first >> 5 == 6  ? 2
                   : first >> 4 == 14 ? 3
                   : first >> 3 == 30 ? 4
                                      : 0;
    if (length == 0 || bytes == 0 || bytes > length)
        return 0;
    uint32_t character = bytes == 1 ? first : first & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | ((unsigned char)text[i] & 0x3f);
    }
    bool surrogate = character >= 0xd800 && character < 0xe000;
    return character < least[bytes] || character > 0x10ffff || surrogate ? 0 : bytes;
}

char *text_as_utf8(const void *bytes, size_t length)
{
    const char *from = bytes;
    char *text = text_room(4 * length + 1, 1), *to = text;
    while (length > 0) {
        size_t count = text_utf8(from, length);
        if (count > 0 && *from != '\0')
            to = mempcpy(to, from, count);
        else
            to += sprintf(to, "\\x%02x", (unsigned)(unsigned char)*from);
        count += count == 0;
        from += count;
        length -= count;
    }
    return text;
}

/* ---- tables */

void table_cell(struct table *table, const char *format, ...)
{
    if (table->used == table->room) {
        size_t room = table->room ? 2 * table->room : 64;
        struct cell *larger = realloc(table->cells, room * sizeof *larger);
        if (!larger)
            no_memory();
        table->cells = larger;
        table->room = room;
    }
    va_list values;
    va_start(values, format);
    table->cells[table->used++] = (struct cell){clean_format(format, values), PLAIN};
    va_end(values);
}

void table_colour(struct table *table, enum colour colour)
{
    table->cells[table->used - 1].colour = colour;
}

static void spaces(FILE *out, size_t count)
{
    while (count-- > 0)
        putc(' ', out);
}

static void print_row(const struct table *table, const size_t *widths, const struct cell *cells,
                      FILE *out)
{
    bool coloured = text_has_colours(out);
    for (size_t i = 0; i < table->width; i++) {
        size_t padding = widths[i] - columns_of(cells[i].text);
        enum colour colour = coloured ? cells[i].colour : PLAIN;
        if (table->columns[i].right)
            spaces(out, padding);
        fprintf(out, "%s%s%s", colour_begin(colour), cells[i].text, colour_end(colour));
        if (i + 1 == table->width)
            break;
        spaces(out, (table->columns[i].right ? 0 : padding) + GAP);
    }
    putc('\n', out);
}

static void print_titles(const struct table *table, const size_t *widths, FILE *out)
{
    struct cell *titles = text_room(table->width, sizeof *titles);
    for (size_t i = 0; i < table->width; i++)
        titles[i].text = (char *)(uintptr_t)table->columns[i].title;
    print_row(table, widths, titles, out);
    free(titles);
}

void table_print(const struct table *table, FILE *out)
{
    size_t *widths = text_room(table->width, sizeof *widths);
    for (size_t i = 0; i < table->width; i++)
        widths[i] = table->columns[i].title ? columns_of(table->columns[i].title) : 0;
    for (size_t i = 0; i < table->used; i++) {
        size_t columns = columns_of(table->cells[i].text);
        if (columns > widths[i % table->width])
            widths[i % table->width] = columns;
    }
    if (table->columns[0].title)
        print_titles(table, widths, out);
    for (size_t i = 0; i + table->width <= table->used; i += table->width)
        print_row(table, widths, &table->cells[i], out);
    free(widths);
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->used; i++)
        free(table->cells[i].text);
    free(table->cells);
    table->cells = NULL;
    table->used = table->room = 0;
}

/* ---- numbers */

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

void text_rate(double rate, char text[static DURATION_SIZE])
{
    static const char units[] = {'\0', 'k', 'M', 'G'};
    size_t i = 0;
    while (rate >= 1000 && i + 1 < sizeof units) {
        rate /= 1000;
        i++;
    }
    int digits = rate > 0 && rate < 100 && (i > 0 || rate < 10);
    snprintf(text, DURATION_SIZE, "%.*f%.1s", digits, rate, &units[i]);
}

void text_bar(double part, char text[static BAR + 3])
{
    /* Full only when it is, and something as soon as there is something. */
    int marks = (int)(part * BAR);
    if (marks <= 0 && part > 0)
        marks = 1;
    text[0] = '[';
    for (int i = 0; i < BAR; i++)
        text[1 + i] = i < marks ? '#' : '.';
    text[BAR + 1] = ']';
    text[BAR + 2] = '\0';
}
