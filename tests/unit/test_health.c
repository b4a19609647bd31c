#include "resolver/health.h"

#include <stdio.h>
#include <stdlib.h>

#include "aggregate/compile.h"
#include "resolver/habit.h"
#include "tests/unit/zone.h"

#define LISTS 3
#define DAY 86400000
#define ROUND 4 /* questions: two test points, a canary of each family */

/* How a list answers the tests. */
struct nature {
	enum health_heard point, clear, canary;
	bool silent;    /* it answers nothing until the round is over */
	unsigned lies;  /* so many canaries more come out as listed, then `canary` holds again */
	unsigned range; /* canaries of this first octet are listed */
	bool apart;     /* IPv6 canaries get this: */
	enum health_heard ipv6;
};

static const struct nature honest = {
    HEALTH_LISTED, HEALTH_CLEAR, HEALTH_CLEAR, false, 0, 0, false, 0};
static const struct nature wildcard = {
    HEALTH_LISTED, HEALTH_LISTED, HEALTH_LISTED, false, 0, 0, false, 0};
static const struct nature sly = {
    HEALTH_LISTED, HEALTH_CLEAR, HEALTH_LISTED, false, 0, 0, false, 0};
static const struct nature inverted = {
    HEALTH_CLEAR, HEALTH_LISTED, HEALTH_CLEAR, false, 0, 0, false, 0};
static const struct nature empty = {
    HEALTH_CLEAR, HEALTH_CLEAR, HEALTH_CLEAR, false, 0, 0, false, 0};
static const struct nature failing = {
    HEALTH_FAILED, HEALTH_FAILED, HEALTH_FAILED, false, 0, 0, false, 0};

static struct {
	struct health *health;
	struct policy *policy;
	bool compiled;
	struct evidence_book *book;
	int64_t now_ms;
	unsigned changes, asked[LISTS], canaries[LISTS];
	struct nature nature[LISTS];
	struct subject last[LISTS]; /* canary */
} world;

static void
on_changed(void *owner)
{
	assert_ptr_equal(owner, &world);
	world.changes++;
}

static enum health_heard
answer_of(struct nature *nature, const struct subject *subject)
{
	bool ipv6 = subject->family == SUBJECT_IPV6;
	const uint8_t *point = &subject->octet[ipv6 ? 12 : 0];

	if (point[0] == 127 && point[3] == 2)
		return nature->point;
	if (point[0] == 127 && point[3] == 1)
		return nature->clear;
	if (ipv6 && nature->apart)
		return nature->ipv6;
	if (nature->lies > 0) {
		nature->lies--;
		return HEALTH_LISTED;
	}
	return nature->range != 0 && subject->octet[0] == nature->range ? HEALTH_LISTED
									: nature->canary;
}

/* Put and answer the tests that are due. */
static void
test_lists(void)
{
	struct health_question question;

	while (health_next(world.health, world.now_ms, &question)) {
		struct nature *nature = &world.nature[question.list];
		const uint8_t *octet = question.subject.octet;

		world.asked[question.list]++;
		if (octet[0] != 0 && octet[0] != 127) {
			world.canaries[question.list]++;
			world.last[question.list] = question.subject;
		}
		if (!nature->silent)
			health_heard(world.health, world.now_ms, question.list, question.id,
			    answer_of(nature, &question.subject));
	}
	assert_true(health_due_ms(world.health) > world.now_ms);
}

static void
pass(int64_t ms)
{
	int64_t end_ms = world.now_ms + ms;

	while (health_due_ms(world.health) <= end_ms) {
		if (health_due_ms(world.health) > world.now_ms)
			world.now_ms = health_due_ms(world.health);
		test_lists();
	}
	world.now_ms = end_ms;
}

static void
client(unsigned list, bool listed)
{
	health_saw(world.health, world.now_ms, list, listed);
	test_lists();
}

static bool
is_out(unsigned list)
{
	return health_distrusts(world.health, list);
}

static struct health_report
report(unsigned list)
{
	struct health_report report;

	health_describe(world.health, list, &report);
	return report;
}

