#include "aggregate/verdict.h"

#include <stdio.h>

#include "aggregate/compile.h"
#include "tests/unit/unit.h"
#include "tests/unit/zone.h"

#define NOW 5000u

static struct policy *policy;
static struct evidence_book *book;
static struct policy_zone *zone;
static struct evidence evidence[EVIDENCE_LISTS_MAX];
static struct verdict verdict;
static struct subject ipv4, ipv6;

static int
open_zone(void **state)
{
	(void)state;
	policy = policy_open();
	book = evidence_book_open();
	if (policy == NULL || book == NULL)
		return -1;
	zone = make_zone(policy, "bl.example");
	memset(evidence, 0, sizeof evidence);
	memset(&verdict, 0xaa, sizeof verdict);
	return subject_parse("192.0.2.1", &ipv4) && subject_parse("2001:db8::1", &ipv6) ? 0 : -1;
}

static int
close_zone(void **state)
{
	(void)state;
	policy_close(policy);
	evidence_book_close(book);
	return 0;
}

/* Sites, then the threshold with 127.0.0.2 for an answer. */
static void
compile(int32_t threshold, const char *const *site, size_t sites)
{
	for (size_t i = 0; i < sites; i++)
		make_site(policy, zone, site[i]);
	if (threshold > 0) {
		zone->threshold = threshold;
		make_grade(zone, threshold, 0x7f000002);
	}
	assert_true(compile_policy(policy, book));
}

/* A list of the zone that knows one family. */
static void
only_family(const char *name, enum subject_family family)
{
	struct policy_list *list = policy_list_find(policy, name);
	enum subject_family other = family == SUBJECT_IPV4 ? SUBJECT_IPV6 : SUBJECT_IPV4;

	assert_non_null(list);
	list->families = 1u << family;
	for (size_t i = 0; i < zone->lists; i++)
		if (zone->list[i].list == list)
			zone->list[i].families = list->families;
	zone->asked[other].is_asked[list->number] = 0;
	zone->asked[other].lists--;
}

#define COMPILE(threshold, ...)                                                                    \
	compile(threshold, (const char *const[]){__VA_ARGS__},                                     \
	    COUNT(((const char *const[]){__VA_ARGS__})))

static struct evidence *
of_list(const char *name)
{
	const struct policy_list *list = policy_list_find(policy, name);

	assert_non_null(list);
	return &evidence[list->number];
}

/* `name` answered these addresses, good for `ttl` more seconds. */
static void
says(const char *name, const char *addresses, uint32_t ttl)
{
	struct answers answers = make_answers(addresses);
	struct evidence *of = of_list(name);

	of->said = evidence_intern(book, policy_list_find(policy, name)->number, &answers);
	of->expires = NOW + ttl;
}

static void
is(const char *name, enum evidence_said said, uint32_t ttl)
{
	*of_list(name) = (struct evidence){.said = (uint8_t)said, .expires = NOW + ttl};
}

static enum verdict_state
decide(const struct subject *subject)
{
	memset(&verdict, 0xaa, sizeof verdict);
	verdict_decide(zone, subject, NULL, book, evidence, NOW, 0, &verdict);
	assert_int_equal(verdict.place, SUBJECT_ORDINARY);
	return verdict.state;
}

static void
a_score_that_reaches_the_threshold_is_listed(void **state)
{
	(void)state;
	COMPILE(4, "a.example*3", "b.example*1");
	says("a.example", "127.0.0.2", 30);
	is("b.example", EVIDENCE_CLEAR, 20);
	assert_int_equal(decide(&ipv4), VERDICT_CLEAR);
	assert_int_equal(verdict.score, 3);
	says("b.example", "127.0.0.2", 20);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.score, 4);
	assert_int_equal(verdict.low, 4);
	assert_int_equal(verdict.high, 4);
	assert_int_equal(verdict.address, 0x7f000002);
	assert_int_equal(verdict.unknown[0], 0);
	assert_int_equal(verdict.counted[0], 3);
}

static void
all_clear_is_clear(void **state)
{
	(void)state;
	COMPILE(1, "a.example", "b.example");
	is("a.example", EVIDENCE_CLEAR, 30);
	is("b.example", EVIDENCE_CLEAR, 20);
	assert_int_equal(decide(&ipv4), VERDICT_CLEAR);
	assert_int_equal(verdict.score, 0);
	assert_int_equal(verdict.counted[0], 0);
	assert_int_equal(verdict.unknown[0], 0);
}

