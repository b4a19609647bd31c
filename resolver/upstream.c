/*
 * Invariants: a question is in the free list or under way; context->in_flight counts those under
 * way in it. A context that is not the current one is deleted when its last question has ended,
 * by the timer and never inside a callback: libunbound can't survive that.
 */
#include "resolver/upstream.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound-event.h>
#include <unbound.h>

#include "aggregate/text.h"
#include "resolver/log.h"
#include "resolver/reply.h"
#include "resolver/ubevent.h"

#define OPTION_MAX 32
#define RETRY_LOG_MS 60000

/* A libunbound context and how many questions it has under way. */
struct context {
	struct context *next;
	struct ub_ctx *ub;
	unsigned in_flight;
};

struct asked {
	struct asked *next; /* of the free ones */
	struct upstream *upstream;
	struct context *context;
	struct ticket ticket;
	struct subject subject;
	unsigned list; /* number */
	int64_t asked_ms;
};

struct upstream {
	struct loop *loop;
	struct ub_event_base *base;
	struct context *context; /* the current one first, then those that run dry */
	struct loop_timer reaper;
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

/* libunbound's set-up writes variables that all its contexts share. */
static pthread_mutex_t setting_up = PTHREAD_MUTEX_INITIALIZER;

struct option {
	const char *name, *value;
};

/*
 * No validator: lists are hardly ever signed, and its code is out of reach of hostile lists. No
 * qname minimisation: it doubles the questions, and lists answer it wrongly. The message cache is
 * off, so a list is asked again exactly when our evidence expires; the rrset cache keeps the
 * delegations. How long a list may take is judged by its timeout-ms, so libunbound is patient: a
 * server is dead to it when it took 8 s, and is tried again after 20.
 */
static const struct option fixed_options[] = {
    {"module-config:", "iterator"},
    {"qname-minimisation:", "no"},
    {"outgoing-num-tcp:", "32"},
    {"outbound-msg-retry:", "2"},
    {"unknown-server-time-limit:", "2000"},
    {"infra-cache-min-rtt:", "500"}, /* a quick list may hesitate once */
    {"infra-cache-max-rtt:", "8000"},
    {"infra-host-ttl:", "20"},
    {"infra-cache-numhosts:", "2000"},
    {"msg-cache-size:", "0"},
    {"rrset-cache-size:", "1m"},
    {"neg-cache-size:", "0"},
    {"cache-max-ttl:", "604800"}, /* the bounds are ours: max-ttl of the list */
    {"cache-max-negative-ttl:", "604800"},
    {"target-fetch-policy:", "0 0 0 0 0"},
    {"minimal-responses:", "yes"},
    {"edns-buffer-size:", "1232"},
    {"harden-below-nxdomain:", "no"},
    {"verbosity:", "0"},
};

/* Zones that libunbound would answer by itself, although a list may well live there. */
static const char *const builtin_zones[] = {"test.", "invalid.", "home.arpa."};

static bool
failed(const char *what, const char *value, int error)
{
	if (error != 0)
		log_error("cannot set up libunbound: %s %s: %s", what, value, ub_strerror(error));
	return error != 0;
}

static bool
set_options(struct ub_ctx *ub, unsigned questions)
{
	char range[16];

	for (size_t i = 0; i < sizeof fixed_options / sizeof fixed_options[0]; i++) {
		const struct option *option = &fixed_options[i];

		if (failed(option->name, option->value,
			ub_ctx_set_option(ub, option->name, option->value)))
			return false;
	}
	(void)snprintf(range, sizeof range, "%u", questions);
	return !failed("outgoing-range:", range, ub_ctx_set_option(ub, "outgoing-range:", range));
}

static bool
set_servers(struct ub_ctx *ub, const struct policy *policy)
{
	char address[80];

	for (size_t i = 0; i < policy->forwards; i++) {
		const struct policy_server *server = &policy->forward[i];

		(void)snprintf(address, sizeof address, "%s@%u", server->address, server->port);
		if (failed("forward", address, ub_ctx_set_fwd(ub, address)))
			return false;
	}
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		const struct policy_list *list = policy->numbered[i];

		for (size_t j = 0; list != NULL && j < list->servers; j++) {
			(void)snprintf(address, sizeof address, "%s@%u", list->server[j].address,
			    list->server[j].port);
			if (failed("server", address, ub_ctx_set_stub(ub, list->query, address, 0)))
				return false;
		}
	}
	return true;
}

static void
on_primed(void *argument, int rcode, void *packet, int length, int security, char *why_bogus,
    int rate_limited)
{
	(void)argument;
	(void)rcode;
	(void)packet;
	(void)length;
	(void)security;
	(void)why_bogus;
	(void)rate_limited;
}

