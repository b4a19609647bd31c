#include "resolver/examine.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *word, *phrase, *meaning;
	bool warning;
} obstacles[OBSTACLES] = {
    [OBSTACLE_NONE] = {"none", "all is well", "", false},
    [OBSTACLE_UNREACHABLE] = {"unreachable", "is not reached",
	"Nothing is listed for those who ask there.", false},
    [OBSTACLE_SILENCE] = {"silence", "does not reply in time",
	"Mail waits for it, and then passes.", false},
    [OBSTACLE_REBIND] = {"rebind-protection", "takes the addresses out",
	"This is protection against DNS rebinding, which lets no address of 127.0.0.0/8 "
	"through: what is listed passes, although its text comes through.",
	false},
    [OBSTACLE_REFUSES] = {"refused", "refuses", "Mail passes.", false},
    [OBSTACLE_VALIDATES] = {"dnssec", "refuses the zone for lack of DNSSEC",
	"It answers when it need not validate: DNSSEC proves that there is no such name. Mail "
	"passes with a lookup error in the log.",
	false},
    [OBSTACLE_FAILS] = {"failure", "fails",
	"It does not reach tallyd, or does not take its answer. Mail passes with a lookup error "
	"in the log.",
	false},
    [OBSTACLE_ELSEWHERE] = {"not-forwarded", "does not know the zone",
	"It does not ask tallyd about this zone: nothing is ever listed.", false},
    [OBSTACLE_DIFFERS] = {"different-answer", "answers otherwise",
	"Something else than this tallyd answers for the zone.", false},
    [OBSTACLE_INVENTS] = {"invented-answer", "invents addresses",
	"It has an address for names that do not exist: a mail server that looks for no special "
	"address refuses all mail.",
	false},
    [OBSTACLE_CACHED] = {"cache-only", "answers from its cache alone",
	"What it has in its cache is answered, new questions are not: it has lost tallyd.", false},
    [OBSTACLE_TEXT] = {"no-text", "loses the text",
	"Refusals do not say why, and rblsmtpd, which looks at the text alone, refuses nobody.",
	false},
    [OBSTACLE_IPV6] = {"ipv6", "loses IPv6 subjects",
	"Clients with IPv6 addresses are never listed.", false},
    [OBSTACLE_TTL] = {"ttl", "keeps answers too long",
	"Exceptions and new listings take so long to be in force.", false},
    [OBSTACLE_DNSSEC] = {"dnssec-clients", "fails for clients that want DNSSEC",
	"Mail servers do not ask for block lists in this way; dig, and resolvers that ask this "
	"one, do.",
	true},
    [OBSTACLE_PORT] = {"port-taken", "is taken", "", false},
};

bool
examine_is_warning(enum obstacle obstacle)
{
	return obstacles[obstacle].warning;
}

const char *
examine_word(enum obstacle obstacle)
{
	return obstacles[obstacle].word;
}

const char *
examine_phrase(enum obstacle obstacle)
{
	return obstacles[obstacle].phrase;
}

const char *
examine_meaning(enum obstacle obstacle)
{
	return obstacles[obstacle].meaning;
}

static void
changed_subject(uint32_t chance, struct subject *subject)
{
	*subject = (struct subject){.family = SUBJECT_IPV4};
	subject->octet[0] = 127;
	subject->octet[1] = (uint8_t)(chance >> 16 | 1); /* neither of the test points */
	subject->octet[2] = (uint8_t)(chance >> 8);
	subject->octet[3] = (uint8_t)chance;
}

void
examine_question(enum examine_question which, const struct policy_zone *zone, uint32_t chance,
    char name[NAME_TEXT_MAX + 1], struct ask_question *question)
{
	struct subject subject = {.family = SUBJECT_IPV4, .octet = {127, 0, 0, 2}};
	struct text text;

	if (which == EXAMINE_CLEAR)
		subject.octet[3] = 1;
	if (which == EXAMINE_CHANGED)
		changed_subject(chance, &subject);
	if (which == EXAMINE_IPV6)
		subject = (struct subject){.family = SUBJECT_IPV6,
		    .octet = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 2}};
	text_init(&text, name, NAME_TEXT_MAX + 1);
	subject_reverse(&subject, &text);
	text_add_format(&text, ".%s", zone->name);
	*question = (struct ask_question){.name = name,
	    .type = which == EXAMINE_TEXT ? WIRE_TXT : WIRE_A,
	    .class = WIRE_IN,
	    .unchecked = which == EXAMINE_UNCHECKED,
	    .dnssec_ok = which == EXAMINE_DNSSEC};
}

