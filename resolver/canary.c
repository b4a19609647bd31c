#include "resolver/canary.h"

#include <string.h>

void
canary_init(struct canaries *canaries, const uint64_t key[2])
{
	memcpy(canaries->key, key, sizeof canaries->key);
	canaries->drawn = 0;
}

uint64_t
canary_chance(struct canaries *canaries)
{
	struct subject counter = {.family = SUBJECT_IPV4};

	canaries->drawn++;
	memcpy(counter.octet, &canaries->drawn, sizeof canaries->drawn);
	return subject_hash(&counter, 0, canaries->key);
}

struct subject
canary_point(bool ipv6, uint8_t last)
{
	if (ipv6)
		return (struct subject){.family = SUBJECT_IPV6,
		    .octet = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = last}};
	return (struct subject){.family = SUBJECT_IPV4, .octet = {127, 0, 0, last}};
}

/* 2001:db8::/32 or 3fff::/20 */
static struct subject
draw_ipv6(uint64_t chance, uint64_t more, const struct subject *other)
{
	static const uint8_t ranges[2][4] = {{0x20, 0x01, 0x0d, 0xb8}, {0x3f, 0xff}};
	struct subject subject = {.family = SUBJECT_IPV6};
	unsigned range = (unsigned)(more % 2);

	if (other->family == SUBJECT_IPV6)
		range = other->octet[0] == ranges[0][0];
	memcpy(subject.octet, ranges[range], sizeof ranges[range]);
	memcpy(&subject.octet[4], &chance, 4);
	memcpy(&subject.octet[8], &more, 8);
	return subject;
}

struct subject
canary_draw(struct canaries *canaries, bool ipv6, const struct subject *other)
{
	static const uint8_t ranges[3][3] = {{192, 0, 2}, {198, 51, 100}, {203, 0, 113}};
	uint64_t chance = canary_chance(canaries), more = canary_chance(canaries);
	struct subject subject = {.family = SUBJECT_IPV4};
	unsigned range = (unsigned)(more % 3);

	if (ipv6)
		return draw_ipv6(chance, more, other);
	if (ranges[range][0] == other->octet[0])
		range = (range + 1) % 3;
	memcpy(subject.octet, ranges[range], 3);
	subject.octet[3] = (uint8_t)(1 + chance % 254);
	return subject;
}
