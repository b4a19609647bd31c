/*
 * cache - fill a cache, keep it in a file and take it over again: cache DIRECTORY MIB SUBJECTS
 * WRITERS
 *
 * Says what a subject takes in memory, how long the stop writes and the start reads, and how much
 * is found again; then leaves a file in DIRECTORY for a tallyd that asks for the lists l0.example
 * to l7.example at port 9 of 127.0.0.1. Each of them says something of each subject: 3 in 10 times
 * it is listed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aggregate/cache.h"
#include "aggregate/policy.h"
#include "resolver/keeper.h"
#include "resolver/log.h"

#define LISTS 8

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* CPU of all threads, user and system. */
static double
cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double
resident_mib(void)
{
	unsigned long pages[2] = {0};
	FILE *file = fopen("/proc/self/statm", "r");

	if (file == NULL || fscanf(file, "%lu %lu", &pages[0], &pages[1]) != 2)
		abort();
	(void)fclose(file);
	return (double)pages[1] * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

/* As many as wanted of 16.0.0.0/4, each once. */
static struct subject
subject_of(uint32_t number)
{
	struct subject subject = {.family = SUBJECT_IPV4};
	uint32_t address = 0x10000000u | (number * 2654435761u & 0x0fffffffu);

	for (unsigned i = 0; i < 4; i++)
		subject.octet[i] = (uint8_t)(address >> (24 - 8 * i));
	return subject;
}

static struct kept_moment
moment_now(void)
{
	struct kept_moment moment;
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	moment.now = (uint32_t)now.tv_sec;
	clock_gettime(CLOCK_REALTIME, &now);
	moment.booted = (int64_t)now.tv_sec - moment.now;
	keeper_read_boot(moment.boot);
	return moment;
}

static void
put_all(struct cache *cache, uint32_t number, uint32_t now)
{
	struct subject subject = subject_of(number);

	for (unsigned list = 0; list < LISTS; list++) {
		struct evidence evidence = {
		    .said = (number * 7 + list) % 10 < 3 ? EVIDENCE_ANSWERS : EVIDENCE_CLEAR,
		    .expires = now + 3600 + (number * 31 + list * 17) % 39600};

		cache_put(cache, &subject, list, now, evidence);
	}
}

static struct evidence_book *
make_book(void)
{
	struct evidence_book *book = evidence_book_open();
	struct answers answers = {.count = 1, .address = {0x7f000002}};

	for (unsigned i = 0; i < LISTS; i++) {
		struct policy_list list = {
		    .server = {{.address = "127.0.0.1", .port = 9}}, .servers = 1};
		unsigned number;

		(void)snprintf(list.query, sizeof list.query, "l%u.example", i);
		number = (unsigned)evidence_list_number(book, list.query);
		(void)evidence_intern(book, number, &answers);
		evidence_list_take_from(book, number, policy_source(&list));
	}
	return book;
}

static const uint64_t nothing_unwanted[CACHE_BITS];

struct reader {
	struct keeper *keeper;
	struct cache *cache;
	unsigned writer;
	uint32_t now;
	pthread_t thread;
};

static void *
read_back(void *argument)
{
	struct reader *reader = argument;
	struct kept_worth worth = {
	    .now = reader->now, .max_stale = 86400, .unwanted = nothing_unwanted};

	while (keeper_step(reader->keeper, reader->cache, reader->writer, &worth))
		;
	return NULL;
}

static void
print_found(struct cache *cache, uint32_t subjects, uint32_t now)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < subjects; i++) {
		struct subject subject = subject_of(i);
		struct evidence out[LISTS];

		cache_find(cache, &subject, LISTS, now, out);
		found += out[LISTS - 1].said != EVIDENCE_NONE;
	}
	printf("found again: %.2f %% of %u\n", 100.0 * found / subjects, subjects);
}

static void
start_again(const char *directory, size_t mib, unsigned writers, uint32_t subjects)
{
	struct kept_moment moment = moment_now();
	struct evidence_book *book = make_book();
	double start = seconds(), cpu = cpu_seconds();
	struct keeper *keeper = keeper_open(directory, &moment, book);
	struct cache *cache = cache_open(mib, writers, keeper_key(keeper));
	struct reader reader[64];

	for (unsigned i = 0; i < writers; i++) {
		reader[i] = (struct reader){
		    .keeper = keeper, .cache = cache, .writer = i, .now = moment.now};
		(void)pthread_create(&reader[i].thread, NULL, read_back, &reader[i]);
	}
	for (unsigned i = 0; i < writers; i++)
		(void)pthread_join(reader[i].thread, NULL);
	printf("start: taken over in %.2f s (%.2f s of CPU) by %u\n", seconds() - start,
	    cpu_seconds() - cpu, writers);
	print_found(cache, subjects, moment.now);
	keeper_close(keeper);
	cache_close(cache);
	evidence_book_close(book);
}

int
main(int count, char **argument)
{
	static const uint64_t key[2] = {0x243f6a8885a308d3u, 0x13198a2e03707344u};
	struct kept_moment moment = moment_now();
	struct kept_worth worth = {
	    .now = moment.now, .max_stale = 86400, .unwanted = nothing_unwanted};
	struct evidence_book *book = make_book();
	size_t mib = count == 5 ? (size_t)atoi(argument[2]) : 0;
	uint32_t subjects = count == 5 ? (uint32_t)atoi(argument[3]) : 0;
	unsigned writers = count == 5 ? (unsigned)atoi(argument[4]) : 0;
	double before = resident_mib(), start, cpu;
	struct cache_counts counts;
	struct cache *cache;

	if (mib == 0 || subjects == 0 || writers == 0 || writers > 64)
		return 2;
	cache = cache_open(mib, writers, key);
	for (uint32_t i = 0; i < subjects; i++)
		put_all(cache, i, moment.now);
	cache_count(cache, &counts);
	printf(
	    "%u subjects of %u lists in %zu MiB: %.1f %% of the lines in use, %.2f %% pushed out, "
	    "%.1f bytes of the table for each, %.1f if it were 85 %% full; resident %.0f MiB\n",
	    subjects, LISTS, mib, 100.0 * (double)counts.entries / (double)counts.capacity,
	    100.0 * (double)counts.evictions / subjects,
	    (double)counts.bytes / (double)counts.entries,
	    (double)counts.bytes / (double)counts.capacity / 0.85, resident_mib() - before);
	for (unsigned i = 0; i < 2; i++) {
		start = seconds();
		cpu = cpu_seconds();
		keeper_write(argument[1], cache, book, &moment, &worth);
		printf("stop: written in %.2f s (%.2f s of CPU)\n", seconds() - start,
		    cpu_seconds() - cpu);
		if (i == 0)
			start_again(argument[1], mib, writers, subjects);
	}
	cache_close(cache);
	evidence_book_close(book);
	return 0;
}
