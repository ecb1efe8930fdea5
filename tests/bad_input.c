/* SPDX-License-Identifier: MIT */
/* 1.3.10 Bad input: a wrong argument is MPSC_INVALID and changes nothing; a file that is no sound
 * segment is refused, and whatever it holds, nothing crashes. */
#include "channels.h"

#include "../lib/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* What out-parameters hold before a call that must not touch them. */
static char mark;
#define MARKED_TX ((mpsc_sender *)(void *)&mark)
#define MARKED_RX ((mpsc_receiver *)(void *)&mark)

/* ------------------------------------------------------------------ arguments of opening */

static void private_channels_refuse_nonsense(void)
{
    mpsc_sender *tx = MARKED_TX;
    mpsc_receiver *rx = MARKED_RX;
    assert_status(mpsc_channel(0, &tx, &rx), MPSC_INVALID);
    assert_status(mpsc_channel(8, NULL, &rx), MPSC_INVALID);
    assert_status(mpsc_channel(8, &tx, NULL), MPSC_INVALID);
    assert_status(mpsc_channel(SIZE_MAX, &tx, &rx), MPSC_LIMIT);
    assert_status(mpsc_sync_channel(0, 4, &tx, &rx), MPSC_INVALID);
    assert_status(mpsc_sync_channel(8, 4, NULL, &rx), MPSC_INVALID);
    assert_status(mpsc_sync_channel(8, 4, &tx, NULL), MPSC_INVALID);
    assert_status(mpsc_sync_channel(0, SIZE_MAX, &tx, &rx), MPSC_INVALID);
    assert_status(mpsc_sync_channel(8, SIZE_MAX, NULL, &rx), MPSC_INVALID);
    assert_status(mpsc_sync_channel(8, SIZE_MAX, &tx, NULL), MPSC_INVALID);
    assert_status(mpsc_sync_channel(8, SIZE_MAX, &tx, &rx), MPSC_LIMIT);
    assert_status(mpsc_sync_channel(8, SIZE_MAX / 2, &tx, &rx), MPSC_LIMIT);
    assert_status(mpsc_sync_channel(SIZE_MAX / 2, 4, &tx, &rx), MPSC_LIMIT);
    assert_status(mpsc_sync_channel((size_t)1 << 32, (size_t)1 << 32, &tx, &rx), MPSC_LIMIT);
    assert_ptr_equal(tx, MARKED_TX);
    assert_ptr_equal(rx, MARKED_RX);
}

/* The system's answer would be SIGXFSZ. */
static int opens_with_a_limit_on_files(void *unused)
{
    struct rlimit limit = {65536, 65536};
    mpsc_sender *tx = MARKED_TX;
    mpsc_receiver *rx = MARKED_RX;
    (void)unused;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_status(mpsc_channel(8, &tx, &rx), MPSC_LIMIT);
    assert_status(mpsc_open_sender(channel_name(), NULL, &tx), MPSC_LIMIT);
    assert_ptr_equal(tx, MARKED_TX);
    return 0;
}

static void a_limit_on_files_is_a_status(void)
{
    assert_int_equal(worker_join(worker_start(PROCESSES, opens_with_a_limit_on_files, NULL)), 0);
}

static void must_refuse_name(const char *name)
{
    mpsc_sender *tx = MARKED_TX;
    mpsc_receiver *rx = MARKED_RX;
    mpsc_stats stats, before;
    memset(&stats, 0x5a, sizeof stats);
    before = stats;
    assert_status(mpsc_open_sender(name, NULL, &tx), MPSC_INVALID);
    assert_status(mpsc_open_receiver(name, NULL, &rx), MPSC_INVALID);
    assert_status(mpsc_unlink(name), MPSC_INVALID);
    assert_status(mpsc_stat(name, &stats), MPSC_INVALID);
    assert_ptr_equal(tx, MARKED_TX);
    assert_ptr_equal(rx, MARKED_RX);
    assert_memory_equal(&stats, &before, sizeof stats);
}

/* This test's prefix, made as long as asked for. */
static void long_name(char *name, size_t length)
{
    memset(name, 'x', length);
    name[length] = 0;
    const char *prefix = channel_name();
    memcpy(name, prefix, strlen(prefix));
}

