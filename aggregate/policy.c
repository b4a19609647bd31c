#include "aggregate/policy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/renown.h"

/*
 * The array with room for one element more than `count`, maybe moved; NULL, with the old one
 * as it was and `lacking` set, without memory.
 */
static void *
grown(void *array, size_t count, size_t size, bool *lacking)
{
	if (count != 0 && (count & (count - 1)) != 0)
		return array;
	array = realloc(array, (count == 0 ? 1 : 2 * count) * size);
	*lacking = *lacking || array == NULL;
	return array;
}

struct policy *
policy_open(void)
{
	return calloc(1, sizeof(struct policy));
}

static void
list_close(struct policy_list *list)
{
	free(list->listed);
	free(list->errors);
	free(list->error_words);
	free(list);
}

static void
zone_close(struct policy_zone *zone)
{
	for (size_t i = 0; i < zone->lists; i++)
		free(zone->list[i].memo);
	free(zone->grade);
	free(zone->list);
	free(zone->site);
	free(zone->allow);
	free(zone);
}

void
policy_close(struct policy *policy)
{
	if (policy == NULL)
		return;
	for (size_t i = 0; i < policy->lists; i++)
		list_close(policy->list[i]);
	for (size_t i = 0; i < policy->zones; i++)
		zone_close(policy->zone[i]);
	free(policy->list);
	free(policy->zone);
	free(policy->table);
	free(policy);
}

struct policy_list *
policy_list_find(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->lists; i++)
		if (strcmp(policy->list[i]->name, name) == 0)
			return policy->list[i];
	return NULL;
}

struct policy_list *
policy_list_add(struct policy *policy, const char *name)
{
	struct policy_list **lists, *list;

	lists = grown(policy->list, policy->lists, sizeof(struct policy_list *), &policy->lacking);
	if (lists == NULL)
		return NULL;
	policy->list = lists;
	list = calloc(1, sizeof *list);
	if (list == NULL)
		return NULL;
	memcpy(list->name, name, strlen(name) + 1);
	memcpy(list->query, name, strlen(name) + 1);
	list->families = 1u << SUBJECT_IPV4 | 1u << SUBJECT_IPV6;
	list->timeout_ms = 2000;
	list->min_ttl = 60;
	list->local = strcmp(name, RENOWN_LIST) == 0;
	list->max_ttl = 86400;
	list->tests = POLICY_TEST_ALL;
	policy->list[policy->lists++] = list;
	return list;
}

static bool
add_pattern(struct pattern **patterns, size_t *count, const struct pattern *pattern, bool *lacking)
{
	struct pattern *larger = grown(*patterns, *count, sizeof *larger, lacking);

	if (larger == NULL)
		return false;
	*patterns = larger;
	(*patterns)[(*count)++] = *pattern;
	return true;
}

bool
policy_list_add_listed(struct policy_list *list, const struct pattern *pattern)
{
	return add_pattern(&list->listed, &list->listed_count, pattern, &list->lacking);
}

bool
policy_list_add_error(struct policy_list *list, const struct pattern *pattern, const char *words)
{
	char(*larger)[POLICY_WORDS_MAX + 1] =
	    grown(list->error_words, list->errors_count, sizeof *larger, &list->lacking);

	assert(strlen(words) <= POLICY_WORDS_MAX);
	if (larger == NULL)
		return false;
	list->error_words = larger;
	memcpy(list->error_words[list->errors_count], words, strlen(words) + 1);
	return add_pattern(&list->errors, &list->errors_count, pattern, &list->lacking);
}

static const char *
error_words(const struct policy_list *list, uint32_t address)
{
	for (size_t i = 0; i < list->errors_count; i++)
		if (pattern_match(&list->errors[i], address))
			return list->error_words[i][0] != '\0' ? list->error_words[i]
							       : "it refuses us with an error code";
	return NULL;
}

const char *
policy_refusal(const struct policy_list *list, const struct answers *answers, uint32_t *address)
{
	for (uint32_t i = 0; i < answers->count; i++) {
		const char *words = error_words(list, answers->address[i]);

		if (words == NULL)
			continue;
		if (address != NULL)
			*address = answers->address[i];
		return words;
	}
	return NULL;
}

struct policy_zone *
policy_zone_find(const struct policy *policy, const char *name)
{
	uint8_t wire[NAME_WIRE_MAX];
	size_t length = name_to_wire(name, wire), offset;
	const struct policy_zone *zone = policy_zone_of_name(policy, wire, length, &offset);

	return zone == NULL || offset != 0 ? NULL : policy->zone[zone->index];
}

