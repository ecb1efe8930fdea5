/* SPDX-License-Identifier: MIT */
#include "offer.h"

#define CLAIMED (UINT64_C(1) << 63)

static _Atomic uint64_t *offer_of(const struct registry *registry)
{
    return &registry->header->offer;
}

/* By a sender that lives. What else is not ours was left by the dead, or is damage. */
static bool is_accepted(const struct registry *registry, uint64_t offer)
{
    uint64_t owner = offer & ~CLAIMED;
    return owner == owner_word(OWNER_SENDER, owner_slot(owner), (uint32_t)owner) &&
           registry_alive(registry, owner);
}

void offer_open(const struct registry *registry, uint64_t owner)
{
    uint64_t offer = atomic_load_explicit(offer_of(registry), memory_order_relaxed);
    if (offer == 0 || (offer != owner && !is_accepted(registry, offer)))
        /* PAIR offer: a sender that accepts sees the head that the receiver waits at (offer_open ->
         * offer_accept), and what it claimed is seen by the receiver (offer_claimed, offer_done ->
         * offer_close) */
        atomic_compare_exchange_strong_explicit(offer_of(registry), &offer, owner,
                                                memory_order_acq_rel, memory_order_relaxed);
}

bool offer_stands(const struct registry *registry)
{
    return atomic_load_explicit(offer_of(registry), memory_order_relaxed) != 0;
}

bool offer_close(const struct registry *registry, uint64_t owner, bool delivered)
{
    uint64_t offer = owner;
    /* PAIR offer: see offer_open */
    if (atomic_compare_exchange_strong_explicit(offer_of(registry), &offer, 0, memory_order_acq_rel,
                                                memory_order_acquire) ||
        offer == 0)
        return true;
    if (delivered && (offer & CLAIMED))
        return true;
    if (!is_accepted(registry, offer))
        return atomic_compare_exchange_strong_explicit(offer_of(registry), &offer, 0,
                                                       memory_order_acq_rel, memory_order_relaxed);
    return false;
}

bool offer_accept(const struct registry *registry, uint64_t owner)
{
    uint64_t offer = atomic_load_explicit(offer_of(registry), memory_order_relaxed);
    if (owner_kind(offer) != OWNER_RECEIVER || !registry_alive(registry, offer))
        return false;
    /* PAIR offer: see offer_open */
    return atomic_compare_exchange_strong_explicit(offer_of(registry), &offer, owner,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

void offer_claimed(const struct registry *registry, uint64_t owner)
{
    atomic_store_explicit(offer_of(registry), owner | CLAIMED, memory_order_release);
}

void offer_done(const struct registry *registry)
{
    /* PAIR offer: see offer_open */
    atomic_store_explicit(offer_of(registry), 0, memory_order_release);
}
