/*
 * tool_recommend - spam, ham, withdraw, learn: what is to be thought of an address
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/ledger.h"
#include "aggregate/renown.h"
#include "resolver/tool.h"
#include "resolver/tool_store.h"

#define ZONES_ASKED_MAX 8
#define MISTAKES_SHOWN 20

/* Recommendations to be made, all or none. */
struct batch {
	const struct tool *tool;
	struct recommendation *recommendation;
	size_t count;
};

static bool
copy_answers(json_t *array, struct answers *answers)
{
	json_t *value;
	size_t i;

	answers->count = 0;
	json_array_foreach(array, i, value)
	{
		const char *address = json_string_value(value);
		struct subject subject;

		if (address == NULL || !subject_parse(address, &subject) ||
		    subject.family != SUBJECT_IPV4 ||
		    !answers_add(answers, (uint32_t)subject.octet[0] << 24 |
					      (uint32_t)subject.octet[1] << 16 |
					      (uint32_t)subject.octet[2] << 8 | subject.octet[3]))
			return false;
	}
	return answers->count > 0;
}

/* Is the list in the testimony already? */
static bool
has_list(const char *said, const char *list)
{
	struct testimony one;

	while (testimony_next(&said, &one))
		if (strcmp(one.list, list) == 0)
			return true;
	return false;
}

/* What one list said, as `check` tells it. */
static void
add_list(json_t *list, struct recommendation *recommendation, struct text *text)
{
	const char *name = json_string_value(json_object_get(list, "list"));
	const char *state = json_string_value(json_object_get(list, "state"));
	struct testimony one = {.state = TESTIMONY_UNKNOWN};
	size_t length = name == NULL ? 0 : strlen(name);

	if (length == 0 || length > NAME_TEXT_MAX || state == NULL ||
	    has_list(recommendation->testimony, name))
		return;
	memcpy(one.list, name, length + 1);
	if (strcmp(state, "clear") == 0)
		one.state = TESTIMONY_CLEAR;
	else if (strcmp(state, "listed") == 0 &&
		 copy_answers(json_object_get(list, "answers"), &one.answers))
		one.state = TESTIMONY_ANSWERS;
	testimony_add(text, &one);
	/* what we say ourselves confirms nothing */
	if (one.state == TESTIMONY_ANSWERS && strcmp(name, RENOWN_LIST) != 0 &&
	    json_integer_value(json_object_get(list, "weight")) > 0 &&
	    recommendation->listed < UINT8_MAX)
		recommendation->listed++;
}

/* Zones under another one ask the same lists, as a rule. */
static bool
is_account(const struct tool *tool, const char *zone)
{
	for (size_t i = 0; i < tool->zones; i++)
		if (strcmp(tool->zone[i], zone) != 0 && name_is_under(zone, tool->zone[i]))
			return true;
	return false;
}

/* False: tallyd is down, and there is no point in asking on. */
static bool
ask_zone(const struct tool *tool, const char *zone, struct recommendation *recommendation,
    struct text *text)
{
	char request[600], said[300], printed[64];
	struct text error, subject;
	json_t *json = NULL, *lists, *list;
	enum tool_daemon outcome;
	size_t i;

	text_init(&error, said, sizeof said);
	text_init(&subject, printed, sizeof printed);
	subject_print(&recommendation->subject, &subject);
	(void)snprintf(request, sizeof request, "check %s %s", printed, zone);
	outcome = tool_ask(tool, request, &json, &error);
	lists = outcome == TOOL_ANSWERED ? json_object_get(json, "lists") : NULL;
	json_array_foreach(lists, i, list)
	{
		add_list(list, recommendation, text);
	}
	json_decref(json);
	return outcome != TOOL_DOWN;
}

/* What the lists say of the subject now; nothing when tallyd is down. */
static void
hear_lists(const struct tool *tool, struct recommendation *recommendation)
{
	const char *zone = tool->line.option[COMMAND_ZONE];
	struct text text;
	unsigned asked = 0;

	text_init(&text, recommendation->testimony, sizeof recommendation->testimony);
	if (zone != NULL) {
		(void)ask_zone(tool, zone, recommendation, &text);
		return;
	}
	for (size_t i = 0; i < tool->zones && asked < ZONES_ASKED_MAX; i++) {
		if (is_account(tool, tool->zone[i]))
			continue;
		asked++;
		if (!ask_zone(tool, tool->zone[i], recommendation, &text))
			return;
	}
}

