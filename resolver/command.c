#include "resolver/command.h"

#include <string.h>

struct option_name {
	const char *name, *value; /* value: for people; NULL for a flag */
};

static const struct option_name option_names[COMMAND_OPTIONS] = {
    [COMMAND_ZONE] = {"--zone", "ZONE"},
    [COMMAND_FOR] = {"--for", "30d"},
    [COMMAND_UNTIL] = {"--until", "2027-01-31"},
    [COMMAND_REASON] = {"--reason", "TEXT"},
    [COMMAND_FORMAT] = {"--format", "tally|plain|cidr|rbldnsd"},
    [COMMAND_AS] = {"--as", "allow|block"},
    [COMMAND_BY] = {"--by", "NAME"},
    [COMMAND_CONFIG] = {"--config", "FILE"},
    [COMMAND_SINCE] = {"--since", "1d"},
    [COMMAND_FORCE] = {"--force", NULL},
    [COMMAND_ALL] = {"--all", NULL},
    [COMMAND_PROMETHEUS] = {"--prometheus", NULL},
    [COMMAND_ATTACHED] = {"--attached", NULL},
    [COMMAND_HTML] = {"--html", NULL},
};

#define BIT(option) (1u << (option))
#define ENTRY                                                                                      \
	(BIT(COMMAND_ZONE) | BIT(COMMAND_FOR) | BIT(COMMAND_UNTIL) | BIT(COMMAND_REASON) |         \
	    BIT(COMMAND_FORCE))

const struct command command_table[] = {
    {"allow", "PREFIX", 1, 1, ENTRY, "never list these addresses, whatever the lists say"},
    {"block", "PREFIX", 1, 1, ENTRY, "list these addresses, whatever the lists say"},
    {"score", "PREFIX N", 2, 2, ENTRY, "add N to what the lists say"},
    {"forget", "PREFIX", 1, 1, BIT(COMMAND_ZONE), "take an exception away"},
    {"exceptions", "[PREFIX]", 0, 1, 0, "all exceptions, or those that cover PREFIX"},
    {"history", "[PREFIX]", 0, 1, 0, "the journal: when, who, what, why"},
    {"import", "FILE|-", 1, 1,
	BIT(COMMAND_FORCE) | BIT(COMMAND_FORMAT) | BIT(COMMAND_AS) | BIT(COMMAND_ZONE) |
	    BIT(COMMAND_REASON) | BIT(COMMAND_FOR) | BIT(COMMAND_UNTIL),
	"add the exceptions of a file, all or nothing"},
    {"export", "", 0, 0, BIT(COMMAND_FORMAT) | BIT(COMMAND_AS), "print all exceptions"},
    {"import-postfix", "[FILE|-]", 0, 1, BIT(COMMAND_ZONE),
	"a zone section that does what postscreen_dnsbl_sites does"},
    {"spam", "SUBJECT|-", 1, 1, BIT(COMMAND_BY) | BIT(COMMAND_ZONE),
	"recommend against an address, or those on standard input"},
    {"ham", "SUBJECT|-", 1, 1, BIT(COMMAND_BY) | BIT(COMMAND_ZONE),
	"recommend an address, or those on standard input"},
    {"withdraw", "SUBJECT|-", 1, 1, BIT(COMMAND_BY), "take back what was recommended"},
    {"learn", "spam|ham", 1, 1, BIT(COMMAND_BY) | BIT(COMMAND_ZONE) | BIT(COMMAND_ATTACHED),
	"recommend the client that sent the message on standard input"},
    {"report", "", 0, 0, BIT(COMMAND_SINCE) | BIT(COMMAND_HTML),
	"what was refused, by what, and what deserves a look"},
    {"suggest", "", 0, 0, BIT(COMMAND_ZONE),
	"weights that would have served the recommended subjects best"},
    {"replay", "", 0, 0, BIT(COMMAND_CONFIG) | BIT(COMMAND_ZONE),
	"which recorded verdicts another configuration would change"},
    {"case", "ID", 1, 1, 0, "a refusal as it was, by the id in its text"},
    {"recommendations", "[SUBJECT]", 0, 1, 0, "who recommended what, and what lists said then"},
    {"reporters", "", 0, 0, 0, "those who recommend, and how far they are trusted"},
    {"check", "SUBJECT", 1, 1, BIT(COMMAND_ZONE), "the verdict on an address, list by list"},
    {"lists", "", 0, 0, 0, "health, hits and answer times of each list"},
    {"stats", "", 0, 0, BIT(COMMAND_PROMETHEUS), "what tallyd has counted"},
    {"flush", "[SUBJECT]", 0, 1, BIT(COMMAND_ALL), "drop the evidence on an address, or --all"},
    {"quarantine", "LIST", 1, 1, 0, "count a list as absent until it is released"},
    {"release", "LIST", 1, 1, 0, "count a quarantined list again"},
    {"doctor", "", 0, 0, BIT(COMMAND_ZONE),
	"does this host's resolver let our answers through unharmed?"},
    {"reload", "", 0, 0, 0, "make tallyd read its configuration anew"},
    {NULL, NULL, 0, 0, 0, NULL},
};

