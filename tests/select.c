/* SPDX-License-Identifier: MIT */
/* mpsc_select: any number of receivers at once, the ready one named, none starved by a busy one, asleep
 * while there is none. (Senders killed in the middle of telling it: tests/poller_is_told.c.) */
#include "possessions.h"
#include "together.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MANY = 300 };

/* Its detector of deadlocks has no room for so many locks that are held. */
const char harness_thread_sanitizer[] = "exitcode=86:die_after_fork=0:detect_deadlocks=0";

/* Several channels, and a sender of each. */
struct field {
    size_t count;
    mpsc_sender *tx[MANY];
    mpsc_receiver *rx[MANY];
};

static void field_open(struct field *field, size_t count, size_t bound)
{
    field->count = count;
    for (size_t i = 0; i < count; i++) {
        struct ends e = ends_open(sizeof(int), bound);
        field->tx[i] = e.tx;
        field->rx[i] = e.rx;
    }
}

static void field_close_senders(struct field *field)
{
    for (size_t i = 0; i < field->count; i++)
        mpsc_sender_close(field->tx[i]);
}

static void field_close_receivers(struct field *field)
{
    for (size_t i = 0; i < field->count; i++)
        mpsc_receiver_close(field->rx[i]);
}

static void field_close(struct field *field)
{
    field_close_senders(field);
    field_close_receivers(field);
}

static size_t choice(const struct field *field)
{
    size_t ready = field->count;
    assert_status(mpsc_select(field->rx, field->count, MPSC_FOREVER, &ready), MPSC_OK);
    assert_in_range(ready, 0, field->count - 1);
    return ready;
}

/* ------------------------------------------------------------------ which one */

static void names_the_one_that_is_ready(void)
{
    struct field field;
    size_t ready = 77;
    field_open(&field, 5, 4);
    assert_status(mpsc_select(field.rx, 5, 0, &ready), MPSC_TIMEOUT);
    assert_int_equal(ready, 77);
    for (int round = 0; round < 20; round++)
        for (size_t i = 0; i < 5; i++) {
            send_int(field.tx[i], (int)i);
            assert_status(mpsc_select(field.rx, 5, round % 2 ? 0 : MPSC_FOREVER, &ready), MPSC_OK);
            assert_int_equal(ready, i);
            expect_int(field.rx[i], (int)i);
        }
    /* A disconnect is something, too, and a message in front of it comes first. */
    send_int(field.tx[3], 3);
    mpsc_sender_close(field.tx[3]);
    assert_int_equal(choice(&field), 3);
    expect_int(field.rx[3], 3);
    assert_int_equal(choice(&field), 3);
    expect_end(field.rx[3]);
    field.tx[3] = NULL;
    field_close(&field);
}

static void wrong_arguments(void)
{
    struct field field;
    size_t ready = 77;
    field_open(&field, 2, 4);
    mpsc_receiver *none[2] = {field.rx[0], NULL};
    assert_status(mpsc_select(field.rx, 0, 0, &ready), MPSC_INVALID);
    assert_status(mpsc_select(NULL, 2, 0, &ready), MPSC_INVALID);
    assert_status(mpsc_select(none, 2, 0, &ready), MPSC_INVALID);
    assert_status(mpsc_select(field.rx, 2, 0, NULL), MPSC_INVALID);
    assert_int_equal(ready, 77);
    field_close(&field);
}

static void a_time_out_comes_not_early(void)
{
    struct field field;
    size_t ready;
    field_open(&field, 3, 4);
    for (uint64_t time = 1; time < 50 * MILLISECONDS; time *= 5) {
        uint64_t start = now_ns();
        assert_status(mpsc_select(field.rx, 3, time, &ready), MPSC_TIMEOUT);
        assert_true(now_ns() - start >= time);
    }
    field_close(&field);
}

/* With a descriptor asked for, both are told. */
static void goes_with_a_descriptor(void)
{
    struct field field;
    int fd, value;
    field_open(&field, 2, 4);
    assert_status(mpsc_receiver_fd(field.rx[1], &fd), MPSC_OK);
    for (int i = 0; i < 100; i++) {
        assert_status(mpsc_select(field.rx, 2, 1000, &(size_t){0}), MPSC_TIMEOUT);
        send_int(field.tx[1], i);
        assert_int_equal(choice(&field), 1);
        expect_int(field.rx[1], i);
        assert_status(mpsc_try_recv(field.rx[1], &value, sizeof value, NULL), MPSC_EMPTY);
    }
    field_close(&field);
}

