/* SPDX-License-Identifier: MIT */
/* See harness.h. Uses nothing of the library but mpsc_strstatus. */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "mpsc-test-"
#define SHM "/dev/shm"

enum { SKIPPED = 77, SANITIZED = 86, WORKERS = 4096 };

/* What a sanitizer finds in a child must not pass for a status that the child chose. (Weak ones would not be
 * taken where the runtime, with its own, is linked into the program.) */
#define HOOK(name, text)                                                                           \
    const char *name(void);                                                                        \
    const char *name(void)                                                                         \
    {                                                                                              \
        return text;                                                                               \
    }
HOOK(__asan_default_options, "exitcode=86")
HOOK(__lsan_default_options, "exitcode=86")
HOOK(__ubsan_default_options, "exitcode=86:print_stacktrace=1")
HOOK(__tsan_default_options, harness_thread_sanitizer)

/* An array: it is asked for before pointers are relocated and before any call may be made. */
__attribute__((weak)) const char harness_thread_sanitizer[] = "exitcode=86:die_after_fork=0";

static bool no_leak_check;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return no_leak_check;
}

void harness_without_leak_check(void)
{
    no_leak_check = true;
}

struct harness_worker {
    enum mode mode;
    int (*body)(void *);
    void *argument;
    pthread_t thread;
    pid_t pid;
    atomic_int tid;
    int result;
};

/* Shared by the harness, the test and all children of the test. */
static struct session {
    atomic_int failures;
    atomic_int keeps_names;
    atomic_uint timeout; /* seconds */
    atomic_uint names;
    atomic_uint workers;
    pid_t test; /* its process */
    char skipped[256];
    struct harness_worker worker[WORKERS];
} * session;

static const char *suite_name;
static const struct test *first_test;
static size_t tests_skipped;
static sigset_t original_mask;

/* cmocka catches these and leaves by longjmp; a test has them as they were before (a sanitizer's). */
static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGSYS};
enum { CRASHES = sizeof crashes / sizeof *crashes };
static struct sigaction original_action[CRASHES];

/* The test's group does not hear of these when the harness does. */
static const int interruptions[] = {SIGINT, SIGTERM, SIGHUP};
enum { INTERRUPTIONS = sizeof interruptions / sizeof *interruptions };
static struct sigaction original_interruption[INTERRUPTIONS];
static volatile sig_atomic_t current_group;

/* ------------------------------------------------------------------ environment, time */

static double timeout_scale(void)
{
    const char *text = getenv("MPSC_TEST_TIMEOUT_SCALE");
    double scale = text ? strtod(text, NULL) : 1;
    return scale > 0 ? scale : 1;
}

unsigned long scaled(unsigned long n)
{
    const char *text = getenv("MPSC_TEST_SCALE");
    unsigned long percent = text ? strtoul(text, NULL, 10) : 100;
    unsigned long result = n / 100 * percent + n % 100 * percent / 100;
    return result ? result : 1;
}

unsigned long swept(unsigned long n)
{
    return getenv("MPSC_TEST_THOROUGH") ? n : scaled(n);
}

bool hurried(void)
{
    return scaled(100) < 10;
}

uint64_t processor_time(pid_t pid)
{
    clockid_t clock;
    struct timespec time;
    assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &time), 0);
    return (uint64_t)time.tv_sec * SECONDS + (uint64_t)time.tv_nsec;
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECONDS + (uint64_t)now.tv_nsec;
}

uint64_t after_seconds(double seconds)
{
    return now_ns() + (uint64_t)(seconds * timeout_scale() * 1e9);
}

static void nap(void)
{
    nanosleep(&(struct timespec){0, 200000}, NULL);
}

/* ------------------------------------------------------------------ assertions */

void harness_fail(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    fflush(NULL);
    const char *where = session && getpid() == session->test ? "" : " (in a forked child)";
    dprintf(STDERR_FILENO, "%s:%d: %s%s\n", file, line, text, where);
    if (session) /* not in a program that a test has executed */
        atomic_fetch_add(&session->failures, 1);
    _exit(1);
}

