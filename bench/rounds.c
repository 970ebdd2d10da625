/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rounds: see rounds.h.
 */
#include "rounds.h"

#include "load.h"
#include "progress.h"
#include "timing.h"

#include <string.h>

/* One of each row.  False: somebody disturbed it, and `any_load` does not allow that. */
static bool
take(work *all, unsigned number, bool any_load, double (*round)[WORK_METRICS], bool *disturbed)
{
	load_mark mark;
	double foreign;

	*disturbed = false;
	for (unsigned i = 0; i < all->row_count; i++) {
		progress_show("%s round %u of %u: %s", all->kind->id, number + 1,
		    all->timing.rounds, work_row_title(&all->rows[i]));
		mark = load_now(all->kind->others_ns);
		if (all->rows[i].rival != NULL)
			rival_measure(all->rows[i].rival, all->kind, &all->timing, round[i]);
		else
			all->kind->measure(&all->rows[i], &all->timing, round[i]);
		foreign = load_foreign(&mark, all->kind->others_ns);
		all->worst_load = foreign > all->worst_load ? foreign : all->worst_load;
		*disturbed = *disturbed || foreign > LOAD_MOST;
		if (*disturbed && !any_load)
			return false;
	}
	if (all->kind->compare != NULL)
		all->kind->compare(all->rows, all->row_count, round);
	return true;
}

static void
keep(work *all, double (*round)[WORK_METRICS])
{
	unsigned metrics = work_metric_count(all->kind);

	for (unsigned i = 0; i < all->row_count; i++)
		for (unsigned m = 0; m < metrics; m++)
			series_add(&all->rows[i].metric[m], round[i][m]);
}

static void
run_one(work *all, unsigned number, bool any_load, int64_t *spare_ns)
{
	double round[WORK_ROWS][WORK_METRICS];
	bool disturbed;

	for (unsigned repeats = 0;; repeats++) {
		int64_t began_ns = timing_now();

		if (take(all, number, any_load, round, &disturbed)) {
			keep(all, round);
			all->kept++;
			all->disturbed += disturbed;
			return;
		}
		*spare_ns -= timing_now() - began_ns;
		if (repeats == ROUNDS_REPEATS || *spare_ns < 0)
			break;
		all->repeated++;
	}
	all->dropped++;
}

void
rounds_run(work *all, bool any_load, int64_t *spare_ns)
{
	int64_t began_ns = timing_now();

	if (all->kind->begin != NULL)
		all->kind->begin();
	for (unsigned number = 0; number < all->timing.rounds; number++)
		run_one(all, number, any_load, spare_ns);
	if (all->kind->end != NULL)
		all->kind->end();
	all->took_s = (double)(timing_now() - began_ns) / (double)TIMING_SEC;
	progress_clear();
}
