#include "aggregate/subject.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void
subject_from_ipv6(const uint8_t octet[16], struct subject *subject)
{
	memset(subject, 0, sizeof *subject);
	if (memcmp(octet, mapped, sizeof mapped) == 0) {
		subject->family = SUBJECT_IPV4;
		memcpy(subject->octet, octet + 12, 4);
	} else {
		subject->family = SUBJECT_IPV6;
		memcpy(subject->octet, octet, 16);
	}
}

bool
subject_parse(const char *string, struct subject *subject)
{
	uint8_t octet[16];

	if (inet_pton(AF_INET, string, octet) == 1) {
		memset(subject, 0, sizeof *subject);
		subject->family = SUBJECT_IPV4;
		memcpy(subject->octet, octet, 4);
		return true;
	}
	if (inet_pton(AF_INET6, string, octet) != 1)
		return false;
	subject_from_ipv6(octet, subject);
	return true;
}

/* Four numbers with dots between them, the octet at `step` after the one before it. */
static void
add_dotted(const uint8_t *octet, int step, struct text *text)
{
	for (unsigned i = 0; i < 4; i++, octet += step) {
		if (i > 0)
			text_add_bytes(text, ".", 1);
		text_add_number(text, *octet);
	}
}

void
subject_print(const struct subject *subject, struct text *text)
{
	char printed[INET6_ADDRSTRLEN];

	if (subject->family == SUBJECT_IPV4)
		add_dotted(subject->octet, 1, text);
	else if (inet_ntop(AF_INET6, subject->octet, printed, sizeof printed) != NULL)
		text_add(text, printed);
}

void
subject_reverse(const struct subject *subject, struct text *text)
{
	const uint8_t *octet = subject->octet;

	if (subject->family == SUBJECT_IPV4) {
		add_dotted(octet + 3, -1, text);
		return;
	}
	for (unsigned i = 16; i-- > 0;)
		text_add_format(text, "%x.%x%s", octet[i] & 15u, octet[i] >> 4, i == 0 ? "" : ".");
}

/* By character: what a hexadecimal digit stands for, and DIGIT; else 0. */
#define DIGIT 16
static const uint8_t digit[256] = {['0'] = DIGIT,
    ['1'] = DIGIT + 1,
    ['2'] = DIGIT + 2,
    ['3'] = DIGIT + 3,
    ['4'] = DIGIT + 4,
    ['5'] = DIGIT + 5,
    ['6'] = DIGIT + 6,
    ['7'] = DIGIT + 7,
    ['8'] = DIGIT + 8,
    ['9'] = DIGIT + 9,
    ['a'] = DIGIT + 10,
    ['b'] = DIGIT + 11,
    ['c'] = DIGIT + 12,
    ['d'] = DIGIT + 13,
    ['e'] = DIGIT + 14,
    ['f'] = DIGIT + 15,
    ['A'] = DIGIT + 10,
    ['B'] = DIGIT + 11,
    ['C'] = DIGIT + 12,
    ['D'] = DIGIT + 13,
    ['E'] = DIGIT + 14,
    ['F'] = DIGIT + 15};

/* Do all labels, two bytes each, have one character? */
static bool
are_single(const uint8_t labels[SUBJECT_NIBBLES])
{
	static const uint8_t single[8] = {1, 0, 1, 0, 1, 0, 1, 0};
	uint64_t wanted, differ = 0;

	memcpy(&wanted, single, sizeof wanted);
	for (unsigned i = 0; i < SUBJECT_NIBBLES; i += 8) {
		uint64_t eight;

		memcpy(&eight, labels + i, sizeof eight);
		differ |= eight ^ wanted;
	}
	return (differ & wanted * 0xff) == 0;
}

__attribute__((noinline)) size_t
subject_from_nibbles(const uint8_t *name, struct subject *subject)
{
	unsigned digits = DIGIT;
	uint8_t octet[16];

	if (!are_single(name))
		return 0;
	for (unsigned i = 0; i < 16; i++) {
		unsigned high = digit[name[63 - 4 * i]], low = digit[name[61 - 4 * i]];

		digits &= high & low;
		octet[i] = (uint8_t)(high << 4 | (low & 15));
	}
	if (digits == 0)
		return 0;
	subject_from_ipv6(octet, subject);
	return SUBJECT_NIBBLES;
}

/* Up to four labels that are numbers: how many, into number[]; -1 when one is none. */
static int
read_numbers(const uint8_t *labels, size_t length, uint8_t number[4])
{
	int count = 0;

	for (size_t at = 0; at < length; at += 1u + labels[at], count++) {
		int n = count < 4 ? subject_label_number(labels + at) : -1;

		if (n < 0)
			return -1;
		number[count] = (uint8_t)n;
	}
	return count;
}

/* Are they the tail of a reversed IPv6 address? */
static bool
are_nibbles(const uint8_t *labels, size_t length)
{
	if (length % 2 != 0 || length >= SUBJECT_NIBBLES)
		return false;
	for (size_t at = 0; at < length; at += 2)
		if (labels[at] != 1 || digit[labels[at + 1]] == 0)
			return false;
	return true;
}

__attribute__((noinline)) enum subject_name
subject_from_labels(const uint8_t *labels, size_t length, struct subject *subject)
{
	uint8_t number[4];
	int numbers;

	if (length == SUBJECT_NIBBLES && subject_from_nibbles(labels, subject) > 0)
		return SUBJECT_NAME_WHOLE;
	numbers = read_numbers(labels, length, number);
	if (numbers == 4) {
		*subject = (struct subject){
		    .family = SUBJECT_IPV4, .octet = {number[3], number[2], number[1], number[0]}};
		return SUBJECT_NAME_WHOLE;
	}
	return numbers < 0 && !are_nibbles(labels, length) ? SUBJECT_NAME_NONE : SUBJECT_NAME_PART;
}