void harness_true(bool holds, const char *what, const char *file, int line)
{
    if (!holds)
        harness_fail(file, line, "does not hold: %s", what);
}

void harness_int_equal(intmax_t a, intmax_t b, const char *a_text, const char *b_text,
                       const char *file, int line)
{
    if (a != b)
        harness_fail(file, line, "%s is %jd, not %s, which is %jd", a_text, a, b_text, b);
}

void harness_in_range(uintmax_t value, uintmax_t least, uintmax_t most, const char *text,
                      const char *file, int line)
{
    if (value < least || value > most)
        harness_fail(file, line, "%s is %ju, not in %ju..%ju", text, value, least, most);
}

void harness_string_equal(const char *a, const char *b, const char *a_text, const char *b_text,
                          const char *file, int line)
{
    if (strcmp(a, b) != 0)
        harness_fail(file, line, "%s is \"%s\", not %s, which is \"%s\"", a_text, a, b_text, b);
}

void harness_memory_equal(const void *a, const void *b, size_t size, const char *a_text,
                          const char *b_text, const char *file, int line)
{
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < size; i++)
        if (x[i] != y[i])
            harness_fail(file, line, "%s and %s differ at byte %zu of %zu: %02x, %02x", a_text,
                         b_text, i, size, x[i], y[i]);
}

void harness_status(mpsc_status got, mpsc_status expected, const char *call, const char *file,
                    int line)
{
    if (got != expected)
        harness_fail(file, line, "%s said %d (%s), not %d (%s)", call, got, mpsc_strstatus(got),
                     expected, mpsc_strstatus(expected));
}

void harness_skip(const char *why)
{
    snprintf(session->skipped, sizeof session->skipped, "%s", why);
    fflush(NULL);
    _exit(SKIPPED);
}

void harness_needs_futexes(const char *why)
{
#ifdef MPSC_SYNC_PTHREAD
    harness_skip(why);
#else
    (void)why;
#endif
}

void harness_timeout(unsigned seconds)
{
    atomic_store(&session->timeout, seconds);
}

void harness_keeps_names(void)
{
    atomic_store(&session->keeps_names, 1);
}

/* ------------------------------------------------------------------ waiting */

void wait_until(bool (*p)(void *), void *argument)
{
    uint64_t deadline = after_seconds(10);
    while (!p(argument)) {
        if (now_ns() > deadline)
            harness_fail(__FILE__, __LINE__, "what the test waits for did not come about");
        nap();
    }
}

/* What /proc says of a thread. False: nothing. */
static bool read_of_thread(pid_t pid, pid_t tid, const char *what, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, (int)tid, what);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, size - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    return length > 0;
}

/* Its state; 0: there is none. */
static char state_of(pid_t pid, pid_t tid)
{
    char text[512];
    if (!read_of_thread(pid, tid, "stat", text, sizeof text))
        return 0;
    const char *end = strrchr(text, ')'); /* the command's name may hold anything */
    return end && end[1] ? end[2] : 0;
}

/* Not for a futex of its process alone: a lock of malloc's, or the one by which valgrind gives its
 * threads turns. The library's are shared. */
static bool waits_in_a_call(pid_t pid, pid_t tid)
{
    char text[512];
    long call;
    unsigned long operation;
    if (!read_of_thread(pid, tid, "syscall", text, sizeof text))
        return true; /* it is not told here */
    if (sscanf(text, "%ld %*s %lx", &call, &operation) != 2)
        return false; /* "running" */
    return call != SYS_futex || !(operation & FUTEX_PRIVATE_FLAG);
}

bool sleeping(pid_t pid, pid_t tid)
{
    return state_of(pid, tid) == 'S' && waits_in_a_call(pid, tid);
}

static bool worker_sleeps(void *argument)
{
    worker w = argument;
    return atomic_load(&w->tid) && sleeping(w->pid, worker_tid(w));
}

