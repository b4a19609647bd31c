#include "aggregate/match.h"

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
match_sum(const struct policy_zone *zone, const struct policy_zone_list *entry, uint32_t matched)
{
	int32_t sum = 0;

	for (size_t i = 0; i < entry->sites; i++)
		if (matched >> i & 1)
			sum += zone->site[entry->first_site + i].weight;
	return sum;
}

/* Match_address, to be inlined like the next: both are on the path of answers. */
static inline bool
address_match(const struct policy_zone *zone, const struct policy_zone_list *entry,
    uint32_t address, uint32_t *matched, bool *listed)
{
	const struct policy_list *list = entry->list;

	if (any_match(list->errors, list->errors_count, address))
		return false;
	*listed = any_match(list->listed, list->listed_count, address);
	*matched = sites_matched(zone, entry, address, *listed);
	return true;
}

static inline bool
reply_match(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct answers *answers, uint32_t *matched)
{
	bool understood = false;
	uint32_t all = 0;

	for (uint32_t i = 0; i < answers->count; i++) {
		uint32_t here;
		bool listed;

		if (!address_match(zone, entry, answers->address[i], &here, &listed))
			return false;
		understood = understood || listed || here != 0;
		all |= here;
	}
	*matched = all;
	return understood;
}

bool
match_address(const struct policy_zone *zone, const struct policy_zone_list *entry,
    uint32_t address, uint32_t *matched, bool *listed)
{
	return address_match(zone, entry, address, matched, listed);
}

bool
match_too_stale(
    const struct policy_zone *zone, const struct policy_zone_list *entry, uint16_t stale)
{
	return stale > MATCH_STALE_TRUST &&
	       (entry->low < 0 || entry->neutral != 0 || zone->kind == POLICY_ALLOW);
}

bool
match_reply(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct answers *answers, uint32_t *matched)
{
	return reply_match(zone, entry, answers, matched);
}

bool
match_weigh(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct answers *answers, int32_t *score)
{
	uint32_t matched;

	if (!reply_match(zone, entry, answers, &matched))
		return false;
	*score += match_sum(zone, entry, matched);
	return true;
}

__attribute__((noinline)) uint32_t
match_work_out(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct evidence_book *book, uint16_t said)
{
	unsigned set = said - EVIDENCE_ANSWERS;
	int32_t sum = 0;
	bool understood =
	    match_weigh(zone, entry, evidence_answers(book, entry->list->number, said), &sum);
	uint32_t memo = (uint32_t)sum << 2 | (uint32_t)understood << 1 | 1;

	if (set < POLICY_MEMO)
		atomic_store_explicit(&entry->memo[set], memo, memory_order_relaxed);
	return memo;
}
