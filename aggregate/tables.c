/*
 * The table "meta" has "version" -> "2", "identity" -> 8 random bytes and "sums" -> for each table
 * the sum of seal_weight() over its values, brought up to date with each change. An older copy of a
 * page that stands where the newer one belongs has good checksums and as many keys, but not the
 * sum. Version 1 has no sums; it is read, and the next change makes it version 2.
 */
#include "aggregate/tables.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregate/bytes.h"
#include "aggregate/opening.h"
#include "aggregate/seal.h"

struct tables {
	char path[200];
	char error[600]; /* "": none */
	const struct tables_plan *plan;
	struct opening opening;
	MDB_txn *txn;
	MDB_dbi meta, table[TABLES_MAX];
	enum store_mode mode;
	bool empty; /* read mode, and there is no file */
	uint64_t identity;
	uint64_t sum[TABLES_MAX];
	bool summed; /* false: of version 1 */
};

bool
tables_spoil(struct tables *tables, const char *why)
{
	if (tables->error[0] == '\0')
		(void)snprintf(tables->error, sizeof tables->error, "%s", why);
	return false;
}

bool
tables_complain(struct tables *tables, const char *why)
{
	if (tables->error[0] == '\0')
		(void)snprintf(
		    tables->error, sizeof tables->error, "%.199s: %.390s", tables->path, why);
	return false;
}

bool
tables_damaged(struct tables *tables)
{
	char why[200];

	(void)snprintf(
	    why, sizeof why, "a value does not match its checksum; %s", tables->plan->remedy);
	return tables_complain(tables, why);
}

static bool
fail(struct tables *tables, int code)
{
	const char *why = mdb_strerror(code), *remedy = "";

	if (tables->error[0] != '\0')
		return false;
	if (code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ||
	    code == MDB_BAD_VALSIZE || code == MDB_PANIC)
		remedy = tables->plan->remedy;
	else if (code == MDB_VERSION_MISMATCH)
		remedy = "another version of LMDB wrote it";
	else if (code == MDB_MAP_FULL)
		remedy = tables->plan->relief;
	else if (code == EIO) /* LMDB's word for a short write */
		remedy = "maybe: No space left on device";
	(void)snprintf(tables->error, sizeof tables->error, "%s: %s%s%s", tables->path, why,
	    remedy[0] == '\0' ? "" : "; ", remedy);
	return false;
}

static int
put_meta(struct tables *tables, const char *name, const void *value, size_t size)
{
	char key_bytes[16], value_bytes[sizeof tables->sum];
	MDB_val key = {.mv_size = strlen(name), .mv_data = key_bytes},
		to = {.mv_size = size, .mv_data = value_bytes};

	memcpy(key_bytes, name, key.mv_size);
	memcpy(value_bytes, value, size);
	return mdb_put(tables->txn, tables->meta, &key, &to, 0);
}

/* A value of the "meta" table; in write mode it stays as it is when it is not there. */
static bool
read_meta(struct tables *tables, const char *name, void *value, size_t size)
{
	char key_bytes[16];
	MDB_val key = {.mv_size = strlen(name), .mv_data = key_bytes}, found;
	int code;

	memcpy(key_bytes, name, key.mv_size);
	code = mdb_get(tables->txn, tables->meta, &key, &found);
	if (code == MDB_NOTFOUND && tables->mode == STORE_WRITE)
		return true;
	if (code != 0)
		return fail(tables, code);
	if (found.mv_size != size)
		return tables_complain(tables, "another version of tally wrote it");
	memcpy(value, found.mv_data, size);
	return true;
}

static bool
add_weight(void *sum, const uint8_t *key, size_t key_length, const uint8_t *value, size_t length)
{
	(void)key;
	(void)key_length;
	*(uint64_t *)sum += seal_weight(value + length); /* the checksum is still there */
	return true;
}