static const char *
why(unsigned list)
{
	static char words[200];
	struct health_report said = report(list);
	struct text text;

	text_init(&text, words, sizeof words);
	health_explain(&said, &text);
	return words;
}

/* Three lists in one zone: numbers 0, 1 and 2. */
static void
plan(unsigned lists)
{
	static const char *const names[LISTS] = {"a.example", "b.example", "c.example"};
	struct policy_zone *zone;

	policy_close(world.policy);
	world.policy = policy_open();
	world.compiled = false;
	zone = make_zone(world.policy, "bl.example");
	make_grade(zone, 1, 0x7f000002);
	for (unsigned i = 0; i < lists; i++)
		make_site(world.policy, zone, names[i]);
}

static struct policy_list *
list(unsigned i)
{
	return world.policy->list[i];
}

/* It is compiled once, however often a test adopts it. */
static void
compile(void)
{
	assert_true(world.policy->table != NULL || compile_policy(world.policy, world.book));
}

static void
adopt(void)
{
	compile();
	health_policy(world.health, world.now_ms, world.policy);
}

static int
begin(void **state)
{
	static const uint64_t key[2] = {0x452821e638d01377u, 0xbe5466cf34e90c6cu};

	(void)state;
	memset(&world, 0, sizeof world);
	world.now_ms = 1000000;
	world.book = evidence_book_open();
	world.health = health_open(key, on_changed, &world);
	for (unsigned i = 0; i < LISTS; i++)
		world.nature[i] = honest;
	plan(LISTS);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	health_close(world.health);
	policy_close(world.policy);
	evidence_book_close(world.book);
	return 0;
}

/* Another world in the same test. */
static void
again(void **state)
{
	end(state);
	begin(state);
}

/* --- rounds ----------------------------------------------------------------------------- */

static void
each_list_is_tested_at_the_start_and_then_about_every_ten_minutes(void **state)
{
	(void)state;
	adopt();
	assert_false(health_started(world.health));
	assert_int_equal(report(0).tested_ms, -1);
	test_lists();
	assert_true(health_started(world.health));
	assert_true(world.changes > 0);
	for (unsigned i = 0; i < LISTS; i++) {
		assert_int_equal(world.asked[i], ROUND);
		assert_int_equal(report(i).good, ROUND);
		assert_int_equal(report(i).tested_ms, world.now_ms);
	}
	pass(HEALTH_EVERY_MS * 8 / 10 - 1);
	assert_int_equal(world.asked[0], ROUND);
	pass(DAY - HEALTH_EVERY_MS * 8 / 10 + 1);
	assert_in_range(world.asked[0], ROUND * 125, ROUND * 170); /* 144 in a day */
	assert_int_not_equal(world.asked[0], world.asked[1]);
	assert_int_equal(report(0).bad + report(0).failed, 0);
}

static void
canaries_lie_in_the_documentation_ranges_and_differ(void **state)
{
	unsigned seen[3] = {0}, seen_ipv6[2] = {0}, distinct = 0, six;
	bool had[3][256] = {{false}};

	(void)state;
	list(0)->families = 1u << SUBJECT_IPV4;
	list(1)->families = 1u << SUBJECT_IPV6;
	adopt();
	for (unsigned i = 0; i < 600; i++) {
		const uint8_t *octet = world.last[0].octet;
		unsigned range;

		pass(HEALTH_EVERY_MS * 12 / 10);
		range = octet[0] == 192 ? 0 : octet[0] == 198 ? 1 : 2;
		assert_memory_equal(octet,
		    range == 0   ? "\xc0\x00\x02"
		    : range == 1 ? "\xc6\x33\x64"
				 : "\xcb\x00\x71",
		    3);
		assert_in_range(octet[3], 1, 254);
		seen[range]++;
		distinct += !had[range][octet[3]];
		had[range][octet[3]] = true;
		assert_int_equal(world.last[1].family, SUBJECT_IPV6);
		six = world.last[1].octet[0] == 0x20;
		assert_memory_equal(
		    world.last[1].octet, six ? "\x20\x01\x0d\xb8" : "\x3f\xff\0", six ? 4 : 3);
		seen_ipv6[six]++;
	}
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(seen[i], 100, 300);
	assert_in_range(seen_ipv6[0], 250, 350);
	assert_true(distinct > 300);
}

