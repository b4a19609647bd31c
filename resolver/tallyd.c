/*
 * tallyd - the daemon: start the parts, connect them, wait for signals
 *
 * Order of the start: configuration, sockets and control socket (as root), user, state directory,
 * confinement, cache, exceptions, shards, listeners. The stop is the reverse. Everything is sized
 * at the start.
 */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unbound.h>
#include <unistd.h>

#include "aggregate/config.h"
#include "resolver/daemon.h"
#include "resolver/listen.h"
#include "resolver/lockdown.h"
#include "resolver/log.h"
#include "resolver/loop.h"
#include "resolver/notify.h"
#include "resolver/operate.h"
#include "resolver/privilege.h"
#include "resolver/quarantine.h"
#include "resolver/reload.h"
#include "resolver/tcp.h"
#include "resolver/upstream.h"

#define GLANCE_MS 1000
#define FIRST_TESTS_MS 1000
#define DESCRIPTORS_BASE 64 /* what is neither a question nor a connection */

struct options {
	const char *file;
	bool check, verbose;
};

static const char usage[] =
    "usage: tallyd [-c FILE] [-n] [-v] [-V] [-h]\n"
    "  -c, --config FILE  read FILE (default " SYSCONFDIR "/tally/tallyd.conf)\n"
    "  -n, --check        check the configuration, tell every mistake, and exit\n"
    "  -v, --verbose      log at level debug\n"
    "  -V, --version      print the version and exit\n"
    "  -h, --help         print this and exit\n"
    "tallyd stays in the foreground and logs on stderr. SIGHUP reloads, SIGTERM stops.\n";

