#include "aggregate/store.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/excepting.h"
#include "tests/unit/files.h"

#define SEEN_MAX 400

/* What a visit met, in order. */
struct seen {
	struct exception_entry entry[SEEN_MAX];
	uint64_t serial[SEEN_MAX];
	size_t count, stop_after; /* 0: never */
};

static bool
see(void *context, uint64_t serial, const struct exception_entry *entry)
{
	struct seen *seen = context;

	assert_true(seen->count < SEEN_MAX);
	seen->serial[seen->count] = serial;
	seen->entry[seen->count++] = *entry;
	return seen->stop_after == 0 || seen->count < seen->stop_after;
}

static struct store *
open_good(enum store_mode mode)
{
	struct store *store = store_open(files.directory, mode);

	assert_non_null(store);
	if (store_error(store) != NULL)
		fail_msg("%s", store_error(store));
	return store;
}

static void
apply(struct store *store, const struct exception_entry *entry)
{
	if (!store_apply(store, entry, "who", 77))
		fail_msg("%s", store_error(store));
}

static void
commit(struct store *store)
{
	bool again = true;

	if (!store_commit(store, &again))
		fail_msg("%s", store_error(store));
	assert_false(again);
	store_close(store);
}

static void
commit_one(const struct exception_entry *entry)
{
	struct store *store = open_good(STORE_WRITE);

	apply(store, entry);
	commit(store);
}

static struct exception_entry
entry_of(const char *zone, const char *prefix, enum exception_action action, const char *reason)
{
	struct exception_entry entry = make_entry(zone, prefix, action, 0, 0);

	entry.added = 1000;
	memcpy(entry.author, "author", sizeof "author");
	memcpy(entry.reason, reason, strlen(reason) + 1);
	return entry;
}

static struct seen *
see_all(bool history, uint64_t serial)
{
	static struct seen seen;
	struct store *store = open_good(STORE_READ);

	memset(&seen, 0, sizeof seen);
	assert_true(
	    history ? store_history(store, serial, see, &seen) : store_each(store, see, &seen));
	store_close(store);
	return &seen;
}

static void
a_store_that_is_not_there_is_empty_and_stays_away(void **state)
{
	struct store *store = open_good(STORE_READ);
	struct prefix prefix = make_prefix("192.0.2.1");
	struct exception_entry entry;
	struct seen seen = {0};

	(void)state;
	assert_true(store_each(store, see, &seen) && store_history(store, 0, see, &seen));
	assert_int_equal(seen.count, 0);
	assert_false(store_get(store, "", &prefix, &entry));
	assert_null(store_error(store));
	assert_int_equal(store_serial(store), 0);
	assert_int_equal(store_count(store), 0);
	store_close(store);
	store_close(NULL);
	assert_int_not_equal(access(files_path(&files, STORE_FILE), F_OK), 0);
}

static void
a_change_is_there_after_its_commit_whole(void **state)
{
	struct exception_entry entry = make_entry("bl.example", "2001:db8::/32", EXCEPTION_SCORE,
				   -EXCEPTION_SCORE_MAX, UINT32_MAX),
			       got;
	struct store *store;

	(void)state;
	entry.added = UINT32_MAX - 1;
	memset(entry.author, 'a', EXCEPTION_AUTHOR_MAX);
	memset(entry.reason, 'r', EXCEPTION_REASON_MAX);
	commit_one(&entry);
	store = open_good(STORE_READ);
	assert_int_equal(store_count(store), 1);
	assert_int_equal(store_serial(store), 1);
	assert_true(store_get(store, "bl.example", &entry.prefix, &got));
	assert_true(same_entry(&entry, &got));
	assert_false(store_get(store, "", &entry.prefix, &got));
	entry.prefix.length = 33;
	assert_false(store_get(store, "bl.example", &entry.prefix, &got));
	assert_null(store_error(store));
	store_close(store);
}