struct policy_zone *
policy_zone_add(struct policy *policy, const char *name)
{
	struct policy_zone **zones, *zone;

	zones = grown(policy->zone, policy->zones, sizeof(struct policy_zone *), &policy->lacking);
	if (zones == NULL)
		return NULL;
	policy->zone = zones;
	zone = calloc(1, sizeof *zone);
	if (zone == NULL)
		return NULL;
	memcpy(zone->name, name, strlen(name) + 1);
	zone->wire_length = name_to_wire(name, zone->wire);
	zone->index = policy->zones;
	policy->zone[policy->zones++] = zone;
	return zone;
}

bool
policy_zone_add_allow(struct policy_zone *zone, const struct prefix *prefix)
{
	struct prefix *larger = grown(zone->allow, zone->allows, sizeof *larger, &zone->lacking);

	if (larger == NULL)
		return false;
	zone->allow = larger;
	zone->allow[zone->allows++] = *prefix;
	return true;
}

bool
policy_zone_add_grade(struct policy_zone *zone, int32_t score, uint32_t address)
{
	struct policy_grade *larger =
	    grown(zone->grade, zone->grades, sizeof *larger, &zone->lacking);
	size_t at = zone->grades;

	if (larger == NULL)
		return false;
	zone->grade = larger;
	for (; at > 0 && zone->grade[at - 1].score > score; at--)
		zone->grade[at] = zone->grade[at - 1];
	zone->grade[at] = (struct policy_grade){.score = score, .address = address};
	zone->grades++;
	return true;
}

static struct policy_zone_list *
zone_list_find_or_add(struct policy_zone *zone, const struct policy_list *list)
{
	struct policy_zone_list *larger;

	for (size_t i = 0; i < zone->lists; i++)
		if (zone->list[i].list == list)
			return &zone->list[i];
	larger = grown(zone->list, zone->lists, sizeof *larger, &zone->lacking);
	if (larger == NULL)
		return NULL;
	zone->list = larger;
	zone->list[zone->lists] =
	    (struct policy_zone_list){.list = list, .first_site = zone->sites};
	return &zone->list[zone->lists++];
}

bool
policy_zone_add_site(struct policy_zone *zone, struct policy_list *list, const struct site *site)
{
	struct policy_site *larger = grown(zone->site, zone->sites, sizeof *larger, &zone->lacking);
	struct policy_zone_list *entry;
	size_t at;

	if (larger == NULL)
		return false;
	zone->site = larger;
	entry = zone_list_find_or_add(zone, list);
	if (entry == NULL || entry->sites == POLICY_LIST_SITES_MAX)
		return false;
	at = entry->first_site + entry->sites;
	memmove(&zone->site[at + 1], &zone->site[at], (zone->sites - at) * sizeof zone->site[0]);
	zone->site[at] = (struct policy_site){
	    .filtered = site->filtered, .filter = site->filter, .weight = site->weight};
	zone->sites++;
	entry->neutral |= (uint32_t)site->neutral << entry->sites;
	entry->negative |= (uint32_t)(site->weight < 0) << entry->sites;
	entry->sites++;
	for (size_t i = 0; i < zone->lists; i++)
		if (&zone->list[i] != entry && zone->list[i].first_site >= at)
			zone->list[i].first_site++;
	list->used = true;
	return true;
}

size_t
policy_whole(const struct policy_zone *zone, size_t place)
{
	const struct policy_list *list = zone->list[place].list;

	while ((list = list->part_of) != NULL)
		for (size_t i = 0; i < zone->lists; i++)
			if (zone->list[i].list == list)
				place = i;
	return place;
}

static bool
any_match(const struct pattern *patterns, size_t count, uint32_t address)
{
	for (size_t i = 0; i < count; i++)
		if (pattern_match(&patterns[i], address))
			return true;
	return false;
}

/* Bit i: site i of the entry matches this address. */
static uint32_t
sites_matched(const struct policy_zone *zone, const struct policy_zone_list *entry,
    uint32_t address, bool listed)
{
	uint32_t matched = 0;

	for (size_t i = 0; i < entry->sites; i++) {
		const struct policy_site *site = &zone->site[entry->first_site + i];

		if (site->filtered ? pattern_match(&site->filter, address) : listed)
			matched |= 1u << i;
	}
	return matched;
}

