#include "aggregate/option.h"

#include <string.h>

/* An address that a client may be given: in 127.0.0.0/8, but no test point and no error code. */
static bool
read_answer(const struct option_given *given, size_t i, const char *text, uint32_t *address)
{
	struct subject subject;
	const uint8_t *octet = subject.octet;

	if (!subject_parse(text, &subject) || subject.family != SUBJECT_IPV4 || octet[0] != 127) {
		option_mistake(given, i, "expected an address in 127.0.0.0/8");
		return false;
	}
	*address = (uint32_t)octet[0] << 24 | (uint32_t)octet[1] << 16 | (uint32_t)octet[2] << 8 |
		   octet[3];
	if (*address == 0x7f000001u || *address >> 8 == 0x7fffffu) {
		option_mistake(given, i, "clients take 127.0.0.1 and 127.255.255.x for errors");
		return false;
	}
	return true;
}

/* "score=address" */
static void
apply_grade(const struct option_given *given, size_t i)
{
	struct policy_zone *zone = given->object;
	const char *cursor = option_word(given, i);
	uint32_t score, address;

	if (!text_read_number(&cursor, SITE_WEIGHT_MAX * 100, &score) || score == 0 ||
	    *cursor != '=') {
		option_mistake(given, i, "expected \"score=address\", the score 1 or more");
		return;
	}
	if (!read_answer(given, i, cursor + 1, &address))
		return;
	for (size_t j = 0; j < zone->grades; j++)
		if (zone->grade[j].score == (int32_t)score)
			option_mistake(given, i, "this score has an answer already");
	policy_zone_add_grade(zone, (int32_t)score, address);
}

static void
apply_answers(const struct option_given *given, const struct option *option)
{
	(void)option;
	for (size_t i = 0; i < given->value->words; i++)
		apply_grade(given, i);
}

static void
apply_zone_allow(const struct option_given *given, const struct option *option)
{
	struct prefix prefix;

	(void)option;
	for (size_t i = 0; i < given->value->words; i++) {
		if (!prefix_parse(option_word(given, i), &prefix))
			option_mistake(given, i, OPTION_PREFIX_EXPECTED);
		else
			policy_zone_add_allow(given->object, &prefix);
	}
}

static void
apply_on_failure(const struct option_given *given, const struct option *option)
{
	struct policy_zone *zone = given->object;
	int choice = option_choice_of("pass defer", option_word(given, 0));
	struct subject subject;

	(void)option;
	if (choice >= 0)
		zone->on_failure = choice == 0 ? POLICY_PASS : POLICY_DEFER;
	else if (!subject_parse(option_word(given, 0), &subject))
		option_mistake(given, 0, "expected \"pass\", \"defer\" or an address");
	else if (read_answer(given, 0, option_word(given, 0), &zone->failure_address))
		zone->on_failure = POLICY_ANSWER;
}

static void
apply_text(const struct option_given *given, const struct option *option)
{
	for (const char *c = strchr(option_word(given, 0), '%'); c != NULL;
	     c = strchr(c + 2, '%')) {
		if (c[1] == '\0' || strchr("aclstz%", c[1]) == NULL) {
			option_mistake(given, 0,
			    "\"%.2s\" is no macro; there are %%a %%c %%l %%s %%t %%z and %%%%", c);
			return;
		}
	}
	if (option_word(given, 0)[0] == '\0')
		option_mistake(given, 0, "clients take an empty text for \"not listed\"");
	else
		option_string(given, option);
}

static void
apply_adapt(const struct option_given *given, const struct option *option)
{
	(void)option;
	((struct policy_zone *)given->object)->adapt = option_truth(given) == 1;
}

const struct option option_zone[] = {
    {"kind", false, option_choice, offsetof(struct policy_zone, kind), 0, 0, "block allow local"},
    {"allow", true, apply_zone_allow, 0, 0, 0, NULL},
    {"like", false, option_elsewhere, 0, 0, 0, NULL},
    {"sites", true, option_elsewhere, 0, 0, 0, NULL},
    {"threshold", false, option_number, offsetof(struct policy_zone, threshold), 1,
	SITE_WEIGHT_MAX * 100, NULL},
    {"answers", true, apply_answers, 0, 0, 0, NULL},
    {"on-failure", false, apply_on_failure, 0, 0, 0, NULL},
    {"text", false, apply_text, offsetof(struct policy_zone, text), 0, POLICY_TEXT_MAX, NULL},
    {"max-ttl", false, option_number, offsetof(struct policy_zone, max_ttl), 1, 86400, NULL},
    {"negative-ttl", false, option_number, offsetof(struct policy_zone, negative_ttl), 1, 86400,
	NULL},
    {"adapt", false, apply_adapt, 0, 0, 0, NULL},
    {"adapt-band", false, option_number, offsetof(struct policy_zone, adapt_band), 1, 100, NULL},
    {NULL, false, NULL, 0, 0, 0, NULL},
};