static void
without_a_commit_nothing_has_happened(void **state)
{
	struct exception_entry entry = entry_of("", "192.0.2.1", EXCEPTION_ALLOW, "kept");
	struct store *store;
	pid_t child;
	int status;

	(void)state;
	commit_one(&entry);
	entry.action = EXCEPTION_FORGET;
	store = open_good(STORE_WRITE);
	apply(store, &entry);
	assert_int_equal(store_serial(store), 2);
	store_close(store);
	child = fork();
	if (child == 0) {
		store = store_open(files.directory, STORE_WRITE);
		(void)store_apply(store, &entry, "who", 77);
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(see_all(false, 0)->count, 1);
	assert_int_equal(see_all(true, 0)->count, 1);
	store = open_good(STORE_WRITE); /* the lock is not left behind */
	apply(store, &entry);
	commit(store);
	assert_int_equal(see_all(false, 0)->count, 0);
}

static void
the_first_change_given_up_leaves_an_empty_store(void **state)
{
	struct exception_entry entry = entry_of("", "192.0.2.1", EXCEPTION_ALLOW, "");
	struct store *store = open_good(STORE_WRITE);

	(void)state;
	apply(store, &entry);
	store_close(store);
	assert_int_equal(see_all(false, 0)->count, 0);
	assert_int_equal(see_all(true, 0)->count, 0);
	commit_one(&entry);
	assert_int_equal(see_all(false, 0)->count, 1);
}

static void
entries_come_by_zone_and_address_and_a_prefix_before_what_it_covers(void **state)
{
	static const struct {
		const char *zone, *prefix;
	} order[] = {{"", "::/0"}, {"", "0.0.0.0/0"}, {"", "1.0.0.0/8"}, {"", "1.2.3.4"},
	    {"", "9.0.0.0/8"}, {"", "9.0.0.0/9"}, {"", "9.0.0.0/31"}, {"", "9.0.0.0"},
	    {"", "9.0.0.1"}, {"", "200.0.0.0/8"}, {"", "2001:db8::/32"}, {"", "2001:db8::/64"},
	    {"", "2001:db8::"}, {"", "fe80::1"}, {"a.example", "9.0.0.0/8"},
	    {"b.a.example", "::/0"}, {"b.example", "1.2.3.4"}};
	struct chance chance = {1};

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		size_t at[COUNT(order)];
		struct store *store = open_good(STORE_WRITE);
		const struct seen *seen;

		for (size_t i = 0; i < COUNT(order); i++) {
			size_t j = chance_below(&chance, (uint32_t)i + 1);

			at[i] = at[j];
			at[j] = i;
		}
		for (size_t i = 0; i < COUNT(order); i++) {
			struct exception_entry entry = entry_of(order[at[i]].zone,
			    order[at[i]].prefix, EXCEPTION_BLOCK, order[at[i]].prefix);

			apply(store, &entry);
		}
		commit(store);
		seen = see_all(false, 0);
		assert_int_equal(seen->count, COUNT(order));
		for (size_t i = 0; i < COUNT(order); i++) {
			struct prefix wanted = make_prefix(order[i].prefix);

			assert_string_equal(seen->entry[i].zone, order[i].zone);
			if (!same_prefix(&seen->entry[i].prefix, &wanted))
				fail_msg("%zu: /%u", i, seen->entry[i].prefix.length);
			assert_int_equal(seen->entry[i].prefix.base.family, wanted.base.family);
			assert_string_equal(seen->entry[i].reason, order[i].prefix);
		}
	}
}

