/*
 * tool_daemon - check, lists, stats, flush, quarantine, release, reload: what the daemon knows
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/store.h"
#include "resolver/tool.h"

static const char *
string_of(json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value == NULL ? "" : value;
}

static long long
integer_of(json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

/* The reason is not in the daemon: it is read from the store. */
static void
add_reason(const struct tool *tool, json_t *exception)
{
	struct store *store = store_open(tool->state_dir, STORE_READ);
	struct exception_entry entry;
	struct prefix prefix;

	if (prefix_parse(string_of(exception, "prefix"), &prefix) &&
	    store_get(store, string_of(exception, "zone"), &prefix, &entry)) {
		json_object_set_new(exception, "reason", json_string(entry.reason));
		json_object_set_new(exception, "by", json_string(entry.author));
	}
	store_close(store);
}

static void
print_exception(json_t *exception)
{
	const char *zone = string_of(exception, "zone"), *until = string_of(exception, "until");
	const char *author = string_of(exception, "by"), *reason = string_of(exception, "reason");

	(void)printf("exception:  %s", string_of(exception, "action"));
	if (strcmp(string_of(exception, "action"), "score") == 0)
		(void)printf(" %+lld", integer_of(exception, "score"));
	(void)printf(
	    " %s, %s", string_of(exception, "prefix"), zone[0] == '\0' ? "all zones" : zone);
	if (until[0] != '\0')
		(void)printf(", until %s", until);
	if (author[0] != '\0')
		(void)printf(", by %s", author);
	if (reason[0] != '\0')
		(void)printf(": %s", reason);
	(void)printf("\n");
}

/* "a, b" of an array of strings. */
static void
join(json_t *array, struct text *text)
{
	size_t i;
	json_t *value;

	json_array_foreach(array, i, value)
	{
		if (i > 0)
			text_add(text, ", ");
		text_add(text, json_string_value(value));
	}
}

static void
print_lists(json_t *lists)
{
	static const char *const titles[] = {
	    "LIST", "STATE", "ANSWERS", "WEIGHT", "AGE", "TTL", "PIVOTAL", "SITES"};
	struct tool_table table;
	json_t *list;
	size_t i;

	tool_table_begin(&table, 8, titles);
	json_array_foreach(lists, i, list)
	{
		char state[400], answers[300], weight[40], age[24] = "", ttl[24], sites[600];
		const char *cells[] = {string_of(list, "list"), state, answers, weight, age, ttl,
		    json_is_true(json_object_get(list, "pivotal")) ? "yes" : "", sites};
		struct text text;

		text_init(&text, state, sizeof state);
		text_add(&text, string_of(list, "state"));
		if (string_of(list, "why")[0] != '\0')
			text_add_format(&text, " (%s)", string_of(list, "why"));
		text_init(&text, answers, sizeof answers);
		join(json_object_get(list, "answers"), &text);
		text_init(&text, weight, sizeof weight);
		text_add_format(&text, "%+lld", integer_of(list, "counts"));
		if (integer_of(list, "counts") != integer_of(list, "weight"))
			text_add_format(&text, " of %+lld", integer_of(list, "weight"));
		if (integer_of(list, "weight") != integer_of(list, "operator"))
			text_add_format(&text, " (operator's %+lld)", integer_of(list, "operator"));
		if (json_is_integer(json_object_get(list, "age")))
			(void)snprintf(age, sizeof age, "%lld", integer_of(list, "age"));
		(void)snprintf(ttl, sizeof ttl, "%lld", integer_of(list, "ttl"));
		text_init(&text, sites, sizeof sites);
		join(json_object_get(list, "sites"), &text);
		tool_table_add(&table, cells);
	}
	tool_table_print(&table);
}

static void
print_check(json_t *json)
{
	json_t *exception = json_object_get(json, "exception");
	json_t *sufficient = json_object_get(json, "sufficient");

	(void)printf("subject:    %s in zone %s%s%s\n", string_of(json, "subject"),
	    string_of(json, "zone"), string_of(json, "place")[0] == '\0' ? "" : ": ",
	    string_of(json, "place"));
	(void)printf(
	    "verdict:    %s, answer %s", string_of(json, "verdict"), string_of(json, "answer"));
	if (integer_of(json, "ttl") > 0)
		(void)printf(" for %lld s", integer_of(json, "ttl"));
	(void)printf(
	    "\nscore:      %lld of %lld", integer_of(json, "score"), integer_of(json, "grade"));
	if (integer_of(json, "low") != integer_of(json, "high"))
		(void)printf(
		    ", between %lld and %lld", integer_of(json, "low"), integer_of(json, "high"));
	(void)printf("\n");
	if (string_of(json, "text")[0] != '\0')
		(void)printf("text:       %s\n", string_of(json, "text"));
	if (json_is_object(exception))
		print_exception(exception);
	if (json_array_size(sufficient) > 0) {
		char names[800];
		struct text text;

		text_init(&text, names, sizeof names);
		join(sufficient, &text);
		(void)printf("suffices:   %s\n", names);
	}
	(void)printf("\n");
	print_lists(json_object_get(json, "lists"));
}

