#include "aggregate/option.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PORT 53
#define PREFIX_EXPECTED "expected an address or prefix like 192.0.2.0/24, host bits 0"

/* "name = "word": text", told by mistakes_add or mistakes_warn; without a word that is secret. */
static void __attribute__((format(printf, 4, 0))) tell(const struct option_given *given, bool wrong,
    size_t word, const char *format, va_list arguments)
{
	const struct syntax_value *value = given->value;
	bool there = word < value->words;
	const char *text = there ? value->word[word].text : "";
	unsigned line = there ? value->word[word].line : value->line;
	char said[500];

	(void)vsnprintf(said, sizeof said, format, arguments);
	if (strcmp(value->name, "query") == 0)
		(wrong ? mistakes_add : mistakes_warn)(
		    given->mistakes, given->file, line, "query: %s", said);
	else
		(wrong ? mistakes_add : mistakes_warn)(given->mistakes, given->file, line,
		    "%s = \"%.200s\": %s", value->name, text, said);
}

void
option_mistake(const struct option_given *given, size_t word, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	tell(given, true, word, format, arguments);
	va_end(arguments);
}

void
option_warning(const struct option_given *given, size_t word, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	tell(given, false, word, format, arguments);
	va_end(arguments);
}

static void *
member(const struct option_given *given, const struct option *option)
{
	return (char *)given->object + option->offset;
}

static const char *
word(const struct option_given *given, size_t i)
{
	return given->value->word[i].text;
}

/* Which of the space-separated choices is `text`? -1 for none. */
static int
choice_of(const char *choices, const char *text)
{
	size_t length = strlen(text);

	for (int i = 0; *choices != '\0'; i++) {
		size_t each = strcspn(choices, " ");

		if (each == length && memcmp(choices, text, length) == 0)
			return i;
		choices += each + (choices[each] == ' ');
	}
	return -1;
}

static void
apply_number(const struct option_given *given, const struct option *option)
{
	const char *cursor = word(given, 0);
	uint32_t number;

	if (!text_read_number(&cursor, option->max, &number) || *cursor != '\0' ||
	    number < option->min)
		option_mistake(given, 0, "expected a number of %u to %u", option->min, option->max);
	else
		*(uint32_t *)member(given, option) = number;
}

static void
apply_choice(const struct option_given *given, const struct option *option)
{
	int choice = choice_of(option->words, word(given, 0));

	if (choice < 0)
		option_mistake(given, 0, "expected one of: %s", option->words);
	else
		*(uint32_t *)member(given, option) = (uint32_t)choice;
}

/* true, yes, on; false, no, off */
static int
read_bool(const struct option_given *given)
{
	int choice = choice_of("false true no yes off on", word(given, 0));

	if (choice < 0)
		option_mistake(given, 0, "expected true or false");
	return choice < 0 ? -1 : choice & 1;
}

/* An option that has no effect yet: only the value that asks for nothing is taken. */
/* A string of at most `max` bytes into a char array. */
static void
apply_string(const struct option_given *given, const struct option *option)
{
	size_t length = strlen(word(given, 0));

	if (length > option->max)
		option_mistake(given, 0, "longer than %u characters", option->max);
	else
		memcpy(member(given, option), word(given, 0), length + 1);
}

/* min 0: may be empty. */
static void
apply_path(const struct option_given *given, const struct option *option)
{
	if (word(given, 0)[0] != '/' && (option->min > 0 || word(given, 0)[0] != '\0'))
		option_mistake(given, 0, "expected a path that begins with /");
	else
		apply_string(given, option);
}

const char *
option_server(const char *string, struct policy_server *server)
{
	const char *at = strchr(string, '@');
	size_t length = at == NULL ? strlen(string) : (size_t)(at - string);
	char address[sizeof server->address];
	struct subject subject;
	struct text printed;
	uint32_t port = PORT;

	if (length >= sizeof address)
		length = 0; /* too long for an address: refused as an empty one */
	(void)snprintf(address, sizeof address, "%.*s", (int)length, string);
	if (!subject_parse(address, &subject))
		return "expected a numeric address, or address@port";
	if (at != NULL) {
		at++;
		if (!text_read_number(&at, 65535, &port) || *at != '\0' || port == 0)
			return "expected a port of 1 to 65535 after \"@\"";
	}
	text_init(&printed, server->address, sizeof server->address);
	subject_print(&subject, &printed);
	server->port = (uint16_t)port;
	return NULL;
}

