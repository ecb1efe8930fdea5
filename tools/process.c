/* SPDX-License-Identifier: MIT */
#include "process.h"
#include "inspect.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 80, STAT_SIZE = 512 };

/* ---- its state */

/* "7 (name, which may hold any character) S 1 ..." */
static bool parse_stat(char *text, struct process_info *info)
{
    const char *begin = strchr(text, '(');
    char *end = strrchr(text, ')');
    if (!begin || !end || end < begin || end[1] != ' ' || end[2] == '\0')
        return false;
    *end = '\0';
    snprintf(info->command, sizeof info->command, "%s", begin + 1);
    info->state = end[2];
    return true;
}

static bool read_stat(uint32_t pid, struct process_info *info)
{
    char path[PATH_SIZE], text[STAT_SIZE];
    snprintf(path, sizeof path, "/proc/%" PRIu32 "/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return parse_stat(text, info);
}

const char *process_life(const struct process_info *info)
{
    switch (info->state) {
    case 'T':
        return "stopped";
    case 't':
        return "traced";
    default:
        return "alive";
    }
}

bool process_stands_still(const struct process_info *info)
{
    return info->sight != PROCESS_UNSEEN && (info->state == 'T' || info->state == 't');
}

/* ---- its descriptors */

/* A regular file in CHANNEL_FOLDER. Only what lies there is asked for more than its name: a file system
 * that does not answer would let us wait. */
static bool leads_to_file(int folder, const char *entry, struct stat *file)
{
    static const char prefix[] = CHANNEL_FOLDER "/";
    char target[sizeof prefix];
    ssize_t length = readlinkat(folder, entry, target, sizeof target - 1);
    return length == (ssize_t)sizeof target - 1 && memcmp(target, prefix, sizeof prefix - 1) == 0 &&
           fstatat(folder, entry, file, 0) == 0 && S_ISREG(file->st_mode);
}

static DIR *open_folder(const char *pid, const char *name)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%.16s/%s", pid, name);
    return opendir(path);
}

static bool has_open(uint32_t pid, uint64_t device, uint64_t inode)
{
    char text[16];
    snprintf(text, sizeof text, "%" PRIu32, pid);
    DIR *folder = open_folder(text, "fd");
    if (!folder)
        return false;
    bool found = false;
    const struct dirent *entry;
    struct stat file;
    while (!found && (entry = readdir(folder)))
        found = leads_to_file(dirfd(folder), entry->d_name, &file) && file.st_dev == device &&
                file.st_ino == inode;
    closedir(folder);
    return found;
}

void process_look(uint32_t pid, uint64_t device, uint64_t inode, struct process_info *info)
{
    *info = (struct process_info){.sight = PROCESS_UNSEEN};
    if (pid != 0 && read_stat(pid, info))
        info->sight = has_open(pid, device, inode) ? PROCESS_SEEN : PROCESS_UNSURE;
}

/* ---- all of them */

static void visit_folder(DIR *folder, const char *pid, const char *name, process_visit visit,
                         void *context)
{
    const struct dirent *entry;
    while ((entry = readdir(folder))) {
        struct stat file;
        char path[PATH_SIZE];
        if (!leads_to_file(dirfd(folder), entry->d_name, &file))
            continue;
        snprintf(path, sizeof path, "/proc/%.16s/%s/%.36s", pid, name, entry->d_name);
        visit(path, file.st_dev, file.st_ino, context);
    }
}

unsigned process_entries(const char *name, process_visit visit, void *context)
{
    DIR *all = opendir("/proc");
    const struct dirent *entry;
    unsigned hidden = 0;
    while (all && (entry = readdir(all))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        DIR *folder = open_folder(entry->d_name, name);
        if (folder)
            visit_folder(folder, entry->d_name, name, visit, context);
        else
            hidden += errno == EACCES;
        if (folder)
            closedir(folder);
    }
    if (all)
        closedir(all);
    return hidden;
}

/* ---- who has a lock: fcntl does not tell of one that belongs to a description */

struct lock {
    uint64_t device, inode, byte;
    uint32_t pid; /* 0: not found as yet */
    bool still;
};

/* "lock:", a number, the type, "ADVISORY", "WRITE", a pid, the file, and its first and last byte */
static bool is_locked(uint32_t pid, unsigned descriptor, uint64_t byte)
{
    char path[PATH_SIZE], line[STAT_SIZE];
    snprintf(path, sizeof path, "/proc/%" PRIu32 "/fdinfo/%u", pid, descriptor);
    FILE *info = fopen(path, "re");
    bool found = false;
    while (info && !found && fgets(line, sizeof line, info)) {
        uint64_t first, last;
        found = sscanf(line, "lock: %*s %*s %*s WRITE %*s %*s %" SCNu64 " %" SCNu64, &first,
                       &last) == 2 &&
                first <= byte && byte <= last;
    }
    if (info)
        fclose(info);
    return found;
}

static void look_for_lock(const char *path, uint64_t device, uint64_t inode, void *context)
{
    struct lock *lock = context;
    struct process_info info;
    uint32_t pid;
    unsigned descriptor;
    if (lock->still || device != lock->device || inode != lock->inode ||
        sscanf(path, "/proc/%" SCNu32 "/fd/%u", &pid, &descriptor) != 2 ||
        !is_locked(pid, descriptor, lock->byte))
        return;
    process_look(pid, device, inode, &info);
    lock->still = process_stands_still(&info);
    lock->pid = pid;
}

uint32_t process_with_lock(uint64_t device, uint64_t inode, uint64_t byte, unsigned *hidden)
{
    struct lock lock = {.device = device, .inode = inode, .byte = byte};
    *hidden = process_entries("fd", look_for_lock, &lock);
    return lock.pid;
}
