#include "resolver/relay.h"

#include <stdio.h>

#include "tests/unit/packet.h"

/* A packet of libunbound's: its flags, and the counts of one question and three sections. */
#define HEAD "0000 8180 0001 "
#define Q_A "@www.example 0001 0001 "
#define WWW "c00c " /* the question's name */
#define A(owner, last) owner "0001 0001 0000003c 0004 c00002" last " "
#define SIG(owner, of)                                                                             \
	owner "002e 0001 0000003c 0016 " of " 0d 02 0000003c 00000002 00000001 0007 00 aabb 01 "
#define OPT "00 0029 04d0 00008000 0000 "
#define DO 0x8000

static struct packet packet;
static struct question question;
static uint8_t name[WIRE_NAME_MAX], out[RELAY_SIZE_MAX];
static size_t length;

/* A client asks; `size` 0: without EDNS. */
static void
client_asks(const char *asked, unsigned type, unsigned flags, unsigned size, uint32_t edns)
{
	packet_ask(&packet, 7, 0x0100 | flags, asked, type);
	if (size > 0)
		packet_edns(&packet, size, edns, "");
	question_read(&question, packet.byte, packet.length);
	assert_int_equal(question.about, QUESTION_NOTHING);
	memcpy(name, question.name, question.name_length);
	question.name = name;
	question.recursion_available = true;
}

static void
relay_bytes(size_t bytes, bool secure, size_t size)
{
	uint8_t *memory = packet_copy(&packet, bytes);

	memset(out, 0xaa, sizeof out);
	length = relay_write(&question, memory, bytes, secure, out, size);
	free(memory);
}

static void
relay_line(const char *line, bool secure, size_t size)
{
	packet_make(&packet, line);
	relay_bytes(packet.length, secure, size);
}

static void
expect_reply(const char *line)
{
	packet_make(&packet, line);
	for (size_t i = 0; i < length && i < packet.length; i++)
		if (out[i] != packet.byte[i])
			fail_msg("byte %zu is %02x, not %02x", i, out[i], packet.byte[i]);
	assert_int_equal(length, packet.length);
}

static void
the_question_comes_back_as_spelled_and_so_does_its_name_in_records(void **state)
{
	(void)state;
	client_asks("wWw.eXample", WIRE_A, 0, 0, 0);
	relay_line(HEAD "0003 0000 0000 " Q_A "c00c 0005 0001 0000003c 0004 01 61 c010 "
			"c029 0005 0001 0000003c 0006 @b.net c029 0001 0001 0000003c 0004 c0000201",
	    false, 512);
	assert_int_equal(
	    length, 0); /* the owner of the last is no name of its own: 7 bytes, not 6 */
	relay_line(HEAD "0003 0000 0000 " Q_A "c00c 0005 0001 0000003c 0004 01 61 c010 "
			"c029 0005 0001 0000003c 0007 @b.net c039 0001 0001 8000003c 0004 c0000201",
	    false, 512);
	expect_reply("0007 8180 0001 0003 0000 0000 @wWw.eXample 0001 0001 "
		     "c00c 0005 0001 0000003c 0004 01 61 c010 "
		     "c029 0005 0001 0000003c 0007 @b.net "
		     "c039 0001 0001 00000000 0004 c0000201");
}

static void
names_are_compressed_only_where_rfc_3597_allows_it(void **state)
{
	(void)state;
	client_asks("example", 15, 0, 0, 0);
	relay_line(HEAD "0001 0001 0001 @example 000f 0001 "
			"c00c 000f 0001 0000003c 000e 000a @mx.example "
			"@example 0002 0001 0000003c 000c @ns.example "
			"@mx.example 0021 0001 0000003c 0013 0001 0002 0019 @mx.example 00",
	    false, 512);
	expect_reply("0007 8180 0001 0001 0001 0001 @example 000f 0001 "
		     "c00c 000f 0001 0000003c 0007 000a 02 6d78 c00c "
		     "c00c 0002 0001 0000003c 0005 02 6e73 c00c "
		     "c027 0021 0001 0000003c 0013 0001 0002 0019 @mx.example 00");
}

static void
dnssec_is_for_those_who_ask_for_it(void **state)
{
	static const char whole[] = HEAD "0002 0001 0001 " Q_A A(WWW, "01")
	    SIG(WWW, "0001") "@example 002f 0001 0000003c 0004 00 0001 40 " OPT;
	static const char plain[] =
	    "0007 8180 0001 0001 0000 0001 " Q_A A(WWW, "01") "00 0029 04d0 00000000 0000";

	(void)state;
	client_asks("www.example", WIRE_A, 0, 1232, 0);
	relay_line(whole, true, 1232);
	expect_reply(plain);
	client_asks("www.example", WIRE_A, 0, 1232, DO);
	relay_line(whole, true, 1232);
	expect_reply("0007 81a0 0001 0002 0001 0001 " Q_A A(WWW, "01")
		SIG(WWW, "0001") "c010 002f 0001 0000003c 0004 00 0001 40 " OPT);
	client_asks("www.example", WIRE_RRSIG, 0, 0, 0);
	relay_line(HEAD "0001 0000 0000 @www.example 002e 0001 " SIG(WWW, "0001"), true, 512);
	expect_reply("0007 8180 0001 0001 0000 0000 @www.example 002e 0001 " SIG(WWW, "0001"));
}