/* A request is a line of words: false, with a complaint, for one that would be none or two. */
static bool
add_word(struct text *request, const char *word)
{
	for (const char *c = word; *c > ' ' && *c < 0x7f; c++)
		if (c[1] == '\0') {
			text_add(request, request->length == 0 ? "" : " ");
			text_add(request, word);
			return true;
		}
	(void)tool_fail("\"%s\": expected an address or a name, without blanks", word);
	return false;
}

enum tool_status
tool_run_check(struct tool *tool)
{
	const char *zone = tool->line.option[COMMAND_ZONE];
	char request[600];
	json_t *json, *exception;
	struct text text;

	text_init(&text, request, sizeof request);
	if (!add_word(&text, "check") || !add_word(&text, tool->line.word[0]) ||
	    (zone != NULL && !add_word(&text, zone)))
		return TOOL_FAILED;
	json = tool_must_ask(tool, request);
	if (json == NULL)
		return TOOL_FAILED;
	exception = json_object_get(json, "exception");
	if (json_is_object(exception))
		add_reason(tool, exception);
	if (tool->line.json) {
		tool_print_json(json);
	} else {
		print_check(json);
		json_decref(json);
	}
	return TOOL_DONE;
}

/* Why a list is not well; of one that is, which error codes it has given. */
static void
describe_why(json_t *list, char *why, size_t size)
{
	json_t *error = json_array_get(json_object_get(list, "errors"), 0);
	struct text text;

	text_init(&text, why, size);
	text_add(&text, string_of(list, "why"));
	if (text.length == 0 && error != NULL)
		text_add_format(&text, "%s, %lld times: %s", string_of(error, "answer"),
		    integer_of(error, "times"), string_of(error, "why"));
}

/* The weights that have moved in zones that adapt. */
static void
print_weights(json_t *lists)
{
	static const char *const titles[] = {"LIST", "ZONE", "SITE", "OPERATOR'S", "EARNED"};
	struct tool_table table;
	unsigned all = 0, moved = 0;
	json_t *list, *weight;
	size_t i, j;

	tool_table_begin(&table, sizeof titles / sizeof titles[0], titles);
	json_array_foreach(lists, i, list)
	    json_array_foreach(json_object_get(list, "weights"), j, weight)
	{
		char operators[24], earned[24];
		const char *cells[] = {string_of(list, "list"), string_of(weight, "zone"),
		    string_of(weight, "site"), operators, earned};

		all++;
		if (integer_of(weight, "operator") == integer_of(weight, "earned"))
			continue;
		moved++;
		(void)snprintf(operators, sizeof operators, "%lld", integer_of(weight, "operator"));
		(void)snprintf(earned, sizeof earned, "%lld", integer_of(weight, "earned"));
		tool_table_add(&table, cells);
	}
	if (all > 0)
		(void)printf("\nIn zones with adapt = true, %u of %u weights have moved%s\n", moved,
		    all, moved > 0 ? ":" : ".");
	if (moved > 0)
		tool_table_print(&table);
	else
		tool_table_free(&table);
}

enum tool_status
tool_run_lists(struct tool *tool)
{
	static const char *const titles[] = {"LIST", "HEALTH", "ASKED", "LISTED", "CLEAR",
	    "UNKNOWN", "P50 MS", "P99 MS", "LEFT", "WHY"};
	json_t *json = tool_must_ask(tool, "lists"), *list;
	struct tool_table table;
	size_t i;

	if (json == NULL)
		return TOOL_FAILED;
	tool_add_worth(tool, json);
	if (tool->line.json) {
		tool_print_json(json);
		return TOOL_DONE;
	}
	tool_table_begin(&table, sizeof titles / sizeof titles[0], titles);
	json_array_foreach(json, i, list)
	{
		json_t *left = json_object_get(list, "left");
		char number[7][24], why[120];
		static const char *const counts[] = {"asked", "listed", "clear", "unknown"};
		const char *cells[] = {string_of(list, "list"), string_of(list, "health"),
		    number[0], number[1], number[2], number[3], number[4], number[5],
		    json_is_integer(left) ? number[6] : "-", why};

		for (unsigned j = 0; j < 4; j++)
			(void)snprintf(
			    number[j], sizeof number[j], "%lld", integer_of(list, counts[j]));
		(void)snprintf(number[4], sizeof number[4], "%.1f",
		    json_number_value(json_object_get(list, "ms_p50")));
		(void)snprintf(number[5], sizeof number[5], "%.1f",
		    json_number_value(json_object_get(list, "ms_p99")));
		(void)snprintf(
		    number[6], sizeof number[6], "%lld", (long long)json_integer_value(left));
		describe_why(list, why, sizeof why);
		tool_table_add(&table, cells);
	}
	tool_table_print(&table);
	tool_print_worth(json);
	print_weights(json);
	json_decref(json);
	return TOOL_DONE;
}

