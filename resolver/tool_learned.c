/*
 * tool_learned - what the recommendations teach about lists: their worth, suggest
 *
 * All of it is read from the configuration and the ledger; a running daemon is not needed.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/hearing.h"
#include "aggregate/suggest.h"
#include "resolver/court.h"

/* All recommendations before one zone. */
struct session {
	const struct court *court;
	struct hearing *hearing;
};

static bool
hear(void *context, uint64_t serial, const struct recommendation *recommendation)
{
	struct session *session = context;
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	int label =
	    court_hears(recommendation) ? court_label(session->court, &recommendation->subject) : 0;

	(void)serial;
	if (label == 0)
		return true;
	hearing_evidence(session->court->config->policy, session->court->book,
	    recommendation->testimony, evidence);
	return hearing_add(session->hearing, &recommendation->subject, label > 0, evidence);
}

static json_t *
share_json(struct worth_share share)
{
	return json_pack("{s:f,s:f,s:f}", "low", share.low, "mean", share.mean, "high", share.high);
}

/* Is the list, entry i of the zone, there to trust what it lists? */
static bool
is_allow_list(const struct policy_zone *zone, size_t i)
{
	return (zone->list[i].high <= 0) != (zone->kind == POLICY_ALLOW);
}

static void
add_worth(json_t *list, const struct policy_zone *zone, size_t i, const struct hearing *hearing)
{
	uint32_t overlap;
	const struct worth *worth = hearing_worth(hearing, i, &overlap);
	bool allow = is_allow_list(zone, i);

	if (worth->spam_hits + worth->ham_hits + worth->spam_clear + worth->ham_clear == 0)
		return;
	json_object_set_new(list, "worth",
	    json_pack("{s:s,s:I,s:I,s:I,s:I,s:o,s:o,s:I,s:I,s:I}", "zone", zone->name, "spam_hits",
		(json_int_t)worth->spam_hits, "ham_hits", (json_int_t)worth->ham_hits, "spam_clear",
		(json_int_t)worth->spam_clear, "ham_clear", (json_int_t)worth->ham_clear,
		"precision", share_json(worth_precision(worth, allow)), "recall",
		share_json(worth_recall(worth, allow)), "unique", (json_int_t)worth->unique,
		"overlap", (json_int_t)overlap, "pivotal", (json_int_t)worth->pivotal));
}

/* The lists of one zone that have no worth yet. */
static void
add_zone_worth(const struct court *court, const struct policy_zone *zone, json_t *lists)
{
	struct session session = {.court = court, .hearing = hearing_open(zone, court->book)};
	json_t *list;
	size_t at;

	if (session.hearing == NULL || !ledger_each(court->ledger, hear, &session)) {
		hearing_close(session.hearing);
		return;
	}
	json_array_foreach(lists, at, list)
	{
		const char *name = json_string_value(json_object_get(list, "list"));

		for (size_t i = 0; name != NULL && i < zone->lists; i++)
			if (strcmp(zone->list[i].list->name, name) == 0 &&
			    json_object_get(list, "worth") == NULL)
				add_worth(list, zone, i, session.hearing);
	}
	hearing_close(session.hearing);
}

void
tool_add_worth(const struct tool *tool, json_t *lists)
{
	struct court court;
	size_t zones = 0;

	if (!court_open(tool, true, &court))
		return;
	for (size_t i = 0; i < court.config->policy->zones && zones < 8; i++, zones++)
		add_zone_worth(&court, court.config->policy->zone[i], lists);
	court_close(&court);
}

static long long
count_of(json_t *worth, const char *key)
{
	return (long long)json_integer_value(json_object_get(worth, key));
}

static void
print_share(json_t *share, char *printed, size_t size)
{
	(void)snprintf(printed, size, "%.0f%% (%.0f-%.0f)",
	    100 * json_number_value(json_object_get(share, "mean")),
	    100 * json_number_value(json_object_get(share, "low")),
	    100 * json_number_value(json_object_get(share, "high")));
}

