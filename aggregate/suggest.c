#include "aggregate/suggest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCORE_MAX (SUGGEST_LISTS_MAX * SUGGEST_WEIGHT_MAX)
#define ROUNDS_MAX 40

/* Equal cases as one, with how often each is spam and ham. */
struct pattern_count {
	uint32_t listed;
	uint32_t spam, ham;
};

struct problem {
	struct pattern_count *pattern;
	size_t patterns;
	unsigned lists;
};

const char *
suggest_refusal(const struct suggest_case *cases, size_t count)
{
	uint32_t spam = 0, ham = 0;

	for (size_t i = 0; i < count; i++)
		*(cases[i].spam ? &spam : &ham) += 1;
	if (spam < SUGGEST_LEAST)
		return "too few subjects that are known to be spam";
	return ham < SUGGEST_LEAST ? "too few subjects that are known to be ham" : NULL;
}

double
suggest_loss(const struct suggest_errors *errors)
{
	return errors->misses + (double)SUGGEST_FALSE * errors->false_positives;
}

static int32_t
score_of(uint32_t listed, unsigned lists, const int32_t *weight)
{
	int32_t score = 0;

	for (unsigned i = 0; i < lists; i++)
		if (listed >> i & 1)
			score += weight[i];
	return score;
}

void
suggest_try(const struct suggest_case *cases, size_t count, unsigned lists,
    const struct suggest_policy *policy, struct suggest_errors *errors)
{
	memset(errors, 0, sizeof *errors);
	for (size_t i = 0; i < count; i++) {
		bool listed = score_of(cases[i].listed, lists, policy->weight) >= policy->threshold;

		*(cases[i].spam ? &errors->spam : &errors->ham) += 1;
		if (cases[i].spam && !listed)
			errors->misses++;
		if (!cases[i].spam && listed)
			errors->false_positives++;
	}
}

static int
by_listed(const void *a, const void *b)
{
	uint32_t x = ((const struct pattern_count *)a)->listed;
	uint32_t y = ((const struct pattern_count *)b)->listed;

	return x < y ? -1 : x > y;
}

/* Sort the patterns and make equal ones one. */
static void
merge_patterns(struct problem *problem)
{
	size_t kept = 0;

	qsort(problem->pattern, problem->patterns, sizeof *problem->pattern, by_listed);
	for (size_t i = 0; i < problem->patterns; i++) {
		struct pattern_count *pattern = &problem->pattern[i];

		if (kept > 0 && problem->pattern[kept - 1].listed == pattern->listed) {
			problem->pattern[kept - 1].spam += pattern->spam;
			problem->pattern[kept - 1].ham += pattern->ham;
		} else {
			problem->pattern[kept++] = *pattern;
		}
	}
	problem->patterns = kept;
}

