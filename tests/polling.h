/* SPDX-License-Identifier: MIT */
/* Descriptors that are polled, and a receiver behind one: as an event loop uses them. */
#ifndef POLLING_H
#define POLLING_H

#include "steps.h"
#include "together.h"

#include <poll.h>

/* What a test and its child both have, in memory that they share. */
struct partner {
    struct steps steps;
    atomic_int ready, step;
    const char *name;
    mpsc_sender *tx;
    mpsc_receiver *rx;
    int value;
};

static inline int rx_fd(mpsc_receiver *rx)
{
    int fd = -1;
    assert_status(mpsc_receiver_fd(rx, &fd), MPSC_OK);
    assert_true(fd >= 0);
    return fd;
}

static inline bool readable(int fd)
{
    struct pollfd pollable = {.fd = fd, .events = POLLIN};
    assert_in_range(poll(&pollable, 1, 0), 0, 1);
    return pollable.revents & POLLIN;
}

/* Sleeps until it is; the watchdog knows for how long. */
static inline void wait_readable(int fd)
{
    struct pollfd pollable = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&pollable, 1, -1), 1);
    assert_int_equal(pollable.revents, POLLIN);
}

static inline mpsc_status try_int(mpsc_receiver *rx, int *value)
{
    return mpsc_try_recv(rx, value, sizeof *value, NULL);
}

/* As a loop does: waits, tries, and when there was nothing after all, waits again. */
static inline mpsc_status poll_int(mpsc_receiver *rx, int fd, int *value)
{
    mpsc_status status;
    do {
        wait_readable(fd);
        status = try_int(rx, value);
    } while (status == MPSC_EMPTY);
    return status;
}

static inline void poll_expect(mpsc_receiver *rx, int fd, int expected)
{
    int value = -1;
    assert_status(poll_int(rx, fd, &value), MPSC_OK);
    assert_int_equal(value, expected);
}

static inline void expect_nothing(mpsc_receiver *rx, int fd)
{
    int value;
    assert_status(try_int(rx, &value), MPSC_EMPTY);
    assert_false(readable(fd));
}

#endif
