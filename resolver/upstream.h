/*
 * upstream - the lists are asked: list and subject to evidence
 *
 * One for each shard, used only by the shard's thread. A question to a list is one A query,
 * bounded in number; the answer comes to lookup as evidence, with the list's bounds put on its
 * lifetime. libunbound keeps delegations and CNAMEs, as long as their own TTLs say, but no
 * addresses: facts are cached once, by us.
 */
#ifndef RESOLVER_UPSTREAM_H
#define RESOLVER_UPSTREAM_H

#include "aggregate/policy.h"
#include "aggregate/quota.h"
#include "aggregate/stats.h"
#include "resolver/health.h"
#include "resolver/lookup.h"
#include "resolver/loop.h"

#define UPSTREAM_QUESTIONS_MAX 2048 /* under way at once, each with a socket of its own */

struct upstream;

/*
 * `questions` is the bound, 1..UPSTREAM_QUESTIONS_MAX; `quota` is by list number, shared by all
 * shards. NULL, with the reason logged, when
 * libunbound can't be had. Not while another thread opens one.
 */
struct upstream *upstream_open(struct loop *loop, struct evidence_book *book, unsigned questions,
    const struct policy *policy, struct quota *quota, struct stats *stats);

/* Questions under way come back as failed, to `lookup`, in this call. */
void upstream_close(struct upstream *upstream);

/* Where evidence goes, and who is told how the lists behave; before the first question. */
void upstream_connect(struct upstream *upstream, struct lookup *lookup, struct health *health);

/* Put the tests of lists that are due, and see when the next ones are. */
void upstream_test(struct upstream *upstream);

void upstream_ask(struct upstream *upstream, const struct policy_list *list,
    const struct subject *subject, struct ticket ticket);

/* A list has not answered in its timeout-ms. */
void upstream_late(
    struct upstream *upstream, const struct policy_list *list, const struct subject *subject);

/*
 * Ask by another policy from now on. Questions under way are finished where they were begun.
 * False, with the old servers kept, when libunbound refuses the new ones.
 */
bool upstream_policy(struct upstream *upstream, const struct policy *policy);

/* Find the servers of the lists anew: no delegation and no CNAME of before counts. As above. */
bool upstream_afresh(struct upstream *upstream);

unsigned upstream_in_flight(const struct upstream *upstream); /* any thread */

/* What was seen of a list, by its number; any thread. */
const struct stats_list *upstream_list(const struct upstream *upstream, unsigned number);

#endif
