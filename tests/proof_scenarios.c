/* SPDX-License-Identifier: MIT */
/* See proof.h. The calls, and the table of what is done before, in and after them. */
#include "proof_prepare.h"

/* ------------------------------------------------------------------ the calls */

static void open_rx_call(struct victim *v)
{
    mpsc_options o = victim_options(v);
    mpsc_status status = mpsc_open_receiver(v->run->name, &o, &v->rx);
    /* The other victim may have the seat. */
    if (status != MPSC_BUSY || v->run->victims == 1)
        assert_status(status, MPSC_OK);
}

/* A survivor has the seat. */
static void open_rx_busy_call(struct victim *v)
{
    mpsc_options o = victim_options(v);
    assert_status(mpsc_open_receiver(v->run->name, &o, &v->rx), MPSC_BUSY);
}

static void open_own_call(struct victim *v)
{
    mpsc_options o = own_options(v);
    assert_status(mpsc_open_sender(v->run->name, &o, &v->tx), MPSC_OK);
}

static void channel_call(struct victim *v)
{
    assert_status(mpsc_channel(MESSAGE_SIZE, &v->tx, &v->rx), MPSC_OK);
}

static void sync_channel_call(struct victim *v)
{
    assert_status(mpsc_sync_channel(MESSAGE_SIZE, BOUND, &v->tx, &v->rx), MPSC_OK);
}

static void channel_with_call(struct victim *v)
{
    mpsc_options o = own_options(v);
    o.type_name = "message";
    assert_status(mpsc_channel_with(&o, &v->tx, &v->rx), MPSC_OK);
}

static void send_call(struct victim *v)
{
    size_t length = message_length(flying(v));
    assert_status(mpsc_send(v->tx, v->message, length), MPSC_OK);
}

/* One that those who sleep do not watch yet. */
static void open_and_send_call(struct victim *v)
{
    victim_open_tx(v);
    send_call(v);
}

static void try_send_call(struct victim *v)
{
    size_t length = message_length(flying(v));
    assert_status(mpsc_try_send(v->tx, v->message, length), MPSC_OK);
}

static void try_send_full_call(struct victim *v)
{
    size_t length = message_length(flying(v));
    assert_status(mpsc_try_send(v->tx, v->message, length), MPSC_FULL);
}

static void send_timeout_call(struct victim *v)
{
    size_t length = message_length(flying(v));
    assert_status(mpsc_send_timeout(v->tx, v->message, length, MPSC_FOREVER / 2), MPSC_OK);
}

static void send_expires_call(struct victim *v)
{
    size_t length = message_length(flying(v));
    assert_status(mpsc_send_timeout(v->tx, v->message, length, MILLISECONDS), MPSC_TIMEOUT);
}

struct batch {
    unsigned char message[BATCH][LONGEST];
    struct iovec vector[BATCH];
    size_t moved;
};

static void batch_fill(struct batch *batch, const struct victim *v)
{
    for (unsigned i = 0; i < BATCH; i++) {
        uint64_t id = victim_message(v->number, 99 - i, v->scenario->flight);
        message_fill(batch->message[i], id);
        batch->vector[i] = (struct iovec){batch->message[i], message_length(id)};
    }
}

static void send_batch_call(struct victim *v)
{
    struct batch b;
    batch_fill(&b, v);
    assert_status(mpsc_send_batch(v->tx, b.vector, BATCH, &b.moved), MPSC_OK);
    assert_int_equal(b.moved, BATCH);
}

static void try_send_batch_call(struct victim *v)
{
    struct batch b;
    batch_fill(&b, v);
    assert_status(mpsc_try_send_batch(v->tx, b.vector, BATCH, &b.moved), MPSC_OK);
    assert_int_equal(b.moved, BATCH);
}

/* There is room for some of them only. */
static void try_send_part_call(struct victim *v)
{
    struct batch b;
    batch_fill(&b, v);
    assert_status(mpsc_try_send_batch(v->tx, b.vector, BATCH, &b.moved), MPSC_OK);
    assert_in_range(b.moved, 1, BATCH - 1);
}

static void send_batch_timeout_call(struct victim *v)
{
    struct batch b;
    batch_fill(&b, v);
    assert_status(mpsc_send_batch_timeout(v->tx, b.vector, BATCH, &b.moved, MPSC_FOREVER / 2),
                  MPSC_OK);
    assert_int_equal(b.moved, BATCH);
}

static void send_batch_expires_call(struct victim *v)
{
    struct batch b;
    batch_fill(&b, v);
    assert_status(mpsc_send_batch_timeout(v->tx, b.vector, BATCH, &b.moved, MILLISECONDS), MPSC_OK);
    assert_in_range(b.moved, 1, BATCH - 1);
}

/* A receiver that was waiting for the first may not be waiting again for the others. */
static void try_send_offered_call(struct victim *v)
{
    struct batch b;
    batch_fill(&b, v);
    assert_status(mpsc_try_send_batch(v->tx, b.vector, BATCH, &b.moved), MPSC_OK);
    assert_in_range(b.moved, 1, BATCH);
}