static void
the_journal_tells_each_change_once_in_order_with_its_maker(void **state)
{
	struct exception_entry entry = entry_of("", "192.0.2.1", EXCEPTION_ALLOW, "first");
	struct store *store = open_good(STORE_WRITE);
	const struct seen *seen;

	(void)state;
	assert_true(store_apply(store, &entry, "one", 11));
	entry.action = EXCEPTION_SCORE;
	entry.score = 5;
	assert_true(store_apply(store, &entry, "two", 22));
	commit(store);
	entry.action = EXCEPTION_FORGET;
	store = open_good(STORE_WRITE);
	assert_true(store_apply(store, &entry, "three", 33));
	commit(store);
	seen = see_all(true, 0);
	assert_int_equal(seen->count, 3);
	for (size_t i = 0; i < 3; i++) {
		static const char *const who[] = {"one", "two", "three"};
		static const enum exception_action action[] = {
		    EXCEPTION_ALLOW, EXCEPTION_SCORE, EXCEPTION_FORGET};

		assert_int_equal(seen->serial[i], i + 1);
		assert_int_equal(seen->entry[i].action, action[i]);
		assert_string_equal(seen->entry[i].author, who[i]);
		assert_int_equal(seen->entry[i].added, 11 * (i + 1));
		assert_string_equal(seen->entry[i].reason, "first");
	}
	for (uint64_t serial = 0; serial < 6; serial++)
		assert_int_equal(see_all(true, serial)->count, serial > 3 ? 0 : 3 - serial);
	assert_int_equal(see_all(true, UINT64_C(1) << 40)->count, 0);
	assert_int_equal(see_all(true, 2)->serial[0], 3);
	assert_int_equal(see_all(false, 0)->count, 0);
}

static void
an_entry_keeps_the_author_and_time_that_it_came_with(void **state)
{
	struct exception_entry entry = entry_of("", "192.0.2.1", EXCEPTION_ALLOW, "");

	(void)state;
	commit_one(&entry);
	assert_true(same_entry(&see_all(false, 0)->entry[0], &entry));
	assert_string_equal(see_all(true, 0)->entry[0].author, "who");
	assert_int_equal(see_all(true, 0)->entry[0].added, 77);
}

static void
a_visitor_may_stop(void **state)
{
	struct exception_entry entry = entry_of("", "192.0.2.1", EXCEPTION_ALLOW, "");
	struct seen seen = {.stop_after = 1};
	struct store *store;

	(void)state;
	commit_one(&entry);
	entry.prefix.base.octet[3]++;
	commit_one(&entry);
	store = open_good(STORE_READ);
	(void)store_each(store, see, &seen);
	assert_int_equal(seen.count, 1);
	seen.count = 0;
	(void)store_history(store, 0, see, &seen);
	assert_int_equal(seen.count, 1);
	assert_null(store_error(store));
	store_close(store);
}

static void
to_forget_what_is_not_there_is_an_error_and_errors_stick(void **state)
{
	struct exception_entry entry = entry_of("", "192.0.2.1", EXCEPTION_ALLOW, "");
	struct store *store = open_good(STORE_WRITE);
	struct seen seen = {0};
	bool again;

	(void)state;
	apply(store, &entry);
	entry.prefix.base.octet[3]++;
	entry.action = EXCEPTION_FORGET;
	assert_false(store_apply(store, &entry, "who", 77));
	assert_non_null(strstr(store_error(store), files.directory));
	entry.action = EXCEPTION_ALLOW;
	assert_false(store_apply(store, &entry, "who", 77));
	assert_false(store_each(store, see, &seen));
	assert_false(store_commit(store, &again));
	assert_false(again);
	store_close(store);
	assert_int_equal(see_all(false, 0)->count, 0);
}

static void
what_the_caller_spoils_is_not_committed(void **state)
{
	struct exception_entry entry = entry_of("", "192.0.2.1", EXCEPTION_ALLOW, "");
	struct store *store = open_good(STORE_WRITE);
	bool again;

	(void)state;
	apply(store, &entry);
	store_spoil(store, "my own reason");
	assert_string_equal(store_error(store), "my own reason");
	store_spoil(store, "another");
	assert_string_equal(store_error(store), "my own reason");
	assert_false(store_commit(store, &again));
	assert_false(again);
	store_close(store);
	assert_int_equal(see_all(true, 0)->count, 0);
}

#define WRITERS 4
#define CHANGES 15

