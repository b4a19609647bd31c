#include "aggregate/exchange.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/excepting.h"

#define TAKEN_MAX 100

/* The entries that a line gave. */
struct taken {
	struct exception_entry entry[TAKEN_MAX];
	size_t count, stop_after; /* 0: never */
	char error[300];
};

static bool
take(void *context, const struct exception_entry *entry)
{
	struct taken *taken = context;

	assert_true(taken->count < TAKEN_MAX);
	taken->entry[taken->count++] = *entry;
	return taken->stop_after == 0 || taken->count < taken->stop_after;
}

static const struct exception_entry plain_given = {.action = EXCEPTION_BLOCK};

static bool
read_given(enum exchange_format format, const char *string, const struct exception_entry *given,
    struct taken *taken)
{
	/* on the heap's edge, so that a sanitizer sees a read too far */
	char *line = strdup(string);
	struct text error;
	bool good;

	memset(taken, 0, sizeof *taken);
	text_init(&error, taken->error, sizeof taken->error);
	good = exchange_read(format, line, given, take, taken, &error);
	free(line);
	return good;
}

static void
read_good(enum exchange_format format, const char *string, struct taken *taken)
{
	if (!read_given(format, string, &plain_given, taken) || taken->error[0] != '\0')
		fail_msg("\"%s\": %s", string, taken->error);
}

static void
read_one(enum exchange_format format, const char *string, const char *prefix,
    enum exception_action action, const char *reason)
{
	struct taken taken;
	struct prefix wanted = make_prefix(prefix);

	read_good(format, string, &taken);
	if (taken.count != 1)
		fail_msg("\"%s\": %zu entries", string, taken.count);
	if (!same_prefix(&taken.entry[0].prefix, &wanted) || taken.entry[0].action != action ||
	    strcmp(taken.entry[0].reason, reason) != 0)
		fail_msg("\"%s\": /%u %s \"%s\"", string, taken.entry[0].prefix.length,
		    exception_word(taken.entry[0].action), taken.entry[0].reason);
}

static const char *
print(enum exchange_format format, const struct exception_entry *entry)
{
	static char line[EXCHANGE_LINE_MAX];
	struct text text;

	text_init(&text, line, sizeof line);
	exchange_print(format, entry, &text);
	assert_false(text.cut);
	return line;
}

static void
formats_have_their_names(void **state)
{
	static const char *const names[] = {"tally", "plain", "cidr", "rbldnsd"};
	static const char *const others[] = {"", "Tally", "tally ", "csv", "ip4set"};
	enum exchange_format format;

	(void)state;
	for (unsigned i = 0; i < COUNT(names); i++) {
		assert_true(exchange_format_parse(names[i], &format));
		assert_int_equal(format, i);
	}
	for (unsigned i = 0; i < COUNT(others); i++)
		assert_false(exchange_format_parse(others[i], &format));
}

static void
empty_lines_and_comments_are_nothing_in_all_formats(void **state)
{
	static const char *const lines[] = {
	    "", " ", "\t\t ", "\r", "#", "# a comment", "  # one", "#192.0.2.1", "\t#x"};

	(void)state;
	for (unsigned format = EXCHANGE_TALLY; format <= EXCHANGE_RBLDNSD; format++)
		for (size_t i = 0; i < COUNT(lines); i++) {
			struct taken taken;

			read_good((enum exchange_format)format, lines[i], &taken);
			assert_int_equal(taken.count, 0);
		}
}

static void
what_a_line_does_not_say_is_given(void **state)
{
	struct exception_entry given = {.zone = "bl.example",
	    .action = EXCEPTION_ALLOW,
	    .until = 2000000000,
	    .added = 1000000000,
	    .author = "somebody",
	    .reason = "all of them"};
	static const char *const lines[] = {"192.0.2.1", "192.0.2.1", "192.0.2.1 OK", "192.0.2.1"};

	(void)state;
	for (unsigned format = EXCHANGE_TALLY; format <= EXCHANGE_RBLDNSD; format++) {
		struct exception_entry wanted = given;
		struct taken taken;

		wanted.prefix = make_prefix("192.0.2.1");
		assert_true(
		    read_given((enum exchange_format)format, lines[format], &given, &taken));
		assert_int_equal(taken.count, 1);
		if (!same_entry(&taken.entry[0], &wanted))
			fail_msg("format %u", format);
	}
}