bool
option_same_server(const struct policy_server *a, const struct policy_server *b)
{
	return a->port == b->port && strcmp(a->address, b->address) == 0;
}

/* The words as servers, each once; returns how many. */
static size_t
read_servers(const struct option_given *given, struct policy_server *server)
{
	size_t count = 0;

	for (size_t i = 0; i < given->value->words; i++) {
		struct policy_server next;
		const char *wrong = option_server(word(given, i), &next);
		size_t j = 0;

		if (wrong != NULL) {
			option_mistake(given, i, "%s", wrong);
			continue;
		}
		while (j < count && !option_same_server(&server[j], &next))
			j++;
		if (j < count)
			option_mistake(given, i, "given twice");
		else if (count == POLICY_ADDRESSES_MAX)
			option_mistake(given, i, "more than %d addresses", POLICY_ADDRESSES_MAX);
		else
			server[count++] = next;
	}
	return count;
}

static void
apply_listen(const struct option_given *given, const struct option *option)
{
	struct config *config = given->object;
	struct policy_server server;

	(void)option;
	config->listens = read_servers(given, config->listen);
	if (given->value->words == 0)
		option_mistake(given, 0, "expected at least one address");
	for (size_t i = 0; i < given->value->words; i++)
		if (option_server(word(given, i), &server) == NULL &&
		    (strcmp(server.address, "0.0.0.0") == 0 || strcmp(server.address, "::") == 0))
			option_mistake(given, i,
			    "name each address: a reply must leave from the "
			    "address that was asked");
}

static void
apply_forward(const struct option_given *given, const struct option *option)
{
	struct config *config = given->object;

	(void)option;
	config->policy->forwards = read_servers(given, config->policy->forward);
}

static void
apply_allow(const struct option_given *given, const struct option *option)
{
	struct config *config = given->object;

	(void)option;
	config->allows = 0;
	for (size_t i = 0; i < given->value->words; i++) {
		if (config->allows == CONFIG_ALLOW_MAX)
			option_mistake(given, i, "more than %d prefixes", CONFIG_ALLOW_MAX);
		else if (!prefix_parse(word(given, i), &config->allow[config->allows]))
			option_mistake(given, i, PREFIX_EXPECTED);
		else
			config->allows++;
	}
}

/* "hostmaster@example.org", or the same as a domain name; RFC 1035 8: the part before @ is a label.
 */
static void
apply_hostmaster(const struct option_given *given, const struct option *option)
{
	struct policy *policy = ((struct config *)given->object)->policy;
	const char *text = word(given, 0), *at = strchr(text, '@');
	size_t local = at == NULL ? 0 : (size_t)(at - text);
	char folded[NAME_TEXT_MAX + 1];
	uint8_t *wire = policy->hostmaster;

	(void)option;
	if (text[0] == '\0')
		return;
	if ((at != NULL && (local == 0 || local > 63)) ||
	    !name_fold(at == NULL ? text : at + 1, folded) ||
	    strlen(folded) + local > NAME_TEXT_MAX - 1) {
		option_mistake(given, 0, "expected a mail address");
		return;
	}
	if (at != NULL) {
		*wire++ = (uint8_t)local;
		memcpy(wire, text, local);
		wire += local;
	}
	policy->hostmaster_length =
	    (size_t)(wire - policy->hostmaster) + name_to_wire(folded, wire);
}

/* A number of the whole configuration that the policy keeps. */
static void
apply_to_policy(const struct option_given *given, const struct option *option, size_t offset)
{
	struct option row = *option;
	struct option_given policy = *given;

	policy.object = ((struct config *)given->object)->policy;
	row.offset = offset;
	apply_number(&policy, &row);
}

static void
apply_deadline(const struct option_given *given, const struct option *option)
{
	apply_to_policy(given, option, offsetof(struct policy, deadline_ms));
}

static void
apply_max_stale(const struct option_given *given, const struct option *option)
{
	apply_to_policy(given, option, offsetof(struct policy, max_stale));
}