void wait_asleep(worker w)
{
    /* Twice in a row: a worker may sleep for a moment on its way there. */
    wait_until(worker_sleeps, w);
    nap();
    wait_until(worker_sleeps, w);
}

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

static bool worker_watches(void *argument)
{
    worker w = argument;
    char text[512];
    if (!read_of_thread(w->pid, worker_tid(w), "syscall", text, sizeof text))
        harness_skip("/proc does not show what a thread sleeps in");
    return strtol(text, NULL, 10) == SYS_futex_waitv; /* 0: "running" */
}

void wait_watching(worker w)
{
    harness_needs_futexes("--with-sync=pthread watches for nothing");
    if (syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) != 0 && errno == ENOSYS)
        harness_skip("there is no futex_waitv");
    wait_until(worker_watches, w);
}

/* ------------------------------------------------------------------ workers */

static void *thread_body(void *argument)
{
    worker w = argument;
    atomic_store(&w->tid, (int)syscall(SYS_gettid));
    w->result = w->body(w->argument);
    return NULL;
}

worker worker_start(enum mode mode, int (*body)(void *), void *argument)
{
    unsigned index = atomic_fetch_add(&session->workers, 1);
    if (index >= WORKERS)
        harness_fail(__FILE__, __LINE__, "more than %d workers in one test", WORKERS);
    worker w = &session->worker[index];
    w->mode = mode;
    w->body = body;
    w->argument = argument;
    if (mode == THREADS) {
        w->pid = getpid();
        int error = pthread_create(&w->thread, NULL, thread_body, w);
        if (error)
            harness_fail(__FILE__, __LINE__, "pthread_create: %s", strerror(error));
        return w;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        harness_fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
    if (pid == 0) {
        atomic_store(&w->tid, (int)getpid());
        int result = body(argument);
        fflush(NULL);
        _exit(result);
    }
    w->pid = pid;
    return w;
}

static bool is_crash(int number)
{
    for (size_t i = 0; i < CRASHES; i++)
        if (crashes[i] == number)
            return true;
    return false;
}

int worker_join(worker w)
{
    if (w->mode == THREADS) {
        pthread_join(w->thread, NULL);
        return w->result;
    }
    int status;
    while (waitpid(w->pid, &status, 0) < 0)
        if (errno != EINTR)
            harness_fail(__FILE__, __LINE__, "waitpid: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == SANITIZED)
        harness_fail(__FILE__, __LINE__, "a sanitizer ended a worker");
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    if (is_crash(WTERMSIG(status)))
        harness_fail(__FILE__, __LINE__, "a worker crashed: %s", strsignal(WTERMSIG(status)));
    return 128 + WTERMSIG(status);
}

pid_t worker_pid(worker w)
{
    return w->pid;
}

static bool has_begun(void *argument)
{
    return atomic_load(&((worker)argument)->tid) != 0;
}

pid_t worker_tid(worker w)
{
    wait_until(has_begun, w);
    return atomic_load(&w->tid);
}

void *shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        harness_fail(__FILE__, __LINE__, "mmap: %s", strerror(errno));
    return memory;
}

/* ------------------------------------------------------------------ names */

const char *channel_name(void)
{
    static char names[1024][48];
    unsigned number = atomic_fetch_add(&session->names, 1);
    char *name = names[number % 1024];
    snprintf(name, sizeof names[0], PREFIX "%d-%u", (int)session->test, number);
    return name;
}

const char *channel_path(const char *name)
{
    static char paths[16][320];
    static atomic_uint next;
    char *path = paths[atomic_fetch_add(&next, 1) % 16];
    snprintf(path, sizeof paths[0], SHM "/%s", *name == '/' ? name + 1 : name);
    return path;
}

/* Removes the names of that test; the number of them, the first in `name`. */
static int remove_names(pid_t test, char *name, size_t size)
{
    char prefix[48];
    int count = 0;
    snprintf(prefix, sizeof prefix, PREFIX "%d-", (int)test);
    DIR *directory = opendir(SHM);
    if (!directory)
        return 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        if (count++ == 0)
            snprintf(name, size, "%s", entry->d_name);
        if (unlinkat(dirfd(directory), entry->d_name, 0) != 0)
            unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);
    }
    closedir(directory);
    return count;
}

