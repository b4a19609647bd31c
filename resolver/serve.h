/*
 * serve - a packet in, a reply out, or the question handed on to the shard that owns its subject
 *
 * The straight list of gates that every question passes, whatever socket it came in by. One for
 * each listener thread; it never blocks and allocates nothing.
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

/* A question on its way to a shard; its name travels with it. */
struct miss {
	bool refresh; /* it has been answered: ask anew what is about to expire */
	struct question question;
	uint8_t name[WIRE_NAME_MAX];
	struct client client;
};

#define SERVE_REFRESHED 64

/* One for each listener; zero but for what its owner sets. */
struct serve {
	const struct view *view;
	struct cache *cache;
	struct evidence_book *book;
	struct stats *stats;
	/* Hand a question on to shard 0..writers-1 of the cache; false when it can take no more. */
	bool (*hand_on)(void *owner, unsigned shard, const struct miss *miss);
	/* The same with a question for a name outside the zones, for the recursor. */
	bool (*recurse)(void *owner, const struct miss *miss);
	/* Told of each verdict that is answered; NULL: nobody. */
	void (*answered)(void *owner, const struct question *question,
	    const struct verdict *verdict, const struct evidence *evidence, uint32_t wall);
	void *owner;
	/* Subjects that were handed on to be refreshed: not again at once. */
	struct serve_refreshed {
		uint64_t hash;
		uint32_t until;
	} refreshed[SERVE_REFRESHED];
};

enum served { SERVED_REPLY, SERVED_LATER, SERVED_NOTHING };

/* The time of a loop's turn, as verdicts want it. */
static inline struct view_time
serve_time(const struct loop *loop)
{
	return (struct view_time){
	    .now = (uint32_t)(loop_now_ms(loop) / 1000), .wall = loop_wall(loop)};
}

/*
 * Serve one packet of `length` bytes from `peer`. SERVED_REPLY: *reply_length bytes of `out`
 * (ANSWER_SIZE_MAX) are the reply. SERVED_LATER: it comes from the shard. `tcp` lifts the limit
 * on the reply's size.
 */
enum served serve_packet(struct serve *serve, const struct client *client,
    const struct subject *peer, bool tcp, struct view_time time, const uint8_t *packet,
    size_t length, uint8_t *out, size_t *reply_length);

/*
 * Write the reply to a question with its verdict and the evidence it came from (both ignored
 * unless it is about a subject), and count it. Returns the length, 0 for no reply.
 */
size_t serve_reply(const struct policy *policy, const struct evidence_book *book,
    struct stats *stats, const struct question *question, const struct verdict *verdict,
    const struct evidence *evidence, bool tcp, uint8_t *out);

#endif
