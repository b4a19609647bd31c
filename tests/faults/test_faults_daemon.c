/*
 * tallyd itself, in a child. At its start each call fails in turn: it starts all the same and
 * answers, or it ends with status 1 and says why. Then, under way, during each command of the
 * control socket: the reply is whole, or an error, or none; and tallyd goes on.
 */
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "tests/faults/trial.h"

int tallyd_main(int count, char **argument);
#define main tallyd_main
#include "resolver/tallyd.c"
#undef main

#include <jansson.h>

#include "aggregate/store.h"

#define NOW 1800000000u

static char config[400], control[400], address[40];

static int
run_daemon(void)
{
	char *argument[] = {(char *)(uintptr_t) "tallyd", (char *)(uintptr_t) "-c", config, NULL};

	/* the fewer questions it can have under way, the fewer runs there are */
	const struct rlimit few = {.rlim_cur = 256, .rlim_max = 256};
	int status;

	(void)setrlimit(RLIMIT_NOFILE, &few);
	status = tallyd_main(3, argument);
	for (int fd = 3; fd < TRIAL_DESCRIPTORS; fd++)
		close(fd); /* the sockets, which end with the process */
	return status;
}

static bool
is_ready(struct trial *trial)
{
	trial_read(trial->err, trial->said);
	return strstr(trial->said, "info: ready ") != NULL;
}

/* Wait until it is ready; false when it ended instead. */
static bool
await(struct trial *trial)
{
	for (unsigned waited = 0; waited < TRIAL_PATIENCE_MS; waited++, trial_pause()) {
		if (trial_over(trial))
			return false;
		if (is_ready(trial))
			return true;
	}
	return true;
}

static bool
start_once(enum fault_kind kind, unsigned n, bool onward)
{
	static struct trial trial;
	bool ready, struck;

	trial_begin(&trial, (int)kind, n, onward, run_daemon);
	ready = await(&trial);
	if (ready)
		kill(trial.child, SIGTERM);
	struck = trial_end(&trial, n);
	if (ready != (WEXITSTATUS(trial.status) == 0))
		fail_msg("%s", trial_where(&trial, n));
	if (!ready && strstr(trial.said, "error: ") == NULL &&
	    strstr(trial.said, "out of memory") == NULL &&
	    strstr(trial.said, "tallyd.conf: ") == NULL)
		fail_msg("it does not say why: %s", trial_where(&trial, n));
	return struck;
}

static void
start_with_each_call_failing(enum fault_kind kind)
{
	/* at the first failure of memory or of a library it ends */
	for (int onward = 0; onward < (kind == FAULT_SYSTEM ? 2 : 1); onward++)
		for (unsigned n = 1; start_once(kind, n, onward); n++)
			assert_true(n < TRIAL_RUNS_MAX);
}

static void
it_starts_and_stops_or_says_why_not(void **state)
{
	(void)state;
	start_with_each_call_failing(FAULT_MEMORY);
	start_with_each_call_failing(FAULT_SYSTEM);
	start_with_each_call_failing(FAULT_LIBRARY);
}

/* --- the control socket ---------------------------------------------------------------------- */

#define REPLY_MAX 20000
#define PATIENCE_S 5

/* One request; false when there is no end of the reply within a time that is short with `onward`.
 */
static bool
ask_control(const char *words, bool onward, char reply[REPLY_MAX])
{
	const struct timeval patience = {
	    .tv_sec = onward ? 0 : PATIENCE_S, .tv_usec = onward ? 100000 : 0};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char line[100];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length = 0;
	ssize_t got;

	assert_true(fd >= 0);
	memcpy(to.sun_path, control, strlen(control) + 1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)(void *)&to, sizeof to), 0);
	(void)snprintf(line, sizeof line, "tally1 %s\n", words);
	(void)send(fd, line, strlen(line), MSG_NOSIGNAL);
	while ((got = read(fd, reply + length, REPLY_MAX - 1 - length)) > 0)
		length += (size_t)got;
	reply[length] = '\0';
	close(fd);
	return got == 0 || errno == ECONNRESET;
}

/* How many members the objects of a document have, in all: what is missing shows. */
static size_t
members(json_t *json)
{
	size_t count = 0, i;
	const char *key;
	json_t *value;

	if (json_is_object(json))
		json_object_foreach(json, key, value) count += 1 + members(value);
	json_array_foreach(json, i, value) count += members(value);
	return count;
}

/* Of a reply; 0 when it is no whole "ok". */
static size_t
reply_members(const char *reply)
{
	json_t *json = strncmp(reply, "ok\n", 3) == 0 ? json_loads(reply + 3, 0, NULL) : NULL;
	size_t count = json == NULL ? 0 : members(json);

	json_decref(json);
	return count;
}

/* So that the daemon has something to take over. */
static void
change_exceptions(void)
{
	static unsigned changes;
	struct exception_entry entry = {.action = ++changes % 2 ? EXCEPTION_ALLOW : EXCEPTION_BLOCK,
	    .prefix = {.length = 32, .base.octet = {192, 0, 2, 55}}};
	struct store *store = store_open(files.directory, STORE_WRITE);
	bool again;

	assert_true(store_apply(store, &entry, "test", NOW));
	assert_true(store_commit(store, &again));
	store_close(store);
}

