#include "resolver/examine.h"

#include <errno.h>
#include <stdio.h>

#include "resolver/advice.h"
#include "tests/unit/unit.h"

static struct policy_zone zone = {.name = "bl.example", .max_ttl = 60, .negative_ttl = 30};

/* Replies as they come from a tallyd that is well. */
static struct ask_reply
yes(uint32_t address, uint32_t ttl)
{
	struct ask_reply reply = {.outcome = ASK_ANSWERED, .rcode = WIRE_NOERROR, .records = 1};

	reply.answer.said = EVIDENCE_ANSWERS;
	reply.answer.answers.count = 1;
	reply.answer.answers.address[0] = address;
	reply.answer.has_ttl = true;
	reply.answer.ttl = ttl;
	return reply;
}

static struct ask_reply
no(enum wire_rcode rcode, uint32_t ttl)
{
	struct ask_reply reply = {.outcome = ASK_ANSWERED, .rcode = rcode};

	reply.answer.said = EVIDENCE_CLEAR;
	reply.answer.has_ttl = true;
	reply.answer.ttl = ttl;
	return reply;
}

static const struct ask_reply silence = {.outcome = ASK_SILENCE};
static const struct ask_reply closed = {.outcome = ASK_UNREACHABLE, .error = ECONNREFUSED};

static struct examined
well(void)
{
	struct examined examined;

	for (unsigned i = 0; i < EXAMINE_QUESTIONS; i++)
		examined.reply[i] = yes(0x7f000002, 60);
	examined.reply[EXAMINE_TEXT].answer.answers.count = 0;
	strcpy(examined.reply[EXAMINE_TEXT].text, "127.0.0.2 is listed");
	examined.reply[EXAMINE_CLEAR] = no(WIRE_NXDOMAIN, 30);
	examined.reply[EXAMINE_CHANGED] = no(WIRE_NXDOMAIN, 30);
	return examined;
}

static void
one_reply_that_is_not_tallyds_is_an_obstacle(void **state)
{
	struct ask_reply refused = no(WIRE_REFUSED, 0), failed = no(WIRE_SERVFAIL, 0);
	const struct {
		enum examine_question question;
		struct ask_reply reply;
		enum obstacle obstacle;
	} cases[] = {
	    {EXAMINE_LISTED, yes(0x7f000002, 1), OBSTACLE_NONE},
	    {EXAMINE_LISTED, closed, OBSTACLE_UNREACHABLE},
	    {EXAMINE_LISTED, silence, OBSTACLE_SILENCE},
	    {EXAMINE_LISTED, no(WIRE_NOERROR, 60), OBSTACLE_REBIND},
	    {EXAMINE_LISTED, failed, OBSTACLE_REBIND},
	    {EXAMINE_LISTED, refused, OBSTACLE_REBIND},
	    {EXAMINE_LISTED, yes(0x7f000004, 60), OBSTACLE_DIFFERS},
	    {EXAMINE_LISTED, yes(0x7f000002, 61), OBSTACLE_TTL},
	    {EXAMINE_TEXT, no(WIRE_NOERROR, 60), OBSTACLE_TEXT},
	    {EXAMINE_TEXT, failed, OBSTACLE_TEXT},
	    {EXAMINE_CLEAR, yes(0x7f000002, 60), OBSTACLE_INVENTS},
	    {EXAMINE_CLEAR, failed, OBSTACLE_CACHED},
	    {EXAMINE_CLEAR, silence, OBSTACLE_CACHED},
	    {EXAMINE_CLEAR, no(WIRE_NOERROR, 30), OBSTACLE_NONE},
	    {EXAMINE_CLEAR, no(WIRE_NXDOMAIN, 31), OBSTACLE_TTL},
	    {EXAMINE_CHANGED, failed, OBSTACLE_CACHED},
	    {EXAMINE_CHANGED, silence, OBSTACLE_CACHED},
	    {EXAMINE_CHANGED, yes(0x7f000002, 60), OBSTACLE_CACHED},
	    {EXAMINE_IPV6, no(WIRE_NXDOMAIN, 30), OBSTACLE_IPV6},
	    {EXAMINE_UNCHECKED, failed, OBSTACLE_NONE},
	    {EXAMINE_DNSSEC, failed, OBSTACLE_DNSSEC},
	};
	struct examined direct = well();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct examined through = well();
		enum obstacle obstacle;

		through.reply[cases[i].question] = cases[i].reply;
		obstacle = examine_judge(&zone, &through, &direct);
		if (obstacle != cases[i].obstacle)
			fail_msg("case %zu: %s", i, examine_word(obstacle));
	}
}

static void
a_server_that_gives_nothing_is_judged_by_how_it_says_so(void **state)
{
	static const struct {
		enum wire_rcode rcode;
		bool unchecked; /* answers without validation */
		enum obstacle obstacle;
	} cases[] = {
	    {WIRE_REFUSED, false, OBSTACLE_REFUSES},
	    {WIRE_NXDOMAIN, false, OBSTACLE_ELSEWHERE},
	    {WIRE_NXDOMAIN, true, OBSTACLE_ELSEWHERE},
	    {WIRE_NOERROR, false, OBSTACLE_ELSEWHERE},
	    {WIRE_SERVFAIL, false, OBSTACLE_FAILS},
	    {WIRE_SERVFAIL, true, OBSTACLE_VALIDATES},
	    {WIRE_NOTIMP, false, OBSTACLE_FAILS},
	    {WIRE_FORMERR, false, OBSTACLE_FAILS},
	};
	struct examined direct = well();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct examined through;
		char shown[600];
		struct text text;

		for (unsigned j = 0; j < EXAMINE_QUESTIONS; j++)
			through.reply[j] = no(cases[i].rcode, 0);
		if (cases[i].unchecked)
			through.reply[EXAMINE_UNCHECKED] = yes(0x7f000002, 60);
		assert_int_equal(examine_judge(&zone, &through, &direct), (int)cases[i].obstacle);
		text_init(&text, shown, sizeof shown);
		examine_show(cases[i].obstacle, &zone, &through, &text);
		if (strncmp(shown, "2.0.0.127.bl.example A: ", 24) != 0)
			fail_msg("case %zu: %s", i, shown);
	}
}

