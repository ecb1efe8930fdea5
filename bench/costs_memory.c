/* SPDX-License-Identifier: MIT */
/* Memory of a channel, by its bound: of the segment's file, and what a process has of it (the ring is
 * mapped twice, and pages that are seen twice count twice), when it was opened and when the whole
 * ring was used. Each in a process of its own. */
#include "costs.h"
#include "figures.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* In bytes. */
struct memory {
    double file;
    double opened, used; /* resident */
};

static double resident(void)
{
    unsigned long all, pages;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu %lu", &all, &pages) != 2)
        fail("read /proc/self/statm", "it is not what it should be");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double file_size(const char *name)
{
    mpsc_stats stats;
    program_check(mpsc_stat(name, &stats), "look at a channel");
    return (double)stats.memory;
}

static void use_all(mpsc_sender *tx, mpsc_receiver *rx, size_t size, size_t bound)
{
    char message[LARGEST_MESSAGE] = {0};
    for (size_t i = 0; i < bound; i++)
        program_check(mpsc_try_send(tx, message, size), "send");
    for (size_t i = 0; i < bound; i++)
        program_check(mpsc_try_recv(rx, message, sizeof message, NULL), "receive");
}

static struct memory measure(size_t size, size_t bound)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    char name[64];
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.message_size = size;
    options.bound = bound;
    options.exclusive = 1;
    snprintf(name, sizeof name, "mpsc-bench-%ld", (long)getpid());
    double before = resident();
    program_check(mpsc_open_receiver(name, &options, &rx), "open a channel");
    options.exclusive = 0;
    program_check(mpsc_open_sender(name, &options, &tx), "open a channel");
    struct memory memory = {.opened = resident() - before};
    use_all(tx, rx, size, bound);
    memory.used = resident() - before;
    memory.file = file_size(name); /* last: who looks needs memory too */
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    return memory;
}

static struct memory measure_in_child(size_t size, size_t bound)
{
    struct memory *shared = program_share(sizeof *shared);
    int status;
    pid_t child = fork();
    if (child == -1)
        fail("fork", strerror(errno));
    if (child == 0) {
        measure(size, 1); /* for what a process has of the library itself */
        *shared = measure(size, bound);
        _exit(EXIT_SUCCESS);
    }
    if (waitpid(child, &status, 0) == -1 || status != 0)
        fail("measure memory", "the child failed");
    struct memory memory = *shared;
    munmap(shared, sizeof *shared);
    return memory;
}

void costs_memory(void)
{
    static const size_t sizes[] = {8, 64}, bounds[] = {1, 16, 1024, 65536};
    static const char table[] = "memory of a channel";
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++) {
            char row[64];
            struct memory memory = measure_in_child(sizes[i], bounds[k]);
            snprintf(row, sizeof row, "%zu bytes, bound %zu", sizes[i], bounds[k]);
            figures_add(table, row, "file", "KiB", memory.file / 1024);
            figures_add(table, row, "resident, opened", "KiB", memory.opened / 1024);
            figures_add(table, row, "resident, used", "KiB", memory.used / 1024);
        }
    }
}
