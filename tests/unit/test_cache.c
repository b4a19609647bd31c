#include "aggregate/cache.h"
#include "aggregate/cache_sets.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/unit.h"

#define LISTS EVIDENCE_LISTS_MAX
#define WAYS 16

static const uint64_t key[2] = {0x243f6a8885a308d3u, 0x13198a2e03707344u};
static const uint64_t other_key[2] = {0xa4093822299f31d0u, 0x082efa98ec4e6c89u};

static struct subject
ipv4(uint32_t number)
{
	struct subject subject = {.family = SUBJECT_IPV4};

	for (unsigned i = 0; i < 4; i++)
		subject.octet[i] = (uint8_t)(number >> (24 - 8 * i));
	return subject;
}

static struct subject
ipv6(uint32_t number)
{
	struct subject subject = {.family = SUBJECT_IPV6, .octet = {0x20, 0x01, 0x0d, 0xb8}};

	for (unsigned i = 0; i < 4; i++)
		subject.octet[12 + i] = (uint8_t)(number >> (24 - 8 * i));
	return subject;
}

static struct cache *
open_cache(size_t mib, unsigned writers)
{
	struct cache *cache = cache_open(mib, writers, key);

	assert_non_null(cache);
	return cache;
}

static void
put(struct cache *cache, struct subject subject, unsigned list, uint32_t now, uint16_t said,
    uint32_t expires)
{
	struct evidence evidence = {.said = said, .expires = expires};

	cache_put(cache, &subject, list, now, evidence);
}

static struct evidence
find(struct cache *cache, struct subject subject, unsigned list, uint32_t now)
{
	struct evidence out[LISTS];

	memset(out, 0xaa, sizeof out);
	cache_find(cache, &subject, LISTS, now, out);
	return out[list];
}

/* Are these lists, below `numbers`, known to say "not listed" until `until` or longer? */
static bool
is_clear(struct cache *cache, struct subject subject, const uint64_t lists[CACHE_BITS],
    unsigned numbers, uint32_t until)
{
	struct cache_spot spot = cache_aim(cache, &subject, numbers);

	cache_approach(cache, &subject, numbers, &spot);
	return cache_is_clear_at(cache, &subject, &spot, lists, numbers, until);
}

static bool
one_is_clear(struct cache *cache, struct subject subject, unsigned list, uint32_t until)
{
	uint64_t lists[CACHE_BITS] = {0};

	bits_set(lists, list);
	return is_clear(cache, subject, lists, list + 1, until);
}

static struct cache_counts
counts_of(const struct cache *cache)
{
	struct cache_counts counts;

	cache_count(cache, &counts);
	return counts;
}

static void
an_empty_cache_knows_nothing(void **state)
{
	struct cache *cache = open_cache(1, 1);
	struct cache_counts counts = counts_of(cache);

	(void)state;
	for (unsigned list = 0; list < LISTS; list++) {
		assert_int_equal(find(cache, ipv4(0), list, 0).said, EVIDENCE_NONE);
		assert_int_equal(find(cache, ipv6(0), list, 0).said, EVIDENCE_NONE);
	}
	assert_int_equal(counts.entries, 0);
	assert_int_equal(counts.evictions, 0);
	cache_close(cache);
}

static void
what_was_put_is_found_and_nothing_else(void **state)
{
	struct cache *cache = open_cache(1, 1);
	struct subject twin = {.family = SUBJECT_IPV6, .octet = {192, 0, 2, 1}};

	(void)state;
	put(cache, ipv4(0xc0000201), 3, 1000, 77, 1060);
	assert_int_equal(find(cache, ipv4(0xc0000201), 3, 1000).said, 77);
	assert_int_equal(find(cache, ipv4(0xc0000201), 3, 1000).expires, 1060);
	for (unsigned list = 0; list < LISTS; list++)
		if (list != 3)
			assert_int_equal(
			    find(cache, ipv4(0xc0000201), list, 1000).said, EVIDENCE_NONE);
	assert_int_equal(find(cache, ipv4(0xc0000202), 3, 1000).said, EVIDENCE_NONE);
	assert_int_equal(find(cache, twin, 3, 1000).said, EVIDENCE_NONE);
	put(cache, twin, 3, 1000, 78, 1050);
	assert_int_equal(find(cache, twin, 3, 1000).said, 78);
	assert_int_equal(find(cache, ipv4(0xc0000201), 3, 1000).said, 77);
	cache_close(cache);
}

static void
every_said_survives_the_cache(void **state)
{
	struct cache *cache = open_cache(8, 1);

	(void)state;
	for (unsigned said = 1; said < 4096; said++) {
		put(cache, ipv4(said), said % LISTS, 10, (uint16_t)said, 10 + said);
		put(cache, ipv6(said), said % LISTS, 10, (uint16_t)said, 10 + said);
	}
	for (unsigned said = 1; said < 256; said++) {
		struct evidence four = find(cache, ipv4(said), said % LISTS, 10);
		struct evidence six = find(cache, ipv6(said), said % LISTS, 10);

		assert_int_equal(four.said, said);
		assert_int_equal(four.expires, 10 + said);
		assert_int_equal(six.said, said);
		assert_int_equal(six.expires, 10 + said);
	}
	cache_close(cache);
}

static void
later_evidence_replaces_earlier(void **state)
{
	struct cache *cache = open_cache(1, 1);

	(void)state;
	put(cache, ipv4(1), 5, 1000, 20, 2000);
	put(cache, ipv4(1), 6, 1000, 30, 2000);
	put(cache, ipv4(1), 5, 1001, 21, 1500);
	assert_int_equal(find(cache, ipv4(1), 5, 1001).said, 21);
	assert_int_equal(find(cache, ipv4(1), 5, 1001).expires, 1500);
	assert_int_equal(find(cache, ipv4(1), 6, 1001).said, 30);
	assert_int_equal(find(cache, ipv4(1), 5, 1600).said, EVIDENCE_NONE);
	assert_int_equal(counts_of(cache).entries, 1);
	cache_close(cache);
}

static void
evidence_ends_at_the_second_of_its_expiry(void **state)
{
	static const uint32_t ttl[] = {1, 2, 5, 60, 86400, 604800, 1048575};
	static const uint32_t start[] = {0, 1, 1000, 16777215, 16777216, 4000000000u};
	struct cache *cache = open_cache(1, 1);

	(void)state;
	for (unsigned i = 0; i < COUNT(start); i++)
		for (unsigned j = 0; j < COUNT(ttl); j++) {
			uint32_t now = start[i], end = now + ttl[j];
			struct subject subject = ipv4(100 * i + j);

			put(cache, subject, 0, now, 50, end);
			assert_int_equal(find(cache, subject, 0, now).said, 50);
			assert_int_equal(find(cache, subject, 0, end - 1).said, 50);
			assert_int_equal(find(cache, subject, 0, end - 1).expires, end);
			assert_int_equal(find(cache, subject, 0, end).said, EVIDENCE_NONE);
			assert_int_equal(find(cache, subject, 0, end + 1).said, EVIDENCE_NONE);
		}
	put(cache, ipv4(1), 1, 1000, 50, 1000);
	assert_int_equal(find(cache, ipv4(1), 1, 1000).said, EVIDENCE_NONE);
	put(cache, ipv4(2), 1, UINT32_MAX - 60, 50, UINT32_MAX);
	assert_int_equal(find(cache, ipv4(2), 1, UINT32_MAX - 1).expires, UINT32_MAX);
	assert_int_equal(find(cache, ipv4(2), 1, UINT32_MAX).said, EVIDENCE_NONE);
	cache_close(cache);
}

