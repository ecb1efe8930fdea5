/* SPDX-License-Identifier: MIT */
/* See proof.h. */
#include "proof.h"

enum { CELLS_SHIFT = 32 };

uint64_t message_id(unsigned number, unsigned cells)
{
    return (uint64_t)cells << CELLS_SHIFT | number;
}

/* Not a multiple of a cell's, and room for the number. */
size_t message_length(uint64_t id)
{
    return (size_t)(id >> CELLS_SHIFT) * MESSAGE_SIZE - 3;
}

void message_fill(void *buffer, uint64_t id)
{
    memcpy(buffer, &id, sizeof id);
    pattern_fill((unsigned char *)buffer + sizeof id, message_length(id) - sizeof id, id);
}

uint64_t message_check(const void *message, size_t length)
{
    uint64_t id;
    if (length < sizeof id || length > LONGEST)
        fail_msg("a message of %zu bytes", length);
    memcpy(&id, message, sizeof id);
    if (id >> CELLS_SHIFT == 0 || id >> CELLS_SHIFT > BOUND || message_length(id) != length)
        fail_msg("a torn message: %zu bytes that begin with %#jx", length, (uintmax_t)id);
    pattern_check((const unsigned char *)message + sizeof id, length - sizeof id, id);
    return id;
}

void ledger_clear(struct ledger *ledger)
{
    ledger->count = ledger->next = ledger->came = 0;
}

void ledger_expect(struct ledger *ledger, uint64_t id, bool in_flight)
{
    assert_true(ledger->count < LEDGER);
    ledger->entry[ledger->count++] = (struct entry){.id = id, .in_flight = in_flight};
}

void ledger_settle(struct ledger *ledger, uint64_t id, bool sent)
{
    for (unsigned i = ledger->next; i < ledger->count; i++)
        if (ledger->entry[i].id == id) {
            ledger->entry[i].in_flight = false;
            if (!sent)
                ledger->entry[i].id = 0; /* matches nothing, and is not waited for */
        }
}

void ledger_took(struct ledger *ledger, unsigned taken)
{
    for (unsigned i = 0; i < taken && ledger->next + i < ledger->count; i++) {
        struct entry *entry = &ledger->entry[ledger->next + i];
        entry->in_flight = true;
        entry->follows = i > 0;
    }
}

static bool may_miss(const struct entry *entry)
{
    return entry->in_flight || entry->id == 0;
}

void ledger_came(struct ledger *ledger, uint64_t id)
{
    for (; ledger->next < ledger->count; ledger->next++) {
        struct entry *entry = &ledger->entry[ledger->next];
        if (entry->id == id) {
            if (entry->follows && entry[-1].missed)
                fail_msg("message %#jx came without the one before it", (uintmax_t)id);
            ledger->next++;
            ledger->came++;
            return;
        }
        if (!may_miss(entry))
            fail_msg("message %#jx came instead of %#jx", (uintmax_t)id, (uintmax_t)entry->id);
        entry->missed = true;
    }
    fail_msg("message %#jx came, and was not expected (any more)", (uintmax_t)id);
}

void ledger_end(struct ledger *ledger)
{
    for (; ledger->next < ledger->count; ledger->next++)
        if (!may_miss(&ledger->entry[ledger->next]))
            fail_msg("message %#jx was lost", (uintmax_t)ledger->entry[ledger->next].id);
    ledger_clear(ledger);
}
