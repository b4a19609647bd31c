#include "aggregate/policy.h"

#include <stdio.h>
#include <stdlib.h>

#include "aggregate/compile.h"
#include "aggregate/match.h"
#include "tests/unit/unit.h"
#include "tests/unit/zone.h"

static struct policy *policy;
static struct evidence_book *book;

static int
open_policy(void **state)
{
	(void)state;
	policy = policy_open();
	book = evidence_book_open();
	return policy == NULL || book == NULL ? -1 : 0;
}

static int
close_policy(void **state)
{
	(void)state;
	policy_close(policy);
	evidence_book_close(book);
	return 0;
}

/* "" for a name outside all zones; *offset where the zone begins */
static const char *
zone_of(const void *wire, size_t length, size_t *offset)
{
	/* on the heap's edge, so that a sanitizer sees a read too far */
	uint8_t *name = malloc(length);
	const struct policy_zone *zone;

	memcpy(name, wire, length);
	zone = policy_zone_of_name(policy, name, length, offset);
	free(name);
	return zone == NULL ? "" : zone->name;
}

static const char *
zone_of_text(const char *text, size_t *offset)
{
	char folded[NAME_TEXT_MAX + 1];
	uint8_t wire[NAME_WIRE_MAX];

	assert_true(name_fold(text, folded));
	return zone_of(wire, name_to_wire(folded, wire), offset);
}

static void
a_name_goes_to_the_longest_zone_that_it_is_under(void **state)
{
	static const struct {
		const char *name, *zone;
		size_t offset;
	} of[] = {
	    {"bl.example", "bl.example", 0},
	    {"2.0.0.127.bl.example", "bl.example", 10},
	    {"ns.bl.example", "bl.example", 3},
	    {"u1.bl.example", "u1.bl.example", 0},
	    {"2.0.0.127.u1.bl.example", "u1.bl.example", 10},
	    {"u2.bl.example", "bl.example", 3},
	    {"deep.u1.bl.example", "deep.u1.bl.example", 0},
	    {"x.deep.u1.bl.example", "deep.u1.bl.example", 2},
	    {"x.y.far.under.bl.example", "far.under.bl.example", 4},
	    {"under.bl.example", "bl.example", 6},
	    {"x.other.example", "other.example", 2},
	};

	(void)state;
	make_zone(policy, "bl.example");
	make_zone(policy, "deep.u1.bl.example");
	make_zone(policy, "u1.bl.example");
	make_zone(policy, "far.under.bl.example");
	make_zone(policy, "other.example");
	assert_true(compile_policy(policy, book));
	for (size_t i = 0; i < COUNT(of); i++) {
		size_t offset = 999;

		assert_string_equal(zone_of_text(of[i].name, &offset), of[i].zone);
		assert_int_equal(offset, of[i].offset);
	}
}

static void
a_name_outside_all_zones_has_none(void **state)
{
	static const char *const none[] = {"example", "xbl.example", "bl.example.org", "b.example",
	    "l.example", "bl-example", "bl.examples", "bl.xexample", "x.b.l.example", "blexample"};
	size_t offset;

	(void)state;
	make_zone(policy, "bl.example");
	assert_true(compile_policy(policy, book));
	for (size_t i = 0; i < COUNT(none); i++)
		assert_string_equal(zone_of_text(none[i], &offset), "");
	assert_string_equal(zone_of("\0", 1, &offset), "");
}

static void
a_zone_begins_at_a_label_not_inside_one(void **state)
{
	size_t offset = 0;

	(void)state;
	make_zone(policy, "bl.example");
	make_zone(policy, "a.b");
	assert_true(compile_policy(policy, book));
	/* one label "x\2bl", whose end looks like the label "bl" */
	assert_string_equal(zone_of("\4x\2bl\7example\0", 14, &offset), "");
	/* one label that ends in the bytes of the whole zone */
	assert_string_equal(zone_of("\14x\2bl\7example\0", 14, &offset), "");
	assert_string_equal(zone_of("\3a.b\0", 5, &offset), "");
	assert_string_equal(zone_of("\2bl\7example\0", 12, &offset), "bl.example");
	assert_string_equal(zone_of("\2\0\1\2bl\7example\0", 15, &offset), "bl.example");
	assert_int_equal(offset, 3);
}