/* Expiry is kept relative to the line: a line that lives long must count anew. */
static void
a_line_in_use_for_half_a_year_keeps_its_times(void **state)
{
	struct cache *cache = open_cache(1, 1);
	uint32_t now = 1000, expires[3] = {0};

	(void)state;
	for (unsigned step = 0; step < 300; step++) {
		unsigned list = step % 3;

		now += 86400;
		expires[list] = now + 604800 - step;
		put(cache, ipv4(7), list, now, (uint8_t)(20 + list), expires[list]);
		for (unsigned i = 0; i < 3; i++) {
			struct evidence evidence = find(cache, ipv4(7), i, now);

			if (expires[i] == 0) {
				assert_int_equal(evidence.said, EVIDENCE_NONE);
				continue;
			}
			assert_int_equal(evidence.said, 20 + i);
			assert_int_equal(evidence.expires, expires[i]);
		}
	}
	assert_int_equal(counts_of(cache).entries, 1);
	cache_close(cache);
}

static void
a_line_that_counts_anew_drops_what_has_expired(void **state)
{
	struct cache *cache = open_cache(1, 1);

	(void)state;
	put(cache, ipv4(7), 0, 0, 20, 100);
	put(cache, ipv4(7), 1, 520000, 21, 1040000);
	put(cache, ipv4(7), 2, 530000, 22, 1050000); /* more than 2^20 after the line's base */
	assert_int_equal(find(cache, ipv4(7), 0, 530000).said, EVIDENCE_NONE);
	assert_int_equal(find(cache, ipv4(7), 0, 0).said, EVIDENCE_NONE);
	assert_int_equal(find(cache, ipv4(7), 1, 530000).said, 21);
	assert_int_equal(find(cache, ipv4(7), 1, 530000).expires, 1040000);
	assert_int_equal(find(cache, ipv4(7), 2, 530000).said, 22);
	assert_int_equal(find(cache, ipv4(7), 2, 530000).expires, 1050000);
	cache_close(cache);
}

static void
a_line_holds_twelve_lists_of_ipv4_and_nine_of_ipv6(void **state)
{
	struct cache *cache = open_cache(1, 1);

	(void)state;
	for (unsigned list = 0; list < LISTS; list++) {
		put(cache, ipv4(1), list, 0, 20, 100);
		assert_int_equal(counts_of(cache).entries, 1 + list / 12);
	}
	cache_close(cache);
	cache = open_cache(1, 1);
	for (unsigned list = 0; list < LISTS; list++) {
		put(cache, ipv6(1), list, 0, 20, 100);
		assert_int_equal(counts_of(cache).entries, 1 + list / 9);
	}
	cache_close(cache);
}

static void
a_subject_may_have_evidence_of_all_128_lists(void **state)
{
	struct cache *cache = open_cache(1, 4);
	struct evidence out[LISTS];

	(void)state;
	for (unsigned list = 0; list < LISTS; list++)
		for (unsigned n = 0; n < 20; n++) {
			put(cache, ipv4(n), list, 0, (uint8_t)(1 + list), 1000 + 200 * n + list);
			put(cache, ipv6(n), list, 0, (uint8_t)(128 + list), 9000 + 200 * n + list);
		}
	for (unsigned n = 0; n < 20; n++) {
		struct subject four = ipv4(n), six = ipv6(n);

		cache_find(cache, &four, LISTS, 500, out);
		for (unsigned list = 0; list < LISTS; list++) {
			assert_int_equal(out[list].said, (uint8_t)(1 + list));
			assert_int_equal(out[list].expires, 1000 + 200 * n + list);
		}
		cache_find(cache, &six, LISTS, 500, out);
		for (unsigned list = 0; list < LISTS; list++) {
			assert_int_equal(out[list].said, (uint8_t)(128 + list));
			assert_int_equal(out[list].expires, 9000 + 200 * n + list);
		}
	}
	cache_close(cache);
}

static void
only_the_lists_that_were_asked_for_are_filled_in(void **state)
{
	struct cache *cache = open_cache(1, 1);
	struct evidence out[LISTS];
	struct subject four = ipv4(1), six = ipv6(1);

	(void)state;
	for (unsigned list = 0; list < LISTS; list++) {
		put(cache, four, list, 0, 20, 100);
		put(cache, six, list, 0, 20, 100);
	}
	for (unsigned lists = 0; lists < LISTS; lists++) {
		memset(out, 0xaa, sizeof out);
		cache_find(cache, lists % 2 ? &four : &six, lists, 50, out);
		for (unsigned list = 0; list < LISTS; list++)
			assert_int_equal(out[list].said, list < lists ? 20 : 0xaaaa);
		memset(out, 0xaa, sizeof out);
		cache_find(cache, lists % 2 ? &six : &four, lists, 50, out);
		for (unsigned list = 0; list < LISTS; list++)
			assert_int_equal(out[list].said, list < lists ? 20 : 0xaaaa);
	}
	cache_close(cache);
}

static void
the_cache_stays_within_its_size(void **state)
{
	static const size_t mib[] = {1, 2, 7, 64};
	static const unsigned writers[] = {1, 2, 3, 64};

	(void)state;
	for (size_t i = 0; i < COUNT(mib); i++)
		for (size_t j = 0; j < COUNT(writers); j++) {
			struct cache *cache = open_cache(mib[i], writers[j]);
			struct cache_counts counts = counts_of(cache);

			assert_true(counts.bytes <= mib[i] << 20);
			assert_true(counts.bytes > (mib[i] << 20) * 9 / 10);
			/* a line, a tag, and a bit for having been read */
			assert_true(counts.capacity * 65 + counts.capacity / 8 <= counts.bytes);
			assert_true(counts.capacity * 67 >= counts.bytes);
			cache_close(cache);
		}
}

static void
eviction_keeps_the_capacity_and_counts_what_it_lost(void **state)
{
	struct cache *cache = open_cache(1, 1);
	uint64_t capacity = counts_of(cache).capacity, found = 0;
	uint32_t subjects = (uint32_t)capacity * 6;

	(void)state;
	for (uint32_t n = 0; n < subjects; n++) {
		put(cache, n % 2 ? ipv4(n) : ipv6(n), 0, 0, 20, 1000);
		assert_true(counts_of(cache).entries <= capacity);
	}
	assert_int_equal(counts_of(cache).entries, capacity);
	assert_int_equal(counts_of(cache).evictions, subjects - capacity);
	for (uint32_t n = 0; n < subjects; n++)
		found += find(cache, n % 2 ? ipv4(n) : ipv6(n), 0, 0).said == 20;
	assert_int_equal(found, capacity);
	cache_close(cache);
}

