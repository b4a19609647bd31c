#include "aggregate/caseid.h"

#include <string.h>

#include "aggregate/bytes.h"

/* Without letters and digits that people take for others. */
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* Whoever makes two cases of one id has made himself hard to look up, no more. */
static inline uint64_t
mix_address(uint64_t hash, const uint8_t octet[16])
{
	uint64_t half[2];

	memcpy(half, octet, sizeof half);
	return bytes_mix(bytes_mix(hash, half[0]), half[1]);
}

static uint64_t
mix_answers(uint64_t hash, const struct answers *answers)
{
	for (uint32_t i = 0; i < answers->count; i++)
		hash = bytes_mix(hash, answers->address[i]);
	return hash;
}

uint64_t
caseid_of(const struct policy_zone *zone, const struct subject *subject,
    const struct exception *exception, const struct evidence_book *book,
    const struct evidence *evidence)
{
	uint64_t hash = mix_address(bytes_mix(zone->mark, subject->family), subject->octet);

	if (exception != NULL) {
		hash = mix_address(hash, exception->prefix.base.octet);
		hash = bytes_mix(hash, (uint64_t)exception->prefix.length << 8 | exception->action);
	}
	for (size_t i = 0; evidence != NULL && i < zone->lists; i++) {
		const struct policy_zone_list *entry = &zone->list[i];
		uint16_t said = evidence[entry->number].said;

		hash = bytes_mix(hash, entry->mark ^ (said == EVIDENCE_CLEAR));
		if (said >= EVIDENCE_ANSWERS)
			hash = mix_answers(hash, evidence_answers(book, entry->number, said));
	}
	return (hash ^ hash >> 40) & 0xffffffffffu;
}

void
caseid_print(uint64_t id, struct text *text)
{
	for (unsigned shift = 5 * CASEID_LENGTH; shift > 0; shift -= 5)
		text_add_bytes(text, &alphabet[id >> (shift - 5) & 31], 1);
}

bool
caseid_parse(const char *string, uint64_t *id)
{
	uint64_t value = 0;

	if (strlen(string) != CASEID_LENGTH)
		return false;
	for (const char *c = string; *c != '\0'; c++) {
		char lower = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
		const char *found = strchr(alphabet, lower);

		if (found == NULL)
			return false;
		value = value << 5 | (uint64_t)(found - alphabet);
	}
	*id = value;
	return true;
}
