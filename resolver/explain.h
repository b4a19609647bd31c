/*
 * explain - a verdict list by list, as JSON, for `tallyctl check`
 */
#ifndef RESOLVER_EXPLAIN_H
#define RESOLVER_EXPLAIN_H

#include "resolver/control.h"
#include "resolver/daemon.h"

/* A verdict for `check` on its way from a shard. */
struct checked {
	struct control_ticket ticket;
	struct subject subject;
	char zone[NAME_TEXT_MAX + 1];
	struct verdict verdict;
	char exception_zone[NAME_TEXT_MAX + 1]; /* verdict.exception.zone may be gone by then */
	struct evidence evidence[EVIDENCE_LISTS_MAX];
};

/* What was checked, in this zone; the caller frees. NULL without memory. */
char *explain_print(
    const struct daemon *daemon, const struct policy_zone *zone, const struct checked *checked);

#endif
