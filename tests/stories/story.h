/*
 * story - lookup, cache, verdict, question and answer on a scripted clock, with scripted lists
 *
 * A story names its zones, begins, and then goes step by step: clients ask, lists say something,
 * time passes; after each step it tells what each client must have got by now. Nothing happens
 * but what the story says. Lists are asked in the call; they answer when the story lets them.
 */
#ifndef TESTS_STORIES_STORY_H
#define TESTS_STORIES_STORY_H

#include <stdio.h>
#include <stdlib.h>

#include "aggregate/compile.h"
#include "aggregate/exception.h"
#include "aggregate/view.h"
#include "resolver/answer.h"
#include "resolver/lookup.c" /* its slots are counted */
#include "resolver/serve.h"
#include "tests/unit/decode.h"
#include "tests/unit/packet.h"
#include "tests/unit/zone.h"

#define STORY_CLIENTS 4096
#define STORY_ASKS 16384
#define STORY_PLANS 4
#define STORY_WALL 1800000000u

/* One question to a list. */
struct story_ask {
	const char *list; /* lives as long as the story */
	unsigned number;
	struct subject subject;
	struct ticket ticket;
	bool answered;
	struct evidence evidence; /* valid when answered */
};

/* What one client got. */
struct story_client {
	int64_t asked_ms, replied_ms;
	unsigned replies;
	unsigned rcode, answers;
	unsigned type; /* of the only answer */
	uint8_t address[4];
	char text[256];
	uint32_t ttl; /* of the answer, or of the SOA */
};

/* What a list says in the very call that asks it. */
struct story_script {
	char list[NAME_TEXT_MAX + 1];
	char addresses[60]; /* "": clear */
	bool used;
};

struct story {
	struct evidence_book *book;
	struct cache *cache;
	struct lookup *lookup;
	struct stats stats;
	struct config plan[STORY_PLANS];
	unsigned plans, current; /* the plan that is made, or followed */
	struct exceptions *exceptions;
	uint64_t quarantined[VIEW_BITS];
	struct view *view, *old_view;
	int64_t now_ms;
	struct story_ask ask[STORY_ASKS];
	unsigned asks, late;
	struct story_client client[STORY_CLIENTS];
	unsigned clients;
	struct story_script script[4];
	/* for stories that look closer */
	void (*on_reply)(struct story *story, unsigned client, const struct question *question,
	    const struct verdict *verdict, const struct evidence *evidence);
	void (*on_ask)(struct story *story, const struct policy_list *list,
	    const struct subject *subject, struct ticket ticket);
	void (*on_give)(struct story *story, const struct story_ask *ask);
};

/* --- calls of lookup ---------------------------------------------------------------------- */

static inline struct policy *
story_policy(struct story *story)
{
	return story->plan[story->current].policy;
}

static inline struct evidence
story_answers(struct story *story, unsigned number, const char *addresses, uint32_t ttl)
{
	struct evidence evidence = {
	    .said = EVIDENCE_CLEAR, .expires = (uint32_t)(story->now_ms / 1000) + ttl};

	if (addresses[0] != '\0') {
		struct answers answers = make_answers(addresses);

		evidence.said = evidence_intern(story->book, number, &answers);
	}
	return evidence;
}

static inline void
story_give(struct story *story, struct story_ask *ask, struct evidence evidence)
{
	ask->answered = true;
	ask->evidence = evidence;
	if (story->on_give != NULL)
		story->on_give(story, ask);
	lookup_evidence(
	    story->lookup, story->now_ms, ask->ticket, &ask->subject, ask->number, evidence);
}

static inline void
story_on_ask(void *owner, const struct policy_list *list, const struct subject *subject,
    struct ticket ticket)
{
	struct story *story = owner;
	struct story_ask *ask;

	assert_true(story->asks < STORY_ASKS);
	if (story->on_ask != NULL)
		story->on_ask(story, list, subject, ticket);
	ask = &story->ask[story->asks++];
	*ask = (struct story_ask){.list = policy_list_find(story_policy(story), list->name)->name,
	    .number = list->number,
	    .subject = *subject,
	    .ticket = ticket};
	for (unsigned i = 0; i < COUNT(story->script); i++) {
		const struct story_script *script = &story->script[i];

		if (!script->used || strcmp(script->list, list->name) != 0)
			continue;
		story_give(story, ask, story_answers(story, ask->number, script->addresses, 60));
	}
}