void
tool_print_worth(json_t *lists)
{
	static const char *const titles[] = {"LIST", "SPAM HITS", "HAM HITS", "PRECISION", "RECALL",
	    "UNIQUE", "OVERLAP", "PIVOTAL", "ZONE"};
	static const char *const counts[] = {
	    "spam_hits", "ham_hits", "unique", "overlap", "pivotal"};
	struct tool_table table;
	bool any = false;
	json_t *list;
	size_t at;

	tool_table_begin(&table, sizeof titles / sizeof titles[0], titles);
	json_array_foreach(lists, at, list)
	{
		json_t *worth = json_object_get(list, "worth");
		char count[5][24], precision[40], recall[40];
		const char *cells[] = {json_string_value(json_object_get(list, "list")), count[0],
		    count[1], precision, recall, count[2], count[3], count[4],
		    json_string_value(json_object_get(worth, "zone"))};

		if (worth == NULL)
			continue;
		any = true;
		for (unsigned i = 0; i < 5; i++)
			(void)snprintf(
			    count[i], sizeof count[i], "%lld", count_of(worth, counts[i]));
		print_share(json_object_get(worth, "precision"), precision, sizeof precision);
		print_share(json_object_get(worth, "recall"), recall, sizeof recall);
		tool_table_add(&table, cells);
	}
	if (any) {
		(void)printf("\nOn the subjects that were recommended:\n");
		tool_table_print(&table);
	} else {
		tool_table_free(&table);
	}
}

/* The cases of suggest: what was said last of each subject, by its place among the trust's. */
struct evidence_of {
	const struct court *court;
	const struct policy_zone *zone;
	struct suggest_case *cases;
	bool *known, *refused; /* there is one; today's policy refuses it */
	size_t count;
};

static bool
collect(void *context, uint64_t serial, const struct recommendation *recommendation)
{
	struct evidence_of *all = context;
	const struct court *court = all->court;
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	int label = court_hears(recommendation) ? court_label(court, &recommendation->subject) : 0;
	struct suggest_case one = {.spam = label > 0};
	struct verdict verdict;
	size_t subjects, at;

	(void)serial;
	if (label == 0)
		return true;
	at = (size_t)(trust_find(court->trust, &recommendation->subject) -
		      trust_subjects(court->trust, &subjects));
	hearing_evidence(court->config->policy, court->book, recommendation->testimony, evidence);
	hearing_verdict(all->zone, &recommendation->subject, court->book, evidence, &verdict);
	for (size_t i = 0; i < all->zone->lists && i < SUGGEST_LISTS_MAX; i++) {
		uint16_t said = evidence[all->zone->list[i].list->number].said;

		if (hearing_hit(all->zone, i, court->book, evidence))
			one.listed |= 1u << i;
		if (said == EVIDENCE_CLEAR || said >= EVIDENCE_ANSWERS)
			one.known |= 1u << i;
	}
	all->cases[at] = one;
	all->known[at] = true;
	all->refused[at] = verdict.state == VERDICT_LISTED;
	return true;
}

/* All cases, one behind the other. */
static bool
collect_all(struct evidence_of *all)
{
	size_t subjects;

	(void)trust_subjects(all->court->trust, &subjects);
	all->cases = calloc(subjects + 1, sizeof *all->cases);
	all->known = calloc(subjects + 1, sizeof *all->known);
	all->refused = calloc(subjects + 1, sizeof *all->refused);
	if (all->cases == NULL || all->known == NULL || all->refused == NULL)
		return tool_fail("out of memory") == TOOL_DONE;
	if (!ledger_each(all->court->ledger, collect, all))
		return tool_fail("%s", ledger_error(all->court->ledger)) == TOOL_DONE;
	for (size_t i = 0; i < subjects; i++) {
		if (!all->known[i])
			continue;
		all->cases[all->count] = all->cases[i];
		all->refused[all->count++] = all->refused[i];
	}
	return true;
}

static void
count_today(const struct evidence_of *all, struct suggest_errors *errors)
{
	memset(errors, 0, sizeof *errors);
	for (size_t i = 0; i < all->count; i++) {
		*(all->cases[i].spam ? &errors->spam : &errors->ham) += 1;
		errors->misses += all->cases[i].spam && !all->refused[i];
		errors->false_positives += !all->cases[i].spam && all->refused[i];
	}
}

