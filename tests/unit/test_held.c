#include "resolver/held.h"

#include <sys/stat.h>

#include "tests/unit/files.h"

static struct held held;
static char said[500];

static int
begin(void **state)
{
	(void)state;
	memset(&held, 0, sizeof held);
	files_open(&files);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	files_close(&files);
	return 0;
}

static bool
read_back(void)
{
	struct text error;

	text_init(&error, said, sizeof said);
	return held_read(&held, files.directory, &error);
}

static bool
write_down(void)
{
	struct text error;

	text_init(&error, said, sizeof said);
	return held_write(&held, files.directory, &error);
}

static void
what_was_written_is_read_back(void **state)
{
	(void)state;
	assert_true(read_back());
	assert_int_equal(held.count, 0);
	assert_true(held_add(&held, "a.example") && held_add(&held, "b.example"));
	assert_true(held_add(&held, "c.example") && held_add(&held, "a.example"));
	held_remove(&held, "b.example");
	held_remove(&held, "d.example");
	assert_true(write_down());
	memset(&held, 0, sizeof held);
	assert_true(read_back());
	assert_int_equal(held.count, 2);
	assert_true(held_has(&held, "a.example") && held_has(&held, "c.example"));
	assert_false(held_has(&held, "b.example"));
}

static void
as_many_are_held_as_there_can_be_lists(void **state)
{
	char name[NAME_TEXT_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		memset(name, 'a', NAME_TEXT_MAX);
		for (unsigned at = 60; at < NAME_TEXT_MAX; at += 60)
			name[at] = '.';
		(void)snprintf(name, 5, "%04u", i);
		name[4] = 'x';
		name[NAME_TEXT_MAX] = '\0';
		assert_true(held_add(&held, name));
	}
	assert_false(held_add(&held, "one.more.example"));
	assert_true(write_down());
	assert_true(read_back());
	assert_int_equal(held.count, EVIDENCE_LISTS_MAX);
}

static void
of_a_damaged_file_nothing_is_believed(void **state)
{
	static const char whole[] = "tally quarantine 1\na.example\nb.example\nend 2\n";
	static const char *const broken[] = {"", "\n", "a.example\n", "tally quarantine 2\nend 0\n",
	    "tally quarantine 1\na..example\nend 1\n", "tally quarantine 1\na.example\nend 2\n",
	    "tally quarantine 1\na.example\nend 1\nb.example\n",
	    "tally quarantine 1\na.example\na.example\nend 2\n"};

	(void)state;
	files_write(&files, HELD_FILE, whole, strlen(whole));
	assert_true(read_back());
	assert_int_equal(held.count, 2);
	for (size_t length = 0; length < strlen(whole) - 1; length++) {
		files_write(&files, HELD_FILE, whole, length);
		assert_false(read_back());
		assert_int_equal(held.count, 0);
	}
	for (size_t at = 0; at < strlen(whole); at++) {
		char bytes[sizeof whole];

		memcpy(bytes, whole, sizeof whole);
		bytes[at] = '\0';
		files_write(&files, HELD_FILE, bytes, strlen(whole));
		assert_false(read_back());
		assert_true(strstr(said, HELD_FILE ": it is damaged") != NULL);
	}
	for (unsigned i = 0; i < COUNT(broken); i++) {
		files_write(&files, HELD_FILE, broken[i], strlen(broken[i]));
		assert_false(read_back());
	}
}

static void
what_is_no_file_is_no_reason_to_wait(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(files_path(&files, HELD_FILE), 0600), 0);
	assert_false(read_back());
	assert_int_equal(unlink(files.path), 0);
	assert_int_equal(symlink("/etc/passwd", files.path), 0);
	assert_false(read_back());
	assert_int_equal(unlink(files.path), 0);
}

static void
a_directory_that_cannot_be_written_is_told(void **state)
{
	struct text error;

	(void)state;
	text_init(&error, said, sizeof said);
	assert_false(held_write(&held, "/nonexistent", &error));
	assert_true(strstr(said, "No such file") != NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_was_written_is_read_back),
	    TEST(as_many_are_held_as_there_can_be_lists),
	    TEST(of_a_damaged_file_nothing_is_believed),
	    TEST(what_is_no_file_is_no_reason_to_wait),
	    TEST(a_directory_that_cannot_be_written_is_told),
	};

	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
