/* SPDX-License-Identifier: MIT */
/* Walks a tree with nftw and cuts files into words. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw */
#endif

#include "wordcount_files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPEN_DIRECTORIES = 32, CHUNK = 64 * 1024 };

/* nftw hands its callback no context. */
static struct files *found;

static int add_path(const char *path)
{
    if ((found->count & (found->count - 1)) == 0) { /* full: none, or a power of two */
        size_t room = found->count ? found->count * 2 : 1;
        char **larger = realloc(found->paths, room * sizeof *larger);
        if (!larger)
            return -1;
        found->paths = larger;
    }
    found->paths[found->count] = strdup(path);
    if (!found->paths[found->count])
        return -1;
    found->count++;
    return 0;
}

static int visit(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)position;
    if (type == FTW_F && S_ISREG(status->st_mode))
        return add_path(path);
    if (type == FTW_DNR || type == FTW_NS) {
        fprintf(stderr, "wordcount: cannot look at %s\n", path);
        found->unreadable++;
    }
    return 0;
}

bool files_find(const char *directory, struct files *files)
{
    *files = (struct files){0};
    struct stat status;
    char *root = realpath(directory, NULL); /* the directory may itself be a link */
    if (!root)
        return false;
    if (stat(root, &status) == 0 && !S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode)) {
        free(root);
        errno = ENOTDIR;
        return false;
    }
    found = files;
    int walked = nftw(root, visit, OPEN_DIRECTORIES, FTW_PHYS);
    int error = errno;
    free(root);
    if (walked == 0)
        return true;
    files_free(files);
    errno = error;
    return false;
}

void files_free(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->paths[i]);
    free(files->paths);
    *files = (struct files){0};
}

/* Not isalnum: what a word is must not depend on the locale. */
static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The word that is being read; it may have begun in an earlier chunk. */
struct cutter {
    char word[WORD_MAX];
    size_t length;
    word_sink *sink;
    void *context;
};

static bool end_word(struct cutter *cutter)
{
    size_t length = cutter->length;
    cutter->length = 0;
    return length == 0 || cutter->sink(cutter->context, cutter->word, length);
}

static bool cut(struct cutter *cutter, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_letter((unsigned char)bytes[i])) {
            if (!end_word(cutter))
                return false;
        } else if (cutter->length < WORD_MAX) {
            cutter->word[cutter->length++] = bytes[i];
        }
    }
    return true;
}

enum words_end words_of(const char *path, word_sink *sink, void *context)
{
    struct cutter cutter = {.length = 0, .sink = sink, .context = context};
    char chunk[CHUNK];

    /* It was a regular file when it was found; if it is a FIFO by now, do not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd == -1)
        return WORDS_UNREADABLE;

    enum words_end end = WORDS_DONE;
    int error = 0;
    while (end == WORDS_DONE) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0)
            break;
        if (n > 0) {
            if (!cut(&cutter, chunk, (size_t)n))
                end = WORDS_STOPPED;
        } else if (errno != EINTR) {
            error = errno;
            end = WORDS_UNREADABLE;
        }
    }
    if (end == WORDS_DONE && !end_word(&cutter))
        end = WORDS_STOPPED;
    close(fd);
    errno = error;
    return end;
}
