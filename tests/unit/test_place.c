#include "resolver/question.h"

#include <stdio.h>

#include "tests/unit/asking.h"

/* --- class and type --------------------------------------------------------------------- */

static void
only_the_internet_has_our_zones(void **state)
{
	static const unsigned class[] = {0, 2, 4, 254, 256, 257, 65280, 65535};

	(void)state;
	for (unsigned i = 0; i < COUNT(class); i++) {
		packet_ask(&packet, 7, 0, "2.0.0.127.bl.example.net", WIRE_A);
		packet.byte[packet.length - 2] = (uint8_t)(class[i] >> 8);
		packet.byte[packet.length - 1] = (uint8_t) class[i];
		read_packet();
		place();
		expect_error("class", WIRE_REFUSED);
		assert_int_equal(question.extended, WIRE_EDE_NOT_AUTHORITATIVE);
	}
}

static void
class_any_is_the_internet(void **state)
{
	(void)state;
	ask_line(H NAME "0001 00ff");
	expect_about("ANY", QUESTION_SUBJECT);
	ask_line(H "@example.net 0001 00ff");
	expect_error("ANY outside", WIRE_REFUSED);
	ask_line(H "@version.bind 0010 00ff");
	expect_error("ANY of CHAOS", WIRE_REFUSED);
}

static void
chaos_has_a_version_and_nothing_else(void **state)
{
	static const struct {
		const char *name;
		bool known;
	} rows[] = {{"version.bind", true}, {"VERSION.Bind", true}, {"version.server", true},
	    {"VeRsIoN.SeRvEr", true}, {"bind", false}, {"version.bin", false},
	    {"versiom.bind", false}, {"version.bindx", false}, {"xversion.bind", false},
	    {"a.version.bind", false}, {"hostname.bind", false}, {"id.server", false}, {"", false},
	    {"bl.example.net", false}, {"2.0.0.127.bl.example.net", false},
	    {"versio.nserver", false}};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		packet_ask(&packet, 7, 0, rows[i].name, WIRE_TXT);
		packet.byte[packet.length - 1] = WIRE_CH;
		read_packet();
		place();
		if (rows[i].known)
			expect_about(rows[i].name, QUESTION_CHAOS);
		else
			expect_error(rows[i].name, WIRE_REFUSED);
	}
}

static void
zones_are_not_transferred(void **state)
{
	static const char *const names[] = {
	    "bl.example.net", "2.0.0.127.bl.example.net", "x.bl.example.net", ACCOUNT};

	(void)state;
	for (unsigned i = 0; i < COUNT(names); i++)
		for (unsigned type = WIRE_IXFR; type <= WIRE_AXFR; type++) {
			ask(names[i], type);
			expect_error(names[i], WIRE_REFUSED);
			assert_int_equal(question.extended, WIRE_EDE_PROHIBITED);
		}
	ask("example.net", WIRE_AXFR);
	expect_error("outside", WIRE_REFUSED);
	assert_int_equal(question.extended, WIRE_EDE_NOT_AUTHORITATIVE);
}

static void
every_other_type_is_about_the_name(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 65536; type += type < 300 ? 1 : 97) {
		if (type == WIRE_AXFR || type == WIRE_IXFR)
			continue;
		ask("2.0.0.127.bl.example.net", type);
		expect_about("type", QUESTION_SUBJECT);
		assert_int_equal(question.type, type);
	}
}

/* --- zones ------------------------------------------------------------------------------ */