int32_t
policy_sum(const struct policy_zone *zone, const struct policy_zone_list *entry, uint32_t matched)
{
	int32_t sum = 0;

	for (size_t i = 0; i < entry->sites; i++)
		if (matched >> i & 1)
			sum += zone->site[entry->first_site + i].weight;
	return sum;
}

/* Policy_match, to be inlined: it is on the path of every answer. */
static inline bool
reply_match(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct answers *answers, uint32_t *matched)
{
	const struct policy_list *list = entry->list;
	bool understood = false;
	uint32_t all = 0;

	for (uint32_t i = 0; i < answers->count; i++) {
		uint32_t address = answers->address[i], here;
		bool listed = any_match(list->listed, list->listed_count, address);

		if (any_match(list->errors, list->errors_count, address))
			return false;
		here = sites_matched(zone, entry, address, listed);
		understood = understood || listed || here != 0;
		all |= here;
	}
	*matched = all;
	return understood;
}

bool
policy_too_stale(
    const struct policy_zone *zone, const struct policy_zone_list *entry, uint16_t stale)
{
	return stale > POLICY_STALE_TRUST &&
	       (entry->low < 0 || entry->neutral != 0 || zone->kind == POLICY_ALLOW);
}

bool
policy_match(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct answers *answers, uint32_t *matched)
{
	return reply_match(zone, entry, answers, matched);
}

bool
policy_weigh(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct answers *answers, int32_t *score)
{
	uint32_t matched;

	if (!reply_match(zone, entry, answers, &matched))
		return false;
	*score += policy_sum(zone, entry, matched);
	return true;
}

uint32_t
policy_work_out(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct evidence_book *book, uint16_t said)
{
	unsigned set = said - EVIDENCE_ANSWERS;
	int32_t sum = 0;
	bool understood =
	    policy_weigh(zone, entry, evidence_answers(book, entry->list->number, said), &sum);
	uint32_t memo = (uint32_t)sum << 2 | (uint32_t)understood << 1 | 1;

	if (set < POLICY_MEMO)
		atomic_store_explicit(&entry->memo[set], memo, memory_order_relaxed);
	return memo;
}

/*
 * The extremes of what a reply may add. Addresses fall into few classes: two values of an octet
 * that are in the same patterns are alike. One address of each class is tried; a reply may hold
 * several, so the sets of matching sites are closed under union, and the least and the greatest
 * sum over them are exact, also where filters overlap or contain one another.
 */
#define CLASSES_MAX 4096 /* beyond it the plain sums of weights serve: wider, never wrong */

struct octet_classes {
	uint8_t value[256]; /* one representative of each class */
	size_t count;
};

static bool
same_class(const struct pattern *patterns, size_t count, unsigned position, unsigned d, unsigned e)
{
	for (size_t i = 0; i < count; i++) {
		const uint64_t *octet = patterns[i].octet[position];

		if ((octet[d / 64] >> d % 64 & 1) != (octet[e / 64] >> e % 64 & 1))
			return false;
	}
	return true;
}

static void
find_classes(
    const struct pattern *patterns, size_t count, unsigned position, struct octet_classes *classes)
{
	classes->count = 0;
	for (unsigned d = 0; d < 256; d++) {
		size_t i = 0;

		while (i < classes->count &&
		       !same_class(patterns, count, position, d, classes->value[i]))
			i++;
		if (i == classes->count)
			classes->value[classes->count++] = (uint8_t)d;
	}
}

/* All patterns that tell addresses of this list apart in this zone; the caller frees. */
static struct pattern *
collect_patterns(
    const struct policy_zone *zone, const struct policy_zone_list *entry, size_t *count)
{
	const struct policy_list *list = entry->list;
	struct pattern *patterns =
	    calloc(list->listed_count + list->errors_count + entry->sites + 1, sizeof *patterns);
	size_t n = 0;

	if (patterns == NULL)
		return NULL;
	for (size_t i = 0; i < list->listed_count; i++)
		patterns[n++] = list->listed[i];
	for (size_t i = 0; i < list->errors_count; i++)
		patterns[n++] = list->errors[i];
	for (size_t i = 0; i < entry->sites; i++)
		if (zone->site[entry->first_site + i].filtered)
			patterns[n++] = zone->site[entry->first_site + i].filter;
	*count = n;
	return patterns;
}

/* Mark in `seen` the union of every reachable set with this one. */
static void
close_under_union(uint8_t *seen, uint32_t sets, uint32_t matched)
{
	for (uint32_t set = 0; set < sets; set++)
		if (seen[set])
			seen[set | matched] = 1;
}

