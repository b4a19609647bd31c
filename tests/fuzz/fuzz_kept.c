/*
 * The file of kept evidence as if its checksums were right: a byte of how many lists the front has,
 * two of how long they are, the lists, and the entries of a block. Whatever is taken from it is in
 * bounds, of this moment, and of a list that there is.
 */
#include "aggregate/kept.c"

#include "aggregate/evidence.c"
#include "tests/fuzz/fuzz.h"

#define NOW 100000u

/* A book of two lists that have said nothing: made once, for it is over a megabyte. */
static struct evidence_book *
empty_book(void)
{
	static struct evidence_book *book;

	if (book == NULL)
		book = evidence_book_open();
	fuzz_check(book != NULL && evidence_list_number(book, "b.example") == 0 &&
		       evidence_list_number(book, "a.example") == 1,
	    "no memory");
	for (unsigned i = 0; i < book->lists; i++) {
		book->list[i]->count = 0;
		memset(book->list[i]->lifetime, 0, sizeof book->list[i]->lifetime);
	}
	return book;
}

static void
check_entry(struct evidence_book *book, const struct cache_entry *entry)
{
	fuzz_check(entry->count > 0 && entry->count <= CACHE_ENTRY_LISTS, "too many lists");
	for (unsigned i = 0; i < entry->count; i++) {
		const struct cache_heard *heard = &entry->heard[i];

		fuzz_check(heard->list < evidence_list_count(book), "a list that there is not");
		fuzz_check(evidence_is_answer(heard->evidence.said), "no answer");
		fuzz_check(heard->evidence.said == EVIDENCE_CLEAR ||
			       heard->evidence.said - EVIDENCE_ANSWERS <
				   (int)evidence_set_count(book, heard->list),
		    "an answer that there is not");
		fuzz_check(heard->evidence.expires <= NOW + SPAN, "for too long");
		fuzz_check(heard->evidence.expires + 1000 > NOW, "too old");
	}
}

static void
check_block(
    const struct kept *kept, struct evidence_book *book, const uint8_t *bytes, size_t length)
{
	static const uint64_t unwanted[CACHE_BITS] = {4};
	static struct cache *cache;
	const struct kept_worth worth = {.now = NOW, .max_stale = 1000, .unwanted = unwanted};
	struct kept_block block;
	struct cache_entry entry;
	size_t at = 0;

	if (cache == NULL)
		cache = cache_open(1, 1, kept_key(kept));
	kept_block_begin(&block, kept->head.mark);
	if (length > KEPT_BLOCK - block.length)
		length = KEPT_BLOCK - block.length;
	memcpy(block.byte + block.length, bytes, length);
	block.length += length;
	kept_block_end(&block, 0, 0);
	fuzz_check(kept_block_check(kept, block.byte, 0), "a good checksum is refused");
	while (kept_block_next(kept, block.byte, &at, &worth, &entry)) {
		check_entry(book, &entry);
		cache_restore(cache, &entry, NOW);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct kept_moment moment = {.now = NOW};
	struct head head = {.magic = MAGIC, .order = ORDER, .length = sizeof head, .now = NOW};
	struct evidence_book *book;
	size_t lists;
	char said[100];
	struct text error;
	uint8_t *front;
	struct kept *kept;

	text_init(&error, said, sizeof said);
	if (length < 3)
		return 0;
	book = empty_book();
	head.lists = bytes[0];
	lists = bytes[1] + 256u * bytes[2];
	bytes += 3;
	length -= 3;
	lists = lists < length ? lists : length;
	head.length += lists;
	front = malloc(head.length);
	fuzz_check(front != NULL, "no memory");
	memcpy(put_bytes(front, &head, sizeof head), bytes, lists);
	kept_front_end(front, head.length, 1);
	kept = kept_open(front, head.length, &moment, book, &error);
	if (kept != NULL)
		check_block(kept, book, bytes + lists, length - lists);
	kept_close(kept);
	free(front);
	return 0;
}
