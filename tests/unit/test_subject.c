#include "aggregate/subject.h"

#include "tests/unit/unit.h"

static struct subject
address(const char *string)
{
	struct subject subject;

	memset(&subject, 0xaa, sizeof subject);
	if (!subject_parse(string, &subject))
		fail_msg("\"%s\" is no address", string);
	return subject;
}

static void
an_ipv4_address_is_parsed_and_printed(void **state)
{
	static const char *const same[] = {"0.0.0.0", "1.2.3.4", "192.0.2.255", "255.255.255.255"};
	char buffer[50];
	struct text text;

	(void)state;
	for (size_t i = 0; i < COUNT(same); i++) {
		struct subject subject = address(same[i]);

		text_init(&text, buffer, sizeof buffer);
		subject_print(&subject, &text);
		assert_string_equal(buffer, same[i]);
		assert_int_equal(subject.family, SUBJECT_IPV4);
	}
	assert_memory_equal(address("192.0.2.1").octet, "\xc0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void
an_ipv6_address_is_parsed_and_printed_in_short_form(void **state)
{
	static const struct {
		const char *string, *printed;
	} good[] = {
	    {"::", "::"},
	    {"::1", "::1"},
	    {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
	    {"2001:db8:0001:0020:0300:4000:5:6", "2001:db8:1:20:300:4000:5:6"},
	    {"fe80::1:0:0:0", "fe80::1:0:0:0"},
	    {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
	};
	char buffer[50];
	struct text text;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct subject subject = address(good[i].string);

		text_init(&text, buffer, sizeof buffer);
		subject_print(&subject, &text);
		assert_string_equal(buffer, good[i].printed);
		assert_int_equal(subject.family, SUBJECT_IPV6);
	}
}

static void
what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04",
	    "01.2.3.4", "1.2.3.-4", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4/32", "0x7f.0.0.1", "1.2.3.",
	    "a.b.c.d", ":", ":::", "1::2::3", "12345::", "::g", "1:2:3:4:5:6:7", "::1/128",
	    "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", "[::1]", "example.org"};
	struct subject subject;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (subject_parse(bad[i], &subject))
			fail_msg("\"%s\" was taken for an address", bad[i]);
}

static void
an_ipv4_mapped_address_is_that_ipv4_subject(void **state)
{
	struct subject ipv4 = address("192.0.2.1");
	struct subject dotted = address("::ffff:192.0.2.1"), hex = address("::FFFF:c000:201");
	struct subject compatible = address("::192.0.2.1"), other = address("::fffe:192.0.2.1");

	(void)state;
	assert_true(subject_equal(&ipv4, &dotted));
	assert_true(subject_equal(&ipv4, &hex));
	assert_memory_equal(&ipv4, &dotted, sizeof ipv4);
	assert_int_equal(compatible.family, SUBJECT_IPV6);
	assert_int_equal(other.family, SUBJECT_IPV6);
	assert_false(subject_equal(&ipv4, &compatible));
}

static void
equal_octets_of_two_families_are_two_subjects(void **state)
{
	struct subject ipv4 = address("32.1.13.184"), ipv6 = address("2001:db8::");
	static const uint64_t key[2] = {1, 2};

	(void)state;
	assert_memory_equal(ipv4.octet, ipv6.octet, 16);
	assert_false(subject_equal(&ipv4, &ipv6));
	assert_true(subject_hash(&ipv4, 0, key) != subject_hash(&ipv6, 0, key));
}

static void
an_address_is_reversed_as_lists_want_it(void **state)
{
	struct subject ipv4 = address("192.0.2.130"), ipv6 = address("2001:db8::567:89ab");
	char buffer[80];
	struct text text;

	(void)state;
	text_init(&text, buffer, sizeof buffer);
	subject_reverse(&ipv4, &text);
	assert_string_equal(buffer, "130.2.0.192");
	text_init(&text, buffer, sizeof buffer);
	subject_reverse(&ipv6, &text);
	assert_string_equal(
	    buffer, "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2");
	assert_int_equal(text.length, 63);
}

/* Labels in wire form from "a.b.c"; "" is no label. */
static size_t
labels(const char *dotted, uint8_t wire[300])
{
	size_t at = 0;

	while (*dotted != '\0') {
		size_t length = strcspn(dotted, ".");

		wire[at++] = (uint8_t)length;
		memcpy(wire + at, dotted, length);
		at += length;
		dotted += length + (dotted[length] == '.');
	}
	return at;
}

static enum subject_name
name_of(const char *dotted, struct subject *subject)
{
	uint8_t wire[300];
	size_t length = labels(dotted, wire);

	/* what lies behind the labels is none of the reader's business */
	memset(wire + length, '7', sizeof wire - length);
	return subject_from_labels(wire, length, subject);
}

#define NIBBLES_28 "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0."

static void
a_reversed_name_gives_the_address_back(void **state)
{
	static const struct {
		const char *name, *address;
	} good[] = {
	    {"130.2.0.192", "192.0.2.130"},
	    {"0.0.0.0", "0.0.0.0"},
	    {"255.255.255.255", "255.255.255.255"},
	    {"1.2.3.4", "4.3.2.1"},
	    {NIBBLES_28 "1.0.0.2", "2001:db8::567:89ab"},
	    {"B.A.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2",
		"2001:db8::567:89ab"},
	    {"1.0.2.0.0.0.0.c.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0", "192.0.2.1"},
	};
	struct subject subject, expected;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		memset(&subject, 0xaa, sizeof subject);
		expected = address(good[i].address);
		if (name_of(good[i].name, &subject) != SUBJECT_NAME_WHOLE)
			fail_msg("\"%s\" is not read whole", good[i].name);
		assert_true(subject_equal(&subject, &expected));
		assert_memory_equal(subject.octet, expected.octet, 16);
	}
}

