/*
 * reload - another configuration while tallyd runs: built whole and put in force, or refused
 */
#ifndef RESOLVER_RELOAD_H
#define RESOLVER_RELOAD_H

#include <stdbool.h>

#include "resolver/daemon.h"

/* Read the configuration anew. False, with everything as it was, when it has mistakes. Logs. */
bool reload_config(struct daemon *daemon);

#endif
