/* SPDX-License-Identifier: MIT */
/* 1.3.4 Lengths: messages vary in length, zero is one, what could never fit is MPSC_TOO_BIG at once,
 * and payloads in place are contiguous and aligned as malloc(length) would align them. */
#include "channels.h"

enum { BOUND = 5, MOST_SIZE = 100, MOST = 3 * MOST_SIZE };

static const size_t sizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 24, 33, 64, MOST_SIZE};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Moves the place in the ring on by one cell. */
static void step(struct ends p)
{
    unsigned char byte;
    assert_status(mpsc_try_send(p.tx, "", 0), MPSC_OK);
    assert_status(mpsc_try_recv(p.rx, &byte, 1, NULL), MPSC_OK);
}

/* ------------------------------------------------------------------ copies */

static void send_pattern(mpsc_sender *tx, size_t length)
{
    unsigned char message[MOST];
    pattern_fill(message, length, length);
    assert_status(mpsc_try_send(tx, message, length), MPSC_OK);
}

/* The message arrives whole, and not a byte past it is touched. */
static void recv_pattern(mpsc_receiver *rx, size_t expected)
{
    unsigned char buffer[MOST + 1];
    size_t length = SIZE_MAX;
    memset(buffer, 0xee, sizeof buffer);
    assert_status(mpsc_try_recv(rx, buffer, sizeof buffer, &length), MPSC_OK);
    assert_int_equal(length, expected);
    pattern_check(buffer, length, length);
    for (size_t i = length; i < sizeof buffer; i++)
        assert_int_equal(buffer[i], 0xee);
}

static void every_length_arrives_at_every_place(void)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct ends p = ends_open(sizes[i], BOUND);
        for (size_t place = 0; place < 2 * BOUND; place++) {
            for (size_t length = 0; length <= 3 * sizes[i]; length++) {
                send_pattern(p.tx, length);
                recv_pattern(p.rx, length);
            }
            step(p);
        }
        ends_close(p);
    }
}

/* Several in the ring at a time, the short beside the long. */
static void lengths_do_not_touch_each_other(void)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct ends p = ends_open(sizes[i], 3 * BOUND);
        size_t longest = 3 * sizes[i];
        for (size_t length = 0; length <= longest; length++) {
            send_pattern(p.tx, length);
            send_pattern(p.tx, longest - length);
            send_pattern(p.tx, longest);
            send_pattern(p.tx, 0);
            recv_pattern(p.rx, length);
            recv_pattern(p.rx, longest - length);
            recv_pattern(p.rx, longest);
            recv_pattern(p.rx, 0);
        }
        ends_close(p);
    }
}

static void zero_is_a_length(void)
{
    struct ends p = ends_open(8, 2);
    unsigned char buffer[4] = {1, 2, 3, 4};
    size_t length = 9;
    mpsc_status status;
    assert_status(mpsc_send(p.tx, NULL, 0), MPSC_OK);
    assert_status(mpsc_try_send(p.tx, buffer, 0), MPSC_OK);
    assert_status(mpsc_try_send(p.tx, NULL, 0), MPSC_FULL); /* it takes its place */
    assert_int_equal(mpsc_len(p.rx), 2);
    assert_status(mpsc_recv(p.rx, buffer, sizeof buffer, &length), MPSC_OK);
    assert_int_equal(length, 0);
    length = 9;
    assert_status(mpsc_recv(p.rx, buffer, 0, &length), MPSC_OK);
    assert_int_equal(length, 0);
    assert_memory_equal(buffer, "\1\2\3\4", 4);

    assert_status(mpsc_send_timeout(p.tx, NULL, 0, 0), MPSC_OK);
    const void *message = mpsc_peek(p.rx, &length, &status);
    assert_lent(message, status);
    assert_int_equal(length, 0);
    assert_status(mpsc_release(p.rx, message), MPSC_OK);

    void *loan = mpsc_loan(p.tx, 0, &status);
    assert_lent(loan, status);
    assert_status(mpsc_send_loan(p.tx, loan, 0), MPSC_OK);
    length = 9;
    assert_status(mpsc_recv(p.rx, buffer, sizeof buffer, &length), MPSC_OK);
    assert_int_equal(length, 0);
    ends_close(p);
}

/* ------------------------------------------------------------------ too big to send */

static void must_be_too_big(mpsc_sender *tx, size_t length)
{
    /* Read past its end if a length is believed before it is checked. */
    const unsigned char *message = (const unsigned char *)"x";
    mpsc_status status = MPSC_OK;
    assert_status(mpsc_send(tx, message, length), MPSC_TOO_BIG);
    assert_status(mpsc_try_send(tx, message, length), MPSC_TOO_BIG);
    assert_status(mpsc_send_timeout(tx, message, length, MPSC_FOREVER), MPSC_TOO_BIG);
    assert_null(mpsc_loan(tx, length, &status));
    assert_status(status, MPSC_TOO_BIG);
    status = MPSC_OK;
    assert_null(mpsc_try_loan(tx, length, &status));
    assert_status(status, MPSC_TOO_BIG);
    status = MPSC_OK;
    assert_null(mpsc_loan_timeout(tx, length, MPSC_FOREVER, &status));
    assert_status(status, MPSC_TOO_BIG);
}

