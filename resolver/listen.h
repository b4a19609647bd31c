/*
 * listen - the sockets, and the threads that serve them
 *
 * A listener is a thread with an event loop for its TCP connections, and one more for each of its
 * UDP sockets; they answer from the cache. What they cannot answer they hand on (serve.hand_on);
 * the reply comes back through listen_reply, from whatever thread.
 */
#ifndef RESOLVER_LISTEN_H
#define RESOLVER_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/config.h"
#include "resolver/serve.h"

/* A bound UDP socket and a listening TCP socket of one address. */
struct listen_sockets {
	int udp, tcp; /* -1: none */
};

/*
 * Bind one address; `shared` lets further sockets have the same address (one for each thread).
 * False, with a line logged that says what to do, when it cannot be had.
 */
bool listen_bind(const struct policy_server *server, bool shared, struct listen_sockets *sockets);

struct listener;

/*
 * Start the threads. `serve` is copied; its view is what the listener begins with, and it counts
 * for itself. The sockets are the listener's from now on, also when NULL is returned.
 */
struct listener *listen_start(
    const struct serve *serve, const struct listen_sockets *sockets, size_t count);

/* Serve by another view; returns when the old one is used no more. */
void listen_view(struct listener *listener, const struct view *view);

/* Have all its threads come round since this was last asked? */
bool listen_alive(struct listener *listener);

/* Any thread: add what it has counted to a sum. */
void listen_sum(const struct listener *listener, uint64_t sum[STATS_COUNTERS]);

/* End the threads and close its sockets. No listen_reply may be under way or come. */
void listen_stop(struct listener *listener);

/*
 * Hand on no more questions: those that the cache can't answer get what on-failure says. Returns
 * when none is being handed on; late replies still go out.
 */
void listen_detach(struct listener *listener);

/* Send a late reply to a client of client->listener; any thread. */
void listen_reply(const struct client *client, const uint8_t *bytes, size_t length);

#endif
