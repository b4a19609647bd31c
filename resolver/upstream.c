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
#include "resolver/health.h"
#include "resolver/log.h"
#include "resolver/reply.h"
#include "resolver/wire.h"

#define TEST_SLOT (UINT32_MAX - 1) /* the ticket of a test; its generation is the test's id */
#define LIST_SHARE 4               /* a list may have one in so many of the questions under way */

struct asked {
	struct context_question question; /* first: libunbound's answer comes to it */
	struct asked *next;               /* of the free ones */
	struct upstream *upstream;
	struct ticket ticket;
	struct subject subject;
	unsigned list;   /* number */
	uint64_t source; /* where it was asked */
	int64_t asked_ms;
};

struct upstream {
	struct loop *loop;
	struct contexts contexts;
	const struct policy *policy;
	struct lookup *lookup;
	struct dealings *dealings;
	struct health *health;
	struct loop_timer tests; /* of lists, that are due */
	unsigned questions;
	bool closing;
	_Atomic unsigned in_flight;
	unsigned list_in_flight[EVIDENCE_LISTS_MAX];
	struct asked *asked, *free_asked;
};

/*
 * No validator: lists are hardly ever signed, and its code is out of reach of hostile lists. No
 * qname minimisation: it doubles the questions, and lists answer it wrongly. The message cache is
 * off, so a list is asked again exactly when our evidence expires; the rrset cache keeps the
 * delegations, and the CNAMEs of lists that answer with them.
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
	    .fresh = true,
	    .sockets = upstream->questions,
	    .forward = policy->forward,
	    .forwards = policy->forwards,
	    .list = policy->numbered,
	    .without = builtin_zones};

	return contexts_change(&upstream->contexts, &plan);
}

static void on_tests(struct loop_timer *timer);

struct upstream *
upstream_open(struct loop *loop, struct evidence_book *book, unsigned questions,
    const struct policy *policy, struct quota *quota, struct stats *stats)
{
	struct upstream *upstream = calloc(1, sizeof *upstream);

	assert(questions > 0 && questions <= UPSTREAM_QUESTIONS_MAX);
	if (upstream == NULL) {
		log_error("cannot ask lists: out of memory");
		return NULL;
	}
	upstream->loop = loop;
	upstream->policy = policy;
	upstream->questions = questions;
	upstream->tests.expired = on_tests;
	upstream->asked = calloc(questions, sizeof *upstream->asked);
	upstream->dealings = dealings_open(book, quota, stats);
	if (!contexts_open(&upstream->contexts, loop) || upstream->asked == NULL ||
	    upstream->dealings == NULL) {
		log_error("cannot ask lists: out of memory");
		upstream_close(upstream);
		return NULL;
	}
	if (!change_context(upstream, policy)) {
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
	loop_timer_clear(upstream->loop, &upstream->tests);
	dealings_close(upstream->dealings);
	free(upstream->asked);
	free(upstream);
}

void
upstream_connect(struct upstream *upstream, struct lookup *lookup, struct health *health)
{
	upstream->lookup = lookup;
	upstream->health = health;
	upstream_test(upstream);
}

void
upstream_test(struct upstream *upstream)
{
	int64_t due_ms = health_due_ms(upstream->health);

	if (due_ms == INT64_MAX)
		loop_timer_clear(upstream->loop, &upstream->tests);
	else
		(void)loop_timer_set(upstream->loop, &upstream->tests, due_ms);
}

static void
hand_on(struct upstream *upstream, struct ticket ticket, const struct subject *subject,
    unsigned number, struct evidence evidence)
{
	lookup_evidence(
	    upstream->lookup, loop_now_ms(upstream->loop), ticket, subject, number, evidence);
}

/* What an answer says of the list itself. An error code is no listing. */
static enum health_heard
heard(const struct reply_answer *answer, const struct policy_list *list)
{
	uint32_t code;

	if (answer->said == EVIDENCE_CLEAR)
		return HEALTH_CLEAR;
	if (answer->said != EVIDENCE_ANSWERS || list == NULL ||
	    policy_refusal(list, &answer->answers, &code) != NULL)
		return HEALTH_FAILED;
	return HEALTH_LISTED;
}

/*
 * A client's question has its answer. What a list says that is set aside meanwhile is not kept:
 * it expires at once.
 */
static void
take_answer(struct upstream *upstream, const struct asked *asked, const struct reply_answer *answer)
{
	int64_t now_ms = loop_now_ms(upstream->loop);
	const struct policy_list *list = upstream->policy->numbered[asked->list];
	struct evidence evidence = dealings_take(upstream->dealings, asked->list, list,
	    &asked->subject, answer, asked->asked_ms, now_ms);
	enum health_heard what = heard(answer, list);

	if (what != HEALTH_FAILED)
		health_saw(upstream->health, now_ms, asked->list, what == HEALTH_LISTED);
	if (health_distrusts(upstream->health, asked->list))
		evidence = (struct evidence){
		    .said = EVIDENCE_ABSENT, .expires = (uint32_t)(now_ms / 1000)};
	hand_on(upstream, asked->ticket, &asked->subject, asked->list, evidence);
}

