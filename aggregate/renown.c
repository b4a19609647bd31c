#include "aggregate/renown.h"

#include <stdlib.h>
#include <string.h>

struct renown {
	struct subject *subject;
	size_t subjects, room;
};

struct renown *
renown_open(void)
{
	return calloc(1, sizeof(struct renown));
}

void
renown_close(struct renown *renown)
{
	if (renown == NULL)
		return;
	free(renown->subject);
	free(renown);
}

bool
renown_add(struct renown *renown, const struct subject *subject)
{
	if (renown->subjects == renown->room) {
		size_t room = renown->room == 0 ? 64 : 2 * renown->room;
		struct subject *larger = realloc(renown->subject, room * sizeof *larger);

		if (larger == NULL)
			return false;
		renown->subject = larger;
		renown->room = room;
	}
	renown->subject[renown->subjects++] = *subject;
	return true;
}

static int
compare(const void *left, const void *right)
{
	const struct subject *a = left, *b = right;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->octet, b->octet, sizeof a->octet);
}

void
renown_sort(struct renown *renown)
{
	if (renown->subjects > 0)
		qsort(renown->subject, renown->subjects, sizeof *renown->subject, compare);
}

bool
renown_lists(const struct renown *renown, const struct subject *subject)
{
	return renown->subjects > 0 && bsearch(subject, renown->subject, renown->subjects,
					   sizeof *renown->subject, compare) != NULL;
}

size_t
renown_count(const struct renown *renown)
{
	return renown->subjects;
}