static void
a_list_of_ipv6_alone_has_the_test_points_of_ipv6(void **state)
{
	struct health_question question;
	struct text text;
	char name[100];
	bool found = false;

	(void)state;
	plan(1);
	list(0)->families = 1u << SUBJECT_IPV6;
	adopt();
	while (health_next(world.health, world.now_ms, &question)) {
		text_init(&text, name, sizeof name);
		subject_reverse(&question.subject, &text);
		found = found ||
			strcmp(name,
			    "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0") == 0;
	}
	assert_true(found); /* RFC 5782 5: ::FFFF:7F00:2 */
}

static void
a_list_that_lies_is_set_aside_within_one_round(void **state)
{
	static const struct {
		const struct nature *nature;
		enum health_why why;
		const char *words;
	} cases[] = {
	    {&wildcard, HEALTH_LISTS_ALL, "it lists everything: "},
	    {&sly, HEALTH_LISTS_ALL, "it lists everything: "},
	    {&inverted, HEALTH_LISTS_CLEAR, "it lists 127.0.0.1, which no list may"},
	    {&empty, HEALTH_LISTS_NOTHING, "its test point 127.0.0.2 is not listed"},
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		again(state);
		world.nature[1] = *cases[i].nature;
		adopt();
		test_lists();
		assert_true(is_out(1));
		assert_false(is_out(0) || is_out(2));
		assert_int_equal(report(1).why, cases[i].why);
		assert_memory_equal(why(1), cases[i].words, strlen(cases[i].words));
		assert_true(health_started(world.health));
	}
}

static void
one_false_answer_sets_no_list_aside(void **state)
{
	(void)state;
	adopt();
	test_lists();
	for (unsigned i = 0; i < 100; i++) {
		world.nature[0].lies = 1; /* and then none */
		pass(HEALTH_EVERY_MS * 12 / 10);
		assert_false(is_out(0));
	}
	assert_true(report(0).bad > 90);
}

static void
a_list_that_holds_one_of_the_ranges_is_no_wildcard(void **state)
{
	static const unsigned first[2][LISTS] = {{192, 198, 203}, {0x20, 0x3f, 0}};

	for (unsigned set = 0; set < 2; set++) {
		again(state);
		for (unsigned i = 0; i < LISTS; i++)
			world.nature[i].range = first[set][i];
		adopt();
		for (unsigned round = 0; round < 500; round++) {
			pass(HEALTH_EVERY_MS * 12 / 10);
			for (unsigned n = 0; n < 4; n++) /* surprises, too */
				health_saw(world.health, world.now_ms, round % 3, true);
			test_lists();
		}
		for (unsigned i = 0; i < LISTS; i++) {
			assert_true(first[set][i] == 0 || report(i).bad > 50);
			assert_false(is_out(i));
		}
	}
}

static void
a_list_that_lies_of_ipv6_alone_is_set_aside(void **state)
{
	static const struct nature half = {
	    .point = HEALTH_LISTED, .apart = true, .ipv6 = HEALTH_LISTED};

	(void)state;
	world.nature[0] = half;
	adopt();
	test_lists();
	assert_true(is_out(0));
	assert_int_equal(report(0).subject.family, SUBJECT_IPV6);
	world.nature[0] = honest;
	pass(3 * HEALTH_RETRY_MS);
	assert_false(is_out(0));
	for (unsigned i = 0; i < 1000; i++) {
		client(0, false);
		pass(1000);
	}
	world.nature[0] = half; /* a surprise asks about both families */
	client(0, true);
	client(0, true);
	assert_true(is_out(0));
}

