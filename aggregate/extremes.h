/*
 * extremes - the least and the most that a reply of a list may add to the score of a zone
 */
#ifndef AGGREGATE_EXTREMES_H
#define AGGREGATE_EXTREMES_H

#include <stdbool.h>

#include "aggregate/policy.h"

/* Fill in low, high, lowest and may_cancel of a list of the zone. False without memory. */
bool extremes_find(const struct policy_zone *zone, struct policy_zone_list *entry);

#endif
