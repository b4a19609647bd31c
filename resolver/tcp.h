/*
 * tcp - TCP connections: persistent, pipelined, bounded (RFC 7766)
 *
 * A connection is a fixed slot named by a ticket. Replies may come out of order. A connection
 * with too many questions under way, or a client that does not read, is read no further until
 * that is better; one that is idle is closed, sooner when most slots are in use. When all are, the
 * one idle for longest gives way; one client alone has at most half of them.
 */
#ifndef RESOLVER_TCP_H
#define RESOLVER_TCP_H

#include "resolver/loop.h"
#include "resolver/serve.h"

#define TCP_CONNECTIONS_MAX 128                  /* in one listener thread */
#define TCP_CLIENT_MAX (TCP_CONNECTIONS_MAX / 2) /* of one client */

struct tcp;

struct tcp *tcp_open(struct loop *loop, struct serve *serve, void *listener);
void tcp_close(struct tcp *tcp); /* closes all connections */

/* Accept from a listening, non-blocking socket, which the caller keeps. */
bool tcp_listen(struct tcp *tcp, int fd);

/* A late reply; only the thread of the loop. Nothing when the connection is gone. */
void tcp_reply(
    struct tcp *tcp, uint32_t number, uint32_t generation, const uint8_t *bytes, size_t length);

/* A late reply to this connection can't be had; any thread. */
void tcp_lose(struct tcp *tcp, uint32_t number);

/* Close the connections that wait for such: their clients ask again. */
void tcp_close_lost(struct tcp *tcp);

#endif
