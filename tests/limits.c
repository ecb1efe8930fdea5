/* SPDX-License-Identifier: MIT */
/* 1.2, 1.3.11 What the system has no more of, or does not permit, is a status: nothing half-made stays,
 * what is there goes on, and it works again once there is enough. */
#include "namespace.h"
#include "possessions.h"
#include "together.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

enum { SIZE = 64, BOUND = 16 };

/* ------------------------------------------------------------------ every way to make a channel */

static mpsc_status open_private(const char *name, struct ends *ends)
{
    (void)name;
    return mpsc_sync_channel(SIZE, BOUND, &ends->tx, &ends->rx);
}

static mpsc_status open_unbounded(const char *name, struct ends *ends)
{
    (void)name;
    return mpsc_channel(4096, &ends->tx, &ends->rx);
}

static mpsc_status open_rendezvous(const char *name, struct ends *ends)
{
    (void)name;
    return mpsc_sync_channel(SIZE, 0, &ends->tx, &ends->rx);
}

static mpsc_status open_sender(const char *name, struct ends *ends)
{
    mpsc_options options = options_of(SIZE, BOUND);
    return mpsc_open_sender(name, &options, &ends->tx);
}

static mpsc_status open_receiver(const char *name, struct ends *ends)
{
    mpsc_options options = options_of(SIZE, BOUND);
    return mpsc_open_receiver(name, &options, &ends->rx);
}

static mpsc_status open_durable(const char *name, struct ends *ends)
{
    mpsc_options options = options_of(SIZE, BOUND);
    options.durable = 1;
    return mpsc_open_sender(name, &options, &ends->tx);
}

static const struct opening {
    const char *name;
    mpsc_status (*open)(const char *name, struct ends *ends);
} openings[] = {
    {"private", open_private},        {"unbounded", open_unbounded},
    {"rendezvous", open_rendezvous},  {"open_sender", open_sender},
    {"open_receiver", open_receiver}, {"open_sender, durable", open_durable},
};

enum { OPENINGS = sizeof openings / sizeof *openings };

/* Opens a new channel; a failure leaves no trace. */
static mpsc_status try_opening(const struct opening *opening, const char *name, struct ends *ends)
{
    struct possessions before = possessions_now();
    *ends = (struct ends){NULL, NULL};
    mpsc_status status = opening->open(name, ends);
    if (status != MPSC_OK) {
        assert_null(ends->tx);
        assert_null(ends->rx);
        assert_possessions(before);
    }
    return status;
}

/* It must be that status, or work. */
static bool opens_or_says(const struct opening *opening, const char *name, struct ends *ends,
                          mpsc_status expected)
{
    mpsc_status status = try_opening(opening, name, ends);
    if (status != MPSC_OK && status != expected)
        fail_msg("%s said %s", opening->name, mpsc_strstatus(status));
    return status == MPSC_OK;
}

static void send_pattern(mpsc_sender *tx, uint64_t seed)
{
    unsigned char message[SIZE];
    pattern_fill(message, SIZE, seed);
    assert_status(mpsc_try_send(tx, message, SIZE), MPSC_OK);
}

static void expect_pattern(mpsc_receiver *rx, uint64_t seed)
{
    unsigned char message[SIZE];
    assert_status(mpsc_try_recv(rx, message, SIZE, NULL), MPSC_OK);
    pattern_check(message, SIZE, seed);
}

/* All of a bounded channel can be written and read. */
static void use(const struct ends *ends)
{
    for (unsigned lap = 0; lap < 3; lap++) {
        for (unsigned i = 0; i < BOUND; i++)
            send_pattern(ends->tx, i + lap);
        for (unsigned i = 0; i < BOUND; i++)
            expect_pattern(ends->rx, i + lap);
    }
}

static void close_ends(const struct ends *ends, const char *name)
{
    mpsc_sender_close(ends->tx);
    mpsc_receiver_close(ends->rx);
    mpsc_status status = mpsc_unlink(name); /* a durable one stays */
    assert_true(status == MPSC_OK || status == MPSC_NOT_FOUND);
}

/* Of a channel without others: the calls that go on whatever has run out. */
static struct ends open_pair(const char *name)
{
    struct ends ends;
    open_both(name, SIZE, BOUND, &ends.tx, &ends.rx);
    return ends;
}

/* What the test and its workers share. */
struct opener {
    const char *name;
    atomic_int step;
};

