/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * targets: what the pool holds itself to, and how far it is.  All are ratios within one run.
 */
#ifndef BENCH_TARGETS_H
#define BENCH_TARGETS_H

#include "work.h"

/* The workloads of a run; NULL: it did not run. */
typedef struct work_set {
	const work *w1, *w2, *w4, *w6;
} work_set;

typedef struct target {
	const char *work; /* "W4" */
	const char *text;
	bool is_held;    /* this version is held to it; else it is what a later one aims at */
	bool is_ceiling; /* at most `goal`; else at least */
	double goal;
	double (*figure)(const work_set *all); /* NAN: none */
} target;

extern const target targets[];
extern const unsigned target_count;

/* Has the run what this target speaks of? */
bool target_applies(const target *one, const work_set *all);
bool target_is_met(const target *one, double figure);

#endif
