#include "aggregate/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/when.h"

static const char blank[] = " \t\r";

bool
exchange_format_parse(const char *name, enum exchange_format *format)
{
	static const char *const known[] = {"tally", "plain", "cidr", "rbldnsd"};

	for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(name, known[i]) == 0) {
			*format = (enum exchange_format)i;
			return true;
		}
	return false;
}

void
prefix_print(const struct prefix *prefix, struct text *text)
{
	subject_print(&prefix->base, text);
	if (prefix->length != (prefix->base.family == SUBJECT_IPV4 ? 32 : 128))
		text_add_format(text, "/%u", prefix->length);
}

/* The next word of the line, cut off; NULL at the end. */
static char *
next_word(char **cursor)
{
	char *word = *cursor + strspn(*cursor, blank);

	if (*word == '\0')
		return NULL;
	*cursor = word + strcspn(word, blank);
	if (**cursor != '\0')
		*(*cursor)++ = '\0';
	return word;
}

static bool
complain(struct text *error, const char *what, const char *word)
{
	text_add(error, what);
	if (word != NULL) {
		text_add(error, ": \"");
		text_add_printable(error, word, strlen(word));
		text_add(error, "\"");
	}
	return false;
}

static bool
copy_text(char *to, size_t size, const char *from)
{
	struct text text;

	text_init(&text, to, size);
	text_add_printable(&text, from, strlen(from));
	return !text.cut;
}

/* A value, in quotes (with \" and \\) or up to the next blank; unquoted in place. */
static char *
read_value(char **cursor)
{
	char *from = *cursor, *to = *cursor, *value = *cursor;

	if (*from != '"') {
		*cursor = from + strcspn(from, blank);
		if (**cursor != '\0')
			*(*cursor)++ = '\0';
		return value;
	}
	for (from++; *from != '\0' && *from != '"'; from++) {
		if (*from == '\\' && from[1] != '\0')
			from++;
		*to++ = *from;
	}
	if (*from != '"')
		return NULL;
	*cursor = from + 1;
	*to = '\0';
	return value;
}

static bool
apply_field(struct exception_entry *entry, const char *name, const char *value)
{
	if (strcmp(name, "zone") == 0)
		return name_fold(value, entry->zone);
	if (strcmp(name, "until") == 0)
		return when_parse_date(value, &entry->until);
	if (strcmp(name, "added") == 0)
		return when_parse_date(value, &entry->added);
	if (strcmp(name, "by") == 0)
		return copy_text(entry->author, sizeof entry->author, value);
	return strcmp(name, "reason") == 0 && copy_text(entry->reason, sizeof entry->reason, value);
}

static bool
read_fields(char *cursor, struct exception_entry *entry, struct text *error)
{
	for (;;) {
		char *name = cursor + strspn(cursor, blank), *value;

		if (*name == '\0' || *name == '#')
			return true;
		cursor = name + strcspn(name, "= \t");
		if (*cursor != '=')
			return complain(error, "expected name=value", name);
		*cursor++ = '\0';
		value = read_value(&cursor);
		if (value == NULL)
			return complain(error, "a quote is never closed after", name);
		if (!apply_field(entry, name, value))
			return complain(error, name, value);
	}
}

static bool
read_action(const char *word, struct exception_entry *entry)
{
	for (unsigned i = EXCEPTION_ALLOW; i <= EXCEPTION_SCORE; i++)
		if (strcmp(word, exception_word((enum exception_action)i)) == 0) {
			entry->action = (enum exception_action)i;
			return true;
		}
	return false;
}

static bool
read_score(const char *word, int32_t *score)
{
	const char *digits = word != NULL && (*word == '-' || *word == '+') ? word + 1 : word;
	uint32_t number;

	if (word == NULL || !text_read_number(&digits, EXCEPTION_SCORE_MAX, &number) ||
	    *digits != '\0')
		return false;
	*score = *word == '-' ? -(int32_t)number : (int32_t)number;
	return true;
}

static bool
read_tally(char *line, struct exception_entry *entry, struct text *error)
{
	char *word = next_word(&line);

	if (word != NULL && read_action(word, entry))
		word = next_word(&line);
	if (word == NULL || !prefix_parse(word, &entry->prefix))
		return complain(
		    error, "expected allow, block, score, or a prefix with host bits 0", word);
	if (entry->action == EXCEPTION_SCORE) {
		word = next_word(&line);
		if (!read_score(word, &entry->score))
			return complain(error, "expected a score of -10000 to 10000", word);
	}
	return read_fields(line, entry, error);
}

