/* SPDX-License-Identifier: MIT */
/* See proof.h. What must hold after a death. */
#include "proof.h"

#include "attachment.h"
#include "view.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

static bool has(const struct run *run, enum trait trait)
{
    return run->scenario->traits & trait;
}

static const struct segment *segment_of(const struct run *run)
{
    if (run->tx)
        return ((const struct handle *)run->tx)->segment;
    return run->rx ? ((const struct handle *)run->rx)->segment : NULL;
}

/* ------------------------------------------------------------------ the dead */

static bool is_victim(const struct run *run, const struct process *process)
{
    uint32_t pid = atomic_load(&process->pid);
    return atomic_load(&process->life) != 0 &&
           (pid == (uint32_t)run->stepper[0].pid ||
            (run->victims == 2 && pid == (uint32_t)run->stepper[1].pid));
}

static bool is_locked(const struct run *run, const struct registry *registry)
{
    for (unsigned i = 0; i < registry_process_high(registry); i++)
        if (is_victim(run, &registry->processes[i]) &&
            os_lock_held(registry->fd, LOCK_PROCESS + i) == 1)
            return true;
    return false;
}

/* Whoever reads /proc/PID/maps of a process that is killed keeps its memory, and so its locks, until he is
 * through: mpsc-inspect does, in the tests that run beside this one. */
static void wait_for_their_locks(const struct run *run)
{
    struct view view;
    uint64_t end = now_ns() + SECONDS;
    if (view_open(run->name, &view))
        return;
    while (is_locked(run, &view.segment.registry) && now_ns() < end)
        sched_yield();
    view_close(&view);
}

/* ------------------------------------------------------------------ the supervisor's handles */

static void open_own_tx(struct run *run)
{
    mpsc_options options = proof_options(run->bound, has(run, DURABLE));
    assert_status(mpsc_open_sender(run->name, &options, &run->tx), MPSC_OK);
}

static void open_own_rx(struct run *run)
{
    mpsc_options options = proof_options(run->bound, has(run, DURABLE));
    assert_status(mpsc_open_receiver(run->name, &options, &run->rx), MPSC_OK);
}

static void close_own_tx(struct run *run)
{
    mpsc_sender_close(run->tx);
    run->tx = NULL;
}

static void close_own_rx(struct run *run)
{
    mpsc_receiver_close(run->rx);
    run->rx = NULL;
}

static void close_helper(struct run *run)
{
    if (run->helper->tx)
        assert_status(helper_do(run->helper, CLOSE_TX, NULL, 0), MPSC_OK);
    if (run->helper->rx)
        assert_status(helper_do(run->helper, CLOSE_RX, NULL, 0), MPSC_OK);
}

static mpsc_status send_id(mpsc_sender *tx, uint64_t id)
{
    unsigned char buffer[LONGEST];
    message_fill(buffer, id);
    return mpsc_send(tx, buffer, message_length(id));
}

void post(struct run *run, unsigned cells)
{
    uint64_t id = message_id(run->numbers++, cells);
    assert_status(send_id(run->tx, id), MPSC_OK);
    ledger_expect(&run->ledger, id, false);
}

mpsc_status collect_one(struct run *run, uint64_t nanoseconds)
{
    unsigned char buffer[LONGEST];
    size_t length = 0;
    mpsc_status status =
        nanoseconds ? mpsc_recv_timeout(run->rx, buffer, sizeof buffer, &length, nanoseconds)
                    : mpsc_try_recv(run->rx, buffer, sizeof buffer, &length);
    if (status == MPSC_OK)
        ledger_came(&run->ledger, message_check(buffer, length));
    return status;
}

bool collect(struct run *run)
{
    return collect_one(run, 5 * SECONDS) == MPSC_OK;
}

/* ------------------------------------------------------------------ stages */

static void check_segment(const struct run *run)
{
    const struct segment *segment = segment_of(run);
    const char *broken = segment ? segment_check(segment) : NULL;
    if (broken)
        fail_msg("segment_check: %s", broken);
}

static bool nothing_is_queued(void *argument)
{
    const struct segment *segment = argument;
    return atomic_load(&segment->header->head) == atomic_load(&segment->header->rings[0].tail);
}

/* The second survivor was asleep in a call on the victim's other side. What was committed comes to it, and what
 * was only claimed is passed, with nobody but the dead to tell of it. */
