/*
 * worth - what a list is worth, counted on the subjects that were recommended
 *
 * A subject that is known to be spam or ham by its recommendations, and of which it is known what
 * the list said, is one case. A hit is a case that the list lists. Of a block list the spam hits
 * are the true ones, of an allow list the ham hits. The last cases count most, so that a list
 * that goes bad is seen before its good past has been outweighed.
 *
 * The weight that a list earns lies in a band around the operator's. It moves only for what is
 * sure: with 19 of 20 chances the share of true hits is below WORTH_BAD, or above WORTH_GOOD.
 */
#ifndef AGGREGATE_WORTH_H
#define AGGREGATE_WORTH_H

#include <stdbool.h>
#include <stdint.h>

#define WORTH_LEAST 30     /* hits before a weight moves */
#define WORTH_RECENT 60    /* cases with which an older one has lost half: for going down */
#define WORTH_BAD 0.95     /* share of true hits below which a list loses weight */
#define WORTH_GOOD 0.99    /* and above which it gains */
#define WORTH_BAND_MAX 100 /* percent */

struct worth {
	/* cases, all in all */
	uint32_t spam_hits, ham_hits, spam_clear, ham_clear;
	/* hits of late: each new one takes its share from those before */
	double spam_recent, ham_recent;
	uint32_t unique;  /* spam hits that no other list has */
	uint32_t pivotal; /* spam hits that the zone would not list without this list */
};

/* One more case, in the order of time. */
void worth_count(struct worth *worth, bool spam, bool hit);

/*
 * The share of true hits of a block list (of an allow list: `allow`): expected, and the bounds of
 * the middle 95 %.
 */
struct worth_share {
	double low, mean, high;
};

struct worth_share worth_precision(const struct worth *worth, bool allow);
struct worth_share worth_recall(const struct worth *worth, bool allow);

/*
 * The weight that a list of this weight has earned, within `band` percent of it; `allow`: it is
 * right when it lists ham. The same weight with fewer than WORTH_LEAST hits, or a band of 0; the
 * sign never changes, and a list that does not reach the zone's threshold by itself does not by
 * what it gains.
 */
int32_t worth_weight(
    const struct worth *worth, bool allow, int32_t weight, unsigned band, int32_t threshold);

#endif