static void
what_is_missing_leaves_a_verdict_open_only_if_it_could_change_it(void **state)
{
	(void)state;
	COMPILE(4, "a.example*3", "b.example*2", "c.example*-3", "d.example*1");
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	assert_int_equal(verdict.low, -3);
	assert_int_equal(verdict.high, 6);
	assert_int_equal(verdict.unknown[0], 15);
	is("a.example", EVIDENCE_CLEAR, 30); /* at most 3 now */
	assert_int_equal(decide(&ipv4), VERDICT_CLEAR);
	says("a.example", "127.0.0.2", 30);
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	assert_int_equal(verdict.low, 0);
	assert_int_equal(verdict.high, 6);
	assert_int_equal(verdict.unknown[0], 14);
	assert_int_equal(verdict.counted[0], 1);
	says("b.example", "127.0.0.2", 30); /* 5, but c may take 3 */
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	assert_int_equal(verdict.score, 5);
	is("c.example", EVIDENCE_CLEAR, 30); /* d can only add */
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.low, 5);
	assert_int_equal(verdict.high, 6);
	assert_int_equal(verdict.unknown[0], 8);
	says("c.example", "127.0.0.2", 30); /* 2, or 3 with d */
	assert_int_equal(decide(&ipv4), VERDICT_CLEAR);
	assert_int_equal(verdict.score, 2);
	assert_int_equal(verdict.counted[0], 3);
}

static void
every_failure_and_every_reply_without_sense_is_unknown(void **state)
{
	static const enum evidence_said failure[] = {EVIDENCE_NONE, EVIDENCE_TIMEOUT,
	    EVIDENCE_FAILED, EVIDENCE_MALFORMED, EVIDENCE_FOREIGN, EVIDENCE_OVERLOAD,
	    EVIDENCE_DIVERSE};
	static const char *const senseless[] = {
	    "127.255.255.254", "127.0.0.2 127.255.255.255", "127.0.0.1", "127.0.0.2 127.255.255.0"};

	(void)state;
	COMPILE(2, "a.example*2", "b.example*1");
	is("b.example", EVIDENCE_CLEAR, 20);
	for (size_t i = 0; i < COUNT(failure); i++) {
		is("a.example", failure[i], 5);
		assert_int_equal(decide(&ipv4), VERDICT_OPEN);
		assert_int_equal(verdict.unknown[0], 1);
		assert_int_equal(verdict.score, 0);
		assert_int_equal(verdict.low, 0);
		assert_int_equal(verdict.high, 2);
	}
	for (size_t i = 0; i < COUNT(senseless); i++) {
		says("a.example", senseless[i], 60);
		assert_int_equal(decide(&ipv4), VERDICT_OPEN);
		assert_int_equal(verdict.unknown[0], 1);
		assert_int_equal(verdict.counted[0], 0);
	}
}

static void
the_highest_grade_that_the_score_reaches_answers(void **state)
{
	static const uint32_t address[] = {
	    0, 0, 0x7f000002, 0x7f000002, 0x7f000004, 0x7f000004, 0x7f000004, 0x7f000007};

	(void)state;
	make_grade(zone, 7, 0x7f000007);
	make_grade(zone, 2, 0x7f000002);
	make_grade(zone, 4, 0x7f000004);
	COMPILE(0, "a.example*1", "b.example*2", "c.example*4");
	for (unsigned score = 0; score < 8; score++) {
		is("a.example", EVIDENCE_CLEAR, 60);
		is("b.example", EVIDENCE_CLEAR, 60);
		is("c.example", EVIDENCE_CLEAR, 60);
		if (score & 1)
			says("a.example", "127.0.0.2", 60);
		if (score & 2)
			says("b.example", "127.0.0.2", 60);
		if (score & 4)
			says("c.example", "127.0.0.2", 60);
		assert_int_equal(decide(&ipv4), score < 2 ? VERDICT_CLEAR : VERDICT_LISTED);
		assert_int_equal(verdict.score, score);
		if (score >= 2)
			assert_int_equal(verdict.address, address[score]);
	}
}

static void
a_verdict_waits_while_a_higher_grade_is_in_reach(void **state)
{
	(void)state;
	make_grade(zone, 2, 0x7f000002);
	make_grade(zone, 4, 0x7f000004);
	COMPILE(0, "a.example*2", "b.example*1", "c.example*1");
	says("a.example", "127.0.0.2", 60);
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	is("b.example", EVIDENCE_CLEAR, 60);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.address, 0x7f000002);
	assert_int_equal(verdict.high, 3);
}

static void
a_list_of_another_family_is_absent(void **state)
{
	(void)state;
	COMPILE(1, "four.example*2", "six.example*3");
	only_family("four.example", SUBJECT_IPV4);
	only_family("six.example", SUBJECT_IPV6);
	is("four.example", EVIDENCE_CLEAR, 7);
	assert_int_equal(decide(&ipv4), VERDICT_CLEAR);
	assert_int_equal(verdict.high, 0);
	assert_int_equal(verdict.ttl, 7);
	assert_int_equal(decide(&ipv6), VERDICT_OPEN);
	assert_int_equal(verdict.unknown[0], 2);
	assert_int_equal(verdict.high, 3);
	says("four.example", "127.0.0.2", 7);
	is("six.example", EVIDENCE_CLEAR, 9);
	assert_int_equal(decide(&ipv6), VERDICT_CLEAR);
	assert_int_equal(verdict.score, 0);
	assert_int_equal(verdict.ttl, 9);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_true(subject_parse("::ffff:192.0.2.1", &ipv6));
	assert_int_equal(decide(&ipv6), VERDICT_LISTED);
}

