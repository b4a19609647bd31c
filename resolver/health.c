/*
 * Invariant: bit n of distrusted <=> list n is held, moving, untested, LYING or SUSPENDED.
 */
#include "resolver/health.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/habit.h"

enum state { STATE_NEW, STATE_WELL, STATE_LYING, STATE_SUSPENDED };

struct list {
	bool used, held;
	bool moving;   /* the policy that comes asks elsewhere */
	bool untested; /* as in the report; NEW, if it is set */
	enum state state;
	struct health_round round;
	int64_t next_ms;      /* of the next regular round */
	int64_t retry_ms;     /* the pause after the next round that is not good */
	unsigned good_rounds; /* in a row; valid for LYING */
	int64_t suspended_until_ms, suspend_ms;
	struct habit habit;
	struct health_report report;
};

struct health {
	pthread_mutex_t lock;
	struct canaries canaries;
	void (*changed)(void *owner);
	void *owner;
	bool has_changed;
	_Atomic uint64_t distrusted[BITS_WORDS(EVIDENCE_LISTS_MAX)];
	unsigned lists; /* no list from this number on is used */
	struct list list[EVIDENCE_LISTS_MAX];
};

struct health *
health_open(const uint64_t key[2], void (*changed)(void *owner), void *owner)
{
	struct health *health = calloc(1, sizeof *health);

	if (health == NULL)
		return NULL;
	if (pthread_mutex_init(&health->lock, NULL) != 0) {
		free(health);
		return NULL;
	}
	canary_init(&health->canaries, key);
	health->changed = changed;
	health->owner = owner;
	return health;
}

void
health_close(struct health *health)
{
	if (health == NULL)
		return;
	pthread_mutex_destroy(&health->lock);
	free(health);
}

static void
enter(struct health *health)
{
	pthread_mutex_lock(&health->lock);
}

static void
leave(struct health *health)
{
	bool changed = health->has_changed;

	health->has_changed = false;
	pthread_mutex_unlock(&health->lock);
	if (changed)
		health->changed(health->owner);
}

/* --- rounds ----------------------------------------------------------------------------- */

/* Around `ms`, so that sites that started together don't ask together. */
static int64_t
jittered(struct health *health, int64_t ms)
{
	return ms - ms / 5 + (int64_t)(canary_chance(&health->canaries) % (uint64_t)(ms * 2 / 5));
}

static void
enter_state(struct health *health, struct list *list, enum state state)
{
	size_t number = (size_t)(list - health->list);
	bool distrusted = list->held || list->moving || state == STATE_LYING ||
			  state == STATE_SUSPENDED || (state == STATE_NEW && list->untested);
	uint64_t bit = UINT64_C(1) << number % 64;
	_Atomic uint64_t *word = &health->distrusted[number / 64];

	if (list->state == STATE_NEW || distrusted != health_distrusts(health, (unsigned)number))
		health->has_changed = true;
	list->state = state;
	list->untested = list->untested && state == STATE_NEW;
	if (distrusted)
		atomic_fetch_or(word, bit);
	else
		atomic_fetch_and(word, ~bit);
}

static void
believe(struct health *health, struct list *list)
{
	list->report.why = HEALTH_WELL;
	list->good_rounds = 0;
	habit_pardon(&list->habit);
	enter_state(health, list, STATE_WELL);
}

static void
put_off(struct list *list, int64_t now_ms)
{
	list->next_ms = now_ms + list->retry_ms;
	list->retry_ms *= 2;
	if (list->retry_ms > HEALTH_RETRY_MAX_MS)
		list->retry_ms = HEALTH_RETRY_MAX_MS;
}

/* Two bad answers, or one of a list that lies already. */
static void
end_badly(struct health *health, struct list *list, int64_t now_ms)
{
	if (list->state != STATE_LYING)
		list->retry_ms = HEALTH_RETRY_MS;
	list->good_rounds = 0;
	list->report.why = list->round.suspicion;
	list->report.subject = list->round.suspect;
	put_off(list, now_ms);
	enter_state(health, list, STATE_LYING);
}

