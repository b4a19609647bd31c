/* The models of trust: reporters, reputations and how the one makes the other. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "aggregate/trust.h"
#include "tests/unit/excepting.h"
#include "tests/unit/unit.h"

#define DAY0 (20000u * TRUST_DAY)

static void
a_newcomer_is_trusted_little_and_agreement_lifts_it_slowly(void **state)
{
	struct reporter reporter;
	unsigned days = 0;

	(void)state;
	reporter_init(&reporter);
	assert_true(reporter.trust == REPORTER_NEW);
	while (reporter.trust < 0.7) {
		double before = reporter.trust;

		reporter_judge(&reporter, 100, 0);
		assert_true(reporter.trust > before && reporter.trust - before <= REPORTER_GROWTH);
		reporter_rest(&reporter, 1);
		days++;
	}
	assert_in_range(days, 30, 60);
}

static void
a_day_of_disagreement_takes_more_than_a_month_of_agreement_gave(void **state)
{
	struct reporter reporter, other;
	unsigned days = 0;

	(void)state;
	reporter_init(&reporter);
	for (unsigned i = 0; i < 30; i++)
		reporter_judge(&reporter, 1, 0);
	other = reporter;
	reporter_judge(&reporter, 0, 1);
	assert_true(reporter.trust < 0.5 * other.trust);
	/* and it is harder to regain than it was to gain */
	for (; reporter.trust < other.trust; days++)
		reporter_judge(&reporter, 1, 0);
	assert_true(days > 30);
}

static void
trust_stays_between_0_and_1_and_goes_back_to_neutral(void **state)
{
	struct chance chance = {5};
	struct reporter reporter;

	(void)state;
	reporter_init(&reporter);
	for (unsigned i = 0; i < 100000; i++) {
		reporter_judge(
		    &reporter, chance_below(&chance, 9), 1 + chance_below(&chance, 3) / 2);
		if (i % 7 == 0)
			reporter_judge(&reporter, 1 + chance_below(&chance, 1000), 0);
		reporter_rest(&reporter, chance_below(&chance, 3));
		if (!(reporter.trust >= 0 && reporter.trust <= 1 && reporter.scar >= 0))
			fail_msg("trust %f scar %f", reporter.trust, reporter.scar);
	}
	reporter.trust = 0.9;
	reporter_rest(&reporter, REPORTER_FORGET_DAYS);
	assert_true(fabs(reporter.trust - (REPORTER_NEW + 0.4)) < 1e-9);
	reporter.trust = 0;
	reporter_rest(&reporter, 10000);
	assert_true(fabs(reporter.trust - REPORTER_NEW) < 1e-9 && reporter.scar < 1e-9);
}

static struct reputation
reputation_of(unsigned reporters, double trust, double opinion, double good)
{
	struct reputation reputation = {0};

	for (unsigned i = 0; i < reporters; i++)
		reputation_add(&reputation, trust, opinion, good);
	return reputation;
}

static void
two_well_trusted_or_a_crowd_of_newcomers_list_a_subject(void **state)
{
	struct reputation one = reputation_of(1, 1, 1, 0), two = reputation_of(2, 0.7, 1, 0);
	struct reputation few = reputation_of(13, REPORTER_NEW, 1, 0);
	struct reputation many = reputation_of(15, REPORTER_NEW, 1, 0);

	(void)state;
	assert_false(reputation_listed(&one));
	assert_true(reputation_listed(&two));
	assert_false(reputation_listed(&few));
	assert_true(reputation_listed(&many));
}

static void
good_mail_raises_what_it_takes_and_regular_good_mail_protects_wholly(void **state)
{
	struct reputation subject = reputation_of(3, 0.7, 1, 0), crowd;

	(void)state;
	assert_true(reputation_listed(&subject));
	reputation_add(&subject, 0.25, 0, 6); /* 3 by the root of the trust */
	assert_true(reputation_value(&subject) < REPUTATION_THRESHOLD);
	assert_false(reputation_listed(&subject));
	crowd = reputation_of(1000, 1, 1, 0);
	assert_true(reputation_listed(&crowd));
	reputation_add(&crowd, 1, -1, REPUTATION_REGULAR);
	assert_false(reputation_listed(&crowd));
	/* contested: neither this nor that */
	crowd = reputation_of(100, 1, 1, 0);
	for (unsigned i = 0; i < 26; i++)
		reputation_add(&crowd, 1, -1, 0);
	assert_false(reputation_listed(&crowd));
	assert_int_equal(reputation_label(&crowd, 0.3), 0);
}

