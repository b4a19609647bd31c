/*
 * An option is a row of a table: its name, how its words are applied, and the bounds. The order
 * of work: syntax finds the sections; the rows of the top apply to struct config; each list
 * section becomes a policy_list (the operator's over an included one, option by option); each
 * zone section becomes a policy_zone, options that it does not give coming from its `like` zone.
 */
#include "aggregate/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/syntax.h"

#define PORT 53
#define NAME_ROOM 64 /* characters before a list's or a zone's name: 32 nibbles with dots */

struct work {
	struct mistakes *mistakes;
	struct syntax syntax;
	struct config *config;
	struct policy *policy;
};

/* One option of one section, being applied. */
struct given {
	struct work *work;
	const char *file;
	const struct syntax_value *value;
	void *object; /* struct config, policy_list or policy_zone */
};

struct option {
	const char *name;
	bool is_list;
	void (*apply)(const struct given *given, const struct option *option);
	size_t offset; /* of the member that apply sets */
	uint32_t min, max;
	const char *words; /* "a b c": the choices; or the one value that means "leave it out" */
};

/* The option is wrong; `word` says which of its words, if it has so many. */
static void mistake(const struct given *given, size_t word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
mistake(const struct given *given, size_t word, const char *format, ...)
{
	const struct syntax_value *value = given->value;
	bool there = word < value->words;
	char said[500];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(said, sizeof said, format, arguments);
	va_end(arguments);
	mistakes_add(given->work->mistakes, given->file,
	    there ? value->word[word].line : value->line, "%s = \"%.200s\": %s", value->name,
	    there ? value->word[word].text : "", said);
}

static void *
member(const struct given *given, const struct option *option)
{
	return (char *)given->object + option->offset;
}

static const char *
word(const struct given *given, size_t i)
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
apply_number(const struct given *given, const struct option *option)
{
	const char *cursor = word(given, 0);
	uint32_t number;

	if (!text_read_number(&cursor, option->max, &number) || *cursor != '\0' ||
	    number < option->min)
		mistake(given, 0, "expected a number of %u to %u", option->min, option->max);
	else
		*(uint32_t *)member(given, option) = number;
}

static void
apply_choice(const struct given *given, const struct option *option)
{
	int choice = choice_of(option->words, word(given, 0));

	if (choice < 0)
		mistake(given, 0, "expected one of: %s", option->words);
	else
		*(uint32_t *)member(given, option) = (uint32_t)choice;
}

/* true, yes, on; false, no, off */
static int
read_bool(const struct given *given)
{
	int choice = choice_of("false true no yes off on", word(given, 0));

	if (choice < 0)
		mistake(given, 0, "expected true or false");
	return choice < 0 ? -1 : choice & 1;
}

/* An option that has no effect yet: only the value that asks for nothing is taken. */
static void
apply_not_yet(const struct given *given, const struct option *option)
{
	if (option->max != 0) {
		uint32_t number;
		const char *cursor = word(given, 0);

		if (!text_read_number(&cursor, option->max, &number) || *cursor != '\0') {
			mistake(given, 0, "expected a number of 0 to %u", option->max);
			return;
		}
	}
	if (choice_of(option->words, word(given, 0)) < 0)
		mistake(given, 0, "not yet in this version; leave it out");
}

static void
apply_not_yet_bool(const struct given *given, const struct option *option)
{
	(void)option;
	if (read_bool(given) == 1)
		mistake(given, 0, "not yet in this version; leave it out");
}

static void
apply_not_yet_choice(const struct given *given, const struct option *option)
{
	int choice = choice_of(option->words, word(given, 0));

	if (choice < 0)
		mistake(given, 0, "expected one of: %s", option->words);
	else if (choice > 0)
		mistake(given, 0, "not yet in this version; leave it out");
}

static void
apply_not_yet_path(const struct given *given, const struct option *option)
{
	(void)option;
	if (word(given, 0)[0] != '\0')
		mistake(given, 0, "not yet in this version; leave it out");
}

/* A string of at most `max` bytes into a char array. */
static void
apply_string(const struct given *given, const struct option *option)
{
	size_t length = strlen(word(given, 0));

	if (length > option->max)
		mistake(given, 0, "longer than %u characters", option->max);
	else
		memcpy(member(given, option), word(given, 0), length + 1);
}

static void
apply_path(const struct given *given, const struct option *option)
{
	if (word(given, 0)[0] != '/')
		mistake(given, 0, "expected a path that begins with /");
	else
		apply_string(given, option);
}

/* "address" or "address@port"; returns what is wrong, or NULL. */
static const char *
parse_server(const char *string, struct policy_server *server)
{
	const char *at = strchr(string, '@');
	size_t length = at == NULL ? strlen(string) : (size_t)(at - string);
	char address[sizeof server->address] = "";
	struct subject subject;
	struct text printed;
	uint32_t port = PORT;

	if (length < sizeof address)
		memcpy(address, string, length);
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

static bool
same_server(const struct policy_server *a, const struct policy_server *b)
{
	return a->port == b->port && strcmp(a->address, b->address) == 0;
}

/* The words as servers, each once; returns how many. */
static size_t
read_servers(const struct given *given, struct policy_server *server)
{
	size_t count = 0;

	for (size_t i = 0; i < given->value->words; i++) {
		struct policy_server next;
		const char *wrong = parse_server(word(given, i), &next);
		size_t j = 0;

		if (wrong != NULL) {
			mistake(given, i, "%s", wrong);
			continue;
		}
		while (j < count && !same_server(&server[j], &next))
			j++;
		if (j < count)
			mistake(given, i, "given twice");
		else if (count == POLICY_ADDRESSES_MAX)
			mistake(given, i, "more than %d addresses", POLICY_ADDRESSES_MAX);
		else
			server[count++] = next;
	}
	return count;
}

static void
apply_listen(const struct given *given, const struct option *option)
{
	struct config *config = given->object;
	struct policy_server server;

	(void)option;
	config->listens = read_servers(given, config->listen);
	if (given->value->words == 0)
		mistake(given, 0, "expected at least one address");
	for (size_t i = 0; i < given->value->words; i++)
		if (parse_server(word(given, i), &server) == NULL &&
		    (strcmp(server.address, "0.0.0.0") == 0 || strcmp(server.address, "::") == 0))
			mistake(given, i,
			    "name each address: a reply must leave from the "
			    "address that was asked");
}

static void
apply_forward(const struct given *given, const struct option *option)
{
	struct config *config = given->object;

	(void)option;
	config->policy->forwards = read_servers(given, config->policy->forward);
}

static void
apply_allow(const struct given *given, const struct option *option)
{
	struct config *config = given->object;

	(void)option;
	config->allows = 0;
	for (size_t i = 0; i < given->value->words; i++) {
		if (config->allows == CONFIG_ALLOW_MAX)
			mistake(given, i, "more than %d prefixes", CONFIG_ALLOW_MAX);
		else if (!prefix_parse(word(given, i), &config->allow[config->allows]))
			mistake(given, i,
			    "expected an address or prefix like 192.0.2.0/24, host bits 0");
		else
			config->allows++;
	}
}

/* "hostmaster@example.org" or "hostmaster.example.org" */
static void
apply_hostmaster(const struct given *given, const struct option *option)
{
	struct config *config = given->object;
	char text[NAME_TEXT_MAX + 2], folded[NAME_TEXT_MAX + 1], *at;

	(void)option;
	if (word(given, 0)[0] == '\0')
		return;
	(void)snprintf(text, sizeof text, "%s", word(given, 0));
	at = strchr(text, '@');
	if (at != NULL)
		*at = '.';
	if (!name_fold(text, folded))
		mistake(given, 0, "expected a mail address");
	else
		config->policy->hostmaster_length =
		    name_to_wire(folded, config->policy->hostmaster);
}

static void
apply_deadline(const struct given *given, const struct option *option)
{
	struct option row = *option;
	struct given policy = *given;

	policy.object = ((struct config *)given->object)->policy;
	row.offset = offsetof(struct policy, deadline_ms);
	apply_number(&policy, &row);
}

static void
apply_log_verdicts(const struct given *given, const struct option *option)
{
	int value = read_bool(given);

	(void)option;
	((struct config *)given->object)->policy->log_verdicts = value == 1;
}

static const struct option top_options[] = {
    {"listen", true, apply_listen, 0, 0, 0, NULL},
    {"allow", true, apply_allow, 0, 0, 0, NULL},
    {"control", false, apply_not_yet_path, 0, 0, 0, NULL},
    {"state-dir", false, apply_path, offsetof(struct config, state_dir), 0, CONFIG_PATH_MAX, NULL},
    {"user", false, apply_string, offsetof(struct config, user), 0, CONFIG_USER_MAX, NULL},
    {"threads", false, apply_number, offsetof(struct config, threads), 0, 64, NULL},
    {"cache-mib", false, apply_number, offsetof(struct config, cache_mib), 1, 65536, NULL},
    {"deadline-ms", false, apply_deadline, 0, 50, 60000, NULL},
    {"max-stale", false, apply_not_yet, 0, 0, 604800, "0"},
    {"forward", true, apply_forward, 0, 0, 0, NULL},
    {"recursion", false, apply_not_yet_bool, 0, 0, 0, NULL},
    {"hostmaster", false, apply_hostmaster, 0, 0, 0, NULL},
    {"log-level", false, apply_choice, offsetof(struct config, log_level), 0, 0,
	"error warning info debug"},
    {"log-verdicts", false, apply_log_verdicts, 0, 0, 0, NULL},
    {NULL, false, NULL, 0, 0, 0, NULL},
};

static void
apply_query(const struct given *given, const struct option *option)
{
	struct policy_list *list = given->object;
	char folded[NAME_TEXT_MAX + 1];

	(void)option;
	if (word(given, 0)[0] == '\0')
		return;
	if (!name_fold(word(given, 0), folded))
		mistake(given, 0, "expected a domain name");
	else if (strlen(folded) + NAME_ROOM > NAME_TEXT_MAX)
		mistake(given, 0, "too long: an IPv6 address in front of it makes no name");
	else
		memcpy(list->query, folded, sizeof folded);
}

static void
apply_servers(const struct given *given, const struct option *option)
{
	struct policy_list *list = given->object;

	(void)option;
	list->servers = read_servers(given, list->server);
}

static void
apply_family(const struct given *given, const struct option *option)
{
	struct policy_list *list = given->object;

	(void)option;
	list->families = 0;
	if (given->value->words == 0)
		mistake(given, 0, "expected \"ipv4\", \"ipv6\" or both");
	for (size_t i = 0; i < given->value->words; i++) {
		int family = choice_of("ipv4 ipv6 domain", word(given, i));

		if (family < 0)
			mistake(given, i, "expected one of: ipv4 ipv6 domain");
		else if (family == 2)
			mistake(given, i, "lists of domains are not yet in this version");
		else
			list->families |= 1u << (family == 0 ? SUBJECT_IPV4 : SUBJECT_IPV6);
	}
}

static void
apply_patterns(
    const struct given *given, bool (*add)(struct policy_list *list, const struct pattern *pattern))
{
	for (size_t i = 0; i < given->value->words; i++) {
		char said[200];
		struct text error;
		struct pattern pattern;

		text_init(&error, said, sizeof said);
		if (!pattern_parse(word(given, i), &pattern, &error))
			mistake(given, i, "%s", said);
		else if ((pattern.octet[0][127 / 64] >> 127 % 64 & 1) == 0)
			mistake(given, i, "answers of lists are in 127.0.0.0/8");
		else
			add(given->object, &pattern);
	}
}

static void
apply_listed(const struct given *given, const struct option *option)
{
	(void)option;
	if (given->value->words == 0)
		mistake(given, 0, "expected at least one address or pattern");
	apply_patterns(given, policy_list_add_listed);
}

static void
apply_errors(const struct given *given, const struct option *option)
{
	(void)option;
	apply_patterns(given, policy_list_add_error);
}

/* Looked up where a site names the list. */
static void
apply_nothing(const struct given *given, const struct option *option)
{
	(void)given;
	(void)option;
}

static const struct option list_options[] = {
    {"query", false, apply_query, 0, 0, 0, NULL},
    {"server", true, apply_servers, 0, 0, 0, NULL},
    {"family", true, apply_family, 0, 0, 0, NULL},
    {"listed", true, apply_listed, 0, 0, 0, NULL},
    {"errors", true, apply_errors, 0, 0, 0, NULL},
    {"test", false, apply_not_yet_bool, 0, 0, 0, NULL},
    {"ask", false, apply_not_yet_choice, 0, 0, 0, "always undecided"},
    {"timeout-ms", false, apply_number, offsetof(struct policy_list, timeout_ms), 50, 60000, NULL},
    {"min-ttl", false, apply_number, offsetof(struct policy_list, min_ttl), 1, 86400, NULL},
    {"max-ttl", false, apply_number, offsetof(struct policy_list, max_ttl), 1, 604800, NULL},
    {"max-qps", false, apply_not_yet, 0, 0, 1000000, "0"},
    {"dead", false, apply_nothing, 0, 0, 0, NULL},
    {NULL, false, NULL, 0, 0, 0, NULL},
};

/* An address that a client may be given: in 127.0.0.0/8, but no test point and no error code. */
static bool
read_answer(const struct given *given, size_t i, const char *text, uint32_t *address)
{
	struct subject subject;
	const uint8_t *octet = subject.octet;

	if (!subject_parse(text, &subject) || subject.family != SUBJECT_IPV4 || octet[0] != 127) {
		mistake(given, i, "expected an address in 127.0.0.0/8");
		return false;
	}
	*address = (uint32_t)octet[0] << 24 | (uint32_t)octet[1] << 16 | (uint32_t)octet[2] << 8 |
		   octet[3];
	if (*address == 0x7f000001u || *address >> 8 == 0x7fffffu) {
		mistake(given, i, "clients take 127.0.0.1 and 127.255.255.x for errors");
		return false;
	}
	return true;
}

/* "score=address" */
static void
apply_grade(const struct given *given, size_t i)
{
	struct policy_zone *zone = given->object;
	const char *cursor = word(given, i);
	uint32_t score, address;

	if (!text_read_number(&cursor, SITE_WEIGHT_MAX * 100, &score) || score == 0 ||
	    *cursor != '=') {
		mistake(given, i, "expected \"score=address\", the score 1 or more");
		return;
	}
	if (!read_answer(given, i, cursor + 1, &address))
		return;
	for (size_t j = 0; j < zone->grades; j++)
		if (zone->grade[j].score == (int32_t)score)
			mistake(given, i, "this score has an answer already");
	policy_zone_add_grade(zone, (int32_t)score, address);
}

static void
apply_answers(const struct given *given, const struct option *option)
{
	(void)option;
	for (size_t i = 0; i < given->value->words; i++)
		apply_grade(given, i);
}

static void
apply_on_failure(const struct given *given, const struct option *option)
{
	struct policy_zone *zone = given->object;
	int choice = choice_of("pass defer", word(given, 0));
	struct subject subject;

	(void)option;
	if (choice >= 0)
		zone->on_failure = choice == 0 ? POLICY_PASS : POLICY_DEFER;
	else if (!subject_parse(word(given, 0), &subject))
		mistake(given, 0, "expected \"pass\", \"defer\" or an address");
	else if (read_answer(given, 0, word(given, 0), &zone->failure_address))
		zone->on_failure = POLICY_ANSWER;
}

static void
apply_text(const struct given *given, const struct option *option)
{
	for (const char *c = strchr(word(given, 0), '%'); c != NULL; c = strchr(c + 2, '%')) {
		if (c[1] == '\0' || strchr("alstz%", c[1]) == NULL) {
			mistake(given, 0,
			    "\"%.2s\" is no macro; there are %%a %%l %%s %%t %%z and %%%%", c);
			return;
		}
	}
	if (word(given, 0)[0] == '\0')
		mistake(given, 0, "clients take an empty text for \"not listed\"");
	else
		apply_string(given, option);
}

static void apply_sites(const struct given *given, const struct option *option);

static const struct option zone_options[] = {
    {"kind", false, apply_choice, offsetof(struct policy_zone, kind), 0, 0, "block allow"},
    {"like", false, apply_nothing, 0, 0, 0, NULL},
    {"sites", true, apply_sites, 0, 0, 0, NULL},
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

/* The more outward file speaks louder; of two at one depth the later. */
static bool
outranks(const struct syntax_section *a, const struct syntax_section *b)
{
	return b == NULL || a->depth < b->depth || (a->depth == b->depth && a > b);
}

static bool
titled(const struct syntax_section *section, enum syntax_kind kind, const char *name)
{
	char folded[NAME_TEXT_MAX + 1];

	return section->kind == kind && name_fold(section->title, folded) &&
	       strcmp(folded, name) == 0;
}

/* The loudest section of this kind and name that gives the option (any option: NULL). */
static const struct syntax_section *
loudest(const struct work *work, enum syntax_kind kind, const char *name, const char *option)
{
	const struct syntax_section *found = NULL;

	for (size_t i = 0; i < work->syntax.sections; i++) {
		const struct syntax_section *section = &work->syntax.section[i];

		if (titled(section, kind, name) &&
		    (option == NULL || syntax_value(section, option) != NULL) &&
		    outranks(section, found))
			found = section;
	}
	return found;
}

static void
apply(struct work *work, const struct syntax_section *section, const struct option *option,
    void *object)
{
	const struct syntax_value *value = syntax_value(section, option->name);
	struct given given = {
	    .work = work, .file = section->file, .value = value, .object = object};

	if (value == NULL)
		return;
	if (!option->is_list && value->words != 1)
		mistake(&given, 0, "expected one value");
	else
		option->apply(&given, option);
}

static void
read_top(struct work *work)
{
	for (const struct option *option = top_options; option->name != NULL; option++) {
		const struct syntax_section *first = NULL;

		for (size_t i = 0; i < work->syntax.sections; i++) {
			const struct syntax_section *section = &work->syntax.section[i];

			if (section->kind != SYNTAX_TOP ||
			    syntax_value(section, option->name) == NULL)
				continue;
			if (first != NULL)
				mistakes_add(work->mistakes, section->file,
				    syntax_value(section, option->name)->line,
				    "\"%s\" is given in %s already", option->name, first->file);
			else
				apply(work, section, option, work->config);
			first = section;
		}
	}
}

/* What a list answers of which nobody says it: all of 127/8 but 127.0.0.1 and 127.255.255.x. */
static void
add_default_codes(struct policy_list *list, bool errors_given)
{
	static const char *const listed[] = {"127.0.0.[0;2..255]", "127.0.[1..255].[0..255]",
	    "127.[1..254].[0..255].[0..255]", "127.255.[0..254].[0..255]"};
	char said[100];
	struct text error;
	struct pattern pattern;
	bool listed_given = list->listed_count > 0;

	text_init(&error, said, sizeof said);
	for (size_t i = 0; !listed_given && i < sizeof listed / sizeof listed[0]; i++)
		if (pattern_parse(listed[i], &pattern, &error))
			policy_list_add_listed(list, &pattern);
	if (!errors_given && pattern_parse("127.255.255.[0..255]", &pattern, &error))
		policy_list_add_error(list, &pattern);
}

static struct policy_list *
find_or_add_list(struct work *work, const char *name)
{
	struct policy_list *list = policy_list_find(work->policy, name);
	bool errors_given = false;

	if (list != NULL)
		return list;
	list = policy_list_add(work->policy, name);
	if (list == NULL)
		return NULL;
	for (const struct option *option = list_options; option->name != NULL; option++) {
		const struct syntax_section *section =
		    loudest(work, SYNTAX_LIST, name, option->name);

		if (section != NULL)
			apply(work, section, option, list);
		if (section != NULL && option->apply == apply_errors)
			errors_given = true;
	}
	add_default_codes(list, errors_given);
	if (list->min_ttl > list->max_ttl) {
		const struct syntax_section *section = loudest(work, SYNTAX_LIST, name, NULL);

		mistakes_add(work->mistakes, section->file, section->line,
		    "list \"%s\": min-ttl %u is more than max-ttl %u", name, list->min_ttl,
		    list->max_ttl);
	}
	return list;
}

/* "*.example.org": dead lists only, everything at and below the name. */
static const char *
wildcard_of(const struct syntax_section *section)
{
	bool wildcard = section->kind == SYNTAX_LIST && strncmp(section->title, "*.", 2) == 0;

	return wildcard ? section->title + 2 : NULL;
}

static void
read_lists(struct work *work)
{
	for (size_t i = 0; i < work->syntax.sections; i++) {
		const struct syntax_section *section = &work->syntax.section[i];
		const char *wildcard = wildcard_of(section);
		char name[NAME_TEXT_MAX + 1];

		if (section->kind != SYNTAX_LIST)
			continue;
		if (!name_fold(wildcard != NULL ? wildcard : section->title, name))
			mistakes_add(work->mistakes, section->file, section->line,
			    "list \"%s\": not a domain name", section->title);
		else if (strlen(name) + NAME_ROOM > NAME_TEXT_MAX)
			mistakes_add(work->mistakes, section->file, section->line,
			    "list \"%s\": too long a name", section->title);
		else if (wildcard == NULL)
			find_or_add_list(work, name);
		else if (section->values != 1 || syntax_value(section, "dead") == NULL)
			mistakes_add(work->mistakes, section->file, section->line,
			    "list \"%s\": a wildcard can only say dead = \"...\"", section->title);
	}
}

/* Why nobody should ask this list, or NULL. */
static const char *
dead_reason(const struct work *work, const char *name)
{
	const struct syntax_section *section = loudest(work, SYNTAX_LIST, name, "dead");
	const char *reason = NULL;

	for (size_t i = 0; section == NULL && i < work->syntax.sections; i++) {
		const char *wildcard = wildcard_of(&work->syntax.section[i]);
		char folded[NAME_TEXT_MAX + 1];

		if (wildcard != NULL && name_fold(wildcard, folded) && name_is_under(name, folded))
			section = &work->syntax.section[i];
	}
	if (section != NULL && syntax_value(section, "dead") != NULL &&
	    syntax_value(section, "dead")->words == 1)
		reason = syntax_value(section, "dead")->word[0].text;
	if (reason != NULL && (reason[0] == '\0' || strcmp(reason, "use") == 0))
		reason = NULL;
	return reason;
}

static void
apply_site(const struct given *given, size_t i)
{
	struct policy_zone *zone = given->object;
	struct policy_list *list;
	struct site site;
	char said[300];
	struct text error;
	const char *dead;

	text_init(&error, said, sizeof said);
	if (!site_parse(word(given, i), &site, &error)) {
		mistake(given, i, "%s", said);
		return;
	}
	dead = dead_reason(given->work, site.list);
	if (dead != NULL) {
		mistake(given, i,
		    "this list is dead (%s); dead = \"use\" in its section asks it "
		    "all the same",
		    dead);
		return;
	}
	if (strlen(site.list) + NAME_ROOM > NAME_TEXT_MAX) {
		mistake(given, i, "too long: an IPv6 address in front of it makes no name");
		return;
	}
	list = find_or_add_list(given->work, site.list);
	if (list != NULL && name_is_under(list->query, zone->name))
		mistake(given, i, "this list would be zone \"%s\" itself", zone->name);
	else if (list != NULL && !policy_zone_add_site(zone, list, &site))
		mistake(given, i, "more than %d sites of one list", POLICY_LIST_SITES_MAX);
}

static void
apply_sites(const struct given *given, const struct option *option)
{
	(void)option;
	if (given->value->words == 0)
		mistake(given, 0, "expected at least one site");
	for (size_t i = 0; i < given->value->words; i++)
		apply_site(given, i);
}

/*
 * The section that gives an option of a zone: its own, or that of the zone it is like, and so
 * on. Loops end because no zone is visited more often than there are sections.
 */
static const struct syntax_section *
zone_source(const struct work *work, const struct syntax_section *section, const char *option)
{
	for (size_t hops = 0; section != NULL && hops <= work->syntax.sections; hops++) {
		const struct syntax_value *like = syntax_value(section, "like");
		char name[NAME_TEXT_MAX + 1];

		if (syntax_value(section, option) != NULL)
			return section;
		if (like == NULL || like->words != 1 || !name_fold(like->word[0].text, name))
			return NULL;
		section = loudest(work, SYNTAX_ZONE, name, NULL);
	}
	return NULL;
}

static void
check_like(struct work *work, const struct syntax_section *zone)
{
	const struct syntax_section *section = zone;

	for (size_t hops = 0; section != NULL; hops++) {
		const struct syntax_value *like = syntax_value(section, "like");
		char name[NAME_TEXT_MAX + 1];

		if (like == NULL || like->words != 1 || like->word[0].text[0] == '\0')
			return;
		if (hops > work->syntax.sections) {
			mistakes_add(work->mistakes, zone->file,
			    syntax_value(zone, "like")->word[0].line,
			    "like = \"%s\": zones that are like each other",
			    syntax_value(zone, "like")->word[0].text);
			return;
		}
		section = name_fold(like->word[0].text, name)
			      ? loudest(work, SYNTAX_ZONE, name, NULL)
			      : NULL;
		if (section == NULL && hops == 0)
			mistakes_add(work->mistakes, zone->file, like->word[0].line,
			    "like = \"%s\": there is no zone of this name", like->word[0].text);
	}
}

static void
finish_zone(struct work *work, const struct syntax_section *section, struct policy_zone *zone)
{
	bool has_threshold = zone_source(work, section, "threshold") != NULL;

	if (!has_threshold && zone->grades > 0)
		zone->threshold = zone->grade[0].score;
	if (zone->grades == 0)
		policy_zone_add_grade(zone, zone->threshold, 0x7f000002u);
	if (zone_source(work, section, "sites") == NULL)
		mistakes_add(work->mistakes, section->file, section->line,
		    "zone \"%s\": no sites: which lists shall it ask?", section->title);
}

static void
read_zone(struct work *work, const struct syntax_section *section)
{
	char name[NAME_TEXT_MAX + 1];
	struct policy_zone *zone;

	if (!name_fold(section->title, name) || strlen(name) + NAME_ROOM > NAME_TEXT_MAX) {
		mistakes_add(work->mistakes, section->file, section->line,
		    "zone \"%s\": not a domain name, or too long a one", section->title);
		return;
	}
	if (policy_zone_find(work->policy, name) != NULL) {
		mistakes_add(work->mistakes, section->file, section->line,
		    "zone \"%s\": there is a zone of this name already", section->title);
		return;
	}
	zone = policy_zone_add(work->policy, name);
	if (zone == NULL)
		return;
	zone->threshold = 1;
	zone->max_ttl = 60;
	zone->negative_ttl = 60;
	memcpy(zone->text, "%a is listed by %l", sizeof "%a is listed by %l");
	check_like(work, section);
	for (const struct option *option = zone_options; option->name != NULL; option++) {
		const struct syntax_section *source = zone_source(work, section, option->name);

		if (source != NULL)
			apply(work, source, option, zone);
	}
	finish_zone(work, section, zone);
}

/* Could this label be one of a reversed address: 0 to 255, or a hex digit? */
static bool
is_address_label(const char *label, size_t length)
{
	uint8_t wire[65] = {(uint8_t)length};
	struct subject subject;

	memcpy(wire + 1, label, length);
	return subject_from_labels(wire, length + 1, &subject) != SUBJECT_NAME_NONE;
}

static void
check_account(struct work *work, const struct syntax_section *section, const char *name)
{
	for (size_t i = 0; i < work->policy->zones; i++) {
		const char *above = work->policy->zone[i]->name;
		const char *end = name + strlen(name) - strlen(above), *label = name;

		if (strcmp(name, above) == 0 || !name_is_under(name, above))
			continue;
		while (label < end) {
			size_t length = strcspn(label, ".");

			if (is_address_label(label, length)) {
				mistakes_add(work->mistakes, section->file, section->line,
				    "zone \"%s\": \"%.*s\" could be part of a reversed address in "
				    "zone \"%s\"",
				    section->title, (int)length, label, above);
				return;
			}
			label += length + 1;
		}
	}
}

static void
read_zones(struct work *work)
{
	size_t zones = 0;
	char name[NAME_TEXT_MAX + 1];

	for (size_t i = 0; i < work->syntax.sections; i++)
		if (work->syntax.section[i].kind == SYNTAX_ZONE) {
			zones++;
			if (work->policy->zones < UINT16_MAX - 1)
				read_zone(work, &work->syntax.section[i]);
		}
	for (size_t i = 0; i < work->syntax.sections; i++)
		if (work->syntax.section[i].kind == SYNTAX_ZONE &&
		    name_fold(work->syntax.section[i].title, name))
			check_account(work, &work->syntax.section[i], name);
	if (zones >= UINT16_MAX - 1)
		mistakes_add(work->mistakes, "zones", 0, "more than %d", UINT16_MAX - 2);
}

static bool
listens_on(const struct config *config, const struct policy_server *server)
{
	for (size_t i = 0; i < config->listens; i++)
		if (same_server(&config->listen[i], server))
			return true;
	return false;
}

/* Asking ourselves would be a loop. */
static void
check_loops(struct work *work)
{
	for (size_t i = 0; i < work->syntax.sections; i++) {
		const struct syntax_section *section = &work->syntax.section[i];
		struct given given = {.work = work, .file = section->file};
		struct policy_server server;

		given.value =
		    syntax_value(section, section->kind == SYNTAX_TOP ? "forward" : "server");
		for (size_t j = 0; given.value != NULL && j < given.value->words; j++)
			if (parse_server(word(&given, j), &server) == NULL &&
			    listens_on(work->config, &server))
				mistake(&given, j, "tallyd itself listens there");
	}
}

static void
set_defaults(struct config *config)
{
	config->listen[0] = (struct policy_server){.address = "127.0.0.2", .port = PORT};
	config->listens = 1;
	prefix_parse("127.0.0.0/8", &config->allow[0]);
	prefix_parse("::1", &config->allow[1]);
	config->allows = 2;
	memcpy(config->state_dir, "/var/lib/tally", sizeof "/var/lib/tally");
	config->threads = 1;
	config->cache_mib = 64;
	config->log_level = CONFIG_INFO;
	config->policy->deadline_ms = 2500;
}

/* The names of a table, as syntax wants them. */
static void
list_names(const struct option *options, struct syntax_option *names)
{
	for (; options->name != NULL; options++)
		*names++ = (struct syntax_option){options->name, options->is_list};
	*names = (struct syntax_option){NULL, false};
}

static void
read_all(struct work *work, const char *path)
{
	struct syntax_option top[32], list[32], zone[32];
	const struct syntax_schema schema = {top, list, zone};
	unsigned before;

	list_names(top_options, top);
	list_names(list_options, list);
	list_names(zone_options, zone);
	syntax_read(&work->syntax, path, &schema, work->mistakes);
	before = work->mistakes->count;
	set_defaults(work->config);
	read_top(work);
	read_lists(work);
	read_zones(work);
	check_loops(work);
	if (work->mistakes->count == 0 && before == 0 && work->policy->zones == 0)
		mistakes_add(work->mistakes, path, 0, "no zone: there is nothing to answer");
}

static void
set_ns_addresses(struct config *config)
{
	struct policy *policy = config->policy;

	for (size_t i = 0; i < config->listens; i++)
		if (subject_parse(config->listen[i].address, &policy->address[policy->addresses]))
			policy->addresses++;
}

struct config *
config_read(const char *path, struct evidence_book *book, struct mistakes *mistakes)
{
	struct work work = {.mistakes = mistakes};

	work.config = calloc(1, sizeof *work.config);
	work.policy = policy_open();
	if (work.config == NULL || work.policy == NULL) {
		mistakes_add(mistakes, path, 0, "out of memory");
		free(work.config);
		policy_close(work.policy);
		return NULL;
	}
	work.config->policy = work.policy;
	read_all(&work, path);
	syntax_free(&work.syntax);
	if (mistakes->count == 0) {
		set_ns_addresses(work.config);
		if (!policy_compile(work.policy, book))
			mistakes_add(mistakes, path, 0,
			    "more than %d lists since the start; a restart helps",
			    EVIDENCE_LISTS_MAX);
	}
	if (mistakes->count == 0)
		return work.config;
	config_close(work.config);
	return NULL;
}

void
config_close(struct config *config)
{
	if (config == NULL)
		return;
	policy_close(config->policy);
	free(config);
}
