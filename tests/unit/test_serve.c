#include "resolver/serve.h"

#include "aggregate/compile.h"
#include "resolver/answer.h"
#include "tests/unit/decode.h"
#include "tests/unit/packet.h"
#include "tests/unit/zone.h"

#define NOW 1000u
#define WALL 1800000000u
#define ACCOUNT "u4711.bl.example"
#define SUBJECT "4.3.2.192.bl.example"

static const uint64_t key[2] = {0x13198a2e03707344u, 0x243f6a8885a308d3u};

static struct serve serve;
static struct stats stats;
static struct config config;
static struct exceptions *exceptions;
static struct view *view;
static struct policy_zone *zone, *account;
static struct packet packet;
static uint8_t reply[ANSWER_SIZE_MAX];
static size_t reply_length;
static struct decoded decoded;
static bool notes; /* is a reply noted when it is sent? */
static bool takes; /* does the shard take what is handed on? */
static unsigned handed_on, shard_told;
static struct miss miss;
static unsigned recursed;

static bool
on_hand_on(void *owner, unsigned shard, const struct miss *handed)
{
	assert_ptr_equal(owner, &handed_on);
	handed_on++;
	shard_told = shard;
	miss = *handed;
	return takes;
}

static bool
on_recurse(void *owner, const struct miss *handed)
{
	assert_ptr_equal(owner, &handed_on);
	recursed++;
	miss = *handed;
	return takes;
}

static void
on_noted(void *owner)
{
	assert_ptr_equal(owner, &handed_on);
}

static const uint64_t none_quarantined[VIEW_BITS];

static int
begin(void **state)
{
	struct policy *policy = policy_open();

	(void)state;
	memset(&serve, 0, sizeof serve);
	memset(&stats, 0, sizeof stats);
	memset(&config, 0, sizeof config);
	serve.book = evidence_book_open();
	serve.cache = cache_open(1, 4, key);
	if (policy == NULL || serve.book == NULL || serve.cache == NULL)
		return -1;
	config.policy = policy;
	zone = make_zone(policy, "bl.example");
	make_site(policy, zone, "a.example*2");
	make_site(policy, zone, "b.example*2");
	make_site(policy, zone, "white.example*-1");
	make_grade(zone, 2, 0x7f000002);
	make_grade(zone, 4, 0x7f000004);
	account = make_zone(policy, ACCOUNT);
	make_site(policy, account, "a.example");
	make_grade(account, 1, 0x7f000009);
	policy_list_find(policy, "b.example")->families = 1u << SUBJECT_IPV4;
	serve.stats = &stats;
	serve.hand_on = on_hand_on;
	serve.recurse = on_recurse;
	serve.owner = &handed_on;
	takes = notes = true;
	serve.refusals = refusals_open(on_noted, &handed_on);
	handed_on = recursed = 0;
	if (!prefix_parse("127.0.0.0/8", &config.allow[config.allows++]) ||
	    !prefix_parse("2001:db8:1::/48", &config.allow[config.allows++]) ||
	    !compile_policy(policy, serve.book))
		return -1;
	exceptions = exceptions_open();
	view = exceptions == NULL ? NULL : view_open(&config, exceptions, none_quarantined);
	serve.view = view;
	return view == NULL ? -1 : 0;
}

static int
end(void **state)
{
	(void)state;
	view_close(view);
	exceptions_close(exceptions);
	policy_close(config.policy);
	refusals_close(serve.refusals);
	cache_close(serve.cache);
	evidence_book_close(serve.book);
	return 0;
}

/* The length of the reply, or what else came of it. */
static int
serve_from(const char *peer, bool tcp)
{
	struct client client = {
	    .listener = &serve, .fd = tcp ? -1 : 17, .connection = 3, .generation = 9};
	struct subject from;
	const struct view_time time = {.now = NOW, .wall = WALL};
	uint8_t *bytes = packet_copy(&packet, packet.length);
	struct serve_asked asked;
	int served;

	assert_true(subject_parse(peer, &from));
	serve_read(&serve, &from, bytes, packet.length, &asked);
	serve_fetch(&serve, &asked);
	served = serve_answer(&serve, &asked, &client, time, reply);
	if (notes) {
		serve_recall(&serve, &asked);
		serve_note(&serve, &asked, time);
	}
	reply_length = served > 0 ? (size_t)served : 0;
	if (served > 0 && !decode(&decoded, reply, reply_length))
		fail_msg("the reply is wrong: %s", decoded.wrong);
	free(bytes);
	return served;
}

static void
ask(const char *name, unsigned type)
{
	packet_ask(&packet, 7, 0, name, type);
	assert_true(serve_from("127.0.0.1", false) > 0);
}

