/*
 * wire - read and write DNS messages, one checked step at a time; pure
 *
 * Cursors have a sticky error: after the first failure every further step does nothing (reads
 * give 0), so a whole message is read or written and `failed` tested once. RFC 1035 4.
 */
#ifndef RESOLVER_WIRE_H
#define RESOLVER_WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIRE_HEADER 12
#define WIRE_NAME_MAX 255

enum {
	WIRE_QR = 0x8000,
	WIRE_OPCODE = 0x7800, /* these four bits; 0 is QUERY */
	WIRE_AA = 0x0400,
	WIRE_TC = 0x0200,
	WIRE_RD = 0x0100,
	WIRE_RA = 0x0080,
	WIRE_AD = 0x0020,
	WIRE_CD = 0x0010,
};

enum wire_rcode {
	WIRE_NOERROR = 0,
	WIRE_FORMERR = 1,
	WIRE_SERVFAIL = 2,
	WIRE_NXDOMAIN = 3,
	WIRE_NOTIMP = 4,
	WIRE_REFUSED = 5,
	WIRE_YXDOMAIN = 6, /* RFC 6672 2.2: too long a name by DNAME */
	WIRE_BADVERS = 16, /* RFC 6891 9: upper bits in the OPT record */
};

enum wire_type {
	WIRE_A = 1,
	WIRE_NS = 2,
	WIRE_CNAME = 5,
	WIRE_SOA = 6,
	WIRE_HINFO = 13,
	WIRE_TXT = 16,
	WIRE_AAAA = 28,
	WIRE_OPT = 41,
	WIRE_RRSIG = 46,
	WIRE_META_FIRST = 128, /* 128..254 are of no record, RFC 6895 3.1 */
	WIRE_IXFR = 251,
	WIRE_AXFR = 252,
	WIRE_ANY = 255,
};

enum wire_class { WIRE_IN = 1, WIRE_CH = 3, WIRE_CLASS_ANY = 255 };

/* Extended errors that we give, RFC 8914 4. */
enum wire_extended {
	WIRE_EDE_NONE = 0xffff,
	WIRE_EDE_STALE = 3,
	WIRE_EDE_DNSSEC_BOGUS = 6,
	WIRE_EDE_PROHIBITED = 18,
	WIRE_EDE_STALE_NXDOMAIN = 19,
	WIRE_EDE_NOT_AUTHORITATIVE = 20,
	WIRE_EDE_NO_REACHABLE = 22,
};

static inline uint16_t
wire_get_u16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint64_t
wire_get_u64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof value);
	return be64toh(value);
}

struct wire_reader {
	const uint8_t *start;
	size_t length, at; /* at <= length */
	bool failed;
};

static inline void
wire_reader_init(struct wire_reader *reader, const uint8_t *start, size_t length)
{
	*reader = (struct wire_reader){.start = start, .length = length};
}

/* The next `length` bytes, stepped over; NULL, and failed, when there are fewer. */
static inline const uint8_t *
wire_take(struct wire_reader *reader, size_t length)
{
	const uint8_t *bytes = reader->start + reader->at;

	if (reader->failed || reader->length - reader->at < length) {
		reader->failed = true;
		return NULL;
	}
	reader->at += length;
	return bytes;
}

static inline uint8_t
wire_read_u8(struct wire_reader *reader)
{
	const uint8_t *bytes = wire_take(reader, 1);

	return bytes == NULL ? 0 : bytes[0];
}

static inline uint16_t
wire_read_u16(struct wire_reader *reader)
{
	const uint8_t *bytes = wire_take(reader, 2);

	return bytes == NULL ? 0 : wire_get_u16(bytes);
}

static inline uint32_t
wire_read_u32(struct wire_reader *reader)
{
	uint32_t high = wire_read_u16(reader);

	return high << 16 | wire_read_u16(reader);
}

static inline void
wire_skip(struct wire_reader *reader, size_t length)
{
	(void)wire_take(reader, length);
}

/*
 * Step over a name without compression and return its length with the root label, 1..255; a
 * pointer or an unknown label type fails.
 */
