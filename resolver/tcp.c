/*
 * Invariants of a used connection: in_used bytes of `in` hold the beginning of at most one
 * message that is not complete, plus whole ones while it may not be read further (is_full);
 * out[out_sent..out_used-1] is still to be written. `due` is set whenever it is used.
 */
#include "resolver/tcp.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/acceptor.h"
#include "resolver/answer.h"
#include "resolver/udp.h"

#define LISTENERS_MAX POLICY_ADDRESSES_MAX
#define IN_MAX ((size_t)2 + 65535)
#define OUT_MAX ((size_t)2 * (2 + 65535))
#define PENDING_MAX 100   /* questions of one connection at the shards */
#define IDLE_MS 10000     /* RFC 7766 6.2.3 */
#define IDLE_BUSY_MS 2000 /* when more than half of the slots are in use */

struct connection {
	struct loop_watch watch;
	struct loop_timer idle;
	struct tcp *tcp;
	uint32_t number, generation;
	bool used, ended; /* ended: the client sends no more */
	unsigned pending;
	int64_t touched_ms; /* when a message last came or went */
	struct subject peer;
	size_t in_used, out_used, out_sent;
	uint8_t *in, *out;
};

struct tcp {
	struct loop *loop;
	struct serve *serve;
	void *listener;
	unsigned acceptors, used;
	struct acceptor acceptor[LISTENERS_MAX];
	struct connection connection[TCP_CONNECTIONS_MAX];
	uint8_t *memory; /* of all buffers; touched only as they are used */
	_Atomic uint64_t lost[TCP_CONNECTIONS_MAX / 64]; /* bit n: a reply of connection n is */
};

#define MEMORY ((size_t)TCP_CONNECTIONS_MAX * (IN_MAX + OUT_MAX))

static void
drop(struct connection *connection)
{
	struct tcp *tcp = connection->tcp;

	loop_watch_remove(tcp->loop, &connection->watch);
	loop_timer_clear(tcp->loop, &connection->idle);
	close(connection->watch.fd);
	connection->used = false;
	connection->generation++;
	tcp->used--;
}

/* No further question is taken now: too many under way, or no room for a reply. */
static bool
is_full(const struct connection *connection)
{
	return connection->pending >= PENDING_MAX ||
	       OUT_MAX - connection->out_used < 2 + ANSWER_SIZE_MAX;
}

static void
touch(struct connection *connection)
{
	struct tcp *tcp = connection->tcp;
	int64_t wait = tcp->used > TCP_CONNECTIONS_MAX / 2 ? IDLE_BUSY_MS : IDLE_MS;

	connection->touched_ms = loop_now_ms(tcp->loop);
	/* a new timer alone may lack memory; then the connection just lives longer */
	(void)loop_timer_set(tcp->loop, &connection->idle, connection->touched_ms + wait);
}

static void
append(struct connection *connection, const uint8_t *bytes, size_t length)
{
	uint8_t *out = connection->out + connection->out_used;

	out[0] = (uint8_t)(length >> 8);
	out[1] = (uint8_t)length;
	memcpy(out + 2, bytes, length);
	connection->out_used += 2 + length;
}

/* Serve the message at `in`, whose length is complete. */
static void
serve_message(struct connection *connection, const uint8_t *message, size_t length)
{
	struct tcp *tcp = connection->tcp;
	struct client client = {.listener = tcp->listener,
	    .fd = -1,
	    .connection = connection->number,
	    .generation = connection->generation};
	uint8_t reply[ANSWER_SIZE_MAX];
	const struct view_time time = serve_time(loop_time(tcp->loop));
	struct serve_asked asked;
	int served;

	stats_add(tcp->serve->stats, STATS_TCP);
	serve_read(tcp->serve, &connection->peer, message, length, &asked);
	serve_fetch(tcp->serve, &asked);
	served = serve_answer(tcp->serve, &asked, &client, time, reply);
	if (served == SERVED_LATER)
		connection->pending++;
	else if (served > 0)
		append(connection, reply, (size_t)served);
	serve_note(tcp->serve, &asked, time);
}

