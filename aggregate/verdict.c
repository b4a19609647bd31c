#include "aggregate/verdict.h"

#include <string.h>

#include "aggregate/caseid.h"
#include "aggregate/match.h"
#include "aggregate/share.h"

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Index of the grade that a score reaches, -1 below all. */
static int
grade_of(const struct policy_zone *zone, int32_t score)
{
	int grade = -1;

	for (size_t i = 0; i < zone->grades && zone->grade[i].score <= score; i++)
		grade = (int)i;
	return grade;
}

/* What the evidence so far comes to; expiries are in the seconds of evidence.expires. */
struct sum {
	int32_t score, low, high; /* low, high: what unknown lists could add to the score */
	uint32_t all, matched; /* when the first of it expires: of all, and of that which matched */
	bool stale;
};

/* Seconds until an expiry; what has expired counts for one more. */
static uint32_t
remaining(uint32_t expires, uint32_t now)
{
	if (expires == UINT32_MAX)
		return UINT32_MAX;
	return expires > now ? expires - now : 1;
}

/* When an exception that covers the subject ends, on the clock of evidence. */
static uint32_t
exception_expires(const struct exception *exception, uint32_t now, uint32_t wall)
{
	uint32_t left = exception->until > wall ? exception->until - wall : 1;

	return exception->until == 0 || left > UINT32_MAX - now ? UINT32_MAX : now + left;
}

/* A list that said something and adds this to the score. */
static inline void
note_known(size_t i, int32_t adds, const struct evidence *evidence, struct sum *sum,
    struct verdict *verdict)
{
	sum->score += adds;
	sum->all = least(sum->all, evidence->expires);
	if (adds != 0)
		sum->matched = least(sum->matched, evidence->expires);
	if (adds > 0)
		bits_set(verdict->counted, i);
}

/* A list that says more than "not listed", or less. */
__attribute__((noinline)) static void
weigh_list(const struct policy_zone *zone, size_t i, const struct evidence_book *book,
    const struct evidence *evidence, struct sum *sum, struct verdict *verdict)
{
	const struct policy_zone_list *entry = &zone->list[i];
	uint16_t said = evidence->said;
	bool stale = evidence->stale != 0;
	int32_t adds = 0;

	if (!(stale && match_too_stale(zone, entry, evidence->stale)) &&
	    (said == EVIDENCE_CLEAR ||
		(said >= EVIDENCE_ANSWERS && match_weigh_said(zone, entry, book, said, &adds)))) {
		sum->stale = sum->stale || stale;
		note_known(i, adds, evidence, sum, verdict);
	} else if (said != EVIDENCE_ABSENT) {
		bits_set(verdict->unknown, i);
		sum->low += entry->low;
		sum->high += entry->high;
	}
}

/* Lists by number, four at once, and 32 of them as bits. */
typedef int32_t four __attribute__((vector_size(16)));
typedef uint32_t bits_of_four __attribute__((vector_size(16)));

#define GROUP 32
#define GROUPS (EVIDENCE_LISTS_MAX / GROUP)

_Static_assert(EVIDENCE_LISTS_MAX % GROUP == 0 && GROUP % POLICY_STRIDE == 0, "groups are whole");

/* The lists that say else than a fresh "not listed". */
__attribute__((noinline)) static void
weigh_others(const struct policy_zone *zone, unsigned numbers, const uint32_t others[GROUPS],
    const struct evidence_book *book, const struct evidence *evidence, struct sum *sum,
    struct verdict *verdict)
{
	for (unsigned group = 0; group * GROUP < numbers; group++)
		for (uint32_t left = others[group]; left != 0; left &= left - 1) {
			unsigned number = group * GROUP + (unsigned)__builtin_ctz(left);
			size_t i = zone->place[number];
			uint32_t weight = match_remembered(&zone->list[i], evidence[number].said);

			if (evidence[number].stale == 0 && match_is_understood(weight))
				note_known(
				    i, match_worked_out(weight), &evidence[number], sum, verdict);
			else
				weigh_list(zone, i, book, &evidence[number], sum, verdict);
		}
}

static inline four
greater(four a, four b)
{
	four is_greater = a > b;

	return (a & is_greater) | (b & ~is_greater);
}

/*
 * When the first fresh "not listed" expires, UINT32_MAX without one, and which lists say else.
 * What stands beside them in `evidence`, of lists that are not asked, counts for nothing.
 */