static const struct command *
find_command(const char *name)
{
	for (const struct command *command = command_table; command->name != NULL; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

/* The name ends at a "=", if there is one. */
static int
find_option(const char *name)
{
	size_t length = strcspn(name, "=");

	for (int i = 0; i < COMMAND_OPTIONS; i++)
		if (strlen(option_names[i].name) == length &&
		    strncmp(option_names[i].name, name, length) == 0)
			return i;
	return -1;
}

static bool
refuse(struct text *error, const char *what, const char *word)
{
	text_add(error, "\"");
	text_add_printable(error, word, strlen(word));
	text_add_format(error, "\": %s", what);
	return false;
}

/* An option and, when it takes one, its value, behind a "=" or the next word: then *i is moved. */
static bool
take_option(int count, char *const *argument, int *i, struct command_line *line, struct text *error)
{
	const char *name = argument[*i], *sign = strchr(name, '=');
	int option;

	if (strcmp(name, "--json") == 0) {
		line->json = true;
		return true;
	}
	option = find_option(name);
	if (option < 0 || (line->command->options >> option & 1) == 0)
		return refuse(error, "this command has no such option", name);
	if (line->option[option] != NULL)
		return refuse(error, "given twice", name);
	line->option[option] = "";
	if (option_names[option].value == NULL)
		return sign == NULL || refuse(error, "this option takes no value", name);
	if (sign == NULL && ++*i == count)
		return refuse(error, "a value is missing", name);
	line->option[option] = sign == NULL ? argument[*i] : sign + 1;
	return true;
}

bool
command_parse(int count, char *const *argument, struct command_line *line, struct text *error)
{
	bool options = true;

	*line = (struct command_line){.command = find_command(argument[0])};
	if (line->command == NULL)
		return refuse(
		    error, "there is no such command; tallyctl -h lists them", argument[0]);
	for (int i = 1; i < count; i++) {
		if (options && strcmp(argument[i], "--") == 0) {
			options = false;
		} else if (options &&
			   (strcmp(argument[i], "-h") == 0 || strcmp(argument[i], "--help") == 0)) {
			line->help = true;
			return true;
		} else if (options && strncmp(argument[i], "--", 2) == 0) {
			if (!take_option(count, argument, &i, line, error))
				return false;
		} else if (line->words == line->command->max) {
			return refuse(error, "one word too many", argument[i]);
		} else {
			line->word[line->words++] = argument[i];
		}
	}
	if (line->words < line->command->min) {
		text_add_format(
		    error, "%s: expected %s", line->command->name, line->command->words);
		return false;
	}
	return true;
}

void
command_print(const struct command *command, struct text *text)
{
	text_add_format(text, "  %s", command->name);
	if (command->words[0] != '\0')
		text_add_format(text, " %s", command->words);
	for (int i = 0; i < COMMAND_OPTIONS; i++) {
		if ((command->options >> i & 1) == 0)
			continue;
		text_add_format(text, " [%s", option_names[i].name);
		if (option_names[i].value != NULL)
			text_add_format(text, " %s", option_names[i].value);
		text_add(text, "]");
	}
	text_add_format(text, "\n      %s\n", command->help);
}

void
command_print_all(struct text *text)
{
	for (const struct command *command = command_table; command->name != NULL; command++)
		command_print(command, text);
}