/* ------------------------------------------------------------------ what a test leaves behind */

struct possessions {
    char *descriptor[1024]; /* "5 -> /dev/shm/x" */
    size_t descriptors;
    char *mapping[1024]; /* a line of /proc/self/maps */
    size_t mappings;
};

static void list_descriptors(struct possessions *p)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) && p->descriptors < 1024;) {
        char target[256], text[300];
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(directory))
            continue;
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        snprintf(text, sizeof text, "%.10s -> %s", entry->d_name, target);
        p->descriptor[p->descriptors++] = strdup(text);
    }
    closedir(directory);
}

static void list_mappings(struct possessions *p)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    if (!maps)
        return;
    while (p->mappings < 1024 && fgets(line, sizeof line, maps))
        if (strstr(line, SHM "/") || strstr(line, "/memfd:")) {
            line[strcspn(line, "\n")] = 0;
            p->mapping[p->mappings++] = strdup(line);
        }
    fclose(maps);
}

static void possessions_list(struct possessions *p)
{
    memset(p, 0, sizeof *p);
    list_mappings(p);
    list_descriptors(p);
}

static void possessions_free(struct possessions *p)
{
    for (size_t i = 0; i < p->descriptors; i++)
        free(p->descriptor[i]);
    for (size_t i = 0; i < p->mappings; i++)
        free(p->mapping[i]);
}

/* The first of `after` that is not in `before`. */
static const char *first_new(char *const *before, size_t before_count, char *const *after,
                             size_t after_count)
{
    for (size_t i = 0; i < after_count; i++) {
        size_t j = 0;
        while (j < before_count && strcmp(before[j], after[i]) != 0)
            j++;
        if (j == before_count)
            return after[i];
    }
    return NULL;
}

/* Says what is not as it was; false. */
static bool unclean(const char *what, const char *which)
{
    dprintf(STDERR_FILENO, "%s: %s\n", what, which);
    return false;
}

/* Complains of what the test has left in its process; it is free of children afterwards. */
static bool process_is_clean(const struct possessions *before)
{
    struct possessions after;
    const char *left, *gone;
    bool clean = true;
    possessions_list(&after);
    left = first_new(before->descriptor, before->descriptors, after.descriptor, after.descriptors);
    gone = first_new(after.descriptor, after.descriptors, before->descriptor, before->descriptors);
    if (left)
        clean = unclean("leaked descriptor", left);
    else if (gone)
        clean = unclean("a descriptor that the test did not open is gone", gone);
    left = first_new(before->mapping, before->mappings, after.mapping, after.mappings);
    if (left)
        clean = unclean("leaked mapping", left);
    possessions_free(&after);

    int status;
    pid_t child = waitpid(-1, &status, WNOHANG);
    if (child > 0)
        clean = unclean("unreaped child", "one has ended");
    else if (child == 0)
        clean = unclean("unreaped child", "one still runs");
    return clean;
}

/* ------------------------------------------------------------------ running */

/* The process of the test. */
static _Noreturn void test_process(const struct test *test)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < CRASHES; i++)
        sigaction(crashes[i], &original_action[i], NULL);
    for (size_t i = 0; i < INTERRUPTIONS; i++)
        sigaction(interruptions[i], &original_interruption[i], NULL);
    sigprocmask(SIG_SETMASK, &original_mask, NULL);
    session->test = getpid();

    /* Of an earlier process of this number, whose harness was killed. */
    char stale[256];
    remove_names(session->test, stale, sizeof stale);

    struct possessions before;
    possessions_list(&before);
    if (test->run)
        test->run();
    else
        test->run_in(test->mode);
    bool clean = process_is_clean(&before);
    possessions_free(&before);
    exit(clean ? 0 : 1); /* not _exit: the leak sanitizer looks on exit */
}

