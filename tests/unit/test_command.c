#include "resolver/command.h"

#include <stdio.h>

#include "tests/unit/unit.h"

#define WORDS_MAX 12

/* A command line with blanks between its words, "" for a word that is empty; kept in `line`. */
struct typed {
	char string[300];
	char *word[WORDS_MAX + 1];
	int count;
	struct command_line line;
	char error[300];
};

static bool
parse(const char *string, struct typed *typed)
{
	struct text error;
	char *rest = typed->string, *word;

	memset(typed, 0, sizeof *typed);
	assert_true(strlen(string) < sizeof typed->string);
	memcpy(typed->string, string, strlen(string) + 1);
	while ((word = strtok_r(rest, " ", &rest)) != NULL) {
		assert_true(typed->count < WORDS_MAX);
		typed->word[typed->count++] = strcmp(word, "\"\"") == 0 ? word + 2 : word;
	}
	text_init(&error, typed->error, sizeof typed->error);
	return command_parse(typed->count, typed->word, &typed->line, &error);
}

static void
every_sentence_of_the_manual_is_understood(void **state)
{
	static const struct {
		const char *string, *command;
		unsigned words;
		unsigned options; /* bits */
	} good[] = {
	    {"allow 192.0.2.1", "allow", 1, 0},
	    {"allow 192.0.2.1 --zone bl.example --for 30d --reason why", "allow", 1,
		1u << COMMAND_ZONE | 1u << COMMAND_FOR | 1u << COMMAND_REASON},
	    {"allow --until 2027-01-31 192.0.2.1 --force", "allow", 1,
		1u << COMMAND_UNTIL | 1u << COMMAND_FORCE},
	    {"block 2001:db8::/32 --reason --zone", "block", 1, 1u << COMMAND_REASON},
	    {"score 192.0.2.1 5", "score", 2, 0},
	    {"score 192.0.2.1 -5", "score", 2, 0},
	    {"score -- 192.0.2.1 --5", "score", 2, 0},
	    {"score --zone a 192.0.2.1 -- -5", "score", 2, 1u << COMMAND_ZONE},
	    {"forget 192.0.2.1 --zone bl.example", "forget", 1, 1u << COMMAND_ZONE},
	    {"doctor", "doctor", 0, 0},
	    {"doctor --zone bl.example", "doctor", 0, 1u << COMMAND_ZONE},
	    {"exceptions", "exceptions", 0, 0},
	    {"exceptions 192.0.2.1", "exceptions", 1, 0},
	    {"history", "history", 0, 0},
	    {"history 192.0.2.0/24", "history", 1, 0},
	    {"import -", "import", 1, 0},
	    {"import --format=plain --as= file", "import", 1,
		1u << COMMAND_FORMAT | 1u << COMMAND_AS},
	    {"import --format plain --as allow file", "import", 1,
		1u << COMMAND_FORMAT | 1u << COMMAND_AS},
	    {"export --format cidr", "export", 0, 1u << COMMAND_FORMAT},
	    {"import-postfix", "import-postfix", 0, 0},
	    {"import-postfix --zone z -", "import-postfix", 1, 1u << COMMAND_ZONE},
	    {"check 192.0.2.1 --zone z", "check", 1, 1u << COMMAND_ZONE},
	    {"lists", "lists", 0, 0},
	    {"stats --prometheus", "stats", 0, 1u << COMMAND_PROMETHEUS},
	    {"flush --all", "flush", 0, 1u << COMMAND_ALL},
	    {"flush 192.0.2.1", "flush", 1, 0},
	    {"quarantine zen.spamhaus.org", "quarantine", 1, 0},
	    {"release zen.spamhaus.org", "release", 1, 0},
	    {"reload", "reload", 0, 0},
	    {"allow \"\"", "allow", 1, 0},
	    {"allow - --reason \"\"", "allow", 1, 1u << COMMAND_REASON},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct typed typed;
		unsigned options = 0;

		if (!parse(good[i].string, &typed))
			fail_msg("\"%s\": %s", good[i].string, typed.error);
		assert_string_equal(typed.line.command->name, good[i].command);
		assert_int_equal(typed.line.words, good[i].words);
		for (unsigned option = 0; option < COMMAND_OPTIONS; option++)
			options |= typed.line.option[option] == NULL ? 0u : 1u << option;
		if (options != good[i].options)
			fail_msg("\"%s\": options %x", good[i].string, options);
		assert_false(typed.line.json);
		assert_string_equal(typed.error, "");
	}
}

static void
words_and_values_are_those_that_were_typed(void **state)
{
	struct typed typed;

	(void)state;
	assert_true(parse("score --reason why 192.0.2.1 --zone z -5 --force", &typed));
	assert_string_equal(typed.line.word[0], "192.0.2.1");
	assert_string_equal(typed.line.word[1], "-5");
	assert_string_equal(typed.line.option[COMMAND_REASON], "why");
	assert_string_equal(typed.line.option[COMMAND_ZONE], "z");
	assert_string_equal(typed.line.option[COMMAND_FORCE], "");
	assert_null(typed.line.option[COMMAND_FOR]);
	assert_true(parse("score --reason=why=not --zone= 192.0.2.1 -5", &typed));
	assert_string_equal(typed.line.option[COMMAND_REASON], "why=not");
	assert_string_equal(typed.line.option[COMMAND_ZONE], "");
	assert_string_equal(typed.line.word[0], "192.0.2.1");
	assert_true(parse("import -- --format", &typed));
	assert_string_equal(typed.line.word[0], "--format");
	assert_null(typed.line.option[COMMAND_FORMAT]);
	assert_true(parse("block 192.0.2.1 --reason --force", &typed));
	assert_string_equal(typed.line.option[COMMAND_REASON], "--force");
	assert_null(typed.line.option[COMMAND_FORCE]);
}