static void
without_a_list_for_the_family_everything_is_clear(void **state)
{
	(void)state;
	zone->negative_ttl = 33;
	COMPILE(1, "four.example*2");
	only_family("four.example", SUBJECT_IPV4);
	assert_int_equal(decide(&ipv6), VERDICT_CLEAR);
	assert_int_equal(verdict.ttl, 33);
}

static void
a_listed_answer_lives_as_long_as_all_the_evidence_that_matched(void **state)
{
	(void)state;
	zone->max_ttl = 50;
	COMPILE(2, "a.example*2", "b.example*2", "c.example*-1", "d.example*3", "e.example*0");
	is("d.example", EVIDENCE_CLEAR, 3);
	says("e.example", "127.0.0.2", 2); /* weight 0 never counts */
	is("c.example", EVIDENCE_CLEAR, 4);
	says("a.example", "127.0.0.2", 60);
	says("b.example", "127.0.0.2", 70);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.ttl, 50);
	says("b.example", "127.0.0.2", 40);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.ttl, 40);
	says("c.example", "127.0.0.2", 30); /* a negative weight matched as well */
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.ttl, 30);
	says("a.example", "127.0.0.2", 1);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.ttl, 1);
}

static void
an_early_listed_answer_has_the_life_of_the_evidence_in_hand(void **state)
{
	(void)state;
	COMPILE(2, "a.example*2", "b.example*2");
	says("a.example", "127.0.0.2", 20);
	is("b.example", EVIDENCE_TIMEOUT, 5);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.ttl, 20);
	is("b.example", EVIDENCE_NONE, 0);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.ttl, 20);
}

static void
a_clear_answer_lives_as_long_as_all_the_evidence_in_hand(void **state)
{
	(void)state;
	zone->negative_ttl = 50;
	COMPILE(9, "a.example*2", "b.example*2", "c.example*2");
	is("a.example", EVIDENCE_CLEAR, 60);
	is("b.example", EVIDENCE_CLEAR, 70);
	is("c.example", EVIDENCE_CLEAR, 80);
	assert_int_equal(decide(&ipv4), VERDICT_CLEAR);
	assert_int_equal(verdict.ttl, 50);
	is("b.example", EVIDENCE_CLEAR, 40);
	assert_int_equal(decide(&ipv4), VERDICT_CLEAR);
	assert_int_equal(verdict.ttl, 40);
	says("c.example", "127.0.0.2", 30);
	assert_int_equal(decide(&ipv4), VERDICT_CLEAR);
	assert_int_equal(verdict.ttl, 30);
	is("c.example", EVIDENCE_NONE, 0); /* not in hand */
	assert_int_equal(decide(&ipv4), VERDICT_CLEAR);
	assert_int_equal(verdict.ttl, 40);
}

static void
an_open_verdict_passes_with_unknown_as_nothing(void **state)
{
	(void)state;
	make_grade(zone, 6, 0x7f000006);
	COMPILE(2, "a.example*2", "b.example*4", "c.example*-2");
	zone->on_failure = POLICY_PASS;
	is("a.example", EVIDENCE_CLEAR, 60);
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_int_equal(verdict.state, VERDICT_CLEAR);
	assert_int_equal(verdict.ttl, EVIDENCE_FAILURE_TTL);
	says("a.example", "127.0.0.2", 60);
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_int_equal(verdict.state, VERDICT_LISTED);
	assert_int_equal(verdict.address, 0x7f000002);
	assert_int_equal(verdict.ttl, EVIDENCE_FAILURE_TTL);
	says("b.example", "127.0.0.2", 60);
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_int_equal(verdict.state, VERDICT_LISTED);
	assert_int_equal(verdict.address, 0x7f000006);
	assert_int_equal(verdict.score, 6);
}

static void
a_verdict_that_passed_lives_no_longer_than_the_zone_allows(void **state)
{
	(void)state;
	zone->negative_ttl = 3;
	zone->max_ttl = 4;
	COMPILE(2, "a.example*2", "b.example*-2");
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_int_equal(verdict.state, VERDICT_CLEAR);
	assert_int_equal(verdict.ttl, 3);
	says("a.example", "127.0.0.2", 60);
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_int_equal(verdict.state, VERDICT_LISTED);
	assert_int_equal(verdict.ttl, 4);
}

