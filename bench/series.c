/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * series: see series.h.
 */
#include "series.h"

#include "fail.h"

#include <math.h>
#include <stdlib.h>

void
series_add(series *all, double value)
{
	if (all->count == SERIES_MOST)
		fail("more than %d rounds", SERIES_MOST);
	all->value[all->count++] = value;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
series_median(const series *all)
{
	series sorted = *all;
	unsigned half = all->count / 2;

	for (unsigned i = 0; i < all->count; i++)
		if (isnan(all->value[i]))
			return NAN;
	if (all->count == 0)
		return NAN;
	qsort(sorted.value, sorted.count, sizeof sorted.value[0], by_value);
	if (sorted.count % 2 == 1)
		return sorted.value[half];
	return (sorted.value[half - 1] + sorted.value[half]) / 2;
}

double
series_least(const series *all)
{
	double least = NAN;

	for (unsigned i = 0; i < all->count; i++)
		least = fmin(least, all->value[i]);
	return least;
}

double
series_most(const series *all)
{
	double most = NAN;

	for (unsigned i = 0; i < all->count; i++)
		most = fmax(most, all->value[i]);
	return most;
}

series
series_ratio(const series *above, const series *below)
{
	series ratio = {0};
	unsigned count = above->count < below->count ? above->count : below->count;

	for (unsigned i = 0; i < count; i++)
		series_add(&ratio, above->value[i] / below->value[i]);
	return ratio;
}

double
series_quantile(const int64_t *sorted, uint64_t count, double share)
{
	uint64_t rank = (uint64_t)ceil(share * (double)count);

	if (count == 0)
		return NAN;
	return (double)sorted[rank == 0 ? 0 : rank - 1];
}
