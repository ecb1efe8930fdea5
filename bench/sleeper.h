/* SPDX-License-Identifier: MIT */
/* Whether the system says of a process or a thread that it sleeps. */
#ifndef SLEEPER_H
#define SLEEPER_H

#include <sys/types.h>

/* The caller, for others to look at. */
pid_t sleeper_self(void);

/* Waits until it sleeps. Ends the program if that does not come to pass. */
void sleeper_wait(pid_t sleeper);

#endif
