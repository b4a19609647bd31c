#include "resolver/reply.h"

#include <string.h>

#include "resolver/wire.h"

static void
lower_ttl(struct reply_answer *answer, uint32_t ttl)
{
	if (!answer->has_ttl || ttl < answer->ttl)
		answer->ttl = ttl;
	answer->has_ttl = true;
}

static void
read_address(struct reply_answer *answer, struct wire_reader *reader, uint16_t length)
{
	uint32_t address = wire_read_u32(reader);

	if (length == 4 && address >> 24 != 127)
		answer->said = EVIDENCE_FOREIGN;
	else if (length != 4 || !answers_add(&answer->answers, address))
		reader->failed = true; /* an error code could be among what is left out */
}

/* An A or CNAME record of the answer section. */
static void
read_answer(struct reply_answer *answer, struct wire_reader *reader)
{
	struct wire_record record;
	size_t data;

	wire_read_record(reader, &record);
	data = reader->at;
	if (reader->failed || record.class != WIRE_IN ||
	    (record.type != WIRE_A && record.type != WIRE_CNAME)) {
		wire_skip(reader, record.length);
		return;
	}
	lower_ttl(answer, wire_ttl(record.ttl));
	if (record.type == WIRE_A)
		read_address(answer, reader, record.length);
	if (!reader->failed)
		reader->at = data + record.length;
}

/* The SOA of the authority section; other records are stepped over. */
static void
read_authority(struct reply_answer *answer, struct wire_reader *reader)
{
	struct wire_record record;
	size_t data;

	wire_read_record(reader, &record);
	data = reader->at;
	if (!reader->failed && record.type == WIRE_SOA && record.class == WIRE_IN) {
		wire_skip_name(reader);
		wire_skip_name(reader);
		wire_skip(reader, 16);
		answer->soa_ttl = wire_ttl(record.ttl);
		answer->soa_minimum = wire_ttl(wire_read_u32(reader));
		lower_ttl(answer, answer->soa_ttl);
		lower_ttl(answer, answer->soa_minimum);
		if (reader->at != data + record.length)
			reader->failed = true;
	}
	if (!reader->failed) {
		reader->at = data;
		wire_skip(reader, record.length);
	}
}

static void
read_sections(struct reply_answer *answer, struct wire_reader *reader)
{
	uint16_t questions = wire_read_u16(reader), answers = wire_read_u16(reader);
	uint16_t authorities = wire_read_u16(reader);

	wire_skip(reader, 2);
	for (; questions > 0 && !reader->failed; questions--) {
		wire_skip_name(reader);
		wire_skip(reader, 4);
	}
	for (; answers > 0 && !reader->failed; answers--)
		read_answer(answer, reader);
	if (answer->answers.count > 0)
		return; /* a positive answer: the authority says nothing of its TTL */
	for (; authorities > 0 && !reader->failed; authorities--)
		read_authority(answer, reader);
}

void
reply_read(struct reply_answer *answer, const uint8_t *packet, size_t length)
{
	struct wire_reader reader;
	uint16_t flags;
	enum wire_rcode rcode;

	memset(answer, 0, sizeof *answer);
	answer->said = EVIDENCE_CLEAR;
	wire_reader_init(&reader, packet, length);
	wire_skip(&reader, 2);
	flags = wire_read_u16(&reader);
	rcode = flags & 15;
	if (!reader.failed && rcode != WIRE_NOERROR && rcode != WIRE_NXDOMAIN) {
		answer->said = EVIDENCE_FAILED;
		return;
	}
	read_sections(answer, &reader);
	if (reader.failed || (flags & WIRE_QR) == 0)
		answer->said = EVIDENCE_MALFORMED;
	else if (rcode == WIRE_NXDOMAIN)
		answer->said = EVIDENCE_CLEAR;
	else if (answer->said == EVIDENCE_CLEAR && answer->answers.count > 0)
		answer->said = EVIDENCE_ANSWERS;
}
