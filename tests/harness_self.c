/* SPDX-License-Identifier: MIT */
/* The harness itself: what a test may not do makes the run fail, and says so; nothing else does. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------ the tests of a run inside */

static int returns_zero(void *unused)
{
    (void)unused;
    return 0;
}

static int returns_seven(void *unused)
{
    (void)unused;
    return 7;
}

static int asserts(void *unused)
{
    (void)unused;
    assert_int_equal(1, 2);
    return 0;
}

static int crashes(void *unused)
{
    (void)unused;
    raise(SIGSEGV);
    return 0;
}

static int waits(void *unused)
{
    (void)unused;
    while (pause() != 0)
        continue;
    return 0;
}

static void inner_clean(void)
{
    for (enum mode mode = THREADS; mode <= PROCESSES; mode++) {
        assert_int_equal(worker_join(worker_start(mode, returns_zero, NULL)), 0);
        assert_int_equal(worker_join(worker_start(mode, returns_seven, NULL)), 7);
    }
    assert_status(MPSC_OK, MPSC_OK);
}

static void inner_assertion(void)
{
    assert_true(1 + 1 == 3);
}

static void inner_status(void)
{
    assert_status(MPSC_EMPTY, MPSC_OK);
}

static void inner_hang(void)
{
    worker w = worker_start(PROCESSES, waits, NULL);
    (void)!worker_join(w);
}

static void inner_stopped(void)
{
    raise(SIGSTOP);
}

static void inner_crash(void)
{
    raise(SIGSEGV);
}

static void inner_killed(void)
{
    raise(SIGKILL);
}

static void inner_exit(void)
{
    exit(3);
}

static void inner_descriptor(void)
{
    assert_true(open("/dev/null", O_RDONLY) >= 0);
}

static void inner_lost_descriptor(void)
{
    close(STDIN_FILENO);
}

