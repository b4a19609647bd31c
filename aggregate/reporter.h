/*
 * reporter - how far a reporter is trusted
 *
 * Trust is a number of 0 to 1. A newcomer starts low. A day on which others confirm what a
 * reporter said lifts it a little, however often they do; a day on which they contradict it lets
 * it fall by up to REPORTER_FALL of itself, and leaves a scar that makes later growth slower and
 * heals with time. Without news it goes back to that of a newcomer.
 *
 * Days are taken one after the other; what happened within a day has no order.
 */
#ifndef AGGREGATE_REPORTER_H
#define AGGREGATE_REPORTER_H

#include <stdint.h>

#define REPORTER_NEW 0.1         /* of a newcomer, and the neutral value */
#define REPORTER_GROWTH 0.03     /* of what is missing to 1, on a day of agreement */
#define REPORTER_FALL 0.6        /* of what there is, on a day of nothing but disagreement */
#define REPORTER_FORGET_DAYS 180 /* half of the way back to neutral */
#define REPORTER_HEAL_DAYS 30    /* half of a scar */

struct reporter {
	double trust;               /* 0..1 */
	double scar;                /* 0 and more: growth is divided by 1 + scar */
	uint32_t agreed, disagreed; /* subjects, all in all */
};

void reporter_init(struct reporter *reporter);

/* Days go by. */
void reporter_rest(struct reporter *reporter, uint32_t days);

/* One day: on so many subjects others agreed, on so many they did not. Not both 0. */
void reporter_judge(struct reporter *reporter, uint32_t agreed, uint32_t disagreed);

#endif
