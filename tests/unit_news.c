/* SPDX-License-Identifier: MIT */
/* The words by which the kernel tells of a death (lib/os/news.c), who watches them (registry_watch),
 * and the sleep that they end (condvar_sleep). */
#include "members.h"
#include "namespace.h"

#include "condvar.h"
#include "handle.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* What should come at once, and is waited for at most this long. */
#define LONG (20 * SECONDS)

/* ------------------------------------------------------------------ a word */

/* A file of one page, and the word at its end. */
struct paper {
    int fd;
    void *page;
    atomic_uint *word;
};

static struct paper *paper_new(void)
{
    struct paper *paper = shared_memory(sizeof *paper);
    size_t size = os_page_size();
    paper->fd = os_shm_create(0600);
    assert_int_equal(os_shm_resize(paper->fd, size), 0);
    assert_int_equal(os_map(paper->fd, 0, size, &paper->page), 0);
    paper->word = (atomic_uint *)(void *)((char *)paper->page + size - OS_NEWS_SIZE);
    return paper;
}

static void paper_end(struct paper *paper)
{
    os_unmap(paper->page, os_page_size());
    os_close(paper->fd);
}

static void *news_begin(struct paper *paper)
{
    void *news = os_news_begin(paper->fd, 0);
    if (!news)
        harness_skip("no news of a death are to be had here");
    return news;
}

static void a_word_says_whose_it_is(void)
{
    struct paper *paper = paper_new();
    for (int i = 0; i < 3; i++) {
        void *news = news_begin(paper);
        assert_int_equal(atomic_load(paper->word), getpid());
        atomic_fetch_or(paper->word, OS_NEWS_WATCHED);
        os_news_end(news);
        assert_int_equal(atomic_load(paper->word), 0);
    }
    os_news_end(NULL);
    paper_end(paper);
}

/* Whoever may write there can hide a death, or make one up, but harms nobody. */
static void what_others_write_there_does_no_harm(void)
{
    struct paper *paper = paper_new();
    uint64_t state = 3;
    for (int i = 0; i < 100; i++) {
        void *news = news_begin(paper);
        for (size_t byte = 0; byte < OS_NEWS_SIZE; byte++)
            ((unsigned char *)(uintptr_t)paper->word)[byte] = (unsigned char)chance(&state);
        os_news_end(news);
    }
    paper_end(paper);
}

struct scribbling {
    struct paper *paper;
    atomic_int over;
};

static int scribbles(void *argument)
{
    struct scribbling *scribbling = argument;
    _Atomic unsigned char *bytes = (_Atomic unsigned char *)(uintptr_t)scribbling->paper->word;
    uint64_t state = 4;
    while (!atomic_load(&scribbling->over))
        for (size_t byte = 0; byte < OS_NEWS_SIZE; byte++)
            atomic_store(&bytes[byte], (unsigned char)chance(&state));
    return 0;
}

/* The C library looks at its mutex when it locks and unlocks it, and believes what it sees. */
static void nor_what_they_write_at_any_moment(void)
{
    struct scribbling scribbling = {.paper = paper_new()};
    os_news_end(news_begin(scribbling.paper));
    worker w = worker_start(THREADS, scribbles, &scribbling);
    for (unsigned long i = scaled(10000); i > 0; i--)
        os_news_end(os_news_begin(scribbling.paper->fd, 0));
    atomic_store(&scribbling.over, 1);
    assert_int_equal(worker_join(w), 0);
    paper_end(scribbling.paper);
}

struct thread_news {
    struct paper *paper;
    void *news;
    pid_t tid; /* of who begins */
    bool same; /* that of who ends too */
};

static int begins(void *argument)
{
    struct thread_news *of = argument;
    of->news = news_begin(of->paper);
    return 0;
}