static void
a_writer_is_named_for_every_subject_and_all_get_their_share(void **state)
{
	static const unsigned writers[] = {1, 2, 3, 5, 8, 64};

	(void)state;
	for (size_t i = 0; i < COUNT(writers); i++) {
		struct cache *cache = open_cache(1, writers[i]);
		unsigned share[64] = {0};

		for (uint32_t n = 0; n < 64000; n++) {
			struct subject subject = n % 2 ? ipv4(n) : ipv6(n);
			unsigned writer = cache_writer(cache, &subject);

			assert_true(writer < writers[i]);
			assert_int_equal(writer, cache_writer(cache, &subject));
			share[writer]++;
		}
		for (unsigned writer = 0; writer < writers[i]; writer++)
			assert_true(share[writer] > 64000 / writers[i] / 2);
		cache_close(cache);
	}
}

/* How many lines the subjects of one writer can fill, with lists in several parts. */
static uint64_t
lines_of_writer(unsigned writers, unsigned writer)
{
	struct cache *cache = open_cache(1, writers);
	uint32_t subjects = (uint32_t)counts_of(cache).capacity * 5;
	uint64_t lines;

	for (uint32_t n = 0; n < subjects; n++) {
		struct subject subject = n % 2 ? ipv4(n) : ipv6(n);

		if (cache_writer(cache, &subject) == writer) {
			put(cache, subject, n % 9, 0, 20, 1000);
			put(cache, subject, n % LISTS, 0, 20, 1000);
		}
	}
	lines = counts_of(cache).entries;
	cache_close(cache);
	return lines;
}

/* If each writer can fill its lines, and these add up to all lines, no two share a set. */
static void
writers_own_distinct_sets(void **state)
{
	static const unsigned writers[] = {2, 3, 4, 7};

	(void)state;
	for (size_t i = 0; i < COUNT(writers); i++) {
		struct cache *cache = open_cache(1, writers[i]);
		uint64_t capacity = counts_of(cache).capacity, sum = 0;

		cache_close(cache);
		for (unsigned writer = 0; writer < writers[i]; writer++) {
			uint64_t lines = lines_of_writer(writers[i], writer);

			assert_true(lines >= capacity / writers[i] / 2);
			sum += lines;
		}
		assert_int_equal(sum, capacity);
	}
}

/*
 * With 1024 writers 1 MiB has 1024 sets, one for each writer: cache_writer tells the set. These
 * are `count` IPv4 subjects of one set.
 */
#define ONE_SET 512

static void
subjects_of_one_set(const struct cache *cache, struct subject *subject, unsigned count)
{
	unsigned have = 0;

	assert_int_equal(counts_of(cache).capacity, ONE_SET * WAYS);
	for (uint32_t n = 1; have < count; n++) {
		struct subject next = ipv4(n);

		if (cache_writer(cache, &next) == 5)
			subject[have++] = next;
	}
}

static bool
is_at_home(const struct cache *cache, const struct subject *subject)
{
	struct cache_place place = cache_place(cache, subject, 0);
	struct content content;

	return line_read(cache_line(cache, place.set, cache_home(place.tag)), &content) &&
	       cache_holds(&content, &place);
}

/* A look-up asks for that line before it knows the tags. */
static void
a_line_goes_home_while_nobody_else_is_there(void **state)
{
	enum { SUBJECTS = 600 }; /* of 16,096 lines */
	struct cache *cache = open_cache(1, 1);
	unsigned at_home = 0;

	(void)state;
	for (uint32_t i = 0; i < SUBJECTS; i++) {
		struct subject subject = ipv4(i);

		put(cache, subject, 0, 0, 20, 1000);
		at_home += is_at_home(cache, &subject);
	}
	assert_in_range(at_home, SUBJECTS * 95 / 100, SUBJECTS);
	cache_close(cache);
}

static void
of_expired_lines_the_one_at_home_goes(void **state)
{
	struct cache *cache = open_cache(1, ONE_SET);
	struct subject subject[2 * WAYS];

	(void)state;
	subjects_of_one_set(cache, subject, 2 * WAYS);
	for (unsigned i = 0; i < WAYS; i++)
		put(cache, subject[i], 0, 0, 20, 1000);
	for (unsigned i = WAYS; i < 2 * WAYS; i++) {
		put(cache, subject[i], 0, 1000 * i, 20, 1000 * i + 1);
		assert_true(is_at_home(cache, &subject[i]));
	}
	cache_close(cache);
}

static void
a_set_takes_sixteen_lines_before_it_loses_one(void **state)
{
	struct cache *cache = open_cache(1, ONE_SET);
	struct subject subject[WAYS + 1];
	unsigned found = 0;

	(void)state;
	subjects_of_one_set(cache, subject, WAYS + 1);
	for (unsigned i = 0; i < WAYS; i++)
		put(cache, subject[i], 0, 0, 20, 1000);
	assert_int_equal(counts_of(cache).evictions, 0);
	put(cache, subject[WAYS], 0, 0, 20, 1000);
	assert_int_equal(counts_of(cache).evictions, 1);
	assert_int_equal(counts_of(cache).entries, WAYS);
	for (unsigned i = 0; i <= WAYS; i++)
		found += find(cache, subject[i], 0, 0).said == 20;
	assert_int_equal(found, WAYS);
	assert_int_equal(find(cache, subject[WAYS], 0, 0).said, 20);
	cache_close(cache);
}

static void
an_expired_line_goes_first_and_is_no_eviction(void **state)
{
	(void)state;
	for (unsigned expired = 0; expired < WAYS; expired++) {
		struct cache *cache = open_cache(1, ONE_SET);
		struct subject subject[WAYS + 1];

		subjects_of_one_set(cache, subject, WAYS + 1);
		for (unsigned i = 0; i < WAYS; i++) {
			put(cache, subject[i], 0, 0, 20, i == expired ? 100 : 101 + i);
			put(cache, subject[i], 1, 0, 20, 50);
		}
		(void)find(cache, subject[expired], 0, 0); /* having been read does not save it */
		put(cache, subject[WAYS], 0, 100, 20, 1000);
		assert_int_equal(counts_of(cache).evictions, 0);
		assert_int_equal(counts_of(cache).entries, WAYS);
		for (unsigned i = 0; i <= WAYS; i++)
			assert_int_equal(find(cache, subject[i], 0, 100).said,
			    i == expired ? EVIDENCE_NONE : 20);
		cache_close(cache);
	}
}

/* It may still stand in for a list that fails. */
static void
an_expired_line_stays_while_there_is_room(void **state)
{
	struct cache *cache = open_cache(1, ONE_SET);
	struct subject subject[WAYS];
	struct evidence old;

	(void)state;
	subjects_of_one_set(cache, subject, WAYS);
	put(cache, subject[0], 0, 0, 20, 100);
	for (unsigned i = 1; i < WAYS; i++)
		put(cache, subject[i], 0, 200, 20, 1000);
	cache_find_old(cache, &subject[0], 1, 200, 3600, &old);
	assert_int_equal(old.said, 20);
	cache_close(cache);
}