static inline uint32_t
first_clear(
    const struct policy_asked *asked, const struct evidence *evidence, uint32_t others[GROUPS])
{
	enum { SAID_UP = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 16 : 0 };
	four soonest = {0}; /* INT32_MAX less when it expires */

	for (unsigned first = 0; first < asked->numbers; first += GROUP) {
		bits_of_four bit = {1, 2, 4, 8}, say_else = {0};
		unsigned end = first + least(asked->numbers - first, GROUP);

		for (unsigned i = first; i < end; i += POLICY_STRIDE) {
			four low, high, is_asked, clear;

			memcpy(&low, evidence + i, sizeof low);
			memcpy(&high, evidence + i + 2, sizeof high);
			memcpy(&is_asked, asked->is_asked + i, sizeof is_asked);
			clear = __builtin_shufflevector(low, high, 1, 3, 5, 7) == EVIDENCE_CLEAR
										      << SAID_UP;
			clear &= is_asked;
			say_else |= (bits_of_four)(clear ^ is_asked) & bit;
			bit *= 1u << POLICY_STRIDE;
			soonest = greater(soonest,
			    (__builtin_shufflevector(low, high, 0, 2, 4, 6) ^ INT32_MAX) & clear);
		}
		say_else |= __builtin_shufflevector(say_else, say_else, 2, 3, 0, 1);
		others[first / GROUP] = say_else[0] | say_else[1];
	}
	soonest = greater(soonest, __builtin_shufflevector(soonest, soonest, 2, 3, 0, 1));
	soonest = greater(soonest, __builtin_shufflevector(soonest, soonest, 1, 0, 3, 2));
	return soonest[0] == 0 ? UINT32_MAX : (uint32_t)(soonest[0] ^ INT32_MAX);
}

static inline void
weigh_apart(const struct policy_zone *zone, const struct subject *subject,
    const struct evidence_book *book, const struct evidence *evidence, struct sum *sum,
    struct verdict *verdict)
{
	const struct policy_asked *asked = &zone->asked[subject->family];
	uint32_t others[GROUPS];

	sum->all = least(sum->all, first_clear(asked, evidence, others));
	weigh_others(zone, asked->numbers, others, book, evidence, sum, verdict);
}

/* The same for a zone whose lists may void one another's weights. Its array is large: not inlined.
 */
__attribute__((noinline)) static void
weigh_jointly(const struct policy_zone *zone, const struct subject *subject,
    const struct evidence_book *book, const struct evidence *evidence, struct sum *sum,
    struct verdict *verdict)
{
	struct share share[EVIDENCE_LISTS_MAX];

	share_out(zone, subject, book, evidence, share);
	for (size_t i = 0; i < zone->lists; i++) {
		const struct evidence *said = &evidence[zone->list[i].number];

		if (!share[i].asked)
			continue;
		sum->low += share[i].adds[SHARE_LOW] - share[i].adds[SHARE_SCORE];
		sum->high += share[i].adds[SHARE_HIGH] - share[i].adds[SHARE_SCORE];
		if (!share[i].known) {
			bits_set(verdict->unknown, i);
		} else {
			sum->stale = sum->stale || said->stale != 0;
			note_known(i, share[i].adds[SHARE_SCORE], said, sum, verdict);
		}
		if (share[i].cancels)
			sum->matched = least(sum->matched, said->expires);
	}
}

/* `all` and `matched`: seconds that the evidence has left, all of it and that which matched. */
static void
settle(const struct policy_zone *zone, int grade, uint32_t all, uint32_t matched,
    struct verdict *verdict)
{
	if (grade < 0) {
		verdict->state = VERDICT_CLEAR;
		verdict->ttl = least(all, zone->negative_ttl);
	} else {
		verdict->state = VERDICT_LISTED;
		verdict->address = zone->grade[grade].address;
		verdict->ttl = least(matched, zone->max_ttl);
	}
}

static void
begin(struct verdict *verdict)
{
	memset(verdict, 0, offsetof(struct verdict, exception));
}

