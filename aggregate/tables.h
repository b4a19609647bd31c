/*
 * tables - the door to LMDB: a file of named tables, every value checked before it is believed
 *
 * A value is kept with a checksum over its key and itself; one that does not match is an error,
 * never a value. Reading a whole table also finds values that are older than the rest. All changes
 * between opening and committing are one transaction. Errors are sticky until the file is closed:
 * after the first, all calls fail, and tables_error says what it was, in a sentence that names the
 * file.
 *
 * A broken file can kill whoever reads it (LMDB maps it): the daemon reads in a child only.
 */
#ifndef AGGREGATE_TABLES_H
#define AGGREGATE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLES_MAX 4
#define TABLES_KEY_MAX 511 /* LMDB's */
/* The usual bounds of the map, which is virtual; the file is as large as what is in it. */
#define TABLES_FIRST_BYTES ((size_t)1 << 30)
#define TABLES_MOST_BYTES ((size_t)1 << 40)

enum store_mode { STORE_READ, STORE_WRITE };

struct tables_plan {
	const char *file;              /* in the state directory */
	const char *table[TABLES_MAX]; /* names; "meta" is there besides */
	size_t tables;
	const char *remedy;             /* what to do with a damaged file */
	const char *relief;             /* what to do with one that is full and can't grow */
	size_t first_bytes, most_bytes; /* of the map, which grows by doubling */
};

struct tables;

/*
 * Open the file in `directory`; STORE_WRITE creates it, owned as the directory is, and begins the
 * transaction. Never NULL but without memory; ask tables_error. With STORE_READ a file that is not
 * there is empty.
 */
struct tables *tables_open(
    const char *directory, const struct tables_plan *plan, enum store_mode mode);
void tables_close(struct tables *tables); /* without a commit before, changes are forgotten */

const char *tables_error(const struct tables *tables); /* NULL: none */

/* The error from now on, unless there is one; returns false. */
bool tables_spoil(struct tables *tables, const char *why);    /* as it is */
bool tables_complain(struct tables *tables, const char *why); /* behind the name of the file */
bool tables_damaged(struct tables *tables);                   /* with the remedy */

bool tables_put(struct tables *tables, unsigned table, const void *key, size_t key_length,
    const void *value, size_t length);
/* Under a number that is greater than all there are, as 8 bytes. */
bool tables_append(
    struct tables *tables, unsigned table, uint64_t number, const void *value, size_t length);
bool tables_delete(struct tables *tables, unsigned table, const void *key, size_t key_length);

/* The value of a key, valid until the next change; false: not there, or an error. */
bool tables_get(struct tables *tables, unsigned table, const void *key, size_t key_length,
    const uint8_t **value, size_t *length);

/* Visit the values from a key on (length 0: all), in the order of keys, until `visit` says false.
 */
typedef bool tables_visit(
    void *context, const uint8_t *key, size_t key_length, const uint8_t *value, size_t length);
bool tables_each(struct tables *tables, unsigned table, const void *key, size_t key_length,
    tables_visit *visit, void *context);

/* The last key, when it is 8 bytes long, as a number; 0 for none. */
uint64_t tables_last(struct tables *tables, unsigned table);

uint64_t tables_count(struct tables *tables, unsigned table);

/* A random number from when the file was made: another one is another file. */
uint64_t tables_identity(const struct tables *tables);

/*
 * Make the changes durable. When the map is full it is made larger and the changes are lost: *again
 * is set, and the caller applies everything once more. When it can't be made larger that is the
 * error, and what was there before is whole.
 */
bool tables_commit(struct tables *tables, bool *again);

#endif
