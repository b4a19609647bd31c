/*
 * Invariants: a used slot is in the hash table and in the age list, and has a waiter or an asked
 * list. given_up is a part of asked; the evidence of an asked list is NONE unless it is given up.
 * While hold > 0 nothing is decided: a list may answer inside the call that asks it.
 */
#include "resolver/lookup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bits.h"
#include "resolver/heap.h"

#define WORDS BITS_WORDS(EVIDENCE_LISTS_MAX)

struct waiter {
	struct waiter *next;
	struct question question;
	uint8_t name[WIRE_NAME_MAX]; /* what question.name points at */
	struct client client;
	int64_t due_ms;
};

struct slot {
	struct heap_entry due; /* first: the heap hands it back */
	uint32_t generation;
	bool used;
	unsigned hold;
	struct subject subject;
	int64_t started_ms;
	struct slot *same_hash; /* next of the hash chain, or of the free slots */
	struct slot *older, *newer;
	struct waiter *waiter;
	uint64_t asked[WORDS], given_up[WORDS];
	uint32_t list_due[EVIDENCE_LISTS_MAX]; /* ms after started_ms; valid when asked */
	struct evidence evidence[EVIDENCE_LISTS_MAX];
};

struct lookup {
	struct slot *slot;
	unsigned slots, in_flight;
	struct slot *free_slot, *oldest, *newest;
	struct slot **bucket; /* by hash; as many as slots, rounded up to a power of 2 */
	size_t buckets;
	struct waiter *waiter, *free_waiter;
	struct heap heap;
	struct cache *cache;
	struct evidence_book *book;
	const struct view *view;
	uint32_t wall;
	struct lookup_calls calls;
};

static uint32_t
seconds(int64_t now_ms)
{
	return (uint32_t)(now_ms / 1000);
}

struct lookup *
lookup_open(unsigned slots, unsigned waiters, struct cache *cache, struct evidence_book *book,
    const struct view *view, const struct lookup_calls *calls)
{
	struct lookup *lookup = calloc(1, sizeof *lookup);

	if (lookup == NULL)
		return NULL;
	lookup->cache = cache;
	lookup->book = book;
	lookup->view = view;
	lookup->calls = *calls;
	lookup->slots = slots;
	for (lookup->buckets = 1; lookup->buckets < slots;)
		lookup->buckets *= 2;
	lookup->slot = calloc(slots, sizeof *lookup->slot);
	lookup->waiter = calloc(waiters, sizeof *lookup->waiter);
	lookup->bucket = calloc(lookup->buckets, sizeof(struct slot *));
	lookup->heap.entry = calloc(slots, sizeof(struct heap_entry *));
	lookup->heap.room = slots;
	if (lookup->slot == NULL || lookup->waiter == NULL || lookup->bucket == NULL ||
	    lookup->heap.entry == NULL) {
		lookup_close(lookup);
		return NULL;
	}
	for (unsigned i = slots; i-- > 0;) {
		lookup->slot[i].same_hash = lookup->free_slot;
		lookup->free_slot = &lookup->slot[i];
	}
	for (unsigned i = waiters; i-- > 0;) {
		lookup->waiter[i].next = lookup->free_waiter;
		lookup->free_waiter = &lookup->waiter[i];
	}
	return lookup;
}

void
lookup_close(struct lookup *lookup)
{
	if (lookup == NULL)
		return;
	heap_free(&lookup->heap);
	free(lookup->bucket);
	free(lookup->waiter);
	free(lookup->slot);
	free(lookup);
}

static struct slot **
bucket_of(struct lookup *lookup, const struct subject *subject)
{
	return &lookup->bucket[cache_hash(lookup->cache, subject) >> 32 & (lookup->buckets - 1)];
}

static struct slot *
find_slot(struct lookup *lookup, const struct subject *subject)
{
	struct slot *slot = *bucket_of(lookup, subject);

	while (slot != NULL && !subject_equal(&slot->subject, subject))
		slot = slot->same_hash;
	return slot;
}