static void
an_expired_line_of_ipv6_goes_first_too(void **state)
{
	struct cache *cache = open_cache(1, ONE_SET);
	struct subject subject[WAYS + 1];
	unsigned have = 0;

	(void)state;
	for (uint32_t n = 1; have <= WAYS; n++) {
		struct subject next = ipv6(n * 0x01010101u);

		if (cache_writer(cache, &next) == 5)
			subject[have++] = next;
	}
	for (unsigned i = 0; i < WAYS; i++)
		put(cache, subject[i], 3, 0, 20, i == 6 ? 100 : 101 + i);
	put(cache, subject[WAYS], 3, 100, 20, 1000);
	assert_int_equal(counts_of(cache).evictions, 0);
	for (unsigned i = 0; i <= WAYS; i++)
		assert_int_equal(find(cache, subject[i], 3, 100).said, i == 6 ? EVIDENCE_NONE : 20);
	cache_close(cache);
}

static void
of_lines_not_read_the_first_to_expire_goes(void **state)
{
	(void)state;
	for (unsigned first = 0; first < WAYS; first++) {
		struct cache *cache = open_cache(1, ONE_SET);
		struct subject subject[WAYS + 1];

		subjects_of_one_set(cache, subject, WAYS + 1);
		/* the last evidence of a line counts, not the first */
		for (unsigned i = 0; i < WAYS; i++) {
			put(cache, subject[i], 0, 0, 20, 100 - i);
			put(cache, subject[i], 1, 0, 20, i == first ? 400 : 500 + i);
		}
		put(cache, subject[WAYS], 0, 0, 20, 1000);
		assert_int_equal(counts_of(cache).evictions, 1);
		for (unsigned i = 0; i < WAYS; i++)
			assert_int_equal(
			    find(cache, subject[i], 1, 0).said, i == first ? EVIDENCE_NONE : 20);
		cache_close(cache);
	}
}

static void
a_line_that_was_read_survives_one_that_was_not(void **state)
{
	(void)state;
	for (unsigned unread = 0; unread < WAYS; unread++) {
		struct cache *cache = open_cache(1, ONE_SET);
		struct subject subject[WAYS + 1];

		subjects_of_one_set(cache, subject, WAYS + 1);
		for (unsigned i = 0; i < WAYS; i++)
			put(cache, subject[i], 0, 0, 20, i == unread ? 900 : 100 + i);
		for (unsigned i = 0; i < WAYS; i++)
			if (i != unread)
				assert_int_equal(find(cache, subject[i], 0, 0).said, 20);
		put(cache, subject[WAYS], 0, 0, 20, 1000);
		for (unsigned i = 0; i <= WAYS; i++)
			assert_int_equal(
			    find(cache, subject[i], 0, 0).said, i == unread ? EVIDENCE_NONE : 20);
		cache_close(cache);
	}
}

static void
when_all_lines_were_read_the_first_to_expire_goes_and_reading_counts_anew(void **state)
{
	struct cache *cache = open_cache(1, ONE_SET);
	struct subject subject[WAYS + 2];

	(void)state;
	subjects_of_one_set(cache, subject, WAYS + 2);
	for (unsigned i = 0; i < WAYS; i++)
		put(cache, subject[i], 0, 0, 20, 100 + i);
	for (unsigned i = 0; i < WAYS; i++)
		assert_int_equal(find(cache, subject[i], 0, 0).said, 20);
	put(cache, subject[WAYS], 0, 0, 20, 900);
	/* subject 0 is gone; of the rest, only 1 is read since then */
	assert_int_equal(find(cache, subject[1], 0, 0).said, 20);
	put(cache, subject[WAYS + 1], 0, 0, 20, 1000);
	for (unsigned i = 0; i < WAYS + 2; i++)
		assert_int_equal(
		    find(cache, subject[i], 0, 0).said, i == 0 || i == 2 ? EVIDENCE_NONE : 20);
	assert_int_equal(counts_of(cache).evictions, 2);
	cache_close(cache);
}

static void
a_new_line_in_the_place_of_an_expired_one_is_not_taken_for_read(void **state)
{
	struct cache *cache = open_cache(1, ONE_SET);
	struct subject subject[WAYS + 2];

	(void)state;
	subjects_of_one_set(cache, subject, WAYS + 2);
	for (unsigned i = 0; i < WAYS; i++)
		put(cache, subject[i], 0, 0, 20, i == 3 ? 100 : 1000 + i);
	assert_int_equal(find(cache, subject[3], 0, 50).said, 20); /* read, then expired */
	put(cache, subject[WAYS], 0, 100, 20, 500);
	put(cache, subject[WAYS + 1], 0, 100, 20, 2000);
	assert_int_equal(find(cache, subject[WAYS], 0, 100).said, EVIDENCE_NONE);
	for (unsigned i = 0; i < WAYS; i++)
		assert_int_equal(find(cache, subject[i], 0, 100).said, i == 3 ? EVIDENCE_NONE : 20);
	cache_close(cache);
}

static void
what_is_clear_is_known_until_half_a_minute_before_its_end(void **state)
{
	struct cache *cache = open_cache(1, 1);

	(void)state;
	for (unsigned list = 0; list < LISTS; list++) {
		struct subject subject = list % 2 == 0 ? ipv4(list) : ipv6(list);

		assert_false(one_is_clear(cache, subject, list, 1000));
		put(cache, subject, list, 1000, EVIDENCE_CLEAR, 1700);
		for (uint32_t until = 0; until <= 1700 - 32; until++)
			assert_true(one_is_clear(cache, subject, list, until));
		for (uint32_t until = 1701; until < 1800; until++)
			assert_false(one_is_clear(cache, subject, list, until));
		for (unsigned other = 0; other < LISTS; other++)
			assert_int_equal(one_is_clear(cache, subject, other, 1000), other == list);
		assert_false(one_is_clear(cache, ipv4(1000 + list), list, 1000));
	}
	cache_close(cache);
}

static void
every_said_but_one_is_not_clear(void **state)
{
	struct cache *cache = open_cache(8, 1);

	(void)state;
	for (unsigned said = 0; said < 4096; said++) {
		put(cache, ipv4(said), said % LISTS, 10, (uint16_t)said, 1000);
		assert_int_equal(
		    one_is_clear(cache, ipv4(said), said % LISTS, 20), said == EVIDENCE_CLEAR);
	}
	cache_close(cache);
}

