/*
 * front: struct head, then for each list its name (a byte of length, the bytes), its source, the
 * number of its sets, each set (count, addresses), and a lifetime for each `said`. Block: struct
 * block_head, then entries: a byte (count, and IPV6), the address, the base, and for each list its
 * number (a byte) and a word: said << SAID_SHIFT | expires - base. A byte of 0, or the length, ends
 * them.
 */
#include "aggregate/kept.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/bytes.h"
#include "aggregate/name.h"

#define MAGIC "tally evidence 2"
#define ORDER 0x01020304u
#define IPV6 0x80u
#define SAID_SHIFT 20
#define SPAN 0xfffffu
#define SAIDS (EVIDENCE_ANSWERS + EVIDENCE_SETS_MAX)

struct head {
	char magic[16];
	uint32_t order, blocks;
	uint64_t digest; /* of all that follows in the front, and the two above */
	uint64_t length, mark, key[2];
	uint8_t boot[16];
	int64_t booted;
	uint32_t now, writers, lists, unused[7];
};

_Static_assert(sizeof(struct head) == KEPT_HEAD, "a head of known length");

struct block_head {
	uint64_t digest; /* of all that follows */
	uint32_t number, writer;
	uint32_t length; /* of the block, what is not used left out */
	uint32_t unused;
};

/* What stood for a list, and for what it said, then and now; said[] is EVIDENCE_NONE when lost. */
struct kept_list {
	int number; /* -1: there is no such list any more, or it has moved */
	uint16_t said[SAIDS];
};

struct kept {
	struct head head;
	struct kept_list list[]; /* head.lists */
};

/* --- the front, out ----------------------------------------------------------------------- */

static size_t
list_size(struct evidence_book *book, unsigned list, unsigned sets)
{
	size_t size =
	    1 + strlen(evidence_list_name(book, list)) + sizeof(uint64_t) + sizeof(uint32_t);

	for (unsigned i = 0; i < sets; i++) {
		const struct answers *answers =
		    evidence_answers(book, list, (uint16_t)(EVIDENCE_ANSWERS + i));

		size += (1 + answers->count) * sizeof(uint32_t);
	}
	return size + (EVIDENCE_ANSWERS + sets) * sizeof(uint32_t);
}

static uint8_t *
put_bytes(uint8_t *to, const void *from, size_t length)
{
	memcpy(to, from, length);
	return to + length;
}

static uint8_t *
put_u32(uint8_t *to, uint32_t value)
{
	return put_bytes(to, &value, sizeof value);
}

static uint8_t *
put_list(uint8_t *to, struct evidence_book *book, unsigned list, unsigned sets)
{
	const char *name = evidence_list_name(book, list);
	uint64_t source = evidence_list_source(book, list);

	*to++ = (uint8_t)strlen(name);
	to = put_bytes(put_bytes(to, name, strlen(name)), &source, sizeof source);
	to = put_u32(to, sets);
	for (unsigned i = 0; i < sets; i++) {
		const struct answers *answers =
		    evidence_answers(book, list, (uint16_t)(EVIDENCE_ANSWERS + i));

		to = put_u32(to, answers->count);
		to = put_bytes(to, answers->address, answers->count * sizeof answers->address[0]);
	}
	for (unsigned i = 0; i < EVIDENCE_ANSWERS + sets; i++)
		to = put_u32(to, evidence_lifetime(book, list, (uint16_t)i));
	return to;
}

uint8_t *
kept_front(struct evidence_book *book, const struct kept_moment *moment, const uint64_t key[2],
    uint64_t mark, unsigned writers, size_t *length)
{
	unsigned lists = evidence_list_count(book), sets[EVIDENCE_LISTS_MAX];
	struct head head = {.magic = MAGIC,
	    .order = ORDER,
	    .mark = mark,
	    .key = {key[0], key[1]},
	    .booted = moment->booted,
	    .now = moment->now,
	    .writers = writers,
	    .lists = lists};
	uint8_t *front, *to;

	*length = sizeof head;
	for (unsigned i = 0; i < lists; i++) {
		sets[i] = evidence_set_count(book, i); /* others may come while we write */
		*length += list_size(book, i, sets[i]);
	}
	front = malloc(*length);
	if (front == NULL)
		return NULL;
	memcpy(head.boot, moment->boot, sizeof head.boot);
	head.length = *length;
	to = put_bytes(front, &head, sizeof head);
	for (unsigned i = 0; i < lists; i++)
		to = put_list(to, book, i, sets[i]);
	return front;
}

