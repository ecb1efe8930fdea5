/* SPDX-License-Identifier: MIT */
/*
 * Files in /dev/shm that a process has mapped, and perhaps not open any more. Reading a process' maps
 * waits for it while it changes them, which it may never end to do: a child of ours does it, and is
 * waited for only so long.
 */
#ifndef MPSC_INSPECT_MAPS_H
#define MPSC_INSPECT_MAPS_H

#include "process.h"

/* Nothing is visited where this user may not open what others have mapped. False: it took too long, or could
 * not be done, and there may be more. */
bool maps_files(process_visit visit, void *context);

#endif
