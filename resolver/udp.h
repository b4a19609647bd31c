/*
 * udp - UDP sockets: packets in, packets out, in batches
 */
#ifndef RESOLVER_UDP_H
#define RESOLVER_UDP_H

#include <stdbool.h>

#include "resolver/loop.h"
#include "resolver/serve.h"

struct udp;

/* Serve a bound, non-blocking socket, which the caller keeps and closes after udp_close. */
struct udp *udp_open(struct loop *loop, struct serve *serve, void *listener, int fd);
void udp_close(struct udp *udp);

/* Send a late reply; any thread. A full socket buffer loses it, as the network might. */
void udp_send(const struct client *client, const uint8_t *bytes, size_t length);

/* The address of a client, as a subject: IPv4-mapped ones are IPv4. */
void udp_peer(const struct sockaddr_in6 *address, struct subject *peer);

#endif
