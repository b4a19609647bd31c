/* Lists that fail: what stands in for them, who is asked only if need be, and asking ahead. */
#include "tests/stories/story.h"

#define ZONE "bl.example"
#define SUBJECT "203.0.113.9"
#define MAX_STALE 3600

static struct story *
one_list(void)
{
	struct story *story = story_open();

	story_zone(story, ZONE, 1, "a.example");
	story_policy(story)->max_stale = MAX_STALE;
	return story;
}

/* What the client got came from expired evidence. */
static bool was_stale;

static void
note_stale(struct story *story, unsigned client, const struct question *question,
    const struct verdict *verdict, const struct evidence *evidence)
{
	(void)story;
	(void)client;
	(void)question;
	(void)evidence;
	was_stale = verdict->stale;
}

/* The list says this of the subject, for a minute; then so much time passes. */
static void
said_before(struct story *story, const char *addresses, int64_t ms)
{
	story_begin(story, 8, 8);
	story->on_reply = note_stale;
	(void)ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, addresses, 60);
	assert_false(was_stale);
	time_passes(story, ms);
}

static struct story *
listed_a_minute_ago(void)
{
	struct story *story = one_list();

	said_before(story, "127.0.0.2", 61000);
	return story;
}

static void
what_a_list_said_before_stands_in_when_it_fails(void **state)
{
	static const enum evidence_said said[] = {EVIDENCE_FAILED, EVIDENCE_MALFORMED,
	    EVIDENCE_FOREIGN, EVIDENCE_OVERLOAD, EVIDENCE_DOWN, EVIDENCE_RATE, EVIDENCE_BUDGET};

	(void)state;
	for (unsigned i = 0; i < COUNT(said); i++) {
		struct story *story = listed_a_minute_ago();
		unsigned client = ask(story, SUBJECT, ZONE);

		expect_nothing(story, client);
		list_fails(story, "a.example", SUBJECT, said[i]);
		assert_true(expect_listed(story, client, "127.0.0.2")->ttl <= 5);
		assert_true(was_stale);
		story_ends(story);
	}
}

static void
a_refusal_is_a_failure_too(void **state)
{
	struct story *story = one_list();
	unsigned client;

	(void)state;
	assert_true(policy_list_add_error(
	    story_list(story, "a.example"), &(struct pattern){{{0}}}, "")); /* matches nothing */
	assert_true(policy_list_add_error(story_list(story, "a.example"),
	    (struct pattern[]){make_pattern("127.255.255.255")}, "over quota"));
	said_before(story, "127.0.0.2", 61000);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.255.255.255", 60);
	expect_listed(story, client, "127.0.0.2");
	assert_true(was_stale);
	story_ends(story);
}

static void
it_stands_in_when_the_list_is_silent(void **state)
{
	struct story *story = listed_a_minute_ago();
	unsigned client;

	(void)state;
	client = ask(story, SUBJECT, ZONE);
	time_passes(story, 1999);
	expect_nothing(story, client);
	time_passes(story, 1);
	expect_listed(story, client, "127.0.0.2");
	assert_true(was_stale);
	assert_int_equal(story->late, 1);
	story_ends(story);
}

static void
it_stands_in_at_a_deadline_before_the_timeout(void **state)
{
	struct story *story = one_list();
	unsigned client;

	(void)state;
	story_policy(story)->deadline_ms = 700;
	said_before(story, "127.0.0.2", 61000);
	client = ask(story, SUBJECT, ZONE);
	time_passes(story, 700);
	expect_listed(story, client, "127.0.0.2");
	assert_true(was_stale);
	story_ends(story);
}

static void
not_listed_stands_in_as_well(void **state)
{
	struct story *story = one_list();
	unsigned client;

	(void)state;
	story_policy(story)->zone[0]->on_failure = POLICY_DEFER;
	said_before(story, "", 61000);
	client = ask(story, SUBJECT, ZONE);
	list_fails(story, "a.example", SUBJECT, EVIDENCE_FAILED);
	assert_true(expect_clear(story, client)->ttl <= 5);
	assert_true(was_stale);
	story_ends(story);
}

