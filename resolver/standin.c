#include "resolver/standin.h"

#include <stddef.h>

static struct standin_failure *
failure_of(struct standin *standin, const struct subject *subject, unsigned list, uint32_t *mark)
{
	uint64_t hash = cache_hash(standin->cache, subject) + list * UINT64_C(0x9e3779b97f4a7c15);

	*mark = (uint32_t)(hash >> 32) | 1;
	return &standin->failure[hash % STANDIN_FAILURES];
}

static void
remember_failure(
    struct standin *standin, const struct subject *subject, unsigned list, uint32_t until)
{
	uint32_t mark;
	struct standin_failure *failure = failure_of(standin, subject, list, &mark);

	*failure = (struct standin_failure){.mark = mark, .until = until};
}

bool
standin_failed_lately(
    struct standin *standin, const struct subject *subject, unsigned list, uint32_t now)
{
	uint32_t mark;
	const struct standin_failure *failure = failure_of(standin, subject, list, &mark);

	return failure->mark == mark && failure->until > now;
}

/* Does this mean that the list is of no use: silence, failure, or a refusal by its own codes? */
static bool
is_failure(const struct standin *standin, const struct policy *policy, unsigned number,
    struct evidence evidence)
{
	const struct policy_list *list = policy->numbered[number];

	if (!evidence_is_answer(evidence.said))
		return true;
	return evidence.said >= EVIDENCE_ANSWERS && list != NULL &&
	       policy_refusal(list, evidence_answers(standin->book, number, evidence.said), NULL) !=
		   NULL;
}

struct evidence
standin_for(struct evidence old, const struct policy *policy, uint32_t now)
{
	uint32_t gone = now - old.expires;

	if (old.said == EVIDENCE_NONE || old.expires > now)
		return old;
	if (gone >= policy->max_stale)
		return (struct evidence){.said = EVIDENCE_NONE};
	old.stale = (uint16_t)(gone / 60 + 1);
	old.expires = now + EVIDENCE_FAILURE_TTL;
	return old;
}

struct evidence
standin_take(const struct standin *standin, const struct policy *policy, unsigned list,
    uint32_t now, struct evidence evidence, struct evidence old)
{
	if (!is_failure(standin, policy, list, evidence))
		return evidence;
	old = standin_for(old, policy, now);
	return old.said != EVIDENCE_NONE ? old : evidence;
}

void
standin_keep(struct standin *standin, const struct policy *policy, const struct subject *subject,
    unsigned list, uint32_t now, struct evidence evidence)
{
	if (evidence.said == EVIDENCE_OVERLOAD)
		return; /* of us, not of the list */
	evidence_note_lifetime(standin->book, list, evidence.said, evidence.expires - now);
	if (!is_failure(standin, policy, list, evidence))
		cache_put(standin->cache, subject, list, now, evidence);
	else if (!cache_put_failure(
		     standin->cache, subject, list, now, evidence, policy->max_stale))
		remember_failure(standin, subject, list, evidence.expires);
}
