/*
 * advice - the resolvers that we know by name, and the lines that each needs; pure
 *
 * The lines are those of contrib/resolvers, for any zone and address.
 */
#ifndef RESOLVER_ADVICE_H
#define RESOLVER_ADVICE_H

#include "aggregate/policy.h"
#include "aggregate/text.h"
#include "resolver/examine.h"

enum advice_kind {
	ADVICE_UNKNOWN,
	ADVICE_TALLYD,
	ADVICE_UNBOUND,
	ADVICE_BIND,
	ADVICE_DNSMASQ,
	ADVICE_PDNS,
	ADVICE_KNOT,
	ADVICE_RESOLVED,
	ADVICE_KINDS
};

/* By the name of its process, as /proc has it, and by what it says to version.bind. */
enum advice_kind advice_of_process(const char *name);
enum advice_kind advice_of_version(const char *version);

const char *advice_name(enum advice_kind kind); /* "dnsmasq"; "an unknown resolver" */

/*
 * The lines against this obstacle, each ended, for a tallyd at `server`. Nothing is added where
 * we know none.
 */
void advice_lines(enum advice_kind kind, enum obstacle obstacle, const char *zone,
    const struct policy_server *server, struct text *text);

#endif