static void names_that_cannot_be_are_refused(void)
{
    char name[MPSC_MAX_NAME + 3] = "/";
    static const char *const names[] = {NULL, "",    "/",   "//",   "a/b", "/a/b",
                                        "a/", "//a", "./a", "../a", ".",   ".."};
    for (size_t i = 0; i < COUNT(names); i++)
        must_refuse_name(names[i]);
    long_name(name, MPSC_MAX_NAME + 1);
    must_refuse_name(name);
    memmove(name + 1, name, strlen(name) + 1);
    name[0] = '/';
    must_refuse_name(name);
}

/* The longest name is one, with and without its slash. */
static void the_longest_name_is_accepted(void)
{
    char name[MPSC_MAX_NAME + 2] = "/";
    mpsc_sender *tx;
    mpsc_receiver *rx;
    long_name(name + 1, MPSC_MAX_NAME);
    assert_status(mpsc_open_sender(name, NULL, &tx), MPSC_OK);
    assert_status(mpsc_open_receiver(name + 1, NULL, &rx), MPSC_OK);
    send_number(tx, 5);
    assert_int_equal(recv_number(rx), 5);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    assert_false(name_exists(name));
}

static void must_refuse_options(const mpsc_options *options)
{
    const char *name = channel_name();
    mpsc_sender *tx = MARKED_TX;
    mpsc_receiver *rx = MARKED_RX;
    assert_status(mpsc_open_sender(name, options, &tx), MPSC_INVALID);
    assert_status(mpsc_open_receiver(name, options, &rx), MPSC_INVALID);
    assert_ptr_equal(tx, MARKED_TX);
    assert_ptr_equal(rx, MARKED_RX);
    assert_false(name_exists(name));
}

#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        mpsc_options options = MPSC_OPTIONS_INIT;                                                  \
        options.field = value;                                                                     \
        must_refuse_options(&options);                                                             \
    } while (0)

static void options_that_cannot_be_are_refused(void)
{
    char type[MPSC_MAX_TYPE_NAME + 2];
    memset(type, 't', sizeof type - 1);
    type[sizeof type - 1] = 0;
    REFUSED(size, 0);
    REFUSED(size, 1);
    REFUSED(create, 2);
    REFUSED(create, -1);
    REFUSED(exclusive, 2);
    REFUSED(durable, 2);
    REFUSED(durable, -1);
    REFUSED(any_owner, 2);
    REFUSED(reserved, 1);
    REFUSED(permissions, 010000);
    REFUSED(permissions, 0x80000000u);
    REFUSED(permissions, 0400);
    REFUSED(permissions, 0200);
    REFUSED(permissions, 0066);
    REFUSED(type_name, type);
    REFUSED(type_name, "");
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.exclusive = 1;
    options.create = 0;
    must_refuse_options(&options);
}

static void sizes_past_the_limit_are_refused(void)
{
    const char *name = channel_name();
    mpsc_sender *tx = MARKED_TX;
    static const size_t sizes[][2] = {
        {SIZE_MAX, 1}, {SIZE_MAX, MPSC_UNBOUNDED}, {1, SIZE_MAX / 2}, {SIZE_MAX / 8, 9}};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        mpsc_options options = options_of(sizes[i][0], sizes[i][1]);
        assert_status(mpsc_open_sender(name, &options, &tx), MPSC_LIMIT);
        assert_ptr_equal(tx, MARKED_TX);
        assert_false(name_exists(name));
    }
}

static void opening_needs_a_place_for_the_handle(void)
{
    const char *name = channel_name();
    mpsc_stats stats;
    assert_status(mpsc_open_sender(name, NULL, NULL), MPSC_INVALID);
    assert_status(mpsc_open_receiver(name, NULL, NULL), MPSC_INVALID);
    assert_false(name_exists(name));
    assert_status(mpsc_stat(name, NULL), MPSC_INVALID);
    memset(&stats, 0x5a, sizeof stats);
    mpsc_stats before = stats;
    assert_status(mpsc_stat(name, &stats), MPSC_NOT_FOUND);
    assert_memory_equal(&stats, &before, sizeof stats);
    assert_status(mpsc_unlink(name), MPSC_NOT_FOUND);
}

static void a_clone_needs_both(void)
{
    struct ends p = ends_open(8, 4);
    mpsc_sender *clone = MARKED_TX;
    assert_status(mpsc_sender_clone(NULL, &clone), MPSC_INVALID);
    assert_status(mpsc_sender_clone(p.tx, NULL), MPSC_INVALID);
    assert_ptr_equal(clone, MARKED_TX);
    ends_close(p);
    mpsc_sender_close(NULL);
    mpsc_receiver_close(NULL);
}

/* ------------------------------------------------------------------ arguments of messages */