static void
without_zones_every_name_is_outside(void **state)
{
	size_t offset;

	(void)state;
	assert_true(compile_policy(policy, book));
	assert_string_equal(zone_of_text("bl.example", &offset), "");
	assert_string_equal(zone_of("\0", 1, &offset), "");
}

static void
the_longest_names_are_looked_up_safely(void **state)
{
	uint8_t wire[255];
	size_t offset;

	(void)state;
	make_zone(policy, "a.a.a");
	make_zone(policy, "a");
	assert_true(compile_policy(policy, book));
	for (size_t i = 0; i < 254; i += 2) {
		wire[i] = 1;
		wire[i + 1] = 'a';
	}
	wire[254] = 0;
	assert_string_equal(zone_of(wire, sizeof wire, &offset), "a.a.a");
	assert_int_equal(offset, 248);
	assert_string_equal(zone_of(wire + 250, 5, &offset), "a");
	assert_int_equal(offset, 2);
}

static void
a_thousand_accounts_are_all_found(void **state)
{
	char name[60];
	size_t offset;

	(void)state;
	make_zone(policy, "bl.example");
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof name, "u%u.bl.example", i * 7);
		make_zone(policy, name);
	}
	assert_true(compile_policy(policy, book));
	assert_true(policy->table_size >= 2 * policy->zones);
	for (unsigned i = 0; i < 7000; i++) {
		char asked[80];

		(void)snprintf(name, sizeof name, "u%u.bl.example", i);
		(void)snprintf(asked, sizeof asked, "1.2.0.192.%s", name);
		assert_string_equal(zone_of_text(asked, &offset), i % 7 == 0 ? name : "bl.example");
		assert_int_equal(offset, strlen(asked) - (i % 7 == 0 ? strlen(name) : 10));
		if (i % 7 == 0)
			assert_string_equal(policy_zone_find(policy, name)->name, name);
		else
			assert_null(policy_zone_find(policy, name));
	}
}

static void
sites_of_one_list_stand_together(void **state)
{
	static const char *const site[] = {"a.example=127.0.0.2*1", "b.example*2",
	    "a.example=127.0.0.3*3", "c.example*4", "b.example=127.0.0.9*5",
	    "a.example=127.0.0.4*6"};
	static const struct {
		const char *list;
		int32_t weight[4]; /* up to the first 0 */
	} expected[] = {{"a.example", {1, 3, 6}}, {"b.example", {2, 5}}, {"c.example", {4}}};
	struct policy_zone *zone;
	size_t seen = 0;

	(void)state;
	zone = make_zone(policy, "bl.example");
	for (size_t i = 0; i < COUNT(site); i++)
		make_site(policy, zone, site[i]);
	assert_int_equal(zone->lists, COUNT(expected));
	assert_int_equal(zone->sites, COUNT(site));
	for (size_t i = 0; i < zone->lists; i++) {
		const struct policy_zone_list *entry = &zone->list[i];
		size_t j;

		assert_string_equal(entry->list->name, expected[i].list);
		assert_int_equal(entry->first_site, seen);
		for (j = 0; expected[i].weight[j] != 0; j++)
			assert_int_equal(
			    zone->site[entry->first_site + j].weight, expected[i].weight[j]);
		assert_int_equal(entry->sites, j);
		seen += j;
	}
}

static void
a_list_takes_sixteen_sites_in_one_zone(void **state)
{
	struct policy_zone *zone, *other;
	const struct site site = {.weight = 1};

	(void)state;
	zone = make_zone(policy, "bl.example");
	other = make_zone(policy, "other.example");
	for (unsigned i = 0; i < POLICY_LIST_SITES_MAX; i++)
		make_site(policy, zone, "a.example*625");
	assert_false(policy_zone_add_site(zone, policy_list_find(policy, "a.example"), &site));
	assert_int_equal(zone->sites, POLICY_LIST_SITES_MAX);
	make_site(policy, zone, "b.example");
	make_site(policy, other, "a.example");
	make_grade(zone, 1, 0x7f000002);
	make_grade(other, 1, 0x7f000002);
	assert_true(compile_policy(policy, book));
	assert_int_equal(zone->list[0].high, 10000);
	assert_int_equal(zone->list[1].high, 1);
	assert_int_equal(other->list[0].high, 1);
}

