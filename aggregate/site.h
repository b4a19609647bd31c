/*
 * site - one `list=filter*weight` entry: parse and match
 *
 * The syntax is that of Postfix's postscreen_dnsbl_sites: domain[=d.d.d.d][*weight], each d a
 * number of 0..255 or [n;n..m;...]; and the weight "0!" is ours: a neutral site. Errors are
 * sentences about the offending text.
 */
#ifndef AGGREGATE_SITE_H
#define AGGREGATE_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/name.h"
#include "aggregate/text.h"

#define SITE_WEIGHT_MAX 10000

/* A set of IPv4 addresses: a set of values for each octet. */
struct pattern {
	uint64_t octet[4][4]; /* bit d of octet[i]: the i-th number may be d */
};

struct site {
	char list[NAME_TEXT_MAX + 1]; /* folded */
	bool filtered;                /* is there a filter? */
	struct pattern filter;        /* valid when filtered */
	int32_t weight;               /* -SITE_WEIGHT_MAX..SITE_WEIGHT_MAX, default 1 */
	bool neutral;                 /* weight 0, and a match voids every positive weight */
};

bool pattern_parse(const char *string, struct pattern *pattern, struct text *error);
bool pattern_match(const struct pattern *pattern, uint32_t address);

/* May the first number be `first`, 0..255? */
bool pattern_begins(const struct pattern *pattern, unsigned first);

/* Does `outer` match whatever `inner` matches? */
bool pattern_within(const struct pattern *inner, const struct pattern *outer);

/* The way one would write it: 127.0.[0..3].[2;4..11]. */
void pattern_print(const struct pattern *pattern, struct text *text);
bool site_parse(const char *string, struct site *site, struct text *error);

#endif
