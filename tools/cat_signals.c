/* SPDX-License-Identifier: MIT */
#include "cat.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t caught;
static volatile sig_atomic_t ticked;

/* A signal that comes right before a call is not seen by it. So each is followed by another in a
 * second, until the process has ended. */
static void handle(int number)
{
    if (number == SIGALRM)
        ticked = 1;
    else
        caught = number;
    alarm(1);
}

void signals_catch(bool ticks)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = handle}; /* no SA_RESTART: calls are to end */
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++) {
        struct sigaction old;
        /* What nohup, or a shell for its background, ignores stays so. */
        if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(ending[i], &action, NULL);
    }
    if (ticks)
        alarm(1);
}

int signals_caught(void)
{
    return caught;
}

bool signals_ticked(void)
{
    bool result = ticked;
    if (result)
        ticked = 0;
    return result;
}
