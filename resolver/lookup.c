/*
 * Invariants: a used slot has a waiter or an asked list. given_up is a part of asked; the evidence
 * of an asked list is NONE unless it is given up. While hold > 0 nothing is decided: a list may
 * answer inside the call that asks it.
 */
#include "resolver/lookup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/standin.h"

/* So long the lists that are always asked may have the word alone. */
#define UNDECIDED_WAIT_MS 500

struct lookup {
	struct slots slots;
	struct cache *cache;
	struct evidence_book *book;
	const struct view *view;
	uint32_t wall;
	struct lookup_calls calls;
	struct standin standin;
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
	lookup->cache = lookup->standin.cache = cache;
	lookup->book = lookup->standin.book = book;
	lookup->view = view;
	lookup->calls = *calls;
	if (!slots_open(&lookup->slots, slots, waiters)) {
		lookup_close(lookup);
		return NULL;
	}
	return lookup;
}

void
lookup_close(struct lookup *lookup)
{
	if (lookup == NULL)
		return;
	slots_close(&lookup->slots);
	free(lookup);
}

static void
reply(struct lookup *lookup, const struct evidence *evidence, const struct question *question,
    const struct client *client, struct verdict *verdict)
{
	verdict_close(question->zone, verdict);
	lookup->calls.reply(lookup->calls.owner, client, question, verdict, evidence);
}

/* --- deciding --------------------------------------------------------------------------------- */

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
    struct evidence *evidence, int64_t now_ms, struct verdict *verdict)
{
	struct view_time time = {.now = seconds(now_ms), .wall = lookup->wall};
	struct exception exception;
	bool score;

	view_fill(lookup->view, subject, time.now, evidence);
	if (!view_decides(lookup->view, zone, subject, time, &exception, &score, verdict))
		view_weigh(lookup->view, zone, subject, score ? &exception : NULL, lookup->book,
		    evidence, time, verdict);
}

/* The deadline: for lists that have not answered, what they said before. */
static void
judge_at_deadline(const struct lookup *lookup, const struct slot *slot,
    const struct policy_zone *zone, int64_t now_ms, struct evidence *evidence,
    struct verdict *verdict)
{
	memcpy(evidence, slot->evidence, sizeof slot->evidence);
	for (size_t i = 0; i < zone->lists; i++) {
		unsigned number = zone->list[i].list->number;

		if (evidence[number].said == EVIDENCE_NONE)
			evidence[number] =
			    standin_for(slot->old[number], lookup->view->policy, seconds(now_ms));
	}
	judge(lookup, zone, &slot->subject, evidence, now_ms, verdict);
}

/* Which lists of a zone are asked: those that always are, or all. */
enum whom { ASK_ALWAYS, ASK_ALL };

/* Ask one list, unless it failed just now and something stands in for it. */
static void
ask_list(struct lookup *lookup, struct slot *slot, const struct policy_list *list, int64_t now_ms)
{
	unsigned number = list->number;

	if (standin_failed_lately(&lookup->standin, &slot->subject, number, seconds(now_ms)))
		slot->evidence[number] =
		    standin_for(slot->old[number], lookup->view->policy, seconds(now_ms));
	if (slot->evidence[number].said != EVIDENCE_NONE)
		return;
	bits_set(slot->asked, number);
	slot->list_due[number] = (uint32_t)(now_ms - slot->started_ms) + list->timeout_ms;
	lookup->calls.ask(
	    lookup->calls.owner, list, &slot->subject, slots_ticket(&lookup->slots, slot));
}

/* Ask the lists of a zone of which nothing is known. True when there was one. */
static bool
ask_lists(struct lookup *lookup, struct slot *slot, const struct policy_zone *zone, enum whom whom,
    int64_t now_ms)
{
	bool any = false;

	slot->hold++;
	for (size_t i = 0; i < zone->lists; i++) {
		const struct policy_list *list = zone->list[i].list;
		unsigned number = list->number;

		if (!view_asks(lookup->view, list, &slot->subject) ||
		    (whom == ASK_ALWAYS && list->ask == POLICY_UNDECIDED) ||
		    bits_has(slot->asked, number) || slot->evidence[number].said != EVIDENCE_NONE)
			continue;
		any = true;
		ask_list(lookup, slot, list, now_ms);
	}
	slot->hold--;
	return any;
}

