/*
 * Invariants: sets is a multiple of stride, a power of 2 >= writers; set s belongs to writer
 * (s % stride) % writers. The tag of a line is 0 <=> it was never used. The words of an IPv4 line
 * are the lists 12 * part + 0..11, of an IPv6 line 9 * part + 0..8. Only the writer of a set
 * changes its tags and lines.
 */
#include "aggregate/cache.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "aggregate/line.h"

#define WAYS 8
#define HUGE_PAGE ((size_t)2 << 20)

struct cache {
	size_t sets, stride, groups; /* groups = sets / stride */
	unsigned writers;
	uint64_t key[2];
	void *memory;
	size_t mapped, bytes; /* of memory, with room to begin and end with a huge page; in use */
	struct line *line;
	_Atomic uint64_t *tags; /* for each set, byte i: the tag of line i */
	_Atomic uint8_t *read;  /* for each set, bit i: line i was read since the last look */
	_Atomic uint64_t entries, evictions;
};

/* Where the words of a part stand, and what identifies it. */
struct place {
	size_t set;
	uint8_t tag;
	uint32_t meta;
	enum subject_family family;
	const struct subject *subject;
};

struct cache *
cache_open(size_t mib, unsigned writers, const uint64_t key[2])
{
	size_t set_bytes = WAYS * sizeof(struct line) + sizeof(uint64_t) + 1;
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
	cache->line =
	    (struct line *)(((uintptr_t)cache->memory + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
	cache->tags = (_Atomic uint64_t *)(cache->line + cache->sets * WAYS);
	cache->read = (_Atomic uint8_t *)(cache->tags + cache->sets);
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

static inline struct place
find_place(const struct cache *cache, const struct subject *subject, unsigned part)
{
	uint64_t first = subject_hash(subject, 0, cache->key);
	uint64_t hash = part == 0 ? first : subject_hash(subject, part, cache->key);

	return (struct place){
	    .set = (size_t)((hash >> 16 & 0xffffffffu) * cache->groups >> 32) * cache->stride +
		   (size_t)(first & (cache->stride - 1)),
	    .tag = (uint8_t)(hash >> 56 | (hash >> 56 == 0)),
	    .meta = part << 1 | (subject->family == SUBJECT_IPV6),
	    .family = subject->family,
	    .subject = subject};
}

/* Words of the address in a line. */
static inline unsigned
keys_of(enum subject_family family)
{
	return family == SUBJECT_IPV4 ? 1 : 4;
}

static inline unsigned
lists_in_line(enum subject_family family)
{
	return LINE_WORDS - keys_of(family);
}

static uint8_t
tag_of(const struct cache *cache, size_t set, unsigned way)
{
	return (uint8_t)(atomic_load_explicit(&cache->tags[set], memory_order_acquire) >> 8 * way);
}

static void
set_tag(struct cache *cache, size_t set, unsigned way, uint8_t tag)
{
	uint64_t tags = atomic_load_explicit(&cache->tags[set], memory_order_relaxed);

	tags = (tags & ~(UINT64_C(0xff) << 8 * way)) | (uint64_t)tag << 8 * way;
	atomic_store_explicit(&cache->tags[set], tags, memory_order_release);
}

/* Bit 8 * i + 7: way i has this tag. */
static inline uint64_t
ways_tagged(const struct cache *cache, size_t set, uint8_t tag)
{
	const uint64_t ones = 0x0101010101010101u, low = ones * 0x7f;
	uint64_t differ =
	    atomic_load_explicit(&cache->tags[set], memory_order_acquire) ^ ones * tag;

	return ~(((differ & low) + low) | differ | low);
}

static inline bool
holds(const struct content *content, const struct place *place)
{
	size_t length = keys_of(place->family) * sizeof content->word[0];

	return content->meta == place->meta &&
	       memcmp(content->word, place->subject->octet, length) == 0;
}

/* Of these ways the one that holds this part, copied to `content`; -1 when none does. */
static inline int
find_tagged(
    struct cache *cache, const struct place *place, uint64_t tagged, struct content *content)
{
	for (; tagged != 0; tagged &= tagged - 1) {
		unsigned way = (unsigned)__builtin_ctzll(tagged) / 8;

		if (line_read(&cache->line[place->set * WAYS + way], content) &&
		    holds(content, place))
			return (int)way;
	}
	return -1;
}

static inline int
find_way(struct cache *cache, const struct place *place, struct content *content)
{
	return find_tagged(cache, place, ways_tagged(cache, place->set, place->tag), content);
}

static void
mark_read(struct cache *cache, size_t set, int way)
{
	uint8_t bit = (uint8_t)(1u << way);

	if ((atomic_load_explicit(&cache->read[set], memory_order_relaxed) & bit) == 0)
		atomic_fetch_or_explicit(&cache->read[set], bit, memory_order_relaxed);
}

/* What a look-up is for: what these lists said that expires after this. */
struct wanted {
	unsigned lists;
	uint32_t after;
};

/* What a part is known to say, or that nothing is known, where the lists of the part stand. */
static inline void
take_part(struct cache *cache, const struct place *place, uint64_t tagged, struct wanted wanted,
    struct evidence *out)
{
	unsigned each = lists_in_line(place->family), at = (place->meta >> 1) * each;
	unsigned lists = wanted.lists - at < each ? wanted.lists - at : each;
	struct content content;
	int way = find_tagged(cache, place, tagged, &content);

	if (way < 0) {
		memset(out + at, 0, lists * sizeof *out);
		return;
	}
	mark_read(cache, place->set, way);
	line_unpack(&content, keys_of(place->family), lists, wanted.after, out + at);
}

/* What is in the further lines of a subject. */
__attribute__((noinline)) static void
take_further(
    struct cache *cache, const struct subject *subject, struct wanted wanted, struct evidence *out)
{
	unsigned each = lists_in_line(subject->family);

	for (unsigned part = 1; part * each < wanted.lists; part++) {
		struct place place = find_place(cache, subject, part);

		take_part(cache, &place, ways_tagged(cache, place.set, place.tag), wanted, out);
	}
}

struct cache_spot
cache_aim(const struct cache *cache, const struct subject *subject)
{
	struct place place = find_place(cache, subject, 0);

	__builtin_prefetch(&cache->tags[place.set]);
	return (struct cache_spot){.set = place.set, .tag = place.tag};
}

void
cache_approach(const struct cache *cache, struct cache_spot *spot)
{
	unsigned way;

	spot->tagged = ways_tagged(cache, spot->set, spot->tag);
	way = (unsigned)__builtin_ctzll(spot->tagged | UINT64_C(1) << 63) / 8;
	__builtin_prefetch(&cache->line[spot->set * WAYS + way]);
}

/* The family is known where this is compiled for one. */
static inline void
find_at(struct cache *cache, const struct subject *subject, enum subject_family family,
    const struct cache_spot *spot, struct wanted wanted, struct evidence *out)
{
	struct place place = {
	    .set = spot->set, .meta = family == SUBJECT_IPV6, .family = family, .subject = subject};

	take_part(cache, &place, spot->tagged, wanted, out);
	if (wanted.lists > lists_in_line(family))
		take_further(cache, subject, wanted, out);
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

void
cache_find(struct cache *cache, const struct subject *subject, unsigned lists, uint32_t now,
    struct evidence *out)
{
	struct cache_spot spot = cache_aim(cache, subject);

	cache_approach(cache, &spot);
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

/* The way to give up: never used, expired, else the first to expire of those not read lately. */
static unsigned
find_victim(struct cache *cache, size_t set, uint32_t now)
{
	uint8_t read = atomic_load_explicit(&cache->read[set], memory_order_relaxed);
	uint32_t earliest = UINT32_MAX;
	unsigned victim = 0;

	for (unsigned way = 0; way < WAYS; way++)
		if (tag_of(cache, set, way) == 0)
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
	memcpy(content->word, place->subject->octet, line_keys(content) * sizeof content->word[0]);
	if (tag_of(cache, place->set, way) == 0)
		atomic_fetch_add_explicit(&cache->entries, 1, memory_order_relaxed);
	return way;
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

/* Write what a way holds, which may be for another subject than before. */
static void
put_way(struct cache *cache, const struct place *place, unsigned way, const struct content *content)
{
	line_write(&cache->line[place->set * WAYS + way], content);
	set_tag(cache, place->set, way, place->tag);
}

void
cache_put(struct cache *cache, const struct subject *subject, unsigned list, uint32_t now,
    struct evidence evidence)
{
	unsigned each = lists_in_line(subject->family);
	struct place place;
	struct content content;
	int found;
	unsigned way;

	assert(evidence.expires >= now && evidence.expires - now <= LINE_SPAN);
	place = find_place(cache, subject, list / each);
	found = find_way(cache, &place, &content);
	way = found >= 0 ? (unsigned)found : begin_line(cache, &place, now, &content);
	if (evidence.expires - content.base > LINE_SPAN)
		rebase(&content, now);
	content.word[line_keys(&content) + list % each] = line_word(evidence, content.base);
	put_way(cache, &place, way, &content);
}

bool
cache_put_failure(struct cache *cache, const struct subject *subject, unsigned list, uint32_t now,
    struct evidence evidence, uint32_t max_stale)
{
	unsigned each = lists_in_line(subject->family);
	struct place place;
	struct content content;

	place = find_place(cache, subject, list / each);
	if (find_way(cache, &place, &content) >= 0) {
		struct evidence old = line_evidence(&content, line_keys(&content) + list % each);

		if (evidence_is_answer(old.said) &&
		    (old.expires > now || now - old.expires < max_stale))
			return false;
	}
	cache_put(cache, subject, list, now, evidence);
	return true;
}

static void
drop_line(struct cache *cache, size_t set, unsigned way)
{
	if (tag_of(cache, set, way) == 0)
		return;
	set_tag(cache, set, way, 0);
	atomic_fetch_sub_explicit(&cache->entries, 1, memory_order_relaxed);
}

static void
drop_subject(struct cache *cache, const struct subject *subject)
{
	unsigned each = lists_in_line(subject->family);

	for (unsigned part = 0; part * each < EVIDENCE_LISTS_MAX; part++) {
		struct place place;
		struct content content;
		int way;

		place = find_place(cache, subject, part);
		way = find_way(cache, &place, &content);
		if (way >= 0)
			drop_line(cache, place.set, (unsigned)way);
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
			for (unsigned way = 0; way < WAYS; way++)
				drop_line(cache, set, way);
}

static void
forget_in_line(struct cache *cache, size_t set, unsigned way, const uint64_t lists[CACHE_BITS])
{
	struct line *line = &cache->line[set * WAYS + way];
	struct content content;
	unsigned keys, each;
	bool changed = false;

	if (tag_of(cache, set, way) == 0 || !line_read(line, &content))
		return;
	keys = line_keys(&content);
	each = LINE_WORDS - keys;
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
		for (unsigned way = 0; way < WAYS; way++)
			forget_in_line(cache, *at, way, lists);
		sets--;
	}
	return *at == cache->sets;
}

static void
describe_line(const struct content *content, struct cache_entry *entry)
{
	unsigned keys = line_keys(content), each = LINE_WORDS - keys;

	*entry =
	    (struct cache_entry){.subject.family = content->meta & 1 ? SUBJECT_IPV6 : SUBJECT_IPV4};
	memcpy(entry->subject.octet, content->word, keys * sizeof content->word[0]);
	for (unsigned i = 0; i < each; i++) {
		struct evidence evidence = line_evidence(content, keys + i);

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
		if (tag_of(cache, number / WAYS, number % WAYS) == 0 ||
		    !line_read(&cache->line[number], &content))
			continue;
		describe_line(&content, entry);
		if (entry->count > 0)
			return true;
	}
	return false;
}

/* Set the words where no answer has come since: of a list that fails, what it said before counts.
 */
static void
fill_in(struct content *content, unsigned first, const struct cache_entry *entry)
{
	unsigned keys = line_keys(content);

	for (unsigned i = 0; i < entry->count; i++) {
		struct evidence evidence = entry->heard[i].evidence;
		unsigned at = entry->heard[i].list - first;

		if (at < LINE_WORDS - keys &&
		    !evidence_is_answer(line_evidence(content, keys + at).said) &&
		    evidence.expires - content->base <= LINE_SPAN)
			content->word[keys + at] = line_word(evidence, content->base);
	}
}

/* The line of the lists from `first` on. */
static void
restore_part(struct cache *cache, const struct cache_entry *entry, unsigned first, uint32_t now)
{
	unsigned each = lists_in_line(entry->subject.family);
	struct place place;
	struct content content;
	unsigned way;
	int found;

	place = find_place(cache, &entry->subject, first / each);
	found = find_way(cache, &place, &content);
	way = found >= 0 ? (unsigned)found : begin_line(cache, &place, now, &content);
	for (unsigned i = 0; found < 0 && i < entry->count; i++)
		if (entry->heard[i].list - first < each &&
		    entry->heard[i].evidence.expires < content.base)
			content.base = entry->heard[i].evidence.expires;
	fill_in(&content, first, entry);
	put_way(cache, &place, way, &content);
}

void
cache_restore(struct cache *cache, const struct cache_entry *entry, uint32_t now)
{
	unsigned each = lists_in_line(entry->subject.family), done = 0;

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
