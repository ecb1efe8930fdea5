/* SPDX-License-Identifier: MIT */
/* 1.3.10 Damage to a segment in use: a process that may write it scribbles over it. Those who use the
 * channel may get a wrong message or a status, but no call crashes, and each that has a time-out comes
 * to its end. Truncation is another matter, see doc/security.md. */
#include "together.h"

#include "../lib/layout.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { USERS = 4, LONGEST = 200, CALLS_OF_A_VISIT = 100 };

#define MOMENT (MILLISECONDS / 5)

/* What is scribbled over. */
struct region {
    const char *name;
    off_t begin;
    size_t length;  /* 0: to the end of the file */
    unsigned every; /* scribbles that go there, of 16 */
    size_t tail;    /* of each page, if not all of it */
};

/* To the words of the first few rings. */
#define HEADER_IN_USE (offsetof(struct header, rings[4]) - offsetof(struct header, control))

static const struct region regions[] = {
    {"identity", 0, sizeof(struct identity), 1, 0},
    {"header", offsetof(struct header, control), HEADER_IN_USE, 6, 0},
    {"processes", LAYOUT_PROCESSES, 8 * sizeof(struct process), 2, 0},
    {"endpoints", LAYOUT_ENDPOINTS, 16 * sizeof(struct endpoint), 3, 0},
    {"news", LAYOUT_NEWS, 8 * 4096, 1, 24},
    {"ring", LAYOUT_NEWS + PROCESS_SLOTS * 4096, 0, 3, 0},
};

enum { REGIONS = sizeof regions / sizeof *regions };

struct kind {
    const char *name;
    size_t size, bound;
    int durable;
};

static const struct kind kinds[] = {
    {"bounded", 8, 7, 0},
    {"bounded, of longer messages", 100, 16, 0},
    {"durable", 64, 4, 1},
    {"rendezvous", 8, 0, 0},
    {"unbounded", 8, MPSC_UNBOUNDED, 0},
    {"unbounded, of longer messages", 100, MPSC_UNBOUNDED, 1},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* A channel, its users, and the one who scribbles. */
struct round {
    const char *name;
    const struct kind *kind;
    const struct region *only; /* NULL: all of them */
    uint64_t seed;
    unsigned long scribbles;
    atomic_int ready, stop;
    atomic_ulong calls, done; /* of which were MPSC_OK */
};

/* The users, the scribbler and the test. */
static void wait_for_all(struct round *round)
{
    atomic_fetch_add(&round->ready, 1);
    step_wait(&round->ready, USERS + 2);
}

/* ------------------------------------------------------------------ scribbling */

static const struct region *some_region(const struct round *round, uint64_t *state)
{
    if (round->only)
        return round->only;
    for (unsigned lot = chance(state) % 16, i = 0; i < REGIONS; i++) {
        if (lot < regions[i].every)
            return &regions[i];
        lot -= regions[i].every;
    }
    return &regions[REGIONS - 1];
}

/* A word that says that a living sender has accepted a rendezvous is believed, and its receiver waits for
 * that one without an end: the one exception of doc/security.md. One byte is all that it takes, the kind. */
static bool is_excepted(size_t place)
{
    return place == offsetof(struct header, offer) + 7;
}

/* Often something like what stood there; else anything. */
static void scribble(unsigned char *file, size_t size, const struct region *region, uint64_t *state)
{
    size_t length = region->length ? region->length : size - (size_t)region->begin;
    size_t at = chance(state) % length;
    if (region->tail)
        at = (at | 4095) - chance(state) % region->tail;
    unsigned char *place = file + region->begin + at;
    size_t most = length - at < 8 ? length - at : 8;
    if (is_excepted((size_t)region->begin + at))
        return;
    switch (chance(state) % 4) {
    case 0:
        *place ^= (unsigned char)(1u << chance(state) % 8);
        break;
    case 1:
        *place = (unsigned char)(*place + chance(state) % 5 - 2);
        break;
    case 2:
        memset(place, chance(state) % 2 ? 0xff : 0, most);
        break;
    default:
        for (size_t i = 0; i < most; i++)
            place[i] = (unsigned char)chance(state);
    }
}

static int scribbles(void *argument)
{
    struct round *round = argument;
    uint64_t state = round->seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    struct stat file;
    int fd = open(channel_path(round->name), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &file), 0);
    size_t size = (size_t)file.st_size;
    unsigned char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(bytes != MAP_FAILED);
    wait_for_all(round);
    for (unsigned long i = 0; i < round->scribbles; i++) {
        scribble(bytes, size, some_region(round, &state), &state);
        sched_yield();
    }
    munmap(bytes, size);
    close(fd);
    return 0;
}

/* ------------------------------------------------------------------ using */

static void count(struct round *round, mpsc_status status)
{
    atomic_fetch_add(&round->calls, 1);
    if (status == MPSC_OK)
        atomic_fetch_add(&round->done, 1);
}

