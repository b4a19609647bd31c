#include "aggregate/compile.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/extremes.h"
#include "aggregate/match.h"
#include "aggregate/renown.h"

static bool
number_lists(struct policy *policy, struct evidence_book *book)
{
	for (size_t i = 0; i < policy->lists; i++) {
		struct policy_list *list = policy->list[i];
		int number = list->used ? evidence_list_number(book, list->name) : 0;

		if (number < 0)
			return false;
		list->number = (unsigned)number;
		list->source = policy_source(list);
		if (list->used)
			policy->numbered[number] = list;
		if (list->used && list->local) {
			const struct answers answers = {.count = 1, .address = {RENOWN_ANSWER}};

			list->local_said = evidence_intern(book, list->number, &answers);
			policy->local = list;
		}
	}
	return true;
}

/* How many numbers are looked at where this is the last one. */
static unsigned
numbers_with(unsigned number)
{
	return (number / POLICY_STRIDE + 1) * POLICY_STRIDE;
}

static void
gather_asked(struct policy_zone *zone, enum subject_family family)
{
	struct policy_asked *asked = &zone->asked[family];

	memset(asked, 0, sizeof *asked);
	for (size_t i = 0; i < zone->lists; i++) {
		unsigned number = zone->list[i].number;

		if ((zone->list[i].families >> family & 1) == 0)
			continue;
		asked->lists++;
		asked->is_asked[number] = -1;
		if (number >= asked->numbers)
			asked->numbers = numbers_with(number);
	}
}

static bool
compile_zone(struct policy_zone *zone)
{
	assert(zone->grades == 0 || zone->grade[0].score > 0); /* whom nobody lists is clear */
	for (size_t i = 0; i < zone->lists; i++) {
		unsigned number = zone->list[i].list->number;

		zone->list[i].number = number;
		zone->place[number] = (uint8_t)i;
		if (number >= zone->numbers)
			zone->numbers = numbers_with(number);
		zone->list[i].families = zone->list[i].list->families;
		zone->list[i].memo = calloc(POLICY_MEMO, sizeof *zone->list[i].memo);
		if (zone->list[i].memo == NULL || !extremes_find(zone, &zone->list[i]))
			return false;
		zone->undecided = zone->undecided || zone->list[i].list->ask == POLICY_UNDECIDED;
		zone->list[i].whole = policy_whole(zone, i);
		zone->joint = zone->joint || zone->list[i].neutral != 0 || zone->list[i].whole != i;
	}
	gather_asked(zone, SUBJECT_IPV4);
	gather_asked(zone, SUBJECT_IPV6);
	return true;
}

static bool
is_whole(const struct policy *policy)
{
	bool lacking = policy->lacking;

	for (size_t i = 0; i < policy->lists; i++)
		lacking = lacking || policy->list[i]->lacking;
	for (size_t i = 0; i < policy->zones; i++)
		lacking = lacking || policy->zone[i]->lacking;
	return !lacking;
}

bool
compile_policy(struct policy *policy, struct evidence_book *book)
{
	assert(policy->zones < UINT16_MAX);
	if (!is_whole(policy) || !number_lists(policy, book))
		return false;
	for (size_t i = 0; i < policy->zones; i++)
		if (!compile_zone(policy->zone[i]))
			return false;
	return policy_index(policy);
}