static struct opener *opener_new(void)
{
    struct opener *opener = shared_memory(sizeof *opener);
    opener->name = channel_name();
    return opener;
}

/* ------------------------------------------------------------------ /dev/shm is full */

static void set_size(unsigned pages)
{
    char options[64];
    snprintf(options, sizeof options, "size=%lu",
             (unsigned long)pages * (unsigned long)sysconf(_SC_PAGESIZE));
    assert_int_equal(mount(NULL, "/dev/shm", NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, options), 0);
}

static struct statvfs file_system_now(void)
{
    struct statvfs file_system;
    assert_int_equal(statvfs("/dev/shm", &file_system), 0);
    return file_system;
}

/* As much as is used now, and so many pages more. */
static void leave_pages(unsigned pages)
{
    struct statvfs file_system = file_system_now();
    set_size((unsigned)(file_system.f_blocks - file_system.f_bfree) + pages);
}

static void assert_nothing_used(void)
{
    struct statvfs file_system = file_system_now();
    assert_int_equal(file_system.f_bfree, file_system.f_blocks);
    assert_int_equal(possessions_names(), 0);
}

/* With each size, from one page on, until it is enough; the number of pages then. */
static unsigned opens_with_pages(const struct opening *opening, const char *name, struct ends *ends)
{
    enum { TOO_MANY = 8192 };
    unsigned pages = 1;
    set_size(pages);
    while (!opens_or_says(opening, name, ends, MPSC_NO_SPACE)) {
        assert_nothing_used();
        pages += 1 + pages / 64;
        if (pages > TOO_MANY)
            fail_msg("%s: %u pages were not enough", opening->name, pages);
        set_size(pages);
    }
    return pages;
}

static int needs_room(void *unused)
{
    (void)unused;
    if (!namespace_shm("size=64k"))
        return NOT_PERMITTED;
    for (int i = 0; i < OPENINGS; i++) {
        const char *name = channel_name();
        struct ends ends;
        assert_true(opens_with_pages(&openings[i], name, &ends) > 1);
        close_ends(&ends, name);
        assert_nothing_used();
    }
    return 0;
}

static void a_new_channel_needs_room(void)
{
    namespace_run(needs_room, NULL);
}

/* In a /dev/shm that has not one page left. */
static unsigned full_channel(const char *name, struct ends *ends)
{
    unsigned pages = opens_with_pages(&openings[0], name, ends);
    assert_int_equal(file_system_now().f_bfree, 0);
    return pages;
}

static int uses_to_the_last_page(void *unused)
{
    enum { CLONES = 1024 };
    static mpsc_sender *clones[CLONES];
    struct ends ends;
    unsigned count = 0;
    (void)unused;
    if (!namespace_shm("size=64k"))
        return NOT_PERMITTED;
    unsigned pages = full_channel(channel_name(), &ends);
    use(&ends);

    /* The table of senders comes to the end of its page. */
    mpsc_status status = MPSC_OK;
    while (status == MPSC_OK && count < CLONES) {
        status = mpsc_sender_clone(ends.tx, &clones[count]);
        count += status == MPSC_OK;
    }
    assert_status(status, MPSC_NO_SPACE);
    assert_null(clones[count]);
    assert_in_range(count, 1, CLONES - 1);
    for (unsigned i = 0; i < count; i++) {
        send_pattern(clones[i], i);
        expect_pattern(ends.rx, i);
    }
    set_size(pages + 1);
    clones[count++] = clone_of(ends.tx);
    send_pattern(clones[count - 1], 5);
    expect_pattern(ends.rx, 5);
    while (count > 0)
        mpsc_sender_close(clones[--count]);
    use(&ends);
    close_ends(&ends, channel_name());
    assert_nothing_used();
    return 0;
}

static void a_channel_is_good_to_the_last_page(void)
{
    namespace_run(uses_to_the_last_page, NULL);
}

static void must_end_well(pid_t child)
{
    int ended;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
}

static void grandchild_is_told(const struct ends *ends, mpsc_status expected)
{
    pid_t child = fork();
    if (child == 0) {
        unsigned char message[SIZE] = {0};
        assert_status(mpsc_try_send(ends->tx, message, SIZE), expected);
        _exit(0);
    }
    must_end_well(child);
}

