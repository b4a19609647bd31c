#include "aggregate/view.h"

#include <stdlib.h>
#include <string.h>

/* The zones above one, nearest first. */
static void
find_scopes(
    const struct view *view, const struct policy_zone *zone, struct exception_scopes *scopes)
{
	const struct policy *policy = view->policy;
	const char *above[EXCEPTION_SCOPES_MAX];
	size_t count = 0;

	for (const char *dot = strchr(zone->name, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		const struct policy_zone *found = policy_zone_find(policy, dot + 1);

		if (found != NULL && count < EXCEPTION_SCOPES_MAX)
			above[count++] = found->name;
	}
	exceptions_scopes(view->exceptions, zone->name, above, count, scopes);
}

static void
find_asked(const struct view *view, const struct policy_zone *zone, enum subject_family family,
    struct view_asked *asked)
{
	asked->numbers = zone->asked[family].numbers;
	asked->count = zone->asked[family].lists;
	for (unsigned number = 0; number < asked->numbers; number++)
		if (zone->asked[family].is_asked[number] != 0 &&
		    !bits_has(view->quarantined, number))
			bits_set(asked->lists, number);
}

static void
know_zone(const struct view *view, const struct policy_zone *zone, struct view_zone *known)
{
	find_scopes(view, zone, &known->scopes);
	find_asked(view, zone, SUBJECT_IPV4, &known->asked[SUBJECT_IPV4]);
	find_asked(view, zone, SUBJECT_IPV6, &known->asked[SUBJECT_IPV6]);
}

struct view *
view_open(const struct config *config, const struct exceptions *exceptions,
    const uint64_t quarantined[VIEW_BITS])
{
	const struct policy *policy = config->policy;
	struct view *view = calloc(1, sizeof *view);

	if (view == NULL)
		return NULL;
	view->config = config;
	view->policy = policy;
	view->exceptions = exceptions;
	view->zone = calloc(policy->zones + 1, sizeof *view->zone);
	if (view->zone == NULL) {
		free(view);
		return NULL;
	}
	memcpy(view->quarantined, quarantined, sizeof view->quarantined);
	view->any_quarantined = bits_any(quarantined, VIEW_BITS);
	for (size_t i = 0; i < policy->zones; i++)
		know_zone(view, policy->zone[i], &view->zone[i]);
	return view;
}

void
view_close(struct view *view)
{
	if (view == NULL)
		return;
	free(view->zone);
	free(view);
}

/* Does the exception belong to a zone of kind "allow"? */
__attribute__((noinline)) static bool
is_of_trust(const struct view *view, const struct exception *exception)
{
	const struct policy_zone *zone =
	    exception->zone[0] == '\0' ? NULL : policy_zone_find(view->policy, exception->zone);

	return zone != NULL && zone->kind == POLICY_ALLOW;
}

bool
view_decides(const struct view *view, const struct policy_zone *zone, const struct subject *subject,
    struct view_time time, struct exception *exception, bool *score, struct verdict *verdict)
{
	const struct exception_scopes *scopes = &view->zone[zone->index].scopes;
	enum subject_place place = subject_place(subject);

	*score = false;
	if (place == SUBJECT_ORDINARY || place == SUBJECT_SPECIAL)
		*score = scopes->count > 0 && zone->kind != POLICY_LOCAL &&
			 exceptions_find(view->exceptions, scopes, subject, time.wall, exception);
	if (*score && verdict_of_exception(zone, exception, time.wall, verdict))
		return true;
	/* what speaks against a sender where lists refuse is no reason to trust him */
	if (*score && zone->kind == POLICY_ALLOW && !is_of_trust(view, exception))
		*score = false;
	if (place != SUBJECT_ORDINARY)
		verdict_of_place(zone, place, verdict);
	return place != SUBJECT_ORDINARY;
}

__attribute__((noinline)) void
view_fill_local(
    const struct view *view, const struct subject *subject, uint32_t now, struct evidence *evidence)
{
	const struct policy_list *local = view->policy->local;

	evidence[local->number] = (struct evidence){.expires = now + RENOWN_TTL,
	    .said = view->renown != NULL && renown_lists(view->renown, subject) ? local->local_said
										: EVIDENCE_CLEAR};
}

/* The same without the quarantined lists. Its array is large: not inlined. */
__attribute__((noinline)) static void
weigh_masked(const struct view *view, const struct policy_zone *zone, const struct subject *subject,
    const struct exception *score, const struct evidence_book *book,
    const struct evidence *evidence, struct view_time time, struct verdict *verdict)
{
	struct evidence masked[EVIDENCE_LISTS_MAX];

	memcpy(masked, evidence, zone->numbers * sizeof masked[0]);
	for (unsigned word = 0; word < VIEW_BITS; word++)
		for (uint64_t left = view->quarantined[word]; left != 0; left &= left - 1)
			masked[word * 64 + (unsigned)__builtin_ctzll(left)].said = EVIDENCE_ABSENT;
	verdict_decide(zone, subject, score, book, masked, time.now, time.wall, verdict);
}

void
view_weigh(const struct view *view, const struct policy_zone *zone, const struct subject *subject,
    const struct exception *score, const struct evidence_book *book,
    const struct evidence *evidence, struct view_time time, struct verdict *verdict)
{
	if (view->any_quarantined)
		weigh_masked(view, zone, subject, score, book, evidence, time, verdict);
	else
		verdict_decide(zone, subject, score, book, evidence, time.now, time.wall, verdict);
}

bool
view_asks(const struct view *view, const struct policy_list *list, const struct subject *subject)
{
	return !list->local && (list->families >> subject->family & 1) != 0 &&
	       !bits_has(view->quarantined, list->number);
}

__attribute__((noinline)) bool
view_has_all(const struct view *view, const struct policy_zone *zone, const struct subject *subject,
    const struct evidence *evidence)
{
	for (size_t i = 0; i < zone->lists; i++) {
		const struct policy_list *list = zone->list[i].list;

		if (view_asks(view, list, subject) && evidence[list->number].said == EVIDENCE_NONE)
			return false;
	}
	return true;
}
