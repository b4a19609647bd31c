/*
 * mistakes - the list of what is wrong in a configuration, each with its file and line
 *
 * A warning is listed among them, but makes nothing wrong.
 */
#ifndef AGGREGATE_MISTAKES_H
#define AGGREGATE_MISTAKES_H

#include <stddef.h>

#define MISTAKES_MAX 200 /* told of each kind; then a line says that there are more */

struct mistakes {
	char *text; /* "file:line: text\n" for each, printable ASCII; NULL when there is none;
		       files as they came, in each by line */
	size_t length;
	unsigned count, warnings;
};

/*
 * line 0: the mistake has no line ("file: text"). One told before is not told again.
 */
void mistakes_add(struct mistakes *mistakes, const char *file, unsigned line, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

/* The same for what is allowed, but hardly meant: "file:line: warning: text". */
void mistakes_warn(struct mistakes *mistakes, const char *file, unsigned line, const char *format,
    ...) __attribute__((format(printf, 4, 5)));
void mistakes_free(struct mistakes *mistakes);

#endif