/* What a name is about, in which zone; NULL: outside all, refused. Checklist 28-45. */
static const struct {
	const char *name, *zone;
	enum question_about about;
} names[] = {
    {"bl.example.net", "bl.example.net", QUESTION_APEX},
    {ACCOUNT, ACCOUNT, QUESTION_APEX},
    {FAR, FAR, QUESTION_APEX},
    {LONG, LONG, QUESTION_APEX},
    {"ns.bl.example.net", "bl.example.net", QUESTION_NS},
    {"NS.BL.EXAMPLE.NET", "bl.example.net", QUESTION_NS},
    {"ns." ACCOUNT, ACCOUNT, QUESTION_NS},
    {"a.ns.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"ns.ns.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"ns1.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"n.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"2.0.0.127.bl.example.net", "bl.example.net", QUESTION_SUBJECT},
    {"2.0.0.127.BL.EXAMPLE.NET", "bl.example.net", QUESTION_SUBJECT},
    {"2.0.0.127." ACCOUNT, ACCOUNT, QUESTION_SUBJECT},
    {"2.0.0.127." FAR, FAR, QUESTION_SUBJECT},
    {"2.0.0.127.azaz.example", "azaz.example", QUESTION_SUBJECT},
    {"0.0.0.0.bl.example.net", "bl.example.net", QUESTION_SUBJECT},
    {"255.255.255.255.bl.example.net", "bl.example.net", QUESTION_SUBJECT},
    /* empty non-terminals */
    {"127.bl.example.net", "bl.example.net", QUESTION_PART},
    {"0.127.bl.example.net", "bl.example.net", QUESTION_PART},
    {"0.0.127.bl.example.net", "bl.example.net", QUESTION_PART},
    {"127." ACCOUNT, ACCOUNT, QUESTION_PART},
    {"f.bl.example.net", "bl.example.net", QUESTION_PART},
    {"8.b.d.0.1.0.0.2.bl.example.net", "bl.example.net", QUESTION_PART},
    {"2.0.0.1.2.bl.example.net", "bl.example.net", QUESTION_PART},
    {"dept.bl.example.net", "bl.example.net", QUESTION_PART},
    {"DEPT.bl.example.net", "bl.example.net", QUESTION_PART},
    /* below and beside */
    {"x.dept.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"dept2.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"1.dept.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"2.0.0.127.dept.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"x.2.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"1.2.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"2.0.0.127.2.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"2.0.0.127.ns.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"2.0.0.127.u4712.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    /* numbers that are none */
    {"02.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"2.00.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"0000000002.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"002.000.000.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"00.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"01.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"256.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"258.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"999.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"1000.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"4294967298.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"18446744073709551618.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"+2.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"-2.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {" 2.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"2 .0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"0x2.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"2/32.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"*.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"*.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"2.0.0.127\r\n.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"%s%n%x.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"\"'\\.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"\xc8\xff.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"\x12.0.0.127.bl.example.net", "bl.example.net", QUESTION_NOTHING}, /* '2' & ~0x20 */
    {"g.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"@.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {"`.bl.example.net", "bl.example.net", QUESTION_NOTHING},
    {LABEL63 ".bl.example.net", "bl.example.net", QUESTION_NOTHING},
    /* outside */
    {"", NULL, QUESTION_ERROR},
    {"net", NULL, QUESTION_ERROR},
    {"example.net", NULL, QUESTION_ERROR},
    {"xyzzy.example.net", NULL, QUESTION_ERROR},
    {"www.example.com", NULL, QUESTION_ERROR},
    {"2.0.0.127.xbl.example.net", NULL, QUESTION_ERROR},
    {"2.0.0.127.l.example.net", NULL, QUESTION_ERROR},
    {"2.0.0.127.bl.example.net.com", NULL, QUESTION_ERROR},
    {"2.0.0.127.bl.example.ne", NULL, QUESTION_ERROR},
    {"2.0.0.127.example", NULL, QUESTION_ERROR},
    {"2.0.0.127", NULL, QUESTION_ERROR},
};

static void
a_name_belongs_to_the_longest_zone_that_it_ends_in(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(names); i++) {
		ask(names[i].name, WIRE_A);
		expect_about(names[i].name, names[i].about);
		if (names[i].zone == NULL) {
			expect_error(names[i].name, WIRE_REFUSED);
			assert_int_equal(question.extended, WIRE_EDE_NOT_AUTHORITATIVE);
			continue;
		}
		assert_string_equal(question.zone->name, names[i].zone);
		assert_int_equal(
		    question.zone_offset, question.name_length - question.zone->wire_length);
	}
}

/* Labels of any bytes: a dot or a NUL inside one divides nothing. Checklist 32, 34, 36, 43. */
static void
labels_are_bytes_and_no_strings(void **state)
{
	static const struct {
		const char *line;
		enum question_about about;
	} rows[] = {
	    {H "02 3200 01 30 01 30 03 313237 @bl.example.net 0001 0001", QUESTION_NOTHING},
	    {H "06 32006a756e6b 01 30 01 30 03 313237 @bl.example.net 0001 0001", QUESTION_NOTHING},
	    {H "'2.0.0.127' @bl.example.net 0001 0001", QUESTION_NOTHING},
	    {H "'2.0' '0.127' @bl.example.net 0001 0001", QUESTION_NOTHING},
	    {H "01 00 @bl.example.net 0001 0001", QUESTION_NOTHING},
	    {H "02 320a 01 30 01 30 03 313237 @bl.example.net 0001 0001", QUESTION_NOTHING},
	    {H "'2' '0' '0' '127' 'bl.example.net' 00 0001 0001", QUESTION_ERROR},
	    {H "'2' '0' '0' '127' 'bl' 'example.net' 00 0001 0001", QUESTION_ERROR},
	    {H "'2' '0' '0' '127' 03 626c00 @example.net 0001 0001", QUESTION_ERROR},
	    {H "'2' '0' '0' '127' 02 424c @example.net 0001 0001", QUESTION_SUBJECT},
	    {H "'2' '0' '0' '127' 02 624c 07 4558616d706c65 @NET 0001 0001", QUESTION_SUBJECT},
	    /* only letters have a case: 0x40, 0x5b..0x5f, 0x60, 0x7b.. are themselves */
	    {H "'2' '0' '0' '127' 02 622c @example.net 0001 0001", QUESTION_ERROR},
	    {H "04 44455074 @bl.example.net 0001 0001", QUESTION_PART},
	    {H "04 44455054 @bl.example.net 0001 0001", QUESTION_PART},
	    {H "03 610d31 @dept.bl.example.net 0001 0001", QUESTION_NOTHING}, /* '-' & ~0x20 */
	    {H "05 5534373131 @bl.example.net 0001 0001", QUESTION_APEX},
	    {H "05 5514171111 @bl.example.net 0001 0001", QUESTION_NOTHING},
	    {H "60*0161 @bl.example.net 0001 0001", QUESTION_NOTHING},
	    {H "3f 63*61 3f 63*61 3f 63*61 2d 45*61 @bl.example.net 0001 0001", QUESTION_NOTHING},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		ask_line(rows[i].line);
		expect_about(rows[i].line, rows[i].about);
	}
}

static void
the_case_of_letters_changes_nothing(void **state)
{
	struct chance chance = {4343};

	(void)state;
	for (unsigned i = 0; i < COUNT(names); i++)
		for (unsigned round = 0; round < 20; round++) {
			packet_ask(&packet, 7, 0, names[i].name, WIRE_A);
			for (size_t at = 12; at + 4 < packet.length; at++) {
				uint8_t c = packet.byte[at] | 0x20;

				if (c >= 'a' && c <= 'z' && chance_below(&chance, 2) == 0)
					packet.byte[at] ^= 0x20;
			}
			read_packet();
			place();
			expect_about(names[i].name, names[i].about);
			assert_memory_equal(memory, packet.byte, packet.length);
			if (names[i].zone != NULL)
				assert_string_equal(question.zone->name, names[i].zone);
		}
}

/* --- subjects --------------------------------------------------------------------------- */

static void
expect_ipv4(const char *name, uint32_t address)
{
	uint8_t octet[16] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16),
	    (uint8_t)(address >> 8), (uint8_t)address};

	expect_about(name, QUESTION_SUBJECT);
	assert_int_equal(question.subject.family, SUBJECT_IPV4);
	assert_memory_equal(question.subject.octet, octet, 16);
}

