/* Weights that lists have earned: a policy with them is as one that was written with them. */
#include "aggregate/compile.h"
#include "aggregate/earned.h"
#include "aggregate/hearing.h"
#include "aggregate/verdict.h"
#include "tests/unit/excepting.h"
#include "tests/unit/files.h"
#include "tests/unit/zone.h"

#define NOW (20000u * TRUST_DAY)
#define SITES 7

static struct evidence_book *book;

static int
open_all(void **state)
{
	(void)state;
	files_open(&files);
	book = evidence_book_open();
	return book == NULL ? -1 : 0;
}

static int
close_all(void **state)
{
	(void)state;
	files_close(&files);
	evidence_book_close(book);
	return 0;
}

/* --- the same answers as a policy that was written so ------------------------------------ */

/* What a site is but for its weight; the last but one is neutral, and c is a part of b. */
static const char *const sites[SITES] = {"a.example=127.0.0.[2..4]", "a.example=127.0.0.[3;9]",
    "b.example", "w.example", "c.example", "k.example=127.0.0.3", "k.example=127.0.0.2"};

static struct policy *
build(const int32_t weight[SITES], int32_t threshold, bool adapt)
{
	struct policy *policy = policy_open();
	struct policy_zone *zone = make_zone(policy, "bl.example");

	for (unsigned i = 0; i < SITES; i++) {
		char site[60];

		(void)snprintf(
		    site, sizeof site, "%s*%d%s", sites[i], weight[i], i == 5 ? "!" : "");
		make_site(policy, zone, site);
	}
	policy_list_find(policy, "c.example")->part_of = policy_list_find(policy, "b.example");
	zone->threshold = threshold;
	make_grade(zone, threshold, 0x7f000002u);
	make_grade(zone, threshold + 4, 0x7f000003u);
	zone->adapt = adapt;
	assert_true(compile_policy(policy, book));
	return policy;
}

static void
draw_evidence(struct chance *chance, const struct policy *policy, struct evidence *evidence)
{
	memset(evidence, 0, EVIDENCE_LISTS_MAX * sizeof *evidence);
	for (size_t i = 0; i < policy->lists; i++) {
		struct evidence *said = &evidence[policy->list[i]->number];
		struct answers answers = {0};

		said->expires = 1000 + chance_below(chance, 100);
		said->said = (uint16_t)chance_below(chance, EVIDENCE_DIVERSE);
		for (unsigned j = chance_below(chance, 3); j > 0; j--)
			(void)answers_add(&answers, 0x7f000002u + chance_below(chance, 9));
		if (answers.count > 0)
			said->said = evidence_intern(book, policy->list[i]->number, &answers);
	}
}

static void
compare(struct chance *chance, const struct policy *left, const struct policy *right)
{
	static struct verdict a, b;
	const struct subject subject = make_subject("192.0.2.1");
	struct evidence evidence[EVIDENCE_LISTS_MAX];

	for (size_t i = 0; i < left->zone[0]->lists; i++) {
		const struct policy_zone_list *l = &left->zone[0]->list[i];
		const struct policy_zone_list *r = &right->zone[0]->list[i];

		assert_true(l->low == r->low && l->high == r->high && l->lowest == r->lowest &&
			    l->may_cancel == r->may_cancel);
	}
	for (unsigned i = 0; i < 40; i++) {
		draw_evidence(chance, left, evidence);
		memset(&a, 0, sizeof a);
		memset(&b, 0, sizeof b);
		verdict_decide(left->zone[0], &subject, NULL, book, evidence, 900, 0, &a);
		verdict_decide(right->zone[0], &subject, NULL, book, evidence, 900, 0, &b);
		assert_memory_equal(&a, &b, sizeof a);
	}
}

static void
draw_weights(struct chance *chance, int32_t weight[SITES])
{
	for (unsigned i = 0; i < SITES; i++)
		weight[i] = i == 5 ? 0 : chance_from(chance, i == 3 ? -6 : 1, i == 3 ? -1 : 6);
}

