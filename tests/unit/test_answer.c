#include "resolver/answer.h"

#include "tests/unit/asking.h"
#include "tests/unit/decode.h"

#define SUBJECT "4.3.2.192.bl.example.net"
#define DO 0x8000u
#define SMALLEST 282 /* bytes that header, longest question and OPT fit in */

static struct decoded decoded;
static uint8_t *reply;
static size_t reply_length;

static int
open_addresses(void **state)
{
	if (open_policies(state) != 0)
		return -1;
	policy->addresses = 3;
	return subject_parse("127.0.0.2", &policy->address[0]) &&
		       subject_parse("::1", &policy->address[1]) &&
		       subject_parse("127.0.0.3", &policy->address[2])
		   ? 0
		   : -1;
}

static int
close_all(void **state)
{
	free(reply);
	reply = NULL;
	return close_policies(state);
}

static const struct verdict listed = {
    .state = VERDICT_LISTED, .address = 0x7f010203, .ttl = 47, .score = 9};
static const struct verdict clear = {.state = VERDICT_CLEAR, .ttl = 33};
static const struct verdict deferred = {.state = VERDICT_DEFERRED};
static const struct verdict substitute = {
    .state = VERDICT_SUBSTITUTE, .address = 0x7f0000fe, .ttl = 5};

/* What must hold of every reply, whatever was asked: checklist, "always". */
static void
check_always(size_t size)
{
	if (!decode(&decoded, reply, reply_length))
		fail_msg("the reply is wrong: %s", decoded.wrong);
	assert_in_range(reply_length, 12, size);
	assert_int_equal(decoded.id, question.id);
	assert_int_equal(decoded.flags & 0x8000, 0x8000);
	assert_int_equal(decoded.flags >> 11 & 15, question.flags >> 11 & 15);
	assert_int_equal(decoded.flags & 0x00f0, 0); /* RA Z AD CD */
	assert_int_equal(
	    decoded.flags >> 8 & 1, (question.flags & (WIRE_RD | WIRE_OPCODE)) == WIRE_RD);
	assert_int_equal(decoded.edns, question.edns);
	if (decoded.questions == 1)
		assert_memory_equal(reply + 12, memory + 12, question.name_length + 4u);
	if (decoded.edns) {
		assert_int_equal(decoded.udp_size, 1232);
		assert_int_equal(decoded.edns_flags, question.dnssec_ok ? DO : 0);
	}
	if (decoded.rcode != WIRE_NOERROR)
		assert_int_equal(decoded.answers, 0);
}

/* Write the reply in `size` bytes, of memory that ends there, and take it apart. */
static void
answer_in(size_t size, const struct verdict *verdict, const char *text)
{
	free(reply);
	reply = malloc(size + 1);
	assert_non_null(reply);
	reply[size] = 0xaa;
	reply_length = question.about == QUESTION_SUBJECT
			   ? answer_verdict(&question, policy, verdict, text, reply, size)
			   : answer_write(&question, policy, reply, size);
	assert_int_equal(reply[size], 0xaa);
	assert_true(reply_length <= size);
	if (reply_length > 0 && size >= SMALLEST)
		check_always(size);
}

static void
answer(const struct verdict *verdict, const char *text)
{
	answer_in(question.udp_size, verdict, text);
	assert_true(reply_length > 0);
	assert_int_equal(decoded.flags & 0x0200, 0);
}

static void
answer_to(const char *name, unsigned type, const struct verdict *verdict)
{
	ask(name, type);
	answer(verdict, "a text");
}

static void
expect(enum wire_rcode rcode, unsigned answers, unsigned authorities)
{
	assert_int_equal(decoded.rcode, rcode);
	assert_int_equal(decoded.answers, answers);
	assert_int_equal(decoded.authorities, authorities);
	assert_int_equal(decoded.questions, 1);
}

static void
expect_aa(bool aa)
{
	assert_int_equal(decoded.flags >> 10 & 1, aa);
}

static void
expect_soa(const struct decoded_record *record, const char *zone, uint32_t ttl, uint32_t minimum)
{
	char name[300];

	assert_int_equal(record->type, WIRE_SOA);
	assert_int_equal(record->class, WIRE_IN);
	assert_string_equal(record->owner, zone);
	(void)snprintf(name, sizeof name, "ns.%s", zone);
	assert_string_equal(record->name[0], name);
	(void)snprintf(name, sizeof name, "hostmaster.%s", zone);
	assert_string_equal(record->name[1], name);
	assert_int_equal(record->ttl, ttl);
	assert_int_equal(record->number[0], 1);
	assert_int_equal(record->number[1], 3600);
	assert_int_equal(record->number[2], 600);
	assert_int_equal(record->number[3], 86400);
	assert_int_equal(record->number[4], minimum);
}

