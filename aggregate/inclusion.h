/*
 * inclusion - the files of a configuration: which there are, and each read whole
 *
 * The first is the one that was asked for; the others are named by include("..."). Each knows who
 * names it, to be blamed for it.
 */
#ifndef AGGREGATE_INCLUSION_H
#define AGGREGATE_INCLUSION_H

#include <stddef.h>

#include "aggregate/mistakes.h"

struct inclusion_file {
	char *path;
	const char *blame_file; /* and line: where it is named; line 0 for the first */
	unsigned blame_line;
	unsigned depth; /* 0 for the first */
};

/* All 0 at first. The paths stay where they are when files are added. */
struct inclusion {
	struct inclusion_file *file;
	size_t files;
};

/*
 * Add the file that `by`, at this line, names; relative to its directory. NULL: the first, `path`
 * as it is.
 */
void inclusion_add(struct inclusion *inclusion, const struct inclusion_file *by, unsigned line,
    const char *path, struct mistakes *mistakes);

/*
 * The text of a file, to be freed; at most 1 MiB, without a NUL byte. NULL, with a mistake, when it
 * can't be read, or lies too deep: at most 8 files deep, 100 in all.
 */
char *inclusion_read(const struct inclusion *inclusion, const struct inclusion_file *file,
    struct mistakes *mistakes);

/* The end of it: the paths of all files, to be freed with the array; NULL without memory. */
char **inclusion_end(struct inclusion *inclusion, size_t *files);

#endif
