#include "aggregate/site.h"

#include <string.h>

static void
octet_allow(uint64_t octet[4], uint32_t first, uint32_t last)
{
	for (uint32_t d = first; d <= last; d++)
		octet[d / 64] |= UINT64_C(1) << d % 64;
}

/* "n" or "n..m" */
static bool
range_parse(const char **cursor, uint64_t octet[4], struct text *error)
{
	uint32_t first, last;

	if (!text_read_number(cursor, 255, &first)) {
		text_add(error, "expected a number of 0 to 255");
		return false;
	}
	last = first;
	if (strncmp(*cursor, "..", 2) == 0) {
		*cursor += 2;
		if (!text_read_number(cursor, 255, &last)) {
			text_add(error, "expected a number of 0 to 255 after \"..\"");
			return false;
		}
	}
	if (last < first) {
		text_add_format(error, "range %u..%u runs backwards", first, last);
		return false;
	}
	octet_allow(octet, first, last);
	return true;
}

/* "n" or "[n;n..m;...]" */
static bool
octet_parse(const char **cursor, uint64_t octet[4], struct text *error)
{
	uint32_t number;

	if (**cursor != '[') {
		if (!text_read_number(cursor, 255, &number)) {
			text_add(error, "expected a number of 0 to 255 or \"[\"");
			return false;
		}
		octet_allow(octet, number, number);
		return true;
	}
	do {
		++*cursor;
		if (!range_parse(cursor, octet, error))
			return false;
	} while (**cursor == ';');
	if (**cursor != ']') {
		text_add(error, "expected \";\" or \"]\"");
		return false;
	}
	++*cursor;
	return true;
}

static bool
pattern_read(const char **cursor, struct pattern *pattern, struct text *error)
{
	memset(pattern, 0, sizeof *pattern);
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0 && *(*cursor)++ != '.') {
			--*cursor;
			text_add(error, "expected four numbers with \".\" between them");
			return false;
		}
		if (!octet_parse(cursor, pattern->octet[i], error))
			return false;
	}
	return true;
}

static void
add_place(struct text *error, const char *rest)
{
	if (*rest == '\0') {
		text_add(error, " at the end");
	} else {
		text_add(error, " at \"");
		text_add_printable(error, rest, strlen(rest));
		text_add(error, "\"");
	}
}

bool
pattern_parse(const char *string, struct pattern *pattern, struct text *error)
{
	const char *cursor = string;

	if (!pattern_read(&cursor, pattern, error)) {
		add_place(error, cursor);
		return false;
	}
	if (*cursor != '\0') {
		text_add(error, "unexpected text after the fourth number");
		add_place(error, cursor);
		return false;
	}
	return true;
}

bool
pattern_match(const struct pattern *pattern, uint32_t address)
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t d = address >> (24 - 8 * i) & 255;

		if ((pattern->octet[i][d / 64] >> d % 64 & 1) == 0)
			return false;
	}
	return true;
}

bool
pattern_begins(const struct pattern *pattern, unsigned first)
{
	return (pattern->octet[0][first / 64] >> first % 64 & 1) != 0;
}

bool
pattern_within(const struct pattern *inner, const struct pattern *outer)
{
	for (unsigned i = 0; i < 4; i++)
		for (unsigned word = 0; word < 4; word++)
			if ((inner->octet[i][word] & ~outer->octet[i][word]) != 0)
				return false;
	return true;
}

/* "n", "-n", "+n" or "0!" */
static bool
weight_read(const char **cursor, struct site *site, struct text *error)
{
	bool negative = **cursor == '-';
	uint32_t number;

	if (negative || **cursor == '+')
		++*cursor;
	if (!text_read_number(cursor, SITE_WEIGHT_MAX, &number)) {
		text_add_format(
		    error, "expected a weight of -%d to %d", SITE_WEIGHT_MAX, SITE_WEIGHT_MAX);
		return false;
	}
	site->weight = negative ? -(int32_t)number : (int32_t)number;
	site->neutral = **cursor == '!';
	if (site->neutral && number != 0) {
		text_add(error, "only the weight 0 can be neutral, \"0!\"");
		return false;
	}
	*cursor += site->neutral;
	return true;
}

static bool
site_read(const char **cursor, struct site *site, struct text *error)
{
	char name[NAME_TEXT_MAX + 2];
	size_t length = strcspn(*cursor, "=*");

	if (length >= sizeof name)
		length = sizeof name - 1;
	memcpy(name, *cursor, length);
	name[length] = '\0';
	if (!name_fold(name, site->list)) {
		text_add(error, "expected the domain name of a list");
		return false;
	}
	*cursor += length;
	site->filtered = **cursor == '=';
	if (site->filtered) {
		++*cursor;
		if (!pattern_read(cursor, &site->filter, error))
			return false;
	}
	site->weight = 1;
	if (**cursor == '*') {
		++*cursor;
		if (!weight_read(cursor, site, error))
			return false;
	}
	if (**cursor != '\0') {
		text_add(error, site->filtered
				    ? "expected \"*weight\" or nothing more"
				    : "expected \"=filter\", \"*weight\" or nothing more");
		return false;
	}
	return true;
}

bool
site_parse(const char *string, struct site *site, struct text *error)
{
	const char *cursor = string;

	memset(site, 0, sizeof *site);
	if (!site_read(&cursor, site, error)) {
		add_place(error, cursor);
		return false;
	}
	return true;
}

static bool
octet_allows(const uint64_t octet[4], unsigned d)
{
	return d < 256 && (octet[d / 64] >> d % 64 & 1) != 0;
}

static void
octet_print(const uint64_t octet[4], struct text *text)
{
	char printed[1024];
	struct text ranges;
	unsigned values = 0;

	text_init(&ranges, printed, sizeof printed);
	for (unsigned d = 0; d < 256; d++) {
		unsigned last = d;

		if (!octet_allows(octet, d))
			continue;
		while (octet_allows(octet, last + 1))
			last++;
		values += last - d + 1;
		text_add_format(&ranges, "%s%u", ranges.length == 0 ? "" : ";", d);
		if (last > d)
			text_add_format(&ranges, "..%u", last);
		d = last;
	}
	if (values == 1)
		text_add(text, printed);
	else
		text_add_format(text, "[%s]", printed);
}

void
pattern_print(const struct pattern *pattern, struct text *text)
{
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			text_add(text, ".");
		octet_print(pattern->octet[i], text);
	}
}