static uint64_t
front_digest(const struct head *head, const uint8_t *front, size_t length)
{
	size_t from = offsetof(struct head, length);

	return bytes_digest(
	    ((uint64_t)head->order << 32) ^ head->blocks, front + from, length - from);
}

void
kept_front_end(uint8_t *front, size_t length, uint32_t blocks)
{
	struct head head;

	memcpy(&head, front, sizeof head);
	head.blocks = blocks;
	head.digest = front_digest(&head, front, length);
	memcpy(front, &head, sizeof head);
}

/* --- blocks, out -------------------------------------------------------------------------- */

void
kept_block_begin(struct kept_block *block, uint64_t mark)
{
	block->mark = mark;
	block->length = sizeof(struct block_head);
	block->entries = 0;
}

static bool
is_worth(const struct kept_worth *worth, unsigned list, struct evidence evidence)
{
	return evidence_is_answer(evidence.said) && !bits_has(worth->unwanted, list) &&
	       (evidence.expires > worth->now || worth->now - evidence.expires < worth->max_stale);
}

static size_t
address_size(const struct subject *subject)
{
	return subject->family == SUBJECT_IPV6 ? 16 : 4;
}

bool
kept_block_add(
    struct kept_block *block, const struct cache_entry *entry, const struct kept_worth *worth)
{
	size_t octets = address_size(&entry->subject), head = 1 + octets + sizeof(uint32_t);
	uint8_t *start = block->byte + block->length, *to = start + head;
	uint32_t base = UINT32_MAX;
	unsigned count = 0;

	if (KEPT_BLOCK - block->length < head + CACHE_ENTRY_LISTS * (1 + sizeof(uint32_t)))
		return false;
	for (unsigned i = 0; i < entry->count; i++)
		if (entry->heard[i].evidence.expires < base)
			base = entry->heard[i].evidence.expires;
	for (unsigned i = 0; i < entry->count; i++) {
		const struct cache_heard *heard = &entry->heard[i];

		if (!is_worth(worth, heard->list, heard->evidence))
			continue;
		*to++ = (uint8_t)heard->list;
		to = put_u32(to, (uint32_t)heard->evidence.said << SAID_SHIFT |
				     (heard->evidence.expires - base));
		count++;
	}
	if (count == 0)
		return true;
	*start = (uint8_t)(count | (octets == 16 ? IPV6 : 0));
	(void)put_u32(put_bytes(start + 1, entry->subject.octet, octets), base);
	block->length = (size_t)(to - block->byte);
	block->entries++;
	return true;
}

static uint64_t
block_digest(uint64_t mark, const uint8_t *byte, size_t length)
{
	size_t from = offsetof(struct block_head, number);

	return bytes_digest(mark, byte + from, length - from);
}

void
kept_block_end(struct kept_block *block, uint32_t number, uint32_t writer)
{
	struct block_head head = {
	    .number = number, .writer = writer, .length = (uint32_t)block->length};

	memset(block->byte + block->length, 0, KEPT_BLOCK - block->length);
	memcpy(block->byte, &head, sizeof head);
	head.digest = block_digest(block->mark, block->byte, block->length);
	memcpy(block->byte, &head, sizeof head);
}

/* --- the front, in ------------------------------------------------------------------------ */

/* What is left to read; `end` is NULL from the first thing on that is not there. */
struct cursor {
	const uint8_t *at, *end;
};

static void
take_bytes(struct cursor *cursor, void *to, size_t length)
{
	if (cursor->end == NULL || (size_t)(cursor->end - cursor->at) < length) {
		cursor->end = NULL;
		memset(to, 0, length);
		return;
	}
	memcpy(to, cursor->at, length);
	cursor->at += length;
}

