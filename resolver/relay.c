#include "resolver/relay.h"

#include <stdio.h>
#include <string.h>

#include "resolver/frame.h"

#define NAMES_MAX 32
#define LOOKS_MAX 4096 /* comparisons of names in one reply: compression must not cost more */
#define TTL_MADE_UP 3600
#define POINTERS_MAX 0x4000 /* RFC 1035 4.1.4: 14 bits */

/* A name that was written: the first `literal` bytes of it as they are, at `at`. */
struct written {
	uint8_t name[WIRE_NAME_MAX];
	size_t length, literal, at;
};

/* A reply under way. */
struct relay {
	struct frame frame;
	struct wire_reader reader;
	struct written written[NAMES_MAX];
	unsigned names, looks;
	uint8_t owner[WIRE_NAME_MAX]; /* of the record in hand */
	size_t owner_length;
};

uint16_t
relay_type(const struct question *question)
{
	return question->type == WIRE_ANY ? WIRE_A : question->type;
}

void
relay_name(const struct question *question, char *text)
{
	uint8_t name[WIRE_NAME_MAX];
	size_t at = 0;

	wire_fold_name(question->name, question->name_length, name);
	if (name[0] == 0)
		*text++ = '.';
	while (name[at] != 0) {
		size_t end = at + 1 + name[at];

		for (at++; at < end; at++) {
			bool plain = (name[at] >= 'a' && name[at] <= 'z') ||
				     (name[at] >= '0' && name[at] <= '9') || name[at] == '-' ||
				     name[at] == '_';

			if (plain)
				*text++ = (char)name[at];
			else
				text += snprintf(text, 5, "\\%03u", name[at]);
		}
		*text++ = '.';
	}
	*text = '\0';
}

static bool
same_name(const uint8_t *a, size_t length_a, const uint8_t *b, size_t length_b)
{
	uint8_t folded_a[WIRE_NAME_MAX], folded_b[WIRE_NAME_MAX];

	if (length_a != length_b)
		return false;
	wire_fold_name(a, length_a, folded_a);
	wire_fold_name(b, length_b, folded_b);
	return memcmp(folded_a, folded_b, length_a) == 0;
}

/* --- names out ------------------------------------------------------------------------------- */

/* A name as bytes that somebody else keeps. */
struct bytes {
	const uint8_t *start;
	size_t length;
};

static struct bytes
without_first_label(struct bytes name)
{
	size_t label = 1u + name.start[0];

	return (struct bytes){name.start + label, name.length - label};
}

/* Are they the same? Not when names have been compared too often for this reply. */
static bool
may_share(struct relay *relay, struct bytes a, struct bytes b)
{
	if (a.length != b.length || relay->looks == LOOKS_MAX)
		return false;
	relay->looks++;
	return same_name(a.start, a.length, b.start, b.length);
}

/*
 * The longest end of a name that stands in `written` already, where a pointer may lead: how long
 * it is, with *target where it stands; 0 when there is none.
 */
static size_t
common_end(struct relay *relay, const struct written *written, struct bytes name, size_t *target)
{
	struct bytes theirs = {written->name, written->length};

	while (name.length > 1 && written->length - theirs.length < written->literal) {
		size_t left = name.length, left_theirs = theirs.length;

		if (may_share(relay, name, theirs)) {
			*target = written->at + written->length - theirs.length;
			return name.length;
		}
		if (left >= left_theirs)
			name = without_first_label(name);
		if (left <= left_theirs)
			theirs = without_first_label(theirs);
	}
	return 0;
}

static void
remember_name(struct relay *relay, const uint8_t *name, size_t length, size_t literal, size_t at)
{
	struct written *written = &relay->written[relay->names];

	if (relay->names == NAMES_MAX || at + literal > POINTERS_MAX || literal < 2)
		return;
	memcpy(written->name, name, length);
	written->length = length;
	written->literal = literal;
	written->at = at;
	relay->names++;
}

