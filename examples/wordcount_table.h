/* SPDX-License-Identifier: MIT */
/* How often each word was seen: a hash table that grows. Knows nothing of channels. */
#ifndef WORDCOUNT_TABLE_H
#define WORDCOUNT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry {
    char *word; /* NULL: the slot is free */
    uint64_t count;
    uint64_t hash;
};

/* Begins as {0}. */
struct table {
    struct entry *slots;
    size_t size; /* slots; 0 or a power of two */
    size_t used;
};

/* Counts one more of a word of `length` bytes. False: no memory is left. */
bool table_add(struct table *table, const char *word, size_t length);

/* How often the word, a string, was added. */
uint64_t table_count(const struct table *table, const char *word);

/* All entries, table->used of them, the most frequent first and equals by the alphabet. The caller
 * frees the array, not the entries. NULL: no memory is left. */
const struct entry **table_sorted(const struct table *table);

void table_free(struct table *table);

#endif
