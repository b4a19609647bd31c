#include "resolver/lookup.h"

#include "tests/stories/story.h"

#define SUBJECT "192.0.2.1"
#define OTHER "192.0.2.2"
#define THIRD "192.0.2.3"
#define ZONE "bl.example"
#define ACCOUNT "u4711.bl.example"

/* One zone on three lists of which two must agree. */
static struct story *
two_of_three(void)
{
	struct story *story = story_open();

	story_zone(story, ZONE, 2, "a.example b.example c.example");
	return story;
}

/* --- answers ---------------------------------------------------------------------------- */

static void
all_lists_answer(void **state)
{
	struct story *story = two_of_three();
	unsigned client, text;

	(void)state;
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	text = ask_text(story, SUBJECT, ZONE);
	expect_asked(story, "a.example", 1);
	expect_asked(story, "b.example", 1);
	expect_asked(story, "c.example", 1);
	expect_nothing(story, client);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 300);
	expect_nothing(story, client);
	list_says(story, "b.example", SUBJECT, "", 40);
	expect_nothing(story, client);
	list_says(story, "c.example", SUBJECT, "127.0.0.4 127.0.0.9", 50);
	assert_int_equal(expect_listed(story, client, "127.0.0.2")->ttl, 50);
	expect_text(story, text, "192.0.2.1 is listed by a.example, c.example");
	expect_in_flight(story, 0);
	story_ends(story);
}

static void
all_lists_are_clear(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "b.example", SUBJECT, "", 40);
	expect_nothing(story, client);
	list_says(story, "c.example", SUBJECT, "", 20);
	assert_int_equal(expect_clear(story, client)->ttl, 20); /* a alone is not enough */
	expect_in_flight(story, 1);
	list_says(story, "a.example", SUBJECT, "", 20);
	expect_in_flight(story, 0);
	story_ends(story);
}

static void
an_early_decision_does_not_wait_and_the_rest_still_feeds_the_cache(void **state)
{
	struct story *story = two_of_three();
	unsigned client, other, third;

	(void)state;
	story_zone(story, ACCOUNT, 1, "c.example");
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	expect_in_flight(story, 1);
	other = ask(story, SUBJECT, ZONE); /* joins, and is decided at once */
	expect_listed(story, other, "127.0.0.2");
	time_passes(story, 500);
	list_says(story, "c.example", SUBJECT, "127.0.0.2", 60);
	expect_in_flight(story, 0);
	third = ask(story, SUBJECT, ACCOUNT);
	expect_listed(story, third, "127.0.0.2");
	expect_asked(story, "c.example", 1);
	story_ends(story);
}

static void
a_late_answer_reaches_the_cache(void **state)
{
	struct story *story = two_of_three();
	unsigned client, later;

	(void)state;
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "b.example", SUBJECT, "", 60);
	time_passes(story, 1999);
	expect_nothing(story, client);
	time_passes(story, 1);
	assert_in_range(expect_clear(story, client)->ttl, 1, 5);
	expect_in_flight(story, 1);
	assert_int_equal(lookup_due_ms(story->lookup), INT64_MAX);
	time_passes(story, 5000);
	list_says(story, "c.example", SUBJECT, "127.0.0.2", 60);
	expect_in_flight(story, 0);
	later = ask(story, SUBJECT, ZONE);
	expect_listed(story, later, "127.0.0.2");
	expect_asked(story, "c.example", 1);
	story_ends(story);
}

static void
a_doubled_answer_does_no_harm(void **state)
{
	struct story *story = two_of_three();
	struct story_ask *first;
	unsigned client, other;

	(void)state;
	story_begin(story, 2, 8);
	client = ask(story, SUBJECT, ZONE);
	first = story_open_ask(story, "a.example", SUBJECT);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	story_give(story, first, story_answers(story, first->number, "127.0.0.2", 60));
	expect_nothing(story, client);
	expect_in_flight(story, 1);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	list_says(story, "c.example", SUBJECT, "", 60);
	expect_in_flight(story, 0);
	story_give(story, first, story_answers(story, first->number, "127.0.0.2", 60));
	expect_in_flight(story, 0);
	other = ask(story, OTHER, ZONE); /* in the slot that the first one had */
	assert_int_equal(story->ask[3].ticket.slot, first->ticket.slot);
	story_give(story, first, story_answers(story, first->number, "127.0.0.2", 60));
	list_says(story, "b.example", OTHER, "127.0.0.2", 60);
	expect_nothing(story, other); /* what is said of one subject counts for no other */
	list_says(story, "c.example", OTHER, "", 60);
	list_says(story, "a.example", OTHER, "", 60);
	expect_clear(story, other);
	story_ends(story);
}