/* ------------------------------------------------------------------ fairness */

/* Whatever the queues hold, in as many choices as there are receivers each ready one is named. */
static void each_has_its_turn(void)
{
    struct field field;
    field_open(&field, 7, 64);
    for (size_t i = 0; i < 7; i++)
        for (int n = 0; n < 20; n++)
            send_int(field.tx[i], n);
    for (int round = 0; round < 20; round++) {
        unsigned named = 0;
        for (int n = 0; n < 7; n++) {
            size_t ready = choice(&field);
            named |= 1u << ready;
            expect_int(field.rx[ready], round);
        }
        assert_int_equal(named, 0x7f);
    }
    field_close(&field);
}

static void a_busy_one_hides_no_other(void)
{
    struct field field;
    field_open(&field, 3, 4);
    for (int round = 0; round < 1000; round++) {
        for (int n = 0; n < 3; n++)
            if (mpsc_len(field.rx[0]) < 4)
                send_int(field.tx[0], round);
        size_t quiet = 1 + (size_t)round % 2;
        send_int(field.tx[quiet], round);
        /* The next choice, or the one after it. */
        size_t first = choice(&field), value;
        assert_status(mpsc_recv(field.rx[first], &value, sizeof value, NULL), MPSC_OK);
        if (first != quiet) {
            assert_int_equal(choice(&field), quiet);
            expect_int(field.rx[quiet], round);
        }
    }
    field_close(&field);
}

/* ------------------------------------------------------------------ asleep */

struct sleeper {
    enum mode mode;
    struct field field;
    atomic_int ready, said;
    atomic_uint rounds;
    uint64_t nanoseconds;
};

static int chooses(void *argument)
{
    struct sleeper *sleeper = argument;
    size_t ready = 0;
    if (sleeper->mode == PROCESSES)
        field_close_senders(&sleeper->field);
    atomic_store(&sleeper->ready, 1);
    mpsc_status status =
        mpsc_select(sleeper->field.rx, sleeper->field.count, sleeper->nanoseconds, &ready);
    atomic_store(&sleeper->said, (int)status);
    if (sleeper->mode == PROCESSES)
        field_close_receivers(&sleeper->field);
    return (int)ready;
}

static struct sleeper *sleeper_new(enum mode mode, size_t count, worker *w)
{
    struct sleeper *sleeper = shared_memory(sizeof *sleeper);
    sleeper->mode = mode;
    sleeper->nanoseconds = MPSC_FOREVER;
    field_open(&sleeper->field, count, 4);
    *w = worker_start(mode, chooses, sleeper);
    if (mode == PROCESSES)
        field_close_receivers(&sleeper->field);
    wait_asleep_after(&sleeper->ready, *w);
    return sleeper;
}

static void sleeper_end(struct sleeper *sleeper)
{
    if (sleeper->mode == THREADS)
        field_close_receivers(&sleeper->field);
    field_close_senders(&sleeper->field);
}

static void a_message_wakes(enum mode mode)
{
    for (size_t i = 0; i < 5; i++) {
        worker w;
        struct sleeper *sleeper = sleeper_new(mode, 5, &w);
        send_int(sleeper->field.tx[i], 1);
        assert_int_equal(worker_join(w), (int)i);
        assert_status(atomic_load(&sleeper->said), MPSC_OK);
        sleeper_end(sleeper);
    }
}

static void a_disconnect_wakes(enum mode mode)
{
    worker w;
    struct sleeper *sleeper = sleeper_new(mode, 5, &w);
    mpsc_sender_close(sleeper->field.tx[2]);
    sleeper->field.tx[2] = NULL;
    assert_int_equal(worker_join(w), 2);
    assert_status(atomic_load(&sleeper->said), MPSC_OK);
    sleeper_end(sleeper);
}

