#include "resolver/operate.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/earned.h"
#include "aggregate/when.h"
#include "resolver/explain.h"
#include "resolver/log.h"
#include "resolver/quarantine.h"
#include "resolver/reload.h"
#include "resolver/serve.h"

/*
 * Has there been no memory for a part of the answer under way? jansson leaves that part out, or
 * prints what is no JSON. It hands its allocator no context, hence this variable; all JSON is
 * made in the main thread.
 */
static bool lacking;

static void *
allocate(size_t size)
{
	void *memory = malloc(size);

	lacking = lacking || memory == NULL;
	return memory;
}

void
operate_begin(void)
{
	json_set_alloc_funcs(allocate, free);
}

/* Answer with a document, which is let go; NULL: there was no memory for it. */
static void
answer_printed(struct daemon *daemon, struct control_ticket ticket, char *printed)
{
	bool whole = printed != NULL && !lacking;

	lacking = false;
	if (!whole)
		control_error(daemon->control, ticket, "out of memory");
	else
		control_ok(daemon->control, ticket, printed);
	free(printed);
}

static void
answer(struct daemon *daemon, struct control_ticket ticket, json_t *json)
{
	answer_printed(daemon, ticket,
	    json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII));
	json_decref(json);
}

static json_int_t
number(uint64_t value)
{
	return (json_int_t)value;
}

static void
run_stats(struct daemon *daemon, struct control_ticket ticket, char *const *argument)
{
	uint64_t sum[STATS_COUNTERS] = {0}, in_flight = 0, saved;
	struct cache_counts cache;

	(void)argument;
	for (unsigned i = 0; i < daemon->threads; i++) {
		stats_sum(shard_stats(daemon->shard[i]), sum);
		if (daemon->listener[i] != NULL)
			listen_sum(daemon->listener[i], sum);
		in_flight += shard_in_flight(daemon->shard[i]);
	}
	stats_sum(recurse_stats(daemon->recurse), sum);
	cache_count(daemon->cache, &cache);
	saved = sum[STATS_WANTED] > sum[STATS_ASKED] ? sum[STATS_WANTED] - sum[STATS_ASKED] : 0;
	answer(daemon, ticket,
	    json_pack("{s:I, s:{s:I,s:I,s:I}, s:{s:I,s:I,s:I,s:I,s:I,s:I,s:I}, "
		      "s:{s:I,s:I,s:I,s:I,s:I,s:I,s:I}, s:{s:I,s:I,s:I,s:I,s:I}, s:{s:I,s:I,s:I}, "
		      "s:{s:I,s:I,s:I,s:I,s:I,s:I,s:I}}",
		"uptime", number((uint64_t)(loop_now_ms(daemon->loop) - daemon->started_ms) / 1000),
		"queries", "total", number(sum[STATS_UDP] + sum[STATS_TCP]), "udp",
		number(sum[STATS_UDP]), "tcp", number(sum[STATS_TCP]), "answers", "listed",
		number(sum[STATS_LISTED]), "clear", number(sum[STATS_CLEAR]), "servfail",
		number(sum[STATS_SERVFAIL]), "refused", number(sum[STATS_REFUSED]), "formerr",
		number(sum[STATS_FORMERR]), "notimp", number(sum[STATS_NOTIMP]), "dropped",
		number(sum[STATS_DROPPED]), "cache", "hits", number(sum[STATS_HITS]), "misses",
		number(sum[STATS_MISSES]), "entries", number(cache.entries), "capacity",
		number(cache.capacity), "evictions", number(cache.evictions), "stale",
		number(sum[STATS_STALE]), "bytes", number(cache.bytes), "upstream", "asked",
		number(sum[STATS_ASKED]), "answered", number(sum[STATS_ANSWERED]), "failed",
		number(sum[STATS_FAILED]), "in_flight", number(in_flight), "saved", number(saved),
		"exceptions", "entries", number(exceptions_count(daemon->exceptions)), "applied",
		number(sum[STATS_EXCEPTED]), "bytes", number(exceptions_bytes(daemon->exceptions)),
		"recursion", "asked", number(sum[STATS_OTHER_ASKED]), "hits",
		number(sum[STATS_OTHER_HITS]), "answered", number(sum[STATS_OTHER_ANSWERED]),
		"secure", number(sum[STATS_OTHER_SECURE]), "bogus", number(sum[STATS_OTHER_BOGUS]),
		"failed", number(sum[STATS_OTHER_FAILED]), "in_flight",
		number(recurse_in_flight(daemon->recurse))));
}

