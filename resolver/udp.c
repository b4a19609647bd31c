#include "resolver/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "resolver/answer.h"
#include "resolver/log.h"

#define BATCH 32
#define LONE 16         /* batches of one in a row: from then on each LONEth has room for more */
#define AHEAD 8         /* fetched before the first is answered: what one processor can wait for */
#define PACKET_MAX 4096 /* a longer query is cut, and so malformed */
#define KNOCK SIGURG    /* ends the wait for packets; to anybody else it is nothing */
#define KNOCK_AGAIN_NS 100000
#define PAUSE_NS 1000000
#define LOG_EVERY_MS 60000

/* A question, who sent it, and the reply to him. */
struct query {
	struct client client;
	struct serve_asked asked;
	struct iovec packet_bytes, reply_bytes;
	uint8_t packet[PACKET_MAX];
	uint8_t reply[ANSWER_SIZE_MAX];
};

/* A page apart, the packets of a batch would fight for one set of the processor's cache. */
_Static_assert(sizeof(struct query) % 4096 >= 64, "not a page apart");

struct udp {
	int fd;
	pthread_t thread;
	_Atomic bool stopping;
	_Atomic bool turned;  /* since udp_comes_round */
	pthread_mutex_t lock; /* of `serve`: held while a batch is served */
	struct serve serve;
	struct stats stats;
	struct log_limit limit;
	struct loop_ticks ticks;
	unsigned lone; /* batches of one in a row, up to now */
	struct mmsghdr in[BATCH], out[BATCH];
	struct query query[BATCH]; /* in[i] is for query[i] */
};

static inline void
read_one(struct udp *udp, const struct mmsghdr *in, struct query *query)
{
	struct client *client = &query->client;
	struct subject peer;

	client->peer_length = in->msg_hdr.msg_namelen;
	udp_peer(&client->peer, &peer);
	serve_read(&udp->serve, &peer, query->packet, in->msg_len, &query->asked);
}

/* Answer it; false when there is no reply to send. */
static inline bool
answer_one(struct udp *udp, struct view_time time, struct query *query, struct mmsghdr *out)
{
	struct client *client = &query->client;
	int length = serve_answer(&udp->serve, &query->asked, client, time, query->reply);

	if (length <= 0)
		return false;
	query->reply_bytes.iov_len = (size_t)length;
	out->msg_hdr.msg_iov = &query->reply_bytes;
	out->msg_hdr.msg_name = &client->peer;
	out->msg_hdr.msg_namelen = client->peer_length;
	return true;
}

/*
 * May a reply be cut on its way? None is larger than 1232 bytes, so hardly any link cuts it; not to
 * be cut it needs no number either, which the kernel would have to hash for each. PROBE and OMIT:
 * forged ICMP messages make nothing smaller (RFC 9715, 3.1). With IPv6 all of it is so by itself.
 */
static void
let_be_cut(int fd, bool cut)
{
	const int how = cut ? IP_PMTUDISC_OMIT : IP_PMTUDISC_PROBE;

	(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof how);
}

static void
send_one(int fd, const void *bytes, size_t length, const struct sockaddr_in6 *peer,
    socklen_t peer_length)
{
	const struct sockaddr *to = (const struct sockaddr *)(const void *)peer;

	if (sendto(fd, bytes, length, MSG_DONTWAIT, to, peer_length) >= 0 || errno != EMSGSIZE)
		return;
	/* our own link takes less */
	let_be_cut(fd, true);
	(void)sendto(fd, bytes, length, MSG_DONTWAIT, to, peer_length);
}

/* Send n replies. One that the kernel refuses is tried once more, then the next. */
static void
send_all(struct udp *udp, unsigned n)
{
	unsigned at = 0;

	while (at < n) {
		int sent = sendmmsg(udp->fd, udp->out + at, n - at, MSG_DONTWAIT);
		const struct msghdr *refused = &udp->out[at].msg_hdr;

		if (sent <= 0)
			send_one(udp->fd, refused->msg_iov->iov_base, refused->msg_iov->iov_len,
			    refused->msg_name, refused->msg_namelen);
		at += sent > 0 ? (unsigned)sent : 1;
	}
}

/* What it calls and is small becomes one with it. */
__attribute__((flatten)) static void
serve_batch(struct udp *udp, unsigned count)
{
	struct query *query = udp->query;
	struct view_time time;
	unsigned replies = 0;

	stats_add_many(&udp->stats, STATS_UDP, count);
	for (unsigned i = 0; i < count; i++)
		read_one(udp, &udp->in[i], &query[i]);
	/* meanwhile comes the memory that was asked for */
	time = serve_time(loop_time_of_tick(&udp->ticks));
	for (unsigned i = 0; i < count + AHEAD; i++) {
		if (i < count)
			serve_fetch(&udp->serve, &query[i].asked);
		if (i >= AHEAD)
			replies += answer_one(udp, time, &query[i - AHEAD], &udp->out[replies]);
	}
	if (count == 1 && replies == 1) /* it may be waited for, and sendto takes less time */
		udp_send(&query->client, query->reply, query->reply_bytes.iov_len);
	else
		send_all(udp, replies);
	for (unsigned i = 0; i < count; i++)
		serve_recall(&udp->serve, &query[i].asked);
	for (unsigned i = 0; i < count; i++)
		serve_note(&udp->serve, &query[i].asked, time);
}