static void
grades_stand_in_ascending_order(void **state)
{
	static const int32_t score[] = {8, 2, 4, 100, 1, 16};
	struct policy_zone *zone;

	(void)state;
	zone = make_zone(policy, "bl.example");
	for (size_t i = 0; i < COUNT(score); i++)
		make_grade(zone, score[i], 0x7f000000u + (uint32_t)score[i]);
	assert_int_equal(zone->grades, COUNT(score));
	for (size_t i = 0; i < zone->grades; i++) {
		assert_int_equal(zone->grade[i].address, 0x7f000000 + zone->grade[i].score);
		if (i > 0)
			assert_true(zone->grade[i - 1].score < zone->grade[i].score);
	}
}

static void
lists_are_found_by_name_and_keep_their_address(void **state)
{
	struct policy_list *list[1000];
	char name[40];

	(void)state;
	for (unsigned i = 0; i < COUNT(list); i++) {
		(void)snprintf(name, sizeof name, "l%u.example", i);
		list[i] = policy_list_add(policy, name);
		assert_non_null(list[i]);
	}
	for (unsigned i = 0; i < COUNT(list); i++) {
		(void)snprintf(name, sizeof name, "l%u.example", i);
		assert_ptr_equal(policy_list_find(policy, name), list[i]);
		assert_string_equal(list[i]->name, name);
		assert_string_equal(list[i]->query, name);
	}
	assert_null(policy_list_find(policy, "l1000.example"));
	assert_null(policy_zone_find(policy, "l1.example"));
	assert_int_equal(list[0]->timeout_ms, 2000);
	assert_int_equal(list[0]->min_ttl, 60);
	assert_int_equal(list[0]->max_ttl, 86400);
	assert_int_equal(list[0]->families, 1u << SUBJECT_IPV4 | 1u << SUBJECT_IPV6);
	assert_int_equal(list[0]->servers, 0);
}

static void
only_used_lists_have_numbers_and_keep_them_over_a_reload(void **state)
{
	struct policy *next = policy_open();
	struct policy_zone *zone;
	const struct policy_list *b;

	(void)state;
	zone = make_zone(policy, "bl.example");
	make_list(policy, "unused.example", "127.0.0.2", "");
	make_site(policy, zone, "a.example");
	make_site(policy, zone, "b.example");
	assert_true(compile_policy(policy, book));
	assert_int_equal(evidence_list_count(book), 2);
	b = policy_list_find(policy, "b.example");
	assert_false(policy_list_find(policy, "unused.example")->used);
	assert_int_equal(b->number, 1);
	assert_ptr_equal(policy->numbered[1], b);
	assert_ptr_equal(policy->numbered[0], policy_list_find(policy, "a.example"));
	assert_null(policy->numbered[2]);

	zone = make_zone(next, "bl.example");
	make_site(next, zone, "c.example");
	make_site(next, zone, "b.example");
	assert_true(compile_policy(next, book));
	assert_int_equal(evidence_list_count(book), 3);
	assert_int_equal(policy_list_find(next, "b.example")->number, 1);
	assert_int_equal(policy_list_find(next, "c.example")->number, 2);
	assert_null(next->numbered[0]);
	assert_ptr_equal(next->numbered[1], policy_list_find(next, "b.example"));
	policy_close(next);
}

static void
a_full_book_fails_the_compilation(void **state)
{
	struct policy_zone *zone;
	char name[40];

	(void)state;
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX - 1; i++) {
		(void)snprintf(name, sizeof name, "old%u.example", i);
		assert_int_equal(evidence_list_number(book, name), i);
	}
	zone = make_zone(policy, "bl.example");
	make_site(policy, zone, "old5.example");
	make_site(policy, zone, "a.example");
	assert_true(compile_policy(policy, book));
	assert_int_equal(policy_list_find(policy, "a.example")->number, EVIDENCE_LISTS_MAX - 1);
	policy_close(policy);
	policy = policy_open();
	zone = make_zone(policy, "bl.example");
	make_site(policy, zone, "old5.example");
	make_site(policy, zone, "b.example");
	assert_false(compile_policy(policy, book));
}

