/* The rules by which lists void one another's weights, one by one; test_oracle.c mixes them. */
#include "aggregate/share.h"

#include "aggregate/compile.h"
#include "aggregate/verdict.h"
#include "tests/unit/unit.h"
#include "tests/unit/zone.h"

#define NOW 5000u

static struct policy *policy;
static struct evidence_book *book;
static struct policy_zone *zone;
static struct evidence evidence[EVIDENCE_LISTS_MAX];
static struct share share[EVIDENCE_LISTS_MAX];
static struct subject subject;

static int
open_zone(void **state)
{
	(void)state;
	policy = policy_open();
	book = evidence_book_open();
	if (policy == NULL || book == NULL)
		return -1;
	zone = make_zone(policy, "bl.example");
	make_grade(zone, 4, 0x7f000002);
	memset(evidence, 0, sizeof evidence);
	return subject_parse("192.0.2.1", &subject) ? 0 : -1;
}

static int
close_zone(void **state)
{
	(void)state;
	policy_close(policy);
	evidence_book_close(book);
	return 0;
}

static void
compile(const char *const *site, size_t sites)
{
	for (size_t i = 0; i < sites; i++)
		make_site(policy, zone, site[i]);
	assert_true(compile_policy(policy, book));
}

/* What the list at this place of the zone said: addresses, "" for clear, NULL for unknown. */
static void
say(size_t i, const char *addresses)
{
	unsigned list = zone->list[i].list->number;
	struct evidence said = {.said = EVIDENCE_CLEAR, .expires = NOW + 10 * ((uint32_t)i + 1)};
	struct answers answers;

	if (addresses == NULL) {
		said.said = EVIDENCE_TIMEOUT;
	} else if (addresses[0] != '\0') {
		answers = make_answers(addresses);
		said.said = evidence_intern(book, list, &answers);
	}
	evidence[list] = said;
}

static struct verdict
decide(const struct exception *score)
{
	struct verdict verdict;

	verdict_decide(zone, &subject, score, book, evidence, NOW, 0, &verdict);
	share_out(zone, &subject, book, evidence, share);
	return verdict;
}

/* Hostkarma's codes: 2 black, 3 yellow (neutral), 1 white; two other lists beside it. */
#define NEUTRAL_SITES                                                                              \
	"karma.example=127.0.0.3*0!", "karma.example=127.0.0.2*3", "karma.example=127.0.0.1*-2",   \
	    "deny.example*4", "mixed.example=127.0.0.2*5", "mixed.example=127.0.0.9*-1"

static const struct {
	const char *karma, *deny, *mixed; /* as in say() */
	int32_t score, low, high;
} neutral[] = {
    {"", "127.0.0.2", "127.0.0.2", 9, 9, 9},
    /* yellow: no positive weight counts, negative ones do */
    {"127.0.0.3", "127.0.0.2", "127.0.0.2", 0, 0, 0},
    {"127.0.0.3", "127.0.0.2", "127.0.0.2 127.0.0.9", -1, -1, -1},
    {"127.0.0.3", "", "", 0, 0, 0},
    /* nor do those of the list itself, and its negative ones do */
    {"127.0.0.2 127.0.0.3", "127.0.0.2", "", 0, 0, 0},
    {"127.0.0.1 127.0.0.2 127.0.0.3", "127.0.0.2", "", -2, -2, -2},
    /* others of its codes cancel nothing */
    {"127.0.0.2", "127.0.0.2", "", 7, 7, 7},
    {"127.0.0.1", "127.0.0.2", "", 2, 2, 2},
    /* an error code beside yellow makes the list unknown: it may still cancel, or not */
    {"127.0.0.3 127.255.255.254", "127.0.0.2", "", 4, -2, 7},
    /* as long as it is silent all positive weights are in doubt */
    {NULL, "127.0.0.2", "127.0.0.2", 9, -2, 12},
    {NULL, "127.0.0.2", "127.0.0.2 127.0.0.9", 8, -3, 11},
    {NULL, NULL, NULL, 0, -3, 12},
    /* once it has cancelled, the others can only take away */
    {"127.0.0.3", NULL, "127.0.0.2", 0, 0, 0},
    {"127.0.0.3", NULL, NULL, 0, -1, 0},
    {"", NULL, NULL, 0, -1, 9},
};

static void
a_neutral_site_voids_every_positive_weight_and_no_negative_one(void **state)
{
	static const char *const site[] = {NEUTRAL_SITES};

	(void)state;
	compile(site, COUNT(site));
	for (size_t i = 0; i < COUNT(neutral); i++) {
		struct verdict verdict;

		say(0, neutral[i].karma);
		say(1, neutral[i].deny);
		say(2, neutral[i].mixed);
		verdict = decide(NULL);
		if (verdict.score != neutral[i].score || verdict.low != neutral[i].low ||
		    verdict.high != neutral[i].high)
			fail_msg(
			    "row %zu: %d in %d..%d", i, verdict.score, verdict.low, verdict.high);
	}
}