/* More than bound x message_size could never fit, and says so though the ring is full; that much
 * does fit. */
static void what_could_never_fit_is_too_big_at_once(void)
{
    static const size_t bounds[] = {1, 2, 3, 4, 5, 17};
    static unsigned char message[17 * MOST_SIZE], buffer[17 * MOST_SIZE];
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < COUNT(bounds); j++) {
            struct ends p = ends_open(sizes[i], bounds[j]);
            size_t longest = sizes[i] * bounds[j], length;
            must_be_too_big(p.tx, longest + 1);
            must_be_too_big(p.tx, SIZE_MAX);
            must_be_too_big(p.tx, SIZE_MAX - longest);
            must_be_too_big(p.tx, SIZE_MAX / 2 + 1);
            for (size_t place = 0; place < bounds[j]; place++) {
                pattern_fill(message, longest, place);
                assert_status(mpsc_try_send(p.tx, message, longest), MPSC_OK);
                must_be_too_big(p.tx, longest + 1);
                assert_status(mpsc_try_recv(p.rx, buffer, sizeof buffer, &length), MPSC_OK);
                assert_int_equal(length, longest);
                pattern_check(buffer, length, place);
                step(p);
            }
            ends_close(p);
        }
}

static void more_than_max_bytes_is_too_big(void)
{
    const char *name = channel_name();
    mpsc_options options = options_of(64, MPSC_UNBOUNDED);
    options.max_bytes = 6400;
    struct ends p;
    static unsigned char message[6400], buffer[6400];
    size_t length;
    assert_status(mpsc_open_sender(name, &options, &p.tx), MPSC_OK);
    assert_status(mpsc_open_receiver(name, &options, &p.rx), MPSC_OK);
    must_be_too_big(p.tx, 6401);
    must_be_too_big(p.tx, SIZE_MAX);
    pattern_fill(message, sizeof message, 3);
    assert_status(mpsc_send(p.tx, message, sizeof message), MPSC_OK);
    must_be_too_big(p.tx, 6401);
    assert_status(mpsc_recv(p.rx, buffer, sizeof buffer, &length), MPSC_OK);
    assert_int_equal(length, sizeof message);
    pattern_check(buffer, length, 3);
    ends_close(p);
}

/* ------------------------------------------------------------------ too big to receive */

/* The buffer is too small: the length is told, and nothing else happens. */
static void check_small_buffers(mpsc_receiver *rx, size_t expected)
{
    unsigned char buffer[MOST];
    memset(buffer, 0xee, sizeof buffer);
    for (size_t size = 0; size < expected; size += 1 + size / 8) {
        size_t length = 0;
        assert_status(mpsc_recv(rx, buffer, size, &length), MPSC_TOO_BIG);
        assert_int_equal(length, expected);
        length = 0;
        assert_status(mpsc_try_recv(rx, buffer, size, &length), MPSC_TOO_BIG);
        assert_int_equal(length, expected);
        length = 0;
        assert_status(mpsc_recv_timeout(rx, buffer, size, &length, 0), MPSC_TOO_BIG);
        assert_int_equal(length, expected);
        assert_status(mpsc_try_recv(rx, buffer, size, NULL), MPSC_TOO_BIG);
    }
    for (size_t i = 0; i < sizeof buffer; i++)
        assert_int_equal(buffer[i], 0xee);
}

static void a_small_buffer_leaves_the_message(void)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct ends p = ends_open(sizes[i], BOUND);
        for (size_t length = 1; length <= 3 * sizes[i]; length += 1 + length / 8) {
            send_pattern(p.tx, length);
            send_pattern(p.tx, 0);
            check_small_buffers(p.rx, length);
            assert_int_equal(mpsc_len(p.rx), 2);
            recv_pattern(p.rx, length);
            recv_pattern(p.rx, 0);
        }
        ends_close(p);
    }
}

static void the_length_may_be_unasked(void)
{
    struct ends p = ends_open(8, 4);
    unsigned char buffer[8];
    mpsc_status status;
    for (size_t i = 0; i < 4; i++)
        send_pattern(p.tx, 8);
    assert_status(mpsc_recv(p.rx, buffer, 8, NULL), MPSC_OK);
    assert_status(mpsc_try_recv(p.rx, buffer, 8, NULL), MPSC_OK);
    assert_status(mpsc_recv_timeout(p.rx, buffer, 8, NULL, 0), MPSC_OK);
    pattern_check(buffer, 8, 8);
    const void *message = mpsc_peek(p.rx, NULL, &status);
    assert_lent(message, status);
    pattern_check(message, 8, 8);
    assert_status(mpsc_release(p.rx, message), MPSC_OK);
    ends_close(p);
}

/* ------------------------------------------------------------------ in place */

/* As malloc: what is shorter than 16 bytes can hold nothing that needs more than 8. */
static void check_alignment(const void *memory, size_t length)
{
    if ((uintptr_t)memory % (length < 16 ? 8 : 16) != 0)
        fail_msg("%zu bytes were lent at %p", length, memory);
}

