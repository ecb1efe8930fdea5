/* SPDX-License-Identifier: MIT */
#include "report.h"

#ifdef HAVE_JANSSON

#include "process.h"
#include "text.h"
#include "verdict.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- values; out of memory is the end */

static json_t *sure(json_t *value)
{
    if (!value)
        no_memory();
    return value;
}

/* The largest that JSON has here instead of a larger one. */
static json_t *number(uint64_t value)
{
    return sure(json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX));
}

static json_t *number_or_null(uint64_t value, bool is_known)
{
    return is_known ? number(value) : json_null();
}

static json_t *real_or_null(double value)
{
    return value < 0 ? json_null() : sure(json_real(value));
}

static json_t *bytes_as_text(const void *bytes, size_t length)
{
    char *text = text_as_utf8(bytes, length);
    json_t *value = sure(json_string(text));
    free(text);
    return value;
}

static json_t *text_or_null(const char *text)
{
    return text && *text ? bytes_as_text(text, strlen(text)) : json_null();
}

/* The value becomes the object's. */
static void put(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0)
        no_memory();
}

static void append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        no_memory();
}

static bool print(json_t *value, size_t flags)
{
    /* Control characters past ASCII are escaped thereby. */
    if (isatty(STDOUT_FILENO))
        flags |= JSON_ENSURE_ASCII;
    bool printed = json_dumpf(value, stdout, flags | JSON_REAL_PRECISION(9)) == 0;
    json_decref(value);
    printed = putchar('\n') != EOF && printed;
    return printed;
}

/* ---- a channel */

static const char *kind(const mpsc_stats *stats)
{
    return stats->bound == 0 ? "rendezvous" : stats->bound == UINT64_MAX ? "unbounded" : "bounded";
}

static void put_identity(json_t *object, const struct channel *channel)
{
    const mpsc_stats *stats = &channel->stats;
    put(object, "created_name", text_or_null(channel->called));
    put(object, "kind", text_or_null(kind(stats)));
    put(object, "durable", json_boolean(stats->durable));
    put(object, "linked", json_boolean(stats->linked));
    put(object, "type_name", text_or_null(stats->type_name));
    put(object, "message_size_bytes", number(stats->message_size));
    put(object, "bound", number_or_null(stats->bound, stats->bound != UINT64_MAX));
    put(object, "max_bytes", number_or_null(stats->max_bytes, stats->max_bytes > 0));
    put(object, "created_seconds", number(channel->created));
    put(object, "device", number(channel->device));
    put(object, "inode", number(channel->inode));
}

static void put_figures(json_t *object, const struct channel *channel)
{
    const mpsc_stats *stats = &channel->stats;
    put(object, "queued", number(stats->queued));
    put(object, "sent_total", number(stats->sent));
    put(object, "received_total", number(stats->received));
    put(object, "sent_per_second", real_or_null(channel->sent_rate));
    put(object, "received_per_second", real_or_null(channel->received_rate));
    put(object, "memory_bytes", number(stats->memory));
    put(object, "holes_total", number(stats->holes));
    put(object, "repairs_total", number(stats->repairs));
    put(object, "takeovers_total", number(stats->takeovers));
    put(object, "processes", number(stats->processes));
    put(object, "senders", number(stats->senders));
    put(object, "receivers", number(stats->receivers));
    put(object, "receiver_pid", number_or_null(stats->receiver_pid, stats->receiver_pid > 0));
    put(object, "control_pid", number_or_null(channel->control_pid, channel->control_pid > 0));
}

static json_t *channel_object(struct channel *channel)
{
    json_t *object = sure(json_object());
    char verdict[VERDICT_SIZE];
    verdict_reach(channel, verdict);
    put(object, "name", bytes_as_text(channel->name, strlen(channel->name)));
    put(object, "state", text_or_null(channel_state_name(channel->state)));
    put(object, "verdict", text_or_null(verdict));
    if (channel_is_open(channel)) {
        put_identity(object, channel);
        put_figures(object, channel);
    }
    return object;
}

