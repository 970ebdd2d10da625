/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * targets: what the pool holds itself to, and how far it is.  Ratios within one run, but for a few times.
 */
#ifndef BENCH_TARGETS_H
#define BENCH_TARGETS_H

#include "work.h"

/* The workloads of a run. */
typedef struct work_set {
	const work *work;
	unsigned count;
} work_set;

typedef struct target {
	const char *work; /* "W4" */
	const char *text;
	bool is_held;    /* this version is held to it; else it is what a later one aims at */
	bool is_ceiling; /* at most `goal`; else at least */
	double goal;
	const char *row, *metric;              /* whose median is the figure; NULL: see figure */
	double (*figure)(const work_set *all); /* NAN: none */
} target;

extern const target targets[];
extern const unsigned target_count;

/* Has the run what this target speaks of? */
bool target_applies(const target *one, const work_set *all);
double target_figure(const target *one, const work_set *all);
bool target_is_met(const target *one, double figure);

#endif