static void
a_list_that_fails_at_ipv6_alone_is_well(void **state)
{
	unsigned asked;

	(void)state;
	world.nature[0] = (struct nature){
	    .point = HEALTH_LISTED, .canary = HEALTH_LISTED, .apart = true, .ipv6 = HEALTH_FAILED};
	adopt();
	test_lists();
	assert_true(is_out(0));
	world.nature[0].canary = HEALTH_CLEAR;
	pass(3 * HEALTH_RETRY_MS);
	assert_false(is_out(0));
	asked = world.asked[0];
	pass(DAY);
	assert_false(is_out(0));
	assert_in_range(world.asked[0] - asked, ROUND * 125, ROUND * 170); /* as one that is well */
}

static void
a_test_that_fails_says_nothing(void **state)
{
	(void)state;
	world.nature[0] = failing;
	world.nature[1].silent = true;
	adopt();
	test_lists();
	assert_false(health_started(world.health)); /* one is still waited for */
	pass(HEALTH_ROUND_MS);
	assert_true(health_started(world.health));
	pass(DAY);
	assert_false(is_out(0) || is_out(1));
	assert_int_equal(report(0).tested_ms, -1);
	assert_int_equal(report(1).tested_ms, -1);
	/* 30 s, 1, 2, 4, 8 min, then every 15 min */
	assert_in_range(world.asked[0], ROUND * 95, ROUND * 105);
	assert_int_equal(report(0).failed, world.asked[0]);
	assert_in_range(report(1).failed, ROUND * 95, world.asked[1]);
}

static void
a_late_answer_does_nothing(void **state)
{
	struct health_question first;

	(void)state;
	plan(1);
	adopt();
	assert_true(health_next(world.health, world.now_ms, &first));
	world.now_ms += HEALTH_ROUND_MS;
	test_lists(); /* the round is over */
	pass(HEALTH_RETRY_MS);
	health_heard(world.health, world.now_ms, 0, first.id, HEALTH_CLEAR);
	health_heard(world.health, world.now_ms, 0, first.id, HEALTH_CLEAR);
	health_heard(world.health, world.now_ms, 0, first.id + 3, HEALTH_LISTED);
	assert_int_equal(report(0).bad, 0);
	assert_false(is_out(0));
}

static void
only_the_tests_that_hold_for_a_list_are_put_to_it(void **state)
{
	(void)state;
	list(0)->tests = POLICY_TEST_LISTED | POLICY_TEST_CANARY; /* lists 127.0.0.1 on purpose */
	world.nature[0].clear = HEALTH_LISTED;
	list(1)->tests = POLICY_TEST_CANARY; /* knows no test points */
	world.nature[1].point = HEALTH_CLEAR;
	list(2)->tests = 0;
	world.nature[2] = wildcard;
	adopt();
	test_lists();
	assert_true(health_started(world.health));
	for (unsigned n = 0; n < 50; n++)
		for (unsigned i = 0; i < LISTS; i++)
			client(i, true);
	pass(DAY);
	for (unsigned i = 0; i < LISTS; i++)
		assert_false(is_out(i));
	assert_int_equal(world.asked[2], 0);
	world.nature[0].canary = world.nature[1].canary = HEALTH_LISTED;
	pass(HEALTH_EVERY_MS * 12 / 10);
	assert_true(is_out(0) && is_out(1));
}

/* --- release ---------------------------------------------------------------------------- */

static void
a_list_that_is_well_again_is_released_after_three_good_rounds(void **state)
{
	(void)state;
	world.nature[0] = wildcard;
	adopt();
	test_lists();
	assert_true(is_out(0));
	world.nature[0] = honest;
	pass(3 * HEALTH_RETRY_MS - 1);
	assert_true(is_out(0));
	assert_int_equal(report(0).good, 1 + ROUND + ROUND); /* 127.0.0.2 was good before */
	world.changes = 0;
	pass(1);
	assert_false(is_out(0));
	assert_int_equal(world.changes, 1);
	assert_string_equal(why(0), "");
}

