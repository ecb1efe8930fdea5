/* SPDX-License-Identifier: MIT */
/*
 * News of a death. A robust mutex that is locked for as long as its process takes part: when the
 * thread that locked it dies, the kernel marks its word, OS_NEWS_DIED, and wakes who sleeps on it.
 *
 * Only that word is in shared memory. The mutex lies across the end of a shared page, and its list
 * pointers, which the C library follows, are in a private page behind it, out of reach of whoever
 * writes into the segment. While the library locks and unlocks it the other page is private, too. That it
 * is laid out so is seen when it is locked; where not, no news.
 *
 * The word is a hint. It belongs to a thread, which may end while its process lives, and it is
 * marked before the process' memory is gone: the lock of the process' byte decides.
 */
#include "os.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What of the mutex is shared. */
enum { SHARED = OS_NEWS_SIZE };

/* The private page: the rest of the mutex, and our own notes. */
struct notes {
    unsigned char rest[sizeof(pthread_mutex_t) - SHARED];
    unsigned char locked[SHARED]; /* how the shared part looks while it is locked */
    pid_t thread;                 /* that locked it: its id, which others will have after it */
    uint64_t number;              /* and its number, which none will */
    unsigned char *pages;
    struct notes *next; /* of those that wait for their thread */
};

/* Ended by another thread than locked them: in that thread's list until it comes by, or is gone. */
static struct notes *kept;

static pthread_mutex_t *mutex_of(const struct notes *notes)
{
    return (pthread_mutex_t *)(void *)(notes->pages + os_page_size() - SHARED);
}

static pid_t this_thread(void)
{
    return (pid_t)syscall(SYS_gettid);
}

/* Of this thread; numbers are never given again. */
static uint64_t this_number(void)
{
    static _Atomic uint64_t last;
    static _Thread_local uint64_t number;
    if (!number)
        number = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    return number;
}

static int lock_robust(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error)
        return -error;
    error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (!error)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (!error)
        error = pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    /* Nobody else locks it. To try is not to wait: it is no part of any order of locks. */
    return error ? -error : -pthread_mutex_trylock(mutex);
}

/* Does the word hold our id (and perhaps somebody's mark that it is watched), and do the pointers lie in
 * the private page? */
static bool laid_out_as_expected(const struct notes *notes)
{
    static const unsigned char nothing[sizeof notes->rest];
    unsigned word;
    memcpy(&word, mutex_of(notes), sizeof word);
    return (word & OS_NEWS_THREAD) == (unsigned)notes->thread &&
           memcmp(notes->rest, nothing, sizeof nothing) != 0;
}

/* Lays a private page over the shared one, with the mutex as it was, whoever wrote there since: the C
 * library must not stumble over it. */
static void withdraw(const struct notes *notes)
{
    size_t page = os_page_size();
    if (mmap(notes->pages, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) != MAP_FAILED)
        madvise(notes->pages, page, MADV_DONTFORK);
    memcpy(mutex_of(notes), notes->locked, SHARED);
}

static void unlock(struct notes *notes)
{
    atomic_uint *word = (atomic_uint *)(void *)mutex_of(notes);
    if (atomic_exchange_explicit(word, 0, memory_order_relaxed) & OS_NEWS_WATCHED)
        os_futex_wake(word, INT_MAX);
    withdraw(notes);
    pthread_mutex_unlock(mutex_of(notes));
    munmap(notes->pages, 2 * os_page_size());
}

/* Those of this thread are unlocked, those of threads that are gone forgotten. */
static void tidy(void)
{
    for (struct notes **at = &kept; *at;) {
        struct notes *notes = *at;
        bool mine = notes->number == this_number();
        bool gone = syscall(SYS_tgkill, getpid(), notes->thread, 0) != 0 && errno == ESRCH;
        if (!mine && !gone) {
            at = &notes->next;
            continue;
        }
        *at = notes->next;
        if (mine)
            unlock(notes);
        else
            munmap(notes->pages, 2 * os_page_size());
    }
}

static bool share(const struct notes *notes, int fd, uint64_t offset)
{
    size_t page = os_page_size();
    if (mmap(notes->pages, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
             (off_t)offset) == MAP_FAILED ||
        madvise(notes->pages, page, MADV_DONTFORK) != 0)
        return false;
    memcpy(mutex_of(notes), notes->locked, SHARED);
    return true;
}

void *os_news_begin(int fd, uint64_t offset)
{
    tidy();
    size_t page = os_page_size();
    unsigned char *pages =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    struct notes *notes = (struct notes *)(void *)(pages + page);
    notes->pages = pages;
    notes->thread = this_thread();
    notes->number = this_number();
    bool locked = madvise(pages, 2 * page, MADV_DONTFORK) == 0 && lock_robust(mutex_of(notes)) == 0;
    if (locked && laid_out_as_expected(notes)) {
        memcpy(notes->locked, mutex_of(notes), SHARED);
        if (share(notes, fd, offset))
            return notes;
        withdraw(notes);
    }
    if (locked)
        pthread_mutex_unlock(mutex_of(notes));
    munmap(pages, 2 * page);
    return NULL;
}

void os_news_end(void *news)
{
    struct notes *notes = news;
    if (!notes)
        return;
    if (notes->number == this_number()) {
        unlock(notes);
    } else {
        /* It stays in that thread's list, but the segment's page is let go. */
        withdraw(notes);
        notes->next = kept;
        kept = notes;
    }
    tidy();
}

void os_news_forget(void)
{
    kept = NULL;
}