static void
all_lists_of_a_subject_must_be_clear(void **state)
{
	struct cache *cache = open_cache(1, 1);

	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		struct subject subject = family == 0 ? ipv4(1) : ipv6(1);
		uint64_t all[CACHE_BITS];

		memset(all, 0xff, sizeof all);
		for (unsigned list = 0; list < LISTS; list++) {
			assert_false(is_clear(cache, subject, all, LISTS, 1100));
			put(cache, subject, list, 1000, EVIDENCE_CLEAR, 1700);
		}
		assert_true(is_clear(cache, subject, all, LISTS, 1100));
		for (unsigned list = 0; list < LISTS; list++) {
			uint64_t others[CACHE_BITS];

			memcpy(others, all, sizeof others);
			bits_clear(others, list);
			put(cache, subject, list, 1000, 20, 1700);
			assert_false(is_clear(cache, subject, all, LISTS, 1100));
			assert_true(is_clear(cache, subject, others, LISTS, 1100));
			put(cache, subject, list, 1000, EVIDENCE_CLEAR, 1050);
			assert_false(is_clear(cache, subject, all, LISTS, 1100));
			put(cache, subject, list, 1000, EVIDENCE_CLEAR, 1700);
			assert_true(is_clear(cache, subject, all, LISTS, 1100));
		}
	}
	cache_close(cache);
}

static void
what_has_expired_does_not_stand_in_the_way_of_what_is_clear(void **state)
{
	struct cache *cache = open_cache(1, 1);

	(void)state;
	put(cache, ipv4(1), 3, 1000, EVIDENCE_CLEAR, 1010);
	put(cache, ipv4(1), 4, 2000, EVIDENCE_CLEAR, 3000);
	assert_true(one_is_clear(cache, ipv4(1), 4, 2900));
	assert_false(one_is_clear(cache, ipv4(1), 3, 2000));
	cache_close(cache);
}

static void
what_is_dropped_or_forgotten_is_not_clear(void **state)
{
	struct cache *cache = open_cache(1, 1);
	struct subject subject = ipv4(1);
	const uint64_t five[CACHE_BITS] = {1u << 5};
	size_t at = 0;

	(void)state;
	for (unsigned list = 0; list < 12; list++)
		put(cache, subject, list, 1000, EVIDENCE_CLEAR, 2000);
	assert_true(cache_forget(cache, 0, five, &at, SIZE_MAX));
	for (unsigned list = 0; list < 12; list++)
		assert_int_equal(one_is_clear(cache, subject, list, 1900), list != 5);
	cache_drop(cache, &subject);
	for (unsigned list = 0; list < 12; list++)
		assert_false(one_is_clear(cache, subject, list, 1000));
	cache_close(cache);
}

static void
what_is_dropped_is_not_clear_wherever_its_line_was(void **state)
{
	struct cache *cache = open_cache(1, ONE_SET);
	struct subject subject[WAYS];

	(void)state;
	subjects_of_one_set(cache, subject, WAYS);
	for (unsigned i = 0; i < WAYS; i++)
		put(cache, subject[i], 0, 1000, EVIDENCE_CLEAR, 2000);
	for (unsigned i = 0; i < WAYS; i++)
		cache_drop(cache, &subject[i]);
	for (unsigned i = 0; i < WAYS; i++)
		assert_false(one_is_clear(cache, subject[i], 0, 1000));
	cache_close(cache);
}

static void
a_line_that_was_glanced_at_was_read(void **state)
{
	struct cache *cache = open_cache(1, ONE_SET);
	struct subject subject[WAYS + 1];

	(void)state;
	subjects_of_one_set(cache, subject, WAYS + 1);
	for (unsigned i = 0; i < WAYS; i++)
		put(cache, subject[i], 0, 0, EVIDENCE_CLEAR, i == 7 ? 900 : 500);
	for (unsigned i = 0; i < WAYS; i++)
		if (i != 7)
			assert_true(one_is_clear(cache, subject[i], 0, 100));
	put(cache, subject[WAYS], 0, 0, 20, 1000);
	for (unsigned i = 0; i < WAYS; i++)
		assert_int_equal(one_is_clear(cache, subject[i], 0, 100), i != 7);
	cache_close(cache);
}

static void
an_ipv4_address_is_not_taken_for_the_front_of_an_ipv6_one(void **state)
{
	struct cache *cache = open_cache(1, ONE_SET);
	const struct subject front = ipv4(0x20010db8);

	(void)state;
	/* so many that some have the set and the tag of the other */
	for (uint32_t n = 0; n < 800000; n++) {
		put(cache, ipv6(n), 0, 1000, EVIDENCE_CLEAR, 2000);
		assert_false(one_is_clear(cache, front, 0, 1000));
	}
	cache_close(cache);
}

static void
what_is_put_back_is_as_clear_as_it_was(void **state)
{
	struct cache *cache = open_cache(1, 1), *other = open_cache(1, 1);
	struct cache_entry entry;
	size_t at = 0;

	(void)state;
	put(cache, ipv4(1), 2, 1000, EVIDENCE_CLEAR, 2000);
	put(cache, ipv4(1), 3, 1000, EVIDENCE_CLEAR, 9000);
	put(cache, ipv4(1), 4, 1000, 20, 9000);
	assert_true(cache_walk(cache, 0, &at, &entry));
	cache_restore(other, &entry, 3000);
	assert_false(one_is_clear(other, ipv4(1), 2, 1900));
	assert_true(one_is_clear(other, ipv4(1), 3, 8900));
	assert_false(one_is_clear(other, ipv4(1), 3, 9001));
	assert_false(one_is_clear(other, ipv4(1), 4, 3000));
	cache_close(cache);
	cache_close(other);
}

/* The naive map: what was put last, by subject and list. */
#define MAP_SUBJECTS 4000

static struct evidence map[MAP_SUBJECTS][LISTS];

static struct subject
map_subject(uint32_t n)
{
	return n % 3 == 0 ? ipv6(n) : ipv4(n);
}

/* What is known to be clear at a glance is, in the map: for all lists, each second, and so on. */
static unsigned map_clear;

static void
compare_clear(struct cache *cache, uint32_t n, unsigned lists, uint32_t now)
{
	struct subject subject = map_subject(n);

	for (unsigned step = 1; step <= lists; step++) {
		uint64_t some[CACHE_BITS] = {0};
		uint32_t until = now + 1 + 10 * step, first = UINT32_MAX;

		for (unsigned list = n % step; list < lists; list += step) {
			bits_set(some, list);
			if (map[n][list].said != EVIDENCE_CLEAR)
				first = 0;
			else if (map[n][list].expires < first)
				first = map[n][list].expires;
		}
		if (!is_clear(cache, subject, some, lists, until))
			continue;
		map_clear++;
		if (first < until)
			fail_msg("subject %u at %u is not clear until %u", n, now, until);
	}
}

/*
 * Compare one subject with the map. With `lossy` evidence may be missing, but what is there must
 * be the last that was put. Returns how many were missing.
 */
static unsigned
compare(struct cache *cache, uint32_t n, unsigned lists, uint32_t now, bool lossy)
{
	struct evidence out[LISTS];
	struct subject subject = map_subject(n);
	unsigned missing = 0;

	cache_find(cache, &subject, lists, now, out);
	compare_clear(cache, n, lists, now);
	for (unsigned list = 0; list < lists; list++) {
		struct evidence expected = map[n][list];
		bool alive = expected.said != EVIDENCE_NONE && expected.expires > now;

		if (out[list].said == EVIDENCE_NONE && (lossy || !alive)) {
			missing += alive;
			continue;
		}
		if (!alive || out[list].said != expected.said ||
		    out[list].expires != expected.expires)
			fail_msg("subject %u list %u at %u: %u until %u instead of %u until %u", n,
			    list, now, out[list].said, out[list].expires, expected.said,
			    expected.expires);
	}
	return missing;
}

