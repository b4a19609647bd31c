/*
 * scan - libconfuse's language as tokens, to find where a statement stands
 *
 * libconfuse tells what it refuses, not where that begins and ends. Text is changed only by
 * blanking: every byte but line ends becomes a space, so lines keep their numbers.
 */
#ifndef AGGREGATE_SCAN_H
#define AGGREGATE_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/mistakes.h"

/*
 * Before libconfuse: blank out the comments, after which it miscounts lines and over which it
 * stumbles inside braces; and look for what is never closed, which it takes for the end. False
 * after such a mistake.
 */
bool scan_prepare(char *text, const char *file, struct mistakes *mistakes);

/* Blank out the statement that begins with `name` on `line`; false when there is none. */
bool scan_blank_statement(char *text, const char *name, unsigned line);

/* Blank out the last section of this title that begins on `line` or before. */
bool scan_blank_section(char *text, const char *title, unsigned line);

/* Where a search stands; at first zero. */
struct scan_place {
	size_t at;
	unsigned line;
};

/*
 * The line on which the next section `kind "title"` begins, from *place on, which is moved behind
 * it; 0, with *place as it was, when there is none.
 */
unsigned scan_section_line(
    const char *text, const char *kind, const char *title, struct scan_place *place);

/* The line on which `option` is given, in or after line `from`; 0 when it is not found. */
unsigned scan_option_line(const char *text, const char *option, unsigned from);

#endif
