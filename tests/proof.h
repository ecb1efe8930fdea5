/* SPDX-License-Identifier: MIT */
/*
 * The kill proof. For each public call there is a scenario: a victim is brought to the start of the
 * call, stepped some instructions into it, and killed; then the survivors are asked what they see.
 *
 *      proof.c             sweeps over the points, one fresh run for each, and reports
 *      proof_scenarios.c   the calls
 *      proof_prepare.c     what is done before and after them
 *      proof_survivors.c   what must hold afterwards
 *      proof_ledger.c      what was sent, and in what order it must come
 *      proof_helper.c      a second surviving process
 */
#ifndef PROOF_H
#define PROOF_H

#include "stepper.h"

/* ------------------------------------------------------------------ the ledger */

enum { MESSAGE_SIZE = 24, BOUND = 4, LEDGER = 8192, LONGEST = MESSAGE_SIZE * BOUND };

/* Messages that must come, in this order; those in flight may come. */
struct ledger {
    struct entry {
        uint64_t id;
        bool in_flight;
        bool follows; /* of a batch: does not come without the one before it */
        bool missed;
    } entry[LEDGER];
    unsigned count, next;
    unsigned came; /* since the last ledger_clear */
};

/* A message knows its number and its cells; the rest is a pattern. */
uint64_t message_id(unsigned number, unsigned cells);
size_t message_length(uint64_t id);
void message_fill(void *buffer, uint64_t id);
uint64_t message_check(const void *message, size_t length);

void ledger_clear(struct ledger *ledger);
void ledger_expect(struct ledger *ledger, uint64_t id, bool in_flight);
/* Whether a message that is expected was sent. */
void ledger_settle(struct ledger *ledger, uint64_t id, bool sent);
/* The dead receiver may have taken so many, all of them or none. */
void ledger_took(struct ledger *ledger, unsigned taken);
void ledger_came(struct ledger *ledger, uint64_t id);
/* Nothing more comes. */
void ledger_end(struct ledger *ledger);

/* ------------------------------------------------------------------ the second survivor */

enum order { OPEN_TX, OPEN_RX, CLOSE_TX, CLOSE_RX, SEND, RECV_UNTIL, LEAVE };

struct helper {
    pid_t pid;
    int to, from; /* pipes */
    struct helper_state *state;
    bool tx, rx; /* what it has */
};

void helper_start(struct helper *helper);
void helper_end(struct helper *helper);
/* Begins; does it and says what came of it; waits for that. */
void helper_begin(struct helper *helper, enum order order, const char *name, uint64_t id);
mpsc_status helper_answer(struct helper *helper);
mpsc_status helper_do(struct helper *helper, enum order order, const char *name, uint64_t id);
/* It has begun a call that blocks, and sleeps. */
void helper_wait_asleep(const struct helper *helper);
/* What it received since it was last asked goes into the ledger. */
void helper_report(struct helper *helper, struct ledger *ledger);
void helper_channel(struct helper *helper, size_t bound, bool durable);
/* Cells of an unbounded channel's first ring. */
unsigned first_ring(void);
mpsc_options proof_options(size_t bound, bool durable);

/* ------------------------------------------------------------------ scenarios and runs */

enum trait {
    ALONE = 1,    /* the victim is the only process, survivors come later */
    SOLE = 2,     /* it is the last sender: the survivors have closed theirs */
    RECEIVES = 4, /* it has the seat */
    DURABLE = 8,
    RENDEZVOUS = 16,
    PRIVATE = 32,   /* of a channel that nobody else can see */
    UNLINKS = 64,   /* the name may go */
    FOLLOWS = 128,  /* the child that it forks is stepped */
    FORGETS = 256,  /* what was queued may be gone with the channel */
    LISTENS = 512,  /* the helper receives, asleep when the call begins */
    PUSHES = 1024,  /* the helper sends, asleep when the call begins */
    NAPS = 2048,    /* woken from its second sleep, not from its first */
    FORKS = 8192,   /* a breakpoint would be its child's as well */
    UNHEARD = 4096, /* there may never have been a receiver */
    UNBOUNDED = 16384,
    FILLS = 32768,    /* the first ring is full before the call, beside what is queued */
    DRAINS = 65536,   /* and the victim has taken that */
    BATCHED = 131072, /* the call moves three messages */
};

enum { BATCH = 3 };

struct run;

/* What the victim has; in its own process. */
struct victim {
    const struct run *run;
    const struct scenario *scenario;
    atomic_int *phase;
    unsigned number; /* of two */
    mpsc_sender *tx, *clone;
    mpsc_receiver *rx;
    void *loan;
    const void *peeked;
    unsigned char message[LONGEST]; /* that the call sends */
};

struct scenario {
    const char *name;
    unsigned traits;
    unsigned queued;             /* messages of one cell that wait before the call */
    void (*setup)(struct run *); /* by the supervisor, before there is a victim */
    void (*prepare)(struct victim *);
    unsigned sent;  /* messages of one cell that the victim sends in that; it takes */
    unsigned taken; /* so many */
    void (*call)(struct victim *);
    unsigned flight;             /* cells of the message that the call sends */
    bool over;                   /* the call receives */
    void (*wake)(struct run *);  /* when the victim has fallen asleep */
    void (*after)(struct run *); /* right after the death */
};

/* One victim and one point, with all that is fresh for it. */
struct run {
    const struct scenario *scenario;
    const char *name;
    size_t bound;
    mpsc_sender *tx;
    mpsc_receiver *rx;
    struct helper *helper;
    struct ledger ledger;
    unsigned numbers;      /* of messages, so far */
    uint64_t helper_until; /* the message that it sends, or up to which it receives */
    struct stepper stepper[2];
    struct victim victim[2];
    unsigned victims;
    pid_t group[2];
    bool woken;
    unsigned sleeps;
};

unsigned taken_of(const struct scenario *scenario);
extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* Two victims at once: what `common` says of the calls is theirs together. */
struct pair {
    struct scenario common;
    const char *first, *second; /* scenarios whose preparations and calls these are */
};
extern const struct pair pairs[];
extern const size_t pair_count;

/* Messages of the victims. */
uint64_t victim_message(unsigned victim, unsigned number, unsigned cells);

/* The supervisor sends one more, receives what there is; into the ledger. */
void post(struct run *run, unsigned cells);
mpsc_status collect_one(struct run *run, uint64_t nanoseconds);
bool collect(struct run *run);
/* What must hold after the death; all handles are closed in the end. */
void survivors_check(struct run *run);
/* What it is looking at, for whoever reads the report. */
void stage(const char *text);

#endif