/* For the patient: every reply of a list. */
static void
log_reply(const struct asked *asked, const struct policy_list *list,
    const struct reply_answer *answer, int64_t now_ms)
{
	char subject[64], said[200];
	struct text printed, words;

	if (list == NULL || !log_shows(LOG_LEVEL_DEBUG))
		return;
	text_init(&printed, subject, sizeof subject);
	subject_print(&asked->subject, &printed);
	text_init(&words, said, sizeof said);
	if (answer->said != EVIDENCE_ANSWERS)
		text_add(&words, evidence_word(answer->said));
	for (uint32_t i = 0; answer->said == EVIDENCE_ANSWERS && i < answer->answers.count; i++) {
		uint32_t a = answer->answers.address[i];

		text_add_format(&words, "%s%u.%u.%u.%u", i == 0 ? "" : " ", a >> 24, a >> 16 & 255,
		    a >> 8 & 255, a & 255);
	}
	log_debug("list %s list=%s subject=%s said=\"%s\" ms=%lld",
	    asked->ticket.slot == TEST_SLOT ? "tested" : "asked", list->name, subject, said,
	    (long long)(now_ms - asked->asked_ms));
}

/* Has the list moved since it was asked? Then lookup_view has made all forget the question. */
static bool
has_moved(const struct upstream *upstream, const struct asked *asked)
{
	const struct policy_list *list = upstream->policy->numbered[asked->list];

	return list != NULL && list->source != asked->source;
}

/* Let the question go and hand on what the list said. */
static void
finish(struct asked *asked, const struct reply_answer *answer)
{
	struct upstream *upstream = asked->upstream;
	struct asked was = *asked;

	if (upstream->closing)
		return; /* all of them end now, through no fault of the lists */
	asked->next = upstream->free_asked;
	upstream->free_asked = asked;
	upstream->in_flight--;
	upstream->list_in_flight[was.list]--;
	log_reply(&was, upstream->policy->numbered[was.list], answer, loop_now_ms(upstream->loop));
	if (has_moved(upstream, &was))
		; /* what is said there is of no use any more */
	else if (was.ticket.slot == TEST_SLOT)
		health_heard(upstream->health, loop_now_ms(upstream->loop), was.list,
		    was.ticket.generation, heard(answer, upstream->policy->numbered[was.list]));
	else
		take_answer(upstream, &was, answer);
	upstream_test(upstream); /* the answer may have made a test due */
}

static void
on_answer(struct context_question *question, const struct context_answer *said)
{
	struct reply_answer answer = {.said = EVIDENCE_FAILED};

	if (said->packet != NULL && said->security != CONTEXT_BOGUS)
		reply_read(&answer, said->packet, said->length);
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
	asked->source = list->source;
	asked->subject = *subject;
	asked->ticket = ticket;
	asked->asked_ms = loop_now_ms(upstream->loop);
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
	if (leave != DEALINGS_SPARE)
		dealings_asked(upstream->dealings, list->number);
	if (leave == DEALINGS_ASK) {
		send_question(upstream, list, subject, ticket);
		return;
	}
	hand_on(upstream, ticket, subject, list->number,
	    dealings_spare(upstream->dealings, list, subject, said, time.now_ms));
	if (leave == DEALINGS_TRY)
		send_question(upstream, list, subject, LOOKUP_NOBODY);
}

/* Tests are not counted as questions: they say what a list is, not what it is used for. */
static void
put_test(struct upstream *upstream, const struct health_question *question)
{
	struct dealings_time time = {
	    .now_ms = loop_now_ms(upstream->loop), .wall = loop_wall(upstream->loop)};
	const struct policy_list *list = upstream->policy->numbered[question->list];
	struct ticket ticket = {.slot = TEST_SLOT, .generation = question->id};

	if (list != NULL && has_room(upstream, list) &&
	    dealings_test(upstream->dealings, list, time))
		send_question(upstream, list, &question->subject, ticket);
	else
		health_heard(
		    upstream->health, time.now_ms, question->list, question->id, HEALTH_FAILED);
}

static void
on_tests(struct loop_timer *timer)
{
	struct upstream *upstream =
	    (struct upstream *)(void *)((char *)timer - offsetof(struct upstream, tests));
	struct health_question question;

	while (health_next(upstream->health, loop_now_ms(upstream->loop), &question))
		put_test(upstream, &question);
	upstream_test(upstream);
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
	dealings_policy(upstream->dealings, policy);
	return good;
}

bool
upstream_afresh(struct upstream *upstream)
{
	return change_context(upstream, upstream->policy);
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
