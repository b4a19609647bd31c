#include "aggregate/when.h"

#include "tests/unit/unit.h"

static void
a_duration_is_a_number_and_a_unit(void **state)
{
	static const struct {
		const char *string;
		uint32_t seconds;
	} good[] = {
	    {"1s", 1},
	    {"90s", 90},
	    {"15m", 900},
	    {"12h", 43200},
	    {"30d", 2592000},
	    {"2w", 1209600},
	    {"1000000000s", 1000000000},
	    {"71582788m", 4294967280},
	    {"1193046h", 4294965600},
	    {"49710d", 4294944000},
	    {"7101w", 4294684800},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		uint32_t seconds = 0;

		if (!when_parse_duration(good[i].string, &seconds) || seconds != good[i].seconds)
			fail_msg("\"%s\": %u", good[i].string, seconds);
	}
}

static void
what_is_no_duration_is_refused(void **state)
{
	static const char *const bad[] = {"", "s", "0s", "007d", "0d", "-1d", "+1d", " 1d", "1d ",
	    "1", "1 d", "1D", "1y", "1dd", "1d1h", "1.5h", "0x1d", "71582789m", "1193047h",
	    "49711d", "7102w", "1000000001s", "99999999999999999999s", "d1", "1\td", "1%"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		uint32_t seconds = 77;

		if (when_parse_duration(bad[i], &seconds))
			fail_msg("\"%s\" was taken: %u", bad[i], seconds);
		assert_int_equal(seconds, 77);
	}
}

static void
a_date_is_its_beginning_or_a_second_of_it(void **state)
{
	static const struct {
		const char *string;
		uint32_t when;
	} good[] = {
	    {"1970-01-01T00:00:01Z", 1},
	    {"1970-01-02", 86400},
	    {"2000-02-29", 951782400},
	    {"2027-01-31", 1801353600},
	    {"2027-01-31T00:00:00Z", 1801353600},
	    {"2027-01-31T12:00:00Z", 1801396800},
	    {"2038-01-19T03:14:08Z", 2147483648},
	    {"2104-02-29T23:59:59Z", 4233772799},
	    {"2106-02-07T06:28:15Z", UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		uint32_t when = 0;

		if (!when_parse_date(good[i].string, &when) || when != good[i].when)
			fail_msg("\"%s\": %u", good[i].string, when);
	}
}

static void
what_is_no_date_is_refused(void **state)
{
	static const char *const bad[] = {"", "tomorrow", "2027", "2027-01", "2027-13-01",
	    "2027-00-01", "2027-01-00", "2027-01-32", "2027-02-29", "2027-02-30", "2027-04-31",
	    "2100-02-29", "1970-01-01", "1969-12-31", "1900-01-01", "2106-02-07T06:28:16Z",
	    "2106-02-08", "9999-01-01", "2027-01-31T", "2027-01-31T12:00:00z",
	    "2027-01-31T12:00:00+01:00", "2027-01-31T24:00:00Z", "2027-01-31T12:60:00Z",
	    "2027-01-31T12:00Z", "2027-01-31 12:00:00Z", "2027-01-31Z", "2027-01-31 ", "2027/01/31",
	    "31-01-2027", "-2027-01-31", "1801353600"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		uint32_t when = 77;

		if (when_parse_date(bad[i], &when))
			fail_msg("\"%s\" was taken: %u", bad[i], when);
		assert_int_equal(when, 77);
	}
}

static void
what_is_printed_is_read_again(void **state)
{
	struct chance chance = {1};
	char printed[40];
	struct text text;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t when = (uint32_t)chance_next(&chance), again = 0;

		if (when == 0)
			continue;
		text_init(&text, printed, sizeof printed);
		when_print(when, &text);
		assert_int_equal(text.length, strlen("2027-01-31T12:00:00Z"));
		assert_true(when_parse_date(printed, &again));
		assert_int_equal(again, when);
	}
	text_init(&text, printed, sizeof printed);
	when_print(WHEN_LAST, &text);
	assert_string_equal(printed, "2106-02-07T06:28:15Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_duration_is_a_number_and_a_unit),
	    cmocka_unit_test(what_is_no_duration_is_refused),
	    cmocka_unit_test(a_date_is_its_beginning_or_a_second_of_it),
	    cmocka_unit_test(what_is_no_date_is_refused),
	    cmocka_unit_test(what_is_printed_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
