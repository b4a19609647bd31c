/*
 * exception - local allow, block and score entries: longest prefix wins
 *
 * An entry belongs to a zone, or to all ("global", zone ""). The table is what questions are
 * answered from: a hash of prefixes by (zone, length, address), 30 bytes a slot, at most three
 * quarters full. It is built whole, or copied and changed, and then only read, by every thread.
 * A look-up costs one probe for each prefix length in use in each zone that counts.
 *
 * Times are wall-clock seconds since 1970, given by the caller.
 */
#ifndef AGGREGATE_EXCEPTION_H
#define AGGREGATE_EXCEPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/name.h"
#include "aggregate/subject.h"

#define EXCEPTION_REASON_MAX 200
#define EXCEPTION_AUTHOR_MAX 63
#define EXCEPTION_SCORE_MAX 10000
#define EXCEPTION_SCOPES_MAX 16 /* zones that may count for one subject: accounts of accounts */

enum exception_action {
	EXCEPTION_ALLOW,
	EXCEPTION_BLOCK,
	EXCEPTION_SCORE,
	EXCEPTION_FORGET /* in the journal only: the entry is gone */
};

/* An entry as the operator gave it. */
struct exception_entry {
	char zone[NAME_TEXT_MAX + 1]; /* folded; "" for all zones */
	struct prefix prefix;
	enum exception_action action;
	int32_t score;  /* valid for EXCEPTION_SCORE */
	uint32_t until; /* counts before this second; 0: for ever */
	uint32_t added;
	char author[EXCEPTION_AUTHOR_MAX + 1];
	char reason[EXCEPTION_REASON_MAX + 1];
};

/* What a look-up finds. */
struct exception {
	enum exception_action action;
	int32_t score;
	uint32_t until;
	struct prefix prefix;
	const char *zone; /* lives as long as the table */
};

/* The zones of which exceptions count for a subject, in order. */
struct exception_scopes {
	size_t count;
	uint16_t scope[EXCEPTION_SCOPES_MAX];
};

struct exceptions;

/* An empty table; NULL without memory. Changing functions return false without memory. */
struct exceptions *exceptions_open(void);
void exceptions_close(struct exceptions *table);
struct exceptions *exceptions_copy(const struct exceptions *table);

/* Add or replace the entry of this zone and prefix; EXCEPTION_FORGET takes it out. */
bool exceptions_apply(struct exceptions *table, const struct exception_entry *entry);

size_t exceptions_count(const struct exceptions *table);
size_t exceptions_bytes(const struct exceptions *table);

/* The n-th zone that has or had entries ("": all zones), and how many; NULL behind the last. */
const char *exceptions_zone(const struct exceptions *table, size_t n, size_t *entries);

/*
 * Which exceptions count for questions to `zone` (folded): its own, those of `above` in their
 * order, and the global ones. Zones without entries are left out.
 */
void exceptions_scopes(const struct exceptions *table, const char *zone, const char *const *above,
    size_t above_count, struct exception_scopes *scopes);

/* Exceptions_find is to come: what it needs begins to come from memory. */
void exceptions_aim(const struct exceptions *table, const struct exception_scopes *scopes,
    const struct subject *subject);

/* The entry that counts: of the first scope that has one that covers, the longest prefix. */
bool exceptions_find(const struct exceptions *table, const struct exception_scopes *scopes,
    const struct subject *subject, uint32_t now, struct exception *found);

const char *exception_word(enum exception_action action); /* "allow" and so on */

#endif
