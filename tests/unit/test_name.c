#include "aggregate/name.h"

#include "tests/unit/unit.h"

static void
a_name_is_folded_and_loses_its_final_dot(void **state)
{
	static const struct {
		const char *text, *folded;
	} good[] = {
	    {"a", "a"},
	    {"A", "a"},
	    {"Zen.SpamHaus.ORG", "zen.spamhaus.org"},
	    {"zen.spamhaus.org.", "zen.spamhaus.org"},
	    {"_a-b_.0", "_a-b_.0"},
	    {"-.-", "-.-"},
	    {"127.0.0.2", "127.0.0.2"},
	    {"AZaz09", "azaz09"},
	};
	char folded[NAME_TEXT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(name_fold(good[i].text, folded));
		assert_string_equal(folded, good[i].folded);
	}
}

static void
what_is_no_name_is_refused(void **state)
{
	static const char *const bad[] = {"", ".", "..", ".a", "a..b", "a..", "a b", "a.b ", "a/b",
	    "a:b", "a*", "*.a", "a@b", "[", "`", "{", "a\\.b", "caf\xc3\xa9.example", "a\nb"};
	char folded[NAME_TEXT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (name_fold(bad[i], folded))
			fail_msg("\"%s\" was taken for a name", bad[i]);
}

static void
a_label_has_at_most_63_characters(void **state)
{
	char text[80], folded[NAME_TEXT_MAX + 1];

	(void)state;
	memset(text, 'a', sizeof text);
	memcpy(text + 63, ".b", 3);
	assert_true(name_fold(text, folded));
	memset(text, 'a', sizeof text);
	memcpy(text + 64, ".b", 3);
	assert_false(name_fold(text, folded));
	memset(text, 'a', sizeof text);
	memcpy(text, "b.", 2);
	text[2 + 63] = '\0';
	assert_true(name_fold(text, folded));
	text[2 + 63] = 'a';
	text[2 + 64] = '\0';
	assert_false(name_fold(text, folded));
}

/* "aaa(63).aaa(63)..." of `length` characters, the last label as long as it comes */
static void
long_name(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		text[i] = i % 64 == 63 ? '.' : 'a';
	text[length] = '\0';
}

static void
a_name_has_at_most_253_characters_without_the_final_dot(void **state)
{
	char text[300], folded[NAME_TEXT_MAX + 1];
	uint8_t wire[NAME_WIRE_MAX];

	(void)state;
	long_name(text, 253);
	assert_true(name_fold(text, folded));
	assert_string_equal(folded, text);
	assert_int_equal(name_to_wire(folded, wire), 255);
	strcat(text, ".");
	assert_true(name_fold(text, folded));
	assert_int_equal(strlen(folded), 253);
	long_name(text, 254);
	assert_false(name_fold(text, folded));
	long_name(text, 290);
	assert_false(name_fold(text, folded));
}

static void
the_wire_form_has_lengths_and_a_root_label(void **state)
{
	uint8_t wire[NAME_WIRE_MAX];

	(void)state;
	assert_int_equal(name_to_wire("bl.example", wire), 12);
	assert_memory_equal(wire, "\2bl\7example\0", 12);
	assert_int_equal(name_to_wire("x", wire), 3);
	assert_memory_equal(wire, "\1x\0", 3);
	assert_int_equal(name_to_wire("", wire), 1);
	assert_memory_equal(wire, "\0", 1);
}

static void
a_name_is_under_itself_and_what_ends_it_at_a_dot(void **state)
{
	(void)state;
	assert_true(name_is_under("bl.example", "bl.example"));
	assert_true(name_is_under("a.bl.example", "bl.example"));
	assert_true(name_is_under("a.b.bl.example", "bl.example"));
	assert_false(name_is_under("xbl.example", "bl.example"));
	assert_false(name_is_under("bl.example", "a.bl.example"));
	assert_false(name_is_under("example", "bl.example"));
	assert_false(name_is_under("bl.example.org", "bl.example"));
	assert_false(name_is_under("b.example", "bl.example"));
}

int
main(void)
{
	const struct CMUnitTest name[] = {
	    cmocka_unit_test(a_name_is_folded_and_loses_its_final_dot),
	    cmocka_unit_test(what_is_no_name_is_refused),
	    cmocka_unit_test(a_label_has_at_most_63_characters),
	    cmocka_unit_test(a_name_has_at_most_253_characters_without_the_final_dot),
	    cmocka_unit_test(the_wire_form_has_lengths_and_a_root_label),
	    cmocka_unit_test(a_name_is_under_itself_and_what_ends_it_at_a_dot),
	};

	return cmocka_run_group_tests_name("name", name, NULL, NULL);
}