/* The failure is remembered for 5 s; asking again does not make the old answer younger. */
static void
it_stands_in_until_max_stale_and_no_longer(void **state)
{
	struct story *story = listed_a_minute_ago();
	unsigned client = 0, asked = 1;

	(void)state;
	for (unsigned i = 0; i < MAX_STALE / 5; i++) {
		client = ask(story, SUBJECT, ZONE);
		list_fails(story, "a.example", SUBJECT, EVIDENCE_FAILED);
		expect_listed(story, client, "127.0.0.2");
		expect_asked(story, "a.example", ++asked);
		client = ask(story, SUBJECT, ZONE); /* not asked again so soon */
		expect_listed(story, client, "127.0.0.2");
		expect_asked(story, "a.example", asked);
		time_passes(story, 5000);
	}
	client = ask(story, SUBJECT, ZONE);
	list_fails(story, "a.example", SUBJECT, EVIDENCE_FAILED);
	expect_clear(story, client);
	assert_false(was_stale);
	story_ends(story);
}

static void
a_list_that_is_back_is_believed_at_once(void **state)
{
	struct story *story = listed_a_minute_ago();
	unsigned client = ask(story, SUBJECT, ZONE);

	(void)state;
	list_fails(story, "a.example", SUBJECT, EVIDENCE_FAILED);
	expect_listed(story, client, "127.0.0.2");
	time_passes(story, 5000);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "", 60);
	expect_clear(story, client);
	assert_false(was_stale);
	story_ends(story);
}

static void
a_late_answer_replaces_what_stood_in(void **state)
{
	struct story *story = listed_a_minute_ago();
	unsigned client = ask(story, SUBJECT, ZONE);

	(void)state;
	time_passes(story, 2000);
	expect_listed(story, client, "127.0.0.2");
	list_says(story, "a.example", SUBJECT, "", 60);
	client = ask(story, SUBJECT, ZONE);
	expect_clear(story, client);
	assert_false(was_stale);
	expect_asked(story, "a.example", 2);
	story_ends(story);
}

/* An allow list that is gone must not go on clearing subjects: 15 minutes. */
static void
trust_stands_in_for_a_quarter_of_an_hour_only(void **state)
{
	struct story *story = story_open();
	unsigned client = 0;

	(void)state;
	story_zone(story, ZONE, 1, "a.example*2 w.example*-2");
	story_policy(story)->max_stale = MAX_STALE;
	story_begin(story, 8, 8);
	for (unsigned minutes = 0; minutes <= 16; minutes++) {
		client = ask(story, SUBJECT, ZONE);
		list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
		if (minutes == 0)
			list_says(story, "w.example", SUBJECT, "127.0.0.2", 60);
		else
			list_fails(story, "w.example", SUBJECT, EVIDENCE_FAILED);
		if (minutes <= 15)
			expect_clear(story, client);
		else
			expect_listed(story, client, "127.0.0.2");
		time_passes(story, 60000);
	}
	story_ends(story);
}

static void
without_max_stale_nothing_stands_in(void **state)
{
	struct story *story = one_list();
	unsigned client;

	(void)state;
	story_policy(story)->max_stale = 0;
	said_before(story, "127.0.0.2", 61000);
	client = ask(story, SUBJECT, ZONE);
	list_fails(story, "a.example", SUBJECT, EVIDENCE_FAILED);
	expect_clear(story, client);
	story_ends(story);
}

