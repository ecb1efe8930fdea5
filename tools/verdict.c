/* SPDX-License-Identifier: MIT */
#include "verdict.h"
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- who sleeps */

uint64_t verdict_blocked(const struct channel *channel, const struct view_endpoint *endpoint)
{
    if (!endpoint->alive || endpoint->blocked_since == 0)
        return 0;
    uint64_t now = channel->looked, since = endpoint->blocked_since;
    return now > since ? now - since : 1;
}

unsigned verdict_sleepers(const struct channel *channel, enum owner_kind kind)
{
    unsigned count = 0;
    for (size_t i = 0; i < channel->endpoint_count; i++)
        count += channel->endpoints[i].kind == kind &&
                 verdict_blocked(channel, &channel->endpoints[i]) > 0;
    return count;
}

/* How long the one that has slept longest has. */
static uint64_t longest(const struct channel *channel, enum owner_kind kind)
{
    uint64_t most = 0;
    for (size_t i = 0; i < channel->endpoint_count; i++) {
        uint64_t slept = verdict_blocked(channel, &channel->endpoints[i]);
        if (channel->endpoints[i].kind == kind && slept > most)
            most = slept;
    }
    return most;
}

static bool is_full(const struct channel *channel)
{
    return channel->stats.bound != UINT64_MAX && channel->cells >= channel->stats.bound;
}

const char *verdict_blocked_on(const struct channel *channel, const struct view_endpoint *endpoint)
{
    if (verdict_blocked(channel, endpoint) == 0)
        return NULL;
    if (endpoint->kind == OWNER_RECEIVER)
        return "a message";
    if (channel->stats.bound == 0)
        return "the receiver";
    bool grows = channel->stats.bound == UINT64_MAX;
    return grows && !channel->control_pid ? "a flush" : "room or a flush";
}

const char *verdict_needs_the_tables(const struct channel *channel)
{
    return channel->stats.bound == UINT64_MAX ? "who opens, clones, closes, forks or makes it grow"
                                              : "who opens, clones, closes or forks";
}

const char *verdict_needs_the_name(const struct channel *channel)
{
    return channel->state == CHANNEL_ORPHANED ? "who opens or unlinks it" : "who unlinks it";
}

uint32_t verdict_remover_pid(const struct channel *channel, unsigned *hidden)
{
    return process_with_lock(channel->device, channel->inode, LOCK_UNLINK, hidden);
}

/* ---- who does nothing */

struct somebody {
    const struct view_endpoint *endpoint;
    struct process_info info;
};

static void look_at(const struct channel *channel, uint32_t pid, struct process_info *info)
{
    process_look(pid, channel->device, channel->inode, info);
}

static bool find(const struct channel *channel, struct somebody *one,
                 bool (*is_it)(const struct view_endpoint *))
{
    *one = (struct somebody){0};
    for (size_t i = 0; i < channel->endpoint_count && !one->endpoint; i++)
        if (channel->endpoints[i].alive && is_it(&channel->endpoints[i]))
            one->endpoint = &channel->endpoints[i];
    if (one->endpoint)
        look_at(channel, one->endpoint->pid, &one->info);
    return one->endpoint;
}

static bool has_the_seat(const struct view_endpoint *endpoint)
{
    return endpoint->seated;
}

static bool has_claimed(const struct view_endpoint *endpoint)
{
    return endpoint->claims_next;
}

/* ---- words */

struct words {
    char *at, *end;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(words->at, (size_t)(words->end - words->at), format, values);
    va_end(values);
    ptrdiff_t left = words->end - words->at - 1;
    words->at += length < 0 ? 0 : length < left ? length : left;
}

static void say_for(struct words *words, uint64_t nanoseconds)
{
    char text[DURATION_SIZE];
    text_duration(nanoseconds, text);
    say(words, " for %s", text);
}

/* "pid 7 (sleep)" */
static void say_who(struct words *words, uint32_t pid, const struct process_info *info)
{
    if (info->sight == PROCESS_UNSEEN)
        say(words, "pid %" PRIu32 " (not visible here)", pid);
    else
        say(words, "pid %" PRIu32 " (%s%s)", pid, info->command,
            info->sight == PROCESS_UNSURE ? "?" : "");
}