static void
a_list_that_goes_on_lying_is_tested_ever_more_seldom(void **state)
{
	unsigned before;

	(void)state;
	plan(1);
	world.nature[0] = wildcard;
	adopt();
	test_lists();
	before = world.asked[0];
	pass(HEALTH_RETRY_MS * (1 + 2 + 4 + 8 + 16));
	assert_in_range(world.asked[0] - before, 5 * 2, 5 * 3);
	before = world.asked[0];
	pass(DAY);
	assert_in_range(world.asked[0] - before, 95 * 2, 97 * 3);
	assert_true(is_out(0));
}

static void
good_rounds_must_come_in_a_row_and_failures_are_none(void **state)
{
	(void)state;
	world.nature[0] = wildcard;
	adopt();
	test_lists();
	for (unsigned i = 0; i < 20; i++) {
		world.nature[0] = honest;
		pass(2 * HEALTH_RETRY_MS); /* at most two rounds */
		world.nature[0] = wildcard;
		pass(HEALTH_RETRY_MS);
		world.nature[0] = failing;
		pass(HEALTH_RETRY_MAX_MS);
		assert_true(is_out(0));
		world.nature[0] = wildcard;
		pass(HEALTH_RETRY_MAX_MS);
	}
	assert_true(is_out(0));
}

static void
release_by_hand_holds_until_the_next_bad_round(void **state)
{
	(void)state;
	world.nature[0] = wildcard;
	adopt();
	test_lists();
	health_release(world.health, world.now_ms, 0);
	assert_false(is_out(0));
	pass(HEALTH_RETRY_MS - 1);
	assert_false(is_out(0));
	pass(1);
	assert_true(is_out(0));
	health_release(world.health, world.now_ms, 1); /* of one that is well: nothing */
	assert_false(is_out(1));
}

static void
a_list_held_by_hand_is_not_tested_and_comes_back_as_it_was(void **state)
{
	unsigned asked;

	(void)state;
	adopt();
	test_lists();
	health_hold(world.health, world.now_ms, 0, true);
	assert_true(is_out(0) && report(0).held);
	asked = world.asked[0];
	pass(DAY);
	client(0, true);
	assert_true(is_out(0));
	assert_int_equal(world.asked[0], asked);
	health_policy(world.health, world.now_ms, world.policy); /* a reload does not end it */
	test_lists();
	assert_true(is_out(0));
	assert_int_equal(world.asked[0], asked);
	health_hold(world.health, world.now_ms, 0, false);
	assert_false(is_out(0));
	test_lists();
	assert_int_equal(world.asked[0], asked + ROUND);
}

static void
a_reload_keeps_what_is_known_and_tests_anew(void **state)
{
	(void)state;
	world.nature[0] = wildcard;
	adopt();
	test_lists();
	assert_true(is_out(0));
	plan(2);
	adopt();
	assert_true(is_out(0));
	test_lists();
	assert_int_equal(world.asked[1], 2 * ROUND);
	assert_int_equal(world.asked[2], ROUND); /* in no zone any more */
	health_saw(world.health, world.now_ms, 2, true);
	plan(3);
	list(0)->tests = 0;
	adopt();
	assert_false(is_out(0));                    /* nothing could ever release it */
	assert_false(health_started(world.health)); /* the third is a new one */
	test_lists();
	assert_true(health_started(world.health));
}

/* A policy that was read, and is about to be in force. */
static void
expect_lists(void)
{
	static const uint64_t none[BITS_WORDS(EVIDENCE_LISTS_MAX)];

	compile();
	health_expect(world.health, world.policy, none);
}

static void
a_list_that_comes_later_counts_when_it_has_been_tested(void **state)
{
	(void)state;
	plan(1);
	adopt();
	test_lists();
	plan(3);
	list(2)->tests = 0;
	world.nature[1].silent = true;
	world.changes = 0;
	expect_lists();
	assert_true(is_out(1) && report(1).untested && world.changes == 1);
	assert_string_equal(why(1), "its first tests are not over");
	assert_false(is_out(0) || is_out(2)); /* known; not to be tested */
	adopt();
	test_lists();
	adopt(); /* the same once more: it is as untested as before */
	test_lists();
	assert_true(is_out(1));
	pass(HEALTH_ROUND_MS);
	assert_false(is_out(1) || report(1).untested); /* silence is no lie */
	assert_string_equal(why(1), "");
}

