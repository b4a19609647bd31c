#include "resolver/habit.h"

#define HALVED_AT 16384
#define ABSURD 244 /* of HABIT_WINDOW: 95 % */
#define ABSURD_RUN 20
#define WITNESS_MS 600000  /* who saw nobody for so long has nothing to say */
#define WITNESS_SHARE 0.04 /* below, some 10 listings in the window, chance hides a change */
#define WITNESS_RISE 0.15

/* How rare a run is that surprises, and for how long after canaries were asked it does not. */
#define RARE 0.01
#define VERY_RARE 1e-4
#define RARE_GAP_MS 30000
#define VERY_RARE_GAP_MS 1000
#define VERY_RARE_GAP_MAX_MS 60000
#define CALM_MS 600000 /* without a surprise the pause is the first one again */

void
habit_init(struct habit *habit)
{
	*habit = (struct habit){.chance = 1, .asked_ms = INT64_MIN / 2};
}

double
habit_share(const struct habit *habit)
{
	return (habit->listed + 1.0) / (habit->answers + 5.0);
}

unsigned
habit_window(const struct habit *habit)
{
	unsigned ones = 0;

	for (unsigned i = 0; i < HABIT_WINDOW / 64; i++)
		ones += (unsigned)__builtin_popcountll(habit->window[i]);
	return ones;
}

void
habit_take(struct habit *habit, int64_t now_ms, bool listed)
{
	uint64_t bit = UINT64_C(1) << habit->at % 64, *word = &habit->window[habit->at / 64];

	habit->chance = listed ? habit->chance * habit_share(habit) : 1;
	habit->run = listed ? habit->run + 1 : 0;
	habit->listed += listed;
	if (++habit->answers == HALVED_AT) {
		habit->answers /= 2;
		habit->listed /= 2;
	}
	*word = listed ? *word | bit : *word & ~bit;
	habit->at = (habit->at + 1) % HABIT_WINDOW;
	habit->filled += habit->filled < HABIT_WINDOW;
	habit->last_ms = now_ms;
}

static bool
is_calm(const struct habit *habit, int64_t now_ms)
{
	return now_ms - habit->asked_ms > CALM_MS;
}

bool
habit_surprises(const struct habit *habit, int64_t now_ms)
{
	bool very = habit->chance <= VERY_RARE;
	int64_t gap_ms = very || habit->gap_ms > RARE_GAP_MS ? habit->gap_ms : RARE_GAP_MS;

	return habit->chance <= RARE &&
	       (is_calm(habit, now_ms) || now_ms - habit->asked_ms >= gap_ms);
}

void
habit_asked(struct habit *habit, int64_t now_ms)
{
	habit->gap_ms = is_calm(habit, now_ms) ? VERY_RARE_GAP_MS : habit->gap_ms * 2;
	if (habit->gap_ms > VERY_RARE_GAP_MAX_MS)
		habit->gap_ms = VERY_RARE_GAP_MAX_MS;
	habit->asked_ms = now_ms;
}

void
habit_excuse(struct habit *habit)
{
	habit->chance = 1;
}

void
habit_pardon(struct habit *habit)
{
	habit->chance = 1;
	habit->run = 0;
}

bool
habit_is_absurd(const struct habit *habit)
{
	return habit->filled == HABIT_WINDOW && habit->run >= ABSURD_RUN &&
	       habit_share(habit) <= 0.5 && habit_window(habit) >= ABSURD;
}

/* It is the rarer of the two answers, listed or not, that would be halved or doubled by a wave. */
enum habit_testimony
habit_testimony(const struct habit *habit, int64_t now_ms)
{
	double share = habit_share(habit), now = habit_window(habit) / (double)HABIT_WINDOW;

	if (habit->filled < HABIT_WINDOW || now_ms - habit->last_ms > WITNESS_MS ||
	    share < WITNESS_SHARE || share > 1 - WITNESS_SHARE)
		return HABIT_SILENT;
	if (now < share / 2 || now > share + WITNESS_RISE || 1 - now < (1 - share) / 2)
		return HABIT_CHANGED;
	return HABIT_UNCHANGED;
}