/* Of version 1: sum up what is there. */
static bool
sum_up(struct tables *tables)
{
	bool good = true;

	for (unsigned i = 0; good && i < tables->plan->tables; i++)
		good = tables_each(tables, i, NULL, 0, add_weight, &tables->sum[i]);
	tables->summed = good;
	return good;
}

static bool
check_version(struct tables *tables)
{
	char version = '2';

	if (getrandom(&tables->identity, sizeof tables->identity, 0) !=
	    (ssize_t)sizeof tables->identity)
		return tables_complain(tables, "no random numbers");
	memset(tables->sum, 0, sizeof tables->sum);
	tables->summed = false;
	if (!read_meta(tables, "version", &version, 1) ||
	    !read_meta(tables, "identity", &tables->identity, sizeof tables->identity))
		return false;
	if (version == '1')
		return tables->mode == STORE_READ || sum_up(tables);
	tables->summed = true;
	if (version != '2')
		return tables_complain(tables, "another version of tally wrote it");
	return read_meta(tables, "sums", tables->sum, tables->plan->tables * sizeof tables->sum[0]);
}

static int
put_all_meta(struct tables *tables)
{
	int code = put_meta(tables, "version", "2", 1);

	if (code == 0)
		code = put_meta(tables, "identity", &tables->identity, sizeof tables->identity);
	if (code == 0)
		code = put_meta(
		    tables, "sums", tables->sum, tables->plan->tables * sizeof tables->sum[0]);
	return code;
}

/* Nothing was ever committed to it: the first change was given up. */
static bool
is_new(const struct tables *tables)
{
	MDB_stat status;

	return mdb_env_stat(tables->opening.env, &status) == 0 && status.ms_entries == 0;
}

static void
open_all(struct tables *tables)
{
	unsigned flags = tables->mode == STORE_WRITE ? MDB_CREATE : 0;
	int code = mdb_txn_begin(
	    tables->opening.env, NULL, tables->mode == STORE_WRITE ? 0 : MDB_RDONLY, &tables->txn);

	if (code == 0 && tables->mode == STORE_WRITE &&
	    opening_is_behind(&tables->opening, tables->txn)) {
		tables_complain(tables, "its lock file is out of date; try once more");
		return;
	}
	if (code == 0)
		code = mdb_dbi_open(tables->txn, "meta", flags, &tables->meta);
	for (size_t i = 0; code == 0 && i < tables->plan->tables; i++)
		code = mdb_dbi_open(tables->txn, tables->plan->table[i], flags, &tables->table[i]);
	if (code == MDB_NOTFOUND && is_new(tables))
		tables->empty = true;
	else if (code == MDB_NOTFOUND)
		tables_complain(tables, "this is no store of tally's");
	else if (code != 0)
		fail(tables, code);
	else
		(void)check_version(tables);
}

struct tables *
tables_open(const char *directory, const struct tables_plan *plan, enum store_mode mode)
{
	struct tables *tables = calloc(1, sizeof *tables);
	int code;

	if (tables == NULL)
		return NULL;
	tables->mode = mode;
	tables->plan = plan;
	tables->opening = OPENING_NONE;
	(void)snprintf(tables->path, sizeof tables->path, "%s/%s", directory, plan->file);
	if (mode == STORE_READ && opening_is_missing(tables->path)) {
		tables->empty = true;
		return tables;
	}
	code = opening_open(&tables->opening, directory, tables->path, mode == STORE_WRITE,
	    plan->first_bytes, plan->most_bytes, (unsigned)plan->tables + 1);
	if (code != 0) {
		fail(tables, code);
		return tables;
	}
	(void)mdb_reader_check(tables->opening.env, NULL); /* slots of readers that were killed */
	open_all(tables);
	return tables;
}

void
tables_close(struct tables *tables)
{
	if (tables == NULL)
		return;
	if (tables->txn != NULL)
		mdb_txn_abort(tables->txn);
	opening_close(&tables->opening);
	free(tables);
}

const char *
tables_error(const struct tables *tables)
{
	if (tables == NULL)
		return "out of memory";
	return tables->error[0] == '\0' ? NULL : tables->error;
}