static void
expect_negative(enum wire_rcode rcode, const char *zone, uint32_t ttl)
{
	expect(rcode, 0, 1);
	expect_aa(true);
	expect_soa(&decoded.authority[0], zone, ttl, ttl);
}

static void
expect_a(const struct decoded_record *record, const char *owner, uint32_t address, uint32_t ttl)
{
	uint8_t octet[4] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16),
	    (uint8_t)(address >> 8), (uint8_t)address};

	assert_int_equal(record->type, WIRE_A);
	assert_int_equal(record->class, WIRE_IN);
	assert_string_equal(record->owner, owner);
	assert_memory_equal(record->address, octet, 4);
	assert_int_equal(record->ttl, ttl);
}

static void
expect_txt(const struct decoded_record *record, const char *owner, const char *text, uint32_t ttl)
{
	assert_int_equal(record->type, WIRE_TXT);
	assert_int_equal(record->class, WIRE_IN);
	assert_string_equal(record->owner, owner);
	assert_string_equal(record->text, text);
	assert_int_equal(record->ttl, ttl);
}

/* --- subjects --------------------------------------------------------------------------- */

static void
a_listed_subject_has_exactly_one_address(void **state)
{
	(void)state;
	answer_to(SUBJECT, WIRE_A, &listed);
	expect(WIRE_NOERROR, 1, 0);
	expect_aa(true);
	expect_a(&decoded.answer[0], SUBJECT, 0x7f010203, 47);
}

static void
a_listed_subject_has_a_text_of_the_same_life(void **state)
{
	(void)state;
	answer_to(SUBJECT, WIRE_TXT, &listed);
	expect(WIRE_NOERROR, 1, 0);
	expect_aa(true);
	expect_txt(&decoded.answer[0], SUBJECT, "a text", 47);
}

static void
any_gives_address_and_text(void **state)
{
	(void)state;
	answer_to(SUBJECT, WIRE_ANY, &listed);
	expect(WIRE_NOERROR, 2, 0);
	expect_a(&decoded.answer[0], SUBJECT, 0x7f010203, 47);
	expect_txt(&decoded.answer[1], SUBJECT, "a text", 47);
}

/* Checklist 7. */
static void
a_listed_subject_has_no_records_of_other_types(void **state)
{
	static const unsigned types[] = {2, 5, 6, 10, 12, 13, 15, 28, 33, 35, 39, 43, 47, 48, 64,
	    65, 99, 257, 41, 249, 250, 253, 254, 666, 1000, 65280, 65534, 65535, 0};

	(void)state;
	for (unsigned i = 0; i < COUNT(types); i++) {
		answer_to(SUBJECT, types[i], &listed);
		expect_negative(WIRE_NOERROR, "bl.example.net", 47);
		answer_to(SUBJECT, types[i], &clear);
		expect_negative(WIRE_NXDOMAIN, "bl.example.net", 33);
	}
}

static void
nothing_of_another_type_is_kept_no_longer_than_the_zone_says(void **state)
{
	struct verdict verdict = listed;

	(void)state;
	verdict.ttl = 86400;
	answer_to(SUBJECT, WIRE_AAAA, &verdict);
	expect_negative(WIRE_NOERROR, "bl.example.net", 60);
	verdict.ttl = 1;
	answer_to(SUBJECT, WIRE_AAAA, &verdict);
	expect_negative(WIRE_NOERROR, "bl.example.net", 1);
}

static void
a_substitute_looks_like_a_listing(void **state)
{
	(void)state;
	answer_to(SUBJECT, WIRE_ANY, &substitute);
	expect(WIRE_NOERROR, 2, 0);
	expect_aa(true);
	expect_a(&decoded.answer[0], SUBJECT, 0x7f0000fe, 5);
	expect_txt(&decoded.answer[1], SUBJECT, "a text", 5);
	answer_to(SUBJECT, WIRE_AAAA, &substitute);
	expect_negative(WIRE_NOERROR, "bl.example.net", 5);
}

