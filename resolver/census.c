#include "resolver/census.h"

#include <stdlib.h>
#include <string.h>

void
census_count(struct census *census, const char *name, bool alone)
{
	size_t i = 0;

	while (i < census->rows && strcmp(census->row[i].name, name) != 0)
		i++;
	if (i == CENSUS_NAMES_MAX || strlen(name) > NAME_TEXT_MAX)
		return;
	if (i == census->rows) {
		memcpy(census->row[i].name, name, strlen(name) + 1);
		census->row[i].count = census->row[i].alone = 0;
		census->rows++;
	}
	census->row[i].count++;
	census->row[i].alone += alone;
}

unsigned
census_of(const struct census *census, const char *name)
{
	for (size_t i = 0; i < census->rows; i++)
		if (strcmp(census->row[i].name, name) == 0)
			return census->row[i].count;
	return 0;
}

static int
by_count(const void *left, const void *right)
{
	const struct census_row *a = left, *b = right;

	return a->count > b->count ? -1 : a->count < b->count;
}

void
census_sort(struct census *census)
{
	qsort(census->row, census->rows, sizeof census->row[0], by_count);
}
