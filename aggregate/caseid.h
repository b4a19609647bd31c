/*
 * caseid - the short name of a verdict and what it was made from
 *
 * The same subject, zone, exception and replies of lists have the same id, whenever and by
 * whichever thread the verdict is given; so an answer can bear it before anything was written.
 */
#ifndef AGGREGATE_CASEID_H
#define AGGREGATE_CASEID_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/evidence.h"
#include "aggregate/exception.h"
#include "aggregate/policy.h"
#include "aggregate/subject.h"
#include "aggregate/text.h"

#define CASEID_LENGTH 8 /* characters of 5 bits */

/* `exception` and `evidence` may be NULL: they had no part in it. */
uint64_t caseid_of(const struct policy_zone *zone, const struct subject *subject,
    const struct exception *exception, const struct evidence_book *book,
    const struct evidence *evidence);

void caseid_print(uint64_t id, struct text *text);
bool caseid_parse(const char *string, uint64_t *id); /* upper case will do */

#endif