/* A list that failed this often in a row is called failing. */
#define FAILING 3

/* An error code that a list gave, in words. */
static const char *
code_words(const struct policy_list *list, uint32_t address)
{
	struct answers answers = {.count = 1, .address = {address}};
	const char *words = policy_refusal(list, &answers, NULL);

	return words != NULL ? words : "";
}

static json_t *
describe_errors(const struct policy_list *list, const struct stats_list_sum *sum)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < STATS_CODES && sum->refused[i].address != 0; i++) {
		uint32_t a = sum->refused[i].address;

		json_array_append_new(array,
		    json_pack("{s:o,s:I,s:s}", "answer",
			json_sprintf("%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255),
			"times", number(sum->refused[i].times), "why", code_words(list, a)));
	}
	return array;
}

/* What is left of max-per-day; null without one. */
static json_t *
describe_budget(const struct daemon *daemon, const struct policy_list *list)
{
	uint32_t taken = quota_today(&daemon->quota[list->number], loop_wall(daemon->loop));

	if (list->max_per_day == 0)
		return json_null();
	return json_integer(list->max_per_day > taken ? list->max_per_day - taken : 0);
}

static void
describe_weights(const struct daemon *daemon, const struct policy_zone *zone,
    const struct policy_zone_list *entry, json_t *array)
{
	const struct policy_zone *written = daemon_written(daemon, zone);

	for (size_t i = 0; i < entry->sites; i++) {
		size_t site = entry->first_site + i;
		char printed[400];
		struct text text;

		text_init(&text, printed, sizeof printed);
		policy_site_print(written, entry, i, &text);
		json_array_append_new(array,
		    json_pack("{s:s,s:s,s:i,s:i}", "zone", zone->name, "site", printed, "operator",
			written->site[site].weight, "earned", zone->site[site].weight));
	}
}

/* What the operator gives it and what it has earned, in zones that adapt. */
static json_t *
describe_earned(const struct daemon *daemon, const struct policy_list *list)
{
	const struct policy *policy = daemon->view->policy;
	json_t *array = json_array();

	for (size_t i = 0; i < policy->zones; i++) {
		const struct policy_zone *zone = policy->zone[i];

		for (size_t j = 0; earned_adapts(zone) && j < zone->lists; j++)
			if (zone->list[j].list == list)
				describe_weights(daemon, zone, &zone->list[j], array);
	}
	return array;
}

static json_t *
describe_list(const struct daemon *daemon, const struct policy_list *list)
{
	struct stats_list_sum sum = {0};
	struct health_report report;
	const char *health = "ok", *why = "";
	char words[200], tested[40] = "";
	struct text text;

	for (unsigned i = 0; i < daemon->threads; i++)
		stats_list_sum(shard_list(daemon->shard[i], list->number), &sum);
	if (sum.failures >= FAILING) {
		health = "failing";
		why = sum.last_code != 0 ? code_words(list, sum.last_code)
					 : evidence_word((uint16_t)sum.last_said);
	}
	health_describe(daemon->health, list->number, &report);
	if (bits_has(daemon->quarantined, list->number)) {
		health = "quarantined";
		text_init(&text, words, sizeof words);
		health_explain(&report, &text);
		if (report.held)
			why = "by hand";
		else
			why =
			    text.length > 0 ? words : "what it said before is still being dropped";
	}
	text_init(&text, tested, sizeof tested);
	if (report.tested_ms >= 0)
		when_print(loop_wall(daemon->loop) -
			       (uint32_t)((loop_now_ms(daemon->loop) - report.tested_ms) / 1000),
		    &text);
	return json_pack(
	    "{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:o,s:I,s:o,s:f,s:f,s:s?,s:{s:I,s:I,s:I},s:o}", "list",
	    list->name, "health", health, "why", why, "asked", number(sum.asked), "listed",
	    number(sum.listed), "clear", number(sum.clear), "unknown", number(sum.unknown),
	    "errors", describe_errors(list, &sum), "today",
	    number(quota_today(&daemon->quota[list->number], loop_wall(daemon->loop))), "left",
	    describe_budget(daemon, list), "ms_p50", stats_list_quantile(&sum, 50), "ms_p99",
	    stats_list_quantile(&sum, 99), "last_test", tested[0] == '\0' ? NULL : tested, "tests",
	    "good", number(report.good), "bad", number(report.bad), "failed", number(report.failed),
	    "weights", describe_earned(daemon, list));
}

