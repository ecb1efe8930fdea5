/* SPDX-License-Identifier: MIT */
#include "wordcount_workers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool send_word(void *context, const char *word, size_t length)
{
    mpsc_sender *tx = context;
    mpsc_status status;
    do
        status = mpsc_send(tx, word, length);
    while (status == MPSC_INTERRUPTED);
    if (status == MPSC_OK)
        return true;

    if (status == MPSC_DISCONNECTED) /* whoever ended the parent knows why */
        return false;
    fprintf(stderr, "wordcount: worker %ld cannot send: %s\n", (long)getpid(),
            mpsc_strstatus(status));
    return false;
}

/* The body of worker `index` of `count`: every count-th file is its share. True: all was sent. */
static bool work(const struct files *files, size_t index, size_t count, mpsc_sender *tx)
{
    for (size_t i = index; i < files->count; i += count) {
        switch (words_of(files->paths[i], send_word, tx)) {
        case WORDS_DONE:
            break;
        case WORDS_STOPPED:
            return false;
        case WORDS_UNREADABLE:
            fprintf(stderr, "wordcount: cannot read %s: %s\n", files->paths[i], strerror(errno));
            if (!send_word(tx, NULL, 0))
                return false;
            break;
        }
    }
    return true;
}

bool workers_start(struct workers *workers, size_t count, const struct files *files,
                   mpsc_sender *tx, mpsc_receiver *rx, const sigset_t *mask)
{
    workers->count = 0;
    workers->pids = calloc(count, sizeof *workers->pids);
    if (!workers->pids) {
        fprintf(stderr, "wordcount: no memory for %zu workers\n", count);
        return false;
    }
    fflush(NULL); /* or the children would write what is buffered once more */
    for (size_t i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == -1) {
            fprintf(stderr, "wordcount: cannot fork: %s\n", strerror(errno));
            return false;
        }
        if (pid == 0) {
            /* A child has its parent's handles, as it has a pipe's ends: its sender is a clone,
             * and the receiver it does not need. */
            sigprocmask(SIG_SETMASK, mask, NULL);
            mpsc_receiver_close(rx);
            bool sent = work(files, i, count, tx);
            mpsc_sender_close(tx);
            _exit(sent ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        workers->pids[workers->count++] = pid;
    }
    return true;
}

void workers_end(const struct workers *workers)
{
    for (size_t i = 0; i < workers->count; i++)
        kill(workers->pids[i], SIGTERM);
}

static bool succeeded(pid_t pid, int status, bool quiet)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
        return true;
    if (quiet)
        return false;
    if (WIFSIGNALED(status))
        fprintf(stderr, "wordcount: worker %ld was killed by signal %d (%s)\n", (long)pid,
                WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "wordcount: worker %ld failed\n", (long)pid);
    return false;
}

bool workers_wait(struct workers *workers, bool quiet)
{
    bool all = true;
    for (size_t i = 0; i < workers->count; i++) {
        int status = 0;
        pid_t pid;
        do
            pid = waitpid(workers->pids[i], &status, 0);
        while (pid == -1 && errno == EINTR);
        all = pid != -1 && succeeded(pid, status, quiet) && all;
    }
    free(workers->pids);
    *workers = (struct workers){0};
    return all;
}
