/*
 * exchange - exceptions as lines of text, in four formats
 *
 *   tally     block 192.0.2.0/24 zone=bl.example until=2027-01-31T00:00:00Z by="root" reason="x"
 *             allow ..., score 192.0.2.1 -3 ...; all but the prefix may be left out
 *   plain     one address or prefix a line
 *   cidr      Postfix cidr_table(5): "192.0.2.0/24 REJECT text", or "550 text"; OK and PERMIT
 *             allow, DUNNO is a score of 0, and no other action is read
 *   rbldnsd   ip4set data: "192.0.2.0/24 :127.0.0.2:text"; "!192.0.2.1" allows, or in a set that
 *             allows is a score of 0; a-b; 192.0.2 is /24
 *
 * Empty lines and comments (#) are nothing in all of them.
 */
#ifndef AGGREGATE_EXCHANGE_H
#define AGGREGATE_EXCHANGE_H

#include <stdbool.h>

#include "aggregate/exception.h"
#include "aggregate/text.h"

enum exchange_format { EXCHANGE_TALLY, EXCHANGE_PLAIN, EXCHANGE_CIDR, EXCHANGE_RBLDNSD };

#define EXCHANGE_LINE_MAX 1024

/* "tally", "plain", "cidr", "rbldnsd" */
bool exchange_format_parse(const char *name, enum exchange_format *format);

/*
 * Read one line (changed in the course; no line end). `given` has what the line does not say:
 * zone, action, author, reason, time. Each entry is given to `take`, which returns false to stop.
 * False, with a sentence in `error`, when the line can't be read.
 */
typedef bool exchange_take(void *context, const struct exception_entry *entry);
bool exchange_read(enum exchange_format format, char *line, const struct exception_entry *given,
    exchange_take *take, void *context, struct text *error);

/* One line without its end; "" when the format can't say this entry (score, or IPv6 in rbldnsd). */
void exchange_print(
    enum exchange_format format, const struct exception_entry *entry, struct text *line);

/* "allow 192.0.2.0/24 bl.example", or "... all": what tells exceptions apart, for people. */
#define EXCHANGE_KEY_MAX 100
void exchange_key(
    enum exception_action action, const struct prefix *prefix, const char *zone, struct text *text);

void prefix_print(const struct prefix *prefix, struct text *text); /* without /32 and /128 */

#endif
