/*
 * Reports are sorted twice: by subject and reporter, which makes pairs (the opinion of a reporter
 * on a subject; those of a subject stand together), and by day and pair, in which order they are
 * gone through. Within a day all judgement is by the trust that the day began with.
 */
#include "aggregate/trust.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_DAYS 4      /* an opinion said daily is worth this many: it fades in 2 more halves */
#define SURE 0.2         /* opinions weaker than this are not judged */
#define CLEAR (1.0 / 3)  /* others count as one voice from this much of a majority on */
#define LISTS_LEAST 2    /* lists that confirm a report of spam */
#define LISTS_MOST 3     /* more confirm no more */
#define LIST_WEIGHT 0.15 /* of each */

struct report {
	struct subject subject;
	uint32_t reporter; /* index into reporter, after sorting */
	uint32_t day, pair;
	uint32_t order; /* in which they were added */
	uint8_t kind, listed;
};

struct pair {
	uint32_t subject, reporter;
	uint32_t day; /* that spam and ham stand for */
	double spam, ham, good;
	bool spam_today, ham_today;
	int judged; /* the side it was judged for: 1 spam, -1 ham, 0 not yet */
	uint8_t listed;
};

/* Agreements and disagreements of a reporter on the day being settled. */
struct score {
	uint32_t agreed, disagreed;
	double trust; /* that the day began with */
};

struct trust {
	struct report *report;
	size_t reports;
	struct trust_reporter *reporter;
	size_t reporters;
	uint32_t *bucket; /* reporter index + 1 by hash of the name; twice as many as reporters */
	size_t buckets;
	struct trust_subject *subject;
	size_t *first; /* pair of each subject; one more at the end */
	size_t subjects;
	struct pair *pair;
	size_t pairs;
	struct score *score;
};

struct trust *
trust_open(void)
{
	return calloc(1, sizeof(struct trust));
}

void
trust_close(struct trust *trust)
{
	if (trust == NULL)
		return;
	free(trust->report);
	free(trust->reporter);
	free(trust->bucket);
	free(trust->subject);
	free(trust->first);
	free(trust->pair);
	free(trust->score);
	free(trust);
}

/* Room for one more element than `count`, or NULL. */
static void *
grown(void *array, size_t count, size_t size)
{
	if (count != 0 && (count & (count - 1)) != 0)
		return array;
	return realloc(array, (count == 0 ? 1 : 2 * count) * size);
}

static uint32_t *
find_bucket(const struct trust *trust, const char *name)
{
	uint32_t hash = 2166136261u;

	for (const char *c = name; *c != '\0'; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	for (size_t at = hash;; at++) {
		uint32_t *bucket = &trust->bucket[at & (trust->buckets - 1)];

		if (*bucket == 0 || strcmp(trust->reporter[*bucket - 1].name, name) == 0)
			return bucket;
	}
}

static bool
enlarge_buckets(struct trust *trust)
{
	size_t buckets = trust->buckets == 0 ? 16 : trust->buckets * 2;
	uint32_t *larger;

	if ((trust->reporters + 1) * 2 <= trust->buckets)
		return true;
	larger = calloc(buckets, sizeof *larger);
	if (larger == NULL)
		return false;
	free(trust->bucket);
	trust->bucket = larger;
	trust->buckets = buckets;
	for (size_t i = 0; i < trust->reporters; i++)
		*find_bucket(trust, trust->reporter[i].name) = (uint32_t)i + 1;
	return true;
}

/* The reporter of this name, new if need be; NULL without memory. */
static struct trust_reporter *
find_or_add_reporter(struct trust *trust, const char *name)
{
	struct trust_reporter *larger;
	uint32_t *bucket;

	if (!enlarge_buckets(trust))
		return NULL;
	bucket = find_bucket(trust, name);
	if (*bucket != 0)
		return &trust->reporter[*bucket - 1];
	larger = grown(trust->reporter, trust->reporters, sizeof *larger);
	if (larger == NULL)
		return NULL;
	trust->reporter = larger;
	larger += trust->reporters++;
	*bucket = (uint32_t)trust->reporters;
	memset(larger, 0, sizeof *larger);
	memcpy(larger->name, name, strlen(name) + 1);
	reporter_init(&larger->reporter);
	return larger;
}

bool
trust_add(struct trust *trust, enum trust_kind kind, const struct subject *subject, const char *by,
    uint32_t when, unsigned listed)
{
	struct trust_reporter *reporter;
	struct report *larger;

	if (strlen(by) > TRUST_REPORTER_MAX)
		return false;
	reporter = find_or_add_reporter(trust, by);
	if (reporter == NULL)
		return false;
	larger = grown(trust->report, trust->reports, sizeof *larger);
	if (larger == NULL)
		return false;
	trust->report = larger;
	trust->report[trust->reports] = (struct report){.subject = *subject,
	    .order = (uint32_t)trust->reports,
	    .reporter = (uint32_t)(reporter - trust->reporter),
	    .day = when / TRUST_DAY,
	    .kind = (uint8_t)kind,
	    .listed = (uint8_t)(listed > LISTS_MOST ? LISTS_MOST : listed)};
	trust->reports++;
	return true;
}

static int
compare_subjects(const struct subject *a, const struct subject *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->octet, b->octet, sizeof a->octet);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct trust_reporter *)a)->name, ((const struct trust_reporter *)b)->name);
}

