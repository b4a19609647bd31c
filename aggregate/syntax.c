#include "aggregate/syntax.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/inclusion.h"
#include "aggregate/scan.h"

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
	struct scan_place place[3];  /* by kind: behind the last section that was kept */
	struct syntax_word *include; /* the files that this one names */
	size_t includes;
};

/* libconfuse's error function has no argument of its own; valid while cfg_parse_buf runs. */
static _Thread_local struct reading *current;

/* Half of a file must not pass for the whole. */
static void
lack_memory(struct mistakes *mistakes, const char *file)
{
	mistakes_add(mistakes, file, 0, "out of memory");
}

static void on_error(cfg_t *cfg, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

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

	if (reading->collecting && strcmp(held->option, "query") == 0) /* it holds a key */
		mistakes_add(reading->mistakes, reading->file, held->line,
		    "query: this option is given again below");
	else if (reading->collecting)
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
	if (larger[current->includes].text == NULL)
		return -1;
	current->includes++;
	return 0;
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

static void
keep_value(const struct reading *reading, struct syntax_section *section, const char *name,
    cfg_opt_t *option)
{
	struct syntax_value *value = &section->value[section->values];
	unsigned count = cfg_opt_size(option);

	value->word = calloc(count + 1, sizeof *value->word);
	if (value->word == NULL) {
		lack_memory(reading->mistakes, reading->file);
		return;
	}
	value->name = name;
	for (unsigned i = 0; i < count; i++) {
		struct held *held = cfg_opt_getnptr(option, i);

		value->word[i].line = held->line;
		value->word[i].text = strdup(held->text);
		if (value->word[i].text == NULL) {
			lack_memory(reading->mistakes, reading->file);
			break;
		}
		value->words++;
	}
	value->line = value->words > 0 ? value->word[0].line
				       : scan_option_line(reading->text, name, section->line);
	section->values++;
}

/* Room for one more section, of this title, behind those that there are; NULL without memory. */
static struct syntax_section *
make_section(struct reading *reading, enum syntax_kind kind, const char *title)
{
	struct syntax *syntax = reading->syntax;
	struct syntax_section *larger, *section;

	larger = realloc(syntax->section, (syntax->sections + 1) * sizeof *larger);
	if (larger == NULL)
		return NULL;
	syntax->section = larger;
	section = &larger[syntax->sections];
	*section = (struct syntax_section){
	    .kind = kind, .file = reading->file, .depth = reading->depth, .title = strdup(title)};
	section->value = calloc(OPTIONS_MAX, sizeof *section->value);
	if (section->title == NULL || section->value == NULL) {
		free(section->title);
		free(section->value);
		return NULL;
	}
	syntax->sections++;
	return section;
}

static void
keep_section(
    struct reading *reading, enum syntax_kind kind, const struct syntax_option *known, cfg_t *cfg)
{
	static const char *const word[] = {[SYNTAX_LIST] = "list", [SYNTAX_ZONE] = "zone"};
	const char *title = kind == SYNTAX_TOP ? "" : cfg_title(cfg);
	struct syntax_section *section = make_section(reading, kind, title);

	if (section == NULL) {
		lack_memory(reading->mistakes, reading->file);
		return;
	}
	if (!name_fold(title, section->name))
		section->name[0] = '\0';
	if (kind != SYNTAX_TOP)
		section->line =
		    scan_section_line(reading->text, word[kind], title, &reading->place[kind]);
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
	reading->error[0] = '\0';
	reading->error_line = 0;
	cfg = cfg_init(language.top, CFGF_NONE);
	if (cfg == NULL)
		return false;
	cfg_set_error_function(cfg, on_error);
	forget_includes(reading);
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

static bool
knows(const struct syntax_option *options, const char *name)
{
	while (options->name != NULL && strcmp(options->name, name) != 0)
		options++;
	return options->name != NULL;
}

/* Where an option stands that was found elsewhere. */
static const char *
right_place(const struct syntax_schema *schema, const char *name)
{
	bool in_list = knows(schema->list, name), in_zone = knows(schema->zone, name);

	if (in_list && in_zone)
		return ", but in a list or a zone";
	if (in_list || in_zone)
		return in_list ? ", but in a list" : ", but in a zone";
	return knows(schema->top, name) ? ", but outside of sections" : "";
}

/* A stray value, such as that of "query: KEY.dq.example", may begin with a key. */
static void
tell_unknown(struct reading *reading, unsigned line, const char *word)
{
	const char *dot = strchr(word, '.');

	mistakes_add(reading->mistakes, reading->file, line, "\"%s%s\": %s%s",
	    dot == NULL ? "" : "..", dot == NULL ? word : dot,
	    dot == NULL ? "there is no such option here"
			: "a value stands where an option is expected",
	    right_place(reading->schema, word));
}

/* Tell one error of libconfuse; true when its cause is blanked out and reading may go on. */
static bool
tell_and_blank(struct reading *reading)
{
	char word[300];
	unsigned line = reading->error_line;

	if (quoted_word(reading, "no such option '", word, sizeof word) != NULL) {
		tell_unknown(reading, line, word);
		return scan_blank_statement(reading->text, word, line);
	}
	if (quoted_word(reading, "found duplicate title '", word, sizeof word) != NULL) {
		mistakes_add(reading->mistakes, reading->file, line,
		    "\"%s\": this file has a section of this name already", word);
		return scan_blank_section(reading->text, word, line);
	}
	mistakes_add(reading->mistakes, reading->file, line, "%s%s",
	    reading->error[0] != '\0' ? reading->error : "syntax error",
	    strncmp(reading->error, "unexpected token", 16) == 0
		? ": is a quote, a comma or a brace missing, or one too many?"
		: "");
	return false;
}

/*
 * Read a text until nothing but a syntax error stops libconfuse. Each time it reads from the
 * beginning, so it stops too where a further mistake would not be told. True when all was read.
 */
static bool
read_text(struct reading *reading)
{
	bool readable;

	if (!scan_prepare(reading->text, reading->file, reading->mistakes))
		return false;
	readable = parse(reading, false);
	while (!readable && reading->mistakes->count < MISTAKES_MAX && tell_and_blank(reading))
		readable = parse(reading, false);
	if (readable && !parse(reading, true))
		lack_memory(reading->mistakes, reading->file);
	return readable;
}

/* Read one of the files, and add those that it names. */
static void
read_file(struct syntax *syntax, struct inclusion *inclusion, size_t i,
    const struct syntax_schema *schema, struct mistakes *mistakes)
{
	struct inclusion_file file = inclusion->file[i]; /* the array may move */
	struct reading reading = {.syntax = syntax,
	    .schema = schema,
	    .mistakes = mistakes,
	    .file = file.path,
	    .depth = file.depth,
	    .text = inclusion_read(inclusion, &file, mistakes)};

	if (reading.text != NULL && read_text(&reading))
		for (size_t j = 0; j < reading.includes; j++)
			inclusion_add(inclusion, &file, reading.include[j].line,
			    reading.include[j].text, mistakes);
	forget_includes(&reading);
	free(reading.text);
}

void
syntax_read(struct syntax *syntax, const char *path, const struct syntax_schema *schema,
    struct mistakes *mistakes)
{
	struct inclusion inclusion = {0};

	*syntax = (struct syntax){0};
	inclusion_add(&inclusion, NULL, 0, path, mistakes);
	for (size_t i = 0; i < inclusion.files; i++)
		read_file(syntax, &inclusion, i, schema, mistakes);
	syntax->file = inclusion_end(&inclusion, &syntax->files);
	if (syntax->file == NULL) {
		lack_memory(mistakes, path);
		syntax->files = 0;
		syntax_free(syntax); /* its sections name the files */
	}
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
