#include "aggregate/reporter.h"

#include <math.h>

void
reporter_init(struct reporter *reporter)
{
	*reporter = (struct reporter){.trust = REPORTER_NEW};
}

void
reporter_rest(struct reporter *reporter, uint32_t days)
{
	double left = exp2(-(double)days / REPORTER_FORGET_DAYS);

	reporter->trust = REPORTER_NEW + (reporter->trust - REPORTER_NEW) * left;
	reporter->scar *= exp2(-(double)days / REPORTER_HEAL_DAYS);
}

/*
 * Growth is given for the share of agreement squared: who is right half of the time, as one is who
 * tosses a coin, gains a quarter of it and loses ten times as much.
 */
void
reporter_judge(struct reporter *reporter, uint32_t agreed, uint32_t disagreed)
{
	double wrong = (double)disagreed / ((double)agreed + (double)disagreed);
	double right = 1 - wrong;
	double growth = REPORTER_GROWTH * right * right / (1 + reporter->scar);

	reporter->agreed += agreed;
	reporter->disagreed += disagreed;
	reporter->trust *= 1 - REPORTER_FALL * wrong;
	reporter->trust += growth * (1 - reporter->trust);
	reporter->scar += wrong * wrong;
}
