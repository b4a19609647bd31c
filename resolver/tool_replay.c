/*
 * tool_replay - which recorded verdicts another configuration would change, and how
 *
 * Two records are gone through: the recommendations, each judged under both configurations, and
 * the casebook, where the refusals are as they were given. Lists have the weights that they have
 * earned, in zones that adapt.
 */
#include <jansson.h>
#include <stdlib.h>

#include "aggregate/casebook.h"
#include "aggregate/caseid.h"
#include "aggregate/earned.h"
#include "aggregate/hearing.h"
#include "resolver/court.h"

#define CHANGES_SHOWN 50
#define SEEN ((size_t)4 * CASEBOOK_MAX) /* slots for the ids of cases, a quarter full at most */

/* One configuration: its policy, and the same with earned weights, or NULL. */
struct side {
	const struct policy *policy;
	struct policy *earned;
	const struct policy_zone *zone;
	struct evidence_book *book;
};

struct replay {
	const struct tool *tool;
	const struct court *court;
	struct side before, after;
	uint32_t since;
	uint64_t *seen;             /* cases that were looked at, 0 free */
	unsigned cases, changed;    /* of the record that is gone through */
	unsigned released, refused; /* of those that changed */
	json_t *changes;            /* NULL for text */
};

/* A verdict that would be another one. */
struct change {
	const struct subject *subject;
	const char *id; /* of the case; NULL: of a recommendation */
	struct verdict before, after;
};

static bool
is_same(const struct verdict *a, const struct verdict *b)
{
	return a->state == b->state && (a->state != VERDICT_LISTED || a->address == b->address);
}

static void
say_change(struct replay *replay, const struct change *change)
{
	const struct verdict *before = &change->before, *after = &change->after;
	int label = court_label(replay->court, change->subject);
	const char *is = label > 0 ? "spam" : label < 0 ? "ham" : "unknown";
	char subject[64];
	struct text text;
	json_t *json;

	text_init(&text, subject, sizeof subject);
	subject_print(change->subject, &text);
	*(after->state == VERDICT_LISTED ? &replay->refused : &replay->released) += 1;
	if (replay->changes != NULL) {
		json = json_pack("{s:s,s:s,s:s,s:i,s:s,s:i}", "subject", subject, "is", is,
		    "before", verdict_word(before->state), "score_before", before->score, "after",
		    verdict_word(after->state), "score_after", after->score);
		if (change->id != NULL)
			json_object_set_new(json, "case", json_string(change->id));
		json_array_append_new(replay->changes, json);
	} else if (replay->changed < CHANGES_SHOWN) {
		(void)printf("%-40s %-8s %s (%d) -> %s (%d)%s%s\n", subject, is,
		    verdict_word(before->state), before->score, verdict_word(after->state),
		    after->score, change->id == NULL ? "" : ", case ",
		    change->id == NULL ? "" : change->id);
	}
	replay->changed++;
}

static void
judge(const struct side *side, const struct subject *subject, const char *said,
    struct verdict *verdict)
{
	struct evidence evidence[EVIDENCE_LISTS_MAX];

	hearing_evidence(side->policy, side->book, said, evidence);
	hearing_verdict(side->zone, subject, side->book, evidence, verdict);
}

static bool
replay_recommendation(void *context, uint64_t serial, const struct recommendation *said)
{
	struct replay *replay = context;
	struct change change = {.subject = &said->subject};

	(void)serial;
	if (!court_hears(said))
		return true;
	replay->cases++;
	judge(&replay->before, &said->subject, said->testimony, &change.before);
	judge(&replay->after, &said->subject, said->testimony, &change.after);
	if (!is_same(&change.before, &change.after))
		say_change(replay, &change);
	return true;
}

/* A case is in the casebook once for each hour in which it happened. */
static bool
is_new_case(struct replay *replay, uint64_t id)
{
	size_t at = id % SEEN;

	for (; replay->seen[at] != 0; at = (at + 1) % SEEN)
		if (replay->seen[at] == id)
			return false;
	replay->seen[at] = id;
	return true;
}

/* Exceptions are no matter of the configuration: what they decided they decide again. */
static bool
replay_case(void *context, const struct casebook_entry *entry)
{
	struct replay *replay = context;
	struct change change = {.subject = &entry->subject,
	    .before = {.state = VERDICT_LISTED, .address = entry->address, .score = entry->score}};
	char id[16];
	struct text text;

	if (!entry->refused || entry->exception[0] != '\0' || entry->when < replay->since ||
	    strcmp(entry->zone, replay->before.zone->name) != 0 || !is_new_case(replay, entry->id))
		return true;
	replay->cases++;
	judge(&replay->after, &entry->subject, entry->said, &change.after);
	if (is_same(&change.before, &change.after))
		return true;
	text_init(&text, id, sizeof id);
	caseid_print(entry->id, &text);
	change.id = id;
	say_change(replay, &change);
	return true;
}

