/*
 * Invariant: context->in_flight counts the questions under way in it. A context is deleted by the
 * timer and never inside a callback: libunbound can't survive that.
 */
#include "resolver/context.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound-event.h>
#include <unbound.h>

#include "resolver/log.h"
#include "resolver/ubevent.h"

struct context {
	struct context *next;
	struct ub_ctx *ub;
	unsigned in_flight;
};

#define PUSH_ZONE "push.invalid."
#define PUSH_SERVER "255.255.255.255"

/* libunbound's set-up writes variables that all its contexts share. */
static pthread_mutex_t setting_up = PTHREAD_MUTEX_INITIALIZER;

/*
 * Of the whole process. How long a list may take is judged by its timeout-ms, so libunbound is
 * patient: a server is dead to it when it took 8 s, and is tried again after infra-host-ttl. The
 * bounds on TTLs are ours too.
 */
static const struct context_option common_options[] = {
    {"unknown-server-time-limit:", "1200"},
    {"infra-cache-min-rtt:", "500"}, /* a quick server may hesitate once */
    {"infra-cache-max-rtt:", "8000"},
    {"infra-host-ttl:", "15"},
    {"outbound-msg-retry:", "2"},
    {"outgoing-num-tcp:", "32"},
    {"cache-max-ttl:", "604800"},
    {"cache-max-negative-ttl:", "604800"},
    {"minimal-responses:", "yes"},
    {"edns-buffer-size:", "1232"},
    {"verbosity:", "0"},
};

static bool
failed(const char *what, const char *value, int error)
{
	if (error != 0)
		log_error("cannot set up libunbound: %s %s: %s", what, value, ub_strerror(error));
	return error != 0;
}

static bool
set_options(struct ub_ctx *ub, const struct context_option *option, size_t options)
{
	for (size_t i = 0; i < options; i++)
		if (failed(option[i].name, option[i].value,
			ub_ctx_set_option(ub, option[i].name, option[i].value)))
			return false;
	return true;
}

static bool
set_forward(struct ub_ctx *ub, const struct context_plan *plan)
{
	char address[80];

	for (size_t i = 0; i < plan->forwards; i++) {
		(void)snprintf(address, sizeof address, "%s@%u", plan->forward[i].address,
		    plan->forward[i].port);
		if (failed("forward", address, ub_ctx_set_fwd(ub, address)))
			return false;
	}
	return true;
}

static bool
set_servers(struct ub_ctx *ub, const struct policy_list *list)
{
	char address[80];

	for (size_t i = 0; i < list->servers; i++) {
		(void)snprintf(address, sizeof address, "%s@%u", list->server[i].address,
		    list->server[i].port);
		if (failed("server", address, ub_ctx_set_stub(ub, list->query, address, 0)))
			return false;
	}
	return true;
}

