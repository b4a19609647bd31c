/*
 * tool_postfix - import-postfix: a zone section that does what postscreen's DNS lists do
 *
 * The document is built first, as --json prints it, and the section is printed from it. A site
 * that tallyd would refuse is not in the section but beside it, with the reason.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/config.h"
#include "aggregate/sections.h"
#include "aggregate/site.h"
#include "resolver/tool.h"

#define POSTCONF "postconf -x -h postscreen_dnsbl_sites postscreen_dnsbl_threshold"
#define SEPARATORS ", \t\r\n" /* Postfix's own, CHARS_COMMA_SP */

/* The two parameters as text, the caller's; NULL when they were not there. */
struct settings {
	char *sites, *threshold;
};

struct import {
	const struct tool *tool;
	struct sections sections; /* of tallyd's configuration */
	json_t *sites, *refused, *lists, *remarks;
	int64_t highest; /* the most that a score can be */
	bool unfiltered;
};

static char *
read_postconf(size_t *length)
{
	FILE *in = popen(POSTCONF, "re"); /* NOLINT(cert-env33-c): a constant */
	char *text = in == NULL ? NULL : tool_read_stream(in, length);

	if (in != NULL && pclose(in) == 0)
		return text;
	free(text);
	(void)tool_fail("\"%s\" failed; its output may also come from a file", POSTCONF);
	return NULL;
}

/* Behind "name =" of a line when that is its form, else the line. */
static char *
skip_name(char *line, const char *name, bool *named, bool *ours)
{
	size_t length = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_");
	char *sign = line + length + strspn(line + length, " \t");

	*named = length > 0 && *sign == '=';
	*ours = *named && length == strlen(name) && memcmp(line, name, length) == 0;
	return *named ? sign + 1 : line;
}

/* A logical line: of main.cf or postconf, or the bare value of postconf -h. */
static void
take_line(struct settings *settings, char *line)
{
	bool named, sites, threshold;
	char *value = skip_name(line, "postscreen_dnsbl_sites", &named, &sites);

	(void)skip_name(line, "postscreen_dnsbl_threshold", &named, &threshold);
	if (!named) {
		threshold = isdigit((unsigned char)*value) && strpbrk(value, ".=*") == NULL;
		sites = !threshold;
	}
	if (sites)
		settings->sites = value;
	else if (threshold)
		settings->threshold = value;
}

/* Comment lines become blanks: they may stand between the lines of one parameter. */
static void
blank_comments(char *text)
{
	for (char *line = text; *line != '\0'; line += *line == '\n') {
		size_t length = strcspn(line, "\n");

		if (line[strspn(line, " \t")] == '#')
			memset(line, ' ', length);
		line += length;
	}
}

/* Cuts `text` into lines, to which those that begin with a blank belong too. */
static void
find_settings(char *text, struct settings *settings)
{
	char *line = text;

	*settings = (struct settings){NULL, NULL};
	blank_comments(text);
	while (*line != '\0') {
		char *end = line + strcspn(line, "\n"), *next;

		while (*end != '\0' && (end[1] == ' ' || end[1] == '\t')) {
			*end = ' ';
			end += strcspn(end, "\n");
		}
		next = *end == '\0' ? end : end + 1;
		*end = '\0';
		if (line[strspn(line, SEPARATORS)] != '\0')
			take_line(settings, line);
		line = next;
	}
}

static void
add_remark(struct import *import, const char *subject, const char *rest)
{
	char said[600];
	struct text text;

	text_init(&text, said, sizeof said);
	text_add_printable(&text, subject, strlen(subject));
	text_add_format(&text, " %s", rest);
	json_array_append_new(import->remarks, json_string(said));
}

static void
refuse(struct import *import, const char *site, const char *why)
{
	char printable[300];
	struct text text;

	text_init(&text, printable, sizeof printable);
	text_add_printable(&text, site, strlen(site));
	json_array_append_new(
	    import->refused, json_pack("{s:s, s:s}", "site", printable, "why", why));
}

