/*
 * Random stories, and what must hold in all of them: each client gets exactly one reply, by its
 * deadline, that follows from what the lists have said; nobody waits for what is decided; no list
 * is asked twice at a time about one subject; no slot is left over.
 */
#include "tests/stories/story.h"

#define SUBJECTS 6
#define LISTS 7
#define HISTORY 32
#define DEADLINE_MS 2500

static const char *const subjects[SUBJECTS] = {
    "192.0.2.1", "192.0.2.2", "198.51.100.7", "2001:db8::1", "2001:db8::2", "203.0.113.255"};
static const char *const zones[] = {
    "bl.example", "u1.bl.example", "defer.example", "wl.example", "answer.example"};

/* What one client asked. */
struct asked {
	unsigned subject;
	const char *zone;
	bool wants_all;
};

/* What one list has said of one subject lately. */
struct said {
	struct evidence evidence[HISTORY];
	unsigned next;
};

static struct chance chance;
static struct asked asked[STORY_CLIENTS];
static struct said said[SUBJECTS][EVIDENCE_LISTS_MAX];
static struct subject parsed[SUBJECTS];
static bool ample; /* slots and waiters never run out */

static unsigned
below(unsigned limit)
{
	return chance_below(&chance, limit);
}

static unsigned
index_of(const struct subject *subject)
{
	unsigned i = 0;

	while (!subject_equal(&parsed[i], subject)) {
		i++;
		assert_true(i < SUBJECTS);
	}
	return i;
}

static struct view_time
time_of(const struct story *story)
{
	return (struct view_time){.now = (uint32_t)(story->now_ms / 1000), .wall = STORY_WALL};
}

/* --- what must hold ----------------------------------------------------------------------- */

static void
judge_anew(const struct story *story, const struct policy_zone *zone, const struct subject *subject,
    const struct evidence *evidence, struct verdict *verdict)
{
	struct exception exception;
	bool score;

	if (!view_decides(story->view, zone, subject, time_of(story), &exception, &score, verdict))
		view_weigh(story->view, zone, subject, score ? &exception : NULL, story->book,
		    evidence, time_of(story), verdict);
}

/* Has the list really said this of the subject, or missed its timeout? */
static bool
is_true(const struct evidence *evidence, unsigned subject, unsigned number)
{
	const struct said *by = &said[subject][number];

	if (evidence->said == EVIDENCE_NONE || evidence->said == EVIDENCE_TIMEOUT)
		return true;
	for (unsigned i = 0; i < HISTORY; i++)
		if (by->evidence[i].said == evidence->said &&
		    by->evidence[i].expires == evidence->expires)
			return true;
	return false;
}

static void
check_verdict(const struct story *story, unsigned client, const struct policy_zone *zone,
    const struct verdict *verdict, const struct evidence *evidence)
{
	const struct subject *subject = &parsed[asked[client].subject];
	bool at_deadline = story->now_ms >= story->client[client].asked_ms + DEADLINE_MS;
	struct verdict want;

	for (size_t i = 0; i < zone->lists; i++) {
		unsigned number = zone->list[i].list->number;

		assert_true(is_true(&evidence[number], asked[client].subject, number));
	}
	judge_anew(story, zone, subject, evidence, &want);
	if (ample && !at_deadline && (want.state == VERDICT_OPEN || asked[client].wants_all))
		assert_true(view_has_all(story->view, zone, subject, evidence));
	verdict_close(zone, &want);
	assert_int_equal(verdict->state, want.state);
	assert_int_equal(verdict->score, want.score);
	assert_int_equal(verdict->address, want.address);
	assert_int_equal(verdict->ttl, want.ttl);
}

static void
check_reply(struct story *story, unsigned client, const struct question *question,
    const struct verdict *verdict, const struct evidence *evidence)
{
	assert_int_equal(story->client[client].replies, 0);
	assert_true(story->now_ms <= story->client[client].asked_ms + DEADLINE_MS);
	if (question->about == QUESTION_SUBJECT) {
		assert_true(subject_equal(&question->subject, &parsed[asked[client].subject]));
		assert_string_equal(question->zone->name, asked[client].zone);
		check_verdict(story, client, question->zone, verdict, evidence);
	}
}