static void
four_numbers_are_an_ipv4_address_backwards(void **state)
{
	struct chance chance = {5782};

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		uint32_t address = (uint32_t)chance_next(&chance);
		char name[60];

		(void)snprintf(name, sizeof name, "%u.%u.%u.%u.%s", address & 255,
		    address >> 8 & 255, address >> 16 & 255, address >> 24,
		    i % 2 == 0 ? "bl.example.net" : ACCOUNT);
		ask(name, WIRE_A);
		expect_ipv4(name, address);
	}
}

/* 32 nibbles backwards in front of a zone. */
static void
ipv6_name(const uint8_t octet[16], const char *digits, const char *zone, char *name)
{
	size_t at = 0;

	for (unsigned i = 16; i-- > 0;) {
		name[at++] = digits[octet[i] & 15];
		name[at++] = '.';
		name[at++] = digits[octet[i] >> 4];
		name[at++] = '.';
	}
	memcpy(name + at, zone, strlen(zone) + 1);
}

static void
thirty_two_nibbles_are_an_ipv6_address_backwards(void **state)
{
	static const char *const digits[] = {"0123456789abcdef", "0123456789ABCDEF"};
	struct chance chance = {2373};

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t octet[16];
		char name[300];

		for (unsigned j = 0; j < 16; j++)
			octet[j] = (uint8_t)chance_below(&chance, 256);
		ipv6_name(octet, digits[i % 2], i % 4 < 2 ? "bl.example.net" : LONG, name);
		ask(name, WIRE_A);
		expect_about(name, QUESTION_SUBJECT);
		assert_int_equal(question.subject.family, SUBJECT_IPV6);
		assert_memory_equal(question.subject.octet, octet, 16);
		ask(name + 2, WIRE_A); /* 31 nibbles */
		expect_about(name + 2, QUESTION_PART);
		name[0] = 'g';
		ask(name, WIRE_A);
		expect_about(name, QUESTION_NOTHING);
	}
}

