#include "aggregate/evidence.h"

#include <pthread.h>
#include <stdio.h>

#include "tests/unit/unit.h"

static int
open_book(void **state)
{
	*state = evidence_book_open();
	return *state == NULL ? -1 : 0;
}

static int
close_book(void **state)
{
	evidence_book_close(*state);
	return 0;
}

static struct answers
answers_of(const uint32_t *address, size_t count)
{
	struct answers answers = {0};

	for (size_t i = 0; i < count; i++)
		(void)answers_add(&answers, address[i]);
	return answers;
}

#define ANSWERS(...)                                                                               \
	answers_of((const uint32_t[]){__VA_ARGS__}, COUNT(((const uint32_t[]){__VA_ARGS__})))

static void
answers_stand_in_ascending_order_each_once(void **state)
{
	struct answers answers = {0};

	(void)state;
	assert_true(answers_add(&answers, 0x7f000004));
	assert_true(answers_add(&answers, 0x7f000002));
	assert_true(answers_add(&answers, 0x7f00000a));
	assert_true(answers_add(&answers, 0x7f000003));
	assert_true(answers_add(&answers, 0x7f000002)); /* there already */
	assert_true(answers_add(&answers, 0x7f000003)); /* there already */
	assert_true(answers_add(&answers, 0x7f00000a)); /* there already */
	assert_true(answers_add(&answers, 0xff000000)); /* unsigned order */
	assert_int_equal(answers.count, 5);
	assert_int_equal(answers.address[0], 0x7f000002);
	assert_int_equal(answers.address[1], 0x7f000003);
	assert_int_equal(answers.address[2], 0x7f000004);
	assert_int_equal(answers.address[3], 0x7f00000a);
	assert_int_equal(answers.address[4], 0xff000000);
}

static void
a_reply_keeps_as_many_addresses_as_there_is_room_for(void **state)
{
	struct {
		struct answers answers;
		uint32_t behind;
	} reply = {{0}, 0xdeadbeef};

	(void)state;
	for (uint32_t i = 0; i < EVIDENCE_ANSWERS_MAX; i++)
		assert_true(answers_add(&reply.answers, 0x7f000002 + 2 * i));
	assert_int_equal(reply.answers.count, EVIDENCE_ANSWERS_MAX);
	assert_false(answers_add(&reply.answers, 0x7f000001));
	assert_false(answers_add(&reply.answers, 0x7f000005));
	assert_false(answers_add(&reply.answers, 0x7fffffff));
	assert_true(answers_add(&reply.answers, 0x7f000002)); /* there already */
	assert_true(answers_add(&reply.answers, 0x7f000002 + 2 * (EVIDENCE_ANSWERS_MAX - 1)));
	assert_int_equal(reply.answers.count, EVIDENCE_ANSWERS_MAX);
	for (uint32_t i = 0; i < EVIDENCE_ANSWERS_MAX; i++)
		assert_int_equal(reply.answers.address[i], 0x7f000002 + 2 * i);
	assert_int_equal(reply.behind, 0xdeadbeef);
}

static void
the_same_answers_are_said_by_the_same_byte(void **state)
{
	struct evidence_book *book = *state;
	unsigned list = (unsigned)evidence_list_number(book, "a.example");
	struct answers two = ANSWERS(0x7f000002), three = ANSWERS(0x7f000003);
	struct answers both = ANSWERS(0x7f000002, 0x7f000003);
	struct answers other_order = ANSWERS(0x7f000003, 0x7f000002, 0x7f000003);
	uint16_t said_two = evidence_intern(book, list, &two);
	uint16_t said_both = evidence_intern(book, list, &both);
	uint16_t said_three = evidence_intern(book, list, &three);

	assert_true(said_two >= EVIDENCE_ANSWERS);
	assert_true(said_both >= EVIDENCE_ANSWERS);
	assert_true(said_three >= EVIDENCE_ANSWERS);
	assert_int_not_equal(said_two, said_three);
	assert_int_not_equal(said_two, said_both);
	assert_int_not_equal(said_three, said_both);
	assert_int_equal(evidence_intern(book, list, &other_order), said_both);
	assert_int_equal(evidence_intern(book, list, &two), said_two);
	assert_int_equal(evidence_answers(book, list, said_two)->count, 1);
	assert_int_equal(evidence_answers(book, list, said_two)->address[0], 0x7f000002);
	assert_int_equal(evidence_answers(book, list, said_both)->count, 2);
	assert_int_equal(evidence_answers(book, list, said_both)->address[0], 0x7f000002);
	assert_int_equal(evidence_answers(book, list, said_both)->address[1], 0x7f000003);
	assert_int_equal(evidence_answers(book, list, said_three)->address[0], 0x7f000003);
}