static void
a_tally_line_says_everything(void **state)
{
	struct taken taken;
	const struct exception_entry *entry = &taken.entry[0];

	(void)state;
	read_good(EXCHANGE_TALLY,
	    "  score\t2001:db8::/32 -7  reason=\"a \\\"b\\\" \\\\ c=d # e\" zone=BL.Example. "
	    "by=somebody until=2027-01-31 added=2026-01-02T03:04:05Z # the end\r",
	    &taken);
	assert_int_equal(taken.count, 1);
	assert_int_equal(entry->action, EXCEPTION_SCORE);
	assert_int_equal(entry->score, -7);
	assert_int_equal(entry->prefix.length, 32);
	assert_string_equal(entry->zone, "bl.example");
	assert_string_equal(entry->author, "somebody");
	assert_string_equal(entry->reason, "a \"b\" \\ c=d # e");
	assert_int_equal(entry->until, 1801353600);
	assert_int_equal(entry->added, 1767323045);
	read_one(EXCHANGE_TALLY, "allow 192.0.2.1", "192.0.2.1", EXCEPTION_ALLOW, "");
	read_one(EXCHANGE_TALLY, "block ::/0", "::/0", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_TALLY, "192.0.2.1 reason=x", "192.0.2.1", EXCEPTION_BLOCK, "x");
	read_one(EXCHANGE_TALLY, "192.0.2.1 reason=\"\"", "192.0.2.1", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_TALLY, "allow ::ffff:192.0.2.1", "192.0.2.1", EXCEPTION_ALLOW, "");
	read_one(EXCHANGE_TALLY, "192.0.2.1 reason=\x1b[1m", "192.0.2.1", EXCEPTION_BLOCK, "?[1m");
}

static void
scores_reach_from_end_to_end(void **state)
{
	static const struct {
		const char *string;
		int32_t score;
	} good[] = {{"0", 0}, {"-0", 0}, {"1", 1}, {"+1", 1}, {"-1", -1}, {"10000", 10000},
	    {"-10000", -10000}};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct taken taken;
		char line[60];

		(void)snprintf(line, sizeof line, "score 192.0.2.1 %s", good[i].string);
		read_good(EXCHANGE_TALLY, line, &taken);
		assert_int_equal(taken.entry[0].score, good[i].score);
	}
}

