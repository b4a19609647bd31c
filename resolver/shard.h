/*
 * shard - the thread that owns a part of all subjects: its lookups and its libunbound
 *
 * Misses come in by a bounded queue, replies go straight to listen_reply, evidence to the cache.
 */
#ifndef RESOLVER_SHARD_H
#define RESOLVER_SHARD_H

#include <stdbool.h>

#include "aggregate/cache.h"
#include "aggregate/config.h"
#include "aggregate/stats.h"
#include "resolver/serve.h"

struct shard;

/*
 * `number` is its number as a writer of the cache; `questions` bounds what it asks at once. NULL,
 * with the reason logged, when it cannot be had. Open all shards before any is started.
 */
struct shard *shard_open(unsigned number, unsigned questions, const struct config *config,
    struct cache *cache, struct evidence_book *book);
bool shard_start(struct shard *shard);

/* Take over a miss; any thread. False when the shard has too many waiting. */
bool shard_take(struct shard *shard, const struct miss *miss);

/* Go on under another configuration; returns when the old one is used no more. */
void shard_config(struct shard *shard, const struct config *config);

/* End the thread; clients that wait get what on-failure says. */
void shard_stop(struct shard *shard);

const struct stats *shard_stats(const struct shard *shard);

#endif
