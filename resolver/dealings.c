#include "resolver/dealings.h"

#include <stdlib.h>

#include "aggregate/bits.h"
#include "aggregate/text.h"
#include "resolver/backoff.h"
#include "resolver/log.h"

#define LOG_EVERY_MS 60000

/* What we know of one list. */
struct dealing {
	struct backoff backoff;
	struct log_limit limit;
	uint32_t soa_ttl, soa_at; /* of its SOA record, and when (s) it came; ttl 0: not yet */
};

struct dealings {
	struct evidence_book *book;
	struct quota *quota;
	struct stats *stats;
	struct dealing dealing[EVIDENCE_LISTS_MAX];
	struct stats_list list[EVIDENCE_LISTS_MAX];
};

struct dealings *
dealings_open(
    struct evidence_book *book, struct quota quota[EVIDENCE_LISTS_MAX], struct stats *stats)
{
	struct dealings *dealings = calloc(1, sizeof *dealings);

	if (dealings == NULL)
		return NULL;
	dealings->book = book;
	dealings->quota = quota;
	dealings->stats = stats;
	return dealings;
}

void
dealings_close(struct dealings *dealings)
{
	free(dealings);
}

void
dealings_policy(struct dealings *dealings, const struct policy *policy)
{
	uint64_t moved[BITS_WORDS(EVIDENCE_LISTS_MAX)];

	policy_find_moved(policy, dealings->book, moved);
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		if (!bits_has(moved, i))
			continue;
		dealings->dealing[i] = (struct dealing){0};
		atomic_store_explicit(&dealings->list[i].failures, 0, memory_order_relaxed);
	}
}

static void
log_unknown(struct dealings *dealings, unsigned number, const struct policy_list *list,
    const struct subject *subject, const char *why, int64_t now_ms)
{
	struct log_limit *limit = &dealings->dealing[number].limit;
	char address[64];
	struct text text;

	if (list == NULL || !log_allowed(limit, now_ms, LOG_EVERY_MS))
		return;
	text_init(&text, address, sizeof address);
	subject_print(subject, &text);
	log_warning("list unknown list=%s why=\"%s\" subject=%s more=%u", list->name, why, address,
	    limit->suppressed);
	limit->suppressed = 0;
}

enum dealings_leave
dealings_ask(struct dealings *dealings, const struct policy_list *list, struct dealings_time time,
    uint16_t *said)
{
	struct dealing *dealing = &dealings->dealing[list->number];
	struct quota *quota = &dealings->quota[list->number];
	enum backoff_word word = backoff_ask(&dealing->backoff, time.now_ms);

	*said = EVIDENCE_DOWN;
	if (word == BACKOFF_SKIP)
		return DEALINGS_SPARE;
	if (!quota_take_second(quota, (uint32_t)(time.now_ms / 1000), list->max_qps))
		*said = EVIDENCE_RATE;
	else if (!quota_take_day(quota, time.wall, list->max_per_day))
		*said = EVIDENCE_BUDGET;
	else
		return word == BACKOFF_TRY ? DEALINGS_TRY : DEALINGS_ASK;
	if (word == BACKOFF_TRY)
		(void)backoff_bad(&dealing->backoff, time.now_ms);
	return DEALINGS_SPARE;
}

bool
dealings_test(struct dealings *dealings, const struct policy_list *list, struct dealings_time time)
{
	struct quota *quota = &dealings->quota[list->number];

	return quota_take_second(quota, (uint32_t)(time.now_ms / 1000), list->max_qps) &&
	       quota_take_day(quota, time.wall, list->max_per_day);
}

static uint32_t
bounded(uint32_t ttl, const struct policy_list *list)
{
	if (ttl < list->min_ttl)
		return list->min_ttl;
	return ttl > list->max_ttl ? list->max_ttl : ttl;
}

/*
 * The TTL of a negative answer. libunbound keeps the first copy of a list's SOA record, equal in
 * all its negative answers, and hands it out with what is left of its TTL; but this answer is
 * fresh. A TTL that is no longer than what the last whole one has left is such a copy.
 */
static uint32_t
negative_ttl(struct dealing *dealing, const struct reply_answer *answer, uint32_t now)
{
	uint32_t gone = now - dealing->soa_at;
	uint32_t left = dealing->soa_ttl > gone ? dealing->soa_ttl - gone : 0;

	if (answer->soa_ttl > left + 1 || dealing->soa_ttl == 0) {
		dealing->soa_ttl = answer->soa_ttl;
		dealing->soa_at = now;
	}
	return answer->soa_minimum < dealing->soa_ttl ? answer->soa_minimum : dealing->soa_ttl;
}

/* How long it is remembered that a list is unknown, for a reason of the fixed ones. */
static struct evidence
unknown(const struct dealing *dealing, uint16_t said, int64_t now_ms)
{
	const struct backoff *backoff = &dealing->backoff;
	uint32_t seconds = EVIDENCE_FAILURE_TTL;

	if (said == EVIDENCE_DOWN)
		seconds = backoff->again_ms > now_ms
			      ? (uint32_t)((backoff->again_ms - now_ms + 999) / 1000)
			      : 1;
	else if (said == EVIDENCE_RATE)
		seconds = 1;
	else if (said == EVIDENCE_FOREIGN || said == EVIDENCE_BUDGET)
		seconds = EVIDENCE_REFUSAL_TTL;
	return (struct evidence){.said = said, .expires = (uint32_t)(now_ms / 1000) + seconds};
}

struct evidence
dealings_spare(struct dealings *dealings, const struct policy_list *list,
    const struct subject *subject, uint16_t said, int64_t now_ms)
{
	if (said != EVIDENCE_DOWN) /* that has a line of its own */
		log_unknown(dealings, list->number, list, subject, evidence_word(said), now_ms);
	return unknown(&dealings->dealing[list->number], said, now_ms);
}

