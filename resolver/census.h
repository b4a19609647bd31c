/*
 * census - how often each of some names was counted
 */
#ifndef RESOLVER_CENSUS_H
#define RESOLVER_CENSUS_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/name.h"

#define CENSUS_NAMES_MAX 512 /* further names are not counted */

struct census {
	struct census_row {
		char name[NAME_TEXT_MAX + 1];
		unsigned count, alone;
	} row[CENSUS_NAMES_MAX];
	size_t rows;
};

void census_count(struct census *census, const char *name, bool alone);
unsigned census_of(const struct census *census, const char *name);
void census_sort(struct census *census); /* the most frequent first */

#endif
