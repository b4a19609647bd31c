/*
 * canary - the addresses that lists are tested with: test points, and canaries drawn by chance
 *
 * A canary is an address that nobody can have, and that a list can't foresee: it is drawn by a
 * keyed hash from the documentation ranges.
 */
#ifndef RESOLVER_CANARY_H
#define RESOLVER_CANARY_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/subject.h"

struct canaries {
	uint64_t key[2];
	uint32_t drawn; /* random numbers so far */
};

void canary_init(struct canaries *canaries, const uint64_t key[2]);
uint64_t canary_chance(struct canaries *canaries);

/* 127.0.0.`last`; for IPv6 ::ffff:127.0.0.`last` in the nibbles of an IPv6 name, RFC 5782 5. */
struct subject canary_point(bool ipv6, uint8_t last);

/*
 * An address of RFC 5737; of RFC 3849 or RFC 9637 for IPv6. It lies in another range than `other`
 * if that is of the same family, for a list may well hold one of them.
 */
struct subject canary_draw(struct canaries *canaries, bool ipv6, const struct subject *other);

#endif
