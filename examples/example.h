/* SPDX-License-Identifier: MIT */
/*
 * What the four introductory examples share: their command line, a check of every status, and
 * `thread::spawn(move || ...)` in C, which runs a producer in a thread or in a forked child.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* program_invocation_short_name */
#endif

#include <errno.h>
#include <getopt.h>
#include <mpsc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends the program unless the call that was to do this was MPSC_OK. */
static inline void check(mpsc_status status, const char *doing)
{
    if (status == MPSC_OK)
        return;
    const char *why = status == MPSC_OS ? strerror(errno) : mpsc_strstatus(status);
    fprintf(stderr, "%s: cannot %s: %s\n", program_invocation_short_name, doing, why);
    exit(EXIT_FAILURE);
}

/* The command line: true for --processes, false for --threads. */
static inline bool example_in_processes(int argc, char **argv, const char *purpose)
{
    static const struct option options[] = {{"threads", no_argument, NULL, 't'},
                                            {"processes", no_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    bool processes = false;
    int option;
    while ((option = getopt_long(argc, argv, "tph", options, NULL)) != -1) {
        switch (option) {
        case 't':
            processes = false;
            break;
        case 'p':
            processes = true;
            break;
        case 'h':
            printf("Usage: %s [--threads | --processes]\n%s\n\n"
                   "  -t, --threads    each sender is a thread (the default)\n"
                   "  -p, --processes  each sender is a forked child\n"
                   "  -h, --help       this text\n",
                   program_invocation_short_name, purpose);
            exit(EXIT_SUCCESS);
        default:
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s'\n", program_invocation_short_name,
                argv[optind]);
        exit(2);
    }
    return processes;
}

/* A producer that runs beside main. It owns its sender and closes it when it is done. */
typedef void example_producer(mpsc_sender *tx);

struct example_peer {
    bool is_process;
    pid_t child;
    pthread_t thread;
    example_producer *producer;
    mpsc_sender *tx;
};

static inline void *example_thread(void *argument)
{
    struct example_peer *peer = argument;
    peer->producer(peer->tx);
    return NULL;
}

/* After fork both processes have both ends, as with a pipe. Each closes the one that it does not
 * use; if the parent kept its sender, its loop over the messages would never end. */
static inline void example_fork(struct example_peer *peer, mpsc_receiver *rx)
{
    fflush(stdout); /* or the child would print what is buffered once more */
    peer->child = fork();
    if (peer->child == -1) {
        perror("cannot fork");
        exit(EXIT_FAILURE);
    }
    if (peer->child == 0) {
        mpsc_receiver_close(rx);
        peer->producer(peer->tx);
        exit(EXIT_SUCCESS);
    }
    mpsc_sender_close(peer->tx);
}

/* Moves the sender into a producer that runs beside the caller, who must not use it any more. */
static inline struct example_peer *example_spawn(bool processes, example_producer *producer,
                                                 mpsc_sender *tx, mpsc_receiver *rx)
{
    struct example_peer *peer = calloc(1, sizeof *peer);
    check(peer ? MPSC_OK : MPSC_NO_MEMORY, "start a producer");
    peer->is_process = processes;
    peer->producer = producer;
    peer->tx = tx;
    if (processes) {
        example_fork(peer, rx);
    } else if ((errno = pthread_create(&peer->thread, NULL, example_thread, peer)) != 0) {
        perror("cannot start a thread");
        exit(EXIT_FAILURE);
    }
    return peer;
}

/* Waits for the producer's end; its failure is ours. */
static inline void example_join(struct example_peer *peer)
{
    int status = 0;
    if (!peer->is_process) {
        pthread_join(peer->thread, NULL); /* a thread that fails ends the whole program */
    } else if (waitpid(peer->child, &status, 0) == -1 || status != 0) {
        fprintf(stderr, "%s: the child failed\n", program_invocation_short_name);
        exit(EXIT_FAILURE);
    }
    free(peer);
}

#endif