static void
a_clear_subject_does_not_exist(void **state)
{
	static const unsigned types[] = {WIRE_A, WIRE_TXT, WIRE_AAAA, 15, WIRE_ANY, 1000};

	(void)state;
	for (unsigned i = 0; i < COUNT(types); i++) {
		answer_to(SUBJECT, types[i], &clear);
		expect_negative(WIRE_NXDOMAIN, "bl.example.net", 33);
	}
	answer_to("4.3.2.192." ACCOUNT, WIRE_A, &clear);
	expect_negative(WIRE_NXDOMAIN, ACCOUNT, 33);
}

/* RFC 8020: below 2.0.0.1.zone lie all names of 2001::/16. */
static void
a_clear_address_above_ipv6_names_exists_without_records(void **state)
{
	(void)state;
	answer_to("1.0.0.2.bl.example.net", WIRE_A, &clear);
	expect_negative(WIRE_NOERROR, "bl.example.net", 33);
	answer_to("1.0.0.3.bl.example.net", WIRE_TXT, &clear);
	expect_negative(WIRE_NOERROR, "bl.example.net", 33);
	answer_to("1.0.0.4.bl.example.net", WIRE_A, &clear);
	expect_negative(WIRE_NXDOMAIN, "bl.example.net", 33);
	answer_to("10.0.0.2.bl.example.net", WIRE_A, &clear);
	expect_negative(WIRE_NXDOMAIN, "bl.example.net", 33);
	answer_to("1.0.0.2.bl.example.net", WIRE_A, &listed);
	expect(WIRE_NOERROR, 1, 0);
}

static void
an_open_verdict_that_is_deferred_is_a_server_failure(void **state)
{
	(void)state;
	answer_to(SUBJECT, WIRE_A, &deferred);
	expect(WIRE_SERVFAIL, 0, 0);
	assert_int_equal(decoded.extended, 0xffff);
	packet_edns(&packet, 1232, 0, "");
	read_packet();
	place();
	answer(&deferred, "");
	expect(WIRE_SERVFAIL, 0, 0);
	assert_int_equal(decoded.extended, 22); /* no reachable authority */
}

static void
a_text_is_cut_at_255_bytes(void **state)
{
	static const size_t lengths[] = {1, 254, 255, 256, 257, 300};
	char text[301], cut[256];

	(void)state;
	ask(SUBJECT, WIRE_TXT);
	for (unsigned i = 0; i < COUNT(lengths); i++) {
		memset(text, 'x', 300);
		text[lengths[i]] = '\0';
		answer(&listed, text);
		(void)snprintf(cut, sizeof cut, "%.255s", text);
		expect_txt(&decoded.answer[0], SUBJECT, cut, 47);
	}
	answer(&listed, "");
	expect_txt(&decoded.answer[0], SUBJECT, "", 47);
}

static void
the_question_returns_as_it_was_spelled(void **state)
{
	(void)state;
	answer_to("4.3.2.192.bL.ExAmPlE.nEt", WIRE_A, &listed);
	assert_string_equal(decoded.question, "4.3.2.192.bL.ExAmPlE.nEt");
	expect_a(&decoded.answer[0], "4.3.2.192.bL.ExAmPlE.nEt", 0x7f010203, 47);
	answer_to("4.3.2.192.bL.ExAmPlE.nEt", WIRE_A, &clear);
	expect_negative(WIRE_NXDOMAIN, "bL.ExAmPlE.nEt", 33);
}

static void
a_question_of_class_any_gets_records_of_the_internet(void **state)
{
	(void)state;
	ask_line("0007 0000 0001 0000 0000 0000 @" SUBJECT " 00ff 00ff");
	answer(&listed, "a text");
	expect(WIRE_NOERROR, 2, 0);
	assert_int_equal(decoded.class, 255);
	expect_a(&decoded.answer[0], SUBJECT, 0x7f010203, 47);
	answer(&clear, "");
	expect_negative(WIRE_NXDOMAIN, "bl.example.net", 33);
}

/* --- the zone itself -------------------------------------------------------------------- */

