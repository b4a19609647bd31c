/*
 * tool_entry - allow, block, score, forget: one exception, said before it is done
 */
#include <jansson.h>
#include <string.h>

#include "aggregate/exchange.h"
#include "aggregate/store.h"
#include "aggregate/when.h"
#include "resolver/tool.h"
#include "resolver/tool_store.h"

#define NEIGHBOURS_SHOWN 5

enum tool_status
tool_read_terms(const struct tool *tool, struct exception_entry *entry)
{
	const struct command_line *line = &tool->line;
	const char *zone = line->option[COMMAND_ZONE], *reason = line->option[COMMAND_REASON];
	uint32_t seconds;

	entry->added = tool->now;
	tool_author(entry->author, sizeof entry->author);
	if (zone != NULL && !name_fold(zone, entry->zone))
		return tool_fail("--zone \"%s\": not a domain name", zone);
	if (zone != NULL && !tool_has_zone(tool, entry->zone) &&
	    line->option[COMMAND_FORCE] == NULL)
		return tool_fail("--zone \"%s\": %s has no such zone", zone, tool->file);
	if (line->option[COMMAND_FOR] != NULL && line->option[COMMAND_UNTIL] != NULL)
		return tool_fail("--for and --until: one of them");
	if (line->option[COMMAND_FOR] != NULL) {
		if (!when_parse_duration(line->option[COMMAND_FOR], &seconds) ||
		    seconds > WHEN_LAST - tool->now)
			return tool_fail(
			    "--for \"%s\": expected a duration like 90s 15m 12h 30d 2w that "
			    "ends before 2106-02-07",
			    line->option[COMMAND_FOR]);
		entry->until = tool->now + seconds;
	}
	if (line->option[COMMAND_UNTIL] != NULL &&
	    !when_parse_date(line->option[COMMAND_UNTIL], &entry->until))
		return tool_fail(
		    "--until \"%s\": expected a date like 2027-01-31, not after 2106-02-07",
		    line->option[COMMAND_UNTIL]);
	if (entry->until != 0 && entry->until <= tool->now)
		return tool_fail("--until \"%s\": that is over", line->option[COMMAND_UNTIL]);
	if (reason != NULL) {
		struct text text;

		text_init(&text, entry->reason, sizeof entry->reason);
		text_add_printable(&text, reason, strlen(reason));
		if (text.cut)
			return tool_fail(
			    "--reason: longer than %d characters", EXCEPTION_REASON_MAX);
	}
	return TOOL_DONE;
}

static enum tool_status
read_entry(struct tool *tool, struct exception_entry *entry)
{
	const struct command_line *line = &tool->line;
	unsigned widest;
	uint32_t score;
	const char *digits;

	if (!prefix_parse(line->word[0], &entry->prefix))
		return tool_fail("\"%s\": expected an address, or a prefix like 192.0.2.0/24 whose "
				 "host bits are 0",
		    line->word[0]);
	if (strcmp(line->command->name, "block") == 0)
		entry->action = EXCEPTION_BLOCK;
	if (strcmp(line->command->name, "score") == 0) {
		entry->action = EXCEPTION_SCORE;
		digits = line->word[1] + (line->word[1][0] == '-' || line->word[1][0] == '+');
		if (!text_read_number(&digits, EXCEPTION_SCORE_MAX, &score) || *digits != '\0')
			return tool_fail("\"%s\": expected a score of -%d to %d", line->word[1],
			    EXCEPTION_SCORE_MAX, EXCEPTION_SCORE_MAX);
		entry->score = line->word[1][0] == '-' ? -(int32_t)score : (int32_t)score;
	}
	widest = tool_widest(&entry->prefix);
	if (entry->prefix.length < widest && line->option[COMMAND_FORCE] == NULL)
		return tool_fail(
		    "%s is wider than /%u: --force says that you mean it", line->word[0], widest);
	return tool_read_terms(tool, entry);
}

static void
say_entry(const char *what, const struct exception_entry *entry)
{
	char printed[EXCHANGE_LINE_MAX];
	struct text text;

	text_init(&text, printed, sizeof printed);
	exchange_print(EXCHANGE_TALLY, entry, &text);
	(void)printf("%s %s\n", what, printed);
}

/* Entries of the same zone, or of all, that cover the new one or that it covers. */
struct neighbours {
	const struct exception_entry *entry;
	uint32_t now;
	unsigned covers, covered_by;
};

/* What the new entry is to another that it covers or that covers it: tally(7), Exceptions. */
static const char *
relation(const struct exception_entry *entry, const struct exception_entry *other, bool covered)
{
	if (entry->zone[0] == '\0' && other->zone[0] != '\0')
		return "yields to: "; /* in that zone */
	if (entry->zone[0] != '\0' && other->zone[0] == '\0')
		return "overrules: "; /* in the zone of the new one */
	if (!covered)
		return "covers:    ";
	return other->prefix.length == entry->prefix.length ? "replaces:  " : "covered by:";
}

