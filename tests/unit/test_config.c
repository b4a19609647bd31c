/* Configurations that are good: what they say, and what is true of what they leave out. */
#include "aggregate/config.h"

#include <string.h>
#include <sys/stat.h>

#include "aggregate/match.h"
#include "aggregate/option.h"
#include "tests/unit/files.h"
#include "tests/unit/zone.h"

#define SITES "\tsites = {\"a.example\"}\n"
#define ZONE "zone \"bl.example\" {\n" SITES "}\n"

static struct evidence_book *book;
static struct config *config;
static struct policy *policy;

static int
open_all(void **state)
{
	(void)state;
	files_open(&files);
	book = evidence_book_open();
	config = NULL;
	return book == NULL ? -1 : 0;
}

static int
close_all(void **state)
{
	(void)state;
	config_close(config);
	evidence_book_close(book);
	files_close(&files);
	return 0;
}

static void
write_file(const char *name, const char *text)
{
	files_write(&files, name, text, strlen(text));
}

/* Read what must be good. */
static void
read_path(const char *path)
{
	struct mistakes mistakes = {0};

	config_close(config);
	config = config_read(path, book, &mistakes);
	if (config == NULL) {
		print_error("%s", mistakes.text);
		mistakes_free(&mistakes);
		fail_msg("%s is not good", path);
	}
	assert_int_equal(mistakes.count, 0);
	mistakes_free(&mistakes);
	policy = config->policy;
}

static void
read_text(const char *text)
{
	write_file("tallyd.conf", text);
	read_path(files_path(&files, "tallyd.conf"));
}

static const struct policy_list *
list(const char *name)
{
	const struct policy_list *found = policy_list_find(policy, name);

	if (found == NULL)
		fail_msg("no list %s", name);
	return found;
}

static const struct policy_zone *
zone(const char *name)
{
	const struct policy_zone *found = policy_zone_find(policy, name);

	if (found == NULL)
		fail_msg("no zone %s", name);
	return found;
}

static void
the_least_configuration_has_the_defaults_of_the_interface(void **state)
{
	const struct policy_zone *bl;
	const struct policy_list *a;
	struct subject subject;

	(void)state;
	read_text(ZONE);
	assert_int_equal(config->listens, 1);
	assert_string_equal(config->listen[0].address, "127.0.0.2");
	assert_int_equal(config->listen[0].port, 53);
	assert_int_equal(config->allows, 2);
	assert_true(subject_parse("127.255.255.255", &subject));
	assert_true(prefix_covers(&config->allow[0], &subject));
	assert_int_equal(config->allow[0].length, 8);
	assert_true(subject_parse("::1", &subject));
	assert_true(prefix_covers(&config->allow[1], &subject));
	assert_int_equal(config->allow[1].length, 128);
	assert_string_equal(config->state_dir, "/var/lib/tally");
	assert_string_equal(config->user, "");
	assert_int_equal(config->threads, 1);
	assert_int_equal(config->cache_mib, 64);
	assert_int_equal(config->log_level, CONFIG_INFO);
	assert_int_equal(policy->deadline_ms, 2500);
	assert_false(policy->log_verdicts);
	assert_false(policy->recursion);
	assert_string_equal(config->trust_anchor, "/usr/share/dns/root.key");
	assert_int_equal(policy->forwards, 0);
	assert_int_equal(policy->hostmaster_length, 0);
	assert_int_equal(policy->addresses, 1);

	bl = zone("bl.example");
	assert_int_equal(bl->kind, POLICY_BLOCK);
	assert_int_equal(bl->threshold, 1);
	assert_int_equal(bl->on_failure, POLICY_PASS);
	assert_string_equal(bl->text, "%a is listed by %l");
	assert_int_equal(bl->max_ttl, 60);
	assert_int_equal(bl->negative_ttl, 60);
	assert_false(bl->adapt);
	assert_int_equal(bl->adapt_band, 50);
	assert_int_equal(bl->grades, 1);
	assert_int_equal(bl->grade[0].score, 1);
	assert_int_equal(bl->grade[0].address, 0x7f000002);
	assert_int_equal(bl->lists, 1);

	a = list("a.example");
	assert_ptr_equal(bl->list[0].list, a);
	assert_string_equal(a->query, "a.example");
	assert_int_equal(a->servers, 0);
	assert_int_equal(a->families, 1u << SUBJECT_IPV4 | 1u << SUBJECT_IPV6);
	assert_int_equal(a->timeout_ms, 2000);
	assert_int_equal(a->min_ttl, 60);
	assert_int_equal(a->max_ttl, 86400);
	assert_int_equal(a->tests, POLICY_TEST_ALL);
	assert_true(a->used);
}

static void
an_address_on_two_ports_is_one_address_of_ns(void **state)
{
	(void)state;
	read_text("listen = {\"127.0.0.2\", \"127.0.0.2@5353\", \"::1\", \"127.0.0.2@5354\"}\n"
		  "zone \"bl.example\" {\nsites = {\"a.example\"}\n}\n");
	assert_int_equal(config->listens, 4);
	assert_int_equal(policy->addresses, 2);
	assert_int_equal(policy->address[1].family, SUBJECT_IPV6);
}

static void
every_option_at_the_top_is_read(void **state)
{
	struct subject subject;

	(void)state;
	read_text("listen = {\"192.0.2.1\", \"2001:DB8::0:1@5353\", \"127.0.0.2@65535\", "
		  "\"::ffff:192.0.2.7@1\"}\n"
		  "allow = {\"192.0.2.0/24\", \"2001:db8::/32\", \"::ffff:198.51.100.0/120\"}\n"
		  "control = \"\"\nstate-dir = \"/tmp/tally\"\nuser = \"nobody\"\nthreads = 64\n"
		  "cache-mib = 65536\ndeadline-ms = 60000\nmax-stale = 0\n"
		  "forward = {\"192.0.2.53\", \"2001:db8::53@5353\"}\nrecursion = true\n"
		  "trust-anchor = \"/etc/tally/root.key\"\n"
		  "hostmaster = \"postmaster@Example.org\"\nlog-level = \"debug\"\n"
		  "log-verdicts = true\n" ZONE);
	assert_int_equal(config->listens, 4);
	assert_string_equal(config->listen[0].address, "192.0.2.1");
	assert_int_equal(config->listen[0].port, 53);
	assert_string_equal(config->listen[1].address, "2001:db8::1");
	assert_int_equal(config->listen[1].port, 5353);
	assert_int_equal(config->listen[2].port, 65535);
	assert_string_equal(config->listen[3].address, "192.0.2.7");
	assert_int_equal(config->listen[3].port, 1);
	assert_int_equal(config->allows, 3);
	assert_true(subject_parse("198.51.100.9", &subject));
	assert_true(prefix_covers(&config->allow[2], &subject));
	assert_string_equal(config->state_dir, "/tmp/tally");
	assert_string_equal(config->user, "nobody");
	assert_int_equal(config->threads, 64);
	assert_int_equal(config->cache_mib, 65536);
	assert_int_equal(config->log_level, CONFIG_DEBUG);
	assert_int_equal(policy->deadline_ms, 60000);
	assert_true(policy->log_verdicts);
	assert_true(policy->recursion);
	assert_string_equal(config->trust_anchor, "/etc/tally/root.key");
	assert_int_equal(policy->forwards, 2);
	assert_string_equal(policy->forward[1].address, "2001:db8::53");
	assert_int_equal(policy->forward[1].port, 5353);
	assert_int_equal(policy->hostmaster_length, 24);
	assert_memory_equal(policy->hostmaster, "\12postmaster\7example\3org\0", 24);
	assert_int_equal(policy->addresses, 4);
	assert_true(subject_parse("2001:db8::1", &subject));
	assert_true(subject_equal(&policy->address[1], &subject));
}

