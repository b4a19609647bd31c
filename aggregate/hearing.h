/*
 * hearing - what a policy makes of what lists once said
 *
 * Testimony is turned back into evidence, on which verdicts are given anew: under the policy in
 * force, or another one, or without one of the lists.
 */
#ifndef AGGREGATE_HEARING_H
#define AGGREGATE_HEARING_H

#include <stdbool.h>

#include "aggregate/evidence.h"
#include "aggregate/policy.h"
#include "aggregate/subject.h"
#include "aggregate/verdict.h"
#include "aggregate/worth.h"

/* The evidence of a testimony, by list number; lists that are not in it are unknown. */
void hearing_evidence(const struct policy *policy, struct evidence_book *book, const char *said,
    struct evidence evidence[EVIDENCE_LISTS_MAX]);

/* The closed verdict on it in a zone, without exceptions. */
void hearing_verdict(const struct policy_zone *zone, const struct subject *subject,
    const struct evidence_book *book, const struct evidence *evidence, struct verdict *verdict);

/* Does the list, entry i of the zone, list the subject with a weight that is not 0? */
bool hearing_hit(const struct policy_zone *zone, size_t i, const struct evidence_book *book,
    const struct evidence *evidence);

/*
 * What the lists of a zone are worth, case by case. A list is heard on a subject again only when
 * it says something else of it than last time.
 */
struct hearing;

struct hearing *hearing_open(const struct policy_zone *zone, struct evidence_book *book);
void hearing_close(struct hearing *hearing);

/* One case, in the order of time. False without memory. */
bool hearing_add(struct hearing *hearing, const struct subject *subject, bool spam,
    const struct evidence *evidence);

/* Of the zone's entry i; *overlap is how many of its spam hits another list has too. */
const struct worth *hearing_worth(const struct hearing *hearing, size_t i, uint32_t *overlap);

#endif
