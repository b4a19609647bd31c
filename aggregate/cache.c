#include "aggregate/cache.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "aggregate/cache_sets.h"
#include "aggregate/fetch.h"

#define HUGE_PAGE ((size_t)2 << 20)

/* Bytes to the next one. */
static size_t
to_huge_page(const void *memory)
{
	return (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
}

struct cache *
cache_open(size_t mib, unsigned writers, const uint64_t key[2])
{
	size_t set_bytes = CACHE_WAYS * (sizeof(struct line) + sizeof(uint8_t)) + sizeof(uint16_t);
	struct cache *cache = calloc(1, sizeof *cache);

	assert(mib > 0 && writers > 0);
	if (cache == NULL)
		return NULL;
	cache->stride = 1;
	while (cache->stride < writers)
		cache->stride *= 2;
	cache->sets = (mib << 20) / set_bytes / cache->stride * cache->stride;
	cache->groups = cache->sets / cache->stride;
	cache->writers = writers;
	cache->bytes = cache->sets * set_bytes;
	cache->mapped = (cache->bytes / HUGE_PAGE + 2) * HUGE_PAGE;
	cache->memory =
	    mmap(NULL, cache->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (cache->memory == MAP_FAILED) {
		free(cache);
		return NULL;
	}
	/* subjects lie all over it: with pages of 4 KiB each look-up would miss the TLB */
	(void)madvise(cache->memory, cache->mapped, MADV_HUGEPAGE);
	memcpy(cache->key, key, sizeof cache->key);
	cache->line = (struct line *)(void *)((char *)cache->memory + to_huge_page(cache->memory));
	cache->tags = (_Atomic uint64_t *)(cache->line + cache->sets * CACHE_WAYS);
	cache->read = (_Atomic uint16_t *)(cache->tags + cache->sets * (CACHE_WAYS / CACHE_TAGS));
	return cache;
}

void
cache_close(struct cache *cache)
{
	if (cache == NULL)
		return;
	munmap(cache->memory, cache->mapped);
	free(cache);
}

const uint64_t *
cache_key(const struct cache *cache)
{
	return cache->key;
}

unsigned
cache_writers(const struct cache *cache)
{
	return cache->writers;
}

uint64_t
cache_hash(const struct cache *cache, const struct subject *subject)
{
	return subject_hash(subject, 0, cache->key);
}

unsigned
cache_writer(const struct cache *cache, const struct subject *subject)
{
	return (unsigned)(cache_hash(cache, subject) & (cache->stride - 1)) % cache->writers;
}

static void
mark_read(struct cache *cache, size_t set, int way)
{
	unsigned read = atomic_load_explicit(&cache->read[set], memory_order_relaxed);

	if ((read >> way & 1) == 0)
		atomic_fetch_or_explicit(
		    &cache->read[set], (uint16_t)(1u << way), memory_order_relaxed);
}

/* What a look-up is for: what these lists said that expires after this. */
struct wanted {
	unsigned lists;
	uint32_t after;
};

/* What a part is known to say, or that nothing is known, where the lists of the part stand. */
static inline void
take_part(struct cache *cache, const struct cache_place *place, uint64_t tagged,
    struct wanted wanted, struct evidence *out)
{
	unsigned each = cache_lists_in_line(place->family), at = cache_part(place->about) * each;
	unsigned lists = wanted.lists - at < each ? wanted.lists - at : each;
	struct content content;
	int way = cache_find_tagged(cache, place, tagged, &content);

	if (way < 0) {
		memset(out + at, 0, lists * sizeof *out);
		return;
	}
	mark_read(cache, place->set, way);
	line_unpack(&content, cache_keys(place->family), lists, wanted.after, out + at);
}

/* The first line of a subject, at its spot. */
static inline struct cache_place
place_at(const struct subject *subject, enum subject_family family, const struct cache_spot *spot)
{
	return (struct cache_place){.set = spot->set,
	    .tag = spot->tag,
	    .about = family == SUBJECT_IPV6,
	    .family = family,
	    .subject = subject};
}

/* What is in the further lines of a subject. */
__attribute__((noinline)) static void
take_further(
    struct cache *cache, struct cache_place place, struct wanted wanted, struct evidence *out)
{
	unsigned each = cache_lists_in_line(place.family);

	for (unsigned first = each; first < wanted.lists; first += each) {
		place = cache_place_next(cache, place);
		take_part(
		    cache, &place, cache_ways_tagged(cache, place.set, place.tag), wanted, out);
	}
}

/* How many lines beyond the first these lists take, of which there is one at least. */
static inline unsigned
further_lines(const struct subject *subject, unsigned lists)
{
	return (lists - 1) / cache_lists_in_line(subject->family);
}

/* Ask for the memory of the tags of a set, which of its lines were read, and the likely line. */
static inline void
aim_at(const struct cache *cache, size_t set, uint8_t tag)
{
	fetch_memory(cache_line(cache, set, cache_home(tag)));
	fetch_memory(cache_tags_with(cache, set, 0));
	fetch_memory(&cache->read[set]);
}

/* Ask for the line of a set that has this tag, where it is not at home. */
static inline uint64_t
approach_at(const struct cache *cache, size_t set, uint8_t tag)
{
	uint64_t tagged = cache_ways_tagged(cache, set, tag);
	unsigned way = cache_way_of(tagged | UINT64_C(1) << 63) % CACHE_WAYS;

	fetch_memory(cache_line(cache, set, way));
	return tagged;
}

__attribute__((noinline)) static void
aim_further(const struct cache *cache, struct cache_place place, unsigned lines)
{
	for (; lines > 0; lines--) {
		place = cache_place_next(cache, place);
		aim_at(cache, place.set, place.tag);
	}
}

__attribute__((noinline)) static void
approach_further(const struct cache *cache, struct cache_place place, unsigned lines)
{
	for (; lines > 0; lines--) {
		place = cache_place_next(cache, place);
		(void)approach_at(cache, place.set, place.tag);
	}
}

struct cache_spot
cache_aim(const struct cache *cache, const struct subject *subject, unsigned lists)
{
	struct cache_place place = cache_place_first(cache, subject);

	aim_at(cache, place.set, place.tag);
	if (lists > cache_lists_in_line(subject->family))
		aim_further(cache, place, further_lines(subject, lists));
	return (struct cache_spot){.set = place.set, .tag = place.tag};
}

void
cache_approach(const struct cache *cache, const struct subject *subject, unsigned lists,
    struct cache_spot *spot)
{
	spot->tagged = approach_at(cache, spot->set, spot->tag);
	if (lists > cache_lists_in_line(subject->family))
		approach_further(
		    cache, place_at(subject, subject->family, spot), further_lines(subject, lists));
}

/* The family is known where this is compiled for one. */
static inline void
find_at(struct cache *cache, const struct subject *subject, enum subject_family family,
    const struct cache_spot *spot, struct wanted wanted, struct evidence *out)
{
	struct cache_place place = place_at(subject, family, spot);

	take_part(cache, &place, spot->tagged, wanted, out);
	if (wanted.lists > cache_lists_in_line(family))
		take_further(cache, place, wanted, out);
}

/* On the path of every answer: what it calls becomes one with it. */
__attribute__((flatten)) void
cache_find_at(struct cache *cache, const struct subject *subject, const struct cache_spot *spot,
    unsigned lists, uint32_t now, struct evidence *out)
{
	struct wanted wanted = {.lists = lists, .after = now};

	if (subject->family == SUBJECT_IPV4)
		find_at(cache, subject, SUBJECT_IPV4, spot, wanted, out);
	else
		find_at(cache, subject, SUBJECT_IPV6, spot, wanted, out);
}

/* Of these lists those whose part begins with the list `first`, the first as bit 0. */
static inline uint32_t
lists_of_part(const uint64_t lists[CACHE_BITS], unsigned first, unsigned each)
{
	unsigned word = first / 64, shift = first % 64;
	uint64_t bits = lists[word] >> shift;

	if (shift + each > 64 && word + 1 < CACHE_BITS)
		bits |= lists[word + 1] << (64 - shift);
	return (uint32_t)(bits & ((UINT64_C(1) << each) - 1));
}

/* Of the lines with this tag, the first. */
static inline bool
is_part_clear(struct cache *cache, const struct cache_place *place, uint64_t tagged, uint32_t lists,
    uint32_t until)
{
	unsigned way;

	if (tagged == 0)
		return false;
	way = cache_way_of(tagged);
	if (!line_is_clear(cache_line(cache, place->set, way), place->family, place->about,
		place->subject->octet, lists, until))
		return false;
	mark_read(cache, place->set, (int)way);
	return true;
}

__attribute__((noinline)) static bool
are_further_clear(struct cache *cache, const struct subject *subject, const struct cache_spot *spot,
    const uint64_t lists[CACHE_BITS], unsigned numbers, uint32_t until)
{
	struct cache_place place = place_at(subject, subject->family, spot);
	unsigned each = cache_lists_in_line(place.family);

	for (unsigned first = each; first < numbers; first += each) {
		uint32_t asked = lists_of_part(lists, first, each);

		place = cache_place_next(cache, place);
		if (asked != 0 && !is_part_clear(cache, &place,
				      cache_ways_tagged(cache, place.set, place.tag), asked, until))
			return false;
	}
	return true;
}

static inline bool
is_clear_at(struct cache *cache, const struct subject *subject, enum subject_family family,
    const struct cache_spot *spot, const uint64_t lists[CACHE_BITS], unsigned numbers,
    uint32_t until)
{
	struct cache_place place = place_at(subject, family, spot);
	unsigned each = cache_lists_in_line(family);
	uint32_t first = lists_of_part(lists, 0, each);

	return (first == 0 || is_part_clear(cache, &place, spot->tagged, first, until)) &&
	       (numbers <= each || are_further_clear(cache, subject, spot, lists, numbers, until));
}

__attribute__((flatten)) bool
cache_is_clear_at(struct cache *cache, const struct subject *subject, const struct cache_spot *spot,
    const uint64_t lists[CACHE_BITS], unsigned numbers, uint32_t until)
{
	if (subject->family == SUBJECT_IPV4)
		return is_clear_at(cache, subject, SUBJECT_IPV4, spot, lists, numbers, until);
	return is_clear_at(cache, subject, SUBJECT_IPV6, spot, lists, numbers, until);
}

void
cache_find(struct cache *cache, const struct subject *subject, unsigned lists, uint32_t now,
    struct evidence *out)
{
	struct cache_spot spot = cache_aim(cache, subject, lists);

	cache_approach(cache, subject, lists, &spot);
	cache_find_at(cache, subject, &spot, lists, now, out);
}

void
cache_find_old(struct cache *cache, const struct subject *subject, unsigned lists, uint32_t now,
    uint32_t max_stale, struct evidence *out)
{
	cache_find(cache, subject, lists, now > max_stale ? now - max_stale : 0, out);
	for (unsigned i = 0; i < lists; i++)
		if (!evidence_is_answer(out[i].said) || out[i].expires > now)
			out[i].said = EVIDENCE_NONE;
}

/* Count from `now` on, dropping what has expired. */
static void
rebase(struct content *content, uint32_t now)
{
	for (unsigned i = line_keys(content); i < LINE_WORDS; i++) {
		struct evidence evidence = line_evidence(content, i);

		content->word[i] = evidence.expires > now ? line_word(evidence, now) : 0;
	}
	content->base = now;
}

void
cache_put(struct cache *cache, const struct subject *subject, unsigned list, uint32_t now,
    struct evidence evidence)
{
	unsigned each = cache_lists_in_line(subject->family);
	struct cache_place place;
	struct content content;
	int found;
	unsigned way;

	assert(evidence.expires >= now && evidence.expires - now <= LINE_SPAN);
	place = cache_place(cache, subject, list / each);
	found = cache_find_way(cache, &place, &content);
	way = found >= 0 ? (unsigned)found : cache_begin(cache, &place, now, &content);
	if (evidence.expires - content.base > LINE_SPAN)
		rebase(&content, now);
	content.word[line_keys(&content) + list % each] = line_word(evidence, content.base);
	cache_put_way(cache, &place, way, now, &content);
}

bool
cache_put_failure(struct cache *cache, const struct subject *subject, unsigned list, uint32_t now,
    struct evidence evidence, uint32_t max_stale)
{
	unsigned each = cache_lists_in_line(subject->family);
	struct cache_place place;
	struct content content;

	place = cache_place(cache, subject, list / each);
	if (cache_find_way(cache, &place, &content) >= 0) {
		struct evidence old = line_evidence(&content, line_keys(&content) + list % each);

		if (evidence_is_answer(old.said) &&
		    (old.expires > now || now - old.expires < max_stale))
			return false;
	}
	cache_put(cache, subject, list, now, evidence);
	return true;
}
