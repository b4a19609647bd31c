#include "aggregate/policy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bytes.h"
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

void
policy_site_print(const struct policy_zone *zone, const struct policy_zone_list *entry, size_t i,
    struct text *text)
{
	const struct policy_site *site = &zone->site[entry->first_site + i];

	text_add(text, entry->list->name);
	if (site->filtered) {
		text_add(text, "=");
		pattern_print(&site->filter, text);
	}
	text_add_format(text, "*%d%s", site->weight, (entry->neutral >> i & 1) != 0 ? "!" : "");
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

static inline bool
is_named(const struct policy_zone *zone, const uint8_t *name, size_t length)
{
	return zone->wire_length == length &&
	       (name_identical(name, zone->wire, length) || name_same(name, zone->wire, length));
}

/* The bits that are set here are no part of a hash. */
#define ANY_CASE 0x2020202020202020u
#define AS_IT_IS 0

static inline uint64_t
hash_eight(uint64_t hash, const uint8_t *bytes, size_t length, uint64_t without)
{
	uint64_t eight = 0;

	memcpy(&eight, bytes, length);
	return bytes_mix(hash, eight | without);
}

/* Of the bytes of a name, eight at a time; the last eight may overlap. */
static inline uint64_t
hash_name(const uint8_t *name, size_t length, uint64_t without)
{
	uint64_t hash = length;

	if (length < 8)
		return hash_eight(hash, name, length, without);
	for (size_t at = 0; at < length - 8; at += 8)
		hash = hash_eight(hash, name + at, 8, without);
	return hash_eight(hash, name + length - 8, 8, without);
}

static void
index_zone(struct policy *policy, size_t index)
{
	struct policy_zone *zone = policy->zone[index];
	size_t at;

	zone->mark = hash_name(zone->wire, zone->wire_length, AS_IT_IS);
	for (size_t i = 0; i < zone->lists; i++) {
		const char *name = zone->list[i].list->name;

		zone->list[i].mark = hash_name((const uint8_t *)name, strlen(name), AS_IT_IS);
	}
	at = (size_t)hash_name(zone->wire, zone->wire_length, ANY_CASE);
	while (policy->table[at & (policy->table_size - 1)] != 0)
		at++;
	policy->table[at & (policy->table_size - 1)] = (uint16_t)(index + 1);
	bits_set(policy->length, zone->wire_length);
	if (zone->wire_length > policy->longest)
		policy->longest = zone->wire_length;
}

bool
policy_index(struct policy *policy)
{
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

const struct policy_zone *
policy_zone_named(const struct policy *policy, const uint8_t *name, size_t length)
{
	if (!bits_has(policy->length, length))
		return NULL;
	for (size_t at = (size_t)hash_name(name, length, ANY_CASE);; at++) {
		uint16_t entry = policy->table[at & (policy->table_size - 1)];
		const struct policy_zone *zone;

		if (entry == 0)
			return NULL;
		zone = policy->zone[entry - 1];
		if (is_named(zone, name, length))
			return zone;
	}
}

__attribute__((noinline)) const struct policy_zone *
policy_zone_of_name(const struct policy *policy, const uint8_t *name, size_t length, size_t *offset)
{
	size_t at = 0;

	while (length - at > policy->longest)
		at += 1u + name[at];
	for (; at < length; at += 1u + name[at]) {
		const struct policy_zone *zone = policy_zone_named(policy, name + at, length - at);

		if (zone != NULL) {
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

uint64_t
policy_source(const struct policy_list *list)
{
	uint64_t source = bytes_digest(0, list->query, strlen(list->query));

	for (size_t i = 0; i < list->servers; i++)
		source = bytes_digest(source ^ list->server[i].port, list->server[i].address,
		    strlen(list->server[i].address));
	return source | 1;
}

void
policy_find_moved(const struct policy *policy, const struct evidence_book *book,
    uint64_t moved[BITS_WORDS(EVIDENCE_LISTS_MAX)])
{
	memset(moved, 0, BITS_WORDS(EVIDENCE_LISTS_MAX) * sizeof *moved);
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		const struct policy_list *list = policy->numbered[i];
		uint64_t source = list == NULL ? 0 : evidence_list_source(book, i);

		if (source != 0 && source != list->source)
			bits_set(moved, i);
	}
}

size_t
policy_used(const struct policy *policy)
{
	size_t used = 0;

	for (size_t i = 0; i < policy->lists; i++)
		used += policy->list[i]->used;
	return used;
}