static bool
is_in_catalogue(const struct import *import, const char *name)
{
	return sections_loudest(&import->sections, SYNTAX_LIST, name, NULL) != NULL;
}

/*
 * The list that a site asks. A key in front must not be seen in the texts that clients get: the
 * site names the list without it, and a list section has the key. "KEY.zen.dq.spamhaus.net" is
 * zen.spamhaus.org, but authbl.dq.spamhaus.net has no other name.
 */
static void
name_list(const struct import *import, const char *asked, char name[NAME_TEXT_MAX + 1])
{
	static const char paid[] = ".dq.spamhaus.net", open[] = ".spamhaus.org";
	const char *dot = strchr(asked, '.'), *behind = name_behind_key(asked);
	size_t front;

	if (behind == NULL && dot != NULL && name_is_under(dot + 1, paid + 1) &&
	    strcmp(dot, paid) != 0)
		behind = dot + 1;
	memcpy(name, behind == NULL ? asked : behind, strlen(behind == NULL ? asked : behind) + 1);
	front = strcspn(name, ".");
	if (behind == NULL || strcmp(name + front, paid) != 0)
		return;
	memcpy(name + front, open, sizeof open);
	if (!is_in_catalogue(import, name))
		memcpy(name, behind, strlen(behind) + 1);
}

static void
keep_key(struct import *import, const char *name, const char *query)
{
	for (size_t i = 0; i < json_array_size(import->lists); i++)
		if (strcmp(json_string_value(
			       json_object_get(json_array_get(import->lists, i), "list")),
			name) == 0)
			return;
	json_array_append_new(import->lists, json_pack("{s:s, s:s}", "list", name, "query", query));
	add_remark(import, name, "has its key in a section, so that clients do not see it");
}

static void
take_site(struct import *import, const char *word)
{
	char said[300], name[NAME_TEXT_MAX + 1], taken[1000];
	struct text error, text;
	struct site site;
	const char *dead;

	text_init(&error, said, sizeof said);
	text_init(&text, taken, sizeof taken);
	if (!site_parse(word, &site, &error)) {
		refuse(import, word, said);
		return;
	}
	name_list(import, site.list, name);
	dead = sections_dead(&import->sections, name);
	if (dead != NULL) {
		text_add_format(&error, "the list is dead: %s", dead);
		refuse(import, word, said);
		return;
	}
	if (sections_of_domains(&import->sections, name) != NULL ||
	    sections_of_domains(&import->sections, site.list) != NULL) {
		refuse(import, word, "it is a list of domains, not of addresses");
		return;
	}
	if (strcmp(name, site.list) != 0)
		keep_key(import, name, site.list);
	if (!is_in_catalogue(import, name))
		add_remark(import, name,
		    "is not in the catalogue: does it live, and what does it answer?");
	text_add(&text, name);
	text_add(&text, word + strcspn(word, "=*"));
	json_array_append_new(import->sites, json_string(taken));
	import->highest += site.weight > 0 ? site.weight : 0;
	import->unfiltered = import->unfiltered || !site.filtered;
}

static void
take_sites(struct import *import, char *sites)
{
	char *word;

	for (char *rest = sites; (word = strtok_r(rest, SEPARATORS, &rest)) != NULL;)
		take_site(import, word);
	if (import->unfiltered)
		add_remark(import, "a site without a filter",
		    "counts what its list calls listed; Postfix counts any answer, also an error");
}

static bool
read_threshold(const char *given, uint32_t *threshold)
{
	*threshold = 1; /* Postfix's default */
	if (given == NULL)
		return true;
	given += strspn(given, SEPARATORS);
	return text_read_number(&given, SITE_WEIGHT_MAX * 100, threshold) && *threshold > 0 &&
	       given[strspn(given, SEPARATORS)] == '\0';
}

