/*
 * Every call that can fail does, one after another: nothing crashes, nothing leaks, and whatever
 * is said then is true.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "aggregate/config.h"
#include "aggregate/store.h"
#include "aggregate/view.h"
#include "resolver/health.h"
#include "resolver/listen.h"
#include "resolver/log.h"
#include "resolver/lookup.h"
#include "resolver/reader.h"
#include "resolver/shard.h"
#include "tests/faults/trial.h"

#define ENTRIES 40

/* A context of libunbound that cannot be set up whole is never deleted: see resolver/context.c. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libunbound.so";
}

static char directory[100];

/* --- a configuration ---------------------------------------------------------------------- */

static const char text[] =
    "include(\"more.conf\")\n"
    "listen = {\"127.0.0.1@5399\"}\n"
    "zone \"bl.example\" {\n\tsites = {\"a.example*2\", \"b.example=127.0.0.[2..4]\"}\n"
    "\tthreshold = 2\n\tanswers = {\"2=127.0.0.2\", \"3=127.0.0.3\"}\n}\n"
    "zone \"u1.bl.example\" {\n\tlike = \"bl.example\"\n\tthreshold = 3\n}\n";
static const char more[] =
    "list \"b.example\" {\n\tserver = {\"127.0.0.1@9\"}\n\tquery = \"key.b.example\"\n}\n";

static struct config *
read_config(struct evidence_book *book)
{
	struct mistakes mistakes = {0};
	struct config *config = config_read(files_path(&files, "tallyd.conf"), book, &mistakes);

	/* a failure is told, unless there is no memory to tell it */
	if (config != NULL)
		assert_int_equal(config->policy->zones, 2);
	mistakes_free(&mistakes);
	return config;
}

static void
configuration(void)
{
	struct evidence_book *book = evidence_book_open();

	if (book != NULL)
		config_close(read_config(book));
	evidence_book_close(book);
}

/* --- exceptions in memory and on disk ------------------------------------------------------- */

static struct exception_entry
make_entry(unsigned number)
{
	struct exception_entry entry = {.action = number % 2 ? EXCEPTION_ALLOW : EXCEPTION_BLOCK,
	    .added = 1700000000,
	    .author = "test",
	    .reason = "why not"};

	entry.prefix.length = 32;
	entry.prefix.base.octet[0] = 198;
	entry.prefix.base.octet[3] = (uint8_t)number;
	if (number % 3 == 0)
		strcpy(entry.zone, "bl.example");
	return entry;
}

static bool
has_entry(const struct exceptions *table, unsigned number)
{
	struct exception_entry entry = make_entry(number);
	struct exception_scopes scopes;
	struct exception found;

	exceptions_scopes(table, "bl.example", NULL, 0, &scopes);
	return exceptions_find(table, &scopes, &entry.prefix.base, 1, &found) &&
	       found.action == entry.action;
}

static void
table_of_exceptions(void)
{
	struct exceptions *table = exceptions_open(), *copy;
	bool applied[ENTRIES] = {false};

	if (table == NULL)
		return;
	for (unsigned i = 0; i < ENTRIES; i++) {
		struct exception_entry entry = make_entry(i);

		applied[i] = exceptions_apply(table, &entry);
	}
	copy = exceptions_copy(table);
	for (unsigned i = 0; i < ENTRIES; i++) {
		if (applied[i])
			assert_true(has_entry(table, i));
		if (applied[i] && copy != NULL)
			assert_true(has_entry(copy, i));
	}
	exceptions_close(copy);
	exceptions_close(table);
}

static bool
write_entries(struct store *store)
{
	bool good = store != NULL, again = true;

	for (unsigned tries = 0; good && again && tries < 3; tries++) {
		again = false;
		for (unsigned i = 0; i < ENTRIES && good; i++) {
			struct exception_entry entry = make_entry(i);

			good = store_apply(store, &entry, "test", 1700000000);
		}
		good = good && store_commit(store, &again);
	}
	return good && !again;
}

static bool
count_entry(void *context, uint64_t serial, const struct exception_entry *entry)
{
	(void)serial;
	(void)entry;
	++*(unsigned *)context;
	return true;
}

/* What is on disk, read without faults: all of what was acknowledged, never a half. */
static unsigned
count_on_disk(void)
{
	struct store *store = store_open(directory, STORE_READ);
	unsigned count = 0;

	assert_null(store_error(store));
	assert_true(store_each(store, count_entry, &count));
	assert_int_equal(store_count(store), count);
	store_close(store);
	return count;
}

static void
remove_store(void)
{
	(void)unlink(files_path(&files, STORE_FILE));
	(void)unlink(files_path(&files, STORE_FILE "-lock"));
}

