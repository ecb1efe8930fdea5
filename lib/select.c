/* SPDX-License-Identifier: MIT */
/*
 * Level 7. Waiting for several receivers at once: asleep on one bell that rings for all of their
 * channels, and only then. It is borrowed for the call when there is nothing to do but to sleep.
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
    struct bell bell;
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

static mpsc_status listen(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++) {
        struct handle *handle = handle_of(selection, i);
        int watch = bell_listen(&selection->bell, &handle->segment->registry);
        if (watch < 0)
            return segment_status(watch);
        handle->watch = watch;
    }
    return MPSC_OK;
}

/* Somebody may have died: look at each of them anew. */
static void hear_deaths(struct selection *selection, unsigned news)
{
    if (news & BELL_DEATHS)
        for (size_t i = 0; i < selection->count; i++)
            handle_of(selection, i)->looked = 0;
}

static mpsc_status begin_listening(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        handle_of(selection, i)->watch = -1;
    hear_deaths(selection, bell_take(&selection->bell)); /* what is left of the time before */
    return listen(selection);
}

/* A channel that is watched keeps its memory when it is closed. */
static void end_listening(struct selection *selection, bool sound)
{
    for (size_t i = 0; i < selection->count; i++)
        if (handle_of(selection, i)->watch >= 0)
            os_bell_ignore(&selection->bell.os, handle_of(selection, i)->watch);
    bell_close_after_call(&selection->bell, sound);
}

/* ---- asleep */

/* From here on the next message of any of them rings. */
static mpsc_status arm(struct selection *selection)
{
    unsigned news = bell_take(&selection->bell);
    hear_deaths(selection, news);
    mpsc_status status = news & OS_BELL_DEAF ? listen(selection) : MPSC_OK;
    for (size_t i = 0; i < selection->count; i++)
        condvar_arm(&handle_of(selection, i)->segment->header->arrived);
    if (!os_barrier_all())
        for (size_t i = 0; i < selection->count; i++)
            condvar_barrier(&handle_of(selection, i)->segment->header->arrived);
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
    switch (os_bell_wait(&selection->bell.os, until, &selection->before)) {
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
    int error = bell_open_for_call(&selection->bell);
    mpsc_status status = error ? segment_status(error) : begin_listening(selection);
    say_blocked(selection, os_now());
    if (!status)
        status = HANDLE_AGAIN;
    while (status == HANDLE_AGAIN) {
        status = sleep_once(selection);
        if (status == HANDLE_AGAIN && choose(selection))
            status = MPSC_OK;
    }
    say_blocked(selection, 0);
    if (!error)
        end_listening(selection,
                      status == MPSC_OK || status == MPSC_TIMEOUT || status == MPSC_INTERRUPTED);
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