static void sending_refuses_nonsense(void)
{
    struct ends p = ends_open(8, 4);
    assert_status(mpsc_send(NULL, "x", 1), MPSC_INVALID);
    assert_status(mpsc_try_send(NULL, "x", 1), MPSC_INVALID);
    assert_status(mpsc_send_timeout(NULL, "x", 1, 0), MPSC_INVALID);
    assert_status(mpsc_flush(NULL, 0), MPSC_INVALID);
    assert_status(mpsc_send(p.tx, NULL, 1), MPSC_INVALID);
    assert_status(mpsc_try_send(p.tx, NULL, 1), MPSC_INVALID);
    assert_status(mpsc_send_timeout(p.tx, NULL, 8, 0), MPSC_INVALID);
    assert_int_equal(mpsc_len(p.rx), 0);
    send_number(p.tx, 1);
    assert_int_equal(recv_number(p.rx), 1);
    ends_close(p);
}

static void receiving_refuses_nonsense(void)
{
    struct ends p = ends_open(8, 4);
    char buffer[8] = "1234567";
    size_t length = 99;
    mpsc_status status = MPSC_OK;
    send_number(p.tx, 1);
    assert_status(mpsc_recv(NULL, buffer, 8, &length), MPSC_INVALID);
    assert_status(mpsc_try_recv(NULL, buffer, 8, &length), MPSC_INVALID);
    assert_status(mpsc_recv_timeout(NULL, buffer, 8, &length, 0), MPSC_INVALID);
    assert_status(mpsc_recv(p.rx, NULL, 8, &length), MPSC_INVALID);
    assert_status(mpsc_try_recv(p.rx, NULL, 8, &length), MPSC_INVALID);
    assert_status(mpsc_recv_timeout(p.rx, NULL, 8, &length, 0), MPSC_INVALID);
    assert_null(mpsc_peek(NULL, &length, &status));
    assert_status(status, MPSC_INVALID);
    assert_null(mpsc_try_peek(NULL, &length, NULL));
    assert_null(mpsc_peek_timeout(NULL, &length, 0, NULL));
    assert_int_equal(length, 99);
    assert_string_equal(buffer, "1234567");
    assert_int_equal(mpsc_len(p.rx), 1);
    assert_int_equal(mpsc_len(NULL), 0);
    (void)mpsc_capacity(NULL);
    assert_int_equal(recv_number(p.rx), 1);
    ends_close(p);
}

/* Nothing is stored where a receive had nothing to give. */
static void an_empty_receive_stores_nothing(void)
{
    struct ends p = ends_open(8, 4);
    char buffer[8] = "1234567";
    size_t length = 99;
    mpsc_status status = MPSC_OK;
    assert_status(mpsc_try_recv(p.rx, buffer, 8, &length), MPSC_EMPTY);
    assert_status(mpsc_recv_timeout(p.rx, buffer, 8, &length, 0), MPSC_TIMEOUT);
    assert_null(mpsc_try_peek(p.rx, &length, &status));
    assert_status(status, MPSC_EMPTY);
    assert_null(mpsc_peek_timeout(p.rx, &length, 0, &status));
    assert_status(status, MPSC_TIMEOUT);
    mpsc_sender_close(p.tx);
    assert_status(mpsc_recv(p.rx, buffer, 8, &length), MPSC_DISCONNECTED);
    assert_null(mpsc_peek(p.rx, &length, &status));
    assert_status(status, MPSC_DISCONNECTED);
    assert_int_equal(length, 99);
    assert_string_equal(buffer, "1234567");
    mpsc_receiver_close(p.rx);
}

/* ------------------------------------------------------------------ loans and peeks */

/* The compiler is told which calls end a loan or a peek, and would report these tests. */
static mpsc_status (*volatile send_wrong_loan)(mpsc_sender *, void *, size_t) = mpsc_send_loan;
static mpsc_status (*volatile cancel_wrong_loan)(mpsc_sender *, void *) = mpsc_cancel_loan;
static mpsc_status (*volatile release_wrong)(mpsc_receiver *, const void *) = mpsc_release;

static void *hidden(const void *pointer)
{
    void *volatile copy = (void *)(uintptr_t)pointer;
    return copy;
}

