/*
 * syntax - the only door to libconfuse: files to sections of words, with their lines
 *
 * libconfuse reads the language; what the words mean is config's affair. It stops at its first
 * error, so an option that it does not know is blanked out in the text and the text read again,
 * until nothing but a true syntax error can end the reading: all unknown options of all files are
 * found in one run. Files named by include("...") are read after the file that names them.
 *
 * One reading at a time: libconfuse's scanner is global.
 */
#ifndef AGGREGATE_SYNTAX_H
#define AGGREGATE_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/mistakes.h"
#include "aggregate/name.h"

/* The names that one kind of section knows; a table of these ends with name NULL. */
struct syntax_option {
	const char *name;
	bool is_list; /* takes {"a", "b"}; else one value */
};

struct syntax_schema {
	const struct syntax_option *top, *list, *zone;
};

struct syntax_word {
	unsigned line;
	char *text;
};

/* One option as given. */
struct syntax_value {
	const char *name; /* the schema's */
	unsigned line;    /* of its first word, or of its name */
	struct syntax_word *word;
	size_t words; /* 0 for an empty list */
};

enum syntax_kind { SYNTAX_TOP, SYNTAX_LIST, SYNTAX_ZONE };

struct syntax_section {
	enum syntax_kind kind;
	const char *file;
	unsigned line;
	unsigned depth;               /* of inclusion: 0 is the main file */
	char *title;                  /* "" for SYNTAX_TOP */
	char name[NAME_TEXT_MAX + 1]; /* the title folded, "" when it is no domain name */
	struct syntax_value *value;
	size_t values;
};

/* The sections of all files: main file first, included ones in the order of their names. */
struct syntax {
	struct syntax_section *section;
	size_t sections;
	char **file;
	size_t files;
};

/* Read a file and what it includes. Whatever could be read is there, mistakes or not. */
void syntax_read(struct syntax *syntax, const char *path, const struct syntax_schema *schema,
    struct mistakes *mistakes);
void syntax_free(struct syntax *syntax);

/* NULL when the section does not give this option. */
const struct syntax_value *syntax_value(const struct syntax_section *section, const char *name);

#endif
