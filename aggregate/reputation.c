#include "aggregate/reputation.h"

#include <math.h>

static double
clamp(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

void
reputation_add(struct reputation *reputation, double trust, double opinion, double good_days)
{
	trust = clamp(trust, 0, 1);
	opinion = clamp(opinion, -1, 1);
	good_days = clamp(good_days, 0, REPUTATION_GOOD_DAYS_MAX);
	*(opinion > 0 ? &reputation->spam : &reputation->ham) += trust * fabs(opinion);
	reputation->good += sqrt(trust) * good_days;
}

double
reputation_value(const struct reputation *reputation)
{
	return (reputation->spam - reputation->ham) / (1 + reputation->good / REPUTATION_GOOD_DAYS);
}

bool
reputation_listed(const struct reputation *reputation)
{
	return reputation->good < REPUTATION_REGULAR &&
	       reputation->ham <= reputation->spam * REPUTATION_CONTESTED &&
	       reputation_value(reputation) >= REPUTATION_THRESHOLD;
}

int
reputation_label(const struct reputation *reputation, double least)
{
	double more = fmax(reputation->spam, reputation->ham);
	double less = fmin(reputation->spam, reputation->ham);

	if (more < least || less > more * REPUTATION_CONTESTED)
		return 0;
	return reputation->spam > reputation->ham ? 1 : -1;
}