static void
every_word_of_an_option_is_taken(void **state)
{
	static const char *const level[] = {"error", "warning", "info", "debug"};
	static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {
								    "false", "no", "off"};
	char text[200];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(text, sizeof text, "log-level = %s\n" ZONE, level[i]);
		read_text(text);
		assert_int_equal(config->log_level, i);
	}
	for (unsigned i = 0; i < 3; i++) {
		(void)snprintf(text, sizeof text, "log-verdicts = %s\n" ZONE, yes[i]);
		read_text(text);
		assert_true(policy->log_verdicts);
		(void)snprintf(text, sizeof text, "log-verdicts = %s\n" ZONE, no[i]);
		read_text(text);
		assert_false(policy->log_verdicts);
	}
	read_text("threads = 0\ncache-mib = 1\ndeadline-ms = 50\n" ZONE);
	assert_int_equal(config->threads, 0);
	assert_int_equal(config->cache_mib, 1);
	assert_int_equal(policy->deadline_ms, 50);
	read_text("allow = {}\nforward = {}\nhostmaster = \"\"\nuser = \"\"\n" ZONE);
	assert_int_equal(config->allows, 0);
	assert_int_equal(policy->forwards, 0);
	assert_int_equal(policy->hostmaster_length, 0);
}

static void
a_hostmaster_may_have_dots_before_the_at_sign(void **state)
{
	(void)state;
	read_text("hostmaster = \"john.doe@example.org\"\n" ZONE);
	assert_int_equal(policy->hostmaster_length, 22);
	assert_memory_equal(policy->hostmaster, "\10john.doe\7example\3org\0", 22);
}

static void
every_option_of_a_list_is_read(void **state)
{
	const struct policy_list *a;

	(void)state;
	read_text("list \"A.Example.\" {\n\tquery = \"KEY.a.dq.example\"\n"
		  "\tserver = {\"127.0.0.1@5301\", \"2001:db8::1\"}\n\tfamily = {\"ipv6\"}\n"
		  "\tlisted = {\"127.0.0.2\", \"127.0.1.[1..3]\"}\n\terrors = {\"127.0.0.255\"}\n"
		  "\ttest = false\n\task = \"always\"\n\ttimeout-ms = 50\n\tmin-ttl = 1\n"
		  "\tmax-ttl = 604800\n\tmax-qps = 0\n\tdead = \"\"\n}\n" ZONE);
	a = list("a.example");
	assert_string_equal(a->name, "a.example");
	assert_string_equal(a->query, "key.a.dq.example");
	assert_int_equal(a->servers, 2);
	assert_string_equal(a->server[0].address, "127.0.0.1");
	assert_int_equal(a->server[0].port, 5301);
	assert_string_equal(a->server[1].address, "2001:db8::1");
	assert_int_equal(a->server[1].port, 53);
	assert_int_equal(a->families, 1u << SUBJECT_IPV6);
	assert_int_equal(a->listed_count, 2);
	assert_int_equal(a->errors_count, 1);
	assert_true(pattern_match(&a->listed[1], 0x7f000103));
	assert_true(pattern_match(&a->errors[0], 0x7f0000ff));
	assert_int_equal(a->timeout_ms, 50);
	assert_int_equal(a->min_ttl, 1);
	assert_int_equal(a->max_ttl, 604800);
	assert_int_equal(a->tests, 0);
	assert_int_equal(policy->lists, 1);
}

static void
the_tests_of_a_list_are_all_none_or_some(void **state)
{
	static const struct {
		const char *text;
		unsigned tests;
	} cases[] = {
	    {"true", POLICY_TEST_ALL},
	    {"on", POLICY_TEST_ALL},
	    {"no", 0},
	    {"{}", 0},
	    {"{\"canary\"}", POLICY_TEST_CANARY},
	    {"{\"canary\", \"127.0.0.2\"}", POLICY_TEST_LISTED | POLICY_TEST_CANARY},
	    {"{\"127.0.0.1\", \"127.0.0.2\", \"canary\"}", POLICY_TEST_ALL},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		char text[300];

		(void)snprintf(text, sizeof text, "list \"a.example\" {\n\ttest = %s\n}\n" ZONE,
		    cases[i].text);
		read_text(text);
		assert_int_equal(list("a.example")->tests, cases[i].tests);
	}
}

/* What a reply of one address is worth in zone bl.example, with one unfiltered site; 99: unknown */
static int32_t
worth(const char *address)
{
	struct answers answers = make_answers(address);
	const struct policy_zone *bl = zone("bl.example");
	int32_t score = 0;

	return match_weigh(bl, &bl->list[0], &answers, &score) ? score : 99;
}

static void
a_list_that_nobody_describes_lists_all_but_two_kinds_of_answers(void **state)
{
	(void)state;
	read_text(ZONE);
	assert_int_equal(worth("127.0.0.2"), 1);
	assert_int_equal(worth("127.0.0.0"), 1);
	assert_int_equal(worth("127.0.0.255"), 1);
	assert_int_equal(worth("127.0.1.1"), 1);
	assert_int_equal(worth("127.1.0.1"), 1);
	assert_int_equal(worth("127.255.0.1"), 1);
	assert_int_equal(worth("127.255.254.255"), 1);
	assert_int_equal(worth("127.254.255.255"), 1);
	assert_int_equal(worth("127.0.0.1"), 99);
	assert_int_equal(worth("127.255.255.0"), 99);
	assert_int_equal(worth("127.255.255.254"), 99);
	assert_int_equal(worth("127.255.255.255"), 99);
}

static void
a_list_with_other_errors_does_not_list_the_usual_ones(void **state)
{
	(void)state;
	read_text("list \"a.example\" {\n\terrors = {\"127.0.0.255\"}\n}\n" ZONE);
	assert_int_equal(worth("127.0.0.2"), 1);
	assert_int_equal(worth("127.0.0.255"), 99);
	assert_int_equal(worth("127.255.255.254"), 99);
	read_text("list \"a.example\" {\n\terrors = {}\n}\n" ZONE);
	assert_int_equal(worth("127.0.0.255"), 1);
	assert_int_equal(worth("127.255.255.254"), 99);
}

static void
an_error_code_may_be_explained(void **state)
{
	struct answers answers = make_answers("127.0.0.2 127.0.0.255");
	uint32_t address = 0;

	(void)state;
	read_text("list \"a.example\" {\n\terrors = {\"127.0.0.255 \t over\tquota\", "
		  "\"127.0.0.[254;255] more\", \"127.0.0.253\"}\n}\n" ZONE);
	assert_string_equal(policy_refusal(list("a.example"), &answers, &address), "over?quota");
	assert_int_equal(address, 0x7f0000ff);
	answers = make_answers("127.0.0.254");
	assert_string_equal(policy_refusal(list("a.example"), &answers, NULL), "more");
	answers = make_answers("127.0.0.253");
	assert_string_equal(
	    policy_refusal(list("a.example"), &answers, NULL), "it refuses us with an error code");
	answers = make_answers("127.255.255.254 127.0.0.2");
	assert_null(policy_refusal(list("a.example"), &answers, NULL)); /* not one of its errors */
}

