/*
 * tool_bulk - exceptions, history, import, export: many exceptions at once
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bits.h"
#include "aggregate/exchange.h"
#include "aggregate/store.h"
#include "aggregate/when.h"
#include "resolver/tool.h"
#include "resolver/tool_store.h"

#define ERRORS_SHOWN 20

/* A listing under way. */
struct listing {
	const struct tool *tool;
	struct prefix prefix; /* valid when narrowed */
	bool narrowed, history;
	struct tool_table table;
	json_t *json;
};

static bool
is_wanted(const struct listing *listing, const struct exception_entry *entry)
{
	if (!listing->narrowed)
		return true;
	if (entry->prefix.length <= listing->prefix.length)
		return prefix_covers(&entry->prefix, &listing->prefix.base);
	return listing->history && prefix_covers(&listing->prefix, &entry->prefix.base);
}

static void
add_row(struct listing *listing, uint64_t serial, const struct exception_entry *entry)
{
	char action[32], prefix[64], until[60] = "", added[40] = "";
	const char *cells[8] = {[0] = listing->history ? added : action};
	unsigned at = 1;
	struct text text;

	(void)serial;
	text_init(&text, action, sizeof action);
	text_add(&text, exception_word(entry->action));
	if (entry->action == EXCEPTION_SCORE)
		text_add_format(&text, " %+d", entry->score);
	text_init(&text, prefix, sizeof prefix);
	prefix_print(&entry->prefix, &text);
	text_init(&text, until, sizeof until);
	if (entry->until != 0)
		when_print(entry->until, &text);
	if (!listing->history && entry->until != 0 && entry->until <= listing->tool->now)
		text_add(&text, " (over)");
	text_init(&text, added, sizeof added);
	when_print(entry->added, &text);
	if (listing->history) {
		cells[at++] = entry->author;
		cells[at++] = action;
	}
	cells[at++] = prefix;
	cells[at++] = entry->zone[0] == '\0' ? "all" : entry->zone;
	cells[at++] = until;
	if (!listing->history)
		cells[at++] = entry->author;
	cells[at] = entry->reason;
	tool_table_add(&listing->table, cells);
}

static bool
list_one(void *context, uint64_t serial, const struct exception_entry *entry)
{
	struct listing *listing = context;

	if (!is_wanted(listing, entry))
		return true;
	if (listing->json != NULL)
		json_array_append_new(
		    listing->json, tool_entry_json(entry, listing->history ? serial : 0));
	else
		add_row(listing, serial, entry);
	return true;
}

static enum tool_status
list_all(struct tool *tool, bool history)
{
	static const char *const titles[2][7] = {
	    {"ACTION", "PREFIX", "ZONE", "UNTIL", "BY", "REASON"},
	    {"WHEN", "BY", "ACTION", "PREFIX", "ZONE", "UNTIL", "REASON"}};
	struct listing listing = {.tool = tool, .history = history};
	enum tool_status status = TOOL_DONE;
	struct store *store;

	if (tool->line.words > 0) {
		listing.narrowed = prefix_parse(tool->line.word[0], &listing.prefix);
		if (!listing.narrowed)
			return tool_fail(
			    "\"%s\": expected an address or prefix", tool->line.word[0]);
	}
	if (tool->line.json)
		listing.json = json_array();
	else
		tool_table_begin(&listing.table, history ? 7 : 6, titles[history]);
	store = tool_open_store(tool);
	if (history)
		(void)store_history(store, 0, list_one, &listing);
	else
		(void)store_each(store, list_one, &listing);
	if (store_error(store) != NULL)
		status = tool_fail("%s", store_error(store));
	store_close(store);
	return tool_print_listing(listing.json, &listing.table, status);
}

enum tool_status
tool_run_exceptions(struct tool *tool)
{
	return list_all(tool, false);
}

enum tool_status
tool_run_history(struct tool *tool)
{
	return list_all(tool, true);
}

/* An import: the whole text, read once for each try. */
struct import {
	const struct tool *tool;
	struct exception_entry given;
	struct text *error; /* of the line being read */
	enum exchange_format format;
	const char *file, *text;
	size_t length;
	struct store *store;
	struct tool_progress progress;
	uint64_t entries;
	uint64_t reversals; /* entries in place of one of another action */
	char reversed[64];  /* the first of them; valid when there is one */
	/* cidr: the lines so far, and how many below one that covers them say otherwise */
	struct exceptions *above;
	uint64_t hidden;
	char first_hidden[64]; /* valid when there is one */
	unsigned line, errors;
};

static void
print_entry(const struct exception_entry *entry, char printed[64])
{
	struct text text;

	text_init(&text, printed, 64);
	prefix_print(&entry->prefix, &text);
}

