/*
 * casebook - refusals as they were, and what exceptions let pass, for a month
 *
 * One file in the state directory, "cases": a ring of records of equal size, the oldest written
 * over when CASEBOOK_MAX are there. It is written and read a record at a time, never mapped; a
 * record that does not match its checksum was never there. Only the daemon writes.
 */
#ifndef AGGREGATE_CASEBOOK_H
#define AGGREGATE_CASEBOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/name.h"
#include "aggregate/subject.h"
#include "aggregate/text.h"

#define CASEBOOK_FILE "cases"
#define CASEBOOK_MAX 32768    /* records, of 1 KiB each */
#define CASEBOOK_DAYS 30      /* older ones are not shown */
#define CASEBOOK_SAID_MAX 590 /* bytes of what the lists said */

struct casebook_entry {
	uint64_t id;
	uint32_t when;
	bool refused; /* else an exception let it pass */
	char zone[NAME_TEXT_MAX + 1];
	struct subject subject;
	int32_t score, threshold;
	uint32_t address;                 /* that was answered; valid when refused */
	char exception[100];              /* "allow 192.0.2.0/24 zone", or "" */
	char said[CASEBOOK_SAID_MAX + 1]; /* see testimony */
};

struct casebook;

/* To be added to. NULL with errno. */
struct casebook *casebook_open(const char *directory);
void casebook_close(struct casebook *casebook);
bool casebook_add(struct casebook *casebook, const struct casebook_entry *entry);

/*
 * Visit what is there, in no order, until `visit` says false. False with a sentence in `error`; a
 * file that is not there is empty.
 */
typedef bool casebook_visit(void *context, const struct casebook_entry *entry);
bool casebook_each(const char *directory, casebook_visit *visit, void *context, struct text *error);

#endif
