/* SPDX-License-Identifier: MIT */
/* 1.2 MPSC_DEFINE_CHANNEL, MPSC_FOR_EACH: channels of one type; a wrong one does not compile. */
#include "together.h"

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct job {
    int number;
    double weight;
};

/* As large as a job. */
struct order {
    double price;
    long amount;
};

typedef struct {
    char text[200];
} page;

MPSC_DEFINE_CHANNEL(job, struct job);
MPSC_DEFINE_CHANNEL(order, struct order);
MPSC_DEFINE_CHANNEL(page, page);
MPSC_DEFINE_CHANNEL(number, unsigned long);

_Static_assert(sizeof(struct job) == sizeof(struct order), "of one size");

static void expect_job(const struct job *job, int number)
{
    assert_int_equal(job->number, number);
    assert_true(job->weight == number / 2.0);
}

static struct job job_of(int number)
{
    return (struct job){number, number / 2.0};
}

/* Every wrapper, on a channel of bound 2. */
static void use_all(job_sender *tx, job_receiver *rx)
{
    struct job job;
    mpsc_status status = MPSC_OS;
    job_sender *clone;
    assert_status(job_sender_clone(tx, &clone), MPSC_OK);

    assert_int_equal(job_capacity(rx), 2);
    assert_int_equal(job_len(rx), 0);
    assert_status(job_try_recv(rx, &job), MPSC_EMPTY);
    assert_status(job_recv_timeout(rx, &job, 1), MPSC_TIMEOUT);
    assert_null(job_try_peek(rx, &status));
    assert_status(status, MPSC_EMPTY);
    int fd = -1;
    assert_status(job_receiver_fd(rx, &fd), MPSC_OK);
    assert_status(job_sender_fd(tx, &fd), MPSC_OK);
    assert_true(fd >= 0);
    assert_null(job_peek_timeout(rx, 1, &status));
    assert_status(status, MPSC_TIMEOUT);

    assert_status(job_send(tx, job_of(1)), MPSC_OK);
    assert_status(job_try_send(clone, job_of(2)), MPSC_OK);
    assert_int_equal(job_len(rx), 2);
    assert_status(job_try_send(tx, job_of(9)), MPSC_FULL);
    assert_status(job_send_timeout(tx, job_of(9), 1), MPSC_TIMEOUT);
    assert_null(job_try_loan(tx, &status));
    assert_status(status, MPSC_FULL);
    assert_null(job_loan_timeout(tx, 1, &status));
    assert_status(status, MPSC_TIMEOUT);
    assert_status(job_flush(tx, 1), MPSC_TIMEOUT);
    assert_status(job_recv(rx, &job), MPSC_OK);
    expect_job(&job, 1);
    assert_status(job_flush(tx, MPSC_FOREVER), MPSC_OK);
    assert_status(job_try_recv(rx, &job), MPSC_OK);
    expect_job(&job, 2);

    struct job *loan = job_loan(tx, &status);
    assert_lent(loan, status);
    *loan = job_of(3);
    assert_status(job_send_loan(tx, loan), MPSC_OK);
    loan = job_try_loan(tx, &status);
    assert_lent(loan, status);
    assert_status(job_cancel_loan(tx, loan), MPSC_OK);
    const struct job *peeked = job_peek(rx, &status);
    assert_lent(peeked, status);
    expect_job(peeked, 3);
    assert_status(job_release(rx, peeked), MPSC_OK);
    assert_status(job_try_recv(rx, &job), MPSC_EMPTY); /* passes what was cancelled */

    loan = job_loan_timeout(clone, SECONDS, &status);
    assert_lent(loan, status);
    *loan = job_of(4);
    assert_status(job_send_loan(clone, loan), MPSC_OK);
    assert_status(job_send_timeout(clone, job_of(5), SECONDS), MPSC_OK);
    peeked = job_peek_timeout(rx, SECONDS, &status);
    assert_lent(peeked, status);
    expect_job(peeked, 4);
    assert_status(job_release(rx, peeked), MPSC_OK);
    assert_status(job_recv_timeout(rx, &job, SECONDS), MPSC_OK);
    expect_job(&job, 5);

    assert_status(job_send(clone, job_of(6)), MPSC_OK);
    job_sender_close(clone);
    job_sender_close(tx);
    assert_true(job_next(rx, &job));
    expect_job(&job, 6);
    assert_false(job_next(rx, &job));
    assert_null(job_peek(rx, &status));
    assert_status(status, MPSC_DISCONNECTED);
    job_receiver_close(rx);
}