/* -1: go on; else the exit status. */
static int
read_options(int count, char **argument, struct options *options)
{
	static const struct option known[] = {{"config", required_argument, NULL, 'c'},
	    {"check", no_argument, NULL, 'n'}, {"verbose", no_argument, NULL, 'v'},
	    {"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0}};
	int option;

	*options = (struct options){.file = SYSCONFDIR "/tally/tallyd.conf"};
	while ((option = getopt_long(count, argument, "c:nvVh", known, NULL)) != -1) {
		if (option == 'c') {
			options->file = optarg;
		} else if (option == 'n') {
			options->check = true;
		} else if (option == 'v') {
			options->verbose = true;
		} else if (option == 'V') {
			(void)printf("tallyd %s (libunbound %s)\n", TALLY_VERSION, ub_version());
			return 0;
		} else {
			(void)fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (optind == count)
		return -1;
	(void)fprintf(stderr, "tallyd: unexpected argument \"%s\"\n%s", argument[optind], usage);
	return 2;
}

/* NULL when there are mistakes, which are then on stderr, or when there is no memory. */
static struct config *
read_config(const char *file, struct evidence_book *book)
{
	struct mistakes mistakes = {0};
	struct config *config = book == NULL ? NULL : config_read(file, book, &mistakes);

	if (mistakes.text != NULL)
		(void)fputs(mistakes.text, stderr);
	else if (config == NULL)
		log_error("out of memory");
	mistakes_free(&mistakes);
	return config;
}

static int
check(const char *file)
{
	struct evidence_book *book = evidence_book_open();
	struct config *config = read_config(file, book);
	int status = config == NULL ? 1 : 0;

	if (config != NULL && config->user[0] != '\0' && getpwnam(config->user) == NULL)
		log_warning("user \"%s\": no such user on this host", config->user);
	if (config != NULL)
		(void)printf("%s: good: zones=%zu lists=%zu\n", file, config->policy->zones,
		    policy_used(config->policy));
	config_close(config);
	evidence_book_close(book);
	return status;
}

/* How many questions each shard may have under way, a descriptor for each. */
static unsigned
questions_each(const struct daemon *daemon)
{
	unsigned long fixed = DESCRIPTORS_BASE + RECURSE_SOCKETS +
			      (unsigned long)daemon->threads * (TCP_CONNECTIONS_MAX + 64);
	unsigned long wanted = fixed + (unsigned long)daemon->threads * UPSTREAM_QUESTIONS_MAX;
	unsigned long got = privilege_descriptors(wanted), each;

	if (got >= wanted)
		return UPSTREAM_QUESTIONS_MAX;
	each = got > fixed ? (got - fixed) / daemon->threads : 0;
	if (each < 64)
		each = 64;
	log_warning("few descriptors limit=%lu wanted=%lu questions=%lu", got, wanted, each);
	return (unsigned)each;
}

/* Any thread: the main loop looks at everything that may have changed. */
static void
wake(void *owner)
{
	struct daemon *daemon = owner;

	loop_wake(daemon->loop);
}

static bool
open_cache(struct daemon *daemon)
{
	uint64_t key[4];

	if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key) {
		log_error("no random numbers");
		return false;
	}
	daemon_note_sources(daemon);
	daemon_open_kept(daemon, key);
	daemon->cache = cache_open(daemon->config->cache_mib, daemon->threads, key);
	daemon->health = health_open(key + 2, wake, daemon);
	if (daemon->cache == NULL || daemon->health == NULL) {
		log_error("cache-mib = %u: out of memory", daemon->config->cache_mib);
		return false;
	}
	health_policy(daemon->health, loop_now_ms(daemon->loop), daemon->config->policy);
	quarantine_load(daemon);
	return true;
}

static bool
hand_on(void *owner, unsigned shard, const struct miss *miss)
{
	struct daemon *daemon = owner;

	return shard_take(daemon->shard[shard], miss);
}

static bool
hand_to_recursor(void *owner, const struct miss *miss)
{
	struct daemon *daemon = owner;

	return recurse_take(daemon->recurse, miss);
}

static bool
start_shards(struct daemon *daemon, unsigned questions)
{
	const struct shard_calls calls = {
	    .owner = daemon, .verdict = operate_verdict, .answered = daemon_note, .forgot = wake};

	for (unsigned i = 0; i < daemon->threads; i++) {
		daemon->shard[i] = shard_open(i, questions, daemon->view, daemon->cache,
		    daemon->book, daemon->quota, daemon->health, &calls);
		if (daemon->shard[i] == NULL)
			return false;
	}
	daemon->recurse = recurse_open(daemon->view);
	if (daemon->recurse == NULL)
		return false;
	if (!recurse_start(daemon->recurse)) {
		log_error("cannot start a thread");
		return false;
	}
	for (unsigned i = 0; i < daemon->threads && daemon->keeper != NULL; i++)
		shard_restore(daemon->shard[i], daemon->keeper);
	for (unsigned i = 0; i < daemon->threads; i++)
		if (!shard_start(daemon->shard[i])) {
			log_error("cannot start a thread");
			return false;
		}
	return true;
}

static bool
start_listeners(struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->threads; i++) {
		struct serve serve = {.view = daemon->view,
		    .cache = daemon->cache,
		    .book = daemon->book,
		    .hand_on = hand_on,
		    .recurse = hand_to_recursor,
		    .owner = daemon,
		    .refusals = daemon->refusals};

		daemon->listener[i] =
		    listen_start(&serve, daemon->sockets[i], daemon->config->listens);
		if (daemon->listener[i] == NULL) {
			log_error("cannot start a listener");
			return false;
		}
	}
	return true;
}

static void
log_ready(const struct daemon *daemon, unsigned questions)
{
	const struct config *config = daemon->config;
	struct cache_counts counts;
	char listen[POLICY_ADDRESSES_MAX * 60];
	struct text text;

	text_init(&text, listen, sizeof listen);
	for (size_t i = 0; i < config->listens; i++)
		text_add_format(&text, "%s%s@%u", i == 0 ? "" : ",", config->listen[i].address,
		    config->listen[i].port);
	cache_count(daemon->cache, &counts);
	log_info("ready version=%s listen=%s zones=%zu lists=%zu threads=%u cache-mib=%u "
		 "cache-lines=%llu questions=%u exceptions=%zu",
	    TALLY_VERSION, listen, config->policy->zones, policy_used(config->policy),
	    daemon->threads, config->cache_mib, (unsigned long long)counts.capacity, questions,
	    exceptions_count(daemon->exceptions));
}

static void
on_signal(struct loop_watch *watch, uint32_t events)
{
	struct daemon *daemon =
	    (struct daemon *)(void *)((char *)watch - offsetof(struct daemon, signals));
	struct signalfd_siginfo signal;

	(void)events;
	while (read(watch->fd, &signal, sizeof signal) == (ssize_t)sizeof signal) {
		if (signal.ssi_signo == SIGHUP)
			(void)reload_config(daemon);
		else
			daemon->stopping = true;
	}
}

static void
on_woken(void *owner)
{
	operate_checked(owner);
	operate_flushed(owner);
	daemon_write_cases(owner);
	quarantine_take(owner);
}

static void
on_patience(struct loop_timer *timer)
{
	(void)timer; /* it ends a turn of the loop */
}

/*
 * A list that lies already is known before the first client is answered: the listeners wait for
 * the first tests of all lists, but not for a dead one.
 */
static void
await_tests(struct daemon *daemon)
{
	struct loop_timer patience = {.expired = on_patience};
	int64_t end_ms = loop_now_ms(daemon->loop) + FIRST_TESTS_MS;

	(void)loop_timer_set(daemon->loop, &patience, end_ms);
	while (!health_started(daemon->health) && loop_now_ms(daemon->loop) < end_ms &&
	       !daemon->stopping)
		loop_turn(daemon->loop);
	loop_timer_clear(daemon->loop, &patience);
	quarantine_take(daemon);
}

/*
 * Once a second: did somebody change the store and die before telling us? Is there memory by now
 * for a view that could not be changed? Are we well?
 */
static void
on_glance(struct loop_timer *timer)
{
	struct daemon *daemon =
	    (struct daemon *)(void *)((char *)timer - offsetof(struct daemon, glance));

	operate_glance(daemon);
	quarantine_take(daemon);
	if (notify_watched() && daemon_alive(daemon))
		notify_alive();
	(void)loop_timer_set(daemon->loop, timer, loop_now_ms(daemon->loop) + GLANCE_MS);
}

/* Signals become events of the main loop; threads started later have them blocked too. */
static bool
watch_signals(struct daemon *daemon)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return false;
	daemon->signals.fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	daemon->signals.events = EPOLLIN;
	daemon->signals.ready = on_signal;
	daemon->loop = loop_open(on_woken, daemon);
	daemon->refusals = refusals_open(wake, daemon);
	return daemon->loop != NULL && daemon->refusals != NULL && daemon->signals.fd >= 0 &&
	       loop_watch_add(daemon->loop, &daemon->signals);
}

static void
log_stopped(const uint64_t sum[STATS_COUNTERS])
{
	log_info("stopped udp=%llu tcp=%llu listed=%llu clear=%llu servfail=%llu hits=%llu "
		 "misses=%llu asked=%llu answered=%llu failed=%llu",
	    (unsigned long long)sum[STATS_UDP], (unsigned long long)sum[STATS_TCP],
	    (unsigned long long)sum[STATS_LISTED], (unsigned long long)sum[STATS_CLEAR],
	    (unsigned long long)sum[STATS_SERVFAIL], (unsigned long long)sum[STATS_HITS],
	    (unsigned long long)sum[STATS_MISSES], (unsigned long long)sum[STATS_ASKED],
	    (unsigned long long)sum[STATS_ANSWERED], (unsigned long long)sum[STATS_FAILED]);
}

static void
stop(struct daemon *daemon)
{
	uint64_t sum[STATS_COUNTERS] = {0};

	notify_stopping();
	for (unsigned i = 0; i < daemon->threads; i++) {
		if (daemon->listener[i] != NULL) {
			listen_detach(daemon->listener[i]);
			listen_sum(daemon->listener[i], sum);
		}
		if (daemon->shard[i] != NULL)
			stats_sum(shard_stats(daemon->shard[i]), sum);
	}
	recurse_stop(daemon->recurse);
	for (unsigned i = 0; i < daemon->threads; i++)
		shard_stop(daemon->shard[i]);
	for (unsigned i = 0; i < daemon->threads; i++)
		listen_stop(daemon->listener[i]);
	if (daemon->stopping)
		log_stopped(sum);
	control_close(daemon->control);
	if (daemon->loop != NULL) {
		loop_watch_remove(daemon->loop, &daemon->signals);
		loop_close(daemon->loop);
	}
	queue_close(daemon->checked);
	view_close(daemon->view);
	exceptions_close(daemon->exceptions);
	learned_close(&daemon->learned, daemon->config, NULL);
	daemon_write_cases(daemon);
	refusals_close(daemon->refusals);
	casebook_close(daemon->casebook);
	keeper_close(daemon->keeper);
	cache_close(daemon->cache);
	health_close(daemon->health);
	config_close(daemon->config);
	evidence_book_close(daemon->book);
}

static bool
start(struct daemon *daemon)
{
	unsigned questions;

	daemon->book = evidence_book_open();
	daemon->config = read_config(daemon->file, daemon->book);
	if (daemon->config == NULL)
		return false;
	log_open(daemon->verbose ? LOG_LEVEL_DEBUG : (enum log_level)daemon->config->log_level);
	daemon->threads = daemon->config->threads;
	if (daemon->threads == 0)
		daemon->threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	if (daemon->threads == 0 || daemon->threads > DAEMON_THREADS_MAX)
		daemon->threads = DAEMON_THREADS_MAX;
	questions = questions_each(daemon);
	keeper_read_boot(daemon->boot);
	if (!lockdown_bind(daemon))
		return false;
	if (!watch_signals(daemon)) {
		log_error("cannot wait for signals: %s", strerror(errno));
		return false;
	}
	if (!lockdown_become_user(daemon) || !lockdown_confine(daemon->config) ||
	    !open_cache(daemon) || !daemon_load_exceptions(daemon) ||
	    !daemon_load_recommendations(daemon) || !daemon_change_view(daemon) ||
	    !start_shards(daemon, questions))
		return false;
	await_tests(daemon);
	if (!start_listeners(daemon))
		return false;
	daemon->started_ms = loop_now_ms(daemon->loop);
	daemon->glance.expired = on_glance;
	(void)loop_timer_set(daemon->loop, &daemon->glance, daemon->started_ms + GLANCE_MS);
	daemon_warn_of_strays(daemon);
	log_ready(daemon, questions);
	notify_ready();
	return true;
}

int
main(int count, char **argument)
{
	static struct daemon daemon;
	struct options options;
	int status = read_options(count, argument, &options);

	if (status >= 0)
		return status;
	log_open(LOG_LEVEL_INFO);
	if (options.check)
		return check(options.file);
	daemon.file = options.file;
	daemon.verbose = options.verbose;
	status = start(&daemon) ? 0 : 1;
	while (status == 0 && !daemon.stopping)
		loop_turn(daemon.loop);
	if (status == 0)
		daemon_keep(&daemon); /* the threads answer until it is done */
	stop(&daemon);
	return status;
}
