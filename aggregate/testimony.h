/*
 * testimony - what the lists said of a subject at one moment, as a line of text
 *
 *   zen.spamhaus.org=127.0.0.4,127.0.0.10 list.example=clear other.example=unknown
 *
 * It is kept with recommendations and refusals and outlives evidence and configuration.
 */
#ifndef AGGREGATE_TESTIMONY_H
#define AGGREGATE_TESTIMONY_H

#include <stdbool.h>

#include "aggregate/evidence.h"
#include "aggregate/name.h"
#include "aggregate/text.h"

#define TESTIMONY_MAX 1900

enum testimony_state { TESTIMONY_UNKNOWN, TESTIMONY_CLEAR, TESTIMONY_ANSWERS };

/* What one list said. */
struct testimony {
	char list[NAME_TEXT_MAX + 1];
	enum testimony_state state;
	struct answers answers; /* valid for TESTIMONY_ANSWERS */
};

/* Add what one list said; left out whole when it does not fit. */
void testimony_add(struct text *text, const struct testimony *testimony);

/* Take the next from *cursor; false at the end, or at something that is none. */
bool testimony_next(const char **cursor, struct testimony *testimony);

#endif