static void
write_name(struct relay *relay, const uint8_t *name, size_t length)
{
	struct wire_writer *writer = &relay->frame.writer;
	size_t shared = 0, target = 0, at = writer->at, literal;

	for (unsigned i = 0; i < relay->names; i++) {
		size_t where = 0, end = common_end(relay, &relay->written[i],
				      (struct bytes){name, length}, &where);

		if (end > shared) {
			shared = end;
			target = where;
		}
	}
	literal = length - shared;
	wire_write_bytes(writer, name, literal);
	if (shared > 0)
		wire_write_u16(writer, (uint16_t)(0xc000u | target));
	remember_name(relay, name, length, literal, at);
}

/* --- records --------------------------------------------------------------------------------- */

/* The names in the data of a type that may be compressed: RFC 1035 3.3, and no other (RFC 3597). */
struct layout {
	uint16_t type;
	uint8_t before, names; /* bytes, then names, then the rest as it is */
};

static const struct layout layouts[] = {
    {2, 0, 1},  /* NS */
    {3, 0, 1},  /* MD */
    {4, 0, 1},  /* MF */
    {5, 0, 1},  /* CNAME */
    {6, 0, 2},  /* SOA */
    {7, 0, 1},  /* MB */
    {8, 0, 1},  /* MG */
    {9, 0, 1},  /* MR */
    {12, 0, 1}, /* PTR */
    {14, 0, 2}, /* MINFO */
    {15, 2, 1}, /* MX */
};

static const struct layout *
layout_of(uint16_t type)
{
	static const struct layout opaque;

	for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
		if (layouts[i].type == type)
			return &layouts[i];
	return &opaque;
}

static void
copy_bytes(struct relay *relay, size_t length)
{
	const uint8_t *bytes = relay->reader.start + relay->reader.at;

	wire_skip(&relay->reader, length);
	if (!relay->reader.failed)
		wire_write_bytes(&relay->frame.writer, bytes, length);
}

static void
copy_data(struct relay *relay, const struct wire_record *record)
{
	const struct layout *layout = layout_of(record->type);
	size_t end = relay->reader.at + record->length;
	uint8_t name[WIRE_NAME_MAX];

	copy_bytes(relay, layout->before);
	for (unsigned i = 0; i < layout->names; i++) {
		size_t length = wire_read_name(&relay->reader, name);

		if (length > 0)
			write_name(relay, name, length);
	}
	if (relay->reader.at > end)
		relay->reader.failed = true;
	else
		copy_bytes(relay, end - relay->reader.at);
}

static void
write_record(struct relay *relay, const struct wire_record *record)
{
	struct wire_writer *writer = &relay->frame.writer;
	size_t data;

	write_name(relay, relay->owner, relay->owner_length);
	wire_write_u16(writer, record->type);
	wire_write_u16(writer, record->class);
	wire_write_u32(writer, wire_ttl(record->ttl));
	wire_write_u16(writer, 0);
	data = writer->at;
	copy_data(relay, record);
	if (!writer->failed)
		wire_patch_u16(writer, data - 2, (uint16_t)(writer->at - data));
}

enum section { ANSWER, AUTHORITY, ADDITIONAL };

static bool
is_of_dnssec(uint16_t type)
{
	static const uint16_t types[] = {24 /* SIG */, 25 /* KEY */, 30 /* NXT */, 43 /* DS */,
	    WIRE_RRSIG, 47 /* NSEC */, 48 /* DNSKEY */, 50 /* NSEC3 */, 51 /* NSEC3PARAM */};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (types[i] == type)
			return true;
	return false;
}

static bool
is_wanted(const struct relay *relay, const struct wire_record *record, enum section section)
{
	const struct question *question = relay->frame.question;

	if (record->type == WIRE_OPT || record->class != WIRE_IN)
		return false;
	if (question->type == WIRE_ANY && section == ANSWER)
		return (record->type == WIRE_A || record->type == WIRE_CNAME ||
			   (record->type == WIRE_RRSIG && question->dnssec_ok)) &&
		       same_name(relay->owner, relay->owner_length, question->name,
			   question->name_length);
	if (!is_of_dnssec(record->type) || question->dnssec_ok)
		return true;
	return section == ANSWER && record->type == question->type;
}

