/*
 * config_doubts - what a configuration says that is allowed, but hardly meant: a warning for each
 */
#ifndef AGGREGATE_CONFIG_DOUBTS_H
#define AGGREGATE_CONFIG_DOUBTS_H

#include "aggregate/config_work.h"

/* `zone` is all that `section` and those it is like say; there is no mistake so far. */
void config_doubts(
    struct config_work *work, const struct syntax_section *section, const struct policy_zone *zone);

/* The same of the whole, when all zones are read. */
void config_doubt_whole(struct config_work *work);

#endif