static void send_lent(struct victim *v, void *loan, mpsc_status status)
{
    assert_lent(loan, status);
    memcpy(loan, v->message, message_length(flying(v)));
    assert_status(mpsc_send_loan(v->tx, loan, message_length(flying(v))), MPSC_OK);
}

static void loan_call(struct victim *v)
{
    mpsc_status status;
    void *loan = mpsc_loan(v->tx, message_length(flying(v)), &status);
    send_lent(v, loan, status);
}

static void try_loan_call(struct victim *v)
{
    mpsc_status status;
    void *loan = mpsc_try_loan(v->tx, message_length(flying(v)), &status);
    send_lent(v, loan, status);
}

static void try_loan_full_call(struct victim *v)
{
    mpsc_status status;
    assert_null(mpsc_try_loan(v->tx, MESSAGE_SIZE, &status));
    assert_status(status, MPSC_FULL);
}

static void loan_timeout_call(struct victim *v)
{
    mpsc_status status;
    void *loan = mpsc_loan_timeout(v->tx, message_length(flying(v)), MPSC_FOREVER / 2, &status);
    send_lent(v, loan, status);
}

static void loan_expires_call(struct victim *v)
{
    mpsc_status status;
    assert_null(mpsc_loan_timeout(v->tx, MESSAGE_SIZE, MILLISECONDS, &status));
    assert_status(status, MPSC_TIMEOUT);
}

/* A receiver waits for it. */
static void try_loan_cancel_call(struct victim *v)
{
    void *loan = mpsc_try_loan(v->tx, MESSAGE_SIZE, NULL);
    assert_non_null(loan);
    assert_status(mpsc_cancel_loan(v->tx, loan), MPSC_OK);
}

static void send_loan_call(struct victim *v)
{
    assert_status(mpsc_send_loan(v->tx, v->loan, message_length(flying(v))), MPSC_OK);
}

static void loan_cancel_call(struct victim *v)
{
    void *loan = mpsc_loan(v->tx, 2 * MESSAGE_SIZE, NULL);
    assert_non_null(loan);
    assert_status(mpsc_cancel_loan(v->tx, loan), MPSC_OK);
}

static void flush_call(struct victim *v)
{
    assert_status(mpsc_flush(v->tx, MPSC_FOREVER), MPSC_OK);
}

static void flush_expires_call(struct victim *v)
{
    assert_status(mpsc_flush(v->tx, MILLISECONDS), MPSC_TIMEOUT);
}

static void recv_call(struct victim *v)
{
    unsigned char buffer[LONGEST];
    size_t length = 0;
    assert_status(mpsc_recv(v->rx, buffer, sizeof buffer, &length), MPSC_OK);
    (void)message_check(buffer, length);
}

static void try_recv_call(struct victim *v)
{
    unsigned char buffer[LONGEST];
    assert_status(mpsc_try_recv(v->rx, buffer, sizeof buffer, NULL), MPSC_OK);
}

static void try_recv_empty_call(struct victim *v)
{
    unsigned char buffer[LONGEST];
    assert_status(mpsc_try_recv(v->rx, buffer, sizeof buffer, NULL), MPSC_EMPTY);
}

static void recv_timeout_call(struct victim *v)
{
    unsigned char buffer[LONGEST];
    assert_status(mpsc_recv_timeout(v->rx, buffer, sizeof buffer, NULL, MPSC_FOREVER / 2), MPSC_OK);
}

static void recv_expires_call(struct victim *v)
{
    unsigned char buffer[LONGEST];
    assert_status(mpsc_recv_timeout(v->rx, buffer, sizeof buffer, NULL, MILLISECONDS),
                  MPSC_TIMEOUT);
}

/* Long enough to find that nothing comes, and to give up a ring. */
static void recv_shrinks_call(struct victim *v)
{
    unsigned char buffer[LONGEST];
    assert_status(mpsc_recv_timeout(v->rx, buffer, sizeof buffer, NULL, 150 * MILLISECONDS),
                  MPSC_TIMEOUT);
}

/* Of a message of one cell, and of another length. */
static const size_t exact = MESSAGE_SIZE - 3, inexact = MESSAGE_SIZE;

static void recv_exact_call(struct victim *v)
{
    unsigned char buffer[LONGEST];
    assert_status(mpsc_recv_exact(v->rx, buffer, exact, MPSC_FOREVER), MPSC_OK);
    (void)message_check(buffer, exact);
}

static void recv_exact_mismatch_call(struct victim *v)
{
    unsigned char buffer[LONGEST];
    assert_status(mpsc_recv_exact(v->rx, buffer, inexact, MPSC_FOREVER), MPSC_MISMATCH);
}

static void recv_exact_empty_call(struct victim *v)
{
    unsigned char buffer[LONGEST];
    assert_status(mpsc_recv_exact(v->rx, buffer, exact, 0), MPSC_EMPTY);
}

static void release(struct victim *v, const void *message)
{
    assert_non_null(message);
    assert_status(mpsc_release(v->rx, message), MPSC_OK);
}

static void peek_release_call(struct victim *v)
{
    release(v, mpsc_peek(v->rx, NULL, NULL));
}

