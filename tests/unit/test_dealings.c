#include "resolver/dealings.h"

#include "aggregate/compile.h"
#include "tests/unit/zone.h"

#define TIMEOUT_MS 600

struct fixture {
	struct policy *policy;
	struct policy_list *list;
	struct evidence_book *book;
	struct quota quota[EVIDENCE_LISTS_MAX];
	struct stats stats;
	struct dealings *dealings;
};

static int
begin(void **state)
{
	static struct fixture fixture;
	struct policy_zone *zone;

	memset(&fixture, 0, sizeof fixture);
	fixture.policy = policy_open();
	fixture.book = evidence_book_open();
	zone = make_zone(fixture.policy, "bl.example");
	make_site(fixture.policy, zone, "a.example");
	make_grade(zone, 1, 0x7f000002);
	fixture.list = policy_list_find(fixture.policy, "a.example");
	fixture.list->timeout_ms = TIMEOUT_MS;
	fixture.dealings = dealings_open(fixture.book, fixture.quota, &fixture.stats);
	*state = &fixture;
	return fixture.dealings == NULL || !compile_policy(fixture.policy, fixture.book) ? -1 : 0;
}

static int
end(void **state)
{
	struct fixture *fixture = *state;

	dealings_close(fixture->dealings);
	policy_close(fixture->policy);
	evidence_book_close(fixture->book);
	return 0;
}

/* What is made of a reply that comes so long after the question. */
static uint16_t
take(struct fixture *fixture, uint16_t said, int64_t after_ms)
{
	const struct reply_answer answer = {.said = said};
	struct subject subject;

	assert_true(subject_parse("192.0.2.1", &subject));
	return dealings_take(fixture->dealings, fixture->list->number, fixture->list, &subject,
	    &answer, 1000, 1000 + after_ms)
	    .said;
}

static void
a_failure_in_time_is_one_of_the_servers(void **state)
{
	assert_int_equal(take(*state, EVIDENCE_FAILED, TIMEOUT_MS - 1), EVIDENCE_FAILED);
}

static void
a_failure_after_the_timeout_is_a_timeout(void **state)
{
	assert_int_equal(take(*state, EVIDENCE_FAILED, TIMEOUT_MS), EVIDENCE_TIMEOUT);
}

static void
what_a_list_says_late_is_what_it_says(void **state)
{
	assert_int_equal(take(*state, EVIDENCE_CLEAR, 10 * TIMEOUT_MS), EVIDENCE_CLEAR);
	assert_int_equal(take(*state, EVIDENCE_FOREIGN, 10 * TIMEOUT_MS), EVIDENCE_FOREIGN);
}

/* May it be asked a moment after the last failure? */
static enum dealings_leave
may_ask(struct fixture *fixture)
{
	uint16_t said;

	return dealings_ask(
	    fixture->dealings, fixture->list, (struct dealings_time){.now_ms = 1001}, &said);
}

static void
what_failed_where_a_list_was_is_of_no_account_where_it_is(void **state)
{
	struct fixture *fixture = *state;
	const struct stats_list *seen = dealings_list(fixture->dealings, fixture->list->number);

	evidence_list_take_from(fixture->book, fixture->list->number, fixture->list->source);
	for (unsigned i = 0; i < 5; i++)
		(void)take(fixture, EVIDENCE_FAILED, 0);
	assert_int_equal(may_ask(fixture), DEALINGS_SPARE);
	dealings_policy(fixture->dealings, fixture->policy);
	assert_int_equal(may_ask(fixture), DEALINGS_SPARE);
	assert_int_equal(seen->failures, 5);
	fixture->list->source++;
	dealings_policy(fixture->dealings, fixture->policy);
	assert_int_equal(may_ask(fixture), DEALINGS_ASK);
	assert_int_equal(seen->failures, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_failure_in_time_is_one_of_the_servers, begin, end),
	    cmocka_unit_test_setup_teardown(a_failure_after_the_timeout_is_a_timeout, begin, end),
	    cmocka_unit_test_setup_teardown(what_a_list_says_late_is_what_it_says, begin, end),
	    cmocka_unit_test_setup_teardown(
		what_failed_where_a_list_was_is_of_no_account_where_it_is, begin, end),
	};

	return cmocka_run_group_tests_name("dealings", tests, NULL, NULL);
}
