/*
 * ask - one question to a name server over UDP, and what it said
 *
 * For a program that asks now and then and waits. A reply is believed when it comes from the
 * server and has the number and the question that were sent.
 */
#ifndef RESOLVER_ASK_H
#define RESOLVER_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/policy.h"
#include "resolver/reply.h"
#include "resolver/wire.h"

#define ASK_PACKET_MAX 4096

struct ask_question {
	const char *name; /* folded */
	enum wire_type type;
	enum wire_class class;
	bool unchecked; /* CD: do not validate, RFC 4035 3.2.2 */
	bool dnssec_ok; /* DO, RFC 3225 */
};

enum ask_outcome {
	ASK_NOT_ASKED,
	ASK_ANSWERED,
	ASK_SILENCE,     /* nothing came in time */
	ASK_UNREACHABLE, /* `error` says why: nobody listens, no route */
};

struct ask_reply {
	enum ask_outcome outcome;
	int error; /* errno; valid for ASK_UNREACHABLE */
	/* valid for ASK_ANSWERED */
	enum wire_rcode rcode;
	unsigned records;           /* of the answer section */
	struct reply_answer answer; /* its addresses and TTL */
	char text[256];             /* of the first TXT record its first string, printable */
};

/* Two packets, the second after half of the time; returns within patience_ms or so. */
void ask(const struct policy_server *server, const struct ask_question *question,
    unsigned patience_ms, struct ask_reply *reply);

/* The two halves of it that need no network. The length of the packet, or 0. */
size_t ask_write(const struct ask_question *question, uint16_t id, uint8_t packet[ASK_PACKET_MAX]);

/* False: not the reply to what was sent. */
bool ask_read(const uint8_t *sent, size_t sent_length, const uint8_t *packet, size_t length,
    struct ask_reply *reply);

/* "192.0.2.53", or "192.0.2.53@5353" where the port is another than 53. */
void ask_print_server(const struct policy_server *server, struct text *text);

#endif
