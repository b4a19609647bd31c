#include "resolver/answer.h"

#include <string.h>

#include "resolver/frame.h"

#define TTL_APEX 3600 /* of SOA, NS and the addresses of ns.<zone> */

struct reply {
	struct frame frame;
	const struct policy *policy;
};

static uint16_t
pointer_to(size_t name_offset)
{
	return (uint16_t)(0xc000u | (WIRE_HEADER + name_offset));
}

static void
write_zone_name(struct reply *reply)
{
	wire_write_u16(&reply->frame.writer, pointer_to(reply->frame.question->zone_offset));
}

#define RECORD_HEAD 12 /* bytes before the data of a record whose owner is a pointer */

static void
put_record_head(const struct reply *reply, size_t owner_offset, enum wire_type type, uint32_t ttl,
    uint8_t *head)
{
	wire_put_u16(head, pointer_to(owner_offset));
	wire_put_u16(head + 2, (uint16_t)type);
	wire_put_u16(head + 4, reply->frame.question->class == WIRE_CH ? WIRE_CH : WIRE_IN);
	wire_put_u32(head + 6, ttl);
	wire_put_u16(head + 10, 0);
}

/* Everything of a record before its data; returns where the length must be patched in. */
static size_t
begin_record(struct reply *reply, size_t owner_offset, enum wire_type type, uint32_t ttl)
{
	uint8_t *head = wire_make_room(&reply->frame.writer, RECORD_HEAD);

	if (head != NULL)
		put_record_head(reply, owner_offset, type, ttl, head);
	return reply->frame.writer.at;
}

static void
end_record(struct reply *reply, size_t data)
{
	wire_patch_u16(&reply->frame.writer, data - 2, (uint16_t)(reply->frame.writer.at - data));
}

static void
write_ns_name(struct reply *reply)
{
	wire_write_bytes(&reply->frame.writer, "\2ns", 3);
	write_zone_name(reply);
}

/* MNAME is ns.<zone>, RNAME as configured or hostmaster.<zone>; returns the end of it. */
static uint8_t *
put_soa_names(const struct reply *reply, uint8_t *at)
{
	static const uint8_t ns[] = {2, 'n', 's'};
	static const uint8_t hostmaster[] = {10, 'h', 'o', 's', 't', 'm', 'a', 's', 't', 'e', 'r'};
	uint16_t zone = pointer_to(reply->frame.question->zone_offset);
	size_t length = reply->policy->hostmaster_length;

	memcpy(at, ns, sizeof ns);
	wire_put_u16(at + sizeof ns, zone);
	at += sizeof ns + 2;
	if (length > 0) {
		memcpy(at, reply->policy->hostmaster, length);
		return at + length;
	}
	memcpy(at, hostmaster, sizeof hostmaster);
	wire_put_u16(at + sizeof hostmaster, zone);
	return at + sizeof hostmaster + 2;
}

/* `ttl` is the record's own and its MINIMUM: clients differ in which they use, RFC 2308 5. */
static void
write_soa(struct reply *reply, uint32_t ttl, uint32_t minimum)
{
	/* serial 1, refresh 3600, retry 600, expire 86400 */
	static const uint8_t numbers[16] = {
	    0, 0, 0, 1, 0, 0, 3600 >> 8, 3600 & 255, 0, 0, 600 >> 8, 600 & 255, 0, 1, 81, 128};
	size_t rname = reply->policy->hostmaster_length;
	size_t length = 5 + (rname > 0 ? rname : 13) + sizeof numbers + 4;
	uint8_t *at = wire_make_room(&reply->frame.writer, RECORD_HEAD + length);

	if (at == NULL)
		return;
	put_record_head(reply, reply->frame.question->zone_offset, WIRE_SOA, ttl, at);
	wire_put_u16(at + RECORD_HEAD - 2, (uint16_t)length);
	at = put_soa_names(reply, at + RECORD_HEAD);
	memcpy(at, numbers, sizeof numbers);
	wire_put_u32(at + sizeof numbers, minimum);
}

static void
write_negative(struct reply *reply, enum wire_rcode rcode, uint32_t ttl)
{
	reply->frame.rcode = rcode;
	write_soa(reply, ttl, ttl);
	reply->frame.authorities++;
}

static void
write_address(struct reply *reply, enum wire_type type, const void *octet, uint32_t ttl)
{
	size_t data = begin_record(reply, 0, type, ttl);

	wire_write_bytes(&reply->frame.writer, octet, type == WIRE_A ? 4 : 16);
	end_record(reply, data);
	reply->frame.answers++;
}