/* Options, servers, and one question that libunbound answers by itself: all set-up is done then. */
static bool
prepare(struct ub_ctx *ub, const struct policy *policy, unsigned questions)
{
	int id;

	if (!set_options(ub, questions) || !set_servers(ub, policy))
		return false;
	for (size_t i = 0; i < sizeof builtin_zones / sizeof builtin_zones[0]; i++)
		if (failed("zone", builtin_zones[i], ub_ctx_zone_remove(ub, builtin_zones[i])))
			return false;
	return !failed(
	    "question", "localhost", ub_resolve_event(ub, "localhost", 1, 1, NULL, on_primed, &id));
}

static struct context *
open_context(struct upstream *upstream, const struct policy *policy)
{
	struct context *context = calloc(1, sizeof *context);
	bool good = false;

	if (context == NULL)
		return NULL;
	pthread_mutex_lock(&setting_up);
	context->ub = ub_ctx_create_ub_event(upstream->base);
	if (context->ub != NULL)
		good = prepare(context->ub, policy, upstream->questions);
	pthread_mutex_unlock(&setting_up);
	if (good)
		return context;
	/* the context stays: deleting a half-made one crashes libunbound 1.17.1 */
	free(context);
	return NULL;
}

static void
close_context(struct context *context)
{
	pthread_mutex_lock(&setting_up);
	ub_ctx_delete(context->ub);
	pthread_mutex_unlock(&setting_up);
	free(context);
}

/* Delete the contexts that have run dry. */
static void
on_reap(struct loop_timer *timer)
{
	struct upstream *upstream =
	    (struct upstream *)(void *)((char *)timer - offsetof(struct upstream, reaper));
	struct context **link = &upstream->context->next;

	while (*link != NULL) {
		struct context *context = *link;

		if (context->in_flight > 0) {
			link = &context->next;
			continue;
		}
		*link = context->next;
		close_context(context);
	}
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
	upstream->reaper.expired = on_reap;
	upstream->asked = calloc(questions, sizeof *upstream->asked);
	upstream->base = ubevent_open(loop);
	if (upstream->asked != NULL && upstream->base != NULL)
		upstream->context = open_context(upstream, policy);
	if (upstream->context == NULL) {
		upstream_close(upstream);
		return NULL;
	}
	for (unsigned i = questions; i-- > 0;) {
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
	loop_timer_clear(upstream->loop, &upstream->reaper);
	while (upstream->context != NULL) {
		struct context *context = upstream->context;

		upstream->context = context->next;
		close_context(context);
	}
	if (upstream->base != NULL)
		ubevent_close(upstream->base);
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
	if (asked->context != NULL && --asked->context->in_flight == 0 &&
	    asked->context != upstream->context)
		(void)loop_timer_set(
		    upstream->loop, &upstream->reaper, loop_now_ms(upstream->loop));
	lookup_evidence(upstream->lookup, loop_now_ms(upstream->loop), ticket, &subject, number,
	    make_evidence(upstream, number, answer, list, &subject));
}

static void
on_answer(void *argument, int rcode, void *packet, int length, int security, char *why_bogus,
    int rate_limited)
{
	struct reply_answer answer = {.said = EVIDENCE_FAILED};

	(void)why_bogus;
	(void)rate_limited;
	/* with an rcode the packet is garbage; 1 is bogus, which libunbound calls a success */
	if (rcode == 0 && packet != NULL && length > 0 && security != 1)
		reply_read(&answer, packet, (size_t)length);
	finish(argument, &answer);
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
	asked->context = NULL;
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
	int id, error;

	if (asked == NULL) {
		lookup_evidence(upstream->lookup, loop_now_ms(upstream->loop), ticket, subject,
		    list->number, make_evidence(upstream, list->number, &answer, list, subject));
		return;
	}
	text_init(&text, name, sizeof name);
	subject_reverse(subject, &text);
	text_add(&text, ".");
	text_add(&text, list->query);
	asked->context = upstream->context;
	asked->context->in_flight++;
	stats_add(upstream->stats, STATS_ASKED);
	error = ub_resolve_event(asked->context->ub, name, 1, 1, asked, on_answer, &id);
	if (error != 0) {
		answer.said = EVIDENCE_FAILED;
		finish(asked, &answer);
	}
}

bool
upstream_policy(struct upstream *upstream, const struct policy *policy)
{
	struct context *context = NULL;
	bool same = policy_same_upstream(upstream->policy, policy);

	if (!same) {
		context = open_context(upstream, policy);
		if (context != NULL) {
			context->next = upstream->context;
			upstream->context = context;
			(void)loop_timer_set(
			    upstream->loop, &upstream->reaper, loop_now_ms(upstream->loop));
		}
	}
	upstream->policy = policy;
	return same || context != NULL;
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
