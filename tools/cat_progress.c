/* SPDX-License-Identifier: MIT */
#include "cat.h"

#include <inttypes.h>
#include <time.h>

enum { SECOND = 1000000000 };

uint64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t clock_deadline(uint64_t timeout)
{
    if (timeout == MPSC_FOREVER)
        return MPSC_FOREVER;
    uint64_t now = clock_now();
    return timeout < MPSC_FOREVER - now ? now + timeout : MPSC_FOREVER;
}

uint64_t clock_slice(uint64_t deadline)
{
    if (deadline == MPSC_FOREVER)
        return SECOND;
    uint64_t now = clock_now();
    if (now >= deadline)
        return 0;
    return deadline - now < SECOND ? deadline - now : SECOND;
}

bool clock_goes_on(mpsc_status status, uint64_t deadline)
{
    if (status == MPSC_TIMEOUT)
        return deadline == MPSC_FOREVER || clock_now() < deadline;
    return status == MPSC_INTERRUPTED;
}

void progress_start(struct progress *progress, const struct settings *settings)
{
    *progress = (struct progress){.settings = settings, .started = clock_now()};
}

static void say(const struct progress *progress)
{
    const struct settings *settings = progress->settings;
    double seconds = (double)(clock_now() - progress->started) / SECOND;
    complain("%s: %" PRIu64 " %s, %" PRIu64 " bytes %s in %.1f s (%.0f/s)", settings->name,
             progress->messages, settings_noun(settings, progress->messages), progress->bytes,
             settings->send ? "sent" : "received", seconds,
             seconds > 0 ? (double)progress->messages / seconds : 0.0);
}

void progress_tell(const struct progress *progress)
{
    if (signals_ticked() && progress->settings->verbose)
        say(progress);
}

void progress_add(struct progress *progress, size_t length)
{
    progress->messages++;
    progress->bytes += length;
    progress_tell(progress);
}

void progress_finish(const struct progress *progress)
{
    if (progress->settings->verbose)
        say(progress);
}
