/* SPDX-License-Identifier: MIT */
/* mpsc-inspect show NAME: all that is known of one channel. */
#include "show.h"
#include "process.h"
#include "report.h"
#include "rows.h"
#include "text.h"
#include "verdict.h"

#include <inttypes.h>
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

static const char *linked(const struct channel *channel)
{
    if (channel->stats.linked)
        return "yes";
    return channel->called[0] ? "no (the name was removed)" : "no (it is private)";
}

static void add_identity(struct table *table, const struct channel *channel)
{
    const mpsc_stats *stats = &channel->stats;
    char age[DURATION_SIZE];
    text_age(channel->created, age);
    add_text(table, "name", channel->name);
    if (channel->called[0] && strcmp(channel->called, channel->name) != 0)
        add_text(table, "made as", channel->called);
    add_text(table, "state", channel_state_name(channel->state));
    table_colour(table, rows_colour(channel));
    add_text(table, "kind", channel_kind(channel));
    add_text(table, "durable", stats->durable ? "yes" : "no");
    add_text(table, "linked", linked(channel));
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

static void add_rates(struct table *table, const struct channel *channel)
{
    char sent[DURATION_SIZE], received[DURATION_SIZE];
    if (channel->sent_rate < 0)
        return;
    text_rate(channel->sent_rate, sent);
    text_rate(channel->received_rate, received);
    table_cell(table, "rate");
    table_cell(table, "%s sent/s, %s received/s", sent, received);
}

static void print_channel(const struct channel *channel, const char *verdict, FILE *out)
{
    static const struct column columns[] = {{NULL, false}, {NULL, false}};
    struct table table = {.columns = columns, .width = 2};
    add_identity(&table, channel);
    add_figures(&table, &channel->stats);
    add_rates(&table, channel);
    table_print(&table, out);
    table_free(&table);
    fprintf(out, "\n%s\n", verdict);
}

/* ---- its endpoints */

static const struct column endpoint_columns[] = {
    {"END", false},     {"PID", true},     {"COMMAND", false}, {"STATE", false},
    {"MESSAGES", true}, {"BLOCKED", true}, {"ON", false},      {"SEAT", false},
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

/* Handles of one process mostly stand together. */
static const struct process_info *info_of(struct endpoints *all, uint32_t pid)
{
    if (pid != all->pid || pid == 0) {
        process_look(pid, all->channel->device, all->channel->inode, &all->info);
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
    const char *life = process_life(info);
    table_cell(table, "%s%s", life, strcmp(life, "alive") == 0 ? "" : doubt);
    all->unseen = all->unseen || info->sight == PROCESS_UNSEEN;
    all->unsure = all->unsure || info->sight == PROCESS_UNSURE;
}

static void add_blocked(struct endpoints *all, const struct view_endpoint *endpoint)
{
    char since[DURATION_SIZE] = "-";
    uint64_t blocked = verdict_blocked(all->channel, endpoint);
    const char *on = verdict_blocked_on(all->channel, endpoint);
    if (blocked)
        text_duration(blocked, since);
    table_cell(&all->table, "%s", since);
    table_cell(&all->table, "%s", on ? on : "-");
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

static bool stands_still(struct endpoints *all, uint32_t pid)
{
    return process_stands_still(info_of(all, pid));
}

static const struct column holdup_columns[] = {
    {"HELD UP BY", true}, {"COMMAND", false}, {"STATE", false}, {"WHAT", false}, {"WAITING", false},
};

static void add_waiting(struct table *table, const struct channel *channel)
{
    unsigned senders = verdict_sleepers(channel, OWNER_SENDER);
    const char *receiver = verdict_sleepers(channel, OWNER_RECEIVER) ? "the receiver" : "";
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
    bool claims = endpoint->claims_next && (still || verdict_sleepers(channel, OWNER_RECEIVER));
    if (!claims && !(endpoint->seated && still))
        return;
    table_cell(table, "%" PRIu32, endpoint->pid);
    add_process(all, table, endpoint);
    table_cell(table, claims ? "what comes next: claimed, not sent" : "the receiver's seat");
    add_waiting(table, channel);
}

/* One who has something that is no endpoint's. */
static void add_stopped(struct endpoints *all, struct table *table, uint32_t pid, const char *what,
                        const char *waiting)
{
    struct view_endpoint holder = {.pid = pid, .alive = true};
    if (!pid || !stands_still(all, pid))
        return;
    table_cell(table, "%" PRIu32, pid);
    add_process(all, table, &holder);
    table_cell(table, "%s", what);
    table_cell(table, "%s", waiting);
}

/* What others wait for, as far as that is not for who is just slow. */
static void print_holdups(struct endpoints *all, FILE *out)
{
    const struct channel *channel = all->channel;
    unsigned hidden;
    struct table table = {.columns = holdup_columns,
                          .width = sizeof holdup_columns / sizeof holdup_columns[0]};
    for (size_t i = 0; i < channel->endpoint_count; i++)
        if (channel->endpoints[i].alive)
            add_holdup(all, &table, &channel->endpoints[i]);
    add_stopped(all, &table, channel->control_pid, "the tables: a change of who is there",
                verdict_needs_the_tables(channel));
    if (channel->name_is_held)
        add_stopped(all, &table, verdict_remover_pid(channel, &hidden),
                    "the name: about to remove it", verdict_needs_the_name(channel));
    if (table.used > 0) {
        putc('\n', out);
        table_print(&table, out);
    }
    table_free(&table);
}

static void print_endpoints(const struct channel *channel, FILE *out)
{
    struct endpoints all = {
        .channel = channel,
        .table = {.columns = endpoint_columns,
                  .width = sizeof endpoint_columns / sizeof endpoint_columns[0]},
    };
    for (size_t i = 0; i < channel->endpoint_count; i++)
        add_endpoint(&all, &channel->endpoints[i]);
    putc('\n', out);
    if (channel->endpoint_count == 0)
        fputs("No process has an end of it.\n", out);
    else
        table_print(&all.table, out);
    print_holdups(&all, out);
    if (all.unseen || all.unsure)
        fputs("\nA pid is as its process sees itself.\n", out);
    if (all.unseen)
        fputs("not visible: alive, but no process has that pid here. It is in another pid "
              "namespace,\n"
              "or /proc hides it from this user.\n",
              out);
    if (all.unsure)
        fputs(
            "?: the process that has this pid here may be another one: it does not show, to this\n"
            "user, that it has the channel open.\n",
            out);
    table_free(&all.table);
}

/* ---- the command */

void show_print(struct channel *channel, FILE *out)
{
    char verdict[VERDICT_SIZE];
    verdict_reach(channel, verdict);
    print_channel(channel, verdict, out);
    print_endpoints(channel, out);
}

bool show_look(struct place *place, uint64_t nanoseconds, struct channel *channel)
{
    struct channel before = {.state = CHANNEL_NONE};
    if (nanoseconds > 0) {
        channel_look(place, &before);
        channel_free(&before);
        if (channel_is_open(&before))
            channel_pause(nanoseconds);
    }
    channel_look(place, channel);
    if (!channel_is_open(channel))
        return false;
    if (channel_is_open(&before) && before.inode == channel->inode)
        channel_compare(&before, channel);
    return true;
}

int show_command(const struct arguments *arguments)
{
    struct place place;
    struct channel channel;
    int result = FINE;
    if (!channel_place(arguments->operands[0], &place))
        return place_name(arguments->operands[0]) ? NOT_SOUND : TROUBLE;
    if (!show_look(&place, arguments->interval, &channel))
        result = channel_refuse(&channel);
    else if (!arguments->json)
        show_print(&channel, stdout);
    else if (!report_channel(&channel))
        result = TROUBLE;
    channel_free(&channel);
    return result;
}
