#include "aggregate/view.h"

#include <stdlib.h>

#include "aggregate/compile.h"
#include "tests/unit/excepting.h"
#include "tests/unit/zone.h"

#define NOW 1000u
#define WALL 2000000u
#define LISTED UINT32_C(0x7f000002)

/* Zones: bl (a*3, b*2; 3), u1.bl (the same; 5), wl (kind allow, a; 1). */
static struct config config;
static struct evidence_book *book;
static struct exceptions *table;
static struct evidence evidence[EVIDENCE_LISTS_MAX];
static uint64_t quarantined[VIEW_BITS];
static struct view *view;

static struct policy_zone *
add_zone(const char *name, int32_t threshold, const char *first, const char *second)
{
	struct policy_zone *zone = make_zone(config.policy, name);

	zone->threshold = threshold;
	make_grade(zone, threshold, LISTED);
	make_site(config.policy, zone, first);
	if (second != NULL)
		make_site(config.policy, zone, second);
	return zone;
}

static int
open_all(void **state)
{
	(void)state;
	memset(&config, 0, sizeof config);
	memset(evidence, 0, sizeof evidence);
	memset(quarantined, 0, sizeof quarantined);
	config.policy = policy_open();
	book = evidence_book_open();
	table = exceptions_open();
	add_zone("bl.example", 3, "a.example*3", "b.example*2");
	add_zone("u1.bl.example", 5, "a.example*3", "b.example*2");
	add_zone("wl.example", 1, "a.example", NULL)->kind = POLICY_ALLOW;
	add_zone("u1.wl.example", 1, "a.example", NULL)->kind = POLICY_ALLOW;
	policy_list_find(config.policy, "b.example")->families = 1u << SUBJECT_IPV4;
	return compile_policy(config.policy, book) ? 0 : -1;
}

static int
close_all(void **state)
{
	(void)state;
	view_close(view);
	view = NULL;
	exceptions_close(table);
	policy_close(config.policy);
	evidence_book_close(book);
	return 0;
}

static void
except(const char *zone, const char *prefix, enum exception_action action, int32_t score,
    uint32_t until)
{
	struct exception_entry entry = make_entry(zone, prefix, action, score, until);

	assert_true(exceptions_apply(table, &entry));
}

/* A view of all that is said up to now. */
static void
look(void)
{
	view_close(view);
	view = view_open(&config, table, quarantined);
	assert_non_null(view);
}

static const struct policy_zone *
zone_of(const char *name)
{
	const struct policy_zone *zone = policy_zone_find(config.policy, name);

	assert_non_null(zone);
	return zone;
}

static unsigned
number_of(const char *list)
{
	return policy_list_find(config.policy, list)->number;
}

static void
say(const char *list, const char *answers)
{
	struct answers set = make_answers(answers);
	unsigned number = number_of(list);

	evidence[number].said =
	    set.count == 0 ? (uint16_t)EVIDENCE_CLEAR : evidence_intern(book, number, &set);
	evidence[number].expires = NOW + 600;
}

static bool
decides_at(
    const char *zone, const char *string, uint32_t wall, struct verdict *verdict, int32_t *score)
{
	struct subject subject = make_subject(string);
	struct view_time time = {.now = NOW, .wall = wall};
	struct exception exception;
	bool scored = true, decided = view_decides(
				view, zone_of(zone), &subject, time, &exception, &scored, verdict);

	*score = !decided && scored ? exception.score : 0;
	return decided;
}

static void
expect_decided(const char *zone, const char *string, enum verdict_state wanted)
{
	struct verdict verdict;
	int32_t score;

	if (!decides_at(zone, string, WALL, &verdict, &score))
		fail_msg("%s in %s: not decided", string, zone);
	if (verdict.state != wanted)
		fail_msg("%s in %s: %s", string, zone, verdict_word(verdict.state));
}