static void
run_lists(struct daemon *daemon, struct control_ticket ticket, char *const *argument)
{
	const struct policy *policy = daemon->config->policy;
	json_t *array = json_array();

	(void)argument;
	for (size_t i = 0; i < policy->lists; i++)
		if (policy->list[i]->used)
			json_array_append_new(array, describe_list(daemon, policy->list[i]));
	answer(daemon, ticket, array);
}

static void
run_reload(struct daemon *daemon, struct control_ticket ticket, char *const *argument)
{
	(void)argument;
	if (reload_config(daemon))
		answer(daemon, ticket,
		    json_pack("{s:I,s:I}", "zones", number(daemon->config->policy->zones), "lists",
			number(policy_used(daemon->config->policy))));
	else
		control_error(daemon->control, ticket,
		    "the new configuration has mistakes and the old one stays in force; "
		    "tallyd -n and the log tell them");
}

static void
run_exceptions(struct daemon *daemon, struct control_ticket ticket, char *const *argument)
{
	char said[400], store[20];
	struct text error;

	(void)argument;
	text_init(&error, said, sizeof said);
	if (daemon_take_exceptions(daemon, &error)) {
		(void)snprintf(store, sizeof store, "%016" PRIx64, daemon->at.identity);
		answer(daemon, ticket,
		    json_pack("{s:I,s:I,s:s}", "serial", number(daemon->at.serial), "entries",
			number(exceptions_count(daemon->exceptions)), "store", store));
		return;
	}
	log_error("exceptions: the last good state stays in force: %s", said);
	control_error(daemon->control, ticket, "%s", said);
}

static void
run_recommendations(struct daemon *daemon, struct control_ticket ticket, char *const *argument)
{
	char said[400];
	struct text error;

	(void)argument;
	text_init(&error, said, sizeof said);
	if (daemon_take_recommendations(daemon, &error)) {
		answer(daemon, ticket,
		    json_pack("{s:I,s:I}", "recommendations",
			number(daemon->learned.recommendations), "listed",
			number(renown_count(daemon->learned.renown))));
		return;
	}
	log_error("recommendations: the last good state stays in force: %s", said);
	control_error(daemon->control, ticket, "%s", said);
}

/*
 * Is it done, and its client answered? What was kept of a subject would come back if it were
 * dropped before all is taken over.
 */
static bool
end_flush(struct daemon *daemon, const struct daemon_flush *flush)
{
	char subject[64] = "--all";
	struct text printed;
	struct shard *owner;

	for (unsigned i = 0; flush->all && i < daemon->threads; i++)
		if (shard_flushes(daemon->shard[i]))
			return false;
	if (!flush->all) {
		owner = daemon->shard[cache_writer(daemon->cache, &flush->subject)];
		if (shard_restores(owner))
			return false;
		shard_drop(owner, &flush->subject);
		text_init(&printed, subject, sizeof subject);
		subject_print(&flush->subject, &printed);
	}
	answer(daemon, flush->ticket, json_pack("{s:s}", "flushed", subject));
	return true;
}

