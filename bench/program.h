/* SPDX-License-Identifier: MIT */
/* What the benchmark's programs have in common: options, progress, the clock, and giving up. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "transport.h"

#include <mpsc.h>
#include <stdbool.h>

enum { MOST_ROUNDS = 99 };

struct settings {
    bool quick;
    size_t rounds;
};

/* Of --quick, --rounds N and --help, which prints `help`. Ends the program where they are wrong. */
struct settings program_settings(int argc, char **argv, const char *help);

/* On standard error, where that is a terminal. */
void program_progress(const char *what, size_t done, size_t all);
void program_progress_end(void);

/* Seconds of the monotonic clock. */
double program_now(void);

/* Ends the program unless the call has succeeded. */
void program_check(mpsc_status status, const char *doing);

/* Gives memory that forked children share with this process; all zeros. */
void *program_share(size_t size);

#endif
