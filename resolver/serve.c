#include "resolver/serve.h"

#include <string.h>

#include "resolver/answer.h"

#define REFRESH_EVERY 2 /* seconds between two times that a subject is handed on for it */

static bool
is_listed(const struct verdict *verdict)
{
	return verdict->state == VERDICT_LISTED || verdict->state == VERDICT_SUBSTITUTE;
}

__attribute__((noinline, flatten)) static size_t
write_with_text(const struct policy *policy, const struct evidence_book *book,
    const struct question *question, const struct verdict *verdict, const struct evidence *evidence,
    size_t limit, uint8_t *out)
{
	char printed[VERDICT_TEXT_MAX + 1];
	struct text text;

	text_init(&text, printed, sizeof printed);
	verdict_text(question->zone, &question->subject, verdict, book, evidence, &text);
	return answer_verdict(question, policy, verdict, printed, out, limit);
}

static inline size_t
reply_verdict(const struct policy *policy, const struct evidence_book *book, struct stats *stats,
    const struct question *question, const struct verdict *verdict, const struct evidence *evidence,
    size_t limit, uint8_t *out)
{
	if (verdict->stale)
		stats_add(stats, STATS_STALE);
	if (is_listed(verdict)) {
		stats_add(stats, STATS_LISTED);
		if (question->type == WIRE_TXT || question->type == WIRE_ANY)
			return write_with_text(
			    policy, book, question, verdict, evidence, limit, out);
	} else {
		stats_add(stats, verdict->state == VERDICT_CLEAR ? STATS_CLEAR : STATS_SERVFAIL);
	}
	return answer_verdict(question, policy, verdict, "", out, limit);
}

static enum stats_counter
counter_of(const struct question *question)
{
	if (question->about == QUESTION_ELSEWHERE)
		return STATS_OTHER_FAILED;
	if (question->about != QUESTION_ERROR)
		return STATS_CLEAR;
	if (question->rcode == WIRE_REFUSED)
		return STATS_REFUSED;
	return question->rcode == WIRE_NOTIMP ? STATS_NOTIMP : STATS_FORMERR;
}

__attribute__((noinline)) static size_t
reply_without(const struct policy *policy, struct stats *stats, const struct question *question,
    size_t limit, uint8_t *out)
{
	stats_add(stats, counter_of(question));
	return answer_write(question, policy, out, limit);
}

static bool
is_tcp(const struct client *client)
{
	return client->fd < 0;
}

static size_t
reply_limit(const struct question *question, bool tcp)
{
	return tcp ? ANSWER_SIZE_MAX : question->udp_size;
}

size_t
serve_reply(const struct policy *policy, const struct evidence_book *book, struct stats *stats,
    const struct question *question, const struct verdict *verdict, const struct evidence *evidence,
    bool tcp, uint8_t *out)
{
	size_t limit = reply_limit(question, tcp);

	if (question->about != QUESTION_SUBJECT)
		return reply_without(policy, stats, question, limit, out);
	return reply_verdict(policy, book, stats, question, verdict, evidence, limit, out);
}

static bool
is_covered(const struct prefix *prefix, size_t prefixes, const struct subject *peer)
{
	for (size_t i = 0; i < prefixes; i++)
		if (prefix_covers(&prefix[i], peer))
			return true;
	return false;
}

/* By the zone's own list when it has one, else by that for all. */
static bool
is_allowed(const struct config *config, const struct policy_zone *zone, const struct subject *peer)
{
	if (zone != NULL && zone->allows > 0)
		return is_covered(zone->allow, zone->allows, peer);
	return is_covered(config->allow, config->allows, peer);
}

/* The gates before the evidence. */
static inline void
read_question(const struct serve *serve, const struct subject *peer, const uint8_t *packet,
    size_t length, struct question *question)
{
	question_take(question, serve->view->policy, packet, length);
	if (question->about == QUESTION_DROP)
		return;
	if (!is_allowed(serve->view->config, question->zone, peer)) {
		question->about = QUESTION_NOTHING;
		question->zone = NULL;
		question->recursion_available = false;
		question_refuse(question, WIRE_REFUSED, WIRE_EDE_PROHIBITED);
	}
}

