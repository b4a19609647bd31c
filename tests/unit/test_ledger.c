/* Recommendations on disk, what the lists said as text, and what local.trust lists in memory. */
#include <lmdb.h>

#include "aggregate/ledger.h"
#include "aggregate/renown.h"
#include "tests/unit/excepting.h"
#include "tests/unit/files.h"

#define NOW (20000u * TRUST_DAY)

static struct recommendation
make(enum trust_kind kind, const char *subject, const char *by, uint32_t when)
{
	struct recommendation made = {.kind = kind,
	    .subject = make_subject(subject),
	    .when = when,
	    .who = "root",
	    .listed = 2,
	    .testimony = "a.example=127.0.0.2 b.example=clear"};

	memcpy(made.by, by, strlen(by) + 1);
	return made;
}

static void
add(const struct recommendation *recommendation, size_t count)
{
	struct ledger *ledger = ledger_open(files.directory, STORE_WRITE);
	bool again;

	for (size_t i = 0; i < count; i++)
		if (!ledger_add(ledger, &recommendation[i]))
			fail_msg("%s", ledger_error(ledger));
	assert_true(ledger_commit(ledger, &again));
	ledger_close(ledger);
}

struct seen {
	struct recommendation recommendation[8];
	uint64_t serial[8];
	size_t count;
};

static bool
see(void *context, uint64_t serial, const struct recommendation *recommendation)
{
	struct seen *seen = context;

	if (seen->count < COUNT(seen->recommendation)) {
		seen->serial[seen->count] = serial;
		seen->recommendation[seen->count] = *recommendation;
	}
	seen->count++;
	return true;
}

static struct seen *
see_all(void)
{
	static struct seen seen;
	struct ledger *ledger = ledger_open(files.directory, STORE_READ);

	memset(&seen, 0, sizeof seen);
	assert_true(ledger_each(ledger, see, &seen));
	assert_int_equal(ledger_count(ledger), seen.count);
	ledger_close(ledger);
	return &seen;
}

static void
a_ledger_that_is_not_there_is_empty(void **state)
{
	struct ledger *ledger = ledger_open(files.directory, STORE_READ);
	struct trust *trust = ledger_trust(ledger, NOW);
	size_t count;

	(void)state;
	assert_null(ledger_error(ledger));
	assert_int_equal(ledger_count(ledger), 0);
	assert_non_null(trust);
	(void)trust_subjects(trust, &count);
	assert_int_equal(count, 0);
	trust_close(trust);
	ledger_close(ledger);
	ledger_close(NULL);
	assert_int_equal(see_all()->count, 0);
}

static void
what_is_added_comes_back_whole_and_in_order(void **state)
{
	const struct recommendation one[] = {make(TRUST_SPAM, "192.0.2.1", "anna", NOW),
	    make(TRUST_HAM, "2001:db8::1", "bert", NOW + 1)};
	const struct recommendation two = make(TRUST_WITHDRAW, "192.0.2.1", "anna", NOW + 2);
	struct seen *seen;

	(void)state;
	add(one, 2);
	add(&two, 1);
	seen = see_all();
	assert_int_equal(seen->count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct recommendation *was = i < 2 ? &one[i] : &two;

		assert_int_equal(seen->serial[i], i + 1);
		assert_int_equal(seen->recommendation[i].kind, was->kind);
		assert_true(subject_equal(&seen->recommendation[i].subject, &was->subject));
		assert_int_equal(seen->recommendation[i].when, was->when);
		assert_string_equal(seen->recommendation[i].by, was->by);
		assert_string_equal(seen->recommendation[i].who, was->who);
		assert_int_equal(seen->recommendation[i].listed, was->listed);
		assert_string_equal(seen->recommendation[i].testimony, was->testimony);
	}
}

static void
without_a_commit_nothing_was_said(void **state)
{
	const struct recommendation one = make(TRUST_SPAM, "192.0.2.1", "anna", NOW);
	struct ledger *ledger = ledger_open(files.directory, STORE_WRITE);

	(void)state;
	assert_true(ledger_add(ledger, &one));
	ledger_close(ledger);
	assert_int_equal(see_all()->count, 0);
}

