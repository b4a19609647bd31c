/*
 * The verdict against an oracle: random zones and evidence, judged by brute force.
 *
 * All patterns are made from few classes of octets, so that 20 addresses stand for all of
 * 127.0.0.0/8: the second and third octet are 0 or not, the fourth is 1, 2, 3, 4 or another.
 * The oracle knows patterns only as sets of classes and never sees the parser's bits. What an
 * unknown list may still say is found by trying every set of up to four of the 20 addresses (a
 * list has at most four sites, so more addresses add nothing), and then every combination.
 */
#include "aggregate/verdict.h"

#include <stdio.h>

#include "aggregate/compile.h"
#include "tests/unit/unit.h"
#include "tests/unit/zone.h"

#define ADDRESSES 20
#define SITES_MAX 4
#define LISTS_MAX 5
#define NOW 100000u

/* Which classes a pattern takes: bits of each octet. */
struct shape {
	bool of_127; /* the first octet takes 127 */
	unsigned second, third, fourth;
};

struct oracle_site {
	bool filtered;
	struct shape filter;
	int32_t weight;
	bool neutral;
};

/* A reply: a set of the 20 addresses, bit by bit. */
struct oracle_list {
	struct shape listed[2], errors[2];
	unsigned listeds, errorses;
	struct oracle_site site[SITES_MAX];
	unsigned sites;
	int part_of; /* the number of the list that contains it, or -1 */
	bool family[2];
	/* by brute force: which sets of sites can match together, and a reply that does it */
	bool reachable[1 << SITES_MAX];
	uint32_t witness[1 << SITES_MAX];
};

struct oracle {
	struct oracle_list list[LISTS_MAX];
	unsigned lists;
	int32_t grade[3]; /* ascending */
	unsigned grades;
};

/* What happened to one list in one case. */
struct oracle_evidence {
	bool absent;      /* another family */
	bool unknown;     /* failed, not asked, or without sense */
	unsigned matched; /* bit i: site i */
	int32_t adds;     /* by the rules, all lists together; made by weigh() */
	uint32_t ttl;
};

static struct chance chance = {20240917};

static bool
toss(unsigned in)
{
	return chance_below(&chance, in) == 0;
}

static struct shape
random_shape(void)
{
	struct shape shape = {.of_127 = true};

	shape.second = toss(3) ? 1 + chance_below(&chance, 3) : 1;
	shape.third = toss(2) ? 1 + chance_below(&chance, 3) : 1;
	shape.fourth = toss(4) ? 31 : 1 + chance_below(&chance, 31);
	return shape;
}

static bool
shape_takes(const struct shape *shape, unsigned address)
{
	return shape->of_127 && (shape->second >> address % 2 & 1) != 0 &&
	       (shape->third >> address / 2 % 2 & 1) != 0 &&
	       (shape->fourth >> address / 4 & 1) != 0;
}

/* One of the addresses of a class, any of them. */
static uint32_t
representative(unsigned address)
{
	uint32_t second = address % 2 ? 1 + chance_below(&chance, 255) : 0;
	uint32_t third = address / 2 % 2 ? 1 + chance_below(&chance, 255) : 0;
	uint32_t fourth = address / 4 + 1;

	if (fourth == 5)
		fourth = toss(8) ? 0 : 5 + chance_below(&chance, 251);
	return 127u << 24 | second << 16 | third << 8 | fourth;
}

static void
add_octet(struct text *text, unsigned classes)
{
	static const char *const spelling[] = {NULL, "0", "[1..255]", "[0..255]"};

	text_add(text, spelling[classes]);
	text_add(text, ".");
}

static void
shape_print(const struct shape *shape, struct text *text)
{
	static const char *const part[] = {"1", "2", "3", "4", "0;5..255"};
	const char *before = "[";

	text_add(text, shape->of_127 ? (toss(9) ? "[126..128]." : "127.") : "[0..126;128..255].");
	add_octet(text, shape->second);
	add_octet(text, shape->third);
	for (unsigned i = 0; i < 5; i++)
		if (shape->fourth >> i & 1) {
			text_add(text, before);
			text_add(text, part[i]);
			before = ";";
		}
	text_add(text, "]");
}

