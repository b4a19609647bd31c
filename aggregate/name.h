/*
 * name - a domain name in the configuration: check, fold, wire form
 *
 * Names from packets are never C strings: they are compared in wire form, whose length bytes no
 * folding touches.
 */
#ifndef AGGREGATE_NAME_H
#define AGGREGATE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NAME_TEXT_MAX 253 /* characters without the trailing dot, RFC 1035 2.3.4 */
#define NAME_WIRE_MAX 255

/* The longest name that a reversed IPv6 address, 32 nibbles and dots, still fits in front of. */
#define NAME_UNDER_MAX (NAME_TEXT_MAX - 64)

/*
 * Copy `text` in lower case and without a trailing dot. False unless every label has 1 to 63
 * letters, digits, hyphens or underscores and the whole at most NAME_TEXT_MAX characters.
 */
bool name_fold(const char *text, char folded[NAME_TEXT_MAX + 1]);

/* Wire form of a folded name, root label included; returns its length, 1..NAME_WIRE_MAX. */
size_t name_to_wire(const char *folded, uint8_t wire[NAME_WIRE_MAX]);

/* Is `name` equal to `ancestor` or below it? Both folded. */
bool name_is_under(const char *name, const char *ancestor);

/*
 * Of a folded name with the key of a user in front, "KEY.zen.dq.spamhaus.net", what is behind the
 * key; else NULL. A label of 20 letters and digits or more, with one of the latter, is a key. No
 * list is right below the root.
 */
const char *name_behind_key(const char *name);

/* Eight bytes of a name in lower case at once; RFC 4343: only ASCII letters have case. */
static inline uint64_t
name_fold_eight(uint64_t eight)
{
	const uint64_t ones = 0x0101010101010101u, high = ones << 7;
	uint64_t low = eight & ~high;
	uint64_t from_a = low + ones * (0x80 - 'A'), beyond_z = low + ones * (0x7f - 'Z');

	return eight | ((from_a & ~beyond_z & ~eight & high) >> 2); /* bit 5 of capital letters */
}

/* Are these bytes the same? For the few of a name this is less than a call. */
static inline bool
name_identical(const uint8_t *a, const uint8_t *b, size_t length)
{
	uint64_t one, other;

	if (length < sizeof one)
		return memcmp(a, b, length) == 0;
	for (size_t at = 0; at + sizeof one < length; at += sizeof one) {
		memcpy(&one, a + at, sizeof one);
		memcpy(&other, b + at, sizeof other);
		if (one != other)
			return false;
	}
	memcpy(&one, a + length - sizeof one, sizeof one);
	memcpy(&other, b + length - sizeof other, sizeof other);
	return one == other;
}

/* Is this wire name, in any case, the one in lower case? Both have `length` bytes. */
bool name_same(const uint8_t *name, const uint8_t *lower, size_t length);

#endif