static int
by_pair(const void *left, const void *right)
{
	const struct report *a = left, *b = right;
	int order = compare_subjects(&a->subject, &b->subject);

	if (order != 0)
		return order;
	return a->reporter < b->reporter ? -1 : a->reporter > b->reporter;
}

static int
by_day(const void *left, const void *right)
{
	const struct report *a = left, *b = right;

	if (a->day != b->day)
		return a->day < b->day ? -1 : 1;
	return a->pair < b->pair ? -1 : a->pair > b->pair;
}

/* Reporters by name, and every report pointing at its own again. */
static bool
sort_reporters(struct trust *trust)
{
	struct trust_reporter *sorted = calloc(trust->reporters + 1, sizeof *sorted);

	if (sorted == NULL)
		return false;
	if (trust->reporters > 0)
		memcpy(sorted, trust->reporter, trust->reporters * sizeof *sorted);
	qsort(sorted, trust->reporters, sizeof *sorted, by_name);
	for (size_t i = 0; i < trust->reports; i++) {
		const struct trust_reporter *of = &trust->reporter[trust->report[i].reporter];
		const struct trust_reporter *there =
		    bsearch(of, sorted, trust->reporters, sizeof *sorted, by_name);

		trust->report[i].reporter = (uint32_t)(there - sorted);
	}
	free(trust->reporter);
	trust->reporter = sorted;
	return true;
}

static int
by_pair_and_order(const void *left, const void *right)
{
	const struct report *a = left, *b = right;
	int order = by_pair(a, b);

	if (order != 0)
		return order;
	return a->order < b->order ? -1 : a->order > b->order;
}

/*
 * Sort by pair, and leave out what is not yet, and what its reporter said of the subject before
 * withdrawing it: that never was.
 */
static void
sift(struct trust *trust, uint32_t today)
{
	size_t kept = 0, first = 0; /* first: of the pair, among those kept */

	if (trust->reports > 0)
		qsort(trust->report, trust->reports, sizeof *trust->report, by_pair_and_order);
	for (size_t i = 0; i < trust->reports; i++) {
		const struct report report = trust->report[i];

		if (kept == 0 || by_pair(&report, &trust->report[kept - 1]) != 0)
			first = kept;
		if (report.day > today)
			continue;
		if (report.kind == TRUST_WITHDRAW)
			kept = first;
		else
			trust->report[kept++] = report;
	}
	trust->reports = kept;
}

static bool
make_pairs(struct trust *trust)
{
	trust->pair = calloc(trust->reports + 1, sizeof *trust->pair);
	trust->subject = calloc(trust->reports + 1, sizeof *trust->subject);
	trust->first = calloc(trust->reports + 2, sizeof *trust->first);
	trust->score = calloc(trust->reporters + 1, sizeof *trust->score);
	if (trust->pair == NULL || trust->subject == NULL || trust->first == NULL ||
	    trust->score == NULL)
		return false;
	for (size_t i = 0; i < trust->reports; i++) {
		struct report *report = &trust->report[i];

		if (i == 0 || compare_subjects(&report->subject, &report[-1].subject) != 0) {
			trust->first[trust->subjects] = trust->pairs;
			trust->subject[trust->subjects++].subject = report->subject;
		}
		if (i == 0 || by_pair(report, report - 1) != 0)
			trust->pair[trust->pairs++] =
			    (struct pair){.subject = (uint32_t)trust->subjects - 1,
				.reporter = report->reporter,
				.day = report->day};
		report->pair = (uint32_t)trust->pairs - 1;
	}
	trust->first[trust->subjects] = trust->pairs;
	if (trust->reports > 0)
		qsort(trust->report, trust->reports, sizeof *trust->report, by_day);
	return true;
}

/* The opinion as it is on a later day. */
static void
age(struct pair *pair, uint32_t day)
{
	double left = exp2(-(double)(day - pair->day) / TRUST_OPINION_DAYS);

	if (day == pair->day)
		return;
	pair->spam *= left;
	pair->ham *= left;
	pair->good *= left;
	pair->day = day;
	pair->spam_today = pair->ham_today = false;
}

static void
take_report(struct pair *pair, const struct report *report)
{
	bool spam = report->kind == TRUST_SPAM, *said = spam ? &pair->spam_today : &pair->ham_today;

	age(pair, report->day);
	if (report->listed > pair->listed)
		pair->listed = report->listed;
	if (*said)
		return;
	*said = true;
	if (spam) {
		pair->spam = fmin(pair->spam + 1, KEPT_DAYS);
	} else {
		pair->ham = fmin(pair->ham + 1, KEPT_DAYS);
		pair->good = fmin(pair->good + 1, REPUTATION_GOOD_DAYS_MAX);
	}
}

/* -1 ham .. 1 spam */
static double
opinion_of(const struct pair *pair)
{
	double sum = pair->spam + pair->ham;

	return sum > 0 ? (pair->spam - pair->ham) / sum * fmin(sum, 1) : 0;
}

