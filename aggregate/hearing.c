#include "aggregate/hearing.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/match.h"
#include "aggregate/testimony.h"

/* What the lists said of a subject last: 2 bits a list would do, a byte is simpler. */
struct heard {
	bool used;
	struct subject subject;
	uint8_t last[EVIDENCE_LISTS_MAX]; /* by the zone's entries: 0 nothing, 1 clear, 2 hit */
};

struct hearing {
	const struct policy_zone *zone;
	struct evidence_book *book;
	struct worth worth[EVIDENCE_LISTS_MAX];
	uint32_t overlap[EVIDENCE_LISTS_MAX];
	struct heard *heard; /* hash table, at most half full */
	size_t slots, used;
};

void
hearing_evidence(const struct policy *policy, struct evidence_book *book, const char *said,
    struct evidence evidence[EVIDENCE_LISTS_MAX])
{
	struct testimony one;

	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++)
		evidence[i] = (struct evidence){.expires = UINT32_MAX, .said = EVIDENCE_FAILED};
	while (testimony_next(&said, &one)) {
		const struct policy_list *list = policy_list_find(policy, one.list);

		if (list == NULL || !list->used || one.state == TESTIMONY_UNKNOWN)
			continue;
		evidence[list->number].said =
		    one.state == TESTIMONY_CLEAR
			? EVIDENCE_CLEAR
			: evidence_intern(book, list->number, &one.answers);
	}
}

void
hearing_verdict(const struct policy_zone *zone, const struct subject *subject,
    const struct evidence_book *book, const struct evidence *evidence, struct verdict *verdict)
{
	verdict_decide(zone, subject, NULL, book, evidence, 0, 0, verdict);
	verdict_close(zone, verdict);
}

bool
hearing_hit(const struct policy_zone *zone, size_t i, const struct evidence_book *book,
    const struct evidence *evidence)
{
	const struct policy_zone_list *entry = &zone->list[i];
	uint16_t said = evidence[entry->list->number].said;
	uint32_t matched;

	if (said < EVIDENCE_ANSWERS ||
	    !match_reply(zone, entry, evidence_answers(book, entry->list->number, said), &matched))
		return false;
	for (size_t j = 0; j < entry->sites; j++)
		if ((matched >> j & 1) != 0 && zone->site[entry->first_site + j].weight != 0)
			return true;
	return false;
}

struct hearing *
hearing_open(const struct policy_zone *zone, struct evidence_book *book)
{
	struct hearing *hearing = calloc(1, sizeof *hearing);

	if (hearing == NULL)
		return NULL;
	hearing->zone = zone;
	hearing->book = book;
	hearing->slots = 64;
	hearing->heard = calloc(hearing->slots, sizeof *hearing->heard);
	if (hearing->heard == NULL) {
		free(hearing);
		return NULL;
	}
	return hearing;
}

void
hearing_close(struct hearing *hearing)
{
	if (hearing == NULL)
		return;
	free(hearing->heard);
	free(hearing);
}

static struct heard *
find_heard(struct hearing *hearing, const struct subject *subject)
{
	/* not the number in subject_hash: with it all IPv4 addresses would be one */
	static const uint64_t key[2] = {0x2545f4914f6cdd1du, 0xd1342543de82ef95u};
	size_t at = (size_t)subject_hash(subject, 0, key);

	for (;; at++) {
		struct heard *heard = &hearing->heard[at & (hearing->slots - 1)];

		if (!heard->used || subject_equal(&heard->subject, subject))
			return heard;
	}
}

static bool
make_room(struct hearing *hearing)
{
	struct heard *old = hearing->heard;
	size_t slots = hearing->slots;

	if (hearing->used * 2 < slots)
		return true;
	hearing->heard = calloc(2 * slots, sizeof *hearing->heard);
	if (hearing->heard == NULL) {
		hearing->heard = old;
		return false;
	}
	hearing->slots = 2 * slots;
	for (size_t i = 0; i < slots; i++)
		if (old[i].used)
			*find_heard(hearing, &old[i].subject) = old[i];
	free(old);
	return true;
}

static bool
is_pivotal(const struct hearing *hearing, const struct subject *subject,
    const struct evidence *evidence, unsigned list)
{
	struct evidence without[EVIDENCE_LISTS_MAX];
	struct verdict with, verdict;

	hearing_verdict(hearing->zone, subject, hearing->book, evidence, &with);
	memcpy(without, evidence, sizeof without);
	without[list].said = EVIDENCE_ABSENT;
	hearing_verdict(hearing->zone, subject, hearing->book, without, &verdict);
	return with.state == VERDICT_LISTED && verdict.state != VERDICT_LISTED;
}

bool
hearing_add(struct hearing *hearing, const struct subject *subject, bool spam,
    const struct evidence *evidence)
{
	const struct policy_zone *zone = hearing->zone;
	struct heard *heard;
	unsigned hits = 0;

	if (!make_room(hearing))
		return false;
	heard = find_heard(hearing, subject);
	hearing->used += !heard->used;
	heard->used = true;
	heard->subject = *subject;
	for (size_t i = 0; i < zone->lists; i++)
		hits += hearing_hit(zone, i, hearing->book, evidence);
	for (size_t i = 0; i < zone->lists; i++) {
		unsigned number = zone->list[i].list->number;
		bool hit = hearing_hit(zone, i, hearing->book, evidence);

		if ((!hit && evidence[number].said != EVIDENCE_CLEAR) ||
		    heard->last[i] == (hit ? 2 : 1))
			continue;
		heard->last[i] = hit ? 2 : 1;
		worth_count(&hearing->worth[i], spam, hit);
		if (!spam || !hit)
			continue;
		*(hits == 1 ? &hearing->worth[i].unique : &hearing->overlap[i]) += 1;
		hearing->worth[i].pivotal += is_pivotal(hearing, subject, evidence, number);
	}
	return true;
}

const struct worth *
hearing_worth(const struct hearing *hearing, size_t i, uint32_t *overlap)
{
	*overlap = hearing->overlap[i];
	return &hearing->worth[i];
}
