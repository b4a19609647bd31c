#include "resolver/question.h"

#include <string.h>

#define OPCODE_QUERY 0
#define OPTION_COOKIE 10

/*
 * RFC 7873 5.2: a cookie option has 8, or 16 to 40 bytes, and only the first is looked at. Cookies
 * are not used, and no other options are.
 */
static bool
good_options(const uint8_t *start, size_t length)
{
	struct wire_reader reader;
	bool cookie = false;

	wire_reader_init(&reader, start, length);
	while (reader.at < length && !reader.failed) {
		uint16_t code = wire_read_u16(&reader), size = wire_read_u16(&reader);

		wire_skip(&reader, size);
		if (code != OPTION_COOKIE || cookie)
			continue;
		cookie = true;
		if (size != 8 && (size < 16 || size > 40))
			return false;
	}
	return !reader.failed;
}

static void
read_edns(struct question *question, const struct wire_record *record, const uint8_t *options)
{
	if (question->edns || !record->owner_is_root || !good_options(options, record->length)) {
		question_refuse(question, WIRE_FORMERR, WIRE_EDE_NONE);
		return;
	}
	question->edns = true;
	question->dnssec_ok = (record->ttl & 0x8000) != 0;
	question->udp_size = record->class;
	if (question->udp_size < 512)
		question->udp_size = 512;
	if (question->udp_size > QUESTION_UDP_SIZE)
		question->udp_size = QUESTION_UDP_SIZE;
	if ((record->ttl >> 16 & 0xff) != 0)
		question_refuse(question, WIRE_BADVERS, WIRE_EDE_NONE);
}

static void
read_additional(struct question *question, struct wire_reader *reader, unsigned records)
{
	for (; records > 0 && !reader->failed; records--) {
		struct wire_record record;
		const uint8_t *data;

		wire_read_record(reader, &record);
		data = reader->start + reader->at;
		wire_skip(reader, record.length);
		if (!reader->failed && record.type == WIRE_OPT)
			read_edns(question, &record, data);
	}
}

static void
read_name(struct question *question, struct wire_reader *reader)
{
	question->name = reader->start + reader->at;
	question->name_length = (uint8_t)wire_read_plain_name(reader);
	question->type = wire_read_u16(reader);
	question->class = wire_read_u16(reader);
	question->has_name = !reader->failed;
}

void
question_read(struct question *question, const uint8_t *packet, size_t length)
{
	/* QDCOUNT 1 (RFC 9619), ANCOUNT and NSCOUNT 0 */
	static const uint8_t one_question[] = {0, 1, 0, 0, 0, 0};
	struct wire_reader reader;
	const uint8_t *header;
	uint16_t flags;

	memset(question, 0, sizeof *question);
	question->udp_size = 512;
	question->extended = WIRE_EDE_NONE;
	question->about = QUESTION_DROP;
	wire_reader_init(&reader, packet, length);
	header = wire_take(&reader, WIRE_HEADER);
	if (header == NULL)
		return;
	question->id = wire_get_u16(header);
	flags = wire_get_u16(header + 2);
	if ((flags & WIRE_QR) != 0)
		return;
	question->opcode = flags >> 11 & 15;
	question->recursion_desired = (flags & WIRE_RD) != 0;
	question->authentic_data = (flags & WIRE_AD) != 0;
	question->checking_disabled = (flags & WIRE_CD) != 0;
	if (question->opcode != OPCODE_QUERY) {
		question_refuse(question, WIRE_NOTIMP, WIRE_EDE_NONE);
		return;
	}
	question->about = QUESTION_NOTHING;
	if (memcmp(header + 4, one_question, sizeof one_question) != 0)
		reader.failed = true;
	read_name(question, &reader);
	read_additional(question, &reader, wire_get_u16(header + 10));
	if (reader.failed || reader.at != length) {
		question->edns = false;
		question_refuse(question, WIRE_FORMERR, WIRE_EDE_NONE);
	}
}