static int waits_to_be_killed(void *argument)
{
    struct sleeper *sleeper = argument;
    for (size_t i = 0; i < sleeper->field.count; i++)
        if (i != 1)
            mpsc_sender_close(sleeper->field.tx[i]);
    field_close_receivers(&sleeper->field);
    atomic_store(&sleeper->ready, 1);
    pause();
    return 1;
}

static void a_death_wakes(enum mode mode)
{
    struct sleeper *sleeper = shared_memory(sizeof *sleeper);
    (void)mode;
    field_open(&sleeper->field, 4, 4);
    worker w = worker_start(PROCESSES, waits_to_be_killed, sleeper);
    wait_for(&sleeper->ready);
    atomic_store(&sleeper->ready, 0);
    mpsc_sender_close(sleeper->field.tx[1]);
    sleeper->nanoseconds = MPSC_FOREVER;
    worker chooser = worker_start(THREADS, chooses, sleeper);
    assert_int_equal(kill(worker_pid(w), SIGKILL), 0);
    assert_int_equal(worker_join(w), 128 + SIGKILL);
    assert_int_equal(worker_join(chooser), 1);
    sleeper->field.tx[1] = NULL;
    field_close(&sleeper->field);
}

static void does_nothing(int number)
{
    (void)number;
}

static void a_handler_interrupts(enum mode mode)
{
    static const int flags[] = {0, SA_RESTART};
    for (size_t i = 0; i < 2; i++) {
        worker w;
        struct sigaction action = {.sa_flags = flags[i]};
        action.sa_handler = does_nothing;
        assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
        struct sleeper *sleeper = sleeper_new(mode, 3, &w);
        if (mode == THREADS)
            assert_int_equal(tgkill(worker_pid(w), worker_tid(w), SIGUSR1), 0);
        else
            assert_int_equal(kill(worker_pid(w), SIGUSR1), 0);
        assert_int_equal(worker_join(w), 0);
        assert_status(atomic_load(&sleeper->said), MPSC_INTERRUPTED);
        sleeper_end(sleeper);
    }
}

static bool takes_a_tenth(pid_t pid)
{
    uint64_t before = processor_time(pid), start = now_ns();
    while (now_ns() - start < 300 * MILLISECONDS)
        usleep(10000);
    return processor_time(pid) - before > (now_ns() - start) / 10;
}

/* Not a tenth of the time; polling takes all of it. What else the machine does makes it dearer, never
 * cheaper: once in a few times must be free. */
static void one_who_sleeps_costs_nothing(enum mode mode)
{
    worker w;
    int times = 1;
    (void)mode;
    struct sleeper *sleeper = sleeper_new(PROCESSES, 10, &w);
    while (takes_a_tenth(worker_pid(w)))
        assert_in_range(++times, 1, 5);
    send_int(sleeper->field.tx[9], 1);
    assert_int_equal(worker_join(w), 9);
    sleeper_end(sleeper);
}

/* Of all descriptors of this process; 0 where /proc does not tell. */
static unsigned watched_files(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char path[40], line[256];
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
        FILE *info = fopen(path, "re");
        while (info && fgets(line, sizeof line, info))
            count += strncmp(line, "inotify ", 8) == 0;
        if (info)
            fclose(info);
    }
    return count;
}

