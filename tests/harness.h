/* SPDX-License-Identifier: MIT */
/*
 * What every test stands on: cmocka for the report, and around each test a process of its own, a
 * watchdog, and a count of what the test leaves behind.
 *
 * harness_main runs each test in a forked child, in a process group of its own. A test fails if an
 * assertion fails, in any thread or forked child of it; if it crashes; if it hangs (its group is
 * then killed with SIGABRT); and if it leaves behind a descriptor, a mapping of shared memory, a
 * child that it has not waited for, a process, or a channel name.
 *
 * The environment sets: MPSC_TEST_TIMEOUT_SCALE (a factor for all deadlines, 1), MPSC_TEST_SCALE
 * (percent of the whole work, 100; `make check` has less, see Makefile.am), MPSC_TEST_THOROUGH (what goes over
 * all cases there are does so, whatever the scale), MPSC_TEST_MODE ("threads" or "processes": tests for the
 * other mode are skipped; "once": a test of both runs in threads only), MPSC_TEST_FILTER (the tests to run,
 * with * and ?), MPSC_TEST_ON_HANG (a command to run for each process of a test that hangs; its pid is added:
 * "gdb -batch -ex bt -p").
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include <mpsc.h>

/* 1 in a build with the address sanitizer. */
#if defined __SANITIZE_ADDRESS__
#define HARNESS_ADDRESS_SANITIZER 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define HARNESS_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef HARNESS_ADDRESS_SANITIZER
#define HARNESS_ADDRESS_SANITIZER 0
#endif

/* What the thread sanitizer is told; a test may have its own. */
extern const char harness_thread_sanitizer[];
/* The leak sanitizer is not to look when this process exits: it could not. */
void harness_without_leak_check(void);

enum mode { THREADS, PROCESSES };

struct test {
    const char *name;
    void (*run)(void);
    void (*run_in)(enum mode); /* when `run` is NULL */
    enum mode mode;
};

/* An ordinary test; one that runs in both modes, as two tests; one that needs a mode. */
/* clang-format off */
#define TEST(f) { #f, f, NULL, THREADS }
#define TEST_THREADS(f) { #f "_threads", NULL, f, THREADS }
#define TEST_PROCESSES(f) { #f "_processes", NULL, f, PROCESSES }
#define TEST_BOTH(f) TEST_THREADS(f), TEST_PROCESSES(f)
/* clang-format on */

/* Runs the tests. To be returned from main: how many failed; 77 if all were skipped. */
int harness_main(const char *suite, const struct test *tests, size_t count);

/* Ends the test as one that cannot be run here; from the test itself, not from a worker. */
_Noreturn void harness_skip(const char *why);

/* The same in the variant --with-sync=pthread, of which `why` says what it does without. */
void harness_needs_futexes(const char *why);

/* This test may take so many seconds (times the scale), instead of 30. */
void harness_timeout(unsigned seconds);

/* This test leaves names behind on purpose. They are removed, and not held against it. */
void harness_keeps_names(void);

/* ------------------------------------------------------------------ workers */

/* A thread or a forked child that runs `body` once. */
typedef struct harness_worker *worker;

/* A worker in a process ends by _exit as soon as `body` returns. It has a copy of all handles, as
 * every forked child; what `argument` points to is a copy as well, unless it is shared_memory. */
worker worker_start(enum mode mode, int (*body)(void *), void *argument);

/* Waits for its end: what `body` returned, or the exit status, or 128 + the signal that killed it.
 * One that crashed fails the test. */
int worker_join(worker w) __attribute__((warn_unused_result));

/* The process that it runs in, and its thread there. */
pid_t worker_pid(worker w);
pid_t worker_tid(worker w);

/* Memory that threads and forked children share, zeroed; it needs not be given back. */
void *shared_memory(size_t size);

/* ------------------------------------------------------------------ names, times, waiting */

/* A fresh name for a channel, "mpsc-test-<pid>-<n>"; good until the test ends. */
const char *channel_name(void);

/* The file behind the name of a channel; good until 16 more were asked for. */
const char *channel_path(const char *name);

/* Monotonic nanoseconds; what they will be in so many seconds (times the scale of deadlines). */
uint64_t now_ns(void);
uint64_t after_seconds(double seconds);

#define MILLISECONDS UINT64_C(1000000)
#define SECONDS UINT64_C(1000000000)

