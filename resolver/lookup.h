/*
 * lookup - one client question from arrival to verdict; fixed slots, no I/O
 *
 * A slot is one subject in flight: the evidence in hand, the lists that were asked and have not
 * answered, and the clients that wait for a verdict on it, each in its own zone. However many
 * clients ask, a list is asked once. Each waiter is answered as soon as its verdict is decided,
 * or nothing more can come, or its deadline has passed; the slot stays until the last list has
 * answered, so that late answers still reach the cache. When slots run out the oldest goes, and
 * its waiters get what on-failure says.
 *
 *   state of a list in a slot   asked  evidence       leaves it by
 *   not asked                   0      NONE or fresh  a waiter whose zone needs it
 *   asked, waited for           1      NONE           its answer, or its timeout
 *   asked, given up             1      TIMEOUT        its answer
 *   answered                    0      what it said   expiry, when a later waiter comes
 *
 * When a list fails, what it said before stands in for it, for max-stale seconds after its expiry
 * (RFC 8767): the evidence in the slot is then marked stale, and the cache keeps the original.
 *
 * Time is an argument: milliseconds on a clock that never goes back. The list may answer inside
 * the call that asks it.
 */
#ifndef RESOLVER_LOOKUP_H
#define RESOLVER_LOOKUP_H

#include <stdint.h>

#include "aggregate/cache.h"
#include "aggregate/evidence.h"
#include "aggregate/policy.h"
#include "aggregate/verdict.h"
#include "aggregate/view.h"
#include "resolver/question.h"
#include "resolver/slots.h"

/* The ticket of a question that nobody waits for; what it brings goes to the cache. */
#define LOOKUP_NOBODY ((struct ticket){.slot = UINT32_MAX})

#define LOOKUP_AHEAD 10 /* seconds before its expiry that evidence in use is asked for anew */

struct lookup_calls {
	void *owner;
	/* Ask one list; it must answer once by lookup_evidence, now or later. */
	void (*ask)(void *owner, const struct policy_list *list, const struct subject *subject,
	    struct ticket ticket);
	/* A list that was asked has not answered in its timeout-ms. */
	void (*late)(void *owner, const struct policy_list *list, const struct subject *subject);
	/* The verdict (closed) for one client, with the evidence it came from. */
	void (*reply)(void *owner, const struct client *client, const struct question *question,
	    const struct verdict *verdict, const struct evidence *evidence);
};

struct lookup;

/* Nothing is allocated after this. NULL without memory. */
struct lookup *lookup_open(unsigned slots, unsigned waiters, struct cache *cache,
    struct evidence_book *book, const struct view *view, const struct lookup_calls *calls);

/* Clients that still wait get nothing. */
void lookup_close(struct lookup *lookup);

/* A question that question_place found to be about a subject. */
void lookup_start(struct lookup *lookup, int64_t now_ms, const struct question *question,
    const struct client *client);

/*
 * Ask anew, before it expires, about what the lists of this question's zone said of its subject.
 * Nobody waits for it, and it pushes nobody out.
 */
void lookup_refresh(struct lookup *lookup, int64_t now_ms, const struct question *question);

/*
 * What a list said. `list` is its number; the ticket is that of the ask. The evidence goes to the
 * cache even when the slot is gone.
 */
void lookup_evidence(struct lookup *lookup, int64_t now_ms, struct ticket ticket,
    const struct subject *subject, unsigned list, struct evidence evidence);

/* When lookup_tick has something to do; INT64_MAX: never. */
int64_t lookup_due_ms(const struct lookup *lookup);
void lookup_tick(struct lookup *lookup, int64_t now_ms);

/*
 * Go on under another view: every waiter is judged again by it. Of a list that is asked elsewhere
 * in it, what was said is forgotten, and what is still to come must not be handed on.
 */
void lookup_view(struct lookup *lookup, int64_t now_ms, const struct view *view);

/*
 * Forget what lists said of a subject, or (NULL) of all: those who wait for a verdict have them
 * asked again.
 */
void lookup_drop(struct lookup *lookup, int64_t now_ms, const struct subject *subject);

/* What the wall clock says now, in seconds since 1970, for exceptions that end. */
void lookup_wall(struct lookup *lookup, uint32_t wall);

#endif
