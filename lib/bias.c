/* SPDX-License-Identifier: MIT */
#include "bias.h"

/* A word: generation | index of an endpoint | state. Each asking is a new generation, so that no
 * word comes again. */
enum { STATE_BITS = 2, INDEX_BITS = 14 };
_Static_assert(ENDPOINT_SLOTS <= 1 << INDEX_BITS, "an index fits");

static uint64_t asked_anew(uint64_t word, unsigned index)
{
    uint64_t generation = (word >> (INDEX_BITS + STATE_BITS)) + 1;
    return (generation << INDEX_BITS | index) << STATE_BITS | BIAS_ASKED;
}

unsigned bias_index(uint64_t word)
{
    return (unsigned)(word >> STATE_BITS) & ((1u << INDEX_BITS) - 1);
}

static uint64_t bias_in(uint64_t word, enum bias_state state)
{
    return (word & ~BIAS_STATE) | state;
}

static uint64_t bias_load(const struct ring_words *words)
{
    return atomic_load_explicit(&words->bias, memory_order_relaxed);
}

static bool change(struct ring_words *words, uint64_t from, uint64_t to)
{
    /* PAIR bias: see ring_claim_at */
    return atomic_compare_exchange_strong_explicit(&words->bias, &from, to, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static uint64_t tail_of(const struct ring_words *words)
{
    /* PAIR claim: see ring_claim_at */
    return atomic_load_explicit(&words->tail, memory_order_acquire);
}

static uint64_t owner_at(const struct registry *registry, unsigned index)
{
    /* PAIR owner: see endpoint_owner */
    return atomic_load_explicit(&registry->endpoints[index].owner, memory_order_acquire);
}

/* Is that endpoint's sender about to move a tail that is here? Where the tail is past an intent,
 * it has moved it, or its CAS fails. */
static bool is_claiming(const struct registry *registry, unsigned index, uint64_t tail)
{
    /* PAIR intent: who sees it withdrawn sees the tail that it moved (intent_none ->
     * is_claiming) */
    uint64_t position =
        atomic_load_explicit(&registry->endpoints[index].intent.position, memory_order_acquire);
    return position != INTENT_NONE && position >= tail && owner_at(registry, index);
}

static bool nobody_is_claiming(const struct registry *registry, const struct ring_words *words)
{
    uint64_t tail = tail_of(words);
    unsigned high = registry_endpoint_high(registry);
    for (unsigned i = 0; i < high; i++)
        if (is_claiming(registry, i, tail))
            return false;
    return true;
}

/* ---- asking */

/* Without membarrier in one of the processes nobody knows when the others have seen the change. */
static bool all_take_part(const struct registry *registry)
{
    /* PAIR heavy: see condvar_burden */
    return !atomic_load_explicit(&registry->header->room.heavy, memory_order_acquire);
}

static bool is_worth_it(const struct registry *registry, unsigned index)
{
    const struct header *header = registry->header;
    return atomic_load_explicit(&header->senders, memory_order_relaxed) == 1 &&
           atomic_load_explicit(&registry->endpoints[index].messages, memory_order_relaxed) >=
               BIAS_AFTER &&
           all_take_part(registry);
}

/* The word that says so, or RING_UNBIASED. Our own intent is behind the tail. */
static uint64_t bias_ask(const struct registry *registry, struct ring_words *words, unsigned index)
{
    uint64_t before = bias_load(words);
    uint64_t asked = asked_anew(before, index), given = bias_in(asked, BIAS_GIVEN);
    if ((before & BIAS_STATE) || !change(words, before, asked))
        return RING_UNBIASED;
    if (os_barrier_all() && all_take_part(registry) && nobody_is_claiming(registry, words) &&
        change(words, asked, given))
        return given;
    change(words, asked, bias_in(asked, BIAS_NONE));
    return RING_UNBIASED;
}

void bias_consider(const struct registry *registry, struct ring *ring, unsigned index)
{
    if (ring->bias == bias_load(ring->words))
        return;
    ring->bias = RING_UNBIASED;
    if (!is_worth_it(registry, index))
        return;
    /* The child of a handler that forks in the midst of this would have its parent's. */
    struct os_signals before;
    os_signals_hold(&before);
    ring->bias = bias_ask(registry, ring->words, index);
    os_signals_release(&before);
}

/* ---- revoking */

/* All that others have written and looked at before is written and looked at now. */
static void barrier(void)
{
    if (os_barrier_all())
        return;
    /* We are not allowed to: no processor keeps a store to itself for as long as this. */
    atomic_uint word = 0;
    uint64_t moment = os_now() + 1000000;
    while (os_now() < moment)
        os_futex_wait(&word, 0, moment);
}

/* May the sender that this word names be about to store the tail? */
static bool may_store(const struct registry *registry, const struct ring_words *words,
                      uint64_t word)
{
    unsigned index = bias_index(word);
    return index < registry_endpoint_high(registry) && is_claiming(registry, index, tail_of(words));
}

bool bias_holds_up(const struct registry *registry, const struct ring_words *words)
{
    uint64_t word = bias_load(words);
    return (word & BIAS_STATE) == BIAS_REVOKED && may_store(registry, words, word);
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
        switch ((enum bias_state)(word & BIAS_STATE)) {
        case BIAS_NONE:
            return true;
        case BIAS_ASKED:
            change(words, word, bias_in(word, BIAS_NONE));
            break;
        case BIAS_GIVEN:
            change(words, word, bias_in(word, BIAS_REVOKED));
            break;
        case BIAS_REVOKED:
            /* Each for itself: who revoked it may have been killed before this. */
            barrier();
            give_it_a_moment(registry, words);
            if (!is_over(registry, words, word))
                return false;
            change(words, word, bias_in(word, BIAS_NONE));
            break;
        }
    }
    return false;
}

const char *bias_check(const struct ring_words *words, bool may_be_biased)
{
    uint64_t word = bias_load(words);
    if (!(word & BIAS_STATE))
        return NULL;
    if (!may_be_biased)
        return "a sender claims alone where none may";
    return bias_index(word) >= ENDPOINTS_MOST ? "a handle that there cannot be claims alone" : NULL;
}