static void
random_operations(uint32_t subjects, unsigned lists, unsigned operations, bool lossy)
{
	struct cache *cache = open_cache(1, 2);
	struct chance chance = {subjects};
	uint32_t now = 1000;
	unsigned missing = 0;

	memset(map, 0, sizeof map);
	map_clear = 0;
	for (unsigned i = 0; i < operations; i++) {
		uint32_t n = chance_below(&chance, subjects);
		unsigned list = chance_below(&chance, lists);

		now += chance_below(&chance, 100) == 0 ? chance_below(&chance, 20) : 0;
		if (chance_below(&chance, 3) != 0) {
			struct subject subject = map_subject(n);
			struct evidence *evidence = &map[n][list];

			evidence->said = chance_below(&chance, 8) != 0
					     ? EVIDENCE_CLEAR
					     : (uint16_t)(1 + chance_below(&chance, 4095));
			evidence->expires = now + chance_below(&chance, i % 7 ? 700 : 604800);
			cache_put(cache, &subject, list, now, *evidence);
		} else {
			missing += compare(cache, n, lists, now, lossy);
		}
	}
	for (uint32_t n = 0; n < subjects; n++)
		missing += compare(cache, n, lists, now, lossy);
	assert_true(map_clear > 1000);
	assert_true(lossy == (missing > 0));
	assert_true(lossy == (counts_of(cache).evictions > 0));
	cache_close(cache);
}

static void
random_operations_agree_with_a_naive_map_while_there_is_room(void **state)
{
	(void)state;
	random_operations(1500, 14, 300000, false);
	random_operations(100, LISTS, 200000, false);
}

static void
random_operations_find_nothing_but_the_last_that_was_put_when_lines_are_lost(void **state)
{
	(void)state;
	random_operations(MAP_SUBJECTS, LISTS, 400000, true);
}

/*
 * Two writers and a reader, on the processor there is (test_cache_orders.c has every order that
 * might be seen on any). A writer does rounds over subjects that fight for one set: round v of
 * a subject writes its lists in ascending order, said = 20 + v % 200, and an expiry that follows
 * from subject, list and said. So whatever a reader sees of a subject is, from list 0 on, some
 * lists of round v and then lists of round v - 1 or nothing.
 */
#define FIGHTERS (WAYS + 4)
#define FIGHT_LISTS 12
#define FIGHT_ROUNDS 60000

struct fight {
	struct cache *cache;
	unsigned writer;
	uint64_t seed;
	struct subject subject[FIGHTERS];
	_Atomic bool over;
};

static uint32_t
fight_expiry(unsigned fighter, unsigned list, uint16_t said)
{
	return 100000 + fighter * 10000 + list * 300 + said;
}

static void *
fight_write(void *argument)
{
	struct fight *fight = argument;
	struct chance chance = {fight->seed};
	unsigned round[FIGHTERS] = {0};

	for (unsigned i = 0; i < FIGHT_ROUNDS; i++) {
		unsigned fighter = chance_below(&chance, FIGHTERS);
		uint8_t said = (uint8_t)(20 + round[fighter]++ % 200);

		for (unsigned list = 0; list < FIGHT_LISTS; list++)
			put(fight->cache, fight->subject[fighter], list, i % 500, said,
			    fight_expiry(fighter, list, said));
	}
	fight->over = true;
	return NULL;
}

/* Is this a state that the writer made? */
static bool
fight_whole(unsigned fighter, const struct evidence *out)
{
	unsigned list = 0, newest = out[0].said, before;

	for (unsigned i = 0; i < FIGHT_LISTS; i++)
		if (out[i].said != EVIDENCE_NONE &&
		    out[i].expires != fight_expiry(fighter, i, out[i].said))
			return false;
	while (list < FIGHT_LISTS && out[list].said == newest)
		list++;
	if (list == FIGHT_LISTS)
		return true;
	before = out[list].said;
	if (before != EVIDENCE_NONE && (before - 20 + 1) % 200 != newest - 20)
		return false;
	while (list < FIGHT_LISTS && out[list].said == before)
		list++;
	return list == FIGHT_LISTS;
}

static void
fight_prepare(struct fight *fight, struct cache *cache, unsigned writer)
{
	unsigned have = 0;

	*fight = (struct fight){.cache = cache, .writer = writer, .seed = writer};
	for (uint32_t n = 0; have < FIGHTERS; n++) {
		struct subject next = ipv4(n);

		if (cache_writer(cache, &next) == writer)
			fight->subject[have++] = next;
	}
}

static void
a_reader_never_sees_a_line_half_written(void **state)
{
	struct cache *cache = open_cache(1, ONE_SET);
	static struct fight fight[2];
	pthread_t thread[2];
	unsigned long hits = 0, torn = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		fight_prepare(&fight[i], cache, i + 1);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, fight_write, &fight[i]), 0);
	for (unsigned i = 0; !fight[0].over || !fight[1].over; i++) {
		const struct fight *of = &fight[i % 2];
		unsigned fighter = i / 2 % FIGHTERS;
		struct evidence out[FIGHT_LISTS];

		cache_find(cache, &of->subject[fighter], FIGHT_LISTS, 1000, out);
		hits += out[0].said != EVIDENCE_NONE;
		torn += !fight_whole(fighter, out);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(torn, 0);
	assert_true(hits > 1000);
	assert_true(counts_of(cache).evictions > 1000);
	cache_close(cache);
}

static void
dropping_a_subject_forgets_all_its_lists_and_nothing_else(void **state)
{
	struct cache *cache = open_cache(1, 3);

	(void)state;
	for (unsigned n = 1; n <= 3; n++)
		for (unsigned list = 0; list < LISTS; list++) {
			put(cache, ipv4(n), list, 0, 20, 100);
			put(cache, ipv6(n), list, 0, 21, 100);
		}
	for (unsigned i = 0; i < 2; i++) { /* the second time there is nothing to drop */
		struct subject four = ipv4(2), six = ipv6(3);

		cache_drop(cache, &four);
		cache_drop(cache, &six);
		assert_int_equal(counts_of(cache).entries, 2 * 11 + 2 * 15);
	}
	for (unsigned n = 1; n <= 3; n++)
		for (unsigned list = 0; list < LISTS; list++) {
			assert_int_equal(find(cache, ipv4(n), list, 0).said, n == 2 ? 0 : 20);
			assert_int_equal(find(cache, ipv6(n), list, 0).said, n == 3 ? 0 : 21);
		}
	put(cache, ipv4(2), 7, 0, 22, 100);
	assert_int_equal(find(cache, ipv4(2), 7, 0).said, 22);
	assert_int_equal(find(cache, ipv4(2), 8, 0).said, EVIDENCE_NONE);
	assert_int_equal(counts_of(cache).evictions, 0);
	cache_close(cache);
}

