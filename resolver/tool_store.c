#include "resolver/tool_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregate/exchange.h"
#include "aggregate/when.h"

#define SNAPSHOT_LARGE 50000 /* entries; from then on not after every change */
#define SNAPSHOT_AGE 60      /* seconds that a large one may lag behind */

void
tool_author(char *author, size_t size)
{
	const char *name = getenv("SUDO_USER");
	const struct passwd *entry;
	struct text text;

	if (name == NULL || geteuid() != 0) {
		entry = getpwuid(getuid());
		name = entry == NULL ? "unknown" : entry->pw_name;
	}
	text_init(&text, author, size);
	text_add_printable(&text, name, strlen(name));
}

unsigned
tool_widest(const struct prefix *prefix)
{
	return prefix->base.family == SUBJECT_IPV4 ? 8 : 16;
}

bool
tool_has_zone(const struct tool *tool, const char *zone)
{
	for (size_t i = 0; i < tool->zones; i++)
		if (strcmp(tool->zone[i], zone) == 0)
			return true;
	return false;
}

json_t *
tool_entry_json(const struct exception_entry *entry, uint64_t serial)
{
	char prefix[64], until[40] = "", added[40] = "";
	struct text text;
	json_t *json;

	text_init(&text, prefix, sizeof prefix);
	prefix_print(&entry->prefix, &text);
	text_init(&text, until, sizeof until);
	if (entry->until != 0)
		when_print(entry->until, &text);
	text_init(&text, added, sizeof added);
	if (entry->added != 0)
		when_print(entry->added, &text);
	json =
	    json_pack("{s:s,s:s,s:s,s:i,s:s,s:s,s:s,s:s}", "action", exception_word(entry->action),
		"prefix", prefix, "zone", entry->zone, "score", entry->score, "until", until,
		"added", added, "by", entry->author, "reason", entry->reason);
	if (serial != 0)
		json_object_set_new(json, "serial", json_integer((json_int_t)serial));
	return json;
}

static bool
write_line(void *context, uint64_t serial, const struct exception_entry *entry)
{
	char line[EXCHANGE_LINE_MAX];
	struct text text;

	(void)serial;
	text_init(&text, line, sizeof line);
	exchange_print(EXCHANGE_TALLY, entry, &text);
	return fprintf(context, "%s\n", line) > 0;
}

/* Is the large snapshot fresh enough? */
static bool
may_lag(const struct tool *tool, const char *path, uint64_t entries)
{
	struct stat status;

	return entries > SNAPSHOT_LARGE && stat(path, &status) == 0 &&
	       status.st_mtime + SNAPSHOT_AGE > (time_t)tool->now;
}

/*
 * The file that the next snapshot is written into, locked, so that it is made by one process at a
 * time, from the store as it is then; one that was killed leaves it to the next. NULL with errno.
 */
static FILE *
open_aside(const char *path)
{
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
		struct stat ours, there;
		FILE *out = NULL;

		if (fd < 0)
			return NULL;
		if (flock(fd, LOCK_EX) != 0 || fstat(fd, &ours) != 0 || stat(path, &there) != 0 ||
		    ours.st_ino != there.st_ino) {
			close(fd); /* the one before us has renamed it meanwhile */
			continue;
		}
		if (ftruncate(fd, 0) == 0)
			out = fdopen(fd, "w");
		if (out == NULL)
			close(fd);
		return out;
	}
}

/* The entries as text; the file is closed. */
static bool
write_snapshot(const struct tool *tool, struct store *store, FILE *out)
{
	struct stat status;
	bool good;

	(void)fchmod(fileno(out), 0660);
	if (geteuid() == 0 && stat(tool->state_dir, &status) == 0 &&
	    fchown(fileno(out), status.st_uid, status.st_gid) != 0)
		errno = 0; /* the daemon will say that it can't read it */
	good = store_each(store, write_line, out) && fputs("# end\n", out) >= 0 &&
	       fflush(out) == 0 && fsync(fileno(out)) == 0;
	return good;
}

/* The snapshot beside the store: written aside, synced, renamed. */
static bool
replace_snapshot(const struct tool *tool, struct store **store)
{
	char path[300], aside[320];
	FILE *out;
	bool good, lags;

	(void)snprintf(path, sizeof path, "%s/" STORE_SNAPSHOT, tool->state_dir);
	(void)snprintf(aside, sizeof aside, "%s.new", path);
	out = open_aside(aside);
	*store = store_open(tool->state_dir, STORE_READ);
	if (out == NULL || store_error(*store) != NULL) {
		if (out != NULL)
			(void)fclose(out);
		return false;
	}
	lags = may_lag(tool, path, store_count(*store));
	good = lags || (write_snapshot(tool, *store, out) && rename(aside, path) == 0);
	if (lags || !good)
		(void)unlink(aside);
	return fclose(out) == 0 && good;
}

