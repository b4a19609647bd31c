/*
 * Invariants: sets is a multiple of stride, a power of 2 >= writers; set s belongs to writer
 * (s % stride) % writers. tag[i] == 0 <=> line i was never used. In a line of IPv4, word[0] is
 * the address and word[1..12] the lists 12 * part + 0..11; of IPv6, word[0..3] the address and
 * word[4..12] the lists 9 * part + 0..8. The word of a list is said << 20 | (expires - base),
 * and base <= expires where said != EVIDENCE_NONE.
 */
#include "aggregate/cache.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define WAYS 8
#define WORDS 13
#define SAID_SHIFT 20
#define SPAN 0xfffffu /* seconds that an expiry may lie after its line's base: 12 days */
#define SPINS 1000    /* a writer is done within a few; then the line counts as a miss */

struct line {
	_Atomic uint32_t sequence; /* odd while it is written */
	_Atomic uint32_t base;     /* when the line was begun */
	_Atomic uint32_t meta;     /* part << 1 | is IPv6 */
	_Atomic uint32_t word[WORDS];
};

_Static_assert(sizeof(struct line) == 64, "a line of evidence is a cache line");

/* A line copied out, or to be written. */
struct content {
	uint32_t base, meta;
	uint32_t word[WORDS];
};

struct cache {
	size_t sets, stride, groups; /* groups = sets / stride */
	unsigned writers;
	uint64_t key[2];
	void *memory;
	size_t bytes;
	struct line *line;
	_Atomic uint16_t *tag;
	_Atomic uint8_t *read; /* for each set, bit i: line i was read since the last look */
	_Atomic uint64_t entries, evictions;
};

/* Where the words of a part stand, and what identifies it. */
struct place {
	size_t set;
	uint16_t tag;
	uint32_t meta;
	uint32_t key[4];
	unsigned keys; /* words of the address: 1 or 4 */
};

