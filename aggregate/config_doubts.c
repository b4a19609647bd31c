#include "aggregate/config_doubts.h"

#include <string.h>

#include "aggregate/verdict.h"

/* An option of the zone as it was given, by its own section or one that it is like. */
static bool
find_given(const struct config_work *work, const struct syntax_section *section, const char *option,
    struct option_given *given)
{
	const struct syntax_section *source = sections_giving(&work->sections, section, option);

	*given = (struct option_given){.mistakes = work->mistakes};
	if (source == NULL)
		return false;
	given->file = source->file;
	given->value = syntax_value(source, option);
	return true;
}

static bool
read_site(const struct option_given *given, size_t i, struct site *site)
{
	char said[300];
	struct text error;

	text_init(&error, said, sizeof said);
	return site_parse(given->value->word[i].text, site, &error);
}

/* The first site of a list; there is one. */
static size_t
word_of_list(const struct option_given *given, const char *name)
{
	for (size_t i = 0; i < given->value->words; i++) {
		struct site site;

		if (read_site(given, i, &site) && strcmp(site.list, name) == 0)
			return i;
	}
	return given->value->words;
}

/* Each list that the zone names beside one that contains it. */
static void
doubt_parts(const struct option_given *given, const struct policy_zone *zone)
{
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

/* Is everything that the filter matches an error of the list? */
static bool
picks_errors(const struct policy_list *list, const struct pattern *filter)
{
	for (size_t i = 0; i < list->errors_count; i++)
		if (pattern_within(filter, &list->errors[i]))
			return true;
	return false;
}

/* Was this site there before, whatever its weight? */
static bool
is_again(const struct option_given *given, size_t i, const struct site *site)
{
	for (size_t j = 0; j < i; j++) {
		struct site other;

		if (read_site(given, j, &other) && strcmp(other.list, site->list) == 0 &&
		    other.filtered == site->filtered &&
		    (!site->filtered || (pattern_within(&other.filter, &site->filter) &&
					    pattern_within(&site->filter, &other.filter))))
			return true;
	}
	return false;
}

/* Are these answers, by the catalogue, of bad senders? A mixed list has others too. */
static bool
picks_bad_senders(
    const struct config_work *work, const struct policy_list *list, const struct site *site)
{
	const struct syntax_section *section =
	    sections_loudest(&work->sections, SYNTAX_LIST, list->name, NULL);

	if (list->kind != POLICY_BLOCK || section == NULL || section->depth == 0)
		return false;
	for (size_t i = 0; i < list->listed_count; i++)
		if (!site->filtered || pattern_within(&site->filter, &list->listed[i]))
			return true;
	return false;
}

/* What is wrong with one site by itself, or NULL. */
static const char *
doubt_of(const struct config_work *work, const struct policy_list *list,
    const struct policy_zone *zone, const struct site *site)
{
	if (site->filtered && !pattern_begins(&site->filter, 127))
		return "answers of lists are in 127.0.0.0/8";
	if (site->filtered && picks_errors(list, &site->filter))
		return "these answers are errors of the list, and never count";
	if (list->kind == POLICY_ALLOW && zone->kind == POLICY_BLOCK && site->weight > 0)
		return "this list names good senders, and its weight here is for refusing them";
	if (zone->kind == POLICY_ALLOW && site->weight > 0 && picks_bad_senders(work, list, site))
		return "this list names bad senders, and its weight here is for trusting them";
	return NULL;
}

static void
doubt_sites(const struct config_work *work, const struct option_given *given,
    const struct policy_zone *zone)
{
	for (size_t i = 0; i < given->value->words; i++) {
		const struct policy_list *list;
		const char *doubt;
		struct site site;

		if (!read_site(given, i, &site))
			continue;
		list = policy_list_find(work->policy, site.list);
		doubt = list == NULL ? NULL : doubt_of(work, list, zone, &site);
		if (doubt != NULL)
			option_warning(given, i, "%s", doubt);
		if (list != NULL && name_behind_key(list->name) != NULL)
			mistakes_warn(given->mistakes, given->file, given->value->word[i].line,
			    "sites: a name that begins with a key, which clients would see: name "
			    "the list without it, and give the whole name as its query");
		if (is_again(given, i, &site))
			option_warning(given, i, "given before: both weights are added");
	}
}

/* Scores that no reply of the lists comes to. */
static void
doubt_scores(
    struct config_work *work, const struct syntax_section *section, const struct policy_zone *zone)
{
	struct option_given given;
	int64_t most = 0;

	for (size_t i = 0; i < zone->sites; i++)
		most += zone->site[i].weight > 0 ? zone->site[i].weight : 0;
	if (zone->adapt)
		most += most * zone->adapt_band / 100;
	if (!find_given(work, section, zone->grades > 1 ? "answers" : "threshold", &given) &&
	    !find_given(work, section, "answers", &given) &&
	    !find_given(work, section, "sites", &given)) /* the threshold is 1 */
		return;
	for (size_t i = 0; i < zone->grades; i++)
		if (zone->grade[i].score > most)
			mistakes_warn(work->mistakes, given.file, given.value->line,
			    "zone \"%s\": the weights of its sites come to %lld: nothing reaches "
			    "a score of %d",
			    zone->name, (long long)most, zone->grade[i].score);
}

/* A threshold beside grades, of which none begins there. */
static void
doubt_threshold(const struct option_given *given, const struct policy_zone *zone)
{
	for (size_t i = 0; i < zone->grades; i++)
		if (zone->grade[i].score == zone->threshold)
			return;
	if (zone->grades > 0) /* else there was no memory */
		option_warning(given, 0,
		    "no answer of zone \"%s\" begins at this score: its subjects are listed from "
		    "%d on",
		    zone->name, zone->grade[0].score);
}

/* What is answered while lists fail must not be taken for a listing. */
static void
doubt_failure(const struct option_given *given, const struct policy_zone *zone)
{
	if (zone->on_failure != POLICY_ANSWER)
		return;
	if (zone->kind == POLICY_ALLOW)
		option_warning(given, 0,
		    "in zone \"%s\" an answer means trust: while lists fail, clients that take any "
		    "answer trust everybody",
		    zone->name);
	for (size_t i = 0; i < zone->grades; i++)
		if (zone->grade[i].address == zone->failure_address)
			option_warning(given, 0,
			    "this is an answer for listed subjects too: while lists fail, "
			    "clients take everybody for listed");
}

/* What clients will not see of the text as it is written. */
static void
doubt_text(const struct option_given *given)
{
	const char *text = given->value->word[0].text;
	size_t least = 0; /* bytes, with nothing for the macros */

	for (const char *c = text; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~') {
			option_warning(
			    given, 0, "what is not printable ASCII is answered as \"?\"");
			return;
		}
		if (*c == '%' && c[1] != '\0' && *++c != '%')
			continue;
		least++;
	}
	if (least > VERDICT_TEXT_MAX)
		option_warning(given, 0, "only %d characters are answered", VERDICT_TEXT_MAX);
}

