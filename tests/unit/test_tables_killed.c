/*
 * A process that is killed within mdb_env_open, where it holds LMDB's lock file alone and has set
 * the number of the last transaction in it to 0, while another one waits to open the same file.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "aggregate/tables.h"
#include "tests/unit/files.h"
#include "tests/unit/unit.h"

static const struct tables_plan plan = {.file = "small.mdb",
    .table = {"things"},
    .tables = 1,
    .remedy = "it is damaged",
    .relief = "it is full",
    .first_bytes = TABLES_FIRST_BYTES,
    .most_bytes = TABLES_MOST_BYTES};

int told = -1; /* where a child says that it stands within mdb_env_open; for pread, not static */

ssize_t pread(int fd, void *to, size_t size, off_t at);

/* LMDB's call of it, too: how it reads the head of the file, with the lock held. */
ssize_t
pread(int fd, void *to, size_t size, off_t at)
{
	if (told >= 0 && write(told, "", 1) == 1)
		for (;;)
			(void)pause();
	return (ssize_t)syscall(SYS_pread64, fd, to, size, at);
}

static bool
add(uint8_t number)
{
	struct tables *tables = tables_open(files.directory, &plan, STORE_WRITE);
	bool again, done;

	(void)tables_put(tables, 0, &number, 1, "a thing", 7);
	done = tables_commit(tables, &again);
	if (!done)
		print_message("%s\n", tables_error(tables));
	tables_close(tables);
	return done;
}

static uint64_t
count_things(void)
{
	struct tables *tables = tables_open(files.directory, &plan, STORE_READ);
	uint64_t count = tables_count(tables, 0);

	assert_null(tables_error(tables));
	tables_close(tables);
	return count;
}

/* As another program opens it, which knows nothing of our ways. */
static void
open_as_foreigner(void)
{
	MDB_env *env;

	if (mdb_env_create(&env) == 0)
		(void)mdb_env_open(env, files_path(&files, plan.file), MDB_NOSUBDIR, 0660);
}

enum opener { READER, WRITER, FOREIGNER };

/* A child that stands still in mdb_env_open. */
static pid_t
start_stuck(enum opener opener)
{
	int end[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		told = end[1];
		if (opener == FOREIGNER)
			open_as_foreigner();
		else
			(void)tables_open(
			    files.directory, &plan, opener == WRITER ? STORE_WRITE : STORE_READ);
		_exit(1);
	}
	(void)close(end[1]);
	assert_int_equal(read(end[0], &byte, 1), 1);
	(void)close(end[0]);
	return child;
}

/* Until the process waits for a lock. */
static void
await_waiting(pid_t pid)
{
	char line[200], wanted[40];
	bool waits = false;

	(void)snprintf(wanted, sizeof wanted, " %d ", (int)pid);
	for (int i = 0; i < 2000 && !waits; i++) {
		FILE *locks = fopen("/proc/locks", "re");

		assert_non_null(locks);
		while (!waits && fgets(line, sizeof line, locks) != NULL)
			waits = strstr(line, "->") != NULL && strstr(line, wanted) != NULL;
		(void)fclose(locks);
		(void)usleep(5000);
	}
	assert_true(waits);
}

/* Kill one that is opening while another one waits with its change; was that one made? */
static bool
kill_before(enum opener opener, uint8_t number)
{
	pid_t stuck = start_stuck(opener), waiting = fork();
	int status = 0;

	if (waiting == 0)
		_exit(!add(number));
	await_waiting(waiting);
	assert_int_equal(kill(stuck, SIGKILL), 0);
	assert_int_equal(waitpid(stuck, &status, 0), stuck);
	assert_int_equal(waitpid(waiting, &status, 0), waiting);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 0;
}

static void
one_that_is_killed_in_opening_lets_no_change_of_others_be_lost(void **state)
{
	uint8_t things = 0;

	(void)state;
	/* the numbers of the last transaction are odd and even in turn, which LMDB treats apart */
	for (int turn = 0; turn < 3; turn++) {
		assert_true(add(++things));
		assert_true(kill_before(WRITER, ++things));
		assert_int_equal(count_things(), things);
		assert_true(kill_before(READER, ++things));
		assert_int_equal(count_things(), things);
	}
}

static void
one_that_is_killed_in_making_the_file_leaves_it_to_the_next(void **state)
{
	(void)state;
	assert_true(kill_before(WRITER, 1));
	assert_int_equal(count_things(), 1);
	assert_true(add(2));
	assert_int_equal(count_things(), 2);
}

static void
behind_another_program_that_was_killed_a_change_is_refused_rather_than_lost(void **state)
{
	(void)state;
	for (uint8_t things = 1; things <= 3; things++) {
		assert_true(add(things));
		assert_false(kill_before(FOREIGNER, 100));
		assert_int_equal(count_things(), things);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_files, close_files)
	const struct CMUnitTest tests[] = {
	    TEST(one_that_is_killed_in_opening_lets_no_change_of_others_be_lost),
	    TEST(one_that_is_killed_in_making_the_file_leaves_it_to_the_next),
	    TEST(behind_another_program_that_was_killed_a_change_is_refused_rather_than_lost),
	};
#undef TEST

	return cmocka_run_group_tests_name("tables and kills", tests, NULL, NULL);
}
