#include "aggregate/exception.h"

#include <stdio.h>

#include "tests/unit/excepting.h"

#define NOW 1000000u

static void
apply(struct exceptions *table, const char *zone, const char *prefix, enum exception_action action,
    int32_t score, uint32_t until)
{
	struct exception_entry entry = make_entry(zone, prefix, action, score, until);

	assert_true(exceptions_apply(table, &entry));
}

static bool
find_above(const struct exceptions *table, const char *zone, const char *const *above,
    size_t aboves, const char *string, uint32_t now, struct exception *found)
{
	struct subject subject = make_subject(string);
	struct exception_scopes scopes;

	exceptions_scopes(table, zone, above, aboves, &scopes);
	return exceptions_find(table, &scopes, &subject, now, found);
}

static bool
find(const struct exceptions *table, const char *string, struct exception *found)
{
	return find_above(table, "bl.example", NULL, 0, string, NOW, found);
}

/* Is this what counts for the address? `prefix` NULL: nothing is. */
static void
expect(const struct exceptions *table, const char *string, const char *prefix,
    enum exception_action action)
{
	struct exception found;
	struct prefix wanted;

	if (!find(table, string, &found)) {
		if (prefix != NULL)
			fail_msg("%s: nothing found, not %s", string, prefix);
		return;
	}
	if (prefix == NULL)
		fail_msg("%s: found /%u", string, found.prefix.length);
	wanted = make_prefix(prefix);
	if (!same_prefix(&found.prefix, &wanted) || found.action != action)
		fail_msg("%s: found /%u, not %s", string, found.prefix.length, prefix);
}

static void
an_empty_table_finds_nothing(void **state)
{
	struct exceptions *table = exceptions_open();
	struct exception_scopes scopes;

	(void)state;
	expect(table, "192.0.2.1", NULL, 0);
	expect(table, "2001:db8::1", NULL, 0);
	assert_int_equal(exceptions_count(table), 0);
	exceptions_scopes(table, "bl.example", NULL, 0, &scopes);
	assert_int_equal(scopes.count, 0);
	exceptions_close(table);
	exceptions_close(NULL);
}

static void
the_longest_prefix_wins_in_whatever_order_they_came(void **state)
{
	static const char *const prefix[] = {"0.0.0.0/0", "192.0.0.0/8", "192.0.2.0/24",
	    "192.0.2.0/25", "192.0.2.0/31", "192.0.2.0"};

	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		struct exceptions *table = exceptions_open();

		for (size_t i = 0; i < COUNT(prefix); i++)
			apply(table, "", prefix[order == 0 ? i : COUNT(prefix) - 1 - i],
			    EXCEPTION_BLOCK, 0, 0);
		expect(table, "192.0.2.0", "192.0.2.0", EXCEPTION_BLOCK);
		expect(table, "192.0.2.1", "192.0.2.0/31", EXCEPTION_BLOCK);
		expect(table, "192.0.2.2", "192.0.2.0/25", EXCEPTION_BLOCK);
		expect(table, "192.0.2.127", "192.0.2.0/25", EXCEPTION_BLOCK);
		expect(table, "192.0.2.128", "192.0.2.0/24", EXCEPTION_BLOCK);
		expect(table, "192.0.3.0", "192.0.0.0/8", EXCEPTION_BLOCK);
		expect(table, "193.0.0.0", "0.0.0.0/0", EXCEPTION_BLOCK);
		expect(table, "255.255.255.255", "0.0.0.0/0", EXCEPTION_BLOCK);
		expect(table, "2001:db8::1", NULL, 0);
		assert_int_equal(exceptions_count(table), COUNT(prefix));
		exceptions_close(table);
	}
}

