/*
 * reply - the packet that libunbound hands over for a list, checked byte by byte; pure
 *
 * libunbound passes on what lists send: A records of 3 or 5 bytes, thousands of records, odd
 * TTLs. Nothing of it is believed that is not checked here.
 */
#ifndef RESOLVER_REPLY_H
#define RESOLVER_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/evidence.h"

struct reply_answer {
	uint16_t said; /* EVIDENCE_CLEAR, FAILED, MALFORMED, FOREIGN, or ANSWERS for a set */
	struct answers answers;        /* valid for EVIDENCE_ANSWERS */
	bool has_ttl;                  /* false: a negative answer without SOA */
	uint32_t ttl;                  /* seconds, as the list says; valid with has_ttl */
	uint32_t soa_ttl, soa_minimum; /* of a negative answer; valid with has_ttl and clear */
};

/*
 * NXDOMAIN, and NOERROR without an A record, are clear; their TTL is the lesser of the SOA's own
 * and its MINIMUM (RFC 2308 5). A TTL of 2^31 or more is 0 (RFC 2181 8). An A record outside
 * 127.0.0.0/8 makes the whole reply foreign; one that is not 4 bytes long, or more than
 * EVIDENCE_ANSWERS_MAX distinct addresses, make it malformed.
 */
void reply_read(struct reply_answer *answer, const uint8_t *packet, size_t length);

#endif
