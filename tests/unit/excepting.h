/*
 * excepting - exceptions for tests in few words
 */
#ifndef TESTS_UNIT_EXCEPTING_H
#define TESTS_UNIT_EXCEPTING_H

#include "aggregate/exception.h"
#include "tests/unit/unit.h"

static inline struct prefix
make_prefix(const char *string)
{
	struct prefix prefix;

	memset(&prefix, 0xaa, sizeof prefix);
	if (!prefix_parse(string, &prefix))
		fail_msg("\"%s\" is no prefix", string);
	return prefix;
}

static inline struct subject
make_subject(const char *string)
{
	struct subject subject;

	memset(&subject, 0xaa, sizeof subject);
	if (!subject_parse(string, &subject))
		fail_msg("\"%s\" is no address", string);
	return subject;
}

/* `zone` "": all; `until` 0: for ever */
static inline struct exception_entry
make_entry(const char *zone, const char *prefix, enum exception_action action, int32_t score,
    uint32_t until)
{
	struct exception_entry entry = {
	    .prefix = make_prefix(prefix), .action = action, .score = score, .until = until};

	assert_true(strlen(zone) < sizeof entry.zone);
	memcpy(entry.zone, zone, strlen(zone) + 1);
	return entry;
}

static inline bool
same_prefix(const struct prefix *a, const struct prefix *b)
{
	return a->length == b->length && subject_equal(&a->base, &b->base);
}

static inline bool
same_entry(const struct exception_entry *a, const struct exception_entry *b)
{
	return strcmp(a->zone, b->zone) == 0 && same_prefix(&a->prefix, &b->prefix) &&
	       a->action == b->action && a->score == b->score && a->until == b->until &&
	       a->added == b->added && strcmp(a->author, b->author) == 0 &&
	       strcmp(a->reason, b->reason) == 0;
}

#endif