/* Prints what the processes of a group are at. */
static void print_group(pid_t group)
{
    DIR *directory = opendir("/proc");
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        pid_t pid = atoi(entry->d_name);
        if (pid <= 0 || getpgid(pid) != group)
            continue;
        char path[64], command[512], waits[128] = "";
        snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
        DIR *threads = opendir(path);
        if (!threads)
            continue;
        for (struct dirent *thread; (thread = readdir(threads));) {
            pid_t tid = atoi(thread->d_name);
            if (tid <= 0)
                continue;
            snprintf(path, sizeof path, "/proc/%d/task/%d/wchan", (int)pid, (int)tid);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            ssize_t length = fd < 0 ? 0 : read(fd, waits, sizeof waits - 1);
            waits[length > 0 ? length : 0] = 0;
            if (fd >= 0)
                close(fd);
            char state = state_of(pid, tid);
            fprintf(stderr, "  process %d, thread %d: state %c, in %s\n", (int)pid, (int)tid,
                    state ? state : '?', waits);
        }
        closedir(threads);
        const char *look = getenv("MPSC_TEST_ON_HANG");
        if (look && snprintf(command, sizeof command, "%s %d >&2", look, (int)pid) > 0 &&
            system(command) != 0)
            fprintf(stderr, "  (%s failed)\n", command);
    }
    closedir(directory);
}

/* Waits for the child until then; false: it still runs. */
static bool reap_until(pid_t child, uint64_t deadline, int *status)
{
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    for (;;) {
        if (waitpid(child, status, WNOHANG) == child)
            return true;
        uint64_t now = now_ns();
        if (now >= deadline)
            return false;
        uint64_t left = deadline - now < SECONDS / 5 ? deadline - now : SECONDS / 5;
        sigtimedwait(&chld, NULL, &(struct timespec){0, (long)left});
    }
}

/* Orphans of the test have become children of this process: waits for them, and kills those that do
 * not end by themselves. True: there were such. */
static bool end_group(pid_t group, uint64_t grace)
{
    bool killed = false;
    for (;;) {
        pid_t ended = waitpid(-group, NULL, WNOHANG);
        if (ended < 0 && errno == ECHILD)
            return killed;
        if (ended == 0) {
            if (now_ns() >= grace) {
                kill(-group, SIGKILL);
                killed = true;
            }
            nap();
        }
    }
}

static void interrupted(int number)
{
    if (current_group)
        kill(-(pid_t)current_group, SIGKILL);
    signal(number, SIG_DFL);
    raise(number);
}

/* Runs the test in a child; NULL or what is wrong with it. */
static const char *run_child(const struct test *test)
{
    static char wrong[512];
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return "fork failed";
    if (child == 0)
        test_process(test);
    setpgid(child, child); /* whoever comes first */
    current_group = child;

    int status;
    uint64_t start = now_ns();
    bool hung = false;
    for (unsigned seconds = 0; !hung;) {
        /* The test may have asked for more meanwhile. */
        seconds = atomic_load(&session->timeout);
        uint64_t deadline = start + (uint64_t)(seconds * timeout_scale() * 1e9);
        if (reap_until(child, deadline, &status))
            break;
        hung = atomic_load(&session->timeout) == seconds;
    }
    if (hung) {
        fprintf(stderr, "%s: %s hung for %.1f s; what it is at:\n", suite_name, test->name,
                (double)(now_ns() - start) / 1e9);
        print_group(child);
        kill(-child, SIGABRT);
        if (!reap_until(child, after_seconds(5), &status)) {
            kill(-child, SIGKILL);
            waitpid(child, &status, 0);
        }
    }
    bool passed = !hung && WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
                  atomic_load(&session->failures) == 0;
    bool skipped = !hung && WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED &&
                   *session->skipped && atomic_load(&session->failures) == 0;
    bool left_processes = end_group(child, passed ? after_seconds(2) : 0);
    current_group = 0;
    char name[256] = "";
    int names = remove_names(child, name, sizeof name);

    if (hung)
        snprintf(wrong, sizeof wrong, "%s hung", test->name);
    else if (WIFSIGNALED(status))
        snprintf(wrong, sizeof wrong, "%s was killed: %s", test->name, strsignal(WTERMSIG(status)));
    else if (skipped)
        return NULL;
    else if (atomic_load(&session->failures))
        snprintf(wrong, sizeof wrong, "%s failed (see above)", test->name);
    else if (WEXITSTATUS(status))
        snprintf(wrong, sizeof wrong, "%s ended with status %d (see above)", test->name,
                 WEXITSTATUS(status));
    else if (left_processes)
        snprintf(wrong, sizeof wrong, "%s left processes running", test->name);
    else if (names && !atomic_load(&session->keeps_names))
        snprintf(wrong, sizeof wrong, "leaked name: %s (%d in all)", name, names);
    else
        return NULL;
    return wrong;
}

