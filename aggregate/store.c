/*
 * Two tables. "entries": key -> value. "journal": serial, big-endian, from 1 without gaps -> the
 * length of a key, the key, a value with its own checksum. A key is the zone, a NUL, the address as
 * 16 bytes (IPv4 as ::ffff:a.b.c.d) and the prefix length in the IPv6 sense (IPv4 /n: 96 + n), so
 * that entries sort by zone and address, and a prefix before what it covers. A value is packed by
 * pack_value.
 */
#include "aggregate/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bytes.h"
#include "aggregate/text.h"

#define KEY_MAX (NAME_TEXT_MAX + 1 + 17)
#define VALUE_MAX (2 + 4 + 4 + 4 + 1 + EXCEPTION_AUTHOR_MAX + 1 + EXCEPTION_REASON_MAX)

enum table { ENTRIES, JOURNAL };

static const struct tables_plan plan = {.file = STORE_FILE,
    .first_bytes = TABLES_FIRST_BYTES,
    .most_bytes = TABLES_MOST_BYTES,
    .table = {[ENTRIES] = "entries", [JOURNAL] = "journal"},
    .tables = 2,
    .remedy = "the file is damaged: move it away and import the snapshot beside it",
    .relief = "it is full and can't grow: move it away and import the snapshot beside it, which "
	      "leaves the journal behind"};

struct store {
	struct tables *tables;
	uint64_t serial; /* of the last change */
};

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
pack_value(const struct exception_entry *entry, struct bytes *value)
{
	bytes_init(value);
	bytes_add_u8(value, 1);
	bytes_add_u8(value, entry->action);
	bytes_add_u32(value, (uint32_t)entry->score);
	bytes_add_u32(value, entry->until);
	bytes_add_u32(value, entry->added);
	bytes_add_string(value, entry->author);
	bytes_add_string(value, entry->reason);
}

static bool
unpack_key(const uint8_t *byte, size_t length, struct exception_entry *entry)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	const uint8_t *address;
	unsigned bits;

	if (length < 18 || length > KEY_MAX || byte[length - 18] != 0)
		return false;
	address = byte + length - 17;
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

static bool
unpack_value(const uint8_t *byte, size_t length, struct exception_entry *entry)
{
	const uint8_t *end = byte + length, *at;

	if (length < 16 || length > VALUE_MAX || byte[0] != 1 || byte[1] > EXCEPTION_FORGET)
		return false;
	entry->action = (enum exception_action)byte[1];
	entry->score = (int32_t)bytes_u32(byte + 2);
	entry->until = bytes_u32(byte + 6);
	entry->added = bytes_u32(byte + 10);
	at = bytes_read_string(byte + 14, end, entry->author, EXCEPTION_AUTHOR_MAX);
	at = bytes_read_string(at, end, entry->reason, EXCEPTION_REASON_MAX);
	return at == end;
}

struct store *
store_open(const char *directory, enum store_mode mode)
{
	struct store *store = calloc(1, sizeof *store);

	if (store == NULL)
		return NULL;
	store->tables = tables_open(directory, &plan, mode);
	if (store->tables == NULL) {
		free(store);
		return NULL;
	}
	store->serial = tables_last(store->tables, JOURNAL);
	return store;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	tables_close(store->tables);
	free(store);
}

const char *
store_error(const struct store *store)
{
	return store == NULL ? "out of memory" : tables_error(store->tables);
}

static bool
write_journal(struct store *store, const struct bytes *key, const struct bytes *value)
{
	struct bytes record;

	bytes_init(&record);
	bytes_add_u8(&record, (unsigned)(key->length >> 8));
	bytes_add_u8(&record, (unsigned)key->length & 255);
	bytes_add(&record, key->byte, key->length);
	bytes_add(&record, value->byte, value->length);
	bytes_add_u32(&record,
	    bytes_checksum(bytes_checksum(0, key->byte, key->length), value->byte, value->length));
	return tables_append(store->tables, JOURNAL, ++store->serial, record.byte, record.length);
}

bool
store_apply(
    struct store *store, const struct exception_entry *entry, const char *who, uint32_t when)
{
	struct exception_entry change = *entry;
	struct bytes key, value, journal;
	struct text author;
	bool written;

