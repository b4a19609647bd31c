#include "aggregate/share.h"

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
	share->known =
	    said == EVIDENCE_CLEAR ||
	    (said >= EVIDENCE_ANSWERS &&
		policy_match(zone, entry, evidence_answers(book, list, said), &share->matched));
	if (!share->known)
		share->matched = 0;
	share->weight = policy_sum(zone, entry, share->matched);
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
	int32_t negative = policy_sum(zone, entry, share->matched & entry->negative);

	if (!share->known) {
		share->high = cancelled.score ? 0 : entry->high;
		share->low = cancelled.low ? entry->lowest : entry->low;
		return;
	}
	share->score = share->high = cancelled.score ? negative : share->weight;
	share->low = cancelled.low ? negative : share->weight;
	if (share->score != share->weight) {
		share->fate = SHARE_CANCELLED;
		share->by = cancelled.by;
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
}