/* The handles of a child that there was no room for say so, and those of its own children. */
static void child_is_told(const struct ends *ends, mpsc_status expected)
{
    pid_t child = fork();
    if (child == 0) {
        unsigned char message[SIZE] = {0};
        mpsc_sender *clone = NULL;
        assert_status(mpsc_try_send(ends->tx, message, SIZE), expected);
        assert_status(mpsc_send(ends->tx, message, SIZE), expected);
        assert_status(mpsc_flush(ends->tx, MPSC_FOREVER), expected);
        assert_status(mpsc_sender_clone(ends->tx, &clone), expected);
        assert_status(mpsc_try_recv(ends->rx, message, SIZE, NULL), expected);
        assert_status(mpsc_recv(ends->rx, message, SIZE, NULL), expected);
        grandchild_is_told(ends, expected);
        mpsc_sender_close(ends->tx);
        mpsc_receiver_close(ends->rx);
        _exit(0);
    }
    must_end_well(child);
}

static void child_takes_part(const struct ends *ends)
{
    pid_t child = fork();
    if (child == 0) {
        send_pattern(ends->tx, 9);
        _exit(0);
    }
    must_end_well(child);
    expect_pattern(ends->rx, 9);
}

static int forks_without_room(void *unused)
{
    struct ends ends;
    (void)unused;
    if (!namespace_shm("size=64k"))
        return NOT_PERMITTED;
    unsigned pages = full_channel(channel_name(), &ends);
    child_is_told(&ends, MPSC_NO_SPACE);
    use(&ends);
    set_size(pages + 1);
    child_takes_part(&ends);
    use(&ends);
    close_ends(&ends, channel_name());
    assert_nothing_used();
    return 0;
}

static void a_child_needs_room(void)
{
    namespace_run(forks_without_room, NULL);
}

/* Another process, for which there is room in the end. */
static int opens_when_there_is_room(void *argument)
{
    struct opener *opener = argument;
    struct ends ends;
    step_wait(&opener->step, 1);
    for (int i = 0; i < 10; i++)
        assert_status(try_opening(&openings[3], opener->name, &ends), MPSC_NO_SPACE);
    step_to(&opener->step, 2);
    step_wait(&opener->step, 3);
    assert_status(try_opening(&openings[3], opener->name, &ends), MPSC_OK);
    send_pattern(ends.tx, 3);
    mpsc_sender_close(ends.tx);
    return 0;
}

static int lets_others_wait_for_room(void *unused)
{
    struct opener *opener = opener_new();
    char *junk = calloc(1, 1 << 20);
    struct ends ends;
    (void)unused;
    if (!namespace_shm("size=1m"))
        return NOT_PERMITTED;
    worker other = worker_start(PROCESSES, opens_when_there_is_room, opener);
    ends = open_pair(opener->name);
    send_pattern(ends.tx, 1);

    const char *path = channel_path(channel_name());
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, junk, 1 << 20) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
    send_pattern(ends.tx, 2);
    step_to(&opener->step, 1);
    step_wait(&opener->step, 2);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(close(fd), 0);
    step_to(&opener->step, 3);
    assert_int_equal(worker_join(other), 0);
    for (unsigned i = 1; i <= 3; i++)
        expect_pattern(ends.rx, i);
    mpsc_sender_close(ends.tx);
    mpsc_receiver_close(ends.rx);
    assert_nothing_used();
    free(junk);
    return 0;
}

static void another_process_needs_room(void)
{
    namespace_run(lets_others_wait_for_room, NULL);
}

/* As much as it takes to be refused, and all of that arrives; how much it was. */
static uint64_t send_until(const struct ends *ends, mpsc_status expected)
{
    static unsigned char message[4096];
    uint64_t sent = 0;
    mpsc_status status;
    for (;; sent++) {
        pattern_fill(message, sizeof message, sent);
        status = mpsc_send(ends->tx, message, sizeof message);
        if (status != MPSC_OK)
            break;
    }
    assert_status(status, expected);
    assert_status(mpsc_try_send(ends->tx, message, sizeof message), expected);
    for (uint64_t i = 0; i < sent; i++) {
        assert_status(mpsc_try_recv(ends->rx, message, sizeof message, NULL), MPSC_OK);
        pattern_check(message, sizeof message, i);
    }
    assert_status(mpsc_try_recv(ends->rx, message, sizeof message, NULL), MPSC_EMPTY);
    assert_status(mpsc_try_send(ends->tx, message, sizeof message), MPSC_OK);
    assert_status(mpsc_try_recv(ends->rx, message, sizeof message, NULL), MPSC_OK);
    return sent;
}