static void
what_is_behind_the_count_of_an_answer_does_not_matter(void **state)
{
	struct evidence_book *book = *state;
	unsigned list = (unsigned)evidence_list_number(book, "a.example");
	struct answers clean = ANSWERS(0x7f000002), dirty;

	memset(&dirty, 0xaa, sizeof dirty);
	dirty.count = 1;
	dirty.address[0] = 0x7f000002;
	assert_int_equal(evidence_intern(book, list, &clean), evidence_intern(book, list, &dirty));
}

static void
each_list_has_sets_of_its_own(void **state)
{
	struct evidence_book *book = *state;
	unsigned a = (unsigned)evidence_list_number(book, "a.example");
	unsigned b = (unsigned)evidence_list_number(book, "b.example");
	struct answers two = ANSWERS(0x7f000002), three = ANSWERS(0x7f000003);
	uint16_t a_two = evidence_intern(book, a, &two);
	uint16_t b_three = evidence_intern(book, b, &three);

	assert_int_equal(evidence_answers(book, a, a_two)->address[0], 0x7f000002);
	assert_int_equal(evidence_answers(book, b, b_three)->address[0], 0x7f000003);
}

static void
the_sets_of_a_list_end_somewhere_and_the_rest_is_diverse(void **state)
{
	struct evidence_book *book = *state;
	unsigned a = (unsigned)evidence_list_number(book, "a.example");
	unsigned b = (unsigned)evidence_list_number(book, "b.example");
	uint16_t said[EVIDENCE_SETS_MAX];
	struct answers answers;

	for (uint32_t i = 0; i < EVIDENCE_SETS_MAX; i++) {
		answers = ANSWERS(0x7f000100 + i);
		said[i] = evidence_intern(book, a, &answers);
		assert_true(said[i] >= EVIDENCE_ANSWERS);
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(said[i], said[j]);
	}
	answers = ANSWERS(0x7f000002);
	assert_int_equal(evidence_intern(book, a, &answers), EVIDENCE_DIVERSE);
	assert_true(EVIDENCE_DIVERSE < EVIDENCE_ANSWERS);
	assert_true(evidence_intern(book, b, &answers) >= EVIDENCE_ANSWERS);
	for (uint32_t i = 0; i < EVIDENCE_SETS_MAX; i++) {
		answers = ANSWERS(0x7f000100 + i);
		assert_int_equal(evidence_intern(book, a, &answers), said[i]);
		assert_int_equal(evidence_answers(book, a, said[i])->address[0], 0x7f000100 + i);
	}
}

static void
a_list_keeps_its_number(void **state)
{
	struct evidence_book *book = *state;

	assert_int_equal(evidence_list_count(book), 0);
	assert_int_equal(evidence_list_number(book, "a.example"), 0);
	assert_int_equal(evidence_list_number(book, "b.example"), 1);
	assert_int_equal(evidence_list_number(book, "a.example"), 0);
	assert_int_equal(evidence_list_number(book, "a.exampl"), 2);
	assert_int_equal(evidence_list_number(book, "b.example"), 1);
	assert_int_equal(evidence_list_count(book), 3);
}

static void
a_book_knows_128_lists_and_no_more(void **state)
{
	struct evidence_book *book = *state;
	char name[40];

	for (int i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		(void)snprintf(name, sizeof name, "list%d.example", i);
		assert_int_equal(evidence_list_number(book, name), i);
	}
	assert_int_equal(evidence_list_number(book, "one.more.example"), -1);
	assert_int_equal(evidence_list_count(book), EVIDENCE_LISTS_MAX);
	assert_int_equal(evidence_list_number(book, "list0.example"), 0);
	assert_int_equal(evidence_list_number(book, "list127.example"), 127);
	assert_int_equal(evidence_list_number(book, "list128.example"), -1);
}

static void
a_name_of_any_length_is_safe(void **state)
{
	struct evidence_book *book = *state;
	char name[300];

	memset(name, 'a', sizeof name);
	name[253] = '\0';
	assert_int_equal(evidence_list_number(book, name), 0);
	assert_int_equal(evidence_list_number(book, name), 0);
	name[253] = 'a';
	name[254] = '\0';
	assert_int_equal(evidence_list_number(book, name), -1);
}

static void *
intern_many(void *argument)
{
	struct evidence_book *book = argument;

	for (uint32_t i = 0; i < 20000; i++) {
		struct answers answers = ANSWERS(0x7f000002 + i % 200, 0x7f010002 + i % 100);
		unsigned list =
		    (unsigned)evidence_list_number(book, i & 1 ? "odd.example" : "even.example");
		uint16_t said = evidence_intern(book, list, &answers);
		const struct answers *kept = evidence_answers(book, list, said);

		if (kept->count != 2 || kept->address[0] != answers.address[0] ||
		    kept->address[1] != answers.address[1])
			return book;
	}
	return NULL;
}