static unsigned
count_of(enum stats_counter counter)
{
	return (unsigned)stats.count[counter];
}

/* Evidence of the subject 192.2.3.4, good for `ttl` seconds; `addresses` NULL: `said`. */
static void
list_said(const char *list, const char *addresses, enum evidence_said said, uint32_t ttl)
{
	struct subject subject;
	unsigned number = policy_list_find(config.policy, list)->number;
	struct evidence evidence = {.said = (uint8_t)said, .expires = NOW + ttl};

	if (addresses != NULL) {
		struct answers answers = make_answers(addresses);

		evidence.said = evidence_intern(serve.book, number, &answers);
	}
	assert_true(subject_parse("192.2.3.4", &subject));
	cache_put(serve.cache, &subject, number, NOW, evidence);
}

static void
expect_rcode(enum wire_rcode rcode)
{
	assert_int_equal(decoded.rcode, rcode);
}

static void
expect_a(unsigned last, uint32_t ttl)
{
	const uint8_t octet[4] = {127, 0, 0, (uint8_t)last};

	expect_rcode(WIRE_NOERROR);
	assert_int_equal(decoded.answers, 1);
	assert_int_equal(decoded.answer[0].type, WIRE_A);
	assert_memory_equal(decoded.answer[0].address, octet, 4);
	assert_int_equal(decoded.answer[0].ttl, ttl);
}

static void
expect_clear(uint32_t ttl)
{
	expect_rcode(WIRE_NXDOMAIN);
	assert_int_equal(decoded.authorities, 1);
	assert_int_equal(decoded.authority[0].ttl, ttl);
	assert_int_equal(decoded.authority[0].number[4], ttl);
}

/* --- gates ------------------------------------------------------------------------------ */

static void
only_those_who_are_allowed_are_answered(void **state)
{
	static const char *const good[] = {
	    "127.0.0.1", "127.255.255.255", "::ffff:127.0.0.9", "2001:db8:1::1"};
	static const char *const bad[] = {
	    "126.255.255.255", "128.0.0.0", "192.0.2.1", "::1", "2001:db8:2::1", "::127.0.0.1"};

	(void)state;
	for (unsigned i = 0; i < COUNT(good); i++) {
		packet_ask(&packet, 7, 0, "bl.example", WIRE_SOA);
		assert_true(serve_from(good[i], false) > 0);
		expect_rcode(WIRE_NOERROR);
	}
	for (unsigned i = 0; i < COUNT(bad); i++) {
		packet_ask(&packet, 7, 0, SUBJECT, WIRE_A);
		packet_edns(&packet, 1232, 0, "");
		assert_true(serve_from(bad[i], i % 2 == 0) > 0);
		expect_rcode(WIRE_REFUSED);
		assert_int_equal(decoded.extended, 18); /* prohibited */
		assert_int_equal(decoded.flags & 0x0400, 0);
		assert_int_equal(decoded.answers + decoded.authorities, 0);
	}
	assert_int_equal(handed_on, 0);
	assert_int_equal(count_of(STATS_REFUSED), COUNT(bad));
}

static void
a_stranger_is_refused_whatever_he_sends(void **state)
{
	static const char *const lines[] = {"0007 0000 0000 0000 0000 0000",
	    "0007 0000 0001 0000 0000 0000 @bl.example 0006 0001 00",
	    "0007 2000 0000 0000 0000 0000",
	    "0007 0000 0001 0000 0000 0000 @version.bind 0010 0003",
	    "0007 0000 0001 0000 0000 0001 @bl.example 0006 0001 00 0029 04d0 00010000 0000"};

	(void)state;
	for (unsigned i = 0; i < COUNT(lines); i++) {
		packet_make(&packet, lines[i]);
		assert_true(serve_from("192.0.2.1", false) > 0);
		expect_rcode(WIRE_REFUSED);
		assert_true(reply_length <= packet.length + 11);
	}
	packet_ask(&packet, 7, 0x8000, "bl.example", WIRE_SOA);
	assert_int_equal(serve_from("192.0.2.1", false), SERVED_NOTHING);
}

static void
what_deserves_no_reply_gets_none(void **state)
{
	(void)state;
	packet_ask(&packet, 7, 0x8000, "bl.example", WIRE_SOA);
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_NOTHING);
	packet.length = 11;
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_NOTHING);
	packet.length = 0;
	assert_int_equal(serve_from("127.0.0.1", true), SERVED_NOTHING);
	assert_int_equal(count_of(STATS_DROPPED), 3);
}

