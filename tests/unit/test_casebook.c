/* Ids of cases, and the book of them. */
#include <fcntl.h>
#include <sys/stat.h>

#include "aggregate/casebook.h"
#include "aggregate/caseid.h"
#include "aggregate/compile.h"
#include "tests/unit/excepting.h"
#include "tests/unit/files.h"
#include "tests/unit/zone.h"

static struct casebook_entry
numbered(uint64_t number)
{
	struct casebook_entry entry = {.id = number,
	    .when = (uint32_t)number,
	    .refused = number % 2 == 0,
	    .zone = "bl.example",
	    .score = -3,
	    .threshold = 4,
	    .address = 0x7f000002u,
	    .exception = "score 192.0.2.0/24 all",
	    .said = "a.example=127.0.0.2 b.example=clear"};

	entry.subject = make_subject(number % 3 == 0 ? "2001:db8::1" : "192.0.2.1");
	return entry;
}

static void
add(uint64_t first, uint64_t last)
{
	struct casebook *casebook = casebook_open(files.directory);

	assert_non_null(casebook);
	for (uint64_t number = first; number <= last; number++) {
		struct casebook_entry entry = numbered(number);

		assert_true(casebook_add(casebook, &entry));
	}
	casebook_close(casebook);
}

struct seen {
	uint64_t least, most, count;
};

static bool
see(void *context, const struct casebook_entry *entry)
{
	struct casebook_entry wanted = numbered(entry->id);
	struct seen *seen = context;

	assert_int_equal(entry->when, wanted.when);
	assert_int_equal(entry->refused, wanted.refused);
	assert_true(subject_equal(&entry->subject, &wanted.subject));
	assert_int_equal(entry->score, wanted.score);
	assert_int_equal(entry->threshold, wanted.threshold);
	assert_int_equal(entry->address, wanted.address);
	assert_string_equal(entry->zone, wanted.zone);
	assert_string_equal(entry->exception, wanted.exception);
	assert_string_equal(entry->said, wanted.said);
	seen->least = seen->count == 0 || entry->id < seen->least ? entry->id : seen->least;
	seen->most = entry->id > seen->most ? entry->id : seen->most;
	seen->count++;
	return true;
}

static struct seen
see_all(void)
{
	struct seen seen = {0};
	char said[200];
	struct text error;

	text_init(&error, said, sizeof said);
	assert_true(casebook_each(files.directory, see, &seen, &error));
	return seen;
}

static void
what_is_added_comes_back_whole_after_opening_anew_too(void **state)
{
	(void)state;
	assert_int_equal(see_all().count, 0);
	add(1, 3);
	add(4, 4);
	assert_int_equal(see_all().count, 4);
	assert_int_equal(see_all().most, 4);
}

static void
the_oldest_is_written_over_and_the_file_grows_no_more(void **state)
{
	struct seen seen;
	struct stat status;

	(void)state;
	add(1, CASEBOOK_MAX + 10);
	add(CASEBOOK_MAX + 11, CASEBOOK_MAX + 20);
	seen = see_all();
	assert_int_equal(seen.count, CASEBOOK_MAX);
	assert_int_equal(seen.least, 21);
	assert_int_equal(seen.most, CASEBOOK_MAX + 20);
	assert_int_equal(stat(files_path(&files, CASEBOOK_FILE), &status), 0);
	assert_int_equal(status.st_size, CASEBOOK_MAX * 1024);
}

static void
a_damaged_record_was_never_there_and_the_others_are(void **state)
{
	int fd;

	(void)state;
	add(1, 5);
	for (unsigned at = 1024 * 2; at < 1024 * 3; at += 61) {
		char byte, other;

		fd = open(files_path(&files, CASEBOOK_FILE), O_RDWR);
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		other = (char)(byte ^ 1);
		assert_int_equal(pwrite(fd, &other, 1, at), 1);
		assert_int_equal(see_all().count, 4);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
	}
	assert_int_equal(truncate(files_path(&files, CASEBOOK_FILE), 4000), 0);
	assert_int_equal(see_all().count, 2);
	add(6, 6); /* goes on behind what is left */
	assert_int_equal(see_all().count, 3);
}

static void
ids_are_read_as_they_are_printed(void **state)
{
	struct chance chance = {9};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t id = chance_next(&chance) & 0xffffffffffu, read;
		char printed[20];
		struct text text;

		text_init(&text, printed, sizeof printed);
		caseid_print(id, &text);
		assert_int_equal(text.length, CASEID_LENGTH);
		assert_true(caseid_parse(printed, &read) && read == id);
		printed[3] = (char)(printed[3] >= 'a' ? printed[3] - 32 : printed[3]);
		assert_true(caseid_parse(printed, &read) && read == id);
	}
	for (const char *const *bad = (const char *const[]){"", "0000000", "000000000", "0000000l",
		 "0000 000", "u0000000", NULL};
	     *bad != NULL; bad++) {
		uint64_t read;

		if (caseid_parse(*bad, &read))
			fail_msg("\"%s\"", *bad);
	}
}

static void
an_id_is_of_the_zone_the_subject_and_what_was_said(void **state)
{
	struct evidence_book *book = evidence_book_open();
	struct policy *policy = policy_open();
	struct policy_zone *zone = make_zone(policy, "bl.example"), *other;
	struct subject a = make_subject("192.0.2.1"), b = make_subject("192.0.2.2");
	struct answers two = make_answers("127.0.0.2"), three = make_answers("127.0.0.3");
	struct evidence evidence[EVIDENCE_LISTS_MAX] = {0};
	uint64_t id;

	(void)state;
	make_site(policy, zone, "a.example");
	make_grade(zone, 1, 0x7f000002u);
	other = make_zone(policy, "other.example");
	make_site(policy, other, "a.example");
	make_grade(other, 1, 0x7f000002u);
	assert_true(compile_policy(policy, book));
	zone = policy->zone[0];
	evidence[0].said = evidence_intern(book, 0, &two);
	id = caseid_of(zone, &a, NULL, book, evidence);
	assert_true(id != 0 && id >> 40 == 0);
	evidence[0].expires = 77;
	assert_true(id == caseid_of(zone, &a, NULL, book, evidence));
	assert_true(id != caseid_of(zone, &b, NULL, book, evidence));
	assert_true(id != caseid_of(policy->zone[1], &a, NULL, book, evidence));
	assert_true(id != caseid_of(zone, &a, NULL, book, NULL));
	evidence[0].said = evidence_intern(book, 0, &three);
	assert_true(id != caseid_of(zone, &a, NULL, book, evidence));
	evidence[0].said = EVIDENCE_CLEAR;
	assert_true(id != caseid_of(zone, &a, NULL, book, evidence));
	policy_close(policy);
	evidence_book_close(book);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_files, close_files)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_is_added_comes_back_whole_after_opening_anew_too),
	    TEST(the_oldest_is_written_over_and_the_file_grows_no_more),
	    TEST(a_damaged_record_was_never_there_and_the_others_are),
	    cmocka_unit_test(ids_are_read_as_they_are_printed),
	    cmocka_unit_test(an_id_is_of_the_zone_the_subject_and_what_was_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
