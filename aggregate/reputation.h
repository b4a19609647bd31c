/*
 * reputation - what the recommendations on one subject amount to
 *
 * Every reporter adds to one side, by its trust and by how sure and fresh its opinion is: at most
 * 1. The difference is divided by what is known of the subject's good mail, and the subject is
 * listed from REPUTATION_THRESHOLD on: two well-trusted reporters suffice, or a crowd of
 * newcomers, as long as there is no good mail; a shared sender whose good mail many see every day
 * is out of reach of a few complaints. A subject that is contested, or whose good mail is regular,
 * is not listed at all, however many complain: accuracy comes first, and lists and exceptions
 * remain.
 */
#ifndef AGGREGATE_REPUTATION_H
#define AGGREGATE_REPUTATION_H

#include <stdbool.h>

#define REPUTATION_THRESHOLD 1.4
#define REPUTATION_GOOD_DAYS 5      /* of good mail that double what it takes */
#define REPUTATION_GOOD_DAYS_MAX 20 /* that one reporter can vouch for */
#define REPUTATION_REGULAR 4        /* good mail, as below, that cannot be outvoted */
#define REPUTATION_CONTESTED 0.25   /* ham of this share of spam: nobody is right enough */

struct reputation {
	double spam, ham; /* trusted opinions for and against it */
	double good;      /* days of good mail that reporters saw, by their trust's square root */
};

/*
 * A reporter of this trust (0..1) has this opinion (-1 ham .. 1 spam) and saw so many days of good
 * mail. More than the bounds counts as much as the bounds.
 */
void reputation_add(struct reputation *reputation, double trust, double opinion, double good_days);

/* What REPUTATION_THRESHOLD is compared with; negative when it is better than unknown. */
double reputation_value(const struct reputation *reputation);

bool reputation_listed(const struct reputation *reputation);

/* 1 spam, -1 ham; 0: less than `least` is known, or it is contested. */
int reputation_label(const struct reputation *reputation, double least);

#endif
