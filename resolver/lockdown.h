/*
 * lockdown - everything that needs root, in its order, and then never again
 *
 * Each step logs why it fails.
 */
#ifndef RESOLVER_LOCKDOWN_H
#define RESOLVER_LOCKDOWN_H

#include <stdbool.h>

#include "resolver/daemon.h"

/* The sockets that clients ask: passed by systemd, or bound by us. */
bool lockdown_bind(struct daemon *daemon);

/* The control socket, for root and the group of the user; then the user, and what it must own. */
bool lockdown_become_user(struct daemon *daemon);

/*
 * From now on only what a reload reads, what the state is, and what the C library and libunbound
 * may want. A reload can't read a file in another directory than the files at the start.
 */
bool lockdown_confine(const struct config *config);

#endif