static void
dropping_all_forgets_the_subjects_of_one_writer(void **state)
{
	struct cache *cache = open_cache(1, 3);
	uint64_t left = 0, of_writer[3] = {0};
	unsigned steps;
	size_t at;

	(void)state;
	for (uint32_t n = 0; n < 60000; n++)
		put(cache, n % 2 ? ipv4(n) : ipv6(n), n % LISTS, 0, 20, 100);
	for (uint32_t n = 0; n < 60000; n++) {
		struct subject subject = n % 2 ? ipv4(n) : ipv6(n);

		of_writer[cache_writer(cache, &subject)] +=
		    find(cache, subject, n % LISTS, 0).said == 20;
	}
	assert_true(of_writer[1] > 0 && of_writer[2] > 0);
	for (unsigned writer = 0; writer < 3; writer++) {
		steps = 1;
		for (at = 0; !cache_clear(cache, writer, &at, 100); steps++)
			;
		assert_true(steps > 1);
		left = 0;
		for (uint32_t n = 0; n < 60000; n++) {
			struct subject subject = n % 2 ? ipv4(n) : ipv6(n);
			bool there = find(cache, subject, n % LISTS, 0).said == 20;

			left += there;
			if (there)
				assert_true(cache_writer(cache, &subject) > writer);
		}
		assert_int_equal(counts_of(cache).entries, left);
		assert_int_equal(
		    left, (writer < 1 ? of_writer[1] : 0) + (writer < 2 ? of_writer[2] : 0));
	}
	cache_close(cache);
}

/* Three lists in each line's parts; `forget` tells which of them are dropped. */
static void
forgetting_lists_drops_their_words_and_no_others(void **state)
{
	static const unsigned lists[] = {0, 11, 12, 64, 127};
	struct cache *cache = open_cache(1, 3);
	uint64_t forget[CACHE_BITS] = {0};
	size_t at = 0;
	unsigned turns = 1;

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		for (unsigned j = 0; j < COUNT(lists); j++) {
			put(cache, ipv4(i), lists[j], 100, EVIDENCE_CLEAR, 1000);
			put(cache, ipv6(i), lists[j], 100, (uint16_t)(EVIDENCE_ANSWERS + j), 1000);
		}
	bits_set(forget, 11);
	bits_set(forget, 64);
	while (!cache_forget(cache, 1, forget, &at, 10))
		turns++;
	assert_true(turns > 10);
	for (uint32_t i = 0; i < 500; i++)
		for (unsigned j = 0; j < COUNT(lists); j++) {
			struct subject four = ipv4(i), six = ipv6(i);
			bool gone = lists[j] == 11 || lists[j] == 64;

			assert_int_equal(find(cache, four, lists[j], 100).said,
			    gone && cache_writer(cache, &four) == 1 ? EVIDENCE_NONE
								    : EVIDENCE_CLEAR);
			assert_int_equal(find(cache, six, lists[j], 100).said,
			    gone && cache_writer(cache, &six) == 1 ? EVIDENCE_NONE
								   : EVIDENCE_ANSWERS + j);
		}
	cache_close(cache);
}

/* All that one cache holds is put into another: what is found there is the same. */
static void
an_entry_that_is_put_back_elsewhere_says_the_same(void **state)
{
	struct cache *from = open_cache(1, 3), *to = cache_open(2, 2, other_key);
	struct chance chance = {5};
	struct cache_entry entry;
	unsigned entries = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		put(from, i & 1 ? ipv4(i / 8) : ipv6(i / 8), chance_below(&chance, LISTS), 1000 + i,
		    (uint16_t)(1 + chance_below(&chance, 4000)),
		    1000 + i + chance_below(&chance, 90000));
	for (unsigned writer = 0; writer < 3; writer++) {
		size_t at = 0;

		while (cache_walk(from, writer, &at, &entry)) {
			assert_int_equal(cache_writer(from, &entry.subject), writer);
			cache_restore(to, &entry, 50000);
			entries++;
		}
	}
	assert_int_equal(entries, counts_of(from).entries);
	assert_int_equal(counts_of(to).entries, entries);
	for (unsigned i = 0; i < 750; i++)
		for (uint32_t now = 1000; now < 100000; now += 9000) {
			struct subject subject = i & 1 ? ipv4(i / 2) : ipv6(i / 2);
			struct evidence out[2][LISTS], old[2][LISTS];

			cache_find(from, &subject, LISTS, now, out[0]);
			cache_find(to, &subject, LISTS, now, out[1]);
			cache_find_old(from, &subject, LISTS, now, 3600, old[0]);
			cache_find_old(to, &subject, LISTS, now, 3600, old[1]);
			for (unsigned list = 0; list < LISTS; list++) {
				assert_int_equal(out[0][list].said, out[1][list].said);
				assert_int_equal(old[0][list].said, old[1][list].said);
				if (out[0][list].said != EVIDENCE_NONE)
					assert_int_equal(
					    out[0][list].expires, out[1][list].expires);
			}
		}
	cache_close(from);
	cache_close(to);
}

static void
what_is_put_back_goes_to_the_places_of_its_lists_and_yields_to_what_is_newer(void **state)
{
	struct cache *cache = open_cache(1, 1);
	struct cache_entry entry = {.subject = ipv4(1),
	    .count = 4,
	    .heard = {{120, {.said = 20, .expires = 900}}, {3, {.said = 21, .expires = 3000}},
		{121, {.said = 22, .expires = 4000}}, {4, {.said = 23, .expires = 5000}}}};

	(void)state;
	put(cache, ipv4(1), 3, 1000, 99, 1100);
	put(cache, ipv4(1), 4, 1000, EVIDENCE_TIMEOUT, 1005); /* no answer: what was kept counts */
	cache_restore(cache, &entry, 1000);
	assert_int_equal(find(cache, ipv4(1), 3, 1000).said, 99);
	assert_int_equal(find(cache, ipv4(1), 3, 1100).said, EVIDENCE_NONE);
	assert_int_equal(find(cache, ipv4(1), 4, 1000).said, 23);
	assert_int_equal(find(cache, ipv4(1), 4, 4999).expires, 5000);
	assert_int_equal(find(cache, ipv4(1), 120, 899).said, 20);
	assert_int_equal(find(cache, ipv4(1), 120, 1000).said, EVIDENCE_NONE);
	assert_int_equal(find(cache, ipv4(1), 121, 3999).said, 22);
	put(cache, ipv4(1), 122, 1000, 24, 1010); /* before what the line has */
	assert_int_equal(find(cache, ipv4(1), 122, 1009).said, 24);
	assert_int_equal(find(cache, ipv4(1), 121, 3999).said, 22);
	assert_int_equal(counts_of(cache).entries, 2);
	cache_close(cache);
}

/*
 * A stream of subjects by Zipf's law (a third of the questions are about 20 of them), four times
 * as many as there is room for, against a list of the least recently used with no overhead at all.
 */
#define STREAM_SUBJECTS 65536u
#define STREAM 400000u

struct lru {
	uint32_t before[STREAM_SUBJECTS + 1], after[STREAM_SUBJECTS + 1], room;
	bool in[STREAM_SUBJECTS];
};