static void
every_length_of_both_families_is_found_at_its_edges(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits <= 160; bits++) {
		struct exceptions *table = exceptions_open();
		bool v6 = bits > 32;
		unsigned length = v6 ? bits - 33 + 1 : bits;
		struct subject subject = make_subject(v6 ? "ff00::" : "240.0.0.0");
		struct exception_entry entry = {.action = EXCEPTION_ALLOW};
		struct exception found;
		struct exception_scopes scopes;

		if (v6 && length > 128)
			length = 128;
		/* the base: the first `length` bits of it */
		for (unsigned i = length; i < (v6 ? 128u : 32u); i++)
			subject.octet[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
		entry.prefix = (struct prefix){.base = subject, .length = length};
		assert_true(exceptions_apply(table, &entry));
		exceptions_scopes(table, "", NULL, 0, &scopes);
		assert_true(exceptions_find(table, &scopes, &subject, NOW, &found));
		assert_int_equal(found.prefix.length, length);
		for (unsigned i = length; i < (v6 ? 128u : 32u); i++)
			subject.octet[i / 8] |= (uint8_t)(0x80u >> i % 8);
		if (!exceptions_find(table, &scopes, &subject, NOW, &found))
			fail_msg("the last of a /%u", length);
		if (length > 0) {
			subject.octet[(length - 1) / 8] ^= (uint8_t)(0x80u >> (length - 1) % 8);
			assert_false(exceptions_find(table, &scopes, &subject, NOW, &found));
		}
		exceptions_close(table);
	}
}

static void
an_entry_counts_before_its_second_and_not_in_it(void **state)
{
	struct exceptions *table = exceptions_open();
	struct exception found;

	(void)state;
	apply(table, "", "192.0.2.0/24", EXCEPTION_BLOCK, 0, 0);
	apply(table, "", "192.0.2.1", EXCEPTION_ALLOW, 0, NOW);
	assert_true(find_above(table, "", NULL, 0, "192.0.2.1", NOW - 1, &found));
	assert_int_equal(found.action, EXCEPTION_ALLOW);
	assert_int_equal(found.until, NOW);
	assert_true(find_above(table, "", NULL, 0, "192.0.2.1", NOW, &found));
	assert_int_equal(found.action, EXCEPTION_BLOCK);
	assert_int_equal(found.until, 0);
	assert_int_equal(found.prefix.length, 24);
	apply(table, "", "198.51.100.1", EXCEPTION_ALLOW, 0, NOW);
	assert_false(find_above(table, "", NULL, 0, "198.51.100.1", NOW, &found));
	apply(table, "", "198.51.100.1", EXCEPTION_ALLOW, 0, UINT32_MAX);
	assert_true(find_above(table, "", NULL, 0, "198.51.100.1", UINT32_MAX - 1, &found));
	assert_false(find_above(table, "", NULL, 0, "198.51.100.1", UINT32_MAX, &found));
	exceptions_close(table);
}

static void
an_entry_of_the_zone_that_is_over_leaves_room_for_those_above(void **state)
{
	static const char *const above[] = {"bl.example"};
	struct exceptions *table = exceptions_open();
	struct exception found;

	(void)state;
	apply(table, "u1.bl.example", "192.0.2.1", EXCEPTION_ALLOW, 0, NOW);
	apply(table, "bl.example", "192.0.2.0/24", EXCEPTION_BLOCK, 0, 0);
	assert_true(find_above(table, "u1.bl.example", above, 1, "192.0.2.1", NOW - 1, &found));
	assert_int_equal(found.action, EXCEPTION_ALLOW);
	assert_true(find_above(table, "u1.bl.example", above, 1, "192.0.2.1", NOW, &found));
	assert_int_equal(found.action, EXCEPTION_BLOCK);
	exceptions_close(table);
}

static void
the_own_zone_comes_before_those_above_in_their_order_and_those_before_all(void **state)
{
	static const char *const above[] = {"u1.bl.example", "bl.example"};
	static const char *const order[] = {
	    "deep.u1.bl.example", "u1.bl.example", "bl.example", ""};
	/* the nearer the zone, the shorter its prefix: length must not matter */
	static const char *const prefix[] = {
	    "192.0.0.0/8", "192.0.0.0/16", "192.0.2.0/24", "192.0.2.1"};
	struct exceptions *table = exceptions_open();
	struct exception found;

	(void)state;
	for (size_t i = COUNT(order); i-- > 0;)
		apply(table, order[i], prefix[i], EXCEPTION_SCORE, (int32_t)i, 0);
	apply(table, "other.example", "192.0.2.1", EXCEPTION_SCORE, 77, 0);
	for (size_t i = 0; i < COUNT(order); i++) {
		assert_true(
		    find_above(table, order[0], above, COUNT(above), "192.0.2.1", NOW, &found));
		assert_int_equal(found.action, EXCEPTION_SCORE);
		assert_int_equal(found.score, i);
		assert_string_equal(found.zone, order[i]);
		apply(table, order[i], prefix[i], EXCEPTION_FORGET, 0, 0);
	}
	assert_false(find_above(table, order[0], above, COUNT(above), "192.0.2.1", NOW, &found));
	assert_true(find_above(table, "other.example", NULL, 0, "192.0.2.1", NOW, &found));
	assert_int_equal(found.score, 77);
	exceptions_close(table);
}

