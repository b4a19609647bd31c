/* What lists are worth, what they earn, and which weights are suggested. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "aggregate/beta.h"
#include "aggregate/suggest.h"
#include "aggregate/worth.h"
#include "tests/unit/unit.h"

static void
beta_agrees_with_what_is_known_in_closed_form(void **state)
{
	(void)state;
	for (double x = 0.05; x < 1; x += 0.05) {
		/* Beta(1,1), Beta(n+1,1), Beta(1,n+1), Beta(2,2) */
		assert_true(fabs(beta_below(0, 0, x) - x) < 1e-12);
		assert_true(fabs(beta_below(9, 0, x) - pow(x, 10)) < 1e-12);
		assert_true(fabs(beta_below(0, 9, x) - (1 - pow(1 - x, 10))) < 1e-12);
		assert_true(fabs(beta_below(1, 1, x) - x * x * (3 - 2 * x)) < 1e-12);
	}
	for (double chance = 0.025; chance < 1; chance += 0.19)
		for (double yes = 0; yes < 5000; yes = yes * 3 + 1.5)
			assert_true(
			    fabs(beta_below(yes, 7, beta_bound(yes, 7, chance)) - chance) < 1e-9);
	assert_true(beta_below(3, 3, 0) == 0 && beta_below(3, 3, 1) == 1);
	assert_true(fabs(beta_mean(0, 0) - 0.5) < 1e-12);
}

static struct worth
worth_of(unsigned spam_hits, unsigned ham_hits)
{
	struct worth worth = {0};

	for (unsigned i = 0; i < spam_hits + ham_hits; i++) /* evenly mixed */
		worth_count(&worth,
		    (uint64_t)(i + 1) * spam_hits / (spam_hits + ham_hits) !=
			(uint64_t)i * spam_hits / (spam_hits + ham_hits),
		    true);
	assert_int_equal(worth.spam_hits, spam_hits);
	return worth;
}

static void
no_weight_moves_before_thirty_hits_or_without_a_band(void **state)
{
	struct worth few = worth_of(0, WORTH_LEAST - 1), enough = worth_of(0, WORTH_LEAST);

	(void)state;
	for (int32_t weight = -20; weight <= 20; weight++) {
		assert_int_equal(worth_weight(&few, weight < 0, weight, 50, 100), weight);
		assert_int_equal(worth_weight(&enough, weight < 0, weight, 0, 100), weight);
	}
	assert_int_equal(worth_weight(&enough, false, 4, 50, 100), 2);
	assert_int_equal(worth_weight(&enough, false, 4, 100, 100), 0);
}

static void
weights_stay_in_their_band_and_keep_their_sign(void **state)
{
	struct chance chance = {8};

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		struct worth worth =
		    worth_of(chance_below(&chance, 400), chance_below(&chance, 90));
		int32_t weight = chance_from(&chance, -20, 20), earned;
		unsigned band = chance_below(&chance, 150);
		double most = fabs((double)weight) * (band > 100 ? 100 : band) / 100;

		earned = worth_weight(&worth, weight < 0, weight, band, 100);
		if (fabs((double)(earned - weight)) > most + 1e-6 || (int64_t)earned * weight < 0)
			fail_msg("%d became %d with band %u", weight, earned, band);
	}
}

static void
good_lists_gain_bad_ones_lose_and_middling_ones_stay(void **state)
{
	struct worth good = worth_of(2000, 0), middling = worth_of(200, 5), bad = worth_of(60, 30);

	(void)state;
	assert_true(worth_weight(&good, false, 10, 50, 100) > 12);
	assert_int_equal(worth_weight(&middling, false, 10, 50, 100), 10);
	assert_int_equal(worth_weight(&bad, false, 10, 50, 100), 5);
	/* what it gains does not let it decide alone */
	assert_int_equal(worth_weight(&good, false, 3, 50, 4), 3);
	assert_int_equal(worth_weight(&good, false, 10, 50, 12), 11);
	assert_true(worth_weight(&good, false, 10, 50, 9) > 12);
	/* of an allow list ham is the right thing to list */
	assert_true(worth_weight(&good, true, -10, 50, 100) == -5);
	good = worth_of(0, 2000);
	assert_true(worth_weight(&good, true, -10, 50, 100) < -12);
}

static void
a_good_past_does_not_protect_a_list_that_goes_bad(void **state)
{
	struct worth worth = worth_of(5000, 0);
	unsigned wrong = 0;

	(void)state;
	while (worth_weight(&worth, false, 4, 50, 100) >= 4 && wrong < 1000) {
		worth_count(&worth, false, true);
		worth_count(&worth, true, true);
		wrong++;
	}
	assert_in_range(wrong, 3, 60);
	while (worth_weight(&worth, false, 4, 50, 100) < 4 && wrong < 10000) {
		worth_count(&worth, true, true);
		wrong++;
	}
	assert_in_range(wrong, 30, 2000); /* and it can come back */
}

static void
precision_and_recall_have_bounds_that_narrow(void **state)
{
	struct worth worth = worth_of(20, 1), more = worth_of(2000, 100);
	struct worth_share few = worth_precision(&worth, false),
			   many = worth_precision(&more, false);

	(void)state;
	assert_true(few.low < many.low && many.high < few.high);
	assert_true(few.low < few.mean && few.mean < few.high);
	for (unsigned i = 0; i < 20; i++)
		worth_count(&worth, true, false);
	few = worth_recall(&worth, false);
	assert_true(fabs(few.mean - 0.5) < 1e-9);
	assert_true(worth_precision(&worth, true).mean < 0.1);
}