static bool
answered(const struct ask_reply *reply)
{
	return reply->outcome == ASK_ANSWERED && reply->rcode == WIRE_NOERROR && reply->records > 0;
}

static bool
says_no(const struct ask_reply *reply)
{
	return reply->outcome == ASK_ANSWERED && !answered(reply) &&
	       (reply->rcode == WIRE_NOERROR || reply->rcode == WIRE_NXDOMAIN);
}

/* Both say no, or both have the same addresses. */
static bool
agree(const struct ask_reply *a, const struct ask_reply *b)
{
	if (!answered(a) || !answered(b))
		return says_no(a) && says_no(b);
	return a->answer.said == b->answer.said &&
	       a->answer.answers.count == b->answer.answers.count &&
	       memcmp(a->answer.answers.address, b->answer.answers.address,
		   a->answer.answers.count * sizeof a->answer.answers.address[0]) == 0;
}

/* Why the listed test point has no address there. */
static enum obstacle
judge_lost(const struct examined *through)
{
	const struct ask_reply *listed = &through->reply[EXAMINE_LISTED];

	if (answered(&through->reply[EXAMINE_TEXT]))
		return OBSTACLE_REBIND;
	if (says_no(listed))
		return OBSTACLE_ELSEWHERE;
	if (listed->rcode == WIRE_REFUSED)
		return OBSTACLE_REFUSES;
	return answered(&through->reply[EXAMINE_UNCHECKED]) ? OBSTACLE_VALIDATES : OBSTACLE_FAILS;
}

static bool
too_long(const struct ask_reply *reply, uint32_t max)
{
	return reply->answer.has_ttl && reply->answer.ttl > max;
}

/* What else may be wrong where the listed test point is listed. */
static enum obstacle
judge_rest(
    const struct policy_zone *zone, const struct examined *through, const struct examined *direct)
{
	const struct ask_reply *reply = through->reply;

	if (answered(&reply[EXAMINE_CLEAR]))
		return OBSTACLE_INVENTS;
	if (!says_no(&reply[EXAMINE_CLEAR]) ||
	    !agree(&reply[EXAMINE_CHANGED], &direct->reply[EXAMINE_CHANGED]))
		return OBSTACLE_CACHED;
	if (!answered(&reply[EXAMINE_TEXT]))
		return OBSTACLE_TEXT;
	if (!agree(&reply[EXAMINE_IPV6], &reply[EXAMINE_LISTED]))
		return OBSTACLE_IPV6;
	if (too_long(&reply[EXAMINE_LISTED], zone->max_ttl) ||
	    too_long(&reply[EXAMINE_CLEAR], zone->negative_ttl))
		return OBSTACLE_TTL;
	if (!agree(&reply[EXAMINE_DNSSEC], &reply[EXAMINE_LISTED]))
		return OBSTACLE_DNSSEC;
	return OBSTACLE_NONE;
}

enum obstacle
examine_judge(
    const struct policy_zone *zone, const struct examined *through, const struct examined *direct)
{
	const struct ask_reply *listed = &through->reply[EXAMINE_LISTED];

	if (listed->outcome == ASK_UNREACHABLE)
		return OBSTACLE_UNREACHABLE;
	if (listed->outcome != ASK_ANSWERED)
		return OBSTACLE_SILENCE;
	if (!answered(listed))
		return judge_lost(through);
	if (direct == NULL)
		direct = through;
	if (!agree(listed, &direct->reply[EXAMINE_LISTED]))
		return OBSTACLE_DIFFERS;
	return judge_rest(zone, through, direct);
}