static void
random_list(struct oracle_list *list, bool neutrals)
{
	*list = (struct oracle_list){.listeds = 1 + toss(4), .errorses = toss(3) ? 1 + toss(3) : 0};
	for (unsigned i = 0; i < list->listeds; i++)
		list->listed[i] = random_shape();
	for (unsigned i = 0; i < list->errorses; i++) {
		list->errors[i] = random_shape();
		list->errors[i].fourth = 1u << chance_below(&chance, 5);
	}
	list->sites = 1 + chance_below(&chance, SITES_MAX);
	for (unsigned i = 0; i < list->sites; i++) {
		struct oracle_site *site = &list->site[i];

		site->filtered = !toss(3);
		site->filter = random_shape();
		site->filter.of_127 = !toss(20);
		site->neutral = neutrals && toss(4);
		site->weight = site->neutral ? 0 : chance_from(&chance, -4, 6);
	}
	list->family[SUBJECT_IPV4] = !toss(6);
	list->family[SUBJECT_IPV6] = !toss(6);
}

static bool
any_takes(const struct shape *shape, unsigned count, unsigned address)
{
	for (unsigned i = 0; i < count; i++)
		if (shape_takes(&shape[i], address))
			return true;
	return false;
}

/* What a reply matches, a bit for each site; false when it makes the list unknown. */
static bool
reply_matches(const struct oracle_list *list, uint32_t reply, unsigned *matched)
{
	bool understood = false;

	*matched = 0;
	for (unsigned address = 0; address < ADDRESSES; address++) {
		bool listed = any_takes(list->listed, list->listeds, address);

		if ((reply >> address & 1) == 0)
			continue;
		if (any_takes(list->errors, list->errorses, address))
			return false;
		understood = understood || listed;
		for (unsigned i = 0; i < list->sites; i++) {
			const struct oracle_site *site = &list->site[i];

			if (site->filtered ? shape_takes(&site->filter, address) : listed) {
				*matched |= 1u << i;
				understood = true;
			}
		}
	}
	return understood;
}

/* A set of matching sites for each list; none for one that is clear, absent or counted as 0. */
struct matches {
	unsigned of[LISTS_MAX];
};

static bool
any_neutral(const struct oracle *oracle, const struct matches *matches)
{
	for (unsigned i = 0; i < oracle->lists; i++)
		for (unsigned j = 0; j < oracle->list[i].sites; j++)
			if (matches->of[i] >> j & 1 && oracle->list[i].site[j].neutral)
				return true;
	return false;
}

/* The outermost list that contains this one. */
static unsigned
whole_of(const struct oracle *oracle, unsigned i)
{
	while (oracle->list[i].part_of >= 0)
		i = (unsigned)oracle->list[i].part_of;
	return i;
}

/* Does list i count in the place of list j? Of equals the outermost does, then the first. */
static bool
takes_place(const struct oracle *oracle, const int32_t adds[LISTS_MAX], unsigned i, unsigned j)
{
	unsigned whole = whole_of(oracle, i);

	if (i == j || whole != whole_of(oracle, j))
		return false;
	if (adds[i] == adds[j])
		return i == whole || (j != whole && i < j);
	return adds[j] > 0 ? adds[i] > adds[j] : adds[i] < adds[j];
}

/* Of each whole the list that adds most and the one that takes most away count. */
static void
count_once(const struct oracle *oracle, int32_t adds[LISTS_MAX])
{
	int32_t before[LISTS_MAX];

	memcpy(before, adds, sizeof before);
	for (unsigned i = 0; i < oracle->lists; i++)
		for (unsigned j = 0; j < oracle->lists; j++)
			if (before[j] != 0 && takes_place(oracle, before, i, j))
				adds[j] = 0;
}