/* The kernel lacks something, or somebody who shares the socket has made it non-blocking. */
static void
pause_a_while(struct udp *udp, int error)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};

	if (log_allowed(&udp->limit, loop_clock().now_ms, LOG_EVERY_MS))
		log_warning("questions have to wait: %s", strerror(error));
	(void)nanosleep(&pause, NULL);
}

static int
wait_for_one(struct udp *udp)
{
	struct mmsghdr *in = &udp->in[0];
	struct query *query = &udp->query[0];
	ssize_t length = recvfrom(udp->fd, query->packet, sizeof query->packet, 0,
	    (struct sockaddr *)(void *)&query->client.peer, &in->msg_hdr.msg_namelen);

	if (length < 0)
		return -1;
	in->msg_len = (unsigned)length;
	return 1;
}

/* Where questions come one by one, the kernel need not look for a second before we reply. */
static int
wait_for_batch(struct udp *udp)
{
	if (udp->lone < LONE || udp->lone % LONE == 0)
		return recvmmsg(udp->fd, udp->in, BATCH, MSG_WAITFORONE, NULL);
	return wait_for_one(udp);
}

static void
receive(struct udp *udp)
{
	int got = wait_for_batch(udp);

	if (got > 0) {
		udp->lone = got == 1 ? udp->lone + 1 : 0;
		pthread_mutex_lock(&udp->lock);
		serve_batch(udp, (unsigned)got);
		pthread_mutex_unlock(&udp->lock);
	} else if (errno != EINTR) {
		pause_a_while(udp, errno);
	}
}

static void *
run(void *argument)
{
	struct udp *udp = argument;
	sigset_t knock;

	sigemptyset(&knock);
	sigaddset(&knock, KNOCK);
	pthread_sigmask(SIG_UNBLOCK, &knock, NULL);
	while (!atomic_load(&udp->stopping)) {
		atomic_store_explicit(&udp->turned, true, memory_order_relaxed);
		receive(udp);
	}
	return NULL;
}

static void
on_knock(int signal)
{
	(void)signal; /* the call that waits returns */
}

static void
free_udp(struct udp *udp)
{
	pthread_mutex_destroy(&udp->lock);
	free(udp);
}

static void
prepare(struct udp *udp, void *listener)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct query *query = &udp->query[i];

		query->client = (struct client){.listener = listener, .fd = udp->fd};
		query->packet_bytes.iov_base = query->packet;
		query->packet_bytes.iov_len = sizeof query->packet;
		query->reply_bytes.iov_base = query->reply;
		udp->in[i].msg_hdr.msg_iov = &query->packet_bytes;
		udp->in[i].msg_hdr.msg_iovlen = 1;
		udp->in[i].msg_hdr.msg_name = &query->client.peer;
		/* the kernel makes it the length of the socket's own family, and so it stays */
		udp->in[i].msg_hdr.msg_namelen = sizeof query->client.peer;
		udp->out[i].msg_hdr.msg_iovlen = 1;
	}
}

struct udp *
udp_start(const struct serve *serve, void *listener, int fd)
{
	const struct sigaction knocked = {.sa_handler = on_knock}; /* without SA_RESTART */
	struct udp *udp = calloc(1, sizeof *udp);
	int error;

	if (udp == NULL)
		return NULL;
	udp->fd = fd;
	udp->serve = *serve;
	udp->serve.stats = &udp->stats;
	prepare(udp, listener);
	let_be_cut(fd, false);
	pthread_mutex_init(&udp->lock, NULL);
	(void)sigaction(KNOCK, &knocked, NULL);
	error = pthread_create(&udp->thread, NULL, run, udp);
	if (error == 0)
		return udp;
	log_error("cannot start a thread: %s", strerror(error));
	free_udp(udp);
	return NULL;
}

/* A knock that comes just before the thread waits is lost: so again, until it has ended. */
void
udp_stop(struct udp *udp)
{
	const struct timespec pause = {.tv_nsec = KNOCK_AGAIN_NS};

	atomic_store(&udp->stopping, true);
	do {
		pthread_kill(udp->thread, KNOCK);
		(void)nanosleep(&pause, NULL);
	} while (pthread_tryjoin_np(udp->thread, NULL) != 0);
	free_udp(udp);
}

void
udp_follow(struct udp *udp, const struct serve *serve)
{
	pthread_mutex_lock(&udp->lock);
	udp->serve.view = serve->view;
	udp->serve.hand_on = serve->hand_on;
	udp->serve.recurse = serve->recurse;
	pthread_mutex_unlock(&udp->lock);
}

bool
udp_comes_round(struct udp *udp)
{
	bool turned = atomic_exchange(&udp->turned, false);

	pthread_kill(udp->thread, KNOCK);
	return turned;
}

const struct stats *
udp_stats(const struct udp *udp)
{
	return &udp->stats;
}

void
udp_send(const struct client *client, const uint8_t *bytes, size_t length)
{
	send_one(client->fd, bytes, length, &client->peer, client->peer_length);
}
