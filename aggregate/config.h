/*
 * config - what the configuration files say: one struct, or all their mistakes at once
 *
 * The struct owns the policy compiled from it. Nothing in it changes after config_read.
 */
#ifndef AGGREGATE_CONFIG_H
#define AGGREGATE_CONFIG_H

#include "aggregate/evidence.h"
#include "aggregate/mistakes.h"
#include "aggregate/settings.h"

/*
 * Read `path` and what it includes. NULL when there is any mistake; all of them are then in
 * `mistakes`. The lists that are used get their numbers from `book`.
 */
struct config *config_read(const char *path, struct evidence_book *book, struct mistakes *mistakes);
void config_close(struct config *config);

#endif