/* The rules, word by word: what each list adds; returns the score. */
static int32_t
weigh(const struct oracle *oracle, const struct matches *matches, int32_t adds[LISTS_MAX])
{
	bool cancelled = any_neutral(oracle, matches);
	int32_t score = 0;

	for (unsigned i = 0; i < oracle->lists; i++) {
		adds[i] = 0;
		for (unsigned j = 0; j < oracle->list[i].sites; j++) {
			int32_t weight = oracle->list[i].site[j].weight;

			if (matches->of[i] >> j & 1 && (weight < 0 || !cancelled))
				adds[i] += weight;
		}
	}
	count_once(oracle, adds);
	for (unsigned i = 0; i < oracle->lists; i++)
		score += adds[i];
	return score;
}

/* Try every reply of up to `more` further addresses from `first` on. */
static void
try_replies(struct oracle_list *list, const unsigned *matches, const bool *error, unsigned first,
    unsigned more, uint32_t reply, unsigned matched)
{
	if (!list->reachable[matched]) {
		list->reachable[matched] = true;
		list->witness[matched] = reply;
	}
	if (more == 0)
		return;
	for (unsigned address = first; address < ADDRESSES; address++)
		if (!error[address])
			try_replies(list, matches, error, address + 1, more - 1,
			    reply | 1u << address, matched | matches[address]);
}

/* What the list may add: nothing, when it is clear, or what any reply matches. */
static void
find_reachable(struct oracle_list *list)
{
	unsigned matches[ADDRESSES];
	bool error[ADDRESSES];

	for (unsigned address = 0; address < ADDRESSES; address++) {
		error[address] = any_takes(list->errors, list->errorses, address);
		(void)reply_matches(list, 1u << address, &matches[address]);
	}
	try_replies(list, matches, error, 0, SITES_MAX, 0, 0);
}

static struct policy *policy;
static struct evidence_book *book;
static struct policy_zone *zone;

static void
build_list(const struct oracle_list *list, const char *name)
{
	char listed[200], errors[200];
	struct text text;
	struct policy_list *made;

	text_init(&text, listed, sizeof listed);
	for (unsigned i = 0; i < list->listeds; i++) {
		text_add(&text, i > 0 ? " " : "");
		shape_print(&list->listed[i], &text);
	}
	text_init(&text, errors, sizeof errors);
	for (unsigned i = 0; i < list->errorses; i++) {
		text_add(&text, i > 0 ? " " : "");
		shape_print(&list->errors[i], &text);
	}
	made = make_list(policy, name, listed, errors);
	made->families = (unsigned)list->family[SUBJECT_IPV4] << SUBJECT_IPV4 |
			 (unsigned)list->family[SUBJECT_IPV6] << SUBJECT_IPV6;
}

static void
build_site(const struct oracle_site *site, const char *name)
{
	char string[200];
	struct text text;

	text_init(&text, string, sizeof string);
	text_add(&text, name);
	if (site->filtered) {
		text_add(&text, "=");
		shape_print(&site->filter, &text);
	}
	if (site->weight != 1 || toss(2))
		text_add_format(&text, "*%d%s", site->weight, site->neutral ? "!" : "");
	make_site(policy, zone, string);
}

static const char *
list_name(unsigned i)
{
	static const char *const name[LISTS_MAX] = {
	    "l0.example", "l1.example", "l2.example", "l3.example", "l4.example"};

	return name[i];
}

/* One is part of the other, sometimes by way of a list that no zone names. */
static void
build_part(unsigned part, unsigned whole)
{
	struct policy_list *list = policy_list_find(policy, list_name(part)), *between;
	char name[32];

	list->part_of = policy_list_find(policy, list_name(whole));
	if (!toss(3))
		return;
	(void)snprintf(name, sizeof name, "between%u.example", part);
	between = policy_list_add(policy, name);
	between->part_of = list->part_of;
	list->part_of = between;
}

