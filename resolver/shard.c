#include "resolver/shard.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bits.h"
#include "resolver/answer.h"
#include "resolver/listen.h"
#include "resolver/log.h"
#include "resolver/lookup.h"
#include "resolver/upstream.h"
#include "resolver/worker.h"

#define SLOTS 1024      /* subjects in flight */
#define WAITERS 4096    /* clients that wait for them */
#define MISSES 1024     /* questions on their way to us */
#define MISSES_A_TURN 4 /* a new subject at 8 lists takes a quarter of a ms */
#define SWEPT 2048      /* sets of the cache, in a fraction of a ms; then clients have their turn */

struct shard {
	unsigned number;
	const struct view *view;
	struct cache *cache;
	struct shard_calls calls;
	struct evidence_book *book;
	struct worker worker;
	struct queue *misses;
	struct lookup *lookup;
	struct upstream *upstream;
	struct loop_timer timer; /* of the lookups */
	struct stats stats;
	_Atomic(const struct subject *) drop; /* whose evidence is to be dropped, or NULL */
	/* how often all evidence was to be dropped, and to which of these it has been */
	_Atomic unsigned flush_asked, flush_done;
	unsigned flush_begun; /* it is being dropped for this one, from the set `flushed` on */
	size_t flushed;
	struct loop_timer flush;
	/* lists whose evidence is to be dropped, and is being dropped from the set `swept` on */
	_Atomic uint64_t forget[CACHE_BITS], forgetting[CACHE_BITS];
	size_t swept;
	struct loop_timer sweep;
	_Atomic(struct keeper *) keeper; /* NULL when all of it is taken over */
	uint64_t unwanted[CACHE_BITS];   /* lists that are not taken over */
	struct loop_timer restore;
};

static void
on_ask(void *owner, const struct policy_list *list, const struct subject *subject,
    struct ticket ticket)
{
	struct shard *shard = owner;

	upstream_ask(shard->upstream, list, subject, ticket);
}

static void
on_late(void *owner, const struct policy_list *list, const struct subject *subject)
{
	struct shard *shard = owner;

	upstream_late(shard->upstream, list, subject);
}

static void
log_verdict(const struct shard *shard, const struct question *question,
    const struct verdict *verdict, const struct evidence *evidence)
{
	char subject[64], words[VERDICT_TEXT_MAX + 1];
	struct text text;

	text_init(&text, subject, sizeof subject);
	subject_print(&question->subject, &text);
	text_init(&text, words, sizeof words);
	verdict_text(question->zone, &question->subject, verdict, shard->book, evidence, &text);
	log_info("verdict listed subject=%s zone=%s score=%d threshold=%d answer=%u.%u.%u.%u "
		 "text=\"%s\"",
	    subject, question->zone->name, verdict->score, question->zone->threshold,
	    verdict->address >> 24, verdict->address >> 16 & 255, verdict->address >> 8 & 255,
	    verdict->address & 255, words);
}

static void
on_reply(void *owner, const struct client *client, const struct question *question,
    const struct verdict *verdict, const struct evidence *evidence)
{
	struct shard *shard = owner;
	uint8_t reply[ANSWER_SIZE_MAX];
	size_t length;

	if (client->listener == NULL) {
		shard->calls.verdict(shard->calls.owner, client, question, verdict, evidence);
		return;
	}
	length = serve_reply(shard->view->policy, shard->book, &shard->stats, question, verdict,
	    evidence, client->fd < 0, reply);

	if (length > 0)
		listen_reply(client, reply, length);
	if (question->about == QUESTION_SUBJECT)
		shard->calls.answered(
		    shard->calls.owner, question, verdict, evidence, loop_wall(shard->worker.loop));
	if (shard->view->policy->log_verdicts && question->about == QUESTION_SUBJECT &&
	    verdict->state == VERDICT_LISTED)
		log_verdict(shard, question, verdict, evidence);
}

static void
set_timer(void *owner)
{
	struct shard *shard = owner;
	int64_t due_ms = lookup_due_ms(shard->lookup);

	if (due_ms == INT64_MAX)
		loop_timer_clear(shard->worker.loop, &shard->timer);
	else
		(void)loop_timer_set(shard->worker.loop, &shard->timer, due_ms);
}

static void
on_timer(struct loop_timer *timer)
{
	struct shard *shard =
	    (struct shard *)(void *)((char *)timer - offsetof(struct shard, timer));

	lookup_wall(shard->lookup, loop_wall(shard->worker.loop));
	lookup_tick(shard->lookup, loop_now_ms(shard->worker.loop));
}