static void try_peek_call(struct victim *v)
{
    release(v, mpsc_try_peek(v->rx, NULL, NULL));
}

static void try_peek_empty_call(struct victim *v)
{
    mpsc_status status;
    assert_null(mpsc_try_peek(v->rx, NULL, &status));
    assert_status(status, MPSC_EMPTY);
}

static void peek_timeout_call(struct victim *v)
{
    release(v, mpsc_peek_timeout(v->rx, NULL, MPSC_FOREVER / 2, NULL));
}

static void peek_expires_call(struct victim *v)
{
    mpsc_status status;
    assert_null(mpsc_peek_timeout(v->rx, NULL, MILLISECONDS, &status));
    assert_status(status, MPSC_TIMEOUT);
}

static void peek_exact_call(struct victim *v)
{
    release(v, mpsc_peek_exact(v->rx, exact, MPSC_FOREVER, NULL));
}

static void peek_exact_mismatch_call(struct victim *v)
{
    mpsc_status status;
    assert_null(mpsc_peek_exact(v->rx, inexact, MPSC_FOREVER, &status));
    assert_status(status, MPSC_MISMATCH);
}

static void batch_empty(struct batch *batch)
{
    for (unsigned i = 0; i < BATCH; i++)
        batch->vector[i] = (struct iovec){batch->message[i], LONGEST};
}

/* As many as are there: three, or the one that it was woken for. */
static void batch_came(const struct batch *batch, const struct victim *v)
{
    assert_int_equal(batch->moved, v->scenario->traits & BATCHED ? BATCH : 1);
}

static void recv_batch_call(struct victim *v)
{
    struct batch b;
    batch_empty(&b);
    assert_status(mpsc_recv_batch(v->rx, b.vector, BATCH, &b.moved), MPSC_OK);
    batch_came(&b, v);
}

static void try_recv_batch_call(struct victim *v)
{
    struct batch b;
    batch_empty(&b);
    assert_status(mpsc_try_recv_batch(v->rx, b.vector, BATCH, &b.moved), MPSC_OK);
    batch_came(&b, v);
}

static void try_recv_batch_empty_call(struct victim *v)
{
    struct batch b;
    batch_empty(&b);
    assert_status(mpsc_try_recv_batch(v->rx, b.vector, BATCH, &b.moved), MPSC_EMPTY);
}

static void recv_batch_timeout_call(struct victim *v)
{
    struct batch b;
    batch_empty(&b);
    assert_status(mpsc_recv_batch_timeout(v->rx, b.vector, BATCH, &b.moved, MPSC_FOREVER / 2),
                  MPSC_OK);
    batch_came(&b, v);
}

static void recv_batch_expires_call(struct victim *v)
{
    struct batch b;
    batch_empty(&b);
    assert_status(mpsc_recv_batch_timeout(v->rx, b.vector, BATCH, &b.moved, MILLISECONDS),
                  MPSC_TIMEOUT);
}

static void len_call(struct victim *v)
{
    assert_int_equal(mpsc_len(v->rx), v->scenario->queued);
}

static void capacity_call(struct victim *v)
{
    assert_int_equal(mpsc_capacity(v->rx), v->run->bound);
}

static void receiver_fd_call(struct victim *v)
{
    int fd;
    assert_status(mpsc_receiver_fd(v->rx, &fd), MPSC_OK);
}

static void sender_fd_call(struct victim *v)
{
    int fd;
    assert_status(mpsc_sender_fd(v->tx, &fd), MPSC_OK);
}

static void select_call(struct victim *v)
{
    size_t ready;
    assert_status(mpsc_select(&v->rx, 1, MPSC_FOREVER, &ready), MPSC_OK);
    try_recv_call(v);
}

static void select_expires_call(struct victim *v)
{
    size_t ready;
    assert_status(mpsc_select(&v->rx, 1, MILLISECONDS, &ready), MPSC_TIMEOUT);
}

static void clone_call(struct victim *v)
{
    assert_status(mpsc_sender_clone(v->tx, &v->clone), MPSC_OK);
}

static void close_clone_call(struct victim *v)
{
    mpsc_sender_close(v->clone);
}

static void close_tx_call(struct victim *v)
{
    mpsc_sender_close(v->tx);
}

static void close_rx_call(struct victim *v)
{
    mpsc_receiver_close(v->rx);
}

/* And destroys what nobody will receive. */
static void close_own_rx_call(struct victim *v)
{
    mpsc_receiver_close(v->rx);
    assert_int_equal(destroyed, v->scenario->sent);
}

static void close_own_tx_call(struct victim *v)
{
    mpsc_sender_close(v->tx);
    assert_int_equal(destroyed, v->scenario->sent);
}

static void unlink_call(struct victim *v)
{
    assert_status(mpsc_unlink(v->run->name), MPSC_OK);
}

static void stat_call(struct victim *v)
{
    mpsc_stats stats;
    assert_status(mpsc_stat(v->run->name, &stats), MPSC_OK);
}

static void exit_call(struct victim *v)
{
    (void)v;
    exit(0);
}

