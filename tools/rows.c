/* SPDX-License-Identifier: MIT */
#include "rows.h"
#include "process.h"

#include <inttypes.h>

static const struct column columns[] = {
    {"NAME", false}, {"KIND", false},  {"QUEUED/BOUND", true}, {"FILL", false},
    {"SENT", true},  {"RATE/s", true}, {"SENDERS", true},      {"RECEIVER", false},
    {"AGE", true},   {"STATE", false}, {"TREND", false},
};

enum { COLUMNS = sizeof columns / sizeof columns[0] - 1 };

struct table rows_table(void)
{
    return (struct table){.columns = columns, .width = COLUMNS};
}

struct table rows_table_with_trend(void)
{
    return (struct table){.columns = columns, .width = COLUMNS + 1};
}

static void add_bound(struct table *table, const struct channel *channel)
{
    const mpsc_stats *stats = &channel->stats;
    double fill = channel_fill(channel);
    char bar[BAR + 3];
    if (stats->bound == UINT64_MAX)
        table_cell(table, "%" PRIu64 "/-", stats->queued);
    else
        table_cell(table, "%" PRIu64 "/%" PRIu64, stats->queued, stats->bound);
    text_bar(fill, bar);
    table_cell(table, "%s", fill < 0 ? "-" : bar);
    table_colour(table, fill >= 1 ? BAD : fill > 0.5 ? DOUBTFUL : PLAIN);
}

static void add_rate(struct table *table, double rate)
{
    char text[DURATION_SIZE] = "-";
    if (rate >= 0)
        text_rate(rate, text);
    table_cell(table, "%s", text);
}

static void add_receiver(struct table *table, const struct channel *channel)
{
    uint32_t pid = channel->stats.receiver_pid;
    struct process_info info;
    if (pid == 0) {
        table_cell(table, "-");
        return;
    }
    process_look(pid, channel->device, channel->inode, &info);
    if (info.sight == PROCESS_UNSEEN)
        table_cell(table, "%" PRIu32, pid);
    else
        table_cell(table, "%" PRIu32 " (%s%s)", pid, info.command,
                   info.sight == PROCESS_SEEN ? "" : "?");
}

enum colour rows_colour(const struct channel *channel)
{
    switch (channel->state) {
    case CHANNEL_OK:
        return GOOD;
    case CHANNEL_IDLE:
    case CHANNEL_ORPHANED:
        return DOUBTFUL;
    default:
        return BAD;
    }
}

void rows_add(struct table *table, const struct channel *channel)
{
    char age[DURATION_SIZE];
    table_cell(table, "%s", channel->name);
    if (channel_is_open(channel)) {
        text_age(channel->created, age);
        table_cell(table, "%s", channel_kind(channel));
        add_bound(table, channel);
        table_cell(table, "%" PRIu64, channel->stats.sent);
        add_rate(table, channel->sent_rate);
        table_cell(table, "%" PRIu32, channel->stats.senders);
        add_receiver(table, channel);
        table_cell(table, "%s", age);
    } else {
        for (int i = 2; i < COLUMNS; i++)
            table_cell(table, "-");
    }
    table_cell(table, "%s", channel_state_name(channel->state));
    table_colour(table, rows_colour(channel));
}