static void
run_flush(struct daemon *daemon, struct control_ticket ticket, char *const *argument)
{
	struct daemon_flush flush = {.ticket = ticket, .all = strcmp(argument[1], "--all") == 0};

	if (!flush.all && !subject_parse(argument[1], &flush.subject)) {
		control_error(
		    daemon->control, ticket, "\"%s\": expected an address or --all", argument[1]);
		return;
	}
	if (daemon->flushes == CONTROL_CLIENTS_MAX) {
		control_error(daemon->control, ticket, "too many wait for this already");
		return;
	}
	for (unsigned i = 0; flush.all && i < daemon->threads; i++)
		shard_flush(daemon->shard[i]);
	if (!end_flush(daemon, &flush))
		daemon->flush[daemon->flushes++] = flush;
}

void
operate_flushed(struct daemon *daemon)
{
	unsigned waiting = 0;

	for (unsigned i = 0; i < daemon->flushes; i++)
		if (!end_flush(daemon, &daemon->flush[i]))
			daemon->flush[waiting++] = daemon->flush[i];
	daemon->flushes = waiting;
}

static void
set_quarantine(struct daemon *daemon, struct control_ticket ticket, const char *name, bool on)
{
	char folded[NAME_TEXT_MAX + 1], said[400];
	const struct policy_list *list =
	    name_fold(name, folded) ? policy_list_find(daemon->config->policy, folded) : NULL;
	struct text error;

	if (list == NULL || !list->used) {
		control_error(daemon->control, ticket, "\"%s\": no zone names this list", name);
		return;
	}
	text_init(&error, said, sizeof said);
	if (!quarantine_hold(daemon, list, on, &error)) {
		log_error("quarantine: it ends with the next start: %s", said);
		control_error(
		    daemon->control, ticket, "done, but only until tallyd ends: %s", said);
		return;
	}
	answer(
	    daemon, ticket, json_pack("{s:s,s:b}", "list", list->name, "quarantined", on ? 1 : 0));
}

static void
run_quarantine(struct daemon *daemon, struct control_ticket ticket, char *const *argument)
{
	set_quarantine(daemon, ticket, argument[1], true);
}

static void
run_release(struct daemon *daemon, struct control_ticket ticket, char *const *argument)
{
	set_quarantine(daemon, ticket, argument[1], false);
}

void
operate_verdict(void *owner, const struct client *client, const struct question *question,
    const struct verdict *verdict, const struct evidence *evidence)
{
	struct daemon *daemon = owner;
	struct checked checked = {
	    .ticket = {client->connection, client->generation}, .subject = question->subject};
	bool was_empty;

	/* a zone that a reload took away: the ticket is answered without one */
	if (question->about == QUESTION_SUBJECT) {
		memcpy(checked.zone, question->zone->name, sizeof checked.zone);
		checked.verdict = *verdict;
		memcpy(checked.evidence, evidence, sizeof checked.evidence);
	}
	if (checked.verdict.excepted)
		memcpy(checked.exception_zone, verdict->exception.zone,
		    strlen(verdict->exception.zone) + 1);
	if (queue_push(daemon->checked, &checked, &was_empty))
		loop_wake(daemon->loop);
}

static void
answer_check(struct daemon *daemon, const struct checked *checked)
{
	const struct policy_zone *zone = policy_zone_find(daemon->view->policy, checked->zone);

	if (zone == NULL)
		control_error(daemon->control, checked->ticket, "the zone is gone");
	else
		answer_printed(daemon, checked->ticket, explain_print(daemon, zone, checked));
}

void
operate_checked(struct daemon *daemon)
{
	struct checked checked;

	while (daemon->checked != NULL && queue_pop(daemon->checked, &checked))
		answer_check(daemon, &checked);
}

