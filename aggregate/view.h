/*
 * view - what questions are judged by: configuration, exceptions, quarantine, as one
 *
 * A view is built whole and then only read. The threads are handed a new one when any part of it
 * changes; it refers to the configuration and the table, which must outlive it.
 */
#ifndef AGGREGATE_VIEW_H
#define AGGREGATE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/bits.h"
#include "aggregate/evidence.h"
#include "aggregate/exception.h"
#include "aggregate/renown.h"
#include "aggregate/settings.h"
#include "aggregate/verdict.h"

#define VIEW_BITS BITS_WORDS(EVIDENCE_LISTS_MAX)

/* What a view knows of a zone: which exceptions count in it, and which lists are asked. */
struct view_zone {
	struct exception_scopes scopes;
	struct view_asked {
		uint64_t lists[VIEW_BITS]; /* by number, without those of the quarantine */
		unsigned numbers;          /* theirs are below this */
		unsigned count;            /* with those of the quarantine */
	} asked[2];                        /* by family */
};

struct view {
	const struct config *config;
	const struct policy
	    *policy; /* the configuration's, or with earned weights: set by the owner */
	const struct exceptions *exceptions;
	struct view_zone *zone;      /* by zone index */
	const struct renown *renown; /* what local.trust lists; NULL: nothing. Set by the owner */
	uint64_t quarantined[VIEW_BITS]; /* by list number */
	bool any_quarantined;
};

/* NULL without memory. */
struct view *view_open(const struct config *config, const struct exceptions *exceptions,
    const uint64_t quarantined[VIEW_BITS]);
void view_close(struct view *view); /* not what it refers to */

/* Now, on both clocks, in seconds: that of evidence, and the wall's. */
struct view_time {
	uint32_t now, wall;
};

/* View_decides is to come: what it needs of the exceptions begins to come from memory. */
static inline void
view_aim(const struct view *view, const struct view_zone *zone, const struct subject *subject)
{
	if (zone->scopes.count > 0)
		exceptions_aim(view->exceptions, &zone->scopes, subject);
}

/*
 * The first three rules: test points, exceptions, special-use addresses. True when one decides.
 * Else *score tells whether `exception` is a score exception that adds to what the lists say.
 */
bool view_decides(const struct view *view, const struct policy_zone *zone,
    const struct subject *subject, struct view_time time, struct exception *exception, bool *score,
    struct verdict *verdict);

/* What follows, where a zone names local.trust. */
void view_fill_local(const struct view *view, const struct subject *subject, uint32_t now,
    struct evidence *evidence);

/* Put what local.trust says of the subject among the evidence, which is by list number. */
static inline void
view_fill(
    const struct view *view, const struct subject *subject, uint32_t now, struct evidence *evidence)
{
	if (view->config->policy->local != NULL)
		view_fill_local(view, subject, now, evidence);
}

/*
 * The fourth rule: the evidence in hand, quarantined lists left out. `evidence` is by list
 * number, EVIDENCE_LISTS_MAX long.
 */
void view_weigh(const struct view *view, const struct policy_zone *zone,
    const struct subject *subject, const struct exception *score, const struct evidence_book *book,
    const struct evidence *evidence, struct view_time time, struct verdict *verdict);

/* Has every list that is asked about this subject said something, if only failure? */
bool view_has_all(const struct view *view, const struct policy_zone *zone,
    const struct subject *subject, const struct evidence *evidence);

/* Is this list asked for this subject? Not when quarantined, or not of its family. */
bool view_asks(
    const struct view *view, const struct policy_list *list, const struct subject *subject);

#endif