static bool
look_at(void *context, uint64_t serial, const struct exception_entry *other)
{
	struct neighbours *neighbours = context;
	const struct exception_entry *entry = neighbours->entry;

	(void)serial;
	if (other->until != 0 && other->until <= neighbours->now)
		return true;
	if (other->zone[0] != '\0' && entry->zone[0] != '\0' &&
	    strcmp(other->zone, entry->zone) != 0)
		return true;
	if (other->prefix.length <= entry->prefix.length &&
	    prefix_covers(&other->prefix, &entry->prefix.base)) {
		if (neighbours->covered_by++ < NEIGHBOURS_SHOWN)
			say_entry(relation(entry, other, true), other);
	} else if (prefix_covers(&entry->prefix, &other->prefix.base)) {
		if (neighbours->covers++ < NEIGHBOURS_SHOWN)
			say_entry(relation(entry, other, false), other);
	}
	return true;
}

/* An address for which the entry does nothing, as people try who want to see how it works. */
static void
say_place(const struct exception_entry *entry)
{
	switch (subject_place(&entry->prefix.base)) {
	case SUBJECT_ORDINARY:
		break;
	case SUBJECT_TEST_LISTED:
	case SUBJECT_TEST_CLEAR:
		(void)printf("note:       this is a test point: exceptions do nothing for it\n");
		break;
	case SUBJECT_SPECIAL:
		if (entry->action == EXCEPTION_SCORE)
			(void)printf("note:       this is a special-use address: a score does "
				     "nothing for it\n");
		break;
	}
}

/* What is there already, and what the verdict is now. */
static void
say_before(const struct tool *tool, const struct exception_entry *entry)
{
	struct neighbours neighbours = {.entry = entry, .now = tool->now};
	struct store *store = store_open(tool->state_dir, STORE_READ);
	char request[400], said[300], printed[64];
	struct text error, text;
	json_t *json = NULL;
	bool single =
	    entry->prefix.length == (entry->prefix.base.family == SUBJECT_IPV4 ? 32 : 128);

	(void)store_each(store, look_at, &neighbours);
	if (store_error(store) != NULL)
		(void)fprintf(stderr, "tallyctl: warning: what is there already is not known: %s\n",
		    store_error(store));
	store_close(store);
	if (neighbours.covers > NEIGHBOURS_SHOWN)
		(void)printf("covers:     %u entries in all\n", neighbours.covers);
	if (!single)
		return;
	say_place(entry);
	text_init(&error, said, sizeof said);
	text_init(&text, printed, sizeof printed);
	subject_print(&entry->prefix.base, &text);
	(void)snprintf(request, sizeof request, "check %s %s", printed, entry->zone);
	if (tool_ask(tool, request, &json, &error) != TOOL_ANSWERED)
		return;
	(void)printf("verdict now: %s, score %lld of %lld in zone %s\n",
	    json_string_value(json_object_get(json, "verdict")),
	    (long long)json_integer_value(json_object_get(json, "score")),
	    (long long)json_integer_value(json_object_get(json, "grade")),
	    json_string_value(json_object_get(json, "zone")));
	json_decref(json);
}

static bool
apply_one(struct store *store, void *context)
{
	const struct exception_entry *entry = context;

	return store_apply(store, entry, entry->author, entry->added);
}

enum tool_status
tool_run_entry(struct tool *tool)
{
	struct exception_entry entry = {0};
	enum tool_status status = read_entry(tool, &entry);

	if (status != TOOL_DONE)
		return status;
	if (!tool->line.json)
		say_before(tool, &entry);
	status = tool_change(tool, apply_one, &entry);
	if (status != TOOL_DONE)
		return status;
	if (tool->line.json)
		tool_print_json(tool_entry_json(&entry, 0));
	else
		say_entry("done:      ", &entry);
	return TOOL_DONE;
}

enum tool_status
tool_run_forget(struct tool *tool)
{
	struct exception_entry entry = {.action = EXCEPTION_FORGET, .added = tool->now}, old;
	const char *zone = tool->line.option[COMMAND_ZONE];
	struct store *store;
	enum tool_status status = TOOL_DONE;

	tool_author(entry.author, sizeof entry.author);
	if (!prefix_parse(tool->line.word[0], &entry.prefix))
		return tool_fail("\"%s\": expected an address or prefix", tool->line.word[0]);
	if (zone != NULL && !name_fold(zone, entry.zone))
		return tool_fail("--zone \"%s\": not a domain name", zone);
	store = tool_open_store(tool);
	if (!store_get(store, entry.zone, &entry.prefix, &old)) {
		const char *error = store_error(store);

		status = error != NULL ? tool_fail("%s", error)
				       : tool_fail("there is no exception for exactly %s in %s",
					     tool->line.word[0],
					     zone == NULL ? "all zones (--zone names one)" : zone);
	}
	store_close(store);
	if (status == TOOL_DONE)
		status = tool_change(tool, apply_one, &entry);
	if (status == TOOL_DONE && tool->line.json)
		tool_print_json(tool_entry_json(&old, 0));
	else if (status == TOOL_DONE)
		say_entry("forgotten: ", &old);
	return status;
}