struct cache *
cache_open(size_t mib, unsigned writers, const uint64_t key[2])
{
	size_t set_bytes = WAYS * (sizeof(struct line) + sizeof(uint16_t)) + 1;
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
	cache->memory =
	    mmap(NULL, cache->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (cache->memory == MAP_FAILED) {
		free(cache);
		return NULL;
	}
	memcpy(cache->key, key, sizeof cache->key);
	cache->line = cache->memory;
	cache->tag = (_Atomic uint16_t *)(cache->line + cache->sets * WAYS);
	cache->read = (_Atomic uint8_t *)(cache->tag + cache->sets * WAYS);
	return cache;
}

void
cache_close(struct cache *cache)
{
	if (cache == NULL)
		return;
	munmap(cache->memory, cache->bytes);
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

static inline void
find_place(
    const struct cache *cache, const struct subject *subject, unsigned part, struct place *place)
{
	uint64_t first = subject_hash(subject, 0, cache->key);
	uint64_t hash = part == 0 ? first : subject_hash(subject, part, cache->key);

	place->set = (size_t)((hash >> 16 & 0xffffffffu) * cache->groups >> 32) * cache->stride +
		     (size_t)(first & (cache->stride - 1));
	place->tag = (uint16_t)(hash >> 48);
	if (place->tag == 0)
		place->tag = 1;
	place->keys = subject->family == SUBJECT_IPV4 ? 1 : 4;
	place->meta = part << 1 | (subject->family == SUBJECT_IPV6);
	memcpy(place->key, subject->octet, sizeof place->key);
}

static unsigned
lists_in_line(const struct subject *subject)
{
	return subject->family == SUBJECT_IPV4 ? WORDS - 1 : WORDS - 4;
}

/* A consistent copy of a line; false when it is being written all the time. */
static inline bool
line_read(struct line *line, struct content *content)
{
	for (unsigned spin = 0; spin < SPINS; spin++) {
		uint32_t before = atomic_load_explicit(&line->sequence, memory_order_acquire);

		if (before & 1)
			continue;
		content->base = atomic_load_explicit(&line->base, memory_order_relaxed);
		content->meta = atomic_load_explicit(&line->meta, memory_order_relaxed);
#pragma GCC unroll 13
		for (unsigned i = 0; i < WORDS; i++)
			content->word[i] =
			    atomic_load_explicit(&line->word[i], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&line->sequence, memory_order_relaxed) == before)
			return true;
	}
	return false;
}

static void
line_write(struct line *line, const struct content *content)
{
	uint32_t sequence = atomic_load_explicit(&line->sequence, memory_order_relaxed);

	atomic_store_explicit(&line->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&line->base, content->base, memory_order_relaxed);
	atomic_store_explicit(&line->meta, content->meta, memory_order_relaxed);
	for (unsigned i = 0; i < WORDS; i++)
		atomic_store_explicit(&line->word[i], content->word[i], memory_order_relaxed);
	atomic_store_explicit(&line->sequence, sequence + 2, memory_order_release);
}

static bool
holds(const struct content *content, const struct place *place)
{
	uint32_t other = content->word[0] ^ place->key[0];

	for (unsigned i = 1; i < place->keys; i++)
		other |= content->word[i] ^ place->key[i];
	return content->meta == place->meta && other == 0;
}

/* The way that holds this part, copied to `content`; -1 when none does. */
static inline int
find_way(struct cache *cache, const struct place *place, struct content *content)
{
	size_t first = place->set * WAYS;

	for (unsigned way = 0; way < WAYS; way++) {
		uint16_t tag = atomic_load_explicit(&cache->tag[first + way], memory_order_acquire);

		if (tag == place->tag && line_read(&cache->line[first + way], content) &&
		    holds(content, place))
			return (int)way;
	}
	return -1;
}

static struct evidence
word_evidence(uint32_t word, uint32_t base)
{
	return (struct evidence){
	    .said = (uint16_t)(word >> SAID_SHIFT), .expires = base + (word & SPAN)};
}

static void
mark_read(struct cache *cache, size_t set, int way)
{
	uint8_t bit = (uint8_t)(1u << way);

	if ((atomic_load_explicit(&cache->read[set], memory_order_relaxed) & bit) == 0)
		atomic_fetch_or_explicit(&cache->read[set], bit, memory_order_relaxed);
}

/* Expiries of evidence: after < expires <= until. */
struct between {
	uint32_t after, until;
};

static inline void
find_part(struct cache *cache, const struct subject *subject, unsigned part, unsigned lists,
    struct between between, struct evidence *out)
{
	uint32_t first, span = between.until - between.after;
	const uint32_t *word;
	struct place place;
	struct content content;
	int way;

	find_place(cache, subject, part, &place);
	way = find_way(cache, &place, &content);
	if (way < 0) {
		memset(out, 0, lists * sizeof *out);
		return;
	}
	mark_read(cache, place.set, way);
	word = content.word + place.keys;
	first = between.after + 1 - content.base;
	for (unsigned i = 0; i < lists; i++) {
		uint32_t left = word[i] & SPAN, said = word[i] >> SAID_SHIFT;

		out[i] = (struct evidence){.expires = content.base + left,
		    .said = left - first < span ? (uint16_t)said : EVIDENCE_NONE};
	}
}

static inline void
find(struct cache *cache, const struct subject *subject, unsigned lists, struct between between,
    struct evidence *out)
{
	unsigned each = lists_in_line(subject);

	for (unsigned part = 0; lists > 0; part++) {
		unsigned here = lists < each ? lists : each;

		find_part(cache, subject, part, here, between, out);
		out += here;
		lists -= here;
	}
}

void
cache_find(struct cache *cache, const struct subject *subject, unsigned lists, uint32_t now,
    struct evidence *out)
{
	find(cache, subject, lists, (struct between){.after = now, .until = UINT32_MAX}, out);
}

void
cache_find_old(struct cache *cache, const struct subject *subject, unsigned lists, uint32_t now,
    uint32_t max_stale, struct evidence *out)
{
	struct between between = {.after = now > max_stale ? now - max_stale : 0, .until = now};

	find(cache, subject, lists, between, out);
	for (unsigned i = 0; i < lists; i++)
		if (!evidence_is_answer(out[i].said))
			out[i].said = EVIDENCE_NONE;
}

/* When the last evidence of a line expires; 0 when it holds none. */
static uint32_t
last_expiry(const struct content *content)
{
	unsigned keys = content->meta & 1 ? 4 : 1;
	uint32_t last = 0;

	for (unsigned i = keys; i < WORDS; i++) {
		struct evidence evidence = word_evidence(content->word[i], content->base);

		if (evidence.said != EVIDENCE_NONE && evidence.expires > last)
			last = evidence.expires;
	}
	return last;
}

/* The way to give up: never used, expired, else the first to expire of those not read lately. */
static unsigned
find_victim(struct cache *cache, size_t set, uint32_t now)
{
	uint8_t read = atomic_load_explicit(&cache->read[set], memory_order_relaxed);
	uint32_t earliest = UINT32_MAX;
	unsigned victim = 0;

	for (unsigned way = 0; way < WAYS; way++)
		if (atomic_load_explicit(&cache->tag[set * WAYS + way], memory_order_relaxed) == 0)
			return way;
	if (read == 0xff)
		read = 0;
	for (unsigned way = 0; way < WAYS; way++) {
		struct content content;
		uint32_t last;

		if (!line_read(&cache->line[set * WAYS + way], &content))
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

static unsigned
begin_line(struct cache *cache, const struct place *place, uint32_t now, struct content *content)
{
	unsigned way = find_victim(cache, place->set, now);

	atomic_fetch_and_explicit(
	    &cache->read[place->set], (uint8_t) ~(1u << way), memory_order_relaxed);
	memset(content, 0, sizeof *content);
	content->base = now;
	content->meta = place->meta;
	memcpy(content->word, place->key, place->keys * sizeof place->key[0]);
	if (atomic_load_explicit(&cache->tag[place->set * WAYS + way], memory_order_relaxed) == 0)
		atomic_fetch_add_explicit(&cache->entries, 1, memory_order_relaxed);
	return way;
}

/* Count from `now` on, dropping what has expired. */
static void
rebase(struct content *content, unsigned keys, uint32_t now)
{
	for (unsigned i = keys; i < WORDS; i++) {
		struct evidence evidence = word_evidence(content->word[i], content->base);

		content->word[i] = evidence.expires > now ? (uint32_t)evidence.said << SAID_SHIFT |
								(evidence.expires - now)
							  : EVIDENCE_NONE;
	}
	content->base = now;
}

void
cache_put(struct cache *cache, const struct subject *subject, unsigned list, uint32_t now,
    struct evidence evidence)
{
	unsigned each = lists_in_line(subject);
	struct place place;
	struct content content;
	int found;
	size_t way;

	assert(evidence.expires >= now && evidence.expires - now <= SPAN);
	find_place(cache, subject, list / each, &place);
	found = find_way(cache, &place, &content);
	way = found >= 0 ? (size_t)found : begin_line(cache, &place, now, &content);
	if (evidence.expires - content.base > SPAN)
		rebase(&content, place.keys, now);
	content.word[place.keys + list % each] =
	    (uint32_t)evidence.said << SAID_SHIFT | (evidence.expires - content.base);
	line_write(&cache->line[place.set * WAYS + way], &content);
	atomic_store_explicit(&cache->tag[place.set * WAYS + way], place.tag, memory_order_release);
}

bool
cache_put_failure(struct cache *cache, const struct subject *subject, unsigned list, uint32_t now,
    struct evidence evidence, uint32_t max_stale)
{
	unsigned each = lists_in_line(subject);
	struct place place;
	struct content content;

	find_place(cache, subject, list / each, &place);
	if (find_way(cache, &place, &content) >= 0) {
		struct evidence old =
		    word_evidence(content.word[place.keys + list % each], content.base);

		if (evidence_is_answer(old.said) &&
		    (old.expires > now || now - old.expires < max_stale))
			return false;
	}
	cache_put(cache, subject, list, now, evidence);
	return true;
}

static void
drop_line(struct cache *cache, size_t line)
{
	if (atomic_load_explicit(&cache->tag[line], memory_order_relaxed) == 0)
		return;
	atomic_store_explicit(&cache->tag[line], 0, memory_order_release);
	atomic_fetch_sub_explicit(&cache->entries, 1, memory_order_relaxed);
}

static void
drop_subject(struct cache *cache, const struct subject *subject)
{
	unsigned each = lists_in_line(subject);

	for (unsigned part = 0; part * each < EVIDENCE_LISTS_MAX; part++) {
		struct place place;
		struct content content;
		int way;

		find_place(cache, subject, part, &place);
		way = find_way(cache, &place, &content);
		if (way >= 0)
			drop_line(cache, place.set * WAYS + (size_t)way);
	}
}

void
cache_drop(struct cache *cache, unsigned writer, const struct subject *subject)
{
	if (subject != NULL) {
		drop_subject(cache, subject);
		return;
	}
	for (size_t set = 0; set < cache->sets; set++)
		if ((set & (cache->stride - 1)) % cache->writers == writer)
			for (size_t way = 0; way < WAYS; way++)
				drop_line(cache, set * WAYS + way);
}

static void
forget_in_line(struct cache *cache, size_t number, const uint64_t lists[CACHE_BITS])
{
	struct line *line = &cache->line[number];
	struct content content;
	unsigned keys, each;
	bool changed = false;

	if (atomic_load_explicit(&cache->tag[number], memory_order_relaxed) == 0 ||
	    !line_read(line, &content))
		return;
	keys = content.meta & 1 ? 4 : 1;
	each = WORDS - keys;
	for (unsigned i = 0; i < each; i++) {
		unsigned list = (content.meta >> 1) * each + i;

		if (list >= EVIDENCE_LISTS_MAX || !bits_has(lists, list) ||
		    content.word[keys + i] == EVIDENCE_NONE)
			continue;
		content.word[keys + i] = EVIDENCE_NONE;
		changed = true;
	}
	if (changed)
		line_write(line, &content);
}

bool
cache_forget(
    struct cache *cache, unsigned writer, const uint64_t lists[CACHE_BITS], size_t *at, size_t sets)
{
	for (; sets > 0 && *at < cache->sets; ++*at) {
		if ((*at & (cache->stride - 1)) % cache->writers != writer)
			continue;
		for (size_t way = 0; way < WAYS; way++)
			forget_in_line(cache, *at * WAYS + way, lists);
		sets--;
	}
	return *at == cache->sets;
}

static void
describe_line(const struct content *content, struct cache_entry *entry)
{
	unsigned keys = content->meta & 1 ? 4 : 1, each = WORDS - keys;

	*entry =
	    (struct cache_entry){.subject.family = content->meta & 1 ? SUBJECT_IPV6 : SUBJECT_IPV4};
	memcpy(entry->subject.octet, content->word, keys * sizeof content->word[0]);
	for (unsigned i = 0; i < each; i++) {
		struct evidence evidence = word_evidence(content->word[keys + i], content->base);

		if (evidence.said != EVIDENCE_NONE)
			entry->heard[entry->count++] = (struct cache_heard){
			    .list = (content->meta >> 1) * each + i, .evidence = evidence};
	}
}

bool
cache_walk(struct cache *cache, unsigned writer, size_t *at, struct cache_entry *entry)
{
	while (*at < cache->sets * WAYS) {
		size_t number = *at;
		struct content content;

		if ((number / WAYS & (cache->stride - 1)) % cache->writers != writer) {
			*at += WAYS;
			continue;
		}
		++*at;
		if (atomic_load_explicit(&cache->tag[number], memory_order_acquire) == 0 ||
		    !line_read(&cache->line[number], &content))
			continue;
		describe_line(&content, entry);
		if (entry->count > 0)
			return true;
	}
	return false;
}

/* Set the words that no one has set since. */
static void
fill_in(struct content *content, unsigned keys, unsigned first, const struct cache_entry *entry)
{
	for (unsigned i = 0; i < entry->count; i++) {
		unsigned at = entry->heard[i].list - first;
		uint32_t left = entry->heard[i].evidence.expires - content->base;
		uint32_t *word = &content->word[keys + at];

		if (at < WORDS - keys && *word >> SAID_SHIFT == EVIDENCE_NONE && left <= SPAN)
			*word = (uint32_t)entry->heard[i].evidence.said << SAID_SHIFT | left;
	}
}

/* The line of the lists from `first` on. */
static void
restore_part(struct cache *cache, const struct cache_entry *entry, unsigned first, uint32_t now)
{
	unsigned each = lists_in_line(&entry->subject);
	struct place place;
	struct content content;
	size_t way;
	int found;

	find_place(cache, &entry->subject, first / each, &place);
	found = find_way(cache, &place, &content);
	way = found >= 0 ? (size_t)found : begin_line(cache, &place, now, &content);
	for (unsigned i = 0; found < 0 && i < entry->count; i++)
		if (entry->heard[i].list - first < each &&
		    entry->heard[i].evidence.expires < content.base)
			content.base = entry->heard[i].evidence.expires;
	fill_in(&content, place.keys, first, entry);
	line_write(&cache->line[place.set * WAYS + way], &content);
	atomic_store_explicit(&cache->tag[place.set * WAYS + way], place.tag, memory_order_release);
}

void
cache_restore(struct cache *cache, const struct cache_entry *entry, uint32_t now)
{
	unsigned each = lists_in_line(&entry->subject), done = 0;

	for (unsigned i = 0; i < entry->count; i++) {
		unsigned first;

		if (done >> i & 1)
			continue;
		first = entry->heard[i].list / each * each;
		restore_part(cache, entry, first, now);
		for (unsigned j = i; j < entry->count; j++)
			done |= (unsigned)(entry->heard[j].list - first < each) << j;
	}
}

void
cache_count(const struct cache *cache, struct cache_counts *counts)
{
	counts->capacity = cache->sets * WAYS;
	counts->entries = atomic_load_explicit(&cache->entries, memory_order_relaxed);
	counts->evictions = atomic_load_explicit(&cache->evictions, memory_order_relaxed);
	counts->bytes = cache->bytes;
}