static void
ad_is_for_those_who_understand_it_and_only_of_what_is_proven(void **state)
{
	static const struct {
		unsigned flags, edns;
		bool secure;
		unsigned expected;
	} rows[] = {{0, 0, true, 0x80}, {0x20, 0, true, 0xa0}, {0, DO, true, 0xa0},
	    {0x20, DO, false, 0x80}, {0x10, 0, true, 0x90}, {0x30, DO, true, 0xb0}};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		client_asks("www.example", WIRE_A, rows[i].flags, 1232, rows[i].edns);
		relay_line(HEAD "0001 0000 0000 " Q_A A(WWW, "01"), rows[i].secure, 1232);
		assert_int_equal(out[3], rows[i].expected);
	}
}

static void
rcode_and_aa_are_libunbounds(void **state)
{
	(void)state;
	client_asks("www.example", WIRE_A, 0, 0, 0);
	relay_line("0000 8583 0001 0000 0000 0000 " Q_A, false, 512);
	expect_reply("0007 8583 0001 0000 0000 0000 " Q_A);
	relay_line("0000 8186 0001 0000 0000 0000 " Q_A, false, 512);
	expect_reply("0007 8186 0001 0000 0000 0000 " Q_A);
}

static void
additional_records_go_before_the_reply_is_truncated(void **state)
{
	static const char line[] =
	    HEAD "0001 0000 0002 " Q_A A(WWW, "01") A("@a.example ", "02") A("@b.example ", "03");
	const size_t answer = 12 + 17 + 16, more = 2 * (4 + 14);

	(void)state;
	client_asks("www.example", WIRE_A, 0, 0, 0);
	relay_line(line, false, answer + more);
	assert_int_equal(length, answer + more);
	for (size_t size = answer; size < answer + more; size++) {
		relay_line(line, false, size);
		assert_int_equal(length, answer);
		assert_int_equal(out[2], 0x81);
		assert_int_equal(out[11], 0);
	}
	relay_line(line, false, answer - 1);
	expect_reply("0007 8380 0001 0000 0000 0000 " Q_A);
	client_asks("www.example", WIRE_A, 0, 1232, 0);
	for (size_t size = answer + 11; size < answer + more + 11; size++) {
		relay_line(line, false, size);
		assert_int_equal(length, answer + 11);
		assert_int_equal(out[11], 1);
	}
}

static void
any_is_answered_with_little(void **state)
{
	(void)state;
	client_asks("www.example", WIRE_ANY, 0, 0, 0);
	assert_int_equal(relay_type(&question), WIRE_A);
	relay_line(HEAD "0002 0000 0000 " Q_A
			"c00c 0005 0001 0000003c 0004 01 61 c010 " A("c029 ", "01"),
	    true, 512);
	expect_reply("0007 8180 0001 0001 0000 0000 @www.example 00ff 0001 "
		     "c00c 0005 0001 0000003c 0004 01 61 c010");
	relay_line(
	    HEAD "0000 0001 0000 " Q_A "c010 0006 0001 0000003c 0016 00 00 20*00", true, 512);
	expect_reply("0007 8180 0001 0001 0000 0000 @www.example 00ff 0001 "
		     "c00c 000d 0001 00000e10 0009 'RFC8482' 00");
}

static void
any_of_a_name_that_is_not_there_says_so(void **state)
{
	(void)state;
	client_asks("www.example", WIRE_ANY, 0, 0, 0);
	relay_line("0000 8183 0001 0000 0001 0000 " Q_A "c010 0006 0001 0000003c 0016 00 00 20*00",
	    true, 512);
	assert_int_equal(out[3] & 15, WIRE_NXDOMAIN);
	assert_int_equal(out[7], 0);
}

