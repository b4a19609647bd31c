#include "resolver/answer.h"

#include <endian.h>
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

#define RECORD_HEAD 12 /* bytes before the data of a record whose owner is a pointer */
#define NS_NAME 5      /* bytes of ns.<zone>, the zone a pointer */
#define HOSTMASTER 13  /* bytes of hostmaster.<zone> */

/* A record but for its data: returns where those `length` bytes go, NULL when they don't fit. */
static inline uint8_t *
begin_record(struct reply *reply, size_t owner_offset, enum wire_class class, enum wire_type type,
    uint32_t ttl, size_t length)
{
	uint8_t *head = wire_make_room(&reply->frame.writer, RECORD_HEAD + length);

	if (head == NULL)
		return NULL;
	wire_put_u16(head, pointer_to(owner_offset));
	wire_put_u16(head + 2, (uint16_t)type);
	wire_put_u16(head + 4, (uint16_t) class);
	wire_put_u32(head + 6, ttl);
	wire_put_u16(head + 10, (uint16_t)length);
	return head + RECORD_HEAD;
}

/* ns.<zone>, 5 bytes; returns the end of it. */
static inline uint8_t *
put_ns_name(uint8_t *at, size_t zone_offset)
{
	static const uint8_t ns[] = {2, 'n', 's'};

	memcpy(at, ns, sizeof ns);
	wire_put_u16(at + sizeof ns, pointer_to(zone_offset));
	return at + NS_NAME;
}

/* RNAME, as configured or hostmaster.<zone>; returns the end of it. */
static inline uint8_t *
put_hostmaster(const struct policy *policy, uint8_t *at, size_t zone_offset)
{
	static const uint8_t hostmaster[] = {10, 'h', 'o', 's', 't', 'm', 'a', 's', 't', 'e', 'r'};
	size_t length = policy->hostmaster_length;

	if (length > 0) {
		memcpy(at, policy->hostmaster, length);
		return at + length;
	}
	memcpy(at, hostmaster, sizeof hostmaster);
	wire_put_u16(at + sizeof hostmaster, pointer_to(zone_offset));
	return at + HOSTMASTER;
}

/* `ttl` is the record's own and its MINIMUM: clients differ in which they use, RFC 2308 5. */
static void
write_soa(struct reply *reply, uint32_t ttl, uint32_t minimum)
{
	/* serial 1, refresh 3600, retry 600, expire 86400 */
	static const uint8_t numbers[16] = {
	    0, 0, 0, 1, 0, 0, 3600 >> 8, 3600 & 255, 0, 0, 600 >> 8, 600 & 255, 0, 1, 81, 128};
	size_t zone_offset = reply->frame.question->zone_offset;
	size_t rname = reply->policy->hostmaster_length;
	size_t length = NS_NAME + (rname > 0 ? rname : HOSTMASTER) + sizeof numbers + 4;
	uint8_t *at = begin_record(reply, zone_offset, WIRE_IN, WIRE_SOA, ttl, length);

	if (at == NULL)
		return;
	at = put_hostmaster(reply->policy, put_ns_name(at, zone_offset), zone_offset);
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
	size_t length = type == WIRE_A ? 4 : 16;
	uint8_t *data = begin_record(reply, 0, WIRE_IN, type, ttl, length);

	if (data != NULL)
		memcpy(data, octet, length);
	reply->frame.answers++;
}

static void
write_text(struct reply *reply, enum wire_class class, const char *text, uint32_t ttl)
{
	size_t length = strnlen(text, 255);
	uint8_t *data = begin_record(reply, 0, class, WIRE_TXT, ttl, 1 + length);

	if (data != NULL) {
		data[0] = (uint8_t)length;
		memcpy(data + 1, text, length);
	}
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
		uint8_t *data = begin_record(
		    reply, reply->frame.question->zone_offset, WIRE_IN, WIRE_NS, TTL_APEX, NS_NAME);

		if (data != NULL)
			(void)put_ns_name(data, reply->frame.question->zone_offset);
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
	uint32_t address = htobe32(verdict->address);

	if (asks_for(reply->frame.question, WIRE_A))
		write_address(reply, WIRE_A, &address, verdict->ttl);
	if (asks_for(reply->frame.question, WIRE_TXT))
		write_text(reply, WIRE_IN, text, verdict->ttl);
	if (reply->frame.answers == 0)
		write_negative(
		    reply, WIRE_NOERROR, verdict->ttl < negative_ttl ? verdict->ttl : negative_ttl);
}

static void
write_clear(struct reply *reply, uint32_t ttl)
{
	bool is_tail = subject_is_ipv6_tail(&reply->frame.question->subject);

	write_negative(reply, is_tail ? WIRE_NOERROR : WIRE_NXDOMAIN, ttl);
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
		write_clear(reply, verdict->ttl);
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
		write_text(reply, WIRE_CH, "tally " TALLY_VERSION, 0);
}

static void
write_body(struct reply *reply)
{
	const struct question *question = reply->frame.question;

	reply->frame.authoritative = true;
	switch (question->about) {
	case QUESTION_DROP:
	case QUESTION_SUBJECT:
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
	case QUESTION_PART:
		write_negative(reply, WIRE_NOERROR, question->zone->negative_ttl);
		break;
	case QUESTION_NOTHING:
		write_negative(reply, WIRE_NXDOMAIN, question->zone->negative_ttl);
		break;
	}
}

size_t
answer_verdict(const struct question *question, const struct policy *policy,
    const struct verdict *verdict, const char *text, uint8_t *out, size_t size)
{
	struct reply reply = {.policy = policy};

	frame_begin(&reply.frame, question, out, size);
	reply.frame.authoritative = true;
	write_verdict(&reply, verdict, text);
	return frame_end(&reply.frame);
}

size_t
answer_clear(const struct question *question, const struct policy *policy, uint32_t ttl,
    uint8_t *out, size_t size)
{
	struct reply reply = {.policy = policy};

	frame_begin(&reply.frame, question, out, size);
	reply.frame.authoritative = true;
	write_clear(&reply, ttl);
	return frame_end(&reply.frame);
}

size_t
answer_write(
    const struct question *question, const struct policy *policy, uint8_t *out, size_t size)
{
	struct reply reply = {.policy = policy};

	if (question->about == QUESTION_DROP)
		return 0;
	frame_begin(&reply.frame, question, out, size);
	write_body(&reply);
	return frame_end(&reply.frame);
}
