/* SPDX-License-Identifier: MIT */
/*
 * Signals of the calling thread, held up for a while: between the moment that one decides to sleep
 * and the moment that one does, a handler could run unseen.
 */
#include "os.h"

#include <signal.h>
#include <string.h>

_Static_assert(sizeof(sigset_t) <= sizeof(struct os_signals), "a set of signals fits");

/* An error of the program's own must end it, or run its handler, at once. */
static const int not_held[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

void os_signals_hold(struct os_signals *before)
{
    sigset_t set, old;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof not_held / sizeof *not_held; i++)
        sigdelset(&set, not_held[i]);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    memcpy(before, &old, sizeof old);
}

void os_signals_release(const struct os_signals *before)
{
    sigset_t old;
    memcpy(&old, before, sizeof old);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static bool has_handler(int number, int flags)
{
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0)
        return false;
    return action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN &&
           (action.sa_flags & flags) == flags;
}

bool os_signals_waiting(const struct os_signals *before)
{
    sigset_t old, waiting;
    memcpy(&old, before, sizeof old);
    if (sigpending(&waiting) != 0 || sigisemptyset(&waiting))
        return false;
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&waiting, number) == 1 && sigismember(&old, number) == 0 &&
            has_handler(number, 0))
            return true;
    return false;
}

bool os_signals_restart(void)
{
    for (int number = 1; number < NSIG; number++)
        if (has_handler(number, SA_RESTART))
            return true;
    return false;
}