static inline size_t
wire_read_plain_name(struct wire_reader *reader)
{
	const uint8_t *name = reader->start + reader->at;
	size_t left = reader->length - reader->at, at = 0;
	size_t limit = left < WIRE_NAME_MAX ? left : WIRE_NAME_MAX;

	while (at < limit && name[at] - 1u < 63)
		at += 1u + name[at];
	if (reader->failed || at >= limit || name[at] != 0) {
		reader->failed = true;
		return 0;
	}
	reader->at += at + 1;
	return at + 1;
}

/* Step over a name; a pointer ends it (RFC 1035 4.1.4). What it points at is not looked at. */
void wire_skip_name(struct wire_reader *reader);

/*
 * Read a name, its pointers followed, into `name` (WIRE_NAME_MAX bytes) and return its length
 * with the root label, 1..255; 0 when it fails. A pointer must point before the name, or the part
 * of it, that it ends.
 */
size_t wire_read_name(struct wire_reader *reader, uint8_t *name);

/* Copy a name in lower case. */
void wire_fold_name(const uint8_t *name, size_t length, uint8_t *folded);

/* The fixed part of a resource record; its data, `length` bytes, lies before the reader. */
struct wire_record {
	bool owner_is_root;
	uint16_t type, class;
	uint32_t ttl;
	uint16_t length;
};

void wire_read_record(struct wire_reader *reader, struct wire_record *record);

/* The seconds that a TTL means: none when its top bit is set, RFC 2181 8. */
static inline uint32_t
wire_ttl(uint32_t ttl)
{
	return ttl >> 31 != 0 ? 0 : ttl;
}

struct wire_writer {
	uint8_t *start;
	size_t size, at; /* at <= size */
	bool failed;
};

static inline void
wire_writer_init(struct wire_writer *writer, uint8_t *start, size_t size)
{
	*writer = (struct wire_writer){.start = start, .size = size};
}

static inline void
wire_put_u16(uint8_t *bytes, uint16_t value)
{
	value = htobe16(value);
	memcpy(bytes, &value, sizeof value);
}

static inline void
wire_put_u32(uint8_t *bytes, uint32_t value)
{
	value = htobe32(value);
	memcpy(bytes, &value, sizeof value);
}

/* Room for `length` bytes, to be filled; NULL, and failed, when there is none. */
static inline uint8_t *
wire_make_room(struct wire_writer *writer, size_t length)
{
	uint8_t *bytes = writer->start + writer->at;

	if (writer->failed || writer->size - writer->at < length) {
		writer->failed = true;
		return NULL;
	}
	writer->at += length;
	return bytes;
}

/* Copy some bytes; for the short ones of a name this is less than a call. */
static inline void
wire_copy(uint8_t *restrict to, const uint8_t *restrict from, size_t length)
{
	size_t at = 0;

	if (length < 8) {
		for (; at < length; at++)
			to[at] = from[at];
		return;
	}
	for (; at + 8 < length; at += 8)
		memcpy(to + at, from + at, 8);
	memcpy(to + length - 8, from + length - 8, 8);
}

static inline void
wire_write_bytes(struct wire_writer *writer, const void *bytes, size_t length)
{
	uint8_t *room = wire_make_room(writer, length);

	if (room != NULL)
		memcpy(room, bytes, length);
}

static inline void
wire_write_u8(struct wire_writer *writer, uint8_t value)
{
	wire_write_bytes(writer, &value, 1);
}

static inline void
wire_write_u16(struct wire_writer *writer, uint16_t value)
{
	uint8_t *room = wire_make_room(writer, 2);

	if (room != NULL)
		wire_put_u16(room, value);
}

static inline void
wire_write_u32(struct wire_writer *writer, uint32_t value)
{
	uint8_t *room = wire_make_room(writer, 4);

	if (room != NULL)
		wire_put_u32(room, value);
}

/* Put a length or count where room was left for it. */
static inline void
wire_patch_u16(struct wire_writer *writer, size_t at, uint16_t value)
{
	if (!writer->failed && at + 2 <= writer->at)
		wire_put_u16(writer->start + at, value);
}

#endif