/* A rendezvous' loan has no time-out. */
static mpsc_status lend(const struct round *round, mpsc_sender *tx, size_t length, uint64_t lot)
{
    mpsc_status status;
    void *loan = mpsc_loan_timeout(tx, length, MOMENT, &status);
    if (!loan)
        return status;
    memset(loan, 0x5a, length);
    if (round->kind->bound == 0 || lot % 4 == 0)
        return mpsc_cancel_loan(tx, loan);
    return mpsc_send_loan(tx, loan, length / 2);
}

static mpsc_status send_something(const struct round *round, mpsc_sender *tx, uint64_t *state)
{
    static const char message[LONGEST];
    uint64_t lot = chance(state);
    size_t length = chance(state) % 4 ? round->kind->size : chance(state) % LONGEST;
    mpsc_sender *clone;
    switch (lot % 16) {
    case 0:
        return mpsc_flush(tx, MOMENT);
    case 1: {
        mpsc_status status = mpsc_sender_clone(tx, &clone);
        if (status == MPSC_OK)
            mpsc_sender_close(clone);
        return status;
    }
    case 2:
    case 3:
    case 4:
        return lend(round, tx, length, lot / 16);
    case 5:
    case 6:
    case 7:
        return mpsc_try_send(tx, message, length);
    default:
        return mpsc_send_timeout(tx, message, length, MOMENT);
    }
}

/* All of it must be there. */
static mpsc_status look_at_one(mpsc_receiver *rx)
{
    mpsc_status status;
    size_t length = 0;
    const volatile unsigned char *message = mpsc_peek_timeout(rx, &length, MOMENT, &status);
    if (!message)
        return status;
    for (size_t i = 0; i < length; i++)
        (void)message[i];
    return mpsc_release(rx, (const void *)(uintptr_t)message);
}

static mpsc_status receive_something(mpsc_receiver *rx, uint64_t *state)
{
    unsigned char buffer[LONGEST];
    size_t size = chance(state) % 4 ? sizeof buffer : chance(state) % sizeof buffer, length = 0;
    mpsc_status status;
    switch (chance(state) % 8) {
    case 0:
        (void)mpsc_len(rx);
        return MPSC_EMPTY;
    case 1:
    case 2:
        return look_at_one(rx);
    case 3:
        return mpsc_recv_exact(rx, buffer, size, MOMENT);
    case 4:
        status = mpsc_try_recv(rx, buffer, size, &length);
        break;
    default:
        status = mpsc_recv_timeout(rx, buffer, size, &length, MOMENT);
    }
    assert_true(status != MPSC_OK || length <= size);
    return status;
}

static mpsc_options options_for(const struct round *round, int create)
{
    mpsc_options options = options_of(round->kind->size, round->kind->bound);
    options.durable = round->kind->durable;
    options.create = create;
    return options;
}

/* The first visit comes before the damage; the later ones may find no way in. */
static void visit(struct round *round, bool receives, bool first, uint64_t *state)
{
    mpsc_options options = options_for(round, first);
    struct ends ends = {NULL, NULL};
    mpsc_status status = receives ? mpsc_open_receiver(round->name, &options, &ends.rx)
                                  : mpsc_open_sender(round->name, &options, &ends.tx);
    if (first) {
        assert_status(status, MPSC_OK);
        wait_for_all(round);
    }
    count(round, status);
    if (status != MPSC_OK)
        return;
    const int calls = receives ? 4 * CALLS_OF_A_VISIT : CALLS_OF_A_VISIT;
    for (int i = 0; i < calls && !atomic_load(&round->stop); i++)
        count(round,
              receives ? receive_something(ends.rx, state) : send_something(round, ends.tx, state));
    ends_close(ends);
}

static void visit_until_the_end(struct round *round, bool receives, uint64_t state)
{
    for (bool first = true; !atomic_load(&round->stop); first = false)
        visit(round, receives, first, &state);
}

static int sends(void *argument)
{
    struct round *round = argument;
    visit_until_the_end(round, false, round->seed * 17 + 1);
    return 0;
}

static int receives(void *argument)
{
    struct round *round = argument;
    visit_until_the_end(round, true, round->seed * 29 + 1);
    return 0;
}

/* Stays out, and looks in. */
static int looks(void *argument)
{
    struct round *round = argument;
    wait_for_all(round);
    while (!atomic_load(&round->stop)) {
        mpsc_stats stats;
        count(round, mpsc_stat(round->name, &stats));
        sched_yield();
    }
    return 0;
}

/* ------------------------------------------------------------------ rounds */

static void play(struct round *round, enum mode mode)
{
    static int (*const bodies[USERS])(void *) = {sends, sends, receives, looks};
    worker users[USERS];
    mpsc_options options = options_for(round, 1);
    mpsc_sender *tx;
    assert_status(mpsc_open_sender(round->name, &options, &tx), MPSC_OK);
    worker scribbler = worker_start(PROCESSES, scribbles, round); /* before there are threads */
    for (int i = 0; i < USERS; i++)
        users[i] = worker_start(mode, bodies[i], round);
    /* The control mutex may come to name a process that lives: one that opens and closes nothing would
     * hold up the others, as one that was stopped. */
    wait_for_all(round);
    mpsc_sender_close(tx);
    assert_int_equal(worker_join(scribbler), 0);
    atomic_store(&round->stop, 1);
    for (int i = 0; i < USERS; i++)
        assert_int_equal(worker_join(users[i]), 0);
    unlink(channel_path(round->name));
}