static void
what_a_neutral_site_voids_is_told_with_its_list(void **state)
{
	static const char *const site[] = {NEUTRAL_SITES};
	struct verdict verdict;

	(void)state;
	compile(site, COUNT(site));
	say(0, "127.0.0.3");
	say(1, "127.0.0.2");
	say(2, "127.0.0.2 127.0.0.9");
	verdict = decide(NULL);
	assert_int_equal(verdict.state, VERDICT_CLEAR);
	assert_int_equal(verdict.counted[0], 0);
	assert_int_equal(verdict.ttl, 10);
	assert_true(share[0].cancels && share[0].fate == SHARE_WHOLE);
	assert_int_equal(share[0].matched, 1);
	assert_int_equal(share[1].fate, SHARE_CANCELLED);
	assert_int_equal(share[1].by, 0);
	assert_int_equal(share[1].weight, 4);
	assert_int_equal(share[1].adds[SHARE_SCORE], 0);
	assert_int_equal(share[2].fate, SHARE_CANCELLED);
	assert_int_equal(share[2].weight, 4);
	assert_int_equal(share[2].adds[SHARE_SCORE], -1);
	/* a list that is absent cancels nothing */
	evidence[zone->list[0].list->number].said = EVIDENCE_ABSENT;
	verdict = decide(NULL);
	assert_int_equal(verdict.score, 8);
	assert_false(share[0].asked);
	assert_int_equal(share[1].fate, SHARE_WHOLE);
}

static void
what_the_operator_adds_is_not_cancelled(void **state)
{
	static const char *const site[] = {NEUTRAL_SITES};
	struct exception score = {.action = EXCEPTION_SCORE, .score = 5};
	struct verdict verdict;

	(void)state;
	compile(site, COUNT(site));
	say(0, "127.0.0.3");
	say(1, "127.0.0.2");
	say(2, "");
	verdict = decide(&score);
	assert_int_equal(verdict.state, VERDICT_LISTED);
	assert_int_equal(verdict.score, 5);
	/* the answer hangs on the list that cancels, and on no other */
	assert_int_equal(verdict.ttl, 10);
	assert_int_equal(verdict.counted[0], 0);
	score.score = 2;
	assert_int_equal(decide(&score).state, VERDICT_CLEAR);
}

static void
a_neutral_site_that_nothing_can_match_leaves_no_doubt(void **state)
{
	struct verdict verdict;

	(void)state;
	make_list(policy, "karma.example", "127.0.0.2", "127.0.0.3");
	make_site(policy, zone, "karma.example=127.0.0.3*0!");
	make_site(policy, zone, "karma.example*1");
	make_site(policy, zone, "deny.example*4");
	assert_true(compile_policy(policy, book));
	assert_false(zone->list[0].may_cancel);
	say(0, NULL);
	say(1, "127.0.0.2");
	verdict = decide(NULL);
	assert_int_equal(verdict.state, VERDICT_LISTED);
	assert_int_equal(verdict.low, 4);
	assert_int_equal(verdict.high, 5);
}

static void
a_site_that_never_comes_without_a_neutral_one_adds_nothing(void **state)
{
	(void)state;
	make_site(policy, zone, "karma.example=127.0.0.[2..3]*0!");
	make_site(policy, zone, "karma.example=127.0.0.2*4");
	make_site(policy, zone, "karma.example=127.0.0.3*-4");
	make_site(policy, zone, "karma.example=127.0.0.9*1");
	assert_true(compile_policy(policy, book));
	assert_int_equal(zone->list[0].low, 0);
	assert_int_equal(zone->list[0].high, 1);
	assert_int_equal(zone->list[0].lowest, -4);
	assert_true(zone->list[0].may_cancel);
}

/* zen contains sbl and xbl; sbl contains drop; other stands beside them */
#define PART_SITES                                                                                 \
	"drop.example*2", "sbl.example*3", "other.example*1", "zen.example=127.0.0.2*3",           \
	    "zen.example=127.0.0.4*1", "xbl.example=127.0.0.[2..8]*4", "zen.example=127.0.0.9*-2", \
	    "xbl.example=127.0.0.9*-5"

static void
make_parts(void)
{
	static const char *const site[] = {PART_SITES};

	for (size_t i = 0; i < COUNT(site); i++)
		make_site(policy, zone, site[i]);
	policy_list_find(policy, "sbl.example")->part_of = policy_list_find(policy, "zen.example");
	policy_list_find(policy, "xbl.example")->part_of = policy_list_find(policy, "zen.example");
	policy_list_find(policy, "drop.example")->part_of = policy_list_find(policy, "sbl.example");
	assert_true(compile_policy(policy, book));
}