static void
errors_and_names_of_the_zone_need_no_evidence(void **state)
{
	(void)state;
	ask("bl.example", WIRE_SOA);
	expect_rcode(WIRE_NOERROR);
	ask("2.192.bl.example", WIRE_A);
	expect_rcode(WIRE_NOERROR);
	ask("www.bl.example", WIRE_A);
	expect_clear(60);
	assert_int_equal(count_of(STATS_CLEAR), 3);
	ask("www.example", WIRE_A);
	expect_rcode(WIRE_REFUSED);
	ask("bl.example", WIRE_AXFR);
	expect_rcode(WIRE_REFUSED);
	assert_int_equal(count_of(STATS_REFUSED), 2);
	packet_make(&packet, "0007 0000 0000 0000 0000 0000");
	assert_true(serve_from("127.0.0.1", false) > 0);
	expect_rcode(WIRE_FORMERR);
	assert_int_equal(count_of(STATS_FORMERR), 1);
	packet_make(&packet, "0007 1000 0000 0000 0000 0000");
	assert_true(serve_from("127.0.0.1", false) > 0);
	expect_rcode(WIRE_NOTIMP);
	assert_int_equal(count_of(STATS_NOTIMP), 1);
	assert_int_equal(count_of(STATS_HITS) + count_of(STATS_MISSES) + handed_on, 0);
}

static void
test_points_and_special_addresses_need_no_evidence(void **state)
{
	(void)state;
	ask("2.0.0.127.bl.example", WIRE_A);
	expect_a(2, 60);
	ask("2.0.0.127." ACCOUNT, WIRE_A);
	expect_a(9, 60);
	ask("2.0.0.127.bl.example", WIRE_TXT);
	assert_string_equal(decoded.answer[0].text, "127.0.0.2 is listed by test point");
	ask("1.0.0.127.bl.example", WIRE_A);
	expect_clear(60);
	ask("1.0.0.10.bl.example", WIRE_A);
	expect_clear(60);
	assert_int_equal(count_of(STATS_HITS) + count_of(STATS_MISSES) + handed_on, 0);
	assert_int_equal(count_of(STATS_LISTED), 3);
}

/* --- exceptions ------------------------------------------------------------------------- */

/* A new view, as after every change. */
static void
except(const char *name, const char *prefix, enum exception_action action, int32_t score)
{
	struct exception_entry entry = {.action = action, .score = score, .until = WALL + 30};

	(void)snprintf(entry.zone, sizeof entry.zone, "%s", name);
	assert_true(prefix_parse(prefix, &entry.prefix));
	assert_true(exceptions_apply(exceptions, &entry));
	view_close(view);
	view = view_open(&config, exceptions, none_quarantined);
	assert_non_null(view);
	serve.view = view;
}

static void
an_exception_decides_without_evidence(void **state)
{
	(void)state;
	except("", "192.2.0.0/16", EXCEPTION_BLOCK, 0);
	ask(SUBJECT, WIRE_A);
	expect_a(4, 30); /* the highest grade, until the exception ends */
	ask(SUBJECT, WIRE_TXT);
	assert_string_equal(decoded.answer[0].text, "192.2.3.4 is listed by local policy");
	except("bl.example", "192.2.3.4", EXCEPTION_ALLOW, 0);
	ask(SUBJECT, WIRE_A);
	expect_clear(30);
	assert_int_equal(handed_on, 0);
	assert_int_equal(count_of(STATS_EXCEPTED), 3);
	assert_int_equal(count_of(STATS_HITS) + count_of(STATS_MISSES), 0);
}

static void
no_exception_touches_a_test_point(void **state)
{
	(void)state;
	except("", "127.0.0.2", EXCEPTION_ALLOW, 0);
	except("", "127.0.0.1", EXCEPTION_BLOCK, 0);
	ask("2.0.0.127.bl.example", WIRE_A);
	expect_a(2, 60);
	ask("1.0.0.127.bl.example", WIRE_A);
	expect_clear(60);
	assert_int_equal(count_of(STATS_EXCEPTED), 0);
}

static void
a_score_exception_adds_to_what_the_lists_say(void **state)
{
	(void)state;
	except("", "192.2.3.4", EXCEPTION_SCORE, 9);
	ask(SUBJECT, WIRE_A); /* 9 and more: nobody needs to be asked */
	expect_a(4, 30);
	except("", "192.2.3.4", EXCEPTION_SCORE, 2);
	packet_ask(&packet, 7, 0, SUBJECT, WIRE_A);
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_LATER);
	list_said("a.example", "127.0.0.2", EVIDENCE_NONE, 50);
	list_said("b.example", NULL, EVIDENCE_CLEAR, 50);
	list_said("white.example", NULL, EVIDENCE_CLEAR, 50);
	ask(SUBJECT, WIRE_A);
	expect_a(4, 30);
	assert_int_equal(count_of(STATS_EXCEPTED), 3);
}

