/*
 * An option is a row of a table: its name, how its words are applied, and the bounds. The order
 * of work: syntax finds the sections; the rows of the top apply to struct config; each list
 * section becomes a policy_list (the operator's over an included one, option by option); each
 * zone section becomes a policy_zone, options that it does not give coming from its `like` zone.
 */
#include "aggregate/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/compile.h"
#include "aggregate/option.h"
#include "aggregate/renown.h"
#include "aggregate/sections.h"
#include "aggregate/syntax.h"

struct work {
	struct mistakes *mistakes;
	struct syntax syntax;
	struct sections sections; /* the same, by name */
	struct config *config;
	struct policy *policy;
};

static void
apply(struct work *work, const struct syntax_section *section, const struct option *option,
    void *object)
{
	const struct syntax_value *value = syntax_value(section, option->name);
	struct option_given given = {
	    .mistakes = work->mistakes, .file = section->file, .value = value, .object = object};

	if (value == NULL)
		return;
	if (!option->is_list && value->words != 1)
		option_mistake(&given, 0, "expected one value");
	else
		option->apply(&given, option);
}

static void
read_top(struct work *work)
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
				apply(work, section, option, work->config);
			first = section;
		}
	}
}

/* What a list answers of which nobody says it: all of 127/8 but 127.0.0.1 and 127.255.255.x. */
static void
add_default_codes(struct policy_list *list, bool errors_given)
{
	static const struct {
		const char *pattern, *words;
	} errors[] = {{"127.255.255.252", "typing error in the name of the zone"},
	    {"127.255.255.254", "it refuses your resolver: public or shared"},
	    {"127.255.255.255", "over quota"}, {"127.255.255.[0..255]", ""}};
	static const char *const listed[] = {"127.0.0.[0;2..255]", "127.0.[1..255].[0..255]",
	    "127.[1..254].[0..255].[0..255]", "127.255.[0..254].[0..255]"};
	char said[100];
	struct text error;
	struct pattern pattern;
	bool listed_given = list->listed_count > 0;

	text_init(&error, said, sizeof said);
	for (size_t i = 0; !listed_given && i < sizeof listed / sizeof listed[0]; i++)
		if (pattern_parse(listed[i], &pattern, &error))
			policy_list_add_listed(list, &pattern);
	for (size_t i = 0; !errors_given && i < sizeof errors / sizeof errors[0]; i++)
		if (pattern_parse(errors[i].pattern, &pattern, &error))
			policy_list_add_error(list, &pattern, errors[i].words);
}

static struct policy_list *
find_or_add_list(struct work *work, const char *name)
{
	struct policy_list *list = policy_list_find(work->policy, name);
	bool errors_given = false;

	if (list != NULL)
		return list;
	list = policy_list_add(work->policy, name);
	if (list == NULL) {
		mistakes_add(work->mistakes, name, 0, "out of memory");
		return NULL;
	}
	for (const struct option *option = option_list; option->name != NULL; option++) {
		const struct syntax_section *section =
		    sections_loudest(&work->sections, SYNTAX_LIST, name, option->name);

		if (section != NULL)
			apply(work, section, option, list);
		if (section != NULL && strcmp(option->name, "errors") == 0)
			errors_given = true;
	}
	add_default_codes(list, errors_given);
	if (list->min_ttl > list->max_ttl) {
		const struct syntax_section *section =
		    sections_loudest(&work->sections, SYNTAX_LIST, name, NULL);

		mistakes_add(work->mistakes, section->file, section->line,
		    "list \"%s\": min-ttl %u is more than max-ttl %u", name, list->min_ttl,
		    list->max_ttl);
	}
	return list;
}

static void
read_lists(struct work *work)
{
	for (size_t i = 0; i < work->syntax.sections; i++) {
		const struct syntax_section *section = &work->syntax.section[i];
		const char *wildcard = sections_wildcard(section);
		char name[NAME_TEXT_MAX + 1];

		if (section->kind != SYNTAX_LIST)
			continue;
		if (strcmp(section->title, RENOWN_LIST) == 0)
			mistakes_add(work->mistakes, section->file, section->line,
			    "list \"" RENOWN_LIST "\": it is answered from this host's own "
			    "recommendations; there is nothing to set");
		else if (!name_fold(wildcard != NULL ? wildcard : section->title, name))
			mistakes_add(work->mistakes, section->file, section->line,
			    "list \"%s\": not a domain name", section->title);
		else if (strlen(name) > NAME_UNDER_MAX)
			mistakes_add(work->mistakes, section->file, section->line,
			    "list \"%s\": too long a name", section->title);
		else if (wildcard == NULL)
			find_or_add_list(work, name);
		else if (section->values != 1 || syntax_value(section, "dead") == NULL)
			mistakes_add(work->mistakes, section->file, section->line,
			    "list \"%s\": a wildcard can only say dead = \"...\"", section->title);
	}
}

