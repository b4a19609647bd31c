#include "resolver/udp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "resolver/answer.h"

#define BATCH 32
#define AHEAD 8         /* fetched before the first is answered: what one processor can wait for */
#define ROUNDS 4        /* batches in one turn, so that other sockets get theirs */
#define PACKET_MAX 4096 /* a longer query is cut, and so malformed */
/* A page apart, the packets of a batch would fight for one set of the processor's cache. */
#define PACKET_STEP (PACKET_MAX + 64)

struct udp {
	struct loop_watch watch;
	struct loop *loop;
	struct serve *serve;
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_bytes[BATCH], out_bytes[BATCH];
	struct client client[BATCH];     /* who sent the packets of a batch */
	struct serve_asked asked[BATCH]; /* and what is in them */
	uint8_t packet[BATCH][PACKET_STEP];
	uint8_t reply[BATCH][ANSWER_SIZE_MAX];
};

/* Read packet i of a batch. */
static inline void
read_one(struct udp *udp, unsigned i)
{
	struct client *client = &udp->client[i];
	struct subject peer;

	client->peer_length = udp->in[i].msg_hdr.msg_namelen;
	udp_peer(&client->peer, &peer);
	serve_read(udp->serve, &peer, udp->packet[i], udp->in[i].msg_len, &udp->asked[i]);
}

/* Answer it; put the reply, if there is one, at place n of the replies. */
static inline bool
answer_one(struct udp *udp, struct view_time time, unsigned i, unsigned n)
{
	struct client *client = &udp->client[i];
	int length = serve_answer(udp->serve, &udp->asked[i], client, time, udp->reply[n]);

	if (length <= 0)
		return false;
	udp->out_bytes[n].iov_len = (size_t)length;
	udp->out[n].msg_hdr.msg_name = &client->peer;
	udp->out[n].msg_hdr.msg_namelen = client->peer_length;
	return true;
}

/* Send n replies; one that the kernel refuses is lost and the next one tried. */
static void
send_all(struct udp *udp, unsigned n)
{
	unsigned at = 0;

	while (at < n) {
		int sent = sendmmsg(udp->watch.fd, udp->out + at, n - at, MSG_DONTWAIT);

		at += sent > 0 ? (unsigned)sent : 1;
	}
}

static void
serve_batch(struct udp *udp, unsigned count, struct view_time time)
{
	unsigned replies = 0;

	for (unsigned i = 0; i < count; i++)
		read_one(udp, i);
	for (unsigned i = 0; i < count + AHEAD; i++) {
		if (i < count)
			serve_fetch(udp->serve, &udp->asked[i]);
		if (i >= AHEAD)
			replies += answer_one(udp, time, i - AHEAD, replies);
	}
	send_all(udp, replies);
	for (unsigned i = 0; i < count; i++)
		serve_note(udp->serve, &udp->asked[i], time);
}

static void
on_ready(struct loop_watch *watch, uint32_t events)
{
	struct udp *udp = (struct udp *)(void *)((char *)watch - offsetof(struct udp, watch));

	(void)events;
	for (unsigned round = 0; round < ROUNDS; round++) {
		int got = recvmmsg(udp->watch.fd, udp->in, BATCH, MSG_DONTWAIT, NULL);

		if (got > 0)
			serve_batch(udp, (unsigned)got, serve_time(udp->loop));
		if (got < BATCH)
			return;
	}
}

struct udp *
udp_open(struct loop *loop, struct serve *serve, void *listener, int fd)
{
	struct udp *udp = calloc(1, sizeof *udp);

	if (udp == NULL)
		return NULL;
	udp->loop = loop;
	udp->serve = serve;
	for (unsigned i = 0; i < BATCH; i++) {
		udp->client[i] = (struct client){.listener = listener, .fd = fd};
		udp->in_bytes[i] =
		    (struct iovec){.iov_base = udp->packet[i], .iov_len = PACKET_MAX};
		udp->in[i].msg_hdr.msg_iov = &udp->in_bytes[i];
		udp->in[i].msg_hdr.msg_iovlen = 1;
		udp->in[i].msg_hdr.msg_name = &udp->client[i].peer;
		/* recvmmsg makes it the length of the socket's own family, and so it stays */
		udp->in[i].msg_hdr.msg_namelen = sizeof udp->client[i].peer;
		udp->out_bytes[i].iov_base = udp->reply[i];
		udp->out[i].msg_hdr.msg_iov = &udp->out_bytes[i];
		udp->out[i].msg_hdr.msg_iovlen = 1;
	}
	udp->watch.fd = fd;
	udp->watch.events = EPOLLIN;
	udp->watch.ready = on_ready;
	if (!loop_watch_add(loop, &udp->watch)) {
		free(udp);
		return NULL;
	}
	return udp;
}

void
udp_close(struct udp *udp)
{
	if (udp == NULL)
		return;
	loop_watch_remove(udp->loop, &udp->watch);
	free(udp);
}

void
udp_send(const struct client *client, const uint8_t *bytes, size_t length)
{
	struct sockaddr_in6 peer = client->peer;

	(void)sendto(client->fd, bytes, length, MSG_DONTWAIT, (struct sockaddr *)(void *)&peer,
	    client->peer_length);
}