/* The cases but those of one fold; fold SUGGEST_FOLDS: all. */
static bool
open_problem(struct problem *problem, const struct suggest_case *cases, size_t count,
    unsigned lists, unsigned fold)
{
	*problem = (struct problem){.lists = lists};
	problem->pattern = calloc(count + 1, sizeof *problem->pattern);
	if (problem->pattern == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		if (i % SUGGEST_FOLDS != fold)
			problem->pattern[problem->patterns++] =
			    (struct pattern_count){.listed = cases[i].listed,
				.spam = cases[i].spam,
				.ham = !cases[i].spam};
	merge_patterns(problem);
	return true;
}

/* The loss with the best threshold for these weights, which is set. */
static double
best_threshold(const struct problem *problem, struct suggest_policy *policy)
{
	uint32_t spam[2 * SCORE_MAX + 2] = {0}, ham[2 * SCORE_MAX + 2] = {0};
	double loss = 0, least;

	for (size_t i = 0; i < problem->patterns; i++) {
		const struct pattern_count *pattern = &problem->pattern[i];
		int32_t at = score_of(pattern->listed, problem->lists, policy->weight) + SCORE_MAX;

		spam[at] += pattern->spam;
		ham[at] += pattern->ham;
		loss += at >= SCORE_MAX + 1 ? SUGGEST_FALSE * (double)pattern->ham : pattern->spam;
	}
	least = loss;
	policy->threshold = 1;
	for (int32_t threshold = 2; threshold <= SCORE_MAX + 1; threshold++) {
		loss += spam[SCORE_MAX + threshold - 1];
		loss -= (double)SUGGEST_FALSE * ham[SCORE_MAX + threshold - 1];
		if (loss < least) {
			least = loss;
			policy->threshold = threshold;
		}
	}
	return least;
}

/* Hits of a list. */
static void
count_hits(const struct problem *problem, unsigned list, double *spam, double *ham)
{
	*spam = *ham = 0;
	for (size_t i = 0; i < problem->patterns; i++)
		if (problem->pattern[i].listed >> list & 1) {
			*spam += problem->pattern[i].spam;
			*ham += problem->pattern[i].ham;
		}
}

/*
 * The logarithm of the likelihood ratio of a hit, half a case added to each count, one standard
 * deviation toward 0. Unknown replies count as no hit, on both sides alike.
 */
static double
cautious_ratio(double spam_hits, double spam, double ham_hits, double ham)
{
	double p = (spam_hits + 0.5) / (spam + 1), q = (ham_hits + 0.5) / (ham + 1);
	double ratio = log(p / q);
	double deviation = sqrt((1 - p) / (spam_hits + 0.5) + (1 - q) / (ham_hits + 0.5));

	if (fabs(ratio) <= deviation)
		return 0;
	return ratio > 0 ? ratio - deviation : ratio + deviation;
}

static void
begin_with_ratios(const struct problem *problem, double scale, struct suggest_policy *policy)
{
	double spam = 0, ham = 0;

	memset(policy, 0, sizeof *policy);
	for (size_t i = 0; i < problem->patterns; i++) {
		spam += problem->pattern[i].spam;
		ham += problem->pattern[i].ham;
	}
	for (unsigned i = 0; i < problem->lists; i++) {
		double spam_hits, ham_hits, weight;

		count_hits(problem, i, &spam_hits, &ham_hits);
		if (spam_hits + ham_hits < SUGGEST_HITS)
			continue;
		weight = round(cautious_ratio(spam_hits, spam, ham_hits, ham) * scale);
		policy->weight[i] =
		    (int32_t)fmax(-SUGGEST_WEIGHT_MAX, fmin(SUGGEST_WEIGHT_MAX, weight));
	}
}

/* The best single weight of a list, the others as they are. True when the loss went down. */
static bool
improve_one(
    const struct problem *problem, unsigned list, struct suggest_policy *policy, double *loss)
{
	struct suggest_policy tried = *policy;
	bool improved = false;

	for (int32_t w = -SUGGEST_WEIGHT_MAX; w <= SUGGEST_WEIGHT_MAX; w++) {
		double now;

		tried.weight[list] = w;
		now = best_threshold(problem, &tried);
		if (now < *loss - 1e-9) {
			*policy = tried;
			*loss = now;
			improved = true;
		}
	}
	return improved;
}

/* The best two weights together: what copies from each other moves only as one. */
static bool
improve_two(const struct problem *problem, struct suggest_policy *policy, double *loss)
{
	bool improved = false;

	for (unsigned a = 0; a < problem->lists; a++)
		for (int32_t step = -1; step <= 1; step += 2) {
			struct suggest_policy tried = *policy;
			double now = *loss;

			tried.weight[a] += step;
			if (abs(tried.weight[a]) > SUGGEST_WEIGHT_MAX)
				continue;
			for (unsigned b = 0; b < problem->lists; b++)
				(void)(b != a && improve_one(problem, b, &tried, &now));
			if (now < *loss - 1e-9) {
				*policy = tried;
				*loss = now;
				improved = true;
			}
		}
	return improved;
}

/* Go down from one beginning. */
static double
descend(const struct problem *problem, const bool *usable, struct suggest_policy *policy)
{
	double loss = best_threshold(problem, policy);
	bool improved = true;

	for (unsigned round = 0; improved && round < ROUNDS_MAX; round++) {
		improved = false;
		for (unsigned i = 0; i < problem->lists; i++)
			improved =
			    (usable[i] && improve_one(problem, i, policy, &loss)) || improved;
		if (!improved && problem->lists <= 12)
			improved = improve_two(problem, policy, &loss);
	}
	return loss;
}

/* Equal in what they do, smaller in their numbers: divide by what divides all. */
static void
reduce(unsigned lists, const struct problem *problem, struct suggest_policy *policy)
{
	double loss = best_threshold(problem, policy);

	for (int32_t divisor = SUGGEST_WEIGHT_MAX; divisor > 1; divisor--) {
		struct suggest_policy smaller = *policy;
		bool divides = true;

		for (unsigned i = 0; i < lists; i++) {
			divides = divides && policy->weight[i] % divisor == 0;
			smaller.weight[i] /= divisor;
		}
		if (divides && best_threshold(problem, &smaller) <= loss + 1e-9) {
			*policy = smaller;
			return;
		}
	}
}

static void
solve(const struct problem *problem, struct suggest_policy *best)
{
	static const double scales[] = {0.5, 1, 1.5, 2};
	bool usable[SUGGEST_LISTS_MAX];
	double least = INFINITY;

	for (unsigned i = 0; i < problem->lists; i++) {
		double spam, ham;

		count_hits(problem, i, &spam, &ham);
		usable[i] = spam + ham >= SUGGEST_HITS;
	}
	for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
		struct suggest_policy policy;
		double loss;

		begin_with_ratios(problem, scales[i], &policy);
		loss = descend(problem, usable, &policy);
		if (loss < least) {
			least = loss;
			*best = policy;
		}
	}
	reduce(problem->lists, problem, best);
}

bool
suggest_policy(
    const struct suggest_case *cases, size_t count, unsigned lists, struct suggest_policy *policy)
{
	struct problem problem;

	if (!open_problem(&problem, cases, count, lists, SUGGEST_FOLDS))
		return false;
	solve(&problem, policy);
	free(problem.pattern);
	return true;
}

bool
suggest_validate(
    const struct suggest_case *cases, size_t count, unsigned lists, struct suggest_errors *errors)
{
	memset(errors, 0, sizeof *errors);
	for (unsigned fold = 0; fold < SUGGEST_FOLDS; fold++) {
		struct suggest_policy policy;
		struct problem problem;

		if (!open_problem(&problem, cases, count, lists, fold))
			return false;
		solve(&problem, &policy);
		free(problem.pattern);
		for (size_t i = fold; i < count; i += SUGGEST_FOLDS) {
			struct suggest_errors one;

			suggest_try(&cases[i], 1, lists, &policy, &one);
			errors->spam += one.spam;
			errors->ham += one.ham;
			errors->misses += one.misses;
			errors->false_positives += one.false_positives;
		}
	}
	return true;
}