/* Would Postfix not come to this line, because one above covers it and says otherwise? */
static void
note_hidden(struct import *import, const struct exception_entry *entry)
{
	struct exception_scopes scopes;
	struct exception found;

	if (import->above == NULL)
		return;
	exceptions_scopes(import->above, entry->zone, NULL, 0, &scopes);
	if (!exceptions_find(import->above, &scopes, &entry->prefix.base, 0, &found) ||
	    found.prefix.length >= entry->prefix.length || found.action == entry->action)
		(void)exceptions_apply(import->above, entry);
	else if (import->hidden++ == 0)
		print_entry(entry, import->first_hidden);
}

static bool
take_entry(void *context, const struct exception_entry *entry)
{
	struct import *import = context;
	const struct exception_entry *given = &import->given;
	struct exception_entry old;
	unsigned widest = tool_widest(&entry->prefix);

	if (import->tool->line.option[COMMAND_FORCE] == NULL) {
		if (entry->prefix.length < widest) {
			text_add_format(
			    import->error, "wider than /%u: --force says that you mean it", widest);
			return false;
		}
		if (entry->zone[0] != '\0' && !tool_has_zone(import->tool, entry->zone)) {
			text_add_format(
			    import->error, "%s has no zone %s", import->tool->file, entry->zone);
			return false;
		}
	}
	import->entries++;
	if (store_get(import->store, entry->zone, &entry->prefix, &old) &&
	    old.action != entry->action && (old.until == 0 || old.until > import->tool->now) &&
	    import->reversals++ == 0)
		print_entry(entry, import->reversed);
	note_hidden(import, entry);
	return store_apply(import->store, entry, given->author, given->added);
}

static void
import_line(struct import *import, const char *start, size_t length)
{
	char line[EXCHANGE_LINE_MAX], said[300];
	struct text error;

	text_init(&error, said, sizeof said);
	import->error = &error;
	if (length >= sizeof line) {
		text_add(&error, "the line is too long");
	} else if (memchr(start, '\0', length) != NULL) {
		text_add(&error, "a NUL byte in the line");
	} else {
		memcpy(line, start, length);
		line[length] = '\0';
		(void)exchange_read(
		    import->format, line, &import->given, take_entry, import, &error);
	}
	import->error = NULL;
	if (error.length > 0 && import->errors++ < ERRORS_SHOWN)
		(void)fprintf(stderr, "%s:%u: %s\n", import->file, import->line, said);
}

/* Every line into the store; one that can't be read spoils it all. */
static bool
import_all(struct store *store, void *context)
{
	struct import *import = context;
	size_t at = 0;

	import->store = store;
	import->entries = import->reversals = import->hidden = import->errors = import->line = 0;
	import->above = import->format == EXCHANGE_CIDR ? exceptions_open() : NULL;
	while (at < import->length && store_error(store) == NULL) {
		const char *start = import->text + at,
			   *end = memchr(start, '\n', import->length - at);
		size_t length = end == NULL ? import->length - at : (size_t)(end - start);

		import->line++;
		import_line(import, start, length);
		at += length + 1;
		tool_progress(&import->progress, import->line, at, import->length);
	}
	tool_progress_end(&import->progress);
	exceptions_close(import->above);
	if (import->errors > 0)
		store_spoil(store, "the input has mistakes");
	return import->errors == 0;
}

static enum tool_status
read_as(const struct tool *tool, enum exception_action *action)
{
	const char *as = tool->line.option[COMMAND_AS];

	if (as != NULL && strcmp(as, "allow") == 0)
		*action = EXCEPTION_ALLOW;
	else if (as != NULL && strcmp(as, "block") != 0)
		return tool_fail("--as \"%s\": expected allow or block", as);
	return TOOL_DONE;
}

static void
warn_of_import(const struct import *import)
{
	if (import->reversals > 0)
		(void)fprintf(stderr,
		    "tallyctl: warning: %llu entries replaced one of another action, a block in "
		    "place of an allow or the like: see tallyctl history %s\n",
		    (unsigned long long)import->reversals, import->reversed);
	if (import->hidden > 0)
		(void)fprintf(stderr,
		    "tallyctl: warning: %llu entries count that Postfix does not come to, because "
		    "a line above covers them and says otherwise: the first is %s\n",
		    (unsigned long long)import->hidden, import->first_hidden);
}

