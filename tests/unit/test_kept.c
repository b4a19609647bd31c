#include "aggregate/kept.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

#define NOW 5000u

static const uint64_t key[2] = {3, 4}, none[CACHE_BITS];
static const struct kept_moment then = {.boot = {1, 2, 3}, .booted = 1700000000, .now = NOW};
static const struct kept_worth all = {.now = NOW, .max_stale = 1000, .unwanted = none};

/* The number of a list, which is asked where its name says. */
static unsigned
list_of(struct evidence_book *book, const char *list)
{
	unsigned number = (unsigned)evidence_list_number(book, list);

	evidence_list_take_from(book, number, (uint64_t)list[0]);
	return number;
}

static uint16_t
set_of(struct evidence_book *book, const char *list, uint32_t address)
{
	struct answers answers = {.count = 1, .address = {address}};

	return evidence_intern(book, list_of(book, list), &answers);
}

/* a.example answers 127.0.0.2 and .3, b.example .4; of four subjects evidence is kept. */
struct written {
	uint8_t *front;
	size_t length;
	struct kept_block block;
};

static struct cache_entry
entry_of(uint8_t last, unsigned list, uint16_t said, uint32_t expires)
{
	return (struct cache_entry){.subject.octet = {192, 0, 2, last},
	    .count = 1,
	    .heard = {{list, {.said = said, .expires = expires}}}};
}

static void
add(struct written *written, struct cache_entry entry)
{
	assert_true(kept_block_add(&written->block, &entry, &all));
}

static void
write(struct written *written)
{
	struct evidence_book *book = evidence_book_open();
	uint16_t two = set_of(book, "a.example", 0x7f000002);
	uint16_t three = set_of(book, "a.example", 0x7f000003);
	uint16_t four = set_of(book, "b.example", 0x7f000004);
	struct cache_entry six = {.subject = {SUBJECT_IPV6, {0x20, 1, [15] = 9}},
	    .count = 3,
	    .heard = {{0, {.said = three, .expires = 6000}}, {1, {.said = four, .expires = 4500}},
		{2, {.said = EVIDENCE_CLEAR, .expires = 5500}}}};

	(void)list_of(book, "c.example");
	evidence_note_lifetime(book, 0, three, 777);
	written->front = kept_front(book, &then, key, 42, 2, &written->length);
	assert_non_null(written->front);
	kept_block_begin(&written->block, 42);
	add(written, entry_of(1, 0, two, 7000));
	add(written, six);
	add(written, entry_of(2, 0, EVIDENCE_TIMEOUT, 5005)); /* a failure: not worth it */
	add(written, entry_of(3, 0, two, 4000));              /* too old */
	add(written, entry_of(4, 1, four, 4001));
	add(written, entry_of(5, 0, (uint16_t)(three + 1), 7000)); /* the front has it not yet */
	assert_int_equal(written->block.entries, 4);
	kept_block_end(&written->block, 0, 1);
	kept_front_end(written->front, written->length, 1);
	evidence_book_close(book);
}

static struct kept *
open_at(const struct written *written, struct evidence_book *book, const struct kept_moment *moment)
{
	char said[200];
	struct text error;
	struct kept *kept;

	text_init(&error, said, sizeof said);
	kept = kept_open(written->front, written->length, moment, book, &error);
	assert_int_equal(kept == NULL, error.length > 0);
	return kept;
}

