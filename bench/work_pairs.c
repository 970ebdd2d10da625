/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_pairs: W1 and W2, what a pool costs when all goes well, alone and from two cores at once; and W7, the
 * same with ever larger pools, all of whose resources are open.
 */
#include "pairs.h"

#include "timing.h"

#include <math.h>

enum { CAPACITY = 8 };

enum { METRIC_NS, METRIC_TIMES_CMPXCHG };

static void
measure_w1(const work_row *row, const work_timing *timing, double *out)
{
	out[METRIC_NS] = pairs_ns(row, timing, 1, CAPACITY, false);
	out[METRIC_TIMES_CMPXCHG] = NAN;
}

static void
measure_w2(const work_row *row, const work_timing *timing, double *out)
{
	out[METRIC_NS] = pairs_ns(row, timing, PAIRS_THREADS, CAPACITY, false);
}

static void
compare_w1(const work_row *rows, unsigned count, double (*round)[WORK_METRICS])
{
	const work_row *base = work_find_row(rows, count, "cmpxchg2");

	for (unsigned i = 0; base != NULL && i < count; i++)
		round[i][METRIC_TIMES_CMPXCHG] =
		    round[i][METRIC_NS] / round[base - rows][METRIC_NS];
}

const work_kind work_w1 = {
    .id = "W1",
    .title = "1 thread, capacity 8, get and put in a loop: ns per pair",
    .bits = PEER_W1,
    .threads = 1,
    .capacity = CAPACITY,
    .timing =
	{
	    [PACE_FULL] = {7, 25 * TIMING_MSEC, 150 * TIMING_MSEC},
	    [PACE_QUICK] = {2, 10 * TIMING_MSEC, 50 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, TIMING_MSEC, 5 * TIMING_MSEC},
	},
    .metrics = {{"ns", "ns", 1}, {"times_cmpxchg2", "x two cmpxchg", 2}},
    .measure = measure_w1,
    .compare = compare_w1,
};

const work_kind work_w2 = {
    .id = "W2",
    .title = "2 threads, capacity 8, get and put in a loop: ns per pair and thread",
    .bits = PEER_W2,
    .threads = PAIRS_THREADS,
    .capacity = CAPACITY,
    .timing =
	{
	    [PACE_FULL] = {7, 50 * TIMING_MSEC, 350 * TIMING_MSEC},
	    [PACE_QUICK] = {2, 20 * TIMING_MSEC, 80 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, TIMING_MSEC, 5 * TIMING_MSEC},
	},
    .metrics = {{"ns", "ns", 1}},
    .measure = measure_w2,
};

static const unsigned capacities[] = {8, 64, 1000, 10000, 65535};
enum { CAPACITIES = sizeof capacities / sizeof capacities[0], METRIC_GROWTH = CAPACITIES };

/* Growth: of the larger ones the slowest, times the smallest. */
static void
grow(const work_row *row, const work_timing *timing, unsigned threads, double *out)
{
	double worst = 0;

	for (unsigned i = 0; i < CAPACITIES; i++) {
		out[i] = pairs_ns(row, timing, threads, capacities[i], true);
		worst = i == 0 ? worst : fmax(worst, out[i]);
	}
	out[METRIC_GROWTH] = worst / out[0];
}

static void
measure_w7(const work_row *row, const work_timing *timing, double *out)
{
	grow(row, timing, 1, out);
}

static void
measure_w7_2(const work_row *row, const work_timing *timing, double *out)
{
	grow(row, timing, PAIRS_THREADS, out);
}

#define W7(symbol, name, text, count, how)                                                      \
	const work_kind symbol = {                                                              \
	    .id = name,                                                                         \
	    .title = text,                                                                      \
	    .bits = PEER_W7,                                                                    \
	    .threads = count,                                                                   \
	    .capacity = 65535,                                                                  \
	    .timing =                                                                           \
		{                                                                               \
		    [PACE_FULL] = {7, 5 * TIMING_MSEC, 50 * TIMING_MSEC},                       \
		    [PACE_QUICK] = {1, TIMING_MSEC, 15 * TIMING_MSEC},                          \
		    [PACE_SMOKE] = {1, TIMING_MSEC, 2 * TIMING_MSEC},                           \
		},                                                                              \
	    .metrics = {{"ns_8", "8", 1}, {"ns_64", "64", 1}, {"ns_1000", "1000", 1},           \
		{"ns_10000", "10,000", 1}, {"ns_65535", "65,535", 1}, {"growth", "x of 8", 2}}, \
	    .measure = how,                                                                     \
	}

W7(work_w7, "W7", "W1 with more capacity, all of it open: ns per pair", 1, measure_w7);
W7(work_w7_2, "W7-2", "W2 with more capacity, all of it open: ns per pair and thread",
    PAIRS_THREADS, measure_w7_2);
