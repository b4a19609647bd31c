#include "aggregate/stats.h"

void
stats_sum(const struct stats *from, uint64_t sum[STATS_COUNTERS])
{
	for (unsigned i = 0; i < STATS_COUNTERS; i++)
		sum[i] += atomic_load_explicit(&from->count[i], memory_order_relaxed);
}

void
stats_list_took(struct stats_list *list, int64_t ms)
{
	unsigned bucket = 0;

	while (bucket < STATS_BUCKETS - 1 && ms >= INT64_C(1) << bucket)
		bucket++;
	stats_raise(&list->took[bucket]);
}

void
stats_list_refused(struct stats_list *list, uint32_t address)
{
	unsigned i = 0;

	while (i < STATS_CODES - 1 && list->refused[i].address != 0 &&
	       list->refused[i].address != address)
		i++;
	list->refused[i].address = address;
	atomic_fetch_add_explicit(&list->refused[i].times, 1, memory_order_relaxed);
}

static void
sum_refused(const struct stats_list *from, struct stats_list_sum *sum)
{
	for (unsigned i = 0; i < STATS_CODES; i++) {
		uint32_t address =
		    atomic_load_explicit(&from->refused[i].address, memory_order_relaxed);
		unsigned j = 0;

		if (address == 0)
			break;
		while (j < STATS_CODES - 1 && sum->refused[j].address != 0 &&
		       sum->refused[j].address != address)
			j++;
		sum->refused[j].address = address;
		sum->refused[j].times +=
		    atomic_load_explicit(&from->refused[i].times, memory_order_relaxed);
	}
}

static uint64_t
get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void
stats_list_sum(const struct stats_list *from, struct stats_list_sum *sum)
{
	uint32_t failures = atomic_load_explicit(&from->failures, memory_order_relaxed);

	sum->asked += get(&from->asked);
	sum->listed += get(&from->listed);
	sum->clear += get(&from->clear);
	sum->unknown += get(&from->unknown);
	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		sum->took[i] += get(&from->took[i]);
	sum_refused(from, sum);
	if (failures >= sum->failures) {
		sum->failures = failures;
		sum->last_said = atomic_load_explicit(&from->last_said, memory_order_relaxed);
		sum->last_code = atomic_load_explicit(&from->last_code, memory_order_relaxed);
	}
}

double
stats_list_quantile(const struct stats_list_sum *sum, unsigned percent)
{
	uint64_t total = 0, below = 0;

	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		total += sum->took[i];
	for (unsigned i = 0; i < STATS_BUCKETS; i++) {
		double low = i == 0 ? 0 : (double)(UINT64_C(1) << (i - 1));
		double width = i == 0 ? 1 : low;

		if (sum->took[i] > 0 && (below + sum->took[i]) * 100 >= total * percent)
			return low + width * ((double)total * percent / 100 - (double)below) /
					 (double)sum->took[i];
		below += sum->took[i];
	}
	return 0;
}