static void
store_on_disk(void)
{
	struct store *store = store_open(directory, STORE_WRITE);
	bool acknowledged = write_entries(store);

	store_close(store);
	(void)fault_disarm();
	assert_int_equal(count_on_disk(), acknowledged ? ENTRIES : 0);
	remove_store();
}

static void
reader_of_the_store(void)
{
	struct exceptions *table = exceptions_open();
	struct reader_at at = {0};
	char said[400];
	struct text error;

	text_init(&error, said, sizeof said);
	if (table != NULL && reader_load(directory, &at, table, &error)) {
		assert_int_equal(exceptions_count(table), ENTRIES);
		assert_int_equal(at.serial, ENTRIES);
	} else if (table != NULL) {
		assert_true(error.length > 0);
	}
	exceptions_close(table);
}

/* --- a question from packet to verdict ------------------------------------------------------ */

struct world {
	struct evidence_book *book;
	struct config *config;
	struct exceptions *exceptions;
	struct view *view;
	struct cache *cache;
};

static bool
open_world(struct world *world)
{
	static const uint64_t key[2] = {1, 2}, quarantined[VIEW_BITS];

	memset(world, 0, sizeof *world);
	world->book = evidence_book_open();
	world->config = world->book == NULL ? NULL : read_config(world->book);
	world->exceptions = exceptions_open();
	world->cache = cache_open(1, 1, key);
	if (world->config != NULL && world->exceptions != NULL)
		world->view = view_open(world->config, world->exceptions, quarantined);
	return world->view != NULL && world->cache != NULL;
}

static void
close_world(struct world *world)
{
	view_close(world->view);
	cache_close(world->cache);
	exceptions_close(world->exceptions);
	config_close(world->config);
	evidence_book_close(world->book);
}

struct asking {
	struct lookup *lookup;
	struct evidence_book *book;
	unsigned replies, score;
};

static void
on_ask(void *owner, const struct policy_list *list, const struct subject *subject,
    struct ticket ticket)
{
	struct asking *asking = owner;
	struct answers answers = {.count = 1, .address = {0x7f000002}};
	struct evidence evidence = {.expires = 1000};

	evidence.said = evidence_intern(asking->book, list->number, &answers);
	lookup_evidence(asking->lookup, 1000, ticket, subject, list->number, evidence);
}

static void
on_late(void *owner, const struct policy_list *list, const struct subject *subject)
{
	(void)owner;
	(void)list;
	(void)subject;
}

static void
on_reply(void *owner, const struct client *client, const struct question *question,
    const struct verdict *verdict, const struct evidence *evidence)
{
	struct asking *asking = owner;

	(void)client;
	(void)question;
	(void)evidence;
	asking->replies++;
	/* a list whose reply can't be kept is unknown; then on-failure lets the mail pass */
	assert_true(verdict->state == VERDICT_LISTED || verdict->state == VERDICT_CLEAR);
	if (verdict->state == VERDICT_LISTED)
		assert_true(verdict->address == 0x7f000002 || verdict->address == 0x7f000003);
}

static const uint8_t packet[] = "\1\1\1\0\0\1\0\0\0\0\0\0"
				"\0011\003100\00251\003198\002bl\7example\0\0\1\0\1";

static void
lookup_of_a_subject(void)
{
	struct asking asking = {0};
	const struct lookup_calls calls = {
	    .owner = &asking, .ask = on_ask, .late = on_late, .reply = on_reply};
	const struct client client = {.fd = 1};
	struct question question;
	struct world world;

	if (open_world(&world)) {
		asking.book = world.book;
		asking.lookup = lookup_open(8, 8, world.cache, world.book, world.view, &calls);
	}
	if (asking.lookup != NULL) {
		question_read(&question, packet, sizeof packet - 1);
		question_place(&question, world.config->policy);
		assert_int_equal(question.about, QUESTION_SUBJECT);
		lookup_start(asking.lookup, 1000, &question, &client);
		assert_int_equal(asking.replies, 1);
	}
	lookup_close(asking.lookup);
	close_world(&world);
}

/* --- the real thing: sockets and threads ---------------------------------------------------- */

static bool
hand_on(void *owner, unsigned number, const struct miss *miss)
{
	struct shard **shard = owner;

	(void)number;
	return shard_take(*shard, miss);
}

static void
on_verdict(void *owner, const struct client *client, const struct question *question,
    const struct verdict *verdict, const struct evidence *evidence)
{
	(void)owner;
	(void)client;
	(void)question;
	(void)verdict;
	(void)evidence;
}

static void
on_woken(void *owner)
{
	(void)owner;
}