static void
end_well(struct health *health, struct list *list, int64_t now_ms)
{
	list->retry_ms = HEALTH_RETRY_MS;
	list->next_ms = now_ms + jittered(health, HEALTH_EVERY_MS);
	if (list->state == STATE_NEW)
		enter_state(health, list, STATE_WELL);
	if (list->state != STATE_LYING)
		return;
	if (++list->good_rounds < HEALTH_GOOD_ROUNDS)
		list->next_ms = now_ms + HEALTH_RETRY_MS;
	else
		believe(health, list);
}

static void
end_round(struct health *health, struct list *list, int64_t now_ms)
{
	enum health_round_kind kind = list->round.kind;
	bool good = health_round_is_good(&list->round);
	unsigned bad = list->round.bad;

	health_round_end(&list->round);
	if (good)
		habit_excuse(&list->habit);
	if (bad >= 2 || (bad == 1 && (kind == HEALTH_ROUND_AGAIN || list->state == STATE_LYING)))
		end_badly(health, list, now_ms);
	else if (bad == 1)
		(void)health_round_begin(
		    &list->round, &health->canaries, HEALTH_ROUND_AGAIN, now_ms);
	else if (good && kind != HEALTH_ROUND_SURPRISE)
		end_well(health, list, now_ms);
	else if (kind != HEALTH_ROUND_SURPRISE)
		put_off(list, now_ms);
	if (list->round.kind == HEALTH_ROUND_NONE && list->state == STATE_NEW)
		enter_state(health, list, STATE_WELL); /* it did not answer: that is no lie */
}

/* --- tests ------------------------------------------------------------------------------ */

/* What is due of a list: rounds that took too long, the end of a suspension, the next round. */
static void
advance(struct health *health, struct list *list, int64_t now_ms)
{
	if (list->round.kind != HEALTH_ROUND_NONE && list->round.due_ms <= now_ms) {
		list->report.failed += list->round.waiting;
		end_round(health, list, now_ms);
	}
	if (list->state == STATE_SUSPENDED && list->suspended_until_ms <= now_ms)
		believe(health, list);
	if (list->round.kind != HEALTH_ROUND_NONE || list->next_ms > now_ms)
		return;
	if (!health_round_begin(&list->round, &health->canaries, HEALTH_ROUND_REGULAR, now_ms)) {
		list->next_ms = INT64_MAX; /* test = false */
		if (list->state == STATE_NEW)
			enter_state(health, list, STATE_WELL);
	}
}

bool
health_next(struct health *health, int64_t now_ms, struct health_question *question)
{
	bool found = false;

	enter(health);
	for (unsigned i = 0; !found && i < health->lists; i++) {
		struct list *list = &health->list[i];

		if (!list->used || list->held)
			continue;
		advance(health, list, now_ms);
		question->list = i;
		found = health_round_next(&list->round, &question->id, &question->subject);
	}
	leave(health);
	return found;
}

void
health_heard(
    struct health *health, int64_t now_ms, unsigned number, uint32_t id, enum health_heard heard)
{
	struct list *list = &health->list[number];
	struct health_report *report = &list->report;
	enum health_outcome outcome;

	enter(health);
	outcome = health_round_heard(&list->round, id, heard);
	report->good += outcome == HEALTH_OUTCOME_GOOD;
	report->bad += outcome == HEALTH_OUTCOME_BAD;
	report->failed += outcome == HEALTH_OUTCOME_FAILED;
	if (outcome == HEALTH_OUTCOME_GOOD || outcome == HEALTH_OUTCOME_BAD)
		report->tested_ms = now_ms;
	if (outcome != HEALTH_OUTCOME_NONE && health_round_is_decided(&list->round))
		end_round(health, list, now_ms);
	leave(health);
}

