/*
 * tool_doctor - is this host set up so that its mail server reaches tallyd unharmed?
 *
 * The same questions go to tallyd itself and to every name server of resolv.conf, that of
 * Postfix's chroot too; what they make of our zones is compared. Nothing is written, and no
 * question waits longer than PATIENCE_MS.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "aggregate/config.h"
#include "resolver/advice.h"
#include "resolver/ask.h"
#include "resolver/examine.h"
#include "resolver/findings.h"
#include "resolver/holder.h"
#include "resolver/nameservers.h"
#include "resolver/tool.h"
#include "resolver/unwell.h"

#define PATIENCE_MS 2000
#define SERVER_S 10 /* zones are no longer asked for at a server that took so long */

static const char host_file[] = "/etc/resolv.conf";
static const char chroot_file[] = "/var/spool/postfix/etc/resolv.conf";

struct doctor {
	const char *file; /* the configuration */
	const struct config *config;
	size_t first, zones;         /* those that are looked at: policy->zone[first] and so on */
	uint32_t chance;             /* picks the address that is in no cache */
	struct examined *direct;     /* what tallyd itself says of each zone; valid with tallyd */
	struct policy_server tallyd; /* port 0: it does not answer */
	struct findings findings;
};

/* One server, and what stands between it and the zones. */
struct visit {
	struct policy_server server;
	const char *named_in;
	bool secondary; /* asked only when another one, which is well, fails */
	bool here;      /* on this host */
	enum advice_kind kind;
	char name[64], who[100];
	unsigned count[OBSTACLES]; /* zones with this obstacle */
	const struct policy_zone *first[OBSTACLES];
	char told[OBSTACLES][1000]; /* about the first of them */
	enum obstacle worst;        /* of the first zone that has any */
};

/* Put all questions about a zone. What got no reply is not followed by another question. */
static bool
examine(const struct doctor *doctor, const struct policy_server *server,
    const struct policy_zone *zone, struct examined *examined)
{
	memset(examined, 0, sizeof *examined);
	for (unsigned i = 0; i < EXAMINE_QUESTIONS; i++) {
		char name[NAME_TEXT_MAX + 1];
		struct ask_question question;

		examine_question((enum examine_question)i, zone, doctor->chance, name, &question);
		ask(server, &question, PATIENCE_MS, &examined->reply[i]);
		if (examined->reply[i].outcome != ASK_ANSWERED)
			return false;
	}
	return true;
}

static void
note_obstacle(struct visit *visit, enum obstacle obstacle, const struct policy_zone *zone,
    const struct examined *examined)
{
	struct text text;

	if (obstacle == OBSTACLE_NONE || visit->count[obstacle]++ > 0)
		return;
	if (visit->worst == OBSTACLE_NONE)
		visit->worst = obstacle;
	visit->first[obstacle] = zone;
	text_init(&text, visit->told[obstacle], sizeof visit->told[obstacle]);
	examine_show(obstacle, zone, examined, &text);
}

/* By its process, where that is ours to see, and by its own words. */
static void
identify(struct visit *visit)
{
	const struct ask_question question = {
	    .name = "version.bind", .type = WIRE_TXT, .class = WIRE_CH};
	struct ask_reply reply = {0};
	struct holder holder = {0};
	struct text who, name;

	text_init(&name, visit->name, sizeof visit->name);
	ask_print_server(&visit->server, &name);
	visit->here = holder_is_here(&visit->server);
	if (visit->here)
		holder_find(&visit->server, &holder);
	visit->kind = advice_of_process(holder.name);
	if (visit->worst != OBSTACLE_UNREACHABLE && visit->worst != OBSTACLE_SILENCE)
		ask(&visit->server, &question, PATIENCE_MS, &reply);
	if (visit->kind == ADVICE_UNKNOWN)
		visit->kind = advice_of_version(reply.text);
	text_init(&who, visit->who, sizeof visit->who);
	if (reply.text[0] != '\0' && visit->kind != ADVICE_BIND)
		text_add_format(&who, "%.60s", reply.text);
	else if (visit->kind == ADVICE_UNKNOWN && holder.name[0] != '\0')
		text_add(&who, holder.name);
	else if (visit->worst == OBSTACLE_UNREACHABLE)
		text_add(&who, "nobody");
	else
		text_add_format(&who, "%s%s%.60s", advice_name(visit->kind),
		    reply.text[0] == '\0' ? "" : " ", reply.text);
}