static void
the_usual_errors_are_explained(void **state)
{
	struct answers answers = make_answers("127.255.255.254");

	(void)state;
	read_text(ZONE);
	assert_string_equal(policy_refusal(list("a.example"), &answers, NULL),
	    "it refuses your resolver: public or shared");
}

static void
a_list_with_other_answers_keeps_the_usual_errors(void **state)
{
	(void)state;
	read_text(
	    "list \"a.example\" {\n\tlisted = {\"127.0.0.2\", \"127.255.255.254\"}\n}\n" ZONE);
	assert_int_equal(worth("127.0.0.2"), 1);
	assert_int_equal(worth("127.0.0.3"), 99);
	assert_int_equal(worth("127.255.255.254"), 99);
}

static void
every_option_of_a_zone_is_read(void **state)
{
	const struct policy_zone *bl;

	(void)state;
	read_text(
	    "zone \"BL.Example.\" {\n\tkind = \"allow\"\n\tlike = \"\"\n"
	    "\tsites = {\"a.example=127.0.0.2*3\", \"b.example*-2\", \"A.Example.*4\"}\n"
	    "\tthreshold = 5\n\tanswers = {\"9=127.0.0.9\", \"5=127.0.0.5\"}\n"
	    "\ton-failure = \"127.0.0.99\"\n\ttext = \"%a %l %s %t %z %%\"\n\tmax-ttl = 86400\n"
	    "\tnegative-ttl = 1\n\tadapt = true\n\tadapt-band = 100\n}\n");
	bl = zone("bl.example");
	assert_int_equal(bl->wire_length, 12);
	assert_memory_equal(bl->wire, "\2bl\7example\0", 12);
	assert_int_equal(bl->kind, POLICY_ALLOW);
	assert_int_equal(bl->threshold, 5);
	assert_int_equal(bl->grades, 2);
	assert_int_equal(bl->grade[0].score, 5);
	assert_int_equal(bl->grade[0].address, 0x7f000005);
	assert_int_equal(bl->grade[1].score, 9);
	assert_int_equal(bl->grade[1].address, 0x7f000009);
	assert_int_equal(bl->on_failure, POLICY_ANSWER);
	assert_int_equal(bl->failure_address, 0x7f000063);
	assert_string_equal(bl->text, "%a %l %s %t %z %%");
	assert_int_equal(bl->max_ttl, 86400);
	assert_int_equal(bl->negative_ttl, 1);
	assert_true(bl->adapt);
	assert_int_equal(bl->adapt_band, 100);
	assert_int_equal(bl->lists, 2);
	assert_int_equal(bl->sites, 3);
	assert_int_equal(bl->list[0].high, 7);
	assert_int_equal(bl->list[1].low, -2);
}

static void
threshold_and_grades_follow_from_each_other(void **state)
{
	static const struct {
		const char *options;
		int32_t threshold;
		size_t grades;
		int32_t least;
		uint32_t address;
	} of[] = {
	    {"", 1, 1, 1, 0x7f000002},
	    {"threshold = 4", 4, 1, 4, 0x7f000002},
	    {"threshold = 1000000", 1000000, 1, 1000000, 0x7f000002},
	    {"answers = {}", 1, 1, 1, 0x7f000002},
	    {"answers = {\"3=127.0.0.3\"}", 3, 1, 3, 0x7f000003},
	    {"answers = {\"8=127.0.0.8\", \"3=127.0.0.3\"}", 3, 2, 3, 0x7f000003},
	    {"answers = {\"1000000=127.255.254.255\"}", 1000000, 1, 1000000, 0x7ffffeff},
	    {"threshold = 4\nanswers = {}", 4, 1, 4, 0x7f000002},
	};
	char text[300];

	(void)state;
	for (size_t i = 0; i < COUNT(of); i++) {
		(void)snprintf(
		    text, sizeof text, "zone \"bl.example\" {\n" SITES "%s\n}\n", of[i].options);
		read_text(text);
		assert_int_equal(zone("bl.example")->threshold, of[i].threshold);
		assert_int_equal(zone("bl.example")->grades, of[i].grades);
		assert_int_equal(zone("bl.example")->grade[0].score, of[i].least);
		assert_int_equal(zone("bl.example")->grade[0].address, of[i].address);
	}
}

static void
on_failure_has_three_kinds(void **state)
{
	(void)state;
	read_text(
	    "zone \"a.zone\" {\n" SITES "on-failure = pass\n}\nzone \"b.zone\" {\n" SITES
	    "on-failure = \"defer\"\n}\nzone \"c.zone\" {\n" SITES "on-failure = 127.0.0.2\n}\n");
	assert_int_equal(zone("a.zone")->on_failure, POLICY_PASS);
	assert_int_equal(zone("b.zone")->on_failure, POLICY_DEFER);
	assert_int_equal(zone("c.zone")->on_failure, POLICY_ANSWER);
	assert_int_equal(zone("c.zone")->failure_address, 0x7f000002);
}

static void
an_account_is_like_its_zone_where_it_does_not_differ(void **state)
{
	const struct policy_zone *account;

	(void)state;
	read_text("zone \"u1.bl.example\" {\n\tlike = \"BL.example\"\n\tthreshold = 2\n}\n"
		  "zone \"bl.example\" {\n\tsites = {\"a.example*4\", \"b.example*-3\"}\n"
		  "\tthreshold = 4\n\ttext = \"%z\"\n\tkind = \"allow\"\n\ton-failure = \"defer\"\n"
		  "\tmax-ttl = 7\n\tnegative-ttl = 8\n\tadapt = true\n}\n"
		  "zone \"u2.bl.example\" {\n\tlike = \"u1.bl.example\"\n\ttext = \"u2\"\n"
		  "\tsites = {\"c.example\"}\n}\n");
	account = zone("u1.bl.example");
	assert_int_equal(account->threshold, 2);
	assert_int_equal(account->grade[0].score, 2);
	assert_int_equal(account->lists, 2);
	assert_int_equal(account->list[0].high, 4);
	assert_string_equal(account->text, "%z");
	assert_int_equal(account->kind, POLICY_ALLOW);
	assert_int_equal(account->on_failure, POLICY_DEFER);
	assert_int_equal(account->max_ttl, 7);
	assert_int_equal(account->negative_ttl, 8);
	assert_true(account->adapt);
	account = zone("u2.bl.example");
	assert_int_equal(account->threshold, 2);
	assert_string_equal(account->text, "u2");
	assert_int_equal(account->max_ttl, 7);
	assert_int_equal(account->lists, 1);
	assert_string_equal(account->list[0].list->name, "c.example");
	assert_int_equal(zone("bl.example")->threshold, 4);
	assert_int_equal(zone("bl.example")->lists, 2);
}

