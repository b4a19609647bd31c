/*
 * sections - the sections of a configuration by kind and name
 *
 * There may be thousands of accounts: sections are sorted once and found by halving.
 */
#ifndef AGGREGATE_SECTIONS_H
#define AGGREGATE_SECTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/syntax.h"

/* Refers to a struct syntax, which must outlive it. */
struct sections {
	const struct syntax_section **sorted; /* by kind and name, then as they were read */
	size_t count;
};

bool sections_sort(struct sections *sections, const struct syntax *syntax); /* false: no memory */
void sections_free(struct sections *sections);

/* The one of this kind and folded name that was read first, or NULL. */
const struct syntax_section *sections_first(
    const struct sections *sections, enum syntax_kind kind, const char *name);

/*
 * The loudest of this kind and folded name that gives the option (any option: NULL), or NULL. A
 * more outward file speaks louder than one it includes; of two at one depth the later.
 */
const struct syntax_section *sections_loudest(
    const struct sections *sections, enum syntax_kind kind, const char *name, const char *option);

/*
 * The section that gives an option of a zone: its own, or that of the zone it is like, and so on;
 * NULL when none does.
 */
const struct syntax_section *sections_giving(
    const struct sections *sections, const struct syntax_section *zone, const char *option);

/* Why nobody should ask the list of this folded name, or NULL. */
const char *sections_dead(const struct sections *sections, const char *name);

/*
 * If the list of this folded name knows domains, and no addresses: the name of the section that
 * says so, its own or, as for one with a key in front, one that it is under. Else NULL.
 */
const char *sections_of_domains(const struct sections *sections, const char *name);

/* Of a list titled "*.example.org" the name behind the "*.", else NULL. */
const char *sections_wildcard(const struct syntax_section *section);

#endif
