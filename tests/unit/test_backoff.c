#include "resolver/backoff.h"

#include "tests/unit/unit.h"

static struct backoff
down_at(int64_t now_ms)
{
	struct backoff backoff = {0};

	for (unsigned i = 1; i < BACKOFF_FAILURES; i++) {
		assert_int_equal(backoff_ask(&backoff, now_ms), BACKOFF_ASK);
		assert_false(backoff_bad(&backoff, now_ms));
	}
	assert_int_equal(backoff_ask(&backoff, now_ms), BACKOFF_ASK);
	assert_true(backoff_bad(&backoff, now_ms));
	return backoff;
}

static void
failures_in_a_row_bring_a_list_down(void **state)
{
	struct backoff backoff = down_at(1000);

	(void)state;
	assert_int_equal(backoff_ask(&backoff, 1000), BACKOFF_SKIP);
	assert_int_equal(backoff_ask(&backoff, 1000 + BACKOFF_FIRST_MS - 1), BACKOFF_SKIP);
}

static void
failures_with_answers_between_do_not(void **state)
{
	struct backoff backoff = {0};

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned j = 1; j < BACKOFF_FAILURES; j++)
			assert_false(backoff_bad(&backoff, i));
		assert_false(backoff_good(&backoff)); /* it was not down */
		assert_int_equal(backoff_ask(&backoff, i), BACKOFF_ASK);
	}
}

static void
one_trial_at_a_time_goes_out(void **state)
{
	struct backoff backoff = down_at(0);

	(void)state;
	assert_int_equal(backoff_ask(&backoff, BACKOFF_FIRST_MS), BACKOFF_TRY);
	assert_int_equal(backoff_ask(&backoff, BACKOFF_FIRST_MS), BACKOFF_SKIP);
	assert_int_equal(backoff_ask(&backoff, 1000000), BACKOFF_SKIP); /* until it has ended */
	assert_true(backoff_good(&backoff));
	assert_int_equal(backoff_ask(&backoff, 1000000), BACKOFF_ASK);
}

static void
the_wait_doubles_up_to_its_bound(void **state)
{
	struct backoff backoff = down_at(0);
	int64_t now_ms = 0, wait_ms = BACKOFF_FIRST_MS;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(backoff_ask(&backoff, now_ms + wait_ms - 1), BACKOFF_SKIP);
		now_ms += wait_ms;
		assert_int_equal(backoff_ask(&backoff, now_ms), BACKOFF_TRY);
		assert_false(backoff_bad(&backoff, now_ms));
		wait_ms = 2 * wait_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : 2 * wait_ms;
	}
	assert_int_equal(wait_ms, BACKOFF_MAX_MS);
}

/* Hundreds may be under way when it goes down; their ends are no news. */
static void
what_was_under_way_does_not_lengthen_the_wait(void **state)
{
	struct backoff backoff = down_at(0);

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		assert_false(backoff_bad(&backoff, 500));
	assert_int_equal(backoff_ask(&backoff, BACKOFF_FIRST_MS), BACKOFF_TRY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(failures_in_a_row_bring_a_list_down),
	    cmocka_unit_test(failures_with_answers_between_do_not),
	    cmocka_unit_test(one_trial_at_a_time_goes_out),
	    cmocka_unit_test(the_wait_doubles_up_to_its_bound),
	    cmocka_unit_test(what_was_under_way_does_not_lengthen_the_wait),
	};

	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
