/*
 * examine - what a name server makes of one of our zones, and what stands between; pure
 *
 * The same questions are put to a server and, directly, to tallyd. None of them bothers a list:
 * they are about the test points and about an address within 127.0.0.0/8, which tallyd answers by
 * itself (tally(7), rules 1 and 3).
 */
#ifndef RESOLVER_EXAMINE_H
#define RESOLVER_EXAMINE_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/policy.h"
#include "aggregate/text.h"
#include "resolver/ask.h"

enum examine_question {
	EXAMINE_LISTED,    /* A of 127.0.0.2 */
	EXAMINE_TEXT,      /* TXT of 127.0.0.2 */
	EXAMINE_CLEAR,     /* A of 127.0.0.1 */
	EXAMINE_CHANGED,   /* A of an address that nobody can have in a cache */
	EXAMINE_IPV6,      /* A of ::ffff:127.0.0.2, 32 labels */
	EXAMINE_UNCHECKED, /* EXAMINE_LISTED without validation */
	EXAMINE_DNSSEC,    /* EXAMINE_LISTED for a client that wants signatures */
	EXAMINE_QUESTIONS
};

struct examined {
	struct ask_reply reply[EXAMINE_QUESTIONS];
};

/*
 * The question about `zone`, its name in `name`. `chance` picks the address of EXAMINE_CHANGED.
 */
void examine_question(enum examine_question which, const struct policy_zone *zone, uint32_t chance,
    char name[NAME_TEXT_MAX + 1], struct ask_question *question);

/* What stands between. In the order in which they are looked for; the first that is found counts.
 */
enum obstacle {
	OBSTACLE_NONE,
	OBSTACLE_UNREACHABLE, /* nobody listens, or no way there */
	OBSTACLE_SILENCE,     /* no reply in time */
	OBSTACLE_REBIND,      /* TXT comes through, the address does not */
	OBSTACLE_REFUSES,     /* REFUSED */
	OBSTACLE_VALIDATES,   /* SERVFAIL, but not without DNSSEC validation */
	OBSTACLE_FAILS,       /* SERVFAIL or another failure in any case */
	OBSTACLE_ELSEWHERE,   /* the test point does not exist there: tallyd is not asked */
	OBSTACLE_DIFFERS,     /* another answer than tallyd's own */
	OBSTACLE_INVENTS,     /* has an address for a name that does not exist */
	OBSTACLE_CACHED,      /* answers from its cache alone */
	OBSTACLE_TEXT,        /* the text does not come through */
	OBSTACLE_IPV6,        /* IPv6 subjects don't come through */
	OBSTACLE_TTL,         /* keeps answers longer than the zone allows */
	OBSTACLE_DNSSEC,      /* fails for clients that want signatures, and for no other */
	OBSTACLE_PORT,        /* another program has tallyd's port; never judged here */
	OBSTACLES
};

/* `direct` is what tallyd itself said, or NULL where there is nothing to compare with. */
enum obstacle examine_judge(
    const struct policy_zone *zone, const struct examined *through, const struct examined *direct);

bool examine_is_warning(enum obstacle obstacle);     /* a mail server may never meet it */
const char *examine_word(enum obstacle obstacle);    /* "rebind-protection" */
const char *examine_phrase(enum obstacle obstacle);  /* "takes the addresses out" */
const char *examine_meaning(enum obstacle obstacle); /* a sentence or two: what it means for mail */

/* What was seen in this zone that shows the obstacle, with a full stop. */
void examine_show(enum obstacle obstacle, const struct policy_zone *zone,
    const struct examined *through, struct text *text);

#endif
