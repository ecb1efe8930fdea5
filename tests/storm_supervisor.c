/* SPDX-License-Identifier: MIT */
/* See storm.h. The supervisor is one thread, which has no end of the channel but those that keep a
 * scoped one alive. */
#include "storm.h"

#include "attachment.h"

#include <unistd.h>

/* ------------------------------------------------------------------ the storm */

static unsigned victims(struct supervisor *s)
{
    uint64_t dice = chance(&s->state) % 64;
    unsigned one = 1u << chance(&s->state) % WORKERS;
    if (dice == 0)
        return (1u << WORKERS) - 1;
    if (dice < 3)
        return (1u << WORKERS) - (1u << PRODUCERS); /* both receivers */
    if (dice < 10)
        return one | 1u << chance(&s->state) % WORKERS | 1u << chance(&s->state) % WORKERS;
    return one;
}

/* A moment that is also shorter than a sleep could be. */
static void linger(struct supervisor *s)
{
    if (chance(&s->state) % 2)
        storm_nap(chance(&s->state) % (8 * MILLISECONDS));
    else
        for (uint64_t end = now_ns() + chance(&s->state) % (MILLISECONDS / 2); now_ns() < end;)
            continue;
}

static void rage(struct supervisor *s, uint64_t end)
{
    for (unsigned round = 0; now_ns() < end; round++) {
        unsigned set = victims(s);
        unsigned again = chance(&s->state) % 4 == 0;
        for (unsigned i = 0; i <= again; i++) { /* again: in the midst of its coming */
            linger(s);
            crew_kill(s, set);
            crew_tend(s);
        }
        if (round % 16 == 15)
            crew_wait_progress(s);
        if (atomic_load(&s->ledger->lives) > LIVES - 1000)
            break;
    }
    crew_wait_progress(s);
}

/* ------------------------------------------------------------------ the reckoning */

static void add_stats(struct supervisor *s)
{
    mpsc_stats now;
    if (!storm_stats(s, &now))
        return;
    s->figures->holes += now.holes;
    s->figures->repairs += now.repairs;
    s->figures->takeovers += now.takeovers;
}

static void settle_life(struct supervisor *s, uint32_t number)
{
    const struct life *life = &s->ledger->life[number];
    uint64_t about = atomic_load(&life->about), sent = atomic_load(&life->sent);
    uint64_t got = atomic_load(&life->got), maybe = atomic_load(&life->maybe);
    if (maybe > got && maybe == sent)
        got = maybe; /* the receiver that had it in hand had taken it */
    if (got < sent || got > about)
        fail_msg("%s: life %u was about to send %ju, sent %ju, and %ju have come; seed %ju",
                 s->kind->name, number, (uintmax_t)about, (uintmax_t)sent, (uintmax_t)got,
                 (uintmax_t)s->seed);
    s->figures->messages += got;
    s->figures->arrived += got > sent;
    s->figures->vanished += about > got;
}

/* The tables hold nobody but the supervisor. */
static void tables_are_clean(const struct supervisor *s)
{
    const struct handle *handle = (const struct handle *)s->tx;
    const struct registry *registry = &handle->segment->registry;
    attachment_reap(handle);
    unsigned processes = 0, endpoints = 0;
    for (unsigned i = 0; i < registry_process_high(registry); i++) {
        bool used = atomic_load(&registry->processes[i].life) != 0;
        processes += used;
        if (i != registry->slot && os_lock_held(registry->fd, LOCK_PROCESS + i) != 0)
            fail_msg("%s: slot %u is locked by nobody", s->kind->name, i);
    }
    for (unsigned i = 0; i < registry_endpoint_high(registry); i++)
        endpoints += atomic_load(&registry->endpoints[i].owner) != 0;
    assert_int_equal(processes, 1);
    assert_int_equal(endpoints, 2);
    assert_int_equal(atomic_load(&handle->segment->header->senders), 1);
    assert_int_equal(atomic_load(&handle->segment->header->receivers), 1);
    assert_int_equal(atomic_load(&handle->segment->header->left), 0);
    const char *broken = segment_check(handle->segment);
    if (broken)
        fail_msg("%s: segment_check: %s", s->kind->name, broken);
}

/* The dead are waited for; their locks end with their memory, which may be a moment later. */
static bool is_alone(void *argument)
{
    const struct supervisor *s = argument;
    mpsc_stats now;
    return !storm_stats(s, &now) || now.processes == (s->tx || s->rx);
}

/* But for pages of the tables, for as many as were ever there at a time. A receiver that finds nothing
 * gives back what the channel had grown by. */