static void
zones_without_entries_take_no_room_among_the_scopes(void **state)
{
	static const char *const above[] = {"a.example", "b.example", "c.example"};
	struct exceptions *table = exceptions_open();
	struct exception_scopes scopes;

	(void)state;
	apply(table, "b.example", "192.0.2.1", EXCEPTION_ALLOW, 0, 0);
	exceptions_scopes(table, "x.example", above, COUNT(above), &scopes);
	assert_int_equal(scopes.count, 1);
	apply(table, "", "192.0.2.1", EXCEPTION_ALLOW, 0, 0);
	exceptions_scopes(table, "x.example", above, COUNT(above), &scopes);
	assert_int_equal(scopes.count, 2);
	exceptions_close(table);
}

static void
the_same_bits_in_another_family_are_another_prefix(void **state)
{
	struct exceptions *table = exceptions_open();

	(void)state;
	apply(table, "", "32.1.13.0/24", EXCEPTION_ALLOW, 0, 0); /* 2001:0d00::/24, in bits */
	apply(table, "", "2001:d00::/24", EXCEPTION_BLOCK, 0, 0);
	apply(table, "", "0.0.0.0/0", EXCEPTION_BLOCK, 0, 0);
	apply(table, "", "::/0", EXCEPTION_ALLOW, 0, 0);
	assert_int_equal(exceptions_count(table), 4);
	expect(table, "32.1.13.184", "32.1.13.0/24", EXCEPTION_ALLOW);
	expect(table, "2001:db8::", "2001:d00::/24", EXCEPTION_BLOCK);
	expect(table, "1.2.3.4", "0.0.0.0/0", EXCEPTION_BLOCK);
	expect(table, "::1:2", "::/0", EXCEPTION_ALLOW);
	apply(table, "", "32.1.13.0/24", EXCEPTION_FORGET, 0, 0);
	expect(table, "32.1.13.184", "0.0.0.0/0", EXCEPTION_BLOCK);
	expect(table, "2001:db8::", "2001:d00::/24", EXCEPTION_BLOCK);
	/* an IPv4-mapped one is that IPv4 subject */
	expect(table, "::ffff:1.2.3.4", "0.0.0.0/0", EXCEPTION_BLOCK);
	exceptions_close(table);
}

static void
an_entry_is_replaced_whole(void **state)
{
	struct exceptions *table = exceptions_open();
	struct exception found;

	(void)state;
	apply(table, "", "192.0.2.1", EXCEPTION_SCORE, -EXCEPTION_SCORE_MAX, NOW + 5);
	assert_true(find(table, "192.0.2.1", &found));
	assert_int_equal(found.score, -EXCEPTION_SCORE_MAX);
	assert_int_equal(found.until, NOW + 5);
	apply(table, "", "192.0.2.1", EXCEPTION_SCORE, EXCEPTION_SCORE_MAX, 0);
	assert_true(find(table, "192.0.2.1", &found));
	assert_int_equal(found.score, EXCEPTION_SCORE_MAX);
	assert_int_equal(found.until, 0);
	apply(table, "", "192.0.2.1", EXCEPTION_ALLOW, 0, 0);
	assert_true(find(table, "192.0.2.1", &found));
	assert_int_equal(found.action, EXCEPTION_ALLOW);
	assert_int_equal(found.score, 0);
	assert_int_equal(exceptions_count(table), 1);
	exceptions_close(table);
}