static void
ttls_count_down_while_a_client_waits(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 30);
	time_passes(story, 1500);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	assert_in_range(expect_listed(story, client, "127.0.0.2")->ttl, 28, 29);
	story_ends(story);
}

static void
evidence_that_expires_while_a_client_waits_still_counts(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 1);
	time_passes(story, 1900);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	assert_int_equal(expect_listed(story, client, "127.0.0.2")->ttl, 1);
	expect_asked(story, "a.example", 1);
	story_ends(story);
}

/* --- missing answers ---------------------------------------------------------------------- */

/* a says listed, b clear, c nothing: open to the end. */
static unsigned
leave_open(struct story *story)
{
	unsigned client = ask(story, SUBJECT, ZONE);

	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "b.example", SUBJECT, "", 60);
	expect_nothing(story, client);
	time_passes(story, 1999);
	expect_nothing(story, client);
	time_passes(story, 1);
	assert_int_equal(story->client[client].replied_ms - story->client[client].asked_ms, 2000);
	return client;
}

static void
a_list_that_is_missing_passes(void **state)
{
	struct story *story = two_of_three();

	(void)state;
	story_begin(story, 8, 8);
	assert_in_range(expect_clear(story, leave_open(story))->ttl, 1, 5);
	story_ends(story);
}

static void
a_list_that_is_missing_defers(void **state)
{
	struct story *story = story_open();

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example c.example")->on_failure = POLICY_DEFER;
	story_begin(story, 8, 8);
	expect_reply(story, leave_open(story), WIRE_SERVFAIL);
	story_ends(story);
}

static void
a_list_that_is_missing_answers_an_address(void **state)
{
	struct story *story = story_open();
	struct policy_zone *zone = story_zone(story, ZONE, 2, "a.example b.example c.example");
	unsigned text;

	(void)state;
	zone->on_failure = POLICY_ANSWER;
	zone->failure_address = 0x7f0000fe;
	story_begin(story, 8, 8);
	assert_in_range(expect_listed(story, leave_open(story), "127.0.0.254")->ttl, 1, 5);
	text = ask_text(story, SUBJECT, ZONE);
	expect_text(story, text, "192.0.2.1 cannot be checked now: no answer from c.example");
	story_ends(story);
}

static void
a_list_that_fails_is_not_waited_for(void **state)
{
	static const enum evidence_said said[] = {
	    EVIDENCE_FAILED, EVIDENCE_MALFORMED, EVIDENCE_FOREIGN, EVIDENCE_DIVERSE, EVIDENCE_DOWN};
	struct story *story = two_of_three();

	(void)state;
	story_begin(story, 8, 8);
	for (unsigned i = 0; i < COUNT(said); i++) {
		unsigned client = ask(story, SUBJECT, ZONE);

		list_fails(story, "a.example", SUBJECT, said[i]);
		list_fails(story, "b.example", SUBJECT, said[i]);
		expect_nothing(story, client);
		list_fails(story, "c.example", SUBJECT, said[i]);
		expect_clear(story, client);
		client = ask(story, SUBJECT, ZONE); /* a failure is remembered for 5 s */
		expect_clear(story, client);
		expect_asked(story, "a.example", i + 1);
		time_passes(story, 5000);
	}
	story_ends(story);
}

static void
an_error_code_leaves_a_list_unknown(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2 127.255.255.254", 60);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_nothing(story, client);
	list_says(story, "c.example", SUBJECT, "127.0.0.1", 60);
	expect_clear(story, client);
	story_ends(story);
}

static void
every_client_gets_its_answer_by_the_deadline(void **state)
{
	struct story *story = two_of_three();
	unsigned early, late;

	(void)state;
	story_policy(story)->deadline_ms = 700;
	story_begin(story, 8, 8);
	early = ask(story, SUBJECT, ZONE);
	time_passes(story, 300);
	late = ask(story, SUBJECT, ZONE);
	time_passes(story, 399);
	expect_nothing(story, early);
	time_passes(story, 1);
	expect_clear(story, early);
	time_passes(story, 299);
	expect_nothing(story, late);
	time_passes(story, 1);
	expect_clear(story, late);
	expect_asked(story, "a.example", 1);
	expect_in_flight(story, 1);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60); /* in time for the next */
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	late = ask(story, SUBJECT, ZONE);
	expect_listed(story, late, "127.0.0.2");
	story_ends(story);
}