static void inner_mapping(void)
{
    const char *name = channel_name();
    int fd = shm_open(name, O_RDWR | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_true(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
    close(fd);
    shm_unlink(name);
}

static void make_name(void)
{
    close(shm_open(channel_name(), O_RDWR | O_CREAT, 0600));
}

static void inner_name(void)
{
    make_name();
}

static void inner_kept_name(void)
{
    make_name();
    harness_keeps_names();
}

static void inner_unreaped(void)
{
    worker_start(PROCESSES, returns_zero, NULL);
}

static int leaves_a_child(void *unused)
{
    (void)unused;
    worker_start(PROCESSES, waits, NULL);
    return 0;
}

static void inner_orphan(void)
{
    assert_int_equal(worker_join(worker_start(PROCESSES, leaves_a_child, NULL)), 0);
}

static void inner_failing_thread(void)
{
    (void)!worker_join(worker_start(THREADS, asserts, NULL));
}

static void inner_failing_process(void)
{
    (void)!worker_join(worker_start(PROCESSES, asserts, NULL));
}

static void inner_crashing_process(void)
{
    (void)!worker_join(worker_start(PROCESSES, crashes, NULL));
}

static bool never(void *unused)
{
    (void)unused;
    return false;
}

static void inner_never(void)
{
    wait_until(never, NULL);
}

static void inner_skip(void)
{
    harness_skip("there is a reason");
}

/* ------------------------------------------------------------------ running them */

static char output[65536]; /* of the last run */

/* Runs one test by harness_main in a child, and returns what it said. */
static int run(void (*inner)(void), const char *timeout_scale)
{
    struct test test = {"inner", inner, NULL, THREADS};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        setenv("MPSC_TEST_TIMEOUT_SCALE", timeout_scale, 1);
        unsetenv("MPSC_TEST_FILTER");
        int result = harness_main("inner", &test, 1);
        fflush(NULL);
        _exit(result);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t more;
    while (length < sizeof output - 1 &&
           (more = read(ends[0], output + length, sizeof output - 1 - length)) > 0)
        length += (size_t)more;
    output[length] = 0;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void must_pass(void (*inner)(void))
{
    if (run(inner, "1") != 0)
        fail_msg("the run should have passed:\n%s", output);
}

static void must_fail(void (*inner)(void), const char *timeout_scale, const char *saying)
{
    if (run(inner, timeout_scale) != 1 || !strstr(output, saying))
        fail_msg("the run should have failed, saying \"%s\":\n%s", saying, output);
}

static void a_clean_test_passes(void)
{
    must_pass(inner_clean);
}

static void a_failed_assertion_fails(void)
{
    must_fail(inner_assertion, "1", "does not hold: 1 + 1 == 3");
    must_fail(inner_status, "1", "MPSC_EMPTY said 1");
}

static void a_hang_fails(void)
{
    must_fail(inner_hang, "0.02", "inner hung");
    must_fail(inner_stopped, "0.02", "inner hung");
}

static void a_crash_fails(void)
{
    must_fail(inner_killed, "1", "inner was killed");
    /* A sanitizer may turn the signal into a status. */
    if (run(inner_crash, "1") != 1)
        fail_msg("a crash should have failed:\n%s", output);
}

static void an_exit_fails(void)
{
    must_fail(inner_exit, "1", "status 3");
}

static void a_leaked_descriptor_fails(void)
{
    must_fail(inner_descriptor, "1", "leaked descriptor: ");
    must_fail(inner_descriptor, "1", "/dev/null");
    must_fail(inner_lost_descriptor, "1", "is gone");
}

static void a_leaked_mapping_fails(void)
{
    must_fail(inner_mapping, "1", "leaked mapping: ");
}

static void a_leaked_name_fails(void)
{
    must_fail(inner_name, "1", "leaked name: mpsc-test-");
    must_pass(inner_kept_name);
}

static void an_unreaped_child_fails(void)
{
    must_fail(inner_unreaped, "1", "unreaped child");
}

static void an_orphan_fails(void)
{
    must_fail(inner_orphan, "0.2", "left processes running");
}

static void a_failing_worker_fails(void)
{
    must_fail(inner_failing_thread, "1", "1 is 1, not 2");
    must_fail(inner_failing_process, "1", "(in a forked child)");
    if (run(inner_crashing_process, "1") != 1)
        fail_msg("a crashing worker should have failed:\n%s", output);
}

static void a_wait_without_end_fails(void)
{
    must_fail(inner_never, "0.1", "did not come about");
}

static void a_skipped_test_is_neither(void)
{
    if (run(inner_skip, "1") != 77 || !strstr(output, "there is a reason"))
        fail_msg("not skipped:\n%s", output);
}

static void a_mode_that_means_nothing_fails(void)
{
    setenv("MPSC_TEST_MODE", "", 1);
    must_fail(inner_clean, "1", "MPSC_TEST_MODE");
}

/* ------------------------------------------------------------------ the tools for tests */

static int *value_of(void *argument)
{
    return argument;
}

static int stores_one(void *argument)
{
    *value_of(argument) = 1;
    return 0;
}

static void shared_memory_is_shared(enum mode mode)
{
    int *value = shared_memory(sizeof *value);
    assert_int_equal(*value, 0);
    assert_int_equal(worker_join(worker_start(mode, stores_one, value)), 0);
    assert_int_equal(*value, 1);
}

static int waits_for_one(void *argument)
{
    char byte;
    return read(value_of(argument)[0], &byte, 1) == 1 ? 0 : 1;
}

static void a_blocked_worker_sleeps(enum mode mode)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    worker w = worker_start(mode, waits_for_one, ends);
    wait_asleep(w);
    assert_true(sleeping(worker_pid(w), worker_tid(w)));
    assert_false(sleeping(getpid(), getpid()));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(worker_join(w), 0);
    close(ends[0]);
    close(ends[1]);
}

static int waits_for_its_turn(void *argument)
{
    unsigned *words = argument;
    while (syscall(SYS_futex, words, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == -1 && errno == EINTR)
        continue;
    return 0;
}

/* From one word to the other: it is asleep. */
static bool moves_on(void *argument)
{
    unsigned *words = argument;
    return syscall(SYS_futex, words, FUTEX_REQUEUE_PRIVATE, 0, 1, words + 1, 0) == 1;
}

/* What a lock of malloc's or of valgrind's does with a worker is no sleep of the test's. */
static void a_worker_that_waits_for_its_turn_does_not(void)
{
    enum { LOOKS = 100 };
    unsigned words[2] = {0};
    worker w = worker_start(THREADS, waits_for_its_turn, words);
    wait_until(moves_on, words);
    for (int i = 0; i < LOOKS; i++)
        assert_false(sleeping(worker_pid(w), worker_tid(w)));
    assert_int_equal(syscall(SYS_futex, words + 1, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
    assert_int_equal(worker_join(w), 0);
}

static void names_differ(void)
{
    assert_true(strcmp(channel_name(), channel_name()) != 0);
    assert_string_equal(channel_path("a"), "/dev/shm/a");
    assert_string_equal(channel_path("/a"), "/dev/shm/a");
}

static void work_scales(void)
{
    setenv("MPSC_TEST_SCALE", "10", 1);
    assert_int_equal(scaled(1000), 100);
    assert_int_equal(scaled(1005), 100);
    assert_int_equal(scaled(3), 1);
    assert_false(hurried());
    setenv("MPSC_TEST_SCALE", "9", 1);
    assert_true(hurried());
    unsetenv("MPSC_TEST_SCALE");
    assert_int_equal(scaled(1000), 1000);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_clean_test_passes),
        TEST(a_failed_assertion_fails),
        TEST(a_hang_fails),
        TEST(a_crash_fails),
        TEST(an_exit_fails),
        TEST(a_leaked_descriptor_fails),
        TEST(a_leaked_mapping_fails),
        TEST(a_leaked_name_fails),
        TEST(an_unreaped_child_fails),
        TEST(an_orphan_fails),
        TEST(a_failing_worker_fails),
        TEST(a_wait_without_end_fails),
        TEST(a_skipped_test_is_neither),
        TEST(a_mode_that_means_nothing_fails),
        TEST_BOTH(shared_memory_is_shared),
        TEST_BOTH(a_blocked_worker_sleeps),
        TEST(a_worker_that_waits_for_its_turn_does_not),
        TEST(names_differ),
        TEST(work_scales),
    };
    return harness_main("harness_self", tests, sizeof tests / sizeof *tests);
}
