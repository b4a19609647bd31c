/*
 * A line of the control socket, cut into words as control does: command_parse, and the values of
 * options and words as the commands take them.
 */
#include "aggregate/subject.h"
#include "aggregate/text.h"
#include "aggregate/when.h"
#include "resolver/command.h"
#include "tests/fuzz/fuzz.h"

#define ARGUMENTS_MAX 16

static void
check_printable(const struct text *text)
{
	for (size_t i = 0; i < text->length; i++)
		fuzz_check(
		    text->start[i] >= ' ' && text->start[i] < 127, "a byte that is not printable");
	fuzz_check(text->start[text->length] == '\0', "a text without its end");
}

static void
check_time(const char *value)
{
	char printed[64];
	struct text text;
	uint32_t when, again;

	(void)when_parse_duration(value, &when);
	if (!when_parse_date(value, &when))
		return;
	text_init(&text, printed, sizeof printed);
	when_print(when, &text);
	fuzz_check(
	    when_parse_date(printed, &again) && again == when, "a date that changes in print");
}

static void
check_subject(const char *word)
{
	char printed[64];
	struct text text;
	struct subject subject, again;
	struct prefix prefix;

	if (prefix_parse(word, &prefix))
		fuzz_check(prefix_covers(&prefix, &prefix.base), "a prefix that is not in itself");
	if (!subject_parse(word, &subject))
		return;
	text_init(&text, printed, sizeof printed);
	subject_print(&subject, &text);
	fuzz_check(subject_parse(printed, &again) && subject_equal(&subject, &again),
	    "an address that changes in print");
}

static void
check_line(const struct command_line *line)
{
	fuzz_check(line->words >= line->command->min && line->words <= line->command->max,
	    "words that the command does not take");
	for (unsigned i = 0; i < line->words; i++)
		check_subject(line->word[i]);
	for (int i = 0; i < COMMAND_OPTIONS; i++) {
		if (line->option[i] == NULL)
			continue;
		fuzz_check((line->command->options >> i & 1) != 0, "an option of another command");
		check_time(line->option[i]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char copy[1025], said[400], *argument[ARGUMENTS_MAX + 1], *rest = copy, *word;
	struct command_line line;
	struct text error;
	int count = 0;

	if (length >= sizeof copy || memchr(bytes, '\0', length) != NULL)
		return 0;
	memcpy(copy, bytes, length);
	copy[length] = '\0';
	while (count < ARGUMENTS_MAX && (word = strtok_r(rest, " ", &rest)) != NULL)
		argument[count++] = word;
	argument[count] = NULL;
	if (count == 0)
		return 0;
	text_init(&error, said, sizeof said);
	if (command_parse(count, argument, &line, &error)) {
		fuzz_check(error.length == 0, "an error in what is right");
		check_line(&line);
	} else {
		fuzz_check(error.length > 0, "wrong, and nothing is said");
		check_printable(&error);
	}
	return 0;
}
