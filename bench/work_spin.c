/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_spin: W3, more threads than resources than cores, each held for a microsecond of spinning: what the pool
 * leaves of what the same threads do with no pool at all.
 */
#include "work.h"

#include "fail.h"
#include "gang.h"
#include "spin.h"
#include "timing.h"

#include <math.h>
#include <stdlib.h>

enum { CAPACITY = 4, THREADS = 8, MANY = 1000 };

#define HOLD_NS (TIMING_MSEC / 1000)

enum { METRIC_SHARE, METRIC_RATE };

typedef struct seat {
	_Alignas(128) uint64_t pairs; /* inside the window */
} seat;

typedef struct spinning {
	const peer *peer;
	void *pool;
	seat *seats;
} spinning;

/* The clock is looked at after each pair, with a pool and without: who is put aside for long must not
 * carry pairs over the window's end. */
static void
live(void *shared, unsigned index, const gang_window *window)
{
	spinning *all = shared;
	uint64_t pairs = 0;
	peer_loan loan;
	int64_t now_ns;

	do {
		all->peer->get(all->pool, &loan);
		spin_for(HOLD_NS);
		all->peer->put(all->pool, &loan);
		now_ns = timing_now();
		pairs += now_ns >= window->from_ns && now_ns < window->until_ns;
	} while (now_ns < window->until_ns);
	all->seats[index].pairs = pairs;
}

static void
measure(const work_kind *kind, const work_row *row, const work_timing *timing, double *out)
{
	spinning all = {.peer = row->peer};
	uint64_t sum = 0;

	all.seats = aligned_alloc(_Alignof(seat), kind->threads * sizeof(seat));
	all.pool = row->peer->make(kind->capacity);
	if (all.seats == NULL || all.pool == NULL)
		fail("%s gave no pool of %u", row->peer->name, kind->capacity);
	(void)gang_run(kind->threads, live, &all, timing->ramp_ns, timing->open_ns);
	row->peer->unmake(all.pool);
	for (unsigned i = 0; i < kind->threads; i++)
		sum += all.seats[i].pairs;
	free(all.seats);
	out[METRIC_SHARE] = NAN;
	out[METRIC_RATE] = (double)sum * (double)TIMING_SEC / (double)timing->open_ns;
}

static void
measure_w3(const work_row *row, const work_timing *timing, double *out)
{
	measure(&work_w3, row, timing, out);
}

static void
measure_w3_1000(const work_row *row, const work_timing *timing, double *out)
{
	measure(&work_w3_1000, row, timing, out);
}

static void
compare(const work_row *rows, unsigned count, double (*round)[WORK_METRICS])
{
	const work_row *bound = work_find_row(rows, count, peer_none.name);

	for (unsigned i = 0; bound != NULL && i < count; i++)
		if (rows[i].peer != NULL)
			round[i][METRIC_SHARE] =
			    round[i][METRIC_RATE] / round[bound - rows][METRIC_RATE];
}

#define TELLS                                          \
	{                                              \
		{"share_of_bound", "of no pool", 3},   \
		{                                      \
			"acquires_per_s", "pairs/s", 0 \
		}                                      \
	}

const work_kind work_w3 = {
    .id = "W3",
    .title = "8 threads, capacity 4, hold = spin 1 us; beside 8 threads without a pool",
    .bits = PEER_W3,
    .threads = THREADS,
    .capacity = CAPACITY,
    .begin = spin_calibrate,
    .timing =
	{
	    [PACE_FULL] = {7, 50 * TIMING_MSEC, 300 * TIMING_MSEC},
	    [PACE_QUICK] = {2, 20 * TIMING_MSEC, 80 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, TIMING_MSEC, 10 * TIMING_MSEC},
	},
    .metrics = TELLS,
    .measure = measure_w3,
    .compare = compare,
};

const work_kind work_w3_1000 = {
    .id = "W3-1000",
    .title = "1000 threads, capacity 4, hold = spin 1 us; beside 1000 threads without a pool",
    .bits = PEER_W3 | PEER_1000,
    .threads = MANY,
    .capacity = CAPACITY,
    .begin = spin_calibrate,
    .timing =
	{
	    [PACE_FULL] = {5, 100 * TIMING_MSEC, 500 * TIMING_MSEC},
	    [PACE_QUICK] = {1, 50 * TIMING_MSEC, 200 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, TIMING_MSEC, 20 * TIMING_MSEC},
	},
    .metrics = TELLS,
    .measure = measure_w3_1000,
    .compare = compare,
};
