/*
 * Addresses fall into few classes: two values of an octet that are in the same patterns are alike.
 * One address of each class is tried; a reply may hold several, so the sets of matching sites are
 * closed under union, and the least and the greatest sum over them are exact, also where filters
 * overlap or contain one another.
 */
#include "aggregate/extremes.h"

#include <stdlib.h>

#include "aggregate/match.h"

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
	size_t total = classes[1].count * classes[2].count * classes[3].count;

	seen[0] = 1;
	for (size_t i = 0; i < total; i++) {
		uint32_t b = classes[1].value[i % classes[1].count];
		uint32_t c = classes[2].value[i / classes[1].count % classes[2].count];
		uint32_t d = classes[3].value[i / classes[1].count / classes[2].count];
		uint32_t address = 127u << 24 | b << 16 | c << 8 | d, matched;
		bool listed;

		if (match_address(zone, entry, address, &matched, &listed) && matched != 0 &&
		    !seen[matched])
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
	int32_t sum = match_sum(zone, entry, matched);
	int32_t lowest = match_sum(zone, entry, matched & entry->negative);

	entry->lowest = lowest < entry->lowest ? lowest : entry->lowest;
	if ((matched & entry->neutral) != 0) {
		entry->may_cancel = true;
		return;
	}
	entry->low = sum < entry->low ? sum : entry->low;
	entry->high = sum > entry->high ? sum : entry->high;
}

bool
extremes_find(const struct policy_zone *zone, struct policy_zone_list *entry)
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
