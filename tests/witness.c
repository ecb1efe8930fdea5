/* SPDX-License-Identifier: MIT */
#include "witness.h"
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SEGMENTS = 4, EXTENTS = 64, MUTEXES = 16 };

struct extent {
    off_t begin, end;
};

struct seen_segment {
    int fd; /* a description of our own, for reading */
    ino_t inode;
    struct extent extents[EXTENTS]; /* that have memory */
    unsigned count;
};

struct witness {
    pid_t pid;
    struct seen_segment segments[SEGMENTS];
    unsigned count;
};

struct witness *witness_start(pid_t pid)
{
    struct witness *witness = calloc(1, sizeof *witness);
    assert_non_null(witness);
    witness->pid = pid;
    return witness;
}

void witness_end(struct witness *witness)
{
    for (unsigned i = 0; i < witness->count; i++)
        close(witness->segments[i].fd);
    free(witness);
}

/* ------------------------------------------------------------------ segments */

static bool is_known(const struct witness *witness, ino_t inode)
{
    for (unsigned i = 0; i < witness->count; i++)
        if (witness->segments[i].inode == inode)
            return true;
    return false;
}

static void meet(struct witness *witness, int folder, const char *name)
{
    char target[300] = "";
    struct stat status;
    if (readlinkat(folder, name, target, sizeof target - 1) < 0 ||
        strncmp(target, "/dev/shm/", 9) != 0 || fstatat(folder, name, &status, 0) != 0 ||
        is_known(witness, status.st_ino))
        return;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_in_range(witness->count, 0, SEGMENTS - 1);
    witness->segments[witness->count++] = (struct seen_segment){.fd = fd, .inode = status.st_ino};
}

static void meet_all(struct witness *witness)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)witness->pid);
    DIR *folder = opendir(path);
    if (!folder)
        return; /* it has exited */
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            meet(witness, dirfd(folder), entry->d_name);
    closedir(folder);
}

static void find_memory(struct seen_segment *segment)
{
    off_t begin, end = 0;
    segment->count = 0;
    while ((begin = lseek(segment->fd, end, SEEK_DATA)) >= 0) {
        end = lseek(segment->fd, begin, SEEK_HOLE);
        assert_in_range(segment->count, 0, EXTENTS - 1);
        segment->extents[segment->count++] = (struct extent){begin, end};
    }
}

static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 29;
}

static uint64_t mix_segment(const struct seen_segment *segment, uint64_t sum)
{
    static uint64_t page[8192];
    for (unsigned i = 0; i < segment->count; i++) {
        off_t at = segment->extents[i].begin;
        for (ssize_t size; at < segment->extents[i].end; at += size) {
            size_t most = (size_t)(segment->extents[i].end - at);
            size = pread(segment->fd, page, most < sizeof page ? most : sizeof page, at);
            if (size <= 0)
                break;
            for (size_t word = 0; word < (size_t)size / 8; word++)
                sum = mix(sum, page[word]);
        }
    }
    return sum;
}

/* ------------------------------------------------------------------ robust mutexes */

static bool peek(const struct witness *witness, const void *from, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)from, size};
    return process_vm_readv(witness->pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* As the kernel walks it. */
static uint64_t mix_mutexes(const struct witness *witness, uint64_t sum)
{
    struct robust_list_head *where, head;
    size_t size;
    if (syscall(SYS_get_robust_list, witness->pid, &where, &size) != 0 || !where ||
        !peek(witness, where, &head, sizeof head))
        return sum;
    sum = mix(mix(sum, (uintptr_t)head.list.next), (uintptr_t)head.list_op_pending);
    struct robust_list *entry = head.list.next;
    for (unsigned i = 0; i < MUTEXES && entry != &where->list; i++) {
        uint32_t word = 0;
        const char *mutex = (const char *)entry + head.futex_offset;
        struct robust_list next = {NULL};
        if (!peek(witness, entry, &next, sizeof next) || !peek(witness, mutex, &word, sizeof word))
            break;
        sum = mix(mix(sum, (uintptr_t)next.next), word);
        entry = next.next;
    }
    return sum;
}

uint64_t witness_look(struct witness *witness, bool after_system_call)
{
    uint64_t sum = 1;
    if (after_system_call) {
        meet_all(witness);
        for (unsigned i = 0; i < witness->count; i++)
            find_memory(&witness->segments[i]);
    }
    for (unsigned i = 0; i < witness->count; i++)
        sum = mix_segment(&witness->segments[i], sum);
    return mix_mutexes(witness, sum);
}