static void
one_reporter_moves_nothing_beyond_the_clamp(void **state)
{
	struct chance chance = {6};

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct reputation before = {.spam = chance_below(&chance, 100) / 10.0,
		    .ham = chance_below(&chance, 100) / 10.0,
		    .good = chance_below(&chance, 100) / 10.0};
		struct reputation after = before;

		reputation_add(&after, chance_below(&chance, 300) / 100.0,
		    chance_from(&chance, -300, 300) / 100.0, chance_below(&chance, 1000));
		if (after.spam + after.ham - before.spam - before.ham > 1 + 1e-9 ||
		    after.good - before.good > REPUTATION_GOOD_DAYS_MAX + 1e-9 ||
		    reputation_value(&after) > fmax(0, reputation_value(&before)) + 1 + 1e-9)
			fail_msg("%f %f %f", before.spam, before.ham, before.good);
	}
}

struct said {
	enum trust_kind kind;
	unsigned subject, reporter, day, second, listed;
};

static struct subject
numbered_subject(unsigned i)
{
	struct subject subject = {.family = i % 3 == 0 ? SUBJECT_IPV6 : SUBJECT_IPV4,
	    .octet = {198, 51, (uint8_t)(i >> 8), (uint8_t)i}};

	return subject;
}

static struct trust *
trust_of(const struct said *said, size_t count, unsigned today)
{
	struct trust *trust = trust_open();
	char name[16];

	for (size_t i = 0; i < count; i++) {
		struct subject subject = numbered_subject(said[i].subject);

		(void)snprintf(name, sizeof name, "r%u", said[i].reporter);
		assert_true(trust_add(trust, said[i].kind, &subject, name,
		    DAY0 + said[i].day * TRUST_DAY + said[i].second, said[i].listed));
	}
	assert_true(trust_settle(trust, DAY0 + today * TRUST_DAY));
	return trust;
}

static void
same_outcome(const struct trust *a, const struct trust *b)
{
	size_t count_a, count_b;
	const struct trust_reporter *reporters_a = trust_reporters(a, &count_a);
	const struct trust_reporter *reporters_b = trust_reporters(b, &count_b);
	const struct trust_subject *subjects_a, *subjects_b;

	assert_int_equal(count_a, count_b);
	assert_memory_equal(reporters_a, reporters_b, count_a * sizeof *reporters_a);
	subjects_a = trust_subjects(a, &count_a);
	subjects_b = trust_subjects(b, &count_b);
	assert_int_equal(count_a, count_b);
	assert_memory_equal(subjects_a, subjects_b, count_a * sizeof *subjects_a);
}

static void
the_order_within_a_day_changes_nothing_to_the_last_bit(void **state)
{
	enum { SAID = 400 };
	struct chance chance = {7};

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		struct said said[SAID], shuffled[SAID];
		struct trust *a, *b;

		for (unsigned i = 0; i < SAID; i++)
			said[i] =
			    (struct said){.kind = chance_below(&chance, 2) ? TRUST_SPAM : TRUST_HAM,
				.subject = chance_below(&chance, 30),
				.reporter = chance_below(&chance, 20),
				.day = i / 40,
				.listed = chance_below(&chance, 4)};
		memcpy(shuffled, said, sizeof said);
		for (unsigned i = 0; i < SAID; i++) {
			unsigned j = i / 40 * 40 + chance_below(&chance, 40);
			struct said other = shuffled[i];

			shuffled[i] = shuffled[j];
			shuffled[j] = other;
			shuffled[i].second = chance_below(&chance, TRUST_DAY);
		}
		a = trust_of(said, SAID, 20);
		b = trust_of(shuffled, SAID, 20);
		same_outcome(a, b);
		trust_close(a);
		trust_close(b);
	}
}