static void
the_apex_has_soa_and_ns(void **state)
{
	(void)state;
	answer_to("bl.example.net", WIRE_SOA, NULL);
	expect(WIRE_NOERROR, 1, 0);
	expect_aa(true);
	expect_soa(&decoded.answer[0], "bl.example.net", 3600, 60);
	answer_to("bl.example.net", WIRE_NS, NULL);
	expect(WIRE_NOERROR, 1, 0);
	expect_aa(true);
	assert_int_equal(decoded.answer[0].type, WIRE_NS);
	assert_int_equal(decoded.answer[0].ttl, 3600);
	assert_string_equal(decoded.answer[0].owner, "bl.example.net");
	assert_string_equal(decoded.answer[0].name[0], "ns.bl.example.net");
	answer_to("bl.example.net", WIRE_ANY, NULL);
	expect(WIRE_NOERROR, 2, 0);
	expect_soa(&decoded.answer[0], "bl.example.net", 3600, 60);
	assert_int_equal(decoded.answer[1].type, WIRE_NS);
	answer_to(ACCOUNT, WIRE_SOA, NULL);
	expect_soa(&decoded.answer[0], ACCOUNT, 3600, 60);
}

static void
the_apex_has_nothing_else(void **state)
{
	static const unsigned types[] = {WIRE_A, WIRE_AAAA, WIRE_TXT, 15, 43, 48, 666, 1000};

	(void)state;
	for (unsigned i = 0; i < COUNT(types); i++) {
		answer_to("bl.example.net", types[i], NULL);
		expect_negative(WIRE_NOERROR, "bl.example.net", 60);
	}
}

static void
the_name_server_has_the_addresses_that_we_listen_on(void **state)
{
	static const uint8_t loopback[16] = {[15] = 1};

	(void)state;
	answer_to("ns.bl.example.net", WIRE_A, NULL);
	expect(WIRE_NOERROR, 2, 0);
	expect_aa(true);
	expect_a(&decoded.answer[0], "ns.bl.example.net", 0x7f000002, 3600);
	expect_a(&decoded.answer[1], "ns.bl.example.net", 0x7f000003, 3600);
	answer_to("ns." ACCOUNT, WIRE_AAAA, NULL);
	expect(WIRE_NOERROR, 1, 0);
	assert_int_equal(decoded.answer[0].type, WIRE_AAAA);
	assert_int_equal(decoded.answer[0].ttl, 3600);
	assert_memory_equal(decoded.answer[0].address, loopback, 16);
	answer_to("ns.bl.example.net", WIRE_ANY, NULL);
	expect(WIRE_NOERROR, 3, 0);
	answer_to("ns.bl.example.net", WIRE_TXT, NULL);
	expect_negative(WIRE_NOERROR, "bl.example.net", 60);
	policy->addresses = 1;
	answer_to("ns.bl.example.net", WIRE_AAAA, NULL);
	expect_negative(WIRE_NOERROR, "bl.example.net", 60);
	policy->addresses = 3;
}

static void
a_part_of_an_address_exists_without_records(void **state)
{
	static const unsigned types[] = {WIRE_A, WIRE_NS, WIRE_TXT, WIRE_SOA, WIRE_ANY};

	(void)state;
	for (unsigned i = 0; i < COUNT(types); i++) {
		answer_to("0.0.127.bl.example.net", types[i], NULL);
		expect_negative(WIRE_NOERROR, "bl.example.net", 60);
		answer_to("dept.bl.example.net", types[i], NULL);
		expect_negative(WIRE_NOERROR, "bl.example.net", 60);
	}
}

static void
a_name_that_is_no_address_does_not_exist(void **state)
{
	(void)state;
	answer_to("www.bl.example.net", WIRE_A, NULL);
	expect_negative(WIRE_NXDOMAIN, "bl.example.net", 60);
	answer_to("x." SUBJECT, WIRE_ANY, NULL);
	expect_negative(WIRE_NXDOMAIN, "bl.example.net", 60);
}

static void
the_hostmaster_of_the_configuration_is_named(void **state)
{
	(void)state;
	policy->hostmaster_length = name_to_wire("root.example.org", policy->hostmaster);
	answer_to(SUBJECT, WIRE_A, &clear);
	assert_string_equal(decoded.authority[0].name[1], "root.example.org");
	assert_string_equal(decoded.authority[0].name[0], "ns.bl.example.net");
	answer_to("bl.example.net", WIRE_SOA, NULL);
	assert_string_equal(decoded.answer[0].name[1], "root.example.org");
	policy->hostmaster_length = 0;
}

/* --- errors and EDNS -------------------------------------------------------------------- */