/* --- refusals --------------------------------------------------------------------------- */

static void
list_all(const char *a_says, uint32_t ttl)
{
	list_said("a.example", a_says, EVIDENCE_NONE, ttl);
	list_said("b.example", NULL, EVIDENCE_CLEAR, 50);
	list_said("white.example", NULL, EVIDENCE_CLEAR, 50);
}

static void
a_refusal_is_noted_once_when_its_reply_is_sent(void **state)
{
	struct casebook_entry entry;

	(void)state;
	list_all("127.0.0.2", 50);
	notes = false;
	ask(SUBJECT, WIRE_A);
	expect_a(2, 50);
	assert_false(refusals_take(serve.refusals, &entry));
	notes = true;
	ask(SUBJECT, WIRE_A);
	ask(SUBJECT, WIRE_TXT);
	assert_true(refusals_take(serve.refusals, &entry));
	assert_true(entry.refused);
	assert_int_equal(entry.score, 2);
	assert_string_equal(entry.zone, "bl.example");
	assert_non_null(strstr(entry.said, "a.example"));
	assert_false(refusals_take(serve.refusals, &entry));
	list_all("127.0.0.9", 50); /* another case */
	ask(SUBJECT, WIRE_A);
	assert_true(refusals_take(serve.refusals, &entry));
	except("", "192.2.3.4", EXCEPTION_ALLOW, 0);
	ask(SUBJECT, WIRE_A);
	assert_true(refusals_take(serve.refusals, &entry));
	assert_false(entry.refused);
	assert_non_null(strstr(entry.exception, "192.2.3.4"));
	assert_false(refusals_take(serve.refusals, &entry));
}

static void
what_is_known_otherwise_when_the_reply_is_sent_is_not_noted(void **state)
{
	const struct view_time time = {.now = NOW, .wall = WALL};
	const struct client client = {.listener = &serve, .fd = 17};
	struct casebook_entry entry;
	struct serve_asked asked;
	struct subject from;

	(void)state;
	list_all("127.0.0.2", 50);
	assert_true(subject_parse("127.0.0.1", &from));
	packet_ask(&packet, 7, 0, SUBJECT, WIRE_A);
	serve_read(&serve, &from, packet.byte, packet.length, &asked);
	serve_fetch(&serve, &asked);
	assert_true(serve_answer(&serve, &asked, &client, time, reply) > 0);
	list_said("a.example", NULL, EVIDENCE_CLEAR, 50);
	serve_note(&serve, &asked, time);
	assert_false(refusals_take(serve.refusals, &entry));
}

/* --- at a glance ------------------------------------------------------------------------ */

/* Something that each list said at some time, or nothing. */
static void
say_by_chance(struct chance *chance, const struct subject *subject)
{
	static const char *const lists[] = {"a.example", "b.example", "white.example"};

	cache_drop(serve.cache, subject);
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct answers answers = make_answers("127.0.0.2");
		unsigned number = policy_list_find(config.policy, lists[i])->number;
		uint32_t put = NOW - chance_below(chance, 200);
		struct evidence evidence = {.said = EVIDENCE_CLEAR, .expires = NOW + 1};

		evidence.expires += chance_below(chance, 2) ? chance_below(chance, 150) : 500;
		switch (chance_below(chance, 24)) {
		case 0:
			continue;
		case 1:
			evidence.said = EVIDENCE_TIMEOUT;
			break;
		case 2:
			evidence.said = evidence_intern(serve.book, number, &answers);
			break;
		default:
			break;
		}
		cache_put(serve.cache, subject, number, put, evidence);
	}
}

/* Expect the verdict that weighing comes to. */
static void
expect_weighed(const struct subject *subject)
{
	const struct view_time time = {.now = NOW, .wall = WALL};
	struct evidence evidence[EVIDENCE_LISTS_MAX] = {0};
	struct verdict verdict;
	unsigned told = handed_on;

	cache_find(serve.cache, subject, zone->numbers, NOW, evidence);
	view_weigh(view, zone, subject, NULL, serve.book, evidence, time, &verdict);
	packet_ask(&packet, 7, 0, SUBJECT, WIRE_A);
	memset(serve.refreshed, 0, sizeof serve.refreshed);
	if (verdict.state == VERDICT_OPEN && !view_has_all(view, zone, subject, evidence)) {
		assert_int_equal(serve_from("127.0.0.1", false), SERVED_LATER);
		return;
	}
	verdict_close(zone, &verdict);
	assert_true(serve_from("127.0.0.1", false) > 0);
	if (verdict.state == VERDICT_CLEAR)
		expect_clear(verdict.ttl);
	else
		expect_a(verdict.address & 255, verdict.ttl);
	assert_int_equal(handed_on - told, verdict.left <= LOOKUP_AHEAD);
}

