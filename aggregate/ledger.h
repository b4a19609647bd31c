/*
 * ledger - the recommendations on disk: who said what of whom, when, and what the lists said then
 *
 * One file in the state directory, recommendations.mdb, beside that of the exceptions and without
 * any bearing on it. It is its own journal: recommendations are added and never changed, and the
 * oldest go when there are more than LEDGER_MAX or they are older than LEDGER_DAYS. Only tallyctl
 * writes; errors are sticky, as those of the store.
 */
#ifndef AGGREGATE_LEDGER_H
#define AGGREGATE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/subject.h"
#include "aggregate/tables.h"
#include "aggregate/testimony.h"
#include "aggregate/trust.h"

#define LEDGER_FILE "recommendations.mdb"
#define LEDGER_MAX 200000
#define LEDGER_DAYS 400
#define LEDGER_WHO_MAX 63

struct recommendation {
	enum trust_kind kind;
	struct subject subject;
	uint32_t when;
	char by[TRUST_REPORTER_MAX + 1]; /* the reporter */
	char who[LEDGER_WHO_MAX + 1];    /* who typed it */
	uint8_t listed;                  /* lists that held the subject to be bad then */
	char testimony[TESTIMONY_MAX + 1];
};

struct ledger;

struct ledger *ledger_open(const char *directory, enum store_mode mode); /* as store_open */
void ledger_close(struct ledger *ledger);
const char *ledger_error(const struct ledger *ledger); /* NULL: none */

bool ledger_add(struct ledger *ledger, const struct recommendation *recommendation);

/* Let the oldest go, so that the bounds hold. */
bool ledger_prune(struct ledger *ledger, uint32_t now);

/* As store_commit. */
bool ledger_commit(struct ledger *ledger, bool *again);

/* Oldest first; `visit` returns false to stop. */
typedef bool ledger_visit(
    void *context, uint64_t serial, const struct recommendation *recommendation);
bool ledger_each(struct ledger *ledger, ledger_visit *visit, void *context);

uint64_t ledger_count(struct ledger *ledger);

/* What all of it amounts to now: a settled trust, the caller's. NULL: see ledger_error. */
struct trust *ledger_trust(struct ledger *ledger, uint32_t now);

const char *recommendation_word(enum trust_kind kind);

#endif