/* Take the value of a key, which is about to go, out of the sum. */
static int
forget_weight(struct tables *tables, unsigned table, MDB_val *key)
{
	MDB_val old;
	int code = mdb_get(tables->txn, tables->table[table], key, &old);

	if (code == 0 && old.mv_size >= SEAL_BYTES)
		tables->sum[table] -=
		    seal_weight((uint8_t *)old.mv_data + old.mv_size - SEAL_BYTES);
	return code;
}

static bool
put(struct tables *tables, unsigned table, const void *key, size_t key_length, const void *value,
    size_t length, unsigned flags)
{
	uint8_t name[TABLES_KEY_MAX];
	struct bytes sealed;
	MDB_val k = {.mv_size = key_length, .mv_data = name}, v;
	int code;

	if (tables->error[0] != '\0')
		return false;
	memcpy(name, key, key_length);
	bytes_init(&sealed);
	bytes_add(&sealed, value, length);
	seal_add(&sealed, key, key_length);
	v = (MDB_val){.mv_size = sealed.length, .mv_data = sealed.byte};
	code = flags == MDB_APPEND ? MDB_NOTFOUND : forget_weight(tables, table, &k);
	if (code == 0 || code == MDB_NOTFOUND)
		code = mdb_put(tables->txn, tables->table[table], &k, &v, flags);
	tables->sum[table] += seal_weight(sealed.byte + length);
	return code == 0 || fail(tables, code);
}

bool
tables_put(struct tables *tables, unsigned table, const void *key, size_t key_length,
    const void *value, size_t length)
{
	return put(tables, table, key, key_length, value, length, 0);
}

bool
tables_append(
    struct tables *tables, unsigned table, uint64_t number, const void *value, size_t length)
{
	struct bytes key;

	bytes_init(&key);
	bytes_add_u64(&key, number);
	return put(tables, table, key.byte, key.length, value, length, MDB_APPEND);
}

bool
tables_delete(struct tables *tables, unsigned table, const void *key, size_t key_length)
{
	uint8_t name[TABLES_KEY_MAX];
	MDB_val k = {.mv_size = key_length, .mv_data = name};
	int code;

	if (tables->error[0] != '\0')
		return false;
	memcpy(name, key, key_length);
	code = forget_weight(tables, table, &k);
	if (code == 0)
		code = mdb_del(tables->txn, tables->table[table], &k, NULL);
	return code == 0 || fail(tables, code);
}

/* Is the value what was put there under this key? Its length is then without the checksum. */
static bool
check_value(struct tables *tables, const MDB_val *key, MDB_val *value)
{
	if (value->mv_size < SEAL_BYTES ||
	    !seal_fits(key->mv_data, key->mv_size, value->mv_data, value->mv_size - SEAL_BYTES))
		return tables_damaged(tables);
	value->mv_size -= SEAL_BYTES;
	return true;
}

bool
tables_get(struct tables *tables, unsigned table, const void *key, size_t key_length,
    const uint8_t **value, size_t *length)
{
	uint8_t name[TABLES_KEY_MAX];
	MDB_val k = {.mv_size = key_length, .mv_data = name}, v;
	int code;

	if (tables->error[0] != '\0' || tables->empty)
		return false;
	memcpy(name, key, key_length);
	code = mdb_get(tables->txn, tables->table[table], &k, &v);
	if (code == MDB_NOTFOUND)
		return false;
	if (code != 0)
		return fail(tables, code);
	if (!check_value(tables, &k, &v))
		return false;
	*value = v.mv_data;
	*length = v.mv_size;
	return true;
}

static bool
displaced(struct tables *tables)
{
	char why[200];

	(void)snprintf(why, sizeof why,
	    "a page of it stands in the wrong place, or is an older one; %s", tables->plan->remedy);
	return tables_complain(tables, why);
}

/*
 * A page that stands where another belongs has values with good checksums: then keys come out of
 * order, or not as many as there are.
 */
