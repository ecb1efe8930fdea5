/* SPDX-License-Identifier: MIT */
/* mpsc-inspect metrics: OpenMetrics text, for Prometheus. The names are told in mpsc-inspect(1), and stay.
 * Only types that the older text format has, too: the textfile collector of the node exporter reads that. */
#include "census.h"
#include "text.h"
#include "verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the lines */

/* Of a name that is anybody's: is this, of `count` bytes of UTF-8, to be left as it is? A backslash is not, lest
 * it and a number be taken for a byte. */
static bool is_plain(const char *text, size_t count)
{
    unsigned char first = (unsigned char)*text;
    bool second_control = first == 0xc2 && (unsigned char)text[1] < 0xa0; /* U+0080 to U+009F */
    return count > 0 && first >= 0x20 && first != 0x7f && first != '\\' && !second_control;
}

/* A label's value: no two names have the same. */
static void print_escaped(const char *name)
{
    for (size_t left = strlen(name), count; left > 0; name += count, left -= count) {
        count = text_utf8(name, left);
        if (!is_plain(name, count)) {
            printf("\\\\x%02x", (unsigned)(unsigned char)*name);
            count = 1;
        } else if (*name == '"') {
            fputs("\\\"", stdout);
        } else {
            fwrite(name, 1, count, stdout);
        }
    }
}

/* Up to its labels, which are left open. */
static void begin_sample(const char *name, const struct channel *channel)
{
    printf("%s{channel=\"", name);
    print_escaped(channel->name);
    putchar('"');
}

static void begin_family(const char *name, const char *type, const char *unit, const char *help)
{
    printf("# TYPE %s %s\n", name, type);
    if (unit)
        printf("# UNIT %s %s\n", name, unit);
    printf("# HELP %s %s\n", name, help);
}

/* ---- figures that stand in the statistics */

static const struct figure {
    const char *name, *unit, *help;
    bool counts; /* a counter: its samples are called _total, and its family is not */
    bool wide;   /* 64 bits */
    size_t offset;
} figures[] = {
#define WIDE(field) true, offsetof(mpsc_stats, field)
#define NARROW(field) false, offsetof(mpsc_stats, field)
    {"mpsc_channel_sent_total", NULL, "Messages sent, ever.", true, WIDE(sent)},
    {"mpsc_channel_received_total", NULL, "Messages received, ever.", true, WIDE(received)},
    {"mpsc_channel_holes_total", NULL, "Cells that dead senders left, skipped.", true, WIDE(holes)},
    {"mpsc_channel_repairs_total", NULL, "Deaths in the midst of a change of the tables.", true,
     WIDE(repairs)},
    {"mpsc_channel_takeovers_total", NULL, "Times that a dead receiver's seat was taken.", true,
     WIDE(takeovers)},
    {"mpsc_channel_queued", NULL, "Messages that wait.", false, WIDE(queued)},
    {"mpsc_channel_message_size_bytes", "bytes", "Of one message, as the channel was made.", false,
     WIDE(message_size)},
    {"mpsc_channel_memory_bytes", "bytes", "Shared memory in use.", false, WIDE(memory)},
    {"mpsc_channel_senders", NULL, "Senders of living processes.", false, NARROW(senders)},
    {"mpsc_channel_receivers", NULL, "Receivers of living processes.", false, NARROW(receivers)},
    {"mpsc_channel_processes", NULL, "Living processes that have it open.", false,
     NARROW(processes)},
#undef WIDE
#undef NARROW
};

static uint64_t value_of(const struct figure *figure, const mpsc_stats *stats)
{
    const unsigned char *at = (const unsigned char *)stats + figure->offset;
    uint64_t wide;
    uint32_t narrow;
    memcpy(&wide, at, figure->wide ? sizeof wide : 0);
    memcpy(&narrow, at, sizeof narrow);
    return figure->wide ? wide : narrow;
}

static void print_figure(const struct figure *figure, const struct census *census)
{
    char family[64];
    size_t length = strlen(figure->name) - (figure->counts ? strlen("_total") : 0);
    snprintf(family, sizeof family, "%.*s", (int)length, figure->name);
    begin_family(family, figure->counts ? "counter" : "gauge", figure->unit, figure->help);
    for (size_t i = 0; i < census->count; i++)
        if (channel_is_open(&census->channels[i])) {
            begin_sample(figure->name, &census->channels[i]);
            printf("} %" PRIu64 "\n", value_of(figure, &census->channels[i].stats));
        }
}

/* ---- those that do not */

static void print_bound(const struct census *census)
{
    static const char name[] = "mpsc_channel_bound";
    begin_family(name, "gauge", NULL,
                 "Messages that there is room for; unbounded channels have none.");
    for (size_t i = 0; i < census->count; i++) {
        const struct channel *channel = &census->channels[i];
        if (!channel_is_open(channel) || channel->stats.bound == UINT64_MAX)
            continue;
        begin_sample(name, channel);
        printf("} %" PRIu64 "\n", channel->stats.bound);
    }
}

static void print_blocked(const struct census *census)
{
    static const char name[] = "mpsc_channel_blocked";
    static const struct {
        enum owner_kind kind;
        const char *end;
    } ends[] = {{OWNER_SENDER, "sender"}, {OWNER_RECEIVER, "receiver"}};
    begin_family(name, "gauge", NULL, "Handles asleep in a call.");
    for (size_t i = 0; i < census->count; i++)
        for (size_t j = 0; j < 2 && channel_is_open(&census->channels[i]); j++) {
            begin_sample(name, &census->channels[i]);
            printf(",end=\"%s\"} %u\n", ends[j].end,
                   verdict_sleepers(&census->channels[i], ends[j].kind));
        }
}

static void print_created(const struct census *census)
{
    static const char name[] = "mpsc_channel_start_time_seconds";
    begin_family(name, "gauge", "seconds", "When it was made, since 1970.");
    for (size_t i = 0; i < census->count; i++)
        if (channel_is_open(&census->channels[i])) {
            begin_sample(name, &census->channels[i]);
            printf("} %" PRIu64 "\n", census->channels[i].created);
        }
}

static void print_states(const struct census *census)
{
    static const char name[] = "mpsc_channel_state";
    begin_family(name, "gauge", NULL, "1 for what mpsc-inspect list says of it, else 0.");
    for (size_t i = 0; i < census->count; i++)
        for (enum channel_state state = CHANNEL_OK; state <= CHANNEL_FOREIGN; state++) {
            begin_sample(name, &census->channels[i]);
            printf(",state=\"%s\"} %d\n", channel_state_name(state),
                   census->channels[i].state == state);
        }
}

int metrics_command(const struct arguments *arguments)
{
    struct census census;
    if (!census_watch(arguments->interval, &census))
        return TROUBLE;
    print_states(&census);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        print_figure(&figures[i], &census);
    print_bound(&census);
    print_blocked(&census);
    print_created(&census);
    puts("# EOF");
    int result = census.trouble ? TROUBLE : FINE;
    census_free(&census);
    return result;
}
