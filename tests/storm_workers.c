/* SPDX-License-Identifier: MIT */
/* See storm.h. Whatever a worker does, it may be killed before it has done the next thing. */
#include "storm.h"

#include <time.h>

enum call {
    STARTS,
    OPENS,
    WAITS_FOR_THE_SEAT,
    SENDS,
    TRIES_TO_SEND,
    SENDS_IN_TIME,
    LOANS,
    TRIES_TO_LOAN,
    LOANS_IN_TIME,
    SENDS_A_LOAN,
    CANCELS,
    FLUSHES,
    CLONES,
    CLOSES,
    RECEIVES,
    TRIES_TO_RECEIVE,
    RECEIVES_IN_TIME,
    PEEKS,
    TRIES_TO_PEEK,
    PEEKS_IN_TIME,
    RELEASES,
    LEFT,
    CALLS
};

const char *storm_call(unsigned doing)
{
    static const char *const names[CALLS] = {
        "start",         "open",         "wait for the seat",
        "send",          "try_send",     "send_timeout",
        "loan",          "try_loan",     "loan_timeout",
        "send_loan",     "cancel_loan",  "flush",
        "clone",         "close",        "recv",
        "try_recv",      "recv_timeout", "peek",
        "try_peek",      "peek_timeout", "release",
        "none: it left",
    };
    return doing < CALLS ? names[doing] : "?";
}

mpsc_options storm_options(const struct kind *kind)
{
    mpsc_options options = options_of(kind->message_size, kind->bound);
    options.max_bytes = kind->max_bytes;
    options.durable = is(kind, DURABLE);
    options.create = is(kind, ORPHANED);
    return options;
}

static void doing(const struct worker_given *given, enum call call)
{
    atomic_store(&given->ledger->posts[given->post].doing, call);
}

static void moved(const struct worker_given *given)
{
    atomic_fetch_add(&given->ledger->posts[given->post].moved, 1);
}

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){0, 50000}, NULL);
}

static bool once_in(uint64_t *state, unsigned many)
{
    return chance(state) % many == 0;
}

/* With something in its hand that others wait for: a good moment to be killed. */
static void dwell(uint64_t *state)
{
    if (once_in(state, 512))
        for (uint64_t end = now_ns() + chance(state) % (MILLISECONDS / 2); now_ns() < end;)
            sched_yield();
}

/* ------------------------------------------------------------------ producers */

struct producer {
    struct worker_given *given;
    const struct kind *kind;
    struct ledger *ledger;
    struct life *life;
    mpsc_sender *tx;
    uint64_t state;  /* of chance */
    uint64_t number; /* of the message that is next */
};

/* Whether a send that did not succeed may have said so; the message is then sent again. */
static void may_say(const struct producer *p, mpsc_status status)
{
    bool unbounded = p->kind->bound == MPSC_UNBOUNDED;
    switch (status) {
    case MPSC_TIMEOUT:
    case MPSC_FULL: /* of an unbounded channel, too, while somebody makes room */
        break;
    case MPSC_NO_SPACE:
        assert_true(unbounded);
        break;
    case MPSC_DISCONNECTED: /* between two receivers */
        assert_false(is(p->kind, DURABLE) || is(p->kind, INHERITED));
        break;
    default:
        fail_msg("%s: a send said %s", p->kind->name, mpsc_strstatus(status));
    }
    if (status == MPSC_TIMEOUT)
        sched_yield();
    else
        pause_a_little();
}

static void open_sender(struct producer *p)
{
    struct worker_given *given = p->given;
    mpsc_options options = storm_options(p->kind);
    if (given->tx && (!given->name || once_in(&p->state, 2))) {
        p->tx = given->tx;
    } else {
        doing(given, OPENS);
        assert_status(mpsc_open_sender(given->name, &options, &p->tx), MPSC_OK);
        mpsc_sender_close(given->tx);
    }
    given->tx = NULL;
    mpsc_receiver_close(given->rx);
    given->rx = NULL;
}

static void *claim(struct producer *p, size_t length, mpsc_status *status)
{
    switch (chance(&p->state) % 3) {
    case 0:
        doing(p->given, LOANS);
        return mpsc_loan(p->tx, length, status);
    case 1:
        doing(p->given, TRIES_TO_LOAN);
        return mpsc_try_loan(p->tx, length, status);
    default:
        doing(p->given, LOANS_IN_TIME);
        return mpsc_loan_timeout(p->tx, length, 50000, status);
    }
}

/* Lends at least as much as the message takes. */
static mpsc_status send_by_loan(struct producer *p, size_t length)
{
    mpsc_status status = MPSC_OS;
    size_t more = chance(&p->state) % (p->kind->most - length + 1);
    void *loan = claim(p, length + more, &status);
    if (!loan)
        return status;
    dwell(&p->state);
    storm_fill(loan, length, p->given->life, p->number);
    dwell(&p->state);
    doing(p->given, SENDS_A_LOAN);
    return mpsc_send_loan(p->tx, loan, length);
}

