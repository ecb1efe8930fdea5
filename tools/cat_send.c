/* SPDX-License-Identifier: MIT */
#include "cat.h"

#include <inttypes.h>
#include <unistd.h>

struct sending {
    const struct settings *settings;
    mpsc_sender *tx;
    struct input input;
    struct progress progress;
};

/* The result of a call that a signal ended: FINE, and it goes on, if that was the clock's tick. */
static int interrupted(const struct sending *sending)
{
    progress_tell(&sending->progress);
    return signals_caught() ? SIGNALLED + signals_caught() : FINE;
}

/* ---- one message */

static int not_sent(const struct sending *sending, mpsc_status status, size_t length)
{
    const struct settings *settings = sending->settings;
    uint64_t number = sending->progress.messages + 1;
    const char *noun = settings_noun(settings, 1);
    switch (status) {
    case MPSC_TOO_BIG:
        complain("%s %" PRIu64 " has %zu bytes, more than the channel '%s' ever has room for: it "
                 "and what is behind it was not sent; a channel of a larger --message-size or "
                 "--bound has room",
                 noun, number, length, settings->name);
        return FAILED;
    case MPSC_TIMEOUT:
        complain("no room for %s %" PRIu64 " within the time: it and what is behind it was not "
                 "sent",
                 noun, number);
        return TIMED_OUT;
    default:
        complain("%s %" PRIu64 " and what is behind it was not sent", noun, number);
        return channel_failed(settings, status);
    }
}

static int send_one(struct sending *sending, const char *message, size_t length)
{
    uint64_t deadline = clock_deadline(sending->settings->timeout);
    mpsc_status status;
    int result = FINE;
    do
        status = mpsc_send_timeout(sending->tx, message, length, clock_slice(deadline));
    while (clock_goes_on(status, deadline) && (result = interrupted(sending)) == FINE);
    if (result != FINE)
        return result;
    if (status != MPSC_OK)
        return not_sent(sending, status, length);
    progress_add(&sending->progress, length);
    return FINE;
}

static int send_all(struct sending *sending)
{
    int result = FINE;
    while (result == FINE && !signals_caught()) {
        const char *message;
        size_t length;
        switch (input_next(&sending->input, &message, &length)) {
        case INPUT_MESSAGE:
            result = send_one(sending, message, length);
            break;
        case INPUT_INTERRUPTED:
            result = interrupted(sending);
            break;
        case INPUT_END:
            return FINE;
        case INPUT_FAILED:
            return FAILED;
        }
    }
    return result != FINE ? result : interrupted(sending);
}

/* ---- the end */

/* Ours are among those that wait in the channel. */
static void tell_loss(const struct sending *sending)
{
    const struct settings *settings = sending->settings;
    uint64_t sent = sending->progress.messages;
    mpsc_stats stats;
    if (mpsc_stat(settings->name, &stats) == MPSC_OK && stats.linked && stats.queued < sent)
        sent = stats.queued;
    if (sent > 0)
        complain("up to %" PRIu64 " of the %" PRIu64 " %s that were sent have not been taken: they "
                 "are lost unless a process that has the channel '%s' open receives them",
                 sent, sending->progress.messages,
                 settings_noun(settings, sending->progress.messages), settings->name);
}

static bool outlives_us(const struct sending *sending)
{
    mpsc_stats stats;
    return mpsc_stat(sending->settings->name, &stats) == MPSC_OK && stats.durable;
}

/* What is queued in a scoped channel ends with its last handle, which ours may be. */
static int wait_until_taken(struct sending *sending)
{
    uint64_t deadline = clock_deadline(sending->settings->timeout);
    mpsc_status status;
    int result = FINE;
    do
        status = mpsc_flush(sending->tx, clock_slice(deadline));
    while (clock_goes_on(status, deadline) && (result = interrupted(sending)) == FINE);
    if (result != FINE)
        return result;
    if (status == MPSC_TIMEOUT) {
        complain("not all was taken within the time");
        return TIMED_OUT;
    }
    return status == MPSC_OK ? FINE : channel_failed(sending->settings, status);
}

/* The first thing that went wrong is the exit status. */
static int finish(struct sending *sending, int result)
{
    if (!outlives_us(sending)) {
        int taken = result > SIGNALLED ? result : wait_until_taken(sending);
        if (taken != FINE)
            tell_loss(sending);
        if (result == FINE)
            result = taken;
    }
    if (result > SIGNALLED)
        complain("ended by a signal, after %" PRIu64 " %s", sending->progress.messages,
                 settings_noun(sending->settings, sending->progress.messages));
    progress_finish(&sending->progress);
    return result;
}

int send_input(const struct settings *settings)
{
    struct sending sending = {.settings = settings,
                              .input = {.fd = STDIN_FILENO, .format = settings->format}};
    mpsc_status status = mpsc_open_sender(settings->name, &settings->options, &sending.tx);
    if (status != MPSC_OK)
        return channel_not_opened(settings, status);
    progress_start(&sending.progress, settings);
    int result = finish(&sending, send_all(&sending));
    mpsc_sender_close(sending.tx);
    input_free(&sending.input);
    return result;
}
