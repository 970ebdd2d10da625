/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * targets: see targets.h.
 */
#include "targets.h"

#include <math.h>
#include <string.h>

static double
median_of_ours(const work *one, const char *metric)
{
	return series_median(work_series(one, peer_queuepool.name, metric));
}

static double
w1_over_cmpxchg(const work_set *all)
{
	return median_of_ours(all->w1, "times_cmpxchg2");
}

static double
w2_over_w1(const work_set *all)
{
	return all->w1 == NULL ? NAN
	                       : median_of_ours(all->w2, "ns") / median_of_ours(all->w1, "ns");
}

/* The best of the rivals over ours, round by round. */
static double
w2_rival_over_ours(const work_set *all)
{
	const work *w2 = all->w2;
	const series *ours = work_series(w2, peer_queuepool.name, "ns");
	series best = {.count = ours->count};
	series ratio;

	for (unsigned r = 0; r < best.count; r++) {
		best.value[r] = NAN;
		for (unsigned i = 0; i < w2->row_count; i++) {
			const peer *who = w2->rows[i].peer;
			if (who != NULL && who->is_rival)
				best.value[r] =
				    fmin(best.value[r], work_series(w2, who->name, "ns")->value[r]);
		}
	}
	ratio = series_ratio(&best, ours);
	return series_median(&ratio);
}

static double
w4_share(const work_set *all)
{
	return median_of_ours(all->w4, "share_of_bound");
}

static double
w4_tail(const work_set *all)
{
	return median_of_ours(all->w4, "wait_p99_over_mean");
}

static double
w4_fairness(const work_set *all)
{
	return median_of_ours(all->w4, "least_over_most");
}

static double
w4_cpu(const work_set *all)
{
	const char *metric = "cpu_s_per_100k";
	series ratio = series_ratio(work_series(all->w4, peer_queuepool.name, metric),
	    work_series(all->w4, peer_mutex.name, metric));

	return series_median(&ratio);
}

static double
w6_ours(const work_set *all, const char *metric)
{
	return series_median(work_series(all->w6, "queuepool_pg", metric));
}

static double
w6_share(const work_set *all)
{
	return w6_ours(all, "share_of_bound");
}

static double
w6_tail(const work_set *all)
{
	return w6_ours(all, "wait_p99_ms");
}

static double
w6_fairness(const work_set *all)
{
	return w6_ours(all, "least_over_most");
}

const target targets[] = {
    {"W1", "ns, times two lock cmpxchg", false, true, 1.15, w1_over_cmpxchg},
    {"W2", "ns per thread, times W1", false, true, 1.15, w2_over_w1},
    {"W2", "best blocking rival here, times ours", false, false, 6, w2_rival_over_ours},
    {"W4", "CPU, times the mutex pool's", false, true, 1, w4_cpu},
    {"W4", "share of the bound", true, false, 0.99, w4_share},
    {"W4", "wait p99, times the mean wait", true, true, 1.1, w4_tail},
    {"W4", "least / most served thread", true, false, 0.97, w4_fairness},
    {"W6", "share of the bound, this engine", true, false, 0.79, w6_share},
    {"W6", "share of the bound", false, false, 0.90, w6_share},
    {"W6", "wait p99, ms", false, true, 3.5, w6_tail},
    {"W6", "least / most served thread", false, false, 0.9, w6_fairness},
};
const unsigned target_count = sizeof targets / sizeof targets[0];

bool
target_applies(const target *one, const work_set *all)
{
	const work *const each[] = {all->w1, all->w2, all->w4, all->w6};

	for (unsigned i = 0; i < sizeof each / sizeof each[0]; i++)
		if (each[i] != NULL && strcmp(each[i]->kind->id, one->work) == 0)
			return true;
	return false;
}

bool
target_is_met(const target *one, double figure)
{
	return one->is_ceiling ? figure <= one->goal : figure >= one->goal;
}