/* What others, and lists that confirm it, say to the opinion: -1 contradict .. 1 agree; 0: too few.
 */
static double
echo(const struct trust *trust, const struct pair *pair, const struct reputation *all)
{
	double opinion = opinion_of(pair), own = trust->score[pair->reporter].trust * fabs(opinion);
	double spam = all->spam - (opinion > 0 ? own : 0), ham = all->ham - (opinion < 0 ? own : 0);

	if (opinion > 0 && pair->listed >= LISTS_LEAST)
		spam += LIST_WEIGHT * pair->listed;
	if (spam + ham < TRUST_QUORUM - 1e-9)
		return 0;
	return (opinion > 0 ? spam - ham : ham - spam) / (spam + ham);
}

/* Everybody with an opinion on the subject that was not judged yet. */
static void
judge_subject(struct trust *trust, size_t subject, uint32_t day)
{
	struct reputation all = {0};

	for (size_t i = trust->first[subject]; i < trust->first[subject + 1]; i++) {
		struct pair *pair = &trust->pair[i];

		if (pair->day <= day && pair->spam + pair->ham > 0) {
			age(pair, day);
			reputation_add(
			    &all, trust->score[pair->reporter].trust, opinion_of(pair), 0);
		}
	}
	for (size_t i = trust->first[subject]; i < trust->first[subject + 1]; i++) {
		struct pair *pair = &trust->pair[i];
		double opinion = opinion_of(pair), heard;
		int side = opinion > 0 ? 1 : -1;

		if (pair->day > day || fabs(opinion) < SURE || pair->judged == side)
			continue;
		heard = echo(trust, pair, &all);
		if (fabs(heard) < CLEAR)
			continue;
		pair->judged = side;
		if (heard > 0)
			trust->score[pair->reporter].agreed++;
		else
			trust->score[pair->reporter].disagreed++;
	}
}

/* A day that is not over yet is not judged: who agrees with others today is heard no more today. */
static void
settle_day(struct trust *trust, size_t from, size_t to, bool over)
{
	uint32_t day = trust->report[from].day;

	for (size_t i = 0; i < trust->reporters; i++)
		trust->score[i] = (struct score){.trust = trust->reporter[i].reporter.trust};
	for (size_t i = from; i < to; i++)
		take_report(&trust->pair[trust->report[i].pair], &trust->report[i]);
	for (size_t i = from; over && i < to; i++) {
		uint32_t subject = trust->pair[trust->report[i].pair].subject;

		/* pairs of a subject stand together, so do their reports of one day */
		if (i == from || trust->pair[trust->report[i - 1].pair].subject != subject)
			judge_subject(trust, subject, day);
	}
	for (size_t i = 0; i < trust->reporters; i++)
		if (trust->score[i].agreed + trust->score[i].disagreed > 0)
			reporter_judge(&trust->reporter[i].reporter, trust->score[i].agreed,
			    trust->score[i].disagreed);
}

static void
rest_all(struct trust *trust, uint32_t days)
{
	for (size_t i = 0; i < trust->reporters; i++)
		reporter_rest(&trust->reporter[i].reporter, days);
}

/* What all that amounts to today. */
static void
sum_up(struct trust *trust, uint32_t today)
{
	for (size_t i = 0; i < trust->pairs; i++) {
		struct pair *pair = &trust->pair[i];
		struct trust_reporter *reporter = &trust->reporter[pair->reporter];
		struct trust_subject *subject = &trust->subject[pair->subject];
		double opinion;

		age(pair, today);
		opinion = opinion_of(pair);
		reputation_add(&subject->reputation, reporter->reporter.trust, opinion, pair->good);
		subject->reporters++;
		*(opinion > 0 ? &reporter->spam : &reporter->ham) += 1;
	}
}

bool
trust_settle(struct trust *trust, uint32_t now)
{
	uint32_t today = now / TRUST_DAY;

	if (!sort_reporters(trust))
		return false;
	sift(trust, today);
	if (!make_pairs(trust))
		return false;
	for (size_t from = 0, to; from < trust->reports; from = to) {
		uint32_t day = trust->report[from].day, next;

		for (to = from; to < trust->reports && trust->report[to].day == day; to++)
			;
		settle_day(trust, from, to, day < today);
		next = to < trust->reports ? trust->report[to].day : today;
		rest_all(trust, next - day);
	}
	sum_up(trust, today);
	return true;
}

const struct trust_reporter *
trust_reporters(const struct trust *trust, size_t *count)
{
	*count = trust->reporters;
	return trust->reporter;
}

const struct trust_subject *
trust_subjects(const struct trust *trust, size_t *count)
{
	*count = trust->subjects;
	return trust->subject;
}

static int
find_subject(const void *subject, const void *entry)
{
	return compare_subjects(subject, &((const struct trust_subject *)entry)->subject);
}

const struct trust_subject *
trust_find(const struct trust *trust, const struct subject *subject)
{
	if (trust->subjects == 0)
		return NULL;
	return bsearch(
	    subject, trust->subject, trust->subjects, sizeof *trust->subject, find_subject);
}
