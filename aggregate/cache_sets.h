/*
 * cache_sets - the table of the cache: where a line stands in it, and which goes for a new one
 *
 * Only for cache.c and cache_upkeep.c. sets is a multiple of stride, a power of 2 >= writers; set s
 * belongs to writer (s % stride) % writers. The tag of a line is 0 <=> it was never used. The words
 * of an IPv4 line are the lists 12 * part + 0..11, of an IPv6 line 9 * part + 0..8. Only the writer
 * of a set changes its tags and lines.
 */
#ifndef AGGREGATE_CACHE_SETS_H
#define AGGREGATE_CACHE_SETS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "aggregate/evidence.h"
#include "aggregate/line.h"
#include "aggregate/subject.h"

#define CACHE_WAYS 16
#define CACHE_TAGS 8 /* in a word */

struct cache {
	size_t sets, stride, groups; /* groups = sets / stride */
	unsigned writers;
	uint64_t key[2];
	void *memory;
	size_t mapped, bytes; /* of memory, with room to begin and end with a huge page; in use */
	struct line *line;
	_Atomic uint64_t
	    *tags; /* for each set CACHE_WAYS / CACHE_TAGS words, byte i: the tag of line i */
	_Atomic uint16_t *read; /* for each set, bit i: line i was read since the last look */
	_Atomic uint64_t entries, evictions;
};

/* Where the words of a part stand, and what identifies it. */
struct cache_place {
	size_t set;
	uint8_t tag;
	uint32_t about; /* LINE_ABOUT of its meta */
	enum subject_family family;
	const struct subject *subject;
};

static inline struct cache_place
cache_place_first(const struct cache *cache, const struct subject *subject)
{
	uint64_t hash = subject_hash(subject, 0, cache->key);

	return (struct cache_place){
	    .set = (size_t)((hash >> 16 & 0xffffffffu) * cache->groups >> 32) * cache->stride +
		   (size_t)(hash & (cache->stride - 1)),
	    .tag = (uint8_t)(hash >> 56 | (hash >> 56 == 0)),
	    .about = subject->family == SUBJECT_IPV6,
	    .family = subject->family,
	    .subject = subject};
}

/* The further parts of a subject are in the next sets of its writer, so their tags lie together. */
static inline struct cache_place
cache_place_next(const struct cache *cache, struct cache_place place)
{
	place.set += cache->stride;
	if (place.set >= cache->sets)
		place.set -= cache->sets;
	place.about += 2;
	return place;
}

static inline struct cache_place
cache_place(const struct cache *cache, const struct subject *subject, unsigned part)
{
	struct cache_place place = cache_place_first(cache, subject);

	for (; part > 0; part--)
		place = cache_place_next(cache, place);
	return place;
}

/* The part of its subject that a line is. */
static inline unsigned
cache_part(uint32_t meta)
{
	return (meta & LINE_ABOUT) >> 1;
}

/* Words of the address in a line. */
static inline unsigned
cache_keys(enum subject_family family)
{
	return family == SUBJECT_IPV4 ? 1 : 4;
}

static inline unsigned
cache_lists_in_line(enum subject_family family)
{
	return LINE_WORDS - cache_keys(family);
}

/* The way for a line with this tag, where it has the choice: one may ask for it at once. */
static inline unsigned
cache_home(uint8_t tag)
{
	return tag % CACHE_WAYS;
}

static inline struct line *
cache_line(const struct cache *cache, size_t set, unsigned way)
{
	return &cache->line[set * CACHE_WAYS + way];
}

static inline _Atomic uint64_t *
cache_tags_with(const struct cache *cache, size_t set, unsigned way)
{
	return &cache->tags[set * (CACHE_WAYS / CACHE_TAGS) + way / CACHE_TAGS];
}

static inline uint8_t
cache_tag(const struct cache *cache, size_t set, unsigned way)
{
	uint64_t tags =
	    atomic_load_explicit(cache_tags_with(cache, set, way), memory_order_acquire);

	return (uint8_t)(tags >> way % CACHE_TAGS * 8);
}

static inline void
cache_set_tag(struct cache *cache, size_t set, unsigned way, uint8_t tag)
{
	_Atomic uint64_t *word = cache_tags_with(cache, set, way);
	uint64_t tags = atomic_load_explicit(word, memory_order_relaxed);
	unsigned shift = way % CACHE_TAGS * 8;

	tags = (tags & ~(UINT64_C(0xff) << shift)) | (uint64_t)tag << shift;
	atomic_store_explicit(word, tags, memory_order_release);
}

/*
 * Bit 8 * b + w: the way w * CACHE_TAGS + b has this tag. Behind one that has it, one may be set
 * that has not.
 */
static inline uint64_t
cache_ways_tagged(const struct cache *cache, size_t set, uint8_t tag)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t tagged = 0;

#pragma GCC unroll 2
	for (unsigned word = 0; word < CACHE_WAYS / CACHE_TAGS; word++) {
		uint64_t differ =
		    atomic_load_explicit(
			cache_tags_with(cache, set, word * CACHE_TAGS), memory_order_acquire) ^
		    ones * tag;

		/* the highest bit of a byte: is it 0, or does one below it borrow? */
		tagged |= ((differ - ones) & ~differ & ones << 7) >> (7 - word);
	}
	return tagged;
}

/* The first of these ways. */
static inline unsigned
cache_way_of(uint64_t tagged)
{
	unsigned bit = (unsigned)__builtin_ctzll(tagged);

	return bit % 8 * CACHE_TAGS + bit / 8;
}

static inline bool
cache_holds(const struct content *content, const struct cache_place *place)
{
	const uint8_t *octet = place->subject->octet;

	if ((content->meta & LINE_ABOUT) != place->about)
		return false;
	return place->family == SUBJECT_IPV4 ? memcmp(content->word, octet, 4) == 0
					     : memcmp(content->word, octet, 16) == 0;
}

/* Of these ways the one that holds this part, copied to `content`; -1 when none does. */
static inline int
cache_find_tagged(
    struct cache *cache, const struct cache_place *place, uint64_t tagged, struct content *content)
{
	for (; tagged != 0; tagged &= tagged - 1) {
		unsigned way = cache_way_of(tagged);

		if (line_read(cache_line(cache, place->set, way), content) &&
		    cache_holds(content, place))
			return (int)way;
	}
	return -1;
}

static inline int
cache_find_way(struct cache *cache, const struct cache_place *place, struct content *content)
{
	return cache_find_tagged(
	    cache, place, cache_ways_tagged(cache, place->set, place->tag), content);
}

/*
 * A line for a new part: never used, or expired, or the one of the set that is missed least. It is
 * begun in `content`; returns its way.
 */
unsigned cache_begin(
    struct cache *cache, const struct cache_place *place, uint32_t now, struct content *content);

/* Sum up what a way holds at `now`, and write it; it may be for another subject than before. */
void cache_put_way(struct cache *cache, const struct cache_place *place, unsigned way, uint32_t now,
    struct content *content);

#endif