static void
reverse_and_read_are_inverse_for_random_addresses(void **state)
{
	struct chance chance = {1};

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct subject subject = {0}, back;
		char buffer[80];
		struct text text;
		unsigned octets = i & 1 ? 16 : 4;

		subject.family = i & 1 ? SUBJECT_IPV6 : SUBJECT_IPV4;
		for (unsigned j = 0; j < octets; j++)
			subject.octet[j] = (uint8_t)chance_below(&chance, 256);
		text_init(&text, buffer, sizeof buffer);
		subject_reverse(&subject, &text);
		assert_false(text.cut);
		assert_int_equal(name_of(buffer, &back), SUBJECT_NAME_WHOLE);
		assert_true(subject_equal(&subject, &back));
	}
}

static void
the_tail_of_a_reversed_name_is_part_of_one(void **state)
{
	static const char *const part[] = {"", "0", "9", "255", "a", "F", "2.0.192", "0.192", "192",
	    "f.0.0.2", "1.2.3.f", "1.2.3.4.5", "0.0.0.0.0", "a.b", "8.b.d.0.1.0.0.2",
	    "a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"};
	struct subject subject;

	(void)state;
	for (size_t i = 0; i < COUNT(part); i++)
		if (name_of(part[i], &subject) != SUBJECT_NAME_PART)
			fail_msg("\"%s\" is not read as a part", part[i]);
}