/*
 * Serve the whole messages in the buffer, as many as may be. Only they keep a connection from
 * being idle: one that sends a message byte by byte has IDLE_MS for all of it.
 */
static void
serve_buffer(struct connection *connection)
{
	size_t at = 0;

	while (!is_full(connection) && connection->in_used - at >= 2) {
		size_t length = (size_t)connection->in[at] << 8 | (size_t)connection->in[at + 1];

		if (connection->in_used - at - 2 < length)
			break;
		serve_message(connection, connection->in + at + 2, length);
		at += 2 + length;
	}
	if (at == 0)
		return;
	memmove(connection->in, connection->in + at, connection->in_used - at);
	connection->in_used -= at;
	touch(connection);
}

/* False when the connection is of no more use. */
static bool
write_some(struct connection *connection)
{
	while (connection->out_sent < connection->out_used) {
		ssize_t sent = send(connection->watch.fd, connection->out + connection->out_sent,
		    connection->out_used - connection->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		connection->out_sent += (size_t)sent;
	}
	connection->out_sent = connection->out_used = 0;
	return true;
}

static bool
read_some(struct connection *connection)
{
	ssize_t got = recv(connection->watch.fd, connection->in + connection->in_used,
	    IN_MAX - connection->in_used, MSG_DONTWAIT);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	connection->ended = got == 0;
	connection->in_used += (size_t)got;
	return true;
}

/* After anything happened: serve, write, and wait for what is still to come; or end it. */
static void
proceed(struct connection *connection)
{
	uint32_t events = 0;
	bool stuck;

	serve_buffer(connection);
	if (!write_some(connection)) {
		drop(connection);
		return;
	}
	stuck = connection->out_sent < connection->out_used;
	if (!stuck)
		serve_buffer(connection); /* what waited for room */
	if (!write_some(connection) ||
	    (connection->ended && connection->pending == 0 && connection->out_used == 0)) {
		drop(connection);
		return;
	}
	if (connection->out_used > 0)
		events |= EPOLLOUT;
	if (!connection->ended && !is_full(connection) && connection->in_used < IN_MAX)
		events |= EPOLLIN;
	if (!loop_watch_change(connection->tcp->loop, &connection->watch, events))
		drop(connection);
}

static void
on_ready(struct loop_watch *watch, uint32_t events)
{
	struct connection *connection = (struct connection *)(void *)watch;

	if ((events & EPOLLERR) != 0 || ((events & EPOLLIN) != 0 && !read_some(connection)) ||
	    ((events & (EPOLLIN | EPOLLHUP)) == EPOLLHUP)) {
		drop(connection);
		return;
	}
	proceed(connection);
}

static void
on_idle(struct loop_timer *timer)
{
	struct connection *connection =
	    (struct connection *)(void *)((char *)timer - offsetof(struct connection, idle));

	if (connection->pending > 0)
		touch(connection); /* it is we who are slow */
	else
		drop(connection);
}

/* An IPv6 client has a /64 to itself. */
static bool
is_same_client(const struct subject *a, const struct subject *b)
{
	return a->family == b->family &&
	       memcmp(a->octet, b->octet, a->family == SUBJECT_IPV4 ? 4 : 8) == 0;
}

/* Of less use than another: nothing under way, or for longer. */
static bool
is_staler(const struct connection *one, const struct connection *other)
{
	bool waits = one->pending > 0, other_waits = other->pending > 0;

	if (waits != other_waits)
		return other_waits;
	return one->touched_ms < other->touched_ms;
}

/*
 * For one more connection of this client: when it has its share already, it loses the stalest of
 * its own; else, when all slots are taken, the stalest of all goes.
 */
static void
make_room(struct tcp *tcp, const struct subject *peer)
{
	struct connection *stalest = NULL, *stalest_own = NULL;
	unsigned own = 0;

	for (unsigned i = 0; i < TCP_CONNECTIONS_MAX; i++) {
		struct connection *connection = &tcp->connection[i];

		if (!connection->used)
			continue;
		if (stalest == NULL || is_staler(connection, stalest))
			stalest = connection;
		if (!is_same_client(&connection->peer, peer))
			continue;
		own++;
		if (stalest_own == NULL || is_staler(connection, stalest_own))
			stalest_own = connection;
	}
	if (stalest_own != NULL && own >= TCP_CLIENT_MAX)
		drop(stalest_own);
	else if (stalest != NULL && tcp->used == TCP_CONNECTIONS_MAX)
		drop(stalest);
}

static void
begin(void *owner, int fd, const struct sockaddr_in6 *peer)
{
	struct tcp *tcp = owner;
	struct connection *connection = tcp->connection;
	struct subject client;

	udp_peer(peer, &client);
	make_room(tcp, &client);
	while (connection->used)
		connection++;
	connection->used = true;
	connection->ended = false;
	connection->pending = 0;
	connection->in_used = connection->out_used = connection->out_sent = 0;
	connection->peer = client;
	connection->watch.fd = fd;
	connection->watch.events = EPOLLIN;
	tcp->used++;
	touch(connection);
	if (!loop_watch_add(tcp->loop, &connection->watch))
		drop(connection);
}

struct tcp *
tcp_open(struct loop *loop, struct serve *serve, void *listener)
{
	struct tcp *tcp = calloc(1, sizeof *tcp);

	if (tcp == NULL)
		return NULL;
	tcp->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (tcp->memory == MAP_FAILED) {
		free(tcp);
		return NULL;
	}
	tcp->loop = loop;
	tcp->serve = serve;
	tcp->listener = listener;
	for (uint32_t i = 0; i < TCP_CONNECTIONS_MAX; i++) {
		struct connection *connection = &tcp->connection[i];

		connection->tcp = tcp;
		connection->number = i;
		connection->watch.ready = on_ready;
		connection->idle.expired = on_idle;
		connection->in = tcp->memory + (size_t)i * (IN_MAX + OUT_MAX);
		connection->out = connection->in + IN_MAX;
	}
	return tcp;
}

void
tcp_close(struct tcp *tcp)
{
	if (tcp == NULL)
		return;
	for (unsigned i = 0; i < tcp->acceptors; i++)
		acceptor_close(&tcp->acceptor[i]);
	for (unsigned i = 0; i < TCP_CONNECTIONS_MAX; i++)
		if (tcp->connection[i].used)
			drop(&tcp->connection[i]);
	munmap(tcp->memory, MEMORY);
	free(tcp);
}

bool
tcp_listen(struct tcp *tcp, int fd)
{
	struct acceptor *acceptor = &tcp->acceptor[tcp->acceptors];

	if (tcp->acceptors == LISTENERS_MAX)
		return false;
	acceptor->at_once = TCP_CONNECTIONS_MAX;
	acceptor->take = begin;
	acceptor->owner = tcp;
	if (!acceptor_open(acceptor, tcp->loop, fd))
		return false;
	tcp->acceptors++;
	return true;
}

void
tcp_reply(
    struct tcp *tcp, uint32_t number, uint32_t generation, const uint8_t *bytes, size_t length)
{
	struct connection *connection = &tcp->connection[number];

	if (!connection->used || connection->generation != generation)
		return;
	connection->pending--;
	if (OUT_MAX - connection->out_used < 2 + length) {
		drop(connection);
		return;
	}
	append(connection, bytes, length);
	touch(connection);
	proceed(connection);
}

void
tcp_lose(struct tcp *tcp, uint32_t number)
{
	atomic_fetch_or(&tcp->lost[number / 64], UINT64_C(1) << number % 64);
}

/*
 * The number may be another connection's by now, which then has to ask again: the price of a mark
 * that always finds room.
 */
void
tcp_close_lost(struct tcp *tcp)
{
	for (unsigned i = 0; i < TCP_CONNECTIONS_MAX / 64; i++) {
		uint64_t lost = atomic_exchange(&tcp->lost[i], 0);

		for (; lost != 0; lost &= lost - 1) {
			struct connection *connection =
			    &tcp->connection[i * 64 + (unsigned)__builtin_ctzll(lost)];

			if (connection->used && connection->pending > 0)
				drop(connection);
		}
	}
}
