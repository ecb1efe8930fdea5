/* SPDX-License-Identifier: MIT */
/* What /proc tells of a process. */
#ifndef MPSC_INSPECT_PROCESS_H
#define MPSC_INSPECT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

enum process_sight {
    PROCESS_UNSEEN, /* no such pid here */
    PROCESS_UNSURE, /* there is one, and nothing shows that it is the one */
    PROCESS_SEEN,   /* it has the channel's file open */
};

struct process_info {
    enum process_sight sight;
    char state; /* the letter in /proc/PID/stat */
    char command[64];
};

/*
 * A pid in a segment is as its process sees itself; seen from another pid namespace it may be a
 * stranger's, so the channel's file is looked for among the descriptors of that process. Only what the
 * kernel answers without waiting for the process is read: not its maps, not its command line.
 */
void process_look(uint32_t pid, uint64_t device, uint64_t inode, struct process_info *info);

/* "stopped", "traced", or "alive". */
const char *process_life(const struct process_info *info);
/* Is it one that does nothing until somebody lets it go on? */
bool process_stands_still(const struct process_info *info);

/*
 * Calls `visit` with each file in /dev/shm that a process has in such a folder of /proc/PID, "fd" say;
 * `path` leads to it. Returns how many processes this user may not look into.
 */
typedef void (*process_visit)(const char *path, uint64_t device, uint64_t inode, void *context);
unsigned process_entries(const char *folder, process_visit visit, void *context);

/* Who has that byte of a file in /dev/shm locked, as it is numbered here; 0: nobody is seen. `*hidden`: as
 * process_entries returns. Of several that share the lock, one that stands still. */
uint32_t process_with_lock(uint64_t device, uint64_t inode, uint64_t byte, unsigned *hidden);

#endif
