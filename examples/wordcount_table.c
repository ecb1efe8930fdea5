/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing; never more than half full, so a free slot is near. */
#include "wordcount_table.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 1024 };

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const char *word, size_t length)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)word[i]) * UINT64_C(1099511628211);
    return hash;
}

static bool is_word(const struct entry *entry, uint64_t hash, const char *word, size_t length)
{
    return entry->hash == hash && strncmp(entry->word, word, length) == 0 &&
           entry->word[length] == '\0';
}

/* The word's slot, or the free one where it belongs. */
static struct entry *slot_of(const struct table *table, uint64_t hash, const char *word,
                             size_t length)
{
    size_t mask = table->size - 1;
    size_t i = (size_t)(hash ^ hash >> 32) & mask;
    while (table->slots[i].word && !is_word(&table->slots[i], hash, word, length))
        i = (i + 1) & mask;
    return &table->slots[i];
}

static bool grow(struct table *table)
{
    struct table larger = {.size = table->size ? table->size * 2 : FIRST_SIZE, .used = table->used};
    larger.slots = calloc(larger.size, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < table->size; i++) {
        const struct entry *old = &table->slots[i];
        if (old->word)
            *slot_of(&larger, old->hash, old->word, strlen(old->word)) = *old;
    }
    free(table->slots);
    *table = larger;
    return true;
}

bool table_add(struct table *table, const char *word, size_t length)
{
    if (table->used >= table->size / 2 && !grow(table))
        return false;
    uint64_t hash = hash_of(word, length);
    struct entry *entry = slot_of(table, hash, word, length);
    if (!entry->word) {
        entry->word = strndup(word, length);
        if (!entry->word)
            return false;
        entry->hash = hash;
        table->used++;
    }
    entry->count++;
    return true;
}

uint64_t table_count(const struct table *table, const char *word)
{
    size_t length = strlen(word);
    return table->size ? slot_of(table, hash_of(word, length), word, length)->count : 0;
}

static int more_frequent_first(const void *a, const void *b)
{
    const struct entry *left = *(const struct entry *const *)a;
    const struct entry *right = *(const struct entry *const *)b;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return strcmp(left->word, right->word);
}

const struct entry **table_sorted(const struct table *table)
{
    const struct entry **sorted = malloc((table->used + 1) * sizeof(struct entry *));
    if (!sorted)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i].word)
            sorted[n++] = &table->slots[i];
    qsort(sorted, n, sizeof(struct entry *), more_frequent_first);
    return sorted;
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->size; i++)
        free(table->slots[i].word);
    free(table->slots);
    *table = (struct table){0};
}
