/* SPDX-License-Identifier: MIT */
/* mpsc-inspect show NAME: all that is known of one channel. */
#include "handle.h"
#include "inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the channel */

static void add_text(struct table *table, const char *label, const char *text)
{
    table_cell(table, "%s", label);
    table_cell(table, "%s", text);
}

static void add_number(struct table *table, const char *label, uint64_t number, const char *unit)
{
    table_cell(table, "%s", label);
    table_cell(table, "%" PRIu64 "%s%s", number, *unit ? " " : "", unit);
}

static void add_identity(struct table *table, const struct channel *channel)
{
    const mpsc_stats *stats = &channel->stats;
    char age[DURATION_SIZE];
    text_age(channel->created, age);
    add_text(table, "name", channel->name);
    add_text(table, "state", channel_state_name(channel->state));
    add_text(table, "kind", channel_kind(channel));
    add_text(table, "durable", stats->durable ? "yes" : "no");
    add_text(table, "linked", stats->linked ? "yes" : "no (the name was removed)");
    add_text(table, "age", age);
    add_text(table, "type", stats->type_name[0] ? stats->type_name : "-");
    add_number(table, "message size", stats->message_size, "bytes");
    if (stats->bound == UINT64_MAX)
        add_text(table, "bound", "none");
    else
        add_number(table, "bound", stats->bound, "");
    if (stats->max_bytes)
        add_number(table, "max bytes", stats->max_bytes, "");
    else
        add_text(table, "max bytes", "none");
}

static void add_figures(struct table *table, const mpsc_stats *stats)
{
    add_number(table, "queued", stats->queued, "");
    add_number(table, "sent", stats->sent, "");
    add_number(table, "received", stats->received, "");
    add_number(table, "memory", stats->memory, "bytes of " CHANNEL_FOLDER);
    add_number(table, "holes", stats->holes, "(cells that dead senders left, skipped)");
    add_number(table, "repairs", stats->repairs, "(deaths in the midst of a change)");
    add_number(table, "takeovers", stats->takeovers, "(of a dead receiver's seat)");
    add_number(table, "processes", stats->processes, "");
    add_number(table, "senders", stats->senders, "");
    add_number(table, "receivers", stats->receivers, "");
    if (stats->receiver_pid)
        add_number(table, "receiver pid", stats->receiver_pid, "");
    else
        add_text(table, "receiver pid", "-");
}

static void print_channel(const struct channel *channel)
{
    static const struct column columns[] = {{NULL, false}, {NULL, false}};
    struct table table = {.columns = columns, .width = 2};
    add_identity(&table, channel);
    add_figures(&table, &channel->stats);
    table_print(&table);
    table_free(&table);
}

/* ---- its endpoints */

static const struct column endpoint_columns[] = {
    {"END", false},     {"PID", true},     {"COMMAND", false}, {"STATE", false},
    {"MESSAGES", true}, {"BLOCKED", true}, {"SEAT", false},
};

/* What is found out on the way, and explained at the end. */
struct endpoints {
    const struct channel *channel;
    struct table table;
    uint32_t pid; /* the process that was asked about last: */
    struct process_info info;
    bool unseen, unsure;
};

static const char *kind_name(enum owner_kind kind)
{
    switch (kind) {
    case OWNER_SENDER:
        return "sender";
    case OWNER_RECEIVER:
        return "receiver";
    default:
        return "unknown";
    }
}

static const char *life_name(const struct process_info *info)
{
    switch (info->state) {
    case 'T':
        return "stopped";
    case 't':
        return "traced";
    default:
        return "alive";
    }
}

/* Handles of one process mostly stand together. */
static const struct process_info *info_of(struct endpoints *all, uint32_t pid)
{
    if (pid != all->pid || pid == 0) {
        process_look(pid, all->channel, &all->info);
        all->pid = pid;
    }
    return &all->info;
}

/* Its command and state. A dead process' pid may be another's by now. */
static void add_process(struct endpoints *all, struct table *table,
                        const struct view_endpoint *endpoint)
{
    if (!endpoint->alive) {
        table_cell(table, "-");
        table_cell(table, "dead");
        return;
    }
    const struct process_info *info = info_of(all, endpoint->pid);
    const char *doubt = info->sight == PROCESS_UNSURE ? "?" : "";
    if (info->sight == PROCESS_UNSEEN)
        table_cell(table, "not visible");
    else
        table_cell(table, "%s%s", info->command, doubt);
    const char *life = life_name(info);
    table_cell(table, "%s%s", life, strcmp(life, "alive") == 0 ? "" : doubt);
    all->unseen = all->unseen || info->sight == PROCESS_UNSEEN;
    all->unsure = all->unsure || info->sight == PROCESS_UNSURE;
}

static void add_blocked(struct endpoints *all, const struct view_endpoint *endpoint)
{
    char since[DURATION_SIZE] = "-";
    uint64_t now = all->channel->looked;
    if (endpoint->alive && endpoint->blocked_since)
        text_duration(now > endpoint->blocked_since ? now - endpoint->blocked_since : 0, since);
    table_cell(&all->table, "%s", since);
}

static void add_endpoint(struct endpoints *all, const struct view_endpoint *endpoint)
{
    table_cell(&all->table, "%s", kind_name(endpoint->kind));
    table_cell(&all->table, "%" PRIu32, endpoint->pid);
    add_process(all, &all->table, endpoint);
    if (endpoint->messages)
        table_cell(&all->table, "%" PRIu64, endpoint->messages);
    else
        table_cell(&all->table, "never used");
    add_blocked(all, endpoint);
    table_cell(&all->table, endpoint->seated ? "holds it" : "-");
}

