#include "aggregate/sections.h"

#include <stdlib.h>
#include <string.h>

/* The more outward file speaks louder; of two at one depth the later. */
static bool
outranks(const struct syntax_section *a, const struct syntax_section *b)
{
	return b == NULL || a->depth < b->depth || (a->depth == b->depth && a > b);
}

static int
compare_name(const struct syntax_section *section, enum syntax_kind kind, const char *name)
{
	if (section->kind != kind)
		return section->kind < kind ? -1 : 1;
	return strcmp(section->name, name);
}

static int
compare(const void *a, const void *b)
{
	const struct syntax_section *one = *(const struct syntax_section *const *)a,
				    *two = *(const struct syntax_section *const *)b;
	int order = compare_name(one, two->kind, two->name);

	return order != 0 ? order : (one > two) - (one < two);
}

bool
sections_sort(struct sections *sections, const struct syntax *syntax)
{
	size_t count = syntax->sections;

	sections->sorted = calloc(count + 1, sizeof(const struct syntax_section *));
	if (sections->sorted == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		sections->sorted[i] = &syntax->section[i];
	sections->count = count;
	qsort(sections->sorted, count, sizeof(const struct syntax_section *), compare);
	return true;
}

/* Where the sections of this kind and name begin in `sorted`; they stand together. */
static size_t
find_sections(const struct sections *sections, enum syntax_kind kind, const char *name)
{
	size_t low = 0, high = sections->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_name(sections->sorted[middle], kind, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_at(const struct sections *sections, size_t i, enum syntax_kind kind, const char *name)
{
	return i < sections->count && compare_name(sections->sorted[i], kind, name) == 0;
}

const struct syntax_section *
sections_loudest(
    const struct sections *sections, enum syntax_kind kind, const char *name, const char *option)
{
	const struct syntax_section *found = NULL;

	for (size_t i = find_sections(sections, kind, name); is_at(sections, i, kind, name); i++)
		if ((option == NULL || syntax_value(sections->sorted[i], option) != NULL) &&
		    outranks(sections->sorted[i], found))
			found = sections->sorted[i];
	return found;
}

/* Loops end because no zone is visited more often than there are sections. */
const struct syntax_section *
sections_giving(
    const struct sections *sections, const struct syntax_section *zone, const char *option)
{
	for (size_t hops = 0; zone != NULL && hops <= sections->count; hops++) {
		const struct syntax_value *like = syntax_value(zone, "like");
		char name[NAME_TEXT_MAX + 1];

		if (syntax_value(zone, option) != NULL)
			return zone;
		if (like == NULL || like->words != 1 || !name_fold(like->word[0].text, name))
			return NULL;
		zone = sections_loudest(sections, SYNTAX_ZONE, name, NULL);
	}
	return NULL;
}

const struct syntax_section *
sections_first(const struct sections *sections, enum syntax_kind kind, const char *name)
{
	size_t i = find_sections(sections, kind, name);

	return is_at(sections, i, kind, name) ? sections->sorted[i] : NULL;
}

void
sections_free(struct sections *sections)
{
	free(sections->sorted);
	*sections = (struct sections){0};
}

const char *
sections_wildcard(const struct syntax_section *section)
{
	bool wildcard = section->kind == SYNTAX_LIST && strncmp(section->title, "*.", 2) == 0;

	return wildcard ? section->title + 2 : NULL;
}

const char *
sections_dead(const struct sections *sections, const char *name)
{
	const struct syntax_section *section =
	    sections_loudest(sections, SYNTAX_LIST, name, "dead");
	const struct syntax_value *dead;

	/* a wildcard is no domain name: its section is among those of the name "" */
	for (size_t i = find_sections(sections, SYNTAX_LIST, "");
	     section == NULL && is_at(sections, i, SYNTAX_LIST, ""); i++) {
		const char *wildcard = sections_wildcard(sections->sorted[i]);
		char folded[NAME_TEXT_MAX + 1];

		if (wildcard != NULL && name_fold(wildcard, folded) && name_is_under(name, folded))
			section = sections->sorted[i];
	}
	dead = section == NULL ? NULL : syntax_value(section, "dead");
	if (dead == NULL || dead->words != 1 || dead->word[0].text[0] == '\0' ||
	    strcmp(dead->word[0].text, "use") == 0)
		return NULL;
	return dead->word[0].text;
}

const char *
sections_of_domains(const struct sections *sections, const char *name)
{
	const struct syntax_section *section = NULL;
	const struct syntax_value *family;

	while (section == NULL && name != NULL) {
		const char *dot = strchr(name, '.');

		section = sections_loudest(sections, SYNTAX_LIST, name, "family");
		name = dot == NULL ? NULL : dot + 1;
	}
	family = section == NULL ? NULL : syntax_value(section, "family");
	return family != NULL && family->words == 1 && strcmp(family->word[0].text, "domain") == 0
		   ? section->name
		   : NULL;
}
