#include "resolver/question.h"

#include <stdio.h>

#include "tests/unit/asking.h"

/* --- the header ------------------------------------------------------------------------- */

static void
less_than_a_header_is_dropped(void **state)
{
	(void)state;
	packet_ask(&packet, 7, 0, "bl.example.net", SOA);
	for (size_t length = 0; length < 12; length++) {
		read_bytes(length);
		expect_about("less than a header", QUESTION_DROP);
	}
	read_bytes(12);
	expect_error("a header alone", WIRE_FORMERR);
}

static void
a_reply_is_dropped_whatever_else_it_says(void **state)
{
	(void)state;
	for (unsigned flags = 0x8000; flags <= 0xffff; flags += 0x11) {
		packet_ask(&packet, 7, flags, "bl.example.net", SOA);
		read_packet();
		expect_about("a reply", QUESTION_DROP);
		read_bytes(12);
		expect_about("a reply without a question", QUESTION_DROP);
	}
}

static void
the_id_and_the_wish_for_recursion_are_kept(void **state)
{
	(void)state;
	packet_ask(&packet, 0xfedc, 0x0100, "bl.example.net", SOA);
	read_packet();
	assert_int_equal(question.id, 0xfedc);
	assert_true((question.flags & WIRE_RD) != 0);
	packet_ask(&packet, 0, 0, "bl.example.net", SOA);
	read_packet();
	assert_int_equal(question.id, 0);
	assert_true((question.flags & WIRE_RD) == 0);
}

/* AA TC RA Z AD CD and the rcode mean nothing in a question: checklist 12-20. */
static void
flags_of_replies_are_ignored(void **state)
{
	static const unsigned flags[] = {
	    0x0400, 0x0200, 0x0080, 0x0040, 0x0020, 0x0010, 0x07f0, 0x000f, 0x07ff};

	(void)state;
	for (unsigned i = 0; i < COUNT(flags); i++) {
		packet_ask(&packet, 7, flags[i], "bl.example.net", SOA);
		read_packet();
		place();
		expect_about("flags", QUESTION_APEX);
		assert_int_equal(question.flags, flags[i]);
	}
}

static void
other_opcodes_are_not_implemented(void **state)
{
	(void)state;
	for (unsigned opcode = 1; opcode < 16; opcode++) {
		packet_ask(&packet, 7, opcode << 11, "bl.example.net", SOA);
		read_packet();
		expect_error("with a question", WIRE_NOTIMP);
		assert_int_equal(question.flags >> 11 & 15, opcode);
		assert_int_equal(question.id, 7);
		assert_false(question.edns);
		packet.byte[5] = 0;
		read_bytes(12);
		expect_error("a header alone", WIRE_NOTIMP);
		packet.byte[2] |= 0x07;
		packet.byte[3] = 0xf0;
		read_packet();
		expect_error("all flags", WIRE_NOTIMP);
	}
}

/* --- what is no message ------------------------------------------------------------------- */