/* Is the list part of one that is, by however many steps, part of it? */
static bool
is_part_of_itself(const struct policy *policy, const struct policy_list *list)
{
	const struct policy_list *whole = list;

	for (size_t steps = 0; whole != NULL && steps <= policy->lists; steps++)
		whole = whole->part_of;
	return whole != NULL;
}

/* `part-of` of one list: the list that it names may be known by this name alone. */
static void
read_part(struct work *work, struct policy_list *list)
{
	const struct syntax_section *section =
	    sections_loudest(&work->sections, SYNTAX_LIST, list->name, "part-of");
	struct option_given given = {.mistakes = work->mistakes};
	char whole[NAME_TEXT_MAX + 1];

	if (section == NULL)
		return;
	given.file = section->file;
	given.value = syntax_value(section, "part-of");
	if (given.value->words != 1 || given.value->word[0].text[0] == '\0')
		return;
	if (!name_fold(given.value->word[0].text, whole)) {
		option_mistake(&given, 0, "expected the domain name of a list");
		return;
	}
	list->part_of = find_or_add_list(work, whole);
	if (!is_part_of_itself(work->policy, list))
		return;
	option_mistake(&given, 0, "a list can't be part of itself");
	list->part_of = NULL;
}

static void
read_parts(struct work *work)
{
	for (size_t i = 0; i < work->policy->lists; i++)
		read_part(work, work->policy->list[i]);
}

/* The zone of our own that this name is in, or NULL. */
static const char *
own_zone(const struct work *work, const char *query)
{
	for (const char *name = query; name != NULL; name = strchr(name, '.')) {
		name += *name == '.';
		if (sections_loudest(&work->sections, SYNTAX_ZONE, name, NULL) != NULL)
			return name;
	}
	return NULL;
}

static void
add_site(struct work *work, const struct option_given *given, size_t i)
{
	struct policy_zone *zone = given->object;
	struct policy_list *list;
	struct site site;
	char said[300];
	struct text error;
	const char *dead, *own;

	text_init(&error, said, sizeof said);
	if (!site_parse(given->value->word[i].text, &site, &error)) {
		option_mistake(given, i, "%s", said);
		return;
	}
	dead = sections_dead(&work->sections, site.list);
	if (dead != NULL) {
		option_mistake(given, i,
		    "this list is dead (%s); dead = \"use\" in its section asks it all the same",
		    dead);
		return;
	}
	if (strlen(site.list) > NAME_UNDER_MAX) {
		option_mistake(given, i, "too long: an IPv6 address in front of it makes no name");
		return;
	}
	list = find_or_add_list(work, site.list);
	own = list != NULL && list->servers == 0 ? own_zone(work, list->query) : NULL;
	if (own != NULL)
		option_mistake(given, i, "this list would be zone \"%s\" itself", own);
	else if (list != NULL && !policy_zone_add_site(zone, list, &site))
		option_mistake(given, i, "more than %d sites of one list", POLICY_LIST_SITES_MAX);
}

/* The first site of a list; there is one. */
static size_t
word_of_list(const struct option_given *given, const char *name)
{
	for (size_t i = 0; i < given->value->words; i++) {
		char said[300];
		struct text error;
		struct site site;

		text_init(&error, said, sizeof said);
		if (site_parse(given->value->word[i].text, &site, &error) &&
		    strcmp(site.list, name) == 0)
			return i;
	}
	return given->value->words;
}

/* Tell of each list that the zone names beside one that contains it. */
static void
warn_of_parts(const struct option_given *given)
{
	const struct policy_zone *zone = given->object;

	for (size_t i = 0; i < zone->lists; i++) {
		const char *name = zone->list[i].list->name;
		size_t whole = policy_whole(zone, i);

		if (whole != i)
			option_warning(given, word_of_list(given, name),
			    "%s is named too and contains this list: they count once, by the "
			    "larger weight",
			    zone->list[whole].list->name);
	}
}