static void
help_may_stand_anywhere_in_whatever_is_wrong(void **state)
{
	static const char *const lines[] = {
	    "allow -h", "allow 192.0.2.1 --zone z --help", "score --help one two three"};
	struct typed typed;

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		assert_true(parse(lines[i], &typed));
		assert_true(typed.line.help);
	}
	assert_true(parse("allow -- -h", &typed));
	assert_false(typed.line.help);
	assert_false(parse("allow --nonsense -h", &typed));
}

static void
json_may_stand_anywhere(void **state)
{
	static const char *const lines[] = {"stats --json", "allow --json 192.0.2.1",
	    "allow 192.0.2.1 --zone z --json", "score 192.0.2.1 --json 5"};
	struct typed typed;

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		assert_true(parse(lines[i], &typed));
		assert_true(typed.line.json);
	}
	assert_true(parse("allow -- --json", &typed));
	assert_false(typed.line.json);
	assert_string_equal(typed.line.word[0], "--json");
}

static void
a_wrong_sentence_is_refused_and_says_what_is_wrong(void **state)
{
	static const struct {
		const char *string, *says;
	} bad[] = {
	    {"nonsense", "nonsense"},
	    {"\"\"", "no such command"},
	    {"Allow 192.0.2.1", "Allow"},
	    {"all 192.0.2.1", "all"},
	    {"--zone z allow 192.0.2.1", "--zone"},
	    {"allow", "PREFIX"},
	    {"allow --zone z", "PREFIX"},
	    {"allow 192.0.2.1 192.0.2.2", "192.0.2.2"},
	    {"allow 192.0.2.1 --zone", "--zone"},
	    {"allow 192.0.2.1 --nonsense", "--nonsense"},
	    {"allow 192.0.2.1 --zone=a --zone b", "given twice"},
	    {"allow 192.0.2.1 --force=", "takes no value"},
	    {"allow 192.0.2.1 --zon=z", "--zon=z"},
	    {"allow 192.0.2.1 --zones=z", "--zones=z"},
	    {"allow 192.0.2.1 --=z", "--=z"},
	    {"allow 192.0.2.1 --zon z", "--zon"},
	    {"allow 192.0.2.1 --all", "--all"},
	    {"allow 192.0.2.1 --zone a --zone b", "--zone"},
	    {"allow 192.0.2.1 --force --force", "--force"},
	    {"score 192.0.2.1", "PREFIX N"},
	    {"score 192.0.2.1 1 2", "2"},
	    {"forget 192.0.2.1 --force", "--force"},
	    {"forget 192.0.2.1 --for 1d", "--for"},
	    {"exceptions a b", "b"},
	    {"exceptions --zone z", "--zone"},
	    {"import", "FILE"},
	    {"import a b", "b"},
	    {"export file", "file"},
	    {"export --zone x", "--zone"},
	    {"check", "SUBJECT"},
	    {"lists all", "all"},
	    {"stats --prometheus --prometheus", "--prometheus"},
	    {"reload now", "now"},
	    {"quarantine", "LIST"},
	    {"quarantine a b", "b"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct typed typed;

		if (parse(bad[i].string, &typed))
			fail_msg("\"%s\" was taken", bad[i].string);
		if (strstr(typed.error, bad[i].says) == NULL)
			fail_msg("\"%s\": %s", bad[i].string, typed.error);
	}
}

static void
an_error_quotes_no_byte_that_a_terminal_obeys(void **state)
{
	struct typed typed;

	(void)state;
	assert_false(parse("\x1b[31m\x07\xff", &typed));
	for (const char *c = typed.error; *c != '\0'; c++)
		assert_true(*c >= ' ' && *c <= '~');
	assert_false(parse("allow 192.0.2.1 --\x1b[31m", &typed));
	for (const char *c = typed.error; *c != '\0'; c++)
		assert_true(*c >= ' ' && *c <= '~');
}

static void
the_help_names_every_command_with_its_words_and_options(void **state)
{
	char printed[8192];
	struct text text;
	unsigned count = 0;

	(void)state;
	text_init(&text, printed, sizeof printed);
	command_print_all(&text);
	assert_false(text.cut);
	for (const struct command *command = command_table; command->name != NULL; command++) {
		char one[1024], line[200];

		text_init(&text, one, sizeof one);
		command_print(command, &text);
		assert_false(text.cut);
		assert_non_null(strstr(printed, one));
		(void)snprintf(line, sizeof line, "  %s%s%s", command->name,
		    command->words[0] == '\0' ? "" : " ", command->words);
		assert_memory_equal(one, line, strlen(line));
		assert_non_null(strstr(one, command->help));
		assert_true(command->min <= command->max && command->max <= COMMAND_WORDS_MAX);
		assert_int_equal(command->options >> COMMAND_OPTIONS, 0);
		count++;
	}
	assert_true(count >= 15);
	assert_non_null(strstr(printed, "[--for 30d]"));
	assert_non_null(strstr(printed, "[--force]"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_sentence_of_the_manual_is_understood),
	    cmocka_unit_test(words_and_values_are_those_that_were_typed),
	    cmocka_unit_test(help_may_stand_anywhere_in_whatever_is_wrong),
	    cmocka_unit_test(json_may_stand_anywhere),
	    cmocka_unit_test(a_wrong_sentence_is_refused_and_says_what_is_wrong),
	    cmocka_unit_test(an_error_quotes_no_byte_that_a_terminal_obeys),
	    cmocka_unit_test(the_help_names_every_command_with_its_words_and_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
