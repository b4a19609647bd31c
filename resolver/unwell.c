#include "resolver/unwell.h"

#include <jansson.h>
#include <string.h>

static const char *
string_of(json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value == NULL ? "" : value;
}

/* A list that has answered with error codes: what it said last of all that is known. */
static void
tell_refusal(struct findings *findings, json_t *list, bool is_well)
{
	json_t *error = json_array_get(json_object_get(list, "errors"), 0);
	struct text text = finding_text(
	    findings_add(findings, is_well ? FINDING_WARNING : FINDING_PROBLEM, "list-refuses"));

	text_add_format(&text, "The list %s has refused this host with the error code %s",
	    string_of(list, "list"), string_of(error, "answer"));
	if (string_of(error, "why")[0] != '\0')
		text_add_format(&text, " (%s)", string_of(error, "why"));
	text_add_format(&text,
	    ", %lld times since tallyd started. Lists do so to public resolvers (forward), to "
	    "hosts that ask too much, and to those who need a key (query).",
	    (long long)json_integer_value(json_object_get(error, "times")));
}

static void
tell_none(struct findings *findings)
{
	struct text text = finding_text(findings_add(findings, FINDING_PROBLEM, "no-list"));

	text_add(&text,
	    "No list is well: nothing is listed but by exceptions. When all fail at once it is the "
	    "way to them: the network, or the resolvers of forward, which must not take addresses "
	    "within 127.0.0.0/8 out of answers (protection against rebinding).");
}

/* The lists that are not well, as the daemon sees them. */
static void
tell_lists(struct findings *findings, json_t *lists)
{
	json_t *list;
	size_t i, well = 0;

	json_array_foreach(lists, i, list)
	{
		bool is_well = strcmp(string_of(list, "health"), "ok") == 0;
		struct text text;

		well += is_well;
		if (json_array_size(json_object_get(list, "errors")) > 0) {
			tell_refusal(findings, list, is_well);
		} else if (!is_well) {
			text =
			    finding_text(findings_add(findings, FINDING_WARNING, "list-not-well"));
			text_add_format(&text, "The list %s is %s: %s.", string_of(list, "list"),
			    string_of(list, "health"), string_of(list, "why"));
		}
	}
	if (well == 0 && json_array_size(lists) > 0)
		tell_none(findings);
}

void
unwell_find(const struct tool *tool, struct findings *findings)
{
	char said[400];
	struct text error, text;
	struct finding *finding;
	json_t *lists = NULL;
	enum tool_daemon outcome;
	bool down;

	text_init(&error, said, sizeof said);
	outcome = tool_ask(tool, "lists", &lists, &error);
	down = outcome == TOOL_DOWN && tool->control[0] != '\0';
	if (outcome == TOOL_ANSWERED) {
		tell_lists(findings, lists);
		json_decref(lists);
		return;
	}
	finding = findings_add(findings, down ? FINDING_PROBLEM : FINDING_WARNING,
	    down ? "not-running" : "no-control");
	text = finding_text(finding);
	text_add_format(
	    &text, "%s: %s.", down ? "tallyd is not running" : "The lists are not looked at", said);
}