static void
an_account_with_grades_of_its_own_has_none_of_its_zone(void **state)
{
	(void)state;
	read_text(
	    "zone \"bl.example\" {\n" SITES "\tanswers = {\"3=127.0.0.3\", \"5=127.0.0.5\"}\n}\n"
	    "zone \"u1.bl.example\" {\n\tlike = \"bl.example\"\n}\n"
	    "zone \"u2.bl.example\" {\n\tlike = \"bl.example\"\n"
	    "\tanswers = {\"7=127.0.0.7\"}\n}\n");
	assert_int_equal(zone("u1.bl.example")->grades, 2);
	assert_int_equal(zone("u1.bl.example")->threshold, 3);
	assert_int_equal(zone("u2.bl.example")->grades, 1);
	assert_int_equal(zone("u2.bl.example")->grade[0].score, 7);
	assert_int_equal(zone("u2.bl.example")->threshold, 7);
	assert_int_equal(zone("bl.example")->grades, 2);
}

static void
labels_that_no_address_has_may_be_accounts(void **state)
{
	static const char *const label[] = {"256", "u4711", "00", "042", "g", "ff", "0x1", "-1",
	    "_", "1000", "999", "f-", "xn--a", "ns1"};
	char text[3000];
	struct text all;

	(void)state;
	text_init(&all, text, sizeof text);
	text_add(&all, ZONE);
	for (size_t i = 0; i < COUNT(label); i++)
		text_add_format(
		    &all, "zone \"%s.bl.example\" {\n\tlike = \"bl.example\"\n}\n", label[i]);
	/* not below another zone: any label will do */
	text_add(&all, "zone \"42.example\" {\n" SITES "}\nzone \"1.2.3.4\" {\n" SITES "}\n");
	assert_false(all.cut);
	read_text(text);
	assert_int_equal(policy->zones, COUNT(label) + 3);
}

static void
strings_may_be_quoted_in_every_way(void **state)
{
	(void)state;
	assert_int_equal(setenv("TALLY_UNIT_KEY", "secret", 1), 0);
	read_text(
	    "# comment\nuser='tally' // comment\nlog-level=error /* comment\n */ threads=2\n"
	    "list 'a.example' { query = \"${TALLY_UNIT_KEY}.a.example\" }\n"
	    "zone bl.example {\n\tsites = { a.example, # first\n\t\t'b.example*2' , // second\n"
	    "\t\t\"c.example=127.0.0.[2..3]*-3\" /* third */ }\n"
	    "\ttext = \"a \\\"b\\\" \\\n# %% c 'd'\" # comment\n}\n");
	assert_string_equal(config->user, "tally");
	assert_int_equal(config->log_level, CONFIG_ERROR);
	assert_int_equal(config->threads, 2);
	assert_string_equal(list("a.example")->query, "secret.a.example");
	assert_string_equal(zone("bl.example")->text, "a \"b\" # %% c 'd'");
	assert_int_equal(zone("bl.example")->lists, 3);
	assert_int_equal(zone("bl.example")->list[2].low, -3);
}

static void
slashes_and_quotes_do_not_begin_comments_inside_words(void **state)
{
	(void)state;
	read_text("state-dir = /tmp/tally # comment\nuser = a/b//comment\nlog-level=debug/**/\n"
		  "zone \"bl.example\" {\n" SITES "\ttext = \"a \\\" # b // c /* d\"\n}\n");
	assert_string_equal(config->state_dir, "/tmp/tally");
	assert_string_equal(config->user, "a/b");
	assert_int_equal(config->log_level, CONFIG_DEBUG);
	assert_string_equal(zone("bl.example")->text, "a \" # b // c /* d");
}

/* 253 characters less the 64 of an IPv6 address: the last length that works, and one more */
static void
names_leave_room_for_an_ipv6_address_in_front(void **state)
{
	static const char *const form[] = {"zone \"%s\" {\n" SITES "}\n",
	    "zone \"bl.example\" {\n\tsites = {\"%s\"}\n}\n", "list \"%s\" {\n}\n" ZONE,
	    "list \"a.example\" {\n\tquery = \"%s\"\n}\n" ZONE};
	char name[200], text[400];

	(void)state;
	for (size_t i = 0; i < 190; i++)
		name[i] = i % 64 == 63 ? '.' : 'a';
	for (size_t i = 0; i < COUNT(form); i++) {
		struct mistakes mistakes = {0};
		struct text whole;

		name[189] = '\0';
		for (unsigned more = 0; more < 2; more++) {
			text_init(&whole, text, sizeof text);
			text_add_bytes(&whole, form[i], (size_t)(strstr(form[i], "%s") - form[i]));
			text_add(&whole, name);
			text_add(&whole, strstr(form[i], "%s") + 2);
			if (more == 0)
				read_text(text);
			memcpy(name + 189, "a", 2);
		}
		write_file("tallyd.conf", text);
		assert_null(config_read(files_path(&files, "tallyd.conf"), book, &mistakes));
		assert_int_equal(mistakes.count, 1);
		mistakes_free(&mistakes);
	}
}

static void
one_word_may_come_without_braces(void **state)
{
	(void)state;
	read_text("listen = 127.0.0.3\nzone \"bl.example\" {\n\tsites = \"a.example\"\n}\n");
	assert_int_equal(config->listens, 1);
	assert_string_equal(config->listen[0].address, "127.0.0.3");
	assert_int_equal(zone("bl.example")->lists, 1);
}

static void
lines_may_end_in_carriage_return_and_line_feed(void **state)
{
	(void)state;
	read_text("# one\r\nthreads = 3\r\nuser = \"x\"\r\nzone \"bl.example\" {\r\n"
		  "\tsites = {\"a.example\",\r\n\t\"b.example\"}\r\n}\r\n");
	assert_int_equal(config->threads, 3);
	assert_string_equal(config->user, "x");
	assert_int_equal(zone("bl.example")->lists, 2);
}

static void
an_include_is_relative_to_the_file_that_names_it(void **state)
{
	char text[200];

	(void)state;
	assert_int_equal(mkdir(files_path(&files, "sub"), 0700), 0);
	write_file(
	    "sub/one.conf", "include(\"two.conf\")\nlist \"a.example\" {\n\tmin-ttl = 5\n}\n");
	write_file("sub/two.conf", "include(\"../three.conf\")\nthreads = 5\n");
	write_file("three.conf", "log-level = \"debug\"\n");
	read_text("include(\"sub/one.conf\")\n" ZONE);
	assert_int_equal(config->threads, 5);
	assert_int_equal(config->log_level, CONFIG_DEBUG);
	assert_int_equal(list("a.example")->min_ttl, 5);
	(void)snprintf(text, sizeof text, "include('%s/sub/one.conf')\n" ZONE, files.directory);
	read_text(text);
	assert_int_equal(config->threads, 5);
	(void)remove(files_path(&files, "sub/one.conf"));
	(void)remove(files_path(&files, "sub/two.conf"));
}