static void
other_names_are_no_part_of_a_reversed_address(void **state)
{
	static const char *const none[] = {"256", "999", "1000", "00", "01", "007", "000",
	    "010.2.3.4", "1.2.3.04", "1.2.3.256", "256.2.3.4", "10.2.3.4.5", "1.2.3.10.5",
	    "10.2.3.f", "f.2.3.10", "f.10", "10.f", "g", "ns", "1.2.3.g", "ab", "0f", "-1", "+1",
	    "1 ", "a.b.c.d.ee", "4294967296", "18446744073709551616",
	    "00000000000000000000000000000000000000000000000000000000001", "1.2.3.4.10",
	    "0." NIBBLES_28 "1.0.0.2", "0.0.0.0.0.0." NIBBLES_28 "1.0.0.2", NIBBLES_28 "1.0.0.g",
	    "@", "`", "G", "/", ":"};
	struct subject subject;

	(void)state;
	for (size_t i = 0; i < COUNT(none); i++)
		if (name_of(none[i], &subject) != SUBJECT_NAME_NONE)
			fail_msg("\"%s\" is read as part of an address", none[i]);
}

static void
a_name_of_many_labels_is_no_address(void **state)
{
	uint8_t wire[254];
	struct subject subject;

	(void)state;
	for (size_t i = 0; i < sizeof wire; i += 2) {
		wire[i] = 1;
		wire[i + 1] = '1';
	}
	assert_int_equal(subject_from_labels(wire, sizeof wire, &subject), SUBJECT_NAME_NONE);
	assert_int_equal(subject_from_labels(wire, 66, &subject), SUBJECT_NAME_NONE);
	assert_int_equal(subject_from_labels(wire, 64, &subject), SUBJECT_NAME_WHOLE);
	assert_int_equal(subject_from_labels(wire, 62, &subject), SUBJECT_NAME_PART);
}

/*
 * Every label of 1 to 3 characters against a description of its own: strtol-like reading by the
 * test, so that no label slips through. 0 none, 1 part.
 */
static void
every_short_label_is_judged_rightly(void **state)
{
	struct subject subject;
	unsigned parts = 0;

	(void)state;
	for (unsigned n = 0; n < 256; n++) {
		char digits[4];
		struct text text;

		text_init(&text, digits, sizeof digits);
		text_add_format(&text, "%u", n);
		assert_int_equal(name_of(digits, &subject), SUBJECT_NAME_PART);
	}
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 257; b++) {
			uint8_t wire[4] = {b == 256 ? 1 : 2, (uint8_t)a, (uint8_t)b, 'x'};

			parts +=
			    subject_from_labels(wire, 1u + wire[0], &subject) == SUBJECT_NAME_PART;
		}
	/* 10 to 99, and the 22 spellings of a hex digit */
	assert_int_equal(parts, 90 + 22);
}

struct border {
	const char *before, *first, *last, *after; /* NULL: none, or special for another reason */
};

