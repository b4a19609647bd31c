/* Which client handed a message to us: what our own hosts wrote, whatever the client made up. */
#include <stdio.h>

#include "aggregate/received.h"
#include "tests/unit/excepting.h"
#include "tests/unit/unit.h"

static struct received_trusted trusted;

static int
trust_hosts(void **state)
{
	static const char *const hosts[] = {
	    "mx.example.org", "IMAP.example.org.", "10.0.0.0/8", "2001:db8:1::/48"};

	(void)state;
	memset(&trusted, 0, sizeof trusted);
	for (size_t i = 0; i < COUNT(hosts); i++)
		assert_true(received_trust(&trusted, hosts[i]));
	return 0;
}

/* `wanted` "": nobody */
static void
expect(const char *message, const char *wanted)
{
	char said[200], printed[64] = "";
	struct text error, text;
	struct subject client;

	text_init(&error, said, sizeof said);
	text_init(&text, printed, sizeof printed);
	if (received_client(message, strlen(message), &trusted, &client, &error))
		subject_print(&client, &text);
	else
		assert_true(error.length > 0);
	if (strcmp(printed, wanted) != 0)
		fail_msg(
		    "found \"%s\" instead of \"%s\" (%s) in\n%s", printed, wanted, said, message);
}

#define END "\r\nSubject: x\r\n\r\nReceived: from a (b [198.51.100.99])\r\n\tby mx.example.org\r\n"

static void
each_mail_server_is_understood(void **state)
{
	(void)state;
	expect(
	    "Return-Path: <a@b.example>\nReceived: from helo.example (name.example [192.0.2.1])\n"
	    "\tby mx.example.org (Postfix) with ESMTPS id 4ABC for <u@example.org>;\n"
	    "\tTue, 1 Sep 2026 10:00:00 +0000 (UTC)" END,
	    "192.0.2.1");
	expect("Received: from helo (unknown [IPv6:2001:db8:2::5])\r\n\tby mx.example.org "
	       "(Postfix)" END,
	    "2001:db8:2::5");
	expect("Received: from [192.0.2.1] (helo=x.example)\n\tby mx.example.org with esmtp (Exim "
	       "4.96)" END,
	    "192.0.2.1");
	expect(
	    "Received: from name.example ([192.0.2.1]:4711 helo=x)\n\tby mx.example.org with esmtps"
	    " (TLS1.3) tls TLS_X (Exim 4.96)\n\t(envelope-from <a@b>)" END,
	    "192.0.2.1");
	expect("Received: from unknown (HELO x.example) (192.0.2.1)\n  by mx.example.org with "
	       "SMTP; 1" END,
	    "192.0.2.1");
	expect("Received: from x (name [192.0.2.1] (may be forged))\n\tby MX.Example.Org "
	       "(8.17.1/8.17.1)" END,
	    "192.0.2.1");
	expect("Received: from x.example (192.0.2.1) by mx.example.org (10.0.0.3) with SMTP" END,
	    "192.0.2.1");
}

static void
hops_of_ones_own_are_passed(void **state)
{
	static const char message[] =
	    "Received: from mx.example.org\n\tby imap.example.org with LMTP\n\tid AB; x\n"
	    "Received: from localhost (localhost [127.0.0.1])\n\tby mx.example.org (Postfix)\n"
	    "Received: from relay (relay.example.org [10.1.2.3])\n\tby mx.example.org (Postfix)\n"
	    "X-Other: [198.51.100.7]\n"
	    "Received: from evil (evil.example [192.0.2.9])\n\tby mx.example.org (Postfix)\n"
	    "Received: from evil (evil.example [198.51.100.7])\n\tby mx.example.org (Postfix)\n\n";

	(void)state;
	expect(message, "192.0.2.9");
}

static void
what_others_wrote_is_not_believed(void **state)
{
	(void)state;
	expect("Received: from a (b [192.0.2.1])\n\tby other.example (Postfix)" END, "");
	expect("Received: from a (b [10.0.0.1])\n\tby mx.example.org (Postfix)\n"
	       "Received: from a (b [192.0.2.1])\n\tby other.example (Postfix)" END,
	    "");
	expect("Received: from a (b [192.0.2.1])\n\tby notmx.example.org (Postfix)" END, "");
	expect(
	    "Received: from a (b [192.0.2.1])\n\tby mx.example.org.evil.example (Postfix)" END, "");
	expect("Subject: none\n\nReceived: from a (b [192.0.2.1])\n\tby mx.example.org (Postfix)\n",
	    "");
	expect("", "");
	expect("Received:", "");
	expect("Received: from a (b [192.0.2.1])", "");
}