static void
forgetting_takes_exactly_the_one_entry(void **state)
{
	struct exceptions *table = exceptions_open();

	(void)state;
	apply(table, "", "192.0.2.0/24", EXCEPTION_ALLOW, 0, 0);
	apply(table, "", "192.0.2.0", EXCEPTION_ALLOW, 0, 0);
	apply(table, "bl.example", "192.0.2.0", EXCEPTION_BLOCK, 0, 0);
	apply(table, "", "192.0.2.0/25", EXCEPTION_FORGET, 0, 0); /* there is none */
	apply(table, "no.example", "192.0.2.0", EXCEPTION_FORGET, 0, 0);
	assert_int_equal(exceptions_count(table), 3);
	expect(table, "192.0.2.0", "192.0.2.0", EXCEPTION_BLOCK);
	apply(table, "bl.example", "192.0.2.0", EXCEPTION_FORGET, 0, 0);
	expect(table, "192.0.2.0", "192.0.2.0", EXCEPTION_ALLOW);
	apply(table, "", "192.0.2.0", EXCEPTION_FORGET, 0, 0);
	expect(table, "192.0.2.0", "192.0.2.0/24", EXCEPTION_ALLOW);
	apply(table, "", "192.0.2.0", EXCEPTION_FORGET, 0, 0);
	assert_int_equal(exceptions_count(table), 1);
	apply(table, "", "192.0.2.0", EXCEPTION_BLOCK, 0, 0);
	expect(table, "192.0.2.0", "192.0.2.0", EXCEPTION_BLOCK);
	exceptions_close(table);
}

static void
a_copy_lives_on_its_own(void **state)
{
	struct exceptions *table = exceptions_open(), *copy;
	struct exception found;

	(void)state;
	apply(table, "bl.example", "192.0.2.1", EXCEPTION_ALLOW, 0, 0);
	apply(table, "", "192.0.2.2", EXCEPTION_ALLOW, 0, 0);
	copy = exceptions_copy(table);
	apply(copy, "bl.example", "192.0.2.1", EXCEPTION_BLOCK, 0, 0);
	apply(copy, "", "192.0.2.2", EXCEPTION_FORGET, 0, 0);
	apply(copy, "new.example", "192.0.2.3", EXCEPTION_ALLOW, 0, 0);
	expect(table, "192.0.2.1", "192.0.2.1", EXCEPTION_ALLOW);
	expect(table, "192.0.2.2", "192.0.2.2", EXCEPTION_ALLOW);
	assert_false(find_above(table, "new.example", NULL, 0, "192.0.2.3", NOW, &found));
	exceptions_close(table);
	expect(copy, "192.0.2.1", "192.0.2.1", EXCEPTION_BLOCK);
	expect(copy, "192.0.2.2", NULL, 0);
	assert_true(find_above(copy, "new.example", NULL, 0, "192.0.2.3", NOW, &found));
	assert_string_equal(found.zone, "new.example");
	exceptions_close(copy);
	table = exceptions_open();
	copy = exceptions_copy(table);
	exceptions_close(table);
	expect(copy, "192.0.2.1", NULL, 0);
	exceptions_close(copy);
}

static struct exception_entry
numbered_entry(uint32_t i)
{
	struct exception_entry entry = {.action = EXCEPTION_BLOCK,
	    .prefix = {.base = {.family = i % 4 == 0 ? SUBJECT_IPV6 : SUBJECT_IPV4}}};
	uint32_t mixed = i * 2654435761u; /* odd: no two are the same */

	for (unsigned j = 0; j < 4; j++)
		entry.prefix.base.octet[j] = (uint8_t)(mixed >> (24 - 8 * j));
	entry.prefix.length = i % 4 == 0 ? 48 : 32;
	return entry;
}

static void
a_million_entries_fit_in_64_mebibytes(void **state)
{
	struct exceptions *table = exceptions_open();
	struct exception_scopes scopes;
	struct exception found;

	(void)state;
	for (uint32_t i = 0; i < 1000000; i++) {
		struct exception_entry entry = numbered_entry(i);

		if (!exceptions_apply(table, &entry))
			fail_msg("entry %u", i);
	}
	assert_int_equal(exceptions_count(table), 1000000);
	assert_true(exceptions_bytes(table) <= (size_t)64 << 20);
	assert_true(exceptions_bytes(table) >= (size_t)1000000 * 20);
	exceptions_scopes(table, "", NULL, 0, &scopes);
	for (uint32_t i = 0; i < 1100000; i += 7) {
		struct exception_entry entry = numbered_entry(i);

		if (exceptions_find(table, &scopes, &entry.prefix.base, NOW, &found) !=
		    (i < 1000000))
			fail_msg("entry %u", i);
	}
	exceptions_close(table);
}

