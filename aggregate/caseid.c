#include "aggregate/caseid.h"

#include <string.h>

/* Without letters and digits that people take for others. */
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* FNV-1a, 64 bits. Whoever makes two cases of one id has made himself hard to look up, no more. */
static uint64_t
mix(uint64_t hash, const void *bytes, size_t length)
{
	const uint8_t *byte = bytes;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ byte[i]) * 1099511628211u;
	return hash;
}

static uint64_t
mix_reply(uint64_t hash, const struct policy_list *list, const struct evidence_book *book,
    const struct evidence *evidence)
{
	uint16_t said = evidence->said;

	hash = mix(hash, list->name, strlen(list->name) + 1);
	if (said < EVIDENCE_ANSWERS)
		return mix(hash, said == EVIDENCE_CLEAR ? "c" : "u", 1);
	for (uint32_t i = 0; i < evidence_answers(book, list->number, said)->count; i++)
		hash = mix(hash, &evidence_answers(book, list->number, said)->address[i], 4);
	return hash;
}

uint64_t
caseid_of(const struct policy_zone *zone, const struct subject *subject,
    const struct exception *exception, const struct evidence_book *book,
    const struct evidence *evidence)
{
	uint64_t hash = mix(14695981039346656037u, zone->name, strlen(zone->name) + 1);

	hash = mix(hash, &subject->family, sizeof subject->family);
	hash = mix(hash, subject->octet, sizeof subject->octet);
	if (exception != NULL) {
		hash = mix(hash, exception->prefix.base.octet, 16);
		hash = mix(hash, &exception->prefix.length, sizeof exception->prefix.length);
		hash = mix(hash, &exception->action, sizeof exception->action);
	}
	for (size_t i = 0; evidence != NULL && i < zone->lists; i++) {
		const struct policy_list *list = zone->list[i].list;

		hash = mix_reply(hash, list, book, &evidence[list->number]);
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