/* The child lives on, idle, with what it has inherited. */
static void fork_call(struct victim *v)
{
    pid_t child = fork();
    bool follows = v->scenario->traits & FOLLOWS;
    if (child && !follows)
        return;
    if (!child && follows)
        stepper_end(v->phase);
    alarm(30);
    for (;;)
        pause();
}

/* ------------------------------------------------------------------ the table */

const struct scenario scenarios[] = {
    {"send", 0, 1, NULL, with_tx, 0, 0, send_call, 1, false, NULL, NULL},
    {"send_sole", SOLE, 1, NULL, with_tx, 1, 0, send_call, 1, false, NULL, NULL},
    {"send_asking", SOLE, 1, NULL, with_tx_asking, 0, 0, send_call, 1, false, NULL, NULL},
    {"send_biased", 0, 0, NULL, with_tx_biased, 1, 0, send_call, 1, false, NULL, NULL},
    {"send_biased_long", 0, 0, NULL, with_tx_biased, 1, 0, send_call, 3, false, NULL, NULL},
    {"send_biased_batch", BATCHED, 0, NULL, with_tx_biased, 1, 0, send_batch_call, 1, false, NULL,
     NULL},
    {"loan_biased", 0, 0, NULL, with_tx_biased, 1, 0, loan_call, 1, false, NULL, NULL},
    {"send_revoking", 0, 0, biased, with_tx, 0, 0, send_call, 1, false, NULL, NULL},
    {"send_long", 0, 1, NULL, with_tx, 0, 0, send_call, 3, false, NULL, NULL},
    {"send_listened", LISTENS, 0, NULL, with_tx, 0, 0, send_call, 1, false, NULL, NULL},
    {"send_listened_sole", LISTENS | SOLE, 0, NULL, with_tx, 0, 0, send_call, 1, false, NULL, NULL},
    {"send_blocked", 0, BOUND, NULL, with_tx, 0, 0, send_call, 1, false, wake_by_receiving, NULL},
    {"send_blocked_long", NAPS, BOUND, NULL, with_tx, 0, 0, send_call, 1, false, wake_by_receiving,
     NULL},
    {"try_send", 0, 1, NULL, with_tx, 0, 0, try_send_call, 1, false, NULL, NULL},
    {"try_send_at_once", 0, 1, NULL, with_tx, 1, 0, try_send_call, 1, false, NULL, NULL},
    {"try_send_full", 0, BOUND, NULL, with_tx, 0, 0, try_send_full_call, 1, false, NULL, NULL},
    {"send_timeout", 0, BOUND, NULL, with_tx, 0, 0, send_timeout_call, 1, false, wake_by_receiving,
     NULL},
    {"send_timeout_at_once", 0, 1, NULL, with_tx, 1, 0, send_timeout_call, 1, false, NULL, NULL},
    {"send_timeout_expires", 0, BOUND, NULL, with_tx, 0, 0, send_expires_call, 1, false, NULL,
     NULL},
    {"loan_send_loan", 0, 1, NULL, with_tx, 0, 0, loan_call, 2, false, NULL, NULL},
    {"loan_at_once", 0, 1, NULL, with_tx, 1, 0, loan_call, 1, false, NULL, NULL},
    {"loan_blocked", 0, BOUND, NULL, with_tx, 0, 0, loan_call, 1, false, wake_by_receiving, NULL},
    {"try_loan", 0, 1, NULL, with_tx, 0, 0, try_loan_call, 2, false, NULL, NULL},
    {"try_loan_full", 0, BOUND, NULL, with_tx, 0, 0, try_loan_full_call, 0, false, NULL, NULL},
    {"loan_timeout", 0, BOUND, NULL, with_tx, 0, 0, loan_timeout_call, 1, false, wake_by_receiving,
     NULL},
    {"loan_timeout_expires", 0, BOUND, NULL, with_tx, 0, 0, loan_expires_call, 0, false, NULL,
     NULL},
    {"send_loan_shrunk", 0, 1, NULL, with_loan, 0, 0, send_loan_call, 1, false, NULL, NULL},
    {"loan_cancel", 0, 1, NULL, with_tx, 0, 0, loan_cancel_call, 0, false, NULL, NULL},
    {"send_batch", BATCHED, 1, NULL, with_tx, 0, 0, send_batch_call, 1, false, NULL, NULL},
    {"send_batch_blocked", BATCHED, BOUND - 2, NULL, with_tx, 0, 0, send_batch_call, 1, false,
     wake_by_receiving, NULL},
    {"try_send_batch", BATCHED, 1, NULL, with_tx, 0, 0, try_send_batch_call, 1, false, NULL, NULL},
    {"try_send_batch_part", BATCHED, BOUND - 2, NULL, with_tx, 0, 0, try_send_part_call, 1, false,
     NULL, NULL},
    {"send_batch_timeout", BATCHED, BOUND - 2, NULL, with_tx, 0, 0, send_batch_timeout_call, 1,
     false, wake_by_receiving, NULL},
    {"send_batch_timeout_expires", BATCHED, BOUND - 2, NULL, with_tx, 0, 0, send_batch_expires_call,
     1, false, NULL, NULL},
    {"recv_batch", RECEIVES | BATCHED, 4, NULL, with_rx, 0, 1, recv_batch_call, 0, true, NULL,
     NULL},
    {"recv_batch_blocked", RECEIVES, 0, NULL, with_rx, 0, 0, recv_batch_call, 0, true,
     wake_by_sending, NULL},
    {"try_recv_batch", RECEIVES | BATCHED, 4, NULL, with_rx, 0, 1, try_recv_batch_call, 0, true,
     NULL, NULL},
    {"try_recv_batch_empty", RECEIVES, 1, NULL, with_rx, 0, 1, try_recv_batch_empty_call, 0, false,
     NULL, NULL},
    {"recv_batch_timeout", RECEIVES, 0, NULL, with_rx, 0, 0, recv_batch_timeout_call, 0, true,
     wake_by_sending, NULL},
    {"recv_batch_timeout_expires", RECEIVES, 0, NULL, with_rx, 0, 0, recv_batch_expires_call, 0,
     false, NULL, NULL},
    {"flush", 0, 0, NULL, with_tx, 1, 0, flush_call, 0, false, wake_by_receiving, NULL},
    {"flush_expires", 0, 0, NULL, with_tx, 1, 0, flush_expires_call, 0, false, NULL, NULL},
    {"recv", RECEIVES, 3, NULL, with_rx, 0, 1, recv_call, 0, true, NULL, NULL},
    {"recv_first", RECEIVES, 3, NULL, with_rx, 0, 0, recv_call, 0, true, NULL, NULL},
    {"recv_pushed", RECEIVES | PUSHES, BOUND, NULL, with_rx, 0, 0, recv_call, 0, true, NULL, NULL},
    {"recv_blocked", RECEIVES, 0, NULL, with_rx, 0, 0, recv_call, 0, true, wake_by_sending, NULL},
    {"recv_blocked_long", RECEIVES | NAPS, 0, NULL, with_rx, 0, 0, recv_call, 0, true,
     wake_by_sending, NULL},
    {"recv_timeout", RECEIVES, 0, NULL, with_rx, 0, 0, recv_timeout_call, 0, true, wake_by_sending,
     NULL},
    {"recv_timeout_at_once", RECEIVES, 3, NULL, with_rx, 0, 1, recv_timeout_call, 0, true, NULL,
     NULL},
    {"recv_timeout_expires", RECEIVES, 0, NULL, with_rx, 0, 0, recv_expires_call, 0, false, NULL,
     NULL},
    {"recv_past_a_hole", RECEIVES, 0, dead_sender, with_rx, 0, 1, recv_call, 0, true, NULL, NULL},
    {"recv_at_a_hole", RECEIVES, 0, dead_sender_first, with_rx, 0, 0, recv_call, 0, true, NULL,
     NULL},
    {"try_recv", RECEIVES, 3, NULL, with_rx, 0, 1, try_recv_call, 0, true, NULL, NULL},
    {"try_recv_empty", RECEIVES, 1, NULL, with_rx, 0, 1, try_recv_empty_call, 0, false, NULL, NULL},
    {"recv_exact", RECEIVES, 3, NULL, with_rx, 0, 1, recv_exact_call, 0, true, NULL, NULL},
    {"recv_exact_mismatch", RECEIVES, 3, NULL, with_rx, 0, 1, recv_exact_mismatch_call, 0, false,
     NULL, NULL},
    {"recv_exact_empty", RECEIVES, 1, NULL, with_rx, 0, 1, recv_exact_empty_call, 0, false, NULL,
     NULL},
    {"recv_exact_blocked", RECEIVES, 0, NULL, with_rx, 0, 0, recv_exact_call, 0, true,
     wake_by_sending, NULL},
    {"peek_release", RECEIVES, 3, NULL, with_rx, 0, 1, peek_release_call, 0, true, NULL, NULL},
    {"peek_blocked", RECEIVES, 0, NULL, with_rx, 0, 0, peek_release_call, 0, true, wake_by_sending,
     NULL},
    {"try_peek", RECEIVES, 3, NULL, with_rx, 0, 1, try_peek_call, 0, true, NULL, NULL},
    {"try_peek_empty", RECEIVES, 1, NULL, with_rx, 0, 1, try_peek_empty_call, 0, false, NULL, NULL},
    {"peek_timeout", RECEIVES, 0, NULL, with_rx, 0, 0, peek_timeout_call, 0, true, wake_by_sending,
     NULL},
    {"peek_timeout_expires", RECEIVES, 0, NULL, with_rx, 0, 0, peek_expires_call, 0, false, NULL,
     NULL},
    {"peek_exact", RECEIVES, 3, NULL, with_rx, 0, 1, peek_exact_call, 0, true, NULL, NULL},
    {"peek_exact_mismatch", RECEIVES, 3, NULL, with_rx, 0, 1, peek_exact_mismatch_call, 0, false,
     NULL, NULL},
    {"peek_exact_blocked", RECEIVES, 0, NULL, with_rx, 0, 0, peek_exact_call, 0, true,
     wake_by_sending, NULL},
    {"peeked_close", RECEIVES, 3, NULL, with_peeked, 0, 0, close_rx_call, 0, false, NULL, NULL},
    {"send_polled", 0, 0, polled, with_tx, 0, 0, send_call, 1, false, NULL, NULL},
    {"receiver_fd", RECEIVES, 1, NULL, with_rx, 0, 1, receiver_fd_call, 0, false, NULL, NULL},
    {"sender_fd", 0, 1, NULL, with_tx, 0, 0, sender_fd_call, 0, false, NULL, NULL},
    {"try_recv_polled", RECEIVES, 1, NULL, with_rx_fd, 0, 1, try_recv_empty_call, 0, false, NULL,
     NULL},
    {"try_send_polled", 0, BOUND, NULL, with_tx_fd, 0, 0, try_send_full_call, 1, false, NULL, NULL},
    {"select", RECEIVES, 0, NULL, with_rx, 0, 0, select_call, 0, true, wake_by_sending, NULL},
    {"select_expires", RECEIVES, 0, NULL, with_rx, 0, 0, select_expires_call, 0, false, NULL, NULL},
    {"len", RECEIVES, 2, NULL, with_rx, 0, 0, len_call, 0, false, NULL, NULL},
    {"capacity", RECEIVES, 2, NULL, with_rx, 0, 0, capacity_call, 0, false, NULL, NULL},
    {"open_sender_creating", ALONE, 0, NULL, with_nothing, 0, 0, victim_open_tx, 0, false, NULL,
     NULL},
    {"open_sender_attaching", 0, 2, NULL, with_nothing, 0, 0, victim_open_tx, 0, false, NULL, NULL},
    {"open_sender_listened", LISTENS, 0, NULL, with_nothing, 0, 0, open_and_send_call, 1, false,
     NULL, NULL},
    {"open_sender_again", 0, 2, NULL, with_tx, 0, 0, victim_open_tx, 0, false, NULL, NULL},
    {"open_receiver_creating", ALONE | RECEIVES, 0, NULL, with_nothing, 0, 0, open_rx_call, 0,
     false, NULL, NULL},
    {"open_receiver_attaching", RECEIVES | UNHEARD, 2, NULL, with_nothing, 0, 0, open_rx_call, 0,
     false, NULL, NULL},
    {"open_receiver_takeover", RECEIVES, 3, dead_receiver, with_nothing, 0, 0, open_rx_call, 0,
     false, NULL, NULL},
    {"open_receiver_busy", 0, 2, NULL, with_nothing, 0, 0, open_rx_busy_call, 0, false, NULL, NULL},
    {"open_durable", ALONE | DURABLE, 0, NULL, with_nothing, 0, 0, victim_open_tx, 0, false, NULL,
     NULL},
    {"open_orphan", ALONE | FORGETS, 0, orphan, with_nothing, 0, 0, victim_open_tx, 0, false, NULL,
     NULL},
    {"open_own", ALONE | FORGETS, 0, NULL, with_nothing, 0, 0, open_own_call, 0, false, NULL, NULL},
    {"channel", ALONE | PRIVATE, 0, NULL, with_nothing, 0, 0, channel_call, 0, false, NULL, NULL},
    {"sync_channel", ALONE | PRIVATE, 0, NULL, with_nothing, 0, 0, sync_channel_call, 0, false,
     NULL, NULL},
    {"channel_with", ALONE | PRIVATE, 0, NULL, with_nothing, 0, 0, channel_with_call, 0, false,
     NULL, NULL},
    {"clone", 0, 2, NULL, with_tx, 0, 0, clone_call, 0, false, NULL, NULL},
    {"clone_sole", SOLE, 2, NULL, with_tx, 1, 0, clone_call, 0, false, NULL, NULL},
    {"clone_growing", 0, 2, NULL, with_crowd, 0, 0, clone_call, 0, false, NULL, NULL},
    {"close_clone", SOLE, 2, NULL, with_clone, 1, 0, close_clone_call, 0, false, NULL, NULL},
    {"sender_close", 0, 2, NULL, with_tx, 1, 0, close_tx_call, 0, false, NULL, NULL},
    {"sender_close_last", SOLE, 2, NULL, with_tx, 1, 0, close_tx_call, 0, false, NULL, NULL},
    {"sender_close_listened", LISTENS | SOLE, 0, NULL, with_tx, 0, 0, close_tx_call, 0, false, NULL,
     NULL},
    {"sender_close_loan", 0, 1, NULL, with_loan, 0, 0, close_tx_call, 1, false, NULL, NULL},
    {"sender_close_polled", 0, BOUND, NULL, with_tx_fd, 0, 0, close_tx_call, 0, false, NULL, NULL},
    {"receiver_close", RECEIVES, 3, NULL, with_rx, 0, 1, close_rx_call, 0, false, NULL, NULL},
    {"receiver_close_pushed", RECEIVES | PUSHES, BOUND, NULL, with_rx, 0, 0, close_rx_call, 0,
     false, NULL, NULL},
    {"receiver_close_polled", RECEIVES, 1, NULL, with_rx_fd, 0, 1, close_rx_call, 0, false, NULL,
     NULL},
    {"last_close_sender", ALONE | FORGETS, 0, NULL, with_tx, 2, 0, close_tx_call, 0, false, NULL,
     NULL},
    {"last_close_receiver", ALONE | FORGETS | RECEIVES, 0, NULL, with_rx, 0, 0, close_rx_call, 0,
     false, NULL, NULL},
    {"last_close_durable", ALONE | DURABLE, 0, NULL, with_tx, 2, 0, close_tx_call, 0, false, NULL,
     NULL},
    {"receiver_close_own", ALONE | FORGETS | RECEIVES, 0, NULL, with_own, 3, 0, close_own_rx_call,
     0, false, NULL, NULL},
    {"last_close_own", ALONE | FORGETS, 0, NULL, with_own_loan, 2, 0, close_own_tx_call, 0, false,
     NULL, NULL},
    {"exit", ALONE | FORGETS | RECEIVES, 0, NULL, with_both, 2, 0, exit_call, 0, false, NULL, NULL},
    {"exit_attached", SOLE, 1, NULL, with_tx, 1, 0, exit_call, 0, false, NULL, NULL},
    {"unlink", UNLINKS, 2, NULL, with_nothing, 0, 0, unlink_call, 0, false, NULL, NULL},
    {"unlink_durable", UNLINKS | DURABLE, 2, NULL, with_nothing, 0, 0, unlink_call, 0, false, NULL,
     NULL},
    {"stat", 0, 2, NULL, with_nothing, 0, 0, stat_call, 0, false, NULL, NULL},
    {"fork_parent", FORKS, 2, NULL, with_tx, 1, 0, fork_call, 0, false, NULL, end_family},
    {"fork_parent_sole", FORKS | SOLE, 2, NULL, with_tx, 1, 0, fork_call, 0, false, NULL,
     end_family},
    {"fork_parent_receiver", FORKS | RECEIVES, 2, NULL, with_rx, 0, 1, fork_call, 0, false, NULL,
     end_family},
    {"fork_child", FOLLOWS, 2, NULL, with_tx, 1, 0, fork_call, 0, false, NULL, end_family},
    {"fork_child_receiver", FOLLOWS | RECEIVES, 2, NULL, with_rx, 0, 1, fork_call, 0, false, NULL,
     end_family},
    {"rendezvous_send", RENDEZVOUS, 0, NULL, with_tx, 0, 0, send_call, 1, false, wake_by_receiving,
     NULL},
    {"rendezvous_send_expires", RENDEZVOUS, 0, NULL, with_tx, 0, 0, send_expires_call, 1, false,
     NULL, NULL},
    {"rendezvous_send_batch", RENDEZVOUS | LISTENS | BATCHED, 0, NULL, with_tx, 0, 0,
     send_batch_call, 1, false, NULL, NULL},
    {"rendezvous_loan", RENDEZVOUS, 0, NULL, with_tx, 0, 0, loan_call, 1, false, wake_by_receiving,
     NULL},
    {"rendezvous_try_send", RENDEZVOUS | LISTENS, 0, NULL, with_tx, 0, 0, try_send_call, 1, false,
     NULL, NULL},
    {"rendezvous_try_send_full", RENDEZVOUS, 0, NULL, with_tx, 0, 0, try_send_full_call, 1, false,
     NULL, NULL},
    {"rendezvous_try_send_batch", RENDEZVOUS | LISTENS | BATCHED, 0, NULL, with_tx, 0, 0,
     try_send_offered_call, 1, false, NULL, NULL},
    {"rendezvous_try_loan", RENDEZVOUS | LISTENS, 0, NULL, with_tx, 0, 0, try_loan_call, 1, false,
     NULL, NULL},
    {"rendezvous_try_loan_cancel", RENDEZVOUS | LISTENS, 0, NULL, with_tx, 0, 0,
     try_loan_cancel_call, 0, false, NULL, NULL},
    {"rendezvous_recv", RENDEZVOUS | RECEIVES, 0, NULL, with_rx, 0, 0, recv_call, 0, true,
     wake_by_helper, answer_helper},
    {"rendezvous_recv_expires", RENDEZVOUS | RECEIVES, 0, NULL, with_rx, 0, 0, recv_expires_call, 0,
     false, NULL, NULL},
    {"rendezvous_recv_pushed", RENDEZVOUS | RECEIVES | PUSHES, 0, NULL, with_rx, 0, 0, recv_call, 0,
     true, NULL, NULL},
    {"rendezvous_try_recv", RENDEZVOUS | RECEIVES | PUSHES, 0, NULL, with_rx, 0, 0, try_recv_call,
     0, true, NULL, NULL},
    {"rendezvous_recv_batch", RENDEZVOUS | RECEIVES, 0, NULL, with_rx, 0, 0, recv_batch_call, 0,
     true, wake_by_helper, answer_helper},
    {"rendezvous_peek", RENDEZVOUS | RECEIVES, 0, NULL, with_rx, 0, 0, peek_release_call, 0, true,
     wake_by_helper, answer_helper},
    {"rendezvous_peek_pushed", RENDEZVOUS | RECEIVES | PUSHES, 0, NULL, with_rx, 0, 0,
     peek_release_call, 0, true, NULL, NULL},
    {"rendezvous_select", RENDEZVOUS | RECEIVES, 0, NULL, with_rx, 0, 0, select_call, 0, true,
     wake_by_helper, answer_helper},
    {"send_unbounded", UNBOUNDED, 1, NULL, with_tx, 0, 0, send_call, 1, false, NULL, NULL},
    {"send_growing", UNBOUNDED | FILLS, 0, NULL, with_tx, 0, 0, send_call, 1, false, NULL, NULL},
    {"send_growing_sole", UNBOUNDED | FILLS | SOLE, 0, NULL, with_tx, 0, 0, send_call, 1, false,
     NULL, NULL},
    {"send_growing_long", UNBOUNDED | FILLS, 0, NULL, with_tx, 0, 0, send_call, 3, false, NULL,
     NULL},
    {"send_growing_durable", UNBOUNDED | FILLS | DURABLE, 0, NULL, with_tx, 0, 0, send_call, 1,
     false, NULL, NULL},
    {"try_send_growing", UNBOUNDED | FILLS, 0, NULL, with_tx, 0, 0, try_send_call, 1, false, NULL,
     NULL},
    {"loan_growing", UNBOUNDED | FILLS, 0, NULL, with_tx, 0, 0, loan_call, 2, false, NULL, NULL},
    {"send_batch_growing", UNBOUNDED | FILLS | BATCHED, 0, NULL, with_tx, 0, 0, send_batch_call, 1,
     false, NULL, NULL},
    {"send_following", UNBOUNDED | FILLS, 0, NULL, with_grown, 1, 0, send_call, 1, false, NULL,
     NULL},
    {"send_batch_following", UNBOUNDED | FILLS | BATCHED, 0, NULL, with_grown, 1, 0,
     send_batch_call, 1, false, NULL, NULL},
    {"recv_passing", UNBOUNDED | FILLS | RECEIVES | DRAINS, 3, NULL, with_rx, 0, 0, recv_call, 0,
     true, NULL, NULL},
    {"try_recv_passing", UNBOUNDED | FILLS | RECEIVES | DRAINS, 3, NULL, with_rx, 0, 0,
     try_recv_call, 0, true, NULL, NULL},
    {"peek_passing", UNBOUNDED | FILLS | RECEIVES | DRAINS, 3, NULL, with_rx, 0, 0,
     peek_release_call, 0, true, NULL, NULL},
    {"recv_batch_passing", UNBOUNDED | FILLS | RECEIVES | DRAINS | BATCHED, 4, NULL, with_rx, 0, 0,
     recv_batch_call, 0, true, NULL, NULL},
    {"recv_shrinking", UNBOUNDED | FILLS | RECEIVES | DRAINS, 1, NULL, with_rx, 0, 1,
     recv_shrinks_call, 0, false, NULL, NULL},
    {"len_grown", UNBOUNDED | FILLS | RECEIVES | DRAINS, 3, NULL, with_rx, 0, 0, len_call, 0, false,
     NULL, NULL},
    {"open_receiver_grown", UNBOUNDED | FILLS | RECEIVES | UNHEARD, 3, NULL, with_nothing, 0, 0,
     open_rx_call, 0, false, NULL, NULL},
};
const size_t scenario_count = sizeof scenarios / sizeof *scenarios;