/* A list may be asked for while another is being dropped: then both are, from the beginning. */
static void
begin_sweep(struct shard *shard)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < CACHE_BITS; i++) {
		uint64_t lists = atomic_load(&shard->forget[i]);

		atomic_fetch_or(&shard->forgetting[i], lists);
		atomic_fetch_and(&shard->forget[i], ~lists);
		shard->unwanted[i] |= lists;
		any |= lists;
	}
	if (any == 0)
		return;
	shard->swept = 0;
	(void)loop_timer_set(shard->worker.loop, &shard->sweep, loop_now_ms(shard->worker.loop));
}

static void
on_sweep(struct loop_timer *timer)
{
	struct shard *shard =
	    (struct shard *)(void *)((char *)timer - offsetof(struct shard, sweep));
	uint64_t lists[CACHE_BITS];

	for (unsigned i = 0; i < CACHE_BITS; i++)
		lists[i] = atomic_load(&shard->forgetting[i]);
	if (!cache_forget(shard->cache, shard->number, lists, &shard->swept, SWEPT)) {
		(void)loop_timer_set(
		    shard->worker.loop, timer, loop_now_ms(shard->worker.loop) + 1);
		return;
	}
	for (unsigned i = 0; i < CACHE_BITS; i++)
		atomic_store(&shard->forgetting[i], 0);
	shard->calls.forgot(shard->calls.owner);
}

static void
on_restore(struct loop_timer *timer)
{
	struct shard *shard =
	    (struct shard *)(void *)((char *)timer - offsetof(struct shard, restore));
	struct kept_worth worth = {.now = (uint32_t)(loop_now_ms(shard->worker.loop) / 1000),
	    .max_stale = shard->view->config->policy->max_stale,
	    .unwanted = shard->unwanted};

	if (keeper_step(shard->keeper, shard->cache, shard->number, &worth)) {
		(void)loop_timer_set(shard->worker.loop, timer, loop_now_ms(shard->worker.loop));
		return;
	}
	atomic_store(&shard->keeper, NULL);
	shard->calls.forgot(shard->calls.owner);
}

/* All evidence is dropped for as often as that was asked by now: from the beginning again. */
static void
begin_flush(struct shard *shard)
{
	unsigned asked = atomic_load(&shard->flush_asked);

	if (asked == shard->flush_begun)
		return;
	shard->flush_begun = asked;
	shard->flushed = 0;
	if (!upstream_afresh(shard->upstream))
		log_error("the servers of lists are not found anew: shard=%u", shard->number);
	(void)loop_timer_set(shard->worker.loop, &shard->flush, loop_now_ms(shard->worker.loop));
}

/* What was kept of the last run is taken over first, or it would come back. */
static void
on_flush(struct loop_timer *timer)
{
	struct shard *shard =
	    (struct shard *)(void *)((char *)timer - offsetof(struct shard, flush));
	int64_t now_ms = loop_now_ms(shard->worker.loop);

	if (shard->keeper != NULL ||
	    !cache_clear(shard->cache, shard->number, &shard->flushed, SWEPT)) {
		(void)loop_timer_set(shard->worker.loop, timer, now_ms);
		return;
	}
	lookup_drop(shard->lookup, now_ms, NULL);
	atomic_store(&shard->flush_done, shard->flush_begun);
	shard->calls.forgot(shard->calls.owner);
}

static void
take_view(struct shard *shard, const struct view *next)
{
	shard->view = next;
	if (!upstream_policy(shard->upstream, next->config->policy))
		log_error("the lists are asked as before the reload: shard=%u", shard->number);
	lookup_view(shard->lookup, loop_now_ms(shard->worker.loop), next);
	worker_done(&shard->worker);
}

/* The question comes from a listener that may have read another configuration. */
static void
take_miss(struct shard *shard, struct miss *miss)
{
	static const struct verdict none;

	miss->question.name = miss->name;
	miss->question.about = QUESTION_NOTHING;
	question_place(&miss->question, shard->view->policy);
	if (miss->refresh && miss->question.about != QUESTION_SUBJECT)
		return; /* its zone is gone */
	if (miss->refresh)
		lookup_refresh(shard->lookup, loop_now_ms(shard->worker.loop), &miss->question);
	else if (miss->question.about == QUESTION_SUBJECT)
		lookup_start(
		    shard->lookup, loop_now_ms(shard->worker.loop), &miss->question, &miss->client);
	else
		on_reply(shard, &miss->client, &miss->question, &none, NULL);
}

