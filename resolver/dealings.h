/*
 * dealings - how we get on with each list: may it be asked, what its replies are worth, how it does
 *
 * One for each shard, used by its thread; only the quotas are shared by all. It turns a checked
 * reply into evidence with a lifetime, counts, backs off from a list that fails, and logs what an
 * operator must know, at most once a minute for each list.
 */
#ifndef RESOLVER_DEALINGS_H
#define RESOLVER_DEALINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/evidence.h"
#include "aggregate/policy.h"
#include "aggregate/quota.h"
#include "aggregate/stats.h"
#include "aggregate/subject.h"
#include "resolver/reply.h"

struct dealings;

/* Now, on both clocks: ms that never go back, and the wall's seconds. */
struct dealings_time {
	int64_t now_ms;
	uint32_t wall;
};

/* `quota` is by list number. NULL without memory. All four outlive it. */
struct dealings *dealings_open(
    struct evidence_book *book, struct quota quota[EVIDENCE_LISTS_MAX], struct stats *stats);
void dealings_close(struct dealings *dealings);

/* The lists as they are now; what failed where a list was asked before is of no account. */
void dealings_policy(struct dealings *dealings, const struct policy *policy);

enum dealings_leave {
	DEALINGS_ASK,  /* ask, and wait for it */
	DEALINGS_TRY,  /* ask, but wait for nothing: it is down, as far as we know */
	DEALINGS_SPARE /* do not ask */
};

/*
 * May the list be asked now? Unless DEALINGS_ASK, *said is what is known of the subject at once:
 * EVIDENCE_DOWN, or EVIDENCE_RATE or _BUDGET when it is over max-qps or max-per-day.
 */
enum dealings_leave dealings_ask(struct dealings *dealings, const struct policy_list *list,
    struct dealings_time time, uint16_t *said);

/* May it be put to a test now? The list counts that as a question, so max-qps and max-per-day do.
 */
bool dealings_test(
    struct dealings *dealings, const struct policy_list *list, struct dealings_time time);

/* The evidence that it is not asked: `said` as above, or EVIDENCE_OVERLOAD. */
struct evidence dealings_spare(struct dealings *dealings, const struct policy_list *list,
    const struct subject *subject, uint16_t said, int64_t now_ms);

/* It is asked. */
void dealings_asked(struct dealings *dealings, unsigned number);

/* It has not answered in its timeout-ms. */
void dealings_late(struct dealings *dealings, const struct policy_list *list,
    const struct subject *subject, int64_t now_ms);

/*
 * It has answered, or failed. `list` is NULL when a reload took it away meanwhile; `number` is
 * its number all the same.
 */
struct evidence dealings_take(struct dealings *dealings, unsigned number,
    const struct policy_list *list, const struct subject *subject,
    const struct reply_answer *answer, int64_t asked_ms, int64_t now_ms);

/* What was seen of a list, by its number; any thread. */
const struct stats_list *dealings_list(const struct dealings *dealings, unsigned number);

#endif
