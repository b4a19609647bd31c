#include "aggregate/option.h"

#include <string.h>

static void
apply_query(const struct option_given *given, const struct option *option)
{
	struct policy_list *list = given->object;
	const char *word = option_word(given, 0);
	char folded[NAME_TEXT_MAX + 1];

	(void)option;
	if (word[0] == '\0')
		return;
	if (!name_fold(word, folded))
		option_mistake(given, 0, "expected a domain name%s",
		    word[0] == '.' ? ": is the variable of the environment in it set?" : "");
	else if (strlen(folded) > NAME_UNDER_MAX)
		option_mistake(given, 0, "too long: an IPv6 address in front of it makes no name");
	else
		memcpy(list->query, folded, sizeof folded);
}

static void
apply_servers(const struct option_given *given, const struct option *option)
{
	struct policy_list *list = given->object;

	(void)option;
	list->servers = option_servers(given, list->server);
}

static void
apply_family(const struct option_given *given, const struct option *option)
{
	struct policy_list *list = given->object;

	(void)option;
	list->families = 0;
	if (given->value->words == 1 && strcmp(option_word(given, 0), "domain") == 0)
		return; /* no zone can name it, see config_zones */
	if (given->value->words == 0)
		option_mistake(given, 0, "expected \"ipv4\", \"ipv6\" or both");
	for (size_t i = 0; i < given->value->words; i++) {
		int family = option_choice_of("ipv4 ipv6 domain", option_word(given, i));

		if (family < 0)
			option_mistake(given, i, "expected one of: ipv4 ipv6 domain");
		else if (family == 2)
			option_mistake(given, i, "lists of domains are not yet in this version");
		else
			list->families |= 1u << (family == 0 ? SUBJECT_IPV4 : SUBJECT_IPV6);
	}
}

/* true, false, or which of the tests hold for this list. */
static void
apply_test(const struct option_given *given, const struct option *option)
{
	static const char tests[] = "127.0.0.2 127.0.0.1 canary"; /* bit 0, 1, 2 */
	struct policy_list *list = given->object;
	size_t words = given->value->words;
	int truth =
	    words == 1 ? option_choice_of("false true no yes off on", option_word(given, 0)) : -1;

	(void)option;
	list->tests = truth >= 0 && (truth & 1) == 1 ? POLICY_TEST_ALL : 0;
	for (size_t i = 0; truth < 0 && i < words; i++) {
		int test = option_choice_of(tests, option_word(given, i));

		if (test < 0)
			option_mistake(given, i, "expected true, false, or some of: %s", tests);
		else
			list->tests |= 1u << test;
	}
}

/* A pattern of answers of lists. */
static bool
read_pattern(
    const struct option_given *given, size_t i, const char *string, struct pattern *pattern)
{
	char said[200];
	struct text error;

	text_init(&error, said, sizeof said);
	if (!pattern_parse(string, pattern, &error)) {
		option_mistake(given, i, "%s", said);
		return false;
	}
	if (!pattern_begins(pattern, 127)) {
		option_mistake(given, i, "answers of lists are in 127.0.0.0/8");
		return false;
	}
	return true;
}

static void
apply_listed(const struct option_given *given, const struct option *option)
{
	struct pattern pattern;

	(void)option;
	if (given->value->words == 0)
		option_mistake(given, 0, "expected at least one address or pattern");
	for (size_t i = 0; i < given->value->words; i++)
		if (read_pattern(given, i, option_word(given, i), &pattern))
			policy_list_add_listed(given->object, &pattern);
}

/* "pattern" or "pattern words": what the code means. */
static void
apply_errors(const struct option_given *given, const struct option *option)
{
	(void)option;
	for (size_t i = 0; i < given->value->words; i++) {
		const char *string = option_word(given, i);
		size_t length = strcspn(string, " \t");
		const char *rest = string + length + strspn(string + length, " \t");
		char code[200], words[POLICY_WORDS_MAX + 1];
		struct pattern pattern;
		struct text text;

		text_init(&text, code, sizeof code);
		text_add_bytes(&text, string, length);
		if (!read_pattern(given, i, code, &pattern))
			continue;
		text_init(&text, words, sizeof words);
		text_add_printable(&text, rest, strlen(rest));
		if (text.cut)
			option_mistake(
			    given, i, "more than %d characters of explanation", POLICY_WORDS_MAX);
		policy_list_add_error(given->object, &pattern, words);
	}
}

const struct option option_list[] = {
    {"kind", false, option_choice, offsetof(struct policy_list, kind), 0, 0, "block allow"},
    {"query", false, apply_query, 0, 0, 0, NULL},
    {"server", true, apply_servers, 0, 0, 0, NULL},
    {"family", true, apply_family, 0, 0, 0, NULL},
    {"listed", true, apply_listed, 0, 0, 0, NULL},
    {"errors", true, apply_errors, 0, 0, 0, NULL},
    {"test", true, apply_test, 0, 0, 0, NULL},
    {"ask", false, option_choice, offsetof(struct policy_list, ask), 0, 0, "always undecided"},
    {"timeout-ms", false, option_number, offsetof(struct policy_list, timeout_ms), 50, 60000, NULL},
    {"min-ttl", false, option_number, offsetof(struct policy_list, min_ttl), 1, 86400, NULL},
    {"max-ttl", false, option_number, offsetof(struct policy_list, max_ttl), 1, 604800, NULL},
    {"max-qps", false, option_number, offsetof(struct policy_list, max_qps), 0, 1000000, NULL},
    {"max-per-day", false, option_number, offsetof(struct policy_list, max_per_day), 0, 1000000000,
	NULL},
    {"part-of", false, option_elsewhere, 0, 0, 0, NULL},
    {"dead", false, option_elsewhere, 0, 0, 0, NULL},
    {NULL, false, NULL, 0, 0, 0, NULL},
};
