/* SPDX-License-Identifier: MIT */
/*
 * Level 3. The tables of processes and endpoints, and who is dead. What changes a table is called
 * with the control mutex held; what only looks needs nothing, and may run in a signal handler.
 *
 * A process lives as long as the lock of its slot's byte is held, which no pid can tell: not of a
 * zombie, not of another pid namespace, not after exec. Where that cannot be found out (the
 * descriptor was taken away) everybody counts as living: nothing is ever skipped on suspicion.
 */
#ifndef MPSC_REGISTRY_H
#define MPSC_REGISTRY_H

#include "layout.h"
#include "map.h"
#include "os/os.h"

#include <stdbool.h>

struct registry {
    struct header *header;
    struct process *processes;
    struct endpoint *endpoints;
    unsigned char *news; /* a page for each process */
    int fd;              /* a description without locks of its own */
    uint64_t device, inode;
    uint32_t page_size;
    bool durable;        /* while it has a name */
    unsigned slot;       /* our own; REGISTRY_NOBODY: we only look */
    uint32_t generation; /* our own */
};

#define REGISTRY_NOBODY PROCESS_SLOTS

/* ---- owners: what an endpoint's entry and a rendezvous' offer hold */

enum owner_kind { OWNER_NONE = 0, OWNER_SENDER = 1, OWNER_RECEIVER = 2 };

static inline uint64_t owner_word(enum owner_kind kind, unsigned slot, uint32_t generation)
{
    return (uint64_t)kind << 56 | (uint64_t)slot << 32 | generation;
}
static inline enum owner_kind owner_kind(uint64_t owner)
{
    return (enum owner_kind)(owner >> 56 & 3);
}
static inline unsigned owner_slot(uint64_t owner)
{
    return (unsigned)(owner >> 32 & 0xffff);
}

/* ---- looking */

bool registry_bind(struct registry *registry, const struct map *map, int fd, uint32_t page_size);
const char *registry_check(const struct registry *registry);

/* Is `fd` still what it was? closefrom() may have closed it, and another open reused the number. */
bool registry_has_descriptor(const struct registry *registry);
/* What the file is like; false: the descriptor is not ours any more. */
bool registry_file(const struct registry *registry, struct os_file *file);
/* From the moment that it has no name the scoped rules hold. */
bool registry_is_durable(const struct registry *registry);
bool registry_slot_alive(const struct registry *registry, unsigned slot);
bool registry_alive(const struct registry *registry, uint64_t owner);
/* Is there a living endpoint of this kind? */
bool registry_present(const struct registry *registry, enum owner_kind kind);
/* Endpoints of senders, those of the dead that were not reaped yet included. */
unsigned registry_senders(const struct registry *registry);
/* Does a living sender's intent cover the position? */
bool registry_covers(const struct registry *registry, uint64_t position);
/* The words that tell of the deaths of those who have endpoints of this kind: at most `most`, each
 * marked as watched. `*died`: how many have told already and were not reaped yet. */
unsigned registry_watch(const struct registry *registry, enum owner_kind kind,
                        struct os_futex *futexes, unsigned most, unsigned *died);
/* Where the news of a slot's process begin in the file. */
uint64_t registry_news_offset(const struct registry *registry, unsigned slot);
/* Bytes of the tables that must have memory. */
uint64_t registry_memory(const struct registry *registry);
unsigned registry_process_high(const struct registry *registry);
unsigned registry_endpoint_high(const struct registry *registry);

/* ---- changing */

/* Finds a free slot and locks its byte on the description `fd`: the slot, or a negative errno,
 * -ENOSPC when all are taken. Needs no control mutex: the lock itself allots. */
int registry_claim_slot(const struct registry *registry, int fd);
uint32_t registry_new_generation(const struct registry *registry);

/* All of these: control mutex held. Negative errno on failure. */
int registry_attach(const struct registry *registry, unsigned slot, uint32_t generation);
void registry_detach(const struct registry *registry, unsigned slot);
/* An endpoint for a handle of that process: its index, or a negative errno, -EMFILE when full. */
int registry_add(const struct registry *registry, enum owner_kind kind, unsigned slot,
                 uint32_t generation);
void registry_remove(const struct registry *registry, unsigned index);
/* Removes all that dead processes left. */
void registry_reap(const struct registry *registry);
/* Makes the counts anew from the tables. */
void registry_recount(const struct registry *registry);
/* Says anew who has left, and wakes whom it concerns. */
void registry_tell(const struct registry *registry);
bool registry_empty(const struct registry *registry);

#endif