static void
that_we_had_too_much_to_do_is_not_remembered(void **state)
{
	struct story *story = one_list();
	unsigned client;

	(void)state;
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	list_fails(story, "a.example", SUBJECT, EVIDENCE_OVERLOAD);
	expect_clear(story, client);
	client = ask(story, SUBJECT, ZONE);
	expect_asked(story, "a.example", 2);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

/* --- refresh ---------------------------------------------------------------------------- */

static void
refresh(struct story *story)
{
	static struct packet packet;
	struct question question;
	char name[300];

	story_name(SUBJECT, ZONE, name);
	packet_ask(&packet, 1, 0, name, WIRE_A);
	question_read(&question, packet.byte, packet.length);
	question_place(&question, story_policy(story));
	lookup_refresh(story->lookup, story->now_ms, &question);
}

static void
evidence_in_use_is_asked_for_before_it_expires(void **state)
{
	struct story *story = one_list();
	unsigned client;

	(void)state;
	said_before(story, "127.0.0.2", 40000);
	refresh(story);
	expect_asked(story, "a.example", 1); /* there is time */
	time_passes(story, 15000);
	refresh(story);
	refresh(story);
	expect_asked(story, "a.example", 2);
	list_says(story, "a.example", SUBJECT, "", 60);
	time_passes(story, 10000); /* the first answer would have expired */
	client = ask(story, SUBJECT, ZONE);
	expect_clear(story, client);
	expect_asked(story, "a.example", 2);
	story_ends(story);
}

static void
a_refresh_that_fails_leaves_what_is_known(void **state)
{
	struct story *story = one_list();
	unsigned client;

	(void)state;
	said_before(story, "127.0.0.2", 55000);
	refresh(story);
	list_fails(story, "a.example", SUBJECT, EVIDENCE_FAILED);
	client = ask(story, SUBJECT, ZONE);
	expect_listed(story, client, "127.0.0.2");
	assert_false(was_stale);
	expect_asked(story, "a.example", 2);
	story_ends(story);
}

/* Another zone's client meets the slot of a refresh. */
static void
a_client_that_comes_during_a_refresh_is_answered(void **state)
{
	struct story *story = story_open();
	unsigned client;

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example");
	story_zone(story, "other.example", 3, "a.example b.example c.example");
	story_begin(story, 8, 8);
	(void)ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 3600);
	time_passes(story, 55000);
	refresh(story);
	expect_asked(story, "b.example", 1);
	client = ask(story, SUBJECT, "other.example");
	list_says(story, "c.example", SUBJECT, "127.0.0.2", 60);
	expect_nothing(story, client);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	expect_asked(story, "b.example", 1);
	story_ends(story);
}