/* Ask about every zone; how many were asked about. The first tallyd is what others are held to. */
static size_t
visit_server(struct doctor *doctor, struct visit *visit)
{
	bool first = doctor->tallyd.port == 0, goes_on = true;
	time_t begun = time(NULL);
	size_t i;

	for (i = 0; goes_on && i < doctor->zones && time(NULL) - begun < SERVER_S; i++) {
		const struct policy_zone *zone = doctor->config->policy->zone[doctor->first + i];
		struct examined examined;

		goes_on = examine(doctor, &visit->server, zone, &examined);
		note_obstacle(visit,
		    examine_judge(zone, &examined, first ? NULL : &doctor->direct[i]), zone,
		    &examined);
		if (first)
			doctor->direct[i] = examined;
	}
	identify(visit);
	findings_add_server(&doctor->findings, visit->name, visit->who, visit->named_in,
	    examine_phrase(visit->worst));
	if (goes_on && i < doctor->zones) {
		struct text text =
		    finding_text(findings_add(&doctor->findings, FINDING_NOTE, "slow"));

		text_add_format(&text,
		    "%s took more than %d seconds: it was asked about the first %zu zones only.",
		    visit->name, SERVER_S, i);
	}
	return i;
}

static enum finding_level
level_of(const struct visit *visit, enum obstacle obstacle)
{
	return visit->secondary || examine_is_warning(obstacle) ? FINDING_WARNING : FINDING_PROBLEM;
}

/* A finding about one obstacle; the text may go on. */
static struct finding *
add_obstacle(
    struct doctor *doctor, const struct visit *visit, enum obstacle obstacle, struct text *text)
{
	struct finding *finding =
	    findings_add(&doctor->findings, level_of(visit, obstacle), examine_word(obstacle));

	(void)snprintf(finding->server, sizeof finding->server, "%s", visit->name);
	*text = finding_text(finding);
	text_add_format(text, "%s (%s, named in %s) %s: %s", visit->name, visit->who,
	    visit->named_in, examine_phrase(obstacle), visit->told[obstacle]);
	if (visit->count[obstacle] > 1)
		text_add_format(text, " So it is with %u zones.", visit->count[obstacle]);
	return finding;
}

static void
add_lines(struct finding *finding, enum advice_kind kind, enum obstacle obstacle,
    const struct doctor *doctor, const char *zone)
{
	struct text lines;

	text_init(&lines, finding->lines, sizeof finding->lines);
	advice_lines(kind, obstacle, zone, &doctor->tallyd, &lines);
	if (lines.length > 0)
		(void)snprintf(
		    finding->for_whom, sizeof finding->for_whom, "%s", advice_name(kind));
}

/* tallyd's address and port are in other hands, or in none. */
static void
explain_port(const struct doctor *doctor, const struct visit *visit, struct finding *finding,
    struct text *text)
{
	struct holder holder;

	holder_find(&visit->server, &holder);
	if (!holder.found) {
		text_add(text, " No program listens there.");
		return;
	}
	finding->what = examine_word(OBSTACLE_PORT);
	text_add_format(text, " Port %u ", (unsigned)visit->server.port);
	if (holder.pid != 0)
		text_add_format(text, "is taken by %s (process %ld)", holder.name, holder.pid);
	else
		text_add(text, "is taken (root can see by whom)");
	if (holder.wildcard) {
		text_add(text, ", which listens on all addresses: let it have only its own");
		add_lines(finding, advice_of_process(holder.name), OBSTACLE_PORT, doctor, "");
	}
	text_add(text, ".");
}

/* What an obstacle means at this kind of server. */
typedef void explain_obstacle(const struct doctor *doctor, const struct visit *visit,
    enum obstacle obstacle, struct finding *finding, struct text *text);

