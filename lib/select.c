/* SPDX-License-Identifier: MIT */
/*
 * Level 7. Waiting for several receivers at once: asleep on one bell that rings for all of their
 * channels. It is made when there is first nothing to do but to sleep, and kept by one of the receivers:
 * closing one takes milliseconds where the machine is busy. It listens while one sleeps.
 */
#include "receiver.h"

#include <errno.h>
#include <mpsc.h>

/* As long as in wait.c. */
#define SPIN UINT64_C(10000)

struct selection {
    mpsc_receiver *const *receivers;
    size_t count;
    size_t chosen;
    uint64_t deadline;
    struct bell **bell; /* where one of them keeps it */
    struct os_signals before;
};

/* The handle is a receiver's first member. */
static struct handle *handle_of(const struct selection *selection, size_t i)
{
    return (struct handle *)selection->receivers[i];
}

/* When one was chosen last, in choices of this program. */
static _Atomic uint64_t choices;

/* Of those that need not wait, the one that was not chosen for longest: a busy one hides no other. */
static bool choose(struct selection *selection)
{
    struct handle *chosen = NULL;
    for (size_t i = 0; i < selection->count; i++) {
        struct handle *handle = handle_of(selection, i);
        if ((!chosen || handle->selected < chosen->selected) &&
            receiver_look(selection->receivers[i]) != MPSC_EMPTY) {
            chosen = handle;
            selection->chosen = i;
        }
    }
    if (chosen)
        chosen->selected = atomic_fetch_add_explicit(&choices, 1, memory_order_relaxed) + 1;
    return chosen;
}

static bool spin(struct selection *selection)
{
    const uint64_t end = os_now() + SPIN;
    do
        if (choose(selection))
            return true;
    while (os_now() < end);
    return false;
}

/* ---- its bell */

static int find_bell(struct selection *selection)
{
    struct bell **place = &handle_of(selection, 0)->selection_bell;
    for (size_t i = 1; i < selection->count && !*place; i++)
        place = &handle_of(selection, i)->selection_bell;
    if (*place && !os_bell_ours(&(*place)->os))
        bell_close(place);
    selection->bell = place;
    return *place ? 0 : bell_open(place);
}

static mpsc_status listen(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++) {
        struct handle *handle = handle_of(selection, i);
        int watch = bell_listen(*selection->bell, &handle->segment->registry);
        if (watch < 0)
            return segment_status(watch);
        handle->watch = watch;
    }
    return MPSC_OK;
}

static mpsc_status begin_listening(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        handle_of(selection, i)->watch = -1;
    int error = find_bell(selection);
    if (error)
        return segment_status(error);
    (void)bell_take(*selection->bell); /* what is left of the time before */
    return listen(selection);
}

/* A channel that is watched keeps its memory when it is closed. */
static void end_listening(const struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        if (handle_of(selection, i)->watch >= 0)
            os_bell_ignore(&(*selection->bell)->os, handle_of(selection, i)->watch);
}

/* ---- asleep */

/* From here on the next message of any of them rings. */
static mpsc_status arm(struct selection *selection)
{
    unsigned news = bell_take(*selection->bell);
    mpsc_status status = news & OS_BELL_DEAF ? listen(selection) : MPSC_OK;
    for (size_t i = 0; i < selection->count; i++) {
        struct handle *handle = handle_of(selection, i);
        if (news & BELL_DEATHS)
            handle->looked = 0;
        condvar_arm(&handle->segment->header->arrived);
    }
    os_barrier_all();
    return status;
}

static void say_blocked(const struct selection *selection, uint64_t since)
{
    for (size_t i = 0; i < selection->count; i++)
        atomic_store_explicit(&handle_of(selection, i)->endpoint->blocked_since, since,
                              memory_order_relaxed);
}

/* HANDLE_AGAIN: it was woken, or has slept for as long as one sleeps without a look at the others. */
static mpsc_status sleep_once(struct selection *selection)
{
    uint64_t now = os_now();
    if (now >= selection->deadline)
        return MPSC_TIMEOUT;
    mpsc_status status = arm(selection);
    if (choose(selection))
        return MPSC_OK;
    if (status)
        return status;
    uint64_t until =
        selection->deadline - now > WAIT_BOUND ? now + WAIT_BOUND : selection->deadline;
    /* Handlers run while it sleeps, and at no moment before: none is missed. */
    switch (os_bell_wait(&(*selection->bell)->os, until, &selection->before)) {
    case 0:
    case -ETIMEDOUT:
        return HANDLE_AGAIN;
    case -EINTR:
        return MPSC_INTERRUPTED;
    case -ENOMEM:
        return MPSC_NO_MEMORY;
    default:
        return MPSC_DENIED; /* the program closed our descriptors */
    }
}

static mpsc_status sleep_until_chosen(struct selection *selection)
{
    os_signals_hold(&selection->before);
    mpsc_status status = begin_listening(selection);
    say_blocked(selection, os_now());
    if (!status)
        status = HANDLE_AGAIN;
    while (status == HANDLE_AGAIN) {
        status = sleep_once(selection);
        if (status == HANDLE_AGAIN && choose(selection))
            status = MPSC_OK;
    }
    say_blocked(selection, 0);
    if (status == MPSC_OK || status == MPSC_TIMEOUT || status == MPSC_INTERRUPTED)
        end_listening(selection);
    else
        bell_close(selection->bell);
    os_signals_release(&selection->before);
    return status;
}

static bool are_receivers(mpsc_receiver *const *receivers, size_t count)
{
    if (!receivers || count == 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!receivers[i])
            return false;
    return true;
}

mpsc_status mpsc_select(mpsc_receiver *const *receivers, size_t count, uint64_t nanoseconds,
                        size_t *ready)
{
    if (!ready || !are_receivers(receivers, count))
        return MPSC_INVALID;
    struct selection selection = {
        .receivers = receivers,
        .count = count,
        .deadline = wait_deadline(nanoseconds),
    };
    mpsc_status status = MPSC_OK;
    if (nanoseconds == 0)
        status = choose(&selection) ? MPSC_OK : MPSC_TIMEOUT;
    else if (!spin(&selection))
        status = sleep_until_chosen(&selection);
    if (!status)
        *ready = selection.chosen;
    return status;
}
