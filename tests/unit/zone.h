/*
 * zone - build policies and evidence for tests in few words
 *
 * Lists get the codes that config gives an undescribed one, unless make_list said otherwise.
 */
#ifndef TESTS_UNIT_ZONE_H
#define TESTS_UNIT_ZONE_H

#include "aggregate/evidence.h"
#include "aggregate/policy.h"
#include "aggregate/site.h"
#include "aggregate/text.h"
#include "tests/unit/unit.h"

static inline struct pattern
make_pattern(const char *string)
{
	char said[200];
	struct text error;
	struct pattern pattern;

	text_init(&error, said, sizeof said);
	if (!pattern_parse(string, &pattern, &error))
		fail_msg("pattern \"%s\": %s", string, said);
	return pattern;
}

/* `listed` and `errors`: patterns with a space between them; "" for none. */
static inline struct policy_list *
make_list(struct policy *policy, const char *name, const char *listed, const char *errors)
{
	struct policy_list *list = policy_list_add(policy, name);
	const char *const words[] = {listed, errors};

	assert_non_null(list);
	for (unsigned i = 0; i < 2; i++) {
		for (const char *word = words[i]; *word != '\0';) {
			size_t length = strcspn(word, " ");
			char string[100] = "";
			struct pattern pattern;

			assert_true(length < sizeof string);
			memcpy(string, word, length);
			pattern = make_pattern(string);
			assert_true(i == 0 ? policy_list_add_listed(list, &pattern)
					   : policy_list_add_error(list, &pattern, ""));
			word += length + (word[length] == ' ');
		}
	}
	return list;
}

/* A zone without grades: make_grade adds them. */
static inline struct policy_zone *
make_zone(struct policy *policy, const char *name)
{
	struct policy_zone *zone = policy_zone_add(policy, name);

	assert_non_null(zone);
	zone->threshold = 1;
	zone->max_ttl = 60;
	zone->negative_ttl = 60;
	zone->adapt_band = 50;
	memcpy(zone->text, "%a is listed by %l", sizeof "%a is listed by %l");
	return zone;
}

static inline void
make_grade(struct policy_zone *zone, int32_t score, uint32_t address)
{
	assert_true(policy_zone_add_grade(zone, score, address));
}

/* One site in postscreen's syntax; the list comes into being if need be. */
static inline void
make_site(struct policy *policy, struct policy_zone *zone, const char *string)
{
	char said[200];
	struct text error;
	struct site site;
	struct policy_list *list;

	text_init(&error, said, sizeof said);
	if (!site_parse(string, &site, &error))
		fail_msg("site \"%s\": %s", string, said);
	list = policy_list_find(policy, site.list);
	if (list == NULL)
		list = make_list(policy, site.list,
		    "127.0.0.[0;2..255] 127.0.[1..255].[0..255] 127.[1..255].[0..255].[0..255]",
		    "127.255.255.[0..255]");
	assert_true(policy_zone_add_site(zone, list, &site));
}

/* A dotted address in host order. */
static inline uint32_t
make_address(const char *string)
{
	struct subject subject;

	if (!subject_parse(string, &subject) || subject.family != SUBJECT_IPV4)
		fail_msg("\"%s\" is no IPv4 address", string);
	return (uint32_t)subject.octet[0] << 24 | (uint32_t)subject.octet[1] << 16 |
	       (uint32_t)subject.octet[2] << 8 | subject.octet[3];
}

/* Addresses with a space between them. */
static inline struct answers
make_answers(const char *addresses)
{
	struct answers answers = {0};

	while (*addresses != '\0') {
		size_t length = strcspn(addresses, " ");
		char string[20] = "";

		assert_true(length < sizeof string);
		memcpy(string, addresses, length);
		assert_true(answers_add(&answers, make_address(string)));
		addresses += length + (addresses[length] == ' ');
	}
	return answers;
}

#endif