static void lend_and_peek(struct ends p, size_t length)
{
    mpsc_status status;
    size_t told = SIZE_MAX;
    void *loan = mpsc_try_loan(p.tx, length, &status);
    assert_lent(loan, status);
    check_alignment(loan, length);
    pattern_fill(loan, length, length);
    assert_status(mpsc_send_loan(p.tx, loan, length), MPSC_OK);

    const void *message = mpsc_try_peek(p.rx, &told, &status);
    assert_lent(message, status);
    assert_int_equal(told, length);
    check_alignment(message, length);
    pattern_check(message, length, length);
    assert_status(mpsc_release(p.rx, message), MPSC_OK);
}

static void loans_and_peeks_are_aligned_at_every_place(void)
{
    static const size_t bounds[] = {BOUND, 8, 1000};
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < COUNT(bounds); j++) {
            struct ends p = ends_open(sizes[i], bounds[j]);
            for (size_t place = 0; place < 20; place++) {
                for (size_t length = 0; length <= 3 * sizes[i]; length++)
                    lend_and_peek(p, length);
                step(p);
            }
            ends_close(p);
        }
}

/* What was sent by copy is as well aligned to whoever peeks, and the other way round. */
static void copies_and_loans_mix(void)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct ends p = ends_open(sizes[i], BOUND);
        for (size_t length = 0; length <= 3 * sizes[i]; length++) {
            mpsc_status status;
            size_t told;
            send_pattern(p.tx, length);
            const void *message = mpsc_try_peek(p.rx, &told, &status);
            assert_lent(message, status);
            assert_int_equal(told, length);
            check_alignment(message, length);
            pattern_check(message, length, length);
            assert_status(mpsc_release(p.rx, message), MPSC_OK);

            void *loan = mpsc_try_loan(p.tx, length, &status);
            assert_lent(loan, status);
            pattern_fill(loan, length, length);
            assert_status(mpsc_send_loan(p.tx, loan, length), MPSC_OK);
            recv_pattern(p.rx, length);
        }
        ends_close(p);
    }
}

/* A loan may be sent with less than was lent; what is behind it is not disturbed. */
static void a_loan_may_shrink(void)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct ends p = ends_open(sizes[i], BOUND);
        size_t lent = 3 * sizes[i];
        for (size_t length = 0; length <= lent; length++) {
            mpsc_status status;
            unsigned char *loan = mpsc_try_loan(p.tx, lent, &status);
            assert_lent(loan, status);
            memset(loan, 0xdd, lent);
            pattern_fill(loan, length, length);
            assert_status(mpsc_send_loan(p.tx, loan, length), MPSC_OK);
            send_pattern(p.tx, sizes[i]);
            recv_pattern(p.rx, length);
            recv_pattern(p.rx, sizes[i]);
            assert_int_equal(mpsc_len(p.rx), 0);
        }
        ends_close(p);
    }
}

/* ------------------------------------------------------------------ between workers */

struct shared {
    const char *name;
    unsigned long count;
};

static int sends_lengths(void *argument)
{
    struct shared *shared = argument;
    mpsc_sender *tx = open_tx(shared->name, 24, 7);
    uint64_t state = 5;
    for (unsigned long i = 0; i < shared->count; i++) {
        unsigned char message[7 * 24];
        size_t length = chance(&state) % (sizeof message + 1);
        pattern_fill(message, length, i);
        assert_status(mpsc_send(tx, message, length), MPSC_OK);
    }
    mpsc_sender_close(tx);
    return 0;
}

static void lengths_arrive_elsewhere(enum mode mode)
{
    struct shared *shared = shared_memory(sizeof *shared);
    shared->name = channel_name();
    shared->count = scaled(20000);
    mpsc_receiver *rx = open_rx(shared->name, 24, 7);
    worker w = worker_start(mode, sends_lengths, shared);
    uint64_t state = 5;
    for (unsigned long i = 0; i < shared->count; i++) {
        unsigned char buffer[7 * 24];
        size_t length;
        assert_status(mpsc_recv(rx, buffer, sizeof buffer, &length), MPSC_OK);
        assert_int_equal(length, chance(&state) % (sizeof buffer + 1));
        pattern_check(buffer, length, i);
    }
    assert_int_equal(worker_join(w), 0);
    mpsc_receiver_close(rx);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(every_length_arrives_at_every_place),
        TEST(lengths_do_not_touch_each_other),
        TEST(zero_is_a_length),
        TEST(what_could_never_fit_is_too_big_at_once),
        TEST(more_than_max_bytes_is_too_big),
        TEST(a_small_buffer_leaves_the_message),
        TEST(the_length_may_be_unasked),
        TEST(loans_and_peeks_are_aligned_at_every_place),
        TEST(copies_and_loans_mix),
        TEST(a_loan_may_shrink),
        TEST_BOTH(lengths_arrive_elsewhere),
    };
    return harness_main("length", tests, sizeof tests / sizeof *tests);
}