static mpsc_status send_by_copy(struct producer *p, size_t length)
{
    unsigned char message[LONGEST];
    storm_fill(message, length, p->given->life, p->number);
    switch (chance(&p->state) % 4) {
    case 0:
        doing(p->given, TRIES_TO_SEND);
        return mpsc_try_send(p->tx, message, length);
    case 1:
        doing(p->given, SENDS_IN_TIME);
        return mpsc_send_timeout(p->tx, message, length, 50000);
    default:
        doing(p->given, SENDS);
        return mpsc_send(p->tx, message, length);
    }
}

static void send_next(struct producer *p)
{
    size_t length = storm_length(p->kind, p->given->life, p->number);
    atomic_store(&p->life->about, p->number);
    mpsc_status status = once_in(&p->state, 3) ? send_by_loan(p, length) : send_by_copy(p, length);
    if (status) {
        may_say(p, status);
        return;
    }
    atomic_store(&p->life->sent, p->number++);
    moved(p->given);
}

/* Claims, and gives it back. False: there was no room. */
static bool cancel_one(struct producer *p)
{
    mpsc_status status = MPSC_OS;
    size_t length = 1 + chance(&p->state) % p->kind->most;
    unsigned char *loan = claim(p, length, &status);
    if (!loan) {
        may_say(p, status);
        return false;
    }
    memset(loan, 0xee, length);
    doing(p->given, CANCELS);
    assert_status(mpsc_cancel_loan(p->tx, loan), MPSC_OK);
    return true;
}

static void clone_and_close(struct producer *p)
{
    mpsc_sender *clone = NULL;
    doing(p->given, CLONES);
    assert_status(mpsc_sender_clone(p->tx, &clone), MPSC_OK);
    if (once_in(&p->state, 4)) {
        mpsc_status status; /* a close cancels it */
        if (!mpsc_try_loan(p->tx, p->kind->most, &status))
            may_say(p, status);
    }
    doing(p->given, CLOSES);
    mpsc_sender_close(p->tx);
    p->tx = clone;
}

static void flush(struct producer *p)
{
    doing(p->given, FLUSHES);
    mpsc_status status = mpsc_flush(p->tx, 1000000);
    if (status)
        may_say(p, status);
}

int storm_produce(struct worker_given *given)
{
    struct producer p = {given,
                         &given->ledger->kind,
                         given->ledger,
                         &given->ledger->life[given->life],
                         NULL,
                         given->seed,
                         1};
    open_sender(&p);
    bool leaves = false;
    while (!leaves && !atomic_load(&p.ledger->stop)) {
        uint64_t dice = chance(&p.state) % 4096;
        if (dice < 4)
            flush(&p);
        else if (dice < 8)
            clone_and_close(&p);
        else if (dice < 64)
            cancel_one(&p);
        else if (dice == 64 && !is(p.kind, ORPHANED))
            leaves = once_in(&p.state, 8);
        else
            send_next(&p);
    }
    doing(given, CLOSES);
    if (!once_in(&p.state, 4)) /* or its process just ends */
        mpsc_sender_close(p.tx);
    doing(given, LEFT);
    return 0;
}

/* ------------------------------------------------------------------ receivers */

struct receiver {
    struct worker_given *given; /* NULL: the supervisor */
    const struct kind *kind;
    struct ledger *ledger;
    mpsc_receiver *rx;
    struct hand *hand;
    uint64_t state;
};

static void does(const struct receiver *r, enum call call)
{
    if (r->given)
        doing(r->given, call);
}

static void nothing_came(const struct receiver *r, mpsc_status status)
{
    if (status == MPSC_DISCONNECTED && is(r->kind, ORPHANED))
        pause_a_little();
    else if (status != MPSC_EMPTY && status != MPSC_TIMEOUT)
        fail_msg("%s: a receive said %s", r->kind->name, mpsc_strstatus(status));
    sched_yield();
}

static void count(const struct receiver *r, size_t length)
{
    ledger_took(r->ledger, r->hand, length);
    if (r->given)
        moved(r->given);
}

/* It goes from the place into the hand, and only then it is taken. */
static void take_peeked(struct receiver *r, const void *message, size_t length)
{
    hand_empty(r->hand);
    hand_fill(r->hand, message, length);
    dwell(&r->state);
    does(r, RELEASES);
    mpsc_status status = mpsc_release(r->rx, message);
    if (status == MPSC_EMPTY && r->kind->bound == 0) { /* its sender took it back */
        hand_empty(r->hand);
        atomic_fetch_add(&r->ledger->cancelled, 1);
        return;
    }
    assert_status(status, MPSC_OK);
    count(r, length);
}