static void
a_verdict_that_passed_lives_no_longer_than_its_evidence(void **state)
{
	(void)state;
	COMPILE(2, "a.example*2", "b.example*-2");
	is("b.example", EVIDENCE_CLEAR, 2);
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_int_equal(verdict.state, VERDICT_CLEAR);
	assert_int_equal(verdict.ttl, 2);
	is("b.example", EVIDENCE_NONE, 0);
	says("a.example", "127.0.0.2", 2);
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_int_equal(verdict.state, VERDICT_LISTED);
	assert_int_equal(verdict.ttl, 2);
}

static void
an_open_verdict_is_deferred_where_the_zone_says_so(void **state)
{
	(void)state;
	COMPILE(2, "a.example*2");
	zone->on_failure = POLICY_DEFER;
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_int_equal(verdict.state, VERDICT_DEFERRED);
}

static void
an_open_verdict_becomes_the_address_that_the_zone_names(void **state)
{
	(void)state;
	COMPILE(2, "a.example*2");
	zone->on_failure = POLICY_ANSWER;
	zone->failure_address = 0x7f000063;
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_int_equal(verdict.state, VERDICT_SUBSTITUTE);
	assert_int_equal(verdict.address, 0x7f000063);
	assert_int_equal(verdict.ttl, EVIDENCE_FAILURE_TTL);
	zone->max_ttl = 1;
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_int_equal(verdict.ttl, 1);
}

static void
a_verdict_that_was_given_stays(void **state)
{
	static const enum policy_failure failure[] = {POLICY_PASS, POLICY_DEFER, POLICY_ANSWER};

	(void)state;
	COMPILE(2, "a.example*2", "b.example*1");
	for (size_t i = 0; i < COUNT(failure); i++) {
		struct verdict before;

		zone->on_failure = failure[i];
		says("a.example", "127.0.0.2", 60);
		assert_int_equal(decide(&ipv4), VERDICT_LISTED);
		before = verdict;
		verdict_close(zone, &verdict);
		assert_memory_equal(&verdict, &before, sizeof verdict);
		is("a.example", EVIDENCE_CLEAR, 60);
		assert_int_equal(decide(&ipv4), VERDICT_CLEAR);
		before = verdict;
		verdict_close(zone, &verdict);
		assert_memory_equal(&verdict, &before, sizeof verdict);
	}
}

static bool
of_place(const char *string)
{
	struct subject subject;
	enum subject_place place;

	assert_true(subject_parse(string, &subject));
	memset(&verdict, 0xaa, sizeof verdict);
	place = subject_place(&subject);
	if (place != SUBJECT_ORDINARY)
		verdict_of_place(zone, place, &verdict);
	return place != SUBJECT_ORDINARY;
}

static void
test_points_are_answered_without_evidence(void **state)
{
	static const char *const listed[] = {"127.0.0.2", "::ffff:127.0.0.2"};
	static const char *const clear[] = {"127.0.0.1", "::ffff:127.0.0.1"};

	(void)state;
	zone->max_ttl = 44;
	zone->negative_ttl = 22;
	zone->threshold = 3;
	make_grade(zone, 9, 0x7f000009);
	make_grade(zone, 3, 0x7f000003);
	assert_true(compile_policy(policy, book));
	for (size_t i = 0; i < 2; i++) {
		assert_true(of_place(listed[i]));
		assert_int_equal(verdict.state, VERDICT_LISTED);
		assert_int_equal(verdict.place, SUBJECT_TEST_LISTED);
		assert_int_equal(verdict.address, 0x7f000003);
		assert_int_equal(verdict.ttl, 44);
		assert_int_equal(verdict.score, 3);
		assert_true(of_place(clear[i]));
		assert_int_equal(verdict.state, VERDICT_CLEAR);
		assert_int_equal(verdict.place, SUBJECT_TEST_CLEAR);
		assert_int_equal(verdict.ttl, 22);
		assert_int_equal(verdict.score, 0);
	}
}

static void
special_addresses_are_clear_and_ordinary_ones_undecided(void **state)
{
	static const char *const special[] = {
	    "10.1.2.3", "127.0.0.3", "192.168.0.1", "224.0.0.1", "fe80::1", "::1", "::"};
	static const char *const ordinary[] = {"192.0.2.1", "2001:db8::1", "8.8.8.8"};

	(void)state;
	zone->negative_ttl = 22;
	make_grade(zone, 3, 0x7f000003);
	assert_true(compile_policy(policy, book));
	for (size_t i = 0; i < COUNT(special); i++) {
		assert_true(of_place(special[i]));
		assert_int_equal(verdict.state, VERDICT_CLEAR);
		assert_int_equal(verdict.place, SUBJECT_SPECIAL);
		assert_int_equal(verdict.ttl, 22);
	}
	for (size_t i = 0; i < COUNT(ordinary); i++) {
		struct verdict before;

		memset(&before, 0xaa, sizeof before);
		assert_false(of_place(ordinary[i]));
		assert_memory_equal(&verdict, &before, sizeof verdict);
	}
}

