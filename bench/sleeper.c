/* SPDX-License-Identifier: MIT */
#include "sleeper.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t sleeper_self(void)
{
    return (pid_t)syscall(SYS_gettid);
}

/* The letter behind the name in brackets, of /proc/PID/stat. */
static char state_of(pid_t sleeper)
{
    char path[32], text[128];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)sleeper);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd == -1 ? -1 : read(fd, text, sizeof text - 1);
    if (length == -1)
        fail("look whether a process sleeps", strerror(errno));
    close(fd);
    text[length] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' ? end[2] : '?';
}

void sleeper_wait(pid_t sleeper)
{
    const double deadline = program_now() + 30;
    while (state_of(sleeper) != 'S') {
        if (program_now() > deadline)
            fail("wait until a process sleeps", "it goes on running");
        sched_yield();
    }
}
