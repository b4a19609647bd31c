#include "aggregate/stats.h"

#include <string.h>

#include "tests/unit/unit.h"

static void
counters_of_several_threads_add_up(void **state)
{
	static struct stats one, other;
	uint64_t sum[STATS_COUNTERS] = {0};

	(void)state;
	stats_add(&one, STATS_UDP);
	stats_add(&other, STATS_UDP);
	stats_add_many(&other, STATS_WANTED, 7);
	stats_sum(&one, sum);
	stats_sum(&other, sum);
	assert_int_equal(sum[STATS_UDP], 2);
	assert_int_equal(sum[STATS_WANTED], 7);
	assert_int_equal(sum[STATS_TCP], 0);
}

static void
a_quantile_is_the_power_of_two_that_so_many_answers_stayed_under(void **state)
{
	static struct stats_list list;
	struct stats_list_sum sum = {0};

	(void)state;
	stats_list_sum(&list, &sum);
	assert_true(stats_list_quantile(&sum, 50) == 0);
	for (int i = 0; i < 90; i++)
		stats_list_took(&list, 3);
	for (int i = 0; i < 10; i++)
		stats_list_took(&list, 900);
	stats_list_sum(&list, &sum);
	assert_true(stats_list_quantile(&sum, 50) <= 4);
	assert_true(stats_list_quantile(&sum, 50) > 2);
	assert_true(stats_list_quantile(&sum, 99) > 512);
	assert_true(stats_list_quantile(&sum, 99) <= 1024);
	stats_list_took(&list, INT64_MAX); /* the last bucket takes all */
	assert_int_equal(list.took[STATS_BUCKETS - 1], 1);
}

static void
error_codes_are_counted_each_and_the_last_place_takes_all_further_ones(void **state)
{
	static struct stats_list one, other;
	struct stats_list_sum sum = {0};
	uint32_t times = 0;

	(void)state;
	for (uint32_t code = 1; code <= 2 * STATS_CODES; code++)
		stats_list_refused(&one, 0x7fffff00u + code);
	stats_list_refused(&one, 0x7fffff01u);
	stats_list_refused(&other, 0x7fffff02u);
	stats_list_sum(&one, &sum);
	stats_list_sum(&other, &sum);
	assert_int_equal(sum.refused[0].address, 0x7fffff01u);
	assert_int_equal(sum.refused[0].times, 2);
	assert_int_equal(sum.refused[1].times, 2);
	for (unsigned i = 0; i < STATS_CODES; i++)
		times += sum.refused[i].times;
	assert_int_equal(times, 2 * STATS_CODES + 2);
}

static void
the_worst_of_all_threads_is_what_is_told_of_failures(void **state)
{
	static struct stats_list good, bad;
	struct stats_list_sum sum = {0};

	(void)state;
	bad.failures = 5;
	bad.last_said = 3;
	bad.last_code = 0x7fffffffu;
	good.asked = bad.asked = 4;
	stats_list_sum(&bad, &sum);
	stats_list_sum(&good, &sum);
	assert_int_equal(sum.failures, 5);
	assert_int_equal(sum.last_said, 3);
	assert_int_equal(sum.asked, 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counters_of_several_threads_add_up),
	    cmocka_unit_test(a_quantile_is_the_power_of_two_that_so_many_answers_stayed_under),
	    cmocka_unit_test(
		error_codes_are_counted_each_and_the_last_place_takes_all_further_ones),
	    cmocka_unit_test(the_worst_of_all_threads_is_what_is_told_of_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