/* A section of the main file whose name no zone and no other section has: a typing error? */
static bool
describes_nothing(const struct config_work *work, const struct syntax_section *section)
{
	static const char example[] = ".example"; /* no list can be there, RFC 2606 */
	const struct policy_list *list = policy_list_find(work->policy, section->name);
	size_t length = strlen(section->name), sections = 0;

	if (section->depth > 0 || list == NULL || list->used)
		return false;
	for (size_t i = 0; i < work->syntax.sections; i++)
		sections += work->syntax.section[i].kind == SYNTAX_LIST &&
			    strcmp(work->syntax.section[i].name, section->name) == 0;
	return sections == 1 &&
	       (length < sizeof example ||
		   strcmp(section->name + length + 1 - sizeof example, example) != 0);
}

/* An empty option is none, as a rule; but an empty `allow` lets nobody in. */
static void
doubt_allow(struct config_work *work)
{
	const struct syntax_section *top =
	    sections_loudest(&work->sections, SYNTAX_TOP, "", "allow");

	if (top == NULL || work->config->allows > 0)
		return;
	for (size_t i = 0; i < work->policy->zones; i++)
		if (work->policy->zone[i]->allows == 0) {
			mistakes_warn(work->mistakes, top->file, syntax_value(top, "allow")->line,
			    "allow = {}: nobody may ask zone \"%s\"", work->policy->zone[i]->name);
			return;
		}
}

void
config_doubt_whole(struct config_work *work)
{
	doubt_allow(work);
	for (size_t i = 0; i < work->syntax.sections; i++) {
		const struct syntax_section *section = &work->syntax.section[i];

		if (section->kind == SYNTAX_LIST && describes_nothing(work, section))
			mistakes_warn(work->mistakes, section->file, section->line,
			    "list \"%s\": no zone and no other section has this name",
			    section->title);
	}
}

void
config_doubts(
    struct config_work *work, const struct syntax_section *section, const struct policy_zone *zone)
{
	struct option_given given;

	if (find_given(work, section, "sites", &given)) {
		doubt_parts(&given, zone);
		doubt_sites(work, &given, zone);
		doubt_scores(work, section, zone);
	}
	if (find_given(work, section, "threshold", &given))
		doubt_threshold(&given, zone);
	if (find_given(work, section, "on-failure", &given))
		doubt_failure(&given, zone);
	if (find_given(work, section, "text", &given))
		doubt_text(&given);
}
