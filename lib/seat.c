/* SPDX-License-Identifier: MIT */
#include "seat.h"
#include "os/trace.h"

#define RECEIVED (UINT64_C(1) << 63)
enum { OPENING_SHIFT = 46 };
#define HOLDER ((UINT64_C(1) << OPENING_SHIFT) - 1)
_Static_assert(ENDPOINTS_MOST < 1 << (OPENING_SHIFT - 32), "an endpoint's number");

uint64_t seat_word(const struct registry *registry, unsigned index)
{
    uint64_t opening = atomic_load_explicit(&registry->header->arrivals[1], memory_order_relaxed);
    return (opening << OPENING_SHIFT & ~RECEIVED) | (uint64_t)(index + 1) << 32 |
           registry->generation;
}

static bool is_same_holder(uint64_t one, uint64_t other)
{
    return ((one ^ other) & HOLDER) == 0;
}

/* Its endpoint's index + 1; 0: nobody's. */
static uint64_t seat_number(uint64_t seat)
{
    return (seat & HOLDER) >> 32;
}

static uint64_t seat_owner(const struct registry *registry, uint64_t seat)
{
    uint64_t index = seat_number(seat);
    if (index == 0 || index > registry_endpoint_high(registry))
        return 0;
    uint64_t owner =
        atomic_load_explicit(&registry->endpoints[index - 1].owner, memory_order_acquire);
    bool same = owner_kind(owner) == OWNER_RECEIVER && (uint32_t)owner == (uint32_t)seat;
    return same ? owner : 0;
}

static uint64_t seat_load(const struct registry *registry)
{
    return atomic_load_explicit(&registry->header->seat, memory_order_acquire);
}

/* `opened` is a word that may be replaced although its holder lives; 0: none. */
static enum seat_result seat_change(const struct registry *registry, uint64_t mine, uint64_t opened)
{
    uint64_t seat = seat_load(registry);
    for (;;) {
        bool died = false;
        if (seat && !is_same_holder(seat, mine)) {
            uint64_t owner = seat_owner(registry, seat);
            died = !owner || !registry_alive(registry, owner);
            if (!died && seat != opened)
                return SEAT_BUSY;
        }
        /* PAIR seat: the last holder's head is seen by the next (seat_leave, a death -> seat_change,
         * before the head is read) */
        if (atomic_compare_exchange_weak_explicit(&registry->header->seat, &seat, mine,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            if (died) {
                atomic_fetch_add_explicit(&registry->header->takeovers, 1, memory_order_relaxed);
                trace_takeover(registry->header, seat_number(seat) - 1, seat_number(mine) - 1);
            }
            return SEAT_TAKEN;
        }
    }
}

enum seat_result seat_open(const struct registry *registry, uint64_t word)
{
    return seat_change(registry, word, 0);
}

enum seat_result seat_take(const struct registry *registry, unsigned index, uint64_t opened)
{
    return seat_change(registry, seat_word(registry, index) | RECEIVED, opened);
}

void seat_leave(const struct registry *registry, unsigned index)
{
    uint64_t seat = seat_load(registry);
    /* PAIR seat: see seat_change */
    if (is_same_holder(seat, seat_word(registry, index)))
        atomic_compare_exchange_strong_explicit(&registry->header->seat, &seat, 0,
                                                memory_order_acq_rel, memory_order_relaxed);
}

int seat_holder(const struct registry *registry)
{
    uint64_t seat = seat_load(registry);
    uint64_t owner = seat_owner(registry, seat);
    if (!owner || !registry_alive(registry, owner))
        return -1;
    return (int)seat_number(seat) - 1;
}
