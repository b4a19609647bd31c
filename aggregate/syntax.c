#include "aggregate/syntax.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX (1u << 20)
#define DEPTH_MAX 8
#define FILES_MAX 100
#define OPTIONS_MAX 32

/* What libconfuse keeps for us as the value of an option. */
struct held {
	struct reading *reading;
	const char *option; /* its name; valid while libconfuse parses */
	unsigned line;
	char *text;
};

/* One file being read. */
struct reading {
	struct syntax *syntax;
	const struct syntax_schema *schema;
	struct mistakes *mistakes;
	const char *file;
	unsigned depth;
	char *text;      /* the file, with what was refused blanked out */
	bool collecting; /* mistakes of values count: the last, clean pass */
	char error[400]; /* libconfuse's message, "" for none */
	unsigned error_line;
	struct syntax_word *include; /* the files that this one names */
	size_t includes;
};

/* libconfuse's error function has no argument of its own; valid while cfg_parse_buf runs. */
static _Thread_local struct reading *current;

/*
 * A scanner of libconfuse's language, for one purpose: to find where a statement ends that
 * libconfuse refused.
 */
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

/* Blank out the statement that begins with `name` on `line`. */
static bool
blank_statement(char *text, const char *name, unsigned line)
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

/* Blank out the last section of this title that begins on `line` or before. */
static bool
blank_section(char *text, const char *title, unsigned line)
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

/*
 * What libconfuse does not do well: it miscounts lines after comments and stumbles over those
 * inside braces, so they are blanked out first; and it takes the end of the file for the end of
 * a section or a comment. False after such a mistake.
 */
static bool
prepare(char *text, const char *file, struct mistakes *mistakes)
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
		if (token.open) {
			mistakes_add(mistakes, file, before.line,
			    "a comment or string that begins here or below is never closed");
			return false;
		}
		before = token;
	} while (token.kind != '\0');
	if (depth > 0)
		mistakes_add(mistakes, file, open_line, "this \"{\" is never closed");
	return depth == 0;
}

/* The line on which the section `kind "title"` begins; 0 when it is not found. */
static unsigned
section_line(const char *text, const char *kind, const char *title)
{
	struct token before = first_token, token = next_token(text, before);

	for (; token.kind != '\0'; before = token, token = next_token(text, token))
		if (before.kind == 'w' && token_is(text, before, kind) &&
		    token_is(text, token, title) && next_token(text, token).kind == '{')
			return before.line;
	return 0;
}

/* The line on which `option` is given, in or after line `from`; 0 when it is not found. */
static unsigned
option_line(const char *text, const char *option, unsigned from)
{
	struct token token = next_token(text, first_token);

	for (; token.kind != '\0'; token = next_token(text, token))
		if (token.line >= from && token_is(text, token, option) &&
		    next_token(text, token).kind == '=')
			return token.line;
	return 0;
}

static void
on_error(cfg_t *cfg, const char *format, va_list arguments)
{
	(void)vsnprintf(current->error, sizeof current->error, format, arguments);
	current->error_line = (unsigned)cfg->line;
}

static int
on_value(cfg_t *cfg, cfg_opt_t *option, const char *text, void *out)
{
	struct held *held = calloc(1, sizeof *held);

	if (held == NULL)
		return -1;
	held->reading = current;
	held->option = option->name;
	held->line = (unsigned)cfg->line;
	held->text = strdup(text);
	if (held->text == NULL) {
		free(held);
		return -1;
	}
	*(struct held **)out = held;
	return 0;
}

/* libconfuse lets go of a value: at the end, or because the option is given once more. */
static void
on_free(void *value)
{
	struct held *held = value;
	struct reading *reading = held->reading;

	if (reading->collecting)
		mistakes_add(reading->mistakes, reading->file, held->line,
		    "%s = \"%.200s\": this option is given again below", held->option, held->text);
	free(held->text);
	free(held);
}

static int
on_include(cfg_t *cfg, cfg_opt_t *option, int count, const char **argument)
{
	struct syntax_word *larger;

	(void)option;
	if (count != 1) {
		cfg_error(cfg, "include takes one file name");
		return -1;
	}
	larger = realloc(current->include, (current->includes + 1) * sizeof *larger);
	if (larger == NULL)
		return -1;
	current->include = larger;
	larger[current->includes].line = (unsigned)cfg->line;
	larger[current->includes].text = strdup(argument[0]);
	return larger[current->includes++].text == NULL ? -1 : 0;
}

static void
fill_options(cfg_opt_t *options, const struct syntax_option *known)
{
	static const cfg_opt_t one = CFG_PTR_CB("", NULL, CFGF_NODEFAULT, on_value, on_free);
	static const cfg_opt_t many = CFG_PTR_LIST_CB("", NULL, CFGF_NODEFAULT, on_value, on_free);
	static const cfg_opt_t end = CFG_END();
	size_t count = 0;

	for (; known->name != NULL; known++) {
		options[count] = known->is_list ? many : one;
		options[count++].name = known->name;
	}
	options[count] = end;
}

