/* SPDX-License-Identifier: MIT */
/*
 * The storm: processes that send and receive at full speed are killed at random and started again,
 * and a ledger outside the channel says at the end whether all went by the contract.
 *
 *      storm.c             the channels, and what the whole came to
 *      storm_supervisor.c  starts and kills, watches over the progress, makes the reckoning
 *      storm_workers.c     those who send and receive, by all forms of call
 *      storm_ledger.c      messages, what was sent of them and what has come
 */
#ifndef STORM_H
#define STORM_H

#include "together.h"

#include <stdalign.h>

/* ------------------------------------------------------------------ kinds of channels */

enum trait {
    DURABLE = 1,   /* nobody but the workers has an end of it, and sometimes nobody at all */
    INHERITED = 2, /* it has no name: the workers have it through fork */
    ORPHANED = 4,  /* scoped: all are killed each time, and the next ones start afresh */
};

struct kind {
    const char *name;
    unsigned traits;
    size_t message_size, bound;
    uint64_t max_bytes;
    size_t least, most; /* bytes of a message */
};

static inline bool is(const struct kind *kind, enum trait trait)
{
    return kind->traits & trait;
}

/* ------------------------------------------------------------------ the ledger */

enum {
    LONGEST = 1024,
    PRODUCERS = 4,
    RECEIVERS = 2, /* of whom one has the seat, and the other waits for it */
    WORKERS = PRODUCERS + RECEIVERS,
    HANDS = 2 * RECEIVERS + 1, /* two for each receiver, one for the supervisor */
    NO_HAND = HANDS,
    LIVES = 1 << 20,
};

/* A producer from its start to its death. Its messages are numbered from 1 on. */
struct life {
    /* Written by itself: before the call, and after a call that said OK. */
    alignas(64) _Atomic uint64_t about;
    _Atomic uint64_t sent;
    /* Written by whoever receives: the last that was taken; one more that a receiver may have
     * taken, who was killed over it. */
    _Atomic uint64_t got, maybe;
};

/* Where a receiver has a message before it is taken: received into, or copied from a peek. Who is
 * killed leaves it here. A head of 0: nothing. */
struct hand {
    alignas(64) unsigned char bytes[LONGEST];
};

/* A place that a worker fills, and after it the next one. */
struct post {
    alignas(64) atomic_uint doing; /* for the report of a hang: an index into storm_calls */
    _Atomic uint64_t moved;        /* messages sent or received from here */
};

struct ledger {
    struct kind kind;
    atomic_uint lives;     /* used so far; life 0 is the supervisor's */
    atomic_uint era;       /* the first life of this channel; those before it had another */
    atomic_uint in_charge; /* the hand of whoever received last */
    atomic_int stop;       /* producers leave */
    atomic_int over;       /* the supervisor's last word has come: receivers leave */
    /* Counted by whoever receives. */
    _Atomic uint64_t again, cancelled;
    struct post posts[WORKERS];
    struct hand hands[HANDS];
    struct life life[LIVES];
};

/* The number of a message of that life, written to `memory`; its length. */
size_t storm_length(const struct kind *kind, uint32_t life, uint64_t number);
void storm_fill(void *memory, size_t length, uint32_t life, uint64_t number);

/* The message in that hand is taken. Which it was must be next of its life. */
void ledger_took(struct ledger *ledger, struct hand *hand, size_t length);
/* Begins to receive with that hand, having the seat, and `first` at the head, NULL: nothing. */
void ledger_take_charge(struct ledger *ledger, unsigned hand, const void *first, size_t length);
void hand_empty(struct hand *hand);
void hand_fill(struct hand *hand, const void *message, size_t length);

/* ------------------------------------------------------------------ workers */

/* What a worker has of the channel at its start. */
struct worker_given {
    struct ledger *ledger;
    const char *name;  /* NULL: inherited */
    mpsc_sender *tx;   /* the supervisor's, or NULL */
    mpsc_receiver *rx; /* likewise */
    unsigned post;
    uint32_t life; /* of a producer */
    uint64_t seed;
};

mpsc_options storm_options(const struct kind *kind);
const char *storm_call(unsigned doing);
int storm_produce(struct worker_given *given);
int storm_receive(struct worker_given *given);
/* Takes what there is; the status that ended it. For the supervisor. */
mpsc_status storm_drain(struct ledger *ledger, mpsc_receiver *rx);

/* ------------------------------------------------------------------ one storm */

struct figures {
    uint64_t producers_killed, receivers_killed, left; /* processes */
    uint64_t messages, again, arrived, vanished;
    uint64_t holes, repairs, takeovers;
};

/* Rages for so long; adds to the figures. */
void storm_run(const struct kind *kind, uint64_t nanoseconds, uint64_t seed,
               struct figures *figures);

#endif