/* A word that means nothing would leave tests out. */
static void check_mode(void)
{
    const char *only = getenv("MPSC_TEST_MODE");
    if (!only || strcmp(only, "threads") == 0 || strcmp(only, "processes") == 0 ||
        strcmp(only, "once") == 0)
        return;
    fprintf(stderr, "MPSC_TEST_MODE is threads, processes or once, not \"%s\"\n", only);
    exit(1);
}

/* "once": what goes in threads is not done in processes again. */
static bool mode_excluded(const struct test *test)
{
    const char *only = getenv("MPSC_TEST_MODE");
    if (test->run || !only)
        return false;
    if (strcmp(only, "once") == 0)
        return test > first_test && test[-1].run_in == test->run_in;
    return strcmp(only, test->mode == THREADS ? "threads" : "processes") != 0;
}

static void run_test_of(void **state)
{
    const struct test *test = *state;
    session->skipped[0] = 0;
    atomic_store(&session->failures, 0);
    atomic_store(&session->keeps_names, 0);
    atomic_store(&session->timeout, 30);
    atomic_store(&session->names, 0);
    atomic_store(&session->workers, 0);

    const char *wrong = NULL;
    if (mode_excluded(test))
        snprintf(session->skipped, sizeof session->skipped, "MPSC_TEST_MODE says so");
    else
        wrong = run_child(test);
    if (wrong) {
        print_error("%s\n", wrong);
        _fail(__FILE__, __LINE__);
    }
    if (*session->skipped) {
        tests_skipped++;
        fprintf(stderr, "%s: %s skipped: %s\n", suite_name, test->name, session->skipped);
        _skip(__FILE__, __LINE__);
    }
}

static void prepare(void)
{
    check_mode();
    session =
        mmap(NULL, sizeof *session, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (session == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    for (size_t i = 0; i < CRASHES; i++)
        sigaction(crashes[i], NULL, &original_action[i]);
    for (size_t i = 0; i < INTERRUPTIONS; i++)
        sigaction(interruptions[i], &(struct sigaction){.sa_handler = interrupted},
                  &original_interruption[i]);
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, &original_mask);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int harness_main(const char *suite, const struct test *tests, size_t count)
{
    struct CMUnitTest *all = calloc(count, sizeof *all);
    if (!all)
        return 1;
    for (size_t i = 0; i < count; i++)
        all[i] = (struct CMUnitTest){.name = tests[i].name,
                                     .test_func = run_test_of,
                                     .initial_state = (void *)(uintptr_t)&tests[i]};
    suite_name = suite;
    first_test = tests;
    prepare();
    const char *filter = getenv("MPSC_TEST_FILTER");
    if (filter)
        cmocka_set_test_filter(filter);
    int failed = _cmocka_run_group_tests(suite, all, count, NULL, NULL);
    free(all);
    munmap(session, sizeof *session);
    return failed == 0 && tests_skipped == count ? SKIPPED : failed;
}
