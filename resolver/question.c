#include "resolver/question.h"

#include <string.h>

#define OPTION_COOKIE 10
#define ONE_QUESTION UINT64_C(0x000100000000) /* QDCOUNT 1 (RFC 9619), ANCOUNT and NSCOUNT 0 */

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

__attribute__((noinline)) static void
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

/* The records behind the question, to the end of the packet; false when they are not that. */
__attribute__((noinline)) static bool
read_additional(struct question *question, struct wire_reader reader, unsigned records)
{
	for (; records > 0 && !reader.failed; records--) {
		struct wire_record record;
		const uint8_t *data;

		wire_read_record(&reader, &record);
		data = reader.start + reader.at;
		wire_skip(&reader, record.length);
		if (!reader.failed && record.type == WIRE_OPT)
			read_edns(question, &record, data);
	}
	return !reader.failed && reader.at == reader.length;
}

static inline bool
is_zone_here(const struct wire_reader *reader, const struct policy_zone *zone)
{
	return reader->length - reader->at >= zone->wire_length &&
	       name_identical(reader->start + reader->at, zone->wire, zone->wire_length);
}

/*
 * Step over what follows an address in front, and return its length. Where it is the first zone,
 * letter by letter, nobody needs to look at the labels: *known is that zone.
 */
static inline size_t
read_rest(struct wire_reader *reader, const struct policy *policy, const struct policy_zone **known)
{
	if (policy == NULL || policy->zones == 0 || !is_zone_here(reader, policy->zone[0]))
		return wire_read_plain_name(reader);
	*known = policy->zone[0];
	reader->at += (*known)->wire_length;
	return (*known)->wire_length;
}

static inline void
read_name(struct question *question, struct wire_reader *reader, const struct policy *policy,
    const struct policy_zone **known)
{
	const uint8_t *name = reader->start + reader->at, *rest;
	size_t left = reader->length - reader->at, length;

	question->front = (uint8_t)subject_from_front(name, left, &question->subject);
	reader->at += question->front;
	length = question->front + read_rest(reader, policy, known);
	rest = wire_take(reader, 4);
	if (rest == NULL || length > WIRE_NAME_MAX) {
		reader->failed = true;
		return;
	}
	question->has_name = true;
	question->name = name;
	question->name_length = (uint8_t)length;
	question->type = wire_get_u16(rest);
	question->class = wire_get_u16(rest + 2);
}

/* Returns the zone of `policy`, which may be NULL, that was known at sight; NULL without one. */
static inline const struct policy_zone *
read_packet(
    struct question *question, const struct policy *policy, const uint8_t *packet, size_t length)
{
	struct wire_reader reader = {.start = packet, .length = length, .at = WIRE_HEADER};
	const struct policy_zone *known = NULL;
	uint64_t counts;

	*question =
	    (struct question){.udp_size = 512, .extended = WIRE_EDE_NONE, .about = QUESTION_DROP};
	if (length < WIRE_HEADER)
		return NULL;
	question->id = wire_get_u16(packet);
	question->flags = wire_get_u16(packet + 2);
	if ((question->flags & WIRE_QR) != 0)
		return NULL;
	if ((question->flags & WIRE_OPCODE) != 0) {
		question_refuse(question, WIRE_NOTIMP, WIRE_EDE_NONE);
		return NULL;
	}
	question->about = QUESTION_NOTHING;
	counts = wire_get_u64(packet + 4);
	reader.failed = counts >> 16 != ONE_QUESTION;
	read_name(question, &reader, policy, &known);
	if ((uint16_t)counts == 0 ? reader.failed || reader.at != length
				  : !read_additional(question, reader, (uint16_t)counts)) {
		question->edns = false;
		question_refuse(question, WIRE_FORMERR, WIRE_EDE_NONE);
	}
	return known;
}

void
question_read(struct question *question, const uint8_t *packet, size_t length)
{
	(void)read_packet(question, NULL, packet, length);
}

void
question_refuse(struct question *question, enum wire_rcode rcode, enum wire_extended extended)
{
	/* the first complaint stands: FORMERR is not mended by BADVERS */
	if (question->about == QUESTION_ERROR && question->rcode == WIRE_FORMERR)
		return;
	question->about = QUESTION_ERROR;
	question->has_name = question->has_name && rcode != WIRE_FORMERR;
	question->rcode = rcode;
	question->extended = extended;
}