/* Its list is asked at this port. */
static void
write_config(unsigned port)
{
	char text[1000];

	(void)snprintf(text, sizeof text,
	    "listen = {\"%s@5399\"}\nstate-dir = \"%s\"\ncontrol = \"%s\"\ncache-mib = 1\n"
	    "list \"a.example\" {\n\tserver = {\"127.0.0.1@%u\"}\n\ttest = false\n}\n"
	    "zone \"bl.example\" {\n\tsites = {\"a.example\"}\n}\n",
	    address, files.directory, control, port);
	files_write(&files, "tallyd.conf", text, strlen(text));
}

/* A list that was to move, or has, is set aside for a moment and no longer. */
static void
await_list(unsigned n)
{
	static char reply[REPLY_MAX];

	for (unsigned waited = 0; waited < TRIAL_PATIENCE_MS; waited += 10) {
		const struct timespec pause = {.tv_nsec = 10000000};

		if (ask_control("lists", false, reply) && strncmp(reply, "ok\n", 3) == 0 &&
		    strstr(reply, "\"quarantined\"") == NULL)
			return;
		(void)nanosleep(&pause, NULL);
	}
	fail_msg("reload: call %u, %s: the list does not come back: %s", n, fault_name(), reply);
}

/* With `onward`, what follows from a reload that was done fails too: it is tried again later. */
static bool
end_move(const char *reply, unsigned n, bool onward)
{
	bool done = strncmp(reply, "ok\n", 3) == 0, struck;

	if (onward && done)
		(void)usleep(50000);
	struck = fault_disarm();
	if (done || !onward)
		await_list(n);
	return struck;
}

static bool
ask_once(const char *words, enum fault_kind kind, unsigned n, bool onward, size_t good)
{
	static char reply[REPLY_MAX];
	bool moves = strcmp(words, "reload") == 0, ended, struck;
	size_t length;

	if (strcmp(words, "exceptions") == 0) {
		(void)ask_control(words, false, reply); /* what it missed last time */
		change_exceptions();
	}
	if (onward) /* it may pause before it accepts more, for longer than is waited here */
		assert_true(ask_control("stats", false, reply));
	if (moves)
		write_config(10 + n % 2);
	fault_arm(kind, n, onward);
	ended = ask_control(words, onward, reply);
	struck = moves ? end_move(reply, n, onward) : fault_disarm();
	length = strlen(reply);
	if (!ended && !onward)
		fail_msg("%s: call %u, %s: no end of the reply", words, n, fault_name());
	if (length == 0 || !ended ||
	    (strncmp(reply, "error ", 6) == 0 && reply[length - 1] == '\n'))
		return struck;
	if (reply_members(reply) != good)
		fail_msg("%s: call %u, %s: not whole: %s", words, n, fault_name(), reply);
	return struck;
}

static void
ask_with_each_call_failing(const char *words)
{
	static const enum fault_kind kinds[] = {FAULT_MEMORY, FAULT_SYSTEM, FAULT_LIBRARY};
	static char reply[REPLY_MAX];
	size_t good;

	assert_true(ask_control(words, false, reply));
	good = reply_members(reply);
	if (good == 0)
		fail_msg("%s: %s", words, reply);
	for (size_t i = 0; i < COUNT(kinds); i++)
		for (int onward = 0; onward < 2; onward++)
			for (unsigned n = 1; ask_once(words, kinds[i], n, onward, good); n++)
				if (n == TRIAL_RUNS_MAX)
					fail_msg("%s: %s fails for ever", words, fault_name());
	assert_true(ask_control(words, false, reply));
	if (reply_members(reply) != good)
		fail_msg("%s: afterwards: %s", words, reply);
}

static void
a_reply_of_the_control_socket_is_whole_or_an_error(void **state)
{
	static const char *const commands[] = {"stats", "lists", "check 127.0.0.2",
	    "check 192.0.2.1", "flush 192.0.2.1", "flush --all", "quarantine a.example", "lists",
	    "release a.example", "exceptions", "recommendations", "reload"};
	static struct trial trial;

	(void)state;
	trial_begin(&trial, -1, 0, false, run_daemon);
	if (!await(&trial))
		fail_msg("%s", trial_where(&trial, 0));
	for (size_t i = 0; i < COUNT(commands); i++)
		ask_with_each_call_failing(commands[i]);
	kill(trial.child, SIGTERM);
	(void)trial_end(&trial, 0);
	if (trial.status != 0)
		fail_msg("%s", trial_where(&trial, 0));
}

static int
make_files(void **state)
{
	unsigned pid = (unsigned)getpid();

	(void)state;
	files_open(&files);
	/* an address of one's own, for other tests may run beside this one */
	(void)snprintf(address, sizeof address, "127.%u.%u.%u", 64 + (pid >> 16 & 63),
	    pid >> 8 & 255, pid & 255);
	(void)snprintf(control, sizeof control, "%s", files_path(&files, "control"));
	write_config(9);
	(void)snprintf(config, sizeof config, "%s", files_path(&files, "tallyd.conf"));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_starts_and_stops_or_says_why_not),
	    cmocka_unit_test(a_reply_of_the_control_socket_is_whole_or_an_error),
	};

	return cmocka_run_group_tests_name("faults: tallyd", tests, make_files, close_files);
}
