#include "aggregate/stats.h"

void
stats_sum(const struct stats *from, uint64_t sum[STATS_COUNTERS])
{
	for (unsigned i = 0; i < STATS_COUNTERS; i++)
		sum[i] += atomic_load_explicit(&from->count[i], memory_order_relaxed);
}