static bool
asks_for_name(const struct question *question, const uint8_t *name, size_t length)
{
	return question->name_length == length && name_same(question->name, name, length);
}

__attribute__((noinline)) static void
place_chaos(struct question *question)
{
	static const uint8_t bind[] = "\7version\4bind", server[] = "\7version\6server";

	if (asks_for_name(question, bind, sizeof bind) ||
	    asks_for_name(question, server, sizeof server))
		question->about = QUESTION_CHAOS;
	else
		question_refuse(question, WIRE_REFUSED, WIRE_EDE_NOT_AUTHORITATIVE);
}

/* Does a zone lie below this name, so that it exists without records? */
__attribute__((noinline)) static bool
is_above_a_zone(const struct policy *policy, const struct question *question)
{
	for (size_t i = 0; i < policy->zones; i++) {
		const struct policy_zone *zone = policy->zone[i];
		size_t at = 0;

		while (zone->wire_length - at > question->name_length)
			at += 1u + zone->wire[at];
		if (asks_for_name(question, zone->wire + at, zone->wire_length - at))
			return true;
	}
	return false;
}

static inline enum question_about
about_name(const struct question *question, const struct policy *policy, struct subject *subject)
{
	static const uint8_t ns[] = {2, 'n', 's'};
	size_t labels = question->zone_offset;

	if (labels == 0)
		return QUESTION_APEX;
	if (labels == question->front)
		return QUESTION_SUBJECT;
	if (labels == sizeof ns && name_same(question->name, ns, sizeof ns))
		return QUESTION_NS;
	switch (subject_from_labels(question->name, labels, subject)) {
	case SUBJECT_NAME_WHOLE:
		return QUESTION_SUBJECT;
	case SUBJECT_NAME_PART:
		return QUESTION_PART;
	case SUBJECT_NAME_NONE:
		break;
	}
	return is_above_a_zone(policy, question) ? QUESTION_PART : QUESTION_NOTHING;
}

/* Types that are of no record are not for a resolver to find; ANY is. */
__attribute__((noinline)) static void
place_elsewhere(struct question *question)
{
	question->about = QUESTION_ELSEWHERE;
	if (question->type == WIRE_AXFR || question->type == WIRE_IXFR)
		question_refuse(question, WIRE_REFUSED, WIRE_EDE_PROHIBITED);
	else if (question->type == WIRE_OPT ||
		 (question->type >= WIRE_META_FIRST && question->type < WIRE_ANY))
		question_refuse(question, WIRE_FORMERR, WIRE_EDE_NONE);
}

/* A zone under another has no label in front of that one which could be of an address. */
__attribute__((noinline)) static void
find_zone(struct question *question, const struct policy *policy)
{
	size_t front = question->front, offset = front;

	question->zone = front == 0 ? NULL
				    : policy_zone_named(policy, question->name + front,
					  question->name_length - front);
	if (question->zone == NULL)
		question->zone =
		    policy_zone_of_name(policy, question->name, question->name_length, &offset);
	question->zone_offset = (uint8_t)offset;
}

static inline void
place(struct question *question, const struct policy *policy, const struct policy_zone *known)
{
	question->recursion_available = policy->recursion;
	if (question->class == WIRE_CH) {
		place_chaos(question);
		return;
	}
	if (known == NULL) {
		find_zone(question, policy);
	} else {
		question->zone = known;
		question->zone_offset = question->front;
	}
	if (question->zone == NULL && question->class == WIRE_IN && policy->recursion &&
	    (question->flags & WIRE_RD) != 0) {
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
	question->about = about_name(question, policy, &question->subject);
	if (question->about == QUESTION_SUBJECT)
		question->front = question->zone_offset; /* it may be placed again */
}

void
question_place(struct question *question, const struct policy *policy)
{
	place(question, policy, NULL);
}

void
question_take(
    struct question *question, const struct policy *policy, const uint8_t *packet, size_t length)
{
	const struct policy_zone *known = read_packet(question, policy, packet, length);

	if (question->about == QUESTION_NOTHING)
		place(question, policy, known);
}
