/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_few: who spares.  "few": threads that come strictly one after the other, how many resources were opened for
 * them; "idle": a pool that nobody uses, how often any of its threads wakes up.
 */
#include "work.h"

#include "fail.h"
#include "gang.h"
#include "pairs.h"
#include "timing.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CAPACITY = 8, THREADS = 32 };

enum { METRIC_COUNT };

typedef struct few {
	const peer *peer;
	void *pool;
	_Atomic uint64_t turn;
	_Atomic bool over;
} few;

static void
live(void *shared, unsigned index, const gang_window *window)
{
	few *all = shared;
	peer_loan loan;

	for (uint64_t next = index;; next += THREADS) {
		while (atomic_load(&all->turn) != next) {
			if (atomic_load(&all->over))
				return;
			(void)sched_yield();
		}
		all->peer->get(all->pool, &loan);
		all->peer->put(all->pool, &loan);
		if (timing_now() >= window->until_ns)
			atomic_store(&all->over, true);
		atomic_store(&all->turn, next + 1);
	}
}

static void
measure_few(const work_row *row, const work_timing *timing, double *out)
{
	few all = {.peer = row->peer};

	all.pool = row->peer->make(CAPACITY);
	if (all.pool == NULL)
		fail("%s gave no pool of %d", row->peer->name, CAPACITY);
	(void)gang_run(THREADS, live, &all, timing->ramp_ns, timing->open_ns);
	out[METRIC_COUNT] = row->peer->opened(all.pool);
	row->peer->unmake(all.pool);
}

/* How often a thread went to sleep so far; see proc(5). */
static uint64_t
sleeps_of(const char *thread)
{
	char path[300], text[128];
	uint64_t sleeps = 0;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
	file = fopen(path, "re");
	while (file != NULL && fgets(text, sizeof text, file) != NULL)
		if (sscanf(text, "voluntary_ctxt_switches: %" SCNu64, &sleeps) == 1)
			break;
	if (file != NULL)
		(void)fclose(file);
	return sleeps;
}

/* Of all threads of this process but this one. */
static uint64_t
sleeps_of_others(void)
{
	DIR *all = opendir("/proc/self/task");
	const struct dirent *one;
	uint64_t sum = 0;
	char self[32];

	(void)snprintf(self, sizeof self, "%d", (int)gettid());
	while (all != NULL && (one = readdir(all)) != NULL)
		if (one->d_name[0] != '.' && strcmp(one->d_name, self) != 0)
			sum += sleeps_of(one->d_name);
	if (all != NULL)
		(void)closedir(all);
	return sum;
}

static void
measure_idle(const work_row *row, const work_timing *timing, double *out)
{
	void *pool = row->peer->make(CAPACITY);
	uint64_t sleeps;

	if (pool == NULL)
		fail("%s gave no pool of %d", row->peer->name, CAPACITY);
	pairs_fill(row->peer, pool, CAPACITY);
	timing_sleep(timing->ramp_ns);
	sleeps = sleeps_of_others();
	timing_sleep(timing->open_ns);
	out[METRIC_COUNT] = (double)(sleeps_of_others() - sleeps);
	row->peer->unmake(pool);
}

const work_kind work_few = {
    .id = "few",
    .title = "32 threads strictly in turn, capacity 8: resources opened",
    .bits = PEER_FEW,
    .threads = THREADS,
    .capacity = CAPACITY,
    .timing =
	{
	    [PACE_FULL] = {3, TIMING_MSEC, 200 * TIMING_MSEC},
	    [PACE_QUICK] = {1, TIMING_MSEC, 100 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, TIMING_MSEC, 5 * TIMING_MSEC},
	},
    .metrics = {{"opened", "opened", 0}},
    .measure = measure_few,
};

const work_kind work_idle = {
    .id = "idle",
    .title = "an idle pool of 8, nothing of which expires: wake-ups of its threads",
    .bits = PEER_IDLE,
    .threads = 1,
    .capacity = CAPACITY,
    .timing =
	{
	    [PACE_FULL] = {1, 100 * TIMING_MSEC, 5 * TIMING_SEC},
	    [PACE_QUICK] = {1, 100 * TIMING_MSEC, 500 * TIMING_MSEC},
	    [PACE_SMOKE] = {1, 20 * TIMING_MSEC, 20 * TIMING_MSEC},
	},
    .metrics = {{"wake_ups", "wake-ups", 0}},
    .measure = measure_idle,
};