/* A hint: the thread has ended, its process has not. */
static void a_thread_that_ends_is_told_of(void)
{
    struct thread_news of = {.paper = paper_new()};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(worker_join(worker_start(THREADS, begins, &of)), 0);
        assert_true(atomic_load(of.paper->word) & OS_NEWS_DIED);
        os_news_end(of.news);
    }
    paper_end(of.paper);
}

static int ends(void *argument)
{
    struct thread_news *of = argument;
    os_news_end(of->news);
    return 0;
}

static void another_thread_may_end_it(void)
{
    struct thread_news of = {.paper = paper_new()};
    for (int i = 0; i < 3; i++) {
        of.news = news_begin(of.paper);
        assert_int_equal(worker_join(worker_start(THREADS, ends, &of)), 0);
        /* What this thread began is let go of when it comes by. */
        os_news_end(news_begin(of.paper));
    }
    paper_end(of.paper);
}

static int begins_and_tells_its_id(void *argument)
{
    struct thread_news *of = argument;
    of->tid = (pid_t)syscall(SYS_gettid);
    return begins(of);
}

static int ends_under_that_id(void *argument)
{
    struct thread_news *of = argument;
    of->same = of->tid == (pid_t)syscall(SYS_gettid);
    os_news_end(of->news);
    /* Its notes are kept until that thread comes by, or is gone. */
    if (of->same)
        assert_int_equal(mincore(of->news, os_page_size(), &(unsigned char){0}), 0);
    return 0;
}

static int one_id_for_two(void *unused)
{
    struct thread_news of = {.paper = paper_new()};
    (void)unused;
    os_news_end(news_begin(of.paper));
    for (int i = 0; i < 100 && !of.same; i++) {
        assert_int_equal(worker_join(worker_start(THREADS, begins_and_tells_its_id, &of)), 0);
        if (!namespace_next_id(of.tid))
            return NOT_PERMITTED;
        assert_int_equal(worker_join(worker_start(THREADS, ends_under_that_id, &of)), 0);
        assert_true(atomic_load(of.paper->word) & OS_NEWS_DIED);
    }
    paper_end(of.paper);
    return of.same ? 0 : NOT_PERMITTED;
}

static int among_ids_of_its_own(void *unused)
{
    (void)unused;
    if (!namespace_enter(CLONE_NEWPID))
        return NOT_PERMITTED;
    return worker_join(worker_start(PROCESSES, one_id_for_two, NULL));
}

/* The mutex is in the list of a thread that is gone, wherever that was. */
static void another_thread_of_the_same_id_may_end_it(void)
{
    struct paper *paper = paper_new();
    os_news_end(news_begin(paper));
    paper_end(paper);
    namespace_run(among_ids_of_its_own, NULL);
}

/* ------------------------------------------------------------------ who watches */

static void the_words_of_the_others_are_watched(void)
{
    enum { MEMBERS = 5 };
    struct segment *segment = segment_new(4);
    struct member members[MEMBERS];
    struct os_futex futexes[MEMBERS];
    const struct registry *registry = &members[0].registry;
    unsigned died = 77;
    for (unsigned i = 0; i < MEMBERS; i++) {
        members[i] = member_new(segment);
        member_add(&members[i], OWNER_SENDER);
        member_add(&members[i], i == 3 ? OWNER_RECEIVER : OWNER_SENDER);
        atomic_store(news_of(segment, i), 1000 + i);
    }
    atomic_store(news_of(segment, 2), 0); /* it has none */
    assert_int_equal(registry_watch(registry, OWNER_SENDER, futexes, MEMBERS, &died), 3);
    assert_int_equal(died, 0);
    for (unsigned i = 0; i < 3; i++) {
        static const unsigned slots[] = {1, 3, 4}; /* itself not, and each other one once */
        assert_ptr_equal(futexes[i].word, news_of(segment, slots[i]));
        assert_int_equal(futexes[i].expected, OS_NEWS_WATCHED | (1000 + slots[i]));
        assert_int_equal(atomic_load(futexes[i].word), futexes[i].expected);
    }
    assert_int_equal(atomic_load(news_of(segment, 0)), 1000);
    assert_int_equal(registry_watch(registry, OWNER_RECEIVER, futexes, MEMBERS, &died), 1);
    assert_ptr_equal(futexes[0].word, news_of(segment, 3));
    assert_int_equal(registry_watch(registry, OWNER_SENDER, futexes, 2, &died), 2);
    atomic_store(news_of(segment, 1), OS_NEWS_DIED | 1001);
    assert_int_equal(registry_watch(registry, OWNER_SENDER, futexes, MEMBERS, &died), 2);
    assert_int_equal(died, 1);
    assert_ptr_equal(futexes[0].word, news_of(segment, 3));
    assert_int_equal(atomic_load(news_of(segment, 1)), OS_NEWS_DIED | 1001);
    member_end(&members[1]);
    registry_reap(registry); /* that one is known now */
    assert_int_equal(registry_watch(registry, OWNER_SENDER, futexes, MEMBERS, &died), 2);
    assert_int_equal(died, 0);
    for (unsigned i = 0; i < MEMBERS; i++)
        if (i != 1)
            member_end(&members[i]);
    segment_end(segment);
}

