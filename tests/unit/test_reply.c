#include "resolver/reply.h"

#include <stdio.h>

#include "tests/unit/packet.h"

/* A reply to a question of one label: flags with QR, RD, RA and an rcode, four counts. */
#define NOERROR "0007 8180 "
#define NXDOMAIN "0007 8183 "
#define Q "@a.example 0001 0001 "
#define A "c00c 0001 0001 "
#define SOA_RDATA "01 6d c00c 01 72 c00c 00000001 00000e10 00000258 00015180 "

static struct packet packet;
static struct reply_answer answer;

static void
read_bytes(size_t length)
{
	uint8_t *memory = packet_copy(&packet, length);

	memset(&answer, 0xaa, sizeof answer);
	reply_read(&answer, memory, length);
	free(memory);
}

static void
read_line(const char *line)
{
	packet_make(&packet, line);
	read_bytes(packet.length);
}

/* Addresses in ascending order, 0 at the end; `ttl` -1: none. */
static void
expect_answers(const char *what, int64_t ttl, const uint32_t *address)
{
	uint32_t count = 0;

	if (answer.said != EVIDENCE_ANSWERS)
		fail_msg("%s: said %d", what, answer.said);
	for (; address[count] != 0; count++)
		if (count >= answer.answers.count ||
		    answer.answers.address[count] != address[count])
			fail_msg("%s: address %u of %u", what, count, answer.answers.count);
	assert_int_equal(answer.answers.count, count);
	if (!answer.has_ttl || answer.ttl != ttl)
		fail_msg("%s: TTL %u", what, answer.ttl);
}

#define EXPECT_ANSWERS(what, ttl, ...) expect_answers(what, ttl, (const uint32_t[]){__VA_ARGS__, 0})

static void
expect_said(const char *what, enum evidence_said said)
{
	if (answer.said != said)
		fail_msg("%s: said %d", what, answer.said);
}

/* --- positive --------------------------------------------------------------------------- */

static void
an_address_is_an_answer(void **state)
{
	(void)state;
	read_line(NOERROR "0001 0001 0000 0000 " Q A "0000012c 0004 7f000002");
	EXPECT_ANSWERS("one", 300, 0x7f000002);
	read_line(NOERROR "0001 0001 0000 0000 " Q "@a.example 0001 0001 0000012c 0004 7fffffff");
	EXPECT_ANSWERS("its name in full", 300, 0x7fffffff);
	read_line(NOERROR "0000 0001 0000 0000 @a.example 0001 0001 0000012c 0004 7f000001");
	EXPECT_ANSWERS("no question", 300, 0x7f000001);
}

static void
several_addresses_are_sorted_and_the_least_ttl_counts(void **state)
{
	(void)state;
	read_line(NOERROR "0001 0003 0000 0000 " Q A "00000e10 0004 7f00000b " A
			  "00000258 0004 7f000002 " A "00000e10 0004 7f000104");
	EXPECT_ANSWERS("three", 600, 0x7f000002, 0x7f00000b, 0x7f000104);
}

static void
an_address_that_is_repeated_counts_once(void **state)
{
	(void)state;
	packet_make(&packet, NOERROR "0001 0032 0000 0000 " Q);
	for (unsigned i = 0; i < 50; i++)
		packet_add(&packet, A "0000012c 0004 7f000002");
	read_bytes(packet.length);
	EXPECT_ANSWERS("50 equal ones", 300, 0x7f000002);
}

static void
make_many(unsigned count, uint32_t first, uint32_t step)
{
	packet_make(&packet, NOERROR "0001 0000 0000 0000 " Q);
	packet.byte[6] = (uint8_t)(count >> 8);
	packet.byte[7] = (uint8_t)count;
	for (unsigned i = 0; i < count; i++) {
		packet_add(&packet, A "0000012c 0004");
		packet_u32(&packet, first + i * step);
	}
	read_bytes(packet.length);
}

