/* SPDX-License-Identifier: MIT */
#include "bias.h"

/* A word: index of an endpoint | state. It may come again: who revokes it is counted meanwhile, so
 * that it is not given again. */
enum { STATE_BITS = 2 };

uint64_t bias_index(uint64_t word)
{
    return word >> STATE_BITS;
}

static uint64_t bias_of(uint64_t index, enum bias_state state)
{
    return index << STATE_BITS | state;
}

static enum bias_state bias_state(uint64_t word)
{
    return (enum bias_state)(word & BIAS_STATE);
}

static uint64_t bias_load(const struct ring_words *words)
{
    return atomic_load_explicit(&words->bias, memory_order_relaxed);
}

static bool change(struct ring_words *words, uint64_t from, uint64_t to)
{
    /* PAIR bias: see ring_claim_at
     * PAIR over: see there */
    return atomic_compare_exchange_strong_explicit(&words->bias, &from, to, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/* ---- asking */

/* Where a process takes no part in membarrier, nobody knows when it has seen that it is revoked. It
 * said so before it had a handle. */
static bool all_take_part(const struct registry *registry)
{
    return !atomic_load_explicit(&registry->header->room.heavy, memory_order_relaxed);
}

static bool is_worth_it(const struct registry *registry, unsigned index)
{
    return registry_senders(registry) == 1 &&
           atomic_load_explicit(&registry->endpoints[index].messages, memory_order_relaxed) >=
               BIAS_AFTER &&
           all_take_part(registry);
}

/* The word that says so, or RING_UNBIASED. */
static uint64_t bias_ask(const struct registry *registry, struct ring_words *words, unsigned index)
{
    uint64_t given = bias_of(index, BIAS_GIVEN);
    if (!change(words, BIAS_NONE, given))
        return RING_UNBIASED;
    /* PAIR count: the bias before the look at the count (bias_ask -> registry_add) */
    atomic_thread_fence(memory_order_seq_cst);
    if (registry_senders(registry) == 1)
        return given;
    change(words, given, BIAS_NONE);
    return RING_UNBIASED;
}

void bias_consider(const struct registry *registry, struct ring *ring, unsigned index)
{
    if (ring->bias == bias_load(ring->words))
        return;
    ring->bias =
        is_worth_it(registry, index) ? bias_ask(registry, ring->words, index) : RING_UNBIASED;
}

/* ---- revoking */

/* All that others have written and looked at before is written and looked at now. */
static void barrier(void)
{
    if (!os_barrier_all())
        os_barrier_by_time(); /* we are not allowed to */
}

static uint64_t owner_at(const struct registry *registry, uint64_t index)
{
    /* PAIR owner: see endpoint_owner */
    return atomic_load_explicit(&registry->endpoints[index].owner, memory_order_acquire);
}

/* May the sender that this word names be about to store the tail? It has an intent that the tail
 * has not passed. */
static bool may_store(const struct registry *registry, const struct ring_words *words,
                      uint64_t word)
{
    uint64_t index = bias_index(word);
    if (index >= registry_endpoint_high(registry))
        return false;
    /* PAIR claim: see ring_claim_at */
    uint64_t tail = atomic_load_explicit(&words->tail, memory_order_acquire);
    /* PAIR intent: who sees it withdrawn sees the tail that it moved (intent_none -> may_store) */
    uint64_t position =
        atomic_load_explicit(&registry->endpoints[index].intent.position, memory_order_acquire);
    return position != INTENT_NONE && position >= tail && owner_at(registry, index);
}

bool bias_is_revoked(const struct ring_words *words)
{
    return bias_state(bias_load(words)) > BIAS_GIVEN;
}

bool bias_holds_up(const struct registry *registry, const struct ring_words *words)
{
    uint64_t word = bias_load(words);
    return bias_state(word) > BIAS_GIVEN && may_store(registry, words, word);
}

/* Has the sender that had the bias stored the tail for the last time? */
static bool is_over(const struct registry *registry, const struct ring_words *words, uint64_t word)
{
    return !may_store(registry, words, word) ||
           !registry_alive(registry, owner_at(registry, bias_index(word)));
}

/* That takes an owner that is on its way some nanoseconds; one that was put aside by the
 * scheduler comes on when we yield. */
static void give_it_a_moment(const struct registry *registry, const struct ring_words *words)
{
    enum { SPINS = 64, YIELDS = 16 };
    for (int i = 0; i < SPINS + YIELDS && bias_holds_up(registry, words); i++)
        if (i < SPINS)
            cpu_pause();
        else
            os_yield();
}

bool bias_revoke(const struct registry *registry, struct ring_words *words)
{
    const int most = 8; /* damage could go on for ever */
    for (int i = 0; i < most; i++) {
        /* PAIR bias: see ring_claim_at */
        uint64_t word = atomic_load_explicit(&words->bias, memory_order_acquire);
        if (bias_state(word) == BIAS_NONE)
            return true;
        if (bias_state(word) == BIAS_GIVEN) {
            change(words, word, bias_of(bias_index(word), BIAS_REVOKED));
            continue;
        }
        /* Each for itself: who revoked it may have been killed before this. */
        barrier();
        give_it_a_moment(registry, words);
        if (!is_over(registry, words, word))
            return false;
        change(words, word, BIAS_NONE);
    }
    return false;
}

const char *bias_check(const struct ring_words *words, bool may_be_biased)
{
    uint64_t word = bias_load(words);
    if (!word)
        return NULL;
    if (!may_be_biased)
        return "a sender claims alone where none may";
    if (bias_state(word) != BIAS_GIVEN && bias_state(word) != BIAS_REVOKED)
        return "a bias in an unknown state";
    return bias_index(word) >= ENDPOINTS_MOST ? "a handle that there cannot be claims alone" : NULL;
}
