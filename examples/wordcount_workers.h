/* SPDX-License-Identifier: MIT */
/* The worker processes: forked children that cut files into words and send them. */
#ifndef WORDCOUNT_WORKERS_H
#define WORDCOUNT_WORKERS_H

#include "wordcount_files.h"

#include <mpsc.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct workers {
    pid_t *pids;
    size_t count;
};

/* Forks `count` workers, which split the files among them and send each word as a message of its
 * own, and an empty message for each file that could not be read. They have the signal mask `mask`.
 * False: not all could be forked, it was said why, and workers_wait waits for those that run. */
bool workers_start(struct workers *workers, size_t count, const struct files *files,
                   mpsc_sender *tx, mpsc_receiver *rx, const sigset_t *mask);

/* Ends those that still run. */
void workers_end(const struct workers *workers);

/* Waits for all of them, and says on standard error which failed, and how, unless `quiet`. True:
 * none failed. */
bool workers_wait(struct workers *workers, bool quiet);

#endif
