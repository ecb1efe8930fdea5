/* SPDX-License-Identifier: MIT */
/* 1.3.3 Unbounded: a channel starts small, grows as it is filled, in order, under whoever is in it, and
 * gives the memory back. */
#include "attachment.h"
#include "together.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { SMALL = 8, LARGE = 2048, KIB = 1024, MIB = 1024 * KIB };

static mpsc_options unbounded(size_t message_size)
{
    return options_of(message_size, MPSC_UNBOUNDED);
}

static uint64_t memory_of(const char *name)
{
    return stats_of(name).memory;
}

/* Bytes of shared memory that this process has mapped and touched. */
static uint64_t resident_shared(void)
{
    unsigned long size, resident, shared;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu %lu", &size, &resident, &shared), 3);
    fclose(file);
    return (uint64_t)shared * 4096;
}

/* ------------------------------------------------------------------ small and large */

static void it_starts_small(void)
{
    for (size_t size = 1; size <= 2048; size *= 2) {
        const char *name = channel_name();
        mpsc_options options = unbounded(size);
        mpsc_sender *tx;
        assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
        assert_in_range(memory_of(name), 1, 64 * KIB);
        mpsc_sender_close(tx);
    }
}

static void ten_million_are_queued_and_the_memory_comes_back(void)
{
    /* At least so many that the last ring is a large one, which gives way at once when it is empty. */
    const uint64_t least = 1000000, wanted = scaled(10000000);
    const uint64_t count = wanted < least ? least : wanted;
    const char *name = channel_name();
    mpsc_options options = unbounded(SMALL);
    mpsc_sender *tx;
    mpsc_receiver *rx;
    harness_timeout(120);
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    assert_status(mpsc_open_receiver(name, &options, &rx), MPSC_OK);
    uint64_t before = memory_of(name), resident = resident_shared();
    for (uint64_t i = 0; i < count; i++)
        send_number(tx, i);
    assert_int_equal(mpsc_len(rx), count);
    assert_int_equal(stats_of(name).queued, count);
    assert_true(memory_of(name) >= count * SMALL);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(recv_number(rx), i);
    uint64_t number;
    assert_status(mpsc_try_recv(rx, &number, sizeof number, NULL), MPSC_EMPTY);
    assert_in_range(memory_of(name), before, before + 16 * KIB);
    assert_in_range(resident_shared(), 0, resident + MIB);
    /* And again, as new. */
    for (uint64_t i = 0; i < 1000; i++)
        send_number(tx, i);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(recv_number(rx), i);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

/* A ring that is not worth the trouble at once becomes small when nothing comes for a while. */
static void an_idle_channel_becomes_small(void)
{
    const char *name = channel_name();
    mpsc_options options = unbounded(SMALL);
    mpsc_sender *tx;
    mpsc_receiver *rx;
    uint64_t number;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    assert_status(mpsc_open_receiver(name, &options, &rx), MPSC_OK);
    uint64_t before = memory_of(name);
    for (uint64_t i = 0; i < 20000; i++)
        send_number(tx, i);
    for (uint64_t i = 0; i < 20000; i++)
        assert_int_equal(recv_number(rx), i);
    while (memory_of(name) > before + 16 * KIB)
        assert_status(mpsc_recv_timeout(rx, &number, sizeof number, NULL, 50 * MILLISECONDS),
                      MPSC_TIMEOUT);
    send_number(tx, 7);
    assert_int_equal(recv_number(rx), 7);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ long messages */

static void send_large(mpsc_sender *tx, uint64_t number)
{
    uint64_t message[LARGE / sizeof number] = {number};
    assert_status(mpsc_send(tx, message, sizeof message), MPSC_OK);
}

static void expect_large(mpsc_receiver *rx, uint64_t number)
{
    uint64_t message[LARGE / sizeof number];
    assert_status(mpsc_recv(rx, message, sizeof message, NULL), MPSC_OK);
    assert_int_equal(message[0], number);
}

/* Its receiver has closed the ring that it takes from, and is stopped, or was killed, before it goes on in the
 * small one: that is no reason not to grow again. */
static void it_grows_while_it_shrinks(void)
{
    const char *name = channel_name();
    const uint64_t few = 3, many = 100;
    mpsc_options options = unbounded(LARGE);
    mpsc_sender *tx;
    mpsc_receiver *rx;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    assert_status(mpsc_open_receiver(name, &options, &rx), MPSC_OK);
    for (uint64_t i = 0; i < few; i++)
        send_large(tx, i);
    for (uint64_t i = 0; i < few; i++)
        expect_large(rx, i);
    attachment_shrink((const struct handle *)rx);
    for (uint64_t i = 0; i < many; i++)
        send_large(tx, i);
    for (uint64_t i = 0; i < many; i++)
        expect_large(rx, i);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

/* Each longer than all rings there are so far. */
static void a_message_may_be_larger_than_the_channel_is(void)
{
    const char *name = channel_name();
    mpsc_options options = unbounded(SMALL);
    mpsc_sender *tx;
    mpsc_receiver *rx;
    unsigned char *bytes = malloc(8 * MIB);
    assert_non_null(bytes);
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    assert_status(mpsc_open_receiver(name, &options, &rx), MPSC_OK);
    for (int round = 0; round < 2; round++) {
        for (size_t length = 1; length <= 4 * MIB; length = length * 3 + 1) {
            pattern_fill(bytes, length, length);
            assert_status(mpsc_send(tx, bytes, length), MPSC_OK);
        }
        for (size_t length = 1; length <= 4 * MIB; length = length * 3 + 1) {
            size_t got;
            mpsc_status status;
            const void *message = mpsc_peek(rx, &got, &status);
            assert_lent(message, status);
            assert_int_equal(got, length);
            assert_true((uintptr_t)message % 16 == 0);
            pattern_check(message, length, length);
            assert_status(mpsc_release(rx, message), MPSC_OK);
        }
    }
    assert_status(mpsc_send(tx, bytes, SIZE_MAX), MPSC_TOO_BIG);
    free(bytes);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ others */

enum { PRODUCERS = 4 };

struct flood {
    const char *name;
    size_t size;
    uint64_t each;
    atomic_uint next, slow;
    atomic_int opened;
};

static size_t length_of(const struct flood *flood, uint64_t number)
{
    return sizeof number + (flood->size > SMALL ? number * 7 % (3 * flood->size) : 0);
}

static int floods(void *argument)
{
    struct flood *flood = argument;
    uint64_t mine = atomic_fetch_add(&flood->next, 1);
    mpsc_options options = unbounded(flood->size);
    mpsc_sender *tx;
    unsigned char bytes[512];
    assert_status(mpsc_open_sender(flood->name, &options, &tx), MPSC_OK);
    /* Or the first is through before the next has come, and the receiver is told that all have left. */
    atomic_fetch_add(&flood->opened, 1);
    step_wait(&flood->opened, PRODUCERS);
    for (uint64_t i = 0; i < flood->each; i++) {
        size_t length = length_of(flood, i);
        uint64_t head = mine << 32 | i;
        mpsc_status status;
        pattern_fill(bytes, length, i);
        memcpy(bytes, &head, sizeof head);
        switch (i % 3) {
        case 0:
            assert_status(mpsc_send(tx, bytes, length), MPSC_OK);
            break;
        case 1:
            /* Full is what it is for the moment that somebody else makes it grow. */
            do
                status = mpsc_try_send(tx, bytes, length);
            while (status == MPSC_FULL);
            assert_status(status, MPSC_OK);
            break;
        default: {
            void *loan = mpsc_loan(tx, length + i % 5, &status);
            assert_lent(loan, status);
            memcpy(loan, bytes, length);
            assert_status(mpsc_send_loan(tx, loan, length), MPSC_OK);
        }
        }
    }
    mpsc_sender_close(tx);
    return 0;
}

static void take_one(const struct flood *flood, mpsc_receiver *rx, uint64_t *expected)
{
    unsigned char bytes[512];
    size_t length;
    uint64_t head;
    assert_status(mpsc_recv(rx, bytes, sizeof bytes, &length), MPSC_OK);
    memcpy(&head, bytes, sizeof head);
    assert_in_range(head >> 32, 0, PRODUCERS - 1);
    assert_int_equal((uint32_t)head, expected[head >> 32]);
    expected[head >> 32]++;
    assert_int_equal(length, length_of(flood, (uint32_t)head));
    for (size_t i = sizeof head; i < length; i++)
        assert_int_equal(bytes[i], pattern_byte((uint32_t)head, i));
}

/* Four at once make it grow, while it is drained in bursts and becomes small again. */
static void growth_races(enum mode mode)
{
    for (size_t size = SMALL; size <= 64; size *= 8) {
        struct flood *flood = shared_memory(sizeof *flood);
        uint64_t expected[PRODUCERS] = {0}, state = size;
        worker workers[PRODUCERS];
        mpsc_options options = unbounded(size);
        mpsc_receiver *rx;
        *flood = (struct flood){.name = channel_name(), .size = size, .each = scaled(200000)};
        assert_status(mpsc_open_receiver(flood->name, &options, &rx), MPSC_OK);
        for (int i = 0; i < PRODUCERS; i++)
            workers[i] = worker_start(mode, floods, flood);
        for (uint64_t taken = 0; taken < PRODUCERS * flood->each;) {
            uint64_t burst = chance(&state) % 50000;
            for (; burst > 0 && taken < PRODUCERS * flood->each; burst--, taken++)
                take_one(flood, rx, expected);
            for (uint64_t pause = chance(&state) % 50; pause > 0; pause--)
                sched_yield();
        }
        for (int i = 0; i < PRODUCERS; i++)
            assert_int_equal(worker_join(workers[i]), 0);
        unsigned char byte;
        assert_status(mpsc_recv(rx, &byte, 1, NULL), MPSC_DISCONNECTED);
        mpsc_receiver_close(rx);
        assert_false(name_exists(flood->name));
    }
}

/* A core dump reads what is dumped, and so gives memory to what has none. */
static void nothing_of_it_is_dumped(void)
{
    char line[512];
    unsigned long begin, end;
    unsigned mapped = 0;
    bool ours = false;
    mpsc_sender *tx;
    mpsc_receiver *rx;
    assert_status(mpsc_channel(SMALL, &tx, &rx), MPSC_OK);
    for (uint64_t i = 0; i < 50000; i++)
        send_number(tx, i);
    FILE *maps = fopen("/proc/self/smaps", "re");
    if (!maps)
        harness_skip("/proc does not show what is mapped");
    while (fgets(line, sizeof line, maps)) {
        char access[5];
        if (sscanf(line, "%lx-%lx %4s", &begin, &end, access) == 3)
            ours = strstr(line, "/dev/shm/") && access[1] == 'w' &&
                   end - begin > (unsigned long)sysconf(_SC_PAGESIZE);
        else if (ours && strncmp(line, "VmFlags:", 8) == 0 && ++mapped)
            assert_non_null(strstr(line, " dd"));
    }
    fclose(maps);
    assert_true(mapped > 4); /* the tables, and several rings */
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

/* What was in several rings when everybody left a durable channel. */
static void a_durable_channel_keeps_its_rings(void)
{
    const char *name = channel_name();
    mpsc_options options = unbounded(SMALL);
    mpsc_sender *tx;
    mpsc_receiver *rx;
    options.durable = 1;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    for (uint64_t i = 0; i < 5000; i++)
        send_number(tx, i);
    mpsc_sender_close(tx);
    assert_int_equal(stats_of(name).queued, 5000);
    for (uint64_t i = 0; i < 5000; i++) { /* a new receiver every now and then */
        if (i % 700 == 0)
            assert_status(mpsc_open_receiver(name, &options, &rx), MPSC_OK);
        assert_int_equal(recv_number(rx), i);
        if (i % 700 == 699)
            mpsc_receiver_close(rx);
    }
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    send_number(tx, 5000);
    assert_int_equal(recv_number(rx), 5000);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    assert_status(mpsc_unlink(name), MPSC_OK);
}

static int sends_what_makes_it_grow(void *argument)
{
    mpsc_sender *tx = argument;
    for (uint64_t i = 0; i < 3000; i++)
        send_number(tx, i);
    return 0;
}

/* A child of fork, and it alone, makes it grow; then the parent, who knows nothing of that. */
static void a_child_makes_it_grow(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    assert_status(mpsc_channel(SMALL, &tx, &rx), MPSC_OK);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(worker_join(worker_start(PROCESSES, sends_what_makes_it_grow, tx)), 0);
        assert_int_equal(sends_what_makes_it_grow(tx), 0);
        for (uint64_t i = 0; i < 6000; i++)
            assert_int_equal(recv_number(rx), i % 3000);
    }
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(it_starts_small),
        TEST(ten_million_are_queued_and_the_memory_comes_back),
        TEST(an_idle_channel_becomes_small),
        TEST(it_grows_while_it_shrinks),
        TEST(a_message_may_be_larger_than_the_channel_is),
        TEST_BOTH(growth_races),
        TEST(nothing_of_it_is_dumped),
        TEST(a_durable_channel_keeps_its_rings),
        TEST(a_child_makes_it_grow),
    };
    return harness_main("growth", tests, sizeof tests / sizeof *tests);
}