static void loans_refuse_nonsense(void)
{
    struct ends p = ends_open(8, 4), other = ends_open(8, 4);
    mpsc_status status = MPSC_OK;
    uint64_t number = 7;
    assert_null(mpsc_loan(NULL, 8, &status));
    assert_status(status, MPSC_INVALID);
    assert_null(mpsc_try_loan(NULL, 8, NULL));
    assert_null(mpsc_loan_timeout(NULL, 8, 0, NULL));
    assert_status(send_wrong_loan(NULL, &number, 8), MPSC_INVALID);
    assert_status(cancel_wrong_loan(NULL, &number), MPSC_INVALID);
    assert_status(send_wrong_loan(p.tx, &number, 8), MPSC_INVALID); /* none is out */
    assert_status(cancel_wrong_loan(p.tx, &number), MPSC_INVALID);

    uint64_t *loan = mpsc_loan(p.tx, 8, &status);
    assert_lent(loan, status);
    char *volatile same = hidden(loan);
    assert_status(send_wrong_loan(p.tx, NULL, 8), MPSC_INVALID);
    assert_status(cancel_wrong_loan(p.tx, NULL), MPSC_INVALID);
    assert_status(send_wrong_loan(p.tx, &number, 8), MPSC_INVALID);
    assert_status(cancel_wrong_loan(p.tx, same + 1), MPSC_INVALID);
    assert_status(send_wrong_loan(other.tx, same, 8), MPSC_INVALID);
    assert_status(cancel_wrong_loan(other.tx, same), MPSC_INVALID);
    *loan = 7; /* it is still out */
    assert_status(mpsc_send_loan(p.tx, loan, 8), MPSC_OK);
    assert_status(send_wrong_loan(p.tx, same, 8), MPSC_INVALID);
    assert_status(cancel_wrong_loan(p.tx, same), MPSC_INVALID);
    assert_int_equal(mpsc_len(p.rx), 1);
    assert_int_equal(recv_number(p.rx), 7);
    ends_close(p);
    ends_close(other);
}

static void a_loan_sent_with_more_than_was_lent_is_given_back(void)
{
    struct ends p = ends_open(8, 1);
    mpsc_status status;
    for (int i = 0; i < 3; i++) {
        void *loan = mpsc_loan(p.tx, 4, &status);
        assert_lent(loan, status);
        assert_status(send_wrong_loan(p.tx, loan, i == 0 ? 5 : SIZE_MAX), MPSC_INVALID);
        assert_status(mpsc_try_recv(p.rx, &mark, 1, NULL), MPSC_EMPTY);
        send_number(p.tx, 1);
        assert_int_equal(recv_number(p.rx), 1);
    }
    ends_close(p);
}

static void nothing_is_sent_while_a_loan_is_out(void)
{
    struct ends p = ends_open(8, 4);
    mpsc_status status, second = MPSC_OK;
    uint64_t *loan = mpsc_loan(p.tx, 8, &status);
    assert_lent(loan, status);
    assert_status(mpsc_send(p.tx, "x", 1), MPSC_INVALID);
    assert_status(mpsc_try_send(p.tx, "x", 1), MPSC_INVALID);
    assert_status(mpsc_send_timeout(p.tx, "x", 1, 0), MPSC_INVALID);
    assert_null(mpsc_loan(p.tx, 8, &second));
    assert_status(second, MPSC_INVALID);
    assert_null(mpsc_try_loan(p.tx, 8, NULL));
    assert_null(mpsc_loan_timeout(p.tx, 8, 0, NULL));
    *loan = 3;
    assert_status(mpsc_send_loan(p.tx, loan, 8), MPSC_OK);
    assert_int_equal(recv_number(p.rx), 3);
    assert_int_equal(mpsc_len(p.rx), 0);
    ends_close(p);
}

static void peeks_refuse_nonsense(void)
{
    struct ends p = ends_open(8, 4);
    mpsc_status status;
    size_t length;
    uint64_t number = 99;
    send_number(p.tx, 1);
    send_number(p.tx, 2);
    assert_status(release_wrong(NULL, &mark), MPSC_INVALID);
    assert_status(release_wrong(p.rx, &mark), MPSC_INVALID);
    const uint64_t *message = mpsc_peek(p.rx, &length, &status);
    assert_lent(message, status);
    const char *volatile same = hidden(message);
    assert_ptr_equal(mpsc_peek(p.rx, NULL, NULL), same);
    assert_ptr_equal(mpsc_try_peek(p.rx, NULL, NULL), same);
    assert_status(mpsc_recv(p.rx, &number, 8, &length), MPSC_INVALID);
    assert_status(mpsc_try_recv(p.rx, &number, 8, &length), MPSC_INVALID);
    assert_status(mpsc_recv_timeout(p.rx, &number, 8, &length, 0), MPSC_INVALID);
    assert_status(release_wrong(p.rx, NULL), MPSC_INVALID);
    assert_status(release_wrong(p.rx, &mark), MPSC_INVALID);
    assert_status(release_wrong(p.rx, same + 1), MPSC_INVALID);
    assert_int_equal(number, 99);
    assert_int_equal(mpsc_len(p.rx), 2);
    assert_int_equal(*message, 1);
    assert_status(mpsc_release(p.rx, message), MPSC_OK);
    assert_status(release_wrong(p.rx, same), MPSC_INVALID);
    assert_int_equal(recv_number(p.rx), 2);
    ends_close(p);
}