/* Another thread forks while one is asleep in it: the child has none of what that one sleeps on. */
static void a_fork_takes_nothing_along(enum mode mode)
{
    worker w;
    int status;
    unsigned before = possessions_now().descriptors;
    struct sleeper *sleeper = sleeper_new(THREADS, 3, &w);
    (void)mode;
    pid_t child = fork();
    if (child == 0) {
        unsigned watched = watched_files();
        field_close(&sleeper->field);
        _exit(possessions_now().descriptors == before && watched == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    send_int(sleeper->field.tx[0], 1);
    assert_int_equal(worker_join(w), 0);
    sleeper_end(sleeper);
}

static void as_many_as_there_are(enum mode mode)
{
    worker w;
    harness_timeout(60);
    struct sleeper *sleeper = sleeper_new(mode, MANY, &w);
    send_int(sleeper->field.tx[MANY - 1], 1);
    assert_true(worker_join(w) == (mode == THREADS ? MANY - 1 : (MANY - 1) % 256));
    sleeper_end(sleeper);
}

/* ------------------------------------------------------------------ what it sleeps on */

static void sleeps_in_vain(mpsc_receiver *const *receivers, size_t count)
{
    assert_status(mpsc_select(receivers, count, MILLISECONDS, &(size_t){0}), MPSC_TIMEOUT);
}

/* Made once; it listens to nothing between two calls. (That it goes with the last channel, the harness
 * looks after.) */
static void its_bell_is_kept(void)
{
    struct field field;
    field_open(&field, 3, 4);
    sleeps_in_vain(field.rx, 3);
    struct possessions once = possessions_now();
    for (int i = 0; i < 6; i++) {
        mpsc_receiver *turned[] = {field.rx[i % 3], field.rx[(i + 1) % 3], field.rx[(i + 2) % 3]};
        sleeps_in_vain(turned, 3);
        assert_possessions(once);
        assert_int_equal(watched_files(), 0);
    }
    field_close(&field);
}

static bool is_null_device(int fd)
{
    struct stat file, null;
    assert_int_equal(stat("/dev/null", &null), 0);
    return fstat(fd, &file) == 0 && file.st_rdev == null.st_rdev;
}

enum { BELL = 3 };

/* Sleeps, and tells which descriptors came with that: the bell's. */
static void sleeps_on(struct field *field, int bell[BELL])
{
    bool others[256];
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        others[fd] = fcntl(fd, F_GETFD) >= 0;
    sleeps_in_vain(field->rx, field->count);
    for (int fd = 0; fd < 256; fd++)
        if (!others[fd] && fcntl(fd, F_GETFD) >= 0) {
            assert_true(count < BELL);
            bell[count++] = fd;
        }
    assert_int_equal(count, BELL);
}

/* What the program closed and opened anew for itself is left alone. */
static void a_closed_bell_is_made_again(void)
{
    struct field field;
    int bell[BELL], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    field_open(&field, 2, 4);
    sleeps_on(&field, bell);
    for (int i = 0; i < BELL; i++)
        assert_int_equal(dup3(null, bell[i], O_CLOEXEC), bell[i]);
    sleeps_in_vain(field.rx, 2);
    send_int(field.tx[1], 5);
    assert_int_equal(choice(&field), 1);
    field_close(&field);
    close(null);
    for (int i = 0; i < BELL; i++) {
        assert_true(is_null_device(bell[i]));
        close(bell[i]);
    }
}

/* Nor is what the program made of its numbers, though it be of the same kinds and as much together. */
static void a_bell_of_the_programs_is_left_alone(void)
{
    struct field field;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 111};
    int bell[BELL];
    char text[8];
    field_open(&field, 2, 4);
    sleeps_on(&field, bell);
    for (int i = 0; i < BELL; i++)
        close(bell[i]);
    int ends[2], queue = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(queue, bell[0]);
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(ends[0], bell[1]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(epoll_ctl(queue, EPOLL_CTL_ADD, ends[0], &event), i ? -1 : 0);
    event.events = EPOLLOUT;
    assert_int_equal(epoll_ctl(queue, EPOLL_CTL_ADD, ends[1], &event), 0);
    assert_int_equal(write(ends[1], "hello", 5), 5);
    sleeps_in_vain(field.rx, 2);
    field_close(&field);
    assert_int_equal(epoll_wait(queue, &event, 1, 0), 1);
    assert_int_equal(event.data.u64, 111);
    assert_int_equal(read(ends[0], text, sizeof text), 5);
    close(queue);
    close(ends[0]);
    close(ends[1]);
}

/* A user has few of what they are made of: fs.inotify.max_user_instances. */
static void bells_are_few(void)
{
    struct field field;
    field_open(&field, MANY, 4);
    unsigned before = possessions_now().descriptors;
    for (size_t i = 0; i < MANY; i++)
        sleeps_in_vain(&field.rx[i], 1);
    assert_in_range(possessions_now().descriptors, before, before + BELL);
    field_close(&field);
}

static volatile sig_atomic_t forked;

static void forks(int number)
{
    (void)number;
    forked = fork();
}

/* The child comes back from a call whose bell is its parent's. */
static int is_forked_asleep(void *argument)
{
    struct sleeper *sleeper = argument;
    size_t ready;
    struct sigaction action = {.sa_handler = forks};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    atomic_store(&sleeper->ready, 1);
    mpsc_status status = mpsc_select(sleeper->field.rx, 3, MPSC_FOREVER, &ready);
    field_close(&sleeper->field);
    if (forked == 0)
        _exit(status == MPSC_INTERRUPTED ? 0 : 1);
    int ended;
    assert_int_equal(waitpid((pid_t)forked, &ended, 0), forked);
    assert_int_equal(ended, 0);
    return status == MPSC_INTERRUPTED ? 0 : 1;
}

static void a_handler_may_fork(enum mode mode)
{
    struct sleeper *sleeper = shared_memory(sizeof *sleeper);
    (void)mode;
    field_open(&sleeper->field, 3, 4);
    worker w = worker_start(PROCESSES, is_forked_asleep, sleeper);
    field_close_receivers(&sleeper->field);
    wait_asleep_after(&sleeper->ready, w);
    assert_int_equal(kill(worker_pid(w), SIGUSR1), 0);
    assert_int_equal(worker_join(w), 0);
    field_close_senders(&sleeper->field);
}

/* ------------------------------------------------------------------ under load */

enum { SOURCES = 3 };

static void all_of_several_queues_come(enum mode mode, size_t bound)
{
    struct field field;
    struct source sources[SOURCES];
    worker workers[SOURCES];
    int next[SOURCES] = {0}, count = (int)scaled(20000);
    bool ended[SOURCES] = {false};
    field_open(&field, SOURCES, bound);
    for (int i = 0; i < SOURCES; i++) {
        sources[i] = (struct source){field.tx[i], (uint64_t)i + 1, 0, count};
        workers[i] = worker_start(mode, sends_in_bursts, &sources[i]);
        copy_close_sender(mode, field.tx[i]);
    }
    for (int left = SOURCES; left > 0;) {
        mpsc_receiver *receivers[SOURCES];
        size_t index[SOURCES], open = 0, ready;
        for (size_t i = 0; i < SOURCES; i++)
            if (!ended[i]) {
                index[open] = i;
                receivers[open++] = field.rx[i];
            }
        assert_status(mpsc_select(receivers, open, MPSC_FOREVER, &ready), MPSC_OK);
        size_t which = index[ready];
        int value;
        mpsc_status status = mpsc_try_recv(field.rx[which], &value, sizeof value, NULL);
        if (status == MPSC_DISCONNECTED) {
            assert_int_equal(next[which], count);
            ended[which] = true;
            left--;
        } else if (status != MPSC_EMPTY) {
            assert_status(status, MPSC_OK);
            assert_int_equal(value, next[which]++);
        }
    }
    for (int i = 0; i < SOURCES; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    field_close_receivers(&field);
}

static void queues_are_drained(enum mode mode)
{
    all_of_several_queues_come(mode, 4);
    all_of_several_queues_come(mode, MPSC_UNBOUNDED);
}

static void rendezvous_are_met(enum mode mode)
{
    all_of_several_queues_come(mode, 0);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(names_the_one_that_is_ready),
        TEST(wrong_arguments),
        TEST(a_time_out_comes_not_early),
        TEST(goes_with_a_descriptor),
        TEST(each_has_its_turn),
        TEST(a_busy_one_hides_no_other),
        TEST_BOTH(a_message_wakes),
        TEST_BOTH(a_disconnect_wakes),
        TEST_PROCESSES(a_death_wakes),
        TEST_BOTH(a_handler_interrupts),
        TEST_PROCESSES(one_who_sleeps_costs_nothing),
        TEST_THREADS(a_fork_takes_nothing_along),
        TEST_BOTH(as_many_as_there_are),
        TEST(its_bell_is_kept),
        TEST(a_closed_bell_is_made_again),
        TEST(a_bell_of_the_programs_is_left_alone),
        TEST(bells_are_few),
        TEST_PROCESSES(a_handler_may_fork),
        TEST_BOTH(queues_are_drained),
        TEST_BOTH(rendezvous_are_met),
    };
    return harness_main("select", tests, sizeof tests / sizeof *tests);
}