	if (store_error(store) != NULL)
		return false;
	change.added = when;
	text_init(&author, change.author, sizeof change.author);
	text_add(&author, who);
	pack_key(entry->zone, &entry->prefix, &key);
	pack_value(entry, &value);
	pack_value(&change, &journal);
	written = entry->action == EXCEPTION_FORGET
		      ? tables_delete(store->tables, ENTRIES, key.byte, key.length)
		      : tables_put(
			    store->tables, ENTRIES, key.byte, key.length, value.byte, value.length);
	return written && write_journal(store, &key, &journal);
}

void
store_spoil(struct store *store, const char *why)
{
	if (store != NULL)
		(void)tables_spoil(store->tables, why);
}

bool
store_commit(struct store *store, bool *again)
{
	bool done;

	*again = false;
	if (store == NULL)
		return false;
	done = tables_commit(store->tables, again);
	if (*again)
		store->serial = tables_last(store->tables, JOURNAL);
	return done;
}

bool
store_get(struct store *store, const char *zone, const struct prefix *prefix,
    struct exception_entry *entry)
{
	struct bytes key;
	const uint8_t *value;
	size_t length;

	if (store == NULL)
		return false;
	pack_key(zone, prefix, &key);
	if (!tables_get(store->tables, ENTRIES, key.byte, key.length, &value, &length))
		return false;
	return (unpack_key(key.byte, key.length, entry) && unpack_value(value, length, entry)) ||
	       tables_damaged(store->tables);
}

/* A visit under way. */
struct tour {
	struct store *store;
	store_visit *visit;
	void *context;
	uint64_t serial; /* of the journal: the last that was seen */
};

static bool
visit_entry(
    void *context, const uint8_t *key, size_t key_length, const uint8_t *value, size_t length)
{
	struct tour *tour = context;
	struct exception_entry entry;

	if (!unpack_key(key, key_length, &entry) || !unpack_value(value, length, &entry))
		return tables_damaged(tour->store->tables);
	return tour->visit(tour->context, tour->store->serial, &entry);
}

bool
store_each(struct store *store, store_visit *visit, void *context)
{
	struct tour tour = {.store = store, .visit = visit, .context = context};

	return store != NULL && tables_each(store->tables, ENTRIES, NULL, 0, visit_entry, &tour);
}

/* The key and the value in a journal record. */
static bool
unpack_record(const uint8_t *byte, size_t size, struct exception_entry *entry)
{
	size_t length = size < 2 ? 0 : (size_t)byte[0] << 8 | byte[1], end = size - 4;

	return size >= 2 + length + 4 &&
	       bytes_checksum(0, byte + 2, end - 2) == bytes_u32(byte + end) &&
	       unpack_key(byte + 2, length, entry) &&
	       unpack_value(byte + 2 + length, end - 2 - length, entry);
}

static bool
visit_record(
    void *context, const uint8_t *key, size_t key_length, const uint8_t *value, size_t length)
{
	struct tour *tour = context;
	struct exception_entry entry;

	/* the journal has no gaps */
	if (key_length != 8 || bytes_u64(key) != ++tour->serial ||
	    !unpack_record(value, length, &entry))
		return tables_damaged(tour->store->tables);
	return tour->visit(tour->context, tour->serial, &entry);
}

bool
store_history(struct store *store, uint64_t serial, store_visit *visit, void *context)
{
	struct tour tour = {.store = store, .visit = visit, .context = context, .serial = serial};
	struct bytes number;

	bytes_init(&number);
	bytes_add_u64(&number, serial + 1);
	return store != NULL &&
	       tables_each(store->tables, JOURNAL, number.byte, number.length, visit_record, &tour);
}

uint64_t
store_serial(struct store *store)
{
	return store == NULL ? 0 : store->serial;
}

uint64_t
store_count(struct store *store)
{
	return store == NULL ? 0 : tables_count(store->tables, ENTRIES);
}

uint64_t
store_identity(struct store *store)
{
	return store == NULL ? 0 : tables_identity(store->tables);
}