static bool
read_plain(char *line, struct exception_entry *entry, struct text *error)
{
	char *word = next_word(&line), *more;

	if (word == NULL || !prefix_parse(word, &entry->prefix))
		return complain(error, "expected an address or prefix, host bits 0", word);
	more = next_word(&line);
	if (more != NULL && *more != '#')
		return complain(error, "expected nothing after the prefix", more);
	return true;
}

/* "450 text" or "554 text"; without a text Postfix takes a number for OK, access(5). */
static bool
is_reply(const char *verb, const char *text)
{
	return (verb[0] == '4' || verb[0] == '5') && strlen(verb) == 3 &&
	       strspn(verb, "0123456789") == 3 && text[strspn(text, blank)] != '\0';
}

/*
 * Postfix knows many more actions, of which none says whether the address is good or bad. DUNNO
 * says that the rest of the table does not count: others judge the address, as ours are the lists.
 */
static bool
read_verb(const char *verb, const char *text, enum exception_action *action)
{
	if (strcasecmp(verb, "OK") == 0 || strcasecmp(verb, "PERMIT") == 0)
		*action = EXCEPTION_ALLOW;
	else if (strcasecmp(verb, "DUNNO") == 0)
		*action = EXCEPTION_SCORE;
	else
		*action = EXCEPTION_BLOCK;
	return *action != EXCEPTION_BLOCK || strcasecmp(verb, "REJECT") == 0 ||
	       is_reply(verb, text);
}

static bool
read_cidr(char *line, struct exception_entry *entry, struct text *error)
{
	char *word = next_word(&line), *verb;

	if (word == NULL || !prefix_parse(word, &entry->prefix))
		return complain(error, "expected an address or prefix, host bits 0", word);
	verb = next_word(&line);
	if (verb == NULL)
		return complain(error, "expected an action after the prefix", NULL);
	if (!read_verb(verb, line, &entry->action))
		return complain(error,
		    "expected OK, PERMIT, DUNNO, REJECT, or a code of 4NN or 5NN with a text",
		    verb);
	line += strspn(line, blank);
	if (*line != '\0' && !copy_text(entry->reason, sizeof entry->reason, line))
		return complain(error, "the text is longer than 200 characters", NULL);
	return true;
}

/* 1 to 4 numbers with dots: an address, of which the numbers that are missing are `fill`. */
static bool
read_ip4(const char *string, uint32_t fill, uint32_t *address, unsigned *numbers)
{
	uint32_t number;

	*address = 0;
	*numbers = 0;
	while (*numbers < 4) {
		if (!text_read_number(&string, 255, &number))
			return false;
		*address = *address << 8 | number;
		++*numbers;
		if (*string == '\0')
			break;
		if (*string++ != '.')
			return false;
	}
	for (unsigned i = *numbers; i < 4; i++)
		*address = *address << 8 | fill;
	return *string == '\0';
}

static void
set_prefix(struct exception_entry *entry, uint32_t address, unsigned length)
{
	memset(&entry->prefix, 0, sizeof entry->prefix);
	for (unsigned i = 0; i < 4; i++)
		entry->prefix.base.octet[i] = (uint8_t)(address >> (24 - 8 * i));
	entry->prefix.length = length;
}

/* All prefixes of first..last. */
static bool
take_range(uint32_t first, uint32_t last, struct exception_entry *entry, exchange_take *take,
    void *context)
{
	uint64_t at = first;

	while (at <= last) {
		unsigned length = 32;

		while (length > 0 && (at & (UINT64_C(1) << (32 - length))) == 0 &&
		       at + (UINT64_C(2) << (32 - length)) - 1 <= last)
			length--;
		set_prefix(entry, (uint32_t)at, length);
		if (!take(context, entry))
			return false;
		at += UINT64_C(1) << (32 - length);
	}
	return true;
}

/* The end of a range: what is missing is 255; one number alone stands for the last of the start. */
static bool
read_ip4_end(const char *string, uint32_t first, unsigned numbers, uint32_t *last)
{
	uint32_t beyond = (uint32_t)(UINT64_C(0xffffffff) >> 8 * numbers); /* the start's numbers */
	unsigned given;

	if (!read_ip4(string, 255, last, &given))
		return false;
	if (given == 1)
		*last = (first & ~(beyond << 8 | 255)) | *last >> 24 << 8 * (4 - numbers) | beyond;
	return first <= *last;
}

/*
 * "a.b", "a.b.c", "a.b.c.d/n", "a-b": the addresses from first to last. One number alone is none:
 * rbldnsd takes it neither, and it would be a /8.
 */