static inline void
story_on_late(void *owner, const struct policy_list *list, const struct subject *subject)
{
	struct story *story = owner;

	(void)list;
	(void)subject;
	story->late++;
}

static inline void
story_on_reply(void *owner, const struct client *from, const struct question *question,
    const struct verdict *verdict, const struct evidence *evidence)
{
	static struct decoded decoded;
	struct story *story = owner;
	struct story_client *client = &story->client[from->connection];
	uint8_t out[ANSWER_SIZE_MAX];
	size_t length;

	assert_ptr_equal(from->listener, story);
	assert_true(from->connection < story->clients);
	assert_int_equal(question->id, (uint16_t)from->connection);
	assert_true(verdict->state != VERDICT_OPEN || question->about != QUESTION_SUBJECT);
	if (story->on_reply != NULL)
		story->on_reply(story, from->connection, question, verdict, evidence);
	length = serve_reply(story_policy(story), story->book, &story->stats, question, verdict,
	    evidence, from->fd < 0, out);
	if (!decode(&decoded, out, length))
		fail_msg("the reply is wrong: %s", decoded.wrong);
	assert_int_equal(decoded.id, (uint16_t)from->connection);
	client->replies++;
	client->replied_ms = story->now_ms;
	client->rcode = decoded.rcode;
	client->answers = decoded.answers;
	client->ttl = decoded.authority[0].ttl;
	if (decoded.answers == 0)
		return;
	client->type = decoded.answer[0].type;
	client->ttl = decoded.answer[0].ttl;
	memcpy(client->address, decoded.answer[0].address, 4);
	memcpy(client->text, decoded.answer[0].text, sizeof client->text);
}

/* --- the plan --------------------------------------------------------------------------- */

static inline void
story_new_plan(struct story *story)
{
	struct config *config = &story->plan[story->plans];

	assert_true(story->plans < STORY_PLANS);
	story->current = story->plans++;
	memset(config, 0, sizeof *config);
	config->policy = policy_open();
	assert_non_null(config->policy);
	config->policy->deadline_ms = 2500;
}

static inline struct story *
story_open(void)
{
	static const uint64_t key[2] = {0xa4093822299f31d0u, 0x082efa98ec4e6c89u};
	struct story *story = calloc(1, sizeof *story);

	assert_non_null(story);
	story->book = evidence_book_open();
	story->cache = cache_open(1, 1, key);
	story->exceptions = exceptions_open();
	assert_true(story->book != NULL && story->cache != NULL && story->exceptions != NULL);
	story->now_ms = 1000000;
	story_new_plan(story);
	return story;
}

/* A zone, the score from which it answers 127.0.0.2, and its sites with spaces between them. */
static inline struct policy_zone *
story_zone(struct story *story, const char *name, int32_t threshold, const char *sites)
{
	struct policy_zone *zone = make_zone(story_policy(story), name);

	zone->threshold = threshold;
	make_grade(zone, threshold, 0x7f000002);
	while (*sites != '\0') {
		size_t length = strcspn(sites, " ");
		char site[300] = "";

		assert_true(length < sizeof site);
		memcpy(site, sites, length);
		make_site(story_policy(story), zone, site);
		sites += length + (sites[length] == ' ');
	}
	return zone;
}

/* A list of the plan, to change its options before the story begins. */
static inline struct policy_list *
story_list(struct story *story, const char *name)
{
	struct policy_list *list = policy_list_find(story_policy(story), name);

	assert_non_null(list);
	return list;
}

static inline void
story_new_view(struct story *story)
{
	view_close(story->old_view);
	story->old_view = story->view;
	story->view =
	    view_open(&story->plan[story->current], story->exceptions, story->quarantined);
	assert_non_null(story->view);
}

