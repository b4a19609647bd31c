/*
 * Trust against a known truth: ten lists of different quality, two hundred reporters of whom some
 * lie, hosts that are good or bad. Short in the suite; "test_simulation long" takes more days and
 * more seeds and prints its figures.
 */
#include <stdio.h>
#include <stdlib.h>

#include "aggregate/trust.h"
#include "aggregate/worth.h"
#include "tests/unit/unit.h"

#define LISTS 10
#define REPORTERS 200
#define GOOD 2000 /* hosts */
#define SPAM 300  /* hosts at a time */
#define DAYS_MAX 180
#define HOSTS_MAX (GOOD + SPAM * (DAYS_MAX / 5))
#define THRESHOLD 4
#define BAND 50
#define NOBODY UINT32_MAX
#define POPULAR 100 /* good hosts that half of the good mail comes from */

enum lie { LIE_NEVER, LIE_AT_RANDOM, LIE_TOGETHER };

struct scene {
	uint64_t seed;
	unsigned days, liars; /* percent */
	enum lie lie;
	unsigned attack; /* the day on which those who lie together begin */
	int bad_list;    /* a list that goes bad halfway, or -1 */
};

/* Recall and false positives of each list, and the weight that a sensible operator gives it. */
static const struct {
	double recall, wrong;
	int32_t weight;
} lists[LISTS] = {{0.60, 0.0001, 3}, {0.55, 0.0002, 3}, {0.50, 0.0005, 2}, {0.50, 0.001, 2},
    {0.40, 0.002, 2}, {0.40, 0.005, 1}, {0.35, 0.005, 1}, {0.30, 0.01, 1}, {0.30, 0.02, 1},
    {0.25, 0.03, 1}};

struct host {
	bool spam;
	double noticed;  /* spam hosts differ in how many lists see them */
	uint16_t listed; /* bit i: list i */
	int8_t last[LISTS];
	unsigned last_day[LISTS];
};

struct record {
	uint32_t host, reporter, day;
	uint16_t listed;
	bool spam;
};

struct errors {
	uint64_t spam, ham, misses, wrong; /* host-days */
};

struct world {
	struct scene scene;
	struct chance chance;
	struct host host[HOSTS_MAX];
	uint32_t hosts, active[SPAM];
	struct record *record;
	size_t records;
	uint32_t victim;
	int32_t weight[LISTS]; /* earned */
	unsigned recovered;    /* days after which the bad list had lost weight; 0: not */
	unsigned victim_listed;
	struct errors fixed, adapted, late_fixed, late_adapted, single[LISTS];
};

static double
chance_share(struct chance *chance)
{
	return (double)(chance_next(chance) >> 11) / 9007199254740992.0;
}

static struct subject
subject_of(uint32_t host)
{
	struct subject subject = {.family = SUBJECT_IPV4,
	    .octet = {10, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host}};

	return subject;
}

/* What the lists say of a host from today on. */
static void
place(struct world *world, struct host *host, unsigned day)
{
	host->listed = 0;
	for (int i = 0; i < LISTS; i++) {
		bool bad = world->scene.bad_list == i && day >= world->scene.days / 2;
		double share = host->spam ? lists[i].recall * host->noticed : lists[i].wrong;

		if (bad)
			share = 0.10; /* it lists whatever comes along */
		if (chance_share(&world->chance) < share)
			host->listed |= (uint16_t)(1u << i);
	}
}

static uint32_t
new_host(struct world *world, bool spam, unsigned day)
{
	struct host *host = &world->host[world->hosts];

	assert_true(world->hosts < HOSTS_MAX);
	host->spam = spam;
	host->noticed = 0.4 + 1.2 * chance_share(&world->chance);
	place(world, host, day);
	return world->hosts++;
}

static void
take(struct world *world, uint32_t reporter, uint32_t host, bool spam, unsigned day)
{
	if ((world->records & (world->records - 1)) == 0)
		world->record = realloc(world->record,
		    (world->records == 0 ? 1 : 2 * world->records) * sizeof *world->record);
	assert_non_null(world->record);
	world->record[world->records++] = (struct record){.host = host,
	    .reporter = reporter,
	    .day = day,
	    .listed = world->host[host].listed,
	    .spam = spam};
}