/* ------------------------------------------------------------------ words */

static void every_status_has_words(void)
{
    static const mpsc_status unknown[] = {-1, MPSC_OS + 1, INT32_MAX, INT32_MIN};
    for (mpsc_status i = MPSC_OK; i <= MPSC_OS; i++) {
        assert_true(strlen(mpsc_strstatus(i)) > 0);
        for (mpsc_status j = MPSC_OK; j < i; j++)
            assert_true(strcmp(mpsc_strstatus(i), mpsc_strstatus(j)) != 0);
    }
    for (size_t i = 0; i < COUNT(unknown); i++)
        assert_non_null(mpsc_strstatus(unknown[i]));
    int major, minor, patch;
    assert_int_equal(sscanf(mpsc_version(), "%d.%d.%d", &major, &minor, &patch), 3);
}

/* ------------------------------------------------------------------ files that are no segments */

/* The header, the first page of each table, and the ring. */
static void commit_what_a_segment_has(int fd, size_t size)
{
    const off_t ring = LAYOUT_NEWS + PROCESS_SLOTS * 4096;
    if ((off_t)size <= ring)
        return;
    assert_int_equal(posix_fallocate(fd, 0, 4096), 0);
    assert_int_equal(posix_fallocate(fd, LAYOUT_PROCESSES, 4096), 0);
    assert_int_equal(posix_fallocate(fd, LAYOUT_ENDPOINTS, 4096), 0);
    assert_int_equal(posix_fallocate(fd, ring, (off_t)size - ring), 0);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    int fd = open(channel_path(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    /* Zeros stay holes, but where a segment has none. */
    for (size_t i = 0; bytes && i < size; i += 4096) {
        static const char zeros[4096];
        const char *page = (const char *)bytes + i;
        size_t length = size - i < 4096 ? size - i : 4096;
        if (memcmp(page, zeros, length) != 0)
            assert_int_equal(pwrite(fd, page, length, (off_t)i), length);
    }
    commit_what_a_segment_has(fd, size);
    close(fd);
}

static char *read_file(const char *name, size_t *size)
{
    int fd = open(channel_path(name), O_RDONLY);
    struct stat file;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &file), 0);
    char *bytes = malloc((size_t)file.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)file.st_size), file.st_size);
    close(fd);
    *size = (size_t)file.st_size;
    return bytes;
}

#define assert_refused(call)                                                                       \
    do {                                                                                           \
        mpsc_status refusal = (call);                                                              \
        if (refusal != MPSC_CORRUPT && refusal != MPSC_MISMATCH)                                   \
            assert_status(refusal, MPSC_CORRUPT);                                                  \
    } while (0)

/* Every way to look at it says that it is no channel, and leaves it as it is. */
static void must_refuse_file(const char *name)
{
    mpsc_sender *tx = MARKED_TX;
    mpsc_receiver *rx = MARKED_RX;
    mpsc_stats stats, before;
    size_t size, size_after;
    memset(&stats, 0x5a, sizeof stats);
    before = stats;
    char *bytes = read_file(name, &size);
    for (int create = 0; create <= 1; create++) {
        mpsc_options options = MPSC_OPTIONS_INIT;
        options.create = create;
        assert_refused(mpsc_open_sender(name, &options, &tx));
        assert_refused(mpsc_open_receiver(name, &options, &rx));
    }
    assert_refused(mpsc_stat(name, &stats));
    assert_ptr_equal(tx, MARKED_TX);
    assert_ptr_equal(rx, MARKED_RX);
    assert_memory_equal(&stats, &before, sizeof stats);
    char *bytes_after = read_file(name, &size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(bytes, bytes_after, size);
    free(bytes);
    free(bytes_after);
}

/* mpsc_unlink removes whatever it is, and the name is good again. */
static void must_be_removable(const char *name)
{
    mpsc_sender *tx;
    assert_status(mpsc_unlink(name), MPSC_OK);
    assert_false(name_exists(name));
    assert_status(mpsc_open_sender(name, NULL, &tx), MPSC_OK);
    mpsc_sender_close(tx);
}

static void files_of_zeros_are_refused(void)
{
    static const size_t sizes[] = {0, 1, 391, 392, 4095, 4096, 65536, 1000000, 1 << 20};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        const char *name = channel_name();
        write_file(name, NULL, sizes[i]);
        must_refuse_file(name);
        must_be_removable(name);
    }
}

