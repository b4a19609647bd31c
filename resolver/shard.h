/*
 * shard - the thread that owns a part of all subjects: its lookups and its libunbound
 *
 * Misses come in by a bounded queue, replies go straight to listen_reply, evidence to the cache.
 */
#ifndef RESOLVER_SHARD_H
#define RESOLVER_SHARD_H

#include <stdbool.h>

#include "aggregate/cache.h"
#include "aggregate/quota.h"
#include "aggregate/stats.h"
#include "aggregate/view.h"
#include "resolver/health.h"
#include "resolver/keeper.h"
#include "resolver/serve.h"

struct shard;

/* Called in the shard's thread. */
struct shard_calls {
	void *owner;
	/* where verdicts go that no listener waits for (client.listener is NULL) */
	void (*verdict)(void *owner, const struct client *client, const struct question *question,
	    const struct verdict *verdict, const struct evidence *evidence);
	/* told of each verdict that is answered to a client */
	void (*answered)(void *owner, const struct question *question,
	    const struct verdict *verdict, const struct evidence *evidence, uint32_t wall);
	/* shard_restores, shard_forgets or shard_flushes has become false */
	void (*forgot)(void *owner);
};

/*
 * `number` is its number as a writer of the cache; `questions` bounds what it asks at once; `quota`
 * is by list number, shared by all. NULL, with the reason logged, when it cannot be had. Open all
 * shards before any is started.
 */
struct shard *shard_open(unsigned number, unsigned questions, const struct view *view,
    struct cache *cache, struct evidence_book *book, struct quota *quota, struct health *health,
    const struct shard_calls *calls);
bool shard_start(struct shard *shard);

/*
 * Before shard_start: take over what was kept of this shard's subjects, block by block beside the
 * daily work, but for the lists that are set aside.
 */
void shard_restore(struct shard *shard, struct keeper *keeper);
bool shard_restores(struct shard *shard); /* is that still going on? any thread */

/* Take over a miss; any thread. False when the shard has too many waiting. */
bool shard_take(struct shard *shard, const struct miss *miss);

/* Go on under another view; returns when the old one is used no more. */
void shard_view(struct shard *shard, const struct view *view);

/*
 * Drop what is known of a subject that this shard owns; returns when it is done. What was kept of
 * it and is not taken over yet comes back: not while shard_restores.
 */
void shard_drop(struct shard *shard, const struct subject *subject);

/*
 * Drop all that is known of the subjects that this shard owns, little by little beside the daily
 * work, and find the servers of lists anew; any thread.
 */
void shard_flush(struct shard *shard);
bool shard_flushes(struct shard *shard); /* is that still going on? */

/* Has the thread come round since this was last asked? */
bool shard_alive(struct shard *shard);

/*
 * Drop what the cache holds of a list, little by little beside the daily work; any thread. What
 * it says meanwhile must not be kept: it is set aside (health_distrusts) before.
 */
void shard_forget(struct shard *shard, unsigned list);
bool shard_forgets(struct shard *shard, unsigned list); /* is that still going on? */

/* See whether a test of a list is due; any thread. */
void shard_test(struct shard *shard);

/* End the thread; clients that wait get what on-failure says. */
void shard_stop(struct shard *shard);

/* Any thread. */
const struct stats *shard_stats(const struct shard *shard);
const struct stats_list *shard_list(const struct shard *shard, unsigned number);
unsigned shard_in_flight(const struct shard *shard); /* questions to lists */

#endif
