#include "resolver/ask.h"

#include <stdlib.h>

#include "resolver/nameservers.h"
#include "tests/unit/files.h"
#include "tests/unit/packet.h"

static struct packet packet;

static const struct ask_question question = {
    .name = "2.0.0.127.bl.example", .type = WIRE_A, .class = WIRE_IN};

#define ASKED "@2.0.0.127.bl.example 0001 0001 "
#define ADDRESS "c00c 0001 0001 0000003c 0004 7f000002 "

static bool
reads(const char *line, struct ask_reply *reply)
{
	uint8_t sent[ASK_PACKET_MAX], *copy;
	size_t length = ask_write(&question, 0x1234, sent);
	bool taken;

	packet_make(&packet, line);
	copy = packet_copy(&packet, packet.length);
	taken = ask_read(sent, length, copy, packet.length, reply);
	free(copy);
	return taken;
}

static void
a_question_is_what_the_c_library_sends(void **state)
{
	uint8_t sent[ASK_PACKET_MAX];

	(void)state;
	packet_make(&packet, "1234 0100 0001 0000 0000 0000 " ASKED);
	assert_int_equal(ask_write(&question, 0x1234, sent), packet.length);
	assert_memory_equal(sent, packet.byte, packet.length);
}

static void
it_can_ask_for_no_validation_and_for_signatures(void **state)
{
	struct ask_question other = question;
	uint8_t sent[ASK_PACKET_MAX];

	(void)state;
	other.unchecked = true;
	other.dnssec_ok = true;
	packet_make(&packet, "1234 0110 0001 0000 0000 0001 " ASKED "00 0029 04d0 00008000 0000");
	assert_int_equal(ask_write(&other, 0x1234, sent), packet.length);
	assert_memory_equal(sent, packet.byte, packet.length);
}

static void
only_the_reply_to_what_was_sent_is_taken(void **state)
{
	static const char *const others[] = {
	    "",
	    "1234",
	    "1235 8180 0001 0001 0000 0000 " ASKED ADDRESS, /* id */
	    "1234 0180 0001 0001 0000 0000 " ASKED ADDRESS, /* no reply */
	    "1234 8180 0000 0000 0000 0000 " ASKED,         /* no question */
	    "1234 8180 0001 0001 0000 0000 @2.0.0.127.bl.exampla 0001 0001 " ADDRESS,
	    "1234 8180 0001 0001 0000 0000 @2.0.0.127.bl.example 0010 0001 " ADDRESS,
	    "1234 8180 0001 0000 0000 0000 @2.0.0.127.bl.example 0001 00",
	};
	struct ask_reply reply;

	(void)state;
	for (size_t i = 0; i < COUNT(others); i++)
		if (reads(others[i], &reply))
			fail_msg("case %zu is taken", i);
	assert_true(reads("1234 8180 0001 0001 0000 0000 " ASKED ADDRESS, &reply));
	assert_int_equal(reply.rcode, WIRE_NOERROR);
	assert_int_equal(reply.records, 1);
	assert_int_equal(reply.answer.answers.count, 1);
	assert_true(reply.answer.answers.address[0] == 0x7f000002);
	assert_int_equal(reply.answer.ttl, 60);
}

static void
the_first_text_is_read_and_made_printable(void **state)
{
	struct ask_reply reply;

	(void)state;
	assert_true(
	    reads("1234 8180 0001 0002 0000 0000 " ASKED "c00c 0005 0001 0000003c 0002 c00c "
		  "c00c 0010 0001 0000003c 0008 03 61 1b 62 03 636465",
		&reply));
	assert_string_equal(reply.text, "a?b");
	assert_true(reads("1234 8185 0001 0000 0000 0000 " ASKED, &reply));
	assert_int_equal(reply.rcode, WIRE_REFUSED);
	assert_string_equal(reply.text, "");
}

static void
a_reply_that_is_cut_or_lies_about_its_lengths_is_read_safely(void **state)
{
	static const char *const lines[] = {
	    "1234 8180 0001 ffff ffff ffff " ASKED,
	    "1234 8180 0001 0001 0000 0000 " ASKED "c00c 0010 0001 0000003c 0002 ff61",
	    "1234 8180 0001 0001 0000 0000 " ASKED "c00c 0010 0001 0000003c ffff 0161",
	    "1234 8180 0001 0001 0000 0000 " ASKED "c00c 0010 0001 0000003c 0000",
	    "1234 8180 0001 0001 0000 0000 " ASKED "c00c 0010 0001 00",
	    "1234 8180 0001 0001 0000 0000 " ASKED "3f61",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct ask_reply reply;

		assert_true(reads(lines[i], &reply));
		assert_string_equal(reply.text, "");
		assert_int_equal(reply.answer.answers.count, 0);
	}
}

static void
resolv_conf_is_read_as_the_c_library_reads_it(void **state)
{
	static const char file[] = "# nameserver 192.0.2.1\n"
				   "search example\n"
				   "nameserver 127.0.0.2\n"
				   "nameserver\t::1 # here\n"
				   "options timeout:1 rotate\n"
				   "nameserver fe80::1%eth0\n"
				   "nameserver 192.0.2.4";
	struct nameservers nameservers;

	(void)state;
	files_open(&files);
	files_write(&files, "resolv.conf", file, sizeof file - 1);
	assert_true(nameservers_read(files_path(&files, "resolv.conf"), &nameservers));
	assert_int_equal(nameservers.servers, 3);
	assert_string_equal(nameservers.server[0].address, "127.0.0.2");
	assert_int_equal(nameservers.server[0].port, 53);
	assert_string_equal(nameservers.server[1].address, "::1");
	assert_string_equal(nameservers.server[2].address, "fe80::1%eth0");
	assert_true(nameservers.rotate);
	files_write(&files, "resolv.conf", "options edns0\n", 14);
	assert_true(nameservers_read(files_path(&files, "resolv.conf"), &nameservers));
	assert_int_equal(nameservers.servers, 1);
	assert_string_equal(nameservers.server[0].address, "127.0.0.1");
	assert_false(nameservers.rotate);
	assert_false(nameservers_read(files_path(&files, "none"), &nameservers));
	files_close(&files);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_question_is_what_the_c_library_sends),
	    cmocka_unit_test(it_can_ask_for_no_validation_and_for_signatures),
	    cmocka_unit_test(only_the_reply_to_what_was_sent_is_taken),
	    cmocka_unit_test(the_first_text_is_read_and_made_printable),
	    cmocka_unit_test(a_reply_that_is_cut_or_lies_about_its_lengths_is_read_safely),
	    cmocka_unit_test(resolv_conf_is_read_as_the_c_library_reads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