/* The sites of all lists in an order that mixes them but keeps each list's own. */
static void
build_sites(const struct oracle *oracle)
{
	unsigned next[LISTS_MAX] = {0}, left = 0;

	for (unsigned i = 0; i < oracle->lists; i++) {
		build_site(&oracle->list[i].site[next[i]++], list_name(i));
		left += oracle->list[i].sites - 1;
	}
	while (left > 0) {
		unsigned i = chance_below(&chance, oracle->lists);

		if (next[i] < oracle->list[i].sites) {
			build_site(&oracle->list[i].site[next[i]++], list_name(i));
			left--;
		}
	}
}

static uint32_t
grade_address(int32_t score)
{
	return 0x7f000100u + (uint32_t)score;
}

static void
random_grades(struct oracle *oracle)
{
	int32_t score = 0;

	oracle->grades = 1 + chance_below(&chance, 3);
	for (unsigned i = 0; i < oracle->grades; i++)
		oracle->grade[i] = score += chance_from(&chance, 1, 4);
	for (unsigned i = oracle->grades; i-- > 0;)
		make_grade(zone, oracle->grade[i], grade_address(oracle->grade[i]));
	zone->threshold = oracle->grade[0];
}

static void
build_zone(struct oracle *oracle)
{
	bool neutrals, parts;

	policy = policy_open();
	zone = make_zone(policy, "bl.example");
	strcpy(zone->text, "%l|%s|%t");
	zone->max_ttl = 1 + chance_below(&chance, 100);
	zone->negative_ttl = 1 + chance_below(&chance, 100);
	zone->on_failure = (enum policy_failure)chance_below(&chance, 3);
	zone->failure_address = 0x7f000063;
	random_grades(oracle);
	oracle->lists = 1 + chance_below(&chance, LISTS_MAX);
	neutrals = toss(2);
	parts = toss(2);
	for (unsigned i = 0; i < oracle->lists; i++) {
		random_list(&oracle->list[i], neutrals);
		oracle->list[i].part_of =
		    i > 0 && parts && toss(2) ? (int)chance_below(&chance, i) : -1;
		find_reachable(&oracle->list[i]);
		build_list(&oracle->list[i], list_name(i));
		if (oracle->list[i].part_of >= 0)
			build_part(i, (unsigned)oracle->list[i].part_of);
	}
	build_sites(oracle);
	assert_true(compile_policy(policy, book));
}

static struct evidence evidence[EVIDENCE_LISTS_MAX];

static struct evidence *
evidence_of(unsigned i)
{
	return &evidence[policy_list_find(policy, list_name(i))->number];
}

static void
give_reply(unsigned i, uint32_t reply, uint32_t ttl)
{
	struct answers answers = {0};
	struct evidence *given = evidence_of(i);

	*given = (struct evidence){.said = EVIDENCE_CLEAR, .expires = NOW + ttl};
	if (reply == 0)
		return;
	for (unsigned address = 0; address < ADDRESSES; address++)
		if (reply >> address & 1)
			(void)answers_add(&answers, representative(address));
	given->said =
	    evidence_intern(book, policy_list_find(policy, list_name(i))->number, &answers);
}

static uint32_t
random_reply(void)
{
	uint32_t reply = 0;

	for (unsigned i = chance_below(&chance, 5); i > 0; i--)
		reply |= 1u << chance_below(&chance, ADDRESSES);
	return reply;
}

/* Let one list say something; `unknowns` in ten say nothing of use. */
static void
random_evidence(
    const struct oracle *oracle, unsigned i, unsigned unknowns, struct oracle_evidence *expected)
{
	static const enum evidence_said failure[] = {EVIDENCE_NONE, EVIDENCE_NONE, EVIDENCE_TIMEOUT,
	    EVIDENCE_FAILED, EVIDENCE_MALFORMED, EVIDENCE_FOREIGN, EVIDENCE_OVERLOAD,
	    EVIDENCE_DIVERSE};
	uint32_t reply = random_reply();
	unsigned matched = 0;

	expected->ttl = 1 + chance_below(&chance, 150);
	if (chance_below(&chance, 10) < unknowns) {
		expected->unknown = true;
		*evidence_of(i) = (struct evidence){
		    .said = (uint8_t)failure[chance_below(&chance, COUNT(failure))],
		    .expires = NOW + expected->ttl};
		return;
	}
	give_reply(i, reply, expected->ttl);
	expected->unknown = reply != 0 && !reply_matches(&oracle->list[i], reply, &matched);
	if (expected->unknown)
		return;
	expected->matched = matched;
}

