/* SPDX-License-Identifier: MIT */
/*
 * The operating system, in plain values: descriptors, bytes, addresses. Nothing above this folder
 * includes a system header beyond C and pthreads, and nothing in it knows a channel.
 *
 * Calls return 0 or a value on success and a negative errno on failure. Every descriptor is
 * close-on-exec. EINTR is retried inside, except where a caller waits.
 */
#ifndef MPSC_OS_H
#define MPSC_OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- shm.c: objects in /dev/shm, and their mappings */

struct os_file {
    uint64_t device, inode;
    uint64_t size, allocated; /* bytes */
    uint32_t owner;           /* user id */
    uint32_t permissions;
    bool linked;  /* a name leads to it */
    bool regular; /* not a directory, fifo, ... */
};

int os_shm_open(const char *name, bool writable);
/* A new object without a name, so that nothing stays behind if we are killed. */
int os_shm_create(uint32_t permissions);
/* Gives it its name; -EEXIST if that is taken. */
int os_shm_link(int fd, const char *name);
int os_shm_unlink(const char *name);
/* A new description of the object behind `fd`: its locks are its own. */
int os_shm_reopen(int fd);
int os_shm_resize(int fd, uint64_t size);
/* Commits memory for the range: no store into it can fail later. -ENOSPC when there is none. */
int os_shm_commit(int fd, uint64_t offset, uint64_t length);
/* Is there room for so many bytes more? To be asked before: a range that does not fit takes all there is until
 * it is refused, and meanwhile others' stores into holes are SIGBUS. */
bool os_shm_has_room(int fd, uint64_t bytes);
/* Makes it that large, if it is not larger: whoever made it so has mapped it. */
int os_shm_grow(int fd, uint64_t size);
/* Gives the memory back: the range reads as zeroes. */
void os_shm_free(int fd, uint64_t offset, uint64_t length);
int os_file_status(int fd, struct os_file *status);
/* The same of what the name leads to, without a descriptor. */
int os_shm_status(const char *name, struct os_file *status);
int os_read_at(int fd, void *buffer, size_t size, uint64_t offset);
void os_close(int fd);
/* The descriptor, or another in its place: not 0, 1 or 2, for a program that has closed those and prints must
 * not write into ours, nor its daemon() take it. A negative errno; of -1, what errno says. */
int os_above_standard(int fd);

size_t os_page_size(void);
int os_map(int fd, uint64_t offset, size_t length, void **address);
/* Of no file: zeroes, which take memory only where they are touched. */
int os_map_zeroes(size_t length, void **address);
/* Maps `once` bytes at `offset`, and of those the last `twice` bytes once more right behind. */
int os_map_mirrored(int fd, uint64_t offset, size_t once, size_t twice, void **address);
/* As os_shm_free, of pages that are mapped. */
void os_free_mapped(void *address, size_t length);
void os_unmap(void *address, size_t length);

/* ---- lock.c: open-file-description locks of single bytes */

/* -EAGAIN if another description holds it. A description never conflicts with itself. */
int os_lock_try(int fd, uint64_t byte);
/* Waits for it, whatever signals come. */
int os_lock_wait(int fd, uint64_t byte);
/* 1: held by another description; 0: free; negative: unknown. Reading permission is enough. */
int os_lock_held(int fd, uint64_t byte);
/* Ties the locks of `fd` to the life of this address space, and closes `fd`: they end with exec or
 * the process, whatever becomes of its descriptors and children. `*anchor` is for os_unmap of
 * os_page_size() bytes, which ends them at once. Closes `fd` on failure too. */
int os_lock_anchor(int fd, void **anchor);

/* ---- process.c */

uint32_t os_process_id(void);
uint32_t os_effective_user(void);
/* A page that reads as zeroes in a child that is made without fork's handlers; NULL: none. */
atomic_uint *os_wipe_on_fork(void);
/* Asks that os_barrier_all of others reach this process; false: not to be had here. */
bool os_barrier_register(void);
/* A full memory barrier on every running thread of every registered process. */
bool os_barrier_all(void);
/* The same by waiting for as long as no processor keeps a store to itself. */
void os_barrier_by_time(void);
void os_pause(uint64_t nanoseconds);
void os_yield(void);

