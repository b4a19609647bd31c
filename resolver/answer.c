#include "resolver/answer.h"

#include <string.h>

#define TTL_APEX 3600 /* of SOA, NS and the addresses of ns.<zone> */
#define OPTION_EXTENDED_ERROR 15

/* A reply under way: the writer, and the counts of its sections. */
struct reply {
	struct wire_writer writer;
	const struct question *question;
	const struct policy *policy;
	enum wire_rcode rcode;
	bool authoritative;
	uint16_t answers, authorities;
	enum wire_extended extended;
};

static uint16_t
pointer_to(size_t name_offset)
{
	return (uint16_t)(0xc000u | (WIRE_HEADER + name_offset));
}

static void
write_zone_name(struct reply *reply)
{
	wire_write_u16(&reply->writer, pointer_to(reply->question->zone_offset));
}

/* Everything of a record before its data; returns where the length must be patched in. */
static size_t
begin_record(struct reply *reply, size_t owner_offset, enum wire_type type, uint32_t ttl)
{
	struct wire_writer *writer = &reply->writer;

	wire_write_u16(writer, pointer_to(owner_offset));
	wire_write_u16(writer, (uint16_t)type);
	wire_write_u16(writer, reply->question->class == WIRE_CH ? WIRE_CH : WIRE_IN);
	wire_write_u32(writer, ttl);
	wire_write_u16(writer, 0);
	return writer->at;
}

static void
end_record(struct reply *reply, size_t data)
{
	wire_patch_u16(&reply->writer, data - 2, (uint16_t)(reply->writer.at - data));
}

static void
write_ns_name(struct reply *reply)
{
	wire_write_bytes(&reply->writer, "\2ns", 3);
	write_zone_name(reply);
}

/* `ttl` is the record's own and its MINIMUM: clients differ in which they use, RFC 2308 5. */
static void
write_soa(struct reply *reply, uint32_t ttl, uint32_t minimum)
{
	static const uint8_t hostmaster[] = "\12hostmaster";
	struct wire_writer *writer = &reply->writer;
	size_t data = begin_record(reply, reply->question->zone_offset, WIRE_SOA, ttl);

	write_ns_name(reply);
	if (reply->policy->hostmaster_length > 0) {
		wire_write_bytes(
		    writer, reply->policy->hostmaster, reply->policy->hostmaster_length);
	} else {
		wire_write_bytes(writer, hostmaster, sizeof hostmaster - 1);
		write_zone_name(reply);
	}
	wire_write_u32(writer, 1);
	wire_write_u32(writer, 3600);
	wire_write_u32(writer, 600);
	wire_write_u32(writer, 86400);
	wire_write_u32(writer, minimum);
	end_record(reply, data);
}

static void
write_negative(struct reply *reply, enum wire_rcode rcode, uint32_t ttl)
{
	reply->rcode = rcode;
	write_soa(reply, ttl, ttl);
	reply->authorities++;
}

static void
write_address(struct reply *reply, enum wire_type type, const void *octet, uint32_t ttl)
{
	size_t data = begin_record(reply, 0, type, ttl);

	wire_write_bytes(&reply->writer, octet, type == WIRE_A ? 4 : 16);
	end_record(reply, data);
	reply->answers++;
}

static void
write_text(struct reply *reply, const char *text, uint32_t ttl)
{
	size_t data = begin_record(reply, 0, WIRE_TXT, ttl), length = strlen(text);

	if (length > 255)
		length = 255;
	wire_write_u8(&reply->writer, (uint8_t)length);
	wire_write_bytes(&reply->writer, text, length);
	end_record(reply, data);
	reply->answers++;
}

static bool
asks_for(const struct question *question, enum wire_type type)
{
	return question->type == type || question->type == WIRE_ANY;
}

static void
write_apex(struct reply *reply)
{
	const struct policy_zone *zone = reply->question->zone;

	if (asks_for(reply->question, WIRE_SOA)) {
		write_soa(reply, TTL_APEX, zone->negative_ttl);
		reply->answers++;
	}
	if (asks_for(reply->question, WIRE_NS)) {
		size_t data = begin_record(reply, reply->question->zone_offset, WIRE_NS, TTL_APEX);

		write_ns_name(reply);
		end_record(reply, data);
		reply->answers++;
	}
	if (reply->answers == 0)
		write_negative(reply, WIRE_NOERROR, zone->negative_ttl);
}

static void
write_ns_addresses(struct reply *reply)
{
	const struct policy *policy = reply->policy;

	for (size_t i = 0; i < policy->addresses; i++) {
		bool ipv4 = policy->address[i].family == SUBJECT_IPV4;
		enum wire_type type = ipv4 ? WIRE_A : WIRE_AAAA;

		if (asks_for(reply->question, type))
			write_address(reply, type, policy->address[i].octet, TTL_APEX);
	}
	if (reply->answers == 0)
		write_negative(reply, WIRE_NOERROR, reply->question->zone->negative_ttl);
}

static void
write_listed(struct reply *reply, const struct verdict *verdict, const char *text)
{
	uint32_t negative_ttl = reply->question->zone->negative_ttl;
	uint8_t octet[4] = {(uint8_t)(verdict->address >> 24), (uint8_t)(verdict->address >> 16),
	    (uint8_t)(verdict->address >> 8), (uint8_t)verdict->address};

	if (asks_for(reply->question, WIRE_A))
		write_address(reply, WIRE_A, octet, verdict->ttl);
	if (asks_for(reply->question, WIRE_TXT))
		write_text(reply, text, verdict->ttl);
	if (reply->answers == 0)
		write_negative(
		    reply, WIRE_NOERROR, verdict->ttl < negative_ttl ? verdict->ttl : negative_ttl);
}