/* One left out could be an error code: no reply is understood in part. */
static void
more_addresses_than_can_be_kept_are_malformed(void **state)
{
	(void)state;
	make_many(EVIDENCE_ANSWERS_MAX, 0x7f0000ff, (uint32_t)-1);
	expect_said("as many as can be kept", EVIDENCE_ANSWERS);
	assert_int_equal(answer.answers.count, EVIDENCE_ANSWERS_MAX);
	for (unsigned i = 0; i < EVIDENCE_ANSWERS_MAX; i++)
		assert_int_equal(
		    answer.answers.address[i], 0x7f0000ff - EVIDENCE_ANSWERS_MAX + 1 + i);
	make_many(EVIDENCE_ANSWERS_MAX + 1, 0x7f000002, 1);
	expect_said("one more", EVIDENCE_MALFORMED);
	make_many(2000, 0x7f000002, 1);
	expect_said("2000", EVIDENCE_MALFORMED);
	make_many(2000, 0x7f000002, 0);
	EXPECT_ANSWERS("2000 equal ones", 300, 0x7f000002);
}

static void
a_chain_of_names_is_followed_to_its_addresses_with_the_least_ttl(void **state)
{
	(void)state;
	read_line(NOERROR "0001 0003 0000 0000 " Q "c00c 0005 0001 00000e10 0004 01 62 c00c "
			  "01 62 c00c 0005 0001 00000078 0004 01 63 c00c "
			  "01 63 c00c 0001 0001 00000e10 0004 7f000002");
	EXPECT_ANSWERS("two names", 120, 0x7f000002);
	read_line(NOERROR "0001 0002 0000 0000 " Q "c00c 0005 0001 00000e10 0002 c00c "
			  "c00c 0001 0001 00000078 0004 7f000002");
	EXPECT_ANSWERS("a name of itself", 120, 0x7f000002);
}

static void
other_records_among_the_answers_are_stepped_over(void **state)
{
	static const char *const others[] = {
	    "c00c 0010 0001 00000001 0003 02 6162 ", /* TXT, of TTL 1 */
	    "c00c 002e 0001 00000001 0012 0001 0800 0000012c 00000000 00000000 0007 ", /* RRSIG */
	    "00 0029 04d0 00000000 0000 ",                                             /* OPT */
	    "c00c 001c 0001 00000001 0010 16*00 ",                                     /* AAAA */
	    "c00c 0001 0003 00000001 0004 0a000001 ", /* class CH */
	    "c00c 0001 00ff 00000001 0003 0a0000 ",   /* class ANY */
	    "c00c fffe 0001 00000001 0000 ",
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(others); i++) {
		packet_make(&packet, NOERROR "0001 0002 0000 0000 " Q);
		packet_add(&packet, others[i]);
		packet_add(&packet, A "0000012c 0004 7f000002");
		read_bytes(packet.length);
		EXPECT_ANSWERS(others[i], 300, 0x7f000002);
		packet_make(&packet, NOERROR "0001 0002 0000 0000 " Q A "0000012c 0004 7f000002");
		packet_add(&packet, others[i]);
		read_bytes(packet.length);
		EXPECT_ANSWERS(others[i], 300, 0x7f000002);
	}
}

static void
what_follows_the_answers_says_nothing_of_them(void **state)
{
	(void)state;
	read_line(NOERROR "0001 0001 0001 0001 " Q A "0000012c 0004 7f000002 "
			  "c00c 0006 0001 00000001 001c " SOA_RDATA "00000001 "
			  "00 0029 04d0 00000000 0000");
	EXPECT_ANSWERS("a SOA of TTL 1", 300, 0x7f000002);
	read_line(NOERROR "0001 0001 0000 0001 " Q A "0000012c 0004 7f000002 " A
			  "00000001 0004 0a000001");
	EXPECT_ANSWERS("another address among the additionals", 300, 0x7f000002);
}

static void
a_ttl_of_2_to_the_31_or_more_is_0(void **state)
{
	static const struct {
		const char *ttl;
		uint32_t read;
	} rows[] = {{"00000000", 0}, {"00000001", 1}, {"7fffffff", 0x7fffffff}, {"80000000", 0},
	    {"ffffffff", 0}};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		packet_make(&packet, NOERROR "0001 0001 0000 0000 " Q A);
		packet_add(&packet, rows[i].ttl);
		packet_add(&packet, "0004 7f000002");
		read_bytes(packet.length);
		EXPECT_ANSWERS(rows[i].ttl, rows[i].read, 0x7f000002);
	}
}

