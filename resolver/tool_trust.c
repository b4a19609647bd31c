/*
 * tool_trust - spam, ham, withdraw, learn, recommendations, reporters: whom to trust
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/ledger.h"
#include "aggregate/renown.h"
#include "aggregate/when.h"
#include "resolver/tool.h"
#include "resolver/tool_store.h"

#define ZONES_ASKED_MAX 8

/* Recommendations to be made, all or none. */
struct batch {
	const struct tool *tool;
	struct recommendation *recommendation;
	size_t count, mistakes;
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

static json_t *
recommendation_json(const struct recommendation *recommendation)
{
	char subject[64], when[40];
	struct text text;

	text_init(&text, subject, sizeof subject);
	subject_print(&recommendation->subject, &text);
	text_init(&text, when, sizeof when);
	when_print(recommendation->when, &text);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:s}", "kind",
	    recommendation_word(recommendation->kind), "subject", subject, "by", recommendation->by,
	    "when", when, "who", recommendation->who, "listed", recommendation->listed, "lists",
	    recommendation->testimony);
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
			json_array_append_new(array, recommendation_json(one));
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
	bool good = true;
	char *state = NULL;

	for (char *line = strtok_r(text, "\n", &state); line != NULL;
	     line = strtok_r(NULL, "\n", &state)) {
		line += strspn(line, " \t\r");
		line[strcspn(line, " \t\r")] = '\0';
		if (*line == '\0' || *line == '#')
			continue;
		good = add_subject(batch, line, kind) && good;
	}
	return good;
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

/* A listing under way. */
struct listing {
	struct subject subject; /* valid when narrowed */
	bool narrowed;
	struct tool_table table;
	json_t *json;
};

static bool
list_one(void *context, uint64_t serial, const struct recommendation *recommendation)
{
	struct listing *listing = context;
	char subject[64], when[40];
	const char *cells[] = {when, recommendation->by, recommendation_word(recommendation->kind),
	    subject, recommendation->who, recommendation->testimony};
	struct text text;
	json_t *json;

	if (listing->narrowed && !subject_equal(&recommendation->subject, &listing->subject))
		return true;
	if (listing->json != NULL) {
		json = recommendation_json(recommendation);
		json_object_set_new(json, "serial", json_integer((json_int_t)serial));
		json_array_append_new(listing->json, json);
		return true;
	}
	text_init(&text, subject, sizeof subject);
	subject_print(&recommendation->subject, &text);
	text_init(&text, when, sizeof when);
	when_print(recommendation->when, &text);
	tool_table_add(&listing->table, cells);
	return true;
}

/* What all recommendations on the subject amount to. */
static void
say_reputation(const struct trust *trust, const struct subject *subject)
{
	const struct trust_subject *found = trust_find(trust, subject);

	if (found == NULL)
		(void)printf("nobody recommends it\n");
	else
		(void)printf(
		    "reputation: %.2f of %.2f: spam %.2f, ham %.2f, good mail %.2f; %s\n\n",
		    reputation_value(&found->reputation), REPUTATION_THRESHOLD,
		    found->reputation.spam, found->reputation.ham, found->reputation.good,
		    reputation_listed(&found->reputation) ? "listed in " RENOWN_LIST
							  : "not listed in " RENOWN_LIST);
}

enum tool_status
tool_run_recommendations(struct tool *tool)
{
	static const char *const titles[] = {"WHEN", "BY", "KIND", "SUBJECT", "WHO", "LISTS"};
	struct listing listing = {.narrowed = tool->line.words > 0};
	enum tool_status status = TOOL_DONE;
	struct ledger *ledger;
	struct trust *trust;

	if (listing.narrowed && !subject_parse(tool->line.word[0], &listing.subject))
		return tool_fail("\"%s\": expected an address", tool->line.word[0]);
	ledger = ledger_open(tool->state_dir, STORE_READ);
	if (tool->line.json)
		listing.json = json_array();
	else
		tool_table_begin(&listing.table, 6, titles);
	trust = ledger_error(ledger) == NULL ? ledger_trust(ledger, tool->now) : NULL;
	if (trust != NULL && listing.narrowed && listing.json == NULL)
		say_reputation(trust, &listing.subject);
	if (trust != NULL)
		(void)ledger_each(ledger, list_one, &listing);
	if (ledger_error(ledger) != NULL)
		status = tool_fail("%s", ledger_error(ledger));
	trust_close(trust);
	ledger_close(ledger);
	if (listing.json != NULL)
		tool_print_json(listing.json);
	else
		tool_table_print(&listing.table);
	return status;
}

static void
add_reporter(const struct trust_reporter *reporter, struct tool_table *table, json_t *json)
{
	char trust[16], agreed[16], disagreed[16], spam[16], ham[16];
	const char *cells[] = {reporter->name, trust, agreed, disagreed, spam, ham};

	if (json != NULL) {
		json_array_append_new(json,
		    json_pack("{s:s,s:f,s:I,s:I,s:I,s:I}", "reporter", reporter->name, "trust",
			reporter->reporter.trust, "agreed", (json_int_t)reporter->reporter.agreed,
			"disagreed", (json_int_t)reporter->reporter.disagreed, "spam",
			(json_int_t)reporter->spam, "ham", (json_int_t)reporter->ham));
		return;
	}
	(void)snprintf(trust, sizeof trust, "%.2f", reporter->reporter.trust);
	(void)snprintf(agreed, sizeof agreed, "%u", reporter->reporter.agreed);
	(void)snprintf(disagreed, sizeof disagreed, "%u", reporter->reporter.disagreed);
	(void)snprintf(spam, sizeof spam, "%u", reporter->spam);
	(void)snprintf(ham, sizeof ham, "%u", reporter->ham);
	tool_table_add(table, cells);
}

enum tool_status
tool_run_reporters(struct tool *tool)
{
	static const char *const titles[] = {
	    "REPORTER", "TRUST", "CONFIRMED", "CONTRADICTED", "SPAM", "HAM"};
	struct ledger *ledger = ledger_open(tool->state_dir, STORE_READ);
	struct trust *trust = ledger_error(ledger) == NULL ? ledger_trust(ledger, tool->now) : NULL;
	const struct trust_reporter *reporter;
	struct tool_table table;
	json_t *json = NULL;
	size_t reporters;

	if (trust == NULL) {
		enum tool_status status = tool_fail("%s", ledger_error(ledger));

		ledger_close(ledger);
		return status;
	}
	reporter = trust_reporters(trust, &reporters);
	if (tool->line.json)
		json = json_array();
	else
		tool_table_begin(&table, 6, titles);
	for (size_t i = 0; i < reporters; i++)
		add_reporter(&reporter[i], &table, json);
	if (json != NULL)
		tool_print_json(json);
	else
		tool_table_print(&table);
	trust_close(trust);
	ledger_close(ledger);
	return TOOL_DONE;
}