/* ------------------------------------------------------------------ who is woken */

struct watching {
    struct condvar condvar;
    atomic_uint words[3];
    atomic_int result;
};

static void watch_these(struct watching *watching, struct condvar_watch *watch)
{
    watch->count = 3;
    for (unsigned i = 0; i < 3; i++)
        watch->futexes[i + 1] =
            (struct os_futex){&watching->words[i], atomic_load(&watching->words[i])};
}

static void must_be_able_to_watch(void)
{
    harness_needs_futexes("a pthread condition variable is waited for alone");
    atomic_uint words[2] = {0, 0};
    struct os_futex futexes[2] = {{&words[0], 0}, {&words[1], 0}};
    if (os_futex_wait_any(futexes, 2, os_now()) == -ENOSYS)
        harness_skip("this system has no futex_waitv");
}

static int watches(void *argument)
{
    struct watching *watching = argument;
    struct condvar_watch watch;
    watch_these(watching, &watch);
    unsigned ticket = condvar_prepare(&watching->condvar);
    atomic_store(&watching->result,
                 (int)condvar_sleep(&watching->condvar, ticket, &watch, OS_FOREVER));
    return 0;
}

static void a_watched_word_ends_a_sleep(enum mode mode)
{
    must_be_able_to_watch();
    struct watching *watching = shared_memory(sizeof *watching);
    struct condvar_watch watch;
    assert_true(condvar_format(&watching->condvar));
    for (unsigned which = 0; which < 4; which++) {
        atomic_store(&watching->result, -1);
        worker w = worker_start(mode, watches, watching);
        wait_asleep(w);
        if (which < 3) {
            atomic_fetch_add(&watching->words[which], 1);
            os_futex_wake(&watching->words[which], 1);
        } else {
            condvar_notify(NULL, &watching->condvar);
        }
        assert_int_equal(worker_join(w), 0);
        assert_int_equal(atomic_load(&watching->result), CONDVAR_WOKEN);
    }
    /* One that has changed meanwhile, and none. */
    unsigned ticket = condvar_prepare(&watching->condvar);
    watch_these(watching, &watch);
    atomic_fetch_add(&watching->words[1], 1);
    assert_int_equal(condvar_sleep(&watching->condvar, ticket, &watch, OS_FOREVER), CONDVAR_WOKEN);
    watch_these(watching, &watch);
    uint64_t deadline = os_now() + 5 * MILLISECONDS;
    assert_int_equal(condvar_sleep(&watching->condvar, ticket, &watch, deadline), CONDVAR_TIMEOUT);
    assert_true(os_now() >= deadline);
}

struct stay {
    const char *name;
    atomic_int ready, over;
};

