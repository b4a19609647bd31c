/*
 * unwell - what the daemon says of itself and its lists, as findings of doctor
 */
#ifndef RESOLVER_UNWELL_H
#define RESOLVER_UNWELL_H

#include "resolver/findings.h"
#include "resolver/tool.h"

/* That it does not run; each list that refuses us or is not well. */
void unwell_find(const struct tool *tool, struct findings *findings);

#endif
