#include "aggregate/earned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/extremes.h"
#include "aggregate/hearing.h"

/* --- a policy with other weights ---------------------------------------------------------- */

bool
earned_adapts(const struct policy_zone *zone)
{
	return zone->adapt && zone->kind != POLICY_LOCAL;
}

bool
earned_any(const struct policy *policy)
{
	for (size_t i = 0; i < policy->zones; i++)
		if (earned_adapts(policy->zone[i]))
			return true;
	return false;
}

/* What a copy of a zone has for itself. */
static void
zone_close(struct policy_zone *zone)
{
	for (size_t i = 0; zone->list != NULL && i < zone->lists; i++)
		free(zone->list[i].memo);
	free(zone->list);
	free(zone->site);
	free(zone);
}

static void *
copy_of(const void *array, size_t size)
{
	void *copy = malloc(size + 1);

	if (copy != NULL)
		memcpy(copy, array, size);
	return copy;
}

/* Its own sites, and nothing remembered of what they weigh. NULL without memory. */
static struct policy_zone *
zone_copy(const struct policy_zone *zone)
{
	struct policy_zone *copy = copy_of(zone, sizeof *zone);
	bool memory = true;

	if (copy == NULL)
		return NULL;
	copy->list = copy_of(zone->list, zone->lists * sizeof *zone->list);
	copy->site = copy_of(zone->site, zone->sites * sizeof *zone->site);
	for (size_t i = 0; copy->list != NULL && i < copy->lists; i++) {
		copy->list[i].memo = calloc(POLICY_MEMO, sizeof *copy->list[i].memo);
		memory = memory && copy->list[i].memo != NULL;
	}
	if (copy->list != NULL && copy->site != NULL && memory)
		return copy;
	zone_close(copy);
	return NULL;
}

void
earned_close(struct policy *earned, const struct policy *policy)
{
	if (earned == NULL)
		return;
	for (size_t i = 0; i < earned->zones; i++)
		if (earned->zone[i] != policy->zone[i])
			zone_close(earned->zone[i]);
	free(earned->zone);
	free(earned);
}

/* Zones of their own for all that adapt, with the operator's weights. */
static struct policy *
policy_copy(const struct policy *policy)
{
	struct policy *copy = copy_of(policy, sizeof *policy);

	if (copy == NULL)
		return NULL;
	copy->zone = copy_of(policy->zone, policy->zones * sizeof(struct policy_zone *));
	if (copy->zone == NULL) {
		free(copy);
		return NULL;
	}
	for (size_t i = 0; i < copy->zones; i++) {
		struct policy_zone *own =
		    earned_adapts(copy->zone[i]) ? zone_copy(copy->zone[i]) : NULL;

		if (own == NULL && earned_adapts(copy->zone[i])) {
			earned_close(copy, policy);
			return NULL;
		}
		if (own != NULL)
			copy->zone[i] = own;
	}
	return copy;
}

/* Of list i of a copy, where any of its weights is another than in `zone`. False without memory. */
static bool
find_extremes(const struct policy_zone *zone, const struct policy_zone *copy, size_t i)
{
	const struct policy_zone_list *entry = &zone->list[i];

	for (size_t j = entry->first_site; copy != zone && j < entry->first_site + entry->sites;
	     j++)
		if (copy->site[j].weight != zone->site[j].weight)
			return extremes_find(copy, &copy->list[i]);
	return true;
}

struct policy *
earned_policy(const struct policy *policy, const struct earned *earned)
{
	struct policy *copy = policy_copy(policy);
	bool memory = copy != NULL;

	for (size_t i = 0; memory && i < earned->weights; i++) {
		const struct earned_weight *moved = &earned->weight[i];

		if (moved->zone < copy->zones &&
		    copy->zone[moved->zone] != policy->zone[moved->zone] &&
		    moved->site < copy->zone[moved->zone]->sites)
			copy->zone[moved->zone]->site[moved->site].weight = moved->weight;
	}
	for (size_t i = 0; memory && i < copy->zones; i++)
		for (size_t j = 0; memory && j < copy->zone[i]->lists; j++)
			memory = find_extremes(policy->zone[i], copy->zone[i], j);
	if (memory)
		return copy;
	earned_close(copy, policy);
	return NULL;
}

bool
earned_add(struct earned *earned, const struct earned_weight *weight)
{
	if (earned->weights == earned->room) {
		size_t room = earned->room == 0 ? 16 : 2 * earned->room;
		struct earned_weight *larger = realloc(earned->weight, room * sizeof *larger);

		if (larger == NULL)
			return false;
		earned->weight = larger;
		earned->room = room;
	}
	earned->weight[earned->weights++] = *weight;
	return true;
}

void
earned_free(struct earned *earned)
{
	free(earned->weight);
	*earned = (struct earned){0};
}

/* --- what they have earned ---------------------------------------------------------------- */

/* Are the lists of both zones heard on the same answers? Weights may differ but for being 0. */
static bool
sounds_alike(const struct policy_zone *a, const struct policy_zone *b)
{
	if (a->lists != b->lists || a->sites != b->sites)
		return false;
	for (size_t i = 0; i < a->lists; i++)
		if (a->list[i].list != b->list[i].list || a->list[i].sites != b->list[i].sites ||
		    a->list[i].first_site != b->list[i].first_site)
			return false;
	for (size_t i = 0; i < a->sites; i++)
		if (a->site[i].filtered != b->site[i].filtered ||
		    (a->site[i].weight == 0) != (b->site[i].weight == 0) ||
		    (a->site[i].filtered && memcmp(&a->site[i].filter, &b->site[i].filter,
						sizeof a->site[i].filter) != 0))
			return false;
	return true;
}

