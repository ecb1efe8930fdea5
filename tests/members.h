/* SPDX-License-Identifier: MIT */
/* A segment, and members of it who live and die within one process, for the tests of the registry. */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "together.h"

#include "os/os.h"
#include "segment.h"

static inline struct segment *segment_new(uint64_t bound)
{
    struct segment *segment = calloc(1, sizeof *segment);
    mpsc_options options = options_of(8, bound);
    assert_non_null(segment);
    assert_status(segment_defaults(&options), MPSC_OK);
    assert_status(segment_create("", &options, segment), MPSC_OK);
    return segment;
}

static inline void segment_end(struct segment *segment)
{
    segment_close(segment);
    free(segment);
}

/* What a process is to the others: a slot whose byte is locked. One that ends without detaching
 * looks like one that was killed. */
struct member {
    struct registry registry;
    void *anchor;
};

static inline int member_claim(const struct segment *segment, int *fd)
{
    *fd = os_shm_reopen(segment->fd);
    assert_true(*fd >= 0);
    return registry_claim_slot(&segment->registry, *fd);
}

/* It has a slot, and no entry yet. */
static inline struct member member_join(const struct segment *segment)
{
    struct member member = {.registry = segment->registry};
    int fd, slot = member_claim(segment, &fd);
    assert_in_range(slot, 0, MPSC_MAX_PROCESSES - 1);
    member.registry.slot = (unsigned)slot;
    member.registry.generation = registry_new_generation(&member.registry);
    assert_int_equal(os_lock_anchor(fd, &member.anchor), 0);
    return member;
}

static inline void member_attach(const struct member *member)
{
    const struct registry *registry = &member->registry;
    assert_int_equal(registry_attach(registry, registry->slot, registry->generation), 0);
}

static inline struct member member_new(const struct segment *segment)
{
    struct member member = member_join(segment);
    member_attach(&member);
    return member;
}

static inline void member_end(struct member *member)
{
    os_unmap(member->anchor, os_page_size());
}

static inline unsigned member_add(const struct member *member, enum owner_kind kind)
{
    const struct registry *registry = &member->registry;
    int index = registry_add(registry, kind, registry->slot, registry->generation);
    assert_in_range(index, 0, ENDPOINTS_MOST - 1);
    return (unsigned)index;
}

/* The word in which the kernel tells of the death of a slot's process. */
static inline atomic_uint *news_of(const struct segment *segment, unsigned slot)
{
    uint64_t end = registry_news_offset(&segment->registry, slot + 1);
    return map_at(&segment->tables, end - OS_NEWS_SIZE, sizeof(atomic_uint));
}
static inline uint64_t owner_of(const struct member *member, enum owner_kind kind)
{
    return owner_word(kind, member->registry.slot, member->registry.generation);
}

static inline struct endpoint *endpoint_of(const struct segment *segment, unsigned index)
{
    return &segment->registry.endpoints[index];
}

static inline void assert_counts_are(const struct segment *segment, unsigned senders,
                                     unsigned receivers)
{
    assert_int_equal(atomic_load(&segment->header->senders), senders);
    assert_int_equal(atomic_load(&segment->header->receivers), receivers);
    assert_int_equal(registry_empty(&segment->registry), senders + receivers == 0);
}

#endif
