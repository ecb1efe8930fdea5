/* SPDX-License-Identifier: MIT */
/* See proof.h. It lives through all runs of a sweep, and does what it is told. */
#include "proof.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

struct helper_state {
    enum order order;
    char name[64];
    uint64_t id;
    size_t bound;
    bool durable;
    atomic_int busy;
    mpsc_status status;
    uint64_t received[LEDGER];
    unsigned count;
};

/* ------------------------------------------------------------------ in its process */

static mpsc_sender *own_tx;
static mpsc_receiver *own_rx;

static mpsc_status receive_until(struct helper_state *state)
{
    unsigned char buffer[LONGEST];
    size_t length;
    mpsc_status status;
    while ((status = mpsc_recv(own_rx, buffer, sizeof buffer, &length)) == MPSC_OK) {
        assert_true(state->count < LEDGER);
        uint64_t id = message_check(buffer, length);
        state->received[state->count++] = id;
        if (id == state->id)
            break;
    }
    return status;
}

static mpsc_status obey(struct helper_state *state)
{
    unsigned char buffer[LONGEST];
    mpsc_options options = proof_options(state->bound, state->durable);
    switch (state->order) {
    case OPEN_TX:
        return mpsc_open_sender(state->name, &options, &own_tx);
    case OPEN_RX:
        return mpsc_open_receiver(state->name, &options, &own_rx);
    case CLOSE_TX:
        mpsc_sender_close(own_tx);
        return MPSC_OK;
    case CLOSE_RX:
        mpsc_receiver_close(own_rx);
        return MPSC_OK;
    case SEND:
        message_fill(buffer, state->id);
        return mpsc_send(own_tx, buffer, message_length(state->id));
    case RECV_UNTIL:
        return receive_until(state);
    default:
        return MPSC_INVALID;
    }
}

static _Noreturn void serve(struct helper_state *state, int orders, int answers)
{
    char byte;
    while (read(orders, &byte, 1) == 1 && state->order != LEAVE) {
        atomic_store(&state->busy, 1);
        state->status = obey(state);
        atomic_store(&state->busy, 0);
        if (write(answers, &byte, 1) != 1)
            break;
    }
    _exit(0);
}

/* ------------------------------------------------------------------ in the supervisor */

void helper_start(struct helper *helper)
{
    int orders[2], answers[2];
    assert_int_equal(pipe(orders), 0);
    assert_int_equal(pipe(answers), 0);
    *helper = (struct helper){.state = shared_memory(sizeof *helper->state)};
    helper->pid = fork();
    assert_true(helper->pid >= 0);
    if (helper->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(orders[1]);
        close(answers[0]);
        serve(helper->state, orders[0], answers[1]);
    }
    close(orders[0]);
    close(answers[1]);
    helper->to = orders[1];
    helper->from = answers[0];
}

void helper_end(struct helper *helper)
{
    helper->state->order = LEAVE;
    close(helper->to);
    close(helper->from);
    assert_int_equal(waitpid(helper->pid, NULL, 0), helper->pid);
}

void helper_begin(struct helper *helper, enum order order, const char *name, uint64_t id)
{
    helper->state->order = order;
    helper->state->id = id;
    if (name)
        strcpy(helper->state->name, name);
    assert_int_equal(write(helper->to, "", 1), 1);
}

mpsc_status helper_answer(struct helper *helper)
{
    char byte;
    struct pollfd from = {.fd = helper->from, .events = POLLIN};
    if (poll(&from, 1, 8000) != 1)
        fail_msg("the other survivor hangs");
    if (read(helper->from, &byte, 1) != 1)
        fail_msg("the other survivor is gone");
    mpsc_status status = helper->state->status;
    enum order order = helper->state->order;
    if (order == OPEN_TX || order == CLOSE_TX)
        helper->tx = order == OPEN_TX && status == MPSC_OK;
    if (order == OPEN_RX || order == CLOSE_RX)
        helper->rx = order == OPEN_RX && status == MPSC_OK;
    return status;
}

mpsc_status helper_do(struct helper *helper, enum order order, const char *name, uint64_t id)
{
    helper_begin(helper, order, name, id);
    return helper_answer(helper);
}

static bool sleeps(void *argument)
{
    const struct helper *helper = argument;
    return atomic_load(&helper->state->busy) && sleeping(helper->pid, helper->pid);
}

void helper_wait_asleep(const struct helper *helper)
{
    wait_until(sleeps, (void *)(uintptr_t)helper);
}

void helper_report(struct helper *helper, struct ledger *ledger)
{
    for (unsigned i = 0; i < helper->state->count; i++)
        ledger_came(ledger, helper->state->received[i]);
    helper->state->count = 0;
}

void helper_channel(struct helper *helper, size_t bound, bool durable)
{
    helper->state->bound = bound;
    helper->state->durable = durable;
}

unsigned first_ring(void)
{
    return (unsigned)sysconf(_SC_PAGESIZE) / 32; /* a page; a cell is a multiple of 16 bytes */
}

mpsc_options proof_options(size_t bound, bool durable)
{
    mpsc_options options = options_of(MESSAGE_SIZE, bound);
    options.durable = durable;
    return options;
}
