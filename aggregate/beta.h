/*
 * beta - how sure a share is that was counted
 *
 * A share of which `yes` and `no` cases were seen, with one of each assumed beforehand, is
 * distributed as Beta(yes + 1, no + 1). Counts may be fractions: what was seen long ago counts
 * less.
 */
#ifndef AGGREGATE_BETA_H
#define AGGREGATE_BETA_H

/* The chance that the share is below `share`; 0 <= share <= 1, counts 0 or more. */
double beta_below(double yes, double no, double share);

/* The share that it is below with this chance, 0 < chance < 1: 0.025 and 0.975 bound 95 %. */
double beta_bound(double yes, double no, double chance);

/* The expected share. */
double beta_mean(double yes, double no);

#endif
