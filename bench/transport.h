/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark measures: a way to send numbers, each at the front of a message of a given
 * size, from some producers to one consumer. Each transport_*.c is one; none knows the others.
 *
 * Loops over many messages are the transport's own, so that no indirect call is measured. Whatever
 * goes wrong ends the program.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

enum { BOUND = 1024, LARGEST_MESSAGE = 256, MOST_PRODUCERS = 4 };

/* One opened transport; its members are its transport's. */
struct lane;

struct transport {
    const char *name;

    /* Before the producers are forked or started. */
    struct lane *(*open)(size_t size, unsigned producers);
    /* In the process or thread that receives, or sends, when it may give up the other end. After
     * the fork only: threads share their lane. */
    void (*only_receive)(struct lane *lane);
    void (*only_send)(struct lane *lane, unsigned producer);
    void (*close)(struct lane *lane);

    /* Sends the numbers first, first + 1, ... */
    void (*send)(struct lane *lane, unsigned producer, uint64_t first, uint64_t count);
    /* Receives so many messages, of all producers; returns the sum of their numbers. */
    uint64_t (*receive)(struct lane *lane, uint64_t count);
};

extern const struct transport transport_mpsc;
extern const struct transport transport_ring; /* the limit: no blocking, no safety */
extern const struct transport transport_pipe;
extern const struct transport transport_mq;

/* Says what failed and ends the program. */
_Noreturn void fail(const char *doing, const char *why);

#endif
