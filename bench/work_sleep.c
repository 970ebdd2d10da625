/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_sleep: W4, many threads and few resources, each held for a sleep of 1 ms.  Throughput is bounded by
 * the resources; what differs is how long one waits, who is served, and what the waiting costs.  The
 * bound is the same loop on as many threads as there are resources, with no pool.
 */
#include "crowd.h"

#include "timing.h"

enum { CAPACITY = 8, THREADS = 64 };

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
measure(const work_row *row, const work_timing *timing, double *out)
{
	crowd_measure(&work_w4, row, timing, hold, HOLD_NS, out);
}

const work_kind work_w4 = {
    .id = "W4",
    .title = "64 threads, capacity 8, hold = sleep 1 ms; the bound is 8 threads without a pool",
    .bit = PEER_W4,
    .threads = THREADS,
    .capacity = CAPACITY,
    .timing =
	{
	    [PACE_FULL] = {7, 250 * TIMING_MSEC, 3 * TIMING_SEC},
	    [PACE_QUICK] = {2, 200 * TIMING_MSEC, 1250 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, 20 * TIMING_MSEC, 100 * TIMING_MSEC},
	},
    .metrics =
	{
	    CROWD_TELLS,
	},
    .measure = measure,
    .compare = crowd_compare,
};