/* A bounded channel has all its room from the start; an unbounded one grows into what there is. */
static mpsc_status try_one(mpsc_receiver *rx)
{
    int value;
    return mpsc_try_recv(rx, &value, sizeof value, NULL);
}

/* A channel that has grown would give way to a small ring, for which there is no memory. Trying that in vain
 * is no news. */
static int rests_where_all_is_full(void *unused)
{
    static char junk[65536];
    struct ends e;
    int fd;
    (void)unused;
    if (!namespace_shm("size=1m"))
        return NOT_PERMITTED;
    e = ends_open(sizeof(int), MPSC_UNBOUNDED);
    for (int i = 0; i < 2000; i++)
        send_int(e.tx, i);
    for (int i = 0; i < 2000; i++)
        expect_int(e.rx, i);
    int file = open("/dev/shm/junk", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (size_t size = sizeof junk; size > 0; size /= 2)
        while (write(file, junk, size) > 0)
            continue;
    close(file);
    assert_status(mpsc_receiver_fd(e.rx, &fd), MPSC_OK);
    uint64_t end = now_ns() + 300 * MILLISECONDS; /* it rests after a tenth of a second */
    unsigned told = 0;
    while (now_ns() < end) {
        struct pollfd pollable = {.fd = fd, .events = POLLIN};
        if (poll(&pollable, 1, 10) == 1)
            told++;
        assert_status(try_one(e.rx), MPSC_EMPTY);
    }
    assert_in_range(told, 0, 20);
    ends_close(e);
    return unlink("/dev/shm/junk");
}

static void a_full_system_is_no_news(void)
{
    namespace_run(rests_where_all_is_full, NULL);
}

static int fills_a_mebibyte(void *unused)
{
    struct ends ends = {NULL, NULL};
    (void)unused;
    if (!namespace_shm("size=1m"))
        return NOT_PERMITTED;
    assert_status(mpsc_sync_channel(4096, 256, &ends.tx, &ends.rx), MPSC_NO_SPACE);
    assert_nothing_used();
    assert_status(try_opening(&openings[1], NULL, &ends), MPSC_OK);
    for (int round = 0; round < 3; round++)
        assert_true(send_until(&ends, MPSC_NO_SPACE) > 64);
    mpsc_sender_close(ends.tx);
    mpsc_receiver_close(ends.rx);
    assert_nothing_used();
    return 0;
}

struct gauge {
    _Atomic uint64_t least; /* blocks that were free */
    atomic_bool over;
};

static int reads_the_gauge(void *argument)
{
    struct gauge *gauge = argument;
    while (!atomic_load(&gauge->over)) {
        uint64_t now = file_system_now().f_bfree;
        if (now < atomic_load(&gauge->least))
            atomic_store(&gauge->least, now);
    }
    return 0;
}

/* Others can have at any moment what it does not get. */
static int grows_where_little_is_left(void *unused)
{
    static struct gauge gauge;
    struct ends ends;
    mpsc_status status = MPSC_OK;
    (void)unused;
    if (!namespace_shm("size=24m"))
        return NOT_PERMITTED;
    assert_status(open_unbounded(NULL, &ends), MPSC_OK);
    worker reader = worker_start(THREADS, reads_the_gauge, &gauge);
    while (status == MPSC_OK) {
        unsigned char message[4096] = {0};
        atomic_store(&gauge.least, UINT64_MAX);
        status = mpsc_try_send(ends.tx, message, sizeof message);
        assert_true(atomic_load(&gauge.least) >= file_system_now().f_bfree);
    }
    assert_status(status, MPSC_NO_SPACE);
    atomic_store(&gauge.over, true);
    assert_int_equal(worker_join(reader), 0);
    mpsc_sender_close(ends.tx);
    mpsc_receiver_close(ends.rx);
    return 0;
}

static void growth_takes_no_more_than_it_gets(void)
{
    namespace_run(grows_where_little_is_left, NULL);
}

static void take_senders(const char *name, mpsc_status expected)
{
    mpsc_sender *tx, *clone;
    mpsc_status status = mpsc_open_sender(name, NULL, &tx);
    assert_status(status, MPSC_OK);
    while (status == MPSC_OK)
        status = mpsc_sender_clone(tx, &clone);
    assert_status(status, expected);
}

/* When nobody opens the channel meanwhile, which would clear away what they left. */
static void take_a_sender_of_the_dead(const struct ends *ends, mpsc_status refused)
{
    mpsc_sender *clone = NULL;
    mpsc_status status;
    /* Who looks at a process just when it dies keeps its memory, and with that its lock. */
    const uint64_t end = now_ns() + 10 * SECONDS;
    do
        status = mpsc_sender_clone(ends->tx, &clone);
    while (status == refused && now_ns() < end);
    assert_status(status, MPSC_OK);
    send_pattern(clone, 1);
    expect_pattern(ends->rx, 1);
    mpsc_sender_close(clone);
}

static int takes_all_the_room(void *argument)
{
    take_senders(((struct opener *)argument)->name, MPSC_NO_SPACE);
    raise(SIGKILL);
    return 0;
}

static int takes_the_room_of_the_dead(void *argument)
{
    const char *name = ((struct opener *)argument)->name;
    if (!namespace_shm("size=16m"))
        return NOT_PERMITTED;
    struct ends ends = open_pair(name);
    leave_pages(1); /* for another process */
    assert_int_equal(worker_join(worker_start(PROCESSES, takes_all_the_room, argument)),
                     128 + SIGKILL);
    take_a_sender_of_the_dead(&ends, MPSC_NO_SPACE);
    close_ends(&ends, name);
    return 0;
}

static void the_dead_take_no_room_from_a_clone(void)
{
    namespace_run(takes_the_room_of_the_dead, opener_new());
}

struct turn {
    struct opener *opener;
    int number;
};

static int receives_and_dies(void *argument)
{
    const struct turn *turn = argument;
    mpsc_receiver *rx;
    step_wait(&turn->opener->step, turn->number);
    assert_status(mpsc_open_receiver(turn->opener->name, NULL, &rx), MPSC_OK);
    raise(SIGKILL);
    return 0;
}

/* They are forked before there is a channel, and open it as strangers do. */
static int opens_after_the_dead(void *argument)
{
    struct opener *opener = argument;
    struct turn turns[] = {{opener, 1}, {opener, 2}};
    worker receivers[2];
    struct ends ends;
    if (!namespace_shm("size=16m"))
        return NOT_PERMITTED;
    for (int i = 0; i < 2; i++)
        receivers[i] = worker_start(PROCESSES, receives_and_dies, &turns[i]);
    assert_status(open_durable(opener->name, &ends), MPSC_OK);
    leave_pages(1); /* for one of them */
    for (int i = 0; i < 2; i++) {
        step_to(&opener->step, turns[i].number);
        assert_int_equal(worker_join(receivers[i]), 128 + SIGKILL);
        while (stats_of(opener->name).processes > 1)
            sched_yield();
    }
    mpsc_sender_close(ends.tx);
    return 0;
}

static void the_dead_take_no_room_from_whoever_opens(void)
{
    namespace_run(opens_after_the_dead, opener_new());
}

static void a_mebibyte_is_a_mebibyte(void)
{
    namespace_run(fills_a_mebibyte, NULL);
}

static int lacks_inodes(void *unused)
{
    struct ends ends;
    (void)unused;
    if (!namespace_shm("size=16m,nr_inodes=1"))
        return NOT_PERMITTED;
    for (int i = 0; i < OPENINGS; i++)
        assert_status(try_opening(&openings[i], channel_name(), &ends), MPSC_NO_SPACE);
    return 0;
}

static void a_new_channel_needs_an_inode(void)
{
    namespace_run(lacks_inodes, NULL);
}

/* ------------------------------------------------------------------ descriptors */

/* So many more can be opened. */
static void allow_descriptors(unsigned more)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = dup(STDERR_FILENO);
    assert_true(next >= 0);
    close(next);
    limit.rlim_cur = (rlim_t)next + more;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

enum { PLENTY = 64 };

static mpsc_status open_with_descriptors(const struct opening *opening, const char *name,
                                         struct ends *ends, unsigned more)
{
    *ends = (struct ends){NULL, NULL};
    struct possessions before;
    allow_descriptors(PLENTY);
    before = possessions_now();
    allow_descriptors(more);
    mpsc_status status = opening->open(name, ends);
    allow_descriptors(PLENTY);
    if (status != MPSC_OK)
        assert_possessions(before);
    return status;
}

static unsigned descriptors_needed(const struct opening *opening, const char *name,
                                   struct ends *ends)
{
    for (unsigned more = 0; more < 8; more++) {
        mpsc_status status = open_with_descriptors(opening, name, ends, more);
        if (status == MPSC_OK)
            return more;
        if (status != MPSC_LIMIT)
            fail_msg("%s said %s", opening->name, mpsc_strstatus(status));
    }
    fail_msg("%s: too many descriptors were needed", opening->name);
}

static int opens_with_few_descriptors(void *unused)
{
    struct ends ends;
    (void)unused;
    for (int i = 0; i < OPENINGS; i++) {
        const char *name = channel_name();
        assert_true(descriptors_needed(&openings[i], name, &ends) > 0);
        close_ends(&ends, name);
    }
    return 0;
}

static void a_new_channel_needs_descriptors(void)
{
    assert_int_equal(worker_join(worker_start(PROCESSES, opens_with_few_descriptors, NULL)), 0);
}

static int takes_all_senders(void *argument)
{
    take_senders(((struct opener *)argument)->name, MPSC_LIMIT);
    raise(SIGKILL);
    return 0;
}

static void the_dead_take_no_sender_from_the_living(void)
{
    struct opener *opener = opener_new();
    struct ends ends = open_pair(opener->name);
    assert_int_equal(worker_join(worker_start(PROCESSES, takes_all_senders, opener)),
                     128 + SIGKILL);
    take_a_sender_of_the_dead(&ends, MPSC_LIMIT);
    close_ends(&ends, opener->name);
}

static int goes_on_without_descriptors(void *argument)
{
    const char *name = ((struct opener *)argument)->name;
    struct ends ends = open_pair(name);
    mpsc_stats stats;
    mpsc_receiver *second = NULL;
    allow_descriptors(0);
    use(&ends);
    mpsc_sender *clone = clone_of(ends.tx);
    send_pattern(clone, 1);
    expect_pattern(ends.rx, 1);
    mpsc_sender_close(clone);
    assert_status(mpsc_stat(name, &stats), MPSC_LIMIT);
    assert_status(mpsc_open_receiver(name, NULL, &second), MPSC_LIMIT);
    child_is_told(&ends, MPSC_LIMIT);
    use(&ends);
    allow_descriptors(1);
    child_takes_part(&ends);
    assert_status(mpsc_unlink(name), MPSC_LIMIT);
    assert_true(name_exists(name));
    allow_descriptors(2);
    assert_status(mpsc_unlink(name), MPSC_OK);
    assert_false(name_exists(name));
    close_ends(&ends, name);
    return 0;
}

static void an_open_channel_needs_no_more_descriptors(void)
{
    struct opener *opener = opener_new();
    assert_int_equal(worker_join(worker_start(PROCESSES, goes_on_without_descriptors, opener)), 0);
}

static int closes_without_descriptors(void *argument)
{
    const char *name = ((struct opener *)argument)->name;
    struct ends ends = open_pair(name);
    allow_descriptors(0);
    mpsc_sender_close(ends.tx);
    mpsc_receiver_close(ends.rx);
    assert_false(name_exists(name));
    return 0;
}

static void the_name_goes_when_there_are_no_descriptors(void)
{
    struct opener *opener = opener_new();
    assert_int_equal(worker_join(worker_start(PROCESSES, closes_without_descriptors, opener)), 0);
}

/* ------------------------------------------------------------------ address space */

/* In pages; 0: unknown. */
static unsigned long address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages;
}

