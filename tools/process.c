/* SPDX-License-Identifier: MIT */
/* What /proc tells of a process. */
#include "inspect.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 64, STAT_SIZE = 512 };

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

/* Only what lies in the folder is asked for more than its name: a file system that does not answer
 * would let us wait. */
static bool leads_to(int folder, const char *entry, const struct channel *channel)
{
    static const char prefix[] = CHANNEL_FOLDER "/";
    char target[sizeof prefix];
    struct stat file;
    ssize_t length = readlinkat(folder, entry, target, sizeof target - 1);
    return length == (ssize_t)sizeof target - 1 && memcmp(target, prefix, sizeof prefix - 1) == 0 &&
           fstatat(folder, entry, &file, 0) == 0 && file.st_dev == channel->device &&
           file.st_ino == channel->inode;
}

static bool has_open(uint32_t pid, const struct channel *channel)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%" PRIu32 "/fd", pid);
    DIR *folder = opendir(path);
    if (!folder)
        return false;
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(folder)))
        found = leads_to(dirfd(folder), entry->d_name, channel);
    closedir(folder);
    return found;
}

void process_look(uint32_t pid, const struct channel *channel, struct process_info *info)
{
    *info = (struct process_info){.sight = PROCESS_UNSEEN};
    if (pid != 0 && read_stat(pid, info))
        info->sight = has_open(pid, channel) ? PROCESS_SEEN : PROCESS_UNSURE;
}