static char said[2000];

static const char *
text_of(const struct subject *subject, size_t size)
{
	struct text text;

	assert_true(size <= sizeof said);
	text_init(&text, said, size);
	verdict_text(zone, subject, &verdict, book, evidence, &text);
	return said;
}

static void
set_text(const char *text)
{
	assert_true(strlen(text) < sizeof zone->text);
	strcpy(zone->text, text);
}

#define FULL (VERDICT_TEXT_MAX + 1)

static void
the_macros_of_the_text_are_replaced(void **state)
{
	(void)state;
	COMPILE(3, "a.example*3", "b.example*4");
	says("a.example", "127.0.0.2", 60);
	says("b.example", "127.0.0.2", 60);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_string_equal(text_of(&ipv4, FULL), "192.0.2.1 is listed by b.example, a.example");
	assert_string_equal(text_of(&ipv6, FULL), "2001:db8::1 is listed by b.example, a.example");
	set_text("%z|%s|%t|%a|%l|100%%|%%a|%%%s");
	assert_string_equal(
	    text_of(&ipv4, FULL), "bl.example|7|3|192.0.2.1|b.example, a.example|100%|%a|%7");
	set_text("%");
	assert_string_equal(text_of(&ipv4, FULL), "%");
	set_text("no macro");
	assert_string_equal(text_of(&ipv4, FULL), "no macro");
}

static void
the_lists_that_counted_are_named_heaviest_first(void **state)
{
	(void)state;
	COMPILE(1, "a.example=127.0.0.2*2", "b.example*3", "minus.example*-1", "zero.example*0",
	    "a.example=127.0.0.3*2", "c.example*5", "d.example*3", "clear.example*9",
	    "unknown.example*1", "cancelled.example*2", "cancelled.example=127.0.0.2*-2");
	set_text("%l");
	says("a.example", "127.0.0.2 127.0.0.3", 60);
	says("b.example", "127.0.0.2", 60);
	says("c.example", "127.0.0.2", 60);
	says("d.example", "127.0.0.2", 60);
	says("minus.example", "127.0.0.2", 60);
	says("zero.example", "127.0.0.2", 60);
	says("cancelled.example", "127.0.0.2", 60);
	is("clear.example", EVIDENCE_CLEAR, 60);
	is("unknown.example", EVIDENCE_TIMEOUT, 60);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.score, 14);
	assert_string_equal(text_of(&ipv4, FULL), "c.example, a.example, b.example, d.example");
	says("a.example", "127.0.0.3", 60);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_string_equal(text_of(&ipv4, FULL), "c.example, b.example, d.example, a.example");
}

static void
names_of_one_letter_are_kept_apart(void **state)
{
	(void)state;
	COMPILE(1, "x*2", "y*1");
	set_text("%l");
	says("x", "127.0.0.2", 60);
	says("y", "127.0.0.2", 60);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_string_equal(text_of(&ipv4, FULL), "x, y");
}

static void
the_text_of_a_test_point_says_so(void **state)
{
	struct subject point;

	(void)state;
	COMPILE(5, "a.example*5");
	assert_true(of_place("127.0.0.2"));
	assert_true(subject_parse("127.0.0.2", &point));
	set_text("%a %l %s of %t in %z");
	assert_string_equal(text_of(&point, FULL), "127.0.0.2 test point 5 of 5 in bl.example");
}