static void
writers_at_once_take_turns(void **state)
{
	pid_t child[WRITERS];
	const struct seen *seen;
	int status;

	(void)state;
	for (unsigned writer = 0; writer < WRITERS; writer++) {
		child[writer] = fork();
		if (child[writer] != 0)
			continue;
		for (unsigned i = 0; i < CHANGES; i++) {
			struct exception_entry entry =
			    entry_of("", "192.0.2.1", EXCEPTION_BLOCK, "");
			struct store *store = store_open(files.directory, STORE_WRITE);
			bool again;

			entry.prefix.base.octet[2] = (uint8_t)writer;
			entry.prefix.base.octet[3] = (uint8_t)i;
			if (!store_apply(store, &entry, "who", 77) || !store_commit(store, &again))
				_exit(1);
			store_close(store);
		}
		_exit(0);
	}
	for (unsigned writer = 0; writer < WRITERS; writer++) {
		assert_int_equal(waitpid(child[writer], &status, 0), child[writer]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(see_all(false, 0)->count, WRITERS * CHANGES);
	seen = see_all(true, 0);
	assert_int_equal(seen->count, WRITERS * CHANGES);
	for (size_t i = 0; i < seen->count; i++)
		assert_int_equal(seen->serial[i], i + 1);
}

static void
a_reader_sees_the_store_as_it_was_when_it_opened_it(void **state)
{
	struct exception_entry entry = entry_of("", "192.0.2.1", EXCEPTION_ALLOW, "");
	struct store *reader;
	struct seen seen = {0};
	pid_t child;
	int status;

	(void)state;
	commit_one(&entry);
	reader = open_good(STORE_READ);
	child = fork();
	if (child == 0) {
		struct store *store = store_open(files.directory, STORE_WRITE);
		bool again;

		entry.prefix.base.octet[3]++;
		_exit(!store_apply(store, &entry, "who", 77) || !store_commit(store, &again));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(store_each(reader, see, &seen));
	assert_int_equal(seen.count, 1);
	assert_int_equal(store_serial(reader), 1);
	store_close(reader);
	assert_int_equal(see_all(false, 0)->count, 2);
}

static void
stores_are_told_apart(void **state)
{
	struct exception_entry entry = entry_of("", "192.0.2.1", EXCEPTION_ALLOW, "");
	struct store *store;
	uint64_t first;

	(void)state;
	commit_one(&entry);
	store = open_good(STORE_READ);
	first = store_identity(store);
	store_close(store);
	commit_one(&entry);
	store = open_good(STORE_READ);
	assert_true(first != 0 && store_identity(store) == first);
	store_close(store);
	assert_int_equal(unlink(files_path(&files, STORE_FILE)), 0);
	assert_int_equal(unlink(files_path(&files, STORE_FILE "-lock")), 0);
	commit_one(&entry);
	store = open_good(STORE_READ);
	assert_true(store_identity(store) != first);
	store_close(store);
}

static void
only_owner_and_group_may_read_it(void **state)
{
	struct exception_entry entry = entry_of("", "192.0.2.1", EXCEPTION_ALLOW, "");
	struct stat status;

	(void)state;
	commit_one(&entry);
	assert_int_equal(stat(files_path(&files, STORE_FILE), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	assert_int_equal(stat(files_path(&files, STORE_FILE "-lock"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
}

/* The store behind its back. */
struct raw {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi table;
};

static struct raw
raw_open(const char *table, unsigned flags)
{
	struct raw raw;

	assert_int_equal(mdb_env_create(&raw.env), 0);
	assert_int_equal(mdb_env_set_maxdbs(raw.env, 8), 0);
	assert_int_equal(
	    mdb_env_open(raw.env, files_path(&files, STORE_FILE), MDB_NOSUBDIR | MDB_NOSYNC, 0660),
	    0);
	assert_int_equal(mdb_txn_begin(raw.env, NULL, 0, &raw.txn), 0);
	assert_int_equal(mdb_dbi_open(raw.txn, table, flags, &raw.table), 0);
	return raw;
}

static void
raw_close(struct raw *raw)
{
	assert_int_equal(mdb_txn_commit(raw->txn), 0);
	mdb_env_close(raw->env);
}

struct blob {
	uint8_t byte[700];
	size_t length;
};

static void
raw_put(const char *table, const struct blob *key, const struct blob *value)
{
	struct raw raw = raw_open(table, MDB_CREATE);
	struct blob k = *key, v = *value;
	MDB_val mk = {.mv_size = k.length, .mv_data = k.byte};
	MDB_val mv = {.mv_size = v.length, .mv_data = v.byte};

	assert_int_equal(mdb_put(raw.txn, raw.table, &mk, &mv, 0), 0);
	raw_close(&raw);
}

static void
raw_move(
    const char *table, const struct blob *from, const struct blob *to, const struct blob *value)
{
	struct raw raw = raw_open(table, 0);
	struct blob k = *from;
	MDB_val mk = {.mv_size = k.length, .mv_data = k.byte};

	assert_int_equal(mdb_del(raw.txn, raw.table, &mk, NULL), 0);
	raw_close(&raw);
	raw_put(table, to, value);
}

static void
fill_blob(struct blob *blob, const MDB_val *from)
{
	assert_true(from->mv_size < sizeof blob->byte);
	memcpy(blob->byte, from->mv_data, from->mv_size);
	blob->length = from->mv_size;
}

static size_t
raw_read(const char *table, struct blob *key, struct blob *value, size_t max)
{
	struct raw raw = raw_open(table, 0);
	MDB_cursor *cursor;
	MDB_val k, v;
	size_t count = 0;

	assert_int_equal(mdb_cursor_open(raw.txn, raw.table, &cursor), 0);
	while (count < max && mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
		fill_blob(&key[count], &k);
		fill_blob(&value[count++], &v);
	}
	mdb_cursor_close(cursor);
	raw_close(&raw);
	return count;
}

static struct exception_entry known[3];

static void
stock(void)
{
	known[0] = entry_of("", "192.0.2.0/24", EXCEPTION_ALLOW, "a reason");
	known[1] = entry_of("bl.example", "2001:db8::/32", EXCEPTION_SCORE, "");
	known[1].score = -3;
	known[2] = entry_of("u1.bl.example", "192.0.2.1", EXCEPTION_BLOCK, "x");
	known[2].until = 2000000000;
	for (size_t i = 0; i < COUNT(known); i++)
		commit_one(&known[i]);
}

/* Was this entry, or for the journal this change, ever made? */
static bool
is_known(const struct exception_entry *entry, bool history)
{
	for (size_t n = 0; n < COUNT(known); n++) {
		struct exception_entry wanted = known[n];

		if (history) {
			wanted.added = 77;
			memset(wanted.author, 0, sizeof wanted.author);
			memcpy(wanted.author, "who", sizeof "who");
		}
		if (same_entry(&wanted, entry))
			return true;
	}
	return false;
}

/* Nothing but an error, and no entry that was never made. */
static void
expect_damage(bool history, const char *what, size_t i)
{
	struct store *store = store_open(files.directory, STORE_READ);
	struct seen seen = {0};
	bool good = history ? store_history(store, 0, see, &seen) : store_each(store, see, &seen);
	bool names =
	    store_error(store) != NULL && strstr(store_error(store), files.directory) != NULL;

	store_close(store);
	if (good)
		fail_msg("%s: byte %zu is believed", what, i);
	if (!names)
		fail_msg("%s: byte %zu: the error does not name the file", what, i);
	for (size_t j = 0; j < seen.count; j++)
		if (!is_known(&seen.entry[j], history))
			fail_msg("%s: byte %zu makes an entry", what, i);
}

static void
damage_values(const char *table, bool history)
{
	struct blob key[3], value[3];

	assert_int_equal(raw_read(table, key, value, 3), 3);
	for (size_t n = 0; n < 3; n++) {
		for (size_t i = 0; i < value[n].length; i++) {
			struct blob broken = value[n];

			broken.byte[i] ^= (uint8_t)(1u << i % 8);
			raw_put(table, &key[n], &broken);
			expect_damage(history, table, i);
			broken.byte[i] = (uint8_t)~value[n].byte[i];
			raw_put(table, &key[n], &broken);
			expect_damage(history, table, i);
		}
		for (size_t length = 0; length <= value[n].length + 1; length++) {
			struct blob broken = value[n];

			broken.byte[value[n].length] = 0;
			broken.length = length;
			raw_put(table, &key[n], &broken);
			if (length != value[n].length)
				expect_damage(history, table, length);
		}
		raw_put(table, &key[n], &value[n]);
	}
	assert_int_equal(see_all(history, 0)->count, 3);
}

static void
each_changed_byte_of_an_entry_is_an_error(void **state)
{
	(void)state;
	stock();
	damage_values("entries", false);
}

static void
each_changed_byte_of_the_journal_is_an_error(void **state)
{
	(void)state;
	stock();
	damage_values("journal", true);
}

static void
damage_keys(const char *table, bool history)
{
	struct blob key[3], value[3];

	assert_int_equal(raw_read(table, key, value, 3), 3);
	for (size_t n = 0; n < 3; n++) {
		for (size_t i = 0; i < key[n].length; i++) {
			struct blob broken = key[n];

			/* 0x10 in the last byte: no serial of another record */
			broken.byte[i] ^= (uint8_t)(i == 7 ? 0x10u : 0x80u >> i % 8);
			raw_move(table, &key[n], &broken, &value[n]);
			expect_damage(history, table, i);
			raw_move(table, &broken, &key[n], &value[n]);
		}
	}
	assert_int_equal(see_all(history, 0)->count, 3);
}

static void
an_entry_under_another_key_is_an_error(void **state)
{
	(void)state;
	stock();
	damage_keys("entries", false);
}

static void
a_record_under_another_serial_is_an_error(void **state)
{
	(void)state;
	stock();
	damage_keys("journal", true);
}

static void
a_damaged_entry_is_not_got(void **state)
{
	struct blob key[3], value[3];
	struct exception_entry got;
	struct store *store;

	(void)state;
	stock();
	assert_int_equal(raw_read("entries", key, value, 3), 3);
	value[0].byte[1] ^= 1; /* allow becomes block */
	raw_put("entries", &key[0], &value[0]);
	store = open_good(STORE_READ);
	assert_false(store_get(store, "", &known[0].prefix, &got));
	assert_non_null(store_error(store));
	store_close(store);
}

static void
a_store_of_another_version_is_not_touched(void **state)
{
	const struct blob key = {.byte = "version", .length = 7},
			  value = {.byte = "3", .length = 1};

	(void)state;
	stock();
	raw_put("meta", &key, &value);
	for (unsigned mode = STORE_READ; mode <= STORE_WRITE; mode++) {
		struct store *store = store_open(files.directory, (enum store_mode)mode);

		assert_non_null(store_error(store));
		assert_non_null(strstr(store_error(store), "version"));
		assert_false(store_apply(store, &known[0], "who", 77));
		store_close(store);
	}
}

static void
what_is_no_store_is_named(void **state)
{
	const struct blob some = {.byte = "some", .length = 4};
	static char text[20000];
	struct store *store;

	(void)state;
	raw_put("others", &some, &some);
	store = store_open(files.directory, STORE_READ);
	assert_non_null(store_error(store));
	store_close(store);
	memset(text, 'x', sizeof text);
	files_write(&files, STORE_FILE, text, sizeof text);
	for (unsigned mode = STORE_READ; mode <= STORE_WRITE; mode++) {
		store = store_open(files.directory, (enum store_mode)mode);
		assert_non_null(store_error(store));
		assert_non_null(strstr(store_error(store), STORE_FILE));
		store_close(store);
	}
	assert_int_equal(unlink(files_path(&files, STORE_FILE)), 0);
	assert_int_equal(mkdir(files_path(&files, STORE_FILE), 0700), 0);
	store = store_open(files.directory, STORE_WRITE);
	assert_non_null(store_error(store));
	store_close(store);
	store = store_open("/nonexistent/directory", STORE_WRITE);
	assert_non_null(strstr(store_error(store), "/nonexistent/directory"));
	store_close(store);
}

/*
 * Let LMDB believe that almost all of the map is taken: the last page in use, at offset 136 of
 * both meta pages (lmdb 0.9: a header of 16 bytes, mm_magic, mm_version, mm_address, mm_mapsize,
 * mm_dbs[2] of 48 bytes, mm_last_pg). To fill a map of 1 GiB honestly takes millions of entries.
 */
static void
pretend_full(uint64_t last_page)
{
	int fd = open(files_path(&files, STORE_FILE), O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	for (off_t page = 0; page < 2; page++)
		assert_int_equal(
		    pwrite(fd, &last_page, sizeof last_page, page * 4096 + 136), sizeof last_page);
	assert_int_equal(close(fd), 0);
}

static bool
count_up(void *context, uint64_t serial, const struct exception_entry *entry)
{
	(void)serial;
	(void)entry;
	++*(unsigned *)context;
	return true;
}

static void
a_full_map_loses_the_change_and_nothing_else_and_grows(void **state)
{
	struct exception_entry entry = entry_of("", "10.0.0.0/24", EXCEPTION_BLOCK, "more");
	unsigned rounds = 0, entries = 0, changes = 0;
	struct store *store;
	bool again = false;

	(void)state;
	stock();
	pretend_full(((uint64_t)1 << 30) / 4096 - 12);
	store = open_good(STORE_WRITE);
	for (unsigned i = 0; i < 60000 && store_error(store) == NULL; i++) {
		entry.prefix.base.octet[1] = (uint8_t)(i >> 8);
		entry.prefix.base.octet[2] = (uint8_t)i;
		(void)store_apply(store, &entry, "who", 77);
	}
	assert_non_null(store_error(store));
	assert_non_null(strstr(store_error(store), "MAP_FULL"));
	assert_false(store_commit(store, &again));
	assert_true(again);
	store_close(store);
	assert_int_equal(see_all(false, 0)->count, COUNT(known));
	assert_int_equal(see_all(true, 0)->count, COUNT(known));
	/* the same once more, to the end: the store has grown, and the journal has no gap */
	store = open_good(STORE_WRITE);
	do {
		for (unsigned i = 0; i < 2000 && store_error(store) == NULL; i++) {
			entry.prefix.base.octet[1] = (uint8_t)(i >> 8);
			entry.prefix.base.octet[2] = (uint8_t)i;
			(void)store_apply(store, &entry, "who", 77);
		}
		rounds++;
	} while (!store_commit(store, &again) && again);
	assert_null(store_error(store));
	assert_true(rounds > 1);
	store_close(store);
	store = open_good(STORE_READ);
	assert_int_equal(store_serial(store), COUNT(known) + 2000);
	assert_true(store_each(store, count_up, &entries));
	assert_true(store_history(store, 0, count_up, &changes));
	assert_int_equal(entries, COUNT(known) + 2000);
	assert_int_equal(changes, COUNT(known) + 2000);
	store_close(store);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_files, close_files)
	const struct CMUnitTest tests[] = {
	    TEST(a_store_that_is_not_there_is_empty_and_stays_away),
	    TEST(a_change_is_there_after_its_commit_whole),
	    TEST(without_a_commit_nothing_has_happened),
	    TEST(the_first_change_given_up_leaves_an_empty_store),
	    TEST(entries_come_by_zone_and_address_and_a_prefix_before_what_it_covers),
	    TEST(the_journal_tells_each_change_once_in_order_with_its_maker),
	    TEST(an_entry_keeps_the_author_and_time_that_it_came_with),
	    TEST(a_visitor_may_stop),
	    TEST(to_forget_what_is_not_there_is_an_error_and_errors_stick),
	    TEST(what_the_caller_spoils_is_not_committed),
	    TEST(writers_at_once_take_turns),
	    TEST(a_reader_sees_the_store_as_it_was_when_it_opened_it),
	    TEST(stores_are_told_apart),
	    TEST(only_owner_and_group_may_read_it),
	    TEST(each_changed_byte_of_an_entry_is_an_error),
	    TEST(each_changed_byte_of_the_journal_is_an_error),
	    TEST(an_entry_under_another_key_is_an_error),
	    TEST(a_record_under_another_serial_is_an_error),
	    TEST(a_damaged_entry_is_not_got),
	    TEST(a_store_of_another_version_is_not_touched),
	    TEST(what_is_no_store_is_named),
	    TEST(a_full_map_loses_the_change_and_nothing_else_and_grows),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
