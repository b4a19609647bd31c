#include "resolver/wire.h"

#include <string.h>

#include "aggregate/name.h"

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

static inline void
copy_eight_folded(const uint8_t *name, uint8_t *folded)
{
	uint64_t eight;

	memcpy(&eight, name, sizeof eight);
	eight = name_fold_eight(eight);
	memcpy(folded, &eight, sizeof eight);
}

void
wire_fold_name(const uint8_t *name, size_t length, uint8_t *folded)
{
	if (length >= 8) {
		for (size_t at = 0; at < length - 8; at += 8)
			copy_eight_folded(name + at, folded + at);
		copy_eight_folded(name + length - 8, folded + length - 8);
		return;
	}
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
