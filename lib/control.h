/* SPDX-License-Identifier: MIT */
/*
 * Level 2. The control mutex: attach, clone, close, grow and reap hold it; of those that send and receive
 * none waits for it but who must make the channel grow. Its owner may die at any instruction; whoever
 * comes next is told so, and repairs what it guards.
 */
#ifndef MPSC_CONTROL_H
#define MPSC_CONTROL_H

#include "layout.h"

#include <stdbool.h>

/* The bits of a generation that tell owners apart. In none they are all 0. */
#define CONTROL_GENERATIONS 0xfffffu

enum control_result {
    CONTROL_LOCKED,
    CONTROL_REPAIR, /* locked; its owner died holding it */
    CONTROL_BUSY,   /* control_try_lock only */
    CONTROL_BROKEN, /* damaged beyond use */
};

/* Who takes it: a process slot and its generation, and how to ask whether a slot's process lives. */
struct control_owner {
    unsigned slot;
    unsigned generation;
    bool (*alive)(void *context, unsigned slot);
    void *context;
};

bool control_format(struct control *control);
enum control_result control_lock(struct control *control, const struct control_owner *owner);
enum control_result control_try_lock(struct control *control, const struct control_owner *owner);
void control_unlock(struct control *control, const struct control_owner *owner);

/* For who only looks: the slot of its owner. False: nobody has it, or it does not tell. */
bool control_holder(const struct control *control, unsigned *slot);

#endif
