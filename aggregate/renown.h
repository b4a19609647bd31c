/*
 * renown - the subjects that local.trust lists, in memory
 *
 * Filled once, sorted, then only read, by every thread.
 */
#ifndef AGGREGATE_RENOWN_H
#define AGGREGATE_RENOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/subject.h"

#define RENOWN_LIST "local.trust" /* the name by which sites ask for it */
#define RENOWN_ANSWER 0x7f000002u /* what it answers */
#define RENOWN_TTL 60             /* seconds that its evidence lasts */

struct renown;

struct renown *renown_open(void); /* empty; NULL without memory */
void renown_close(struct renown *renown);

/* In any order, before renown_sort. False without memory. */
bool renown_add(struct renown *renown, const struct subject *subject);
void renown_sort(struct renown *renown);

bool renown_lists(const struct renown *renown, const struct subject *subject);
size_t renown_count(const struct renown *renown);

#endif
