/*
 * option - one option's words, checked and put where they belong
 *
 * Every option is a row of a table: its name, how its words are applied, and the bounds.
 */
#ifndef AGGREGATE_OPTION_H
#define AGGREGATE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/mistakes.h"
#include "aggregate/settings.h"
#include "aggregate/syntax.h"

/* One option of one section, being applied. */
struct option_given {
	struct mistakes *mistakes;
	const char *file;
	const struct syntax_value *value;
	void *object; /* struct config, policy_list or policy_zone, by the table */
};

struct option {
	const char *name;
	bool is_list;
	void (*apply)(const struct option_given *given, const struct option *option);
	size_t offset; /* of the member that apply sets */
	uint32_t min, max;
	const char *words; /* "a b c": the choices; or the one value that means "leave it out" */
};

/* Each ends with name NULL. Options that name other sections are applied by config. */
extern const struct option option_top[], option_list[], option_zone[];

/* The option is wrong; `word` says which of its words, if it has so many. */
void option_mistake(const struct option_given *given, size_t word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The option is allowed, but hardly meant. */
void option_warning(const struct option_given *given, size_t word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "address" or "address@port"; returns what is wrong, or NULL. */
const char *option_server(const char *string, struct policy_server *server);
bool option_same_server(const struct policy_server *a, const struct policy_server *b);

#endif