static void
closing_no_policy_is_allowed(void **state)
{
	(void)state;
	policy_close(NULL);
}

/* What a reply is worth: a zone with one list, "listed|errors", and its sites. */
struct weighing {
	const char *listed, *errors;
	const char *site[4];
	const char *answers;
	bool understood;
	int32_t sum;
};

static const struct weighing weighing[] = {
    {"127.0.0.2", "", {"a.example"}, "127.0.0.2", true, 1},
    {"127.0.0.2", "", {"a.example*5"}, "127.0.0.2", true, 5},
    {"127.0.0.2", "", {"a.example*0"}, "127.0.0.2", true, 0},
    {"127.0.0.2", "", {"a.example*-5"}, "127.0.0.2", true, -5},
    /* not listed and picked by nobody: unknown */
    {"127.0.0.2", "", {"a.example*5"}, "127.0.0.3", false, 0},
    {"127.0.0.2", "", {"a.example=127.0.0.4*5"}, "127.0.0.3", false, 0},
    /* listed, but no site wants it: understood, and nothing */
    {"127.0.0.[2..3]", "", {"a.example=127.0.0.2*5"}, "127.0.0.3", true, 0},
    /* a filter picks what is not listed */
    {"127.0.0.2", "", {"a.example=127.0.0.3*5"}, "127.0.0.3", true, 5},
    {"127.0.0.2", "", {"a.example=127.0.0.3*5", "a.example*2"}, "127.0.0.3", true, 5},
    /* an address that nobody knows beside one that is known */
    {"127.0.0.2", "", {"a.example*5"}, "127.0.0.2 127.0.0.3", true, 5},
    {"127.0.0.2", "", {"a.example=127.0.0.4*5"}, "127.0.0.3 127.0.0.4", true, 5},
    /* an error code spoils everything, first or last, wanted or not */
    {"127.0.0.2", "127.255.255.[0..255]", {"a.example*5"}, "127.255.255.254", false, 0},
    {"127.0.0.2", "127.255.255.[0..255]", {"a.example*5"}, "127.0.0.2 127.255.255.254", false, 0},
    {"127.0.0.[2..9]", "127.0.0.3", {"a.example*5"}, "127.0.0.3 127.0.0.4", false, 0},
    {"127.0.0.[2..9]", "127.0.0.3", {"a.example=127.0.0.3*5"}, "127.0.0.3", false, 0},
    {"127.0.0.[2..9]", "127.0.0.1 127.0.0.3", {"a.example*5"}, "127.0.0.1 127.0.0.2", false, 0},
    {"127.0.0.[2..9]", "127.0.0.3", {"a.example*5"}, "127.0.0.2 127.0.0.4", true, 5},
    /* each site once, however many answers match */
    {"127.0.0.[2..9]", "", {"a.example*5"}, "127.0.0.2 127.0.0.3 127.0.0.4", true, 5},
    {"127.0.0.[2..9]", "", {"a.example=127.0.0.[2..3]*5"}, "127.0.0.2 127.0.0.3", true, 5},
    /* every site that matches */
    {"127.0.0.[2..9]", "", {"a.example*1", "a.example=127.0.0.2*10", "a.example=127.0.0.3*100"},
	"127.0.0.2 127.0.0.3", true, 111},
    {"127.0.0.[2..9]", "", {"a.example*1", "a.example=127.0.0.2*10", "a.example=127.0.0.3*100"},
	"127.0.0.3", true, 101},
    {"127.0.0.[2..9]", "", {"a.example*7", "a.example=127.0.0.2*-7"}, "127.0.0.2", true, 0},
    {"127.0.0.2", "", {"a.example=127.0.0.2*3", "a.example=127.0.0.2*3"}, "127.0.0.2", true, 6},
    /* two patterns of `listed` */
    {"127.0.0.2 127.0.1.2", "", {"a.example*5"}, "127.0.1.2", true, 5},
    /* an unfiltered site does not count what only a filter picks */
    {"127.0.0.2", "", {"a.example*7", "a.example=127.0.0.3*0"}, "127.0.0.3", true, 0},
};

