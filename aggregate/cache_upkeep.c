/* What cache.h does to the table as a whole, line by line. */
#include "aggregate/cache.h"
#include "aggregate/cache_sets.h"

static void
drop_line(struct cache *cache, size_t set, unsigned way)
{
	if (cache_tag(cache, set, way) == 0)
		return;
	cache_set_tag(cache, set, way, 0);
	atomic_fetch_sub_explicit(&cache->entries, 1, memory_order_relaxed);
}

void
cache_drop(struct cache *cache, const struct subject *subject)
{
	unsigned each = cache_lists_in_line(subject->family);

	for (unsigned part = 0; part * each < EVIDENCE_LISTS_MAX; part++) {
		struct cache_place place;
		struct content content;
		int way;

		place = cache_place(cache, subject, part);
		way = cache_find_way(cache, &place, &content);
		if (way >= 0)
			drop_line(cache, place.set, (unsigned)way);
	}
}

/* Is the set at *at of this writer? If not, *at is behind it. */
static bool
comes_to_own(const struct cache *cache, unsigned writer, size_t *at)
{
	bool own = (*at & (cache->stride - 1)) % cache->writers == writer;

	*at += !own;
	return own;
}

bool
cache_clear(struct cache *cache, unsigned writer, size_t *at, size_t sets)
{
	while (sets > 0 && *at < cache->sets) {
		if (!comes_to_own(cache, writer, at))
			continue;
		for (unsigned way = 0; way < CACHE_WAYS; way++)
			drop_line(cache, *at, way);
		++*at;
		sets--;
	}
	return *at == cache->sets;
}

static void
forget_in_line(struct cache *cache, size_t set, unsigned way, const uint64_t lists[CACHE_BITS])
{
	struct line *line = cache_line(cache, set, way);
	struct content content;
	unsigned keys, each;
	bool changed = false;

	if (cache_tag(cache, set, way) == 0 || !line_read(line, &content))
		return;
	keys = line_keys(&content);
	each = LINE_WORDS - keys;
	for (unsigned i = 0; i < each; i++) {
		unsigned list = cache_part(content.meta) * each + i;

		if (list >= EVIDENCE_LISTS_MAX || !bits_has(lists, list) ||
		    content.word[keys + i] == EVIDENCE_NONE)
			continue;
		content.word[keys + i] = EVIDENCE_NONE;
		content.meta &= ~(1u << i << LINE_CLEAR_SHIFT);
		changed = true;
	}
	if (changed)
		line_write(line, &content);
}

bool
cache_forget(
    struct cache *cache, unsigned writer, const uint64_t lists[CACHE_BITS], size_t *at, size_t sets)
{
	while (sets > 0 && *at < cache->sets) {
		if (!comes_to_own(cache, writer, at))
			continue;
		for (unsigned way = 0; way < CACHE_WAYS; way++)
			forget_in_line(cache, *at, way, lists);
		++*at;
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
			    .list = cache_part(content->meta) * each + i, .evidence = evidence};
	}
}

bool
cache_walk(struct cache *cache, unsigned writer, size_t *at, struct cache_entry *entry)
{
	while (*at < cache->sets * CACHE_WAYS) {
		size_t number = *at;
		struct content content;

		if ((number / CACHE_WAYS & (cache->stride - 1)) % cache->writers != writer) {
			*at += CACHE_WAYS;
			continue;
		}
		++*at;
		if (cache_tag(cache, number / CACHE_WAYS, number % CACHE_WAYS) == 0 ||
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
	unsigned each = cache_lists_in_line(entry->subject.family);
	struct cache_place place;
	struct content content;
	unsigned way;
	int found;

	place = cache_place(cache, &entry->subject, first / each);
	found = cache_find_way(cache, &place, &content);
	way = found >= 0 ? (unsigned)found : cache_begin(cache, &place, now, &content);
	for (unsigned i = 0; found < 0 && i < entry->count; i++)
		if (entry->heard[i].list - first < each &&
		    entry->heard[i].evidence.expires < content.base)
			content.base = entry->heard[i].evidence.expires;
	fill_in(&content, first, entry);
	cache_put_way(cache, &place, way, now, &content);
}

void
cache_restore(struct cache *cache, const struct cache_entry *entry, uint32_t now)
{
	unsigned each = cache_lists_in_line(entry->subject.family), done = 0;

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
	counts->capacity = cache->sets * CACHE_WAYS;
	counts->entries = atomic_load_explicit(&cache->entries, memory_order_relaxed);
	counts->evictions = atomic_load_explicit(&cache->evictions, memory_order_relaxed);
	counts->bytes = cache->bytes;
}