static void
free_slot(struct lookup *lookup, struct slot *slot)
{
	struct slot **link = bucket_of(lookup, &slot->subject);

	assert(slot->used && slot->waiter == NULL);
	while (*link != slot)
		link = &(*link)->same_hash;
	*link = slot->same_hash;
	if (slot->older != NULL)
		slot->older->newer = slot->newer;
	else
		lookup->oldest = slot->newer;
	if (slot->newer != NULL)
		slot->newer->older = slot->older;
	else
		lookup->newest = slot->older;
	heap_remove(&lookup->heap, &slot->due);
	slot->used = false;
	slot->generation++;
	slot->same_hash = lookup->free_slot;
	lookup->free_slot = slot;
	lookup->in_flight--;
}

static void
reply(struct lookup *lookup, const struct evidence *evidence, const struct question *question,
    const struct client *client, struct verdict *verdict)
{
	verdict_close(question->zone, verdict);
	lookup->calls.reply(lookup->calls.owner, client, question, verdict, evidence);
}

/* Is a list of this zone still waited for? */
static bool
is_pending(const struct lookup *lookup, const struct slot *slot, const struct policy_zone *zone)
{
	for (size_t i = 0; i < zone->lists; i++) {
		const struct policy_list *list = zone->list[i].list;

		if (view_asks(lookup->view, list, &slot->subject) &&
		    bits_has(slot->asked, list->number) && !bits_has(slot->given_up, list->number))
			return true;
	}
	return false;
}

/* What can be said of a subject in a zone now, from this evidence. */
static void
judge(const struct lookup *lookup, const struct policy_zone *zone, const struct subject *subject,
    const struct evidence *evidence, int64_t now_ms, struct verdict *verdict)
{
	struct view_time time = {.now = seconds(now_ms), .wall = lookup->wall};
	struct exception exception;
	bool score;

	if (!view_decides(lookup->view, zone, subject, time, &exception, &score, verdict))
		view_weigh(lookup->view, zone, subject, score ? &exception : NULL, lookup->book,
		    evidence, time, verdict);
}

/* Answer a waiter if there is nothing to wait for any more. */
static bool
answer_waiter(struct lookup *lookup, struct slot *slot, struct waiter *waiter, int64_t now_ms)
{
	const struct policy_zone *zone = waiter->question.zone;
	struct verdict verdict;

	judge(lookup, zone, &slot->subject, slot->evidence, now_ms, &verdict);
	if ((verdict.state == VERDICT_OPEN || waiter->client.wants_all) &&
	    waiter->due_ms > now_ms && is_pending(lookup, slot, zone))
		return false;
	reply(lookup, slot->evidence, &waiter->question, &waiter->client, &verdict);
	return true;
}

static void
set_due(struct lookup *lookup, struct slot *slot)
{
	int64_t due_ms = INT64_MAX;

	for (const struct waiter *waiter = slot->waiter; waiter != NULL; waiter = waiter->next)
		if (waiter->due_ms < due_ms)
			due_ms = waiter->due_ms;
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++)
		if (bits_has(slot->asked, i) && !bits_has(slot->given_up, i) &&
		    slot->started_ms + slot->list_due[i] < due_ms)
			due_ms = slot->started_ms + slot->list_due[i];
	if (due_ms == INT64_MAX)
		heap_remove(&lookup->heap, &slot->due);
	else
		(void)heap_set(&lookup->heap, &slot->due, due_ms); /* room for every slot */
}

/* Answer every waiter that can be answered; let the slot go when nothing is left of it. */
static void
settle(struct lookup *lookup, struct slot *slot, int64_t now_ms)
{
	struct waiter **link = &slot->waiter;

	if (slot->hold > 0)
		return;
	while (*link != NULL) {
		struct waiter *waiter = *link;

		if (answer_waiter(lookup, slot, waiter, now_ms)) {
			*link = waiter->next;
			waiter->next = lookup->free_waiter;
			lookup->free_waiter = waiter;
		} else {
			link = &waiter->next;
		}
	}
	if (slot->waiter == NULL && !bits_any(slot->asked, WORDS))
		free_slot(lookup, slot);
	else
		set_due(lookup, slot);
}

/* Ask the lists of a zone of which nothing is known. */
static void
ask_lists(struct lookup *lookup, struct slot *slot, const struct policy_zone *zone, int64_t now_ms)
{
	struct ticket ticket = {
	    .slot = (uint32_t)(slot - lookup->slot), .generation = slot->generation};

	slot->hold++;
	for (size_t i = 0; i < zone->lists; i++) {
		const struct policy_list *list = zone->list[i].list;
		unsigned number = list->number;

		if (!view_asks(lookup->view, list, &slot->subject) ||
		    bits_has(slot->asked, number) || slot->evidence[number].said != EVIDENCE_NONE)
			continue;
		bits_set(slot->asked, number);
		slot->list_due[number] = (uint32_t)(now_ms - slot->started_ms) + list->timeout_ms;
		lookup->calls.ask(lookup->calls.owner, list, &slot->subject, ticket);
	}
	slot->hold--;
}

