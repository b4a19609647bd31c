/*
 * line - what some lists said of one subject, in 64 bytes that are read without a lock
 *
 * A line is a cache line of the processor: which subject and which of its lists, then a word for
 * each list. One thread writes it and any number read: a copy counts when the sequence number was
 * the same, and even, before and after it.
 */
#ifndef AGGREGATE_LINE_H
#define AGGREGATE_LINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "aggregate/evidence.h"

#define LINE_WORDS 13
#define LINE_PAIRS ((LINE_WORDS + 1) / 2)
#define LINE_SAID_SHIFT 20
#define LINE_SPAN 0xfffffu /* seconds that an expiry may lie after its line's base: 12 days */

/* head: the sequence number << 32 | the base. The pairs: meta and the words of struct content. */
struct line {
	_Atomic uint64_t head;
	_Atomic uint64_t pair[LINE_PAIRS];
};

_Static_assert(sizeof(struct line) == 64, "a line of evidence is a cache line");

/*
 * A line copied out, or to be written. The first word, or four of IPv6, is the address; each of
 * the others what one list said: said << LINE_SAID_SHIFT | (expires - base), and base <= expires
 * where said is not EVIDENCE_NONE.
 */
struct content {
	uint32_t meta; /* part << 1 | is IPv6 */
	uint32_t word[LINE_WORDS];
	uint32_t base; /* when the line was begun */
};

static inline unsigned
line_keys(const struct content *content)
{
	return content->meta & 1 ? 4 : 1;
}

/* A consistent copy; false when the line is being written all the time. */
static inline bool
line_read(struct line *line, struct content *content)
{
	enum { TRIES = 1000 }; /* a writer is done within a few */

	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t head = atomic_load_explicit(&line->head, memory_order_acquire);

		if (head >> 32 & 1)
			continue;
#pragma GCC unroll 7
		for (unsigned pair = 0; pair < LINE_PAIRS; pair++) {
			uint64_t two =
			    atomic_load_explicit(&line->pair[pair], memory_order_relaxed);

			memcpy((char *)content + pair * sizeof two, &two, sizeof two);
		}
		content->base = (uint32_t)head;
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&line->head, memory_order_relaxed) == head)
			return true;
	}
	return false;
}

/* Only the thread whose line it is. */
void line_write(struct line *line, const struct content *content);

static inline struct evidence
line_evidence(const struct content *content, unsigned word)
{
	return (struct evidence){.said = (uint16_t)(content->word[word] >> LINE_SAID_SHIFT),
	    .expires = content->base + (content->word[word] & LINE_SPAN)};
}

static inline uint32_t
line_word(struct evidence evidence, uint32_t base)
{
	return (uint32_t)evidence.said << LINE_SAID_SHIFT | (evidence.expires - base);
}

/*
 * What the first `lists` lists of a line with `keys` words of address said, where it expires after
 * this; EVIDENCE_NONE elsewhere. On the path of every answer: four at once.
 */
static inline void
line_unpack(const struct content *content, unsigned keys, unsigned lists, uint32_t after,
    struct evidence *out)
{
	typedef int32_t four __attribute__((vector_size(16)));
	typedef uint32_t unsigned_four __attribute__((vector_size(16)));
	enum { SAID_UP = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 16 : 0 };
	const uint32_t *word = content->word + keys;
	int64_t since = (int64_t)after - content->base;
	int32_t least = since < 0 ? -1 : since > LINE_SPAN ? (int32_t)LINE_SPAN : (int32_t)since;
	unsigned i = 0;

	_Static_assert(sizeof *out == 8 && offsetof(struct evidence, said) == 4,
	    "evidence is two words, the second what was said");
	for (; i + 4 <= lists; i += 4) {
		four words, left, said, expires, even, odd;

		memcpy(&words, word + i, sizeof words);
		left = words & (int32_t)LINE_SPAN;
		said = (four)((unsigned_four)words >> LINE_SAID_SHIFT) << SAID_UP;
		said &= left > least;
		expires = left + (int32_t)content->base;
		even = __builtin_shufflevector(expires, said, 0, 4, 1, 5);
		odd = __builtin_shufflevector(expires, said, 2, 6, 3, 7);
		memcpy(out + i, &even, sizeof even);
		memcpy(out + i + 2, &odd, sizeof odd);
	}
	for (; i < lists; i++) {
		out[i] = line_evidence(content, keys + i);
		if ((int32_t)(word[i] & LINE_SPAN) <= least)
			out[i].said = EVIDENCE_NONE;
	}
}

#endif
