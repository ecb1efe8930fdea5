/* SPDX-License-Identifier: MIT */
/*
 * mpsc-inspect gc [NAME...]: removes channels whose processes are all gone.
 *
 * It is looked at twice. Who joins a channel finds a living process in it, and then enters itself, all with the
 * control mutex held. So where nobody was seen alive, and then nobody has that mutex or is in the tables, an
 * orphan lets nobody in any more. (A durable channel lets in whoever comes before its name is gone, as with
 * mpsc_unlink.) The name goes as it does in the library: under the inode's lock, and only if it still leads
 * there.
 */
#include "census.h"
#include "findings.h"
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct collection {
    const struct arguments *arguments;
    struct findings findings;
    bool trouble;
    char (*texts)[VERDICT_SIZE]; /* a reason for each finding, if it is not one of those below */
};

/* Why it stays; NULL: it need not. */
static const char *reason_to_stay(const struct channel *channel, bool by_name)
{
    if (channel->state == CHANNEL_DAMAGED)
        return "it is damaged, and who uses it cannot be told; rm removes it";
    if (!channel_is_open(channel))
        return channel_why(channel);
    if (channel->stats.processes > 0 || channel->changes)
        return "it is in use";
    if (!channel->stats.linked || strchr(channel->name, '/'))
        return "it has no name, and goes with its last process";
    if (strcmp(channel->name, channel->called) != 0)
        return "it was made under another name: it is a copy, or was moved; rm removes it";
    if (channel->stats.durable && !by_name)
        return "it is durable; mpsc-inspect gc NAME removes it";
    return NULL;
}

static const char *who_is_at_it(const struct channel *channel, char text[static VERDICT_SIZE])
{
    verdict_remover(channel, text);
    return text;
}

static const char *remove_name(const struct view *view, const struct channel *channel,
                               char text[static VERDICT_SIZE])
{
    int error = segment_remove_name(&view->segment, channel->name, false);
    if (error == 0)
        return NULL;
    return error == -EAGAIN ? who_is_at_it(channel, text) : strerror(-error);
}

/* The second look, and the removal. NULL: it is gone. */
static const char *look_and_remove(const struct channel *seen, bool by_name,
                                   char text[static VERDICT_SIZE])
{
    struct place place;
    struct channel channel;
    struct view view;
    if (!place_find(seen->name, &place) || !channel_view(&place, &channel, &view))
        return "it has just gone, or changed";
    const char *reason = "another has taken its place";
    if (channel.inode == seen->inode && channel.device == seen->device)
        reason = reason_to_stay(&channel, by_name);
    if (!reason)
        reason = remove_name(&view, &channel, text);
    view_close(&view);
    channel_free(&channel);
    return reason;
}

static const char *result_of(const struct collection *collection, const struct channel *channel,
                             bool stays)
{
    if (channel->state == CHANNEL_NONE || channel->state == CHANNEL_OTHER)
        return "unknown"; /* there is nothing to keep */
    return stays ? "kept" : collection->arguments->dry_run ? "would be removed" : "removed";
}

static void collect(struct collection *collection, const struct channel *channel)
{
    const struct arguments *arguments = collection->arguments;
    char *text = collection->texts[collection->findings.count];
    bool by_name = arguments->operands[0];
    const char *reason = reason_to_stay(channel, by_name);
    bool to_be_removed = !reason;
    if (to_be_removed && !arguments->dry_run)
        reason = look_and_remove(channel, by_name, text);
    else if (to_be_removed && channel->name_is_held)
        reason = who_is_at_it(channel, text);
    /* It was asked for, or should have gone. */
    if (reason && (by_name || to_be_removed))
        collection->trouble = true;
    findings_add(
        &collection->findings,
        (struct finding){channel->name, result_of(collection, channel, reason), reason, PLAIN});
}

int gc_command(const struct arguments *arguments)
{
    struct census census;
    if (!census_of(arguments->operands, &census))
        return TROUBLE;
    struct collection collection = {
        arguments,
        findings_begin(census.count),
        census.trouble,
        text_room(census.count, sizeof *collection.texts),
    };
    for (size_t i = 0; i < census.count; i++)
        collect(&collection, &census.channels[i]);
    if (!findings_print(&collection.findings, arguments->json))
        collection.trouble = true;
    findings_free(&collection.findings);
    free(collection.texts);
    census_caveat_of_names(&census); /* what has none cannot be removed */
    census_free(&census);
    return collection.trouble ? TROUBLE : FINE;
}
