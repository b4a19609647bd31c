/* The sums of a file of tables: what they find, and how a file without them gets them. */
#include <lmdb.h>

#include "aggregate/tables.h"
#include "tests/unit/files.h"
#include "tests/unit/unit.h"

#define THINGS 5
#define FILE_MAX 200000

static const struct tables_plan plan = {.file = "small.mdb",
    .table = {"things", "journal"},
    .tables = 2,
    .remedy = "it is damaged",
    .relief = "it is full",
    .first_bytes = TABLES_FIRST_BYTES,
    .most_bytes = TABLES_MOST_BYTES};

static void
commit(struct tables *tables)
{
	bool again;

	if (!tables_commit(tables, &again))
		fail_msg("%s", tables_error(tables));
	tables_close(tables);
}

/* All things say `word`. */
static void
say(const char *word)
{
	struct tables *tables = tables_open(files.directory, &plan, STORE_WRITE);

	for (uint8_t i = 0; i < THINGS; i++)
		assert_true(tables_put(tables, 0, &i, 1, word, strlen(word)));
	commit(tables);
}

static bool
count_one(void *context, const uint8_t *key, size_t key_length, const uint8_t *value, size_t length)
{
	(void)key;
	(void)key_length;
	(void)value;
	(void)length;
	++*(unsigned *)context;
	return true;
}

/* Read both tables whole: how many values, or -1 with what is wrong in `why`. */
static int
read_all(char *why, size_t size)
{
	struct tables *tables = tables_open(files.directory, &plan, STORE_READ);
	unsigned count = 0;
	bool good = tables_each(tables, 0, NULL, 0, count_one, &count) &&
		    tables_each(tables, 1, NULL, 0, count_one, &count);

	(void)snprintf(why, size, "%s", good ? "" : tables_error(tables));
	tables_close(tables);
	return good ? (int)count : -1;
}

static void
expect(int count)
{
	char why[300];
	int found = read_all(why, sizeof why);

	if (found != count)
		fail_msg("%d instead of %d: %s", found, count, why);
}

static size_t
read_file(char *content)
{
	FILE *file = fopen(files_path(&files, plan.file), "re");
	size_t length;

	assert_non_null(file);
	length = fread(content, 1, FILE_MAX, file);
	assert_int_equal(fclose(file), 0);
	assert_in_range(length, 1, FILE_MAX - 1);
	return length;
}

/* The page in which this word stands. */
static char *
find_page(char *content, size_t length, const char *word)
{
	char *found = memmem(content, length, word, strlen(word));

	assert_non_null(found);
	return content + (found - content) / getpagesize() * getpagesize();
}

static void
an_older_page_whose_values_fit_their_checksums_is_an_error(void **state)
{
	static char before[FILE_MAX], after[FILE_MAX];
	const uint8_t *value, key = 1;
	size_t length_before, length_after, length;
	struct tables *tables;
	char why[300];

	(void)state;
	say("as it was");
	length_before = read_file(before);
	say("as it is!");
	expect(THINGS);
	length_after = read_file(after);
	/* the number of a page, which comes first, stays */
	memcpy(find_page(after, length_after, "as it is!") + 8,
	    find_page(before, length_before, "as it was") + 8, (size_t)getpagesize() - 8);
	files_write(&files, plan.file, after, length_after);
	tables = tables_open(files.directory, &plan, STORE_READ);
	assert_true(tables_get(tables, 0, &key, 1, &value, &length));
	assert_memory_equal(value, "as it was", 9);
	assert_int_equal(tables_count(tables, 0), THINGS);
	tables_close(tables);
	assert_int_equal(read_all(why, sizeof why), -1);
	assert_non_null(strstr(why, "or is an older one; it is damaged"));
	/* a change does not make it good */
	tables = tables_open(files.directory, &plan, STORE_WRITE);
	assert_true(tables_put(tables, 0, &key, 1, "new", 3));
	commit(tables);
	assert_int_equal(read_all(why, sizeof why), -1);
}