static void
check_ask(struct story *story, const struct policy_list *list, const struct subject *subject,
    struct ticket ticket)
{
	assert_true(view_asks(story->view, list, subject));
	for (unsigned i = 0; i < story->asks; i++) {
		const struct story_ask *ask = &story->ask[i];

		if (ask->answered || ask->number != list->number ||
		    !subject_equal(&ask->subject, subject))
			continue;
		assert_false(ample);
		assert_true(
		    ask->ticket.slot != ticket.slot || ask->ticket.generation != ticket.generation);
	}
}

static void
remember(struct story *story, const struct story_ask *ask)
{
	struct said *by = &said[index_of(&ask->subject)][ask->number];

	(void)story;
	by->evidence[by->next++ % HISTORY] = ask->evidence;
}

/* Nobody waits in a zone that is gone, or for a verdict that the cache could give. */
static void
check_waiting(struct story *story)
{
	for (unsigned i = 0; i < story->clients; i++) {
		struct evidence evidence[EVIDENCE_LISTS_MAX] = {{0}};
		const struct subject *subject = &parsed[asked[i].subject];
		const struct policy_zone *zone;
		struct verdict verdict;

		if (story->client[i].replies > 0)
			continue;
		assert_true(story->now_ms < story->client[i].asked_ms + DEADLINE_MS);
		zone = policy_zone_find(story_policy(story), asked[i].zone);
		assert_non_null(zone);
		cache_find(story->cache, subject, evidence_list_count(story->book),
		    time_of(story).now, evidence);
		judge_anew(story, zone, subject, evidence, &verdict);
		if (ample && !asked[i].wants_all)
			assert_int_equal(verdict.state, VERDICT_OPEN);
	}
	assert_true(lookup_due_ms(story->lookup) >= story->now_ms);
}

/* --- steps ------------------------------------------------------------------------------ */

static void
someone_asks(struct story *story)
{
	unsigned subject = below(SUBJECTS);
	const struct policy *policy = story_policy(story);
	struct asked *by = &asked[story->clients];
	char name[300];

	by->subject = subject;
	by->zone = policy->zone[below((unsigned)policy->zones)]->name;
	by->wants_all = below(8) == 0;
	story_name(subjects[subject], by->zone, name);
	story_client(story, name, below(2) == 0 ? WIRE_A : WIRE_TXT, by->wants_all);
}

static struct evidence
any_evidence(struct story *story, unsigned number)
{
	static const char *const answers[] = {"", "", "127.0.0.2", "127.0.0.2", "127.0.0.3",
	    "127.0.0.2 127.0.0.3", "127.0.0.1", "127.0.0.2 127.255.255.254"};
	static const uint32_t ttl[] = {1, 2, 5, 9, 60};
	unsigned kind = below(COUNT(answers) + 2);

	if (kind < COUNT(answers))
		return story_answers(story, number, answers[kind], ttl[below(COUNT(ttl))]);
	return (struct evidence){.said = kind % 2 == 0 ? EVIDENCE_FAILED : EVIDENCE_FOREIGN,
	    .expires = (uint32_t)(story->now_ms / 1000) + EVIDENCE_FAILURE_TTL};
}

static void
some_list_answers(struct story *story)
{
	unsigned i = story->asks == 0 ? 0 : below(story->asks);

	for (unsigned n = 0; n < story->asks; n++, i = (i + 1) % story->asks)
		if (!story->ask[i].answered) {
			story_give(
			    story, &story->ask[i], any_evidence(story, story->ask[i].number));
			return;
		}
}

/* The same once more, with the ticket of then. */
static void
some_list_repeats_itself(struct story *story)
{
	struct story_ask *ask;

	if (story->asks == 0)
		return;
	ask = &story->ask[story->asks - 1 - below(story->asks < 20 ? story->asks : 20)];
	if (ask->answered && ask->evidence.expires > story->now_ms / 1000)
		story_give(story, ask, ask->evidence);
}

static void
a_list_gets_or_loses_speed(struct story *story)
{
	static const char *const lists[] = {"a.example", "b.example", "white.example"};

	if (story->script[0].used)
		story->script[0].used = false;
	else
		list_says_at_once(
		    story, lists[below(COUNT(lists))], below(2) == 0 ? "" : "127.0.0.2");
}

static void
someone_reloads(struct story *story)
{
	story->current = 1 - story->current;
	story_changed(story);
}

