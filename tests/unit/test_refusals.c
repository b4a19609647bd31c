/* What refusals are noted, and how many. */
#include "aggregate/compile.h"
#include "resolver/refusals.h"
#include "tests/unit/excepting.h"
#include "tests/unit/zone.h"

#define WALL 3600000u

static struct evidence_book *book;
static struct policy *policy;
static struct refusals *refusals;
static unsigned woken;

static void
wake(void *owner)
{
	(void)owner;
	woken++;
}

static int
begin(void **state)
{
	struct policy_zone *zone;

	(void)state;
	book = evidence_book_open();
	policy = policy_open();
	zone = make_zone(policy, "bl.example");
	make_site(policy, zone, "a.example");
	make_grade(zone, 1, 0x7f000002u);
	assert_true(compile_policy(policy, book));
	woken = 0;
	refusals = refusals_open(wake, NULL);
	assert_non_null(refusals);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	refusals_close(refusals);
	policy_close(policy);
	evidence_book_close(book);
	return 0;
}

/* Refuse the subjects 10.0.0.0 + first and so on. */
static void
refuse(uint32_t first, uint32_t count, uint32_t wall)
{
	const struct verdict verdict = {.state = VERDICT_LISTED, .address = 0x7f000002u};
	const struct evidence evidence[EVIDENCE_LISTS_MAX] = {{.said = EVIDENCE_CLEAR}};

	for (uint32_t i = first; i < first + count; i++) {
		const struct subject subject = {
		    .octet = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

		refusals_note(refusals, policy->zone[0], &subject, &verdict, book, evidence, wall);
	}
}

static unsigned
taken(void)
{
	struct casebook_entry entry;
	unsigned count = 0;

	while (refusals_take(refusals, &entry))
		count++;
	return count;
}

static void
a_case_is_noted_once_an_hour(void **state)
{
	(void)state;
	refuse(1, 1, WALL);
	refuse(1, 1, WALL);
	refuse(2, 1, WALL);
	assert_int_equal(taken(), 2);
	refuse(1, 2, WALL + 3599);
	assert_int_equal(taken(), 0);
	refuse(1, 2, WALL + 3600);
	assert_int_equal(taken(), 2);
	assert_int_equal(woken, 2);
}

static void
many_cases_are_remembered_beside_each_other(void **state)
{
	unsigned again;

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		refuse(i * 200, 200, WALL + i);
		assert_int_equal(taken(), 200);
	}
	refuse(0, 4000, WALL + 30);
	again = taken();
	if (again > 40)
		fail_msg("%u of 4000 cases were noted again", again);
}

static void
a_flood_of_refusals_is_cut_and_what_was_left_out_may_be_noted_later(void **state)
{
	(void)state;
	refuse(0, 1000, WALL);
	assert_int_equal(taken(), 256);
	refuse(0, 1000, WALL);
	assert_int_equal(taken(), 0);
	refuse(0, 1000, WALL + 1);
	assert_int_equal(taken(), 256);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_case_is_noted_once_an_hour),
	    TEST(many_cases_are_remembered_beside_each_other),
	    TEST(a_flood_of_refusals_is_cut_and_what_was_left_out_may_be_noted_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