static void every_wrapper_works(void)
{
    job_sender *tx;
    job_receiver *rx;
    assert_status(job_sync_channel(2, &tx, &rx), MPSC_OK);
    use_all(tx, rx);

    mpsc_options options = MPSC_OPTIONS_INIT;
    const char *name = channel_name();
    options.bound = 2;
    assert_status(job_open_sender(name, &options, &tx), MPSC_OK);
    assert_status(job_open_receiver(name, &options, &rx), MPSC_OK);
    mpsc_stats stats = stats_of(name);
    assert_string_equal(stats.type_name, "struct job");
    assert_int_equal(stats.message_size, sizeof(struct job));
    use_all(tx, rx);

    options = (mpsc_options)MPSC_OPTIONS_INIT;
    options.bound = 2;
    assert_status(job_channel_with(&options, &tx, &rx), MPSC_OK);
    use_all(tx, rx);

    number_sender *numbers;
    number_receiver *counter;
    unsigned long number;
    assert_status(number_channel(&numbers, &counter), MPSC_OK);
    assert_status(number_send(numbers, 42), MPSC_OK);
    assert_status(number_recv(counter, &number), MPSC_OK);
    assert_int_equal(number, 42);
    number_sender_close(numbers);
    number_receiver_close(counter);

    job_sender_close(NULL);
    job_receiver_close(NULL);
}

static void larger_values_go_too(void)
{
    page_sender *tx;
    page_receiver *rx;
    page sent, received;
    assert_status(page_sync_channel(3, &tx, &rx), MPSC_OK);
    for (unsigned i = 0; i < 20; i++) {
        pattern_fill(&sent, sizeof sent, i);
        assert_status(page_send(tx, sent), MPSC_OK);
        assert_status(page_recv(rx, &received), MPSC_OK);
        pattern_check(&received, sizeof received, i);
    }
    page_sender_close(tx);
    page_receiver_close(rx);
}

static void other_type_is_a_mismatch(void)
{
    const char *name = channel_name();
    job_sender *jobs;
    job_receiver *worker_end;
    order_sender *orders = NULL;
    order_receiver *order_end = NULL;
    page_sender *pages = NULL;
    assert_status(job_open_sender(name, NULL, &jobs), MPSC_OK);
    assert_status(order_open_sender(name, NULL, &orders), MPSC_MISMATCH);
    assert_status(order_open_receiver(name, NULL, &order_end), MPSC_MISMATCH);
    assert_status(page_open_sender(name, NULL, &pages), MPSC_MISMATCH);
    assert_null(orders);
    assert_null(order_end);
    assert_null(pages);
    assert_status(job_open_receiver(name, NULL, &worker_end), MPSC_OK);

    /* The same size is not enough, the same type of another size neither. */
    mpsc_options options = MPSC_OPTIONS_INIT;
    mpsc_sender *untyped = NULL;
    options.type_name = "struct order";
    options.message_size = sizeof(struct job);
    assert_status(mpsc_open_sender(name, &options, &untyped), MPSC_MISMATCH);
    options.type_name = "struct job";
    options.message_size = sizeof(struct job) + 8;
    assert_status(mpsc_open_sender(name, &options, &untyped), MPSC_MISMATCH);
    assert_null(untyped);
    options.message_size = sizeof(struct job);
    assert_status(mpsc_open_sender(name, &options, &untyped), MPSC_OK);
    mpsc_sender_close(untyped);
    /* Who does not say, agrees. */
    assert_status(mpsc_open_sender(name, NULL, &untyped), MPSC_OK);
    mpsc_sender_close(untyped);

    job_sender_close(jobs);
    job_receiver_close(worker_end);
}

