#include "resolver/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aggregate/exchange.h"
#include "aggregate/ledger.h"
#include "aggregate/store.h"

#define PATIENCE_S 30 /* a child that takes longer is killed */

/*
 * What the child sends: an entry with its zone behind it, a weight, the end, or an error with its
 * text.
 */
struct record {
	char kind; /* 'e' entry, 'w' weight, 'z' end, 'x' error */
	uint8_t family, length, action;
	uint16_t follows; /* bytes behind the record */
	int32_t score;
	uint32_t until;
	struct reader_at at; /* 'z': where the store stands */
	uint8_t octet[16];
	struct earned_weight weight; /* 'w' */
};

/* What a child reads, and how. */
struct reading {
	const char *directory, *file;
	void (*work)(const struct reading *reading, FILE *out); /* read, and send what it read */
	uint64_t serial;             /* of the store: only what changed after it, 0 all */
	uint32_t now;                /* of recommendations, */
	const struct policy *policy; /* and who earns by them */
};

static bool
send_entry(void *context, uint64_t serial, const struct exception_entry *entry)
{
	struct record record = {.kind = 'e',
	    .family = entry->prefix.base.family == SUBJECT_IPV6,
	    .length = (uint8_t)entry->prefix.length,
	    .action = (uint8_t)entry->action,
	    .follows = (uint16_t)strlen(entry->zone),
	    .score = entry->score,
	    .until = entry->until};

	(void)serial;
	memcpy(record.octet, entry->prefix.base.octet, sizeof record.octet);
	return fwrite(&record, sizeof record, 1, context) == 1 &&
	       (record.follows == 0 || fwrite(entry->zone, record.follows, 1, context) == 1);
}

/* The last record: the end, or what went wrong. */
static void
send_end(struct reader_at at, const char *error, FILE *out)
{
	struct record last = {.kind = error == NULL ? 'z' : 'x', .at = at};

	if (error != NULL)
		last.follows = (uint16_t)strlen(error);
	(void)fwrite(&last, sizeof last, 1, out);
	if (error != NULL)
		(void)fwrite(error, last.follows, 1, out);
	(void)fflush(out);
}

static void
read_store(const struct reading *reading, FILE *out)
{
	struct store *store = store_open(reading->directory, STORE_READ);
	struct reader_at at = {0};

	if (store_error(store) == NULL) {
		at = (struct reader_at){store_serial(store), store_identity(store)};
		if (reading->serial == 0)
			(void)store_each(store, send_entry, out);
		else
			(void)store_history(store, reading->serial, send_entry, out);
	}
	send_end(at, store_error(store), out);
}

/* The subjects that are listed. */
static void
send_listed(const struct trust *trust, FILE *out)
{
	size_t subjects;
	const struct trust_subject *subject = trust_subjects(trust, &subjects);

	for (size_t i = 0; i < subjects; i++) {
		const struct exception_entry entry = {.prefix.base = subject[i].subject};

		if (reputation_listed(&subject[i].reputation))
			(void)send_entry(out, 0, &entry);
	}
}

/* The weights that have moved. */
static bool
send_earned(
    const struct policy *policy, struct ledger *ledger, const struct trust *trust, FILE *out)
{
	struct earned earned = {0};
	bool found = earned_find(policy, ledger, trust, &earned);

	for (size_t i = 0; found && i < earned.weights; i++) {
		const struct record record = {.kind = 'w', .weight = earned.weight[i]};

		(void)fwrite(&record, sizeof record, 1, out);
	}
	earned_free(&earned);
	return found;
}

static void
read_ledger(const struct reading *reading, FILE *out)
{
	struct ledger *ledger = ledger_open(reading->directory, STORE_READ);
	struct trust *trust =
	    ledger_error(ledger) == NULL ? ledger_trust(ledger, reading->now) : NULL;
	struct reader_at at = {0};
	const char *error = ledger_error(ledger);

	if (trust != NULL) {
		at.serial = ledger_count(ledger);
		send_listed(trust, out);
		if (!send_earned(reading->policy, ledger, trust, out))
			error =
			    ledger_error(ledger) != NULL ? ledger_error(ledger) : "out of memory";
	}
	send_end(at, error, out);
}

/* Start the child; returns where to read, or -1. */
static int
start_child(const struct reading *reading, pid_t *child)
{
	int end[2];

	if (pipe2(end, O_CLOEXEC) != 0)
		return -1;
	*child = fork();
	if (*child == 0) {
		FILE *out = fdopen(end[1], "w");

		(void)signal(SIGPIPE, SIG_DFL);
		alarm(PATIENCE_S);
		if (out != NULL)
			reading->work(reading, out);
		_exit(out == NULL);
	}
	close(end[1]);
	if (*child < 0) {
		close(end[0]);
		return -1;
	}
	return end[0];
}

