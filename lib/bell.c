/* SPDX-License-Identifier: MIT */
#include "bell.h"

#include <errno.h>

/* A description is closed a moment before its locks end: one looks again after so long, twice as long,
 * and so on up to several seconds in all. */
#define FIRST_VIGIL UINT64_C(50000)
#define LAST_VIGIL UINT64_C(3200000000)

int bell_open(struct bell *bell)
{
    *bell = (struct bell){.fresh = true};
    return os_bell_open(&bell->os);
}

void bell_close(struct bell *bell)
{
    os_bell_close(&bell->os);
}

int bell_listen(const struct bell *bell, const struct registry *registry)
{
    return registry_has_descriptor(registry) ? os_bell_listen(&bell->os, registry->fd) : -EBADF;
}

static void keep_vigil(struct bell *bell, unsigned news)
{
    if (news & OS_BELL_LEFT)
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

bool bell_settle(struct bell *bell, struct condvar *condvar, unsigned *news)
{
    *news = bell_take(bell);
    /* With nothing taken, whoever saw it armed is still to ring. */
    if (!*news && !bell->fresh && condvar_armed(condvar))
        return false;
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