static void
a_glance_comes_to_the_same_as_weighing(void **state)
{
	struct chance chance = {4711};
	uint64_t quarantined[VIEW_BITS] = {0};
	struct subject subject;

	(void)state;
	assert_true(subject_parse("192.2.3.4", &subject));
	for (unsigned round = 0; round < 40000; round++) {
		if (round == 20000) {
			bits_set(quarantined, policy_list_find(config.policy, "b.example")->number);
			view_close(view);
			view = view_open(&config, exceptions, quarantined);
			assert_non_null(view);
			serve.view = view;
		}
		zone->negative_ttl = 1 + chance_below(&chance, 90);
		say_by_chance(&chance, &subject);
		expect_weighed(&subject);
	}
	/* what is counted is the same, too */
	assert_int_equal(count_of(STATS_HITS) + count_of(STATS_MISSES), 40000);
	assert_int_equal(count_of(STATS_WANTED), 3 * 40000);
	assert_int_equal(count_of(STATS_HITS),
	    count_of(STATS_CLEAR) + count_of(STATS_LISTED) + count_of(STATS_SERVFAIL));
}

/* Nobody is asked about them, but they may have been kept from a run of another program. */
static void
evidence_on_test_points_and_special_addresses_counts_for_nothing(void **state)
{
	static const char *const subjects[] = {"127.0.0.2", "10.0.0.1"};
	const struct evidence clear = {.said = EVIDENCE_CLEAR, .expires = NOW + 500};

	(void)state;
	for (size_t i = 0; i < COUNT(subjects); i++) {
		struct subject subject;

		assert_true(subject_parse(subjects[i], &subject));
		for (unsigned number = 0; number < zone->numbers; number++)
			cache_put(serve.cache, &subject, number, NOW, clear);
	}
	ask("2.0.0.127.bl.example", WIRE_A);
	expect_a(2, 60);
	ask("1.0.0.10.bl.example", WIRE_A);
	expect_clear(60);
	assert_int_equal(count_of(STATS_HITS), 0);
}

static void
a_score_against_the_subject_counts_where_all_lists_are_clear(void **state)
{
	(void)state;
	list_said("a.example", NULL, EVIDENCE_CLEAR, 5000);
	list_said("b.example", NULL, EVIDENCE_CLEAR, 5000);
	list_said("white.example", NULL, EVIDENCE_CLEAR, 5000);
	ask(SUBJECT, WIRE_A);
	expect_clear(60);
	except("", "192.2.3.0/24", EXCEPTION_SCORE, 2);
	ask(SUBJECT, WIRE_A);
	expect_a(2, 30);
	except("", "192.2.3.4", EXCEPTION_BLOCK, 0);
	ask(SUBJECT, WIRE_A);
	expect_a(4, 30);
	except("", "192.2.3.4", EXCEPTION_ALLOW, 0);
	ask(SUBJECT, WIRE_A);
	expect_clear(30);
}

/* --- quarantine ------------------------------------------------------------------------- */

static void
a_quarantined_list_is_absent(void **state)
{
	uint64_t quarantined[VIEW_BITS] = {0};
	unsigned number = policy_list_find(config.policy, "b.example")->number;

	(void)state;
	quarantined[number / 64] |= UINT64_C(1) << number % 64;
	view_close(view);
	view = view_open(&config, exceptions, quarantined);
	assert_non_null(view);
	serve.view = view;
	list_said("a.example", NULL, EVIDENCE_CLEAR, 50);
	list_said("b.example", "127.0.0.2", EVIDENCE_NONE, 50);
	ask(SUBJECT, WIRE_A);
	expect_clear(50);
	list_said("a.example", NULL, EVIDENCE_TIMEOUT, 5);
	packet_ask(&packet, 7, 0, SUBJECT, WIRE_A);
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_LATER);
	list_said("white.example", NULL, EVIDENCE_TIMEOUT, 5);
	ask(SUBJECT, WIRE_A); /* b.example is not waited for */
	expect_clear(5);
	assert_int_equal(handed_on, 1);
}

/* --- evidence --------------------------------------------------------------------------- */