static void
write_verdict(struct reply *reply, const struct verdict *verdict, const char *text)
{
	switch (verdict->state) {
	case VERDICT_LISTED:
	case VERDICT_SUBSTITUTE:
		write_listed(reply, verdict, text);
		break;
	case VERDICT_CLEAR:
		write_negative(reply,
		    subject_is_ipv6_tail(&reply->question->subject) ? WIRE_NOERROR : WIRE_NXDOMAIN,
		    verdict->ttl);
		break;
	case VERDICT_OPEN:
	case VERDICT_DEFERRED:
		reply->rcode = WIRE_SERVFAIL;
		reply->extended = WIRE_EDE_NO_REACHABLE;
		break;
	}
}

static void
write_chaos(struct reply *reply)
{
	if (asks_for(reply->question, WIRE_TXT))
		write_text(reply, "tally " TALLY_VERSION, 0);
	reply->authoritative = true;
}

static void
write_body(struct reply *reply, const struct verdict *verdict, const char *text)
{
	const struct question *question = reply->question;

	reply->authoritative = true;
	switch (question->about) {
	case QUESTION_DROP:
		break;
	case QUESTION_ERROR:
		reply->authoritative = false;
		reply->rcode = question->rcode;
		reply->extended = question->extended;
		break;
	case QUESTION_CHAOS:
		write_chaos(reply);
		break;
	case QUESTION_APEX:
		write_apex(reply);
		break;
	case QUESTION_NS:
		write_ns_addresses(reply);
		break;
	case QUESTION_SUBJECT:
		write_verdict(reply, verdict, text);
		break;
	case QUESTION_PART:
		write_negative(reply, WIRE_NOERROR, question->zone->negative_ttl);
		break;
	case QUESTION_NOTHING:
		write_negative(reply, WIRE_NXDOMAIN, question->zone->negative_ttl);
		break;
	}
}

/* RFC 6891 6.1.2; the extended error RFC 8914 2. */
static void
write_edns(struct reply *reply)
{
	struct wire_writer *writer = &reply->writer;
	bool explains = reply->extended != WIRE_EDE_NONE;

	wire_write_u8(writer, 0);
	wire_write_u16(writer, WIRE_OPT);
	wire_write_u16(writer, QUESTION_UDP_SIZE);
	wire_write_u8(writer, (uint8_t)((unsigned)reply->rcode >> 4));
	wire_write_u8(writer, 0);
	wire_write_u16(writer, reply->question->dnssec_ok ? 0x8000 : 0);
	wire_write_u16(writer, explains ? 6 : 0);
	if (explains) {
		wire_write_u16(writer, OPTION_EXTENDED_ERROR);
		wire_write_u16(writer, 2);
		wire_write_u16(writer, (uint16_t)reply->extended);
	}
}

static void
write_question(struct reply *reply)
{
	const struct question *question = reply->question;

	wire_write_bytes(&reply->writer, question->name, question->name_length);
	wire_write_u16(&reply->writer, question->type);
	wire_write_u16(&reply->writer, question->class);
}

/* Other opcodes and broken questions get the header alone. */
static bool
echoes_question(const struct question *question)
{
	return question->has_name &&
	       !(question->about == QUESTION_ERROR &&
		   (question->rcode == WIRE_FORMERR || question->rcode == WIRE_NOTIMP));
}

static void
patch_header(struct reply *reply, bool echo, bool truncated)
{
	const struct question *question = reply->question;
	unsigned flags = WIRE_QR | (unsigned)question->opcode << 11 | ((unsigned)reply->rcode & 15);

	if (reply->authoritative)
		flags |= WIRE_AA;
	if (truncated)
		flags |= WIRE_TC;
	if (question->recursion_desired && question->opcode == 0)
		flags |= WIRE_RD;
	wire_patch_u16(&reply->writer, 0, question->id);
	wire_patch_u16(&reply->writer, 2, (uint16_t)flags);
	wire_patch_u16(&reply->writer, 4, echo);
	wire_patch_u16(&reply->writer, 6, reply->answers);
	wire_patch_u16(&reply->writer, 8, reply->authorities);
	wire_patch_u16(&reply->writer, 10, question->edns);
}

size_t
answer_write(const struct question *question, const struct policy *policy,
    const struct verdict *verdict, const char *text, uint8_t *out, size_t size)
{
	static const uint8_t header[WIRE_HEADER];
	struct reply reply = {.question = question, .policy = policy, .extended = WIRE_EDE_NONE};
	bool echo = echoes_question(question), truncated;
	size_t body;

	if (question->about == QUESTION_DROP)
		return 0;
	wire_writer_init(&reply.writer, out, size);
	wire_write_bytes(&reply.writer, header, sizeof header);
	if (echo)
		write_question(&reply);
	body = reply.writer.at;
	write_body(&reply, verdict, text);
	if (question->edns)
		write_edns(&reply);
	truncated = reply.writer.failed;
	if (truncated) {
		reply.writer.failed = false;
		reply.writer.at = body;
		reply.answers = reply.authorities = 0;
		if (question->edns)
			write_edns(&reply);
	}
	patch_header(&reply, echo, truncated);
	return reply.writer.failed ? 0 : reply.writer.at;
}