static void
write_text(struct reply *reply, const char *text, uint32_t ttl)
{
	size_t data = begin_record(reply, 0, WIRE_TXT, ttl), length = strlen(text);

	if (length > 255)
		length = 255;
	wire_write_u8(&reply->frame.writer, (uint8_t)length);
	wire_write_bytes(&reply->frame.writer, text, length);
	end_record(reply, data);
	reply->frame.answers++;
}

static bool
asks_for(const struct question *question, enum wire_type type)
{
	return question->type == type || question->type == WIRE_ANY;
}

static void
write_apex(struct reply *reply)
{
	const struct policy_zone *zone = reply->frame.question->zone;

	if (asks_for(reply->frame.question, WIRE_SOA)) {
		write_soa(reply, TTL_APEX, zone->negative_ttl);
		reply->frame.answers++;
	}
	if (asks_for(reply->frame.question, WIRE_NS)) {
		size_t data =
		    begin_record(reply, reply->frame.question->zone_offset, WIRE_NS, TTL_APEX);

		write_ns_name(reply);
		end_record(reply, data);
		reply->frame.answers++;
	}
	if (reply->frame.answers == 0)
		write_negative(reply, WIRE_NOERROR, zone->negative_ttl);
}

static void
write_ns_addresses(struct reply *reply)
{
	const struct policy *policy = reply->policy;

	for (size_t i = 0; i < policy->addresses; i++) {
		bool ipv4 = policy->address[i].family == SUBJECT_IPV4;
		enum wire_type type = ipv4 ? WIRE_A : WIRE_AAAA;

		if (asks_for(reply->frame.question, type))
			write_address(reply, type, policy->address[i].octet, TTL_APEX);
	}
	if (reply->frame.answers == 0)
		write_negative(reply, WIRE_NOERROR, reply->frame.question->zone->negative_ttl);
}

static void
write_listed(struct reply *reply, const struct verdict *verdict, const char *text)
{
	uint32_t negative_ttl = reply->frame.question->zone->negative_ttl;
	uint8_t octet[4] = {(uint8_t)(verdict->address >> 24), (uint8_t)(verdict->address >> 16),
	    (uint8_t)(verdict->address >> 8), (uint8_t)verdict->address};

	if (asks_for(reply->frame.question, WIRE_A))
		write_address(reply, WIRE_A, octet, verdict->ttl);
	if (asks_for(reply->frame.question, WIRE_TXT))
		write_text(reply, text, verdict->ttl);
	if (reply->frame.answers == 0)
		write_negative(
		    reply, WIRE_NOERROR, verdict->ttl < negative_ttl ? verdict->ttl : negative_ttl);
}

static void
write_verdict(struct reply *reply, const struct verdict *verdict, const char *text)
{
	if (verdict->stale)
		reply->frame.extended =
		    verdict->state == VERDICT_CLEAR ? WIRE_EDE_STALE_NXDOMAIN : WIRE_EDE_STALE;
	switch (verdict->state) {
	case VERDICT_LISTED:
	case VERDICT_SUBSTITUTE:
		write_listed(reply, verdict, text);
		break;
	case VERDICT_CLEAR:
		write_negative(reply,
		    subject_is_ipv6_tail(&reply->frame.question->subject) ? WIRE_NOERROR
									  : WIRE_NXDOMAIN,
		    verdict->ttl);
		break;
	case VERDICT_OPEN:
	case VERDICT_DEFERRED:
		reply->frame.rcode = WIRE_SERVFAIL;
		reply->frame.extended = WIRE_EDE_NO_REACHABLE;
		break;
	}
}

static void
write_chaos(struct reply *reply)
{
	if (asks_for(reply->frame.question, WIRE_TXT))
		write_text(reply, "tally " TALLY_VERSION, 0);
	reply->frame.authoritative = true;
}

static void
write_body(struct reply *reply, const struct verdict *verdict, const char *text)
{
	const struct question *question = reply->frame.question;

	reply->frame.authoritative = true;
	switch (question->about) {
	case QUESTION_DROP:
		break;
	case QUESTION_ELSEWHERE: /* only when there is nothing for relay to write */
		reply->frame.authoritative = false;
		reply->frame.rcode = WIRE_SERVFAIL;
		reply->frame.extended = question->extended;
		break;
	case QUESTION_ERROR:
		reply->frame.authoritative = false;
		reply->frame.rcode = question->rcode;
		reply->frame.extended = question->extended;
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

size_t
answer_write(const struct question *question, const struct policy *policy,
    const struct verdict *verdict, const char *text, uint8_t *out, size_t size)
{
	struct reply reply = {.policy = policy};

	if (question->about == QUESTION_DROP)
		return 0;
	frame_begin(&reply.frame, question, out, size);
	write_body(&reply, verdict, text);
	return frame_end(&reply.frame);
}
