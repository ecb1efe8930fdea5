/* SPDX-License-Identifier: MIT */
/*
 * Counts the words of a directory tree with several processes and one channel: each worker, a
 * forked child, reads its share of the files and sends every word; the parent receives, counts, and
 * prints the most frequent ones and the rate.
 *
 *      files --> worker --\
 *      files --> worker ---+==> channel ==> parent: counts
 *      files --> worker --/
 *
 * wordcount_files.c cuts files into words, wordcount_table.c counts them, wordcount_workers.c runs
 * the children.
 */
#include "wordcount_files.h"
#include "wordcount_settings.h"
#include "wordcount_table.h"
#include "wordcount_workers.h"

#include <errno.h>
#include <inttypes.h>
#include <mpsc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DIFFERENCES_SHOWN = 10, PROGRESS_EVERY = 1 << 12 };

struct result {
    struct table table;
    uint64_t messages;
    uint64_t unreadable;
    double seconds;
};

/* ------------------------------------------------------------------ channel */

static void check(mpsc_status status, const char *doing, const char *name)
{
    if (status == MPSC_OK)
        return;
    fprintf(stderr, "wordcount: cannot %s %s: %s\n", doing, name,
            status == MPSC_OS ? strerror(errno) : mpsc_strstatus(status));
    if (status == MPSC_INVALID)
        fprintf(stderr, "wordcount: a name has 1 to %d bytes, and no slash but a leading one\n",
                MPSC_MAX_NAME);
    else if (status != MPSC_NO_SPACE && status != MPSC_NO_MEMORY)
        fprintf(stderr,
                "wordcount: another --name may be free; mpsc-inspect shows who has this one\n");
    exit(EXIT_FAILURE);
}

static void open_channel(const struct settings *settings, mpsc_sender **tx, mpsc_receiver **rx)
{
    if (!settings->name) {
        check(mpsc_sync_channel(WORD_MAX, settings->bound, tx, rx), "make", "a channel");
        return;
    }
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.message_size = WORD_MAX; /* so that each word is one message of the bound */
    options.bound = settings->bound;
    options.exclusive = 1; /* words of another run would spoil the count */
    check(mpsc_open_receiver(settings->name, &options, rx), "make channel", settings->name);
    options.create = 0;
    options.exclusive = 0;
    check(mpsc_open_sender(settings->name, &options, tx), "open channel", settings->name);
}

/* ------------------------------------------------------------------ counting */

/* Signals that would end the program do so once the channel and the children are cleared away. They
 * are held up while the children are made, who are ended by them at once. */
static const int ending_signals[] = {SIGHUP, SIGINT, SIGTERM};
enum { ENDING_SIGNALS = sizeof ending_signals / sizeof ending_signals[0] };
static struct sigaction old_actions[ENDING_SIGNALS];
static volatile sig_atomic_t ending_signal; /* 0: none came */

static void hold_signals(sigset_t *before)
{
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < ENDING_SIGNALS; i++)
        sigaddset(&set, ending_signals[i]);
    sigprocmask(SIG_BLOCK, &set, before);
}

static void on_signal(int number)
{
    ending_signal = number;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: receiving ends */
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < ENDING_SIGNALS; i++) {
        sigaction(ending_signals[i], NULL, &old_actions[i]);
        if (old_actions[i].sa_handler != SIG_IGN)
            sigaction(ending_signals[i], &action, NULL);
    }
}

static void restore_signals(void)
{
    for (int i = 0; i < ENDING_SIGNALS; i++)
        sigaction(ending_signals[i], &old_actions[i], NULL);
    if (ending_signal)
        raise(ending_signal);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool count_word(void *context, const char *word, size_t length)
{
    struct table *table = context;
    if (table_add(table, word, length))
        return true;
    fputs("wordcount: no memory left for words\n", stderr);
    return false;
}

static void show_progress(const struct result *result, double since, size_t queued)
{
    static double shown;
    double time = now();
    if (time - shown < 0.1)
        return;
    shown = time;
    fprintf(stderr, "\r%12" PRIu64 " words, %9zu different, %5zu queued, %6.1f s\033[K",
            result->messages, result->table.used, queued, time - since);
}

/* Counts until all workers have gone. False: not all was received, and it was said why. */
static bool count_messages(mpsc_receiver *rx, double start, struct result *result)
{
    const bool terminal = isatty(STDERR_FILENO);
    char word[WORD_MAX];
    size_t length;
    mpsc_status status = MPSC_OK;
    bool counted = true;

    while (counted && !ending_signal) {
        status = mpsc_recv(rx, word, sizeof word, &length);
        if (status == MPSC_INTERRUPTED)
            continue;
        if (status != MPSC_OK)
            break;
        result->messages++;
        if (length == 0) /* a worker's word for a file that it could not read */
            result->unreadable++;
        else
            counted = count_word(&result->table, word, length);
        if (terminal && result->messages % PROGRESS_EVERY == 0)
            show_progress(result, start, mpsc_len(rx));
    }
    result->seconds = now() - start;
    if (terminal)
        fputs("\r\033[K", stderr);
    if (status == MPSC_DISCONNECTED)
        return true;
    if (counted && !ending_signal)
        fprintf(stderr, "wordcount: cannot receive: %s\n", mpsc_strstatus(status));
    return false;
}

/* The main job: children send, the parent counts. False: something failed, and it was said what. */
static bool count_with_workers(const struct settings *settings, const struct files *files,
                               struct result *result)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    struct workers workers;

    sigset_t before;

    hold_signals(&before);
    open_channel(settings, &tx, &rx);
    const double start = now();
    bool good = workers_start(&workers, settings->workers, files, tx, rx, &before);
    catch_signals();
    sigprocmask(SIG_SETMASK, &before, NULL);
    mpsc_sender_close(tx); /* or the parent would wait for words of its own */
    good = good && count_messages(rx, start, result);
    if (!good)
        workers_end(&workers);
    good = workers_wait(&workers, !good) && good;
    mpsc_receiver_close(rx); /* the last one: the channel's name goes with it */
    restore_signals();
    return good;
}