/* What drop, sbl, other, zen and xbl said, and what of it counts. */
static const struct {
	const char *said[5];
	int32_t adds[5], low, high;
} once[] = {
    {{"127.0.0.2", "", "", "", ""}, {2, 0, 0, 0, 0}, 2, 2},
    {{"127.0.0.2", "127.0.0.2", "127.0.0.2", "", ""}, {0, 3, 1, 0, 0}, 4, 4},
    /* of equals the one that contains the other */
    {{"127.0.0.2", "127.0.0.2", "", "127.0.0.2", ""}, {0, 0, 0, 3, 0}, 3, 3},
    {{"", "127.0.0.2", "", "127.0.0.2", "127.0.0.4"}, {0, 0, 0, 0, 4}, 4, 4},
    /* the weights of one list add up before */
    {{"127.0.0.2", "", "127.0.0.2", "127.0.0.2 127.0.0.4", "127.0.0.2"}, {0, 0, 1, 4, 0}, 5, 5},
    /* the most and the least */
    {{"127.0.0.2", "", "", "127.0.0.9", ""}, {2, 0, 0, -2, 0}, 0, 0},
    {{"127.0.0.2", "", "", "127.0.0.9", "127.0.0.9"}, {2, 0, 0, 0, -5}, -3, -3},
    /* what is unknown can still take the place of what counts */
    {{NULL, "127.0.0.2", "", "", ""}, {0, 3, 0, 0, 0}, 3, 3},
    {{"127.0.0.2", NULL, "", "", ""}, {2, 0, 0, 0, 0}, 2, 3},
    {{"127.0.0.2", "127.0.0.2", "", "", NULL}, {0, 3, 0, 0, 0}, -2, 4},
    {{"127.0.0.2", "", "", NULL, ""}, {2, 0, 0, 0, 0}, 0, 4},
    {{"127.0.0.2", "", NULL, NULL, NULL}, {2, 0, 0, 0, 0}, -3, 5},
};

static void
lists_that_contain_one_another_count_once(void **state)
{
	(void)state;
	make_parts();
	for (size_t i = 0; i < COUNT(once); i++) {
		struct verdict verdict;

		for (size_t j = 0; j < COUNT(once[i].said); j++)
			say(j, once[i].said[j]);
		verdict = decide(NULL);
		for (size_t j = 0; j < COUNT(once[i].said); j++)
			if (share[j].adds[SHARE_SCORE] != once[i].adds[j])
				fail_msg("row %zu, %zu: %d", i, j, share[j].adds[SHARE_SCORE]);
		if (verdict.low != once[i].low || verdict.high != once[i].high)
			fail_msg("row %zu: %d..%d", i, verdict.low, verdict.high);
	}
}

static void
what_does_not_count_beside_another_is_told_with_its_list(void **state)
{
	struct verdict verdict;

	(void)state;
	make_parts();
	say(0, "127.0.0.2");
	say(1, "127.0.0.2");
	say(2, "127.0.0.2");
	say(3, "127.0.0.2");
	say(4, "");
	verdict = decide(NULL);
	assert_int_equal(verdict.state, VERDICT_LISTED);
	assert_int_equal(verdict.score, 4);
	assert_int_equal(verdict.counted[0], 1u << 2 | 1u << 3);
	assert_int_equal(verdict.ttl, 30); /* of other and zen: nothing hangs on drop and sbl */
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(share[i].fate, SHARE_ONCE);
		assert_int_equal(share[i].by, 3);
		assert_int_equal(share[i].weight, 2 + (int32_t)i);
	}
	assert_int_equal(share[3].fate, SHARE_WHOLE);
}

static void
only_a_list_that_the_zone_names_takes_others_in(void **state)
{
	struct policy_list *zen = make_list(policy, "zen.example", "127.0.0.2", "");

	(void)state;
	make_site(policy, zone, "drop.example");
	make_site(policy, zone, "xbl.example");
	make_site(policy, zone, "sbl.example");
	policy_list_find(policy, "sbl.example")->part_of = zen;
	policy_list_find(policy, "xbl.example")->part_of = zen;
	policy_list_find(policy, "drop.example")->part_of = policy_list_find(policy, "sbl.example");
	assert_true(compile_policy(policy, book));
	assert_int_equal(zone->list[0].whole, 2);
	assert_int_equal(zone->list[1].whole, 1);
	assert_int_equal(zone->list[2].whole, 2);
	assert_true(zone->joint);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_neutral_site_voids_every_positive_weight_and_no_negative_one, open_zone,
		close_zone),
	    cmocka_unit_test_setup_teardown(
		what_a_neutral_site_voids_is_told_with_its_list, open_zone, close_zone),
	    cmocka_unit_test_setup_teardown(
		what_the_operator_adds_is_not_cancelled, open_zone, close_zone),
	    cmocka_unit_test_setup_teardown(
		a_neutral_site_that_nothing_can_match_leaves_no_doubt, open_zone, close_zone),
	    cmocka_unit_test_setup_teardown(
		a_site_that_never_comes_without_a_neutral_one_adds_nothing, open_zone, close_zone),
	    cmocka_unit_test_setup_teardown(
		lists_that_contain_one_another_count_once, open_zone, close_zone),
	    cmocka_unit_test_setup_teardown(
		what_does_not_count_beside_another_is_told_with_its_list, open_zone, close_zone),
	    cmocka_unit_test_setup_teardown(
		only_a_list_that_the_zone_names_takes_others_in, open_zone, close_zone),
	};

	return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
