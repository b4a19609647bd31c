#include "aggregate/quota.h"

static bool
take(_Atomic uint64_t *taken, uint32_t period, uint32_t limit)
{
	uint64_t old = atomic_load_explicit(taken, memory_order_relaxed), new;

	do {
		/* a thread that is late by a period counts in the newer one */
		uint64_t current = old >> 32 < period ? (uint64_t)period << 32 : old;

		if (limit != 0 && (uint32_t)current >= limit)
			return false;
		new = (uint32_t)current == UINT32_MAX ? current : current + 1;
	} while (!atomic_compare_exchange_weak_explicit(
	    taken, &old, new, memory_order_relaxed, memory_order_relaxed));
	return true;
}

bool
quota_take_second(struct quota *quota, uint32_t now, uint32_t limit)
{
	return limit == 0 || take(&quota->second, now, limit);
}

bool
quota_take_day(struct quota *quota, uint32_t wall, uint32_t limit)
{
	return take(&quota->day, wall / QUOTA_DAY_S, limit);
}

uint32_t
quota_today(const struct quota *quota, uint32_t wall)
{
	uint64_t day = atomic_load_explicit(&quota->day, memory_order_relaxed);

	return day >> 32 == wall / QUOTA_DAY_S ? (uint32_t)day : 0;
}
