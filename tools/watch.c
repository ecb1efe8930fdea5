/* SPDX-License-Identifier: MIT */
/* mpsc-inspect watch [NAME]: list, or show, again and again. */
#include "census.h"
#include "report.h"
#include "rows.h"
#include "screen.h"
#include "show.h"
#include "text.h"
#include "trend.h"

#include <stdlib.h>
#include <string.h>

struct watch {
    const struct arguments *arguments;
    struct place place;   /* with a name: of that one */
    struct census census; /* the last look */
    struct trends trends;
    char sort;    /* the key that was pressed */
    size_t first; /* line that the screen shows as its first, below the heading */
};

/* ---- order */

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct channel *)left)->name, ((const struct channel *)right)->name);
}

static int largest_first(double one, double other)
{
    return (other > one) - (other < one);
}

static int by_use(const void *left, const void *right)
{
    const struct channel *one = left, *other = right;
    int result = largest_first(channel_fill(one), channel_fill(other));
    return result ? result : largest_first((double)one->stats.queued, (double)other->stats.queued);
}

static int by_rate(const void *left, const void *right)
{
    return largest_first(((const struct channel *)left)->sent_rate,
                         ((const struct channel *)right)->sent_rate);
}

/* The worst first. */
static int by_state(const void *left, const void *right)
{
    return largest_first(rows_colour(left), rows_colour(right));
}

static void sort(const struct watch *watch)
{
    int (*order)(const void *, const void *) = watch->sort == 'u'   ? by_use
                                               : watch->sort == 'r' ? by_rate
                                               : watch->sort == 's' ? by_state
                                                                    : by_name;
    if (watch->census.count > 0)
        qsort(watch->census.channels, watch->census.count, sizeof *watch->census.channels, order);
}

/* ---- looking */

static bool look(struct watch *watch)
{
    struct census now = {0};
    if (!watch->arguments->operands[0]) {
        if (!census_take(&watch->census, &now))
            return false;
    } else {
        now.channels = text_room(1, sizeof *now.channels);
        now.count = 1;
        channel_look(&watch->place, now.channels);
    }
    census_compare(&watch->census, &now);
    watch->census = now;
    trends_begin(&watch->trends);
    char text[TREND_SIZE];
    for (size_t i = 0; i < now.count; i++)
        if (channel_is_open(&now.channels[i]))
            trends_add(&watch->trends, &now.channels[i], text);
    trends_end(&watch->trends);
    return true;
}

/* ---- what is seen */

static void print_table(struct watch *watch, FILE *out)
{
    struct table table = rows_table_with_trend();
    unsigned stalled = 0;
    sort(watch);
    for (size_t i = 0; i < watch->census.count; i++) {
        const struct channel *channel = &watch->census.channels[i];
        char trend[TREND_SIZE] = "-";
        if (channel_is_open(channel))
            trends_add(&watch->trends, channel, trend);
        rows_add(&table, channel);
        table_cell(&table, "%s", trend);
        stalled += channel->state == CHANNEL_STALLED;
    }
    fprintf(out, "%zu channel%s, %u stalled\n", watch->census.count,
            watch->census.count == 1 ? "" : "s", stalled);
    table_print(&table, out);
    table_free(&table);
}

static void print_one(struct watch *watch, FILE *out)
{
    struct channel *channel = &watch->census.channels[0];
    char trend[TREND_SIZE];
    if (!channel_is_open(channel)) {
        fprintf(out, "%s\n", channel_state_name(channel->state));
        return;
    }
    trends_add(&watch->trends, channel, trend);
    fprintf(out, "fill  %s\n\n", trend);
    show_print(channel, out);
}

static void print(struct watch *watch, FILE *out)
{
    if (watch->arguments->operands[0])
        print_one(watch, out);
    else
        print_table(watch, out);
}

static bool print_json(struct watch *watch)
{
    return watch->arguments->operands[0] ? report_channel(&watch->census.channels[0])
                                         : report_census(&watch->census);
}

/* ---- on a terminal */

static void draw(struct watch *watch)
{
    bool one = watch->arguments->operands[0];
    size_t size, lines = 0, count = one ? 0 : watch->census.count;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        no_memory();
    print(watch, out);
    if (fclose(out) != 0)
        no_memory();
    enum colour *colours = text_room(count, sizeof *colours);
    for (size_t i = 0; i < count; i++)
        colours[i] = rows_colour(&watch->census.channels[i]);
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    if (watch->first > lines)
        watch->first = lines;
    screen_draw(text, colours, count, watch->first);
    free(colours);
    free(text);
}

/* False: enough was seen. */
static bool obey(struct watch *watch, int key)
{
    switch (key) {
    case 'q':
        return false;
    case 'n':
    case 'u':
    case 'r':
    case 's':
        watch->sort = (char)key;
        watch->first = 0;
        return true;
    case SCREEN_DOWN:
        watch->first++;
        return true;
    case SCREEN_UP:
        watch->first -= watch->first > 0;
        return true;
    default:
        return true;
    }
}

/* Until the next look is due, or 'q'. */
static bool attend(struct watch *watch)
{
    uint64_t until = os_now() + watch->arguments->interval;
    for (uint64_t now = os_now(); now < until; now = os_now()) {
        int key = screen_key(until - now + 999999);
        if (key == SCREEN_NO_KEY)
            continue;
        if (!obey(watch, key))
            return false;
        draw(watch);
    }
    return true;
}

static int on_screen(struct watch *watch)
{
    bool looked;
    while ((looked = look(watch))) {
        draw(watch);
        if (!attend(watch))
            break;
    }
    screen_close();
    return looked ? FINE : TROUBLE;
}

/* ---- elsewhere */

static int as_text(struct watch *watch)
{
    /* What moves is seen from the second look on. */
    if (!look(watch))
        return TROUBLE;
    do {
        channel_pause(watch->arguments->interval);
        if (!look(watch))
            return TROUBLE;
        if (!watch->arguments->json)
            print(watch, stdout);
        else if (!print_json(watch))
            return TROUBLE;
        if (!watch->arguments->once && !watch->arguments->json)
            putchar('\n');
        if (fflush(stdout) != 0)
            return TROUBLE;
    } while (!watch->arguments->once);
    const struct channel *named = watch->arguments->operands[0] ? watch->census.channels : NULL;
    if (named && !channel_is_open(named))
        return channel_refuse(named);
    return watch->census.trouble ? TROUBLE : FINE;
}

int watch_command(const struct arguments *arguments)
{
    struct watch watch = {.arguments = arguments, .sort = 'n'};
    const char *name = arguments->operands[0];
    if (name) {
        struct channel channel;
        if (!channel_place(name, &watch.place))
            return place_name(name) ? NOT_SOUND : TROUBLE;
        channel_look(&watch.place, &channel);
        channel_free(&channel);
        if (!channel_is_open(&channel))
            return channel_refuse(&channel);
    }
    bool plain = arguments->once || arguments->json;
    int result = !plain && screen_open() ? on_screen(&watch) : as_text(&watch);
    census_free(&watch.census);
    trends_free(&watch.trends);
    return result;
}