static void
apply_trusted(const struct option_given *given, const struct option *option)
{
	struct config *config = given->object;

	(void)option;
	memset(&config->trusted, 0, sizeof config->trusted);
	for (size_t i = 0; i < given->value->words; i++)
		if (!received_trust(&config->trusted, word(given, i)))
			option_mistake(given, i,
			    "expected a host's name, an address or a prefix, no more than %d each",
			    RECEIVED_TRUSTED_MAX);
}

static void
apply_without_exceptions(const struct option_given *given, const struct option *option)
{
	(void)option;
	((struct config *)given->object)->without_exceptions = read_bool(given) == 1;
}

static void
apply_recursion(const struct option_given *given, const struct option *option)
{
	(void)option;
	((struct config *)given->object)->policy->recursion = read_bool(given) == 1;
}

static void
apply_log_verdicts(const struct option_given *given, const struct option *option)
{
	int value = read_bool(given);

	(void)option;
	((struct config *)given->object)->policy->log_verdicts = value == 1;
}

const struct option option_top[] = {
    {"listen", true, apply_listen, 0, 0, 0, NULL},
    {"allow", true, apply_allow, 0, 0, 0, NULL},
    {"control", false, apply_path, offsetof(struct config, control), 0, CONFIG_PATH_MAX, NULL},
    {"state-dir", false, apply_path, offsetof(struct config, state_dir), 1, CONFIG_PATH_MAX, NULL},
    {"without-exceptions", false, apply_without_exceptions, 0, 0, 0, NULL},
    {"user", false, apply_string, offsetof(struct config, user), 0, CONFIG_USER_MAX, NULL},
    {"trusted-hosts", true, apply_trusted, 0, 0, 0, NULL},
    {"threads", false, apply_number, offsetof(struct config, threads), 0, 64, NULL},
    {"cache-mib", false, apply_number, offsetof(struct config, cache_mib), 1, 65536, NULL},
    {"deadline-ms", false, apply_deadline, 0, 50, 60000, NULL},
    {"max-stale", false, apply_max_stale, 0, 0, 604800, NULL},
    {"forward", true, apply_forward, 0, 0, 0, NULL},
    {"recursion", false, apply_recursion, 0, 0, 0, NULL},
    {"trust-anchor", false, apply_path, offsetof(struct config, trust_anchor), 0, CONFIG_PATH_MAX,
	NULL},
    {"hostmaster", false, apply_hostmaster, 0, 0, 0, NULL},
    {"log-level", false, apply_choice, offsetof(struct config, log_level), 0, 0,
	"error warning info debug"},
    {"log-verdicts", false, apply_log_verdicts, 0, 0, 0, NULL},
    {NULL, false, NULL, 0, 0, 0, NULL},
};

static void
apply_query(const struct option_given *given, const struct option *option)
{
	struct policy_list *list = given->object;
	char folded[NAME_TEXT_MAX + 1];

	(void)option;
	if (word(given, 0)[0] == '\0')
		return;
	if (!name_fold(word(given, 0), folded))
		option_mistake(given, 0, "expected a domain name");
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
	list->servers = read_servers(given, list->server);
}