static void
the_other_formats_mean_what_their_programs_mean(void **state)
{
	(void)state;
	read_one(EXCHANGE_PLAIN, " 192.0.2.0/24 # why", "192.0.2.0/24", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_PLAIN, "2001:db8::1\r", "2001:db8::1", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_CIDR, "192.0.2.0/24 REJECT go away", "192.0.2.0/24", EXCEPTION_BLOCK,
	    "go away");
	read_one(EXCHANGE_CIDR, "192.0.2.1 ok", "192.0.2.1", EXCEPTION_ALLOW, "");
	read_one(EXCHANGE_CIDR, "192.0.2.1\tPermit\t\tsome words", "192.0.2.1", EXCEPTION_ALLOW,
	    "some words");
	read_one(EXCHANGE_CIDR, "192.0.2.1 DUNNO", "192.0.2.1", EXCEPTION_SCORE, "");
	read_one(EXCHANGE_CIDR, "2001:db8::/32 550 5.7.1 no", "2001:db8::/32", EXCEPTION_BLOCK,
	    "5.7.1 no");
	read_one(EXCHANGE_CIDR, "192.0.2.1 450 later", "192.0.2.1", EXCEPTION_BLOCK, "later");
	read_one(EXCHANGE_RBLDNSD, "192.0.2.1", "192.0.2.1", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_RBLDNSD, "192.0.2", "192.0.2.0/24", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_RBLDNSD, "192.0", "192.0.0.0/16", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_RBLDNSD, "192/8", "192.0.0.0/8", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_RBLDNSD, "192.0.2.0/25 words", "192.0.2.0/25", EXCEPTION_BLOCK, "words");
	read_one(EXCHANGE_RBLDNSD, "192.0.2.1 :127.0.0.3:some words", "192.0.2.1", EXCEPTION_BLOCK,
	    "some words");
	read_one(EXCHANGE_RBLDNSD, "192.0.2.1 :3:x", "192.0.2.1", EXCEPTION_BLOCK, "x");
	read_one(EXCHANGE_RBLDNSD, "!192.0.2.1", "192.0.2.1", EXCEPTION_ALLOW, "");
	read_one(EXCHANGE_RBLDNSD, "!192.0.2", "192.0.2.0/24", EXCEPTION_ALLOW, "");
	read_one(EXCHANGE_RBLDNSD, "0.0.0.0/0", "0.0.0.0/0", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_RBLDNSD, "0.0.0.0-255.255.255.255", "0.0.0.0/0", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_RBLDNSD, "192.0.2.0-192.0.2", "192.0.2.0/24", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_RBLDNSD, "192.0.2.4-7", "192.0.2.4/30", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_RBLDNSD, "192.0.2.9-9", "192.0.2.9", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_RBLDNSD, "192.0.32-63", "192.0.32.0/19", EXCEPTION_BLOCK, "");
	read_one(EXCHANGE_RBLDNSD, "172.16-31 x", "172.16.0.0/12", EXCEPTION_BLOCK, "x");
	read_one(EXCHANGE_RBLDNSD, "127/24", "127.0.0.0/24", EXCEPTION_BLOCK, "");
}

static void
settings_of_rbldnsd_are_skipped(void **state)
{
	static const char *const lines[] = {"$SOA 60 ns.example. x.example. 1 2 3 4 5", "$TTL 300",
	    ":127.0.0.2:text", "$NS 60 ns.example"};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct taken taken;

		read_good(EXCHANGE_RBLDNSD, lines[i], &taken);
		assert_int_equal(taken.count, 0);
	}
}

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define X200 X50 X50 X50 X50