static void
what_was_kept_comes_back_under_the_numbers_of_now(void **state)
{
	struct written written;
	struct evidence_book *book = evidence_book_open();
	struct cache_entry entry;
	struct kept *kept;
	uint16_t seven = set_of(book, "b.example", 0x7f000007); /* list 0 */
	uint16_t four = (uint16_t)(seven + 1);
	size_t at = 0;

	(void)state;
	(void)list_of(book, "new.example"); /* 1 */
	(void)list_of(book, "a.example");   /* 2; there is no c.example */
	write(&written);
	assert_int_equal(kept_front_length(written.front), written.length);
	kept = open_at(&written, book, &then);
	assert_non_null(kept);
	assert_int_equal(kept_key(kept)[1], key[1]);
	assert_int_equal(kept_blocks(kept), 1);
	assert_true(kept_block_check(kept, written.block.byte, 0));
	assert_true(kept_block_next(kept, written.block.byte, &at, &all, &entry));
	assert_int_equal(entry.subject.family, SUBJECT_IPV4);
	assert_memory_equal(entry.subject.octet, ((uint8_t[16]){192, 0, 2, 1}), 16);
	assert_int_equal(entry.count, 1);
	assert_int_equal(entry.heard[0].list, 2);
	assert_int_equal(entry.heard[0].evidence.expires, 7000);
	assert_int_equal(
	    evidence_answers(book, 2, entry.heard[0].evidence.said)->address[0], 0x7f000002);
	assert_true(kept_block_next(kept, written.block.byte, &at, &all, &entry));
	assert_int_equal(entry.subject.family, SUBJECT_IPV6);
	assert_int_equal(entry.subject.octet[15], 9);
	assert_int_equal(entry.count, 2);
	assert_int_equal(entry.heard[1].list, 0);
	assert_int_equal(entry.heard[1].evidence.said, four);
	assert_int_equal(entry.heard[1].evidence.expires, 4500);
	assert_int_equal(evidence_lifetime(book, 2, entry.heard[0].evidence.said), 777);
	assert_true(kept_block_next(kept, written.block.byte, &at, &all, &entry));
	assert_int_equal(entry.subject.octet[3], 4);
	assert_false(kept_block_next(kept, written.block.byte, &at, &all, &entry));
	assert_int_equal(evidence_list_count(book), 3);
	kept_close(kept);
	evidence_book_close(book);
	free(written.front);
}

static void
later_less_is_worth_it_and_a_list_set_aside_nothing(void **state)
{
	struct written written;
	struct evidence_book *book = evidence_book_open();
	uint64_t unwanted[CACHE_BITS] = {0};
	struct kept_worth later = {.now = NOW + 1, .max_stale = 1000, .unwanted = unwanted};
	struct cache_entry entry;
	struct kept *kept;
	size_t at = 0;

	(void)state;
	(void)list_of(book, "a.example");
	(void)list_of(book, "b.example");
	write(&written);
	kept = open_at(&written, book, &then);
	bits_set(unwanted, 0);
	assert_true(kept_block_next(kept, written.block.byte, &at, &later, &entry));
	assert_int_equal(entry.count, 1);
	assert_int_equal(entry.heard[0].list, 1);
	assert_false(kept_block_next(kept, written.block.byte, &at, &later, &entry));
	kept_close(kept);
	evidence_book_close(book);
	free(written.front);
}

static void
what_was_kept_of_a_list_that_has_moved_is_left_out(void **state)
{
	struct written written;
	struct evidence_book *book = evidence_book_open();
	struct cache_entry entry;
	struct kept *kept;
	size_t at = 0;

	(void)state;
	(void)list_of(book, "a.example");
	(void)list_of(book, "b.example");
	evidence_list_take_from(book, 0, 77);
	write(&written);
	kept = open_at(&written, book, &then);
	while (kept_block_next(kept, written.block.byte, &at, &all, &entry)) {
		assert_int_equal(entry.count, 1);
		assert_int_equal(entry.heard[0].list, 1);
	}
	assert_int_equal(evidence_set_count(book, 0), 0);
	assert_int_equal(evidence_set_count(book, 1), 1);
	kept_close(kept);
	evidence_book_close(book);
	free(written.front);
}

/* The block's writer counts only while as many share the subjects. */
static void
a_block_concerns_its_writer_or_all_when_there_are_more_or_fewer(void **state)
{
	struct written written;
	struct evidence_book *book = evidence_book_open();
	struct kept *kept;

	(void)state;
	write(&written);
	kept = open_at(&written, book, &then);
	assert_true(kept_block_concerns(kept, written.block.byte, 1, 2));
	assert_false(kept_block_concerns(kept, written.block.byte, 0, 2));
	for (unsigned writer = 0; writer < 3; writer++)
		assert_true(kept_block_concerns(kept, written.block.byte, writer, 3));
	kept_close(kept);
	evidence_book_close(book);
	free(written.front);
}

static void
nothing_is_believed_whose_age_is_not_sure(void **state)
{
	static const struct {
		int64_t booted;
		uint32_t now;
		uint8_t boot;
		bool believed;
	} moments[] = {{0, 0, 1, true}, {2, 0, 1, true}, {-2, 9, 1, true}, {3, 9, 1, false},
	    {-3, 9, 1, false}, {0, 9, 2, false}, {0, 9, 0, false}, {0, UINT32_MAX, 1, false},
	    {INT64_MIN, 0, 1, false}, {INT64_MAX - 1700000000, 0, 1, false}};
	struct written written;
	struct evidence_book *book = evidence_book_open();

	(void)state;
	write(&written);
	for (unsigned i = 0; i < COUNT(moments); i++) {
		struct kept_moment now = then;
		struct kept *kept;

		now.booted = (int64_t)((uint64_t)now.booted + (uint64_t)moments[i].booted);
		now.now += moments[i].now; /* UINT32_MAX: a second before */
		now.boot[0] = moments[i].boot;
		kept = open_at(&written, book, &now);
		assert_int_equal(kept != NULL, moments[i].believed);
		kept_close(kept);
	}
	evidence_book_close(book);
	free(written.front);
}

