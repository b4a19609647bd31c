/*
 * trust - recommendations in; out comes what reporters are worth and what is to be thought of
 * subjects
 *
 * Opinions of one reporter on one subject are one: the last weeks count, the last days most, and
 * more reports on the same day are no more than one. A reporter is judged on each subject once,
 * at the end of the first day on which others have said enough of it, by what they say then. A
 * subject that several lists hold to be bad confirms who calls it spam, but contradicts nobody:
 * lists err too.
 *
 * Pure: the same recommendations and the same present give the same result to the last bit, in
 * whatever order those of a day were added.
 */
#ifndef AGGREGATE_TRUST_H
#define AGGREGATE_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/reporter.h"
#include "aggregate/reputation.h"
#include "aggregate/subject.h"

#define TRUST_REPORTER_MAX 63
#define TRUST_DAY 86400
#define TRUST_OPINION_DAYS 30 /* half of an opinion */
#define TRUST_QUORUM 0.3      /* trust of others that it takes to judge somebody */

enum trust_kind {
	TRUST_SPAM,
	TRUST_HAM,
	TRUST_WITHDRAW /* forget what this reporter said of the subject before */
};

struct trust_reporter {
	char name[TRUST_REPORTER_MAX + 1];
	struct reporter reporter;
	uint32_t spam, ham; /* subjects on which it has this opinion now */
};

struct trust_subject {
	struct subject subject;
	struct reputation reputation;
	uint32_t reporters;
};

struct trust;

struct trust *trust_open(void); /* NULL without memory */
void trust_close(struct trust *trust);

/*
 * Add a recommendation; `listed` is how many lists held the subject to be bad at that time. In the
 * order of time but within a day. False without memory, or when the name is too long.
 */
bool trust_add(struct trust *trust, enum trust_kind kind, const struct subject *subject,
    const char *by, uint32_t when, unsigned listed);

/*
 * Settle all up to `now`; later recommendations do not count. Once, after all are added. False
 * without memory.
 */
bool trust_settle(struct trust *trust, uint32_t now);

/* By name, and by address; valid after trust_settle until trust_close. */
const struct trust_reporter *trust_reporters(const struct trust *trust, size_t *count);
const struct trust_subject *trust_subjects(const struct trust *trust, size_t *count);

/* NULL: nobody spoke of it. */
const struct trust_subject *trust_find(const struct trust *trust, const struct subject *subject);

#endif
