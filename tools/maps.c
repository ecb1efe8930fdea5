/* SPDX-License-Identifier: MIT */
#include "maps.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 1000 }; /* milliseconds without a word */

/* What the child finds: less than PIPE_BUF, so it comes whole. The last has no path: that was all. */
struct mapped {
    uint64_t device, inode;
    char path[96];
};

static void tell(const char *path, uint64_t device, uint64_t inode, void *context)
{
    struct mapped mapped = {.device = device, .inode = inode};
    const int *to = context;
    snprintf(mapped.path, sizeof mapped.path, "%s", path);
    if (write(*to, &mapped, sizeof mapped) != sizeof mapped)
        _exit(1);
}

static bool next(int from, struct mapped *mapped)
{
    struct pollfd wait = {.fd = from, .events = POLLIN};
    return poll(&wait, 1, PATIENCE) == 1 && read(from, mapped, sizeof *mapped) == sizeof *mapped;
}

bool maps_files(process_visit visit, void *context)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    fflush(NULL); /* nothing of ours is to be printed twice */
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        process_entries("map_files", tell, &ends[1]);
        tell("", 0, 0, &ends[1]);
        _exit(0);
    }
    close(ends[1]);
    struct mapped mapped;
    bool told;
    while ((told = child > 0 && next(ends[0], &mapped)) && mapped.path[0])
        visit(mapped.path, mapped.device, mapped.inode, context);
    close(ends[0]);
    if (child > 0) {
        kill(child, SIGKILL);
        /* One that cannot even be killed is not waited for. */
        for (int i = 0; i < 100 && waitpid(child, NULL, WNOHANG) == 0; i++)
            usleep(1000);
    }
    return told;
}