static void
the_longest_of_everything_fits(void **state)
{
	struct recommendation one = make(TRUST_SPAM, "192.0.2.1", "", NOW);

	(void)state;
	memset(one.by, 'b', TRUST_REPORTER_MAX);
	memset(one.who, 'w', LEDGER_WHO_MAX);
	memset(one.testimony, 't', TESTIMONY_MAX);
	add(&one, 1);
	assert_string_equal(see_all()->recommendation[0].testimony, one.testimony);
}

static void
what_is_too_old_goes_and_the_rest_stays(void **state)
{
	const struct recommendation three[] = {make(TRUST_SPAM, "192.0.2.1", "anna", NOW),
	    make(TRUST_SPAM, "192.0.2.2", "anna", NOW + TRUST_DAY),
	    make(TRUST_SPAM, "192.0.2.3", "anna", NOW + 2 * TRUST_DAY)};
	struct ledger *ledger;
	bool again;

	(void)state;
	add(three, 3);
	ledger = ledger_open(files.directory, STORE_WRITE);
	assert_true(ledger_prune(ledger, NOW + LEDGER_DAYS * TRUST_DAY + TRUST_DAY));
	assert_true(ledger_commit(ledger, &again));
	ledger_close(ledger);
	assert_int_equal(see_all()->count, 2);
	assert_int_equal(see_all()->serial[0], 2);
}

static void
too_many_let_the_oldest_go(void **state)
{
	struct ledger *ledger = ledger_open(files.directory, STORE_WRITE);
	struct recommendation one = make(TRUST_SPAM, "192.0.2.1", "anna", NOW);
	bool again;

	(void)state;
	one.testimony[0] = '\0';
	for (unsigned i = 0; i < LEDGER_MAX + 1300; i++)
		assert_true(ledger_add(ledger, &one));
	assert_true(ledger_prune(ledger, NOW));
	assert_int_equal(ledger_count(ledger), LEDGER_MAX);
	assert_true(ledger_commit(ledger, &again));
	ledger_close(ledger);
	assert_int_equal(see_all()->serial[0], 1301);
}

static void
each_changed_byte_is_an_error(void **state)
{
	const struct recommendation one = make(TRUST_SPAM, "192.0.2.1", "anna", NOW);
	uint8_t was[300];
	size_t length = 0;

	(void)state;
	add(&one, 1);
	for (size_t i = 0; i == 0 || i < length; i++) {
		MDB_val key, value;
		MDB_cursor *cursor;
		MDB_env *env;
		MDB_txn *txn;
		MDB_dbi table;
		struct ledger *ledger;
		static struct seen seen;

		assert_int_equal(mdb_env_create(&env), 0);
		assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
		assert_int_equal(mdb_env_open(env, files_path(&files, LEDGER_FILE),
				     MDB_NOSUBDIR | MDB_NOSYNC, 0660),
		    0);
		assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
		assert_int_equal(mdb_dbi_open(txn, "recommendations", 0, &table), 0);
		assert_int_equal(mdb_cursor_open(txn, table, &cursor), 0);
		assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), 0);
		if (length == 0) {
			length = value.mv_size;
			memcpy(was, value.mv_data, length);
		}
		was[i] ^= 0x20;
		value = (MDB_val){.mv_size = length, .mv_data = was};
		assert_int_equal(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
		was[i] ^= 0x20;
		mdb_cursor_close(cursor);
		assert_int_equal(mdb_txn_commit(txn), 0);
		mdb_env_close(env);
		ledger = ledger_open(files.directory, STORE_READ);
		assert_false(ledger_each(ledger, see, &seen));
		assert_non_null(strstr(ledger_error(ledger), LEDGER_FILE));
		assert_null(ledger_trust(ledger, NOW));
		ledger_close(ledger);
	}
}