static int
grade_of(const struct oracle *oracle, int32_t score)
{
	int grade = -1;

	for (unsigned i = 0; i < oracle->grades; i++)
		if (score >= oracle->grade[i])
			grade = (int)i;
	return grade;
}

/* All completions of the unknown lists, one combination after the other. */
struct completions {
	int32_t low, high;
	struct matches lowest, highest; /* that make them */
	bool grade[4];                  /* [0]: clear */
};

static void
note_completion(
    const struct oracle *oracle, const struct matches *matches, struct completions *completions)
{
	int32_t adds[LISTS_MAX], score = weigh(oracle, matches, adds);

	if (score < completions->low) {
		completions->low = score;
		completions->lowest = *matches;
	}
	if (score > completions->high) {
		completions->high = score;
		completions->highest = *matches;
	}
	completions->grade[grade_of(oracle, score) + 1] = true;
}

static void
complete(const struct oracle *oracle, const struct oracle_evidence *expected, unsigned i,
    struct matches *matches, struct completions *completions)
{
	const struct oracle_list *list = &oracle->list[i];

	if (i == oracle->lists) {
		note_completion(oracle, matches, completions);
		return;
	}
	if (!expected[i].unknown) {
		matches->of[i] = expected[i].matched;
		complete(oracle, expected, i + 1, matches, completions);
		return;
	}
	for (matches->of[i] = 0; matches->of[i] < 1u << list->sites; matches->of[i]++)
		if (list->reachable[matches->of[i]])
			complete(oracle, expected, i + 1, matches, completions);
}

/* How often each kind of case came up, so that the test cannot become empty unnoticed. */
static struct {
	unsigned long full, early, open, listed, clear, cancelled, once, cases;
} seen;

static void
check_text(const struct oracle *oracle, const struct oracle_evidence *expected,
    const struct subject *subject, const struct verdict *verdict)
{
	char want[400], said[VERDICT_TEXT_MAX + 1];
	struct text text;
	const char *comma = "";
	int32_t weight = INT32_MAX;

	text_init(&text, want, sizeof want);
	for (;;) {
		int32_t next = 0;

		for (unsigned i = 0; i < oracle->lists; i++)
			if (!expected[i].unknown && expected[i].adds > next &&
			    expected[i].adds < weight)
				next = expected[i].adds;
		if (next == 0)
			break;
		weight = next;
		for (unsigned i = 0; i < oracle->lists; i++)
			if (!expected[i].unknown && expected[i].adds == weight) {
				text_add_format(&text, "%s%s", comma, list_name(i));
				comma = ", ";
			}
	}
	text_add_format(&text, "|%d|%d", verdict->score, oracle->grade[0]);
	text_init(&text, said, sizeof said);
	verdict_text(zone, subject, verdict, book, evidence, &text);
	assert_string_equal(said, want);
}

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* A given verdict: its address, its life, its lists. */
static void
check_given(const struct oracle *oracle, const struct oracle_evidence *expected,
    const struct subject *subject, int grade, const struct verdict *verdict)
{
	uint32_t all = zone->negative_ttl, matched = zone->max_ttl;
	bool unsaid = false;

	for (unsigned i = 0; i < oracle->lists; i++) {
		if (expected[i].absent || expected[i].unknown)
			continue;
		all = least(all, expected[i].ttl);
		if (expected[i].adds != 0)
			matched = least(matched, expected[i].ttl);
		unsaid = unsaid || (expected[i].matched != 0 && expected[i].adds == 0);
	}
	assert_int_equal(verdict->state, grade < 0 ? VERDICT_CLEAR : VERDICT_LISTED);
	if (grade >= 0) {
		assert_int_equal(verdict->address, grade_address(oracle->grade[grade]));
		/* whether weights that make up for each other have "counted" is left open */
		if (!unsaid)
			assert_int_equal(verdict->ttl, matched);
		check_text(oracle, expected, subject, verdict);
	} else {
		assert_int_equal(verdict->ttl, all);
	}
}