/* Ask as a client would, but wait for every list. */
static void
ask_shard(struct daemon *daemon, struct control_ticket ticket, const struct subject *subject,
    const struct policy_zone *zone)
{
	struct miss miss = {.question = {.type = WIRE_A, .class = WIRE_IN, .subject = *subject},
	    .client = {.wants_all = true,
		.fd = -1,
		.connection = ticket.client,
		.generation = ticket.generation}};
	char name[NAME_TEXT_MAX + 1];
	struct text text;

	text_init(&text, name, sizeof name);
	subject_reverse(subject, &text);
	text_add(&text, ".");
	text_add(&text, zone->name);
	miss.question.name_length = (uint8_t)name_to_wire(name, miss.name);
	if (!shard_take(daemon->shard[cache_writer(daemon->cache, subject)], &miss))
		control_error(daemon->control, ticket, "too many questions are under way");
}

/* The zone asked for, or the first one. */
static const struct policy_zone *
zone_of(const struct daemon *daemon, const char *name)
{
	char folded[NAME_TEXT_MAX + 1];

	if (name == NULL)
		return daemon->view->policy->zone[0];
	return name_fold(name, folded) ? policy_zone_find(daemon->view->policy, folded) : NULL;
}

static void
run_check(struct daemon *daemon, struct control_ticket ticket, char *const *argument)
{
	const struct policy_zone *zone = zone_of(daemon, argument[2]);
	struct checked checked = {.ticket = ticket};
	struct subject subject;

	if (!subject_parse(argument[1], &subject)) {
		control_error(daemon->control, ticket, "\"%s\": expected an address", argument[1]);
	} else if (zone == NULL) {
		control_error(
		    daemon->control, ticket, "\"%s\": there is no such zone", argument[2]);
	} else if (subject_place(&subject) == SUBJECT_ORDINARY) {
		ask_shard(daemon, ticket, &subject, zone);
	} else {
		struct view_time time = {.now = (uint32_t)(loop_now_ms(daemon->loop) / 1000),
		    .wall = loop_wall(daemon->loop)};
		struct exception exception;
		bool score;

		checked.subject = subject;
		(void)view_decides(
		    daemon->view, zone, &subject, time, &exception, &score, &checked.verdict);
		if (checked.verdict.excepted)
			memcpy(checked.exception_zone, exception.zone, strlen(exception.zone) + 1);
		answer_printed(daemon, ticket, explain_print(daemon, zone, &checked));
	}
}

struct operation {
	const char *name;
	unsigned min, max; /* arguments */
	void (*run)(struct daemon *daemon, struct control_ticket ticket, char *const *argument);
};

static const struct operation operations[] = {
    {"stats", 0, 0, run_stats},
    {"lists", 0, 0, run_lists},
    {"check", 1, 2, run_check},
    {"flush", 1, 1, run_flush},
    {"quarantine", 1, 1, run_quarantine},
    {"release", 1, 1, run_release},
    {"reload", 0, 0, run_reload},
    {"exceptions", 0, 0, run_exceptions},
    {"recommendations", 0, 0, run_recommendations},
};

void
operate_run(void *owner, struct control_ticket ticket, unsigned count, char *const *argument)
{
	char *padded[CONTROL_ARGUMENTS_MAX + 1] = {0};
	struct daemon *daemon = owner;

	memcpy(padded, argument, count * sizeof(char *));
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
		const struct operation *operation = &operations[i];

		if (strcmp(operation->name, argument[0]) != 0)
			continue;
		if (count - 1 < operation->min || count - 1 > operation->max)
			control_error(
			    daemon->control, ticket, "%s: wrong number of arguments", argument[0]);
		else
			operation->run(daemon, ticket, padded);
		return;
	}
	control_error(daemon->control, ticket, "\"%s\": no such command", argument[0]);
}

void
operate_glance(struct daemon *daemon)
{
	char said[400];
	struct text error;

	text_init(&error, said, sizeof said);
	if (daemon_store_changed(daemon) && !daemon_take_exceptions(daemon, &error))
		log_error("exceptions: the last good state stays in force: %s", said);
	text_init(&error, said, sizeof said);
	if (daemon_recommendations_changed(daemon) && !daemon_take_recommendations(daemon, &error))
		log_error("recommendations: the last good state stays in force: %s", said);
}
