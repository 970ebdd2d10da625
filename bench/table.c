/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table: up to 100 columns of plain text on stdout.  It prints what was measured and nothing else: no
 * figure is known here.
 */
#include "table.h"

#include "load.h"

#include <math.h>
#include <stdio.h>

/* More shown metrics than this: a row has a line each for median, min and max. */
enum { FLAT_METRICS = 2 };

static unsigned
shown_metrics(const work_kind *kind)
{
	unsigned shown = 0;

	for (unsigned i = 0; i < work_metric_count(kind); i++)
		shown += kind->metrics[i].heading != NULL;
	return shown;
}

static void
print_number(int width, int digits, double value)
{
	if (isnan(value))
		(void)printf("%*s", width, "-");
	else
		(void)printf("%*.*f", width, digits, value);
}

static void
print_flat_row(const work_kind *kind, const work_row *row)
{
	(void)printf("  %-28s", work_row_title(row));
	for (unsigned i = 0; i < work_metric_count(kind); i++) {
		const series *values = &row->metric[i];
		print_number(14, kind->metrics[i].digits, series_median(values));
		(void)printf("  [");
		print_number(7, kind->metrics[i].digits, series_least(values));
		(void)printf(" -");
		print_number(7, kind->metrics[i].digits, series_most(values));
		(void)printf(" ]");
	}
	(void)printf("\n");
}

static void
print_line(
    const work_kind *kind, const work_row *row, const char *name, double (*pick)(const series *all))
{
	(void)printf("  %8s", name);
	for (unsigned i = 0; i < work_metric_count(kind); i++)
		if (kind->metrics[i].heading != NULL)
			print_number(11, kind->metrics[i].digits, pick(&row->metric[i]));
	(void)printf("\n");
}

static void
print_tall_row(const work_kind *kind, const work_row *row)
{
	(void)printf("  %s\n", work_row_title(row));
	print_line(kind, row, "median", series_median);
	print_line(kind, row, "min", series_least);
	print_line(kind, row, "max", series_most);
}

static void
print_headings(const work_kind *kind, bool flat)
{
	(void)printf("  %-*s", flat ? 28 : 8, "");
	for (unsigned i = 0; i < work_metric_count(kind); i++) {
		const char *heading = kind->metrics[i].heading;
		if (heading != NULL && flat)
			(void)printf("%14s  [    min -    max ]", heading);
		else if (heading != NULL)
			(void)printf("%11s", heading);
	}
	(void)printf("\n");
}

void
table_print_work(const work *one)
{
	const work_kind *kind = one->kind;
	bool flat = shown_metrics(kind) <= FLAT_METRICS;

	(void)printf("\n%s  %s\n", kind->id, kind->title);
	if (one->kept == 0) {
		(void)printf("  no figure: others used this machine in every round; "
			     "wait until it is quiet, or say --any-load\n");
		return;
	}
	print_headings(kind, flat);
	for (unsigned i = 0; i < one->row_count; i++) {
		const rival *other = one->rows[i].rival;

		if (other != NULL && other->why[0] != '\0')
			(void)printf(
			    "  %-28s%sno figure: %s\n", other->title, flat ? "  " : "", other->why);
		else if (flat)
			print_flat_row(kind, &one->rows[i]);
		else
			print_tall_row(kind, &one->rows[i]);
	}
	(void)fflush(stdout);
}

void
table_print_head(const run *all)
{
	const machine *where = &all->where;

	(void)printf(
	    "queuepool %s (%s engine), commit %s\n", where->library, where->engine, where->commit);
	(void)printf("%s; %s\n", where->compiler, where->options);
	(void)printf("%s, %ld CPUs, %s\n", where->cpu, where->cpus, where->kernel);
	(void)printf(
	    "The resource is a stub, in W6 a connection.  All rows in turn in each round; medians.\n");
	if (all->pace == PACE_SMOKE)
		(void)printf("--smoke: far too short to say anything about speed.\n");
	(void)fflush(stdout);
}

static void
print_rounds(const run *all)
{
	(void)printf("\nRounds\n");
	for (unsigned i = 0; i < all->work_count; i++) {
		const work *one = &all->work[i];
		(void)printf("  %-10s %4.0f s  %u of %u kept, %u repeated, %u dropped",
		    one->kind->id, one->took_s, one->kept, one->timing.rounds, one->repeated,
		    one->dropped);
		if (all->any_load)
			(void)printf(", %u of the kept disturbed", one->disturbed);
		if (one->worst_load > LOAD_MOST)
			(void)printf(
			    "; others took up to %.0f %% of the CPUs", 100 * one->worst_load);
		(void)printf("\n");
	}
	if (!all->sees_load)
		(void)printf(
		    "  /proc/stat says nothing here: disturbed rounds were not told apart\n");
}

static void
print_verdict(const target *one, double figure)
{
	double gap = one->is_ceiling ? figure - one->goal : one->goal - figure;

	if (isnan(figure))
		(void)printf("no figure\n");
	else if (target_is_met(one, figure))
		(void)printf("PASS\n");
	else
		(void)printf("%s by %.3g\n", one->is_held ? "MISSED" : "not yet,", gap);
}

static void
print_targets(const run *all, bool held, const char *heading)
{
	work_set set = {all->work, all->work_count};

	for (unsigned i = 0; i < target_count; i++) {
		const target *one = &targets[i];
		double figure;

		if (one->is_held != held || !target_applies(one, &set))
			continue;
		if (heading != NULL)
			(void)printf("\n%s\n", heading);
		heading = NULL;
		figure = target_figure(one, &set);
		(void)printf("  %-10s  %-44s", one->work, one->text);
		print_number(9, 3, figure);
		(void)printf("   %s %-5g  ", one->is_ceiling ? "<=" : ">=", one->goal);
		print_verdict(one, figure);
	}
}

void
table_print_end(const run *all)
{
	print_rounds(all);
	print_targets(all, true, "Targets this version is held to");
	print_targets(all, false, "Targets still ahead");
	(void)printf("\ntook %.0f s\n", all->took_s);
	(void)fflush(stdout);
}