static void
the_text_of_a_substitute_names_the_lists_that_failed(void **state)
{
	(void)state;
	COMPILE(5, "a.example*5", "b.example*1", "c.example*5", "four.example*9");
	zone->on_failure = POLICY_ANSWER;
	zone->failure_address = 0x7f000063;
	set_text("not this one: %l");
	is("b.example", EVIDENCE_CLEAR, 60);
	is("c.example", EVIDENCE_FAILED, 60);
	only_family("four.example", SUBJECT_IPV4);
	assert_int_equal(decide(&ipv6), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	assert_string_equal(text_of(&ipv6, FULL),
	    "2001:db8::1 cannot be checked now: no answer from a.example, c.example");
}

static struct exception
exception_of(enum exception_action action, int32_t score, uint32_t until)
{
	return (struct exception){.action = action, .score = score, .until = until, .zone = ""};
}

static void
allow_clears_and_block_lists_with_the_highest_grade(void **state)
{
	struct exception allow = exception_of(EXCEPTION_ALLOW, 0, 0);
	struct exception block = exception_of(EXCEPTION_BLOCK, 0, 0);

	(void)state;
	zone->max_ttl = 44;
	zone->negative_ttl = 22;
	make_grade(zone, 9, 0x7f000009);
	COMPILE(3, "a.example*5");
	for (unsigned kind = 0; kind < 2; kind++) {
		zone->kind = kind == 0 ? POLICY_BLOCK : POLICY_ALLOW;
		memset(&verdict, 0xaa, sizeof verdict);
		assert_true(
		    verdict_of_exception(zone, kind == 0 ? &block : &allow, 1000, &verdict));
		assert_int_equal(verdict.state, VERDICT_LISTED);
		assert_int_equal(verdict.address, 0x7f000009);
		assert_int_equal(verdict.ttl, 44);
		assert_int_equal(verdict.score, 9);
		assert_int_equal(verdict.low, 9);
		assert_int_equal(verdict.high, 9);
		assert_true(verdict.excepted);
		assert_int_equal(
		    verdict.exception.action, kind == 0 ? EXCEPTION_BLOCK : EXCEPTION_ALLOW);
		assert_int_equal(verdict.counted[0], 0);
		memset(&verdict, 0xaa, sizeof verdict);
		assert_true(
		    verdict_of_exception(zone, kind == 0 ? &allow : &block, 1000, &verdict));
		assert_int_equal(verdict.state, VERDICT_CLEAR);
		assert_int_equal(verdict.ttl, 22);
		assert_int_equal(verdict.score, 0);
		assert_true(verdict.excepted);
	}
}

static void
an_answer_lives_no_longer_than_its_exception(void **state)
{
	struct exception block = exception_of(EXCEPTION_BLOCK, 0, 1007);

	(void)state;
	COMPILE(3, "a.example*5");
	assert_true(verdict_of_exception(zone, &block, 1000, &verdict));
	assert_int_equal(verdict.ttl, 7);
	assert_true(verdict_of_exception(zone, &block, 1006, &verdict));
	assert_int_equal(verdict.ttl, 1);
	block.action = EXCEPTION_ALLOW;
	assert_true(verdict_of_exception(zone, &block, 1000, &verdict));
	assert_int_equal(verdict.state, VERDICT_CLEAR);
	assert_int_equal(verdict.ttl, 7);
	block.until = UINT32_MAX;
	assert_true(verdict_of_exception(zone, &block, 1000, &verdict));
	assert_int_equal(verdict.ttl, 60);
}

static enum verdict_state
decide_with(struct exception *score, uint32_t wall)
{
	memset(&verdict, 0xaa, sizeof verdict);
	verdict_decide(zone, &ipv4, score, book, evidence, NOW, wall, &verdict);
	return verdict.state;
}

static void
a_score_exception_adds_to_what_the_lists_say(void **state)
{
	struct exception score = exception_of(EXCEPTION_SCORE, 3, 0);
	struct verdict untouched;

	(void)state;
	COMPILE(4, "a.example*2", "b.example*1");
	memset(&verdict, 0xaa, sizeof verdict);
	untouched = verdict;
	assert_false(verdict_of_exception(zone, &score, 1000, &verdict));
	assert_memory_equal(&verdict, &untouched, sizeof verdict);
	assert_int_equal(decide_with(&score, 1000), VERDICT_OPEN);
	assert_true(verdict.excepted);
	assert_int_equal(verdict.score, 3);
	assert_int_equal(verdict.low, 3);
	assert_int_equal(verdict.high, 6);
	is("a.example", EVIDENCE_CLEAR, 30);
	says("b.example", "127.0.0.2", 30);
	assert_int_equal(decide_with(&score, 1000), VERDICT_LISTED);
	assert_int_equal(verdict.score, 4);
	assert_int_equal(verdict.ttl, 30);
	score.until = 1008;
	assert_int_equal(decide_with(&score, 1000), VERDICT_LISTED);
	assert_int_equal(verdict.ttl, 8);
	is("b.example", EVIDENCE_CLEAR, 30);
	assert_int_equal(decide_with(&score, 1000), VERDICT_CLEAR);
	assert_int_equal(verdict.ttl, 8);
	score.score = -3;
	says("a.example", "127.0.0.2", 30);
	assert_int_equal(decide_with(&score, 1000), VERDICT_CLEAR);
	assert_int_equal(verdict.score, -1);
	assert_int_equal(decide_with(NULL, 1000), VERDICT_CLEAR);
	assert_int_equal(verdict.score, 2);
	assert_false(verdict.excepted);
}

static void
an_exception_that_lists_is_named_local_policy(void **state)
{
	struct exception score = exception_of(EXCEPTION_SCORE, 4, 0);
	struct exception block = exception_of(EXCEPTION_BLOCK, 0, 0);

	(void)state;
	COMPILE(4, "a.example*9");
	set_text("%l");
	says("a.example", "127.0.0.2", 30);
	assert_int_equal(decide_with(&score, 1000), VERDICT_LISTED);
	assert_string_equal(text_of(&ipv4, FULL), "a.example, local policy");
	score.score = -4;
	assert_int_equal(decide_with(&score, 1000), VERDICT_LISTED);
	assert_string_equal(text_of(&ipv4, FULL), "a.example");
	score.score = 0;
	assert_int_equal(decide_with(&score, 1000), VERDICT_LISTED);
	assert_string_equal(text_of(&ipv4, FULL), "a.example");
	score.score = 1;
	assert_int_equal(decide_with(&score, 1000), VERDICT_LISTED);
	assert_string_equal(text_of(&ipv4, FULL), "a.example, local policy");
	assert_true(verdict_of_exception(zone, &block, 1000, &verdict));
	assert_string_equal(text_of(&ipv4, FULL), "local policy");
}

/* One list says so. */
static void
be_listed(void)
{
	COMPILE(1, "a.example");
	says("a.example", "127.0.0.2", 60);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
}

static void
what_is_not_printable_in_a_text_becomes_a_question_mark(void **state)
{
	(void)state;
	be_listed();
	set_text("a\tb\nc\x7f"
		 "caf\xc3\xa9 ~");
	assert_string_equal(text_of(&ipv4, FULL), "a?b?c?caf?? ~");
}

static void
a_text_ends_after_200_bytes(void **state)
{
	char text[POLICY_TEXT_MAX + 1];

	(void)state;
	be_listed();
	memset(text, 'x', sizeof text);
	text[VERDICT_TEXT_MAX] = '\0';
	set_text(text);
	assert_string_equal(text_of(&ipv4, FULL), text);
	text[VERDICT_TEXT_MAX] = 'y';
	text[POLICY_TEXT_MAX] = '\0';
	set_text(text);
	text[VERDICT_TEXT_MAX] = '\0';
	assert_string_equal(text_of(&ipv4, FULL), text);
	memset(text, 'x', VERDICT_TEXT_MAX);
	strcpy(text + VERDICT_TEXT_MAX - 4, "%a%a%a");
	set_text(text);
	strcpy(text + VERDICT_TEXT_MAX - 4, "192.");
	assert_string_equal(text_of(&ipv4, FULL), text);
}

/* The address of the page is what a sender needs most; it stands at the end. */
static void
a_text_that_is_too_long_names_fewer_lists(void **state)
{
	static const char *const names[] = {"third.list.of.a.long.name.example",
	    "second.list.of.a.long.name.example*2", "first.list.of.a.long.name.example*3",
	    "fourth.list.of.a.long.name.example"};

	(void)state;
	compile(1, names, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++)
		says(zone->list[i].list->name, "127.0.0.2", 60);
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	set_text("%a is listed by %l; see https://www.example.org/blocked?address=%a");
	assert_string_equal(text_of(&ipv4, FULL),
	    "192.0.2.1 is listed by first.list.of.a.long.name.example, "
	    "second.list.of.a.long.name.example, third.list.of.a.long.name.example; see "
	    "https://www.example.org/blocked?address=192.0.2.1");
	set_text("%l; %l; %l; %l; %l; end"); /* one is named whatever comes of it */
	assert_int_equal(strlen(text_of(&ipv4, FULL)), 5 * 33 + 4 * 2 + 5);
	set_text("%l; %l; %l; %l; %l; %l; end");
	assert_int_equal(strlen(text_of(&ipv4, FULL)), VERDICT_TEXT_MAX);
}

static void
a_larger_buffer_gets_no_more_than_200_bytes(void **state)
{
	char text[POLICY_TEXT_MAX + 1];

	(void)state;
	be_listed();
	memset(text, 'x', sizeof text);
	text[POLICY_TEXT_MAX] = '\0';
	set_text(text);
	assert_int_equal(strlen(text_of(&ipv4, sizeof said)), VERDICT_TEXT_MAX);
}

/* 128 lists with long names, all of which count or are unknown. */
static void
a_zone_may_have_128_lists(void **state)
{
	char name[100];
	int32_t sum = 0;

	(void)state;
	for (int i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		(void)snprintf(
		    name, sizeof name, "list-number-%d-with-a-long-name.example*%d", i, i + 1);
		make_site(policy, zone, name);
	}
	COMPILE(1, "list-number-0-with-a-long-name.example*0");
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	assert_true(verdict.unknown[0] == UINT64_MAX && verdict.unknown[1] == UINT64_MAX);
	for (int i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		(void)snprintf(name, sizeof name, "list-number-%d-with-a-long-name.example", i);
		if (i % 3 == 0) {
			says(name, "127.0.0.2", 100 + (uint32_t)i);
			sum += i + 1;
		} else {
			is(name, EVIDENCE_CLEAR, 10);
		}
	}
	assert_int_equal(decide(&ipv4), VERDICT_LISTED);
	assert_int_equal(verdict.score, sum);
	assert_int_equal(verdict.ttl, 60);
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++)
		assert_int_equal(verdict.counted[i / 64] >> i % 64 & 1, i % 3 == 0);
	(void)text_of(&ipv4, FULL);
	assert_non_null(
	    strstr(said, "by list-number-126-with-a-long-name.example, list-number-123-with-"));
	assert_string_equal(
	    said + strlen(said) - strlen(" list-number-117-with-a-long-name.example"),
	    " list-number-117-with-a-long-name.example");
	set_text("%l");
	(void)text_of(&ipv4, FULL);
	assert_string_equal(
	    said + strlen(said) - strlen(" list-number-117-with-a-long-name.example"),
	    " list-number-117-with-a-long-name.example");
	zone->on_failure = POLICY_ANSWER;
	memset(evidence, 0, sizeof evidence);
	assert_int_equal(decide(&ipv4), VERDICT_OPEN);
	verdict_close(zone, &verdict);
	(void)text_of(&ipv4, FULL);
	assert_int_equal(strlen(said), VERDICT_TEXT_MAX);
	assert_non_null(
	    strstr(said, "from list-number-0-with-a-long-name.example, list-number-1-"));
}

