/*
 * Invariants: while a round is under way, waiting counts its tests without an answer; good + bad
 * and those that failed are the others. unasked is 0 when none is.
 */
#include "resolver/health_round.h"

static struct health_test *
add_test(struct health_round *round, enum policy_test kind, struct subject subject)
{
	struct health_test *test = &round->test[round->tests];

	*test = (struct health_test){.kind = kind, .subject = subject};
	round->unasked |= 1u << round->tests++;
	round->needed++;
	return test;
}

static void
add_canaries(struct health_round *round, struct canaries *canaries, bool two)
{
	bool only_ipv6 = round->families == 1u << SUBJECT_IPV6;
	const struct subject *other = &round->suspect; /* of the round that this one repeats */

	for (unsigned i = 0; i < (two ? 2 : 1); i++)
		other =
		    &add_test(round, POLICY_TEST_CANARY, canary_draw(canaries, only_ipv6, other))
			 ->subject;
	if (round->families == (1u << SUBJECT_IPV4 | 1u << SUBJECT_IPV6)) {
		add_test(round, POLICY_TEST_CANARY, canary_draw(canaries, true, &round->suspect))
		    ->may_fail = true;
		round->needed--;
	}
}

bool
health_round_begin(struct health_round *round, struct canaries *canaries,
    enum health_round_kind kind, int64_t now_ms)
{
	bool has_canaries = (round->hold & POLICY_TEST_CANARY) != 0;
	bool surprise = kind == HEALTH_ROUND_SURPRISE;
	bool only_ipv6 = round->families == 1u << SUBJECT_IPV6;

	if (kind != HEALTH_ROUND_AGAIN) {
		round->suspicion = HEALTH_WELL;
		round->suspect = (struct subject){.family = SUBJECT_IPV4};
	}
	round->tests = round->unasked = round->needed = round->good = round->bad = 0;
	if ((round->hold & POLICY_TEST_LISTED) != 0 && !surprise)
		(void)add_test(round, POLICY_TEST_LISTED, canary_point(only_ipv6, 2));
	if ((round->hold & POLICY_TEST_CLEAR) != 0 && !(surprise && has_canaries))
		(void)add_test(round, POLICY_TEST_CLEAR, canary_point(only_ipv6, 1));
	if (has_canaries)
		add_canaries(round, canaries, surprise);
	round->id++;
	round->waiting = round->tests;
	round->kind = round->tests > 0 ? kind : HEALTH_ROUND_NONE;
	round->due_ms = now_ms + HEALTH_ROUND_MS;
	return round->tests > 0;
}

bool
health_round_next(struct health_round *round, uint32_t *id, struct subject *subject)
{
	unsigned i;

	if (round->unasked == 0)
		return false;
	i = (unsigned)__builtin_ctz(round->unasked);
	round->unasked &= round->unasked - 1;
	*id = round->id * HEALTH_ROUND_TESTS + i;
	*subject = round->test[i].subject;
	return true;
}

static enum health_why
crime_of(enum policy_test kind)
{
	if (kind == POLICY_TEST_CANARY)
		return HEALTH_LISTS_ALL;
	return kind == POLICY_TEST_CLEAR ? HEALTH_LISTS_CLEAR : HEALTH_LISTS_NOTHING;
}

static void
accuse(struct health_round *round, const struct health_test *test)
{
	enum health_why crime = crime_of(test->kind);

	round->bad++;
	if (round->suspicion == HEALTH_WELL || crime < round->suspicion) {
		round->suspicion = crime;
		round->suspect = test->subject;
	}
}

enum health_outcome
health_round_heard(struct health_round *round, uint32_t id, enum health_heard heard)
{
	unsigned i = id % HEALTH_ROUND_TESTS;
	struct health_test *test = &round->test[i];

	if (round->kind == HEALTH_ROUND_NONE || round->id != id / HEALTH_ROUND_TESTS ||
	    i >= round->tests || test->answered)
		return HEALTH_OUTCOME_NONE;
	test->answered = true;
	round->waiting--;
	if (heard == HEALTH_FAILED)
		return HEALTH_OUTCOME_FAILED;
	if ((heard == HEALTH_LISTED) != (test->kind == POLICY_TEST_LISTED)) {
		accuse(round, test);
		return HEALTH_OUTCOME_BAD;
	}
	round->good += !test->may_fail;
	return HEALTH_OUTCOME_GOOD;
}

bool
health_round_is_decided(const struct health_round *round)
{
	return round->waiting == 0 || round->bad >= 2;
}

bool
health_round_is_good(const struct health_round *round)
{
	return round->good == round->needed && round->bad == 0;
}

void
health_round_end(struct health_round *round)
{
	round->kind = HEALTH_ROUND_NONE;
	round->unasked = 0;
}
