#include "resolver/findings.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 80

static const char *const level_names[FINDING_LEVELS] = {"note", "warning", "problem"};
static const char *const columns[] = {"server", "who", "named_in", "says"};

void
findings_begin(struct findings *findings)
{
	static const char *const titles[] = {"SERVER", "WHO", "NAMED IN", "OUR ZONES"};

	*findings = (struct findings){0};
	tool_table_begin(&findings->servers, 4, titles);
}

void
findings_add_server(struct findings *findings, const char *server, const char *who,
    const char *named_in, const char *says)
{
	const char *cells[] = {server, who, named_in, says};

	tool_table_add(&findings->servers, cells);
}

struct finding *
findings_add(struct findings *findings, enum finding_level level, const char *what)
{
	static struct finding scrap;
	struct finding *larger = realloc(findings->finding, (findings->count + 1) * sizeof *larger);

	findings->level[level]++;
	if (larger == NULL) {
		findings->lost = true;
		scrap = (struct finding){0};
		return &scrap;
	}
	findings->finding = larger;
	larger += findings->count++;
	*larger = (struct finding){.level = level, .what = what};
	return larger;
}

struct text
finding_text(struct finding *finding)
{
	struct text text;

	text_init(&text, finding->text, sizeof finding->text);
	return text;
}

bool
findings_well(const struct findings *findings)
{
	return findings->level[FINDING_PROBLEM] == 0 && !findings->lost;
}

/* Words as far as a line goes; `at` is the column where the first one begins. */
static void
print_wrapped(const char *text, size_t at, unsigned indent)
{
	while (*text != '\0') {
		size_t word = strcspn(text, " ");

		if (at > indent && at + 1 + word > COLUMNS) {
			(void)printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			(void)printf(" ");
			at++;
		}
		(void)printf("%.*s", (int)word, text);
		at += word;
		text += word;
		text += *text == ' ';
	}
	(void)printf("\n");
}

static void
print_lines(const struct finding *finding)
{
	const char *line = finding->lines;

	if (line[0] != '\0')
		(void)printf("    Lines for %s:\n", finding->for_whom);
	while (*line != '\0') {
		size_t length = strcspn(line, "\n");

		(void)printf("        %.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
}

static void
print_text(struct findings *findings)
{
	if (findings->servers.rows > 1) {
		tool_table_print(&findings->servers);
		(void)printf("\n");
	}
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->finding[i];

		(void)printf("%s:", level_names[finding->level]);
		print_wrapped(finding->text, strlen(level_names[finding->level]) + 1, 4);
		print_lines(finding);
		(void)printf("\n");
	}
	if (findings_well(findings) && findings->level[FINDING_WARNING] == 0)
		(void)printf("All is well.\n");
	else
		(void)printf("%u problem%s, %u warning%s.\n", findings->level[FINDING_PROBLEM],
		    findings->level[FINDING_PROBLEM] == 1 ? "" : "s",
		    findings->level[FINDING_WARNING],
		    findings->level[FINDING_WARNING] == 1 ? "" : "s");
}

static json_t *
describe(const struct finding *finding)
{
	json_t *lines = json_array();
	const char *line = finding->lines;

	while (*line != '\0') {
		size_t length = strcspn(line, "\n");

		json_array_append_new(lines, json_stringn(line, length));
		line += length + (line[length] == '\n');
	}
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}", "level", level_names[finding->level], "what",
	    finding->what, "server", finding->server, "text", finding->text, "for",
	    finding->for_whom, "lines", lines);
}

static void
print_json(const struct findings *findings)
{
	json_t *servers = json_array(), *array = json_array();
	const struct tool_table *table = &findings->servers;

	for (size_t i = 1; i < table->rows; i++) {
		json_t *server = json_object();

		for (unsigned j = 0; j < table->columns; j++)
			json_object_set_new(
			    server, columns[j], json_string(table->cell[i * table->columns + j]));
		json_array_append_new(servers, server);
	}
	for (size_t i = 0; i < findings->count; i++)
		json_array_append_new(array, describe(&findings->finding[i]));
	tool_print_json(json_pack("{s:b,s:o,s:o}", "well", findings_well(findings), "servers",
	    servers, "findings", array));
}

void
findings_print(struct findings *findings, bool json)
{
	if (json)
		print_json(findings);
	else
		print_text(findings);
	for (size_t i = 0; i < findings->servers.rows * findings->servers.columns; i++)
		free(findings->servers.cell[i]);
	free(findings->servers.cell);
	free(findings->finding);
	*findings = (struct findings){0};
}