static bool
read_ip4_range(const char *word, uint32_t *first, uint32_t *last)
{
	char start[16];
	size_t length = strcspn(word, "-/");
	const char *rest = word + length;
	unsigned numbers;
	uint32_t bits;

	if (length >= sizeof start)
		return false;
	memcpy(start, word, length);
	start[length] = '\0';
	if (!read_ip4(start, 0, first, &numbers) || (numbers == 1 && *rest == '\0'))
		return false;
	*last = (uint32_t)(*first | UINT64_C(0xffffffff) >> 8 * numbers);
	if (*rest == '\0')
		return true;
	if (*rest++ == '-')
		return read_ip4_end(rest, *first, numbers, last);
	if (!text_read_number(&rest, 32, &bits) || *rest != '\0')
		return false;
	*last = (uint32_t)(*first | UINT64_C(0xffffffff) >> bits);
	return (*first & UINT64_C(0xffffffff) >> bits) == 0;
}

static bool
read_rbldnsd(char *line, struct exception_entry *entry, exchange_take *take, void *context,
    struct text *error)
{
	char *word = next_word(&line), *text;
	uint32_t first, last;

	if (word == NULL || *word == '$' || *word == ':')
		return true; /* a default text, SOA, TTL: nothing about an address */
	if (*word == '!') { /* of a set of good addresses this one is no part, but it may be good */
		entry->action =
		    entry->action == EXCEPTION_ALLOW ? EXCEPTION_SCORE : EXCEPTION_ALLOW;
		word++;
	}
	if (!read_ip4_range(word, &first, &last))
		return complain(error, "expected an IPv4 address, prefix or range", word);
	line += strspn(line, blank);
	if (*line == ':' && (text = strchr(line + 1, ':')) != NULL)
		line = text + 1;
	if (*line != '\0' && !copy_text(entry->reason, sizeof entry->reason, line))
		return complain(error, "the text is longer than 200 characters", NULL);
	return take_range(first, last, entry, take, context);
}

bool
exchange_read(enum exchange_format format, char *line, const struct exception_entry *given,
    exchange_take *take, void *context, struct text *error)
{
	struct exception_entry entry = *given;
	char first = line[strspn(line, blank)];

	if (first == '\0' || first == '#')
		return true;
	switch (format) {
	case EXCHANGE_TALLY:
		return read_tally(line, &entry, error) && take(context, &entry);
	case EXCHANGE_PLAIN:
		return read_plain(line, &entry, error) && take(context, &entry);
	case EXCHANGE_CIDR:
		return read_cidr(line, &entry, error) && take(context, &entry);
	case EXCHANGE_RBLDNSD:
		break;
	}
	return read_rbldnsd(line, &entry, take, context, error);
}

static void
add_quoted(struct text *line, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	text_add_format(line, " %s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			text_add(line, "\\");
		text_add_printable(line, value, 1);
	}
	text_add(line, "\"");
}

static void
print_tally(const struct exception_entry *entry, struct text *line)
{
	text_add_format(line, "%s ", exception_word(entry->action));
	prefix_print(&entry->prefix, line);
	if (entry->action == EXCEPTION_SCORE)
		text_add_format(line, " %d", entry->score);
	if (entry->zone[0] != '\0')
		text_add_format(line, " zone=%s", entry->zone);
	if (entry->until != 0) {
		text_add(line, " until=");
		when_print(entry->until, line);
	}
	if (entry->added != 0) {
		text_add(line, " added=");
		when_print(entry->added, line);
	}
	add_quoted(line, "by", entry->author);
	add_quoted(line, "reason", entry->reason);
}

void
exchange_print(enum exchange_format format, const struct exception_entry *entry, struct text *line)
{
	/* by action; a score of 0 leaves an address to the lists */
	static const char *const verb[] = {
	    [EXCEPTION_ALLOW] = "OK", [EXCEPTION_BLOCK] = "REJECT", [EXCEPTION_SCORE] = "DUNNO"};
	bool allow = entry->action == EXCEPTION_ALLOW;

	if (format == EXCHANGE_TALLY) {
		print_tally(entry, line);
		return;
	}
	if ((entry->action == EXCEPTION_SCORE && (format != EXCHANGE_CIDR || entry->score != 0)) ||
	    (format == EXCHANGE_RBLDNSD && entry->prefix.base.family == SUBJECT_IPV6))
		return;
	if (format == EXCHANGE_RBLDNSD && allow)
		text_add(line, "!");
	prefix_print(&entry->prefix, line);
	if (format == EXCHANGE_CIDR)
		text_add_format(line, " %s %s", verb[entry->action], entry->reason);
	else if (format == EXCHANGE_RBLDNSD && !allow && entry->reason[0] != '\0')
		text_add_format(line, " :127.0.0.2:%s", entry->reason);
}

void
exchange_key(
    enum exception_action action, const struct prefix *prefix, const char *zone, struct text *text)
{
	text_add_format(text, "%s ", exception_word(action));
	prefix_print(prefix, text);
	text_add_format(text, " %.40s", zone[0] == '\0' ? "all" : zone);
}
