/*
 * reader - read what is on disk in a child, which a broken file may kill
 *
 * LMDB maps its file: one that is cut short is a SIGBUS for whoever reads it. So a child reads,
 * checks and hands over; when it dies, we only hear of it.
 */
#ifndef RESOLVER_READER_H
#define RESOLVER_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/earned.h"
#include "aggregate/exception.h"
#include "aggregate/renown.h"
#include "aggregate/text.h"

/* How far a reader has come in which store. */
struct reader_at {
	uint64_t serial, identity;
};

/*
 * Apply to `table` the entries of the store in `directory` (at->serial 0), or the changes after
 * at->serial, and set *at to where the store stands. False, with a sentence in `error`, when not
 * all of them could be had; the table is then of no use.
 */
bool reader_load(
    const char *directory, struct reader_at *at, struct exceptions *table, struct text *error);

/* The same from the text snapshot beside the store; false when there is none or it is broken. */
bool reader_load_snapshot(const char *directory, struct exceptions *table, struct text *error);

bool reader_has_snapshot(const char *directory);

/* What the recommendations amount to. */
struct reader_learned {
	struct renown *renown; /* the caller's, to be filled: the subjects that they list */
	struct earned earned;  /* weights that have moved */
	uint64_t recommendations;
};

/*
 * Settle the recommendations in `directory` as of `now` under this policy. False, with a sentence
 * in `error`, and nothing earned.
 */
bool reader_load_learned(const char *directory, const struct policy *policy, uint32_t now,
    struct reader_learned *learned, struct text *error);

#endif
