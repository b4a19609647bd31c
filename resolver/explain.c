#include "resolver/explain.h"

#include <jansson.h>
#include <string.h>

#include "aggregate/exchange.h"
#include "aggregate/match.h"
#include "aggregate/share.h"
#include "aggregate/when.h"

/*
 * Why a list is unknown. All lists were asked for this and waited for, except about special
 * addresses; and those that are asked while the others have not decided.
 */
static const char *
why_unknown(const struct policy_list *list, const struct checked *checked, uint16_t said)
{
	if (said >= EVIDENCE_ANSWERS)
		return "an error code, or an answer that is not listed";
	if (said == EVIDENCE_NONE && subject_place(&checked->subject) == SUBJECT_ORDINARY &&
	    list->ask != POLICY_UNDECIDED)
		return "no answer yet";
	return evidence_word(said);
}

/* The evidence of one list as words; *why is added to, or not. */
static const char *
state_of(const struct daemon *daemon, const struct policy_zone *zone, size_t i,
    const struct checked *checked, const struct share *share, struct text *why)
{
	const struct policy_list *list = zone->list[i].list;
	uint16_t said = checked->evidence[list->number].said;

	if ((list->families >> checked->subject.family & 1) == 0) {
		text_add(why, "not of its family");
		return "clear";
	}
	if (bits_has(daemon->quarantined, list->number)) {
		text_add(why, "quarantined: it does not count");
		return "unknown";
	}
	if (said == EVIDENCE_CLEAR)
		return "clear";
	if (!share->known) {
		text_add(why, why_unknown(list, checked, said));
		return "unknown";
	}
	if (share->fate != SHARE_WHOLE)
		text_add_format(why, "%s %s",
		    share->fate == SHARE_ONCE ? "counted once with" : "cancelled by",
		    zone->list[share->by].list->name);
	return "listed";
}

