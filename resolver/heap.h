/*
 * heap - deadlines in order: a binary heap whose entries live in their owners
 *
 * An entry belongs to at most one heap and must be zero before its first use.
 */
#ifndef RESOLVER_HEAP_H
#define RESOLVER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_entry {
	int64_t due_ms;
	size_t place; /* index + 1, 0 when in no heap */
};

/* entry[0] is due first; entry[i] is due no later than entry[2i+1] and entry[2i+2] */
struct heap {
	struct heap_entry **entry;
	size_t count, room;
};

/* Put an entry in, or move it to another time. False without memory, for a new entry only. */
bool heap_set(struct heap *heap, struct heap_entry *entry, int64_t due_ms);
void heap_remove(struct heap *heap, struct heap_entry *entry);

/* The entry that is due first, or NULL. */
struct heap_entry *heap_first(const struct heap *heap);
void heap_free(struct heap *heap);

#endif