/* Everything libconfuse is told of the language. */
struct language {
	cfg_opt_t list[OPTIONS_MAX], zone[OPTIONS_MAX], top[OPTIONS_MAX];
};

static void
fill_language(struct language *language, const struct syntax_schema *schema)
{
	const cfg_opt_t more[] = {
	    CFG_SEC("list", language->list, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	    CFG_SEC("zone", language->zone, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	    CFG_FUNC("include", on_include),
	    CFG_END(),
	};
	size_t count = 0;

	fill_options(language->list, schema->list);
	fill_options(language->zone, schema->zone);
	fill_options(language->top, schema->top);
	while (language->top[count].name != NULL)
		count++;
	memcpy(&language->top[count], more, sizeof more);
}

static bool
keep_value(const struct reading *reading, struct syntax_section *section, const char *name,
    cfg_opt_t *option)
{
	struct syntax_value *value = &section->value[section->values];
	unsigned count = cfg_opt_size(option);

	value->word = calloc(count + 1, sizeof *value->word);
	if (value->word == NULL)
		return false;
	value->name = name;
	for (unsigned i = 0; i < count; i++) {
		struct held *held = cfg_opt_getnptr(option, i);

		value->word[i].line = held->line;
		value->word[i].text = strdup(held->text);
		if (value->word[i].text == NULL)
			break;
		value->words++;
	}
	value->line = value->words > 0 ? value->word[0].line
				       : option_line(reading->text, name, section->line);
	section->values++;
	return true;
}

static void
keep_section(
    struct reading *reading, enum syntax_kind kind, const struct syntax_option *known, cfg_t *cfg)
{
	static const char *const word[] = {[SYNTAX_LIST] = "list", [SYNTAX_ZONE] = "zone"};
	struct syntax *syntax = reading->syntax;
	struct syntax_section *larger, *section;
	const char *title = kind == SYNTAX_TOP ? "" : cfg_title(cfg);

	larger = realloc(syntax->section, (syntax->sections + 1) * sizeof *larger);
	if (larger == NULL)
		return;
	syntax->section = larger;
	section = &larger[syntax->sections];
	*section = (struct syntax_section){
	    .kind = kind, .file = reading->file, .depth = reading->depth, .title = strdup(title)};
	section->value = calloc(OPTIONS_MAX, sizeof *section->value);
	if (section->title == NULL || section->value == NULL) {
		free(section->title);
		free(section->value);
		return;
	}
	if (kind != SYNTAX_TOP)
		section->line = section_line(reading->text, word[kind], title);
	syntax->sections++;
	for (; known->name != NULL; known++) {
		cfg_opt_t *option = cfg_getopt(cfg, known->name);

		if ((option->flags & CFGF_MODIFIED) != 0)
			keep_value(reading, section, known->name, option);
	}
}

static void
keep_file(struct reading *reading, cfg_t *cfg)
{
	const struct syntax_schema *schema = reading->schema;

	keep_section(reading, SYNTAX_TOP, schema->top, cfg);
	for (unsigned i = 0; i < cfg_size(cfg, "list"); i++)
		keep_section(reading, SYNTAX_LIST, schema->list, cfg_getnsec(cfg, "list", i));
	for (unsigned i = 0; i < cfg_size(cfg, "zone"); i++)
		keep_section(reading, SYNTAX_ZONE, schema->zone, cfg_getnsec(cfg, "zone", i));
}

static void
forget_includes(struct reading *reading)
{
	for (size_t i = 0; i < reading->includes; i++)
		free(reading->include[i].text);
	free(reading->include);
	reading->include = NULL;
	reading->includes = 0;
}

/* One pass of libconfuse over the text; false on an error, which is then in `reading`. */
static bool
parse(struct reading *reading, bool last)
{
	struct language language;
	cfg_t *cfg;
	bool good;

	fill_language(&language, reading->schema);
	cfg = cfg_init(language.top, CFGF_NONE);
	if (cfg == NULL)
		return false;
	cfg_set_error_function(cfg, on_error);
	forget_includes(reading);
	reading->error[0] = '\0';
	reading->collecting = last;
	current = reading;
	good = cfg_parse_buf(cfg, reading->text) == CFG_SUCCESS;
	current = NULL;
	reading->collecting = false;
	if (good && last)
		keep_file(reading, cfg);
	cfg_free(cfg);
	return good;
}

/* The quoted word of a message like "no such option 'x'", or NULL. */
static const char *
quoted_word(struct reading *reading, const char *beginning, char *word, size_t size)
{
	size_t skip = strlen(beginning), length;

	if (strncmp(reading->error, beginning, skip) != 0)
		return NULL;
	length = strlen(reading->error + skip);
	if (length == 0 || length > size)
		return NULL;
	memcpy(word, reading->error + skip, length - 1); /* without the closing quote */
	word[length - 1] = '\0';
	return word;
}

/* Tell one error of libconfuse; true when its cause is blanked out and reading may go on. */
static bool
tell_and_blank(struct reading *reading)
{
	char word[300];
	unsigned line = reading->error_line;

	if (quoted_word(reading, "no such option '", word, sizeof word) != NULL) {
		mistakes_add(reading->mistakes, reading->file, line,
		    "\"%s\": there is no such option here", word);
		return blank_statement(reading->text, word, line);
	}
	if (quoted_word(reading, "found duplicate title '", word, sizeof word) != NULL) {
		mistakes_add(reading->mistakes, reading->file, line,
		    "\"%s\": this file has a section of this name already", word);
		return blank_section(reading->text, word, line);
	}
	mistakes_add(reading->mistakes, reading->file, line, "%s",
	    reading->error[0] != '\0' ? reading->error : "syntax error");
	return false;
}

/* The whole of a regular file, with a NUL behind it; NULL, with a mistake, when it can't be. */
static char *
read_whole(const char *path, const char *blame_file, unsigned blame_line, struct mistakes *mistakes)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	const char *why = NULL;
	char *text = NULL;
	struct stat status;
	ssize_t got = 0;

	if (fd < 0 || fstat(fd, &status) != 0)
		why = strerror(errno);
	else if (!S_ISREG(status.st_mode))
		why = "it is not a regular file";
	else if (status.st_size > (off_t)FILE_SIZE_MAX)
		why = "it is larger than 1 MiB";
	else if ((text = calloc(1, (size_t)status.st_size + 1)) == NULL ||
		 (got = read(fd, text, (size_t)status.st_size)) < 0)
		why = strerror(errno);
	else if (strlen(text) != (size_t)got)
		why = "it holds a NUL byte";
	if (fd >= 0)
		close(fd);
	if (why == NULL)
		return text;
	free(text);
	mistakes_add(mistakes, blame_file, blame_line, "cannot read %s: %s", path, why);
	return NULL;
}

/* A path as the including file means it: relative to that file's directory. */
static char *
beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	size_t directory = path[0] == '/' || slash == NULL ? 0 : (size_t)(slash - file) + 1;
	char *joined = malloc(directory + strlen(path) + 1);

	if (joined != NULL) {
		memcpy(joined, file, directory);
		memcpy(joined + directory, path, strlen(path) + 1);
	}
	return joined;
}