/* Answer a waiter if there is nothing to wait for any more. */
static bool
answer_waiter(struct lookup *lookup, struct slot *slot, struct waiter *waiter, int64_t now_ms)
{
	const struct policy_zone *zone = waiter->question.zone;
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	struct verdict verdict;

	judge(lookup, zone, &slot->subject, slot->evidence, now_ms, &verdict);
	if (verdict.state == VERDICT_OPEN && waiter->due_ms > now_ms &&
	    (waiter->undecided_ms <= now_ms || !is_pending(lookup, slot, zone)) &&
	    ask_lists(lookup, slot, zone, ASK_ALL, now_ms))
		judge(lookup, zone, &slot->subject, slot->evidence, now_ms, &verdict);
	if ((verdict.state == VERDICT_OPEN || waiter->client.wants_all) &&
	    waiter->due_ms > now_ms && is_pending(lookup, slot, zone))
		return false;
	if (verdict.state == VERDICT_OPEN) {
		judge_at_deadline(lookup, slot, zone, now_ms, evidence, &verdict);
		reply(lookup, evidence, &waiter->question, &waiter->client, &verdict);
	} else {
		reply(lookup, slot->evidence, &waiter->question, &waiter->client, &verdict);
	}
	return true;
}

static void
set_due(struct lookup *lookup, struct slot *slot, int64_t now_ms)
{
	unsigned lists = evidence_list_count(lookup->book);
	int64_t due_ms = INT64_MAX;

	for (const struct waiter *waiter = slot->waiter; waiter != NULL; waiter = waiter->next) {
		if (waiter->due_ms < due_ms)
			due_ms = waiter->due_ms;
		if (waiter->undecided_ms > now_ms && waiter->undecided_ms < due_ms)
			due_ms = waiter->undecided_ms;
	}
	for (unsigned i = 0; i < lists; i++)
		if (bits_has(slot->asked, i) && !bits_has(slot->given_up, i) &&
		    slot->started_ms + slot->list_due[i] < due_ms)
			due_ms = slot->started_ms + slot->list_due[i];
	if (due_ms == INT64_MAX)
		heap_remove(&lookup->slots.heap, &slot->due);
	else
		(void)heap_set(&lookup->slots.heap, &slot->due, due_ms); /* room for all */
}

/* Answer every waiter that can be answered; let the slot go when nothing is left of it. */
static void
settle(struct lookup *lookup, struct slot *slot, int64_t now_ms)
{
	struct waiter **link = &slot->waiter;

	if (slot->hold > 0)
		return;
	while (*link != NULL) {
		if (answer_waiter(lookup, slot, *link, now_ms))
			slots_unwait(&lookup->slots, link);
		else
			link = &(*link)->next;
	}
	if (slot->waiter == NULL && !bits_any(slot->asked, SLOT_WORDS))
		slots_free(&lookup->slots, cache_hash(lookup->cache, &slot->subject), slot);
	else
		set_due(lookup, slot, now_ms);
}

/* --- questions -------------------------------------------------------------------------------- */

/*
 * Evidence that expired while the slot stood open is asked for again, for those who wait on it;
 * a list given up on is waited for anew.
 */
static void
ask_again(struct lookup *lookup, struct slot *slot, int64_t now_ms)
{
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		const struct policy_list *list = lookup->view->policy->numbered[i];

		if (slot->evidence[i].said == EVIDENCE_NONE ||
		    slot->evidence[i].expires > seconds(now_ms))
			continue;
		if (evidence_is_answer(slot->evidence[i].said) && slot->evidence[i].stale == 0)
			slot->old[i] = slot->evidence[i];
		slot->evidence[i] = (struct evidence){.said = EVIDENCE_NONE};
		bits_clear(slot->given_up, i);
		slot->list_due[i] =
		    (uint32_t)(now_ms - slot->started_ms) + (list == NULL ? 0 : list->timeout_ms);
	}
	for (const struct waiter *waiter = slot->waiter; waiter != NULL; waiter = waiter->next)
		ask_lists(lookup, slot, waiter->question.zone, ASK_ALWAYS, now_ms);
}

/* The oldest slot gives way: its waiters get what can be said now. */
static void
evict_oldest(struct lookup *lookup, int64_t now_ms)
{
	struct slot *slot = lookup->slots.oldest;

	for (struct waiter *waiter = slot->waiter; waiter != NULL; waiter = waiter->next)
		waiter->due_ms = now_ms;
	memset(slot->asked, 0, sizeof slot->asked);
	memset(slot->given_up, 0, sizeof slot->given_up);
	settle(lookup, slot, now_ms);
}