/* Looks until `p(argument)` is true; fails the test after 10 seconds (times the scale). */
void wait_until(bool (*p)(void *), void *argument);

/* Nanoseconds of the processors that a process has used. */
uint64_t processor_time(pid_t pid);

/* True while that thread sleeps in the kernel, but for a futex of its process alone. */
bool sleeping(pid_t pid, pid_t tid);

/* Waits until the worker sleeps: it has begun a call that blocks, and is past its spinning. */
void wait_asleep(worker w);
/* Until it is asleep and watches for deaths; the test is skipped where there is no such sleep. */
void wait_watching(worker w);

/* `n`, or as much of it as MPSC_TEST_SCALE says; 1 at least. */
unsigned long scaled(unsigned long n);
/* The same for what goes over all the cases that there are: with MPSC_TEST_THOROUGH `n`, whatever the scale. */
unsigned long swept(unsigned long n);

/* Less than a tenth is asked for, since each process, or each step, takes its time: of what cannot be scaled
 * a part must do. */
bool hurried(void);

/* ------------------------------------------------------------------ assertions */

/*
 * cmocka leaves a failed assertion by longjmp, which is wrong in another thread and in a forked
 * child. These have cmocka's names and hold everywhere: they print what failed and end the process,
 * and the test has failed whoever looks at the exit status.
 */
#undef assert_true
#undef assert_false
#undef assert_null
#undef assert_non_null
#undef assert_int_equal
#undef assert_int_not_equal
#undef assert_ptr_equal
#undef assert_ptr_not_equal
#undef assert_string_equal
#undef assert_memory_equal
#undef assert_in_range
#undef assert_return_code
#undef fail
#undef fail_msg
#undef skip

#define assert_true(c) harness_true(!!(c), #c, __FILE__, __LINE__)
#define assert_false(c) harness_true(!(c), "not " #c, __FILE__, __LINE__)
#define assert_null(p) harness_true((p) == NULL, #p " is NULL", __FILE__, __LINE__)
#define assert_non_null(p) harness_true((p) != NULL, #p " is not NULL", __FILE__, __LINE__)
#define assert_ptr_equal(a, b)                                                                     \
    harness_true((uintptr_t)(a) == (uintptr_t)(b), #a " is " #b, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b)                                                                 \
    harness_true((uintptr_t)(a) != (uintptr_t)(b), #a " is not " #b, __FILE__, __LINE__)
#define assert_int_equal(a, b)                                                                     \
    harness_int_equal((intmax_t)(a), (intmax_t)(b), #a, #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b)                                                                 \
    harness_true((intmax_t)(a) != (intmax_t)(b), #a " differs from " #b, __FILE__, __LINE__)
#define assert_in_range(v, least, most)                                                            \
    harness_in_range((uintmax_t)(v), (uintmax_t)(least), (uintmax_t)(most), #v, __FILE__, __LINE__)
#define assert_string_equal(a, b) harness_string_equal(a, b, #a, #b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, size) harness_memory_equal(a, b, size, #a, #b, __FILE__, __LINE__)
#define fail() harness_fail(__FILE__, __LINE__, "failed")
#define fail_msg(...) harness_fail(__FILE__, __LINE__, __VA_ARGS__)

/* `call` must say that status; both are printed in words. */
#define assert_status(call, expected) harness_status((call), (expected), #call, __FILE__, __LINE__)

/* The same for calls that return a pointer and store a status: the pointer, not NULL. */
#define assert_lent(pointer, status)                                                               \
    harness_true((pointer) != NULL && (status) == MPSC_OK, #pointer " was lent", __FILE__, __LINE__)

_Noreturn void harness_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void harness_true(bool holds, const char *what, const char *file, int line);
void harness_int_equal(intmax_t a, intmax_t b, const char *a_text, const char *b_text,
                       const char *file, int line);
void harness_in_range(uintmax_t value, uintmax_t least, uintmax_t most, const char *text,
                      const char *file, int line);
void harness_string_equal(const char *a, const char *b, const char *a_text, const char *b_text,
                          const char *file, int line);
void harness_memory_equal(const void *a, const void *b, size_t size, const char *a_text,
                          const char *b_text, const char *file, int line);
void harness_status(mpsc_status got, mpsc_status expected, const char *call, const char *file,
                    int line);

#endif