/* Where records go; false without memory. */
typedef bool take_record(void *context, const struct record *record, const char *follows);

static bool
apply_record(void *table, const struct record *record, const char *follows)
{
	struct exception_entry entry = {.action = (enum exception_action)record->action,
	    .score = record->score,
	    .until = record->until};

	if (record->follows > NAME_TEXT_MAX)
		return false;
	memcpy(entry.zone, follows, record->follows);
	entry.prefix.base.family = record->family ? SUBJECT_IPV6 : SUBJECT_IPV4;
	entry.prefix.length = record->length;
	memcpy(entry.prefix.base.octet, record->octet, sizeof record->octet);
	return exceptions_apply(table, &entry);
}

static bool
add_record(void *context, const struct record *record, const char *follows)
{
	struct reader_learned *learned = context;
	struct subject subject = {.family = record->family ? SUBJECT_IPV6 : SUBJECT_IPV4};

	(void)follows;
	if (record->kind == 'w')
		return earned_add(&learned->earned, &record->weight);
	memcpy(subject.octet, record->octet, sizeof record->octet);
	return renown_add(learned->renown, &subject);
}

/* Take over all records; true when the child came to its end. */
static bool
receive(FILE *in, struct reader_at *at, take_record *take, void *context, struct text *error)
{
	char follows[600];
	struct record record;

	while (fread(&record, sizeof record, 1, in) == 1) {
		if (record.follows >= sizeof follows ||
		    (record.follows > 0 && fread(follows, record.follows, 1, in) != 1))
			return false;
		if (record.kind == 'z') {
			*at = record.at;
			return true;
		}
		if (record.kind == 'x') {
			text_add_printable(error, follows, record.follows);
			return false;
		}
		if (!take(context, &record, follows)) {
			text_add(error, "out of memory");
			return false;
		}
	}
	return false;
}

/* Let a child read, and take over what it sends. */
static bool
load(const struct reading *reading, struct reader_at *at, take_record *take, void *context,
    struct text *error)
{
	pid_t child;
	int fd = start_child(reading, &child), status = 0;
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
	bool good;

	if (in == NULL) {
		text_add_format(error, "cannot read %s: %s", reading->file, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	good = receive(in, at, take, context, error);
	(void)fclose(in);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!good && error->length == 0) {
		text_add_format(error, "%s/%s: ", reading->directory, reading->file);
		if (WIFSIGNALED(status))
			text_add_format(error,
			    "the file is damaged: reading it ended with signal %d",
			    WTERMSIG(status));
		else
			text_add(error, "the file could not be read to its end");
	}
	return good;
}

bool
reader_load(
    const char *directory, struct reader_at *at, struct exceptions *table, struct text *error)
{
	const struct reading reading = {
	    .directory = directory, .file = STORE_FILE, .work = read_store, .serial = at->serial};

	return load(&reading, at, apply_record, table, error);
}

bool
reader_load_learned(const char *directory, const struct policy *policy, uint32_t now,
    struct reader_learned *learned, struct text *error)
{
	const struct reading reading = {.directory = directory,
	    .file = LEDGER_FILE,
	    .work = read_ledger,
	    .now = now,
	    .policy = policy};
	struct reader_at at = {0};

	if (!load(&reading, &at, add_record, learned, error)) {
		earned_free(&learned->earned);
		return false;
	}
	renown_sort(learned->renown);
	learned->recommendations = at.serial;
	return true;
}

bool
reader_has_snapshot(const char *directory)
{
	char path[300];

	(void)snprintf(path, sizeof path, "%s/%s", directory, STORE_SNAPSHOT);
	return access(path, F_OK) == 0;
}

static bool
take_entry(void *context, const struct exception_entry *entry)
{
	return exceptions_apply(context, entry);
}

bool
reader_load_snapshot(const char *directory, struct exceptions *table, struct text *error)
{
	static const struct exception_entry given;
	char path[300], line[EXCHANGE_LINE_MAX];
	bool good = true, ended = false;
	FILE *in;

	(void)snprintf(path, sizeof path, "%s/%s", directory, STORE_SNAPSHOT);
	in = fopen(path, "re");
	if (in == NULL) {
		text_add_format(error, "%s: %s", path, strerror(errno));
		return false;
	}
	while (good && fgets(line, sizeof line, in) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		ended = strcmp(line, "# end") == 0;
		good = exchange_read(EXCHANGE_TALLY, line, &given, take_entry, table, error);
	}
	(void)fclose(in);
	if (good && !ended)
		text_add_format(error, "%s: it is cut short", path);
	return good && ended;
}