enum tool_status
tool_run_import(struct tool *tool)
{
	const char *format = tool->line.option[COMMAND_FORMAT];
	struct import import = {
	    .tool = tool, .file = tool->line.word[0], .given = {.action = EXCEPTION_BLOCK}};
	enum tool_status status = tool_read_terms(tool, &import.given);
	char *text;

	if (status != TOOL_DONE)
		return status;
	if (format != NULL && !exchange_format_parse(format, &import.format))
		return tool_fail("--format \"%s\": expected tally, plain, cidr or rbldnsd", format);
	status = read_as(tool, &import.given.action);
	if (status != TOOL_DONE)
		return status;
	text = tool_read_file(import.file, &import.length);
	if (text == NULL)
		return TOOL_FAILED;
	import.text = text;
	tool_progress_begin(&import.progress, "importing");
	status = tool_change(tool, import_all, &import);
	free(text);
	if (status == TOOL_DONE)
		warn_of_import(&import);
	if (status == TOOL_DONE && tool->line.json)
		tool_print_json(json_pack("{s:I}", "imported", (json_int_t)import.entries));
	else if (status == TOOL_DONE)
		(void)printf("imported: %llu entries\n", (unsigned long long)import.entries);
	return status;
}

struct exporting {
	enum exchange_format format;
	bool narrowed; /* to one action */
	enum exception_action action;
	uint32_t now;
	unsigned length;                    /* cidr: of the prefixes whose turn it is */
	uint64_t lengths[BITS_WORDS(129)];  /* that there are */
	unsigned left_out, widened;         /* widened: printed without their zone or end */
	unsigned printed[EXCEPTION_FORGET]; /* by action */
};

static bool
export_one(void *context, uint64_t serial, const struct exception_entry *entry)
{
	struct exporting *exporting = context;
	char line[EXCHANGE_LINE_MAX];
	struct text text;

	(void)serial;
	if (exporting->format == EXCHANGE_CIDR && entry->prefix.length != exporting->length)
		return true;
	text_init(&text, line, sizeof line);
	/* the other formats know no end: what is over would come back for ever */
	if ((!exporting->narrowed || entry->action == exporting->action) &&
	    (exporting->format == EXCHANGE_TALLY || entry->until == 0 ||
		entry->until > exporting->now))
		exchange_print(exporting->format, entry, &text);
	if (text.length == 0) {
		exporting->left_out++;
	} else {
		exporting->printed[entry->action]++;
		exporting->widened += exporting->format != EXCHANGE_TALLY &&
				      (entry->zone[0] != '\0' || entry->until != 0);
		(void)puts(line);
	}
	return !ferror(stdout);
}

static bool
note_length(void *context, uint64_t serial, const struct exception_entry *entry)
{
	struct exporting *exporting = context;

	(void)serial;
	bits_set(exporting->lengths, entry->prefix.length);
	return true;
}

/* To Postfix the first line counts that covers an address: so the longest prefixes come first. */
static bool
export_all(struct store *store, struct exporting *exporting)
{
	if (exporting->format != EXCHANGE_CIDR)
		return store_each(store, export_one, exporting);
	if (!store_each(store, note_length, exporting))
		return false;
	for (unsigned i = 0; i <= 128; i++) {
		exporting->length = 128 - i;
		if (bits_has(exporting->lengths, exporting->length) &&
		    !store_each(store, export_one, exporting))
			return false;
	}
	return true;
}

/* What the format does not tell of the entries that were printed, and those that were not. */
static void
say_what_is_lost(const struct exporting *exporting)
{
	if (exporting->format == EXCHANGE_PLAIN && exporting->printed[EXCEPTION_ALLOW] > 0 &&
	    exporting->printed[EXCEPTION_BLOCK] > 0)
		(void)fprintf(stderr,
		    "tallyctl: warning: %u of these are allowed and %u blocked, which a plain list "
		    "does not tell: --as allow and --as block print one kind\n",
		    exporting->printed[EXCEPTION_ALLOW], exporting->printed[EXCEPTION_BLOCK]);
	if (exporting->widened > 0)
		(void)fprintf(stderr,
		    "tallyctl: warning: %u of these are for one zone or have an end, which this "
		    "format does not tell\n",
		    exporting->widened);
	if (exporting->left_out > 0)
		(void)fprintf(stderr,
		    "tallyctl: %u entries are left out: over, of another action, or beyond this "
		    "format\n",
		    exporting->left_out);
}

enum tool_status
tool_run_export(struct tool *tool)
{
	const char *format = tool->line.option[COMMAND_FORMAT];
	struct exporting exporting = {.action = EXCEPTION_BLOCK, .now = tool->now};
	enum tool_status status = read_as(tool, &exporting.action);
	struct store *store;

	if (status != TOOL_DONE)
		return status;
	if (format != NULL && !exchange_format_parse(format, &exporting.format))
		return tool_fail("--format \"%s\": expected tally, plain, cidr or rbldnsd", format);
	exporting.narrowed = tool->line.option[COMMAND_AS] != NULL;
	if (tool->line.json)
		return list_all(tool, false);
	store = tool_open_store(tool);
	if (!export_all(store, &exporting) && store_error(store) != NULL)
		status = tool_fail("%s", store_error(store));
	store_close(store);
	say_what_is_lost(&exporting);
	return status;
}
