/*
 * serve - a packet in, a reply out, or the question handed on to the shard that owns its subject
 *
 * The straight list of gates that every question passes, whatever socket it came in by. One for
 * each thread that serves clients; it never blocks and allocates nothing.
 */
#ifndef RESOLVER_SERVE_H
#define RESOLVER_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/cache.h"
#include "aggregate/stats.h"
#include "aggregate/view.h"
#include "resolver/lookup.h"
#include "resolver/loop.h"
#include "resolver/question.h"
#include "resolver/refusals.h"

/* A question on its way to a shard; its name travels with it. */
struct miss {
	bool refresh; /* it has been answered: ask anew what is about to expire */
	struct question question;
	uint8_t name[WIRE_NAME_MAX];
	struct client client;
};

#define SERVE_REFRESHED 64

/* One for each thread; zero but for what its owner sets. */
struct serve {
	const struct view *view;
	struct cache *cache;
	struct evidence_book *book;
	struct stats *stats;
	/* Hand a question on to shard 0..writers-1 of the cache; false when it can take no more. */
	bool (*hand_on)(void *owner, unsigned shard, const struct miss *miss);
	/* The same with a question for a name outside the zones, for the recursor. */
	bool (*recurse)(void *owner, const struct miss *miss);
	void *owner;
	struct refusals *refusals; /* where they are noted, or NULL */
	/* Subjects that were handed on to be refreshed: not again at once. */
	struct serve_refreshed {
		uint64_t hash;
		uint32_t until;
	} refreshed[SERVE_REFRESHED];
};

enum { SERVED_NOTHING = 0, SERVED_LATER = -1 };

/* The time as verdicts want it. */
static inline struct view_time
serve_time(struct loop_time time)
{
	return (struct view_time){.now = (uint32_t)(time.now_ms / 1000), .wall = time.wall};
}

/* A question that was read, and where the answer to it begins. */
struct serve_asked {
	struct question question;
	const struct view_zone *zone; /* valid for QUESTION_SUBJECT, like the next one */
	struct cache_spot spot;
	uint64_t refused; /* what the answer is known by among the refusals; 0: it is none */
};

/*
 * Read a packet of `length` bytes from `peer`, which must stay until it is answered: then
 * serve_fetch, serve_answer, serve_recall and serve_note. What each step needs is far away in
 * memory, and the step before asks for it; so of a batch each is done for some questions before the
 * next is for the first.
 */
void serve_read(const struct serve *serve, const struct subject *peer, const uint8_t *packet,
    size_t length, struct serve_asked *asked);

void serve_fetch(const struct serve *serve, struct serve_asked *asked);

/*
 * Answer it, with the view that it was read with. Returns the length of the reply in `out`
 * (ANSWER_SIZE_MAX); SERVED_NOTHING when there is none, SERVED_LATER when it comes from the shard.
 */
int serve_answer(struct serve *serve, struct serve_asked *asked, const struct client *client,
    struct view_time time, uint8_t *out);

/*
 * When the answer is on its way: if it is a refusal, ask for what tells whether it was noted; then
 * note it, if it is news. The first may be left out.
 */
void serve_recall(const struct serve *serve, const struct serve_asked *asked);
void serve_note(struct serve *serve, const struct serve_asked *asked, struct view_time time);

/*
 * Write the reply to a question with its verdict and the evidence it came from (both ignored
 * unless it is about a subject), and count it. Returns the length, 0 for no reply.
 */
size_t serve_reply(const struct policy *policy, const struct evidence_book *book,
    struct stats *stats, const struct question *question, const struct verdict *verdict,
    const struct evidence *evidence, bool tcp, uint8_t *out);

#endif
