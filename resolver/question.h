/*
 * question - a packet in, what it asks out, or why we refuse; pure
 *
 * First question_read looks at the packet alone, then question_place at the zones. A question
 * keeps a pointer to its name as sent, which must live as long as it; the rest is copied, so it
 * can be placed again in another policy.
 */
#ifndef RESOLVER_QUESTION_H
#define RESOLVER_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/policy.h"
#include "aggregate/subject.h"
#include "resolver/wire.h"

#define QUESTION_UDP_SIZE 1232 /* what we offer and at most send over UDP */

enum question_about {
	QUESTION_DROP,      /* not worth a reply: no header, or a reply itself */
	QUESTION_ERROR,     /* reply `rcode` and no records */
	QUESTION_CHAOS,     /* version.bind or version.server, class CH */
	QUESTION_APEX,      /* the zone's own name */
	QUESTION_NS,        /* ns.<zone> */
	QUESTION_SUBJECT,   /* a reversed address in the zone */
	QUESTION_PART,      /* an empty non-terminal, RFC 8020 */
	QUESTION_NOTHING,   /* a name in the zone that can't exist */
	QUESTION_ELSEWHERE, /* a name outside all zones, to be resolved */
};

struct question {
	uint16_t id;
	uint16_t flags;           /* the second word of the header, as sent: RD, AD, CD, opcode */
	bool recursion_available; /* we resolve other names for this client */
	bool has_name;            /* name, type and class are there, and worth to be repeated */
	const uint8_t *name;      /* wire form, as sent */
	uint8_t name_length;      /* 1..255 */
	uint16_t type, class;
	bool edns, dnssec_ok;
	uint16_t udp_size; /* the most the client takes over UDP: 512..QUESTION_UDP_SIZE */
	enum question_about about;
	enum wire_rcode rcode;       /* valid for QUESTION_ERROR */
	enum wire_extended extended; /* why, or WIRE_EDE_NONE */
	/* valid from QUESTION_APEX to QUESTION_NOTHING */
	const struct policy_zone *zone;
	uint8_t zone_offset;    /* where the zone begins in name */
	uint8_t front;          /* bytes of the labels in front that are a reversed address */
	struct subject subject; /* valid for QUESTION_SUBJECT, and where front is not 0 */
};

/* Sets `about` to DROP or ERROR when that is all there is to say; else to NOTHING. */
void question_read(struct question *question, const uint8_t *packet, size_t length);

/* Find zone and subject. Only for a question that question_read left at NOTHING. */
void question_place(struct question *question, const struct policy *policy);

/* Both, for a packet that came in just now: the first zone's name is known at sight. */
void question_take(
    struct question *question, const struct policy *policy, const uint8_t *packet, size_t length);

/* Turn a question into an error, after all. */
void question_refuse(struct question *question, enum wire_rcode rcode, enum wire_extended extended);

#endif