static void
tell_obstacles(struct doctor *doctor, const struct visit *visit, explain_obstacle *explain)
{
	for (unsigned i = OBSTACLE_NONE + 1; i < OBSTACLES; i++) {
		enum obstacle obstacle = (enum obstacle)i;
		struct finding *finding;
		struct text text;

		if (visit->count[i] == 0)
			continue;
		finding = add_obstacle(doctor, visit, obstacle, &text);
		explain(doctor, visit, obstacle, finding, &text);
	}
}

static void
explain_at_tallyd(const struct doctor *doctor, const struct visit *visit, enum obstacle obstacle,
    struct finding *finding, struct text *text)
{
	if (visit->kind != ADVICE_TALLYD)
		explain_port(doctor, visit, finding, text);
	else if (obstacle == OBSTACLE_REFUSES || obstacle == OBSTACLE_ELSEWHERE)
		text_add(text, " Has tallyd been reloaded since the zone was added, and is "
			       "this host in its option allow?");
}

/* Where to ask tallyd that listens on all addresses. */
static void
reachable(struct policy_server *server)
{
	if (strcmp(server->address, "0.0.0.0") == 0)
		(void)snprintf(server->address, sizeof server->address, "127.0.0.1");
	else if (strcmp(server->address, "::") == 0)
		(void)snprintf(server->address, sizeof server->address, "::1");
}

static void
visit_tallyd(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->config->listens; i++) {
		struct visit visit = {
		    .server = doctor->config->listen[i], .named_in = doctor->file};
		size_t asked;

		reachable(&visit.server);
		asked = visit_server(doctor, &visit);
		tell_obstacles(doctor, &visit, explain_at_tallyd);
		if (doctor->tallyd.port == 0 && visit.worst == OBSTACLE_NONE) {
			doctor->tallyd = visit.server;
			doctor->zones = asked;
		}
	}
}

static bool
is_loopback(const struct policy_server *server)
{
	return strncmp(server->address, "127.", 4) == 0 || strcmp(server->address, "::1") == 0;
}

static void
explain_at_resolver(const struct doctor *doctor, const struct visit *visit, enum obstacle obstacle,
    struct finding *finding, struct text *text)
{
	text_add_format(text, " %s", examine_meaning(obstacle));
	if (visit->secondary)
		text_add(text, " It is asked only when the first server fails.");
	if (!visit->here && is_loopback(&doctor->tallyd))
		text_add(text, " It is not on this host and tallyd listens on the loopback: "
			       "name tallyd before it, or run a resolver here.");
	else
		add_lines(finding, visit->kind, obstacle, doctor, visit->first[obstacle]->name);
}

/* Does a mail server get our answers there, early or late? */
static bool
answers_mail(const struct visit *visit)
{
	for (unsigned i = OBSTACLE_NONE + 1; i < OBSTACLES; i++)
		if (visit->count[i] > 0 && i != OBSTACLE_TTL && i != OBSTACLE_DNSSEC)
			return false;
	return true;
}

/* One server says yes and another no: what a mail server sees is chance. */
static void
tell_disagreement(struct doctor *doctor, const char *file, const struct nameservers *nameservers,
    unsigned well, bool first_is_well)
{
	struct finding *finding;
	struct text text;

	if (well == 0 || well == nameservers->servers)
		return;
	finding = findings_add(&doctor->findings,
	    first_is_well && !nameservers->rotate ? FINDING_WARNING : FINDING_PROBLEM,
	    "disagreement");
	text = finding_text(finding);
	text_add_format(&text,
	    "The %zu servers of %s disagree about our zones: %u of them %s well. ",
	    nameservers->servers, file, well, well == 1 ? "is" : "are");
	if (nameservers->rotate)
		text_add(&text, "With \"options rotate\" it is chance which one is asked.");
	else if (first_is_well)
		text_add(&text, "While the first one is down, listed mail passes.");
	else
		text_add(&text, "The first one is asked, the others only when it fails.");
}