static void
each_list_is_given_up_at_its_own_time(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	story_list(story, "a.example")->timeout_ms = 100;
	story_list(story, "b.example")->timeout_ms = 1200;
	story_list(story, "c.example")->timeout_ms = 700;
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	assert_int_equal(lookup_due_ms(story->lookup), story->now_ms + 100);
	time_passes(story, 100);
	assert_int_equal(lookup_due_ms(story->lookup), story->now_ms + 600);
	time_passes(story, 600);
	assert_int_equal(lookup_due_ms(story->lookup), story->now_ms + 500);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60); /* late, but not too late */
	time_passes(story, 499);
	expect_nothing(story, client);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

/* So that the listeners need not hand on what can't be known for the next seconds. */
static void
a_missed_timeout_is_remembered_in_the_cache(void **state)
{
	struct story *story = two_of_three();
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	struct subject subject;

	(void)state;
	story_begin(story, 8, 8);
	leave_open(story);
	assert_true(subject_parse(SUBJECT, &subject));
	cache_find(
	    story->cache, &subject, EVIDENCE_LISTS_MAX, (uint32_t)(story->now_ms / 1000), evidence);
	assert_int_equal(evidence[story_list(story, "c.example")->number].said, EVIDENCE_TIMEOUT);
	assert_int_equal(evidence[story_list(story, "c.example")->number].expires,
	    story->now_ms / 1000 + EVIDENCE_FAILURE_TTL);
	story_ends(story);
}

static void
a_host_may_be_up_for_half_a_year(void **state)
{
	struct story *story = two_of_three();

	(void)state;
	story->now_ms = INT64_C(0x3f0000000);
	story_begin(story, 1, 8);
	leave_open(story);
	time_passes(story, INT64_C(0x100000000)); /* and a list late by seven weeks */
	expect_in_flight(story, 1);
	list_says(story, "c.example", SUBJECT, "", 60);
	time_passes(story, 60000);
	leave_open(story);
	story_ends(story);
}

/* --- answers in the call ------------------------------------------------------------------ */

static void
lists_may_answer_in_the_very_call(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	list_says_at_once(story, "a.example", "127.0.0.2");
	list_says_at_once(story, "b.example", "");
	list_says_at_once(story, "c.example", "127.0.0.2");
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	expect_listed(story, client, "127.0.0.2");
	expect_in_flight(story, 0);
	for (unsigned i = 0; i < story->asks; i++)
		assert_true(story->ask[i].answered);
	client = ask(story, SUBJECT, ZONE);
	expect_listed(story, client, "127.0.0.2");
	assert_int_equal(story->asks, 3);
	story_ends(story);
}

static void
some_lists_may_answer_in_the_very_call(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	list_says_at_once(story, "a.example", "127.0.0.2");
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	expect_nothing(story, client);
	expect_in_flight(story, 1);
	list_says(story, "c.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	list_says_at_once(story, "b.example", "127.0.0.2");
	client = ask(story, OTHER, ZONE); /* decided in the call; c is asked all the same */
	expect_listed(story, client, "127.0.0.2");
	expect_asked(story, "c.example", 2);
	story_ends(story);
}

/* --- many clients ----------------------------------------------------------------------- */

static void
many_clients_ask_each_list_once(void **state)
{
	struct story *story = two_of_three();

	(void)state;
	story_begin(story, 8, 200);
	for (unsigned i = 0; i < 200; i++) {
		ask(story, SUBJECT, ZONE);
		if (i % 50 == 0)
			time_passes(story, 10);
	}
	expect_in_flight(story, 1);
	assert_int_equal(story->asks, 3);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	for (unsigned i = 0; i < 200; i++)
		expect_listed(story, i, "127.0.0.2");
	story_ends(story);
}

static void
each_client_gets_the_type_that_it_asked_for(void **state)
{
	struct story *story = two_of_three();
	unsigned text, address, other;

	(void)state;
	story_begin(story, 8, 8);
	text = ask_text(story, SUBJECT, ZONE);
	address = ask(story, SUBJECT, ZONE);
	other = story_client(story, "1.2.0.192.BL.Example", WIRE_AAAA, false);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, address, "127.0.0.2");
	expect_text(story, text, "192.0.2.1 is listed by a.example, b.example");
	assert_int_equal(expect_reply(story, other, WIRE_NOERROR)->answers, 0);
	story_ends(story);
}

