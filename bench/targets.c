/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * targets: see targets.h.
 */
#include "targets.h"

#include <math.h>
#include <string.h>

#define OURS   "queuepool"
#define PYTHON "queuepool_py"

static const work *
find(const work_set *all, const char *id)
{
	for (unsigned i = 0; i < all->count; i++)
		if (strcmp(all->work[i].kind->id, id) == 0)
			return &all->work[i];
	return NULL;
}

static const series *
figures(const work_set *all, const char *id, const char *row, const char *metric)
{
	static const series nothing;
	const work *one = find(all, id);

	return one == NULL ? &nothing : work_series(one, row, metric);
}

/* One row over another, round by round. */
static double
ratio_of(
    const work_set *all, const char *id, const char *above, const char *below, const char *metric)
{
	series ratio =
	    series_ratio(figures(all, id, above, metric), figures(all, id, below, metric));

	return series_median(&ratio);
}

/* Of two workloads, whose rounds are no pairs. */
static double
w2_over_w1(const work_set *all)
{
	return series_median(figures(all, "W2", OURS, "ns")) /
	       series_median(figures(all, "W1", OURS, "ns"));
}

/* The best of the rivals over ours, round by round. */
static double
w2_rival_over_ours(const work_set *all)
{
	const work *w2 = find(all, "W2");
	const series *ours = work_series(w2, OURS, "ns");
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

/* The Python package over what it came from. */
static double
python_w1(const work_set *all)
{
	return ratio_of(all, "W1", "seed_py", "queuepool_py", "ns");
}

static double
python_w2(const work_set *all)
{
	return ratio_of(all, "W2", "seed_py", "queuepool_py", "ns");
}

static double
w4_cpu(const work_set *all)
{
	return ratio_of(all, "W4", OURS, peer_mutex.name, "cpu_s_per_100k");
}

static double
w4_1000_cpu(const work_set *all)
{
	return ratio_of(all, "W4-1000", OURS, peer_mutex.name, "cpu_s_per_100k");
}

static double
w5_settled(const work_set *all)
{
	return ratio_of(all, "W5-settled", OURS, peer_futex.name, "ns");
}

/* One that gave up early is one too many, in whatever round. */
static double
mixed_early(const work_set *all)
{
	return series_most(figures(all, "mixed", OURS, "gave_up_early"));
}

#define HELD    true
#define AHEAD   false
#define AT_MOST true
#define LEAST   false

const target targets[] = {
    {"W1", "ns, times two lock cmpxchg", AHEAD, AT_MOST, 1.15, OURS, "times_cmpxchg2", NULL},
    {"W2", "ns per thread, times W1", HELD, AT_MOST, 1.15, NULL, NULL, w2_over_w1},
    {"W2", "best blocking rival in C, times ours", AHEAD, LEAST, 6, NULL, NULL, w2_rival_over_ours},
    {"W3", "share of no pool", AHEAD, LEAST, 0.97, OURS, "share_of_bound", NULL},
    {"W4", "share of the bound", AHEAD, LEAST, 0.99, OURS, "share_of_bound", NULL},
    {"W4", "wait p99, times the mean wait", HELD, AT_MOST, 1.1, OURS, "wait_p99_over_mean", NULL},
    {"W4", "least / most served thread", HELD, LEAST, 0.97, OURS, "least_over_most", NULL},
    {"W4", "CPU, times the mutex pool's", AHEAD, AT_MOST, 1, NULL, NULL, w4_cpu},
    {"W4-1000", "share of the bound", AHEAD, LEAST, 0.99, OURS, "share_of_bound", NULL},
    {"W4-1000", "wait p99, times the mean wait", HELD, AT_MOST, 1.1, OURS, "wait_p99_over_mean",
	NULL},
    {"W4-1000", "CPU, times the mutex pool's", AHEAD, AT_MOST, 1, NULL, NULL, w4_1000_cpu},
    {"W5-hot", "hand-over, ns", HELD, AT_MOST, 130, OURS, "ns", NULL},
    {"W5-settled", "hand-over, times a futex across cores", AHEAD, AT_MOST, 1.1, NULL, NULL,
	w5_settled},
    {"W6", "share of the bound, this engine", HELD, LEAST, 0.79, "queuepool_pg", "share_of_bound",
	NULL},
    {"W6", "share of the bound", AHEAD, LEAST, 0.90, "queuepool_pg", "share_of_bound", NULL},
    {"W6", "wait p99, ms", AHEAD, AT_MOST, 3.5, "queuepool_pg", "wait_p99_ms", NULL},
    {"W6", "least / most served thread", AHEAD, LEAST, 0.9, "queuepool_pg", "least_over_most",
	NULL},
    {"W6-64", "share of the bound, default", AHEAD, LEAST, 0.75, "queuepool_pg", "share_of_bound",
	NULL},
    {"W6-64", "share of the bound, overtake 10 ms", AHEAD, LEAST, 0.75, "queuepool_pg_10ms",
	"share_of_bound", NULL},
    {"W7", "largest times smallest capacity", HELD, AT_MOST, 1.15, OURS, "growth", NULL},
    {"W7-2", "largest times smallest capacity", HELD, AT_MOST, 1.15, OURS, "growth", NULL},
    {"W8", "bytes per slot, its cells in, leases beside", HELD, AT_MOST, 80, OURS, "bytes_filled",
	NULL},
    {"mixed", "least served thread, of the mean", HELD, LEAST, 0.8, OURS, "least_over_mean", NULL},
    {"mixed", "gave up early", HELD, AT_MOST, 0, NULL, NULL, mixed_early},
    {"mixed", "gave up late, p99.9, ms", HELD, AT_MOST, 1, OURS, "late_p999_ms", NULL},
    {"W1", "Python: the seed's time, times ours", AHEAD, LEAST, 5, PYTHON, NULL, python_w1},
    {"W2", "Python: the seed's time, times ours", AHEAD, LEAST, 5, PYTHON, NULL, python_w2},
    {"W4", "Python: least / most served thread", AHEAD, LEAST, 0.95, PYTHON, "least_over_most",
	NULL},
    {"few", "opened for callers in turn", HELD, AT_MOST, 1, OURS, "opened", NULL},
    {"idle", "wake-ups", HELD, AT_MOST, 0, "queuepool_unlimited", "wake_ups", NULL},
};
const unsigned target_count = sizeof targets / sizeof targets[0];

bool
target_applies(const target *one, const work_set *all)
{
	const work *in = find(all, one->work);

	return in != NULL &&
	       (one->row == NULL || work_find_row(in->rows, in->row_count, one->row) != NULL);
}

double
target_figure(const target *one, const work_set *all)
{
	if (one->figure != NULL)
		return one->figure(all);
	return series_median(figures(all, one->work, one->row, one->metric));
}

bool
target_is_met(const target *one, double figure)
{
	return one->is_ceiling ? figure <= one->goal : figure >= one->goal;
}
