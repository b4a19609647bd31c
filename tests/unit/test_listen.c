#include "resolver/listen.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "aggregate/compile.h"
#include "resolver/answer.h"
#include "tests/unit/excepting.h"
#include "tests/unit/packet.h"
#include "tests/unit/zone.h"

#define MORE_THAN_A_QUEUE 2000
#define SUBJECT "4.3.2.192.bl.example" /* what the cache can't answer */
#define LISTED "2.0.0.127.bl.example"  /* a test point */
#define PATIENCE_S 20

static const uint64_t key[2] = {0x13198a2e03707344u, 0x243f6a8885a308d3u};
static const uint64_t none_quarantined[VIEW_BITS];

static struct serve serve;
static struct config config;
static struct exceptions *exceptions, *blocking;
static struct view *view, *blocking_view; /* the latter lists SUBJECT */
static struct listen_sockets sockets;
static struct listener *listener;
static int tcp_client, udp_client;
static sem_t arrived, go_on, changed;
static struct client asker; /* of the question that was handed on */

static void
await(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0)
		; /* a signal */
}

static void
pause_ms(unsigned ms)
{
	const struct timespec pause = {.tv_nsec = (long)ms * 1000000};

	(void)nanosleep(&pause, NULL);
}

/* In the thread that asked, which stands still until the test lets it go on. */
static bool
on_hand_on(void *owner, unsigned shard, const struct miss *miss)
{
	(void)owner;
	(void)shard;
	asker = miss->client;
	sem_post(&arrived);
	await(&go_on);
	return true;
}

static int
connect_to(int listening, int type)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_storage address;
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

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
	const struct exception_entry block = make_entry("", "192.2.3.4/32", EXCEPTION_BLOCK, 0, 0);
	struct policy *policy = config.policy = policy_open();
	struct policy_zone *zone = make_zone(policy, "bl.example");

	(void)state;
	config.allows = 1;
	serve = (struct serve){.hand_on = on_hand_on};
	serve.book = evidence_book_open();
	serve.cache = cache_open(1, 1, key);
	exceptions = exceptions_open();
	blocking = exceptions_open();
	make_site(policy, zone, "a.example");
	make_grade(zone, 1, 0x7f000002);
	if (serve.book == NULL || serve.cache == NULL || exceptions == NULL || blocking == NULL ||
	    !exceptions_apply(blocking, &block) || !prefix_parse("127.0.0.0/8", &config.allow[0]) ||
	    !compile_policy(policy, serve.book))
		return -1;
	serve.view = view = view_open(&config, exceptions, none_quarantined);
	blocking_view = view_open(&config, blocking, none_quarantined);
	sem_init(&arrived, 0, 0);
	sem_init(&go_on, 0, 0);
	sem_init(&changed, 0, 0);
	if (view == NULL || blocking_view == NULL || !listen_bind(&anywhere, false, &sockets))
		return -1;
	listener = listen_start(&serve, &sockets, 1);
	tcp_client = connect_to(sockets.tcp, SOCK_STREAM);
	udp_client = connect_to(sockets.udp, SOCK_DGRAM);
	return listener == NULL || tcp_client < 0 || udp_client < 0 ? -1 : 0;
}

static int
end(void **state)
{
	(void)state;
	sem_post(&go_on); /* a test that failed may have left a thread waiting */
	close(tcp_client);
	close(udp_client);
	listen_stop(listener);
	view_close(view);
	view_close(blocking_view);
	exceptions_close(exceptions);
	exceptions_close(blocking);
	policy_close(config.policy);
	cache_close(serve.cache);
	evidence_book_close(serve.book);
	sem_destroy(&arrived);
	sem_destroy(&go_on);
	sem_destroy(&changed);
	return 0;
}

static void
ask(int client, const char *name)
{
	struct packet packet;
	uint8_t length[2];

	packet_ask(&packet, 7, 0, name, 1);
	length[0] = 0;
	length[1] = (uint8_t)packet.length;
	if (client == tcp_client)
		assert_int_equal(send(client, length, 2, MSG_NOSIGNAL), 2);
	assert_int_equal(send(client, packet.byte, packet.length, MSG_NOSIGNAL), packet.length);
}

/* Ask what is handed on: the thread then waits for `go_on`. */
static void
ask_late(int client)
{
	ask(client, SUBJECT);
	await(&arrived);
}

/* The reply to the UDP client has so many answers. */
static void
expect(unsigned answers)
{
	uint8_t got[ANSWER_SIZE_MAX];

	assert_true(recv(udp_client, got, sizeof got, 0) > 12);
	assert_int_equal(got[6] << 8 | got[7], answers);
}

static void
a_late_reply_reaches_its_connection(void **state)
{
	uint8_t got[5];

	(void)state;
	ask_late(tcp_client);
	sem_post(&go_on);
	listen_reply(&asker, (const uint8_t *)"abc", 3);
	assert_int_equal(recv(tcp_client, got, sizeof got, MSG_WAITALL), 5);
	assert_memory_equal(got, "\0\3abc", 5);
}

static void
a_connection_whose_late_reply_is_lost_is_closed(void **state)
{
	struct client gone;
	uint8_t got;

	(void)state;
	ask_late(tcp_client);
	gone = asker;
	gone.generation--;
	for (unsigned i = 0; i < MORE_THAN_A_QUEUE; i++)
		listen_reply(&gone, (const uint8_t *)"abc", 3);
	listen_reply(&asker, (const uint8_t *)"abc", 3);
	sem_post(&go_on);
	assert_int_equal(recv(tcp_client, &got, 1, 0), 0);
}

