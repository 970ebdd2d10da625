/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_sleep: W4, many threads and few resources, each held for a sleep of 1 ms.  Throughput is bounded by
 * the resources; what differs is how long one waits, who is served, and what the waiting costs.  The
 * bound is the same loop on as many threads as there are resources, with no pool.
 */
#include "work.h"

#include "fail.h"
#include "gang.h"
#include "timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 8, THREADS = 64 };

#define HOLD_NS TIMING_MSEC

enum {
	METRIC_SHARE,
	METRIC_MEAN,
	METRIC_P50,
	METRIC_P99,
	METRIC_MAX,
	METRIC_P99_OVER_MEAN,
	METRIC_FAIRNESS,
	METRIC_CPU,
	METRIC_RATE,
	METRIC_LEAST,
	METRIC_MOST,
};

typedef struct seat {
	_Alignas(128) uint64_t served; /* inside the window */
	uint64_t wait_count;
	int64_t *waits; /* room: no thread can get more often than once a hold */
} seat;

typedef struct crowd {
	const peer *peer;
	void *pool;
	unsigned threads;
	seat seats[THREADS];
	int64_t *waits; /* all of them: room for `threads` times `room` */
	uint64_t room;
} crowd;

/* A wait counts when it overlaps the window: one that began before and has not ended must not be lost,
 * it is the starving thread's. */
static void
live(void *shared, unsigned index, const gang_window *window)
{
	crowd *all = shared;
	seat *mine = &all->seats[index];
	peer_loan loan;
	int64_t asked_ns, got_ns;

	while ((asked_ns = timing_now()) < window->until_ns) {
		all->peer->get(all->pool, &loan);
		got_ns = timing_now();
		if (got_ns >= window->from_ns) {
			if (mine->wait_count == all->room)
				fail("a sleep of 1 ms was shorter than that");
			mine->waits[mine->wait_count++] = got_ns - asked_ns;
			mine->served += got_ns < window->until_ns;
		}
		timing_sleep(HOLD_NS);
		all->peer->put(all->pool, &loan);
	}
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Move the waits of all threads to the front of the array, sorted.  Returns how many. */
static uint64_t
gather(crowd *all)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < all->threads; i++) {
		const seat *one = &all->seats[i];
		memmove(&all->waits[count], one->waits, one->wait_count * sizeof one->waits[0]);
		count += one->wait_count;
	}
	qsort(all->waits, count, sizeof all->waits[0], by_value);
	return count;
}

static double
mean(const int64_t *waits, uint64_t count)
{
	double sum = 0;

	for (uint64_t i = 0; i < count; i++)
		sum += (double)waits[i];
	return sum / (double)count;
}

static void
tell_waits(crowd *all, double *out)
{
	uint64_t count = gather(all);
	double msec = (double)TIMING_MSEC;

	if (all->peer == &peer_none)
		return; /* nobody waits */
	out[METRIC_MEAN] = mean(all->waits, count) / msec;
	out[METRIC_P50] = series_quantile(all->waits, count, 0.50) / msec;
	out[METRIC_P99] = series_quantile(all->waits, count, 0.99) / msec;
	out[METRIC_MAX] = series_quantile(all->waits, count, 1.00) / msec;
	out[METRIC_P99_OVER_MEAN] = out[METRIC_P99] / out[METRIC_MEAN];
}

static void
tell_service(const crowd *all, int64_t open_ns, int64_t cpu_ns, double *out)
{
	uint64_t least = UINT64_MAX, most = 0, sum = 0;

	for (unsigned i = 0; i < all->threads; i++) {
		uint64_t served = all->seats[i].served;
		least = served < least ? served : least;
		most = served > most ? served : most;
		sum += served;
	}
	out[METRIC_LEAST] = (double)least;
	out[METRIC_MOST] = (double)most;
	out[METRIC_FAIRNESS] = most == 0 ? NAN : (double)least / (double)most;
	out[METRIC_RATE] = (double)sum * (double)TIMING_SEC / (double)open_ns;
	out[METRIC_CPU] =
	    sum == 0 ? NAN : (double)cpu_ns / (double)TIMING_SEC * 100000 / (double)sum;
}

static void
measure(const work_row *row, const work_timing *timing, double *out)
{
	crowd all = {.peer = row->peer};
	int64_t cpu_ns;

	all.threads = row->peer == &peer_none ? CAPACITY : THREADS;
	all.room = (uint64_t)((timing->ramp_ns + timing->open_ns) / HOLD_NS) + 2;
	all.waits = calloc(all.threads * all.room, sizeof all.waits[0]);
	all.pool = row->peer->make(CAPACITY);
	if (all.waits == NULL || all.pool == NULL)
		fail("%s gave no pool of %d", row->peer->name, CAPACITY);
	for (unsigned i = 0; i < all.threads; i++)
		all.seats[i].waits = all.waits + i * all.room;
	for (unsigned i = 0; i < WORK_METRICS; i++)
		out[i] = NAN;
	cpu_ns = gang_run(all.threads, live, &all, timing->ramp_ns, timing->open_ns);
	row->peer->unmake(all.pool);
	tell_service(&all, timing->open_ns, cpu_ns, out);
	tell_waits(&all, out);
	free(all.waits);
}

static void
compare(const work_row *rows, unsigned count, double (*round)[WORK_METRICS])
{
	const work_row *bound = work_find_row(rows, count, peer_none.name);

	for (unsigned i = 0; bound != NULL && i < count; i++)
		round[i][METRIC_SHARE] = round[i][METRIC_RATE] / round[bound - rows][METRIC_RATE];
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
	    [METRIC_SHARE] = {"share_of_bound", "of bound", 3},
	    [METRIC_MEAN] = {"wait_mean_ms", "mean ms", 2},
	    [METRIC_P50] = {"wait_p50_ms", "p50 ms", 2},
	    [METRIC_P99] = {"wait_p99_ms", "p99 ms", 2},
	    [METRIC_MAX] = {"wait_max_ms", "max ms", 1},
	    [METRIC_P99_OVER_MEAN] = {"wait_p99_over_mean", "p99/mean", 2},
	    [METRIC_FAIRNESS] = {"least_over_most", "least/most", 3},
	    [METRIC_CPU] = {"cpu_s_per_100k", "CPU s/100k", 2},
	    [METRIC_RATE] = {"acquires_per_s", NULL, 0},
	    [METRIC_LEAST] = {"least_served", NULL, 0},
	    [METRIC_MOST] = {"most_served", NULL, 0},
	},
    .measure = measure,
    .compare = compare,
};