static void files_of_garbage_are_refused(void)
{
    static const size_t sizes[] = {1, 100, 4095, 4096, 8192, 65536, 1000000};
    uint64_t state = 3;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (int round = 0; round < 5; round++) {
            const char *name = channel_name();
            char *bytes = malloc(sizes[i]);
            assert_non_null(bytes);
            for (size_t j = 0; j < sizes[i]; j++)
                bytes[j] = (char)chance(&state);
            write_file(name, bytes, sizes[i]);
            must_refuse_file(name);
            free(bytes);
            must_be_removable(name);
        }
}

/* What a durable channel leaves behind, with two messages queued; its name is free afterwards. */
static char *sound_segment(const char *name, size_t bound, size_t *size)
{
    mpsc_options options = options_of(16, bound);
    options.durable = 1;
    mpsc_sender *tx;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    send_number(tx, 1);
    send_number(tx, 2);
    mpsc_sender_close(tx);
    char *bytes = read_file(name, size);
    assert_int_equal(unlink(channel_path(name)), 0);
    return bytes;
}

/* So that the tests that damage copies are about the damage. */
static void a_copy_of_a_segment_is_sound(void)
{
    const char *name = channel_name();
    size_t size;
    char *bytes = sound_segment(name, 4, &size);
    mpsc_receiver *rx;
    write_file(name, bytes, size);
    assert_status(mpsc_open_receiver(name, NULL, &rx), MPSC_OK);
    assert_int_equal(recv_number(rx), 1);
    assert_int_equal(recv_number(rx), 2);
    mpsc_receiver_close(rx);
    assert_status(mpsc_unlink(name), MPSC_OK);
    free(bytes);
}

/* Whoever read where there is no memory would take some, and be killed where there is none left. */
static void sparse_copies_are_refused(void)
{
    const char *name = channel_name();
    size_t size;
    char *bytes = sound_segment(name, 4000, &size);
    write_file(name, bytes, size);
    int fd = open(channel_path(name), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)size - 8 * 4096, 8 * 4096),
        0);
    close(fd);
    must_refuse_file(name);
    must_be_removable(name);
    free(bytes);
}

static void truncated_segments_are_refused(void)
{
    const char *name = channel_name();
    size_t size;
    char *bytes = sound_segment(name, 1000, &size);
    const size_t sizes[] = {0,     1,     100,      391,      392,         4095,        4096,
                            65536, 70000, size / 3, size / 2, size - 4096, size - 4095, size - 1};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        write_file(name, bytes, sizes[i]);
        must_refuse_file(name);
    }
    must_be_removable(name);
    free(bytes);
}

static void other_versions_are_refused(void)
{
    const char *name = channel_name();
    size_t size;
    char *bytes = sound_segment(name, 4, &size);
    static const size_t offsets[] = {
        offsetof(struct identity, magic),        offsetof(struct identity, version),
        offsetof(struct identity, abi),          offsetof(struct identity, checksum),
        offsetof(struct identity, message_size), offsetof(struct identity, bound)};
    for (size_t i = 0; i < COUNT(offsets); i++) {
        bytes[offsets[i]] ^= 2;
        write_file(name, bytes, size);
        must_refuse_file(name);
        bytes[offsets[i]] ^= 2;
    }
    must_be_removable(name);
    free(bytes);
}

/* ------------------------------------------------------------------ damaged segments */

enum { HEADER = 4096 };

/* What is made of each damaged segment, in a child of its own that starts where the one before it
 * ended. It may say what it likes, but it must come to an end. */
struct damage {
    const char *name;
    char *bytes;
    size_t size;
    bool attached_before;
    unsigned long count, step, first;
    void (*apply)(struct damage *, unsigned long number, size_t *offset, unsigned char *change);
    atomic_ulong *reached;
};