static void
what_is_no_answer_to_the_question_is_none(void **state)
{
	static const char *const lines[] = {"0000 0180 0001 0000 0000 0000 " Q_A, /* a query */
	    "0000 8380 0001 0000 0000 0000 " Q_A,                                 /* truncated */
	    "0000 8182 0001 0000 0000 0000 " Q_A,                                 /* SERVFAIL */
	    "0000 8185 0001 0000 0000 0000 " Q_A,                                 /* REFUSED */
	    "0000 8180 0000 0000 0000 0000 " Q_A, "0000 8180 0002 0000 0000 0000 " Q_A,
	    HEAD "0000 0000 0000 @wwx.example 0001 0001",
	    HEAD "0000 0000 0000 @ww.example 0001 0001",
	    HEAD "0000 0000 0000 @www.example 0002 0001",
	    HEAD "0000 0000 0000 @www.example 0001 0003",
	    /* records that are none: too few, data too long, names that go round or ahead */
	    HEAD "0001 0000 0000 " Q_A, HEAD "0000 0001 0000 " Q_A, HEAD "0000 0000 0001 " Q_A,
	    HEAD "0001 0000 0000 " Q_A "c00c 0001 0001 0000003c 0005 c0000201",
	    HEAD "0001 0000 0000 " Q_A "c01d 0001 0001 0000003c 0004 c0000201",
	    HEAD "0001 0000 0000 " Q_A "c01f 0001 0001 0000003c 0004 c0000201",
	    HEAD "0001 0000 0000 " Q_A "ffff 0001 0001 0000003c 0004 c0000201",
	    HEAD "0001 0000 0000 " Q_A "41 61 00 0001 0001 0000003c 0004 c0000201",
	    HEAD "0001 0000 0000 " Q_A "c00c 0005 0001 0000003c 0002 c029",
	    HEAD "0001 0000 0000 " Q_A "c00c 0005 0001 0000003c 0001 c00c",
	    HEAD "0001 0000 0000 " Q_A "c00c 0005 0001 0000003c 0000",
	    HEAD "0001 0000 0000 " Q_A "c00c 000f 0001 0000003c 0001 00",
	    HEAD "0001 0000 0000 " Q_A "c00c 0006 0001 0000003c 0002 00 c0"};

	(void)state;
	client_asks("www.example", WIRE_A, 0, 0, 0);
	for (unsigned i = 0; i < COUNT(lines); i++) {
		relay_line(lines[i], false, 512);
		if (length != 0)
			fail_msg("relayed: %s", lines[i]);
	}
}

static void
a_packet_that_is_cut_anywhere_is_no_answer(void **state)
{
	size_t whole;

	(void)state;
	client_asks("www.example", WIRE_A, 0, 1232, DO);
	packet_make(&packet, HEAD "0002 0001 0001 " Q_A A(WWW, "01") SIG(WWW,
				 "0001") "@example 0006 0001 0000003c 0018 c00c c00c 20*00 " OPT);
	whole = packet.length;
	relay_bytes(whole, true, 1232);
	assert_true(length > 0);
	for (size_t cut = 0; cut < whole; cut++) {
		relay_bytes(cut, true, 1232);
		assert_int_equal(length, 0);
	}
}

static void
names_of_any_bytes_are_passed_to_libunbound(void **state)
{
	char text[RELAY_NAME_MAX];

	(void)state;
	client_asks("", WIRE_A, 0, 0, 0);
	relay_name(&question, text);
	assert_string_equal(text, ".");
	packet_make(
	    &packet, "0007 0100 0001 0000 0000 0000 05 57572d5f39 03 2e005c 01 ff 00 0001 0001");
	question_read(&question, packet.byte, packet.length);
	relay_name(&question, text);
	assert_string_equal(text, "ww-_9.\\046\\000\\092.\\255.");
	packet_make(&packet,
	    "0007 0100 0001 0000 0000 0000 3f 63*01 3f 63*01 3f 63*01 3d 61*01 00 0001 0001");
	question_read(&question, packet.byte, packet.length);
	relay_name(&question, text);
	assert_int_equal(strlen(text), 250 * 4 + 4);
}

/* Names that differ only at their ends cost as many comparisons as there are labels: bounded. */
static void
names_made_to_be_slow_to_compress_are_not(void **state)
{
	size_t at;

	(void)state;
	client_asks("www.example", WIRE_A, 0, 0, 0);
	packet_make(&packet, HEAD "00e0 0000 0000 " Q_A);
	for (unsigned i = 0; i < 0xe0; i++) {
		for (unsigned label = 0; label < 126; label++)
			packet_add(&packet, "01 61");
		at = packet.length;
		packet_add(&packet, "01 00 00 0001 0001 0000003c 0004 c0000201");
		packet.byte[at + 1] = (uint8_t)i;
	}
	relay_bytes(packet.length, false, RELAY_SIZE_MAX);
	assert_true(length > 0 && length <= packet.length);
	assert_int_equal(out[7], 0xe0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_question_comes_back_as_spelled_and_so_does_its_name_in_records),
	    cmocka_unit_test(names_are_compressed_only_where_rfc_3597_allows_it),
	    cmocka_unit_test(dnssec_is_for_those_who_ask_for_it),
	    cmocka_unit_test(ad_is_for_those_who_understand_it_and_only_of_what_is_proven),
	    cmocka_unit_test(rcode_and_aa_are_libunbounds),
	    cmocka_unit_test(additional_records_go_before_the_reply_is_truncated),
	    cmocka_unit_test(any_is_answered_with_little),
	    cmocka_unit_test(any_of_a_name_that_is_not_there_says_so),
	    cmocka_unit_test(what_is_no_answer_to_the_question_is_none),
	    cmocka_unit_test(a_packet_that_is_cut_anywhere_is_no_answer),
	    cmocka_unit_test(names_of_any_bytes_are_passed_to_libunbound),
	    cmocka_unit_test(names_made_to_be_slow_to_compress_are_not),
	};

	return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