static void helper_hears(struct run *run)
{
    if (has(run, LISTENS)) {
        if (!has(run, SOLE)) {
            wait_until(nothing_is_queued, (void *)(uintptr_t)segment_of(run));
            uint64_t last = run->helper_until;
            ledger_expect(&run->ledger, last, false);
            assert_status(send_id(run->tx, last), MPSC_OK);
        }
        assert_status(helper_answer(run->helper), has(run, SOLE) ? MPSC_DISCONNECTED : MPSC_OK);
        helper_report(run->helper, &run->ledger);
        if (!run->tx)
            open_own_tx(run);
        assert_status(helper_do(run->helper, CLOSE_RX, NULL, 0), MPSC_OK);
    }
    if (has(run, PUSHES)) {
        mpsc_status status = helper_answer(run->helper);
        if (status != MPSC_OK && status != MPSC_DISCONNECTED)
            fail_msg("the other survivor's send said %s", mpsc_strstatus(status));
        ledger_settle(&run->ledger, run->helper_until, status == MPSC_OK);
        /* A rendezvous' message that the dead receiver took is not queued any more. */
        if (status == MPSC_OK && has(run, RENDEZVOUS))
            run->ledger.entry[run->ledger.next].in_flight = true;
    }
}

/* A sender hears of the dead receiver when the ring is full at the latest. */
static void sender_hears(struct run *run)
{
    unsigned room = has(run, UNBOUNDED) ? 4 * first_ring() : BOUND;
    for (unsigned i = 0; i <= room; i++) {
        uint64_t id = message_id(run->numbers++, 1);
        mpsc_status status = send_id(run->tx, id);
        if (status == MPSC_DISCONNECTED)
            return;
        assert_status(status, MPSC_OK);
        ledger_expect(&run->ledger, id, false);
    }
    fail_msg("the ring took more than its bound");
}

static void drain(struct run *run, mpsc_status end)
{
    mpsc_status status;
    do
        status = collect_one(run, end == MPSC_EMPTY ? 0 : 5 * SECONDS);
    while (status == MPSC_OK);
    assert_status(status, end);
}

/* All that was committed comes, and nothing else. */
static void receive_all(struct run *run, uint64_t queued)
{
    drain(run, has(run, SOLE) && !has(run, LISTENS) ? MPSC_DISCONNECTED : MPSC_EMPTY);
    if (queued != UINT64_MAX && run->ledger.came != queued)
        fail_msg("%u messages came, and %ju were queued", run->ledger.came, (uintmax_t)queued);
    ledger_end(&run->ledger);
}

static uint64_t pages(uint64_t bytes, uint64_t page_size)
{
    return (bytes + page_size - 1) / page_size * page_size;
}

/* What the header, the tables, the news of each process that ever came and the chain need. */
static uint64_t memory_needed(const struct run *run, const struct segment *segment)
{
    const struct registry *registry = &segment->registry;
    const struct chain chain = segment_chain(segment);
    uint64_t page = segment->geometry.page_size;
    unsigned came = run->victims + 3; /* the survivors, and somebody's child */
    unsigned oldest = chain_oldest(&chain);
    return page + pages(registry_process_high(registry) * sizeof(struct process), page) +
           pages(registry_endpoint_high(registry) * sizeof(struct endpoint), page) + came * page +
           chain_memory(&chain) +
           (chain_used_up(&chain, oldest) ? geometry_place(&segment->geometry, oldest).size : 0);
}

/* No ring has memory but those in the chain, as soon as somebody has held the control mutex. */
static void memory_is_returned(const struct run *run)
{
    const struct segment *segment = ((const struct handle *)run->tx)->segment;
    struct stat file;
    mpsc_sender *clone;
    assert_status(mpsc_sender_clone(run->tx, &clone), MPSC_OK);
    mpsc_sender_close(clone);
    assert_int_equal(fstat(segment->fd, &file), 0);
    uint64_t had = (uint64_t)file.st_blocks * 512, needed = memory_needed(run, segment);
    if (had > needed)
        fail_msg("%ju bytes of memory, and %ju are needed", (uintmax_t)had, (uintmax_t)needed);
}

