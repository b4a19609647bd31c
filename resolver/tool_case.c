/*
 * tool_case - a refusal as it was, by the id that its text had
 */
#include <jansson.h>
#include <string.h>

#include "aggregate/casebook.h"
#include "aggregate/caseid.h"
#include "aggregate/testimony.h"
#include "aggregate/when.h"
#include "resolver/tool.h"

/* The last time that the case occurred, and how often it did. */
struct search {
	uint64_t id;
	uint32_t since;
	unsigned found;
	uint32_t first;
	struct casebook_entry entry;
};

static bool
look_at(void *context, const struct casebook_entry *entry)
{
	struct search *search = context;

	if (entry->id != search->id || entry->when < search->since)
		return true;
	if (search->found == 0 || entry->when < search->first)
		search->first = entry->when;
	if (search->found++ == 0 || entry->when > search->entry.when)
		search->entry = *entry;
	return true;
}

static json_t *
said_json(const char *said)
{
	json_t *array = json_array();
	struct testimony one;

	while (testimony_next(&said, &one)) {
		json_t *answers = json_array();

		for (uint32_t i = 0; one.state == TESTIMONY_ANSWERS && i < one.answers.count; i++) {
			uint32_t a = one.answers.address[i];

			json_array_append_new(answers, json_sprintf("%u.%u.%u.%u", a >> 24,
							   a >> 16 & 255, a >> 8 & 255, a & 255));
		}
		json_array_append_new(array, json_pack("{s:s,s:s,s:o}", "list", one.list, "state",
						 one.state == TESTIMONY_ANSWERS ? "answers"
						 : one.state == TESTIMONY_CLEAR ? "clear"
										: "unknown",
						 "answers", answers));
	}
	return array;
}

static json_t *
case_json(const struct search *search)
{
	const struct casebook_entry *entry = &search->entry;
	char id[16], subject[64], first[40], last[40], answer[20] = "";
	struct text text;

	text_init(&text, id, sizeof id);
	caseid_print(entry->id, &text);
	text_init(&text, subject, sizeof subject);
	subject_print(&entry->subject, &text);
	text_init(&text, first, sizeof first);
	when_print(search->first, &text);
	text_init(&text, last, sizeof last);
	when_print(entry->when, &text);
	text_init(&text, answer, sizeof answer);
	if (entry->refused)
		text_add_format(&text, "%u.%u.%u.%u", entry->address >> 24,
		    entry->address >> 16 & 255, entry->address >> 8 & 255, entry->address & 255);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:i,s:i,s:s,s:o}", "case", id, "subject",
	    subject, "zone", entry->zone, "first", first, "last", last, "hours", (int)search->found,
	    "answer", answer, "score", entry->score, "threshold", entry->threshold, "exception",
	    entry->exception, "lists", said_json(entry->said));
}

static void
print_case(json_t *json)
{
	static const char *const lines[] = {"case", "subject", "zone", "first", "last", "answer"};
	static const char *const titles[] = {"LIST", "SAID"};
	struct tool_table table;
	json_t *list;
	size_t i;

	for (i = 0; i < sizeof lines / sizeof lines[0]; i++)
		(void)printf(
		    "%-10s %s\n", lines[i], json_string_value(json_object_get(json, lines[i])));
	(void)printf("%-10s %lld of %lld\n", "score",
	    (long long)json_integer_value(json_object_get(json, "score")),
	    (long long)json_integer_value(json_object_get(json, "threshold")));
	if (json_string_length(json_object_get(json, "exception")) > 0)
		(void)printf("%-10s %s\n", "exception",
		    json_string_value(json_object_get(json, "exception")));
	(void)printf("\n");
	tool_table_begin(&table, 2, titles);
	json_array_foreach(json_object_get(json, "lists"), i, list)
	{
		json_t *answers = json_object_get(list, "answers"), *answer;
		char said[600];
		const char *cells[] = {json_string_value(json_object_get(list, "list")), said};
		struct text text;
		size_t j;

		text_init(&text, said, sizeof said);
		json_array_foreach(answers, j, answer)
		{
			text_add_format(
			    &text, "%s%s", j > 0 ? ", " : "", json_string_value(answer));
		}
		if (text.length == 0)
			text_add(&text, json_string_value(json_object_get(list, "state")));
		tool_table_add(&table, cells);
	}
	tool_table_print(&table);
}

enum tool_status
tool_run_case(struct tool *tool)
{
	uint32_t month = CASEBOOK_DAYS * 86400;
	struct search search = {.since = tool->now > month ? tool->now - month : 0};
	char said[400];
	struct text error;
	json_t *json;

	text_init(&error, said, sizeof said);
	if (!caseid_parse(tool->line.word[0], &search.id))
		return tool_fail("\"%s\": expected an id of %d letters and digits",
		    tool->line.word[0], CASEID_LENGTH);
	if (!casebook_each(tool->state_dir, look_at, &search, &error))
		return tool_fail("%s", said);
	if (search.found == 0)
		return tool_fail("%s: there is no such case in the last %d days",
		    tool->line.word[0], CASEBOOK_DAYS);
	json = case_json(&search);
	if (tool->line.json) {
		tool_print_json(json);
		return TOOL_DONE;
	}
	print_case(json);
	json_decref(json);
	return TOOL_DONE;
}
