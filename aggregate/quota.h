/*
 * quota - how many questions a list may still be asked: so many a second, so many a day
 *
 * One for each list, zero at first, shared by all threads that ask it; nobody takes a lock. The
 * second is one of the caller's clock that never goes back, the day one of the wall clock (UTC).
 */
#ifndef AGGREGATE_QUOTA_H
#define AGGREGATE_QUOTA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define QUOTA_DAY_S 86400

/* Each is the number of a period << 32 | what was taken in it. */
struct quota {
	_Atomic uint64_t second, day;
};

/* Take one question of this second; false when `limit` are gone. 0: no limit. Any thread. */
bool quota_take_second(struct quota *quota, uint32_t now, uint32_t limit);

/* Take one question of this day; the same. The questions of a day are counted in any case. */
bool quota_take_day(struct quota *quota, uint32_t wall, uint32_t limit);

/* Questions taken on the day of `wall`. Any thread. */
uint32_t quota_today(const struct quota *quota, uint32_t wall);

#endif