/* --- addresses that are no answers ------------------------------------------------------- */

static void
an_address_outside_127_makes_all_of_it_foreign(void **state)
{
	static const char *const lines[] = {
	    "0001 0001 0000 0000 " Q A "0000012c 0004 0a000001",
	    "0001 0001 0000 0000 " Q A "0000012c 0004 7e000002",
	    "0001 0001 0000 0000 " Q A "0000012c 0004 80000002",
	    "0001 0001 0000 0000 " Q A "0000012c 0004 00000000",
	    "0001 0001 0000 0000 " Q A "0000012c 0004 0200007f",
	    "0001 0002 0000 0000 " Q A "0000012c 0004 7f000002 " A "0000012c 0004 c6336401",
	    "0001 0002 0000 0000 " Q A "0000012c 0004 c6336401 " A "0000012c 0004 7f000002",
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(lines); i++) {
		packet_make(&packet, NOERROR);
		packet_add(&packet, lines[i]);
		read_bytes(packet.length);
		expect_said(lines[i], EVIDENCE_FOREIGN);
	}
}

static void
an_address_that_has_not_4_bytes_makes_all_of_it_malformed(void **state)
{
	static const char *const data[] = {"0000", "0001 7f", "0003 7f0000", "0005 7f00000200",
	    "0008 7f000002 7f000003", "0010 16*7f", "0003 0a0000"};

	(void)state;
	for (unsigned i = 0; i < COUNT(data); i++) {
		packet_make(&packet, NOERROR "0001 0001 0000 0000 " Q A "0000012c");
		packet_add(&packet, data[i]);
		read_bytes(packet.length);
		expect_said(data[i], EVIDENCE_MALFORMED);
		packet_make(&packet,
		    NOERROR "0001 0003 0000 0000 " Q A "0000012c 0004 7f000002 " A "0000012c");
		packet_add(&packet, data[i]);
		packet_add(&packet, A "0000012c 0004 7f000003");
		read_bytes(packet.length);
		expect_said(data[i], EVIDENCE_MALFORMED);
	}
}

/* --- negative --------------------------------------------------------------------------- */

static void
expect_clear(const char *what, int64_t ttl)
{
	expect_said(what, EVIDENCE_CLEAR);
	if (answer.has_ttl != (ttl >= 0) || (ttl >= 0 && answer.ttl != ttl))
		fail_msg("%s: TTL %u", what, answer.ttl);
}

static void
a_negative_answer_has_the_lesser_of_the_two_ttls_of_its_soa(void **state)
{
	static const struct {
		const char *ttl, *minimum;
		uint32_t read;
	} rows[] = {{"0000012c", "00000e10", 300}, {"00000e10", "0000012c", 300},
	    {"00000000", "00000e10", 0}, {"00000e10", "00000000", 0}, {"80000000", "00000e10", 0},
	    {"00000e10", "ffffffff", 0}, {"7fffffff", "7fffffff", 0x7fffffff}};
	static const char *const header[] = {NXDOMAIN, NOERROR};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows) * 2; i++) {
		packet_make(&packet, header[i % 2]);
		packet_add(&packet, "0001 0000 0001 0000 " Q "c00c 0006 0001");
		packet_add(&packet, rows[i / 2].ttl);
		packet_add(&packet, "001c " SOA_RDATA);
		packet_add(&packet, rows[i / 2].minimum);
		read_bytes(packet.length);
		expect_clear(rows[i / 2].ttl, rows[i / 2].read);
	}
}

/* Both are kept: tools tell the operator which of them is less than he meant. */
static void
both_ttls_of_a_soa_are_told(void **state)
{
	(void)state;
	read_line(
	    NXDOMAIN "0001 0000 0001 0000 " Q "c00c 0006 0001 0000012c 001c " SOA_RDATA "00000e10");
	assert_int_equal(answer.soa_ttl, 300);
	assert_int_equal(answer.soa_minimum, 3600);
	read_line(
	    NXDOMAIN "0001 0000 0001 0000 " Q "c00c 0006 0001 80000000 001c " SOA_RDATA "ffffffff");
	assert_int_equal(answer.soa_ttl, 0);
	assert_int_equal(answer.soa_minimum, 0);
}

