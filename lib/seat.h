/* SPDX-License-Identifier: MIT */
/*
 * Level 4. The seat: the right to receive, held by one handle at a time. Opening a receiver takes it.
 * A handle that a child inherited may take it from the one that was opened, as long as that has not
 * received; so after a fork the first of them to receive has it.
 *
 * One word, changed by CAS: who holds it (endpoint and generation), how many receivers had come when it was
 * opened, and whether it has received.
 */
#ifndef MPSC_SEAT_H
#define MPSC_SEAT_H

#include "registry.h"

enum seat_result { SEAT_TAKEN, SEAT_BUSY };

/* Of this process' endpoint `index`, opened just now, when it has not received. */
uint64_t seat_word(const struct registry *registry, unsigned index);
/* For a receiver that was just added: holds the seat for it. */
enum seat_result seat_open(const struct registry *registry, uint64_t word);
/* For a receiver that is about to receive for the first time; `opened` is the word that it, or the one
 * that it was inherited from, was opened with. The head is read after this. */
enum seat_result seat_take(const struct registry *registry, unsigned index, uint64_t opened);
void seat_leave(const struct registry *registry, unsigned index);
/* The endpoint of a living holder, or -1. */
int seat_holder(const struct registry *registry);

#endif
