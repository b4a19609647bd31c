/*
 * daemon - what tallyd is made of, and the changes that can be made to it while it runs
 *
 * All of it belongs to the main thread. A change builds a new view, hands it to every thread, and
 * only then frees the old one.
 */
#ifndef RESOLVER_DAEMON_H
#define RESOLVER_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/cache.h"
#include "aggregate/config.h"
#include "aggregate/exception.h"
#include "aggregate/quota.h"
#include "aggregate/stats.h"
#include "aggregate/text.h"
#include "aggregate/view.h"
#include "resolver/control.h"
#include "resolver/health.h"
#include "resolver/held.h"
#include "resolver/keeper.h"
#include "resolver/learned.h"
#include "resolver/listen.h"
#include "resolver/loop.h"
#include "resolver/queue.h"
#include "resolver/reader.h"
#include "resolver/recurse.h"
#include "resolver/refusals.h"
#include "resolver/shard.h"

#define DAEMON_THREADS_MAX 64

struct daemon {
	const char *file; /* of the configuration */
	bool verbose, stopping;
	struct evidence_book *book;
	struct quota quota[EVIDENCE_LISTS_MAX]; /* by list number */
	struct config *config;
	struct exceptions *exceptions;
	struct reader_at at;    /* where `exceptions` stands in the store */
	struct learned learned; /* from the recommendations, under `config` */
	struct refusals *refusals;
	struct casebook *casebook; /* NULL before the first case */
	bool caseless;             /* it can't be written */
	struct health *health;
	struct held held;                /* by hand */
	uint64_t quarantined[VIEW_BITS]; /* what the view has */
	uint64_t condemned[VIEW_BITS]; /* of these, what the log has: not those yet to be tested */
	struct view *view;
	struct cache *cache;
	struct keeper *keeper; /* of the evidence of last time, or NULL */
	uint8_t boot[16];      /* as in struct kept_moment */
	unsigned threads;
	struct listen_sockets sockets[DAEMON_THREADS_MAX][POLICY_ADDRESSES_MAX];
	struct shard *shard[DAEMON_THREADS_MAX];
	struct recurse *recurse; /* of names outside the zones */
	struct listener *listener[DAEMON_THREADS_MAX];
	struct loop *loop;
	struct loop_watch signals;
	struct loop_timer glance; /* at the store: did somebody change it without telling? */
	struct store_stamp {
		int64_t changed_ns;
		uint64_t inode; /* 0: there is no file */
	} store, ledger;        /* their files when we last read them */
	uint32_t settled;       /* the day as of which the recommendations were settled */
	int64_t started_ms;
	struct control *control;
	struct queue *checked; /* verdicts on their way to the control socket */
	/* who waits for evidence to be dropped, of a subject or all */
	struct daemon_flush {
		struct control_ticket ticket;
		bool all;
		struct subject subject;
	} flush[CONTROL_CLIENTS_MAX];
	unsigned flushes;
};

/* Take over what the store's journal has that we have not. False, with `error`, if it can't be. */
bool daemon_take_exceptions(struct daemon *daemon, struct text *error);

/* Has the store's file changed since we last read it? */
bool daemon_store_changed(const struct daemon *daemon);

/* Any thread: what a client was answered; owner: struct daemon. */
void daemon_note(void *owner, const struct question *question, const struct verdict *verdict,
    const struct evidence *evidence, uint32_t wall);

/* Write down what was noted. */
void daemon_write_cases(struct daemon *daemon);

/* Settle the recommendations anew. False, with `error`, when the old outcome stays in force. */
bool daemon_take_recommendations(struct daemon *daemon, struct text *error);

/* Have they changed, or has a day begun, since they were settled? */
bool daemon_recommendations_changed(const struct daemon *daemon);

/* The same at the start: nothing is listed by what can't be read. Logs. */
bool daemon_load_recommendations(struct daemon *daemon);

/* The table at the start; from the snapshot when the store is broken. Logs. */
bool daemon_load_exceptions(struct daemon *daemon);

/* Log a warning for each zone that has exceptions and is not in the configuration. */
void daemon_warn_of_strays(const struct daemon *daemon);

/* From now on evidence comes from where the configuration in force asks. */
void daemon_note_sources(struct daemon *daemon);

/* The key of the cache is the kept one, when something was kept. */
void daemon_open_kept(struct daemon *daemon, uint64_t key[2]);

/* Write down what the lists said, for the next start, when all of last time is taken over. */
void daemon_keep(struct daemon *daemon);

/* Hand the threads a view of what is in `daemon` now. False without memory: the old one stays. */
bool daemon_change_view(struct daemon *daemon);

/* The zone as the operator wrote it, of one of the view's, which may have earned weights. */
const struct policy_zone *daemon_written(
    const struct daemon *daemon, const struct policy_zone *zone);

/* Have all threads come round since this was last asked? Not at the first time. */
bool daemon_alive(struct daemon *daemon);

#endif
