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
