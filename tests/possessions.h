/* SPDX-License-Identifier: MIT */
/* What a process has, for calls that fail and must leave nothing behind. */
#ifndef POSSESSIONS_H
#define POSSESSIONS_H

#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

struct possessions {
    unsigned descriptors;
    unsigned mappings; /* of files in /dev/shm; 0 without /proc */
    unsigned names;    /* of this test */
};

static inline unsigned possessions_names(void)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s", channel_name());
    *strrchr(prefix, '-') = '\0';
    unsigned count = 0;
    DIR *folder = opendir("/dev/shm");
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    if (folder)
        closedir(folder);
    return count;
}

static inline unsigned possessions_mappings(void)
{
    char line[512];
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps))
        count += strstr(line, "/dev/shm/") != NULL;
    if (maps)
        fclose(maps);
    return count;
}

static inline struct possessions possessions_now(void)
{
    struct possessions now = {.mappings = possessions_mappings(), .names = possessions_names()};
    for (int fd = 0; fd < 1024; fd++)
        now.descriptors += fcntl(fd, F_GETFD) >= 0;
    return now;
}

static inline void assert_possessions(struct possessions before)
{
    struct possessions now = possessions_now();
    assert_int_equal(now.descriptors, before.descriptors);
    assert_int_equal(now.mappings, before.mappings);
    assert_int_equal(now.names, before.names);
}

#endif