const struct pair pairs[] = {
    {{.name = "pair_send_send", .queued = 1}, "send", "send_long"},
    {{.name = "pair_biased_revoking"}, "send_biased", "send"},
    {{.name = "pair_send_recv", .traits = RECEIVES, .queued = 2, .over = true},
     "send",
     "recv_first"},
    {{.name = "pair_recv_send", .traits = RECEIVES, .queued = 2, .over = true},
     "recv_first",
     "send"},
    {{.name = "pair_recv_takeover", .traits = RECEIVES, .queued = 3, .over = true},
     "recv_first",
     "open_receiver_takeover"},
    {{.name = "pair_open_open", .traits = ALONE}, "open_sender_creating", "open_receiver_creating"},
    {{.name = "pair_open_orphan", .traits = ALONE | FORGETS, .setup = orphan},
     "open_orphan",
     "open_orphan"},
    {{.name = "pair_close_open", .traits = ALONE | FORGETS}, "last_close_sender", "open_orphan"},
    {{.name = "pair_clone_open", .queued = 2}, "clone", "open_sender_attaching"},
    {{.name = "pair_clone_close", .queued = 2}, "clone", "close_clone"},
    {{.name = "pair_grow_grow", .traits = UNBOUNDED | FILLS}, "send_growing", "send_growing_long"},
    {{.name = "pair_grow_pass", .traits = UNBOUNDED | FILLS | RECEIVES, .over = true},
     "send_growing",
     "recv_first"},
    {{.name = "pair_close_close", .traits = SOLE, .queued = 1}, "sender_close", "sender_close"},
};
const size_t pair_count = sizeof pairs / sizeof *pairs;