/* Returns how many records of the section were written. */
static uint16_t
copy_section(struct relay *relay, unsigned records, enum section section)
{
	uint16_t copied = 0;

	for (; records > 0 && !relay->reader.failed; records--) {
		struct wire_reader owner = relay->reader;
		struct wire_record record;

		relay->owner_length = wire_read_name(&owner, relay->owner);
		wire_read_record(&relay->reader, &record);
		if (owner.failed || relay->reader.failed) {
			relay->reader.failed = true;
		} else if (is_wanted(relay, &record, section)) {
			write_record(relay, &record);
			copied++;
		} else {
			wire_skip(&relay->reader, record.length);
		}
	}
	return copied;
}

static void
write_made_up(struct relay *relay)
{
	static const uint8_t data[] = "\7RFC8482";
	struct wire_writer *writer = &relay->frame.writer;
	const struct question *question = relay->frame.question;

	write_name(relay, question->name, question->name_length);
	wire_write_u16(writer, WIRE_HINFO);
	wire_write_u16(writer, WIRE_IN);
	wire_write_u32(writer, TTL_MADE_UP);
	wire_write_u16(writer, sizeof data);
	wire_write_bytes(writer, data, sizeof data); /* the second string is empty */
	relay->frame.answers++;
}

/* Additional records are left out, all of them, sooner than the reply truncated: RFC 2181 9. */
static void
copy_additional(struct relay *relay, unsigned records)
{
	struct frame *frame = &relay->frame;
	size_t before = frame->writer.at;

	if (!frame_fits(frame))
		return;
	frame->additional = copy_section(relay, records, ADDITIONAL);
	if (frame_fits(frame))
		return;
	frame->writer.at = before;
	frame->writer.failed = false;
	frame->additional = 0;
}

/* Header and question; false when this is no answer to our question. */
static bool
read_head(struct relay *relay, uint16_t count[3])
{
	struct wire_reader *reader = &relay->reader;
	const struct question *question = relay->frame.question;
	uint8_t name[WIRE_NAME_MAX];
	uint16_t flags, questions;
	size_t length;

	wire_skip(reader, 2);
	flags = wire_read_u16(reader);
	questions = wire_read_u16(reader);
	for (unsigned i = 0; i < 3; i++)
		count[i] = wire_read_u16(reader);
	length = wire_read_name(reader, name);
	if (wire_read_u16(reader) != relay_type(question) || wire_read_u16(reader) != WIRE_IN)
		return false;
	relay->frame.rcode = flags & 15;
	relay->frame.authoritative = (flags & WIRE_AA) != 0;
	return !reader->failed && questions == 1 && (flags & (WIRE_QR | WIRE_TC)) == WIRE_QR &&
	       same_name(name, length, question->name, question->name_length) &&
	       (relay->frame.rcode == WIRE_NOERROR || relay->frame.rcode == WIRE_NXDOMAIN ||
		   relay->frame.rcode == WIRE_YXDOMAIN);
}

static bool
copy_records(struct relay *relay, const uint16_t count[3])
{
	struct frame *frame = &relay->frame;
	bool any = frame->question->type == WIRE_ANY && frame->rcode == WIRE_NOERROR;

	frame->answers = copy_section(relay, count[ANSWER], ANSWER);
	if (relay->reader.failed)
		return false;
	if (any) {
		if (frame->answers == 0)
			write_made_up(relay);
		return true;
	}
	frame->authorities = copy_section(relay, count[AUTHORITY], AUTHORITY);
	copy_additional(relay, count[ADDITIONAL]);
	return !relay->reader.failed;
}

size_t
relay_write(const struct question *question, const uint8_t *packet, size_t length, bool secure,
    uint8_t *out, size_t size)
{
	struct relay relay;
	uint16_t count[3];

	relay.names = relay.looks = 0;
	frame_begin(&relay.frame, question, out, size);
	wire_reader_init(&relay.reader, packet, length);
	if (relay.frame.writer.failed || !read_head(&relay, count))
		return 0;
	/* RFC 6840 5.7 and 5.8 */
	relay.frame.authentic = secure && question->type != WIRE_ANY &&
				(question->dnssec_ok || (question->flags & WIRE_AD) != 0);
	remember_name(
	    &relay, question->name, question->name_length, question->name_length, WIRE_HEADER);
	return copy_records(&relay, count) ? frame_end(&relay.frame) : 0;
}
