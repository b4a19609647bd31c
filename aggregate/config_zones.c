#include "aggregate/config_zones.h"

#include <string.h>

#include "aggregate/config_doubts.h"
#include "aggregate/config_lists.h"
#include "aggregate/exception.h"
#include "aggregate/renown.h"

/* Their exceptions count for an account, as do its own and those for all zones. */
#define ZONES_ABOVE_MAX (EXCEPTION_SCOPES_MAX - 2)

/* The zone of our own that this name is in, or NULL. */
static const char *
own_zone(const struct config_work *work, const char *query)
{
	for (const char *name = query; name != NULL; name = strchr(name, '.')) {
		name += *name == '.';
		if (sections_loudest(&work->sections, SYNTAX_ZONE, name, NULL) != NULL)
			return name;
	}
	return NULL;
}

/* Where the list is asked by another name, that may have a key in it, and is not shown. */
static bool
knows_domains(
    struct config_work *work, const struct option_given *given, size_t i, const struct site *site)
{
	const struct syntax_section *section =
	    sections_loudest(&work->sections, SYNTAX_LIST, site->list, "query");
	const struct syntax_value *query = section == NULL ? NULL : syntax_value(section, "query");
	const char *domains = sections_of_domains(&work->sections, site->list);
	char name[NAME_TEXT_MAX + 1];

	if (domains != NULL && strcmp(domains, site->list) == 0)
		option_mistake(given, i,
		    "this is a list of domains, and lists of domains are not yet in this version");
	else if (domains == NULL && query != NULL && query->words == 1 &&
		 name_fold(query->word[0].text, name))
		domains = sections_of_domains(&work->sections, name);
	if (domains != NULL && strcmp(domains, site->list) != 0)
		mistakes_add(given->mistakes, given->file, given->value->word[i].line,
		    "sites: a list that is asked below %s, where domains are listed: lists of "
		    "domains are not yet in this version",
		    domains);
	return domains != NULL;
}

static void
add_site(struct config_work *work, const struct option_given *given, size_t i)
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
	if (knows_domains(work, given, i, &site))
		return;
	if (strlen(site.list) > NAME_UNDER_MAX) {
		option_mistake(given, i, "too long: an IPv6 address in front of it makes no name");
		return;
	}
	list = config_lists_find(work, site.list);
	own = list != NULL && list->servers == 0 ? own_zone(work, list->query) : NULL;
	if (own != NULL)
		option_mistake(given, i, "this list would be zone \"%s\" itself", own);
	else if (list != NULL && !policy_zone_add_site(zone, list, &site) && !zone->lacking)
		option_mistake(given, i, "more than %d sites of one list", POLICY_LIST_SITES_MAX);
}

/* `sites` of a zone, as given in its own section or one that it is like. */
static void
add_sites(struct config_work *work, const struct syntax_section *section, struct policy_zone *zone)
{
	struct option_given given = {.mistakes = work->mistakes,
	    .file = section->file,
	    .value = syntax_value(section, "sites"),
	    .object = zone};

	if (given.value->words == 0)
		option_mistake(&given, 0, "expected at least one site");
	for (size_t i = 0; i < given.value->words; i++)
		add_site(work, &given, i);
}

static void
check_like(struct config_work *work, const struct syntax_section *zone)
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
add_local_site(
    struct config_work *work, const struct syntax_section *section, struct policy_zone *zone)
{
	struct policy_list *list = config_lists_find(work, RENOWN_LIST);
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
finish_zone(
    struct config_work *work, const struct syntax_section *section, struct policy_zone *zone)
{
	bool has_threshold = sections_giving(&work->sections, section, "threshold") != NULL;
	const struct syntax_section *sites = sections_giving(&work->sections, section, "sites");

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
	if (work->mistakes->count == 0)
		config_doubts(work, section, zone);
}

static void
read_zone(struct config_work *work, const struct syntax_section *section)
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
	zone->adapt_band = 50;
	memcpy(zone->text, "%a is listed by %l", sizeof "%a is listed by %l");
	check_like(work, section);
	for (const struct option *option = option_zone; option->name != NULL; option++) {
		const struct syntax_section *source =
		    sections_giving(&work->sections, section, option->name);

		if (source != NULL)
			config_work_apply(work, source, option, zone);
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
check_account(struct config_work *work, const struct syntax_section *section)
{
	unsigned zones = 0; /* above it */

	for (const char *dot = strchr(section->name, '.'); dot != NULL;
	     dot = strchr(dot + 1, '.')) {
		const char *above = dot + 1, *label;

		if (sections_loudest(&work->sections, SYNTAX_ZONE, above, NULL) == NULL)
			continue;
		if (++zones == ZONES_ABOVE_MAX + 1)
			mistakes_add(work->mistakes, section->file, section->line,
			    "zone \"%s\": it is below more than %d zones", section->title,
			    ZONES_ABOVE_MAX);
		label = bad_account_label(section->name, above);
		if (label != NULL)
			mistakes_add(work->mistakes, section->file, section->line,
			    "zone \"%s\": \"%.*s\" could be part of a reversed address in "
			    "zone \"%s\"",
			    section->title, (int)strcspn(label, "."), label, above);
	}
}

void
config_zones_read(struct config_work *work)
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