static int64_t
due_of(const struct list *list)
{
	int64_t due_ms = list->round.kind == HEALTH_ROUND_NONE ? list->next_ms : list->round.due_ms;

	if (!list->used || list->held)
		return INT64_MAX;
	if (list->round.unasked != 0)
		return 0;
	if (list->state == STATE_SUSPENDED && list->suspended_until_ms < due_ms)
		return list->suspended_until_ms;
	return due_ms;
}

int64_t
health_due_ms(struct health *health)
{
	int64_t due_ms = INT64_MAX;

	enter(health);
	for (unsigned i = 0; i < health->lists; i++)
		if (due_of(&health->list[i]) < due_ms)
			due_ms = due_of(&health->list[i]);
	leave(health);
	return due_ms;
}

/* --- the hit rate ----------------------------------------------------------------------- */

/* A run of listings that is not like this list: ask canaries now. */
static void
be_surprised(struct health *health, struct list *list, int64_t now_ms)
{
	if (list->round.kind != HEALTH_ROUND_NONE && list->round.kind != HEALTH_ROUND_REGULAR)
		return;
	if (list->round.kind == HEALTH_ROUND_REGULAR)
		list->next_ms = now_ms + HEALTH_RETRY_MS; /* it gives way */
	if (health_round_begin(&list->round, &health->canaries, HEALTH_ROUND_SURPRISE, now_ms))
		habit_asked(&list->habit, now_ms);
}

/* Do the other lists find the clients unchanged? */
static bool
others_see_no_change(const struct health *health, const struct list *but, int64_t now_ms)
{
	bool unchanged = false;

	for (unsigned i = 0; i < health->lists; i++) {
		const struct list *list = &health->list[i];
		enum habit_testimony says = habit_testimony(&list->habit, now_ms);

		if (!list->used || list == but || list->held || list->state != STATE_WELL)
			continue;
		if (says == HABIT_CHANGED)
			return false;
		unchanged = unchanged || says == HABIT_UNCHANGED;
	}
	return unchanged;
}

static void
suspend(struct health *health, struct list *list, int64_t now_ms)
{
	bool soon = now_ms - list->suspended_until_ms < HEALTH_SUSPEND_MS;

	list->suspend_ms = soon && list->suspend_ms > 0 ? list->suspend_ms * 2 : HEALTH_SUSPEND_MS;
	if (list->suspend_ms > 16 * (int64_t)HEALTH_SUSPEND_MS)
		list->suspend_ms = 16 * (int64_t)HEALTH_SUSPEND_MS;
	list->suspended_until_ms = now_ms + list->suspend_ms;
	list->report.why = HEALTH_ABSURD;
	list->report.listed = habit_window(&list->habit);
	list->report.habit_percent = (unsigned)(habit_share(&list->habit) * 100 + 0.5);
	enter_state(health, list, STATE_SUSPENDED);
}

void
health_saw(struct health *health, int64_t now_ms, unsigned number, bool listed)
{
	struct list *list = &health->list[number];

	enter(health);
	if (list->used && !health_distrusts(health, number)) {
		habit_take(&list->habit, now_ms, listed);
		if (list->state == STATE_WELL && habit_surprises(&list->habit, now_ms))
			be_surprised(health, list, now_ms);
		if (list->state == STATE_WELL && habit_is_absurd(&list->habit) &&
		    others_see_no_change(health, list, now_ms))
			suspend(health, list, now_ms);
	}
	leave(health);
}

/* --- what others change ----------------------------------------------------------------- */

static void
begin_list(struct list *list)
{
	*list = (struct list){.used = true,
	    .held = list->held,
	    .untested = list->untested,
	    .round.id = list->round.id + 1,
	    .retry_ms = HEALTH_RETRY_MS,
	    .suspended_until_ms = INT64_MIN / 2,
	    .report.tested_ms = -1};
	habit_init(&list->habit);
}

static bool
uses(const struct policy *policy, unsigned number)
{
	const struct policy_list *list = policy->numbered[number];

	return list != NULL && list->used && !list->local;
}