static void
a_refresh_pushes_nobody_out(void **state)
{
	struct story *story = one_list();
	unsigned client;

	(void)state;
	story_begin(story, 1, 8);
	(void)ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	time_passes(story, 55000);
	client = ask(story, "203.0.113.10", ZONE);
	refresh(story);
	expect_asked(story, "a.example", 2);
	list_says(story, "a.example", "203.0.113.10", "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

/* --- ask = "undecided" ------------------------------------------------------------------ */

static struct story *
two_and_a_dear_one(void)
{
	struct story *story = story_open();

	story_zone(story, ZONE, 3, "a.example*3 b.example*-2 dear.example*3");
	story_list(story, "dear.example")->ask = POLICY_UNDECIDED;
	story_begin(story, 8, 8);
	return story;
}

/* It is asked, and what it says decides. */
static void
the_dear_one_decides(struct story *story, unsigned client)
{
	expect_asked(story, "dear.example", 1);
	expect_nothing(story, client);
	list_says(story, "dear.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

static void
a_list_is_spared_when_the_others_decide(void **state)
{
	struct story *story = story_open();
	unsigned client;

	(void)state;
	story_zone(story, ZONE, 3, "a.example*3 b.example dear.example*2");
	story_list(story, "dear.example")->ask = POLICY_UNDECIDED;
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "b.example", SUBJECT, "", 60);
	expect_nothing(story, client);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	client = ask(story, "203.0.113.10", ZONE);
	list_says(story, "a.example", "203.0.113.10", "", 60);
	list_says(story, "b.example", "203.0.113.10", "", 60);
	expect_clear(story, client); /* 2 points are not enough */
	expect_asked(story, "dear.example", 0);
	story_ends(story);
}

static void
it_is_asked_when_the_others_leave_it_open(void **state)
{
	struct story *story = two_and_a_dear_one();
	unsigned client;

	(void)state;
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "", 60);
	expect_asked(story, "dear.example", 0);
	list_says(story, "b.example", SUBJECT, "", 60);
	the_dear_one_decides(story, client);
}

static void
it_is_asked_when_the_others_take_half_a_second(void **state)
{
	struct story *story = two_and_a_dear_one();
	unsigned client;

	(void)state;
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "b.example", SUBJECT, "", 60);
	time_passes(story, 499);
	expect_asked(story, "dear.example", 0);
	time_passes(story, 1);
	the_dear_one_decides(story, client);
}

static void
it_is_asked_when_the_others_fail(void **state)
{
	struct story *story = two_and_a_dear_one();
	unsigned client;

	(void)state;
	client = ask(story, SUBJECT, ZONE);
	list_fails(story, "a.example", SUBJECT, EVIDENCE_FAILED);
	list_fails(story, "b.example", SUBJECT, EVIDENCE_FAILED);
	the_dear_one_decides(story, client); /* at the deadline b.example counts as 0 */
}

static void
it_is_asked_anew_while_the_others_leave_it_open(void **state)
{
	struct story *story = two_and_a_dear_one();

	(void)state;
	(void)ask(story, SUBJECT, ZONE);
	list_says(story, "b.example", SUBJECT, "", 3600);
	time_passes(story, 500);
	list_says(story, "dear.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "a.example", SUBJECT, "", 3600);
	time_passes(story, 55000);
	refresh(story);
	expect_asked(story, "dear.example", 2);
	story_ends(story);
}

static void
it_is_not_asked_anew_once_the_others_decide(void **state)
{
	struct story *story = two_and_a_dear_one();

	(void)state;
	(void)ask(story, SUBJECT, ZONE);
	time_passes(story, 500);
	list_says(story, "dear.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "b.example", SUBJECT, "", 3600);
	time_passes(story, 55000);
	refresh(story);
	expect_asked(story, "a.example", 2);
	expect_asked(story, "dear.example", 1);
	story_ends(story);
}

static void
it_may_answer_in_the_very_call(void **state)
{
	struct story *story = two_and_a_dear_one();
	unsigned client;

	(void)state;
	list_says_at_once(story, "a.example", "");
	list_says_at_once(story, "b.example", "");
	list_says_at_once(story, "dear.example", "127.0.0.2");
	client = ask(story, SUBJECT, ZONE);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_a_list_said_before_stands_in_when_it_fails),
	    cmocka_unit_test(a_refusal_is_a_failure_too),
	    cmocka_unit_test(it_stands_in_when_the_list_is_silent),
	    cmocka_unit_test(it_stands_in_at_a_deadline_before_the_timeout),
	    cmocka_unit_test(not_listed_stands_in_as_well),
	    cmocka_unit_test(it_stands_in_until_max_stale_and_no_longer),
	    cmocka_unit_test(a_list_that_is_back_is_believed_at_once),
	    cmocka_unit_test(a_late_answer_replaces_what_stood_in),
	    cmocka_unit_test(trust_stands_in_for_a_quarter_of_an_hour_only),
	    cmocka_unit_test(without_max_stale_nothing_stands_in),
	    cmocka_unit_test(that_we_had_too_much_to_do_is_not_remembered),
	    cmocka_unit_test(evidence_in_use_is_asked_for_before_it_expires),
	    cmocka_unit_test(a_refresh_that_fails_leaves_what_is_known),
	    cmocka_unit_test(a_client_that_comes_during_a_refresh_is_answered),
	    cmocka_unit_test(a_refresh_pushes_nobody_out),
	    cmocka_unit_test(a_list_is_spared_when_the_others_decide),
	    cmocka_unit_test(it_is_asked_when_the_others_leave_it_open),
	    cmocka_unit_test(it_is_asked_when_the_others_take_half_a_second),
	    cmocka_unit_test(it_is_asked_when_the_others_fail),
	    cmocka_unit_test(it_is_asked_anew_while_the_others_leave_it_open),
	    cmocka_unit_test(it_is_not_asked_anew_once_the_others_decide),
	    cmocka_unit_test(it_may_answer_in_the_very_call),
	};

	return cmocka_run_group_tests_name("failing lists", tests, NULL, NULL);
}