static void
expect_left_to_the_lists(const char *zone, const char *string, int32_t wanted)
{
	struct verdict verdict;
	int32_t score;

	if (decides_at(zone, string, WALL, &verdict, &score))
		fail_msg("%s in %s: %s", string, zone, verdict_word(verdict.state));
	assert_int_equal(score, wanted);
}

static struct verdict
weigh(const char *zone, const char *string, const struct exception *score)
{
	struct subject subject = make_subject(string);
	struct view_time time = {.now = NOW, .wall = WALL};
	struct verdict verdict;

	view_weigh(view, zone_of(zone), &subject, score, book, evidence, time, &verdict);
	return verdict;
}

static void
without_exceptions_only_places_are_decided(void **state)
{
	(void)state;
	look();
	expect_decided("bl.example", "127.0.0.2", VERDICT_LISTED);
	expect_decided("bl.example", "::ffff:127.0.0.2", VERDICT_LISTED);
	expect_decided("wl.example", "127.0.0.2", VERDICT_LISTED);
	expect_decided("bl.example", "127.0.0.1", VERDICT_CLEAR);
	expect_decided("bl.example", "10.0.0.1", VERDICT_CLEAR);
	expect_decided("bl.example", "fe80::1", VERDICT_CLEAR);
	expect_left_to_the_lists("bl.example", "198.51.100.1", 0);
	expect_left_to_the_lists("bl.example", "2001:db9::1", 0);
}

static void
test_points_come_before_exceptions(void **state)
{
	static const char *const zones[] = {"bl.example", "u1.bl.example", "wl.example"};

	(void)state;
	for (unsigned action = EXCEPTION_ALLOW; action <= EXCEPTION_SCORE; action++) {
		except("", "0.0.0.0/0", (enum exception_action)action, -9, 0);
		except("bl.example", "127.0.0.1", (enum exception_action)action, 9, 0);
		except("wl.example", "127.0.0.2", (enum exception_action)action, -9, 0);
		look();
		for (size_t i = 0; i < COUNT(zones); i++) {
			expect_decided(zones[i], "127.0.0.2", VERDICT_LISTED);
			expect_decided(zones[i], "127.0.0.1", VERDICT_CLEAR);
		}
	}
}

static void
exceptions_come_before_special_addresses(void **state)
{
	struct verdict verdict;
	int32_t score;

	(void)state;
	except("", "10.0.0.0/8", EXCEPTION_BLOCK, 0, 0);
	except("", "fe80::/16", EXCEPTION_BLOCK, 0, 0);
	look();
	expect_decided("bl.example", "10.1.2.3", VERDICT_LISTED);
	expect_decided("bl.example", "fe80::1", VERDICT_LISTED);
	expect_decided("bl.example", "192.168.0.1", VERDICT_CLEAR);
	assert_true(decides_at("bl.example", "10.1.2.3", WALL, &verdict, &score));
	assert_true(verdict.excepted && verdict.place == SUBJECT_ORDINARY);
	assert_true(decides_at("bl.example", "192.168.0.1", WALL, &verdict, &score));
	assert_true(!verdict.excepted && verdict.place == SUBJECT_SPECIAL);
}

static void
a_score_of_other_zones_is_no_trust(void **state)
{
	(void)state;
	except("", "198.51.100.0/24", EXCEPTION_SCORE, 9, 0);
	except("wl.example", "198.51.100.2", EXCEPTION_SCORE, 3, 0);
	look();
	expect_left_to_the_lists("bl.example", "198.51.100.1", 9);
	expect_left_to_the_lists("wl.example", "198.51.100.1", 0);
	expect_left_to_the_lists("wl.example", "198.51.100.2", 3);
	expect_left_to_the_lists("u1.wl.example", "198.51.100.1", 0);
	expect_left_to_the_lists("u1.wl.example", "198.51.100.2", 3);
}

static void
a_score_does_not_lift_a_special_address(void **state)
{
	(void)state;
	except("", "10.0.0.0/8", EXCEPTION_SCORE, 9, 0);
	look();
	expect_decided("bl.example", "10.1.2.3", VERDICT_CLEAR);
}

