#include "aggregate/quota.h"

#include <pthread.h>

#include "tests/unit/unit.h"

#define WALL 1800000000u

static void
so_many_a_second_are_allowed(void **state)
{
	struct quota quota = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_true(quota_take_second(&quota, 1000, 3));
	assert_false(quota_take_second(&quota, 1000, 3));
	assert_true(quota_take_second(&quota, 1001, 3));
	assert_true(
	    quota_take_second(&quota, 1000, 3)); /* late by a second: counts in the new one */
	assert_true(quota_take_second(&quota, 1001, 3));
	assert_false(quota_take_second(&quota, 1001, 3));
}

static void
no_limit_is_no_limit(void **state)
{
	struct quota quota = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(quota_take_second(&quota, 5, 0));
		assert_true(quota_take_day(&quota, WALL, 0));
	}
	assert_int_equal(quota_today(&quota, WALL), 1000); /* counted all the same */
}

static void
a_day_has_its_budget(void **state)
{
	const uint32_t midnight = WALL / QUOTA_DAY_S * QUOTA_DAY_S + QUOTA_DAY_S;
	struct quota quota = {0};

	(void)state;
	assert_int_equal(quota_today(&quota, WALL), 0);
	assert_true(quota_take_day(&quota, midnight - 1, 2));
	assert_true(quota_take_day(&quota, midnight - 1, 2));
	assert_false(quota_take_day(&quota, midnight - 1, 2));
	assert_int_equal(quota_today(&quota, midnight - 1), 2);
	assert_int_equal(quota_today(&quota, midnight), 0);
	assert_true(quota_take_day(&quota, midnight, 2));
	assert_int_equal(quota_today(&quota, midnight), 1);
	assert_true(quota_take_day(&quota, midnight, 2));
	/* a wall clock that goes back gives no second budget */
	assert_false(quota_take_day(&quota, midnight - 1, 2));
}

struct taker {
	struct quota *quota;
	unsigned got;
};

static void *
take_many(void *argument)
{
	struct taker *taker = argument;

	for (unsigned i = 0; i < 50000; i++)
		taker->got += quota_take_day(taker->quota, WALL, 60000);
	return NULL;
}

static void
threads_together_get_no_more(void **state)
{
	struct quota quota = {0};
	struct taker taker[4];
	pthread_t thread[4];
	unsigned got = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		taker[i] = (struct taker){.quota = &quota};
		assert_int_equal(pthread_create(&thread[i], NULL, take_many, &taker[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		got += taker[i].got;
	}
	assert_int_equal(got, 60000);
	assert_int_equal(quota_today(&quota, WALL), 60000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(so_many_a_second_are_allowed),
	    cmocka_unit_test(no_limit_is_no_limit),
	    cmocka_unit_test(a_day_has_its_budget),
	    cmocka_unit_test(threads_together_get_no_more),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