/*
 * Evidence that expired while the slot stood open is asked for again, for those who wait on it;
 * a list given up on is waited for anew.
 */
static void
refresh(struct lookup *lookup, struct slot *slot, int64_t now_ms)
{
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		const struct policy_list *list = lookup->view->config->policy->numbered[i];

		if (slot->evidence[i].said == EVIDENCE_NONE ||
		    slot->evidence[i].expires > seconds(now_ms))
			continue;
		slot->evidence[i].said = EVIDENCE_NONE;
		bits_clear(slot->given_up, i);
		slot->list_due[i] =
		    (uint32_t)(now_ms - slot->started_ms) + (list == NULL ? 0 : list->timeout_ms);
	}
	for (const struct waiter *waiter = slot->waiter; waiter != NULL; waiter = waiter->next)
		ask_lists(lookup, slot, waiter->question.zone, now_ms);
}

/* The oldest slot gives way: its waiters get what can be said now. */
static void
evict_oldest(struct lookup *lookup, int64_t now_ms)
{
	struct slot *slot = lookup->oldest;

	for (struct waiter *waiter = slot->waiter; waiter != NULL; waiter = waiter->next)
		waiter->due_ms = now_ms;
	memset(slot->asked, 0, sizeof slot->asked);
	memset(slot->given_up, 0, sizeof slot->given_up);
	settle(lookup, slot, now_ms);
}

static struct slot *
new_slot(struct lookup *lookup, const struct subject *subject, int64_t now_ms)
{
	struct slot **bucket = bucket_of(lookup, subject), *slot;

	if (lookup->free_slot == NULL)
		evict_oldest(lookup, now_ms);
	slot = lookup->free_slot;
	lookup->free_slot = slot->same_hash;
	slot->used = true;
	slot->subject = *subject;
	slot->started_ms = now_ms;
	slot->same_hash = *bucket;
	*bucket = slot;
	slot->newer = NULL;
	slot->older = lookup->newest;
	*(lookup->newest != NULL ? &lookup->newest->newer : &lookup->oldest) = slot;
	lookup->newest = slot;
	memset(slot->asked, 0, sizeof slot->asked);
	memset(slot->given_up, 0, sizeof slot->given_up);
	memset(slot->evidence, 0, sizeof slot->evidence);
	cache_find(lookup->cache, subject, evidence_list_count(lookup->book), seconds(now_ms),
	    slot->evidence);
	lookup->in_flight++;
	return slot;
}

static struct waiter *
new_waiter(struct lookup *lookup, struct slot *slot, const struct question *question,
    const struct client *client)
{
	struct waiter *waiter = lookup->free_waiter;

	if (waiter == NULL)
		return NULL;
	lookup->free_waiter = waiter->next;
	waiter->question = *question;
	memcpy(waiter->name, question->name, question->name_length);
	waiter->question.name = waiter->name;
	waiter->client = *client;
	waiter->next = slot->waiter;
	slot->waiter = waiter;
	return waiter;
}

/*
 * Answer what has meanwhile been decided, by evidence that came while the question was on its
 * way: it needs no slot, and pushes nobody out of one.
 */
static bool
answer_at_once(struct lookup *lookup, int64_t now_ms, const struct question *question,
    const struct client *client)
{
	struct evidence evidence[EVIDENCE_LISTS_MAX] = {0};
	struct verdict verdict;

	cache_find(lookup->cache, &question->subject, evidence_list_count(lookup->book),
	    seconds(now_ms), evidence);
	judge(lookup, question->zone, &question->subject, evidence, now_ms, &verdict);
	if (verdict.state == VERDICT_OPEN || client->wants_all)
		return false;
	reply(lookup, evidence, question, client, &verdict);
	return true;
}