static json_t *endpoint_object(const struct channel *channel, const struct view_endpoint *endpoint)
{
    struct process_info info = {.sight = PROCESS_UNSEEN};
    json_t *object = sure(json_object());
    uint64_t blocked = verdict_blocked(channel, endpoint);
    if (endpoint->alive)
        process_look(endpoint->pid, channel->device, channel->inode, &info);
    put(object, "end", text_or_null(endpoint->kind == OWNER_SENDER ? "sender" : "receiver"));
    put(object, "pid", number(endpoint->pid));
    put(object, "command", text_or_null(info.command));
    put(object, "command_is_certain", json_boolean(info.sight == PROCESS_SEEN));
    put(object, "process", text_or_null(endpoint->alive ? process_life(&info) : "dead"));
    put(object, "messages_total", number(endpoint->messages));
    put(object, "blocked_seconds", real_or_null(blocked ? (double)blocked / 1e9 : -1));
    put(object, "blocked_on", text_or_null(verdict_blocked_on(channel, endpoint)));
    put(object, "has_seat", json_boolean(endpoint->seated));
    put(object, "claims_next", json_boolean(endpoint->claims_next));
    return object;
}

bool report_census(const struct census *census)
{
    json_t *all = sure(json_object()), *channels = sure(json_array());
    for (size_t i = 0; i < census->count; i++)
        append(channels, channel_object(&census->channels[i]));
    put(all, "channels", channels);
    put(all, "files_denied", number(census->denied));
    put(all, "processes_hidden", number(census->hidden));
    return print(all, JSON_INDENT(2));
}

bool report_names(const struct census *census)
{
    json_t *all = sure(json_object()), *channels = sure(json_array());
    for (size_t i = 0; i < census->count; i++) {
        const char *name = census->channels[i].name;
        json_t *channel = sure(json_object());
        put(channel, "name", bytes_as_text(name, strlen(name)));
        append(channels, channel);
    }
    put(all, "channels", channels);
    return print(all, JSON_INDENT(2));
}

bool report_channel(struct channel *channel)
{
    json_t *object = channel_object(channel);
    if (channel_is_open(channel)) {
        json_t *endpoints = sure(json_array());
        for (size_t i = 0; i < channel->endpoint_count; i++)
            append(endpoints, endpoint_object(channel, &channel->endpoints[i]));
        put(object, "endpoints", endpoints);
    }
    return print(object, JSON_INDENT(2));
}

/* ---- the rest */

static json_t *hexadecimal(const unsigned char *bytes, size_t size)
{
    char *text = text_room(2 * size + 1, 1);
    for (size_t i = 0; i < size; i++)
        sprintf(text + 2 * i, "%02x", (unsigned)bytes[i]);
    json_t *value = sure(json_string(text));
    free(text);
    return value;
}

static bool is_text(const unsigned char *bytes, size_t size)
{
    const char *text = (const char *)bytes;
    size_t count;
    for (size_t i = 0; i < size; i += count) {
        count = text_utf8(text + i, size - i);
        if (count == 0 || bytes[i] == '\0')
            return false;
    }
    return true;
}

bool report_message(uint64_t length, bool taken, const unsigned char *bytes, size_t size)
{
    json_t *object = sure(json_object());
    put(object, "length_bytes", number(length));
    put(object, "taken", json_boolean(taken));
    put(object, "cut", json_boolean(size < length));
    put(object, "text",
        is_text(bytes, size) ? sure(json_stringn((const char *)bytes, size)) : json_null());
    put(object, "hex", hexadecimal(bytes, size));
    return print(object, JSON_COMPACT) && fflush(stdout) == 0;
}

bool report_findings(const struct finding *findings, size_t count)
{
    json_t *all = sure(json_object()), *channels = sure(json_array());
    for (size_t i = 0; i < count; i++) {
        json_t *object = sure(json_object());
        put(object, "name", bytes_as_text(findings[i].name, strlen(findings[i].name)));
        put(object, "result", text_or_null(findings[i].result));
        put(object, "why", text_or_null(findings[i].why));
        append(channels, object);
    }
    put(all, "channels", channels);
    return print(all, JSON_INDENT(2));
}

#endif
