/*
 * tool_trust - recommendations, reporters: whom to trust
 */
#include <jansson.h>
#include <string.h>

#include "aggregate/ledger.h"
#include "aggregate/renown.h"
#include "aggregate/when.h"
#include "resolver/tool.h"

json_t *
tool_recommendation_json(const struct recommendation *recommendation)
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
		json = tool_recommendation_json(recommendation);
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
	return tool_print_listing(listing.json, &listing.table, status);
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