void
dealings_asked(struct dealings *dealings, unsigned number)
{
	stats_add(dealings->stats, STATS_ASKED);
	stats_raise(&dealings->list[number].asked);
}

/* The list's reply as evidence: its TTL in our bounds, failures and refusals briefly. */
static struct evidence
make_evidence(struct dealings *dealings, unsigned number, const struct policy_list *list,
    const struct reply_answer *answer, const char *refusal, int64_t now_ms)
{
	struct evidence evidence = unknown(&dealings->dealing[number], answer->said, now_ms);
	uint32_t now = (uint32_t)(now_ms / 1000);

	if (answer->said == EVIDENCE_ANSWERS)
		evidence.said = evidence_intern(dealings->book, number, &answer->answers);
	if (list == NULL || evidence.said == EVIDENCE_DIVERSE)
		return evidence; /* a reload took it away while it was asked; or it babbles */
	if (refusal != NULL)
		evidence.expires = now + EVIDENCE_REFUSAL_TTL;
	else if (answer->said == EVIDENCE_ANSWERS)
		evidence.expires = now + bounded(answer->ttl, list);
	else if (answer->said == EVIDENCE_CLEAR && !answer->has_ttl)
		evidence.expires = now + list->min_ttl;
	else if (answer->said == EVIDENCE_CLEAR)
		evidence.expires =
		    now + bounded(negative_ttl(&dealings->dealing[number], answer, now), list);
	return evidence;
}

static void
note_failure(struct dealings *dealings, unsigned number, const struct policy_list *list,
    uint16_t said, uint32_t code, const char *why, int64_t now_ms)
{
	struct stats_list *seen = &dealings->list[number];

	atomic_fetch_add_explicit(&seen->failures, 1, memory_order_relaxed);
	atomic_store_explicit(&seen->last_said, said, memory_order_relaxed);
	atomic_store_explicit(&seen->last_code, code, memory_order_relaxed);
	if (backoff_bad(&dealings->dealing[number].backoff, now_ms) && list != NULL)
		log_warning("list down list=%s why=\"%s\" failures=%d: asked in the background "
			    "until it answers",
		    list->name, why, BACKOFF_FAILURES);
}

static void
note_success(struct dealings *dealings, unsigned number, const struct policy_list *list)
{
	struct stats_list *seen = &dealings->list[number];

	atomic_store_explicit(&seen->failures, 0, memory_order_relaxed);
	if (backoff_good(&dealings->dealing[number].backoff) && list != NULL)
		log_info("list up list=%s", list->name);
}

/* It took longer than timeout-ms. */
static void
note_late(
    struct dealings *dealings, unsigned number, const struct policy_list *list, int64_t now_ms)
{
	note_failure(
	    dealings, number, list, EVIDENCE_TIMEOUT, 0, evidence_word(EVIDENCE_TIMEOUT), now_ms);
}

void
dealings_late(struct dealings *dealings, const struct policy_list *list,
    const struct subject *subject, int64_t now_ms)
{
	log_unknown(dealings, list->number, list, subject, evidence_word(EVIDENCE_TIMEOUT), now_ms);
	note_late(dealings, list->number, list, now_ms);
}

/* The list is of use: it answered, and no failure of it is to be counted. */
static void
take_answer(struct dealings *dealings, unsigned number, const struct policy_list *list,
    uint16_t said, bool late, int64_t now_ms)
{
	struct stats_list *seen = &dealings->list[number];

	stats_add(dealings->stats, STATS_ANSWERED);
	stats_raise(said == EVIDENCE_CLEAR ? &seen->clear : &seen->listed);
	if (!late)
		note_success(dealings, number, list);
	else if (dealings->dealing[number].backoff.trying)
		note_late(dealings, number, list, now_ms);
}

struct evidence
dealings_take(struct dealings *dealings, unsigned number, const struct policy_list *list,
    const struct subject *subject, const struct reply_answer *answer, int64_t asked_ms,
    int64_t now_ms)
{
	struct stats_list *seen = &dealings->list[number];
	uint32_t code = 0;
	const char *refusal = list == NULL || answer->said != EVIDENCE_ANSWERS
				  ? NULL
				  : policy_refusal(list, &answer->answers, &code);
	bool late = list != NULL && now_ms - asked_ms >= list->timeout_ms; /* counted then */
	/* libunbound has given up waiting, or a server has failed, after we gave up the list */
	uint16_t said = late && answer->said == EVIDENCE_FAILED ? EVIDENCE_TIMEOUT : answer->said;
	const char *why = refusal != NULL ? refusal : evidence_word(said);
	struct evidence evidence;

	stats_list_took(seen, now_ms - asked_ms);
	if (refusal == NULL && evidence_is_answer(answer->said)) {
		take_answer(dealings, number, list, answer->said, late, now_ms);
		return make_evidence(dealings, number, list, answer, refusal, now_ms);
	}
	stats_add(dealings->stats, STATS_FAILED);
	stats_raise(&seen->unknown);
	if (refusal != NULL)
		stats_list_refused(seen, code);
	log_unknown(dealings, number, list, subject, why, now_ms);
	if (!late || dealings->dealing[number].backoff.trying)
		note_failure(dealings, number, list, said, code, why, now_ms);
	evidence = make_evidence(dealings, number, list, answer, refusal, now_ms);
	if (said == EVIDENCE_TIMEOUT)
		evidence.said = said;
	return evidence;
}

const struct stats_list *
dealings_list(const struct dealings *dealings, unsigned number)
{
	return &dealings->list[number];
}