static void
apply_family(const struct option_given *given, const struct option *option)
{
	struct policy_list *list = given->object;

	(void)option;
	list->families = 0;
	if (given->value->words == 0)
		option_mistake(given, 0, "expected \"ipv4\", \"ipv6\" or both");
	for (size_t i = 0; i < given->value->words; i++) {
		int family = choice_of("ipv4 ipv6 domain", word(given, i));

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
	int truth = words == 1 ? choice_of("false true no yes off on", word(given, 0)) : -1;

	(void)option;
	list->tests = truth >= 0 && (truth & 1) == 1 ? POLICY_TEST_ALL : 0;
	for (size_t i = 0; truth < 0 && i < words; i++) {
		int test = choice_of(tests, word(given, i));

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
	if ((pattern->octet[0][127 / 64] >> 127 % 64 & 1) == 0) {
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
		if (read_pattern(given, i, word(given, i), &pattern))
			policy_list_add_listed(given->object, &pattern);
}

/* "pattern" or "pattern words": what the code means. */
static void
apply_errors(const struct option_given *given, const struct option *option)
{
	(void)option;
	for (size_t i = 0; i < given->value->words; i++) {
		const char *string = word(given, i);
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

/* `like`, `sites`, `part-of` and `dead` are config's affair: they name other sections. */
static void
apply_nothing(const struct option_given *given, const struct option *option)
{
	(void)given;
	(void)option;
}

const struct option option_list[] = {
    {"query", false, apply_query, 0, 0, 0, NULL},
    {"server", true, apply_servers, 0, 0, 0, NULL},
    {"family", true, apply_family, 0, 0, 0, NULL},
    {"listed", true, apply_listed, 0, 0, 0, NULL},
    {"errors", true, apply_errors, 0, 0, 0, NULL},
    {"test", true, apply_test, 0, 0, 0, NULL},
    {"ask", false, apply_choice, offsetof(struct policy_list, ask), 0, 0, "always undecided"},
    {"timeout-ms", false, apply_number, offsetof(struct policy_list, timeout_ms), 50, 60000, NULL},
    {"min-ttl", false, apply_number, offsetof(struct policy_list, min_ttl), 1, 86400, NULL},
    {"max-ttl", false, apply_number, offsetof(struct policy_list, max_ttl), 1, 604800, NULL},
    {"max-qps", false, apply_number, offsetof(struct policy_list, max_qps), 0, 1000000, NULL},
    {"max-per-day", false, apply_number, offsetof(struct policy_list, max_per_day), 0, 1000000000,
	NULL},
    {"part-of", false, apply_nothing, 0, 0, 0, NULL},
    {"dead", false, apply_nothing, 0, 0, 0, NULL},
    {NULL, false, NULL, 0, 0, 0, NULL},
};

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
	const char *cursor = word(given, i);
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
		if (!prefix_parse(word(given, i), &prefix))
			option_mistake(given, i, PREFIX_EXPECTED);
		else
			policy_zone_add_allow(given->object, &prefix);
	}
}

static void
apply_on_failure(const struct option_given *given, const struct option *option)
{
	struct policy_zone *zone = given->object;
	int choice = choice_of("pass defer", word(given, 0));
	struct subject subject;

	(void)option;
	if (choice >= 0)
		zone->on_failure = choice == 0 ? POLICY_PASS : POLICY_DEFER;
	else if (!subject_parse(word(given, 0), &subject))
		option_mistake(given, 0, "expected \"pass\", \"defer\" or an address");
	else if (read_answer(given, 0, word(given, 0), &zone->failure_address))
		zone->on_failure = POLICY_ANSWER;
}

static void
apply_text(const struct option_given *given, const struct option *option)
{
	for (const char *c = strchr(word(given, 0), '%'); c != NULL; c = strchr(c + 2, '%')) {
		if (c[1] == '\0' || strchr("aclstz%", c[1]) == NULL) {
			option_mistake(given, 0,
			    "\"%.2s\" is no macro; there are %%a %%c %%l %%s %%t %%z and %%%%", c);
			return;
		}
	}
	if (word(given, 0)[0] == '\0')
		option_mistake(given, 0, "clients take an empty text for \"not listed\"");
	else
		apply_string(given, option);
}

const struct option option_zone[] = {
    {"kind", false, apply_choice, offsetof(struct policy_zone, kind), 0, 0, "block allow local"},
    {"allow", true, apply_zone_allow, 0, 0, 0, NULL},
    {"like", false, apply_nothing, 0, 0, 0, NULL},
    {"sites", true, apply_nothing, 0, 0, 0, NULL},
    {"threshold", false, apply_number, offsetof(struct policy_zone, threshold), 1,
	SITE_WEIGHT_MAX * 100, NULL},
    {"answers", true, apply_answers, 0, 0, 0, NULL},
    {"on-failure", false, apply_on_failure, 0, 0, 0, NULL},
    {"text", false, apply_text, offsetof(struct policy_zone, text), 0, POLICY_TEXT_MAX, NULL},
    {"max-ttl", false, apply_number, offsetof(struct policy_zone, max_ttl), 1, 86400, NULL},
    {"negative-ttl", false, apply_number, offsetof(struct policy_zone, negative_ttl), 1, 86400,
	NULL},
    {NULL, false, NULL, 0, 0, 0, NULL},
};
