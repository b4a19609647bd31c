/*
 * command - the grammar of tallyctl's commands as a table
 *
 * The table is the manual: it parses, prints help, and feeds the completion.
 */
#ifndef RESOLVER_COMMAND_H
#define RESOLVER_COMMAND_H

#include <stdbool.h>

#include "aggregate/text.h"

#define COMMAND_WORDS_MAX 4

enum command_option {
	COMMAND_ZONE,
	COMMAND_FOR,
	COMMAND_UNTIL,
	COMMAND_REASON,
	COMMAND_FORMAT,
	COMMAND_AS,
	COMMAND_BY,
	COMMAND_CONFIG,
	COMMAND_SINCE,
	COMMAND_FORCE, /* from here on without a value */
	COMMAND_ALL,
	COMMAND_PROMETHEUS,
	COMMAND_ATTACHED,
	COMMAND_HTML,
	COMMAND_OPTIONS
};

struct command {
	const char *name;
	const char *words; /* "PREFIX N" for people */
	unsigned min, max; /* how many words */
	unsigned options;  /* bit (1 << COMMAND_ZONE) and so on */
	const char *help;
};

/* In the order of the manual; the last has name NULL. */
extern const struct command command_table[];

/* A command line taken apart. Strings are those of argv. */
struct command_line {
	const struct command *command;
	const char *word[COMMAND_WORDS_MAX];
	unsigned words;
	const char *option[COMMAND_OPTIONS]; /* NULL: not given; flags: "" */
	bool json, help;
};

/*
 * False, with a sentence in `error`. argument[0] is the command; --json may stand anywhere. With
 * -h or --help nothing is wrong: the rest is not looked at.
 */
bool command_parse(int count, char *const *argument, struct command_line *line, struct text *error);

/* One line for each command, or all of one. */
void command_print_all(struct text *text);
void command_print(const struct command *command, struct text *text);

#endif