static void
an_exception_changes(struct story *story)
{
	static const char *const scopes[] = {"", "", "bl.example", "u1.bl.example"};
	struct exception_entry entry = {.action = (enum exception_action)below(4)};

	if (below(2) == 0)
		entry.action = EXCEPTION_FORGET;
	entry.score = chance_from(&chance, -3, 3);
	(void)snprintf(entry.zone, sizeof entry.zone, "%s", scopes[below(COUNT(scopes))]);
	assert_true(prefix_parse(subjects[below(SUBJECTS)], &entry.prefix));
	assert_true(exceptions_apply(story->exceptions, &entry));
	story_changed(story);
}

static void
quarantine_changes(struct story *story)
{
	unsigned number = below(LISTS);

	story->quarantined[0] ^= UINT64_C(1) << number;
	story_changed(story);
}

static const struct {
	void (*step)(struct story *story);
	unsigned share; /* of 100 */
} steps[] = {
    {someone_asks, 35},
    {some_list_answers, 30},
    {some_list_repeats_itself, 3},
    {a_list_gets_or_loses_speed, 1},
    {someone_reloads, 2},
    {an_exception_changes, 2},
    {quarantine_changes, 1},
};

static void
step(struct story *story)
{
	unsigned pick = below(100), i = 0;

	while (i < COUNT(steps) && pick >= steps[i].share)
		pick -= steps[i++].share;
	if (i < COUNT(steps))
		steps[i].step(story);
	else
		time_passes(story, below(10) == 0 ? below(9000) : below(400));
}

/* --- the stories ------------------------------------------------------------------------ */

/* Two plans to go between: zones, weights, lists and timeouts differ. */
static void
make_plans(struct story *story)
{
	struct policy_zone *zone;

	story_zone(story, zones[0], 2, "a.example b.example*2 c.example white.example*-1");
	story_zone(story, zones[1], 1, "a.example=127.0.0.3 d.example");
	story_zone(story, zones[2], 3, "a.example*2 b.example c.example*2")->on_failure =
	    POLICY_DEFER;
	zone = story_zone(story, zones[4], 1, "d.example b.example");
	zone->on_failure = POLICY_ANSWER;
	zone->failure_address = 0x7f0000fe;
	story_list(story, "c.example")->families = 1u << SUBJECT_IPV6;
	story_list(story, "d.example")->timeout_ms = 700;
	assert_true(compile_policy(story_policy(story), story->book));
	story_new_plan(story);
	zone = story_zone(story, zones[0], 1, "a.example e.example*2 white.example*-2");
	make_grade(zone, 3, 0x7f000004);
	story_zone(story, zones[2], 2, "b.example c.example a.example f.example");
	zone = story_zone(story, zones[3], 1, "white.example=127.0.0.3*2 f.example*-1");
	zone->kind = POLICY_ALLOW;
	story_list(story, "e.example")->timeout_ms = 3500; /* later than any deadline */
}

static void
tell(uint64_t seed, unsigned slots, unsigned waiters, unsigned length)
{
	struct story *story = story_open();

	chance.state = seed;
	memset(said, 0, sizeof said);
	ample = slots >= SUBJECTS && waiters >= length;
	make_plans(story);
	story_begin(story, slots, waiters);
	story->on_reply = check_reply;
	story->on_ask = check_ask;
	story->on_give = remember;
	for (unsigned i = 0; i < length; i++) {
		step(story);
		check_waiting(story);
	}
	story->script[0].used = false;
	story_ends(story);
}

static int
parse_subjects(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SUBJECTS; i++)
		if (!subject_parse(subjects[i], &parsed[i]))
			return -1;
	return 0;
}

static void
with_room_for_all(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++)
		tell(seed, SUBJECTS, 2000, 1500);
}

static void
with_few_slots(void **state)
{
	(void)state;
	for (uint64_t seed = 101; seed <= 120; seed++)
		tell(seed, 2, 2000, 1500);
	for (uint64_t seed = 121; seed <= 130; seed++)
		tell(seed, 1, 2000, 1500);
}

static void
with_few_waiters(void **state)
{
	(void)state;
	for (uint64_t seed = 201; seed <= 220; seed++)
		tell(seed, SUBJECTS, 3, 1500);
	for (uint64_t seed = 221; seed <= 230; seed++)
		tell(seed, 2, 1, 1500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(with_room_for_all),
	    cmocka_unit_test(with_few_slots),
	    cmocka_unit_test(with_few_waiters),
	};

	return cmocka_run_group_tests_name("chance", tests, parse_subjects, NULL);
}