void
verdict_decide(const struct policy_zone *zone, const struct subject *subject,
    const struct exception *score, const struct evidence_book *book,
    const struct evidence *evidence, uint32_t now, uint32_t wall, struct verdict *verdict)
{
	struct sum sum = {.all = UINT32_MAX, .matched = UINT32_MAX};
	int grade;

	begin(verdict);
	if (score != NULL) {
		verdict->excepted = true;
		verdict->exception = *score;
		sum.score = score->score;
		sum.all = sum.matched = exception_expires(score, now, wall);
	}
	if (zone->joint)
		weigh_jointly(zone, subject, book, evidence, &sum, verdict);
	else
		weigh_apart(zone, subject, book, evidence, &sum, verdict);
	verdict->score = sum.score;
	verdict->low = sum.score + sum.low;
	verdict->high = sum.score + sum.high;
	verdict->stale = sum.stale;
	verdict->ttl = verdict->left = remaining(sum.all, now);
	grade = grade_of(zone, verdict->low);
	if (sum.low == sum.high || grade == grade_of(zone, verdict->high))
		settle(zone, grade, verdict->left, remaining(sum.matched, now), verdict);
}

__attribute__((noinline)) void
verdict_close(const struct policy_zone *zone, struct verdict *verdict)
{
	uint32_t left = least(EVIDENCE_FAILURE_TTL, verdict->ttl);

	if (verdict->state != VERDICT_OPEN)
		return;
	switch (zone->on_failure) {
	case POLICY_PASS:
		settle(zone, grade_of(zone, verdict->score), left, left, verdict);
		break;
	case POLICY_DEFER:
		verdict->state = VERDICT_DEFERRED;
		break;
	case POLICY_ANSWER:
		verdict->state = VERDICT_SUBSTITUTE;
		verdict->address = zone->failure_address;
		verdict->ttl = least(left, zone->max_ttl);
		break;
	}
}

__attribute__((noinline)) bool
verdict_of_exception(const struct policy_zone *zone, const struct exception *exception,
    uint32_t wall, struct verdict *verdict)
{
	enum exception_action lists =
	    zone->kind == POLICY_ALLOW ? EXCEPTION_ALLOW : EXCEPTION_BLOCK;
	uint32_t left = remaining(exception_expires(exception, 0, wall), 0);

	if (exception->action == EXCEPTION_SCORE)
		return false;
	begin(verdict);
	verdict->excepted = true;
	verdict->exception = *exception;
	/* the operator is sure: the highest grade */
	if (exception->action == lists)
		verdict->score = zone->grade[zone->grades - 1].score;
	verdict->low = verdict->high = verdict->score;
	settle(zone, exception->action == lists ? (int)zone->grades - 1 : -1, left, left, verdict);
	return true;
}

__attribute__((noinline)) void
verdict_of_place(const struct policy_zone *zone, enum subject_place place, struct verdict *verdict)
{
	begin(verdict);
	verdict->place = place;
	verdict->state = VERDICT_CLEAR;
	verdict->ttl = zone->negative_ttl;
	if (place == SUBJECT_TEST_LISTED) {
		verdict->state = VERDICT_LISTED;
		verdict->score = verdict->low = verdict->high = zone->threshold;
		verdict->address = zone->grade[0].address;
		verdict->ttl = zone->max_ttl;
	}
}

static int32_t
weight_of(const struct policy_zone *zone, size_t i, const struct evidence_book *book,
    const struct evidence *evidence)
{
	const struct policy_zone_list *entry = &zone->list[i];
	unsigned number = entry->number;
	int32_t sum = 0;

	(void)match_weigh_said(zone, entry, book, evidence[number].said, &sum);
	return sum;
}

static void
add_name(const char *name, struct text *text)
{
	if (text->length > 0)
		text_add(text, ", ");
	text_add(text, name);
}

/* The lists that counted, heaviest first, ties in the order of the zone. */
static void
add_counted(const struct policy_zone *zone, const struct verdict *verdict,
    const struct evidence_book *book, const struct evidence *evidence, struct text *text)
{
	int32_t weight[EVIDENCE_LISTS_MAX];
	size_t order[EVIDENCE_LISTS_MAX], count = 0;

	for (size_t i = 0; i < zone->lists; i++) {
		size_t at = count;
		int32_t sum;

		if (!bits_has(verdict->counted, i))
			continue;
		sum = weight_of(zone, i, book, evidence);
		for (; at > 0 && weight[at - 1] < sum; at--) {
			weight[at] = weight[at - 1];
			order[at] = order[at - 1];
		}
		weight[at] = sum;
		order[at] = i;
		count++;
	}
	for (size_t i = 0; i < count; i++)
		add_name(zone->list[order[i]].list->name, text);
}

