/*
 * The order of work: syntax finds the sections; the options of the top apply to struct config;
 * each list section becomes a policy_list, each zone section a policy_zone.
 */
#include "aggregate/config.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/compile.h"
#include "aggregate/config_doubts.h"
#include "aggregate/config_lists.h"
#include "aggregate/config_work.h"
#include "aggregate/config_zones.h"
#include "aggregate/option.h"

static void
read_top(struct config_work *work)
{
	for (const struct option *option = option_top; option->name != NULL; option++) {
		const struct syntax_section *first = NULL;

		for (size_t i = 0; i < work->syntax.sections; i++) {
			const struct syntax_section *section = &work->syntax.section[i];

			if (section->kind != SYNTAX_TOP ||
			    syntax_value(section, option->name) == NULL)
				continue;
			if (first != NULL)
				mistakes_add(work->mistakes, section->file,
				    syntax_value(section, option->name)->line,
				    "\"%s\" is given in %s already", option->name, first->file);
			else
				config_work_apply(work, section, option, work->config);
			first = section;
		}
	}
}

static bool
listens_on(const struct config *config, const struct policy_server *server)
{
	for (size_t i = 0; i < config->listens; i++)
		if (option_same_server(&config->listen[i], server))
			return true;
	return false;
}

/* Asking ourselves would be a loop. */
static void
check_loops(struct config_work *work)
{
	for (size_t i = 0; i < work->syntax.sections; i++) {
		const struct syntax_section *section = &work->syntax.section[i];
		struct option_given given = {.mistakes = work->mistakes, .file = section->file};
		struct policy_server server;

		given.value =
		    syntax_value(section, section->kind == SYNTAX_TOP ? "forward" : "server");
		for (size_t j = 0; given.value != NULL && j < given.value->words; j++)
			if (option_server(given.value->word[j].text, &server) == NULL &&
			    listens_on(work->config, &server))
				option_mistake(&given, j, "tallyd itself listens there");
	}
}

static void
set_defaults(struct config *config)
{
	(void)option_server("127.0.0.2", &config->listen[0]);
	config->listens = 1;
	prefix_parse("127.0.0.0/8", &config->allow[0]);
	prefix_parse("::1", &config->allow[1]);
	config->allows = 2;
	memcpy(config->control, "/run/tally/control.sock", sizeof "/run/tally/control.sock");
	memcpy(config->state_dir, "/var/lib/tally", sizeof "/var/lib/tally");
	config->threads = 1;
	config->cache_mib = 64;
	config->log_level = CONFIG_INFO;
	memcpy(config->trust_anchor, CONFIG_TRUST_ANCHOR, sizeof CONFIG_TRUST_ANCHOR);
	config->policy->deadline_ms = 2500;
	config->policy->max_stale = 86400;
}

/* The names of a table, as syntax wants them. */
static void
list_names(const struct option *options, struct syntax_option *names)
{
	for (; options->name != NULL; options++)
		*names++ = (struct syntax_option){options->name, options->is_list};
	*names = (struct syntax_option){NULL, false};
}

void
config_syntax(struct syntax *syntax, const char *path, struct mistakes *mistakes)
{
	struct syntax_option top[32], list[32], zone[32];
	const struct syntax_schema schema = {top, list, zone};

	list_names(option_top, top);
	list_names(option_list, list);
	list_names(option_zone, zone);
	syntax_read(syntax, path, &schema, mistakes);
}

static void
read_all(struct config_work *work, const char *path)
{
	config_syntax(&work->syntax, path, work->mistakes);
	set_defaults(work->config);
	if (!sections_sort(&work->sections, &work->syntax)) {
		mistakes_add(work->mistakes, path, 0, "out of memory");
		return;
	}
	read_top(work);
	config_lists_read(work);
	config_zones_read(work);
	check_loops(work);
	if (work->mistakes->count == 0)
		config_doubt_whole(work);
	if (work->mistakes->count == 0 && work->policy->zones == 0)
		mistakes_add(work->mistakes, path, 0, "no zone: there is nothing to answer");
}

