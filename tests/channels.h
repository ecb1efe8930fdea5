/* SPDX-License-Identifier: MIT */
/* What the tests of channels say often: opening with a size and a bound, numbers and patterns as
 * messages, chance that can be repeated, and flags between a test and its workers. */
#ifndef CHANNELS_H
#define CHANNELS_H

#include "harness.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------ opening */

static inline mpsc_options options_of(size_t message_size, size_t bound)
{
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.message_size = message_size;
    options.bound = bound;
    return options;
}

static inline mpsc_sender *open_tx(const char *name, size_t message_size, size_t bound)
{
    mpsc_options options = options_of(message_size, bound);
    mpsc_sender *tx = NULL;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    assert_non_null(tx);
    return tx;
}

static inline mpsc_receiver *open_rx(const char *name, size_t message_size, size_t bound)
{
    mpsc_options options = options_of(message_size, bound);
    mpsc_receiver *rx = NULL;
    assert_status(mpsc_open_receiver(name, &options, &rx), MPSC_OK);
    assert_non_null(rx);
    return rx;
}

/* Both ends of a channel. */
struct ends {
    mpsc_sender *tx;
    mpsc_receiver *rx;
};

static inline struct ends ends_open(size_t message_size, size_t bound)
{
    struct ends ends = {NULL, NULL};
    if (bound == MPSC_UNBOUNDED)
        assert_status(mpsc_channel(message_size, &ends.tx, &ends.rx), MPSC_OK);
    else
        assert_status(mpsc_sync_channel(message_size, bound, &ends.tx, &ends.rx), MPSC_OK);
    return ends;
}

static inline void ends_close(struct ends ends)
{
    mpsc_sender_close(ends.tx);
    mpsc_receiver_close(ends.rx);
}

static inline bool name_exists(const char *name)
{
    return access(channel_path(name), F_OK) == 0;
}

/* As closefrom() would, but for what the harness has open. */
static inline void close_descriptors_of(const char *name)
{
    struct stat named, file;
    assert_int_equal(stat(channel_path(name), &named), 0);
    for (int fd = 3; fd < 1024; fd++)
        if (fstat(fd, &file) == 0 && file.st_dev == named.st_dev && file.st_ino == named.st_ino)
            close(fd);
}

/* ------------------------------------------------------------------ messages */

static inline void send_number(mpsc_sender *tx, uint64_t number)
{
    assert_status(mpsc_send(tx, &number, sizeof number), MPSC_OK);
}

static inline uint64_t recv_number(mpsc_receiver *rx)
{
    uint64_t number = 0;
    size_t length = 0;
    assert_status(mpsc_recv(rx, &number, sizeof number, &length), MPSC_OK);
    assert_int_equal(length, sizeof number);
    return number;
}

static inline unsigned char pattern_byte(uint64_t seed, size_t i)
{
    return (unsigned char)(seed * 131 + seed / 256 + i * 7 + i / 256 + 1);
}

static inline void pattern_fill(void *memory, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length; i++)
        ((unsigned char *)memory)[i] = pattern_byte(seed, i);
}

static inline void pattern_check(const void *memory, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length; i++)
        if (((const unsigned char *)memory)[i] != pattern_byte(seed, i))
            fail_msg("message %ju of %zu bytes is wrong at byte %zu", (uintmax_t)seed, length, i);
}

/* ------------------------------------------------------------------ chance */

/* A sequence that is the same in each run; the state must not be 0. */
static inline uint64_t chance(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

/* For less than so many turns of a loop: what it delays meets others at another step each time. */
static inline void dawdle(uint64_t *state, uint64_t most)
{
    for (uint64_t turns = chance(state) % most; turns > 0; turns--)
        atomic_signal_fence(memory_order_seq_cst);
}

/* ------------------------------------------------------------------ flags */

static inline bool flag_is_set(void *flag)
{
    return atomic_load((atomic_int *)flag) != 0;
}

static inline void wait_for(atomic_int *flag)
{
    wait_until(flag_is_set, flag);
}

/* So long at least a child does not end. */
static inline void must_go_on_for(pid_t child, uint64_t nanoseconds)
{
    for (uint64_t end = now_ns() + nanoseconds; now_ns() < end; sched_yield())
        assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
}

/* Waits until the worker sleeps in the call that it raised the flag before. Without the flag it may be
 * asleep on its way there, where opening waits for somebody else's. */
static inline void wait_asleep_after(atomic_int *flag, worker w)
{
    wait_for(flag);
    wait_asleep(w);
}

/* For what happens often and soon: without sleeping. */
static inline void wait_for_turn(atomic_uint *turn, unsigned mine)
{
    while (atomic_load(turn) != mine)
        sched_yield();
}

#endif