static void use_sender(mpsc_sender *tx)
{
    mpsc_status status;
    unsigned char message[32] = {0};
    mpsc_sender *clone;
    for (int i = 0; i < 6; i++)
        (void)!mpsc_try_send(tx, message, i % 2 ? 8 : 24);
    (void)!mpsc_send_timeout(tx, message, 8, 1000);
    void *loan = mpsc_try_loan(tx, 16, &status);
    if (loan) {
        memset(loan, 1, 16);
        (void)!mpsc_send_loan(tx, loan, 9);
    }
    if (mpsc_sender_clone(tx, &clone) == MPSC_OK)
        mpsc_sender_close(clone);
    (void)!mpsc_flush(tx, 1000);
}

static void use_receiver(mpsc_receiver *rx)
{
    unsigned char buffer[128];
    size_t length;
    mpsc_status status;
    (void)mpsc_len(rx);
    (void)mpsc_capacity(rx);
    const void *message = mpsc_try_peek(rx, &length, &status);
    if (message) {
        const volatile unsigned char *bytes = message;
        for (size_t i = 0; i < length; i++)
            (void)bytes[i]; /* all of it must be there */
        (void)!mpsc_release(rx, message);
    }
    for (int i = 0; i < 8; i++)
        if (mpsc_try_recv(rx, buffer, sizeof buffer, &length) == MPSC_OK)
            assert_true(length <= sizeof buffer);
    (void)!mpsc_recv_timeout(rx, buffer, sizeof buffer, &length, 1000);
}

static void use_damaged(const struct damage *d, size_t offset, unsigned char change)
{
    mpsc_sender *tx = NULL, *before = NULL;
    mpsc_receiver *rx = NULL;
    mpsc_stats stats;
    write_file(d->name, d->bytes, d->size);
    if (d->attached_before) {
        assert_status(mpsc_open_sender(d->name, NULL, &before), MPSC_OK);
        assert_status(mpsc_open_receiver(d->name, NULL, &rx), MPSC_OK);
    }
    int fd = open(channel_path(d->name), O_RDWR);
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= change;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);

    (void)!mpsc_stat(d->name, &stats);
    if (before)
        use_sender(before);
    if (mpsc_open_sender(d->name, NULL, &tx) == MPSC_OK)
        use_sender(tx);
    if (rx || mpsc_open_receiver(d->name, NULL, &rx) == MPSC_OK)
        use_receiver(rx);
    mpsc_sender_close(tx);
    mpsc_sender_close(before);
    mpsc_receiver_close(rx);
}

static int use_all_damaged(void *argument)
{
    struct damage *d = argument;
    unsigned long number;
    while ((number = atomic_fetch_add(d->reached, 1)) < d->count) {
        size_t offset;
        unsigned char change;
        alarm(10);
        d->apply(d, number, &offset, &change);
        use_damaged(d, offset, change);
    }
    return 0;
}

static void survive_damage(struct damage *d)
{
    harness_needs_futexes(
        "a damaged pthread mutex may hang who locks it: what this variant gives up");
    harness_timeout(120);
    d->name = channel_name();
    d->bytes = sound_segment(d->name, 4, &d->size);
    d->reached = shared_memory(sizeof *d->reached);
    int bad = 0;
    while (atomic_load(d->reached) < d->count) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(use_all_damaged(d));
        int status;
        size_t offset;
        unsigned char change;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        d->apply(d, atomic_load(d->reached) - 1, &offset, &change);
        fprintf(stderr, "byte %zu changed by %02x: %s %d\n", offset, change,
                WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "status",
                WIFSIGNALED(status) ? 0 : WEXITSTATUS(status));
        if (++bad == 5)
            break;
    }
    assert_int_equal(bad, 0);
    unlink(channel_path(d->name));
    free(d->bytes);
}

static void each_byte_of_the_header(struct damage *d, unsigned long number, size_t *offset,
                                    unsigned char *change)
{
    static const unsigned char changes[] = {0xff, 0x01, 0x80, 0x10};
    *offset = d->first + number * d->step;
    *change = changes[(*offset + *offset / 8) % COUNT(changes)];
}

/* Or each second, third, ... byte, from another one in each run. */
static struct damage damage_of_the_header(bool attached_before)
{
    unsigned long step = 1 + (HEADER - 1) / swept(HEADER);
    return (struct damage){.count = HEADER / step,
                           .step = step,
                           .first = now_ns() / 1000 % step,
                           .apply = each_byte_of_the_header,
                           .attached_before = attached_before};
}