static void
an_exception_that_covers_the_changed_address_is_no_obstacle(void **state)
{
	struct examined through = well(), direct = well();

	(void)state;
	through.reply[EXAMINE_CHANGED] = yes(0x7f000002, 60);
	direct.reply[EXAMINE_CHANGED] = yes(0x7f000002, 60);
	assert_int_equal(examine_judge(&zone, &through, &direct), OBSTACLE_NONE);
	assert_int_equal(examine_judge(&zone, &direct, NULL), OBSTACLE_NONE);
}

static void
no_question_is_about_an_address_that_lists_are_asked_about(void **state)
{
	struct chance chance = {7};

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		char name[NAME_TEXT_MAX + 1], address[64];
		struct ask_question question;
		struct subject subject;
		unsigned octet[4];

		examine_question(
		    EXAMINE_CHANGED, &zone, (uint32_t)chance_next(&chance), name, &question);
		assert_int_equal(sscanf(name, "%u.%u.%u.%u.bl.example", &octet[3], &octet[2],
				     &octet[1], &octet[0]),
		    4);
		(void)snprintf(
		    address, sizeof address, "%u.%u.%u.%u", octet[0], octet[1], octet[2], octet[3]);
		assert_true(subject_parse(address, &subject));
		assert_int_equal(subject_place(&subject), SUBJECT_SPECIAL);
	}
}

static void
every_obstacle_has_its_words_and_fits_where_it_is_shown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < OBSTACLES; i++) {
		enum obstacle obstacle = (enum obstacle)i;

		assert_non_null(examine_word(obstacle));
		assert_non_null(examine_phrase(obstacle));
		assert_non_null(examine_meaning(obstacle));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(
			    examine_word(obstacle), examine_word((enum obstacle)j));
	}
}

static void
lines_name_the_port_as_the_resolver_writes_it(void **state)
{
	static const struct {
		enum advice_kind kind;
		const char *here, *elsewhere;
	} cases[] = {
	    {ADVICE_UNBOUND, "    forward-addr: 127.0.0.2\n", "    forward-addr: 127.0.0.2@5353\n"},
	    {ADVICE_BIND, "forwarders { 127.0.0.2; };", "forwarders { 127.0.0.2 port 5353; };"},
	    {ADVICE_DNSMASQ, "server=/bl.example/127.0.0.2\n",
		"server=/bl.example/127.0.0.2#5353\n"},
	    {ADVICE_PDNS, "=bl.example=127.0.0.2\n", "=bl.example=127.0.0.2:5353\n"},
	    {ADVICE_KNOT, "STUB('127.0.0.2')", "STUB('127.0.0.2@5353')"},
	    {ADVICE_RESOLVED, "DNS=127.0.0.2\nDomains=~bl.example\n", "DNS=127.0.0.2:5353\n"},
	};
	static const struct policy_server here = {"127.0.0.2", 53}, elsewhere = {"127.0.0.2", 5353};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char lines[1000];
		struct text text;

		text_init(&text, lines, sizeof lines);
		advice_lines(cases[i].kind, OBSTACLE_ELSEWHERE, "bl.example", &here, &text);
		assert_non_null(strstr(lines, cases[i].here));
		text_init(&text, lines, sizeof lines);
		advice_lines(cases[i].kind, OBSTACLE_ELSEWHERE, "bl.example", &elsewhere, &text);
		assert_non_null(strstr(lines, cases[i].elsewhere));
	}
}

static void
resolvers_are_known_by_their_process_or_their_version(void **state)
{
	(void)state;
	assert_int_equal(advice_of_process("systemd-resolve"), ADVICE_RESOLVED);
	assert_int_equal(advice_of_process("named"), ADVICE_BIND);
	assert_int_equal(advice_of_process("kresd"), ADVICE_KNOT);
	assert_int_equal(advice_of_process(""), ADVICE_UNKNOWN);
	assert_int_equal(advice_of_process("name"), ADVICE_UNKNOWN);
	assert_int_equal(advice_of_version("9.18.49-1~deb12u3-Debian"), ADVICE_BIND);
	assert_int_equal(advice_of_version("unbound 1.17.1"), ADVICE_UNBOUND);
	assert_int_equal(advice_of_version("PowerDNS Recursor 4.8.8"), ADVICE_PDNS);
	assert_int_equal(advice_of_version("none of your business"), ADVICE_UNKNOWN);
	assert_int_equal(advice_of_version(""), ADVICE_UNKNOWN);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_reply_that_is_not_tallyds_is_an_obstacle),
	    cmocka_unit_test(a_server_that_gives_nothing_is_judged_by_how_it_says_so),
	    cmocka_unit_test(an_exception_that_covers_the_changed_address_is_no_obstacle),
	    cmocka_unit_test(no_question_is_about_an_address_that_lists_are_asked_about),
	    cmocka_unit_test(every_obstacle_has_its_words_and_fits_where_it_is_shown),
	    cmocka_unit_test(lines_name_the_port_as_the_resolver_writes_it),
	    cmocka_unit_test(resolvers_are_known_by_their_process_or_their_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
