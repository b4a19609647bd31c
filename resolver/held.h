/*
 * held - the lists that an operator has set aside, in a file of state-dir, so that a restart
 * leaves them so
 *
 * The file is text: a first line that names the format, the lists, and a last line with their
 * number. It is written whole to a file beside it and renamed. Whatever else stands in the file is
 * damage: then none of it is believed.
 */
#ifndef RESOLVER_HELD_H
#define RESOLVER_HELD_H

#include <stdbool.h>
#include <stddef.h>

#include "aggregate/evidence.h"
#include "aggregate/name.h"
#include "aggregate/text.h"

#define HELD_FILE "quarantine"

struct held {
	char name[EVIDENCE_LISTS_MAX][NAME_TEXT_MAX + 1]; /* folded */
	size_t count;
};

/* No file: none is held. False, with `error` and none held, when it is damaged. */
bool held_read(struct held *held, const char *directory, struct text *error);
bool held_write(const struct held *held, const char *directory, struct text *error);

bool held_has(const struct held *held, const char *name);
bool held_add(struct held *held, const char *name); /* false: there are too many */
void held_remove(struct held *held, const char *name);

#endif