static int stays(void *argument)
{
    struct stay *stay = argument;
    mpsc_sender *tx = open_tx(stay->name, sizeof(int), 4);
    atomic_store(&stay->ready, 1);
    wait_for(&stay->over);
    mpsc_sender_close(tx);
    return 0;
}

/* After a death that took its time, a wait in which nobody has died; the next is looked into at once. */
static void the_next_death_is_news(enum mode mode)
{
    must_be_able_to_watch();
    struct stay *stay = shared_memory(sizeof *stay);
    int value;
    stay->name = channel_name();
    mpsc_receiver *rx = open_rx(stay->name, sizeof(int), 4);
    worker w = worker_start(mode, stays, stay);
    wait_for(&stay->ready);
    struct wait_vigil *vigil = &((struct handle *)rx)->vigil;
    *vigil = (struct wait_vigil){1, WAIT_BOUND};
    for (uint64_t end = now_ns() + LONG; vigil->died && now_ns() < end;)
        assert_status(mpsc_recv_timeout(rx, &value, sizeof value, NULL, 20 * MILLISECONDS),
                      MPSC_TIMEOUT);
    assert_int_equal(vigil->died, 0);
    atomic_store(&stay->over, 1);
    assert_int_equal(worker_join(w), 0);
    mpsc_receiver_close(rx);
}

struct obituary {
    struct paper *paper;
    pid_t pid, tid; /* of who sleeps */
    atomic_int begun, none;
};

static bool the_other_sleeps(void *argument)
{
    const struct obituary *obituary = argument;
    return sleeping(obituary->pid, obituary->tid);
}

static int dies_under_its_eyes(void *argument)
{
    struct obituary *obituary = argument;
    atomic_store(&obituary->none, os_news_begin(obituary->paper->fd, 0) == NULL);
    atomic_store(&obituary->begun, 1);
    wait_until(the_other_sleeps, obituary);
    raise(SIGKILL);
    return 0;
}

static void a_death_ends_a_sleep(enum mode mode)
{
    must_be_able_to_watch();
    struct obituary *obituary = shared_memory(sizeof *obituary);
    struct condvar *condvar = shared_memory(sizeof *condvar);
    assert_true(condvar_format(condvar));
    struct condvar_watch watch;
    *obituary = (struct obituary){.paper = paper_new(), .pid = getpid(), .tid = getpid()};
    atomic_uint *word = obituary->paper->word;
    worker w = worker_start(mode, dies_under_its_eyes, obituary);
    while (!atomic_load(&obituary->begun)) /* not asleep: that is what the other waits for */
        continue;
    watch.count = 1;
    watch.futexes[1] = (struct os_futex){word, atomic_fetch_or(word, OS_NEWS_WATCHED)};
    watch.futexes[1].expected |= OS_NEWS_WATCHED;
    unsigned ticket = condvar_prepare(condvar);
    enum condvar_result result = condvar_sleep(condvar, ticket, &watch, os_now() + LONG);
    assert_int_equal(worker_join(w), 128 + SIGKILL);
    if (atomic_load(&obituary->none))
        harness_skip("no news of a death are to be had here");
    assert_int_equal(result, CONDVAR_WOKEN);
    assert_true(atomic_load(word) & OS_NEWS_DIED);
    paper_end(obituary->paper);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_word_says_whose_it_is),
        TEST(what_others_write_there_does_no_harm),
        TEST(nor_what_they_write_at_any_moment),
        TEST(a_thread_that_ends_is_told_of),
        TEST(another_thread_may_end_it),
        TEST(another_thread_of_the_same_id_may_end_it),
        TEST(the_words_of_the_others_are_watched),
        TEST_BOTH(a_watched_word_ends_a_sleep),
        TEST_PROCESSES(the_next_death_is_news),
        TEST_PROCESSES(a_death_ends_a_sleep),
    };
    return harness_main("unit_news", tests, sizeof tests / sizeof *tests);
}
