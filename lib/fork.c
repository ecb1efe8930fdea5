/* SPDX-License-Identifier: MIT */
#include "fork.h"
#include "os/os.h"

#include <pthread.h>
#include <stddef.h>

enum { MOST_HOOKS = 4 };

static const struct fork_hooks *list[MOST_HOOKS];
static unsigned count;

/* Until the first registration, and where the system cannot wipe a page, nothing tells a child. */
static atomic_uint always = 1;
atomic_uint *_Atomic fork_seen_ = &always;

/* Does the process that forks have its handles itself? One that was made by clone would act in its
 * parent's name, and its child stays as it is. */
static atomic_bool announced;

static void prepare(void)
{
    atomic_store_explicit(&announced, fork_seen(), memory_order_relaxed);
    if (!fork_seen())
        return;
    for (unsigned i = 0; i < count; i++)
        list[i]->prepare();
}

static void parent(void)
{
    if (!fork_seen())
        return;
    for (unsigned i = count; i-- > 0;)
        list[i]->parent();
}

static void child(void)
{
    if (!atomic_load_explicit(&announced, memory_order_relaxed))
        return;
    for (unsigned i = count; i-- > 0;)
        list[i]->child();
    /* Not before: a signal handler would act in the parent's name. */
    atomic_signal_fence(memory_order_release);
    atomic_store_explicit(atomic_load_explicit(&fork_seen_, memory_order_relaxed), 1,
                          memory_order_relaxed);
}

bool fork_register(const struct fork_hooks *hooks)
{
    if (count == MOST_HOOKS)
        return false;
    if (count == 0) {
        atomic_uint *page = os_wipe_on_fork();
        if (page) {
            atomic_store_explicit(page, 1, memory_order_relaxed);
            /* PAIR seen: see fork_seen */
            atomic_store_explicit(&fork_seen_, page, memory_order_release);
        }
        if (pthread_atfork(prepare, parent, child) != 0)
            return false;
    }
    list[count++] = hooks;
    return true;
}
