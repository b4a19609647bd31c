/*
 * Invariants: a question is in the free list or under way; upstream->in_flight counts the latter.
 */
#include "resolver/upstream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/text.h"
#include "resolver/context.h"
#include "resolver/log.h"
#include "resolver/reply.h"
#include "resolver/wire.h"

#define RETRY_LOG_MS 60000

struct asked {
	struct context_question question; /* first: libunbound's answer comes to it */
	struct asked *next;               /* of the free ones */
	struct upstream *upstream;
	struct ticket ticket;
	struct subject subject;
	unsigned list; /* number */
	int64_t asked_ms;
};

struct upstream {
	struct loop *loop;
	struct contexts contexts;
	struct evidence_book *book;
	const struct policy *policy;
	struct lookup *lookup;
	struct stats *stats;
	unsigned questions;
	_Atomic unsigned in_flight;
	struct stats_list list[EVIDENCE_LISTS_MAX];
	struct asked *asked, *free_asked;
	struct log_limit limit[EVIDENCE_LISTS_MAX];
	struct soa_seen {
		uint32_t ttl, at; /* its TTL, and when (s) it came; ttl 0: not yet */
	} soa[EVIDENCE_LISTS_MAX];
};

/*
 * No validator: lists are hardly ever signed, and its code is out of reach of hostile lists. No
 * qname minimisation: it doubles the questions, and lists answer it wrongly. The message cache is
 * off, so a list is asked again exactly when our evidence expires; the rrset cache keeps the
 * delegations.
 */
static const struct context_option options[] = {
    {"module-config:", "iterator"},
    {"qname-minimisation:", "no"},
    {"infra-cache-numhosts:", "2000"},
    {"msg-cache-size:", "0"},
    {"rrset-cache-size:", "1m"},
    {"neg-cache-size:", "0"},
    {"target-fetch-policy:", "0 0 0 0 0"},
    {"harden-below-nxdomain:", "no"},
};

/* Zones that libunbound would answer by itself, although a list may well live there. */
static const char *const builtin_zones[] = {"test.", "invalid.", "home.arpa.", NULL};

static void on_answer(struct context_question *question, const struct context_answer *said);

static bool
change_context(struct upstream *upstream, const struct policy *policy)
{
	const struct context_plan plan = {.option = options,
	    .options = sizeof options / sizeof options[0],
	    .sockets = upstream->questions,
	    .forward = policy->forward,
	    .forwards = policy->forwards,
	    .list = policy->numbered,
	    .without = builtin_zones};

	return contexts_change(&upstream->contexts, &plan);
}

struct upstream *
upstream_open(struct loop *loop, struct evidence_book *book, unsigned questions,
    const struct policy *policy, struct stats *stats)
{
	struct upstream *upstream = calloc(1, sizeof *upstream);

	assert(questions > 0 && questions <= UPSTREAM_QUESTIONS_MAX);
	if (upstream == NULL)
		return NULL;
	upstream->loop = loop;
	upstream->book = book;
	upstream->policy = policy;
	upstream->stats = stats;
	upstream->questions = questions;
	upstream->asked = calloc(questions, sizeof *upstream->asked);
	if (!contexts_open(&upstream->contexts, loop) || upstream->asked == NULL ||
	    !change_context(upstream, policy)) {
		upstream_close(upstream);
		return NULL;
	}
	for (unsigned i = questions; i-- > 0;) {
		upstream->asked[i].question.answered = on_answer;
		upstream->asked[i].upstream = upstream;
		upstream->asked[i].next = upstream->free_asked;
		upstream->free_asked = &upstream->asked[i];
	}
	return upstream;
}

void
upstream_close(struct upstream *upstream)
{
	if (upstream == NULL)
		return;
	contexts_close(&upstream->contexts);
	free(upstream->asked);
	free(upstream);
}

void
upstream_connect(struct upstream *upstream, struct lookup *lookup)
{
	upstream->lookup = lookup;
}

