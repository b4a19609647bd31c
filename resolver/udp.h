/*
 * udp - a UDP socket and its thread: packets in, packets out, in batches
 *
 * The thread waits in the call for packets: a question that comes alone costs two system calls.
 */
#ifndef RESOLVER_UDP_H
#define RESOLVER_UDP_H

#include <stdbool.h>

#include "resolver/serve.h"

struct udp;

/*
 * Start the thread for a bound, blocking socket, which the caller keeps and closes after udp_stop.
 * `serve` is copied, and counts for itself. NULL without memory, or, with a line logged, without
 * a thread.
 */
struct udp *udp_start(const struct serve *serve, void *listener, int fd);

/* End the thread, when it has answered what it has received. */
void udp_stop(struct udp *udp);

/* Serve by the view of `serve`, and hand on as it does; returns when nothing is done as before. */
void udp_follow(struct udp *udp, const struct serve *serve);

/* Has the thread come round since this was last asked? Wakes it, for the next answer. */
bool udp_comes_round(struct udp *udp);

/* Any thread: what it has counted. */
const struct stats *udp_stats(const struct udp *udp);

/* Send a late reply; any thread. A full socket buffer loses it, as the network might. */
void udp_send(const struct client *client, const uint8_t *bytes, size_t length);

/* The address of a client, as a subject: IPv4-mapped ones are IPv4. */
static inline void
udp_peer(const struct sockaddr_in6 *address, struct subject *peer)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct sockaddr_in ipv4;

	*peer = (struct subject){.family = SUBJECT_IPV4};
	if (address->sin6_family == AF_INET) {
		memcpy(&ipv4, address, sizeof ipv4);
		memcpy(peer->octet, &ipv4.sin_addr, 4);
	} else if (memcmp(&address->sin6_addr, mapped, sizeof mapped) == 0) {
		memcpy(peer->octet, address->sin6_addr.s6_addr + 12, 4);
	} else {
		peer->family = SUBJECT_IPV6;
		memcpy(peer->octet, &address->sin6_addr, 16);
	}
}

#endif