/* Anywhere where there is something: holes of the file are seldom of interest. */
static void any_byte(struct damage *d, unsigned long number, size_t *offset, unsigned char *change)
{
    uint64_t state = 1000 + number;
    for (int tries = 0; tries < 2000; tries++) {
        *offset = chance(&state) % d->size;
        if (d->bytes[*offset])
            break;
    }
    *offset = (*offset & ~(size_t)63) + chance(&state) % 64;
    *change = (unsigned char)(1 + chance(&state) % 255);
}

static void any_damage_of_the_header_is_survived(void)
{
    struct damage damage = damage_of_the_header(false);
    survive_damage(&damage);
}

static void damage_anywhere_is_survived(void)
{
    survive_damage(&(struct damage){.count = scaled(2000), .apply = any_byte});
}

static void damage_of_a_header_in_use_is_survived(void)
{
    struct damage damage = damage_of_the_header(true);
    survive_damage(&damage);
}

static void damage_anywhere_in_use_is_survived(void)
{
    survive_damage(
        &(struct damage){.count = scaled(2000), .apply = any_byte, .attached_before = true});
}

/* ------------------------------------------------------------------ what is no file */

static void must_not_open(const char *name)
{
    mpsc_sender *tx = MARKED_TX;
    mpsc_receiver *rx = MARKED_RX;
    mpsc_stats stats;
    static const int creates[] = {0, 1};
    for (size_t i = 0; i < COUNT(creates); i++) {
        mpsc_options options = MPSC_OPTIONS_INIT;
        options.create = creates[i];
        assert_true(mpsc_open_sender(name, &options, &tx) != MPSC_OK);
        assert_true(mpsc_open_receiver(name, &options, &rx) != MPSC_OK);
    }
    assert_true(mpsc_stat(name, &stats) != MPSC_OK);
    assert_ptr_equal(tx, MARKED_TX);
    assert_ptr_equal(rx, MARKED_RX);
    assert_int_equal(faccessat(AT_FDCWD, channel_path(name), F_OK, AT_SYMLINK_NOFOLLOW), 0);
}

static void a_directory_is_refused(void)
{
    const char *name = channel_name();
    assert_int_equal(mkdir(channel_path(name), 0700), 0);
    must_not_open(name);
    assert_int_equal(rmdir(channel_path(name)), 0);
}

/* Opened to be written, a fifo would wait for its reader for ever. */
static void a_fifo_is_refused(void)
{
    const char *name = channel_name();
    assert_int_equal(mkfifo(channel_path(name), 0600), 0);
    must_not_open(name);
    assert_status(mpsc_unlink(name), MPSC_OK);
}

/* Somebody else's link must lead to nothing, neither to a channel nor to a new file. */
static void a_link_is_not_followed(void)
{
    const char *name = channel_name(), *target = channel_name();
    mpsc_sender *tx;
    assert_int_equal(symlink(channel_path(target), channel_path(name)), 0);
    must_not_open(name);
    assert_false(name_exists(target));
    assert_status(mpsc_open_sender(target, NULL, &tx), MPSC_OK);
    must_not_open(name);
    mpsc_sender_close(tx);
    assert_status(mpsc_unlink(name), MPSC_OK);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(private_channels_refuse_nonsense),
        TEST(a_limit_on_files_is_a_status),
        TEST(names_that_cannot_be_are_refused),
        TEST(the_longest_name_is_accepted),
        TEST(options_that_cannot_be_are_refused),
        TEST(sizes_past_the_limit_are_refused),
        TEST(opening_needs_a_place_for_the_handle),
        TEST(a_clone_needs_both),
        TEST(sending_refuses_nonsense),
        TEST(receiving_refuses_nonsense),
        TEST(an_empty_receive_stores_nothing),
        TEST(loans_refuse_nonsense),
        TEST(a_loan_sent_with_more_than_was_lent_is_given_back),
        TEST(nothing_is_sent_while_a_loan_is_out),
        TEST(peeks_refuse_nonsense),
        TEST(every_status_has_words),
        TEST(files_of_zeros_are_refused),
        TEST(files_of_garbage_are_refused),
        TEST(a_copy_of_a_segment_is_sound),
        TEST(sparse_copies_are_refused),
        TEST(truncated_segments_are_refused),
        TEST(other_versions_are_refused),
        TEST(any_damage_of_the_header_is_survived),
        TEST(damage_anywhere_is_survived),
        TEST(damage_of_a_header_in_use_is_survived),
        TEST(damage_anywhere_in_use_is_survived),
        TEST(a_directory_is_refused),
        TEST(a_fifo_is_refused),
        TEST(a_link_is_not_followed),
    };
    return harness_main("bad_input", tests, sizeof tests / sizeof *tests);
}