static void
an_exception_comes_before_the_evidence(void **state)
{
	(void)state;
	except("", "198.51.100.1", EXCEPTION_ALLOW, 0, 0);
	except("", "198.51.100.2", EXCEPTION_BLOCK, 0, 0);
	look();
	expect_decided("bl.example", "198.51.100.1", VERDICT_CLEAR);
	expect_decided("bl.example", "198.51.100.2", VERDICT_LISTED);
	expect_decided("wl.example", "198.51.100.1", VERDICT_LISTED);
	expect_decided("wl.example", "198.51.100.2", VERDICT_CLEAR);
	expect_left_to_the_lists("bl.example", "198.51.100.3", 0);
}

static void
the_exceptions_of_the_zones_above_count_in_an_account(void **state)
{
	(void)state;
	except("", "198.51.100.1", EXCEPTION_BLOCK, 0, 0);
	except("bl.example", "198.51.100.0/24", EXCEPTION_ALLOW, 0, 0);
	look();
	expect_decided("bl.example", "198.51.100.1", VERDICT_CLEAR);
	expect_decided("u1.bl.example", "198.51.100.1", VERDICT_CLEAR);
	expect_decided("wl.example", "198.51.100.1", VERDICT_CLEAR); /* a block: not trusted */
	except("u1.bl.example", "198.0.0.0/8", EXCEPTION_BLOCK, 0, 0);
	look();
	expect_decided("u1.bl.example", "198.51.100.1", VERDICT_LISTED);
	expect_decided("bl.example", "198.51.100.1", VERDICT_CLEAR);
	/* of a zone that nobody configured, or of the account next door */
	except("example", "203.0.113.1", EXCEPTION_BLOCK, 0, 0);
	except("u2.bl.example", "203.0.113.1", EXCEPTION_BLOCK, 0, 0);
	look();
	expect_left_to_the_lists("u1.bl.example", "203.0.113.1", 0);
}

static void
an_exception_ends_by_the_clock_on_the_wall(void **state)
{
	struct verdict verdict;
	int32_t score;

	(void)state;
	except("", "198.51.100.1", EXCEPTION_BLOCK, 0, WALL + 10);
	look();
	assert_true(decides_at("bl.example", "198.51.100.1", WALL, &verdict, &score));
	assert_int_equal(verdict.ttl, 10);
	assert_true(decides_at("bl.example", "198.51.100.1", WALL + 9, &verdict, &score));
	assert_int_equal(verdict.ttl, 1);
	assert_false(decides_at("bl.example", "198.51.100.1", WALL + 10, &verdict, &score));
}

static void
a_score_is_added_to_what_the_lists_say(void **state)
{
	struct exception exception = {.action = EXCEPTION_SCORE, .score = -1, .zone = ""};

	(void)state;
	except("", "198.51.100.1", EXCEPTION_SCORE, -1, 0);
	look();
	expect_left_to_the_lists("bl.example", "198.51.100.1", -1);
	say("a.example", "127.0.0.2");
	say("b.example", "");
	assert_int_equal(weigh("bl.example", "198.51.100.1", NULL).state, VERDICT_LISTED);
	assert_int_equal(weigh("bl.example", "198.51.100.1", &exception).state, VERDICT_CLEAR);
	assert_int_equal(weigh("bl.example", "198.51.100.1", &exception).score, 2);
	exception.score = 2;
	assert_int_equal(weigh("u1.bl.example", "198.51.100.1", &exception).state, VERDICT_LISTED);
}