static json_t *
errors_json(const struct suggest_errors *errors)
{
	return json_pack("{s:I,s:I,s:I,s:I}", "spam", (json_int_t)errors->spam, "ham",
	    (json_int_t)errors->ham, "misses", (json_int_t)errors->misses, "false_positives",
	    (json_int_t)errors->false_positives);
}

static void
print_errors(const char *what, const struct suggest_errors *errors)
{
	(void)printf("%-28s %u of %u spam missed, %u of %u ham refused\n", what, errors->misses,
	    errors->spam, errors->false_positives, errors->ham);
}

/* The weight that today's policy gives a plain listing. */
static int32_t
weight_today(const struct policy_zone *zone, size_t i)
{
	return zone->list[i].high > 0 ? zone->list[i].high : zone->list[i].low;
}

static void
print_suggestion(const struct policy_zone *zone, const struct suggest_policy *policy)
{
	static const char *const titles[] = {"LIST", "TODAY", "SUGGESTED"};
	struct tool_table table;

	tool_table_begin(&table, 3, titles);
	for (size_t i = 0; i < zone->lists && i < SUGGEST_LISTS_MAX; i++) {
		char today[16], suggested[16];
		const char *cells[] = {zone->list[i].list->name, today, suggested};

		(void)snprintf(today, sizeof today, "%d", weight_today(zone, i));
		(void)snprintf(suggested, sizeof suggested, "%d", policy->weight[i]);
		tool_table_add(&table, cells);
	}
	tool_table_print(&table);
	(void)printf("threshold: %d today, %d suggested\n\n", zone->threshold, policy->threshold);
}

static json_t *
suggestion_json(const struct policy_zone *zone, const struct suggest_policy *policy)
{
	json_t *lists = json_array();

	for (size_t i = 0; i < zone->lists && i < SUGGEST_LISTS_MAX; i++)
		json_array_append_new(
		    lists, json_pack("{s:s,s:i,s:i}", "list", zone->list[i].list->name, "today",
			       weight_today(zone, i), "suggested", policy->weight[i]));
	return lists;
}

static enum tool_status
suggest(const struct tool *tool, const struct evidence_of *all)
{
	const struct policy_zone *zone = all->zone;
	unsigned lists =
	    (unsigned)(zone->lists < SUGGEST_LISTS_MAX ? zone->lists : SUGGEST_LISTS_MAX);
	struct suggest_errors today, unseen;
	struct suggest_policy policy;
	const char *refusal = suggest_refusal(all->cases, all->count);
	bool better;

	if (refusal != NULL)
		return tool_fail("suggest: %s: %d of each are needed", refusal, SUGGEST_LEAST);
	if (!suggest_policy(all->cases, all->count, lists, &policy) ||
	    !suggest_validate(all->cases, all->count, lists, &unseen))
		return tool_fail("out of memory");
	count_today(all, &today);
	better = suggest_loss(&unseen) < suggest_loss(&today);
	if (tool->line.json) {
		tool_print_json(json_pack("{s:s,s:o,s:i,s:i,s:o,s:o,s:b}", "zone", zone->name,
		    "lists", suggestion_json(zone, &policy), "threshold_today", zone->threshold,
		    "threshold", policy.threshold, "today", errors_json(&today), "expected",
		    errors_json(&unseen), "better", better));
		return TOOL_DONE;
	}
	print_suggestion(zone, &policy);
	print_errors("today's policy:", &today);
	print_errors("suggested, on unseen cases:", &unseen);
	if (!better)
		(void)printf("The suggested weights are no better: keep what you have.\n");
	return TOOL_DONE;
}

enum tool_status
tool_run_suggest(struct tool *tool)
{
	struct court court;
	struct evidence_of all = {.court = &court};
	enum tool_status status = TOOL_FAILED;

	if (!court_open(tool, false, &court))
		return TOOL_FAILED;
	all.zone = court_zone(tool, court.config->policy);
	if (all.zone != NULL && collect_all(&all))
		status = suggest(tool, &all);
	free(all.cases);
	free(all.known);
	free(all.refused);
	court_close(&court);
	return status;
}
