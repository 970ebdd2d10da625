/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_pairs: W1 and W2, get and put in a loop with nothing between them.  What a pool costs when all
 * goes well, alone and from two cores at once.
 */
#include "work.h"

#include "fail.h"
#include "gang.h"
#include "timing.h"

#include <math.h>
#include <stdlib.h>

/* Pairs between two looks at the clock: enough that the look costs below 1 % of the fastest pair. */
enum { BATCH = 1024 };

enum { CAPACITY = 8, MOST_THREADS = 2 };

enum { METRIC_NS, METRIC_TIMES_CMPXCHG };

typedef struct share {
	_Alignas(128) int64_t took_ns;
	uint64_t pairs;
} share;

typedef struct pairs {
	const work_row *row;
	void *pool; /* of a peer */
	share shares[MOST_THREADS];
} pairs;

static void
turn(const pairs *all, unsigned count)
{
	const peer *who = all->row->peer;
	peer_loan loan;

	if (who == NULL) {
		all->row->limit->turns(count);
	} else if (who->turns != NULL) {
		who->turns(all->pool, count);
	} else {
		while (count-- > 0) {
			who->get(all->pool, &loan);
			who->put(all->pool, &loan);
		}
	}
}

static void
loop(void *shared, unsigned index, const gang_window *window)
{
	pairs *all = shared;
	share *mine = &all->shares[index];
	uint64_t count = 0;
	int64_t began_ns, now_ns;

	while (timing_now() < window->from_ns)
		turn(all, BATCH);
	began_ns = timing_now();
	do {
		turn(all, BATCH);
		count += BATCH;
		now_ns = timing_now();
	} while (now_ns < window->until_ns);
	mine->took_ns = now_ns - began_ns;
	mine->pairs = count;
}

static double
ns_per_pair(const work_row *row, const work_timing *timing, unsigned threads)
{
	pairs all = {.row = row};
	int64_t took_ns = 0;
	uint64_t count = 0;

	if (row->peer != NULL && (all.pool = row->peer->make(CAPACITY)) == NULL)
		fail("%s gave no pool of %d", row->peer->name, CAPACITY);
	(void)gang_run(threads, loop, &all, timing->ramp_ns, timing->open_ns);
	if (row->peer != NULL)
		row->peer->unmake(all.pool);
	for (unsigned i = 0; i < threads; i++) {
		took_ns += all.shares[i].took_ns;
		count += all.shares[i].pairs;
	}
	return (double)took_ns / (double)count;
}

static void
measure_w1(const work_row *row, const work_timing *timing, double *out)
{
	out[METRIC_NS] = ns_per_pair(row, timing, 1);
	out[METRIC_TIMES_CMPXCHG] = NAN;
}

static void
measure_w2(const work_row *row, const work_timing *timing, double *out)
{
	out[METRIC_NS] = ns_per_pair(row, timing, MOST_THREADS);
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
    .bit = PEER_W1,
    .threads = 1,
    .capacity = CAPACITY,
    .has_limits = true,
    .timing =
	{
	    [PACE_FULL] = {9, 25 * TIMING_MSEC, 250 * TIMING_MSEC},
	    [PACE_QUICK] = {3, 15 * TIMING_MSEC, 120 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, TIMING_MSEC, 5 * TIMING_MSEC},
	},
    .metrics = {{"ns", "ns", 1}, {"times_cmpxchg2", "x two cmpxchg", 2}},
    .measure = measure_w1,
    .compare = compare_w1,
};

const work_kind work_w2 = {
    .id = "W2",
    .title = "2 threads, capacity 8, get and put in a loop: ns per pair and thread",
    .bit = PEER_W2,
    .threads = MOST_THREADS,
    .capacity = CAPACITY,
    .timing =
	{
	    [PACE_FULL] = {9, 50 * TIMING_MSEC, 500 * TIMING_MSEC},
	    [PACE_QUICK] = {3, 30 * TIMING_MSEC, 300 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, TIMING_MSEC, 5 * TIMING_MSEC},
	},
    .metrics = {{"ns", "ns", 1}},
    .measure = measure_w2,
};
