#include "aggregate/worth.h"

#include <math.h>

#include "aggregate/beta.h"

void
worth_count(struct worth *worth, bool spam, bool hit)
{
	static const double left = 1 - 0.5 / WORTH_RECENT;

	if (!hit) {
		*(spam ? &worth->spam_clear : &worth->ham_clear) += 1;
		return;
	}
	worth->spam_recent *= left;
	worth->ham_recent *= left;
	*(spam ? &worth->spam_hits : &worth->ham_hits) += 1;
	*(spam ? &worth->spam_recent : &worth->ham_recent) += 1;
}

static struct worth_share
share_of(double yes, double no)
{
	return (struct worth_share){.low = beta_bound(yes, no, 0.025),
	    .mean = beta_mean(yes, no),
	    .high = beta_bound(yes, no, 0.975)};
}

struct worth_share
worth_precision(const struct worth *worth, bool allow)
{
	double spam = worth->spam_hits, ham = worth->ham_hits;

	return allow ? share_of(ham, spam) : share_of(spam, ham);
}

struct worth_share
worth_recall(const struct worth *worth, bool allow)
{
	return allow ? share_of(worth->ham_hits, worth->ham_clear)
		     : share_of(worth->spam_hits, worth->spam_clear);
}

/* -1 (all of the band down) .. 1 (all of it up) */
static double
merit(const struct worth *worth, bool allow)
{
	double yes = allow ? worth->ham_hits : worth->spam_hits;
	double no = allow ? worth->spam_hits : worth->ham_hits;
	double yes_recent = allow ? worth->ham_recent : worth->spam_recent;
	double no_recent = allow ? worth->spam_recent : worth->ham_recent;
	double at_most = fmin(beta_bound(yes, no, 0.95), beta_bound(yes_recent, no_recent, 0.95));
	double at_least = beta_bound(yes, no, 0.05);

	if (at_most < WORTH_BAD)
		return -fmin(1, (WORTH_BAD - at_most) / (WORTH_BAD - 0.75));
	if (at_least > WORTH_GOOD)
		return (at_least - WORTH_GOOD) / (1 - WORTH_GOOD);
	return 0;
}

int32_t
worth_weight(
    const struct worth *worth, bool allow, int32_t weight, unsigned band, int32_t threshold)
{
	double moved;
	int32_t earned;

	if (worth->spam_hits + worth->ham_hits < WORTH_LEAST || band == 0 || weight == 0)
		return weight;
	moved = merit(worth, allow) * (band > WORTH_BAND_MAX ? WORTH_BAND_MAX : band) / 100;
	/* toward the operator's weight, so that a small weight moves late */
	earned = weight + (int32_t)trunc(weight * moved + (weight * moved < 0 ? -1e-9 : 1e-9));
	return weight < threshold && earned >= threshold ? threshold - 1 : earned;
}