static void
the_operators_section_goes_before_an_included_one_option_by_option(void **state)
{
	static const char *const operators[] = {
	    "include(\"lists.conf\")\nlist \"a.example\" {\n\tmin-ttl = 7\n\tserver = {}\n}\n" ZONE,
	    "list \"A.EXAMPLE\" {\n\tmin-ttl = 7\n\tserver = {}\n}\n" ZONE
	    "include(\"lists.conf\")\n"};

	(void)state;
	write_file("lists.conf", "list \"a.example\" {\n\tmin-ttl = 10\n\tmax-ttl = 20\n"
				 "\tserver = {\"192.0.2.1\"}\n\tlisted = {\"127.0.0.2\"}\n}\n"
				 "list \"unused.example\" {\n\tmin-ttl = 9\n}\n");
	for (size_t i = 0; i < COUNT(operators); i++) {
		read_text(operators[i]);
		assert_int_equal(list("a.example")->min_ttl, 7);
		assert_int_equal(list("a.example")->max_ttl, 20);
		assert_int_equal(list("a.example")->servers, 0);
		assert_int_equal(worth("127.0.0.2"), 1);
		assert_int_equal(worth("127.0.0.3"), 99);
		assert_int_equal(list("unused.example")->min_ttl, 9);
		assert_false(list("unused.example")->used);
	}
}

static void
of_two_included_sections_the_later_and_outer_goes_first(void **state)
{
	(void)state;
	write_file("one.conf", "include(\"deep.conf\")\nlist \"a.example\" {\n\tmin-ttl = 1\n"
			       "\tmax-ttl = 100\n}\n");
	write_file("two.conf", "list \"a.example\" {\n\tmin-ttl = 2\n}\n");
	write_file("deep.conf", "list \"a.example\" {\n\tmin-ttl = 3\n\tmax-ttl = 300\n"
				"\ttimeout-ms = 400\n}\n");
	read_text("include(\"one.conf\")\ninclude(\"two.conf\")\n" ZONE);
	assert_int_equal(list("a.example")->min_ttl, 2);
	assert_int_equal(list("a.example")->max_ttl, 100);
	assert_int_equal(list("a.example")->timeout_ms, 400);
}

static void
a_dead_list_is_used_where_its_section_says_so(void **state)
{
	static const char *const section[] = {
	    "list \"a.dead.example\" {\n\tdead = \"use\"\n}\n",
	    "list \"A.Dead.Example.\" {\n\tdead = \"\"\n\tmin-ttl = 3\n}\n",
	    "list \"*.dead.example\" {\n\tdead = \"use\"\n}\n",
	};
	char text[400];

	(void)state;
	write_file("lists.conf", "list \"*.dead.example\" {\n\tdead = \"gone\"\n}\n"
				 "list \"b.dead.example\" {\n\tdead = \"\"\n}\n");
	for (size_t i = 0; i < COUNT(section); i++) {
		(void)snprintf(text, sizeof text,
		    "include(\"lists.conf\")\n%szone \"bl.example\" {\n"
		    "\tsites = {\"a.dead.example*2\", \"b.dead.example\"}\n}\n",
		    section[i]);
		read_text(text);
		assert_int_equal(zone("bl.example")->lists, 2);
		assert_true(list("a.dead.example")->used);
	}
	write_file("lists.conf", "list \"a.example\" {\n\tdead = \"gone\"\n}\n");
	read_text("include(\"lists.conf\")\nlist \"a.example\" {\n\tdead = \"use\"\n}\n" ZONE);
	assert_true(list("a.example")->used);
}

/* What is told of a configuration that is taken. */
static void
expect_warnings(const char *text, const char *const *line, size_t lines)
{
	struct mistakes mistakes = {0};
	size_t told = 0;

	config_close(config);
	write_file("tallyd.conf", text);
	config = config_read(files_path(&files, "tallyd.conf"), book, &mistakes);
	if (config == NULL)
		fail_msg("%s", mistakes.text);
	policy = config->policy;
	for (const char *c = mistakes.text; c != NULL && *c != '\0'; c++)
		told += *c == '\n';
	assert_int_equal(told, lines);
	assert_int_equal(mistakes.warnings, lines);
	for (size_t i = 0; i < lines; i++)
		if (strstr(mistakes.text, line[i]) == NULL)
			fail_msg("no \"%s\" in %s", line[i], mistakes.text);
	mistakes_free(&mistakes);
}

#define PARTS                                                                                      \
	"list \"sbl.example\" {\n\tpart-of = \"Zen.Example.\"\n}\n"                                \
	"list \"drop.example\" {\n\tpart-of = \"sbl.example\"\n}\n"

static void
lists_that_contain_one_another_are_told_by_a_warning_at_their_line(void **state)
{
	static const char *const both[] = {
	    "tallyd.conf:9: warning: sites = \"SBL.example*2\": zen.example is named too and "
	    "contains this list: they count once, by the larger weight\n",
	    "tallyd.conf:11: warning: sites = \"drop.example\": zen.example is named too"};
	static const char *const inner[] = {
	    "tallyd.conf:8: warning: sites = \"drop.example*3\": sbl.example is named too"};

	(void)state;
	/* once, however many zones are like this one, and at the first site */
	expect_warnings(PARTS "zone \"bl.example\" {\n\tsites = {\"a.example\",\n"
			      "\t\"SBL.example*2\", \"sbl.example=127.0.0.3*1\",\n"
			      "\t\"zen.example*4\",\n\t\"drop.example\"}\n}\n"
			      "zone \"u1.bl.example\" {\n\tlike = \"bl.example\"\n}\n",
	    both, 2);
	assert_int_equal(zone("bl.example")->list[0].whole, 0);
	assert_int_equal(zone("bl.example")->list[1].whole, 2);
	assert_int_equal(zone("u1.bl.example")->list[3].whole, 2);
	assert_true(zone("u1.bl.example")->joint);
	/* zen is not named here: xbl and sbl do not contain one another */
	expect_warnings(PARTS "zone \"bl.example\" {\n\tsites = {\"drop.example*3\", "
			      "\"sbl.example\", \"xbl.example\"}\n}\n"
			      "list \"xbl.example\" {\n\tpart-of = \"zen.example\"\n}\n",
	    inner, 1);
	/* an operator's section may take the catalogue's word back */
	write_file("lists.conf", PARTS);
	expect_warnings("include(\"lists.conf\")\nlist \"sbl.example\" {\n\tpart-of = \"\"\n}\n"
			"zone \"bl.example\" {\n\tsites = {\"sbl.example\", "
			"\"zen.example\"}\n}\n",
	    NULL, 0);
	assert_false(zone("bl.example")->joint);
}

static void
an_allow_that_lets_nobody_in_is_a_warning(void **state)
{
	static const char *const nobody[] = {
	    "1: warning: allow = {}: nobody may ask zone \"bl.example\""};

	(void)state;
	expect_warnings("allow = {}\nzone \"bl.example\" {\n\tsites = {\"a.example\"}\n}\n"
			"zone \"cl.example\" {\n\tlike = \"bl.example\"\n}\n",
	    nobody, 1);
	expect_warnings("allow = {}\nzone \"bl.example\" {\n\tsites = {\"a.example\"}\n"
			"\tallow = {\"127.0.0.1\"}\n}\n",
	    NULL, 0);
}

#define X98                                                                                        \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxx"
#define X100 X98 "xx"

