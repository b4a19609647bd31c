#include "aggregate/config_lists.h"

#include <string.h>

#include "aggregate/renown.h"

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

struct policy_list *
config_lists_find(struct config_work *work, const char *name)
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
			config_work_apply(work, section, option, list);
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
read_lists(struct config_work *work)
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
			config_lists_find(work, name);
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
read_part(struct config_work *work, struct policy_list *list)
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
	list->part_of = config_lists_find(work, whole);
	if (!is_part_of_itself(work->policy, list))
		return;
	option_mistake(&given, 0, "a list can't be part of itself");
	list->part_of = NULL;
}

void
config_lists_read(struct config_work *work)
{
	read_lists(work);
	for (size_t i = 0; i < work->policy->lists; i++)
		read_part(work, work->policy->list[i]);
}
