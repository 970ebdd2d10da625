/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_postgres: W6, a real database: 32 or 64 threads share 8 connections and hold each for one SELECT 1 over
 * a unix socket.  The bound is 8 threads that own their connection.
 */
#include "crowd.h"

#include "company.h"
#include "timing.h"

enum { CAPACITY = 8, THREADS = 32, MORE = 64 };

#define LEAST_NS (5 * (TIMING_MSEC / 1000)) /* of a round trip */

static void
hold(const peer *who, void *pool, peer_loan *loan)
{
	who->use(pool, loan);
}

static void
measure_w6(const work_row *row, const work_timing *timing, double *out)
{
	crowd_measure(&work_w6, row, timing, hold, LEAST_NS, out);
}

static void
measure_w6_64(const work_row *row, const work_timing *timing, double *out)
{
	crowd_measure(&work_w6_64, row, timing, hold, LEAST_NS, out);
}

#define W6(symbol, name, text, bit, count, full, how)                         \
	const work_kind symbol = {                                            \
	    .id = name,                                                       \
	    .title = text,                                                    \
	    .bits = bit,                                                      \
	    .threads = count,                                                 \
	    .capacity = CAPACITY,                                             \
	    .begin = company_begin,                                           \
	    .end = company_end,                                               \
	    .others_ns = company_others_ns,                                   \
	    .timing =                                                         \
		{                                                             \
		    [PACE_FULL] = {full, 300 * TIMING_MSEC, 2 * TIMING_SEC},  \
		    [PACE_QUICK] = {1, 100 * TIMING_MSEC, 500 * TIMING_MSEC}, \
		    [PACE_SMOKE] = {1, 20 * TIMING_MSEC, 60 * TIMING_MSEC},   \
		},                                                            \
	    .metrics = {CROWD_TELLS},                                         \
	    .measure = how,                                                   \
	    .compare = crowd_compare,                                         \
	}

W6(work_w6, "W6",
    "PostgreSQL: 32 threads, 8 connections, SELECT 1; the bound is 8 threads with their own",
    PEER_W6, THREADS, 6, measure_w6);
W6(work_w6_64, "W6-64",
    "PostgreSQL: 64 threads, 8 connections, SELECT 1; the bound is 8 threads with their own",
    PEER_W6_64, MORE, 4, measure_w6_64);