static void
a_line_that_cannot_be_read_is_an_error_and_no_entry(void **state)
{
	static const struct {
		enum exchange_format format;
		const char *line;
	} bad[] = {
	    {EXCHANGE_TALLY, "allow"},
	    {EXCHANGE_TALLY, "permit 192.0.2.1"},
	    {EXCHANGE_TALLY, "forget 192.0.2.1"},
	    {EXCHANGE_TALLY, "ALLOW 192.0.2.1"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1/24"},
	    {EXCHANGE_TALLY, "allow 192.0.2.0/33"},
	    {EXCHANGE_TALLY, "allow 192.0.2"},
	    {EXCHANGE_TALLY, "allow 2001:db8::1/64"},
	    {EXCHANGE_TALLY, "allow 2001:db8::/129"},
	    {EXCHANGE_TALLY, "allow example.org"},
	    {EXCHANGE_TALLY, "score 192.0.2.1"},
	    {EXCHANGE_TALLY, "score 192.0.2.1 x"},
	    {EXCHANGE_TALLY, "score 192.0.2.1 10001"},
	    {EXCHANGE_TALLY, "score 192.0.2.1 -10001"},
	    {EXCHANGE_TALLY, "score 192.0.2.1 --1"},
	    {EXCHANGE_TALLY, "score 192.0.2.1 1.5"},
	    {EXCHANGE_TALLY, "score 192.0.2.1 -"},
	    {EXCHANGE_TALLY, "score 192.0.2.1 reason=x"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 words"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 =x"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 colour=red"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 Reason=x"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 reason"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 reason =x"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 reason=\"open"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 reason=\"open\\\""},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 reason=\"open\\"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 zone=a..b"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 until=soon"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 until=2027-02-30"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 until="},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 added=0"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 reason=" X200 "x"},
	    {EXCHANGE_TALLY, "allow 192.0.2.1 by=" X50 X10 "xxxx"},
	    {EXCHANGE_PLAIN, "nonsense"},
	    {EXCHANGE_PLAIN, "192.0.2.1/24"},
	    {EXCHANGE_PLAIN, "192.0.2"},
	    {EXCHANGE_PLAIN, "192.0.2.1 192.0.2.2"},
	    {EXCHANGE_PLAIN, "192.0.2.1,192.0.2.2"},
	    {EXCHANGE_PLAIN, "!192.0.2.1"},
	    {EXCHANGE_PLAIN, "allow 192.0.2.1"},
	    {EXCHANGE_CIDR, "192.0.2.1"},
	    {EXCHANGE_CIDR, "192.0.2.1/24 REJECT"},
	    {EXCHANGE_CIDR, "if 192.0.2.0/24"},
	    {EXCHANGE_CIDR, "endif"},
	    {EXCHANGE_CIDR, "!192.0.2.0/24 REJECT"},
	    {EXCHANGE_CIDR, "192.0.2.1 REJECT " X200 "x"},
	    {EXCHANGE_CIDR, "192.0.2.1 OKAY"},
	    {EXCHANGE_CIDR, "192.0.2.1 PREPEND X-Customer: yes"},
	    {EXCHANGE_CIDR, "192.0.2.1 550"},
	    {EXCHANGE_CIDR, "192.0.2.1 550 \t"},
	    {EXCHANGE_CIDR, "192.0.2.1 5500 text"},
	    {EXCHANGE_CIDR, "192.0.2.1 1764000000"},
	    {EXCHANGE_RBLDNSD, "!"},
	    {EXCHANGE_RBLDNSD, "!!192.0.2.1"},
	    {EXCHANGE_RBLDNSD, "256.0.0.1"},
	    {EXCHANGE_RBLDNSD, "1.2.3.4.5"},
	    {EXCHANGE_RBLDNSD, "1.2.3."},
	    {EXCHANGE_RBLDNSD, ".1"},
	    {EXCHANGE_RBLDNSD, "1..2"},
	    {EXCHANGE_RBLDNSD, "192.0.2.1/24"},
	    {EXCHANGE_RBLDNSD, "192.0.2.0/33"},
	    {EXCHANGE_RBLDNSD, "192.0.2.0/"},
	    {EXCHANGE_RBLDNSD, "192.0.2.0/x"},
	    {EXCHANGE_RBLDNSD, "1.0.0.0/0"},
	    {EXCHANGE_RBLDNSD, "192.0.2.9-192.0.2.1"},
	    {EXCHANGE_RBLDNSD, "192.0.2.1-"},
	    {EXCHANGE_RBLDNSD, "-192.0.2.1"},
	    {EXCHANGE_RBLDNSD, "192.0.2.1-192.0.2.9-192.0.2.10"},
	    {EXCHANGE_RBLDNSD, "192.0.2.0/24-192.0.3.0"},
	    {EXCHANGE_RBLDNSD, "2001:db8::1"},
	    {EXCHANGE_RBLDNSD, "192.0.2.1 :127.0.0.2:" X200 "x"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct taken taken;

		if (read_given(bad[i].format, bad[i].line, &plain_given, &taken))
			fail_msg("\"%s\" was taken", bad[i].line);
		if (taken.error[0] == '\0' || taken.count != 0)
			fail_msg("\"%s\": \"%s\", %zu", bad[i].line, taken.error, taken.count);
	}
}

static void
an_error_quotes_no_byte_that_a_terminal_obeys(void **state)
{
	struct taken taken;

	(void)state;
	assert_false(read_given(EXCHANGE_PLAIN, "\x1b[31m\x07\xff", &plain_given, &taken));
	for (const char *c = taken.error; *c != '\0'; c++)
		assert_true(*c >= ' ' && *c <= '~');
}