/* Checklist 68-73, 77-89. */
static const struct {
	const char *what, *line;
} broken[] = {
    {"no question", "0007 0000 0000 0000 0000 0000"},
    {"a question that is not announced", "0007 0000 0000 0000 0000 0000 " Q},
    {"two questions", "0007 0000 0002 0000 0000 0000 " Q Q},
    {"two questions announced", "0007 0000 0002 0000 0000 0000 " Q},
    {"65535 questions announced", "0007 0000 ffff 0000 0000 0000 " Q},
    {"an answer announced", "0007 0000 0001 0001 0000 0000 " Q},
    {"65535 answers announced", "0007 0000 0001 ffff 0000 0000 " Q},
    {"65535 authorities announced", "0007 0000 0001 0000 ffff 0000 " Q},
    {"65535 additionals announced", "0007 0000 0001 0000 0000 ffff " Q},
    {"65535 of each", "0007 0000 ffff ffff ffff ffff " Q},
    {"an answer", "0007 0000 0001 0001 0000 0000 " Q "c00c 0001 0001 00000e10 0004 7f000002"},
    {"an authority", "0007 0000 0001 0000 0001 0000 " Q "c00c 0001 0001 00000e10 0004 7f000002"},
    {"OPT in the answers", "0007 0000 0001 0001 0000 0000 " Q OPT "0000"},
    {"OPT in the authorities", "0007 0000 0001 0000 0001 0000 " Q OPT "0000"},
    {"an additional announced", "0007 0000 0001 0000 0000 0001 " Q},
    {"one additional of two", "0007 0000 0001 0000 0000 0002 " Q OPT "0000"},
    {"an additional that is not announced", H Q OPT "0000"},
    {"a byte behind the end", H Q "00"},
    {"8 bytes behind the end", H Q "8*00"},
    {"no question where one is announced", H},
    {"no type", H NAME},
    {"half a type", H NAME "00"},
    {"no class", H NAME "0001"},
    {"half a class", H NAME "0001 00"},
    {"a label type of 0x40", H "41 65*61 00 0001 0001"},
    {"a label type of 0x80", H "81 61 00 0001 0001"},
    {"an extended label type", H "41 01 61 00 0001 0001"},
    {"a label past the end", H "3f 616263"},
    {"a name without an end", H "03 616263"},
    {"a name of 256 bytes", H "3f 63*61 3f 63*61 3f 63*61 3e 62*61 00 0001 0001"},
    {"a name of 257 bytes", H "128*0161 00 0001 0001"},
    {"a name of 1001 bytes", H "1000*01 00 0001 0001"},
    {"a pointer to itself", H "c00c 0001 0001"},
    {"a label and a pointer to it", H "01 61 c00c 0001 0001"},
    {"two pointers to one another", H "c00e c00c 0001 0001"},
    {"a pointer forward", H "c010 0001 0001 @a"},
    {"a pointer past the end", H "c0ff 0001 0001"},
    {"a pointer that is cut", H "01 61 c0"},
    {"a pointer into a label", H "02 6161 c00d 0001 0001"},
    {"a pointer to the header", "0000 0000 0001 0000 0000 0000 c000 0001 0001"},
    {"the address in front of a pointer", H "01 32 01 30 01 30 03 313237 c000 0001 0001"},
    {"two OPT", "0007 0000 0001 0000 0000 0002 " Q OPT "0000 " OPT "0000"},
    {"two OPT, the second of version 1",
	"0007 0000 0001 0000 0000 0002 " Q OPT "0000 00 0029 04d0 00010000 0000"},
    {"two OPT, the first of version 1",
	"0007 0000 0001 0000 0000 0002 " Q "00 0029 04d0 00010000 0000 " OPT "0000"},
    {"an OPT that is not the root's",
	"0007 0000 0001 0000 0000 0001 " Q "@a.b 0029 04d0 00000000 0000"},
    {"an OPT of a pointer to the root",
	"0007 0000 0001 0000 0000 0001 " Q "c024 0029 04d0 00000000 0000"},
    {"an option longer than its record",
	"0007 0000 0001 0000 0000 0001 " Q OPT "0007 0064 00c8 616263"},
    {"an option without a length", "0007 0000 0001 0000 0000 0001 " Q OPT "0003 006400"},
    {"an option of one byte", "0007 0000 0001 0000 0000 0001 " Q OPT "0001 00"},
    {"an OPT longer than the message", "0007 0000 0001 0000 0000 0001 " Q OPT "0190"},
    {"an OPT of 8 bytes with 4", "0007 0000 0001 0000 0000 0001 " Q OPT "0008 00640000"},
    {"an option that goes into the next record",
	"0007 0000 0001 0000 0000 0002 " Q OPT "0004 0064000b 00 0001 0001 00000000 0000"},
    {"an additional longer than the message",
	"0007 0000 0001 0000 0000 0002 " Q OPT "0000 @a 0001 0001 00000e10 0190 01020304"},
    {"an additional that is cut", "0007 0000 0001 0000 0000 0002 " Q OPT "0000 @a 0001 00"},
    {"an additional with a label type of 0x40",
	"0007 0000 0001 0000 0000 0001 " Q "41 65*61 00 0001 0001 00000e10 0000"},
    {"an EDNS cookie of 7 bytes in a question with a byte behind its end",
	"0007 0000 0001 0000 0000 0001 " Q OPT "000b 000a0007 7*00 00"},
};

static void
what_is_no_message_is_a_format_error(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(broken); i++) {
		read_line(broken[i].line);
		expect_error(broken[i].what, WIRE_FORMERR);
		assert_int_equal(question.extended, WIRE_EDE_NONE);
		assert_int_equal(
		    question.id, memory[1]); /* the reply must find its way, broken or not */
	}
}

static void
an_owner_of_more_than_255_bytes_is_a_format_error(void **state)
{
	static const char *const owners[] = {"127*0161 01 61 00", "126*0161 02 6161 00",
	    "3f 63*61 3f 63*61 3f 63*61 3e 62*61 00", "3f 63*61 3f 63*61 3f 63*61 3f 63*61 c00c"};

	(void)state;
	for (unsigned i = 0; i < COUNT(owners); i++) {
		packet_make(&packet, "0007 0000 0001 0000 0000 0001 " Q);
		packet_add(&packet, owners[i]);
		packet_add(&packet, "0001 0001 00000e10 0000");
		read_packet();
		expect_error(owners[i], WIRE_FORMERR);
	}
}

