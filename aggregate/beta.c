#include "aggregate/beta.h"

#include <math.h>

#define STEPS_MAX 300
#define SMALL 1e-14

/* Away from zero, as Lentz's method asks. */
static double
not_zero(double value)
{
	return fabs(value) < 1e-300 ? 1e-300 : value;
}

/*
 * The continued fraction of the incomplete beta function, by Lentz's method: NIST DLMF 8.17.22.
 * Quick for x below the mean.
 */
static double
fraction(double a, double b, double x)
{
	double c = 1, d = 1 / not_zero(1 - (a + b) * x / (a + 1)), f = d;

	for (int m = 1; m <= STEPS_MAX; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));

		d = 1 / not_zero(1 + even * d);
		c = not_zero(1 + even / c);
		f *= c * d;
		d = 1 / not_zero(1 + odd * d);
		c = not_zero(1 + odd / c);
		f *= c * d;
		if (fabs(c * d - 1) < SMALL)
			break;
	}
	return f;
}

static double
log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

double
beta_below(double yes, double no, double share)
{
	double a = yes + 1, b = no + 1, front;

	if (share <= 0)
		return 0;
	if (share >= 1)
		return 1;
	front = exp(
	    log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(share) + b * log1p(-share));
	if (share < (a + 1) / (a + b + 2))
		return front * fraction(a, b, share) / a;
	return 1 - front * fraction(b, a, 1 - share) / b;
}

double
beta_bound(double yes, double no, double chance)
{
	double low = 0, high = 1;

	for (int i = 0; i < 50; i++) {
		double middle = (low + high) / 2;

		if (beta_below(yes, no, middle) < chance)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

double
beta_mean(double yes, double no)
{
	return (yes + 1) / (yes + no + 2);
}