static double
trust_in(const struct trust *trust, const char *name)
{
	size_t count;
	const struct trust_reporter *reporter = trust_reporters(trust, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(reporter[i].name, name) == 0)
			return reporter[i].reporter.trust;
	fail_msg("%s is not there", name);
	return 0;
}

static void
repeating_oneself_is_one_opinion(void **state)
{
	struct said said[300];
	struct trust *trust;
	struct subject subject = numbered_subject(1);
	const struct trust_subject *found;

	(void)state;
	for (unsigned i = 0; i < COUNT(said); i++)
		said[i] = (struct said){TRUST_SPAM, 1, 1, i / 30, i, 0};
	trust = trust_of(said, COUNT(said), 10);
	found = trust_find(trust, &subject);
	assert_non_null(found);
	assert_true(found->reputation.spam <= 1 && found->reputation.ham == 0);
	assert_int_equal(found->reporters, 1);
	assert_false(reputation_listed(&found->reputation));
	/* nobody else spoke: nobody is judged */
	assert_true(fabs(trust_in(trust, "r1") - REPORTER_NEW) < 1e-9);
	trust_close(trust);
}

static void
who_is_contradicted_falls_and_who_is_confirmed_rises_once_for_each_subject(void **state)
{
	struct said said[40];
	struct trust *trust;
	size_t count;

	(void)state;
	for (unsigned i = 0; i < 40; i++) /* r0..r6 say spam, r7 ham, on 5 days */
		said[i] = (struct said){i % 8 == 7 ? TRUST_HAM : TRUST_SPAM, 4, i % 8, i / 8, 0, 0};
	trust = trust_of(said, COUNT(said), 5);
	assert_true(trust_in(trust, "r0") > REPORTER_NEW);
	assert_true(trust_in(trust, "r7") < 0.5 * REPORTER_NEW);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(trust_reporters(trust, &count)[i].reporter.agreed +
				     trust_reporters(trust, &count)[i].reporter.disagreed,
		    1);
	trust_close(trust);
}

static void
a_crowd_that_agrees_today_weighs_no_more_today(void **state)
{
	struct said said[13];
	struct subject subject = numbered_subject(1);
	struct trust *trust;

	(void)state;
	for (unsigned i = 0; i < COUNT(said); i++)
		said[i] = (struct said){TRUST_SPAM, 1, i, 3, i, 0};
	trust = trust_of(said, COUNT(said), 3);
	assert_false(reputation_listed(&trust_find(trust, &subject)->reputation));
	assert_true(trust_in(trust, "r1") == REPORTER_NEW);
	trust_close(trust);
	trust = trust_of(said, COUNT(said), 4);
	assert_true(trust_in(trust, "r1") > REPORTER_NEW);
	trust_close(trust);
}

static void
lists_confirm_spam_and_contradict_nobody(void **state)
{
	const struct said said[] = {
	    {TRUST_SPAM, 1, 1, 0, 0, 2}, {TRUST_SPAM, 2, 2, 0, 0, 1}, {TRUST_HAM, 4, 3, 0, 0, 3}};
	struct trust *trust = trust_of(said, COUNT(said), 1);

	(void)state;
	assert_true(trust_in(trust, "r1") > REPORTER_NEW);
	assert_true(trust_in(trust, "r2") == REPORTER_NEW);
	assert_true(trust_in(trust, "r3") == REPORTER_NEW);
	trust_close(trust);
}

static void
opinions_fade_by_the_clock_given(void **state)
{
	const struct said said[] = {{TRUST_SPAM, 1, 1, 0, 0, 0}};
	struct subject subject = numbered_subject(1);
	double last = 1;

	(void)state;
	for (unsigned day = 0; day <= 4 * TRUST_OPINION_DAYS; day += TRUST_OPINION_DAYS) {
		struct trust *trust = trust_of(said, 1, day);
		double spam = trust_find(trust, &subject)->reputation.spam / REPORTER_NEW;

		assert_true(fabs(spam - exp2(-(double)(day / TRUST_OPINION_DAYS))) < 1e-9);
		assert_true(spam <= last);
		last = spam;
		trust_close(trust);
	}
}

