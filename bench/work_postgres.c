/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_postgres: W6, a real database: 32 threads share 8 connections and hold each for one SELECT 1 over a
 * unix socket.  The bound is 8 threads that own their connection.
 */
#include "crowd.h"

#include "company.h"
#include "timing.h"

enum { CAPACITY = 8, THREADS = 32 };

#define LEAST_NS (5 * (TIMING_MSEC / 1000)) /* of a round trip */

static void
hold(const peer *who, void *pool, peer_loan *loan)
{
	who->use(pool, loan);
}

static void
measure(const work_row *row, const work_timing *timing, double *out)
{
	crowd_measure(&work_w6, row, timing, hold, LEAST_NS, out);
}

const work_kind work_w6 = {
    .id = "W6",
    .title =
	"PostgreSQL: 32 threads, 8 connections, SELECT 1; the bound is 8 threads with their own",
    .bit = PEER_W6,
    .threads = THREADS,
    .capacity = CAPACITY,
    .begin = company_begin,
    .end = company_end,
    .others_ns = company_others_ns,
    .timing =
	{
	    [PACE_FULL] = {7, 300 * TIMING_MSEC, 2 * TIMING_SEC},
	    [PACE_QUICK] = {2, 200 * TIMING_MSEC, 750 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, 20 * TIMING_MSEC, 60 * TIMING_MSEC},
	},
    .metrics =
	{
	    CROWD_TELLS,
	},
    .measure = measure,
    .compare = crowd_compare,
};
