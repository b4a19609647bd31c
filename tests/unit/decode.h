/*
 * decode - an answer taken apart by a decoder that shares no code with ours
 *
 * It holds what every answer of tallyd must hold: one message from the first byte to the last,
 * pointers only to labels of the question, records whose data have exactly their length, nothing
 * in the additional section but one OPT record of version 0.
 */
#ifndef TESTS_UNIT_DECODE_H
#define TESTS_UNIT_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DECODE_NAME 1024 /* a name as text: a byte that is no letter, digit, - or _ is \DDD */
#define DECODE_ANSWERS 20

struct decoded_record {
	char owner[DECODE_NAME];
	unsigned type, class;
	uint32_t ttl;
	uint8_t address[16];       /* A, AAAA */
	char text[256];            /* TXT */
	char name[2][DECODE_NAME]; /* NS: its target; SOA: MNAME and RNAME */
	uint32_t number[5];        /* SOA */
};

struct decoded {
	const uint8_t *packet;
	size_t length, at;
	const char *wrong; /* why this is no good message, or NULL */
	unsigned id, flags, questions;
	char question[DECODE_NAME];
	size_t question_end; /* of the name; 12 without a question */
	unsigned type, class;
	struct decoded_record answer[DECODE_ANSWERS], authority[1];
	unsigned answers, authorities;
	bool edns;
	unsigned udp_size, edns_flags;
	unsigned rcode;    /* all 12 bits */
	unsigned extended; /* RFC 8914; 0xffff: none */
};

static inline bool
decode_fail(struct decoded *d, const char *wrong)
{
	if (d->wrong == NULL)
		d->wrong = wrong;
	return false;
}

static inline uint32_t
decode_number(struct decoded *d, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++) {
		if (d->at >= d->length) {
			decode_fail(d, "the message ends too early");
			return 0;
		}
		value = value << 8 | d->packet[d->at++];
	}
	return value;
}

static inline void
decode_label(struct decoded *d, size_t at, size_t length, char *text)
{
	size_t end = strlen(text);

	if (end > 0)
		text[end++] = '.';
	for (size_t i = at; i < at + length; i++) {
		uint8_t c = d->packet[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '_';

		if (plain)
			text[end++] = (char)c;
		else
			end += (size_t)snprintf(text + end, 5, "\\%03u", c);
	}
	text[end] = '\0';
}

/* Is there a label of the question's name at this offset? */
static inline bool
decode_is_label(const struct decoded *d, size_t offset)
{
	for (size_t at = 12; at < d->question_end; at += 1u + d->packet[at])
		if (at == offset)
			return true;
	return false;
}

static inline bool
decode_name(struct decoded *d, char text[DECODE_NAME])
{
	size_t total = 0, back = 0; /* where to go on behind the first pointer */

	text[0] = '\0';
	for (;;) {
		uint32_t length = decode_number(d, 1);

		if (d->wrong != NULL)
			return false;
		if (length >= 0xc0) {
			size_t offset = (length & 0x3f) << 8 | decode_number(d, 1);

			if (back != 0 || !decode_is_label(d, offset))
				return decode_fail(d, "a pointer to something else than a label");
			back = d->at;
			d->at = offset;
			continue;
		}
		total += 1 + length;
		if (length > 63 || total > 255 || d->length - d->at < length)
			return decode_fail(d, "a name that is none");
		if (length == 0)
			break;
		decode_label(d, d->at, length, text);
		d->at += length;
	}
	if (back != 0)
		d->at = back;
	return true;
}

static inline void
decode_bytes(struct decoded *d, void *out, size_t length)
{
	if (d->length - d->at < length) {
		decode_fail(d, "the message ends too early");
		return;
	}
	memcpy(out, d->packet + d->at, length);
	d->at += length;
}

/* The data of the types that we give. */
static inline void
decode_record_data(struct decoded *d, struct decoded_record *record)
{
	switch (record->type) {
	case 1:
		decode_bytes(d, record->address, 4);
		break;
	case 2:
		decode_name(d, record->name[0]);
		break;
	case 6:
		decode_name(d, record->name[0]);
		decode_name(d, record->name[1]);
		for (unsigned i = 0; i < 5; i++)
			record->number[i] = decode_number(d, 4);
		break;
	case 16:
		decode_bytes(d, record->text, decode_number(d, 1));
		break;
	case 28:
		decode_bytes(d, record->address, 16);
		break;
	default:
		decode_fail(d, "a type that we never give");
	}
}

static inline void
decode_record(struct decoded *d, struct decoded_record *record)
{
	size_t length, begin;

	decode_name(d, record->owner);
	record->type = decode_number(d, 2);
	record->class = decode_number(d, 2);
	record->ttl = decode_number(d, 4);
	length = decode_number(d, 2);
	begin = d->at;
	if (d->wrong == NULL)
		decode_record_data(d, record);
	if (d->at - begin != length)
		decode_fail(d, "data of another length than the record says");
	if (record->ttl >> 31 != 0)
		decode_fail(d, "a TTL of 2^31 or more");
}

static inline void
decode_opt(struct decoded *d)
{
	size_t end;

	if (decode_number(d, 1) != 0 || decode_number(d, 2) != 41)
		decode_fail(d, "something else than an OPT record of the root");
	d->edns = true;
	d->udp_size = decode_number(d, 2);
	d->rcode |= decode_number(d, 1) << 4;
	if (decode_number(d, 1) != 0)
		decode_fail(d, "an OPT record of another version than 0");
	d->edns_flags = decode_number(d, 2);
	end = decode_number(d, 2);
	end += d->at;
	if (d->wrong == NULL && d->at < end) {
		if (decode_number(d, 2) != 15 || decode_number(d, 2) != 2)
			decode_fail(d, "an option that is no extended error of two bytes");
		d->extended = decode_number(d, 2);
	}
	if (d->at != end)
		decode_fail(d, "options of another length than the record says");
}

static inline void
decode_question(struct decoded *d)
{
	d->question_end = 12;
	if (d->questions == 0)
		return;
	decode_name(d, d->question); /* no label is known yet: a pointer fails */
	d->question_end = d->at;
	d->type = decode_number(d, 2);
	d->class = decode_number(d, 2);
}

/* False, and why in `wrong`, when it is no good answer. The bytes must outlive the struct. */
static inline bool
decode(struct decoded *d, const uint8_t *bytes, size_t length)
{
	unsigned additionals;

	memset(d, 0, sizeof *d);
	d->packet = bytes;
	d->length = length;
	d->extended = 0xffff;
	d->id = decode_number(d, 2);
	d->flags = decode_number(d, 2);
	d->rcode = d->flags & 15;
	d->questions = decode_number(d, 2);
	d->answers = decode_number(d, 2);
	d->authorities = decode_number(d, 2);
	additionals = decode_number(d, 2);
	if (d->questions > 1 || d->answers > DECODE_ANSWERS || d->authorities > 1 ||
	    additionals > 1)
		return decode_fail(d, "more records than we ever give");
	decode_question(d);
	for (unsigned i = 0; i < d->answers && d->wrong == NULL; i++)
		decode_record(d, &d->answer[i]);
	for (unsigned i = 0; i < d->authorities && d->wrong == NULL; i++)
		decode_record(d, &d->authority[i]);
	if (additionals == 1 && d->wrong == NULL)
		decode_opt(d);
	if (d->at != length)
		decode_fail(d, "bytes behind the end");
	return d->wrong == NULL;
}

#endif