static void
a_question_cut_anywhere_is_a_format_error(void **state)
{
	size_t length;

	(void)state;
	packet_ask(&packet, 7, 0x0100, "2.0.0.127.BL.example.net", WIRE_A);
	packet_edns(&packet, 1232, 0, "000a 0018 24*55 0064 0003 616263");
	length = packet.length;
	for (size_t cut = 12; cut < length; cut++) {
		read_bytes(cut);
		expect_error("cut", WIRE_FORMERR);
		assert_false(question.edns);
	}
	read_packet();
	place();
	expect_about("whole", QUESTION_SUBJECT);
	assert_true(question.edns);
}

static void
a_complaint_about_the_format_is_the_last(void **state)
{
	(void)state;
	read_line(H);
	question_refuse(&question, WIRE_BADVERS, WIRE_EDE_PROHIBITED);
	expect_error("after a format error", WIRE_FORMERR);
	assert_int_equal(question.extended, WIRE_EDE_NONE);
	ask("2.0.0.127.bl.example.net", WIRE_A);
	question_refuse(&question, WIRE_REFUSED, WIRE_EDE_PROHIBITED);
	expect_error("refused", WIRE_REFUSED);
	assert_int_equal(question.extended, WIRE_EDE_PROHIBITED);
}

/* --- names ------------------------------------------------------------------------------ */

static void
a_name_that_begins_with_an_address_has_255_bytes_at_most(void **state)
{
	(void)state;
	read_line(H "0131 0132 0133 0134 3f 63*61 3f 63*61 3f 63*61 35 53*61 00 0001 0001");
	expect_about("255 bytes", QUESTION_NOTHING);
	assert_int_equal(question.name_length, 255);
	read_line(H "0131 0132 0133 0134 3f 63*61 3f 63*61 3f 63*61 36 54*61 00 0001 0001");
	expect_error("256 bytes", WIRE_FORMERR);
}

static void
names_of_up_to_255_bytes_are_read_as_they_were_sent(void **state)
{
	static const char *const lines[] = {
	    H "00 0001 0001",
	    H "@bL.eXaMpLe.NeT 0001 0001",
	    H "3f 63*ff 3f 63*00 3f 63*41 3d 61*2e 00 0001 0001",
	    H "127*01 127*01 00 0001 0001",
	};
	static const size_t length[] = {1, 16, 255, 255};

	(void)state;
	for (unsigned i = 0; i < COUNT(lines); i++) {
		read_line(lines[i]);
		expect_about(lines[i], QUESTION_NOTHING);
		assert_int_equal(question.extended, WIRE_EDE_NONE);
		assert_true(question.has_name);
		assert_int_equal(question.name_length, length[i]);
		assert_ptr_equal(question.name, memory + 12);
		place();
		assert_memory_equal(question.name, packet.byte + 12, length[i]);
	}
}

static void
type_and_class_are_read(void **state)
{
	(void)state;
	read_line(H NAME "fffe 8001");
	assert_int_equal(question.type, 0xfffe);
	assert_int_equal(question.class, 0x8001);
}

/* --- EDNS ------------------------------------------------------------------------------- */

static void
edns(unsigned size, uint32_t ttl, const char *options)
{
	packet_ask(&packet, 7, 0, "bl.example.net", SOA);
	packet_edns(&packet, size, ttl, options);
	read_packet();
	place();
}

static void
without_edns_a_client_takes_512_bytes(void **state)
{
	(void)state;
	ask("bl.example.net", SOA);
	assert_false(question.edns);
	assert_false(question.dnssec_ok);
	assert_int_equal(question.udp_size, 512);
	read_line(H);
	assert_int_equal(question.udp_size, 512);
}

static void
the_size_that_a_client_takes_is_bounded(void **state)
{
	static const unsigned size[][2] = {{0, 512}, {1, 512}, {511, 512}, {512, 512}, {513, 513},
	    {1231, 1231}, {1232, 1232}, {1233, 1232}, {4096, 1232}, {65535, 1232}};

	(void)state;
	for (unsigned i = 0; i < COUNT(size); i++) {
		edns(size[i][0], 0, "");
		expect_about("EDNS", QUESTION_APEX);
		assert_true(question.edns);
		assert_int_equal(question.udp_size, size[i][1]);
	}
}

