#include "resolver/wire.h"

#include <string.h>

void
wire_reader_init(struct wire_reader *reader, const uint8_t *start, size_t length)
{
	*reader = (struct wire_reader){.start = start, .length = length};
}

/* The next `length` bytes, stepped over; NULL, and failed, when there are fewer. */
static const uint8_t *
take(struct wire_reader *reader, size_t length)
{
	const uint8_t *bytes = reader->start + reader->at;

	if (reader->failed || reader->length - reader->at < length) {
		reader->failed = true;
		return NULL;
	}
	reader->at += length;
	return bytes;
}

uint8_t
wire_read_u8(struct wire_reader *reader)
{
	const uint8_t *bytes = take(reader, 1);

	return bytes == NULL ? 0 : bytes[0];
}

uint16_t
wire_read_u16(struct wire_reader *reader)
{
	const uint8_t *bytes = take(reader, 2);

	return bytes == NULL ? 0 : (uint16_t)(bytes[0] << 8 | bytes[1]);
}

uint32_t
wire_read_u32(struct wire_reader *reader)
{
	uint32_t high = wire_read_u16(reader);

	return high << 16 | wire_read_u16(reader);
}

void
wire_skip(struct wire_reader *reader, size_t length)
{
	(void)take(reader, length);
}

size_t
wire_read_plain_name(struct wire_reader *reader)
{
	size_t begin = reader->at;

	for (;;) {
		uint8_t label = wire_read_u8(reader);

		if (label > 63)
			reader->failed = true;
		wire_skip(reader, label);
		if (reader->failed)
			return 0;
		if (reader->at - begin > WIRE_NAME_MAX) {
			reader->failed = true;
			return 0;
		}
		if (label == 0)
			return reader->at - begin;
	}
}

void
wire_skip_name(struct wire_reader *reader)
{
	size_t begin = reader->at;

	while (!reader->failed) {
		uint8_t label = wire_read_u8(reader);

		if (label >= 0xc0) {
			wire_skip(reader, 1);
			return;
		}
		wire_skip(reader, label);
		if (label > 63 || reader->at - begin > WIRE_NAME_MAX)
			reader->failed = true;
		if (label == 0)
			return;
	}
}

/* Go where a pointer points, before *part, where the current part of the name began. */
static bool
follow_pointer(struct wire_reader *chase, size_t *part)
{
	size_t at = chase->at, target;

	if (chase->failed || at >= chase->length || chase->start[at] < 0xc0)
		return false;
	target = (size_t)wire_read_u16(chase) & 0x3fff;
	if (chase->failed || target >= *part) {
		chase->failed = true;
		return false;
	}
	chase->at = *part = target;
	return true;
}

size_t
wire_read_name(struct wire_reader *reader, uint8_t *name)
{
	struct wire_reader chase = *reader;
	size_t length = 0, part = reader->at;
	uint8_t label = 0;

	wire_skip_name(reader);
	do {
		while (follow_pointer(&chase, &part))
			;
		label = wire_read_u8(&chase);
		if (label > 63 || length + 1 + label > WIRE_NAME_MAX)
			chase.failed = true;
		wire_skip(&chase, label);
		if (chase.failed || reader->failed) {
			reader->failed = true;
			return 0;
		}
		memcpy(name + length, chase.start + chase.at - label - 1, 1u + label);
		length += 1u + label;
	} while (label != 0);
	return length;
}

void
wire_fold_name(const uint8_t *name, size_t length, uint8_t *folded)
{
	for (size_t i = 0; i < length; i++)
		folded[i] = name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i];
}

void
wire_read_record(struct wire_reader *reader, struct wire_record *record)
{
	size_t begin = reader->at;

	wire_skip_name(reader);
	record->owner_is_root = !reader->failed && reader->at - begin == 1;
	record->type = wire_read_u16(reader);
	record->class = wire_read_u16(reader);
	record->ttl = wire_read_u32(reader);
	record->length = wire_read_u16(reader);
	if (reader->length - reader->at < record->length)
		reader->failed = true;
}

void
wire_writer_init(struct wire_writer *writer, uint8_t *start, size_t size)
{
	*writer = (struct wire_writer){.start = start, .size = size};
}

void
wire_write_bytes(struct wire_writer *writer, const void *bytes, size_t length)
{
	if (writer->failed || writer->size - writer->at < length) {
		writer->failed = true;
		return;
	}
	memcpy(writer->start + writer->at, bytes, length);
	writer->at += length;
}

void
wire_write_u8(struct wire_writer *writer, uint8_t value)
{
	wire_write_bytes(writer, &value, 1);
}

void
wire_write_u16(struct wire_writer *writer, uint16_t value)
{
	uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	wire_write_bytes(writer, bytes, sizeof bytes);
}

void
wire_write_u32(struct wire_writer *writer, uint32_t value)
{
	wire_write_u16(writer, (uint16_t)(value >> 16));
	wire_write_u16(writer, (uint16_t)value);
}

void
wire_patch_u16(struct wire_writer *writer, size_t at, uint16_t value)
{
	if (writer->failed || at + 2 > writer->at)
		return;
	writer->start[at] = (uint8_t)(value >> 8);
	writer->start[at + 1] = (uint8_t)value;
}
