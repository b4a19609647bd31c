#include "resolver/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/answer.h"
#include "resolver/log.h"
#include "resolver/tcp.h"
#include "resolver/udp.h"
#include "resolver/worker.h"

#define BACKLOG 128
#define RECEIVE_BUFFER (1 << 20)
#define LATE_MAX 1024 /* TCP replies on their way to a listener */

/* A TCP reply on its way from a shard. */
struct late {
	uint32_t connection, generation;
	size_t length;
	uint8_t *large; /* the bytes, when `bytes` is too small: malloc'd; or NULL */
	uint8_t bytes[ANSWER_SIZE_MAX];
};

struct listener {
	struct serve serve; /* of TCP; the UDP threads follow it */
	struct stats stats;
	struct worker worker;
	struct queue *late;
	struct listen_sockets sockets[POLICY_ADDRESSES_MAX];
	struct udp *udp[POLICY_ADDRESSES_MAX];
	size_t count, udps;
	struct tcp *tcp;
	_Atomic bool detaching;
};

static socklen_t
socket_address(const struct policy_server *server, struct sockaddr_storage *address)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(server->port)};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(server->port)};

	memset(address, 0, sizeof *address);
	if (inet_pton(AF_INET, server->address, &ipv4.sin_addr) == 1) {
		memcpy(address, &ipv4, sizeof ipv4);
		return sizeof ipv4;
	}
	inet_pton(AF_INET6, server->address, &ipv6.sin6_addr);
	memcpy(address, &ipv6, sizeof ipv6);
	return sizeof ipv6;
}

static void
log_bind_failure(const struct policy_server *server, const char *transport)
{
	const char *hint = "";

	if (errno == EADDRINUSE)
		hint = "; another program has the port (a resolver that listens on all addresses?)";
	else if (errno == EACCES)
		hint = "; ports below 1024 need root, CAP_NET_BIND_SERVICE or tallyd.socket";
	else if (errno == EADDRNOTAVAIL)
		hint = "; no interface has this address";
	log_error("cannot listen on %s@%u/%s: %s%s", server->address, server->port, transport,
	    strerror(errno), hint);
}

/*
 * SO_REUSEADDR only for TCP: on UDP it would let us bind beside a wildcard listener, and serve
 * half of the questions. A UDP socket blocks: its thread waits in it.
 */