static void
a_subject_of_which_nothing_is_known_is_handed_on(void **state)
{
	struct subject subject;

	(void)state;
	for (unsigned i = 1; i < 30; i++) {
		char name[60], address[30];

		(void)snprintf(name, sizeof name, "%u.3.2.192.Bl.Example", i);
		(void)snprintf(address, sizeof address, "192.2.3.%u", i);
		assert_true(subject_parse(address, &subject));
		packet_ask(&packet, 0x1234, 0x0100, name, WIRE_TXT);
		packet_edns(&packet, 600, 0x8000, "");
		assert_int_equal(serve_from("127.0.0.1", true), SERVED_LATER);
		assert_int_equal(handed_on, i);
		assert_int_equal(shard_told, cache_writer(serve.cache, &subject));
		assert_true(subject_equal(&miss.question.subject, &subject));
		assert_int_equal(miss.question.id, 0x1234);
		assert_true((miss.question.flags & WIRE_RD) != 0 && miss.question.edns);
		assert_true(miss.question.dnssec_ok);
		assert_int_equal(miss.question.udp_size, 600);
		assert_int_equal(miss.question.type, WIRE_TXT);
		assert_memory_equal(miss.name, packet.byte + 12, miss.question.name_length);
		assert_ptr_equal(miss.client.listener, &serve);
		assert_int_equal(miss.client.fd, -1);
		assert_int_equal(miss.client.connection, 3);
		assert_int_equal(miss.client.generation, 9);
	}
	assert_int_equal(count_of(STATS_MISSES), 29);
	assert_int_equal(count_of(STATS_HITS), 0);
}

static void
evidence_in_hand_answers_at_once(void **state)
{
	(void)state;
	list_said("a.example", "127.0.0.2", EVIDENCE_NONE, 50);
	list_said("b.example", NULL, EVIDENCE_CLEAR, 20);
	list_said("white.example", NULL, EVIDENCE_CLEAR, 30);
	ask(SUBJECT, WIRE_A);
	expect_a(2, 50);
	ask(SUBJECT, WIRE_TXT);
	assert_string_equal(decoded.answer[0].text, "192.2.3.4 is listed by a.example");
	assert_int_equal(decoded.answer[0].ttl, 50);
	ask(SUBJECT, WIRE_ANY);
	assert_int_equal(decoded.answers, 2);
	assert_int_equal(count_of(STATS_HITS), 3);
	assert_int_equal(count_of(STATS_LISTED), 3);
	assert_int_equal(handed_on, 0);
}

static void
a_text_of_200_bytes_is_whole(void **state)
{
	(void)state;
	memset(zone->text, 'x', 250);
	zone->text[250] = '\0';
	list_said("a.example", "127.0.0.2", EVIDENCE_NONE, 50);
	list_said("b.example", NULL, EVIDENCE_CLEAR, 20);
	list_said("white.example", NULL, EVIDENCE_CLEAR, 30);
	ask(SUBJECT, WIRE_TXT);
	assert_int_equal(strlen(decoded.answer[0].text), VERDICT_TEXT_MAX);
}

/* How many questions the cache has saved is told from this. */
static void
what_a_question_wants_to_know_is_counted(void **state)
{
	(void)state;
	packet_ask(&packet, 7, 0, SUBJECT, WIRE_A);
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_LATER);
	assert_int_equal(count_of(STATS_WANTED), 3);
	packet_ask(&packet, 7, 0, "4.3.2.192." ACCOUNT, WIRE_A);
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_LATER);
	assert_int_equal(count_of(STATS_WANTED), 4);
	ask("2.0.0.127.bl.example", WIRE_A);
	assert_int_equal(count_of(STATS_WANTED), 4);
}

static void
zones_share_the_evidence(void **state)
{
	(void)state;
	list_said("a.example", "127.0.0.2", EVIDENCE_NONE, 50);
	ask("4.3.2.192." ACCOUNT, WIRE_A);
	expect_a(9, 50);
	packet_ask(&packet, 7, 0, SUBJECT, WIRE_A);
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_LATER);
}

static void
enough_evidence_answers_without_the_rest(void **state)
{
	(void)state;
	list_said("a.example", NULL, EVIDENCE_CLEAR, 50);
	list_said("b.example", NULL, EVIDENCE_CLEAR, 20);
	ask(SUBJECT, WIRE_A); /* white.example could only lower it */
	expect_clear(20);
	assert_int_equal(handed_on, 0);
}

static void
evidence_that_has_expired_is_none(void **state)
{
	(void)state;
	list_said("a.example", "127.0.0.2", EVIDENCE_NONE, 0);
	packet_ask(&packet, 7, 0, "4.3.2.192." ACCOUNT, WIRE_A);
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_LATER);
}