static bool memory_is_given_back(void *argument)
{
    const struct supervisor *s = argument;
    mpsc_stats now;
    unsigned char byte;
    assert_status(mpsc_try_recv(s->rx, &byte, 1, NULL), MPSC_EMPTY);
    return storm_stats(s, &now) && now.memory <= s->memory + 64 * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void nothing_is_left(struct supervisor *s)
{
    mpsc_stats now = {0};
    wait_until(is_alone, s);
    tables_are_clean(s);
    assert_true(storm_stats(s, &now));
    assert_int_equal(now.senders, 1);
    assert_int_equal(now.receivers, 1);
    assert_int_equal(now.queued, 0);
    wait_until(memory_is_given_back, s);
}

/* ------------------------------------------------------------------ one channel, to its end */

static void open_channel(struct supervisor *s)
{
    const struct kind *kind = s->kind;
    mpsc_options options = storm_options(kind);
    options.create = options.exclusive = 1;
    if (is(kind, INHERITED)) {
        bool unbounded = kind->bound == MPSC_UNBOUNDED;
        assert_status(unbounded
                          ? mpsc_channel(kind->message_size, &s->tx, &s->rx)
                          : mpsc_sync_channel(kind->message_size, kind->bound, &s->tx, &s->rx),
                      MPSC_OK);
    } else {
        s->name = channel_name();
        assert_status(mpsc_open_sender(s->name, &options, &s->tx), MPSC_OK);
    }
    mpsc_stats now = {0};
    storm_stats(s, &now);
    s->memory = now.memory;
    if (is(kind, DURABLE)) {
        mpsc_sender_close(s->tx);
        s->tx = NULL;
    }
}

/* The last message, on which the receivers leave. */
static void say_goodbye(struct supervisor *s)
{
    unsigned char message[LONGEST];
    size_t length = storm_length(s->kind, 0, 1);
    uint64_t deadline = after_seconds(PATIENCE);
    mpsc_options options = storm_options(s->kind);
    if (!s->tx)
        assert_status(mpsc_open_sender(s->name, &options, &s->tx), MPSC_OK);
    storm_fill(message, length, 0, 1);
    atomic_store(&s->ledger->life[0].about, 1);
    for (mpsc_status status; (status = mpsc_try_send(s->tx, message, length)) != MPSC_OK;) {
        if (status != MPSC_FULL && status != MPSC_NO_SPACE)
            assert_status(status, MPSC_DISCONNECTED);
        if (now_ns() > deadline)
            crew_hangs(s, "the last message cannot be sent");
        crew_tend(s);
        storm_nap(100000);
    }
    atomic_store(&s->ledger->life[0].sent, 1);
}

static void close_channel(struct supervisor *s)
{
    unsigned char byte;
    mpsc_sender_close(s->tx);
    s->tx = NULL;
    assert_status(mpsc_try_recv(s->rx, &byte, 1, NULL),
                  is(s->kind, DURABLE) ? MPSC_EMPTY : MPSC_DISCONNECTED);
    mpsc_receiver_close(s->rx);
    if (is(s->kind, DURABLE))
        assert_status(mpsc_unlink(s->name), MPSC_OK);
}

static void end_in_order(struct supervisor *s)
{
    mpsc_options options = storm_options(s->kind);
    atomic_store(&s->ledger->stop, 1);
    crew_wait_ended(s, 0, PRODUCERS);
    say_goodbye(s);
    crew_wait_ended(s, PRODUCERS, RECEIVERS);
    if (!s->rx)
        assert_status(mpsc_open_receiver(s->name, &options, &s->rx), MPSC_OK);
    assert_status(storm_drain(s->ledger, s->rx), MPSC_EMPTY);
    for (uint32_t i = 0; i < atomic_load(&s->ledger->lives); i++)
        settle_life(s, i);
    add_stats(s);
    nothing_is_left(s);
    close_channel(s);
}

/* ------------------------------------------------------------------ channels that end with all */

/* Nothing of one channel may come in the next, which all of them are the first to open. */
static void rage_over_orphans(struct supervisor *s, uint64_t end)
{
    s->name = channel_name();
    do {
        atomic_store(&s->ledger->era, atomic_load(&s->ledger->lives));
        atomic_store(&s->ledger->in_charge, NO_HAND);
        crew_tend(s);
        crew_wait_progress(s);
        linger(s);
        add_stats(s);
        crew_kill(s, (1u << WORKERS) - 1);
        wait_until(is_alone, s);
    } while (now_ns() < end && atomic_load(&s->ledger->lives) < LIVES - 1000);
    for (uint32_t i = 0; i < atomic_load(&s->ledger->lives); i++)
        s->figures->messages += atomic_load(&s->ledger->life[i].got);

    mpsc_options options = storm_options(s->kind);
    unsigned char byte;
    assert_status(mpsc_open_receiver(s->name, &options, &s->rx), MPSC_OK);
    assert_status(mpsc_try_recv(s->rx, &byte, 1, NULL), MPSC_EMPTY);
    mpsc_receiver_close(s->rx);
}

void storm_run(const struct kind *kind, uint64_t nanoseconds, uint64_t seed,
               struct figures *figures)
{
    struct figures own = {0};
    struct supervisor s = {.kind = kind, .seed = seed, .state = seed | 1, .figures = &own};
    uint64_t end = now_ns() + nanoseconds;
    s.ledger = shared_memory(sizeof *s.ledger);
    s.ledger->kind = *kind;
    atomic_store(&s.ledger->lives, 1);
    atomic_store(&s.ledger->in_charge, NO_HAND);
    if (is(kind, ORPHANED)) {
        rage_over_orphans(&s, end);
    } else {
        open_channel(&s);
        crew_tend(&s);
        rage(&s, end);
        end_in_order(&s);
    }
    if (s.name && name_exists(s.name))
        fail_msg("%s: the name outlives the channel", kind->name);
    own.again = atomic_load(&s.ledger->again);
    assert_in_range(own.again, 0, own.receivers_killed);
    *figures = own;
}
