/*
 * slots - subjects in flight: a fixed table, found by subject, the oldest first to go
 *
 * It only keeps them; what becomes of a subject and of those who wait for it is lookup's affair.
 */
#ifndef RESOLVER_SLOTS_H
#define RESOLVER_SLOTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "aggregate/bits.h"
#include "aggregate/evidence.h"
#include "aggregate/subject.h"
#include "resolver/heap.h"
#include "resolver/question.h"

#define SLOT_WORDS BITS_WORDS(EVIDENCE_LISTS_MAX)

/* Where a reply goes; lookup only keeps it. */
struct client {
	bool wants_all; /* wait for every list, as long as the deadline allows */
	void *listener;
	int fd;                          /* UDP: the socket it came in by; TCP: -1 */
	uint32_t connection, generation; /* TCP: its ticket */
	struct sockaddr_in6 peer;        /* UDP; large enough for IPv4 too */
	socklen_t peer_length;
};

/* Names a slot as it was: a slot that has gone to another subject has another generation. */
struct ticket {
	uint32_t slot, generation;
};

/* A client that waits for a verdict. */
struct waiter {
	struct waiter *next;
	struct question question;
	uint8_t name[WIRE_NAME_MAX]; /* what question.name points at */
	struct client client;
	int64_t due_ms;       /* its deadline */
	int64_t undecided_ms; /* from then on lists with ask = "undecided" are asked too */
};

struct slot {
	struct heap_entry due; /* first: the heap hands it back */
	uint32_t generation;
	bool used;
	unsigned hold; /* while > 0 nothing is decided */
	struct subject subject;
	int64_t started_ms;
	struct slot *same_hash; /* next of the hash chain, or of the free slots */
	struct slot *older, *newer;
	struct waiter *waiter;
	uint64_t asked[SLOT_WORDS], given_up[SLOT_WORDS];
	uint32_t list_due[EVIDENCE_LISTS_MAX]; /* ms after started_ms; valid when asked */
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	struct evidence old[EVIDENCE_LISTS_MAX]; /* what may stand in if the list fails */
};

/* Each slot that is used is in one hash chain and in the list of ages. */
struct slots {
	struct slot *slot;
	unsigned count;
	struct slot *free, *oldest, *newest;
	struct slot **bucket; /* by hash; `buckets` is a power of 2 */
	size_t buckets;
	struct waiter *waiter, *free_waiter;
	struct heap heap; /* of slots, by what is due first; set by their owner */
};

/* Nothing is allocated after this. False without memory; close in any case. */
bool slots_open(struct slots *slots, unsigned count, unsigned waiters);
void slots_close(struct slots *slots);

/* `hash` is that of the subject, the same in all calls. */
struct slot *slots_find(const struct slots *slots, uint64_t hash, const struct subject *subject);

/* The slot that this ticket names, or NULL when it has gone. */
struct slot *slots_of_ticket(const struct slots *slots, struct ticket ticket);
struct ticket slots_ticket(const struct slots *slots, const struct slot *slot);

/* A slot for one subject more, all its evidence NONE; NULL when all are in use. */
struct slot *slots_take(
    struct slots *slots, uint64_t hash, const struct subject *subject, int64_t now_ms);
void slots_free(struct slots *slots, uint64_t hash, struct slot *slot); /* nobody waits in it */

/* One client more in a slot; NULL when there are too many. */
struct waiter *slots_wait(struct slots *slots, struct slot *slot, const struct question *question,
    const struct client *client);
void slots_unwait(struct slots *slots, struct waiter **link); /* the one that *link points at */

#endif
