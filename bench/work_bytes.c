/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work_bytes: W8, what 10,000 opened slots take of this machine's memory, in a process that has done nothing
 * else yet: this program once more, asked for by its hidden option.  A pool of one comes first, so that what a
 * process has once, the code that runs and what the C library keeps, is no slot's.
 */
#include "bytes.h"
#include "work.h"

#include "child.h"
#include "fail.h"
#include "timing.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CAPACITY = 10000, PATIENCE_S = 20 };

enum { METRIC_IDLE, METRIC_FILLED, METRIC_BESIDE, METRIC_LENT, METRIC_MADE };

/* Counted page by page; the sum in statm is off by up to 64 pages for each CPU. */
static double
resident_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	uint64_t kib = 0;

	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
			break;
	if (file != NULL)
		(void)fclose(file);
	return kib == 0 ? NAN : (double)kib * 1024;
}

static void
begin(const peer *who)
{
	void *pool = who->make(1);
	peer_loan loan;

	if (who->fill != NULL)
		who->fill(pool, 1);
	who->get(pool, &loan);
	who->put(pool, &loan);
	who->unmake(pool);
}

static void
weigh(const peer *who)
{
	static peer_loan loans[CAPACITY];
	double before, made, filled, lent;
	void *pool;

	memset(loans, 1, sizeof loans); /* these are not the pool's */
	begin(who);
	(void)resident_bytes(); /* nor is what the first look itself takes */
	before = resident_bytes();
	pool = who->make(CAPACITY);
	made = resident_bytes();
	if (who->fill != NULL)
		who->fill(pool, CAPACITY);
	filled = who->fill != NULL ? resident_bytes() : NAN;
	for (unsigned i = 0; i < CAPACITY; i++)
		who->get(pool, &loans[i]);
	lent = resident_bytes();
	for (unsigned i = 0; i < CAPACITY; i++)
		who->put(pool, &loans[i]);
	(void)printf("%.2f %.2f %.2f %.2f %.2f\n", (resident_bytes() - before) / CAPACITY,
	    (filled - before) / CAPACITY, (lent - filled) / CAPACITY, (lent - before) / CAPACITY,
	    (made - before) / CAPACITY);
	who->unmake(pool);
}

void
bytes_answer(const char *name)
{
	while (getchar() >= ' ') /* the question: who ends before it is asked cannot answer */
		;
	for (unsigned i = 0; i < peer_count; i++)
		if (strcmp(peers[i]->name, name) == 0 && (peers[i]->works & PEER_W8) != 0) {
			weigh(peers[i]);
			return;
		}
	fail("no pool '%s' to weigh", name);
}

static void
measure(const work_row *row, const work_timing *timing, double *out)
{
	char program[] = "/proc/self/exe", option[] = BYTES_OPTION, name[64], answer[128];
	char *words[] = {program, option, name, NULL};
	child one;

	(void)timing;
	(void)snprintf(name, sizeof name, "%s", row->peer->name);
	if (!child_start(&one, words) ||
	    !child_ask(&one, "", answer, sizeof answer, PATIENCE_S * TIMING_SEC) ||
	    sscanf(answer, "%lf %lf %lf %lf %lf", &out[METRIC_IDLE], &out[METRIC_FILLED],
		&out[METRIC_BESIDE], &out[METRIC_LENT], &out[METRIC_MADE]) != 5)
		fail("%s was not weighed", row->peer->name);
	child_end(&one);
}

const work_kind work_w8 = {
    .id = "W8",
    .title = "capacity 10,000: bytes of memory per opened slot",
    .bits = PEER_W8,
    .threads = 1,
    .capacity = CAPACITY,
    .timing =
	{
	    [PACE_FULL] = {3, 0, 0},
	    [PACE_QUICK] = {1, 0, 0},
	    [PACE_SMOKE] = {1, 0, 0},
	},
    .metrics =
	{
	    [METRIC_IDLE] = {"bytes_per_slot", "bytes", 1},
	    [METRIC_FILLED] = {"bytes_filled", "never lent", 1},
	    [METRIC_BESIDE] = {"bytes_beside", "of leases", 1},
	    [METRIC_LENT] = {"bytes_lent", "all lent", 1},
	    [METRIC_MADE] = {"bytes_made", "not opened", 1},
	},
    .measure = measure,
};