static void
mark_reachable(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct octet_classes classes[4], uint8_t *seen)
{
	const struct policy_list *list = entry->list;
	size_t total = classes[1].count * classes[2].count * classes[3].count;

	seen[0] = 1;
	for (size_t i = 0; i < total; i++) {
		uint32_t b = classes[1].value[i % classes[1].count];
		uint32_t c = classes[2].value[i / classes[1].count % classes[2].count];
		uint32_t d = classes[3].value[i / classes[1].count / classes[2].count];
		uint32_t address = 127u << 24 | b << 16 | c << 8 | d, matched;

		if (any_match(list->errors, list->errors_count, address))
			continue;
		matched = sites_matched(
		    zone, entry, address, any_match(list->listed, list->listed_count, address));
		if (matched != 0 && !seen[matched])
			close_under_union(seen, 1u << entry->sites, matched);
	}
}

/* The extremes as if the sites could match in any combination. */
static void
extremes_by_sign(const struct policy_zone *zone, struct policy_zone_list *entry)
{
	entry->may_cancel = entry->neutral != 0;
	for (size_t i = 0; i < entry->sites; i++) {
		int32_t weight = zone->site[entry->first_site + i].weight;

		*(weight < 0 ? &entry->low : &entry->high) += weight;
	}
	entry->lowest = entry->low;
}

/* These sites may match together: widen the extremes by it. */
static void
extremes_of_set(const struct policy_zone *zone, struct policy_zone_list *entry, uint32_t matched)
{
	int32_t sum = policy_sum(zone, entry, matched);
	int32_t lowest = policy_sum(zone, entry, matched & entry->negative);

	entry->lowest = lowest < entry->lowest ? lowest : entry->lowest;
	if ((matched & entry->neutral) != 0) {
		entry->may_cancel = true;
		return;
	}
	entry->low = sum < entry->low ? sum : entry->low;
	entry->high = sum > entry->high ? sum : entry->high;
}

static bool
find_extremes(const struct policy_zone *zone, struct policy_zone_list *entry)
{
	struct octet_classes classes[4] = {{.count = 1, .value = {127}}};
	size_t count;
	struct pattern *patterns = collect_patterns(zone, entry, &count);
	uint8_t *seen = calloc(1u << entry->sites, 1);
	bool memory = patterns != NULL && seen != NULL;

	entry->low = entry->high = entry->lowest = 0;
	entry->may_cancel = false;
	if (!memory)
		goto done;
	for (unsigned position = 1; position < 4; position++)
		find_classes(patterns, count, position, &classes[position]);
	if (classes[1].count * classes[2].count * classes[3].count > CLASSES_MAX) {
		extremes_by_sign(zone, entry);
		goto done;
	}
	mark_reachable(zone, entry, classes, seen);
	for (uint32_t set = 0; set < 1u << entry->sites; set++)
		if (seen[set])
			extremes_of_set(zone, entry, set);
done:
	free(patterns);
	free(seen);
	return memory;
}

