/* SPDX-License-Identifier: MIT */
#include "bell.h"
#include "fork.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

/* A description is closed a moment before its locks end: one looks again after so long, twice as long,
 * and so on up to several seconds in all. */
#define FIRST_VIGIL UINT64_C(50000)
#define LAST_VIGIL UINT64_C(3200000000)

/* How often one looks who cannot listen any more. */
#define DEAF_VIGIL UINT64_C(100000000)

int bell_open(struct bell *bell)
{
    *bell = (struct bell){.fresh = true};
    return os_bell_open(&bell->os);
}

void bell_close(struct bell *bell)
{
    os_bell_close(&bell->os);
}

/* ---- bells of calls that are under way */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct bell *list;

int bell_open_for_call(struct bell *bell)
{
    pthread_mutex_lock(&mutex);
    int error = bell_open(bell);
    if (!error) {
        bell->next = list;
        list = bell;
    }
    pthread_mutex_unlock(&mutex);
    return error;
}

void bell_close_after_call(struct bell *bell)
{
    pthread_mutex_lock(&mutex);
    for (struct bell **at = &list; *at; at = &(*at)->next)
        if (*at == bell) {
            *at = bell->next;
            break;
        }
    bell_close(bell);
    pthread_mutex_unlock(&mutex);
}

static void fork_prepare(void)
{
    pthread_mutex_lock(&mutex);
}

static void fork_parent(void)
{
    pthread_mutex_unlock(&mutex);
}

/* Those threads are not in the child. */
static void fork_child(void)
{
    for (; list; list = list->next)
        bell_close(list);
    pthread_mutex_unlock(&mutex);
}

__attribute__((constructor)) static void register_hooks(void)
{
    static const struct fork_hooks hooks = {fork_prepare, fork_parent, fork_child};
    (void)fork_register(&hooks);
}

/* ---- listening */

int bell_listen(const struct bell *bell, const struct registry *registry)
{
    return registry_has_descriptor(registry) ? os_bell_listen(&bell->os, registry->fd) : -EBADF;
}

void bell_renew(struct bell *bell, const struct registry *registry)
{
    struct bell own;
    bell->fresh = true; /* the parent armed it, if anybody did */
    if (!registry_has_descriptor(registry) || bell_open(&own) != 0)
        return;
    if (bell_listen(&own, registry) != 0) {
        bell_close(&own);
        return;
    }
    os_bell_replace(&bell->os, &own.os);
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
        bell->deaf = bell_listen(bell, registry) != 0;
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