static void
fail_all(uint32_t ttl)
{
	list_said("a.example", NULL, EVIDENCE_TIMEOUT, ttl);
	list_said("b.example", NULL, EVIDENCE_FAILED, ttl);
	list_said("white.example", NULL, EVIDENCE_FOREIGN, ttl);
}

/* Nothing more would come from asking again: on-failure says what to answer. */
static void
evidence_that_is_complete_but_unknown_is_closed_at_once(void **state)
{
	(void)state;
	fail_all(4);
	ask(SUBJECT, WIRE_A);
	expect_clear(5);
	zone->on_failure = POLICY_DEFER;
	ask(SUBJECT, WIRE_A);
	expect_rcode(WIRE_SERVFAIL);
	zone->on_failure = POLICY_ANSWER;
	zone->failure_address = 0x7f0000fe;
	ask(SUBJECT, WIRE_A);
	expect_a(254, 5);
	ask(SUBJECT, WIRE_TXT);
	assert_string_equal(decoded.answer[0].text,
	    "192.2.3.4 cannot be checked now: no answer from a.example, b.example, white.example");
	assert_int_equal(handed_on, 0);
	assert_int_equal(count_of(STATS_HITS), 4);
	assert_int_equal(count_of(STATS_CLEAR), 1);
	assert_int_equal(count_of(STATS_SERVFAIL), 1);
	assert_int_equal(count_of(STATS_LISTED), 2);
}

static void
evidence_that_is_unknown_but_not_complete_is_handed_on(void **state)
{
	(void)state;
	list_said("a.example", NULL, EVIDENCE_TIMEOUT, 4);
	list_said("b.example", NULL, EVIDENCE_FAILED, 4);
	packet_ask(&packet, 7, 0, SUBJECT, WIRE_A);
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_LATER);
	assert_int_equal(handed_on, 1);
	assert_int_equal(count_of(STATS_MISSES), 1);
}

static void
overload_becomes_what_on_failure_says(void **state)
{
	(void)state;
	takes = false;
	list_said("a.example", "127.0.0.2", EVIDENCE_NONE, 50);
	ask(SUBJECT, WIRE_A); /* 1..4 with b and white unknown */
	expect_a(2, 5);
	zone->on_failure = POLICY_DEFER;
	ask(SUBJECT, WIRE_A);
	expect_rcode(WIRE_SERVFAIL);
	zone->on_failure = POLICY_ANSWER;
	zone->failure_address = 0x7f0000fe;
	ask(SUBJECT, WIRE_A);
	expect_a(254, 5);
	assert_int_equal(handed_on, 3);
	assert_int_equal(count_of(STATS_MISSES), 3);
	assert_int_equal(count_of(STATS_HITS), 0);
}

static void
a_list_of_another_family_is_not_waited_for(void **state)
{
	struct subject subject;
	struct evidence clear = {.said = EVIDENCE_CLEAR, .expires = NOW + 40};
	char name[100] = "";

	(void)state;
	for (unsigned i = 0; i < 24; i++)
		memcpy(name + 2 * i, "0.", 3);
	memcpy(name + 48, "8.b.d.0.1.0.0.2.bl.example", sizeof "8.b.d.0.1.0.0.2.bl.example");
	packet_ask(&packet, 7, 0, name, WIRE_A);
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_LATER);
	subject = miss.question.subject;
	assert_int_equal(subject.family, SUBJECT_IPV6);
	cache_put(serve.cache, &subject, policy_list_find(config.policy, "a.example")->number, NOW,
	    clear);
	assert_true(serve_from("127.0.0.1", false) > 0);
	expect_clear(40); /* b.example has no IPv6, white.example can't list */
}

/* --- other names ------------------------------------------------------------------------ */

static void
other_names_go_to_the_recursor_where_there_is_one(void **state)
{
	(void)state;
	packet_ask(&packet, 7, 0x0100, "www.example.org", WIRE_AAAA);
	assert_true(serve_from("127.0.0.1", false) > 0);
	expect_rcode(WIRE_REFUSED);
	assert_int_equal(decoded.flags & 0x0080, 0);
	config.policy->recursion = true;
	assert_int_equal(serve_from("127.0.0.1", false), SERVED_LATER);
	assert_int_equal(recursed, 1);
	assert_int_equal(miss.question.about, QUESTION_ELSEWHERE);
	assert_memory_equal(miss.name, "\3www\7example\3org", 17);
	assert_int_equal(count_of(STATS_OTHER_ASKED), 1);
	assert_true(serve_from("192.0.2.1", false) > 0);
	expect_rcode(WIRE_REFUSED);
	assert_int_equal(decoded.flags & 0x0080, 0);
	packet_ask(&packet, 7, 0x0100, "bl.example", WIRE_SOA);
	assert_true(serve_from("127.0.0.1", false) > 0);
	assert_int_equal(decoded.flags, 0x8580);
	assert_int_equal(recursed, 1);
}