static void say_rate(struct words *words, double rate)
{
    char text[DURATION_SIZE];
    text_rate(rate, text);
    say(words, "%s messages/s", text);
}

/* "pid 7 (sleep), about to remove its name, is stopped". True: it stands still. */
static bool say_remover(struct words *words, const struct channel *channel)
{
    struct process_info info;
    unsigned hidden;
    uint32_t pid = verdict_remover_pid(channel, &hidden);
    if (!pid) {
        say(words, "another process%s is about to remove its name",
            hidden ? ", which this user may not look into," : "");
        return false;
    }
    look_at(channel, pid, &info);
    say_who(words, pid, &info);
    say(words, ", about to remove its name, is %s", process_life(&info));
    return process_stands_still(&info);
}

void verdict_remover(const struct channel *channel, char text[static VERDICT_SIZE])
{
    struct words words = {text, text + VERDICT_SIZE};
    say_remover(&words, channel);
}

/* Beside whatever else is up with it. True: that is a stall. */
static bool add_remover(struct words *words, const struct channel *channel)
{
    if (!channel->name_is_held)
        return false;
    say(words, "; %s waits: ", verdict_needs_the_name(channel));
    return say_remover(words, channel);
}

/* ---- the cases, the worst first: each says true if it is the one, and whether that is a stall */

struct case_at_hand {
    const struct channel *channel;
    struct words words;
    bool stalled;
};

static bool tables_are_held(struct case_at_hand *at_hand)
{
    const struct channel *channel = at_hand->channel;
    struct process_info info;
    look_at(channel, channel->control_pid, &info);
    if (!channel->control_pid || !process_stands_still(&info))
        return false;
    say(&at_hand->words, "%s waits: ", verdict_needs_the_tables(channel));
    say_who(&at_hand->words, channel->control_pid, &info);
    say(&at_hand->words, ", in the midst of changing the channel's tables, is %s",
        process_life(&info));
    at_hand->stalled = true;
    return true;
}

static bool next_is_held(struct case_at_hand *at_hand)
{
    const struct channel *channel = at_hand->channel;
    struct somebody holder;
    uint64_t waited = longest(channel, OWNER_RECEIVER);
    if (!find(channel, &holder, has_claimed))
        return false;
    bool still = process_stands_still(&holder.info);
    if (!still && waited < VERDICT_PATIENCE)
        return false;
    say(&at_hand->words, "held up");
    if (waited)
        say_for(&at_hand->words, waited);
    say(&at_hand->words, ": a sender, ");
    say_who(&at_hand->words, holder.endpoint->pid, &holder.info);
    say(&at_hand->words, ", has claimed what comes next and not sent it, and is %s",
        process_life(&holder.info));
    at_hand->stalled = true;
    return true;
}

/* ": the receiver, pid 7 (sleep), is stopped" */
static void say_whose_turn(struct case_at_hand *at_hand, uint64_t waited)
{
    const struct channel *channel = at_hand->channel;
    struct words *words = &at_hand->words;
    struct somebody receiver;
    if (!find(channel, &receiver, has_the_seat)) {
        say(words, channel->stats.receivers ? ": who has a receiver has not received yet"
                                            : ": no process has a receiver");
        at_hand->stalled = waited >= VERDICT_PATIENCE;
        return;
    }
    bool still = process_stands_still(&receiver.info);
    say(words, ": the receiver, ");
    say_who(words, receiver.endpoint->pid, &receiver.info);
    if (still || channel->received_rate <= 0) {
        say(words, ", is %s", process_life(&receiver.info));
        if (!still && channel->received_rate == 0)
            say(words, " and takes none");
        at_hand->stalled = still || waited >= VERDICT_PATIENCE;
    } else {
        say(words, ", takes ");
        say_rate(words, channel->received_rate);
    }
}

static bool senders_sleep(struct case_at_hand *at_hand)
{
    const struct channel *channel = at_hand->channel;
    uint64_t waited = longest(channel, OWNER_SENDER);
    unsigned sleepers = verdict_sleepers(channel, OWNER_SENDER);
    if (sleepers == 0)
        return false;
    if (channel->stats.bound > 0 && is_full(channel)) {
        say(&at_hand->words, "full");
    } else {
        say(&at_hand->words, "%u sender%s", sleepers, sleepers == 1 ? " waits" : "s wait");
        say(&at_hand->words, channel->stats.bound == 0            ? " to hand over a message"
                             : channel->stats.bound == UINT64_MAX ? " until all is taken"
                                                                  : " for room, or until all is "
                                                                    "taken,");
    }
    say_for(&at_hand->words, waited);
    say_whose_turn(at_hand, waited);
    return true;
}

