#include "resolver/heap.h"

#include <stdlib.h>

static void
put(struct heap *heap, size_t i, struct heap_entry *entry)
{
	heap->entry[i] = entry;
	entry->place = i + 1;
}

static void
sift_up(struct heap *heap, size_t i, struct heap_entry *entry)
{
	while (i > 0 && heap->entry[(i - 1) / 2]->due_ms > entry->due_ms) {
		put(heap, i, heap->entry[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(heap, i, entry);
}

static void
sift_down(struct heap *heap, size_t i, struct heap_entry *entry)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < heap->count &&
		    heap->entry[child + 1]->due_ms < heap->entry[child]->due_ms)
			child++;
		if (child >= heap->count || heap->entry[child]->due_ms >= entry->due_ms)
			break;
		put(heap, i, heap->entry[child]);
		i = child;
	}
	put(heap, i, entry);
}

static bool
grow(struct heap *heap)
{
	size_t room = heap->room == 0 ? 64 : 2 * heap->room;
	struct heap_entry **larger = realloc(heap->entry, room * sizeof(struct heap_entry *));

	if (larger == NULL)
		return false;
	heap->entry = larger;
	heap->room = room;
	return true;
}

bool
heap_set(struct heap *heap, struct heap_entry *entry, int64_t due_ms)
{
	bool later = entry->place != 0 && due_ms > entry->due_ms;

	if (entry->place == 0) {
		if (heap->count == heap->room && !grow(heap))
			return false;
		put(heap, heap->count++, entry);
	}
	entry->due_ms = due_ms;
	if (later)
		sift_down(heap, entry->place - 1, entry);
	else
		sift_up(heap, entry->place - 1, entry);
	return true;
}

void
heap_remove(struct heap *heap, struct heap_entry *entry)
{
	size_t i = entry->place - 1;
	struct heap_entry *last;

	if (entry->place == 0)
		return;
	entry->place = 0;
	last = heap->entry[--heap->count];
	if (last == entry)
		return;
	put(heap, i, last);
	if (i > 0 && heap->entry[(i - 1) / 2]->due_ms > last->due_ms)
		sift_up(heap, i, last);
	else
		sift_down(heap, i, last);
}

struct heap_entry *
heap_first(const struct heap *heap)
{
	return heap->count == 0 ? NULL : heap->entry[0];
}

void
heap_free(struct heap *heap)
{
	free(heap->entry);
	*heap = (struct heap){0};
}