static void
a_negative_answer_without_soa_has_no_ttl(void **state)
{
	(void)state;
	read_line(NXDOMAIN "0001 0000 0000 0000 " Q);
	expect_clear("NXDOMAIN", -1);
	read_line(NOERROR "0001 0000 0000 0000 " Q);
	expect_clear("no record", -1);
	read_line(NXDOMAIN "0001 0000 0001 0000 " Q "c00c 0002 0001 0000012c 0002 c00c");
	expect_clear("NS in its place", -1);
	read_line(
	    NXDOMAIN "0001 0000 0001 0000 " Q "c00c 0006 0003 0000012c 001c " SOA_RDATA "0000012c");
	expect_clear("a SOA of class CH", -1);
	read_line(
	    NXDOMAIN "0001 0000 0000 0001 " Q "c00c 0006 0001 0000012c 001c " SOA_RDATA "0000012c");
	expect_clear("a SOA among the additionals", -1);
	read_line(NOERROR "0001 0001 0000 0000 " Q "c00c 0010 0001 0000012c 0003 02 6162");
	expect_clear("a text alone", -1);
}

static void
the_soa_is_found_among_other_records(void **state)
{
	(void)state;
	read_line(NXDOMAIN "0001 0000 0003 0001 " Q
			   "c00c 002e 0001 00000001 0012 0006 0800 0000012c 00000000 00000000 0007 "
			   "c00c 0006 0001 0000012c 001c " SOA_RDATA "00000e10 "
			   "c00c 002f 0001 00000001 0002 c00c 00 0029 04d0 00000000 0000");
	expect_clear("RRSIG, SOA, NSEC, OPT", 300);
}

static void
a_chain_of_names_to_nothing_is_clear_for_the_least_of_its_ttls(void **state)
{
	(void)state;
	read_line(NXDOMAIN "0001 0001 0001 0000 " Q "c00c 0005 0001 00000078 0004 01 62 c00c "
			   "c00c 0006 0001 0000012c 001c " SOA_RDATA "00000e10");
	expect_clear("NXDOMAIN", 120);
	read_line(NOERROR "0001 0001 0001 0000 " Q "c00c 0005 0001 00000e10 0004 01 62 c00c "
			  "c00c 0006 0001 0000012c 001c " SOA_RDATA "00000e10");
	expect_clear("no data", 300);
}

static void
nxdomain_with_an_address_is_clear(void **state)
{
	(void)state;
	read_line(NXDOMAIN "0001 0001 0000 0000 " Q A "0000012c 0004 7f000002");
	expect_said("an address", EVIDENCE_CLEAR);
	read_line(NXDOMAIN "0001 0001 0000 0000 " Q A "0000012c 0004 0a000001");
	expect_said("a foreign address", EVIDENCE_CLEAR);
}

static void
a_soa_whose_data_are_not_as_long_as_it_says_is_malformed(void **state)
{
	static const char *const data[] = {
	    "001b " SOA_RDATA "0000012c",    /* one byte less than there are */
	    "001d " SOA_RDATA "0000012c 00", /* one more */
	    "0000 ",                         /* nothing */
	    "0004 c00c c00c",                /* the names alone */
	    ("0018 " SOA_RDATA),             /* no MINIMUM */
	    "001c 41 65*61",                 /* a label type of 0x40 */
	    "0010 c00c 12*00 0000",          /* one name */
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(data); i++) {
		packet_make(&packet, NXDOMAIN "0001 0000 0002 0000 " Q "c00c 0006 0001 0000012c");
		packet_add(&packet, data[i]);
		packet_add(&packet, "c00c 0002 0001 0000012c 0002 c00c");
		read_bytes(packet.length);
		expect_said(data[i], EVIDENCE_MALFORMED);
	}
}

