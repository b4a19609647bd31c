#include "aggregate/text.h"

#include "tests/unit/unit.h"

static void
a_new_text_is_empty_and_terminated(void **state)
{
	char buffer[4] = "abc";
	struct text text;

	(void)state;
	text_init(&text, buffer, sizeof buffer);
	assert_string_equal(buffer, "");
	assert_int_equal(text.length, 0);
	assert_false(text.cut);
}

static void
what_is_added_stands_one_behind_the_other(void **state)
{
	char buffer[40];
	struct text text;

	(void)state;
	text_init(&text, buffer, sizeof buffer);
	text_add(&text, "one ");
	text_add_bytes(&text, "two and more", 4);
	text_add_format(&text, "%d-%s ", 3, "x");
	text_add_printable(&text, "four", 4);
	text_add(&text, "");
	assert_string_equal(buffer, "one two 3-x four");
	assert_int_equal(text.length, strlen(buffer));
	assert_false(text.cut);
}

static void
a_text_that_just_fits_is_not_cut(void **state)
{
	char buffer[6];
	struct text text;

	(void)state;
	text_init(&text, buffer, sizeof buffer);
	text_add(&text, "12345");
	assert_string_equal(buffer, "12345");
	assert_false(text.cut);
	text_init(&text, buffer, sizeof buffer);
	text_add_format(&text, "%d", 12345);
	assert_string_equal(buffer, "12345");
	assert_int_equal(text.length, 5);
	assert_false(text.cut);
}

static void
one_byte_too_many_is_left_out_and_told(void **state)
{
	char buffer[6];
	struct text text;

	(void)state;
	text_init(&text, buffer, sizeof buffer);
	text_add(&text, "123456");
	assert_string_equal(buffer, "12345");
	assert_int_equal(text.length, 5);
	assert_true(text.cut);
	text_init(&text, buffer, sizeof buffer);
	text_add_format(&text, "%d", 123456);
	assert_string_equal(buffer, "12345");
	assert_int_equal(text.length, 5);
	assert_true(text.cut);
	text_init(&text, buffer, sizeof buffer);
	text_add_printable(&text, "123456", 6);
	assert_string_equal(buffer, "12345");
	assert_true(text.cut);
}

static void
a_full_text_takes_more_without_harm(void **state)
{
	char around[8] = "_______";
	struct text text;

	(void)state;
	text_init(&text, around + 1, 4);
	text_add(&text, "abcd");
	text_add(&text, "e");
	text_add_format(&text, "%s", "fg");
	text_add_format(&text, "%s", "");
	text_add_printable(&text, "h", 1);
	assert_string_equal(around + 1, "abc");
	assert_int_equal(text.length, 3);
	assert_true(text.cut);
	assert_int_equal(around[0], '_');
	assert_int_equal(around[5], '_');
}

static void
a_buffer_of_one_byte_holds_the_empty_text(void **state)
{
	char buffer[2] = "x";
	struct text text;

	(void)state;
	buffer[1] = 'y';
	text_init(&text, buffer, 1);
	text_add(&text, "a");
	text_add_format(&text, "%d", 1);
	assert_string_equal(buffer, "");
	assert_true(text.cut);
	assert_int_equal(buffer[1], 'y');
}

static void
bytes_outside_printable_ascii_become_question_marks(void **state)
{
	static const unsigned char from[] = {0x1f, ' ', '~', 0x7f, 0x80, 0xff, '\n', 0, 'a'};
	char buffer[20];
	struct text text;

	(void)state;
	text_init(&text, buffer, sizeof buffer);
	text_add_printable(&text, from, sizeof from);
	assert_string_equal(buffer, "? ~?????a");
	for (unsigned c = 0; c < 256; c++) {
		unsigned char byte = (unsigned char)c;

		text_init(&text, buffer, sizeof buffer);
		text_add_printable(&text, &byte, 1);
		assert_int_equal(buffer[0], c >= 32 && c < 127 ? (int)c : '?');
		assert_int_equal(buffer[1], 0);
	}
}

static void
a_number_is_read_and_stepped_over(void **state)
{
	static const struct {
		const char *string;
		uint32_t max, number;
		size_t length; /* of the number in the string */
	} good[] = {
	    {"0", 0, 0, 1},
	    {"0", 255, 0, 1},
	    {"7x", 255, 7, 1},
	    {"9", 255, 9, 1},
	    {"9z", 255, 9, 1},
	    {"0x1", 255, 0, 1},
	    {"0.", 255, 0, 1},
	    {"255", 255, 255, 3},
	    {"100", 100, 100, 3},
	    {"4294967295", UINT32_MAX, UINT32_MAX, 10},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const char *cursor = good[i].string;
		uint32_t number = 99;

		assert_true(text_read_number(&cursor, good[i].max, &number));
		assert_int_equal(number, good[i].number);
		assert_int_equal(cursor - good[i].string, good[i].length);
	}
}

static void
what_is_no_number_in_bounds_is_left_where_it_is(void **state)
{
	static const struct {
		const char *string;
		uint32_t max;
	} bad[] = {
	    {"", 255},
	    {"x", 255},
	    {"-1", 255},
	    {"+1", 255},
	    {" 1", 255},
	    {"00", 255},
	    {"01", 255},
	    {"09", 255},
	    {"007", 255},
	    {"256", 255},
	    {"1", 0},
	    {"101", 100},
	    {"4294967296", UINT32_MAX},
	    {"18446744073709551616", UINT32_MAX},
	    {"99999999999999999999999999", UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		const char *cursor = bad[i].string;
		uint32_t number = 99;

		if (text_read_number(&cursor, bad[i].max, &number))
			fail_msg("\"%s\" was read as %u", bad[i].string, number);
		assert_ptr_equal(cursor, bad[i].string);
		assert_int_equal(number, 99);
	}
}

int
main(void)
{
	const struct CMUnitTest text[] = {
	    cmocka_unit_test(a_new_text_is_empty_and_terminated),
	    cmocka_unit_test(what_is_added_stands_one_behind_the_other),
	    cmocka_unit_test(a_text_that_just_fits_is_not_cut),
	    cmocka_unit_test(one_byte_too_many_is_left_out_and_told),
	    cmocka_unit_test(a_full_text_takes_more_without_harm),
	    cmocka_unit_test(a_buffer_of_one_byte_holds_the_empty_text),
	    cmocka_unit_test(bytes_outside_printable_ascii_become_question_marks),
	    cmocka_unit_test(a_number_is_read_and_stepped_over),
	    cmocka_unit_test(what_is_no_number_in_bounds_is_left_where_it_is),
	};

	return cmocka_run_group_tests_name("text", text, NULL, NULL);
}