static void
add_unknown(const struct policy_zone *zone, const struct verdict *verdict, struct text *text)
{
	for (size_t i = 0; i < zone->lists; i++)
		if (bits_has(verdict->unknown, i))
			add_name(zone->list[i].list->name, text);
}

bool
verdict_is_without_lists(const struct verdict *verdict)
{
	return verdict->place != SUBJECT_ORDINARY ||
	       (verdict->excepted && verdict->exception.action != EXCEPTION_SCORE);
}

uint64_t
verdict_case(const struct policy_zone *zone, const struct subject *subject,
    const struct verdict *verdict, const struct evidence_book *book,
    const struct evidence *evidence)
{
	return caseid_of(zone, subject, verdict->excepted ? &verdict->exception : NULL, book,
	    verdict_is_without_lists(verdict) ? NULL : evidence);
}

/* What the macros of a text stand for. */
struct meaning {
	const struct policy_zone *zone;
	const struct subject *subject;
	const struct verdict *verdict;
	const char *lists;
	uint64_t id;
};

static void
add_macro(char macro, const struct meaning *meaning, struct text *text)
{
	switch (macro) {
	case 'a':
		subject_print(meaning->subject, text);
		break;
	case 'c':
		caseid_print(meaning->id, text);
		break;
	case 'l':
		text_add(text, meaning->lists);
		break;
	case 's':
		text_add_format(text, "%d", meaning->verdict->score);
		break;
	case 't':
		text_add_format(text, "%d", meaning->zone->threshold);
		break;
	case 'z':
		text_add(text, meaning->zone->name);
		break;
	default:
		text_add(text, "%");
		break;
	}
}

static void
add_all(const struct meaning *meaning, struct text *text)
{
	for (const char *c = meaning->zone->text, *next; *c != '\0'; c = next) {
		next = strchrnul(c, '%');
		text_add_printable(text, c, (size_t)(next - c));
		if (next[0] == '%') {
			add_macro(next[1], meaning, text);
			next += next[1] == '\0' ? 1 : 2;
		}
	}
}

/* Leave out the last of several names, the lightest. False when there is one alone. */
static bool
drop_last(char *names)
{
	char *comma = strrchr(names, ',');

	if (comma == NULL)
		return false;
	*comma = '\0';
	return true;
}

void
verdict_text(const struct policy_zone *zone, const struct subject *subject,
    const struct verdict *verdict, const struct evidence_book *book,
    const struct evidence *evidence, struct text *text)
{
	char names[VERDICT_TEXT_MAX + 1], bounded[VERDICT_TEXT_MAX + 1];
	struct meaning meaning = {
	    .zone = zone, .subject = subject, .verdict = verdict, .lists = names};
	struct text lists, *out = text, inner;

	text_init(&lists, names, sizeof names);
	text_init(&inner, bounded, sizeof bounded);
	text = &inner;
	if (verdict->state == VERDICT_SUBSTITUTE) {
		add_unknown(zone, verdict, &lists);
		subject_print(subject, text);
		text_add_format(text, " cannot be checked now: no answer from %s", names);
		text_add(out, bounded);
		return;
	}
	if (verdict->place == SUBJECT_TEST_LISTED)
		text_add(&lists, "test point");
	else if (evidence != NULL)
		add_counted(zone, verdict, book, evidence, &lists);
	if (verdict->excepted &&
	    (verdict->exception.action != EXCEPTION_SCORE || verdict->exception.score > 0))
		add_name("local policy", &lists);
	if (lists.cut)
		(void)drop_last(names);
	if (strstr(zone->text, "%c") != NULL)
		meaning.id = verdict_case(zone, subject, verdict, book, evidence);
	do {
		inner.length = 0;
		inner.cut = false;
		add_all(&meaning, text);
	} while (inner.cut && drop_last(names));
	text_add(out, bounded);
}

const char *
verdict_word(enum verdict_state state)
{
	switch (state) {
	case VERDICT_LISTED:
		return "listed";
	case VERDICT_CLEAR:
		return "clear";
	case VERDICT_OPEN:
	case VERDICT_DEFERRED:
	case VERDICT_SUBSTITUTE:
		break;
	}
	return "unknown";
}
