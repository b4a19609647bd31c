/*
 * grow - change one part of a question, so that it stays one, or nearly
 */
#ifndef TESTS_FUZZ_GROW_H
#define TESTS_FUZZ_GROW_H

#include "tests/unit/unit.h"

#include "resolver/question.h"

#define GROWN_MAX 900

struct grown {
	uint8_t head[4]; /* id and flags */
	uint8_t name[255];
	size_t name_length;
	uint16_t type, class, size;
	uint8_t version, flags, additionals;
	uint8_t options[256];
	size_t options_length;
};

/* The parts of what is there; of no question, those of one for the root. */
static inline struct grown
grow_from(const uint8_t *bytes, size_t length)
{
	struct grown grown = {.name_length = 1, .type = WIRE_A, .class = WIRE_IN, .size = 1232};
	struct question question;

	if (length >= sizeof grown.head)
		memcpy(grown.head, bytes, sizeof grown.head);
	question_read(&question, bytes, length);
	if (question.about == QUESTION_DROP || !question.has_name)
		return grown;
	memcpy(grown.name, question.name, question.name_length);
	grown.name_length = question.name_length;
	grown.type = question.type;
	grown.class = question.class;
	grown.additionals = question.edns;
	grown.size = question.udp_size;
	return grown;
}

static inline void
grow_label(struct grown *grown, const void *label, size_t length)
{
	if (length == 0 || grown->name_length + 1 + length > 254)
		return;
	grown->name[grown->name_length++] = (uint8_t)length;
	memcpy(grown->name + grown->name_length, label, length);
	grown->name_length += length;
}

static inline void
grow_labels(struct grown *grown, const char *dotted)
{
	for (size_t length; *dotted != '\0'; dotted += length + (dotted[length] == '.')) {
		length = strcspn(dotted, ".");
		grow_label(grown, dotted, length);
	}
}

/* Labels that could be an address, or a part of one, or anything. */
static inline void
grow_front(struct grown *grown, struct chance *chance)
{
	static const char *const odd[] = {"0", "00", "01", "256", "999", "-1", "a", "F", "g", "0x1",
	    "1e1", "ns", "u4711", "127", "2", "\377", ".", "*"};
	unsigned kind = chance_below(chance, 4);
	unsigned labels = kind == 0 ? 4 : kind == 1 ? 32 : chance_below(chance, 36);
	uint8_t noise[63];

	for (unsigned i = 0; i < labels; i++) {
		char label[8];

		if (chance_below(chance, 40) == 0) {
			const char *one = odd[chance_below(chance, COUNT(odd))];

			grow_label(grown, one, strlen(one));
		} else if (kind == 3) {
			for (size_t j = 0; j < sizeof noise; j++)
				noise[j] = (uint8_t)chance_below(chance, 256);
			grow_label(grown, noise,
			    1 + chance_below(chance, chance_below(chance, 2) ? 63 : 3));
		} else {
			(void)snprintf(label, sizeof label, kind == 0 ? "%u" : "%x",
			    chance_below(chance, kind == 0 ? 256 : 16));
			grow_label(grown, label, strlen(label));
		}
	}
}

static inline void
grow_name(struct grown *grown, struct chance *chance)
{
	static const char *const zones[] = {"bl.example.net", "u4711.bl.example.net",
	    "a.b-c.bl.example.net", "other.example", "example.net", "version.bind",
	    "ns.other.example"};

	grown->name_length = 0;
	if (chance_below(chance, 4) != 0)
		grow_front(grown, chance);
	grow_labels(grown, zones[chance_below(chance, COUNT(zones))]);
	grown->name[grown->name_length++] = 0;
	for (size_t i = 0; i < grown->name_length && chance_below(chance, 2); i++)
		if (grown->name[i] >= 'a' && grown->name[i] <= 'z' && chance_below(chance, 2))
			grown->name[i] ^= 0x20;
}

static inline void
grow_options(struct grown *grown, struct chance *chance)
{
	static const uint8_t codes[] = {3, 8, 9, 10, 10, 11, 12, 15};
	static const uint8_t sizes[] = {0, 1, 7, 8, 9, 15, 16, 24, 40, 41};
	unsigned count = chance_below(chance, 5);

	grown->options_length = 0;
	for (unsigned i = 0; i < count; i++) {
		uint8_t size = sizes[chance_below(chance, COUNT(sizes))];
		uint8_t *to = grown->options + grown->options_length;

		to[0] = chance_below(chance, 8) == 0;
		to[1] = codes[chance_below(chance, COUNT(codes))];
		to[2] = 0;
		to[3] = size;
		memset(to + 4, (int)i, size);
		grown->options_length += 4u + size;
	}
}

static inline void
grow_change(struct grown *grown, struct chance *chance)
{
	static const uint16_t types[] = {
	    1, 2, 6, 12, 15, 16, 28, 41, 43, 48, 65, 250, 251, 252, 255, 65535};

	switch (chance_below(chance, 7)) {
	case 0:
		for (size_t i = 0; i < 2; i++)
			grown->head[i] = (uint8_t)chance_below(chance, 256);
		break;
	case 1:
		grown->head[2] ^= (uint8_t)(1u << chance_below(chance, 7)); /* never QR */
		break;
	case 2:
		grown->head[3] = (uint8_t)chance_below(chance, 256);
		break;
	case 3:
		grown->type = types[chance_below(chance, COUNT(types))];
		grown->class =
		    chance_below(chance, 4) ? WIRE_IN : (uint16_t)chance_below(chance, 256);
		break;
	case 4:
		grow_options(grown, chance);
		grown->additionals = 1;
		grown->version = chance_below(chance, 4) == 0;
		break;
	case 5:
		grown->additionals =
		    chance_below(chance, 8) == 0 ? 2 : chance_below(chance, 2) != 0;
		grown->size =
		    (uint16_t)chance_below(chance, chance_below(chance, 2) ? 65536 : 1400);
		grown->flags = (uint8_t)chance_below(chance, 256);
		break;
	default:
		grow_name(grown, chance);
	}
}

static inline size_t
grow(struct chance *chance, uint8_t *bytes, size_t length)
{
	struct grown grown = grow_from(bytes, length);
	uint8_t *to = bytes + 12;

	grow_change(&grown, chance);
	memset(bytes, 0, 12);
	memcpy(bytes, grown.head, sizeof grown.head);
	bytes[5] = 1;
	bytes[11] = grown.additionals;
	memcpy(to, grown.name, grown.name_length);
	to += grown.name_length;
	*to++ = (uint8_t)(grown.type >> 8);
	*to++ = (uint8_t)grown.type;
	*to++ = (uint8_t)(grown.class >> 8);
	*to++ = (uint8_t)grown.class;
	for (unsigned i = 0; i < grown.additionals; i++) {
		const uint8_t opt[] = {0, 0, 41, (uint8_t)(grown.size >> 8), (uint8_t)grown.size, 0,
		    grown.version, grown.flags, 0, (uint8_t)(grown.options_length >> 8),
		    (uint8_t)grown.options_length};

		memcpy(to, opt, sizeof opt);
		memcpy(to + sizeof opt, grown.options, grown.options_length);
		to += sizeof opt + grown.options_length;
	}
	return (size_t)(to - bytes);
}

#endif