void
health_expect(struct health *health, const struct policy *policy,
    const uint64_t moved[BITS_WORDS(EVIDENCE_LISTS_MAX)])
{
	enter(health);
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		struct list *list = &health->list[i];

		list->moving = bits_has(moved, i);
		if (!list->used)
			list->untested = uses(policy, i) && policy->numbered[i]->tests != 0;
		enter_state(health, list, list->used ? list->state : STATE_NEW);
	}
	leave(health);
}

void
health_policy(struct health *health, int64_t now_ms, const struct policy *policy)
{
	enter(health);
	health->lists = 0;
	for (unsigned i = 0; i < EVIDENCE_LISTS_MAX; i++) {
		struct list *list = &health->list[i];
		const struct policy_list *described = policy->numbered[i];
		bool used = uses(policy, i);

		if (list->moving)
			list->untested = described->tests != 0;
		if (used && (list->moving || !list->used)) {
			begin_list(list);
			enter_state(health, list, STATE_NEW);
		}
		list->used = used;
		list->untested = list->untested && used;
		if (used)
			health->lists = i + 1;
		health_round_end(&list->round);
		list->next_ms = now_ms;
		if (!used) {
			enter_state(health, list, STATE_NEW);
			continue;
		}
		list->round.hold = described->tests;
		list->round.families = described->families;
		if (described->tests == 0 && list->state == STATE_LYING)
			believe(health, list); /* nothing could release it any more */
	}
	leave(health);
}

void
health_hold(struct health *health, int64_t now_ms, unsigned number, bool held)
{
	struct list *list = &health->list[number];

	enter(health);
	if (list->held != held) {
		list->held = held;
		health_round_end(&list->round);
		list->next_ms = now_ms;
		enter_state(health, list, list->state);
	}
	leave(health);
}

void
health_release(struct health *health, int64_t now_ms, unsigned number)
{
	struct list *list = &health->list[number];

	enter(health);
	if (list->state == STATE_LYING || list->state == STATE_SUSPENDED) {
		health_round_end(&list->round);
		list->next_ms = now_ms + HEALTH_RETRY_MS;
		believe(health, list);
	}
	leave(health);
}

bool
health_started(struct health *health)
{
	bool started = true;

	enter(health);
	for (unsigned i = 0; i < health->lists; i++) {
		const struct list *list = &health->list[i];

		started = started && (!list->used || list->held || list->state != STATE_NEW);
	}
	leave(health);
	return started;
}

bool
health_distrusts(const struct health *health, unsigned list)
{
	return (atomic_load_explicit(&health->distrusted[list / 64], memory_order_acquire) >>
		       list % 64 &
		   1) != 0;
}

void
health_describe(struct health *health, unsigned number, struct health_report *report)
{
	enter(health);
	*report = health->list[number].report;
	report->held = health->list[number].held;
	report->untested = health->list[number].untested;
	leave(health);
}

void
health_explain(const struct health_report *report, struct text *text)
{
	static const char *const words[][2] = {
	    [HEALTH_LISTS_ALL] = {"it lists everything: ", " came out as listed"},
	    [HEALTH_LISTS_CLEAR] = {"it lists ", ", which no list may"},
	    [HEALTH_LISTS_NOTHING] = {"its test point ", " is not listed"}};

	switch (report->why) {
	case HEALTH_WELL:
		text_add(text, report->untested ? "its first tests are not over" : "");
		break;
	case HEALTH_LISTS_ALL:
	case HEALTH_LISTS_CLEAR:
	case HEALTH_LISTS_NOTHING:
		text_add(text, words[report->why][0]);
		subject_print(&report->subject, text);
		text_add(text, words[report->why][1]);
		break;
	case HEALTH_ABSURD:
		text_add_format(text,
		    "it lists %u of its last %d clients, against a habit of %u %%", report->listed,
		    HEALTH_WINDOW, report->habit_percent);
		break;
	}
}
