/* SPDX-License-Identifier: MIT */
/* The command line of wordcount. */
#ifndef WORDCOUNT_SETTINGS_H
#define WORDCOUNT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

struct settings {
    const char *directory;
    const char *name; /* NULL: a private channel */
    size_t workers;
    size_t bound;
    size_t top;
    bool verify;
};

/* Ends the program after --help, and with exit status 2 if something is wrong. */
struct settings parse_settings(int argc, char **argv);

#endif