/* ---- news.c: words by which the kernel tells of a death. Calls come from one thread at a time. */

/* Bytes at the end of a page; the first word of them is the futex. */
#define OS_NEWS_SIZE 24
#define OS_NEWS_THREAD 0x3fffffffu  /* whose it is; 0: nobody's */
#define OS_NEWS_DIED 0x40000000u    /* that one died */
#define OS_NEWS_WATCHED 0x80000000u /* somebody sleeps on it: set this, or no one is woken */

/* Makes the end of that page of `fd` tell of this process' death. NULL: no news to be had. */
void *os_news_begin(int fd, uint64_t offset);
void os_news_end(void *news);
/* In a child: what the parent began is not here. */
void os_news_forget(void);

/* ---- signal.c: signals of the calling thread */

struct os_signals {
    uint64_t mask[16];
};
/* Holds up those that come, until they are released; what was held up before is in `before`. */
void os_signals_hold(struct os_signals *before);
void os_signals_release(const struct os_signals *before);
/* Will releasing them run a handler? */
bool os_signals_waiting(const struct os_signals *before);
/* Would a handler of some signal let os_futex_wait_any go on, instead of ending it? */
bool os_signals_restart(void);

/* ---- bell.c: descriptors that become readable */

struct os_bell {
    int pollable; /* the one for others */
    int rung, alarm;
    uint64_t mark; /* no other one's */
};
#define OS_NO_BELL ((struct os_bell){-1, -1, -1, 0})
#define OS_BELL_RANG 1u /* somebody rang, or changed the object otherwise */
#define OS_BELL_LEFT                                                                               \
    2u /* an opening of it is closed, perhaps by a death; its locks end thereafter */
#define OS_BELL_ALARM 4u /* the alarm's time has come */
#define OS_BELL_DEAF                                                                               \
    8u /* it listens no more to an object: listen anew. A name of that was removed */
#define OS_BELL_CHANGED 16u /* an object has lost a name, perhaps what it was durable by; or its mode changed */

int os_bell_open(struct os_bell *bell);
void os_bell_close(struct os_bell *bell);
/* `bell` becomes `other`, under its own number. */
void os_bell_replace(struct os_bell *bell, const struct os_bell *other);
/* Are the descriptors still these (1), or has the program closed them, and perhaps opened others (0)? Or
 * negative: it cannot be told now. */
int os_bell_ours(const struct os_bell *bell);
/* From now on it rings for the object behind `fd`, too. The number of that watch, or negative. */
int os_bell_listen(const struct os_bell *bell, int fd);
void os_bell_ignore(const struct os_bell *bell, int watch);
/* What came since it was asked last, of the bits above. It is not readable then. */
unsigned os_bell_take(const struct os_bell *bell);
/* Makes it readable after so long; 0: never mind. */
void os_bell_alarm(const struct os_bell *bell, uint64_t nanoseconds);
/* Rings all bells that listen to the object: `page`, mapped, is one of it that has no memory. */
bool os_bell_ring(void *page);
/* Sleeps until it is readable, with these signals let through. 0, -ETIMEDOUT, -EINTR. */
int os_bell_wait(const struct os_bell *bell, uint64_t deadline, const struct os_signals *signals);

/* ---- futex.c: words in shared memory */

/* Sleeps while *word is `expected`, at most until `deadline`. 0: woken, or the value differed;
 * -ETIMEDOUT; -EINTR: a signal handler ran. */
int os_futex_wait(atomic_uint *word, unsigned expected, uint64_t deadline);
/* The same for several: sleeps while each `word` is `expected`. The first one's waker is as likely as
 * the others'. 0, -ETIMEDOUT, -EINTR (but see os_signals_restart), -ENOSYS: before Linux 5.16. */
struct os_futex {
    atomic_uint *word;
    unsigned expected;
};
enum { OS_FUTEX_MOST = 128 };
int os_futex_wait_any(const struct os_futex *futexes, unsigned count, uint64_t deadline);
void os_futex_wake(atomic_uint *word, int how_many);

/* ---- clock.c */

#define OS_FOREVER UINT64_MAX
/* Nanoseconds of the monotonic clock. */
uint64_t os_now(void);

#endif