/*
 * RFC 6890 tables 1 to 18 and 19 to 32, without the documentation ranges: these three IPv4 nets
 * and 2001:db8::/32 are asked like any other, for tests. 224.0.0.0/4 and ff00::/8 are never the
 * source of a connection (RFC 1122 3.2.1.3, RFC 4291 2.7). 255.255.255.255 is in 240.0.0.0/4,
 * 2001::/32, 2001:2::/48 and 2001:10::/28 are in 2001::/23.
 */
#define NET(a, b, c) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8)

static const struct {
	uint32_t base, mask; /* host byte order */
} special_ipv4[] = {
    {NET(0, 0, 0), 0xff000000}, {NET(10, 0, 0), 0xff000000}, {NET(100, 64, 0), 0xffc00000},
    {NET(127, 0, 0), 0xff000000}, {NET(169, 254, 0), 0xffff0000}, {NET(172, 16, 0), 0xfff00000},
    {NET(192, 0, 0), 0xffffff00}, {NET(192, 88, 99), 0xffffff00}, {NET(192, 168, 0), 0xffff0000},
    {NET(198, 18, 0), 0xfffe0000}, {NET(224, 0, 0), 0xe0000000}, /* 240.0.0.0/4 as well */
};

static const struct prefix special_ipv6[] = {
    {{SUBJECT_IPV6, {0}}, 127}, /* :: and ::1 */
    {{SUBJECT_IPV6, {0x00, 0x64, 0xff, 0x9b}}, 96},
    {{SUBJECT_IPV6, {0x01}}, 64},
    {{SUBJECT_IPV6, {0x20, 0x01}}, 23},
    {{SUBJECT_IPV6, {0x20, 0x02}}, 16},
    {{SUBJECT_IPV6, {0xfc}}, 7},
    {{SUBJECT_IPV6, {0xfe, 0x80}}, 10},
    {{SUBJECT_IPV6, {0xff}}, 8},
};

#define BIT(n) (UINT64_C(1) << (n) % 64)

const uint64_t subject_first_octets[2][4] = {
    {BIT(0) | BIT(10), BIT(100) | BIT(127), BIT(169) | BIT(172),
	BIT(192) | BIT(198) | UINT64_C(0xffffffff00000000)},
    {BIT(0) | BIT(1) | BIT(32), 0, 0, UINT64_C(0xf000000000000000)},
};

#undef BIT

static enum subject_place
ipv4_place(const uint8_t octet[4])
{
	uint32_t address = NET(octet[0], octet[1], octet[2]) | octet[3];

	if (address == (NET(127, 0, 0) | 2))
		return SUBJECT_TEST_LISTED;
	if (address == (NET(127, 0, 0) | 1))
		return SUBJECT_TEST_CLEAR;
	for (size_t i = 0; i < sizeof special_ipv4 / sizeof special_ipv4[0]; i++)
		if ((address & special_ipv4[i].mask) == special_ipv4[i].base)
			return SUBJECT_SPECIAL;
	return SUBJECT_ORDINARY;
}

__attribute__((noinline)) enum subject_place
subject_place_at_length(const struct subject *subject)
{
	if (subject->family == SUBJECT_IPV4)
		return ipv4_place(subject->octet);
	for (size_t i = 0; i < sizeof special_ipv6 / sizeof special_ipv6[0]; i++)
		if (prefix_covers(&special_ipv6[i], subject))
			return SUBJECT_SPECIAL;
	return SUBJECT_ORDINARY;
}

bool
subject_is_ipv6_tail(const struct subject *subject)
{
	const uint8_t *octet = subject->octet;

	static const uint8_t none[4] = {0};

	if (subject->family != SUBJECT_IPV4)
		return false;
	return memcmp(octet, none, sizeof none) == 0 ||
	       ((octet[0] == 2 || octet[0] == 3) && octet[1] < 10 && octet[2] < 10 &&
		   octet[3] < 10);
}

bool
subject_equal(const struct subject *a, const struct subject *b)
{
	return a->family == b->family && memcmp(a->octet, b->octet, 16) == 0;
}

static bool
prefix_is_clean(const struct prefix *prefix)
{
	unsigned bits = prefix->base.family == SUBJECT_IPV4 ? 32 : 128;

	for (unsigned i = prefix->length; i < bits; i++)
		if (prefix->base.octet[i / 8] & (0x80u >> i % 8))
			return false;
	return true;
}

bool
prefix_parse(const char *string, struct prefix *prefix)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(string, '/');
	size_t length = slash == NULL ? strlen(string) : (size_t)(slash - string);
	uint32_t bits, max;
	bool was_ipv6;

	if (length >= sizeof address)
		return false;
	memcpy(address, string, length);
	address[length] = '\0';
	if (!subject_parse(address, &prefix->base))
		return false;
	was_ipv6 = strchr(address, ':') != NULL;
	max = was_ipv6 ? 128 : 32;
	bits = max;
	if (slash != NULL) {
		slash++;
		if (!text_read_number(&slash, max, &bits) || *slash != '\0')
			return false;
	}
	if (was_ipv6 && prefix->base.family == SUBJECT_IPV4) {
		if (bits < 96)
			return false;
		bits -= 96;
	}
	prefix->length = bits;
	return prefix_is_clean(prefix);
}
