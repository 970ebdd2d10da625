/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_sleep: W4, many threads and few resources, each held for a sleep of 1 ms.  Throughput is bounded by
 * the resources; what differs is how long one waits, who is served, and what the waiting costs.  The
 * bound is the same loop on as many threads as there are resources, with no pool.
 */
#include "crowd.h"

#include "timing.h"

enum { CAPACITY = 8, THREADS = 64, MANY = 1000 };

#define HOLD_NS TIMING_MSEC

static void
hold(const peer *who, void *pool, peer_loan *loan)
{
	(void)who;
	(void)pool;
	(void)loan;
	timing_sleep(HOLD_NS);
}

static void
measure_w4(const work_row *row, const work_timing *timing, double *out)
{
	crowd_measure(&work_w4, row, timing, hold, HOLD_NS, out);
}

static void
measure_w4_1000(const work_row *row, const work_timing *timing, double *out)
{
	crowd_measure(&work_w4_1000, row, timing, hold, HOLD_NS, out);
}

const work_kind work_w4 = {
    .id = "W4",
    .title = "64 threads, capacity 8, hold = sleep 1 ms; the bound is 8 threads without a pool",
    .bits = PEER_W4,
    .threads = THREADS,
    .capacity = CAPACITY,
    .timing =
	{
	    [PACE_FULL] = {5, 250 * TIMING_MSEC, 2 * TIMING_SEC},
	    [PACE_QUICK] = {1, 150 * TIMING_MSEC, 400 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, 20 * TIMING_MSEC, 100 * TIMING_MSEC},
	},
    .metrics =
	{
	    CROWD_TELLS,
	},
    .measure = measure_w4,
    .compare = crowd_compare,
};

/* Once around takes 130 ms. */
const work_kind work_w4_1000 = {
    .id = "W4-1000",
    .title = "1000 threads, capacity 8, hold = sleep 1 ms; the bound is 8 threads without a pool",
    .bits = PEER_W4 | PEER_1000,
    .threads = MANY,
    .capacity = CAPACITY,
    .timing =
	{
	    [PACE_FULL] = {3, 400 * TIMING_MSEC, 2 * TIMING_SEC},
	    [PACE_QUICK] = {1, 200 * TIMING_MSEC, 500 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, 20 * TIMING_MSEC, 150 * TIMING_MSEC},
	},
    .metrics =
	{
	    CROWD_TELLS,
	},
    .measure = measure_w4_1000,
    .compare = crowd_compare,
};
