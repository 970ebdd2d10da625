/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_turns: W5, one resource that two threads on two cores hand to each other, strictly in turn.  A
 * hand-over is from just before the put to the end of the get that waited for it.  Hot: the waiter has
 * just come; settled: it has had the time to fall asleep.
 */
#include "work.h"

#include "fail.h"
#include "gang.h"
#include "load.h"
#include "series.h"
#include "spin.h"
#include "timing.h"

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS = 2, MOST_TURNS = 200000 }; /* of each thread */

/* From "I come" to the put. */
#define HOT_NS     INT64_C(0)
#define SETTLED_NS (TIMING_MSEC / 5)

enum { METRIC_P50, METRIC_P99 };

/* Each writes down its own, by its turns: a line that the other reads would delay the put itself. */
typedef struct seat {
	_Alignas(128) uint64_t count;
	int64_t got_ns[MOST_TURNS], put_ns[MOST_TURNS];
} seat;

typedef struct turns {
	const peer *peer;
	void *pool;
	int64_t dwell_ns;
	bool one_core;
	_Alignas(128) _Atomic uint64_t coming; /* the number of the turn that is waited for */
	_Alignas(128) _Atomic uint64_t got;    /* the number of the turn that is held */
	_Alignas(128) _Atomic bool over;
	seat *seats; /* THREADS */
} turns;

/* Each on a core of its own, if there are two; wandering would be measured as well. */
static void
stay(unsigned which)
{
	cpu_set_t all, one;
	unsigned seen = 0;

	if (sched_getaffinity(0, sizeof all, &all) != 0)
		return;
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
		if (CPU_ISSET((size_t)cpu, &all) && seen++ == which)
			CPU_SET((size_t)cpu, &one);
	if (CPU_COUNT(&one) != 0)
		(void)sched_setaffinity(0, sizeof one, &one);
}

/* False: it is over. */
static bool
await(const turns *all, const _Atomic uint64_t *what, uint64_t number)
{
	while (atomic_load_explicit(what, memory_order_acquire) != number) {
		if (atomic_load_explicit(&all->over, memory_order_relaxed))
			return false;
		if (all->one_core)
			(void)sched_yield();
		else
			spin_pause();
	}
	return true;
}

/* Hold turn `number`: wait for the other, give way to it, see that it has it. */
static bool
give(turns *all, seat *mine, uint64_t number, const gang_window *window, peer_loan *loan)
{
	int64_t now_ns;

	if (!await(all, &all->coming, number + 1)) {
		all->peer->put(all->pool, loan); /* the other may be waiting by now */
		return false;
	}
	if (all->one_core)
		timing_sleep(all->dwell_ns);
	else
		spin_for(all->dwell_ns);
	now_ns = timing_now();
	all->peer->put(all->pool, loan);
	mine->put_ns[mine->count++] = now_ns;
	if (now_ns >= window->until_ns || mine->count == MOST_TURNS - 1)
		atomic_store(&all->over, true);
	return await(all, &all->got, number + 1);
}

static void
take(turns *all, seat *mine, uint64_t number, peer_loan *loan)
{
	atomic_store_explicit(&all->coming, number, memory_order_release);
	all->peer->get(all->pool, loan);
	mine->got_ns[mine->count] = timing_now();
	atomic_store_explicit(&all->got, number, memory_order_release);
}

/* Turns count from 1; thread 0 has the odd ones. */
static void
live(void *shared, unsigned index, const gang_window *window)
{
	turns *all = shared;
	seat *mine = &all->seats[index];
	uint64_t number = index + 1;
	peer_loan loan;

	stay(all->one_core ? 0 : index);
	if (index == 1 && !await(all, &all->got, 1))
		return;
	do {
		take(all, mine, number, &loan);
		if (atomic_load(&all->over)) {
			all->peer->put(all->pool, &loan);
			return;
		}
		if (!give(all, mine, number, window, &loan))
			return;
		number += THREADS;
	} while (true);
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Hand-overs that were complete, from the put of a turn to the get of the next, without what the ramp
 * took.  Sorted.  Returns how many. */
static uint64_t
gather(const turns *all, int64_t ramp_ns, int64_t *took)
{
	uint64_t count = 0;
	int64_t from_ns = all->seats[0].got_ns[0] + ramp_ns;

	for (uint64_t turn = 1; turn / THREADS < all->seats[turn % THREADS].count; turn++) {
		int64_t put_ns = all->seats[(turn - 1) % THREADS].put_ns[(turn - 1) / THREADS];

		if (put_ns >= from_ns)
			took[count++] = all->seats[turn % THREADS].got_ns[turn / THREADS] - put_ns;
	}
	qsort(took, count, sizeof took[0], by_value);
	return count;
}

static void
measure(const work_row *row, const work_timing *timing, int64_t dwell_ns, double *out)
{
	static turns all;
	static seat seats[THREADS];
	static int64_t took[THREADS * MOST_TURNS];
	uint64_t count;

	all = (turns){.peer = row->peer, .dwell_ns = dwell_ns, .seats = seats};
	all.one_core = row->peer == &peer_futex_one_core;
	all.pool = row->peer->make(1);
	if (all.pool == NULL)
		fail("%s gave no pool of 1", row->peer->name);
	for (unsigned i = 0; i < THREADS; i++)
		seats[i].count = 0;
	(void)gang_run(THREADS, live, &all, timing->ramp_ns, timing->open_ns);
	row->peer->unmake(all.pool);
	count = gather(&all, timing->ramp_ns, took);
	out[METRIC_P50] = series_quantile(took, count, 0.50);
	out[METRIC_P99] = series_quantile(took, count, 0.99);
}

static void
measure_hot(const work_row *row, const work_timing *timing, double *out)
{
	measure(row, timing, HOT_NS, out);
}

static void
measure_settled(const work_row *row, const work_timing *timing, double *out)
{
	measure(row, timing, SETTLED_NS, out);
}

#define TELLS                                 \
	{                                     \
		{"ns", "p50 ns", 0},          \
		{                             \
			"p99_ns", "p99 ns", 0 \
		}                             \
	}

const work_kind work_w5_hot = {
    .id = "W5-hot",
    .title = "2 threads hand over one resource; the waiter has just come: ns",
    .bits = PEER_W5,
    .threads = THREADS,
    .capacity = 1,
    .begin = spin_calibrate,
    .others_ns = load_others_ns,
    .timing =
	{
	    [PACE_FULL] = {7, 20 * TIMING_MSEC, 100 * TIMING_MSEC},
	    [PACE_QUICK] = {2, 10 * TIMING_MSEC, 50 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, TIMING_MSEC, 10 * TIMING_MSEC},
	},
    .metrics = TELLS,
    .measure = measure_hot,
};

const work_kind work_w5_settled = {
    .id = "W5-settled",
    .title = "2 threads hand over one resource; the waiter sleeps: ns",
    .bits = PEER_W5,
    .threads = THREADS,
    .capacity = 1,
    .begin = spin_calibrate,
    .others_ns = load_others_ns,
    .timing =
	{
	    [PACE_FULL] = {7, 20 * TIMING_MSEC, 250 * TIMING_MSEC},
	    [PACE_QUICK] = {2, 10 * TIMING_MSEC, 100 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, TIMING_MSEC, 20 * TIMING_MSEC},
	},
    .metrics = TELLS,
    .measure = measure_settled,
};