static void
whatever_is_changed_the_sums_are_right(void **state)
{
	struct chance chance = {7};
	uint64_t number = 0;
	bool there[20] = {0};
	int count = 0;

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct tables *tables = tables_open(files.directory, &plan, STORE_WRITE);
		bool given_up = chance_below(&chance, 4) == 0, was[20];
		uint64_t last = number;
		int before = count;

		memcpy(was, there, sizeof was);
		for (uint32_t n = chance_below(&chance, 30); n > 0; n--) {
			uint8_t key = (uint8_t)chance_below(&chance, 20);
			uint64_t value = chance_next(&chance);

			if (there[key] && chance_below(&chance, 2) == 0)
				assert_true(tables_delete(tables, 0, &key, 1));
			else
				assert_true(
				    tables_put(tables, 0, &key, 1, &value, (size_t)value & 7));
			there[key] =
			    tables_get(tables, 0, &key, 1, &(const uint8_t *){NULL}, &(size_t){0});
			assert_true(tables_append(tables, 1, ++number, &value, sizeof value));
		}
		assert_null(tables_error(tables));
		if (given_up) {
			tables_close(tables);
			memcpy(there, was, sizeof was);
			number = last;
			count = before;
		} else {
			commit(tables);
			count = (int)number;
			for (size_t i = 0; i < COUNT(there); i++)
				count += there[i];
		}
		expect(count);
	}
}

/* Make a file what version 1 wrote: the same without sums. */
static void
make_version_1(void)
{
	MDB_val key = {.mv_size = 4, .mv_data = (char[]){"sums"}}, value;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi meta;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 3), 0);
	assert_int_equal(mdb_env_open(env, files_path(&files, plan.file), MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
	assert_int_equal(mdb_del(txn, meta, &key, NULL), 0);
	key = (MDB_val){.mv_size = 7, .mv_data = (char[]){"version"}};
	value = (MDB_val){.mv_size = 1, .mv_data = (char[]){"1"}};
	assert_int_equal(mdb_put(txn, meta, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static uint64_t
identity(void)
{
	struct tables *tables = tables_open(files.directory, &plan, STORE_READ);
	uint64_t number = tables_identity(tables);

	tables_close(tables);
	return number;
}

static void
a_file_of_version_1_is_read_and_the_next_change_gives_it_sums(void **state)
{
	static char content[FILE_MAX];
	uint64_t before;

	(void)state;
	say("a word");
	before = identity();
	make_version_1();
	for (int i = 0; i < 2; i++)
		expect(THINGS);
	tables_close(tables_open(files.directory, &plan, STORE_WRITE)); /* given up */
	expect(THINGS);
	commit(tables_open(files.directory, &plan, STORE_WRITE));
	expect(THINGS);
	assert_non_null(memmem(content, read_file(content), "version2", 8));
	say("another");
	expect(THINGS);
	assert_int_equal(identity(), before);
}

static void
a_damaged_file_of_version_1_gets_no_sums(void **state)
{
	static char content[FILE_MAX];
	struct tables *tables;
	size_t length;

	(void)state;
	say("a word");
	make_version_1();
	length = read_file(content);
	for (char *at; (at = memmem(content, length, "a word", 6)) != NULL;)
		memcpy(at, "a sword", 6);
	files_write(&files, plan.file, content, length);
	tables = tables_open(files.directory, &plan, STORE_WRITE);
	assert_non_null(strstr(tables_error(tables), "does not match its checksum"));
	tables_close(tables);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_files, close_files)
	const struct CMUnitTest tests[] = {
	    TEST(an_older_page_whose_values_fit_their_checksums_is_an_error),
	    TEST(whatever_is_changed_the_sums_are_right),
	    TEST(a_file_of_version_1_is_read_and_the_next_change_gives_it_sums),
	    TEST(a_damaged_file_of_version_1_gets_no_sums),
	};
#undef TEST

	return cmocka_run_group_tests_name("sums", tests, NULL, NULL);
}
