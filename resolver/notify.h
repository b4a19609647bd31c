/*
 * notify - the only door to libsystemd: tell it how we are, take the sockets it passes
 *
 * Built without libsystemd, or run without systemd, all of this does nothing.
 */
#ifndef RESOLVER_NOTIFY_H
#define RESOLVER_NOTIFY_H

#include <stdbool.h>

#include "aggregate/policy.h"
#include "resolver/listen.h"

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

/* Does a watchdog want to hear of us (WatchdogSec=)? Then tell it that we are well. */
bool notify_watched(void);
void notify_alive(void);

/*
 * The passed sockets of one address, -1 where there is none. The caller owns them: each call gives
 * duplicates, for a thread of its own.
 */
void notify_sockets(const struct policy_server *server, struct listen_sockets *sockets);

/* Logs the passed sockets that belong to none of these addresses. */
void notify_check_sockets(const struct policy_server *server, size_t servers);

#endif
