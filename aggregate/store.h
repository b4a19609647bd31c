/*
 * store - the exceptions on disk and the journal of their changes
 *
 * One file in the state directory, exceptions.mdb. A change and its journal entry are one
 * transaction, on disk when store_commit returns true. Every value carries a checksum over its
 * key and itself; one that does not match is an error, never an entry.
 *
 * A broken file can kill whoever reads it (LMDB maps it): the daemon reads in a child only. Only
 * tallyctl writes. Errors are sticky until the store is closed: after the first, all calls fail,
 * and store_error says what it was, in a sentence that names the file.
 */
#ifndef AGGREGATE_STORE_H
#define AGGREGATE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/exception.h"
#include "aggregate/tables.h"

#define STORE_FILE "exceptions.mdb"
#define STORE_SNAPSHOT "exceptions.snapshot" /* the entries as text, beside it */

struct store;

/*
 * Open the store in `directory`; STORE_WRITE creates it, owned as the directory is, and begins
 * the one transaction that all changes until store_commit belong to. Ask store_error: without
 * memory the store is NULL, with which all here fail, or find nothing. With STORE_READ a store that
 * is not there is empty.
 */
struct store *store_open(const char *directory, enum store_mode mode);

/* Without a commit before, all changes are forgotten. */
void store_close(struct store *store);
const char *store_error(const struct store *store); /* NULL: none */

/*
 * Add, replace or (EXCEPTION_FORGET) remove an entry, and write into the journal that `who` did so
 * at `when`; the entry's own author and time may be older, when it comes from an export.
 */
bool store_apply(
    struct store *store, const struct exception_entry *entry, const char *who, uint32_t when);

/* Let the commit fail, for a reason of the caller's. */
void store_spoil(struct store *store, const char *why);

/*
 * Make the changes durable. When the map is full it is made larger and the changes are lost: *again
 * is set, and the caller applies everything once more to the same store.
 */
bool store_commit(struct store *store, bool *again);

/* The entry of exactly this zone and prefix. */
bool store_get(struct store *store, const char *zone, const struct prefix *prefix,
    struct exception_entry *entry);

/* Call `visit` with each entry, by zone and address; it returns false to stop. */
typedef bool store_visit(void *context, uint64_t serial, const struct exception_entry *entry);
bool store_each(struct store *store, store_visit *visit, void *context);

/* The same with each change after `serial`, oldest first; `action` and `added` tell the change. */
bool store_history(struct store *store, uint64_t serial, store_visit *visit, void *context);

uint64_t store_serial(struct store *store); /* of the last change, 0 for none */
uint64_t store_count(struct store *store);  /* entries */

/* A random number from when the store was made: another one is another store. */
uint64_t store_identity(struct store *store);

#endif
