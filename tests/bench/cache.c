/*
 * cache - what the cache holds, keeps and brings back, on ten million subjects: `make bench-cache`
 *
 * fill DIRECTORY MIB SUBJECTS: memory for each subject; then the same written to DIRECTORY, as at a
 * stop, and read back, as at a start, with one and with two writers. zipf MIB: the hit rate of a
 * stream whose subjects have Zipf's law, beside that of an exact LRU of as many lines.
 *
 * The list of a subject is drawn: eight lists say something, lifetimes of up to half a day.
 */
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aggregate/cache.h"
#include "resolver/keeper.h"
#include "resolver/log.h"

#define LISTS 8
#define NOW 1000000u

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

/* Spread over all of IPv4, each once. */
static struct subject
subject_of(uint32_t number)
{
	struct subject subject = {.family = SUBJECT_IPV4};
	uint32_t address = number * 2654435761u;

	memcpy(subject.octet, &address, sizeof address);
	return subject;
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
		char name[20];

		(void)snprintf(name, sizeof name, "l%u.example", i);
		(void)evidence_intern(book, (unsigned)evidence_list_number(book, name), &answers);
	}
	return book;
}

struct reader {
	struct keeper *keeper;
	struct cache *cache;
	unsigned writer;
	pthread_t thread;
};

static const uint64_t nothing_unwanted[CACHE_BITS];
static const struct kept_worth all_of_it = {
    .now = NOW, .max_stale = 86400, .unwanted = nothing_unwanted};

static void *
read_back(void *argument)
{
	struct reader *reader = argument;

	while (keeper_step(reader->keeper, reader->cache, reader->writer, &all_of_it))
		;
	return NULL;
}

static void
restore(const char *directory, size_t mib, unsigned writers, uint32_t subjects)
{
	struct kept_moment moment = {.now = NOW};
	struct evidence_book *book = make_book();
	double start = seconds(), cpu = cpu_seconds();
	struct keeper *keeper = keeper_open(directory, &moment, book);
	struct cache *cache = cache_open(mib, writers, keeper_key(keeper));
	struct reader reader[2];
	uint64_t found = 0;

	for (unsigned i = 0; i < writers; i++) {
		reader[i] = (struct reader){.keeper = keeper, .cache = cache, .writer = i};
		(void)pthread_create(&reader[i].thread, NULL, read_back, &reader[i]);
	}
	for (unsigned i = 0; i < writers; i++)
		(void)pthread_join(reader[i].thread, NULL);
	printf("start, %u thread%s: all of it back after %.2f s (%.2f s of CPU)\n", writers,
	    writers == 1 ? "" : "s", seconds() - start, cpu_seconds() - cpu);
	for (uint32_t i = 0; i < subjects; i++) {
		struct subject subject = subject_of(i);
		struct evidence out[LISTS];

		cache_find(cache, &subject, LISTS, NOW, out);
		found += out[LISTS - 1].said != EVIDENCE_NONE;
	}
	printf("found again: %.2f %% of %u\n", 100.0 * (double)found / subjects, subjects);
	keeper_close(keeper);
	cache_close(cache);
	evidence_book_close(book);
}

static void
fill(const char *directory, size_t mib, uint32_t subjects)
{
	static const uint64_t key[2] = {0x243f6a8885a308d3u, 0x13198a2e03707344u};
	struct kept_moment moment = {.now = NOW};

	for (unsigned writers = 1; writers <= 2; writers++) {
		struct evidence_book *book = make_book();
		double before = resident_mib(), start, cpu;
		struct cache *cache = cache_open(mib, writers, key);
		struct cache_counts counts;

		for (uint32_t i = 0; i < subjects; i++)
			put_all(cache, i, NOW);
		cache_count(cache, &counts);
		printf("%llu subjects of %u in %llu lines (%.0f %%), %llu pushed out: "
		       "%.1f bytes each of the table, %.1f resident\n",
		    (unsigned long long)counts.entries, subjects, (unsigned long long)counts.capacity,
		    100.0 * (double)counts.entries / (double)counts.capacity,
		    (unsigned long long)counts.evictions,
		    (double)counts.bytes / (double)counts.entries,
		    (resident_mib() - before) * 1048576 / (double)counts.entries);
		start = seconds();
		cpu = cpu_seconds();
		keeper_write(directory, cache, book, &moment, &all_of_it);
		printf("stop: written in %.2f s (%.2f s of CPU)\n", seconds() - start,
		    cpu_seconds() - cpu);
		cache_close(cache);
		evidence_book_close(book);
		restore(directory, mib, writers, subjects);
	}
}

int
main(int count, char **argument)
{
	log_open(LOG_LEVEL_INFO);
	if (count == 4) {
		fill(argument[1], (size_t)atoi(argument[2]), (uint32_t)atoi(argument[3]));
		return 0;
	}
	return 2;
}
