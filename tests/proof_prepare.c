/* SPDX-License-Identifier: MIT */
/* See proof_prepare.h. */
#include "proof_prepare.h"

#include "alone.h"

#include <signal.h>
#include <sys/wait.h>

uint64_t victim_message(unsigned victim, unsigned number, unsigned cells)
{
    return message_id(1000 + 100 * victim + number, cells);
}

mpsc_options victim_options(const struct victim *v)
{
    return proof_options(v->run->bound, v->run->scenario->traits & DURABLE);
}

uint64_t flying(const struct victim *v)
{
    return victim_message(v->number, 99, v->scenario->flight);
}

/* ------------------------------------------------------------------ before the call */

static void send_some(struct victim *v)
{
    unsigned char buffer[LONGEST];
    for (unsigned i = 0; i < v->scenario->sent; i++) {
        uint64_t id = victim_message(v->number, i, 1);
        message_fill(buffer, id);
        assert_status(mpsc_send(v->tx, buffer, message_length(id)), MPSC_OK);
    }
}

unsigned taken_of(const struct scenario *scenario)
{
    return scenario->taken + (scenario->traits & DRAINS ? first_ring() : 0);
}

static void take_some(struct victim *v)
{
    unsigned char buffer[LONGEST];
    for (unsigned i = taken_of(v->scenario); i > 0; i--)
        assert_status(mpsc_recv(v->rx, buffer, sizeof buffer, NULL), MPSC_OK);
}

void victim_open_tx(struct victim *v)
{
    mpsc_options o = victim_options(v);
    assert_status(mpsc_open_sender(v->run->name, &o, &v->tx), MPSC_OK);
}

void with_tx(struct victim *v)
{
    victim_open_tx(v);
    send_some(v);
}

/* It asks when it sends, if it is the last sender then. */
void with_tx_asking(struct victim *v)
{
    with_tx(v);
    has_sent_much(v->tx);
}

void with_tx_biased(struct victim *v)
{
    victim_open_tx(v);
    unsigned senders = alone_begin(v->tx);
    send_some(v);
    alone_end(v->tx, senders);
}

void with_rx(struct victim *v)
{
    mpsc_options o = victim_options(v);
    assert_status(mpsc_open_receiver(v->run->name, &o, &v->rx), MPSC_OK);
    take_some(v);
}

void with_both(struct victim *v)
{
    with_rx(v);
    with_tx(v);
}

void with_clone(struct victim *v)
{
    with_tx(v);
    assert_status(mpsc_sender_clone(v->tx, &v->clone), MPSC_OK);
}

/* The table of handles is full: the next one needs memory for it. */
void with_crowd(struct victim *v)
{
    with_tx(v);
    const struct segment *segment = ((const struct handle *)v->tx)->segment;
    const struct header *header = segment->header;
    mpsc_sender *clone;
    while (atomic_load(&header->senders) + atomic_load(&header->receivers) <
           registry_endpoint_high(&segment->registry))
        assert_status(mpsc_sender_clone(v->tx, &clone), MPSC_OK);
}

/* The clone has gone on in another ring. */
void with_grown(struct victim *v)
{
    victim_open_tx(v);
    mpsc_sender *tx = v->tx;
    with_tx(v);
    v->clone = v->tx;
    v->tx = tx;
}

void with_peeked(struct victim *v)
{
    with_rx(v);
    v->peeked = mpsc_peek(v->rx, NULL, NULL);
    assert_non_null(v->peeked);
}

void with_loan(struct victim *v)
{
    with_tx(v);
    mpsc_status status;
    v->loan = mpsc_loan(v->tx, LONGEST - MESSAGE_SIZE, &status);
    assert_lent(v->loan, status);
    message_fill(v->loan, flying(v));
}

/* Descriptors that are not readable. */
void with_rx_fd(struct victim *v)
{
    int fd;
    with_rx(v);
    assert_status(mpsc_receiver_fd(v->rx, &fd), MPSC_OK);
}

void with_tx_fd(struct victim *v)
{
    int fd;
    with_tx(v);
    assert_status(mpsc_sender_fd(v->tx, &fd), MPSC_OK);
    assert_status(mpsc_try_send(v->tx, v->message, MESSAGE_SIZE), MPSC_FULL);
}

unsigned destroyed;

/* Each once, and whole. */
static void destroy(void *message, size_t length, void *context)
{
    (void)context;
    (void)message_check(message, length);
    destroyed++;
}

mpsc_options own_options(const struct victim *v)
{
    mpsc_options o = victim_options(v);
    o.destroy = destroy;
    return o;
}

