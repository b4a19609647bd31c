/*
 * opening - open and close an LMDB file, one process at a time
 *
 * LMDB would let several at once, with which a change can be lost that was made durable before:
 * the first one to open holds the lock file alone, and sets the number of the last transaction in
 * it to 0, then to what the file says. When it is killed between the two, those that wait for the
 * lock file believe the 0 and write over the last change; and two that wait behind one killed
 * before it began the file may both begin it. LMDB 0.9.27 to 0.9.31 also destroy the mutexes in
 * closing, under the hands of who opens. So the directory is locked meanwhile (flock).
 */
#ifndef AGGREGATE_OPENING_H
#define AGGREGATE_OPENING_H

#include <stdbool.h>
#include <stddef.h>

struct MDB_env;
struct MDB_txn;

struct opening {
	struct MDB_env *env; /* NULL: not open */
	int directory;       /* -1: not open */
};

#define OPENING_NONE ((struct opening){.directory = -1})

/* No file, or one of which nothing is left, which LMDB would take for a new one. */
bool opening_is_missing(const char *path);

/*
 * `path` is a file in `directory`, with so many tables; with `write` it is made, owned as the
 * directory is. The map is of `bytes`, or twice the file and at most `most`. Returns 0 or an error
 * of LMDB's.
 */
int opening_open(struct opening *opening, const char *directory, const char *path, bool write,
    size_t bytes, size_t most, unsigned tables);
void opening_close(struct opening *opening); /* no transaction is open */

/*
 * Does this transaction, which may write, not follow the last one in the file? It would be written
 * over that one. Another program, which does not lock the directory, was killed in opening.
 */
bool opening_is_behind(const struct opening *opening, struct MDB_txn *txn);

#endif