static void
a_quarantined_list_counts_as_absent_and_is_not_asked(void **state)
{
	const struct policy_list *a = policy_list_find(config.policy, "a.example");
	struct subject subject = make_subject("198.51.100.1");
	struct verdict verdict;

	(void)state;
	say("a.example", "127.0.0.2");
	say("b.example", "127.0.0.2");
	look();
	assert_int_equal(weigh("u1.bl.example", "198.51.100.1", NULL).score, 5);
	assert_true(view_asks(view, a, &subject));
	bits_set(quarantined, a->number);
	look();
	verdict = weigh("u1.bl.example", "198.51.100.1", NULL);
	assert_int_equal(verdict.state, VERDICT_CLEAR);
	assert_int_equal(verdict.score, 2);
	assert_int_equal(verdict.low, 2);
	assert_int_equal(verdict.high, 2);
	assert_false(view_asks(view, a, &subject));
	/* nothing known of it: still no unknown */
	evidence[a->number].said = EVIDENCE_NONE;
	assert_int_equal(weigh("u1.bl.example", "198.51.100.1", NULL).state, VERDICT_CLEAR);
	assert_true(view_has_all(view, zone_of("u1.bl.example"), &subject, evidence));
	bits_clear(quarantined, a->number);
	look();
	assert_int_equal(weigh("u1.bl.example", "198.51.100.1", NULL).state, VERDICT_OPEN);
	assert_false(view_has_all(view, zone_of("u1.bl.example"), &subject, evidence));
}

static void
a_view_keeps_the_quarantine_that_it_was_built_with(void **state)
{
	struct subject subject = make_subject("198.51.100.1");

	(void)state;
	look();
	bits_set(quarantined, number_of("a.example"));
	assert_true(view_asks(view, policy_list_find(config.policy, "a.example"), &subject));
}

static void
a_list_is_asked_for_its_families_only(void **state)
{
	struct subject v4 = make_subject("198.51.100.1"), v6 = make_subject("2001:db9::1");
	const struct policy_list *b = policy_list_find(config.policy, "b.example");

	(void)state;
	look();
	assert_true(view_asks(view, b, &v4));
	assert_false(view_asks(view, b, &v6));
	assert_false(view_has_all(view, zone_of("bl.example"), &v6, evidence));
	say("a.example", "");
	assert_true(view_has_all(view, zone_of("bl.example"), &v6, evidence));
	assert_false(view_has_all(view, zone_of("bl.example"), &v4, evidence));
	evidence[b->number].said = EVIDENCE_TIMEOUT;
	assert_true(view_has_all(view, zone_of("bl.example"), &v4, evidence));
}

static void
a_new_view_beside_the_old_one_changes_nothing_in_it(void **state)
{
	struct exceptions *copy;
	struct view *newer;
	struct subject subject = make_subject("198.51.100.1");
	struct view_time time = {.now = NOW, .wall = WALL};
	struct exception exception;
	struct exception_entry entry = make_entry("", "198.51.100.1", EXCEPTION_BLOCK, 0, 0);
	struct verdict verdict;
	bool score;

	(void)state;
	look();
	copy = exceptions_copy(table);
	assert_true(exceptions_apply(copy, &entry));
	newer = view_open(&config, copy, quarantined);
	expect_left_to_the_lists("bl.example", "198.51.100.1", 0);
	assert_true(view_decides(
	    newer, zone_of("bl.example"), &subject, time, &exception, &score, &verdict));
	view_close(newer);
	exceptions_close(copy);
	expect_left_to_the_lists("bl.example", "198.51.100.1", 0);
	view_close(NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
	const struct CMUnitTest tests[] = {
	    TEST(without_exceptions_only_places_are_decided),
	    TEST(test_points_come_before_exceptions),
	    TEST(exceptions_come_before_special_addresses),
	    TEST(a_score_of_other_zones_is_no_trust),
	    TEST(a_score_does_not_lift_a_special_address),
	    TEST(an_exception_comes_before_the_evidence),
	    TEST(the_exceptions_of_the_zones_above_count_in_an_account),
	    TEST(an_exception_ends_by_the_clock_on_the_wall),
	    TEST(a_score_is_added_to_what_the_lists_say),
	    TEST(a_quarantined_list_counts_as_absent_and_is_not_asked),
	    TEST(a_view_keeps_the_quarantine_that_it_was_built_with),
	    TEST(a_list_is_asked_for_its_families_only),
	    TEST(a_new_view_beside_the_old_one_changes_nothing_in_it),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