static void
begin_record(struct replay *replay)
{
	replay->cases = replay->changed = replay->released = replay->refused = 0;
	replay->changes = replay->tool->line.json ? json_array() : NULL;
}

static enum tool_status
replay_records(struct replay *replay)
{
	const char *zone = replay->before.zone->name;
	json_t *json = NULL;
	char said[400];
	struct text error;

	begin_record(replay);
	if (!ledger_each(replay->court->ledger, replay_recommendation, replay)) {
		json_decref(replay->changes);
		return tool_fail("%s", ledger_error(replay->court->ledger));
	}
	if (replay->changes != NULL)
		json = json_pack("{s:s,s:I,s:I,s:I,s:o}", "zone", zone, "cases",
		    (json_int_t)replay->cases, "refused", (json_int_t)replay->refused, "released",
		    (json_int_t)replay->released, "changes", replay->changes);
	else
		(void)printf(
		    "%u cases in zone %s: %u change, %u to refused, %u to another answer\n",
		    replay->cases, zone, replay->changed, replay->refused, replay->released);
	begin_record(replay);
	text_init(&error, said, sizeof said);
	if (!casebook_each(replay->tool->state_dir, replay_case, replay, &error)) {
		json_decref(replay->changes);
		json_decref(json);
		return tool_fail("%s", said);
	}
	if (replay->changes == NULL) {
		(void)printf("%u refusals in zone %s: %u change, %u would have passed\n",
		    replay->cases, zone, replay->changed, replay->released);
		return TOOL_DONE;
	}
	json_object_set_new(json, "refusals",
	    json_pack("{s:I,s:I,s:o}", "cases", (json_int_t)replay->cases, "released",
		(json_int_t)replay->released, "changes", replay->changes));
	tool_print_json(json);
	return TOOL_DONE;
}

/* The policy as it is in force, or would be. False without memory. */
static bool
put_in_force(struct side *side, const struct court *court)
{
	struct earned earned = {0};
	bool good = !earned_any(side->policy);

	if (!good && earned_find(side->policy, court->ledger, court->trust, &earned)) {
		side->earned = earned_policy(side->policy, &earned);
		good = side->earned != NULL;
	}
	earned_free(&earned);
	return good;
}

static enum tool_status
replay_all(struct replay *replay)
{
	struct side *before = &replay->before, *after = &replay->after;
	const struct tool *tool = replay->tool;

	if (!put_in_force(before, replay->court) || !put_in_force(after, replay->court) ||
	    (replay->seen = calloc(SEEN, sizeof *replay->seen)) == NULL)
		return tool_fail("out of memory");
	before->zone = court_zone(tool, before->earned != NULL ? before->earned : before->policy);
	if (before->zone == NULL)
		return TOOL_FAILED;
	after->zone = policy_zone_find(
	    after->earned != NULL ? after->earned : after->policy, before->zone->name);
	if (after->zone == NULL)
		return tool_fail("replay: %s has no zone \"%s\"", tool->line.option[COMMAND_CONFIG],
		    before->zone->name);
	return replay_records(replay);
}

static enum tool_status
replay_with(const struct tool *tool, const struct court *court, const struct config *other,
    struct evidence_book *book)
{
	struct replay replay = {.tool = tool,
	    .court = court,
	    .before = {.policy = court->config->policy, .book = court->book},
	    .after = {.policy = other->policy, .book = book},
	    .since = tool->now > CASEBOOK_DAYS * 86400 ? tool->now - CASEBOOK_DAYS * 86400 : 0};
	enum tool_status status = replay_all(&replay);

	earned_close(replay.before.earned, replay.before.policy);
	earned_close(replay.after.earned, replay.after.policy);
	free(replay.seen);
	return status;
}

enum tool_status
tool_run_replay(struct tool *tool)
{
	const char *file = tool->line.option[COMMAND_CONFIG];
	struct mistakes mistakes = {0};
	struct evidence_book *book;
	struct config *other = NULL;
	struct court court;
	enum tool_status status;

	if (file == NULL) {
		(void)tool_fail("replay: expected --config FILE");
		return TOOL_USAGE;
	}
	if (!court_open(tool, false, &court))
		return TOOL_FAILED;
	book = evidence_book_open();
	if (book != NULL)
		other = config_read(file, book, &mistakes);
	if (other != NULL) {
		status = replay_with(tool, &court, other, book);
	} else if (mistakes.text != NULL) {
		(void)fputs(mistakes.text, stderr);
		status = tool_fail("%s has mistakes", file);
	} else {
		status = tool_fail("out of memory");
	}
	mistakes_free(&mistakes);
	config_close(other);
	evidence_book_close(book);
	court_close(&court);
	return status;
}
