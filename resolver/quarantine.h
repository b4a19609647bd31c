/*
 * quarantine - the lists that are set aside, by health or by hand: out of the view and the cache
 *
 * All of it belongs to the main thread.
 */
#ifndef RESOLVER_QUARANTINE_H
#define RESOLVER_QUARANTINE_H

#include <stdbool.h>

#include "aggregate/policy.h"
#include "aggregate/text.h"
#include "resolver/daemon.h"

/* At the start: the lists that are held by hand. Logs. */
void quarantine_load(struct daemon *daemon);

/* The configuration has changed: find out which of its lists the next view leaves out. */
void quarantine_review(struct daemon *daemon);

/* Drop the evidence of the lists that are asked elsewhere now; they are out of the view before, and
 * come back when that is done. */
void quarantine_forget_moved(struct daemon *daemon, const uint64_t moved[VIEW_BITS]);

/* Set aside what health distrusts, and take back what it trusts again. Logs. */
void quarantine_take(struct daemon *daemon);

/*
 * Set a list aside by hand, or let it go again, whoever set it aside; kept over restarts. False,
 * with `error`, when that can't be written down; it holds until the next start all the same.
 */
bool quarantine_hold(
    struct daemon *daemon, const struct policy_list *list, bool held, struct text *error);

#endif