static void
an_ipv6_name_of_another_length_is_no_address(void **state)
{
	char name[300] = "0.";
	static const uint8_t octet[16] = {0x20, 0x01};

	(void)state;
	ipv6_name(octet, "0123456789abcdef", "bl.example.net", name + 2);
	ask(name, WIRE_A);
	expect_about("33 nibbles", QUESTION_NOTHING);
	memcpy(name, "00", 2);
	memmove(name + 2, name + 3, strlen(name + 3) + 1); /* "00.0.0..." of 32 labels */
	ask(name, WIRE_A);
	expect_about("a nibble of two digits", QUESTION_NOTHING);
}

static void
an_ipv4_mapped_address_is_that_ipv4_address(void **state)
{
	static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 77};
	char name[300];

	(void)state;
	ipv6_name(mapped, "0123456789abcdef", "bl.example.net", name);
	ask(name, WIRE_A);
	expect_ipv4(name, 0xc000024d);
}

/* The longest zone that there may be, with the longest name in front of it: 255 bytes. */
static void
an_ipv6_address_fits_in_front_of_the_longest_zone(void **state)
{
	static const uint8_t octet[16] = {0x20, 0x01, 0x0d, 0xb8};
	char name[300];

	(void)state;
	assert_int_equal(strlen(LONG), NAME_UNDER_MAX);
	ipv6_name(octet, "0123456789abcdef", LONG, name);
	ask(name, WIRE_A);
	expect_about("255 bytes", QUESTION_SUBJECT);
	assert_int_equal(question.name_length, 255);
	assert_int_equal(question.zone_offset, 64);
	assert_string_equal(question.zone->name, LONG);
}

static void
a_question_can_be_placed_again_in_another_policy(void **state)
{
	(void)state;
	ask("2.0.0.127." ACCOUNT, WIRE_A);
	assert_string_equal(question.zone->name, ACCOUNT);
	question_place(&question, other);
	expect_about("the account, again", QUESTION_SUBJECT);
	assert_ptr_equal(question.zone, other->zone[0]);
	ask("2.0.0.127.bl.example.net", WIRE_A);
	expect_about("the zone", QUESTION_SUBJECT);
	question_place(&question, other);
	expect_error("the zone is gone", WIRE_REFUSED);
}

/* What is an IPv4 address in front of one zone is an IPv6 address in front of another. */
static void
a_question_placed_again_may_be_about_another_address(void **state)
{
#define NIBBLES "5.6.7.8.9.a.b.c.d.e.f.0.1.2.3.4.5.6.7.8.9.a.b.c.d.e.0.2."
	static const char *const zones[] = {NIBBLES "bl.example.net"};
	struct policy *below = make_policy(zones, COUNT(zones));
	struct subject ipv4, ipv6;

	(void)state;
	assert_true(subject_parse("4.3.2.1", &ipv4));
	assert_true(subject_parse("20ed:cba9:8765:4321:0fed:cba9:8765:4321", &ipv6));
	packet_ask(&packet, 7, 0, "1.2.3.4." NIBBLES "bl.example.net", WIRE_A);
	read_packet();
	question_place(&question, below);
	expect_about("below", QUESTION_SUBJECT);
	assert_true(subject_equal(&question.subject, &ipv4));
	question_place(&question, policy);
	expect_about("above", QUESTION_SUBJECT);
	assert_true(subject_equal(&question.subject, &ipv6));
	question_place(&question, below);
	assert_true(subject_equal(&question.subject, &ipv4));
	policy_close(below);
}

/* --- other names --------------------------------------------------------------------------- */

static void
ask_with(unsigned flags, const char *name, unsigned type, unsigned class)
{
	packet_ask(&packet, 7, flags, name, type);
	packet.byte[packet.length - 2] = (uint8_t)(class >> 8);
	packet.byte[packet.length - 1] = (uint8_t) class;
	read_packet();
	place();
}