static int
bind_one(const struct policy_server *server, int type, bool shared)
{
	struct sockaddr_storage address;
	socklen_t length = socket_address(server, &address);
	int wait = type == SOCK_STREAM ? SOCK_NONBLOCK : 0;
	int fd = socket(address.ss_family, type | wait | SOCK_CLOEXEC, 0);
	int on = 1, buffer = RECEIVE_BUFFER;
	bool good = fd >= 0;

	if (good && address.ss_family == AF_INET6)
		good = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
	if (good && shared)
		good = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
	if (good && type == SOCK_STREAM)
		good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
	if (good && type == SOCK_DGRAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	if (good)
		good = bind(fd, (struct sockaddr *)&address, length) == 0;
	if (good && type == SOCK_STREAM)
		good = listen(fd, BACKLOG) == 0;
	if (good)
		return fd;
	log_bind_failure(server, type == SOCK_DGRAM ? "udp" : "tcp");
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
close_sockets(struct listen_sockets *sockets)
{
	if (sockets->udp >= 0)
		close(sockets->udp);
	if (sockets->tcp >= 0)
		close(sockets->tcp);
	sockets->udp = sockets->tcp = -1;
}

bool
listen_bind(const struct policy_server *server, bool shared, struct listen_sockets *sockets)
{
	sockets->tcp = -1;
	sockets->udp = bind_one(server, SOCK_DGRAM, shared);
	if (sockets->udp >= 0)
		sockets->tcp = bind_one(server, SOCK_STREAM, shared);
	if (sockets->tcp >= 0)
		return true;
	close_sockets(sockets);
	return false;
}

static void
send_late(struct listener *listener)
{
	struct late late;

	while (queue_pop(listener->late, &late)) {
		tcp_reply(listener->tcp, late.connection, late.generation,
		    late.large == NULL ? late.bytes : late.large, late.length);
		free(late.large);
	}
	tcp_close_lost(listener->tcp);
}

static bool
hand_on_nothing(void *owner, unsigned shard, const struct miss *miss)
{
	(void)owner;
	(void)shard;
	(void)miss;
	return false;
}

static bool
recurse_nothing(void *owner, const struct miss *miss)
{
	(void)owner;
	(void)miss;
	return false;
}

/* Another thread has something for us. */
static void
on_woken(void *owner)
{
	struct listener *listener = owner;
	const struct view *next = worker_next(&listener->worker);

	if (next != NULL) {
		listener->serve.view = next;
		worker_done(&listener->worker);
	}
	if (atomic_exchange(&listener->detaching, false)) {
		listener->serve.hand_on = hand_on_nothing;
		listener->serve.recurse = recurse_nothing;
		worker_done(&listener->worker);
	}
	send_late(listener);
}

static void
free_listener(struct listener *listener)
{
	struct late late;

	while (listener->late != NULL && queue_pop(listener->late, &late))
		free(late.large);
	for (size_t i = 0; i < listener->udps; i++)
		udp_stop(listener->udp[i]);
	tcp_close(listener->tcp);
	for (size_t i = 0; i < listener->count; i++)
		close_sockets(&listener->sockets[i]);
	worker_close(&listener->worker);
	queue_close(listener->late);
	free(listener);
}

static bool
attach_sockets(struct listener *listener)
{
	for (size_t i = 0; i < listener->count; i++) {
		struct listen_sockets *sockets = &listener->sockets[i];

		if (sockets->udp >= 0) {
			struct udp *udp = udp_start(&listener->serve, listener, sockets->udp);

			if (udp == NULL)
				return false;
			listener->udp[listener->udps++] = udp;
		}
		if (sockets->tcp >= 0 && !tcp_listen(listener->tcp, sockets->tcp))
			return false;
	}
	return true;
}

struct listener *
listen_start(const struct serve *serve, const struct listen_sockets *sockets, size_t count)
{
	struct listener *listener = calloc(1, sizeof *listener);

	if (listener == NULL) {
		for (size_t i = 0; i < count; i++) {
			struct listen_sockets left = sockets[i];

			close_sockets(&left);
		}
		return NULL;
	}
	listener->serve = *serve;
	listener->serve.stats = &listener->stats;
	listener->count = count;
	memcpy(listener->sockets, sockets, count * sizeof *sockets);
	listener->late = queue_open(LATE_MAX, sizeof(struct late));
	if (worker_open(&listener->worker, on_woken, listener))
		listener->tcp = tcp_open(listener->worker.loop, &listener->serve, listener);
	if (listener->late == NULL || listener->tcp == NULL || !attach_sockets(listener) ||
	    !worker_start(&listener->worker)) {
		free_listener(listener);
		return NULL;
	}
	return listener;
}

/* The listener's own thread has changed its ways. */
static void
follow(struct listener *listener)
{
	for (size_t i = 0; i < listener->udps; i++)
		udp_follow(listener->udp[i], &listener->serve);
}

void
listen_view(struct listener *listener, const struct view *view)
{
	worker_view(&listener->worker, view);
	follow(listener);
}

bool
listen_alive(struct listener *listener)
{
	bool alive = loop_comes_round(listener->worker.loop);

	for (size_t i = 0; i < listener->udps; i++)
		alive = udp_comes_round(listener->udp[i]) && alive;
	return alive;
}

void
listen_sum(const struct listener *listener, uint64_t sum[STATS_COUNTERS])
{
	stats_sum(&listener->stats, sum);
	for (size_t i = 0; i < listener->udps; i++)
		stats_sum(udp_stats(listener->udp[i]), sum);
}

void
listen_detach(struct listener *listener)
{
	atomic_store(&listener->detaching, true);
	worker_wait(&listener->worker);
	follow(listener);
}

void
listen_stop(struct listener *listener)
{
	if (listener == NULL)
		return;
	worker_stop(&listener->worker);
	free_listener(listener);
}

/* No room or memory for a late reply. */
static void
lose(struct listener *listener, const struct client *client)
{
	tcp_lose(listener->tcp, client->connection);
	loop_wake(listener->worker.loop);
}

void
listen_reply(const struct client *client, const uint8_t *bytes, size_t length)
{
	struct listener *listener = client->listener;
	struct late late = {
	    .connection = client->connection, .generation = client->generation, .length = length};

	if (client->fd >= 0) {
		udp_send(client, bytes, length);
		return;
	}
	if (length > sizeof late.bytes && (late.large = malloc(length)) == NULL) {
		lose(listener, client);
		return;
	}
	memcpy(late.large == NULL ? late.bytes : late.large, bytes, length);
	if (!worker_send(&listener->worker, listener->late, &late)) {
		free(late.large);
		lose(listener, client);
	}
}