/* Cases of a known truth: lists of these qualities; some copy from the first. */
struct truth {
	double recall[6], wrong[6];
	unsigned lists;
	bool copies; /* list 1 lists nearly what list 0 lists */
};

static bool
happens(struct chance *chance, double share)
{
	return (double)chance_below(chance, 1000000) < share * 1000000;
}

static size_t
make_cases(
    const struct truth *truth, struct chance *chance, struct suggest_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct suggest_case *one = &cases[i];

		*one = (struct suggest_case){
		    .spam = chance_below(chance, 2) == 0, .known = (1u << truth->lists) - 1};
		for (unsigned j = 0; j < truth->lists; j++)
			if (happens(chance, one->spam ? truth->recall[j] : truth->wrong[j]))
				one->listed |= 1u << j;
		if (truth->copies && happens(chance, 0.95))
			one->listed = (one->listed & ~2u) | (one->listed & 1) << 1;
	}
	return count;
}

/* The least loss of all weights of -`most`..`most`, by trying them all. */
static double
exhaustive(const struct suggest_case *cases, size_t count, unsigned lists, int32_t most)
{
	uint32_t spam[64] = {0}, ham[64] = {0};
	int32_t weight[6] = {0};
	double least = 1e18;

	for (size_t i = 0; i < count; i++)
		*(cases[i].spam ? &spam[cases[i].listed] : &ham[cases[i].listed]) += 1;
	for (unsigned i = 0; i < lists; i++)
		weight[i] = -most;
	for (;;) {
		double by_score[128] = {0}, loss = 0;
		unsigned i = 0;

		for (uint32_t p = 0; p < 1u << lists; p++) {
			int32_t score = 0;

			for (unsigned j = 0; j < lists; j++)
				score += p >> j & 1 ? weight[j] : 0;
			by_score[score + 64] += (double)ham[p] * SUGGEST_FALSE - spam[p];
			loss += spam[p];
		}
		/* listed from a threshold of at least 1 on; least over all thresholds */
		for (int32_t score = 127; score > 64; score--) {
			least = loss < least ? loss : least;
			loss += by_score[score];
		}
		least = loss < least ? loss : least;
		while (i < lists && ++weight[i] > most)
			weight[i++] = -most;
		if (i == lists)
			return least;
	}
}

static void
suggested_weights_are_within_a_twentieth_of_the_best(void **state)
{
	static const struct truth truths[] = {
	    {{0.6, 0.5, 0.4, 0.3}, {0.001, 0.002, 0.01, 0.03}, 4, false},
	    {{0.6, 0.5, 0.5, 0.4, 0.3, 0.3}, {0.0005, 0.02, 0.02, 0.03, 0.05, 0.05}, 6, false},
	    {{0.7, 0.5, 0.3, 0.6, 0.2}, {0.01, 0.01, 0.02, 0.05, 0.3}, 5, true},
	    {{0.4, 0.4, 0.4, 0.05, 0.4, 0.4}, {0.03, 0.03, 0.03, 0.6, 0.03, 0.03}, 6, false},
	};
	static struct suggest_case cases[3000];

	(void)state;
	for (size_t i = 0; i < COUNT(truths); i++) {
		struct chance chance = {i + 11};
		struct suggest_policy policy;
		struct suggest_errors errors;
		size_t count = make_cases(&truths[i], &chance, cases, COUNT(cases));
		double best =
		    exhaustive(cases, count, truths[i].lists, truths[i].lists == 6 ? 3 : 4);

		assert_true(suggest_policy(cases, count, truths[i].lists, &policy));
		suggest_try(cases, count, truths[i].lists, &policy, &errors);
		if (suggest_loss(&errors) > best * 1.05)
			fail_msg("truth %zu: %f, the best is %f", i, suggest_loss(&errors), best);
		/* cases that it was not made from: no worse than a fifth more */
		assert_true(suggest_validate(cases, count, truths[i].lists, &errors));
		assert_int_equal(errors.spam + errors.ham, count);
		assert_true(suggest_loss(&errors) <= best * 1.2);
	}
}

static void
thin_evidence_is_refused_and_rare_lists_get_no_weight(void **state)
{
	static struct suggest_case cases[2 * SUGGEST_LEAST];
	struct suggest_policy policy;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		cases[i] = (struct suggest_case){
		    .spam = i % 2 == 0, .known = 3, .listed = i % 2 == 0 ? 1 : 0};
	assert_null(suggest_refusal(cases, COUNT(cases)));
	assert_non_null(suggest_refusal(cases, COUNT(cases) - 1));
	assert_non_null(suggest_refusal(cases, 0));
	cases[0].listed |= 2;
	assert_true(suggest_policy(cases, COUNT(cases), 2, &policy));
	assert_true(policy.weight[0] >= policy.threshold && policy.threshold >= 1);
	assert_int_equal(policy.weight[1], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(beta_agrees_with_what_is_known_in_closed_form),
	    cmocka_unit_test(no_weight_moves_before_thirty_hits_or_without_a_band),
	    cmocka_unit_test(weights_stay_in_their_band_and_keep_their_sign),
	    cmocka_unit_test(good_lists_gain_bad_ones_lose_and_middling_ones_stay),
	    cmocka_unit_test(a_good_past_does_not_protect_a_list_that_goes_bad),
	    cmocka_unit_test(precision_and_recall_have_bounds_that_narrow),
	    cmocka_unit_test(suggested_weights_are_within_a_twentieth_of_the_best),
	    cmocka_unit_test(thin_evidence_is_refused_and_rare_lists_get_no_weight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