/* A list is counted as a whole: one that is there to block and to trust stays as it is. */
static bool
can_earn(const struct policy_zone *zone, const struct policy_zone_list *entry)
{
	bool any[2] = {false, false};

	for (size_t i = 0; i < entry->sites; i++) {
		int32_t weight = zone->site[entry->first_site + i].weight;

		any[0] = any[0] || weight < 0;
		any[1] = any[1] || weight > 0;
	}
	return any[0] != any[1] && !entry->list->local;
}

/* The least score of a grade that the list does not reach alone; INT32_MAX: none. */
static int32_t
next_grade(const struct policy_zone *zone, const struct policy_zone_list *entry)
{
	for (size_t i = 0; i < zone->grades; i++)
		if (zone->grade[i].score > entry->high)
			return zone->grade[i].score;
	return INT32_MAX;
}

/* Set the weights of the sites of list i of the copy to what a band of this width allows. */
static bool
weigh(const struct policy_zone *zone, size_t i, const struct worth *worth, unsigned band,
    struct policy_zone *copy)
{
	const struct policy_zone_list *entry = &zone->list[i];

	for (size_t j = entry->first_site; j < entry->first_site + entry->sites; j++) {
		int32_t weight = zone->site[j].weight;
		bool trusts = (weight < 0) != (zone->kind == POLICY_ALLOW);

		copy->site[j].weight = worth_weight(worth, trusts, weight, band, INT32_MAX);
	}
	return find_extremes(zone, copy, i);
}

/*
 * Of sites that match together the sum counts: the band is narrowed until the list does not reach
 * alone, by what it gained, a grade that the operator's weights do not reach.
 */
static bool
settle_list(const struct policy_zone *zone, size_t i, const struct worth *worth,
    struct policy_zone *copy, struct earned *earned)
{
	const struct policy_zone_list *entry = &zone->list[i];
	int32_t limit = next_grade(zone, entry);
	unsigned band = zone->adapt_band;

	if (!can_earn(zone, entry))
		return true;
	while (true) {
		if (!weigh(zone, i, worth, band, copy))
			return false;
		if (copy->list[i].high < limit || band == 0)
			break;
		band--;
	}
	for (size_t j = entry->first_site; j < entry->first_site + entry->sites; j++) {
		const struct earned_weight moved = {.zone = (uint32_t)zone->index,
		    .site = (uint32_t)j,
		    .weight = copy->site[j].weight};

		if (moved.weight != zone->site[j].weight && !earned_add(earned, &moved))
			return false;
	}
	return true;
}

/* All recommendations before the lists of one zone. */
struct session {
	const struct policy *policy;
	const struct trust *trust;
	struct evidence_book *book;
	struct hearing *hearing;
	bool memory;
};

static bool
hear(void *context, uint64_t serial, const struct recommendation *said)
{
	struct session *session = context;
	const struct trust_subject *found = trust_find(session->trust, &said->subject);
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	int label = found == NULL || said->testimony[0] == '\0' || said->kind == TRUST_WITHDRAW
			? 0
			: reputation_label(&found->reputation, TRUST_QUORUM);

	(void)serial;
	if (label == 0)
		return true;
	hearing_evidence(session->policy, session->book, said->testimony, evidence);
	session->memory = hearing_add(session->hearing, &said->subject, label > 0, evidence);
	return session->memory;
}

/* What the lists of this zone, of `copy`, are worth; for it and those after it that sound alike. */
static bool
settle_zones(struct session *session, const struct policy *policy, struct policy *copy,
    size_t first, struct ledger *ledger, struct earned *earned)
{
	bool good;

	session->hearing = hearing_open(copy->zone[first], session->book);
	good = session->hearing != NULL && ledger_each(ledger, hear, session) && session->memory;
	for (size_t i = first; good && i < policy->zones; i++) {
		const struct policy_zone *zone = policy->zone[i];
		uint32_t overlap;

		if (!earned_adapts(zone) || !sounds_alike(policy->zone[first], zone))
			continue;
		for (size_t j = 0; good && j < zone->lists; j++)
			good = settle_list(zone, j, hearing_worth(session->hearing, j, &overlap),
			    copy->zone[i], earned);
	}
	hearing_close(session->hearing);
	return good;
}

static bool
is_heard(const struct policy *policy, size_t zone)
{
	for (size_t i = 0; i < zone; i++)
		if (earned_adapts(policy->zone[i]) &&
		    sounds_alike(policy->zone[i], policy->zone[zone]))
			return true;
	return false;
}

/* A book with the policy's numbers of lists, and no replies. */
static struct evidence_book *
empty_book(const struct policy *policy)
{
	struct evidence_book *book = evidence_book_open();
	unsigned lists = EVIDENCE_LISTS_MAX;

	while (lists > 0 && policy->numbered[lists - 1] == NULL)
		lists--;
	for (unsigned i = 0; book != NULL && i < lists; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "#%u", i);
		if (evidence_list_number(
			book, policy->numbered[i] == NULL ? name : policy->numbered[i]->name) < 0) {
			evidence_book_close(book);
			return NULL;
		}
	}
	return book;
}

bool
earned_find(const struct policy *policy, struct ledger *ledger, const struct trust *trust,
    struct earned *earned)
{
	struct policy *copy = policy_copy(policy);
	struct session session = {
	    .policy = policy, .trust = trust, .book = empty_book(policy), .memory = true};
	bool good = copy != NULL && session.book != NULL;
	unsigned hearings = 0;

	for (size_t i = 0; good && i < policy->zones && hearings < EARNED_HEARINGS_MAX; i++) {
		if (!earned_adapts(policy->zone[i]) || is_heard(policy, i))
			continue;
		good = settle_zones(&session, policy, copy, i, ledger, earned);
		hearings++;
	}
	evidence_book_close(session.book);
	earned_close(copy, policy);
	return good;
}