/* --- failures --------------------------------------------------------------------------- */

static void
every_other_rcode_is_a_failure_whatever_the_records_say(void **state)
{
	(void)state;
	for (unsigned rcode = 0; rcode < 16; rcode++) {
		if (rcode == 0 || rcode == 3)
			continue;
		packet_make(&packet, NOERROR "0001 0001 0000 0000 " Q A "0000012c 0004 7f000002");
		packet.byte[3] = (uint8_t)(0x80 | rcode);
		read_bytes(packet.length);
		expect_said("an rcode", EVIDENCE_FAILED);
		assert_int_equal(answer.answers.count, 0);
		read_bytes(12);
		expect_said("a header alone", EVIDENCE_FAILED);
	}
}

static void
a_question_is_no_reply(void **state)
{
	(void)state;
	read_line("0007 0100 0001 0000 0000 0000 " Q);
	expect_said("QR clear", EVIDENCE_MALFORMED);
	read_line("0007 0103 0001 0000 0000 0000 " Q);
	expect_said("QR clear, NXDOMAIN", EVIDENCE_MALFORMED);
}

static void
a_reply_that_is_cut_is_malformed(void **state)
{
	static const char *const whole[] = {
	    NOERROR "0001 0003 0000 0000 " Q "c00c 0005 0001 00000e10 0004 01 62 c00c " A
		    "00000258 0004 7f000002 c00c 0010 0001 00000001 0003 02 6162",
	    NXDOMAIN "0001 0001 0002 0000 " Q "c00c 0005 0001 00000e10 0004 01 62 c00c "
		     "c00c 0006 0001 0000012c 001c " SOA_RDATA "00000e10 "
		     "c00c 0002 0001 0000012c 0002 c00c",
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(whole); i++) {
		packet_make(&packet, whole[i]);
		for (size_t cut = 0; cut < packet.length; cut++) {
			read_bytes(cut);
			expect_said(whole[i], EVIDENCE_MALFORMED);
		}
		read_bytes(packet.length);
		expect_said(whole[i], i == 0 ? EVIDENCE_ANSWERS : EVIDENCE_CLEAR);
	}
}

static void
counts_that_lie_are_malformed(void **state)
{
	static const char *const lines[] = {
	    NOERROR "0002 0001 0000 0000 " Q A "0000012c 0004 7f000002",
	    NOERROR "ffff 0001 0000 0000 " Q A "0000012c 0004 7f000002",
	    NOERROR "0001 0002 0000 0000 " Q A "0000012c 0004 7f000002",
	    NOERROR "0001 ffff 0000 0000 " Q A "0000012c 0004 7f000002",
	    NXDOMAIN "0001 0000 0001 0000 " Q,
	    NXDOMAIN "0001 0000 ffff 0000 " Q,
	    NOERROR "0000 0001 0000 0000 " Q A "0000012c 0004 7f000002",
	    NOERROR "0001 0001 0000 0000 " Q A "0000012c 0005 7f000002",
	    NOERROR "0001 0001 0000 0000 " Q A "0000012c ffff 7f000002",
	    NOERROR "0001 0001 0000 0000 " Q "c00c 0010 0001 0000012c 0004 02 6162",
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(lines); i++) {
		read_line(lines[i]);
		expect_said(lines[i], EVIDENCE_MALFORMED);
	}
}