void with_own(struct victim *v)
{
    mpsc_options o = own_options(v);
    assert_status(mpsc_open_receiver(v->run->name, &o, &v->rx), MPSC_OK);
    assert_status(mpsc_open_sender(v->run->name, &o, &v->tx), MPSC_OK);
    send_some(v);
}

/* What is behind a loan is left for the last handle to destroy. */
void with_own_loan(struct victim *v)
{
    mpsc_options o = own_options(v);
    mpsc_sender *lender;
    assert_status(mpsc_open_sender(v->run->name, &o, &lender), MPSC_OK);
    assert_non_null(mpsc_loan(lender, MESSAGE_SIZE, NULL));
    with_own(v);
    mpsc_sender_close(v->tx);
    mpsc_receiver_close(v->rx);
    v->tx = lender;
}

void with_nothing(struct victim *v)
{
    (void)v;
}

/* ------------------------------------------------------------------ what the supervisor does */

void wake_by_receiving(struct run *run)
{
    assert_true(collect(run));
}

void wake_by_sending(struct run *run)
{
    post(run, 1);
    run->ledger.entry[run->ledger.next].in_flight = true;
}

/* A rendezvous: the second survivor sends, and waits until its message is taken. */
void wake_by_helper(struct run *run)
{
    uint64_t id = message_id(run->numbers++, 1);
    ledger_expect(&run->ledger, id, true);
    helper_begin(run->helper, SEND, NULL, id);
}

void answer_helper(struct run *run)
{
    if (!run->woken)
        return;
    mpsc_status status = helper_answer(run->helper);
    if (status != MPSC_OK && status != MPSC_DISCONNECTED)
        fail_msg("the other survivor's send said %s", mpsc_strstatus(status));
    if (status == MPSC_DISCONNECTED)
        ledger_settle(&run->ledger, run->ledger.entry[run->ledger.next].id, false);
}

struct corpse {
    struct run *run;
    bool receives;
    unsigned cells;
};

/* Receives one message, or has a loan out. */
static void corpse_live(void *argument)
{
    const struct corpse *corpse = argument;
    struct victim v = {.run = corpse->run, .scenario = corpse->run->scenario};
    mpsc_options o = victim_options(&v);
    if (corpse->receives) {
        unsigned char buffer[LONGEST];
        assert_status(mpsc_open_receiver(corpse->run->name, &o, &v.rx), MPSC_OK);
        assert_status(mpsc_recv(v.rx, buffer, sizeof buffer, NULL), MPSC_OK);
    } else {
        assert_status(mpsc_open_sender(corpse->run->name, &o, &v.tx), MPSC_OK);
        v.loan = mpsc_loan(v.tx, corpse->cells * MESSAGE_SIZE, NULL);
        assert_non_null(v.loan);
    }
    stepper_ready();
}

/* A process that was killed before the victim came. */
static void make_corpse(struct run *run, bool receives, unsigned cells)
{
    struct corpse corpse = {run, receives, cells};
    struct stepper stepper;
    stepper_start(&stepper, run->victim[0].phase, corpse_live, &corpse);
    stepper_prepare(&stepper);
    stepper_kill(&stepper);
    stepper_reap(&stepper);
}

void dead_receiver(struct run *run)
{
    make_corpse(run, true, 0);
    run->ledger.next++; /* that it took */
}

/* One message, a hole of two cells, one message. */
void dead_sender(struct run *run)
{
    post(run, 1);
    make_corpse(run, false, 2);
    post(run, 1);
}

/* The hole is at the head, and all is dead space. */
void dead_sender_first(struct run *run)
{
    make_corpse(run, false, 2);
    post(run, 1);
}

/* The supervisor claims by stores, until the victim revokes that. */
void biased(struct run *run)
{
    unsigned senders = alone_begin(run->tx);
    post(run, 1);
    alone_end(run->tx, senders);
}

/* A survivor's descriptor, which the victim finds armed. */
void polled(struct run *run)
{
    int fd;
    assert_status(mpsc_receiver_fd(run->rx, &fd), MPSC_OK);
}

/* A channel whose only process was killed. */
void orphan(struct run *run)
{
    make_corpse(run, false, 1);
}

/* The victim is gone. While its child lives nobody hears of a disconnect; the child goes as well. */
void end_family(struct run *run)
{
    stepper_reap(&run->stepper[0]);
    if (kill(-run->group[0], 0) == 0 && run->scenario->traits & SOLE) {
        mpsc_status status;
        while ((status = collect_one(run, 20 * MILLISECONDS)) == MPSC_OK)
            ;
        assert_status(status, MPSC_TIMEOUT);
    }
    kill(-run->group[0], SIGKILL);
    while (waitpid(-run->group[0], NULL, __WALL) > 0)
        ;
}
