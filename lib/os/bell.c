/* SPDX-License-Identifier: MIT */
/*
 * A bell: a descriptor that is readable once somebody rang at an object in /dev/shm, or let go of it.
 *
 * Ringing is a change of the object that leaves it as it was: memory is taken from a page that has
 * none. It needs the mapping alone, no descriptor that could have become a stranger's, and costs a
 * system call. What makes it readable is inotify, which knows the object whether it has a name or not, but
 * forgets it when it loses its last name (and says so: IN_IGNORED). IN_CLOSE_WRITE comes when the last mapping and descriptor of an opening are gone, so also when a process
 * is killed. Both, and an alarm, stand behind an epoll descriptor: the one that is given to others.
 */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* What epoll says of each. */
static uint64_t says_rung(const struct os_bell *bell)
{
    return 2 * bell->mark;
}

static uint64_t says_alarm(const struct os_bell *bell)
{
    return 2 * bell->mark + 1;
}

static int add(const struct os_bell *bell, int fd, uint64_t says)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = says};
    if (epoll_ctl(bell->pollable, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    return errno == ENOSPC ? -EMFILE : -errno; /* it means a limit, not memory */
}

static int open_all(struct os_bell *bell)
{
    bell->pollable = os_above_standard(epoll_create1(EPOLL_CLOEXEC));
    if (bell->pollable < 0)
        return bell->pollable;
    bell->rung = os_above_standard(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (bell->rung < 0)
        return bell->rung;
    bell->alarm = os_above_standard(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (bell->alarm < 0)
        return bell->alarm;
    bell->mark = os_now();
    int error = add(bell, bell->rung, says_rung(bell));
    return error ? error : add(bell, bell->alarm, says_alarm(bell));
}

int os_bell_open(struct os_bell *bell)
{
    struct os_bell made = OS_NO_BELL;
    int error = open_all(&made);
    if (error)
        os_bell_close(&made);
    else
        *bell = made;
    return error;
}

void os_bell_close(struct os_bell *bell)
{
    os_close(bell->pollable);
    os_close(bell->rung);
    os_close(bell->alarm);
}

void os_bell_replace(struct os_bell *bell, const struct os_bell *other)
{
    os_close(bell->rung);
    os_close(bell->alarm);
    syscall(SYS_dup3, other->pollable, bell->pollable, O_CLOEXEC);
    os_close(other->pollable);
    bell->rung = other->rung;
    bell->alarm = other->alarm;
    bell->mark = other->mark;
}

int os_bell_listen(const struct os_bell *bell, int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int watch = inotify_add_watch(bell->rung, path, IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB);
    if (watch >= 0)
        return watch;
    switch (errno) {
    case ENOENT: /* without /proc it is not the object that is missing */
        return -EBADF;
    case ENOSPC: /* a limit as well */
        return -EMFILE;
    default:
        return -errno;
    }
}

void os_bell_ignore(const struct os_bell *bell, int watch)
{
    inotify_rm_watch(bell->rung, watch);
}

/* Not the C library's read, which is a cancellation point. */
static long read_all(int fd, void *buffer, size_t size)
{
    return syscall(SYS_read, fd, buffer, size);
}

/* One line of what /proc tells of an epoll descriptor: "tfd: FD events: MASK data: WORD ...". */
static bool has_entry(const char *text, int fd, uint64_t says)
{
    int number;
    unsigned events;
    unsigned long long data;
    for (const char *line = strstr(text, "tfd:"); line; line = strstr(line + 1, "tfd:"))
        if (sscanf(line, "tfd: %d events: %x data: %llx", &number, &events, &data) == 3 &&
            number == fd && data == says)
            return true;
    return false;
}

int os_bell_ours(const struct os_bell *bell)
{
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", bell->pollable);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    long size = read_all(fd, text, sizeof text - 1);
    os_close(fd);
    text[size > 0 ? size : 0] = '\0';
    return has_entry(text, bell->rung, says_rung(bell)) &&
           has_entry(text, bell->alarm, says_alarm(bell));
}

static unsigned news_of(uint32_t event)
{
    if (event & IN_Q_OVERFLOW) /* those that were lost may have been of any kind */
        return OS_BELL_RANG | OS_BELL_LEFT | OS_BELL_DEAF;
    if (event & IN_IGNORED)
        return OS_BELL_DEAF;
    if (event & IN_ATTRIB)
        return OS_BELL_CHANGED;
    return event & IN_CLOSE_WRITE ? OS_BELL_LEFT : OS_BELL_RANG;
}

/* Equal events in a row are one, so there are few. */
static unsigned read_rung(const struct os_bell *bell)
{
    _Alignas(struct inotify_event) char buffer[4096];
    unsigned news = 0;
    long size;
    while ((size = read_all(bell->rung, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < size;) {
            struct inotify_event event;
            memcpy(&event, buffer + at, sizeof event);
            news |= news_of(event.mask);
            at += (long)(sizeof event + event.len);
        }
    return news;
}

static unsigned read_alarm(const struct os_bell *bell)
{
    uint64_t times;
    return read_all(bell->alarm, &times, sizeof times) > 0 ? OS_BELL_ALARM : 0;
}

unsigned os_bell_take(const struct os_bell *bell)
{
    struct epoll_event events[2];
    unsigned news = 0;
    /* Whoever closed all descriptors has perhaps opened others: only ours say what ours say. */
    int count = (int)syscall(SYS_epoll_pwait, bell->pollable, events, 2, 0, NULL, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == says_rung(bell))
            news |= read_rung(bell);
        else if (events[i].data.u64 == says_alarm(bell))
            news |= read_alarm(bell);
    }
    return news;
}

void os_bell_alarm(const struct os_bell *bell, uint64_t nanoseconds)
{
    struct itimerspec time = {
        .it_value = {.tv_sec = (time_t)(nanoseconds / 1000000000u),
                     .tv_nsec = (long)(nanoseconds % 1000000000u)},
    };
    timerfd_settime(bell->alarm, 0, &time, NULL);
}

bool os_bell_ring(void *page)
{
    size_t size = os_page_size();
    if (madvise(page, size, MADV_REMOVE) == 0)
        return true;
    /* Of memory that is locked nothing is taken; this page is nothing that must be in memory. */
    return errno == EINVAL && munlock(page, size) == 0 && madvise(page, size, MADV_REMOVE) == 0;
}

int os_bell_wait(const struct os_bell *bell, uint64_t deadline, const struct os_signals *signals)
{
    struct pollfd pollable = {.fd = bell->pollable, .events = POLLIN};
    uint64_t now = os_now();
    uint64_t left = deadline > now ? deadline - now : 0;
    struct timespec time = {
        .tv_sec = (time_t)(left / 1000000000u),
        .tv_nsec = (long)(left % 1000000000u),
    };
    /* Not the C library's ppoll, which is a cancellation point. */
    long result = syscall(SYS_ppoll, &pollable, 1, &time, signals->mask, (size_t)(_NSIG / 8));
    if (result < 0)
        return -errno;
    if (pollable.revents & POLLNVAL)
        return -EBADF;
    return result == 0 ? -ETIMEDOUT : 0;
}