/* A metric of the Prometheus exposition, and where its value stands in the JSON. */
struct metric {
	const char *name, *type, *help, *group, *key;
};

static const struct metric metrics[] = {
    {"tally_uptime_seconds", "gauge", "Seconds since tallyd started.", NULL, "uptime"},
    {"tally_queries_udp_total", "counter", "Packets that came in over UDP.", "queries", "udp"},
    {"tally_queries_tcp_total", "counter", "Messages that came in over TCP.", "queries", "tcp"},
    {"tally_answers_listed_total", "counter", "Answers: listed.", "answers", "listed"},
    {"tally_answers_clear_total", "counter", "Answers: not listed.", "answers", "clear"},
    {"tally_answers_servfail_total", "counter", "Answers: SERVFAIL.", "answers", "servfail"},
    {"tally_answers_refused_total", "counter", "Answers: REFUSED.", "answers", "refused"},
    {"tally_answers_formerr_total", "counter", "Answers: FORMERR.", "answers", "formerr"},
    {"tally_answers_notimp_total", "counter", "Answers: NOTIMP.", "answers", "notimp"},
    {"tally_dropped_total", "counter", "Packets without an answer.", "answers", "dropped"},
    {"tally_cache_hits_total", "counter", "Questions decided from the cache.", "cache", "hits"},
    {"tally_cache_misses_total", "counter", "Questions for which lists were needed.", "cache",
	"misses"},
    {"tally_cache_stale_total", "counter",
	"Answers that rest on expired evidence of a list that fails.", "cache", "stale"},
    {"tally_cache_evictions_total", "counter", "Cache lines given up early.", "cache", "evictions"},
    {"tally_cache_entries", "gauge", "Cache lines in use.", "cache", "entries"},
    {"tally_cache_capacity", "gauge", "Cache lines in all.", "cache", "capacity"},
    {"tally_cache_bytes", "gauge", "Size of the cache.", "cache", "bytes"},
    {"tally_upstream_asked_total", "counter", "Questions to lists.", "upstream", "asked"},
    {"tally_upstream_answered_total", "counter", "Questions that a list answered.", "upstream",
	"answered"},
    {"tally_upstream_failed_total", "counter", "Questions that no list answered.", "upstream",
	"failed"},
    {"tally_upstream_saved_total", "counter", "Questions to lists that were not needed.",
	"upstream", "saved"},
    {"tally_upstream_in_flight", "gauge", "Questions to lists under way.", "upstream", "in_flight"},
    {"tally_exceptions", "gauge", "Exceptions in the table, those that are over too.", "exceptions",
	"entries"},
    {"tally_exceptions_applied_total", "counter", "Questions that an exception decided.",
	"exceptions", "applied"},
    {"tally_recursion_asked_total", "counter", "Questions for names outside the zones.",
	"recursion", "asked"},
    {"tally_recursion_hits_total", "counter", "Of these, answered by the cache of names.",
	"recursion", "hits"},
    {"tally_recursion_answered_total", "counter", "Of these, resolved.", "recursion", "answered"},
    {"tally_recursion_secure_total", "counter", "Of these, proven by DNSSEC.", "recursion",
	"secure"},
    {"tally_recursion_bogus_total", "counter", "Refused by DNSSEC.", "recursion", "bogus"},
    {"tally_recursion_failed_total", "counter", "Not resolved.", "recursion", "failed"},
    {"tally_recursion_in_flight", "gauge", "Questions for other names under way.", "recursion",
	"in_flight"},
};

static void
print_metrics(json_t *stats)
{
	for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
		const struct metric *metric = &metrics[i];
		json_t *group =
		    metric->group == NULL ? stats : json_object_get(stats, metric->group);

		(void)printf("# HELP %s %s\n# TYPE %s %s\n%s %lld\n", metric->name, metric->help,
		    metric->name, metric->type, metric->name, integer_of(group, metric->key));
	}
}

/* A metric of every list, and where its value stands in the JSON of the list. */
struct list_metric {
	const char *name, *type, *help, *group, *key;
	double unit;       /* of what is no integer */
	const char *value; /* the metric is whether the key has this one; NULL: it is a number */
};

