/* SPDX-License-Identifier: MIT */
/* Workers in namespaces of their own: with a small /dev/shm, or without /proc, or among pids of their
 * own. As root; or in a user namespace, where that is permitted. */
#ifndef NAMESPACE_H
#define NAMESPACE_H

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

/* What a worker returns that may not do what it must. */
enum { NOT_PERMITTED = 77 };

static inline bool namespace_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

/* Moves this process, or its future children, into new namespaces. */
static inline bool namespace_enter(int flags)
{
    char users[64], groups[64];
    snprintf(users, sizeof users, "0 %u 1", (unsigned)geteuid());
    snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getegid());
    if (unshare(flags) == 0)
        return true;
    return errno == EPERM && unshare(CLONE_NEWUSER | flags) == 0 &&
           namespace_write("/proc/self/setgroups", "deny") &&
           namespace_write("/proc/self/uid_map", users) &&
           namespace_write("/proc/self/gid_map", groups);
}

/* The id that the next process or thread of this pid namespace gets, if nobody else is faster. */
static inline bool namespace_next_id(pid_t id)
{
    char text[32];
    snprintf(text, sizeof text, "%d", (int)id - 1);
    return namespace_write("/proc/sys/kernel/ns_last_pid", text);
}

/* A /dev/shm for this process and its children alone; `options` as for mount -o. */
static inline bool namespace_shm(const char *options)
{
    return namespace_enter(CLONE_NEWNS) && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, options) == 0;
}

/* Runs `body` as a worker of its own, and skips the test if that was not permitted. */
static inline void namespace_run(int (*body)(void *), void *argument)
{
    int result = worker_join(worker_start(PROCESSES, body, argument));
    if (result == NOT_PERMITTED)
        harness_skip("namespaces and mounts are not permitted here");
    assert_int_equal(result, 0);
}

#endif