static void
on_woken(void *owner)
{
	struct shard *shard = owner;
	const struct view *next = worker_next(&shard->worker);
	const struct subject *subject = atomic_exchange(&shard->drop, NULL);
	struct miss miss;
	unsigned taken = 0;

	lookup_wall(shard->lookup, loop_wall(shard->worker.loop));
	begin_sweep(shard);
	begin_flush(shard);
	if (next != NULL)
		take_view(shard, next);
	if (subject != NULL) {
		cache_drop(shard->cache, subject);
		lookup_drop(shard->lookup, loop_now_ms(shard->worker.loop), subject);
		worker_done(&shard->worker);
	}
	while (taken < MISSES_A_TURN && queue_pop(shard->misses, &miss)) {
		take_miss(shard, &miss);
		taken++;
	}
	if (taken == MISSES_A_TURN) /* the answers of lists have their turn before the rest */
		loop_wake(shard->worker.loop);
	upstream_test(shard->upstream);
}

static void
free_shard(struct shard *shard)
{
	upstream_close(shard->upstream); /* what is under way fails: the last replies go out */
	lookup_close(shard->lookup);
	queue_close(shard->misses);
	worker_close(&shard->worker);
	free(shard);
}

struct shard *
shard_open(unsigned number, unsigned questions, const struct view *view, struct cache *cache,
    struct evidence_book *book, struct quota *quota, struct health *health,
    const struct shard_calls *calls)
{
	struct shard *shard = calloc(1, sizeof *shard);
	struct lookup_calls own = {
	    .owner = shard, .ask = on_ask, .late = on_late, .reply = on_reply};

	if (shard == NULL) {
		log_error("cannot ask lists: out of memory");
		return NULL;
	}
	shard->number = number;
	shard->view = view;
	shard->cache = cache;
	shard->calls = *calls;
	shard->book = book;
	shard->timer.expired = on_timer;
	shard->sweep.expired = on_sweep;
	shard->flush.expired = on_flush;
	shard->worker.before_turn = set_timer;
	shard->restore.expired = on_restore;
	shard->misses = queue_open(MISSES, sizeof(struct miss));
	shard->lookup = lookup_open(SLOTS, WAITERS, cache, book, view, &own);
	if (!worker_open(&shard->worker, on_woken, shard) || shard->lookup == NULL ||
	    shard->misses == NULL)
		log_error("cannot ask lists: %s", strerror(errno));
	else
		shard->upstream = upstream_open(shard->worker.loop, book, questions,
		    view->config->policy, quota, &shard->stats);
	if (shard->upstream == NULL) {
		free_shard(shard);
		return NULL;
	}
	upstream_connect(shard->upstream, shard->lookup, health);
	return shard;
}

bool
shard_start(struct shard *shard)
{
	return worker_start(&shard->worker);
}

void
shard_restore(struct shard *shard, struct keeper *keeper)
{
	shard->keeper = keeper;
	memcpy(shard->unwanted, shard->view->quarantined, sizeof shard->unwanted);
	(void)loop_timer_set(shard->worker.loop, &shard->restore, loop_now_ms(shard->worker.loop));
}

bool
shard_restores(struct shard *shard)
{
	return atomic_load(&shard->keeper) != NULL;
}

bool
shard_take(struct shard *shard, const struct miss *miss)
{
	return worker_send(&shard->worker, shard->misses, miss);
}

void
shard_view(struct shard *shard, const struct view *view)
{
	worker_view(&shard->worker, view);
}

void
shard_drop(struct shard *shard, const struct subject *subject)
{
	atomic_store(&shard->drop, subject);
	worker_wait(&shard->worker);
}

void
shard_flush(struct shard *shard)
{
	atomic_fetch_add(&shard->flush_asked, 1);
	loop_wake(shard->worker.loop);
}

bool
shard_flushes(struct shard *shard)
{
	return atomic_load(&shard->flush_done) != atomic_load(&shard->flush_asked);
}

bool
shard_alive(struct shard *shard)
{
	return loop_comes_round(shard->worker.loop);
}

void
shard_forget(struct shard *shard, unsigned list)
{
	atomic_fetch_or(&shard->forget[list / 64], UINT64_C(1) << list % 64);
	loop_wake(shard->worker.loop);
}

bool
shard_forgets(struct shard *shard, unsigned list)
{
	uint64_t word = atomic_load(&shard->forget[list / 64]);

	/* it moves from the first to the second, so they are read in this order */
	word |= atomic_load(&shard->forgetting[list / 64]);
	return (word >> list % 64 & 1) != 0;
}

void
shard_test(struct shard *shard)
{
	loop_wake(shard->worker.loop);
}

void
shard_stop(struct shard *shard)
{
	if (shard == NULL)
		return;
	worker_stop(&shard->worker);
	free_shard(shard);
}

const struct stats *
shard_stats(const struct shard *shard)
{
	return &shard->stats;
}

const struct stats_list *
shard_list(const struct shard *shard, unsigned number)
{
	return upstream_list(shard->upstream, number);
}

unsigned
shard_in_flight(const struct shard *shard)
{
	return upstream_in_flight(shard->upstream);
}