static void
check_closed(const struct oracle *oracle, const struct oracle_evidence *expected, int32_t score,
    struct verdict *verdict)
{
	int grade = grade_of(oracle, score);

	verdict_close(zone, verdict);
	switch (zone->on_failure) {
	case POLICY_PASS:
		assert_int_equal(verdict->state, grade < 0 ? VERDICT_CLEAR : VERDICT_LISTED);
		if (grade >= 0)
			assert_int_equal(verdict->address, grade_address(oracle->grade[grade]));
		assert_in_range(verdict->ttl, 1, grade < 0 ? zone->negative_ttl : zone->max_ttl);
		assert_in_range(verdict->ttl, 1, EVIDENCE_FAILURE_TTL);
		for (unsigned i = 0; i < oracle->lists; i++)
			if (!expected[i].absent && !expected[i].unknown &&
			    (grade < 0 || expected[i].adds != 0))
				assert_in_range(verdict->ttl, 1, expected[i].ttl);
		break;
	case POLICY_DEFER:
		assert_int_equal(verdict->state, VERDICT_DEFERRED);
		break;
	case POLICY_ANSWER:
		assert_int_equal(verdict->state, VERDICT_SUBSTITUTE);
		assert_int_equal(verdict->address, zone->failure_address);
		break;
	}
}

/* Fill in the unknown lists at random, with real replies: the verdict must be `grade`. */
static void
check_random_completion(const struct oracle *oracle, const struct oracle_evidence *expected,
    const struct subject *subject, int grade)
{
	struct evidence before[EVIDENCE_LISTS_MAX];
	struct verdict verdict;

	memcpy(before, evidence, sizeof before);
	for (unsigned i = 0; i < oracle->lists; i++)
		if (expected[i].unknown && !toss(8))
			give_reply(i, random_reply(), 60);
	verdict_decide(zone, subject, NULL, book, evidence, NOW, 0, &verdict);
	assert_int_equal(verdict.state, grade < 0 ? VERDICT_CLEAR : VERDICT_LISTED);
	if (grade >= 0)
		assert_int_equal(verdict.address, grade_address(oracle->grade[grade]));
	memcpy(evidence, before, sizeof before);
}

/* Fill in the unknown lists as the least or the highest score asks, with real replies. */
static void
check_extreme_completion(const struct oracle *oracle, const struct oracle_evidence *expected,
    const struct subject *subject, const struct matches *matches, int32_t score)
{
	struct evidence before[EVIDENCE_LISTS_MAX];
	struct verdict verdict;
	int grade = grade_of(oracle, score);

	memcpy(before, evidence, sizeof before);
	for (unsigned i = 0; i < oracle->lists; i++)
		if (expected[i].unknown)
			give_reply(i, oracle->list[i].witness[matches->of[i]], 60);
	verdict_decide(zone, subject, NULL, book, evidence, NOW, 0, &verdict);
	assert_int_equal(verdict.score, score);
	assert_int_equal(verdict.low, score);
	assert_int_equal(verdict.high, score);
	assert_int_equal(verdict.state, grade < 0 ? VERDICT_CLEAR : VERDICT_LISTED);
	memcpy(evidence, before, sizeof before);
}

static void
check_bits(const struct oracle *oracle, const struct oracle_evidence *expected,
    const struct verdict *verdict)
{
	for (unsigned i = 0; i < oracle->lists; i++) {
		bool present = !expected[i].absent;

		assert_int_equal(verdict->unknown[0] >> i & 1, present && expected[i].unknown);
		assert_int_equal(verdict->counted[0] >> i & 1,
		    present && !expected[i].unknown && expected[i].adds > 0);
	}
}

