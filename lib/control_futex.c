/* SPDX-License-Identifier: MIT */
/*
 * The control mutex as one word: who owns it (slot + 1 and generation), and whether others wait. It
 * is taken over when that slot's lock is free. Of a slot that was given away meanwhile the new
 * process sees its own slot with a strange generation, and so knows that the owner is dead.
 */
#include "control.h"
#include "os/os.h"

#define WAITERS 0x80000000u
#define SLOT_BITS 11
#define SLOT_MASK ((1u << SLOT_BITS) - 1)

/* A sleep ends after this long to see whether the owner still lives. */
#define LOOK_AGAIN UINT64_C(10000000)

enum { SPINS = 100 };

_Static_assert(PROCESS_SLOTS < SLOT_MASK, "a slot fits its bits");

bool control_format(struct control *control)
{
    atomic_init(&control->owner, 0);
    return true;
}

static unsigned word_of(const struct control_owner *owner)
{
    return (owner->generation & CONTROL_GENERATIONS) << SLOT_BITS | (owner->slot + 1);
}

/* True: nobody who lives holds it under this word. */
static bool owner_died(unsigned word, const struct control_owner *self)
{
    unsigned slot = (word & SLOT_MASK) - 1;
    if (slot >= PROCESS_SLOTS || (word >> SLOT_BITS & CONTROL_GENERATIONS) == 0)
        return true; /* damaged: nobody can own it */
    if (slot == self->slot)
        return (word & ~WAITERS) != word_of(self);
    return !self->alive(self->context, slot);
}

static enum control_result attempt(struct control *control, const struct control_owner *owner,
                                   unsigned waiters, bool probe)
{
    unsigned word = 0;
    /* PAIR control: what the last owner changed is seen by the next (control_unlock -> attempt) */
    if (atomic_compare_exchange_strong_explicit(&control->owner, &word, word_of(owner) | waiters,
                                                memory_order_acquire, memory_order_relaxed))
        return CONTROL_LOCKED;
    if (!probe || !owner_died(word, owner))
        return CONTROL_BUSY;
    /* PAIR control: a dead owner's stores are seen too: they came before its lock was free */
    if (atomic_compare_exchange_strong_explicit(&control->owner, &word, word_of(owner) | WAITERS,
                                                memory_order_acquire, memory_order_relaxed))
        return CONTROL_REPAIR;
    return CONTROL_BUSY;
}

enum control_result control_lock(struct control *control, const struct control_owner *owner)
{
    for (int i = 0; i < SPINS; i++)
        if (attempt(control, owner, 0, false) == CONTROL_LOCKED)
            return CONTROL_LOCKED;
    for (;;) {
        /* Who has slept cannot know whether it was the only one, and says that others wait. */
        enum control_result result = attempt(control, owner, WAITERS, true);
        if (result != CONTROL_BUSY)
            return result;
        unsigned word = atomic_load_explicit(&control->owner, memory_order_relaxed);
        if (word == 0)
            continue;
        if (!(word & WAITERS) &&
            !atomic_compare_exchange_strong_explicit(&control->owner, &word, word | WAITERS,
                                                     memory_order_relaxed, memory_order_relaxed))
            continue;
        os_futex_wait(&control->owner, word | WAITERS, os_now() + LOOK_AGAIN);
    }
}

enum control_result control_try_lock(struct control *control, const struct control_owner *owner)
{
    return attempt(control, owner, 0, true);
}

bool control_holder(const struct control *control, unsigned *slot)
{
    unsigned word = atomic_load_explicit(&control->owner, memory_order_relaxed);
    *slot = (word & SLOT_MASK) - 1;
    return word && *slot < PROCESS_SLOTS;
}

void control_unlock(struct control *control, const struct control_owner *owner)
{
    (void)owner;
    /* PAIR control: see attempt */
    unsigned word = atomic_exchange_explicit(&control->owner, 0, memory_order_release);
    if (word & WAITERS)
        os_futex_wake(&control->owner, 1);
}
