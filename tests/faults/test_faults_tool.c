/*
 * The commands of tallyctl that read and change the stores, each call failing in turn, in a child
 * for each. One that says that it is done has done it, and has printed what it prints without a
 * fault. One that fails says why; then all of the change is on disk or nothing of it is.
 */
#include "tests/faults/trial.h"

#define NOW 1800000000u

int tallyctl_main(int count, char **argument);
/* a crash shall not be taken for a damaged store */
#define sigaction(number, action, old) ((void)(number), (void)(action), 0)
#define time(where) ((time_t)NOW)
#define main tallyctl_main
#include "resolver/tallyctl.c"
#undef main
#undef time
#undef sigaction

#include "aggregate/exchange.h"
#include "aggregate/ledger.h"
#include "aggregate/store.h"
#include "resolver/log.h"

#define FILES 3

static const char *const names[FILES] = {STORE_FILE, LEDGER_FILE, STORE_SNAPSHOT};
static char import[400], config[400];
static struct {
	char *bytes;
	size_t length;
} saved[FILES]; /* what every command finds */

/* A line of entries and recommendations for each that is on disk. */
struct state {
	char lines[20000];
};

static const char *const *words; /* of the command being tried; NULL behind the last */

/* --- the stores ------------------------------------------------------------------------------ */

static bool
add_exception(void *context, uint64_t serial, const struct exception_entry *entry)
{
	(void)serial;
	exchange_print(EXCHANGE_TALLY, entry, context);
	text_add(context, "\n");
	return true;
}

static bool
add_recommendation(void *context, uint64_t serial, const struct recommendation *recommendation)
{
	(void)serial;
	text_add_format(
	    context, "%s by %s: ", recommendation_word(recommendation->kind), recommendation->by);
	subject_print(&recommendation->subject, context);
	text_add(context, "\n");
	return true;
}

static void
read_state(struct state *state)
{
	struct store *store = store_open(files.directory, STORE_READ);
	struct ledger *ledger = ledger_open(files.directory, STORE_READ);
	struct text text;

	text_init(&text, state->lines, sizeof state->lines);
	assert_null(store_error(store));
	assert_true(store_each(store, add_exception, &text));
	assert_true(store_history(store, 0, add_exception, &text));
	assert_null(ledger_error(ledger));
	assert_true(ledger_each(ledger, add_recommendation, &text));
	assert_false(text.cut);
	store_close(store);
	ledger_close(ledger);
}

static void
save_files(void)
{
	for (unsigned i = 0; i < FILES; i++) {
		FILE *in = fopen(files_path(&files, names[i]), "r");

		assert_non_null(in);
		saved[i].bytes = tool_read_stream(in, &saved[i].length);
		assert_non_null(saved[i].bytes);
		(void)fclose(in);
	}
}

static void
restore_files(void)
{
	(void)remove(files_path(&files, STORE_SNAPSHOT ".new"));
	(void)remove(files_path(&files, STORE_FILE "-lock"));
	(void)remove(files_path(&files, LEDGER_FILE "-lock"));
	for (unsigned i = 0; i < FILES; i++)
		files_write(&files, names[i], saved[i].bytes, saved[i].length);
}

/* --- one command ----------------------------------------------------------------------------- */

static int
run_command(void)
{
	char zone[] = "bl.example", *zones[] = {zone}, said[200], *argument[8] = {0};
	struct tool tool = {
	    .file = "tallyd.conf", .now = NOW, .patience_s = 1, .zone = zones, .zones = 1};
	struct text error;
	int count = 0;

	for (; words[count] != NULL; count++)
		argument[count] = (char *)(uintptr_t)words[count];
	text_init(&error, said, sizeof said);
	(void)snprintf(tool.state_dir, sizeof tool.state_dir, "%s", files.directory);
	if (!command_parse(count, argument, &tool.line, &error))
		return TOOL_USAGE;
	tool_begin();
	return (int)tool_end(run(&tool));
}

/* All of the program: reads its configuration, for instance. */
static int
run_program(void)
{
	char *argument[] = {(char *)(uintptr_t) "tallyctl", (char *)(uintptr_t) "-c", config,
	    (char *)(uintptr_t) "block", (char *)(uintptr_t) "192.0.2.9", NULL};

	return tallyctl_main(5, argument);
}

static void
judge(const struct trial *trial, unsigned n, const struct trial *good, const struct state *before,
    const struct state *after)
{
	struct state now;
	bool changed, same;

	read_state(&now);
	changed = strcmp(now.lines, after->lines) == 0;
	same = strcmp(now.lines, before->lines) == 0;
	if (!changed && !same)
		fail_msg("half a change: %s: %s", trial_where(trial, n), now.lines);
	if (WEXITSTATUS(trial->status) == 0 &&
	    (!changed || (strcmp(trial->printed, good->printed) != 0 &&
			     strstr(trial->said, "warning: ") == NULL)))
		fail_msg("not done: %s: %s", trial_where(trial, n), trial->printed);
	if (WEXITSTATUS(trial->status) != 0 && trial->said[0] == '\0')
		fail_msg("nothing said: %s", trial_where(trial, n));
	if (strstr(trial->said, "nothing was") != NULL && !same)
		fail_msg("something was: %s", trial_where(trial, n));
}

