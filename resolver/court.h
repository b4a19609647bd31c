/*
 * court - the configuration, and all that was recommended, for the commands that judge by both
 */
#ifndef RESOLVER_COURT_H
#define RESOLVER_COURT_H

#include "aggregate/config.h"
#include "aggregate/ledger.h"
#include "resolver/tool.h"

struct court {
	struct evidence_book *book;
	struct config *config;
	struct ledger *ledger;
	struct trust *trust;
};

/* False when either can't be read; says why, unless `quiet`. */
bool court_open(const struct tool *tool, bool quiet, struct court *court);
void court_close(struct court *court);

/* A zone of the policy: --zone, or the first. NULL, with a complaint, when there is none. */
const struct policy_zone *court_zone(const struct tool *tool, const struct policy *policy);

/* Is it an opinion, with what lists said? */
bool court_hears(const struct recommendation *recommendation);

/* 1 spam, -1 ham, 0 not known. */
int court_label(const struct court *court, const struct subject *subject);

#endif
