/*
 * standin - what stands in for a list that fails: what it said before, from the cache
 *
 * For max-stale seconds after its expiry (RFC 8767). A failure does not drive it out of the cache,
 * so that the list failed is remembered here.
 */
#ifndef RESOLVER_STANDIN_H
#define RESOLVER_STANDIN_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/cache.h"
#include "aggregate/evidence.h"
#include "aggregate/policy.h"
#include "aggregate/subject.h"

#define STANDIN_FAILURES 4096 /* places for failures of lists that something stands in for */

struct standin {
	struct cache *cache;
	struct evidence_book *book;
	struct standin_failure {
		uint32_t mark;  /* of subject and list */
		uint32_t until; /* the list is not asked about the subject */
	} failure[STANDIN_FAILURES];
};

/* Did the list fail for the subject just now, and something stands in for it? */
bool standin_failed_lately(
    struct standin *standin, const struct subject *subject, unsigned list, uint32_t now);

/* What the list said before, marked as stale if it may stand in; EVIDENCE_NONE if not. */
struct evidence standin_for(struct evidence old, const struct policy *policy, uint32_t now);

/* New evidence of a list; when it is a failure, what it said before if that may stand in. */
struct evidence standin_take(const struct standin *standin, const struct policy *policy,
    unsigned list, uint32_t now, struct evidence evidence, struct evidence old);

/* Put new evidence into the cache; a failure does not drive out what may stand in. */
void standin_keep(struct standin *standin, const struct policy *policy,
    const struct subject *subject, unsigned list, uint32_t now, struct evidence evidence);

#endif