static void
addresses_of_special_use_begin_and_end_where_rfc_6890_says(void **state)
{
	static const struct border border[] = {
	    {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
	    {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
	    {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
	    {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
	    {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
	    {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
	    {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
	    {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
	    {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
	    {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
	    {"223.255.255.255", "224.0.0.0", "239.255.255.255", NULL},
	    {NULL, "240.0.0.0", "255.255.255.255", NULL},
	    {NULL, "::", "::1", "::2"},
	    {"::fffe:ffff:ffff", "::ffff:127.0.0.0", "::ffff:127.0.0.3", "::1:0:0:0"},
	    {"64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b::", "64:ff9b::ffff:ffff",
		"64:ff9b::1:0:0"},
	    {"ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "100::", "100::ffff:ffff:ffff:ffff",
		"100:0:0:1::"},
	    {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"},
	    {"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"},
	    {"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"},
	    {"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::"},
	    {"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(border); i++) {
		const char *const string[] = {
		    border[i].before, border[i].first, border[i].last, border[i].after};

		for (size_t j = 0; j < 4; j++) {
			struct subject subject;
			bool special;

			if (string[j] == NULL)
				continue;
			subject = address(string[j]);
			special = subject_place(&subject) == SUBJECT_SPECIAL;
			if (special != (j == 1 || j == 2))
				fail_msg("%s is %sspecial", string[j], special ? "" : "not ");
		}
	}
}

static void
documentation_ranges_and_the_rest_are_ordinary(void **state)
{
	static const char *const ordinary[] = {"192.0.2.0", "192.0.2.255", "198.51.100.0",
	    "198.51.100.255", "203.0.113.0", "203.0.113.255",
	    "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "8.8.8.8", "2620:fe::fe",
	    "2a00::1"};

	(void)state;
	for (size_t i = 0; i < COUNT(ordinary); i++) {
		struct subject subject = address(ordinary[i]);

		if (subject_place(&subject) != SUBJECT_ORDINARY)
			fail_msg("%s is not ordinary", ordinary[i]);
	}
}

static void
the_test_points_are_two_addresses_in_each_of_two_spellings(void **state)
{
	static const struct {
		const char *string;
		enum subject_place place;
	} point[] = {
	    {"127.0.0.2", SUBJECT_TEST_LISTED},
	    {"::ffff:127.0.0.2", SUBJECT_TEST_LISTED},
	    {"127.0.0.1", SUBJECT_TEST_CLEAR},
	    {"::ffff:7f00:1", SUBJECT_TEST_CLEAR},
	    {"127.0.0.0", SUBJECT_SPECIAL},
	    {"127.0.0.3", SUBJECT_SPECIAL},
	    {"127.0.1.2", SUBJECT_SPECIAL},
	    {"127.1.0.1", SUBJECT_SPECIAL},
	    {"126.0.0.2", SUBJECT_ORDINARY},
	    {"7f00:2::", SUBJECT_ORDINARY},
	    {"7f00:1::", SUBJECT_ORDINARY},
	    {"::127.0.0.2", SUBJECT_ORDINARY},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(point); i++) {
		struct subject subject = address(point[i].string);

		if (subject_place(&subject) != point[i].place)
			fail_msg("%s has place %d", point[i].string, subject_place(&subject));
	}
}

static void
some_ipv4_names_are_tails_of_global_ipv6_names(void **state)
{
	static const struct {
		const char *string;
		bool tail;
	} of[] = {
	    {"2.0.0.1", true},
	    {"3.9.9.9", true},
	    {"2.0.0.0", true},
	    {"2.10.0.1", false},
	    {"2.0.10.1", false},
	    {"2.0.0.10", false},
	    {"1.0.0.1", false},
	    {"4.0.0.1", false},
	    {"20.0.0.1", false},
	    {"0.0.0.0", true}, /* of the IPv4-mapped ones */
	    {"0.0.0.1", false},
	    {"203.0.113.1", false},
	    {"2000:1::", false},
	    {"200:1::", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(of); i++) {
		struct subject subject = address(of[i].string);

		if (subject_is_ipv6_tail(&subject) != of[i].tail)
			fail_msg("%s", of[i].string);
	}
}

static void
a_hash_depends_on_subject_part_and_key(void **state)
{
	static const uint64_t key[2] = {0x1234567890abcdefu, 42},
			      first[2] = {0x1234567890abcdeeu, 42},
			      second[2] = {0x1234567890abcdefu, 43};
	static const char *const string[] = {
	    "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"};

	(void)state;
	for (size_t i = 0; i < COUNT(string); i++) {
		struct subject subject = address(string[i]), again = subject;
		uint64_t hash = subject_hash(&subject, 0, key);

		assert_true(hash == subject_hash(&again, 0, key));
		assert_true(hash != subject_hash(&subject, 1, key));
		assert_true(hash != subject_hash(&subject, 0, first));
		assert_true(hash != subject_hash(&subject, 0, second));
		again.octet[i < 2 ? 3 : 15] ^= 0x80;
		assert_true(hash != subject_hash(&again, 0, key));
	}
}

/* Neighbours must not crowd: 2^16 of them into 256 buckets of 256, by three parts of the hash. */
static void
hashes_of_neighbours_spread_over_all_bits(void **state)
{
	static const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
	static const unsigned shift[] = {0, 16, 40, 48, 56};
	static unsigned bucket[COUNT(shift)][256];

	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		memset(bucket, 0, sizeof bucket);
		for (unsigned i = 0; i < 65536; i++) {
			struct subject subject = address(family == 0 ? "198.51.0.0" : "2001:db8::");
			unsigned at = family == 0 ? 2 : 14;
			uint64_t hash;

			subject.octet[at] = (uint8_t)(i >> 8);
			subject.octet[at + 1] = (uint8_t)i;
			hash = subject_hash(&subject, 0, key);
			for (size_t j = 0; j < COUNT(shift); j++)
				bucket[j][hash >> shift[j] & 255]++;
		}
		for (size_t j = 0; j < COUNT(shift); j++)
			for (unsigned i = 0; i < 256; i++)
				assert_in_range(bucket[j][i], 128, 384);
	}
}

static struct prefix
prefix_of(const char *string)
{
	struct prefix prefix;

	if (!prefix_parse(string, &prefix))
		fail_msg("\"%s\" is no prefix", string);
	return prefix;
}

static void
a_prefix_covers_its_addresses_and_no_others(void **state)
{
	static const struct {
		const char *prefix;
		unsigned length;
		const char *inside[3], *outside[3];
	} good[] = {
	    {"192.0.2.0/24", 24, {"192.0.2.0", "192.0.2.255"},
		{"192.0.1.255", "192.0.3.0", "::192.0.2.0"}},
	    {"192.0.2.1", 32, {"192.0.2.1", "::ffff:192.0.2.1"}, {"192.0.2.0", "192.0.2.2"}},
	    {"192.0.2.1/32", 32, {"192.0.2.1"}, {"192.0.2.0"}},
	    {"0.0.0.0/0", 0, {"0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"}, {"::", "::1"}},
	    {"128.0.0.0/1", 1, {"128.0.0.0", "255.255.255.255"}, {"127.255.255.255"}},
	    {"192.0.2.128/25", 25, {"192.0.2.128", "192.0.2.255"}, {"192.0.2.127", "192.0.3.128"}},
	    {"192.0.2.2/31", 31, {"192.0.2.2", "192.0.2.3"}, {"192.0.2.1", "192.0.2.4"}},
	    {"2001:db8::/32", 32, {"2001:db8::", "2001:db8:ffff::1"},
		{"2001:db9::", "2001:db7:ffff::", "32.1.13.184"}},
	    {"2001:db8::8000/113", 113, {"2001:db8::8000", "2001:db8::ffff"},
		{"2001:db8::7fff", "2001:db8::1:8000"}},
	    {"::1", 128, {"::1"}, {"::", "::2"}},
	    {"::/0", 0, {"::", "ffff::"}, {"1.2.3.4"}},
	    {"::ffff:192.0.2.0/120", 24, {"192.0.2.0", "192.0.2.255"}, {"192.0.3.0"}},
	    {"::ffff:192.0.2.1", 32, {"192.0.2.1"}, {"192.0.2.0"}},
	    {"::ffff:0:0/96", 0, {"1.2.3.4", "::ffff:9.9.9.9"}, {"::1"}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct prefix prefix = prefix_of(good[i].prefix);

		assert_int_equal(prefix.length, good[i].length);
		for (size_t j = 0; j < 3; j++) {
			struct subject subject;

			if (good[i].inside[j] != NULL) {
				subject = address(good[i].inside[j]);
				if (!prefix_covers(&prefix, &subject))
					fail_msg(
					    "%s without %s", good[i].prefix, good[i].inside[j]);
			}
			if (good[i].outside[j] != NULL) {
				subject = address(good[i].outside[j]);
				if (prefix_covers(&prefix, &subject))
					fail_msg("%s with %s", good[i].prefix, good[i].outside[j]);
			}
		}
	}
}

static void
a_prefix_with_host_bits_or_without_sense_is_refused(void **state)
{
	static const char *const bad[] = {"", "/", "/8", "192.0.2.0/", "192.0.2.0/33",
	    "192.0.2.0/-1", "192.0.2.0/024", "192.0.2.0/24 ", "192.0.2.0/24/24", "192.0.2.0/x",
	    "192.0.2/24", "192.0.2.1/24", "192.0.2.1/31", "192.0.3.0/23", "1.0.0.0/7", "0.0.0.1/0",
	    "128.0.0.0/0", "2001:db8::/129", "2001:db8::1/127", "2001:db8::/28", "8000::/0",
	    "::1/0", "::ffff:192.0.2.0/95", "::ffff:192.0.2.1/120", "::ffff:0:0/0",
	    "192.0.2.0/255.255.255.0", "example.org/24",
	    "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/32"};
	struct prefix prefix;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (prefix_parse(bad[i], &prefix))
			fail_msg("\"%s\" was taken for a prefix", bad[i]);
}

static void
cover_agrees_with_counting_bits_for_random_prefixes(void **state)
{
	struct chance chance = {2};

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned bits = i & 1 ? 128 : 32, same = 0;
		struct prefix prefix = {.length = chance_below(&chance, bits + 1)};
		struct subject subject = {0};
		unsigned flip = chance_below(&chance, bits + 1);

		prefix.base.family = subject.family = i & 1 ? SUBJECT_IPV6 : SUBJECT_IPV4;
		for (unsigned bit = 0; bit < bits; bit++)
			if (chance_below(&chance, 2)) {
				subject.octet[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
				if (bit < prefix.length)
					prefix.base.octet[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
			}
		if (flip < bits)
			subject.octet[flip / 8] ^= (uint8_t)(0x80u >> flip % 8);
		while (same < prefix.length && same != flip)
			same++;
		assert_int_equal(prefix_covers(&prefix, &subject), same == prefix.length);
	}
}

int
main(void)
{
	const struct CMUnitTest subject[] = {
	    cmocka_unit_test(an_ipv4_address_is_parsed_and_printed),
	    cmocka_unit_test(an_ipv6_address_is_parsed_and_printed_in_short_form),
	    cmocka_unit_test(what_is_no_address_is_refused),
	    cmocka_unit_test(an_ipv4_mapped_address_is_that_ipv4_subject),
	    cmocka_unit_test(equal_octets_of_two_families_are_two_subjects),
	    cmocka_unit_test(an_address_is_reversed_as_lists_want_it),
	    cmocka_unit_test(a_reversed_name_gives_the_address_back),
	    cmocka_unit_test(reverse_and_read_are_inverse_for_random_addresses),
	    cmocka_unit_test(the_tail_of_a_reversed_name_is_part_of_one),
	    cmocka_unit_test(other_names_are_no_part_of_a_reversed_address),
	    cmocka_unit_test(a_name_of_many_labels_is_no_address),
	    cmocka_unit_test(every_short_label_is_judged_rightly),
	    cmocka_unit_test(addresses_of_special_use_begin_and_end_where_rfc_6890_says),
	    cmocka_unit_test(documentation_ranges_and_the_rest_are_ordinary),
	    cmocka_unit_test(the_test_points_are_two_addresses_in_each_of_two_spellings),
	    cmocka_unit_test(some_ipv4_names_are_tails_of_global_ipv6_names),
	    cmocka_unit_test(a_hash_depends_on_subject_part_and_key),
	    cmocka_unit_test(hashes_of_neighbours_spread_over_all_bits),
	    cmocka_unit_test(a_prefix_covers_its_addresses_and_no_others),
	    cmocka_unit_test(a_prefix_with_host_bits_or_without_sense_is_refused),
	    cmocka_unit_test(cover_agrees_with_counting_bits_for_random_prefixes),
	};

	return cmocka_run_group_tests_name("subject", subject, NULL, NULL);
}
