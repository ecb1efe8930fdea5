/* SPDX-License-Identifier: MIT */
/* mpsc-inspect list: a line for each named channel. */
#include "inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct column columns[] = {
    {"NAME", false},   {"KIND", false},     {"QUEUED/BOUND", true}, {"SENT", true},
    {"SENDERS", true}, {"RECEIVER", false}, {"AGE", true},          {"STATE", false},
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

static void add_bound(struct table *table, const mpsc_stats *stats)
{
    if (stats->bound == UINT64_MAX)
        table_cell(table, "%" PRIu64 "/-", stats->queued);
    else
        table_cell(table, "%" PRIu64 "/%" PRIu64, stats->queued, stats->bound);
}

static void add_receiver(struct table *table, const struct channel *channel)
{
    uint32_t pid = channel->stats.receiver_pid;
    struct process_info info;
    if (pid == 0) {
        table_cell(table, "-");
        return;
    }
    process_look(pid, channel, &info);
    if (info.sight == PROCESS_UNSEEN)
        table_cell(table, "%" PRIu32, pid);
    else
        table_cell(table, "%" PRIu32 " (%s%s)", pid, info.command,
                   info.sight == PROCESS_SEEN ? "" : "?");
}

static void add_channel(struct table *table, const struct channel *channel)
{
    const mpsc_stats *stats = &channel->stats;
    char age[DURATION_SIZE];
    text_age(channel->created, age);
    table_cell(table, "%s", channel->name);
    table_cell(table, "%s", channel_kind(channel));
    add_bound(table, stats);
    table_cell(table, "%" PRIu64, stats->sent);
    table_cell(table, "%" PRIu32, stats->senders);
    add_receiver(table, channel);
    table_cell(table, "%s", age);
    table_cell(table, "%s", channel_state_name(channel->state));
}

/* One of which nothing is known but its name. */
static void add_unknown(struct table *table, const struct channel *channel)
{
    table_cell(table, "%s", channel->name);
    for (int i = 2; i < COLUMNS; i++)
        table_cell(table, "-");
    table_cell(table, "%s", channel_state_name(channel->state));
}

/* What was found. */
struct found {
    struct table table;
    size_t denied;
    bool trouble;
};

static void add(struct found *found, const char *name)
{
    struct channel channel;
    channel_look(name, &channel);
    switch (channel.state) {
    case CHANNEL_OK:
    case CHANNEL_IDLE:
    case CHANNEL_ORPHANED:
        if (channel.stats.linked) /* its last user may have removed it just now */
            add_channel(&found->table, &channel);
        break;
    case CHANNEL_TROUBLE:
        complain("cannot look at '%s': %s", channel.name, channel_trouble(&channel));
        found->trouble = true;
        add_unknown(&found->table, &channel);
        break;
    case CHANNEL_DAMAGED:
    case CHANNEL_FOREIGN:
        add_unknown(&found->table, &channel);
        break;
    case CHANNEL_DENIED:
        found->denied++;
        break;
    case CHANNEL_NONE:
    case CHANNEL_OTHER:
        break;
    }
    channel_free(&channel);
}

int list_command(char **operands)
{
    struct found found = {.table = {.columns = columns, .width = COLUMNS}};
    char **names;
    size_t count;
    (void)operands;
    if (!channel_names(&names, &count)) {
        complain("cannot read %s, where channels are: %s", CHANNEL_FOLDER, strerror(errno));
        return TROUBLE;
    }
    for (size_t i = 0; i < count; i++)
        add(&found, names[i]);
    channel_names_free(names, count);
    if (found.table.used > 0)
        table_print(&found.table);
    else
        complain("there is no channel that has a name");
    table_free(&found.table);
    if (found.denied > 0)
        complain(
            "%zu file%s in %s may not be read by this user: channels among them are not listed",
            found.denied, found.denied == 1 ? "" : "s", CHANNEL_FOLDER);
    return found.trouble ? TROUBLE : FINE;
}
