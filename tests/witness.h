/* SPDX-License-Identifier: MIT */
/*
 * What of a process' state others can see, or what the kernel reads when it dies: the memory of the
 * segments that it has open, and the list of its robust mutexes. All else of it, but for what system
 * calls do, goes with it.
 */
#ifndef WITNESS_H
#define WITNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct witness;

struct witness *witness_start(pid_t pid);
/* A number that is the same as long as that state is. After a system call there may be other segments and
 * other pages. */
uint64_t witness_look(struct witness *witness, bool after_system_call);
void witness_end(struct witness *witness);

#endif
