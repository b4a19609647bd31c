/*
 * subject - an IPv4 or IPv6 address, prefix or domain: parse, print, reverse, cover
 *
 * An IPv4-mapped IPv6 address (::ffff:0:0/96) is that IPv4 subject, everywhere.
 * Domains come with a later kind of list; no function here takes one yet.
 */
#ifndef AGGREGATE_SUBJECT_H
#define AGGREGATE_SUBJECT_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "aggregate/text.h"

enum subject_family { SUBJECT_IPV4, SUBJECT_IPV6 };

struct subject {
	enum subject_family family;
	uint8_t octet[16]; /* network order; IPv4 in the first 4, the rest 0 */
};

struct prefix {
	struct subject base; /* bits beyond length are 0 */
	unsigned length;     /* 0..32 or 0..128 */
};

/* What is known of an address without asking anybody. */
enum subject_place {
	SUBJECT_ORDINARY,
	SUBJECT_TEST_LISTED, /* 127.0.0.2: RFC 5782 5 */
	SUBJECT_TEST_CLEAR,  /* 127.0.0.1 */
	SUBJECT_SPECIAL,     /* RFC 6890 without the documentation ranges; multicast */
};

enum subject_name {
	SUBJECT_NAME_WHOLE, /* a reversed address */
	SUBJECT_NAME_PART,  /* the tail of one: an empty non-terminal */
	SUBJECT_NAME_NONE,  /* neither */
};

bool subject_parse(const char *string, struct subject *subject);
void subject_print(const struct subject *subject, struct text *text);

/* The 4 numbers or 32 nibbles that stand before a zone, RFC 5782 2.1 and 2.4; no final dot. */
void subject_reverse(const struct subject *subject, struct text *text);

/* The number of 0 to 255 without leading zeros that a label is, or -1. */
static inline int
subject_label_number(const uint8_t *label)
{
	unsigned first = label[1] - 48u, second, number;

	switch (label[0]) {
	case 1:
		return first <= 9 ? (int)first : -1;
	case 2:
		second = label[2] - 48u;
		return first - 1 <= 8 && second <= 9 ? (int)(10 * first + second) : -1;
	case 3:
		second = label[2] - 48u;
		number = 100 * first + 10 * second + label[3] - 48u;
		return first - 1 <= 1 && second <= 9 && label[3] - 48u <= 9 && number <= 255
			   ? (int)number
			   : -1;
	default:
		return -1;
	}
}

#define SUBJECT_NUMBERS_MAX 16 /* bytes of four labels that are numbers */
#define SUBJECT_NIBBLES 64     /* bytes of the labels of an IPv6 address */

/*
 * The address that 32 labels of one nibble at the beginning of a name (wire form) are, the last
 * nibble first, RFC 5782 2.4; IPv4-mapped ones are IPv4. SUBJECT_NIBBLES, or 0 when they are none.
 */
size_t subject_from_nibbles(const uint8_t *name, struct subject *subject);

/*
 * The same for four labels that are numbers, RFC 5782 2.1: how many bytes they take. So many as
 * SUBJECT_NUMBERS_MAX can be read.
 */
static inline size_t
subject_from_numbers(const uint8_t *name, struct subject *subject)
{
	const uint8_t *label = name;
	uint32_t address = 0;

#pragma GCC unroll 4
	for (unsigned i = 0; i < 4; i++) {
		int number = subject_label_number(label);

		if (number < 0)
			return 0;
		address = address << 8 | (uint32_t)number;
		label += 1u + label[0];
	}
	address = htole32(address);
	*subject = (struct subject){.family = SUBJECT_IPV4};
	memcpy(subject->octet, &address, sizeof address);
	return (size_t)(label - name);
}

/*
 * The address that the labels at the beginning of a name (wire form, `left` bytes can be read) are,
 * reversed: how many bytes they take, 0 when they are none. On the path of every answer.
 */
static inline size_t
subject_from_front(const uint8_t *name, size_t left, struct subject *subject)
{
	size_t length = 0;

	if (left >= SUBJECT_NIBBLES && name[0] == 1 && name[2] == 1 && name[4] == 1 && name[6] == 1)
		length = subject_from_nibbles(name, subject);
	if (length == 0 && left >= SUBJECT_NUMBERS_MAX)
		length = subject_from_numbers(name, subject);
	return length;
}

/*
 * Read the labels (wire form, `length` bytes, no root label) that a question has before its
 * zone. `subject` is set only for SUBJECT_NAME_WHOLE.
 */
enum subject_name subject_from_labels(
    const uint8_t *labels, size_t length, struct subject *subject);

/* Bit n of [family]: some net of these that are not ordinary begins with the octet n. */
extern const uint64_t subject_first_octets[2][4];

enum subject_place subject_place_at_length(const struct subject *subject);

static inline enum subject_place
subject_place(const struct subject *subject)
{
	uint8_t first = subject->octet[0];

	if ((subject_first_octets[subject->family][first / 64] >> first % 64 & 1) == 0)
		return SUBJECT_ORDINARY; /* as most are */
	return subject_place_at_length(subject);
}

/*
 * Is the reversed IPv4 name also the tail of reversed IPv6 names in 2000::/3 (2.0.0.1 is the tail
 * of all of 2001::/16) or ::ffff:0:0/96? Then it is an empty non-terminal and may never be
 * NXDOMAIN, RFC 8020 2.
 */
bool subject_is_ipv6_tail(const struct subject *subject);
bool subject_equal(const struct subject *a, const struct subject *b);

static inline uint64_t
subject_fold_product(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Keyed hash; `part` tells apart several entries of one subject. */
static inline uint64_t
subject_hash(const struct subject *subject, unsigned part, const uint64_t key[2])
{
	uint64_t half[2];

	memcpy(half, subject->octet, sizeof half);
	half[1] ^= (uint64_t)part << 1 | (uint64_t)(subject->family == SUBJECT_IPV6);
	return subject_fold_product(
	    subject_fold_product(half[0] ^ key[0], half[1] ^ key[1] ^ 0x9e3779b97f4a7c15u) ^ key[1],
	    key[0] | 1);
}

/* "192.0.2.0/24", "2001:db8::/32" or an address alone; bits beyond the length must be 0. */
bool prefix_parse(const char *string, struct prefix *prefix);

/* In which bits do these eight octets differ? The first octet is the highest. */
static inline uint64_t
subject_differ(const uint8_t a[8], const uint8_t b[8])
{
	uint64_t one, other;

	memcpy(&one, a, sizeof one);
	memcpy(&other, b, sizeof other);
	return be64toh(one ^ other);
}

static inline bool
prefix_covers(const struct prefix *prefix, const struct subject *subject)
{
	const uint8_t *base = prefix->base.octet, *octet = subject->octet;
	unsigned length = prefix->length;

	if (prefix->base.family != subject->family)
		return false;
	if (length < 64)
		return subject_differ(base, octet) >> 1 >> (63 - length) == 0;
	return subject_differ(base, octet) == 0 &&
	       (length == 64 || subject_differ(base + 8, octet + 8) >> (128 - length) == 0);
}

#endif