static void
every_state_has_a_word_of_the_interface(void **state)
{
	(void)state;
	assert_string_equal(verdict_word(VERDICT_LISTED), "listed");
	assert_string_equal(verdict_word(VERDICT_CLEAR), "clear");
	assert_string_equal(verdict_word(VERDICT_OPEN), "unknown");
	assert_string_equal(verdict_word(VERDICT_DEFERRED), "unknown");
	assert_string_equal(verdict_word(VERDICT_SUBSTITUTE), "unknown");
}

#define WITH_ZONE(test) cmocka_unit_test_setup_teardown(test, open_zone, close_zone)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_ZONE(a_score_that_reaches_the_threshold_is_listed),
	    WITH_ZONE(all_clear_is_clear),
	    WITH_ZONE(what_is_missing_leaves_a_verdict_open_only_if_it_could_change_it),
	    WITH_ZONE(every_failure_and_every_reply_without_sense_is_unknown),
	    WITH_ZONE(the_highest_grade_that_the_score_reaches_answers),
	    WITH_ZONE(a_verdict_waits_while_a_higher_grade_is_in_reach),
	    WITH_ZONE(a_list_of_another_family_is_absent),
	    WITH_ZONE(without_a_list_for_the_family_everything_is_clear),
	    WITH_ZONE(a_listed_answer_lives_as_long_as_all_the_evidence_that_matched),
	    WITH_ZONE(an_early_listed_answer_has_the_life_of_the_evidence_in_hand),
	    WITH_ZONE(a_clear_answer_lives_as_long_as_all_the_evidence_in_hand),
	    WITH_ZONE(an_open_verdict_passes_with_unknown_as_nothing),
	    WITH_ZONE(a_verdict_that_passed_lives_no_longer_than_the_zone_allows),
	    WITH_ZONE(a_verdict_that_passed_lives_no_longer_than_its_evidence),
	    WITH_ZONE(an_open_verdict_is_deferred_where_the_zone_says_so),
	    WITH_ZONE(an_open_verdict_becomes_the_address_that_the_zone_names),
	    WITH_ZONE(a_verdict_that_was_given_stays),
	    WITH_ZONE(test_points_are_answered_without_evidence),
	    WITH_ZONE(special_addresses_are_clear_and_ordinary_ones_undecided),
	    WITH_ZONE(the_macros_of_the_text_are_replaced),
	    WITH_ZONE(the_lists_that_counted_are_named_heaviest_first),
	    WITH_ZONE(names_of_one_letter_are_kept_apart),
	    WITH_ZONE(the_text_of_a_test_point_says_so),
	    WITH_ZONE(the_text_of_a_substitute_names_the_lists_that_failed),
	    WITH_ZONE(allow_clears_and_block_lists_with_the_highest_grade),
	    WITH_ZONE(an_answer_lives_no_longer_than_its_exception),
	    WITH_ZONE(a_score_exception_adds_to_what_the_lists_say),
	    WITH_ZONE(an_exception_that_lists_is_named_local_policy),
	    WITH_ZONE(what_is_not_printable_in_a_text_becomes_a_question_mark),
	    WITH_ZONE(a_text_ends_after_200_bytes),
	    WITH_ZONE(a_text_that_is_too_long_names_fewer_lists),
	    WITH_ZONE(a_larger_buffer_gets_no_more_than_200_bytes),
	    WITH_ZONE(a_zone_may_have_128_lists),
	    WITH_ZONE(every_state_has_a_word_of_the_interface),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
