/* SPDX-License-Identifier: MIT */
/*
 * Descriptors 0 to 2, for the mains of both programs. One that is closed would be the next that open(2) gives:
 * a channel's segment would be standard output, and be written over.
 */
#ifndef MPSC_STANDARD_H
#define MPSC_STANDARD_H

#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* Occupies those that are closed, such that their use still is EBADF. False: it cannot. */
static inline bool standard_occupy(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

#endif