static void
a_recursor_that_takes_no_more_makes_it_servfail_at_once(void **state)
{
	(void)state;
	config.policy->recursion = true;
	takes = false;
	packet_ask(&packet, 7, 0x0110, "www.example.org", WIRE_A);
	assert_true(serve_from("127.0.0.1", false) > 0);
	expect_rcode(WIRE_SERVFAIL);
	assert_int_equal(decoded.flags, 0x8192);
	assert_int_equal(decoded.answers + decoded.authorities, 0);
	assert_int_equal(count_of(STATS_OTHER_FAILED), 1);
	assert_int_equal(count_of(STATS_SERVFAIL), 0);
}

/* --- size ------------------------------------------------------------------------------- */

static void
over_tcp_a_reply_is_whole(void **state)
{
	char name[254];

	(void)state;
	for (unsigned i = 0; i < 253; i++)
		name[i] = i % 64 == 63 ? '.' : 'h';
	name[253] = '\0';
	config.policy->hostmaster_length = name_to_wire(name, config.policy->hostmaster);
	/* 12 + 204 + 4 + 12 + 5 + 255 + 20 bytes */
	packet_make(&packet, "0007 0000 0001 0000 0000 0000 3f 63*61 3f 63*61 3f 63*61 "
			     "@bl.example 0001 0001");
	assert_true(serve_from("127.0.0.1", false) > 0);
	expect_rcode(WIRE_NXDOMAIN);
	assert_int_equal(decoded.flags & 0x0200, 0);
	packet_make(&packet, "0007 0000 0001 0000 0000 0000 3f 63*61 3f 63*61 3e 62*61 01 61 "
			     "@bl.example 0001 0001");
	assert_true(serve_from("127.0.0.1", false) > 0);
	assert_int_equal(decoded.flags & 0x0200, 0x0200);
	assert_true(serve_from("127.0.0.1", true) > 0);
	assert_int_equal(decoded.flags & 0x0200, 0);
	assert_int_equal(reply_length, 513);
}

#define WITH_SERVE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_SERVE(only_those_who_are_allowed_are_answered),
	    WITH_SERVE(a_stranger_is_refused_whatever_he_sends),
	    WITH_SERVE(what_deserves_no_reply_gets_none),
	    WITH_SERVE(errors_and_names_of_the_zone_need_no_evidence),
	    WITH_SERVE(test_points_and_special_addresses_need_no_evidence),
	    WITH_SERVE(an_exception_decides_without_evidence),
	    WITH_SERVE(no_exception_touches_a_test_point),
	    WITH_SERVE(a_score_exception_adds_to_what_the_lists_say),
	    WITH_SERVE(a_refusal_is_noted_once_when_its_reply_is_sent),
	    WITH_SERVE(what_is_known_otherwise_when_the_reply_is_sent_is_not_noted),
	    WITH_SERVE(a_glance_comes_to_the_same_as_weighing),
	    WITH_SERVE(evidence_on_test_points_and_special_addresses_counts_for_nothing),
	    WITH_SERVE(a_score_against_the_subject_counts_where_all_lists_are_clear),
	    WITH_SERVE(a_quarantined_list_is_absent),
	    WITH_SERVE(a_subject_of_which_nothing_is_known_is_handed_on),
	    WITH_SERVE(evidence_in_hand_answers_at_once),
	    WITH_SERVE(a_text_of_200_bytes_is_whole),
	    WITH_SERVE(what_a_question_wants_to_know_is_counted),
	    WITH_SERVE(zones_share_the_evidence),
	    WITH_SERVE(enough_evidence_answers_without_the_rest),
	    WITH_SERVE(evidence_that_has_expired_is_none),
	    WITH_SERVE(evidence_that_is_complete_but_unknown_is_closed_at_once),
	    WITH_SERVE(evidence_that_is_unknown_but_not_complete_is_handed_on),
	    WITH_SERVE(overload_becomes_what_on_failure_says),
	    WITH_SERVE(a_list_of_another_family_is_not_waited_for),
	    WITH_SERVE(other_names_go_to_the_recursor_where_there_is_one),
	    WITH_SERVE(a_recursor_that_takes_no_more_makes_it_servfail_at_once),
	    WITH_SERVE(over_tcp_a_reply_is_whole),
	};

	return cmocka_run_group_tests_name("serve", tests, NULL, NULL);
}
