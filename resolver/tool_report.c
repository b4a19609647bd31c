/*
 * tool_report - what a postmaster wants in his morning mail
 *
 * Read from the casebook, the ledger and the store; of a running daemon only the health of its
 * lists is asked. The same lines make the plain text and the HTML.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/casebook.h"
#include "aggregate/caseid.h"
#include "aggregate/exchange.h"
#include "aggregate/ledger.h"
#include "aggregate/renown.h"
#include "aggregate/store.h"
#include "aggregate/testimony.h"
#include "aggregate/when.h"
#include "resolver/census.h"
#include "resolver/tool.h"

#define SHOWN 20
#define SOON_S (7 * 86400)
#define UNUSED_S (CASEBOOK_DAYS * 86400)
#define SEEN (1u << 20) /* more than a casebook has lists in it, three quarters full at most */

struct report {
	const struct tool *tool;
	uint32_t since;
	bool html, in_list;
	json_t *json, *section;  /* NULL for text */
	enum tool_status status; /* TOOL_FAILED: a part of it is missing, and it was said why */
	struct ledger *ledger;
	struct trust *trust; /* NULL: see ledger_error */
	uint64_t *seen;      /* hashes of what was counted, 0 free */
	size_t seen_count;
	struct census zones, lists, exceptions; /* exceptions: of all that the casebook has */
	struct casebook_entry *suspect;         /* refused, and recommended as ham */
	size_t suspects;
	unsigned refused, by_trust, only_trust;
};

static void
print_escaped(const char *string)
{
	for (const char *c = string; *c != '\0'; c++) {
		if (*c == '&' || *c == '<' || *c == '>' || *c == '"')
			(void)printf("&#%d;", *c);
		else
			(void)putchar(*c);
	}
}

static void
end_section(struct report *report)
{
	if (report->html && report->in_list)
		(void)printf("</ul>\n");
	report->in_list = false;
}

static void
begin_section(struct report *report, const char *key, const char *title)
{
	end_section(report);
	if (report->json != NULL) {
		report->section = json_array();
		json_object_set_new(report->json, key, report->section);
		return;
	}
	(void)printf(report->html ? "<h2>%s</h2>\n<ul>\n" : "\n%s\n", title);
	report->in_list = true;
}