static void
with_recursion_other_names_are_for_the_resolver(void **state)
{
	static const char *const asked[] = {
	    "", "net", "example.net", "www.example.com", "2.0.0.127.xbl.example.net", "localhost"};
	static const unsigned types[] = {1, 2, 12, 28, 43, 46, 52, 65, 127, 255, 256, 65535};

	(void)state;
	policy->recursion = true;
	for (unsigned i = 0; i < COUNT(asked); i++) {
		ask_with(0x0100, asked[i], WIRE_A, WIRE_IN);
		expect_about(asked[i], QUESTION_ELSEWHERE);
		assert_true(question.recursion_available);
		assert_null(question.zone);
	}
	for (unsigned i = 0; i < COUNT(types); i++) {
		ask_with(0x0100, "www.example.com", types[i], WIRE_IN);
		expect_about("a type", QUESTION_ELSEWHERE);
	}
	policy->recursion = false;
	question_place(&question, policy);
	expect_error("no recursion any more", WIRE_REFUSED);
	assert_false(question.recursion_available);
}

static void
with_recursion_our_names_are_ours_all_the_same(void **state)
{
	static const char *const asked[] = {
	    "2.0.0.127.bl.example.net", "BL.example.NET", "nobody.bl.example.net"};
	static const enum question_about about[] = {
	    QUESTION_SUBJECT, QUESTION_APEX, QUESTION_NOTHING};

	(void)state;
	policy->recursion = true;
	for (unsigned i = 0; i < COUNT(asked); i++) {
		ask_with(0x0100, asked[i], WIRE_A, WIRE_IN);
		expect_about(asked[i], about[i]);
		assert_true(question.recursion_available);
		ask_with(0, asked[i], WIRE_A, WIRE_IN);
		expect_about(asked[i], about[i]);
	}
	policy->recursion = false;
}

static void
what_a_resolver_does_not_answer_either_is_refused(void **state)
{
	static const struct {
		unsigned flags, type, class;
		enum wire_rcode rcode;
	} rows[] = {{0, 1, 1, WIRE_REFUSED}, {0x0100, 1, 3, WIRE_REFUSED},
	    {0x0100, 1, 255, WIRE_REFUSED}, {0x0100, 1, 4, WIRE_REFUSED},
	    {0x0100, 252, 1, WIRE_REFUSED}, {0x0100, 251, 1, WIRE_REFUSED},
	    {0x0100, 41, 1, WIRE_FORMERR}, {0x0100, 128, 1, WIRE_FORMERR},
	    {0x0100, 249, 1, WIRE_FORMERR}, {0x0100, 254, 1, WIRE_FORMERR}};

	(void)state;
	policy->recursion = true;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		ask_with(rows[i].flags, "www.example.com", rows[i].type, rows[i].class);
		expect_error("refused", rows[i].rcode);
	}
	policy->recursion = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_the_internet_has_our_zones),
	    cmocka_unit_test(class_any_is_the_internet),
	    cmocka_unit_test(chaos_has_a_version_and_nothing_else),
	    cmocka_unit_test(zones_are_not_transferred),
	    cmocka_unit_test(every_other_type_is_about_the_name),
	    cmocka_unit_test(a_name_belongs_to_the_longest_zone_that_it_ends_in),
	    cmocka_unit_test(labels_are_bytes_and_no_strings),
	    cmocka_unit_test(the_case_of_letters_changes_nothing),
	    cmocka_unit_test(four_numbers_are_an_ipv4_address_backwards),
	    cmocka_unit_test(thirty_two_nibbles_are_an_ipv6_address_backwards),
	    cmocka_unit_test(an_ipv6_name_of_another_length_is_no_address),
	    cmocka_unit_test(an_ipv4_mapped_address_is_that_ipv4_address),
	    cmocka_unit_test(an_ipv6_address_fits_in_front_of_the_longest_zone),
	    cmocka_unit_test(a_question_can_be_placed_again_in_another_policy),
	    cmocka_unit_test(a_question_placed_again_may_be_about_another_address),
	    cmocka_unit_test(with_recursion_other_names_are_for_the_resolver),
	    cmocka_unit_test(with_recursion_our_names_are_ours_all_the_same),
	    cmocka_unit_test(what_a_resolver_does_not_answer_either_is_refused),
	};

	return cmocka_run_group_tests_name("place", tests, open_policies, close_policies);
}
