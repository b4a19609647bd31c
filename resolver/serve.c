#include "resolver/serve.h"

#include <string.h>

#include "resolver/answer.h"

#define REFRESH_EVERY 2 /* seconds between two times that a subject is handed on for it */

static enum stats_counter
counter_of(const struct question *question, const struct verdict *verdict)
{
	if (question->about == QUESTION_ERROR) {
		if (question->rcode == WIRE_REFUSED)
			return STATS_REFUSED;
		return question->rcode == WIRE_NOTIMP ? STATS_NOTIMP : STATS_FORMERR;
	}
	if (question->about == QUESTION_ELSEWHERE)
		return STATS_OTHER_FAILED;
	if (question->about != QUESTION_SUBJECT || verdict->state == VERDICT_CLEAR)
		return STATS_CLEAR;
	if (verdict->state == VERDICT_LISTED || verdict->state == VERDICT_SUBSTITUTE)
		return STATS_LISTED;
	return STATS_SERVFAIL;
}

static bool
shows_text(const struct question *question, const struct verdict *verdict)
{
	return question->about == QUESTION_SUBJECT &&
	       (verdict->state == VERDICT_LISTED || verdict->state == VERDICT_SUBSTITUTE) &&
	       (question->type == WIRE_TXT || question->type == WIRE_ANY);
}

__attribute__((noinline)) static size_t
write_with_text(const struct policy *policy, const struct evidence_book *book,
    const struct question *question, const struct verdict *verdict, const struct evidence *evidence,
    size_t limit, uint8_t *out)
{
	char printed[VERDICT_TEXT_MAX + 1];
	struct text text;

	text_init(&text, printed, sizeof printed);
	verdict_text(question->zone, &question->subject, verdict, book, evidence, &text);
	return answer_write(question, policy, verdict, printed, out, limit);
}

size_t
serve_reply(const struct policy *policy, const struct evidence_book *book, struct stats *stats,
    const struct question *question, const struct verdict *verdict, const struct evidence *evidence,
    bool tcp, uint8_t *out)
{
	size_t limit = tcp ? ANSWER_SIZE_MAX : question->udp_size;

	stats_add(stats, counter_of(question, verdict));
	if (question->about == QUESTION_SUBJECT && verdict->stale)
		stats_add(stats, STATS_STALE);
	if (shows_text(question, verdict))
		return write_with_text(policy, book, question, verdict, evidence, limit, out);
	return answer_write(question, policy, verdict, "", out, limit);
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
static void
read_question(struct serve *serve, const struct subject *peer, const uint8_t *packet, size_t length,
    struct question *question)
{
	question_read(question, packet, length);
	if (question->about == QUESTION_DROP)
		return;
	if (question->about == QUESTION_NOTHING)
		question_place(question, serve->view->policy);
	if (!is_allowed(serve->view->config, question->zone, peer)) {
		question->about = QUESTION_NOTHING;
		question->zone = NULL;
		question->recursion_available = false;
		question_refuse(question, WIRE_REFUSED, WIRE_EDE_PROHIBITED);
	}
}

static void
make_miss(struct miss *miss, const struct question *question, const struct client *client)
{
	miss->question = *question;
	miss->client = *client;
	memcpy(miss->name, question->name, question->name_length);
}

static bool
hand_on(
    struct serve *serve, const struct question *question, const struct client *client, bool refresh)
{
	unsigned shard = cache_writer(serve->cache, &question->subject);
	struct miss miss = {.refresh = refresh};

	make_miss(&miss, question, client);
	return serve->hand_on(serve->owner, shard, &miss);
}

/* It was answered, but its evidence is about to expire: have it asked for anew, once. */
static void
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

static bool
hand_to_recursor(struct serve *serve, const struct question *question, const struct client *client)
{
	struct miss miss;

	stats_add(serve->stats, STATS_OTHER_ASKED);
	make_miss(&miss, question, client);
	return serve->recurse(serve->owner, &miss);
}

/* Decide from what is known; false when the question went to a shard. */
static bool
decide(struct serve *serve, const struct question *question, const struct client *client,
    struct view_time time, struct evidence *evidence, struct verdict *verdict)
{
	const struct view *view = serve->view;
	const struct policy_zone *zone = question->zone;
	const struct subject *subject = &question->subject;
	struct exception exception;
	bool score;

	if (view_decides(view, zone, subject, time, &exception, &score, verdict)) {
		if (verdict->excepted)
			stats_add(serve->stats, STATS_EXCEPTED);
		return true;
	}
	if (score)
		stats_add(serve->stats, STATS_EXCEPTED);
	stats_add_many(serve->stats, STATS_WANTED, zone->family_lists[subject->family]);
	cache_find(serve->cache, subject, evidence_list_count(serve->book), time.now, evidence);
	view_fill(view, subject, time.now, evidence);
	view_weigh(
	    view, zone, subject, score ? &exception : NULL, serve->book, evidence, time, verdict);
	if (verdict->state != VERDICT_OPEN || view_has_all(view, zone, subject, evidence)) {
		stats_add(serve->stats, STATS_HITS);
		if (verdict->left <= LOOKUP_AHEAD)
			refresh(serve, question, client, time);
		verdict_close(zone, verdict);
		return true;
	}
	stats_add(serve->stats, STATS_MISSES);
	if (hand_on(serve, question, client, false))
		return false;
	verdict_close(zone, verdict); /* overload: what on-failure says, at once */
	return true;
}

enum served
serve_packet(struct serve *serve, const struct client *client, const struct subject *peer, bool tcp,
    struct view_time time, const uint8_t *packet, size_t length, uint8_t *out, size_t *reply_length)
{
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	struct question question;
	struct verdict verdict;

	stats_add(serve->stats, tcp ? STATS_TCP : STATS_UDP);
	read_question(serve, peer, packet, length, &question);
	if (question.about == QUESTION_DROP) {
		stats_add(serve->stats, STATS_DROPPED);
		return SERVED_NOTHING;
	}
	if (question.about == QUESTION_SUBJECT &&
	    !decide(serve, &question, client, time, evidence, &verdict))
		return SERVED_LATER;
	if (question.about == QUESTION_ELSEWHERE && hand_to_recursor(serve, &question, client))
		return SERVED_LATER;
	*reply_length = serve_reply(serve->view->policy, serve->book, serve->stats, &question,
	    &verdict, evidence, tcp, out);
	if (question.about == QUESTION_SUBJECT && serve->answered != NULL)
		serve->answered(serve->owner, &question, &verdict, evidence, time.wall);
	return *reply_length > 0 ? SERVED_REPLY : SERVED_NOTHING;
}