/* A reporter's mail of a day and what it says of it. */
static void
report(struct world *world, uint32_t reporter, unsigned day)
{
	const struct scene *scene = &world->scene;
	bool liar = reporter < REPORTERS * scene->liars / 100;
	struct chance *chance = &world->chance;

	for (unsigned i = 0; i < 15; i++) {
		bool spam = i < 5;
		uint32_t host = spam ? world->active[chance_below(chance, SPAM)]
				: chance_below(chance, 2) == 0 ? chance_below(chance, POPULAR)
							       : chance_below(chance, GOOD);
		double says = spam ? 0.3 : 0.1;

		if (liar && scene->lie == LIE_AT_RANDOM) {
			if (chance_share(chance) < 0.3)
				take(world, reporter, host, chance_below(chance, 2) == 0, day);
			continue;
		}
		if (chance_share(chance) >= says)
			continue;
		/* people err: one in fifty reports says the opposite */
		take(world, reporter, host, (chance_below(chance, 50) == 0) != spam, day);
	}
	if (liar && scene->lie == LIE_TOGETHER && day >= scene->attack)
		take(world, reporter, world->victim, true, day);
}

static bool
is_listed(const int32_t *weight, uint16_t listed, bool trusted)
{
	int32_t score = trusted ? THRESHOLD : 0;

	for (int i = 0; i < LISTS; i++)
		if (listed >> i & 1)
			score += weight != NULL ? weight[i] : lists[i].weight;
	return score >= THRESHOLD;
}

static void
count(struct errors *errors, bool spam, bool listed)
{
	*(spam ? &errors->spam : &errors->ham) += 1;
	errors->misses += spam && !listed;
	errors->wrong += !spam && listed;
}

/* The trust that all records up to now amount to. */
static struct trust *
settle(const struct world *world, unsigned day)
{
	struct trust *trust = trust_open();
	char name[16];

	for (size_t i = 0; i < world->records; i++) {
		const struct record *record = &world->record[i];
		struct subject subject = subject_of(record->host);

		(void)snprintf(name, sizeof name, "user%u", record->reporter);
		assert_true(trust_add(trust, record->spam ? TRUST_SPAM : TRUST_HAM, &subject, name,
		    record->day * TRUST_DAY, (unsigned)__builtin_popcount(record->listed)));
	}
	assert_true(trust_settle(trust, day * TRUST_DAY));
	return trust;
}

/* What the lists have earned by now. */
static void
adapt(struct world *world, const struct trust *trust)
{
	struct worth worth[LISTS] = {0};

	for (uint32_t i = 0; i < world->hosts; i++)
		memset(world->host[i].last, 0, sizeof world->host[i].last);
	for (size_t i = 0; i < world->records; i++) {
		const struct record *record = &world->record[i];
		struct host *host = &world->host[record->host];
		struct subject subject = subject_of(record->host);
		const struct trust_subject *found = trust_find(trust, &subject);
		int label = found == NULL ? 0 : reputation_label(&found->reputation, TRUST_QUORUM);

		for (int j = 0; label != 0 && j < LISTS; j++) {
			bool hit = record->listed >> j & 1;

			/* once for each thing that the list said of the host */
			if (host->last[j] == (hit ? 2 : 1))
				continue;
			host->last[j] = hit ? 2 : 1;
			worth_count(&worth[j], label > 0, hit);
		}
	}
	for (int j = 0; j < LISTS; j++)
		world->weight[j] = worth_weight(&worth[j], false, lists[j].weight, BAND, THRESHOLD);
}

static void
measure(struct world *world, const struct trust *trust, unsigned day)
{
	bool late = day >= world->scene.days / 2;

	for (uint32_t i = 0; i < GOOD + SPAM; i++) {
		uint32_t number = i < GOOD ? i : world->active[i - GOOD];
		const struct host *host = &world->host[number];
		struct subject subject = subject_of(number);
		const struct trust_subject *found = trust_find(trust, &subject);
		bool trusted = found != NULL && reputation_listed(&found->reputation);
		bool fixed = is_listed(NULL, host->listed, false);
		bool adapted = is_listed(world->weight, host->listed, trusted);

		count(&world->fixed, host->spam, fixed);
		count(&world->adapted, host->spam, adapted);
		if (late) {
			count(&world->late_fixed, host->spam, fixed);
			count(&world->late_adapted, host->spam, adapted);
		}
		for (int j = 0; j < LISTS; j++)
			count(&world->single[j], host->spam, host->listed >> j & 1);
		if (number == world->victim && trusted)
			world->victim_listed++;
	}
	if (late && world->recovered == 0 && world->scene.bad_list >= 0 &&
	    world->weight[world->scene.bad_list] < lists[world->scene.bad_list].weight)
		world->recovered = day - world->scene.days / 2 + 1;
}

static void
one_day(struct world *world, unsigned day)
{
	struct trust *trust;

	for (unsigned i = 0; i < SPAM; i++)
		if (day == 0 || chance_below(&world->chance, 8) == 0)
			world->active[i] = new_host(world, true, day);
	/* listings come and go: a tenth of the good hosts is looked at anew each day */
	for (uint32_t i = 0; i < GOOD; i++)
		if (chance_below(&world->chance, 10) == 0)
			place(world, &world->host[i], day);
	trust = settle(world, day);
	adapt(world, trust);
	measure(world, trust, day);
	trust_close(trust);
	for (uint32_t i = 0; i < REPORTERS; i++)
		report(world, i, day);
}

