/*
 * packet - packets made by hand, from a line of text
 *
 * A line is words with spaces between them, each of which adds bytes:
 *   0102ff          these bytes, in hexadecimal
 *   @bl.example     a name: its labels and the root label; "@." is the root label alone
 *   'a.b'           one label, with whatever bytes are between the quotes
 *   300*00          these bytes so many times
 */
#ifndef TESTS_UNIT_PACKET_H
#define TESTS_UNIT_PACKET_H

#include <stdlib.h>

#include "tests/unit/unit.h"

#define PACKET_SIZE 70000

struct packet {
	size_t length;
	uint8_t byte[PACKET_SIZE];
};

static inline void
packet_u8(struct packet *packet, unsigned value)
{
	assert_true(packet->length < PACKET_SIZE);
	packet->byte[packet->length++] = (uint8_t)value;
}

static inline void
packet_u16(struct packet *packet, unsigned value)
{
	packet_u8(packet, value >> 8 & 255);
	packet_u8(packet, value & 255);
}

static inline void
packet_u32(struct packet *packet, uint32_t value)
{
	packet_u16(packet, value >> 16);
	packet_u16(packet, value & 0xffff);
}

static inline void
packet_label(struct packet *packet, const char *label, size_t length)
{
	packet_u8(packet, (unsigned)length);
	for (size_t i = 0; i < length; i++)
		packet_u8(packet, (uint8_t)label[i]);
}

/* Dotted text without a final dot; "" is the root. */
static inline void
packet_name(struct packet *packet, const char *name)
{
	while (*name != '\0') {
		size_t length = strcspn(name, ".");

		packet_label(packet, name, length);
		name += length + (name[length] == '.');
	}
	packet_u8(packet, 0);
}

static inline void
packet_hex(struct packet *packet, const char *word, size_t length)
{
	for (size_t i = 0; i < length; i += 2) {
		char digits[3] = {word[i], word[i + 1], '\0'}, *end;
		unsigned long byte = strtoul(digits, &end, 16);

		if (end != digits + 2)
			fail_msg("\"%s\" begins with no byte", word + i);
		packet_u8(packet, (unsigned)byte);
	}
}

static inline void
packet_word(struct packet *packet, const char *word, size_t length)
{
	char copy[1100] = "", *star;

	assert_true(length < sizeof copy);
	memcpy(copy, word, length);
	star = strchr(copy, '*');
	if (copy[0] == '@') {
		packet_name(packet, strcmp(copy, "@.") == 0 ? "" : copy + 1);
	} else if (star != NULL) {
		for (unsigned long times = strtoul(copy, NULL, 10); times > 0; times--)
			packet_hex(packet, star + 1, strlen(star + 1));
	} else {
		packet_hex(packet, copy, length);
	}
}

/* Add the bytes of a line. */
static inline void
packet_add(struct packet *packet, const char *line)
{
	while (*line != '\0') {
		size_t length = strcspn(line, " ");

		if (*line == '\'') {
			length = strcspn(line + 1, "'");
			packet_label(packet, line + 1, length);
			length += 2;
		} else {
			packet_word(packet, line, length);
		}
		line += length;
		line += strspn(line, " ");
	}
}

static inline void
packet_make(struct packet *packet, const char *line)
{
	packet->length = 0;
	packet_add(packet, line);
}

/* A packet that asks one thing; `flags` are those of the header. */
static inline void
packet_ask(struct packet *packet, unsigned id, unsigned flags, const char *name, unsigned type)
{
	packet->length = 0;
	packet_u16(packet, id);
	packet_u16(packet, flags);
	packet_add(packet, "0001 0000 0000 0000");
	packet_name(packet, name);
	packet_u16(packet, type);
	packet_u16(packet, 1);
}

/* Put an OPT record behind it, with these options, a line of words. */
static inline void
packet_edns(struct packet *packet, unsigned size, uint32_t ttl, const char *options)
{
	size_t at;

	packet->byte[11]++;
	packet_add(packet, "00 0029");
	packet_u16(packet, size);
	packet_u32(packet, ttl);
	packet_u16(packet, 0);
	at = packet->length;
	packet_add(packet, options);
	packet->byte[at - 2] = (uint8_t)((packet->length - at) >> 8);
	packet->byte[at - 1] = (uint8_t)(packet->length - at);
}

/*
 * A copy in memory of its own that ends where the packet ends, so that the sanitizer sees a read
 * beyond it; the caller frees.
 */
static inline uint8_t *
packet_copy(const struct packet *packet, size_t length)
{
	uint8_t *copy = malloc(length == 0 ? 1 : length);

	assert_non_null(copy);
	memcpy(copy, packet->byte, length);
	return copy;
}

/* Up to three bytes are others, and now and then the end is missing. */
static inline void
packet_damage(struct packet *packet, struct chance *chance)
{
	for (unsigned n = chance_below(chance, 4); n > 0; n--)
		packet->byte[chance_below(chance, (uint32_t)packet->length)] =
		    (uint8_t)chance_next(chance);
	if (chance_below(chance, 4) == 0)
		packet->length = chance_below(chance, (uint32_t)packet->length + 1);
}

#endif