static json_t *
addresses(const struct answers *answers)
{
	json_t *array = json_array();

	for (uint32_t i = 0; answers != NULL && i < answers->count; i++) {
		uint32_t a = answers->address[i];

		json_array_append_new(array,
		    json_sprintf("%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255));
	}
	return array;
}

/* The sites of the list that match, as one would write them. */
static json_t *
matching_sites(
    const struct policy_zone *zone, const struct policy_zone_list *entry, const struct share *share)
{
	json_t *array = json_array();

	for (size_t i = 0; i < entry->sites; i++) {
		char printed[400];
		struct text text;

		if ((share->matched >> i & 1) == 0)
			continue;
		text_init(&text, printed, sizeof printed);
		policy_site_print(zone, entry, i, &text);
		json_array_append_new(array, json_string(printed));
	}
	return array;
}

/* Would the answer be another one without this list? */
static bool
is_pivotal(const struct daemon *daemon, const struct policy_zone *zone,
    const struct checked *checked, unsigned list)
{
	struct evidence without[EVIDENCE_LISTS_MAX];
	struct view_time time = {
	    .now = (uint32_t)(loop_now_ms(daemon->loop) / 1000), .wall = loop_wall(daemon->loop)};
	const struct verdict *with = &checked->verdict;
	struct verdict verdict;

	if (with->place != SUBJECT_ORDINARY ||
	    (with->excepted && with->exception.action != EXCEPTION_SCORE))
		return false;
	memcpy(without, checked->evidence, sizeof without);
	without[list].said = EVIDENCE_ABSENT;
	view_weigh(daemon->view, zone, &checked->subject, with->excepted ? &with->exception : NULL,
	    daemon->book, without, time, &verdict);
	verdict_close(zone, &verdict);
	return verdict.state != with->state ||
	       (with->state == VERDICT_LISTED && verdict.address != with->address);
}

static json_t *
explain_list(const struct daemon *daemon, const struct policy_zone *zone, size_t i,
    const struct checked *checked, const struct share *share)
{
	const struct policy_zone *written = daemon_written(daemon, zone);
	const struct policy_zone_list *entry = &written->list[i];
	unsigned list = entry->list->number;
	const struct evidence *evidence = &checked->evidence[list];
	const struct answers *answers = evidence->said >= EVIDENCE_ANSWERS
					    ? evidence_answers(daemon->book, list, evidence->said)
					    : NULL;
	char why[300];
	const char *state;
	struct text text;
	uint32_t now = (uint32_t)(loop_now_ms(daemon->loop) / 1000);
	bool nothing = evidence->said == EVIDENCE_NONE;

	text_init(&text, why, sizeof why);
	state = state_of(daemon, zone, i, checked, share, &text);
	return json_pack("{s:s,s:s,s:s,s:o,s:i,s:i,s:i,s:o,s:o,s:I,s:b,s:b}", "list",
	    entry->list->name, "state", state, "why", why, "answers", addresses(answers), "weight",
	    share->weight, "operator", match_sum(written, entry, share->matched), "counts",
	    share->adds[SHARE_SCORE], "sites", matching_sites(written, entry, share), "age",
	    nothing ? json_null() : json_integer(evidence_age(daemon->book, list, evidence, now)),
	    "ttl", (json_int_t)(nothing || evidence->expires < now ? 0 : evidence->expires - now),
	    "stale", evidence->stale != 0, "pivotal", is_pivotal(daemon, zone, checked, list));
}

/* The score that the answer of this verdict begins at; without one, that answers begin at. */
static int32_t
grade_score(const struct policy_zone *zone, const struct verdict *verdict)
{
	int32_t score = zone->grade[0].score;

	for (size_t i = 0; i < zone->grades; i++)
		if (zone->grade[i].address == verdict->address &&
		    zone->grade[i].score <= verdict->score)
			score = zone->grade[i].score;
	return score;
}

/*
 * The fewest lists that suffice for this answer: what all others take away counts, then the
 * heaviest first.
 */
static json_t *
sufficient_set(
    const struct policy_zone *zone, const struct checked *checked, const struct share *share)
{
	int32_t weight[EVIDENCE_LISTS_MAX] = {0}, base = checked->verdict.score;
	json_t *array = json_array();

	if (checked->verdict.state != VERDICT_LISTED || checked->verdict.low < 1 ||
	    (checked->verdict.excepted && checked->verdict.exception.action != EXCEPTION_SCORE))
		return array;
	for (size_t i = 0; i < zone->lists; i++) {
		weight[i] = share[i].adds[SHARE_SCORE];
		base -= weight[i] > 0 ? weight[i] : 0;
	}
	while (base < grade_score(zone, &checked->verdict)) {
		size_t heaviest = 0;

		for (size_t i = 1; i < zone->lists; i++)
			if (weight[i] > weight[heaviest])
				heaviest = i;
		if (weight[heaviest] <= 0)
			break;
		base += weight[heaviest];
		weight[heaviest] = 0;
		json_array_append_new(array, json_string(zone->list[heaviest].list->name));
	}
	return array;
}

static json_t *
explain_exception(const struct checked *checked)
{
	const struct exception *exception = &checked->verdict.exception;
	char prefix[64], until[40] = "";
	struct text text;

	if (!checked->verdict.excepted)
		return json_null();
	text_init(&text, prefix, sizeof prefix);
	prefix_print(&exception->prefix, &text);
	text_init(&text, until, sizeof until);
	if (exception->until != 0)
		when_print(exception->until, &text);
	return json_pack("{s:s,s:s,s:s,s:i,s:s}", "action", exception_word(exception->action),
	    "prefix", prefix, "zone", checked->exception_zone, "score", exception->score, "until",
	    until);
}

/* What each list adds, those in quarantine left out. */
static void
find_shares(const struct daemon *daemon, const struct policy_zone *zone,
    const struct checked *checked, struct share share[EVIDENCE_LISTS_MAX])
{
	struct evidence evidence[EVIDENCE_LISTS_MAX];

	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		evidence[i] = checked->evidence[i];
		if (bits_has(daemon->quarantined, i))
			evidence[i].said = EVIDENCE_ABSENT;
	}
	share_out(zone, &checked->subject, daemon->book, evidence, share);
}

char *
explain_print(
    const struct daemon *daemon, const struct policy_zone *zone, const struct checked *checked)
{
	const struct verdict *verdict = &checked->verdict;
	bool answers = verdict->state == VERDICT_LISTED || verdict->state == VERDICT_SUBSTITUTE;
	char subject[64], address[32] = "", words[VERDICT_TEXT_MAX + 1] = "";
	struct share share[EVIDENCE_LISTS_MAX];
	json_t *lists = json_array(), *json;
	char *printed;
	struct text text;

	find_shares(daemon, zone, checked, share);
	text_init(&text, subject, sizeof subject);
	subject_print(&checked->subject, &text);
	text_init(&text, address, sizeof address);
	if (answers)
		text_add_format(&text, "%u.%u.%u.%u", verdict->address >> 24,
		    verdict->address >> 16 & 255, verdict->address >> 8 & 255,
		    verdict->address & 255);
	else
		text_add(&text, verdict->state == VERDICT_CLEAR ? "NXDOMAIN" : "SERVFAIL");
	text_init(&text, words, sizeof words);
	if (answers)
		verdict_text(
		    zone, &checked->subject, verdict, daemon->book, checked->evidence, &text);
	for (size_t i = 0; i < zone->lists; i++)
		json_array_append_new(lists, explain_list(daemon, zone, i, checked, &share[i]));
	json = json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:I,s:s,s:s,s:o,s:o,s:o}", "subject",
	    subject, "zone", zone->name, "verdict", verdict_word(verdict->state), "answer", address,
	    "score", verdict->score, "low", verdict->low, "high", verdict->high, "threshold",
	    zone->threshold, "grade", grade_score(zone, verdict), "ttl",
	    answers || verdict->state == VERDICT_CLEAR ? (json_int_t)verdict->ttl : 0, "text",
	    words, "place",
	    verdict->place == SUBJECT_ORDINARY  ? ""
	    : verdict->place == SUBJECT_SPECIAL ? "special-use address"
						: "test point",
	    "exception", explain_exception(checked), "sufficient",
	    sufficient_set(zone, checked, share), "lists", lists);
	printed = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(json);
	return printed;
}