/* The path of every answer, first part: what it calls becomes one with it. */
__attribute__((noinline, flatten)) void
serve_read(const struct serve *serve, const struct subject *peer, const uint8_t *packet,
    size_t length, struct serve_asked *asked)
{
	const struct question *question = &asked->question;

	read_question(serve, peer, packet, length, &asked->question);
	asked->refused = 0;
	if (question->about != QUESTION_SUBJECT)
		return;
	asked->zone = &serve->view->zone[question->zone->index];
	view_aim(serve->view, asked->zone, &question->subject);
	asked->spot = cache_aim(serve->cache, &question->subject, question->zone->numbers);
}

__attribute__((flatten)) void
serve_fetch(const struct serve *serve, struct serve_asked *asked)
{
	if (asked->question.about == QUESTION_SUBJECT)
		cache_approach(serve->cache, &asked->question.subject,
		    asked->question.zone->numbers, &asked->spot);
}

static void
make_miss(struct miss *miss, const struct question *question, const struct client *client)
{
	miss->question = *question;
	miss->client = *client;
	memcpy(miss->name, question->name, question->name_length);
}

__attribute__((noinline)) static bool
hand_on(
    struct serve *serve, const struct question *question, const struct client *client, bool refresh)
{
	unsigned shard = cache_writer(serve->cache, &question->subject);
	struct miss miss = {.refresh = refresh};

	make_miss(&miss, question, client);
	return serve->hand_on(serve->owner, shard, &miss);
}

/* It was answered, but its evidence is about to expire: have it asked for anew, once. */
__attribute__((noinline)) static void
refresh(struct serve *serve, const struct question *question, const struct client *client,
    struct view_time time)
{
	uint64_t hash = cache_hash(serve->cache, &question->subject);
	struct serve_refreshed *seen = &serve->refreshed[hash % SERVE_REFRESHED];

	if (seen->hash == hash && seen->until > time.now)
		return;
	*seen = (struct serve_refreshed){.hash = hash, .until = time.now + REFRESH_EVERY};
	(void)hand_on(serve, question, client, true);
}

__attribute__((noinline)) static bool
hand_to_recursor(struct serve *serve, const struct question *question, const struct client *client)
{
	struct miss miss;

	stats_add(serve->stats, STATS_OTHER_ASKED);
	make_miss(&miss, question, client);
	return serve->recurse(serve->owner, &miss);
}

/* The verdict that what is known comes to; false when lists have no part in it. */
static inline bool
weigh(const struct serve *serve, const struct serve_asked *asked, struct view_time time,
    struct evidence *evidence, struct verdict *verdict)
{
	const struct view *view = serve->view;
	const struct policy_zone *zone = asked->question.zone;
	const struct subject *subject = &asked->question.subject;
	struct exception exception;
	bool score;

	if (view_decides(view, zone, subject, time, &exception, &score, verdict))
		return false;
	cache_find_at(serve->cache, subject, &asked->spot, zone->numbers, time.now, evidence);
	view_fill(view, subject, time.now, evidence);
	view_weigh(
	    view, zone, subject, score ? &exception : NULL, serve->book, evidence, time, verdict);
	return true;
}

/* Decide from what is known; false when the question went to a shard. */
static inline bool
decide(struct serve *serve, const struct serve_asked *asked, const struct client *client,
    struct view_time time, struct evidence *evidence, struct verdict *verdict)
{
	const struct question *question = &asked->question;
	const struct policy_zone *zone = question->zone;
	bool weighed = weigh(serve, asked, time, evidence, verdict);

	if (verdict->excepted)
		stats_add(serve->stats, STATS_EXCEPTED);
	if (!weighed)
		return true;
	stats_add_many(serve->stats, STATS_WANTED, zone->asked[question->subject.family].lists);
	if (verdict->state != VERDICT_OPEN ||
	    view_has_all(serve->view, zone, &question->subject, evidence)) {
		stats_add(serve->stats, STATS_HITS);
		if (verdict->left <= LOOKUP_AHEAD)
			refresh(serve, question, client, time);
	} else {
		stats_add(serve->stats, STATS_MISSES);
		if (hand_on(serve, question, client, false))
			return false;
		/* overload: what on-failure says, at once */
	}
	if (verdict->state == VERDICT_OPEN)
		verdict_close(zone, verdict);
	return true;
}

/* Weigh what is known; all that cannot be said at a glance. */
__attribute__((noinline, flatten)) static int
serve_verdict(struct serve *serve, struct serve_asked *asked, const struct client *client,
    struct view_time time, uint8_t *out)
{
	const struct question *question = &asked->question;
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	struct verdict verdict;
	size_t length;