/* Each address once, on however many ports we listen: an RRset has no equal records (RFC 2181 5).
 */
static void
set_ns_addresses(struct config *config)
{
	struct policy *policy = config->policy;

	for (size_t i = 0; i < config->listens; i++) {
		struct subject *address = &policy->address[policy->addresses];
		size_t same = 0;

		if (!subject_parse(config->listen[i].address, address))
			continue;
		while (!subject_equal(&policy->address[same], address))
			same++;
		if (same == policy->addresses)
			policy->addresses++;
	}
}

struct config *
config_read(const char *path, struct evidence_book *book, struct mistakes *mistakes)
{
	struct config_work work = {.mistakes = mistakes};

	work.config = calloc(1, sizeof *work.config);
	work.policy = policy_open();
	if (work.config == NULL || work.policy == NULL) {
		mistakes_add(mistakes, path, 0, "out of memory");
		free(work.config);
		policy_close(work.policy);
		return NULL;
	}
	work.config->policy = work.policy;
	read_all(&work, path);
	work.config->file = work.syntax.file;
	work.config->files = work.syntax.files;
	work.syntax.file = NULL;
	work.syntax.files = 0;
	syntax_free(&work.syntax);
	sections_free(&work.sections);
	if (mistakes->count == 0) {
		set_ns_addresses(work.config);
		if (!compile_policy(work.policy, book))
			mistakes_add(mistakes, path, 0,
			    "out of memory, or more than %d lists since the start; a restart helps",
			    EVIDENCE_LISTS_MAX);
	}
	if (mistakes->count == 0)
		return work.config;
	config_close(work.config);
	return NULL;
}

void
config_close(struct config *config)
{
	if (config == NULL)
		return;
	policy_close(config->policy);
	for (size_t i = 0; i < config->files; i++)
		free(config->file[i]);
	free(config->file);
	free(config);
}

static void
keep_zone(struct config_places *places, const char *title)
{
	char name[NAME_TEXT_MAX + 1], *copy, **larger;

	if (!name_fold(title, name))
		return;
	larger = realloc(places->zone, (places->zones + 1) * sizeof(char *));
	if (larger == NULL)
		return;
	places->zone = larger;
	copy = strdup(name);
	if (copy != NULL)
		larger[places->zones++] = copy;
}

bool
config_places(const char *path, struct config_places *places, struct mistakes *mistakes)
{
	struct config config = {.policy = policy_open()};
	struct mistakes unheard = {0};
	struct config_work work = {
	    .mistakes = &unheard, .config = &config, .policy = config.policy};

	memset(places, 0, sizeof *places);
	if (config.policy == NULL)
		return false;
	set_defaults(&config);
	config_syntax(&work.syntax, path, work.mistakes);
	for (size_t i = 0; i < work.syntax.sections; i++) {
		const struct syntax_section *section = &work.syntax.section[i];

		if (section->kind == SYNTAX_ZONE)
			keep_zone(places, section->title);
		work.mistakes = mistakes;
		for (const struct option *option = option_top;
		     section->kind == SYNTAX_TOP && option->name != NULL; option++)
			if (strcmp(option->name, "control") == 0 ||
			    strcmp(option->name, "trusted-hosts") == 0 ||
			    strcmp(option->name, "state-dir") == 0)
				config_work_apply(&work, section, option, &config);
	}
	if (work.syntax.sections == 0) {
		mistakes_free(mistakes);
		*mistakes = unheard; /* why the file cannot be read */
		unheard = (struct mistakes){0};
	}
	memcpy(places->state_dir, config.state_dir, sizeof places->state_dir);
	memcpy(places->control, config.control, sizeof places->control);
	places->trusted = config.trusted;
	syntax_free(&work.syntax);
	mistakes_free(&unheard);
	policy_close(config.policy);
	return mistakes->count == 0;
}
