/*
 * config_work - what is at hand while a configuration is read, for config and its parts
 */
#ifndef AGGREGATE_CONFIG_WORK_H
#define AGGREGATE_CONFIG_WORK_H

#include "aggregate/mistakes.h"
#include "aggregate/option.h"
#include "aggregate/sections.h"
#include "aggregate/settings.h"
#include "aggregate/syntax.h"

struct config_work {
	struct mistakes *mistakes;
	struct syntax syntax;
	struct sections sections; /* the same, by name */
	struct config *config;
	struct policy *policy;
};

/* Apply an option to `object` as this section gives it; nothing when it does not. */
void config_work_apply(struct config_work *work, const struct syntax_section *section,
    const struct option *option, void *object);

#endif