static void
visit_nameservers(struct doctor *doctor, const char *file, const struct nameservers *nameservers)
{
	unsigned well = 0;
	bool first_is_well = false;

	for (size_t i = 0; i < nameservers->servers; i++) {
		struct visit visit = {.server = nameservers->server[i],
		    .named_in = file,
		    .secondary = i > 0 && first_is_well && !nameservers->rotate};

		(void)visit_server(doctor, &visit);
		tell_obstacles(doctor, &visit, explain_at_resolver);
		well += answers_mail(&visit);
		first_is_well = first_is_well || (i == 0 && answers_mail(&visit));
	}
	tell_disagreement(doctor, file, nameservers, well, first_is_well);
}

static void
visit_resolvers(struct doctor *doctor)
{
	struct nameservers host, chroot;
	struct finding *finding;
	struct text text;

	if (!nameservers_read(host_file, &host)) {
		finding = findings_add(&doctor->findings, FINDING_PROBLEM, "resolv-conf");
		text = finding_text(finding);
		text_add_format(&text, "%s: %s. The C library then asks 127.0.0.1.", host_file,
		    strerror(errno));
		host = (struct nameservers){.server = {{"127.0.0.1", 53}}, .servers = 1};
	}
	visit_nameservers(doctor, host_file, &host);
	if (!nameservers_read(chroot_file, &chroot) || nameservers_equal(&host, &chroot))
		return;
	finding = findings_add(&doctor->findings, FINDING_WARNING, "chroot");
	text = finding_text(finding);
	text_add_format(&text,
	    "%s names other servers than %s. Postfix's services in the chroot ask these; a start "
	    "of Postfix copies the file on most systems.",
	    chroot_file, host_file);
	visit_nameservers(doctor, chroot_file, &chroot);
}

static bool
choose_zones(struct doctor *doctor, const char *wanted)
{
	const struct policy *policy = doctor->config->policy;
	char folded[NAME_TEXT_MAX + 1];

	if (wanted == NULL) {
		doctor->zones = policy->zones;
	} else {
		const struct policy_zone *zone =
		    name_fold(wanted, folded) ? policy_zone_find(policy, folded) : NULL;

		if (zone == NULL) {
			(void)tool_fail("\"%s\": the configuration has no such zone", wanted);
			return false;
		}
		doctor->first = zone->index;
		doctor->zones = 1;
	}
	doctor->direct = calloc(doctor->zones + 1, sizeof *doctor->direct);
	if (doctor->direct == NULL)
		(void)tool_fail("out of memory");
	return doctor->direct != NULL;
}

static enum tool_status
look_around(struct doctor *doctor, struct tool *tool)
{
	bool well;

	if (!choose_zones(doctor, tool->line.option[COMMAND_ZONE]))
		return TOOL_FAILED;
	findings_begin(&doctor->findings);
	if (getrandom(&doctor->chance, sizeof doctor->chance, 0) != sizeof doctor->chance)
		doctor->chance = tool->now;
	tool->patience_s = PATIENCE_MS / 1000;
	unwell_find(tool, &doctor->findings);
	visit_tallyd(doctor);
	if (doctor->tallyd.port != 0) /* else there is nothing to compare with */
		visit_resolvers(doctor);
	well = findings_well(&doctor->findings);
	findings_print(&doctor->findings, tool->line.json);
	return well ? TOOL_DONE : TOOL_FAILED;
}

enum tool_status
tool_run_doctor(struct tool *tool)
{
	struct evidence_book *book = evidence_book_open();
	struct mistakes mistakes = {0};
	struct config *config = book == NULL ? NULL : config_read(tool->file, book, &mistakes);
	struct doctor doctor = {.file = tool->file, .config = config};
	enum tool_status status = TOOL_FAILED;

	if (config != NULL)
		status = look_around(&doctor, tool);
	else if (mistakes.text != NULL)
		(void)fprintf(stderr, "%s", mistakes.text);
	else
		(void)tool_fail("out of memory");
	free(doctor.direct);
	config_close(config);
	evidence_book_close(book);
	mistakes_free(&mistakes);
	return status;
}
