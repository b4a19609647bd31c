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
	STATS_STALE,    /* replies that rest on expired evidence of a list that fails */
	STATS_EXCEPTED, /* decided or changed by an exception */
	STATS_WANTED,   /* lists that the zones of all questions named */
	STATS_ASKED,    /* questions to lists */
	STATS_ANSWERED,
	STATS_FAILED,
	STATS_OTHER_ASKED, /* questions for names outside the zones */
	STATS_OTHER_HITS,  /* of them, those that libunbound's cache could answer */
	STATS_OTHER_ANSWERED,
	STATS_OTHER_SECURE, /* of them, those that DNSSEC proves */
	STATS_OTHER_BOGUS,
	STATS_OTHER_FAILED,
	STATS_COUNTERS
};

struct stats {
	_Atomic uint64_t count[STATS_COUNTERS];
};

#define STATS_CODES 6    /* different error codes counted for a list */
#define STATS_BUCKETS 18 /* bucket i: under 2^i ms; the last: all above */

/* What one thread saw of one list. */
struct stats_list {
	_Atomic uint64_t asked, listed, clear, unknown;
	_Atomic uint64_t took[STATS_BUCKETS];
	struct {
		_Atomic uint32_t address; /* 0: free */
		_Atomic uint32_t times;
	} refused[STATS_CODES];     /* the error codes that came; the last: all further ones */
	_Atomic uint32_t failures;  /* in a row, up to now */
	_Atomic uint32_t last_said; /* evidence_said of the last failure */
	_Atomic uint32_t last_code; /* its error code, or 0 */
};

/* Several of them added up. */
struct stats_list_sum {
	uint64_t asked, listed, clear, unknown;
	uint64_t took[STATS_BUCKETS];
	struct stats_refused {
		uint32_t address, times;
	} refused[STATS_CODES];
	uint32_t failures, last_said, last_code; /* the worst of all */
};

/* Only the owner of the struct. */
static inline void
stats_add(struct stats *stats, enum stats_counter counter)
{
	uint64_t value = atomic_load_explicit(&stats->count[counter], memory_order_relaxed);

	atomic_store_explicit(&stats->count[counter], value + 1, memory_order_relaxed);
}

static inline void
stats_add_many(struct stats *stats, enum stats_counter counter, uint64_t many)
{
	uint64_t value = atomic_load_explicit(&stats->count[counter], memory_order_relaxed);

	atomic_store_explicit(&stats->count[counter], value + many, memory_order_relaxed);
}

static inline void
stats_raise(_Atomic uint64_t *counter)
{
	atomic_store_explicit(
	    counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* Only the owner: an answer took so long. */
void stats_list_took(struct stats_list *list, int64_t ms);
void stats_list_refused(struct stats_list *list, uint32_t address); /* only the owner */
void stats_list_sum(const struct stats_list *from, struct stats_list_sum *sum);

/* The time in ms that `percent` of the answers stayed under; 0 without answers. */
double stats_list_quantile(const struct stats_list_sum *sum, unsigned percent);

/* Add what `from` has counted to a sum. */
void stats_sum(const struct stats *from, uint64_t sum[STATS_COUNTERS]);

#endif
