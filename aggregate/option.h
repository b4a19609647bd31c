/*
 * option - one option's words, checked and put where they belong
 *
 * Every option is a row of a table: its name, how its words are applied, and the bounds. The
 * tables are in option_top.c, option_list.c and option_zone.c; what they share is here.
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
	const char *words; /* "a b c": the choices */
};

#define OPTION_PREFIX_EXPECTED "expected an address or prefix like 192.0.2.0/24, host bits 0"

/* Each ends with name NULL. Options that name other sections are applied by config. */
extern const struct option option_top[], option_list[], option_zone[];

/* The option is wrong; `word` says which of its words, if it has so many. */
void option_mistake(const struct option_given *given, size_t word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The option is allowed, but hardly meant. */
void option_warning(const struct option_given *given, size_t word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Which of the space-separated choices is `text`? -1 for none. */
int option_choice_of(const char *choices, const char *text);

/* The word of this number; there is one. */
const char *option_word(const struct option_given *given, size_t i);

/* true, yes, on: 1; false, no, off: 0; -1, and a mistake, for anything else */
int option_truth(const struct option_given *given);

/* For rows: a uint32_t of min..max, or (an enum) the place among `words`. */
void option_number(const struct option_given *given, const struct option *option);
void option_choice(const struct option_given *given, const struct option *option);

/* For rows: at most max bytes into a char array; a path, which may be empty when min is 0. */
void option_string(const struct option_given *given, const struct option *option);
void option_path(const struct option_given *given, const struct option *option);

/* For rows: nothing here, config applies it. */
void option_elsewhere(const struct option_given *given, const struct option *option);

/* All words as servers, each once, at most POLICY_ADDRESSES_MAX; returns how many. */
size_t option_servers(const struct option_given *given, struct policy_server *server);

/* "address" or "address@port"; returns what is wrong, or NULL. */
const char *option_server(const char *string, struct policy_server *server);
bool option_same_server(const struct policy_server *a, const struct policy_server *b);

#endif
