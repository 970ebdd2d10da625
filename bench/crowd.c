/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crowd: the threads' loop, and the figures from what each wrote down.
 */
#include "crowd.h"

#include "fail.h"
#include "gang.h"
#include "timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct seat {
	_Alignas(128) uint64_t served; /* inside the window */
	uint64_t wait_count;
	int64_t *waits; /* room: no thread can get more often than once a hold */
} seat;

typedef struct crowd {
	const peer *peer;
	crowd_hold *hold;
	void *pool;
	unsigned threads;
	seat *seats;    /* of each thread */
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
				fail("a hold was shorter than it can be");
			mine->waits[mine->wait_count++] = got_ns - asked_ns;
			mine->served += got_ns < window->until_ns;
		}
		all->hold(all->peer, all->pool, &loan);
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
	static const struct {
		unsigned metric;
		double of;
	} shares[] = {
	    {CROWD_P10, 0.10},
	    {CROWD_P25, 0.25},
	    {CROWD_P50, 0.50},
	    {CROWD_P75, 0.75},
	    {CROWD_P90, 0.90},
	    {CROWD_P99, 0.99},
	    {CROWD_P999, 0.999},
	    {CROWD_MAX, 1},
	};
	uint64_t count = gather(all);
	double msec = (double)TIMING_MSEC;

	if (all->peer->is_bound)
		return; /* nobody waits */
	out[CROWD_MEAN] = mean(all->waits, count) / msec;
	for (unsigned i = 0; i < sizeof shares / sizeof shares[0]; i++)
		out[shares[i].metric] = series_quantile(all->waits, count, shares[i].of) / msec;
	out[CROWD_P99_OVER_MEAN] = out[CROWD_P99] / out[CROWD_MEAN];
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
	out[CROWD_LEAST] = (double)least;
	out[CROWD_MOST] = (double)most;
	out[CROWD_FAIRNESS] = most == 0 ? NAN : (double)least / (double)most;
	out[CROWD_RATE] = (double)sum * (double)TIMING_SEC / (double)open_ns;
	out[CROWD_CPU] =
	    sum == 0 ? NAN : (double)cpu_ns / (double)TIMING_SEC * 100000 / (double)sum;
}

void
crowd_measure(const work_kind *kind, const work_row *row, const work_timing *timing,
    crowd_hold *hold, int64_t least_ns, double *out)
{
	crowd all = {.peer = row->peer, .hold = hold};
	int64_t cpu_ns;

	all.threads = row->peer->is_bound ? kind->capacity : kind->threads;
	all.room = (uint64_t)((timing->ramp_ns + timing->open_ns) / least_ns) + 2;
	all.waits = calloc(all.threads * all.room, sizeof all.waits[0]);
	all.pool = row->peer->make(kind->capacity);
	all.seats = aligned_alloc(_Alignof(seat), all.threads * sizeof(seat));
	if (all.waits == NULL || all.pool == NULL || all.seats == NULL)
		fail("%s gave no pool of %u", row->peer->name, kind->capacity);
	for (unsigned i = 0; i < all.threads; i++)
		all.seats[i] = (seat){.waits = all.waits + i * all.room};
	for (unsigned i = 0; i < WORK_METRICS; i++)
		out[i] = NAN;
	cpu_ns = gang_run(all.threads, live, &all, timing->ramp_ns, timing->open_ns);
	row->peer->unmake(all.pool);
	tell_service(&all, timing->open_ns, cpu_ns, out);
	tell_waits(&all, out);
	free(all.waits);
	free(all.seats);
}

void
crowd_compare(const work_row *rows, unsigned count, double (*round)[WORK_METRICS])
{
	unsigned bound = 0;

	while (bound < count && (rows[bound].peer == NULL || !rows[bound].peer->is_bound))
		bound++;
	for (unsigned i = 0; bound < count && i < count; i++)
		if (rows[i].peer != NULL)
			round[i][CROWD_SHARE] = round[i][CROWD_RATE] / round[bound][CROWD_RATE];
}