void
lookup_start(struct lookup *lookup, int64_t now_ms, const struct question *question,
    const struct client *client)
{
	struct slot *slot = find_slot(lookup, &question->subject);
	struct waiter *waiter;
	struct verdict verdict;

	if (slot == NULL) {
		if (answer_at_once(lookup, now_ms, question, client))
			return;
		slot = new_slot(lookup, &question->subject, now_ms);
	}
	slot->hold++;
	refresh(lookup, slot, now_ms);
	judge(lookup, question->zone, &slot->subject, slot->evidence, now_ms, &verdict);
	waiter = verdict.state == VERDICT_OPEN || client->wants_all
		     ? new_waiter(lookup, slot, question, client)
		     : NULL;
	if (waiter == NULL) {
		reply(lookup, slot->evidence, question, client, &verdict);
	} else {
		waiter->due_ms = now_ms + lookup->view->config->policy->deadline_ms;
		ask_lists(lookup, slot, question->zone, now_ms);
	}
	slot->hold--;
	settle(lookup, slot, now_ms);
}

static struct slot *
slot_of(struct lookup *lookup, struct ticket ticket)
{
	struct slot *slot;

	assert(ticket.slot < lookup->slots);
	slot = &lookup->slot[ticket.slot];
	return slot->used && slot->generation == ticket.generation ? slot : NULL;
}

void
lookup_evidence(struct lookup *lookup, int64_t now_ms, struct ticket ticket,
    const struct subject *subject, unsigned list, struct evidence evidence)
{
	struct slot *slot = slot_of(lookup, ticket);

	cache_put(lookup->cache, subject, list, seconds(now_ms), evidence);
	if (slot == NULL || !bits_has(slot->asked, list))
		return;
	bits_clear(slot->asked, list);
	bits_clear(slot->given_up, list);
	slot->evidence[list] = evidence;
	settle(lookup, slot, now_ms);
}

int64_t
lookup_due_ms(const struct lookup *lookup)
{
	const struct heap_entry *first = heap_first(&lookup->heap);

	return first == NULL ? INT64_MAX : first->due_ms;
}

/* Give up the lists of a slot that took longer than their timeout. */
static void
give_up(struct lookup *lookup, struct slot *slot, int64_t now_ms)
{
	struct evidence evidence = {
	    .said = EVIDENCE_TIMEOUT, .expires = seconds(now_ms) + EVIDENCE_FAILURE_TTL};

	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		if (!bits_has(slot->asked, i) || bits_has(slot->given_up, i) ||
		    slot->started_ms + slot->list_due[i] > now_ms)
			continue;
		bits_set(slot->given_up, i);
		slot->evidence[i] = evidence;
		cache_put(lookup->cache, &slot->subject, i, seconds(now_ms), evidence);
	}
}

void
lookup_tick(struct lookup *lookup, int64_t now_ms)
{
	struct heap_entry *first;

	while ((first = heap_first(&lookup->heap)) != NULL && first->due_ms <= now_ms) {
		struct slot *slot = (struct slot *)(void *)first;

		give_up(lookup, slot, now_ms);
		settle(lookup, slot, now_ms);
	}
}

/* The waiters of a slot whose zone is gone, or no longer what it was, get the new answer. */
static void
place_waiters(struct lookup *lookup, struct slot *slot, int64_t now_ms)
{
	static const struct verdict none;

	for (struct waiter **link = &slot->waiter; *link != NULL;) {
		struct waiter *waiter = *link;

		question_place(&waiter->question, lookup->view->config->policy);
		if (waiter->question.about == QUESTION_SUBJECT) {
			ask_lists(lookup, slot, waiter->question.zone, now_ms);
			link = &waiter->next;
			continue;
		}
		lookup->calls.reply(
		    lookup->calls.owner, &waiter->client, &waiter->question, &none, slot->evidence);
		*link = waiter->next;
		waiter->next = lookup->free_waiter;
		lookup->free_waiter = waiter;
	}
}

void
lookup_view(struct lookup *lookup, int64_t now_ms, const struct view *view)
{
	struct slot *slot = lookup->oldest;

	lookup->view = view;
	while (slot != NULL) {
		struct slot *newer = slot->newer;

		slot->hold++;
		place_waiters(lookup, slot, now_ms);
		slot->hold--;
		settle(lookup, slot, now_ms);
		slot = newer;
	}
}

void
lookup_wall(struct lookup *lookup, uint32_t wall)
{
	lookup->wall = wall;
}

unsigned
lookup_in_flight(const struct lookup *lookup)
{
	return lookup->in_flight;
}