static void
a_policy_with_earned_weights_answers_as_one_that_was_written_with_them(void **state)
{
	struct chance chance = {11};

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		int32_t before[SITES], after[SITES], threshold = chance_from(&chance, 1, 9);
		struct policy *operators, *written, *adapted;
		struct earned earned = {0};

		draw_weights(&chance, before);
		draw_weights(&chance, after);
		operators = build(before, threshold, true);
		written = build(after, threshold, true);
		compare(&chance, operators, operators); /* it remembers what its sets weigh */
		for (uint32_t i = 0; i < SITES; i++)
			assert_true(earned_add(
			    &earned, &(struct earned_weight){.site = i, .weight = after[i]}));
		adapted = earned_policy(operators, &earned);
		assert_non_null(adapted);
		compare(&chance, adapted, written);
		assert_int_equal(operators->zone[0]->site[2].weight, before[2]);
		earned_close(adapted, operators);
		earned_free(&earned);
		policy_close(operators);
		policy_close(written);
	}
}

static void
without_adapt_nothing_is_another_s_and_nothing_moves(void **state)
{
	const int32_t weight[SITES] = {3, 1, 3, -2, 1, 0, 4};
	struct policy *fixed = build(weight, 4, false), *copy;
	struct earned earned = {0};

	(void)state;
	assert_false(earned_any(fixed));
	assert_true(earned_add(&earned, &(struct earned_weight){.site = 2, .weight = 1}));
	copy = earned_policy(fixed, &earned);
	assert_ptr_equal(copy->zone[0], fixed->zone[0]); /* to the last bit: it is the same one */
	earned_close(copy, fixed);
	earned_free(&earned);
	policy_close(fixed);
}

/* --- what is earned --------------------------------------------------------------------- */

/* So many hosts, of which `testimony` was said, are spam or ham in the words of five users. */
static void
report(bool spam, unsigned first, unsigned hosts, const char *testimony)
{
	struct ledger *ledger = ledger_open(files.directory, STORE_WRITE);
	bool again;

	for (unsigned i = 0; i < 5 * hosts; i++) {
		struct recommendation made = {
		    .kind = spam ? TRUST_SPAM : TRUST_HAM, .when = NOW, .who = "root"};
		char subject[32];

		(void)snprintf(subject, sizeof subject, "198.18.%u.%u", (first + i / 5) / 250,
		    (first + i / 5) % 250);
		made.subject = make_subject(subject);
		(void)snprintf(made.by, sizeof made.by, "user%u", i % 5);
		(void)snprintf(made.testimony, sizeof made.testimony, "%s", testimony);
		assert_true(ledger_add(ledger, &made));
	}
	assert_true(ledger_commit(ledger, &again));
	ledger_close(ledger);
}

/* The effective weight of each site of each zone, as "3 -2 1"; the policy is closed. */
static void
expect(struct policy *policy, const char *weights)
{
	struct ledger *ledger = ledger_open(files.directory, STORE_READ);
	struct trust *trust = ledger_trust(ledger, NOW + 1);
	struct earned earned = {0};
	struct policy *adapted;
	char said[400];
	struct text text;

	text_init(&text, said, sizeof said);
	assert_true(compile_policy(policy, book));
	assert_true(earned_find(policy, ledger, trust, &earned));
	adapted = earned_policy(policy, &earned);
	for (size_t i = 0; i < adapted->zones; i++)
		for (size_t j = 0; j < adapted->zone[i]->sites; j++)
			text_add_format(&text, "%s%d", text.length > 0 ? " " : "",
			    adapted->zone[i]->site[j].weight);
	assert_string_equal(said, weights);
	earned_close(adapted, policy);
	earned_free(&earned);
	trust_close(trust);
	ledger_close(ledger);
	policy_close(policy);
}

static struct policy_zone *
adapting_zone(struct policy *policy, const char *name, int32_t threshold)
{
	struct policy_zone *zone = make_zone(policy, name);

	zone->adapt = true;
	make_grade(zone, threshold, 0x7f000002u);
	return zone;
}