static void
a_reply_is_weighed_by_listed_errors_and_filters(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(weighing); i++) {
		const struct weighing *of = &weighing[i];
		struct policy *one = policy_open();
		struct policy_zone *zone = make_zone(one, "bl.example");
		struct answers answers = make_answers(of->answers);
		int32_t score = 1000;
		bool understood;

		make_list(one, "a.example", of->listed, of->errors);
		for (size_t j = 0; j < COUNT(of->site) && of->site[j] != NULL; j++)
			make_site(one, zone, of->site[j]);
		assert_true(compile_policy(one, book));
		understood = match_weigh(zone, &zone->list[0], &answers, &score);
		if (understood != of->understood || score != 1000 + of->sum)
			fail_msg("row %zu: %d, %d", i, understood, score - 1000);
		policy_close(one);
	}
}

static void
a_list_is_weighed_with_its_own_sites_only(void **state)
{
	struct policy_zone *zone;
	struct answers answers = make_answers("127.0.0.2");
	int32_t score = 0;

	(void)state;
	zone = make_zone(policy, "bl.example");
	make_site(policy, zone, "a.example*1");
	make_site(policy, zone, "b.example*10");
	make_site(policy, zone, "a.example=127.0.0.2*100");
	make_site(policy, zone, "c.example*1000");
	assert_true(compile_policy(policy, book));
	assert_true(match_weigh(zone, &zone->list[0], &answers, &score));
	assert_int_equal(score, 101);
	assert_true(match_weigh(zone, &zone->list[1], &answers, &score));
	assert_int_equal(score, 111);
	assert_true(match_weigh(zone, &zone->list[2], &answers, &score));
	assert_int_equal(score, 1111);
}

/* The least and the most that a list can add, worked out by hand. */
static const struct {
	const char *listed, *errors;
	const char *site[4];
	int32_t low, high;
} extreme[] = {
    {"127.0.0.2", "", {"a.example*4"}, 0, 4},
    {"127.0.0.2", "", {"a.example*-4"}, -4, 0},
    {"127.0.0.2", "", {"a.example*0"}, 0, 0},
    /* two answers in one reply */
    {"127.0.0.2", "", {"a.example=127.0.0.2*3", "a.example=127.0.0.3*2"}, 0, 5},
    {"127.0.0.2", "", {"a.example=127.0.0.2*3", "a.example=127.0.0.3*-2"}, -2, 3},
    /* one filter within the other: the inner never comes alone */
    {"127.0.0.2", "", {"a.example=127.0.0.[2..3]*3", "a.example=127.0.0.2*-2"}, 0, 3},
    {"127.0.0.2", "", {"a.example=127.0.0.[2..3]*-1", "a.example=127.0.0.2*5"}, -1, 4},
    /* the same filter twice */
    {"127.0.0.2", "", {"a.example=127.0.0.2*3", "a.example=127.0.0.2*-3"}, 0, 0},
    {"127.0.0.2", "", {"a.example=127.0.0.2*3", "a.example=127.0.[0].[2..2]*-5"}, -2, 0},
    /* filters that overlap: the first never comes alone */
    {"127.0.0.2", "",
	{"a.example=127.0.0.[2..4]*-2", "a.example=127.0.0.[2..3]*3", "a.example=127.0.0.[3..4]*3"},
	0, 4},
    {"127.0.0.2", "",
	{"a.example=127.0.0.[2..5]*-2", "a.example=127.0.0.[2..3]*3", "a.example=127.0.0.[3..4]*3"},
	-2, 4},
    /* overlap in another octet */
    {"127.0.0.2", "", {"a.example=127.0.[0..1].2*4", "a.example=127.0.[1..2].2*-1"}, -1, 4},
    {"127.0.0.2", "", {"a.example=127.[0..1].0.2*4", "a.example=127.1.[0..1].2*-1"}, -1, 4},
    /* no filter, and a filter on one of the listed */
    {"127.0.0.2", "", {"a.example*2", "a.example=127.0.0.2*3"}, 0, 5},
    {"127.0.0.2", "", {"a.example*2", "a.example=127.0.0.2*-3"}, -1, 0},
    {"127.0.0.[2..3]", "", {"a.example*2", "a.example=127.0.0.2*-3"}, -1, 2},
    {"127.0.0.2", "", {"a.example*2", "a.example=127.0.0.3*-3"}, -3, 2},
    /* an error code never counts */
    {"127.0.0.2", "127.0.0.255", {"a.example=127.0.0.255*5"}, 0, 0},
    {"127.0.0.[2..255]", "127.0.0.255", {"a.example*1", "a.example=127.0.0.[254..255]*5"}, 0, 6},
    {"127.0.0.[2..3]", "127.0.0.3", {"a.example*1", "a.example=127.0.0.[3]*-5"}, 0, 1},
    {"127.0.0.[2..3]", "127.0.0.3", {"a.example=127.0.0.3*1", "a.example=127.0.0.[2..3]*-5"}, -5,
	0},
    /* nothing is outside 127.0.0.0/8 */
    {"127.0.0.2", "", {"a.example=10.0.0.2*5"}, 0, 0},
    {"127.0.0.2", "", {"a.example=[10;127].0.0.2*5", "a.example=[126..128].0.0.2*-3"}, 0, 2},
    /* without anything listed, only filters pick */
    {"", "", {"a.example*5"}, 0, 0},
    {"", "", {"a.example*5", "a.example=127.0.0.9*-1"}, -1, 0},
};

