/*
 * compile - make a policy ready for verdicts: numbers of lists, extremes, index of zones
 */
#ifndef AGGREGATE_COMPILE_H
#define AGGREGATE_COMPILE_H

#include <stdbool.h>

#include "aggregate/evidence.h"
#include "aggregate/policy.h"

/* Once, after all was added; gives every used list its number. False without memory or numbers. */
bool compile_policy(struct policy *policy, struct evidence_book *book);

#endif