static const struct list_metric list_metrics[] = {
    {"tally_list_asked_total", "counter", "Questions to the list.", NULL, "asked", 1, NULL},
    {"tally_list_listed_total", "counter", "Answers: listed.", NULL, "listed", 1, NULL},
    {"tally_list_clear_total", "counter", "Answers: clear.", NULL, "clear", 1, NULL},
    {"tally_list_unknown_total", "counter", "Failures, refusals and timeouts.", NULL, "unknown", 1,
	NULL},
    {"tally_list_answer_seconds_p50", "gauge", "Half of the answers came within this time.", NULL,
	"ms_p50", 1e-3, NULL},
    {"tally_list_answer_seconds_p99", "gauge", "99 of 100 answers came within this time.", NULL,
	"ms_p99", 1e-3, NULL},
    {"tally_list_ok", "gauge", "Is the list well?", NULL, "health", 1, "ok"},
    {"tally_list_quarantined", "gauge", "Is the list set aside?", NULL, "health", 1, "quarantined"},
    {"tally_list_tests_good_total", "counter", "Tests of the list: as it should be.", "tests",
	"good", 1, NULL},
    {"tally_list_tests_bad_total", "counter", "Tests of the list: it said something false.",
	"tests", "bad", 1, NULL},
    {"tally_list_tests_failed_total", "counter", "Tests of the list: no answer.", "tests", "failed",
	1, NULL},
};

/* Names of lists are LDH: nothing to escape. */
static void
print_list_metric(json_t *lists, const struct list_metric *metric)
{
	json_t *list;
	size_t i;

	(void)printf(
	    "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, metric->type);
	json_array_foreach(lists, i, list)
	{
		json_t *group = metric->group == NULL ? list : json_object_get(list, metric->group);
		json_t *value = json_object_get(group, metric->key);

		(void)printf("%s{list=\"%s\"} ", metric->name, string_of(list, "list"));
		if (metric->value != NULL)
			(void)printf(
			    "%d\n", strcmp(string_of(group, metric->key), metric->value) == 0);
		else if (json_is_integer(value))
			(void)printf("%lld\n", (long long)json_integer_value(value));
		else
			(void)printf("%.9g\n", json_number_value(value) * metric->unit);
	}
}

static void
print_list_metrics(json_t *lists)
{
	for (size_t i = 0; i < sizeof list_metrics / sizeof list_metrics[0]; i++)
		print_list_metric(lists, &list_metrics[i]);
}

static void
print_flat(json_t *stats)
{
	const char *group, *key;
	json_t *values, *value;

	json_object_foreach(stats, group, values)
	{
		if (!json_is_object(values)) {
			(void)printf("%-22s %lld\n", group, (long long)json_integer_value(values));
			continue;
		}
		json_object_foreach(values, key, value)
		{
			char name[100];

			(void)snprintf(name, sizeof name, "%s.%s", group, key);
			(void)printf("%-22s %lld\n", name, (long long)json_integer_value(value));
		}
	}
}

enum tool_status
tool_run_stats(struct tool *tool)
{
	json_t *stats = tool_must_ask(tool, "stats"), *lists;

	if (stats == NULL)
		return TOOL_FAILED;
	if (tool->line.json) {
		tool_print_json(stats);
		return TOOL_DONE;
	}
	if (tool->line.option[COMMAND_PROMETHEUS] != NULL) {
		lists = tool_must_ask(tool, "lists");
		print_metrics(stats);
		if (lists != NULL)
			print_list_metrics(lists);
		json_decref(lists);
	} else {
		print_flat(stats);
	}
	json_decref(stats);
	return TOOL_DONE;
}

/* Ask for something that says no more than that it is done, of `word` if there is one. */
static enum tool_status
ask_and_say(struct tool *tool, const char *command, const char *word, const char *done)
{
	char request[600];
	struct text text;
	json_t *json;

	text_init(&text, request, sizeof request);
	if (!add_word(&text, command) || (word != NULL && !add_word(&text, word)))
		return TOOL_FAILED;
	json = tool_must_ask(tool, request);
	if (json == NULL)
		return TOOL_FAILED;
	if (tool->line.json) {
		tool_print_json(json);
		return TOOL_DONE;
	}
	json_decref(json);
	(void)printf(word == NULL ? "%s\n" : "%s: %s\n", done, word);
	return TOOL_DONE;
}

enum tool_status
tool_run_flush(struct tool *tool)
{
	bool all = tool->line.option[COMMAND_ALL] != NULL;

	if (all == (tool->line.words == 1)) {
		(void)tool_fail("flush: expected an address, or --all");
		return TOOL_USAGE;
	}
	return ask_and_say(tool, "flush", all ? "--all" : tool->line.word[0], "flushed");
}

enum tool_status
tool_run_quarantine(struct tool *tool)
{
	const char *command = tool->line.command->name;

	return ask_and_say(tool, command, tool->line.word[0],
	    strcmp(command, "release") == 0 ? "released" : "quarantined");
}

enum tool_status
tool_run_reload(struct tool *tool)
{
	return ask_and_say(tool, "reload", NULL, "reloaded");
}