static void
zones_share_the_questions_about_a_subject(void **state)
{
	struct story *story = story_open();
	unsigned zone, account;

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example");
	story_zone(story, ACCOUNT, 1, "b.example c.example");
	story_begin(story, 8, 8);
	zone = ask(story, SUBJECT, ZONE);
	time_passes(story, 100);
	account = ask(story, SUBJECT, ACCOUNT);
	expect_in_flight(story, 1);
	expect_asked(story, "b.example", 1);
	expect_asked(story, "c.example", 1);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, account, "127.0.0.2");
	expect_nothing(story, zone);
	list_says(story, "a.example", SUBJECT, "", 60);
	expect_clear(story, zone);
	story_ends(story);
}

static void
subjects_are_looked_up_side_by_side(void **state)
{
	struct story *story = two_of_three();
	struct chance chance = {1};
	unsigned client[64];

	(void)state;
	story_begin(story, 64, 64);
	for (unsigned i = 0; i < 64; i++) {
		char subject[20];

		(void)snprintf(subject, sizeof subject, "198.51.100.%u", i);
		client[i] = ask(story, subject, ZONE);
	}
	expect_in_flight(story, 64);
	for (unsigned left = story->asks; left > 0; left--) {
		unsigned i = chance_below(&chance, story->asks);

		while (story->ask[i].answered)
			i = (i + 1) % story->asks;
		story_give(story, &story->ask[i],
		    story_answers(story, story->ask[i].number,
			story->ask[i].subject.octet[3] % 2 == 0 ? "127.0.0.2" : "", 60));
	}
	for (unsigned i = 0; i < 64; i++) {
		if (i % 2 == 0)
			expect_listed(story, client[i], "127.0.0.2");
		else
			expect_clear(story, client[i]);
	}
	expect_in_flight(story, 0);
	story_ends(story);
}

/* --- lists that were given up ---------------------------------------------------------- */

static void
a_newcomer_does_not_wait_for_a_list_that_was_just_given_up(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	story_begin(story, 8, 8);
	leave_open(story);
	time_passes(story, 1000);
	client = ask(story, SUBJECT, ZONE);
	expect_clear(story, client);
	expect_asked(story, "c.example", 1);
	expect_in_flight(story, 1);
	story_ends(story);
}

static void
a_later_newcomer_waits_for_it_anew_without_asking_again(void **state)
{
	struct story *story = two_of_three();
	unsigned client, second;

	(void)state;
	story_begin(story, 8, 8);
	leave_open(story);
	time_passes(story, 6000); /* the failure is forgotten */
	client = ask(story, SUBJECT, ZONE);
	expect_nothing(story, client);
	time_passes(story, 1999);
	expect_nothing(story, client);
	time_passes(story, 1);
	expect_clear(story, client);
	time_passes(story, 6000);
	second = ask(story, SUBJECT, ZONE);
	expect_nothing(story, second);
	list_says(story, "c.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, second, "127.0.0.2");
	expect_asked(story, "a.example", 1);
	expect_asked(story, "c.example", 1);
	expect_in_flight(story, 0);
	story_ends(story);
}

static void
evidence_that_expired_in_an_open_slot_is_asked_for_again(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 3);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	time_passes(story, 2999);
	client = ask(story, SUBJECT, ZONE);
	expect_listed(story, client, "127.0.0.2");
	time_passes(story, 1);
	client = ask(story, SUBJECT, ZONE);
	expect_nothing(story, client);
	expect_asked(story, "a.example", 2);
	expect_asked(story, "b.example", 1);
	expect_asked(story, "c.example", 1); /* it was asked, and has not answered */
	list_says(story, "a.example", SUBJECT, "", 60);
	time_passes(story, 3000);
	expect_clear(story, client);
	story_ends(story);
}

/* A newcomer may not take away what an earlier client, in another zone, has been told. */
static void
evidence_that_expired_is_asked_for_again_for_those_who_waited_on_it(void **state)
{
	struct story *story = story_open();
	unsigned client, other;

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example");
	story_zone(story, ACCOUNT, 1, "b.example");
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 1);
	time_passes(story, 1000);
	other = ask(story, SUBJECT, ACCOUNT); /* needs nothing of a */
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, other, "127.0.0.2");
	if (story->client[client].replies == 0) /* a was asked anew */
		list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

/* --- bounds ----------------------------------------------------------------------------- */

