#include "resolver/refusals.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bytes.h"
#include "aggregate/caseid.h"
#include "aggregate/exchange.h"
#include "aggregate/fetch.h"
#include "aggregate/testimony.h"
#include "resolver/queue.h"

#define WAITING_MAX 256
#define HOUR 0xffffffu /* these bits of an entry of `recent` are the hour */
#define RECENT 16384   /* cases of which it is known that they were noted; a power of 2 */
#define WAYS 4         /* of them, those where one case may stand */
#define AGAIN_S 3600
#define EACH_SECOND                                                                                \
	256 /* so many are noted: a flood of refusals is not worth a flood of writes               \
	     */

#define ODD 0xd6e8feb86659fd93u /* hashes are polynomials in it */

struct refusals {
	struct queue *queue;
	void (*wake)(void *owner);
	void *owner;
	/* case and hour as one; two threads at once may note a case twice */
	_Atomic uint64_t recent[RECENT];
	_Atomic uint64_t noted; /* the second << 32, and how many were noted in it; threads may
				   count one as two */
};

struct refusals *
refusals_open(void (*wake)(void *owner), void *owner)
{
	struct refusals *refusals = calloc(1, sizeof *refusals);

	if (refusals == NULL)
		return NULL;
	refusals->wake = wake;
	refusals->owner = owner;
	refusals->queue = queue_open(WAITING_MAX, sizeof(struct casebook_entry));
	if (refusals->queue == NULL) {
		free(refusals);
		return NULL;
	}
	return refusals;
}

void
refusals_close(struct refusals *refusals)
{
	if (refusals == NULL)
		return;
	queue_close(refusals->queue);
	free(refusals);
}

/* Is there one more that may be noted in this second? */
static bool
is_within_limit(struct refusals *refusals, uint32_t wall)
{
	uint64_t noted = atomic_load_explicit(&refusals->noted, memory_order_relaxed);

	if (noted >> 32 != wall)
		noted = (uint64_t)wall << 32;
	if ((noted & 0xffffffffu) >= EACH_SECOND)
		return false;
	atomic_store_explicit(&refusals->noted, noted + 1, memory_order_relaxed);
	return true;
}

/* Where it is known whether a case was noted. */
static inline size_t
recent_at(uint64_t hash)
{
	return (hash >> 40) * WAYS & (RECENT - 1);
}

void
refusals_fetch(const struct refusals *refusals, uint64_t hash)
{
	fetch_memory(&refusals->recent[recent_at(hash)]);
}

/* A case of an earlier hour makes room. */
bool
refusals_is_news(struct refusals *refusals, uint64_t hash, uint32_t wall)
{
	_Atomic uint64_t *recent = &refusals->recent[recent_at(hash)];
	uint64_t hour = wall / AGAIN_S & HOUR, now = (hash & ~(uint64_t)HOUR) | hour;
	size_t way = hash & (WAYS - 1);
	bool seen = false;

	for (size_t i = 0; i < WAYS; i++)
		seen |= atomic_load_explicit(&recent[i], memory_order_relaxed) == now;
	if (seen)
		return false;
	for (size_t i = 0; i < WAYS; i++)
		if ((atomic_load_explicit(&recent[i], memory_order_relaxed) & HOUR) != hour)
			way = i;
	if (!is_within_limit(refusals, wall))
		return false;
	atomic_store_explicit(&recent[way], now, memory_order_relaxed);
	return true;
}

/* What the lists of the zone said, those that listed first: there may be no room for all. */
static void
add_said(const struct policy_zone *zone, const struct evidence_book *book,
    const struct evidence *evidence, bool listed, struct text *text)
{
	for (size_t i = 0; i < zone->lists; i++) {
		const struct policy_list *list = zone->list[i].list;
		uint16_t said = evidence[list->number].said;
		struct testimony one = {.state = TESTIMONY_UNKNOWN};

		if (listed != (said >= EVIDENCE_ANSWERS))
			continue;
		memcpy(one.list, list->name, strlen(list->name) + 1);
		if (said == EVIDENCE_CLEAR)
			one.state = TESTIMONY_CLEAR;
		if (said >= EVIDENCE_ANSWERS) {
			one.state = TESTIMONY_ANSWERS;
			one.answers = *evidence_answers(book, list->number, said);
		}
		testimony_add(text, &one);
	}
}

static bool
is_refusal(const struct policy_zone *zone, const struct verdict *verdict)
{
	return verdict->state == VERDICT_LISTED && zone->kind == POLICY_BLOCK;
}

/* The same for the same case, as its id is, but for the life of this process and in less time. */
static inline uint64_t
hash_case(const struct policy_zone *zone, const struct subject *subject,
    const struct verdict *verdict, const struct evidence *evidence)
{
	const uint64_t key[2] = {zone->mark, ODD};
	const struct policy_asked *asked = &zone->asked[subject->family];
	uint64_t hash = subject_hash(subject, 0, key);

	if (verdict->excepted)
		hash = bytes_mix(hash, caseid_of(zone, subject, &verdict->exception, NULL, NULL));
	if (verdict_is_without_lists(verdict))
		return hash;
	for (unsigned number = 0; number < asked->numbers; number++) {
		uint32_t said = evidence[number].said & (uint32_t)asked->is_asked[number];

		hash = hash * ODD + (evidence_is_answer((uint16_t)said) ? said : 0);
	}
	return bytes_mix(0, hash | 1);
}

uint64_t
refusals_case(const struct policy_zone *zone, const struct subject *subject,
    const struct verdict *verdict, const struct evidence *evidence)
{
	if ((!is_refusal(zone, verdict) && !verdict->excepted) ||
	    verdict->place != SUBJECT_ORDINARY)
		return 0;
	return hash_case(zone, subject, verdict, evidence);
}

void
refusals_tell(struct refusals *refusals, const struct policy_zone *zone,
    const struct subject *subject, const struct verdict *verdict, const struct evidence_book *book,
    const struct evidence *evidence, uint32_t wall)
{
	struct casebook_entry entry = {.when = wall,
	    .id = verdict_case(zone, subject, verdict, book, evidence),
	    .refused = is_refusal(zone, verdict),
	    .subject = *subject,
	    .score = verdict->score,
	    .threshold = zone->threshold,
	    .address = verdict->address};
	bool was_empty;
	struct text text;

	memcpy(entry.zone, zone->name, strlen(zone->name) + 1);
	text_init(&text, entry.exception, sizeof entry.exception);
	if (verdict->excepted)
		exchange_key(verdict->exception.action, &verdict->exception.prefix,
		    verdict->exception.zone, &text);
	text_init(&text, entry.said, sizeof entry.said);
	if (!verdict_is_without_lists(verdict)) {
		add_said(zone, book, evidence, true, &text);
		add_said(zone, book, evidence, false, &text);
	}
	if (queue_push(refusals->queue, &entry, &was_empty) && was_empty)
		refusals->wake(refusals->owner);
}

void
refusals_note(struct refusals *refusals, const struct policy_zone *zone,
    const struct subject *subject, const struct verdict *verdict, const struct evidence_book *book,
    const struct evidence *evidence, uint32_t wall)
{
	uint64_t hash = refusals_case(zone, subject, verdict, evidence);

	if (hash != 0 && refusals_is_news(refusals, hash, wall))
		refusals_tell(refusals, zone, subject, verdict, book, evidence, wall);
}

bool
refusals_take(struct refusals *refusals, struct casebook_entry *entry)
{
	return queue_pop(refusals->queue, entry);
}