/* `sites` of a zone, as given in its own section or one that it is like. */
static void
add_sites(struct work *work, const struct syntax_section *section, struct policy_zone *zone)
{
	struct option_given given = {.mistakes = work->mistakes,
	    .file = section->file,
	    .value = syntax_value(section, "sites"),
	    .object = zone};

	if (given.value->words == 0)
		option_mistake(&given, 0, "expected at least one site");
	for (size_t i = 0; i < given.value->words; i++)
		add_site(work, &given, i);
	warn_of_parts(&given);
}

/*
 * The section that gives an option of a zone: its own, or that of the zone it is like, and so
 * on. Loops end because no zone is visited more often than there are sections.
 */
static const struct syntax_section *
zone_source(const struct work *work, const struct syntax_section *section, const char *option)
{
	for (size_t hops = 0; section != NULL && hops <= work->syntax.sections; hops++) {
		const struct syntax_value *like = syntax_value(section, "like");
		char name[NAME_TEXT_MAX + 1];

		if (syntax_value(section, option) != NULL)
			return section;
		if (like == NULL || like->words != 1 || !name_fold(like->word[0].text, name))
			return NULL;
		section = sections_loudest(&work->sections, SYNTAX_ZONE, name, NULL);
	}
	return NULL;
}

static void
check_like(struct work *work, const struct syntax_section *zone)
{
	const struct syntax_section *section = zone;

	for (size_t hops = 0; section != NULL; hops++) {
		const struct syntax_value *like = syntax_value(section, "like");
		char name[NAME_TEXT_MAX + 1];

		if (like == NULL || like->words != 1 || like->word[0].text[0] == '\0')
			return;
		if (hops > work->syntax.sections) {
			mistakes_add(work->mistakes, zone->file,
			    syntax_value(zone, "like")->word[0].line,
			    "like = \"%s\": zones that are like each other",
			    syntax_value(zone, "like")->word[0].text);
			return;
		}
		section = name_fold(like->word[0].text, name)
			      ? sections_loudest(&work->sections, SYNTAX_ZONE, name, NULL)
			      : NULL;
		if (section == NULL && hops == 0)
			mistakes_add(work->mistakes, zone->file, like->word[0].line,
			    "like = \"%s\": there is no zone of this name", like->word[0].text);
	}
}

/*
 * A threshold of the zone's own with grades that it has from another: the answers begin at the
 * threshold, with that of the grade it lies in.
 */
static void
raise_grades(struct policy_zone *zone)
{
	while (zone->grades > 1 && zone->grade[1].score <= zone->threshold) {
		zone->grades--;
		memmove(zone->grade, zone->grade + 1, zone->grades * sizeof *zone->grade);
	}
	zone->grade[0].score = zone->threshold;
}

/* A zone of kind "local" has one site, and none of its own. */
static void
add_local_site(struct work *work, const struct syntax_section *section, struct policy_zone *zone)
{
	struct policy_list *list = find_or_add_list(work, RENOWN_LIST);
	const struct site site = {.weight = zone->grade[zone->grades - 1].score};

	if (syntax_value(section, "sites") != NULL)
		mistakes_add(work->mistakes, section->file, syntax_value(section, "sites")->line,
		    "zone \"%s\": of kind \"local\" it lists what " RENOWN_LIST
		    " does, and has no sites",
		    section->title);
	else if (list != NULL)
		(void)policy_zone_add_site(zone, list, &site);
}

static void
finish_zone(struct work *work, const struct syntax_section *section, struct policy_zone *zone)
{
	bool has_threshold = zone_source(work, section, "threshold") != NULL;
	const struct syntax_section *sites = zone_source(work, section, "sites");

	if (!has_threshold && zone->grades > 0)
		zone->threshold = zone->grade[0].score;
	if (zone->grades > 0 && syntax_value(section, "threshold") != NULL &&
	    syntax_value(section, "answers") == NULL)
		raise_grades(zone);
	if (zone->grades == 0)
		policy_zone_add_grade(zone, zone->threshold, 0x7f000002u);
	if (zone->kind == POLICY_LOCAL)
		add_local_site(work, section, zone);
	else if (sites != NULL)
		add_sites(work, sites, zone);
	else
		mistakes_add(work->mistakes, section->file, section->line,
		    "zone \"%s\": no sites: which lists shall it ask?", section->title);
}

