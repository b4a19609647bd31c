#include "aggregate/mistakes.h"

#include "tests/unit/unit.h"

static void
mistakes_are_lines_of_file_line_and_text(void **state)
{
	struct mistakes mistakes = {0};

	(void)state;
	assert_null(mistakes.text);
	mistakes_add(&mistakes, "a.conf", 3, "%s is %d", "it", 7);
	mistakes_add(&mistakes, "dir/b.conf", 0, "no line");
	assert_string_equal(mistakes.text, "a.conf:3: it is 7\ndir/b.conf: no line\n");
	assert_int_equal(mistakes.length, strlen(mistakes.text));
	assert_int_equal(mistakes.count, 2);
	mistakes_free(&mistakes);
	assert_null(mistakes.text);
	assert_int_equal(mistakes.count, 0);
	assert_int_equal(mistakes.length, 0);
}

static void
a_warning_is_told_and_makes_nothing_wrong(void **state)
{
	struct mistakes mistakes = {0};

	(void)state;
	mistakes_warn(&mistakes, "a.conf", 3, "%s", "hardly meant");
	mistakes_warn(&mistakes, "a.conf", 3, "hardly meant");
	assert_int_equal(mistakes.count, 0);
	assert_int_equal(mistakes.warnings, 1);
	mistakes_add(&mistakes, "a.conf", 4, "wrong");
	assert_string_equal(mistakes.text, "a.conf:3: warning: hardly meant\na.conf:4: wrong\n");
	assert_int_equal(mistakes.count, 1);
	for (unsigned i = 1; i <= 1000; i++)
		mistakes_warn(&mistakes, "a.conf", i, "more");
	mistakes_add(&mistakes, "a.conf", 5, "wrong");
	assert_non_null(
	    strstr(mistakes.text, "a.conf:199: warning: more\n... and more warnings\n"));
	assert_non_null(strstr(mistakes.text, "a.conf:5: warning: more\na.conf:5: wrong\n"));
	assert_int_equal(mistakes.warnings, 1001);
	mistakes_free(&mistakes);
}

static void
a_mistake_is_told_once(void **state)
{
	struct mistakes mistakes = {0};

	(void)state;
	mistakes_add(&mistakes, "a.conf", 3, "wrong");
	mistakes_add(&mistakes, "a.conf", 4, "wrong");
	mistakes_add(&mistakes, "a.conf", 3, "wrong");
	mistakes_add(&mistakes, "conf", 3, "wrong");
	mistakes_add(&mistakes, "a.conf", 3, "wrong!");
	mistakes_add(&mistakes, "a.conf", 4, "wrong");
	assert_string_equal(
	    mistakes.text, "a.conf:3: wrong\na.conf:3: wrong!\na.conf:4: wrong\nconf:3: wrong\n");
	assert_int_equal(mistakes.count, 4);
	mistakes_free(&mistakes);
}

static void
mistakes_of_a_file_are_in_the_order_of_its_lines(void **state)
{
	struct mistakes mistakes = {0};

	(void)state;
	mistakes_add(&mistakes, "a.conf", 10, "ten");
	mistakes_add(&mistakes, "b.conf", 2, "two");
	mistakes_add(&mistakes, "a.conf", 9, "nine");
	mistakes_warn(&mistakes, "a.conf", 9, "nine");
	mistakes_add(&mistakes, "a.conf", 0, "7 of all");
	mistakes_add(&mistakes, "b.conf", 1, "one");
	mistakes_add(&mistakes, "a.conf", 3, "three");
	assert_string_equal(mistakes.text,
	    "a.conf: 7 of all\na.conf:3: three\na.conf:9: nine\na.conf:9: warning: nine\n"
	    "a.conf:10: ten\nb.conf:1: one\nb.conf:2: two\n");
	assert_int_equal(mistakes.length, strlen(mistakes.text));
	mistakes_free(&mistakes);
}

static void
what_is_not_printable_in_a_mistake_becomes_a_question_mark(void **state)
{
	struct mistakes mistakes = {0};

	(void)state;
	mistakes_add(&mistakes, "a\n.conf", 1, "b\r\n\x1b[1mc\xc3\xa9");
	assert_string_equal(mistakes.text, "a?.conf:1: b???[1mc??\n");
	mistakes_free(&mistakes);
}

static void
a_long_mistake_is_cut_and_still_a_line(void **state)
{
	struct mistakes mistakes = {0};
	char path[2000];

	(void)state;
	memset(path, 'p', sizeof path);
	path[sizeof path - 1] = '\0';
	mistakes_add(&mistakes, "a.conf", 1, "%s", path);
	assert_in_range(mistakes.length, 200, 1024);
	assert_int_equal(mistakes.text[mistakes.length - 1], '\n');
	mistakes_free(&mistakes);
	mistakes_add(&mistakes, path, 1, "text");
	mistakes_add(&mistakes, "a.conf", 1, "text");
	assert_int_equal(mistakes.count, 2);
	assert_string_equal(mistakes.text + mistakes.length - 16, "\na.conf:1: text\n");
	assert_int_equal(strlen(mistakes.text), mistakes.length);
	mistakes_free(&mistakes);
}

static void
beyond_200_mistakes_a_line_says_that_there_are_more(void **state)
{
	struct mistakes mistakes = {0};
	unsigned lines = 0;

	(void)state;
	for (unsigned i = 1; i <= 200; i++)
		mistakes_add(&mistakes, "a.conf", i, "wrong");
	mistakes_add(&mistakes, "a.conf", 100, "wrong");
	assert_null(strstr(mistakes.text, "more"));
	for (unsigned i = 201; i <= 250; i++)
		mistakes_add(&mistakes, "a.conf", i, "wrong");
	for (const char *c = mistakes.text; *c != '\0'; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 201);
	assert_int_equal(mistakes.count, 250);
	assert_non_null(strstr(mistakes.text, "\na.conf:200: wrong\n... and more\n"));
	assert_null(strstr(mistakes.text, "a.conf:201:"));
	mistakes_free(&mistakes);
}

int
main(void)
{
	const struct CMUnitTest mistakes[] = {
	    cmocka_unit_test(mistakes_are_lines_of_file_line_and_text),
	    cmocka_unit_test(a_warning_is_told_and_makes_nothing_wrong),
	    cmocka_unit_test(a_mistake_is_told_once),
	    cmocka_unit_test(mistakes_of_a_file_are_in_the_order_of_its_lines),
	    cmocka_unit_test(what_is_not_printable_in_a_mistake_becomes_a_question_mark),
	    cmocka_unit_test(a_long_mistake_is_cut_and_still_a_line),
	    cmocka_unit_test(beyond_200_mistakes_a_line_says_that_there_are_more),
	};

	return cmocka_run_group_tests_name("mistakes", mistakes, NULL, NULL);
}
