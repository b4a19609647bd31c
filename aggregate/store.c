/*
 * Three tables. "meta": "version" -> "1", "identity" -> 8 random bytes. "entries": key -> value.
 * "journal": serial, big-endian,
 * from 1 without gaps -> the length of a key, the key, a value, a checksum over the serial and all
 * that. A key is the zone, a NUL, the address as 16 bytes (IPv4 as ::ffff:a.b.c.d) and the prefix
 * length in the IPv6 sense (IPv4 /n: 96 + n), so that entries sort by zone and address, and a
 * prefix before what it covers. A value is packed by pack_value, checksum last.
 */
#include "aggregate/store.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregate/text.h"

#define MAP_SIZE ((size_t)1 << 30) /* virtual; the file is as large as what is in it */
#define MAP_SIZE_MAX ((size_t)1 << 40)
#define KEY_MAX (NAME_TEXT_MAX + 1 + 17)
#define VALUE_MAX (2 + 4 + 4 + 4 + 1 + EXCEPTION_AUTHOR_MAX + 1 + EXCEPTION_REASON_MAX + 4)

struct store {
	char path[300];
	char error[500]; /* "": none */
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi meta, entries, journal;
	enum store_mode mode;
	bool empty; /* read mode, and there is no file */
	uint64_t serial, identity;
};

/* A key or value being packed or read; lengths are checked by the readers. */
struct bytes {
	uint8_t byte[2 + KEY_MAX + VALUE_MAX + 4];
	size_t length;
};

static bool
fail(struct store *store, int code)
{
	const char *why = mdb_strerror(code), *remedy = "";

	if (store->error[0] != '\0')
		return false;
	if (code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ||
	    code == MDB_BAD_VALSIZE || code == MDB_PANIC)
		remedy = "; the file is damaged: move it away and import the snapshot beside it";
	else if (code == MDB_VERSION_MISMATCH)
		remedy = "; another version of LMDB wrote it";
	else if (code == MDB_MAP_FULL)
		remedy = "; the store is full";
	else if (code == EIO) /* LMDB's word for a short write */
		remedy = "; maybe: No space left on device";
	(void)snprintf(store->error, sizeof store->error, "%s: %s%s", store->path, why, remedy);
	return false;
}

static bool
fail_text(struct store *store, const char *why)
{
	if (store->error[0] == '\0')
		(void)snprintf(store->error, sizeof store->error, "%s: %s", store->path, why);
	return false;
}

