/*
 * earned - weights that the lists of a zone have earned, beside those that its operator chose
 *
 * Where a zone says `adapt = true`, the recommendations decide how far each site's weight lies
 * from the operator's, within `adapt-band`. Nothing is changed in a policy that threads read:
 * earned_policy makes another one, with zones of its own in the place of those that adapt.
 */
#ifndef AGGREGATE_EARNED_H
#define AGGREGATE_EARNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/ledger.h"
#include "aggregate/policy.h"
#include "aggregate/trust.h"

#define EARNED_HEARINGS_MAX 8 /* different sets of sites that are heard; other zones stay */

/* A site whose weight has moved. */
struct earned_weight {
	uint32_t zone, site; /* policy->zone[zone]->site[site] */
	int32_t weight;      /* within 30 bits, as any */
};

struct earned {
	struct earned_weight *weight;
	size_t weights, room;
};

/* Does the zone adapt, does any? Without one there is nothing to find. */
bool earned_adapts(const struct policy_zone *zone);
bool earned_any(const struct policy *policy);

/*
 * Add what has moved, by all recommendations and the trust that they amount to. Takes no lock of
 * the policy's book: a child of a process with threads may call it. False without memory, or when
 * the ledger can't be read: see ledger_error.
 */
bool earned_find(const struct policy *policy, struct ledger *ledger, const struct trust *trust,
    struct earned *earned);

bool earned_add(struct earned *earned, const struct earned_weight *weight); /* false: no memory */
void earned_free(struct earned *earned);

/*
 * The same policy with these weights. All but the zones that adapt it has in common with `policy`,
 * which must outlive it. NULL without memory.
 */
struct policy *earned_policy(const struct policy *policy, const struct earned *earned);
void earned_close(struct policy *earned, const struct policy *policy); /* takes NULL */

#endif