static void
outside_all_zones_is_refused_without_a_record(void **state)
{
	static const char *const outside[] = {"", "net", "example.net", "www.example.com"};

	(void)state;
	for (unsigned i = 0; i < COUNT(outside); i++) {
		answer_to(outside[i], WIRE_A, NULL);
		expect(WIRE_REFUSED, 0, 0);
		expect_aa(false);
		assert_int_equal(reply_length, packet.length);
		packet_edns(&packet, 1232, 0, "");
		read_packet();
		place();
		answer(NULL, "");
		expect(WIRE_REFUSED, 0, 0);
		assert_int_equal(decoded.extended, 20); /* not authoritative */
		assert_in_range(reply_length, packet.length, packet.length + 32);
	}
	packet_ask(&packet, 7, 0, "bl.example.net", WIRE_AXFR);
	packet_edns(&packet, 1232, 0, "");
	read_packet();
	place();
	answer(NULL, "");
	expect(WIRE_REFUSED, 0, 0);
	expect_aa(false);
	assert_int_equal(decoded.extended, 18); /* prohibited */
}

static void
what_is_no_message_gets_a_header_alone(void **state)
{
	static const char *const lines[] = {
	    "abcd 0100 0000 0000 0000 0000",
	    "abcd 0100 0002 0000 0000 0000 " Q Q,
	    "abcd 0100 0001 0000 0000 0000 " Q "00",
	    "abcd 0100 0001 0000 0000 0000 41 65*61 00 0001 0001",
	    "abcd 0100 0001 0000 0000 0001 " Q OPT "0008 000a 0004 00000000",
	    "abcd 0100 0001 0000 0000 0002 " Q OPT "0000 00",
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(lines); i++) {
		ask_line(lines[i]);
		answer(NULL, "");
		assert_int_equal(decoded.rcode, WIRE_FORMERR);
		assert_int_equal(decoded.flags, 0x8101);
		assert_int_equal(reply_length, 12);
	}
}

static void
two_opt_get_a_format_error_with_one(void **state)
{
	(void)state;
	ask_line("abcd 0000 0001 0000 0000 0002 " Q OPT "0000 " OPT "0000");
	answer(NULL, "");
	assert_int_equal(decoded.rcode, WIRE_FORMERR);
	assert_int_equal(decoded.questions, 0);
	assert_true(decoded.edns);
}

static void
another_opcode_gets_a_header_alone(void **state)
{
	(void)state;
	for (unsigned opcode = 1; opcode < 16; opcode++) {
		packet_ask(&packet, 0xabcd, opcode << 11 | 0x07f0, "bl.example.net", WIRE_SOA);
		read_packet();
		answer(NULL, "");
		assert_int_equal(decoded.flags, 0x8000 | opcode << 11 | WIRE_NOTIMP);
		assert_int_equal(reply_length, 12);
	}
}

static void
another_version_of_edns_gets_our_version_and_its_rcode(void **state)
{
	static const uint32_t ttl[] = {0x00010000, 0x00ff0000, 0x00018080, 0xff010000};

	(void)state;
	for (unsigned i = 0; i < COUNT(ttl); i++) {
		packet_ask(&packet, 7, 0x0100, "bl.example.net", WIRE_SOA);
		packet_edns(&packet, 1232, ttl[i], "0064 0000");
		read_packet();
		answer(NULL, "");
		expect(WIRE_BADVERS, 0, 0);
		assert_int_equal(decoded.flags & 15, 0);
		expect_aa(false);
		assert_int_equal(decoded.extended, 0xffff);
	}
}

static void
edns_is_answered_with_edns_and_else_never(void **state)
{
	static const struct verdict *const verdicts[] = {&listed, &clear, &substitute, &deferred};
	static const char *const asked[] = {SUBJECT, "bl.example.net", "ns.bl.example.net",
	    "127.bl.example.net", "www.bl.example.net", "example.net"};

	(void)state;
	for (unsigned i = 0; i < COUNT(asked); i++)
		for (unsigned j = 0; j < COUNT(verdicts); j++)
			for (unsigned edns = 0; edns < 3; edns++) {
				packet_ask(&packet, 7, 0, asked[i], WIRE_A);
				if (edns > 0)
					packet_edns(&packet, 1232, edns == 2 ? 0xffff : 0,
					    "0003 0000 000a 0008 8*11");
				read_packet();
				place();
				answer(verdicts[j], "a text"); /* check_always holds the rest */
				assert_int_equal(decoded.edns, edns > 0);
			}
}