/* CRC-32C (Castagnoli), RFC 3720 B.4, a nibble at a time. */
static uint32_t
checksum(uint32_t crc, const uint8_t *byte, size_t length)
{
	static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
	    0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6,
	    0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

	crc = ~crc;
	for (size_t i = 0; i < length; i++) {
		crc ^= byte[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static void
pack_u32(struct bytes *bytes, uint32_t value)
{
	for (unsigned shift = 32; shift > 0; shift -= 8)
		bytes->byte[bytes->length++] = (uint8_t)(value >> (shift - 8));
}

static void
pack_string(struct bytes *bytes, const char *string)
{
	size_t length = strlen(string);

	bytes->byte[bytes->length++] = (uint8_t)length;
	memcpy(bytes->byte + bytes->length, string, length);
	bytes->length += length;
}

static void
pack_key(const char *zone, const struct prefix *prefix, struct bytes *key)
{
	bool ipv4 = prefix->base.family == SUBJECT_IPV4;
	size_t zone_length = strlen(zone);
	uint8_t *address;

	memcpy(key->byte, zone, zone_length + 1);
	address = key->byte + zone_length + 1;
	memset(address, 0, 16);
	if (ipv4) {
		address[10] = address[11] = 0xff;
		memcpy(address + 12, prefix->base.octet, 4);
	} else {
		memcpy(address, prefix->base.octet, 16);
	}
	address[16] = (uint8_t)(prefix->length + (ipv4 ? 96 : 0));
	key->length = zone_length + 1 + 17;
}

static void
pack_value(const struct exception_entry *entry, const struct bytes *key, struct bytes *value)
{
	uint32_t crc = checksum(0, key->byte, key->length);

	value->length = 0;
	value->byte[value->length++] = 1;
	value->byte[value->length++] = (uint8_t)entry->action;
	pack_u32(value, (uint32_t)entry->score);
	pack_u32(value, entry->until);
	pack_u32(value, entry->added);
	pack_string(value, entry->author);
	pack_string(value, entry->reason);
	pack_u32(value, checksum(crc, value->byte, value->length));
}

static uint32_t
unpack_u32(const uint8_t *byte)
{
	return (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 | (uint32_t)byte[2] << 8 | byte[3];
}

static bool
unpack_key(const uint8_t *byte, size_t length, struct exception_entry *entry)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	const uint8_t *address = byte + length - 17;
	unsigned bits;

	if (length < 18 || length > KEY_MAX || byte[length - 18] != 0)
		return false;
	memcpy(entry->zone, byte, length - 17);
	bits = address[16];
	memset(&entry->prefix, 0, sizeof entry->prefix);
	if (bits >= 96 && memcmp(address, mapped, sizeof mapped) == 0) {
		memcpy(entry->prefix.base.octet, address + 12, 4);
		entry->prefix.length = bits - 96;
		return bits <= 128;
	}
	entry->prefix.base.family = SUBJECT_IPV6;
	memcpy(entry->prefix.base.octet, address, 16);
	entry->prefix.length = bits;
	return bits <= 128;
}

/* A string with its length in front, of at most `max` bytes; returns where it ends, or NULL. */
static const uint8_t *
unpack_string(const uint8_t *byte, const uint8_t *end, char *string, size_t max)
{
	size_t length;

	if (byte == NULL || byte >= end)
		return NULL;
	length = *byte++;
	if (length > max || (size_t)(end - byte) < length)
		return NULL;
	memcpy(string, byte, length);
	string[length] = '\0';
	return byte + length;
}

static bool
unpack_value(const uint8_t *byte, size_t length, const uint8_t *key, size_t key_length,
    struct exception_entry *entry)
{
	const uint8_t *end = byte + length - 4, *at;

	if (length < 20 || length > VALUE_MAX ||
	    checksum(checksum(0, key, key_length), byte, length - 4) != unpack_u32(end) ||
	    byte[0] != 1 || byte[1] > EXCEPTION_FORGET)
		return false;
	entry->action = (enum exception_action)byte[1];
	entry->score = (int32_t)unpack_u32(byte + 2);
	entry->until = unpack_u32(byte + 6);
	entry->added = unpack_u32(byte + 10);
	at = unpack_string(byte + 14, end, entry->author, EXCEPTION_AUTHOR_MAX);
	at = unpack_string(at, end, entry->reason, EXCEPTION_REASON_MAX);
	return at == end;
}

/* A file that root makes must be usable by the daemon's user: it is owned as the directory is. */
static void
share_ownership(const struct store *store, const char *directory)
{
	char lock[sizeof store->path + 8];
	struct stat status;

	if (geteuid() != 0 || stat(directory, &status) != 0)
		return;
	(void)snprintf(lock, sizeof lock, "%s-lock", store->path);
	if (lchown(store->path, status.st_uid, status.st_gid) != 0 ||
	    lchown(lock, status.st_uid, status.st_gid) != 0)
		return; /* the daemon will say that it can't read them */
}

static size_t
map_size(const struct store *store)
{
	struct stat status;
	size_t size = MAP_SIZE;

	if (stat(store->path, &status) == 0)
		while (size < (size_t)status.st_size * 2 && size < MAP_SIZE_MAX)
			size *= 2;
	return size;
}

/* A value of the "meta" table; in write mode it is begun with `first` when it is not there. */
static bool
read_meta(struct store *store, const char *name, void *value, size_t size, const void *first)
{
	char key_bytes[16], first_bytes[16];
	size_t length = strlen(name);
	MDB_val key = {.mv_size = length, .mv_data = key_bytes}, found;
	int code;

	memcpy(key_bytes, name, length + 1);
	memcpy(first_bytes, first, size);
	code = mdb_get(store->txn, store->meta, &key, &found);
	if (code == MDB_NOTFOUND && store->mode == STORE_WRITE) {
		found = (MDB_val){.mv_size = size, .mv_data = first_bytes};
		code = mdb_put(store->txn, store->meta, &key, &found, 0);
	}
	if (code != 0)
		return fail(store, code);
	if (found.mv_size != size)
		return fail_text(store, "another version of tally wrote it");
	memcpy(value, found.mv_data, size);
	return true;
}

static bool
check_version(struct store *store)
{
	uint64_t fresh = 0;
	char version = 0;

	if (getrandom(&fresh, sizeof fresh, 0) != (ssize_t)sizeof fresh)
		return fail_text(store, "no random numbers");
	if (!read_meta(store, "version", &version, 1, "1"))
		return false;
	if (version != '1')
		return fail_text(store, "another version of tally wrote it");
	return read_meta(store, "identity", &store->identity, sizeof store->identity, &fresh);
}

static void
find_serial(struct store *store)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int code = mdb_cursor_open(store->txn, store->journal, &cursor);

	if (code != 0) {
		fail(store, code);
		return;
	}
	code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	if (code == 0 && key.mv_size == 8) {
		const uint8_t *byte = key.mv_data;

		store->serial = (uint64_t)unpack_u32(byte) << 32 | unpack_u32(byte + 4);
	} else if (code != MDB_NOTFOUND) {
		fail(store, code == 0 ? MDB_CORRUPTED : code);
	}
	mdb_cursor_close(cursor);
}

/* Nothing was ever committed to it: the first change was given up. */
static bool
is_new(const struct store *store)
{
	MDB_stat status;

	return mdb_env_stat(store->env, &status) == 0 && status.ms_entries == 0;
}

static void
open_tables(struct store *store)
{
	unsigned flags = store->mode == STORE_WRITE ? MDB_CREATE : 0;
	int code = mdb_txn_begin(
	    store->env, NULL, store->mode == STORE_WRITE ? 0 : MDB_RDONLY, &store->txn);

	if (code == 0)
		code = mdb_dbi_open(store->txn, "meta", flags, &store->meta);
	if (code == 0)
		code = mdb_dbi_open(store->txn, "entries", flags, &store->entries);
	if (code == 0)
		code = mdb_dbi_open(store->txn, "journal", flags, &store->journal);
	if (code == MDB_NOTFOUND && is_new(store))
		store->empty = true;
	else if (code == MDB_NOTFOUND)
		fail_text(store, "this is no store of tally's");
	else if (code != 0)
		fail(store, code);
	else if (check_version(store))
		find_serial(store);
}

/* No file, or one of which nothing is left, which LMDB would take for a new one. */
static bool
is_missing(const char *path)
{
	struct stat status;

	return stat(path, &status) != 0 ? errno == ENOENT : status.st_size == 0;
}

struct store *
store_open(const char *directory, enum store_mode mode)
{
	struct store *store = calloc(1, sizeof *store);
	mode_t before;
	int code;

	if (store == NULL)
		return NULL;
	store->mode = mode;
	(void)snprintf(store->path, sizeof store->path, "%s/" STORE_FILE, directory);
	if (mode == STORE_READ && is_missing(store->path)) {
		store->empty = true;
		return store;
	}
	code = mdb_env_create(&store->env);
	if (code == 0)
		code = mdb_env_set_maxdbs(store->env, 3);
	if (code == 0)
		code = mdb_env_set_mapsize(store->env, map_size(store));
	before = umask(007);
	/* never MDB_WRITEMAP: a full disk would be a SIGBUS */
	if (code == 0)
		code = mdb_env_open(store->env, store->path,
		    MDB_NOSUBDIR | MDB_NOTLS | (mode == STORE_READ ? MDB_RDONLY : 0), 0660);
	umask(before);
	if (code != 0) {
		fail(store, code);
		return store;
	}
	if (mode == STORE_WRITE)
		share_ownership(store, directory);
	(void)mdb_reader_check(store->env, NULL); /* slots of readers that were killed */
	open_tables(store);
	return store;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	if (store->txn != NULL)
		mdb_txn_abort(store->txn);
	if (store->env != NULL)
		mdb_env_close(store->env);
	free(store);
}

const char *
store_error(const struct store *store)
{
	if (store == NULL)
		return "out of memory";
	return store->error[0] == '\0' ? NULL : store->error;
}

static bool
write_entry(struct store *store, const struct exception_entry *entry, struct bytes *key,
    struct bytes *value)
{
	MDB_val k = {.mv_size = key->length, .mv_data = key->byte};
	MDB_val v = {.mv_size = value->length, .mv_data = value->byte};
	int code;

	if (entry->action == EXCEPTION_FORGET)
		code = mdb_del(store->txn, store->entries, &k, NULL);
	else
		code = mdb_put(store->txn, store->entries, &k, &v, 0);
	return code == 0 || fail(store, code);
}

static bool
write_journal(struct store *store, const struct bytes *key, const struct bytes *value)
{
	uint64_t serial = ++store->serial;
	struct bytes number = {0}, record;
	MDB_val k, v;
	int code;

	pack_u32(&number, (uint32_t)(serial >> 32));
	pack_u32(&number, (uint32_t)serial);
	record.byte[0] = (uint8_t)(key->length >> 8);
	record.byte[1] = (uint8_t)key->length;
	memcpy(record.byte + 2, key->byte, key->length);
	memcpy(record.byte + 2 + key->length, value->byte, value->length);
	record.length = 2 + key->length + value->length;
	pack_u32(
	    &record, checksum(checksum(0, number.byte, number.length), record.byte, record.length));
	k = (MDB_val){.mv_size = number.length, .mv_data = number.byte};
	v = (MDB_val){.mv_size = record.length, .mv_data = record.byte};
	code = mdb_put(store->txn, store->journal, &k, &v, MDB_APPEND);
	return code == 0 || fail(store, code);
}

bool
store_apply(
    struct store *store, const struct exception_entry *entry, const char *who, uint32_t when)
{
	struct exception_entry change = *entry;
	struct bytes key, value, journal;
	struct text author;

	if (store->error[0] != '\0')
		return false;
	change.added = when;
	text_init(&author, change.author, sizeof change.author);
	text_add(&author, who);
	pack_key(entry->zone, &entry->prefix, &key);
	pack_value(entry, &key, &value);
	pack_value(&change, &key, &journal);
	return write_entry(store, entry, &key, &value) && write_journal(store, &key, &journal);
}

void
store_spoil(struct store *store, const char *why)
{
	if (store->error[0] == '\0')
		(void)snprintf(store->error, sizeof store->error, "%s", why);
}

/* The map is full: make it twice as large and begin anew. */
static bool
enlarge(struct store *store)
{
	MDB_envinfo info;

	if (store->txn != NULL)
		mdb_txn_abort(store->txn);
	store->txn = NULL;
	if (mdb_env_info(store->env, &info) != 0 || info.me_mapsize >= MAP_SIZE_MAX ||
	    mdb_env_set_mapsize(store->env, info.me_mapsize * 2) != 0)
		return false;
	store->error[0] = '\0';
	store->serial = 0;
	open_tables(store);
	return store->error[0] == '\0';
}

bool
store_commit(struct store *store, bool *again)
{
	int code = 0;
	bool full = strstr(store->error, mdb_strerror(MDB_MAP_FULL)) != NULL;

	*again = false;
	if (store->error[0] == '\0') {
		code = mdb_txn_commit(store->txn);
		store->txn = NULL;
		if (code == 0)
			return true;
		fail(store, code);
	}
	if ((full || code == MDB_MAP_FULL) && store->env != NULL)
		*again = enlarge(store);
	return false;
}

static bool
read_entry(
    struct store *store, const MDB_val *key, const MDB_val *value, struct exception_entry *entry)
{
	if (!unpack_key(key->mv_data, key->mv_size, entry) ||
	    !unpack_value(value->mv_data, value->mv_size, key->mv_data, key->mv_size, entry))
		return fail_text(store, "an entry does not match its checksum; the file is "
					"damaged: move it away and import the snapshot beside it");
	return true;
}

bool
store_get(struct store *store, const char *zone, const struct prefix *prefix,
    struct exception_entry *entry)
{
	struct bytes key;
	MDB_val k, v;
	int code;

	if (store->error[0] != '\0' || store->empty)
		return false;
	pack_key(zone, prefix, &key);
	k = (MDB_val){.mv_size = key.length, .mv_data = key.byte};
	code = mdb_get(store->txn, store->entries, &k, &v);
	if (code == MDB_NOTFOUND)
		return false;
	return code == 0 ? read_entry(store, &k, &v, entry) : fail(store, code);
}

bool
store_each(struct store *store, store_visit *visit, void *context)
{
	struct exception_entry entry;
	MDB_cursor *cursor;
	MDB_val key, value;
	bool going = true;
	int code;

	if (store->error[0] != '\0')
		return false;
	if (store->empty)
		return true;
	code = mdb_cursor_open(store->txn, store->entries, &cursor);
	if (code != 0)
		return fail(store, code);
	code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	while (code == 0 && going && read_entry(store, &key, &value, &entry)) {
		going = visit(context, store->serial, &entry);
		code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (code != 0 && code != MDB_NOTFOUND)
		return fail(store, code);
	return store->error[0] == '\0';
}

/* One journal record; the serial comes from its key. */
static bool
read_record(struct store *store, const MDB_val *key, const MDB_val *value, uint64_t *serial,
    struct exception_entry *entry)
{
	const uint8_t *byte = value->mv_data, *number = key->mv_data;
	size_t length = value->mv_size < 2 ? 0 : (size_t)byte[0] << 8 | byte[1];
	size_t size = value->mv_size - 4; /* without the checksum over the serial and the rest */
	MDB_val k, v;

	if (key->mv_size != 8 || value->mv_size < 2 + length + 4 ||
	    checksum(checksum(0, number, 8), byte, size) != unpack_u32(byte + size))
		return fail(store, MDB_CORRUPTED);
	*serial = (uint64_t)unpack_u32(number) << 32 | unpack_u32(number + 4);
	k = (MDB_val){.mv_size = length, .mv_data = (uint8_t *)value->mv_data + 2};
	v = (MDB_val){
	    .mv_size = size - 2 - length, .mv_data = (uint8_t *)value->mv_data + 2 + length};
	return read_entry(store, &k, &v, entry);
}

bool
store_history(struct store *store, uint64_t serial, store_visit *visit, void *context)
{
	struct exception_entry entry;
	struct bytes number = {0};
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t found = 0;
	bool going = true;
	int code;

	if (store->error[0] != '\0')
		return false;
	if (store->empty)
		return true;
	pack_u32(&number, (uint32_t)((serial + 1) >> 32));
	pack_u32(&number, (uint32_t)(serial + 1));
	key = (MDB_val){.mv_size = number.length, .mv_data = number.byte};
	code = mdb_cursor_open(store->txn, store->journal, &cursor);
	if (code != 0)
		return fail(store, code);
	code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (code == 0 && going && read_record(store, &key, &value, &found, &entry)) {
		if (found != ++serial) {
			fail(store, MDB_CORRUPTED); /* the journal has no gaps */
			break;
		}
		going = visit(context, serial, &entry);
		code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (code != 0 && code != MDB_NOTFOUND)
		return fail(store, code);
	return store->error[0] == '\0';
}

uint64_t
store_serial(struct store *store)
{
	return store->serial;
}

uint64_t
store_count(struct store *store)
{
	MDB_stat status;

	if (store->error[0] != '\0' || store->empty ||
	    mdb_stat(store->txn, store->entries, &status) != 0)
		return 0;
	return status.ms_entries;
}

uint64_t
store_identity(struct store *store)
{
	return store->identity;
}
