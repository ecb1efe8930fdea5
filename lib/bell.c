/* SPDX-License-Identifier: MIT */
#include "bell.h"

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

/* ---- bells of calls */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct bell *in_use;

/* Between calls some are kept: to close one takes milliseconds where the machine is busy. */
enum { MOST_KEPT = 4 };
static struct os_bell kept[MOST_KEPT];
static unsigned kept_count;

/* It is one of those that are kept now; -ENOENT: there is none. */
static int take_kept(struct bell *bell)
{
    while (kept_count > 0) {
        struct os_bell *last = &kept[kept_count - 1];
        int ours = os_bell_ours(last);
        if (ours < 0)
            return ours;
        kept_count--;
        if (ours) {
            *bell = (struct bell){.os = *last, .fresh = true};
            return 0;
        }
    }
    return -ENOENT;
}

int bell_open_for_call(struct bell *bell)
{
    pthread_mutex_lock(&mutex);
    int error = take_kept(bell);
    if (error == -ENOENT)
        error = bell_open(bell);
    if (!error) {
        bell->next = in_use;
        in_use = bell;
    }
    pthread_mutex_unlock(&mutex);
    return error;
}

static void put_away(struct bell *bell, bool sound)
{
    if (!sound || kept_count == MOST_KEPT) {
        bell_close(bell);
        return;
    }
    os_bell_alarm(&bell->os, 0);
    kept[kept_count++] = bell->os;
}

void bell_close_after_call(struct bell *bell, bool sound)
{
    pthread_mutex_lock(&mutex);
    for (struct bell **at = &in_use; *at; at = &(*at)->next)
        if (*at == bell) {
            *at = bell->next;
            put_away(bell, sound);
            break;
        }
    pthread_mutex_unlock(&mutex);
}

static void drop_kept(void)
{
    while (kept_count > 0)
        if (os_bell_ours(&kept[--kept_count]) > 0)
            os_bell_close(&kept[kept_count]);
}

/* A handler must not fork meanwhile: it would wait for us. */
void bells_drop(void)
{
    struct os_signals before;
    os_signals_hold(&before);
    pthread_mutex_lock(&mutex);
    drop_kept();
    pthread_mutex_unlock(&mutex);
    os_signals_release(&before);
}

void bell_fork_prepare(void)
{
    pthread_mutex_lock(&mutex);
}

void bell_fork_parent(void)
{
    pthread_mutex_unlock(&mutex);
}

/* The threads of those calls are not in the child; only a handler that forked goes back into one. */
void bell_fork_child(void)
{
    for (; in_use; in_use = in_use->next) {
        bell_close(in_use);
        in_use->os = OS_NO_BELL;
    }
    drop_kept();
    pthread_mutex_unlock(&mutex);
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
    if (bell_listen(&own, registry) < 0) {
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
    if (bell->vigil && news & (OS_BELL_LEFT | OS_BELL_ALARM))
        os_bell_alarm(&bell->os, bell->vigil);
}

void bell_look_again(struct bell *bell)
{
    if (!bell->vigil)
        bell->vigil = FIRST_VIGIL;
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
    if (bell->fresh) /* it has heard of no death before */
        *news |= OS_BELL_LEFT;
    if (bell->deaf || *news & OS_BELL_DEAF)
        bell->deaf = bell_listen(bell, registry) < 0;
    if (bell->deaf)
        os_bell_alarm(&bell->os, DEAF_VIGIL);
    condvar_arm(condvar);
    condvar_barrier(condvar);
    bell->fresh = false;
    return true;
}

void bell_raise(struct bell *bell)
{
    bell->raised = true;
    os_bell_alarm(&bell->os, 1);
}
