/*
 * config_lists - the list sections of a configuration: each list that is described or named
 */
#ifndef AGGREGATE_CONFIG_LISTS_H
#define AGGREGATE_CONFIG_LISTS_H

#include "aggregate/config_work.h"

/* All list sections, and which list is part of which. */
void config_lists_read(struct config_work *work);

/*
 * The list of this folded name, with what its sections say of it, the operator's over an included
 * one, option by option. NULL, and a mistake, without memory.
 */
struct policy_list *config_lists_find(struct config_work *work, const char *name);

#endif
