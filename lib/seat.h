/* SPDX-License-Identifier: MIT */
/*
 * Level 4. The seat: the right to receive, held by one handle at a time. Opening a receiver takes it.
 * A handle that a child inherited may take it from one that has never received; so after a fork the
 * first of them to receive has it.
 *
 * One word, changed by CAS: who holds it (endpoint and generation), and whether it has received.
 */
#ifndef MPSC_SEAT_H
#define MPSC_SEAT_H

#include "registry.h"

enum seat_result { SEAT_TAKEN, SEAT_BUSY };

/* For the receiver that was just added as endpoint `index`: holds the seat for it. */
enum seat_result seat_open(const struct registry *registry, unsigned index);
/* For a receiver that is about to receive for the first time. The head is read after this. */
enum seat_result seat_take(const struct registry *registry, unsigned index, bool inherited);
void seat_leave(const struct registry *registry, unsigned index);
/* The endpoint of a living holder, or -1. */
int seat_holder(const struct registry *registry);

#endif
