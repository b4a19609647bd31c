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
#include "aggregate/subject.h"

#define LINE_WORDS 13
#define LINE_PAIRS ((LINE_WORDS + 1) / 2)
#define LINE_SAID_SHIFT 20
#define LINE_WRITTEN (UINT64_C(1) << 32) /* of the head: the line is being written */
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
	uint32_t meta;
	uint32_t word[LINE_WORDS];
	uint32_t base; /* when the line was begun */
};

/*
 * meta: whether it is IPv6, and the part, are what the line is about. The bits from
 * LINE_CLEAR_SHIFT on sum up what it holds, for those who only look: bit i, the i-th list says "not
 * listed"; and, in units of LINE_CLEAR_UNIT, for how long after the base all of these say so.
 */
#define LINE_ABOUT 0x1fu /* bit 0 IPv6; four of the part */
#define LINE_CLEAR_SHIFT 5
#define LINE_CLEAR_FOR_SHIFT 17
#define LINE_CLEAR_UNIT 32 /* seconds */

_Static_assert(LINE_SPAN / LINE_CLEAR_UNIT <= UINT32_MAX >> LINE_CLEAR_FOR_SHIFT,
    "how long fits behind a bit for each list");

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

		if ((head & LINE_WRITTEN) != 0)
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

/* Two words of a struct content. */
struct two {
	uint32_t first, second;
};

static inline struct two
line_two(struct line *line, unsigned pair)
{
	uint64_t bytes = atomic_load_explicit(&line->pair[pair], memory_order_relaxed);
	struct two two;

	memcpy(&two, &bytes, sizeof two);
	return two;
}

/* Four octets of an address, as a word of a line. */
static inline uint32_t
line_octets(const uint8_t *octet)
{
	uint32_t word;

	memcpy(&word, octet, sizeof word);
	return word;
}

/*
 * Do these lists of a line (bits, as in meta) say "not listed", and expire at `until` or later?
 * False also where that takes a closer look, or the line is about others than `about` and `octet`.
 */
static inline bool
line_is_clear(struct line *line, enum subject_family family, uint32_t about, const uint8_t *octet,
    uint32_t lists, uint32_t until)
{
	uint64_t head = atomic_load_explicit(&line->head, memory_order_acquire);
	struct two front = line_two(line, 0), second = {0}, third = {0};
	bool same = line_octets(octet) == front.second;

	if (family == SUBJECT_IPV6) {
		second = line_two(line, 1);
		third = line_two(line, 2);
		same = same && line_octets(octet + 4) == second.first &&
		       line_octets(octet + 8) == second.second &&
		       line_octets(octet + 12) == third.first;
	}
	atomic_thread_fence(memory_order_acquire);
	return ((atomic_load_explicit(&line->head, memory_order_relaxed) ^ head) |
		   (head & LINE_WRITTEN)) == 0 &&
	       same && (front.first & LINE_ABOUT) == about &&
	       (lists & ~(front.first >> LINE_CLEAR_SHIFT)) == 0 &&
	       (uint32_t)head + (front.first >> LINE_CLEAR_FOR_SHIFT) * LINE_CLEAR_UNIT >= until;
}

/* Sum up in meta what the words say at `now`. */
void line_sum_up(struct content *content, uint32_t now);

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