static void
what_is_withdrawn_or_not_yet_never_was(void **state)
{
	const struct said said[] = {{TRUST_SPAM, 1, 1, 0, 0, 0}, {TRUST_SPAM, 2, 1, 0, 0, 0},
	    {TRUST_WITHDRAW, 1, 1, 1, 0, 0}, {TRUST_SPAM, 5, 2, 9, 0, 0}};
	struct subject gone = numbered_subject(1), there = numbered_subject(2),
		       later = numbered_subject(5);
	struct trust *trust = trust_of(said, COUNT(said), 3);

	(void)state;
	assert_null(trust_find(trust, &gone));
	assert_non_null(trust_find(trust, &there));
	assert_null(trust_find(trust, &later));
	trust_close(trust);
	trust = trust_of(said, 0, 0);
	assert_null(trust_find(trust, &there));
	trust_close(trust);
}

static void
thirty_new_accounts_do_not_list_a_host_that_two_have_good_mail_from_for_a_week(void **state)
{
	struct said said[200];
	struct subject subject = numbered_subject(1);
	struct trust *trust;
	size_t count = 0;

	(void)state;
	for (unsigned day = 0; day < 14; day++)
		for (unsigned reporter = 0; reporter < 2; reporter++)
			said[count++] = (struct said){TRUST_HAM, 1, reporter, day, 0, 0};
	for (unsigned reporter = 100; reporter < 130; reporter++)
		said[count++] = (struct said){TRUST_SPAM, 1, reporter, 14, 0, 0};
	trust = trust_of(said, count, 14);
	assert_true(trust_find(trust, &subject)->reputation.spam > REPUTATION_THRESHOLD);
	assert_false(reputation_listed(&trust_find(trust, &subject)->reputation));
	trust_close(trust);
}

static void
names_that_are_too_long_are_refused(void **state)
{
	struct trust *trust = trust_open();
	struct subject subject = numbered_subject(1);
	char name[TRUST_REPORTER_MAX + 2];

	(void)state;
	memset(name, 'a', sizeof name);
	name[sizeof name - 1] = '\0';
	assert_false(trust_add(trust, TRUST_SPAM, &subject, name, 0, 0));
	assert_true(trust_add(trust, TRUST_SPAM, &subject, name + 1, 0, 0));
	trust_close(trust);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_newcomer_is_trusted_little_and_agreement_lifts_it_slowly),
	    cmocka_unit_test(a_day_of_disagreement_takes_more_than_a_month_of_agreement_gave),
	    cmocka_unit_test(trust_stays_between_0_and_1_and_goes_back_to_neutral),
	    cmocka_unit_test(two_well_trusted_or_a_crowd_of_newcomers_list_a_subject),
	    cmocka_unit_test(good_mail_raises_what_it_takes_and_regular_good_mail_protects_wholly),
	    cmocka_unit_test(one_reporter_moves_nothing_beyond_the_clamp),
	    cmocka_unit_test(the_order_within_a_day_changes_nothing_to_the_last_bit),
	    cmocka_unit_test(repeating_oneself_is_one_opinion),
	    cmocka_unit_test(
		who_is_contradicted_falls_and_who_is_confirmed_rises_once_for_each_subject),
	    cmocka_unit_test(a_crowd_that_agrees_today_weighs_no_more_today),
	    cmocka_unit_test(lists_confirm_spam_and_contradict_nobody),
	    cmocka_unit_test(opinions_fade_by_the_clock_given),
	    cmocka_unit_test(what_is_withdrawn_or_not_yet_never_was),
	    cmocka_unit_test(
		thirty_new_accounts_do_not_list_a_host_that_two_have_good_mail_from_for_a_week),
	    cmocka_unit_test(names_that_are_too_long_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
