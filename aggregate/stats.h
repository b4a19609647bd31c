/*
 * stats - counters and latency histograms
 *
 * Each thread counts in a struct of its own and is the only one to write it; anybody may read it
 * at any time and add several up.
 */
#ifndef AGGREGATE_STATS_H
#define AGGREGATE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

enum stats_counter {
	STATS_UDP, /* packets that came in */
	STATS_TCP,
	STATS_LISTED, /* replies, by what they said */
	STATS_CLEAR,
	STATS_SERVFAIL,
	STATS_REFUSED,
	STATS_FORMERR,
	STATS_NOTIMP,
	STATS_DROPPED,
	STATS_HITS, /* questions answered from evidence in hand */
	STATS_MISSES,
	STATS_ASKED, /* questions to lists */
	STATS_ANSWERED,
	STATS_FAILED,
	STATS_COUNTERS
};

struct stats {
	_Atomic uint64_t count[STATS_COUNTERS];
};

/* Only the owner of the struct. */
static inline void
stats_add(struct stats *stats, enum stats_counter counter)
{
	uint64_t value = atomic_load_explicit(&stats->count[counter], memory_order_relaxed);

	atomic_store_explicit(&stats->count[counter], value + 1, memory_order_relaxed);
}

/* Add what `from` has counted to a sum. */
void stats_sum(const struct stats *from, uint64_t sum[STATS_COUNTERS]);

#endif