static void
the_longest_texts_are_taken(void **state)
{
	struct taken taken;

	(void)state;
	read_good(EXCHANGE_TALLY, "allow 192.0.2.1 by=" X50 X10 "xxx reason=" X200, &taken);
	assert_int_equal(strlen(taken.entry[0].reason), EXCEPTION_REASON_MAX);
	assert_int_equal(strlen(taken.entry[0].author), EXCEPTION_AUTHOR_MAX);
	read_good(EXCHANGE_CIDR, "192.0.2.1 REJECT " X200, &taken);
	assert_int_equal(strlen(taken.entry[0].reason), EXCEPTION_REASON_MAX);
}

static void
a_stop_by_the_taker_is_no_error_of_the_line(void **state)
{
	struct taken taken = {0};
	char line[] = "1.0.0.1-1.0.0.14", error_text[100];
	struct text error;

	(void)state;
	taken.stop_after = 2;
	text_init(&error, error_text, sizeof error_text);
	assert_false(exchange_read(EXCHANGE_RBLDNSD, line, &plain_given, take, &taken, &error));
	assert_int_equal(taken.count, 2);
	assert_int_equal(error.length, 0);
}

/* Count every address of the prefixes: each of first..last once, no other. */
static void
check_range(uint32_t first, uint32_t last)
{
	static uint8_t hits[4096];
	uint32_t base = first & ~UINT32_C(2047);
	char line[60];
	struct taken taken;

	memset(hits, 0, sizeof hits);
	(void)snprintf(line, sizeof line, "%u.%u.%u.%u-%u.%u.%u.%u", first >> 24, first >> 16 & 255,
	    first >> 8 & 255, first & 255, last >> 24, last >> 16 & 255, last >> 8 & 255,
	    last & 255);
	read_good(EXCHANGE_RBLDNSD, line, &taken);
	for (size_t i = 0; i < taken.count; i++) {
		const uint8_t *octet = taken.entry[i].prefix.base.octet;
		uint32_t at = (uint32_t)octet[0] << 24 | (uint32_t)octet[1] << 16 |
			      (uint32_t)octet[2] << 8 | octet[3];
		unsigned length = taken.entry[i].prefix.length;

		assert_int_equal(taken.entry[i].prefix.base.family, SUBJECT_IPV4);
		assert_in_range(length, 20, 32);
		assert_int_equal(at & (uint32_t)((UINT64_C(1) << (32 - length)) - 1), 0);
		for (uint32_t j = 0; j < UINT32_C(1) << (32 - length); j++) {
			assert_true(at - base + j < sizeof hits);
			hits[at - base + j]++;
		}
	}
	for (uint32_t i = 0; i < sizeof hits; i++) {
		bool within = base + i >= first && base + i <= last && base + i >= base;

		if (hits[i] != within)
			fail_msg("%s: %u is hit %u times", line, base + i, hits[i]);
	}
}

static void
a_range_becomes_prefixes_that_hold_each_address_once(void **state)
{
	struct chance chance = {5};

	(void)state;
	for (uint32_t first = 0; first < 40; first++)
		for (uint32_t last = first; last < 40; last++) {
			check_range(0xc0000200 + first, 0xc0000200 + last);
			check_range(first, last);
			check_range(0xffffffff - last, 0xffffffff - first);
		}
	for (unsigned i = 0; i < 5000; i++) {
		uint32_t first = 0x0a000000 + chance_below(&chance, 2048);

		check_range(first, first + chance_below(&chance, 2000));
	}
}

static void
a_range_is_cut_into_as_few_prefixes_as_can_be(void **state)
{
	struct taken taken;

	(void)state;
	read_good(EXCHANGE_RBLDNSD, "0.0.0.1-255.255.255.254", &taken);
	assert_int_equal(taken.count, 62);
	read_good(EXCHANGE_RBLDNSD, "128.0.0.0-255.255.255.255", &taken);
	assert_int_equal(taken.count, 1);
	read_good(EXCHANGE_RBLDNSD, "10.0.0.0-10.0.0.0", &taken);
	assert_int_equal(taken.count, 1);
	read_good(EXCHANGE_RBLDNSD, "10-11", &taken);
	assert_int_equal(taken.count, 1);
	assert_int_equal(taken.entry[0].prefix.length, 7);
}