/* MPSC_TEST_SEED begins with that round, as far as chance among processes lets it be the same. */
static uint64_t first_seed(void)
{
    const char *chosen = getenv("MPSC_TEST_SEED");
    return chosen ? strtoull(chosen, NULL, 0) : now_ns();
}

/* Rounds for about a second, and one of each kind of channel in any case. */
static void scribble_over(const struct region *only, enum mode mode)
{
    harness_needs_futexes(
        "a damaged pthread mutex may hang or crash who locks it: this variant's price");
    struct round *round = shared_memory(sizeof *round);
    uint64_t end = now_ns() + scaled(1000) * MILLISECONDS, seed = first_seed();
    unsigned long rounds = 0, calls = 0, done = 0;
    harness_timeout(120);
    for (; rounds < KINDS || now_ns() < end; rounds++, seed++) {
        const struct kind *kind = &kinds[seed % KINDS];
        *round = (struct round){.name = channel_name(),
                                .kind = kind,
                                .only = only,
                                .seed = seed,
                                .scribbles = 8ul << seed % 5};
        fprintf(stderr, "MPSC_TEST_SEED=%ju: %s, %lu scribbles\n", (uintmax_t)seed, kind->name,
                round->scribbles);
        play(round, mode);
        calls += atomic_load(&round->calls);
        done += atomic_load(&round->done);
    }
    printf("%lu rounds, %lu calls, of which %lu were done\n", rounds, calls, done);
    assert_true(done > 0);
    munmap(round, sizeof *round);
}

static void scribbling_anywhere_crashes_nobody(enum mode mode)
{
    scribble_over(NULL, mode);
}

static void scribbling_over_the_header_crashes_nobody(enum mode mode)
{
    scribble_over(&regions[1], mode);
}

static void scribbling_over_the_tables_crashes_nobody(enum mode mode)
{
    scribble_over(&regions[3], mode);
}

static void scribbling_over_the_news_crashes_nobody(enum mode mode)
{
    scribble_over(&regions[4], mode);
}

static void scribbling_over_the_ring_crashes_nobody(enum mode mode)
{
    scribble_over(&regions[5], mode);
}

/* ------------------------------------------------------------------ one word */

struct flips {
    mpsc_receiver *rx;
    atomic_int flipped, ended;
};

enum { BITS = 64 };

static int waits_for_each_bit(void *argument)
{
    struct flips *flips = argument;
    uint64_t number;
    for (int bit = 0; bit < BITS; bit++) {
        do
            assert_status(
                mpsc_recv_timeout(flips->rx, &number, sizeof number, NULL, 5 * MILLISECONDS),
                MPSC_TIMEOUT);
        while (atomic_load(&flips->flipped) <= bit);
        step_to(&flips->ended, bit + 1);
    }
    return 0;
}

static struct header *header_of(const char *name)
{
    int fd = open(channel_path(name), O_RDWR);
    assert_true(fd >= 0);
    void *header = mmap(NULL, sizeof(struct header), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    assert_true(header != MAP_FAILED);
    return header;
}

static bool is_offered(void *header)
{
    return atomic_load(&((struct header *)header)->offer) != 0;
}

/* A receiver that gives up closes its offer, whatever has become of that. */
static void a_damaged_offer_holds_up_no_receiver(enum mode mode)
{
    struct flips *flips = shared_memory(sizeof *flips);
    const char *name = channel_name();
    mpsc_sender *tx;
    open_both(name, 8, 0, &tx, &flips->rx);
    struct header *header = header_of(name);
    worker w = worker_start(mode, waits_for_each_bit, flips);
    copy_close_receiver(mode, flips->rx);
    for (int bit = 0; bit < BITS; bit++) {
        wait_until(is_offered, header);
        atomic_fetch_xor(&header->offer, UINT64_C(1) << bit);
        step_to(&flips->flipped, bit + 1);
        step_wait(&flips->ended, bit + 1);
    }
    assert_int_equal(worker_join(w), 0);
    if (mode == THREADS)
        mpsc_receiver_close(flips->rx);
    mpsc_sender_close(tx);
    munmap(header, sizeof *header);
    munmap(flips, sizeof *flips);
}

int main(void)
{
    static const struct test tests[] = {
        TEST_BOTH(scribbling_anywhere_crashes_nobody),
        TEST_BOTH(scribbling_over_the_header_crashes_nobody),
        TEST_BOTH(scribbling_over_the_tables_crashes_nobody),
        TEST_BOTH(scribbling_over_the_news_crashes_nobody),
        TEST_BOTH(scribbling_over_the_ring_crashes_nobody),
        TEST_BOTH(a_damaged_offer_holds_up_no_receiver),
    };
    return harness_main("corruption", tests, sizeof tests / sizeof *tests);
}
