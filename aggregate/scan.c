#include "aggregate/scan.h"

#include <stddef.h>
#include <string.h>

struct token {
	size_t start, end; /* in the text, quotes included */
	unsigned line;
	char kind; /* 'w' word or string, 0 the end, else the character itself */
	bool open; /* the text ended inside a comment or string */
};

/* Step over blanks and comments; *open is set when the text ends inside a comment. */
static size_t
skip_blank(const char *text, size_t at, unsigned *line, bool *open)
{
	for (;;) {
		if (text[at] == '#' || (text[at] == '/' && text[at + 1] == '/')) {
			at += strcspn(text + at, "\n");
		} else if (text[at] == '/' && text[at + 1] == '*') {
			const char *end = strstr(text + at + 2, "*/");
			size_t after = end == NULL ? strlen(text) : (size_t)(end - text) + 2;

			*open = end == NULL;
			while (at < after)
				*line += text[at++] == '\n';
		} else if (text[at] != '\0' && strchr(" \t\r\n", text[at]) != NULL) {
			*line += text[at++] == '\n';
		} else {
			return at;
		}
	}
}

static size_t
skip_string(const char *text, size_t at, unsigned *line)
{
	char quote = text[at++];

	while (text[at] != '\0' && text[at] != quote) {
		if (text[at] == '\\' && text[at + 1] != '\0')
			at++;
		*line += text[at++] == '\n';
	}
	return text[at] == quote ? at + 1 : at;
}

static struct token
next_token(const char *text, struct token previous)
{
	struct token token = {.line = previous.line};
	size_t at = skip_blank(text, previous.end, &token.line, &token.open);

	token.start = at;
	token.kind = 'w';
	if (text[at] == '\0') {
		token.kind = '\0';
		token.end = at;
	} else if (text[at] == '"' || text[at] == '\'') {
		unsigned line = token.line;

		token.end = skip_string(text, at, &line);
		token.open = text[token.end - 1] != text[at] || token.end - at < 2;
		token.line = line;
	} else if (strchr("{}()=,", text[at]) != NULL) {
		token.kind = text[at];
		token.end = at + 1;
	} else if (text[at] == '+' && text[at + 1] == '=') {
		token.kind = '=';
		token.end = at + 2;
	} else {
		token.end = at + 1;
		while (text[token.end] != '\0' &&
		       strchr(" #\"'\t\n\r={}()+,*", text[token.end]) == NULL &&
		       (text[token.end] != '/' || strchr("/*", text[token.end + 1]) == NULL))
			token.end++;
	}
	return token;
}

static const struct token first_token = {.line = 1};

static bool
token_is(const char *text, struct token token, const char *word)
{
	size_t quoted = text[token.start] == '"' || text[token.start] == '\'' ? 1 : 0;
	size_t length = token.end - token.start - 2 * quoted;

	return token.kind == 'w' && token.end - token.start >= 2 * quoted &&
	       strlen(word) == length && memcmp(text + token.start + quoted, word, length) == 0;
}

/* The token that closes the brace or parenthesis `open`, or the end of the text. */
static struct token
matching(const char *text, struct token open)
{
	struct token token = open;
	unsigned depth = 0;

	do {
		if (token.kind == '{' || token.kind == '(')
			depth++;
		else if (token.kind == '}' || token.kind == ')')
			depth--;
		if (depth > 0)
			token = next_token(text, token);
	} while (depth > 0 && token.kind != '\0');
	return token;
}

/* Where the statement ends that begins with the token `name`. */
static size_t
statement_end(const char *text, struct token name)
{
	struct token token = next_token(text, name);

	if (token.kind == 'w') {
		struct token brace = next_token(text, token);

		return brace.kind == '{' ? matching(text, brace).end : name.end;
	}
	if (token.kind == '=') {
		token = next_token(text, token);
		if (token.kind == 'w')
			return token.end;
	}
	if (token.kind == '{' || token.kind == '(')
		return matching(text, token).end;
	return name.end;
}

static void
blank(char *text, size_t start, size_t end)
{
	for (size_t i = start; i < end; i++)
		if (text[i] != '\n')
			text[i] = ' ';
}

bool
scan_blank_statement(char *text, const char *name, unsigned line)
{
	struct token last = first_token, before = first_token, token = next_token(text, before);

	for (; token.kind != '\0'; last = before, before = token, token = next_token(text, token)) {
		bool is_value = before.kind == '=' || before.kind == ',' || before.kind == '(' ||
				(before.kind == '{' && last.kind == '=');

		if (token.line == line && !is_value && token_is(text, token, name)) {
			blank(text, token.start, statement_end(text, token));
			return true;
		}
	}
	return false;
}

bool
scan_blank_section(char *text, const char *title, unsigned line)
{
	struct token before = first_token, token = next_token(text, before), found = {0};

	for (; token.kind != '\0' && token.line <= line;
	     before = token, token = next_token(text, token))
		if (token_is(text, token, title) &&
		    (token_is(text, before, "list") || token_is(text, before, "zone")))
			found = before;
	if (found.end == 0)
		return false;
	blank(text, found.start, statement_end(text, found));
	return true;
}

/* libconfuse takes "zone|threshold" for the threshold of the first zone; we do not. */
static bool
is_path(const char *text, struct token token)
{
	return token.kind == 'w' && text[token.start] != '"' && text[token.start] != '\'' &&
	       memchr(text + token.start, '|', token.end - token.start) != NULL;
}

bool
scan_prepare(char *text, const char *file, struct mistakes *mistakes)
{
	struct token before = first_token, token;
	unsigned depth = 0, open_line = 0;

	do {
		token = next_token(text, before);
		blank(text, before.end, token.start);
		if (token.kind == '{' && depth++ == 0)
			open_line = token.line;
		if (token.kind == '}' && depth > 0)
			depth--;
		if (is_path(text, token)) {
			mistakes_add(mistakes, file, token.line,
			    "\"%.*s\": there is no such option here",
			    (int)(token.end - token.start), text + token.start);
			blank(text, token.start, statement_end(text, token));
			token = before;
		}
		if (token.open) {
			mistakes_add(mistakes, file, before.line,
			    "a comment or string that begins here or below is never closed, or a "
			    "quote is missing above");
			return false;
		}
		if (token.kind == '=' && text[token.start] == '+') {
			mistakes_add(mistakes, file, token.line,
			    "\"+=\": name all values behind one \"=\", those of the default too");
			text[token.start] = ' ';
		}
		before = token;
	} while (token.kind != '\0');
	if (depth > 0)
		mistakes_add(mistakes, file, open_line, "this \"{\" is never closed");
	return depth == 0;
}

unsigned
scan_section_line(const char *text, const char *kind, const char *title, struct scan_place *place)
{
	struct token before = {.end = place->at, .line = place->line == 0 ? 1 : place->line};
	struct token token = next_token(text, before);

	for (; token.kind != '\0'; before = token, token = next_token(text, token))
		if (before.kind == 'w' && token_is(text, before, kind) &&
		    token_is(text, token, title) && next_token(text, token).kind == '{') {
			*place = (struct scan_place){.at = token.end, .line = token.line};
			return before.line;
		}
	return 0;
}

unsigned
scan_option_line(const char *text, const char *option, unsigned from)
{
	struct token token = next_token(text, first_token);

	for (; token.kind != '\0'; token = next_token(text, token))
		if (token.line >= from && token_is(text, token, option) &&
		    next_token(text, token).kind == '=')
			return token.line;
	return 0;
}
