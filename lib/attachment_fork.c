/* SPDX-License-Identifier: MIT */
/* The child's ends count before there is a child. */
#include "attachment_inside.h"
#include "fork.h"

static mpsc_status child_endpoints(struct attachment *attachment)
{
    const struct registry *registry = &attachment->segment.registry;
    const struct claimed *child = &attachment->child;
    mpsc_status status = segment_status(registry_attach(registry, child->slot, child->generation));
    for (struct handle *h = attachment->handles; h && !status; h = h->next) {
        int index = h->status ? 0 : registry_add(registry, h->kind, child->slot, child->generation);
        h->child_status = index < 0 ? segment_status(index) : h->status;
        h->child_index = index < 0 ? 0 : (unsigned)index;
    }
    return status;
}

static mpsc_status prepare_child(struct attachment *attachment)
{
    attachment->child.fd = -1;
    if (!is_member(attachment) || attachment->leaving || is_local(attachment))
        return MPSC_DENIED;
    mpsc_status status = attachment_control_begin(attachment);
    if (status)
        return status;
    /* Or the slots of children that were killed add up, where nobody opens the channel. */
    registry_reap(&attachment->segment.registry);
    /* With the control mutex held: a slot whose process died holding that would seem alive with our
     * lock on it. Only the child will keep the description. */
    status = attachment_claim(attachment, &attachment->child);
    if (!status)
        status = child_endpoints(attachment);
    attachment_control_end(attachment);
    return status;
}

static int fork_cancel;

static void fork_prepare(void)
{
    fork_cancel = attachment_lock();
    for (struct attachment *a = attachment_list; a; a = a->next)
        a->child_status = prepare_child(a);
    attachment_rings_hold();
    bell_fork_prepare();
}

static void fork_parent(void)
{
    bell_fork_parent();
    attachment_rings_release();
    for (struct attachment *a = attachment_list; a; a = a->next) {
        os_close(a->child.fd);
        /* If the fork failed, nobody holds that lock any more. */
        if (a->child.fd >= 0 && !registry_slot_alive(&a->segment.registry, a->child.slot) &&
            attachment_control_begin(a) == MPSC_OK) {
            registry_reap(&a->segment.registry);
            attachment_control_end(a);
        }
    }
    attachment_unlock(fork_cancel);
}

static void child_adopt(struct attachment *attachment)
{
    struct registry *registry = &attachment->segment.registry;
    mpsc_status status = attachment->child_status;
    attachment->anchor = NULL; /* the parent's: not mapped here */
    attachment->news = NULL;   /* likewise */
    registry->slot = REGISTRY_NOBODY;
    if (status)
        os_close(attachment->child.fd);
    else
        status = attachment_settle(attachment, &attachment->child);
    if (is_member(attachment)) {
        atomic_store_explicit(&registry->processes[registry->slot].pid, os_process_id(),
                              memory_order_relaxed);
        attachment_begin_news(attachment);
    }
    for (struct handle *h = attachment->handles; h; h = h->next) {
        if (!h->status)
            h->status = status ? status : h->child_status;
        h->at_once = 0;
        if (h->status) {
            h->reset(h); /* closing it must not cancel the parent's loan */
            continue;
        }
        attachment_bind(h, attachment, h->child_index);
        if (h->bell)
            bell_renew(h->bell, registry);
    }
}

static void fork_child(void)
{
    bell_fork_child();
    attachment_rings_release();
    os_news_forget();
    attachment_barriers_in_child();
    for (struct attachment *next, *a = attachment_list; a; a = next) {
        next = a->next;
        child_adopt(a);
        if (is_member(a))
            attachment_take_part_in_barriers(&a->segment);
        if (a->leaving) { /* by a thread that is not here */
            attachment_delist(a);
            attachment_free(a);
        }
    }
    attachment_unlock(fork_cancel);
}

static bool ready;

bool attachment_sees_forks(void)
{
    return ready;
}

/* When the library is loaded, before there can be a thread that forks while another one opens. In a program
 * that is linked statically, before the program's own constructors. */
__attribute__((constructor(101))) static void register_hooks(void)
{
    static const struct fork_hooks hooks = {fork_prepare, fork_parent, fork_child};
    ready = fork_register(&hooks);
}
