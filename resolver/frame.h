/*
 * frame - what every reply has around its records: header, question, EDNS; pure
 *
 * frame_begin, then the records through `writer`, each counted in its section, then frame_end. A
 * reply that does not fit becomes the question alone with TC set.
 */
#ifndef RESOLVER_FRAME_H
#define RESOLVER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/question.h"
#include "resolver/wire.h"

struct frame {
	struct wire_writer writer;
	const struct question *question;
	enum wire_rcode rcode;
	enum wire_extended extended; /* why, or WIRE_EDE_NONE */
	bool authoritative, authentic;
	uint16_t answers, authorities, additional; /* records, without EDNS */
	size_t body;                               /* where the records begin */
};

/* `size` is the most that the client may get. */
void frame_begin(struct frame *frame, const struct question *question, uint8_t *out, size_t size);

/* Do the records so far fit, beside EDNS? */
bool frame_fits(const struct frame *frame);

/* Returns the length of the reply; 0 when not even the question fits. */
size_t frame_end(struct frame *frame);

#endif
