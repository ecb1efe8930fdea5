/* SPDX-License-Identifier: MIT */
/*
 * The storm: processes that send and receive at full speed are killed at random and started again,
 * and a ledger outside the channel says at the end whether all went by the contract.
 *
 *      storm.c             the channels, and what the whole came to
 *      storm_supervisor.c  opens, starts and kills, and makes the reckoning
 *      storm_crew.c        the supervisor's workers, and whether they all move
 *      storm_producer.c    those who send and receive, by all forms of call
 *      storm_receiver.c
 *      storm_ledger.c      messages, what was sent of them and what has come
 */
#ifndef STORM_H
#define STORM_H

#include "together.h"

#include <stdalign.h>
#include <time.h>

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
    alignas(64) _Atomic(const char *) doing; /* for the report of a hang */
    _Atomic uint64_t moved;                  /* messages sent or received from here */
};

struct ledger {
    struct kind kind;
    atomic_uint lives;     /* used so far; life 0 is the supervisor's */
    atomic_uint era;       /* the first life of this channel; those before it had another */
    atomic_uint in_charge; /* the hand of whoever received last */
    atomic_int stop;       /* producers leave */
    atomic_int over;       /* the supervisor's last word has come: receivers leave */
    /* Counted by whoever receives. */
    _Atomic uint64_t again;
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

static inline mpsc_options storm_options(const struct kind *kind)
{
    mpsc_options options = options_of(kind->message_size, kind->bound);
    options.max_bytes = kind->max_bytes;
    options.durable = is(kind, DURABLE);
    options.create = is(kind, ORPHANED);
    return options;
}

static inline void doing(const struct worker_given *given, const char *call)
{
    atomic_store(&given->ledger->posts[given->post].doing, call);
}

static inline void moved(const struct worker_given *given)
{
    atomic_fetch_add(&given->ledger->posts[given->post].moved, 1);
}

static inline void pause_a_little(void)
{
    nanosleep(&(struct timespec){0, 50000}, NULL);
}

static inline bool once_in(uint64_t *state, unsigned many)
{
    return chance(state) % many == 0;
}

/* With something in its hand that others wait for: a good moment to be killed. */
static inline void dwell(uint64_t *state)
{
    if (once_in(state, 512))
        for (uint64_t end = now_ns() + chance(state) % (MILLISECONDS / 2); now_ns() < end;)
            sched_yield();
}

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

enum { PATIENCE = 30 }; /* seconds until it is a hang */

struct supervisor {
    const struct kind *kind;
    struct ledger *ledger;
    const char *name; /* NULL: none */
    mpsc_sender *tx;
    mpsc_receiver *rx;
    uint64_t seed, state;
    pid_t pids[WORKERS]; /* 0: nobody is there */
    uint32_t lives[WORKERS];
    uint64_t memory; /* of the channel when it was new */
    struct figures *figures;
};

bool storm_stats(const struct supervisor *s, mpsc_stats *now);
_Noreturn void crew_hangs(const struct supervisor *s, const char *what);
/* Those that have left by themselves; others take their places. */
void crew_tend(struct supervisor *s);
/* All of that set at once, and then all are waited for. */
void crew_kill(struct supervisor *s, unsigned set);
/* Until each producer has sent, and somebody received. */
void crew_wait_progress(struct supervisor *s);
/* Until those that should leave have left. */
void crew_wait_ended(struct supervisor *s, unsigned first, unsigned count);

static inline void storm_nap(uint64_t nanoseconds)
{
    nanosleep(&(struct timespec){0, (long)nanoseconds}, NULL);
}

/* Rages for so long; adds to the figures. */
void storm_run(const struct kind *kind, uint64_t nanoseconds, uint64_t seed,
               struct figures *figures);

#endif