/* Does the list, by its own codes, refuse us in this reply? */
static bool
is_refusal(const struct policy_list *list, const struct answers *answers)
{
	for (uint32_t i = 0; i < answers->count; i++)
		for (size_t j = 0; j < list->errors_count; j++)
			if (pattern_match(&list->errors[j], answers->address[i]))
				return true;
	return false;
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
negative_ttl(struct upstream *upstream, unsigned number, const struct reply_answer *answer)
{
	struct soa_seen *seen = &upstream->soa[number];
	uint32_t now = (uint32_t)(loop_now_ms(upstream->loop) / 1000);
	uint32_t gone = now - seen->at, left = seen->ttl > gone ? seen->ttl - gone : 0;

	if (answer->soa_ttl > left + 1 || seen->ttl == 0)
		*seen = (struct soa_seen){.ttl = answer->soa_ttl, .at = now};
	return answer->soa_minimum < seen->ttl ? answer->soa_minimum : seen->ttl;
}

/* How long to keep an answer: the list's TTL in its bounds, failures and refusals briefly. */
static uint32_t
lifetime(struct upstream *upstream, unsigned number, const struct reply_answer *answer,
    const struct policy_list *list)
{
	if (list == NULL)
		return EVIDENCE_FAILURE_TTL; /* a reload took it away while it was asked */
	switch (answer->said) {
	case EVIDENCE_CLEAR:
		return answer->has_ttl ? bounded(negative_ttl(upstream, number, answer), list)
				       : list->min_ttl;
	case EVIDENCE_FOREIGN:
		return EVIDENCE_REFUSAL_TTL;
	case EVIDENCE_ANSWERS:
		return is_refusal(list, &answer->answers) ? EVIDENCE_REFUSAL_TTL
							  : bounded(answer->ttl, list);
	default:
		return EVIDENCE_FAILURE_TTL;
	}
}

static void
log_failure(struct upstream *upstream, unsigned number, const struct policy_list *list,
    const struct subject *subject, uint16_t said)
{
	struct log_limit *limit = &upstream->limit[number];
	char address[64];
	struct text text;

	if (!log_allowed(limit, loop_now_ms(upstream->loop), RETRY_LOG_MS))
		return;
	text_init(&text, address, sizeof address);
	subject_print(subject, &text);
	log_warning("list unknown list=%s why=\"%s\" subject=%s more=%u", list->name,
	    said >= EVIDENCE_ANSWERS ? "it refuses us with an error code" : evidence_word(said),
	    address, limit->suppressed);
	limit->suppressed = 0;
}

static struct evidence
make_evidence(struct upstream *upstream, unsigned number, const struct reply_answer *answer,
    const struct policy_list *list, const struct subject *subject)
{
	uint32_t now = (uint32_t)(loop_now_ms(upstream->loop) / 1000);
	struct evidence evidence = {
	    .said = answer->said, .expires = now + lifetime(upstream, number, answer, list)};

	if (answer->said == EVIDENCE_ANSWERS)
		evidence.said = evidence_intern(upstream->book, number, &answer->answers);
	if (evidence.said == EVIDENCE_DIVERSE) {
		evidence.expires = now + EVIDENCE_FAILURE_TTL;
		if (list != NULL)
			log_failure(upstream, number, list, subject, evidence.said);
	}
	return evidence;
}

static void
count(struct upstream *upstream, const struct asked *asked, const struct reply_answer *answer,
    const struct policy_list *list)
{
	struct stats_list *seen = &upstream->list[asked->list];
	bool refusal =
	    list != NULL && answer->said >= EVIDENCE_ANSWERS && is_refusal(list, &answer->answers);

	stats_list_took(seen, loop_now_ms(upstream->loop) - asked->asked_ms);
	if (answer->said == EVIDENCE_CLEAR || (answer->said >= EVIDENCE_ANSWERS && !refusal)) {
		stats_add(upstream->stats, STATS_ANSWERED);
		stats_raise(answer->said == EVIDENCE_CLEAR ? &seen->clear : &seen->listed);
		atomic_store_explicit(&seen->failures, 0, memory_order_relaxed);
		return;
	}
	stats_add(upstream->stats, STATS_FAILED);
	stats_raise(&seen->unknown);
	atomic_fetch_add_explicit(&seen->failures, 1, memory_order_relaxed);
	atomic_store_explicit(&seen->last_said, answer->said, memory_order_relaxed);
	if (list != NULL)
		log_failure(upstream, asked->list, list, &asked->subject, answer->said);
}

/* Hand on what a list said and let the question go. */
static void
finish(struct asked *asked, const struct reply_answer *answer)
{
	struct upstream *upstream = asked->upstream;
	const struct policy_list *list = upstream->policy->numbered[asked->list];
	struct ticket ticket = asked->ticket;
	struct subject subject = asked->subject;
	unsigned number = asked->list;

	count(upstream, asked, answer, list);
	asked->next = upstream->free_asked;
	upstream->free_asked = asked;
	upstream->in_flight--;
	lookup_evidence(upstream->lookup, loop_now_ms(upstream->loop), ticket, &subject, number,
	    make_evidence(upstream, number, answer, list, &subject));
}

static void
on_answer(struct context_question *question, const struct context_answer *said)
{
	struct reply_answer answer = {.said = EVIDENCE_FAILED};

	if (said->packet != NULL && said->security != CONTEXT_BOGUS)
		reply_read(&answer, said->packet, said->length);
	finish((struct asked *)(void *)question, &answer);
}

static struct asked *
take_asked(struct upstream *upstream, const struct policy_list *list, const struct subject *subject,
    struct ticket ticket)
{
	struct asked *asked = upstream->free_asked;

	if (asked == NULL)
		return NULL;
	upstream->free_asked = asked->next;
	upstream->in_flight++;
	asked->list = list->number;
	asked->subject = *subject;
	asked->asked_ms = loop_now_ms(upstream->loop);
	stats_raise(&upstream->list[list->number].asked);
	asked->ticket = ticket;
	return asked;
}

void
upstream_ask(struct upstream *upstream, const struct policy_list *list,
    const struct subject *subject, struct ticket ticket)
{
	struct reply_answer answer = {.said = EVIDENCE_OVERLOAD};
	struct asked *asked = take_asked(upstream, list, subject, ticket);
	char name[NAME_TEXT_MAX + 2];
	struct text text;

	if (asked == NULL) {
		lookup_evidence(upstream->lookup, loop_now_ms(upstream->loop), ticket, subject,
		    list->number, make_evidence(upstream, list->number, &answer, list, subject));
		return;
	}
	text_init(&text, name, sizeof name);
	subject_reverse(subject, &text);
	text_add(&text, ".");
	text_add(&text, list->query);
	stats_add(upstream->stats, STATS_ASKED);
	context_ask(&upstream->contexts, &asked->question, name, WIRE_A);
}

bool
upstream_policy(struct upstream *upstream, const struct policy *policy)
{
	bool good =
	    policy_same_upstream(upstream->policy, policy) || change_context(upstream, policy);

	upstream->policy = policy;
	return good;
}

unsigned
upstream_in_flight(const struct upstream *upstream)
{
	return atomic_load_explicit(&upstream->in_flight, memory_order_relaxed);
}

const struct stats_list *
upstream_list(const struct upstream *upstream, unsigned number)
{
	return &upstream->list[number];
}
