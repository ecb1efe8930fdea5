/* SPDX-License-Identifier: MIT */
/* See storm.h. Whatever a producer does, it may be killed before it has done the next thing. */
#include "storm.h"

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
        doing(given, "open");
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
        doing(p->given, "loan");
        return mpsc_loan(p->tx, length, status);
    case 1:
        doing(p->given, "try_loan");
        return mpsc_try_loan(p->tx, length, status);
    default:
        doing(p->given, "loan_timeout");
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
    doing(p->given, "send_loan");
    return mpsc_send_loan(p->tx, loan, length);
}

static mpsc_status send_by_copy(struct producer *p, size_t length)
{
    unsigned char message[LONGEST];
    storm_fill(message, length, p->given->life, p->number);
    switch (chance(&p->state) % 4) {
    case 0:
        doing(p->given, "try_send");
        return mpsc_try_send(p->tx, message, length);
    case 1:
        doing(p->given, "send_timeout");
        return mpsc_send_timeout(p->tx, message, length, 50000);
    default:
        doing(p->given, "send");
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
    doing(p->given, "cancel_loan");
    assert_status(mpsc_cancel_loan(p->tx, loan), MPSC_OK);
    return true;
}

static void clone_and_close(struct producer *p)
{
    mpsc_sender *clone = NULL;
    doing(p->given, "clone");
    assert_status(mpsc_sender_clone(p->tx, &clone), MPSC_OK);
    if (once_in(&p->state, 4)) {
        mpsc_status status; /* a close cancels it */
        if (!mpsc_try_loan(p->tx, p->kind->most, &status))
            may_say(p, status);
    }
    doing(p->given, "close");
    mpsc_sender_close(p->tx);
    p->tx = clone;
}

static void flush(struct producer *p)
{
    doing(p->given, "flush");
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
    doing(given, "close");
    if (!once_in(&p.state, 4)) /* or its process just ends */
        mpsc_sender_close(p.tx);
    doing(given, "none: it left");
    return 0;
}
