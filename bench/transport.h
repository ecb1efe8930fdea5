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

enum { BOUND = 1024, LARGEST_MESSAGE = 4096, MOST_PRODUCERS = 16 };

/* One opened transport; its members are its transport's. */
struct lane;

struct transport {
    const char *name;

    /* Before the producers are forked or started. NULL: the system has no such transport, or not for
     * so many producers. */
    struct lane *(*open)(size_t size, unsigned producers);
    /* In the process or thread that receives, or sends, when it may give up the other end. After
     * the fork only: threads share their lane. */
    void (*only_receive)(struct lane *lane);
    void (*only_send)(struct lane *lane, unsigned producer);
    /* In a process that has sent all it had to send; may be NULL. */
    void (*finish)(struct lane *lane, unsigned producer);
    void (*close)(struct lane *lane);

    /* Sends the numbers first, first + 1, ... */
    void (*send)(struct lane *lane, unsigned producer, uint64_t first, uint64_t count);
    /* Receives so many messages, of all producers; returns the sum of their numbers. */
    uint64_t (*receive)(struct lane *lane, uint64_t count);
};

/* The channel: copies, and an unbounded one; loans and peeks, with all of a message written and read; batches
 * of 32; and messages of several sizes in turn, whatever size is asked for. */
extern const struct transport transport_mpsc;
extern const struct transport transport_mpsc_unbounded;
extern const struct transport transport_mpsc_loan;
extern const struct transport transport_mpsc_batch;
extern const struct transport transport_mpsc_mixed;

extern const struct transport transport_ring; /* the limit: no blocking, no safety */

extern const struct transport transport_pipe;
extern const struct transport transport_seqpacket;
extern const struct transport transport_mq;
extern const struct transport transport_robust;
/* Where they were found when this was configured. */
extern const struct transport transport_boost;
extern const struct transport transport_zmq;
extern const struct transport transport_qb;
/* Between threads only. */
extern const struct transport transport_rust_sync;
extern const struct transport transport_rust_channel;
extern const struct transport transport_crossbeam_bounded;
extern const struct transport transport_crossbeam_unbounded;

/* Says what failed and ends the program. */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void fail(const char *doing, const char *why);

#endif