/* Ask about a test point, which needs no list; what comes back, if anything does, is right. */
static bool
ask(const struct policy_server *server, int type)
{
	static const uint8_t test_point[] = "\0\046\1\1\1\0\0\1\0\0\0\0\0\0"
					    "\0012\0010\0010\003127\002bl\7example\0\0\1\0\1";
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(server->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval patience = {.tv_usec = 40000};
	size_t skip = type == SOCK_DGRAM ? 2 : 0;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	uint8_t reply[600];
	ssize_t got = -1;

	if (fd < 0)
		return false;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
	    connect(fd, (struct sockaddr *)(void *)&to, sizeof to) == 0 &&
	    write(fd, test_point + skip, sizeof test_point - 1 - skip) > 0)
		got = read(fd, reply, sizeof reply);
	if (got > 0) {
		assert_true(got >= 12 + 2 - (ssize_t)skip);
		assert_int_equal(reply[5 - skip] & 15, 0);
		assert_memory_equal(reply + got - 4, "\177\0\0\2", 4);
	}
	close(fd);
	return got > 0;
}

static void
server_on_sockets(void)
{
	enum { LONE = 20 }; /* so many that they are received in another way */
	static struct quota quota[EVIDENCE_LISTS_MAX];
	struct shard *shard = NULL;
	struct listener *listener = NULL;
	const struct shard_calls calls = {.owner = &shard, .verdict = on_verdict};
	struct listen_sockets sockets = {.udp = -1, .tcp = -1};
	static const uint64_t key[2] = {3, 4};
	struct health *health = health_open(key, on_woken, NULL);
	struct world world;
	bool good = open_world(&world);

	if (good && health != NULL)
		shard =
		    shard_open(0, 8, world.view, world.cache, world.book, quota, health, &calls);
	good = shard != NULL && shard_start(shard);
	if (good && listen_bind(&world.config->listen[0], false, &sockets)) {
		struct serve serve = {.view = world.view,
		    .cache = world.cache,
		    .book = world.book,
		    .hand_on = hand_on,
		    .owner = &shard};

		listener = listen_start(&serve, &sockets, 1);
	}
	if (listener != NULL) {
		for (unsigned i = 0; i < LONE && ask(&world.config->listen[0], SOCK_DGRAM); i++)
			continue;
		(void)ask(&world.config->listen[0], SOCK_STREAM);
		listen_detach(listener);
	}
	shard_stop(shard);
	listen_stop(listener);
	health_close(health);
	close_world(&world);
}

/* --- all of it ------------------------------------------------------------------------------ */

static void
memory_may_run_out_at_any_call(void **state)
{
	(void)state;
	trial_run_all(FAULT_MEMORY, configuration);
	trial_run_all(FAULT_MEMORY, table_of_exceptions);
	trial_run_all(FAULT_MEMORY, lookup_of_a_subject);
	trial_run_all(FAULT_MEMORY, server_on_sockets);
}

static void
files_sockets_and_threads_may_fail_at_any_call(void **state)
{
	(void)state;
	trial_run_all(FAULT_SYSTEM, configuration);
	trial_run_all(FAULT_SYSTEM, lookup_of_a_subject);
	trial_run_all(FAULT_SYSTEM, server_on_sockets);
}

static void
libunbound_may_fail_at_any_call(void **state)
{
	(void)state;
	trial_run_all(FAULT_LIBRARY, server_on_sockets);
}

static void
what_the_store_acknowledges_is_on_disk_whole_and_nothing_else_is(void **state)
{
	(void)state;
	trial_run_all(FAULT_MEMORY, store_on_disk);
	trial_run_all(FAULT_LIBRARY, store_on_disk);
}

static void
the_store_is_read_whole_or_with_an_error(void **state)
{
	struct store *store = store_open(directory, STORE_WRITE);

	(void)state;
	assert_true(write_entries(store));
	store_close(store);
	trial_run_all(FAULT_MEMORY, reader_of_the_store);
	trial_run_all(FAULT_SYSTEM, reader_of_the_store);
	trial_run_all(FAULT_LIBRARY, reader_of_the_store);
	remove_store();
}

static int
make_files(void **state)
{
	(void)state;
	log_open(LOG_LEVEL_ERROR);
	files_open(&files);
	files_write(&files, "tallyd.conf", text, sizeof text - 1);
	files_write(&files, "more.conf", more, sizeof more - 1);
	(void)snprintf(directory, sizeof directory, "%s", files.directory);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_may_run_out_at_any_call),
	    cmocka_unit_test(files_sockets_and_threads_may_fail_at_any_call),
	    cmocka_unit_test(libunbound_may_fail_at_any_call),
	    cmocka_unit_test(what_the_store_acknowledges_is_on_disk_whole_and_nothing_else_is),
	    cmocka_unit_test(the_store_is_read_whole_or_with_an_error),
	};

	return cmocka_run_group_tests(tests, make_files, close_files);
}