	if (!decide(serve, asked, client, time, evidence, &verdict))
		return SERVED_LATER;
	length = reply_verdict(serve->view->policy, serve->book, serve->stats, question, &verdict,
	    evidence, reply_limit(question, is_tcp(client)), out);
	if (serve->refusals != NULL)
		asked->refused =
		    refusals_case(question->zone, &question->subject, &verdict, evidence);
	return (int)length;
}

/* Is it for the lists alone to decide? */
__attribute__((noinline)) static bool
is_for_lists(const struct serve *serve, const struct serve_asked *asked, struct view_time time)
{
	struct exception exception;
	struct verdict verdict;
	bool score;

	return !view_decides(serve->view, asked->question.zone, &asked->question.subject, time,
		   &exception, &score, &verdict) &&
	       !score;
}

/* Do they all say "not listed", for longer than the answer lives, and no exception counts? */
static inline bool
is_clear(const struct serve *serve, const struct serve_asked *asked, const struct view_asked *lists,
    struct view_time time)
{
	const struct subject *subject = &asked->question.subject;

	if ((subject_place(subject) != SUBJECT_ORDINARY || asked->zone->scopes.count > 0) &&
	    !is_for_lists(serve, asked, time))
		return false;
	return cache_is_clear_at(serve->cache, subject, &asked->spot, lists->lists, lists->numbers,
	    time.now + asked->question.zone->negative_ttl + LOOKUP_AHEAD + 1);
}

/* Most subjects are clear at a glance. */
static inline int
serve_subject(struct serve *serve, struct serve_asked *asked, const struct client *client,
    struct view_time time, uint8_t *out)
{
	const struct question *question = &asked->question;
	const struct view_asked *lists = &asked->zone->asked[question->subject.family];
	struct stats *stats = serve->stats;

	if (!is_clear(serve, asked, lists, time))
		return serve_verdict(serve, asked, client, time, out);
	stats_add_many(stats, STATS_WANTED, lists->count);
	stats_add(stats, STATS_HITS);
	stats_add(stats, STATS_CLEAR);
	return (int)answer_clear(question, serve->view->policy, question->zone->negative_ttl, out,
	    reply_limit(question, is_tcp(client)));
}

__attribute__((noinline)) static int
serve_other(
    struct serve *serve, const struct question *question, const struct client *client, uint8_t *out)
{
	if (question->about == QUESTION_DROP) {
		stats_add(serve->stats, STATS_DROPPED);
		return SERVED_NOTHING;
	}
	if (question->about == QUESTION_ELSEWHERE && hand_to_recursor(serve, question, client))
		return SERVED_LATER;
	return (int)reply_without(serve->view->policy, serve->stats, question,
	    reply_limit(question, is_tcp(client)), out);
}

__attribute__((noinline, flatten)) int
serve_answer(struct serve *serve, struct serve_asked *asked, const struct client *client,
    struct view_time time, uint8_t *out)
{
	if (asked->question.about == QUESTION_SUBJECT)
		return serve_subject(serve, asked, client, time, out);
	return serve_other(serve, &asked->question, client, out);
}

/* It is seldom news, so it is weighed once more rather than kept until now. */
__attribute__((noinline)) static void
tell(struct serve *serve, const struct serve_asked *asked, struct view_time time)
{
	const struct question *question = &asked->question;
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	struct verdict verdict;

	(void)weigh(serve, asked, time, evidence, &verdict);
	if (verdict.state == VERDICT_OPEN)
		verdict_close(question->zone, &verdict);
	/* what is known may have changed meanwhile */
	if (refusals_case(question->zone, &question->subject, &verdict, evidence) == asked->refused)
		refusals_tell(serve->refusals, question->zone, &question->subject, &verdict,
		    serve->book, evidence, time.wall);
}

void
serve_recall(const struct serve *serve, const struct serve_asked *asked)
{
	if (asked->refused != 0)
		refusals_fetch(serve->refusals, asked->refused);
}

void
serve_note(struct serve *serve, const struct serve_asked *asked, struct view_time time)
{
	if (asked->refused != 0 && refusals_is_news(serve->refusals, asked->refused, time.wall))
		tell(serve, asked, time);
}