static void
the_extremes_are_what_some_reply_can_add(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(extreme); i++) {
		struct policy *one = policy_open();
		struct policy_zone *zone = make_zone(one, "bl.example");

		make_list(one, "a.example", extreme[i].listed, extreme[i].errors);
		for (size_t j = 0; j < COUNT(extreme[i].site) && extreme[i].site[j] != NULL; j++)
			make_site(one, zone, extreme[i].site[j]);
		assert_true(compile_policy(one, book));
		if (zone->list[0].low != extreme[i].low || zone->list[0].high != extreme[i].high)
			fail_msg("row %zu: %d..%d instead of %d..%d", i, zone->list[0].low,
			    zone->list[0].high, extreme[i].low, extreme[i].high);
		policy_close(one);
	}
}

/* A filter with a random half of the values of three octets: more classes than can be tried. */
static void
add_wild_site(struct policy_zone *zone, struct policy_list *list, struct chance *chance)
{
	struct site site = {.filtered = true, .weight = chance_from(chance, -9, 9)};

	memset(site.filter.octet[0], 0xff, sizeof site.filter.octet[0]);
	for (unsigned i = 1; i < 4; i++)
		for (unsigned j = 0; j < 4; j++)
			site.filter.octet[i][j] = chance_next(chance);
	assert_true(policy_zone_add_site(zone, list, &site));
}

static void
beyond_the_classes_that_can_be_tried_no_reply_leaves_the_extremes(void **state)
{
	struct chance chance = {3};
	struct policy_zone *zone;
	struct policy_list *list;
	int32_t negative = 0, positive = 0;

	(void)state;
	zone = make_zone(policy, "bl.example");
	list = make_list(policy, "a.example", "127.0.0.2", "");
	for (unsigned i = 0; i < POLICY_LIST_SITES_MAX; i++) {
		add_wild_site(zone, list, &chance);
		if (zone->site[i].weight < 0)
			negative += zone->site[i].weight;
		else
			positive += zone->site[i].weight;
	}
	assert_true(compile_policy(policy, book));
	assert_true(zone->list[0].low >= negative);
	assert_true(zone->list[0].high <= positive);
	for (unsigned i = 0; i < 20000; i++) {
		struct answers answers = {0};
		int32_t sum = 0;

		for (uint32_t j = chance_below(&chance, EVIDENCE_ANSWERS_MAX) + 1; j > 0; j--)
			(void)answers_add(&answers, 127u << 24 | chance_below(&chance, 1u << 24));
		(void)match_weigh(zone, &zone->list[0], &answers, &sum);
		assert_in_range(sum + 1000, zone->list[0].low + 1000, zone->list[0].high + 1000);
	}
}

