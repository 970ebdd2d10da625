/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run: everything a report needs about one run of the program.  main fills it, table and json read it.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "machine.h"
#include "targets.h"
#include "work.h"

enum { RUN_WORKS = 20 };

typedef struct run {
	machine where;
	work_pace pace;
	bool with_rivals;
	bool any_load;   /* disturbed rounds are kept */
	bool sees_load;  /* else none can be told */
	int64_t began_s; /* since 1970 */
	double took_s;
	work work[RUN_WORKS];
	unsigned work_count;
} run;

#endif