static void read_file(struct reading *parent, char *path, unsigned line);

static void
read_text(struct reading *reading)
{
	bool readable = prepare(reading->text, reading->file, reading->mistakes);

	if (!readable)
		return;
	readable = parse(reading, false);
	while (!readable && tell_and_blank(reading))
		readable = parse(reading, false);
	if (!readable)
		return;
	parse(reading, true);
	for (size_t i = 0; i < reading->includes; i++)
		read_file(reading, beside(reading->file, reading->include[i].text),
		    reading->include[i].line);
}

/* Read the file `path` (taken over), which the file of `parent` names on `line`. */
static void
read_file(struct reading *parent, char *path, unsigned line)
{
	struct syntax *syntax = parent->syntax;
	struct reading reading = {.syntax = syntax,
	    .schema = parent->schema,
	    .mistakes = parent->mistakes,
	    .file = path,
	    .depth = parent->depth + 1};
	char **larger = realloc(syntax->file, (syntax->files + 1) * sizeof *larger);

	if (larger != NULL)
		syntax->file = larger;
	if (path == NULL || larger == NULL) {
		free(path);
		return;
	}
	syntax->file[syntax->files++] = path;
	if (reading.depth > DEPTH_MAX || syntax->files > FILES_MAX) {
		mistakes_add(parent->mistakes, parent->file, line,
		    "include(\"%s\"): too many files, or files that include each other", path);
		return;
	}
	reading.text = read_whole(path, parent->file, line, parent->mistakes);
	if (reading.text != NULL)
		read_text(&reading);
	forget_includes(&reading);
	free(reading.text);
}

void
syntax_read(struct syntax *syntax, const char *path, const struct syntax_schema *schema,
    struct mistakes *mistakes)
{
	struct reading reading = {
	    .syntax = syntax, .schema = schema, .mistakes = mistakes, .file = path};

	*syntax = (struct syntax){0};
	reading.text = read_whole(path, path, 0, mistakes);
	if (reading.text != NULL)
		read_text(&reading);
	forget_includes(&reading);
	free(reading.text);
}

void
syntax_free(struct syntax *syntax)
{
	for (size_t i = 0; i < syntax->sections; i++) {
		struct syntax_section *section = &syntax->section[i];

		for (size_t j = 0; j < section->values; j++) {
			for (size_t k = 0; k < section->value[j].words; k++)
				free(section->value[j].word[k].text);
			free(section->value[j].word);
		}
		free(section->value);
		free(section->title);
	}
	for (size_t i = 0; i < syntax->files; i++)
		free(syntax->file[i]);
	free(syntax->section);
	free(syntax->file);
	*syntax = (struct syntax){0};
}

const struct syntax_value *
syntax_value(const struct syntax_section *section, const char *name)
{
	for (size_t i = 0; i < section->values; i++)
		if (strcmp(section->value[i].name, name) == 0)
			return &section->value[i];
	return NULL;
}
