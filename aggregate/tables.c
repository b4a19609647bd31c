/*
 * The table "meta" has "version" -> "1" and "identity" -> 8 random bytes, without checksums.
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

#define FIRST_BYTES ((size_t)1 << 30) /* virtual; the file is as large as what is in it */
#define MOST_BYTES ((size_t)1 << 40)

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

/* A file that root makes must be usable by the daemon's user: it is owned as the directory is. */
static void
share_ownership(const struct tables *tables, const char *directory)
{
	char lock[sizeof tables->path + 8];
	struct stat status;

	if (geteuid() != 0 || stat(directory, &status) != 0)
		return;
	(void)snprintf(lock, sizeof lock, "%s-lock", tables->path);
	if (lchown(tables->path, status.st_uid, status.st_gid) != 0 ||
	    lchown(lock, status.st_uid, status.st_gid) != 0)
		return; /* the daemon will say that it can't read them */
}

static size_t
most_bytes(const struct tables *tables)
{
	return tables->plan->most_bytes != 0 ? tables->plan->most_bytes : MOST_BYTES;
}

static size_t
map_size(const struct tables *tables)
{
	size_t first = tables->plan->first_bytes, size = first != 0 ? first : FIRST_BYTES;
	struct stat status;

	if (stat(tables->path, &status) == 0)
		while (size < (size_t)status.st_size * 2 && size < most_bytes(tables))
			size *= 2;
	return size;
}

/* A value of the "meta" table; in write mode it is begun with `first` when it is not there. */
static bool
read_meta(struct tables *tables, const char *name, void *value, size_t size, const void *first)
{
	char key_bytes[16], first_bytes[16];
	size_t length = strlen(name);
	MDB_val key = {.mv_size = length, .mv_data = key_bytes}, found;
	int code;

	memcpy(key_bytes, name, length + 1);
	memcpy(first_bytes, first, size);
	code = mdb_get(tables->txn, tables->meta, &key, &found);
	if (code == MDB_NOTFOUND && tables->mode == STORE_WRITE) {
		found = (MDB_val){.mv_size = size, .mv_data = first_bytes};
		code = mdb_put(tables->txn, tables->meta, &key, &found, 0);
	}
	if (code != 0)
		return fail(tables, code);
	if (found.mv_size != size)
		return tables_complain(tables, "another version of tally wrote it");
	memcpy(value, found.mv_data, size);
	return true;
}

static bool
check_version(struct tables *tables)
{
	uint64_t fresh = 0;
	char version = 0;

	if (getrandom(&fresh, sizeof fresh, 0) != (ssize_t)sizeof fresh)
		return tables_complain(tables, "no random numbers");
	if (!read_meta(tables, "version", &version, 1, "1"))
		return false;
	if (version != '1')
		return tables_complain(tables, "another version of tally wrote it");
	return read_meta(tables, "identity", &tables->identity, sizeof tables->identity, &fresh);
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

/* No file, or one of which nothing is left, which LMDB would take for a new one. */
static bool
is_missing(const char *path)
{
	struct stat status;

	return stat(path, &status) != 0 ? errno == ENOENT : status.st_size == 0;
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
	if (mode == STORE_READ && is_missing(tables->path)) {
		tables->empty = true;
		return tables;
	}
	code = opening_open(&tables->opening, directory, tables->path, mode == STORE_WRITE,
	    map_size(tables), (unsigned)plan->tables + 1);
	if (code != 0) {
		fail(tables, code);
		return tables;
	}
	if (mode == STORE_WRITE)
		share_ownership(tables, directory);
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
	bytes_add_u32(&sealed, bytes_checksum(bytes_checksum(0, key, key_length), value, length));
	v = (MDB_val){.mv_size = sealed.length, .mv_data = sealed.byte};
	code = mdb_put(tables->txn, tables->table[table], &k, &v, flags);
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
	code = mdb_del(tables->txn, tables->table[table], &k, NULL);
	return code == 0 || fail(tables, code);
}

/* Is the value what was put there under this key? Its length is then without the checksum. */
static bool
check_value(struct tables *tables, const MDB_val *key, MDB_val *value)
{
	const uint8_t *byte = value->mv_data;
	size_t length = value->mv_size < 4 ? 0 : value->mv_size - 4;

	if (value->mv_size < 4 || bytes_checksum(bytes_checksum(0, key->mv_data, key->mv_size),
				      byte, length) != bytes_u32(byte + length))
		return tables_damaged(tables);
	value->mv_size = length;
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

	(void)snprintf(
	    why, sizeof why, "a page of it stands in the wrong place; %s", tables->plan->remedy);
	return tables_complain(tables, why);
}

/*
 * A page that stands where another belongs, or an old one where a new one does, has values with
 * good checksums: then keys come out of order, or not as many as there are.
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
	uint64_t count = 0;
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
		last = k;
		code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (code != 0 && code != MDB_NOTFOUND)
		return fail(tables, code);
	if (code == MDB_NOTFOUND && key_length == 0 && going &&
	    count != tables_count(tables, table))
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
	    info.me_mapsize >= most_bytes(tables) ||
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
		code = mdb_txn_commit(tables->txn);
		tables->txn = NULL;
		if (code == 0)
			return true;
		fail(tables, code);
	}
	if ((full || code == MDB_MAP_FULL) && tables->opening.env != NULL)
		*again = enlarge(tables);
	return false;
}