static void
a_reply_or_less_than_a_header_gets_nothing(void **state)
{
	(void)state;
	packet_ask(&packet, 7, 0x8000, SUBJECT, WIRE_A);
	read_packet();
	answer_in(512, &listed, "");
	assert_int_equal(reply_length, 0);
	read_bytes(11);
	answer_in(512, &listed, "");
	assert_int_equal(reply_length, 0);
}

static void
chaos_tells_the_version(void **state)
{
	static const char *const known[] = {"version.bind", "Version.Server"};

	(void)state;
	for (unsigned i = 0; i < COUNT(known); i++) {
		packet_ask(&packet, 7, 0, known[i], WIRE_TXT);
		packet.byte[packet.length - 1] = WIRE_CH;
		read_packet();
		place();
		answer(NULL, "");
		expect(WIRE_NOERROR, 1, 0);
		assert_int_equal(decoded.answer[0].type, WIRE_TXT);
		assert_int_equal(decoded.answer[0].class, WIRE_CH);
		assert_string_equal(decoded.answer[0].owner, known[i]);
		assert_string_equal(decoded.answer[0].text, "tally " TALLY_VERSION);
		assert_int_equal(decoded.answer[0].ttl, 0);
		packet.byte[packet.length - 3] = WIRE_A;
		read_packet();
		place();
		answer(NULL, "");
		expect(WIRE_NOERROR, 0, 0);
	}
	packet_ask(&packet, 7, 0, SUBJECT, WIRE_TXT);
	packet.byte[packet.length - 1] = WIRE_CH;
	read_packet();
	place();
	answer(NULL, "");
	expect(WIRE_REFUSED, 0, 0);
}

/* --- size ------------------------------------------------------------------------------- */

/* The name of an IPv6 subject in the longest zone: 255 bytes. */
static void
ask_longest(unsigned type, bool edns, unsigned size)
{
	char name[300] = "";

	for (unsigned i = 0; i < 32; i++)
		memcpy(name + 2 * i, "1.", 3);
	memcpy(name + 64, LONG, sizeof LONG);
	packet_ask(&packet, 7, 0, name, type);
	if (edns)
		packet_edns(&packet, size, DO, "");
	read_packet();
	place();
	expect_about(name, QUESTION_SUBJECT);
	assert_int_equal(question.name_length, 255);
}

static char *
text_of(size_t length)
{
	static char text[300];

	memset(text, 'x', sizeof text);
	text[length] = '\0';
	return text;
}

static void
expect_truncated(void)
{
	assert_int_equal(decoded.flags & 0x0200, 0x0200);
	expect(WIRE_NOERROR, 0, 0);
	assert_int_equal(reply_length, 12 + 255 + 4 + (question.edns ? 11 : 0));
}

static void
a_reply_over_512_bytes_is_truncated_to_its_question(void **state)
{
	(void)state;
	ask_longest(WIRE_TXT, false, 0);
	answer_in(512, &listed, text_of(228)); /* 12 + 259 + 12 + 1 + 228 */
	assert_int_equal(reply_length, 512);
	expect(WIRE_NOERROR, 1, 0);
	assert_int_equal(decoded.flags & 0x0200, 0);
	answer_in(512, &listed, text_of(229));
	expect_truncated();
	answer_in(ANSWER_SIZE_MAX, &listed, text_of(229)); /* TCP */
	expect(WIRE_NOERROR, 1, 0);
	assert_int_equal(decoded.flags & 0x0200, 0);
}

static void
a_truncated_reply_keeps_its_edns(void **state)
{
	(void)state;
	ask_longest(WIRE_ANY, true, 512);
	answer_in(question.udp_size, &listed, text_of(201)); /* 11 + 16 more: 512 */
	assert_int_equal(reply_length, 512);
	expect(WIRE_NOERROR, 2, 0);
	answer_in(question.udp_size, &listed, text_of(202));
	expect_truncated();
	ask_longest(WIRE_ANY, true, 1232);
	answer_in(question.udp_size, &listed, text_of(202));
	expect(WIRE_NOERROR, 2, 0);
	assert_int_equal(decoded.flags & 0x0200, 0);
}

/* VERDICT_TEXT_MAX is 200: what lookup gives always fits, RFC 8482 or not. */
static void
every_text_of_a_verdict_fits_512_bytes(void **state)
{
	(void)state;
	for (unsigned edns = 0; edns < 2; edns++) {
		ask_longest(WIRE_ANY, edns, 512);
		answer(&listed, text_of(VERDICT_TEXT_MAX));
		expect(WIRE_NOERROR, 2, 0);
	}
}