static void
chance_text(struct chance *chance, char *text, size_t max)
{
	size_t length = chance_below(chance, (uint32_t)max + 1);

	for (size_t i = 0; i < length; i++)
		text[i] = (char)chance_from(chance, ' ', '~');
	text[length] = '\0';
}

static struct exception_entry
chance_entry(struct chance *chance)
{
	static const char *const zones[] = {"", "bl.example", "u1.bl.example"};
	struct exception_entry entry = {0};
	bool v6 = chance_below(chance, 2) == 0;
	unsigned bits = v6 ? 128 : 32;
	const char *zone = zones[chance_below(chance, COUNT(zones))];

	memcpy(entry.zone, zone, strlen(zone) + 1);
	entry.prefix.base.family = v6 ? SUBJECT_IPV6 : SUBJECT_IPV4;
	entry.prefix.length = chance_below(chance, bits + 1);
	for (unsigned i = 0; i < entry.prefix.length; i++)
		entry.prefix.base.octet[i / 8] |= (uint8_t)(chance_below(chance, 2) << (7 - i % 8));
	if (v6 && entry.prefix.length > 0)
		entry.prefix.base.octet[0] |= 0x80; /* not a mapped one */
	entry.action = (enum exception_action)chance_below(chance, 3);
	if (entry.action == EXCEPTION_SCORE)
		entry.score = chance_from(chance, -EXCEPTION_SCORE_MAX, EXCEPTION_SCORE_MAX);
	entry.until = chance_below(chance, 2) == 0 ? 0 : 1 + (uint32_t)chance_next(chance) / 2;
	entry.added = chance_below(chance, 2) == 0 ? 0 : 1 + (uint32_t)chance_next(chance) / 2;
	chance_text(chance, entry.author, EXCEPTION_AUTHOR_MAX);
	chance_text(chance, entry.reason, EXCEPTION_REASON_MAX);
	return entry;
}

static void
what_tally_prints_it_reads_again_whole(void **state)
{
	static const struct exception_entry nothing;
	struct chance chance = {6};

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct exception_entry entry = chance_entry(&chance);
		struct taken taken;
		const char *line = print(EXCHANGE_TALLY, &entry);

		if (!read_given(EXCHANGE_TALLY, line, &nothing, &taken))
			fail_msg("%s: %s", line, taken.error);
		assert_int_equal(taken.count, 1);
		if (!same_entry(&taken.entry[0], &entry))
			fail_msg("another entry: %s", line);
	}
}

static void
what_the_other_formats_print_they_read_again(void **state)
{
	struct chance chance = {7};

	(void)state;
	for (unsigned i = 0; i < 30000; i++) {
		enum exchange_format format = (enum exchange_format)(1 + i % 3);
		struct exception_entry entry = chance_entry(&chance);
		struct taken taken;
		const char *line;

		memset(entry.reason, 0, sizeof entry.reason);
		memcpy(entry.reason, "two words", sizeof "two words");
		line = print(format, &entry);
		if ((entry.action == EXCEPTION_SCORE &&
			(format != EXCHANGE_CIDR || entry.score != 0)) ||
		    (format == EXCHANGE_RBLDNSD && entry.prefix.base.family == SUBJECT_IPV6)) {
			assert_string_equal(line, "");
			continue;
		}
		read_good(format, line, &taken);
		assert_int_equal(taken.count, 1);
		if (!same_prefix(&taken.entry[0].prefix, &entry.prefix))
			fail_msg("another prefix: %s", line);
		if (format == EXCHANGE_PLAIN)
			continue;
		assert_int_equal(taken.entry[0].action, entry.action);
		if (format == EXCHANGE_CIDR || entry.action == EXCEPTION_BLOCK)
			assert_string_equal(taken.entry[0].reason, "two words");
	}
}

