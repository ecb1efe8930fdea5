/* SPDX-License-Identifier: MIT */
#include "cat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *words(mpsc_status status)
{
    return status == MPSC_OS ? strerror(errno) : mpsc_strstatus(status);
}

static const char *file_of(const char *name)
{
    return name + (*name == '/');
}

/* What is there, and so not as the options want it. */
static void tell_difference(const char *name)
{
    mpsc_stats stats;
    char bound[32] = "unbounded";
    mpsc_status status = mpsc_stat(name, &stats);
    if (status == MPSC_MISMATCH) {
        complain("the channel '%s' is of another version of libmpsc; end the programs that use it, "
                 "or remove /dev/shm/%s",
                 name, file_of(name));
        return;
    }
    if (status != MPSC_OK) {
        complain("the channel '%s' differed from the options, and has changed since; try again",
                 name);
        return;
    }
    if (stats.bound != UINT64_MAX)
        snprintf(bound, sizeof bound, "of bound %" PRIu64, stats.bound);
    complain("the channel '%s' is there already, and differs: it is %s, for messages of %" PRIu64
             " bytes, and %s; leave those options out to use it as it is; if it was copied "
             "or renamed, remove /dev/shm/%s",
             name, bound, stats.message_size, stats.durable ? "durable" : "not durable",
             file_of(name));
}

static void tell_receiver(const char *name)
{
    mpsc_stats stats;
    if (mpsc_stat(name, &stats) == MPSC_OK && stats.receiver_pid)
        complain("the channel '%s' has a receiver already, process %" PRIu32, name,
                 stats.receiver_pid);
    else
        complain("the channel '%s' has a receiver already", name);
}

int channel_not_opened(const struct settings *settings, mpsc_status status)
{
    const char *name = settings->name;
    switch (status) {
    case MPSC_MISMATCH:
        tell_difference(name);
        break;
    case MPSC_BUSY:
        tell_receiver(name);
        break;
    case MPSC_INVALID:
        complain("'%s' is no name of a channel, or --durable goes with --bound 0: a name has up to "
                 "%d bytes and no slash, and a rendezvous cannot be durable",
                 name, MPSC_MAX_NAME);
        return MISUSED;
    case MPSC_CORRUPT:
        complain("'%s' is not a channel, or a damaged one; if nobody needs it, remove "
                 "/dev/shm/%s",
                 name, file_of(name));
        break;
    case MPSC_DENIED:
        complain(
            "no permission for the channel '%s': see the owner and the mode of /dev/shm/%s; or "
            "it is one of pointers, of another process, or /proc is not mounted",
            name, file_of(name));
        break;
    default:
        complain("cannot open the channel '%s': %s", name, words(status));
    }
    return FAILED;
}

int channel_failed(const struct settings *settings, mpsc_status status)
{
    switch (status) {
    case MPSC_DISCONNECTED:
        complain("no receiver of the channel '%s' is left", settings->name);
        break;
    case MPSC_NO_SPACE:
        complain("the channel '%s' cannot grow: /dev/shm is full, or the channel at its limit",
                 settings->name);
        break;
    default:
        complain("the channel '%s' failed: %s", settings->name, words(status));
    }
    return FAILED;
}