static void
a_list_that_comes_later_and_lies_never_counts(void **state)
{
	(void)state;
	plan(1);
	adopt();
	test_lists();
	plan(2);
	world.nature[1] = wildcard;
	expect_lists();
	adopt();
	assert_true(is_out(1));
	test_lists();
	assert_true(is_out(1) && !report(1).untested);
	assert_memory_equal(why(1), "it lists everything: ", 21);
}

static void
a_policy_that_does_not_come_leaves_nothing_behind(void **state)
{
	(void)state;
	plan(2);
	expect_lists();
	assert_true(is_out(0) && is_out(1));
	plan(1);
	expect_lists();
	assert_true(is_out(0) && !is_out(1));
	adopt();
	test_lists();
	assert_false(is_out(0) || is_out(1));
	plan(2);
	expect_lists();
	adopt();
	assert_true(is_out(1));
	plan(1);
	adopt(); /* it is gone again before it was tested */
	assert_false(is_out(1));
}

/* Of a policy that is about to be in force, the first lists are asked elsewhere. */
static void
expect_moved(uint64_t first)
{
	const uint64_t moved[BITS_WORDS(EVIDENCE_LISTS_MAX)] = {first};

	compile();
	health_expect(world.health, world.policy, moved);
}

static void
a_list_that_moves_is_another_list(void **state)
{
	(void)state;
	world.nature[0] = wildcard;
	adopt();
	test_lists();
	assert_true(is_out(0) && !is_out(1) && !is_out(2));
	plan(3);
	list(2)->tests = 0;
	expect_moved(7);
	assert_true(is_out(0) && is_out(1) && is_out(2)); /* until it is in force, at least */
	world.nature[0] = honest;
	world.nature[1] = wildcard;
	adopt();
	assert_true(is_out(0) && report(0).untested && report(0).why == HEALTH_WELL);
	assert_true(is_out(1) && report(1).untested);
	assert_false(is_out(2)); /* not to be tested */
	test_lists();
	assert_false(is_out(0) || report(0).untested);
	assert_true(is_out(1) && report(1).why == HEALTH_LISTS_ALL);
}

static void
a_list_that_does_not_move_after_all_is_what_it_was(void **state)
{
	(void)state;
	world.nature[0] = wildcard;
	adopt();
	test_lists();
	health_hold(world.health, world.now_ms, 2, true);
	expect_moved(7);
	assert_true(is_out(0) && is_out(1) && is_out(2));
	expect_lists();
	assert_true(is_out(0) && !is_out(1) && is_out(2));
	assert_int_equal(report(0).why, HEALTH_LISTS_ALL);
	adopt();
	assert_true(is_out(0) && !is_out(1) && is_out(2));
}

/* --- the hit rate ----------------------------------------------------------------------- */

/* Answers to clients, `percent` of them listings, a second apart. */
static void
live(struct chance *chance, unsigned count, unsigned percent)
{
	for (unsigned i = 0; i < count; i++) {
		client(0, chance_below(chance, 100) < percent);
		pass(1000);
	}
}

static void
a_list_that_turns_wildcard_is_found_out_by_its_first_answers(void **state)
{
	static const struct {
		unsigned percent, most;
	} cases[] = {{0, 2}, {5, 3}, {20, 6}, {50, 14}, {80, 45}};
	struct chance chance = {3};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		unsigned wrong = 0;

		again(state);
		adopt();
		live(&chance, 5000, cases[i].percent);
		assert_false(is_out(0));
		pass(60000); /* past the pause after the last surprise */
		client(0, false);
		world.nature[0] = sly;
		while (!is_out(0)) {
			client(0, true);
			wrong++;
			assert_true(wrong <= cases[i].most);
		}
	}
}

static void
a_new_list_without_a_habit_is_found_out_too(void **state)
{
	unsigned wrong = 0;

	(void)state;
	adopt();
	test_lists();
	world.nature[0] = sly;
	while (!is_out(0)) {
		client(0, true);
		assert_true(++wrong <= 5);
	}
}

