/*
 * match - what the sites of one list of a zone make of its reply, and what that weighs; pure
 *
 * On the path of every answer: what the few sets of answers of a list come to is remembered.
 */
#ifndef AGGREGATE_MATCH_H
#define AGGREGATE_MATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "aggregate/evidence.h"
#include "aggregate/policy.h"

#define MATCH_STALE_TRUST 15 /* minutes that expired evidence may speak for a subject */

/*
 * Has this evidence expired too long ago to stand in for the list here? Trust is not lent for
 * long: an allow list that is gone must not go on clearing subjects. `stale` as in struct evidence.
 */
bool match_too_stale(
    const struct policy_zone *zone, const struct policy_zone_list *entry, uint16_t stale);

/*
 * What the sites of one list make of a reply: bit i of *matched tells whether site i of the list
 * matches. False when the reply means "unknown" here: it holds an error code, or nothing in it is
 * `listed` or picked by a site.
 */
bool match_reply(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct answers *answers, uint32_t *matched);

/* The same of one address of a reply, which may be `listed` and matched by no site. */
bool match_address(const struct policy_zone *zone, const struct policy_zone_list *entry,
    uint32_t address, uint32_t *matched, bool *listed);

/* The weights of these sites of the list. */
int32_t match_sum(
    const struct policy_zone *zone, const struct policy_zone_list *entry, uint32_t matched);

/* Match_reply and match_sum: the weights of the sites that match are added to *score. */
bool match_weigh(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct answers *answers, int32_t *score);

/* The same, to be remembered: the sum times 4, 2 if it is understood, and 1. */
uint32_t match_work_out(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct evidence_book *book, uint16_t said);

/* Its two parts. */
static inline bool
match_is_understood(uint32_t memo)
{
	return (memo & 2) != 0;
}

static inline int32_t
match_worked_out(uint32_t memo)
{
	return (int32_t)memo >> 2;
}

/* What match_work_out came to, 0 when it was not done yet or `said` names no set. Any thread. */
static inline uint32_t
match_remembered(const struct policy_zone_list *entry, uint16_t said)
{
	unsigned set = (unsigned)said - EVIDENCE_ANSWERS;

	return set < POLICY_MEMO ? atomic_load_explicit(&entry->memo[set], memory_order_relaxed)
				 : 0;
}

/*
 * match_weigh of a set that the book holds. The sets of a list are few, so what they come to is
 * worked out once in the life of a policy. Any thread, after compile_policy.
 */
static inline bool
match_weigh_said(const struct policy_zone *zone, const struct policy_zone_list *entry,
    const struct evidence_book *book, uint16_t said, int32_t *score)
{
	uint32_t memo = match_remembered(entry, said);

	if (memo == 0)
		memo = match_work_out(zone, entry, book, said);
	*score += match_worked_out(memo);
	return match_is_understood(memo);
}

#endif
