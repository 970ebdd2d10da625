/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ratio: what the benchmarks of single adapters share: a crowd that does one thing, and the median of rounds.  It
 * knows no pool.
 */
#ifndef BENCH_RATIO_H
#define BENCH_RATIO_H

/* CLOCK_MONOTONIC, in seconds. */
double ratio_now(void);
/* How often a second all threads together do `one`, each `count` times.  Ends the process where there are no threads. */
double ratio_rate(int threads, void (*one)(void), int count);
/* Sorts the values. */
double ratio_median(int count, double *values);

#endif