static void
coming_and_going_entries_do_not_let_the_table_grow(void **state)
{
	struct exceptions *table = exceptions_open();
	size_t bytes = 0;

	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		struct exception_entry entry = numbered_entry(i), old = numbered_entry(i - 500);

		assert_true(exceptions_apply(table, &entry));
		old.action = EXCEPTION_FORGET;
		if (i >= 500)
			assert_true(exceptions_apply(table, &old));
		if (i == 2000)
			bytes = exceptions_bytes(table);
	}
	assert_int_equal(exceptions_count(table), 500);
	assert_int_equal(exceptions_bytes(table), bytes);
	exceptions_close(table);
}

/* A list of entries that is gone through from end to end: what the table must agree with. */
#define NAIVE_MAX 400

struct naive {
	struct exception_entry entry[NAIVE_MAX];
	size_t count;
};

static void
naive_apply(struct naive *naive, const struct exception_entry *entry)
{
	size_t i = 0;

	while (i < naive->count && (strcmp(naive->entry[i].zone, entry->zone) != 0 ||
				       !same_prefix(&naive->entry[i].prefix, &entry->prefix)))
		i++;
	if (entry->action == EXCEPTION_FORGET) {
		if (i < naive->count)
			naive->entry[i] = naive->entry[--naive->count];
		return;
	}
	assert_true(i < NAIVE_MAX);
	naive->entry[i] = *entry;
	if (i == naive->count)
		naive->count++;
}

/* Bit by bit, with nothing of the module's own. */
static bool
naive_covers(const struct prefix *prefix, const struct subject *subject)
{
	if (prefix->base.family != subject->family)
		return false;
	for (unsigned i = 0; i < prefix->length; i++)
		if (((prefix->base.octet[i / 8] ^ subject->octet[i / 8]) & (0x80u >> i % 8)) != 0)
			return false;
	return true;
}

static const struct exception_entry *
naive_find(const struct naive *naive, const char *const *zones, size_t count,
    const struct subject *subject, uint32_t now)
{
	const struct exception_entry *best = NULL;

	for (size_t zone = 0; zone < count && best == NULL; zone++)
		for (size_t i = 0; i < naive->count; i++) {
			const struct exception_entry *entry = &naive->entry[i];

			if (strcmp(entry->zone, zones[zone]) != 0 ||
			    !naive_covers(&entry->prefix, subject) ||
			    (entry->until != 0 && entry->until <= now))
				continue;
			if (best == NULL || entry->prefix.length > best->prefix.length)
				best = entry;
		}
	return best;
}

static const char *const zones[] = {"deep.u1.bl.example", "u1.bl.example", "bl.example", ""};

/* Close together, so that prefixes cover each other and addresses are covered. */
static struct subject
chance_subject(struct chance *chance)
{
	struct subject subject = {0};
	bool v6 = chance_below(chance, 3) == 0;

	subject.family = v6 ? SUBJECT_IPV6 : SUBJECT_IPV4;
	for (unsigned i = 0; i < (v6 ? 16u : 4u); i++)
		subject.octet[i] =
		    (uint8_t)(chance_below(chance, 4) == 0
				  ? chance_below(chance, 4) << chance_below(chance, 7)
				  : 10);
	return subject;
}