static bool
is_after(struct tables *tables, unsigned table, MDB_val *last, MDB_val *key)
{
	return last->mv_size == 0 || mdb_cmp(tables->txn, tables->table[table], last, key) < 0 ||
	       displaced(tables);
}

bool
tables_each(struct tables *tables, unsigned table, const void *key, size_t key_length,
    tables_visit *visit, void *context)
{
	uint8_t name[TABLES_KEY_MAX];
	MDB_cursor *cursor;
	MDB_val k = {.mv_size = key_length, .mv_data = name}, v, last = {0};
	uint64_t count = 0, sum = 0;
	bool going = true;
	int code;

	if (tables->error[0] != '\0')
		return false;
	if (tables->empty)
		return true;
	if (key_length > 0)
		memcpy(name, key, key_length);
	code = mdb_cursor_open(tables->txn, tables->table[table], &cursor);
	if (code != 0)
		return fail(tables, code);
	code = mdb_cursor_get(cursor, &k, &v, key_length > 0 ? MDB_SET_RANGE : MDB_FIRST);
	while (code == 0 && going && check_value(tables, &k, &v) &&
	       is_after(tables, table, &last, &k)) {
		going = visit(context, k.mv_data, k.mv_size, v.mv_data, v.mv_size);
		count++;
		(void)add_weight(&sum, k.mv_data, k.mv_size, v.mv_data, v.mv_size);
		last = k;
		code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (code != 0 && code != MDB_NOTFOUND)
		return fail(tables, code);
	if (code == MDB_NOTFOUND && key_length == 0 && going &&
	    (count != tables_count(tables, table) || (tables->summed && sum != tables->sum[table])))
		return displaced(tables);
	return tables->error[0] == '\0';
}

uint64_t
tables_last(struct tables *tables, unsigned table)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t last = 0;
	int code;

	if (tables->error[0] != '\0' || tables->empty)
		return 0;
	code = mdb_cursor_open(tables->txn, tables->table[table], &cursor);
	if (code != 0) {
		fail(tables, code);
		return 0;
	}
	code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	if (code == 0 && key.mv_size == 8)
		last = bytes_u64(key.mv_data);
	else if (code != MDB_NOTFOUND)
		fail(tables, code == 0 ? MDB_CORRUPTED : code);
	mdb_cursor_close(cursor);
	return last;
}

uint64_t
tables_count(struct tables *tables, unsigned table)
{
	MDB_stat status;

	if (tables->error[0] != '\0' || tables->empty ||
	    mdb_stat(tables->txn, tables->table[table], &status) != 0)
		return 0;
	return status.ms_entries;
}

uint64_t
tables_identity(const struct tables *tables)
{
	return tables->identity;
}

/* The map is full: make it twice as large and begin anew. */
static bool
enlarge(struct tables *tables)
{
	MDB_envinfo info;

	if (tables->txn != NULL)
		mdb_txn_abort(tables->txn);
	tables->txn = NULL;
	if (mdb_env_info(tables->opening.env, &info) != 0 ||
	    info.me_mapsize >= tables->plan->most_bytes ||
	    mdb_env_set_mapsize(tables->opening.env, info.me_mapsize * 2) != 0)
		return false;
	tables->error[0] = '\0';
	open_all(tables);
	return tables->error[0] == '\0';
}

bool
tables_commit(struct tables *tables, bool *again)
{
	int code = 0;
	bool full = strstr(tables->error, mdb_strerror(MDB_MAP_FULL)) != NULL;

	*again = false;
	if (tables->error[0] == '\0') {
		code = put_all_meta(tables);
		if (code == 0) {
			code = mdb_txn_commit(tables->txn);
			tables->txn = NULL;
		}
		if (code == 0)
			return true;
		fail(tables, code);
	}
	if ((full || code == MDB_MAP_FULL) && tables->opening.env != NULL)
		*again = enlarge(tables);
	return false;
}
