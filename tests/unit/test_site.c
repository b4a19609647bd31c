#include "aggregate/site.h"

#include "tests/unit/unit.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static struct site
site_of(const char *string)
{
	char said[300];
	struct text error;
	struct site site;

	text_init(&error, said, sizeof said);
	memset(&site, 0xaa, sizeof site);
	if (!site_parse(string, &site, &error))
		fail_msg("\"%s\": %s", string, said);
	assert_string_equal(said, "");
	return site;
}

static void
every_form_of_a_site_is_understood(void **state)
{
	static const struct {
		const char *string, *list;
		bool filtered;
		int32_t weight;
	} good[] = {
	    {"zen.spamhaus.org", "zen.spamhaus.org", false, 1},
	    {"Zen.SpamHaus.Org.", "zen.spamhaus.org", false, 1},
	    {"bl.spamcop.net*2", "bl.spamcop.net", false, 2},
	    {"bl.spamcop.net*+2", "bl.spamcop.net", false, 2},
	    {"list.dnswl.org*-3", "list.dnswl.org", false, -3},
	    {"a.example*0", "a.example", false, 0},
	    {"a.example*-0", "a.example", false, 0},
	    {"a.example*10000", "a.example", false, 10000},
	    {"a.example*-10000", "a.example", false, -10000},
	    {"a.example=127.0.0.2", "a.example", true, 1},
	    {"a.example=127.0.0.[2..11]*4", "a.example", true, 4},
	    {"list.dnswl.org=127.0.[0..255].[1..3]*-3", "list.dnswl.org", true, -3},
	    {"a.example=[127].[0;1].[0;5..9;200].[2]*-1", "a.example", true, -1},
	    {"a_b-c.example=[127;128].0.0.[1;1;1..1]", "a_b-c.example", true, 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct site site = site_of(good[i].string);

		assert_string_equal(site.list, good[i].list);
		assert_int_equal(site.filtered, good[i].filtered);
		assert_int_equal(site.weight, good[i].weight);
		assert_false(site.neutral);
	}
}

static void
a_weight_of_0_can_be_neutral(void **state)
{
	static const char *const neutral[] = {
	    "a.example*0!", "a.example=127.0.0.[3;5]*0!", "a.example*-0!", "a.example*+0!"};

	(void)state;
	for (size_t i = 0; i < COUNT(neutral); i++) {
		struct site site = site_of(neutral[i]);

		assert_true(site.neutral);
		assert_int_equal(site.weight, 0);
	}
}

static void
the_longest_name_of_a_list_is_taken_and_one_more_is_not(void **state)
{
	char string[300], said[400];
	struct text error;
	struct site site;

	(void)state;
	for (size_t i = 0; i < 253; i++)
		string[i] = i % 64 == 63 ? '.' : 'a';
	strcpy(string + 253, "*5");
	assert_int_equal(site_of(string).weight, 5);
	strcpy(string + 253, ".*5");
	assert_int_equal(site_of(string).weight, 5);
	for (size_t i = 253; i < 290; i++) {
		memset(string + 253, 'a', i - 252);
		strcpy(string + i + 1, "*5");
		text_init(&error, said, sizeof said);
		assert_false(site_parse(string, &site, &error));
	}
	strcpy(string + 253, ".b*5");
	text_init(&error, said, sizeof said);
	assert_false(site_parse(string, &site, &error));
}

static void
a_broken_site_is_told_what_and_where(void **state)
{
	static const char name[] = "expected the domain name of a list";
	static const char number[] = "expected a number of 0 to 255 or \"[\"";
	static const char inside[] = "expected a number of 0 to 255 at";
	static const char four[] = "expected four numbers with \".\" between them";
	static const char weight[] = "expected a weight of -10000 to 10000";
	static const struct {
		const char *string, *error, *place;
	} bad[] = {
	    {"", name, " at the end"},
	    {"=127.0.0.2", name, " at \"=127.0.0.2\""},
	    {"*3", name, " at \"*3\""},
	    {"a..b", name, " at \"a..b\""},
	    {".", name, " at \".\""},
	    {"a b", name, " at \"a b\""},
	    {" a.example", name, " at \" a.example\""},
	    {"a.example ", name, NULL},
	    {"a/b*2", name, " at \"a/b*2\""},
	    {"caf\xc3\xa9*2", name, " at \"caf??*2\""},
	    {"a.example=", number, " at the end"},
	    {"a.example=*2", number, " at \"*2\""},
	    {"a.example=x", number, " at \"x\""},
	    {"a.example=127", four, " at the end"},
	    {"a.example=127.0.0", four, " at the end"},
	    {"a.example=127.0.0*2", four, " at \"*2\""},
	    {"a.example=127.0.0.", number, " at the end"},
	    {"a.example=127.0.0.2.3", "expected \"*weight\" or nothing more", " at \".3\""},
	    {"a.example=127.0.0.256", number, " at \"256\""},
	    {"a.example=127.0.0.02", number, " at \"02\""},
	    {"a.example=127.0.0.-2", number, " at \"-2\""},
	    {"a.example=127,0,0,2", four, " at \",0,0,2\""},
	    {"a.example=127.0.0.[", inside, " the end"},
	    {"a.example=127.0.0.[]", inside, " \"]\""},
	    {"a.example=127.0.0.[2", "expected \";\" or \"]\"", " at the end"},
	    {"a.example=127.0.0.[2;]", inside, " \"]\""},
	    {"a.example=127.0.0.[;2]", inside, " \";2]\""},
	    {"a.example=127.0.0.[2,3]", "expected \";\" or \"]\"", " at \",3]\""},
	    {"a.example=127.0.0.[2.3]", "expected \";\" or \"]\"", " at \".3]\""},
	    {"a.example=127.0.0.[2-3]", "expected \";\" or \"]\"", " at \"-3]\""},
	    {"a.example=127.0.0.[2..]", "number of 0 to 255 after \"..\"", " at \"]\""},
	    {"a.example=127.0.0.[256]", inside, " \"256]\""},
	    {"a.example=127.0.0.[256..257]", inside, " \"256..257]\""},
	    {"a.example=127.0.0.[2..256]", "number of 0 to 255 after \"..\"", " at \"256]\""},
	    {"a.example=127.0.0.[2..3..4]", "expected \";\" or \"]\"", " at \"..4]\""},
	    {"a.example=127.0.0.[3..2]", "range 3..2 runs backwards", NULL},
	    {"a.example=127.0.0.[..3]", inside, " \"..3]\""},
	    {"a.example=127.0.0.2..4", "expected \"*weight\" or nothing more", " at \"..4\""},
	    {"a.example=127.0.0.[2]3", "expected \"*weight\" or nothing more", " at \"3\""},
	    {"a.example=127.0.0.[[2]]", inside, NULL},
	    {"a.example=127.0.0.2]", "expected \"*weight\" or nothing more", " at \"]\""},
	    {"a.example==127.0.0.2", number, " at \"=127.0.0.2\""},
	    {"a.example=127.0.0.2=127.0.0.3", "expected \"*weight\" or nothing more", NULL},
	    {"a.example*", weight, " at the end"},
	    {"a.example*x", weight, " at \"x\""},
	    {"a.example*-", weight, " at the end"},
	    {"a.example*--1", weight, " at \"-1\""},
	    {"a.example*+-1", weight, " at \"-1\""},
	    {"a.example*01", weight, " at \"01\""},
	    {"a.example*10001", weight, " at \"10001\""},
	    {"a.example*-10001", weight, " at \"10001\""},
	    {"a.example*99999999999999999999", weight, NULL},
	    {"a.example*1.5", "expected \"=filter\", \"*weight\" or nothing more", " at \".5\""},
	    {"a.example* 1", weight, " at \" 1\""},
	    {"a.example*1 ", "or nothing more", " at \" \""},
	    {"a.example*2*3", "or nothing more", " at \"*3\""},
	    {"a.example*2=127.0.0.2", "or nothing more", " at \"=127.0.0.2\""},
	    {"a.example=127.0.0.2*x", weight, " at \"x\""},
	    {"a.example*!", weight, " at \"!\""},
	    {"a.example*1!", "only the weight 0 can be neutral", " at \"!\""},
	    {"a.example=127.0.0.2*-4!", "only the weight 0 can be neutral", " at \"!\""},
	    {"a.example*0!!", "or nothing more", " at \"!\""},
	    {"a.example*0 !", "or nothing more", " at \" !\""},
	    {"a.example!", name, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char said[300];
		struct text error;
		struct site site;

		text_init(&error, said, sizeof said);
		if (site_parse(bad[i].string, &site, &error))
			fail_msg("\"%s\" was taken for a site", bad[i].string);
		if (strstr(said, bad[i].error) == NULL ||
		    (bad[i].place != NULL && strstr(said, bad[i].place) == NULL))
			fail_msg("\"%s\" gives: %s", bad[i].string, said);
	}
}

static void
a_pattern_alone_ends_after_the_fourth_number(void **state)
{
	static const struct {
		const char *string, *error;
	} bad[] = {
	    {"", "expected a number of 0 to 255 or \"[\" at the end"},
	    {"127.0.0", "expected four numbers with \".\" between them at the end"},
	    {"127.0.0.2 ", "unexpected text after the fourth number at \" \""},
	    {"127.0.0.2*3", "unexpected text after the fourth number at \"*3\""},
	    {"127.0.0.2/32", "unexpected text after the fourth number at \"/32\""},
	    {" 127.0.0.2", "expected a number of 0 to 255 or \"[\" at \" 127.0.0.2\""},
	    {"127.0.0.[2..1]", "range 2..1 runs backwards at \"]\""},
	};
	char said[300];
	struct text error;
	struct pattern pattern;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		text_init(&error, said, sizeof said);
		assert_false(pattern_parse(bad[i].string, &pattern, &error));
		assert_string_equal(said, bad[i].error);
	}
	text_init(&error, said, sizeof said);
	assert_true(pattern_parse("127.0.0.2", &pattern, &error));
	assert_string_equal(said, "");
}

static void
a_long_error_is_cut_and_not_overrun(void **state)
{
	char string[600], said[100];
	struct text error;
	struct site site;

	(void)state;
	memset(string, '\n', sizeof string);
	string[sizeof string - 1] = '\0';
	text_init(&error, said, sizeof said);
	assert_false(site_parse(string, &site, &error));
	assert_true(error.cut);
	assert_int_equal(strlen(said), sizeof said - 1);
	assert_null(strchr(said, '\n'));
}

static void
a_filter_matches_up_to_its_borders(void **state)
{
	static const struct {
		const char *filter;
		uint32_t in[4], out[6]; /* up to the first 0 */
	} of[] = {
	    {"a=127.0.0.2", {IP(127, 0, 0, 2)},
		{IP(127, 0, 0, 1), IP(127, 0, 0, 3), IP(127, 0, 1, 2), IP(127, 1, 0, 2),
		    IP(126, 0, 0, 2), IP(2, 0, 0, 127)}},
	    {"a=127.0.0.[2..11]", {IP(127, 0, 0, 2), IP(127, 0, 0, 7), IP(127, 0, 0, 11)},
		{IP(127, 0, 0, 1), IP(127, 0, 0, 12), IP(127, 0, 0, 0), IP(127, 0, 0, 255)}},
	    {"a=127.0.[0..255].[1..3]", {IP(127, 0, 0, 1), IP(127, 0, 255, 3), IP(127, 0, 64, 2)},
		{IP(127, 0, 0, 0), IP(127, 0, 255, 4), IP(127, 1, 0, 1)}},
	    {"a=127.[0;63..64;127..128;255].0.0",
		{IP(127, 0, 0, 0), IP(127, 64, 0, 0), IP(127, 128, 0, 0), IP(127, 255, 0, 0)},
		{IP(127, 1, 0, 0), IP(127, 62, 0, 0), IP(127, 65, 0, 0), IP(127, 126, 0, 0),
		    IP(127, 129, 0, 0), IP(127, 254, 0, 0)}},
	    {"a=[0..255].[0..255].[0..255].[0..254]",
		{IP(255, 255, 255, 254), IP(1, 2, 3, 4), IP(0, 0, 0, 1)},
		{IP(255, 255, 255, 255), IP(0, 0, 0, 255)}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(of); i++) {
		struct site site = site_of(of[i].filter);

		for (size_t j = 0; j < 4 && of[i].in[j] != 0; j++)
			assert_true(pattern_match(&site.filter, of[i].in[j]));
		for (size_t j = 0; j < 6 && of[i].out[j] != 0; j++)
			assert_false(pattern_match(&site.filter, of[i].out[j]));
	}
}

/* Each number 0..255 in each of the four places, against all values of that place. */
static void
each_number_of_a_filter_matches_itself_alone(void **state)
{
	(void)state;
	for (unsigned place = 0; place < 4; place++)
		for (unsigned n = 0; n < 256; n++) {
			unsigned number[4] = {127, 1, 2, 3}, matches = 0;
			struct pattern pattern;
			char string[40], said[100];
			struct text text, error;

			number[place] = n;
			text_init(&text, string, sizeof string);
			text_init(&error, said, sizeof said);
			text_add_format(
			    &text, "%u.%u.%u.%u", number[0], number[1], number[2], number[3]);
			assert_true(pattern_parse(string, &pattern, &error));
			for (unsigned d = 0; d < 256; d++) {
				number[place] = d;
				if (!pattern_match(
					&pattern, IP(number[0], number[1], number[2], number[3])))
					continue;
				matches++;
				assert_int_equal(d, n);
			}
			assert_int_equal(matches, 1);
		}
}

int
main(void)
{
	const struct CMUnitTest site[] = {
	    cmocka_unit_test(every_form_of_a_site_is_understood),
	    cmocka_unit_test(a_weight_of_0_can_be_neutral),
	    cmocka_unit_test(the_longest_name_of_a_list_is_taken_and_one_more_is_not),
	    cmocka_unit_test(a_broken_site_is_told_what_and_where),
	    cmocka_unit_test(a_pattern_alone_ends_after_the_fourth_number),
	    cmocka_unit_test(a_long_error_is_cut_and_not_overrun),
	    cmocka_unit_test(a_filter_matches_up_to_its_borders),
	    cmocka_unit_test(each_number_of_a_filter_matches_itself_alone),
	};

	return cmocka_run_group_tests_name("site", site, NULL, NULL);
}