static inline void
story_begin(struct story *story, unsigned slots, unsigned waiters)
{
	struct lookup_calls calls = {story, story_on_ask, story_on_late, story_on_reply};

	assert_true(compile_policy(story_policy(story), story->book));
	story_new_view(story);
	story->lookup = lookup_open(slots, waiters, story->cache, story->book, story->view, &calls);
	assert_non_null(story->lookup);
	lookup_wall(story->lookup, STORY_WALL);
	assert_int_equal(lookup_due_ms(story->lookup), INT64_MAX);
}

/* Go on by the plan that was made last. */
static inline void
story_reload(struct story *story)
{
	assert_true(compile_policy(story_policy(story), story->book));
	story_new_view(story);
	lookup_view(story->lookup, story->now_ms, story->view);
}

/* The same plan, after a change of exceptions or quarantine. */
static inline void
story_changed(struct story *story)
{
	story_new_view(story);
	lookup_view(story->lookup, story->now_ms, story->view);
}

/* --- steps ------------------------------------------------------------------------------ */

static inline unsigned
story_client(struct story *story, const char *name, unsigned type, bool wants_all)
{
	static struct packet packet;
	struct client client = {.listener = story, .connection = story->clients};
	struct question question;
	uint8_t *memory;

	assert_true(story->clients < STORY_CLIENTS);
	story->client[story->clients++].asked_ms = story->now_ms;
	client.wants_all = wants_all;
	packet_ask(&packet, client.connection, 0, name, type);
	memory = packet_copy(&packet, packet.length);
	question_read(&question, memory, packet.length);
	question_place(&question, story_policy(story));
	assert_int_equal(question.about, QUESTION_SUBJECT);
	lookup_start(story->lookup, story->now_ms, &question, &client);
	free(memory); /* lookup has its own copy of the name */
	return client.connection;
}

static inline void
story_name(const char *subject, const char *zone, char name[300])
{
	struct subject parsed;
	struct text text;

	assert_true(subject_parse(subject, &parsed));
	text_init(&text, name, 300);
	subject_reverse(&parsed, &text);
	text_add(&text, ".");
	text_add(&text, zone);
}

/* A client asks for the A record; returns its number. */
static inline unsigned
ask(struct story *story, const char *subject, const char *zone)
{
	char name[300];

	story_name(subject, zone, name);
	return story_client(story, name, WIRE_A, false);
}

static inline unsigned
ask_text(struct story *story, const char *subject, const char *zone)
{
	char name[300];

	story_name(subject, zone, name);
	return story_client(story, name, WIRE_TXT, false);
}

/* A client that waits for every list, whatever is decided already. */
static inline unsigned
ask_all(struct story *story, const char *subject, const char *zone)
{
	char name[300];

	story_name(subject, zone, name);
	return story_client(story, name, WIRE_A, true);
}

/* The first unanswered question to a list about a subject. */
static inline struct story_ask *
story_open_ask(struct story *story, const char *list, const char *subject)
{
	struct subject parsed;

	assert_true(subject_parse(subject, &parsed));
	for (unsigned i = 0; i < story->asks; i++)
		if (!story->ask[i].answered && strcmp(story->ask[i].list, list) == 0 &&
		    subject_equal(&story->ask[i].subject, &parsed))
			return &story->ask[i];
	fail_msg("%s has nothing to answer about %s", list, subject);
	abort(); /* not reached */
}

/* A list answers the question about a subject: these addresses; "": clear. */
static inline void
list_says(
    struct story *story, const char *list, const char *subject, const char *addresses, uint32_t ttl)
{
	struct story_ask *ask = story_open_ask(story, list, subject);

	story_give(story, ask, story_answers(story, ask->number, addresses, ttl));
}

static inline void
list_fails(struct story *story, const char *list, const char *subject, enum evidence_said said)
{
	struct story_ask *ask = story_open_ask(story, list, subject);
	uint32_t now = (uint32_t)(story->now_ms / 1000);

	story_give(story, ask,
	    (struct evidence){.said = (uint8_t)said, .expires = now + EVIDENCE_FAILURE_TTL});
}

/* From now on a list answers in the very call that asks it. */
static inline void
list_says_at_once(struct story *story, const char *list, const char *addresses)
{
	for (unsigned i = 0; i < COUNT(story->script); i++) {
		struct story_script *script = &story->script[i];

		if (script->used)
			continue;
		script->used = true;
		(void)snprintf(script->list, sizeof script->list, "%s", list);
		(void)snprintf(script->addresses, sizeof script->addresses, "%s", addresses);
		return;
	}
	fail_msg("no room for another script");
}

