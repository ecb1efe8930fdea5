/* SPDX-License-Identifier: MIT */
/* The files of a directory tree and the words in them. Knows nothing of channels. */
#ifndef WORDCOUNT_FILES_H
#define WORDCOUNT_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* A word is a run of ASCII letters, digits and underscores, as it is written: `int` and `INT` are
 * two. A longer run is one word too, of which only the first WORD_MAX bytes are looked at. */
enum { WORD_MAX = 64 };

struct files {
    char **paths;
    size_t count;
    size_t unreadable; /* directories and files that could not be looked at */
};

/* Finds the regular files in and below a directory; does not follow symbolic links, but for the
 * directory itself. Says on standard error what it could not look at. False, errno: no such
 * directory, or no memory. Call it once. */
bool files_find(const char *directory, struct files *files);
void files_free(struct files *files);

/* Takes one word, of 1 to WORD_MAX bytes and no NUL at its end. False: enough. */
typedef bool word_sink(void *context, const char *word, size_t length);

enum words_end {
    WORDS_DONE,
    WORDS_STOPPED,    /* by the sink */
    WORDS_UNREADABLE, /* errno says why; words before the fault may have been taken */
};

/* Gives all words of a file to the sink, in order. */
enum words_end words_of(const char *path, word_sink *sink, void *context);

#endif