/* What push_out needs; the plan leaves out the built-in zone above it. */
static bool
set_push_zone(struct ub_ctx *ub)
{
	return !failed("server", PUSH_ZONE, ub_ctx_set_stub(ub, PUSH_ZONE, PUSH_SERVER, 0)) &&
	       !failed("do-not-query-address:", PUSH_SERVER,
		   ub_ctx_set_option(ub, "do-not-query-address:", PUSH_SERVER));
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
prepare(struct ub_ctx *ub, const struct context_plan *plan)
{
	char sockets[16];
	int id;

	(void)snprintf(sockets, sizeof sockets, "%u", plan->sockets);
	if (!set_options(ub, common_options, sizeof common_options / sizeof common_options[0]) ||
	    !set_options(ub, plan->option, plan->options) ||
	    failed("outgoing-range:", sockets, ub_ctx_set_option(ub, "outgoing-range:", sockets)) ||
	    !set_forward(ub, plan) || (plan->fresh && !set_push_zone(ub)))
		return false;
	for (unsigned i = 0; plan->list != NULL && i < EVIDENCE_LISTS_MAX; i++)
		if (plan->list[i] != NULL && !set_servers(ub, plan->list[i]))
			return false;
	if (plan->trust_anchor != NULL &&
	    failed("trust-anchor", plan->trust_anchor, ub_ctx_add_ta_file(ub, plan->trust_anchor)))
		return false;
	for (size_t i = 0; plan->without != NULL && plan->without[i] != NULL; i++)
		if (failed("zone", plan->without[i], ub_ctx_zone_remove(ub, plan->without[i])))
			return false;
	return !failed(
	    "question", "localhost", ub_resolve_event(ub, "localhost", 1, 1, NULL, on_primed, &id));
}

static struct context *
open_context(struct contexts *contexts, const struct context_plan *plan)
{
	struct context *context = calloc(1, sizeof *context);
	bool good = false;

	if (context == NULL) {
		(void)failed("a", "context", UB_NOMEM);
		return NULL;
	}
	pthread_mutex_lock(&setting_up);
	context->ub = ub_ctx_create_ub_event(contexts->base);
	if (context->ub != NULL)
		good = prepare(context->ub, plan);
	else
		(void)failed("a", "context", UB_NOMEM);
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

/* Delete the former contexts that have run dry. */
static void
on_reap(struct loop_timer *timer)
{
	struct contexts *contexts =
	    (struct contexts *)(void *)((char *)timer - offsetof(struct contexts, reaper));
	struct context **link = &contexts->former;

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

bool
contexts_open(struct contexts *contexts, struct loop *loop)
{
	*contexts =
	    (struct contexts){.loop = loop, .base = ubevent_open(loop), .reaper.expired = on_reap};
	return contexts->base != NULL;
}

void
contexts_close(struct contexts *contexts)
{
	if (contexts->base == NULL)
		return;
	loop_timer_clear(contexts->loop, &contexts->reaper);
	if (contexts->current != NULL)
		close_context(contexts->current);
	contexts->current = NULL;
	while (contexts->former != NULL) {
		struct context *context = contexts->former;

		contexts->former = context->next;
		close_context(context);
	}
	/* a question that was answered just now may have set it */
	loop_timer_clear(contexts->loop, &contexts->reaper);
	ubevent_close(contexts->base);
	contexts->base = NULL;
}

static void
reap_soon(struct contexts *contexts)
{
	(void)loop_timer_set(contexts->loop, &contexts->reaper, loop_now_ms(contexts->loop));
}

bool
contexts_change(struct contexts *contexts, const struct context_plan *plan)
{
	struct context *old = contexts->current,
		       *new = plan == NULL ? NULL : open_context(contexts, plan);

	if (plan != NULL && new == NULL)
		return false;
	contexts->current = new;
	contexts->fresh = plan != NULL && plan->fresh;
	if (old != NULL) {
		old->next = contexts->former;
		contexts->former = old;
		reap_soon(contexts);
	}
	return true;
}

/* The question is its owner's again, who may ask another with it at once. */
static void
hand_over(struct context_question *question, const struct context_answer *answer)
{
	struct contexts *contexts = question->contexts;
	struct context *context = question->context;

	if (--context->in_flight == 0 && context != contexts->current)
		reap_soon(contexts);
	question->answered(question, answer);
}

static void
on_answer(void *argument, int rcode, void *packet, int length, int security, char *why_bogus,
    int rate_limited)
{
	struct context_question *question = argument;
	struct contexts *contexts = question->contexts;
	struct context_answer answer = {.why_bogus = why_bogus};

	(void)rate_limited;
	if (contexts->fresh && contexts->asking == question && rcode == 0) {
		contexts->kept = true; /* context_ask asks once more */
		return;
	}
	/* with an rcode the packet is garbage; bogus comes as a success */
	if (rcode == 0 && packet != NULL && length > 0) {
		answer.packet = packet;
		answer.length = (size_t)length;
	}
	if (security > 0)
		answer.security = security == 1 ? CONTEXT_BOGUS : CONTEXT_SECURE;
	hand_over(question, &answer);
}

/*
 * libunbound keeps one message even in a cache of size 0. A question that fails at once, because
 * its only server must not be asked, leaves its failure in the place of it.
 */
static void
push_out(struct context *context)
{
	int id;

	(void)ub_resolve_event(context->ub, PUSH_ZONE, 1, 1, NULL, on_primed, &id);
}

void
context_ask(
    struct contexts *contexts, struct context_question *question, const char *name, uint16_t type)
{
	static const struct context_answer none;
	struct context_question *outer = contexts->asking;
	struct context *context = contexts->current;
	int id, error;

	question->contexts = contexts;
	question->context = context;
	context->in_flight++;
	contexts->asking = question;
	contexts->kept = false;
	error = ub_resolve_event(context->ub, name, type, 1, question, on_answer, &id);
	if (contexts->kept) {
		contexts->kept = false;
		contexts->asking = NULL; /* whatever comes now is handed over */
		push_out(context);
		error = ub_resolve_event(context->ub, name, type, 1, question, on_answer, &id);
	}
	contexts->asking = outer;
	if (error != 0)
		hand_over(question, &none);
}