static void
print_section(json_t *json)
{
	const char *zone = json_string_value(json_object_get(json, "zone"));
	json_t *sites = json_object_get(json, "sites"), *each;
	size_t i;

	(void)printf("# What postscreen_dnsbl_sites and postscreen_dnsbl_threshold say. With this, "
		     "main.cf needs only:\n"
		     "#   postscreen_dnsbl_sites = %s\n#   postscreen_dnsbl_threshold = 1\n",
	    zone);
	json_array_foreach(json_object_get(json, "refused"), i, each)(void)
	    printf("# Not taken: %s: %s\n", json_string_value(json_object_get(each, "site")),
		json_string_value(json_object_get(each, "why")));
	json_array_foreach(json_object_get(json, "remarks"), i, each)(void)
	    printf("# Look at: %s\n", json_string_value(each));
	json_array_foreach(json_object_get(json, "lists"), i, each)(void)
	    printf("list \"%s\" {\n\tquery = \"%s\"\n}\n",
		json_string_value(json_object_get(each, "list")),
		json_string_value(json_object_get(each, "query")));
	(void)printf("zone \"%s\" {\n\tsites = {\n", zone);
	json_array_foreach(sites, i, each)(void) printf(
	    "\t\t\"%s\"%s\n", json_string_value(each), i + 1 < json_array_size(sites) ? "," : "");
	(void)printf("\t}\n\tthreshold = %lld\n}\n",
	    (long long)json_integer_value(json_object_get(json, "threshold")));
}

static enum tool_status
import_settings(struct import *import, struct settings *settings)
{
	const char *zone = import->tool->line.option[COMMAND_ZONE];
	char folded[NAME_TEXT_MAX + 1];
	uint32_t threshold;
	json_t *json;

	if (!name_fold(zone == NULL ? "bl.tally.internal" : zone, folded))
		return tool_fail("--zone \"%s\": expected a domain name", zone);
	if (!read_threshold(settings->threshold, &threshold))
		return tool_fail("postscreen_dnsbl_threshold =%s: expected a number of 1 or more",
		    settings->threshold);
	if (settings->sites != NULL)
		take_sites(import, settings->sites);
	if (json_array_size(import->sites) + json_array_size(import->refused) == 0)
		return tool_fail("there is no postscreen_dnsbl_sites, or it is empty");
	if (import->highest < threshold)
		add_remark(
		    import, "the weights", "do not reach the threshold: nothing will be listed");
	for (size_t i = 0; i < import->tool->zones; i++)
		if (strcmp(import->tool->zone[i], folded) == 0)
			add_remark(import, import->tool->file, "has a zone of this name already");
	json = json_pack("{s:s, s:i, s:O, s:O, s:O, s:O}", "zone", folded, "threshold",
	    (int)threshold, "sites", import->sites, "lists", import->lists, "refused",
	    import->refused, "remarks", import->remarks);
	if (import->tool->line.json) {
		tool_print_json(json);
	} else {
		print_section(json);
		json_decref(json);
	}
	return json_array_size(import->sites) > 0 ? TOOL_DONE
						  : tool_fail("no site of Postfix can be taken");
}

/* Tell lists that are dead or unknown from the others, by tallyd's own configuration. */
static enum tool_status
import_with_catalogue(struct import *import, struct settings *settings)
{
	struct syntax syntax = {0};
	struct mistakes unheard = {0};
	enum tool_status status = TOOL_FAILED;

	config_syntax(&syntax, import->tool->file, &unheard);
	if (sections_sort(&import->sections, &syntax))
		status = import_settings(import, settings);
	sections_free(&import->sections);
	syntax_free(&syntax);
	mistakes_free(&unheard);
	return status;
}

enum tool_status
tool_run_import_postfix(struct tool *tool)
{
	struct import import = {.tool = tool,
	    .sites = json_array(),
	    .refused = json_array(),
	    .lists = json_array(),
	    .remarks = json_array()};
	size_t length = 0;
	char *text = tool->line.words == 0 ? read_postconf(&length)
					   : tool_read_file(tool->line.word[0], &length);
	enum tool_status status = TOOL_FAILED;
	struct settings settings;

	if (text != NULL) {
		find_settings(text, &settings);
		status = import_with_catalogue(&import, &settings);
	}
	free(text);
	json_decref(import.sites);
	json_decref(import.refused);
	json_decref(import.lists);
	json_decref(import.remarks);
	return status;
}
