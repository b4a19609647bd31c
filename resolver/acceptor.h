/*
 * acceptor - a socket that connections are taken from, with a pause when descriptors run out
 *
 * A connection that cannot be taken stays, and the loop would call for it without end.
 */
#ifndef RESOLVER_ACCEPTOR_H
#define RESOLVER_ACCEPTOR_H

#include <netinet/in.h>
#include <stdbool.h>

#include "resolver/log.h"
#include "resolver/loop.h"

#define ACCEPTOR_PAUSE_MS 200

struct acceptor {
	struct loop_watch watch; /* first: the loop hands it back */
	struct loop_timer pause;
	struct loop *loop;
	unsigned at_once; /* so many in a turn of the loop */
	struct log_limit limit;
	/* `fd` is the callee's; `peer` means nothing for a Unix socket */
	void (*take)(void *owner, int fd, const struct sockaddr_in6 *peer);
	void *owner;
};

/* Of `acceptor` at_once, take and owner are set. The descriptor stays the caller's. */
bool acceptor_open(struct acceptor *acceptor, struct loop *loop, int fd);
void acceptor_close(struct acceptor *acceptor);

#endif