static void
what_is_hardly_meant_is_a_warning(void **state)
{
	static const struct {
		const char *zone;
		const char *line[2]; /* the one warning, or none */
	} of[] = {
	    {"sites = {\"a.example*2\", \"b.example*-3\"}\nthreshold = 3",
		{"3: warning: zone \"bl.example\": the weights of its sites come to 2: nothing "
		 "reaches a score of 3"}},
	    {"sites = {\"a.example*2\", \"b.example\"}\nthreshold = 3", {NULL}},
	    {"sites = {\"a.example*4\"}\nadapt = true\nthreshold = 6", {NULL}},
	    {"sites = {\"a.example*4\"}\nadapt = true\nthreshold = 7", {"4: warning: "}},
	    {"sites = {\"a.example*4\"}\nanswers = {\"2=127.0.0.4\", \"4=127.0.0.2\"}\n"
	     "threshold = 3",
		{"4: warning: threshold = \"3\": no answer of zone \"bl.example\" begins at this "
		 "score: its subjects are listed from 2 on"}},
	    {"sites = {\"a.example*4\"}\nanswers = {\"2=127.0.0.4\", \"4=127.0.0.2\"}\n"
	     "threshold = 4",
		{NULL}},
	    {"sites = {\"a.example*2\"}\nanswers = {\"1=127.0.0.4\", \"3=127.0.0.2\"}",
		{"3: warning: zone \"bl.example\": the weights of its sites come to 2: nothing "
		 "reaches a score of 3"}},
	    {"sites = {\"a.example*0\", \"good.example*-1\"}",
		{"2: warning: zone \"bl.example\": the weights of its sites come to 0: nothing "
		 "reaches a score of 1"}},
	    {"sites = {\"a.example\",\n\"a.example=127.255.255.[0..9]\"}",
		{"3: warning: sites = \"a.example=127.255.255.[0..9]\": these answers are errors "
		 "of the list"}},
	    {"sites = {\"a.example\", \"a.example=127.255.[254;255].1\"}", {NULL}},
	    {"sites = {\"a.example=10.0.0.1\"}",
		{"2: warning: sites = \"a.example=10.0.0.1\": answers of lists are in"}},
	    {"sites = {\"a.example\"}\non-failure = \"127.0.0.2\"",
		{"3: warning: on-failure = \"127.0.0.2\": this is an answer for listed"}},
	    {"sites = {\"a.example\"}\non-failure = \"127.0.0.11\"", {NULL}},
	    {"kind = \"allow\"\nsites = {\"a.example\"}\non-failure = \"127.0.0.11\"",
		{"4: warning: on-failure = \"127.0.0.11\": in zone \"bl.example\" an answer means "
		 "trust"}},
	    {"kind = \"allow\"\nsites = {\"a.example\"}\non-failure = \"defer\"", {NULL}},
	    {"sites = {\"a.example=127.0.0.2\", \"b.example\", \"a.example=127.0.0.3\",\n"
	     "\"A.example=127.0.0.[2]*3\"}",
		{"3: warning: sites = \"A.example=127.0.0.[2]*3\": given before"}},
	    {"sites = {\"good.example\"}",
		{"2: warning: sites = \"good.example\": this list names good senders"}},
	    {"sites = {\"good.example*-1\", \"good.example=127.0.0.9*0\", \"a.example\"}", {NULL}},
	    {"kind = \"allow\"\nsites = {\"good.example\"}", {NULL}},
	    {"sites = {\"a.example\"}\ntext = \"Gr\xc3\xbc\xc3\x9f"
	     "e %a\"",
		{"3: warning: text = \"Gr????e %a\": what is not printable ASCII is answered as"}},
	    {"sites = {\"a.example\"}\ntext = \"%a%% " X100 X98 "\"", {NULL}},
	    {"sites = {\"a.example\"}\ntext = \"%a%% " X100 X98 "x\"",
		{"only 200 characters are answered"}},
	    {"sites = {\"a123456789012345678b.zen.dq.example\"}",
		{"2: warning: sites: a name that begins with a key, which clients would see"}},
	    {"sites = {\"zen.dq.example\", \"abcdefghijklmnopqrstuvwxyz.example\"}", {NULL}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(of); i++) {
		char text[600];

		(void)snprintf(text, sizeof text,
		    "zone \"bl.example\" {\n%s\n}\n"
		    "list \"good.example\" {\n\tkind = \"allow\"\n}\n",
		    of[i].zone);
		expect_warnings(text, of[i].line, of[i].line[0] != NULL);
	}
}

static void
a_list_of_bad_senders_in_a_zone_of_trust_is_a_warning(void **state)
{
	static const char *const warned[] = {
	    "tallyd.conf:4: warning: sites = \"bad.org=127.0.0.2\": this list names bad senders"};

	(void)state;
	write_file("lists.conf", "list \"bad.org\" {\n\tlisted = {\"127.0.0.[2..4]\"}\n}\nlist "
				 "\"good.org\" {\n\tkind = \"allow\"\n}\n");
	expect_warnings(
	    "include(\"lists.conf\")\nzone \"wl.example\" {\n\tkind = \"allow\"\n"
	    "\tsites = {\"bad.org=127.0.0.2\", \"good.org\", \"own.org\", \"mine.org\"}\n}\n"
	    "list \"mine.org\" {\n\tmin-ttl = 5\n}\n",
	    warned, 1);
	expect_warnings("include(\"lists.conf\")\nzone \"wl.example\" {\n\tkind = \"allow\"\n"
			"\tsites = {\"bad.org*-2\", \"good.org\", \"bad.org=127.0.0.1\"}\n}\n",
	    NULL, 0);
}

static void
a_section_of_the_main_file_that_nothing_names_is_a_warning(void **state)
{
	static const char *const warned[] = {"tallyd.conf:2: warning: list \"Typo.org\": no zone "
					     "and no other section has this name"};

	(void)state;
	write_file("lists.conf", "list \"known.org\" {\n}\nlist \"unknown.org\" {\n}\n");
	expect_warnings("include(\"lists.conf\")\nlist \"Typo.org\" {\n}\n" ZONE, warned, 1);
	expect_warnings("include(\"lists.conf\")\nlist \"Known.org\" {\n}\n"
			"list \"dnsbl.example\" {\n}\nlist \"*.dead.org\" {\n\tdead = \"x\"\n}\n"
			"list \"a.org\" {\n}\nzone \"bl.example\" {\n\tsites = {\"a.org\"}\n}\n",
	    NULL, 0);
}

static void
zones_are_found_by_the_names_of_questions(void **state)
{
	size_t offset = 0;

	(void)state;
	read_text(ZONE "zone \"u1.bl.example\" {\n\tlike = \"bl.example\"\n}\n");
	assert_ptr_equal(policy_zone_of_name(
			     policy, (const uint8_t *)"\0012\0010\2u1\2bl\7example\0", 19, &offset),
	    zone("u1.bl.example"));
	assert_int_equal(offset, 4);
}

static void
a_list_keeps_its_number_when_the_file_is_read_again(void **state)
{
	unsigned number;

	(void)state;
	read_text("zone \"bl.example\" {\n\tsites = {\"a.example\", \"b.example\"}\n}\n");
	number = list("b.example")->number;
	read_text("zone \"bl.example\" {\n\tsites = {\"c.example\", \"b.example\"}\n}\n");
	assert_int_equal(list("b.example")->number, number);
	assert_int_equal(evidence_list_count(book), 3);
	assert_ptr_equal(policy->numbered[number], list("b.example"));
}

static void
a_thousand_accounts_are_read(void **state)
{
	size_t size = 200000;
	char *text = malloc(size);
	struct text all;

	(void)state;
	text_init(&all, text, size);
	text_add(&all, ZONE);
	for (unsigned i = 0; i < 1000; i++)
		text_add_format(&all,
		    "zone \"u%u.bl.example\" {\n\tlike = \"bl.example\"\n\tthreshold = %u\n}\n", i,
		    i + 1);
	assert_false(all.cut);
	read_text(text);
	free(text);
	assert_int_equal(policy->zones, 1001);
	assert_int_equal(zone("u999.bl.example")->threshold, 1000);
	assert_int_equal(evidence_list_count(book), 1);
}

static void
the_shipped_configurations_are_good(void **state)
{
	(void)state;
	read_path("conf/tallyd.conf");
	assert_int_equal(zone("bl.tally.internal")->threshold, 4);
	assert_int_equal(config->listens, 1);
	assert_string_equal(config->listen[0].address, "127.0.0.2");
	read_path("conf/tallyd.conf.small");
	assert_int_equal(zone("bl.tally.internal")->lists, 2);
}

/* The rows of a table that set a member: are they the same in both? Strings by their first bytes.
 */
static void
assert_same_members(const struct option *row, const void *shown, const void *plain)
{
	for (; row->name != NULL; row++) {
		const void *a = (const char *)shown + row->offset,
			   *b = (const char *)plain + row->offset;

		if (row->offset != 0 && memcmp(a, b, sizeof(uint32_t)) != 0)
			fail_msg("%s: not the default", row->name);
	}
}

static void
assert_same_list(const struct policy_list *shown, const struct policy_list *plain)
{
	assert_same_members(option_list, shown, plain);
	assert_string_equal(shown->query, plain->query);
	assert_int_equal(shown->servers, plain->servers);
	assert_int_equal(shown->families, plain->families);
	assert_ptr_equal(shown->part_of, plain->part_of);
	assert_int_equal(shown->listed_count, plain->listed_count);
	for (size_t i = 0; i < plain->listed_count; i++)
		assert_memory_equal(&shown->listed[i], &plain->listed[i], sizeof plain->listed[i]);
	assert_int_equal(shown->errors_count, plain->errors_count);
	for (size_t i = 0; i < plain->errors_count; i++) {
		assert_memory_equal(&shown->errors[i], &plain->errors[i], sizeof plain->errors[i]);
		assert_string_equal(shown->error_words[i], plain->error_words[i]);
	}
}

/*
 * tallyd.conf says that it shows every option at its default: then it must read like nothing.
 * tests/options holds the manual against it.
 */
static void
the_shipped_configuration_has_the_defaults(void **state)
{
	struct config *shipped;
	const struct policy_zone *shown;

	(void)state;
	read_path("conf/tallyd.conf");
	shipped = config;
	config = NULL;
	/* the threshold is the one option that it must show otherwise */
	read_text(
	    "zone \"bl.tally.internal\" {\n\tsites = {\"dnsbl.example\"}\n\tthreshold = 4\n}\n");
	assert_same_members(option_top, shipped, config);
	assert_int_equal(shipped->listens, config->listens);
	assert_string_equal(shipped->listen[0].address, config->listen[0].address);
	assert_int_equal(shipped->listen[0].port, config->listen[0].port);
	assert_memory_equal(shipped->allow, config->allow, sizeof config->allow);
	assert_int_equal(shipped->allows, config->allows);
	assert_string_equal(shipped->control, config->control);
	assert_string_equal(shipped->state_dir, config->state_dir);
	assert_int_equal(shipped->without_exceptions, config->without_exceptions);
	assert_int_equal(shipped->policy->deadline_ms, policy->deadline_ms);
	assert_int_equal(shipped->policy->max_stale, policy->max_stale);
	assert_int_equal(shipped->policy->forwards, policy->forwards);
	assert_int_equal(shipped->policy->log_verdicts, policy->log_verdicts);
	assert_int_equal(shipped->policy->hostmaster_length, 0);
	assert_same_list(policy_list_find(shipped->policy, "dnsbl.example"), list("dnsbl.example"));
	shown = policy_zone_find(shipped->policy, "bl.tally.internal");
	assert_same_members(option_zone, shown, zone("bl.tally.internal"));
	assert_string_equal(shown->text, zone("bl.tally.internal")->text);
	assert_int_equal(shown->grades, 1);
	assert_int_equal(shown->grade[0].address, zone("bl.tally.internal")->grade[0].address);
	assert_int_equal(shown->on_failure, zone("bl.tally.internal")->on_failure);
	config_close(shipped);
}

static void
the_configuration_of_the_demonstration_is_good(void **state)
{
	static char text[10000];
	FILE *file = fopen("conf/demo/tallyd.conf", "r");
	size_t length;
	char *state_dir;

	(void)state;
	assert_non_null(file);
	length = fread(text, 1, sizeof text - 1, file);
	(void)fclose(file);
	assert_true(length > 0 && length < sizeof text - 1);
	text[length] = '\0';
	while ((state_dir = strstr(text, "@STATE@")) != NULL)
		memcpy(state_dir, "/tmp   ", 7);
	read_text(text);
	assert_int_equal(zone("bl.demo.example")->lists, 3);
	assert_string_equal(list("spam.demo.example")->server[0].address, "127.0.0.1");
}

/* Every list of the catalogue that is not dead, with an answer that is listed and one refused. */
static void
the_catalogue_describes_its_lists(void **state)
{
	static const struct {
		const char *name, *listed, *refused;
	} of[] = {
	    {"zen.spamhaus.org", "127.0.0.10", "127.255.255.254"},
	    {"bl.spamcop.net", "127.0.0.2", "127.0.0.3"},
	    {"list.dnswl.org", "127.0.5.2", "127.0.0.255"},
	    {"bl.score.senderscore.com", "127.0.0.1", "127.255.255.255"},
	    {"bl.mailspike.net", "127.0.0.12", "127.0.0.13"},
	};
	char directory[300], text[800];

	(void)state;
	assert_non_null(getcwd(directory, sizeof directory));
	for (size_t i = 0; i < COUNT(of); i++) {
		(void)snprintf(text, sizeof text,
		    "include(\"%s/conf/lists.conf\")\nzone \"bl.example\" {\n\tsites = "
		    "{\"%s\"}\n}\n",
		    directory, of[i].name);
		read_text(text);
		assert_int_equal(worth(of[i].listed), 1);
		assert_int_equal(worth(of[i].refused), 99);
	}
}

static void
a_list_of_the_catalogue_that_would_lie_is_refused(void **state)
{
	static const struct {
		const char *told, *name, *why;
	} of[] = {
	    {"sites = ", "dnsbl.sorbs.net", "dead ("},
	    {"sites = ", "sorbs.net", "dead ("},
	    {"sites = ", "relays.ordb.org", "dead ("},
	    {"sites = ", "ix.dnsbl.manitu.net", "dead ("},
	    {"sites = ", "dul.ru", "dead ("},
	    {"sites = ", "dbl.spamhaus.org",
		"a list of domains"}, /* answers 127.0.1.255 for every address */
	    {"sites = ", "multi.surbl.org", "a list of domains"},
	    {"sites: ", "black.uribl.com", "below uribl.com, where domains are listed"},
	    {"sites: ", "a1B2c3.dbl.dq.spamhaus.net", "below dbl.dq.spamhaus.net, where domains"},
	    {"sites: ", "a1b2c3.zrd.dq.spamhaus.net", "below zrd.dq.spamhaus.net, where domains"},
	    {"sites: ", "u.multi.surbl.org", "below multi.surbl.org, where domains are listed"},
	};
	char directory[300], text[800];

	(void)state;
	assert_non_null(getcwd(directory, sizeof directory));
	for (size_t i = 0; i < COUNT(of); i++) {
		struct mistakes mistakes = {0};

		(void)snprintf(text, sizeof text,
		    "include(\"%s/conf/lists.conf\")\nzone \"bl.example\" {\n\tsites = "
		    "{\"%s\"}\n}\n",
		    directory, of[i].name);
		write_file("tallyd.conf", text);
		assert_null(config_read(files_path(&files, "tallyd.conf"), book, &mistakes));
		assert_int_equal(mistakes.count, 1);
		assert_non_null(strstr(mistakes.text, "tallyd.conf:3: "));
		assert_non_null(strstr(mistakes.text, of[i].told));
		assert_non_null(strstr(mistakes.text, of[i].why));
		mistakes_free(&mistakes);
	}
}

static bool
places_of(const char *text, struct config_places *places)
{
	struct mistakes mistakes = {0};
	bool good;

	memset(places, 0xaa, sizeof *places);
	if (text != NULL)
		write_file("tallyd.conf", text);
	good = config_places(
	    files_path(&files, text == NULL ? "none.conf" : "tallyd.conf"), places, &mistakes);
	assert_true(good == (mistakes.count == 0));
	mistakes_free(&mistakes);
	return good;
}

static void
forget_places(struct config_places *places)
{
	for (size_t i = 0; i < places->zones; i++)
		free(places->zone[i]);
	free(places->zone);
}

static void
the_places_are_read_from_a_half_edited_file_too(void **state)
{
	struct config_places places;

	(void)state;
	assert_true(
	    places_of("state-dir = \"/tmp/x\"\ncontrol = \"/tmp/c\"\nthreads = 99\ncolour = 1\n"
		      "zone \"BL.Example\" {\n\tsites = {\"x*\"}\n}\nzone \"a..b\" {\n}\n"
		      "zone \"u1.bl.example\" {\n\tthreshold = 0\n}\n",
		&places));
	assert_string_equal(places.state_dir, "/tmp/x");
	assert_string_equal(places.control, "/tmp/c");
	assert_int_equal(places.zones, 2);
	assert_string_equal(places.zone[0], "bl.example");
	assert_string_equal(places.zone[1], "u1.bl.example");
	forget_places(&places);
}

static void
places_that_are_not_given_or_wrong_are_the_defaults(void **state)
{
	static const char *const text[] = {
	    ZONE, "state-dir = \"relative\"\n" ZONE, "zone \"bl.example\" {\n", NULL};

	(void)state;
	for (size_t i = 0; i < COUNT(text); i++) {
		struct config_places places;

		assert_int_equal(places_of(text[i], &places), i == 0);
		assert_string_equal(places.state_dir, "/var/lib/tally");
		assert_int_equal(places.zones, i < 2);
		forget_places(&places);
	}
}

static void
starting_without_exceptions_is_asked_for(void **state)
{
	(void)state;
	read_text(ZONE);
	assert_false(config->without_exceptions);
	read_text("without-exceptions = true\n" ZONE);
	assert_true(config->without_exceptions);
	read_text("without-exceptions = no\n" ZONE);
	assert_false(config->without_exceptions);
}

static void
closing_no_configuration_is_allowed(void **state)
{
	(void)state;
	config_close(NULL);
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_FILES(the_least_configuration_has_the_defaults_of_the_interface),
	    WITH_FILES(an_address_on_two_ports_is_one_address_of_ns),
	    WITH_FILES(every_option_at_the_top_is_read),
	    WITH_FILES(every_word_of_an_option_is_taken),
	    WITH_FILES(a_hostmaster_may_have_dots_before_the_at_sign),
	    WITH_FILES(every_option_of_a_list_is_read),
	    WITH_FILES(the_tests_of_a_list_are_all_none_or_some),
	    WITH_FILES(a_list_that_nobody_describes_lists_all_but_two_kinds_of_answers),
	    WITH_FILES(a_list_with_other_errors_does_not_list_the_usual_ones),
	    WITH_FILES(a_list_with_other_answers_keeps_the_usual_errors),
	    WITH_FILES(an_error_code_may_be_explained),
	    WITH_FILES(the_usual_errors_are_explained),
	    WITH_FILES(every_option_of_a_zone_is_read),
	    WITH_FILES(threshold_and_grades_follow_from_each_other),
	    WITH_FILES(on_failure_has_three_kinds),
	    WITH_FILES(an_account_is_like_its_zone_where_it_does_not_differ),
	    WITH_FILES(an_account_with_grades_of_its_own_has_none_of_its_zone),
	    WITH_FILES(labels_that_no_address_has_may_be_accounts),
	    WITH_FILES(strings_may_be_quoted_in_every_way),
	    WITH_FILES(slashes_and_quotes_do_not_begin_comments_inside_words),
	    WITH_FILES(names_leave_room_for_an_ipv6_address_in_front),
	    WITH_FILES(one_word_may_come_without_braces),
	    WITH_FILES(lines_may_end_in_carriage_return_and_line_feed),
	    WITH_FILES(an_include_is_relative_to_the_file_that_names_it),
	    WITH_FILES(the_operators_section_goes_before_an_included_one_option_by_option),
	    WITH_FILES(of_two_included_sections_the_later_and_outer_goes_first),
	    WITH_FILES(a_dead_list_is_used_where_its_section_says_so),
	    WITH_FILES(lists_that_contain_one_another_are_told_by_a_warning_at_their_line),
	    WITH_FILES(an_allow_that_lets_nobody_in_is_a_warning),
	    WITH_FILES(what_is_hardly_meant_is_a_warning),
	    WITH_FILES(a_list_of_bad_senders_in_a_zone_of_trust_is_a_warning),
	    WITH_FILES(a_section_of_the_main_file_that_nothing_names_is_a_warning),
	    WITH_FILES(zones_are_found_by_the_names_of_questions),
	    WITH_FILES(a_list_keeps_its_number_when_the_file_is_read_again),
	    WITH_FILES(a_thousand_accounts_are_read),
	    WITH_FILES(the_shipped_configurations_are_good),
	    WITH_FILES(the_shipped_configuration_has_the_defaults),
	    WITH_FILES(the_configuration_of_the_demonstration_is_good),
	    WITH_FILES(the_catalogue_describes_its_lists),
	    WITH_FILES(a_list_of_the_catalogue_that_would_lie_is_refused),
	    WITH_FILES(the_places_are_read_from_a_half_edited_file_too),
	    WITH_FILES(places_that_are_not_given_or_wrong_are_the_defaults),
	    WITH_FILES(starting_without_exceptions_is_asked_for),
	    cmocka_unit_test(closing_no_configuration_is_allowed),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