void
question_refuse(struct question *question, enum wire_rcode rcode, enum wire_extended extended)
{
	/* the first complaint stands: FORMERR is not mended by BADVERS */
	if (question->about == QUESTION_ERROR && question->rcode == WIRE_FORMERR)
		return;
	question->about = QUESTION_ERROR;
	question->rcode = rcode;
	question->extended = extended;
}

static void
place_chaos(struct question *question, const uint8_t *name)
{
	static const uint8_t bind[] = "\7version\4bind", server[] = "\7version\6server";

	if ((question->name_length == sizeof bind && memcmp(name, bind, sizeof bind) == 0) ||
	    (question->name_length == sizeof server && memcmp(name, server, sizeof server) == 0))
		question->about = QUESTION_CHAOS;
	else
		question_refuse(question, WIRE_REFUSED, WIRE_EDE_NOT_AUTHORITATIVE);
}

/* Does a zone lie below this name, so that it exists without records? */
static bool
is_above_a_zone(const struct policy *policy, const uint8_t *name, size_t length)
{
	for (size_t i = 0; i < policy->zones; i++) {
		const struct policy_zone *zone = policy->zone[i];
		size_t at = 0;

		while (zone->wire_length - at > length)
			at += 1u + zone->wire[at];
		if (zone->wire_length - at == length && memcmp(zone->wire + at, name, length) == 0)
			return true;
	}
	return false;
}

static enum question_about
about_name(const struct question *question, const struct policy *policy, const uint8_t *name,
    struct subject *subject)
{
	static const uint8_t ns[] = {2, 'n', 's'};
	size_t labels = question->zone_offset;

	if (labels == 0)
		return QUESTION_APEX;
	if (labels == sizeof ns && memcmp(name, ns, sizeof ns) == 0)
		return QUESTION_NS;
	switch (subject_from_labels(name, labels, subject)) {
	case SUBJECT_NAME_WHOLE:
		return QUESTION_SUBJECT;
	case SUBJECT_NAME_PART:
		return QUESTION_PART;
	case SUBJECT_NAME_NONE:
		break;
	}
	return is_above_a_zone(policy, name, question->name_length) ? QUESTION_PART
								    : QUESTION_NOTHING;
}

/* Types that are of no record are not for a resolver to find; ANY is. */
static void
place_elsewhere(struct question *question)
{
	question->about = QUESTION_ELSEWHERE;
	if (question->type == WIRE_AXFR || question->type == WIRE_IXFR)
		question_refuse(question, WIRE_REFUSED, WIRE_EDE_PROHIBITED);
	else if (question->type == WIRE_OPT ||
		 (question->type >= WIRE_META_FIRST && question->type < WIRE_ANY))
		question_refuse(question, WIRE_FORMERR, WIRE_EDE_NONE);
}

void
question_place(struct question *question, const struct policy *policy)
{
	uint8_t name[WIRE_NAME_MAX];

	wire_fold_name(question->name, question->name_length, name);
	question->recursion_available = policy->recursion;
	if (question->class == WIRE_CH) {
		place_chaos(question, name);
		return;
	}
	question->zone =
	    policy_zone_of_name(policy, name, question->name_length, &question->zone_offset);
	if (question->zone == NULL && question->class == WIRE_IN && policy->recursion &&
	    question->recursion_desired) {
		place_elsewhere(question);
		return;
	}
	if (question->zone == NULL ||
	    (question->class != WIRE_IN && question->class != WIRE_CLASS_ANY)) {
		question_refuse(question, WIRE_REFUSED, WIRE_EDE_NOT_AUTHORITATIVE);
		return;
	}
	if (question->type == WIRE_AXFR || question->type == WIRE_IXFR) {
		question_refuse(question, WIRE_REFUSED, WIRE_EDE_PROHIBITED);
		return;
	}
	question->about = about_name(question, policy, name, &question->subject);
}
