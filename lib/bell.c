/* SPDX-License-Identifier: MIT */
#include "bell.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* A description is closed a moment before its locks end: one looks again after so long, twice as long,
 * and so on up to several seconds in all. */
#define FIRST_VIGIL UINT64_C(50000)
#define LAST_VIGIL UINT64_C(3200000000)

/* How often one looks who cannot listen any more. */
#define DEAF_VIGIL UINT64_C(100000000)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int open_at(struct bell **place)
{
    struct bell *bell = malloc(sizeof *bell);
    if (!bell)
        return -ENOMEM;
    *bell = (struct bell){.fresh = true};
    int error = os_bell_open(&bell->os);
    if (error)
        free(bell);
    else
        *place = bell;
    return error;
}

int bell_open(struct bell **place)
{
    pthread_mutex_lock(&mutex);
    int error = open_at(place);
    pthread_mutex_unlock(&mutex);
    return error;
}

void bell_close(struct bell **place)
{
    pthread_mutex_lock(&mutex);
    if (*place && os_bell_ours(&(*place)->os))
        os_bell_close(&(*place)->os);
    free(*place);
    *place = NULL;
    pthread_mutex_unlock(&mutex);
}

void bell_fork_begin(void)
{
    pthread_mutex_lock(&mutex);
}

void bell_fork_end(void)
{
    pthread_mutex_unlock(&mutex);
}

/* ---- listening */

static int listen_with(const struct os_bell *bell, const struct registry *registry)
{
    return registry_has_descriptor(registry) ? os_bell_listen(bell, registry->fd) : -EBADF;
}

int bell_listen(const struct bell *bell, const struct registry *registry)
{
    return listen_with(&bell->os, registry);
}

void bell_renew(struct bell *bell, const struct registry *registry)
{
    struct os_bell own;
    bell->fresh = true; /* the parent armed it, if anybody did */
    if (!registry_has_descriptor(registry) || os_bell_open(&own) != 0)
        return;
    if (listen_with(&own, registry) < 0) {
        os_bell_close(&own);
        return;
    }
    os_bell_replace(&bell->os, &own);
    bell->vigil = 0;
    bell->deaf = false;
    bell_raise(bell);
}

static void keep_vigil(struct bell *bell, unsigned news)
{
    /* An alarm that we did not set is that of somebody who shares it. */
    if (news & OS_BELL_LEFT || (news & OS_BELL_ALARM && !bell->vigil))
        bell->vigil = FIRST_VIGIL;
    else if (news & OS_BELL_ALARM)
        bell->vigil = bell->vigil < LAST_VIGIL ? bell->vigil * 2 : 0;
    if (bell->vigil && news & BELL_DEATHS)
        os_bell_alarm(&bell->os, bell->vigil);
}

unsigned bell_take(struct bell *bell)
{
    unsigned news = 0;
    if (bell->raised) {
        os_bell_alarm(&bell->os, bell->vigil);
        news = OS_BELL_RANG;
    }
    bell->raised = false;
    news |= os_bell_take(&bell->os);
    keep_vigil(bell, news);
    return news;
}

bool bell_settle(struct bell *bell, const struct registry *registry, struct condvar *condvar,
                 unsigned *news)
{
    *news = bell_take(bell);
    /* With nothing taken, whoever saw it armed is still to ring. */
    if (!*news && !bell->fresh && condvar_armed(condvar))
        return false;
    if (bell->deaf || *news & OS_BELL_DEAF)
        bell->deaf = bell_listen(bell, registry) < 0;
    if (bell->deaf)
        os_bell_alarm(&bell->os, DEAF_VIGIL);
    condvar_arm(condvar);
    os_barrier_all();
    bell->fresh = false;
    return true;
}

void bell_raise(struct bell *bell)
{
    bell->raised = true;
    os_bell_alarm(&bell->os, 1);
}