static void
two_threads_that_add_agree(void **state)
{
	struct evidence_book *book = *state;
	pthread_t other;
	void *wrong;

	assert_int_equal(pthread_create(&other, NULL, intern_many, book), 0);
	assert_null(intern_many(book));
	assert_int_equal(pthread_join(other, &wrong), 0);
	assert_null(wrong);
	assert_int_equal(evidence_list_count(book), 2);
}

static void
every_said_has_a_word(void **state)
{
	(void)state;
	assert_string_equal(evidence_word(EVIDENCE_NONE), "not asked");
	assert_string_equal(evidence_word(EVIDENCE_CLEAR), "clear");
	assert_string_equal(evidence_word(EVIDENCE_TIMEOUT), "timeout");
	assert_string_equal(evidence_word(EVIDENCE_FAILED), "its servers fail or are silent");
	assert_string_equal(evidence_word(EVIDENCE_MALFORMED), "malformed reply");
	assert_string_equal(evidence_word(EVIDENCE_FOREIGN), "answer outside 127.0.0.0/8");
	assert_string_equal(evidence_word(EVIDENCE_OVERLOAD), "overload");
	assert_string_equal(evidence_word(EVIDENCE_DIVERSE), "too many different replies");
	for (unsigned said = EVIDENCE_DIVERSE + 1; said < 256; said++)
		assert_non_null(evidence_word((uint8_t)said));
	assert_string_equal(evidence_word(EVIDENCE_ANSWERS), "answers");
	assert_string_equal(evidence_word(255), "answers");
}

static void
the_age_of_evidence_is_its_lifetime_less_what_is_left(void **state)
{
	struct evidence_book *book = *state;
	unsigned a = (unsigned)evidence_list_number(book, "a.example");
	unsigned b = (unsigned)evidence_list_number(book, "b.example");
	struct evidence evidence = {.said = EVIDENCE_CLEAR, .expires = 1300};
	struct answers answers = {0};

	assert_int_equal(evidence_age(book, a, &evidence, 1000), 0); /* nothing is known of it */
	evidence_note_lifetime(book, a, EVIDENCE_CLEAR, 300);
	evidence_note_lifetime(book, b, EVIDENCE_CLEAR, 900);
	assert_int_equal(evidence_age(book, a, &evidence, 1000), 0);
	assert_int_equal(evidence_age(book, a, &evidence, 1001), 1);
	assert_int_equal(evidence_age(book, b, &evidence, 1001), 601);
	assert_int_equal(evidence_age(book, a, &evidence, 1299), 299);
	/* expired; and standing in, less than three minutes after that */
	assert_int_equal(evidence_age(book, a, &evidence, 1310), 310);
	evidence.stale = 3;
	assert_int_equal(evidence_age(book, a, &evidence, 1310), 420);
	evidence.stale = 0;
	/* each answer has its own; never less than 0 */
	assert_true(answers_add(&answers, 0x7f000002));
	evidence.said = evidence_intern(book, a, &answers);
	evidence_note_lifetime(book, a, evidence.said, 100);
	assert_int_equal(evidence_age(book, a, &evidence, 1000), 0);
	assert_int_equal(evidence_age(book, a, &evidence, 1250), 50);
	evidence.said = EVIDENCE_ANSWERS + EVIDENCE_SETS_MAX - 1;
	evidence_note_lifetime(book, b, evidence.said, 400);
	assert_int_equal(evidence_age(book, b, &evidence, 1000), 100);
}

static void
closing_no_book_is_allowed(void **state)
{
	(void)state;
	evidence_book_close(NULL);
}

#define WITH_BOOK(test) cmocka_unit_test_setup_teardown(test, open_book, close_book)

int
main(void)
{
	const struct CMUnitTest evidence[] = {
	    cmocka_unit_test(answers_stand_in_ascending_order_each_once),
	    cmocka_unit_test(a_reply_keeps_as_many_addresses_as_there_is_room_for),
	    WITH_BOOK(the_same_answers_are_said_by_the_same_byte),
	    WITH_BOOK(what_is_behind_the_count_of_an_answer_does_not_matter),
	    WITH_BOOK(each_list_has_sets_of_its_own),
	    WITH_BOOK(the_sets_of_a_list_end_somewhere_and_the_rest_is_diverse),
	    WITH_BOOK(a_list_keeps_its_number),
	    WITH_BOOK(a_book_knows_128_lists_and_no_more),
	    WITH_BOOK(a_name_of_any_length_is_safe),
	    WITH_BOOK(two_threads_that_add_agree),
	    cmocka_unit_test(every_said_has_a_word),
	    WITH_BOOK(the_age_of_evidence_is_its_lifetime_less_what_is_left),
	    cmocka_unit_test(closing_no_book_is_allowed),
	};

	return cmocka_run_group_tests_name("evidence", evidence, NULL, NULL);
}
