/*
 * share - what each list of a zone adds to the score, where lists void one another's weights
 *
 * A reply that matches a neutral site ("*0!") cancels: no positive weight of any site of the zone
 * counts, of the list that cancels as little as of the others; negative ones do. What is then left
 * of a list's weight, positive or negative, counts once for a list and all that are "part-of" it:
 * the one that adds most and the one that takes most away count, the others do not.
 *
 * The ends of the interval stay exact, because the unknown lists answer independently of each
 * other and a reply may hold several addresses: a reply can match a neutral site and every
 * negative one that can match at all. So where a list that is unknown may cancel, the least score
 * is that of all negative weights; the most is always reached without cancelling. Of lists that
 * count once, one alone reaches either end while the others are clear.
 */
#ifndef AGGREGATE_SHARE_H
#define AGGREGATE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/evidence.h"
#include "aggregate/policy.h"
#include "aggregate/subject.h"

enum share_fate {
	SHARE_WHOLE,     /* the list adds its weight */
	SHARE_CANCELLED, /* its positive weights do not count: zone->list[by] cancels them */
	SHARE_ONCE,      /* it counts once with zone->list[by], which weighs as much or more */
};

/* What a list adds to: the score with every unknown list counted as 0, and the interval's ends. */
enum share_end { SHARE_SCORE, SHARE_LOW, SHARE_HIGH, SHARE_ENDS };

struct share {
	bool asked;       /* false: of another family, or absent; the rest is 0 */
	bool known;       /* false: the weight is 0, and the interval stretched */
	bool cancels;     /* a neutral site matched */
	uint32_t matched; /* bit i: site i of the list matches */
	int32_t weight;   /* of the sites that match */
	int32_t adds[SHARE_ENDS];
	enum share_fate fate;
	size_t by;
};

/* share[i] is what zone->list[i] adds; `evidence` is by list number. */
void share_out(const struct policy_zone *zone, const struct subject *subject,
    const struct evidence_book *book, const struct evidence *evidence,
    struct share share[EVIDENCE_LISTS_MAX]);

#endif