/* A slot with what the cache knows; NULL when all are in use. */
static struct slot *
new_slot(struct lookup *lookup, const struct subject *subject, int64_t now_ms)
{
	struct slot *slot =
	    slots_take(&lookup->slots, cache_hash(lookup->cache, subject), subject, now_ms);
	unsigned lists = evidence_list_count(lookup->book);

	if (slot == NULL)
		return NULL;
	cache_find(lookup->cache, subject, lists, seconds(now_ms), slot->evidence);
	cache_find_old(lookup->cache, subject, lists, seconds(now_ms),
	    lookup->view->policy->max_stale, slot->old);
	return slot;
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

static struct slot *
find_slot(struct lookup *lookup, const struct subject *subject)
{
	return slots_find(&lookup->slots, cache_hash(lookup->cache, subject), subject);
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
		if (lookup->slots.free == NULL)
			evict_oldest(lookup, now_ms);
		slot = new_slot(lookup, &question->subject, now_ms);
	}
	slot->hold++;
	ask_again(lookup, slot, now_ms);
	judge(lookup, question->zone, &slot->subject, slot->evidence, now_ms, &verdict);
	waiter = verdict.state == VERDICT_OPEN || client->wants_all
		     ? slots_wait(&lookup->slots, slot, question, client)
		     : NULL;
	if (waiter == NULL) {
		reply(lookup, slot->evidence, question, client, &verdict);
	} else {
		waiter->due_ms = now_ms + lookup->view->policy->deadline_ms;
		waiter->undecided_ms =
		    question->zone->undecided ? now_ms + UNDECIDED_WAIT_MS : waiter->due_ms;
		ask_lists(lookup, slot, question->zone, ASK_ALWAYS, now_ms);
	}
	slot->hold--;
	settle(lookup, slot, now_ms);
}

/* Is it time to ask anew: little is left of the evidence, and more than half of its life is over?
 */
static bool
expires_soon(
    const struct lookup *lookup, unsigned list, const struct evidence *evidence, uint32_t now)
{
	uint32_t left = evidence->expires - now;

	return evidence_is_answer(evidence->said) && left <= LOOKUP_AHEAD &&
	       evidence_age(lookup->book, list, evidence, now) >= left;
}

/* Would the verdict be open without this list, or is it one that is asked in any case? */
static bool
is_needed(const struct lookup *lookup, const struct question *question,
    const struct policy_list *list, const struct evidence *known, int64_t now_ms)
{
	struct evidence others[EVIDENCE_LISTS_MAX];
	struct verdict verdict;

	if (list->ask == POLICY_ALWAYS)
		return true;
	memcpy(others, known, sizeof others);
	others[list->number].said = EVIDENCE_NONE;
	judge(lookup, question->zone, &question->subject, others, now_ms, &verdict);
	return verdict.state == VERDICT_OPEN;
}

void
lookup_refresh(struct lookup *lookup, int64_t now_ms, const struct question *question)
{
	const struct policy_zone *zone = question->zone;
	struct evidence known[EVIDENCE_LISTS_MAX];
	struct slot *slot;

	if (find_slot(lookup, &question->subject) != NULL)
		return; /* it is being asked about */
	slot = new_slot(lookup, &question->subject, now_ms);
	if (slot == NULL)
		return;
	memcpy(known, slot->evidence, sizeof known);
	slot->hold++;
	for (size_t i = 0; i < zone->lists; i++) {
		const struct policy_list *list = zone->list[i].list;
		struct evidence *evidence = &slot->evidence[list->number];

		if (!view_asks(lookup->view, list, &slot->subject) ||
		    !expires_soon(lookup, list->number, evidence, seconds(now_ms)) ||
		    !is_needed(lookup, question, list, known, now_ms))
			continue;
		slot->old[list->number] = *evidence;
		*evidence = (struct evidence){.said = EVIDENCE_NONE};
		ask_list(lookup, slot, list, now_ms);
	}
	slot->hold--;
	settle(lookup, slot, now_ms);
}

