/*
 * config - what the configuration files say: one struct, or all their mistakes at once
 *
 * The struct owns the policy compiled from it. Nothing in it changes after config_read.
 */
#ifndef AGGREGATE_CONFIG_H
#define AGGREGATE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/evidence.h"
#include "aggregate/mistakes.h"
#include "aggregate/settings.h"
#include "aggregate/syntax.h"

/*
 * Read `path` and what it includes. NULL when there is any mistake; all of them are then in
 * `mistakes`. The lists that are used get their numbers from `book`.
 */
struct config *config_read(const char *path, struct evidence_book *book, struct mistakes *mistakes);
void config_close(struct config *config);

/* What tallyctl needs to know, which it gets from a half-edited file too. */
struct config_places {
	char state_dir[CONFIG_PATH_MAX + 1], control[CONFIG_PATH_MAX + 1];
	char **zone; /* names as folded, the caller's */
	size_t zones;
	struct received_trusted trusted;
};

/*
 * Read only what is named above; other mistakes are not looked at. False when the file can't be
 * read, or these options are wrong; the places are then the defaults.
 */
bool config_places(const char *path, struct config_places *places, struct mistakes *mistakes);

/* The sections as they stand in the files, known options only; for who wants the catalogue. */
void config_syntax(struct syntax *syntax, const char *path, struct mistakes *mistakes);

#endif