static void say(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
say(struct report *report, const char *format, ...)
{
	char line[700], printed[800];
	struct text text;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	text_init(&text, printed, sizeof printed);
	text_add_printable(&text, line, strlen(line));
	if (report->json != NULL) {
		json_array_append_new(report->section, json_string(printed));
	} else if (report->html) {
		(void)printf("<li>");
		print_escaped(printed);
		(void)printf("</li>\n");
	} else {
		(void)printf("  %s\n", printed);
	}
}

/* What is there is still worth reading, but the exit status must tell. */
static void
miss(struct report *report, const char *why)
{
	if (report->status == TOOL_DONE)
		report->status = tool_fail("the report is not whole: %s", why);
}

static void
say_missing(struct report *report, const char *why)
{
	say(report, "%s", why);
	miss(report, why);
}

/*
 * Is this address in this zone (and list) seen for the first time? A case has another id for each
 * thing that lists said of it, as when the slower ones had not answered at first.
 */
static bool
is_first(struct report *report, const struct casebook_entry *entry, const char *list)
{
	uint64_t hash, key[2] = {1469598103934665603u, 1};
	size_t at;

	for (const char *c = entry->zone; *c != '\0'; c++)
		key[0] = (key[0] ^ (uint8_t)*c) * 1099511628211u;
	for (const char *c = list; *c != '\0'; c++)
		key[1] = (key[1] ^ (uint8_t)*c) * 1099511628211u;
	hash = subject_hash(&entry->subject, 0, key) | 1;
	for (at = hash >> 20; report->seen[at % SEEN] != 0; at++)
		if (report->seen[at % SEEN] == hash)
			return false;
	if (report->seen_count < (size_t)SEEN / 4 * 3) {
		report->seen[at % SEEN] = hash;
		report->seen_count++;
	}
	return true;
}

/* The lists that listed it, and which did so alone. */
static void
count_lists(struct report *report, const struct casebook_entry *entry)
{
	const char *said = entry->said;
	struct testimony one;
	unsigned others = 0; /* that listed it too, or might have */

	while (testimony_next(&said, &one))
		others += one.state != TESTIMONY_CLEAR;
	for (said = entry->said; testimony_next(&said, &one);) {
		if (one.state != TESTIMONY_ANSWERS || !is_first(report, entry, one.list))
			continue;
		census_count(&report->lists, one.list, others == 1);
		if (strcmp(one.list, RENOWN_LIST) == 0) {
			report->by_trust++;
			report->only_trust += others == 1;
		}
	}
}

static void
keep_suspect(struct report *report, const struct casebook_entry *entry)
{
	const struct trust_subject *found =
	    report->trust == NULL ? NULL : trust_find(report->trust, &entry->subject);
	struct casebook_entry *larger;

	if (found == NULL || found->reputation.ham <= found->reputation.spam)
		return;
	larger = realloc(report->suspect, (report->suspects + 1) * sizeof *larger);
	if (larger == NULL) {
		miss(report, "out of memory");
		return;
	}
	report->suspect = larger;
	report->suspect[report->suspects++] = *entry;
}

static bool
look_at(void *context, const struct casebook_entry *entry)
{
	struct report *report = context;

	if (entry->exception[0] != '\0')
		census_count(&report->exceptions, entry->exception, false);
	if (entry->when < report->since || !entry->refused)
		return true;
	count_lists(report, entry);
	if (!is_first(report, entry, ""))
		return true;
	report->refused++;
	census_count(&report->zones, entry->zone, false);
	keep_suspect(report, entry);
	return true;
}

static void
say_refused(struct report *report)
{
	begin_section(report, "refused", "Addresses refused, by zone and account");
	census_sort(&report->zones);
	for (size_t i = 0; i < report->zones.rows; i++)
		say(report, "%u %s", report->zones.row[i].count, report->zones.row[i].name);
	if (report->zones.rows == 0)
		say(report, "nothing");
	begin_section(report, "lists", "Lists, and what each caught alone");
	census_sort(&report->lists);
	for (size_t i = 0; i < report->lists.rows && i < SHOWN; i++)
		say(report, "%u %s, %u alone", report->lists.row[i].count,
		    report->lists.row[i].name, report->lists.row[i].alone);
	if (report->lists.rows == 0)
		say(report, "none");
}

static void
say_suspects(struct report *report)
{
	begin_section(report, "suspects", "Refused, but recommended: look at these");
	for (size_t i = 0; i < report->suspects && i < SHOWN; i++) {
		char subject[64], id[16];
		struct text text;

		text_init(&text, subject, sizeof subject);
		subject_print(&report->suspect[i].subject, &text);
		text_init(&text, id, sizeof id);
		caseid_print(report->suspect[i].id, &text);
		say(report, "%s in %s, case %s", subject, report->suspect[i].zone, id);
	}
	if (report->suspects > SHOWN)
		say(report, "%zu in all", report->suspects);
	if (report->trust == NULL)
		say_missing(report, ledger_error(report->ledger));
	else if (report->suspects == 0)
		say(report, "none");
}

/* A list that is not well now; the log has what was in between. */
static void
say_health(struct report *report, json_t *lists)
{
	unsigned unwell = 0;
	json_t *list;
	size_t i;

	json_array_foreach(lists, i, list)
	{
		const char *health = json_string_value(json_object_get(list, "health"));
		const char *why = json_string_value(json_object_get(list, "why"));

		if (health == NULL || strcmp(health, "ok") == 0)
			continue;
		unwell++;
		say(report, "%s: %s %s", json_string_value(json_object_get(list, "list")), health,
		    why == NULL ? "" : why);
	}
	if (unwell == 0)
		say(report, "none");
}

/* The weights that are not the operator's. */
static void
say_weights(struct report *report, json_t *lists)
{
	json_t *list, *weight;
	unsigned moved = 0;
	size_t i, j;

	json_array_foreach(lists, i, list)
	    json_array_foreach(json_object_get(list, "weights"), j, weight)
	{
		json_int_t operators = json_integer_value(json_object_get(weight, "operator"));
		json_int_t earned = json_integer_value(json_object_get(weight, "earned"));

		if (operators != earned && moved++ < SHOWN)
			say(report, "%s in %s: %lld, the operator's is %lld",
			    json_string_value(json_object_get(weight, "site")),
			    json_string_value(json_object_get(weight, "zone")), (long long)earned,
			    (long long)operators);
	}
	if (moved > SHOWN)
		say(report, "%u in all", moved);
	if (moved == 0)
		say(report, "none");
}

/* What only the daemon knows. */
static void
say_lists(struct report *report)
{
	char said[400];
	struct text error;
	json_t *lists = NULL;
	enum tool_daemon outcome;

	text_init(&error, said, sizeof said);
	outcome = tool_ask(report->tool, "lists", &lists, &error);
	if (outcome == TOOL_REFUSED)
		miss(report, said);
	begin_section(report, "unwell", "Lists that fail or are set aside now");
	if (lists == NULL)
		say(report, "tallyd does not answer: %s", said);
	else
		say_health(report, lists);
	begin_section(report, "weights", "Weights that lists have earned");
	if (lists == NULL)
		say(report, "tallyd does not answer: %s", said);
	else
		say_weights(report, lists);
	json_decref(lists);
}

/* Exceptions that end soon, or that nothing has needed for as long as the casebook goes back. */
struct review {
	struct report *report;
	bool soon; /* which of the two */
	unsigned said;
};

static bool
review_one(void *context, uint64_t serial, const struct exception_entry *entry)
{
	struct review *review = context;
	struct report *report = review->report;
	uint32_t now = report->tool->now;
	char key[EXCHANGE_KEY_MAX], until[40];
	struct text text;

	(void)serial;
	text_init(&text, key, sizeof key);
	exchange_key(entry->action, &entry->prefix, entry->zone, &text);
	text_init(&text, until, sizeof until);
	when_print(entry->until, &text);
	if (entry->until != 0 && entry->until <= now)
		return true;
	if (review->soon && entry->until != 0 && entry->until - now <= SOON_S) {
		if (review->said++ < SHOWN)
			say(report, "%s until %s, by %s: %.100s", key, until, entry->author,
			    entry->reason);
	} else if (!review->soon && entry->added + UNUSED_S <= now &&
		   census_of(&report->exceptions, key) == 0) {
		if (review->said++ < SHOWN)
			say(report, "%s, by %s: %.100s", key, entry->author, entry->reason);
	}
	return true;
}

static void
say_exceptions(struct report *report, bool soon)
{
	struct review review = {.report = report, .soon = soon};
	struct store *store = store_open(report->tool->state_dir, STORE_READ);

	if (soon)
		begin_section(report, "ending", "Exceptions that end within a week");
	else
		begin_section(report, "unused", "Exceptions that nothing needed for 30 days");
	if (store_error(store) != NULL || !store_each(store, review_one, &review))
		say_missing(report, store_error(store));
	else if (review.said > SHOWN)
		say(report, "%u in all", review.said);
	else if (review.said == 0)
		say(report, "none");
	store_close(store);
}

static bool
count_recommendation(void *context, uint64_t serial, const struct recommendation *recommendation)
{
	struct report *report = context;

	(void)serial;
	if (recommendation->when >= report->since)
		census_count(&report->zones, recommendation_word(recommendation->kind), false);
	return true;
}

static void
say_recommendations(struct report *report)
{
	begin_section(report, "recommendations", "Recommendations, and what they stopped");
	report->zones.rows = 0;
	if (ledger_error(report->ledger) != NULL ||
	    !ledger_each(report->ledger, count_recommendation, report)) {
		say_missing(report, ledger_error(report->ledger));
		return;
	}
	for (size_t i = 0; i < report->zones.rows; i++)
		say(report, "%u %s", report->zones.row[i].count, report->zones.row[i].name);
	say(report, "%u refused where " RENOWN_LIST " listed, %u where it alone did",
	    report->by_trust, report->only_trust);
}

static void
say_all(struct report *report)
{
	char since[40], now[40];
	struct text text;

	text_init(&text, since, sizeof since);
	when_print(report->since, &text);
	text_init(&text, now, sizeof now);
	when_print(report->tool->now, &text);
	if (report->json != NULL)
		json_object_update_new(
		    report->json, json_pack("{s:s,s:s,s:i}", "since", since, "until", now,
				      "refusals", (int)report->refused));
	else
		(void)printf(
		    report->html
			? "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>tally</title>\n"
			  "<h1>tally, %s to %s</h1>\n"
			: "tally, %s to %s\n",
		    since, now);
	say_refused(report);
	say_suspects(report);
	say_lists(report);
	say_exceptions(report, true);
	say_exceptions(report, false);
	say_recommendations(report);
	end_section(report);
}

static enum tool_status
make_report(struct report *report)
{
	char said[400];
	struct text error;

	text_init(&error, said, sizeof said);
	report->ledger = ledger_open(report->tool->state_dir, STORE_READ);
	if (ledger_error(report->ledger) == NULL)
		report->trust = ledger_trust(report->ledger, report->tool->now);
	if (!casebook_each(report->tool->state_dir, look_at, report, &error)) {
		report->status = tool_fail("%s", said);
	} else {
		report->json = report->tool->line.json ? json_object() : NULL;
		say_all(report);
		if (report->json != NULL)
			tool_print_json(report->json);
	}
	trust_close(report->trust);
	ledger_close(report->ledger);
	free(report->suspect);
	return report->status;
}

enum tool_status
tool_run_report(struct tool *tool)
{
	const char *since = tool->line.option[COMMAND_SINCE];
	uint32_t seconds = 86400;
	struct report *report;
	enum tool_status status;

	if (since != NULL && !when_parse_duration(since, &seconds))
		return tool_fail(
		    "--since \"%s\": expected a duration like 90s 15m 12h 1d 2w", since);
	report = calloc(1, sizeof *report);
	if (report != NULL)
		report->seen = calloc(SEEN, sizeof *report->seen);
	if (report == NULL || report->seen == NULL) {
		free(report);
		return tool_fail("out of memory");
	}
	report->tool = tool;
	report->since = tool->now > seconds ? tool->now - seconds : 0;
	report->html = tool->line.option[COMMAND_HTML] != NULL;
	status = make_report(report);
	free(report->seen);
	free(report);
	return status;
}