static void
set_server(struct policy_server *server, const char *address, uint16_t port)
{
	memset(server, 0, sizeof *server);
	strcpy(server->address, address);
	server->port = port;
}

static struct policy *
upstream_policy(void)
{
	struct policy *made = policy_open();
	struct policy_zone *zone = make_zone(made, "bl.example");
	struct policy_list *list;

	make_site(made, zone, "a.example");
	make_site(made, zone, "b.example");
	list = policy_list_find(made, "a.example");
	set_server(&list->server[0], "192.0.2.1", 53);
	set_server(&list->server[1], "192.0.2.2", 53);
	list->servers = 2;
	set_server(&made->forward[0], "192.0.2.9", 53);
	made->forwards = 1;
	return made;
}

static void
touch_nothing(struct policy *made)
{
	made->zone[0]->threshold = 9;
	made->deadline_ms = 7;
	policy_list_find(made, "a.example")->timeout_ms = 70;
}

static void
touch_query(struct policy *made)
{
	strcpy(policy_list_find(made, "b.example")->query, "key.b.example");
}

static void
touch_port(struct policy *made)
{
	policy_list_find(made, "a.example")->server[1].port = 54;
}

static void
touch_address(struct policy *made)
{
	strcpy(policy_list_find(made, "a.example")->server[0].address, "192.0.2.3");
}

static void
touch_servers(struct policy *made)
{
	policy_list_find(made, "a.example")->servers = 1;
}

static void
touch_forward(struct policy *made)
{
	made->forward[0].port = 5353;
}

static void
touch_forwards(struct policy *made)
{
	made->forwards = 0;
}

static void
touch_lists(struct policy *made)
{
	make_site(made, made->zone[0], "c.example");
}

static void
two_policies_have_the_same_upstream_when_they_ask_the_same_servers(void **state)
{
	static const struct {
		void (*touch)(struct policy *made);
		bool same;
	} of[] = {
	    {touch_nothing, true},
	    {touch_query, false},
	    {touch_port, false},
	    {touch_address, false},
	    {touch_servers, false},
	    {touch_forward, false},
	    {touch_forwards, false},
	    {touch_lists, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(of); i++) {
		struct policy *a = upstream_policy(), *b = upstream_policy();

		of[i].touch(b);
		assert_true(compile_policy(a, book));
		assert_true(compile_policy(b, book));
		assert_int_equal(policy_same_upstream(a, b), of[i].same);
		assert_int_equal(policy_same_upstream(b, a), of[i].same);
		assert_true(policy_same_upstream(b, b));
		policy_close(a);
		policy_close(b);
	}
}

#define WITH_POLICY(test) cmocka_unit_test_setup_teardown(test, open_policy, close_policy)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_POLICY(a_name_goes_to_the_longest_zone_that_it_is_under),
	    WITH_POLICY(a_name_outside_all_zones_has_none),
	    WITH_POLICY(a_zone_begins_at_a_label_not_inside_one),
	    WITH_POLICY(without_zones_every_name_is_outside),
	    WITH_POLICY(the_longest_names_are_looked_up_safely),
	    WITH_POLICY(a_thousand_accounts_are_all_found),
	    WITH_POLICY(sites_of_one_list_stand_together),
	    WITH_POLICY(a_list_takes_sixteen_sites_in_one_zone),
	    WITH_POLICY(grades_stand_in_ascending_order),
	    WITH_POLICY(lists_are_found_by_name_and_keep_their_address),
	    WITH_POLICY(only_used_lists_have_numbers_and_keep_them_over_a_reload),
	    WITH_POLICY(a_full_book_fails_the_compilation),
	    cmocka_unit_test(closing_no_policy_is_allowed),
	    WITH_POLICY(a_reply_is_weighed_by_listed_errors_and_filters),
	    WITH_POLICY(a_list_is_weighed_with_its_own_sites_only),
	    WITH_POLICY(the_extremes_are_what_some_reply_can_add),
	    WITH_POLICY(beyond_the_classes_that_can_be_tried_no_reply_leaves_the_extremes),
	    WITH_POLICY(two_policies_have_the_same_upstream_when_they_ask_the_same_servers),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