/* Whoever opens it without a type may send what it likes; it is never taken for a value. */
static void another_size_is_no_value(void)
{
    const char *name = channel_name();
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.bound = 8;
    for (size_t length = 0; length <= 2 * sizeof(struct job); length += sizeof(struct job) / 2) {
        job_receiver *rx;
        mpsc_status status;
        struct job job = job_of(1);
        bool is_value = length == sizeof job;
        assert_status(job_open_receiver(name, &options, &rx), MPSC_OK);
        mpsc_sender *tx = open_tx(name, sizeof job, 8);
        assert_status(mpsc_send(tx, &(struct job[2]){job_of(7), job_of(8)}, length), MPSC_OK);
        const struct job *peeked = job_try_peek(rx, &status);
        assert_status(status, is_value ? MPSC_OK : MPSC_MISMATCH);
        assert_true(is_value == (peeked != NULL));
        if (peeked) {
            expect_job(peeked, 7);
            assert_status(job_release(rx, peeked), MPSC_OK);
        } else {
            assert_status(job_recv(rx, &job), MPSC_MISMATCH);
            assert_status(job_recv_timeout(rx, &job, SECONDS), MPSC_MISMATCH);
            assert_status(job_try_recv(rx, &job), MPSC_MISMATCH);
            assert_false(job_next(rx, &job));
            expect_job(&job, 1);
            unsigned char bytes[sizeof(struct job[2])];
            size_t got;
            assert_status(mpsc_try_recv((mpsc_receiver *)rx, bytes, sizeof bytes, &got), MPSC_OK);
            assert_int_equal(got, length);
        }
        assert_status(job_try_recv(rx, &job), MPSC_EMPTY);
        assert_status(job_recv_timeout(rx, &job, 1), MPSC_TIMEOUT);
        mpsc_sender_close(tx);
        job_receiver_close(rx);
    }
}

/* ------------------------------------------------------------------ iteration */

static int sends_a_hundred(void *argument)
{
    mpsc_sender *tx = argument;
    for (int i = 0; i < 100; i++)
        send_int(tx, i);
    mpsc_sender_close(tx);
    return 0;
}

static void for_each_goes_on_until_the_end(enum mode mode)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    int expected = 0;
    assert_status(mpsc_sync_channel(sizeof(int), 3, &tx, &rx), MPSC_OK);
    worker sender = worker_start(mode, sends_a_hundred, tx);
    copy_close_sender(mode, tx);
    MPSC_FOR_EACH (int, received, rx) {
        assert_int_equal(received, expected);
        if (++expected == 50)
            break; /* as with any loop, and one goes on later */
    }
    assert_int_equal(expected, 50);
    MPSC_FOR_EACH (int, received, rx)
        assert_int_equal(received, expected++);
    assert_int_equal(expected, 100);
    assert_int_equal(worker_join(sender), 0);
    mpsc_receiver_close(rx);
}