static void
try_kind(enum fault_kind kind, int (*program)(void), const struct trial *good,
    const struct state *before, const struct state *after)
{
	static struct trial trial;
	bool struck = true;

	/* a disk that is full stays so; memory and libraries fail once */
	for (int onward = 0; onward < (kind == FAULT_SYSTEM ? 2 : 1); onward++, struck = true)
		for (unsigned n = 1; struck; n++) {
			assert_true(n < TRIAL_RUNS_MAX);
			restore_files();
			trial_begin(&trial, (int)kind, n, onward, program);
			struck = trial_end(&trial, n);
			judge(&trial, n, good, before, after);
		}
}

static void
try_program(int (*program)(void))
{
	static struct trial good;
	struct state before, after;

	restore_files();
	read_state(&before);
	trial_begin(&good, -1, 0, false, program);
	(void)trial_end(&good, 0);
	assert_int_equal(good.status, 0);
	read_state(&after);
	try_kind(FAULT_MEMORY, program, &good, &before, &after);
	try_kind(FAULT_SYSTEM, program, &good, &before, &after);
	try_kind(FAULT_LIBRARY, program, &good, &before, &after);
	restore_files();
}

static void
try_words(const char *const *tried)
{
	words = tried;
	try_program(run_command);
}

#define TRY(...) try_words((const char *const[]){__VA_ARGS__, NULL})

/* --- the tests ------------------------------------------------------------------------------- */

static void
a_change_is_made_whole_or_not_at_all(void **state)
{
	(void)state;
	TRY("allow", "192.0.2.8", "--reason", "why not", "--json");
	TRY("block", "192.0.2.0/24", "--zone", "bl.example");
	TRY("forget", "192.0.2.1");
	TRY("import", import);
}

static void
a_recommendation_is_written_whole_or_not_at_all(void **state)
{
	(void)state;
	TRY("spam", "192.0.2.8", "--by", "alice");
	TRY("withdraw", "192.0.2.7", "--by", "bob", "--json");
}

static void
what_is_listed_is_all_there_is(void **state)
{
	(void)state;
	TRY("exceptions");
	TRY("exceptions", "--json");
	TRY("history", "192.0.2.1");
	TRY("export", "--format", "cidr");
	TRY("recommendations");
	TRY("recommendations", "--json");
	TRY("reporters");
}

static void
the_whole_program_does_it_or_says_why_not(void **state)
{
	(void)state;
	try_program(run_program);
}

/* --- what they find -------------------------------------------------------------------------- */

static void
run_good(const char *const *good)
{
	static struct trial trial;

	words = good;
	trial_begin(&trial, -1, 0, false, run_command);
	(void)trial_end(&trial, 0);
	if (trial.status != 0)
		fail_msg("%s", trial_where(&trial, 0));
}

#define RUN(...) run_good((const char *const[]){__VA_ARGS__, NULL})

static int
make_files(void **state)
{
	static const char lines[] =
	    "allow 198.51.100.1\nblock 198.51.100.0/24\nscore 2001:db8::/32 -3\n";
	char text[600];

	(void)state;
	files_open(&files);
	files_write(&files, "import", lines, sizeof lines - 1);
	(void)snprintf(import, sizeof import, "%s", files_path(&files, "import"));
	(void)snprintf(text, sizeof text,
	    "state-dir = \"%s\"\ncontrol = \"\"\nzone \"bl.example\" {\n\tsites = "
	    "{\"a.example\"}\n}\n",
	    files.directory);
	files_write(&files, "tallyd.conf", text, strlen(text));
	(void)snprintf(config, sizeof config, "%s", files_path(&files, "tallyd.conf"));
	RUN("block", "192.0.2.1", "--reason", "spam");
	RUN("allow", "2001:db8::1", "--zone", "bl.example");
	RUN("spam", "192.0.2.7", "--by", "bob");
	save_files();
	return 0;
}

static int
remove_files(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FILES; i++)
		free(saved[i].bytes);
	files_close(&files);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_change_is_made_whole_or_not_at_all),
	    cmocka_unit_test(a_recommendation_is_written_whole_or_not_at_all),
	    cmocka_unit_test(what_is_listed_is_all_there_is),
	    cmocka_unit_test(the_whole_program_does_it_or_says_why_not),
	};

	return cmocka_run_group_tests_name("faults: tallyctl", tests, make_files, remove_files);
}