static bool
add_all(struct ledger *ledger, const struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		if (!ledger_add(ledger, &batch->recommendation[i]))
			return false;
	return ledger_prune(ledger, batch->tool->now);
}

/* On disk, or nothing of it. */
static enum tool_status
write_batch(const struct batch *batch)
{
	struct ledger *ledger = ledger_open(batch->tool->state_dir, STORE_WRITE);
	enum tool_status status = TOOL_DONE;
	bool again, done;

	do {
		if (ledger_error(ledger) == NULL)
			(void)add_all(ledger, batch);
		done = ledger != NULL && ledger_commit(ledger, &again);
	} while (!done && ledger != NULL && again);
	if (!done)
		status = tool_fail("nothing was recommended: %s", ledger_error(ledger));
	ledger_close(ledger);
	return status;
}

/* Let a running daemon take them over. */
static enum tool_status
tell_daemon(const struct tool *tool)
{
	char said[700];
	struct text error;
	json_t *json = NULL;

	text_init(&error, said, sizeof said);
	if (tool_ask(tool, "recommendations", &json, &error) == TOOL_REFUSED)
		return tool_fail(
		    "the recommendation is on disk, but the running tallyd did not take it: %s",
		    said);
	json_decref(json);
	return TOOL_DONE;
}

static enum tool_status
say_batch(const struct batch *batch)
{
	json_t *array = batch->tool->line.json ? json_array() : NULL;

	for (size_t i = 0; i < batch->count; i++) {
		const struct recommendation *one = &batch->recommendation[i];
		char subject[64];
		struct text text;

		text_init(&text, subject, sizeof subject);
		subject_print(&one->subject, &text);
		if (array != NULL)
			json_array_append_new(array, tool_recommendation_json(one));
		else if (i < 20)
			(void)printf("%s %s by %s; listed by %u\n", recommendation_word(one->kind),
			    subject, one->by, one->listed);
	}
	if (array != NULL)
		tool_print_json(array);
	else if (batch->count > 20)
		(void)printf("%zu in all\n", batch->count);
	return TOOL_DONE;
}

/* Ask the lists, write, tell the daemon, say so. Frees the batch. */
static enum tool_status
make_batch(struct batch *batch)
{
	struct tool_progress progress;
	enum tool_status status;

	tool_progress_begin(&progress, "asking");
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->recommendation[i].kind != TRUST_WITHDRAW)
			hear_lists(batch->tool, &batch->recommendation[i]);
		tool_progress(&progress, i, i, batch->count);
	}
	tool_progress_end(&progress);
	status = write_batch(batch);
	if (status == TOOL_DONE)
		status = tell_daemon(batch->tool);
	if (status == TOOL_DONE)
		status = say_batch(batch);
	free(batch->recommendation);
	return status;
}

/* Who recommends: --by, or whoever is at the terminal. */
static bool
name_reporter(const struct tool *tool, struct recommendation *recommendation)
{
	const char *by = tool->line.option[COMMAND_BY];
	struct text text;

	tool_author(recommendation->who, sizeof recommendation->who);
	text_init(&text, recommendation->by, sizeof recommendation->by);
	if (by == NULL)
		by = recommendation->who;
	text_add_printable(&text, by, strlen(by));
	return !text.cut && text.length > 0;
}

static enum trust_kind
kind_of(const char *word)
{
	if (strcmp(word, "withdraw") == 0)
		return TRUST_WITHDRAW;
	return strcmp(word, "ham") == 0 ? TRUST_HAM : TRUST_SPAM;
}

