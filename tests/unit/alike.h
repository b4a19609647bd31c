/*
 * alike - are two questions the same in all that they say?
 */
#ifndef TESTS_UNIT_ALIKE_H
#define TESTS_UNIT_ALIKE_H

#include "resolver/question.h"

static inline bool
alike(const struct question *a, const struct question *b)
{
	return a->id == b->id && a->flags == b->flags &&
	       a->recursion_available == b->recursion_available && a->has_name == b->has_name &&
	       a->name == b->name && a->name_length == b->name_length && a->type == b->type &&
	       a->class == b->class && a->edns == b->edns && a->dnssec_ok == b->dnssec_ok &&
	       a->udp_size == b->udp_size && a->about == b->about && a->rcode == b->rcode &&
	       a->extended == b->extended && a->zone == b->zone &&
	       a->zone_offset == b->zone_offset && a->front == b->front &&
	       subject_equal(&a->subject, &b->subject);
}

#endif