static bool
lru_take(struct lru *lru, uint32_t number)
{
	const uint32_t head = STREAM_SUBJECTS;
	uint32_t out = number;
	bool hit = lru->in[number];

	if (!hit && lru->room > 0)
		lru->room--;
	else if (!hit)
		out = lru->before[head];
	if (lru->in[out]) {
		lru->after[lru->before[out]] = lru->after[out];
		lru->before[lru->after[out]] = lru->before[out];
		lru->in[out] = false;
	}
	lru->in[number] = true;
	lru->before[number] = head;
	lru->after[number] = lru->after[head];
	lru->before[lru->after[head]] = number;
	lru->after[head] = number;
	return hit;
}

static void
it_hits_no_less_than_97_percent_of_an_exact_lru_of_the_same_bytes(void **state)
{
	static struct lru lru;
	static double sum[STREAM_SUBJECTS];
	struct cache *cache = open_cache(1, 1);
	struct chance chance = {1};
	double all = 0;
	unsigned hits = 0, lru_hits = 0;

	(void)state;
	lru.room = (uint32_t)(counts_of(cache).bytes / 64);
	lru.before[STREAM_SUBJECTS] = lru.after[STREAM_SUBJECTS] = STREAM_SUBJECTS;
	for (unsigned i = 0; i < STREAM_SUBJECTS; i++)
		sum[i] = all += 1.0 / (i + 1);
	for (unsigned n = 0; n < STREAM; n++) {
		double drawn = (double)(chance_next(&chance) >> 11) / 9007199254740992.0 * all;
		uint32_t low = 0, high = STREAM_SUBJECTS - 1, now = 1000 + n / 1000;

		while (low < high) {
			uint32_t middle = (low + high) / 2;

			if (sum[middle] < drawn)
				low = middle + 1;
			else
				high = middle;
		}
		lru_hits += lru_take(&lru, low);
		if (find(cache, ipv4(low), 0, now).said != EVIDENCE_NONE)
			hits++;
		else
			put(cache, ipv4(low), 0, now, EVIDENCE_CLEAR,
			    now + 3600 + chance_below(&chance, 40000));
	}
	assert_true(lru_hits > STREAM / 2);
	assert_true(hits >= lru_hits * 97 / 100);
	cache_close(cache);
}

static void
a_subject_of_eight_lists_takes_64_bytes_and_80_in_a_table_filled_to_85_percent(void **state)
{
	struct cache *cache = open_cache(1, 1);
	struct cache_counts counts;
	uint32_t subjects = 0;

	(void)state;
	for (counts = counts_of(cache); counts.entries < counts.capacity * 85 / 100; subjects++) {
		for (unsigned list = 0; list < 8; list++)
			put(cache, ipv4(subjects), list, 1000, 20, 2000);
		counts = counts_of(cache);
	}
	assert_true(counts.bytes <= 80 * counts.entries);
	cache_close(cache);
}

static void
closing_no_cache_is_allowed(void **state)
{
	(void)state;
	cache_close(NULL);
}

int
main(void)
{
	const struct CMUnitTest cache[] = {
	    cmocka_unit_test(an_empty_cache_knows_nothing),
	    cmocka_unit_test(what_was_put_is_found_and_nothing_else),
	    cmocka_unit_test(every_said_survives_the_cache),
	    cmocka_unit_test(later_evidence_replaces_earlier),
	    cmocka_unit_test(evidence_ends_at_the_second_of_its_expiry),
	    cmocka_unit_test(a_line_in_use_for_half_a_year_keeps_its_times),
	    cmocka_unit_test(a_line_that_counts_anew_drops_what_has_expired),
	    cmocka_unit_test(a_line_holds_twelve_lists_of_ipv4_and_nine_of_ipv6),
	    cmocka_unit_test(a_subject_may_have_evidence_of_all_128_lists),
	    cmocka_unit_test(only_the_lists_that_were_asked_for_are_filled_in),
	    cmocka_unit_test(the_cache_stays_within_its_size),
	    cmocka_unit_test(eviction_keeps_the_capacity_and_counts_what_it_lost),
	    cmocka_unit_test(a_writer_is_named_for_every_subject_and_all_get_their_share),
	    cmocka_unit_test(writers_own_distinct_sets),
	    cmocka_unit_test(a_line_goes_home_while_nobody_else_is_there),
	    cmocka_unit_test(of_expired_lines_the_one_at_home_goes),
	    cmocka_unit_test(a_set_takes_sixteen_lines_before_it_loses_one),
	    cmocka_unit_test(an_expired_line_goes_first_and_is_no_eviction),
	    cmocka_unit_test(an_expired_line_stays_while_there_is_room),
	    cmocka_unit_test(an_expired_line_of_ipv6_goes_first_too),
	    cmocka_unit_test(of_lines_not_read_the_first_to_expire_goes),
	    cmocka_unit_test(a_line_that_was_read_survives_one_that_was_not),
	    cmocka_unit_test(
		when_all_lines_were_read_the_first_to_expire_goes_and_reading_counts_anew),
	    cmocka_unit_test(a_new_line_in_the_place_of_an_expired_one_is_not_taken_for_read),
	    cmocka_unit_test(what_is_clear_is_known_until_half_a_minute_before_its_end),
	    cmocka_unit_test(every_said_but_one_is_not_clear),
	    cmocka_unit_test(all_lists_of_a_subject_must_be_clear),
	    cmocka_unit_test(what_has_expired_does_not_stand_in_the_way_of_what_is_clear),
	    cmocka_unit_test(what_is_dropped_or_forgotten_is_not_clear),
	    cmocka_unit_test(what_is_dropped_is_not_clear_wherever_its_line_was),
	    cmocka_unit_test(a_line_that_was_glanced_at_was_read),
	    cmocka_unit_test(an_ipv4_address_is_not_taken_for_the_front_of_an_ipv6_one),
	    cmocka_unit_test(what_is_put_back_is_as_clear_as_it_was),
	    cmocka_unit_test(random_operations_agree_with_a_naive_map_while_there_is_room),
	    cmocka_unit_test(
		random_operations_find_nothing_but_the_last_that_was_put_when_lines_are_lost),
	    cmocka_unit_test(a_reader_never_sees_a_line_half_written),
	    cmocka_unit_test(dropping_a_subject_forgets_all_its_lists_and_nothing_else),
	    cmocka_unit_test(dropping_all_forgets_the_subjects_of_one_writer),
	    cmocka_unit_test(forgetting_lists_drops_their_words_and_no_others),
	    cmocka_unit_test(an_entry_that_is_put_back_elsewhere_says_the_same),
	    cmocka_unit_test(
		what_is_put_back_goes_to_the_places_of_its_lists_and_yields_to_what_is_newer),
	    cmocka_unit_test(it_hits_no_less_than_97_percent_of_an_exact_lru_of_the_same_bytes),
	    cmocka_unit_test(
		a_subject_of_eight_lists_takes_64_bytes_and_80_in_a_table_filled_to_85_percent),
	    cmocka_unit_test(closing_no_cache_is_allowed),
	};

	return cmocka_run_group_tests_name("cache", cache, NULL, NULL);
}
