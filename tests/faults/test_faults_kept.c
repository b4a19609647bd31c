/*
 * The evidence of the cache goes to disk and comes back, each call failing in turn: there is a
 * whole file or none, what is read is what was written, and the log says why nothing is.
 */
#include <unistd.h>

#include "resolver/keeper.h"
#include "resolver/log.h"
#include "tests/faults/trial.h"

#define SUBJECTS 6000 /* several blocks for each writer */
#define LISTS 2
#define WRITERS 2
#define NOW 1000

static const uint64_t key[2] = {1, 2}, unwanted[CACHE_BITS];
static const struct kept_moment moment = {.booted = 1700000000, .now = NOW};
static const struct kept_worth worth = {.now = NOW, .max_stale = 60, .unwanted = unwanted};
static struct evidence_book *book;
static struct cache *full;
static char said[4000];

static struct subject
make_subject(unsigned number)
{
	return (struct subject){.family = number % 2 ? SUBJECT_IPV4 : SUBJECT_IPV6,
	    .octet = {10, 0, (uint8_t)(number >> 8), (uint8_t)number}};
}

static struct evidence_book *
open_book(void)
{
	struct evidence_book *new = evidence_book_open();

	assert_non_null(new);
	assert_int_equal(evidence_list_number(new, "a.example"), 0);
	assert_int_equal(evidence_list_number(new, "b.example"), 1);
	return new;
}

static void
fill(void)
{
	const struct answers answers = {.count = 1, .address = {0x7f000002}};

	book = open_book();
	full = cache_open(4, WRITERS, key);
	assert_non_null(full);
	for (unsigned i = 0; i < SUBJECTS; i++)
		for (unsigned list = 0; list < LISTS; list++) {
			struct subject subject = make_subject(i);
			struct evidence evidence = {
			    .said = EVIDENCE_CLEAR, .expires = NOW + 100 + i % 700};

			if (i % 3 == list)
				evidence.said = evidence_intern(book, list, &answers);
			cache_put(full, &subject, list, NOW, evidence);
		}
}

/* From here on the log goes to a file; end_of_log puts it into `said`. */
static int log_file, true_stderr;

static void
begin_log(void)
{
	log_file = trial_file();
	true_stderr = dup(STDERR_FILENO);
	assert_true(dup2(log_file, STDERR_FILENO) >= 0);
}

static void
end_log(void)
{
	ssize_t got;

	assert_true(dup2(true_stderr, STDERR_FILENO) >= 0);
	close(true_stderr);
	assert_true(lseek(log_file, 0, SEEK_SET) == 0);
	got = read(log_file, said, sizeof said - 1);
	assert_true(got >= 0);
	said[got] = '\0';
	close(log_file);
}

/* Take over what there is; how many subjects. Each says what it said when it was kept. */
static unsigned
take_over(void)
{
	struct evidence_book *later;
	struct keeper *keeper;
	struct cache *cache = NULL;
	unsigned found = 0;

	fault_spare(true);
	later = open_book();
	fault_spare(false);
	keeper = keeper_open(files.directory, &moment, later);
	fault_spare(true);
	if (keeper != NULL)
		cache = cache_open(4, WRITERS, keeper_key(keeper));
	fault_spare(false);
	for (unsigned writer = 0; keeper != NULL && writer < WRITERS; writer++)
		while (keeper_step(keeper, cache, writer, &worth))
			continue;
	keeper_close(keeper);
	for (unsigned i = 0; cache != NULL && i < SUBJECTS; i++) {
		struct subject subject = make_subject(i);
		struct evidence before[LISTS], after[LISTS];

		cache_find(full, &subject, LISTS, NOW, before);
		cache_find(cache, &subject, LISTS, NOW, after);
		if (after[0].said == EVIDENCE_NONE && after[1].said == EVIDENCE_NONE)
			continue;
		assert_memory_equal(before, after, sizeof before);
		found++;
	}
	cache_close(cache);
	evidence_book_close(later);
	return found;
}

static bool
is_there(const char *name)
{
	return access(files_path(&files, name), F_OK) == 0;
}

static void
keep(void)
{
	begin_log();
	keeper_write(files.directory, full, book, &moment, &worth);
	end_log();
	(void)fault_disarm();
	if (strstr(said, "evidence kept") != NULL)
		assert_int_equal(take_over(), SUBJECTS);
	else
		assert_non_null(strstr(said, "no evidence is kept: "));
	assert_null(strstr(said, "Success"));
	assert_false(is_there(KEEPER_FILE));
	if (is_there(KEEPER_FILE ".new")) {
		assert_string_equal(fault_name(), "unlink");
		(void)remove(files_path(&files, KEEPER_FILE ".new"));
	}
}

static void
take(void)
{
	unsigned taken;

	fault_spare(true);
	keeper_write(files.directory, full, book, &moment, &worth);
	fault_spare(false);
	begin_log();
	taken = take_over();
	end_log();
	(void)fault_disarm();
	if (taken < SUBJECTS)
		assert_true(strstr(said, "no evidence is taken from it: ") != NULL ||
			    strstr(said, "kept parts are damaged and dropped") != NULL);
	assert_null(strstr(said, "another version")); /* it is ours, and good */
	if (is_there(KEEPER_FILE)) {
		assert_int_equal(taken, 0);
		assert_string_equal(fault_name(), "unlink");
		(void)remove(files_path(&files, KEEPER_FILE));
	}
}

static void
evidence_is_kept_whole_or_not_at_all(void **state)
{
	(void)state;
	trial_run_all(FAULT_MEMORY, keep);
	trial_run_all(FAULT_SYSTEM, keep);
}

static void
evidence_that_is_taken_over_is_what_was_kept_and_is_gone_from_disk(void **state)
{
	(void)state;
	trial_run_all(FAULT_MEMORY, take);
	trial_run_all(FAULT_SYSTEM, take);
}

static int
make_files(void **state)
{
	(void)state;
	fault_open();
	log_open(LOG_LEVEL_INFO);
	files_open(&files);
	fill();
	return 0;
}

static int
remove_files(void **state)
{
	(void)state;
	cache_close(full);
	evidence_book_close(book);
	files_close(&files);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(evidence_is_kept_whole_or_not_at_all),
	    cmocka_unit_test(evidence_that_is_taken_over_is_what_was_kept_and_is_gone_from_disk),
	};

	return cmocka_run_group_tests_name(
	    "faults: kept evidence", tests, make_files, remove_files);
}
