/*
 * verdict - evidence, exceptions and a zone in, one answer out; pure
 *
 * The score of a subject is an interval: each list of the zone that said something adds the
 * weights of its matching sites; one that did not, or that is unknown, stretches the interval by
 * the least and the most that any reply of it could add. As soon as the interval lies in one
 * grade no further evidence can change the verdict, and only then is it given. What changes where
 * lists void one another's weights is in share.h.
 */
#ifndef AGGREGATE_VERDICT_H
#define AGGREGATE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/bits.h"
#include "aggregate/evidence.h"
#include "aggregate/exception.h"
#include "aggregate/policy.h"
#include "aggregate/subject.h"
#include "aggregate/text.h"

enum verdict_state {
	VERDICT_OPEN,       /* more evidence may still change it */
	VERDICT_LISTED,     /* answer `address` */
	VERDICT_CLEAR,      /* answer NXDOMAIN */
	VERDICT_DEFERRED,   /* open at the deadline, on-failure "defer": SERVFAIL */
	VERDICT_SUBSTITUTE, /* open at the deadline, on-failure an address: answer `address` */
};

#define VERDICT_TEXT_MAX 200 /* bytes of an answer's text */

struct verdict {
	enum verdict_state state;
	enum subject_place place; /* test points and special addresses are decided by it alone */
	bool excepted;            /* an exception covers the subject */
	int32_t score;            /* with every unknown list counted as 0 */
	int32_t low, high;        /* low <= score <= high */
	uint32_t address;         /* valid when listed or substitute; host byte order */
	uint32_t ttl;             /* seconds; while open, what the evidence in hand has left */
	uint32_t left; /* seconds that the evidence in hand has left, whatever the zone's bounds */
	bool stale;    /* some of it has expired and stands in for a list that fails */
	uint64_t counted[BITS_WORDS(
	    EVIDENCE_LISTS_MAX)]; /* bit i: zone->list[i] adds a positive weight */
	uint64_t unknown[BITS_WORDS(
	    EVIDENCE_LISTS_MAX)];   /* bit i: zone->list[i] stretches the interval or is unknown */
	struct exception exception; /* valid when excepted */
};

/*
 * Decide from the evidence in hand, indexed by list number; EVIDENCE_NONE is "not known (yet)".
 * `now` is in the seconds of evidence.expires, `wall` in those of exception.until. `score` is a
 * score exception that covers the subject, or NULL.
 */
void verdict_decide(const struct policy_zone *zone, const struct subject *subject,
    const struct exception *score, const struct evidence_book *book,
    const struct evidence *evidence, uint32_t now, uint32_t wall, struct verdict *verdict);

/* Nothing more will come: turn an open verdict into what on-failure says. */
void verdict_close(const struct policy_zone *zone, struct verdict *verdict);

/*
 * The verdict of an exception that covers the subject, which asks nobody. False for a score
 * exception, with `verdict` untouched: it only adds to what the lists say.
 */
bool verdict_of_exception(const struct policy_zone *zone, const struct exception *exception,
    uint32_t wall, struct verdict *verdict);

/* The verdict on a test point or special-use address, for which nobody is asked. */
void verdict_of_place(
    const struct policy_zone *zone, enum subject_place place, struct verdict *verdict);

/* The id of the case, see caseid; whatever the verdict was not made from has no part in it. */
uint64_t verdict_case(const struct policy_zone *zone, const struct subject *subject,
    const struct verdict *verdict, const struct evidence_book *book,
    const struct evidence *evidence);

/* Was it given without the lists: by an exception, or by what the subject is? */
bool verdict_is_without_lists(const struct verdict *verdict);

/*
 * The zone's text with its macros replaced: at most VERDICT_TEXT_MAX printable bytes. `evidence`
 * may be NULL when the verdict did not need any; an exception is named "local policy".
 */
void verdict_text(const struct policy_zone *zone, const struct subject *subject,
    const struct verdict *verdict, const struct evidence_book *book,
    const struct evidence *evidence, struct text *text);

const char *verdict_word(enum verdict_state state);

#endif
