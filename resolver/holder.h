/*
 * holder - which process has a port, as /proc tells
 *
 * The processes of others are visible to root alone.
 */
#ifndef RESOLVER_HOLDER_H
#define RESOLVER_HOLDER_H

#include <stdbool.h>

#include "aggregate/policy.h"

struct holder {
	bool found;    /* somebody listens there */
	bool wildcard; /* on all addresses, not on this one */
	long pid;      /* 0: not to be seen */
	char name[32]; /* of the process, printable; "" without pid */
};

/* Is this an address of ours: of the loopback, or of an interface? */
bool holder_is_here(const struct policy_server *server);

/* Who gets the UDP packets that are sent to this address and port of ours. */
void holder_find(const struct policy_server *server, struct holder *holder);

#endif