void
lookup_evidence(struct lookup *lookup, int64_t now_ms, struct ticket ticket,
    const struct subject *subject, unsigned list, struct evidence evidence)
{
	struct slot *slot = slots_of_ticket(&lookup->slots, ticket);

	standin_keep(
	    &lookup->standin, lookup->view->policy, subject, list, seconds(now_ms), evidence);
	if (slot == NULL || !bits_has(slot->asked, list))
		return;
	bits_clear(slot->asked, list);
	bits_clear(slot->given_up, list);
	slot->evidence[list] = standin_take(&lookup->standin, lookup->view->policy, list,
	    seconds(now_ms), evidence, slot->old[list]);
	settle(lookup, slot, now_ms);
}

int64_t
lookup_due_ms(const struct lookup *lookup)
{
	const struct heap_entry *first = heap_first(&lookup->slots.heap);

	return first == NULL ? INT64_MAX : first->due_ms;
}

/* Give up the lists of a slot that took longer than their timeout. */
static void
give_up(struct lookup *lookup, struct slot *slot, int64_t now_ms)
{
	struct evidence evidence = {
	    .said = EVIDENCE_TIMEOUT, .expires = seconds(now_ms) + EVIDENCE_FAILURE_TTL};

	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		const struct policy_list *list = lookup->view->policy->numbered[i];

		if (!bits_has(slot->asked, i) || bits_has(slot->given_up, i) ||
		    slot->started_ms + slot->list_due[i] > now_ms)
			continue;
		bits_set(slot->given_up, i);
		standin_keep(&lookup->standin, lookup->view->policy, &slot->subject, i,
		    seconds(now_ms), evidence);
		slot->evidence[i] = standin_take(&lookup->standin, lookup->view->policy, i,
		    seconds(now_ms), evidence, slot->old[i]);
		if (list != NULL)
			lookup->calls.late(lookup->calls.owner, list, &slot->subject);
	}
}

void
lookup_tick(struct lookup *lookup, int64_t now_ms)
{
	struct heap_entry *first;

	while ((first = heap_first(&lookup->slots.heap)) != NULL && first->due_ms <= now_ms) {
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

		question_place(&waiter->question, lookup->view->policy);
		if (waiter->question.about == QUESTION_SUBJECT) {
			ask_lists(lookup, slot, waiter->question.zone, ASK_ALWAYS, now_ms);
			link = &waiter->next;
			continue;
		}
		lookup->calls.reply(
		    lookup->calls.owner, &waiter->client, &waiter->question, &none, slot->evidence);
		slots_unwait(&lookup->slots, link);
	}
}

/* Something of the slot, or of the policy, has changed. */
static void
serve_again(struct lookup *lookup, struct slot *slot, int64_t now_ms)
{
	slot->hold++;
	place_waiters(lookup, slot, now_ms);
	slot->hold--;
	settle(lookup, slot, now_ms);
}

/* What a list said where it was counts no more, and is not waited for. */
static void
forget_moved(struct slot *slot, const uint64_t moved[SLOT_WORDS])
{
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		if (!bits_has(moved, i))
			continue;
		bits_clear(slot->asked, i);
		bits_clear(slot->given_up, i);
		slot->evidence[i] = slot->old[i] = (struct evidence){.said = EVIDENCE_NONE};
	}
}

void
lookup_view(struct lookup *lookup, int64_t now_ms, const struct view *view)
{
	struct slot *slot = lookup->slots.oldest;
	uint64_t moved[SLOT_WORDS];
	bool any_moved;

	policy_find_moved(view->policy, lookup->book, moved);
	any_moved = bits_any(moved, SLOT_WORDS);
	lookup->view = view;
	while (slot != NULL) {
		struct slot *newer = slot->newer;

		if (any_moved)
			forget_moved(slot, moved);
		serve_again(lookup, slot, now_ms);
		slot = newer;
	}
}

void
lookup_drop(struct lookup *lookup, int64_t now_ms, const struct subject *subject)
{
	struct slot *slot = lookup->slots.oldest;

	while (slot != NULL) {
		struct slot *newer = slot->newer;

		if (subject == NULL || subject_equal(&slot->subject, subject)) {
			memset(slot->evidence, 0, sizeof slot->evidence);
			memset(slot->old, 0, sizeof slot->old);
			serve_again(lookup, slot, now_ms);
		}
		slot = newer;
	}
}

void
lookup_wall(struct lookup *lookup, uint32_t wall)
{
	lookup->wall = wall;
}