static void
zones_that_sound_alike_move_within_their_own_bands_and_kinds(void **state)
{
	struct policy *policy = policy_open();
	const char *const names[] = {"bl.example", "u1.bl.example", "wl.example", "off.example"};

	(void)state;
	report(false, 0, 40, "a.example=127.0.0.2 b.example=clear w.example=127.0.0.3");
	for (unsigned i = 0; i < 4; i++) {
		struct policy_zone *zone = adapting_zone(policy, names[i], 100);

		make_site(policy, zone, "a.example*10");
		make_site(policy, zone, "w.example*-10");
		zone->adapt_band = i == 1 ? 20 : 50;
		zone->kind = i == 2 ? POLICY_ALLOW : POLICY_BLOCK;
		zone->adapt = i != 3;
	}
	/* with 40 of 40 it is not yet sure enough that w is better than 99 %; a is bad */
	expect(policy, "5 -10 8 -10 10 -5 10 -10");
}

static void
no_list_decides_alone_by_what_it_gained(void **state)
{
	struct policy *policy = policy_open();
	struct policy_zone *zone = adapting_zone(policy, "bl.example", 30);

	(void)state;
	report(
	    true, 0, 2000, "a.example=127.0.0.2,127.0.0.4 b.example=127.0.0.2 c.example=127.0.0.2");
	make_grade(zone, 60, 0x7f000003u);
	/* together 28; with all that it gained 20 and 20 */
	make_site(policy, zone, "a.example=127.0.0.2*14");
	make_site(policy, zone, "a.example=127.0.0.4*14");
	make_site(policy, zone, "b.example*29");
	make_site(policy, zone, "c.example*50"); /* lists alone, but not in the second grade */
	expect(policy, "14 14 29 59");
}

static void
lists_of_two_minds_and_local_trust_stay(void **state)
{
	struct policy *policy = policy_open();
	struct policy_zone *zone = adapting_zone(policy, "bl.example", 30);

	(void)state;
	report(false, 0, 60,
	    "k.example=127.0.0.2 local.trust=127.0.0.2 y.example=127.0.0.3 f.example=127.0.0.7");
	make_site(policy, zone, "k.example=127.0.0.2*10");
	make_site(policy, zone, "k.example=127.0.0.1*-10");
	make_site(policy, zone, "local.trust*10");
	make_site(policy, zone, "y.example=127.0.0.3*0!");
	make_site(policy, zone, "f.example=127.0.0.2*10"); /* nothing that its filter picks */
	expect(policy, "10 -10 10 0 10");
}

static void
there_is_a_bound_on_what_is_heard(void **state)
{
	struct policy *policy = policy_open();
	char name[40], expected[200] = "";

	(void)state;
	report(false, 0, 40, "a.example=127.0.0.2");
	for (unsigned i = 0; i <= EARNED_HEARINGS_MAX; i++) {
		struct policy_zone *zone;

		(void)snprintf(name, sizeof name, "z%u.example", i);
		zone = adapting_zone(policy, name, 100);
		(void)snprintf(name, sizeof name, "a.example=127.0.0.[2;%u]*10", 10 + i);
		make_site(policy, zone, name);
		strcat(expected, i == 0 ? "5" : i == EARNED_HEARINGS_MAX ? " 10" : " 5");
	}
	expect(policy, expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_policy_with_earned_weights_answers_as_one_that_was_written_with_them, open_all,
		close_all),
	    cmocka_unit_test_setup_teardown(
		without_adapt_nothing_is_another_s_and_nothing_moves, open_all, close_all),
	    cmocka_unit_test_setup_teardown(
		zones_that_sound_alike_move_within_their_own_bands_and_kinds, open_all, close_all),
	    cmocka_unit_test_setup_teardown(
		no_list_decides_alone_by_what_it_gained, open_all, close_all),
	    cmocka_unit_test_setup_teardown(
		lists_of_two_minds_and_local_trust_stay, open_all, close_all),
	    cmocka_unit_test_setup_teardown(there_is_a_bound_on_what_is_heard, open_all, close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
