/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crowd: many threads and few resources: throughput as a share of what the resources could do, how long
 * one waits, who is served, what it costs.  W4 and W6 come in, each with its way of holding a resource.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include "work.h"

enum {
	CROWD_SHARE,
	CROWD_MEAN,
	CROWD_P50,
	CROWD_P99,
	CROWD_MAX,
	CROWD_P99_OVER_MEAN,
	CROWD_FAIRNESS,
	CROWD_CPU,
	CROWD_RATE,
	CROWD_LEAST,
	CROWD_MOST,
	CROWD_P10,
	CROWD_P25,
	CROWD_P75,
	CROWD_P90,
	CROWD_P999,
};

/* What both workloads tell, in the order above. */
#define CROWD_TELLS                                                                                \
	[CROWD_SHARE] = {"share_of_bound", "of bound", 3},                                         \
	[CROWD_MEAN] = {"wait_mean_ms", "mean ms", 2}, [CROWD_P50] = {"wait_p50_ms", "p50 ms", 2}, \
	[CROWD_P99] = {"wait_p99_ms", "p99 ms", 2}, [CROWD_MAX] = {"wait_max_ms", "max ms", 1},    \
	[CROWD_P99_OVER_MEAN] = {"wait_p99_over_mean", "p99/mean", 2},                             \
	[CROWD_FAIRNESS] = {"least_over_most", "least/most", 3},                                   \
	[CROWD_CPU] = {"cpu_s_per_100k", "CPU s/100k", 2},                                         \
	[CROWD_RATE] = {"acquires_per_s", NULL, 0}, [CROWD_LEAST] = {"least_served", NULL, 0},     \
	[CROWD_MOST] = {"most_served", NULL, 0}, [CROWD_P10] = {"wait_p10_ms", NULL, 0},           \
	[CROWD_P25] = {"wait_p25_ms", NULL, 0}, [CROWD_P75] = {"wait_p75_ms", NULL, 0},            \
	[CROWD_P90] = {"wait_p90_ms", NULL, 0}, [CROWD_P999] = {"wait_p999_ms", NULL, 0}

/* A sample of a row: `kind` says how many threads and resources; on the bound's row there are as many
 * threads as resources.  `hold` uses the resource and takes at least `least_ns`. */
typedef void crowd_hold(const peer *who, void *pool, peer_loan *loan);
void crowd_measure(const work_kind *kind, const work_row *row, const work_timing *timing,
    crowd_hold *hold, int64_t least_ns, double *out);
/* Shares of the bound's throughput. */
void crowd_compare(const work_row *rows, unsigned count, double (*round)[WORK_METRICS]);

#endif