static void
a_front_with_any_bit_changed_or_cut_anywhere_is_not_believed(void **state)
{
	struct written written;
	struct evidence_book *book = evidence_book_open();
	size_t whole;

	(void)state;
	write(&written);
	whole = written.length;
	for (size_t bit = 0; bit < 8 * whole; bit++) {
		written.front[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_null(open_at(&written, book, &then));
		written.front[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (written.length = 0; written.length < whole; written.length++)
		assert_null(open_at(&written, book, &then));
	evidence_book_close(book);
	free(written.front);
}

static void
a_block_that_is_damaged_or_out_of_place_is_not_believed(void **state)
{
	struct written written;
	struct evidence_book *book = evidence_book_open();
	struct kept_block other;
	struct kept *kept;

	(void)state;
	write(&written);
	kept = open_at(&written, book, &then);
	for (size_t bit = 0; bit < 8 * written.block.length; bit++) {
		written.block.byte[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(kept_block_check(kept, written.block.byte, 0));
		written.block.byte[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t from = 0; from < written.block.length; from++) {
		other = written.block;
		memset(other.byte + from, 0, sizeof other.byte - from);
		assert_false(kept_block_check(kept, other.byte, 0) &&
			     memcmp(other.byte, written.block.byte, sizeof other.byte) != 0);
	}
	assert_false(kept_block_check(kept, written.block.byte, 1));
	kept_block_begin(&other, 43); /* of another file */
	kept_block_end(&other, 0, 1);
	assert_false(kept_block_check(kept, other.byte, 0));
	kept_close(kept);
	evidence_book_close(book);
	free(written.front);
}

static void
a_block_takes_entries_until_it_is_full_and_gives_them_all_back(void **state)
{
	struct written written;
	struct evidence_book *book = evidence_book_open();
	struct cache_entry entry;
	struct kept *kept;
	unsigned added = 0;
	size_t at = 0;

	(void)state;
	(void)list_of(book, "a.example");
	write(&written);
	kept = open_at(&written, book, &then);
	kept_block_begin(&written.block, 42);
	for (;; added++) {
		entry = entry_of((uint8_t)added, 0, EVIDENCE_CLEAR, 6000 + added);
		if (!kept_block_add(&written.block, &entry, &all))
			break;
	}
	assert_true(added > 4000);
	kept_block_end(&written.block, 0, 0);
	assert_true(kept_block_check(kept, written.block.byte, 0));
	for (unsigned i = 0; i < added; i++) {
		assert_true(kept_block_next(kept, written.block.byte, &at, &all, &entry));
		assert_int_equal(entry.subject.octet[3], (uint8_t)i);
		assert_int_equal(entry.heard[0].evidence.expires, 6000 + i);
	}
	assert_false(kept_block_next(kept, written.block.byte, &at, &all, &entry));
	kept_close(kept);
	evidence_book_close(book);
	free(written.front);
}

int
main(void)
{
	const struct CMUnitTest kept[] = {
	    cmocka_unit_test(what_was_kept_comes_back_under_the_numbers_of_now),
	    cmocka_unit_test(later_less_is_worth_it_and_a_list_set_aside_nothing),
	    cmocka_unit_test(what_was_kept_of_a_list_that_has_moved_is_left_out),
	    cmocka_unit_test(a_block_concerns_its_writer_or_all_when_there_are_more_or_fewer),
	    cmocka_unit_test(nothing_is_believed_whose_age_is_not_sure),
	    cmocka_unit_test(a_front_with_any_bit_changed_or_cut_anywhere_is_not_believed),
	    cmocka_unit_test(a_block_that_is_damaged_or_out_of_place_is_not_believed),
	    cmocka_unit_test(a_block_takes_entries_until_it_is_full_and_gives_them_all_back),
	};

	return cmocka_run_group_tests_name("kept", kept, NULL, NULL);
}