static void
lines_are_printed_as_the_manual_shows_them(void **state)
{
	struct exception_entry entry =
	    make_entry("bl.example", "192.0.2.1", EXCEPTION_SCORE, -3, 1);
	char printed[60];
	struct text text;
	struct prefix prefix = make_prefix("2001:db8::1");

	(void)state;
	entry.until = 1801353600;
	memcpy(entry.reason, "a \"b\"", sizeof "a \"b\"");
	assert_string_equal(print(EXCHANGE_TALLY, &entry),
	    "score 192.0.2.1 -3 zone=bl.example until=2027-01-31T00:00:00Z reason=\"a \\\"b\\\"\"");
	entry = make_entry("", "192.0.2.0/24", EXCEPTION_BLOCK, 0, 0);
	assert_string_equal(print(EXCHANGE_TALLY, &entry), "block 192.0.2.0/24");
	assert_string_equal(print(EXCHANGE_PLAIN, &entry), "192.0.2.0/24");
	memcpy(entry.reason, "why", sizeof "why");
	assert_string_equal(print(EXCHANGE_CIDR, &entry), "192.0.2.0/24 REJECT why");
	assert_string_equal(print(EXCHANGE_RBLDNSD, &entry), "192.0.2.0/24 :127.0.0.2:why");
	entry.action = EXCEPTION_ALLOW;
	assert_string_equal(print(EXCHANGE_CIDR, &entry), "192.0.2.0/24 OK why");
	assert_string_equal(print(EXCHANGE_RBLDNSD, &entry), "!192.0.2.0/24");
	text_init(&text, printed, sizeof printed);
	prefix_print(&prefix, &text);
	assert_string_equal(printed, "2001:db8::1");
}

static void
any_bytes_are_an_entry_or_an_error(void **state)
{
	static const char alphabet[] = "allowblckscore 192.0.2/24:=-\"\\!#$\tzonreasuti\xff\x01";
	struct chance chance = {8};

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		char line[80] = "";
		struct taken taken;
		size_t length = chance_below(&chance, 40);

		for (size_t j = 0; j < length; j++)
			line[j] = alphabet[chance_below(&chance, sizeof alphabet - 1)];
		if (i % 4 == 0)
			memcpy(line, "192.0.2.1 ", 10);
		if (!read_given((enum exchange_format)(i / 4 % 4), line, &plain_given, &taken))
			assert_true(taken.error[0] != '\0' && taken.count == 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(formats_have_their_names),
	    cmocka_unit_test(empty_lines_and_comments_are_nothing_in_all_formats),
	    cmocka_unit_test(what_a_line_does_not_say_is_given),
	    cmocka_unit_test(a_tally_line_says_everything),
	    cmocka_unit_test(scores_reach_from_end_to_end),
	    cmocka_unit_test(the_other_formats_mean_what_their_programs_mean),
	    cmocka_unit_test(settings_of_rbldnsd_are_skipped),
	    cmocka_unit_test(a_line_that_cannot_be_read_is_an_error_and_no_entry),
	    cmocka_unit_test(an_error_quotes_no_byte_that_a_terminal_obeys),
	    cmocka_unit_test(the_longest_texts_are_taken),
	    cmocka_unit_test(a_stop_by_the_taker_is_no_error_of_the_line),
	    cmocka_unit_test(a_range_becomes_prefixes_that_hold_each_address_once),
	    cmocka_unit_test(a_range_is_cut_into_as_few_prefixes_as_can_be),
	    cmocka_unit_test(what_tally_prints_it_reads_again_whole),
	    cmocka_unit_test(what_the_other_formats_print_they_read_again),
	    cmocka_unit_test(lines_are_printed_as_the_manual_shows_them),
	    cmocka_unit_test(any_bytes_are_an_entry_or_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
