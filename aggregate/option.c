#include "aggregate/option.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PORT 53

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

const char *
option_word(const struct option_given *given, size_t i)
{
	return given->value->word[i].text;
}

int
option_choice_of(const char *choices, const char *text)
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

void
option_number(const struct option_given *given, const struct option *option)
{
	const char *cursor = option_word(given, 0);
	uint32_t number;

	if (!text_read_number(&cursor, option->max, &number) || *cursor != '\0' ||
	    number < option->min)
		option_mistake(given, 0, "expected a number of %u to %u", option->min, option->max);
	else
		*(uint32_t *)member(given, option) = number;
}

void
option_choice(const struct option_given *given, const struct option *option)
{
	int choice = option_choice_of(option->words, option_word(given, 0));

	if (choice < 0)
		option_mistake(given, 0, "expected one of: %s", option->words);
	else
		*(uint32_t *)member(given, option) = (uint32_t)choice;
}

int
option_truth(const struct option_given *given)
{
	int choice = option_choice_of("false true no yes off on", option_word(given, 0));

	if (choice < 0)
		option_mistake(given, 0, "expected true or false");
	return choice < 0 ? -1 : choice & 1;
}

void
option_string(const struct option_given *given, const struct option *option)
{
	size_t length = strlen(option_word(given, 0));

	if (length > option->max)
		option_mistake(given, 0, "longer than %u characters", option->max);
	else
		memcpy(member(given, option), option_word(given, 0), length + 1);
}

void
option_path(const struct option_given *given, const struct option *option)
{
	if (option_word(given, 0)[0] != '/' &&
	    (option->min > 0 || option_word(given, 0)[0] != '\0'))
		option_mistake(given, 0, "expected a path that begins with /");
	else
		option_string(given, option);
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

size_t
option_servers(const struct option_given *given, struct policy_server *server)
{
	size_t count = 0;

	for (size_t i = 0; i < given->value->words; i++) {
		struct policy_server next;
		const char *wrong = option_server(option_word(given, i), &next);
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

void
option_elsewhere(const struct option_given *given, const struct option *option)
{
	(void)given;
	(void)option;
}
