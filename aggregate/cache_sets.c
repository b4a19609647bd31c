#include "aggregate/cache_sets.h"

/* When the last evidence of a line expires; 0 when it holds none. */
static uint32_t
last_expiry(const struct content *content)
{
	uint32_t last = 0;

	for (unsigned i = line_keys(content); i < LINE_WORDS; i++) {
		struct evidence evidence = line_evidence(content, i);

		if (evidence.said != EVIDENCE_NONE && evidence.expires > last)
			last = evidence.expires;
	}
	return last;
}

/*
 * The way to give up, looked for from its home on: never used, expired, else the first to expire of
 * those not read lately.
 */
static unsigned
find_victim(struct cache *cache, const struct cache_place *place, uint32_t now)
{
	size_t set = place->set;
	unsigned home = cache_home(place->tag);
	uint16_t read = atomic_load_explicit(&cache->read[set], memory_order_relaxed);
	uint32_t earliest = UINT32_MAX;
	unsigned victim = 0;

	for (unsigned i = 0; i < CACHE_WAYS; i++) {
		unsigned way = (home + i) % CACHE_WAYS;

		if (cache_tag(cache, set, way) == 0)
			return way;
	}
	if (read == 0xffff)
		read = 0;
	for (unsigned i = 0; i < CACHE_WAYS; i++) {
		unsigned way = (home + i) % CACHE_WAYS;
		struct content content;
		uint32_t last;

		if (!line_read(cache_line(cache, set, way), &content))
			continue;
		last = last_expiry(&content);
		if (last <= now)
			return way;
		if ((read >> way & 1) == 0 && last < earliest) {
			earliest = last;
			victim = way;
		}
	}
	atomic_store_explicit(&cache->read[set], read, memory_order_relaxed);
	atomic_fetch_add_explicit(&cache->evictions, 1, memory_order_relaxed);
	return victim;
}

unsigned
cache_begin(
    struct cache *cache, const struct cache_place *place, uint32_t now, struct content *content)
{
	unsigned way = find_victim(cache, place, now);

	atomic_fetch_and_explicit(
	    &cache->read[place->set], (uint16_t) ~(1u << way), memory_order_relaxed);
	memset(content, 0, sizeof *content);
	content->base = now;
	content->meta = place->about;
	memcpy(content->word, place->subject->octet, line_keys(content) * sizeof content->word[0]);
	if (cache_tag(cache, place->set, way) == 0)
		atomic_fetch_add_explicit(&cache->entries, 1, memory_order_relaxed);
	return way;
}

void
cache_put_way(struct cache *cache, const struct cache_place *place, unsigned way, uint32_t now,
    struct content *content)
{
	line_sum_up(content, now);
	line_write(cache_line(cache, place->set, way), content);
	cache_set_tag(cache, place->set, way, place->tag);
}