/* One more subject; false, after saying why, when it can't be recommended. */
static bool
add_subject(struct batch *batch, const char *word, const char *kind)
{
	struct recommendation *larger, *one;

	if ((batch->count & (batch->count - 1)) == 0) {
		larger = realloc(batch->recommendation,
		    (batch->count == 0 ? 1 : 2 * batch->count) * sizeof *larger);
		if (larger == NULL)
			return tool_fail("out of memory") == TOOL_DONE;
		batch->recommendation = larger;
	}
	one = &batch->recommendation[batch->count];
	memset(one, 0, sizeof *one);
	one->kind = kind_of(kind);
	one->when = batch->tool->now;
	if (!subject_parse(word, &one->subject))
		return tool_fail("\"%s\": expected an address", word) == TOOL_DONE;
	if (subject_place(&one->subject) != SUBJECT_ORDINARY)
		return tool_fail("%s is a special-use address: lists say nothing of it", word) ==
		       TOOL_DONE;
	if (!name_reporter(batch->tool, one))
		return tool_fail("--by: expected a name of 1 to %d characters",
			   TRUST_REPORTER_MAX) == TOOL_DONE;
	batch->count++;
	return true;
}

/* A subject a line; what stands behind it and comments are not looked at. */
static bool
add_lines(struct batch *batch, char *text, const char *kind)
{
	unsigned mistakes = 0;
	char *state = NULL;

	for (char *line = strtok_r(text, "\n", &state); line != NULL;
	     line = strtok_r(NULL, "\n", &state)) {
		line += strspn(line, " \t\r");
		line[strcspn(line, " \t\r")] = '\0';
		if (*line == '\0' || *line == '#')
			continue;
		mistakes += !add_subject(batch, line, kind);
		if (mistakes == MISTAKES_SHOWN)
			break;
	}
	return mistakes == 0;
}

/* Text that may hold NUL bytes, as a string that ends at its end. */
static char *
read_text(size_t *length)
{
	char *text = tool_read_file("-", length), *larger;

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < *length; i++)
		if (text[i] == '\0')
			text[i] = '?';
	larger = realloc(text, *length + 1);
	if (larger == NULL) {
		free(text);
		(void)tool_fail("out of memory");
		return NULL;
	}
	larger[*length] = '\0';
	return larger;
}

enum tool_status
tool_run_recommend(struct tool *tool)
{
	struct batch batch = {.tool = tool};
	const char *word = tool->line.word[0], *kind = tool->line.command->name;
	size_t length;
	char *text;
	bool good;

	if (strcmp(word, "-") != 0) {
		good = add_subject(&batch, word, kind);
	} else {
		text = read_text(&length);
		if (text == NULL)
			return TOOL_FAILED;
		good = add_lines(&batch, text, kind);
		free(text);
	}
	if (good)
		return make_batch(&batch);
	free(batch.recommendation);
	return TOOL_FAILED;
}

enum tool_status
tool_run_learn(struct tool *tool)
{
	const char *kind = tool->line.word[0], *message;
	struct batch batch = {.tool = tool};
	char said[200], printed[64], *all;
	struct text error, text;
	struct subject client;
	size_t length;
	bool found;

	if (strcmp(kind, "spam") != 0 && strcmp(kind, "ham") != 0) {
		(void)tool_fail("learn \"%s\": expected spam or ham", kind);
		return TOOL_USAGE;
	}
	if (tool->trusted.names == 0)
		return tool_fail("learn: trusted-hosts in %s names no host: whose Received lines "
				 "are to be believed?",
		    tool->file);
	all = read_text(&length);
	if (all == NULL)
		return TOOL_FAILED;
	text_init(&error, said, sizeof said);
	text_init(&text, printed, sizeof printed);
	message = all;
	if (tool->line.option[COMMAND_ATTACHED] != NULL)
		message = received_attached(all, length, &length);
	if (message == NULL)
		text_add(&error, "there is no message in it");
	found =
	    message != NULL && received_client(message, length, &tool->trusted, &client, &error);
	free(all);
	if (!found)
		return tool_fail("learn: %s", said);
	subject_print(&client, &text);
	if (add_subject(&batch, printed, kind))
		return make_batch(&batch);
	free(batch.recommendation);
	return TOOL_FAILED;
}
