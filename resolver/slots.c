#include "resolver/slots.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool
slots_open(struct slots *slots, unsigned count, unsigned waiters)
{
	memset(slots, 0, sizeof *slots);
	slots->count = count;
	for (slots->buckets = 1; slots->buckets < count;)
		slots->buckets *= 2;
	slots->slot = calloc(count, sizeof *slots->slot);
	slots->waiter = calloc(waiters, sizeof *slots->waiter);
	slots->bucket = calloc(slots->buckets, sizeof(struct slot *));
	slots->heap.entry = calloc(count, sizeof(struct heap_entry *));
	slots->heap.room = count;
	if (slots->slot == NULL || slots->waiter == NULL || slots->bucket == NULL ||
	    slots->heap.entry == NULL)
		return false;
	for (unsigned i = count; i-- > 0;) {
		slots->slot[i].same_hash = slots->free;
		slots->free = &slots->slot[i];
	}
	for (unsigned i = waiters; i-- > 0;) {
		slots->waiter[i].next = slots->free_waiter;
		slots->free_waiter = &slots->waiter[i];
	}
	return true;
}

void
slots_close(struct slots *slots)
{
	heap_free(&slots->heap);
	free(slots->bucket);
	free(slots->waiter);
	free(slots->slot);
}

/* The cache takes its sets from the lower bits. */
static struct slot **
bucket_of(const struct slots *slots, uint64_t hash)
{
	return &slots->bucket[hash >> 32 & (slots->buckets - 1)];
}

struct slot *
slots_find(const struct slots *slots, uint64_t hash, const struct subject *subject)
{
	struct slot *slot = *bucket_of(slots, hash);

	while (slot != NULL && !subject_equal(&slot->subject, subject))
		slot = slot->same_hash;
	return slot;
}

struct slot *
slots_of_ticket(const struct slots *slots, struct ticket ticket)
{
	struct slot *slot;

	if (ticket.slot >= slots->count)
		return NULL;
	slot = &slots->slot[ticket.slot];
	return slot->used && slot->generation == ticket.generation ? slot : NULL;
}

struct ticket
slots_ticket(const struct slots *slots, const struct slot *slot)
{
	return (struct ticket){
	    .slot = (uint32_t)(slot - slots->slot), .generation = slot->generation};
}

struct slot *
slots_take(struct slots *slots, uint64_t hash, const struct subject *subject, int64_t now_ms)
{
	struct slot **bucket = bucket_of(slots, hash), *slot = slots->free;

	if (slot == NULL)
		return NULL;
	slots->free = slot->same_hash;
	slot->used = true;
	slot->subject = *subject;
	slot->started_ms = now_ms;
	slot->same_hash = *bucket;
	*bucket = slot;
	slot->newer = NULL;
	slot->older = slots->newest;
	*(slots->newest != NULL ? &slots->newest->newer : &slots->oldest) = slot;
	slots->newest = slot;
	memset(slot->asked, 0, sizeof slot->asked);
	memset(slot->given_up, 0, sizeof slot->given_up);
	memset(slot->evidence, 0, sizeof slot->evidence);
	memset(slot->old, 0, sizeof slot->old);
	return slot;
}

void
slots_free(struct slots *slots, uint64_t hash, struct slot *slot)
{
	struct slot **link = bucket_of(slots, hash);

	assert(slot->used && slot->waiter == NULL);
	while (*link != slot)
		link = &(*link)->same_hash;
	*link = slot->same_hash;
	*(slot->older != NULL ? &slot->older->newer : &slots->oldest) = slot->newer;
	*(slot->newer != NULL ? &slot->newer->older : &slots->newest) = slot->older;
	heap_remove(&slots->heap, &slot->due);
	slot->used = false;
	slot->generation++;
	slot->same_hash = slots->free;
	slots->free = slot;
}

struct waiter *
slots_wait(struct slots *slots, struct slot *slot, const struct question *question,
    const struct client *client)
{
	struct waiter *waiter = slots->free_waiter;

	if (waiter == NULL)
		return NULL;
	slots->free_waiter = waiter->next;
	waiter->question = *question;
	memcpy(waiter->name, question->name, question->name_length);
	waiter->question.name = waiter->name;
	waiter->client = *client;
	waiter->next = slot->waiter;
	slot->waiter = waiter;
	return waiter;
}

void
slots_unwait(struct slots *slots, struct waiter **link)
{
	struct waiter *waiter = *link;

	*link = waiter->next;
	waiter->next = slots->free_waiter;
	slots->free_waiter = waiter;
}