/* ---- who holds up others */

/* Those who sleep in a call, on that side. */
static unsigned blocked(const struct channel *channel, enum owner_kind kind)
{
    unsigned count = 0;
    for (size_t i = 0; i < channel->endpoint_count; i++) {
        const struct view_endpoint *endpoint = &channel->endpoints[i];
        count += endpoint->alive && endpoint->kind == kind && endpoint->blocked_since;
    }
    return count;
}

static bool stands_still(struct endpoints *all, uint32_t pid)
{
    const struct process_info *info = info_of(all, pid);
    return info->sight != PROCESS_UNSEEN && strcmp(life_name(info), "alive") != 0;
}

static const struct column holdup_columns[] = {
    {"HELD UP BY", true}, {"COMMAND", false}, {"STATE", false}, {"WHAT", false}, {"WAITING", false},
};

static void add_waiting(struct table *table, const struct channel *channel)
{
    unsigned senders = blocked(channel, OWNER_SENDER);
    const char *receiver = blocked(channel, OWNER_RECEIVER) ? "the receiver" : "";
    if (senders)
        table_cell(table, "%s%s%u sender%s", receiver, *receiver ? ", " : "", senders,
                   senders == 1 ? "" : "s");
    else
        table_cell(table, "%s", *receiver ? receiver : "-");
}

static void add_holdup(struct endpoints *all, struct table *table,
                       const struct view_endpoint *endpoint)
{
    const struct channel *channel = all->channel;
    bool still = stands_still(all, endpoint->pid);
    bool claims = endpoint->claims_next && (still || blocked(channel, OWNER_RECEIVER));
    if (!claims && !(endpoint->seated && still))
        return;
    table_cell(table, "%" PRIu32, endpoint->pid);
    add_process(all, table, endpoint);
    table_cell(table, claims ? "what comes next: claimed, not sent" : "the receiver's seat");
    add_waiting(table, channel);
}

/* What others wait for, as far as that is not for who is just slow. */
static void print_holdups(struct endpoints *all)
{
    const struct channel *channel = all->channel;
    struct table table = {.columns = holdup_columns,
                          .width = sizeof holdup_columns / sizeof holdup_columns[0]};
    for (size_t i = 0; i < channel->endpoint_count; i++)
        if (channel->endpoints[i].alive)
            add_holdup(all, &table, &channel->endpoints[i]);
    if (channel->control_pid && stands_still(all, channel->control_pid)) {
        struct view_endpoint holder = {.pid = channel->control_pid, .alive = true};
        table_cell(&table, "%" PRIu32, holder.pid);
        add_process(all, &table, &holder);
        table_cell(&table, "the tables: a change of who is there");
        table_cell(&table, "who opens, clones, closes or forks");
    }
    if (table.used > 0) {
        putchar('\n');
        table_print(&table);
    }
    table_free(&table);
}

static void print_endpoints(const struct channel *channel)
{
    struct endpoints all = {
        .channel = channel,
        .table = {.columns = endpoint_columns,
                  .width = sizeof endpoint_columns / sizeof endpoint_columns[0]},
    };
    for (size_t i = 0; i < channel->endpoint_count; i++)
        add_endpoint(&all, &channel->endpoints[i]);
    putchar('\n');
    if (channel->endpoint_count == 0)
        puts("No process has an end of it.");
    else
        table_print(&all.table);
    print_holdups(&all);
    if (all.unseen || all.unsure)
        puts("\nA pid is as its process sees itself.");
    if (all.unseen)
        puts("not visible: alive, but no process has that pid here. It is in another pid "
             "namespace,\n"
             "or /proc hides it from this user.");
    if (all.unsure)
        puts("?: the process that has this pid here may be another one: it does not show, to this\n"
             "user, that it has the channel open.");
    table_free(&all.table);
}

/* ---- the command */

static int refuse(const struct channel *channel)
{
    const char *name = channel->name;
    switch (channel->state) {
    case CHANNEL_NONE:
        complain("no channel '%s'; mpsc-inspect list shows those there are", name);
        return NOT_SOUND;
    case CHANNEL_OTHER:
        complain("'%s' in %s is not a channel; mpsc-inspect list shows those there are", name,
                 CHANNEL_FOLDER);
        return NOT_SOUND;
    case CHANNEL_DAMAGED:
        complain("channel '%s' is damaged; mpsc_unlink, or rm %s/%s, clears the way for a new one",
                 name, CHANNEL_FOLDER, name);
        return NOT_SOUND;
    case CHANNEL_FOREIGN:
        complain("channel '%s' has another format than that of version %s; use the mpsc-inspect of "
                 "the programs that opened it",
                 name, mpsc_version());
        return TROUBLE;
    case CHANNEL_DENIED:
        complain("this user may not read channel '%s'; try as its owner, or as root", name);
        return TROUBLE;
    default:
        complain("cannot look at channel '%s': %s", name, channel_trouble(channel));
        return TROUBLE;
    }
}

int show_command(char **operands)
{
    struct channel channel;
    int result = FINE;
    const char *name = handle_name(operands[0]);
    if (!name) {
        complain("'%s' is no name of a channel: 1 to %d bytes, no slash but a leading one",
                 operands[0], MPSC_MAX_NAME);
        return TROUBLE;
    }
    channel_look(name, &channel);
    switch (channel.state) {
    case CHANNEL_OK:
    case CHANNEL_IDLE:
    case CHANNEL_ORPHANED:
        print_channel(&channel);
        print_endpoints(&channel);
        break;
    default:
        result = refuse(&channel);
    }
    channel_free(&channel);
    return result;
}