static struct exception_entry
chance_entry(struct chance *chance)
{
	struct exception_entry entry = {.prefix.base = chance_subject(chance)};
	const char *zone = zones[chance_below(chance, COUNT(zones))];
	unsigned bits = entry.prefix.base.family == SUBJECT_IPV6 ? 128 : 32;

	memcpy(entry.zone, zone, strlen(zone) + 1);
	entry.prefix.length = chance_below(chance, bits + 1);
	for (unsigned i = entry.prefix.length; i < bits; i++)
		entry.prefix.base.octet[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
	entry.action = (enum exception_action)chance_below(chance, 4);
	if (entry.action == EXCEPTION_SCORE)
		entry.score = chance_from(chance, -EXCEPTION_SCORE_MAX, EXCEPTION_SCORE_MAX);
	if (chance_below(chance, 3) == 0)
		entry.until = NOW + chance_below(chance, 20);
	return entry;
}

static void
compare(struct exceptions *table, const struct naive *naive, struct chance *chance)
{
	size_t first = chance_below(chance, COUNT(zones) - 1);
	struct subject subject = chance_subject(chance);
	uint32_t now = NOW + chance_below(chance, 20);
	struct exception_scopes scopes;
	struct exception found;
	const struct exception_entry *wanted;

	exceptions_scopes(
	    table, zones[first], zones + first + 1, COUNT(zones) - 2 - first, &scopes);
	wanted = naive_find(naive, zones + first, COUNT(zones) - first, &subject, now);
	if (exceptions_find(table, &scopes, &subject, now, &found) != (wanted != NULL))
		fail_msg("%s", wanted == NULL ? "found what is not there" : "not found");
	if (wanted == NULL)
		return;
	assert_int_equal(found.action, wanted->action);
	assert_int_equal(found.score, wanted->score);
	assert_int_equal(found.until, wanted->until);
	assert_string_equal(found.zone, wanted->zone);
	assert_true(same_prefix(&found.prefix, &wanted->prefix));
}

static void
the_table_agrees_with_a_naive_list_of_prefixes(void **state)
{
	struct exceptions *table = exceptions_open();
	static struct naive naive;
	struct chance chance = {4};

	(void)state;
	for (unsigned round = 0; round < 10000; round++) {
		struct exception_entry entry = chance_entry(&chance);

		if (naive.count == NAIVE_MAX)
			entry = naive.entry[chance_below(&chance, NAIVE_MAX)];
		if (naive.count == NAIVE_MAX)
			entry.action = EXCEPTION_FORGET;
		naive_apply(&naive, &entry);
		assert_true(exceptions_apply(table, &entry));
		assert_int_equal(exceptions_count(table), naive.count);
		for (unsigned i = 0; i < 15; i++)
			compare(table, &naive, &chance);
		if (round % 100 == 0) {
			struct exceptions *copy = exceptions_copy(table);

			exceptions_close(table);
			table = copy;
		}
	}
	assert_true(naive.count > 100);
	exceptions_close(table);
}

static void
many_zones_each_have_their_own(void **state)
{
	struct exceptions *table = exceptions_open();
	char zone[40];

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		(void)snprintf(zone, sizeof zone, "u%u.bl.example", i);
		apply(table, zone, "192.0.2.1", EXCEPTION_SCORE, (int32_t)i, 0);
	}
	for (unsigned i = 0; i < 500; i++) {
		struct exception found;

		(void)snprintf(zone, sizeof zone, "u%u.bl.example", i);
		assert_true(find_above(table, zone, NULL, 0, "192.0.2.1", NOW, &found));
		assert_int_equal(found.score, i);
		assert_string_equal(found.zone, zone);
	}
	exceptions_close(table);
}

static void
actions_have_their_words(void **state)
{
	(void)state;
	assert_string_equal(exception_word(EXCEPTION_ALLOW), "allow");
	assert_string_equal(exception_word(EXCEPTION_BLOCK), "block");
	assert_string_equal(exception_word(EXCEPTION_SCORE), "score");
	assert_string_equal(exception_word(EXCEPTION_FORGET), "forget");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_table_finds_nothing),
	    cmocka_unit_test(the_longest_prefix_wins_in_whatever_order_they_came),
	    cmocka_unit_test(every_length_of_both_families_is_found_at_its_edges),
	    cmocka_unit_test(an_entry_counts_before_its_second_and_not_in_it),
	    cmocka_unit_test(an_entry_of_the_zone_that_is_over_leaves_room_for_those_above),
	    cmocka_unit_test(
		the_own_zone_comes_before_those_above_in_their_order_and_those_before_all),
	    cmocka_unit_test(zones_without_entries_take_no_room_among_the_scopes),
	    cmocka_unit_test(the_same_bits_in_another_family_are_another_prefix),
	    cmocka_unit_test(an_entry_is_replaced_whole),
	    cmocka_unit_test(forgetting_takes_exactly_the_one_entry),
	    cmocka_unit_test(a_copy_lives_on_its_own),
	    cmocka_unit_test(a_million_entries_fit_in_64_mebibytes),
	    cmocka_unit_test(coming_and_going_entries_do_not_let_the_table_grow),
	    cmocka_unit_test(the_table_agrees_with_a_naive_list_of_prefixes),
	    cmocka_unit_test(many_zones_each_have_their_own),
	    cmocka_unit_test(actions_have_their_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