static void
read_zone(struct work *work, const struct syntax_section *section)
{
	char name[NAME_TEXT_MAX + 1];
	struct policy_zone *zone;

	if (!name_fold(section->title, name) || strlen(name) > NAME_UNDER_MAX) {
		mistakes_add(work->mistakes, section->file, section->line,
		    "zone \"%s\": not a domain name, or too long a one", section->title);
		return;
	}
	if (sections_first(&work->sections, SYNTAX_ZONE, name) != section) {
		mistakes_add(work->mistakes, section->file, section->line,
		    "zone \"%s\": there is a zone of this name already", section->title);
		return;
	}
	zone = policy_zone_add(work->policy, name);
	if (zone == NULL) {
		mistakes_add(work->mistakes, section->file, section->line, "out of memory");
		return;
	}
	zone->threshold = 1;
	zone->max_ttl = 60;
	zone->negative_ttl = 60;
	memcpy(zone->text, "%a is listed by %l", sizeof "%a is listed by %l");
	check_like(work, section);
	for (const struct option *option = option_zone; option->name != NULL; option++) {
		const struct syntax_section *source = zone_source(work, section, option->name);

		if (source != NULL)
			apply(work, source, option, zone);
	}
	finish_zone(work, section, zone);
}

/* Could this label be one of a reversed address: 0 to 255, or a hex digit? */
static bool
is_address_label(const char *label, size_t length)
{
	uint8_t wire[65] = {(uint8_t)length};
	struct subject subject;

	memcpy(wire + 1, label, length);
	return subject_from_labels(wire, length + 1, &subject) != SUBJECT_NAME_NONE;
}

/* The first label that `name` has before the zone above it and that may not be there, or NULL. */
static const char *
bad_account_label(const char *name, const char *above)
{
	const char *end = name + strlen(name) - strlen(above);

	for (const char *label = name; label < end; label += strcspn(label, ".") + 1)
		if (is_address_label(label, strcspn(label, ".")))
			return label;
	return NULL;
}

static void
check_account(struct work *work, const struct syntax_section *section)
{
	for (const char *dot = strchr(section->name, '.'); dot != NULL;
	     dot = strchr(dot + 1, '.')) {
		const char *above = dot + 1, *label;

		if (sections_loudest(&work->sections, SYNTAX_ZONE, above, NULL) == NULL)
			continue;
		label = bad_account_label(section->name, above);
		if (label != NULL)
			mistakes_add(work->mistakes, section->file, section->line,
			    "zone \"%s\": \"%.*s\" could be part of a reversed address in "
			    "zone \"%s\"",
			    section->title, (int)strcspn(label, "."), label, above);
	}
}

static void
read_zones(struct work *work)
{
	size_t zones = 0;

	for (size_t i = 0; i < work->syntax.sections; i++)
		if (work->syntax.section[i].kind == SYNTAX_ZONE) {
			zones++;
			if (work->policy->zones < UINT16_MAX - 1)
				read_zone(work, &work->syntax.section[i]);
		}
	for (size_t i = 0; i < work->syntax.sections; i++)
		if (work->syntax.section[i].kind == SYNTAX_ZONE)
			check_account(work, &work->syntax.section[i]);
	if (zones >= UINT16_MAX - 1)
		mistakes_add(work->mistakes, "zones", 0, "more than %d", UINT16_MAX - 2);
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
check_loops(struct work *work)
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
read_all(struct work *work, const char *path)
{
	config_syntax(&work->syntax, path, work->mistakes);
	set_defaults(work->config);
	if (!sections_sort(&work->sections, &work->syntax)) {
		mistakes_add(work->mistakes, path, 0, "out of memory");
		return;
	}
	read_top(work);
	read_lists(work);
	read_parts(work);
	read_zones(work);
	check_loops(work);
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
	struct work work = {.mistakes = mistakes};

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
	struct work work = {.mistakes = &unheard, .config = &config, .policy = config.policy};

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
				apply(&work, section, option, &config);
	}
	if (work.syntax.sections == 0)
		mistakes_add(mistakes, path, 0, "cannot be read, or has a syntax error");
	memcpy(places->state_dir, config.state_dir, sizeof places->state_dir);
	memcpy(places->control, config.control, sizeof places->control);
	places->trusted = config.trusted;
	syntax_free(&work.syntax);
	mistakes_free(&unheard);
	policy_close(config.policy);
	return mistakes->count == 0;
}
