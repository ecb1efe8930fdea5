/* SPDX-License-Identifier: MIT */
/* Level 7. Words. */
#include <mpsc.h>

const char *mpsc_strstatus(mpsc_status status)
{
    static const char *const words[] = {
        [MPSC_OK] = "success",
        [MPSC_EMPTY] = "no message waits",
        [MPSC_FULL] = "the channel is full",
        [MPSC_TIMEOUT] = "timed out",
        [MPSC_DISCONNECTED] = "the other side has left",
        [MPSC_INTERRUPTED] = "interrupted by a signal handler",
        [MPSC_TOO_BIG] = "the message does not fit",
        [MPSC_BUSY] = "another receiver has the channel",
        [MPSC_NOT_FOUND] = "no such channel",
        [MPSC_EXISTS] = "the channel exists already",
        [MPSC_MISMATCH] = "the channel or the message is of another kind than asked for",
        [MPSC_CORRUPT] = "not a channel, or a damaged one",
        [MPSC_DENIED] = "permission denied",
        [MPSC_NO_SPACE] = "no space left in /dev/shm or in the channel",
        [MPSC_NO_MEMORY] = "out of memory",
        [MPSC_LIMIT] = "too many, or too large, for a channel or for this process",
        [MPSC_INVALID] = "invalid argument",
        [MPSC_OS] = "the system refused; see errno",
    };
    if (status < 0 || status >= (mpsc_status)(sizeof words / sizeof *words))
        return "unknown status";
    return words[status];
}

const char *mpsc_version(void)
{
    return PACKAGE_VERSION;
}