static void
surprises_cost_few_questions(void **state)
{
	static const unsigned percents[] = {1, 5, 10, 20, 50, 80, 95, 100};
	struct chance chance = {5};

	for (unsigned i = 0; i < COUNT(percents); i++) {
		unsigned before;

		again(state);
		adopt();
		pass(HEALTH_EVERY_MS * 2);
		before = world.canaries[0];
		live(&chance, 20000, percents[i]);
		/* 33 regular rounds, and a pair for 1 in 100 answers at the most */
		assert_in_range(world.canaries[0] - before, 20, 45 + 400);
	}
}

static double
swing(unsigned i)
{
	unsigned at = i % 20000; /* a day of 20,000 clients: a triangle of -1 to 1 */

	return at < 10000 ? at / 5000.0 - 1 : 3 - at / 5000.0;
}

static bool
strikes(struct chance *chance, double share)
{
	return chance_below(chance, 1000000) < share * 1e6;
}

/* A million clients of three lists of 80, 50 and 5 %, all swinging with the day by a fifth. */
static void
a_good_list_is_never_suspended_by_day_or_night(void **state)
{
	static const double shares[LISTS] = {0.8, 0.5, 0.05};
	struct chance chance = {7};

	(void)state;
	adopt();
	test_lists();
	for (unsigned i = 0; i < 1000000; i++) {
		for (unsigned n = 0; n < LISTS; n++) {
			health_saw(world.health, world.now_ms, n,
			    strikes(&chance, shares[n] * (1 + 0.2 * swing(i))));
			assert_false(health_distrusts(world.health, n));
		}
		world.now_ms += 4320;
		if (i % 16 == 0)
			test_lists();
	}
	assert_int_equal(report(0).bad + report(1).bad + report(2).bad, 0);
}

/* Deny lists of 30 and 10 %, an allow list of 20 %; then 5,000 bots that the first knows all. */
static void
a_wave_of_spam_suspends_no_list(void **state)
{
	static const double calm[LISTS] = {0.3, 0.1, 0.2}, wave[LISTS] = {0.98, 0.4, 0.01};
	struct chance chance = {11};

	(void)state;
	adopt();
	for (unsigned waves = 0; waves < 5; waves++)
		for (unsigned i = 0; i < 10000; i++) {
			for (unsigned n = 0; n < LISTS; n++)
				client(n, strikes(&chance, i < 5000 ? calm[n] : wave[n]));
			assert_false(is_out(0) || is_out(1) || is_out(2));
			pass(500);
		}
}

/* It knows our canaries: only the hit rate gives it away. */
static unsigned
lie_with_clean_canaries(struct chance *chance, double share)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < 5000; i++) {
		client(0, strikes(chance, share));
		client(1, strikes(chance, 0.3));
		pass(500);
	}
	assert_false(is_out(0) || is_out(1));
	for (; !is_out(0) && wrong < 1000; wrong++) {
		client(0, true);
		client(1, strikes(chance, 0.3));
		pass(500);
	}
	return wrong;
}

static void
a_list_that_lies_to_clients_only_is_suspended_by_its_hit_rate(void **state)
{
	struct chance chance = {13};

	for (unsigned percent = 0; percent <= 40; percent += 10) {
		unsigned wrong;

		again(state);
		adopt();
		wrong = lie_with_clean_canaries(&chance, percent / 100.0);
		assert_in_range(wrong, HABIT_WINDOW / 2, HABIT_WINDOW + 100);
		assert_false(is_out(1));
		assert_int_equal(report(0).why, HEALTH_ABSURD);
		assert_int_equal(report(0).bad, 0);
		assert_true(
		    strstr(why(0), " of its last 256 clients, against a habit of ") != NULL);
	}
}