/* Two laps of all sorts, and the bound as it should be. */
static void exchange(struct run *run)
{
    unsigned char buffer[LONGEST];
    for (unsigned i = 0; i < 2 * BOUND; i++) {
        post(run, 1 + i % BOUND);
        assert_true(collect(run));
    }
    unsigned room = has(run, UNBOUNDED) ? 2 * first_ring() + 1 : BOUND;
    for (unsigned i = 0; i < room; i++)
        post(run, 1);
    uint64_t id = message_id(run->numbers, 1);
    message_fill(buffer, id);
    if (!has(run, UNBOUNDED))
        assert_status(mpsc_try_send(run->tx, buffer, message_length(id)), MPSC_FULL);
    drain(run, MPSC_EMPTY);
    ledger_end(&run->ledger);
}

static void exchange_rendezvous(struct run *run)
{
    unsigned char buffer[LONGEST];
    for (unsigned i = 0; i < 3; i++) {
        uint64_t id = message_id(run->numbers++, 1);
        ledger_expect(&run->ledger, id, false);
        helper_begin(run->helper, SEND, NULL, id);
        assert_true(collect(run));
        assert_status(helper_answer(run->helper), MPSC_OK);
    }
    uint64_t id = message_id(run->numbers, 1);
    message_fill(buffer, id);
    assert_status(mpsc_try_send(run->tx, buffer, message_length(id)), MPSC_FULL);
    drain(run, MPSC_EMPTY);
    ledger_end(&run->ledger);
}

/* The other process opens, sends and is refused the seat; a clone sends. */
static void others_go_on(struct run *run, bool linked)
{
    if (!run->helper->tx && linked)
        assert_status(helper_do(run->helper, OPEN_TX, run->name, 0), MPSC_OK);
    if (linked)
        assert_status(helper_do(run->helper, OPEN_RX, run->name, 0), MPSC_BUSY);
    if (has(run, RENDEZVOUS))
        return;
    if (run->helper->tx) {
        uint64_t id = message_id(run->numbers++, 2);
        ledger_expect(&run->ledger, id, false);
        assert_status(helper_do(run->helper, SEND, NULL, id), MPSC_OK);
    }
    mpsc_sender *clone;
    assert_status(mpsc_sender_clone(run->tx, &clone), MPSC_OK);
    uint64_t id = message_id(run->numbers++, 1);
    ledger_expect(&run->ledger, id, false);
    assert_status(send_id(clone, id), MPSC_OK);
    mpsc_sender_close(clone);
    drain(run, MPSC_EMPTY);
    ledger_end(&run->ledger);
}

static void tell_processes(const struct registry *registry)
{
    for (unsigned i = 0; i < registry_process_high(registry); i++) {
        const struct process *process = &registry->processes[i];
        uint32_t pid = atomic_load(&process->pid);
        if (atomic_load(&process->life) != 0)
            fprintf(stderr, "slot %u: process %u, %s\n", i, pid,
                    kill((pid_t)pid, 0) == 0 ? "there" : "gone");
    }
}

/* Whoever opens reaps: nothing of the dead is left, and the living are counted. */
static void tables_are_clean(const struct run *run)
{
    const struct segment *segment = segment_of(run);
    const struct registry *registry = &segment->registry;
    unsigned processes = 0, senders = 0, receivers = 0;
    for (unsigned i = 0; i < registry_process_high(registry); i++) {
        bool used = atomic_load(&registry->processes[i].life) != 0;
        processes += used;
        if (used != (i == registry->slot || os_lock_held(registry->fd, LOCK_PROCESS + i) == 1))
            fail_msg("slot %u is %s", i, used ? "a dead process'" : "locked, and nobody's");
    }
    for (unsigned i = 0; i < registry_endpoint_high(registry); i++) {
        const struct endpoint *endpoint = &registry->endpoints[i];
        enum owner_kind kind = owner_kind(atomic_load(&endpoint->owner));
        senders += kind == OWNER_SENDER;
        receivers += kind == OWNER_RECEIVER;
        if (kind == OWNER_NONE && i < 60 && atomic_load(&endpoint->intent.cells) != 0)
            assert_true(atomic_load(&endpoint->intent.position) == INTENT_NONE);
    }
    if (processes != 1u + (run->helper->tx || run->helper->rx))
        tell_processes(registry);
    assert_int_equal(processes, 1 + (run->helper->tx || run->helper->rx));
    assert_int_equal(senders, 1 + run->helper->tx);
    assert_int_equal(receivers, 1);
    assert_int_equal(atomic_load(&segment->header->senders), senders);
    assert_int_equal(atomic_load(&segment->header->receivers), receivers);
#ifndef MPSC_SYNC_PTHREAD
    assert_int_equal(atomic_load(&segment->header->control.owner), 0);
#endif
    assert_int_equal(atomic_load(&segment->header->left), 0);
}

