/*
 * refusals - from the threads that refuse to the one that writes it down
 *
 * Any thread notes what it refused, or let pass by an exception; the main thread takes it and
 * writes it into the casebook. The same case is noted once an hour; what finds no room, or is more
 * than 256 in a second, is left out.
 */
#ifndef RESOLVER_REFUSALS_H
#define RESOLVER_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/casebook.h"
#include "aggregate/evidence.h"
#include "aggregate/policy.h"
#include "aggregate/verdict.h"

struct refusals;

/* NULL without memory. `wake` tells the main thread, from any other, that there is something. */
struct refusals *refusals_open(void (*wake)(void *owner), void *owner);
void refusals_close(struct refusals *refusals);

/*
 * What a case is known by: a number for the closed verdict on a subject and what the lists said, 0
 * where nothing is to be noted.
 */
uint64_t refusals_case(const struct policy_zone *zone, const struct subject *subject,
    const struct verdict *verdict, const struct evidence *evidence);

/* Whether it was noted is far away in memory: ask for that. */
void refusals_fetch(const struct refusals *refusals, uint64_t hash);

/* Was it not noted within this hour, and may it be now? From now on it was. */
bool refusals_is_news(struct refusals *refusals, uint64_t hash, uint32_t wall);

/* Tell the main thread of it, given at `wall`. */
void refusals_tell(struct refusals *refusals, const struct policy_zone *zone,
    const struct subject *subject, const struct verdict *verdict, const struct evidence_book *book,
    const struct evidence *evidence, uint32_t wall);

/* All of these: note a case if it is worth it. */
void refusals_note(struct refusals *refusals, const struct policy_zone *zone,
    const struct subject *subject, const struct verdict *verdict, const struct evidence_book *book,
    const struct evidence *evidence, uint32_t wall);

/* The main thread: the next one; false when there is none. */
bool refusals_take(struct refusals *refusals, struct casebook_entry *entry);

#endif