static void
its_trust_is_that_of_what_was_said(void **state)
{
	struct recommendation said[30];
	struct subject subject = make_subject("192.0.2.1");
	struct ledger *ledger;
	struct trust *trust;
	char name[8];

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(name, sizeof name, "u%u", i);
		said[i] = make(TRUST_SPAM, "192.0.2.1", name, NOW);
	}
	add(said, 30);
	ledger = ledger_open(files.directory, STORE_READ);
	trust = ledger_trust(ledger, NOW);
	assert_true(reputation_listed(&trust_find(trust, &subject)->reputation));
	trust_close(trust);
	trust = ledger_trust(ledger, NOW + 200 * TRUST_DAY);
	assert_false(reputation_listed(&trust_find(trust, &subject)->reputation));
	trust_close(trust);
	ledger_close(ledger);
}

static void
testimony_reads_what_it_wrote(void **state)
{
	static const char line[] =
	    "zen.example=127.0.0.4,127.0.0.10 b.example=clear c.example=unknown";
	const char *cursor = line;
	struct testimony one;
	char printed[200];
	struct text text;
	unsigned count = 0;

	(void)state;
	text_init(&text, printed, sizeof printed);
	while (testimony_next(&cursor, &one)) {
		testimony_add(&text, &one);
		count++;
	}
	assert_int_equal(count, 3);
	assert_string_equal(printed, line);
	text_init(&text, printed, 30); /* what does not fit is left out whole */
	cursor = line;
	while (testimony_next(&cursor, &one))
		testimony_add(&text, &one);
	assert_string_equal(printed, "b.example=clear");
}

static void
testimony_stops_at_what_is_none(void **state)
{
	static const char *const bad[] = {"", " ", "=clear", "a.example", "a.example=", "a=127.0.0",
	    "a=127.0.0.2,", "a=,127.0.0.2", "a=::1", "a=127.0.0.2,,127.0.0.3", "a=clearly",
	    "a=1270.0.0.2000000000000"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		const char *cursor = bad[i];
		struct testimony one;

		/* a comma at the end is all that is forgiven */
		if (testimony_next(&cursor, &one) != (strcmp(bad[i], "a=127.0.0.2,") == 0))
			fail_msg("\"%s\"", bad[i]);
	}
}

static void
renown_finds_exactly_what_was_added(void **state)
{
	struct renown *renown = renown_open();
	struct chance chance = {3};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct subject subject = {.family = i % 2 ? SUBJECT_IPV6 : SUBJECT_IPV4,
		    .octet = {
			10, (uint8_t)chance_below(&chance, 4), (uint8_t)(i >> 8), (uint8_t)i}};

		subject.octet[1] = 1;
		assert_true(renown_add(renown, &subject));
	}
	renown_sort(renown);
	assert_int_equal(renown_count(renown), 1000);
	for (unsigned i = 0; i < 2000; i++) {
		struct subject subject = {.family = i % 2 ? SUBJECT_IPV6 : SUBJECT_IPV4,
		    .octet = {10, 1, (uint8_t)(i >> 8), (uint8_t)i}};

		assert_int_equal(renown_lists(renown, &subject), i < 1000);
		subject.family = i % 2 ? SUBJECT_IPV4 : SUBJECT_IPV6;
		assert_false(renown_lists(renown, &subject));
	}
	renown_close(renown);
	renown = renown_open();
	renown_sort(renown);
	assert_false(renown_lists(renown, &(struct subject){.family = SUBJECT_IPV4}));
	renown_close(renown);
	renown_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_files, close_files)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_ledger_that_is_not_there_is_empty),
	    TEST(what_is_added_comes_back_whole_and_in_order),
	    TEST(without_a_commit_nothing_was_said),
	    TEST(the_longest_of_everything_fits),
	    TEST(what_is_too_old_goes_and_the_rest_stays),
	    TEST(too_many_let_the_oldest_go),
	    TEST(each_changed_byte_is_an_error),
	    TEST(its_trust_is_that_of_what_was_said),
	    cmocka_unit_test(testimony_reads_what_it_wrote),
	    cmocka_unit_test(testimony_stops_at_what_is_none),
	    cmocka_unit_test(renown_finds_exactly_what_was_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