static struct world *
play(const struct scene *scene)
{
	struct world *world = calloc(1, sizeof *world);

	assert_non_null(world);
	world->scene = *scene;
	world->chance.state = scene->seed;
	world->victim = POPULAR / 2;
	for (unsigned i = 0; i < GOOD; i++)
		new_host(world, false, 0);
	for (unsigned day = 0; day < scene->days; day++)
		one_day(world, day);
	return world;
}

static double
percent(uint64_t part, uint64_t all)
{
	return all == 0 ? 0 : 100.0 * (double)part / (double)all;
}

static void
say(const char *what, const struct errors *errors)
{
	printf("  %-22s good wrongly listed %6.3f %%   spam missed %5.1f %%\n", what,
	    percent(errors->wrong, errors->ham), percent(errors->misses, errors->spam));
}

static void
end(struct world *world)
{
	const struct scene *scene = &world->scene;
	static const char *const lies[] = {"no liars", "at random", "together"};
	char name[32];

	printf("seed=%llu days=%u liars=%u%% %s attack=%u bad-list=%d\n",
	    (unsigned long long)scene->seed, scene->days, scene->liars, lies[scene->lie],
	    scene->attack, scene->bad_list);
	say("fixed weights", &world->fixed);
	say("earned weights, trust", &world->adapted);
	if (scene->bad_list >= 0) {
		say("late: fixed", &world->late_fixed);
		say("late: earned, trust", &world->late_adapted);
		printf("  the bad list lost weight after %u days\n", world->recovered);
	}
	for (int i = 0; i < LISTS; i++) {
		(void)snprintf(name, sizeof name, "list %d alone", i);
		say(name, &world->single[i]);
	}
	/* never worse than fixed weights by more than 0.01 % of the good hosts */
	assert_true(percent(world->adapted.wrong, world->adapted.ham) <=
		    percent(world->fixed.wrong, world->fixed.ham) + 0.01);
	assert_true(world->adapted.misses < world->fixed.misses);
	assert_int_equal(world->victim_listed, 0);
	if (scene->bad_list >= 0) {
		assert_true(world->late_adapted.misses * 3 <= world->late_fixed.misses * 2);
		assert_in_range(world->recovered, 1, 14);
	}
	free(world->record);
	free(world);
}

static bool is_long;

static void
run(enum lie lie, unsigned liars, unsigned attack, int bad_list)
{
	for (uint64_t seed = 1; seed <= (is_long ? 3u : 1u); seed++) {
		const struct scene scene = {.seed = seed,
		    .days = is_long ? DAYS_MAX : 40,
		    .liars = liars,
		    .lie = lie,
		    .attack = attack,
		    .bad_list = bad_list};

		end(play(&scene));
	}
}

static void
honest_reporters_find_what_lists_miss_and_list_nobody_wrongly(void **state)
{
	(void)state;
	run(LIE_NEVER, 0, 0, -1);
}

static void
a_list_that_goes_bad_loses_its_weight_within_two_weeks(void **state)
{
	(void)state;
	run(LIE_NEVER, 0, 0, 0);
}

static void
a_third_who_lie_at_random_do_no_harm(void **state)
{
	(void)state;
	run(LIE_AT_RANDOM, 10, 0, is_long ? 1 : -1);
	run(LIE_AT_RANDOM, 30, 0, 0);
}

static void
nearly_half_who_lie_at_random_do_no_harm(void **state)
{
	(void)state;
	run(LIE_AT_RANDOM, 45, 0, -1);
}

static void
nearly_half_who_lie_together_list_nobody_with_regular_good_mail(void **state)
{
	(void)state;
	run(LIE_TOGETHER, 45, 25, -1);
	if (is_long) {
		run(LIE_TOGETHER, 10, 100, 0);
		run(LIE_TOGETHER, 30, 100, 0);
		run(LIE_TOGETHER, 45, 100, 0);
	}
}

int
main(int arguments, char **argument)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(honest_reporters_find_what_lists_miss_and_list_nobody_wrongly),
	    cmocka_unit_test(a_list_that_goes_bad_loses_its_weight_within_two_weeks),
	    cmocka_unit_test(a_third_who_lie_at_random_do_no_harm),
	    cmocka_unit_test(nearly_half_who_lie_at_random_do_no_harm),
	    cmocka_unit_test(nearly_half_who_lie_together_list_nobody_with_regular_good_mail),
	};

	is_long = arguments > 1 && strcmp(argument[1], "long") == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
