/* A file of tables that really fills its map, which is small here; test_store.c has the rest. */
#include "aggregate/tables.h"

#include <sys/stat.h>

#include "tests/unit/files.h"
#include "tests/unit/unit.h"

#define KIB ((size_t)1024)

static const struct tables_plan plan = {.file = "small.mdb",
    .table = {"things", "journal"},
    .tables = 2,
    .remedy = "it is damaged",
    .relief = "it is full: buy another",
    .first_bytes = 128 * KIB,
    .most_bytes = 2048 * KIB};

static struct tables *
open_good(enum store_mode mode)
{
	struct tables *tables = tables_open(files.directory, &plan, mode);

	if (tables_error(tables) != NULL)
		fail_msg("%s", tables_error(tables));
	return tables;
}

/* Things first..first+count-1 of 100 bytes each, and as many numbers. */
static void
fill(struct tables *tables, uint32_t first, uint32_t count)
{
	uint64_t number = tables_last(tables, 1);
	char value[100];

	for (uint32_t i = first; i < first + count && tables_error(tables) == NULL; i++) {
		memset(value, (int)(i % 251), sizeof value);
		(void)tables_put(tables, 0, &i, sizeof i, value, sizeof value);
		(void)tables_append(tables, 1, ++number, value, sizeof value);
	}
}

/* Is what fill() put there whole, and nothing else? */
static void
expect(uint32_t count)
{
	struct tables *tables = open_good(STORE_READ);

	assert_int_equal(tables_count(tables, 0), count);
	assert_int_equal(tables_count(tables, 1), count);
	assert_int_equal(tables_last(tables, 1), count);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *value = NULL;
		size_t length = 0;

		assert_true(tables_get(tables, 0, &i, sizeof i, &value, &length));
		assert_int_equal(length, 100);
		assert_int_equal(value[0], i % 251);
		assert_int_equal(value[99], i % 251);
	}
	assert_null(tables_error(tables));
	tables_close(tables);
}

/* Apply and commit until it is done or can't be; how often it had to grow. */
static unsigned
change(struct tables *tables, uint32_t first, uint32_t count, bool *done)
{
	unsigned grown = 0;
	bool again = false;

	do {
		fill(tables, first, count);
		*done = tables_commit(tables, &again);
		grown += again;
	} while (again && grown < 20);
	return grown;
}

static void
the_map_grows_within_one_change_until_it_fits(void **state)
{
	struct tables *tables;
	struct stat status;
	bool done = false;

	(void)state;
	tables = open_good(STORE_WRITE);
	assert_int_equal(change(tables, 0, 100, &done), 0);
	assert_true(done);
	tables_close(tables);
	expect(100);
	/* more than 1 MiB at once, into a map of 128 KiB */
	tables = open_good(STORE_WRITE);
	assert_true(change(tables, 100, 3900, &done) >= 3);
	assert_true(done);
	assert_null(tables_error(tables));
	tables_close(tables);
	assert_int_equal(stat(files_path(&files, plan.file), &status), 0);
	assert_true((size_t)status.st_size > 8 * plan.first_bytes);
	expect(4000);
}

static void
what_was_there_is_whole_when_the_map_cannot_grow(void **state)
{
	struct tables *tables;
	bool done = true;

	(void)state;
	tables = open_good(STORE_WRITE);
	(void)change(tables, 0, 1000, &done);
	assert_true(done);
	tables_close(tables);
	tables = open_good(STORE_WRITE);
	/* of 128 KiB, doubled to 2 MiB at most */
	assert_in_range(change(tables, 1000, 50000, &done), 1, 4);
	assert_false(done);
	assert_non_null(strstr(tables_error(tables), "small.mdb: "));
	assert_non_null(strstr(tables_error(tables), "MDB_MAP_FULL"));
	assert_non_null(strstr(tables_error(tables), "; it is full: buy another"));
	/* the error stays, and nothing more happens */
	fill(tables, 0, 10);
	assert_false(tables_commit(tables, &done));
	assert_false(done);
	tables_close(tables);
	expect(1000);
	/* a smaller change is taken all the same */
	tables = open_good(STORE_WRITE);
	(void)change(tables, 1000, 200, &done);
	assert_true(done);
	tables_close(tables);
	expect(1200);
}

static void
a_reader_that_was_there_before_sees_the_old_content_while_the_map_grows(void **state)
{
	struct tables *tables, *reader;
	bool done = false;

	(void)state;
	tables = open_good(STORE_WRITE);
	(void)change(tables, 0, 100, &done);
	tables_close(tables);
	reader = open_good(STORE_READ);
	tables = tables_open(files.directory, &plan, STORE_WRITE);
	assert_true(change(tables, 100, 3900, &done) >= 3);
	assert_true(done);
	tables_close(tables);
	assert_int_equal(tables_count(reader, 0), 100);
	assert_int_equal(tables_last(reader, 1), 100);
	tables_close(reader);
	expect(4000);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_files, close_files)
	const struct CMUnitTest tests[] = {
	    TEST(the_map_grows_within_one_change_until_it_fits),
	    TEST(what_was_there_is_whole_when_the_map_cannot_grow),
	    TEST(a_reader_that_was_there_before_sees_the_old_content_while_the_map_grows),
	};
#undef TEST

	return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