/* Pointers are stepped over, so that none can lead in a circle; label types are checked. */
static void
names_are_stepped_over_without_following_them(void **state)
{
	static const struct {
		const char *line;
		enum evidence_said said;
	} rows[] = {
	    {NOERROR "0001 0001 0000 0000 c00c 0001 0001 c00c 0001 0001 0000012c 0004 7f000002",
		EVIDENCE_ANSWERS},
	    {NOERROR "0001 0001 0000 0000 " Q "c01b 0001 0001 0000012c 0004 7f000002",
		EVIDENCE_ANSWERS},
	    {NOERROR "0001 0001 0000 0000 " Q "ffff 0001 0001 0000012c 0004 7f000002",
		EVIDENCE_ANSWERS},
	    {NOERROR "0001 0001 0000 0000 " Q "41 65*61 00 0001 0001 0000012c 0004 7f000002",
		EVIDENCE_MALFORMED},
	    {NOERROR "0001 0001 0000 0000 " Q "80 61 00 0001 0001 0000012c 0004 7f000002",
		EVIDENCE_MALFORMED},
	    {NOERROR "0001 0001 0000 0000 " Q "128*0161 00 0001 0001 0000012c 0004 7f000002",
		EVIDENCE_MALFORMED},
	    {NOERROR "0001 0001 0000 0000 128*0161 00 0001 0001 c00c 0001 0001 0000012c 0004 "
		     "7f000002",
		EVIDENCE_MALFORMED},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		read_line(rows[i].line);
		expect_said(rows[i].line, rows[i].said);
	}
}

static void
changed_bytes_give_no_answer_outside_127(void **state)
{
	static const char *const seeds[] = {
	    NOERROR "0001 0002 0000 0001 " Q A "0000012c 0004 7f000002 " A
		    "0000012c 0004 7f000003 00 0029 04d0 00000000 0000",
	    NOERROR "0001 0002 0000 0000 " Q "c00c 0005 0001 00000e10 0004 01 62 c00c " A
		    "00000258 0004 7f000002",
	    NXDOMAIN "0001 0000 0001 0000 " Q "c00c 0006 0001 0000012c 001c " SOA_RDATA "00000e10",
	};
	struct chance chance = {2308};

	(void)state;
	for (unsigned i = 0; i < 40000; i++) {
		packet_make(&packet, seeds[i % COUNT(seeds)]);
		packet_damage(&packet, &chance);
		read_bytes(packet.length);
		assert_true(answer.said <= EVIDENCE_ANSWERS);
		if (answer.said != EVIDENCE_ANSWERS)
			continue;
		assert_in_range(answer.answers.count, 1, EVIDENCE_ANSWERS_MAX);
		assert_true(answer.has_ttl && answer.ttl < 1u << 31);
		for (uint32_t j = 0; j < answer.answers.count; j++)
			assert_int_equal(answer.answers.address[j] >> 24, 127);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_address_is_an_answer),
	    cmocka_unit_test(several_addresses_are_sorted_and_the_least_ttl_counts),
	    cmocka_unit_test(an_address_that_is_repeated_counts_once),
	    cmocka_unit_test(more_addresses_than_can_be_kept_are_malformed),
	    cmocka_unit_test(a_chain_of_names_is_followed_to_its_addresses_with_the_least_ttl),
	    cmocka_unit_test(other_records_among_the_answers_are_stepped_over),
	    cmocka_unit_test(what_follows_the_answers_says_nothing_of_them),
	    cmocka_unit_test(a_ttl_of_2_to_the_31_or_more_is_0),
	    cmocka_unit_test(an_address_outside_127_makes_all_of_it_foreign),
	    cmocka_unit_test(an_address_that_has_not_4_bytes_makes_all_of_it_malformed),
	    cmocka_unit_test(a_negative_answer_has_the_lesser_of_the_two_ttls_of_its_soa),
	    cmocka_unit_test(both_ttls_of_a_soa_are_told),
	    cmocka_unit_test(a_negative_answer_without_soa_has_no_ttl),
	    cmocka_unit_test(the_soa_is_found_among_other_records),
	    cmocka_unit_test(a_chain_of_names_to_nothing_is_clear_for_the_least_of_its_ttls),
	    cmocka_unit_test(nxdomain_with_an_address_is_clear),
	    cmocka_unit_test(a_soa_whose_data_are_not_as_long_as_it_says_is_malformed),
	    cmocka_unit_test(every_other_rcode_is_a_failure_whatever_the_records_say),
	    cmocka_unit_test(a_question_is_no_reply),
	    cmocka_unit_test(a_reply_that_is_cut_is_malformed),
	    cmocka_unit_test(counts_that_lie_are_malformed),
	    cmocka_unit_test(names_are_stepped_over_without_following_them),
	    cmocka_unit_test(changed_bytes_give_no_answer_outside_127),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