static void look_by_name(struct run *run)
{
    mpsc_sender *another;
    mpsc_options options = MPSC_OPTIONS_INIT;
    assert_status(mpsc_open_sender(run->name, &options, &another), MPSC_OK);
    mpsc_sender_close(another);
    tables_are_clean(run);
    mpsc_stats stats;
    assert_status(mpsc_stat(run->name, &stats), MPSC_OK);
    assert_int_equal(stats.senders, 1 + run->helper->tx);
    assert_int_equal(stats.receivers, 1);
    assert_int_equal(stats.processes, 1 + run->helper->tx);
    assert_int_equal(stats.receiver_pid, getpid());
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.linked, 1);
}

/* The usual end, heard on both sides. */
static void all_leave(struct run *run, bool linked)
{
    unsigned char byte = 0;
    if (has(run, DURABLE) && linked) {
        close_helper(run);
        close_own_tx(run);
        drain(run, MPSC_EMPTY);
        close_own_rx(run);
        assert_status(mpsc_unlink(run->name), MPSC_OK);
        return;
    }
    close_helper(run);
    close_own_tx(run);
    drain(run, MPSC_DISCONNECTED);
    if (linked) {
        open_own_tx(run);
        close_own_rx(run);
        assert_status(mpsc_try_send(run->tx, &byte, 1), MPSC_DISCONNECTED);
        close_own_tx(run);
    } else {
        close_own_rx(run);
    }
}

/* The name is free. */
static void starts_afresh(struct run *run)
{
    mpsc_options options = proof_options(run->bound, false);
    options.exclusive = 1;
    if (name_exists(run->name))
        fail_msg("the name outlives the channel");
    assert_status(mpsc_open_receiver(run->name, &options, &run->rx), MPSC_OK);
    drain(run, MPSC_EMPTY);
    close_own_rx(run);
    assert_false(name_exists(run->name));
}

void survivors_check(struct run *run)
{
    const struct scenario *scenario = run->scenario;
    stage("the victims' locks");
    wait_for_their_locks(run);
    stage("the segment");
    check_segment(run);
    uint64_t queued = UINT64_MAX;
    if (segment_of(run) && !has(run, RENDEZVOUS) && !has(run, LISTENS) && !has(run, PUSHES))
        queued = view_queued(segment_of(run));
    unsigned taken = scenario->traits & BATCHED ? BATCH : 1;
    if (scenario->over)
        ledger_took(&run->ledger, taken);
    run->ledger.came = 0;
    stage("what comes right after the death");
    if (scenario->after)
        scenario->after(run);
    stage("how the other survivor hears of it");
    helper_hears(run);
    if (has(run, PRIVATE))
        return;
    if (has(run, RECEIVES) && !has(run, ALONE) && !has(run, UNHEARD)) {
        stage("how a sender hears of it");
        unsigned before = run->ledger.count;
        sender_hears(run);
        queued += queued == UINT64_MAX ? 0 : run->ledger.count - before;
    }
    if (has(run, ALONE) && !has(run, DURABLE))
        ledger_clear(&run->ledger);
    stage("opening");
    bool linked = !has(run, UNLINKS) || name_exists(run->name);
    if (!run->rx)
        open_own_rx(run);
    stage("what was committed");
    receive_all(run, queued);
    check_segment(run);
    stage("new messages");
    if (!run->tx)
        open_own_tx(run);
    memory_is_returned(run);
    if (has(run, RENDEZVOUS) && !run->helper->tx)
        assert_status(helper_do(run->helper, OPEN_TX, run->name, 0), MPSC_OK);
    if (has(run, RENDEZVOUS))
        exchange_rendezvous(run);
    else
        exchange(run);
    stage("cloning and opening");
    others_go_on(run, linked);
    stage("the tables");
    if (linked)
        look_by_name(run);
    check_segment(run);
    stage("leaving");
    all_leave(run, linked);
    stage("starting afresh");
    starts_afresh(run);
}