static uint32_t
take_u32(struct cursor *cursor)
{
	uint32_t value;

	take_bytes(cursor, &value, sizeof value);
	return value;
}

static bool
take_answers(struct cursor *cursor, struct answers *answers)
{
	uint32_t count = take_u32(cursor);

	answers->count = 0;
	if (count == 0 || count > EVIDENCE_ANSWERS_MAX)
		cursor->end = NULL;
	for (uint32_t i = 0; i < count && cursor->end != NULL; i++) {
		uint32_t address = take_u32(cursor);

		if (address >> 24 != 127)
			cursor->end = NULL;
		(void)answers_add(answers, address);
	}
	return cursor->end != NULL;
}

static void
take_list(struct cursor *cursor, struct kept_list *list, struct evidence_book *book)
{
	char name[NAME_TEXT_MAX + 1] = "";
	uint64_t source;
	uint8_t length;
	uint32_t sets;

	take_bytes(cursor, &length, 1);
	if (length > NAME_TEXT_MAX)
		cursor->end = NULL;
	else
		take_bytes(cursor, name, length);
	take_bytes(cursor, &source, sizeof source);
	sets = take_u32(cursor);
	if (sets > EVIDENCE_SETS_MAX)
		cursor->end = NULL;
	list->number = cursor->end == NULL ? -1 : evidence_list_find(book, name);
	if (list->number >= 0 && evidence_list_source(book, (unsigned)list->number) != source)
		list->number = -1;
	list->said[EVIDENCE_CLEAR] = EVIDENCE_CLEAR;
	for (uint32_t i = 0; i < sets && cursor->end != NULL; i++) {
		struct answers answers;

		if (take_answers(cursor, &answers) && list->number >= 0)
			list->said[EVIDENCE_ANSWERS + i] =
			    evidence_intern(book, (unsigned)list->number, &answers);
	}
	for (uint32_t i = 0; i < EVIDENCE_ANSWERS + sets && cursor->end != NULL; i++) {
		uint32_t lifetime = take_u32(cursor);

		if (list->number >= 0 && evidence_is_answer(list->said[i]))
			evidence_note_lifetime(
			    book, (unsigned)list->number, list->said[i], lifetime);
	}
}

static bool
same_boot(const struct head *head, const struct kept_moment *moment)
{
	int64_t apart = (int64_t)((uint64_t)head->booted - (uint64_t)moment->booted);

	return memcmp(head->boot, moment->boot, sizeof head->boot) == 0 &&
	       apart >= -KEPT_BOOT_SLACK && apart <= KEPT_BOOT_SLACK && head->now <= moment->now;
}

size_t
kept_front_length(const uint8_t bytes[KEPT_HEAD])
{
	struct head head;

	memcpy(&head, bytes, sizeof head);
	if (memcmp(head.magic, MAGIC, sizeof head.magic) != 0 || head.order != ORDER ||
	    head.length < sizeof head || head.length > KEPT_FRONT_MAX)
		return 0;
	return (size_t)head.length;
}

static bool
read_head(struct head *head, const uint8_t *front, size_t length, const struct kept_moment *moment,
    struct text *error)
{
	if (length < sizeof *head || kept_front_length(front) != length) {
		text_add(error, "it is damaged, or of another version");
		return false;
	}
	memcpy(head, front, sizeof *head);
	if (head->digest != front_digest(head, front, length) || head->lists > EVIDENCE_LISTS_MAX) {
		text_add(error, "it is damaged");
		return false;
	}
	if (!same_boot(head, moment)) {
		text_add(error, "the host or its clock was set anew since: its age is not sure");
		return false;
	}
	return true;
}

struct kept *
kept_open(const uint8_t *front, size_t length, const struct kept_moment *moment,
    struct evidence_book *book, struct text *error)
{
	struct cursor cursor = {.at = front + sizeof(struct head), .end = front + length};
	struct kept *kept;
	struct head head;

