/* SPDX-License-Identifier: MIT */
/* See storm.h. What a receiver has in its hand lies in the ledger before it is taken. */
#include "storm.h"

struct receiver {
    struct worker_given *given; /* NULL: the supervisor */
    const struct kind *kind;
    struct ledger *ledger;
    mpsc_receiver *rx;
    struct hand *hand;
    uint64_t state;
};

static void does(const struct receiver *r, const char *call)
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
    does(r, "release");
    mpsc_status status = mpsc_release(r->rx, message);
    if (status == MPSC_EMPTY && r->kind->bound == 0) { /* its sender took it back */
        hand_empty(r->hand);
        return;
    }
    assert_status(status, MPSC_OK);
    count(r, length);
}

static const void *peek(struct receiver *r, size_t *length, mpsc_status *status)
{
    switch (chance(&r->state) % 3) {
    case 0:
        does(r, "peek");
        return mpsc_peek(r->rx, length, status);
    case 1:
        does(r, "try_peek");
        return mpsc_try_peek(r->rx, length, status);
    default:
        does(r, "peek_timeout");
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
        does(r, "try_recv");
        return mpsc_try_recv(r->rx, buffer, LONGEST, length);
    case 1:
        does(r, "recv_timeout");
        return mpsc_recv_timeout(r->rx, buffer, LONGEST, length, 50000);
    default:
        does(r, "recv");
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
    doing(given, "open");
    mpsc_status status = mpsc_open_receiver(given->name, &options, &r->rx);
    if (status != MPSC_BUSY)
        assert_status(status, MPSC_OK);
    doing(given, "wait for the seat");
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
    doing(given, "close");
    if (r.hand)
        hand_empty(r.hand);
    if (r.rx && once_in(&r.state, 2) && !mpsc_try_peek(r.rx, NULL, &status) &&
        status != MPSC_BUSY) /* a close leaves it queued */
        nothing_came(&r, status);
    if (!once_in(&r.state, 4))
        mpsc_receiver_close(r.rx);
    doing(given, "none: it left");
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
