/* SPDX-License-Identifier: MIT */
/* The control mutex as a robust, process-shared pthread mutex. */
#include "control.h"

#include <errno.h>

bool control_format(struct control *control)
{
    pthread_mutexattr_t attributes;
    if (pthread_mutexattr_init(&attributes) != 0)
        return false;
    bool made = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0 &&
                pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
                pthread_mutex_init(&control->mutex, &attributes) == 0;
    pthread_mutexattr_destroy(&attributes);
    return made;
}

static enum control_result result_of(struct control *control, int error)
{
    switch (error) {
    case 0:
        return CONTROL_LOCKED;
    case EOWNERDEAD:
        return pthread_mutex_consistent(&control->mutex) == 0 ? CONTROL_REPAIR : CONTROL_BROKEN;
    case EBUSY:
        return CONTROL_BUSY;
    default:
        return CONTROL_BROKEN;
    }
}

enum control_result control_lock(struct control *control, const struct control_owner *owner)
{
    (void)owner;
    return result_of(control, pthread_mutex_lock(&control->mutex));
}

enum control_result control_try_lock(struct control *control, const struct control_owner *owner)
{
    (void)owner;
    return result_of(control, pthread_mutex_trylock(&control->mutex));
}

void control_unlock(struct control *control, const struct control_owner *owner)
{
    (void)owner;
    pthread_mutex_unlock(&control->mutex);
}

/* libpthread knows, and does not say. */
bool control_holder(const struct control *control, unsigned *slot)
{
    (void)control;
    (void)slot;
    return false;
}
