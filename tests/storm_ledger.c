/* SPDX-License-Identifier: MIT */
/* See storm.h. */
#include "storm.h"

/* ------------------------------------------------------------------ messages */

/* What follows is a pattern that begins with the checksum, as far as the length goes. */
struct message {
    uint32_t life;
    uint32_t length;
    uint64_t number;
    uint64_t checksum;
};

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return value ^ value >> 32;
}

static uint64_t checksum_of(const struct message *message)
{
    return mix(message->number ^ mix((uint64_t)message->length << 32 | message->life));
}

size_t storm_length(const struct kind *kind, uint32_t life, uint64_t number)
{
    uint64_t mixed = mix(number * UINT64_C(0x100000001b3) + life) >> 20;
    return kind->least + (size_t)(mixed % (kind->most - kind->least + 1));
}

void storm_fill(void *memory, size_t length, uint32_t life, uint64_t number)
{
    struct message message = {life, (uint32_t)length, number, 0};
    unsigned char *bytes = memory;
    message.checksum = checksum_of(&message);
    memcpy(bytes, &message, sizeof message);
    uint64_t word = message.checksum;
    for (size_t i = sizeof message; i < length; i += sizeof word) {
        word += UINT64_C(0x9e3779b97f4a7c15);
        memcpy(bytes + i, &word, length - i < sizeof word ? length - i : sizeof word);
    }
}

/* Whether that is a message from its first byte to its last. */
static bool is_whole(const struct kind *kind, const void *memory, struct message *message)
{
    const unsigned char *bytes = memory;
    memcpy(message, memory, sizeof *message);
    if (message->length < kind->least || message->length > kind->most ||
        message->checksum != checksum_of(message) ||
        message->length != storm_length(kind, message->life, message->number))
        return false;
    uint64_t word = message->checksum;
    for (size_t i = sizeof *message; i < message->length; i += sizeof word) {
        size_t left = message->length - i;
        word += UINT64_C(0x9e3779b97f4a7c15);
        if (memcmp(bytes + i, &word, left < sizeof word ? left : sizeof word) != 0)
            return false;
    }
    return true;
}

static struct message message_of(const struct ledger *ledger, const void *memory, size_t length)
{
    struct message message;
    if (length < sizeof message || !is_whole(&ledger->kind, memory, &message) ||
        message.length != length)
        fail_msg("a torn message of %zu bytes", length);
    if (message.life >= atomic_load(&ledger->lives))
        fail_msg("a message of nobody, life %u", message.life);
    if (message.life && message.life < atomic_load(&ledger->era))
        fail_msg("a message of life %u, whose channel is gone", message.life);
    return message;
}

/* ------------------------------------------------------------------ hands */

void hand_empty(struct hand *hand)
{
    /* The head alone, and before anything else is written. */
    atomic_signal_fence(memory_order_seq_cst);
    memset(hand->bytes, 0, sizeof(uint64_t));
    atomic_signal_fence(memory_order_seq_cst);
}

void hand_fill(struct hand *hand, const void *message, size_t length)
{
    assert_in_range(length, 0, LONGEST);
    memcpy(hand->bytes, message, length);
    atomic_signal_fence(memory_order_seq_cst);
}

/* ------------------------------------------------------------------ what has come */

static _Noreturn void wrong(const struct ledger *ledger, const struct message *message,
                            const char *what)
{
    const struct life *life = &ledger->life[message->life];
    fail_msg("%s: %s: life %u, number %ju; about %ju, sent %ju, got %ju, maybe %ju",
             ledger->kind.name, what, message->life, (uintmax_t)message->number,
             (uintmax_t)atomic_load(&life->about), (uintmax_t)atomic_load(&life->sent),
             (uintmax_t)atomic_load(&life->got), (uintmax_t)atomic_load(&life->maybe));
}

/* It must be the next one of its life. */
static void judge(const struct ledger *ledger, const struct message *message)
{
    const struct life *life = &ledger->life[message->life];
    uint64_t got = atomic_load(&life->got);
    if (message->number > atomic_load(&life->about))
        wrong(ledger, message, "never sent");
    if (message->number <= got)
        wrong(ledger, message, "delivered twice");
    bool skips = message->number == got + 2 && atomic_load(&life->maybe) == got + 1;
    if (message->number != got + 1 && !skips)
        wrong(ledger, message, "some were lost before it");
}

static void took(struct ledger *ledger, const struct message *message)
{
    judge(ledger, message);
    atomic_store(&ledger->life[message->life].got, message->number);
}

void ledger_took(struct ledger *ledger, struct hand *hand, size_t length)
{
    struct message message = message_of(ledger, hand->bytes, length);
    took(ledger, &message);
    if (message.life == 0)
        atomic_store(&ledger->over, 1);
}

/*
 * What the last receiver has in its hand, and has not said that it took, it was killed over. Either it
 * comes again, now and once, or it was taken. In a rendezvous there is a third case: its sender, who
 * heard of the death, took it back, and sends it later.
 */
void ledger_take_charge(struct ledger *ledger, unsigned hand, const void *first, size_t length)
{
    unsigned last = atomic_load(&ledger->in_charge);
    struct message held, next;
    bool again = false;
    if (first)
        next = message_of(ledger, first, length);
    if (last < HANDS && is_whole(&ledger->kind, ledger->hands[last].bytes, &held) &&
        held.number > atomic_load(&ledger->life[held.life].got)) {
        judge(ledger, &held);
        again = first && memcmp(&held, &next, sizeof held) == 0;
        if (!again && ledger->kind.bound == 0) {
            atomic_store(&ledger->life[held.life].maybe, held.number);
            atomic_store(&ledger->life[held.life].got, held.number - 1);
        } else if (!again) {
            took(ledger, &held);
        }
    }
    hand_empty(&ledger->hands[hand]);
    atomic_store(&ledger->in_charge, hand);
    if (again)
        atomic_fetch_add(&ledger->again, 1);
}
