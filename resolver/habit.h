/*
 * habit - how often a list says "listed", and whether what it says now is like it; pure
 *
 * Each answer of a list is about a client that was not in the cache, so it is one distinct
 * client. The habit is the share of listings over the last 8,192 to 16,384 answers: days of a
 * small site, an hour of a large one. Until there are answers it is taken to be 1 in 5.
 *
 * Two questions are asked of it. The first is quick and may be wrong, for it costs a test only:
 * how rare is this run of listings? At a share p a run of n has the chance p^n. The second is
 * slow and must not be wrong, for it costs a list: is the hit rate absurd? A wave of spam is no
 * lie: in it a good list may well list 97 of 100 clients for hours. Therefore a rate is absurd
 * only when
 *
 *   - it is 95 % of the last 256 answers, and the habit is at most half: a list that names most
 *     clients anyway can't be judged by its rate. From half to 95 % are 14 standard deviations,
 *     and day and night move the rate of a list by less than that;
 *   - and so are the last 20, one after the other: a chance of 1 in 1,000,000 at the most;
 *   - and another list has seen the clients of these days and finds them as they were
 *     (habit_testimony). A wave changes what every list says of the clients: deny lists rise,
 *     allow lists fall. A lie changes one. One witness of a wave is enough to acquit.
 */
#ifndef RESOLVER_HABIT_H
#define RESOLVER_HABIT_H

#include <stdbool.h>
#include <stdint.h>

#define HABIT_WINDOW 256

struct habit {
	uint32_t listed, answers; /* both halved at 16,384 answers */
	double chance;            /* of the listings since the last clear or habit_excuse */
	unsigned run;             /* listings since the last clear or habit_pardon */
	uint64_t window[HABIT_WINDOW / 64]; /* 1: listed */
	unsigned at, filled;
	int64_t last_ms;
	int64_t asked_ms, gap_ms; /* when canaries were asked, and the pause after that */
};

enum habit_testimony { HABIT_SILENT, HABIT_UNCHANGED, HABIT_CHANGED };

void habit_init(struct habit *habit);
void habit_take(struct habit *habit, int64_t now_ms, bool listed);

/*
 * Is the run so rare that canaries are to be asked at once? So it is at 1 in 100, so at most 2 in
 * 100 answers have a test as their price; while the run goes on they are asked ever more seldom.
 */
bool habit_surprises(const struct habit *habit, int64_t now_ms);

/* They were asked. */
void habit_asked(struct habit *habit, int64_t now_ms);

/* The canaries were clean: this run, rare as it was, is no lie. */
void habit_excuse(struct habit *habit);

/* It is given a new chance: what was before is no part of a run. */
void habit_pardon(struct habit *habit);

double habit_share(const struct habit *habit);    /* in the long run, 0..1 */
unsigned habit_window(const struct habit *habit); /* listings among the last HABIT_WINDOW */

/* Do the last answers go against the habit, as far as the list itself can tell? */
bool habit_is_absurd(const struct habit *habit);

/* Are the clients of now, in the eyes of this list, those of always? */
enum habit_testimony habit_testimony(const struct habit *habit, int64_t now_ms);

#endif
