/*
 * cache - bounded store of evidence by subject
 *
 * A fixed table of 64-byte lines, each on a cache line of its own: one line holds what up to 12
 * lists (IPv6: 9) said of one subject, by list number; further lists of the subject have further
 * lines ("parts"), found by the same hash with the part mixed in. Sixteen lines make a set; a
 * tag of a byte for each line is kept apart, so that a look-up reads one line of tags and one line
 * of evidence.
 *
 * Readers take no lock and never wait: a line carries a sequence number that is odd while it is
 * written. One writer for each set: writer w owns the sets whose index is w modulo `writers`
 * (cache_writer). A full set loses its least useful line: an expired one, else the one that
 * would expire first among those not read since the last look.
 *
 * Times are seconds on a clock that never goes back, given by the caller.
 */
#ifndef AGGREGATE_CACHE_H
#define AGGREGATE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/bits.h"
#include "aggregate/evidence.h"
#include "aggregate/subject.h"

#define CACHE_BITS BITS_WORDS(EVIDENCE_LISTS_MAX)

#define CACHE_ENTRY_LISTS 12

struct cache;

struct cache_counts {
	uint64_t capacity;  /* lines */
	uint64_t entries;   /* lines in use, expired ones included */
	uint64_t evictions; /* lines that were in use and not expired */
	uint64_t bytes;     /* of the whole table, tags included */
};

/* `key` is random, so that nobody can aim at one set. NULL without memory. */
struct cache *cache_open(size_t mib, unsigned writers, const uint64_t key[2]);
void cache_close(struct cache *cache);

const uint64_t *cache_key(const struct cache *cache); /* 2 numbers */
unsigned cache_writers(const struct cache *cache);

/* The keyed hash of a subject. Any thread. */
uint64_t cache_hash(const struct cache *cache, const struct subject *subject);

/* Which writer owns this subject: 0..writers-1. Any thread. */
unsigned cache_writer(const struct cache *cache, const struct subject *subject);

/*
 * Fill out[0..lists-1], by list number, with what is known and not expired at `now`;
 * EVIDENCE_NONE elsewhere. Any thread.
 */
void cache_find(struct cache *cache, const struct subject *subject, unsigned lists, uint32_t now,
    struct evidence *out);

/*
 * The same with the answers, clear or not, that expired by `now`, no more than `max_stale` seconds
 * ago: what may stand in for a list that fails.
 */
void cache_find_old(struct cache *cache, const struct subject *subject, unsigned lists,
    uint32_t now, uint32_t max_stale, struct evidence *out);

/*
 * Where what is known of a subject begins. First cache_aim, then cache_approach, then
 * cache_find_at, each with other work in between, such as the same for other subjects: meanwhile
 * what the next step needs comes from memory.
 */
struct cache_spot {
	size_t set;
	uint8_t tag;
	uint64_t tagged;
};

struct cache_spot cache_aim(
    const struct cache *cache, const struct subject *subject, unsigned lists);
void cache_approach(const struct cache *cache, const struct subject *subject, unsigned lists,
    struct cache_spot *spot);

/* cache_find at this spot. What has come to be known since then may be missed. */
void cache_find_at(struct cache *cache, const struct subject *subject,
    const struct cache_spot *spot, unsigned lists, uint32_t now, struct evidence *out);

/*
 * At this spot, do these lists (bits, by number, all below `numbers`) say "not listed", and expire
 * at `until` or later? False also where that takes a closer look: the cache knows it from a sum
 * that is right to half a minute. Any thread.
 */
bool cache_is_clear_at(struct cache *cache, const struct subject *subject,
    const struct cache_spot *spot, const uint64_t lists[CACHE_BITS], unsigned numbers,
    uint32_t until);

/* Keep one piece of evidence. Only the writer that owns the subject. */
void cache_put(struct cache *cache, const struct subject *subject, unsigned list, uint32_t now,
    struct evidence evidence);

/*
 * The same for evidence that a list failed: unless there is an answer of it that has not expired,
 * or not for longer than `max_stale` seconds. False when that stays.
 */
bool cache_put_failure(struct cache *cache, const struct subject *subject, unsigned list,
    uint32_t now, struct evidence evidence, uint32_t max_stale);

/* Forget what is known of a subject. Only the writer that owns it. */
void cache_drop(struct cache *cache, const struct subject *subject);

/*
 * Forget what is known of the subjects in the next `sets` sets of this writer; *at, 0 at first,
 * goes on. True when it was the last. Only that writer.
 */
bool cache_clear(struct cache *cache, unsigned writer, size_t *at, size_t sets);

/*
 * The same for what the lists in `lists` (bits, by number) said of the subjects in the next `sets`
 * sets of this writer; *at, 0 at first, goes on. True when it was the last. Only that writer.
 */
bool cache_forget(struct cache *cache, unsigned writer, const uint64_t lists[CACHE_BITS],
    size_t *at, size_t sets);

/* What a line holds, to be kept elsewhere and put back. */
struct cache_entry {
	struct subject subject;
	unsigned count; /* 1..CACHE_ENTRY_LISTS */
	struct cache_heard {
		unsigned list;
		struct evidence evidence;
	} heard[CACHE_ENTRY_LISTS];
};

/* The next line of this writer that holds anything; *at, 0 at first, goes on. Any thread. */
bool cache_walk(struct cache *cache, unsigned writer, size_t *at, struct cache_entry *entry);

/*
 * Put an entry of answers back, of which the lists may have other numbers by now. Answers that
 * have come since then stay. Only the writer that owns the subject.
 */
void cache_restore(struct cache *cache, const struct cache_entry *entry, uint32_t now);

void cache_count(const struct cache *cache, struct cache_counts *counts);

#endif
