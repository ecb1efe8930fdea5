/* SPDX-License-Identifier: MIT */
/* A message of one sender when that is the only one, and when there are a thousand, of which the others
 * are silent. */
#include "costs.h"
#include "figures.h"
#include "program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD = 1000 };

static _Noreturn void produce(mpsc_sender *tx, mpsc_receiver *rx, unsigned senders, uint64_t count)
{
    mpsc_sender *silent;
    mpsc_receiver_close(rx);
    for (unsigned i = 1; i < senders; i++)
        program_check(mpsc_sender_clone(tx, &silent), "clone a sender");
    for (uint64_t i = 0; i < count; i++)
        program_check(mpsc_send(tx, &i, sizeof i), "send");
    _exit(EXIT_SUCCESS);
}

/* Seconds for a message; the clock starts when the first has come. */
static double measure(unsigned senders, uint64_t count)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    uint64_t number;
    int status;
    program_check(mpsc_sync_channel(sizeof number, BOUND, &tx, &rx), "open a channel");
    pid_t child = fork();
    if (child == -1)
        fail("fork", strerror(errno));
    if (child == 0)
        produce(tx, rx, senders, count + 1);
    mpsc_sender_close(tx);
    program_check(mpsc_recv(rx, &number, sizeof number, NULL), "receive");
    double start = program_now();
    for (uint64_t i = 0; i < count; i++)
        program_check(mpsc_recv(rx, &number, sizeof number, NULL), "receive");
    double seconds = program_now() - start;
    if (waitpid(child, &status, 0) == -1 || status != 0)
        fail("send from a child", "it failed");
    mpsc_receiver_close(rx);
    return seconds / (double)count;
}

void costs_crowd(bool quick)
{
    static const char table[] = "senders attached, one active, 8 bytes";
    const uint64_t count = quick ? 500000 : 3000000;
    double alone = measure(1, count);
    double crowd = measure(CROWD, count);
    figures_add(table, "1", "a message", "ns", alone * 1e9);
    figures_add(table, "1000", "a message", "ns", crowd * 1e9);
    figures_add(table, "1000", "to that of 1", "x", crowd / alone);
}
