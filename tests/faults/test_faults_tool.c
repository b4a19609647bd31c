/*
 * The commands of tallyctl that read and change the stores, each call failing in turn, in a child
 * for each. One that says that it is done has done it, and has printed what it prints without a
 * fault. One that fails says why; then all of the change is on disk or nothing of it is. doctor
 * finds no tallyd here, so it always fails, and what it has to say it prints.
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

#include "aggregate/casebook.h"
#include "aggregate/caseid.h"
#include "aggregate/exchange.h"
#include "aggregate/ledger.h"
#include "aggregate/store.h"
#include "resolver/log.h"

#define FILES 3
#define CASE_NUMBER UINT64_C(0x123456789a)

static const char *const names[FILES] = {STORE_FILE, LEDGER_FILE, STORE_SNAPSHOT};
static char import[400], config[400], other[400], refused[16];
static struct config_places places; /* what the configuration says */
static int message;                 /* that there is to learn from */
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
forget_files(void)
{
	for (unsigned i = 0; i < FILES; i++)
		free(saved[i].bytes);
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
	struct tool tool = {.file = config,
	    .now = NOW,
	    .patience_s = 1,
	    .zone = zones,
	    .zones = 1,
	    .trusted = places.trusted};
	struct text error;
	int count = 0;

	if (lseek(message, 0, SEEK_SET) != 0 || dup2(message, STDIN_FILENO) < 0)
		return TOOL_USAGE;
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
	if (WEXITSTATUS(trial->status) == 0 && good->status != 0)
		fail_msg("done: %s: %s", trial_where(trial, n), trial->printed);
	if (WEXITSTATUS(trial->status) == 0 &&
	    (!changed || (strcmp(trial->printed, good->printed) != 0 &&
			     strstr(trial->said, "warning: ") == NULL)))
		fail_msg("not done: %s: %s", trial_where(trial, n), trial->printed);
	if (WEXITSTATUS(trial->status) != 0 && trial->said[0] == '\0' &&
	    (good->status == 0 || trial->printed[0] == '\0'))
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
try_program(int (*program)(void), int status)
{
	static struct trial good;
	struct state before, after;

	restore_files();
	read_state(&before);
	trial_begin(&good, -1, 0, false, program);
	(void)trial_end(&good, 0);
	if (!WIFEXITED(good.status) || WEXITSTATUS(good.status) != status)
		fail_msg("%s", trial_where(&good, 0));
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
	try_program(run_command, strcmp(tried[0], "doctor") == 0 ? TOOL_FAILED : TOOL_DONE);
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
what_is_learnt_from_a_message_is_written_whole_or_not_at_all(void **state)
{
	(void)state;
	TRY("learn", "spam", "--by", "alice");
	TRY("learn", "ham", "--by", "bob", "--json");
}

static void
what_is_worked_out_is_worked_out_from_all_there_is(void **state)
{
	(void)state;
	TRY("suggest");
	TRY("replay", "--config", other, "--json");
	TRY("case", refused);
}

static void
a_report_is_whole_or_fails(void **state)
{
	(void)state;
	TRY("report");
	TRY("report", "--json");
}

static void
doctor_always_has_something_to_say(void **state)
{
	(void)state;
	TRY("doctor");
	TRY("doctor", "--json");
}

static void
the_whole_program_does_it_or_says_why_not(void **state)
{
	(void)state;
	try_program(run_program, TOOL_DONE);
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

/* A configuration in which b.example weighs so much. */
static void
make_config(const char *name, int weight, char *path)
{
	char text[800];

	(void)snprintf(text, sizeof text,
	    "listen = {\"127.99.99.99@9\"}\nstate-dir = \"%s\"\ncontrol = \"%s/none\"\n"
	    "trusted-hosts = {\"mx.example\"}\n"
	    "zone \"bl.example\" {\n\tsites = {\"a.example*2\", \"b.example*%d\", "
	    "\"local.trust\"}\n\tthreshold = 3\n\tadapt = true\n}\n",
	    files.directory, files.directory, weight);
	files_write(&files, name, text, strlen(text));
	(void)snprintf(path, 400, "%s", files_path(&files, name));
}

/*
 * Thirty-two spam hosts, which both lists know, and as many good ones, of which b.example has two.
 * It takes long to go through them again and again: only for those who need them.
 */
static int
make_ledger(void **state)
{
	struct ledger *ledger = ledger_open(files.directory, STORE_WRITE);
	bool again = false;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		struct recommendation one = {.kind = i < 32 ? TRUST_SPAM : TRUST_HAM,
		    .subject.octet = {198, 51, 100, (uint8_t)(i + 1)},
		    .when = NOW - 86400 * 3,
		    .by = "carl",
		    .who = "carl",
		    .listed = i < 32 ? 2 : 1};

		(void)snprintf(one.testimony, sizeof one.testimony, "a.example=%s b.example=%s",
		    i < 32 ? "127.0.0.2" : "clear", i < 34 ? "127.0.0.2" : "clear");
		assert_true(ledger_add(ledger, &one));
	}
	assert_true(ledger_commit(ledger, &again));
	ledger_close(ledger);
	forget_files();
	save_files();
	return 0;
}

/* Of these, one that is spam was refused, and one that is not. */
static void
make_casebook(void)
{
	struct casebook *casebook = casebook_open(files.directory);
	struct text text;

	assert_non_null(casebook);
	for (unsigned i = 0; i < 2; i++) {
		struct casebook_entry entry = {.id = CASE_NUMBER + i,
		    .when = NOW - 3600,
		    .refused = true,
		    .zone = "bl.example",
		    .subject.octet = {198, 51, 100, (uint8_t)(i == 0 ? 40 : 1)},
		    .score = 3,
		    .threshold = 3,
		    .address = 0x7f000002};

		(void)snprintf(
		    entry.said, sizeof entry.said, "a.example=clear b.example=127.0.0.2");
		assert_true(casebook_add(casebook, &entry));
	}
	casebook_close(casebook);
	text_init(&text, refused, sizeof refused);
	caseid_print(CASE_NUMBER, &text);
}

static int
make_files(void **state)
{
	static const char lines[] =
	    "allow 198.51.100.1\nblock 198.51.100.0/24\nscore 2001:db8::/32 -3\n";
	static const char mail[] =
	    "Received: from client.example (client.example [192.0.2.77])\n"
	    "\tby mx.example (Postfix) with ESMTP id 1234\n"
	    "\tfor <a@example.org>; Wed, 25 Nov 2026 12:00:00 +0000 (UTC)\n\nHello.\n";
	struct mistakes mistakes = {0};

	(void)state;
	files_open(&files);
	files_write(&files, "import", lines, sizeof lines - 1);
	(void)snprintf(import, sizeof import, "%s", files_path(&files, "import"));
	files_write(&files, "mail", mail, sizeof mail - 1);
	message = open(files_path(&files, "mail"), O_RDONLY | O_CLOEXEC);
	assert_true(message >= 0);
	make_config("tallyd.conf", 3, config);
	make_config("other.conf", 1, other);
	assert_true(config_places(config, &places, &mistakes));
	make_casebook();
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
	forget_files();
	for (size_t i = 0; i < places.zones; i++)
		free(places.zone[i]);
	free(places.zone);
	close(message);
	files_close(&files);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_change_is_made_whole_or_not_at_all),
	    cmocka_unit_test(a_recommendation_is_written_whole_or_not_at_all),
	    cmocka_unit_test(what_is_learnt_from_a_message_is_written_whole_or_not_at_all),
	    cmocka_unit_test(what_is_listed_is_all_there_is),
	    cmocka_unit_test(doctor_always_has_something_to_say),
	    cmocka_unit_test(the_whole_program_does_it_or_says_why_not),
	    cmocka_unit_test_setup(what_is_worked_out_is_worked_out_from_all_there_is, make_ledger),
	    cmocka_unit_test(a_report_is_whole_or_fails),
	};

	return cmocka_run_group_tests_name("faults: tallyctl", tests, make_files, remove_files);
}