static bool messages_wait(struct case_at_hand *at_hand)
{
    const struct channel *channel = at_hand->channel;
    if (channel->stats.queued == 0 || channel->received_rate > 0)
        return false;
    say(&at_hand->words, "%" PRIu64 " message%s", channel->stats.queued,
        channel->stats.queued == 1 ? " waits" : "s wait");
    say_whose_turn(at_hand, 0);
    return true;
}

static bool receiver_sleeps(struct case_at_hand *at_hand)
{
    const struct channel *channel = at_hand->channel;
    uint64_t waited = longest(channel, OWNER_RECEIVER);
    struct somebody receiver;
    if (waited == 0 || channel->stats.queued > 0 || !find(channel, &receiver, has_the_seat))
        return false;
    say(&at_hand->words, "empty: the receiver, ");
    say_who(&at_hand->words, receiver.endpoint->pid, &receiver.info);
    say(&at_hand->words, ", has waited");
    say_for(&at_hand->words, waited);
    if (channel->stats.senders == 0)
        say(&at_hand->words, "; no process has a sender");
    return true;
}

static bool it_moves(struct case_at_hand *at_hand)
{
    const struct channel *channel = at_hand->channel;
    if (channel->sent_rate <= 0 && channel->received_rate <= 0)
        return false;
    say(&at_hand->words, "it moves: ");
    say_rate(&at_hand->words, channel->sent_rate);
    say(&at_hand->words, " sent, ");
    say_rate(&at_hand->words, channel->received_rate);
    say(&at_hand->words, " received");
    return true;
}

static bool at_rest(struct case_at_hand *at_hand)
{
    const struct channel *channel = at_hand->channel;
    struct somebody receiver;
    say(&at_hand->words, "at rest: nothing is queued, and nobody is asleep in a call");
    if (channel->stats.receivers == 0)
        say(&at_hand->words, "; no process has a receiver");
    else if (find(channel, &receiver, has_the_seat) && process_stands_still(&receiver.info))
        say(&at_hand->words, "; the receiver is %s", process_life(&receiver.info));
    return true;
}

static void judge(struct case_at_hand *at_hand)
{
    static bool (*const cases[])(struct case_at_hand *) = {
        tables_are_held, next_is_held, senders_sleep, messages_wait,
        receiver_sleeps, it_moves,     at_rest,
    };
    for (size_t i = 0; !cases[i](at_hand); i++)
        ;
}

void verdict_reach(struct channel *channel, char text[static VERDICT_SIZE])
{
    struct case_at_hand at_hand = {channel, {text, text + VERDICT_SIZE}, false};
    uint64_t queued = channel->stats.queued;
    *text = '\0';
    switch (channel->state) {
    case CHANNEL_OK:
    case CHANNEL_STALLED:
        judge(&at_hand);
        if (add_remover(&at_hand.words, channel))
            at_hand.stalled = true;
        channel->state = at_hand.stalled ? CHANNEL_STALLED : CHANNEL_OK;
        break;
    case CHANNEL_IDLE:
        say(&at_hand.words, "idle: no process has it open; %" PRIu64 " message%s", queued,
            queued == 1 ? " waits for the next receiver" : "s wait for the next receiver");
        add_remover(&at_hand.words, channel);
        break;
    case CHANNEL_ORPHANED:
        say(&at_hand.words,
            "orphaned: all its processes have died, with %" PRIu64 " message%s queued", queued,
            queued == 1 ? "" : "s");
        if (!channel->name_is_held)
            say(&at_hand.words,
                "; the next to open it starts afresh, and mpsc-inspect gc removes it");
        add_remover(&at_hand.words, channel);
        break;
    case CHANNEL_DAMAGED:
        say(&at_hand.words, "damaged: %s", channel->broken);
        break;
    default:
        say(&at_hand.words, "%s", channel_state_name(channel->state));
    }
    text_clean(text);
}