static void
a_suspension_ends_after_its_time_and_comes_back_sooner_if_nothing_has_changed(void **state)
{
	struct chance chance = {17};
	unsigned wrong = 0;

	(void)state;
	adopt();
	(void)lie_with_clean_canaries(&chance, 0.2);
	pass(HEALTH_SUSPEND_MS - 1000);
	assert_true(is_out(0));
	pass(1000);
	assert_false(is_out(0));
	for (; !is_out(0); wrong++) {
		assert_true(wrong < 21);
		client(0, true);
		client(1, strikes(&chance, 0.3));
	}
	pass(2 * HEALTH_SUSPEND_MS - 1000);
	assert_true(is_out(0));
	pass(1000);
	assert_false(is_out(0));
	live(&chance, 3000, 20); /* well again */
	assert_false(is_out(0));
}

static void
without_a_witness_no_hit_rate_is_absurd(void **state)
{
	(void)state;
	plan(1);
	adopt();
	for (unsigned i = 0; i < 3000; i++)
		client(0, false);
	for (unsigned i = 0; i < 3000; i++)
		client(0, true);
	assert_false(is_out(0));
	assert_true(world.canaries[0] > 2); /* it was suspected */
}

static void
answers_of_a_list_that_is_set_aside_leave_its_habit_alone(void **state)
{
	(void)state;
	world.nature[0] = wildcard;
	adopt();
	test_lists();
	for (unsigned i = 0; i < 1000; i++)
		client(0, true);
	world.nature[0] = honest;
	pass(HEALTH_RETRY_MAX_MS);
	assert_false(is_out(0));
	world.nature[0] = sly;
	for (unsigned i = 0; i < 5; i++)
		client(0, true); /* no habit: five are rare */
	assert_true(is_out(0));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest health[] = {
	    TEST(each_list_is_tested_at_the_start_and_then_about_every_ten_minutes),
	    TEST(canaries_lie_in_the_documentation_ranges_and_differ),
	    TEST(a_list_of_ipv6_alone_has_the_test_points_of_ipv6),
	    TEST(a_list_that_lies_is_set_aside_within_one_round),
	    TEST(one_false_answer_sets_no_list_aside),
	    TEST(a_list_that_holds_one_of_the_ranges_is_no_wildcard),
	    TEST(a_list_that_lies_of_ipv6_alone_is_set_aside),
	    TEST(a_list_that_fails_at_ipv6_alone_is_well),
	    TEST(a_test_that_fails_says_nothing),
	    TEST(a_late_answer_does_nothing),
	    TEST(only_the_tests_that_hold_for_a_list_are_put_to_it),
	    TEST(a_list_that_is_well_again_is_released_after_three_good_rounds),
	    TEST(a_list_that_goes_on_lying_is_tested_ever_more_seldom),
	    TEST(good_rounds_must_come_in_a_row_and_failures_are_none),
	    TEST(release_by_hand_holds_until_the_next_bad_round),
	    TEST(a_list_held_by_hand_is_not_tested_and_comes_back_as_it_was),
	    TEST(a_reload_keeps_what_is_known_and_tests_anew),
	    TEST(a_list_that_comes_later_counts_when_it_has_been_tested),
	    TEST(a_list_that_comes_later_and_lies_never_counts),
	    TEST(a_policy_that_does_not_come_leaves_nothing_behind),
	    TEST(a_list_that_moves_is_another_list),
	    TEST(a_list_that_does_not_move_after_all_is_what_it_was),
	    TEST(a_list_that_turns_wildcard_is_found_out_by_its_first_answers),
	    TEST(a_new_list_without_a_habit_is_found_out_too),
	    TEST(surprises_cost_few_questions),
	    TEST(a_good_list_is_never_suspended_by_day_or_night),
	    TEST(a_wave_of_spam_suspends_no_list),
	    TEST(a_list_that_lies_to_clients_only_is_suspended_by_its_hit_rate),
	    TEST(a_suspension_ends_after_its_time_and_comes_back_sooner_if_nothing_has_changed),
	    TEST(without_a_witness_no_hit_rate_is_absurd),
	    TEST(answers_of_a_list_that_is_set_aside_leave_its_habit_alone),
	};

	return cmocka_run_group_tests_name("health", health, NULL, NULL);
}