static void
when_slots_run_out_the_oldest_goes(void **state)
{
	struct story *story = two_of_three();
	unsigned first, second, third, text;

	(void)state;
	story_policy(story)->zone[0]->on_failure = POLICY_DEFER;
	story_begin(story, 2, 8);
	first = ask(story, SUBJECT, ZONE);
	text = ask_text(story, SUBJECT, ZONE);
	second = ask(story, OTHER, ZONE);
	time_passes(story, 10);
	expect_nothing(story, first);
	third = ask(story, THIRD, ZONE);
	expect_reply(story, first, WIRE_SERVFAIL);
	expect_reply(story, text, WIRE_SERVFAIL);
	expect_nothing(story, second);
	expect_nothing(story, third);
	expect_in_flight(story, 2);
	/* what comes for the one that went reaches the cache, and nobody else */
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_nothing(story, second);
	expect_nothing(story, third);
	list_says(story, "a.example", THIRD, "", 60);
	list_says(story, "b.example", THIRD, "", 60);
	expect_clear(story, third);
	list_says(story, "c.example", THIRD, "", 60);
	first = ask(story, SUBJECT, ZONE);
	expect_listed(story, first, "127.0.0.2");
	expect_nothing(story, second);
	story_ends(story);
}

static void
a_slot_that_only_waits_for_a_late_list_gives_way_too(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	story_begin(story, 1, 8);
	client = leave_open(story);
	expect_clear(story, client);
	client = ask(story, OTHER, ZONE);
	expect_in_flight(story, 1);
	list_says(story, "c.example", SUBJECT, "127.0.0.2", 60); /* its slot is gone */
	expect_nothing(story, client);
	list_says(story, "a.example", OTHER, "", 60);
	list_says(story, "b.example", OTHER, "", 60);
	expect_clear(story, client);
	list_says(story, "c.example", OTHER, "", 60);
	client = ask(story, SUBJECT, ZONE);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

static void
what_is_decided_already_pushes_nobody_out(void **state)
{
	struct story *story = two_of_three();
	unsigned waits, client;

	(void)state;
	story_begin(story, 1, 8);
	client = ask(story, OTHER, ZONE);
	list_says(story, "a.example", OTHER, "127.0.0.2", 60);
	list_says(story, "b.example", OTHER, "127.0.0.2", 60);
	list_says(story, "c.example", OTHER, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	waits = ask(story, SUBJECT, ZONE);
	client = ask(story, OTHER, ZONE);
	expect_listed(story, client, "127.0.0.2");
	client = ask_text(story, OTHER, ZONE);
	expect_text(story, client, "192.0.2.2 is listed by a.example, b.example, c.example");
	expect_nothing(story, waits);
	story_ends(story);
}

static void
a_thousand_subjects_pass_through_two_slots(void **state)
{
	struct story *story = two_of_three();
	char subject[20];

	(void)state;
	story_begin(story, 2, 2);
	for (unsigned i = 0; i < 1000; i++) {
		unsigned client;

		(void)snprintf(subject, sizeof subject, "203.0.%u.%u", i / 256, i % 256);
		client = ask(story, subject, ZONE);
		expect_nothing(story, client);
		if (i > 1)
			expect_clear(story, client - 2);
		time_passes(story, 1);
	}
	time_passes(story, 2000);
	expect_clear(story, 998);
	expect_clear(story, 999);
	story_ends(story);
}

static void
when_waiters_run_out_the_newcomer_is_answered_at_once(void **state)
{
	struct story *story = two_of_three();
	unsigned first, second, third, fourth;

	(void)state;
	story_policy(story)->zone[0]->on_failure = POLICY_DEFER;
	story_begin(story, 8, 2);
	first = ask(story, SUBJECT, ZONE);
	second = ask(story, SUBJECT, ZONE);
	third = ask(story, SUBJECT, ZONE);
	expect_reply(story, third, WIRE_SERVFAIL);
	fourth = ask(story, OTHER, ZONE);
	expect_reply(story, fourth, WIRE_SERVFAIL);
	expect_in_flight(story, 1);
	assert_int_equal(story->asks, 3);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, first, "127.0.0.2");
	expect_listed(story, second, "127.0.0.2");
	fourth = ask(story, OTHER, ZONE); /* there is room again */
	expect_nothing(story, fourth);
	story_ends(story);
}

/* --- families and places ---------------------------------------------------------------- */

static void
an_ipv6_subject_is_looked_up_like_any_other(void **state)
{
	struct story *story = two_of_three();
	unsigned client, text;

	(void)state;
	story_begin(story, 8, 8);
	client = ask(story, "2001:db8::1", ZONE);
	text = ask_text(story, "2001:db8::1", ZONE);
	list_says(story, "a.example", "2001:db8::1", "127.0.0.2", 60);
	list_says(story, "c.example", "2001:db8::1", "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	expect_text(story, text, "2001:db8::1 is listed by a.example, c.example");
	story_ends(story);
}

static void
a_list_is_asked_only_about_its_family(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	story_list(story, "a.example")->families = 1u << SUBJECT_IPV6;
	story_list(story, "b.example")->families = 1u << SUBJECT_IPV4;
	story_list(story, "c.example")->families = 1u << SUBJECT_IPV4;
	story_begin(story, 8, 8);
	client = ask(story, "2001:db8::1", ZONE);
	expect_clear(story, client); /* one list can't reach 2: nobody is asked */
	assert_int_equal(story->asks, 0);
	client = ask(story, SUBJECT, ZONE);
	expect_asked(story, "a.example", 0);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_nothing(story, client);
	list_says(story, "c.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

static void
nobody_is_asked_about_what_needs_no_evidence(void **state)
{
	struct story *story = two_of_three();
	unsigned client;

	(void)state;
	story_begin(story, 8, 8);
	client = ask(story, "127.0.0.2", ZONE);
	expect_listed(story, client, "127.0.0.2");
	client = ask(story, "127.0.0.1", ZONE);
	expect_clear(story, client);
	client = ask(story, "10.1.2.3", ZONE);
	expect_clear(story, client);
	assert_int_equal(story->asks, 0);
	expect_in_flight(story, 0);
	story_ends(story);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_lists_answer),
	    cmocka_unit_test(all_lists_are_clear),
	    cmocka_unit_test(an_early_decision_does_not_wait_and_the_rest_still_feeds_the_cache),
	    cmocka_unit_test(a_late_answer_reaches_the_cache),
	    cmocka_unit_test(a_doubled_answer_does_no_harm),
	    cmocka_unit_test(ttls_count_down_while_a_client_waits),
	    cmocka_unit_test(evidence_that_expires_while_a_client_waits_still_counts),
	    cmocka_unit_test(a_list_that_is_missing_passes),
	    cmocka_unit_test(a_list_that_is_missing_defers),
	    cmocka_unit_test(a_list_that_is_missing_answers_an_address),
	    cmocka_unit_test(a_list_that_fails_is_not_waited_for),
	    cmocka_unit_test(an_error_code_leaves_a_list_unknown),
	    cmocka_unit_test(every_client_gets_its_answer_by_the_deadline),
	    cmocka_unit_test(each_list_is_given_up_at_its_own_time),
	    cmocka_unit_test(a_missed_timeout_is_remembered_in_the_cache),
	    cmocka_unit_test(a_host_may_be_up_for_half_a_year),
	    cmocka_unit_test(lists_may_answer_in_the_very_call),
	    cmocka_unit_test(some_lists_may_answer_in_the_very_call),
	    cmocka_unit_test(many_clients_ask_each_list_once),
	    cmocka_unit_test(each_client_gets_the_type_that_it_asked_for),
	    cmocka_unit_test(zones_share_the_questions_about_a_subject),
	    cmocka_unit_test(subjects_are_looked_up_side_by_side),
	    cmocka_unit_test(a_newcomer_does_not_wait_for_a_list_that_was_just_given_up),
	    cmocka_unit_test(a_later_newcomer_waits_for_it_anew_without_asking_again),
	    cmocka_unit_test(evidence_that_expired_in_an_open_slot_is_asked_for_again),
	    cmocka_unit_test(evidence_that_expired_is_asked_for_again_for_those_who_waited_on_it),
	    cmocka_unit_test(when_slots_run_out_the_oldest_goes),
	    cmocka_unit_test(a_slot_that_only_waits_for_a_late_list_gives_way_too),
	    cmocka_unit_test(what_is_decided_already_pushes_nobody_out),
	    cmocka_unit_test(a_thousand_subjects_pass_through_two_slots),
	    cmocka_unit_test(when_waiters_run_out_the_newcomer_is_answered_at_once),
	    cmocka_unit_test(an_ipv6_subject_is_looked_up_like_any_other),
	    cmocka_unit_test(a_list_is_asked_only_about_its_family),
	    cmocka_unit_test(nobody_is_asked_about_what_needs_no_evidence),
	};

	return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
