/* SPDX-License-Identifier: MIT */
#include "cat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct receiving {
    const struct settings *settings;
    mpsc_receiver *rx;
    bool rendezvous;
    char *taken; /* from there, a copy */
    bool ended;  /* all senders are gone, and nothing is queued */
    struct output output;
    struct progress progress;
};

/* ---- writing */

/* A signal, or an error that is told. */
static int not_written(struct receiving *receiving)
{
    struct output *output = &receiving->output;
    int error = errno;
    if (output->held > 0)
        complain("up to %" PRIu64 " %s that lay in the buffer are lost", output->held,
                 settings_noun(receiving->settings, output->held));
    output->used = output->held = 0;
    if (signals_caught())
        return SIGNALLED + signals_caught();
    complain("cannot write: %s", strerror(error));
    return FAILED;
}

/* Taken from the channel only when it was written: else it stays there. */
static int write_and_take(struct receiving *receiving, const void *message, size_t length)
{
    if (!output_message(&receiving->output, message, length))
        return not_written(receiving);
    mpsc_status status = mpsc_release(receiving->rx, message);
    if (status != MPSC_OK)
        return channel_failed(receiving->settings, status);
    progress_add(&receiving->progress, length);
    return FINE;
}

/* At a rendezvous it is the other way round: its sender waits for that alone, and gives up a message that is
 * not taken in its time, to send it again. */
static int take_and_write(struct receiving *receiving, const void *message, size_t length)
{
    char *taken = realloc(receiving->taken, length + 1);
    if (!taken)
        return channel_failed(receiving->settings, MPSC_NO_MEMORY);
    receiving->taken = taken;
    memcpy(taken, message, length);
    mpsc_status status = mpsc_release(receiving->rx, message);
    if (status == MPSC_EMPTY)
        return FINE; /* it was given up */
    if (status != MPSC_OK)
        return channel_failed(receiving->settings, status);
    progress_add(&receiving->progress, length);
    if (output_message(&receiving->output, taken, length))
        return FINE;
    int error = errno;
    complain("the last %s was taken, and is lost", settings_noun(receiving->settings, 1));
    errno = error;
    return not_written(receiving);
}

static int pass_on(struct receiving *receiving, const void *message, size_t length)
{
    return receiving->rendezvous ? take_and_write(receiving, message, length)
                                 : write_and_take(receiving, message, length);
}

/* ---- waiting */

/* MPSC_OK: a message is there. */
static mpsc_status await(struct receiving *receiving, uint64_t deadline)
{
    size_t length;
    mpsc_status status;
    do {
        if (mpsc_peek_timeout(receiving->rx, &length, clock_slice(deadline), &status))
            return MPSC_OK;
        progress_tell(&receiving->progress);
    } while (clock_goes_on(status, deadline) && !signals_caught());
    return signals_caught() ? MPSC_INTERRUPTED : status;
}

/* Is the channel of that name still the one that we receive from? */
static bool has_our_name(const struct settings *settings)
{
    mpsc_stats stats;
    return mpsc_stat(settings->name, &stats) == MPSC_OK && stats.receiver_pid == (uint32_t)getpid();
}

/* All senders are gone, but others may be about to come. With one of our own we wait for them as if
 * nobody had gone, no longer than the time-out says; whoever does not follow has come to the end by then. */
static mpsc_status linger(struct receiving *receiving, uint64_t timed_out)
{
    const struct settings *settings = receiving->settings;
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.create = 0;
    mpsc_sender *own;
    if (settings->linger == 0 || !has_our_name(settings) ||
        mpsc_open_sender(settings->name, &options, &own) != MPSC_OK)
        return MPSC_DISCONNECTED;
    uint64_t deadline = clock_deadline(settings->linger);
    mpsc_status status = await(receiving, timed_out < deadline ? timed_out : deadline);
    mpsc_sender_close(own);
    if (status != MPSC_TIMEOUT || settings->linger == MPSC_FOREVER)
        return status;
    size_t length;
    return mpsc_try_peek(receiving->rx, &length, &status) || status == MPSC_EMPTY ? MPSC_OK
                                                                                  : status;
}

/* There is nothing to receive now, as `status` says. What is written goes out before we wait. */
static int wait_for_more(struct receiving *receiving, mpsc_status status)
{
    if (!output_flush(&receiving->output))
        return not_written(receiving);
    uint64_t deadline = clock_deadline(receiving->settings->timeout);
    if (status == MPSC_EMPTY)
        status = await(receiving, deadline);
    if (status == MPSC_DISCONNECTED)
        status = linger(receiving, deadline);
    switch (status) {
    case MPSC_OK:
        return FINE;
    case MPSC_DISCONNECTED:
        receiving->ended = true;
        return FINE;
    case MPSC_INTERRUPTED:
        return signals_caught() ? SIGNALLED + signals_caught() : FINE;
    case MPSC_TIMEOUT:
        complain("nothing came within the time");
        return TIMED_OUT;
    default:
        return channel_failed(receiving->settings, status);
    }
}

/* ---- the whole */

static int receive_all(struct receiving *receiving)
{
    int result = FINE;
    while (result == FINE && !receiving->ended &&
           receiving->progress.messages < receiving->settings->count) {
        if (signals_caught())
            return SIGNALLED + signals_caught();
        size_t length;
        mpsc_status status;
        const void *message = mpsc_try_peek(receiving->rx, &length, &status);
        result = message ? pass_on(receiving, message, length) : wait_for_more(receiving, status);
    }
    return result;
}

/* The first thing that went wrong is the exit status. */
static int finish(struct receiving *receiving, int result)
{
    int written = FINE;
    if (!output_flush(&receiving->output) || close(receiving->output.fd) != 0)
        written = not_written(receiving);
    if (result == FINE)
        result = written;
    if (result > SIGNALLED)
        complain("ended by a signal, after %" PRIu64 " %s; %zu are left in the channel",
                 receiving->progress.messages,
                 settings_noun(receiving->settings, receiving->progress.messages),
                 mpsc_len(receiving->rx));
    progress_finish(&receiving->progress);
    return result;
}

int receive_output(const struct settings *settings)
{
    static struct receiving receiving; /* its buffer is large */
    receiving.settings = settings;
    receiving.output.fd = STDOUT_FILENO;
    receiving.output.format = settings->format;
    receiving.output.buffered = settings->buffered;
    mpsc_status status = mpsc_open_receiver(settings->name, &settings->options, &receiving.rx);
    if (status != MPSC_OK)
        return channel_not_opened(settings, status);
    receiving.rendezvous = mpsc_capacity(receiving.rx) == 0;
    progress_start(&receiving.progress, settings);
    int result = finish(&receiving, receive_all(&receiving));
    mpsc_receiver_close(receiving.rx);
    free(receiving.taken);
    return result;
}