static const struct {
	enum wire_rcode rcode;
	const char *name;
} rcodes[] = {{WIRE_FORMERR, "FORMERR"}, {WIRE_SERVFAIL, "SERVFAIL"}, {WIRE_NXDOMAIN, "NXDOMAIN"},
    {WIRE_NOTIMP, "NOTIMP"}, {WIRE_REFUSED, "REFUSED"}};

static void
explain_answer(const struct ask_reply *reply, struct text *text)
{
	const struct answers *answers = &reply->answer.answers;

	if (reply->answer.said == EVIDENCE_FOREIGN)
		text_add(text, "an address outside 127.0.0.0/8");
	else if (reply->text[0] != '\0')
		text_add_format(text, "\"%s\"", reply->text);
	else if (answers->count > 0)
		text_add_format(text, "%u.%u.%u.%u", answers->address[0] >> 24,
		    answers->address[0] >> 16 & 255, answers->address[0] >> 8 & 255,
		    answers->address[0] & 255);
	else
		text_add(text, "records of another kind");
	if (reply->answer.has_ttl)
		text_add_format(text, " for %u s", (unsigned)reply->answer.ttl);
}

static void
explain_reply(const struct ask_reply *reply, struct text *text)
{
	if (reply->outcome == ASK_UNREACHABLE) {
		text_add(text, strerror(reply->error));
	} else if (reply->outcome != ASK_ANSWERED) {
		text_add(text, "no reply");
	} else if (answered(reply)) {
		explain_answer(reply, text);
	} else if (reply->rcode == WIRE_NOERROR) {
		text_add(text, "no record");
	} else {
		for (size_t i = 0; i < sizeof rcodes / sizeof rcodes[0]; i++)
			if (rcodes[i].rcode == reply->rcode)
				text_add(text, rcodes[i].name);
		if (reply->answer.has_ttl)
			text_add_format(text, " for %u s", (unsigned)reply->answer.ttl);
	}
}

/* The question whose reply shows the obstacle best. */
static enum examine_question
telling_question(
    enum obstacle obstacle, const struct policy_zone *zone, const struct examined *through)
{
	switch (obstacle) {
	case OBSTACLE_INVENTS:
		return EXAMINE_CLEAR;
	case OBSTACLE_CACHED:
		return EXAMINE_CHANGED;
	case OBSTACLE_TEXT:
		return EXAMINE_TEXT;
	case OBSTACLE_IPV6:
		return EXAMINE_IPV6;
	case OBSTACLE_DNSSEC:
		return EXAMINE_DNSSEC;
	case OBSTACLE_TTL:
		return too_long(&through->reply[EXAMINE_LISTED], zone->max_ttl) ? EXAMINE_LISTED
										: EXAMINE_CLEAR;
	case OBSTACLE_NONE:
	case OBSTACLE_UNREACHABLE:
	case OBSTACLE_SILENCE:
	case OBSTACLE_REBIND:
	case OBSTACLE_REFUSES:
	case OBSTACLE_VALIDATES:
	case OBSTACLE_FAILS:
	case OBSTACLE_ELSEWHERE:
	case OBSTACLE_DIFFERS:
	case OBSTACLE_PORT:
	case OBSTACLES:
		break;
	}
	return EXAMINE_LISTED;
}

void
examine_show(enum obstacle obstacle, const struct policy_zone *zone, const struct examined *through,
    struct text *text)
{
	enum examine_question which = telling_question(obstacle, zone, through);
	struct ask_question question;
	char name[NAME_TEXT_MAX + 1];

	examine_question(which, zone, 0, name, &question);
	text_add_format(text, "%s %s: ", which == EXAMINE_CHANGED ? "a new name" : name,
	    which == EXAMINE_TEXT ? "TXT" : "A");
	explain_reply(&through->reply[which], text);
	if (obstacle == OBSTACLE_REBIND) {
		text_add(text, "; TXT: ");
		explain_reply(&through->reply[EXAMINE_TEXT], text);
	}
	if (obstacle == OBSTACLE_TTL)
		text_add_format(text, ", where the zone allows %u s",
		    (unsigned)(which == EXAMINE_LISTED ? zone->max_ttl : zone->negative_ttl));
	text_add(text, ".");
}
