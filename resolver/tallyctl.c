/*
 * tallyctl - everything an operator types
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aggregate/config.h"
#include "resolver/command.h"
#include "resolver/tool.h"

static const char usage[] =
    "usage: tallyctl [-c FILE] [-s SOCKET] [--json] COMMAND ...\n"
    "  -c, --config FILE    tallyd's configuration (default " SYSCONFDIR "/tally/tallyd.conf)\n"
    "  -s, --socket SOCKET  tallyd's control socket (default: what the configuration says)\n"
    "  --json               print one JSON document\n"
    "  -V, --version        print the version and exit\n"
    "  -h, --help           print this and exit\n"
    "Commands:\n";

static void
print_usage(FILE *out)
{
	char commands[8192];
	struct text text;

	text_init(&text, commands, sizeof commands);
	command_print_all(&text);
	(void)fprintf(out, "%s%s", usage, commands);
}

struct runner {
	const char *name;
	enum tool_status (*run)(struct tool *tool);
};

static const struct runner runners[] = {
    {"allow", tool_run_entry},
    {"block", tool_run_entry},
    {"score", tool_run_entry},
    {"forget", tool_run_forget},
    {"exceptions", tool_run_exceptions},
    {"history", tool_run_history},
    {"import", tool_run_import},
    {"export", tool_run_export},
    {"import-postfix", tool_run_import_postfix},
    {"spam", tool_run_recommend},
    {"ham", tool_run_recommend},
    {"withdraw", tool_run_recommend},
    {"learn", tool_run_learn},
    {"case", tool_run_case},
    {"report", tool_run_report},
    {"suggest", tool_run_suggest},
    {"replay", tool_run_replay},
    {"recommendations", tool_run_recommendations},
    {"reporters", tool_run_reporters},
    {"check", tool_run_check},
    {"lists", tool_run_lists},
    {"stats", tool_run_stats},
    {"flush", tool_run_flush},
    {"quarantine", tool_run_quarantine},
    {"release", tool_run_quarantine},
    {"doctor", tool_run_doctor},
    {"reload", tool_run_reload},
};

/* Of one command. */
static enum tool_status
print_help(const struct command *command)
{
	char printed[1000];
	struct text text;

	text_init(&text, printed, sizeof printed);
	command_print(command, &text);
	(void)printf("usage: tallyctl%s", printed + 1);
	return TOOL_DONE;
}

/* -1: go on at optind; else the exit status. */
static int
read_options(int count, char **argument, struct tool *tool, const char **socket)
{
	static const struct option known[] = {{"config", required_argument, NULL, 'c'},
	    {"socket", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},
	    {"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(count, argument, "+c:s:Vh", known, NULL)) != -1) {
		if (option == 'c') {
			tool->file = optarg;
		} else if (option == 's') {
			*socket = optarg;
		} else if (option == 'j') {
			tool->line.json = true;
		} else if (option == 'V') {
			(void)printf("tallyctl %s\n", TALLY_VERSION);
			return TOOL_DONE;
		} else {
			print_usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? TOOL_DONE : TOOL_USAGE;
		}
	}
	if (optind < count)
		return -1;
	print_usage(stderr);
	return TOOL_USAGE;
}

static bool
read_places(struct tool *tool, const char *socket)
{
	struct config_places places;
	struct mistakes mistakes = {0};
	bool good = config_places(tool->file, &places, &mistakes);

	if (!good)
		(void)fputs(
		    mistakes.text != NULL ? mistakes.text : "tallyctl: out of memory\n", stderr);
	mistakes_free(&mistakes);
	memcpy(tool->state_dir, places.state_dir, sizeof tool->state_dir);
	(void)snprintf(
	    tool->control, sizeof tool->control, "%s", socket != NULL ? socket : places.control);
	tool->zone = places.zone;
	tool->trusted = places.trusted;
	tool->zones = places.zones;
	return good;
}

/* LMDB maps the store: one that is cut short is a signal for whoever reads it. */
static char damaged[500];

static void
on_damage(int number)
{
	(void)number;
	if (write(STDERR_FILENO, damaged, strlen(damaged)) < 0)
		_exit(TOOL_FAILED);
	_exit(TOOL_FAILED);
}

static void
expect_damage(const struct tool *tool)
{
	static const int numbers[] = {SIGBUS, SIGSEGV, SIGABRT};
	const struct sigaction action = {.sa_handler = on_damage, .sa_flags = (int)SA_RESETHAND};

	(void)snprintf(damaged, sizeof damaged,
	    "tallyctl: %s/exceptions.mdb: the file is damaged: move it and exceptions.mdb-lock "
	    "away, "
	    "then \"tallyctl import %s/exceptions.snapshot\"\n",
	    tool->state_dir, tool->state_dir);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		(void)sigaction(numbers[i], &action, NULL);
}

static enum tool_status
run(struct tool *tool)
{
	expect_damage(tool);
	for (size_t i = 0; i < sizeof runners / sizeof runners[0]; i++)
		if (strcmp(runners[i].name, tool->line.command->name) == 0)
			return runners[i].run(tool);
	return TOOL_USAGE;
}

int
main(int count, char **argument)
{
	struct tool tool = {.file = SYSCONFDIR "/tally/tallyd.conf",
	    .now = (uint32_t)time(NULL),
	    .patience_s = TOOL_PATIENCE_S};
	const char *socket = NULL;
	int status = read_options(count, argument, &tool, &socket);
	bool json = tool.line.json;
	char said[400];
	struct text error;

	if (status >= 0)
		return status;
	/* a line is printed whole or not at all, also when a damaged store ends us */
	(void)setvbuf(stdout, NULL, _IOLBF, 1 << 16);
	text_init(&error, said, sizeof said);
	if (!command_parse(count - optind, argument + optind, &tool.line, &error)) {
		(void)fprintf(stderr, "tallyctl: %s\n", said);
		return TOOL_USAGE;
	}
	if (tool.line.help)
		return (int)print_help(tool.line.command);
	tool.line.json = tool.line.json || json;
	tool_begin();
	status = (int)tool_end(read_places(&tool, socket) ? run(&tool) : TOOL_FAILED);
	for (size_t i = 0; i < tool.zones; i++)
		free(tool.zone[i]);
	free(tool.zone);
	return status;
}