static void for_each_ends_at_a_longer_message(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    char longer[2 * sizeof(int)] = {0}, buffer[sizeof longer];
    int count = 0;
    size_t length = 0;
    assert_status(mpsc_channel(sizeof(int), &tx, &rx), MPSC_OK);
    send_int(tx, 0);
    send_int(tx, 1);
    assert_status(mpsc_send(tx, longer, sizeof longer), MPSC_OK);
    send_int(tx, 2);
    MPSC_FOR_EACH (int, received, rx)
        assert_int_equal(received, count++);
    assert_int_equal(count, 2);
    assert_status(mpsc_try_recv(rx, buffer, sizeof(int), &length), MPSC_TOO_BIG);
    assert_int_equal(length, sizeof longer);
    assert_status(mpsc_try_recv(rx, buffer, sizeof buffer, &length), MPSC_OK);
    expect_int(rx, 2);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

static atomic_int *alarms; /* in shared memory */

static void counts(int number)
{
    (void)number;
    atomic_fetch_add(alarms, 1);
}

static int sends_after_five_alarms(void *argument)
{
    step_wait(alarms, 5);
    send_int(argument, 5);
    return 0;
}

static void for_each_goes_on_after_a_signal(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    struct sigaction action;
    struct itimerval every = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    int received = 0;
    alarms = shared_memory(sizeof *alarms);
    assert_status(mpsc_sync_channel(sizeof(int), 1, &tx, &rx), MPSC_OK);
    worker sender = worker_start(PROCESSES, sends_after_five_alarms, tx);
    mpsc_sender_close(tx);
    memset(&action, 0, sizeof action);
    action.sa_handler = counts;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
    MPSC_FOR_EACH (int, value, rx)
        received = value;
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(received, 5);
    assert_int_equal(worker_join(sender), 0);
    mpsc_receiver_close(rx);
}

/* ------------------------------------------------------------------ what must not compile */

static const char preamble[] = "#include <mpsc.h>\n"
                               "struct job { int number; double weight; };\n"
                               "struct order { double price; long amount; };\n"
                               "MPSC_DEFINE_CHANNEL(job, struct job);\n"
                               "MPSC_DEFINE_CHANNEL(order, struct order);\n"
                               "int use(job_sender *tx, job_receiver *rx, order_sender *orders);\n"
                               "int use(job_sender *tx, job_receiver *rx, order_sender *orders)\n"
                               "{\n"
                               "    struct job job = {1, 2};\n"
                               "    struct order order = {1, 2};\n"
                               "    mpsc_status status = MPSC_OK;\n"
                               "    (void)tx, (void)rx, (void)orders, (void)job, (void)order;\n";
static const char ending[] = "    return status;\n}\n";

static const char *const right[] = {
    "    status = job_send(tx, job);\n",
    "    status = job_recv(rx, &job);\n",
    "    status = order_send(orders, order);\n",
    "    struct job *loan = job_loan(tx, &status);\n"
    "    if (loan) status = job_send_loan(tx, loan);\n",
    "    const struct job *peeked = job_peek(rx, &status);\n"
    "    if (peeked) status = job_release(rx, peeked);\n",
};

static const char *const wrong[] = {
    "    status = job_send(tx, order);\n",
    "    status = job_send(tx, 1);\n",
    "    status = job_send(tx, &job);\n",
    "    status = job_try_send(tx, order);\n",
    "    status = job_send_timeout(tx, order, 1);\n",
    "    status = job_send(orders, job);\n",
    "    status = job_send(rx, job);\n",
    "    status = job_recv(rx, &order);\n",
    "    status = job_try_recv(rx, &order);\n",
    "    status = job_recv(tx, &job);\n",
    "    struct order *loan = job_loan(tx, &status);\n"
    "    if (loan) status = job_cancel_loan(tx, (struct job *)loan);\n",
    "    status = job_send_loan(tx, &order);\n",
    "    const struct order *peeked = job_peek(rx, &status);\n"
    "    if (peeked) status = job_release(rx, (const struct job *)peeked);\n",
    "    order_sender_close(tx);\n",
    "    mpsc_sender_close(tx);\n",
};

static bool holds_header(const char *folder)
{
    char header[1100];
    snprintf(header, sizeof header, "%s/mpsc.h", folder);
    return access(header, R_OK) == 0;
}

/* The folder of mpsc.h: as automake says, or beside that of this file. */
static const char *include_folder(void)
{
    static char folder[1024];
    const char *top = getenv("srcdir"), *slash = strrchr(__FILE__, '/');
    snprintf(folder, sizeof folder, "%s/include", top ? top : ".");
    if (holds_header(folder))
        return folder;
    snprintf(folder, sizeof folder, "%.*s/../include", slash ? (int)(slash - __FILE__) : 1,
             slash ? __FILE__ : ".");
    return holds_header(folder) ? folder : NULL;
}

/* Incompatible pointers are errors in the compilers of today, and were warnings in older ones. */
static bool compiles(const char *file, const char *statement)
{
    FILE *source = fopen(file, "we");
    assert_non_null(source);
    fprintf(source, "%s%s%s", preamble, statement, ending);
    assert_int_equal(fclose(source), 0);
    int status = system("${CC:-cc} -std=c11 -fsyntax-only -Werror=incompatible-pointer-types "
                        "-Werror=int-conversion -I\"$MPSC_TEST_INCLUDE\" "
                        "\"$MPSC_TEST_SOURCE\" 2>/dev/null");
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

static void wrong_type_does_not_compile(void)
{
    char folder[512], file[600];
    const char *include = include_folder(), *temporary = getenv("TMPDIR");
    if (system("${CC:-cc} --version >/dev/null 2>&1") != 0)
        harness_skip("no compiler: set CC");
    if (!include)
        harness_skip("mpsc.h is not where its sources are: set srcdir");
    harness_timeout(120);
    snprintf(folder, sizeof folder, "%s/mpsc-test-XXXXXX", temporary ? temporary : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/typed.c", folder);
    assert_int_equal(setenv("MPSC_TEST_INCLUDE", include, 1), 0);
    assert_int_equal(setenv("MPSC_TEST_SOURCE", file, 1), 0);

    const char *accepted = NULL, *refused = NULL;
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        if (!compiles(file, right[i]))
            refused = right[i];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (compiles(file, wrong[i]))
            accepted = wrong[i];
    unlink(file);
    rmdir(folder);
    if (refused)
        fail_msg("does not compile, and should:\n%s", refused);
    if (accepted)
        fail_msg("compiles, and should not:\n%s", accepted);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(every_wrapper_works),
        TEST(larger_values_go_too),
        TEST(other_type_is_a_mismatch),
        TEST(another_size_is_no_value),
        TEST_BOTH(for_each_goes_on_until_the_end),
        TEST(for_each_ends_at_a_longer_message),
        TEST(for_each_goes_on_after_a_signal),
        TEST(wrong_type_does_not_compile),
    };
    return harness_main("typed", tests, sizeof tests / sizeof *tests);
}