static void
the_longest_names_of_all_are_truncated_over_udp_and_whole_over_tcp(void **state)
{
	char name[254];

	(void)state;
	for (unsigned i = 0; i < 253; i++)
		name[i] = i % 64 == 63 ? '.' : 'h';
	name[253] = '\0';
	policy->hostmaster_length = name_to_wire(name, policy->hostmaster);
	assert_int_equal(policy->hostmaster_length, 255);
	ask_longest(WIRE_A, true, 512);
	answer_in(512, &clear, "");
	assert_int_equal(decoded.flags & 0x0200, 0x0200);
	expect(WIRE_NXDOMAIN, 0, 0);
	answer_in(ANSWER_SIZE_MAX, &clear, "");
	assert_int_equal(decoded.flags & 0x0200, 0);
	expect(WIRE_NXDOMAIN, 0, 1);
	assert_string_equal(decoded.authority[0].name[1], name);
	policy->hostmaster_length = 0;
}

static void
a_reply_never_exceeds_its_buffer(void **state)
{
	static const struct verdict *const verdicts[] = {&listed, &clear, &deferred};

	(void)state;
	for (unsigned i = 0; i < COUNT(verdicts); i++)
		for (unsigned edns = 0; edns < 2; edns++) {
			ask_longest(WIRE_ANY, edns, 512);
			for (size_t size = 0; size <= 520; size++)
				answer_in(size, verdicts[i], text_of(255));
		}
	ask("ns.bl.example.net", WIRE_ANY);
	for (size_t size = 0; size <= 200; size++)
		answer_in(size, NULL, "");
	ask_line(H);
	for (size_t size = 0; size <= 20; size++) {
		answer_in(size, NULL, "");
		assert_int_equal(reply_length, size < 12 ? 0 : 12);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_listed_subject_has_exactly_one_address),
	    cmocka_unit_test(a_listed_subject_has_a_text_of_the_same_life),
	    cmocka_unit_test(any_gives_address_and_text),
	    cmocka_unit_test(a_listed_subject_has_no_records_of_other_types),
	    cmocka_unit_test(nothing_of_another_type_is_kept_no_longer_than_the_zone_says),
	    cmocka_unit_test(a_substitute_looks_like_a_listing),
	    cmocka_unit_test(a_clear_subject_does_not_exist),
	    cmocka_unit_test(a_clear_address_above_ipv6_names_exists_without_records),
	    cmocka_unit_test(an_open_verdict_that_is_deferred_is_a_server_failure),
	    cmocka_unit_test(a_text_is_cut_at_255_bytes),
	    cmocka_unit_test(the_question_returns_as_it_was_spelled),
	    cmocka_unit_test(a_question_of_class_any_gets_records_of_the_internet),
	    cmocka_unit_test(the_apex_has_soa_and_ns),
	    cmocka_unit_test(the_apex_has_nothing_else),
	    cmocka_unit_test(the_name_server_has_the_addresses_that_we_listen_on),
	    cmocka_unit_test(a_part_of_an_address_exists_without_records),
	    cmocka_unit_test(a_name_that_is_no_address_does_not_exist),
	    cmocka_unit_test(the_hostmaster_of_the_configuration_is_named),
	    cmocka_unit_test(outside_all_zones_is_refused_without_a_record),
	    cmocka_unit_test(what_is_no_message_gets_a_header_alone),
	    cmocka_unit_test(two_opt_get_a_format_error_with_one),
	    cmocka_unit_test(another_opcode_gets_a_header_alone),
	    cmocka_unit_test(another_version_of_edns_gets_our_version_and_its_rcode),
	    cmocka_unit_test(edns_is_answered_with_edns_and_else_never),
	    cmocka_unit_test(a_reply_or_less_than_a_header_gets_nothing),
	    cmocka_unit_test(chaos_tells_the_version),
	    cmocka_unit_test(a_reply_over_512_bytes_is_truncated_to_its_question),
	    cmocka_unit_test(a_truncated_reply_keeps_its_edns),
	    cmocka_unit_test(every_text_of_a_verdict_fits_512_bytes),
	    cmocka_unit_test(the_longest_names_of_all_are_truncated_over_udp_and_whole_over_tcp),
	    cmocka_unit_test(a_reply_never_exceeds_its_buffer),
	};

	return cmocka_run_group_tests_name("answer", tests, open_addresses, close_all);
}