static const void *peek(struct receiver *r, size_t *length, mpsc_status *status)
{
    switch (chance(&r->state) % 3) {
    case 0:
        does(r, PEEKS);
        return mpsc_peek(r->rx, length, status);
    case 1:
        does(r, TRIES_TO_PEEK);
        return mpsc_try_peek(r->rx, length, status);
    default:
        does(r, PEEKS_IN_TIME);
        return mpsc_peek_timeout(r->rx, length, 50000, status);
    }
}

static void receive_by_peek(struct receiver *r)
{
    mpsc_status status = MPSC_OS;
    size_t length = 0;
    const void *message = peek(r, &length, &status);
    if (!message)
        nothing_came(r, status);
    else if (!once_in(&r->state, 64))
        take_peeked(r, message, length);
    else if ((message = mpsc_try_peek(r->rx, &length, &status)))
        take_peeked(r, message, length); /* the same */
}

static mpsc_status receive(struct receiver *r, size_t *length)
{
    unsigned char *buffer = r->hand->bytes;
    switch (chance(&r->state) % 4) {
    case 0:
        does(r, TRIES_TO_RECEIVE);
        return mpsc_try_recv(r->rx, buffer, LONGEST, length);
    case 1:
        does(r, RECEIVES_IN_TIME);
        return mpsc_recv_timeout(r->rx, buffer, LONGEST, length, 50000);
    default:
        does(r, RECEIVES);
        return mpsc_recv(r->rx, buffer, LONGEST, length);
    }
}

static void receive_by_copy(struct receiver *r)
{
    size_t length = 0;
    hand_empty(r->hand);
    mpsc_status status = receive(r, &length);
    if (status)
        nothing_came(r, status);
    else
        count(r, length);
}

/* A hand that the last receiver does not have something in. No other process changes whether this
 * one's are that. */
static unsigned free_hand(const struct receiver *r)
{
    unsigned hand = 2 * (r->given->post - PRODUCERS);
    return atomic_load(&r->ledger->in_charge) == hand ? hand + 1 : hand;
}

/* Looks at the head, and by that has the seat, or is told whose it is. */
static bool begin(struct receiver *r, unsigned hand)
{
    mpsc_status status = MPSC_OS;
    size_t length = 0;
    const void *first = mpsc_try_peek(r->rx, &length, &status);
    if (status == MPSC_BUSY) {
        assert_true(is(r->kind, INHERITED)); /* who has opened one has the seat */
        return false;
    }
    if (!first)
        nothing_came(r, status);
    ledger_take_charge(r->ledger, hand, first, length);
    r->hand = &r->ledger->hands[hand];
    if (first)
        take_peeked(r, first, length);
    return true;
}

static bool open_receiver(struct receiver *r)
{
    struct worker_given *given = r->given;
    mpsc_options options = storm_options(r->kind);
    if (given->rx) {
        r->rx = given->rx;
        return true;
    }
    doing(given, OPENS);
    mpsc_status status = mpsc_open_receiver(given->name, &options, &r->rx);
    if (status != MPSC_BUSY)
        assert_status(status, MPSC_OK);
    doing(given, WAITS_FOR_THE_SEAT);
    return status == MPSC_OK;
}

/* False: there is nothing to receive any more. */
static bool sit_down(struct receiver *r)
{
    unsigned hand = free_hand(r);
    while (!atomic_load(&r->ledger->over)) {
        if (open_receiver(r) && begin(r, hand))
            return true;
        pause_a_little();
    }
    return false;
}

int storm_receive(struct worker_given *given)
{
    struct receiver r = {given, &given->ledger->kind, given->ledger, NULL, NULL, given->seed};
    mpsc_sender_close(given->tx);
    bool leaves = !sit_down(&r);
    while (!leaves && !atomic_load(&r.ledger->over)) {
        uint64_t dice = chance(&r.state) % 4096;
        if (dice == 0 && !is(r.kind, ORPHANED))
            leaves = once_in(&r.state, 8);
        else if (dice < 1024)
            receive_by_peek(&r);
        else
            receive_by_copy(&r);
    }
    mpsc_status status;
    doing(given, CLOSES);
    if (r.hand)
        hand_empty(r.hand);
    if (r.rx && once_in(&r.state, 2) && !mpsc_try_peek(r.rx, NULL, &status) &&
        status != MPSC_BUSY) /* a close leaves it queued */
        nothing_came(&r, status);
    if (!once_in(&r.state, 4))
        mpsc_receiver_close(r.rx);
    doing(given, LEFT);
    return 0;
}

mpsc_status storm_drain(struct ledger *ledger, mpsc_receiver *rx)
{
    struct receiver r = {NULL, &ledger->kind, ledger, rx, NULL, 1};
    mpsc_status status = MPSC_OS;
    size_t length = 0;
    const void *message;
    assert_true(begin(&r, HANDS - 1));
    while ((message = mpsc_try_peek(rx, &length, &status)))
        take_peeked(&r, message, length);
    return status;
}