/* Of the bytes of a name in wire form, eight at a time. */
static uint32_t
hash_name(const uint8_t *name, size_t length)
{
	uint64_t hash = length, eight = 0;

	for (; length >= sizeof eight; name += sizeof eight, length -= sizeof eight) {
		memcpy(&eight, name, sizeof eight);
		hash = (hash ^ eight) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	eight = 0;
	memcpy(&eight, name, length);
	hash = (hash ^ eight) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(hash >> 32);
}

static void
index_zone(struct policy *policy, size_t index)
{
	const struct policy_zone *zone = policy->zone[index];
	size_t at = hash_name(zone->wire, zone->wire_length), i = 0;

	while (policy->table[at & (policy->table_size - 1)] != 0)
		at++;
	policy->table[at & (policy->table_size - 1)] = (uint16_t)(index + 1);
	while (i < policy->lengths && policy->length[i] > zone->wire_length)
		i++;
	if (i < policy->lengths && policy->length[i] == zone->wire_length)
		return;
	memmove(policy->length + i + 1, policy->length + i, policy->lengths - i);
	policy->length[i] = (uint8_t)zone->wire_length;
	policy->lengths++;
}

static bool
number_lists(struct policy *policy, struct evidence_book *book)
{
	for (size_t i = 0; i < policy->lists; i++) {
		struct policy_list *list = policy->list[i];
		int number = list->used ? evidence_list_number(book, list->name) : 0;

		if (number < 0)
			return false;
		list->number = (unsigned)number;
		if (list->used)
			policy->numbered[number] = list;
		if (list->used && list->local) {
			const struct answers answers = {.count = 1, .address = {RENOWN_ANSWER}};

			list->local_said = evidence_intern(book, list->number, &answers);
			policy->local = list;
		}
	}
	return true;
}

static bool
compile_zone(struct policy_zone *zone)
{
	for (size_t i = 0; i < zone->lists; i++) {
		unsigned families = zone->list[i].list->families;

		zone->list[i].number = zone->list[i].list->number;
		zone->list[i].families = families;
		zone->list[i].memo = calloc(POLICY_MEMO, sizeof *zone->list[i].memo);
		if (zone->list[i].memo == NULL || !find_extremes(zone, &zone->list[i]))
			return false;
		zone->undecided = zone->undecided || zone->list[i].list->ask == POLICY_UNDECIDED;
		zone->family_lists[SUBJECT_IPV4] += families >> SUBJECT_IPV4 & 1;
		zone->family_lists[SUBJECT_IPV6] += families >> SUBJECT_IPV6 & 1;
		zone->list[i].whole = policy_whole(zone, i);
		zone->joint = zone->joint || zone->list[i].neutral != 0 || zone->list[i].whole != i;
	}
	return true;
}

static bool
is_whole(const struct policy *policy)
{
	bool lacking = policy->lacking;

	for (size_t i = 0; i < policy->lists; i++)
		lacking = lacking || policy->list[i]->lacking;
	for (size_t i = 0; i < policy->zones; i++)
		lacking = lacking || policy->zone[i]->lacking;
	return !lacking;
}

bool
policy_compile(struct policy *policy, struct evidence_book *book)
{
	assert(policy->zones < UINT16_MAX);
	if (!is_whole(policy) || !number_lists(policy, book))
		return false;
	for (size_t i = 0; i < policy->zones; i++)
		if (!compile_zone(policy->zone[i]))
			return false;
	policy->table_size = 4;
	while (policy->table_size < 2 * policy->zones)
		policy->table_size *= 2;
	policy->table = calloc(policy->table_size, sizeof *policy->table);
	if (policy->table == NULL)
		return false;
	for (size_t i = 0; i < policy->zones; i++)
		index_zone(policy, i);
	return true;
}

static const struct policy_zone *
table_find(const struct policy *policy, const uint8_t *name, size_t length)
{
	for (size_t at = hash_name(name, length);; at++) {
		uint16_t entry = policy->table[at & (policy->table_size - 1)];
		const struct policy_zone *zone;

		if (entry == 0)
			return NULL;
		zone = policy->zone[entry - 1];
		if (zone->wire_length == length && memcmp(zone->wire, name, length) == 0)
			return zone;
	}
}

/* Does a label begin here? */
static bool
is_label_start(const uint8_t *name, size_t offset)
{
	size_t at = 0;

	while (at < offset)
		at += 1u + name[at];
	return at == offset;
}

const struct policy_zone *
policy_zone_of_name(const struct policy *policy, const uint8_t *name, size_t length, size_t *offset)
{
	for (size_t i = 0; i < policy->lengths; i++) {
		size_t at = length - policy->length[i];
		const struct policy_zone *zone;

		if (policy->length[i] > length)
			continue;
		zone = table_find(policy, name + at, policy->length[i]);
		if (zone != NULL && is_label_start(name, at)) {
			*offset = at;
			return zone;
		}
	}
	return NULL;
}

bool
policy_same_servers(
    const struct policy_server *a, size_t count_a, const struct policy_server *b, size_t count_b)
{
	if (count_a != count_b)
		return false;
	for (size_t i = 0; i < count_a; i++)
		if (a[i].port != b[i].port || strcmp(a[i].address, b[i].address) != 0)
			return false;
	return true;
}

static bool
same_list(const struct policy_list *a, const struct policy_list *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a->query, b->query) == 0 &&
			     policy_same_servers(a->server, a->servers, b->server, b->servers));
}

bool
policy_same_upstream(const struct policy *a, const struct policy *b)
{
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++)
		if (!same_list(a->numbered[i], b->numbered[i]))
			return false;
	return policy_same_servers(a->forward, a->forwards, b->forward, b->forwards);
}

size_t
policy_used(const struct policy *policy)
{
	size_t used = 0;

	for (size_t i = 0; i < policy->lists; i++)
		used += policy->list[i]->used;
	return used;
}
