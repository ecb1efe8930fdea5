/* SPDX-License-Identifier: MIT */
/* mpsc-inspect check [NAME...]: is a channel sound? */
#include "census.h"
#include "findings.h"

struct checks {
    struct findings findings;
    bool damaged, trouble;
};

/* What is wrong with what is queued; NULL: nothing. Not part of each look: it may be much. */
static const char *queue_is_broken(const struct channel *seen)
{
    struct place place;
    struct channel channel;
    struct view view;
    if (!place_find(seen->name, &place) || !channel_view(&place, &channel, &view))
        return NULL; /* it has just gone, or changed */
    const char *broken = view_check_messages(&view);
    view_close(&view);
    channel_free(&channel);
    return broken;
}

static void check(struct checks *checks, const struct channel *channel)
{
    const char *why = channel_why(channel);
    bool damaged = channel->state == CHANNEL_DAMAGED, sound = channel_is_open(channel);
    if (sound && (why = queue_is_broken(channel)))
        damaged = true;
    checks->damaged = checks->damaged || damaged;
    checks->trouble = checks->trouble || !(damaged || sound);
    findings_add(&checks->findings, (struct finding){
                                        .name = channel->name,
                                        .result = damaged ? "damaged"
                                                  : sound ? "sound"
                                                          : "unknown",
                                        .why = why,
                                        .colour = why ? BAD : GOOD,
                                    });
}

int check_command(const struct arguments *arguments)
{
    struct census census;
    if (!census_of(arguments->operands, &census))
        return TROUBLE;
    struct checks checks = {findings_begin(census.count), .trouble = census.trouble};
    for (size_t i = 0; i < census.count; i++)
        check(&checks, &census.channels[i]);
    if (!findings_print(&checks.findings, arguments->json))
        checks.trouble = true;
    findings_free(&checks.findings);
    census_caveats(&census);
    census_free(&census);
    return checks.damaged ? NOT_SOUND : checks.trouble ? TROUBLE : FINE;
}
