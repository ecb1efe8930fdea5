/* SPDX-License-Identifier: MIT */
#include "trend.h"
#include "text.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

struct trend {
    uint64_t device, inode, created;
    unsigned round; /* the last one that it was seen in */
    size_t count;
    double figures[TREND]; /* the newest is the last */
};

void trends_begin(struct trends *trends)
{
    trends->round++;
}

static struct trend *find(struct trends *trends, const struct channel *channel)
{
    for (size_t i = 0; i < trends->count; i++) {
        struct trend *trend = &trends->trends[i];
        if (trend->device == channel->device && trend->inode == channel->inode &&
            trend->created == channel->created)
            return trend;
    }
    if (trends->count == trends->room) {
        size_t room = trends->room ? 2 * trends->room : 16;
        struct trend *larger = realloc(trends->trends, room * sizeof *larger);
        if (!larger)
            no_memory();
        trends->trends = larger;
        trends->room = room;
    }
    struct trend *trend = &trends->trends[trends->count++];
    *trend = (struct trend){channel->device, channel->inode, channel->created, 0, 0, {0}};
    return trend;
}

/* Of its limit where there is one, else of the most there was. */
static double top_of(const struct trend *trend, const struct channel *channel)
{
    double most = channel_fill(channel) < 0 ? 0 : 1;
    for (size_t i = 0; i < trend->count; i++)
        if (trend->figures[i] > most)
            most = trend->figures[i];
    return most;
}

static void draw(const struct trend *trend, double top, char *text)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const plain[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    const char *const *marks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? blocks : plain;
    *text = '\0';
    for (size_t i = 0; i < trend->count; i++) {
        int height = top > 0 ? (int)(trend->figures[i] / top * 7 + 0.5) : 0;
        text = stpcpy(text, marks[height]);
    }
}

void trends_add(struct trends *trends, const struct channel *channel, char text[static TREND_SIZE])
{
    struct trend *trend = find(trends, channel);
    double fill = channel_fill(channel);
    if (trend->round != trends->round) {
        if (trend->count == TREND)
            memmove(trend->figures, trend->figures + 1, --trend->count * sizeof trend->figures[0]);
        trend->figures[trend->count++] = fill < 0 ? (double)channel->stats.queued : fill;
        trend->round = trends->round;
    }
    draw(trend, top_of(trend, channel), text);
}

void trends_end(struct trends *trends)
{
    size_t kept = 0;
    for (size_t i = 0; i < trends->count; i++)
        if (trends->trends[i].round == trends->round)
            trends->trends[kept++] = trends->trends[i];
    trends->count = kept;
}

void trends_free(struct trends *trends)
{
    free(trends->trends);
    *trends = (struct trends){0};
}
