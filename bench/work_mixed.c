/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_mixed: 16 threads, capacity 4, held from a microsecond to 5 ms; one acquire in ten gives up soon.  Is
 * anybody left behind, and does whoever gives up do so in time, and never before.
 */
#include "work.h"

#include "dice.h"
#include "fail.h"
#include "gang.h"
#include "load.h"
#include "spin.h"
#include "timing.h"

#include <math.h>
#include <stdlib.h>

enum { CAPACITY = 4, THREADS = 16, ONE_IN = 10, MOST_LATES = 1 << 16 };

#define USEC          (TIMING_MSEC / 1000)
#define LEAST_HOLD_NS USEC
#define MOST_HOLD_NS  (5 * TIMING_MSEC)
#define SPUN_NS       (20 * USEC) /* shorter than a sleep can be */
#define LEAST_WAIT_NS (100 * USEC)
#define MOST_WAIT_NS  (2 * TIMING_MSEC)

enum { LEAST_OVER_MEAN, MOST_OVER_MEAN, RATE, TIMED_OUT, EARLY, LATE_P50, LATE_P999, LATE_MAX };

typedef struct seat {
	_Alignas(128) uint64_t served;
	uint64_t tried, early; /* of the impatient */
	uint64_t late_count;
	int64_t *late; /* each time it gave up: by how much after its time; MOST_LATES */
} seat;

typedef struct mixed {
	const peer *peer;
	void *pool;
	seat seats[THREADS];
	int64_t *late; /* of all */
} mixed;

static void
hold(dice *from)
{
	int64_t ns = dice_between(from, LEAST_HOLD_NS, MOST_HOLD_NS);

	if (ns < SPUN_NS)
		spin_for(ns);
	else
		timing_sleep(ns);
}

/* Its time is up that long after the call began, not after the pool looked at its clock: so early is
 * early. */
static bool
ask_briefly(mixed *all, seat *mine, dice *from, peer_loan *loan)
{
	int64_t timeout_ns = dice_between(from, LEAST_WAIT_NS, MOST_WAIT_NS);
	int64_t asked_ns = timing_now(), late_ns;

	mine->tried++;
	if (all->peer->get_within(all->pool, loan, timeout_ns))
		return true;
	late_ns = timing_now() - asked_ns - timeout_ns;
	mine->early += late_ns < 0;
	if (mine->late_count < MOST_LATES)
		mine->late[mine->late_count++] = late_ns;
	return false;
}

static void
live(void *shared, unsigned index, const gang_window *window)
{
	mixed *all = shared;
	seat *mine = &all->seats[index];
	dice from = {.state = index + 1};
	peer_loan loan;
	int64_t now_ns;

	while (timing_now() < window->until_ns) {
		if (dice_next(&from) % ONE_IN != 0)
			all->peer->get(all->pool, &loan);
		else if (!ask_briefly(all, mine, &from, &loan))
			continue;
		now_ns = timing_now();
		mine->served += now_ns >= window->from_ns && now_ns < window->until_ns;
		hold(&from);
		all->peer->put(all->pool, &loan);
	}
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
tell_lateness(mixed *all, double *out)
{
	uint64_t count = 0, tried = 0, early = 0;

	for (unsigned i = 0; i < THREADS; i++) {
		const seat *one = &all->seats[i];

		for (uint64_t k = 0; k < one->late_count; k++)
			all->late[count++] = one->late[k];
		tried += one->tried;
		early += one->early;
	}
	qsort(all->late, count, sizeof all->late[0], by_value);
	out[TIMED_OUT] = tried == 0 ? NAN : (double)count / (double)tried;
	out[EARLY] = (double)early;
	out[LATE_P50] = series_quantile(all->late, count, 0.5) / (double)TIMING_MSEC;
	out[LATE_P999] = series_quantile(all->late, count, 0.999) / (double)TIMING_MSEC;
	out[LATE_MAX] = series_quantile(all->late, count, 1) / (double)TIMING_MSEC;
}

static void
tell_service(const mixed *all, int64_t open_ns, double *out)
{
	uint64_t least = UINT64_MAX, most = 0, sum = 0;

	for (unsigned i = 0; i < THREADS; i++) {
		uint64_t served = all->seats[i].served;

		least = served < least ? served : least;
		most = served > most ? served : most;
		sum += served;
	}
	out[LEAST_OVER_MEAN] = (double)least * THREADS / (double)sum;
	out[MOST_OVER_MEAN] = (double)most * THREADS / (double)sum;
	out[RATE] = (double)sum * (double)TIMING_SEC / (double)open_ns;
}

static void
measure(const work_row *row, const work_timing *timing, double *out)
{
	static int64_t late[THREADS][MOST_LATES], late_of_all[THREADS * MOST_LATES];
	static mixed all;

	all = (mixed){.peer = row->peer, .late = late_of_all};
	all.pool = row->peer->make(CAPACITY);
	if (all.pool == NULL)
		fail("%s gave no pool of %d", row->peer->name, CAPACITY);
	for (unsigned i = 0; i < THREADS; i++)
		all.seats[i].late = late[i];
	(void)gang_run(THREADS, live, &all, timing->ramp_ns, timing->open_ns);
	row->peer->unmake(all.pool);
	tell_service(&all, timing->open_ns, out);
	tell_lateness(&all, out);
}

const work_kind work_mixed = {
    .id = "mixed",
    .title =
	"16 threads, capacity 4, holds of 1 us to 5 ms, one acquire in ten gives up within 2 ms",
    .bits = PEER_MIXED,
    .threads = THREADS,
    .capacity = CAPACITY,
    .begin = spin_calibrate,
    .others_ns = load_others_ns,
    .timing =
	{
	    [PACE_FULL] = {5, 250 * TIMING_MSEC, 3 * TIMING_SEC},
	    [PACE_QUICK] = {1, 100 * TIMING_MSEC, 700 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, 20 * TIMING_MSEC, 150 * TIMING_MSEC},
	},
    .metrics =
	{
	    [LEAST_OVER_MEAN] = {"least_over_mean", "least/mean", 3},
	    [MOST_OVER_MEAN] = {"most_over_mean", "most/mean", 3},
	    [RATE] = {"acquires_per_s", "a second", 0},
	    [TIMED_OUT] = {"gave_up", "gave up", 3},
	    [EARLY] = {"gave_up_early", "early", 0},
	    [LATE_P50] = {"late_p50_ms", "late p50", 3},
	    [LATE_P999] = {"late_p999_ms", "late p99.9", 3},
	    [LATE_MAX] = {"late_max_ms", "late max", 3},
	},
    .measure = measure,
};
