/* SPDX-License-Identifier: MIT */
#include "census.h"
#include "text.h"
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_trouble(const struct census *census, const char *name)
{
    for (size_t i = 0; i < census->count; i++)
        if (census->channels[i].state == CHANNEL_TROUBLE &&
            strcmp(census->channels[i].name, name) == 0)
            return true;
    return false;
}

/* Does it go into the census? */
static bool counts(struct census *census, const struct place *place, const struct channel *channel)
{
    switch (channel->state) {
    case CHANNEL_TROUBLE:
        census->trouble = true;
        return true;
    case CHANNEL_DENIED:
        census->denied += place->named;
        return false;
    case CHANNEL_NONE:
    case CHANNEL_OTHER:
        return false;
    default:
        return true;
    }
}

/* One that was found by its name, which its last user has removed just now. */
static bool has_gone(const struct channel *channel, const struct place *place)
{
    return place->named && channel_is_open(channel) && !channel->stats.linked;
}

static void complain_of_new(const struct census *before, const struct census *census)
{
    for (size_t i = 0; i < census->count; i++) {
        const struct channel *channel = &census->channels[i];
        if (channel->state == CHANNEL_TROUBLE && !has_trouble(before, channel->name))
            complain("cannot look at '%s': %s", channel->name, channel_trouble(channel));
    }
}

bool census_take(const struct census *before, struct census *census)
{
    struct places places;
    *census = (struct census){0};
    if (!places_find(&places, &census->hidden)) {
        complain("cannot read %s, where channels are: %s", CHANNEL_FOLDER, strerror(errno));
        return false;
    }
    census->incomplete = places.incomplete;
    census->channels = text_room(places.count, sizeof *census->channels);
    for (size_t i = 0; i < places.count; i++) {
        struct channel *channel = &census->channels[census->count];
        channel_look(&places.places[i], channel);
        if (counts(census, &places.places[i], channel) && !has_gone(channel, &places.places[i]))
            census->count++;
        else
            channel_free(channel);
    }
    places_free(&places);
    complain_of_new(before, census);
    return true;
}

static void look_at(char **names, struct census *census)
{
    size_t count = 0;
    while (names[count])
        count++;
    *census = (struct census){.channels = text_room(count, sizeof *census->channels)};
    for (size_t i = 0; i < count; i++) {
        struct place place;
        if (channel_place(names[i], &place))
            channel_look(&place, &census->channels[census->count++]);
        else
            census->trouble = true;
    }
}

bool census_of(char **names, struct census *census)
{
    if (!names[0])
        return census_take(&(struct census){0}, census);
    look_at(names, census);
    return true;
}

static const struct channel *same(const struct census *census, const struct channel *channel,
                                  size_t guess)
{
    /* Mostly there has come none and gone none. */
    for (size_t i = 0; i < census->count; i++) {
        const struct channel *one = &census->channels[(guess + i) % census->count];
        if (one->device == channel->device && one->inode == channel->inode &&
            one->created == channel->created && channel_is_open(one))
            return one;
    }
    return NULL;
}

void census_compare(struct census *before, struct census *after)
{
    for (size_t i = 0; i < after->count; i++) {
        struct channel *channel = &after->channels[i];
        char text[VERDICT_SIZE];
        if (!channel_is_open(channel))
            continue;
        const struct channel *earlier = same(before, channel, i);
        if (earlier)
            channel_compare(earlier, channel);
        verdict_reach(channel, text);
    }
    census_free(before);
}

bool census_watch(uint64_t nanoseconds, struct census *census)
{
    struct census before = {0};
    if (nanoseconds > 0) {
        if (!census_take(&(struct census){0}, &before))
            return false;
        channel_pause(nanoseconds);
    }
    if (!census_take(&before, census)) {
        census_free(&before);
        return false;
    }
    census->trouble = census->trouble || before.trouble;
    census_compare(&before, census);
    return true;
}

void census_free(struct census *census)
{
    for (size_t i = 0; i < census->count; i++)
        channel_free(&census->channels[i]);
    free(census->channels);
    census->channels = NULL;
    census->count = 0;
}

void census_caveat_of_names(const struct census *census)
{
    if (census->denied > 0)
        complain(
            "%zu file%s in %s may not be read by this user: channels among them are not listed",
            census->denied, census->denied == 1 ? "" : "s", CHANNEL_FOLDER);
}

void census_caveats(const struct census *census)
{
    census_caveat_of_names(census);
    if (census->hidden > 0)
        complain("%u process%s may not be looked into by this user: channels without a name that "
                 "only they have are not listed",
                 census->hidden, census->hidden == 1 ? "" : "es");
    if (census->incomplete)
        complain("this may be incomplete: what processes have mapped could not all be read, so "
                 "channels without a name may be missing");
}