	if (!read_head(&head, front, length, moment, error))
		return NULL;
	kept = calloc(1, sizeof *kept + head.lists * sizeof kept->list[0]);
	if (kept == NULL) {
		text_add(error, "out of memory");
		return NULL;
	}
	kept->head = head;
	for (uint32_t i = 0; i < head.lists; i++)
		take_list(&cursor, &kept->list[i], book);
	if (cursor.end == NULL || cursor.at != cursor.end) {
		text_add(error, "it is damaged");
		kept_close(kept);
		return NULL;
	}
	return kept;
}

void
kept_close(struct kept *kept)
{
	free(kept);
}

const uint64_t *
kept_key(const struct kept *kept)
{
	return kept->head.key;
}

uint32_t
kept_blocks(const struct kept *kept)
{
	return kept->head.blocks;
}

/* --- blocks, in --------------------------------------------------------------------------- */

bool
kept_block_check(const struct kept *kept, const uint8_t byte[KEPT_BLOCK], uint32_t number)
{
	struct block_head head;

	memcpy(&head, byte, sizeof head);
	return head.number == number && head.length >= sizeof head && head.length <= KEPT_BLOCK &&
	       head.digest == block_digest(kept->head.mark, byte, head.length);
}

/* The key of the cache is kept, so as many writers share the subjects in the same way. */
bool
kept_block_concerns(
    const struct kept *kept, const uint8_t byte[KEPT_BLOCK], unsigned writer, unsigned writers)
{
	struct block_head head;

	memcpy(&head, byte, sizeof head);
	return kept->head.writers != writers || head.writer == writer;
}

/* One list of an entry, if there is still such a list and it is worth it. */
static void
take_heard(const struct kept *kept, struct cursor *cursor, uint32_t base,
    const struct kept_worth *worth, struct cache_entry *entry)
{
	struct cache_heard *heard = &entry->heard[entry->count];
	const struct kept_list *list;
	uint8_t number;
	uint32_t word;

	take_bytes(cursor, &number, 1);
	word = take_u32(cursor);
	if (cursor->end == NULL || number >= kept->head.lists)
		return;
	list = &kept->list[number];
	if (list->number < 0)
		return;
	heard->list = (unsigned)list->number;
	heard->evidence = (struct evidence){
	    .said = list->said[word >> SAID_SHIFT], .expires = base + (word & SPAN)};
	/* what would be good for longer than the cache can say was never in it */
	if (is_worth(worth, heard->list, heard->evidence) &&
	    (heard->evidence.expires <= worth->now || heard->evidence.expires - worth->now <= SPAN))
		entry->count++;
}

static bool
take_entry(const struct kept *kept, struct cursor *cursor, const struct kept_worth *worth,
    struct cache_entry *entry)
{
	uint8_t first = 0;
	unsigned count;
	uint32_t base;

	take_bytes(cursor, &first, 1);
	count = first & (IPV6 - 1);
	if (count == 0 || count > CACHE_ENTRY_LISTS)
		return false;
	entry->subject = (struct subject){.family = first & IPV6 ? SUBJECT_IPV6 : SUBJECT_IPV4};
	entry->count = 0;
	take_bytes(cursor, entry->subject.octet, address_size(&entry->subject));
	base = take_u32(cursor);
	for (unsigned i = 0; i < count; i++)
		take_heard(kept, cursor, base, worth, entry);
	return cursor->end != NULL;
}

bool
kept_block_next(const struct kept *kept, const uint8_t byte[KEPT_BLOCK], size_t *at,
    const struct kept_worth *worth, struct cache_entry *entry)
{
	struct block_head head;
	struct cursor cursor;

	memcpy(&head, byte, sizeof head);
	if (*at == 0)
		*at = sizeof head;
	cursor = (struct cursor){.at = byte + *at, .end = byte + head.length};
	while (cursor.at < cursor.end && take_entry(kept, &cursor, worth, entry)) {
		*at = (size_t)(cursor.at - byte);
		if (entry->count > 0)
			return true;
	}
	return false;
}