static void allow_pages(rlim_t pages)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur =
        pages == RLIM_INFINITY ? limit.rlim_max : pages * (rlim_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

/* With each number of pages until it is enough. */
static void open_with_pages(const struct opening *opening, const char *name, struct ends *ends)
{
    enum { MOST = 16384 };
    struct possessions before = possessions_now();
    unsigned refused = 0;
    for (unsigned more = 0; more < MOST; more += refused < 16 ? 64 : 1) { /* the tables are large */
        *ends = (struct ends){NULL, NULL};
        unsigned long now = address_space();
        allow_pages(now + more);
        mpsc_status status = opening->open(name, ends);
        allow_pages(RLIM_INFINITY);
        if (status == MPSC_OK) {
            assert_true(refused > 0);
            return;
        }
        if (status != MPSC_NO_MEMORY)
            fail_msg("%s said %s", opening->name, mpsc_strstatus(status));
        if (refused++ % 64 == 0)
            assert_possessions(before);
    }
    fail_msg("%s: %d pages were not enough", opening->name, MOST);
}

static int opens_with_little_address_space(void *unused)
{
    (void)unused;
    for (int i = 0; i < OPENINGS; i++) {
        struct ends ends;
        const char *name = channel_name();
        open_with_pages(&openings[i], name, &ends);
        close_ends(&ends, name);
    }
    return 0;
}

#if defined __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

static void needs_little_address_space(void)
{
#ifdef SANITIZED
    harness_skip("the address sanitizer needs address space itself");
#endif
}

static void a_new_channel_needs_address_space(void)
{
    needs_little_address_space();
    assert_int_equal(worker_join(worker_start(PROCESSES, opens_with_little_address_space, NULL)),
                     0);
}

/* ------------------------------------------------------------------ growth within a process' limits */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file has a place for each size of ring, so that it is far longer than what it holds. */
static int grows_within_a_limit_on_files(void *unused)
{
    struct ends ends;
    (void)unused;
    assert_status(try_opening(&openings[1], NULL, &ends), MPSC_OK);
    limit_files(16 << 20);
    assert_true(send_until(&ends, MPSC_LIMIT) > 0);
    limit_files(64 << 20);
    assert_true(send_until(&ends, MPSC_LIMIT) > 64);
    mpsc_sender_close(ends.tx);
    mpsc_receiver_close(ends.rx);
    return 0;
}

static void growth_ends_at_the_limit_on_files(void)
{
    assert_int_equal(worker_join(worker_start(PROCESSES, grows_within_a_limit_on_files, NULL)), 0);
}

static int grows_within_its_address_space(void *unused)
{
    struct ends ends;
    (void)unused;
    assert_status(try_opening(&openings[1], NULL, &ends), MPSC_OK);
    allow_pages(address_space() + 1024);
    assert_true(send_until(&ends, MPSC_NO_MEMORY) > 64);
    allow_pages(RLIM_INFINITY);
    send_pattern(ends.tx, 1);
    expect_pattern(ends.rx, 1);
    mpsc_sender_close(ends.tx);
    mpsc_receiver_close(ends.rx);
    return 0;
}

static void growth_ends_at_the_address_space(void)
{
    needs_little_address_space();
    assert_int_equal(worker_join(worker_start(PROCESSES, grows_within_its_address_space, NULL)), 0);
}

/* ------------------------------------------------------------------ what is not there, or not permitted */

static bool private_mounts(void)
{
    return namespace_enter(CLONE_NEWNS) && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void assert_all_denied(mpsc_status expected)
{
    struct ends ends;
    for (int i = 0; i < OPENINGS; i++)
        assert_status(try_opening(&openings[i], channel_name(), &ends), expected);
}

static int holds_a_sender(void *argument)
{
    struct opener *opener = argument;
    struct ends ends;
    assert_status(try_opening(&openings[3], opener->name, &ends), MPSC_OK);
    send_pattern(ends.tx, 1);
    step_to(&opener->step, 1);
    pause(); /* until it is killed */
    return 1;
}

static int lacks_proc(void *argument)
{
    struct opener *opener = argument;
    worker other = worker_start(PROCESSES, holds_a_sender, opener);
    struct ends ends;
    mpsc_stats stats;
    step_wait(&opener->step, 1);
    ends.rx = open_rx(opener->name, SIZE, BOUND);
    ends.tx = open_tx(opener->name, SIZE, BOUND);
    if (!private_mounts() || mount("tmpfs", "/proc", "tmpfs", 0, NULL) != 0) {
        kill(worker_pid(other), SIGKILL);
        assert_int_equal(worker_join(other), 128 + SIGKILL);
        mpsc_sender_close(ends.tx);
        mpsc_receiver_close(ends.rx);
        return NOT_PERMITTED;
    }
    assert_all_denied(MPSC_DENIED);
    assert_status(mpsc_stat(opener->name, &stats), MPSC_OK);
    assert_int_equal(stats.queued, 1);
    expect_pattern(ends.rx, 1);
    use(&ends);
    mpsc_sender_close(clone_of(ends.tx));
    child_is_told(&ends, MPSC_DENIED);
    use(&ends);
    /* It hears of a death. */
    mpsc_sender_close(ends.tx);
    unsigned char message[SIZE];
    assert_status(mpsc_try_recv(ends.rx, message, SIZE, NULL), MPSC_EMPTY);
    kill(worker_pid(other), SIGKILL);
    assert_status(mpsc_recv(ends.rx, message, SIZE, NULL), MPSC_DISCONNECTED);
    assert_int_equal(worker_join(other), 128 + SIGKILL);
    mpsc_receiver_close(ends.rx);
    assert_false(name_exists(opener->name));
    return 0;
}

static void proc_is_needed_to_take_part_but_not_to_go_on(void)
{
    struct opener *opener = opener_new();
    namespace_run(lacks_proc, opener);
}

static int may_not_write(void *argument)
{
    struct opener *opener = argument;
    struct ends ends = open_pair(opener->name);
    mpsc_stats stats;
    if (!private_mounts() || mount("/dev/shm", "/dev/shm", NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, "/dev/shm", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV,
              NULL) != 0) {
        close_ends(&ends, opener->name);
        return NOT_PERMITTED;
    }
    assert_all_denied(MPSC_DENIED);
    mpsc_sender *tx = NULL;
    assert_status(mpsc_open_sender(opener->name, NULL, &tx), MPSC_DENIED);
    assert_status(mpsc_unlink(opener->name), MPSC_DENIED);
    send_pattern(ends.tx, 1);
    assert_status(mpsc_stat(opener->name, &stats), MPSC_OK);
    assert_int_equal(stats.queued, 1);
    expect_pattern(ends.rx, 1);
    use(&ends);
    mpsc_sender_close(ends.tx);
    mpsc_receiver_close(ends.rx);
    assert_true(name_exists(opener->name));
    return 0;
}

/* The name cannot be removed; it means no channel any more, and the next open removes it. */
static void a_read_only_folder_is_denied(void)
{
    struct opener *opener = opener_new();
    namespace_run(may_not_write, opener);
    mpsc_options options = MPSC_OPTIONS_INIT;
    mpsc_sender *tx = NULL;
    options.create = 0;
    assert_status(mpsc_open_sender(opener->name, &options, &tx), MPSC_NOT_FOUND);
    assert_false(name_exists(opener->name));
}

static int may_not_enter(void *unused)
{
    (void)unused;
    if (geteuid() != 0 || !namespace_shm("mode=0755"))
        return NOT_PERMITTED;
    struct ends ends = open_pair(channel_name());
    close_ends(&ends, channel_name());
    if (setgid(65534) != 0 || setuid(65534) != 0)
        return NOT_PERMITTED;
    assert_all_denied(MPSC_DENIED);
    return 0;
}

static void a_folder_of_others_is_denied(void)
{
    namespace_run(may_not_enter, NULL);
}

static int has_no_folder(void *unused)
{
    mpsc_options options = MPSC_OPTIONS_INIT;
    mpsc_sender *tx = NULL;
    mpsc_stats stats;
    struct ends ends;
    (void)unused;
    if (!private_mounts() || mount("tmpfs", "/dev", "tmpfs", 0, NULL) != 0)
        return NOT_PERMITTED;
    for (int i = 0; i < OPENINGS; i++) {
        errno = 0;
        assert_status(openings[i].open(channel_name(), &ends), MPSC_OS);
        assert_int_equal(errno, ENOENT);
    }
    options.create = 0;
    assert_status(mpsc_open_sender(channel_name(), &options, &tx), MPSC_NOT_FOUND);
    assert_status(mpsc_stat(channel_name(), &stats), MPSC_NOT_FOUND);
    assert_status(mpsc_unlink(channel_name()), MPSC_NOT_FOUND);
    return 0;
}

static void without_the_folder_the_system_says_why(void)
{
    namespace_run(has_no_folder, NULL);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_full_system_is_no_news),
        TEST(a_new_channel_needs_room),
        TEST(a_channel_is_good_to_the_last_page),
        TEST(a_child_needs_room),
        TEST(another_process_needs_room),
        TEST(growth_takes_no_more_than_it_gets),
        TEST(the_dead_take_no_room_from_a_clone),
        TEST(the_dead_take_no_room_from_whoever_opens),
        TEST(a_mebibyte_is_a_mebibyte),
        TEST(a_new_channel_needs_an_inode),
        TEST(a_new_channel_needs_descriptors),
        TEST(the_dead_take_no_sender_from_the_living),
        TEST(an_open_channel_needs_no_more_descriptors),
        TEST(the_name_goes_when_there_are_no_descriptors),
        TEST(a_new_channel_needs_address_space),
        TEST(growth_ends_at_the_limit_on_files),
        TEST(growth_ends_at_the_address_space),
        TEST(proc_is_needed_to_take_part_but_not_to_go_on),
        TEST(a_read_only_folder_is_denied),
        TEST(a_folder_of_others_is_denied),
        TEST(without_the_folder_the_system_says_why),
    };
    return harness_main("limits", tests, sizeof tests / sizeof *tests);
}
