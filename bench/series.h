/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * series: one figure over the rounds.  NAN is "no figure" and carries through.
 */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include <stdint.h>

enum { SERIES_MOST = 16 };

typedef struct series {
	unsigned count;
	double value[SERIES_MOST]; /* by round */
} series;

void series_add(series *all, double value);
double series_median(const series *all);
double series_least(const series *all);
double series_most(const series *all);
/* Round by round. */
series series_ratio(const series *above, const series *below);

/* The smallest of the sorted waits that `share` of them do not exceed; NAN if there is none. */
double series_quantile(const int64_t *sorted, uint64_t count, double share);

#endif
