#include "aggregate/share.h"

#include "aggregate/match.h"

/* What one list said, before others are looked at. */
static void
read_share(const struct policy_zone *zone, size_t i, const struct subject *subject,
    const struct evidence_book *book, const struct evidence *evidence, struct share *share)
{
	const struct policy_zone_list *entry = &zone->list[i];
	unsigned list = entry->list->number;
	uint16_t said = evidence[list].said;

	*share = (struct share){.by = i};
	share->asked =
	    (entry->list->families >> subject->family & 1) != 0 && said != EVIDENCE_ABSENT;
	if (!share->asked)
		return;
	if (match_too_stale(zone, entry, evidence[list].stale))
		said = EVIDENCE_NONE;
	share->known =
	    said == EVIDENCE_CLEAR ||
	    (said >= EVIDENCE_ANSWERS &&
		match_reply(zone, entry, evidence_answers(book, list, said), &share->matched));
	if (!share->known)
		share->matched = 0;
	share->weight = match_sum(zone, entry, share->matched);
	share->cancels = (share->matched & entry->neutral) != 0;
}

/* Do positive weights count? Not in the score, and not for the lower end of the interval. */
struct cancelled {
	bool score, low;
	size_t by;
};

static struct cancelled
find_cancelled(const struct policy_zone *zone, const struct share *share)
{
	struct cancelled cancelled = {0};

	for (size_t i = 0; i < zone->lists; i++) {
		if (share[i].cancels && !cancelled.score)
			cancelled = (struct cancelled){.score = true, .low = true, .by = i};
		if (share[i].asked && !share[i].known && zone->list[i].may_cancel)
			cancelled.low = true;
	}
	return cancelled;
}

static void
weigh_share(const struct policy_zone *zone, const struct policy_zone_list *entry,
    struct cancelled cancelled, struct share *share)
{
	int32_t negative = match_sum(zone, entry, share->matched & entry->negative);
	int32_t *adds = share->adds;

	if (!share->known) {
		adds[SHARE_HIGH] = cancelled.score ? 0 : entry->high;
		adds[SHARE_LOW] = cancelled.low ? entry->lowest : entry->low;
		return;
	}
	adds[SHARE_SCORE] = adds[SHARE_HIGH] = cancelled.score ? negative : share->weight;
	adds[SHARE_LOW] = cancelled.low ? negative : share->weight;
	if (adds[SHARE_SCORE] != share->weight) {
		share->fate = SHARE_CANCELLED;
		share->by = cancelled.by;
	}
}

/* This list counts once with another: what it adds itself is void. */
static void
void_share(struct share *share, enum share_end end, size_t by)
{
	share->adds[end] = 0;
	if (end == SHARE_SCORE) {
		share->fate = SHARE_ONCE;
		share->by = by;
	}
}

/* Of each whole only the most and the least stay; of equals that of the whole, then the first. */
static void
count_once(const struct policy_zone *zone, enum share_end end, struct share *share)
{
	uint8_t most[EVIDENCE_LISTS_MAX], least[EVIDENCE_LISTS_MAX];

	for (size_t i = 0; i < zone->lists; i++)
		most[i] = least[i] = (uint8_t)i;
	for (size_t i = 0; i < zone->lists; i++) {
		size_t whole = zone->list[i].whole;

		if (share[i].adds[end] > share[most[whole]].adds[end])
			most[whole] = (uint8_t)i;
		if (share[i].adds[end] < share[least[whole]].adds[end])
			least[whole] = (uint8_t)i;
	}
	for (size_t i = 0; i < zone->lists; i++) {
		size_t whole = zone->list[i].whole;

		if (share[i].adds[end] > 0 && most[whole] != i)
			void_share(&share[i], end, most[whole]);
		else if (share[i].adds[end] < 0 && least[whole] != i)
			void_share(&share[i], end, least[whole]);
	}
}

void
share_out(const struct policy_zone *zone, const struct subject *subject,
    const struct evidence_book *book, const struct evidence *evidence,
    struct share share[EVIDENCE_LISTS_MAX])
{
	struct cancelled cancelled;

	for (size_t i = 0; i < zone->lists; i++)
		read_share(zone, i, subject, book, evidence, &share[i]);
	cancelled = find_cancelled(zone, share);
	for (size_t i = 0; i < zone->lists; i++)
		if (share[i].asked)
			weigh_share(zone, &zone->list[i], cancelled, &share[i]);
	for (enum share_end end = SHARE_SCORE; end < SHARE_ENDS; end++)
		count_once(zone, end, share);
}
