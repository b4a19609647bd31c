/*
 * Stories of what changes while subjects are in flight: configuration, exceptions, quarantine.
 */
#include "tests/stories/story.h"

#define SUBJECT "192.0.2.1"
#define OTHER "192.0.2.2"
#define ZONE "bl.example"
#define ACCOUNT "u4711.bl.example"

/* A client that waits on two of three lists, of which a has said listed. */
static struct story *
one_waits(unsigned *client)
{
	struct story *story = story_open();

	story_zone(story, ZONE, 2, "a.example b.example c.example");
	story_begin(story, 8, 8);
	*client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	expect_nothing(story, *client);
	story_new_plan(story);
	return story;
}

/* --- another configuration ---------------------------------------------------------------- */

static void
the_same_configuration_changes_nothing(void **state)
{
	unsigned client;
	struct story *story = one_waits(&client);

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example c.example");
	story_reload(story);
	expect_nothing(story, client);
	assert_int_equal(story->asks, 3);
	list_says(story, "c.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

static void
a_zone_that_is_gone_refuses_its_clients(void **state)
{
	unsigned client, text, other;
	struct story *story = one_waits(&client);

	(void)state;
	text = 1;
	other = 2;
	story->current--; /* more clients of the old plan */
	assert_int_equal(ask_text(story, SUBJECT, ZONE), text);
	assert_int_equal(ask(story, OTHER, ZONE), other);
	story->current++;
	story_zone(story, "other.example", 1, "a.example");
	story_reload(story);
	expect_reply(story, client, WIRE_REFUSED);
	expect_reply(story, text, WIRE_REFUSED);
	expect_reply(story, other, WIRE_REFUSED);
	expect_in_flight(story, 2); /* until the lists have answered */
	story_ends(story);
}

static void
clients_of_a_zone_that_is_gone_make_room_for_others(void **state)
{
	struct story *story = story_open();
	unsigned client;

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example");
	story_begin(story, 8, 2);
	ask(story, SUBJECT, ZONE);
	ask(story, SUBJECT, ZONE);
	client = ask(story, OTHER, ZONE);
	expect_clear(story, client); /* no room: on-failure */
	story_new_plan(story);
	story_zone(story, "other.example", 2, "a.example b.example");
	story_reload(story);
	for (unsigned i = 0; i < 2; i++) {
		client = ask(story, OTHER, "other.example");
		expect_nothing(story, client);
	}
	story_ends(story);
}

static void
a_list_that_is_new_is_asked(void **state)
{
	unsigned client;
	struct story *story = one_waits(&client);

	(void)state;
	time_passes(story, 1000);
	story_zone(story, ZONE, 2, "a.example b.example c.example d.example");
	story_reload(story);
	expect_asked(story, "d.example", 1);
	expect_asked(story, "b.example", 1);
	list_says(story, "b.example", SUBJECT, "", 60);
	list_says(story, "c.example", SUBJECT, "", 60);
	expect_nothing(story, client);
	time_passes(story, 1499);
	expect_nothing(story, client);
	time_passes(story, 1); /* the deadline is that of the question */
	expect_clear(story, client);
	story_ends(story);
}

static void
a_new_list_may_decide_in_the_very_call(void **state)
{
	unsigned client;
	struct story *story = one_waits(&client);

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example c.example d.example");
	list_says_at_once(story, "d.example", "127.0.0.2");
	story_reload(story);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

static void
a_list_that_is_gone_is_not_waited_for(void **state)
{
	unsigned client;
	struct story *story = one_waits(&client);

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example");
	story_reload(story);
	expect_nothing(story, client);
	list_says(story, "b.example", SUBJECT, "", 60);
	expect_clear(story, client);
	expect_in_flight(story, 1);
	list_says(story, "c.example", SUBJECT, "127.0.0.2", 60);
	expect_in_flight(story, 0);
	client = ask(story, SUBJECT, ZONE);
	expect_clear(story, client); /* its answer does not count any more */
	story_ends(story);
}

static void
a_list_that_is_gone_may_run_into_its_timeout(void **state)
{
	unsigned client;
	struct story *story = one_waits(&client);

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example");
	story_reload(story);
	time_passes(story, 1999);
	expect_nothing(story, client);
	time_passes(story, 8000);
	expect_clear(story, client);
	client = ask(story, SUBJECT, ZONE); /* waits for b anew; c is of no concern */
	expect_nothing(story, client);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

static void
a_lower_threshold_decides_at_once(void **state)
{
	unsigned client;
	struct story *story = one_waits(&client);

	(void)state;
	story_zone(story, ZONE, 1, "a.example b.example c.example");
	story_reload(story);
	expect_listed(story, client, "127.0.0.2");
	expect_in_flight(story, 1);
	story_ends(story);
}

static void
a_higher_threshold_decides_at_once(void **state)
{
	unsigned client;
	struct story *story = one_waits(&client);

	(void)state;
	story_zone(story, ZONE, 4, "a.example b.example c.example");
	story_reload(story);
	expect_clear(story, client);
	story_ends(story);
}

static void
another_on_failure_counts_for_those_who_wait(void **state)
{
	unsigned client;
	struct story *story = one_waits(&client);

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example c.example")->on_failure = POLICY_DEFER;
	story_reload(story);
	expect_nothing(story, client);
	time_passes(story, 2000);
	expect_reply(story, client, WIRE_SERVFAIL);
	story_ends(story);
}

/* A question goes to the longest zone of its name, also when that is new. */
static void
a_new_account_takes_over_its_names(void **state)
{
	struct story *story = story_open();
	unsigned client;
	char name[] = "1.2.0.192.u4711.bl.example";

	(void)state;
	story_zone(story, ACCOUNT, 2, "a.example b.example");
	story_begin(story, 8, 8);
	client = story_client(story, name, WIRE_A, false);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	story_new_plan(story);
	story_zone(story, ZONE, 9, "z.example");
	story_zone(story, ACCOUNT, 1, "a.example");
	story_reload(story);
	expect_listed(story, client, "127.0.0.2");
	expect_asked(story, "z.example", 0);
	story_ends(story);
}

/* The name is then one that does not exist in the zone above. */
static void
an_account_that_is_gone_leaves_its_names_to_the_zone_above(void **state)
{
	struct story *story = story_open();
	unsigned client;

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example");
	story_zone(story, ACCOUNT, 2, "a.example b.example");
	story_begin(story, 8, 8);
	client = ask(story, SUBJECT, ACCOUNT);
	story_new_plan(story);
	story_zone(story, ZONE, 2, "a.example b.example");
	story_reload(story);
	expect_clear(story, client);
	story_ends(story);
}

static void
many_subjects_are_taken_over(void **state)
{
	struct story *story = story_open();

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example");
	story_zone(story, "gone.example", 2, "a.example b.example");
	story_begin(story, 64, 200);
	for (unsigned i = 0; i < 128; i++) {
		char subject[20];

		(void)snprintf(subject, sizeof subject, "198.51.100.%u", i % 64);
		ask(story, subject, i % 3 == 0 ? "gone.example" : ZONE);
		if (i < 64 && i % 4 == 0)
			list_says(story, "a.example", subject, "127.0.0.2", 60);
	}
	expect_in_flight(story, 64);
	story_new_plan(story);
	story_zone(story, ZONE, 1, "a.example b.example");
	story_reload(story);
	for (unsigned i = 0; i < 128; i++) {
		if (i % 3 == 0)
			expect_reply(story, i, WIRE_REFUSED);
		else if (i % 64 % 4 == 0)
			expect_listed(story, i, "127.0.0.2");
		else
			expect_nothing(story, i);
	}
	expect_asked(story, "a.example", 64);
	story_ends(story);
}

/* --- exceptions ------------------------------------------------------------------------- */

static void
except(struct story *story, const char *prefix, enum exception_action action, int32_t score)
{
	struct exception_entry entry = {.action = action, .score = score, .until = STORY_WALL + 30};

	assert_true(prefix_parse(prefix, &entry.prefix));
	assert_true(exceptions_apply(story->exceptions, &entry));
}

static struct story *
one_waits_without_a_plan(unsigned *client)
{
	struct story *story = one_waits(client);

	policy_close(story_policy(story));
	story->current--;
	story->plans--;
	return story;
}

static void
a_block_decides_for_those_who_wait(void **state)
{
	unsigned client;
	struct story *story = one_waits_without_a_plan(&client);

	(void)state;
	except(story, "192.0.2.0/24", EXCEPTION_BLOCK, 0);
	story_changed(story);
	assert_int_equal(expect_listed(story, client, "127.0.0.2")->ttl, 30);
	expect_in_flight(story, 1);
	client = ask(story, OTHER, ZONE);
	expect_listed(story, client, "127.0.0.2");
	assert_int_equal(story->asks, 3);
	story_ends(story);
}

static void
an_allow_decides_for_those_who_wait(void **state)
{
	unsigned client;
	struct story *story = one_waits_without_a_plan(&client);

	(void)state;
	except(story, SUBJECT, EXCEPTION_ALLOW, 0);
	story_changed(story);
	expect_clear(story, client);
	story_ends(story);
}

static void
a_score_adds_to_what_the_lists_have_said(void **state)
{
	unsigned client, other;
	struct story *story = one_waits_without_a_plan(&client);

	(void)state;
	except(story, "192.0.2.0/24", EXCEPTION_SCORE, 1);
	story_changed(story);
	expect_listed(story, client, "127.0.0.2");
	other = ask(story, OTHER, ZONE);
	expect_nothing(story, other);
	list_says(story, "c.example", OTHER, "127.0.0.2", 60);
	expect_listed(story, other, "127.0.0.2");
	story_ends(story);
}

static void
an_exception_that_has_ended_counts_no_more(void **state)
{
	unsigned client;
	struct story *story = one_waits_without_a_plan(&client);

	(void)state;
	except(story, OTHER, EXCEPTION_BLOCK, 0);
	story_changed(story);
	lookup_wall(story->lookup, STORY_WALL + 29);
	client = ask(story, OTHER, ZONE);
	expect_listed(story, client, "127.0.0.2");
	lookup_wall(story->lookup, STORY_WALL + 30);
	client = ask(story, OTHER, ZONE);
	expect_nothing(story, client);
	story_ends(story);
}

/* --- quarantine ------------------------------------------------------------------------- */

static void
quarantine(struct story *story, const char *list, bool in)
{
	unsigned number = story_list(story, list)->number;
	uint64_t bit = UINT64_C(1) << number % 64;

	if (in)
		story->quarantined[number / 64] |= bit;
	else
		story->quarantined[number / 64] &= ~bit;
}

static void
a_quarantined_list_is_neither_asked_nor_waited_for(void **state)
{
	unsigned client;
	struct story *story = one_waits_without_a_plan(&client);

	(void)state;
	quarantine(story, "c.example", true);
	story_changed(story);
	expect_nothing(story, client);
	list_says(story, "b.example", SUBJECT, "", 60);
	expect_clear(story, client);
	client = ask(story, OTHER, ZONE);
	expect_asked(story, "c.example", 1);
	list_says(story, "a.example", OTHER, "127.0.0.2", 60);
	list_says(story, "b.example", OTHER, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	story_ends(story);
}

static void
what_a_quarantined_list_has_said_does_not_count(void **state)
{
	unsigned client;
	struct story *story = one_waits_without_a_plan(&client);

	(void)state;
	quarantine(story, "a.example", true);
	story_changed(story);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_nothing(story, client);
	list_says(story, "c.example", SUBJECT, "", 60);
	expect_clear(story, client);
	quarantine(story, "a.example", false);
	story_changed(story);
	client = ask(story, SUBJECT, ZONE);
	expect_listed(story, client, "127.0.0.2"); /* the evidence was there all the time */
	expect_asked(story, "a.example", 1);
	story_ends(story);
}

static void
a_list_that_is_released_is_asked_for_those_who_wait(void **state)
{
	unsigned client;
	struct story *story = one_waits_without_a_plan(&client);
	unsigned other;

	(void)state;
	quarantine(story, "b.example", true);
	story_changed(story);
	other = ask(story, OTHER, ZONE);
	expect_asked(story, "b.example", 1);
	quarantine(story, "b.example", false);
	story_changed(story);
	expect_asked(story, "b.example", 2);
	list_says(story, "b.example", OTHER, "127.0.0.2", 60);
	list_says(story, "a.example", OTHER, "127.0.0.2", 60);
	expect_listed(story, other, "127.0.0.2");
	story_ends(story);
}

/* --- flush -------------------------------------------------------------------------------- */

static void
who_waits_while_evidence_is_dropped_has_the_lists_asked_again(void **state)
{
	unsigned client, late;
	struct story *story = one_waits_without_a_plan(&client);
	struct subject subject, other;

	(void)state;
	assert_true(subject_parse(SUBJECT, &subject) && subject_parse(OTHER, &other));
	lookup_drop(story->lookup, story->now_ms, &other);
	expect_asked(story, "a.example", 1);
	cache_drop(story->cache, &subject);
	lookup_drop(story->lookup, story->now_ms, &subject);
	expect_asked(story, "a.example", 2);
	expect_asked(story, "b.example", 1); /* it has not answered yet */
	late = ask(story, SUBJECT, ZONE);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_nothing(story, client);
	expect_nothing(story, late);
	list_says(story, "a.example", SUBJECT, "", 60);
	list_says(story, "c.example", SUBJECT, "", 60);
	expect_clear(story, client);
	expect_clear(story, late);
	story_ends(story);
}

/* --- clients that want to hear every list ----------------------------------------------------- */

static void
a_client_that_wants_all_waits_for_the_last_list(void **state)
{
	struct story *story = story_open();
	unsigned all, client;

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example c.example");
	story_begin(story, 8, 8);
	all = ask_all(story, SUBJECT, ZONE);
	client = ask(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, client, "127.0.0.2");
	expect_nothing(story, all);
	list_says(story, "c.example", SUBJECT, "127.0.0.2", 60);
	expect_listed(story, all, "127.0.0.2");
	all = ask_all(story, SUBJECT, ZONE); /* all has been said: nothing to wait for */
	expect_listed(story, all, "127.0.0.2");
	assert_int_equal(story->asks, 3);
	story_ends(story);
}

static void
a_client_that_wants_all_has_a_deadline_too(void **state)
{
	struct story *story = story_open();
	unsigned all;

	(void)state;
	story_zone(story, ZONE, 2, "a.example b.example c.example");
	story_policy(story)->deadline_ms = 1000;
	story_begin(story, 8, 8);
	all = ask_all(story, SUBJECT, ZONE);
	list_says(story, "a.example", SUBJECT, "127.0.0.2", 60);
	list_says(story, "b.example", SUBJECT, "127.0.0.2", 60);
	time_passes(story, 999);
	expect_nothing(story, all);
	time_passes(story, 1);
	expect_listed(story, all, "127.0.0.2");
	story_ends(story);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_same_configuration_changes_nothing),
	    cmocka_unit_test(a_zone_that_is_gone_refuses_its_clients),
	    cmocka_unit_test(clients_of_a_zone_that_is_gone_make_room_for_others),
	    cmocka_unit_test(a_list_that_is_new_is_asked),
	    cmocka_unit_test(a_new_list_may_decide_in_the_very_call),
	    cmocka_unit_test(a_list_that_is_gone_is_not_waited_for),
	    cmocka_unit_test(a_list_that_is_gone_may_run_into_its_timeout),
	    cmocka_unit_test(a_lower_threshold_decides_at_once),
	    cmocka_unit_test(a_higher_threshold_decides_at_once),
	    cmocka_unit_test(another_on_failure_counts_for_those_who_wait),
	    cmocka_unit_test(a_new_account_takes_over_its_names),
	    cmocka_unit_test(an_account_that_is_gone_leaves_its_names_to_the_zone_above),
	    cmocka_unit_test(many_subjects_are_taken_over),
	    cmocka_unit_test(a_block_decides_for_those_who_wait),
	    cmocka_unit_test(an_allow_decides_for_those_who_wait),
	    cmocka_unit_test(a_score_adds_to_what_the_lists_have_said),
	    cmocka_unit_test(an_exception_that_has_ended_counts_no_more),
	    cmocka_unit_test(a_quarantined_list_is_neither_asked_nor_waited_for),
	    cmocka_unit_test(what_a_quarantined_list_has_said_does_not_count),
	    cmocka_unit_test(a_list_that_is_released_is_asked_for_those_who_wait),
	    cmocka_unit_test(who_waits_while_evidence_is_dropped_has_the_lists_asked_again),
	    cmocka_unit_test(a_client_that_wants_all_waits_for_the_last_list),
	    cmocka_unit_test(a_client_that_wants_all_has_a_deadline_too),
	};

	return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