/* ------------------------------------------------------------------ reporting */

static bool print_top(const struct settings *settings, const struct result *result)
{
    const struct entry **sorted = table_sorted(&result->table);
    if (!sorted) {
        fputs("wordcount: no memory left to sort the words\n", stderr);
        return false;
    }
    for (size_t i = 0; i < settings->top && i < result->table.used; i++)
        printf("%10" PRIu64 "  %s\n", sorted[i]->count, sorted[i]->word);
    free(sorted);
    return true;
}

static void print_rate(const struct settings *settings, const struct result *result, size_t files)
{
    double rate = result->seconds > 0 ? (double)result->messages / result->seconds : 0;
    printf("%zu different words in %zu files\n"
           "%" PRIu64 " messages from %zu worker process%s in %.3f s: %.0f messages/s\n",
           result->table.used, files, result->messages, settings->workers,
           settings->workers == 1 ? "" : "es", result->seconds, rate);
}

/* Prints what the two counts have different, seen from the first; returns how many. */
static size_t differences(const struct table *sent, const struct table *again, bool only_missing)
{
    size_t found = 0;
    for (size_t i = 0; i < sent->size; i++) {
        const struct entry *entry = &sent->slots[i];
        uint64_t other = entry->word ? table_count(again, entry->word) : 0;
        if (!entry->word || other == entry->count || (only_missing && other != 0))
            continue;
        if (found++ < DIFFERENCES_SHOWN)
            fprintf(stderr, "wordcount: %s: %" PRIu64 " %s, %" PRIu64 " %s\n", entry->word,
                    entry->count, only_missing ? "without channels" : "received", other,
                    only_missing ? "received" : "without channels");
    }
    return found;
}

/* Counts the same files in this process, without channels, and compares. */
static bool verify(const struct files *files, const struct result *result)
{
    struct table again = {0};
    size_t unreadable = 0;
    for (size_t i = 0; i < files->count; i++) {
        enum words_end end = words_of(files->paths[i], count_word, &again);
        if (end == WORDS_STOPPED)
            exit(EXIT_FAILURE);
        unreadable += end == WORDS_UNREADABLE;
    }
    size_t different =
        differences(&result->table, &again, false) + differences(&again, &result->table, true);
    bool good = different == 0 && unreadable == result->unreadable;
    if (good)
        printf("verified: the same count without channels\n");
    else
        fprintf(stderr,
                "wordcount: NOT verified: %zu words differ; unreadable files: %" PRIu64
                ", and %zu without channels\n",
                different, result->unreadable, unreadable);
    table_free(&again);
    return good;
}

int main(int argc, char **argv)
{
    struct settings settings = parse_settings(argc, argv);
    struct files files;
    if (!files_find(settings.directory, &files)) {
        fprintf(stderr, "wordcount: cannot look at %s: %s\n", settings.directory, strerror(errno));
        return EXIT_FAILURE;
    }

    struct result result = {0};
    bool good = count_with_workers(&settings, &files, &result);
    good = print_top(&settings, &result) && good;
    print_rate(&settings, &result, files.count);
    if (settings.verify && !good)
        fputs("wordcount: not verified, as not all was counted\n", stderr);
    else if (settings.verify)
        good = verify(&files, &result);
    if (files.unreadable + result.unreadable > 0) {
        fprintf(stderr, "wordcount: %zu directories or files could not be read\n",
                files.unreadable + (size_t)result.unreadable);
        good = false;
    }
    table_free(&result.table);
    files_free(&files);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "wordcount: cannot write: %s\n", strerror(errno));
        good = false;
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