static void *
change_view(void *unused)
{
	listen_view(listener, blocking_view);
	sem_post(&changed);
	return unused;
}

static void *
detach(void *unused)
{
	listen_detach(listener);
	sem_post(&changed);
	return unused;
}

/* A question over UDP is being handed on: a change waits for it, and counts for the next one. */
static void
change_amid_question(void *(*change)(void *), unsigned answers)
{
	pthread_t thread;

	ask_late(udp_client);
	assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
	pause_ms(100);
	assert_int_equal(sem_trywait(&changed), -1);
	sem_post(&go_on);
	assert_int_equal(pthread_join(thread, NULL), 0);
	ask(udp_client, SUBJECT);
	expect(answers);
}

static void
the_view_changes_between_questions_and_the_next_answer_obeys_it(void **state)
{
	(void)state;
	change_amid_question(change_view, 1);
}

static void
nothing_is_being_handed_on_when_it_is_detached(void **state)
{
	(void)state;
	change_amid_question(detach, 0);
}

static void
await_life(void)
{
	for (unsigned waited = 0; !listen_alive(listener); waited++) {
		assert_true(waited < PATIENCE_S * 100);
		pause_ms(10);
	}
}

static void
a_thread_that_stands_still_in_a_question_is_noticed_and_one_that_waits_is_alive(void **state)
{
	int client[] = {tcp_client, udp_client};

	(void)state;
	for (unsigned i = 0; i < COUNT(client); i++) {
		await_life();
		ask_late(client[i]);
		(void)listen_alive(listener);
		for (unsigned n = 0; n < 10; n++) {
			pause_ms(20);
			assert_false(listen_alive(listener));
		}
		sem_post(&go_on);
	}
	await_life();
}

static void
what_its_threads_count_is_added_up(void **state)
{
	uint64_t sum[STATS_COUNTERS] = {0};
	uint8_t got;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		ask(udp_client, LISTED);
		expect(1);
	}
	ask(tcp_client, LISTED);
	assert_int_equal(recv(tcp_client, &got, 1, 0), 1);
	listen_sum(listener, sum);
	assert_int_equal(sum[STATS_UDP], 3);
	assert_int_equal(sum[STATS_TCP], 1);
	assert_int_equal(sum[STATS_LISTED], 4);
}

static double
cpu_seconds(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* As who shares a socket that systemd passed can do. */
static void
a_socket_that_somebody_makes_non_blocking_is_served_at_leisure(void **state)
{
	double before;

	(void)state;
	assert_int_equal(fcntl(sockets.udp, F_SETFL, O_NONBLOCK), 0);
	for (unsigned i = 0; i < 10; i++) {
		ask(udp_client, LISTED);
		expect(1);
	}
	before = cpu_seconds();
	pause_ms(500);
	assert_true(cpu_seconds() - before < 0.25);
}

static _Atomic bool flooding;

static void *
flood(void *unused)
{
	struct packet packet;

	packet_ask(&packet, 7, 0, LISTED, 1);
	while (flooding)
		(void)send(udp_client, packet.byte, packet.length, 0);
	return unused;
}

static void
it_ends_at_once_also_under_load(void **state)
{
	struct timespec began, ended;
	pthread_t thread;

	(void)state;
	flooding = true;
	assert_int_equal(pthread_create(&thread, NULL, flood, NULL), 0);
	pause_ms(50);
	clock_gettime(CLOCK_MONOTONIC, &began);
	listen_stop(listener);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	flooding = false;
	assert_int_equal(pthread_join(thread, NULL), 0);
	listener = NULL;
	assert_in_range(ended.tv_sec - began.tv_sec, 0, 5);
}

/* Just before its threads wait, while they begin to, or when they do; signals blocked by whom we
 * have it from. */
static void
it_ends_whenever_it_is_told(void **state)
{
	const struct policy_server anywhere = {.address = "127.0.0.1"};
	struct listen_sockets many[4];
	sigset_t all;

	(void)state;
	(void)alarm(PATIENCE_S * 3); /* else the end of all */
	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &all, NULL), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct listener *one;

		for (unsigned n = 0; n < COUNT(many); n++)
			assert_true(listen_bind(&anywhere, false, &many[n]));
		one = listen_start(&serve, many, COUNT(many));
		assert_non_null(one);
		for (unsigned n = 0; n < i % 20; n++)
			sched_yield();
		listen_stop(one);
	}
	assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &all, NULL), 0);
	(void)alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_late_reply_reaches_its_connection, begin, end),
	    cmocka_unit_test_setup_teardown(
		a_connection_whose_late_reply_is_lost_is_closed, begin, end),
	    cmocka_unit_test_setup_teardown(
		the_view_changes_between_questions_and_the_next_answer_obeys_it, begin, end),
	    cmocka_unit_test_setup_teardown(
		nothing_is_being_handed_on_when_it_is_detached, begin, end),
	    cmocka_unit_test_setup_teardown(
		a_thread_that_stands_still_in_a_question_is_noticed_and_one_that_waits_is_alive,
		begin, end),
	    cmocka_unit_test_setup_teardown(what_its_threads_count_is_added_up, begin, end),
	    cmocka_unit_test_setup_teardown(
		a_socket_that_somebody_makes_non_blocking_is_served_at_leisure, begin, end),
	    cmocka_unit_test_setup_teardown(it_ends_at_once_also_under_load, begin, end),
	    cmocka_unit_test_setup_teardown(it_ends_whenever_it_is_told, begin, end),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