static void
check_case(const struct oracle *oracle, struct oracle_evidence *expected,
    const struct subject *subject, unsigned unknown)
{
	struct completions completions = {.low = INT32_MAX, .high = INT32_MIN};
	int32_t adds[LISTS_MAX], score;
	struct matches matches;
	struct verdict verdict;
	unsigned grades = 0;
	int grade = -1;

	for (unsigned i = 0; i < oracle->lists; i++)
		matches.of[i] = expected[i].matched;
	score = weigh(oracle, &matches, adds);
	seen.cancelled += any_neutral(oracle, &matches);
	for (unsigned i = 0; i < oracle->lists; i++) {
		expected[i].adds = adds[i];
		seen.once += adds[i] != 0 && whole_of(oracle, i) != i;
	}
	complete(oracle, expected, 0, &matches, &completions);
	for (int i = 0; i < 4; i++)
		if (completions.grade[i]) {
			grades++;
			grade = i - 1;
		}
	verdict_decide(zone, subject, NULL, book, evidence, NOW, 0, &verdict);
	assert_int_equal(verdict.score, score);
	assert_int_equal(verdict.low, completions.low);
	assert_int_equal(verdict.high, completions.high);
	check_bits(oracle, expected, &verdict);
	assert_int_equal(verdict.state == VERDICT_OPEN, grades > 1);
	seen.cases++;
	check_extreme_completion(oracle, expected, subject, &completions.lowest, completions.low);
	check_extreme_completion(oracle, expected, subject, &completions.highest, completions.high);
	if (grades > 1) {
		seen.open++;
		check_closed(oracle, expected, score, &verdict);
		return;
	}
	*(unknown == 0 ? &seen.full : &seen.early) += 1;
	*(grade < 0 ? &seen.clear : &seen.listed) += 1;
	check_given(oracle, expected, subject, grade, &verdict);
	for (unsigned i = 0; unknown > 0 && i < 4; i++)
		check_random_completion(oracle, expected, subject, grade);
}

static void
random_case(const struct oracle *oracle)
{
	struct oracle_evidence expected[LISTS_MAX] = {{0}};
	struct subject subject;
	unsigned unknowns = toss(2) ? 0 : chance_below(&chance, 9), unknown = 0;

	assert_true(subject_parse(toss(3) ? "2001:db8::1" : "192.0.2.1", &subject));
	memset(evidence, 0, sizeof evidence);
	for (unsigned i = 0; i < oracle->lists; i++) {
		random_evidence(oracle, i, unknowns, &expected[i]);
		if (!oracle->list[i].family[subject.family])
			expected[i] = (struct oracle_evidence){.absent = true};
		unknown += expected[i].unknown;
	}
	check_case(oracle, expected, &subject, unknown);
}

static void
a_verdict_is_given_exactly_when_nothing_could_change_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		struct oracle oracle = {0};

		/* a fresh book now and then: a list keeps 240 different replies */
		book = evidence_book_open();
		assert_non_null(book);
		build_zone(&oracle);
		for (unsigned j = 0; j < 8; j++)
			random_case(&oracle);
		policy_close(policy);
		evidence_book_close(book);
	}
	print_message(
	    "%lu cases: %lu with all answers in, %lu decided early, %lu open; %lu listed, "
	    "%lu clear; %lu with a neutral site that matched; %lu parts that count for their "
	    "whole\n",
	    seen.cases, seen.full, seen.early, seen.open, seen.listed, seen.clear, seen.cancelled,
	    seen.once);
	assert_true(seen.full > 5000);
	assert_true(seen.early > 2000);
	assert_true(seen.open > 2000);
	assert_true(seen.listed > 2000);
	assert_true(seen.clear > 2000);
	assert_true(seen.cancelled > 2000);
	assert_true(seen.once > 2000);
}

int
main(void)
{
	const struct CMUnitTest oracle[] = {
	    cmocka_unit_test(a_verdict_is_given_exactly_when_nothing_could_change_it),
	};

	return cmocka_run_group_tests_name("oracle", oracle, NULL, NULL);
}