static void
hostile_names_do_not_choose_the_client(void **state)
{
	static const char *const helo[] = {"[198.51.100.7]", "x ([198.51.100.7])",
	    "x [198.51.100.7] by mx.example.org (Postfix)",
	    "x) by mx.example.org (Exim 4) ([198.51.100.7]", "(198.51.100.7)",
	    "helo=[198.51.100.7]", "x ([198.51.100.7] helo=y)", "\"[198.51.100.7]\""};
	char message[600];

	(void)state;
	for (size_t i = 0; i < COUNT(helo); i++) {
		(void)snprintf(message, sizeof message,
		    "Received: from %s (name [192.0.2.1])\n\tby mx.example.org (Postfix) id A\n"
		    "\tfor <\"x by mx.example.org [198.51.100.7]\"@example.org>; date" END,
		    helo[i]);
		expect(message, "192.0.2.1");
	}
	expect("Received: from x (name [192.0.2.1])\n"
	       "\t(Client CN \"[198.51.100.7] by mx.example.org\", Issuer \"[198.51.100.8]\")\n"
	       "\tby mx.example.org (Postfix) with ESMTPS" END,
	    "192.0.2.1");
	expect(
	    "Received: from name ([192.0.2.1] helo=[198.51.100.7])\n\tby mx.example.org with esmtp"
	    " (Exim 4.96)" END,
	    "192.0.2.1");
	expect(
	    "Received: from [192.0.2.1] (helo=[198.51.100.7])\n\tby mx.example.org (Exim 4.96)" END,
	    "192.0.2.1");
	/* an early " for " makes the line say nothing, never something false */
	expect("Received: from x for y [198.51.100.7] (name [192.0.2.1])\n\tby mx.example.org" END,
	    "");
}

static void
without_trusted_hosts_nobody_is_found(void **state)
{
	(void)state;
	memset(&trusted, 0, sizeof trusted);
	expect("Received: from a (b [192.0.2.1])\n\tby mx.example.org (Postfix)" END, "");
}

static void
any_bytes_are_read_without_harm(void **state)
{
	static const char piece[][24] = {"Received: from ", "\n", "\t", " by mx.example.org",
	    "[192.0.2.1]", "(", ")", "[", "]", " for ", "(Exim 4)", "IPv6:", "\r", "::1", "x",
	    "\n\n", "helo=", "[IPv6:"};
	struct chance chance = {12};
	char message[400];

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct text text, error;
		struct subject client;
		char said[100];
		size_t length;

		text_init(&text, message, sizeof message);
		text_init(&error, said, sizeof said);
		for (unsigned i = chance_below(&chance, 25); i > 0; i--)
			text_add(&text, piece[chance_below(&chance, COUNT(piece))]);
		if (text.length > 0 && chance_below(&chance, 3) == 0)
			message[chance_below(&chance, (uint32_t)text.length)] =
			    (char)chance_below(&chance, 256);
		if (received_client(message, text.length, &trusted, &client, &error))
			assert_true(client.family == SUBJECT_IPV4 || client.family == SUBJECT_IPV6);
		(void)received_attached(message, text.length, &length);
	}
}

static void
the_message_within_is_found(void **state)
{
	static const char message[] =
	    "From: user@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee "
	    "this\n--b\n"
	    "Content-Type: message/rfc822\nContent-Disposition: attachment\n\n"
	    "Received: from x (name [192.0.2.1])\n\tby mx.example.org (Postfix)\nSubject: "
	    "spam\n\nbuy\n--b--\n";
	size_t length;
	const char *within = received_attached(message, strlen(message), &length);

	(void)state;
	assert_non_null(within);
	assert_int_equal(strlen(within), length);
	expect(within, "192.0.2.1");
	expect(message, "");
	assert_null(received_attached("Subject: x\n\ntext", 16, &length));
}

static void
there_is_a_bound_on_trusted_hosts_and_junk_is_refused(void **state)
{
	char name[30];

	(void)state;
	assert_false(received_trust(&trusted, "192.0.2.1/24"));
	assert_false(received_trust(&trusted, "a b"));
	assert_false(received_trust(&trusted, ""));
	for (unsigned i = 0; i < RECEIVED_TRUSTED_MAX - 2; i++) {
		(void)snprintf(name, sizeof name, "h%u.example", i);
		assert_true(received_trust(&trusted, name));
	}
	assert_false(received_trust(&trusted, "one.too.many"));
}

#define TEST(name) cmocka_unit_test_setup(name, trust_hosts)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(each_mail_server_is_understood),
	    TEST(hops_of_ones_own_are_passed),
	    TEST(what_others_wrote_is_not_believed),
	    TEST(hostile_names_do_not_choose_the_client),
	    TEST(without_trusted_hosts_nobody_is_found),
	    TEST(any_bytes_are_read_without_harm),
	    TEST(the_message_within_is_found),
	    TEST(there_is_a_bound_on_trusted_hosts_and_junk_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