static void
of_the_edns_flags_only_do_is_looked_at(void **state)
{
	static const uint32_t flags[] = {0, 0x8000, 0x0001, 0x0040, 0x0080, 0x4000, 0x7fff, 0xffff};

	(void)state;
	for (unsigned i = 0; i < COUNT(flags); i++) {
		edns(1232, flags[i], "");
		expect_about("flags", QUESTION_APEX);
		assert_int_equal(question.dnssec_ok, (flags[i] & 0x8000) != 0);
		edns(1232, flags[i] | 0xff000000, ""); /* an rcode in a question */
		expect_about("flags and an rcode", QUESTION_APEX);
		assert_int_equal(question.dnssec_ok, (flags[i] & 0x8000) != 0);
	}
}

static void
another_version_of_edns_is_refused_by_its_own_rcode(void **state)
{
	static const uint32_t version[] = {1, 2, 127, 128, 255};

	(void)state;
	for (unsigned i = 0; i < COUNT(version); i++) {
		edns(1232, version[i] << 16, "");
		expect_error("version", WIRE_BADVERS);
		assert_true(question.edns);
		edns(600, version[i] << 16 | 0x8080, "0064 0003 616263");
		expect_error("version, flags, option", WIRE_BADVERS);
		assert_true(question.edns);
		assert_true(question.dnssec_ok);
		assert_int_equal(question.udp_size, 600);
		edns(1232, version[i] << 16, "000a 0008 8*77");
		expect_error("version, cookie", WIRE_BADVERS);
	}
}

/* Checklist 56-59: none of them is ours to understand. */
static void
options_of_any_kind_are_ignored(void **state)
{
	static const char *const options[] = {
	    "0064 0000",            /* unknown */
	    "fde9 00c8 200*aa",     /* unknown, 200 bytes */
	    "0000 0000",            /* reserved */
	    "ffff 0001 ff",         /* reserved */
	    "0003 0000",            /* NSID */
	    "0008 0004 0001 00 00", /* client subnet 0/0 */
	    "0009 0000",            /* EXPIRE */
	    "000b 0000",            /* keepalive */
	    "000c 0064 100*00",     /* padding */
	    "000f 0002 0000",       /* extended error */
	    "0012 0000",            /* report channel */
	    "0003 0000 0008 0004 00010000 0009 0000 000a 0008 8*12",
	    "000a 0008 8*12 0003 0000 000c 0004 4*00 000a 0010 16*12",
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(options); i++) {
		edns(1232, 0, options[i]);
		expect_about(options[i], QUESTION_APEX);
		assert_true(question.edns);
	}
}

static void
a_cookie_has_8_or_16_to_40_bytes(void **state)
{
	(void)state;
	for (unsigned length = 0; length <= 64; length++) {
		bool good = length == 8 || (length >= 16 && length <= 40);
		char options[60];

		(void)snprintf(
		    options, sizeof options, "0003 0000 000a %04x %u*00", length, length);
		edns(1232, 0, options);
		if (good)
			expect_about(options, QUESTION_APEX);
		else
			expect_error(options, WIRE_FORMERR);
	}
}

