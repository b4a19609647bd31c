/*
 * Invariants: a question is in the free list or under way; upstream->in_flight counts the latter.
 */
#include "resolver/upstream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/text.h"
#include "resolver/context.h"
#include "resolver/dealings.h"
#include "resolver/log.h"
#include "resolver/reply.h"
#include "resolver/wire.h"

#define LIST_SHARE 4 /* a list may have one in so many of the questions under way */

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
	const struct policy *policy;
	struct lookup *lookup;
	struct dealings *dealings;
	unsigned questions;
	bool closing;
	_Atomic unsigned in_flight;
	unsigned list_in_flight[EVIDENCE_LISTS_MAX];
	struct asked *asked, *free_asked;
};

/*
 * No validator: lists are hardly ever signed, and its code is out of reach of hostile lists. No
 * qname minimisation: it doubles the questions, and lists answer it wrongly. The message cache is
 * as good as off, so a list is asked again exactly when our evidence expires: libunbound keeps one
 * message in each slab even so. The rrset cache keeps the delegations.
 */
static const struct context_option options[] = {
    {"module-config:", "iterator"},
    {"qname-minimisation:", "no"},
    {"infra-cache-numhosts:", "2000"},
    {"msg-cache-size:", "0"},
    {"msg-cache-slabs:", "1"},
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
    const struct policy *policy, struct quota *quota, struct stats *stats)
{
	struct upstream *upstream = calloc(1, sizeof *upstream);

	assert(questions > 0 && questions <= UPSTREAM_QUESTIONS_MAX);
	if (upstream == NULL)
		return NULL;
	upstream->loop = loop;
	upstream->policy = policy;
	upstream->questions = questions;
	upstream->asked = calloc(questions, sizeof *upstream->asked);
	upstream->dealings = dealings_open(book, quota, stats);
	if (!contexts_open(&upstream->contexts, loop) || upstream->asked == NULL ||
	    upstream->dealings == NULL || !change_context(upstream, policy)) {
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
	upstream->closing = true;
	contexts_close(&upstream->contexts);
	dealings_close(upstream->dealings);
	free(upstream->asked);
	free(upstream);
}

void
upstream_connect(struct upstream *upstream, struct lookup *lookup)
{
	upstream->lookup = lookup;
}

static void
hand_on(struct upstream *upstream, struct ticket ticket, const struct subject *subject,
    unsigned number, struct evidence evidence)
{
	lookup_evidence(
	    upstream->lookup, loop_now_ms(upstream->loop), ticket, subject, number, evidence);
}

/* Let the question go and hand on what the list said. */
static void
finish(struct asked *asked, const struct reply_answer *answer)
{
	struct upstream *upstream = asked->upstream;
	struct ticket ticket = asked->ticket;
	struct subject subject = asked->subject;
	unsigned number = asked->list;
	struct evidence evidence;

	if (upstream->closing)
		return; /* all of them end now, through no fault of the lists */
	evidence = dealings_take(upstream->dealings, number, upstream->policy->numbered[number],
	    &subject, answer, asked->asked_ms, loop_now_ms(upstream->loop));
	asked->next = upstream->free_asked;
	upstream->free_asked = asked;
	upstream->in_flight--;
	upstream->list_in_flight[number]--;
	hand_on(upstream, ticket, &subject, number, evidence);
}

static void
on_answer(struct context_question *question, const struct context_answer *said)
{
	struct reply_answer answer = {.said = EVIDENCE_FAILED};

	if (said->packet != NULL && said->security != CONTEXT_BOGUS)
		reply_read(&answer, said->packet, said->length);
	answer.cached = said->cached;
	finish((struct asked *)(void *)question, &answer);
}

static void
send_question(struct upstream *upstream, const struct policy_list *list,
    const struct subject *subject, struct ticket ticket)
{
	struct asked *asked = upstream->free_asked;
	char name[NAME_TEXT_MAX + 2];
	struct text text;

	upstream->free_asked = asked->next;
	upstream->in_flight++;
	upstream->list_in_flight[list->number]++;
	asked->list = list->number;
	asked->subject = *subject;
	asked->ticket = ticket;
	asked->asked_ms = loop_now_ms(upstream->loop);
	dealings_asked(upstream->dealings, list->number);
	text_init(&text, name, sizeof name);
	subject_reverse(subject, &text);
	text_add(&text, ".");
	text_add(&text, list->query);
	context_ask(&upstream->contexts, &asked->question, name, WIRE_A);
}

/* One list alone never takes all the questions: it may be about to be found dead. */
static bool
has_room(const struct upstream *upstream, const struct policy_list *list)
{
	return upstream->free_asked != NULL && !upstream->closing &&
	       upstream->list_in_flight[list->number] <
		   (upstream->questions + LIST_SHARE - 1) / LIST_SHARE;
}

void
upstream_ask(struct upstream *upstream, const struct policy_list *list,
    const struct subject *subject, struct ticket ticket)
{
	struct dealings_time time = {
	    .now_ms = loop_now_ms(upstream->loop), .wall = loop_wall(upstream->loop)};
	uint16_t said = EVIDENCE_OVERLOAD;
	enum dealings_leave leave = DEALINGS_SPARE;

	if (has_room(upstream, list))
		leave = dealings_ask(upstream->dealings, list, time, &said);
	if (leave == DEALINGS_ASK) {
		send_question(upstream, list, subject, ticket);
		return;
	}
	hand_on(upstream, ticket, subject, list->number,
	    dealings_spare(upstream->dealings, list, subject, said, time.now_ms));
	if (leave == DEALINGS_TRY)
		send_question(upstream, list, subject, LOOKUP_NOBODY);
}

void
upstream_late(
    struct upstream *upstream, const struct policy_list *list, const struct subject *subject)
{
	dealings_late(upstream->dealings, list, subject, loop_now_ms(upstream->loop));
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
	return dealings_list(upstream->dealings, number);
}