/* Returns the identity of the store, 0 when it can't be read. */
static uint64_t
refresh_snapshot(const struct tool *tool)
{
	struct store *store;
	uint64_t identity;

	if (!replace_snapshot(tool, &store))
		(void)fprintf(stderr,
		    "tallyctl: warning: the change is made, but the snapshot beside the store "
		    "could "
		    "not be written: %s\n",
		    store_error(store) != NULL ? store_error(store) : strerror(errno));
	identity = store_identity(store);
	store_close(store);
	return identity;
}

/* Have a running daemon take the change over. It may be at home in another directory. */
static enum tool_status
tell_daemon(const struct tool *tool, uint64_t identity)
{
	char said[600], ours[20];
	const char *theirs = ours;
	struct text error;
	json_t *json = NULL;
	bool same;

	if (tool->control[0] == '\0')
		return TOOL_DONE;
	text_init(&error, said, sizeof said);
	switch (tool_ask(tool, "exceptions", &json, &error)) {
	case TOOL_ANSWERED:
		break;
	case TOOL_DOWN:
		return TOOL_DONE;
	case TOOL_REFUSED:
		return tool_fail(
		    "the change is on disk, but the running tallyd did not take it: %s", said);
	}
	(void)snprintf(ours, sizeof ours, "%016" PRIx64, identity);
	(void)json_unpack(json, "{s:s}", "store", &theirs);
	same = identity == 0 || strcmp(ours, theirs) == 0;
	json_decref(json);
	if (!same)
		return tool_fail("the change is on disk in %s, but the running tallyd has another "
				 "store: is this its configuration, and was it started with this "
				 "state-dir?",
		    tool->state_dir);
	return TOOL_DONE;
}

/*
 * Is there a snapshot without a store? The snapshot is looked for first: one that is there then
 * was written after a commit, which the store, opened later, must show.
 */
static bool
has_lost_store(const char *snapshot, const struct tool *tool, struct store **store)
{
	bool saved = access(snapshot, F_OK) == 0;

	*store = store_open(tool->state_dir, STORE_READ);
	return saved && store_error(*store) == NULL && store_serial(*store) == 0;
}

struct store *
tool_open_store(const struct tool *tool)
{
	struct store *store;
	char path[300], why[900];

	(void)snprintf(path, sizeof path, "%s/" STORE_SNAPSHOT, tool->state_dir);
	if (!has_lost_store(path, tool, &store))
		return store;
	(void)snprintf(why, sizeof why,
	    "%s/" STORE_FILE
	    ": the store is gone, but there is a snapshot of it: tallyctl import %s",
	    tool->state_dir, path);
	store_spoil(store, why);
	return store;
}

/*
 * A snapshot without a store is all that is left of one: it is not written over by the first
 * change to a new store. An import may begin one; the snapshot is then kept aside.
 */
static enum tool_status
guard_snapshot(const struct tool *tool)
{
	struct store *store;
	char path[300], aside[320];
	bool lost;

	(void)snprintf(path, sizeof path, "%s/" STORE_SNAPSHOT, tool->state_dir);
	(void)snprintf(aside, sizeof aside, "%s.%u", path, tool->now);
	lost = has_lost_store(path, tool, &store);
	store_close(store);
	if (!lost)
		return TOOL_DONE;
	if (strcmp(tool->line.command->name, "import") != 0)
		return tool_fail(
		    "there is a snapshot but no store: first \"tallyctl import %s\", or "
		    "move it away",
		    path);
	if (link(path, aside) != 0)
		return tool_fail("%s: %s", aside, strerror(errno));
	return TOOL_DONE;
}

enum tool_status
tool_change(
    const struct tool *tool, bool (*apply)(struct store *store, void *context), void *context)
{
	enum tool_status status;
	struct store *store;
	bool again, done;

	if (access(tool->state_dir, F_OK) != 0)
		return tool_fail("nothing was changed: state-dir = %s: %s; tallyd makes it when it "
				 "starts",
		    tool->state_dir, strerror(errno));
	status = guard_snapshot(tool);
	if (status != TOOL_DONE)
		return status;
	store = store_open(tool->state_dir, STORE_WRITE);
	do {
		if (store_error(store) == NULL)
			(void)apply(store, context);
		done = store_commit(store, &again);
	} while (again);
	if (!done)
		status = tool_fail("nothing was changed: %s",
		    store_error(store) != NULL ? store_error(store) : "the input is wrong");
	store_close(store);
	if (status != TOOL_DONE)
		return status;
	return tell_daemon(tool, refresh_snapshot(tool));
}