static void
of_several_cookies_the_first_counts(void **state)
{
	static const struct {
		const char *options;
		bool good;
	} cases[] = {
	    {"000a 0008 8*11 000a 0010 16*22", true},
	    {"000a 0008 8*11 000a 0007 7*22", true},
	    {"000a 0010 16*11 0003 0000 000a 0000", true},
	    {"000a 0007 7*22 000a 0008 8*11", false},
	    {"000a 0000 000a 0000", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		edns(1232, 0, cases[i].options);
		if (cases[i].good)
			expect_about(cases[i].options, QUESTION_APEX);
		else
			expect_error(cases[i].options, WIRE_FORMERR);
	}
}

static void
thousands_of_options_are_one_question(void **state)
{
	(void)state;
	packet_ask(&packet, 7, 0, "bl.example.net", SOA);
	packet_edns(&packet, 1232, 0, "64000*00");
	read_packet();
	place();
	expect_about("16000 empty options", QUESTION_APEX);
}

static void
other_records_beside_opt_are_ignored(void **state)
{
	static const char *const lines[] = {
	    "0007 0000 0001 0000 0000 0002 " Q OPT "0000 @a 0001 0001 00000e10 0004 01020304",
	    "0007 0000 0001 0000 0000 0002 " Q "@a 0001 0001 00000e10 0004 01020304 " OPT "0000",
	    "0007 0000 0001 0000 0000 0002 " Q OPT "0000 @key 00fa 00ff 00000000 0005 0102030405",
	    "0007 0000 0001 0000 0000 0002 " Q OPT "0000 c00c 0001 0001 00000e10 0000",
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(lines); i++) {
		ask_line(lines[i]);
		expect_about(lines[i], QUESTION_SUBJECT);
		assert_true(question.edns);
	}
	ask_line("0007 0000 0001 0000 0000 0001 " Q "@a 0001 0001 00000e10 0000");
	expect_about("no OPT", QUESTION_SUBJECT);
	assert_false(question.edns);
}

/* --- chance ----------------------------------------------------------------------------- */

static bool
is_in(const uint8_t *at, size_t length)
{
	return at >= memory && at + length <= memory + packet.length;
}

/* Whatever comes in, what goes on is in bounds. */
static void
check_question(void)
{
	if (question.about == QUESTION_DROP)
		return;
	assert_in_range(question.udp_size, 512, QUESTION_UDP_SIZE);
	if (question.has_name)
		assert_true(is_in(question.name, question.name_length));
	if (question.about == QUESTION_ERROR) {
		assert_true(question.rcode != WIRE_NOERROR);
		return;
	}
	assert_true(question.has_name);
	assert_int_equal(question.name[question.name_length - 1], 0);
	if (question.about != QUESTION_CHAOS)
		assert_int_equal(
		    question.zone_offset + question.zone->wire_length, question.name_length);
}

static void
changed_bytes_are_read_within_bounds(void **state)
{
	static const char *const seeds[] = {
	    H Q,
	    "0007 0100 0001 0000 0000 0001 " Q OPT "000c 000a 0008 8*00",
	    "0007 0000 0001 0000 0000 0002 @" ACCOUNT " 0010 0001 " OPT "0000 c00c 0001 0001 "
	    "00000e10 0004 01020304",
	    H "@version.bind 0010 0003",
	};
	struct chance chance = {1035};

	(void)state;
	for (unsigned i = 0; i < 40000; i++) {
		packet_make(&packet, seeds[i % COUNT(seeds)]);
		packet_damage(&packet, &chance);
		read_packet();
		place();
		check_question();
	}
}

static void
each_bit_may_flip(void **state)
{
	(void)state;
	packet_ask(&packet, 7, 0, "2.0.0.127.bl.example.net", WIRE_A);
	packet_edns(&packet, 1232, 0, "000a 0008 8*00");
	for (size_t bit = 0; bit < packet.length * 8; bit++) {
		packet.byte[bit / 8] ^= (uint8_t)(1u << bit % 8);
		read_packet();
		place();
		check_question();
		packet.byte[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(less_than_a_header_is_dropped),
	    cmocka_unit_test(a_reply_is_dropped_whatever_else_it_says),
	    cmocka_unit_test(the_id_and_the_wish_for_recursion_are_kept),
	    cmocka_unit_test(flags_of_replies_are_ignored),
	    cmocka_unit_test(other_opcodes_are_not_implemented),
	    cmocka_unit_test(what_is_no_message_is_a_format_error),
	    cmocka_unit_test(an_owner_of_more_than_255_bytes_is_a_format_error),
	    cmocka_unit_test(a_question_cut_anywhere_is_a_format_error),
	    cmocka_unit_test(a_complaint_about_the_format_is_the_last),
	    cmocka_unit_test(names_of_up_to_255_bytes_are_read_as_they_were_sent),
	    cmocka_unit_test(a_name_that_begins_with_an_address_has_255_bytes_at_most),
	    cmocka_unit_test(type_and_class_are_read),
	    cmocka_unit_test(without_edns_a_client_takes_512_bytes),
	    cmocka_unit_test(the_size_that_a_client_takes_is_bounded),
	    cmocka_unit_test(of_the_edns_flags_only_do_is_looked_at),
	    cmocka_unit_test(another_version_of_edns_is_refused_by_its_own_rcode),
	    cmocka_unit_test(options_of_any_kind_are_ignored),
	    cmocka_unit_test(a_cookie_has_8_or_16_to_40_bytes),
	    cmocka_unit_test(of_several_cookies_the_first_counts),
	    cmocka_unit_test(thousands_of_options_are_one_question),
	    cmocka_unit_test(other_records_beside_opt_are_ignored),
	    cmocka_unit_test(changed_bytes_are_read_within_bounds),
	    cmocka_unit_test(each_bit_may_flip),
	};

	return cmocka_run_group_tests_name("question", tests, open_policies, close_policies);
}
