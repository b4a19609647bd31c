/*
 * when - durations and dates as people type and read them
 *
 * Seconds since 1970, UTC. The present is an argument.
 */
#ifndef AGGREGATE_WHEN_H
#define AGGREGATE_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/text.h"

#define WHEN_LAST UINT32_MAX /* 2106-02-07: the last second that we tell */

/* "90s", "15m", "12h", "30d", "2w": a number and a unit, at least a second. */
bool when_parse_duration(const char *string, uint32_t *seconds);

/* "2027-01-31" (its beginning) or "2027-01-31T12:00:00Z". */
bool when_parse_date(const char *string, uint32_t *when);

void when_print(uint32_t when, struct text *text); /* 2027-01-31T12:00:00Z */

#endif