/* The clock goes on; what is due on the way happens at its time. */
static inline void
time_passes(struct story *story, int64_t ms)
{
	int64_t end_ms = story->now_ms + ms;

	while (lookup_due_ms(story->lookup) <= end_ms) {
		assert_true(lookup_due_ms(story->lookup) >= story->now_ms);
		story->now_ms = lookup_due_ms(story->lookup);
		lookup_tick(story->lookup, story->now_ms);
		assert_true(lookup_due_ms(story->lookup) > story->now_ms);
	}
	story->now_ms = end_ms;
	lookup_tick(story->lookup, story->now_ms); /* one too many does nothing */
}

/* --- expectations ----------------------------------------------------------------------- */

static inline void
expect_nothing(struct story *story, unsigned client)
{
	if (story->client[client].replies != 0)
		fail_msg("client %u has a reply, rcode %u", client, story->client[client].rcode);
}

static inline struct story_client *
expect_reply(struct story *story, unsigned client, enum wire_rcode rcode)
{
	struct story_client *got = &story->client[client];

	if (got->replies != 1)
		fail_msg("client %u has %u replies", client, got->replies);
	if (got->rcode != rcode)
		fail_msg("client %u got rcode %u", client, got->rcode);
	return got;
}

static inline struct story_client *
expect_listed(struct story *story, unsigned client, const char *address)
{
	struct story_client *got = expect_reply(story, client, WIRE_NOERROR);
	uint32_t want = make_address(address);
	uint8_t octet[4] = {
	    (uint8_t)(want >> 24), (uint8_t)(want >> 16), (uint8_t)(want >> 8), (uint8_t)want};

	assert_int_equal(got->answers, 1);
	assert_int_equal(got->type, WIRE_A);
	assert_memory_equal(got->address, octet, 4);
	return got;
}

static inline struct story_client *
expect_clear(struct story *story, unsigned client)
{
	return expect_reply(story, client, WIRE_NXDOMAIN);
}

static inline struct story_client *
expect_text(struct story *story, unsigned client, const char *text)
{
	struct story_client *got = expect_reply(story, client, WIRE_NOERROR);

	assert_int_equal(got->answers, 1);
	assert_int_equal(got->type, WIRE_TXT);
	assert_string_equal(got->text, text);
	return got;
}

/* How often a list has been asked since the story began. */
static inline void
expect_asked(struct story *story, const char *list, unsigned times)
{
	unsigned count = 0;

	for (unsigned i = 0; i < story->asks; i++)
		count += strcmp(story->ask[i].list, list) == 0;
	if (count != times)
		fail_msg("%s was asked %u times", list, count);
}

static inline void
expect_in_flight(struct story *story, unsigned slots)
{
	const struct slots *all = &story->lookup->slots;
	unsigned used = 0, listed = 0;

	for (unsigned i = 0; i < all->count; i++)
		used += all->slot[i].used;
	for (const struct slot *slot = all->oldest; slot != NULL; slot = slot->newer)
		listed++;
	assert_int_equal(used, slots);
	assert_int_equal(listed, slots);
}

/*
 * Every list answers after all; then every client must have got exactly one reply, and no slot
 * be in use. Frees the story.
 */
static inline void
story_ends(struct story *story)
{
	for (unsigned i = 0; i < story->asks; i++)
		if (!story->ask[i].answered)
			story_give(story, &story->ask[i],
			    story_answers(story, story->ask[i].number, "", 60));
	expect_in_flight(story, 0);
	assert_int_equal(lookup_due_ms(story->lookup), INT64_MAX);
	for (unsigned i = 0; i < story->clients; i++)
		if (story->client[i].replies != 1)
			fail_msg("client %u has %u replies", i, story->client[i].replies);
	lookup_close(story->lookup);
	view_close(story->view);
	view_close(story->old_view);
	for (unsigned i = 0; i < story->plans; i++)
		policy_close(story->plan[i].policy);
	exceptions_close(story->exceptions);
	cache_close(story->cache);
	evidence_book_close(story->book);
	free(story);
}

#endif
