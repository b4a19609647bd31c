#include "resolver/listen.h"

#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "aggregate/compile.h"
#include "resolver/answer.h"
#include "tests/unit/packet.h"
#include "tests/unit/zone.h"

#define MORE_THAN_A_QUEUE 2000

static const uint64_t key[2] = {0x13198a2e03707344u, 0x243f6a8885a308d3u};
static const uint64_t none_quarantined[VIEW_BITS];

static struct serve serve;
static struct stats stats;
static struct config config;
static struct exceptions *exceptions;
static struct view *view;
static struct listener *listener;
static int client_fd;
static sem_t arrived, go_on;
static struct client asker; /* of the question that was handed on */

/* In the listener's thread, which stands still until the test lets it go on. */
static bool
on_hand_on(void *owner, unsigned shard, const struct miss *miss)
{
	(void)owner;
	(void)shard;
	asker = miss->client;
	sem_post(&arrived);
	while (sem_wait(&go_on) != 0)
		; /* a signal */
	return true;
}

static int
connect_to(int listening)
{
	const struct timeval patience = {.tv_sec = 20};
	struct sockaddr_storage address;
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (getsockname(listening, (struct sockaddr *)(void *)&address, &length) != 0 ||
	    connect(fd, (struct sockaddr *)(void *)&address, length) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
		return -1;
	return fd;
}

static int
begin(void **state)
{
	const struct policy_server anywhere = {.address = "127.0.0.1"};
	struct listen_sockets sockets;
	struct policy *policy = config.policy = policy_open();
	struct policy_zone *zone = make_zone(policy, "bl.example");

	(void)state;
	config.allows = 1;
	serve = (struct serve){.stats = &stats, .hand_on = on_hand_on};
	serve.book = evidence_book_open();
	serve.cache = cache_open(1, 1, key);
	exceptions = exceptions_open();
	make_site(policy, zone, "a.example");
	make_grade(zone, 1, 0x7f000002);
	if (serve.book == NULL || serve.cache == NULL || exceptions == NULL ||
	    !prefix_parse("127.0.0.0/8", &config.allow[0]) || !compile_policy(policy, serve.book))
		return -1;
	serve.view = view = view_open(&config, exceptions, none_quarantined);
	sem_init(&arrived, 0, 0);
	sem_init(&go_on, 0, 0);
	if (view == NULL || !listen_bind(&anywhere, false, &sockets))
		return -1;
	listener = listen_start(&serve, &sockets, 1);
	client_fd = connect_to(sockets.tcp);
	return listener == NULL || client_fd < 0 ? -1 : 0;
}

static int
end(void **state)
{
	(void)state;
	close(client_fd);
	listen_stop(listener);
	view_close(view);
	exceptions_close(exceptions);
	policy_close(config.policy);
	cache_close(serve.cache);
	evidence_book_close(serve.book);
	sem_destroy(&arrived);
	sem_destroy(&go_on);
	return 0;
}

/* Ask what the cache can't answer; the listener then waits for `go_on`. */
static void
ask(void)
{
	struct packet packet;
	uint8_t length[2];

	packet_ask(&packet, 7, 0, "4.3.2.192.bl.example", 1);
	length[0] = 0;
	length[1] = (uint8_t)packet.length;
	assert_int_equal(send(client_fd, length, 2, MSG_NOSIGNAL), 2);
	assert_int_equal(send(client_fd, packet.byte, packet.length, MSG_NOSIGNAL), packet.length);
	while (sem_wait(&arrived) != 0)
		; /* a signal */
}

static void
a_late_reply_reaches_its_connection(void **state)
{
	uint8_t got[5];

	(void)state;
	ask();
	sem_post(&go_on);
	listen_reply(&asker, (const uint8_t *)"abc", 3);
	assert_int_equal(recv(client_fd, got, sizeof got, MSG_WAITALL), 5);
	assert_memory_equal(got, "\0\3abc", 5);
}

static void
a_connection_whose_late_reply_is_lost_is_closed(void **state)
{
	struct client gone;
	uint8_t got;

	(void)state;
	ask();
	gone = asker;
	gone.generation--;
	for (unsigned i = 0; i < MORE_THAN_A_QUEUE; i++)
		listen_reply(&gone, (const uint8_t *)"abc", 3);
	listen_reply(&asker, (const uint8_t *)"abc", 3);
	sem_post(&go_on);
	assert_int_equal(recv(client_fd, &got, 1, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_late_reply_reaches_its_connection, begin, end),
	    cmocka_unit_test_setup_teardown(
		a_connection_whose_late_reply_is_lost_is_closed, begin, end),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
